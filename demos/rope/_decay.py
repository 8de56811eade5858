"""Panel: decay with distance, and the least base for a length, found and proven."""

from collections.abc import Iterator

import numpy as np

from demos.controls import Control, Integer
from demos.figures import Figure, axis, dots, figure, horizontal, line, vertical
from demos.panel import Panel, Preset
from demos.rope._common import BASE, HEAD_DIM, Floats, reported_tables
from demos.view import Reading, View, at_least, at_most, equal, shown
from demos.words import W, Word
from models import rope, rope_frequencies


def decay_controls() -> dict[str, Control]:
    """Return the controls of ``decay``."""
    return {
        "head_dim": HEAD_DIM,
        "base": BASE,
        "length": Integer(default=1024, low=4, high=65_536, log=True),
    }


def decay(head_dim: int, base: float, length: int) -> Iterator[View]:
    """Show the decay with distance, where like stops beating unlike, and the least base for L.

    Args:
        head_dim: d, even.
        base: b of theta_c = b^(-2c/d).
        length: L, tokens.

    Yields:
        First the curves; then the climb to the least base with f_b(m) >= 0 for all m < L.
    """
    theta = rope.frequencies(head_dim, base)
    sums = rope_frequencies.cosine_sums(theta, length)
    negative = np.flatnonzero(sums < 0)
    breach = int(negative[0]) if negative.size else None
    view = _DecayView(head_dim, base, length, theta, sums, breach)
    yield view.at(None, 0.0)
    scan = rope_frequencies.scan_bases(length, head_dim)
    step = None
    for count, step in enumerate(scan):
        if count % 8 == 7 and not step.feasible:
            yield view.at(step, 1 - 1 / (1 + count / 40))
    yield view.at(step, None)


class _DecayView:
    """What stays the same while the least base is searched."""

    def __init__(
        self,
        head_dim: int,
        base: float,
        length: int,
        theta: Floats,
        sums: Floats,
        breach: int | None,
    ) -> None:
        self.head_dim, self.base, self.length = head_dim, base, length
        self.theta, self.sums, self.breach = theta, sums, breach
        self.delta = np.unique(np.round(np.geomspace(1, length, 240)).astype(int)) - 1
        self.bound = rope_frequencies.abel_bound(theta, self.delta)

    def at(self, step: rope_frequencies.ScanStep | None, progress: float | None) -> View:
        """Return the view at a step of the search."""
        readings = self._readings()
        if step is not None and step.feasible:
            readings += self._base_readings(step)
        return View(
            {"bound": self._bound(), "sums": self._sums(), "base": self._base(step)},
            W("rope.decay_caption", base=self.base, d=self.head_dim, breach=self._breach_word()),
            readings,
            {"delta": self.delta, "abel_bound": self.bound, "cosine_sum": self.sums[self.delta]},
            progress=progress,
        )

    def _breach_word(self) -> Word:
        if self.breach is None:
            return W("rope.never_negative", length=self.length)
        return W("rope.first_negative", m=self.breach)

    def _bound(self) -> Figure:
        half = self.head_dim / 2
        return figure(
            line(self.delta + 1, self.bound, W("rope.abel_bound"), "@blue"),
            line(
                self.delta + 1,
                np.abs(self.sums[self.delta]) / half,
                W("rope.like_score"),
                "@orange",
                width=1.5,
            ),
            x=axis(W("rope.axis_distance"), log=True),
            y=axis(W("rope.axis_bound"), log=True),
            title=W("rope.title_bound"),
        )

    def _sums(self) -> Figure:
        """Return f_b(m); long curves as the band between least and largest per bin."""
        edges = np.unique(np.round(np.linspace(0, self.length, 301)).astype(int))
        starts = edges[:-1]
        low = np.minimum.reduceat(self.sums, starts)
        high = np.maximum.reduceat(self.sums, starts)
        middle = (edges[:-1] + edges[1:] - 1) / 2
        marks = [horizontal(0, dash="solid")]
        if self.breach is not None:
            marks.append(vertical(self.breach, W("rope.mark_negative", m=self.breach), "@orange"))
        return figure(
            line(middle, high, "", "@blue", width=1),
            line(middle, low, "", "@blue", width=1, fill="tonexty", fillcolor="@blue/0.3"),
            x=axis(W("rope.axis_m")),
            y=axis(W("rope.axis_sum")),
            marks=marks,
            title=W("rope.title_sums"),
        )

    def _base(self, step: rope_frequencies.ScanStep | None) -> Figure:
        rows = reported_tables()["minimal_base"]["rows"]
        lengths = [row[0] for row in rows]
        traces = [
            dots(
                lengths, [row[1] for row in rows], W("rope.base_paper"), "@olive", symbol="square"
            ),
            dots(
                lengths, [row[2] for row in rows], W("rope.base_post"), "@green", symbol="diamond"
            ),
            line(
                lengths,
                [rope_frequencies.asymptotic_base(size) for size in lengths],
                "L / 0.6165",
                "@gray",
                dash="dot",
            ),
            dots([self.length], [self.base], W("rope.your_base"), "@red", size=11, symbol="x"),
        ]
        if step is not None:
            name = W("rope.base_found") if step.feasible else W("rope.base_climbing")
            traces.append(dots([self.length], [step.base], name, "@blue", size=11))
        return figure(
            *traces,
            x=axis(W("rope.axis_length"), log=True),
            y=axis(W("rope.axis_base"), log=True),
            title=W("rope.title_base"),
            wide=True,
            height=320,
        )

    def _readings(self) -> list[Reading]:
        half = self.head_dim / 2
        excess = float((np.abs(self.sums[self.delta]) / half - self.bound).max())
        at_zero = float(rope_frequencies.abel_bound(self.theta, np.zeros(1))[0])
        reach = self.length if self.breach is None else self.breach
        note = None if self.breach is None else W("rope.note_negative")
        return [
            equal(W("rope.reading_abel_zero"), at_zero, (half + 1) / 2, 1e-9 * half),
            at_most(W("rope.reading_abel"), excess, 0.0, 1e-12),
            Reading(
                W("rope.reading_reach"), reach, self.length, "≥", reach >= self.length, note=note
            ),
        ]

    def _base_readings(self, step: rope_frequencies.ScanStep) -> list[Reading]:
        theta = rope.frequencies(self.head_dim, step.base)
        lowest = float(rope_frequencies.cosine_sums(theta, self.length).min())
        readings = [
            at_least(W("rope.reading_base_check"), lowest, 0.0, 1e-9, W("rope.note_rounding"))
        ]
        if self.head_dim == 128:
            for row in reported_tables()["minimal_base"]["rows"]:
                if row[0] == self.length:
                    label = W("rope.reading_base_reported")
                    note = W("rope.note_base_reported", paper=row[1])
                    readings.append(at_most(label, step.base, row[2] * 1.05, note=note))
        found = W("rope.reading_base", length=self.length)
        return [shown(found, f"{step.base:.2f}", W("rope.note_base")), *readings]


PANEL = Panel(
    decay,
    decay_controls,
    (
        Preset("breach", {"length": 4096, "base": 10_000}),
        Preset("llama", {"length": 8192, "base": 500_000}),
        Preset("short", {"length": 1024, "base": 4294}),
    ),
)
