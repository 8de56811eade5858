"""Checks of arguments that the modules share: a value comes back, or its refusal says why.

A refusal names the argument, what is allowed and what was given. True and False are no numbers.
"""

import numbers
import sys
from collections.abc import Iterable
from typing import Any

import numpy as np


def one_of(name: str, value: Any, allowed: Iterable[object]) -> str:
    """Return a choice.

    Raises:
        ValueError: If the value is not among those allowed.
    """
    choices = tuple(allowed)
    if value not in choices:
        raise ValueError(f"{name} must be one of {', '.join(map(str, choices))}, got {value!r}")
    return str(value)


def number(
    name: str,
    value: Any,
    low: float | None = None,
    high: float | None = None,
    *,
    above: bool = False,
    below: bool = False,
) -> float:
    """Return a number as float.

    Args:
        name: Of the argument, for the message.
        value: Anything.
        low: Least value allowed; None for any finite one.
        high: Largest value allowed, infinity among others; None for any finite one.
        above: Whether low itself is excluded.
        below: Whether high itself is excluded.

    Raises:
        ValueError: If the value is not a real number in there; NaN never is.
    """
    value = plain(value)
    bottom = -sys.float_info.max if low is None else low
    top = sys.float_info.max if high is None else high
    inside = is_real(value) and bottom <= value <= top
    if not inside or (above and value == low) or (below and value == top):
        if low is None:
            domain = "that is finite" if high is None else f"at most {high:g} and finite"
        elif high is None:
            domain = f"{'greater than' if above else 'at least'} {low:g} and finite"
        else:
            domain = f"in {'(' if above else '['}{low:g}, {high:g}{')' if below else ']'}"
        raise ValueError(f"{name} must be a number {domain}, got {value!r}")
    return float(value)


def whole_number(name: str, value: Any, low: int, high: int | None = None) -> int:
    """Return a count as int; 8.0 counts as 8.

    Args:
        name: Of the argument, for the message.
        value: Anything.
        low: Least value allowed.
        high: Largest value allowed; None for any.

    Raises:
        ValueError: If the value is not a whole number in there.
    """
    value = plain(value)
    inside = is_real(value) and low <= value and (high is None or value <= high)
    if not inside or value % 1 != 0:  # infinity leaves NaN
        domain = f"at least {low}" if high is None else f"in {low}..{high}"
        raise ValueError(f"{name} must be a whole number {domain}, got {value!r}")
    return int(value)


def plain(value: Any) -> Any:
    """Return a NumPy scalar as Python's, so that no bound is rounded to its kind."""
    return value.item() if isinstance(value, np.generic) else value


def is_real(value: Any) -> bool:
    """Return whether a value is a real number, NaN and infinity included."""
    return isinstance(value, numbers.Real) and not isinstance(value, bool | np.bool_)
