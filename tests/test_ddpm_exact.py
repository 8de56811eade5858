"""Exact denoisers: vectors, calculus, simulation, runs on Gaussian data, the S study, KL.

References: tanh for two points, numerical derivatives and integrals, Monte Carlo with its standard
error, scipy's normal densities and Wasserstein distance. Stored numbers: the method's tables.
"""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import linalg, stats

from models import ddpm
from models import ddpm_exact as exact
from models import ddpm_samplers as samplers
from models.ddpm_exact import DATA_SETS, Mixture
from models.ddpm_samplers import RULES, Rule

SU = ddpm.su()
TWO = exact.data_set("two_points")
WIDE = exact.data_set("gaussian")  # N(1.5, 0.5^2)
BLURRED = exact.from_points([[-1.0], [0.2], [0.9]], 0.3)
SLANTS = np.array([[[0.3, 0.2], [0.2, 0.4]], [[0.1, 0.0], [0.0, 0.0]]])
SKEW = Mixture(np.array([[-1.0, 0.0], [1.0, 0.5]]), np.array([1.0, 3.0]), SLANTS)


def end_of(data, start, n_visits, rule=None, schedule=SU, noise=None):
    times = samplers.visited_times(schedule.n_steps, n_visits)
    plan = samplers.make_plan(schedule, times, rule or Rule())
    best = exact.denoiser(data, schedule)
    return samplers.final(samplers.sample(plan, best, start, noise)).x


# --- Vectors --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("t", "clean", "eps", "mu"),
    [
        (100, 0.9947187029, -2.0825999379, 0.3137480631),
        (263, 0.3992400802, 0.0254714817, 0.3006023766),
        (500, 0.0926354563, 0.2854399992, 0.2985188204),
        (1000, 0.0019446885, 0.2999936969, 0.2969848481),
    ],
)
def test_two_points_at_one_place(t, clean, eps, mu):
    seen = exact.view(TWO, SU, [[0.3]], t)
    assert seen.x0_mean[0, 0] == pytest.approx(clean, abs=1e-10)
    assert seen.eps_mean[0, 0] == pytest.approx(eps, abs=1e-10)
    assert ddpm.reverse_mean(SU, [[0.3]], seen.eps_mean, t)[0, 0] == pytest.approx(mu, abs=1e-10)


def test_two_points_are_a_hyperbolic_tangent():
    x = np.linspace(-3, 3, 61)[:, None]
    for t in (1, 10, 263, 1000):
        u = SU.A[t] * x / SU.B[t] ** 2
        seen = exact.view(TWO, SU, x, t)
        np.testing.assert_allclose(seen.x0_mean, np.tanh(u), atol=1e-10)
        np.testing.assert_allclose(seen.x0_variance, 1 - np.tanh(u[:, 0]) ** 2, atol=1e-10)


def test_two_humps_while_the_signal_outweighs_the_noise():
    assert [exact.n_humps(TWO, SU, t) for t in (1, 100, 262, 263, 1000)] == [2, 2, 2, 1, 1]
    assert exact.n_humps(exact.data_set("three_points"), SU, 50) == 3


@pytest.mark.parametrize(
    ("start", "n_visits", "end"),
    [(0.1, 10, 0.95668872), (0.1, 50, 1.0), (0.1, 1000, 1.0), (0.001, 10, 0.01939)],
)
def test_ends_of_two_points(start, n_visits, end):
    x = end_of(TWO, [[start], [-start], [0.0]], n_visits)
    np.testing.assert_allclose(x[:, 0], [end, -end, 0], atol=6e-6)
    assert x[2, 0] == 0  # the unstable middle


@pytest.mark.parametrize(
    ("n_visits", "ends"),
    [
        (10, (1.12371527, 1.49637660, 1.86903792)),
        (100, (1.00934105, 1.49527524, 1.98120943)),
        (1000, (0.99657100, 1.49515227, 1.99373354)),
    ],
)
def test_ddim_on_a_gaussian_tends_to_the_flow(n_visits, ends):
    np.testing.assert_allclose(end_of(WIDE, [[-1.0], [0], [1]], n_visits)[:, 0], ends, atol=6e-9)


