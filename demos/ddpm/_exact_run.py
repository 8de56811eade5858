"""Particles on their way through a plan with the exact denoiser, and what is kept for drawing."""

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cached_property, lru_cache
from typing import Any

import numpy as np

from demos.controls import InputError, table_values
from demos.ddpm._common import make_rule
from demos.words import W
from models import ddpm, ddpm_exact, ddpm_samplers, strokes
from models.ddpm import Floats, Schedule
from models.ddpm_exact import Mixture
from models.ddpm_histogram import bin_shares
from models.ddpm_samplers import Plan, Rule

FILM = 24  # pictures of the animation
TRACK = 60  # places of a path
BINS = 49  # an odd number: neither 0 nor a likely point lies on an edge
DIRECTIONS = 16  # of the sliced distance
FLOORS = 4  # real draws measured against one another
CHUNK = 2e6  # pairs of particle and component between two reports: below 0.1 s
STEP = 4000  # pairs that take as long as a step without any
FIXED_POINTS = ("point", "two_points", "three_points", "triangle")


# --- Data -----------------------------------------------------------------------------------------


def make_data(given: Mapping[str, Any]) -> Mixture:
    """Return the data that the controls ask for.

    Raises:
        InputError: A drawing or a file cannot be used.
    """
    kind, spread = given["data"], given["spread"]
    if kind == "drawn":
        return ddpm_exact.from_points(_drawn(given["drawn"], given["n_points"]), spread)
    if kind == "upload":
        return ddpm_exact.from_points(_uploaded(given["upload"], given["standardise"]), spread)
    if kind in ddpm_exact.CURVES:
        return ddpm_exact.data_set(kind, given["n_points"], spread)
    made = ddpm_exact.data_set(kind)
    return ddpm_exact.from_points(made.means, spread) if kind in FIXED_POINTS else made


def _drawn(text: str, n_points: int) -> Floats:
    try:
        return strokes.points(strokes.parse(text), n_points)
    except strokes.StrokeError as error:
        raise InputError(W(f"ddpm.strokes_{error.code}", **error.details)) from None


def _uploaded(path: str | None, standardise: bool) -> Floats:
    if path is None:
        raise InputError(W("ddpm.error_no_points"))
    table = table_values(W("ddpm.exact_upload"), path)
    if table.shape[1] > 2:
        raise InputError(W("ddpm.error_columns", given=table.shape[1]))
    if len(table) > ddpm_exact.MAX_POINTS:
        raise InputError(W("ddpm.error_rows", given=len(table), limit=ddpm_exact.MAX_POINTS))
    if standardise:
        return strokes.standardised(table)
    if np.abs(table).max() > ddpm_exact.MAX_SIZE:
        raise InputError(W("ddpm.error_far", limit=ddpm_exact.MAX_SIZE))
    return table


# --- Settings -------------------------------------------------------------------------------------


@lru_cache(maxsize=64)
def make_schedule(name: str, n_steps: int) -> Schedule:
    """Return a schedule, kept with its tables."""
    return ddpm.SCHEDULES[name](n_steps)


