#!/usr/bin/env python3
"""golden - writes the golden vectors of tests/unit/test_qmath.c, by rationals and long decimals.

Run it in this folder; it rewrites golden_*.txt. One vector a line: what it is of, then inputs,
then the result. Floats are the bits of an f32 in hexadecimal (so that text cannot round), or
C's hexadecimal doubles.
"""
import random
from decimal import Decimal as D
from fractions import Fraction as F

import reference as ref
from reference import (erf, exponent, f32, f32_bits, from_bits, rne, round_to, sigmoid, tanh)

rand = random.Random(20240607)


def bits(x):
    return "%08x" % f32_bits(x)


def rounded(x, flush=True):
    """Bits of the f32 nearest to a decimal; denormal results are 0, large ones infinite."""
    if flush and abs(x) < D(2) ** -126:
        return "00000000"
    y = round_to(F(x), 24, -126, 127)
    if y is None:
        return "7f800000" if x > 0 else "ff800000"
    return bits(y)


def random_f32(lo, hi):
    """Uniform over the bits between two positive floats."""
    return from_bits(rand.randint(f32_bits(lo), f32_bits(hi)))


# ---- elementary functions ---------------------------------------------------------------------

def math_vectors(out):
    def emit(name, x, y):
        out.write("%s %s %s\n" % (name, bits(x), y))

    for _ in range(150):
        x = rand.choice([1, -1]) * random_f32(1e-4, 87.3)
        emit("exp", x, rounded(D(x).exp()))
        x = rand.choice([1, -1]) * random_f32(1e-5, 12)
        emit("tanh", x, rounded(tanh(D(x))))
        x = rand.choice([1, -1]) * random_f32(1e-5, 4.5)
        emit("erf", x, rounded(erf(D(x))))
        x = rand.choice([1, -1]) * random_f32(1e-3, 90)
        emit("sigmoid", x, rounded(sigmoid(D(x))))
        x = random_f32(1e-37, 1e38)
        emit("log", x, rounded(D(x).ln()))
        x = random_f32(0.3, 3)
        emit("log", x, rounded(D(x).ln()))
        x, y = random_f32(1e-6, 1e6), rand.choice([1, -1]) * random_f32(0.01, 8)
        out.write("pow %s %s %s\n" % (bits(x), bits(y), rounded((D(x).ln() * D(y)).exp())))
    for x in (88.72, 88.7228, 88.72283, -87.33, -87.33654, -87.4, -100, 89, 1e30, -1e30, 0):
        emit("exp", from_bits(f32_bits(x)), rounded(D(from_bits(f32_bits(x))).exp())
             if abs(x) < 1e4 else ("7f800000" if x > 0 else "00000000"))
    for x in (0.62, 0.625, 0.63, -0.625, 9.5, -20, 1e30):
        emit("tanh", from_bits(f32_bits(x)), rounded(tanh(D(from_bits(f32_bits(x)))))
             if x < 1e4 else "3f800000")
    for x in (0.92, 0.921875, 0.93, -0.921875, 3.9, 3.95, -4, 5):
        emit("erf", from_bits(f32_bits(x)), rounded(erf(D(from_bits(f32_bits(x))))))
    inf, ninf, nan, zero, nzero = "7f800000", "ff800000", "7fc00000", "00000000", "80000000"
    one, mone, two, half = bits(1), bits(-1), bits(2), bits(0.5)
    for line in (  # C11 F.10: special values
            ("exp", inf, inf), ("exp", ninf, zero), ("exp", nan, nan), ("exp", nzero, one),
            ("log", inf, inf), ("log", zero, ninf), ("log", nzero, ninf), ("log", mone, nan),
            ("log", ninf, nan), ("log", nan, nan), ("log", one, zero),
            ("tanh", inf, one), ("tanh", ninf, mone), ("tanh", nan, nan), ("tanh", nzero, nzero),
            ("erf", inf, one), ("erf", ninf, mone), ("erf", nan, nan), ("erf", nzero, nzero),
            ("sigmoid", inf, one), ("sigmoid", ninf, zero), ("sigmoid", nan, nan),
            ("sigmoid", zero, half),
            ("pow", zero, zero, one), ("pow", nan, zero, one), ("pow", one, nan, one),
            ("pow", mone, inf, one), ("pow", mone, ninf, one), ("pow", mone, nan, nan),
            ("pow", nan, one, nan), ("pow", two, nan, nan), ("pow", zero, mone, inf),
            ("pow", nzero, mone, ninf), ("pow", nzero, bits(-2), inf), ("pow", zero, two, zero),
            ("pow", nzero, bits(3), nzero), ("pow", bits(-8), bits(3), bits(-512)),
            ("pow", bits(-8), two, bits(64)), ("pow", bits(-8), half, nan),
            ("pow", ninf, half, inf), ("pow", ninf, bits(3), ninf), ("pow", ninf, bits(-3), nzero),
            ("pow", inf, mone, zero), ("pow", inf, two, inf), ("pow", half, inf, zero),
            ("pow", half, ninf, inf), ("pow", two, inf, inf), ("pow", two, ninf, zero),
            ("pow", two, bits(127), bits(2.0 ** 127)), ("pow", two, bits(128), inf),
            ("pow", two, bits(-126), bits(2.0 ** -126)), ("pow", two, bits(-127), zero),
            ("pow", bits(-2), bits(-127), nzero), ("pow", bits(9), half, bits(3)),
            ("pow", bits(1.5), two, bits(2.25)), ("pow", bits(1e-40), half, None)):
        if line[-1] is None:
            x = D(from_bits(int(line[1], 16)))
            line = line[:-1] + (rounded(x.sqrt()),)
        out.write(" ".join(line) + "\n")


