"""HiPPO step by step: discretisations, whole trajectories, the best projection, speed.

References: scipy.signal.cont2discrete, scipy's Legendre functions, scipy.linalg.expm, plain loops
(`walk` and a port of hippo-code's), numerical integration.
"""

import math

import numpy as np
import pytest
from scipy import linalg, signal, special

from models import hippo
from models import hippo_steps as steps
from models.hippo import MEASURES, Memory
from models.hippo_steps import CONVENTIONS, METHODS

CONSTANT = [key for key, kind in MEASURES.items() if not kind.is_scaled]
SCALED = ["legs", "fours"]
CLOSED = [key for key, kind in MEASURES.items() if kind.is_closed]
ALPHA = {"forward": 0.0, "backward": 1.0, "bilinear": 0.5}


def last(memory, u, step=1.0, method="exact", convention="su"):
    return steps.trajectory(memory, u, step, method, convention, [len(u)]).states[0]


def direct_legs(u, order):
    """Projection of the staircase, straight from scipy's Legendre polynomials."""
    z = 2 * np.arange(len(u) + 1) / len(u) - 1
    P = special.eval_legendre(np.arange(order + 1)[:, None], z)
    n = np.arange(1, order)[:, None]
    F = np.concatenate([z[None] / 2, (P[2:] - P[:-2]) / (2 * (2 * n + 1))])
    return np.sqrt(2 * np.arange(order) + 1) * (np.diff(F, axis=1) @ u)


def hippo_code_loop(order, u):
    """A port of hippo-code's bilinear transition: two triangular solves and a product a step."""
    A, B = hippo.matrices(Memory("legs", order))
    state, states, identity = np.zeros(order), np.empty((len(u), order)), np.eye(order)
    for t in range(1, len(u) + 1):
        At, Bt = A / t, B / t
        A_t = linalg.solve_triangular(identity - At / 2, identity + At / 2, lower=True)
        B_t = linalg.solve_triangular(identity - At / 2, Bt, lower=True)
        state = A_t @ state + B_t * u[t - 1]
        states[t - 1] = state
    return states


# --- One step -------------------------------------------------------------------------------------

LEGT_TWO = {
    "bilinear": ([[0.89300412, 0.14255562], [-0.14255562, 0.72839506]], [0.10699588, 0.14255562]),
    "exact": ([[0.89215752, 0.14133610], [-0.14133610, 0.72895664]], [0.10784248, 0.14133610]),
    "forward": ([[0.9, 0.17320508], [-0.17320508, 0.7]], [0.1, 0.17320508]),
    "backward": ([[0.89041096, 0.11863362], [-0.11863362, 0.75342466]], None),
}


@pytest.mark.parametrize(("method", "expected"), LEGT_TWO.items())
def test_steps_of_legt_of_two(method, expected):
    A_bar, B_bar = steps.discretise(Memory("legt", 2), 0.1, method)
    np.testing.assert_allclose(A_bar, expected[0], atol=5e-9)
    if expected[1]:
        np.testing.assert_allclose(B_bar, expected[1], atol=5e-9)


@pytest.mark.parametrize("measure", CONSTANT)
@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("order", [1, 7, 24])
def test_steps_are_scipys(measure, method, order):
    memory, eps = Memory(measure, order, 0.8), 0.013
    A, B = hippo.system(memory)
    name = "zoh" if method == "exact" else "gbt"
    if MEASURES[measure].family == "fourier" and name == "zoh":
        A_ref = linalg.expm(A * eps)  # scipy's zoh is for real systems
        B_ref = np.linalg.solve(A, A_ref - np.eye(memory.size)) @ B
    else:
        C, D = np.eye(memory.size), np.zeros((memory.size, 1))
        A_ref, B_ref = signal.cont2discrete((A, B[:, None], C, D), eps, name, ALPHA.get(method))[:2]
    A_bar, B_bar = steps.discretise(memory, eps, method)
    np.testing.assert_allclose(A_bar, A_ref, atol=1e-11)
    np.testing.assert_allclose(B_bar, np.ravel(B_ref), atol=1e-11)


