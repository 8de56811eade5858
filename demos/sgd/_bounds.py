"""Panel: all bounds against T, and where each step size puts its two terms."""

import functools
import math
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from demos.controls import Choice, Choices, Control, Integer, Real
from demos.figures import Figure, axis, figure, line, vertical
from demos.panel import Panel, Preset, Values
from demos.sgd._common import ALPHA, SCALED, Floats, guide, positive, recommended, schedule_word
from demos.view import Reading, View, at_least, at_most, equal, near, shown
from demos.words import W, Word
from models import sgd, sgd_bounds, sgd_schedules

MOST = 100_000
GRID = np.unique(np.rint(np.geomspace(1, MOST, 26)).astype(np.int64))
POINTS = 36  # along a schedule
FIRST_BETTER = 18  # from this T on linear decay beats the best constant step, both under eq10
GROUPS = {  # curves by what they say something about; a dotted one is the loose form
    "average": ("best_constant", "inverse_sqrt"),
    "unbounded": ("unbounded_inverse_sqrt", "weighted_inverse_sqrt"),
    "last": ("last_constant", "last_inverse_sqrt", "linear_decay", "top_down"),
    "loose": ("inverse_sqrt_loose", "last_constant_loose", "linear_decay_loose"),
    "strong": ("strong",),
}
COLORS = {
    "best_constant": "@blue",
    "inverse_sqrt": "@orange",
    "inverse_sqrt_loose": "@orange",
    "unbounded_inverse_sqrt": "@olive",
    "weighted_inverse_sqrt": "@sky",
    "last_constant": "@purple",
    "last_constant_loose": "@purple",
    "last_inverse_sqrt": "@red",
    "linear_decay": "@green",
    "linear_decay_loose": "@green",
    "top_down": "@ink",
    "strong": "@gray",
}
ALONG: dict[str, Callable[..., sgd_bounds.Terms]] = {
    "core": sgd_bounds.core,
    "weighted_average": sgd_bounds.weighted_average,
    "last_iterate": sgd_bounds.last_iterate,
    "eq10": sgd_bounds.eq10,
}
ALONG_COLORS = {
    "core": "@blue",
    "weighted_average": "@sky",
    "last_iterate": "@purple",
    "eq10": "@green",
}


def bounds_controls() -> dict[str, Control]:
    """Return the controls of ``bounds``."""
    return {
        "diameter": Real(default=2, low=0.01, high=100, log=True),
        "gradient": Real(default=1, low=0.01, high=100, log=True),
        "n_steps": Integer(default=1000, low=2, high=MOST, log=True),
        "schedule": Choice(default="constant", options=SCALED),
        "alpha": ALPHA,
        "bound": Choice(default="core", options=tuple(ALONG)),
        "show": Choices(default=("average", "last", "loose"), options=tuple(GROUPS)),
        "convexity": Real(default=1, low=0.01, high=100, log=True, advanced=True),
    }


def bounds(
    diameter: float,
    gradient: float,
    n_steps: int,
    schedule: str,
    alpha: float,
    bound: str,
    show: tuple[str, ...],
    convexity: float,
) -> View:
    """Show every bound against T at its own best step, and one bound against the step size.

    Args:
        diameter: R, also taken as the first distance.
        gradient: G, bound on every gradient.
        n_steps: T.
        schedule: Form of the steps eta_t.
        alpha: Their size, in units of the recommended one.
        bound: Which bound is taken apart.
        show: Which curves are drawn against T.
        convexity: H, strong convexity, for its own curve.
    """
    curves = {
        name: _curve(name, diameter, gradient, convexity)
        for group in show
        for name in GROUPS[group]
    }
    scale = alpha * recommended(
        schedule, n_steps, sgd_bounds.Claims(diameter, gradient, diameter, convexity)
    )
    unit = _unit(bound, schedule, n_steps)
    return View(
        {
            "all": _all_figure(curves, n_steps, diameter * gradient),
            "terms": _terms_figure(unit, scale, diameter, gradient, bound),
            "along": _along_figure(schedule, n_steps, scale, diameter, gradient),
        },
        W(
            "sgd.bounds_caption",
            steps=n_steps,
            schedule=schedule_word(schedule),
            bound=W(f"sgd.bound_{bound}"),
            value=sum(_terms_at(unit, scale, diameter, gradient)),
        ),
        _readings(diameter, gradient, n_steps, bound, unit, scale),
        {"steps": GRID, **curves},
        notes=_notes(schedule, bound, unit),
        unused=frozenset() if "strong" in show else frozenset({"convexity"}),
    )


