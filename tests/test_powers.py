"""n^(n+m) against (n+m)^n, and a^b against b^a.

Checked against whole-number arithmetic, mpmath at 60 digits, scipy's Lambert W and the tables of
the method. ``python -m pytest tests/test_powers.py``
"""

import math
import sys
from decimal import Decimal
from fractions import Fraction

import mpmath
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import lambertw

from models import powers as p

quick = settings(deadline=None, max_examples=100, derandomize=True)
SPACING = 2.0**-52


@pytest.fixture(autouse=True, scope="module")
def digits():
    """Give mpmath 60 digits here and nowhere else."""
    with mpmath.workdps(60):
        yield


# --- Whole numbers


TABLE = [
    (0, 0, 1, -1),
    (1, 1, 2, -1),
    (2, 8, 9, -1),
    (3, 81, 64, 17),
    (4, 1024, 625, 399),
    (5, 15625, 7776, 7849),
    (6, 279936, 117649, 162287),
    (7, 5764801, 2097152, 3667649),
    (8, 134217728, 43046721, 91171007),
    (9, 3486784401, 1000000000, 2486784401),
    (10, 100000000000, 25937424601, 74062575399),
]


@pytest.mark.parametrize(("n", "left", "right", "difference"), TABLE)
def test_comparison_reproduces_the_table(n, left, right, difference):
    found = p.compare_powers(n)
    assert (found.left.value, found.right.value) == (left, right)
    assert found.difference == difference
    assert found.verdict == ("left" if difference > 0 else "right")


@quick
@given(st.integers(0, 60), st.integers(0, 60))
def test_verdict_is_that_of_the_written_out_powers(n, m):
    found = p.compare_powers(n, m)
    left, right = n ** (n + m), (n + m) ** n
    assert (found.left.value, found.right.value) == (left, right)
    assert found.verdict == ("left" if left > right else "right" if left < right else "equal")
    if n > 0:
        expected = mpmath.log(mpmath.mpf(left)) - mpmath.log(mpmath.mpf(right))
        assert float(found.log_ratio) == pytest.approx(float(expected), rel=1e-15, abs=1e-45)


@quick
@given(st.integers(3, 10**30), st.integers(1, 10**30))
def test_proof_and_logarithm_agree_from_three_on(n, m):
    found = p.compare_powers(n, m)
    assert (found.verdict, found.reason) == ("left", "beyond_e")
    # the bound of the proof, m (ln n - 1)
    assert found.log_ratio > m * (Decimal(n).ln() - 1) * (1 - Decimal("1e-25")) > 0


@pytest.mark.parametrize(
    ("n", "m", "verdict", "reason"),
    [
        (0, 1, "right", "zero"),
        (0, 0, "equal", "same"),
        (7, 0, "equal", "same"),
        (1, 9, "right", "one"),
        (2, 1, "right", "two"),
        (2, 2, "equal", "two"),
        (2, 3, "left", "two"),
        (2, 10**400, "left", "two"),
    ],
)
def test_small_cases_are_settled_by_hand(n, m, verdict, reason):
    found = p.compare_powers(n, m)
    assert (found.verdict, found.reason) == (verdict, reason)


def test_zero_and_equal_have_their_logarithms():
    assert p.compare_powers(0).log_ratio == Decimal("-Infinity")
    assert p.compare_powers(2, 2).log_ratio == 0
    assert p.log_ratio_digits(2, 2) == 0


@pytest.mark.parametrize(
    ("n", "left", "right"), [(1000, 3004, 3001), (10**6, 6000007, 6000001)]
)  # fmt: skip
def test_digit_counts_reproduce_the_table(n, left, right):
    found = p.compare_powers(n)
    assert (found.left.n_digits, found.right.n_digits) == (left, right)


def test_the_interpreters_own_limit_is_met_at_1370_and_1371():
    limit = sys.int_info.default_max_str_digits
    assert [p.power(n, n + 1).n_digits > limit for n in (1369, 1370)] == [False, True]
    assert [p.power(n + 1, n).n_digits > limit for n in (1370, 1371)] == [False, True]


@quick
@given(st.integers(0, 5000), st.integers(0, 1000))
def test_power_has_its_digits(base, exponent):
    found = p.power(base, exponent)
    digits = str(base**exponent) if base**exponent < 10**4300 else None
    if digits is not None:
        assert found.n_digits == len(digits)
        assert found.mantissa.replace(".", "") == digits[:6]
    assert (found.value is None) == (found.n_digits > p.MAX_EXACT_DIGITS)


