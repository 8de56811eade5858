"""Forms of the loss: laws, the vectors of the note, and sums written out."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models import global_pointer as gp
from models import zlpr_forms as zf

S = np.array([[2, -1, 0.5], [0, -3, 1.5], [0, 0, -0.2]])
TRUE = np.array([[1, 0, 0], [0, 0, 1], [0, 0, 0]], np.bool_)
CELLS = gp.upper(3)
GRADIENT = [-0.09962365, 0.09468937, 0.42436833, 0.01281481, -0.16425163, 0.21073508]
ROUNDING = 1e-12  # a few dozen terms in double precision


@st.composite
def boards(draw, far=30.0):
    n = draw(st.integers(1, 5))
    size = n * n
    s = draw(st.lists(st.floats(-far, far), min_size=size, max_size=size))
    true = draw(st.lists(st.booleans(), min_size=size, max_size=size))
    return np.array(s).reshape(n, n), np.array(true).reshape(n, n), gp.upper(n)


EPS = st.sampled_from([0.0, 0.01, 0.1, 0.5])
QUICK = settings(max_examples=60, deadline=None)


@QUICK
@given(boards(), EPS)
def test_all_forms_agree(board, eps):
    s, true, cells = board
    t = zf.smoothed(true, eps)
    parts = zf.exponents(s, t, cells)
    value = float(gp.zlpr_soft(s, t, cells))
    slack = ROUNDING * max(1, value)
    assert sum(zf.terms(*parts)) == pytest.approx(value, abs=slack)
    assert zf.single_log(*parts) == pytest.approx(value, abs=slack)
    assert zf.exact(*parts) == pytest.approx(value, abs=slack)


@QUICK
@given(boards(), EPS)
def test_gradient_is_the_difference_quotient_and_its_sides_stay_below_one(board, eps):
    s, true, cells = board
    t = zf.smoothed(true, eps)
    negatives, positives = zf.gradient_parts(s, t, cells)

    def loss(moved):
        return gp.zlpr_soft(moved, np.broadcast_to(t, moved.shape), cells)

    quotient = zf.difference_quotient(loss, s, cells)
    error = zf.quotient_error(s, float(loss(s)))
    np.testing.assert_allclose(negatives + positives, quotient, atol=error, rtol=0)
    assert (negatives >= 0).all() and negatives.sum() <= 1 + ROUNDING
    assert (positives <= 0).all() and positives.sum() >= -1 - ROUNDING


@QUICK
@given(boards())
def test_hard_gradient_is_that_of_the_loss(board):
    s, true, cells = board
    parts = zf.gradient_parts(s, zf.smoothed(true, 0), cells)
    np.testing.assert_allclose(sum(parts), gp.zlpr_gradient(s, true, cells), atol=1e-15)


@QUICK
@given(boards(), EPS)
def test_bce_is_its_sum_and_its_gradient_the_quotient(board, eps):
    s, true, cells = board
    t = zf.smoothed(true, eps)
    if eps == 0:
        assert sum(zf.bce(s, t, cells)) == pytest.approx(float(gp.bce(s, true, cells)), rel=1e-12)

    def loss(moved):
        return np.array([sum(zf.bce(one, t, cells)) for one in moved])

    quotient = zf.difference_quotient(loss, s, cells)
    error = zf.quotient_error(s, float(loss(s[None])[0]))
    np.testing.assert_allclose(zf.bce_gradient(s, t, cells), quotient, atol=error, rtol=0)


@QUICK
@given(boards())
def test_no_margin_is_below_what_the_loss_allows(board):
    s, true, cells = board
    value = float(gp.zlpr(s, true, cells))
    margin = zf.worst_margin(s, true, cells)
    if value > 1e-9:  # the loss itself is rounded at 1e-16, so the bound to 1e-7 of it
        assert margin >= zf.least_margin(value) - 1e-6
    if value < math.log(2):
        assert margin > 0


def test_the_bound_is_reached_by_one_cell():
    one = np.ones((1, 1), np.bool_)
    for score in (-3.0, 0.0, 2.0):
        value = float(gp.zlpr([[score]], ~one, one))
        assert zf.least_margin(value) == pytest.approx(-score, abs=1e-12)
        assert zf.worst_margin([[score]], ~one, one) == -score


def test_vectors_of_the_note():
    hard, soft = zf.smoothed(TRUE, 0), zf.smoothed(TRUE, 0.1)
    assert zf.exact(*zf.exponents(S, hard, CELLS)) == pytest.approx(1.6635092060897347, abs=1e-15)
    assert zf.exact(*zf.exponents(S, soft, CELLS)) == pytest.approx(2.896466045945882, abs=1e-15)
    assert sum(zf.bce(S, hard, CELLS)) == pytest.approx(2.2624061817, abs=1e-10)
    negatives, positives = zf.gradient_parts(S, hard, CELLS)
    np.testing.assert_allclose((negatives + positives)[CELLS], GRADIENT, atol=1e-8)


def test_far_scores_stay_finite():
    s, one = np.array([[1e4, -1e4], [0, 1e4]]), np.array([[True, False], [False, False]])
    parts = zf.exponents(s, zf.smoothed(one, 0), gp.upper(2))
    assert zf.exact(*parts) == zf.single_log(*parts) == sum(zf.terms(*parts)) == 1e4
    assert np.isfinite(sum(zf.gradient_parts(s, zf.smoothed(one, 0.5), gp.upper(2)))).all()


def test_smoothing():
    np.testing.assert_array_equal(zf.smoothed([True, False], 0.2), [0.8, 0.2])
    for eps in (-0.1, 0.6, math.nan):
        with pytest.raises(ValueError, match="eps"):
            zf.smoothed([True], eps)


@pytest.mark.parametrize("value", [0, -1, math.inf, math.nan])
def test_a_margin_needs_a_loss_above_zero(value):
    with pytest.raises(ValueError, match="loss"):
        zf.least_margin(value)


def test_a_large_loss_bounds_by_minus_itself():
    assert zf.least_margin(1e4) == -1e4
