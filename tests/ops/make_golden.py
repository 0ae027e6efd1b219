#!/usr/bin/env python3
"""make_golden - the expected values of tests/unit/test_ops.c, worked out with numpy and rationals.

    tests/ops/make_golden.py        writes tests/ops/NAME.txt, a file for each op

Nothing here is taken from the compiler. Every f32 result is computed twice: in f64 by the textbook
formula, and in f32 in the order that docs/numerics.md gives, with a fused multiply-add made of exact
rationals; the two must agree to 1e-5, and the second one is what is written. Elementary functions
are written from f64, with a tolerance. Integer accumulators are int64.

    case NAME / attr NAME TEXT / in TYPE RANK DIMS... / q AXIS N SCALE ZERO ... / values
    out TYPE RANK DIMS... / values / unit N VALUES... / tol RELATIVE / end
"""
import itertools
import math
import os
from fractions import Fraction

import numpy as np

f32 = np.float32
rng = np.random.default_rng(20240611)
here = os.path.dirname(os.path.abspath(__file__))


def round_f32(x):
    """A rational to the nearest f32, ties to even (normal range)."""
    if x == 0:
        return f32(0)
    e = math.frexp(float(x))[1] - 24
    scaled = x / Fraction(2) ** e
    return f32(math.ldexp(float(round(scaled)), e))


def fma(a, b, c):
    return round_f32(Fraction(float(a)) * Fraction(float(b)) + Fraction(float(c)))


def fma_chain(pairs):
    acc = f32(0)
    for a, b in pairs:
        acc = fma(a, b, acc)
    return acc


def lanes(values, combine, init):
    """16 virtual lanes, then the tree 8, 4, 2, 1."""
    lane = [init] * 16
    for i, v in enumerate(values):
        lane[i % 16] = combine(lane[i % 16], v)
    for w in (8, 4, 2, 1):
        for i in range(w):
            lane[i] = combine(lane[i], lane[i + w])
    return lane[0]


def add(a, b):
    return f32(a + b)


def larger(a, b):
    return a if a > b else b


def smaller(a, b):
    return a if a < b else b


def real(*shape):
    return rng.uniform(-2, 2, shape).astype(f32)


def close(a, b):
    a, b = np.asarray(a, np.float64), np.asarray(b, np.float64)
    assert a.shape == b.shape, (a.shape, b.shape)
    assert np.allclose(a, b, rtol=1e-5, atol=1e-5), np.abs(a - b).max()


class File:
    def __init__(self, op):
        self.out = open(os.path.join(here, op + ".txt"), "w")
        self.out.write("# written by make_golden.py\n")

    def tensor(self, word, v, q=None):
        names = {"float32": "f32", "uint8": "u8", "int8": "i8", "int32": "i32", "int64": "i64",
                 "float64": "f64", "float16": "f16", "uint16": "u16", "uint32": "u32",
                 "bool": "bool"}
        v = np.asarray(v)
        self.out.write(f"{word} {names[v.dtype.name]} {v.ndim} {' '.join(map(str, v.shape))}\n")
        if q:
            axis, scale, zero = q
            pairs = " ".join(f"{s:.9g} {z}" for s, z in zip(scale, zero))
            self.out.write(f"q {axis} {len(scale)} {pairs}\n")
        digits = {"float16": ".9g", "float32": ".9g", "float64": ".17g", "bool": "d"}
        text = [format(x, digits.get(v.dtype.name, "")) for x in v.ravel()]
        for i in range(0, len(text), 12):
            self.out.write("  " + " ".join(text[i:i + 12]) + "\n")

    def case(self, name, ins, out, attrs=None, tol=0, quants=None, unit=None):
        self.out.write(f"case {name}\n")
        for k, v in (attrs or {}).items():
            self.out.write(f"attr {k} {str(v).replace(' ', '')}\n")
        for i, v in enumerate(ins):
            self.tensor("in", v, quants[i] if quants else None)
        self.tensor("out", out)
        if unit is not None:
            self.out.write(f"unit {len(unit)} {' '.join(f'{u:.17g}' for u in unit)}\n")
        if tol:
            self.out.write(f"tol {tol}\n")
        self.out.write("end\n")


# ---- contractions ------------------------------------------------------------------------------


