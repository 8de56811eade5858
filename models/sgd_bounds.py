"""Every bound of the posts on SGD's losses, the identities behind them, and the proof step by step.

Core theorem, for every convex sequence and every theta* in the set (9902):
    (1/T) sum_t [L_t(theta_t) - L_t(theta*)] <= R^2/(2 T eta_T) + (1/2T) sum_t eta_t G_t^2
Without a ball, weighted by eta_t (11469):  <= D^2/(2 sum eta) + sum eta_t^2 G_t^2/(2 sum eta)
At the last point, in expectation (11494, eq. 10):
    E L(theta_T) - L* <= D^2/(2 sum eta) + (1/2) sum_t eta_t^2 G_t^2 / eta_{min(t+1,T):T}
From weights, eta_t = w_t w_{t+1:T}/w_{1:T} (11540):  <= (D^2 + sum w_t^2 G_t^2)/(2 w_{1:T})

Shapes: eta (n_steps,); G a number or (n_steps,); a bound is evaluated at T = steps (n,), each
with eta_1 .. eta_T of the same schedule.
Convention: R is a DIAMETER (2 radius of a ball) or any bound on all ||theta_t - theta*||; D is the
first distance ||theta_1 - theta*||; x_{i:j} is the sum of x_i .. x_j. Every bound is the sum of a
distance term and a noise term, in the unit of the loss.

Source: Su Jianlin, kexue.fm/archives/9902 (2023), 11469, 11480, 11494 (2025), 11530 and
11540 (2026).
Strongly convex: Hazan, Agarwal and Kale, 2007, doi 10.1007/s10994-007-5016-8, Theorem 1. Refined
schedules: Defazio et al., 2023, arXiv 2310.07831. The exact slack of the core proof:
derived here.
"""

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from models.sgd import Problem, Run, Trace
from models.sgd_schedules import AdaGradNorm, Floats, as_schedule, inverse_time

Steps = NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Terms:
    """A bound at several T, in two parts, each (n,), in the unit of the loss.

    Attributes:
        steps: T (n,).
        distance: The part with R^2 or D^2: how far there is to go.
        noise: The part with G^2: what the steps themselves cost.
    """

    steps: Steps
    distance: Floats
    noise: Floats

    @property
    def total(self) -> Floats:
        """The bound; infinite where a step of 0 or a diverging sum makes it so."""
        return self.distance + self.noise


@dataclass(frozen=True)
class Claims:
    """The constants that the bounds are evaluated with.

    Attributes:
        R: Diameter, or a bound on every ||theta_t - theta*||.
        G: Bound on every ||g_t||.
        D: First distance ||theta_1 - theta*||; None for R.
        H: Strong convexity; 0 if there is none.
    """

    R: float
    G: float
    D: float | None = None
    H: float = 0.0

    def __post_init__(self) -> None:
        for name, value in (("R", self.R), ("G", self.G)):
            if not (0 < value < math.inf):
                raise ValueError(f"{name} must be positive and finite, got {value}")
        for name, value in (("D", self.first_distance), ("H", self.H)):
            if not (0 <= value < math.inf):
                raise ValueError(f"{name} must be >= 0 and finite, got {value}")

    @property
    def first_distance(self) -> float:
        """D, or R if it is not claimed."""
        return self.R if self.D is None else self.D


# --- Bounds for a schedule ------------------------------------------------------------------------


def core(eta: ArrayLike, R: float, G: ArrayLike, steps: ArrayLike | None = None) -> Terms:
    """Return R^2/(2 T eta_T) + (1/2T) sum eta_t G_t^2 (9902): convex, bounded, eta not rising.

    Args:
        eta: Schedule (n_steps,).
        R: Diameter.
        G: Gradient bound, a number or (n_steps,).
        steps: T, each in 1 .. n_steps; default all.

    Raises:
        ValueError: If a step is negative or not finite, R or G negative, or a T out of range (as
            for every bound below).
    """
    eta_, g2, t = _inputs(eta, G, steps)
    return Terms(
        t, _over(_length("R", R) ** 2, 2 * t * eta_[t - 1]), np.cumsum(eta_ * g2)[t - 1] / (2 * t)
    )


def unbounded_average(
    eta: ArrayLike, D: float, G: ArrayLike, steps: ArrayLike | None = None
) -> Terms:
    """Return D^2/(2 T eta_T) + (1/2T) sum eta_t^2 G_t^2/eta_T (11469): no ball, eta not rising."""
    eta_, g2, t = _inputs(eta, G, steps)
    scale = 2 * t * eta_[t - 1]
    return Terms(
        t, _over(_length("D", D) ** 2, scale), _over(np.cumsum(eta_**2 * g2)[t - 1], scale)
    )