@functools.cache
def _unit_curves() -> Mapping[str, Floats]:
    """Return every bound at R = G = 1 and its best step for each T of the grid, made once."""
    best: dict[str, list[float]] = {name: [] for name in COLORS}

    def least(name: str, terms: sgd_bounds.Terms) -> None:
        best[name].append(float(sgd_bounds.best_scale(terms)[1][0]))

    for n in GRID.tolist():
        end, root = [n], sgd_schedules.inverse_sqrt(n, 1.0)
        even, decay = sgd_schedules.constant(n, 1.0), sgd_schedules.linear_decay(n, 1.0)
        least("best_constant", sgd_bounds.core(even, 1, 1, end))
        least("inverse_sqrt", sgd_bounds.core(root, 1, 1, end))
        least("inverse_sqrt_loose", sgd_bounds.inverse_sqrt_loose(end, 1.0, 1, 1))
        least("unbounded_inverse_sqrt", sgd_bounds.unbounded_average(root, 1, 1, end))
        least("weighted_inverse_sqrt", sgd_bounds.weighted_average(root, 1, 1, end))
        least("last_constant", sgd_bounds.last_iterate(even, 1, 1, end))
        least("last_constant_loose", sgd_bounds.last_iterate_constant_loose(end, 1.0, 1, 1))
        least("last_inverse_sqrt", sgd_bounds.last_iterate(root, 1, 1, end))
        least("linear_decay", sgd_bounds.eq10(decay, 1, 1, end))
        least("linear_decay_loose", sgd_bounds.linear_decay_loose(end, 1.0, 1, 1))
        weights = np.full(n, 1 / math.sqrt(n))
        best["top_down"].append(sgd_bounds.from_weights_bound(weights, 1, 1))
        best["strong"].append(float(sgd_bounds.strongly_convex(1, 1, end).total[0]))
    return {name: np.array(values) for name, values in best.items()}


def _curve(name: str, diameter: float, gradient: float, convexity: float) -> Floats:
    scale = gradient * gradient / convexity if name == "strong" else diameter * gradient
    return scale * _unit_curves()[name]


@functools.lru_cache(maxsize=64)
def _unit(bound: str, schedule: str, n_steps: int) -> tuple[float, float]:
    """Return distance and noise term at T for R = G = 1 and a schedule of scale 1."""
    eta = sgd_schedules.SCALED[schedule](n_steps, 1.0)
    with np.errstate(all="ignore"):
        terms = ALONG[bound](eta, 1, 1, [n_steps])
    return float(terms.distance[0]), float(terms.noise[0])


def _terms_at(
    unit: tuple[float, float], scale: float, diameter: float, gradient: float
) -> tuple[float, float]:
    return diameter * diameter * unit[0] / scale, gradient * gradient * unit[1] * scale


@functools.lru_cache(maxsize=64)
def _unit_along(schedule: str, n_steps: int) -> tuple[Any, dict[str, sgd_bounds.Terms]]:
    """Return T' and the bounds there for R = G = 1 and a schedule of scale 1."""
    eta = sgd_schedules.SCALED[schedule](n_steps, 1.0)
    steps = sgd.recorded_steps(n_steps, POINTS)
    with np.errstate(all="ignore"):
        return steps, {name: bound(eta, 1, 1, steps) for name, bound in ALONG.items()}


