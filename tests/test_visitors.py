"""What a visitor left: found by its token only, for a time, in a bounded number, by any thread."""

import re
from concurrent.futures import ThreadPoolExecutor

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models.visitors import MOST, SECONDS, Kept


class Clock:
    def __init__(self):
        self.now = 0.0

    def __call__(self):
        return self.now


def test_a_value_comes_back_for_its_token_and_for_no_other():
    kept = Kept[str]()
    first, second = kept.put("one"), kept.put("two")
    assert kept.get(first) == "one" and kept.get(second) == "two"
    for wrong in ("", "x", first[:-1], first + "A", "…", "\ud800"):
        assert kept.get(wrong) is None


def test_tokens_are_long_different_and_safe_in_an_address():
    kept = Kept[int](most=1000)
    tokens = [kept.put(i) for i in range(1000)]
    assert len(set(tokens)) == 1000
    assert all(re.fullmatch(r"[A-Za-z0-9_-]{16}", token) for token in tokens)


def test_the_same_object_comes_back():
    value = object()
    kept = Kept[object]()
    assert kept.get(kept.put(value)) is value


def test_a_value_ends_with_its_age_and_asking_does_not_prolong_it():
    clock = Clock()
    kept = Kept[int](seconds=10, clock=clock)
    token = kept.put(1)
    clock.now = 10
    assert kept.get(token) == 1
    clock.now = 10.001
    assert kept.get(token) is None
    assert len(kept) == 0


def test_the_one_asked_for_longest_ago_goes_first():
    kept = Kept[int](most=2)
    first, second = kept.put(1), kept.put(2)
    assert kept.get(first) == 1
    third = kept.put(3)
    assert kept.get(second) is None
    assert kept.get(first) == 1 and kept.get(third) == 3


@settings(deadline=None, max_examples=60)
@given(st.integers(1, 5), st.lists(st.integers(), max_size=30))
def test_never_more_than_most_and_the_last_is_always_there(most, values):
    kept = Kept[int](most=most)
    for value in values:
        assert kept.get(kept.put(value)) == value
        assert len(kept) <= most
    assert len(kept) == min(most, len(values))


def test_a_value_that_is_nothing_still_counts():
    kept = Kept[None]()
    kept.put(None)
    assert len(kept) == 1


def test_threads_get_what_they_put():
    kept = Kept[int](most=400)

    def visit(number):
        token = kept.put(number)
        return all(kept.get(token) == number for _ in range(20))

    with ThreadPoolExecutor(8) as pool:
        assert all(pool.map(visit, range(400)))
    assert len(kept) == 400


@pytest.mark.parametrize("wrong", [{"most": 0}, {"most": -1}, {"seconds": 0}, {"seconds": -1.0}])
def test_a_bound_outside_its_domain_is_refused(wrong):
    with pytest.raises(ValueError, match=next(iter(wrong))):
        Kept[int](**wrong)


def test_a_bound_that_is_no_number_is_refused():
    with pytest.raises(ValueError, match="seconds"):
        Kept[int](seconds=float("nan"))


def test_the_usual_bounds():
    assert (MOST, SECONDS) == (24, 3600.0)
