"""SGD: paths against torch and scikit-learn, minimisers against solvers, laws of a run."""

import math
import tracemalloc
from dataclasses import replace

import numpy as np
import pytest

from models import sgd
from models import sgd_schedules as q

CONVEX_LINKS = [name for name, link in sgd.LINKS.items() if link.is_convex]


def made(kind, dim=2, radius=1.0, **data):
    return sgd.made_problem(kind, sgd.MadeData(dim=dim, **data), radius)


# --- Losses and gradients -------------------------------------------------------------------------


@pytest.mark.parametrize("dim", [1, 2, 5])
@pytest.mark.parametrize("kind", sgd.KINDS)
def test_gradients_agree_with_finite_differences(kind, dim, rng):
    p = made(kind, dim)
    theta = rng.uniform(-2, 2, (30, dim))
    indices = rng.integers(p.n_samples, size=(30, 3))
    g, h = p.subgradient(theta, indices), 1e-6
    for axis in range(dim):
        step = h * np.eye(dim)[axis]
        slope = (p.losses(theta + step, indices) - p.losses(theta - step, indices)) / (2 * h)
        # 1e-7: rounding 1e-16/h and curvature h^2; no random point lies within h of a kink
        np.testing.assert_allclose(g[:, axis], slope, atol=1e-7, rtol=1e-7)


@pytest.mark.parametrize("kind", ["absolute", "hinge", "logistic", "squares", "huber"])
def test_gradients_agree_with_torch(kind, rng):
    import torch
    import torch.nn.functional as F

    losses = {
        "absolute": lambda z, b: F.l1_loss(z, b),
        "hinge": lambda z, b: F.relu(1 - b * z).mean(),
        "logistic": lambda z, b: F.softplus(-b * z).mean(),
        "squares": lambda z, b: F.mse_loss(z, b) / 2,
        "huber": lambda z, b: F.huber_loss(z, b),
    }
    p = made(kind, 4)
    theta = rng.normal(size=(1, 4))
    indices = np.arange(8)[None]
    parameter = torch.tensor(theta[0], requires_grad=True)
    z = torch.tensor(p.features[:8]) @ parameter
    loss = losses[kind](z, torch.tensor(p.targets[:8]))
    loss.backward()
    assert parameter.grad is not None
    assert p.losses(theta, indices)[0] == pytest.approx(loss.item(), rel=1e-12)
    np.testing.assert_allclose(p.subgradient(theta, indices)[0], parameter.grad, rtol=1e-12)


@pytest.mark.parametrize("kind", sgd.KINDS)
def test_mean_loss_is_the_mean_of_the_losses(kind, rng):
    p = made(kind, 3, n_samples=17)
    theta = rng.normal(size=(5, 3))
    everything = np.tile(np.arange(p.n_samples), (5, 1))
    np.testing.assert_allclose(p.mean_loss(theta), p.losses(theta, everything), rtol=1e-12)


@pytest.mark.parametrize("kind", ["norm", "absolute", "hinge"])
def test_kink_is_a_choice_and_both_are_subgradients(kind):
    if kind == "norm":
        zero = sgd.one_point("norm", 2)
        theta = np.zeros((1, 2))
    else:
        zero = sgd.Problem(kind, np.array([[1.0, 0.0]]), np.ones(1))
        theta = np.array([[1.0, 0.0]])  # residual 0, margin 1
    indices = np.zeros((1, 1), int)
    one = replace(zero, kink=1)
    assert np.all(zero.subgradient(theta, indices) == 0)
    expected = -1 if kind == "hinge" else 1
    np.testing.assert_array_equal(one.subgradient(theta, indices), [[expected, 0]])


@pytest.mark.parametrize("kind", [*CONVEX_LINKS, "norm", "centre"])
def test_subgradient_inequality(kind, rng):
    p = made(kind, 3, None)
    here, there = rng.normal(size=(2, 200, 3))
    indices = rng.integers(p.n_samples, size=(200, 1))
    rise = np.sum(p.subgradient(here, indices) * (there - here), axis=1)
    assert p.facts.is_convex
    assert np.all(p.losses(there, indices) >= p.losses(here, indices) + rise - 1e-12)


