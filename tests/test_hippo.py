"""HiPPO matrices, eigenvalues, basis functions and O(N) arithmetic.

References: scipy's Legendre and Laguerre functions, scipy.signal's step response, numerical
integration, and long arithmetic by mpmath.
"""

import math
from fractions import Fraction
from typing import Any

import mpmath
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import integrate, linalg, signal, special

from models import hippo
from models.hippo import MEASURES, Memory

CONSTANT = [key for key, kind in MEASURES.items() if not kind.is_scaled]
FADING = ["lagt", "lagt_repo", "legs_lti"]
ALL = list(MEASURES)


def sqrt(x):
    return math.sqrt(x)


# --- Matrices -------------------------------------------------------------------------------------


def test_legt_of_three():
    A, B = hippo.matrices(Memory("legt", 3))
    r3, r5, r15 = sqrt(3), sqrt(5), sqrt(15)
    np.testing.assert_allclose(A, [[-1, r3, -r5], [-r3, -3, r15], [-r5, -r15, -5]], rtol=1e-15)
    np.testing.assert_allclose(B, [1, r3, r5], rtol=1e-15)


@pytest.mark.parametrize("measure", ["legs", "legs_lti"])
def test_legs_of_three(measure):
    A, B = hippo.matrices(Memory(measure, 3))
    r3, r5, r15 = sqrt(3), sqrt(5), sqrt(15)
    np.testing.assert_allclose(A, [[-1, 0, 0], [-r3, -2, 0], [-r5, -r15, -3]], rtol=1e-15)
    np.testing.assert_allclose(B, [1, r3, r5], rtol=1e-15)


def test_laguerre_of_three():
    A, B = hippo.matrices(Memory("lagt", 3))
    assert A.tolist() == [[-1, 0, 0], [-1, -1, 0], [-1, -1, -1]] and B.tolist() == [1, 1, 1]
    A, B = hippo.matrices(Memory("lagt_repo", 3))
    assert A.tolist() == [[-0.5, 0, 0], [-1, -0.5, 0], [-1, -1, -0.5]] and B.tolist() == [1, 1, 1]


def test_fourier_of_three():
    post, b_post = hippo.matrices(Memory("fourier_post", 3))
    ours, b_ours = hippo.matrices(Memory("fourier", 3))
    np.testing.assert_allclose(post, np.diag([-2j * np.pi, 0, 2j * np.pi]) - 1)
    np.testing.assert_allclose(ours, np.diag([-2j * np.pi, 0, 2j * np.pi]) - 2)
    assert b_post.tolist() == [1, 1, 1] and b_ours.tolist() == [2, 2, 2]
    whole, _ = hippo.matrices(Memory("fours", 3))
    expected = (
        np.array([[-1, -1, -0.5], [0, -1, 0], [-0.5, -1, -1]]) + np.diag([-1j, 0, 1j]) * np.pi
    )
    np.testing.assert_allclose(whole, expected)


@pytest.mark.parametrize(("order", "size"), [(1, 1), (2, 3), (3, 3), (16, 17), (128, 129)])
def test_fourier_state_holds_order_or_one_more(order, size):
    memory = Memory("fourier", order)
    assert memory.size == size == len(hippo.matrices(memory)[1])
    assert Memory("legs", order).size == order


@pytest.mark.parametrize("measure", ["legs", "legt", "legs_lti"])
def test_su_changes_b_alone_by_root_two(measure):
    A, B = hippo.matrices(Memory(measure, 6))
    A_su, B_su = hippo.matrices(Memory(measure, 6, normalisation="su"))
    np.testing.assert_array_equal(A, A_su)
    np.testing.assert_allclose(B_su, np.sqrt(2 * (2 * np.arange(6) + 1)), rtol=1e-15)
    np.testing.assert_allclose(B_su, sqrt(2) * B, rtol=1e-15)


