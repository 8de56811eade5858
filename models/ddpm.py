"""DDPM as a VAE of T small steps: schedule, noising, posterior, choices of sigma, loss, joint KL.

Forward   x_t = a_t x_{t-1} + b_t e_t,  a_t^2 + b_t^2 = 1,   hence x_t = A_t x_0 + B_t eps with
          A_t = a_1 ... a_t,  B_t = sqrt(1 - A_t^2),  A_0 = 1,  B_0 = 0.
Reverse   q(x_{t-1} | x_t) = N(mu, sigma_t^2 I),  mu = (x_t - (b_t^2 / B_t) eps_hat(x_t, t)) / a_t.
From t to any s < t the same holds with a = A_t / A_s and b^2 = 1 - a^2:
          p(x_s | x_t, x_0) = N(c_x x_t + c_0 x_0, beta_tilde^2 I),
          c_x = a B_s^2 / B_t^2,  c_0 = A_s b^2 / B_t^2,  beta_tilde^2 = B_s^2 b^2 / B_t^2.

Shapes: betas (T,); a, b, A, B, alpha_bar, log_snr (T + 1,), so that index t is the text's t and
index 0 the clean data; x (n, ...) a batch of anything. Units: nats; all else is dimensionless.
Convention: Su's letters, where b and beta_tilde are standard deviations and p is the forward
process. In the paper's, beta = b^2, alpha = a^2, alpha-bar = A^2 and q is the forward process; its
code counts t from 0 to T - 1. `symbols` gives both.

Source: Su Jianlin, 2022, kexue.fm/archives/9119 (steps, loss of two noises and of one), 9152 (VAE,
joint KL, sigma), 9164 (posterior). Ho et al. 2020, arXiv 2006.11239, eq. 2-12. Nichol and Dhariwal
2021, arXiv 2102.09672, eq. 17 (cosine). The constants of the loss identity, sigma for Gaussian
data and the joint KL in terms of the error of x_0: derived here.
"""

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from models.checks import number, one_of, whole_number

Floats = NDArray[np.float64]
Array = NDArray[Any]  # float64, or float32 for pictures: what comes in goes out
Denoiser = Callable[[Any, int], Any]  # (x_t, t) to a prediction of the same shape

MAX_STEPS = 10_000
MAX_BETA = 0.999  # of the cosine schedule and of Su's rescaled one
LOUD_END = 0.1  # A_T above it: x_T still shows the data, and sampling from N(0, I) is off
DIALECTS = ("su", "paper")
SIGMAS = ("b", "beta_tilde", "between", "optimal", "none")


# --- Checks ---------------------------------------------------------------------------------------


def _inside(name: str, value: Any) -> float:
    """Return a number strictly between 0 and 1."""
    return number(name, value, 0, 1, above=True, below=True)


def as_floats(name: str, values: ArrayLike) -> Array:
    """Return an array of real numbers; float32 stays float32, all else becomes float64.

    Raises:
        ValueError: If a value is not a finite real number.
    """
    given = np.asarray(values)
    if given.dtype.kind not in "buif":
        raise ValueError(f"{name} must be real numbers, got dtype {given.dtype}")
    array = given if given.dtype == np.float32 else given.astype(np.float64)
    if not np.isfinite(array).all():
        where = tuple(int(i) for i in np.argwhere(~np.isfinite(array))[0])
        raise ValueError(f"{name} must be finite, got {array[where]} at {where}")
    return array


# --- Schedules ------------------------------------------------------------------------------------


