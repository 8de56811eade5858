"""DDPM's schedule, noising, posterior, sigma, loss and joint KL: vectors, laws, simulation.

Vectors: the posts' and papers' schedules, computed once in plain products (not logarithms) and
stored. Laws run over all schedules and over random ones. Simulation bounds are standard errors.
"""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models import ddpm
from models.ddpm import SCHEDULES, SIGMAS, Schedule

ALL = [make() for make in SCHEDULES.values()] + [ddpm.su(10), ddpm.su(1), ddpm.own([0.5, 0.1])]
betas = st.lists(st.floats(1e-6, 0.9), min_size=1, max_size=40)
errors_at = np.linspace(0.1, 0.9, 1000)


# --- Vectors --------------------------------------------------------------------------------------

SU = """
    1 0.9999899999 0.0044721360 0.99998 10.81976 0 1 0
    2 0.9999699999 0.0077459151 0.99994 9.72112 0.3333311110 0.6666688889 1.33335e-5
    10 0.9994501127 0.0331582892 0.99890053 6.81183 0.8181763493 0.1818236282 1.6365164e-4
    100 0.9507217281 0.3100454737 0.90387180 2.24100 0.9801751155 0.0198000986 1.9623135e-3
    250 0.7303179593 0.6831073695 0.53336432 0.13366 0.9917675286 0.0078449920 4.9712814e-3
    500 0.2845915689 0.9586488611 0.08099236 -2.42894 0.9941016949 0.0031123277 9.9910980e-3
    750 0.0589864602 0.9982587828 3.4794025e-3 -5.65741 0.9924188915 8.946212e-4 1.4999202e-2
    900 0.0169233306 0.9998567902 2.8639912e-4 -8.15784 0.9909539276 3.074872e-4 1.7999905e-2
    1000 0.0064820309 0.9999789914 4.2016724e-5 -10.07740 0.9899486448 1.309623e-4 1.99999829e-2
"""  # t, A, B, A^2, ln SNR, c_x, c_0, beta_tilde^2
ROWS = [[float(cell) for cell in line.split()] for line in SU.strip().splitlines()]


@pytest.mark.parametrize("row", ROWS, ids=[f"{row[0]:g}" for row in ROWS])
def test_table_of_the_post_schedule(row):
    t, (A, B, alpha_bar, log_snr, c_x, c_0, tilde), s = int(row[0]), row[1:], ddpm.su()
    step = ddpm.transition(s, t)
    assert s.A[t] == pytest.approx(A, abs=1e-10) and s.B[t] == pytest.approx(B, abs=1e-10)
    assert s.alpha_bar[t] == pytest.approx(alpha_bar, rel=1e-7)
    assert s.log_snr[t] == pytest.approx(log_snr, abs=6e-6)
    assert step.c_x[0] == pytest.approx(c_x, abs=1e-10)
    assert step.c_0[0] == pytest.approx(c_0, abs=1e-10)
    assert step.beta_tilde[0] ** 2 == pytest.approx(tilde, rel=1e-6)
    assert s.b[t] ** 2 == pytest.approx(0.02 * t / 1000, rel=1e-12)


def test_end_of_the_post_schedule():
    s = ddpm.su()
    assert math.log(s.end_signal) == pytest.approx(-5.0387214, abs=1e-7)
    assert math.log(s.end_signal) < -0.005 * (s.n_steps + 1)
    assert ddpm.first_below(s, 0.5) == 263 and ddpm.first_below(s, 0.25) == 372
    assert ddpm.first_below(s, 0) is None
    t = np.arange(1001)
    np.testing.assert_allclose(s.A, np.exp(-5 * (t / 1000) ** 2), atol=0.003)  # Riemann sum
    assert ddpm.end_information(s) / math.log(2) == pytest.approx(3.03e-5, rel=1e-3)
    assert ddpm.end_information(ddpm.linear()) / math.log(2) == pytest.approx(2.91e-5, rel=1e-3)


