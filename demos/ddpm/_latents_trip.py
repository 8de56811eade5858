"""Pictures taken back to their noise by DDIM and restored, and the study of S."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from demos.ddpm._latents_wish import COUNTS, STUDIED, Wish, unused
from demos.ddpm._pictures import Brought, address, clean_figure, named_sheet, sheet, spread
from demos.figures import Figure, Trace, axis, bars, figure, line, moving
from demos.view import Reading, View, at_most, equal, near, shown
from demos.words import W, Word
from models import ddpm, ddpm_exact, ddpm_latents, ddpm_quality, ddpm_samplers
from models.checkpoints import Engine
from models.ddpm import Array
from models.ddpm_histogram import bin_shares, histogram
from models.ddpm_samplers import State, visited_times

REPORTED = Path(__file__).resolve().parents[2] / "assets" / "ddpm_reported.json"
FILM = 6  # pictures in the film
FRAMES = 30  # of the film, at most
ROOM = 110_000  # characters of all pictures of the film
SIGMAS = 4.0  # tolerance of sampling, in standard errors
GAIN = 4  # by which a difference is brightened
EDGES = np.linspace(-4, 4, 64)  # of the histogram
FLAT = 0.8  # latents of less variance are spoken of


@dataclass(eq=False)
class Trip:
    """Pictures on their way to noise and back, then the study of S."""

    wish: Wish
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
            unused=unused(self.wish),
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
            unused=unused(self.wish),
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
        stages = [
            *(W(f"ddpm.row_{name}") for name in ("original", "latent", "restored")),
            W("ddpm.row_difference", gain=GAIN),
        ]
        more: dict[str, Any] = {
            "title": W("ddpm.title_trip", steps=self.wish.n_visits),
            "wide": True,
        }
        if self.n == 1:
            return named_sheet(tiles, stages, (), W("ddpm.axis_stage"), height=280, **more)
        numbers = [str(k + 1) for k in range(self.n)]
        along, beside = W("ddpm.axis_picture"), W("ddpm.axis_stage")
        return named_sheet(tiles, numbers, stages, along, beside, height=420, **more)

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
    rows = ddpm_quality.read_reported(REPORTED)["ddim_reconstruction"]["rows"]
    return {int(S): float(error) for S, error in rows}
