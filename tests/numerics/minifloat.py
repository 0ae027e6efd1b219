#!/usr/bin/env python3
"""Writes golden_minifloat.txt: the floats of 8 and 4 bits by exact rationals.

Every code's number comes from the formula of its specification (OCP 8-bit Floating Point 1.0; Noune et al. for those
without negative zero; OCP Microscaling Formats 1.0); what a number rounds to is found by looking at all of them.
"""
import random
import struct
from fractions import Fraction as F

# name: exponent bits, mantissa bits, bias, code of the greatest number, of what is larger, of NaN, one zero only
FORMATS = {
    "f8e4m3fn": (4, 3, 7, 0x7e, 0x7f, 0x7f, False),
    "f8e4m3fnuz": (4, 3, 8, 0x7f, 0x80, 0x80, True),
    "f8e5m2": (5, 2, 15, 0x7b, 0x7c, 0x7e, False),
    "f8e5m2fnuz": (5, 2, 16, 0x7f, 0x80, 0x80, True),
    "f4e2m1": (2, 1, 1, 0x7, 0x7, 0x7, False),
}
rand = random.Random(8)


def f32_bits(x):
    return struct.unpack("<I", struct.pack("<f", x))[0]


def number(code, exponent_bits, mantissa_bits, bias):
    exponent, mantissa = code >> mantissa_bits, code & (1 << mantissa_bits) - 1
    fraction = F(mantissa, 1 << mantissa_bits)
    return fraction * F(2) ** (1 - bias) if exponent == 0 else (1 + fraction) * F(2) ** (exponent - bias)


def main():
    with open("golden_minifloat.txt", "w", encoding="ascii") as out:
        for name, (e, m, bias, top, overflow, nan, one_zero) in FORMATS.items():
            sign = 1 << (e + m)
            value = [number(c, e, m, bias) for c in range(top + 1)]
            for code in range(top + 1):
                out.write("%s from %02x %08x\n" % (name, code, f32_bits(float(value[code]))))
                if code or not one_zero:
                    out.write("%s from %02x %08x\n" % (name, code | sign, f32_bits(-float(value[code]))))
            samples = [float(v) for v in value]
            samples += [float((a + b) / 2) for a, b in zip(value, value[1:])]
            limit = value[top] + (value[top] - value[top - 1]) / 2
            samples += [float(limit), float(limit) * 1.01, float(limit) * 0.999, 1e30, 1e-30, 2.0 ** -149]
            samples += [rand.uniform(0, float(value[top]) * 1.2) * 2.0 ** -rand.randint(0, 20) for _ in range(60)]
            for x in samples:
                x = struct.unpack("<f", struct.pack("<f", x))[0]
                if F(x) >= limit and not (F(x) == limit and top % 2 == 0):
                    code = overflow
                else:
                    code = min(range(top + 1), key=lambda c: (abs(value[c] - F(x)), c % 2))
                minus = code if one_zero and code in (0, nan) else code | sign
                out.write("%s to %08x %02x\n" % (name, f32_bits(x), code))
                out.write("%s to %08x %02x\n" % (name, f32_bits(-x), minus))
            out.write("%s to 7fc00000 %02x\n" % (name, nan))
            out.write("%s to 7f800000 %02x\n" % (name, overflow))


main()
