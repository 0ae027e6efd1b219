#!/usr/bin/env python3
"""make_golden_rows - expected values of softmaxes, products, places of maxima.

    tests/ops/make_golden_rows.py   writes tests/ops/NAME.txt, a file for each op
"""
import numpy as np

from make_golden import File, close, f32, lanes, real, rng


def write_rows():
    f = File("log_softmax")
    for name, shape, axis in [("last", (3, 21), -1), ("from_middle", (2, 3, 5), 1)]:
        x = real(*shape)
        axes = tuple(range(axis % len(shape), len(shape)))
        d = x.astype(float) - x.max(axis=axes, keepdims=True)
        y = d - np.log(np.exp(d).sum(axis=axes, keepdims=True))
        f.case(name, [x], y.astype(f32), {"axis": axis}, 4e-6)
    f = File("hardmax")
    x = rng.integers(-3, 4, (2, 3, 4)).astype(f32)
    y = np.zeros((2, 12), f32)
    y[np.arange(2), x.reshape(2, 12).argmax(1)] = 1
    f.case("flat", [x], y.reshape(x.shape), {"axis": 1})
    f.case("ties", [np.array([[1, 5, 5], [2, 2, 2]], f32)],
           np.array([[0, 1, 0], [1, 0, 0]], f32), {"axis": -1})
    f = File("reduce_prod")
    x = real(2, 3, 5)
    y = np.array([[lanes(row, lambda a, b: f32(a * b), f32(1))] for row in x.reshape(6, 5)], f32)
    close(y.ravel(), x.astype(float).prod(2).ravel())
    f.case("row", [x], y.reshape(2, 3, 1), {"axes": [-1]})
    y = x[:, 0] * x[:, 1] * x[:, 2]
    f.case("middle", [x], y, {"axes": [1], "keep": "false"})
    i = rng.integers(-5, 6, (3, 4)).astype(np.int64)
    f.case("integers", [i], i.prod(0, keepdims=True), {"axes": [0]})
    f.case("nothing", [np.zeros((2, 0), f32)], np.ones((2, 1), f32), {"axes": [1]})


def write_places():
    f = File("max_pool_index")
    x = real(1, 2, 5, 4)
    n, at = 4, np.arange(x.size).reshape(x.shape)
    padded = np.pad(x, ((0, 0), (0, 0), (1, 1), (1, 1)), constant_values=-np.inf)
    place = np.pad(at, ((0, 0), (0, 0), (1, 1), (1, 1)))
    want = np.zeros((1, 2, 3, 2), np.int64)
    for _, c, oy, ox in np.ndindex(want.shape):
        window = np.s_[0, c, 2 * oy:2 * oy + 3, 2 * ox:2 * ox + 3]
        want[0, c, oy, ox] = place[window].ravel()[padded[window].argmax()]
    base = {"kernel": [3, 3], "stride": [2, 2], "dilation": [1, 1], "pad": [1, 1, 1, 1]}
    f.case("rows", [x], want, base)
    image = want // 20 * 20
    h, w = (want - image) // 4, (want - image) % 4
    f.case("columns", [x], image + w * 5 + h, dict(base, column_major="true"))
    line = np.array([[[3, 1, 2, 7, 7, 0]]], f32)
    f.case("line", [line], np.array([[[3, 4, 2]]], np.int64),
           {"kernel": [2], "stride": [1], "dilation": [3], "pad": [0, 0]})
    f = File("max_unpool")
    x = np.array([[[[1, 2], [3, 4]]]], f32)
    place = np.array([[[[0, 3], [9, 11]]]], np.int64)
    y = np.zeros((1, 1, 3, 4), f32)
    y.ravel()[[0, 3, 9, 11]] = [1, 2, 3, 4]
    f.case("scatter", [x, place], y, {"shape": [3, 4]})


def write_integers():
    """Sums of bytes, and quantization that is only played."""
    a = rng.integers(0, 256, (2, 3, 7)).astype(np.uint8)
    b = rng.integers(-128, 128, (7, 5)).astype(np.int8)
    za = rng.integers(0, 256, (3, 1)).astype(np.uint8)
    zb = rng.integers(-128, 128, 5).astype(np.int8)
    f = File("matmul_integer")
    wide = [v.astype(np.int64) for v in (a, b, za, zb)]
    f.case("plain", [a, b], (wide[0] @ wide[1]).astype(np.int32))
    f.case("zeros", [a, b, za, zb],
           ((wide[0] - wide[2]) @ (wide[1] - wide[3])).astype(np.int32))
    x = rng.integers(0, 256, (1, 4, 5, 2)).astype(np.uint8)
    w = rng.integers(-128, 128, (3, 2, 3, 2)).astype(np.int8)
    zw = rng.integers(-128, 128, (3, 1, 1, 1)).astype(np.int8)
    zx = np.array(77, np.uint8)
    d, v = x.astype(np.int64) - 77, w.astype(np.int64) - zw.astype(np.int64)
    d = np.pad(d, ((0, 0), (1, 0), (1, 1), (0, 0)))
    y = np.zeros((1, 4, 3, 3), np.int32)
    for _, oy, ox, o in np.ndindex(y.shape):
        y[0, oy, ox, o] = (d[0, oy:oy + 2, 2 * ox:2 * ox + 3] * v[o]).sum()
    f = File("conv_integer")
    f.case("zeros", [x, w, zx, zw], y, {"stride": [1, 2], "pad": [1, 1, 0, 1]})
    f = File("fake_quant")
    x = np.array([0, 0.24, 0.26, -0.25, 0.75, 1000, -1000, 3.3], f32)
    scale, zero = np.array([0.5], f32), np.array([3], f32)
    f.case("tensor", [x, scale, zero], np.array([0, 0, 0.5, 0, 1, 6, -1.5, 3.5], f32),
           {"qmin": 0, "qmax": 15}, tol=1e-9)


if __name__ == "__main__":
    write_rows()
    write_places()
    write_integers()
