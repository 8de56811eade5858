"""Panel: the one-page proof on a real run, step by step, with the slack of each inequality."""

import math
from collections.abc import Mapping
from functools import lru_cache
from typing import Any

import numpy as np

from demos.controls import Choice, Control, Integer
from demos.figures import Figure, axis, bars, compact, figure, line, vertical
from demos.panel import Panel, Preset, Values
from demos.sgd._common import (
    ALPHA,
    KINK,
    KINKED,
    LOSSES,
    NOISE,
    PROJECTED,
    RADIUS,
    SCHEDULE,
    SEED,
    START,
    first_claims,
    kept,
    loss_word,
    made_problem,
    recommended,
    scaled,
    schedule_word,
    start_point,
)
from demos.view import Reading, View, at_least, at_most, equal
from demos.words import W, Word
from models import sgd, sgd_bounds

MOST = 1000
POINTS = 120  # of a drawn curve
SLACKS = ("projection", "convexity", "abel", "gradient")
COLORS = {
    "projection": "@sky",
    "convexity": "@green",
    "abel": "@orange",
    "gradient": "@purple",
    "final": "@gray",
}


def proof_controls() -> dict[str, Control]:
    """Return the controls of ``proof``."""
    return {
        "loss": Choice(default="absolute", options=LOSSES),
        "dim": Integer(default=2, low=1, high=16, log=True),
        "projected": PROJECTED,
        "radius": RADIUS,
        "schedule": SCHEDULE,
        "alpha": ALPHA,
        "n_steps": Integer(default=60, low=2, high=MOST, log=True),
        "t": Integer(default=20, low=1, high=MOST, log=True),
        "start": START,
        "noise": NOISE,
        "kink": KINK,
        "seed": SEED,
    }


def proof(
    loss: str,
    dim: int,
    projected: bool,
    radius: float,
    schedule: str,
    alpha: float,
    n_steps: int,
    t: int,
    start: float,
    noise: float,
    kink: str,
    seed: int,
) -> View:
    """Take the proof of the average bound apart on one run, at one step and summed up.

    Args:
        loss: Loss of one sample.
        dim: Dimension d.
        projected: Whether every iterate is projected onto the ball.
        radius: Of the ball around 0.
        schedule: Form of the steps eta_t.
        alpha: Their size, in units of the recommended one.
        n_steps: T.
        t: Step looked at; the last one if the run is shorter.
        start: First coordinate of theta_1.
        noise: Standard deviation of the noise of made data.
        kink: Subgradient at a kink: zero, or plus.
        seed: Seed of data and samples.
    """
    case = (loss, dim, radius if projected else None, schedule, alpha, n_steps, start, noise)
    known = _run(*case, kink, seed)
    unused = kept(
        {
            "radius": projected,
            "noise": loss not in ("norm", "noisy_norm", "double_well"),
            "kink": loss in KINKED,
        }
    )
    if known is None:
        return _too_far(loss, schedule, unused)
    terms, diameter, gradient, proven = known
    step = sgd_bounds.proof_step(terms, min(t, len(terms.eta)))
    return View(
        {
            "one": _one_figure(step),
            "slack": _slack_figure(terms, step.t),
            "sums": _sums_figure(terms, step.t),
        },
        W(
            "sgd.proof_caption",
            t=step.t,
            loss=loss_word(loss),
            schedule=schedule_word(schedule),
            regret=step.sum_regret,
            bound=step.bound,
        ),
        _readings(step, diameter, loss),
        _table(terms),
        notes=_notes(terms, n_steps, proven, step, loss, schedule),
        unused=unused,
    )


@lru_cache(maxsize=32)
def _run(
    loss: str,
    dim: int,
    radius: float | None,
    schedule: str,
    alpha: float,
    n_steps: int,
    start: float,
    noise: float,
    kink: str,
    seed: int,
) -> tuple[sgd_bounds.Proof, float, float, bool] | None:
    """Return the proof's terms on one run with R, G and whether both are proven, or nothing."""
    problem = made_problem(loss, dim, radius, seed, noise, 200, kink)
    begin = start_point(problem, start)
    claims = first_claims(problem, begin)
    eta = scaled(schedule, n_steps, alpha * recommended(schedule, n_steps, claims))
    with np.errstate(all="ignore"):
        walk = sgd.trace(problem, eta, sgd.Settings(n_steps, 1, seed=seed, start=begin))
        if len(walk.moved) == 0 or not np.all(np.isfinite(walk.gradients)):
            return None
        diameter, gradient = problem.diameter, problem.facts.gradient_bound
        proven = math.isfinite(diameter) and math.isfinite(gradient)
        if not math.isfinite(diameter):
            diameter = float(np.linalg.norm(walk.iterates - walk.star, axis=1).max()) or 1.0
        if not math.isfinite(gradient):
            gradient = float(np.linalg.norm(walk.gradients, axis=1).max()) or 1.0
        if max(diameter, gradient) > 1e60:
            return None
        return sgd_bounds.proof(walk, diameter, gradient), diameter, gradient, proven