@dataclass(frozen=True, eq=False)
class Setup:
    """What the controls ask for, checked.

    Args:
        given: All control values.

    Raises:
        InputError: They do not fit together.
    """

    given: Mapping[str, Any]

    def __post_init__(self) -> None:
        if self.n_visits > self.n_steps:
            raise InputError(W("ddpm.exact_error_visits", given=self.n_visits, limit=self.n_steps))
        self.plan(self.n_visits)  # so that an eta too large is refused before any work

    @property
    def n_visits(self) -> int:
        """Network calls asked for."""
        return int(self.given["n_visits"])

    @property
    def n_steps(self) -> int:
        """Steps of the schedule."""
        return int(self.given["n_steps"])

    @cached_property
    def data(self) -> Mixture:
        """The data."""
        return make_data(self.given)

    @cached_property
    def schedule(self) -> Schedule:
        """The schedule."""
        return make_schedule(self.given["schedule"], self.n_steps)

    @cached_property
    def rule(self) -> Rule:
        """What a step is."""
        given = self.given
        made = make_rule(self.schedule, self.times(self.n_visits), given["rule"], given["eta"])
        return replace(made, noise_at_end=given["noise_at_end"])

    @cached_property
    def is_deterministic(self) -> bool:
        """Whether the end depends on x_T alone."""
        return not (self.plan(self.n_visits).sigma > 0).any()

    @property
    def is_line(self) -> bool:
        """Whether the data is one Gaussian (or one point) of one dimension: all is linear."""
        return self.data.dim == 1 and self.data.size == 1

    @cached_property
    def eta_limit(self) -> float:
        """Largest eta possible with these visited times."""
        return ddpm_samplers.eta_limit(self.schedule, self.times(self.n_visits))

    def times(self, n_visits: int) -> ddpm_samplers.Integers:
        """Return the visited times."""
        return ddpm_samplers.visited_times(self.n_steps, n_visits, self.given["spacing"])

    def plan(self, n_visits: int, is_lenient: bool = False) -> Plan:
        """Return the plan with another number of network calls.

        Args:
            n_visits: S.
            is_lenient: Whether an eta too large for them is lowered to its limit.

        Raises:
            ValueError: Eta is too large for them.
        """
        times, rule = self.times(n_visits), self.rule
        if is_lenient and rule.method == "ddim":
            limit = ddpm_samplers.eta_limit(self.schedule, times)
            rule = Rule(eta=min(rule.eta, limit))
        return ddpm_samplers.make_plan(self.schedule, times, rule)

    def can(self, n_visits: int) -> bool:
        """Return whether the rule is possible with so many network calls."""
        limit = ddpm_samplers.eta_limit(self.schedule, self.times(n_visits))
        return self.rule.method == "ddpm" or self.rule.eta <= limit

    def cost(self, n_visits: int, n_particles: int) -> float:
        """Return the work of a run, in pairs of a particle and a component."""
        return float(n_visits) * (n_particles * self.data.size + STEP)

    def real(self, n: int) -> list[Floats]:
        """Return independent real draws, each (n, d): one to compare with, others for the floor."""
        rng = np.random.default_rng((self.given["seed"], 1))
        return [ddpm_exact.draw(self.data, n, rng) for _ in range(1 + FLOORS)]

    @cached_property
    def reach(self) -> float:
        """Half the width of the pictures: noise and data fit in."""
        wide = 3 * np.sqrt(self.data.axes[0].max(axis=1, keepdims=True))
        data = float((np.abs(self.data.means) + wide).max())
        return float(max(3.2, 3.2 * self.given["start_std"], 1.08 * data))

    @property
    def edges(self) -> Floats:
        """Edges of the bins of the pictures, (bins + 1,)."""
        return np.linspace(-self.reach, self.reach, BINS + 1)

    @property
    def variance(self) -> float:
        """Variance of the data, summed over the coordinates."""
        return float(np.trace(self.data.covariance))


# --- Runs -----------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Outcome:
    """What came of a run: a row of the study.

    Args:
        n_visits: S.
        distance: Sliced W_1 from its ends to a real draw of the same size.
        floor: The same from other real draws to that one, on average.
        mean: Of the ends, first coordinate.
        variance: Of the ends, summed over the coordinates.
    """

    n_visits: int
    distance: float
    floor: float
    mean: float
    variance: float


