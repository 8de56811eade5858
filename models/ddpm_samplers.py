"""DDPM and DDIM sampling: one loop for every rule, any denoiser, any visited times.

A step from t to an earlier s, with x0_hat = (x_t - B_t eps_hat)/A_t and z standard normal:
    DDPM   x_s = c_x x_t + c_0 x0_hat + sigma z               sigma one of `models.ddpm.SIGMAS`
    DDIM   x_s = A_s x0_hat + sqrt(B_s^2 - sigma^2) eps_hat + sigma z,  sigma = eta beta_tilde
Unless x0_hat is clipped they agree for eta = 1 and sigma = beta_tilde. DDPM with sigma = b is the
DDIM paper's sigma-hat; DDPM without noise, "greedy", is not DDIM: it shrinks to the mean of the
data. eta = 0 is deterministic and can be run backwards: x_t/A_t - x_s/A_s = (B_t/A_t - B_s/A_s)
eps_hat.

Shapes: x (n, ...), float32 or float64, kept on the way; visited times (S,) falling, each in 1..T;
after the last of them comes time 0. A denoiser is any callable (x_t, t) to a prediction of the
shape of x_t: of eps, of x_0, or of v = A_t eps - B_t x_0. Times count from 1, Su's letters (see
`models.ddpm`).
Randomness: one stream per sample, keyed by the seed and the sample's number, so that sample 7 is
the same alone, in a batch of 64, and for any way the work is cut up.

Source: Su Jianlin, 2022, kexue.fm/archives/9119, 9164 (DDPM), 9181 (DDIM, interpolation). Ho et al.
2020, arXiv 2006.11239, algorithm 2. Song et al. 2020, arXiv 2010.02502, eq. 12, 16, 67 and table 1
(sigma-hat). Lin et al. 2023, arXiv 2305.08891, table 2 (spacings). Salimans and Ho 2022, arXiv
2202.00512 (v). Ho and Salimans 2022, arXiv 2207.12598 (guidance).
"""

import math
from collections import deque
from collections.abc import Generator, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from models.checks import number, one_of, whole_number
from models.ddpm import (
    SIGMAS,
    Array,
    Denoiser,
    Floats,
    Schedule,
    as_floats,
    as_step,
    sigma,
    transition,
)

Integers = NDArray[np.int64]

SPACINGS = ("trailing", "leading", "linspace")
METHODS = ("ddim", "ddpm")
PREDICTIONS = ("eps", "x0", "v")
SMALL_SIGNAL = 1e-12  # A_t below it: x_0 cannot be told from a prediction of eps
NOISE_CELLS = 1 << 20  # normal numbers drawn ahead at a time (8 MiB)


# --- Visited times --------------------------------------------------------------------------------


