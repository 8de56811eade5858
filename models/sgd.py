"""Projected SGD on many small problems, over many seeds at once, with all that its bounds need.

theta_{t+1} = Proj(theta_t - eta_t g_t), g_t a subgradient of L_t at theta_t, L_t the mean of
L(x_i, theta) over a minibatch, Proj the nearest point of the ball ||theta|| <= radius (or nothing).
Measured up to T: regret/T = (1/T) sum_t [L_t(theta_t) - L_t(theta*)], L(theta_T) - L(theta*), and
the same at the averages (1/T) sum theta_t and sum eta_t theta_t / sum eta_t; L = mean over i.

Shapes: features (n_samples, d), targets (n_samples,), theta (n_seeds, d), indices (n_seeds, batch).
Convention: t counts from 1, theta_1 is the start (projected into the ball), and "the last iterate"
at T is theta_T, where the T-th gradient is taken, not theta_{T+1}. The ball's diameter is R = 2
radius. Squared losses carry 1/2. At a kink `kink` chooses the subgradient: 0 gives sign(0) = 0, and
1 gives sign(0) = +1 (for the Euclidean norm: the first unit vector; for hinge: the falling side).

Source: Su Jianlin, 2023, kexue.fm/archives/9902 (setting, projection); 2025, 11469 (no ball). The
sequences against the iterate are after Agarwal et al., arXiv 1009.0571, and Zinkevich, 2003.
"""

import functools
import math
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import ArrayLike, NDArray

from models.checks import one_of, whole_number
from models.sgd_schedules import AdaGradNorm, Floats, Schedule, as_schedule, n_steps_of

Indices = NDArray[np.intp]
ASSETS = Path(__file__).resolve().parents[1] / "assets" / "sgd"

MAX_DIM = 64
MAX_RUN_STEPS = 100_000
MAX_SEEDS = 500
MAX_TRACE_CELLS = 20_000_000
DIVERGED = 1e100  # a coordinate beyond it ends the seed's run: squares still fit in a float64
ROWS_DRAWN = 512  # steps whose samples are drawn at a time; fixed, so that T does not matter
BLOCK_CELLS = 1 << 20  # coordinates of iterates held at a time, unless 512 steps are fewer
MAX_PROGRAM_CELLS = 200_000  # features up to here go to the linear program too
LOSS_CELLS = 1 << 17  # losses evaluated at a time: stays in the cache


# --- Losses of one number z = <a, theta> ----------------------------------------------------------


@dataclass(frozen=True)
class Link:
    """A loss l(z, b) of the prediction z = <a, theta> and the target b.

    Attributes:
        value: l(z, b).
        slope: (z, b, kink) to dl/dz.
        smooth: (z, b, mu) to value, slope and curvature of a smooth loss within mu of l.
        steepest: (reach, b) to the supremum of |dl/dz| over |z| <= reach; infinite if unbounded.
        curvature: (reach, b) to the infimum and supremum of d2l/dz2 over |z| <= reach; the supremum
            is infinite at a kink.
        intercept: (z, b, mu) to c such that l(y, b) >= c + slope y for every y, with the slope of
            `smooth`; convex losses only.
        is_convex: Whether l is convex in z.
        classifies: Whether b must be -1 or +1.
    """

    value: Callable[[Floats, Floats], Floats]
    slope: Callable[[Floats, Floats, int], Floats]
    smooth: Callable[[Floats, Floats, float], tuple[Floats, Floats, Floats]]
    steepest: Callable[[Floats, Floats], Floats]
    curvature: Callable[[Floats, Floats], tuple[Floats, Floats]]
    intercept: Callable[[Floats, Floats, float], Floats] | None = None
    is_convex: bool = True
    classifies: bool = False


def _absolute_slope(z: Floats, b: Floats, kink: int) -> Floats:
    residual = z - b
    return np.where(residual < 0, -1.0, 1.0) if kink else np.sign(residual)


def _absolute_smooth(z: Floats, b: Floats, mu: float) -> tuple[Floats, Floats, Floats]:
    residual = z - b
    root = np.hypot(residual, mu)
    return root, residual / root, (mu / root) ** 2 / root


def _hinge_slope(z: Floats, b: Floats, kink: int) -> Floats:
    inside = (b * z <= 1) if kink else (b * z < 1)
    return -b * inside


def _hinge_smooth(z: Floats, b: Floats, mu: float) -> tuple[Floats, Floats, Floats]:
    margin = 1 - b * z
    root = np.hypot(margin, mu)
    return (margin + root) / 2, -b * (1 + margin / root) / 2, (mu / root) ** 2 / root / 2


def _logistic_slope(z: Floats, b: Floats, kink: int) -> Floats:
    return np.asarray(-b * (0.5 - 0.5 * np.tanh(b * z / 2)))


def _logistic_smooth(z: Floats, b: Floats, mu: float) -> tuple[Floats, Floats, Floats]:
    share = 0.5 - 0.5 * np.tanh(b * z / 2)
    return np.logaddexp(0, -b * z), -b * share, share * (1 - share)


def _logistic_curvature(reach: Floats, b: Floats) -> tuple[Floats, Floats]:
    return 0.25 * (1 - np.tanh(reach / 2) ** 2), np.full(b.shape, 0.25)


def _huber(delta: float) -> Link:
    def value(z: Floats, b: Floats) -> Floats:
        size = np.abs(z - b)
        return np.where(size <= delta, size**2 / 2, delta * (size - delta / 2))

    def slope(z: Floats, b: Floats, kink: int) -> Floats:
        return np.clip(z - b, -delta, delta)

    def smooth(z: Floats, b: Floats, mu: float) -> tuple[Floats, Floats, Floats]:
        size = np.abs(z - b)
        # beyond delta the curvature is 0; a share of delta/size, the majoriser's, starts Newton off
        return (
            value(z, b),
            slope(z, b, 0),
            np.minimum(1, delta / size) * np.where(size <= delta, 1.0, min(mu, 1.0)),
        )

    return Link(
        value,
        slope,
        smooth,
        lambda reach, b: np.minimum(delta, reach + np.abs(b)),
        lambda reach, b: (np.where(reach + np.abs(b) <= delta, 1.0, 0.0), np.ones(b.shape)),
        _tangent(smooth),
    )


def _tangent(
    smooth: Callable[[Floats, Floats, float], tuple[Floats, Floats, Floats]],
) -> Callable[[Floats, Floats, float], Floats]:
    """Return the intercept of the tangent of a smooth convex loss."""

    def intercept(z: Floats, b: Floats, mu: float) -> Floats:
        value, slope, _ = smooth(z, b, mu)
        return value - slope * z

    return intercept


def _sigmoid_smooth(z: Floats, b: Floats, mu: float) -> tuple[Floats, Floats, Floats]:
    swing = np.tanh(b * z / 2)
    return 0.5 - 0.5 * swing, -b * (1 - swing**2) / 4, (1 - swing**2) * swing / 4


def _cauchy_smooth(z: Floats, b: Floats, mu: float) -> tuple[Floats, Floats, Floats]:
    square = (z - b) ** 2
    return 0.5 * np.log1p(square), (z - b) / (1 + square), (1 - square) / (1 + square) ** 2


def _square_smooth(z: Floats, b: Floats, mu: float) -> tuple[Floats, Floats, Floats]:
    return (z - b) ** 2 / 2, z - b, np.ones(np.broadcast(z, b).shape)


def _quartic_smooth(z: Floats, b: Floats, mu: float) -> tuple[Floats, Floats, Floats]:
    return (z - b) ** 4 / 4, (z - b) ** 3, 3 * (z - b) ** 2


def _kinked(reach: Floats, b: Floats) -> tuple[Floats, Floats]:
    return np.zeros(b.shape), np.full(b.shape, math.inf)


def _non_convex(reach: Floats, b: Floats) -> tuple[Floats, Floats]:
    return np.full(b.shape, -1.0), np.ones(b.shape)


