"""Panel: one assumption after the other taken away, named, and what happens instead."""

import math
from functools import lru_cache
from typing import Any

import numpy as np

from demos.controls import Choice, Control, Integer, Real
from demos.figures import Figure, Trace, axis, figure, horizontal, line, vertical
from demos.panel import Panel, Preset
from demos.sgd._common import (
    ALPHA,
    LOSSES,
    PROJECTED,
    RADIUS,
    SEED,
    START,
    bound_word,
    broken_words,
    first_claims,
    kept,
    log_range,
    loss_word,
    made_problem,
    positive,
    recommended,
    scaled,
    schedule_word,
    start_point,
)
from demos.view import Reading, View
from demos.words import W, Word
from models import sgd, sgd_bounds

SEEDS = 8
RECORDS = 40
NOISY = 0.2
NAMES = ("core", "last_iterate")
SCHEDULES = ("constant", "inverse_sqrt", "inverse_time", "linear_decay", "warmup_decay", "rising")


def break_it_controls() -> dict[str, Control]:
    """Return the controls of ``break_it``."""
    return {
        "loss": Choice(default="absolute", options=LOSSES),
        "projected": PROJECTED,
        "radius": RADIUS,
        "schedule": Choice(default="constant", options=SCHEDULES),
        "alpha": ALPHA,
        "claimed_g": Real(default=1, low=0.01, high=10, log=True),
        "star": Choice(default="ball", options=("ball", "free"), radio=True),
        "n_steps": Integer(default=150, low=2, high=2000, log=True),
        "start": START,
        "seed": SEED,
    }


def break_it(
    loss: str,
    projected: bool,
    radius: float,
    schedule: str,
    alpha: float,
    claimed_g: float,
    star: str,
    n_steps: int,
    start: float,
    seed: int,
) -> View:
    """Run with assumptions taken away: which are broken, and whether the bound still held.

    Args:
        loss: Loss of one sample.
        projected: Whether every iterate is projected onto the ball.
        radius: Of the ball around 0; its diameter is claimed as R.
        schedule: Form of the steps eta_t.
        alpha: Their size, in units of the recommended one.
        claimed_g: Claimed G, in units of the true one on the ball.
        star: Whether theta* is the best point of the ball, or of all points (free).
        n_steps: T.
        start: First coordinate of theta_1.
        seed: Seed of data and samples.
    """
    given = (loss, projected, radius, schedule, alpha, n_steps, start, seed)
    run, true_g = _run(*given, star)
    distance = float(run.distance[0, 0])
    diameter = 2 * radius
    claims = sgd_bounds.Claims(
        diameter, max(claimed_g * true_g, 1e-300), min(max(distance, 1e-12), diameter)
    )
    found = {name: sgd_bounds.violated(name, run, claims) for name in NAMES}
    broken = found["core"] + tuple(a for a in found["last_iterate"] if a not in found["core"])
    broken = tuple(a for a in broken if a not in ("convex_on_average", "first_distance"))
    with np.errstate(all="ignore"):
        values = {name: sgd_bounds.evaluate(name, run, claims)[:, 0] for name in NAMES}
    case = _Case(run, claims, found, values)
    verdict = W("sgd.verdict_broken", names=broken_words(broken)) if broken else W("sgd.verdict_ok")
    return View(
        {
            "regret": case.picture("core"),
            "last": case.picture("last_iterate"),
            "gradient": case.gradients(),
            "distance": case.distances(),
        },
        W(
            "sgd.break_it_caption",
            loss=loss_word(loss),
            schedule=schedule_word(schedule),
            verdict=verdict,
        ),
        case.readings(broken),
        case.table(),
        notes=case.notes(broken),
        unused=kept({}),
    )


