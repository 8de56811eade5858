"""Bounds: the tables of the posts, the identities, and that no run exceeds what must hold."""

import functools
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from models import sgd
from models import sgd_bounds as b
from models import sgd_schedules as q

# --- Values ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(("eta", "expected"), [(0.2, 0.2), (0.1, 0.25), (0.4, 0.25)])
def test_constant_choices(eta, expected):
    assert b.core(q.constant(100, eta), 2, 1, [100]).total[0] == pytest.approx(expected, abs=1e-14)
    assert b.constant_bound([100], eta, 2, 1).total[0] == pytest.approx(expected, abs=1e-14)
    assert b.best_constant_bound([100], 2, 1)[0] == pytest.approx(0.2, abs=1e-15)


@pytest.mark.parametrize(
    ("alpha", "exact", "loose"),
    [(2, 0.28589604, 0.3), (math.sqrt(2), 0.27286971, 0.28284271), (1, 0.29294802, 0.3)],
)
def test_inverse_sqrt_choices(alpha, exact, loose):
    assert b.core(q.inverse_sqrt(100, alpha), 2, 1, [100]).total[0] == pytest.approx(
        exact, abs=5e-9
    )
    assert b.inverse_sqrt_loose([100], alpha, 2, 1).total[0] == pytest.approx(loose, abs=5e-9)
    assert q.inverse_sqrt(100, 1).sum() == pytest.approx(18.58960382, abs=5e-9)


@pytest.mark.parametrize(
    ("T", "exact", "loose"),
    [(10, 4.091638, 4.243416), (100, 14.294802, 14.5), (1000, 46.711893, 46.934165)],
)
def test_zinkevich_totals(T, exact, loose):
    core = b.core(q.inverse_sqrt(T, 1), 1, 1, [T]).total[0]
    assert T * core == pytest.approx(exact, abs=5e-7)
    assert b.zinkevich_total([T], 1, 1)[0] == pytest.approx(loose, abs=5e-7)
    textbook = b.textbook_total([T], 3, 2)[0]
    assert b.core(q.inverse_sqrt(T, 3 / 2), 3, 2, [T]).total[0] * T <= textbook


# T: average const, average 1/sqrt t, unbounded 1/sqrt t, weighted, last const (loose),
# last 1/sqrt t, linear decay eq. 10 (loose), linear decay best, const under eq. 10, strongly convex
TABLE = {
    10: "316228 409164 621224 391254 619839 655941 1210826 697836 894427 669572 618787 165129",
    100: "100000 142948 309369 166420 248683 257005 617738 214707 282843 203608 248543 028026",
    1000: "031623 046712 134167 068652 092138 094381 268303 067216 089443 063434 092111 003954",
    10**4: "010000 014927 053938 027167 032850 033482 107875 021219 028284 020008 032844 000511",
    10**6: "001000 001499 007696 003851 003924 003977 015393 002121 002828 002000 003923 000007",
}


@pytest.mark.parametrize("T", TABLE)
def test_table_of_bounds(T):
    root, at = q.inverse_sqrt(T, 1), [T]
    decay = q.linear_decay(T, q.best_linear_decay_scale(T, 1, 1))
    one = q.constant(T, 1)
    loose_eta = float(b.best_last_constant(at, 1, 1)[0])
    values = [
        b.best_scale(b.core(one, 1, 1, at))[1][0],
        b.core(root, 1, 1, at).total[0],
        b.unbounded_average(root, 1, 1, at).total[0],
        b.weighted_average(root, 1, 1, at).total[0],
        b.last_iterate(loose_eta * one, 1, 1, at).total[0],
        b.last_iterate_constant_loose(at, loose_eta, 1, 1).total[0],
        b.last_iterate(root, 1, 1, at).total[0],
        b.eq10(decay, 1, 1, at).total[0],
        b.linear_decay_loose(at, q.best_linear_decay_scale(T, 1, 1), 1, 1).total[0],
        b.best_scale(b.eq10(decay, 1, 1, at))[1][0],
        b.best_scale(b.eq10(one, 1, 1, at))[1][0],
        b.strongly_convex(1, 1, at).total[0],
    ]
    # under a constant step the two last-iterate bounds are one; column 5 has the loose one's step
    assert b.best_scale(b.last_iterate(one, 1, 1, at))[1][0] == pytest.approx(values[10])
    expected = [int(cell) * 1e-6 for cell in TABLE[T].split()]
    np.testing.assert_allclose(values, expected, atol=5.1e-7)