def test_flow_of_a_gaussian_and_its_order():
    starts = np.array([[-1.0], [0.0], [1.0]])
    flow = exact.gaussian_flow(WIDE, SU, starts, 1000)
    np.testing.assert_allclose(flow[:, 0], [0.9951305219, 1.4951384003, 1.9951462786], atol=1e-10)
    counts = [50, 100, 200, 500, 1000]
    gaps = [np.abs(end_of(WIDE, starts, S) - flow).max() for S in counts]
    slope = np.polyfit(np.log(counts), np.log(gaps), 1)[0]
    assert slope == pytest.approx(-1, abs=0.1)


def test_flow_is_the_root_of_the_covariances(rng):
    """x_s - A_s m = V_s^(1/2) V_t^(-1/2) (x_t - A_t m) with matrices V = A^2 C + B^2 I."""
    root = rng.standard_normal((3, 3))
    C, m, x = root @ root.T, rng.standard_normal(3), rng.standard_normal((4, 3))
    data = exact.gaussian(m, C)
    V = [SU.alpha_bar[t] * C + SU.B[t] ** 2 * np.eye(3) for t in (800, 120)]
    move = linalg.sqrtm(V[1]) @ np.linalg.inv(linalg.sqrtm(V[0]))
    expected = SU.A[120] * m + (x - SU.A[800] * m) @ move.T
    np.testing.assert_allclose(exact.gaussian_flow(data, SU, x, 800, 120), expected, rtol=1e-9)
    there = exact.gaussian_flow(data, SU, x, 800)
    np.testing.assert_allclose(exact.gaussian_flow(data, SU, there, 0, 800), x, rtol=1e-9)


STUDY = {
    1000: (0.996334, 0.995194, 0.991162, 1),
    100: (0.963951, 0.954697, 0.921689, 1),
    50: (0.929185, 0.913654, 0.857512, 1),
    20: (0.831951, 0.806756, 0.710869, 1),
    10: (0.690298, 0.663174, 0.548657, 1),
    5: (0.465622, 0.449338, 0.362750, 1),
}


def test_study_of_steps_and_eta():
    found = exact.study(SU, STUDY)
    np.testing.assert_allclose(found, list(STUDY.values()), atol=6e-7)
    np.testing.assert_allclose(found[:, 3], 1, atol=1e-12)
    assert (np.diff(found[:, :3], axis=0) < 0).all()  # fewer steps, less spread
    assert (np.diff(found[:, :3], axis=1) < 0).all()  # larger eta, less spread


def test_study_leaves_impossible_cells_empty():
    found = exact.study(SU, [5, 1000], [Rule(eta=1.2)])
    assert np.isnan(found[0, 0]) and np.isfinite(found[1, 0])


def test_one_deterministic_step_is_a_cosine():
    """N(0, 1), A = cos phi: a step multiplies by cos(phi_t - phi_s)."""
    phi = np.arccos(SU.A)
    run = exact.gaussian_run(samplers.make_plan(SU, [900, 300, 40], Rule()))
    expected = np.cos(phi[[900, 300, 40]] - phi[[300, 40, 0]])
    np.testing.assert_allclose(run.slopes[1:] / run.slopes[:-1], expected, rtol=1e-12)


@pytest.mark.parametrize("n_visits", [1, 2, 7, 1000])
def test_one_point_is_hit_exactly(n_visits):
    data = exact.from_points([[0.3, -0.7]])
    end = end_of(data, [[2.0, 1.0], [0.0, -3.0]], n_visits)
    np.testing.assert_allclose(end, [[0.3, -0.7]] * 2, atol=1e-12)
    assert exact.view(data, SU, [[9.0, 9.0]], 5).x0_mean.tolist() == [[0.3, -0.7]]