@dataclass(frozen=True, eq=False)
class Schedule:
    """How much noise each step adds.

    Attributes:
        betas: Variances b_t^2 of t = 1..T, the paper's beta_t, each in (0, 1), (T,).
        name: How it was made.

    Raises:
        ValueError: If betas is not a list of 1..10 000 numbers in (0, 1).
    """

    betas: Floats
    name: str = "own"

    def __post_init__(self) -> None:
        given = np.array(as_floats("betas", self.betas), np.float64)
        if given.ndim != 1 or not 1 <= given.size <= MAX_STEPS:
            raise ValueError(f"betas must have shape (T,), T in 1..{MAX_STEPS}, got {given.shape}")
        bad = np.flatnonzero((given <= 0) | (given >= 1))
        if bad.size:
            raise ValueError(f"betas must lie in (0, 1), got {given[bad[0]]} at t = {bad[0] + 1}")
        object.__setattr__(self, "betas", _sealed(given))

    @property
    def n_steps(self) -> int:
        """T."""
        return self.betas.size

    @cached_property
    def log_alpha_bar(self) -> Floats:
        """Logarithm of A_t^2, (T + 1,): exact where A_t^2 itself would underflow."""
        return _sealed(np.concatenate([[0.0], np.cumsum(np.log1p(-self.betas))]))

    @cached_property
    def alpha_bar(self) -> Floats:
        """A_t^2, (T + 1,)."""
        return _sealed(np.exp(self.log_alpha_bar))

    @cached_property
    def A(self) -> Floats:
        """Share A_t of the signal, (T + 1,)."""
        return _sealed(np.exp(self.log_alpha_bar / 2))

    @cached_property
    def B(self) -> Floats:
        """Standard deviation B_t of the noise, (T + 1,); free of the cancellation in 1 - A^2."""
        return _sealed(np.sqrt(-np.expm1(self.log_alpha_bar)))

    @cached_property
    def a(self) -> Floats:
        """Share a_t of one step, (T + 1,); a_0 = 1."""
        return _sealed(np.concatenate([[1.0], np.sqrt(1 - self.betas)]))

    @cached_property
    def b(self) -> Floats:
        """Standard deviation b_t of one step, (T + 1,); b_0 = 0."""
        return _sealed(np.concatenate([[0.0], np.sqrt(self.betas)]))

    @cached_property
    def log_snr(self) -> Floats:
        """ln(A_t^2 / B_t^2), (T + 1,); infinite at t = 0."""
        noise = -np.expm1(self.log_alpha_bar[1:])
        return _sealed(np.concatenate([[math.inf], self.log_alpha_bar[1:] - np.log(noise)]))

    @property
    def end_signal(self) -> float:
        """A_T: the share of the data that is left in x_T, and the quantity to warn about."""
        return float(self.A[-1])

    @property
    def is_loud_at_end(self) -> bool:
        """Whether A_T is above 0.1, so that x_T is not nearly N(0, I)."""
        return self.end_signal > LOUD_END


def _sealed(values: Array) -> Floats:
    values.setflags(write=False)
    return values


def _n_steps(n_steps: float) -> int:
    return whole_number("n_steps", n_steps, 1, MAX_STEPS)


def su(n_steps: float = 1000, end: float = 0.02) -> Schedule:
    """Return a_t = sqrt(1 - end t/T), i.e. b_t^2 = end t/T (9119).

    Made for T = 1000: with the same end a smaller T leaves signal in x_T, see `is_loud_at_end`.

    Raises:
        ValueError: If n_steps is not in 1..10 000 or end not in (0, 1), as in each maker below.
    """
    T, last = _n_steps(n_steps), _inside("end", end)
    return Schedule(last * np.arange(1, T + 1) / T, "su")


def su_rescaled(n_steps: float = 1000, end: float = 0.02) -> Schedule:
    """Return b_t^2 = min(1000 end t/T^2, 0.999): Su's noise in all, whatever T."""
    T, last = _n_steps(n_steps), _inside("end", end)
    return Schedule(np.minimum(1000 * last * np.arange(1, T + 1) / T**2, MAX_BETA), "su_rescaled")


def linear(n_steps: float = 1000, start: float = 1e-4, end: float = 0.02) -> Schedule:
    """Return beta rising evenly from start to end (2006.11239, section 4)."""
    ends = (number("start", start, 0, 1, above=True, below=True), _inside("end", end))
    return Schedule(np.linspace(*ends, _n_steps(n_steps)), "linear")


def scaled_linear(n_steps: float = 1000, start: float = 0.00085, end: float = 0.012) -> Schedule:
    """Return beta whose root rises evenly, as in Stable Diffusion: A_T is not near 0."""
    ends = (number("start", start, 0, 1, above=True, below=True), _inside("end", end))
    roots = np.linspace(math.sqrt(ends[0]), math.sqrt(ends[1]), _n_steps(n_steps))
    return Schedule(roots**2, "scaled_linear")