@pytest.mark.parametrize(
    ("n_steps", "end_signal"),
    [(10, 0.9461), (50, 0.7736), (100, 0.6014), (200, 0.3636), (500, 0.0803), (1000, 0.00648)],
)
def test_fewer_steps_leave_signal_unless_rescaled(n_steps, end_signal):
    s = ddpm.su(n_steps)
    assert s.end_signal == pytest.approx(end_signal, rel=2e-3)
    assert s.is_loud_at_end == (n_steps < 500)
    if n_steps >= 100:
        assert 0.0043 < ddpm.su_rescaled(n_steps).end_signal < 0.0067
    assert not ddpm.su_rescaled(n_steps).is_loud_at_end


def test_more_steps_and_rescaling():
    assert ddpm.su(2000).end_signal == pytest.approx(4.2e-5, rel=0.01)
    np.testing.assert_allclose(ddpm.su_rescaled(1000).betas, ddpm.su(1000).betas)


def test_vectors_of_the_other_schedules():
    """Index i of the papers' code is t = i + 1."""
    line, bend, stable = ddpm.linear(), ddpm.cosine(), ddpm.scaled_linear()
    assert line.alpha_bar[1] == pytest.approx(0.9999, abs=1e-15)
    assert line.alpha_bar[500] == pytest.approx(0.0785872429, abs=1e-10)
    assert line.alpha_bar[1000] == pytest.approx(4.03582977e-5, rel=1e-8)
    assert line.end_signal == pytest.approx(0.00635282, abs=1e-8)
    assert ddpm.first_below(line, 0.5) == 259 + 1
    assert bend.betas[0] == pytest.approx(4.128422e-5, rel=1e-6)
    assert bend.alpha_bar[500] == pytest.approx(0.49384359, abs=1e-8)
    assert bend.alpha_bar[1000] == pytest.approx(2.43e-9, rel=2e-3)
    assert bend.betas.max() == 0.999
    assert stable.alpha_bar[1000] == pytest.approx(0.0046601, abs=1e-7)
    assert stable.end_signal == pytest.approx(0.0683, abs=1e-4)


# --- Laws of every schedule -----------------------------------------------------------------------


@pytest.mark.parametrize("s", ALL, ids=lambda s: f"{s.name}-{s.n_steps}")
def test_laws_of_schedules(s):
    A = np.cumprod(np.append(1, np.sqrt(1 - s.betas)))
    np.testing.assert_allclose(s.A, A, rtol=1e-12)
    assert s.A[0] == 1 and s.B[0] == 0 and s.a[0] == 1 and s.b[0] == 0 and s.log_snr[0] == math.inf
    np.testing.assert_allclose(s.A**2 + s.B**2, 1, atol=1e-15)
    np.testing.assert_allclose(s.a**2 + s.b**2, 1, atol=1e-15)
    assert (np.diff(s.A) < 0).all() and (np.diff(s.log_snr[1:]) < 0).all()
    gaps = ddpm.identity_gaps(s)
    assert gaps.pop("bound") <= 1e-15  # beta_tilde <= b
    assert max(gaps.values()) < 1e-11  # rounding: 1/A_T is at most 2e4 here
    assert not s.A.flags.writeable


@given(betas)
@settings(max_examples=60, deadline=None)
def test_laws_of_random_schedules(values):
    s = ddpm.own(values)
    gaps = ddpm.identity_gaps(s)
    assert gaps.pop("bound") <= 1e-12 and max(gaps.values()) < 1e-9
    shares = ddpm.step_shares(s, len(values))
    assert (shares**2).sum() == pytest.approx(s.B[-1] ** 2, rel=1e-11)