def conv_taps(x, w, stride, pad, dil, groups):
    """Per output: the pairs (x, w) in the order (ky, kx, c), a tap in the padding being 0."""
    n, h, wd, _ = x.shape
    o, kh, kw, ci = w.shape
    oh = (h + pad[0] + pad[2] - (kh - 1) * dil[0] - 1) // stride[0] + 1
    ow = (wd + pad[1] + pad[3] - (kw - 1) * dil[1] - 1) // stride[1] + 1
    padded = np.pad(x, ((0, 0), (pad[0], pad[2]), (pad[1], pad[3]), (0, 0)))
    for b, oy, ox, oc in itertools.product(range(n), range(oh), range(ow), range(o)):
        first = oc // (o // groups) * ci
        pairs = []
        for ky, kx, c in itertools.product(range(kh), range(kw), range(ci)):
            v = padded[b, oy * stride[0] + ky * dil[0], ox * stride[1] + kx * dil[1], first + c]
            pairs.append((v, w[oc, ky, kx, c]))
        yield oc, pairs, (n, oh, ow, o)


def conv(x, w, bias, stride, pad, dil, groups):
    out, exact = [], []
    for oc, pairs, shape in conv_taps(x, w, stride, pad, dil, groups):
        acc = fma_chain(pairs)
        out.append(acc if bias is None else add(acc, bias[oc]))
        exact.append(sum(float(a) * float(b) for a, b in pairs) + (0 if bias is None else bias[oc]))
    close(out, exact)
    return np.array(out, f32).reshape(shape)


def conv_int(x, w, bias, stride, pad, dil, groups):
    out = []
    for oc, pairs, shape in conv_taps(x, w, stride, pad, dil, groups):
        out.append(sum(int(a) * int(b) for a, b in pairs) + (0 if bias is None else int(bias[oc])))
    return np.array(out, np.int64).astype(np.int32).reshape(shape)


def conv_attrs(stride, pad, dil, groups):
    return {"stride": stride, "pad": pad, "dilation": dil, "groups": groups}


def write_conv():
    f = File("conv2d")
    shapes = [  # x, w, bias, stride, pad, dilation, groups
        ("plain", (1, 4, 5, 3), (4, 3, 3, 3), True, [1, 1], [0, 0, 0, 0], [1, 1], 1),
        ("stride_pad", (2, 5, 4, 2), (3, 3, 2, 2), False, [2, 1], [1, 0, 2, 1], [1, 1], 1),
        ("dilation", (1, 7, 6, 2), (2, 3, 2, 2), True, [1, 2], [2, 1, 0, 1], [2, 3], 1),
        ("groups", (1, 3, 4, 6), (4, 2, 3, 3), True, [1, 1], [0, 1, 1, 1], [1, 1], 2),
        ("depthwise", (1, 4, 4, 5), (5, 3, 3, 1), True, [1, 1], [1, 1, 1, 1], [1, 1], 5),
        ("multiplier", (1, 3, 3, 3), (6, 2, 2, 1), False, [1, 1], [0, 0, 0, 0], [1, 1], 3),
    ]
    for name, xs, ws, has_bias, stride, pad, dil, groups in shapes:
        x, w, b = real(*xs), real(*ws), real(ws[0]) if has_bias else None
        ins = [x, w] + ([b] if has_bias else [])
        attrs = conv_attrs(stride, pad, dil, groups)
        f.case(name, ins, conv(x, w, b, stride, pad, dil, groups), attrs)

        zx = int(rng.integers(1, 255))
        zw = rng.integers(-3, 4, ws[0])
        sw = rng.uniform(0.001, 0.1, ws[0]).astype(f32)
        qx = rng.integers(0, 256, xs).astype(np.uint8)
        qw = rng.integers(-128, 128, ws).astype(np.int8)
        qb = rng.integers(-9999, 9999, ws[0]).astype(np.int32) if has_bias else None
        cx = qx.astype(np.int64) - zx
        cw = qw.astype(np.int64) - zw.reshape(-1, 1, 1, 1)
        sx = f32(0.0371)
        f.case(name + "_integer", [qx, qw] + ([qb] if has_bias else []),
               conv_int(cx, cw, qb, stride, pad, dil, groups), attrs,
               quants=[(-1, [sx], [zx]), (0, sw, zw), (0, sx * sw, [0] * ws[0])],
               unit=[float(sx) * float(s) for s in sw])


def write_fc():
    f = File("fc")
    for name, xs, n, has_bias in [("row", (1, 20), 7, True), ("rows", (2, 3, 5), 4, False)]:
        x, w, b = real(*xs), real(n, xs[-1]), real(n)
        rows = x.reshape(-1, xs[-1])
        y = np.array([[fma_chain(zip(r, wn)) for wn in w] for r in rows], f32)
        if has_bias:
            y = y + b
        close(y, rows.astype(float) @ w.T.astype(float) + (b if has_bias else 0))
        f.case(name, [x, w] + ([b] if has_bias else []), y.reshape(xs[:-1] + (n,)))
        qx = rng.integers(0, 256, xs).astype(np.uint8)
        qw = rng.integers(-127, 128, (n, xs[-1])).astype(np.int8)
        acc = (qx.astype(np.int64) - 113) @ qw.T.astype(np.int64)
        f.case(name + "_integer", [qx, qw], acc.astype(np.int32),
               quants=[(-1, [f32(0.5)], [113]), (-1, [f32(0.25)], [0])], unit=[0.125] * n)


