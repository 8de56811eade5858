"""Panel: what t steps of noise do to a picture, to points and to a line of numbers."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property, lru_cache
from typing import Any

import numpy as np

from demos.controls import Choice, Control, Integer
from demos.ddpm._common import DIALECT, LETTERS, SEED
from demos.ddpm._pictures import (
    DRAWN,
    N_EXAMPLES,
    SOURCES,
    UPLOAD,
    WIDTH,
    address,
    bring,
    clean_figure,
    named_sheet,
    sheet,
    spread,
    unused_sources,
)
from demos.figures import Figure, Trace, axis, bars, dots, figure, line, moving, vertical
from demos.panel import Panel, Preset
from demos.view import Reading, View, at_most, equal, near, shown
from demos.words import W, Word
from models import ddpm, ddpm_exact, pictures
from models.ddpm import Array, Floats, Schedule
from models.ddpm_exact import Mixture
from models.ddpm_histogram import bin_shares, histogram

STEPS = 1000  # T
FILM = 26  # moments of the animation
LINE = ("two_points", "three_points", "gaussian")
PLANE = ("ring", "moons", "spiral", "mixture")
N_LINE, N_PLANE = 1000, 300  # numbers and points that walk
PATHS = 24  # walks drawn over time
FRESH = 64  # jumps with noise of their own
EDGES = np.linspace(-4, 4, 64)  # of the histograms: neither 0 nor ±1 lies on an edge
MIDDLES = (EDGES[1:] + EDGES[:-1]) / 2
SIGMAS = 4.0  # tolerance of sampling, in standard errors
SINGLE = 1e-4  # tolerance of single precision after 1000 steps
ROUNDING = 1e-12
LIMIT_GAP = 0.002  # |A_t - exp(-5 t^2/T^2)| of Su's schedule at most
SQUARES = {"su": "β̄ₜ²", "paper": "1−ᾱₜ"}


def noising_controls() -> dict[str, Control]:
    """Return the controls of ``noising``."""
    return {
        "what": Choice(default="character", options=(*SOURCES, *LINE, *PLANE)),
        "number": Integer(default=1, low=1, high=N_EXAMPLES),
        "upload": UPLOAD,
        "drawn": DRAWN,
        "schedule": Choice(default="su", options=("su", "linear", "cosine", "scaled_linear")),
        "t": Integer(default=250, low=0, high=STEPS),
        "dialect": DIALECT,
        "seed": SEED,
    }


@dataclass(frozen=True)
class _Wish:
    """What to show of the data; hashable."""

    what: str
    schedule: str
    t: int
    dialect: str
    seed: int


def noising(
    what: str,
    number: int,
    upload: str | None,
    drawn: str,
    schedule: str,
    t: int,
    dialect: str,
    seed: int,
) -> View:
    """Add t steps of noise to a picture or to points: step by step, and in one jump.

    Args:
        what: A real character or digit, an uploaded or a drawn picture, or one of the data sets
            two_points, three_points, gaussian (1-D), ring, moons, spiral, mixture (2-D).
        number: Which of the twelve real pictures.
        upload: Path of a picture: PNG, JPEG, WebP, BMP or GIF.
        drawn: Strokes in pixels, "x y x y;x y x y".
        schedule: su, linear, cosine or scaled_linear, of T = 1000 steps.
        t: Steps of noise.
        dialect: Letters of the symbols: su or paper.
        seed: Seed of all noise.
    """
    wish = _Wish(what, schedule, t, dialect, seed)
    if what not in SOURCES:
        return _data_view(wish)
    brought = bring(what, [number - 1], upload, drawn)
    view = _picture_view(wish, brought.x_0[0].tobytes())
    return replace(view, notes=[*brought.notes, *view.notes])


@lru_cache(maxsize=32)
def _picture_view(wish: _Wish, stored: bytes) -> View:
    x_0 = np.frombuffer(stored, np.float32).reshape(pictures.SIDE, pictures.SIDE)
    look = _Look(wish, x_0, ddpm_exact.from_points(x_0.ravel()))
    return look.view(_picture_figures(look))


@lru_cache(maxsize=32)
def _data_view(wish: _Wish) -> View:
    data = ddpm_exact.data_set(wish.what)
    n = N_LINE if data.dim == 1 else N_PLANE
    x_0 = ddpm_exact.draw(data, n, np.random.default_rng([wish.seed, 2])).astype(np.float32)
    look = _Look(wish, x_0, data)
    return look.view(_line_figures(look) if data.dim == 1 else _plane_figures(look))


@dataclass(frozen=True, eq=False)
class _Walk:
    """All steps of one walk: x_0 .. x_T and the noises e_1 .. e_T."""

    states: Array
    noises: Array


@lru_cache(maxsize=3)
def _walk(schedule: str, stored: bytes, shape: tuple[int, ...], seed: int) -> _Walk:
    x_0 = np.frombuffer(stored, np.float32).reshape(shape)
    states = np.empty((STEPS + 1, *shape), np.float32)
    noises = np.empty((STEPS, *shape), np.float32)
    states[0] = x_0
    rng = np.random.default_rng([seed, 0])
    for t, x, noise in ddpm.forward_walk(_schedule(schedule), x_0, rng):
        states[t], noises[t - 1] = x, noise
    return _Walk(states, noises)


@lru_cache(maxsize=8)
def _schedule(name: str) -> Schedule:
    return ddpm.SCHEDULES[name](STEPS)


class _Look:
    """The data at time t, by small steps and by jumps."""

    def __init__(self, wish: _Wish, x_0: Array, data: Mixture) -> None:
        self.wish, self.x_0, self.data, self.t = wish, x_0, data, wish.t
        self.schedule = _schedule(wish.schedule)
        self.A, self.B = float(self.schedule.A[wish.t]), float(self.schedule.B[wish.t])
        self.walk = _walk(wish.schedule, x_0.tobytes(), x_0.shape, wish.seed)
        self.film = spread(STEPS, FILM)
        self.letters: Mapping[str, str] = LETTERS[wish.dialect]

    @property
    def is_picture(self) -> bool:
        """Whether the data is a picture, whose pixels count as data of one dimension."""
        return self.wish.what in SOURCES

    @property
    def walked(self) -> Array:
        """x_t after t small steps, of the shape of x_0."""
        return np.asarray(self.walk.states[self.t])

    @cached_property
    def merged(self) -> Array:
        """x_t by one jump with the noises of the small steps merged into one."""
        if self.t == 0:
            return self.x_0
        noise = ddpm.merged_noise(self.schedule, self.walk.noises[: self.t])
        return ddpm.q_sample(self.schedule, self.x_0, self.t, noise)

    @cached_property
    def drawn_anew(self) -> Array:
        """The picture again, or other draws of the data, (64, ...)."""
        shape = (FRESH, *self.x_0.shape)
        if self.is_picture:
            return np.broadcast_to(self.x_0, shape)
        rng = np.random.default_rng([self.wish.seed, 3])
        many = ddpm_exact.draw(self.data, FRESH * len(self.x_0), rng)
        return many.reshape(shape).astype(np.float32)

    @cached_property
    def fresh(self) -> Array:
        """x_t by jumps with noise of their own, (64, ...)."""
        rng = np.random.default_rng([self.wish.seed, 1, self.t])
        noise = rng.standard_normal((FRESH, *self.x_0.shape), np.float32)
        return ddpm.q_sample(self.schedule, self.drawn_anew, self.t, noise)

    @cached_property
    def expected(self) -> Floats:
        """Share of the (first) coordinate of x_t in each bin."""
        return bin_shares(self.data, self.schedule, EDGES, self.t)

    def shares(self, values: Array) -> Floats:
        """Return the measured shares of the bins, of the first coordinate."""
        return histogram(values if self.is_picture else values[..., 0], EDGES)

    def view(self, figures: Mapping[str, Figure]) -> View:
        """Return the whole view."""
        squares = np.square(self.walk.states[self.film], dtype=np.float64)
        power = squares.reshape(len(self.film), -1).mean(axis=1)
        clean = self.schedule.alpha_bar[self.film] * power[0]
        return View(
            figures,
            W(
                "ddpm.noising_caption",
                what=W(f"ddpm.what_{self.wish.what}"),
                t=self.t,
                steps=STEPS,
                signal=self.letters["signal"],
                A=self.A,
                level=self.letters["level"],
                B=self.B,
            ),
            self.readings(),
            {
                "t": self.film,
                f"{self.wish.dialect}_signal": self.schedule.A[self.film],
                f"{self.wish.dialect}_level": self.schedule.B[self.film],
                "mean_square": power,
                "mean_square_expected": clean + self.schedule.B[self.film] ** 2,
            },
            notes=[W("ddpm.note_clean")] if self.t == 0 else [],
            unused=self.unused(),
            steps=[f"t = {t}" for t in self.film],
        )

    def readings(self) -> list[Reading]:
        """Return theory beside measurement."""
        t, schedule = self.t, self.schedule
        gap = float(np.abs(self.merged - self.walked).max())
        rows = [
            equal(W("ddpm.reading_jump", t=t), gap, 0.0, SINGLE, W("ddpm.note_single_precision"))
        ]
        if t:
            shares = float((ddpm.step_shares(schedule, t) ** 2).sum())
            word = W("ddpm.reading_shares", square=SQUARES[self.wish.dialect])
            rows.append(equal(word, shares, self.B**2, ROUNDING))
        rows += self._added(self.walked, self.x_0, "walk")
        rows += self._added(self.fresh, self.drawn_anew, "fresh")
        if self.wish.what in LINE and t:
            rows.append(self._humps())
        signal = W("ddpm.reading_at", symbol=self.letters["signal"], t=t)
        limit = math.exp(-5 * (t / STEPS) ** 2)
        rows += [
            near(signal, self.A, limit, LIMIT_GAP, W("ddpm.note_limit"))
            if self.wish.schedule == "su"
            else shown(signal, self.A),
            shown(
                W("ddpm.reading_at", symbol=self.letters["snr"], t=t), float(schedule.log_snr[t])
            ),
            at_most(
                W("ddpm.reading_end", symbol=self.letters["end"]),
                schedule.end_signal,
                ddpm.LOUD_END,
            ),
            self._told(),
        ]
        return rows

    def _added(self, x_t: Array, clean: Array, kind: str) -> list[Reading]:
        """Return mean and variance of what noise added, over all numbers of x_t."""
        added = x_t.astype(np.float64) - self.A * clean
        n = added.size
        note = W("ddpm.note_sampled", n=n)
        words = {"signal": self.letters["signal"], "square": SQUARES[self.wish.dialect]}
        return [
            near(
                W(f"ddpm.reading_{kind}_mean", **words),
                float(added.mean()),
                0.0,
                SIGMAS * self.B / math.sqrt(n),
                note,
            ),
            near(
                W(f"ddpm.reading_{kind}_variance", **words),
                float(added.var()),
                self.B**2,
                SIGMAS * math.sqrt(2 / n) * self.B**2,
                note,
            ),
        ]

    def _humps(self) -> Reading:
        count = ddpm_exact.n_humps(self.data, self.schedule, self.t)
        word = W("ddpm.reading_humps", t=self.t)
        if self.wish.what != "two_points":
            return shown(word, count)
        theory = 2 if self.A > self.B else 1
        return equal(word, count, theory, note=W("ddpm.note_humps", **self._levels()))

    def _levels(self) -> dict[str, str]:
        return {"signal": self.letters["signal"], "level": self.letters["level"]}

    def _told(self) -> Reading:
        """Return how many bits x_T still tells of x_0."""
        square = float(np.mean(np.square(self.x_0, dtype=np.float64)))
        d = self.x_0.size if self.is_picture else self.data.dim
        bits = d * ddpm.end_information(self.schedule, square) / math.log(2)
        return shown(W("ddpm.reading_told"), bits, W("ddpm.note_told", n=d) if d > 1 else None)

    def unused(self) -> frozenset[str]:
        """Return the controls without influence."""
        reads = unused_sources(self.wish.what, "number")
        return frozenset(name for name, needed in reads.items() if not needed)


# --- Pictures -------------------------------------------------------------------------------------


def _picture_figures(look: _Look) -> dict[str, Figure]:
    """Return the clean picture, its way to noise, x_t in three ways, and its pixels."""
    frames = look.walk.states[look.film]
    three = np.stack([look.walked, look.merged, look.fresh[0]])
    names = [W("ddpm.way_walk", t=look.t), W("ddpm.way_merged"), W("ddpm.way_fresh")]
    return {
        "clean": clean_figure(look.x_0),
        "film": sheet(
            frames[-1:],
            W("ddpm.title_noising_film"),
            height=300,
            moves=moving(t0={"source": [address(frame[None], 1) for frame in frames]}),
        ),
        "ways": named_sheet(
            three,
            names,
            (),
            W("ddpm.axis_ways"),
            title=W("ddpm.title_ways", t=look.t),
            wide=True,
            height=340,
        ),
        "histogram": _histogram_figure(
            look, look.walked, W("ddpm.named_pixels"), W("ddpm.axis_grey"), wide=True
        ),
    }


# --- Numbers and points ---------------------------------------------------------------------------


def _line_figures(look: _Look) -> dict[str, Figure]:
    """Return the histogram at t and on its way, and some walks over time."""
    frames = look.walk.states[look.film]
    measured = np.stack([look.shares(frame) for frame in frames])
    known = np.stack([bin_shares(look.data, look.schedule, EDGES, t) for t in look.film])
    top = min(0.3, 1.1 * float(known[2:].max()))
    places, walks = look.walk.states[::10, :PATHS, 0], []
    for path in range(min(PATHS, len(look.x_0))):
        up = "@blue/0.6" if look.x_0[path, 0] > 0 else "@orange/0.6"
        walks.append(line(np.arange(0, STEPS + 1, 10), places[:, path], "", up, width=1))
    return {
        "histogram": _histogram_figure(
            look, look.fresh, W("ddpm.named_jumps"), W("ddpm.axis_number")
        ),
        "film": figure(
            _shares(measured[-1], W("ddpm.named_walks")),
            _exact_line(known[-1]),
            x=axis(W("ddpm.axis_number"), range=[-4, 4]),
            y=axis(W("ddpm.axis_share"), range=[0, top]),
            title=W("ddpm.title_noising_film"),
            layout={"bargap": 0},
            height=340,
            moves=moving(t0={"y": measured}, t1={"y": known}),
        ),
        "paths": figure(
            *walks,
            x=axis(W("ddpm.axis_t"), range=[0, STEPS]),
            y=axis(W("ddpm.axis_number"), range=[-3.6, 3.6]),
            marks=[vertical(look.t, f"t = {look.t}", "@red")],
            title=W("ddpm.title_noising_paths"),
            wide=True,
            height=320,
        ),
    }


def _plane_figures(look: _Look) -> dict[str, Figure]:
    """Return the points at t, on their way, and their first coordinate."""
    frames = look.walk.states[look.film]
    x = axis(W("ddpm.axis_first"), range=[-3.2, 3.2], constrain="domain")
    y = axis(W("ddpm.axis_second"), range=[-3.2, 3.2], scaleanchor="x", constrain="domain")
    ground = dots(look.x_0[:, 0], look.x_0[:, 1], W("ddpm.named_clean"), "@gray/0.5", size=3)
    jump, walked = look.fresh[0], look.walked
    return {
        "now": figure(
            ground,
            dots(walked[:, 0], walked[:, 1], W("ddpm.named_walks"), "@blue", size=5),
            dots(
                jump[:, 0],
                jump[:, 1],
                W("ddpm.named_jump"),
                "@orange",
                size=6,
                symbol="circle-open",
            ),
            x=x,
            y=y,
            title=W("ddpm.title_noising_now", t=look.t),
            height=WIDTH,
        ),
        "film": figure(
            ground,
            dots(frames[-1, :, 0], frames[-1, :, 1], W("ddpm.named_walks"), "@blue", size=5),
            x=x,
            y=y,
            title=W("ddpm.title_noising_film"),
            height=WIDTH,
            moves=moving(t1={"x": frames[:, :, 0], "y": frames[:, :, 1]}),
        ),
        "histogram": _histogram_figure(
            look, look.fresh, W("ddpm.named_jumps"), W("ddpm.axis_first"), wide=True
        ),
    }


def _histogram_figure(look: _Look, x_t: Array, name: Word, along: Word, **more: Any) -> Figure:
    """Return the shares of the bins, counted and exact."""
    counted = look.shares(x_t)
    top = 1.1 * max(float(counted.max()), float(look.expected.max()))
    return figure(
        _shares(counted, name),
        _exact_line(look.expected),
        x=axis(along, range=[-4, 4]),
        y=axis(W("ddpm.axis_share"), range=[0, top]),
        title=W("ddpm.title_noising_histogram", t=look.t),
        layout={"bargap": 0},
        **{"height": 340 if not more else 260, **more},
    )


def _shares(values: Floats, name: Word) -> Trace:
    return bars(MIDDLES, values, name, "@sky")


def _exact_line(values: Floats) -> Trace:
    return line(MIDDLES, values, W("ddpm.named_exact"), "@orange")


PANEL = Panel(
    noising,
    noising_controls,
    (
        Preset("crossing", {"t": 263}),
        Preset("digit", {"what": "digit", "number": 4, "t": 120}),
        Preset("humps", {"what": "two_points", "t": 200}),
        Preset("merged", {"what": "two_points", "t": 330}),
        Preset("moons", {"what": "moons", "t": 150}),
        Preset("cosine", {"schedule": "cosine"}),
        Preset("scaled", {"schedule": "scaled_linear", "t": 1000}),
        Preset("drawn", {"what": "drawn", "t": 150}),
    ),
)
