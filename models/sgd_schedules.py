"""Learning-rate schedules for SGD: eta_1 .. eta_T as an array, or a rule that reads the gradients.

constant eta; best constant R/(G sqrt T); alpha/sqrt t; alpha/t; linear decay alpha (1 - t/(T+1))
and alpha (1 - t/T); cosine; warm-up and decay; step; from weights w_t w_{t+1:T}/w_{1:T}; from
gradient norms 1/G_t^2 and the refined (R G_t^-2/sqrt(Q_T)) (1 - Q_t/Q_T), Q_t = sum_{s<=t} G_s^-2.

Shapes: every schedule is float64 (n_steps,); entry 0 is eta_1.
Convention: R is a DIAMETER or a distance to the minimiser, G a bound on gradient norms; eta has the
unit parameter^2/loss. eta_T may be 0 (decay to zero by 1 - t/T), never negative.

Source: Su Jianlin, kexue.fm/archives/9902 (constant, 1/sqrt t), 11494 (linear decay), 11530
(AdaGrad-norm, 1/G^2, refined), 11540 (from weights); Defazio et al. 2023, arXiv 2310.07831.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from models.checks import number, whole_number

Floats = NDArray[np.float64]
MAX_STEPS = 10_000_000


@dataclass(frozen=True)
class AdaGradNorm:
    """eta_t = R / sqrt(V_t), V_t = sum_{s<=t} ||g_s||^2, made by the run as it goes (11530).

    Attributes:
        scale: R, positive. While every gradient was zero, the step is 0 (nothing moves anyway).
    """

    scale: float

    def __post_init__(self) -> None:
        _positive("scale", self.scale)

    def steps(self, grad_norms: ArrayLike) -> Floats:
        """Return eta (n_steps,) for known gradient norms (n_steps,)."""
        total = np.cumsum(_norms(grad_norms) ** 2)
        safe = np.where(total > 0, total, 1)
        return np.where(total > 0, self.scale / np.sqrt(safe), 0.0)


Schedule = Floats | AdaGradNorm


def n_steps_of(n_steps: float) -> int:
    """Return T as an int.

    Raises:
        ValueError: If it is not a whole number in 1 .. 10^7.
    """
    return whole_number("n_steps", n_steps, 1, MAX_STEPS)


def constant(n_steps: int, eta: float) -> Floats:
    """Return eta, T times.

    Raises:
        ValueError: If n_steps < 1 or eta is not positive and finite (as in every function below).
    """
    return np.full(n_steps_of(n_steps), _positive("eta", eta))


def best_constant_step(n_steps: int, R: float, G: float) -> float:
    """Return R/(G sqrt T), which minimises R^2/(2 T eta) + eta G^2/2 (9902)."""
    return _positive("R", R) / (_positive("G", G) * math.sqrt(n_steps_of(n_steps)))


def best_constant(n_steps: int, R: float, G: float) -> Floats:
    """Return the best constant step R/(G sqrt T), T times."""
    return constant(n_steps, best_constant_step(n_steps, R, G))


def best_inverse_sqrt_scale(R: float, G: float) -> float:
    """Return alpha = R/(sqrt2 G), best for R^2/(2 alpha sqrt T) + G^2 alpha/sqrt T (9902)."""
    return _positive("R", R) / (math.sqrt(2) * _positive("G", G))


def best_linear_decay_scale(n_steps: int, R: float, G: float) -> float:
    """Return alpha = R/(G sqrt(2 T)), best for R^2/(alpha T) + 2 G^2 alpha (11494)."""
    return _positive("R", R) / (_positive("G", G) * math.sqrt(2 * n_steps_of(n_steps)))


def inverse_sqrt(n_steps: int, alpha: float) -> Floats:
    """Return alpha/sqrt t."""
    return _positive("alpha", alpha) / np.sqrt(_times(n_steps))


def inverse_time(n_steps: int, alpha: float) -> Floats:
    """Return alpha/t; alpha = 1/H fits H-strongly convex losses."""
    return _positive("alpha", alpha) / _times(n_steps)


def linear_decay(n_steps: int, alpha: float) -> Floats:
    """Return alpha (1 - t/(T+1)): the last step is alpha/(T+1), still positive (11494)."""
    t = _times(n_steps)
    return _positive("alpha", alpha) * ((len(t) + 1 - t) / (len(t) + 1))


def linear_decay_to_zero(n_steps: int, alpha: float) -> Floats:
    """Return alpha (1 - t/T): the last step is 0, so theta_T is the last new point (11540)."""
    t = _times(n_steps)
    return _positive("alpha", alpha) * ((len(t) - t) / len(t))


def cosine(n_steps: int, alpha: float) -> Floats:
    """Return alpha (1 + cos(pi (t-1)/T))/2: alpha first, almost 0 last."""
    t = _times(n_steps)
    return _positive("alpha", alpha) * np.cos(math.pi * (t - 1) / (2 * len(t))) ** 2


def warmup_decay(n_steps: int, alpha: float, warmup_share: float = 0.1) -> Floats:
    """Return a linear rise to alpha over a share of the steps, then linear decay towards 0.

    Args:
        n_steps: T.
        alpha: The peak.
        warmup_share: Share of T that rises, in [0, 1). At 0 it is
            linear decay from alpha at t = 1.

    Raises:
        ValueError: If the share is outside [0, 1).
    """
    if not 0 <= warmup_share < 1:
        raise ValueError(f"warmup_share must be in [0, 1), got {warmup_share}")
    t = _times(n_steps)
    n_rising = min(math.ceil(warmup_share * len(t)), len(t) - 1)
    falling = (len(t) + 1 - t) / (len(t) - n_rising + 1)
    return _positive("alpha", alpha) * np.minimum(t / (n_rising + 1), falling)


def step_decay(n_steps: int, alpha: float, n_stages: int = 4, factor: float = 0.5) -> Floats:
    """Return alpha factor^j in the j-th of n_stages equal stages, j from 0.

    Raises:
        ValueError: If n_stages < 1 or factor is not in (0, 1].
    """
    number("factor", factor, 0, 1, above=True)
    whole_number("n_stages", n_stages, 1)
    t = _times(n_steps)
    return _positive("alpha", alpha) * factor ** np.floor((t - 1) * n_stages / len(t))


def rising(n_steps: int, alpha: float) -> Floats:
    """Return alpha t/T, which the core theorem does not cover: 1/eta_t must not fall."""
    t = _times(n_steps)
    return _positive("alpha", alpha) * (t / len(t))


# --- From weights and gradient norms --------------------------------------------------------------


def from_weights(weights: ArrayLike) -> Floats:
    """Return eta_t = w_t w_{t+1:T}/w_{1:T}; the last is 0 (11540).

    Args:
        weights: w (n_steps,), finite, not negative, not all 0.

    Raises:
        ValueError: If a weight is not of that kind.
    """
    w = _numbers("weights", weights)
    if not w.sum() > 0:
        raise ValueError("weights must not all be 0")
    return np.asarray(w * np.append(_suffix_sums(w)[1:], 0.0) / w.sum())


def inverse_square(grad_norms: ArrayLike, R: float) -> Floats:
    """Return R G_t^-2/sqrt(Q_T), Q_T = sum_s G_s^-2: the best weights when G_t is known (11530).

    Large early gradients make it rise first: a warm-up.

    Args:
        grad_norms: G (n_steps,), positive.
        R: Distance to the minimiser, or the diameter.

    Raises:
        ValueError: If a norm is 0 (first smooth with `smoothed_norms`), negative or not finite.
    """
    norms = _norms(grad_norms)
    if not np.all(norms > 0):
        raise ValueError(f"grad_norms must be positive, got 0 at step {int(np.argmin(norms)) + 1}")
    relative = (norms.min() / norms) ** 2  # G^-2 in units of its largest: no overflow
    return np.asarray(_positive("R", R) / norms.min() * relative / math.sqrt(relative.sum()))


def refined_last_iterate(grad_norms: ArrayLike, R: float) -> Floats:
    """Return R G_t^-2/sqrt(Q_T) (1 - Q_t/Q_T): `from_weights` of `inverse_square` (11530, 11540).

    Constant norms give `linear_decay_to_zero`. Train once, record the norms, refine, train again.

    Raises:
        ValueError: As for `inverse_square`.
    """
    return from_weights(inverse_square(grad_norms, R))


def smoothed_norms(grad_norms: ArrayLike, width: int = 11) -> Floats:
    """Return running medians of gradient norms, with zeros lifted to 1e-3 of the overall mean.

    One vanishing gradient would otherwise take the whole schedule to itself.

    Args:
        grad_norms: Norms (n_steps,), not negative, not all 0.
        width: Steps in the window, odd; the ends repeat their value.

    Raises:
        ValueError: If width is not odd and positive, or all norms are 0.
    """
    norms = _norms(grad_norms)
    if width < 1 or width % 2 == 0:
        raise ValueError(f"width must be odd and >= 1, got {width}")
    if not norms.max() > 0:
        raise ValueError("grad_norms must not all be 0")
    padded = np.pad(norms, width // 2, mode="edge")
    windows = np.lib.stride_tricks.sliding_window_view(padded, width)
    return np.asarray(np.maximum(np.median(windows, axis=1), 1e-3 * norms.mean()))


# --- Own ------------------------------------------------------------------------------------------


def own_list(text: str, n_steps: int) -> Floats:
    """Read a schedule from numbers parted by commas, semicolons or white space.

    Args:
        text: T numbers, or one number, which is repeated.
        n_steps: T.

    Raises:
        ValueError: If an entry is no number, not finite or negative (named by its place), or their
            count is neither 1 nor T.
    """
    n = n_steps_of(n_steps)
    entries = text.replace(",", " ").replace(";", " ").split()
    if len(entries) not in (1, n):
        raise ValueError(f"eta must have 1 or n_steps = {n} entries, got {len(entries)}")
    values = []
    for place, entry in enumerate(entries, start=1):
        try:
            values.append(float(entry))
        except ValueError:
            raise ValueError(f"eta must be numbers, got {entry!r} at step {place}") from None
    return np.resize(_numbers("eta", values), n)


def drawn(points: ArrayLike, n_steps: int) -> Floats:
    """Interpolate a drawn polyline linearly at t = 1 .. T; it is held constant beyond its ends.

    Args:
        points: Corners (n_points, 2): share of the run in [0, 1] (0 is t = 1, 1 is t = T), strictly
            rising, and eta >= 0.
        n_steps: T.

    Raises:
        ValueError: If there is no corner, one is not finite or outside its domain, or the shares do
            not rise.
    """
    corners = np.asarray(points, np.float64)
    if corners.ndim != 2 or corners.shape[1] != 2 or len(corners) == 0:
        raise ValueError(f"points must have shape (n_points, 2), got {corners.shape}")
    eta = _numbers("eta", corners[:, 1])
    shares = _numbers("share", corners[:, 0])
    if shares.max() > 1 or np.any(np.diff(shares) <= 0):
        raise ValueError("share must rise strictly within 0 .. 1")
    return np.interp(np.linspace(0, 1, n_steps_of(n_steps)), shares, eta)


def as_schedule(eta: ArrayLike, n_steps: int | None = None) -> Floats:
    """Check a schedule and return it as float64 (n_steps,).

    Raises:
        ValueError: If it is empty, has not n_steps entries, or an entry is negative or not finite.
    """
    values = _numbers("eta", eta)
    if n_steps is not None and len(values) != n_steps:
        raise ValueError(f"eta must have n_steps = {n_steps} entries, got {len(values)}")
    return values


# Schedules of one scale, by name, for pickers and for ranking.
SCALED: dict[str, Callable[[int, float], Floats]] = {
    "constant": constant,
    "inverse_sqrt": inverse_sqrt,
    "inverse_time": inverse_time,
    "linear_decay": linear_decay,
    "linear_decay_to_zero": linear_decay_to_zero,
    "cosine": cosine,
    "warmup_decay": warmup_decay,
    "step": step_decay,
    "rising": rising,
}


def _times(n_steps: int) -> Floats:
    return np.arange(1, n_steps_of(n_steps) + 1, dtype=np.float64)


def _suffix_sums(values: Floats) -> Floats:
    """Return sum_{s>=t} values_s, added from the small end, so that decaying tails stay exact."""
    return np.asarray(np.cumsum(values[::-1])[::-1])


def _positive(name: str, value: float) -> float:
    if not (0 < value < math.inf):
        raise ValueError(f"{name} must be positive and finite, got {value}")
    return float(value)


def _norms(grad_norms: ArrayLike) -> Floats:
    return _numbers("grad_norms", grad_norms)


def _numbers(name: str, values: ArrayLike) -> Floats:
    array = np.asarray(values, np.float64)
    if array.ndim != 1 or array.size == 0:
        raise ValueError(f"{name} must have shape (n_steps,) with n_steps >= 1, got {array.shape}")
    wrong = np.flatnonzero(~(np.isfinite(array) & (array >= 0)))
    if wrong.size:
        place = int(wrong[0])
        raise ValueError(
            f"{name} must be finite and not negative, got {array[place]} at step {place + 1}"
        )
    return array
