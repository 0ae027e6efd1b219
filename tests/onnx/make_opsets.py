#!/usr/bin/env python3
"""Writes cases of forms that one opset has and another has not, as make_onnx.py does: attributes that came and went, every
way to write a constant.
"""
import sys

import numpy as np
from onnx import SparseTensorProto, TensorProto as T, helper as h, numpy_helper as nh

sys.dont_write_bytecode = True
from make_onnx import case, const  # noqa: E402

rng = np.random.default_rng(5)


def real(*shape):
    return rng.standard_normal(shape).astype(np.float32)


def sparse(name, values, indices, dims):
    s = SparseTensorProto(values=nh.from_array(values, name), indices=nh.from_array(np.array(indices, np.int64)))
    s.dims.extend(dims)
    return s


# Statistics of each element, not of each channel: an attribute that opset 9 took away.
x = real(3, 2, 4)
scale, bias, mean, var = real(2, 4), real(2, 4), real(2, 4), np.abs(real(2, 4))
case("batchnorm_each_feature", 7, [h.make_node("BatchNormalization", list("xsbmv"), ["y"], spatial=0)], {"x": x},
     {"y": ((x - mean) / np.sqrt(var + np.float32(1e-5)) * scale + bias).astype(np.float32)},
     [nh.from_array(a, n) for a, n in ((scale, "s"), (bias, "b"), (mean, "m"), (var, "v"))])

# Opset 24 says how to round to a type that only later ones have.
case("cast_round_mode", 24, [h.make_node("Cast", ["x"], ["y"], to=T.INT32, round_mode="nearest", saturate=0)],
     {"x": x * 9}, {"y": (x * 9).astype(np.int32)}, ir=10)

# Sparse tensors, by numbers of elements and by numbers for each dimension.
table = np.zeros((3, 4), np.float32)
table[0, 1], table[2, 0], table[2, 3] = 1.5, -2, 4
values = np.array([1.5, -2, 4], np.float32)
y = real(3, 4)
case("sparse_flat", 13, [h.make_node("Add", ["y", "w"], ["z"])], {"y": y}, {"z": y + table},
     [sparse("w", values, [1, 8, 11], [3, 4])])
case("sparse_rows", 13, [h.make_node("Add", ["y", "w"], ["z"])], {"y": y}, {"z": y + table},
     [sparse("w", values, [[0, 1], [2, 0], [2, 3]], [3, 4])])
case("constant_sparse", 13, [
    h.make_node("Constant", [], ["w"], sparse_value=sparse("", values, [1, 8, 11], [3, 4])),
    h.make_node("Add", ["y", "w"], ["z"])], {"y": y}, {"z": y + table})

# Every attribute of Constant, and one that is a graph output as it is.
case("constant_forms", 13, [
    h.make_node("Constant", [], ["t"], value=nh.from_array(np.array([[2, 3, 4, 5]], np.float32))),
    h.make_node("Constant", [], ["f"], value_float=0.5), h.make_node("Constant", [], ["fs"], value_floats=[1., 2., 3., 4.]),
    h.make_node("Constant", [], ["i"], value_int=2), h.make_node("Constant", [], ["is"], value_ints=[4, -1]),
    h.make_node("Mul", ["y", "t"], ["a"]), h.make_node("Mul", ["a", "f"], ["b"]), h.make_node("Add", ["b", "fs"], ["c"]),
    h.make_node("Reshape", ["c", "is"], ["d"]), h.make_node("Gather", ["d", "i"], ["z"])],
     {"y": y}, {"z": (y * table.dtype.type(0.5) * np.array([2, 3, 4, 5], np.float32)
                      + np.array([1, 2, 3, 4], np.float32)).reshape(4, 3)[2], "is": np.array([4, -1], np.int64)})

# Results that are an input and an initializer, a node that nobody reads, an input in the middle that is not given.
w = real(3, 4)
case("odd_edges", 13, [
    h.make_node("Add", ["y", "w"], ["z"]), h.make_node("Exp", ["y"], ["unused"]),
    h.make_node("Clip", ["z", "", "one"], ["c"])], {"y": y},
     {"c": np.minimum(y + w, np.float32(1)), "y": y, "w": w},
     [nh.from_array(w, "w"), const("one", 1, np.float32)])