def function_vectors(out):
    """Functions that are computed in f64: f32 as bits, f64 ("sin_f64") as C's hexadecimal doubles.
    """
    own = random.Random(20240719)

    def spread(lo, hi):
        return from_bits(own.randint(f32_bits(lo), f32_bits(hi)))

    def emit(name, x, want, wide_too=True):
        x = from_bits(f32_bits(x))
        out.write("%s %s %s\n" % (name, bits(x), rounded(want(D(x)), False)))
        if wide_too:
            x = x * (1 + own.randint(-2 ** 20, 2 ** 20) * 2.0 ** -48)  # more digits than f32 has
            if abs(x) <= 1 or name not in ("asin", "acos", "atanh"):
                out.write("%s_f64 %s %s\n" % (name, x.hex(), double_of(want(D(x)))))

    def double_of(x):
        return round_to(F(x), 53, -1022, 1023).hex()

    def log1p(x):
        return ref.log1p(x) if abs(x) < D("0.1") else (1 + x).ln()

    both = (1, -1)
    table = (  # name, function, range, signs
        ("sin", ref.sin, 1e-6, 40, both), ("cos", ref.cos, 1e-6, 40, both),
        ("tan", ref.tan, 1e-6, 40, both), ("sin", ref.sin, 40, 1e30, both),
        ("cos", ref.cos, 40, 1e30, both), ("tan", ref.tan, 40, 1e30, both),
        ("asin", ref.asin, 1e-6, 0.99, both), ("acos", ref.acos, 1e-6, 0.99, both),
        ("atan", ref.atan, 1e-6, 1e6, both), ("sinh", ref.sinh, 1e-6, 80, both),
        ("cosh", ref.cosh, 1e-6, 80, both), ("asinh", ref.asinh, 1e-6, 1e12, both),
        ("acosh", ref.acosh, 1.0001, 1e12, (1,)), ("atanh", ref.atanh, 1e-6, 0.999, both),
        ("expm1", lambda x: x.exp() - 1, 1e-6, 80, both), ("log1p", log1p, 1e-6, 1e12, (1,)),
        ("log1p", log1p, 1e-6, 0.999, (-1,)))
    for name, want, lo, hi, signs in table:
        for _ in range(60):
            x = own.choice(signs) * spread(lo, hi)
            emit(name, x, want, abs(x) < 1e15)
    for name, want, lo, hi in (("exp", D.exp, 1e-6, 700), ("log", D.ln, 1e-37, 1e38),
                               ("tanh", tanh, 1e-5, 30), ("erf", erf, 1e-5, 6),
                               ("sigmoid", sigmoid, 1e-3, 90)):
        for _ in range(60):
            x = (1 if name == "log" else own.choice([1, -1])) * spread(lo, hi)
            x *= 1 + own.randint(-2 ** 20, 2 ** 20) * 2.0 ** -48
            out.write("%s_f64 %s %s\n" % (name, x.hex(), double_of(want(D(x)))))
    for _ in range(60):
        x, y = float(spread(1e-6, 1e6)), own.choice([1, -1]) * spread(0.01, 8)
        out.write("pow_f64 %s %s %s\n" % (x.hex(), float(y).hex(),
                                          double_of((D(x).ln() * D(y)).exp())))
    # close to multiples of pi/2, and large: where reductions fail
    for x in (16367173 * 2.0 ** 72, 3.1415927, 1.5707964, 355.0, 710.0, 2.0 ** 127, 3.4e38):
        for name, want in (("sin", ref.sin), ("cos", ref.cos), ("tan", ref.tan)):
            emit(name, x, want, False)
    for x in (6381956970095103 * 2.0 ** 10, 3.141592653589793, 1.5707963267948966, 2.0 ** 60):
        for name, want in (("sin", ref.sin), ("cos", ref.cos), ("tan", ref.tan)):
            out.write("%s_f64 %s %s\n" % (name, x.hex(), double_of(want(D(x)))))
    inf, ninf, nan, zero, nzero = "7f800000", "ff800000", "7fc00000", "00000000", "80000000"
    one, mone, two = bits(1), bits(-1), bits(2)
    for line in (  # C11 F.10
            ("sin", inf, nan), ("cos", ninf, nan), ("tan", inf, nan), ("sin", nan, nan),
            ("sin", nzero, nzero), ("tan", nzero, nzero), ("cos", zero, one),
            ("asin", two, nan), ("asin", nzero, nzero), ("asin", nan, nan),
            ("asin", one, rounded(ref.pi() / 2)), ("asin", mone, rounded(-ref.pi() / 2)),
            ("acos", one, zero), ("acos", mone, rounded(ref.pi())), ("acos", two, nan),
            ("acos", bits(-2), nan), ("atan", inf, rounded(ref.pi() / 2)), ("atan", nan, nan),
            ("atan", ninf, rounded(-ref.pi() / 2)), ("atan", nzero, nzero),
            ("sinh", inf, inf), ("sinh", ninf, ninf), ("sinh", nzero, nzero), ("sinh", nan, nan),
            ("sinh", bits(100), inf), ("cosh", ninf, inf), ("cosh", nan, nan), ("cosh", zero, one),
            ("asinh", inf, inf), ("asinh", ninf, ninf), ("asinh", nzero, nzero),
            ("asinh", nan, nan), ("acosh", inf, inf), ("acosh", one, zero), ("acosh", zero, nan),
            ("acosh", nan, nan), ("atanh", one, inf), ("atanh", mone, ninf), ("atanh", two, nan),
            ("atanh", nzero, nzero), ("atanh", nan, nan), ("expm1", inf, inf),
            ("expm1", ninf, mone), ("expm1", nan, nan), ("log1p", mone, ninf),
            ("log1p", bits(-2), nan), ("log1p", inf, inf), ("log1p", nan, nan),
            ("exp_f64", "inf", "inf"), ("exp_f64", "-inf", "0x0p+0"), ("exp_f64", "nan", "nan"),
            ("exp_f64", "0x1.63p+9", "inf"), ("exp_f64", "-0x1.63p+9", "0x0p+0"),
            ("log_f64", "0x0p+0", "-inf"), ("log_f64", "-0x1p+0", "nan"),
            ("log_f64", "inf", "inf"), ("tanh_f64", "inf", "0x1p+0"), ("tanh_f64", "nan", "nan"),
            ("erf_f64", "-inf", "-0x1p+0"), ("erf_f64", "nan", "nan"),
            ("pow_f64", "-0x1p+1", "0x1.8p+1", "-0x1p+3"), ("pow_f64", "-0x1p+1", "0x1p-1", "nan"),
            ("pow_f64", "nan", "0x0p+0", "0x1p+0"), ("pow_f64", "0x0p+0", "-0x1p+0", "inf")):
        out.write(" ".join(line) + "\n")