def cosine(n_steps: float = 1000, offset: float = 0.008) -> Schedule:
    """Return A_t^2 = f(t/T)/f(0), f(u) = cos^2(pi/2 (u + c)/(1 + c)), beta at most 0.999.

    Raises:
        ValueError: If n_steps is not in 1..10 000 or offset not in [0, 1].
    """
    c, T = number("offset", offset, 0, 1), _n_steps(n_steps)
    f = np.cos((np.arange(T + 1) / T + c) / (1 + c) * math.pi / 2) ** 2
    return Schedule(np.minimum(1 - f[1:] / f[:-1], MAX_BETA), "cosine")


def own(betas: ArrayLike) -> Schedule:
    """Return a schedule of the caller's variances b_t^2, (T,)."""
    return Schedule(np.asarray(betas))


SCHEDULES: dict[str, Callable[..., Schedule]] = {
    "su": su,
    "su_rescaled": su_rescaled,
    "linear": linear,
    "cosine": cosine,
    "scaled_linear": scaled_linear,
}


def symbols(schedule: Schedule, dialect: str) -> dict[str, Floats]:
    """Return the curves of t = 1..T by the symbol each bears in a dialect, (T,) each.

    "su": standard deviations and plain products; "paper": variances and squares. Both list
    the same six quantities in the same order: step share, step noise, share, noise level, posterior
    noise, log SNR.

    Raises:
        ValueError: If the dialect is not "su" or "paper".
    """
    own_scale = one_of("dialect", dialect, DIALECTS) == "su"
    tilde = transition(schedule, np.arange(1, schedule.n_steps + 1)).beta_tilde
    roots = [schedule.a[1:], schedule.b[1:], schedule.A[1:], schedule.B[1:], tilde]
    names = ["α_t", "β_t", "ᾱ_t", "β̄_t", "β̃_t"]
    if not own_scale:
        roots[0], roots[1], roots[2], roots[4] = (roots[i] ** 2 for i in (0, 1, 2, 4))
        names[3] = "√(1-ᾱ_t)"
    return dict(zip([*names, "ln SNR"], [*roots, schedule.log_snr[1:]], strict=True))


def end_information(schedule: Schedule, mean_square: float = 1.0) -> float:
    """Return E KL(p(x_T | x_0) || N(0, 1)) of one number, in nats: what x_T still tells of x_0.

    Args:
        schedule: Any.
        mean_square: E x_0^2, at least 0.

    Raises:
        ValueError: If mean_square is negative or not finite.
    """
    square = number("mean_square", mean_square, 0)
    log_noise = float(np.log(-np.expm1(schedule.log_alpha_bar[-1])))
    return ((square - 1) * float(schedule.alpha_bar[-1]) - log_noise) / 2


def first_below(schedule: Schedule, alpha_bar: float) -> int | None:
    """Return the first t with A_t^2 < alpha_bar, or None; 1/2 is where noise outweighs signal."""
    found = np.flatnonzero(schedule.alpha_bar < number("alpha_bar", alpha_bar, 0, 1))
    return int(found[0]) if found.size else None


# --- Forward --------------------------------------------------------------------------------------


def as_step(schedule: Schedule, t: Any, low: int = 0) -> int:
    """Return a time as int.

    Raises:
        ValueError: If t is not a whole number in low..T.
    """
    return whole_number("t", t, low, schedule.n_steps)


def _gather(table: Floats, t: int | Array, x: Array) -> Any:
    """Return the table's values at t, shaped to multiply x and of its type."""
    values = table[t]
    if values.ndim == 0:
        return float(values)
    return values.reshape(-1, *[1] * (x.ndim - 1)).astype(x.dtype)


