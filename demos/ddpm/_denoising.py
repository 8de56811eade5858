"""Panel: pictures from noise by the trained U-Nets, step by step."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from demos.controls import Choice, Control, Flag, InputError, Integer, Real, Text, refuse_cost
from demos.ddpm._common import ETA, RULE, SEED, SPACING, hub_engine, make_rule
from demos.ddpm._pictures import address, named_sheet, sheet, spread
from demos.figures import Figure, axis, dots, figure, moving
from demos.panel import Panel, Preset
from demos.view import Reading, View, at_most, equal, near, shown
from demos.words import W, Word
from models import ddpm_samplers
from models.checkpoints import CLASSES, NETWORKS, Engine, engine, reader, schedule_of
from models.ddpm import Array, Schedule
from models.ddpm_samplers import SPACINGS, Plan, State, visited_times
from models.pictures import halved

MOST = 64  # pictures at once
COLUMNS = 4
FILM = 12  # pictures in the film
STRIP = 3  # pictures in the strip
MOMENTS = 10  # of the strip
FRAMES = 30  # of the film, at most
ROOM = 170_000  # characters of all pictures of the film
QUICK = (8, 8)  # pictures and steps of the first picture
MOST_PASSES = 32_000  # pictures through the network: about two minutes on one core
HUB_PIXELS = 1024  # a picture of so many pixels costs what one of ours costs


def denoising_controls() -> dict[str, Control]:
    """Return the controls of ``denoising``."""
    return {
        "model": Choice(default="hanzi", options=(*NETWORKS, "hub"), radio=True),
        "hub": Text(default="google/ddpm-cifar10-32", length=96),
        "face": Choice(default="both", options=("both", "any", "sans", "serif")),
        "digit": Choice(default="each", options=("each", "any", *map(str, range(10)))),
        "guidance": Real(default=1.5, low=0, high=5, step=0.1),
        "rule": RULE,
        "eta": ETA,
        "n_visits": Integer(default=50, low=1, high=1000, log=True),
        "spacing": SPACING,
        "n_pictures": Integer(default=12, low=1, high=MOST),
        "clip": Flag(default=True, advanced=True),
        "seed": SEED,
    }


@dataclass(frozen=True)
class _Wish:
    """What to draw; hashable."""

    model: str
    hub: str
    face: str
    digit: str
    guidance: float
    rule: str
    eta: float
    n_visits: int
    spacing: str
    n_pictures: int
    clip: bool
    seed: int

    def classes(self, n: int) -> NDArray[np.int64] | None:
        """Return the class of each of n pictures, or nothing where it is left open."""
        names = {"sans": 0, "serif": 1}
        match self.model, self.digit if self.model == "digits" else self.face:
            case "hub", _:
                return None
            case _, "any":
                return None
            case _, "each" | "both":
                return np.arange(n) % CLASSES[self.model]
            case _, name:
                return np.full(n, names[name] if name in names else int(name))


def denoising(
    model: str,
    hub: str,
    face: str,
    digit: str,
    guidance: float,
    rule: str,
    eta: float,
    n_visits: int,
    spacing: str,
    n_pictures: int,
    clip: bool,
    seed: int,
) -> Iterator[View]:
    """Draw pictures out of noise with a trained network, step by step.

    Args:
        model: Network: hanzi, digits, or a diffusers pipeline of the Hub.
        hub: Its id, owner/name.
        face: Class of the characters.
        digit: Class of the digits.
        guidance: g in eps = eps_null + g (eps_class - eps_null).
        rule: Sampler: ddim, ddpm (beta_tilde), ddpm_b (the paper's sigma-hat) or greedy.
        eta: Noise of DDIM, in units of beta_tilde.
        n_visits: S, steps.
        spacing: Which of the T times are visited.
        n_pictures: Pictures drawn.
        clip: Whether x0_hat is kept in [-1, 1].
        seed: Picture i depends on the seed and i alone.
    """
    given: dict[str, Any] = dict(locals())
    wish = _Wish(**given)
    if model == "hub":
        yield _waiting(wish)
        made = hub_engine(hub)
        size = max(1.0, int(np.prod(made.shape)) / HUB_PIXELS)
    else:
        _plan(schedule_of(model), wish)  # says at once what is wrong
        _refuse(wish, 1.0)
        yield _quick(wish)
        made, size = engine(model), 1.0
    _refuse(wish, size)
    run = _Run(wish, made)
    every = max(1, n_visits // 60)
    for state in run.states():
        if state.index % every == 0 and state.index < n_visits:
            yield run.moment(state)
    yield run.end()


def _refuse(wish: _Wish, size: float) -> None:
    twice = 2 if wish.classes(1) is not None and wish.guidance not in (0, 1) else 1
    refuse_cost(
        W("ddpm.denoising_n_visits"),
        wish.n_visits * wish.n_pictures * twice * size,
        MOST_PASSES,
        W("ddpm.unit_passes"),
        W("ddpm.advice_passes"),
    )


def _plan(schedule: Schedule, wish: _Wish) -> Plan:
    if wish.n_visits > schedule.n_steps:
        raise InputError(W("ddpm.error_visits", given=wish.n_visits, limit=schedule.n_steps))
    times = visited_times(schedule.n_steps, wish.n_visits, wish.spacing)
    return ddpm_samplers.make_plan(schedule, times, make_rule(schedule, times, wish.rule, wish.eta))


def _waiting(wish: _Wish) -> View:
    """Return noise, for a network that is not here yet."""
    noise = next(ddpm_samplers.noise_streams(wish.seed, FILM, (32, 32)))
    return View(
        sheet(noise, W("ddpm.title_now")),
        W("ddpm.denoising_waiting", name=wish.hub),
        [shown(W("ddpm.reading_start_variance"), float(noise.var()))],
        {"t": [1000]},
        notes=[W("ddpm.note_waiting")],
        unused=_unused(wish),
        progress=0.0,
    )


def _quick(wish: _Wish) -> View:
    """Return a film of few pictures in few steps, of the network and sampler chosen."""
    n_pictures, n_visits = min(QUICK[0], wish.n_pictures), min(QUICK[1], wish.n_visits)
    times = visited_times(schedule_of(wish.model).n_steps, n_visits, wish.spacing)
    limit = ddpm_samplers.eta_limit(schedule_of(wish.model), times)  # lower for fewer steps
    eta = min(wish.eta, limit)
    return _film_of(replace(wish, n_pictures=n_pictures, n_visits=n_visits, eta=eta))


@lru_cache(maxsize=32)
def _film_of(wish: _Wish) -> View:
    run = _Run(wish, engine(wish.model))
    for _ in run.states():
        pass
    return run.end(is_quick=True)


class _Run:
    """A run and what is kept of it for the pictures."""

    def __init__(self, wish: _Wish, made: Engine) -> None:
        self.wish, self.made, self.plan = wish, made, _plan(made.schedule, wish)
        self.n, self.n_visits = wish.n_pictures, wish.n_visits
        self.classes = wish.classes(self.n)
        self.film = spread(self.n_visits, FRAMES)
        self.strip = spread(self.n_visits, MOMENTS)
        self.kept: dict[int, tuple[Array, Array]] = {}
        self.powers: list[tuple[float, float]] = []  # mean squares of x and x0_hat
        self.start_variance = 0.0
        self.outside = 0.0
        self.last: State | None = None

    def states(self) -> Iterator[State]:
        """Yield the states of the run, remembering those that are shown."""
        wanted = {*self.film, *self.strip}
        for state in self._sample(self.n):
            if state.index == 0:
                self.start_variance = float(state.x.var())
            if state.index in wanted:
                shown_ones = slice(0, min(FILM, self.n))
                both = state.x[shown_ones], state.x0_hat[shown_ones]
                self.kept[state.index] = halved(both[0]), halved(both[1])
            self.powers.append((_power(state.x), _power(state.x0_hat)))
            self.last = state
            yield state
        if self.last is not None:
            self.outside = float((np.abs(self.last.x) > 1).mean())

    def _sample(self, n: int) -> Iterator[State]:
        noises = ddpm_samplers.noise_streams(self.wish.seed, n, self.made.shape, np.float32)
        classes = None if self.classes is None else self.classes[:n]
        denoiser = self.made.denoiser(classes, self.wish.guidance)
        return ddpm_samplers.sample(
            self.plan,
            denoiser,
            next(noises),
            noises,
            self.made.predicts,
            clip=1.0 if self.wish.clip else None,
            rederive_eps=True,  # else DDIM with guidance breaks the strokes
        )

    def moment(self, state: State) -> View:
        """Return the view on the way."""
        part = slice(0, FILM)
        t = W("ddpm.at_time", t=state.t)
        return View(
            {
                "now": sheet(halved(state.x[part]), W("ddpm.title_now_at", t=state.t)),
                "guess": sheet(halved(state.x0_hat[part]), W("ddpm.title_guess_at", t=state.t)),
                "visits": _visits(self.made.schedule, self.wish, self.n_visits, state.t),
            },
            W("ddpm.denoising_caption", n=self.n, steps=self.n_visits, rule=_rule(self.wish)),
            [shown(W("ddpm.reading_now"), t)],
            self.table(state.index + 1),
            unused=_unused(self.wish),
            progress=state.index / self.n_visits,
        )

    def end(self, is_quick: bool = False) -> View:
        """Return the film, the strip and what the run came to."""
        assert self.last is not None
        figures = {
            **self._films(),
            "strip": self._strip(),
            "visits": _visits(self.made.schedule, self.wish, self.n_visits),
        }
        if self.n > FILM:
            figures["sheet"] = sheet(
                halved(self.last.x), W("ddpm.title_sheet", n=self.n), columns=8, wide=True
            )
        return View(
            figures,
            W("ddpm.denoising_caption", n=self.n, steps=self.n_visits, rule=_rule(self.wish)),
            self.readings(is_quick),
            self.table(self.n_visits + 1),
            notes=self.notes(is_quick),
            unused=_unused(self.wish),
            progress=0.0 if is_quick else None,
            steps=[f"t = {self._time(index)}" for index in self._shown],
            plays=True,
        )

    def _time(self, index: int) -> int:
        return int(self.plan.t[index]) if index < self.n_visits else 0

    def _films(self) -> dict[str, Figure]:
        """Return x_t and x0_hat as two films, as many steps as there is room for."""
        noisy = [self._tile(0, part) for part in (0, 1)]
        n_frames = int(max(2, min(len(self.film), ROOM // (1 + sum(map(len, noisy)) * 0.75))))
        self._shown = [self.film[k] for k in spread(len(self.film) - 1, n_frames)]
        titles = (W("ddpm.title_now"), W("ddpm.title_guess"))
        films = {}
        for part, (name, title) in enumerate(zip(("now", "guess"), titles, strict=True)):
            sources = [self._tile(index, part) for index in self._shown]
            films[name] = sheet(
                self.kept[self.n_visits][part], title, moves=moving(t0={"source": sources})
            )
        return films

    def _tile(self, index: int, part: int) -> str:
        tiles = self.kept[index][part]
        return address(tiles, min(COLUMNS, len(tiles)))

    def _strip(self) -> Figure:
        """Return a few pictures from left to right: x_t above, x0_hat below."""
        n = min(STRIP, self.n)
        rows = [
            self.kept[index][part][k] for k in range(n) for part in (0, 1) for index in self.strip
        ]
        return named_sheet(
            np.stack(rows),
            [str(self._time(index)) for index in self.strip],
            ["x<sub>t</sub>", "x̂<sub>0</sub>"] * n,
            W("ddpm.axis_time"),
            W("ddpm.axis_both"),
            title=W("ddpm.title_strip"),
            wide=True,
            height=90 + 130 * n,
        )

    def readings(self, is_quick: bool) -> list[Reading]:
        """Return theory beside measurement."""
        schedule, wish = self.made.schedule, self.wish
        first = int(self.plan.t[0])
        late = W("ddpm.note_first", A=float(self.plan.A[0])) if first < schedule.n_steps else None
        rows = [equal(W("ddpm.reading_first"), first, schedule.n_steps, note=late)]
        cells = self.n * int(np.prod(self.made.shape))
        rows.append(
            near(
                W("ddpm.reading_start_variance"),
                self.start_variance,
                1.0,
                4 * float(np.sqrt(2 / cells)),
                W("ddpm.note_four_sigma"),
            )
        )
        if wish.rule == "ddim":
            limit = ddpm_samplers.eta_limit(schedule, self.plan.t)
            rows.append(at_most(W("ddpm.reading_eta"), wish.eta, limit))
        if not is_quick and self.n > 1 and self.n_visits <= 200:
            alone = ddpm_samplers.final(self._sample(1)).x
            assert self.last is not None
            gap = float(np.abs(alone[0] - self.last.x[0]).max())
            rows.append(
                equal(W("ddpm.reading_alone"), gap, 0.0, 1e-3, W("ddpm.note_single_precision"))
            )
        if not is_quick and self.classes is not None:
            rows.append(self._read())
        rows.append(shown(W("ddpm.reading_outside"), f"{100 * self.outside:.2f} %"))
        return rows

    def _read(self) -> Reading:
        """Return how many pictures a network trained on real ones takes for what was asked."""
        assert self.last is not None
        read = reader(self.wish.model).probabilities(np.clip(self.last.x, -1, 1)).argmax(1)
        share = float(np.mean(read == self.classes))
        return shown(W("ddpm.reading_read"), f"{100 * share:.0f} %", W("ddpm.note_read"))

    def notes(self, is_quick: bool) -> list[Word]:
        """Return what the visitor should know of this run."""
        notes = []
        if is_quick:
            notes.append(W("ddpm.note_quick", n=self.n, steps=self.n_visits))
        if self.wish.rule == "greedy":
            notes.append(W("ddpm.note_greedy"))
        if self.wish.rule == "ddpm_b" and self.n_visits < 200:
            notes.append(W("ddpm.note_sigma_hat"))
        return notes

    def table(self, n: int) -> dict[str, Any]:
        """Return one row for each state reached."""
        plan = self.plan
        powers = np.array(self.powers[:n])
        return {
            "t": np.append(plan.t, 0)[:n],
            "signal": np.append(plan.A, 1.0)[:n],
            "noise": np.append(plan.B, 0.0)[:n],
            "fresh_noise": np.append(plan.sigma, 0.0)[:n],
            "mean_square": powers[:, 0],
            "mean_square_guess": powers[:, 1],
        }


def _power(x: Array) -> float:
    return float(np.mean(np.square(x), dtype=np.float64))


def _visits(schedule: Schedule, wish: _Wish, n_visits: int, now: int | None = None) -> Figure:
    """Return the visited times of each spacing on a line of their own."""
    traces = []
    for row, spacing in enumerate(SPACINGS):
        times = visited_times(schedule.n_steps, n_visits, spacing)
        color = "@blue" if spacing == wish.spacing else "@gray/0.7"
        traces.append(dots(times, np.full(times.size, row), "", color, size=5, hoverinfo="x"))
    here = SPACINGS.index(wish.spacing)
    if now is not None:
        traces.append(dots([now], [here], "", "@red", size=13))
    return figure(
        *traces,
        x=axis(W("ddpm.axis_time"), range=[1.02 * schedule.n_steps, -0.02 * schedule.n_steps]),
        y=axis(
            W("ddpm.spacing"),
            tickvals=list(range(len(SPACINGS))),
            ticktext=[W(f"ddpm.spacing_{name}") for name in SPACINGS],
            range=[len(SPACINGS) - 0.5, -0.5],
        ),
        title=W("ddpm.title_visits", steps=n_visits),
        wide=True,
        height=190,
    )


def _rule(wish: _Wish) -> Word:
    if wish.rule == "ddim":
        return W("ddpm.rule_named_ddim", eta=wish.eta)
    return W(f"ddpm.rule_{wish.rule}")


def _unused(wish: _Wish) -> frozenset[str]:
    reads = {
        "hub": wish.model == "hub",
        "face": wish.model == "hanzi",
        "digit": wish.model == "digits",
        "guidance": wish.classes(1) is not None,
        "eta": wish.rule == "ddim",
    }
    return frozenset(name for name, needed in reads.items() if not needed)


PANEL = Panel(
    denoising,
    denoising_controls,
    (
        Preset("digits", {"model": "digits", "guidance": 2}),
        Preset("leading", {"spacing": "leading", "n_visits": 8}),
        Preset("greedy", {"rule": "greedy"}),
        Preset("noisy", {"rule": "ddpm_b", "n_visits": 10, "model": "digits"}),
        Preset("thousand", {"rule": "ddpm", "n_visits": 1000, "n_pictures": 8, "guidance": 1}),
        Preset("guidance", {"face": "serif", "guidance": 4}),
    ),
)