# ---- quantization -----------------------------------------------------------------------------

def clamp(x, lo, hi):
    return max(lo, min(hi, x))


def quantize(x, scale, zero, qmin, qmax):
    v = round_to(F(x) / F(scale), 24, -126, 127)
    if v is None:
        return qmax if x > 0 else qmin
    return clamp(rne(F(v)) + zero, qmin, qmax)


RANGES = ((0, 255, 128), (-128, 127, 0), (-127, 127, 0), (-32768, 32767, 0), (0, 15, 8))


def quant_vectors(out):
    for i in range(200):
        qmin, qmax, _ = rand.choice(RANGES)
        zero = rand.randint(qmin, qmax)
        scale = random_f32(1e-4, 10)
        x = float(F(scale) * F(rand.randint(-700, 700)) / 2)  # many ties
        if i % 3 == 0:
            x = rand.uniform(-300, 300) * scale
        x = from_bits(f32_bits(x))
        out.write("quantize %s %s %d %d %d %d\n" % (
            bits(x), bits(scale), zero, qmin, qmax, quantize(x, scale, zero, qmin, qmax)))
    for x, want in (("7fc00000", 7), ("7f800000", 255), ("ff800000", 0), ("7f7fffff", 255),
                    ("ff7fffff", 0), ("80000000", 7)):
        out.write("quantize %s %s 7 0 255 %d\n" % (x, bits(2.0 ** -60), want))
    for _ in range(60):
        q, zero, scale = rand.randint(-40000, 40000), rand.randint(-300, 300), random_f32(1e-6, 9)
        out.write("dequantize %d %s %d %s\n" % (q, bits(scale), zero,
                                                bits(f32(f32(F(q - zero)) * F(scale)))))
    for q in (2 ** 31 - 1, -2 ** 31, 16777217, 16777219, -33554435):
        out.write("dequantize %d %s %d %s\n" % (q, bits(0.5), 1,
                                                bits(f32(f32(F(q - 1)) * F(1, 2)))))
    for _ in range(120):
        unit = rand.uniform(1e-6, 1) * rand.uniform(1e-6, 1)
        scale = random_f32(1e-4, 1)
        acc = rand.randint(-2 ** rand.randint(4, 31), 2 ** rand.randint(4, 31) - 1)
        zero, r, zr, sr = rand.randint(0, 255), rand.randint(0, 255), rand.randint(0, 255), \
            random_f32(1e-3, 1)
        # m = (f32)(unit / sy), the quotient being a double
        m = f32(F(unit / scale))
        mr = f32(F(float(sr) / scale))
        v = f32(f32(F(acc)) * m)
        q = clamp(rne(v) + zero, 0, 255)
        v2 = f32(v + f32(F(r - zr) * mr))
        q2 = clamp(rne(v2) + zero, 0, 255)
        out.write("requantize %d %s %s %d %d %d %d %s %d\n" % (
            acc, unit.hex(), bits(scale), zero, q, r, zr, bits(sr), q2))
    for unit, scale, want in ((1e30, 1e-10, 2.0 ** 60), (1e-30, 1e10, 2.0 ** -60)):
        out.write("factor %s %s %s\n" % (unit.hex(), bits(scale), bits(want)))
    for _ in range(120):
        qmin, qmax, middle = rand.choice(RANGES)
        symmetric = rand.random() < 0.4
        lo, hi = sorted(rand.choice([1, -1]) * random_f32(1e-5, 1e3) for _ in range(2))
        params(out, lo, hi, qmin, qmax, symmetric, middle)
    params(out, -1, 1, 0, 255, False, 128)
    params(out, 0, 6, 0, 255, False, 128)
    params(out, -128, 127, -128, 127, False, 0)
    for lo, hi in (("7fc00000", bits(1)), (bits(-1), "7f800000"), (bits(2), bits(1)),
                   (bits(0), bits(0))):
        out.write("qparams %s %s 0 255 0 128 %s 0\n" % (lo, hi, bits(1)))
        out.write("qparams %s %s 0 255 1 128 %s 128\n" % (lo, hi, bits(1)))
    out.write("qparams %s %s 0 255 0 128 %s 0\n" % (bits(0), bits(1e-30), bits(2.0 ** -60)))
    for s, b, want in ((0, 0, 1), (8421504, 127, 1), (8421504, 128, 0), (8421505, 0, 0),
                       (2 ** 62, 0, 0), (1, 2 ** 62, 0), (0, 2 ** 31 - 1, 1), (0, 2 ** 31, 0)):
        out.write("fits %d %d %d\n" % (s, b, want))


