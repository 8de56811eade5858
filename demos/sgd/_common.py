"""What the panels of the tab share: problems, schedules and their recommended size, wording."""

import functools
import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from demos import controls
from demos.controls import Choice, Flag, InputError, Integer, Real, Text, numbers, table_values
from demos.figures import Trace, line
from demos.words import W, Word
from models import sgd, sgd_bounds, sgd_schedules

Floats = NDArray[np.float64]
Source = sgd.Problem | sgd.Adversary

LOSSES = (
    "absolute",
    "hinge",
    "logistic",
    "squares",
    "huber",
    "norm",
    "noisy_norm",
    "centre",
    "quartic",
    "sigmoid",
    "cauchy",
    "double_well",
)
WITHOUT_DATA = ("norm", "noisy_norm", "double_well")
KINKED = ("norm", "noisy_norm", "absolute", "hinge")
SCALED = tuple(sgd_schedules.SCALED)
OWN = ("own", "drawn")
PILOTED = ("inverse_square", "refined")  # made from the gradient norms of a first run
DRAWN = "0.3 0.5 0.7 0.8 0.8 0.75 0.7 0.6 0.5 0.4 0.3 0.2 0.1 0.02"
MOST_ETA = 1e6
FEW_CLASSES = 10  # targets with more values than that are split at their median

SEED = Integer(default=0, low=0, high=999_999_999, typed=True, advanced=True)
LOSS = Choice(default="absolute", options=LOSSES)
SCHEDULE = Choice(default="constant", options=SCALED)
ALPHA = Real(default=1, low=0.01, high=1000, log=True)
RADIUS = Real(default=1, low=0.05, high=20, log=True)
PROJECTED = Flag(default=True)
START = Real(default=1, low=-10, high=10, step=0.1, advanced=True)
NOISE = Real(default=0.2, low=0, high=3, step=0.05, advanced=True)
KINK = Choice(default="zero", options=("zero", "plus"), radio=True, advanced=True)
DRAWN_TEXT = Text(default=DRAWN, length=2000)


def refuse_cost(field: str, given: float, limit: float, advice: str) -> None:
    """Refuse work beyond a limit, in steps of coordinates."""
    named = W("sgd.unit_updates"), W(f"sgd.advice_{advice}")
    controls.refuse_cost(W(field), given, limit, *named)


# --- Problems -------------------------------------------------------------------------------------


@functools.lru_cache(maxsize=32)
def made_problem(
    loss: str,
    dim: int = 2,
    radius: float | None = 1.0,
    seed: int = 0,
    noise: float = 0.2,
    n_samples: int = 200,
    kink: str = "zero",
) -> sgd.Problem:
    """Return a made problem, kept with its solution once that has been asked for."""
    data = sgd.MadeData(dim=dim, n_samples=n_samples, noise=noise, seed=seed)
    return sgd.made_problem(loss, data, radius, 0 if kink == "zero" else 1)


@functools.lru_cache(maxsize=32)
def real_problem(name: str, loss: str, standardise: bool, radius: float | None) -> sgd.Problem:
    """Return a problem of a bundled data set, kept like a made one."""
    data = sgd.load_dataset(name)
    return _of_table(loss, data.features, data.targets, standardise, radius)


def uploaded_problem(
    path: str | None, loss: str, standardise: bool, radius: float | None
) -> sgd.Problem:
    """Return a problem of the visitor's table: its last column is the target.

    Raises:
        InputError: There is no file, or it cannot be used.
    """
    if path is None:
        raise InputError(W("sgd.error_no_upload"))
    table = table_values(W("sgd.upload"), path)
    if table.shape[0] < 2 or not 2 <= table.shape[1] <= sgd.MAX_DIM:
        rows, columns = table.shape
        raise InputError(W("sgd.error_shape", rows=rows, columns=columns, limit=sgd.MAX_DIM))
    if table.size > 200_000:
        raise InputError(W("sgd.error_cells", cells=int(table.size), limit=200_000))
    if float(np.abs(table).max()) > 1e12:
        raise InputError(W("sgd.error_huge"))
    return _of_table(loss, table[:, :-1], table[:, -1], standardise, radius)