def test_underflow_keeps_its_logarithm():
    s = ddpm.own([0.9] * 400)
    assert s.end_signal < 1e-190 and np.isfinite(s.log_snr[1:]).all()
    assert s.log_snr[-1] == pytest.approx(400 * math.log(0.1))
    long = ddpm.own([0.9] * 2000)
    assert long.end_signal == 0 and np.isfinite(long.log_snr[1:]).all()
    assert np.isfinite(ddpm.transition(long, 2000).c_x).all()
    assert ddpm.end_information(long) == 0


def test_small_noise_does_not_cancel():
    s = ddpm.own([1e-18, 1e-18])
    np.testing.assert_allclose(s.B, np.sqrt([0, 1e-18, 2e-18]), rtol=1e-12)


def test_dialects_are_squares_of_each_other():
    s = ddpm.su()
    ours, paper = ddpm.symbols(s, "su"), ddpm.symbols(s, "paper")
    assert list(ours) == ["α_t", "β_t", "ᾱ_t", "β̄_t", "β̃_t", "ln SNR"]
    assert list(paper) == ["α_t", "β_t", "ᾱ_t", "√(1-ᾱ_t)", "β̃_t", "ln SNR"]
    for key in ("α_t", "β_t", "ᾱ_t", "β̃_t"):
        np.testing.assert_allclose(paper[key], ours[key] ** 2, rtol=1e-14)
    np.testing.assert_array_equal(paper["√(1-ᾱ_t)"], ours["β̄_t"])
    np.testing.assert_allclose(paper["β_t"], s.betas)
    assert all(curve.shape == (1000,) for curve in ours.values())


# --- Forward --------------------------------------------------------------------------------------


def test_one_jump_is_many_steps_on_the_same_noise(rng):
    s, x = ddpm.su(300), rng.standard_normal((5, 2))
    walk = list(ddpm.forward_walk(s, x, rng))
    assert [t for t, _, _ in walk] == list(range(1, 301))
    noises = np.stack([e for _, _, e in walk])
    for t in (1, 2, 137, 300):
        jump = ddpm.q_sample(s, x, t, ddpm.merged_noise(s, noises[:t]))
        np.testing.assert_allclose(jump, walk[t - 1][1], atol=1e-12)


def test_one_jump_is_many_steps_in_distribution(rng):
    """Standard errors: 1/sqrt(n) of the mean, sqrt(2/n) of the variance, relative; 4 of each."""
    s, n = ddpm.su(100, 0.2), 40_000
    x = np.full(n, 0.7)
    for t, noisy, _ in ddpm.forward_walk(s, x, rng):
        if t in (1, 30, 100):
            jump = ddpm.q_sample(s, x, t, rng.standard_normal(n))
            for drawn in (noisy, jump):
                assert drawn.mean() == pytest.approx(0.7 * s.A[t], abs=4 * s.B[t] / math.sqrt(n))
                assert drawn.var() == pytest.approx(s.B[t] ** 2, rel=4 * math.sqrt(2 / n))


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_noising_keeps_shape_and_type(rng, dtype):
    s = ddpm.su()
    x, z = rng.standard_normal((2, 3, 1, 4, 4)).astype(dtype)
    one = ddpm.q_sample(s, x, 263, z)
    each = ddpm.q_sample(s, x, [263, 0, 1000], z)
    assert one.dtype == each.dtype == dtype and one.shape == x.shape
    np.testing.assert_array_equal(each[0], one[0])
    np.testing.assert_array_equal(each[1], x[1])


# --- Posterior ------------------------------------------------------------------------------------


def test_posterior_by_bayes_on_a_grid():
    """p(x_s | x_t, x_0) is proportional to p(x_s | x_0) p(x_t | x_s)."""
    s, x_0, x_t = ddpm.su(), 0.8, -0.3
    for t, early in ((500, 499), (500, 200), (37, 5)):
        step = ddpm.transition(s, t, early)
        x = np.linspace(-8, 8, 400_001)
        log = -((x - s.A[early] * x_0) ** 2) / (2 * s.B[early] ** 2)
        log -= (x_t - step.a[0] * x) ** 2 / (2 * step.b[0] ** 2)
        p = np.exp(log - log.max())
        p /= p.sum()
        mean = p @ x
        assert mean == pytest.approx(step.c_x[0] * x_t + step.c_0[0] * x_0, abs=1e-9)
        assert p @ (x - mean) ** 2 == pytest.approx(step.beta_tilde[0] ** 2, rel=1e-8)


