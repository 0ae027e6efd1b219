#!/usr/bin/env python3
"""Writes cases of what quantizers and optimizers make of models, as make_onnx.py does: operators between stored values, and
those of domain com.microsoft. Scales are powers of two, so that numpy's roundings are exact.
"""
import math
import sys

import numpy as np
from onnx import TensorProto as T, helper as h, numpy_helper as nh

sys.dont_write_bytecode = True
from make_onnx import case, conv, softmax  # noqa: E402

rng = np.random.default_rng(77)
MS = "com.microsoft"


def real(*shape):
    return rng.standard_normal(shape).astype(np.float32)


def stored(*shape, dtype=np.uint8):
    limits = np.iinfo(dtype)
    return rng.integers(limits.min, limits.max + 1, shape).astype(dtype)


def quantized(x, scale, zero, dtype=np.uint8):
    limits = np.iinfo(dtype)
    return np.clip(np.rint(np.asarray(x, np.float64) / scale) + zero, limits.min, limits.max).astype(dtype)


def reals(q, scale, zero):
    return (q.astype(np.float64) - zero) * scale


def one(name, op, inputs, outputs, constants, order, opset=17, domain=MS, **attrs):
    """One node; `constants` are {name: array}, `order` the node's inputs ("" where one is absent)."""
    case(name, opset, [h.make_node(op, order.split(","), list(outputs), domain=domain, **attrs)], inputs, outputs,
         [nh.from_array(np.asarray(a), n) for n, a in constants.items()], ir=8, domains=[MS])


def scale(name, s, z, dtype=np.uint8):
    return {name + "s": np.float32(s), name + "z": dtype(z)}


# ---- QLinear*
a, b = stored(2, 3, 4), stored(3, 1)
both = {"b": b, **scale("a", 2**-4, 100), **scale("b", 2**-5, 120), **scale("y", 2**-3, 90)}
for name, fn in ("Add", np.add), ("Mul", np.multiply):
    one("qlinear_" + name.lower(), "QLinear" + name, {"a": a},
        {"y": quantized(fn(reals(a, 2**-4, 100), reals(b, 2**-5, 120)), 2**-3, 90)}, both, "a,as,az,b,bs,bz,ys,yz")
i = stored(2, 5, dtype=np.int8)
signed = {**scale("x", 2**-4, -7, np.int8), **scale("y", 2**-5, 30, np.int8)}
xr = reals(i, 2**-4, -7)
one("qlinear_leaky_relu", "QLinearLeakyRelu", {"x": i},
    {"y": quantized(np.where(xr < 0, xr * 0.25, xr), 2**-5, 30, np.int8)}, signed, "x,xs,xz,ys,yz", alpha=0.25)
one("qlinear_sigmoid", "QLinearSigmoid", {"x": i}, {"y": quantized(1 / (1 + np.exp(-xr)), 2**-8, 0)},
    {**scale("x", 2**-4, -7, np.int8), **scale("y", 2**-8, 0)}, "x,xs,xz,ys,yz")
x = stored(1, 3, 4, 6)
pair = {**scale("x", 2**-4, 100), **scale("y", 2**-5, 80)}
xr = reals(x, 2**-4, 100)
one("qlinear_global_average", "QLinearGlobalAveragePool", {"x": x},
    {"y": quantized(xr.mean(axis=(2, 3), keepdims=True), 2**-5, 80)}, pair, "x,xs,xz,ys,yz", channels_last=0)
one("qlinear_average", "QLinearAveragePool", {"x": x},
    {"y": quantized(xr.reshape(1, 3, 2, 2, 3, 2).mean(axis=(3, 5)), 2**-5, 80)}, pair, "x,xs,xz,ys,yz",
    kernel_shape=[2, 2], strides=[2, 2])
one("qlinear_softmax_flat", "QLinearSoftmax", {"x": x}, {"y": quantized(softmax(xr, (2, 3)), 2**-8, 0)},
    {**scale("x", 2**-4, 100), **scale("y", 2**-8, 0)}, "x,xs,xz,ys,yz", axis=2, opset=12)
c = stored(1, 2, 4, 6)
one("qlinear_concat", "QLinearConcat", {"x": x, "c": c},
    {"y": quantized(np.concatenate([xr, reals(c, 2**-6, 3)], 1), 2**-5, 80)}, {**pair, **scale("c", 2**-6, 3)},
    "ys,yz,x,xs,xz,c,cs,cz", axis=1)