def q_sample(schedule: Schedule, x_0: ArrayLike, t: ArrayLike, noise: ArrayLike) -> Array:
    """Return x_t = A_t x_0 + B_t noise.

    Args:
        schedule: Any.
        x_0: Data (n, ...).
        t: One time in 0..T, or one for each sample, (n,).
        noise: Standard normal, of the shape of x_0.

    Raises:
        ValueError: If a shape, a time or a number is outside its domain.
    """
    clean, eps, times = as_floats("x_0", x_0), as_floats("noise", noise), np.asarray(t)
    if eps.shape != clean.shape:
        raise ValueError(f"noise must have the shape {clean.shape} of x_0, got {eps.shape}")
    if times.shape not in ((), clean.shape[:1]) or times.dtype.kind not in "uif":
        raise ValueError(f"t must be one time or one for each sample, got {t!r:.60}")
    if not ((times >= 0) & (times <= schedule.n_steps) & (times % 1 == 0)).all():
        raise ValueError(f"t must be whole numbers in 0..{schedule.n_steps}, got {t!r:.60}")
    index = times.astype(np.int64)
    mixed = _gather(schedule.A, index, clean) * clean + _gather(schedule.B, index, clean) * eps
    return np.asarray(mixed)


def forward_walk(
    schedule: Schedule, x_0: ArrayLike, rng: np.random.Generator
) -> Iterator[tuple[int, Array, Array]]:
    """Yield (t, x_t, e_t) for t = 1..T, one small step after another."""
    x = as_floats("x_0", x_0)
    for t in range(1, schedule.n_steps + 1):
        step_noise = rng.standard_normal(x.shape).astype(x.dtype)
        x = float(schedule.a[t]) * x + float(schedule.b[t]) * step_noise
        yield t, x, step_noise


def step_shares(schedule: Schedule, t: float) -> Floats:
    """Return w_i = (A_t / A_i) b_i, i = 1..t: x_t = A_t x_0 + sum_i w_i e_i; sum w_i^2 = B_t^2.

    Raises:
        ValueError: If t is not a whole number in 1..T.
    """
    last, L = as_step(schedule, t, 1), schedule.log_alpha_bar
    return np.asarray(np.exp((L[last] - L[1 : last + 1]) / 2) * schedule.b[1 : last + 1])


def merged_noise(schedule: Schedule, step_noises: ArrayLike) -> Array:
    """Return the eps of one jump that lands where the small steps e_1 .. e_t do.

    Args:
        schedule: Any.
        step_noises: e_1 .. e_t, (t, ...), t in 1..T.

    Returns:
        sum_i w_i e_i / B_t, again standard normal, of the shape of one e_i.

    Raises:
        ValueError: If there are none or more than T.
    """
    noises = np.atleast_1d(as_floats("step_noises", step_noises))
    shares = step_shares(schedule, len(noises)) / schedule.B[len(noises)]
    return np.asarray(np.tensordot(shares.astype(noises.dtype), noises, 1))


# --- Posterior ------------------------------------------------------------------------------------


@dataclass(frozen=True, eq=False)
class Transition:
    """Between t and an earlier s, for each of n pairs; every entry is (n,).

    Attributes:
        t: Later time.
        s: Earlier time; t - 1 in one step.
        a: A_t / A_s.
        b: sqrt(1 - a^2), a standard deviation.
        c_x: Weight of x_t in the mean of p(x_s | x_t, x_0).
        c_0: Weight of x_0 there.
        beta_tilde: Standard deviation there; 0 if s = 0.
    """

    t: NDArray[np.int64]
    s: NDArray[np.int64]
    a: Floats
    b: Floats
    c_x: Floats
    c_0: Floats
    beta_tilde: Floats