# --- Calculus -------------------------------------------------------------------------------------


@pytest.mark.parametrize("data", [TWO, BLURRED, SKEW, exact.data_set("ring", 30, 0.1)],
                         ids=["two", "blurred", "skew", "ring"])  # fmt: skip
@pytest.mark.parametrize("t", [30, 263, 1000])
def test_score_is_the_slope_of_the_log_density(rng, data, t):
    """Central differences; h^2 of error, scaled by third derivatives of order 1/B^3."""
    x, h = rng.standard_normal((20, data.dim)), 1e-5
    found = exact.score(data, SU, x, t)
    for j in range(data.dim):
        step = h * np.eye(data.dim)[j]
        up, down = (exact.log_density(data, SU, x + sign * step, t) for sign in (1, -1))
        np.testing.assert_allclose(found[:, j], (up - down) / (2 * h), rtol=1e-5, atol=1e-5)
    seen = exact.view(data, SU, x, t)
    np.testing.assert_allclose(
        SU.B[t] * seen.eps_mean, x - SU.A[t] * seen.x0_mean, rtol=1e-9, atol=1e-12
    )
    np.testing.assert_allclose(found, -seen.eps_mean / SU.B[t])


@pytest.mark.parametrize("data", [TWO, BLURRED, SKEW], ids=["two", "blurred", "skew"])
def test_variance_is_the_slope_of_the_mean(rng, data):
    """Var[x_0 | x] = (B^2/A) div E[x_0 | x]: Tweedie's second formula."""
    t, h, x = 300, 1e-5, rng.standard_normal((20, data.dim))
    divergence = np.zeros(20)
    for j in range(data.dim):
        step = h * np.eye(data.dim)[j]
        up, down = (exact.view(data, SU, x + sign * step, t).x0_mean[:, j] for sign in (1, -1))
        divergence += (up - down) / (2 * h)
    found = exact.view(data, SU, x, t).x0_variance
    np.testing.assert_allclose(found, SU.B[t] ** 2 / SU.A[t] * divergence, rtol=1e-6, atol=1e-8)


@pytest.mark.parametrize("t", [1, 50, 263, 1000])
def test_density_integrates_to_one(t):
    for data in (TWO, BLURRED, WIDE):
        x = np.linspace(-9, 9, 200_001)
        p = np.exp(exact.log_density(data, SU, x[:, None], t))
        assert p.sum() * (x[1] - x[0]) == pytest.approx(1, rel=1e-9)


def test_density_is_that_of_scipy(rng):
    x, t = rng.standard_normal((9, 2)), 200
    A, B = SU.A[t], SU.B[t]
    expected = sum(
        w * stats.multivariate_normal(A * m, A**2 * C + B**2 * np.eye(2)).pdf(x)
        for w, m, C in zip([0.25, 0.75], SKEW.means, SLANTS, strict=True)
    )
    np.testing.assert_allclose(exact.log_density(SKEW, SU, x, t), np.log(expected), rtol=1e-10)
    clean = exact.log_density(WIDE, SU, x[:, :1], 0)
    np.testing.assert_allclose(clean, stats.norm(1.5, 0.5).logpdf(x[:, 0]), rtol=1e-12)


def test_round_and_full_covariances_agree(rng):
    x, means = rng.standard_normal((15, 2)), rng.standard_normal((4, 2))
    variances = np.array([0.0, 0.1, 0.4, 2.0])
    one = Mixture(means, covariances=variances)
    other = Mixture(means, covariances=variances[:, None, None] * np.eye(2))
    for t in (2, 400, 1000):
        for a, b in zip(vars(exact.view(one, SU, x, t)).values(),
                        vars(exact.view(other, SU, x, t)).values(), strict=True):  # fmt: skip
            np.testing.assert_allclose(a, b, rtol=1e-8, atol=1e-9)


