#!/usr/bin/env python3
"""make_golden_index - expected values of ops that pick, scatter, sort and sample elements.

    tests/ops/make_golden_index.py      writes tests/ops/NAME.txt, a file for each op

Worked out with numpy, element by element from the textbook formula where numpy has no such thing.
"""
import itertools
import math

import numpy as np

from make_golden import File, f32, real, rng


def wrap(indices, n):
    """Negative counts from the end, what lies outside is the nearest."""
    return np.clip(np.where(indices < 0, indices + n, indices), 0, n - 1)


def write_gathers():
    x = rng.integers(-1000, 1000, (3, 4, 5)).astype(np.int64)
    i = np.array([[0, -1, 3], [2, -9, 77]], np.int64)
    f = File("gather")
    f.case("middle", [x, i], np.take(x, wrap(i, 4), 1), {"axis": 1})
    f.case("bytes", [x.astype(np.uint8), np.array([1, -1], np.int32)],
           x.astype(np.uint8)[:, :, [1, 4]], {"axis": -1})
    f.case("one", [x, np.array(-2, np.int64)], x[1], {"axis": 0})
    f = File("gather_elements")
    i = rng.integers(-4, 4, (3, 6, 2)).astype(np.int64)
    f.case("middle", [x, i], np.take_along_axis(x[:, :, :2], wrap(i, 4), 1), {"axis": 1})
    i = np.array([[[-100, 4, 100, 0, 1]]], np.int32)
    f.case("outside", [x, i], x[:1, :1, [0, 4, 4, 0, 1]], {"axis": 2})
    f = File("gather_nd")
    i = np.array([[0, 1], [-1, -1], [2, 9]], np.int64)
    f.case("rows", [x, i], np.stack([x[0, 1], x[2, 3], x[2, 3]]), {"batch": 0})
    i = np.array([[[1, 2], [3, 4]], [[0, 0], [-1, -5]], [[1, 1], [2, 2]]], np.int32)
    want = [[x[b, i[b, k, 0], i[b, k, 1]] for k in range(2)] for b in range(3)]
    f.case("batch", [x, i], np.array(want), {"batch": 1})


def combine(how, a, b):
    return {"none": b, "add": a + b, "mul": a * b, "min": min(a, b), "max": max(a, b)}[how]


def write_scatters():
    x = rng.integers(-9, 9, (3, 4)).astype(f32)
    f = File("scatter_elements")
    i = np.array([[0, -1, 1], [2, 2, -3]], np.int64)
    u = rng.integers(-9, 9, (2, 3)).astype(f32)
    for how, axis in itertools.product(["none", "add", "mul", "min", "max"], [0, 1]):
        y = x.copy()
        for p in np.ndindex(u.shape):
            at = list(p)
            at[axis] = wrap(i[p], x.shape[axis])
            y[tuple(at)] = combine(how, y[tuple(at)], u[p])
        f.case(f"{how}_{axis}", [x, i, u], y, {"axis": axis, "reduction": how})
    x = rng.integers(-99, 99, (4, 3, 2)).astype(np.int64)
    f = File("scatter_nd")
    for how in ["none", "add", "mul", "min", "max"]:
        rows, u = np.array([[1], [-1], [1]], np.int64), rng.integers(-9, 9, (3, 3, 2))
        y = x.copy()
        for row, part in zip(rows, u):
            for p in np.ndindex(3, 2):
                at = (wrap(row[0], 4),) + p
                y[at] = combine(how, y[at], part[p])
        f.case("rows_" + how, [x, rows, u], y, {"reduction": how})
    rows, u = np.array([[1, 2, 0], [3, -1, 7]], np.int32), np.array([1000, 2000], np.int64)
    y = x.copy()
    y[1, 2, 0], y[3, 2, 1] = 1000, 2000
    f.case("elements", [x, rows, u], y)