@pytest.mark.parametrize("dim", [1, 3])
@pytest.mark.parametrize("kind", sgd.KINDS)
def test_gradient_bound_holds_on_the_ball_and_is_nearly_met(kind, dim, rng):
    p = made(kind, dim, 1.5, n_samples=30)
    theta = p.project(rng.normal(size=(20_000, dim)) * 2)
    theta[:1000] = (
        1.5 * p.features[rng.integers(p.n_samples, size=1000)] * rng.choice([-1, 1], (1000, 1))
    )
    theta = p.project(theta)
    indices = rng.integers(p.n_samples, size=(len(theta), 1))
    largest = np.linalg.norm(p.subgradient(theta, indices), axis=1).max()
    assert largest <= p.facts.gradient_bound * (1 + 1e-12)
    if kind not in ("double_well",):
        assert largest > 0.9 * p.facts.gradient_bound


def test_facts():
    a = np.array([[1.0], [2.0]])
    squares = sgd.Problem("squares", a, np.ones(2)).facts
    assert (squares.strong_convexity, squares.average_strong_convexity, squares.smoothness) == (
        1,
        2.5,
        2.5,
    )
    assert squares.gradient_bound == math.inf
    assert sgd.Problem("squares", a, np.ones(2), 1.0).facts.gradient_bound == 6
    assert made("centre").facts.strong_convexity == 1
    assert made("logistic").facts.strong_convexity == 0
    assert 0 < made("logistic").facts.average_strong_convexity < 0.125
    assert made("hinge").facts.smoothness == math.inf
    noisy = sgd.one_point("noisy_norm").facts
    assert not noisy.is_convex and noisy.is_convex_on_average
    assert not made("sigmoid").facts.is_convex_on_average
    zero_rows = sgd.Problem("squares", np.zeros((2, 2)), np.ones(2)).facts
    assert zero_rows.gradient_bound == 0 and zero_rows.average_strong_convexity == 0


def test_smoothness_is_where_steps_start_to_diverge():
    p = made("squares", 2, None)
    critical = 2 / p.facts.smoothness
    full = sgd.Settings(600, 1, batch_size=p.n_samples, order="cyclic", start=(1.0, 1.0))
    below = sgd.run(p, q.constant(600, 0.98 * critical), full)
    above = sgd.run(p, q.constant(600, 1.02 * critical), full)
    assert below.last_gap[-1, 0] < 1e-8 < 1 < above.last_gap[-1, 0]


# --- Minimisers -----------------------------------------------------------------------------------


@pytest.mark.parametrize("radius", [0.3, 1.0, 10.0, None])
@pytest.mark.parametrize("dim", [1, 2, 8])
@pytest.mark.parametrize("kind", CONVEX_LINKS)
def test_minimisers_are_proven(kind, dim, radius):
    p = made(kind, dim, radius)
    solution = p.solution
    if solution.claim == "not_attained":
        assert kind == "logistic" and radius is None
        return
    assert solution.gap < 1e-10 and solution.is_inside
    assert np.linalg.norm(solution.point) <= p.diameter / 2
    assert solution.loss == p.mean_loss(solution.point)[0]


@pytest.mark.parametrize("name", sgd.DATASETS)
@pytest.mark.parametrize("radius", [1.0, 10.0, None])
def test_minimisers_of_real_data_are_proven(name, radius):
    data = sgd.load_dataset(name)
    kinds = ("hinge", "logistic") if data.classes else ("absolute", "squares", "huber")
    for kind in kinds:
        p = sgd.table_problem(kind, data.features, data.targets, radius=radius)
        if p.solution.claim == "minimiser":
            assert p.solution.gap < 1e-10, kind
        else:
            assert kind == "logistic" and radius is None


def test_minimisers_agree_with_other_solvers():
    from scipy.optimize import minimize
    from sklearn.linear_model import LogisticRegression, QuantileRegressor

    data = sgd.load_dataset("diabetes")
    p = sgd.table_problem("absolute", data.features, data.targets, radius=None)
    median = QuantileRegressor(alpha=0, fit_intercept=False).fit(p.features, p.targets)
    assert p.solution.loss <= p.mean_loss(median.coef_)[0] + 1e-12
    squares = replace(p, kind="squares")
    direct = np.linalg.lstsq(p.features, p.targets, rcond=None)[0]
    np.testing.assert_allclose(squares.solution.point, direct, atol=1e-6)
    iris = sgd.load_dataset("iris")
    how = sgd.Preparation(positive=1.0)
    logistic = sgd.table_problem("logistic", iris.features, iris.targets, how, None)
    reference = LogisticRegression(C=np.inf, fit_intercept=False, tol=1e-10)
    reference.fit(logistic.features, logistic.targets)
    np.testing.assert_allclose(logistic.solution.point, reference.coef_[0], atol=1e-3)
    assert logistic.solution.loss <= logistic.mean_loss(reference.coef_)[0] + 1e-14
    ball = made("huber", 3, 0.4)
    found = minimize(
        lambda theta: ball.mean_loss(theta)[0],
        np.zeros(3),
        method="SLSQP",
        constraints={"type": "ineq", "fun": lambda theta: 0.16 - theta @ theta},
        options={"ftol": 1e-14},
    )
    np.testing.assert_allclose(ball.solution.point, found.x, atol=1e-5)


