#!/usr/bin/env python3
"""Writes cases over f16, bf16 and f64, and of attention, as make_onnx.py does; numpy computes in f64 and rounds where
ONNX has a value of a narrow type."""
import sys

import numpy as np
from onnx import TensorProto as T, helper as h, numpy_helper as nh

sys.dont_write_bytecode = True
from make_onnx import case, const  # noqa: E402

rng = np.random.default_rng(23)
HALF = np.float16


def real(*shape, dtype=HALF):
    return rng.standard_normal(shape).astype(dtype)


def wide(x):
    return x.astype(np.float64)


def init(**arrays):
    return [nh.from_array(a, n) for n, a in arrays.items()]


def node(op, inputs, outputs, **attributes):
    return h.make_node(op, inputs.split(), outputs.split(), **attributes)


def conv(x, w, b, pad):
    x = np.pad(wide(x), ((0, 0), (0, 0), (pad, pad), (pad, pad)))
    k = w.shape[2]
    windows = np.lib.stride_tricks.sliding_window_view(x, (k, k), axis=(2, 3))
    return np.einsum("nchwij,ocij->nohw", windows, wide(w)) + wide(b)[:, None, None]


def conv_transpose(x, w, stride):
    n, c, height, width = x.shape
    k = w.shape[2]
    y = np.zeros((n, w.shape[1], (height - 1) * stride + k, (width - 1) * stride + k))
    for i in range(height):
        for j in range(width):
            y[:, :, i * stride:i * stride + k, j * stride:j * stride + k] += np.einsum(
                "nc,cokl->nokl", wide(x[:, :, i, j]), wide(w))
    return y