def weighted_average(
    eta: ArrayLike, D: float, G: ArrayLike, steps: ArrayLike | None = None
) -> Terms:
    """Return (D^2 + sum eta_t^2 G_t^2)/(2 sum eta) (11469): no ball, any positive schedule."""
    eta_, g2, t = _inputs(eta, G, steps)
    scale = 2 * np.cumsum(eta_)[t - 1]
    return Terms(
        t, _over(_length("D", D) ** 2, scale), _over(np.cumsum(eta_**2 * g2)[t - 1], scale)
    )


def last_iterate(eta: ArrayLike, D: float, G: ArrayLike, steps: ArrayLike | None = None) -> Terms:
    """Return D^2/(2 T eta_T) + eta_T G_T^2/2 + sum_{t<T} eta_t^2 G_t^2/(2 eta_T (T-t)) (11480)."""
    eta_, g2, t = _inputs(eta, G, steps)
    noise = np.empty(len(t))
    power = eta_**2 * g2
    for i, T in enumerate(t.tolist()):
        tail = float(np.sum(power[: T - 1] / np.arange(T - 1, 0, -1)))
        noise[i] = eta_[T - 1] * g2[T - 1] / 2 + float(_over(tail, 2 * eta_[T - 1]))
    return Terms(t, _over(_length("D", D) ** 2, 2 * t * eta_[t - 1]), noise)


def eq10(eta: ArrayLike, D: float, G: ArrayLike, steps: ArrayLike | None = None) -> Terms:
    """Return D^2/(2 sum eta) + (1/2) sum eta_t^2 G_t^2/eta_{min(t+1,T):T} (11494, equation 10).

    For the last point; no monotonicity needed. Infinite if the last step is 0 and another is not.
    """
    eta_, g2, t = _inputs(eta, G, steps)
    noise = np.empty(len(t))
    power = eta_**2 * g2
    for i, T in enumerate(t.tolist()):
        tails = np.cumsum(eta_[:T][::-1])[::-1]  # from the small end: decaying tails stay exact
        noise[i] = np.sum(_over(power[:T], np.append(tails[1:], eta_[T - 1]))) / 2
    return Terms(t, _over(_length("D", D) ** 2, 2 * np.cumsum(eta_)[t - 1]), noise)


def from_weights_bound(weights: ArrayLike, D: float, G: ArrayLike) -> float:
    """Return (D^2 + sum w_t^2 G_t^2)/(2 w_{1:T}), for the last point under `from_weights` (11540).

    It is least at w = `inverse_square`(G, D), where it is D/sqrt(sum G_t^-2).
    """
    w, g2, _ = _inputs(weights, G, None)
    return float(_over(_length("D", D) ** 2 + float(np.sum(w**2 * g2)), 2 * float(w.sum())))


def weights_of_schedule(eta: ArrayLike, D: float, G: ArrayLike) -> tuple[Floats, float]:
    """Find weights that `from_weights` turns into a schedule, and their bound on L(theta_T) - L*.

    theta_T does not know eta_T, which is taken as 0. With S_t = w_{t:T} the steps say
    S_{t+1} (S_t - S_{t+1}) = eta_t S_1: for each S_1 large enough the larger root gives S_{t+1}.
    Of these S_1 the one with the least bound is searched on a grid, refined four times.

    Args:
        eta: Schedule (n_steps,), n_steps >= 2, not all 0 before the last.
        D: First distance.
        G: Gradient bound, a number or (n_steps,).

    Returns:
        w (n_steps,) and (D^2 + sum w_t^2 G_t^2)/(2 w_{1:T}), which holds whether or not a better
        S_1 exists.

    Raises:
        ValueError: If the schedule is shorter or 0.
    """
    eta_, g2, _ = _inputs(eta, G, None)
    total = float(eta_[:-1].sum())
    if not total > 0:
        raise ValueError("eta must have n_steps >= 2 entries, not all 0 before the last")
    far = _length("D", D) / math.sqrt(float(g2.max())) if g2.max() > 0 else 0.0
    low, high = max(2 * total, 4 * float(eta_[:-1].max())), 8 * max(total, far)
    best = high
    for _ in range(4):
        sums = np.geomspace(low, high, 48)
        noise = np.zeros(48)
        for weights, square in zip(_peel(eta_, sums), g2.tolist(), strict=True):
            noise += weights**2 * square
        values = np.where(np.isfinite(noise), (D**2 + noise) / (2 * sums), math.inf)
        i = int(np.argmin(values))
        best, low, high = float(sums[i]), sums[max(i - 1, 0)], sums[min(i + 1, 47)]
    w = np.concatenate(list(_peel(eta_, np.array([best]))))
    return w, from_weights_bound(w, D, G)


def _peel(eta: Floats, sums: Floats) -> Iterator[Floats]:
    """Yield w_t for every candidate S_1 (n,), step by step; NaN once a candidate is too small."""
    rest = sums.copy()
    for step in eta[:-1].tolist():
        room = rest * rest - 4 * step * sums
        room = np.where(room < -1e-9 * rest * rest, math.nan, np.maximum(room, 0))
        # (S - sqrt(S^2 - 4 eta S_1))/2 without cancelling
        weights = 2 * step * sums / (rest + np.sqrt(room))
        yield weights
        rest = rest - weights
    yield rest


