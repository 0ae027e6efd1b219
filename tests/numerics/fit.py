#!/usr/bin/env python3
"""fit - derives the polynomials of ir/expr_math.c: weighted minimax fits by Remez' exchange.

Every number is a decimal of 60 digits; the functions come from reference.py. Coefficients are
rounded to f32 one after the other, from the lowest order up, and what is left is fitted anew each
time, so that later coefficients make up for earlier roundings. Those of pow are rounded to f64 at
once. Prints C tables and the largest weighted error of each, as a power of two.
"""
import struct
from decimal import Decimal as D, getcontext

import reference as ref

getcontext().prec = 60


def f32(x):
    """The nearest f32 of a decimal, as a decimal (the tables stay far from ties and denormals)."""
    return D(ref.round_to(x, 24, -126))


def f64(x):
    return D(float(x))


def solve(a, b):
    """Gaussian elimination with pivoting."""
    n = len(b)
    m = [row[:] + [v] for row, v in zip(a, b)]
    for i in range(n):
        p = max(range(i, n), key=lambda r: abs(m[r][i]))
        m[i], m[p] = m[p], m[i]
        for r in range(i + 1, n):
            k = m[r][i] / m[i][i]
            for c in range(i, n + 1):
                m[r][c] -= k * m[i][c]
    x = [D(0)] * n
    for i in reversed(range(n)):
        x[i] = (m[i][n] - sum(m[i][c] * x[c] for c in range(i + 1, n))) / m[i][i]
    return x


def remez(samples, powers, rounds=30):
    """samples: (t, f, w). Minimises max w * |sum c_k t^powers[k] - f|, exchanging single points."""
    n = len(powers) + 1
    count = len(samples)
    import math
    ids = [round((1 - math.cos(math.pi * i / (n - 1))) / 2.03 * (count - 1)) for i in range(n)]
    coeff = None
    for _ in range(rounds):
        rows = [[samples[i][0] ** p for p in powers] + [(-1) ** k / samples[i][2]]
                for k, i in enumerate(ids)]
        x = solve([[D(v) for v in row] for row in rows], [samples[i][1] for i in ids])
        coeff, level = x[:-1], abs(x[-1])
        err = [w * (sum(c * t ** p for c, p in zip(coeff, powers)) - f) for t, f, w in samples]
        # extrema of each run of one sign
        peaks, best = [], 0
        for i in range(1, count + 1):
            if i == count or (err[i] > 0) != (err[best] > 0):
                peaks.append(best)
                if i < count:
                    best = i
            elif abs(err[i]) > abs(err[best]):
                best = i
        while len(peaks) > n:
            peaks.pop(0 if abs(err[peaks[0]]) < abs(err[peaks[-1]]) else -1)
        worst = max(abs(v) for v in err)
        if len(peaks) < n or worst < level * D("1.001"):
            break
        ids = peaks
    return coeff


def fit(name, samples, powers, rounding=f32, together=False):
    """Coefficients for the powers, lowest first, rounded one after the other. together: at once,
    where t changes its sign, so that powers of t but the 0th cannot be fitted alone."""
    samples = [s for s in samples if s[0] != 0]
    fixed, rest = {}, list(powers)
    if rounding is f64 or together:
        fixed = {p: rounding(c) for p, c in zip(powers, remez(samples, powers))}
        rest = []
    while rest:
        left = [(t, f - sum(c * t ** p for p, c in fixed.items()), w) for t, f, w in samples]
        coeff = remez(left, rest)
        fixed[rest[0]] = rounding(coeff[0])
        rest.pop(0)
    worst = max(abs(w * (sum(c * t ** p for p, c in fixed.items()) - f)) for t, f, w in samples)
    print("/* %s: 2^%.1f */" % (name, float(worst.ln() / D(2).ln())))
    for p in powers:
        print("    %s%s, /* t^%d */" % (float(fixed[p]).hex(), "f" if rounding is f32 else "", p))


def grid(lo, hi, n=301):
    lo, hi = D(lo), D(hi)
    return [lo + (hi - lo) * i / n for i in range(n + 1)]


