"""HiPPO: a signal's past kept in N numbers that follow a linear differential equation.

The state holds the coefficients of the past in an orthogonal basis under a measure that says which
part of the past counts; differentiating them in t gives, tau being the window or time scale,
    x'(t) = (A x + B u) / tau     constant systems: legt, lagt, lagt_repo, fourier, ..., legs_lti
    x'(t) = (A x + B u) / t       the whole past, stretched: legs, fours
LegS: A_nk = -sqrt((2n+1)(2k+1)) for k < n, -(n+1) for k = n, 0 above; B_n = sqrt(2n+1).

Shapes: A (S, S), B (S,), state x (S,); S = N, the order, for the Legendre and Laguerre families,
and S = 2 M + 1 with M = N // 2 for the Fourier ones: complex coefficients of n = -M..M, conjugate
in n and -n, hence N or N + 1 real numbers. Times and tau share one unit, the signal's duration.
Conventions: x' = + A x (the paper's LegS has the opposite sign); A and B are for tau = 1 unless
`system` is asked; "paper" scale has a basis orthonormal under the measure of mass 1, "su" has
coefficients sqrt(2) times as large (Legendre families only) and the same A.

Source: Su Jianlin, 2024, kexue.fm/archives/10114 (LegT, LegS, Fourier window), 10137 (Fourier on
the whole past, O(N) product and solve), 10162 (S4). Gu et al. 2020, arXiv 2008.07669 (LagT; prop. 3
and 5). Gu et al. 2022, arXiv 2206.12037 (Fourier closure). LMU: Voelker, Kajic and Eliasmith,
NeurIPS 2019. Code HazyResearch/hippo-code, state-spaces/s4. Eigenvalues of LegT: derived here.
"""

import functools
import math
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from models.checks import number, one_of, whole_number

Array = NDArray[np.float64]
Complexes = NDArray[np.complex128]
Numbers = NDArray[Any]  # float64, or complex128 for the Fourier families
Integers = NDArray[np.int64]

MAX_ORDER = 128
NORMALISATIONS = ("paper", "su")


@dataclass(frozen=True)
class Measure:
    """What is the same for all orders of one measure.

    Attributes:
        family: "legendre", "laguerre" or "fourier".
        past: "all", "window" or "fading": the part of the past that counts.
        is_scaled: Whether the system is divided by t and not by a constant.
        is_closed: Whether x follows exactly; if not, what leaves the window is guessed.
    """

    family: str
    past: str
    is_scaled: bool = False
    is_closed: bool = True


MEASURES: dict[str, Measure] = {
    "legs": Measure("legendre", "all", is_scaled=True),
    "legt": Measure("legendre", "window", is_closed=False),
    "lagt": Measure("laguerre", "fading"),
    "lagt_repo": Measure("laguerre", "fading"),
    "fourier_post": Measure("fourier", "window", is_closed=False),
    "fourier": Measure("fourier", "window", is_closed=False),
    "fours": Measure("fourier", "all", is_scaled=True, is_closed=False),
    "legs_lti": Measure("legendre", "fading"),
}


# --- Checks ---------------------------------------------------------------------------------------


def positive(name: str, value: Any) -> float:
    """Return a number as float.

    Raises:
        ValueError: If the value is not a real number greater than 0 and finite.
    """
    return number(name, value, 0, above=True)