def schedule_only(eta: ArrayLike, D: float, G: ArrayLike) -> Terms:
    """Return the bound of 11540 in terms of eta alone, for the last point of a schedule to 0.

    D^2/(4 sum eta) + sum_{t<=T-2} eta_t^2 G_t^2/(4 eta_{t+1:T})
                    + (eta_{T-1}/2)(G_{T-1}^2 + G_T^2)

    Args:
        eta: Schedule (n_steps,), n_steps >= 2, the last entry 0, the others positive.
        D: First distance.
        G: Gradient bound, a number or (n_steps,).

    Returns:
        One T, n_steps.

    Raises:
        ValueError: If the last step is not 0, or another one is.
    """
    eta_, g2, t = _inputs(eta, G, None)
    if len(eta_) < 2 or eta_[-1] != 0 or not np.all(eta_[:-1] > 0):
        raise ValueError("eta must have n_steps >= 2 entries, positive but for a last 0")
    tails = np.cumsum(eta_[::-1])[::-1]  # eta_{t:T}
    noise = np.sum(eta_[:-2] ** 2 * g2[:-2] / (4 * tails[1:-1]))
    noise += eta_[-2] / 2 * (g2[-2] + g2[-1])
    return Terms(t[-1:], np.array([_length("D", D) ** 2 / (4 * tails[0])]), np.array([noise]))


def strongly_convex(H: float, G: float, steps: ArrayLike) -> Terms:
    """Return (G^2/2H)(1 + ln T)/T, the average regret under eta_t = 1/(H t)."""
    t = _steps(steps, None)
    if not (0 < H < math.inf):
        raise ValueError(f"H must be positive and finite, got {H}")
    return Terms(t, np.zeros(len(t)), _length("G", G) ** 2 / (2 * H) * (1 + np.log(t)) / t)


def adagrad_norm(sum_squares: ArrayLike, R: float, steps: ArrayLike) -> Floats:
    """Return (3R/2T) sqrt(V_T), the average regret under `AdaGradNorm`(R) (11530).

    Args:
        sum_squares: V_T, measured, (n,) or (n, n_seeds).
        R: Diameter, the same as in the rule.
        steps: T (n,).
    """
    t = _steps(steps, None)
    squares = np.asarray(sum_squares, np.float64)
    return 1.5 * _length("R", R) * np.sqrt(squares) / t.reshape(-1, *[1] * (squares.ndim - 1))


def hindsight(sum_squares: ArrayLike, R: float, steps: ArrayLike) -> Floats:
    """Return R sqrt(V_T)/T: what the best constant step gives when V_T is known beforehand."""
    return adagrad_norm(sum_squares, R, steps) / 1.5


# --- Closed forms ---------------------------------------------------------------------------------


def constant_bound(n_steps: ArrayLike, eta: float, R: float, G: float) -> Terms:
    """Return R^2/(2 T eta) + eta G^2/2 (9902)."""
    t = _steps(n_steps, None)
    noise = np.full(len(t), eta * _length("G", G) ** 2 / 2)
    return Terms(t, _over(_length("R", R) ** 2, 2 * t * eta), noise)


def best_constant_bound(n_steps: ArrayLike, R: float, G: float) -> Floats:
    """Return R G/sqrt T, the least `constant_bound`, at eta = R/(G sqrt T)."""
    return _length("R", R) * _length("G", G) / np.sqrt(_steps(n_steps, None))


def inverse_sqrt_loose(n_steps: ArrayLike, alpha: float, R: float, G: float) -> Terms:
    """Return R^2/(2 alpha sqrt T) + G^2 alpha/sqrt T for alpha/sqrt t (9902).

    Looser than `core` by sum 1/sqrt t < 2 sqrt T; at the best alpha it is sqrt2 R G/sqrt T.
    """
    t = _steps(n_steps, None)
    root = np.sqrt(t)
    return Terms(t, _over(_length("R", R) ** 2, 2 * alpha * root), G**2 * alpha / root)


def zinkevich_total(n_steps: ArrayLike, R: float, G: float) -> Floats:
    """Return R^2 sqrt T/2 + (sqrt T - 1/2) G^2, the total regret for eta_t = 1/sqrt t."""
    root = np.sqrt(_steps(n_steps, None))
    return np.asarray(_length("R", R) ** 2 * root / 2 + (root - 0.5) * _length("G", G) ** 2)


def textbook_total(n_steps: ArrayLike, R: float, G: float) -> Floats:
    """Return (3/2) G R sqrt T, the total regret for eta_t = R/(G sqrt t)."""
    return np.asarray(1.5 * _length("R", R) * _length("G", G) * np.sqrt(_steps(n_steps, None)))