def transition(schedule: Schedule, t: ArrayLike, s: ArrayLike | None = None) -> Transition:
    """Return the coefficients between times t and s, 0 <= s < t <= T, (n,) or one number each.

    Args:
        schedule: Any.
        t: Later times.
        s: Earlier ones; by default t - 1.

    Raises:
        ValueError: If a time is not a whole number with 0 <= s < t <= T.
    """
    later = np.atleast_1d(np.asarray(t))
    earlier = later - 1 if s is None else np.atleast_1d(np.asarray(s))
    good = later.dtype.kind in "uif" and earlier.dtype.kind in "uif"
    if not (good and later.ndim == 1 and earlier.shape == later.shape):
        raise ValueError(f"t and s must be lists of equal length, got {t!r:.60} and {s!r:.60}")
    late, early = later.astype(np.int64), earlier.astype(np.int64)
    exact = (late == later) & (early == earlier)
    if not (exact & (early >= 0) & (early < late) & (late <= schedule.n_steps)).all():
        raise ValueError(
            f"times must be whole numbers with 0 <= s < t <= {schedule.n_steps}, "
            f"got t = {t!r:.60}, s = {s!r:.60}"
        )
    fall = schedule.log_alpha_bar[late] - schedule.log_alpha_bar[early]
    a, variance = np.exp(fall / 2), -np.expm1(fall)
    ratio = (schedule.B[early] / schedule.B[late]) ** 2
    return Transition(
        late,
        early,
        a,
        np.sqrt(variance),
        a * ratio,
        schedule.A[early] * variance / schedule.B[late] ** 2,
        np.sqrt(ratio * variance),
    )


def identity_gaps(schedule: Schedule) -> dict[str, float]:
    """Return by how much each law of the coefficients fails over t = 1..T, relative to its size.

    "step": a^2 B_{t-1}^2 + b^2 = B_t^2; "signal": c_x A_t + c_0 = A_{t-1}; "noise": c_x^2 B_t^2 +
    beta_tilde^2 = B_{t-1}^2; "mean": c_x + c_0/A_t = 1/a_t; "eps": c_0 B_t/A_t = b_t^2/(B_t a_t);
    "bound": the largest beta_tilde^2/b^2 - 1, below 0.
    """
    step, A, B = transition(schedule, np.arange(1, schedule.n_steps + 1)), schedule.A, schedule.B
    after, before, signal = B[1:] ** 2, B[:-1] ** 2, np.maximum(A[1:], np.finfo(float).tiny)
    pairs = {
        "step": (step.a**2 * before + step.b**2, after),
        "signal": (step.c_x * A[1:] + step.c_0, A[:-1]),
        "noise": (step.c_x**2 * after + step.beta_tilde**2, before),
        "mean": (step.c_x + step.c_0 / signal, 1 / step.a),
        "eps": (step.c_0 * B[1:] / signal, step.b**2 / (B[1:] * step.a)),
    }
    gaps = {
        name: float(np.max(np.abs(left - right) / np.maximum(np.abs(right), 1e-300)))
        for name, (left, right) in pairs.items()
    }
    return {**gaps, "bound": float(np.max(step.beta_tilde**2 / step.b**2) - 1)}


def reverse_mean(schedule: Schedule, x: ArrayLike, eps_hat: ArrayLike, t: float) -> Array:
    """Return mu = (x_t - (b_t^2 / B_t) eps_hat) / a_t (9164).

    Raises:
        ValueError: If t is not a whole number in 1..T.
    """
    k = as_step(schedule, t, 1)
    share = float(schedule.b[k] ** 2 / schedule.B[k])
    mean = (as_floats("x", x) - share * as_floats("eps_hat", eps_hat)) / float(schedule.a[k])
    return np.asarray(mean)


def sigma(
    schedule: Schedule, step: Transition, choice: str, data_std: float = 1.0, share: float = 0.5
) -> Floats:
    """Return the standard deviation of each reverse step, (n,); it is chosen, not learned.

    Args:
        schedule: Of the steps.
        step: n pairs of times.
        choice: "b", best for N(0, I) data; "beta_tilde", best for a single point; "between",
            sigma^2 = (1 - share) beta_tilde^2 + share b^2; "optimal", best for N(., data_std^2 I):
            sigma^2 = V_s b^2 / V_t, V = A^2 data_std^2 + B^2; "none", 0: the greedy walk.
        data_std: Of the data, at least 0; only read by "optimal".
        share: In [0, 1]; only read by "between".

    Raises:
        ValueError: If an argument is outside its domain.
    """
    match one_of("sigma", choice, SIGMAS):
        case "b":
            return step.b
        case "beta_tilde":
            return step.beta_tilde
        case "between":
            mix = number("share", share, 0, 1)
            return np.sqrt((1 - mix) * step.beta_tilde**2 + mix * step.b**2)
        case "optimal":
            V = level_variance(schedule, number("data_std", data_std, 0, 1e100))
            return np.sqrt(V[step.s] / V[step.t]) * step.b
        case _:
            return np.zeros_like(step.b)