def visited_times(n_steps: int, n_visits: float, spacing: str = "trailing") -> Integers:
    """Return the times a sampler stops at, falling, (S,).

    "trailing": round(T - i T/S), i = 0..S-1, from T on. "leading": 1 + i (T // S), as in strided
    slicing: never T, and well short of it if S does not divide T. "linspace": 1 to T, both ends
    included, evenly; for S = 1 only time 1.

    Args:
        n_steps: T.
        n_visits: S, 1..T.
        spacing: One of `SPACINGS`.

    Raises:
        ValueError: If n_visits is not a whole number in 1..T or the spacing is unknown.
    """
    S = whole_number("n_visits", n_visits, 1, n_steps)
    i = np.arange(S)
    match one_of("spacing", spacing, SPACINGS):
        case "trailing":
            times = np.round(n_steps - i * (n_steps / S))
        case "leading":
            times = 1 + i[::-1] * (n_steps // S)
        case _:
            times = 1 + np.round(np.linspace(0, n_steps - 1, S))[::-1]
    return np.asarray(times, np.int64)


def as_times(schedule: Schedule, times: ArrayLike) -> Integers:
    """Return the caller's own visited times, (S,).

    Raises:
        ValueError: If they are not strictly falling whole numbers in 1..T.
    """
    given = np.asarray(times)
    good = given.dtype.kind in "uif" and given.ndim == 1 and given.size > 0
    if good:
        whole = bool((given % 1 == 0).all())
        good = whole and given[0] <= schedule.n_steps and given[-1] >= 1
        good = bool(good and (np.diff(given.astype(np.float64)) < 0).all())
    if not good:
        raise ValueError(
            f"times must be strictly falling whole numbers in 1..{schedule.n_steps}, "
            f"got {times!r:.80}"
        )
    return given.astype(np.int64)


# --- Plans ----------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Rule:
    """How a step is made.

    Attributes:
        method: "ddim" or "ddpm".
        eta: For "ddim": sigma in units of beta_tilde; 0 draws no noise. Its limit depends on the
            visited times, see `eta_limit`.
        sigma: For "ddpm": one of `models.ddpm.SIGMAS`; "b" is the DDIM paper's sigma-hat, "none"
            the greedy walk.
        data_std: For sigma "optimal".
        share: For sigma "between".
        noise_at_end: Whether "ddpm" adds noise in the step to time 0, as the post's code does and
            the paper's algorithm 2 does not.

    Raises:
        ValueError: If an attribute is outside its domain.
    """

    method: str = "ddim"
    eta: float = 0.0
    sigma: str = "beta_tilde"
    data_std: float = 1.0
    share: float = 0.5
    noise_at_end: bool = False

    def __post_init__(self) -> None:
        one_of("method", self.method, METHODS)
        one_of("sigma", self.sigma, SIGMAS)
        object.__setattr__(self, "eta", number("eta", self.eta, 0))


RULES = {
    "ddim": Rule(),
    "ddpm": Rule("ddpm"),
    "ddpm_b": Rule("ddpm", sigma="b"),
    "greedy": Rule("ddpm", sigma="none"),
}


@dataclass(frozen=True, eq=False)
class Plan:
    """All coefficients of a run: x_s = k_x x_t + k_0 x0_hat + k_eps eps_hat + sigma z.

    Attributes:
        t: Visited times, falling, (S,).
        s: Time after each, the last 0, (S,).
        A: A_t, (S,).
        B: B_t, (S,).
        k_x: (S,).
        k_0: (S,).
        k_eps: (S,).
        sigma: Standard deviation of the fresh noise, (S,).
    """

    t: Integers
    s: Integers
    A: Floats
    B: Floats
    k_x: Floats
    k_0: Floats
    k_eps: Floats
    sigma: Floats

    @property
    def n_visits(self) -> int:
        """S, the number of network calls."""
        return self.t.size

    @property
    def end_signal(self) -> float:
        """A at the first visited time; above 0.1 pure noise is not what x_t should be there."""
        return float(self.A[0])


def eta_limit(schedule: Schedule, times: ArrayLike) -> float:
    """Return the largest eta with sigma <= B_s at every step: min B_t/b, at least 1.

    Infinite where the only step goes to time 0, which has no noise.

    Raises:
        ValueError: If the times are not strictly falling whole numbers in 1..T.
    """
    visited = as_times(schedule, times)
    if visited.size == 1:
        return math.inf
    step = transition(schedule, visited[:-1], visited[1:])
    return float((schedule.B[step.t] / step.b).min())


def make_plan(schedule: Schedule, times: ArrayLike, rule: Rule) -> Plan:
    """Return the coefficients of a run over the visited times.

    Args:
        schedule: Any.
        times: Strictly falling whole numbers in 1..T, (S,).
        rule: What a step is.

    Raises:
        ValueError: If the times are no such list, or eta is above its limit, which is named.
    """
    t = as_times(schedule, times)
    return _plan(schedule, t, np.append(t[1:], 0), rule)


def make_step(schedule: Schedule, t: float, s: float, rule: Rule) -> Plan:
    """Return the plan of a single step from t to s, 0 <= s < t; s need not be 0.

    Raises:
        ValueError: If a time is outside its domain or eta above its limit.
    """
    late, early = as_step(schedule, t, 1), as_step(schedule, s)
    return _plan(schedule, np.array([late]), np.array([early]), rule)


def _plan(schedule: Schedule, t: Integers, s: Integers, rule: Rule) -> Plan:
    step = transition(schedule, t, s)
    A_s, B_s, none = schedule.A[s], schedule.B[s], np.zeros(t.size)
    if rule.method == "ddpm":
        spread = np.array(sigma(schedule, step, rule.sigma, rule.data_std, rule.share))
        if not rule.noise_at_end:
            spread[s == 0] = 0
        k_x, k_0, k_eps = step.c_x, step.c_0, none
    else:
        limit = float(np.where(s > 0, schedule.B[t] / step.b, math.inf).min())
        if rule.eta > limit * (1 + 1e-12):
            raise ValueError(f"eta must be at most {limit:.6g} for these times, got {rule.eta:g}")
        spread = rule.eta * step.beta_tilde
        k_x, k_0, k_eps = none, A_s, np.sqrt(np.maximum(B_s**2 - spread**2, 0))
    return Plan(t, s, schedule.A[t], schedule.B[t], k_x, k_0, k_eps, spread)


# --- Predictions ----------------------------------------------------------------------------------


def split_prediction(
    x: Array, value: Array, A: float, B: float, predicts: str
) -> tuple[Array, Array]:
    """Return (x0_hat, eps_hat) from a prediction of one of them or of v = A eps - B x_0.

    Args:
        x: x_t = A x_0 + B eps, (n, ...).
        value: The prediction, (n, ...).
        A: A_t, above 1e-12 if eps is predicted.
        B: B_t, above 0 if x_0 is predicted.
        predicts: One of `PREDICTIONS`.

    Raises:
        ValueError: If an argument is outside its domain.
    """
    match one_of("predicts", predicts, PREDICTIONS):
        case "eps":
            if A < SMALL_SIGNAL:
                raise ValueError(f"A must be at least {SMALL_SIGNAL:g} to tell x_0, got {A!r}")
            return (x - B * value) / A, value
        case "x0":
            if not B > 0:
                raise ValueError(f"B must be above 0 to tell eps, got {B!r}")
            return value, (x - A * value) / B
        case _:
            return A * x - B * value, A * value + B * x


def convert(
    schedule: Schedule, t: float, x: ArrayLike, value: ArrayLike, source: str, target: str
) -> Array:
    """Return a prediction at (x, t) in another form: "eps", "x0" or "v".

    Raises:
        ValueError: If an argument is outside its domain, t in 1..T.
    """
    k = as_step(schedule, t, 1)
    A, B = float(schedule.A[k]), float(schedule.B[k])
    clean, eps = split_prediction(as_floats("x", x), as_floats("value", value), A, B, source)
    match one_of("target", target, PREDICTIONS):
        case "eps":
            return eps
        case "x0":
            return clean
        case _:
            return np.asarray(A * eps - B * clean)


def guide(unconditional: Array, conditional: Array, scale: float) -> Array:
    """Return u + scale (c - u): 0 ignores the class, 1 follows it, more exaggerates it.

    The paper's w is scale - 1. Any of eps, x_0, v or score may be combined, as long as both are of
    the same kind.

    Raises:
        ValueError: If scale is not finite.
    """
    weight = number("scale", scale)
    return np.asarray(unconditional + weight * (conditional - unconditional))


def guided(unconditional: Denoiser, conditional: Denoiser, scale: float) -> Denoiser:
    """Return the denoiser with guidance; at scale 0 and 1 only one of the two is called.

    Raises:
        ValueError: If scale is not finite.
    """
    weight = number("scale", scale)
    if weight in (0, 1):
        return conditional if weight else unconditional
    return lambda x, t: guide(unconditional(x, t), conditional(x, t), weight)


# --- Noise ----------------------------------------------------------------------------------------


def noise_streams(
    seed: int, n_samples: int, shape: tuple[int, ...], dtype: Any = np.float64, first: int = 0
) -> Iterator[Array]:
    """Yield standard normal arrays (n_samples, *shape) without end, one stream per sample.

    The first is meant for x_T, the others for the steps. Sample i reads the stream of number first
    + i, whatever the other samples are.

    Args:
        seed: 0 or more.
        n_samples: n, 1 or more.
        shape: Of one sample.
        dtype: float64 or float32; the numbers are the same up to rounding.
        first: Number of the first sample, 0 or more.

    Raises:
        ValueError: If seed, n_samples or first is outside its domain.
    """
    key = whole_number("seed", seed, 0, 2**63 - 1)
    start = whole_number("first", first, 0, 2**31)
    count = whole_number("n_samples", n_samples, 1, 2**31)
    return _streams(key, range(start, start + count), shape, dtype)


def _streams(key: int, numbers: range, shape: tuple[int, ...], dtype: Any) -> Iterator[Array]:
    streams = [
        np.random.Generator(np.random.Philox(np.random.SeedSequence(key, spawn_key=(i,))))
        for i in numbers
    ]
    cells = len(streams) * math.prod(shape)
    ahead = 1  # x_T is often all that is asked for
    while True:
        block = np.empty((len(streams), ahead, *shape), dtype)
        for i, stream in enumerate(streams):
            block[i] = stream.standard_normal((ahead, *shape))
        for j in range(ahead):
            yield np.ascontiguousarray(block[:, j])
        ahead = min(2 * ahead if ahead > 1 else 8, 64, max(1, NOISE_CELLS // max(cells, 1)))


# --- Sampling -------------------------------------------------------------------------------------


@dataclass(frozen=True, eq=False)
class State:
    """Where a run stands.

    Attributes:
        index: Steps made, 0..S.
        t: Time of x, the last 0.
        x: x_t (n, ...).
        x0_hat: What the denoiser takes for x_0 (clipped if asked), or x itself at time 0.
    """

    index: int
    t: int
    x: Array
    x0_hat: Array


def take_step(
    plan: Plan,
    index: int,
    x: Array,
    prediction: Array,
    noise: Array | None = None,
    predicts: str = "eps",
    clip: float | None = None,
    rederive_eps: bool = False,
) -> tuple[Array, Array]:
    """Return (x_s, x0_hat) for one step of a plan.

    Args:
        plan: Coefficients.
        index: Number of the step, 0..S-1.
        x: x_t (n, ...).
        prediction: The denoiser's output at (x_t, t).
        noise: z; only read where sigma is above 0.
        predicts: What the denoiser predicts, one of `PREDICTIONS`.
        clip: Clip x0_hat to [-clip, clip].
        rederive_eps: After clipping, take eps_hat = (x_t - A_t x0_hat)/B_t instead of the
            denoiser's; only matters for DDIM.

    Raises:
        ValueError: If noise is missing or an argument outside its domain.
    """
    A, B = float(plan.A[index]), float(plan.B[index])
    clean, eps = split_prediction(x, prediction, A, B, predicts)
    if clip is not None:
        clean = np.clip(clean, -clip, clip)
        eps = (x - A * clean) / B if rederive_eps else eps
    moved = float(plan.k_0[index]) * clean
    for share, part in ((plan.k_x[index], x), (plan.k_eps[index], eps)):
        if share != 0:
            moved = moved + float(share) * part
    if plan.sigma[index] > 0:
        if noise is None:
            raise ValueError(f"noise must be given for a step with sigma {plan.sigma[index]:g}")
        moved = moved + float(plan.sigma[index]) * noise
    return moved, clean


def sample(
    plan: Plan,
    denoiser: Denoiser,
    start: ArrayLike,
    noises: Iterator[Array] | None = None,
    predicts: str = "eps",
    clip: float | None = None,
    rederive_eps: bool = False,
) -> Generator[State]:
    """Yield the S + 1 states of a run, x at each visited time and at time 0; S denoiser calls.

    Nothing is computed ahead, so that the caller may stop at any state.

    Args:
        plan: Of `make_plan`.
        denoiser: (x_t, t) to a prediction of the same shape.
        start: x at the first visited time, (n, ...).
        noises: Fresh noise for each step of a plan that draws any, e.g. what is left of
            `noise_streams` after the start was taken from it.
        predicts: One of `PREDICTIONS`.
        clip: Clip x0_hat to [-clip, clip], above 0.
        rederive_eps: See `take_step`.

    Raises:
        ValueError: At once if an argument is outside its domain; on the way if the denoiser's
            output has another shape or is not finite.
    """
    x = as_floats("start", start)
    one_of("predicts", predicts, PREDICTIONS)
    if clip is not None:
        number("clip", clip, 0, above=True)
    if noises is None and (plan.sigma > 0).any():
        raise ValueError("noises must be given for a plan that draws noise, got None")
    if predicts == "eps" and plan.A[0] < SMALL_SIGNAL:
        raise ValueError(
            f"A must be at least {SMALL_SIGNAL:g} to tell x_0 from eps, "
            f"got {plan.A[0]:g} at t = {plan.t[0]}"
        )
    return _run(plan, denoiser, x, noises, predicts, clip, rederive_eps)


def _run(
    plan: Plan,
    denoiser: Denoiser,
    x: Array,
    noises: Iterator[Array] | None,
    predicts: str,
    clip: float | None,
    rederive_eps: bool,
) -> Generator[State]:
    for i, t in enumerate(plan.t.tolist()):
        value = _checked(denoiser, x, t)
        noise = next(noises) if noises is not None and plan.sigma[i] > 0 else None
        later, clean = take_step(plan, i, x, value, noise, predicts, clip, rederive_eps)
        yield State(i, t, x, clean)
        x = later
    yield State(plan.n_visits, int(plan.s[-1]), x, x)


def _checked(denoiser: Denoiser, x: Array, t: int) -> Array:
    value = np.asarray(denoiser(x, t))
    if value.shape != x.shape:
        raise ValueError(f"the denoiser must return shape {x.shape}, got {value.shape} at t = {t}")
    if not np.isfinite(value).all():
        raise ValueError(f"the denoiser must return finite numbers, got others at t = {t}")
    return value


def final(states: Iterator[State]) -> State:
    """Return the last state of a run."""
    return deque(states, maxlen=1).pop()


# --- Latents --------------------------------------------------------------------------------------


def encode(
    schedule: Schedule,
    denoiser: Denoiser,
    x_0: ArrayLike,
    times: ArrayLike,
    predicts: str = "eps",
    n_refinements: float = 0,
    start: float = 0,
) -> Generator[State]:
    """Yield the states of the deterministic run backwards, from x_0 at time 0 up to x at times[0].

    From s to t: x_t = (A_t/A_s) x_s + (B_t - (A_t/A_s) B_s) eps_hat, with eps_hat at (x_s, s), at
    (x_0, first time above 0) in the first step. That is decoding backwards up to O(1/S). Each
    refinement takes eps_hat anew at the x_t just found, which converges to the exact preimage of
    decoding.

    Args:
        schedule: Any.
        denoiser: (x_t, t) to a prediction of the same shape.
        x_0: Data (n, ...).
        times: Visited times as in decoding, falling, (S,).
        predicts: One of `PREDICTIONS`.
        n_refinements: Further denoiser calls per step, 0..100.
        start: Time of x_0 if it is noised already, below times[0]; earlier times are left out.

    Returns:
        S + 1 states, fewer if times are left out; their x0_hat is the denoiser's view on which the
        step into them was based.

    Raises:
        ValueError: If an argument is outside its domain.
    """
    rising = as_times(schedule, times)[::-1]
    first = whole_number("start", start, 0, int(rising[-1]) - 1)
    one_of("predicts", predicts, PREDICTIONS)
    rounds = whole_number("n_refinements", n_refinements, 0, 100)
    later = np.append(first, rising[rising > first])
    return _encode(schedule, denoiser, as_floats("x_0", x_0), later, predicts, rounds)


def _encode(
    schedule: Schedule, denoiser: Denoiser, x: Array, rising: Integers, predicts: str, rounds: int
) -> Generator[State]:
    def look(at: Array, t: int) -> tuple[Array, Array]:
        A, B = float(schedule.A[t]), float(schedule.B[t])
        return split_prediction(at, _checked(denoiser, at, t), A, B, predicts)

    s, *later = rising.tolist()
    yield State(0, s, x, x)
    for i, t in enumerate(later):
        ratio = float(np.exp((schedule.log_alpha_bar[t] - schedule.log_alpha_bar[s]) / 2))
        share = float(schedule.B[t]) - ratio * float(schedule.B[s])
        clean, eps = look(x, s or t)
        above = ratio * x + share * eps
        for _ in range(rounds):
            clean, eps = look(above, t)
            above = ratio * x + share * eps
        x, s = above, t
        yield State(i + 1, t, x, clean)


def reconstruction_error(x: ArrayLike, restored: ArrayLike) -> float:
    """Return the mean squared difference per number (DDIM paper, table 2).

    Raises:
        ValueError: If the shapes differ.
    """
    one, other = as_floats("x", x), as_floats("restored", restored)
    if one.shape != other.shape:
        raise ValueError(f"restored must have the shape {one.shape} of x, got {other.shape}")
    return float(np.mean((one - other) ** 2, dtype=np.float64))


def arc(z_1: ArrayLike, z_2: ArrayLike, share: ArrayLike) -> Array:
    """Return z_1 cos(share pi/2) + z_2 sin(share pi/2): normal latents stay normal (9181).

    Args:
        z_1: A latent of any shape.
        z_2: Another.
        share: Positions in [0, 1], (m,).

    Returns:
        (m, ...).

    Raises:
        ValueError: If the shapes differ or a share is outside [0, 1].
    """
    one, other, positions = _pair(z_1, z_2, share)
    angle = positions * (math.pi / 2)
    return np.asarray(np.cos(angle) * one + np.sin(angle) * other).astype(one.dtype)


def slerp(z_1: ArrayLike, z_2: ArrayLike, share: ArrayLike) -> Array:
    """Return the arc between two latents at their own angle theta (DDIM paper, eq. 67).

    (sin((1 - share) theta) z_1 + sin(share theta) z_2)/sin theta; a straight line where theta is 0.

    Args:
        z_1: A latent of any shape.
        z_2: Another.
        share: Positions in [0, 1], (m,).

    Returns:
        (m, ...).

    Raises:
        ValueError: If the shapes differ, a share is outside [0, 1], a latent is 0, or the two are
            opposite, so that no arc is the shortest.
    """
    one, other, positions = _pair(z_1, z_2, share)
    lengths = np.linalg.norm(one), np.linalg.norm(other)
    if min(lengths) == 0:
        raise ValueError("z_1 and z_2 must not be 0: they have no direction")
    u, w = one / lengths[0], other / lengths[1]
    theta = 2 * math.atan2(float(np.linalg.norm(u - w)), float(np.linalg.norm(u + w)))
    if math.pi - theta < 1e-6:
        raise ValueError("z_1 and z_2 must not be opposite: every arc between them is as short")
    if theta < 1e-6:
        return np.asarray((1 - positions) * one + positions * other).astype(one.dtype)
    left, right = np.sin((1 - positions) * theta), np.sin(positions * theta)
    return np.asarray((left * one + right * other) / math.sin(theta)).astype(one.dtype)


def _pair(z_1: ArrayLike, z_2: ArrayLike, share: ArrayLike) -> tuple[Array, Array, Floats]:
    one, other = as_floats("z_1", z_1), as_floats("z_2", z_2)
    if one.shape != other.shape:
        raise ValueError(f"z_2 must have the shape {one.shape} of z_1, got {other.shape}")
    positions = np.atleast_1d(as_floats("share", share)).astype(np.float64)
    if positions.ndim != 1 or ((positions < 0) | (positions > 1)).any():
        raise ValueError(f"share must be a list of numbers in [0, 1], got {share!r:.60}")
    return one, other, positions.reshape(-1, *[1] * one.ndim)