def last_iterate_constant_loose(n_steps: ArrayLike, eta: float, D: float, G: float) -> Terms:
    """Return D^2/(2 T eta) + (G^2 eta/2)(2 + ln T) (11480); exact with 1 + H_{T-1} for 2 + ln T."""
    t = _steps(n_steps, None)
    noise = G**2 * eta / 2 * (2 + np.log(t))
    return Terms(t, _over(_length("D", D) ** 2, 2 * t * eta), np.asarray(noise))


def best_last_constant(n_steps: ArrayLike, D: float, G: float) -> Floats:
    """Return eta = D/(G sqrt(T (2 + ln T))), best for `last_iterate_constant_loose`."""
    t = _steps(n_steps, None)
    return np.asarray(_length("D", D) / (G * np.sqrt(t * (2 + np.log(t)))))


def linear_decay_loose(n_steps: ArrayLike, alpha: float, D: float, G: float) -> Terms:
    """Return D^2/(alpha T) + 2 G^2 alpha for alpha (1 - t/(T+1)) (11494), best 2 sqrt2 D G/sqrt T.

    Looser than `eq10`; the schedule ends at T, so each T is a run of its own.
    """
    t = _steps(n_steps, None)
    return Terms(t, _over(_length("D", D) ** 2, alpha * t), np.full(len(t), 2 * G**2 * alpha))


def best_scale(terms: Terms) -> tuple[Floats, Floats]:
    """Return the factor of the whole schedule that makes a bound least, and that least bound.

    Where the distance term falls like 1/c and the noise grows like c when eta becomes c eta (every
    bound here but `strongly_convex` and `adagrad_norm`), c = sqrt(distance/noise), and the least
    bound is twice their geometric mean.

    Returns:
        c (n,), infinite where there is no noise, and the bound (n,).
    """
    with np.errstate(divide="ignore", invalid="ignore"):
        factor = np.sqrt(terms.distance / terms.noise)
    return factor, 2 * np.sqrt(terms.distance) * np.sqrt(terms.noise)


# --- Identities -----------------------------------------------------------------------------------


def last_value_identity(values: ArrayLike) -> tuple[float, float]:
    """Return both sides of 11480's identity, true for any q_1 .. q_T.

    q_T = (1/T) sum q_t + sum_{k=1}^{T-1} 1/(k(k+1)) sum_{t=T-k}^T (q_t - q_{T-k})
    """
    return weighted_identity(values, np.ones(np.size(values)))


def weighted_identity(values: ArrayLike, weights: ArrayLike) -> tuple[float, float]:
    """Return both sides of 11494's identity, true for any q and positive w.

    q_T = sum w_t q_t/w_{1:T}
          + sum_{k=1}^{T-1} (1/w_{k+1:T} - 1/w_{k:T}) sum_{t=k}^T w_t (q_t - q_k)

    With w = 1 it is that of 11480, its k there being T - k here.

    Raises:
        ValueError: If the two have different lengths, or a weight is not positive.
    """
    q, w = np.asarray(values, np.float64), np.asarray(weights, np.float64)
    if q.ndim != 1 or q.shape != w.shape or q.size == 0:
        raise ValueError(f"values and weights must be (n_steps,), got {q.shape} and {w.shape}")
    if not np.all(w > 0):
        raise ValueError(f"weights must be positive, got {w.min()}")
    tail_w = np.cumsum(w[::-1])[::-1]
    tail_wq = np.cumsum((w * q)[::-1])[::-1]
    above = tail_wq[:-1] - tail_w[:-1] * q[:-1]
    right = tail_wq[0] / tail_w[0] + np.sum((1 / tail_w[1:] - 1 / tail_w[:-1]) * above)
    return float(q[-1]), float(right)


# --- Which bound asks for what --------------------------------------------------------------------

EVERY_RUN = "every_run"
IN_EXPECTATION = "in_expectation"


@dataclass(frozen=True)
class Bound:
    """What a bound bounds, and under which assumptions.

    Attributes:
        name: Its key in `BOUNDS`.
        measured: The field of `Run` it bounds.
        holds: `EVERY_RUN`, or `IN_EXPECTATION`, over the draw of samples: then the mean over the
            seeds lies below it, up to sampling error, and single runs need not. Where nothing is
            drawn (one sample) both are the same.
        assumptions: Names, explained in `ASSUMPTIONS`.
        evaluate: (eta, claims, steps) to `Terms`; None if it is not made from a schedule alone.
    """

    name: str
    measured: str
    holds: str
    assumptions: tuple[str, ...]
    evaluate: Callable[[Floats, Claims, Steps], Terms] | None