# ---- products
x, w = stored(4, 6), rng.integers(-20, 21, (5, 6)).astype(np.int8)
ws, bias = np.float32([.5, .25, 2, 1, .125]), rng.integers(-500, 500, 5).astype(np.int32)
xr, wr = reals(x, 2**-5, 100), w * ws.astype(np.float64)[:, None]
y = xr @ wr.T + bias * 2**-5 * ws
gemm = {**scale("x", 2**-5, 100), "w": w, "ws": ws, "wz": np.zeros(5, np.int8), "b": bias}
one("qgemm", "QGemm", {"x": x}, {"y": quantized(y, 2, 110)}, {**gemm, **scale("y", 2, 110)},
    "x,xs,xz,w,ws,wz,b,ys,yz", transB=1)
one("qgemm_real", "QGemm", {"x": x}, {"y": y.astype(np.float32)}, gemm, "x,xs,xz,w,ws,wz,b", transB=1)
v, free = real(3, 6), real(5)
top, low = max(v.max(), 0), min(v.min(), 0)
step = np.float32((top - low) / np.float32(255))
zero = np.clip(np.rint(-low / step), 0, 255)
rounded = (np.clip(np.rint(v / step) + zero, 0, 255) - zero) * np.float64(step)
one("dynamic_quantize_matmul", "DynamicQuantizeMatMul", {"x": v}, {"y": (rounded @ wr.T + free).astype(np.float32)},
    {"w": w.T.copy(), "ws": ws, "wz": np.zeros(5, np.int8), "b": free}, "x,w,ws,wz,b")
one("matmul_integer_to_float", "MatMulIntegerToFloat", {"x": x}, {"y": (xr @ wr.T + free).astype(np.float32)},
    {**scale("x", 2**-5, 100), "w": w.T.copy(), "ws": ws, "b": free}, "x,w,xs,ws,xz,,b")
nibbles, zeros = rng.integers(0, 16, (3, 2, 16)), rng.integers(0, 16, (3, 2))
steps = np.abs(real(3, 2))
weights = ((nibbles - zeros[..., None]) * steps[..., None].astype(np.float64)).reshape(3, 32)
v = real(2, 32)
packed = {"w": (nibbles[..., ::2] | nibbles[..., 1::2] << 4).astype(np.uint8), "s": steps.reshape(-1)}
one("matmul_nibbles", "MatMulNBits", {"x": v}, {"y": (v @ weights.T).astype(np.float32)},
    {**packed, "z": (zeros[:, 0] | zeros[:, 1] << 4).astype(np.uint8)}, "x,w,s,z", K=32, N=3, bits=4, block_size=16)
middle = ((nibbles - 8) * steps[..., None].astype(np.float64)).reshape(3, 32)
one("matmul_nibbles_even", "MatMulNBits", {"x": v}, {"y": (v @ middle.T).astype(np.float32)}, packed, "x,w,s", K=32, N=3,
    bits=4, block_size=16)
u, t = real(2, 3, 4), real(5, 4)
one("fused_matmul", "FusedMatMul", {"x": u}, {"y": (0.5 * u.astype(np.float64) @ t.T).astype(np.float32)}, {"t": t}, "x,t",
    transB=1, alpha=0.5)
one("fused_matmul_left", "FusedMatMul", {"x": u}, {"y": (u.astype(np.float64).transpose(0, 2, 1) @ u).astype(np.float32)},
    {}, "x,x", transA=1)

# ---- several operators in one
erf = np.vectorize(math.erf)
shift = real(4)


def gelu(x):
    return (0.5 * x * (1 + erf(x / np.sqrt(2.)))).astype(np.float32)


def by_tanh(x):
    x = x.astype(np.float64)
    return (0.5 * x * (1 + np.tanh(np.sqrt(2 / np.pi) * (x + 0.044715 * x**3)))).astype(np.float32)


one("gelu_old", "Gelu", {"x": u}, {"y": gelu(u)}, {}, "x")
one("gelu_bias", "BiasGelu", {"x": u}, {"y": gelu(u + shift)}, {"b": shift}, "x,b")
one("gelu_fast", "FastGelu", {"x": u}, {"y": by_tanh(u + shift)}, {"b": shift}, "x,b")
one("gelu_quick", "QuickGelu", {"x": u}, {"y": (u / (1 + np.exp(-1.702 * u.astype(np.float64)))).astype(np.float32)}, {}, "x")
skip, gamma, beta = real(2, 3, 4), real(4), real(4)
total = (u + skip + shift).astype(np.float64)
normed = (total - total.mean(-1, keepdims=True)) / np.sqrt(total.var(-1, keepdims=True) + 1e-5)
case("skip_layer_norm", 17, [
    h.make_node("SkipLayerNormalization", ["x", "s", "g", "b", "t"], ["y", "", "", "sum"], domain=MS, epsilon=1e-5)],
     {"x": u}, {"y": (normed * gamma + beta).astype(np.float32), "sum": total.astype(np.float32)},
     [nh.from_array(p, n) for n, p in (("s", skip), ("g", gamma), ("b", beta), ("t", shift))], ir=8, domains=[MS])