@pytest.mark.parametrize("offset", [-1, 0, 1])
@pytest.mark.parametrize("size", [20, 500])
def test_digits_near_a_power_of_ten_are_counted_right(offset, size):
    base = 10**size + offset
    found = p.power(base, 10**6)
    assert found.n_digits == size * 10**6 + (offset >= 0)
    # (1 + h)^(10^6) is 1 + 10^6 h
    assert found.mantissa == ("9.99999" if offset < 0 else "1.00000")


def test_mantissa_of_a_huge_power_agrees_with_mpmath():
    n = 10**30 + 7
    with mpmath.workdps(100):
        product = (n + 1) * mpmath.log10(mpmath.mpf(n))
        whole = mpmath.floor(product)
        leading = mpmath.nstr(mpmath.mpf(10) ** (product - whole), 20)
    found = p.power(n, n + 1, n_leading=12)
    assert found.n_digits == int(whole) + 1
    assert found.mantissa == leading[:13]


@pytest.mark.parametrize("text", ["1e30", "10^400", "10^999"])
def test_huge_n_is_answered(text):
    n = p.parse_integer(text)
    found = p.compare_powers(n)
    assert found.verdict == "left"
    assert found.left.value is None
    assert found.difference is None
    k = len(str(n)) - 1
    assert found.left.n_digits == k * (n + 1) + 1
    expected = mpmath.log(mpmath.mpf(n)) - n * mpmath.log1p(1 / mpmath.mpf(n))
    assert float(found.log_ratio) == pytest.approx(float(expected), rel=1e-15)


@pytest.mark.parametrize("m", [1, 3, 10**8, 10**40, 10**400])
@pytest.mark.parametrize("n", [1, 3, 10**6, 10**40])
def test_log_ratio_digits_agree_with_mpmath(n, m):
    with mpmath.workdps(1000):
        x = mpmath.mpf(n)
        exact = m * mpmath.log(x) - x * mpmath.log(1 + m / x)
        expected = mpmath.nstr(exact, 45)
    assert p.log_ratio_digits(n, m, 40) == pytest.approx(Decimal(expected), rel=Decimal("1e-38"))


@pytest.mark.parametrize("bad", [-1, 1.5, math.nan, math.inf, True, "3", None])
def test_only_whole_numbers_are_compared(bad):
    with pytest.raises(ValueError, match="n must be a whole number"):
        p.compare_powers(bad)
    with pytest.raises(ValueError, match="m must be a whole number"):
        p.compare_powers(3, bad)
    with pytest.raises(
        ValueError, match=r"from 0 to 10\^1000, got a number of more than 40 digits"
    ):
        p.compare_powers(10**1001)


def test_ratios_reproduce_the_table_and_grow():
    assert [p.ratio(n) for n in range(5)] == [
        0,
        Fraction(1, 2),
        Fraction(8, 9),
        Fraction(81, 64),
        Fraction(1024, 625),
    ]
    for n in range(1, 60):
        assert p.ratio(n + 1) / p.ratio(n) == p.ratio_of_ratios(n) > 1
    with pytest.raises(ValueError, match="n must be a whole number from 0 to 1000, got 1001"):
        p.ratio(1001)


def test_asymptotic_ratio_has_its_order():
    n = np.array([20, 40, 80, 160, 320])
    error = [float(p.ratio(int(k)) - Fraction(float(p.ratio_asymptotic(k)))) for k in n]
    slope = np.polyfit(np.log(n), np.log(np.abs(error)), 1)[0]
    assert slope == pytest.approx(-2, abs=0.1)
    assert float(p.ratio(10)) == pytest.approx(3.855433, abs=5e-7)
    assert float(p.ratio_asymptotic(10)) == pytest.approx(3.855070, abs=5e-7)
    assert float(p.ratio_asymptotic(1000)) == pytest.approx(368.0633043, abs=1e-7)


def test_binomial_terms_stay_below_their_bounds_and_sum_to_the_power():
    terms = p.binomial_terms(9, n_terms=99)
    assert sum(term.term for term in terms) == Fraction(10, 9) ** 9
    assert all(term.term <= term.bound for term in terms)
    assert sum(term.bound for term in terms) < 3
    assert [term.k for term in p.binomial_terms(9, n_terms=3)] == [0, 1, 2]


