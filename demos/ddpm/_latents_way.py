"""Ways from one noise to another, each place on them turned into a picture."""

import math
from collections.abc import Iterator
from typing import Any

import numpy as np

from demos.ddpm._latents_wish import Wish, unused
from demos.ddpm._pictures import address, named_sheet, sheet
from demos.figures import Figure, axis, dots, figure, line, moving
from demos.view import Reading, View, equal, near, shown
from demos.words import W, Word
from models import ddpm_latents, ddpm_samplers
from models.checkpoints import CLASSES, Engine
from models.ddpm import Array
from models.ddpm_latents import PATHS
from models.ddpm_samplers import State, visited_times

SIGMAS = 4.0  # tolerance of sampling, in standard errors


class Way:
    """Pictures on the way from one noise to another."""

    def __init__(self, wish: Wish, made: Engine) -> None:
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
            unused=unused(self.wish),
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
            unused=unused(self.wish),
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
            height=min(480, 80 + round(860 / len(self.share)) * n),
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
        contrast = self.contrast(self.pictures)
        ends_too = float(contrast[[0, -1]].mean())
        rows.append(shown(W("ddpm.reading_way_contrast"), float(contrast[middle]) / ends_too))
        return rows

    def contrast(self, tiles: Array) -> Array:
        """Return the standard deviation of the pixels at each place of the way."""
        values = tiles.swapaxes(0, 1).reshape(len(self.share), -1)
        return np.asarray(values.std(axis=1, dtype=np.float64))

    def table(self, tiles: Array) -> dict[str, Any]:
        """Return one row for each place on the way."""
        return {
            "place": self.share,
            "latent_variance": self.measured.astype(np.float64),
            "latent_variance_exact": ddpm_latents.path_variance(
                self.wish.path, self.share, self.correlation
            ),
            "contrast": self.contrast(tiles),
        }
