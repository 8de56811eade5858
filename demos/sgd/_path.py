"""Panel: two parameters, the loss as a map, and every step on it."""

import math
from collections.abc import Mapping
from functools import lru_cache
from typing import Any

import numpy as np

from demos.controls import Choice, Control, Integer, Real
from demos.figures import Figure, Trace, axis, compact, dots, figure, line, moving
from demos.panel import Panel, Preset, Values
from demos.sgd._common import (
    ALPHA,
    LOSSES,
    NOISE,
    PROJECTED,
    RADIUS,
    SCHEDULE,
    SEED,
    WITHOUT_DATA,
    Floats,
    first_claims,
    kept,
    log_range,
    loss_word,
    made_problem,
    positive,
    recommended,
    scaled,
    schedule_word,
)
from demos.view import Reading, View, at_most, shown
from demos.words import W, Word
from models import sgd, sgd_bounds

MOST = 2000
FILM = 36  # pictures of the animation
TAIL = 60  # points of the path drawn so far
CELLS = 41  # of the map, along one side
CIRCLE = np.linspace(0, 2 * np.pi, 73)
SKIP: dict[str, Any] = {"hoverinfo": "skip"}  # a click goes through to the map


def path_controls() -> dict[str, Control]:
    """Return the controls of ``path``."""
    return {
        "loss": Choice(default="absolute", options=LOSSES),
        "projected": PROJECTED,
        "radius": RADIUS,
        "schedule": SCHEDULE,
        "alpha": ALPHA,
        "n_steps": Integer(default=60, low=2, high=MOST, log=True),
        "start_x": Real(default=-0.8, low=-5, high=5, step=0.05),
        "start_y": Real(default=-0.4, low=-5, high=5, step=0.05),
        "batch_size": Integer(default=1, low=1, high=200, log=True),
        "noise": NOISE,
        "seed": SEED,
    }


def path(
    loss: str,
    projected: bool,
    radius: float,
    schedule: str,
    alpha: float,
    n_steps: int,
    start_x: float,
    start_y: float,
    batch_size: int,
    noise: float,
    seed: int,
) -> View:
    """Show the path of SGD on the map of the mean loss of two parameters.

    Args:
        loss: Loss of one sample.
        projected: Whether every iterate is projected onto the ball.
        radius: Of the ball around 0.
        schedule: Form of the steps eta_t.
        alpha: Their size, in units of the recommended one.
        n_steps: T.
        start_x: First coordinate of theta_1.
        start_y: Second coordinate of theta_1.
        batch_size: Samples per step; few make the path restless.
        noise: Standard deviation of the noise of made data.
        seed: Seed of data and samples.
    """
    problem = made_problem(loss, 2, radius if projected else None, seed, noise)
    walk = _Walk(problem, schedule, alpha, n_steps, (start_x, start_y), batch_size, seed)
    unused = {"radius": projected, "noise": loss not in WITHOUT_DATA}
    return View(
        {"map": walk.map(), "gap": walk.gaps()},
        W(
            "sgd.path_caption",
            loss=loss_word(loss),
            schedule=schedule_word(schedule),
            steps=walk.n,
            last=float(walk.last_gap[-1]),
            average=float(walk.average_gap[-1]),
        ),
        walk.readings(),
        {
            "steps": walk.at + 1,
            "theta_x": walk.points[walk.at, 0],
            "theta_y": walk.points[walk.at, 1],
            "last_gap": walk.last_gap,
            "average_gap": walk.average_gap,
        },
        notes=walk.notes(),
        unused=kept(unused),
        steps=[f"t = {t}" for t in (walk.film + 1).tolist()],
    )


@lru_cache(maxsize=32)
def _landscape(problem: sgd.Problem, reach: float) -> tuple[Floats, Floats]:
    """Return places along a side and mean losses above the least (CELLS, CELLS)."""
    side = np.linspace(-reach, reach, CELLS)
    grid = np.stack(np.meshgrid(side, side), axis=-1).reshape(-1, 2)
    losses = problem.mean_loss(grid).reshape(CELLS, CELLS)
    return side, np.sqrt(np.maximum(losses - problem.solution.loss, 0))