# --- Reading numbers


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("1370", 1370),
        (" +12 ", 12),
        ("-0", 0),
        ("10^30", 10**30),
        ("10 ^ 30", 10**30),
        ("10**30", 10**30),
        ("10³⁰", 10**30),
        ("1e30", 10**30),
        ("1E+30", 10**30),
        ("1.5e3", 1500),
        ("5.0", 5),
        ("100e-2", 1),
        ("1_000", 1000),
        ("1,000,000", 10**6),
        ("1 000", 1000),
        ("１０００", 1000),
        ("3*10^5", 300000),
        ("2.5×10^3", 2500),
        ("10^400", 10**400),
        ("1^999999999999", 1),
        ("0^0", 1),
        ("6/2", 3),
    ],
)
def test_whole_numbers_are_read(text, value):
    assert p.parse_integer(text) == value


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("2.25", Fraction(9, 4)),
        ("9/4", Fraction(9, 4)),
        ("1e-3", Fraction(1, 1000)),
        (".5", Fraction(1, 2)),
        ("1,000.5", Fraction(2001, 2)),
    ],
)
def test_real_numbers_are_read_exactly(text, value):
    assert p.parse_real(text) == value


def test_constants_have_sixty_digits():
    for name, value in (("e", mpmath.e), ("pi", mpmath.pi), ("π", mpmath.pi)):
        constant = p.parse_real(name)
        assert abs(mpmath.mpf(constant.numerator) / constant.denominator - value) < 1e-58


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("", "empty"),
        ("   ", "empty"),
        ("abc", "not_a_number"),
        ("nan", "not_a_number"),
        ("inf", "not_a_number"),
        ("0x10", "not_a_number"),
        ("1,00", "not_a_number"),
        ("2^10^3", "not_a_number"),
        ("--1", "not_a_number"),
        ("1/0", "not_a_number"),
        (".", "not_a_number"),
        ("1.5", "not_an_integer"),
        ("1e-3", "not_an_integer"),
        ("e", "not_an_integer"),
        ("-3", "negative"),
        ("\u22123", "negative"),
        ("1e999999999", "too_large"),
        ("10^999999999", "too_large"),
        ("9^99999", "too_large"),
        ("1e1000", "too_large"),
        ("9" * 1001, "too_large"),
        ("9" * 10_000, "too_large"),
        ("1e-9999", "too_large"),
        ("10^1000", "too_large"),
        (f"{'9' * 200}^2", "too_large"),
        ("9" * 900 + "*10^900", "too_large"),
    ],
)
def test_what_is_no_whole_number_is_refused_at_once(text, code):
    with pytest.raises(p.NumberError) as caught:
        p.parse_integer(text)
    assert caught.value.code == code
    assert str(caught.value) == p.SENTENCES[code].format(**caught.value.details)
    assert len(str(caught.value)) < 120


@quick
@given(st.text(max_size=12) | st.text("0123456789eE.^*-+_, /", max_size=12))
def test_any_text_gives_a_number_or_a_number_error(text):
    try:
        value = p.parse_real(text)
    except p.NumberError as error:
        assert error.code in p.SENTENCES
    else:
        assert 0 <= value < 10**1000


@quick
@given(st.integers(0, 10**40))
def test_whole_numbers_survive_writing(n):
    for text in (str(n), f"{n:,}", f"{n:_}", f"{n}e0", f"{n}.0"):
        assert p.parse_integer(text) == n


# --- Floats


def test_log_ratio_keeps_its_digits_where_the_naive_form_loses_them():
    assert float(p.log_ratio(1e6)) == pytest.approx(12.8155110579639, abs=1e-13)
    for exponent, naive, true in ((12, 26.6289, 26.6310), (15, 36.0, 33.5388), (16, 0, 35.8414)):
        found = p.float_forms(10**exponent)
        assert found.naive == pytest.approx(naive, abs=5e-5)
        assert found.stable == pytest.approx(true, abs=5e-5)
        assert found.stable_error < 4 * SPACING
        assert found.naive_error > 1e-5


@quick
@given(st.floats(1e-3, 1e300), st.floats(1e-3, 1e3))
def test_log_ratio_is_right_up_to_rounding_of_its_parts(x, m):
    first = m * mpmath.log(x)
    with mpmath.workdps(400):
        second = mpmath.mpf(x) * mpmath.log1p(mpmath.mpf(m) / mpmath.mpf(x))
    tolerance = 4 * SPACING * float(abs(first) + abs(second))
    assert float(p.log_ratio(x, m)) == pytest.approx(float(first - second), abs=tolerance)


