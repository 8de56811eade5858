"""Panel: all ways to make steps of the same system, against the best possible projection."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from demos.controls import Control, Integer
from demos.figures import Figure, axis, dots, figure, line
from demos.hippo._common import (
    MEASURE,
    ORDER,
    SEED,
    WINDOW,
    Floats,
    error_axis,
    make_signal,
    signal_controls,
    unused,
)
from demos.panel import Panel, Preset
from demos.view import Reading, View, at_least, at_most, near, shown
from demos.words import W, Word
from models import hippo, hippo_steps, signals

RECORDS = 80  # moments at which errors are compared
LENGTHS = (32, 64, 128, 256, 512, 1024, 2048, 4096, 8192, 16_384)
SHORT = 3  # lengths measured before Run is pressed
FLOOR = 1e-18
BOTH = tuple((m, "su") for m in hippo_steps.METHODS)
COLORS = ("@red", "@orange", "@green", "@blue", "@purple", "@olive")
STEPPED = (*BOTH, ("bilinear", "hippo_code"), ("exact", "hippo_code"))


def discretisations_controls() -> dict[str, Control]:
    """Return the controls of ``discretisations``."""
    return {
        **signal_controls("sine", drawn=False),
        "measure": MEASURE,
        "order": ORDER,
        "window": WINDOW,
        "n_samples": Integer(default=1000, low=4, high=signals.MAX_SAMPLES, log=True),
        "seed": SEED,
    }


def discretisations(
    signal: str,
    formula: str,
    upload: str | None,
    frequency: float,
    noise: float,
    measure: str,
    order: int,
    window: float,
    n_samples: int,
    seed: int,
) -> Iterator[View]:
    """Compare all discretisations on one signal; Run measures how fast each error falls with L.

    Args:
        signal: Made, recorded, typed or uploaded; its duration is 1.
        formula: Formula of t, 0 to 1.
        upload: Path of a csv, txt or npy file; its last column is the signal.
        frequency: Periods per signal.
        noise: Standard deviation of white noise added.
        measure: Which past counts.
        order: N.
        window: Window or time scale, in durations of the signal.
        n_samples: L.
        seed: Seed of random signals.

    Yields:
        First all methods at L; then, one length after the other, their distance to the exact step.
    """
    given: dict[str, Any] = dict(locals())
    study = _Study(hippo.Memory(measure, order, window), given)
    for n in LENGTHS[:SHORT]:
        study.measure(n)
    yield study.view(0.0)
    for done, n in enumerate(LENGTHS[SHORT:], SHORT + 1):
        study.measure(n)
        yield study.view(done / len(LENGTHS) if done < len(LENGTHS) else None)


@dataclass(frozen=True)
class _Walk:
    """One method on the signal."""

    name: Word
    color: str
    run: hippo_steps.Trajectory
    quality: hippo_steps.Readings


class _Study:
    """All methods on one signal, and their distances to the exact step at growing lengths."""

    def __init__(self, memory: hippo.Memory, given: dict[str, Any]) -> None:
        self.memory, self.given = memory, given
        self.u = make_signal(given)
        self.step = 1 / self.u.size
        self.records = hippo_steps.spread_records(self.u.size, RECORDS)
        self.best = hippo_steps.projection(memory, self.u, self.step, self.records)
        self.ways = STEPPED if memory.kind.is_scaled else BOTH
        self.walks = [
            self._walk(*way, color) for way, color in zip(self.ways, COLORS, strict=False)
        ]
        self.gaps: dict[tuple[str, str], list[float]] = {
            way: [] for way in self.ways if way != ("exact", "su")
        }

    def _walk(self, method: str, convention: str, color: str) -> _Walk:
        run = self._run(self.u, method, convention, self.records)
        quality = hippo_steps.readings(self.memory, self.u, self.step, run, self.best)
        return _Walk(_way_word(method, convention), color, run, quality)

    def _run(self, u: Floats, method: str, convention: str, records: Any) -> hippo_steps.Trajectory:
        return hippo_steps.trajectory(self.memory, u, 1 / u.size, method, convention, records)

    def measure(self, n_samples: int) -> None:
        """Add each method's distance to the exact step at one more length."""
        u = make_signal({**self.given, "n_samples": n_samples})
        end = np.array([n_samples])
        exact = self._run(u, "exact", "su", end).states[-1]
        for way, gaps in self.gaps.items():
            with np.errstate(all="ignore"):
                state = self._run(u, *way, end).states[-1]
                gaps.append(float(np.linalg.norm(state - exact)))

    @property
    def lengths(self) -> list[int]:
        """The lengths measured so far."""
        return list(LENGTHS[: len(next(iter(self.gaps.values())))])

    def view(self, progress: float | None) -> View:
        """Return the view after the lengths measured so far."""
        pictures = {"fits": self._fits(), "error": self._errors(), "order": self._orders()}
        names = [walk.name for walk in self.walks]
        best = float(self.walks[0].quality.best[-1])
        return View(
            pictures,
            W(
                "hippo.discretisations_caption",
                measure=W(f"hippo.measure_{self.memory.measure}"),
                n=self.memory.size,
                samples=self.u.size,
                best=best,
            ),
            [*self._quality(best), *self._limit(), *self._slopes()],
            {
                "way": names,
                "error": [float(walk.quality.error[-1]) for walk in self.walks],
                "best_error": [best] * len(names),
                "largest": [walk.run.largest for walk in self.walks],
            },
            notes=self._notes(),
            unused=unused(self.given),
            progress=progress,
        )

    def _fits(self) -> Figure:
        """Return what each method remembers at the end, less the signal."""
        ages = hippo.shown_ages(self.memory, 240)
        x = hippo.places(self.memory, ages, np.array([1.0]))[0]
        true = np.interp(x, signals.sample_times(self.u.size), self.u)
        gaps = []
        for walk in self.walks:
            fit = hippo.remembered(self.memory, walk.run.states[-1:], ages)[0]
            gaps.append(np.where(x >= 0, np.clip(fit, -1e30, 1e30) - true, np.nan))
        sizes = [float(np.nanmax(np.abs(gap))) for gap in gaps if np.isfinite(gap).any()]
        top = 1.2 * min(max(sizes, default=1.0), float(np.ptp(self.u)) or 1.0)
        return figure(
            *(
                line(x, gap, walk.name, walk.color, width=1.5 + (walk.color == "@blue"))
                for gap, walk in zip(gaps, self.walks, strict=True)
            ),
            x=axis(W("hippo.axis_time"), range=[0, 1.005]),
            y=axis(W("hippo.axis_fit_gap"), range=[-top, top]),
            title=W("hippo.title_fits"),
            wide=True,
            height=320,
        )

    def _errors(self) -> Figure:
        t = self.records * self.step
        curves = [line(t, np.clip(w.quality.error, FLOOR, 1e30), "", w.color) for w in self.walks]
        best = np.maximum(self.walks[0].quality.best, FLOOR)
        return figure(
            *curves,
            line(t, best, W("hippo.error_best"), "@ink", dash="dot"),
            x=axis(W("hippo.axis_time"), range=[0, 1.005]),
            y=error_axis(
                self.records > 2 * self.memory.size,
                best,
                *(np.minimum(w.quality.error, 1e4 * best.max()) for w in self.walks),
            ),
            title=W("hippo.title_error"),
        )

    def _orders(self) -> Figure:
        lengths = np.array(self.lengths, float)
        colors = dict(zip(self.ways, COLORS, strict=False))
        curves = [
            dots(
                lengths,
                np.clip(gaps, FLOOR, 1e30),
                "",
                colors[way],
                mode="lines+markers",
                line={"color": colors[way], "width": 2},
            )
            for way, gaps in self.gaps.items()
        ]
        guide = [
            line(lengths, lengths ** float(-p), f"L<sup>−{p}</sup>", "@gray", dash="dot", width=1)
            for p in (1, 2)
        ]
        return figure(
            *curves,
            *guide,
            x=axis(W("hippo.axis_length"), log=True),
            y=axis(W("hippo.axis_gap"), log=True, dtick=2),
            title=W("hippo.title_orders"),
        )

    def _quality(self, best: float) -> list[Reading]:
        scale = float(np.mean(self.u**2))
        return [
            at_least(
                W("hippo.reading_error_of", way=walk.name),
                float(walk.quality.error[-1]),
                best,
                1e-9 * scale,
            )
            for walk in self.walks
        ]

    def _limit(self) -> list[Reading]:
        """Return the step against what forward Euler allows."""
        if self.memory.kind.is_scaled:
            calm = hippo.calm_step(self.memory)
            return [shown(W("hippo.reading_calm"), calm, W("hippo.note_cancels"))]
        limit = hippo.euler_limit(self.memory)
        return [at_most(W("hippo.reading_limit"), self.step, limit, 0.0, W("hippo.note_others"))]

    def _slopes(self) -> list[Reading]:
        if len(self.lengths) < len(LENGTHS):
            return []
        rows = []
        for way, gaps in self.gaps.items():
            measured = hippo_steps.slope(self.lengths, gaps)
            theory = hippo_steps.order_of(self.memory, *way)
            word = W("hippo.reading_slope", way=_way_word(*way))
            fourier = self.memory.kind.family == "fourier"
            if not np.isfinite(measured) or self.given["noise"] or fourier:
                rows.append(shown(word, measured, W("hippo.note_no_slope")))
            else:
                rows.append(near(word, measured, -theory, 0.25, W("hippo.note_slope")))
        return rows

    def _notes(self) -> list[Word]:
        gone = [w for w in self.walks if w.run.blow_up is not None]
        notes = [W("hippo.note_blow_up_of", way=w.name, step=w.run.blow_up) for w in gone]
        for w in self.walks:
            if w.run.blow_up is None and w.run.outgrown is not None:
                more = {"step": w.run.outgrown, "largest": w.run.largest}
                notes.append(W("hippo.note_huge_of", way=w.name, **more))
        return notes


def _way_word(method: str, convention: str) -> Word:
    if convention == "su":
        return W(f"hippo.method_{method}")
    return W(f"hippo.method_{method}_code")


PANEL = Panel(
    discretisations,
    discretisations_controls,
    (
        Preset("few", {"n_samples": 60}),
        Preset("window", {"measure": "legt", "window": 0.5, "n_samples": 2000}),
        Preset("unstable", {"measure": "legt", "window": 0.2, "n_samples": 200, "order": 24}),
        Preset("large", {"order": 64, "signal": "sines"}),
    ),
)