class Run:
    """Particles of one setup with S network calls."""

    def __init__(self, setup: Setup, n_visits: int, n: int, is_lenient: bool = False) -> None:
        self.setup, self.n = setup, n
        self.plan = setup.plan(n_visits, is_lenient)
        self.moments = _spread(n_visits, FILM)
        self.track = _spread(n_visits, TRACK)
        self._kept: dict[int, tuple[Floats, Floats]] = {}
        self._wanted = set(self.moments.tolist()) | set(self.track.tolist())

    def go(self) -> Iterator[float]:
        """Run; yield the work done since the last report."""
        pending, each = 0.0, self.setup.cost(1, self.n)
        for state in self._states(self.n, 0):
            if state.index in self._wanted:
                self._kept[state.index] = state.x, state.x0_hat
            pending += each
            if pending >= CHUNK:
                yield pending
                pending = 0.0

    def _states(self, n: int, first: int) -> Iterator[ddpm_samplers.State]:
        given, data = self.setup.given, self.setup.data
        noises = ddpm_samplers.noise_streams(given["seed"], n, (data.dim,), first=first)
        start = given["start_std"] * next(noises)
        return self._from(start, noises)

    def _from(self, start: Floats, noises: Any = None) -> Iterator[ddpm_samplers.State]:
        known = ddpm_exact.denoiser(self.setup.data, self.setup.schedule, "x0")
        return ddpm_samplers.sample(self.plan, known, start, noises, "x0")

    def alone(self, number: int) -> Floats:
        """Return where one particle ends when it is sampled without the others, (d,)."""
        return np.asarray(ddpm_samplers.final(self._states(1, number)).x[0])

    def end_of(self, place: float) -> float:
        """Return where a single start in one dimension ends, by a rule without noise."""
        return float(ddpm_samplers.final(self._from(np.array([[place]]))).x[0, 0])

    @property
    def start(self) -> Floats:
        """Places at the first visited time, (n, d)."""
        return self._kept[0][0]

    @property
    def end(self) -> Floats:
        """Places at time 0, (n, d)."""
        return self._kept[self.plan.n_visits][0]

    def x(self, most: int | None = None) -> Floats:
        """Return the particles at the pictures' moments, (pictures, n, d)."""
        return np.stack([self._kept[i][0][:most] for i in self.moments.tolist()])

    def x0_hat(self, most: int | None = None) -> Floats:
        """Return what the denoiser takes for x_0 then, (pictures, n, d)."""
        return np.stack([self._kept[i][1][:most] for i in self.moments.tolist()])

    def paths(self, most: int) -> Floats:
        """Return the first particles' ways, (places, n, d)."""
        return np.stack([self._kept[i][0][:most] for i in self.track.tolist()])

    def at(self, indices: Any) -> ddpm_samplers.Integers:
        """Return the time after so many steps."""
        return np.asarray(np.append(self.plan.t, 0)[indices])

    @cached_property
    def truth(self) -> Floats:
        """True share of each bin of x_t's first coordinate at the pictures' moments."""
        setup, times = self.setup, self.at(self.moments).tolist()
        shares = [bin_shares(setup.data, setup.schedule, setup.edges, t) for t in times]
        return np.stack(shares)

    @cached_property
    def outcome(self) -> Outcome:
        """What came of it."""
        real = self.setup.real(self.n)
        distance, *floors = (
            ddpm_exact.sliced_wasserstein(x, real[0], DIRECTIONS) for x in (self.end, *real[1:])
        )
        return Outcome(
            self.plan.n_visits,
            distance,
            float(np.mean(floors)),
            float(self.end[:, 0].mean()),
            float(self.end.var(axis=0, ddof=1).sum()),
        )


def _spread(n_visits: int, most: int) -> ddpm_samplers.Integers:
    """Return numbers of steps made, from 0 to S, at most so many."""
    return np.unique(np.rint(np.linspace(0, n_visits, min(most, n_visits + 1))).astype(np.int64))


# --- Exact values ---------------------------------------------------------------------------------


def exact_end(setup: Setup, n_visits: int) -> tuple[float, float]:
    """Return mean and variance at time 0, for data of which all is linear; NaN if impossible."""
    if not setup.can(n_visits):
        return math.nan, math.nan
    given, data = setup.given, setup.data
    run = ddpm_exact.gaussian_run(
        setup.plan(n_visits), float(data.means[0, 0]), line_std(data), 0.0, given["start_std"] ** 2
    )
    return float(run.means[-1]), float(run.variances[-1])


def line_std(data: Mixture) -> float:
    """Return the standard deviation of a single Gaussian of one dimension."""
    return math.sqrt(float(data.covariance[0, 0]))


@lru_cache(maxsize=32)
def four_rules(
    schedule: str, n_steps: int, spacing: str, mean: float, std: float, counts: tuple[int, ...]
) -> Floats:
    """Return the final variance from N(0, 1) for eta 0, 1/2, 1 and sigma = b, (n_counts, 4)."""
    made = make_schedule(schedule, n_steps)
    return ddpm_exact.study(made, counts, mean=mean, data_std=std, spacing=spacing)