def write_matmul():
    f = File("matmul")
    for name, a, b in [("plain", (5, 17), (17, 3)), ("batch", (2, 3, 2, 4), (2, 3, 4, 5)),
                       ("broadcast", (2, 1, 3, 4), (3, 4, 2)), ("b_batch", (2, 3), (2, 3, 4))]:
        a, b = real(*a), real(*b)
        exact = a.astype(float) @ b.astype(float)
        y = np.zeros(exact.shape, f32)
        ba = np.broadcast_to(a, exact.shape[:-2] + a.shape[-2:])
        bb = np.broadcast_to(b, exact.shape[:-2] + b.shape[-2:])
        for i in np.ndindex(*exact.shape):
            y[i] = fma_chain(zip(ba[i[:-1]], bb[i[:-2]][:, i[-1]]))
        close(y, exact)
        f.case(name, [a, b], y)
    a, b = np.arange(24).reshape(2, 3, 4) * 10**9, np.arange(20).reshape(4, 5) - 7
    f.case("wide", [a, b], a @ b)
    f.case("narrow", [a.astype(np.int32), b.astype(np.int32)], (a @ b).astype(np.int32))
    qa = rng.integers(0, 256, (3, 9)).astype(np.uint8)
    qb = rng.integers(-127, 128, (9, 4)).astype(np.int8)
    acc = (qa.astype(np.int64) - 7) @ qb.astype(np.int64)
    sb = rng.uniform(0.001, 0.1, 4).astype(f32)
    f.case("integer", [qa, qb], acc.astype(np.int32),
           quants=[(-1, [f32(0.5)], [7]), (1, sb, [0] * 4)], unit=[0.5 * float(s) for s in sb])
    acc = (qa.astype(np.int64) - 7) @ (qb.astype(np.int64) + 5)
    f.case("both_activations", [qa, qb], acc.astype(np.int32),
           quants=[(-1, [f32(0.5)], [7]), (-1, [f32(0.25)], [-5])], unit=[0.125] * 4)


# ---- windows and reductions ----------------------------------------------------------------------


def pool_windows(shape, kernel, stride, pad, dil, ceil):
    """Per output pixel: existing positions in (ky, kx) order, and taps within the padded image."""
    size, out = shape[1:3], []
    for i in range(2):
        span = (kernel[i] - 1) * dil[i] + 1
        room = size[i] + pad[i] + pad[i + 2] - span
        n = room // stride[i] + 1
        if ceil and room % stride[i] and n * stride[i] < size[i] + pad[i]:
            n += 1
        out.append(n)
    for oy, ox in itertools.product(range(out[0]), range(out[1])):
        here_, padded = [], 0
        for ky, kx in itertools.product(range(kernel[0]), range(kernel[1])):
            y, x = oy * stride[0] - pad[0] + ky * dil[0], ox * stride[1] - pad[1] + kx * dil[1]
            padded += -pad[0] <= y < size[0] + pad[2] and -pad[1] <= x < size[1] + pad[3]
            if 0 <= y < size[0] and 0 <= x < size[1]:
                here_.append((y, x))
        yield out, here_, padded


pools = [  # x, kernel, stride, pad, dilation, ceil
    ("plain", (1, 4, 4, 3), [2, 2], [2, 2], [0, 0, 0, 0], [1, 1], False),
    ("pad", (2, 5, 4, 2), [3, 2], [2, 1], [1, 1, 1, 0], [1, 1], False),
    ("dilation", (1, 7, 6, 2), [2, 3], [1, 2], [0, 1, 1, 1], [3, 2], False),
    ("ceil", (1, 5, 6, 1), [3, 3], [3, 2], [1, 0, 1, 1], [1, 1], True),
]