def test_adagrad_norm_vector():
    g = np.array([1.0, 2, 3, 4])
    eta = q.AdaGradNorm(1.0).steps(g)
    assert b.core(eta, 1, g, [4]).total[0] == pytest.approx(1.6990773, abs=5e-8)
    assert b.adagrad_norm([30.0], 1, [4])[0] == pytest.approx(2.0539596, abs=5e-8)
    assert b.hindsight([30.0], 1, [4])[0] == pytest.approx(1.3693064, abs=5e-8)


@pytest.mark.parametrize(
    ("T", "expected"), [(10, 1.1914), (64, 1.0448), (100, 1.0309), (1000, 1.0042)]
)
def test_schedule_only_form_on_linear_decay(T, expected):
    eta = q.linear_decay_to_zero(T, 1 / math.sqrt(T))
    assert b.schedule_only(eta, 1, 1).total[0] * math.sqrt(T) == pytest.approx(expected, abs=5e-5)


def test_weights_reach_the_rate_of_the_average():
    w = q.best_constant(64, 2, 3)
    assert b.from_weights_bound(w, 2, 3) == pytest.approx(2 * 3 / 8)
    np.testing.assert_allclose(q.from_weights(w), q.linear_decay_to_zero(64, 2 / 24), atol=1e-16)


def test_inverse_square_weights_are_the_best(rng):
    g = rng.uniform(0.5, 4, 30)
    best = q.inverse_square(g, 2)
    least = b.from_weights_bound(best, 2, g)
    assert least == pytest.approx(2 / math.sqrt(np.sum(g**-2)))
    for _ in range(20):
        assert b.from_weights_bound(best * rng.uniform(0.5, 2, 30), 2, g) >= least


@pytest.mark.parametrize("name", ["constant", "cosine", "linear_decay_to_zero", "warmup_decay"])
def test_weights_are_found_again_and_their_bound_is_the_best_known(name, rng):
    eta = q.SCALED[name](60, 0.2)
    w, bound = b.weights_of_schedule(eta, 1.5, 1)
    eta = np.append(eta[:-1], 0)
    np.testing.assert_allclose(q.from_weights(w), eta, rtol=1e-4, atol=1e-12)
    assert bound == b.from_weights_bound(w, 1.5, 1)
    assert bound <= b.schedule_only(eta, 1.5, 1).total[0]


def test_weights_of_linear_decay_are_constant_and_reach_the_rate():
    w, bound = b.weights_of_schedule(q.linear_decay_to_zero(100, 0.1), 1, 1)
    np.testing.assert_allclose(w[:90], 0.1, rtol=1e-3)
    assert bound == pytest.approx(0.1, rel=1e-3)
    with pytest.raises(ValueError, match="not all 0 before the last"):
        b.weights_of_schedule([1.0], 1, 1)


def test_linear_decay_beats_the_best_constant_from_18_on():
    for T in range(2, 40):
        decay = b.best_scale(b.eq10(q.linear_decay(T, 1), 1, 1, [T]))[1][0]
        flat = b.best_scale(b.eq10(q.constant(T, 1), 1, 1, [T]))[1][0]
        assert (decay < flat) == (T >= 18)


# --- Laws -----------------------------------------------------------------------------------------

numbers = arrays(np.float64, st.integers(1, 60), elements=st.floats(-100, 100))


@given(numbers)
def test_last_value_identity(values):
    left, right = b.last_value_identity(values)
    assert right == pytest.approx(left, abs=1e-10)
    T = len(values)
    literal = values.mean() + sum(
        np.sum(values[T - k - 1 :] - values[T - k - 1]) / (k * (k + 1)) for k in range(1, T)
    )
    assert literal == pytest.approx(left, abs=1e-10)