def level_variance(schedule: Schedule, data_std: float) -> Floats:
    """Return V_t = A_t^2 data_std^2 + B_t^2, the variance of x_t for such data, (T + 1,)."""
    return np.asarray(schedule.alpha_bar * data_std**2 + schedule.B**2)


def step_sigmas(
    schedule: Schedule,
    choice: str,
    data_std: float = 1.0,
    share: float = 0.5,
    is_clamped: bool = False,
) -> Floats:
    """Return sigma_t of t = 1..T, (T,), as `sigma` does for all single steps.

    Args:
        schedule: Any.
        choice: One of `SIGMAS`.
        data_std: Of the data, for "optimal".
        share: For "between".
        is_clamped: Whether a sigma_1 of 0 is replaced by sigma_2 (where there is one), as the
            paper's code does, so that logarithms and weights stay finite.

    Raises:
        ValueError: If an argument is outside its domain.
    """
    steps = transition(schedule, np.arange(1, schedule.n_steps + 1))
    values = np.array(sigma(schedule, steps, choice, data_std, share))
    if is_clamped and values.size > 1 and values[0] == 0:
        values[0] = values[1]
    return values


# --- Objective ------------------------------------------------------------------------------------


def _as_sigmas(schedule: Schedule, sigmas: ArrayLike) -> Floats:
    values = as_floats("sigmas", sigmas)
    if values.shape != (schedule.n_steps,) or (values < 0).any():
        raise ValueError(f"sigmas must be {schedule.n_steps} numbers of at least 0")
    return np.asarray(values, np.float64)


def loss_weights(
    schedule: Schedule, sigmas: ArrayLike, form: str = "one", dialect: str = "su"
) -> Floats:
    """Return the weight of the squared error in L_t, t = 1..T, (T,).

    Two noises: b^2/(a^2 sigma^2) of ||e_t - f||^2, f = (b/B) eps_hat the last step's noise; one
    noise: b^4/(B^2 a^2 sigma^2) of ||eps - eps_hat||^2. Infinite where sigma is 0. Training drops
    it ("simple" loss). The post drops the 1/2 of a normal's logarithm, the paper keeps it.

    Args:
        schedule: Any.
        sigmas: Of each step, (T,), at least 0.
        form: "two" or "one" noise(s).
        dialect: "su", or "paper" for half of it.

    Raises:
        ValueError: If an argument is outside its domain.
    """
    one_of("form", form, ("one", "two"))
    half = 1.0 if one_of("dialect", dialect, DIALECTS) == "su" else 0.5
    a2, b2 = 1 - schedule.betas, schedule.betas
    scale = b2 / a2 * (b2 / schedule.B[1:] ** 2 if form == "one" else 1.0) * half
    variance = _as_sigmas(schedule, sigmas) ** 2
    endless = np.full(scale.shape, math.inf)
    return np.asarray(np.divide(scale, variance, out=endless, where=variance > 0))


@dataclass(frozen=True, eq=False)
class LossPair:
    """The same expected loss E ||e_t - f||^2, estimated in two ways from the same draws.

    Attributes:
        two: ||e_t - f(x_t)||^2 of each sample, from the two noises e_t and e_bar, (n,).
        one: (b^2/B^2) ||eps - eps_hat(x_t)||^2 + d a^2 B_{t-1}^2/B_t^2 of each, (n,).
    """

    two: Floats
    one: Floats

    @property
    def means(self) -> tuple[float, float]:
        """Mean of each."""
        return float(self.two.mean()), float(self.one.mean())

    @property
    def spreads(self) -> tuple[float, float]:
        """Standard deviation of one sample of each."""
        return float(self.two.std()), float(self.one.std())