def test_denoised_substitute_gives_the_mean(rng):
    s, x, eps = ddpm.su(), rng.standard_normal(4), rng.standard_normal(4)
    for t in (1, 2, 500, 1000):
        step = ddpm.transition(s, t)
        x_0 = (x - s.B[t] * eps) / s.A[t]
        np.testing.assert_allclose(
            step.c_x * x + step.c_0 * x_0, ddpm.reverse_mean(s, x, eps, t), rtol=1e-9, atol=1e-12
        )


def test_smallest_schedule_has_one_jump():
    s = ddpm.su(1)
    step = ddpm.transition(s, 1)
    assert step.c_x[0] == 0 and step.c_0[0] == 1 and step.beta_tilde[0] == 0
    assert s.B[1] ** 2 == pytest.approx(0.02) and s.is_loud_at_end


def test_long_steps_are_steps_of_the_thinned_schedule():
    s, times = ddpm.linear(), np.array([10, 200, 1000])
    thin = ddpm.own(1 - s.alpha_bar[times] / s.alpha_bar[[0, 10, 200]])
    jumps, steps = ddpm.transition(s, times, [0, 10, 200]), ddpm.transition(thin, [1, 2, 3])
    for key in ("a", "b", "c_x", "c_0", "beta_tilde"):
        np.testing.assert_allclose(getattr(jumps, key), getattr(steps, key), rtol=1e-9, atol=1e-15)


# --- Sigma ----------------------------------------------------------------------------------------


def test_optimal_sigma_has_the_two_natural_values_as_its_ends():
    s = ddpm.su()
    point, normal = ddpm.step_sigmas(s, "optimal", 0), ddpm.step_sigmas(s, "optimal", 1)
    np.testing.assert_allclose(point, ddpm.step_sigmas(s, "beta_tilde"), rtol=1e-12)
    np.testing.assert_allclose(normal, ddpm.step_sigmas(s, "b"), rtol=1e-12)
    half = ddpm.step_sigmas(s, "optimal", 0.5) ** 2
    assert half[0] == pytest.approx(1.99988e-5, rel=1e-6)
    assert half[99] == pytest.approx(1.991564e-3, rel=1e-6)
    assert half[499] == pytest.approx(9.993467e-3, rel=1e-6)
    wide = ddpm.step_sigmas(s, "optimal", 3)
    assert (wide > normal).all()  # data wider than 1 wants more than b
    ends = [ddpm.step_sigmas(s, "between", share=q) for q in (0, 1)]
    np.testing.assert_allclose(ends[0], point, rtol=1e-12)
    np.testing.assert_allclose(ends[1], normal, rtol=1e-15)
    assert not ddpm.step_sigmas(s, "none").any()


def test_optimal_sigma_is_the_least_squares_residual(rng):
    """For N(0, s^2) the residual of x_{t-1} on x_t; 4 standard errors of a variance."""
    s, n, t = ddpm.su(), 200_000, 60
    x_0 = 0.5 * rng.standard_normal(n)
    before = ddpm.q_sample(s, x_0, t - 1, rng.standard_normal(n))
    after = s.a[t] * before + s.b[t] * rng.standard_normal(n)
    residual = before - after * (before @ after) / (after @ after)
    best = ddpm.step_sigmas(s, "optimal", 0.5)[t - 1]
    assert residual.var() == pytest.approx(best**2, rel=4 * math.sqrt(2 / n))