class _Walk:
    """One run on the map."""

    def __init__(
        self,
        problem: sgd.Problem,
        schedule: str,
        alpha: float,
        n_steps: int,
        start: tuple[float, float],
        batch_size: int,
        seed: int,
    ) -> None:
        self.problem, self.start, self.n_steps = problem, start, n_steps
        claims = first_claims(problem, start)
        scale = alpha * recommended(schedule, n_steps, claims)
        settings = sgd.Settings(n_steps, 1, batch_size, seed=seed, start=start)
        with np.errstate(all="ignore"):
            run = sgd.trace(problem, scaled(schedule, n_steps, scale), settings)
        self.run, self.died_at = run, run.died_at
        self.points, self.n = run.iterates, max(len(run.moved), 1)
        self.averages = run.averages if len(run.moved) else run.iterates[:1]
        self.at = sgd.recorded_steps(self.n, 120) - 1
        self.film = np.unique(np.rint(np.linspace(0, self.n - 1, FILM)).astype(int))
        both = np.concatenate([self.points[self.at], self.averages[self.at]])
        with np.errstate(all="ignore"):
            gaps = problem.mean_loss(both) - problem.solution.loss
        self.last_gap, self.average_gap = np.split(gaps, 2)
        self.claims = claims
        self.eta = run.eta

    @property
    def reach(self) -> float:
        """Half the side of the map: the ball, else start and best point, with some room."""
        if self.problem.radius is not None:
            out = float(np.abs(self.run.moved).max(initial=0.0))
            return (2 if out > 1.3 * self.problem.radius else 1.25) * self.problem.radius
        far = max(*map(abs, self.start), float(np.abs(self.problem.solution.point).max()), 0.5)
        return min(1.4 * far, 1e6)

    def map(self) -> Figure:
        """Return the map with the ball, the path so far, this step and the averaged point."""
        reach = self.reach
        side, heights = _landscape(self.problem, reach)
        star = self.problem.solution.point
        so_far, step = self._so_far(), self._step()
        here, mean = self.points[self.film], self.averages[self.film]
        traces: list[Trace] = [
            {
                "type": "contour",
                "x": compact(side),
                "y": compact(side),
                "z": compact(heights),
                "colorscale": "Blues",
                "reversescale": True,
                "showscale": False,
                "opacity": 0.75,
                "autocontour": False,
                "contours": _levels(heights),
                "line": {"width": 0.6},
                "hovertemplate": "θ = (%{x:.2f}, %{y:.2f})<extra></extra>",
                "name": "",
            },
            line(
                self._ring(0), self._ring(1), W("sgd.ball"), "@ink", dash="dash", width=1.5, **SKIP
            ),
            line(
                so_far[-1, :, 0], so_far[-1, :, 1], W("sgd.path_line"), "@orange", width=1.5, **SKIP
            ),
            line(step[-1, :, 0], step[-1, :, 1], W("sgd.this_step"), "@red", width=2, **SKIP),
            dots(here[-1:, 0], here[-1:, 1], W("sgd.now_here"), "@red", size=10),
            dots(
                mean[-1:, 0], mean[-1:, 1], W("sgd.averaged"), "@green", size=12, symbol="diamond"
            ),
            dots(star[:1], star[1:], "θ*", "@ink", size=13, symbol="star"),
        ]
        moves = moving(
            t2={"x": so_far[:, :, 0], "y": so_far[:, :, 1]},
            t3={"x": step[:, :, 0], "y": step[:, :, 1]},
            t4={"x": here[:, :1], "y": here[:, 1:]},
            t5={"x": mean[:, :1], "y": mean[:, 1:]},
        )
        if self.problem.radius is None:
            del traces[1]
            moves = {number - 1: change for number, change in moves.items()}
        return figure(
            *traces,
            x=axis("θ₁", range=[-reach, reach], constrain="domain"),
            y=axis("θ₂", range=[-reach, reach], scaleanchor="x", constrain="domain"),
            title=W("sgd.title_map"),
            square=True,
            height=460,
            moves=moves,
        )

    def _ring(self, part: int) -> Floats:
        shape = np.cos(CIRCLE) if part == 0 else np.sin(CIRCLE)
        return np.asarray((self.problem.radius or 0.0) * shape)

    def _so_far(self) -> Floats:
        """Return the path up to each picture (pictures, points, 2), blank beyond it."""
        chosen = sgd.recorded_steps(self.n, TAIL) - 1
        rows = np.repeat(self.points[None, chosen], len(self.film), axis=0)
        rows[chosen[None, :] > self.film[:, None]] = np.nan
        ends = self.points[self.film]
        return np.concatenate([rows, ends[:, None]], axis=1)

    def _step(self) -> Floats:
        """Return theta_t, y_t and theta_{t+1} for each picture (pictures, 3, 2)."""
        film = self.film if len(self.run.moved) else np.zeros(0, int)
        if not film.size:
            return np.repeat(self.points[:1, None], len(self.film), axis=0).repeat(3, axis=1)
        parts = [self.points[film], self.run.moved[film], self.points[film + 1]]
        return np.stack(parts, axis=1)

    def gaps(self) -> Figure:
        """Return the loss above the least at the iterate and at the averaged point."""
        t = self.at + 1
        last, mean = positive(self.last_gap), positive(self.average_gap)
        now = (self.film + 1)[:, None]
        rows = np.searchsorted(self.at, self.film).clip(0, len(self.at) - 1)
        heights = log_range([last, mean])
        return figure(
            line(t, last, W("sgd.gap_last"), "@orange"),
            line(t, mean, W("sgd.gap_average"), "@green"),
            dots(now[-1], last[rows[-1:]], "", "@red", size=10),
            x=axis(W("sgd.axis_step")),
            y=axis(
                W("sgd.axis_gap"),
                log=True,
                range=heights,
                dtick=max(1, round((heights[1] - heights[0]) / 6)),
            ),
            title=W("sgd.title_gap"),
            height=460,
            moves=moving(t2={"x": now, "y": last[rows][:, None]}),
        )

    def readings(self) -> list[Reading]:
        """Return what the posts say about these two points."""
        if len(self.run.moved) == 0:
            return [shown(W("sgd.reading_steps"), 0)]
        mean_loss = float(np.mean(self.run.losses))
        regret = float(np.mean(self.run.losses - self.run.star_losses))
        rows = []
        facts, eta = self.problem.facts, self.eta
        with np.errstate(all="ignore"):
            mean_point = float(self.problem.mean_loss(self.averages[-1:])[0])
            along = float(np.mean(self.problem.mean_loss(self.points[: self.n])))
        if facts.is_convex_on_average:
            rows.append(
                at_most(W("sgd.reading_jensen"), mean_point, along, 1e-9 * (1 + abs(along)))
            )
        else:
            rows.append(shown(W("sgd.reading_jensen"), mean_point, W("sgd.broken_convex")))
        bounded = self.problem.radius is not None and facts.is_convex
        falling = bool(np.all(eta > 0) and np.all(np.diff(eta) <= 1e-12 * eta[:-1]))
        word = W("sgd.reading_regret")
        if bounded and falling and math.isfinite(facts.gradient_bound):
            bound = float(
                sgd_bounds.core(eta, self.problem.diameter, facts.gradient_bound, [len(eta)]).total[
                    0
                ]
            )
            rows.append(at_most(word, regret, bound, 1e-9 * bound))
        else:
            rows.append(shown(word, regret, W("sgd.note_no_bound")))
        away = np.linalg.norm(self.run.moved - self.points[1 : len(self.run.moved) + 1], axis=1)
        pushed = int(np.sum(away > 1e-12 * (1 + np.abs(self.run.moved).max())))
        rows.append(shown(W("sgd.reading_pushed"), W("sgd.count", count=pushed, n=self.n)))
        rows.append(shown(W("sgd.reading_mean_loss"), mean_loss))
        return rows

    def notes(self) -> list[Word]:
        """Return what stands out."""
        notes = []
        if self.died_at:
            notes.append(W("sgd.note_path_died", step=self.died_at))
        if not self.problem.facts.is_convex:
            notes.append(W("sgd.broken_convex"))
        if self.problem.solution.claim == "not_attained":
            notes.append(W("sgd.note_not_attained"))
        return notes


def _pick(values: Values, point: Mapping[str, Any]) -> dict[str, Any]:
    """Return the start that was clicked on."""
    if point.get("figure") != "map":
        return {}
    places = {f"start_{name}": float(point[name]) for name in ("x", "y")}
    return {name: round(max(-5, min(5, place)), 3) for name, place in places.items()}


def _levels(heights: Floats) -> dict[str, float]:
    """Return the contour lines: sixteen steps, stated so that a redraw need not guess them."""
    low, high = float(heights.min()), float(heights.max())
    size = max((high - low) / 16, 1e-9)
    return {"start": low + size, "end": max(high - size, low + size), "size": size}


PANEL = Panel(
    path,
    path_controls,
    (
        Preset("wall", {"alpha": 4}),
        Preset("decay", {"loss": "noisy_norm", "schedule": "linear_decay", "n_steps": 200}),
        Preset("batch", {"batch_size": 100}),
        Preset("wells", {"loss": "double_well", "radius": 2, "start_x": 0.1, "start_y": 0.05}),
        Preset(
            "escape", {"loss": "squares", "projected": False, "alpha": 30, "schedule": "constant"}
        ),
    ),
    _pick,
)