def test_flattened_pictures_are_a_softmax_over_the_training_set(rng):
    pictures, x = rng.standard_normal((2, 40, 100))
    data = exact.from_points(pictures)
    for t in (1, 100, 700):
        A, B = SU.A[t], SU.B[t]
        near = 0.5 * x + A * data.means[:40]
        logits = -((near[:, None] - A * data.means) ** 2).sum(axis=-1) / (2 * B**2)
        weights = np.exp(logits - logits.max(axis=1, keepdims=True))
        expected = weights @ data.means / weights.sum(axis=1, keepdims=True)
        np.testing.assert_allclose(exact.view(data, SU, near, t).x0_mean, expected, atol=1e-6)


def test_blocks_do_not_change_the_result(rng, monkeypatch):
    data, x = exact.data_set("spiral", 50, 0.05), rng.standard_normal((33, 2))
    whole = exact.view(data, SU, x, 100)
    monkeypatch.setattr(exact, "CELLS", 200)
    parts = exact.view(data, SU, x, 100)
    np.testing.assert_allclose(parts.eps_mean, whole.eps_mean, rtol=1e-12, atol=1e-13)
    assert exact.view(data, SU, x[:0], 100).x0_mean.shape == (0, 2)


def test_far_places_and_small_noise_stay_finite():
    data = exact.data_set("moons", 100)
    seen = exact.view(data, SU, [[1e6, -1e6], [0.0, 0.0], [50.0, 3.0]], 1)
    for values in vars(seen).values():
        assert np.isfinite(values).all()
    nearest = np.linalg.norm(data.means - [50.0, 3.0], axis=1).argmin()
    np.testing.assert_allclose(seen.x0_mean[2], data.means[nearest], atol=1e-9)


@pytest.mark.parametrize("predicts", samplers.PREDICTIONS)
def test_denoisers_of_every_prediction_give_the_same_run(predicts):
    data = exact.data_set("triangle")
    start = next(samplers.noise_streams(0, 6, (2,)))
    plan = samplers.make_plan(SU, samplers.visited_times(1000, 20), Rule())
    best = exact.denoiser(data, SU, predicts)
    end = samplers.final(samplers.sample(plan, best, start, predicts=predicts)).x
    np.testing.assert_allclose(end, end_of(data, start, 20), atol=1e-8)
    assert best(start.astype(np.float32), 500).dtype == np.float32


# --- Data -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", DATA_SETS)
def test_data_sets_fit_the_noise_and_draw_what_they_say(kind, rng):
    """4 standard errors of the mean; the size keeps A_T |x| small."""
    data, n = exact.data_set(kind), 20_000
    assert data.dim in (1, 2) and np.abs(data.means).max() <= 2
    x = exact.draw(data, n, rng)
    assert x.shape == (n, data.dim)
    spread = np.sqrt(np.diag(data.covariance))
    assert (np.abs(x.mean(axis=0) - data.mean) <= 4 * spread / math.sqrt(n) + 1e-12).all()
    np.testing.assert_allclose(np.cov(x.T), np.squeeze(data.covariance), atol=0.05)
    square = (x**2).sum(axis=1)
    gap = abs(square.mean() - data.mean_square)
    assert gap <= 4 * square.std() / math.sqrt(n) + 1e-12
    assert data.shares.sum() == pytest.approx(1)


def test_equal_points_are_merged():
    data = exact.from_points([[1.0, 2.0], [3.0, 4.0], [1.0, 2.0]])
    assert data.size == 2 and sorted(data.shares) == pytest.approx([1 / 3, 2 / 3])
    assert exact.from_points([0.5]).size == 1


@pytest.mark.parametrize("kind", ["ring", "moons", "spiral"])
@pytest.mark.parametrize("n", [2, 3, 5000])
def test_curves_have_the_asked_number_of_points(kind, n):
    assert exact.data_set(kind, n).size == n


# --- Sampling recovers the data -------------------------------------------------------------------