@given(numbers, st.integers(0, 2**32))
def test_weighted_identity(values, seed):
    weights = np.random.default_rng(seed).uniform(0.1, 10, len(values))
    left, right = b.weighted_identity(values, weights)
    assert right == pytest.approx(left, abs=1e-9)


def naive(name, eta, D, g, T):
    """The formulas as they are written, term by term."""
    e, G2 = eta[:T], g[:T] ** 2
    if name == "core":
        return D**2 / (2 * T * e[-1]) + sum(e * G2) / (2 * T)
    if name == "unbounded_average":
        return D**2 / (2 * T * e[-1]) + sum(e**2 * G2) / (2 * T * e[-1])
    if name == "weighted_average":
        return (D**2 + sum(e**2 * G2)) / (2 * sum(e))
    if name == "last_iterate":
        tail = sum(e[t - 1] ** 2 / e[-1] * G2[t - 1] / (T - t) for t in range(1, T))
        return D**2 / (2 * T * e[-1]) + G2[-1] * e[-1] / 2 + tail / 2
    noise = sum(e[t - 1] ** 2 * G2[t - 1] / sum(e[min(t + 1, T) - 1 :]) for t in range(1, T + 1))
    return D**2 / (2 * sum(e)) + noise / 2


@pytest.mark.parametrize(
    "name", ["core", "unbounded_average", "weighted_average", "last_iterate", "eq10"]
)
def test_fast_bounds_agree_with_the_formulas(name, rng):
    eta, g = rng.uniform(0.1, 2, 25), rng.uniform(0.5, 3, 25)
    terms = getattr(b, name)(eta, 1.7, g)
    assert terms.steps.tolist() == list(range(1, 26))
    expected = [naive(name, eta, 1.7, g, T) for T in range(1, 26)]
    np.testing.assert_allclose(terms.total, expected, rtol=1e-12)
    assert np.all(terms.distance >= 0) and np.all(terms.noise >= 0)


def test_schedule_only_agrees_with_its_formula_and_is_looser_than_its_weights(rng):
    eta = np.append(np.sort(rng.uniform(0.1, 1, 9))[::-1], 0)
    g = rng.uniform(0.5, 3, 10)
    expected = 4 / (4 * eta.sum()) + eta[8] / 2 * (g[8] ** 2 + g[9] ** 2)
    expected += sum(eta[t] ** 2 * g[t] ** 2 / (4 * eta[t + 1 :].sum()) for t in range(8))
    assert b.schedule_only(eta, 2, g).total[0] == pytest.approx(expected)
    for T in (3, 10, 100):
        w = q.best_constant(T, 1, 1)
        loose = b.schedule_only(q.from_weights(w), 1, 1).total[0]
        assert loose >= b.from_weights_bound(w, 1, 1)


def test_best_scale_is_the_minimum():
    eta = q.cosine(50, 1)
    for bound in (b.core, b.eq10, b.last_iterate, b.weighted_average, b.unbounded_average):
        factor, least = b.best_scale(bound(eta, 2, 3, [50]))
        assert bound(factor[0] * eta, 2, 3, [50]).total[0] == pytest.approx(least[0])
        for other in (0.9, 1.1):
            assert bound(other * factor[0] * eta, 2, 3, [50]).total[0] > least[0]


def test_rates_by_slope():
    T = np.array([10**3, 10**4, 10**5, 10**6])

    def slope(values):
        return np.polyfit(np.log(T), np.log(values), 1)[0]

    assert slope(b.best_constant_bound(T, 2, 1)) == pytest.approx(-0.5, abs=1e-12)
    assert slope(b.core(q.inverse_sqrt(10**6, 1), 1, 1, T).total) == pytest.approx(-0.5, abs=0.01)
    decay = [b.best_scale(b.eq10(q.linear_decay(t, 1), 1, 1, [t]))[1][0] for t in T[:3].tolist()]
    assert np.polyfit(np.log(T[:3]), np.log(decay), 1)[0] == pytest.approx(-0.5, abs=0.01)
    # the logarithm in the last-iterate bound of a constant step makes it slower than -1/2
    loose = [
        b.last_iterate_constant_loose([t], float(b.best_last_constant([t], 1, 1)[0]), 1, 1)
        for t in T
    ]
    assert -0.49 < slope(np.array([terms.total[0] for terms in loose])) < -0.45
    assert -0.95 < slope(b.strongly_convex(1, 1, T).total) < -0.88