def _of_table(
    loss: str, features: Any, targets: Any, standardise: bool, radius: float | None
) -> sgd.Problem:
    if loss == "centre":
        columns = np.asarray(features, np.float64)
        return sgd.centre_problem(sgd.standardised(columns) if standardise else columns, radius)
    if loss in sgd.CLASSIFICATION:
        if len(np.unique(targets)) < 2:
            raise InputError(W("sgd.error_classes"))
        if len(np.unique(targets)) > FEW_CLASSES:
            above = targets > np.median(targets)
            targets = (above if above.any() else targets == targets.max()).astype(float)
    how = sgd.Preparation(standardise=standardise)
    return sgd.table_problem(loss, features, targets, how, radius)


def start_point(problem: Source, first: float) -> tuple[float, ...]:
    """Return theta_1 = (first, 0, 0, …)."""
    return (first, *[0.0] * (problem.dim - 1))


def started(problem: Source, start: Sequence[float]) -> Floats:
    """Return the start inside the ball."""
    point = np.asarray(start, float)
    norm = float(np.linalg.norm(point))
    radius = problem.radius or math.inf
    return point if norm <= radius else point * (radius / norm)


def first_claims(problem: Source, start: Sequence[float]) -> sgd_bounds.Claims:
    """Return constants before any run: proven where they can be, else those of the region near.

    Without a ball R is the first distance; without a gradient bound G is the largest gradient
    in the ball that holds start and theta*.
    """
    if isinstance(problem, sgd.Adversary):
        return sgd_bounds.Claims(problem.diameter, problem.gradient_norm)
    star, begin = problem.solution.point, started(problem, start)
    distance = float(np.linalg.norm(begin - star))
    diameter = problem.diameter if math.isfinite(problem.diameter) else distance or 1.0
    gradient = problem.facts.gradient_bound
    if not math.isfinite(gradient):
        near = max(float(np.linalg.norm(begin)), float(np.linalg.norm(star)), 1e-3)
        gradient = replace(problem, radius=near).facts.gradient_bound
    gradient = min(max(gradient, 1e-12), 1e100)
    return sgd_bounds.Claims(diameter, gradient, distance, problem.facts.strong_convexity)


def claims_of(run: sgd.Run, start: Sequence[float]) -> tuple[sgd_bounds.Claims, bool]:
    """Return the claims for a run, and whether R and G are proven rather than observed."""
    facts = run.problem.facts
    proven = math.isfinite(run.problem.diameter) and math.isfinite(facts.gradient_bound)
    try:
        return sgd_bounds.claims_of(run), proven
    except ValueError:  # nothing finite was observed
        return first_claims(run.problem, start), proven


# --- Schedules ------------------------------------------------------------------------------------


def recommended(schedule: str, n_steps: int, claims: sgd_bounds.Claims) -> float:
    """Return the scale that is best for the schedule's own bound.

    R/(G sqrt T) for a constant step and its kin, R/(sqrt2 G) for 1/sqrt t, 1/H (or R/G) for 1/t,
    D/(G sqrt(2T)) for linear decay, which starts at the full scale and needs its last-point bound.
    """
    diameter, gradient = claims.R, claims.G
    if schedule == "inverse_sqrt":
        return sgd_schedules.best_inverse_sqrt_scale(diameter, gradient)
    if schedule == "inverse_time":
        return 1 / claims.H if claims.H > 0 else diameter / gradient
    if schedule in ("linear_decay", "linear_decay_to_zero"):
        distance = claims.first_distance or diameter
        return math.sqrt(2) * sgd_schedules.best_linear_decay_scale(n_steps, distance, gradient)
    return sgd_schedules.best_constant_step(n_steps, diameter, gradient)


def scaled(schedule: str, n_steps: int, scale: float) -> Floats:
    """Return one of the schedules with a scale."""
    return sgd_schedules.SCALED[schedule](n_steps, min(max(scale, 1e-100), 1e100))