def write_pools():
    fm, fa = File("max_pool"), File("avg_pool")
    for name, xs, kernel, stride, pad, dil, ceil in pools:
        x = real(*xs)
        q = rng.integers(0, 256, xs).astype(np.uint8)
        base = {"kernel": kernel, "stride": stride, "pad": pad, "dilation": dil,
                "ceil": str(ceil).lower()}
        wins = list(pool_windows(xs, kernel, stride, pad, dil, ceil))
        out = (xs[0], *wins[0][0], xs[3])

        def each(fn, dtype):
            v = [fn(b, c, w) for b in range(xs[0]) for w in wins for c in range(xs[3])]
            return np.array(v, dtype).reshape(out)

        fm.case(name, [x], each(lambda b, c, w: max(x[b, i, j, c] for i, j in w[1]), f32), base)
        fm.case(name + "_integer", [q],
                each(lambda b, c, w: max(int(q[b, i, j, c]) for i, j in w[1]) - 77, np.int32), base,
                quants=[(-1, [f32(0.125)], [77])], unit=[0.125])
        for include in (False, True):
            attrs = dict(base, include_pad=str(include).lower())

            def mean(b, c, w):
                acc = f32(0)
                for i, j in w[1]:
                    acc = add(acc, x[b, i, j, c])
                return f32(acc / f32(w[2] if include else len(w[1])))

            suffix = "_include" if include else ""
            ns = [w[2] if include else len(w[1]) for w in wins]
            fa.case(name + suffix, [x], each(mean, f32), attrs)
            fa.case(name + suffix + "_integer", [q],
                    each(lambda b, c, w: sum(int(q[b, i, j, c]) - 77 for i, j in w[1]), np.int32),
                    attrs, quants=[(-1, [f32(0.125)], [77])],
                    unit=[0.125 / ns[0]] if len(set(ns)) == 1 else [0.125 / n for n in ns])


def write_reductions():
    kinds = {"sum": (add, f32(0), np.sum), "mean": (add, f32(0), np.mean),
             "max": (larger, f32(-np.inf), np.max), "min": (smaller, f32(np.inf), np.min)}
    cases = [("row", (3, 37), [-1], True), ("tail", (2, 3, 5), [2, 1], False), ("all", (5, 7), [], False),
             ("middle", (2, 4, 3, 5), [1, 2], True), ("first", (6, 4), [0], False),
             ("apart", (3, 4, 5), [0, 2], False)]
    for kind, (combine, init, exact) in kinds.items():
        f = File("reduce_" + kind)
        for name, shape, axes, keep in cases:
            x = real(*shape)
            red = sorted(a % len(shape) for a in axes) or list(range(len(shape)))
            rest = [a for a in range(len(shape)) if a not in red]
            window = red == list(range(red[0], red[0] + len(red))) and red[-1] < len(shape) - 1
            rows = x.transpose(rest + red).reshape(int(np.prod([shape[a] for a in rest])), -1)
            y = []
            for row in rows:
                if window:
                    v = init
                    for e in row:
                        v = combine(v, e)
                else:
                    v = lanes(row, combine, init)
                y.append(f32(v / f32(rows.shape[1])) if kind == "mean" else v)
            want = exact(x.astype(float), axis=tuple(red), keepdims=keep)
            y = np.array(y, f32).reshape(np.shape(want))
            close(y, want)
            attrs = {"axes": axes, "keep": str(keep).lower()}
            f.case(name, [x], y, attrs)
            q = rng.integers(0, 256, shape).astype(np.uint8)
            op = np.sum if kind == "mean" else exact
            acc = op(q.astype(np.int64) - 31, axis=tuple(red), keepdims=keep)
            n = rows.shape[1] if kind == "mean" else 1
            f.case(name + "_integer", [q], np.asarray(acc, np.int32), attrs,
                   quants=[(-1, [f32(0.5)], [31])], unit=[0.5 / n])


