"""HiPPO in steps: from samples u_0, u_1, ... to the states, fast, by any of four discretisations.

Constant system, u_k held on [k eps, (k+1) eps):        x_{k+1} = A_bar x_k + B_bar u_k with
    forward   A_bar = I + eps A,                         B_bar = eps B
    backward  A_bar = (I - eps A)^-1,                    B_bar = A_bar eps B
    bilinear  A_bar = (I - eps A/2)^-1 (I + eps A/2),    B_bar = (I - eps A/2)^-1 eps B
    exact     A_bar = exp(eps A),                        B_bar = A^-1 (A_bar - I) B
System divided by t ("legs", "fours"), where eps cancels; Su's steps start at x_1 = u_0 e_0, k >= 1:
    forward   x_{k+1} = (I + A/k) x_k + B u_k / k
    backward  x_{k+1} = (I - A/(k+1))^-1 (x_k + B u_k / (k+1))
    bilinear  x_{k+1} = (I - A/(2(k+1)))^-1 ((I + A/(2k)) x_k + B u_k / k)
    exact     x_{k+1} = u_k e_0 + exp(A ln((k+1)/k)) (x_k - u_k e_0), since A e_0 = -B
and hippo-code's start at 0 and use t = 1, 2, ... on both sides: I + A/t; I - A/t; I -+ A/(2t), with
B u_{t-1} / t; its exact step ("zoh") goes from t to t + 1, so that [0, 1) counts as silence.

Shapes: u (L,) real samples; records (R,) numbers k of samples used; states (R, S), S the state's
size; `state k` is the state after u_0 .. u_{k-1}, state 0 is 0.
Accuracy: "legs" by a triangular step is found mode by mode, each a bidiagonal system over all k,
O(L N) in all, as exact as the step-by-step solve. "legs" by the exact step is the true projection
of the samples held constant, formed directly between the records and carried over them by Gauss
quadrature: within 1e-10 of max |u| for N <= 128, L <= 20 000. "fours" steps in the eigenvectors of
its matrix, whose condition number stays below 9.

Source: Su Jianlin, 2024, kexue.fm/archives/10137 (steps, O(N)), 10162 (kernel). Code
HazyResearch/hippo-code, model/op.py and hippo.py. The start, the e_0 form, the mode-by-mode order
and the direct projection: derived here.
"""

import functools
import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from models.checks import one_of, whole_number
from models.hippo import (
    Array,
    Complexes,
    Integers,
    Memory,
    Numbers,
    ages,
    laguerre_values,
    legendre_values,
    matrices,
    positive,
    reconstruct,
    remembered,
    roots,
    system,
)

METHODS = ("forward", "backward", "bilinear", "exact")
CONVENTIONS = ("su", "hippo_code")
MAX_SAMPLES = 20_000
LOUD = 1000.0  # times the largest sample: no state of a sound step is that large
CELLS = 1 << 20  # numbers of a scratch array held at one time (8 MiB): more leaves the cache


@dataclass(frozen=True)
class Trajectory:
    """States of a memory at chosen times.

    Attributes:
        records: Numbers of samples used, rising, int64 (R,).
        states: (R, S), float64 or complex128; NaN from the blow-up on.
        blow_up: Smallest k whose state is not finite, or None.
        largest: Largest finite magnitude of any state on the way, recorded or not where the method
            visits every step, else at the records.
        outgrown: Smallest k whose state is more than `LOUD` times the largest sample, or None.
    """

    records: Integers
    states: Numbers
    blow_up: int | None
    largest: float
    outgrown: int | None = None


# --- Checks ---------------------------------------------------------------------------------------


def as_samples(u: ArrayLike) -> Array:
    """Check a signal and return it as float64 (L,).

    Raises:
        ValueError: If it is not a list of 1..20 000 real numbers, or one of them is not finite or
            above 1e100 in size (named by its position, from 0).
    """
    given = np.asarray(u)
    if given.ndim != 1 or not 1 <= given.size <= MAX_SAMPLES:
        raise ValueError(f"u must have shape (L,), L in 1..{MAX_SAMPLES}, got {given.shape}")
    if given.dtype.kind not in "buif":
        raise ValueError(f"u must be real numbers, got dtype {given.dtype}")
    samples = given.astype(np.float64)
    bad = np.flatnonzero(~(np.abs(samples) <= 1e100))
    if bad.size:
        raise ValueError(f"u must be finite and at most 1e100, got u[{bad[0]}] = {given[bad[0]]}")
    return samples