@pytest.mark.parametrize("rule", [Rule(), Rule(eta=0.5), Rule("ddpm"), RULES["ddpm_b"]], ids=str)
def test_runs_on_a_gaussian_have_the_exact_moments(rule):
    """4 standard errors of mean and variance."""
    n, plan = 20_000, samplers.make_plan(SU, samplers.visited_times(1000, 20), rule)
    noise = samplers.noise_streams(5, n, (1,))
    best = exact.denoiser(WIDE, SU)
    run = exact.gaussian_run(plan, 1.5, 0.5)
    states = list(samplers.sample(plan, best, next(noise), noise))
    assert run.times.tolist() == [state.t for state in states]
    for i in (3, 15, 20):
        x = states[i].x
        sd = math.sqrt(run.variances[i])
        assert x.mean() == pytest.approx(run.means[i], abs=4 * sd / math.sqrt(n))
        assert x.var() == pytest.approx(run.variances[i], rel=4 * math.sqrt(2 / n))


def test_a_run_from_one_place_has_its_slope():
    plan = samplers.make_plan(SU, samplers.visited_times(1000, 20), Rule())
    one = exact.gaussian_run(plan, 1.5, 0.5, 0.0, 0.0)
    two = exact.gaussian_run(plan, 1.5, 0.5, 1.0, 0.0)
    assert two.means[-1] - one.means[-1] == pytest.approx(one.slopes[-1])
    assert one.variances[-1] == 0
    ends = end_of(WIDE, [[0.0], [1.0]], 20)[:, 0]
    np.testing.assert_allclose(ends, [one.means[-1], two.means[-1]], rtol=1e-10)


def test_the_optimal_sigma_gives_back_the_data_exactly():
    """Ancestral steps with the true conditional law: only x_T differs from the data's."""
    for S in (3, 1000):
        rule = Rule("ddpm", sigma="optimal", data_std=0.5, noise_at_end=True)
        plan = samplers.make_plan(SU, samplers.visited_times(1000, S), rule)
        start = float(ddpm.level_variance(SU, 0.5)[-1])
        run = exact.gaussian_run(plan, 1.5, 0.5, 1.5 * SU.end_signal, start)
        assert run.means[-1] == pytest.approx(1.5, abs=1e-12)
        assert run.variances[-1] == pytest.approx(0.25, abs=1e-12)


@pytest.mark.parametrize("kind", ["two_points", "triangle", "mixture", "ring"])
def test_sampling_ends_at_the_data(kind, rng):
    """W_1 against a fresh draw, within 4 times that of two draws (sampling noise) plus O(1/S)."""
    data, n = exact.data_set(kind, 60), 600
    noise = samplers.noise_streams(1, n, (data.dim,))
    x = end_of(data, next(noise), 50, Rule("ddpm"), noise=noise)
    one, other = exact.draw(data, n, rng), exact.draw(data, n, rng)
    assert exact.sliced_wasserstein(x, one) < 4 * exact.sliced_wasserstein(one, other) + 0.05


def test_encoding_lands_where_the_flow_says():
    data = exact.data_set("slanted")
    x = np.array([[0.5, 0.2], [-1.0, 0.3]])
    exact_latent = exact.gaussian_flow(data, SU, x, 0, 1000)
    np.testing.assert_allclose(exact.gaussian_flow(data, SU, exact_latent, 1000), x, atol=1e-10)
    times = samplers.visited_times(1000, 1000)
    latent = samplers.final(samplers.encode(SU, exact.denoiser(data, SU), x, times)).x
    np.testing.assert_allclose(latent, exact_latent, atol=0.02)


# --- Errors, entropy, KL --------------------------------------------------------------------------


