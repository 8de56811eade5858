"""Panel: a schedule drawn by hand, its bounds at once, and refined by its own gradients."""

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import lru_cache
from typing import Any

import numpy as np

from demos.controls import Choice, Control, Flag, Integer, Text
from demos.figures import Figure, axis, bars, drawing, figure, line
from demos.panel import Panel, Preset
from demos.sgd._common import (
    DRAWN_TEXT,
    NOISE,
    SCALED,
    SEED,
    START,
    Floats,
    by_hand,
    first_claims,
    kept,
    log_range,
    made_problem,
    positive,
    staged,
    start_point,
)
from demos.view import Reading, View, at_most, equal, shown
from demos.words import W, Word
from models import sgd, sgd_bounds, sgd_schedules

LOSSES = ("absolute", "hinge", "logistic", "huber", "noisy_norm", "norm")
RIVALS = ("constant", "inverse_sqrt", "linear_decay", "cosine", "warmup_decay", "step")
RUN_AGAINST = ("constant", "linear_decay")
KINDS = ("eq10", "part6", "schedule_only")
COLORS = {"eq10": "@blue", "part6": "@green", "schedule_only": "@orange"}
RUN_COLORS = {"mine": "@blue", "refined": "@red", "constant": "@gray", "linear_decay": "@green"}
SIGMAS = 4.0
FIRST_BETTER = 18


def designer_controls() -> dict[str, Control]:
    """Return the controls of ``designer``."""
    return {
        "schedule": Choice(default="drawn", options=("drawn", "own", *SCALED)),
        "drawn": DRAWN_TEXT,
        "own": Text(default="0.4 0.2 0.1 0.05", length=4000),
        "tuned": Flag(default=True),
        "loss": Choice(default="absolute", options=LOSSES),
        "dim": Integer(default=8, low=1, high=sgd.MAX_DIM, log=True),
        "n_steps": Integer(default=400, low=3, high=3000, log=True),
        "n_seeds": Integer(default=100, low=2, high=500, log=True),
        "start": START,
        "noise": NOISE,
        "seed": SEED,
    }


def designer(
    schedule: str,
    drawn: str,
    own: str,
    tuned: bool,
    loss: str,
    dim: int,
    n_steps: int,
    n_seeds: int,
    start: float,
    noise: float,
    seed: int,
) -> Iterator[View]:
    """Rank a schedule among the usual ones, then run it, refine it and run it again.

    Args:
        schedule: drawn, own, or a ready form.
        drawn: Heights drawn by hand, evenly spaced over the run.
        own: Steps, each held for an equal part of the run.
        tuned: Whether only the form counts and its size is the best for its bound.
        loss: Loss of one sample, without a ball.
        dim: Dimension d.
        n_steps: T.
        n_seeds: Independent runs.
        start: First coordinate of theta_1.
        noise: Standard deviation of the noise of made data.
        seed: Seed of data and samples.

    Yields:
        The bounds first; with Run one run after the other, as they go on.
    """
    desk = _Desk(dict(locals()))
    view = desk.view(0.0)
    yield view
    names = ("mine", "refined", *RUN_AGAINST)
    for i, name in enumerate(names):
        for share in desk.run(name):
            yield replace(view, progress=(i + share) / len(names))
        view = desk.view((i + 1) / len(names))
        if name != names[-1]:
            yield view
    yield replace(view, progress=None)


def _ends(eta: Floats) -> Floats:
    """Return a schedule for eq10: theta_T does not know eta_T, so a last 0 may be any step."""
    return np.append(eta[:-1], eta[-2]) if eta[-1] == 0 else eta


def _eq10(eta: Floats) -> sgd_bounds.Terms:
    with np.errstate(all="ignore"):
        return sgd_bounds.eq10(_ends(eta), 1, 1, [len(eta)])


def _best_scale(eta: Floats) -> float:
    """Return the factor that is best for eq10 at D = G = 1, or 1 where there is none."""
    factor = float(sgd_bounds.best_scale(_eq10(eta))[0][0])
    return factor if 0 < factor < math.inf else 1.0


