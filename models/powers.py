"""Which is larger, n^(n+m) or (n+m)^n; and a^b or b^a?

ln of the ratio n^(n+m) / (n+m)^n is
    log_ratio(n, m) = m ln n - n ln(1 + m/n),
and since t -> ln(1 + t)/t stays below 1, it exceeds m (ln n - 1): positive for every n > e. Whole n
from 3 on are thus settled for every gap m > 0 without computing a power; n = 0, 1, 2 are settled by
hand (`reason`). On the real line the crossover of m = 1 lies lower, at x0 = 2.2931..., and a^b >
b^a where ln x / x is larger.

Shapes: real functions work elementwise on arrays. Convention: left is n^(n+m) or a^b; 0^0 = 1;
ratios are dimensionless, logarithms natural (nats) unless log10 is said; only numbers >= 0 are
compared.
Source: Su Jianlin, 2009, kexue.fm/archives/132 (question, both proofs). x0: OEIS A085846. The curve
x^y = y^x and its rational points: Sondow and Marques, 2010, Annales Mathematicae et Informaticae
37, 151-164. Everything else is derived here.
"""

import decimal
import math
import re
import unicodedata
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction
from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

Floats = NDArray[np.float64]
Verdict = Literal["left", "right", "equal"]

MAX_DIGITS = 1000  # of a number that is typed in
MAX_EXACT_DIGITS = 4000  # of a power that is written out; Python itself stops at 4300
MAX_RATIO_N = 1000  # of an exact fraction r(n), about 3000 digits above and below the line

# The zero of log_ratio(x, 1), equivalently x = (1 + 1/x)^x, to 60 digits; OEIS A085846.
CROSSOVER = Decimal("2.29316628741186103150802829125080586437225729032712124853771")
CONSTANTS = {
    "e": Fraction("2.71828182845904523536028747135266249775724709369995957496697"),
    "pi": Fraction("3.14159265358979323846264338327950288419716939937510582097494"),
}

SENTENCES = {
    "empty": "No number was given.",
    "not_a_number": "{text} is not a number.",
    "not_an_integer": "{text} is not a whole number.",
    "negative": "{text} is negative; only numbers from 0 on are compared.",
    "too_large": "{text} has more than {limit} digits.",
}


class NumberError(ValueError):
    """What is wrong with a typed number.

    Attributes:
        code: A key of `SENTENCES`, stable, for translation.
        details: The values its sentence names.
    """

    def __init__(self, code: str, text: str) -> None:
        self.code = code
        shown = text if len(text) <= 40 else text[:39] + "…"
        self.details: dict[str, Any] = {"text": shown, "limit": MAX_DIGITS}
        super().__init__(SENTENCES[code].format(**self.details))


# --- Reading numbers ------------------------------------------------------------------------------


def parse_integer(text: str) -> int:
    """Read a whole number of up to `MAX_DIGITS` digits without expanding a hostile exponent.

    Args:
        text: Such as "1370", "1,000", "1_000", "10^30", "10**30", "1e30", "1.5e3", "3*10^5";
            full-width and raised digits as well.

    Raises:
        NumberError: If it is empty, no number, no whole number, negative or too large.
    """
    value = parse_real(text)
    if value.denominator != 1:
        raise NumberError("not_an_integer", text)
    return value.numerator


def parse_real(text: str) -> Fraction:
    """Read a number >= 0 exactly: as `parse_integer`, and "2.25", "9/4", "1e-3", "e", "pi".

    "e" and "pi" become their first 60 digits.

    Raises:
        NumberError: If it is empty, no number, negative, or has more than `MAX_DIGITS` digits on
            either side of the point.
    """
    plain = _plain(text)
    if not plain:
        raise NumberError("empty", text)
    if len(plain) > 2 * MAX_DIGITS:
        raise NumberError("too_large", text)
    if plain.lower() in ("e", "pi", "π"):
        return CONSTANTS["e" if plain.lower() == "e" else "pi"]
    negative = plain.startswith("-")
    above, line, below = plain.lstrip("+-").partition("/")
    if len(plain) - len(plain.lstrip("+-")) > 1:
        raise NumberError("not_a_number", text)
    value = _parse_unsigned(above, text)
    if line:
        divisor = _parse_unsigned(below, text)
        if divisor == 0:
            raise NumberError("not_a_number", text)
        value /= divisor
    if negative and value != 0:
        raise NumberError("negative", text)
    return value