def write_rows():
    f = File("softmax")
    for name, shape, axis in [("row", (3, 37), -1), ("one", (2, 1), 1), ("tail", (2, 3, 4), 1)]:
        x = real(*shape) * f32(4)
        axes = tuple(range(axis % len(shape), len(shape)))
        e = np.exp(x.astype(float) - x.max(axis=axes, keepdims=True))
        f.case(name, [x], (e / e.sum(axis=axes, keepdims=True)).astype(f32), {"axis": axis}, 2e-6)
    f = File("layer_norm")
    for name, shape, axis, extra in [("plain", (3, 21), -1, 0), ("scale", (2, 3, 19), 2, 1),
                                     ("bias", (2, 5, 4), 1, 2)]:
        x = real(*shape)
        inner = shape[axis % len(shape):]
        n = int(np.prod(inner))
        vectors = [real(*inner) for _ in range(extra)]
        y = []
        for row in x.reshape(-1, n):
            mean = f32(lanes(row, add, f32(0)) / f32(n))
            d = (row - mean).astype(f32)
            var = f32(lanes(d * d, add, f32(0)) / f32(n))
            v = d * f32(f32(1) / np.sqrt(f32(var + f32(1e-5))))
            if extra > 0:
                v = v * vectors[0].ravel()
            if extra > 1:
                v = v + vectors[1].ravel()
            y.append(v)
        rows = x.reshape(-1, n).astype(float)
        want = (rows - rows.mean(1, keepdims=True)) / np.sqrt(rows.var(1, keepdims=True) + 1e-5)
        if extra > 0:
            want = want * vectors[0].ravel()
        if extra > 1:
            want = want + vectors[1].ravel()
        close(y, want)
        f.case(name, [x] + vectors, np.array(y, f32).reshape(shape), {"axis": axis})
    f = File("batchnorm")
    for name, shape, axis in [("last", (2, 3, 4), -1), ("second", (2, 3, 2, 2), 1)]:
        x = real(*shape)
        c = shape[axis]
        along = [1] * len(shape)
        along[axis] = c
        scale, bias, mean = real(c), real(c), real(c)
        var = np.abs(real(c))
        s, b, m, v = (t.reshape(along) for t in (scale, bias, mean, var))
        y = ((x - m) / np.sqrt(v + f32(1e-5)) * s + b).astype(f32)
        f.case(name, [x, scale, bias, mean, var], y, {"axis": axis})


# ---- moves ------------------------------------------------------------------------------------------


def write_moves():
    x = rng.integers(-1000, 1000, (3, 4, 5)).astype(np.int64)
    q = rng.integers(0, 256, (2, 3, 4)).astype(np.uint8)
    f = File("transpose")
    f.case("wide", [x], x.transpose(2, 0, 1), {"perm": [2, 0, 1]})
    f.case("bytes", [q], q.transpose(1, 2, 0), {"perm": [1, 2, 0]})
    f = File("slice")
    f.case("part", [x], x[1:3, ::2, 4:0:-2],
           {"begin": [1, 0, 4], "end": [3, 4, 0], "step": [1, 2, -2]})
    f.case("backwards", [x], x[::-1, 1:2, ::-3],
           {"begin": [2, 1, 4], "end": [-1, 2, -1], "step": [-1, 1, -3]})
    f.case("none", [x], x[:, 2:2], {"begin": [0, 2, 0], "end": [3, 2, 5], "step": [1, 1, 1]})
    f = File("concat")
    f.case("middle", [x, x[:, :2], x[:, 1:]], np.concatenate([x, x[:, :2], x[:, 1:]], 1),
           {"axis": -2})
    f.case("first", [q, q], np.concatenate([q, q], 0), {"axis": 0})
    f = File("expand")
    f.case("repeat", [x[:, :1]], np.broadcast_to(x[:, :1], (2, 3, 4, 5)), {"shape": [2, 3, 4, -1]})
    f.case("keep", [q], q, {"shape": [4]})
    f = File("reshape")
    f.case("infer", [x], x.reshape(3, 10, 2), {"shape": [0, -1, 2]})
    f.case("flat", [q], q.ravel(), {"shape": [24]})
    f = File("pad")
    before, after = [1, 0, 2], [0, 2, 1]
    width = list(zip(before, after))
    base = {"before": before, "after": after}
    f.case("constant", [x], np.pad(x, width, constant_values=-7), dict(base, value=-7))
    f.case("edge", [x], np.pad(x, width, "edge"), dict(base, mode="edge"))
    f.case("reflect", [x], np.pad(x, width, "reflect"), dict(base, mode="reflect"))
    f.case("wrap", [x], np.pad(x, width, "wrap"), dict(base, mode="wrap"))
    v = real(2, 2)
    f.case("real", [v], np.pad(v, ((1, 1), (0, 1)), constant_values=f32(0.5)),
           {"before": [1, 0], "after": [1, 1], "value": 0.5})


# ---- elementwise -------------------------------------------------------------------------------------


