"""Panel: a signal, what N numbers remember of it, and how good that is, as time goes on."""

from typing import Any

import numpy as np

from demos.controls import Control, Integer
from demos.figures import Figure, axis, bars, curve, drawing, figure, line, moving
from demos.hippo._common import (
    CONVENTION,
    MEASURE,
    METHOD,
    NORMALISATION,
    ORDER,
    SEED,
    WINDOW,
    Floats,
    band_of,
    error_axis,
    make_signal,
    signal_controls,
    signal_curve,
    signal_word,
    unused,
)
from demos.panel import Panel, Preset
from demos.view import Reading, View, at_least, at_most, equal, near, shown
from demos.words import W, Word
from models import hippo, hippo_steps, signals

STEPS = 36  # pictures of the animation
POINTS = 90  # of a reconstruction
FIT_SAMPLES = 4000  # up to this length Parseval's identity is checked by quadrature


def remember_controls() -> dict[str, Control]:
    """Return the controls of ``remember``."""
    return {
        **signal_controls(),
        "measure": MEASURE,
        "order": ORDER,
        "window": WINDOW,
        "method": METHOD,
        "convention": CONVENTION,
        "normalisation": NORMALISATION,
        "n_samples": Integer(default=1000, low=2, high=signals.MAX_SAMPLES, log=True),
        "seed": SEED,
    }


def remember(
    signal: str,
    formula: str,
    drawn: str,
    upload: str | None,
    frequency: float,
    noise: float,
    measure: str,
    order: int,
    window: float,
    method: str,
    convention: str,
    normalisation: str,
    n_samples: int,
    seed: int,
) -> View:
    """Feed a signal into a memory of N numbers and show what it remembers, moment by moment.

    Args:
        signal: Made, recorded, typed, drawn or uploaded; its duration is 1.
        formula: Formula of t, 0 to 1.
        drawn: Heights of a curve, evenly spaced.
        upload: Path of a csv, txt or npy file; its last column is the signal.
        frequency: Periods per signal.
        noise: Standard deviation of white noise added.
        measure: Which past counts.
        order: N, numbers kept.
        window: Window or time scale, in durations of the signal.
        method: forward, backward, bilinear or exact.
        convention: Of LegS: su, or hippo_code, which takes t = k + 1 on both sides.
        normalisation: paper or su (sqrt 2 times larger coefficients).
        n_samples: L.
        seed: Seed of random signals.
    """
    given: dict[str, Any] = dict(locals())
    memory = hippo.Memory(measure, order, window, normalisation)
    u = make_signal(given)
    film = _Film(memory, u, method, convention)
    return View(
        {
            "signal": film.signal(signal),
            "measure": film.measure(),
            "coefficients": film.coefficients(),
            "error": film.errors(),
        },
        film.caption(signal),
        film.readings(),
        {
            "t": film.times,
            "error": film.quality.error,
            "best_error": film.quality.best,
            "energy": film.quality.energy,
        },
        notes=film.notes(),
        unused=unused(given),
        steps=[f"t = {t:.3f}" for t in film.times.tolist()],
    )


