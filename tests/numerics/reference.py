"""reference - exact roundings by rationals, and elementary functions by long decimals.

Independent of the C code: floats are rationals, a rounding is integer arithmetic, and functions
are summed series with 60 digits.
"""
from decimal import Decimal as D, getcontext
from fractions import Fraction as F
import struct

getcontext().prec = 60


# ---- roundings -------------------------------------------------------------------------------

def rne(x):
    """The integer nearest to a rational, ties to even."""
    x = F(x)
    n = x.numerator // x.denominator
    rest = x - n
    if rest > F(1, 2) or (rest == F(1, 2) and n % 2):
        n += 1
    return n


def exponent(x):
    """floor(log2 |x|) of a rational that is not 0."""
    x = abs(F(x))
    e = x.numerator.bit_length() - x.denominator.bit_length()
    while F(2) ** e > x:
        e -= 1
    while F(2) ** (e + 1) <= x:
        e += 1
    return e


def round_to(x, precision, emin, emax=None):
    """A rational rounded to a binary format, ties to even; None: overflows. Denormals included."""
    x = F(x)
    if x == 0:
        return 0.0
    unit = F(2) ** (max(exponent(x), emin) - precision + 1)
    y = rne(x / unit) * unit
    if emax is not None and abs(y) >= F(2) ** (emax + 1):
        return None
    return float(y)


def f32(x):
    """A rational rounded to f32 as a rational; infinite ones are not for exact arithmetic."""
    y = round_to(x, 24, -126, 127)
    assert y is not None
    return F(y)


def f32_bits(x):
    return struct.unpack("<I", struct.pack("<f", float(x)))[0]


def from_bits(u):
    return struct.unpack("<f", struct.pack("<I", u))[0]


# ---- functions of decimals --------------------------------------------------------------------

def _series(first, factor):
    total, term, n = D(0), first, 0
    while total + term != total:
        total += term
        n += 1
        term = factor(term, n)
    return total


def atanh(x):
    return ((1 + x) / (1 - x)).ln() / 2


def tanh(x):
    if abs(x) < D("0.01"):  # no cancellation: sinh / cosh by their series
        s = _series(x, lambda t, n: t * x * x / ((2 * n) * (2 * n + 1)))
        c = _series(D(1), lambda t, n: t * x * x / ((2 * n - 1) * (2 * n)))
        return s / c
    e = (2 * x).exp()
    return (e - 1) / (e + 1)


def sinh(x):
    return _series(x, lambda t, n: t * x * x / ((2 * n) * (2 * n + 1)))


def cosh(x):
    return _series(D(1), lambda t, n: t * x * x / ((2 * n - 1) * (2 * n)))


def pi():
    """Machin: 16 atan(1/5) - 4 atan(1/239)."""
    def atan_inv(k):
        total, power, n = D(0), D(1) / k, 0
        while total + power / (2 * n + 1) != total:
            total += (-power if n % 2 else power) / (2 * n + 1)
            power /= k * k
            n += 1
        return total
    return 16 * atan_inv(D(5)) - 4 * atan_inv(D(239))


_pi = pi()


def _turn(x):
    """x = n pi/2 + r with |r| <= pi/4: n and r; enough digits for the exponent of x."""
    from decimal import localcontext
    if abs(x) < 1000:
        n = (x / (_pi / 2)).to_integral_value()
        return int(n), x - n * _pi / 2
    with localcontext() as c:
        c.prec = 120
        half = pi() / 2
        n = (x / half).to_integral_value()
        return int(n), x - n * half


def _sin(r):
    return _series(r, lambda t, n: -t * r * r / ((2 * n) * (2 * n + 1)))


def _cos(r):
    return _series(D(1), lambda t, n: -t * r * r / ((2 * n - 1) * (2 * n)))


def sin(x):
    n, r = _turn(x)
    return (_sin(r), _cos(r), -_sin(r), -_cos(r))[n % 4]


def cos(x):
    n, r = _turn(x)
    return (_cos(r), -_sin(r), -_cos(r), _sin(r))[n % 4]


def tan(x):
    return sin(x) / cos(x)


def atan(x):
    """atan x = 2 atan(x / (1 + sqrt(1 + x^2))), until the series converges fast."""
    if abs(x) > D("0.1"):
        return 2 * atan(x / (1 + (1 + x * x).sqrt()))
    total, power, n = D(0), x, 0
    while total + power / (2 * n + 1) != total:
        total += power / (2 * n + 1)
        power *= -x * x
        n += 1
    return total


def asin(x):
    return _pi / 2 * (1 if x > 0 else -1) if abs(x) == 1 else atan(x / ((1 - x) * (1 + x)).sqrt())


def acos(x):
    return _pi if x == -1 else 2 * atan(((1 - x) / (1 + x)).sqrt())


def log1p(x):
    """Not for x near -1."""
    return 2 * atanh(x / (2 + x)) if abs(x) > D("1e-20") else x - x * x / 2 + x ** 3 / 3


def asinh(x):
    t = abs(x)
    y = log1p(t + t * t / (1 + (1 + t * t).sqrt()))
    return y if x > 0 else -y


def acosh(x):
    return log1p((x - 1) + ((x - 1) * (x + 1)).sqrt())


_two_over_root_pi = 2 / pi().sqrt()


def erf(x):
    """2/sqrt(pi) e^(-x^2) sum 2^n x^(2n+1) / (2n+1)!!: all terms of one sign."""
    return _two_over_root_pi * (-x * x).exp() * _series(
        x, lambda t, n: t * 2 * x * x / (2 * n + 1))


def erfc(x):
    """Below 5 the difference keeps more than 40 of 60 digits."""
    return 1 - erf(x)


def sigmoid(x):
    return 1 / (1 + (-x).exp())
