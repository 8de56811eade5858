"""Schedules: vectors of the posts, laws over all of them, and what bad input is told."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from models import sgd_schedules as q

norms = arrays(np.float64, st.integers(1, 40), elements=st.floats(1e-3, 1e3))


@pytest.mark.parametrize("name", q.SCALED)
@pytest.mark.parametrize("n_steps", [1, 2, 7, 1000])
def test_schedules_scale_with_alpha_and_are_steps(name, n_steps):
    eta = q.SCALED[name](n_steps, 0.3)
    assert eta.shape == (n_steps,) and eta.dtype == np.float64
    assert np.all((eta >= 0) & (eta <= 0.3 * (1 + 1e-15)))
    np.testing.assert_allclose(q.SCALED[name](n_steps, 0.6), 2 * eta, rtol=1e-14)
    if name not in ("warmup_decay", "rising"):
        assert np.all(np.diff(eta) <= 0)
    if name != "linear_decay_to_zero":
        assert np.all(eta > 0)


@pytest.mark.parametrize("name", q.SCALED)
@pytest.mark.parametrize("alpha", [0, -1, math.nan, math.inf])
def test_scale_must_be_positive(name, alpha):
    with pytest.raises(ValueError, match="must be positive and finite, got"):
        q.SCALED[name](3, alpha)


@pytest.mark.parametrize("n_steps", [0, -1, 2.5, 10**7 + 1, math.nan])
def test_number_of_steps_has_a_domain(n_steps):
    with pytest.raises(ValueError, match="n_steps must be a whole number"):
        q.constant(n_steps, 1)


def test_values_by_hand():
    np.testing.assert_allclose(q.inverse_sqrt(4, 2), [2, math.sqrt(2), 2 / math.sqrt(3), 1])
    np.testing.assert_allclose(q.inverse_time(4, 2), [2, 1, 2 / 3, 0.5])
    np.testing.assert_allclose(q.linear_decay(4, 5), [4, 3, 2, 1])
    np.testing.assert_allclose(q.linear_decay_to_zero(4, 4), [3, 2, 1, 0])
    np.testing.assert_allclose(q.cosine(2, 4), [4, 2])
    np.testing.assert_allclose(q.step_decay(4, 1, 2, 0.1), [1, 1, 0.1, 0.1])
    np.testing.assert_allclose(q.rising(4, 4), [1, 2, 3, 4])
    np.testing.assert_allclose(q.warmup_decay(5, 6, 0.4), [2, 4, 4.5, 3, 1.5])
    assert q.best_constant_step(100, 2, 1) == 0.2
    assert q.best_inverse_sqrt_scale(2, 1) == pytest.approx(math.sqrt(2))
    assert q.best_linear_decay_scale(50, 2, 1) == pytest.approx(0.2)
    np.testing.assert_allclose(q.best_constant(3, 3, 1), np.full(3, math.sqrt(3)))


def test_adagrad_norm_reproduces_the_vector():
    eta = q.AdaGradNorm(1.0).steps([1, 2, 3, 4])
    np.testing.assert_allclose(eta, [1, 0.4472136, 0.2672612, 0.1825742], atol=5e-8)
    assert q.AdaGradNorm(1.0).steps([0, 0, 2]).tolist() == [0, 0, 0.5]


@given(norms)
def test_refined_schedule_is_the_closed_form_of_the_post(g):
    total = np.cumsum(g**-2.0)
    weights = 3 * g**-2 / math.sqrt(total[-1])
    expected = weights * (1 - total / total[-1])
    error = 1e-14 * weights.max()  # 1 - Q_t/Q_T cancels in the closed form
    np.testing.assert_allclose(q.refined_last_iterate(g, 3), expected, rtol=1e-9, atol=error)


@given(norms)
def test_weights_make_steps_by_their_definition(w):
    eta = q.from_weights(w)
    expected = [w[t] * w[t + 1 :].sum() / w.sum() for t in range(len(w))]
    np.testing.assert_allclose(eta, expected, rtol=1e-12)
    assert eta[-1] == 0


def test_constant_norms_refine_to_linear_decay():
    expected = q.linear_decay_to_zero(50, 2 / (3 * math.sqrt(50)))
    np.testing.assert_allclose(q.refined_last_iterate(np.full(50, 3.0), 2), expected, atol=1e-15)


def test_large_early_gradients_make_a_warmup():
    g = np.concatenate([np.linspace(5, 1, 20), np.ones(80)])
    eta = q.refined_last_iterate(g, 1)
    assert 10 <= np.argmax(eta) <= 20


def test_inverse_square_survives_extreme_scales():
    for scale in (1e-100, 1e100):
        eta = q.inverse_square(scale * np.ones(4), 1)
        np.testing.assert_allclose(eta * scale, 0.5)


def test_smoothing_removes_one_vanishing_gradient():
    g = np.ones(101)
    g[50] = 0
    np.testing.assert_array_equal(q.smoothed_norms(g, 5), np.ones(101))
    assert q.smoothed_norms([0, 0, 0, 1], 1).tolist() == [2.5e-4] * 3 + [1]


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: q.inverse_square([1, 0, 2], 1), "got 0 at step 2"),
        (lambda: q.inverse_square([1, -1], 1), "grad_norms .* got -1.0 at step 2"),
        (lambda: q.smoothed_norms([0, 0]), "must not all be 0"),
        (lambda: q.smoothed_norms([1, 1], 2), "width must be odd"),
        (lambda: q.from_weights([0, 0]), "weights must not all be 0"),
        (lambda: q.warmup_decay(5, 1, 1.0), r"warmup_share must be in \[0, 1\), got 1.0"),
        (lambda: q.step_decay(5, 1, 0), "n_stages must be a whole number at least 1, got 0"),
        (lambda: q.step_decay(5, 1, 2, 0), "factor"),
        (lambda: q.AdaGradNorm(0), "scale must be positive"),
        (lambda: q.own_list("1 2 3", 4), "1 or n_steps = 4 entries, got 3"),
        (lambda: q.own_list("1 2 3 4 5", 4), "got 5"),
        (lambda: q.own_list("", 4), "got 0"),
        (lambda: q.own_list("1, x", 2), "got 'x' at step 2"),
        (lambda: q.own_list("1; nan", 2), "got nan at step 2"),
        (lambda: q.own_list("1 -1", 2), "got -1.0 at step 2"),
        (lambda: q.as_schedule([]), "n_steps >= 1"),
        (lambda: q.as_schedule([1.0], 2), "n_steps = 2 entries, got 1"),
        (lambda: q.drawn([[0, 1], [0, 2]], 3), "rise strictly"),
        (lambda: q.drawn([[0, 1], [2, 2]], 3), "rise strictly within 0 .. 1"),
        (lambda: q.drawn([[0, math.inf]], 3), "eta must be finite"),
        (lambda: q.drawn([], 3), "shape"),
    ],
)
def test_bad_input_is_named(call, message):
    with pytest.raises(ValueError, match=message):
        call()


def test_own_and_drawn_schedules():
    assert q.own_list("0.5", 3).tolist() == [0.5] * 3
    assert q.own_list("1, 2;3\n4", 4).tolist() == [1, 2, 3, 4]
    tent = np.array([[0, 0], [0.5, 1], [1, 0]])
    np.testing.assert_allclose(q.drawn(tent, 5), [0, 0.5, 1, 0.5, 0])
    assert q.drawn([[0.3, 2]], 3).tolist() == [2, 2, 2]