def test_a_step_of_zero_makes_bounds_infinite_not_wrong():
    eta = q.linear_decay_to_zero(10, 1)
    for bound in (b.core, b.unbounded_average, b.last_iterate, b.eq10):
        assert bound(eta, 1, 1, [10]).total[0] == math.inf
        assert math.isfinite(bound(eta, 1, 1, [9]).total[0])
    assert math.isfinite(b.weighted_average(eta, 1, 1, [10]).total[0])


def test_one_step():
    for bound in (b.core, b.unbounded_average, b.weighted_average, b.last_iterate, b.eq10):
        assert bound([0.5], 2, 3, [1]).total[0] == pytest.approx(4 / 1 + 0.5 * 9 / 2)
    assert b.last_value_identity([7.0]) == (7, 7)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: b.core([], 1, 1), "n_steps >= 1"),
        (lambda: b.core([1, math.nan], 1, 1), "got nan at step 2"),
        (lambda: b.core([1, -1], 1, 1), "got -1.0 at step 2"),
        (lambda: b.core([1.0], -1, 1), "R must be >= 0"),
        (lambda: b.core([1.0], 1, -1), "G must be >= 0"),
        (lambda: b.core([1.0], 1, [1, 2]), r"G must be a number or have shape \(1,\)"),
        (lambda: b.core([1.0], 1, 1, [0]), "steps must be integers in 1 .. 1"),
        (lambda: b.core([1.0], 1, 1, [2]), "steps must be integers in 1 .. 1"),
        (lambda: b.eq10([1.0], math.inf, 1), "D must be >= 0 and finite, got inf"),
        (lambda: b.schedule_only([1, 0.5], 1, 1), "a last 0"),
        (lambda: b.schedule_only([0, 0], 1, 1), "a last 0"),
        (lambda: b.strongly_convex(0, 1, [1]), "H must be positive"),
        (lambda: b.weighted_identity([1, 2], [1, 0]), "weights must be positive, got 0"),
        (lambda: b.weighted_identity([1, 2], [1]), "must be"),
        (lambda: b.Claims(0, 1), "R must be positive"),
        (lambda: b.Claims(1, 1, -1), "D must be >= 0"),
    ],
)
def test_bad_input_is_named(call, message):
    with pytest.raises(ValueError, match=message):
        call()


# --- Runs against bounds --------------------------------------------------------------------------

CONVEX = ("norm", "centre", "absolute", "hinge", "logistic", "squares", "huber", "quartic")
T = 400


def schedules(R, G):
    best = R / (G * math.sqrt(T))
    return {
        "best": q.constant(T, best),
        "large": q.constant(T, 20 * best),
        "small": q.constant(T, best / 20),
        "inverse_sqrt": q.inverse_sqrt(T, R / G),
        "inverse_time": q.inverse_time(T, R / G),
        "linear_decay": q.linear_decay(T, best),
        "to_zero": q.linear_decay_to_zero(T, best),
        "cosine": q.cosine(T, best),
        "warmup": q.warmup_decay(T, best),
        "step": q.step_decay(T, best),
        "rising": q.rising(T, best),
        "adagrad": q.AdaGradNorm(R),
    }


@functools.cache
def problem(kind, dim, radius=1.0):
    return sgd.made_problem(kind, sgd.MadeData(dim=dim, n_samples=60), radius)