def _three(eta: Floats) -> dict[str, float]:
    """Return the three bounds at D = G = 1; NaN where a bound says nothing."""
    closed = np.append(eta[:-1], 0.0)
    values = {"eq10": float(_eq10(eta).total[0]), "part6": math.nan, "schedule_only": math.nan}
    if closed.sum() > 0:
        with np.errstate(all="ignore"):
            values["part6"] = sgd_bounds.weights_of_schedule(eta, 1, 1)[1]
    if np.all(closed[:-1] > 0):
        values["schedule_only"] = float(sgd_bounds.schedule_only(closed, 1, 1).total[0])
    return {name: v if math.isfinite(v) else math.nan for name, v in values.items()}


@lru_cache(maxsize=8)
def _rivals(n_steps: int) -> dict[str, tuple[float, dict[str, float]]]:
    """Return best scale and bounds of the ready schedules at D = G = 1."""
    found = {}
    for name in RIVALS:
        shape = sgd_schedules.SCALED[name](n_steps, 1.0)
        scale = _best_scale(shape)
        found[name] = (scale, _three(scale * shape))
    return found


@dataclass
class _Desk:
    """A schedule on a problem, its bounds, and the runs made so far."""

    given: Mapping[str, Any]
    runs: dict[str, sgd.Run] = field(default_factory=dict)

    def __post_init__(self) -> None:
        given = self.given
        made = (given["seed"], given["noise"])
        self.problem = made_problem(given["loss"], given["dim"], None, *made)
        self.start = start_point(self.problem, given["start"])
        self.claims = first_claims(self.problem, self.start)
        self.D = self.claims.first_distance or 1.0
        self.G = self.claims.G
        self.n_steps = given["n_steps"]
        self.rivals = _rivals(self.n_steps)
        unit = self.D / self.G  # of eta
        shape = self._shape()
        scaled = shape / unit
        self.mine = (_best_scale(scaled) if given["tuned"] else 1.0) * shape
        self.bounds = _three(self.mine / unit)
        self.eta: dict[str, Floats] = {"mine": self.mine}

    def _shape(self) -> Floats:
        name = self.given["schedule"]
        if name == "drawn":
            return by_hand(self.given["drawn"], self.n_steps)
        if name == "own":
            return staged(self.given["own"], self.n_steps)
        size = self.D / (self.G * math.sqrt(self.n_steps))
        return sgd_schedules.SCALED[name](self.n_steps, size)

    def tuned(self, name: str) -> Floats:
        """Return a ready schedule at its best scale."""
        scale = self.rivals[name][0] * self.D / self.G
        return sgd_schedules.SCALED[name](self.n_steps, scale)

    def refined(self) -> Floats:
        """Return the schedule that the recorded gradients ask for."""
        return sgd_schedules.refined_last_iterate(self.smooth, self.D)

    @property
    def smooth(self) -> Floats:
        """Smoothed gradient norms of the first run."""
        norms = self.runs["mine"].gradient_rms
        norms = np.minimum(np.where(np.isfinite(norms), norms, self.G), 1e50)
        norms = norms if norms.max() > 0 else np.full(len(norms), self.G)
        return sgd_schedules.smoothed_norms(norms, 1 + 2 * max(1, len(norms) // 40))

    @np.errstate(all="ignore")
    def run(self, name: str) -> Iterator[float]:
        """Run a schedule with the same samples as all others; yield the share done."""
        given = self.given
        settings = sgd.Settings(
            self.n_steps, given["n_seeds"], seed=given["seed"], n_records=120, start=self.start
        )
        made = {"mine": lambda: self.mine, "refined": self.refined}
        self.eta[name] = eta = made.get(name, lambda: self.tuned(name))()
        for run in sgd.stream(self.problem, eta, settings):
            yield run.n_done / self.n_steps
        self.runs[name] = run

    def _word(self, name: str) -> Word:
        return W(f"sgd.run_{name}" if name in ("mine", "refined") else f"sgd.short_{name}")

    @np.errstate(all="ignore")
    def view(self, progress: float | None) -> View:
        """Return the view after the runs made so far."""
        figures = {"schedule": self._schedule(), "rank": self._rank()}
        if self.runs:
            figures |= {"norms": self._norms(), "loss": self._losses()}
        return View(
            figures,
            W(
                "sgd.designer_caption",
                steps=self.n_steps,
                eq10=self.D * self.G * self.bounds["eq10"],
                best=self.D * self.G / math.sqrt(self.n_steps),
            ),
            self._readings(),
            self._table(),
            notes=self._notes(),
            unused=self._unused(),
            progress=progress,
        )

    def _unused(self) -> frozenset[str]:
        given = self.given
        return kept(
            {
                "drawn": given["schedule"] == "drawn",
                "own": given["schedule"] == "own",
                "noise": given["loss"] not in ("norm", "noisy_norm"),
            }
        )

    def _schedule(self) -> Figure:
        at = sgd.recorded_steps(self.n_steps, 200) - 1
        shown_eta = {**self.eta, "linear_decay": self.tuned("linear_decay")}
        top = max(float(eta.max()) for eta in shown_eta.values())
        top = min(top, 4 * max(float(self.mine.max()), 1e-12))
        return figure(
            *(
                line(
                    at + 1,
                    shown_eta[name][at],
                    self._word(name),
                    RUN_COLORS[name],
                    width=3 if name == "mine" else 1.5,
                    dash="solid" if name in ("mine", "refined") else "dash",
                )
                for name in ("mine", "refined", "linear_decay")
                if name in shown_eta
            ),
            x=axis(W("sgd.axis_step"), range=[1, self.n_steps]),
            y=axis(W("sgd.axis_eta"), range=[0, 1.2 * top]),
            title=W("sgd.title_draw"),
            height=340,
            wide=True,
            drawn=drawing("drawn", schedule="drawn"),
        )

    def _rank(self) -> Figure:
        """Return the three bounds of all schedules, the best by eq10 first."""
        rows = {"mine": self.bounds} | {name: known for name, (_, known) in self.rivals.items()}
        order = sorted(rows, key=lambda name: np.nan_to_num(rows[name]["eq10"], nan=math.inf))
        unit = self.D * self.G
        return figure(
            *(
                bars(
                    [W(f"sgd.short_{name}") for name in order],
                    np.array([unit * rows[name][kind] for name in order]),
                    W(f"sgd.bound_{kind}"),
                    COLORS[kind],
                )
                for kind in KINDS
            ),
            x=axis(W("sgd.column_schedule")),
            y=axis(W("sgd.axis_bound"), rangemode="tozero"),
            title=W("sgd.title_rank"),
            wide=True,
            height=340,
            layout={
                "barmode": "group",
                "bargap": 0.3,
                "shapes": [_level(unit / math.sqrt(self.n_steps))],
            },
        )

    def _norms(self) -> Figure:
        run = self.runs["mine"]
        at = sgd.recorded_steps(run.n_done, 200) - 1
        return figure(
            line(at + 1, run.gradient_rms[at], W("sgd.norms_raw"), "@blue/0.45", width=1),
            line(at + 1, self.smooth[at], W("sgd.norms_smooth"), "@blue", width=2.5),
            x=axis(W("sgd.axis_step")),
            y=axis(W("sgd.axis_norm"), rangemode="tozero"),
            title=W("sgd.title_norms"),
            height=340,
        )

    def _losses(self) -> Figure:
        curves = {
            name: (run.steps, positive(run.last_gap.mean(axis=1)))
            for name, run in self.runs.items()
        }
        heights = log_range([values for _, values in curves.values()], 5)
        return figure(
            *(
                line(steps, values, self._word(name), RUN_COLORS[name])
                for name, (steps, values) in curves.items()
            ),
            x=axis(W("sgd.axis_step")),
            y=axis(W("sgd.axis_last"), log=True, range=heights),
            title=W("sgd.title_last_runs"),
            height=340,
        )

    def _readings(self) -> list[Reading]:
        unit, rival = self.D * self.G, self.rivals["linear_decay"][1]["eq10"]
        least = unit / math.sqrt(self.n_steps)
        even = self.rivals["constant"][1]["eq10"]
        triangle = sgd_schedules.linear_decay_to_zero(self.n_steps, 1 / math.sqrt(self.n_steps))
        rows = [
            shown(
                W("sgd.reading_mine"),
                unit * self.bounds["eq10"],
                W("sgd.note_share", share=100 * self.bounds["eq10"] / rival),
            ),
            equal(
                W("sgd.reading_triangle"),
                unit * sgd_bounds.weights_of_schedule(triangle, 1, 1)[1],
                least,
                1e-3 * least,
            ),
        ]
        if self.n_steps >= FIRST_BETTER:
            rows.append(at_most(W("sgd.reading_decay"), unit * rival, unit * even))
        rows += [self._measured(name) for name in self.runs]
        if "refined" in self.runs:
            rows.append(self._gain())
        return rows

    def _measured(self, name: str) -> Reading:
        """Return the mean loss at the last point against the schedule's eq10."""
        run = self.runs[name]
        gaps = np.where(np.isfinite(run.last_gap[-1]), run.last_gap[-1], math.inf)
        mean = float(gaps.mean())
        error = SIGMAS * float(gaps.std(ddof=1)) / math.sqrt(len(gaps)) if mean < math.inf else 0.0
        word = W("sgd.reading_last_of", name=self._word(name))
        known = self.claims.first_distance > 0
        if name == "refined" or not known:
            return shown(word, mean)
        bounds = self.bounds if name == "mine" else self.rivals[name][1]
        bound = self.D * self.G * bounds["eq10"]
        return at_most(word, mean, bound, error, W("sgd.note_sigmas", sigmas=SIGMAS))

    def _gain(self) -> Reading:
        mine, refined = (float(self.runs[n].last_gap[-1].mean()) for n in ("mine", "refined"))
        word = W("sgd.reading_gain")
        return shown(word, mine / refined if refined > 0 else math.nan, W("sgd.note_gain"))

    def _table(self) -> dict[str, Any]:
        unit = self.D * self.G
        rows = {"mine": self.bounds} | {name: known for name, (_, known) in self.rivals.items()}
        names = [*rows, "refined"]
        empty = dict.fromkeys(KINDS, math.nan)
        last = [
            float(self.runs[n].last_gap[-1].mean()) if n in self.runs else math.nan for n in names
        ]
        return {
            "schedule": [self._word(name) for name in names],
            **{f"rank_{k}": [unit * rows.get(n, empty)[k] for n in names] for k in KINDS},
            "last_gap_mean": last,
        }

    def _notes(self) -> list[Word]:
        notes = []
        if self.claims.first_distance == 0:
            notes.append(W("sgd.note_start_is_best"))
        if not math.isfinite(self.bounds["eq10"]):
            notes.append(W("sgd.note_no_eq10"))
        if self.problem.solution.claim == "not_attained":
            notes.append(W("sgd.note_not_attained"))
        return notes


def _level(y: float) -> dict[str, Any]:
    """Return the line of R G / sqrt T across the ranking."""
    pen = {"color": "@red", "width": 1.5, "dash": "dash"}
    return {"type": "line", "xref": "paper", "x0": 0, "x1": 1, "y0": y, "y1": y, "line": pen}


PANEL = Panel(
    designer,
    designer_controls,
    (
        Preset("triangle", {"schedule": "linear_decay_to_zero"}),
        Preset("cyclic", {"drawn": "0.1 0.8 0.1 0.8 0.1 0.8 0.1 0.8 0.05"}),
        Preset("late", {"drawn": "0.05 0.1 0.2 0.3 0.5 0.7 0.9 1"}),
        Preset("huber", {"loss": "huber", "schedule": "constant", "noise": 0.5}),
        Preset("as_drawn", {"tuned": False}),
    ),
)