def test_least_errors_by_three_roads(rng):
    """Quadrature against closed form, and against samples within 4 standard errors."""
    times = [1, 10, 100, 263, 700, 1000]
    V = ddpm.level_variance(SU, 0.5)[times]
    closed = exact.mean_errors(WIDE, SU, times)[0]
    np.testing.assert_allclose(closed, 0.25 * SU.B[times] ** 2 / V, rtol=1e-12)
    halves = Mixture(np.array([[1.5], [1.5]]), covariances=np.array([0.25, 0.25]))
    np.testing.assert_allclose(exact.mean_errors(halves, SU, times)[0], closed, rtol=1e-8)
    flat = np.stack([TWO.means[:, 0], np.zeros(2)], 1)
    sampled, error = exact.mean_errors(Mixture(flat), SU, times, rng)
    assert (np.abs(sampled - exact.mean_errors(TWO, SU, times)[0]) <= 4 * error + 1e-12).all()
    with pytest.raises(ValueError, match="rng must be given"):
        exact.mean_errors(Mixture(flat), SU, times)
    every = exact.mean_errors(TWO, SU)[0]
    assert every.shape == (1000,) and (np.diff(every) > -1e-12).all()
    assert every[-1] == pytest.approx(1, abs=1e-4)


def test_entropy_falls_by_half_the_error_per_signal_to_noise():
    """I-MMSE: d I(x_0; x_t)/d snr = mmse/2, by the trapezoid rule over the schedule."""
    snr = np.exp(SU.log_snr[1:])
    errors = exact.mean_errors(TWO, SU)[0]
    information = [exact.entropy_at(TWO, SU, t) - math.log(2 * math.pi * math.e) / 2
                   - math.log(SU.B[t]) for t in (150, 1000)]  # fmt: skip
    part = slice(149, 1000)
    integral = -np.trapezoid(errors[part], snr[part]) / 2
    assert information[0] - information[1] == pytest.approx(integral, rel=1e-4)
    assert exact.entropy_at(TWO, SU, 0) == -math.inf
    assert exact.entropy_at(WIDE, SU, 0) == pytest.approx(stats.norm(0, 0.5).entropy())
    with pytest.raises(ValueError, match="one Gaussian or of one dimension"):
        exact.entropy_at(SKEW, SU, 5)


@pytest.mark.parametrize("choice", ["b", "between", "optimal"])
@pytest.mark.parametrize(("mean", "data_std"), [(0.0, 1.0), (1.5, 0.5), (0.0, 0.1)])
def test_three_sums_of_the_joint_kl_agree(choice, mean, data_std):
    """Along the reverse chain, as the post adds it up, and by the variational bound."""
    data = exact.gaussian(mean, data_std**2)
    sigmas = ddpm.step_sigmas(SU, choice, data_std)
    errors, entropy = exact.mean_errors(data, SU)[0], exact.entropy_at(data, SU, 0)
    chain = exact.gaussian_chain(SU, sigmas, data_std, mean)
    post = ddpm.joint_kl(SU, sigmas, errors, data.mean_square, entropy)
    paper = ddpm.bound(SU, sigmas, errors, data.mean_square).total - entropy
    assert post == pytest.approx(chain.total, abs=1e-8)  # rounding of sums of 1e3 nats
    assert paper == pytest.approx(chain.total, abs=1e-8)
    assert (chain.steps >= -1e-15).all()
    if choice == "optimal":
        np.testing.assert_allclose(chain.steps, 0, atol=1e-12)
    rule = Rule("ddpm", sigma=choice, data_std=data_std, noise_at_end=True)
    end = exact.gaussian_run(samplers.make_plan(SU, range(1000, 0, -1), rule), mean, data_std)
    apart = exact.gaussian_kl(mean, data_std**2, end.means[-1], end.variances[-1])
    assert apart <= chain.total + 1e-9  # marginals differ less than the joint laws


def test_joint_kl_of_blurred_points_is_not_negative():
    sigmas = ddpm.step_sigmas(SU, "b")
    errors, entropy = exact.mean_errors(BLURRED, SU)[0], exact.entropy_at(BLURRED, SU, 0)
    post = ddpm.joint_kl(SU, sigmas, errors, BLURRED.mean_square, entropy)
    assert 0 < post < 2