@pytest.mark.parametrize("batch", [1, 4])
@pytest.mark.parametrize("dim", [1, 3])
@pytest.mark.parametrize("kind", CONVEX)
def test_no_run_exceeds_a_bound_whose_assumptions_hold(kind, dim, batch):
    p = problem(kind, dim)
    start = tuple(np.full(dim, -0.5 / math.sqrt(dim)))
    settings = sgd.Settings(T, 40, batch, n_records=60, start=start)
    applied = set()
    for name, eta in schedules(p.diameter, p.facts.gradient_bound).items():
        run = sgd.run(p, eta, settings)
        claims = b.claims_of(run)
        for bound in b.BOUNDS.values():
            if b.violated(bound.name, run, claims):
                continue
            measured = getattr(run, bound.measured)
            value = b.evaluate(bound.name, run, claims)
            applied.add(bound.name)
            if bound.holds == b.EVERY_RUN:
                assert np.nanmax(b.violation_share(measured, value)) == 0, (name, bound.name)
            else:  # 4 standard errors, at each of some hundred correlated points
                assert np.nanmax(b.mean_excess(measured, value)) < 4, (name, bound.name)
    assert applied >= set(b.BOUNDS) - {"strongly_convex"}


@pytest.mark.parametrize("order", sgd.ORDERS)
@pytest.mark.parametrize("name", ["absolute", "hinge", "logistic"])
def test_regret_bounds_hold_on_real_data_in_any_order(name, order):
    data = sgd.load_dataset("diabetes" if name == "absolute" else "breast_cancer")
    p = sgd.table_problem(name, data.features, data.targets)
    settings = sgd.Settings(500, 10, order=order, n_records=50)
    run = sgd.run(p, q.best_constant(500, 2, p.facts.gradient_bound), settings)
    claims = b.claims_of(run)
    assert claims.R == 2 and run.max_gradient.max() <= claims.G
    for bound in ("core", "constant", "weighted_regret"):
        assert b.violated(bound, run, claims) == ()
        share = b.violation_share(run.average_regret, b.evaluate(bound, run, claims))
        assert share.max() == 0
    assert ("iid" in b.violated("eq10", run, claims)) == (order != "random")


def test_strongly_convex_regret_stays_below_its_bound():
    p = problem("centre", 2)
    settings = sgd.Settings(T, 40, start=(-0.5, -0.5))
    run = sgd.run(p, q.inverse_time(T, 1.0), settings)
    claims = b.claims_of(run)
    assert b.violated("strongly_convex", run, claims) == ()
    value = b.evaluate("strongly_convex", run, claims)
    assert b.violation_share(run.average_regret, value).max() == 0


@pytest.mark.parametrize("kind", sgd.ADVERSARIES)
@pytest.mark.parametrize("name", ["best", "large", "inverse_sqrt", "adagrad"])
def test_adversaries_stay_below_the_bound(kind, name):
    run = sgd.run(sgd.Adversary(kind, 3, 1.0, 2.0), schedules(2, 2)[name], sgd.Settings(T, 5))
    claims = b.claims_of(run)
    bound = "adagrad_norm" if name == "adagrad" else "core"
    if name == "adagrad":
        assert b.violated(bound, run, claims) == ()
    value = b.evaluate(bound, run, claims)
    assert b.violation_share(run.average_regret, value).max() == 0
    assert "iid" in b.violated("eq10", run, claims)


def test_orthogonal_adversary_forces_half_the_bound_on_every_schedule():
    for name, eta in schedules(2, 1).items():
        run = sgd.run(sgd.Adversary("orthogonal", 2), eta, sgd.Settings(T, 2))
        floor = 1 / np.sqrt(run.steps)  # (R/2) G/sqrt T
        assert np.all(run.average_regret >= floor[:, None] * (1 - 1e-9)), name


def test_path_of_absolute_regression_meets_the_bounds_of_the_table():
    p = sgd.made_problem("absolute", sgd.MadeData(dim=3))
    settings = sgd.Settings(T, 200)
    for eta, bound in (
        (q.best_constant(T, 2, 1), 0.1),
        (q.constant(T, 1), 0.505),
        (q.inverse_sqrt(T, 2), 0.1464),
    ):
        run = sgd.run(p, eta, settings)
        assert b.core(eta, 2, 1, [T]).total[0] == pytest.approx(bound, abs=5e-5)
        assert run.average_regret[-1].max() < bound
        assert run.average_regret[-1].mean() > 0.1 * bound