@lru_cache(maxsize=32)
def _run(
    loss: str,
    projected: bool,
    radius: float,
    schedule: str,
    alpha: float,
    n_steps: int,
    start: float,
    seed: int,
    star: str,
) -> tuple[sgd.Run, float]:
    """Return the runs and the true G on the ball."""
    inside = made_problem(loss, 2, radius, seed, NOISY)
    begin = start_point(inside, start)
    claims = first_claims(inside, begin)
    problem = inside if projected else made_problem(loss, 2, None, seed, NOISY)
    eta = scaled(schedule, n_steps, alpha * recommended(schedule, n_steps, claims))
    settings = sgd.Settings(n_steps, SEEDS, seed=seed, n_records=RECORDS, start=begin)
    solution = inside.solution
    if star == "free":
        solution = inside.comparator(made_problem(loss, 2, None, seed, NOISY).solution.point)
    with np.errstate(all="ignore"):
        return sgd.run(problem, eta, settings, solution), claims.G


class _Case:
    """Runs with their claims, true or not."""

    def __init__(
        self,
        run: sgd.Run,
        claims: sgd_bounds.Claims,
        found: dict[str, tuple[str, ...]],
        values: dict[str, Any],
    ) -> None:
        self.run, self.claims, self.found, self.values = run, claims, found, values
        self.dead = run.died_at[run.died_at > 0]

    @property
    def _span(self) -> list[float]:
        return [0.0, math.log10(self.run.settings.n_steps)]

    def _death(self) -> list[dict[str, Any]]:
        if not self.dead.size:
            return []
        return [vertical(int(self.dead.min()), W("sgd.mark_diverged"), "@red")]

    def _seeds(self, values: Any, name: Word | str) -> Trace:
        """Return the runs as one trace, parted by blanks."""
        gaps = np.concatenate([values, np.full((1, values.shape[1]), np.nan)]).T.ravel()
        steps = np.append(self.run.steps.astype(float), np.nan)
        x = np.tile(steps, values.shape[1])
        return line(x, gaps, name, "@blue/0.55", width=1.2)

    def picture(self, name: str) -> Figure:
        """Return what a bound is about, run by run, with the bound, greyed if it has no right."""
        measured = sgd_bounds.BOUNDS[name].measured
        values, bound = positive(getattr(self.run, measured)), positive(self.values[name])
        broken = self.found[name]
        word = bound_word(name)
        heights = log_range([values, bound], 12)
        return figure(
            self._seeds(values, W("sgd.eight_runs")),
            line(
                self.run.steps,
                bound,
                W("sgd.no_claim", bound=word) if broken else word,
                "@gray" if broken else "@orange",
                dash="dot" if broken else "dash",
                width=2.5,
            ),
            x=axis(W("sgd.axis_steps"), log=True, range=self._span),
            y=axis(
                W("sgd.axis_regret" if name == "core" else "sgd.axis_last"),
                log=True,
                range=heights,
                dtick=max(1, round((heights[1] - heights[0]) / 6)),
            ),
            marks=self._death(),
            title=W("sgd.title_regret" if name == "core" else "sgd.title_last"),
            height=320,
        )

    def gradients(self) -> Figure:
        """Return the longest gradient so far against the claimed G."""
        return self._claim("max_gradient", self.claims.G, "G", "norm")

    def distances(self) -> Figure:
        """Return the largest distance so far against the claimed R."""
        return self._claim("max_distance", self.claims.R, "R", "distance")

    def _claim(self, measured: str, claim: float, label: str, name: str) -> Figure:
        values = positive(getattr(self.run, measured))
        curves = [values, np.array([claim])]
        known = np.concatenate([c.ravel() for c in curves])
        known = known[np.isfinite(known)]
        top = float(known.max())
        wide = top > 50 * claim
        heights = log_range(curves, 30) if wide else [0.0, 1.15 * top]
        tick = {"dtick": max(1, round((heights[1] - heights[0]) / 5))} if wide else {}
        return figure(
            self._seeds(values, ""),
            x=axis(W("sgd.axis_steps"), log=True, range=self._span),
            y=axis(W(f"sgd.axis_{name}"), log=wide, range=heights, **tick),
            marks=[horizontal(claim, W("sgd.mark_claimed", name=label), "@orange")],
            title=W(f"sgd.title_{name}"),
            height=310,
        )

    def readings(self, broken: tuple[str, ...]) -> list[Reading]:
        """Return the assumptions one by one, then what became of the bound."""
        run, facts, claims = self.run, self.run.problem.facts, self.claims
        eta = np.asarray(run.eta)
        rises = int(np.sum(np.diff(eta) > 1e-12 * eta[:-1]))
        star = float(np.linalg.norm(run.solution.point))
        far = float(np.nanmax(run.max_distance, initial=0.0))
        steep = float(np.nanmax(run.max_gradient, initial=0.0))
        answer = {True: W("sgd.yes"), False: W("sgd.no")}
        rows = [
            ("convex", answer[facts.is_convex], answer[True], "="),
            ("gradient_bound", steep, claims.G, "≤"),
            ("bounded_set", far, claims.R, "≤"),
            ("non_increasing", rises, 0, "="),
            ("theta_star_inside", star, claims.R / 2, "≤"),
            ("finite", int(self.dead.size), 0, "="),
        ]
        checks = []
        for name, measured, theory, relation in rows:
            held = name not in broken
            note = None if held else W(f"sgd.broken_{name}")
            word = W(f"sgd.check_{name}")
            checks.append(Reading(word, measured, theory, relation, held, note=note))  # type: ignore[arg-type]
        return [*checks, self._above("core")]

    def _above(self, name: str) -> Reading:
        measured = getattr(self.run, sgd_bounds.BOUNDS[name].measured)
        shares = sgd_bounds.violation_share(measured, self.values[name][:, None])
        share = float(np.nanmax(shares)) if np.isfinite(shares).any() else 0.0
        count = W("sgd.count", count=round(share * SEEDS), n=SEEDS)
        word = W("sgd.reading_above", bound=bound_word(name))
        if not self.found[name]:
            return Reading(word, count, 0, "=", share == 0)
        note = "sgd.note_lucky" if share == 0 else "sgd.note_no_right"
        return Reading(word, count, 0, "=", None, note=W(note))

    def notes(self, broken: tuple[str, ...]) -> list[Word]:
        """Return what each broken assumption did, and when a run diverged."""
        notes = []
        if self.dead.size:
            count, step = int(self.dead.size), int(self.dead.min())
            notes.append(W("sgd.note_died", count=count, n=SEEDS, step=step))
        return notes + [W(f"sgd.broken_{name}") for name in broken if name != "finite"]

    def table(self) -> dict[str, Any]:
        """Return the numbers behind the pictures."""
        run = self.run
        with np.errstate(all="ignore"):
            return {
                "steps": run.steps,
                "regret_worst": np.where(
                    run.died_at.any(), math.inf, run.average_regret.max(axis=1)
                )
                if self.dead.size
                else run.average_regret.max(axis=1),
                "last_gap_mean": run.last_gap.mean(axis=1),
                "max_gradient": run.max_gradient.max(axis=1),
                "max_distance": run.max_distance.max(axis=1),
                **{f"bound_{name}": self.values[name] for name in NAMES},
            }


PANEL = Panel(
    break_it,
    break_it_controls,
    (
        Preset("too_large", {"loss": "squares", "projected": False, "alpha": 100, "n_steps": 300}),
        Preset("no_projection", {"projected": False, "alpha": 40}),
        Preset("not_convex", {"loss": "double_well", "start": 0}),
        Preset("rising", {"schedule": "rising", "start": -1}),
        Preset("quartic", {"loss": "quartic", "projected": False, "alpha": 50, "start": 3}),
        Preset("small_claim", {"claimed_g": 0.2, "alpha": 5}),
        Preset("outside", {"star": "free", "radius": 0.2}),
    ),
)