total = (u + skip).astype(np.float64)
rms = total / np.sqrt((total**2).mean(-1, keepdims=True) + 1e-5) * gamma
one("skip_simplified_norm", "SkipSimplifiedLayerNormalization", {"x": u}, {"y": rms.astype(np.float32)},
    {"s": skip, "g": gamma}, "x,s,g", epsilon=1e-5)
x64 = u.astype(np.float64)
one("layer_norm_early", "LayerNormalization", {"x": u}, {
    "y": ((x64 - x64.mean(-1, keepdims=True)) / np.sqrt(x64.var(-1, keepdims=True) + 1e-5) * gamma).astype(np.float32)},
    {"g": gamma}, "x,g", domain="", opset=13)
image, kernel, plane = real(1, 2, 5, 5), real(3, 2, 3, 3), real(1, 3, 3, 3)
window = conv(image, kernel, np.zeros(3), (1, 1), (0, 0, 0, 0), (1, 1), 1) + plane
one("fused_conv", "FusedConv", {"x": image}, {"y": window.clip(np.float32(-0.5), np.float32(0.75))},
    {"w": kernel, "z": plane}, "x,w,,z", activation="Clip", activation_params=[-0.5, 0.75])

# ---- stored values: what moves them leaves them, to everything else they are integers
x = real(1, 2, 4, 4)
q, s = quantized(x, 2**-4, 100), [nh.from_array(p, n) for n, p in scale("x", 2**-4, 100).items()]
quantize = h.make_node("QuantizeLinear", ["x", "xs", "xz"], ["q"])
moved = q.reshape(1, 2, 2, 2, 2, 2).max(axis=(3, 5)).reshape(1, 8)
case("stored_moves", 13, [quantize, h.make_node("MaxPool", ["q"], ["m"], kernel_shape=[2, 2], strides=[2, 2]),
                          h.make_node("Flatten", ["m"], ["y"]), h.make_node("DequantizeLinear", ["y", "xs", "xz"], ["r"])],
     {"x": x}, {"y": moved, "r": reals(moved, 2**-4, 100).astype(np.float32)}, s)
padded = np.pad(q, ((0, 0), (0, 0), (1, 0), (0, 2)), constant_values=9)
case("stored_pad", 13, [quantize, h.make_node("Pad", ["q", "p", "v"], ["y"]),
                        h.make_node("DequantizeLinear", ["y", "xs", "xz"], ["r"])],
     {"x": x}, {"y": padded, "r": reals(padded, 2**-4, 100).astype(np.float32)},
     s + [nh.from_array(np.array([0, 0, 1, 0, 0, 0, 0, 2]), "p"), nh.from_array(np.uint8(9), "v")])
# Computed integers become values of a scale again.
most = np.maximum(q, 110)
case("stored_again", 13, [
    quantize, h.make_node("Max", ["q", "m"], ["t"]),
    h.make_node("QLinearAdd", ["t", "xs", "xz", "t", "xs", "xz", "xs", "xz"], ["y"], domain=MS)],
     {"x": x}, {"y": quantized(2 * reals(most, 2**-4, 100), 2**-4, 100)}, s + [nh.from_array(np.uint8(110), "m")], ir=8,
     domains=[MS])
other = [nh.from_array(p, n) for n, p in scale("o", 2**-3, 7).items()]
case("stored_integers", 13, [
    quantize, h.make_node("Cast", ["q"], ["f"], to=T.FLOAT), h.make_node("Max", ["q", "oz"], ["m"]),
    h.make_node("Concat", ["q", "m"], ["c"], axis=1), h.make_node("DequantizeLinear", ["q", "os", "oz"], ["r"])],
     {"x": x}, {"f": q.astype(np.float32), "c": np.concatenate([q, np.maximum(q, 7)], 1),
                "r": reals(q, 2**-3, 7).astype(np.float32)}, s + other)