def write_order():
    x = rng.integers(-5, 5, (3, 6, 2)).astype(f32)
    back = x[:, ::-1]
    for op, fn in [("arg_max", np.argmax), ("arg_min", np.argmin)]:
        f = File(op)
        f.case("first", [x], fn(x, 1)[:, None], {"axis": 1})
        f.case("last", [x], 5 - fn(back, 1), {"axis": -2, "keep": "false", "last": "true"})
        f.case("integers", [x.astype(np.int64)], fn(x, 0)[None], {"axis": 0})
    f = File("top_k")
    order = np.argsort(-x, axis=1, kind="stable")
    f.case("largest", [x], order[:, :4], {"axis": 1, "k": 4})
    order = np.argsort(x, axis=1, kind="stable")
    f.case("smallest", [x.astype(np.int64)], order[:, :6], {"axis": 1, "k": 6, "largest": "false"})
    f.case("none", [x], order[:, :0], {"axis": -2, "k": 0})


def write_sums():
    x = rng.integers(-99, 99, (2, 5, 3))
    f = File("cum_sum")
    for name, v in [("real", x.astype(f32)), ("integers", x.astype(np.int64))]:
        f.case(name, [v], np.cumsum(v, 1, v.dtype), {"axis": 1})
        back = np.cumsum(v[:, ::-1], 1, v.dtype)[:, ::-1]
        f.case(name + "_reverse", [v], back, {"axis": 1, "reverse": "true"})
        f.case(name + "_exclusive", [v], np.cumsum(v, 2, v.dtype) - v,
               {"axis": -1, "exclusive": "true"})
        f.case(name + "_both", [v], back - v,
               {"axis": 1, "exclusive": "true", "reverse": "true"})
    wide = np.array([100, 100, 100], np.int8)
    f.case("wraps", [wide], np.array([100, -56, 44], np.int8), {"axis": 0})


def write_others():
    x = rng.integers(-99, 99, (4, 3, 2)).astype(np.int64)
    f = File("reverse_sequence")
    lengths = np.array([4, 0, 3], np.int64)
    y = x.copy()
    for b, n in enumerate(lengths):
        y[:n, b] = x[:n, b][::-1]
    f.case("time_first", [x, lengths], y, {"batch_axis": 1, "time_axis": 0})
    lengths = np.array([9, 1, -2, 2], np.int32)
    y = x.copy()
    for b, n in enumerate(np.clip(lengths, 0, 3)):
        y[b, :n] = x[b, :n][::-1]
    f.case("batch_first", [x, lengths], y, {"batch_axis": 0, "time_axis": 1})
    m = rng.integers(-4, 5, (3, 4, 4)).astype(f32)
    m[1, 2] = m[1, 0]
    f = File("det")
    f.case("several", [m], np.linalg.det(m.astype(float)).round().astype(f32), tol=1e-6)
    f.case("one", [m[0]], f32(round(np.linalg.det(m[0].astype(float)))), tol=1e-6)


# ---- sampling ----------------------------------------------------------------------------------


def keys(t, a):
    t = abs(t)
    if t <= 1:
        return (a + 2) * t**3 - (a + 3) * t**2 + 1
    return a * t**3 - 5 * a * t**2 + 8 * a * t - 4 * a if t < 2 else 0.0


def hat(t, a):
    return max(0.0, 1 - abs(t))


def resize_line(line, extent, first, step, kernel, reach, a=-0.75, stretch=1, exclude=False):
    out, n = [], len(line)
    for i in range(extent):
        place = first + i * step
        near = range(math.floor(place) - math.ceil(stretch) * reach - 2,
                     math.floor(place) + math.ceil(stretch) * reach + 3)
        w = [0.0 if exclude and not 0 <= j < n else kernel((j - place) / stretch, a) for j in near]
        v = [line[min(max(j, 0), n - 1)] for j in near]
        out.append(np.dot(w, v) / sum(w))
    return np.array(out)


