"""Panel: pictures taken back to their noise and restored; ways from one noise to another."""

import json
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import cache, lru_cache
from pathlib import Path
from typing import Any

import numpy as np

from demos.controls import Choice, Control, Integer, refuse_cost
from demos.ddpm._common import SEED
from demos.ddpm._denoising import MOST_PASSES
from demos.ddpm._pictures import (
    DRAWN,
    KINDS,
    N_EXAMPLES,
    SOURCES,
    UPLOAD,
    Brought,
    address,
    bring,
    clean_figure,
    named_sheet,
    sheet,
    spread,
    unused_sources,
)
from demos.figures import Figure, Trace, axis, bars, dots, figure, line, moving
from demos.panel import Panel, Preset
from demos.view import Reading, View, at_most, equal, near, shown
from demos.words import W, Word
from models import ddpm, ddpm_exact, ddpm_latents, ddpm_samplers
from models.checkpoints import CLASSES, NETWORKS, Engine, engine
from models.ddpm import Array
from models.ddpm_histogram import bin_shares, histogram
from models.ddpm_latents import PATHS
from models.ddpm_samplers import State, visited_times

REPORTED = Path(__file__).resolve().parents[2] / "assets" / "ddpm_reported.json"
COUNTS = (10, 20, 50, 100)  # S of the study
STUDIED = 4  # pictures of the study
FILM = 6  # pictures in the film
FRAMES = 30  # of the film, at most
ROOM = 110_000  # characters of all pictures of the film
QUICK_CALLS = 10  # steps of the first look
QUICK_PASSES = 72  # of the first look through the network: below 0.3 s
QUICK_WAY = 7  # places on the way, of the first look
SIGMAS = 4.0  # tolerance of sampling, in standard errors
GAIN = 4  # by which a difference is brightened
EDGES = np.linspace(-4, 4, 64)
FLAT = 0.8  # latents of less variance are spoken of


def latents_controls() -> dict[str, Control]:
    """Return the controls of ``latents``."""
    return {
        "task": Choice(default="encode", options=("encode", "interpolate"), radio=True),
        "what": Choice(default="character", options=SOURCES),
        "model": Choice(default="hanzi", options=NETWORKS, radio=True),
        "upload": UPLOAD,
        "drawn": DRAWN,
        "n_pictures": Integer(default=6, low=1, high=N_EXAMPLES),
        "classes": Choice(default="given", options=("given", "open"), radio=True),
        "n_visits": Integer(default=20, low=2, high=200, log=True),
        "n_refinements": Integer(default=0, low=0, high=3),
        "veil": Integer(default=0, low=0, high=50),
        "path": Choice(default="arc", options=PATHS, radio=True),
        "n_between": Integer(default=9, low=3, high=17),
        "seed": SEED,
        "other": replace(SEED, default=100),
    }


@dataclass(frozen=True)
class _Wish:
    """What to do, the pictures aside; hashable."""

    task: str
    what: str
    model: str
    n_pictures: int
    classes: str
    n_visits: int
    n_refinements: int
    veil: int
    path: str
    n_between: int
    seed: int
    other: int

    @property
    def network(self) -> str:
        """Name of the network."""
        is_real = self.task == "encode" and self.what in KINDS
        return KINDS[self.what] if is_real else self.model

    @property
    def passes(self) -> float:
        """Pictures that go through the network, all in all."""
        if self.task == "interpolate":
            return self.n_visits * self.n_pictures * self.n_between
        there_and_back = 2 + self.n_refinements
        study = sum(S for S in COUNTS if S != self.n_visits) * min(STUDIED, self.n_pictures)
        return self.n_visits * self.n_pictures * (there_and_back + 1) + study * there_and_back

    def quick(self) -> "_Wish":
        """Return less of the same, for a first look."""
        if self.task == "interpolate":
            n, between = 1, min(self.n_between, QUICK_WAY)
        else:
            fitting = QUICK_PASSES // (QUICK_CALLS * (2 + self.n_refinements))
            n, between = min(fitting, self.n_pictures), self.n_between
        calls = min(self.n_visits, QUICK_CALLS)
        return replace(self, n_pictures=n, n_between=between, n_visits=calls)