def test_one_dimensional_median_is_exact():
    p = sgd.Problem("absolute", np.ones((5, 1)), np.array([5.0, -1, 2, 7, 3]))
    assert p.solution.point[0] == 3 and p.solution.loss == 2.2
    assert replace(p, radius=1.0).solution.point[0] == 1


def test_points_without_data():
    assert sgd.one_point("norm", 3).solution.loss == 0
    wells = sgd.one_point("double_well", 2, 1.0)
    np.testing.assert_allclose(wells.solution.point, np.sqrt([0.5, 0.5]))
    assert made("cauchy").solution.claim == "best_known"
    assert math.isnan(made("sigmoid").solution.gap)
    negative = sgd.Problem("noisy_norm", np.zeros((1, 2)), -np.ones(1))
    assert negative.solution.claim == "not_attained"
    assert replace(negative, radius=2.0).solution.loss == -2


def test_best_known_point_beats_a_grid():
    for kind in ("cauchy", "sigmoid"):
        p = made(kind)
        axis = np.linspace(-1, 1, 101)
        grid = p.project(np.stack(np.meshgrid(axis, axis), -1).reshape(-1, 2))
        assert p.solution.loss <= p.mean_loss(grid).min() + 1e-6


def test_chosen_comparator_knows_whether_it_is_inside():
    p = made("absolute")
    assert p.comparator([1.0, 0]).is_inside and not p.comparator([1.0, 0.1]).is_inside
    with pytest.raises(ValueError, match="point must be 2 finite numbers"):
        p.comparator([1.0])


# --- Paths against references ---------------------------------------------------------------------


