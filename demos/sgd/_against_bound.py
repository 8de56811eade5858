"""Panel: many runs at once, every measured quantity beside its bound, and who broke it."""

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from demos.controls import Choice, Control, Flag, Integer, Text, Upload
from demos.figures import Figure, Trace, axis, dots, drawing, figure, line, vertical
from demos.panel import Panel, Preset
from demos.sgd._common import (
    ALPHA,
    DRAWN_TEXT,
    LOSS,
    NOISE,
    OWN,
    PILOTED,
    PROJECTED,
    RADIUS,
    SCALED,
    SEED,
    START,
    WITHOUT_DATA,
    Floats,
    Source,
    about,
    bound_word,
    broken_words,
    by_hand,
    claims_of,
    first_claims,
    kept,
    log_range,
    loss_word,
    made_problem,
    positive,
    real_problem,
    recommended,
    refuse_cost,
    scaled,
    schedule_word,
    staged,
    start_point,
    uploaded_problem,
)
from demos.view import Reading, View, shown
from demos.words import W, Word
from models import sgd, sgd_bounds, sgd_schedules

QUICK_SEEDS, QUICK_STEPS, QUICK_CELLS = 10, 2000, 4e6
PILOT_SEEDS = 8
RECORDS = 100
PICTURES = 25  # views of one run, at least
PAUSE_WORK = 1.5e7  # coordinates and losses between two views, well under a second
MOST_CELLS = 3.3e9  # T x seeds x batch x d of one run, under two minutes
MOST_ROW = 20_000  # seeds x batch of one step
SIGMAS = 4.0  # standard errors granted to a mean over the seeds
COLORS = ("@orange", "@purple", "@green", "@olive")
SHOWN = {  # what is measured, and where it is drawn
    "average_regret": "regret",
    "last_gap": "last",
    "average_gap": "point",
    "weighted_gap": "weighted",
}


def against_bound_controls() -> dict[str, Control]:
    """Return the controls of ``against_bound``."""
    return {
        "data": Choice(default="made", options=("made", *sgd.DATASETS, "upload", "adversary")),
        "upload": Upload(),
        "standardise": Flag(default=True),
        "loss": LOSS,
        "adversary": Choice(default="orthogonal", options=sgd.ADVERSARIES),
        "dim": Integer(default=2, low=1, high=sgd.MAX_DIM, log=True),
        "projected": PROJECTED,
        "radius": RADIUS,
        "schedule": Choice(default="constant", options=(*SCALED, "adagrad", *PILOTED, *OWN)),
        "alpha": ALPHA,
        "own": Text(default="0.2 0.1 0.05 0.02", length=4000),
        "drawn": DRAWN_TEXT,
        "n_steps": Integer(default=1000, low=2, high=sgd.MAX_RUN_STEPS, log=True),
        "n_seeds": Integer(default=200, low=1, high=sgd.MAX_SEEDS, log=True),
        "batch_size": Integer(default=1, low=1, high=256, log=True, advanced=True),
        "order": Choice(default="random", options=sgd.ORDERS, advanced=True),
        "start": START,
        "n_samples": Integer(default=200, low=2, high=1000, log=True, advanced=True),
        "noise": NOISE,
        "seed": SEED,
    }