def loss_constant(schedule: Schedule, t: float, dim: int = 1) -> float:
    """Return d a_t^2 B_{t-1}^2 / B_t^2, by which the two-noise loss exceeds the scaled one-noise.

    Raises:
        ValueError: If t is not a whole number in 1..T.
    """
    k = as_step(schedule, t, 1)
    return dim * float((schedule.a[k] * schedule.B[k - 1] / schedule.B[k]) ** 2)


def loss_pair(
    schedule: Schedule, x_0: ArrayLike, t: float, eps_hat: Denoiser, rng: np.random.Generator
) -> LossPair:
    """Estimate the loss at t with two noises and with one (9119).

    x_t = A_t x_0 + a_t B_{t-1} e_bar + b_t e_t = A_t x_0 + B_t eps, and the part
    omega = (b_t e_bar - a_t B_{t-1} e_t)/B_t is independent of eps, so it can be integrated out.

    Args:
        schedule: Any.
        x_0: Data (n, ...), one draw of both noises for each.
        t: In 1..T.
        eps_hat: Prediction of eps.
        rng: Source of the noises.

    Raises:
        ValueError: If an argument is outside its domain.
    """
    k, clean = as_step(schedule, t, 1), as_floats("x_0", x_0)
    last, before = rng.standard_normal((2, *clean.shape))
    a, b, B = float(schedule.a[k]), float(schedule.b[k]), float(schedule.B[k])
    eps = (a * float(schedule.B[k - 1]) * before + b * last) / B
    guess = np.asarray(eps_hat(float(schedule.A[k]) * clean + B * eps, k))
    two = ((last - b / B * guess) ** 2).reshape(len(clean), -1)
    one = ((eps - guess) ** 2).reshape(len(clean), -1)
    constant = loss_constant(schedule, k, two.shape[1])
    return LossPair(two.sum(axis=1), (b / B) ** 2 * one.sum(axis=1) + constant)


def linear_loss_spreads(
    schedule: Schedule, t: float, slope: float = 0.0, data_std: float = 1.0
) -> tuple[float, float, float]:
    """Return mean, two-noise and one-noise spread of the loss for 1-D data and eps_hat = slope x.

    Both errors are normal, and a squared N(0, v) has mean v and standard deviation sqrt(2) v. Slope
    0 is an untrained network; B_t/V_t the optimum for N(0, data_std^2).

    Raises:
        ValueError: If an argument is outside its domain.
    """
    k = as_step(schedule, t, 1)
    gain = number("slope", slope, -1e100, 1e100)
    V = float(level_variance(schedule, number("data_std", data_std, 0, 1e100))[k])
    b, B = float(schedule.b[k]), float(schedule.B[k])
    two = 1 - 2 * (b / B) * gain * b + (b / B * gain) ** 2 * V
    one = 1 - 2 * gain * B + gain**2 * V
    return two, math.sqrt(2) * two, math.sqrt(2) * (b / B) ** 2 * one


# --- Joint KL: the VAE view -----------------------------------------------------------------------


@dataclass(frozen=True, eq=False)
class Bound:
    """Terms of -E log q(x_0) <= end + sum of steps, in nats (2006.11239 eq. 5).

    Attributes:
        end: E KL(p(x_T | x_0) || N(0, I)); no parameter, near 0: x_T encodes nothing.
        steps: (T,); entry t - 1 is E KL(p(x_{t-1} | x_t, x_0) || q(x_{t-1} | x_t)) for t >= 2, and
            -E log q(x_0 | x_1), a density's logarithm, for t = 1.
    """

    end: float
    steps: Floats

    @property
    def total(self) -> float:
        """Sum of all, in nats."""
        return self.end + float(self.steps.sum())


def _as_errors(schedule: Schedule, errors: ArrayLike) -> Floats:
    values = as_floats("errors", errors)
    if values.shape != (schedule.n_steps,) or (values < 0).any():
        raise ValueError(f"errors must be {schedule.n_steps} numbers of at least 0")
    return np.asarray(values, np.float64)


def _over(numerator: Floats, variance: Floats) -> Floats:
    """Divide by a variance that may be 0: 0/0 counts as 0, as for an error that is not there."""
    empty = np.where(numerator > 0, math.inf, 0.0)
    return np.asarray(np.divide(numerator, variance, out=empty, where=variance > 0))