ASSUMPTIONS = {
    "bounded_set": "no iterate farther than the claimed R from theta*",
    "first_distance": "theta_1 no farther than the claimed D from theta*",
    "convex": "every sample's loss is convex",
    "convex_on_average": "the mean loss is convex",
    "gradient_bound": "no observed gradient longer than the claimed G",
    "non_increasing": "eta never rises",
    "positive_steps": "every eta is positive",
    "iid": "samples are drawn independently, with replacement",
    "theta_star_inside": "theta* lies in the ball that iterates are projected on",
    "strongly_convex": "every sample's loss is H-strongly convex, with the claimed H > 0",
    "matching_schedule": "the schedule is the one that the bound is about",
    "finite": "no run diverged",
}

_PATHWISE = ("convex", "gradient_bound", "theta_star_inside", "finite")
_EXPECTED = ("convex_on_average", "iid", "gradient_bound", "theta_star_inside", "finite")

BOUNDS = {
    bound.name: bound
    for bound in (
        Bound(
            "core",
            "average_regret",
            EVERY_RUN,
            ("bounded_set", "non_increasing", "positive_steps", *_PATHWISE),
            lambda eta, claims, t: core(eta, claims.R, claims.G, t),
        ),
        Bound(
            "constant",
            "average_regret",
            EVERY_RUN,
            ("matching_schedule", "first_distance", *_PATHWISE),
            lambda eta, claims, t: core(eta, claims.first_distance, claims.G, t),
        ),
        Bound(
            "inverse_sqrt_loose",
            "average_regret",
            EVERY_RUN,
            ("matching_schedule", "bounded_set", *_PATHWISE),
            lambda eta, claims, t: inverse_sqrt_loose(t, float(eta[0]), claims.R, claims.G),
        ),
        Bound(
            "weighted_regret",
            "weighted_regret",
            EVERY_RUN,
            ("first_distance", *_PATHWISE),
            lambda eta, claims, t: weighted_average(eta, claims.first_distance, claims.G, t),
        ),
        Bound(
            "adagrad_norm",
            "average_regret",
            EVERY_RUN,
            ("matching_schedule", "bounded_set", "convex", "theta_star_inside", "finite"),
            None,
        ),
        Bound(
            "strongly_convex",
            "average_regret",
            EVERY_RUN,
            ("matching_schedule", "strongly_convex", *_PATHWISE),
            lambda eta, claims, t: strongly_convex(claims.H, claims.G, t),
        ),
        Bound(
            "core_average_point",
            "average_gap",
            IN_EXPECTATION,
            ("bounded_set", "non_increasing", "positive_steps", *_EXPECTED),
            lambda eta, claims, t: core(eta, claims.R, claims.G, t),
        ),
        Bound(
            "unbounded_average",
            "average_gap",
            IN_EXPECTATION,
            ("first_distance", "non_increasing", "positive_steps", *_EXPECTED),
            lambda eta, claims, t: unbounded_average(eta, claims.first_distance, claims.G, t),
        ),
        Bound(
            "weighted_average",
            "weighted_gap",
            IN_EXPECTATION,
            ("first_distance", *_EXPECTED),
            lambda eta, claims, t: weighted_average(eta, claims.first_distance, claims.G, t),
        ),
        Bound(
            "last_iterate",
            "last_gap",
            IN_EXPECTATION,
            ("first_distance", "non_increasing", "positive_steps", *_EXPECTED),
            lambda eta, claims, t: last_iterate(eta, claims.first_distance, claims.G, t),
        ),
        Bound(
            "last_iterate_constant_loose",
            "last_gap",
            IN_EXPECTATION,
            ("matching_schedule", "first_distance", *_EXPECTED),
            lambda eta, claims, t: last_iterate_constant_loose(
                t, float(eta[0]), claims.first_distance, claims.G
            ),
        ),
        Bound(
            "eq10",
            "last_gap",
            IN_EXPECTATION,
            ("first_distance", "positive_steps", *_EXPECTED),
            lambda eta, claims, t: eq10(eta, claims.first_distance, claims.G, t),
        ),
        Bound(
            "schedule_only",
            "last_gap",
            IN_EXPECTATION,
            ("matching_schedule", "first_distance", *_EXPECTED),
            lambda eta, claims, t: schedule_only(eta, claims.first_distance, claims.G),
        ),
    )
}


def claims_of(run: Run) -> Claims:
    """Return the best claims to be had: proven constants, and observed ones where none is proven.

    R is the ball's diameter, else the largest observed distance; G the proven bound, else the
    largest observed gradient; D the true first distance (R for an adversary). Observed values are
    no assumption: label them so.

    Raises:
        ValueError: If nothing finite was observed.
    """
    facts = run.problem.facts
    alive = run.died_at == 0
    if not np.any(alive):
        raise ValueError("run must have a seed that did not diverge")
    moved_only = isinstance(run.problem, Problem)
    D = float(run.distance[0, 0]) if moved_only else None
    R = run.problem.diameter
    if not math.isfinite(R):
        R = float(np.nanmax(run.max_distance)) or 1.0
    G = facts.gradient_bound
    if not math.isfinite(G):
        G = float(np.nanmax(run.max_gradient[:, alive]))
    return Claims(R, max(G, 1e-300), D, facts.strong_convexity)