def test_floats_overflow_at_143():
    assert math.isfinite(p.float_forms(142).left)
    assert math.isfinite(p.float_forms(142).right)
    assert p.float_forms(143).left == p.float_forms(143).right == math.inf


def test_log_ratio_at_the_edges():
    assert p.log_ratio([0.0, 1.0]).tolist() == [-math.inf, -math.log(2)]
    for bad in (-1.0, math.nan, math.inf):
        with pytest.raises(ValueError, match="x must be finite and >= 0, got"):
            p.log_ratio(bad)
    with pytest.raises(ValueError, match="m must be finite and > 0, got 0"):
        p.log_ratio(1.0, 0.0)
    with pytest.raises(ValueError, match="n must be a whole number from 1"):
        p.float_forms(0)


# --- Real line


def test_crossover_has_its_sixty_digits():
    assert p.crossover_digits(60) == p.CROSSOVER
    assert p.crossover() == float(p.CROSSOVER)
    x = mpmath.mpf(str(p.CROSSOVER))
    assert mpmath.almosteq(x, (1 + 1 / x) ** x, abs_eps=mpmath.mpf(10) ** -57)
    assert float(x ** (x + 1)) == pytest.approx(15.3806325543, abs=5e-11)
    longer = p.crossover_digits(200)
    assert str(longer).startswith(str(p.CROSSOVER)[:-1])
    assert len(longer.as_tuple().digits) == 200


@pytest.mark.parametrize(
    ("m", "expected"),
    [
        (0.1, 2.669048),
        (0.5, 2.487329),
        (1, 2.293166),
        (2, 2.0),
        (3, 1.801628),
        (5, 1.566814),
        (10, 1.329591),
        (100, 1.049086),
    ],
)
def test_crossover_of_a_gap_reproduces_the_table(m, expected):
    assert p.crossover(m) == pytest.approx(expected, abs=5e-7)


@pytest.mark.parametrize("m", [1e-12, 1.5863565335085896e-08, 0.7, 1, 2, 4.5, 37, 1e4, 1e9, 1e15])
def test_crossover_is_right_to_the_last_digit(m):
    with mpmath.workdps(80):
        near = mpmath.mpf(p.crossover(m))

        def excess(x):
            return mpmath.log(x) - mpmath.log1p(m / x) * x / m

        step = 0.51 * mpmath.mpf(math.ulp(p.crossover(m)))
        assert excess(near - step) < 0 < excess(near + step)
    if m in (1, 2):
        assert p.crossover_digits(30, m) == pytest.approx(Decimal(p.crossover(m)))


def test_crossover_is_exactly_two_for_a_gap_of_two_and_falls_from_e_to_one():
    assert p.crossover(2) == 2.0
    assert p.crossover_digits(50, 2) == 2
    assert p.crossover(1e-300) == math.e
    assert p.crossover(1e300) == 1.0
    values = [p.crossover(m) for m in np.logspace(-6, 6, 100)]
    assert np.all(np.diff(values) < 0)
    for bad in (0.0, -1.0, math.inf, math.nan):
        with pytest.raises(ValueError, match="m must be finite and > 0"):
            p.crossover(bad)
    with pytest.raises(ValueError, match=r"digits must be in \[1, 1000\], got 1001"):
        p.crossover_digits(1001)


@pytest.mark.parametrize("m", [0.3, 1.0, 2.0, 7.0])
def test_log_ratio_increases_through_the_crossover(m):
    x = np.linspace(0.01, 6, 500)
    value = p.log_ratio(x, m)
    assert np.all(np.diff(value) > 0)
    assert np.all((value > 0) == (x > p.crossover(m)))


def test_difference_is_minus_one_at_zero_one_and_two_and_dips_between():
    assert p.difference([0.0, 1e-300, 1, 2, 3, 4]) == pytest.approx([-1, -1, -1, -1, 17, 399])
    x, least = p.difference_minimum()
    assert x == pytest.approx(1.66355805928, abs=5e-12)
    assert least == pytest.approx(-1.22322943502, abs=5e-12)
    assert p.difference(np.linspace(0.01, 3, 999)).min() >= least
    assert p.difference(1e6) == math.inf


def test_one_plus_inverse_power_grows_to_e_and_meets_the_line_at_the_crossover():
    x = np.logspace(-2, 15, 200)
    value = p.one_plus_inverse_power(x)
    assert np.all(np.diff(value) >= 0)
    assert value[-1] == pytest.approx(math.e)
    assert float(p.one_plus_inverse_power(p.crossover())) == pytest.approx(p.crossover(), rel=1e-15)