def _all_figure(curves: Mapping[str, Floats], n_steps: int, unit: float) -> Figure:
    traces = [
        line(
            GRID,
            values,
            W(f"sgd.column_{name}"),
            COLORS[name],
            dash="dot" if name.endswith("loose") else "dash" if name == "top_down" else "solid",
        )
        for name, values in curves.items()
    ]
    low = min(float(values[-1]) for values in curves.values())
    high = max(float(values[0]) for values in curves.values())
    return figure(
        *traces,
        guide(GRID, 0.25 * unit, -0.5, W("sgd.slope_half")),
        guide(GRID, 0.25 * unit, -1, W("sgd.slope_one")),
        x=axis(W("sgd.axis_steps"), log=True, range=[0, math.log10(MOST)]),
        y=axis(W("sgd.axis_bound"), log=True, range=[math.log10(low / 3), math.log10(high * 1.3)]),
        marks=[vertical(n_steps, "T", "@red")],
        title=W("sgd.title_all"),
        wide=True,
        height=480,
    )


def _terms_figure(
    unit: tuple[float, float], scale: float, diameter: float, gradient: float, bound: str
) -> Figure:
    """Return the two terms as stacked areas against the size of the step."""
    best = _best(unit, diameter, gradient)
    middle = best if math.isfinite(best) and best > 0 else scale
    x = middle * np.geomspace(1 / 20, 20, 41)
    distance, noise = _terms_at(unit, 1.0, diameter, gradient)
    far, loud = distance / x, noise * x
    least = 2 * math.sqrt(distance * noise) if math.isfinite(distance * noise) else math.inf
    top = 3.5 * least if 0 < least < math.inf else 1.0
    marks = []
    if math.isfinite(best):
        same = abs(scale / best - 1) < 0.05
        marks.append(vertical(best, W("sgd.mark_same" if same else "sgd.mark_best"), "@ink", "dot"))
    if x[0] <= scale <= x[-1] and not (math.isfinite(best) and abs(scale / best - 1) < 0.05):
        marks.append(vertical(scale, W("sgd.mark_now"), "@red"))
    return figure(
        line(x, positive(far), W("sgd.term_distance"), "@blue", fill="tozeroy"),
        line(x, positive(far + loud), W("sgd.term_noise"), "@orange", fill="tonexty"),
        x=axis(W("sgd.axis_scale"), log=True, range=[math.log10(x[0]), math.log10(x[-1])]),
        y=axis(W("sgd.axis_bound"), range=[0, top]),
        marks=marks,
        title=W("sgd.title_terms", bound=W(f"sgd.bound_{bound}")),
        height=360,
    )


def _along_figure(
    schedule: str, n_steps: int, scale: float, diameter: float, gradient: float
) -> Figure:
    steps, terms = _unit_along(schedule, n_steps)
    rising = schedule == "rising"
    curves = {
        name: positive(
            diameter * diameter * t.distance / scale + gradient * gradient * t.noise * scale
        )
        for name, t in terms.items()
    }
    grey = ("core", "last_iterate") if rising else ()
    traces = [
        line(
            steps,
            values,
            W("sgd.no_claim", bound=W(f"sgd.bound_{name}"))
            if name in grey
            else W(f"sgd.bound_{name}"),
            "@gray" if name in grey else ALONG_COLORS[name],
            dash="dot" if name in grey else "solid",
        )
        for name, values in curves.items()
    ]
    return figure(
        *traces,
        x=axis(W("sgd.axis_steps"), log=True),
        y=axis(W("sgd.axis_bound"), log=True),
        title=W("sgd.title_along", schedule=schedule_word(schedule)),
        height=360,
    )


def _best(unit: tuple[float, float], diameter: float, gradient: float) -> float:
    """Return the best scale of a schedule, NaN where the bound is infinite anyway."""
    distance, noise = unit
    if not (math.isfinite(distance) and math.isfinite(noise) and noise > 0):
        return math.nan
    return diameter / gradient * math.sqrt(distance / noise)


@functools.lru_cache(maxsize=64)
def _at(n_steps: int) -> dict[str, float]:
    """Return numbers at T for R = G = 1 that the readings compare."""
    end = [n_steps]
    even, root = np.ones(n_steps), sgd_schedules.inverse_sqrt(n_steps, 1 / math.sqrt(2))
    best = sgd_schedules.best_constant(n_steps, 1, 1)
    decay = sgd_schedules.linear_decay(n_steps, 1.0)
    weights = np.full(n_steps, 1 / math.sqrt(n_steps))
    return {
        "best_constant": float(sgd_bounds.core(best, 1, 1, end).total[0]),
        "exact": float(sgd_bounds.core(root, 1, 1, end).total[0]),
        "loose": float(sgd_bounds.inverse_sqrt_loose(end, 1 / math.sqrt(2), 1, 1).total[0]),
        "decay": float(sgd_bounds.best_scale(sgd_bounds.eq10(decay, 1, 1, end))[1][0]),
        "even": float(sgd_bounds.best_scale(sgd_bounds.eq10(even, 1, 1, end))[1][0]),
        "top_down": sgd_bounds.from_weights_bound(weights, 1, 1),
    }