def write_maps():
    x = np.concatenate([real(20) * f32(3), np.array([0, 1, -1, 4, -4], f32)])
    a, b = x, np.roll(x, 7) + f32(0.125)
    d = x.astype(float)
    erf = np.array([math.erf(v / math.sqrt(2)) for v in d])
    one = {
        "abs": np.abs(x), "neg": -x, "relu": np.maximum(x, 0), "exp": np.exp(d), "erf":
        [math.erf(v) for v in d], "tanh": np.tanh(d), "sigmoid": 1 / (1 + np.exp(-d)),
        "hard_swish": d * np.clip(d / 6 + 0.5, 0, 1), "reciprocal": 1 / (d + 0.3),
        "sqrt": np.sqrt(np.abs(d)), "log": np.log(np.abs(d) + 0.1), "quantize": x, "dequantize": x,
    }
    inputs = {"reciprocal": (d + 0.3), "sqrt": np.abs(d), "log": np.abs(d) + 0.1}
    for op, want in one.items():
        source = np.asarray(inputs.get(op, x)).astype(f32)
        if op in inputs:  # from the rounded operand
            s = source.astype(float)
            want = {"reciprocal": np.reciprocal, "sqrt": np.sqrt, "log": np.log}[op](s)
        exact = op in ("abs", "neg", "relu", "quantize", "dequantize", "sqrt", "reciprocal")
        File(op).case("values", [source], np.asarray(want).astype(f32), tol=0 if exact else 2e-6)
    two = {"add": a + b, "sub": a - b, "mul": a * b, "div": a / b, "min": np.minimum(a, b),
           "max": np.maximum(a, b)}
    for op, want in two.items():
        f = File(op)
        f.case("values", [a, b], want.astype(f32))
        i = np.array([7, -7, 5, 0, 123], np.int64)
        j = np.array([2, 2, -3, 4, 0], np.int64)
        quotient = [3, -3, -1, 0, 0]  # towards 0; x / 0 is 0
        integer = {"add": i + j, "sub": i - j, "mul": i * j, "div": np.array(quotient),
                   "min": np.minimum(i, j), "max": np.maximum(i, j)}[op]
        f.case("integers", [i, j], integer.astype(np.int64))
    p = np.abs(x) + f32(0.1)
    f = File("pow")
    f.case("positive", [p, b], np.power(p.astype(float), b.astype(float)).astype(f32), tol=4e-6)
    base = np.array([-2, -2, -3, 0, 0, 5, -1.5], f32)
    power = np.array([2, 3, 0, 0, 2, 1, -1], f32)
    f.case("odd", [base, power], np.array([4, -8, 1, 1, 0, 5, -1 / 1.5], f32), tol=1e-6)
    i = np.array([2, -3, 0, 5, -1, 1, 7, 2, 3], np.int64)
    j = np.array([10, 3, 0, -1, -3, -8, 1, 64, 30], np.int64)
    f.case("integers", [i, j], np.array([1024, -27, 1, 0, -1, 1, 7, 0, 3**30], np.int64))
    f.case("float_integer", [base, power.astype(np.int64)],
           np.array([4, -8, 1, 1, 0, 5, -1 / 1.5], f32), tol=1e-6)
    f.case("integer_float", [np.array([1, 2, 3, 4], np.int32), np.array([4, 5, 6, 0.5], f32)],
           np.array([1, 32, 729, 2], np.int32))
    f = File("clip")
    f.case("both", [x], np.clip(x, -1, 2), {"lo": -1, "hi": 2})
    f.case("low", [x], np.maximum(x, -1), {"lo": -1})
    f.case("integers", [np.array([-9, 0, 9], np.int64)], np.array([-2, 0, 5], np.int64),
           {"lo": -2, "hi": 5})
    f = File("leaky_relu")
    f.case("values", [x], np.where(x < 0, x * f32(0.25), x).astype(f32), {"alpha": 0.25})
    f = File("hard_sigmoid")
    f.case("values", [x], np.clip(d * 0.2 + 0.5, 0, 1).astype(f32), tol=1e-6)
    f = File("gelu")
    f.case("exact", [x], (d * 0.5 * (1 + erf)).astype(f32), tol=4e-6)
    t = np.tanh(math.sqrt(2 / math.pi) * (d + 0.044715 * d**3))
    f.case("tanh", [x], (d * 0.5 * (1 + t)).astype(f32), {"tanh": "true"}, tol=4e-6)