def test_a_point_costs_nothing_with_beta_tilde_and_endlessly_without_noise():
    chain = exact.gaussian_chain(SU, ddpm.step_sigmas(SU, "beta_tilde"), 0.0, 1.0)
    np.testing.assert_allclose(chain.steps, 0, atol=1e-15)
    assert chain.end == pytest.approx(ddpm.end_information(SU), rel=1e-9)
    assert exact.gaussian_chain(SU, np.zeros(1000), 1.0).total == math.inf
    assert exact.gaussian_chain(SU, ddpm.step_sigmas(SU, "b"), 0.0).steps[0] == math.inf


@given(st.floats(-3, 3), st.floats(0.1, 3), st.floats(-3, 3), st.floats(0.1, 3))
@settings(max_examples=30, deadline=None)
def test_kl_of_normals_by_quadrature(m, s, k, r):
    x = np.linspace(m - 12 * s, m + 12 * s, 20_001)
    p = stats.norm(m, s)
    value = np.trapezoid(p.pdf(x) * (p.logpdf(x) - stats.norm(k, r).logpdf(x)), x)
    assert exact.gaussian_kl(m, s * s, k, r * r) == pytest.approx(value, rel=1e-7, abs=1e-9)


def test_kl_of_normals_in_two_dimensions(rng):
    """4 standard errors."""
    C, D = np.array([[1.0, 0.6], [0.6, 0.5]]), np.array([[0.7, -0.1], [-0.1, 0.9]])
    p, q = stats.multivariate_normal([0.3, 0], C), stats.multivariate_normal([0, 0.2], D)
    x = rng.multivariate_normal([0.3, 0], C, 40_000)
    gaps = p.logpdf(x) - q.logpdf(x)
    found = exact.gaussian_kl([0.3, 0], C, [0, 0.2], D)
    assert found == pytest.approx(gaps.mean(), abs=4 * gaps.std() / 200)
    assert exact.gaussian_kl([0, 0], C, [0, 0], C) == pytest.approx(0, abs=1e-12)
    assert exact.gaussian_kl([0, 0], np.diag([1.0, 0]), [0, 0], C) == math.inf


def test_flow_likelihood_is_a_density_close_to_the_data():
    x = np.linspace(-4, 7, 20_001)
    log_q = exact.flow_log_likelihood(WIDE, SU, x[:, None])
    assert np.trapezoid(np.exp(log_q), x) == pytest.approx(1, rel=1e-9)
    middle = (x > 0.5) & (x < 2.5)
    gap = np.abs(log_q - stats.norm(1.5, 0.5).logpdf(x))[middle]
    assert gap.max() < 0.03  # x_T ~ N(1.5 A_T, .) and not N(0, 1): |gap| ~ A_T 1.5 |x_T|
    slanted = exact.data_set("slanted")
    at_mean = exact.flow_log_likelihood(slanted, SU, [slanted.mean])[0]
    expected = stats.multivariate_normal(slanted.mean, slanted.covariance).logpdf(slanted.mean)
    assert at_mean == pytest.approx(expected, abs=1e-3)


# --- Distances ------------------------------------------------------------------------------------


@given(st.lists(st.floats(-5, 5), min_size=1, max_size=30),
       st.lists(st.floats(-5, 5), min_size=1, max_size=30))  # fmt: skip
@settings(max_examples=60, deadline=None)
def test_wasserstein_is_that_of_scipy(x, y):
    expected = stats.wasserstein_distance(x, y)
    assert exact.wasserstein(x, y) == pytest.approx(expected, abs=1e-12)
    assert exact.wasserstein(x, x) == 0


def test_sliced_wasserstein_of_a_shift():
    """A shift of length l has W_1 = l |cos| in each direction: 2 l/pi on average."""
    x = np.random.default_rng(0).standard_normal((50, 2))
    found = exact.sliced_wasserstein(x, x + [0.6, 0.8], 1000)
    assert found == pytest.approx(2 / math.pi, rel=1e-5)
    assert exact.sliced_wasserstein(x[:, :1], x[:, :1] + 2) == pytest.approx(2)