def _readings(
    diameter: float,
    gradient: float,
    n_steps: int,
    bound: str,
    unit: tuple[float, float],
    scale: float,
) -> list[Reading]:
    at, size = _at(n_steps), diameter * gradient
    least = size / math.sqrt(n_steps)
    rounding = 1e-9 * size
    value = sum(_terms_at(unit, scale, diameter, gradient))
    best = 2 * diameter * gradient * math.sqrt(unit[0] * unit[1])
    rows = [
        equal(W("sgd.reading_best_constant"), size * at["best_constant"], least, rounding),
        at_most(W("sgd.reading_exact"), size * at["exact"], size * at["loose"], rounding),
        equal(W("sgd.reading_top_down"), size * at["top_down"], least, rounding),
        _decay_wins(size * at["decay"], size * at["even"], n_steps),
        at_least(
            W("sgd.reading_now", bound=W(f"sgd.bound_{bound}")), value, best, 1e-9 * abs(value)
        )
        if math.isfinite(best)
        else shown(W("sgd.reading_now", bound=W(f"sgd.bound_{bound}")), value),
    ]
    return rows + [_slope(name) for name in ("best_constant", "linear_decay", "last_constant")]


def _decay_wins(decay: float, even: float, n_steps: int) -> Reading:
    word = W("sgd.reading_decay")
    if n_steps >= FIRST_BETTER:
        return at_most(word, decay, even)
    note = W("sgd.note_from", steps=FIRST_BETTER)
    return Reading(word, decay, even, "≤", None, note=note)


def _slope(name: str) -> Reading:
    """Return the slope over the last two decades; the logarithm of the last point shows in it."""
    known = _unit_curves()[name]
    chosen = GRID >= MOST / 100
    slope = float(np.polyfit(np.log(GRID[chosen]), np.log(known[chosen]), 1)[0])
    word = W("sgd.reading_slope", curve=W(f"sgd.column_{name}"))
    if name == "last_constant":
        return shown(word, slope, W("sgd.note_log"))
    return near(word, slope, -0.5, 0.01)


def _notes(schedule: str, bound: str, unit: tuple[float, float]) -> list[Word]:
    notes = []
    if schedule == "rising" and bound in ("core", "last_iterate"):
        notes.append(W("sgd.broken_non_increasing"))
    if not math.isfinite(sum(unit)):
        notes.append(W("sgd.note_zero_end"))
    return notes


def _pick(values: Values, point: Mapping[str, Any]) -> dict[str, Any]:
    """Return the T, or the step size, that was clicked on."""
    x = float(point.get("x") or 0)
    if not (0 < x < math.inf):
        return {}
    if point.get("figure") == "all":
        return {"n_steps": max(2, min(MOST, round(x)))}
    if point.get("figure") != "terms":
        return {}
    claims = sgd_bounds.Claims(
        values["diameter"], values["gradient"], values["diameter"], values["convexity"]
    )
    factor = x / recommended(values["schedule"], values["n_steps"], claims)
    return {"alpha": max(ALPHA.low, min(ALPHA.high, float(f"{factor:.3g}")))}


PANEL = Panel(
    bounds,
    bounds_controls,
    (
        Preset("loose", {"schedule": "inverse_sqrt", "n_steps": 100}),
        Preset("log", {"show": ("last",), "schedule": "constant", "bound": "last_iterate"}),
        Preset(
            "ball",
            {
                "show": ("average", "unbounded"),
                "schedule": "inverse_sqrt",
                "bound": "weighted_average",
            },
        ),
        Preset("strong", {"show": ("average", "strong")}),
        Preset("too_bold", {"alpha": 10}),
    ),
    _pick,
)