def _plain(text: str) -> str:
    """Return text in plain ASCII where it can: raised digits after ^, full-width forms narrow."""
    raised = re.sub("[⁰¹²³⁴⁵⁶⁷⁸⁹]+", lambda run: "^" + run.group(), text)
    narrow = unicodedata.normalize("NFKC", raised).replace("\u2212", "-")
    return narrow.replace("×", "*").replace("·", "*").strip()


def _parse_unsigned(plain: str, text: str) -> Fraction:
    grouped = re.sub(r"(?<=[0-9])_(?=[0-9])", "", plain.strip())
    if re.fullmatch(r"[0-9]{1,3}([, '][0-9]{3})+(\.[0-9]*)?", grouped):
        grouped = re.sub("[, ']", "", grouped)
    power = re.fullmatch(r"(?:([0-9.]+) *\* *)?([0-9]+) *(?:\^|\*\*) *([0-9]+)", grouped)
    if power:
        factor, base, exponent = power.groups()
        size = int(exponent[:9]) * math.log10(max(1, int(base))) if len(base) < 99 else math.inf
        if size > MAX_DIGITS or (len(exponent) > 9 and int(base) > 1):
            raise NumberError("too_large", text)
        short = int(exponent) if int(base) > 1 else min(int(exponent), 1)
        return _sized(_parse_unsigned(factor or "1", text) * int(base) ** short, text)
    number = re.fullmatch(r"([0-9]*)(?:\.([0-9]*))?(?:[eE]([+-]?[0-9]+))?", grouped)
    if not number or not (number[1] or number[2]):
        raise NumberError("not_a_number", text)
    digits, scale = (number[1] or "") + (number[2] or ""), -len(number[2] or "")
    exponent = number[3] or "0"
    if len(exponent) > 6 or abs(int(exponent)) > MAX_DIGITS:
        raise NumberError("too_large", text)
    return _sized(int(digits) * Fraction(10) ** (int(exponent) + scale), text)


def _sized(value: Fraction, text: str) -> Fraction:
    if max(value.numerator, value.denominator) >= 10**MAX_DIGITS:
        raise NumberError("too_large", text)
    return value


# --- Whole numbers --------------------------------------------------------------------------------


@dataclass(frozen=True)
class Power:
    """A power that may be too large to write out.

    Attributes:
        base: Whole number >= 0.
        exponent: Whole number >= 0.
        n_digits: Number of decimal digits.
        mantissa: Leading digits as d.ddd, cut off, not rounded; times 10^(n_digits - 1).
        value: The power itself if it has at most `MAX_EXACT_DIGITS` digits, else None.
    """

    base: int
    exponent: int
    n_digits: int
    mantissa: str
    value: int | None


@dataclass(frozen=True)
class Comparison:
    """n^(n+m) against (n+m)^n.

    Attributes:
        n: Whole number >= 0.
        m: Gap, whole number >= 0.
        left: n^(n+m).
        right: (n+m)^n.
        verdict: Which is larger.
        reason: What settles it: "same" (m = 0), "zero" (0 < 1), "one" (1 < 1 + m), "two" (8 < 9, 16
            = 16, then 2^m grows faster), or "beyond_e" (n >= 3, the proof in the module's
            docstring).
        log_ratio: ln(left/right) to 30 digits, nats; -Infinity for n = 0 < m.
    """

    n: int
    m: int
    left: Power
    right: Power
    verdict: Verdict
    reason: str
    log_ratio: Decimal

    @property
    def difference(self) -> int | None:
        """Left minus right, if both are written out."""
        if self.left.value is None or self.right.value is None:
            return None
        return self.left.value - self.right.value


def compare_powers(n: int, m: int = 1) -> Comparison:
    """Compare n^(n+m) with (n+m)^n exactly, at once for any n.

    Args:
        n: Whole number from 0 to 10^1000.
        m: Gap, whole number from 0 to 10^1000.

    Returns:
        The verdict, which rests on a proof and not on the logarithm beside it.

    Raises:
        ValueError: If n or m is not such a number.
    """
    n, m = _whole("n", n), _whole("m", m)
    verdict, reason = _verdict(n, m)
    ratio = Decimal(0) if verdict == "equal" else log_ratio_digits(n, m)
    return Comparison(n, m, power(n, n + m), power(n + m, n), verdict, reason, ratio)