def test_tight_case_meets_the_bound_exactly():
    p = sgd.one_point("norm", kink=1)
    run = sgd.run(p, q.constant(64, 1 / 8), sgd.Settings(64, 1, start=(1.0,)))
    claims = b.claims_of(run)
    assert (claims.R, claims.G, claims.D) == (1, 1, 1)
    assert run.average_regret[-1, 0] == 0.125 == b.evaluate("core", run, claims)[-1, 0]
    assert b.violation_share(run.average_regret, b.evaluate("core", run, claims)).max() == 0


# --- Assumptions ----------------------------------------------------------------------------------


def run_of(p, eta=None, star=None, **settings):
    eta = q.constant(50, 0.1) if eta is None else eta
    return sgd.run(p, eta, sgd.Settings(len(eta), 3, **settings), star)


def test_broken_assumptions_are_named():
    p = problem("absolute", 2)
    claims = b.Claims(2, 1.0001, 1)
    assert b.broken_assumptions(run_of(p), claims) == {"strongly_convex"}
    for expected, run, claimed in (
        ("gradient_bound", run_of(p), b.Claims(2, 0.9, 1)),
        ("bounded_set", run_of(p), b.Claims(0.1, 1.0001, 1)),
        ("first_distance", run_of(p), b.Claims(2, 1.0001, 0.1)),
        ("non_increasing", run_of(p, q.rising(50, 0.1)), claims),
        ("positive_steps", run_of(p, q.linear_decay_to_zero(50, 0.1)), claims),
        ("iid", run_of(p, order="shuffled"), claims),
        ("theta_star_inside", run_of(p, star=p.comparator([2.0, 0])), b.Claims(9, 1.0001, 9)),
        ("convex", run_of(problem("double_well", 2)), claims),
        ("convex", run_of(problem("noisy_norm", 2)), claims),
        ("convex_on_average", run_of(problem("sigmoid", 2)), claims),
    ):
        assert expected in b.broken_assumptions(run, claimed), expected


def test_bounds_are_greyed_only_for_what_they_use():
    rising = run_of(problem("absolute", 2), q.rising(50, 0.1))
    claims = b.Claims(2, 1.0001, 1)
    assert b.violated("core", rising, claims) == ("non_increasing",)
    assert b.violated("weighted_regret", rising, claims) == ()
    assert b.violated("eq10", rising, claims) == ()
    assert b.violated("constant", rising, claims) == ("matching_schedule",)
    noisy = run_of(problem("noisy_norm", 2))
    assert b.violated("core", noisy, claims) == ("convex",)
    assert b.violated("eq10", noisy, claims) == ()
    shuffled = run_of(problem("absolute", 2), order="shuffled")
    assert b.violated("core", shuffled, claims) == ()
    assert b.violated("last_iterate", shuffled, claims) == ("iid",)
    for bound in b.BOUNDS.values():
        assert set(bound.assumptions) <= set(b.ASSUMPTIONS)
    with pytest.raises(ValueError, match="name must be one of"):
        b.violated("best", rising, claims)


def test_divergence_greys_every_bound():
    p = problem("squares", 2, None)
    run = sgd.run(p, q.constant(5000, 5.0), sgd.Settings(5000, 3))
    assert np.all(run.died_at > 0)
    assert all("finite" in b.violated(name, run, b.Claims(1, 1)) for name in b.BOUNDS)
    with pytest.raises(ValueError, match="did not diverge"):
        b.claims_of(run)


def test_shares_and_excess():
    measured = np.array([[1.0, 3.0], [math.nan, 0.0]])
    assert b.violation_share(measured, np.array([[2.0], [2.0]])).tolist() == [0.5, 0.5]
    assert np.isnan(b.violation_share(measured, np.array([[math.nan], [2.0]])))[0]
    excess = b.mean_excess(
        np.array([[1.0, 3.0], [1.0, 1.0], [1.0, 1.0]]), np.array([[1.0], [2.0], [0.5]])
    )
    assert excess.tolist() == pytest.approx([1, -math.inf, math.inf])