def test_clamped_first_sigma():
    s = ddpm.su()
    sigmas = ddpm.step_sigmas(s, "beta_tilde", is_clamped=True)
    assert sigmas[0] == sigmas[1] > 0
    assert ddpm.step_sigmas(s, "b", is_clamped=True)[0] == s.b[1]
    assert ddpm.step_sigmas(ddpm.su(1), "beta_tilde", is_clamped=True)[0] == 0


# --- Objective ------------------------------------------------------------------------------------


def test_weights_of_the_objective():
    s = ddpm.su()
    weights = ddpm.loss_weights(s, ddpm.step_sigmas(s, "b"))
    expected = [1.00002, 0.66670, 0.020847, 0.010991, 0.020409]
    np.testing.assert_allclose(weights[[0, 1, 99, 499, 999]], expected, atol=6e-6)
    tilde = ddpm.loss_weights(s, ddpm.step_sigmas(s, "beta_tilde"))
    assert tilde[0] == math.inf and np.isfinite(tilde[1:]).all()
    paper = ddpm.loss_weights(s, ddpm.step_sigmas(s, "b"), dialect="paper")
    b2, bar = s.betas, s.alpha_bar[1:]
    np.testing.assert_allclose(paper, b2**2 / (2 * b2 * (1 - b2) * (1 - bar)), rtol=1e-10)
    two = ddpm.loss_weights(s, ddpm.step_sigmas(s, "b"), form="two")
    np.testing.assert_allclose(two * (s.b / np.maximum(s.B, 1e-9))[1:] ** 2, weights, rtol=1e-9)


@pytest.mark.parametrize("slope", [0.0, 0.3])
@pytest.mark.parametrize("t", [1, 100, 1000])
def test_both_loss_estimators_agree_and_one_noise_is_steadier(rng, t, slope):
    """Standard errors: spread/sqrt(n) of a mean; sqrt(14/4n) relative of the spread of a square."""
    s, n = ddpm.su(), 40_000
    mean, two, one = ddpm.linear_loss_spreads(s, t, slope)
    pair = ddpm.loss_pair(s, rng.standard_normal((n, 1)), t, lambda x, k: slope * x, rng)
    assert pair.means[0] == pytest.approx(mean, abs=4 * two / math.sqrt(n))
    assert pair.means[1] == pytest.approx(mean, abs=4 * one / math.sqrt(n))
    assert pair.spreads[0] == pytest.approx(two, rel=4 * math.sqrt(14 / 4 / n))
    assert pair.spreads[1] == pytest.approx(one, rel=4 * math.sqrt(14 / 4 / n))


def test_spreads_of_the_post_claim():
    """An untrained network at t = T: sqrt(2) against sqrt(2) b_T^2/B_T^2, fifty times less."""
    mean, two, one = ddpm.linear_loss_spreads(ddpm.su(), 1000)
    assert mean == pytest.approx(1, abs=1e-12) and two == pytest.approx(1.41421356, abs=1e-8)
    assert one == pytest.approx(0.02828546, abs=1e-8)
    assert ddpm.linear_loss_spreads(ddpm.su(), 1)[1:] == pytest.approx([math.sqrt(2)] * 2)


def test_loss_of_the_optimum_is_the_conditional_variance():
    """E Var[e_t | x_t] = 1 - b^2 for N(0, 1)."""
    s = ddpm.su()
    for t in (1, 100, 1000):
        mean = ddpm.linear_loss_spreads(s, t, float(s.B[t]))[0]
        assert mean == pytest.approx(1 - s.b[t] ** 2, rel=1e-12)


def test_changed_variables_are_independent(rng):
    """Correlations of eps and omega; 4 standard errors of 1/sqrt(n)."""
    s, t, n = ddpm.su(), 50, 40_000
    last, before = rng.standard_normal((2, n))
    c, d = s.a[t] * s.B[t - 1] / s.B[t], s.b[t] / s.B[t]
    assert c**2 + d**2 == pytest.approx(1)
    eps, omega = c * before + d * last, d * before - c * last
    assert abs(np.corrcoef(eps, omega)[0, 1]) < 4 / math.sqrt(n)
    assert ddpm.loss_constant(s, t, 3) == pytest.approx(3 * c**2)