# --- a^b against b^a


def test_log_over_has_its_maximum_at_e():
    assert p.log_over([2, 4]) == pytest.approx(0.34657359, abs=5e-9)
    assert float(p.log_over(3)) == pytest.approx(0.36620410, abs=5e-9)
    assert float(p.log_over(math.e)) == pytest.approx(0.36787944, abs=5e-9)
    x = np.linspace(1, 10, 400)
    assert x[p.log_over(x).argmax()] == pytest.approx(math.e, abs=0.02)


@pytest.mark.parametrize(
    ("a", "b", "verdict"),
    [
        (2, 4, "equal"),
        (4, 2, "equal"),
        ("2.25", "3.375", "equal"),
        ("64/27", "256/81", "equal"),
        (3, 3, "equal"),
        (1, 1, "equal"),
        ("0.3", "0.3", "equal"),
        (1, 7, "right"),
        (7, 1, "left"),
        (2, 3, "right"),
        (3, 2, "left"),
        (3, 4, "left"),
        ("e", "pi", "left"),
        ("pi", "e", "right"),
        (0, 0, "equal"),
        (0, 5, "right"),
        (5, 0, "left"),
        ("0.5", "0.25", "left"),
        (2.0, 4.0, "equal"),
        ("2.0000000000000000000000001", 4, "left"),
        ("1.9999999999999999999999999", 4, "right"),
        (10**300, 10**300 + 1, "left"),
        ("1e-300", "1e300", "right"),
    ],
)
def test_real_comparison_is_exact(a, b, verdict):
    found = p.compare_reals(a, b)
    assert found.verdict == verdict
    mirrored = p.compare_reals(b, a)
    assert mirrored.verdict == {"left": "right", "right": "left"}.get(verdict, verdict)
    assert mirrored.log_difference == -found.log_difference


def test_a_close_pair_is_called_close_but_not_equal():
    found = p.compare_reals("2.718281828459045", "e")
    assert found.verdict != "equal"
    assert found.is_close
    assert not p.compare_reals("e", "pi").is_close
    assert p.compare_reals(2, 4).is_close
    assert math.exp(math.pi) - math.pi**math.e == pytest.approx(23.14069263 - 22.45915772)


@quick
@given(
    st.fractions(min_value=0, max_value=50, max_denominator=60),
    st.fractions(min_value=0, max_value=50, max_denominator=60),
)
def test_real_comparison_agrees_with_mpmath(a, b):
    found = p.compare_reals(a, b)
    x, y = (mpmath.mpf(f.numerator) / f.denominator for f in (a, b))
    if a == 0 or b == 0:
        gap = mpmath.mpf(x**y) - y**x  # mpmath has 0^0 = 1 too
    else:
        gap = y * mpmath.log(x) - x * mpmath.log(y)
        assert float(found.log_difference) == pytest.approx(float(gap), rel=1e-12, abs=1e-50)
    if found.verdict == "equal":
        assert abs(gap) < 1e-50
    else:
        assert (gap > 0) == (found.verdict == "left")


@quick
@given(st.fractions(min_value=1, max_value=3, max_denominator=10**6), st.integers(1, 40))
def test_the_rule_below_and_above_e(a, k):
    b = a + Fraction(k, 7)
    verdict = p.compare_reals(a, b).verdict
    if a >= p.CONSTANTS["e"] or a == 0:
        assert verdict == "left"
    elif b <= p.CONSTANTS["e"]:
        assert verdict == "right"
    elif a > 1:
        other = p.partner(float(a))
        assert other is not None
        if abs(float(b) - other) > 1e-9:
            assert (verdict == "left") == (float(b) > other)


@pytest.mark.parametrize("bad", [-1, -0.5, "-2", "x", True, None, math.nan, math.inf, 1j])
def test_other_things_are_not_compared(bad):
    with pytest.raises(ValueError, match="number|negative"):
        p.compare_reals(bad, 2)
    with pytest.raises(ValueError, match="number|negative"):
        p.compare_reals(2, bad)


def test_rational_points_lie_on_the_curve():
    points = p.rational_points(40)
    assert points[:4] == [
        (2, 4),
        (Fraction(9, 4), Fraction(27, 8)),
        (Fraction(64, 27), Fraction(256, 81)),
        (Fraction(625, 256), Fraction(3125, 1024)),
    ]
    for x, y in points:
        assert p.is_rational_pair(x, y)
        assert p.is_rational_pair(y, x)
        assert p.compare_reals(x, y).verdict == "equal"
        assert not p.is_rational_pair(x, y + 1)
    assert not p.is_rational_pair(Fraction(2), Fraction(3))
    assert float(points[1][0]) ** float(points[1][1]) == pytest.approx(15.43888736, abs=5e-9)