def test_propagator_of_legs():
    expected = [[0.5, 0, 0], [-0.4330127, 0.25, 0], [0, -0.48412292, 0.125]]
    np.testing.assert_allclose(steps.legs_propagator(3, 2.0), expected, atol=5e-8)
    A, _ = hippo.matrices(Memory("legs", 40))
    for ratio in (1.0, 1.001, 1.7, 30.0):
        wanted = linalg.expm(A * math.log(ratio))
        np.testing.assert_allclose(steps.legs_propagator(40, ratio), wanted, atol=2e-11)
    with pytest.raises(ValueError, match="ratio must be at least 1"):
        steps.legs_propagator(4, 0.9)


# --- Vectors --------------------------------------------------------------------------------------


def test_two_samples_into_legs():
    np.testing.assert_allclose(last(Memory("legs", 3), [1, 2]), [1.5, 0.4330127, 0], atol=5e-8)
    bilinear = last(Memory("legs", 3), [1, 2], method="bilinear")
    np.testing.assert_allclose(bilinear, [2, 1.15470054, 0.63887656], atol=5e-9)


def test_five_samples_into_legs():
    u = [0.25, -0.5, 1.25, 0.75, -1]
    exact = [0.15, -0.17320508, -0.456158, -0.370405]
    np.testing.assert_allclose(last(Memory("legs", 4), u), exact, atol=5e-7)
    bilinear = [0.151515, -0.154179, -0.631477, -0.873437]
    np.testing.assert_allclose(last(Memory("legs", 4), u, method="bilinear"), bilinear, atol=5e-7)


def test_su_normalisation_multiplies_states_by_root_two(rng):
    u = rng.standard_normal(40)
    for measure in ("legs", "legt", "legs_lti"):
        for method in METHODS:
            paper = steps.trajectory(Memory(measure, 5), u, 0.01, method).states
            su = steps.trajectory(Memory(measure, 5, normalisation="su"), u, 0.01, method).states
            np.testing.assert_allclose(su, math.sqrt(2) * paper, atol=1e-12 * np.abs(su).max())


SINE_ERRORS = {  # N = 16, L = 1000, sin(6 pi t)
    ("exact", "su"): 8.13e-8,
    ("bilinear", "su"): 7.66e-6,
    ("bilinear", "hippo_code"): 1.52e-5,
    ("exact", "hippo_code"): 5.9e-5,
    ("backward", "su"): 5.50e-4,
    ("forward", "su"): 5.92e-4,
    ("forward", "hippo_code"): 5.63e-4,
}


@pytest.mark.parametrize(("choice", "error"), SINE_ERRORS.items())
def test_error_of_each_method_on_a_sine(choice, error):
    u = np.sin(6 * np.pi * steps.midpoints(1000, 1e-3))
    state = last(Memory("legs", 16), u, 1e-3, *choice)
    assert steps.sample_error(Memory("legs", 16), state, u, 1000, 1e-3) == pytest.approx(
        error, rel=7e-3
    )


def test_best_error_on_a_sine_with_too_few_numbers():
    u = np.sin(6 * np.pi * steps.midpoints(1000, 1e-3))
    memory = Memory("legs", 8)
    assert steps.sample_error(memory, last(memory, u), u, 1000, 1e-3) == pytest.approx(
        0.1464, rel=1e-3
    )


@pytest.mark.parametrize(
    ("order", "error"), [(8, 0.01869), (16, 0.00964), (32, 0.004894), (64, 0.002463)]
)
def test_error_on_a_jump_falls_like_one_over_n(order, error):
    u = np.repeat([0.0, 1.0], 500)
    memory = Memory("legs", order)
    assert steps.sample_error(memory, last(memory, u), u, 1000, 1e-3) == pytest.approx(
        error, rel=1e-3
    )


