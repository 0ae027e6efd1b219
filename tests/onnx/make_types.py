#!/usr/bin/env python3
"""Writes cases of seldom element types, as make_onnx.py does."""
import sys

import numpy as np
from onnx import TensorProto, TensorProto as T, helper as h

sys.dont_write_bytecode = True
from make_onnx import case, const  # noqa: E402

# ---- unsigned numbers of 64 bits: beyond what an i64 holds --------------------------------------------------------------

BIG = 2**63
a = np.array([[0, 1, BIG, 2 * BIG - 1], [7, BIG + 5, 3, BIG - 1]], np.uint64)
b = np.array([[BIG, 1, 3, 10], [2, BIG + 6, BIG + 1, 2]], np.uint64)


def binary(name, op, y, opset=18):
    case("u64_" + name, opset, [h.make_node(op, ["a", "b"], ["y"])], {"a": a, "b": b}, {"y": y})


def unary(name, op, y, opset=18, **attributes):
    case("u64_" + name, opset, [h.make_node(op, ["a"], ["y"], **attributes)], {"a": a}, {"y": y})


binary("div", "Div", a // b)
binary("mod", "Mod", a % b)
binary("less", "Less", a < b)
binary("max", "Max", np.maximum(a, b))
binary("min", "Min", np.minimum(a, b))
unary("to_f32", "Cast", a.astype(np.float32), to=T.FLOAT)
unary("to_i32", "Cast", a.astype(np.int32), to=T.INT32)
unary("reduce_max", "ReduceMax", a.max(1, keepdims=True), axes=[1], opset=13)
unary("reduce_min", "ReduceMin", a.min(0, keepdims=True), axes=[0], opset=13)
unary("arg_max", "ArgMax", a.argmax(1).astype(np.int64), axis=1, keepdims=0)
# Nibbles, the first one low, in bytes with a sign, as ONNX 1.16 wrote them.
nibbles = TensorProto(name="q", data_type=22, dims=[5], int32_data=[0x78, 0x8f - 256, 3])
case("i4_with_sign", 21, [h.make_node("DequantizeLinear", ["q", "s"], ["w"]), h.make_node("Mul", ["x", "w"], ["y"])],
     {"x": np.ones(5, np.float32)}, {"y": np.array([-8, 7, -1, -8, 3], np.float32) / 2},
     [nibbles, const("s", 0.5, np.float32)])
f = np.array([0, -2.5, 1e10, 1.5e19, 3e19, np.nan], np.float32)
case("u64_from_f32", 18, [h.make_node("Cast", ["x"], ["y"], to=T.UINT64)], {"x": f},
     {"y": np.array([0, 0, 10**10, int(np.float32(1.5e19)), 2**64 - 1, 0], np.uint64)})