def test_two_and_four_are_the_only_whole_pair():
    pairs = {
        (a, b)
        for a in range(1, 60)
        for b in range(a + 1, 60)
        if p.compare_reals(a, b).verdict == "equal"
    }
    assert pairs == {(2, 4)}


@pytest.mark.parametrize(
    ("x", "y"), [(1.5, 7.408764687), (3, 2.478052680), (math.pi, 2.382179088), (2, 4), (4, 2)]
)
def test_partner_reproduces_the_table(x, y):
    assert p.partner(x) == pytest.approx(y, abs=5e-10)


@quick
@given(st.floats(1.0001, 1e200))
def test_partner_is_lambert_w_and_an_involution(x):
    y = p.partner(x)
    assert y is not None
    u = mpmath.log(mpmath.mpf(x))
    branch = -1 if x < math.e else 0
    exact = -x * mpmath.re(mpmath.lambertw(-u / x, branch)) / u
    # ln y = v is conditioned like v itself, and x by its rounding
    assert y == pytest.approx(float(exact), rel=max(4 * SPACING, 4 * SPACING * math.log(y)))
    if 1.01 < x < 1e6:
        assert p.partner(y) == pytest.approx(x, rel=1e-6)
    if abs(x - math.e) > 0.1 and x < 1e100:
        theirs = -x * lambertw(-math.log(x) / x, branch).real / math.log(x)
        assert y == pytest.approx(theirs, rel=1e-9)


def test_partner_near_e_and_outside():
    assert p.partner(math.e) == pytest.approx(math.e, rel=1e-15)
    for h in (1e-3, 1e-6, 1e-9):
        # the branch crosses the diagonal at a right angle: y - e = -(x - e) + ...
        assert p.partner(math.e + h) == pytest.approx(math.e - h, abs=2 * h**2 + 1e-15)
    assert p.partner(1.0) is None
    assert p.partner(0.3) is None
    for bad in (0.0, -2.0, math.nan, math.inf):
        with pytest.raises(ValueError, match="x must be finite and > 0"):
            p.partner(bad)


def test_branch_satisfies_its_equation_and_is_mirrored():
    r = np.concatenate([np.logspace(-3, 3, 101), 1 + np.logspace(-15, -1, 15)])
    x, y = p.branch(r)
    assert y == pytest.approx(r * x, rel=1e-12)
    assert y * np.log(x) == pytest.approx(x * np.log(y), rel=1e-9)
    assert p.branch(1 / r)[0] == pytest.approx(y, rel=1e-9)
    assert np.stack(p.branch(1.0)) == pytest.approx([math.e, math.e])
    assert np.all((x > 1) & (y > 1))
    common = x**y
    assert common.min() == pytest.approx(15.15426224, abs=5e-9)  # e^e, at (e, e)


def test_branch_curve_fills_the_square():
    x, y = p.branch_curve(12.0, 51)
    assert x[0] == pytest.approx(y[-1])
    assert y[0] == pytest.approx(12)
    assert x.max() <= 12 * (1 + 1e-12)
    assert np.all(np.diff(x) > 0)
    assert np.all(np.diff(y) < 0)
    with pytest.raises(ValueError, match=r"limit must be in \(e, 1e6\], got 2"):
        p.branch_curve(2)


def test_sign_map_is_the_sign_of_the_difference():
    grid = np.linspace(0.1, 6, 60)
    x, y = grid[:, None], grid
    signs = p.sign_map(x, y)
    assert signs.dtype == np.int8
    assert np.array_equal(signs, -signs.T)
    exact = np.sign(x**y - y**x)
    clear = np.abs(x**y - y**x) > 1e-9
    assert np.array_equal(signs[clear], exact[clear])
    assert np.all(np.diagonal(signs) == 0)
    curve_x, curve_y = p.branch_curve(9.0, 40)
    assert np.all(p.sign_map(curve_x, curve_y) == 0)
    assert p.sign_map([2, 2, 1e300], [4, 4.0001, 2]).tolist() == [0, 1, -1]
    with pytest.raises(ValueError, match="y must be finite and > 0, got 0"):
        p.sign_map(1, 0)