# --- Joint KL -------------------------------------------------------------------------------------


@pytest.mark.parametrize("choice", ["b", "between", "optimal"])
@pytest.mark.parametrize(("data_std", "mean"), [(1.0, 0.0), (0.5, 1.5), (2.0, -1.0)])
def test_the_two_arrangements_of_the_joint_kl_agree(choice, data_std, mean):
    s = ddpm.su()
    sigmas = ddpm.step_sigmas(s, choice, data_std)
    V = ddpm.level_variance(s, data_std)
    errors = (data_std * s.B / np.sqrt(V))[1:] ** 2
    square = data_std**2 + mean**2
    entropy = math.log(2 * math.pi * math.e * data_std**2) / 2
    terms = ddpm.bound(s, sigmas, errors, square)
    joint = ddpm.joint_kl(s, sigmas, errors, square, entropy)
    assert joint == pytest.approx(terms.total - entropy, abs=1e-8)  # sums of thousands of nats
    assert terms.end >= 0 and (terms.steps[1:] >= -1e-15).all() and joint > -1e-9
    three = ddpm.bound(s, sigmas, 3 * errors, 3 * square, 3)
    assert three.total == pytest.approx(3 * terms.total, rel=1e-12)


def test_one_point_costs_nothing_with_its_own_sigma():
    s = ddpm.su()
    terms = ddpm.bound(s, ddpm.step_sigmas(s, "beta_tilde"), np.zeros(1000), 1.0)
    np.testing.assert_allclose(terms.steps[1:], 0, atol=1e-15)
    assert terms.steps[0] == -math.inf  # the density of a certain event
    assert terms.end / math.log(2) == pytest.approx(3.03e-5, rel=1e-3)
    with_error = ddpm.bound(s, ddpm.step_sigmas(s, "beta_tilde"), np.full(1000, 0.1), 1.0)
    assert with_error.steps[0] == math.inf
    greedy = ddpm.bound(s, ddpm.step_sigmas(s, "none"), errors_at, 1.0)
    assert (greedy.steps == math.inf).all()


def test_cost_of_a_step_by_simulation(rng):
    """-E log q(x_{t-1} | x_t) of two points with a wrong denoiser; 4 standard errors."""
    s, t, n = ddpm.su(), 80, 100_000
    x_0 = rng.choice([-1.0, 1.0], n)
    before = ddpm.q_sample(s, x_0, t - 1, rng.standard_normal(n))
    after = s.a[t] * before + s.b[t] * rng.standard_normal(n)
    guess = 0.5 * np.sign(after)
    step = ddpm.transition(s, t)
    mu, sd = step.c_x * after + step.c_0 * guess, s.b[t]
    costs = math.log(2 * math.pi * sd**2) / 2 + (before - mu) ** 2 / (2 * sd**2)
    errors = np.zeros(1000)
    errors[t - 1] = ((x_0 - guess) ** 2).mean()
    exact = ddpm.reverse_costs(s, ddpm.step_sigmas(s, "b"), errors)[t - 1]
    assert costs.mean() == pytest.approx(exact, abs=4 * costs.std() / math.sqrt(n))


# --- Domains --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "values", [[], [0.0], [1.0], [0.1, -0.1], [math.nan], [[0.1]], ["a"], [0.1] * 10_001]
)
def test_bad_betas_are_refused(values):
    with pytest.raises(ValueError, match="betas must"):
        Schedule(np.asarray(values))