def f64_tables(ln2):
    """ir/expr_f64.c: t is the argument, or its square where the function is odd or even."""
    h = ln2 / 2 + D("0.0001")
    fit("exp", [(r, (r.exp() - 1 - r) / r ** 2, r ** 2 / r.exp()) for r in grid(-h, h)],
        range(11), f64)
    fit("log", [(z, 2 * ref.atanh(z.sqrt()) / z.sqrt() - 2, 1 / D(2))
                for z in grid("0.00001", D("0.17160") ** 2)], range(1, 9), f64)
    quarter = (ref.pi() / 4 + D("0.0001")) ** 2
    fit("sin", [(z, (ref.sin(z.sqrt()) / z.sqrt() - 1) / z, z) for z in grid("0.0001", quarter)],
        range(7), f64)
    fit("cos", [(z, (ref.cos(z.sqrt()) - 1 + z / 2) / z ** 2, z ** 2)
                for z in grid("0.0001", quarter)], range(6), f64)
    eighth = (D(2).sqrt() - 1 + D("0.0001")) ** 2
    fit("atan", [(z, (ref.atan(z.sqrt()) / z.sqrt() - 1) / z, z) for z in grid("0.0001", eighth)],
        range(11), f64)
    fit("sinh", [(z, (ref.sinh(z.sqrt()) / z.sqrt() - 1) / z, z) for z in grid("0.0001", 1)],
        range(8), f64)
    fit("erf, small", [(z, ref.erf(z.sqrt()) / z.sqrt() - 1, z.sqrt() / ref.erf(z.sqrt()))
                       for z in grid("0.0001", 1)], range(13), f64)
    for lo, hi, n in ((1, 2, 15), (2, 6, 18)):
        fit("erf, from %d to %d" % (lo, hi),
            [(t - lo, -ref.erfc(t).ln() / t - 1, t * ref.erfc(t) / ref.erf(t))
             for t in grid(lo, hi)], range(n), f64)


def main():
    ln2 = D(2).ln()
    # exp: e^r = 1 + r + r^2 q(r), |r| <= ln 2 / 2
    h = D("0.34664")
    fit("exp", [(r, (r.exp() - 1 - r) / r ** 2, r ** 2 / r.exp()) for r in grid(-h, h)],
        range(5))
    # log: 2 atanh(s) = 2s + s R(s^2), s = f / (2 + f), f in [sqrt(1/2) - 1, sqrt(2) - 1]
    smax = D("0.17160")
    fit("log", [(z, (2 * ref.atanh(z.sqrt()) / z.sqrt() - 2), 1 / D(2))
                for z in grid("0.00001", smax ** 2)], range(1, 5))
    # erf: 1 - e^(-t - t G(t)), t <= 4; the error of the result is erfc * t * error of G
    fit("erf", [(t, -ref.erfc(t).ln() / t - 1, t * ref.erfc(t) / ref.erf(t))
                for t in grid("0.0005", 4, 400)], range(9))
    # gelu: P(X < -2h) = (1 + h W(h))^2 / 2, h <= 2.7; the error of the result over x is that of
    # this probability
    below = [(h, ref.erfc(h * D(2).sqrt()).sqrt()) for h in grid("0.0005", "2.7", 400)]
    fit("gelu", [(h, (r - 1) / h, h * r) for h, r in below], range(12))
    # pow, in f64: log2(m) = s L(s^2), and 2^r = 1 + r E(r), |r| <= 1/2
    fit("log2", [(z, 2 * ref.atanh(z.sqrt()) / z.sqrt() / ln2, D(1))
                 for z in grid("0.00001", smax ** 2)], range(8), f64)
    fit("exp2", [(r, ((r * ln2).exp() - 1) / r, abs(r)) for r in grid("-0.5001", "0.50015")],
        range(10), f64)
    f64_tables(ln2)
    hi = f32(ln2)
    bits = struct.unpack("<I", struct.pack("<f", float(hi)))[0] & 0xFFFFFF00
    hi = D(struct.unpack("<f", struct.pack("<I", bits))[0])
    print("ln2_hi %sf ln2_lo %sf" % (float(hi).hex(), float(f32(ln2 - hi)).hex()))
    print("log2e %sf" % float(f32(1 / ln2)).hex())


if __name__ == "__main__":
    main()
