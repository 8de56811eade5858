"""Checks of arguments: what is let through, what is named in a refusal."""

import pytest

from models.checks import one_of


def test_an_allowed_value_passes():
    assert one_of("kind", "b", ("a", "b")) == "b"


def test_a_refusal_names_argument_domain_and_value():
    with pytest.raises(ValueError, match=r"kind must be one of a, b, got 'c'"):
        one_of("kind", "c", ("a", "b"))