def double(x):
    return F(round_to(x, 53, -1022, 1023))


def params(out, lo, hi, qmin, qmax, symmetric, middle):
    low, high = min(F(lo), 0), max(F(hi), 0)
    if symmetric:
        # the quotient of doubles, rounded to f32
        scale = f32(double(max(-low, high) / min(middle - qmin, qmax - middle)))
        zero = middle
    else:
        scale = f32(double(double(high - low) / (qmax - qmin)))
        zero = clamp(rne(double(qmin - double(low / scale))), qmin, qmax)
    out.write("qparams %s %s %d %d %d %d %s %d\n" % (
        bits(lo), bits(hi), qmin, qmax, symmetric, middle, bits(scale), zero))


# ---- fused ops --------------------------------------------------------------------------------

def fused_vectors(out):
    """A 1x1 convolution u8[1,2,2,3] x i8[2,1,1,3] + i32[2] with a residual u8[1,2,2,2]; then
    relu: y = relu(conv + r); clip: y = clip(conv, 0, 2.5) + r; mul: y = conv * r, in real units."""
    for i in range(30):
        kind = ("relu", "clip", "mul")[i % 3]
        sx, sr, sy = random_f32(0.005, 0.05), random_f32(0.005, 0.05), random_f32(0.01, 0.06)
        sw = [random_f32(0.002, 0.02) for _ in range(2)]
        zx, zr, zy = (rand.randint(0, 255) for _ in range(3))
        x = [rand.randint(0, 255) for _ in range(12)]
        w = [rand.randint(-127, 127) for _ in range(6)]
        bias = [rand.randint(-5000, 5000) for _ in range(2)]
        r = [rand.randint(0, 255) for _ in range(8)]
        y = []
        for p in range(4):
            for o in range(2):
                acc = sum((x[3 * p + c] - zx) * w[3 * o + c] for c in range(3)) + bias[o]
                unit = double(F(sx) * F(sw[o]))
                centered = F(r[2 * p + o] - zr)
                if kind == "mul":
                    u = f32(f32(F(acc)) * f32(unit))
                    v = f32(f32(u * f32(centered * F(sr))) * f32(double(1 / F(sy))))
                else:
                    v = f32(f32(F(acc)) * f32(double(unit / F(sy))))
                    if kind == "clip":
                        v = clamp(v, F(0), f32(double(F(5, 2) / F(sy))))
                    v = f32(v + f32(centered * f32(double(F(sr) / F(sy)))))
                    if kind == "relu":
                        v = max(v, F(0))
                y.append(clamp(rne(v) + zy, 0, 255))
        numbers = [bits(sx), zx, bits(sw[0]), bits(sw[1]), bits(sr), zr, bits(sy), zy] + x + w + \
            bias + r + y
        out.write("%s %s\n" % (kind, " ".join(str(n) for n in numbers)))