# --- Domains --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("points", "message"),
    [
        ([], "points must be at least one"),
        ([[math.nan, 0]], r"points must be finite, got nan at \(0, 0\)"),
        ([["a", "b"]], "points must be real numbers"),
        (np.zeros((2, 2, 2)), r"points must have shape \(n, d\)"),
        (np.arange(5001.0), r"means must have shape \(K, d\), K in 1\.\.5000"),
        ([[1e7]], "means must be at most 1e"),
    ],
)
def test_bad_points_are_refused(points, message):
    with pytest.raises(ValueError, match=message):
        exact.from_points(points)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"weights": np.array([1.0])}, "weights must be 2 numbers above 0"),
        ({"weights": np.array([1.0, 0.0])}, "weights must be 2 numbers above 0"),
        ({"covariances": np.array([1.0, -1.0])}, "covariances must be 2 variances"),
        ({"covariances": np.ones((2, 3, 3))}, "covariances must be 2 variances"),
        ({"covariances": np.array([[[1.0, 2], [2, 1]]] * 2)}, "no negative eigenvalue, got -1"),
        ({"covariances": np.array([[[1.0, 0.5], [0, 1]]] * 2)}, "symmetric"),
    ],
)
def test_bad_mixtures_are_refused(changes, message):
    with pytest.raises(ValueError, match=message):
        Mixture(np.zeros((2, 2)) + [[0], [1]], **changes)


def test_other_domains(rng):
    with pytest.raises(ValueError, match="kind must be one of point, normal"):
        exact.data_set("cross")
    for n in (1, 5001, 2.5):
        with pytest.raises(ValueError, match=r"n_points must be a whole number in 2\.\.5000"):
            exact.data_set("ring", n)
    with pytest.raises(ValueError, match="spread must be"):
        exact.data_set("ring", 5, -1)
    with pytest.raises(ValueError, match="n_samples must be"):
        exact.draw(TWO, 0, rng)
    for t in (0, 1001, 0.5):
        with pytest.raises(ValueError, match=r"t must be a whole number in 1\.\.1000"):
            exact.view(TWO, SU, [[0.0]], t)
    with pytest.raises(ValueError, match=r"x must have shape \(n, 1\), got \(1, 2\)"):
        exact.view(TWO, SU, [[0.0, 1.0]], 1)
    with pytest.raises(ValueError, match="t must be above 0 for points"):
        exact.log_density(TWO, SU, [[0.0]], 0)
    with pytest.raises(ValueError, match=r"x must have shape \(n, 1\)"):
        exact.log_density(WIDE, SU, [0.0], 0)
    with pytest.raises(ValueError, match="predicts must be one of"):
        exact.denoiser(TWO, SU, "score")
    with pytest.raises(ValueError, match="data must be one Gaussian, got 2 components"):
        exact.gaussian_flow(TWO, SU, [[0.0]], 5)
    with pytest.raises(ValueError, match="t must be above 0 for data without density"):
        exact.gaussian_flow(exact.data_set("point"), SU, [[0.0]], 0, 5)
    with pytest.raises(ValueError, match="covariance_q must be positive definite"):
        exact.gaussian_kl(0, 1, 0, 0)
    with pytest.raises(ValueError, match="must be of dimension 1, as mean_p is"):
        exact.gaussian_kl(0, 1, [0, 0], np.eye(2))
    with pytest.raises(ValueError, match="sigmas must be 1000 numbers"):
        exact.gaussian_chain(SU, [1.0], 1.0)
    with pytest.raises(ValueError, match="data must be of one dimension"):
        exact.n_humps(SKEW, SU, 5)
    with pytest.raises(ValueError, match="x and y must be lists"):
        exact.wasserstein([], [1.0])
    with pytest.raises(ValueError, match=r"x and y must be \(n, 1\) or \(n, 2\)"):
        exact.sliced_wasserstein(np.zeros((3, 3)), np.zeros((3, 3)))