def violated(name: str, run: Run, claims: Claims) -> tuple[str, ...]:
    """Return which assumptions of a bound a run breaks; grey the bound if there are any.

    Args:
        name: A key of `BOUNDS`.
        run: A run, complete or not.
        claims: The constants the bound is drawn with.

    Returns:
        Names from `ASSUMPTIONS`, in the order of the bound's list; empty if all hold on this run.

    Raises:
        ValueError: If the name is unknown.
    """
    if name not in BOUNDS:
        raise ValueError(f"name must be one of {', '.join(BOUNDS)}, got {name!r}")
    broken = broken_assumptions(run, claims)
    found = {a for a in BOUNDS[name].assumptions if a in broken}
    if "matching_schedule" in BOUNDS[name].assumptions and not _matches(name, run, claims):
        found.add("matching_schedule")
    if BOUNDS[name].holds == IN_EXPECTATION and not isinstance(run.problem, Problem):
        found.add("iid")
    if isinstance(run.eta, AdaGradNorm) and BOUNDS[name].evaluate is not None:
        found.add("matching_schedule")  # steps that read the gradients
    return tuple(a for a in ASSUMPTIONS if a in found)


def broken_assumptions(run: Run, claims: Claims) -> frozenset[str]:
    """Return every assumption that a run breaks, except "matching_schedule", a bound's own."""
    facts, slack = run.problem.facts, 1 + 1e-9
    drawn = isinstance(run.problem, Problem) and run.problem.n_samples > 1
    eta = None if isinstance(run.eta, AdaGradNorm) else run.eta[: run.n_done]
    far = float(np.nanmax(run.max_distance, initial=0.0))
    first = float(np.nanmax(run.distance[:1], initial=0.0))
    steep = float(np.nanmax(run.max_gradient, initial=0.0))
    checks = {
        "bounded_set": far > claims.R * slack,
        "first_distance": first > claims.first_distance * slack,
        "convex": not facts.is_convex,
        "convex_on_average": not facts.is_convex_on_average,
        "gradient_bound": steep > claims.G * slack,
        "non_increasing": eta is not None and bool(np.any(np.diff(eta) > 1e-12 * eta[:-1])),
        "positive_steps": eta is not None and not np.all(eta > 0),
        "iid": drawn and run.settings.order != "random",
        "theta_star_inside": not run.solution.is_inside,
        "strongly_convex": not 0 < claims.H <= facts.strong_convexity * slack,
        "finite": bool(np.any(run.died_at > 0)),
    }
    return frozenset(name for name, is_broken in checks.items() if is_broken)


def _matches(name: str, run: Run, claims: Claims) -> bool:
    eta = run.eta
    if name == "adagrad_norm":
        return isinstance(eta, AdaGradNorm) and abs(eta.scale - claims.R) <= 1e-9 * claims.R
    if isinstance(eta, AdaGradNorm):
        return False
    n = len(eta)
    if name in ("constant", "last_iterate_constant_loose"):
        return bool(eta[0] > 0 and np.all(eta == eta[0]))
    if name == "inverse_sqrt_loose":
        return bool(eta[0] > 0) and np.allclose(eta, eta[0] / np.sqrt(np.arange(1, n + 1)), 1e-9, 0)
    if name == "strongly_convex":
        return claims.H > 0 and np.allclose(eta, inverse_time(n, 1 / claims.H), 1e-9, 0)
    return n >= 2 and bool(eta[-1] == 0 and np.all(eta[:-1] > 0))


def evaluate(name: str, run: Run, claims: Claims) -> Floats:
    """Return a bound at the recorded steps of a run (n_records, 1), or per seed for AdaGrad-norm.

    NaN where it says nothing: "schedule_only" before T, and bounds for a schedule that did not
    exist (steps that read the gradients, a schedule of the wrong form).
    """
    bound = BOUNDS[name]
    if name == "adagrad_norm":
        return adagrad_norm(run.sum_squares, claims.R, run.steps)
    shape = (len(run.steps), 1)
    unfit = "matching_schedule" in bound.assumptions and not _matches(name, run, claims)
    if isinstance(run.eta, AdaGradNorm) or bound.evaluate is None or unfit:
        return np.full(shape, math.nan)
    if name == "schedule_only":
        values = np.full(len(run.steps), math.nan)
        at_end = run.steps == len(run.eta)
        values[at_end] = schedule_only(run.eta, claims.first_distance, claims.G).total
        return values[:, None]
    return bound.evaluate(run.eta, claims, run.steps).total[:, None]