def latents(
    task: str,
    what: str,
    model: str,
    upload: str | None,
    drawn: str,
    n_pictures: int,
    classes: str,
    n_visits: int,
    n_refinements: int,
    veil: int,
    path: str,
    n_between: int,
    seed: int,
    other: int,
) -> Iterator[View]:
    """Encode pictures into noise by DDIM backwards and restore them, or go from noise to noise.

    Args:
        task: encode or interpolate.
        what: Pictures encoded: real characters or digits no network was trained on, an uploaded
            or a drawn picture.
        model: Network, hanzi or digits; real pictures go to their own.
        upload: Path of a picture: PNG, JPEG, WebP, BMP or GIF.
        drawn: Strokes in pixels, "x y x y;x y x y".
        n_pictures: Real pictures encoded, or pairs of noises.
        classes: given (typeface or digit is told to the network) or open.
        n_visits: S, steps there and as many back.
        n_refinements: Corrections of each step of encoding.
        veil: Steps of noise put on the pictures before they are encoded.
        path: From noise to noise: arc, slerp or line.
        n_between: Pictures on the way, both ends included.
        seed: Seed of the first noises.
        other: Seed of the second ones.
    """
    wish = _Wish(
        task,
        what,
        model,
        n_pictures if task == "interpolate" or what in KINDS else 1,
        classes,
        n_visits,
        n_refinements,
        veil,
        path,
        n_between,
        seed,
        other,
    )
    named = W("ddpm.latents_n_visits"), wish.passes, MOST_PASSES
    refuse_cost(*named, W("ddpm.unit_passes"), W("ddpm.latents_advice"))
    if task == "interpolate":
        yield _quick_way(wish)
        yield from _Way(wish, engine(wish.network)).views()
        return
    brought = bring(what, range(n_pictures), upload, drawn)
    notes = list(brought.notes)
    first = _quick_trip(replace(wish, n_between=0, other=0), brought.x_0.tobytes())
    yield replace(first, notes=[*notes, *first.notes])
    for view in _Trip(wish, engine(wish.network), brought).views():
        yield replace(view, notes=[*notes, *view.notes]) if notes else view


@lru_cache(maxsize=32)
def _quick_way(wish: _Wish) -> View:
    less = wish.quick()
    *_, last = _Way(less, engine(less.network)).views()
    note = W("ddpm.note_quick_way", n=less.n_between, steps=less.n_visits)
    return replace(last, notes=[note, *last.notes], progress=0.0)


@lru_cache(maxsize=32)
def _quick_trip(wish: _Wish, stored: bytes) -> View:
    less = wish.quick()
    x_0 = np.frombuffer(stored, np.float32).reshape(-1, 32, 32)[: less.n_pictures].copy()
    known = np.arange(len(x_0)) % CLASSES[wish.network] if wish.what in KINDS else None
    trip = _Trip(less, engine(less.network), Brought(x_0, known))
    for _ in trip.there_and_back():
        pass
    view = trip.end()
    note = W("ddpm.note_quick_trip", n=len(x_0), steps=less.n_visits)
    return replace(view, notes=[note, *view.notes], progress=0.0)


# --- There and back -------------------------------------------------------------------------------