class _Film:
    """The states at the moments of the animation, and the best possible ones."""

    def __init__(self, memory: hippo.Memory, u: Floats, method: str, convention: str) -> None:
        self.memory, self.u, self.method, self.convention = memory, u, method, convention
        self.step = 1 / u.size
        self.records = hippo_steps.spread_records(u.size, STEPS)
        self.times = self.records * self.step
        self.run = hippo_steps.trajectory(memory, u, self.step, method, convention, self.records)
        self.is_best = memory.kind.is_closed and (method, convention) == ("exact", "su")
        self.best = (
            self.run.states
            if self.is_best
            else hippo_steps.projection(memory, u, self.step, self.records)
        )
        self.quality = hippo_steps.readings(memory, u, self.step, self.run, self.best)
        self.ages = hippo.shown_ages(memory, POINTS)
        self.places = hippo.places(memory, self.ages, self.times)  # (R, n)

    @property
    def error(self) -> float:
        """Mean squared error at the end."""
        return float(self.quality.error[-1])

    def signal(self, name: str) -> Figure:
        """Return the signal, what is remembered of it, and now."""
        fit = hippo.remembered(self.memory, self.run.states, self.ages)
        first, last = self.places[:, 0], self.places[:, -1]
        spacing = (last - first) / (self.ages.size - 1)
        fit[self.places < -1e-9] = np.nan  # before the first sample there is nothing to compare
        low, high = band = band_of(self.u)
        now = np.repeat(self.times[:, None], 2, axis=1)
        return figure(
            signal_curve(self.u, signal_word(name)),
            curve(first[-1], spacing[-1], fit[-1], W("hippo.remembered"), "@blue", width=3),
            line(now[-1], band, W("hippo.now"), "@orange", dash="dot", width=1.5),
            x=axis(W("hippo.axis_time"), range=[0, 1.005]),
            y=axis(W("hippo.axis_signal"), range=[low, high]),
            title=W("hippo.title_signal"),
            wide=True,
            height=340,
            moves=moving(t1={"x0": first, "dx": spacing, "y": fit}, t2={"x": now}),
            drawn=drawing("drawn", signal="drawn"),
        )

    def measure(self) -> Figure:
        """Return the weight of each moment of the past."""
        even = self.memory.measure not in ("lagt", "legs_lti")
        ages = hippo.shown_ages(self.memory, 2 if even else 30)
        x = hippo.places(self.memory, ages, self.times)
        y = hippo.age_weights(self.memory, ages, self.times)
        top = 1.1 * float(np.max(y[len(y) // 4 :]))
        return figure(
            line(x[-1], y[-1], W("hippo.weight"), "@sky", fill="tozeroy"),
            x=axis(W("hippo.axis_time"), range=[0, 1.005]),
            y=axis(W("hippo.axis_weight"), range=[0, top]),
            title=W("hippo.title_measure"),
            wide=True,
            height=190,
            moves=moving(t0={"x": x, "y": y}),
        )

    def coefficients(self) -> Figure:
        """Return the N numbers."""
        states = self.run.states
        fourier = np.iscomplexobj(states)
        heights = np.abs(states) if fourier else states
        known = np.abs(heights[np.isfinite(heights)])
        top = min(float(known.max(initial=0)), 4 * float(np.abs(self.u).max())) or 1.0
        modes = np.arange(self.memory.size) - (self.memory.size // 2 if fourier else 0)
        return figure(
            bars(modes, heights[-1], "", "@blue"),
            x=axis(W("hippo.axis_mode")),
            y=axis(
                W("hippo.axis_size" if fourier else "hippo.axis_coefficient"),
                range=[0 if fourier else -1.05 * top, 1.05 * top],
            ),
            title=W("hippo.title_coefficients", n=self.memory.size),
            height=280,
            moves=moving(t0={"y": heights}),
        )

    def errors(self) -> Figure:
        """Return the mean squared error against the best possible, over time."""
        floor = 1e-18
        error = np.maximum(self.quality.error, floor)
        best = np.maximum(self.quality.best, floor)
        now = self.times[:, None]
        traces = [
            line(self.times, error, W("hippo.error_measured"), "@blue", width=3),
            line(self.times, best, W("hippo.error_best"), "@orange", dash="dash"),
            line(now[-1], error[-1:], "", "@red", mode="markers", marker={"size": 10}),
        ]
        return figure(
            *traces,
            x=axis(W("hippo.axis_time"), range=[0, 1.02]),
            y=error_axis(self.records > 2 * self.memory.size, error, best),
            title=W("hippo.title_error"),
            height=280,
            moves=moving(t2={"x": now, "y": error[:, None]}),
        )

    def caption(self, signal: str) -> Word:
        """Return what the picture shows."""
        return W(
            "hippo.remember_caption",
            measure=W(f"hippo.measure_{self.memory.measure}"),
            n=self.memory.size,
            samples=self.u.size,
            signal=signal_word(signal),
            error=self.error,
            best=float(self.quality.best[-1]),
        )

    def notes(self) -> list[Word]:
        """Return what went wrong or is not to be expected."""
        notes = []
        if self.run.blow_up is not None:
            notes.append(W("hippo.note_blow_up", step=self.run.blow_up))
        elif self.run.outgrown is not None:
            notes.append(W("hippo.note_huge", step=self.run.outgrown, largest=self.run.largest))
        if self.memory.size > self.u.size:
            notes.append(W("hippo.note_more_numbers"))
        if self.memory.kind.past == "window" and self.memory.window > 1:
            notes.append(W("hippo.note_long_window"))
        return notes

    def readings(self) -> list[Reading]:
        """Return theory beside measurement at the end."""
        memory, scale = self.memory, float(np.mean(self.u**2))
        rounding = 1e-9 * scale
        best = float(self.quality.best[-1])
        compare = equal if self.is_best else at_least
        rows = [compare(W("hippo.reading_error"), self.error, best, rounding)]
        if self.u.size <= FIT_SAMPLES and memory.kind.past != "fading":
            rows.append(
                equal(
                    W("hippo.reading_parseval"),
                    hippo_steps.fit_error(memory, self.best[-1], self.u, self.step),
                    best,
                    1e-6 * scale,
                    W("hippo.note_quadrature"),
                )
            )
        if memory.measure in ("legs", "legt"):
            rows.append(self._mean())
        if not memory.kind.is_scaled and self.method == "forward":
            limit = hippo.euler_limit(memory)
            rows.append(at_most(W("hippo.reading_limit"), self.step, limit))
        if memory.kind.is_scaled and self.method == "forward":
            calm = hippo.calm_step(memory)
            rows.append(shown(W("hippo.reading_calm"), calm))
        rows.append(shown(W("hippo.reading_share"), f"{100 * self._share():.3f} %"))
        return rows

    def _mean(self) -> Reading:
        """Return c_0 against the mean of the past or of the window."""
        memory = self.memory
        c0 = float(self.run.states[-1, 0].real) / memory.scale
        mean = float(self.best[-1, 0].real) / memory.scale
        word = W(f"hippo.reading_mean_{memory.measure}")
        if self.is_best:
            return equal(word, c0, mean, 1e-9 * float(np.abs(self.u).max()))
        size = float(np.abs(self.u).max())
        return near(word, c0, mean, 0.02 * size, W("hippo.note_discrete"))

    def _share(self) -> float:
        energy = float(self.quality.energy[-1])
        return 1 - self.error / energy if energy and np.isfinite(self.error) else 0.0


PANEL = Panel(
    remember,
    remember_controls,
    (
        Preset("heart", {"signal": "ecg", "order": 64}),
        Preset("window", {"signal": "chirp", "measure": "legt", "frequency": 6}),
        Preset(
            "closure",
            {
                "signal": "sine",
                "measure": "fourier_post",
                "frequency": 1.7,
                "window": 0.25,
                "order": 32,
            },
        ),
        Preset("exactly", {"signal": "polynomial", "order": 4}),
        Preset("blow_up", {"measure": "legt", "method": "forward", "n_samples": 100, "order": 16}),
        Preset("jump", {"signal": "step", "order": 32}),
    ),
)