def as_records(records: ArrayLike | None, n_samples: int) -> Integers:
    """Check numbers of samples; None means all of 0..L.

    Raises:
        ValueError: If they are not strictly rising whole numbers in 0..L.
    """
    if records is None:
        return np.arange(n_samples + 1)
    given = np.asarray(records)
    chosen = given.astype(np.int64) if given.dtype.kind in "uif" else np.array([-1])
    good = given.ndim == 1 and given.size > 0 and bool((chosen == given).all())
    if not (good and chosen[0] >= 0 and chosen[-1] <= n_samples and (np.diff(chosen) > 0).all()):
        raise ValueError(
            f"records must be strictly rising whole numbers in 0..{n_samples}, got {records!r:.60}"
        )
    return chosen


def spread_records(n_samples: int, limit: int) -> Integers:
    """Return at most `limit` numbers of samples spread evenly over 1..L, both ends included.

    Raises:
        ValueError: If n_samples is below 1 or limit below 2.
    """
    if n_samples < 1 or limit < 2:
        raise ValueError(f"need n_samples >= 1 and limit >= 2, got {n_samples} and {limit}")
    return np.linspace(1, n_samples, min(n_samples, limit)).round().astype(np.int64)


# --- One step -------------------------------------------------------------------------------------


def discretise(memory: Memory, step: float, method: str) -> tuple[Numbers, Numbers]:
    """Return A_bar (S, S) and B_bar (S,) of a constant system.

    Args:
        memory: One whose measure has a constant system.
        step: eps, in units of time, greater than 0.
        method: One of `METHODS`.

    Raises:
        ValueError: If an argument is outside its domain.
    """
    one_of("method", method, METHODS)
    eps = positive("step", step)
    A, B = system(memory)
    identity: Array = np.eye(memory.size)
    match method:
        case "forward":
            return identity + eps * A, eps * B
        case "backward":
            inverse = np.linalg.inv(identity - eps * A)
            return inverse, inverse @ (eps * B)
        case "bilinear":
            left = identity - eps * A / 2
            right = np.column_stack([identity + eps * A / 2, eps * B])
            both = np.linalg.solve(left, right)
        case _ if memory.measure == "legs_lti":
            A_bar = legs_propagator(memory.order, math.exp(min(eps / memory.window, 700)))
            return A_bar, (np.eye(memory.order)[0] - A_bar[:, 0]) * memory.scale
        case _:
            both = _exponential(A * eps, B * eps)
    return both[:, :-1], both[:, -1]


def _exponential(A: Numbers, B: Numbers) -> Numbers:
    """Return exp(A) and A^-1 (exp(A) - I) B side by side, (S, S + 1); A may be singular."""
    from scipy.linalg import expm

    size = len(B)
    joint = np.zeros((size + 1, size + 1), A.dtype)
    joint[:size, :size], joint[:size, size] = A, B
    return np.asarray(expm(joint)[:size])


def legs_propagator(order: int, ratio: float) -> Array:
    """Return exp(A ln r) of LegS, (N, N): the state of the past after a silence up to r times t.

    It is the projection of a polynomial on [0, t], continued by 0, onto those on [0, r t], hence
    M_nk = (1/2r) int P_k(z) P_n((z+1)/r - 1) dz sqrt((2n+1)(2k+1)), exact by N Gauss nodes and free
    of the cancellation in the eigenvectors of A.

    Raises:
        ValueError: If ratio is below 1 or not finite.
    """
    if not (1 <= ratio < math.inf):
        raise ValueError(f"ratio must be at least 1 and finite, got {ratio!r}")
    z, w, values = _gauss(order)
    moved = legendre_values(order, (z + 1) / ratio - 1) * roots(order)[:, None]
    return np.asarray((moved * w) @ values.T / (2 * ratio))


@functools.lru_cache(maxsize=256)
def _gauss(order: int) -> tuple[Array, Array, Array]:
    """Return nodes z (N,), weights w (N,) and sqrt(2n+1) P_n(z), (N, N)."""
    z, w = np.polynomial.legendre.leggauss(order)
    values = legendre_values(order, z) * roots(order)[:, None]
    return np.asarray(z, np.float64), np.asarray(w, np.float64), values


def scaled_step(
    memory: Memory, k: int, method: str, convention: str = "su"
) -> tuple[Numbers, Numbers]:
    """Return A_k (S, S) and B_k (S,) of the step from state k to state k + 1 of "legs" or "fours".

    The plain definition, O(N^3) a step; `trajectory` gives the same states much faster.

    Args:
        memory: Its measure is divided by t.
        k: Samples already used, at least 0. With "su" the step from 0 is A_0 = 0, B_0 = e_0.
        method: One of `METHODS`.
        convention: One of `CONVENTIONS`.

    Raises:
        ValueError: If an argument is outside its domain.
    """
    _check_scaled(memory, method, convention)
    k = whole_number("k", k, 0)
    A, B = matrices(memory)
    identity, first = np.eye(memory.size), _first(memory)
    if convention == "su" and k == 0:
        return np.zeros_like(A), first
    if method == "exact":
        from scipy.linalg import expm

        t = k if convention == "su" else k + 1
        A_k = np.asarray(expm(A * math.log((t + 1) / t)))
        return A_k, first - A_k @ first
    left, right, gain = (float(c[0]) for c in _coefficients(np.array([k]), method, convention))
    both = np.linalg.solve(identity - left * A, np.column_stack([identity + right * A, gain * B]))
    return both[:, :-1], both[:, -1]