def test_su_changes_nothing_without_legendre():
    for measure in ("lagt", "fourier", "fours"):
        su = hippo.matrices(Memory(measure, 5, normalisation="su"))
        for ours, theirs in zip(hippo.matrices(Memory(measure, 5)), su, strict=True):
            np.testing.assert_array_equal(ours, theirs)


@pytest.mark.parametrize("measure", CONSTANT)
def test_window_divides_the_system(measure):
    A, B = hippo.matrices(Memory(measure, 5))
    A_w, B_w = hippo.system(Memory(measure, 5, 0.25))
    np.testing.assert_allclose(A_w, 4 * A)
    np.testing.assert_allclose(B_w, 4 * B)


@pytest.mark.parametrize("measure", ["legs", "legs_lti", "fours"])
def test_a_constant_signal_is_its_own_mean(measure):
    memory = Memory(measure, 9)
    A, B = hippo.matrices(memory)
    first = np.eye(memory.size)[memory.size // 2 if measure == "fours" else 0]
    np.testing.assert_allclose(A @ first, -B, atol=1e-14)


@pytest.mark.parametrize("measure", ["legs", "legt", "legs_lti", "lagt", "lagt_repo"])
@pytest.mark.parametrize("normalisation", ["paper", "su"])
def test_exact_entries_are_the_matrices(measure, normalisation):
    memory = Memory(measure, 8, normalisation=normalisation)
    exact = hippo.exact_matrices(memory)
    A, B = hippo.matrices(memory)
    np.testing.assert_allclose(exact.A_signs * np.sqrt(exact.A_radicands) / exact.denominator, A)
    np.testing.assert_allclose(exact.B_signs * np.sqrt(exact.B_radicands) / exact.denominator, B)


def test_exact_entries_refuse_fourier():
    with pytest.raises(ValueError, match="Legendre or Laguerre"):
        hippo.exact_matrices(Memory("fourier", 3))


@given(st.integers(1, 100_000))
@settings(deadline=None, max_examples=60)
def test_simplified_root_is_the_root_without_squares(n):
    outside, inside = hippo.simplify_root(n)
    assert outside**2 * inside == n
    assert all(inside % (a * a) for a in range(2, math.isqrt(inside) + 1))


def test_zero_has_root_zero():
    assert hippo.simplify_root(0) == (0, 1)


def test_stretching_gives_the_rows_of_legs():
    rows = hippo.stretch_coefficients(8)
    for n, row in enumerate(rows):
        assert row == [Fraction(2 * k + 1) for k in range(n)] + [Fraction(n)]
    A, _ = hippo.matrices(Memory("legs", 8))
    q = hippo.roots(8)  # (A c)_n = -c_n - sum of the row, the functions being q_n P_n
    ours = [
        [-(q[n] / q[k]) * (row[k] + (k == n)) for k in range(n + 1)]
        for n, row in zip(range(8), rows, strict=True)
    ]
    for n in range(8):
        np.testing.assert_allclose(np.array(ours[n], float), A[n, : n + 1])


def test_lmu_is_legt_in_other_units():
    A, B = hippo.matrices(Memory("legt", 7))
    d = (-1.0) ** np.arange(7) * hippo.roots(7)
    A_lmu, B_lmu = hippo.lmu_matrices(7)
    np.testing.assert_allclose(d[:, None] * A / d, A_lmu, rtol=1e-14)
    np.testing.assert_allclose(d * B, B_lmu, rtol=1e-14)
    assert A_lmu[:2, :2].tolist() == [[-1, -1], [3, -3]] and B_lmu[:2].tolist() == [1, -3]


def test_s4_split_is_skew_symmetric():
    K, v = hippo.skew_part(4)
    np.testing.assert_allclose(K, -K.T, atol=1e-15)
    np.testing.assert_allclose(
        K - np.outer(v, v) / 2 - np.eye(4) / 2, hippo.matrices(Memory("legs", 4))[0]
    )
    found = np.sort(np.linalg.eigvals(K).imag)
    np.testing.assert_allclose(found[2:], [0.55650112, 4.60329301], atol=1e-8)
    np.testing.assert_allclose(found, -found[::-1], atol=1e-14)


@pytest.mark.parametrize(("order", "condition"), [(8, 7.7e4), (16, 8.3e10)])
def test_diagonalising_legs_is_hopeless(order, condition):
    _, vectors = np.linalg.eig(hippo.matrices(Memory("legs", order))[0])
    assert 0.9 < np.linalg.cond(vectors) / condition < 1.1


@pytest.mark.parametrize(("order", "norm"), [(4, 10.28), (16, 163.0), (64, 2608)])
def test_norm_of_legs(order, norm):
    assert np.linalg.norm(hippo.matrices(Memory("legs", order))[0], 2) == pytest.approx(
        norm, rel=1e-3
    )


# --- Eigenvalues and stability --------------------------------------------------------------------


def test_eigenvalues_of_triangular_matrices():
    assert hippo.eigenvalues(Memory("legs", 5)).tolist() == [-5, -4, -3, -2, -1]
    assert hippo.eigenvalues(Memory("lagt", 3)).tolist() == [-1, -1, -1]
    assert hippo.eigenvalues(Memory("lagt_repo", 3)).tolist() == [-0.5, -0.5, -0.5]


def test_eigenvalues_of_legt_of_every_order_sum_to_the_trace():
    for order in range(1, 129):
        memory = Memory("legt", order)
        found = hippo.eigenvalues(memory)
        assert len(set(found.tolist())) == order and (found.real < 0).all(), order
        assert found.sum() == pytest.approx(np.trace(hippo.matrices(memory)[0]), rel=1e-13)


def test_eigenvalues_of_small_legt():
    np.testing.assert_allclose(
        hippo.eigenvalues(Memory("legt", 2)), [-2 - 1.414213562j, -2 + 1.414213562j]
    )
    expected = [-2.68108287 - 3.05043020j, -3.63783425, -2.68108287 + 3.05043020j]
    np.testing.assert_allclose(hippo.eigenvalues(Memory("legt", 3)), expected, atol=1e-7)


@pytest.mark.parametrize("order", [1, 2, 5, 8, 9, 16])
def test_eigenvalues_of_legt_are_those_of_the_matrix(order):
    found = hippo.eigenvalues(Memory("legt", order))
    direct = np.linalg.eigvals(hippo.matrices(Memory("legt", order))[0])
    gaps = np.abs(found[:, None] - direct).min(axis=1)
    assert gaps.max() < 1e-6 * np.abs(found).max()  # what eigvals has left of its digits


@pytest.mark.parametrize("order", [17, 64, 128])
def test_eigenvalues_of_large_legt_are_poles_of_the_delay(order):
    """Residual by mpmath, trace and pairing; numpy's own are off by more than their size."""
    found = hippo.eigenvalues(Memory("legt", order))
    assert len(found) == order and (found.real < 0).all()
    assert found.sum().real == pytest.approx(-(order**2), rel=1e-13)
    assert (found * found.conj()).sum().real > 0
    np.testing.assert_allclose(np.sort_complex(found), np.sort_complex(found.conj()), rtol=1e-15)
    _, denominator = hippo.pade_delay(order)
    with mpmath.workdps(200):
        falling = [mpmath.mpf(c.numerator) / c.denominator for c in reversed(denominator)]
        for pole in found[:: max(1, order // 12)]:
            value, slope = mpmath.polyval(falling, mpmath.mpc(complex(pole)), derivative=1)
            assert abs(value / slope) < 1e-14 * abs(pole)
    gaps = np.abs(found[:, None] - found)[~np.eye(order, dtype=bool)]
    assert gaps.min() > 1


def test_largest_eigenvalue_of_legt_64():
    assert np.abs(hippo.eigenvalues(Memory("legt", 64))).max() == pytest.approx(120.92, abs=0.01)


@pytest.mark.parametrize("order", [3, 17, 65])
def test_whole_past_fourier_decays_at_one_rate(order):
    values = hippo.eigenvalues(Memory("fours", order))
    np.testing.assert_allclose(values.real, -1, atol=1e-11)


LIMITS = {
    1: 2,
    2: 0.66667,
    3: 0.325111,
    4: 0.194101,
    8: 0.056381,
    16: 0.016743,
    32: 0.005080,
    64: 0.001566,
}


@pytest.mark.parametrize(("order", "limit"), LIMITS.items())
def test_euler_limit_of_legt(order, limit):
    assert hippo.euler_limit(Memory("legt", order)) == pytest.approx(
        limit, abs=1.1e-6 if order > 2 else 1e-5
    )
    assert hippo.euler_limit(Memory("legt", order, 3.0)) == pytest.approx(3 * limit, rel=1e-3)


def test_euler_limits_in_closed_form():
    assert hippo.euler_limit(Memory("legs_lti", 16)) == 2 / 16
    assert hippo.euler_limit(Memory("lagt", 16)) == 2
    assert hippo.euler_limit(Memory("lagt_repo", 16)) == 4
    assert hippo.calm_step(Memory("legs", 16)) == 8


@pytest.mark.parametrize("measure", ["legt", "legs_lti", "fourier", "fourier_post"])
def test_euler_limit_is_where_the_radius_passes_one(measure):
    memory = Memory(measure, 6, 0.7)
    A, _ = hippo.system(memory)
    limit = hippo.euler_limit(memory)
    for factor, stable in ((0.999, True), (1.001, False)):
        radius = np.abs(np.linalg.eigvals(np.eye(memory.size) + factor * limit * A)).max()
        assert (radius < 1) == stable


def test_limits_refuse_the_other_kind():
    with pytest.raises(ValueError, match="constant system, got 'legs'"):
        hippo.euler_limit(Memory("legs"))
    with pytest.raises(ValueError, match="legs or fours, got 'legt'"):
        hippo.calm_step(Memory("legt"))
    with pytest.raises(ValueError, match="constant system"):
        hippo.system(Memory("fours"))


def test_growth_is_the_factor_of_the_scalar_equation():
    p = np.array([-1.0, -3.0, 1j, -0.1 + 2j])
    np.testing.assert_allclose(hippo.growth("forward", p), np.abs(1 + p))
    np.testing.assert_allclose(hippo.growth("backward", p), 1 / np.abs(1 - p))
    np.testing.assert_allclose(hippo.growth("bilinear", 1j * np.arange(3)), 1)
    np.testing.assert_allclose(hippo.growth("exact", p), np.exp(p.real))
    assert hippo.growth("backward", [1.0])[0] == np.inf
    with pytest.raises(ValueError, match="method must be one of"):
        hippo.growth("heun", p)


# --- Delay ----------------------------------------------------------------------------------------


def test_delay_read_out_is_pade():
    numerator, denominator = hippo.pade_delay(2)  # -2 (s - 3) / (s^2 + 4 s + 6)
    assert numerator == [1, Fraction(-1, 3)] and denominator == [1, Fraction(2, 3), Fraction(1, 6)]
    numerator, denominator = hippo.pade_delay(3)
    assert [60 * c for c in numerator] == [60, -24, 3]
    assert [60 * c for c in denominator] == [60, 36, 9, 1]


@pytest.mark.parametrize("order", [1, 2, 3, 6])
def test_delay_read_out_of_legt_is_the_transfer_function(order):
    memory = Memory("legt", order)
    A, B = hippo.matrices(memory)
    C = hippo.delay_output(memory, 1.0)
    numerator, denominator = hippo.pade_delay(order)
    for s in (0.3, 1 + 2j, -0.4 + 5j):
        ours = C @ np.linalg.solve(s * np.eye(order) - A, B)
        theirs = np.polyval(list(map(float, numerator))[::-1], s) / np.polyval(
            list(map(float, denominator))[::-1], s
        )
        assert ours == pytest.approx(theirs, rel=1e-11)


@pytest.mark.parametrize("order", [2, 5, 9])
def test_delay_agrees_with_the_exponential_through_order_2n_minus_1(order):
    numerator, denominator = hippo.pade_delay(order)
    series = [Fraction((-1) ** j, math.factorial(j)) for j in range(2 * order + 1)]
    for power in range(2 * order + 1):
        made = sum(denominator[j] * series[power - j] for j in range(min(power, order) + 1))
        wanted = numerator[power] if power < order else 0
        assert (made == wanted) == (power < 2 * order)


def test_delay_step_response_is_scipys():
    order, t = 6, np.linspace(0, 3, 200)
    numerator, denominator = (list(map(float, p))[::-1] for p in hippo.pade_delay(order))
    _, theirs = signal.step((numerator, denominator), T=t)
    memory = Memory("legt", order)
    A, B = hippo.matrices(memory)
    C, A_inverse_B = hippo.delay_output(memory, 1), np.linalg.solve(A, B)
    ours = [C @ (linalg.expm(A * at) - np.eye(order)) @ A_inverse_B for at in t]
    np.testing.assert_allclose(ours, theirs, atol=1e-9)
    assert abs(theirs[t > 2] - 1).max() < 0.02  # it is a delay by 1


def test_delay_output_domain():
    with pytest.raises(ValueError, match=r"lag must be a number in \[0, 1\], got 1.5"):
        hippo.delay_output(Memory("legt"), 1.5)
    with pytest.raises(ValueError, match="measure must be one of legt"):
        hippo.delay_output(Memory("legs"), 0.5)


# --- Basis and reconstruction ---------------------------------------------------------------------


def test_legendre_is_scipys():
    z = np.linspace(-1, 1, 41)
    ours = hippo.legendre_values(128, z)
    theirs = special.eval_legendre(np.arange(128)[:, None], z)
    np.testing.assert_allclose(ours, theirs, atol=1e-13)
    assert hippo.legendre_values(1, z).shape == (1, 41)


def test_laguerre_is_scipys():
    r = np.linspace(0, 30, 61)
    theirs = special.eval_laguerre(np.arange(40)[:, None], r) * np.exp(-r / 2)
    np.testing.assert_allclose(hippo.laguerre_values(40, r, 0.5), theirs, atol=1e-12)


@pytest.mark.parametrize("measure", ["legs", "legt", "lagt", "legs_lti"])
def test_basis_is_orthonormal_under_its_density(measure):
    memory, t = Memory(measure, 6, 0.5), 40.0  # the fading past is 80 time scales long
    low, high = (0, t) if measure != "legt" else (t - 0.5, t)
    x = (
        np.linspace(low, high, 200_001)
        if measure in ("legs", "legt")
        else t - np.geomspace(1e-9, t, 400_001)[::-1]
    )
    values = hippo.basis(memory, x, t)
    gram = integrate.trapezoid(
        values.T[:, None] * values.T * hippo.density(memory, x, t), x, axis=-1
    )
    np.testing.assert_allclose(gram, np.eye(6), atol=2e-6)


def test_repository_laguerre_basis_is_orthonormal_under_the_flat_measure():
    memory = Memory("lagt_repo", 5)
    r = np.linspace(0, 120, 400_001)
    values = hippo.basis(memory, 120 - r, 120.0)
    np.testing.assert_allclose(
        integrate.trapezoid(values.T[:, None] * values.T, r, axis=-1), np.eye(5), atol=1e-6
    )


@pytest.mark.parametrize("measure", ["fourier", "fours"])
def test_fourier_basis_is_orthonormal(measure):
    memory = Memory(measure, 6)
    values = hippo.basis(memory, (np.arange(64) + 0.5) / 64, 1.0)
    np.testing.assert_allclose(values.conj().T @ values / 64, np.eye(7), atol=1e-14)


@pytest.mark.parametrize("measure", ALL)
def test_density_has_mass_one_unless_flat(measure):
    x = np.linspace(-40, 3, 860_001)
    mass = integrate.trapezoid(hippo.density(Memory(measure, 4, 0.5), x, 2.0), x)
    wanted = 42 / 0.5 if measure == "lagt_repo" else 1
    assert mass == pytest.approx(wanted, rel=1e-3)


def test_memory_reaches_no_further_than_it_does():
    x = np.array([-0.1, 0.2, 0.5, 0.75, 1.0, 1.1])
    reach = {"legs": [0, 1, 1, 1, 1, 0], "legt": [0, 0, 1, 1, 1, 0], "lagt": [1, 1, 1, 1, 1, 0]}
    for measure, seen in reach.items():
        ages = hippo.ages(Memory(measure, 4, 0.5), x, 1.0)
        assert (~np.isnan(ages)).astype(int).tolist() == seen
        assert (hippo.density(Memory(measure, 4, 0.5), x, 1.0) > 0).astype(int).tolist() == seen


MONOMIALS = {
    0: [1, 0, 0, 0, 0],
    1: [1 / 2, 0.288675, 0, 0, 0],
    2: [1 / 3, 0.288675, 0.0745356, 0, 0],
    3: [0.25, 0.259808, 0.111803, 0.0188982, 0],
    4: [0.2, 0.23094, 0.127775, 0.037796, 0.004762],
}


@pytest.mark.parametrize(("power", "expected"), MONOMIALS.items())
def test_legs_of_monomials(power, expected):
    A, B = hippo.matrices(Memory("legs", 5))
    state = np.linalg.solve(power * np.eye(5) - A, B)
    np.testing.assert_allclose(state, expected, atol=5e-7)
    x = np.linspace(0, 2, 33)
    np.testing.assert_allclose(
        hippo.reconstruct(Memory("legs", 5), state * 2.0**power, x, 2.0), x**power, atol=1e-13
    )


@pytest.mark.parametrize(("power", "error"), [(5, 0), (6, 1 / 924), (7, 0.00407925)])
def test_legs_is_exact_below_its_order_only(power, error):
    A, B = hippo.matrices(Memory("legs", 6))
    state = np.linalg.solve(power * np.eye(6) - A, B)
    x = np.linspace(0, 1, 2001)
    gap = np.abs(hippo.reconstruct(Memory("legs", 6), state, x, 1.0) - x**power).max()
    assert gap == pytest.approx(error, rel=1e-5, abs=1e-14)


@pytest.mark.parametrize(("power", "residual"), [(2, 0), (3, 0.1118)])
def test_polynomials_below_the_order_are_steady_in_legt(power, residual):
    """x(T) = projection of t^p on [T-1, T] solves x' = A x + B u for p < N = 3 only."""
    A, B = hippo.matrices(Memory("legt", 3))
    z, w = np.polynomial.legendre.leggauss(12)
    basis = hippo.legendre_values(3, z) * hippo.roots(3)[:, None]

    def state(T):
        return basis @ (w * ((T - 1 + (z + 1) / 2) ** power)) / 2

    h, T = 1e-4, 1.3
    slope = (state(T + h) - state(T - h)) / (2 * h)
    gap = np.abs(slope - A @ state(T) - B * T**power).max()
    assert gap == pytest.approx(residual, abs=2e-4)


def test_su_state_reconstructs_the_same(rng):
    state, x = rng.standard_normal(7), np.linspace(0, 1, 20)
    for measure in ("legs", "legt", "legs_lti"):
        paper = hippo.reconstruct(Memory(measure, 7), state, x, 1.0)
        su = hippo.reconstruct(Memory(measure, 7, normalisation="su"), sqrt(2) * state, x, 1.0)
        np.testing.assert_allclose(su, paper, rtol=1e-12)


def test_reconstruction_takes_many_states_and_refuses_wrong_ones(rng):
    memory, x = Memory("legs", 4), np.linspace(0, 1, 9)
    states = rng.standard_normal((3, 4))
    together = hippo.reconstruct(memory, states, x, 1.0)
    np.testing.assert_allclose(together[1], hippo.reconstruct(memory, states[1], x, 1.0))
    assert np.isnan(hippo.reconstruct(memory, np.full(4, np.nan), x, 1.0)).all()
    with pytest.raises(ValueError, match="last axis of 4"):
        hippo.reconstruct(memory, np.zeros(5), x, 1.0)
    with pytest.raises(ValueError, match="t must be a number greater than 0"):
        hippo.reconstruct(memory, np.zeros(4), x, 0.0)


@pytest.mark.parametrize("measure", FADING)
def test_impulse_responses_are_matrix_exponentials(measure):
    memory, lags = Memory(measure, 6, 0.5), [0.0, 0.2, 1.7]
    A, B = hippo.system(memory)
    expected = [linalg.expm(A * lag) @ B for lag in lags]
    np.testing.assert_allclose(hippo.impulse_response(memory, lags), expected, atol=1e-12)


def test_impulse_response_of_a_window_starts_at_b():
    np.testing.assert_allclose(hippo.impulse_response(Memory("legt", 5), [0.0])[0], hippo.roots(5))
    with pytest.raises(ValueError, match="lags must be at least 0"):
        hippo.impulse_response(Memory("legt", 5), [-1.0])


# --- Forgetting -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("t1", "norm"), [(2, 1.09375), (10, 0.302063), (100, 0.0585557), (1000, 0.00775183)]
)
def test_gradient_of_legs(t1, norm):
    assert hippo.influence(Memory("legs", 8), 1.0, t1)[0] == pytest.approx(norm, rel=2e-6)


def test_legs_forgets_like_a_power_and_its_constant_twin_exponentially():
    t1 = np.array([1e3, 1e4, 1e5])
    legs = [hippo.influence(Memory("legs", 8), 1.0, t)[0] for t in t1]
    slope = np.diff(np.log(legs)) / np.diff(np.log(t1))
    assert np.abs(slope + 1).max() < 0.03
    lti = [hippo.influence(Memory("legs_lti", 8), 0.0, t)[0] for t in (10.0, 20.0, 30.0)]
    np.testing.assert_allclose(np.diff(np.log(lti)), -10, atol=0.02)


def test_influence_domain():
    with pytest.raises(ValueError, match=r"t0 must be in \[0, 2\]"):
        hippo.influence(Memory("legs"), 3.0, 2.0)
    with pytest.raises(ValueError, match="measure must be one of"):
        hippo.influence(Memory("fours"), 1.0, 2.0)


# --- O(N) arithmetic ------------------------------------------------------------------------------


@given(st.integers(1, 128), st.floats(0, 50), st.integers(0, 2**32 - 1))
@settings(deadline=None, max_examples=60)
def test_short_arithmetic_is_the_long_one(order, lam, seed):
    v = np.random.default_rng(seed).standard_normal((3, order))
    A, _ = hippo.matrices(Memory("legs", order))
    scale = np.abs(v).max() * order**2
    np.testing.assert_allclose(hippo.legs_product(v), v @ A.T, atol=1e-13 * scale)
    z = hippo.legs_solve(lam, v)
    long = linalg.solve_triangular(np.eye(order) - lam * A, v.T, lower=True).T
    np.testing.assert_allclose(z, long, atol=1e-12 * np.abs(v).max() * order)


def test_short_solve_takes_one_vector_and_refuses_negative_lambda():
    np.testing.assert_allclose(hippo.legs_solve(0.5, [3.0]), [2.0])
    np.testing.assert_array_equal(hippo.legs_solve(0, [3.0, 4.0]), [3.0, 4.0])
    for lam in (-1, math.inf, math.nan, "1"):
        with pytest.raises(ValueError, match="lam must be a number at least 0"):
            hippo.legs_solve(lam, [1.0])


# --- Domains --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("field", "bad"),
    [("order", b) for b in (0, -3, 2.5, 129, math.nan, True, "8", None)]
    + [("window", b) for b in (0, -1.0, math.inf, math.nan, None)]
    + [("measure", "legz"), ("normalisation", "mine")],
)
def test_memory_refuses_what_is_outside_its_domain(field, bad):
    with pytest.raises(ValueError, match=f"{field} must be"):
        Memory(**{field: bad})


def test_whole_floats_count_as_orders():
    eight: Any = 8.0
    assert isinstance(Memory("legs", eight).order, int) and Memory("legs", eight).order == 8
    assert hippo.matrices(Memory("legs", 1))[0].tolist() == [[-1]]


# --- The past at fixed ages, and identities -------------------------------------------------------


@pytest.mark.parametrize("measure", hippo.MEASURES)
def test_a_film_shows_what_single_pictures_show(measure, rng):
    memory = hippo.Memory(measure, 6, 0.3)
    ages = hippo.shown_ages(memory, 11)
    times = np.array([0.4, 0.9])
    states = rng.standard_normal((2, memory.size))
    places = hippo.places(memory, ages, times)
    film = hippo.remembered(memory, states, ages)
    weights = hippo.age_weights(memory, ages, times)
    for row, t in enumerate(times):
        one = hippo.reconstruct(memory, states[row], places[row], t)
        np.testing.assert_allclose(film[row], one, rtol=1e-9, atol=1e-12)
        np.testing.assert_allclose(weights[row], hippo.density(memory, places[row], t), rtol=1e-9)


@pytest.mark.parametrize("measure", ["legs", "legs_lti", "legt", "lagt", "lagt_repo"])
def test_influence_later_is_influence(measure):
    memory = hippo.Memory(measure, 5, 0.7)
    times = np.array([1.0, 1.5, 4.0])
    single = [hippo.influence(memory, 1.0, t)[0] for t in times]
    np.testing.assert_allclose(hippo.influence_later(memory, times), single, rtol=1e-10)
    with pytest.raises(ValueError, match="at least 1"):
        hippo.influence_later(memory, [0.5])


def test_evenly_spaced_lags_give_the_same_response():
    memory = hippo.Memory("legt", 8, 2.0)
    even = np.linspace(0, 5, 21)
    uneven = np.append(even, 7.0)  # one exponential for each
    np.testing.assert_allclose(
        hippo.impulse_response(memory, even),
        hippo.impulse_response(memory, uneven)[:-1],
        atol=1e-11,
    )


def test_past_response_is_the_influence_of_each_moment():
    memory, shares = hippo.Memory("legs", 7), np.linspace(0, 1, 9)
    norms = np.linalg.norm(hippo.past_response(memory, shares), axis=1) / 4
    np.testing.assert_allclose(norms, hippo.influence(memory, 4 * shares, 4.0), rtol=1e-12)


@pytest.mark.parametrize("order", [1, 2, 6, 16, 64])
def test_identities_have_no_defect(order):
    assert hippo.lmu_gap(order) < 1e-12
    assert hippo.pade_gap(hippo.Memory("legt", order, 3.0, "su")) < 1e-9
    below, above, theory = hippo.monomial_errors(order)
    assert below < 1e-12 and above == pytest.approx(theory, rel=1e-6, abs=1e-13)


def test_the_sixth_power_misses_by_one_over_924():
    assert hippo.monomial_errors(6)[1] == pytest.approx(1 / 924, rel=1e-9)


def test_set_distance_finds_the_worst():
    assert hippo.set_distance([1, 2.5], [1, 2, 10]) == 0.5