LINKS: dict[str, Link] = {
    "absolute": Link(
        lambda z, b: np.abs(z - b),
        _absolute_slope,
        _absolute_smooth,
        lambda reach, b: np.ones(b.shape),
        _kinked,
        lambda z, b, mu: -b * _absolute_smooth(z, b, mu)[1],
    ),
    "hinge": Link(
        lambda z, b: np.maximum(1 - b * z, 0),
        _hinge_slope,
        _hinge_smooth,
        lambda reach, b: np.ones(b.shape),
        _kinked,
        lambda z, b, mu: -b * _hinge_smooth(z, b, mu)[1],
        classifies=True,
    ),
    "logistic": Link(
        lambda z, b: np.logaddexp(0, -b * z),
        _logistic_slope,
        _logistic_smooth,
        lambda reach, b: 0.5 + 0.5 * np.tanh(reach / 2),
        _logistic_curvature,
        _tangent(_logistic_smooth),
        classifies=True,
    ),
    "squares": Link(
        lambda z, b: (z - b) ** 2 / 2,
        lambda z, b, kink: z - b,
        _square_smooth,
        lambda reach, b: reach + np.abs(b),
        lambda reach, b: (np.ones(b.shape), np.ones(b.shape)),
        _tangent(_square_smooth),
    ),
    "huber": _huber(1.0),
    "quartic": Link(
        lambda z, b: (z - b) ** 4 / 4,
        lambda z, b, kink: (z - b) ** 3,
        _quartic_smooth,
        lambda reach, b: (reach + np.abs(b)) ** 3,
        lambda reach, b: (3 * np.maximum(np.abs(b) - reach, 0) ** 2, 3 * (np.abs(b) + reach) ** 2),
        _tangent(_quartic_smooth),
    ),
    "sigmoid": Link(
        lambda z, b: 0.5 - 0.5 * np.tanh(b * z / 2),
        lambda z, b, kink: -b * (1 - np.tanh(b * z / 2) ** 2) / 4,
        _sigmoid_smooth,
        lambda reach, b: np.full(b.shape, 0.25),
        _non_convex,
        is_convex=False,
        classifies=True,
    ),
    "cauchy": Link(
        lambda z, b: 0.5 * np.log1p((z - b) ** 2),
        lambda z, b, kink: (z - b) / (1 + (z - b) ** 2),
        _cauchy_smooth,
        lambda reach, b: _cauchy_steepest(reach, np.abs(b)),
        _non_convex,
        is_convex=False,
    ),
}


def _cauchy_steepest(reach: Floats, b: Floats) -> Floats:
    """Return max r/(1 + r^2) for max(|b| - reach, 0) <= r <= |b| + reach; its peak is r = 1."""
    low, high = np.maximum(b - reach, 0), b + reach
    best = np.clip(1.0, low, high)
    return np.where(np.isfinite(high), best / (1 + best**2), 0.5)


# Losses that are not of the form l(<a, theta>, b).
POINT_KINDS = ("norm", "noisy_norm", "centre", "double_well")
KINDS = (*POINT_KINDS, *LINKS)
REGRESSION = ("absolute", "squares", "huber", "quartic", "cauchy")
CLASSIFICATION = tuple(name for name, link in LINKS.items() if link.classifies)


# --- Problems -------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Facts:
    """What is known about a problem on its ball (or on all of R^d).

    Attributes:
        is_convex: Every L(x_i, .) is convex: what the bounds for every single run ask for.
        is_convex_on_average: L is convex: enough for the bounds in expectation.
        gradient_bound: G >= ||grad L(x_i, theta)|| for every i and theta; infinite if none.
        strong_convexity: H such that every L(x_i, .) is H-strongly convex; 0 if none.
        average_strong_convexity: The same for L alone.
        smoothness: Upper bound on the largest eigenvalue of the Hessian of L; infinite at kinks.
            Without a ball, a constant step above 2/smoothness diverges on squares.
    """

    is_convex: bool
    is_convex_on_average: bool
    gradient_bound: float
    strong_convexity: float
    average_strong_convexity: float
    smoothness: float


@dataclass(frozen=True)
class Solution:
    """The comparator theta*.

    Attributes:
        point: theta* (d,).
        loss: L(theta*).
        gap: Proven upper bound on loss - min L, over the ball, or without one over the ball of
            radius 2 ||theta*|| + 1; NaN if there is no proof (non-convex).
        claim: "minimiser" (gap proven below 1e-6, relative to the loss at 0 if that exceeds 1),
            "approximate" (gap proven, but larger), "best_known" (non-convex: best of many starts),
            "not_attained" (no minimiser exists: the loss falls forever), or "chosen" (by the user).
        is_inside: theta* lies in the ball, or there is none.
    """

    point: Floats
    loss: float
    gap: float
    claim: str
    is_inside: bool


