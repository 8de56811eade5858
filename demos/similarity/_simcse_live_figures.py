"""What a training by SimCSE looks like at one moment: matrix, curves, path, readings."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from demos.figures import SEQUENTIAL, Figure, Trace, axis, dots, figure, heat, horizontal, line
from demos.similarity._common import ROUNDING
from demos.view import Reading, at_least, equal, shown
from demos.words import W
from models.simcse import collapse_loss, contrast

LEAST = 1e-7  # nats; a loss below it is drawn there
DRAWN = 32  # sentences in the matrix
SAME = 1e-5  # cosine of two equal masks: float32, sums of a batch in another order
SINGLE = 1e-6  # nats, times a logit: rounding of single precision
PEAK = 1.0  # points of Spearman below its best from which on a fall is spoken of

Cosines = NDArray[np.float32]


@dataclass(frozen=True)
class Check:
    """An evaluation on scored pairs.

    Attributes:
        step: After which step; 0 is before training.
        spearman: Times 100.
        alignment: Of the pairs that mean the same.
        uniformity: Of all their sentences, nats.
    """

    step: int
    spearman: float
    alignment: float
    uniformity: float


@dataclass(frozen=True, eq=False)
class State:
    """Training so far.

    Attributes:
        told: Fields of the recipe.
        losses: (step, loss of its batch before its update), nats.
        cosines: Of the latest batch that kept them, (2N, 2N), interleaved.
        checks: The first is of the raw encoder.
        n_own: Sentences there are.
        n_pairs: Scored pairs that checks are made on.
        n_trained: Weights that are trained.
    """

    told: Mapping[str, Any]
    losses: tuple[tuple[int, float], ...]
    cosines: Cosines
    checks: tuple[Check, ...]
    n_own: int
    n_pairs: int
    n_trained: int = 0

    @property
    def is_su(self) -> bool:
        """Whether all 2N vectors are rows and columns."""
        return bool(self.told["variant"] == "su")

    @property
    def n(self) -> int:
        """N of the batch whose cosines are here."""
        return len(self.cosines) // 2

    @property
    def n_drawn(self) -> int:
        """Sentences in the picture of the matrix."""
        return min(self.n, DRAWN)

    @property
    def positives(self) -> Cosines:
        """cos(h_i, h_i') of the batch, (N,)."""
        return self.cosines[np.arange(0, 2 * self.n, 2), np.arange(1, 2 * self.n, 2)]

    @cached_property
    def matrix(self) -> Cosines:
        """Cosines as the loss sees them: NaN where a row meets itself."""
        if not self.is_su:
            return self.cosines[0::2, 1::2]
        square = self.cosines.copy()
        np.fill_diagonal(square, np.nan)
        return square

    @property
    def collapse(self) -> float:
        """The loss of a batch whose vectors are all equal, ln(2N - 1) or ln N."""
        return collapse_loss(self.told["batch"], self.told["variant"])

    @property
    def floor(self) -> float:
        """The loss is nowhere below it: positives at cosine 1, all rivals at -1."""
        rivals = self.told["batch"] * (2 if self.is_su else 1) - (2 if self.is_su else 1)
        return float(np.log1p(rivals * np.exp(-2 / self.told["temperature"])))

    @property
    def best(self) -> Check:
        """The evaluation with the highest Spearman."""
        found = [check for check in self.checks if check.spearman == check.spearman]
        return max(found or self.checks, key=lambda check: check.spearman)


# --- Figures --------------------------------------------------------------------------------------


def matrix_figure(state: State) -> Figure:
    """Return the cosines of a batch, positives outlined, cells that do not count blank."""
    size = state.n_drawn * (2 if state.is_su else 1)
    cosines = state.matrix[:size, :size]
    low = float(np.nanmin(cosines)) if np.isfinite(cosines).any() else -1.0
    cells = heat(
        cosines,
        colorscale=SEQUENTIAL,
        zmin=min(low, 0.99),
        zmax=1,
        hovertemplate=W("similarity.simcse_live_hover"),
        colorbar={"thickness": 10, "title": {"text": W("similarity.simcse_live_cosine")}},
    )
    place = W("similarity.simcse_live_axis_su" if state.is_su else "similarity.simcse_live_axis_h")
    down = W("similarity.simcse_live_axis_su" if state.is_su else "similarity.simcse_live_axis_one")
    return figure(
        cells,
        _outlines(size, state.is_su),
        x=axis(place, showticklabels=False, range=[-0.5, size - 0.5], ticks=""),
        y=axis(down, showticklabels=False, range=[size - 0.5, -0.5], ticks=""),
        title=W("similarity.simcse_live_title_matrix", n=state.n_drawn, size=size),
        square=True,
        layout={"showlegend": False},
    )


def _outlines(size: int, is_su: bool) -> Trace:
    """Return frames around the cells of the positives, as one line with gaps."""
    rows = np.arange(size)
    columns = rows ^ 1 if is_su else rows
    gap = np.full(size, np.nan)
    x = np.stack([columns - 0.5, columns + 0.5, columns + 0.5, columns - 0.5, columns - 0.5, gap])
    y = np.stack([rows - 0.5, rows - 0.5, rows + 0.5, rows + 0.5, rows - 0.5, gap])
    return line(
        x.T.ravel(),
        y.T.ravel(),
        W("similarity.simcse_live_positives"),
        "@red",
        width=1.5,
        hoverinfo="skip",
    )


def loss_figure(state: State) -> Figure:
    """Return the loss of every step with the value it has when all vectors are equal."""
    steps = [step for step, _ in state.losses]
    losses = [max(loss, LEAST) for _, loss in state.losses]
    narrow = min(losses) > state.collapse / 50  # no power of ten may lie between: 2 and 5 are named
    return figure(
        line(
            steps,
            losses,
            W("similarity.simcse_live_loss"),
            "@blue",
            mode="lines+markers",
            marker={"size": 5, "color": "@blue"},
        ),
        x=_steps(state),
        y=axis(W("similarity.simcse_live_axis_loss"), log=True, dtick="D2" if narrow else 1),
        marks=[
            horizontal(
                state.collapse,
                W("similarity.simcse_live_mark_collapse", value=round(state.collapse, 3)),
                "@red",
            )
        ],
        title=W("similarity.simcse_live_title_loss"),
        height=320,
        layout={"showlegend": False},
    )


def curve_figure(state: State) -> Figure:
    """Return Spearman on scored pairs after some of the steps, with its best."""
    best, raw = state.best, state.checks[0]
    scores = [check.spearman for check in state.checks]
    return figure(
        line(
            [check.step for check in state.checks],
            scores,
            W("similarity.simcse_live_trained"),
            "@blue",
            mode="lines+markers",
            marker={"size": 6, "color": "@blue"},
        ),
        dots(
            [best.step],
            [best.spearman],
            W("similarity.simcse_live_best"),
            "@orange",
            size=13,
            symbol="circle-open",
        ),
        x=_steps(state),
        y=axis(W("similarity.simcse_live_axis_spearman"), **_room(scores, 2.0)),
        marks=[horizontal(raw.spearman, W("similarity.simcse_live_mark_raw"))],
        title=W("similarity.simcse_live_title_spearman"),
        height=320,
    )


def path_figure(state: State) -> Figure:
    """Return the way through the plane of uniformity and alignment; down left is better."""
    uniform = [check.uniformity for check in state.checks]
    aligned = [check.alignment for check in state.checks]
    ends = ((0, "simcse_live_start", "@gray"), (-1, "simcse_live_end", "@orange"))
    points = [
        dots([uniform[at]], [aligned[at]], W(f"similarity.{word}"), color, size=12)
        for at, word, color in ends[: min(2, len(state.checks))]
    ]
    return figure(
        line(
            uniform,
            aligned,
            W("similarity.simcse_live_path"),
            "@blue",
            mode="lines+markers",
            marker={"size": 5, "color": "@blue"},
        ),
        *points,
        x=axis(W("similarity.simcse_live_axis_uniformity"), **_room(uniform, 0.4)),
        y=axis(W("similarity.simcse_live_axis_alignment"), **_room(aligned, 0.1)),
        title=W("similarity.simcse_live_title_path"),
        height=320,
    )


def _room(values: Sequence[float], least: float) -> dict[str, Any]:
    """Return the range of an axis around values, no narrower than ``least`` on either side."""
    seen = [value for value in values if np.isfinite(value)]
    if not seen:
        return {}
    room = max(least, 0.1 * (max(seen) - min(seen)))
    return {"range": [min(seen) - room, max(seen) + room]}


def _steps(state: State) -> dict[str, Any]:
    most = state.told["steps"]
    return axis(W("similarity.simcse_live_axis_step"), range=[-0.02 * most, 1.02 * most])


# --- Readings -------------------------------------------------------------------------------------


def readings(state: State) -> list[Reading]:
    """Return what must hold of the loss, and what training did to the agreement with people."""
    n, tau = state.told["batch"], state.told["temperature"]
    kind = "su" if state.is_su else "paper"
    alike = np.ones((n, 2))
    losses = [loss for _, loss in state.losses]
    found = [
        equal(
            W(f"similarity.simcse_live_collapse_{kind}", n=n),
            contrast(alike, alike, tau, state.told["variant"]).loss,
            state.collapse,
            ROUNDING,
        ),
        at_least(
            W(f"similarity.simcse_live_floor_{kind}"),
            float(np.min(losses)),
            state.floor,
            SINGLE * (1 + 1 / tau),
        ),
        _mask_reading(state),
        shown(
            W("similarity.simcse_live_before", n=state.n_pairs),
            round(state.checks[0].spearman, 2),
            W("similarity.simcse_live_note_pairs", error=round(100 / (state.n_pairs - 1) ** 0.5)),
        ),
    ]
    if len(state.checks) > 1:
        best = state.best
        at = W("similarity.simcse_live_at", value=round(best.spearman, 2), step=best.step)
        fell = best.spearman - state.checks[-1].spearman > PEAK
        found += [
            shown(W("similarity.simcse_live_after"), round(state.checks[-1].spearman, 2)),
            shown(
                W("similarity.simcse_live_peak"),
                at,
                W("similarity.simcse_live_note_peak") if fell else None,
            ),
        ]
    if state.n_trained:
        found.append(shown(W("similarity.simcse_live_weights"), state.n_trained))
    return found


def _mask_reading(state: State) -> Reading:
    """Return the cosine of the positives: 1 where both views have the same mask or none."""
    told = state.told
    if told["same_mask"] or not (told["dropout"] or told["attention_dropout"]):
        name = W("similarity.simcse_live_positives_same")
        return equal(name, float(state.positives.min()), 1.0, SAME)
    return shown(W("similarity.simcse_live_positives_mean"), float(state.positives.mean()))