@pytest.mark.parametrize("make", SCHEDULES.values(), ids=SCHEDULES)
@pytest.mark.parametrize("n_steps", [0, -1, 2.5, 10_001, math.nan, math.inf, True, "9"])
def test_bad_numbers_of_steps_are_refused(make, n_steps):
    with pytest.raises(ValueError, match=r"n_steps must be a whole number in 1\.\.10000"):
        make(n_steps)


@pytest.mark.parametrize("make", SCHEDULES.values(), ids=SCHEDULES)
@pytest.mark.parametrize("n_steps", [1, 2, 7.0, 10_000])
def test_extreme_numbers_of_steps_work(make, n_steps):
    s = make(n_steps)
    assert s.n_steps == n_steps and s.A.shape == (int(n_steps) + 1,)


@pytest.mark.parametrize("end", [0, 1, -0.1, math.nan, math.inf, "1"])
def test_bad_ends_are_refused(end):
    for name in ("su", "su_rescaled", "linear", "scaled_linear"):
        with pytest.raises(ValueError, match=r"end must be a number in \(0, 1\)"):
            SCHEDULES[name](10, end=end)
    with pytest.raises(ValueError, match=r"offset must be a number in \[0, 1\]"):
        ddpm.cosine(10, -0.1)


@pytest.mark.parametrize("t", [-1, 11, 0.5, math.nan, [1, 2], "1"])
def test_bad_times_are_refused(t):
    with pytest.raises(ValueError, match="t must be"):
        ddpm.q_sample(ddpm.su(10), np.zeros(3), t, np.zeros(3))


@pytest.mark.parametrize(("t", "s"), [(0, None), (11, None), (3, 3), (3, 4), (3, -1), (2.5, 1)])
def test_bad_pairs_of_times_are_refused(t, s):
    with pytest.raises(ValueError, match="times must be whole numbers with 0 <= s < t <= 10"):
        ddpm.transition(ddpm.su(10), t, s)
    with pytest.raises(ValueError, match="lists of equal length"):
        ddpm.transition(ddpm.su(10), [1, 2], [0])


def test_other_domains():
    s = ddpm.su(10)
    step = ddpm.transition(s, 5)
    with pytest.raises(ValueError, match="noise must have the shape"):
        ddpm.q_sample(s, np.zeros(3), 1, np.zeros(2))
    with pytest.raises(ValueError, match=r"x_0 must be finite, got nan at \(1,\)"):
        ddpm.q_sample(s, [0, math.nan], 1, [0, 0])
    with pytest.raises(ValueError, match="x_0 must be real numbers"):
        ddpm.q_sample(s, ["a"], 1, [0])
    with pytest.raises(ValueError, match=f"sigma must be one of {', '.join(SIGMAS)}"):
        ddpm.sigma(s, step, "learned")
    with pytest.raises(ValueError, match=r"share must be a number in \[0, 1\]"):
        ddpm.sigma(s, step, "between", share=1.1)
    with pytest.raises(ValueError, match="data_std must be"):
        ddpm.sigma(s, step, "optimal", -1)
    with pytest.raises(ValueError, match="dialect must be one of su, paper"):
        ddpm.symbols(s, "ddim")
    with pytest.raises(ValueError, match="form must be one of one, two"):
        ddpm.loss_weights(s, np.ones(10), "three")
    for bad in (np.ones(9), -np.ones(10)):
        with pytest.raises(ValueError, match="sigmas must be 10 numbers"):
            ddpm.loss_weights(s, bad)
        with pytest.raises(ValueError, match="errors must be 10 numbers"):
            ddpm.reverse_costs(s, np.ones(10), bad)
    with pytest.raises(ValueError, match=r"t must be a whole number in 1\.\.10, got 0"):
        ddpm.reverse_mean(s, [0.0], [0.0], 0)
    with pytest.raises(ValueError, match=r"t must be a whole number in 1\.\.10, got 11"):
        ddpm.merged_noise(s, np.zeros((11, 2)))
    with pytest.raises(ValueError, match="mean_square must be"):
        ddpm.end_information(s, -1)