@dataclass(eq=False)
class _Trip:
    """Pictures on their way to noise and back, then the study of S."""

    wish: _Wish
    made: Engine
    brought: Brought
    errors: dict[int, float] = field(default_factory=dict)
    kept: list[tuple[Word, Array]] = field(default_factory=list)
    veiled: Array = field(init=False)
    latent: Array = field(init=False)
    restored: Array = field(init=False)
    again: Array | None = None
    done: float = 0.0

    def __post_init__(self) -> None:
        is_told = self.wish.classes == "given"
        self.classes = self.brought.classes if is_told else None
        self.n = len(self.brought.x_0)
        self.veiled = self.brought.x_0
        if self.wish.veil:
            noises = ddpm_samplers.noise_streams(
                self.wish.seed, self.n, self.made.shape, np.float32
            )
            self.veiled = ddpm.q_sample(
                self.made.schedule, self.veiled, self.wish.veil, next(noises)
            )

    def views(self) -> Iterator[View]:
        """Yield the way there and back, then the study, row by row."""
        for state, is_back in self.there_and_back():
            yield self.moment(state, is_back)
        self.again = self._decode_last()
        view = self.end()
        for n_visits in COUNTS:
            if n_visits != self.wish.n_visits:
                for _ in self._study(n_visits):
                    yield replace(view, progress=self.share)
                view = self.end()
        yield view

    @property
    def share(self) -> float:
        """Share of all work done."""
        return min(self.done / self.wish.passes, 0.999)

    def there_and_back(self) -> Iterator[tuple[State, bool]]:
        """Encode and decode all pictures; yield each state and whether it is on the way back."""
        n_visits = self.wish.n_visits
        kept = set(spread(2 * n_visits, FRAMES))
        for state in self._encode(n_visits, self.n):
            self.latent = state.x
            if state.index in kept:
                self._keep("ddpm.film_there", state)
            if state.index:
                yield state, False
        for state in self._decode(n_visits, self.latent):
            self.restored = state.x
            if n_visits + state.index in kept and state.index:
                self._keep("ddpm.film_back", state)
            if state.index:
                yield state, True
        few = slice(0, STUDIED)
        self.errors[n_visits] = ddpm_samplers.reconstruction_error(
            self.brought.x_0[few], self.restored[few]
        )

    def _keep(self, word: str, state: State) -> None:
        self.kept.append((W(word, t=state.t), state.x[:FILM]))

    def _study(self, n_visits: int) -> Iterator[None]:
        n = min(STUDIED, self.n)
        z = self.veiled[:n]
        for state in self._encode(n_visits, n):
            z = state.x
            yield
        x = z
        for state in self._decode(n_visits, z):
            x = state.x
            yield
        self.errors[n_visits] = ddpm_samplers.reconstruction_error(self.brought.x_0[:n], x)

    def _denoiser(self, n: int) -> Any:
        return self.made.denoiser(None if self.classes is None else self.classes[:n], 1.0)

    def _encode(self, n_visits: int, n: int) -> Iterator[State]:
        rounds = self.wish.n_refinements
        for state in ddpm_samplers.encode(
            self.made.schedule,
            self._denoiser(n),
            self.veiled[:n],
            visited_times(self.made.schedule.n_steps, n_visits),
            self.made.predicts,
            rounds,
            self.wish.veil,
        ):
            self.done += n * (1 + rounds) if state.index else 0
            yield state

    def _decode(self, n_visits: int, z: Array) -> Iterator[State]:
        times = visited_times(self.made.schedule.n_steps, n_visits)
        plan = ddpm_samplers.make_plan(self.made.schedule, times, ddpm_samplers.RULES["ddim"])
        denoiser = self._denoiser(len(z))
        for state in ddpm_samplers.sample(plan, denoiser, z, predicts=self.made.predicts):
            self.done += len(z) if state.index else 0
            yield state

    def _decode_last(self) -> Array:
        return ddpm_samplers.final(self._decode(self.wish.n_visits, self.latent)).x

    def moment(self, state: State, is_back: bool) -> View:
        """Return the view on the way."""
        word = "ddpm.title_decoding" if is_back else "ddpm.title_encoding"
        return View(
            {
                "film": sheet(state.x, W(word, t=state.t), columns=6),
                "guess": sheet(state.x0_hat, W("ddpm.title_guess_at", t=state.t), columns=6),
            },
            self.caption(),
            [shown(W("ddpm.reading_now"), W("ddpm.at_time", t=state.t))],
            self.table(),
            unused=_unused(self.wish),
            progress=self.share,
        )

    def caption(self) -> Word:
        """Return what the pictures show."""
        return W(
            "ddpm.latents_caption",
            n=self.n,
            steps=self.wish.n_visits,
            what=W(f"ddpm.what_{self.wish.what}"),
        )

    def end(self) -> View:
        """Return original, latent, restored and difference, and what is known of the study."""
        drawn = {"clean": clean_figure(self.brought.x_0[0])} if self.wish.what == "drawn" else {}
        return View(
            {
                "rows": self._rows(),
                **drawn,
                "film": self._film(),
                "normal": self._normal(),
                "study": self._study_figure(),
            },
            self.caption(),
            self.readings(),
            self.table(),
            notes=self.notes(),
            unused=_unused(self.wish),
            progress=self.share if len(self.errors) < len({*COUNTS, self.wish.n_visits}) else None,
            steps=[word for word, _ in self.shown],
        )

    @property
    def shown(self) -> list[tuple[Word, Array]]:
        """The frames of the film, as many as there is room for."""
        size = len(address(self.latent[:FILM], FILM))
        n = int(max(3, min(len(self.kept), ROOM // (1 + size * 0.8))))
        return [self.kept[k] for k in spread(len(self.kept) - 1, n)]

    def _rows(self) -> Figure:
        x_0, gap = self.brought.x_0, np.abs(self.restored - self.brought.x_0)
        tiles = np.concatenate([x_0, self.latent, self.restored, np.minimum(GAIN * gap, 2) - 1])
        names = [W(f"ddpm.row_{name}", gain=GAIN) for name in ("original", "latent", "restored")]
        return named_sheet(
            tiles,
            [str(k + 1) for k in range(self.n)],
            [*names, W("ddpm.row_difference", gain=GAIN)],
            W("ddpm.axis_picture"),
            W("ddpm.axis_stage"),
            title=W("ddpm.title_trip", steps=self.wish.n_visits),
            wide=True,
            height=420,
        )

    def _film(self) -> Figure:
        columns = 3 if self.n > 2 else self.n
        sources = [address(x, columns) for _, x in self.shown]
        return sheet(
            self.restored[:FILM],
            W("ddpm.title_trip_film"),
            columns=columns,
            height=300,
            moves=moving(t0={"source": sources}),
        )

    def _normal(self) -> Figure:
        """Return the histogram of the latents against N(0, 1)."""
        middles = (EDGES[1:] + EDGES[:-1]) / 2
        schedule = self.made.schedule
        bell = bin_shares(ddpm_exact.gaussian(), schedule, EDGES, schedule.n_steps)
        counted = histogram(self.latent, EDGES)
        return figure(
            bars(middles, counted, W("ddpm.named_latents"), "@sky"),
            line(middles, bell, "N(0, 1)", "@orange"),
            x=axis(W("ddpm.axis_number"), range=[-4, 4]),
            y=axis(W("ddpm.axis_share"), range=[0, 1.1 * float(max(counted.max(), bell.max()))]),
            title=W("ddpm.title_latents"),
            layout={"bargap": 0},
            height=300,
        )

    def _study_figure(self) -> Figure:
        mine, theirs = self.study, _reported()
        own: Trace = line(
            list(mine),
            list(mine.values()),
            W("ddpm.named_here"),
            "@blue",
            mode="lines+markers",
            marker={"size": 8},
        )
        return figure(
            own,
            line(
                list(theirs),
                list(theirs.values()),
                W("ddpm.named_reported"),
                "@gray",
                dash="dot",
                mode="lines+markers",
                marker={"symbol": "diamond-open", "size": 8},
            ),
            x=axis(W("ddpm.axis_visited"), log=True, range=[0.2, 3.1], dtick=1),
            y=axis(W("ddpm.axis_error"), log=True),
            title=W("ddpm.title_study"),
            wide=True,
            height=300,
        )

    @property
    def study(self) -> dict[int, float]:
        """Error by S, in order."""
        return dict(sorted(self.errors.items()))

    def readings(self) -> list[Reading]:
        """Return theory beside measurement."""
        wish = self.wish
        error = ddpm_samplers.reconstruction_error(self.brought.x_0, self.restored)
        rows = [shown(W("ddpm.reading_restored", steps=wish.n_visits), error)]
        if self.again is not None:
            gap = float(np.abs(self.again - self.restored).max())
            rows.append(equal(W("ddpm.reading_again"), gap, 0.0))
        seen = ddpm_latents.normality(self.latent)
        why = W("ddpm.note_flat") if seen.variance < FLAT else W("ddpm.note_four_sigma")
        rows += [
            near(W("ddpm.reading_latent_mean"), seen.mean, 0.0, SIGMAS * seen.mean_error, why),
            near(
                W("ddpm.reading_latent_variance"),
                seen.variance,
                1.0,
                SIGMAS * seen.variance_error,
                why,
            ),
            near(
                W("ddpm.reading_latent_norm"),
                seen.norm,
                seen.expected_norm,
                SIGMAS * seen.norm_error,
                why,
            ),
        ]
        here = {S: error for S, error in self.study.items() if S in COUNTS}
        if len(here) == len(COUNTS):
            low, high = COUNTS[0], COUNTS[-1]
            rows.append(at_most(W("ddpm.reading_more", low=low, high=high), here[high], here[low]))
            theirs = {S: _reported()[S] for S in COUNTS}
            rows.append(
                shown(
                    W("ddpm.reading_power"),
                    ddpm_latents.falling_power(here),
                    W("ddpm.note_power", power=ddpm_latents.falling_power(theirs)),
                )
            )
        return rows

    def notes(self) -> list[Word]:
        """Return what the visitor should know of this run."""
        if ddpm_latents.normality(self.latent).variance < FLAT:
            return [W("ddpm.note_quiet")]
        return []

    def table(self) -> dict[str, Any]:
        """Return the study: error here and reported."""
        theirs = _reported()
        counts = sorted({*self.errors, *theirs})
        return {
            "visits": counts,
            "error_here": [self.errors.get(S, np.nan) for S in counts],
            "error_reported": [theirs.get(S, np.nan) for S in counts],
        }


@cache
def _reported() -> Mapping[int, float]:
    """Return the DDIM paper's errors by S (table 2, CIFAR-10)."""
    tables = json.loads(REPORTED.read_text(encoding="utf-8"))
    rows = next(table["rows"] for table in tables if table["id"] == "ddim_reconstruction")
    return {int(S): float(error) for S, error in rows}


# --- From noise to noise --------------------------------------------------------------------------


class _Way:
    """Pictures on the way from one noise to another."""

    def __init__(self, wish: _Wish, made: Engine) -> None:
        self.wish, self.made = wish, made
        n, shape = wish.n_pictures, made.shape
        first, second = (
            next(ddpm_samplers.noise_streams(seed, n, shape, np.float32))
            for seed in (wish.seed, wish.other)
        )
        self.ends = first, second
        self.share = np.linspace(0, 1, wish.n_between)
        way = ddpm_latents.between(wish.path, first, second, self.share)
        self.noise = np.ascontiguousarray(way.swapaxes(0, 1))  # (pairs, places, 32, 32)
        self.correlation = 1.0 if wish.seed == wish.other else 0.0
        self.pictures = self.noise

    def views(self) -> Iterator[View]:
        """Yield the states of all pictures together, then what they came to."""
        wish = self.wish
        times = visited_times(self.made.schedule.n_steps, wish.n_visits)
        plan = ddpm_samplers.make_plan(self.made.schedule, times, ddpm_samplers.RULES["ddim"])
        classes = None
        if wish.classes == "given":
            pairs = np.arange(wish.n_pictures) % CLASSES[wish.network]
            classes = np.repeat(pairs, wish.n_between)
        start = self.noise.reshape(-1, *self.made.shape)
        for state in ddpm_samplers.sample(
            plan, self.made.denoiser(classes, 1.0), start, predicts=self.made.predicts
        ):
            if state.index == wish.n_visits:
                self.pictures = state.x.reshape(self.noise.shape)
            elif state.index:
                yield self.moment(state)
        yield self.end()

    def moment(self, state: State) -> View:
        """Return the view on the way."""
        guess = state.x0_hat.reshape(self.noise.shape)
        return View(
            self._sheet(guess, W("ddpm.title_guess_at", t=state.t)),
            self.caption(),
            [shown(W("ddpm.reading_now"), W("ddpm.at_time", t=state.t))],
            self.table(guess),
            unused=_unused(self.wish),
            progress=state.index / self.wish.n_visits,
        )

    def end(self) -> View:
        """Return the pictures on the way, as a sheet and as a film, and the variance there."""
        return View(
            {
                "sheet": self._sheet(self.pictures, W("ddpm.title_way")),
                "film": self._film(),
                "variance": self._variance(),
            },
            self.caption(),
            self.readings(),
            self.table(self.pictures),
            notes=[W("ddpm.note_same_seed")] if self.correlation else [],
            unused=_unused(self.wish),
            steps=[f"λ = {share:.3g}" for share in self.share],
            plays=True,
        )

    def caption(self) -> Word:
        """Return what the pictures show."""
        wish = self.wish
        return W(
            "ddpm.latents_caption_way",
            n=wish.n_pictures,
            places=wish.n_between,
            path=W(f"ddpm.latents_path_{wish.path}"),
            steps=wish.n_visits,
        )

    def _sheet(self, tiles: Array, title: Word) -> Figure:
        n = len(tiles)
        return named_sheet(
            tiles.reshape(-1, *tiles.shape[2:]),
            [f"{share:.3g}" for share in self.share],
            (),
            W("ddpm.axis_way"),
            title=title,
            wide=True,
            height=min(900, 80 + round(860 / len(self.share)) * n),
        )

    def _film(self) -> Figure:
        columns = math.ceil(math.sqrt(len(self.pictures)))
        sources = [address(self.pictures[:, k], columns) for k in range(len(self.share))]
        return sheet(
            self.pictures[:, -1],
            W("ddpm.title_way_film"),
            columns=columns,
            height=300,
            moves=moving(t0={"source": sources}),
        )

    @property
    def measured(self) -> Array:
        """Variance of the numbers of all latents, at each place."""
        return np.asarray(self.noise.swapaxes(0, 1).reshape(len(self.share), -1).var(axis=1))

    def _variance(self) -> Figure:
        fine = np.linspace(0, 1, 51)
        colors = dict(zip(PATHS, ("@blue", "@green", "@orange"), strict=True))
        dashes = dict(zip(PATHS, ("solid", "dash", "solid"), strict=True))
        curves = [
            line(
                fine,
                ddpm_latents.path_variance(path, fine, self.correlation),
                W(f"ddpm.latents_path_{path}"),
                colors[path],
                dash=dashes[path],
            )
            for path in PATHS
        ]
        places = dots(
            self.share, self.measured, W("ddpm.named_measured"), colors[self.wish.path], size=9
        )
        return figure(
            *curves,
            places,
            x=axis(W("ddpm.axis_way"), range=[-0.03, 1.03]),
            y=axis(W("ddpm.axis_latent_variance"), range=[0, 2.2 if self.correlation else 1.3]),
            title=W("ddpm.title_way_variance"),
            height=300,
        )

    def readings(self) -> list[Reading]:
        """Return theory beside measurement."""
        path, rho = self.wish.path, self.correlation
        theory = ddpm_latents.path_variance(path, self.share, rho)
        error = SIGMAS * np.sqrt(2 / self.noise[:, 0].size) * theory
        off = int(np.argmax(np.abs(self.measured - theory) / error))
        middle = len(self.share) // 2
        ends = [np.abs(self.noise[:, k] - self.ends[k]).max() for k in (0, -1)]
        note = W("ddpm.note_four_sigma")
        rows = [
            equal(W("ddpm.reading_way_ends"), float(max(ends)), 0.0, 1e-6),
            near(
                W("ddpm.reading_way_middle", place=float(self.share[middle])),
                float(self.measured[middle]),
                float(theory[middle]),
                float(error[middle]),
                note,
            ),
            near(
                W("ddpm.reading_way_worst", place=float(self.share[off])),
                float(self.measured[off]),
                float(theory[off]),
                float(error[off]),
                note,
            ),
        ]
        fine = np.linspace(0, 1, 1001)
        for name in ("arc", "line"):
            exact = ddpm_latents.path_variance(name, fine, rho)
            word = W("ddpm.reading_way_least", path=W(f"ddpm.latents_path_{name}"))
            if rho:
                rows.append(shown(word, float(exact.min())))
            else:
                rows.append(equal(word, float(exact.min()), 1.0 if name == "arc" else 0.5, 1e-12))
        rows.append(shown(W("ddpm.reading_way_ink"), float(self.ink(self.pictures)[middle])))
        return rows

    def ink(self, tiles: Array) -> Array:
        """Return the mean share of ink at each place of the way."""
        values = np.clip(tiles, -1, 1).swapaxes(0, 1).reshape(len(self.share), -1)
        return np.asarray((values.mean(axis=1, dtype=np.float64) + 1) / 2)

    def table(self, tiles: Array) -> dict[str, Any]:
        """Return one row for each place on the way."""
        return {
            "place": self.share,
            "latent_variance": self.measured.astype(np.float64),
            "latent_variance_exact": ddpm_latents.path_variance(
                self.wish.path, self.share, self.correlation
            ),
            "ink": self.ink(tiles),
        }


def _unused(wish: _Wish) -> frozenset[str]:
    is_trip = wish.task == "encode"
    is_real = wish.what in KINDS
    sources = unused_sources(wish.what, "n_pictures")
    reads = {
        "what": is_trip,
        "model": not (is_trip and is_real),
        "upload": is_trip and sources["upload"],
        "drawn": is_trip and sources["drawn"],
        "n_pictures": not is_trip or is_real,
        "classes": not is_trip or is_real,
        "n_refinements": is_trip,
        "veil": is_trip,
        "path": not is_trip,
        "n_between": not is_trip,
        "seed": not is_trip or wish.veil > 0,
        "other": not is_trip,
    }
    return frozenset(name for name, needed in reads.items() if not needed)


PANEL = Panel(
    latents,
    latents_controls,
    (
        Preset("way", {"task": "interpolate"}),
        Preset("line", {"task": "interpolate", "path": "line", "model": "digits"}),
        Preset("digits", {"what": "digit", "n_pictures": 10}),
        Preset("ten", {"n_visits": 10, "what": "digit"}),
        Preset("refined", {"n_visits": 10, "what": "digit", "n_refinements": 2}),
        Preset("veil", {"veil": 20, "n_visits": 50}),
        Preset("drawn", {"what": "drawn", "n_visits": 50}),
        Preset("same", {"task": "interpolate", "other": 0}),
    ),
)