def _check_scaled(memory: Memory, method: str, convention: str) -> None:
    one_of("measure", memory.measure, ("legs", "fours"))
    one_of("method", method, METHODS)
    one_of("convention", convention, CONVENTIONS)


def _first(memory: Memory) -> Array:
    """Return the state -A^-1 B of a constant signal 1: e_0, (S,)."""
    first = np.zeros(memory.size)
    first[memory.size // 2 if memory.kind.family == "fourier" else 0] = memory.scale
    return first


def _coefficients(k: Integers, method: str, convention: str) -> tuple[Array, Array, Array]:
    """Return l, r, g of (I - l A) x_{k+1} = (I + r A) x_k + g B u_k, each (n,)."""
    before, after = (k, k + 1) if convention == "su" else (k + 1, k + 1)
    none = np.zeros(k.size)
    match method:
        case "forward":
            return none, 1 / before, 1 / before
        case "backward":
            return 1 / after, none, 1 / after
        case _:
            return 1 / (2 * after), 1 / (2 * before), 1 / before


def walk(
    memory: Memory,
    u: ArrayLike,
    step: float,
    method: str,
    convention: str = "su",
    precision: str = "float64",
) -> Iterator[Numbers]:
    """Yield states 1, 2, ..., L one by one, straight from the definition: slow, for comparison.

    Args:
        memory: Any.
        u: Samples (L,).
        step: eps; not read where it cancels.
        method: One of `METHODS`.
        convention: One of `CONVENTIONS`; only matters where the system is divided by t.
        precision: "float64", or "float32" to see how soon half the digits run out.

    Raises:
        ValueError: If an argument is outside its domain.
    """
    samples = as_samples(u)
    one_of("precision", precision, ("float64", "float32"))
    real = memory.kind.family != "fourier"
    kind = np.result_type(precision, np.float32 if real else np.complex64)
    constant = None if memory.kind.is_scaled else discretise(memory, step, method)
    state = np.zeros(memory.size, kind)
    for k, sample in enumerate(samples.astype(precision)):
        A_k, B_k = constant or scaled_step(memory, k, method, convention)
        with np.errstate(all="ignore"):
            state = A_k.astype(kind) @ state + B_k.astype(kind) * sample
        yield state


# --- Whole trajectories ---------------------------------------------------------------------------


def trajectory(
    memory: Memory,
    u: ArrayLike,
    step: float,
    method: str = "exact",
    convention: str = "su",
    records: ArrayLike | None = None,
) -> Trajectory:
    """Feed the samples into the memory and return its states at the records.

    Args:
        memory: Any.
        u: Samples (L,), L in 1..20 000.
        step: eps, time from one sample to the next; not read where it cancels.
        method: One of `METHODS`.
        convention: One of `CONVENTIONS`; only matters where the system is divided by t.
        records: Strictly rising numbers of samples in 0..L; by default all of them.

    Returns:
        The states, with the first step at which they are not finite, if any.

    Raises:
        ValueError: If an argument is outside its domain.
    """
    samples = as_samples(u)
    chosen = as_records(records, samples.size)
    if not memory.kind.is_scaled:
        one_of("convention", convention, CONVENTIONS)
        A_bar, B_bar = discretise(memory, step, method)
        return _constant(A_bar, B_bar, samples, chosen)
    _check_scaled(memory, method, convention)
    if memory.measure == "fours":
        return _fours(memory, samples, method, convention, chosen)
    if method == "exact":
        return _exact_legs(memory, samples, convention, chosen)
    return _stepped_legs(memory, samples, method, convention, chosen)


def _constant(A_bar: Numbers, B_bar: Numbers, u: Array, records: Integers) -> Trajectory:
    """Step a constant system, stopping soon after it is no longer finite."""
    states = np.empty((u.size + 1, B_bar.size), A_bar.dtype)
    states[0] = 0
    np.multiply.outer(u, B_bar, out=states[1:])
    n_done = u.size
    with np.errstate(all="ignore"):
        for k in range(u.size):
            states[k + 1] += A_bar @ states[k]
            if k % 256 == 255 and not np.isfinite(states[k + 1]).all():
                n_done = k + 1
                break
        return _trajectory(states, n_done, records, u)


def _outgrown(sizes: Array, u: Array) -> int | None:
    """Return the first step whose size is beyond `LOUD` times the largest sample."""
    loud = np.flatnonzero(~(sizes <= LOUD * max(float(np.abs(u).max()), 1e-300)))
    return int(loud[0]) if loud.size else None


def _trajectory(states: Numbers, n_done: int, records: Integers, u: Array) -> Trajectory:
    """Keep the records of states 0..n_done, and find the blow-up and the largest value."""
    sizes = np.abs(states[: n_done + 1]).max(axis=1)  # NaN is handed on
    bad = np.flatnonzero(~np.isfinite(sizes))
    blow_up = int(bad[0]) if bad.size else None
    kept = np.full((records.size, states.shape[1]), np.nan, states.dtype)
    alive = records < blow_up if blow_up is not None else np.ones(records.size, bool)
    kept[alive] = states[records[alive]]
    largest = float(sizes[:blow_up].max())
    return Trajectory(records, kept, blow_up, largest, _outgrown(sizes, u))


def _bidiagonal(diagonal: Numbers, carried: Numbers, right: Numbers) -> Numbers:
    """Solve diagonal_i y_i - carried_i y_{i-1} = right_i in order, (n,); carried_0 is not read."""
    from scipy.linalg.blas import dtbsv, ztbsv

    bands = np.empty((2, right.size), right.dtype, order="F")
    bands[0] = diagonal
    bands[1, :-1] = -carried[1:]
    bands[1, -1] = 0
    solve = ztbsv if right.dtype.kind == "c" else dtbsv
    return np.asarray(solve(1, bands, right, lower=1))


def _stepped_legs(
    memory: Memory, u: Array, method: str, convention: str, records: Integers
) -> Trajectory:
    """Run forward, backward or bilinear LegS mode by mode, each over all k at once."""
    start = 1 if convention == "su" else 0  # state `start` is known
    states = np.zeros((memory.order, u.size + 1))
    states[0, start] = u[0] * start
    k = np.arange(start, u.size)
    if k.size:
        left, right, gain = _coefficients(k, method, convention)
        driven, sums = gain * u[start:], np.zeros(k.size + 1)  # sums of sqrt(2m+1) x_m, m < n
        with np.errstate(all="ignore"):
            for n, q in enumerate(roots(memory.order)):
                mode = states[n, start:]
                forced = q * (driven - left * sums[1:] - right * sums[:-1])
                carried = 1 - right * (n + 1)
                forced[0] += carried[0] * mode[0]
                mode[1:] = _bidiagonal(1 + left * (n + 1), carried, forced)
                sums += q * mode
    with np.errstate(all="ignore"):
        return _trajectory(states.T * memory.scale, u.size, records, u)


def _exact_legs(memory: Memory, u: Array, convention: str, records: Integers) -> Trajectory:
    """Project the staircase between records directly; carry it over each record by quadrature."""
    silence = 0 if convention == "su" else 1  # hippo-code's zoh hears nothing on [0, 1)
    ends = records[records > 0]
    states = np.zeros((records.size, memory.order))
    if ends.size:
        starts = np.concatenate([[0], ends[:-1]])
        fresh = staircase_blocks(u, starts, ends, memory.order, silence)
        z, w, values = _gauss(memory.order)
        q = roots(memory.order)
        ratios = (ends[1:] + silence) / (ends[:-1] + silence)
        state = fresh[0]
        carried = [state]
        per_turn = max(1, CELLS // memory.order**2)
        for first in range(0, ratios.size, per_turn):
            some = ratios[first : first + per_turn]
            moved = _moved_basis(memory.order, z, some)  # (N, n_some, N nodes)
            for i, ratio in enumerate(some):
                old = w * (state @ values) / (2 * ratio)
                state = q * (moved[:, i] @ old) + fresh[first + i + 1]
                carried.append(state)
        states[records > 0] = np.array(carried) * memory.scale
    largest = float(np.abs(states).max())
    return Trajectory(records, states, None, largest)


def _moved_basis(order: int, z: Array, ratios: Array) -> Array:
    """Return P_n((z+1)/r - 1), (N, n_ratios, n_nodes), in passes over one contiguous slab each."""
    at = (z + 1) / ratios[:, None] - 1
    values = np.empty((order, *at.shape))
    values[0] = 1
    if order > 1:
        values[1] = at
    scratch = np.empty_like(at)
    for n in range(1, order - 1):
        above = values[n + 1]
        np.multiply(at, values[n], out=above)
        above *= (2 * n + 1) / (n + 1)
        np.multiply(values[n - 1], n / (n + 1), out=scratch)
        above -= scratch
    return values


def staircase_blocks(
    u: Array, starts: Integers, ends: Integers, order: int, silence: int = 0
) -> Array:
    """Return what samples start..end-1 of each block add to the LegS state after its end, (R, N).

    c_n = sqrt(2n+1) sum_j u_j (F_n(z_{j+1}) - F_n(z_j)), z_j = 2j/K - 1, with the antiderivative
    F_n = (P_{n+1} - P_{n-1}) / (2(2n+1)), F_0 = z/2.

    Args:
        u: Samples (L,).
        starts: First sample of each block, (R,).
        ends: One past the last sample, after `starts`, (R,); also the time K of the measure.
        order: N.
        silence: Whole steps before the first sample that count as 0.
    """
    counts = ends - starts + 1  # edges of a block
    firsts = np.concatenate([[0], np.cumsum(counts)[:-1]])
    edges = np.arange(counts.sum()) - np.repeat(firsts - starts, counts)
    z = 2 * (edges + silence) / np.repeat(ends + silence, counts) - 1
    # The weight of an edge is the drop u_{j-1} - u_j, so that differences of F are not formed.
    drops = np.empty(z.size)
    drops[1:] = u[np.maximum(edges[1:] - 1, 0)] - u[np.minimum(edges[1:], u.size - 1)]
    drops[firsts] = -u[starts]
    drops[firsts + counts - 1] = u[ends - 1]
    result = np.empty((ends.size, order))
    result[:, 0] = np.add.reduceat(drops * z, firsts) / 2
    below, here = np.ones(z.size), z.copy()
    for n in range(1, order):
        above = ((2 * n + 1) * z * here - n * below) / (n + 1)
        weight = math.sqrt(2 * n + 1) / (2 * (2 * n + 1))
        result[:, n] = np.add.reduceat(drops * (above - below), firsts) * weight
        below, here = here, above
    return result


@functools.lru_cache(maxsize=64)
def _fours_eigen(order: int) -> tuple[Complexes, Complexes, Complexes]:
    """Return eigenvalues (S,), eigenvectors V (S, S) and V^-1 of "fours"."""
    values, vectors = np.linalg.eig(matrices(Memory("fours", order))[0])
    return values, vectors, np.linalg.inv(vectors)


def _fours(memory: Memory, u: Array, method: str, convention: str, records: Integers) -> Trajectory:
    """Run "fours" eigenvector by eigenvector, each over all k at once."""
    values, vectors, inverse = _fours_eigen(memory.order)
    start = 1 if convention == "su" else 0
    first, B = inverse @ _first(memory), inverse @ matrices(memory)[1]
    k = np.arange(start, u.size)
    modes = np.zeros((memory.size, u.size + 1), np.complex128)
    modes[:, start] = first * (u[0] * start)
    with np.errstate(all="ignore"):
        for i, value in enumerate(values if k.size else []):
            if method == "exact":
                t = k if convention == "su" else k + 1
                carried = ((t + 1) / t) ** value
                diagonal: Numbers = np.ones(k.size)
                forced = (1 - carried) * first[i] * u[start:]
            else:
                left, right, gain = _coefficients(k, method, convention)
                diagonal, carried = 1 - left * value, 1 + right * value
                forced = gain * B[i] * u[start:]
            forced[0] += carried[0] * modes[i, start]
            modes[i, start + 1 :] = _bidiagonal(diagonal, carried, forced)
        states = np.full((records.size, memory.size), np.nan, np.complex128)
        sizes = np.abs(modes).max(axis=0)
        bad = np.flatnonzero(~np.isfinite(sizes))
        blow_up = int(bad[0]) if bad.size else None
        alive = records < (blow_up if blow_up is not None else u.size + 1)
        states[alive] = (vectors @ modes[:, records[alive]]).T
    # A real signal has conjugate coefficients; rounding is taken out here, not shown.
    states = (states + states[:, ::-1].conj()) / 2
    kept = np.abs(states[alive])
    largest = float(kept.max()) if kept.size else 0.0
    return Trajectory(records, states, blow_up, largest, _outgrown(sizes, u))


# --- The best possible ----------------------------------------------------------------------------


def projection(
    memory: Memory, u: ArrayLike, step: float, records: ArrayLike | None = None
) -> Numbers:
    """Return the coefficients of the best approximation of the past at the records, (R, S).

    The past is the samples held constant, 0 before the first one, projected on the basis under the
    measure of that time. No discretisation takes part: where the system follows exactly ("legs",
    "lagt", "lagt_repo", "legs_lti") the exact step gives these very numbers, and is used.

    Args:
        memory: Any.
        u: Samples (L,).
        step: eps, time from one sample to the next.
        records: As for `trajectory`; for windows and "fours" keep them to some hundreds.

    Raises:
        ValueError: If an argument is outside its domain.
    """
    samples = as_samples(u)
    chosen = as_records(records, samples.size)
    if memory.kind.is_closed:
        return trajectory(memory, samples, step, "exact", "su", chosen).states
    if memory.measure == "fours":
        return _fours_projection(samples, memory, chosen)
    weights = lag_weights(memory, positive("step", step), samples.size)
    width = len(weights)
    padded = np.concatenate([np.zeros(width), samples])[::-1]
    windows = np.lib.stride_tricks.sliding_window_view(padded, width)
    result = np.empty((chosen.size, memory.size), weights.dtype)
    for first in range(0, chosen.size, max(1, CELLS // width)):
        some = chosen[first : first + max(1, CELLS // width)]
        result[first : first + some.size] = windows[samples.size - some] @ weights
    return result


def lag_weights(memory: Memory, step: float, n_samples: int) -> Numbers:
    """Return the integral of each basis function over each sample's age, (n_lags, S).

    Row j belongs to the sample used j steps before the last, of ages [j eps, (j+1) eps] cut off at
    the window's end; n_lags is at most n_samples. Multiplied with the last samples, latest first,
    it gives the projection on the window, in the memory's normalisation.

    Raises:
        ValueError: If the measure is "legs" or "fours".
    """
    system(memory)  # refuses measures whose window changes
    edges: Array = np.arange(n_samples + 1.0) * (step / memory.window)
    if memory.kind.past == "window":
        edges = np.minimum(edges[: math.ceil(1 / edges[1] - 1e-9) + 1], 1.0)
    if memory.kind.family == "fourier":
        n = np.arange(memory.size) - memory.size // 2
        turn = np.exp(2j * math.pi * np.multiply.outer(edges, n))
        widths = np.diff(edges)[:, None]
        zero = n == 0
        return np.where(zero, widths, np.diff(turn, axis=0) / (2j * math.pi * np.where(zero, 1, n)))
    if memory.kind.family == "laguerre":
        return np.asarray(_laguerre_integrals(memory, edges))
    z = 1 - 2 * edges if memory.measure == "legt" else 2 * np.exp(-edges) - 1
    values = legendre_values(memory.order + 1, z)
    odd = 2 * np.arange(1, memory.order) + 1
    integrals = np.concatenate(
        [z[None] / 2, (values[2:] - values[:-2]) / (2 * odd[:, None])]
    )  # (N, n_edges), of P_n dz / 2
    return np.asarray(-np.diff(integrals, axis=1).T * roots(memory.order) * memory.scale)


def _laguerre_integrals(memory: Memory, edges: Array) -> Array:
    """Return integrals of L_n(r) exp(-r), or of L_n(r) exp(-r/2), between edges, (n, N)."""
    if memory.measure == "lagt":
        values = laguerre_values(memory.order, edges, 1.0)
        return np.asarray(-np.diff(np.diff(values, axis=0, prepend=0), axis=1).T)
    values = laguerre_values(memory.order, edges, 0.5)
    rises = np.diff(values, axis=1).T  # (n, N)
    result = np.empty_like(rises)
    result[:, 0] = -2 * rises[:, 0]
    for n in range(1, memory.order):
        result[:, n] = -result[:, n - 1] - 2 * (rises[:, n] - rises[:, n - 1])
    return result


def _fours_projection(u: Array, memory: Memory, records: Integers) -> Complexes:
    """Return (1/k) sum_j u_j int exp(-2 pi i n s/k) ds over [j, j+1], n = -M..M, (R, S)."""
    half = memory.size // 2
    n = np.arange(half + 1)
    result = np.zeros((records.size, memory.size), np.complex128)
    for row, k in zip(result, records, strict=True):
        if k == 0:
            continue
        spectrum = np.fft.fft(u[:k])[n % k] / k
        turn = 2j * math.pi * n / k
        spectrum[1:] *= -np.expm1(-turn[1:]) / turn[1:]
        row[half:] = spectrum
        row[:half] = spectrum[:0:-1].conj()
    return result


def energy(memory: Memory, u: ArrayLike, step: float, records: ArrayLike | None = None) -> Array:
    """Return the square of the past under the measure at the records, (R,).

    Mean of u^2 for "legs" and "fours", over the window for "legt" and "fourier", with weight
    exp(-r) for "lagt" and "legs_lti", the integral of u^2 / tau for "lagt_repo"; 0 at record 0.
    In any normalisation; the unseen part of a window counts as 0.

    Raises:
        ValueError: If an argument is outside its domain.
    """
    samples = as_samples(u)
    chosen = as_records(records, samples.size)
    sums = np.concatenate([[0.0], np.cumsum(samples**2)])
    if memory.kind.is_scaled:
        return np.asarray(sums[chosen] / np.maximum(chosen, 1))
    width = positive("step", step) / memory.window
    if memory.measure == "lagt_repo":
        return np.asarray(sums[chosen] * width)
    if memory.kind.past == "window":
        start = np.maximum(chosen - 1 / width, 0)
        return np.asarray((sums[chosen] - np.interp(start, np.arange(sums.size), sums)) * width)
    kept = math.exp(-width)
    faded = _bidiagonal(
        np.ones(samples.size), np.full(samples.size, kept), -math.expm1(-width) * samples**2
    )
    return np.asarray(np.concatenate([[0.0], faded])[chosen])


@dataclass(frozen=True)
class Readings:
    """Squared errors at the records under the measure, in paper scale, each (R,).

    For any state x the mean squared error is best + excess: best = energy - ||c*||^2 is that of the
    projection c* (Parseval), excess = ||x - c*||^2 what the discretisation and the guess of what
    leaves the window add. The signal is the samples held constant: its steps are part of best.
    """

    energy: Array
    best: Array
    excess: Array

    @property
    def error(self) -> Array:
        """Mean squared error of the state, (R,)."""
        return self.best + self.excess


def readings(
    memory: Memory, u: ArrayLike, step: float, run: Trajectory, best: Numbers | None = None
) -> Readings:
    """Compare a trajectory with the best possible projection.

    Args:
        memory: What the trajectory was made with.
        u: Samples (L,).
        step: eps.
        run: From `trajectory`.
        best: `projection` at the same records, if already known.

    Returns:
        Squared errors; inf or NaN where the trajectory has blown up.

    Raises:
        ValueError: If an argument is outside its domain.
    """
    target = projection(memory, u, step, run.records) if best is None else best
    power = energy(memory, u, step, run.records)
    squares = memory.scale**2
    left = power - (np.abs(target) ** 2).sum(axis=1) / squares
    with np.errstate(all="ignore"):
        excess = (np.abs(run.states - target) ** 2).sum(axis=1) / squares
    return Readings(power, np.maximum(left, 0.0), excess)


def midpoints(n_samples: int, step: float) -> Array:
    """Return (k + 1/2) eps, the middle of the time for which each sample is held, (L,)."""
    return np.asarray((np.arange(n_samples) + 0.5) * positive("step", step))


def sample_error(memory: Memory, state: ArrayLike, u: ArrayLike, n_used: int, step: float) -> float:
    """Return the mean over the past of (u_k - reconstruction at the middle of its step)^2.

    Unlike `readings` it does not count the staircase against the fit, and every sample in reach
    counts alike, whatever the measure.

    Args:
        memory: What the state belongs to.
        state: State after n_used samples, (S,).
        u: Samples (L,).
        n_used: 1..L.
        step: eps.

    Raises:
        ValueError: If an argument is outside its domain.
    """
    samples = as_samples(u)
    if not 1 <= n_used <= samples.size:
        raise ValueError(f"n_used must be in 1..{samples.size}, got {n_used!r}")
    x, t = midpoints(n_used, step), n_used * step
    fit, seen = reconstruct(memory, state, x, t), ~np.isnan(ages(memory, x, t))
    with np.errstate(all="ignore"):
        return float(np.mean((samples[:n_used] - fit)[seen] ** 2))


# --- Convolution (S4) -----------------------------------------------------------------------------


def kernel(A_bar: ArrayLike, B_bar: ArrayLike, C: ArrayLike, n_samples: int) -> Numbers:
    """Return K_k = C A_bar^k B_bar, k = 0..L-1, so that y = C x is the convolution of K and u.

    The columns A_bar^k B_bar are doubled, log2 L products in all.

    Args:
        A_bar: (S, S).
        B_bar: (S,).
        C: (S,).
        n_samples: L, at least 1.

    Returns:
        (L,).

    Raises:
        ValueError: If n_samples is below 1.
    """
    if n_samples < 1:
        raise ValueError(f"n_samples must be at least 1, got {n_samples!r}")
    power, columns = np.asarray(A_bar), np.asarray(B_bar)[:, None]
    with np.errstate(all="ignore"):
        while columns.shape[1] < n_samples:
            columns = np.concatenate([columns, power @ columns], axis=1)
            power = power @ power
        return np.asarray(np.asarray(C) @ columns[:, :n_samples])


def convolve(kernel_values: NDArray[np.float64], u: ArrayLike) -> Array:
    """Return y_k = sum_j K_j u_{k-j} by the fast Fourier transform, (L,): the output after u_k."""
    samples = as_samples(u)
    length = 2 * samples.size
    product = np.fft.rfft(kernel_values[: samples.size], length) * np.fft.rfft(samples, length)
    return np.asarray(np.fft.irfft(product, length)[: samples.size])


# --- Checks by another road -----------------------------------------------------------------------


def fit_error(memory: Memory, state: ArrayLike, u: ArrayLike, step: float) -> float:
    """Return the mean squared error of a state after all samples, by quadrature.

    Gauss nodes on every sample's step and on the unheard part of a window; for a projection this is
    energy - ||c||^2 (Parseval), which `readings` uses.

    Args:
        memory: One whose past counts evenly: "legs", "legt" and the Fourier ones.
        state: (S,), after the last sample.
        u: Samples (L,).
        step: eps.

    Raises:
        ValueError: If the measure fades.
    """
    samples = as_samples(u)
    if memory.kind.past == "fading":
        raise ValueError(f"measure must count evenly, got {memory.measure!r}")
    span = samples.size * step if memory.kind.is_scaled else memory.window
    heard = np.clip((samples.size - np.arange(samples.size + 1)) * step, 0, span)
    bounds = np.concatenate([[span], heard])  # first the part of a window before the signal
    values = np.concatenate([[0.0], samples])
    some = bounds[:-1] > bounds[1:]
    old, new, level = bounds[:-1][some], bounds[1:][some], values[some]
    widest = float((old - new).max()) / span
    # the first number is exact; the second follows the basis, finest near the ends, 1 / size^2
    nodes = min(memory.size + 2, 4 + math.ceil(memory.size**2 * widest / 6))
    z, w, _ = _gauss(nodes)
    ages_ = new[:, None] + np.multiply.outer(old - new, (z + 1) / 2)  # (steps, nodes)
    r = ages_.ravel() / span
    gaps = level[:, None] - remembered(memory, np.asarray(state)[None], r)[0].reshape(ages_.shape)
    return float(((old - new) / 2 * (gaps**2 @ w)).sum() / span)


def errors_by_order(measure: str, u: ArrayLike, most: int) -> tuple[Array, Numbers]:
    """Find the least mean squared error of N = 1..most numbers for the whole signal.

    Args:
        measure: "legs", or "fours", where N even leaves one number unused.
        u: Samples (L,), held constant.
        most: Largest N, 1..128.

    Returns:
        The errors (most,), and the coefficients of the largest N (S,); those of a smaller one are
        the first of "legs".

    Raises:
        ValueError: If an argument is outside its domain.
    """
    one_of("measure", measure, ("legs", "fours"))
    samples = as_samples(u)
    memory = Memory(measure, most)
    c = projection(memory, samples, 1 / samples.size, [samples.size])[0]
    squares = np.abs(c) ** 2
    if measure == "fours":
        half = memory.size // 2
        pairs = np.concatenate([[squares[half]], 2 * squares[half + 1 :]])
        squares = np.zeros(most)
        squares[0], squares[2::2] = pairs[0], pairs[1 : 1 + squares[2::2].size]
    left = np.mean(samples**2) - np.cumsum(squares)
    return np.maximum(left, 0), c


def order_of(memory: Memory, method: str, convention: str) -> int:
    """Return p, where the distance to the exact step falls like L^-p.

    First order for the Euler steps; second for the bilinear one of a constant system. Systems
    divided by t stay at first order: B u_k / k is not centred, and hippo-code's clock is late.
    """
    return 2 if method == "bilinear" and not memory.kind.is_scaled else 1


def measured_influence(order: int, n_samples: int, k: int) -> float:
    """Return ||dx(1) / du|| of exact "legs", found by changing sample k of L, per unit of time.

    Raises:
        ValueError: If an argument is outside its domain.
    """
    pulse = np.zeros(n_samples)
    pulse[k] = 1
    state = trajectory(Memory("legs", order), pulse, 1 / n_samples, records=[n_samples]).states[0]
    return float(np.linalg.norm(state) * n_samples)


def slope(x: ArrayLike, y: ArrayLike, last: int = 4) -> float:
    """Return the slope of ln y against ln x over the last points, NaN if a y is 0 or infinite."""
    across, up = (np.asarray(v, np.float64)[-last:] for v in (x, y))
    if not (np.isfinite(up).all() and (up > 0).all()):
        return math.nan
    return float(np.polyfit(np.log(across), np.log(up), 1)[0])


def dense_bilinear(memory: Memory, u: ArrayLike) -> Array:
    """Return all states (L, N) of Su's bilinear "legs" by a dense triangular solve a step, O(N^2).

    Raises:
        ValueError: If the measure is not "legs".
    """
    from scipy.linalg.blas import dtrmv, dtrsv

    one_of("measure", memory.measure, ["legs"])
    samples = as_samples(u)
    A, B = matrices(memory)
    identity: Array = np.eye(memory.order)
    states = np.empty((samples.size, memory.order))
    states[0] = samples[0] * _first(memory)
    for k in range(1, samples.size):
        right = dtrmv(identity + A / (2 * k), states[k - 1], lower=1) + B * (samples[k] / k)
        states[k] = dtrsv(identity - A / (2 * (k + 1)), right, lower=1)
    return states


def convolution_check(order: int, step: float, u: ArrayLike) -> tuple[Array, float]:
    """Run "legs_lti" (bilinear, as S4) as convolution and as recurrence.

    Args:
        order: N.
        step: eps over the time scale.
        u: Samples (L,).

    Returns:
        The kernel (L,) that reads out the newest value, and the largest difference of both outputs.
    """
    samples = as_samples(u)
    memory = Memory("legs_lti", order)
    C = roots(memory.order)  # all P_n are 1 at the newest moment
    K = kernel(*discretise(memory, step, "bilinear"), C, samples.size)
    states = trajectory(memory, samples, step, "bilinear").states
    return K, float(np.abs(convolve(K, samples) - states[1:] @ C).max())