def against_bound(
    data: str,
    upload: str | None,
    standardise: bool,
    loss: str,
    adversary: str,
    dim: int,
    projected: bool,
    radius: float,
    schedule: str,
    alpha: float,
    own: str,
    drawn: str,
    n_steps: int,
    n_seeds: int,
    batch_size: int,
    order: str,
    start: float,
    n_samples: int,
    noise: float,
    seed: int,
) -> Iterator[View]:
    """Run SGD from many seeds and hold every measured quantity against its bound.

    Args:
        data: made, a bundled data set, upload, or adversary (losses chosen against the iterate).
        upload: Path of a csv, txt or npy file; its last column is the target.
        standardise: Whether columns get mean 0 and variance 1.
        loss: Loss of one sample.
        adversary: How the adversary chooses.
        dim: Dimension d of made problems and adversaries.
        projected: Whether every iterate is projected onto the ball.
        radius: Of the ball around 0; its diameter is R.
        schedule: Form of the steps eta_t.
        alpha: Their size, in units of the recommended one.
        own: Steps, each held for an equal part of the run.
        drawn: Steps drawn by hand.
        n_steps: T.
        n_seeds: Independent runs.
        batch_size: Samples per step.
        order: How samples are drawn.
        start: First coordinate of theta_1; the others are 0.
        n_samples: Size of made data.
        noise: Standard deviation of the noise of made data.
        seed: Seed of data and samples.

    Yields:
        A quick run of a few seeds first; then the full run as it grows.
    """
    study = _Study(dict(locals()))
    quick = study.settings(min(n_seeds, QUICK_SEEDS))
    enough = min(n_steps, QUICK_STEPS, max(1, QUICK_CELLS / study.cells(quick.n_seeds)))
    steps = study.schedule(study.norms(quick, enough))
    for run in sgd.stream(study.problem, steps, quick):
        if run.n_done >= enough:
            break
    first = study.view(run, 0.0)
    yield first
    if schedule in PILOTED:
        pilot = study.settings(min(n_seeds, PILOT_SEEDS))
        for run in sgd.stream(study.problem, study.pilot(), pilot):
            yield replace(first, progress=0.3 * run.n_done / n_steps)
        steps = study.schedule(run.gradient_rms)
    shown_at = 0
    for run in sgd.stream(study.problem, steps, study.settings(n_seeds)):
        if run.n_done - shown_at >= study.pause and run.n_done < n_steps:
            shown_at = run.n_done
            yield study.view(run, 0.3 + 0.7 * run.n_done / n_steps)
    yield study.view(run, None)