@dataclass(frozen=True, eq=False)
class Problem:
    """A mean of losses over samples, with or without a ball.

    Attributes:
        kind: One of `KINDS`: "norm" ||theta||, |theta| in one dimension; "noisy_norm" w_i ||theta||
            with signs w_i, whose mean is ||theta||/2; "centre" ||theta - x_i||^2/2; "double_well"
            sum_j (theta_j^2 - 1)^2/4; the others l(<a_i, theta>, b_i), see `LINKS`.
        features: a_i, or x_i for "centre" (n_samples, d).
        targets: b_i, or w_i for "noisy_norm" (n_samples,).
        radius: Of the ball around 0 that every iterate is projected on; None for no projection.
        kink: 0 or 1, the subgradient at a kink; see the module.
    """

    kind: str
    features: Floats
    targets: Floats
    radius: float | None = None
    kink: int = 0

    def __post_init__(self) -> None:
        one_of("kind", self.kind, KINDS)
        one_of("kink", self.kink, (0, 1))
        _check_radius(self.radius)
        _check_samples(self.kind, self.features, self.targets)

    @property
    def n_samples(self) -> int:
        """Number of samples."""
        return len(self.targets)

    @property
    def dim(self) -> int:
        """Dimension d of theta."""
        return int(self.features.shape[1])

    @property
    def diameter(self) -> float:
        """R = 2 radius; infinite without a ball."""
        return math.inf if self.radius is None else 2 * self.radius

    def losses(self, theta: Floats, indices: Indices) -> Floats:
        """Return minibatch losses (n_seeds,) at theta (n_seeds, d), indices (n_seeds, batch)."""
        with np.errstate(all="ignore"):
            a, b = self.features[indices], self.targets[indices]  # (n_seeds, batch, d)
            if self.kind in LINKS:
                z = np.einsum("sbd,sd->sb", a, theta)
                return np.asarray(LINKS[self.kind].value(z, b).mean(axis=1))
            if self.kind == "centre":
                return np.asarray(((theta[:, None] - a) ** 2).sum(axis=2).mean(axis=1) / 2)
            if self.kind == "double_well":
                return np.asarray(((theta**2 - 1) ** 2).sum(axis=1) / 4)
            return np.asarray(b.mean(axis=1) * np.sqrt((theta**2).sum(axis=1)))

    def subgradient(self, theta: Floats, indices: Indices) -> Floats:
        """Return a subgradient (n_seeds, d) of each minibatch loss, by the convention of `kink`."""
        with np.errstate(all="ignore"):
            a, b = self.features[indices], self.targets[indices]
            if self.kind in LINKS:
                z = np.einsum("sbd,sd->sb", a, theta)
                slope = LINKS[self.kind].slope(z, b, self.kink)
                return np.asarray(np.einsum("sb,sbd->sd", slope, a) / b.shape[1])
            if self.kind == "centre":
                return np.asarray(theta - a.mean(axis=1))
            if self.kind == "double_well":
                return np.asarray(theta**3 - theta)
            return np.asarray(b.mean(axis=1)[:, None] * _direction(theta.T, self.kink).T)

    def mean_loss(self, theta: ArrayLike) -> Floats:
        """Return L (m,) at points (m, d): the mean over all samples, for maps and gaps."""
        points = np.atleast_2d(np.asarray(theta, np.float64)).T  # (d, m)
        with np.errstate(all="ignore"):
            if self.kind in LINKS:
                width = max(32, LOSS_CELLS // self.n_samples)
                starts = range(0, points.shape[1], width)
                parts = [self._mean_link(points[:, i : i + width]) for i in starts]
                return np.concatenate(parts)
            square = (points**2).sum(axis=0)
            if self.kind == "centre":
                mean = self.features.mean(axis=0)
                spread = ((self.features - mean) ** 2).sum(axis=1).mean()
                return np.asarray(((points - mean[:, None]) ** 2).sum(axis=0) / 2 + spread / 2)
            if self.kind == "double_well":
                return np.asarray(((points**2 - 1) ** 2).sum(axis=0) / 4)
            return np.asarray(self.targets.mean() * np.sqrt(square))

    def _mean_link(self, points: Floats) -> Floats:
        values = LINKS[self.kind].value(self.features @ points, self.targets[:, None])
        return np.asarray(values.mean(axis=0))

    def project(self, points: ArrayLike) -> Floats:
        """Return the nearest points (m, d) of the ball; the points themselves without one."""
        array = np.atleast_2d(np.asarray(points, np.float64))
        if self.radius is None:
            return array
        norms = np.sqrt((array**2).sum(axis=1, keepdims=True))
        return np.asarray(array * (self.radius / np.maximum(norms, self.radius)))

    @functools.cached_property
    def facts(self) -> Facts:
        """What is known about it; see `Facts`."""
        reach = math.inf if self.radius is None else self.radius
        return _link_facts(self, reach) if self.kind in LINKS else _point_facts(self, reach)

    @functools.cached_property
    def solution(self) -> Solution:
        """The best point of the ball (or of R^d), the usual comparator."""
        return solve(self)

    def comparator(self, point: ArrayLike) -> Solution:
        """Return a theta* of your choice: every bound holds for any point of the ball."""
        chosen = np.asarray(point, np.float64)
        if chosen.shape != (self.dim,) or not np.all(np.isfinite(chosen)):
            raise ValueError(f"point must be {self.dim} finite numbers, got shape {chosen.shape}")
        loss = float(self.mean_loss(chosen)[0])
        inside = bool(np.linalg.norm(chosen) <= self.diameter / 2 * (1 + 1e-12))
        return Solution(chosen, loss, math.nan, "chosen", inside)


def _direction(theta: Floats, kink: int) -> Floats:
    """Return theta/||theta|| along axis 0 of (d, n_seeds); at 0 what `kink` says."""
    norm = np.sqrt(np.add.reduce(theta * theta, axis=0))
    unit = np.asarray(theta / np.where(norm == 0, 1, norm))
    if kink:
        unit[0] += norm == 0
    return unit


def _link_facts(problem: Problem, reach: float) -> Facts:
    link, a, b = LINKS[problem.kind], problem.features, problem.targets
    lengths = np.linalg.norm(a, axis=1)
    active = lengths > 0
    reaches = np.where(active, reach, 0) * np.where(active, lengths, 1)
    steepest = np.where(active, lengths * link.steepest(reaches, b), 0)
    low, high = link.curvature(reaches, b)
    smooth = math.inf
    if np.all(np.isfinite(high)):
        smooth = float(np.linalg.eigvalsh((a * high[:, None]).T @ a / len(a))[-1])
    average = 0.0
    if link.is_convex:
        average = max(float(np.linalg.eigvalsh((a * low[:, None]).T @ a / len(a))[0]), 0)
        average = average if average > 1e-13 * lengths.max(initial=0) ** 2 else 0.0
    single = float(np.min(low * lengths**2)) if problem.dim == 1 and link.is_convex else 0.0
    return Facts(link.is_convex, link.is_convex, float(steepest.max()), single, average, smooth)


def _point_facts(problem: Problem, reach: float) -> Facts:
    if problem.kind == "centre":
        bound = reach + float(np.linalg.norm(problem.features, axis=1).max())
        return Facts(True, True, bound, 1.0, 1.0, 1.0)
    if problem.kind == "double_well":
        # ||g||^2 = sum s_j (s_j - 1)^2 with s_j = theta_j^2 adding up to at most reach^2
        return Facts(False, False, reach * max(1, reach**2 - 1), 0, 0, max(1, 3 * reach**2 - 1))
    weights = problem.targets
    return Facts(
        bool(weights.min() >= 0),
        bool(weights.mean() >= 0),
        float(np.abs(weights).max()),
        0.0,
        0.0,
        math.inf,
    )


def _check_samples(kind: str, features: Floats, targets: Floats) -> None:
    if features.ndim != 2 or 0 in features.shape or targets.shape != (len(features),):
        raise ValueError(
            "features must have shape (n_samples, d) and targets (n_samples,), "
            f"got {features.shape} and {targets.shape}"
        )
    if features.shape[1] > MAX_DIM:
        raise ValueError(f"d must be in 1 .. {MAX_DIM}, got {features.shape[1]}")
    for name, array in (("features", features), ("targets", targets)):
        wrong = np.argwhere(~(np.abs(array) <= 1e50))  # NaN, infinite, or squares would not fit
        if len(wrong):
            place = tuple(int(i) for i in wrong[0])
            raise ValueError(f"{name} must be within 1e50, got {array[place]} at index {place}")
    if kind in CLASSIFICATION and not np.all(np.abs(targets) == 1):
        raise ValueError(f"targets must be -1 or +1 for {kind}")


def _check_radius(radius: float | None) -> None:
    if radius is not None and not (0 < radius <= 1e50):
        raise ValueError(f"radius must be in (0, 1e50] or None, got {radius}")


# --- The best point -------------------------------------------------------------------------------


def solve(problem: Problem) -> Solution:
    """Find theta*, the best point of the ball, or of R^d without one.

    Losses of <a, theta> are smoothed at their kinks by mu and kept inside the ball by a logarithmic
    barrier of weight mu; damped Newton steps follow the minimiser as mu falls to nothing. The
    slopes found on the way give each convex loss a supporting line; the mean of these lines,
    minimised over the ball, is below min L: the best of them gives `Solution.gap`. Absolute
    regression and hinge are solved by linear programming as well, exact if the ball does not bind.

    Returns:
        The point, its loss and what is claimed about it.
    """
    inside = math.inf if problem.radius is None else problem.radius
    if problem.kind == "centre":
        return _exact(problem, problem.project(problem.features.mean(axis=0))[0])
    if problem.kind == "double_well":
        return _exact(problem, np.full(problem.dim, min(1.0, inside / math.sqrt(problem.dim))))
    if problem.kind in POINT_KINDS:
        if problem.targets.mean() < 0 and problem.radius is None:
            return Solution(np.zeros(problem.dim), 0.0, math.inf, "not_attained", True)
        point = np.zeros(problem.dim)
        if problem.targets.mean() < 0:
            point[0] = inside
        return _exact(problem, point)
    if LINKS[problem.kind].is_convex:
        return _solve_convex(problem)
    return _solve_non_convex(problem)


def _exact(problem: Problem, point: Floats) -> Solution:
    return Solution(point, float(problem.mean_loss(point)[0]), 0.0, "minimiser", True)


def _solve_convex(problem: Problem) -> Solution:
    best = np.zeros(problem.dim)
    lines: list[tuple[float, float]] = []  # intercept and length of the slope, of lines below L
    with np.errstate(all="ignore"):
        for point, mu in _path(problem, best, 0.5):
            best = _better(problem, best, point)
            z, link = problem.features @ point, LINKS[problem.kind]
            assert link.intercept is not None
            lines.append(
                _line(
                    problem,
                    link.intercept(z, problem.targets, mu),
                    link.smooth(z, problem.targets, mu)[1],
                )
            )
    best = _best_breakpoint(problem, best)
    if problem.kind in ("absolute", "hinge") and problem.features.size <= MAX_PROGRAM_CELLS:
        point, line = _linear_program(problem)
        lines.append(line)
        if problem.radius is None or np.linalg.norm(point) <= problem.radius:
            best = _better(problem, best, point)
    loss = float(problem.mean_loss(best)[0])
    reach = 2 * float(np.linalg.norm(best)) + 1 if problem.radius is None else problem.radius
    bounds = [intercept - reach * slope for intercept, slope in lines]
    lowest = max([0.0, *(bound for bound in bounds if math.isfinite(bound))])  # every loss >= 0
    # A separating direction: the loss falls along it for ever.
    separable = problem.kind == "logistic" and problem.radius is None
    separable = separable and bool(np.all(problem.targets * (problem.features @ best) > 0))
    gap = max(loss - lowest, 0.0)
    scale = max(1.0, float(problem.mean_loss(np.zeros(problem.dim))[0]))
    claim = "minimiser" if gap <= 1e-6 * scale else "approximate"
    return Solution(best, loss, gap, "not_attained" if separable else claim, True)


def _better(problem: Problem, best: Floats, point: Floats) -> Floats:
    candidates = np.stack([best, point])
    return np.asarray(candidates[np.nanargmin(problem.mean_loss(candidates))])


def _line(problem: Problem, intercepts: Floats, slopes: Floats) -> tuple[float, float]:
    """Return the mean of the supporting lines c_i + u_i <a_i, theta>: mean c, ||mean u a||."""
    slope = slopes @ problem.features / problem.n_samples
    return float(intercepts.mean()), float(np.linalg.norm(slope))


def _linear_program(problem: Problem) -> tuple[Floats, tuple[float, float]]:
    """Return the best point without a ball of a loss with one kink, and the line of its dual.

    min (1/n) sum s_i with s_i at least the two straight pieces of each loss.
    """
    from scipy.optimize import linprog
    from scipy.sparse import csr_array, eye_array, hstack, vstack

    a, b, n = problem.features, problem.targets, problem.n_samples
    columns = np.maximum(np.abs(a).max(axis=0), 1e-300)  # the solver wants entries of order 1
    hinge = problem.kind == "hinge"
    scaled = csr_array((b[:, None] if hinge else 1.0) * a / columns)
    identity = eye_array(n, format="csr")
    rows, limits = hstack([-scaled, -identity]), -b  # s >= b - z
    if hinge:
        limits = -np.ones(n)  # s >= 1 - b z, and s >= 0 by its range
    else:
        rows = vstack([rows, hstack([scaled, -identity])])  # s >= z - b
        limits = np.concatenate([limits, b])
    costs = np.concatenate([np.zeros(problem.dim), np.full(n, 1 / n)])
    ranges = [(None, None)] * problem.dim + [(0, None)] * n
    found = linprog(costs, A_ub=rows, b_ub=limits, bounds=ranges, method="highs")
    if found.status != 0:
        return np.zeros(problem.dim), (0.0, 0.0)
    weights = np.clip(-found.ineqlin.marginals * n, 0, 1)
    slopes = -b * weights if hinge else np.clip(weights[n:] - weights[:n], -1, 1)
    intercepts = weights if hinge else -b * slopes
    return found.x[: problem.dim] / columns, _line(problem, intercepts, slopes)


def _solve_non_convex(problem: Problem) -> Solution:
    """Take the best of eight starts: 0, and points drawn with a fixed seed."""
    rng = np.random.default_rng(0)
    reach = 3.0 if problem.radius is None else problem.radius
    starts = rng.standard_normal((7, problem.dim))
    starts *= 0.9 * reach * rng.random((7, 1)) / np.linalg.norm(starts, axis=1, keepdims=True)
    origin = np.zeros(problem.dim)
    points = [point for start in (origin, *starts) for point, _ in _path(problem, start, 4.0)]
    losses = problem.mean_loss(np.array(points))
    best = int(np.argmin(losses))
    return Solution(points[best], float(losses[best]), math.nan, "best_known", True)


def _path(problem: Problem, theta: Floats, decades: float) -> Iterator[tuple[Floats, float]]:
    """Yield minimisers (d,) as mu falls from 1 to 1e-13, some decades at a time."""
    residuals = np.abs(problem.targets) + np.abs(problem.features @ theta)
    length = float(np.median(residuals)) + 1e-3 * float(residuals.max()) + 1e-12
    units = (length, float(problem.mean_loss(theta)[0]) + 1e-12)
    budget = max(250, int(2e10 / (problem.n_samples * problem.dim**2)))  # Newton steps
    for power in np.arange(0, 13.25, decades):
        mu = 10.0**-power
        with np.errstate(all="ignore"):
            theta, n_used = _newton(problem, theta, mu * units[0], mu * units[1])
        yield theta, mu * units[0]
        budget -= n_used
        if budget <= 0:
            return


def _newton(problem: Problem, theta: Floats, mu: float, weight: float) -> tuple[Floats, int]:
    """Minimise the loss, smoothed by mu, plus weight times barrier (or square), from inside.

    Curvature below 0 counts as 0, damping keeps the system solvable, and halving makes each step
    go down, so that it also serves losses that are not convex.
    """
    value, slope, hessian = _smoothed(problem, theta, mu, weight)
    damping, last = 1e-14, math.inf
    n_used = 0
    while n_used < 60:
        n_used += 1
        scale = 1 / np.sqrt(np.maximum(np.diagonal(hessian), 1e-300))
        system = hessian * scale * scale[:, None]
        system[np.diag_indices_from(system)] += damping
        move = -scale * np.linalg.solve(system, scale * slope)
        decrease = -float(slope @ move)
        # at the level of rounding go on only while the slope still falls
        settled = decrease < 1e-12 * abs(value) and decrease > 0.25 * last
        if settled or not decrease > 1e-30 * abs(value):
            break
        rounding = 1e-15 * abs(value)
        for halving in range(30):
            trial = theta + 0.5**halving * move
            if (
                _smoothed_value(problem, trial, mu, weight)
                < value - 1e-4 * 0.5**halving * decrease + rounding
            ):
                break
        else:
            if damping > 1e-2:
                break
            damping *= 1e4
            continue
        theta, last = trial, decrease
        value, slope, hessian = _smoothed(problem, theta, mu, weight)
        damping = max(damping / 100, 1e-14)
    return theta, n_used


def _smoothed_value(problem: Problem, theta: Floats, mu: float, weight: float) -> float:
    """Return what `_newton` minimises; infinite outside the ball."""
    square = float(theta @ theta)
    z = problem.features @ theta
    total = float(LINKS[problem.kind].smooth(z, problem.targets, mu)[0].mean())
    if problem.radius is None:
        return total + weight * square / 2
    share = 1 - square / problem.radius**2
    return total - weight * math.log(share) if share > 0 else math.inf


def _smoothed(
    problem: Problem, theta: Floats, mu: float, weight: float
) -> tuple[float, Floats, Floats]:
    """Return value, gradient (d,) and Hessian (d, d) of the smoothed loss.

    With a ball -weight ln(1 - ||theta||^2/radius^2) is added; without one weight ||theta||^2/2, so
    that of many minimisers a near one is approached.
    """
    a = problem.features
    _, slope, curvature = LINKS[problem.kind].smooth(a @ theta, problem.targets, mu)
    gradient = slope @ a / len(a)
    hessian = (a * np.maximum(curvature, 0)[:, None]).T @ a / len(a)
    total, eye = _smoothed_value(problem, theta, mu, weight), np.eye(len(theta))
    if problem.radius is None:
        return total, gradient + weight * theta, hessian + weight * eye
    room = problem.radius**2 - float(theta @ theta)
    hessian = hessian + 2 * weight / room * (eye + 2 / room * theta[:, None] * theta)
    return total, gradient + 2 * weight / room * theta, hessian


def _best_breakpoint(problem: Problem, point: Floats) -> Floats:
    """In one dimension move a kinked loss to the exact corner: its minimum lies at one."""
    if problem.dim > 1 or problem.kind not in ("absolute", "hinge"):
        return point
    a = problem.features[:, 0]
    aim = problem.targets  # hinge: b z = 1 means z = b, since b is a sign
    corners = np.unique(aim[a != 0] / a[a != 0])
    if problem.radius is not None:
        ends = [-problem.radius, problem.radius]
        corners = np.append(corners[np.abs(corners) <= problem.radius], ends)
    near = corners[np.argsort(np.abs(corners - point[0]))[:8]]
    candidates = np.append(near, point[0])[:, None]
    return np.asarray(candidates[np.argmin(problem.mean_loss(candidates))])


# --- Made and real data ---------------------------------------------------------------------------


def one_point(kind: str, dim: int = 1, radius: float | None = None, kink: int = 0) -> Problem:
    """Return "norm", "noisy_norm" or "double_well", which need no data.

    "noisy_norm" has the signs +, +, +, - : its gradients are right three times in four, E g = g/2.
    Its single losses are not convex, their mean is.

    Raises:
        ValueError: If the kind is another, or dim is outside 1 .. 64.
    """
    one_of("kind", kind, ("norm", "noisy_norm", "double_well"))
    weights = np.array([1.0, 1, 1, -1]) if kind == "noisy_norm" else np.ones(1)
    return Problem(kind, np.zeros((len(weights), _dim(dim))), weights, radius, kink)


def centre_problem(samples: ArrayLike, radius: float | None = None) -> Problem:
    """Return ||theta - x_i||^2/2 for samples (n_samples, d) or (n_samples,): 1-strongly convex.

    With eta_t = 1/t and samples in order, theta_{t+1} is the mean of x_1 .. x_t.
    """
    points = np.asarray(samples, np.float64)
    points = points[:, None] if points.ndim == 1 else points
    return Problem("centre", points, np.zeros(len(points)), radius)


@dataclass(frozen=True)
class MadeData:
    """How made data are drawn.

    Attributes:
        dim: d, 1 .. 64.
        n_samples: At least 1.
        noise: Standard deviation of the noise on targets, or on the score whose sign is the class.
        norm: ||theta_true||.
        seed: Any integer from 0 on.
    """

    dim: int = 2
    n_samples: int = 200
    noise: float = 0.2
    norm: float = 0.7
    seed: int = 0


def made_problem(
    kind: str, data: MadeData | None = None, radius: float | None = 1.0, kink: int = 0
) -> Problem:
    """Draw unit vectors a_i and targets <a_i, theta_true> + noise (their sign for classes).

    With ||a_i|| = 1 absolute regression and hinge have G = 1. "centre" gets x_i = theta_true plus
    noise/sqrt(d) per coordinate; kinds without data ignore it but for `dim`.

    Args:
        kind: One of `KINDS`.
        data: What to draw; default `MadeData()`.
        radius: Of the ball, or None.
        kink: Subgradient at kinks, 0 or 1.

    Raises:
        ValueError: If the kind is unknown or a number is outside its domain.
    """
    data = data or MadeData()
    one_of("kind", kind, KINDS)
    dim = _dim(data.dim)
    if kind in POINT_KINDS and kind != "centre":
        return one_point(kind, dim, radius, kink)
    n = n_steps_of(data.n_samples)
    if not (0 <= data.noise < math.inf and 0 <= data.norm < math.inf):
        raise ValueError(f"noise and norm must be >= 0, got {data.noise} and {data.norm}")
    rng = np.random.default_rng(data.seed)
    true = rng.standard_normal(dim)
    true *= data.norm / np.linalg.norm(true)
    a = rng.standard_normal((n, dim))
    noise = data.noise * rng.standard_normal(n)
    if kind == "centre":
        return centre_problem(true + data.noise / math.sqrt(dim) * a, radius)
    a /= np.linalg.norm(a, axis=1, keepdims=True)
    b = a @ true + noise
    return Problem(
        kind, a, np.where(b < 0, -1.0, 1.0) if kind in CLASSIFICATION else b, radius, kink
    )


@dataclass(frozen=True)
class Dataset:
    """A real data set, raw and read-only.

    Attributes:
        features: float32 (n_samples, n_features), in the units of the source.
        targets: float32 (n_samples,), values or class numbers.
        names: Column names (n_features,).
        classes: Class names; empty for regression.
    """

    features: NDArray[np.float32]
    targets: NDArray[np.float32]
    names: tuple[str, ...]
    classes: tuple[str, ...]


DATASETS = ("diabetes", "breast_cancer", "iris")


@functools.cache
def load_dataset(name: str) -> Dataset:
    """Read one of `DATASETS` from assets/sgd, once per process.

    Raises:
        ValueError: If the name is unknown.
    """
    one_of("name", name, DATASETS)
    with np.load(ASSETS / f"{name}.npz", allow_pickle=False) as stored:
        features, targets = stored["features"], stored["targets"]
        names, classes = stored["names"].tolist(), stored["classes"].tolist()
    features.setflags(write=False)
    targets.setflags(write=False)
    return Dataset(features, targets, tuple(names), tuple(classes))


@dataclass(frozen=True)
class Preparation:
    """What is done to a table before SGD sees it.

    Attributes:
        standardise: Bring each column (and the target of a regression) to mean 0, variance 1; a
            constant column becomes 0. Raw columns of large scale make G explode.
        intercept: Append a column of ones.
        columns: Indices of the columns used, e.g. two for a picture; None for all.
        positive: The target value that becomes +1 in classification, all others -1; None for the
            largest.
    """

    standardise: bool = True
    intercept: bool = True
    columns: tuple[int, ...] | None = None
    positive: float | None = None


def table_problem(
    kind: str,
    features: ArrayLike,
    targets: ArrayLike,
    preparation: Preparation | None = None,
    radius: float | None = 1.0,
) -> Problem:
    """Make a problem of a table, for instance one that somebody uploaded.

    Args:
        kind: A key of `LINKS`.
        features: Finite numbers (n_samples, n_features).
        targets: Finite numbers (n_samples,).
        preparation: See `Preparation`; default: standardise, all columns, intercept.
        radius: Of the ball, or None.

    Raises:
        ValueError: If the kind or a column is unknown, a cell is not finite, the columns are more
            than 64 with the intercept, or a classification has fewer than two classes.
    """
    how = preparation or Preparation()
    one_of("kind", kind, tuple(LINKS))
    a, b = np.array(features, np.float64), np.array(targets, np.float64)
    _check_samples("squares", a[:, :1] if a.ndim == 2 else a, b)
    if how.columns is not None:
        for column in how.columns:
            one_of("columns", column, range(a.shape[1]))
        a = a[:, list(how.columns)]
    if kind in CLASSIFICATION:
        b = _signs(b, how.positive)
    if how.standardise:
        a = standardised(a)
        b = b if kind in CLASSIFICATION else standardised(b[:, None])[:, 0]
    if how.intercept:
        a = np.concatenate([a, np.ones((len(a), 1))], axis=1)
    return Problem(kind, a, b, radius)


def standardised(columns: Floats) -> Floats:
    """Return columns (n_samples, d) with mean 0 and variance 1; constant ones become 0."""
    centred = columns - columns.mean(axis=0)
    spread = centred.std(axis=0)
    constant = spread <= 1e-12 * np.abs(columns).max(axis=0)  # rounding of the mean, no spread
    return np.where(constant, 0.0, centred / np.where(constant, 1.0, spread))


def _signs(targets: Floats, positive: float | None) -> Floats:
    classes = np.unique(targets)
    if len(classes) < 2:
        raise ValueError(f"targets must have at least two classes, got {len(classes)}")
    chosen = classes[-1] if positive is None else positive
    one_of("positive", chosen, classes.tolist())
    return np.where(targets == chosen, 1.0, -1.0)


# --- Sequences chosen against the iterate ---------------------------------------------------------

ADVERSARIES = ("orthogonal", "anti_iterate", "random_signs", "alternating")


@dataclass(frozen=True)
class Adversary:
    """Online linear losses L_t = <g_t, theta>, ||g_t|| = G, chosen when theta_t is known.

    With S_T = sum g_t the best fixed point of the ball is -radius S_T/||S_T||, so that the regret
    is sum <g_t, theta_t> + radius ||S_T||; it changes its mind with T. No distribution is behind
    the losses: only bounds for every run apply.

    Attributes:
        kind: "orthogonal": g_t at right angles to theta_t, on the side of S_{t-1} (d >= 2): no
            round costs anything and ||S_T|| >= G sqrt T, so that EVERY learner has a regret of at
            least (R/2) G sqrt T. "anti_iterate": g_t = G theta_t/||theta_t||, the costliest loss of
            the round. "random_signs": +-G along the first axis, by coin: regret about
            0.8 (R/2) G sqrt T. "alternating": +G, -G, ... along the first axis: the best fixed
            point gains nothing, and a constant step pays eta G^2/2 per round, the whole noise term.
        dim: d, 1 .. 64.
        radius: Of the ball; without one the best fixed point does not exist.
        gradient_norm: G.
    """

    kind: str
    dim: int = 2
    radius: float = 1.0
    gradient_norm: float = 1.0

    def __post_init__(self) -> None:
        one_of("kind", self.kind, ADVERSARIES)
        _dim(self.dim)
        _check_radius(self.radius)
        if self.kind == "orthogonal" and self.dim < 2:
            raise ValueError("dim must be >= 2 for orthogonal, got 1")
        if not 0 < self.gradient_norm <= 1e50:
            raise ValueError(f"gradient_norm must be in (0, 1e50], got {self.gradient_norm}")

    @property
    def diameter(self) -> float:
        """R = 2 radius."""
        return 2 * self.radius

    @property
    def facts(self) -> Facts:
        """Linear losses: convex, G-Lipschitz."""
        return Facts(True, True, self.gradient_norm, 0.0, 0.0, 0.0)


# --- Sample order ---------------------------------------------------------------------------------

ORDERS = ("random", "shuffled", "cyclic")


@dataclass(frozen=True)
class Settings:
    """How a run is made.

    Attributes:
        n_steps: T, 1 .. 100 000.
        n_seeds: Independent runs, 1 .. 500.
        batch_size: Samples per step.
        order: "random" (with replacement, the only one for which x_t is iid), "shuffled" (a new
            permutation per pass), "cyclic" (as stored; seeds differ not at all).
        seed: Run s reads the stream (seed, first_run + s): the same samples for every schedule, a
            shorter T and another n_seeds.
        first_run: Number of the first run.
        n_records: Recorded steps, about; fewer if the mean loss is dear.
        start: theta_1 (d,); None for 0.
    """

    n_steps: int = 1000
    n_seeds: int = 20
    batch_size: int = 1
    order: str = "random"
    seed: int = 0
    first_run: int = 0
    n_records: int = 300
    start: tuple[float, ...] | None = None

    def __post_init__(self) -> None:
        whole_number("n_steps", self.n_steps, 1, MAX_RUN_STEPS)
        whole_number("n_seeds", self.n_seeds, 1, MAX_SEEDS)
        whole_number("batch_size", self.batch_size, 1, 4096)
        whole_number("seed", self.seed, 0, 2**63 - 1)
        whole_number("first_run", self.first_run, 0, MAX_SEEDS)
        whole_number("n_records", self.n_records, 1, 2000)
        one_of("order", self.order, ORDERS)


def sample_blocks(n_samples: int, settings: Settings) -> Iterator[Indices]:
    """Yield sample numbers (512, batch_size, n_seeds), without end.

    Each run has its own generator and draws in portions that do not depend on T or n_seeds.
    """
    width = ROWS_DRAWN * settings.batch_size
    shape = (ROWS_DRAWN, settings.batch_size)
    if settings.order == "cyclic" or n_samples == 1:
        first = 0
        while True:
            row = (np.arange(first, first + width) % n_samples).reshape(shape)
            yield np.repeat(row[:, :, None], settings.n_seeds, axis=2)
            first = (first + width) % n_samples
    runs = range(settings.first_run, settings.first_run + settings.n_seeds)
    streams = [np.random.default_rng([settings.seed, run]) for run in runs]
    if settings.order == "random":
        while True:
            drawn = [rng.integers(n_samples, size=shape) for rng in streams]
            yield np.stack(drawn, axis=-1)
    passes = np.tile(np.arange(n_samples), (-(-width // n_samples), 1))
    pool = np.empty((len(streams), 0), np.intp)
    while True:
        if pool.shape[1] < width:
            new = np.stack([rng.permuted(passes, axis=1).ravel() for rng in streams])
            pool = np.concatenate([pool, new], axis=1)
        yield np.ascontiguousarray(pool[:, :width].reshape(-1, *shape).transpose(1, 2, 0))
        pool = pool[:, width:]


# --- The loop -------------------------------------------------------------------------------------


class _Oracle(Protocol):
    """Where gradients come from: `prepare` a block of steps, ask step by step, then for losses."""

    def prepare(self, indices: Indices) -> None: ...

    def gradient(self, k: int, theta: Floats, out: Floats) -> None: ...

    def losses(self, thetas: Floats) -> tuple[Floats, Floats]: ...


class _LinkOracle:
    """Gradients slope(<a, theta>, b) a, in layout (d, batch, n_seeds): few, contiguous calls."""

    def __init__(self, problem: Problem, settings: Settings, star: Floats) -> None:
        self.link, self.kink, self.targets = LINKS[problem.kind], problem.kink, problem.targets
        self.columns = np.ascontiguousarray(problem.features.T)  # (d, n_samples)
        with np.errstate(all="ignore"):
            self.star_losses = self.link.value(problem.features @ star, problem.targets)
        self.batch = settings.batch_size
        shape = (problem.dim, self.batch, settings.n_seeds)
        self.a, self.work = np.empty(shape), np.empty(shape)
        self.a_flat = self.a.reshape(problem.dim, -1)
        self.a_one, self.work_one = self.a[:, 0], self.work[:, 0]

    def prepare(self, indices: Indices) -> None:
        self.indices = indices
        self.flat = indices.reshape(len(indices), -1)
        self.b = self.targets[indices]
        self.z = np.empty(indices.shape)

    def gradient(self, k: int, theta: Floats, out: Floats) -> None:
        np.take(self.columns, self.flat[k], axis=1, out=self.a_flat, mode="clip")
        if self.batch == 1:
            z = self.z[k, 0]
            np.multiply(self.a_one, theta, out=self.work_one)
            np.add.reduce(self.work_one, axis=0, out=z)
            np.multiply(self.a_one, self.link.slope(z, self.b[k, 0], self.kink), out=out)
            return
        np.multiply(self.a, theta[:, None], out=self.work)
        np.add.reduce(self.work, axis=0, out=self.z[k])
        np.multiply(self.a, self.link.slope(self.z[k], self.b[k], self.kink), out=self.work)
        np.add.reduce(self.work, axis=1, out=out)
        np.divide(out, self.batch, out=out)

    def losses(self, thetas: Floats) -> tuple[Floats, Floats]:
        own = self.link.value(self.z, self.b).mean(axis=1)
        return own, self.star_losses[self.indices].mean(axis=1)


class _PointOracle:
    """Gradients of the losses that are no function of <a, theta>."""

    def __init__(self, problem: Problem, settings: Settings, star: Floats) -> None:
        self.problem, self.star = problem, star

    def prepare(self, indices: Indices) -> None:
        self.weights = self.problem.targets[indices].mean(axis=1)  # (n, n_seeds)
        if self.problem.kind == "centre":
            samples = self.problem.features[indices]  # (n, batch, n_seeds, d)
            self.means = np.ascontiguousarray(samples.mean(axis=1).swapaxes(1, 2))
            self.spreads = (samples**2).sum(axis=3).mean(axis=1)

    def gradient(self, k: int, theta: Floats, out: Floats) -> None:
        if self.problem.kind == "centre":
            np.subtract(theta, self.means[k], out=out)
        elif self.problem.kind == "double_well":
            np.multiply(theta, theta * theta - 1, out=out)
        else:
            np.multiply(_direction(theta, self.problem.kink), self.weights[k], out=out)

    def losses(self, thetas: Floats) -> tuple[Floats, Floats]:
        return self._at(thetas), self._at(self.star[None, :, None])

    def _at(self, thetas: Floats) -> Floats:
        if self.problem.kind == "centre":
            spread = self.spreads - (self.means**2).sum(axis=1)  # of the minibatch around its mean
            return np.asarray((((thetas - self.means) ** 2).sum(axis=1) + spread) / 2)
        if self.problem.kind == "double_well":
            values = ((thetas**2 - 1) ** 2).sum(axis=1) / 4
        else:
            values = np.sqrt((thetas**2).sum(axis=1))
        return np.asarray(values * self.weights)


class _AdversaryOracle:
    """Linear losses against the iterate, relative to the origin: theta* comes later."""

    def __init__(self, adversary: Adversary, settings: Settings) -> None:
        self.adversary = adversary
        self.total = np.zeros((adversary.dim, settings.n_seeds))  # S_{t-1}

    def prepare(self, indices: Indices) -> None:
        self.coins = 1.0 - 2 * indices[:, 0]  # (n, n_seeds)
        self.costs = np.empty(self.coins.shape)

    def gradient(self, k: int, theta: Floats, out: Floats) -> None:
        kind = self.adversary.kind
        if kind == "anti_iterate":
            out[:] = _direction(theta, 1)
        elif kind == "orthogonal":
            self._orthogonal(theta, out)
        else:
            out[:] = 0
            out[0] = self.coins[k]
        out *= self.adversary.gradient_norm
        self.total += out
        self.costs[k] = (out * theta).sum(axis=0)

    def _orthogonal(self, theta: Floats, out: Floats) -> None:
        """Write unit vectors orthogonal to theta, of all such the nearest to S/||S||."""
        axis = _direction(theta, 1)
        out[:] = self.total - (self.total * axis).sum(axis=0) * axis
        out -= (out * axis).sum(axis=0) * axis  # once more: the first difference may cancel
        weak = (out * out).sum(axis=0) <= 1e-16 * (self.total * self.total).sum(axis=0)
        if np.any(weak):  # S is 0 or along theta: any right angle does; start from another axis
            away = np.zeros_like(out)
            away[np.argmin(np.abs(axis), axis=0), np.arange(out.shape[1])] = 1
            away -= (away * axis).sum(axis=0) * axis
            away *= np.where((away * self.total).sum(axis=0) < 0, -1, 1)
            out[:] = np.where(weak, away, out)
        out /= np.sqrt((out * out).sum(axis=0))

    def losses(self, thetas: Floats) -> tuple[Floats, Floats]:
        return self.costs, np.zeros_like(self.costs)


@dataclass
class _Block:
    """Steps first + 1 .. first + n of all seeds."""

    first: int
    thetas: Floats  # (n + 1, d, n_seeds), one more than gradients
    gradients: Floats  # (n, d, n_seeds)
    losses: Floats  # (n, n_seeds)
    star_losses: Floats  # (n, n_seeds)
    eta: Floats  # (n, 1) or (n, n_seeds)


def _blocks(
    problem: Problem | Adversary, schedule: Schedule, settings: Settings, star: Floats
) -> Iterator[_Block]:
    """Run the loop, a block of steps at a time; theta lies as (d, n_seeds)."""
    oracle, samples = _oracle(problem, settings, star)
    n_seeds, dim = settings.n_seeds, problem.dim
    theta = np.repeat(_start(problem, settings)[:, None], n_seeds, axis=1)
    squares = np.zeros(n_seeds)  # V_t of AdaGrad-norm
    per_draw = _block_length(dim * n_seeds * settings.batch_size)
    for first in range(0, settings.n_steps, per_draw):
        if first % ROWS_DRAWN == 0:
            drawn = next(samples)
        n = min(per_draw, settings.n_steps - first)
        thetas, gradients = np.empty((n + 1, dim, n_seeds)), np.empty((n, dim, n_seeds))
        thetas[0] = theta
        with np.errstate(all="ignore"):
            oracle.prepare(drawn[first % ROWS_DRAWN :][:n])
            if isinstance(schedule, AdaGradNorm):
                eta = _adaptive_steps(oracle, thetas, gradients, schedule.scale, squares, problem)
            else:
                eta = schedule[first : first + n, None]
                _fixed_steps(oracle, thetas, gradients, eta[:, 0].tolist(), problem)
            losses, star_losses = oracle.losses(thetas[:-1])
        theta = thetas[-1]
        yield _Block(
            first, thetas, gradients, losses, np.broadcast_to(star_losses, losses.shape), eta
        )


def _fixed_steps(
    oracle: _Oracle,
    thetas: Floats,
    gradients: Floats,
    eta: list[float],
    problem: Problem | Adversary,
) -> None:
    project = _projector(problem, thetas.shape[1:])
    move = np.empty(thetas.shape[1:])
    for k, step in enumerate(eta):
        gradient, new = gradients[k], thetas[k + 1]
        oracle.gradient(k, thetas[k], gradient)
        np.multiply(gradient, step, out=move)
        np.subtract(thetas[k], move, out=new)
        if project:
            project(new)


def _adaptive_steps(
    oracle: _Oracle,
    thetas: Floats,
    gradients: Floats,
    scale: float,
    squares: Floats,
    problem: Problem | Adversary,
) -> Floats:
    """Make steps scale/sqrt(V_t), updating V (n_seeds,) in place; return eta (n, n_seeds)."""
    project = _projector(problem, thetas.shape[1:])
    eta = np.empty((len(gradients), thetas.shape[2]))
    for k, gradient in enumerate(gradients):
        oracle.gradient(k, thetas[k], gradient)
        squares += np.add.reduce(gradient * gradient, axis=0)
        np.divide(scale, np.sqrt(squares), out=eta[k])
        eta[k, squares == 0] = 0
        np.subtract(thetas[k], gradient * eta[k], out=thetas[k + 1])
        if project:
            project(thetas[k + 1])
    return eta


def _projector(
    problem: Problem | Adversary, shape: tuple[int, ...]
) -> Callable[[Floats], None] | None:
    if problem.radius is None:
        return None
    radius = problem.radius
    work, norm = np.empty(shape), np.empty(shape[1])

    def project(theta: Floats) -> None:
        np.multiply(theta, theta, out=work)
        np.add.reduce(work, axis=0, out=norm)
        np.sqrt(norm, out=norm)
        np.maximum(norm, radius, out=norm)
        np.divide(radius, norm, out=norm)  # exactly 1 inside
        np.multiply(theta, norm, out=theta)

    return project


def _oracle(
    problem: Problem | Adversary, settings: Settings, star: Floats
) -> tuple[_Oracle, Iterator[Indices]]:
    if isinstance(problem, Adversary):
        order = "cyclic" if problem.kind == "alternating" else "random"
        coins = replace(settings, order=order, batch_size=1)
        return _AdversaryOracle(problem, settings), sample_blocks(2, coins)
    samples = sample_blocks(problem.n_samples, settings)
    if problem.kind in LINKS:
        return _LinkOracle(problem, settings, star), samples
    return _PointOracle(problem, settings, star), samples


def _start(problem: Problem | Adversary, settings: Settings) -> Floats:
    if settings.start is None:
        return np.zeros(problem.dim)
    start = np.asarray(settings.start, np.float64)
    if start.shape != (problem.dim,) or not np.all(np.abs(start) <= 1e50):
        raise ValueError(f"start must be {problem.dim} numbers within 1e50, got {settings.start}")
    norm = float(np.linalg.norm(start))
    radius = math.inf if problem.radius is None else problem.radius
    return start * (radius / norm) if norm > radius else start


def _block_length(cells_per_step: int) -> int:
    """Return a power of two that divides `ROWS_DRAWN`."""
    fitting = max(1, min(ROWS_DRAWN, BLOCK_CELLS // cells_per_step))
    return 1 << (fitting.bit_length() - 1)


# --- What a run leaves ----------------------------------------------------------------------------


@dataclass(frozen=True, eq=False)
class Run:
    """What was measured, for every recorded step T and every seed: arrays (n_records, n_seeds).

    A seed that diverged has NaN from then on. Losses in the unit of the problem.

    Attributes:
        problem: What was run.
        settings: How.
        solution: theta*; for an adversary its point is NaN, since it moves with T.
        eta: The schedule (n_steps,), or the rule.
        n_done: Steps done so far; equal to n_steps in a complete run.
        steps: Recorded T (n_records,), the first is 1.
        average_regret: (1/T) sum_t [L_t(theta_t) - L_t(theta*)].
        weighted_regret: sum eta_t [L_t(theta_t) - L_t(theta*)] / sum eta_t.
        last_gap: L(theta_T) - L(theta*); NaN for an adversary, like the next two.
        average_gap: L at the plain average of theta_1 .. theta_T, minus L(theta*).
        weighted_gap: L at the average weighted by eta_t, minus L(theta*).
        distance: ||theta_T - theta*||.
        max_distance: Its maximum up to T: the observed R of step 5 of the proof.
        max_gradient: max_{t<=T} ||g_t||: the observed G.
        sum_squares: V_T = sum ||g_t||^2.
        sum_eta_squares: sum eta_t ||g_t||^2.
        eta_at: eta_T, as used by each seed.
        gradient_rms: Root mean square of ||g_t|| over the seeds (n_done,), for refining.
        gradient_max: Maximum over the seeds (n_done,).
        died_at: Step t at which theta_t first left 1e100 or was NaN (n_seeds,); 0 if it never did.
        iterate: theta_{n_done + 1} (n_seeds, d).
        average: Plain average of theta_1 .. theta at the last recorded step (n_seeds, d).
    """

    problem: Problem | Adversary
    settings: Settings
    solution: Solution
    eta: Schedule
    n_done: int
    steps: NDArray[np.int64]
    average_regret: Floats
    weighted_regret: Floats
    last_gap: Floats
    average_gap: Floats
    weighted_gap: Floats
    distance: Floats
    max_distance: Floats
    max_gradient: Floats
    sum_squares: Floats
    sum_eta_squares: Floats
    eta_at: Floats
    gradient_rms: Floats
    gradient_max: Floats
    died_at: NDArray[np.int64]
    iterate: Floats
    average: Floats


MEASURED = (
    "average_regret",
    "weighted_regret",
    "last_gap",
    "average_gap",
    "weighted_gap",
    "distance",
    "max_distance",
    "max_gradient",
    "sum_squares",
    "sum_eta_squares",
    "eta_at",
)


def recorded_steps(n_steps: int, n_records: int = 300) -> NDArray[np.int64]:
    """Return about n_records steps of 1 .. T, half evenly spaced, half evenly in log t; 1 and T in.

    Returns:
        Increasing int64 (n_records or fewer,).
    """
    if n_steps <= n_records:
        return np.arange(1, n_steps + 1)
    half = max(n_records // 2, 1)
    even = np.linspace(1, n_steps, half)
    logarithmic = np.geomspace(1, n_steps, half)
    return np.unique(np.rint(np.concatenate([even, logarithmic, [1, n_steps]])).astype(np.int64))


def stream(
    problem: Problem | Adversary,
    schedule: Schedule | ArrayLike,
    settings: Settings | None = None,
    star: Solution | None = None,
) -> Iterator[Run]:
    """Run SGD and yield what has been measured after every block of at most 512 steps.

    Args:
        problem: Losses and ball, or an adversary.
        schedule: eta (n_steps,), or `AdaGradNorm`.
        settings: See `Settings`.
        star: The comparator; default the problem's solution.

    Yields:
        The run so far; the last one is complete. It also ends early when every seed diverged.

    Raises:
        ValueError: If the schedule does not fit the settings, or start does not fit the problem.
    """
    settings = settings or Settings()
    if not isinstance(schedule, AdaGradNorm):
        schedule = as_schedule(schedule, settings.n_steps)
    solution = star or _comparator(problem)
    if isinstance(problem, Problem) and solution.point.shape != (problem.dim,):
        raise ValueError(f"star must have {problem.dim} coordinates")
    recorder = _Recorder(problem, schedule, settings, solution)
    for block in _blocks(problem, schedule, settings, solution.point):
        with np.errstate(all="ignore"):
            recorder.add(block)
            done = recorder.run()
        yield done
        if np.all(recorder.died_at > 0):
            return


def run(
    problem: Problem | Adversary,
    schedule: Schedule | ArrayLike,
    settings: Settings | None = None,
    star: Solution | None = None,
) -> Run:
    """Return the last state of `stream`."""
    return deque(stream(problem, schedule, settings, star), maxlen=1)[0]


def _comparator(problem: Problem | Adversary) -> Solution:
    if isinstance(problem, Problem):
        return problem.solution
    point = np.full(problem.dim, math.nan)
    return Solution(point, math.nan, 0.0, "minimiser", True)


@dataclass
class _Sums:
    """Running sums and maxima over the steps, each (n_seeds,) or (d, n_seeds)."""

    regret: Floats
    eta_regret: Floats
    squares: Floats
    eta_squares: Floats
    eta: Floats
    thetas: Floats
    eta_thetas: Floats
    total_gradient: Floats
    max_square: Floats
    max_distance: Floats


class _Recorder:
    """Adds blocks up and notes the sums at the recorded steps."""

    def __init__(
        self,
        problem: Problem | Adversary,
        schedule: Schedule,
        settings: Settings,
        solution: Solution,
    ) -> None:
        self.problem, self.schedule, self.settings = problem, schedule, settings
        self.solution = solution
        n_seeds, dim = settings.n_seeds, problem.dim
        n_records = settings.n_records
        if isinstance(problem, Problem) and problem.kind in LINKS:
            affordable = int(2e8 / (3 * problem.n_samples * n_seeds))
            n_records = min(n_records, max(24, affordable))
        self.steps = recorded_steps(settings.n_steps, n_records)
        self.table = {name: np.full((len(self.steps), n_seeds), math.nan) for name in MEASURED}
        self.sums = _Sums(
            regret=np.zeros(n_seeds),
            eta_regret=np.zeros(n_seeds),
            squares=np.zeros(n_seeds),
            eta_squares=np.zeros(n_seeds),
            eta=np.zeros(n_seeds),
            thetas=np.zeros((dim, n_seeds)),
            eta_thetas=np.zeros((dim, n_seeds)),
            total_gradient=np.zeros((dim, n_seeds)),
            max_square=np.zeros(n_seeds),
            max_distance=np.zeros(n_seeds),
        )
        self.n_recorded = self.n_done = 0
        self.died_at = np.zeros(n_seeds, np.int64)
        self.rms, self.peak = np.zeros(settings.n_steps), np.zeros(settings.n_steps)
        self.iterate = self.average = np.zeros((dim, n_seeds))

    def add(self, block: _Block) -> None:
        self._bury(block)
        n = len(block.gradients)
        squares = np.einsum("kds,kds->ks", block.gradients, block.gradients)
        offsets = block.thetas[:-1] - self.solution.point[:, None]
        distances = np.sqrt(np.einsum("kds,kds->ks", offsets, offsets))
        regrets = block.losses - block.star_losses
        alive = self.died_at == 0
        if np.any(alive):
            shown = squares[:, alive]
            self.rms[block.first : block.first + n] = np.sqrt(shown.mean(axis=1))
            self.peak[block.first : block.first + n] = np.sqrt(shown.max(axis=1))
        ends = self.steps[(self.steps > block.first) & (self.steps <= block.first + n)]
        start = 0
        for end in (ends - block.first).tolist():
            self._sum(block, slice(start, end), regrets, squares, distances)
            self._note(block, end, distances[end - 1])
            start = end
        if start < n:
            self._sum(block, slice(start, n), regrets, squares, distances)
        self.n_done = block.first + n
        self.iterate = block.thetas[-1]

    def _bury(self, block: _Block) -> None:
        """Mark seeds whose iterates overflow, and blank them from that step on."""
        thetas = block.thetas
        if thetas.max() < DIVERGED and thetas.min() > -DIVERGED:
            return
        gone = ~(np.abs(thetas).max(axis=1) < DIVERGED)  # (n + 1, n_seeds); NaN counts
        for seed in np.flatnonzero(gone.any(axis=0)):
            k = int(np.argmax(gone[:, seed]))
            if not self.died_at[seed]:
                self.died_at[seed] = block.first + k + 1
            thetas[k:, :, seed] = math.nan
            block.gradients[k:, :, seed] = math.nan
            block.losses[k:, seed] = math.nan

    def _sum(
        self, block: _Block, part: slice, regrets: Floats, squares: Floats, distances: Floats
    ) -> None:
        sums, eta, thetas = self.sums, block.eta[part], block.thetas[:-1][part]
        sums.regret += regrets[part].sum(axis=0)
        sums.eta_regret += (eta * regrets[part]).sum(axis=0)
        sums.squares += squares[part].sum(axis=0)
        sums.eta_squares += (eta * squares[part]).sum(axis=0)
        sums.eta += eta.sum(axis=0)
        sums.thetas += thetas.sum(axis=0)
        if eta.shape[1] == 1:
            sums.eta_thetas += np.tensordot(eta[:, 0], thetas, 1)
        else:
            sums.eta_thetas += np.einsum("ks,kds->ds", eta, thetas)
        if isinstance(self.problem, Adversary):
            sums.total_gradient += block.gradients[part].sum(axis=0)
        np.maximum(sums.max_square, squares[part].max(axis=0), out=sums.max_square)
        np.maximum(sums.max_distance, distances[part].max(axis=0), out=sums.max_distance)

    def _note(self, block: _Block, end: int, distance: Floats) -> None:
        sums, t = self.sums, block.first + end
        row = {name: table[self.n_recorded] for name, table in self.table.items()}
        best = (
            0.0
            if isinstance(self.problem, Problem)
            else -self.problem.radius * np.sqrt((sums.total_gradient**2).sum(axis=0))
        )
        row["average_regret"][:] = (sums.regret - best) / t
        self.average = sums.thetas / t
        weighted = sums.eta_thetas / sums.eta
        if isinstance(self.problem, Problem):
            row["weighted_regret"][:] = sums.eta_regret / sums.eta
            points = np.concatenate([block.thetas[end - 1], self.average, weighted], axis=1)
            gaps = self.problem.mean_loss(points.T) - self.solution.loss
            names = ("last_gap", "average_gap", "weighted_gap")
            for name, gap in zip(names, np.split(gaps, 3), strict=True):
                row[name][:] = gap
        row["distance"][:] = distance
        row["max_distance"][:] = sums.max_distance
        row["max_gradient"][:] = np.sqrt(sums.max_square)
        row["sum_squares"][:] = sums.squares
        row["sum_eta_squares"][:] = sums.eta_squares
        row["eta_at"][:] = block.eta[end - 1]
        self.n_recorded += 1

    def run(self) -> Run:
        """Return the state so far; the arrays are copies of what has been noted."""
        noted = {name: table[: self.n_recorded].copy() for name, table in self.table.items()}
        return Run(
            problem=self.problem,
            settings=self.settings,
            solution=self.solution,
            eta=self.schedule,
            n_done=self.n_done,
            steps=self.steps[: self.n_recorded],
            gradient_rms=self.rms[: self.n_done].copy(),
            gradient_max=self.peak[: self.n_done].copy(),
            died_at=self.died_at.copy(),
            iterate=self.iterate.T.copy(),
            average=self.average.T.copy(),
            **noted,
        )


@dataclass(frozen=True, eq=False)
class Trace:
    """One run in full, for the path and for the proof.

    Attributes:
        problem: What was run.
        eta: Steps as used (n_steps,).
        iterates: theta_1 .. theta_{T+1} (n_steps + 1, d).
        moved: y_t = theta_t - eta_t g_t, before the projection (n_steps, d).
        gradients: g_t (n_steps, d).
        losses: L_t(theta_t) (n_steps,).
        star_losses: L_t(theta*) (n_steps,).
        star: theta* (d,); for an adversary the best fixed point for all its T losses.
    """

    problem: Problem | Adversary
    eta: Floats
    iterates: Floats
    moved: Floats
    gradients: Floats
    losses: Floats
    star_losses: Floats
    star: Floats
    died_at: int = field(default=0)

    @property
    def averages(self) -> Floats:
        """Plain averages of theta_1 .. theta_t for t = 1 .. T (n_steps, d)."""
        counts = np.arange(1, len(self.moved) + 1)[:, None]
        return np.cumsum(self.iterates[:-1], axis=0) / counts


def trace(
    problem: Problem | Adversary,
    schedule: Schedule | ArrayLike,
    settings: Settings | None = None,
    seed_number: int = 0,
    star: Solution | None = None,
) -> Trace:
    """Repeat one of the seeds of `run` and keep every step; the same up to rounding.

    Args:
        problem: As for `stream`, like the next two and star.
        schedule: eta (n_steps,), or `AdaGradNorm`.
        settings: See `Settings`.
        seed_number: Which of the n_seeds, from 0.
        star: The comparator.

    Returns:
        The trace; if the seed diverged, only its steps with finite iterates.

    Raises:
        ValueError: If seed_number is outside 0 .. n_seeds - 1, n_steps x d exceeds 2 10^7, or as
            for `stream`.
    """
    settings = settings or Settings()
    whole_number("seed_number", seed_number, 0, settings.n_seeds - 1)
    if settings.n_steps * problem.dim > MAX_TRACE_CELLS:
        raise ValueError(f"n_steps x d must be at most {MAX_TRACE_CELLS} for a trace")
    alone = replace(settings, n_seeds=1, first_run=settings.first_run + seed_number)
    if not isinstance(schedule, AdaGradNorm):
        schedule = as_schedule(schedule, settings.n_steps)
    solution = star or _comparator(problem)
    parts: list[_Block] = []
    died_at = 0
    for block in _blocks(problem, schedule, alone, solution.point):
        parts.append(block)
        gone = ~(np.abs(block.thetas[:, :, 0]).max(axis=1) < DIVERGED)
        if gone.any():
            died_at = block.first + int(np.argmax(gone)) + 1
            break
    return _joined(problem, parts, solution, died_at)


def _joined(
    problem: Problem | Adversary, parts: list[_Block], solution: Solution, died_at: int
) -> Trace:
    n = max(died_at - 2, 0) if died_at else sum(len(part.gradients) for part in parts)
    thetas = np.concatenate([parts[0].thetas[:1], *(part.thetas[1:] for part in parts)])
    iterates = thetas[: n + 1, :, 0]
    gradients = np.concatenate([part.gradients for part in parts])[:n, :, 0]
    eta = np.concatenate([part.eta for part in parts])[:n, 0]
    losses = np.concatenate([part.losses for part in parts])[:n, 0]
    star, star_losses = solution.point, np.empty(0)
    if isinstance(problem, Adversary):
        star = -problem.radius * _direction(gradients.sum(axis=0)[:, None], 0)[:, 0]
        star_losses = gradients @ star
    else:
        star_losses = np.concatenate([part.star_losses for part in parts])[:n, 0]
    return Trace(
        problem=problem,
        eta=eta,
        iterates=iterates,
        moved=iterates[:-1] - eta[:, None] * gradients,
        gradients=gradients,
        losses=losses,
        star_losses=star_losses,
        star=star,
        died_at=died_at,
    )


# --- Checks ---------------------------------------------------------------------------------------


def _dim(value: int) -> int:
    return whole_number("dim", value, 1, MAX_DIM)