def violation_share(measured: Floats, bound: Floats) -> Floats:
    """Return the share of runs above a bound by more than rounding, per recorded step (n_records,).

    Args:
        measured: (n_records, n_seeds); NaN (diverged) counts as above.
        bound: (n_records, 1) or (n_records, n_seeds); where it is NaN the share is NaN.
    """
    limit = bound * (1 + 1e-9) + 1e-12
    above = ~(measured <= limit)
    known = ~np.isnan(bound).any(axis=1)
    return np.where(known, above.mean(axis=1), math.nan)


def mean_excess(measured: Floats, bound: Floats) -> Floats:
    """Return (mean over seeds - bound) / standard error, for bounds in expectation (n_records,).

    Above about 4 a violation; at most about 3 is sampling. With equal seeds the error is 0, and the
    result is -inf, or inf above the bound.
    """
    n = measured.shape[1]
    excess = measured.mean(axis=1) - bound.mean(axis=1)
    excess = excess - 1e-9 * np.abs(bound.mean(axis=1)) - 1e-12
    error = measured.std(axis=1, ddof=1) / math.sqrt(n) if n > 1 else np.zeros(len(measured))
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(error > 0, excess / error, np.where(excess > 0, math.inf, -math.inf))


# --- The proof ------------------------------------------------------------------------------------


@dataclass(frozen=True, eq=False)
class Proof:
    """The terms of the core proof at every step; arrays (n_steps,).

    Squared distances: `before`, `cross`, `square`, `moved`, `after`, `projection`. Losses: the
    others. All slacks are >= 0 when the assumptions hold, and
        T bound - sum regret = sum (projection/(2 eta) + convexity + abel + gradient) + final.

    Attributes:
        before: ||theta_t - theta*||^2.
        cross: -2 eta_t <g_t, theta_t - theta*>.
        square: eta_t^2 ||g_t||^2.
        moved: ||y_t - theta*||^2 = before + cross + square (step 1, an equality).
        after: ||theta_{t+1} - theta*||^2.
        projection: moved - after, the slack of step 2.
        regret: L_t(theta_t) - L_t(theta*).
        convexity: <g_t, theta_t - theta*> - regret, the slack of step 3.
        telescope: (before - after)/(2 eta_t), the part of step 4 that is summed in step 5.
        noise: eta_t ||g_t||^2/2, the other part.
        abel: (R^2 - before) (1/(2 eta_t) - 1/(2 eta_{t-1})), 1/eta_0 = 0: the slack of step 5.
        gradient: eta_t (G^2 - ||g_t||^2)/2, the slack of the last step.
        final: after_T/(2 eta_T), what step 5 drops at the end, if the sum ends at t.
        bound: t times the core bound at t: R^2/(2 eta_t) + sum eta G^2/2.
    """

    before: Floats
    cross: Floats
    square: Floats
    moved: Floats
    after: Floats
    projection: Floats
    regret: Floats
    convexity: Floats
    telescope: Floats
    noise: Floats
    abel: Floats
    gradient: Floats
    final: Floats
    bound: Floats
    eta: Floats


def proof(trace: Trace, R: float, G: float) -> Proof:
    """Return the terms and slacks of the core proof on a real run.

    Args:
        trace: A run in full. It is cut before its first step of 0, which the proof divides by.
        R: Claimed diameter; too small a claim shows as a negative `abel`.
        G: Claimed gradient bound; too small a claim shows as a negative `gradient`.

    Raises:
        ValueError: If the first step is 0, or R or G is negative or not finite.
    """
    zero = np.flatnonzero(~(trace.eta > 0))
    n = int(zero[0]) if zero.size else len(trace.eta)
    if n == 0:
        raise ValueError("eta must be positive at step 1")
    eta, g = trace.eta[:n], trace.gradients[:n]
    offset = trace.iterates[: n + 1] - trace.star
    squares = np.sum(offset**2, axis=1)
    inner, norms = np.sum(g * offset[:n], axis=1), np.sum(g**2, axis=1)
    moved = np.sum((trace.moved[:n] - trace.star) ** 2, axis=1)
    regret = trace.losses[:n] - trace.star_losses[:n]
    inverse = 1 / (2 * eta)
    R2, G2 = _length("R", R) ** 2, _length("G", G) ** 2
    return Proof(
        before=squares[:-1],
        cross=-2 * eta * inner,
        square=eta**2 * norms,
        moved=moved,
        after=squares[1:],
        projection=moved - squares[1:],
        regret=regret,
        convexity=inner - regret,
        telescope=(squares[:-1] - squares[1:]) * inverse,
        noise=eta * norms / 2,
        abel=(R2 - squares[:-1]) * np.diff(inverse, prepend=0.0),
        gradient=eta * (G2 - norms) / 2,
        final=squares[1:] * inverse,
        bound=R2 * inverse + np.cumsum(eta) * G2 / 2,
        eta=eta,
    )