@pytest.mark.parametrize(
    ("function", "post", "corrected", "best"),
    [
        (lambda t: np.sin(2 * np.pi * 1.7 * t), 0.1208, 0.00884, 0.00732),
        (lambda t: t / 4, 0.01504, 1.918e-4, 1.918e-4),
    ],
)
def test_fourier_window_closures(function, post, corrected, best):
    eps = 1 / 2000
    u = function(steps.midpoints(8000, eps))
    for measure, error in (("fourier_post", post), ("fourier", corrected)):
        memory = Memory(measure, 32)
        run = steps.trajectory(memory, u, eps, "exact", records=[8000])
        read = steps.readings(memory, u, eps, run)
        assert read.error[0] == pytest.approx(error, rel=4e-3)
        assert read.best[0] == pytest.approx(best, rel=4e-3)


# --- Laws -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("order", [1, 2, 16, 64, 128])
def test_exact_legs_is_the_projection_of_the_staircase(rng, order):
    u = rng.uniform(-1, 1, 300)
    states = steps.trajectory(Memory("legs", order), u, 1.0).states
    for k in (1, 2, 7, 150, 300):
        np.testing.assert_allclose(states[k], direct_legs(u[:k], order), atol=1e-11)
    np.testing.assert_allclose(states[1:, 0], np.cumsum(u) / np.arange(1, 301), atol=1e-13)


def test_records_do_not_change_exact_legs_at_the_extremes(rng):
    """One direct projection of 20 000 samples against 20 000 steps of it, N = 128."""
    u = rng.uniform(-1, 1, 20_000)
    memory = Memory("legs", 128)
    sparse = steps.trajectory(memory, u, 1.0, records=steps.spread_records(20_000, 2000)).states[-1]
    np.testing.assert_allclose(sparse, last(memory, u), atol=1e-10)
    np.testing.assert_allclose(sparse, direct_legs(u, 128), atol=1e-10)


@pytest.mark.parametrize("measure", list(MEASURES))
@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("convention", CONVENTIONS)
def test_trajectory_is_the_plain_walk(rng, measure, method, convention):
    u = rng.standard_normal(60)
    for order in (1, 2, 9):
        memory = Memory(measure, order, 0.9)
        slow = np.array(list(steps.walk(memory, u, 0.01, method, convention)))
        fast = steps.trajectory(memory, u, 0.01, method, convention)
        np.testing.assert_allclose(fast.states[1:], slow, atol=1e-12 * max(1, np.abs(slow).max()))
        assert not fast.states[0].any()
        some = steps.trajectory(memory, u, 0.01, method, convention, [0, 1, 30, 60])
        tolerance = 1e-12 * max(1, np.abs(slow).max())
        np.testing.assert_allclose(some.states, fast.states[[0, 1, 30, 60]], atol=tolerance)


@pytest.mark.parametrize("method", ["backward", "bilinear"])
def test_mode_by_mode_stays_exact_at_the_extremes(rng, method):
    """N = 128, L = 20 000, against the same recurrence with one O(N) solve a step."""
    u = rng.uniform(-1, 1, 20_000)
    fast = steps.trajectory(Memory("legs", 128), u, 1.0, method, records=[100, 5000, 20_000]).states
    state, kept, q = np.eye(128)[0] * u[0], [], hippo.roots(128)
    for k in range(1, 20_000):
        if method == "bilinear":
            right = state + (hippo.legs_product(state) / 2 + q * u[k]) / k
            state = hippo.legs_solve(0.5 / (k + 1), right)
        else:
            state = hippo.legs_solve(1 / (k + 1), state + q * u[k] / (k + 1))
        if k + 1 in (100, 5000, 20_000):
            kept.append(state)
    np.testing.assert_allclose(fast, kept, atol=1e-11)


def test_bilinear_in_hippo_codes_convention_is_its_loop(rng):
    u = rng.standard_normal(500)
    fast = steps.trajectory(Memory("legs", 64), u, 1.0, "bilinear", "hippo_code").states[1:]
    np.testing.assert_allclose(fast, hippo_code_loop(64, u), atol=1e-12)