def write_functions():
    """Each over f32, f64 and f16, from f64."""
    x = np.concatenate([real(20) * f32(3), np.array([0, 1, -1, 0.5, -0.5, 7.25], f32)])
    inside, above = np.clip(x / 7.5, -1, 1), np.abs(x) + 1
    functions = {
        "sin": (x, np.sin), "cos": (x, np.cos), "tan": (x, np.tan), "asin": (inside, np.arcsin),
        "acos": (inside, np.arccos), "atan": (x, np.arctan), "sinh": (x, np.sinh),
        "cosh": (x, np.cosh), "asinh": (x, np.arcsinh), "acosh": (above, np.arccosh),
        "atanh": (inside * 0.99, np.arctanh), "softplus": (x, lambda v: np.log1p(np.exp(v))),
        "softsign": (x, lambda v: v / (1 + np.abs(v))),
        "mish": (x, lambda v: v * np.tanh(np.log1p(np.exp(v)))),
    }
    for op, (source, function) in functions.items():
        f = File(op)
        for dtype, tol in ((f32, 2e-6), (np.float64, 1e-14), (np.float16, 1e-3)):
            v = source.astype(dtype)
            f.case(np.dtype(dtype).name, [v], function(v.astype(np.float64)).astype(dtype), tol=tol)
    curves = {  # name: attributes, function, another choice of attributes
        "elu": (lambda v, alpha=1: np.where(v < 0, alpha * np.expm1(v), v), {"alpha": 1.5}),
        "selu": (lambda v, alpha=1.6732631921768188, gamma=1.0507010221481323:
                 gamma * np.where(v < 0, alpha * np.expm1(v), v), {"alpha": 1.25, "gamma": 2}),
        "celu": (lambda v, alpha=1: np.maximum(0, v) + np.minimum(0, alpha * np.expm1(v / alpha)),
                 {"alpha": 0.5}),
        "swish": (lambda v, alpha=1: v / (1 + np.exp(-alpha * v)), {"alpha": 1.5}),
        "thresholded_relu": (lambda v, alpha=1: np.where(v > alpha, v, 0), {"alpha": 0.5}),
        "shrink": (lambda v, bias=0, **a: np.where(v < -a.get("lambda", 0.5), v + bias, np.where(
            v > a.get("lambda", 0.5), v - bias, 0)), {"lambda": 1.5, "bias": 0.25}),
    }
    for op, (function, attrs) in curves.items():
        f = File(op)
        d = x.astype(np.float64)
        f.case("default", [x], function(d).astype(f32), tol=2e-6)
        f.case("attributes", [x], function(d, **attrs).astype(f32), attrs, tol=2e-6)
        f.case("wide", [d], function(d, **attrs), attrs, tol=1e-14)
    odd = np.array([0.5, 1.5, 2.5, -0.5, -1.5, -2.5, 1.25, -3.75, 0, np.inf, -np.inf, np.nan])
    for op, function in (("floor", np.floor), ("ceil", np.ceil), ("round", np.rint)):
        f = File(op)
        for dtype in (f32, np.float64):
            f.case(np.dtype(dtype).name, [odd.astype(dtype)], function(odd).astype(dtype))
    f = File("sign")
    f.case("floats", [odd.astype(f32)], np.sign(odd).astype(f32))
    i = np.array([-9, 0, 7, 2**40, -2**63], np.int64)
    f.case("integers", [i], np.sign(i))
    f.case("bytes", [np.array([0, 1, 255], np.uint8)], np.array([0, 1, 1], np.uint8))


def write_logic():
    odd = np.array([0.5, -1.5, np.inf, -np.inf, np.nan, 0], f32)
    File("is_nan").case("values", [odd], np.isnan(odd))
    f = File("is_inf")
    f.case("both", [odd], np.isinf(odd))
    f.case("positive", [odd], np.isposinf(odd), {"negative": "false"})
    f.case("negative", [odd.astype(np.float64)], np.isneginf(odd), {"positive": "false"})
    f.case("none", [odd], np.zeros(6, bool), {"positive": "false", "negative": "false"})
    p, q = np.array([0, 0, 1, 1], bool), np.array([0, 1, 0, 1], bool)
    i, j = (rng.integers(-2**31, 2**31, 6).astype(np.int32) for _ in range(2))
    u, v = (rng.integers(0, 256, 6).astype(np.uint8) for _ in range(2))
    for op, function in (("and", np.bitwise_and), ("or", np.bitwise_or), ("xor", np.bitwise_xor)):
        f = File(op)
        f.case("bool", [p, q], function(p, q))
        f.case("words", [i, j], function(i, j))
        f.case("bytes", [u, v], function(u, v))
    f = File("not")
    for name, x in (("bool", p), ("words", i), ("bytes", u)):
        f.case(name, [x], np.invert(x))
    f = File("shift")
    a = np.array([1, 3, 0x8001, 0xffff, 7, 255], np.uint16)
    b = np.array([0, 15, 1, 8, 16, 40], np.uint16)
    left = [1, 0x8000, 2, 0xff00, 0, 0]
    f.case("left", [a, b], np.array(left, np.uint16))
    f.case("right", [a, b], np.array([1, 0, 0x4000, 0xff, 0, 0], np.uint16), {"right": "true"})
    a = np.array([1, 2**31, 2**32 - 1, 5], np.uint32)
    b = np.array([31, 31, 4, 32], np.uint32)
    f.case("left_words", [a, b], np.array([2**31, 0, 2**32 - 16, 0], np.uint32))
    f.case("right_words", [a, b], np.array([0, 1, 2**28 - 1, 0], np.uint32), {"right": "true"})
    a, b = np.array([1, 2, 3, np.nan, 0], f32), np.array([2, 2, 2, 2, -0.0], f32)
    s, t = np.array([-1, 2**40, 5], np.int64), np.array([0, 2**40, -5], np.int64)
    for op, function in (("equal", np.equal), ("less", np.less), ("less_equal", np.less_equal)):
        f = File(op)
        f.case("floats", [a, b], function(a, b))
        f.case("integers", [s, t], function(s, t))
        f.case("bytes", [u, v], function(u, v))
    f = File("where")
    f.case("floats", [p, a[:4], b[:4]], np.where(p, a[:4], b[:4]))
    f.case("integers", [p[:3], s, t], np.where(p[:3], s, t))
    f = File("prelu")
    x, slope = real(12), real(12)
    f.case("floats", [x, slope], np.where(x < 0, x * slope, x))
    f.case("integers", [s, t], np.where(s < 0, s * t, s))