def _too_far(loss: str, schedule: str, unused: frozenset[str]) -> View:
    picture = figure(
        bars([W("sgd.bar_before")], np.zeros(1), "", "@gray"),
        x=axis(W("sgd.axis_term")),
        y=axis(W("sgd.axis_square")),
    )
    return View(
        picture,
        W("sgd.proof_caption_far", loss=loss_word(loss), schedule=schedule_word(schedule)),
        table={"steps": [1]},
        notes=[W("sgd.broken_finite")],
        unused=unused,
    )


def _one_figure(step: sgd_bounds.ProofStep) -> Figure:
    """Return step 1 as a waterfall: what is added up, what comes out, what projection leaves."""
    names = ("before", "cross", "square", "moved", "after")
    values = [getattr(step, name) for name in names]
    bases = [0.0, step.before, step.before + step.cross, 0.0, 0.0]
    colors = ["@gray", "@blue", "@orange", "@gray", "@sky"]
    heights = np.array(values)
    return figure(
        bars(
            [W(f"sgd.bar_{name}") for name in names],
            heights,
            "",
            base=compact(np.array(bases)),
            marker={"color": colors},
            text=[f"{value:.3g}" for value in values],
            textposition="outside",
            cliponaxis=False,
        ),
        x=axis(W("sgd.axis_term"), tickangle=0, tickfont={"size": 11}),
        y=axis(W("sgd.axis_square"), rangemode="tozero"),
        title=W("sgd.title_one", t=step.t),
        height=360,
    )


def _slack_figure(terms: sgd_bounds.Proof, t: int) -> Figure:
    steps = np.arange(1, len(terms.eta) + 1)
    curves = {
        "projection": terms.projection / (2 * terms.eta),
        "convexity": terms.convexity,
        "abel": terms.abel,
        "gradient": terms.gradient,
    }
    at = sgd.recorded_steps(len(steps), POINTS) - 1
    names = {name: W(f"sgd.slack_{name}") for name in curves}
    later = np.stack([np.append(v[1:], 0.0) if n == "abel" else v for n, v in curves.items()])
    low, high = float(later.min()), float(later.max())
    height: dict[str, Any] = {}
    if curves["abel"][0] > 3 * high > 0:  # the first one would hide all others
        names["abel"] = W("sgd.slack_abel_first", value=float(curves["abel"][0]))
        height = {"range": [1.1 * low - 0.05 * high, 1.15 * high]}
    return figure(
        *(
            line(steps[at], values[at], names[name], COLORS[name], width=1.5)
            for name, values in curves.items()
        ),
        x=axis(W("sgd.axis_step"), range=[1, max(len(steps), 2)]),
        y=axis(W("sgd.axis_slack"), **height),
        marks=[vertical(t, f"t = {t}", "@red")],
        title=W("sgd.title_slack"),
        height=360,
    )


def _sums_figure(terms: sgd_bounds.Proof, t: int) -> Figure:
    """Return the regret and the slacks on top of it, up to the bound: nothing is left over."""
    steps = np.arange(1, len(terms.eta) + 1)
    at = sgd.recorded_steps(len(steps), POINTS) - 1
    parts = {
        "projection": terms.projection / (2 * terms.eta),
        "convexity": terms.convexity,
        "abel": terms.abel,
        "gradient": terms.gradient,
    }
    level = np.cumsum(terms.regret)
    traces = [line(steps[at], level[at], W("sgd.sum_regret"), "@blue", fill="tozeroy")]
    for name, values in parts.items():
        level = level + np.cumsum(values)
        traces.append(
            line(
                steps[at], level[at], W(f"sgd.slack_{name}"), COLORS[name], width=1, fill="tonexty"
            )
        )
    level = level + terms.final
    traces.append(
        line(steps[at], level[at], W("sgd.sum_final"), COLORS["final"], width=1, fill="tonexty")
    )
    traces.append(line(steps[at], terms.bound[at], W("sgd.sum_bound"), "@red", dash="dash"))
    return figure(
        *traces,
        x=axis(W("sgd.axis_step"), range=[1, max(len(steps), 2)]),
        y=axis(W("sgd.axis_sum")),
        marks=[vertical(t, "", "@red")],
        title=W("sgd.title_sums"),
        wide=True,
        height=420,
    )


