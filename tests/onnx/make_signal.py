#!/usr/bin/env python3
"""Writes cases of windows and mel weights, as make_onnx.py does."""
import sys

import numpy as np
from onnx import helper as h

sys.dont_write_bytecode = True
from make_onnx import case, const  # noqa: E402


def window(name, op, size, periodic, y):
    nodes = [h.make_node(op, ["size"], ["w"], periodic=periodic), h.make_node("Mul", ["x", "w"], ["y"])]
    x = np.linspace(-1, 1, size).astype(np.float32)
    case("window_" + name, 17, nodes, {"x": x}, {"y": x * y.astype(np.float32)}, [const("size", size)])


t = 2 * np.pi * np.arange(37) / 36
window("hann", "HannWindow", 37, 0, np.sin(t / 2) ** 2)
window("one", "HannWindow", 1, 1, np.zeros(1))
t = 2 * np.pi * np.arange(24) / 24
window("hamming", "HammingWindow", 24, 1, 25 / 46 - 21 / 46 * np.cos(t))
window("blackman", "BlackmanWindow", 24, 1, 0.42 - 0.5 * np.cos(t) + 0.08 * np.cos(2 * t))

# Four bands over 33 bins: their edges lie at equal steps of the mel scale.
edge = np.linspace(0, 1, 7)[:6] * 2595 * np.log10(1 + 3000 / 700)
edge = np.floor(65 * 700 * (10 ** (edge / 2595) - 1) / 8000).astype(int)
weights = np.zeros((33, 4), np.float32)
for i in range(4):
    weights[:, i] = np.interp(np.arange(33), edge[i:i + 3], [0, 1, 0], left=0, right=0)
scalars = {"bands": np.int32(4), "points": np.int32(64), "rate": np.int32(8000), "low": np.float32(0),
           "high": np.float32(3000)}
x = np.ones((2, 33), np.float32) * np.arange(33, dtype=np.float32)
case("mel_weights", 17, [h.make_node("MelWeightMatrix", list(scalars), ["w"]), h.make_node("MatMul", ["x", "w"], ["y"])],
     {"x": x}, {"y": x @ weights}, [const(k, v, v.dtype) for k, v in scalars.items()])