def _verdict(n: int, m: int) -> tuple[Verdict, str]:
    if m == 0:
        return "equal", "same"
    if n <= 1:
        return "right", ("zero", "one")[n]
    if n == 2:
        return ("right" if m == 1 else "equal" if m == 2 else "left"), "two"
    return "left", "beyond_e"


def power(base: int, exponent: int, n_leading: int = 6) -> Power:
    """Return base^exponent with its exact number of digits, expanding it only if it is short.

    The digits come from exponent * log10(base) in decimal arithmetic with more digits than its
    whole part; if the fraction still falls too near a whole number to be sure, the precision
    doubles. That ends, since the product is whole only for powers of ten, and these are counted
    directly.

    Args:
        base: Whole number from 0.
        exponent: Whole number from 0; both up to about 10^1000.
        n_leading: Digits of the mantissa, 1 to 50.

    Raises:
        ValueError: If an argument is outside its domain.
    """
    base, exponent = _whole("base", base), _whole("exponent", exponent)
    if not 1 <= n_leading <= 50:
        raise ValueError(f"n_leading must be in [1, 50], got {n_leading!r}")
    # more than enough digits: log2(base) < bit_length
    if base <= 1 or exponent * base.bit_length() < 3 * MAX_EXACT_DIGITS:
        value = base ** min(exponent, 1) if base <= 1 else base**exponent
        digits = str(value)
    elif str(base).rstrip("0") == "1":
        n_digits = exponent * (len(str(base)) - 1) + 1
        return Power(base, exponent, n_digits, _with_point("1".ljust(n_leading, "0")), None)
    else:
        n_digits, digits = _digits_by_logarithm(base, exponent, n_leading)
        value = base**exponent if n_digits <= MAX_EXACT_DIGITS else 0
        if not value:
            return Power(base, exponent, n_digits, _with_point(digits), None)
        digits = str(value)
    return Power(base, exponent, len(digits), _with_point(digits[:n_leading]), value)