class _Study:
    """One problem with its schedule, under the values of the controls."""

    def __init__(self, given: Mapping[str, Any]) -> None:
        self.given = given
        self.radius = given["radius"] if given["projected"] else None
        self.problem = self._problem()
        self.start = start_point(self.problem, given["start"])
        self.claims = first_claims(self.problem, self.start)
        row = float(given["n_seeds"] * given["batch_size"])
        refuse_cost("sgd.batch_size", row, MOST_ROW, "smaller_batch")
        work = self.cells(given["n_seeds"]) * given["n_steps"]
        refuse_cost("sgd.n_steps", work, MOST_CELLS, "smaller_run")

    def _problem(self) -> Source:
        given, loss = self.given, self.given["loss"]
        if given["data"] == "adversary":
            dim = max(given["dim"], 2) if given["adversary"] == "orthogonal" else given["dim"]
            return sgd.Adversary(given["adversary"], dim, given["radius"])
        if given["data"] == "made" or loss in WITHOUT_DATA:
            made = (given["seed"], given["noise"], given["n_samples"])
            return made_problem(loss, given["dim"], self.radius, *made)
        if given["data"] == "upload":
            return uploaded_problem(given["upload"], loss, given["standardise"], self.radius)
        return real_problem(given["data"], loss, given["standardise"], self.radius)

    def cells(self, n_seeds: int) -> float:
        """Return the coordinates touched by one step."""
        return float(n_seeds * self.problem.dim * self.given["batch_size"])

    @property
    def pause(self) -> float:
        """Steps between two views of the full run."""
        row = self.given["n_seeds"] * self.given["batch_size"] * (self.problem.dim + 16)
        return min(float(self.given["n_steps"]) / PICTURES, PAUSE_WORK / float(row))

    def settings(self, n_seeds: int) -> sgd.Settings:
        """Return how a run of some seeds is made."""
        given = self.given
        start = None if isinstance(self.problem, sgd.Adversary) else self.start
        return sgd.Settings(
            given["n_steps"],
            n_seeds,
            given["batch_size"],
            given["order"],
            given["seed"],
            n_records=RECORDS,
            start=start,
        )

    def pilot(self) -> Floats:
        """Return the constant step of the first run, whose gradients are recorded."""
        n_steps = self.given["n_steps"]
        return scaled("constant", n_steps, recommended("constant", n_steps, self.claims))

    def norms(self, settings: sgd.Settings, enough: float) -> Floats:
        """Return gradient norms (n_done,) of a short first run, if the schedule needs any."""
        if self.given["schedule"] not in PILOTED:
            return np.ones(1)
        for run in sgd.stream(self.problem, self.pilot(), settings):
            if run.n_done >= enough:
                break
        return run.gradient_rms

    def schedule(self, norms: Floats) -> sgd_schedules.Schedule:
        """Return the steps; norms of a run that was cut short are stretched to T."""
        name, n_steps = self.given["schedule"], self.given["n_steps"]
        factor = self.given["alpha"]
        if name == "own":
            return staged(self.given["own"], n_steps)
        if name == "drawn":
            return by_hand(self.given["drawn"], n_steps)
        if name == "adagrad":
            return sgd_schedules.AdaGradNorm(factor * self.claims.R)
        if name in PILOTED:
            known = np.where(np.isfinite(norms), norms, 0)
            if not known.max() > 0:
                known = np.ones(1)
            known = np.minimum(known, 1e100)
            stretched = np.interp(np.linspace(0, 1, n_steps), np.linspace(0, 1, len(known)), known)
            smooth = sgd_schedules.smoothed_norms(stretched, 1 + 2 * min(n_steps // 40, 50))
            far = self.claims.first_distance or self.claims.R
            if name == "refined":
                return np.asarray(factor * sgd_schedules.refined_last_iterate(smooth, far))
            return np.asarray(factor * sgd_schedules.inverse_square(smooth, far))
        return scaled(name, n_steps, factor * recommended(name, n_steps, self.claims))

    @property
    def unused(self) -> frozenset[str]:
        """The controls without influence here."""
        given = self.given
        adversary = given["data"] == "adversary"
        free = adversary or given["loss"] in WITHOUT_DATA
        made = given["data"] == "made" and not free
        table = given["data"] not in ("made", "adversary") and not free
        return kept(
            {
                "upload": given["data"] == "upload" and not free,
                "standardise": table,
                "loss": not adversary,
                "adversary": adversary,
                "dim": not table,
                "projected": not adversary,
                "radius": adversary or given["projected"],
                "alpha": given["schedule"] not in OWN,
                "own": given["schedule"] == "own",
                "drawn": given["schedule"] == "drawn",
                "batch_size": not adversary,
                "order": not adversary,
                "start": not adversary,
                "n_samples": made,
                "noise": made,
            }
        )

    def view(self, run: sgd.Run, progress: float | None) -> View:
        """Return the view after some steps of a run."""
        with np.errstate(all="ignore"):
            return _Board(run, self).view(progress)


@dataclass(frozen=True)
class _Line:
    """One bound on one run."""

    name: str
    values: Floats  # (n_records,), the largest over the seeds where they differ
    full: Floats  # (n_records, 1) or (n_records, n_seeds)
    broken: tuple[str, ...]

    @property
    def bound(self) -> sgd_bounds.Bound:
        """What it bounds."""
        return sgd_bounds.BOUNDS[self.name]


class _Board:
    """A run with all bounds that are about it."""

    def __init__(self, run: sgd.Run, study: _Study) -> None:
        self.run, self.study, self.given = run, study, study.given
        self.claims, self.proven = claims_of(run, study.start)
        self.n = run.settings.n_seeds
        self.measured = {
            name: np.where(np.isfinite(values), values, math.inf)
            for name, values in ((n, getattr(run, n)) for n in (*SHOWN, "weighted_regret"))
        }
        self.is_adversary = isinstance(run.problem, sgd.Adversary)
        self.lines = list(self._lines())

    def _lines(self) -> Iterator[_Line]:
        for name, bound in sgd_bounds.BOUNDS.items():
            if self.is_adversary and bound.measured != "average_regret":
                continue
            broken = sgd_bounds.violated(name, self.run, self.claims)
            if not about(name, broken):
                continue
            with np.errstate(all="ignore"):
                full = sgd_bounds.evaluate(name, self.run, self.claims)
            yield _Line(name, full.max(axis=1), full, broken)

    def view(self, progress: float | None) -> View:
        """Return the view."""
        drawn = ("average_regret",) if self.is_adversary else tuple(SHOWN)
        figures = {SHOWN[name]: self._figure(name) for name in drawn}
        return View(
            {**figures, "schedule": self._schedule()},
            self._caption(),
            self._readings(),
            self._table(),
            notes=self._notes(),
            unused=self.study.unused,
            progress=progress,
        )

    def _caption(self) -> Word:
        run, given = self.run, self.given
        kind = W(f"sgd.adversary_{given['adversary']}")
        named = W("sgd.adversary_named", kind=kind)
        return W(
            "sgd.against_bound_caption",
            seeds=self.n,
            steps=run.n_done,
            loss=named if self.is_adversary else loss_word(given["loss"]),
            d=run.problem.dim,
            schedule=schedule_word(given["schedule"]),
            regret=float(np.median(self.measured["average_regret"][-1])),
        )

    def _figure(self, name: str) -> Figure:
        """Return one measured quantity, its spread over the seeds, and its bounds."""
        steps, values = self.run.steps, self.measured[name]
        low, middle, high = np.quantile(values, (0.1, 0.5, 0.9), axis=1, method="nearest")
        single = name == "average_regret"
        lines = [line_ for line_ in self.lines if line_.bound.measured == name]
        curves = [positive(low), positive(middle), positive(line_top := values.max(axis=1))]
        curves += [positive(entry.values) for entry in lines]
        main = middle if single else values.mean(axis=1)
        traces = [
            line(steps, positive(high), "", "@blue/0.0", width=0, hoverinfo="skip"),
            line(
                steps,
                positive(low),
                "",
                "@blue/0.0",
                width=0,
                fill="tonexty",
                fillcolor="@blue/0.18",
                hoverinfo="skip",
            ),
            line(
                steps, positive(main), W("sgd.median" if single else "sgd.mean"), "@blue", width=3
            ),
        ]
        if single:
            traces.append(line(steps, positive(line_top), W("sgd.worst"), "@blue", width=1))
        traces += [self._bound_trace(entry, i) for i, entry in enumerate(lines)]
        heights = log_range(curves)
        return figure(
            *traces,
            x=axis(W("sgd.axis_steps"), log=True, range=[0, math.log10(self.given["n_steps"])]),
            y=axis(W(f"sgd.axis_{SHOWN[name]}"), log=True, dtick=_ticks(heights), range=heights),
            marks=self._death(),
            title=W(f"sgd.title_{SHOWN[name]}"),
            wide=single,
            height=400,
            layout={"legend": {"traceorder": "normal"}},
        )

    def _bound_trace(self, entry: _Line, number: int) -> Trace:
        name = bound_word(entry.name)
        color = COLORS[number % len(COLORS)]
        if entry.broken:
            return line(
                self.run.steps,
                positive(entry.values),
                W("sgd.no_claim", bound=name),
                "@gray",
                dash="dot",
                width=1.5,
            )
        if np.isfinite(entry.values).sum() == 1:
            return dots(
                self.run.steps, positive(entry.values), name, color, size=11, symbol="diamond"
            )
        return line(self.run.steps, positive(entry.values), name, color, dash="dash")

    def _death(self) -> list[dict[str, Any]]:
        dead = self.run.died_at[self.run.died_at > 0]
        if not dead.size:
            return []
        return [vertical(int(dead.min()), W("sgd.mark_diverged"), "@red")]

    def _schedule(self) -> Figure:
        steps = self.run.steps
        eta = self.run.eta_at
        if not isinstance(self.run.eta, sgd_schedules.AdaGradNorm):
            steps = sgd.recorded_steps(self.given["n_steps"], 200)
            eta = self.run.eta[steps - 1][:, None]
        top = float(np.nanmax(eta[np.isfinite(eta)], initial=1e-12))
        return figure(
            line(steps, np.median(eta, axis=1), "", "@green"),
            x=axis(W("sgd.axis_step"), range=[0, 1.02 * self.given["n_steps"]]),
            y=axis(W("sgd.axis_eta"), range=[0, 1.15 * top]),
            title=W("sgd.title_schedule"),
            wide=True,
            height=220,
            drawn=drawing("drawn", schedule="drawn"),
        )

    def _readings(self) -> list[Reading]:
        rows = [self._verdict(entry) for entry in self.lines]
        proof = "sgd.note_proven" if self.proven else "sgd.note_observed"
        rows.append(shown(W("sgd.reading_G"), self.claims.G, W(proof)))
        rows.append(shown(W("sgd.reading_R"), self.claims.R, W(proof)))
        if not self.is_adversary:
            rows.append(
                shown(
                    W("sgd.reading_star"),
                    self.run.solution.loss,
                    W(f"sgd.star_{self.run.solution.claim}"),
                )
            )
        return rows

    def _verdict(self, entry: _Line) -> Reading:
        """Return how the runs stand to a bound: each of them, or their mean."""
        values, name = self.measured[entry.bound.measured], bound_word(entry.name)
        note = W("sgd.note_broken", names=broken_words(entry.broken)) if entry.broken else None
        if entry.bound.holds == sgd_bounds.EVERY_RUN:
            shares = sgd_bounds.violation_share(values, entry.full)
            share = float(np.nanmax(shares)) if np.isfinite(shares).any() else math.nan
            count = W("sgd.count", count=round((share if share == share else 0) * self.n), n=self.n)
            held = None if entry.broken or math.isnan(share) else share == 0
            return Reading(W("sgd.reading_above", bound=name), count, 0, "=", held, note=note)
        place = int(np.flatnonzero(~np.isnan(entry.values))[-1]) if _known(entry) else -1
        row = values[place]
        error = float(row.std(ddof=1)) / math.sqrt(self.n) if self.n > 1 else 0.0
        quantity = W("sgd.reading_mean", bound=name)
        mean, bound = float(row.mean()), float(entry.values[place])
        held = None
        if not entry.broken and _known(entry):
            worst = float(np.nanmax(sgd_bounds.mean_excess(values, entry.full)))
            held = worst <= SIGMAS
            note = W("sgd.note_sigmas", sigmas=SIGMAS)
        tolerance = SIGMAS * error if math.isfinite(error) else 0.0
        return Reading(quantity, mean, bound, "≤", held, tolerance, note)

    def _notes(self) -> list[Word]:
        run, notes = self.run, []
        dead = run.died_at[run.died_at > 0]
        if dead.size:
            notes.append(W("sgd.note_died", count=dead.size, n=self.n, step=int(dead.min())))
        broken = [name for entry in self.lines for name in entry.broken]
        notes += [W(f"sgd.broken_{name}") for name in sgd_bounds.ASSUMPTIONS if name in broken]
        if not self.is_adversary and self.given["loss"] in WITHOUT_DATA:
            if self.given["data"] != "made":
                notes.append(W("sgd.note_no_data"))
        if not self.is_adversary and run.solution.claim == "not_attained":
            notes.append(W("sgd.note_not_attained"))
        return notes

    def _table(self) -> dict[str, Any]:
        def spread(name: str) -> Floats:
            return self.measured[name]

        columns: dict[str, Any] = {
            "steps": self.run.steps,
            "regret_median": np.median(spread("average_regret"), axis=1),
            "regret_worst": spread("average_regret").max(axis=1),
        }
        if not self.is_adversary:
            for name in ("last_gap", "average_gap", "weighted_gap"):
                columns[f"{name}_mean"] = spread(name).mean(axis=1)
        return {**columns, **{f"bound_{entry.name}": entry.values for entry in self.lines}}


def _known(entry: _Line) -> bool:
    return bool(np.any(~np.isnan(entry.values)))


def _ticks(heights: list[float]) -> int:
    return max(1, round((heights[1] - heights[0]) / 6))


PANEL = Panel(
    against_bound,
    against_bound_controls,
    (
        Preset("decay", {"loss": "noisy_norm", "schedule": "linear_decay_to_zero"}),
        Preset("adversary", {"data": "adversary", "n_seeds": 20}),
        Preset("real", {"data": "breast_cancer", "loss": "logistic", "schedule": "inverse_sqrt"}),
        Preset("strongly_convex", {"loss": "centre", "schedule": "inverse_time", "noise": 0.5}),
        Preset("refined", {"loss": "huber", "schedule": "refined", "dim": 8, "noise": 0.5}),
        Preset("diverges", {"loss": "squares", "projected": False, "alpha": 300, "n_seeds": 50}),
    ),
)