def pool(x, how):
    n, c, height, width = x.shape
    return how(wide(x).reshape(n, c, height // 2, 2, width // 2, 2), axis=(3, 5))


def softmax(x):
    e = np.exp(x - x.max(axis=-1, keepdims=True))
    return e / e.sum(axis=-1, keepdims=True)


def normal(x, axes, epsilon=1e-5):
    mean, variance = x.mean(axis=axes, keepdims=True), x.var(axis=axes, keepdims=True)
    return (x - mean) / np.sqrt(variance + epsilon), mean, 1 / np.sqrt(variance + epsilon)


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


# ---- element types: every operator that sums, over each type that ONNX gives it ----

def float_cases(name, t):
    x, w, b = real(1, 3, 6, 6, dtype=t), real(4, 3, 3, 3, dtype=t), real(4, dtype=t)
    scale, bias, mean, variance = real(4, dtype=t), real(4, dtype=t), real(4, dtype=t), np.abs(real(4, dtype=t)) + t(1)
    m = real(5, 4, dtype=t)
    c = conv(x, w, b, 1).astype(t)
    r = np.maximum(c, 0)
    p = pool(r, np.max).astype(t)
    column = lambda v: wide(v)[:, None, None]
    n = ((wide(p) - column(mean)) / np.sqrt(column(variance) + 1e-5) * column(scale) + column(bias)).astype(t)
    a = pool(np.pad(n, ((0, 0), (0, 0), (0, 1), (0, 1))), np.sum).astype(t) / t(4)
    g = wide(n).mean(axis=(2, 3)).astype(t)
    d = (wide(g) @ wide(m).T * 0.5).astype(t)
    case(f"{name}_network", 17, [
        node("Conv", "x w b", "c", pads=[1, 1, 1, 1]), node("Relu", "c", "r"),
        node("MaxPool", "r", "p", kernel_shape=[2, 2], strides=[2, 2]),
        node("BatchNormalization", "p scale bias mean variance", "n"),
        node("AveragePool", "n", "a", kernel_shape=[2, 2], strides=[2, 2], pads=[0, 0, 1, 1], count_include_pad=1),
        node("GlobalAveragePool", "n", "g"), node("Flatten", "g", "f"), node("Gemm", "f m", "d", transB=1, alpha=0.5),
        node("Softmax", "d", "y"), node("LogSoftmax", "d", "l"), node("Hardmax", "d", "o")],
        {"x": x}, {"c": c, "n": n, "a": a, "y": softmax(wide(d)).astype(t),
                   "l": np.log(softmax(wide(d))).astype(t), "o": (wide(d) == wide(d).max(-1, keepdims=True)).astype(t)},
        init(w=w, b=b, scale=scale, bias=bias, mean=mean, variance=variance, m=m))

    x, s, b = real(2, 4, 3, 5, dtype=t), real(5, dtype=t), real(5, dtype=t)
    sc, bc = real(4, dtype=t), real(4, dtype=t)
    y, mean, rstd = normal(wide(x), (3,))
    inst = normal(wide(x), (2, 3))[0] * column(sc) + column(bc)
    squares = np.pad(wide(x) ** 2, ((0, 0), (1, 1), (0, 0), (0, 0)))
    near = squares[:, :-2] + squares[:, 1:-1] + squares[:, 2:]
    # What is kept besides the result of LayerNormalization is f32 for narrow types.
    kept = np.float32 if t is HALF else t
    case(f"{name}_norms", 17, [
        node("LayerNormalization", "x s b", "y mean rstd" if t is HALF else "y"),
        node("InstanceNormalization", "x sc bc", "i"),
        node("LRN", "x", "l", size=3, alpha=0.5, beta=0.75, bias=2.0), node("LpNormalization", "x", "p", p=2, axis=-1),
        node("MeanVarianceNormalization", "x", "v"), node("GlobalLpPool", "x", "q", p=2)],
        {"x": x}, {"y": (y * wide(s) + wide(b)).astype(t), **({"mean": mean.astype(kept), "rstd": rstd.astype(kept)}
                                                            if t is HALF else {}),
                   "i": inst.astype(t), "l": (wide(x) / (2 + 0.5 / 3 * near) ** 0.75).astype(t),
                   "p": (wide(x) / np.sqrt((wide(x) ** 2).sum(-1, keepdims=True))).astype(t),
                   "v": normal(wide(x), (0, 2, 3), 0)[0].astype(t),
                   "q": np.sqrt((wide(x) ** 2).sum((2, 3), keepdims=True)).astype(t)},
        init(s=s, b=b, sc=sc, bc=bc))

    x, w = real(1, 2, 3, 3, dtype=t), real(2, 3, 3, 3, dtype=t)
    case(f"{name}_conv_transpose", 11, [node("ConvTranspose", "x w", "y", strides=[2, 2])], {"x": x},
         {"y": conv_transpose(x, w, 2).astype(t)}, init(w=w))

    x, k = real(3, 4, 5, dtype=t), real(5, 2, dtype=t)
    case(f"{name}_sums", 18, [
        node("ReduceMean", "x last", "a"), node("ReduceL2", "x last", "b"), node("ReduceMax", "x", "c", keepdims=0),
        node("ReduceLogSumExp", "x first", "d"), node("MatMul", "x k", "e"),
        node("Einsum", "x k", "f", equation="abc,cd->bd")], {"x": x},
        {"a": wide(x).mean(-1, keepdims=True).astype(t), "b": np.sqrt((wide(x) ** 2).sum(-1, keepdims=True)).astype(t),
         "c": np.asarray(x.max()), "d": np.log(np.exp(wide(x)).sum(0, keepdims=True)).astype(t),
         "e": (wide(x) @ wide(k)).astype(t), "f": np.einsum("abc,cd->bd", wide(x), wide(k)).astype(t)},
        init(k=k) + [const("last", [-1]), const("first", [0])])

    if t is not HALF:
        return
    steps, batch, size, hidden = 3, 2, 4, 5
    x, w, r, b = (real(*s, dtype=t) for s in
                  ((steps, batch, size), (1, 4 * hidden, size), (1, 4 * hidden, hidden), (1, 8 * hidden)))
    state, cell, ys = np.zeros((batch, hidden)), np.zeros((batch, hidden)), []
    for step in range(steps):
        gates = wide(x[step]) @ wide(w[0]).T + state @ wide(r[0]).T + wide(b[0]).reshape(2, -1).sum(0)
        i, o, f, c = np.split(gates, 4, axis=1)
        cell = sigmoid(f) * cell + sigmoid(i) * np.tanh(c)
        state = sigmoid(o) * np.tanh(cell)
        ys.append(state)
    case(f"{name}_lstm", 14, [node("LSTM", "x w r b", "y h c", hidden_size=hidden)], {"x": x},
         {"y": np.stack(ys)[:, None].astype(t), "h": state[None].astype(t), "c": cell[None].astype(t)},
         init(w=w, r=r, b=b))


float_cases("half", HALF)
float_cases("double", np.float64)

# numpy has no bf16: values that are of few bits, whose sums are exact in bf16 as well.
x = rng.integers(-2, 3, (1, 2, 4, 4)).astype(np.float32)
w = rng.integers(-1, 2, (3, 2, 3, 3)).astype(np.float32)
bits = (np.concatenate([w.ravel(), np.float32([1, 2, 3])]).view(np.uint32) >> 16).astype(np.uint16)
brain = lambda name, dims, raw: h.make_tensor(name, T.BFLOAT16, dims, raw.tobytes(), raw=True)
y = conv(x, w, np.float32([1, 2, 3]), 0)
case("brain_conv", 13, [node("Cast", "x", "t", to=T.BFLOAT16), node("Conv", "t w b", "u"),
                        node("Cast", "u", "y", to=T.FLOAT), node("ReduceMax", "u", "v", keepdims=0),
                        node("Cast", "v", "z", to=T.FLOAT)],
     {"x": x}, {"y": y.astype(np.float32), "z": np.float32(y.max()).reshape(())},
     [brain("w", w.shape, bits[:-3]), brain("b", [3], bits[-3:])])

# ---- attention ----


def attention(q, k, v, bias, scale=None, softcap=0):
    q, k, v = wide(q), wide(k), wide(v)
    repeat = q.shape[1] // k.shape[1]
    k, v = np.repeat(k, repeat, 1), np.repeat(v, repeat, 1)
    s = q @ k.transpose(0, 1, 3, 2) * (scale or 1 / np.sqrt(q.shape[3]))
    if softcap:
        s = np.tanh(s / softcap) * softcap
    s = s + bias
    seen = np.isfinite(s).any(-1, keepdims=True)
    return np.where(seen, softmax(np.where(seen, s, 0)), 0) @ v


def masked(allowed):
    return np.where(allowed, 0, -np.inf)


f32 = np.float32
q, k, v = real(2, 6, 3, 4, dtype=f32), real(2, 2, 3, 4, dtype=f32), real(2, 2, 3, 5, dtype=f32)
pk, pv = real(2, 2, 2, 4, dtype=f32), real(2, 2, 2, 5, dtype=f32)
wholes = np.concatenate([pk, k], 2), np.concatenate([pv, v], 2)
causal = np.arange(5) <= np.arange(3)[:, None] + 2
n = h.make_node("Attention", ["q", "k", "v", "", "pk", "pv"], ["y", "k2", "v2"], is_causal=1, softcap=1.5)
case("attention_groups_past", 23, [n], {"q": q, "k": k, "v": v, "pk": pk, "pv": pv},
     {"y": attention(q, *wholes, masked(causal), softcap=1.5).astype(f32), "k2": wholes[0], "v2": wholes[1]})

# Heads side by side; a mask that is shorter than the keys, with a row that sees none.
x, flat = real(2, 3, 12), real(2, 5, 6)
mask = np.array([[1, 1, 0, 1], [0, 0, 0, 0], [0, 1, 1, 1]], bool)
heads = lambda a, g: a.reshape(*a.shape[:2], g, -1).transpose(0, 2, 1, 3)
y = attention(heads(x, 4), heads(flat, 2), heads(flat, 2), masked(np.pad(mask, ((0, 0), (0, 1)))), scale=0.25)
case("attention_flat_half", 23, [node("Attention", "x k k mask", "y", q_num_heads=4, kv_num_heads=2, scale=0.25)],
     {"x": x, "k": flat}, {"y": y.transpose(0, 2, 1, 3).reshape(2, 3, 12).astype(HALF)}, [const("mask", mask, bool)])

# Caches of which a part is filled: the second has fewer keys than there are queries.
q, k = real(2, 2, 3, 4, dtype=f32), real(2, 2, 5, 4, dtype=f32)
filled = np.array([4, 2])
allowed = np.arange(5) < (filled[:, None, None] - 2 + np.arange(3)[:, None])
bias = real(1, 3, 5, dtype=f32)
n = h.make_node("Attention", ["q", "k", "k", "bias", "", "", "filled"], ["y"], is_causal=1)
case("attention_filled", 24, [n], {"q": q, "k": k, "bias": bias, "filled": filled},
     {"y": attention(q, k, k, bias + masked(allowed[:, None])).astype(f32)})

# Two of three pairs of each head are turned, by positions out of order.
x, angle, at = real(2, 3, 2 * 6, dtype=f32), real(7, 2, dtype=f32), np.array([[0, 6, 2], [5, 1, 3]])
turn = (np.cos(wide(angle)) + 1j * np.sin(wide(angle)))[at][:, :, None]
for name, pairs in ("rotary_pairs", 1), ("rotary_halves", 0):
    parts = wide(x).reshape(2, 3, 2, 6)
    z = parts[..., 0:4:2] + 1j * parts[..., 1:4:2] if pairs else parts[..., 0:2] + 1j * parts[..., 2:4]
    z = z * turn
    y = parts.copy()
    y[..., :4] = np.stack([z.real, z.imag], -1 if pairs else -2).reshape(2, 3, 2, 4)
    case(name, 23, [node("RotaryEmbedding", "x c s at", "y", num_heads=2, rotary_embedding_dim=4, interleaved=pairs)],
         {"x": x}, {"y": y.reshape(x.shape).astype(f32)},
         init(c=np.cos(angle), s=np.sin(angle)) + [const("at", at)])