def _readings(step: sgd_bounds.ProofStep, diameter: float, loss: str) -> list[Reading]:
    """Return the proof as a checklist, each line at this step or summed up to it."""
    size = abs(step.before) + abs(step.cross) + abs(step.square) + abs(step.moved)
    total = abs(step.bound) + abs(step.sum_regret)
    fine, loose = 1e-12 + 1e-9 * size, 1e-12 + 1e-9 * total
    left = step.before + step.cross + step.square
    convex = W("sgd.note_why_convex") if step.convexity_slack < -fine else None
    late = step.sum_telescope - diameter * diameter / (2 * step.eta) > loose
    steep = step.sum_regret - step.bound > loose
    return [
        equal(W("sgd.line_expand"), left, step.moved, fine),
        at_most(W("sgd.line_project"), step.after, step.moved, fine),
        at_least(
            W("sgd.line_convex"), step.convexity_slack, 0.0, 1e-12 + 1e-9 * total, note=convex
        ),
        at_most(
            W("sgd.line_telescope"),
            step.sum_telescope,
            diameter * diameter / (2 * step.eta),
            loose,
            note=W("sgd.note_why_telescope") if late else None,
        ),
        at_most(W("sgd.line_gradient"), step.sum_noise, step.sum_noise + step.sum_gradient, loose),
        equal(
            W("sgd.line_closing"),
            step.sum_regret + _slack_sum(step) + step.final,
            step.bound,
            loose,
        ),
        at_most(
            W("sgd.line_result", t=step.t),
            step.sum_regret,
            step.bound,
            loose,
            note=W("sgd.note_why_result") if steep else None,
        ),
    ]


def _slack_sum(step: sgd_bounds.ProofStep) -> float:
    return float(sum(getattr(step, f"sum_{name}") for name in SLACKS))


def _notes(
    terms: sgd_bounds.Proof,
    n_steps: int,
    proven: bool,
    step: sgd_bounds.ProofStep,
    loss: str,
    schedule: str,
) -> list[Word]:
    notes = []
    if len(terms.eta) < n_steps:
        cut = "sgd.note_zero_step" if schedule == "linear_decay_to_zero" else "sgd.note_cut"
        notes.append(W(cut, steps=len(terms.eta)))
    if not proven:
        notes.append(W("sgd.note_observed"))
    if np.any(terms.convexity < -1e-9 * (1 + np.abs(terms.regret))):
        notes.append(W("sgd.broken_convex"))
    if schedule in ("rising", "warmup_decay"):
        notes.append(W("sgd.broken_non_increasing"))
    return notes


def _table(terms: sgd_bounds.Proof) -> dict[str, Any]:
    names = ("before", "cross", "square", "moved", "after", "regret", *SLACKS, "bound")
    return {
        "steps": np.arange(1, len(terms.eta) + 1),
        **{f"proof_{name}": getattr(terms, name) for name in names},
    }


def _pick(values: Values, point: Mapping[str, Any]) -> dict[str, Any]:
    """Return the step that was clicked on."""
    if point.get("figure") not in ("slack", "sums"):
        return {}
    return {"t": max(1, min(values["n_steps"], MOST, round(float(point["x"]))))}


PANEL = Panel(
    proof,
    proof_controls,
    (
        Preset(
            "tight",
            {"loss": "norm", "dim": 1, "projected": False, "n_steps": 64, "t": 64, "kink": "plus"},
        ),
        Preset("sqrt", {"schedule": "inverse_sqrt", "t": 60}),
        Preset("bounce", {"alpha": 8, "t": 5}),
        Preset("not_convex", {"loss": "double_well", "dim": 1, "radius": 2, "start": 0.1, "t": 6}),
        Preset("rising", {"schedule": "rising", "alpha": 3, "t": 60}),
    ),
    _pick,
)