def _digits_by_logarithm(base: int, exponent: int, n_leading: int) -> tuple[int, str]:
    """Return the number of digits and the leading ones; base is no power of ten."""
    guard = 20
    while True:
        with decimal.localcontext(prec=len(str(exponent)) + 4 + n_leading + guard):
            product = exponent * Decimal(base).log10()
            whole = int(product)
            leading = Decimal(10) ** (product - whole + n_leading - 1)
            error = leading.scaleb(-guard // 2)  # far more than the roundings, below 10^(3 - guard)
            if int(leading - error) == int(leading + error):
                return whole + 1, str(int(leading))
        guard *= 2


def _with_point(digits: str) -> str:
    return digits[0] + ("." + digits[1:] if len(digits) > 1 else "")


def log_ratio_digits(n: int, m: int = 1, digits: int = 30) -> Decimal:
    """Return ln(n^(n+m) / (n+m)^n) = m (ln n - ln(1 + q)/q), q = m/n, to many digits.

    Args:
        n: Whole number >= 0.
        m: Gap, whole number >= 1.
        digits: Significant digits, 1 to 1000. n = m = 2, where the value is 0, gives 0.

    Raises:
        ValueError: If an argument is outside its domain.
    """
    n, m = _whole("n", n), _whole("m", m, least=1)
    if not 1 <= digits <= 1000:
        raise ValueError(f"digits must be in [1, 1000], got {digits!r}")
    if n == 0:
        return Decimal("-Infinity")
    with decimal.localcontext(prec=digits + 15):
        q = Decimal(m) / Decimal(n)
        exact = Decimal(0) if n == m == 2 else m * (Decimal(n).ln() - _log1p_over(q))
    with decimal.localcontext(prec=digits):
        return +exact


def _log1p_over(q: Decimal) -> Decimal:
    """Return ln(1 + q)/q, by 1 - q/2 + q^2/3 - ... where 1 + q would lose the digits of q."""
    if q > Decimal("0.01"):
        return (1 + q).ln() / q
    total, term, k = Decimal(0), Decimal(1), 1
    while total + term / k != total:
        total += term / k
        term, k = -term * q, k + 1
    return total


def ratio(n: int) -> Fraction:
    """Return r(n) = n^(n+1) / (n+1)^n exactly: 0, 1/2, 8/9, 81/64, ...

    Raises:
        ValueError: If n is not a whole number from 0 to `MAX_RATIO_N`.
    """
    n = _whole("n", n, most=MAX_RATIO_N)
    return Fraction(n ** (n + 1), (n + 1) ** n)


def ratio_of_ratios(n: int) -> Fraction:
    """Return r(n+1)/r(n) = ((n+1)^2 / (n (n+2)))^(n+1); above 1 since (n+1)^2 = n (n+2) + 1.

    Raises:
        ValueError: If n is not a whole number from 1 to `MAX_RATIO_N`.
    """
    n = _whole("n", n, least=1, most=MAX_RATIO_N)
    return Fraction((n + 1) ** 2, n * (n + 2)) ** (n + 1)


def ratio_asymptotic(n: ArrayLike) -> Floats:
    """Return (n + 1/2 - 5/(24 n))/e, which r(n) approaches with an error of order 1/n^2."""
    n_ = _positive("n", n)
    return np.asarray((n_ + 0.5 - 5 / (24 * n_)) / math.e)


@dataclass(frozen=True)
class BinomialTerm:
    """Term k of (1 + 1/n)^n = sum C(n, k)/n^k, and the bound 1/2^(k-1) (1 for k = 0) above it."""

    k: int
    term: Fraction
    bound: Fraction


def binomial_terms(n: int, n_terms: int = 12) -> list[BinomialTerm]:
    """Return the first terms of (1 + 1/n)^n with the bounds that sum to less than 3.

    Raises:
        ValueError: If n is not a whole number from 1 to `MAX_RATIO_N`.
    """
    n = _whole("n", n, least=1, most=MAX_RATIO_N)
    count = min(n, _whole("n_terms", n_terms, least=1) - 1) + 1
    return [
        BinomialTerm(k, Fraction(math.comb(n, k), n**k), Fraction(1, 2 ** max(0, k - 1)))
        for k in range(count)
    ]


# --- Floats ---------------------------------------------------------------------------------------


def log_ratio(x: ArrayLike, m: ArrayLike = 1.0) -> Floats:
    """Return ln(x^(x+m) / (x+m)^x) = m ln x - x log1p(m/x), nats; -inf at x = 0.

    Args:
        x: Real numbers >= 0.
        m: Gap, real and > 0.

    Raises:
        ValueError: If x is negative, m is not positive, or one is not finite.
    """
    x_, m_ = np.broadcast_arrays(_positive("x", x, zero=True), _positive("m", m))
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        value = m_ * np.log(x_) - x_ * np.log1p(m_ / x_)
    return np.asarray(np.where(x_ > 0, value, -np.inf))


def log_ratio_naive(x: ArrayLike, m: ArrayLike = 1.0) -> Floats:
    """Return (x+m) ln x - x ln(x+m) as written: for large x both terms agree in all their digits.

    Raises:
        ValueError: If x or m is not positive and finite.
    """
    x_, m_ = _positive("x", x), _positive("m", m)
    return np.asarray((x_ + m_) * np.log(x_) - x_ * np.log(x_ + m_))


@dataclass(frozen=True)
class FloatForms:
    """One logarithm of a ratio in three arithmetics.

    Attributes:
        n: Whole number; its gap is 1.
        naive: (n+1) ln n - n ln(n+1) in float64.
        stable: ln n - n log1p(1/n) in float64.
        exact: The same to 30 digits.
        left: float64 n^(n+1), inf from n = 143 on.
        right: float64 (n+1)^n, inf from n = 143 on.
    """

    n: int
    naive: float
    stable: float
    exact: Decimal
    left: float
    right: float

    @property
    def naive_error(self) -> float:
        """Relative error of `naive`."""
        return abs(float(Decimal(self.naive) / self.exact - 1))

    @property
    def stable_error(self) -> float:
        """Relative error of `stable`."""
        return abs(float(Decimal(self.stable) / self.exact - 1))


def float_forms(n: int) -> FloatForms:
    """Return what floats make of n^(n+1) against (n+1)^n, beside the exact logarithm.

    Raises:
        ValueError: If n is not a whole number from 1 to 10^300, the reach of a float.
    """
    n = _whole("n", n, least=1, most=10**300)
    x = float(n)
    with np.errstate(over="ignore"):
        left, right = np.float64(x) ** (x + 1), np.float64(x + 1) ** x
    return FloatForms(
        n=n,
        naive=float(log_ratio_naive(x)),
        stable=float(log_ratio(x)),
        exact=log_ratio_digits(n),
        left=float(left),
        right=float(right),
    )


# --- Real line ------------------------------------------------------------------------------------


def difference(x: ArrayLike, m: ArrayLike = 1.0) -> Floats:
    """Return x^(x+m) - (x+m)^x = (x+m)^x (e^log_ratio - 1); -1 at x = 0, inf on overflow.

    Raises:
        ValueError: If x is negative, m is not positive, or one is not finite.
    """
    gap = log_ratio(x, m)
    x_, m_ = _positive("x", x, zero=True), _positive("m", m)
    with np.errstate(over="ignore"):
        return np.asarray((x_ + m_) ** x_ * np.expm1(gap))


def difference_minimum() -> tuple[float, float]:
    """Return where x^(x+1) - (x+1)^x is least, and that value: about (1.66355806, -1.22322944)."""
    low, high = 1.0, 2.2  # the derivative changes sign once between
    while (middle := (low + high) / 2) not in (low, high):
        rise = middle ** (middle + 1) * (math.log(middle) + 1 + 1 / middle)
        fall = (middle + 1) ** middle * (math.log1p(middle) + middle / (middle + 1))
        low, high = (low, middle) if rise > fall else (middle, high)
    return low, float(difference(low))


def one_plus_inverse_power(x: ArrayLike) -> Floats:
    """Return (1 + 1/x)^x, which grows to e and meets the line y = x at the crossover.

    Raises:
        ValueError: If x is not positive and finite.
    """
    x_ = _positive("x", x)
    with np.errstate(over="ignore"):
        return np.asarray(np.exp(x_ * np.log1p(1 / x_)))


def crossover(m: float = 1.0) -> float:
    """Return x(m), above which x^(x+m) > (x+m)^x: the zero of ln x - ln(1 + q)/q, q = m/x.

    It falls from e (m to 0) over 2.2932 (m = 1) and 2 (m = 2, exactly) to 1 (m to infinity).
    Newton's method kept inside a bracket; a last step in decimal arithmetic corrects every digit.

    Args:
        m: Gap, real and > 0.

    Raises:
        ValueError: If m is not positive and finite.
    """
    gap = float(_positive("m", m))
    if gap < 1e-17:
        return math.e  # x(m) = e - m/2 + ...
    low, high, x = 1.0, math.e, min(math.e, 1 + math.log1p(gap) / gap)
    for _ in range(100):
        value = math.log(x) - math.log1p(gap / x) * x / gap
        low, high = (low, x) if value > 0 else (x, high)
        step = x - value / (1 / x - math.log1p(gap / x) / gap + 1 / (x + gap))
        x, previous = (step if low <= step <= high else (low + high) / 2), x
        if abs(x - previous) <= 1e-15 * x:
            break
    with decimal.localcontext(prec=60):
        return float(_crossover_step(Decimal(x), Decimal(gap)))


def crossover_digits(digits: int = 60, m: int = 1) -> Decimal:
    """Return x(m) to many digits, by Newton's method in decimal arithmetic.

    Args:
        digits: Significant digits, 1 to 1000.
        m: Gap, whole number from 1 to 10^15.

    Raises:
        ValueError: If an argument is outside its domain.
    """
    if not 1 <= digits <= 1000:
        raise ValueError(f"digits must be in [1, 1000], got {digits!r}")
    gap = Decimal(_whole("m", m, least=1, most=10**15))
    with decimal.localcontext(prec=digits + 40) as context:
        x, previous = Decimal(crossover(m)), Decimal(0)
        while abs(x - previous) > Decimal(10) ** (25 - context.prec):
            x, previous = _crossover_step(x, gap), x
    with decimal.localcontext(prec=digits):
        return +x


def _crossover_step(x: Decimal, m: Decimal) -> Decimal:
    """Return Newton's next point for the zero of ln x - x ln(1 + m/x)/m."""
    logarithm = (1 + m / x).ln() / m
    return x - (x.ln() - x * logarithm) / (1 / x - logarithm + 1 / (x + m))


# --- a^b against b^a ------------------------------------------------------------------------------


def log_over(x: ArrayLike) -> Floats:
    """Return ln x / x, which rises to 1/e at x = e and falls after: a^b > b^a where it is larger.

    Raises:
        ValueError: If x is not positive and finite.
    """
    x_ = _positive("x", x)
    return np.asarray(np.log(x_) / x_)


@dataclass(frozen=True)
class RealComparison:
    """a^b against b^a.

    Attributes:
        a: First number, exact.
        b: Second number, exact.
        verdict: Which is larger; exact, never a matter of rounding.
        log_difference: b ln a - a ln b, nats, 20 digits; +-Infinity if one power is 0.
        is_close: True if the two logarithms differ by less than the tolerance, in proportion.
    """

    a: Fraction
    b: Fraction
    verdict: Verdict
    log_difference: Decimal
    is_close: bool


def compare_reals(
    a: Fraction | int | float | str, b: Fraction | int | float | str, tolerance: float = 1e-12
) -> RealComparison:
    """Compare a^b with b^a exactly.

    Different fractions give equal powers only on the points of `rational_points`, so equality
    is decided by whole numbers. Otherwise the sign of b ln a - a ln b is certain once it exceeds
    the rounding error of decimal arithmetic, whose precision doubles until it does.

    Args:
        a: Number >= 0; text as in `parse_real`; a float means the decimal it is shown as.
        b: Number >= 0.
        tolerance: Relative difference of the logarithms below which they are called close.

    Raises:
        ValueError: If a or b is not such a number.
    """
    a_, b_ = _exact("a", a), _exact("b", b)
    if a_ == b_ or is_rational_pair(a_, b_):
        return RealComparison(a_, b_, "equal", Decimal(0), True)
    if a_ == 0 or b_ == 0:
        verdict: Verdict = "right" if a_ == 0 else "left"  # 0^b = 0 < 1 = b^0
        return RealComparison(a_, b_, verdict, Decimal("-inf" if a_ == 0 else "inf"), False)
    precision = 40
    while True:
        with decimal.localcontext(prec=precision):
            x, y = (Decimal(f.numerator) / Decimal(f.denominator) for f in (a_, b_))
            left, right = y * x.ln(), x * y.ln()
            gap = left - right
            # x and y are off by 10^-precision in proportion: their logarithms by that amount
            error = (abs(left) + abs(right) + x + y).scaleb(2 - precision)
            if abs(gap) > error.scaleb(20):
                break
        precision *= 2
    is_close = abs(gap) <= Decimal(tolerance) * (abs(left) + abs(right))
    with decimal.localcontext(prec=20):
        return RealComparison(a_, b_, "left" if gap > 0 else "right", +gap, is_close)


def is_rational_pair(a: Fraction, b: Fraction) -> bool:
    """Tell whether a and b, in either order, are (1 + 1/s)^s and (1 + 1/s)^(s+1), s = 1, 2, ...

    These are all pairs of different positive fractions with a^b = b^a; (2, 4) is the only one in
    whole numbers.
    """
    low, high = sorted((a, b))
    if low <= 1:
        return False
    r = high / low
    s = r.denominator
    if r.numerator - s != 1 or s * math.log2(s) > low.denominator.bit_length() + 2:
        return False  # the second: the denominator of low is too short to be s^s
    return low == r**s


def rational_points(count: int) -> list[tuple[Fraction, Fraction]]:
    """Return the first points (x, y), x < y, with fractions x^y = y^x: (2, 4), (9/4, 27/8), ...

    Raises:
        ValueError: If count is not a whole number from 0 to 300.
    """
    ratios = [1 + Fraction(1, s) for s in range(1, _whole("count", count, most=300) + 1)]
    return [(r**r.denominator, r**r.numerator) for r in ratios]


def partner(x: float) -> float | None:
    """Return the other y with x^y = y^x, y = -x W(-ln x / x)/ln x; None if there is none, x <= 1.

    With u = ln x and v = ln y this is v - ln v = u - ln u, v on the other side of 1 (W = -v: branch
    -1 for x < e, 0 for x > e). Newton's method on a convex function from its right side, which
    converges from any x; near x = e it keeps the digits that Lambert's W loses at its branch point.

    Args:
        x: Real number > 0.

    Raises:
        ValueError: If x is not positive and finite.
    """
    x = float(_positive("x", x))
    if x <= 1:
        return None
    u = math.log(x)
    a = u - 1
    c = a - (math.log1p(a) if abs(a) < 0.5 else math.log(u))
    if a < 0:
        return math.exp(1 + _newton_down(c + math.sqrt(2 * c), lambda b: _above_one(b, c)))
    return math.exp(math.exp(-_newton_down(c + 1, lambda w: _below_one(w, c))))


def branch(r: ArrayLike) -> tuple[Floats, Floats]:
    """Return x = r^(1/(r-1)), y = r x: the points off the diagonal with x^y = y^x; (e, e) at r = 1.

    Args:
        r: Ratios y/x > 0; 1/r gives the mirrored point.

    Raises:
        ValueError: If r is not positive and finite.
    """
    s = np.log(_positive("r", r))
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        log_x = np.where(s == 0, 1.0, s / np.expm1(s))
        log_y = np.where(s == 0, 1.0, -s / np.expm1(-s))
    return np.exp(log_x), np.exp(log_y)


def branch_curve(limit: float, n_points: int = 200) -> tuple[Floats, Floats]:
    """Return points of the branch with coordinates up to limit, from upper left to lower right.

    Args:
        limit: Largest coordinate, above e and at most 1e6.
        n_points: At least 2.

    Raises:
        ValueError: If an argument is outside its domain.
    """
    if not math.e < limit <= 1e6:
        raise ValueError(f"limit must be in (e, 1e6], got {limit!r}")
    low = partner(limit)
    assert low is not None
    reach = math.log(limit / low)
    return branch(np.exp(np.linspace(reach, -reach, _whole("n_points", n_points, least=2))))


def sign_map(x: ArrayLike, y: ArrayLike, tolerance: float = 1e-12) -> NDArray[np.int8]:
    """Return the sign of x^y - y^x, from y ln x - x ln y so that nothing overflows.

    Args:
        x: Real numbers > 0, broadcast with y.
        y: Real numbers > 0.
        tolerance: The two logarithms count as equal if they differ by no more than this, in
            proportion.

    Returns:
        1, 0 or -1, in the common shape.

    Raises:
        ValueError: If x or y is not positive and finite.
    """
    x_, y_ = _positive("x", x), _positive("y", y)
    left, right = y_ * np.log(x_), x_ * np.log(y_)
    apart = np.abs(left - right) > tolerance * (np.abs(left) + np.abs(right))
    return np.asarray(np.sign(left - right) * apart, np.int8)


# --- Small pieces ---------------------------------------------------------------------------------


def _above_one(b: float, c: float) -> tuple[float, float]:
    """Return b - ln(1 + b) - c and its slope, for v = 1 + b > 1."""
    return b - math.log1p(b) - c, b / (1 + b)


def _below_one(w: float, c: float) -> tuple[float, float]:
    """Return e^-w - 1 + w - c and its slope, for v = e^-w < 1."""
    return math.expm1(-w) + w - c, -math.expm1(-w)


def _newton_down(x: float, function: Any) -> float:
    """Return the zero of an increasing convex function, from a point at or above it."""
    for _ in range(100):
        value, slope = function(x)
        if value <= 0 or slope == 0 or (lower := x - value / slope) >= x:
            return x
        x = lower
    return x


def _exact(name: str, value: Fraction | int | float | str) -> Fraction:
    if isinstance(value, str):
        return parse_real(value)
    if isinstance(value, bool) or not isinstance(value, int | float | Fraction):
        raise ValueError(f"{name} must be a number >= 0, got {value!r}")
    if isinstance(value, float):
        return parse_real(repr(float(value)))
    if value < 0:
        raise ValueError(f"{name} must be a number >= 0, got {value}")
    return _sized(Fraction(value), "the number")


def _whole(name: str, value: Any, least: int = 0, most: int = 2 * 10**MAX_DIGITS) -> int:
    number = int(value) if isinstance(value, float) and value.is_integer() else value
    if isinstance(number, bool) or not isinstance(number, int | np.integer):
        raise ValueError(f"{name} must be a whole number, got {value!r}")
    if not least <= number <= most:
        top = f"{most}" if most < 10**9 else f"10^{len(str(most)) - 1}"
        shown = str(number) if abs(int(number)) < 10**40 else "a number of more than 40 digits"
        raise ValueError(f"{name} must be a whole number from {least} to {top}, got {shown}")
    return int(number)


def _positive(name: str, value: ArrayLike, *, zero: bool = False) -> Floats:
    array = np.asarray(value, np.float64)
    good = np.isfinite(array) & ((array >= 0) if zero else (array > 0))
    if not np.all(good):
        domain = ">= 0" if zero else "> 0"
        raise ValueError(f"{name} must be finite and {domain}, got {array[~good].flat[0]:g}")
    return array