def staged(text: str, n_steps: int) -> Floats:
    """Return a list of steps, each held for an equal part of the run.

    Raises:
        InputError: The list cannot be used.
    """
    values = _heights(text, "sgd.error_own")
    if len(values) > n_steps:
        raise InputError(W("sgd.error_own_long", count=len(values), steps=n_steps))
    if not np.any(values > 0):
        raise InputError(W("sgd.error_own"))
    return values[np.arange(n_steps) * len(values) // n_steps]


def by_hand(text: str, n_steps: int) -> Floats:
    """Return a drawn schedule; what was drawn below 0 counts as 0.

    Raises:
        InputError: The heights cannot be used.
    """
    values = np.maximum(_heights(text, "sgd.error_drawn", lowest=-MOST_ETA), 0)
    if not np.any(values > 0):
        raise InputError(W("sgd.error_drawn"))
    shares = np.linspace(0, 1, len(values)) if len(values) > 1 else np.zeros(1)
    return sgd_schedules.drawn(np.stack([shares, values], axis=1), n_steps)


def _heights(text: str, error: str, lowest: float = 0.0) -> Floats:
    try:
        values = np.array(numbers(text))
    except ValueError:
        raise InputError(W(error)) from None
    if values.min() < lowest or values.max() > MOST_ETA:
        raise InputError(W(error))
    return values


def schedule_word(schedule: str) -> Word:
    """Return the name of a schedule."""
    return W(f"sgd.schedule_{schedule}")


def loss_word(loss: str) -> Word:
    """Return the name of a loss."""
    return W(f"sgd.loss_{loss}")


# --- Wording and drawing --------------------------------------------------------------------------


def bound_word(name: str) -> Word:
    """Return the name of a bound, as in legends and over columns."""
    return W(f"sgd.column_bound_{name}")


def broken_words(names: Sequence[str]) -> Word:
    """Return the names of broken assumptions, joined by commas."""
    words = [W(f"sgd.assumption_{name}") for name in names]
    return functools.reduce(lambda a, b: W("sgd.both", a=a, b=b), words)


def about(name: str, broken: Sequence[str]) -> bool:
    """Return whether a bound is about this run's schedule at all: then it is shown, or greyed."""
    return "matching_schedule" not in broken and "strongly_convex" not in broken


def positive(values: Floats) -> Floats:
    """Return values fit for a logarithmic axis: what is not positive and finite stays blank."""
    return np.where((values > 0) & np.isfinite(values), values, np.nan)


def decades(*curves: Floats) -> int:
    """Return a distance of ticks that leaves some six of them."""
    known = np.concatenate([np.ravel(curve) for curve in curves])
    known = known[np.isfinite(known) & (known > 0)]
    if not known.size:
        return 1
    return max(1, round(math.log10(float(known.max()) / float(known.min())) / 6))


def log_range(curves: Sequence[Floats], deepest: float = 6.0) -> list[float]:
    """Return the exponents of a logarithmic axis: all the way up, however far a run diverged.

    Downwards it ends ``deepest`` decades below where the curves begin.
    """
    known = np.concatenate([np.ravel(curve) for curve in curves])
    known = known[np.isfinite(known) & (known > 0)]
    if not known.size:
        return [-1.0, 1.0]
    low, high = math.log10(float(known.min())), math.log10(float(known.max()))
    begins = [curve[0][np.isfinite(curve[0])] for curve in map(np.atleast_1d, curves)]
    first = max((float(np.max(b)) for b in map(np.atleast_1d, begins) if b.size), default=10**high)
    low = max(low, min(high, math.log10(first)) - deepest)
    room = 0.06 * (high - low) + 0.05
    return [low - room, high + room]


def guide(steps: Any, top: float, power: float, label: Word | str) -> Trace:
    """Return a thin line of slope ``power`` through ``top`` at the first step."""
    x = np.array([steps[0], steps[-1]], float)
    return line(x, top * (x / x[0]) ** power, label, "@gray/0.7", dash="dot", width=1)


def kept(reads: Mapping[str, bool]) -> frozenset[str]:
    """Return the names that are not read."""
    return frozenset(name for name, needed in reads.items() if not needed)