@dataclass(frozen=True)
class ProofStep:
    """The proof at one step t, and its sums from 1 to t. Units as in `Proof`.

    Attributes:
        t: Step, from 1.
        eta: eta_t.
        before: ||theta_t - theta*||^2.
        cross: -2 eta_t <g_t, theta_t - theta*>.
        square: eta_t^2 ||g_t||^2.
        moved: ||y_t - theta*||^2.
        after: ||theta_{t+1} - theta*||^2.
        equality_error: before + cross + square - moved, rounding only.
        projection_slack: Step 2, squared distance.
        convexity_slack: Step 3.
        abel_slack: Step 5.
        gradient_slack: Last step.
        regret: Of this step.
        sum_regret: Regret_t.
        sum_telescope: sum (before - after)/(2 eta): at most R^2/(2 eta_t).
        sum_noise: sum eta ||g||^2/2.
        sum_projection: sum of projection slacks/(2 eta).
        sum_convexity: sum of convexity slacks.
        sum_abel: sum of Abel slacks.
        sum_gradient: sum of gradient slacks.
        final: ||theta_{t+1} - theta*||^2/(2 eta_t), dropped at the end of step 5.
        bound: t times the core bound.
        closing_error: bound - sum_regret - all slacks - final, rounding only.
    """

    t: int
    eta: float
    before: float
    cross: float
    square: float
    moved: float
    after: float
    equality_error: float
    projection_slack: float
    convexity_slack: float
    abel_slack: float
    gradient_slack: float
    regret: float
    sum_regret: float
    sum_telescope: float
    sum_noise: float
    sum_projection: float
    sum_convexity: float
    sum_abel: float
    sum_gradient: float
    final: float
    bound: float
    closing_error: float


def proof_step(proof: Proof, t: int) -> ProofStep:
    """Return step t of a proof and the sums up to it.

    Raises:
        ValueError: If t is outside 1 .. n_steps.
    """
    n = len(proof.eta)
    if not 1 <= t <= n:
        raise ValueError(f"t must be in 1 .. {n}, got {t}")
    i = t - 1
    sums = {
        "sum_regret": proof.regret[:t].sum(),
        "sum_telescope": proof.telescope[:t].sum(),
        "sum_noise": proof.noise[:t].sum(),
        "sum_projection": (proof.projection[:t] / (2 * proof.eta[:t])).sum(),
        "sum_convexity": proof.convexity[:t].sum(),
        "sum_abel": proof.abel[:t].sum(),
        "sum_gradient": proof.gradient[:t].sum(),
    }
    values = {name: float(value) for name, value in sums.items()}
    slacks = sum(values[f"sum_{name}"] for name in ("projection", "convexity", "abel", "gradient"))
    bound, final = float(proof.bound[i]), float(proof.final[i])
    return ProofStep(
        t=t,
        eta=float(proof.eta[i]),
        before=float(proof.before[i]),
        cross=float(proof.cross[i]),
        square=float(proof.square[i]),
        moved=float(proof.moved[i]),
        after=float(proof.after[i]),
        equality_error=float(proof.before[i] + proof.cross[i] + proof.square[i] - proof.moved[i]),
        projection_slack=float(proof.projection[i]),
        convexity_slack=float(proof.convexity[i]),
        abel_slack=float(proof.abel[i]),
        gradient_slack=float(proof.gradient[i]),
        regret=float(proof.regret[i]),
        final=final,
        bound=bound,
        closing_error=bound - values["sum_regret"] - slacks - final,
        **values,
    )


# --- Inputs ---------------------------------------------------------------------------------------


def _inputs(eta: ArrayLike, G: ArrayLike, steps: ArrayLike | None) -> tuple[Floats, Floats, Steps]:
    eta_ = as_schedule(eta)
    g = np.asarray(G, np.float64)
    if g.shape not in ((), eta_.shape):
        raise ValueError(f"G must be a number or have shape {eta_.shape}, got {g.shape}")
    if not np.all((g >= 0) & np.isfinite(g)):
        raise ValueError("G must be >= 0 and finite")
    return eta_, np.broadcast_to(g**2, eta_.shape), _steps(steps, len(eta_))


def _steps(steps: ArrayLike | None, n_steps: int | None) -> Steps:
    if steps is None:
        assert n_steps is not None
        return np.arange(1, n_steps + 1)
    t = np.atleast_1d(np.asarray(steps))
    high = 2**53 if n_steps is None else n_steps
    if t.ndim != 1 or t.size == 0 or not np.all((t >= 1) & (t <= high) & (t == np.floor(t))):
        raise ValueError(f"steps must be integers in 1 .. {high}, got {steps}")
    return t.astype(np.int64)


def _length(name: str, value: float) -> float:
    if not (0 <= value < math.inf):
        raise ValueError(f"{name} must be >= 0 and finite, got {value}")
    return float(value)


def _over(above: ArrayLike, below: ArrayLike) -> Floats:
    """Return above/below with 0/0 = 0 and x/0 = inf."""
    a, b = np.broadcast_arrays(np.asarray(above, np.float64), np.asarray(below, np.float64))
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(a == 0, 0.0, a / b)
