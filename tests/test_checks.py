"""Checks of arguments: what is let through, what is named in a refusal.

``python -m pytest tests/test_checks.py``
"""

import math
from fractions import Fraction

import numpy as np
import pytest

from models.checks import is_real, number, one_of, whole_number


def test_an_allowed_value_passes():
    assert one_of("kind", "b", ("a", "b")) == "b"


def test_a_refusal_names_argument_domain_and_value():
    with pytest.raises(ValueError, match=r"kind must be one of a, b, got 'c'"):
        one_of("kind", "c", ("a", "b"))
    with pytest.raises(ValueError, match=r"kink must be one of 0, 1, got 2"):
        one_of("kink", 2, (0, 1))


@pytest.mark.parametrize("value", [3, 3.0, np.int32(3), np.float32(3), np.float64(3), Fraction(3)])
def test_what_is_three_counts_as_three(value):
    assert whole_number("n", value, 1, 5) == 3 and number("x", value, 1, 5) == 3.0
    assert isinstance(whole_number("n", value, 1), int)
    assert isinstance(number("x", value, 1), float)


NO_NUMBERS = [True, np.bool_(False), "3", None, [3], math.nan, 3 + 0j]


@pytest.mark.parametrize("value", [*NO_NUMBERS, 0, 6, 2.5, math.inf, -math.inf, 10**400])
def test_no_whole_number(value):
    with pytest.raises(ValueError, match=r"n must be a whole number in 1\.\.5, got"):
        whole_number("n", value, 1, 5)


@pytest.mark.parametrize("value", [*NO_NUMBERS, 0.9, 5.1, math.inf, -math.inf, 10**400])
def test_no_number(value):
    with pytest.raises(ValueError, match=r"x must be a number in \[1, 5\], got"):
        number("x", value, 1, 5)


def test_without_a_limit_all_that_is_finite_passes():
    assert whole_number("n", 10**30, 0) == 10**30
    assert number("x", 1e308, 0) == 1e308 and number("x", -1e308) == -1e308
    for call, says in (
        (lambda: whole_number("n", math.inf, 0), "n must be a whole number at least 0, got inf"),
        (lambda: number("x", math.inf, 0), "x must be a number at least 0 and finite, got inf"),
        (lambda: number("x", -math.inf), "x must be a number that is finite, got -inf"),
        (lambda: number("x", 3, None, 2), "x must be a number at most 2 and finite, got 3"),
    ):
        with pytest.raises(ValueError, match=says):
            call()
    assert number("x", math.inf, 0, math.inf) == math.inf


def test_ends_can_be_excluded():
    assert number("x", 1, 0, 1, above=True) == 1
    for value, options, says in (
        (0, {"above": True}, r"in \(0, 1\]"),
        (1, {"below": True}, r"in \[0, 1\)"),
        (0, {"above": True, "below": True}, r"in \(0, 1\)"),
    ):
        with pytest.raises(ValueError, match=says):
            number("x", value, 0, 1, **options)
    with pytest.raises(ValueError, match="greater than 0 and finite, got 0"):
        number("x", 0, 0, above=True)


def test_infinity_is_a_real_number_and_true_is_none():
    assert is_real(math.inf) and is_real(math.nan) and not is_real(True) and not is_real("1")
