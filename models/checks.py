"""Checks of arguments that several modules share."""

from typing import Any


def one_of(name: str, value: Any, allowed: tuple[str, ...]) -> str:
    """Return a choice.

    Raises:
        ValueError: If the value is not among those allowed.
    """
    if value not in allowed:
        raise ValueError(f"{name} must be one of {', '.join(allowed)}, got {value!r}")
    return str(value)
