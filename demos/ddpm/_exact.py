"""Panel: sampling with the denoiser that is exactly optimal, in one or two dimensions."""

import math
from collections.abc import Iterator
from dataclasses import replace
from functools import cached_property
from typing import Any

import numpy as np

from demos.controls import Choice, Control, Flag, Integer, Real, Text, Upload, refuse_cost
from demos.ddpm._common import ETA, RULE, SEED, SPACING
from demos.ddpm._exact_figures import pictures, steps
from demos.ddpm._exact_run import Outcome, Run, Setup, exact_end, four_rules, line_std
from demos.panel import Panel, Preset
from demos.view import Reading, View, at_most, equal, near, shown
from demos.words import W, Word
from models import ddpm, ddpm_exact, strokes

COUNTS = (5, 10, 20, 50, 100, 1000)
FIRST = (200, 50)  # particles and network calls of the first look
FIRST_COST = 5e6  # below it the first look makes all network calls
MOST_COST = 1.5e9  # of a run, in pairs of a particle and a component: about a minute
STUDY_COST = 2.5e8  # of the study, by fewer particles
FEWEST = 100  # particles of the study
SIGMAS = 4.0  # tolerance of sampling, in standard errors
ROUNDING = 1e-9
DRAWN = "-1 0.35 1 0.35;0 1.2 -0.05 0.2 -0.4 -0.5 -1 -1.1;0.02 0.3 0.4 -0.5 1 -1.1"
SMALL_START = 0.05  # below it two points are watched near the unstable middle
COLLAPSED = 0.01  # share of the data's variance
FOUR = ("exact_eta_0", "exact_eta_half", "exact_eta_1", "exact_sigma_b")
PROBE = 0.1  # start whose end is shown for two points


def exact_controls() -> dict[str, Control]:
    """Return the controls of ``exact``."""
    return {
        "data": Choice(default="moons", options=(*ddpm_exact.DATA_SETS, "drawn", "upload")),
        "drawn": Text(default=DRAWN, length=strokes.MAX_TEXT),
        "upload": Upload(),
        "standardise": Flag(default=True),
        "spread": Real(default=0.05, low=0, high=1, step=0.01),
        "rule": RULE,
        "eta": ETA,
        "noise_at_end": Flag(default=False),
        "n_visits": Integer(default=50, low=1, high=1000, log=True),
        "spacing": SPACING,
        "schedule": Choice(default="su", options=tuple(ddpm.SCHEDULES)),
        "n_samples": Integer(default=500, low=10, high=5000, log=True),
        "n_points": Integer(default=100, low=2, high=2000, log=True, advanced=True),
        "n_steps": Integer(default=1000, low=1, high=1000, log=True, advanced=True),
        "start_std": Real(default=1, low=0, high=3, step=0.01, advanced=True),
        "seed": SEED,
    }


def exact(
    data: str,
    drawn: str,
    upload: str | None,
    standardise: bool,
    spread: float,
    rule: str,
    eta: float,
    noise_at_end: bool,
    n_visits: int,
    spacing: str,
    schedule: str,
    n_samples: int,
    n_points: int,
    n_steps: int,
    start_std: float,
    seed: int,
) -> Iterator[View]:
    """Sample with the denoiser that is exactly optimal for the data, then study S.

    Args:
        data: A made set, drawn by hand, or uploaded.
        drawn: Strokes "x y x y;x y x y".
        upload: Path of a csv, txt or npy file of one or two columns.
        standardise: Whether an uploaded table is centred and scaled to size 1.
        spread: Standard deviation of a Gaussian blur of points.
        rule: ddim, ddpm, ddpm_b (sigma = b) or greedy.
        eta: Noise of ddim in units of beta-tilde.
        noise_at_end: Whether ddpm_b adds noise in the step to time 0.
        n_visits: S, network calls.
        spacing: Which times are visited.
        schedule: How the noise grows.
        n_samples: Particles.
        n_points: Points of a curve or a drawing.
        n_steps: T.
        start_std: Standard deviation of x_T.
        seed: Seed of the particles.

    Yields:
        A first look at few particles; with Run all of them, then one S after the other.
    """
    bench = _Bench(Setup(dict(locals())))
    view = bench.first_look()
    yield view
    for share in bench.run_all():
        yield replace(view, progress=share, plays=False)
    view = bench.view()
    for share, is_new in bench.study():
        view = bench.view() if is_new else view
        yield replace(view, progress=share)
    yield replace(bench.view(), plays=True)