def write_resize():
    x = real(2, 5, 3)
    f = File("resize")
    for name, extent, first, step, how, more in [
            ("doubled", 10, -0.25, 0.5, "linear", {}),
            ("corners", 9, 0, 0.5, "linear", {}),
            ("shrunk", 3, 0.3, 5 / 3, "linear", {"stretch": 5 / 3}),
            ("cubic", 8, -0.1875, 0.625, "cubic", {}),
            ("cubic_exclude", 8, -0.1875, 0.625, "cubic", {"a": -0.5, "exclude": True}),
            ("cubic_shrunk", 2, 0.75, 2.5, "cubic", {"stretch": 2.5, "exclude": True}),
            ("far", 4, -40, 30, "linear", {})]:
        kernel, reach = (hat, 1) if how == "linear" else (keys, 2)
        y = np.apply_along_axis(resize_line, 1, x.astype(float), extent, first, step, kernel,
                                reach, **more)
        attrs = dict(axis=1, extent=extent, first=repr(first), step=repr(step), method=how)
        attrs.update({k: str(v).lower() for k, v in more.items()})
        f.case(name, [x], y.astype(f32), attrs, tol=1e-6)


def mirror(x, lo, hi):
    while not lo <= x <= hi:
        x = 2 * lo - x if x < lo else 2 * hi - x
    return x


def sample_at(x, place, method, outside, align):
    """x[d...] at one place, by the definition of GridSample."""
    spots = []
    for p, n in zip(place, x.shape):
        p = float(p)
        v = (p + 1) / 2 * (n - 1) if align else ((p + 1) * n - 1) / 2
        lo, hi = (0, n - 1) if align else (-0.5, n - 0.5)
        if method == "nearest":
            v = float(np.rint(v))
        if not lo <= v <= hi and outside == "border":
            v = min(max(v, 0), n - 1)
        if not lo <= v <= hi and outside == "reflection":
            v = mirror(v, lo, hi)
        base = math.floor(v)
        if method == "nearest":
            spots.append([(int(np.rint(v)), 1.0)])
        elif method == "linear":
            spots.append([(base, 1 - (v - base)), (base + 1, v - base)])
        else:
            spots.append([(base + k, keys(v - base - k, -0.75)) for k in (-1, 0, 1, 2)])
    total = 0.0
    for taps in itertools.product(*spots):
        at = [t[0] for t in taps]
        if outside == "zeros" and any(not 0 <= j < n for j, n in zip(at, x.shape)):
            continue
        for d, n in enumerate(x.shape):
            lo, hi = (0, n - 1) if align else (-0.5, n - 0.5)
            if outside == "reflection":
                at[d] = mirror(at[d], lo, hi)
            at[d] = int(min(max(at[d], 0), n - 1))
        total += float(x[tuple(at)]) * math.prod(t[1] for t in taps)
    return total


def write_grid_sample():
    f = File("grid_sample")
    x = real(2, 2, 3, 4)
    grid = rng.uniform(-1.6, 1.6, (2, 2, 3, 2)).astype(f32)
    deep, deep_grid = real(1, 2, 2, 3, 4), rng.uniform(-1.3, 1.3, (1, 2, 1, 3, 3)).astype(f32)
    for method, outside, align in itertools.product(["linear", "nearest", "cubic"],
                                                    ["zeros", "border", "reflection"],
                                                    ["false", "true"]):
        for data, places in [(x, grid), (deep, deep_grid)]:
            y = np.zeros(data.shape[:2] + places.shape[1:-1], f32)
            for at in np.ndindex(y.shape):
                row = places[(at[0],) + at[2:]][::-1]
                y[at] = sample_at(data[at[:2]], row, method, outside, align == "true")
            f.case(f"{method}_{outside}_{align}_{data.ndim}", [data, places], y,
                   {"method": method, "outside": outside, "align": align}, tol=1e-5)


if __name__ == "__main__":
    write_gathers()
    write_scatters()
    write_order()
    write_sums()
    write_others()
    write_resize()
    write_grid_sample()
