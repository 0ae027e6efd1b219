#!/usr/bin/env python3
"""Writes cases of ops that move, pick and sample elements, as make_onnx.py does; numpy gives the expected values.

What the ONNX project's tests of opset 17 do not know yet, and what they leave out.
"""
import sys

import numpy as np
from onnx import helper as h

sys.dont_write_bytecode = True
from make_onnx import case, const  # noqa: E402

rng = np.random.default_rng(20241)


def real(*shape):
    return rng.standard_normal(shape).astype(np.float32)


def one(name, opset, op, inputs, outputs, constants=(), names=None, **attrs):
    """One node: graph inputs, then constants (None: absent), named in their order."""
    names = names or list(inputs) + [c if isinstance(c, str) else c.name for c in constants]
    inits = [c for c in constants if not isinstance(c, str)]
    case(name, opset, [h.make_node(op, names, list(outputs), **attrs)], inputs, outputs, inits)


x = real(2, 7, 3)
one("split_uneven", 18, "Split", {"x": x}, {"a": x[:, :3], "b": x[:, 3:6], "c": x[:, 6:]}, axis=1, num_outputs=3)
one("split_sizes", 18, "Split", {"x": x}, {"a": x[:, :1], "b": x[:, 1:]}, [const("s", [1, 6])], axis=-2)

x = real(3, 4)
one("pad_axes", 18, "Pad", {"x": x}, {"y": np.pad(x, ((0, 0), (1, 2)))}, [const("p", [1, 2]), "", const("a", [-1])])
one("pad_axes_cut", 18, "Pad", {"x": x}, {"y": np.pad(x[1:], ((0, 0), (3, 0)), constant_values=2.5)},
    [const("p", [3, -1, 0, 0]), const("v", 2.5, np.float32), const("a", [1, 0])])
one("pad_wrap", 19, "Pad", {"x": x}, {"y": np.pad(x, ((2, 1), (0, 3)), "wrap")}, [const("p", [2, 0, 1, 3])], mode="wrap")

x = real(5, 4, 3)
one("center_crop_pad", 18, "CenterCropPad", {"x": x}, {"y": np.pad(x[1:4], ((0, 0), (1, 2), (0, 0)))},
    [const("s", [3, 7, 3])])
one("center_crop_axes", 18, "CenterCropPad", {"x": x}, {"y": x[:, 0:3, 1:2]}, [const("s", [1, 3])], axes=[2, -2])

x, i = real(4, 3), np.array([[0, 2, 2], [-1, 0, 3]], np.int64)
u = real(2, 3)
for how, fn in [("max", max), ("min", min), ("add", lambda a, b: a + b), ("mul", lambda a, b: a * b)]:
    y = x.copy()
    for p in np.ndindex(2, 3):
        y[i[p], p[1]] = fn(y[i[p], p[1]], u[p])
    one("scatter_elements_" + how, 18, "ScatterElements", {"x": x, "i": i, "u": u}, {"y": y}, axis=0, reduction=how)
    y, rows = x.copy(), np.array([[1], [1]], np.int64)
    for k in range(2):
        y[1] = [fn(a, b) for a, b in zip(y[1], u[k])]
    one("scatter_nd_" + how, 18, "ScatterND", {"x": x, "i": rows, "u": u}, {"y": y}, reduction=how)

# Equal elements keep their order; -0 and 0 are equal.
x = np.array([[1, 3, 3, 0, 2, 3], [-0.0, 0, -1, 0, -2, 5]], np.float32)
order = np.array([np.argsort(-row, kind="stable")[:4] for row in x])
one("top_k_ties", 11, "TopK", {"x": x}, {"v": np.take_along_axis(x, order, 1), "i": order}, [const("k", [4])])
order = np.array([np.argsort(row, kind="stable")[:3] for row in x])
one("top_k_least", 11, "TopK", {"x": x}, {"v": np.take_along_axis(x, order, 1), "i": order}, [const("k", [3])],
    largest=0, axis=-1)

i = np.array([[0, 3, -1], [2, -4, 9]], np.float32)
y = np.full((2, 4, 3), -1, np.float32)
for p in np.ndindex(2, 3):
    if -4 <= i[p] < 4:
        y[p[0], int(i[p]) % 4, p[1]] = 7
one("one_hot_reals", 11, "OneHot", {"i": i}, {"y": y}, [const("d", 4.0, np.float32), const("v", [-1, 7], np.float32)],
    axis=1)
i = np.array([0, 2, 200], np.uint8)
one("one_hot_bytes", 11, "OneHot", {"i": i, "v": np.array([5, 6], np.int64)},
    {"y": np.where(i[:, None] == np.arange(3), 6, 5)}, [const("d", [3])], names=["i", "d", "v"])

# ---- products ----
a, b = rng.integers(-9, 9, (2, 3, 4)), rng.integers(-9, 9, (4, 2))
one("matmul_i64", 13, "MatMul", {"a": a, "b": b}, {"y": a @ b})
a, b = rng.standard_normal((3, 4)), rng.standard_normal((4,))
one("matmul_f64_vector", 13, "MatMul", {"a": a, "b": b}, {"y": a @ b})
b, c = rng.standard_normal((5, 4)), rng.standard_normal((5,))
one("gemm_f64", 13, "Gemm", {"a": a, "b": b, "c": c}, {"y": a @ b.T + c}, transB=1)