# ---- sums and narrow floats -------------------------------------------------------------------

def narrow_vectors(out):
    for n in (0, 1, 2, 15, 16, 17, 31, 100, 1000):
        seed = rand.randint(1, 2 ** 32 - 1)
        lanes = [F(0)] * 16
        state = seed
        for i in range(n):
            # the test makes the same numbers: k * 2^-(k & 15), k from a linear congruence
            state = (state * 1664525 + 1013904223) % 2 ** 32
            k = state >> 8
            lanes[i % 16] = f32(lanes[i % 16] + F(k - 2 ** 23) / 2 ** (k & 15))
        width = 8
        while width:
            lanes = [f32(lanes[i] + lanes[i + width]) for i in range(width)]
            width //= 2
        out.write("sum %d %d %s\n" % (n, seed, bits(lanes[0])))
    for h in [0, 1, 2, 0x3ff, 0x400, 0x7bff, 0x3c00, 0xc248] + [rand.randint(0, 0x7bff)
                                                               for _ in range(40)]:
        e, m = (h >> 10) & 31, h & 1023
        x = F(m) / 2 ** 24 if e == 0 else F(1024 + m) * F(2) ** (e - 25)
        out.write("from_f16 %04x %s\n" % (h, bits(-x if h & 0x8000 else x)))
    for h, want in ((0x8000, "80000000"), (0x7c00, "7f800000"), (0xfc00, "ff800000"),
                    (0x7e01, "7fc02000")):
        out.write("from_f16 %04x %s\n" % (h, want))

    def f16(x):
        y = round_to(F(x), 11, -14, 15)
        sign = 0x8000 if x < 0 else 0
        if y is None:
            return sign | 0x7c00
        y = abs(F(y))
        if y < F(2) ** -14:
            return sign | int(y * 2 ** 24)
        e = exponent(y)
        return sign | (e + 15) << 10 | int(y / F(2) ** (e - 10)) - 1024

    samples = [random_f32(1e-8, 7e4) * rand.choice([1, -1]) for _ in range(80)]
    samples += [65519.0, 65520.0, 65504.0, 2.0 ** -14, 2.0 ** -24, 2.0 ** -25, 3 * 2.0 ** -26,
                2.0 ** -26, 1 + 2.0 ** -11, 1 + 3 * 2.0 ** -11, 1e30, -1e30, 1e-30]
    for x in samples:
        x = from_bits(f32_bits(x))
        out.write("to_f16 %s %04x\n" % (bits(x), f16(x)))
    out.write("to_f16 7f800000 7c00\nto_f16 7fc00000 7e00\nto_f16 80000000 8000\n")
    for x in [random_f32(1e-38, 3e38) * rand.choice([1, -1]) for _ in range(60)] + [
            1 + 2.0 ** -8, 1 + 3 * 2.0 ** -8]:
        y = round_to(F(x), 8, -126, 127)
        out.write("to_bf16 %s %04x\n" % (bits(x), f32_bits(y) >> 16))
    out.write("to_bf16 7f7fffff 7f80\nto_bf16 7f800001 7fc0\nto_bf16 80000000 8000\n")


def main():
    for name, write in (("math", math_vectors), ("quant", quant_vectors), ("fused", fused_vectors),
                        ("narrow", narrow_vectors), ("functions", function_vectors)):
        with open("golden_%s.txt" % name, "w", encoding="ascii") as out:
            write(out)


if __name__ == "__main__":
    main()