class _Bench:
    """The run on screen and the study of S so far."""

    def __init__(self, setup: Setup) -> None:
        self.setup, self.given = setup, setup.given
        self.n = int(self.given["n_samples"])
        cost = setup.cost(setup.n_visits, self.n)
        named = W("ddpm.exact_unit_pairs"), W("ddpm.exact_advice")
        refuse_cost(W("ddpm.exact_n_samples"), cost, MOST_COST, *named)
        self.counts = sorted({S for S in COUNTS if setup.n_steps >= S} | {setup.n_visits})
        chances = [S for S in self.counts if setup.can(S)]
        free = STUDY_COST / sum(chances) / setup.data.size
        self.few = int(min(self.n, max(FEWEST, free)))
        self.chances = [S for S in chances if S != setup.n_visits or self.few != self.n]
        self.whole = cost + sum(setup.cost(S, self.few) for S in self.chances)
        self.done = 0.0
        self.rows: dict[int, Outcome] = {}
        self.run: Run

    def first_look(self) -> View:
        """Return the view of a few particles, of fewer steps where these would take long."""
        setup, n = self.setup, min(self.n, FIRST[0])
        calls = (
            setup.n_visits
            if setup.cost(setup.n_visits, n) <= FIRST_COST
            else min(setup.n_visits, FIRST[1])
        )
        fitting = (FIRST_COST / calls - setup.cost(1, 0)) / setup.data.size
        n = int(min(n, max(fitting, 40)))
        self.run = Run(setup, calls, min(n, self.n), is_lenient=True)
        for _ in self.run.go():
            pass
        return replace(self.view(), progress=0.0, plays=True)

    def run_all(self) -> Iterator[float]:
        """Run all particles; yield the share of all work done."""
        run = Run(self.setup, self.setup.n_visits, self.n)
        for work in run.go():
            self.done += work
            yield self._share
        self.run = run
        self.done = self.setup.cost(self.setup.n_visits, self.n)
        if self.few == self.n:
            self.rows[self.setup.n_visits] = run.outcome

    def study(self) -> Iterator[tuple[float, bool]]:
        """Run one S after the other; yield the share done and whether a row is new."""
        for calls in self.chances:
            run = Run(self.setup, calls, self.few)
            for work in run.go():
                self.done += work
                yield self._share, False
            self.rows[calls] = run.outcome
            yield self._share, True

    @property
    def _share(self) -> float:
        return min(self.done / self.whole, 1.0)

    @property
    def is_first_look(self) -> bool:
        """Whether not all that was asked for has been run."""
        return (self.run.plan.n_visits, self.run.n) != (self.setup.n_visits, self.n)

    @cached_property
    def exact_rows(self) -> dict[int, tuple[float, float]]:
        """Exact final mean and variance by S, where all is linear."""
        if not self.setup.is_line:
            return {}
        return {S: exact_end(self.setup, S) for S in {*self.counts, self.run.plan.n_visits}}

    @property
    def four(self) -> Any:
        """Exact final variance from N(0, 1) of four rules, (n_counts, 4)."""
        given, data = self.given, self.setup.data
        mean, std = float(data.means[0, 0]), line_std(data)
        chosen = given["schedule"], self.setup.n_steps, given["spacing"]
        return four_rules(*chosen, mean, std, tuple(self.counts))

    def view(self) -> View:
        """Return the view of the run and the rows so far."""
        is_line, run = self.setup.is_line, self.run
        study = (self.counts, self.four) if is_line else None
        row = run.outcome
        return View(
            pictures(run, list(self.rows.values()), study),
            W(
                "ddpm.exact_caption",
                n=run.n,
                data=W(f"ddpm.exact_data_{self.given['data']}"),
                rule=W(f"ddpm.rule_{self.given['rule']}"),
                S=run.plan.n_visits,
                distance=row.distance,
                floor=row.floor,
            ),
            self.readings(),
            self._table(),
            notes=self.notes(),
            unused=self._unused(),
            steps=steps(run),
        )

    def _table(self) -> dict[str, Any]:
        setup, empty = self.setup, Outcome(0, *[math.nan] * 4)
        rows = [self.rows.get(S, empty) for S in self.counts]
        first = [int(setup.times(S)[0]) for S in self.counts]
        table: dict[str, Any] = {
            "exact_n_visits": self.counts,
            "exact_first_time": first,
            "exact_first_signal": setup.schedule.A[first],
            "exact_distance": [row.distance for row in rows],
            "exact_floor": [row.floor for row in rows],
            "exact_variance": [row.variance for row in rows],
        }
        if setup.is_line:
            table["exact_theory"] = [self.exact_rows[S][1] for S in self.counts]
            table |= dict(zip(FOUR, self.four.T, strict=True))
        return table

    def _unused(self) -> frozenset[str]:
        given, kind = self.given, self.given["data"]
        reads = {
            "drawn": kind == "drawn",
            "upload": kind == "upload",
            "standardise": kind == "upload",
            "n_points": kind == "drawn" or kind in ddpm_exact.CURVES,
            "spread": kind not in ("normal", "gaussian", "slanted", "mixture"),
            "eta": given["rule"] == "ddim",
            "noise_at_end": given["rule"] == "ddpm_b",
        }
        return frozenset(name for name, needed in reads.items() if not needed)

    # --- Readings

    def readings(self) -> list[Reading]:
        """Return theory beside measurement."""
        row = self.run.outcome
        rows = [
            Reading(
                W("ddpm.exact_reading_distance"),
                row.distance,
                row.floor,
                "≈",
                note=W("ddpm.exact_note_floor"),
            )
        ]
        rows += self._line() if self.setup.is_line else [self._kept()]
        rows += [*self._points(), *self._times()]
        rows.append(self._alone())
        return rows

    def _kept(self) -> Reading:
        """Return how much of the data's variance is left."""
        variance = self.setup.variance
        share = self.run.outcome.variance / variance if variance else math.nan
        note = "greedy" if self.given["rule"] == "greedy" else "spread"
        return shown(W("ddpm.exact_reading_kept"), share, W(f"ddpm.exact_note_{note}"))

    def _line(self) -> list[Reading]:
        """Return mean, variance and single ends against the closed form."""
        run, setup, given = self.run, self.setup, self.given
        if not setup.can(run.plan.n_visits):
            return []
        mean, variance = self.exact_rows[run.plan.n_visits]
        row, n = run.outcome, run.n
        note = W("ddpm.exact_note_sigmas", sigmas=SIGMAS, n=n)
        slack = SIGMAS * math.sqrt(variance / n) + ROUNDING
        wide = SIGMAS * variance * math.sqrt(2 / (n - 1)) + ROUNDING**2
        rows = [
            near(W("ddpm.exact_reading_mean"), row.mean, mean, slack, note),
            near(W("ddpm.exact_reading_variance"), row.variance, variance, wide, note),
        ]
        if given["rule"] == "greedy" and given["data"] == "normal":
            shrunk = (run.plan.end_signal * given["start_std"]) ** 2
            word, why = W("ddpm.exact_reading_greedy"), W("ddpm.exact_note_greedy")
            rows.append(equal(word, variance, shrunk, ROUNDING * shrunk, why))
        if run.plan.sigma.any():
            return rows
        rows.append(self._straight(mean))
        if given["rule"] == "ddim" and line_std(setup.data) > 0:
            rows += self._flow()
        return rows

    def _straight(self, mean: float) -> Reading:
        """Return how far the ends lie from a straight line in the starts."""
        run, data = self.run, self.setup.data
        exact = ddpm_exact.gaussian_run(run.plan, float(data.means[0, 0]), line_std(data))
        gap = np.abs(run.end - mean - exact.slopes[-1] * run.start).max()
        slack = ROUNDING * self.setup.reach
        return equal(
            W("ddpm.exact_reading_straight", slope=float(exact.slopes[-1])), float(gap), 0.0, slack
        )

    def _flow(self) -> list[Reading]:
        """Return where a start at 1 ends, against the flow of endlessly many steps."""
        end, flow = self._flow_end(self.run.plan.n_visits)
        setup = self.setup
        word, note = W("ddpm.exact_reading_flow"), W("ddpm.exact_note_flow", gap=abs(end - flow))
        rows = [Reading(word, end, flow, "≈", note=note)]
        if setup.n_steps >= 1000 and self.given["spacing"] == "trailing":
            gaps = [abs(end - flow) for end, flow in map(self._flow_end, (100, 1000))]
            slope = math.log10(gaps[1] / gaps[0]) if min(gaps) > ROUNDING else math.nan
            rows.append(
                near(W("ddpm.exact_reading_order"), slope, -1, 0.15, W("ddpm.exact_note_order"))
            )
        return rows

    def _flow_end(self, n_visits: int) -> tuple[float, float]:
        setup = self.setup
        plan, data = setup.plan(n_visits, is_lenient=True), setup.data
        mean, std = float(data.means[0, 0]), line_std(data)
        end = ddpm_exact.gaussian_run(plan, mean, std, 1.0, 0.0).means[-1]
        flow = ddpm_exact.gaussian_flow(data, setup.schedule, [[1.0]], int(plan.t[0]))
        return float(end), float(flow[0, 0])

    def _points(self) -> list[Reading]:
        """Return what is known of one point and of two."""
        run, setup, rows = self.run, self.setup, []
        kind, data = self.given["data"], self.setup.data
        if data.size == 1 and not data.has_density and not run.plan.sigma[-1]:
            gap = float(np.abs(run.end - data.means[0]).max())
            word = W("ddpm.exact_reading_point", S=run.plan.n_visits)
            rows.append(equal(word, gap, 0.0, ROUNDING * setup.reach))
        if kind == "two_points" and setup.is_deterministic:
            start, end = run.start[:, 0], run.end[:, 0]
            same = int(np.sum(np.sign(start) == np.sign(end)))
            word = W("ddpm.exact_reading_sign")
            rows.append(equal(word, same, run.n, 0.0, W("ddpm.exact_note_sign")))
            word = W("ddpm.exact_reading_probe", start=PROBE, S=run.plan.n_visits)
            rows.append(shown(word, run.end_of(PROBE)))
        return rows

    def _times(self) -> list[Reading]:
        """Return the first visited time against T, and eta against its limit."""
        setup, plan = self.setup, self.setup.plan(self.setup.n_visits)
        missed = W("ddpm.exact_note_first", t=int(plan.t[0]), A=plan.end_signal)
        late = int(plan.t[0]) < setup.n_steps
        word = W("ddpm.exact_reading_first")
        rows = [equal(word, int(plan.t[0]), setup.n_steps, 0.0, missed if late else None)]
        if self.given["rule"] == "ddim":
            rows.append(at_most(W("ddpm.exact_reading_eta"), self.given["eta"], setup.eta_limit))
        return rows

    def _alone(self) -> Reading:
        """Return whether a particle goes the same way without the others."""
        number = min(7, self.run.n - 1)
        gap = float(np.abs(self.run.alone(number) - self.run.end[number]).max())
        slack = 1e3 * ROUNDING * self.setup.reach
        return equal(W("ddpm.exact_reading_alone", number=number), gap, 0.0, slack)

    # --- Notes

    def notes(self) -> list[Word]:
        """Return what stands out."""
        run, setup, given = self.run, self.setup, self.given
        signal = setup.plan(setup.n_visits).end_signal
        size = float(np.abs(setup.data.means).max())
        notes = []
        if self.is_first_look:
            asked = {"n_all": self.n, "S_all": setup.n_visits}
            notes.append(W("ddpm.exact_note_first_look", n=run.n, S=run.plan.n_visits, **asked))
        if self.few < self.n and self.rows:
            notes.append(W("ddpm.exact_note_fewer", n=self.few, n_all=self.n))
        if signal > ddpm.LOUD_END:
            notes.append(W("ddpm.exact_note_loud", A=signal, limit=ddpm.LOUD_END))
        elif signal * size > ddpm.LOUD_END:
            notes.append(W("ddpm.exact_note_scale", A=signal, size=size, reach=signal * size))
        if given["data"] == "two_points" and given["start_std"] < SMALL_START:
            notes.append(W("ddpm.exact_note_unstable"))
        if run.outcome.variance < COLLAPSED * setup.variance:
            notes.append(W("ddpm.exact_note_collapsed", share=run.outcome.variance))
        if len(self.chances) < len(self.counts) - 1:
            notes.append(W("ddpm.exact_note_impossible", eta=given["eta"]))
        return notes


PANEL = Panel(
    exact,
    exact_controls,
    (
        Preset("greedy", {"data": "normal", "rule": "greedy"}),
        Preset("ring", {"data": "ring", "rule": "ddpm", "n_visits": 100}),
        Preset("shrink", {"data": "normal", "n_visits": 10}),
        Preset(
            "sigma_hat", {"data": "normal", "rule": "ddpm_b", "n_visits": 10, "noise_at_end": True}
        ),
        Preset("leading", {"data": "gaussian", "spacing": "leading", "n_visits": 600}),
        Preset(
            "two_points", {"data": "two_points", "spread": 0, "n_visits": 10, "start_std": 0.01}
        ),
        Preset("short", {"data": "gaussian", "n_steps": 50}),
        Preset("memory", {"data": "spiral", "spread": 0, "n_points": 16, "n_visits": 250}),
        Preset("drawn", {"data": "drawn", "rule": "ddpm", "n_visits": 100, "n_samples": 1000}),
    ),
)