def reverse_costs(schedule: Schedule, sigmas: ArrayLike, errors: ArrayLike, dim: int = 1) -> Floats:
    """Return -E log q(x_{t-1} | x_t) of t = 1..T, in nats, (T,): all of the post's KL that trains.

    E ||x_{t-1} - mu||^2 = d beta_tilde^2 + c_0^2 E ||x_0 - x0_hat(x_t)||^2 for any denoiser, so
    that the cost is (d/2) ln(2 pi sigma^2) + (d beta_tilde^2 + c_0^2 error_t)/(2 sigma^2).

    Args:
        schedule: Any.
        sigmas: Standard deviation of each reverse step, (T,).
        errors: E ||x_0 - x0_hat(x_t)||^2 of t = 1..T, (T,).
        dim: d.

    Raises:
        ValueError: If an argument is outside its domain.
    """
    variance, error = _as_sigmas(schedule, sigmas) ** 2, _as_errors(schedule, errors)
    step = transition(schedule, np.arange(1, schedule.n_steps + 1))
    square = dim * step.beta_tilde**2 + step.c_0**2 * error
    certain = np.where(square > 0, math.inf, -math.inf)  # sigma = 0: never there, or always
    with np.errstate(divide="ignore", invalid="ignore"):
        costs = (dim * np.log(2 * math.pi * variance) + _over(square, variance)) / 2
    return np.where(variance > 0, costs, certain)


def bound(
    schedule: Schedule, sigmas: ArrayLike, errors: ArrayLike, mean_square: float, dim: int = 1
) -> Bound:
    """Return the variational bound in the paper's arrangement, each term of t >= 2 at least 0.

    Args:
        schedule: Any.
        sigmas: Standard deviation of each reverse step, (T,).
        errors: E ||x_0 - x0_hat(x_t)||^2 of t = 1..T, (T,).
        mean_square: E ||x_0||^2.
        dim: d.

    Raises:
        ValueError: If an argument is outside its domain.
    """
    variance, error = _as_sigmas(schedule, sigmas) ** 2, _as_errors(schedule, errors)
    step = transition(schedule, np.arange(1, schedule.n_steps + 1))
    terms = reverse_costs(schedule, sigmas, errors, dim)
    ratio = _over(step.beta_tilde**2, variance)[1:]
    with np.errstate(divide="ignore", invalid="ignore"):
        shape = np.where(np.isfinite(ratio), ratio - 1 - np.log(ratio), math.inf)
    terms[1:] = dim / 2 * shape + _over(step.c_0**2 * error, variance)[1:] / 2
    end = dim * end_information(schedule, mean_square / dim)
    return Bound(end, terms)


def joint_kl(
    schedule: Schedule,
    sigmas: ArrayLike,
    errors: ArrayLike,
    mean_square: float,
    entropy: float,
    dim: int = 1,
) -> float:
    """Return KL(p(x_0 .. x_T) || q(x_0 .. x_T)) in nats as the post adds it up (9152).

    -H(x_0) - sum H(x_t | x_{t-1}) + E -log q(x_T) + sum -E log q(x_{t-1} | x_t): only the last sum
    depends on the network. It is the bound of `bound` minus the entropy of the data, and at least
    KL(p(x_0) || q(x_0)).

    Args:
        schedule: Any.
        sigmas: Standard deviation of each reverse step, (T,).
        errors: E ||x_0 - x0_hat(x_t)||^2 of t = 1..T, (T,).
        mean_square: E ||x_0||^2.
        entropy: Differential entropy of the data, nats; minus infinity for points.
        dim: d.

    Raises:
        ValueError: If an argument is outside its domain.
    """
    noise = dim / 2 * float(np.log(2 * math.pi * math.e * schedule.betas).sum())
    spread = float(schedule.alpha_bar[-1]) * mean_square + dim * float(schedule.B[-1] ** 2)
    end = (dim * math.log(2 * math.pi) + spread) / 2
    return end + float(reverse_costs(schedule, sigmas, errors, dim).sum()) - noise - entropy