def naive_run(p, eta, settings):
    """The algorithm as it is written: one seed, one step, one sample at a time."""
    blocks = sgd.sample_blocks(p.n_samples, settings)
    drawn = np.concatenate([next(blocks) for _ in range(-(-len(eta) // 512))])
    paths = []
    for seed in range(settings.n_seeds):
        theta = p.project(np.zeros(p.dim) if settings.start is None else np.array(settings.start))
        path = [theta[0]]
        for t, step in enumerate(eta):
            g = p.subgradient(theta, drawn[t, :, seed][None])
            theta = p.project(theta - step * g)
            path.append(theta[0])
        paths.append(path)
    return np.array(paths), drawn


@pytest.mark.parametrize("batch", [1, 3])
@pytest.mark.parametrize("radius", [0.5, None])
@pytest.mark.parametrize("kind", sgd.KINDS)
def test_run_agrees_with_the_loop_as_written(kind, radius, batch):
    p = made(kind, 3, radius, n_samples=20)
    settings = sgd.Settings(60, 2, batch, n_records=60, start=(0.2, -0.3, 0.1), seed=5)
    eta = q.inverse_sqrt(60, 0.4)
    paths, drawn = naive_run(p, eta, settings)
    run = sgd.run(p, eta, settings)
    np.testing.assert_allclose(run.iterate, paths[:, -1], atol=1e-11)
    star = p.solution.point[None]
    regrets = np.array(
        [
            [
                p.losses(path[t][None], drawn[t, :, s][None])[0]
                - p.losses(star, drawn[t, :, s][None])[0]
                for t in range(60)
            ]
            for s, path in enumerate(paths)
        ]
    ).T  # (n_steps, n_seeds)
    counts = np.arange(1, 61)[:, None]
    average = np.cumsum(paths[:, :60], axis=1) / counts
    weighted = np.cumsum(eta[:, None] * paths[:, :60], axis=1) / np.cumsum(eta)[:, None]
    expected = {
        "average_regret": np.cumsum(regrets, axis=0) / counts,
        "weighted_regret": np.cumsum(eta[:, None] * regrets, axis=0) / np.cumsum(eta)[:, None],
        "distance": np.linalg.norm(paths[:, :60] - star, axis=2).T,
        "last_gap": np.array([p.mean_loss(x[:60]) for x in paths]).T - p.solution.loss,
        "average_gap": np.array([p.mean_loss(x) for x in average]).T - p.solution.loss,
        "weighted_gap": np.array([p.mean_loss(x) for x in weighted]).T - p.solution.loss,
    }
    assert run.steps.tolist() == list(range(1, 61))
    for name, values in expected.items():
        np.testing.assert_allclose(getattr(run, name), values, atol=1e-10, err_msg=name)
    np.testing.assert_allclose(run.average, average[:, -1], atol=1e-11)
    np.testing.assert_array_equal(run.eta_at[:, 0], eta)


def test_path_agrees_with_torch():
    import torch

    p = made("squares", 3, None, n_samples=40)
    eta = q.cosine(100, 0.7)
    trace = sgd.trace(p, eta, sgd.Settings(100, 1, order="cyclic"))
    theta = torch.zeros(3, dtype=torch.float64, requires_grad=True)
    optimizer = torch.optim.SGD([theta], lr=1.0)
    features, targets = torch.tensor(p.features), torch.tensor(p.targets)
    for t, step in enumerate(eta):
        np.testing.assert_allclose(trace.iterates[t], theta.detach().numpy(), atol=1e-13)
        optimizer.param_groups[0]["lr"] = float(step)
        optimizer.zero_grad()
        loss = (features[t % 40] @ theta - targets[t % 40]) ** 2 / 2
        loss.backward()
        optimizer.step()
        assert trace.losses[t] == pytest.approx(loss.item(), abs=1e-14)


@pytest.mark.parametrize("rate", ["constant", "invscaling"])
@pytest.mark.parametrize("kind", ["squares", "huber", "absolute", "hinge", "logistic"])
def test_path_agrees_with_scikit_learn(kind, rate):
    from sklearn.linear_model import SGDClassifier, SGDRegressor

    p = made(kind, 4, None, n_samples=50)
    loss = {
        "squares": "squared_error",
        "huber": "huber",
        "absolute": "epsilon_insensitive",
        "hinge": "hinge",
        "logistic": "log_loss",
    }[kind]
    common = {
        "loss": loss,
        "penalty": None,
        "fit_intercept": False,
        "max_iter": 3,
        "tol": None,
        "shuffle": False,
        "learning_rate": rate,
        "eta0": 0.1,
        "power_t": 0.5,
        "epsilon": 1.0 if kind == "huber" else 0.0,
    }
    model = (SGDClassifier if kind in sgd.CLASSIFICATION else SGDRegressor)(**common)
    model.fit(p.features, p.targets)
    eta = q.constant(150, 0.1) if rate == "constant" else q.inverse_sqrt(150, 0.1)
    run = sgd.run(p, eta, sgd.Settings(150, 1, order="cyclic"))
    np.testing.assert_allclose(run.iterate[0], np.ravel(model.coef_), atol=1e-8)


def test_adagrad_norm_run_agrees_with_its_rule():
    p = made("absolute", 2)
    settings = sgd.Settings(80, 3, n_records=80)
    run = sgd.run(p, q.AdaGradNorm(2.0), settings)
    trace = sgd.trace(p, q.AdaGradNorm(2.0), settings, 1)
    norms = np.linalg.norm(trace.gradients, axis=1)
    np.testing.assert_allclose(trace.eta, q.AdaGradNorm(2.0).steps(norms), rtol=1e-12)
    np.testing.assert_allclose(run.eta_at[:, 1], trace.eta, rtol=1e-12)
    np.testing.assert_allclose(run.sum_squares[:, 1], np.cumsum(norms**2), rtol=1e-12)
    still = sgd.run(sgd.one_point("norm"), q.AdaGradNorm(1.0), sgd.Settings(5, 2))
    assert np.all(still.eta_at == 0) and np.all(still.average_regret == 0)


# --- Runs of the posts ----------------------------------------------------------------------------


def test_tight_case():
    p = sgd.one_point("norm", kink=1)
    settings = sgd.Settings(64, 1, start=(1.0,))
    run = sgd.run(p, q.constant(64, 1 / 8), settings)
    assert run.average_regret[-1, 0] == 0.125
    path = sgd.trace(p, q.constant(64, 1 / 8), settings).iterates[:, 0]
    assert path[:9].tolist() == [1 - k / 8 for k in range(9)]
    assert path[8:13].tolist() == [0, -0.125, 0, -0.125, 0]
    assert path[63] == -0.125
    assert run.average[0, 0] == 0.015625


@pytest.mark.parametrize(
    ("eta", "path", "average"),
    [(0.5, [1, 0.5, 0, -0.5, 0, -0.5], 0.4166667), (0.3, [1, 0.7, 0.4, 0.1, -0.2, 0.1], 0.4166667)],
)
def test_short_paths_on_the_absolute_value(eta, path, average):
    p = sgd.one_point("norm", kink=1)
    settings = sgd.Settings(6, 1, start=(1.0,))
    trace = sgd.trace(p, q.constant(6, eta), settings)
    np.testing.assert_allclose(trace.iterates[:6, 0], path, atol=1e-15)
    assert trace.losses.mean() == pytest.approx(average, abs=5e-8)


def test_strongly_convex_toy_is_the_running_mean():
    x = [3.0, -1, 4, 1, -5, 9]
    trace = sgd.trace(
        sgd.centre_problem(x),
        q.inverse_time(6, 1),
        sgd.Settings(6, 1, order="cyclic", start=(7.0,)),
    )
    expected = np.cumsum(x) / np.arange(1, 7)
    np.testing.assert_allclose(trace.iterates[1:, 0], expected, rtol=1e-14)
    np.testing.assert_allclose(expected, [3, 1, 2, 1.75, 0.4, 1.8333333], atol=5e-8)


@pytest.mark.parametrize("eta", [0.01, 0.1, 0.5, 1, 1.9])
def test_stationary_variance_on_a_quadratic(eta, rng):
    x = rng.standard_normal(4000)
    p = sgd.centre_problem((x - x.mean()) / x.std())  # theta^2/2 with unit noise on the gradient
    run = sgd.run(p, q.constant(2000, eta), sgd.Settings(2000, 500))
    # standard error of a variance from 500 runs: sqrt(2/500) = 6.3 %
    assert run.iterate.var() == pytest.approx(eta / (2 - eta), rel=0.22)
    if eta >= 0.1:  # averaging makes the step almost irrelevant
        assert 2000 * run.average.var() == pytest.approx(1, rel=0.22)


def test_sign_flips_reproduce_the_reported_means():
    p, T = sgd.one_point("noisy_norm"), 1000
    settings = sgd.Settings(T, 500, start=(1.0,))
    # reported means over seeds; heavy tails: standard errors reach a tenth of the value
    for eta, last, average in (
        (q.constant(T, T**-0.5), 0.01463, 0.01858),
        (q.inverse_sqrt(T, 1.0), 0.00405, 0.00241),
    ):
        run = sgd.run(p, eta, settings)
        assert run.last_gap[-1].mean() == pytest.approx(last, rel=0.3)
        assert run.average_gap[-1].mean() == pytest.approx(average, rel=0.3)
    decay = sgd.run(p, q.linear_decay(T, T**-0.5), settings)
    assert decay.last_gap[-1].mean() == pytest.approx(0.00012, abs=0.00003)


def test_gap_falls_like_one_over_root_t():
    p = made("absolute", 2)
    counts = np.array([100, 400, 1600, 6400])
    gaps = []
    for T in counts:
        run = sgd.run(p, q.best_constant(int(T), 2, 1), sgd.Settings(int(T), 200, n_records=24))
        gaps.append(run.average_regret[-1].mean())
    assert np.polyfit(np.log(counts), np.log(gaps), 1)[0] == pytest.approx(-0.5, abs=0.05)


# --- Order, records, traces -----------------------------------------------------------------------


@pytest.mark.parametrize("order", sgd.ORDERS)
@pytest.mark.parametrize(("n", "batch"), [(7, 1), (7, 10), (3000, 2), (1, 1)])
def test_samples_do_not_depend_on_the_number_of_seeds(order, n, batch):
    many = sgd.sample_blocks(n, sgd.Settings(10, 5, batch, order, 3))
    one = sgd.sample_blocks(n, sgd.Settings(999, 1, batch, order, 3, first_run=4))
    for _ in range(3):
        block, alone = next(many), next(one)
        assert block.shape == (512, batch, 5) and block.min() >= 0 and block.max() < n
        np.testing.assert_array_equal(block[:, :, 4:], alone)


def test_shuffled_passes_are_permutations_and_cyclic_is_in_order():
    blocks = sgd.sample_blocks(96, sgd.Settings(1, 3, 3, "shuffled"))
    drawn = np.concatenate([next(blocks), next(blocks)]).reshape(-1, 3)
    for start in range(0, len(drawn) - 96, 96):
        part = drawn[start : start + 96]
        assert np.all(np.sort(part, axis=0) == np.arange(96)[:, None])
    assert np.any(drawn[:96, 0] != drawn[:96, 1])
    cyclic = next(sgd.sample_blocks(5, sgd.Settings(1, 2, 2, "cyclic")))
    assert cyclic.reshape(-1, 2)[:7, 0].tolist() == [0, 1, 2, 3, 4, 0, 1]


def test_random_samples_are_uniform():
    drawn = next(sgd.sample_blocks(4, sgd.Settings(1, 100)))
    share = np.bincount(drawn.ravel()) / drawn.size
    assert np.abs(share - 0.25).max() < 4 * math.sqrt(0.1875 / drawn.size)


def test_shorter_runs_and_fewer_seeds_are_parts_of_longer_ones():
    p = made("hinge", 2)
    long = sgd.run(p, q.constant(700, 0.1), sgd.Settings(700, 6, n_records=700))
    short = sgd.run(p, q.constant(600, 0.1), sgd.Settings(600, 3, n_records=600))
    np.testing.assert_allclose(short.last_gap, long.last_gap[:600, :3], atol=1e-12)
    np.testing.assert_allclose(short.average_regret, long.average_regret[:600, :3], atol=1e-12)


@pytest.mark.parametrize("kind", ["absolute", "centre", "norm"])
@pytest.mark.parametrize("batch", [1, 3])
def test_trace_is_one_seed_of_the_run(kind, batch):
    p = made(kind, 3)
    settings = sgd.Settings(600, 4, batch, n_records=600, start=(0.5, 0, 0))
    eta = q.inverse_sqrt(600, 1)
    run, trace = sgd.run(p, eta, settings), sgd.trace(p, eta, settings, 2)
    np.testing.assert_allclose(trace.iterates[-1], run.iterate[2], atol=1e-12)
    np.testing.assert_allclose(trace.averages[-1], run.average[2], atol=1e-12)
    regret = np.cumsum(trace.losses - trace.star_losses) / np.arange(1, 601)
    np.testing.assert_allclose(regret, run.average_regret[:, 2], atol=1e-12)
    np.testing.assert_allclose(p.project(trace.moved), trace.iterates[1:], atol=1e-15)
    assert np.linalg.norm(trace.iterates, axis=1).max() <= 1 + 1e-15


def test_records_are_thinned_and_complete():
    steps = sgd.recorded_steps(100_000, 300)
    assert steps[0] == 1 and steps[-1] == 100_000
    assert np.all(np.diff(steps) > 0) and 200 <= len(steps) <= 302
    assert sgd.recorded_steps(1).tolist() == [1]
    assert sgd.recorded_steps(10, 1)[-1] == 10
    run = sgd.run(made("norm"), q.constant(5000, 0.1), sgd.Settings(5000, 2))
    assert run.gradient_rms.shape == (5000,) and run.n_done == 5000


def test_stream_reports_progress_and_can_be_left():
    seen = []
    for run in sgd.stream(made("hinge"), q.constant(2000, 0.1), sgd.Settings(2000, 3)):
        seen.append(run.n_done)
        assert run.steps[-1] <= run.n_done and len(run.steps) == len(run.last_gap)
        if run.n_done >= 1000:
            break
    assert seen == [512, 1024]


def test_gradient_norms_are_those_of_the_gradients():
    p = made("squares", 2)
    settings = sgd.Settings(50, 3, n_records=50)
    run = sgd.run(p, q.constant(50, 0.1), settings)
    norms = [
        np.linalg.norm(sgd.trace(p, q.constant(50, 0.1), settings, s).gradients, axis=1)
        for s in range(3)
    ]
    np.testing.assert_allclose(run.gradient_rms, np.sqrt(np.mean(np.square(norms), axis=0)))
    np.testing.assert_allclose(run.gradient_max, np.max(norms, axis=0))
    np.testing.assert_allclose(run.max_gradient[-1], np.max(norms, axis=1))


def test_refining_a_run_improves_its_last_loss():
    p = made("absolute", 4, None, noise=0.5)
    settings = sgd.Settings(2000, 50)
    first = sgd.run(p, q.best_constant(2000, 0.7, 1), settings)
    eta = q.refined_last_iterate(q.smoothed_norms(first.gradient_rms, 51), 0.7)
    second = sgd.run(p, eta, settings)
    assert second.last_gap[-1].mean() < 0.5 * first.last_gap[-1].mean()


# --- Divergence -----------------------------------------------------------------------------------


def test_divergence_is_reported_with_its_step():
    p = sgd.centre_problem([1.0])
    # theta_t = 1 - (-9)^(t-1), past 1e100 first at t = 106: 105 ln 9 = 230.7 > 100 ln 10 = 230.26
    run = sgd.run(p, q.constant(1000, 10.0), sgd.Settings(1000, 3))
    assert run.died_at.tolist() == [106] * 3
    trace = sgd.trace(p, q.constant(1000, 10.0), sgd.Settings(1000, 3))
    assert trace.died_at == 106 and len(trace.iterates) == 105
    assert np.all(np.isfinite(trace.iterates))
    late = run.steps >= 106
    assert np.all(np.isnan(run.last_gap[late])) and np.all(np.isfinite(run.last_gap[~late]))
    assert run.n_done < 1000


def test_only_the_diverging_seeds_die():
    p = sgd.Problem("quartic", np.ones((2, 1)), np.array([0.0, 2.6]))
    run = sgd.run(p, q.constant(400, 0.15), sgd.Settings(400, 40, seed=1))
    dead = run.died_at > 0
    assert 0 < dead.sum() < 40
    assert np.all(np.isfinite(run.average_regret[-1, ~dead]))
    assert np.all(np.isnan(run.average_regret[-1, dead]))
    assert np.all(np.isfinite(run.gradient_rms))


def test_a_ball_keeps_every_step_size_finite():
    for kind in ("squares", "quartic", "double_well"):
        run = sgd.run(made(kind), q.constant(300, 1e6), sgd.Settings(300, 5))
        assert np.all(run.died_at == 0)
        assert np.linalg.norm(run.iterate, axis=1).max() <= 1 + 1e-15


# --- Adversaries ----------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", sgd.ADVERSARIES)
def test_adversary_regret_agrees_with_its_trace(kind):
    adversary = sgd.Adversary(kind, 3, 0.5, 2.0)
    settings = sgd.Settings(300, 3, n_records=10)
    eta = q.inverse_sqrt(300, 0.3)
    run, trace = sgd.run(adversary, eta, settings), sgd.trace(adversary, eta, settings, 1)
    np.testing.assert_allclose(np.linalg.norm(trace.gradients, axis=1), 2, rtol=1e-12)
    regret = (trace.losses - trace.star_losses).mean()
    assert run.average_regret[-1, 1] == pytest.approx(regret, abs=1e-12)
    assert np.linalg.norm(trace.star) <= 0.5 * (1 + 1e-12)
    np.testing.assert_allclose(np.sum(trace.gradients * trace.iterates[:-1], axis=1), trace.losses)
    if kind == "orthogonal":
        assert np.abs(trace.losses).max() < 1e-12
        growth = np.linalg.norm(np.cumsum(trace.gradients, axis=0), axis=1)
        assert np.all(growth >= 2 * np.sqrt(np.arange(1, 301)) * (1 - 1e-9))
    assert np.all(np.isnan(run.last_gap))


# --- Data and input -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "shape", "n_classes"),
    [("diabetes", (442, 10), 0), ("breast_cancer", (569, 30), 2), ("iris", (150, 4), 3)],
)
def test_assets_are_those_of_scikit_learn(name, shape, n_classes):
    from training.sgd_data import bundled_sets

    data = sgd.load_dataset(name)
    assert data.features.shape == shape and len(data.classes) == n_classes
    assert len(data.names) == shape[1] and data.features.dtype == np.float32
    bunch = bundled_sets()[name]
    np.testing.assert_array_equal(data.features, bunch.data.astype(np.float32))
    np.testing.assert_array_equal(data.targets, bunch.target.astype(np.float32))
    with pytest.raises(ValueError, match="read-only"):
        data.features[0, 0] = 1


def test_preparation():
    data = sgd.load_dataset("iris")
    how = sgd.Preparation(columns=(2, 3), positive=2.0)
    p = sgd.table_problem("hinge", data.features, data.targets, how)
    assert p.features.shape == (150, 3) and np.all(p.features[:, 2] == 1)
    np.testing.assert_allclose(p.features[:, :2].mean(axis=0), 0, atol=1e-12)
    np.testing.assert_allclose(p.features[:, :2].std(axis=0), 1)
    assert np.sum(p.targets == 1) == 50
    raw = sgd.Preparation(standardise=False, intercept=False)
    same = sgd.table_problem("squares", data.features, data.targets, raw)
    np.testing.assert_array_equal(same.features, data.features)
    constant = sgd.standardised(np.full((5, 1), 0.1))
    assert np.all(constant == 0)
    one_row = sgd.table_problem("squares", [[1.0, 2.0]], [3.0])
    assert np.all(one_row.features[:, :2] == 0) and one_row.solution.loss == 0


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: made("cubic"), "kind must be one of norm"),
        (lambda: made("norm", 0), "dim must be a whole number in 1..64, got 0"),
        (lambda: made("norm", 65), "got 65"),
        (lambda: made("absolute", noise=-1), "noise and norm must be >= 0"),
        (lambda: made("norm", radius=0), "radius must be in"),
        (lambda: made("norm", radius=math.nan), "radius must be in"),
        (lambda: sgd.one_point("norm", kink=2), "kink must be one of 0, 1, got 2"),
        (lambda: sgd.one_point("hinge"), "kind must be one of norm, noisy_norm, double_well"),
        (lambda: sgd.Problem("hinge", np.ones((2, 1)), np.zeros(2)), "targets must be -1 or"),
        (lambda: sgd.Problem("squares", np.ones((2, 1)), np.zeros(3)), "features must have shape"),
        (lambda: sgd.Problem("squares", np.ones((2, 65)), np.zeros(2)), "1 .. 64, got 65"),
        (lambda: sgd.centre_problem([1, math.nan]), r"got nan at index \(1, 0\)"),
        (lambda: sgd.table_problem("squares", [[math.inf]], [1.0]), "features must be within"),
        (lambda: sgd.table_problem("squares", [[1.0]], [math.nan]), "targets must be within"),
        (lambda: sgd.table_problem("hinge", [[1.0], [2.0]], [3.0, 3.0]), "at least two classes"),
        (
            lambda: sgd.table_problem(
                "hinge", [[1.0], [2.0]], [0, 1], sgd.Preparation(positive=5.0)
            ),
            "positive must be one of 0.0, 1.0, got 5.0",
        ),
        (
            lambda: sgd.table_problem("squares", [[1.0]], [1.0], sgd.Preparation(columns=(1,))),
            "columns must be one of 0, got 1",
        ),
        (lambda: sgd.load_dataset("boston"), "name must be one of diabetes"),
        (lambda: sgd.Settings(0), "n_steps must be a whole number in 1..100000, got 0"),
        (lambda: sgd.Settings(100_001), "got 100001"),
        (lambda: sgd.Settings(n_seeds=501), "n_seeds must be a whole number in 1..500, got 501"),
        (lambda: sgd.Settings(batch_size=0), "batch_size"),
        (lambda: sgd.Settings(order="sorted"), "order must be one of random"),
        (lambda: sgd.Adversary("friendly"), "kind must be one of orthogonal"),
        (lambda: sgd.Adversary("orthogonal", 1), "dim must be >= 2 for orthogonal"),
        (lambda: sgd.Adversary("anti_iterate", gradient_norm=0), "gradient_norm must be in"),
        (lambda: sgd.run(made("norm"), [1.0, 1.0], sgd.Settings(3)), "n_steps = 3 entries, got 2"),
        (
            lambda: sgd.run(made("norm"), [1.0], sgd.Settings(1, start=(1.0,))),
            "start must be 2 numbers",
        ),
        (
            lambda: sgd.trace(made("norm"), [1.0], sgd.Settings(1, 3), 3),
            "seed_number must be a whole number in 0..2, got 3",
        ),
    ],
)
def test_bad_input_is_named(call, message):
    with pytest.raises(ValueError, match=message):
        call()


def test_start_outside_is_projected_first():
    trace = sgd.trace(made("norm"), [0.1], sgd.Settings(1, 1, start=(3.0, 4.0)))
    np.testing.assert_allclose(trace.iterates[0], [0.6, 0.8])


# --- Cost -----------------------------------------------------------------------------------------


def test_a_large_run_needs_little_memory():
    p = made("absolute", 16)
    p.solution  # noqa: B018
    settings = sgd.Settings(3000, 300, n_records=50)
    tracemalloc.start()
    sgd.run(p, q.constant(3000, 0.1), settings)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 100e6  # all iterates would be 115 MB, with gradients 230