# --- Proof ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["best", "large", "inverse_sqrt", "cosine", "adagrad"])
@pytest.mark.parametrize("kind", ["absolute", "logistic", "squares"])
def test_proof_closes_and_every_slack_is_positive(kind, name):
    p = problem(kind, 2)
    G = p.facts.gradient_bound
    trace = sgd.trace(p, schedules(2, G)[name], sgd.Settings(T, 5, start=(-0.6, 0.8)), 2)
    proof = b.proof(trace, 2, G)
    np.testing.assert_allclose(proof.before + proof.cross + proof.square, proof.moved, atol=1e-13)
    for slack in ("projection", "convexity", "abel", "gradient", "final"):
        assert getattr(proof, slack).min() >= -1e-11, slack
    assert np.all(proof.regret <= proof.telescope + proof.noise + 1e-11)
    for t in (1, 7, T):
        step = b.proof_step(proof, t)
        assert abs(step.closing_error) < 1e-9 * max(1, step.bound)
        assert abs(step.equality_error) < 1e-13
        inverse = 1 / (2 * proof.eta)
        assert step.sum_telescope == pytest.approx(
            2**2 * inverse[t - 1] - step.sum_abel - step.final
        )
        if name != "adagrad":
            core = b.core(trace.eta, 2, G, [t]).total[0]
            assert step.bound == pytest.approx(t * core)


def test_proof_shows_claims_that_are_too_small():
    trace = sgd.trace(problem("absolute", 2), q.inverse_sqrt(50, 1), sgd.Settings(50, 1))
    proof = b.proof(trace, 0.1, 0.5)
    assert proof.abel.min() < 0 and proof.gradient.min() < 0
    assert abs(b.proof_step(proof, 50).closing_error) < 1e-12


def test_proof_stops_before_a_step_of_zero():
    trace = sgd.trace(problem("absolute", 2), q.linear_decay_to_zero(50, 1), sgd.Settings(50, 1))
    assert len(b.proof(trace, 2, 1).eta) == 49
    with pytest.raises(ValueError, match="t must be in 1 .. 49, got 50"):
        b.proof_step(b.proof(trace, 2, 1), 50)


def test_projection_of_the_vector():
    theta, g, eta, star = np.array([0.8, 0.5]), np.array([-1, -0.5]), 0.4, np.array([0.2, -0.1])
    ball = sgd.one_point("norm", 2, 1.0)
    y = theta - eta * g
    projected = ball.project(y)[0]
    np.testing.assert_allclose(y, [1.2, 0.7])
    assert np.linalg.norm(y) == pytest.approx(1.3892444, abs=5e-8)
    np.testing.assert_allclose(projected, [0.8637789, 0.5038710], atol=5e-8)
    assert np.linalg.norm(projected - star) == pytest.approx(0.8973643, abs=5e-8)
    assert np.linalg.norm(y - star) == pytest.approx(1.2806248, abs=5e-8)


# --- Any schedule, any data -----------------------------------------------------------------------


@settings(max_examples=60, deadline=None)
@given(
    kind=st.sampled_from(["absolute", "hinge", "logistic", "squares", "huber", "centre", "norm"]),
    steps=arrays(np.float64, st.integers(1, 40), elements=st.floats(1e-3, 50)),
    seed=st.integers(0, 1000),
    radius=st.floats(0.1, 10),
    batch=st.integers(1, 3),
)
def test_core_and_weighted_bounds_hold_on_any_data(kind, steps, seed, radius, batch):
    made = sgd.MadeData(dim=1 + seed % 4, n_samples=1 + seed % 9, noise=1.0, seed=seed)
    p = sgd.made_problem(kind, made, radius, kink=seed % 2)
    eta = np.sort(steps)[::-1]
    run = sgd.run(p, eta, sgd.Settings(len(eta), 4, batch, seed=seed))
    claims = b.claims_of(run)
    for name in ("core", "weighted_regret"):
        assert b.violated(name, run, claims) == ()
        measured = getattr(run, b.BOUNDS[name].measured)
        assert b.violation_share(measured, b.evaluate(name, run, claims)).max() == 0