for k, (equation, shapes) in enumerate([
        ("ab,bc,cd->da", [(2, 3), (3, 4), (4, 5)]), ("...ij,...jk->...ik", [(2, 1, 3, 4), (3, 4, 2)]),
        ("iij->j", [(3, 3, 4)]), ("bhqd,bhkd->bhqk", [(2, 3, 4, 5), (2, 3, 6, 5)]), ("i,j", [(3,), (4,)]),
        ("ba", [(2, 3)]), ("abc,c->ab", [(2, 3, 4), (4,)]), ("a...a->...", [(3, 2, 4, 3)]), ("ij,kl->jl", [(2, 3), (4, 5)]),
        ("ij,ij->", [(3, 4), (3, 4)])]):
    data = {f"x{n}": real(*s) for n, s in enumerate(shapes)}
    y = np.einsum(equation, *[v.astype(float) for v in data.values()])
    one(f"einsum_{k}", 12, "Einsum", data, {"y": np.asarray(y, np.float32)}, equation=equation)

# ---- resizing, by the definition in ONNX' operator text ----


def hat(t, a):
    return max(0.0, 1 - abs(t))


def keys(t, a):
    t = abs(t)
    if t <= 1:
        return (a + 2) * t**3 - (a + 3) * t**2 + 1
    return a * t**3 - 5 * a * t**2 + 8 * a * t - 4 * a if t < 2 else 0.0


def resize_axis(x, axis, out, scale, mode, place, antialias=False, exclude=False, a=-0.75):
    n, y = x.shape[axis], []
    wide = 1 / scale if antialias and scale < 1 else 1.0
    for i in range(out):
        p = place(i)
        if mode == "nearest":
            j = int(np.floor(p)) + (p - np.floor(p) > 0.5)
            y.append(np.take(x, min(max(j, 0), n - 1), axis))
            continue
        near = range(int(np.floor(p - 3 * wide)), int(np.ceil(p + 3 * wide)) + 1)
        w = [(hat if mode == "linear" else keys)((j - p) / wide, a) for j in near]
        if exclude:
            w = [0 if not 0 <= j < n else v for j, v in zip(near, w)]
        y.append(sum(v / sum(w) * np.take(x, min(max(j, 0), n - 1), axis).astype(float) for j, v in zip(near, w)))
    return np.stack(y, axis)


def half(scale):
    return lambda i: (i + 0.5) / scale - 0.5


x = real(1, 2, 6, 5)
for mode in "linear", "cubic":
    y = resize_axis(resize_axis(x, 2, 3, 0.6, mode, half(np.float32(0.6)), True), 3, 4, 0.8, mode, half(np.float32(0.8)), True)
    one(f"resize_antialias_{mode}", 18, "Resize", {"x": x}, {"y": y.astype(np.float32)},
        ["", const("s", [1, 1, 0.6, 0.8], np.float32)], mode=mode, antialias=1)
y = resize_axis(resize_axis(x, 3, 10, 2, "linear", half(2)), 2, 9, 1.5, "linear", half(1.5))
one("resize_axes", 18, "Resize", {"x": x}, {"y": y.astype(np.float32)}, ["", "", const("n", [10, 9])], mode="linear",
    axes=[3, 2])
for policy, scale in ("not_larger", 7 / 6), ("not_smaller", 8 / 5):
    size = [round(6 * scale), round(5 * scale)]
    y = resize_axis(resize_axis(x, 2, size[0], scale, "nearest", half(scale)), 3, size[1], scale, "nearest", half(scale))
    one("resize_" + policy, 18, "Resize", {"x": x}, {"y": y}, ["", "", const("n", [7, 8])], mode="nearest", axes=[2, 3],
        keep_aspect_ratio_policy=policy)
scale = np.float32(2.3)
wide = 5 * float(scale)


def symmetric(i):
    return 2.5 * (1 - 11 / wide) + (i + 0.5) / float(scale) - 0.5


one("resize_symmetric", 19, "Resize", {"x": x}, {"y": resize_axis(x, 3, 11, 2.3, "linear", symmetric).astype(np.float32)},
    ["", const("s", [1, 1, 1, 2.3], np.float32)], mode="linear", coordinate_transformation_mode="half_pixel_symmetric")
y = resize_axis(x, 2, 9, 1.5, "cubic", half(1.5), exclude=True, a=-0.5).astype(np.float32)
one("resize_exclude", 13, "Resize", {"x": x}, {"y": y}, ["", const("s", [1, 1, 1.5, 1], np.float32)], mode="cubic",
    exclude_outside=1, cubic_coeff_a=-0.5)
q = rng.integers(0, 256, (1, 2, 3, 2)).astype(np.uint8)
one("resize_bytes", 13, "Resize", {"x": q}, {"y": q.repeat(3, 2).repeat(2, 3)},
    ["", const("s", [1, 1, 3, 2], np.float32)], mode="nearest", coordinate_transformation_mode="asymmetric",
    nearest_mode="floor")
one("upsample_9", 9, "Upsample", {"x": x}, {"y": x.repeat(2, 2)}, [const("s", [1, 1, 2, 1], np.float32)])