def test_hippo_codes_zoh_hears_silence_first(rng):
    u = rng.standard_normal(30)
    silent = last(Memory("legs", 6), np.concatenate([[0.0], u]))
    np.testing.assert_allclose(
        last(Memory("legs", 6), u, convention="hippo_code"), silent, atol=1e-13
    )


@pytest.mark.parametrize("measure", SCALED)
def test_time_scale_does_not_matter_to_the_whole_past(rng, measure):
    memory, u = Memory(measure, 8), rng.standard_normal(50)
    for method in METHODS:
        once = steps.trajectory(memory, u, 1.0, method).states
        np.testing.assert_array_equal(once, steps.trajectory(memory, u, 1e-3, method).states)
    slower = steps.trajectory(memory, np.repeat(u, 2), 1.0).states[2::2]
    if measure == "legs":
        np.testing.assert_allclose(slower, steps.trajectory(memory, u, 1.0).states[1:], atol=1e-12)


def test_time_scale_matters_to_a_window(rng):
    u = np.cumsum(rng.standard_normal(200)) / 10
    memory = Memory("legt", 8, 0.5)
    once = steps.trajectory(memory, u, 1 / 200).states[1:]
    slower = steps.trajectory(memory, np.repeat(u, 2), 1 / 200).states[2::2]
    assert np.abs(once - slower).max() > 0.1


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("convention", CONVENTIONS)
def test_constant_signals_stay_exact(method, convention):
    for measure in SCALED:
        memory = Memory(measure, 7)
        state = last(memory, np.full(400, 2.5), method=method, convention=convention)
        mean = state[memory.size // 2 if measure == "fours" else 0]
        if convention == "su" and method != "bilinear":  # whose B u_k / k is not balanced
            np.testing.assert_allclose(np.linalg.norm(state), 2.5, atol=1e-9)
        assert mean == pytest.approx(2.5, rel=0.02)


SLOPES = {"forward": 1, "backward": 1, "bilinear": 2, "exact": 2}


@pytest.mark.parametrize(("method", "slope"), SLOPES.items())
@pytest.mark.parametrize("measure", ["legt", "lagt", "fourier", "legs_lti"])
def test_order_of_each_method_on_constant_systems(measure, method, slope):
    """Samples at the middle of each step: holding them is itself of second order."""
    memory = Memory(measure, 4)
    ends, errors = 2.0, []
    A, B = hippo.system(memory)
    omega = 3.0  # x' = A x + B e^{i omega t}, x(0) = 0, imaginary part
    forced = np.linalg.solve(1j * omega * np.eye(memory.size) - A, B)
    back = np.linalg.solve(-1j * omega * np.eye(memory.size) - A, B)
    eig = linalg.expm(A * ends)
    plus = forced * np.exp(1j * omega * ends) - eig @ forced
    minus = back * np.exp(-1j * omega * ends) - eig @ back
    truth = (plus - minus) / 2j
    sizes = np.array([400, 800, 1600])
    for size in sizes:
        u = np.sin(omega * steps.midpoints(size, ends / size))
        errors.append(np.abs(last(memory, u, ends / size, method) - truth).max())
    found = -np.polyfit(np.log(sizes), np.log(errors), 1)[0]
    assert found == pytest.approx(slope, abs=0.12)


@pytest.mark.parametrize(
    ("method", "slope"), {"forward": 1, "backward": 1, "bilinear": 1, "exact": 2}.items()
)
def test_order_of_each_method_on_legs(method, slope):
    """Su's bilinear step is of first order only: its B u_k / k is not centred."""
    A, B = hippo.matrices(Memory("legs", 4))
    truth = np.linalg.solve(3 * np.eye(4) - A, B) - 2 * np.linalg.solve(
        np.eye(4) - A, B
    )  # t^3 - 2t
    sizes, errors = np.array([500, 1000, 2000, 4000]), []
    for size in sizes:
        t = steps.midpoints(size, 1 / size)
        errors.append(np.abs(last(Memory("legs", 4), t**3 - 2 * t, method=method) - truth).max())
    found = -np.polyfit(np.log(sizes), np.log(errors), 1)[0]
    assert found == pytest.approx(slope, abs=0.15)


def test_polynomials_below_the_order_come_back():
    """The error of a cubic falls like 1/L^2 with the exact step: it is that of the samples."""
    errors = []
    for size in (100, 1000):
        t = steps.midpoints(size, 1 / size)
        u = t**3 - t
        state = last(Memory("legs", 6), u)
        errors.append(math.sqrt(steps.sample_error(Memory("legs", 6), state, u, size, 1 / size)))
    assert errors[0] < 1e-3 and errors[0] / errors[1] > 50


# --- Best projection, Parseval --------------------------------------------------------------------


def integrals(memory, u, eps, k):
    """Projection and energy at record k by brute force: 400 points a sample, far into silence."""
    t, per = k * eps, 400
    x = (np.arange(-k * per, k * per) + 0.5) * eps / per
    past = np.where(x < 0, 0.0, u[np.clip((x // eps).astype(int), 0, len(u) - 1)])
    basis = np.nan_to_num(hippo.basis(memory, x, t))
    weight = hippo.density(memory, x, t) * eps / per
    scale = memory.scale**2  # a basis sqrt(2) smaller wants coefficients sqrt(2) larger
    return (basis.conj() * (past * weight)[:, None]).sum(axis=0) * scale, (past**2 * weight).sum()


@pytest.mark.parametrize("measure", list(MEASURES))
@pytest.mark.parametrize("normalisation", ["paper", "su"])
def test_projection_and_energy_are_integrals(rng, measure, normalisation):
    memory = Memory(measure, 5, 0.37, normalisation)
    u = rng.standard_normal(50)
    records = [3, 17, 18, 19, 50]
    best, power = steps.projection(memory, u, 0.02, records), steps.energy(memory, u, 0.02, records)
    for row, energy, k in zip(best, power, records, strict=True):
        wanted, total = integrals(memory, u, 0.02, k)
        np.testing.assert_allclose(row, wanted, atol=1e-3)
        assert energy == pytest.approx(total, abs=1e-3)


@pytest.mark.parametrize("measure", ["lagt", "lagt_repo", "legs_lti"])
def test_exact_steps_of_fading_measures_are_projections(rng, measure):
    memory, u = Memory(measure, 30, 0.2), rng.standard_normal(400)
    weights = steps.lag_weights(memory, 0.01, 400)
    np.testing.assert_allclose(last(memory, u, 0.01), u[::-1] @ weights, atol=1e-11)


def test_windows_longer_than_the_signal_see_silence_before_it(rng):
    u = rng.standard_normal(20)
    memory = Memory("legt", 6, 3.0)
    padded = np.concatenate([np.zeros(100), u])
    early = steps.projection(memory, u, 0.05, [20])
    np.testing.assert_allclose(early, steps.projection(memory, padded, 0.05, [120]), atol=1e-13)


@pytest.mark.parametrize("measure", list(MEASURES))
def test_error_of_any_state_is_best_plus_excess(rng, measure):
    memory, u, eps = Memory(measure, 5, 0.4), np.cumsum(rng.standard_normal(60)) / 5, 1 / 60
    run = steps.trajectory(memory, u, eps, "bilinear", records=[25, 60])
    read = steps.readings(memory, u, eps, run)
    for i, k in enumerate(run.records):
        per, silence = 100, 40 if MEASURES[measure].past == "fading" else 1
        x = (np.arange(-silence * k * per, k * per) + 0.5) * eps / per
        past = np.where(x < 0, 0.0, u[np.clip((x // eps).astype(int), 0, 59)])
        fit = np.nan_to_num(hippo.reconstruct(memory, run.states[i], x, k * eps))
        weight = hippo.density(memory, x, k * eps) * eps / per
        assert read.error[i] == pytest.approx(
            ((past - fit) ** 2 * weight).sum(), rel=0.02, abs=1e-3
        )
        assert read.energy[i] >= read.best[i] >= 0 and read.excess[i] >= 0


def test_best_error_never_rises_with_the_order(rng):
    u = rng.standard_normal(300)
    for measure in ("legs", "legt", "fours", "legs_lti"):
        errors = []
        for order in range(1, 40, 2):
            memory = Memory(measure, order, 0.5)
            run = steps.trajectory(memory, u, 1 / 300, records=[300])
            errors.append(steps.readings(memory, u, 1 / 300, run).best[0])
        assert (np.diff(errors) < 1e-12).all()


def test_more_numbers_than_samples_fit_the_staircase():
    u = np.array([1.0, -1.0])
    memory = Memory("legs", 100)
    run = steps.trajectory(memory, u, 0.5, records=[2])
    assert steps.readings(memory, u, 0.5, run).best[0] < 0.02
    assert last(Memory("legs", 5), [3.0]).tolist() == pytest.approx([3, 0, 0, 0, 0], abs=1e-15)


@pytest.mark.parametrize("measure", ["fourier", "fourier_post", "fours"])
def test_fourier_states_of_real_signals_are_conjugate(rng, measure):
    u, memory = rng.standard_normal(400), Memory(measure, 64)
    for method in METHODS[1:]:
        state = last(memory, u, 1 / 400, method)
        np.testing.assert_allclose(state, state[::-1].conj(), atol=1e-11)
        fit = hippo.basis(memory, steps.midpoints(400, 1 / 400), 1.0) @ state
        assert np.abs(fit.imag).max() < 1e-10


# --- Blow-up --------------------------------------------------------------------------------------


def test_forward_euler_blows_up_above_its_limit_only():
    u, memory = np.ones(20_000), Memory("legt", 16)
    limit = hippo.euler_limit(memory)
    run = steps.trajectory(memory, u, 1.5 * limit, "forward", records=[10, 500, 20_000])
    assert run.blow_up is not None and 500 < run.blow_up < 20_000 and run.largest > 1e250
    assert np.isfinite(run.states[:2]).all() and np.isnan(run.states[2]).all()
    full = steps.trajectory(memory, u, 1.5 * limit, "forward")
    assert np.isfinite(full.states[run.blow_up - 1]).all()
    assert np.isnan(full.states[run.blow_up :]).all()
    read = steps.readings(memory, u, 1.5 * limit, run)
    assert np.isnan(read.excess[2]) and np.isfinite(read.best).all()
    calm = steps.trajectory(memory, u, 0.99 * limit, "forward", records=[20_000])
    assert calm.blow_up is None and np.abs(calm.states).max() < 2
    for method in ("backward", "bilinear", "exact"):
        assert steps.trajectory(memory, u, 100 * limit, method, records=[20_000]).blow_up is None


@pytest.mark.parametrize(
    ("order", "largest"), [(8, 46), (16, 2.3e7), (32, 1.5e19), (64, 1.7e43), (128, 5.9e91)]
)
def test_forward_euler_on_legs_recovers_from_huge_values(order, largest):
    u = np.sin(6 * np.pi * steps.midpoints(1000, 1e-3))
    run = steps.trajectory(Memory("legs", order), u, 1e-3, "forward", "hippo_code")
    assert run.largest == pytest.approx(largest, rel=0.03)
    assert run.blow_up is None


@pytest.mark.parametrize(("shape", "step"), [("constant", 26), ("sine", 29)])
def test_single_precision_runs_out_within_thirty_steps(shape, step):
    """A transient of order 1e43 does not fit into float32; where it ends depends on the signal."""
    u = np.sin(6 * np.pi * steps.midpoints(1000, 1e-3)) if shape == "sine" else np.ones(40)
    walk = steps.walk(Memory("legs", 64), u[:40], 1e-3, "forward", "hippo_code", "float32")
    finite = [bool(np.isfinite(state).all()) for state in walk]
    assert finite.index(False) + 1 == pytest.approx(step, abs=1)  # 1: order of additions


# --- Convolution ----------------------------------------------------------------------------------


@pytest.mark.parametrize("length", [1, 5, 64, 300])
def test_kernel_convolves_to_the_output(rng, length):
    memory, u = Memory("legs_lti", 12, 0.3), rng.standard_normal(length)
    A_bar, B_bar = steps.discretise(memory, 0.01, "bilinear")
    C = rng.standard_normal(12)
    K = steps.kernel(A_bar, B_bar, C, length)
    assert K.shape == (length,)
    states = steps.trajectory(memory, u, 0.01, "bilinear").states[1:]
    np.testing.assert_allclose(steps.convolve(K, u), states @ C, atol=1e-10)
    assert K[0] == pytest.approx(C @ B_bar)
    with pytest.raises(ValueError, match="n_samples must be at least 1"):
        steps.kernel(A_bar, B_bar, C, 0)


# --- Domains --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "u", [[], [[1.0]], [1.0, math.nan], [math.inf], [1e101], ["a"], [1j], np.zeros(20_001)]
)
def test_bad_samples_are_refused(u):
    with pytest.raises(ValueError, match="u must"):
        steps.trajectory(Memory("legs"), u, 1.0)


def test_the_first_bad_sample_is_named():
    with pytest.raises(ValueError, match=r"got u\[2\] = nan"):
        steps.trajectory(Memory("legs"), [0, 1, math.nan, math.nan], 1.0)


@pytest.mark.parametrize("records", [[], [-1], [4], [1, 1], [2, 1], [0.5], [[1]], ["a"]])
def test_bad_records_are_refused(records):
    with pytest.raises(ValueError, match="records must be strictly rising"):
        steps.trajectory(Memory("legs"), [1, 2, 3], 1.0, records=records)


def test_other_domains():
    for eps in (0, -1, math.nan, math.inf):
        with pytest.raises(ValueError, match="step must be a number greater than 0"):
            steps.discretise(Memory("legt"), eps, "exact")
    with pytest.raises(ValueError, match="method must be one of"):
        steps.trajectory(Memory("legs"), [1.0], 1.0, "heun")
    with pytest.raises(ValueError, match="convention must be one of"):
        steps.trajectory(Memory("legt"), [1.0], 1.0, "exact", "mine")
    with pytest.raises(ValueError, match="constant system"):
        steps.discretise(Memory("legs"), 0.1, "exact")
    with pytest.raises(ValueError, match="measure must be one of legs, fours"):
        steps.scaled_step(Memory("legt"), 1, "exact")
    with pytest.raises(ValueError, match="precision must be one of"):
        next(steps.walk(Memory("legs"), [1.0], 1.0, "exact", precision="float16"))
    with pytest.raises(ValueError, match="n_used must be in 1..2"):
        steps.sample_error(Memory("legs", 2), [0, 0], [1.0, 2.0], 3, 0.5)
    with pytest.raises(ValueError, match="need n_samples >= 1"):
        steps.spread_records(0, 5)


def test_smallest_trajectories():
    for measure in MEASURES:
        for method in METHODS:
            for convention in CONVENTIONS:
                run = steps.trajectory(Memory(measure, 1), [2.0], 0.5, method, convention)
                assert run.states.shape == (2, 1) and np.isfinite(run.states).all()
    assert steps.spread_records(5, 100).tolist() == [1, 2, 3, 4, 5]
    assert steps.spread_records(1000, 3).tolist() == [1, 500, 1000]


# --- Checks by another road -----------------------------------------------------------------------


@pytest.mark.parametrize("measure", ["legs", "fours", "legt", "fourier", "fourier_post"])
@pytest.mark.parametrize(("order", "n_samples", "window"), [(5, 40, 0.3), (40, 7, 1.7)])
def test_parseval_by_quadrature(measure, order, n_samples, window, rng):
    memory, step = hippo.Memory(measure, order, window, "su"), 1 / n_samples
    u = rng.standard_normal(n_samples)
    end = [n_samples]
    best = steps.projection(memory, u, step, end)
    run = steps.trajectory(memory, u, step, records=end)
    quality = steps.readings(memory, u, step, run, best)
    measured = steps.fit_error(memory, best[0], u, step)
    assert measured == pytest.approx(quality.best[-1], rel=1e-6, abs=1e-9)
    stepped = steps.fit_error(memory, run.states[-1], u, step)
    assert stepped == pytest.approx(quality.error[-1], rel=1e-6, abs=1e-9)


def test_quadrature_refuses_a_fading_past():
    with pytest.raises(ValueError, match="evenly"):
        steps.fit_error(hippo.Memory("lagt", 3), np.zeros(3), [1.0], 1.0)


@pytest.mark.parametrize("measure", ["legs", "fours"])
def test_errors_by_order_are_those_of_each_order(measure, rng):
    u = rng.standard_normal(50)
    errors, state = steps.errors_by_order(measure, u, 9)
    assert errors.shape == (9,) and (np.diff(errors) <= 1e-12).all()
    for order in (1, 3, 7, 9):
        memory = hippo.Memory(measure, order)
        run = steps.trajectory(memory, u, 1 / 50, records=[50])
        assert errors[order - 1] == pytest.approx(
            steps.readings(memory, u, 1 / 50, run).best[0], abs=1e-12
        )
    assert len(state) == 9


@pytest.mark.parametrize(
    ("measure", "method", "convention"),
    [("legs", m, "su") for m in ("forward", "backward", "bilinear")]
    + [("legs", "bilinear", "hippo_code"), ("legs", "exact", "hippo_code")]
    + [(k, m, "su") for k in ("legt", "lagt", "legs_lti") for m in ("forward", "bilinear")],
)
def test_order_of_each_discretisation_by_slope(measure, method, convention):
    memory, lengths = hippo.Memory(measure, 8, 0.5), [1024, 2048, 4096, 8192]
    gaps = []
    for n in lengths:
        u = np.sin(6 * np.pi * (np.arange(n) + 0.5) / n)
        exact = steps.trajectory(memory, u, 1 / n, records=[n]).states[-1]
        run = steps.trajectory(memory, u, 1 / n, method, convention, [n])
        gaps.append(np.linalg.norm(run.states[-1] - exact))
    theory = steps.order_of(memory, method, convention)
    assert steps.slope(lengths, gaps) == pytest.approx(-theory, abs=0.1)


def test_slope_of_nothing_is_none():
    assert np.isnan(steps.slope([1, 2, 3, 4], [1, 1, 0, 1]))
    assert np.isnan(steps.slope([1, 2, 3, 4], [1, 1, np.inf, 1]))


def test_measured_influence_is_the_formula():
    measured = steps.measured_influence(8, 400, 100)
    formula = hippo.influence(hippo.Memory("legs", 8), 100.5 / 400, 1.0)[0]
    assert measured == pytest.approx(formula, rel=1e-3)  # a sample is wider than a moment


@pytest.mark.parametrize("order", [1, 4, 64])
def test_running_sums_equal_dense_solves(order, rng):
    u = rng.standard_normal(300)
    memory = hippo.Memory("legs", order)
    fast = steps.trajectory(memory, u, 1.0, "bilinear").states[1:]
    np.testing.assert_allclose(fast, steps.dense_bilinear(memory, u), atol=1e-11)


@pytest.mark.parametrize("order", [1, 16, 64])
def test_convolution_equals_recurrence(order, rng):
    kernel, gap = steps.convolution_check(order, 0.01, rng.standard_normal(500))
    assert kernel.shape == (500,) and gap < 1e-11


def test_a_state_that_outgrows_the_signal_is_dated():
    memory, u = Memory("legt", 8), np.ones(400)
    calm = steps.trajectory(memory, u, 0.05, "forward")
    assert calm.outgrown is None and calm.blow_up is None
    wild = steps.trajectory(memory, u, 0.2, "forward")
    assert wild.outgrown is not None
    sizes = np.abs(wild.states).max(axis=1)
    assert (sizes[: wild.outgrown] <= 1000).all() and not sizes[wild.outgrown] <= 1000
    legs = steps.trajectory(Memory("legs", 16), np.sin(np.arange(300)), 1.0, "forward")
    assert legs.outgrown is not None and legs.largest > 1000 and legs.blow_up is None