def write_mod():
    f = File("mod")
    i = np.array([7, -7, 7, -7, 6, 0, -2**31], np.int32)
    j = np.array([3, 3, -3, -3, 3, 5, -1], np.int32)
    f.case("floor", [i, j], np.mod(i, j))
    f.case("truncated", [i, j], np.fmod(i, j), {"truncated": "true"})
    a = np.array([5.5, -5.5, 5.5, -5.5, 1e30, 3e38, 7, 0.3, -4, 2.5], f32)
    b = np.array([2, 2, -2, -2, 0.3, 1e-30, np.inf, 0.1, 2, 1e20], f32)
    f.case("floats", [a, b], np.array([math.fmod(p, q) for p, q in zip(a, b)]).astype(f32),
           {"truncated": "true"})
    f.case("floats_floor", [a[:4], b[:4]], np.mod(a[:4], b[:4]))
    bad = np.array([1, np.inf, np.nan, 1], f32), np.array([0, 1, 1, np.nan], f32)
    f.case("none", list(bad), np.full(4, np.nan, f32), {"truncated": "true"})
    a, b = a[:4].astype(np.float64) * 1.1, b[:4].astype(np.float64)
    f.case("wide", [a, b], np.fmod(a, b), {"truncated": "true"})


def write_cast():
    f = File("cast")
    x = np.array([0, 0.5, -0.5, 1.99, -1.99, 300, -300, 1e10, -1e10, 1e30, -1e30, np.inf, -np.inf,
                  np.nan])
    for dtype in (np.int8, np.uint8, np.uint16, np.int32, np.uint32, np.int64):
        info = np.iinfo(dtype)  # cut, saturated, NaN is 0
        want = [0 if math.isnan(v) else max(info.min, min(info.max, int(v) if abs(v) < 1e300 else
                (info.max if v > 0 else info.min))) for v in x.astype(f32).astype(float)]
        name = {"int8": "i8", "uint8": "u8", "uint16": "u16", "int32": "i32", "uint32": "u32",
                "int64": "i64"}[np.dtype(dtype).name]
        f.case("f32_" + name, [x.astype(f32)], np.array(want, dtype), {"to": name})
        f.case("f64_" + name, [x.astype(f32).astype(np.float64)], np.array(want, dtype),
               {"to": name})
    f.case("f32_bool", [x.astype(f32)], x != 0, {"to": "bool"})
    i = np.array([0, 1, -1, 300, -70000, 2**40 + 7, -2**63], np.int64)
    f.case("i64_u8", [i], i.astype(np.uint8), {"to": "u8"})
    f.case("i64_i32", [i], i.astype(np.int32), {"to": "i32"})
    f.case("i64_f32", [i], i.astype(f32), {"to": "f32"})
    f.case("i64_bool", [i], i != 0, {"to": "bool"})
    f.case("bool_f32", [i == 1], (i == 1).astype(f32), {"to": "f32"})
    f.case("u8_i8", [np.array([0, 127, 128, 255], np.uint8)], np.array([0, 127, -128, -1], np.int8),
           {"to": "i8"})
    # just above a tie of f16 by less than f32 holds: two roundings would give the even neighbour
    d = np.array([1 + 2.0**-11 + 2.0**-40, 1 + 2.0**-11, -1 - 2.0**-11 - 2.0**-40, 65519.999, 1e-9])
    f.case("f64_f16", [d], d.astype(np.float16), {"to": "f16"})


if __name__ == "__main__":
    write_conv()
    write_fc()
    write_matmul()
    write_pools()
    write_reductions()
    write_rows()
    write_moves()
    write_maps()
    write_functions()
    write_logic()
    write_mod()
    write_cast()