@dataclass(frozen=True)
class Memory:
    """Which past is kept, and in how many numbers.

    Attributes:
        measure: A key of `MEASURES`. "fourier_post" closes with u(T - w) = sum of c as the post
            does, "fourier" with twice that less u(T), right at a jump; "lagt" is the paper's and
            "lagt_repo" the repository's; "legs_lti" takes the matrix of "legs" as a constant
            system, as S4 does.
        order: N, 1..128.
        window: tau, the window of "legt" and "fourier", the time scale of the fading ones, in units
            of time; "legs" and "fours" do not read it.
        normalisation: "paper" or "su".

    Raises:
        ValueError: If an attribute is outside its domain.
    """

    measure: str = "legs"
    order: int = 16
    window: float = 1.0
    normalisation: str = "paper"

    def __post_init__(self) -> None:
        one_of("measure", self.measure, MEASURES)
        object.__setattr__(self, "order", whole_number("order", self.order, 1, MAX_ORDER))
        object.__setattr__(self, "window", positive("window", self.window))
        one_of("normalisation", self.normalisation, NORMALISATIONS)

    @property
    def kind(self) -> Measure:
        """What the measure is like."""
        return MEASURES[self.measure]

    @property
    def size(self) -> int:
        """Length S of the state."""
        return 2 * (self.order // 2) + 1 if self.kind.family == "fourier" else self.order

    @property
    def scale(self) -> float:
        """State in the chosen normalisation over the state in the paper's, dimensionless."""
        su = self.normalisation == "su" and self.kind.family == "legendre"
        return math.sqrt(2) if su else 1.0


# --- Matrices -------------------------------------------------------------------------------------


def roots(order: int) -> Array:
    """Return sqrt(2n + 1), n = 0..N-1, (N,)."""
    return np.asarray(np.sqrt(2.0 * np.arange(order) + 1))


def _modes(order: int) -> Integers:
    half = order // 2
    return np.arange(-half, half + 1)


def _legt(order: int) -> tuple[Array, Array]:
    q, n = roots(order), np.arange(order)
    signs = np.where(n[None, :] < n[:, None], 1.0, (-1.0) ** (n[:, None] - n[None, :]))
    return -np.outer(q, q) * signs, q


def _legs(order: int) -> tuple[Array, Array]:
    q = roots(order)
    return -np.tril(np.outer(q, q), -1) - np.diag(np.arange(1.0, order + 1)), q


def _lagt(order: int) -> tuple[Array, Array]:
    return -np.tril(np.ones((order, order))), np.ones(order)


def _lagt_repo(order: int) -> tuple[Array, Array]:
    A, B = _lagt(order)
    return A + np.eye(order) / 2, B


def _fourier(order: int, gain: float) -> tuple[Complexes, Complexes]:
    n = _modes(order)
    A = np.diag(2j * math.pi * n) - gain
    return A.astype(np.complex128), np.asarray(np.full(n.size, gain, np.complex128))


def _fours(order: int) -> tuple[Complexes, Complexes]:
    n = _modes(order)
    gap = n[:, None] - n[None, :]
    A = np.where(gap == 0, 0, -n[:, None] / np.where(gap == 0, 1, gap)).astype(np.complex128)
    return A + np.diag(1j * math.pi * n - 1), np.ones(n.size, np.complex128)


def matrices(memory: Memory) -> tuple[Numbers, Numbers]:
    """Return A (S, S) and B (S,) for tau = 1 or t = 1, dimensionless.

    Example:
        >>> matrices(Memory("legs", 2))[0].round(6).tolist()
        [[-1.0, -0.0], [-1.732051, -2.0]]
    """
    match memory.measure:
        case "legs" | "legs_lti":
            A, B = _legs(memory.order)
        case "legt":
            A, B = _legt(memory.order)
        case "lagt":
            A, B = _lagt(memory.order)
        case "lagt_repo":
            A, B = _lagt_repo(memory.order)
        case "fours":
            return _fours(memory.order)
        case _:
            return _fourier(memory.order, 1.0 if memory.measure == "fourier_post" else 2.0)
    return A, B * memory.scale


def system(memory: Memory) -> tuple[Numbers, Numbers]:
    """Return A / tau and B / tau of a constant system, per unit of time.

    Raises:
        ValueError: If the measure is "legs" or "fours", whose systems change with t.
    """
    if memory.kind.is_scaled:
        raise ValueError(f"measure must be one with a constant system, got {memory.measure!r}")
    A, B = matrices(memory)
    return A / memory.window, B / memory.window


@dataclass(frozen=True)
class ExactMatrices:
    """Entries written as sign * sqrt(radicand) / denominator, all whole numbers.

    Attributes:
        A_signs: -1, 0 or 1, (N, N).
        A_radicands: (N, N).
        B_signs: 1, (N,).
        B_radicands: (N,).
        denominator: 1, or 2 for "lagt_repo".
    """

    A_signs: Integers
    A_radicands: Integers
    B_signs: Integers
    B_radicands: Integers
    denominator: int = 1


def exact_matrices(memory: Memory) -> ExactMatrices:
    """Return A and B for tau = 1 without rounding, ready to be written as square roots.

    Raises:
        ValueError: If the measure is of the Fourier family, whose entries are no square roots.
    """
    if memory.kind.family == "fourier":
        raise ValueError(f"measure must be a Legendre or Laguerre one, got {memory.measure!r}")
    A, _ = matrices(memory)
    odd = 2 * np.arange(memory.order, dtype=np.int64) + 1
    denominator = 2 if memory.measure == "lagt_repo" else 1
    signs = np.sign(A).astype(np.int64)
    if memory.kind.family == "laguerre":
        inside = np.rint((A * denominator) ** 2).astype(np.int64)
        outer = np.full(memory.order, denominator**2, np.int64)
    else:
        inside = np.outer(odd, odd) * np.abs(signs)
        if memory.measure != "legt":
            np.fill_diagonal(inside, np.arange(1, memory.order + 1) ** 2)
        outer = odd * (2 if memory.scale > 1 else 1)
    return ExactMatrices(signs, inside, np.ones_like(outer), outer, denominator)


def simplify_root(radicand: int) -> tuple[int, int]:
    """Return (a, b) with sqrt(radicand) = a sqrt(b) and b free of squares; (0, 1) for 0.

    Example:
        >>> simplify_root(45)
        (3, 5)

    Raises:
        ValueError: If radicand is not a whole number of at least 0.
    """
    inside = whole_number("radicand", radicand, 0)
    if inside == 0:
        return 0, 1
    outside = next(a for a in range(math.isqrt(inside), 0, -1) if inside % (a * a) == 0)
    return outside, inside // (outside * outside)


def stretch_coefficients(order: int) -> list[list[Fraction]]:
    """Expand (z + 1) P_n'(z) in P_0 .. P_n, n = 0..N-1: the step from which A of LegS follows.

    Stretching the window turns d/dt of P_n(2s/t - 1) into -(z + 1) P_n'(z) / t. The result,
    n P_n + sum over k < n of (2k+1) P_k, is found here by dividing exact polynomials.

    Args:
        order: N, 1..32.

    Returns:
        Row n has n + 1 fractions.

    Raises:
        ValueError: If order is outside its domain.
    """
    n_max = whole_number("order", order, 1, 32)
    polynomials = [[Fraction(1)], [Fraction(0), Fraction(1)]]  # by rising powers of z
    for n in range(1, n_max):
        up = [Fraction(0), *(Fraction(2 * n + 1, n + 1) * a for a in polynomials[n])]
        for i, a in enumerate(polynomials[n - 1]):
            up[i] -= Fraction(n, n + 1) * a
        polynomials.append(up)
    rows = []
    for n in range(n_max):
        slope = [i * a for i, a in enumerate(polynomials[n])][1:] + [Fraction(0)]
        rest = [a + (slope[i - 1] if i else 0) for i, a in enumerate(slope)]  # (z + 1) P_n'
        row = [Fraction(0)] * (n + 1)
        for k in range(n, -1, -1):
            row[k] = rest[k] / polynomials[k][k]
            for i, a in enumerate(polynomials[k]):
                rest[i] -= row[k] * a
        rows.append(row)
    return rows


def lmu_matrices(order: int) -> tuple[Array, Array]:
    """Return the Legendre memory unit's A (N, N) and B (N,) for a window of 1.

    They are D A D^-1 and D B of "legt", D = diag((-1)^n sqrt(2n + 1)); written here as in the LMU
    paper: A_ij = (2i+1) {-1 if i < j, (-1)^(i-j+1) else}, B_i = (2i+1)(-1)^i.
    """
    n = np.arange(whole_number("order", order, 1, MAX_ORDER))
    signs = np.where(n[:, None] < n[None, :], -1.0, (-1.0) ** (n[:, None] - n[None, :] + 1))
    return signs * (2 * n[:, None] + 1), (2 * n + 1) * (-1.0) ** n


def skew_part(order: int) -> tuple[Array, Array]:
    """Split LegS for S4: A = K - v v^T / 2 - I / 2 with K skew-symmetric.

    Returns:
        K (N, N) and v_n = sqrt(2n + 1), (N,).
    """
    A, v = _legs(whole_number("order", order, 1, MAX_ORDER))
    return A + np.outer(v, v) / 2 + np.eye(order) / 2, v


# --- Eigenvalues and stability --------------------------------------------------------------------


def eigenvalues(memory: Memory) -> Complexes:
    """Return the eigenvalues of A for tau = 1, (S,), sorted by imaginary, then real part.

    Closed form for the triangular matrices. Those of "legt" are the poles of a Pade approximant and
    found with long integers, for double precision loses them all above N = 32 or so. The Fourier
    matrices are close to normal and need no care.
    """
    order = memory.order
    values: Complexes
    match memory.measure:
        case "legs" | "legs_lti":
            values = np.arange(-1, -order - 1, -1).astype(np.complex128)
        case "lagt" | "lagt_repo":
            values = np.full(order, -1 if memory.measure == "lagt" else -0.5, np.complex128)
        case "legt":
            values = np.array(_pade_poles(order))
        case _:
            values = np.asarray(np.linalg.eigvals(matrices(memory)[0]), np.complex128)
    return values[np.lexsort((values.real, values.imag))]


def pade_delay(order: int) -> tuple[list[Fraction], list[Fraction]]:
    """Return the Pade [N-1/N] approximant of exp(-s): numerator, denominator, by rising powers.

    It is the transfer function from u to the oldest value read out of "legt", window 1.

    Raises:
        ValueError: If order is not a whole number in 1..128.
    """
    n = whole_number("order", order, 1, MAX_ORDER)
    whole = math.factorial(2 * n - 1)

    def coefficients(degree: int, sign: int) -> list[Fraction]:
        return [
            Fraction(sign**j * math.comb(degree, j) * math.factorial(2 * n - 1 - j), whole)
            for j in range(degree + 1)
        ]

    return coefficients(n - 1, -1), coefficients(n, 1)


@functools.lru_cache(maxsize=256)
def _pade_poles(order: int) -> tuple[complex, ...]:
    """Return the zeros of the denominator of `pade_delay` to full double precision.

    Aberth's iteration on the zeros of the upper half plane, from those of a smaller order put in
    proportion (the zeros divided by N settle on a curve), in integers of 4 N + 160 bits.
    """
    denominator = [c * order**j for j, c in enumerate(pade_delay(order)[1])]  # in y = s / N
    if order <= 8:
        found = np.roots([float(c) for c in reversed(denominator)])
    else:
        half = order // 2 + (order // 2 + order) % 2  # as even or odd as the order: no real zero
        smaller = _upper(_pade_poles(max(8, half)))  # must become half of a pair
        place, want = np.linspace(0, 1, len(smaller)), np.linspace(0, 1, (order + 1) // 2)
        found = np.interp(want, place, np.real(smaller)) + 1j * np.interp(
            want, place, np.imag(smaller)
        )
        found /= max(8, half)
    upper = [order * y for y in _aberth(denominator, _upper(tuple(found)), 4 * order + 160)]
    return tuple(upper) + tuple(z.conjugate() for z in upper if z.imag)


def _upper(zeros: tuple[complex, ...]) -> list[complex]:
    """Return one of each conjugate pair, the real zero (of odd orders) first and really real."""
    chosen = sorted((z for z in zeros if z.imag > -1e-6), key=lambda z: z.imag)
    return [complex(z) for z in chosen]


def _aberth(polynomial: list[Fraction], start: list[complex], bits: int) -> list[complex]:
    """Refine zeros of a real polynomial; of an odd degree the first one stays on the real axis."""
    one = 1 << bits
    falling = [int(c * one) for c in reversed(polynomial)]
    odd = len(polynomial) % 2 == 0
    zeros = list(start)
    if odd:
        zeros[0] = complex(zeros[0].real, 0)
    exact = [(int(z.real * 2**60) << bits >> 60, int(z.imag * 2**60) << bits >> 60) for z in zeros]
    for _ in range(60):
        largest = 0.0
        for i, (x, y) in enumerate(exact):
            newton = _newton(falling, x, y, bits)
            others = [z for j, z in enumerate(zeros) if j != i]
            near = others + [z.conjugate() for j, z in enumerate(zeros) if not (odd and j == 0)]
            pull = sum(1 / (zeros[i] - z) for z in near) if near else 0
            move = newton / (1 - newton * pull)
            if odd and i == 0:
                move = complex(move.real, 0)
            x -= int(move.real * 2**60) << bits >> 60
            y -= int(move.imag * 2**60) << bits >> 60
            exact[i] = (x, y)
            zeros[i] = complex(x / one, y / one)
            largest = max(largest, abs(move) / max(abs(zeros[i]), 1e-300))
        if largest < 1e-9:  # cubic: the next move would be far below rounding
            break
    return zeros


def _newton(falling: list[int], x: int, y: int, bits: int) -> complex:
    """Return p(z) / p'(z) at z = (x + i y) / 2^bits, by Horner's rule in integers."""
    pr, pi, dr, di = falling[0], 0, 0, 0
    for c in falling[1:]:
        dr, di = ((dr * x - di * y) >> bits) + pr, ((dr * y + di * x) >> bits) + pi
        pr, pi = ((pr * x - pi * y) >> bits) + c, (pr * y + pi * x) >> bits
    size = dr * dr + di * di
    if size == 0:
        return 0j
    # The quotient of long integers, kept to 200 bits before it becomes a float.
    real = ((pr * dr + pi * di) << 200) // size
    imag = ((pi * dr - pr * di) << 200) // size
    return complex(real / (1 << 200), imag / (1 << 200))


def euler_limit(memory: Memory) -> float:
    """Return the step below which forward Euler is stable, in units of time.

    It is tau min(-2 Re lambda / |lambda|^2) over the eigenvalues; a larger step makes the state
    grow without end. Backward Euler, bilinear and exact steps of these systems are always stable.

    Raises:
        ValueError: If the measure has no constant system: see `calm_step`.
    """
    if memory.kind.is_scaled:
        raise ValueError(f"measure must be one with a constant system, got {memory.measure!r}")
    return memory.window / _worst_step(memory)


def calm_step(memory: Memory) -> float:
    """Return the number of samples k from which forward Euler on "legs" or "fours" no longer grows.

    The factor 1 + lambda / k is at most 1 in size for k >= max |lambda|^2 / (-2 Re lambda), which
    is N / 2 for "legs". No choice of step changes it, because the step cancels.

    Raises:
        ValueError: If the measure has a constant system: see `euler_limit`.
    """
    if not memory.kind.is_scaled:
        raise ValueError(f"measure must be legs or fours, got {memory.measure!r}")
    return _worst_step(memory)


def _worst_step(memory: Memory) -> float:
    values = eigenvalues(memory)
    return float(np.max(np.abs(values) ** 2 / (-2 * values.real)))


# --- Basis, measure, reconstruction ---------------------------------------------------------------


def legendre_values(order: int, z: ArrayLike) -> Array:
    """Return P_0 .. P_{N-1} at z by their three-term recurrence, (N, ...)."""
    at = np.asarray(z, np.float64)
    values = np.empty((order, *at.shape))
    values[0] = 1
    if order > 1:
        values[1] = at
    for n in range(1, order - 1):
        values[n + 1] = ((2 * n + 1) * at * values[n] - n * values[n - 1]) / (n + 1)
    return values


def laguerre_values(order: int, r: ArrayLike, decay: float = 0.0) -> Array:
    """Return L_0 .. L_{N-1} at r, times exp(-decay r), (N, ...)."""
    at = np.asarray(r, np.float64)
    values = np.empty((order, *at.shape))
    values[0] = np.exp(-decay * at)
    if order > 1:
        values[1] = (1 - at) * values[0]
    for n in range(1, order - 1):
        values[n + 1] = ((2 * n + 1 - at) * values[n] - n * values[n - 1]) / (n + 1)
    return values


def ages(memory: Memory, x: ArrayLike, t: float) -> Array:
    """Return how long ago x is at time t: (t - x) / t for a stretched past, else (t - x) / tau.

    NaN where the memory does not reach: the future, and what has left a window.

    Raises:
        ValueError: If t is not greater than 0.
    """
    now = positive("t", t)
    r = (now - np.asarray(x, np.float64)) / (now if memory.kind.is_scaled else memory.window)
    slack = 1e-9  # so that the ends of the window count in spite of rounding
    oldest = math.inf if memory.kind.past == "fading" else 1.0
    seen = (r >= -slack) & (r <= oldest + slack)
    return np.where(seen, np.clip(r, 0, oldest), np.nan)


def basis(memory: Memory, x: ArrayLike, t: float) -> Numbers:
    """Return what the state multiplies at time t, so that u(x) is about the real part of the sum.

    Args:
        memory: Any; its normalisation divides the functions.
        x: Times, at most t, (n,).
        t: Now, greater than 0.

    Returns:
        (n, S); with r = `ages`, sqrt(2n+1) P_n(1 - 2r) for "legs" and "legt", sqrt(2n+1)
        P_n(2 exp(-r) - 1) for "legs_lti", L_n(r) for "lagt", L_n(r) exp(-r/2) for "lagt_repo",
        exp(-2 pi i n r) for the Fourier ones. NaN where r is.

    Raises:
        ValueError: If t is not greater than 0.
    """
    r = ages(memory, x, t)
    match memory.measure:
        case "legs" | "legt":
            values = legendre_values(memory.order, 1 - 2 * r).T * roots(memory.order)
        case "legs_lti":
            values = legendre_values(memory.order, 2 * np.exp(-r) - 1).T * roots(memory.order)
        case "lagt" | "lagt_repo":
            decay = 0.0 if memory.measure == "lagt" else 0.5
            values = laguerre_values(memory.order, r, decay).T
        case _:
            return np.exp(-2j * math.pi * np.multiply.outer(r, _modes(memory.order)))
    return values / memory.scale


def reconstruct(memory: Memory, state: ArrayLike, x: ArrayLike, t: float) -> Array:
    """Return the past as the state remembers it, u(x) for times x <= t, (n,).

    Far back, where a fading measure has almost no weight, the value means nothing and can be huge.

    Args:
        memory: What the state belongs to.
        state: (S,), or several (..., S).
        x: Times (n,).
        t: Now, greater than 0.

    Returns:
        (..., n); NaN where the memory does not reach.

    Raises:
        ValueError: If the state's last axis is not S long, or t is not greater than 0.
    """
    values = np.asarray(state)
    if values.ndim == 0 or values.shape[-1] != memory.size:
        raise ValueError(f"state must have a last axis of {memory.size}, got {values.shape}")
    with np.errstate(all="ignore"):  # a state that blew up gives inf and NaN, silently
        return np.asarray((values @ basis(memory, x, t).T).real)


def density(memory: Memory, x: ArrayLike, t: float) -> Array:
    """Return the weight of each moment x of the past at time t, per unit of time, (n,).

    1/t or 1/tau where the past is kept alike ("lagt_repo" too: it fades by its functions, not by
    its measure), exp(-r)/tau for "lagt" and "legs_lti"; 0 elsewhere.

    Raises:
        ValueError: If t is not greater than 0.
    """
    r = ages(memory, x, t)
    height = 1 / t if memory.kind.is_scaled else 1 / memory.window
    fades = memory.measure in ("lagt", "legs_lti")
    return np.where(np.isnan(r), 0.0, height * (np.exp(-np.nan_to_num(r)) if fades else 1.0))


def impulse_response(memory: Memory, lags: ArrayLike) -> Numbers:
    """Return exp(lag A / tau) B / tau: what a unit impulse leaves in each state, (n, S).

    In closed form for the fading measures, by eigenvectors or `expm` for the windows.

    Args:
        memory: One with a constant system.
        lags: Times since the impulse, at least 0, (n,).

    Raises:
        ValueError: If the measure has no constant system or a lag is negative or not finite.
    """
    A, B = system(memory)
    late = np.atleast_1d(np.asarray(lags, np.float64))
    if not (np.isfinite(late).all() and (late >= 0).all()):
        raise ValueError(f"lags must be at least 0 and finite, got {late[~(late >= 0)][:1]}")
    r = late / memory.window
    unit = memory.scale / memory.window
    match memory.measure:
        case "lagt" | "lagt_repo":
            decay = 1.0 if memory.measure == "lagt" else 0.5
            return laguerre_values(memory.order, r, decay).T * unit
        case "legs_lti":
            values = legendre_values(memory.order, 2 * np.exp(-r) - 1)
            return (values * np.exp(-r)).T * roots(memory.order) * unit
        case _:
            return _propagated(A, B, late)


def _propagated(A: Numbers, B: Numbers, lags: Array) -> Numbers:
    """Return exp(lag A) B, (n, S); evenly spaced lags share one exponential."""
    from scipy.linalg import expm

    steps = np.diff(lags)
    if lags.size > 2 and np.allclose(steps, steps[0], rtol=1e-9, atol=0) and steps[0] > 0:
        rows = [expm(lags[0] * A) @ B]
        once = expm(steps[0] * A)
        for _ in steps:
            rows.append(once @ rows[-1])
        return np.stack(rows)
    return np.stack([expm(lag * A) @ B for lag in lags])


def influence(memory: Memory, t0: ArrayLike, t1: float) -> Array:
    """Return ||dx(t1) / du(t0)||, per unit of time: how much an input at t0 still counts at t1.

    For "legs" (1/t1) sqrt(sum (2n+1) P_n(2 t0/t1 - 1)^2), of the order 1/t1 (paper, prop. 5); for
    constant systems the length of the impulse response, which decays exponentially.

    Args:
        memory: Any but "fours".
        t0: Times of the input in [0, t1], (n,).
        t1: Now, greater than 0.

    Raises:
        ValueError: If the measure is "fours" or a time is outside its domain.
    """
    now, then = positive("t1", t1), np.atleast_1d(np.asarray(t0, np.float64))
    one_of("measure", memory.measure, [key for key in MEASURES if key != "fours"])
    if not ((then >= 0) & (then <= now)).all():
        raise ValueError(f"t0 must be in [0, {now:g}], got {then[~((then >= 0) & (then <= now))]}")
    if memory.measure == "legs":
        values = legendre_values(memory.order, 2 * then / now - 1)
        squares = (2 * np.arange(memory.order) + 1) @ values**2
        return np.asarray(np.sqrt(squares) * memory.scale / now)
    return np.asarray(np.linalg.norm(impulse_response(memory, now - then), axis=1))


def delay_output(memory: Memory, lag: Any) -> Array:
    """Return C (N,) with C @ state about u(t - lag), 0 <= lag <= window of "legt".

    Raises:
        ValueError: If the measure is not "legt" or the lag outside its window.
    """
    one_of("measure", memory.measure, ["legt"])
    z = 1 - 2 * number("lag", lag, 0, memory.window) / memory.window
    return np.asarray(legendre_values(memory.order, z) * roots(memory.order) / memory.scale)


# --- O(N) arithmetic with LegS --------------------------------------------------------------------


def legs_product(v: ArrayLike) -> Array:
    """Return A v of LegS in O(N): (A v)_n = n v_n - sqrt(2n+1) sum_{k<=n} sqrt(2k+1) v_k.

    Args:
        v: Vectors (..., N).

    Returns:
        (..., N).
    """
    x = np.asarray(v, np.float64)
    q = roots(x.shape[-1])
    return np.asarray(np.arange(x.shape[-1]) * x - q * np.cumsum(q * x, axis=-1))


def legs_solve(lam: Any, v: ArrayLike) -> Array:
    """Solve (I - lam A) z = v of LegS in O(N).

    The running sum S_n of sqrt(2k+1) z_k obeys (1 + lam (n+1)) S_n = (1 - lam n) S_{n-1} +
    sqrt(2n+1) v_n, one bidiagonal system; then (1 + lam (n+1)) z_n = v_n - lam sqrt(2n+1) S_{n-1}.

    Args:
        lam: At least 0, e.g. half the step over t.
        v: Vectors (..., N).

    Returns:
        z (..., N).

    Raises:
        ValueError: If lam is negative or not finite.
    """
    from scipy.linalg.lapack import dtbtrs

    lam = number("lam", lam, 0)
    right = np.asarray(v, np.float64)
    order = right.shape[-1]
    n, q = np.arange(order), roots(order)
    diagonal = 1 + lam * (n + 1)
    bands = np.stack([diagonal, np.append(lam * n[1:] - 1, 0)])
    sums, _ = dtbtrs(bands, (q * right).reshape(-1, order).T, uplo="L")
    before = np.zeros_like(right)
    before[..., 1:] = sums.T.reshape(right.shape)[..., :-1]
    return np.asarray((right - lam * q * before) / diagonal)


def growth(method: str, points: ArrayLike) -> Array:
    """Return |factor| of one step at points = step * eigenvalue, for drawing stability regions.

    Args:
        method: "forward" |1 + p|, "backward" |1 / (1 - p)|, "bilinear" |(1 + p/2) / (1 - p/2)|,
            "exact" |exp(p)|.
        points: Complex numbers (...).

    Returns:
        (...); below 1 where the method is stable, inf at a pole.

    Raises:
        ValueError: If the method is unknown.
    """
    p = np.asarray(points, np.complex128)
    one_of("method", method, ("forward", "backward", "bilinear", "exact"))
    with np.errstate(all="ignore"):
        match method:
            case "forward":
                return np.abs(1 + p)
            case "backward":
                return np.asarray(1 / np.abs(1 - p))
            case "bilinear":
                return np.asarray(np.abs(1 + p / 2) / np.abs(1 - p / 2))
            case _:
                return np.exp(p.real)


# --- The past at fixed ages -----------------------------------------------------------------------

REACH = 6.0  # time scales of a fading past that are worth showing


def shown_ages(memory: Memory, n_points: int) -> Array:
    """Return ages r from the oldest one worth showing down to 0, (n,), in the unit of `ages`."""
    oldest = REACH if memory.kind.past == "fading" else 1.0
    return np.linspace(oldest, 0.0, n_points)


def places(memory: Memory, r: Array, times: ArrayLike) -> Array:
    """Return the moments x of ages r at several times, (n_times, n); before 0 nothing was heard."""
    now = np.asarray(times, np.float64)[:, None]
    return np.asarray(now - r * (now if memory.kind.is_scaled else memory.window))


def remembered(memory: Memory, states: ArrayLike, r: Array) -> Array:
    """Return what several states (n_times, S) remember at ages r, (n_times, n).

    Ages, unlike moments, share one basis, so that a whole film costs one product.
    """
    unit = 1.0 if memory.kind.is_scaled else memory.window
    return reconstruct(memory, states, unit * (1 - r), unit)


def age_weights(memory: Memory, r: Array, times: ArrayLike) -> Array:
    """Return `density` at ages r for several times, (n_times, n)."""
    unit = 1.0 if memory.kind.is_scaled else memory.window
    shape = density(memory, unit * (1 - r), unit) * unit
    now = np.asarray(times, np.float64)[:, None]
    return np.asarray(shape / (now if memory.kind.is_scaled else np.full_like(now, memory.window)))


def influence_later(memory: Memory, times: ArrayLike) -> Array:
    """Return `influence` of an input at time 1 on the states at later times, (n,).

    Raises:
        ValueError: If the measure is "fours" or a time is below 1.
    """
    now = np.asarray(times, np.float64)
    if not (now >= 1).all():
        raise ValueError(f"times must be at least 1, got {now.min():g}")
    if memory.measure == "legs":
        values = legendre_values(memory.order, 2 / now - 1)
        squares = (2 * np.arange(memory.order) + 1) @ values**2
        return np.asarray(np.sqrt(squares) * memory.scale / now)
    one_of("measure", memory.measure, [key for key in MEASURES if key != "fours"])
    return np.asarray(np.linalg.norm(impulse_response(memory, now - 1), axis=1))


def past_response(memory: Memory, shares: ArrayLike) -> Array:
    """Return t dx_n(t) / du(t0) of "legs" at shares t0 / t, (n, N): sqrt(2n+1) P_n(2 t0/t - 1).

    Raises:
        ValueError: If the measure is not "legs".
    """
    one_of("measure", memory.measure, ["legs"])
    values = legendre_values(memory.order, 2 * np.asarray(shares, np.float64) - 1)
    return np.asarray(values.T * roots(memory.order) * memory.scale)


# --- Defects: identities that must vanish ---------------------------------------------------------


def set_distance(found: ArrayLike, true: ArrayLike) -> float:
    """Return how far the worst of the numbers found lies from the nearest true one."""
    gaps = np.abs(np.subtract.outer(np.asarray(found), np.asarray(true)))
    return float(gaps.min(axis=1).max())


def lmu_gap(order: int) -> float:
    """Return the largest relative defect of D A D^-1 = A of LMU, D = diag((-1)^n sqrt(2n+1))."""
    A, _ = matrices(Memory("legt", order))
    D = (-1.0) ** np.arange(order) * roots(order)
    theirs, _ = lmu_matrices(order)
    return float(np.abs((D[:, None] * A / D - theirs) / theirs).max())


def pade_gap(memory: Memory) -> float:
    """Return the largest defect of C (sI - A)^-1 B = `pade_delay` for s = 0, i/4, .., 10 i.

    Raises:
        ValueError: If the measure is not "legt".
    """
    unit = Memory(memory.measure, memory.order)
    C = delay_output(unit, 1)
    A, B = matrices(unit)
    s = 1j * np.linspace(0, 10, 41)
    solved = np.linalg.solve(s[:, None, None] * np.eye(unit.order) - A, B[:, None])
    top, bottom = (np.array([float(c) for c in part]) for part in pade_delay(unit.order))
    powers = s[:, None] ** np.arange(unit.order + 1)
    theory = (powers[:, :-1] @ top) / (powers @ bottom)
    return float(np.abs((C @ solved)[:, 0] - theory).max())


def monomial_errors(order: int) -> tuple[float, float, float]:
    """Return the largest error of LegS on t^(N-1) and t^N over [0, 1], and the second in theory.

    The state of u = t^k at t = 1 is (k I - A)^-1 B. Below degree N nothing is lost; the error on
    t^N is P_N(2t - 1) over its leading coefficient, 1 / binomial(2N, N) at its largest.
    """
    memory = Memory("legs", order)
    A, B = matrices(memory)
    t = np.linspace(0, 1, 257)

    def worst(degree: int) -> float:
        state = np.linalg.solve(degree * np.eye(order) - A, B)
        return float(np.abs(reconstruct(memory, state, t, 1.0) - t**degree).max())

    return worst(order - 1), worst(order), 1 / math.comb(2 * order, order)
