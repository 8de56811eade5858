"""Panel: the multi-label loss and its gradient on a matrix to edit, beside binary cross entropy."""

import math
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from demos.controls import Choice, Control, InputError, Integer, Real, Text, number
from demos.figures import Figure, axis, bars, dots, figure, heat, line, vertical
from demos.panel import Panel, Preset, Values
from demos.view import Reading, View, at_least, at_most, equal, near, shown
from demos.words import W, Word, quoted
from models import global_pointer, zlpr_forms
from models.global_pointer import Span

Floats = NDArray[np.float64]

MOST = 8  # tokens
FAR = 10_000.0  # largest score that may be typed
REACH = 10.0  # of the slider
SEPARATED = 1e-9  # nats; below, a float no longer tells the loss to a digit

HATCHED = {
    "color": "@orange",
    "pattern": {"shape": "/", "solidity": 0.2, "fillmode": "overlay", "fgcolor": "@paper"},
}

ROTATED = (
    "5.5 -3.41956747 -2.59525655 0.37299131 1.52596859; "
    "-0.5 -2.11617498 1.12761975 1.75020808; -2.5 2.7304239 3.00089548; -0.5 4.42553541; 6"
)
BARE = "5.5 -4.5 -4 3.5 0.5; -0.5 0.5 -2 2.5; -2.5 5 2; -0.5 4; 6"


def loss_controls() -> dict[str, Control]:
    """Return the controls of ``loss``."""
    return {
        "n": Integer(default=4, low=2, high=MOST),
        "scores": Text(
            default="2 -3 -4 -5; -2 -1 1.5; -3 -2; 0.5", length=800, lines=3, parse=_rows
        ),
        "gold": Text(default="0-0, 1-3", length=300, parse=_spans),
        "click": Choice(default="score", options=("score", "gold"), radio=True),
        "cell": Text(default="3-3", length=10, parse=_one_span),
        "value": Real(default=0.5, low=-REACH, high=REACH, step=0.1),
        "soft": Real(default=0, low=0, high=0.5),
        "n_most": Integer(default=512, low=16, high=512, log=True, advanced=True),
    }


def loss(
    n: int, scores: str, gold: str, click: str, cell: str, value: float, soft: float, n_most: int
) -> View:
    """Show what the multi-label loss and binary cross entropy do with one score matrix.

    Args:
        n: Tokens; the matrix has n (n + 1) / 2 cells.
        scores: Rows of the upper triangle, parted by ";"; what is missing is 0.
        gold: True cells, "start-end" from 0, parted by commas.
        click: What a click on a cell does: score (light it, its score goes to the slider) or gold.
        cell: The lit cell, "start-end", or nothing.
        value: Score of the lit cell; it stands above what the rows say.
        soft: Label smoothing: a true cell counts 1 - soft, another soft.
        n_most: Longest text of the curve at zero scores, tokens.
    """
    board = _board(n, scores, gold, cell, value, soft)
    gradient = zlpr_forms.bce_gradient(board.s, board.t, board.cells)
    value_bce = zlpr_forms.bce(board.s, board.t, board.cells)
    figures = {
        "matrix": _matrix_figure(board),
        "terms": _terms_figure(board, value_bce),
        "gradient": _gradient_figure(board, gradient),
        "growth": _growth_figure(board, n_most),
    }
    at = board.spans
    table = {
        "loss_start": at[:, 0],
        "loss_end": at[:, 1],
        "loss_score": board.s[board.cells],
        "loss_label": board.t[board.cells],
        "loss_zlpr": board.slope[board.cells],
        "loss_bce": gradient[board.cells],
    }
    return View(
        figures,
        W(
            "ner.loss_caption",
            n=len(at),
            n_true=int(board.true.sum()),
            value=board.value,
            bce=sum(value_bce),
        ),
        [*_readings(board), *_decoding_readings(board, sum(value_bce))],
        table,
        notes=board.notes,
        unused=frozenset() if board.lit else frozenset({"value"}),
    )


# --- What is typed --------------------------------------------------------------------------------


def _plain(text: str) -> str:
    normal = unicodedata.normalize("NFKC", text)
    for mark in "\u2212\u2013\u2014":  # minus and dashes
        normal = normal.replace(mark, "-")
    return normal.replace("\u3001", ",")


def _rows(text: str) -> list[list[float]]:
    """Return the numbers of each row.

    Raises:
        InputError: A part is not a number within reach; the sentence names its row.
    """
    rows = []
    for count, row in enumerate(_plain(text).replace("\n", ";").rstrip("; ").split(";"), start=1):
        rows.append([_score(part, count) for part in row.replace(",", " ").split()])
    return rows


def _score(part: str, row: int) -> float:
    try:
        value = float(number(part))
    except (ValueError, OverflowError):
        value = float("nan")
    if not abs(value) <= FAR:
        raise InputError(
            W(
                "ner.loss_error_score",
                field=W("ner.loss_scores"),
                row=row,
                limit=FAR,
                given=quoted(part, 20),
            )
        )
    return value


def _spans(text: str) -> list[Span]:
    """Return the named cells, in order, each once.

    Raises:
        InputError: A part is not "start-end" with start <= end; the sentence shows it.
    """
    parts = _plain(text).replace(";", ",").replace("\n", ",").split(",")
    return sorted({_span(part.strip(), "gold") for part in parts if part.strip()})


def _one_span(text: str) -> Span | None:
    """Return the named cell, None for an empty text.

    Raises:
        InputError: As ``_spans``.
    """
    return _span(_plain(text).strip(), "cell") if text.strip() else None


def _span(part: str, field: str) -> Span:
    start, _, end = (side.strip() for side in part.partition("-"))
    numbers = [side for side in (start, end) if side.isascii() and side.isdigit()]
    if len(numbers) == 2 and int(start) <= int(end):
        return int(start), int(end)
    given = quoted(part, 20)
    raise InputError(W("ner.loss_error_span", field=W(f"ner.loss_{field}"), given=given))


# --- The matrix -----------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Board:
    """A score matrix with its labels.

    Attributes:
        s: Scores (n, n), 0 below the diagonal, where nothing counts.
        true: Which cells are true (n, n).
        lit: The cell whose score the slider holds.
        soft: Label smoothing.
        notes: What had to be left out.
    """

    s: Floats
    true: NDArray[np.bool_]
    lit: Span | None
    soft: float
    notes: tuple[Word, ...] = ()

    @property
    def n(self) -> int:
        """Tokens."""
        return len(self.s)

    @cached_property
    def cells(self) -> NDArray[np.bool_]:
        """Which cells are spans."""
        return global_pointer.upper(self.n)

    @property
    def spans(self) -> NDArray[np.int64]:
        """Start and end of each cell, row after row."""
        return np.argwhere(self.cells)

    @cached_property
    def t(self) -> Floats:
        """How true each cell is."""
        return zlpr_forms.smoothed(self.true, self.soft)

    @cached_property
    def value(self) -> float:
        """The loss, nats."""
        return float(global_pointer.zlpr_soft(self.s, self.t, self.cells))

    @cached_property
    def hard(self) -> float:
        """The loss without smoothing, nats."""
        return float(global_pointer.zlpr(self.s, self.true, self.cells))

    @cached_property
    def exponents(self) -> tuple[Floats, Floats]:
        """What is exponentiated: of negatives, of positives."""
        return zlpr_forms.exponents(self.s, self.t, self.cells)

    @cached_property
    def parts(self) -> tuple[Floats, Floats]:
        """The gradient by side: as negatives, as positives."""
        return zlpr_forms.gradient_parts(self.s, self.t, self.cells)

    @property
    def slope(self) -> Floats:
        """The gradient of the loss."""
        return self.parts[0] + self.parts[1]


def _board(n: int, scores: str, gold: str, cell: str, value: float, soft: float) -> _Board:
    rows, spans, lit = _rows(scores), _spans(gold), _one_span(cell)
    s, true = np.zeros((n, n)), np.zeros((n, n), np.bool_)
    for i, row in enumerate(rows[:n]):
        s[i, i : i + len(row)] = row[: n - i]
    inside = [(i, j) for i, j in spans if j < n]
    for i, j in inside:
        true[i, j] = True
    notes = []
    too_many = len(rows) > n or any(len(row) > n - i for i, row in enumerate(rows))
    too_few = sum(len(row[: max(n - i, 0)]) for i, row in enumerate(rows)) < n * (n + 1) // 2
    if (too_many or too_few) and scores.strip():
        notes.append(W("ner.loss_note_more" if too_many else "ner.loss_note_fewer", n=n))
    if len(inside) < len(spans):
        notes.append(W("ner.loss_note_gold", n=n, out=len(spans) - len(inside)))
    if lit and lit[1] >= n:
        lit = None
    if lit:
        if s[lit] != value:
            notes.append(W("ner.loss_note_lit", start=lit[0], end=lit[1], value=value))
        s[lit] = value
    return _Board(s, true, lit, soft, tuple(notes))


def _rows_text(s: Floats) -> str:
    """Return a matrix as the field holds it; ``_rows`` is the inverse."""
    n = len(s)
    return "; ".join(" ".join(f"{x:.10g}" for x in s[i, i:].tolist()) for i in range(n))


# --- Figures --------------------------------------------------------------------------------------


def _matrix_figure(board: _Board) -> Figure:
    n = board.n
    z = np.where(board.cells, board.s, np.nan)
    top = max(1.0, float(np.abs(board.s).max()))
    span = [-0.5, n - 0.5]
    outlines = []
    if board.true.any():
        gold = [(int(i), int(j)) for i, j in np.argwhere(board.true)]
        outlines.append(_boxes(gold, W("ner.loss_mark_gold"), "@ink", width=3, grow=0.46))
    if board.lit:
        lit = _boxes([board.lit], W("ner.loss_cell"), "@purple", dash="dot", width=3, grow=0.38)
        outlines.append(lit)
    return figure(
        heat(
            z,
            colorscale=[[0, "@blue"], [0.5, "@paper"], [1, "@orange"]],
            zmin=-top,
            zmax=top,
            colorbar={"thickness": 10, "len": 0.9},
            texttemplate="%{z:.3~g}",
            textfont={"size": 14 if n <= 5 else 11},
            hovertemplate=W("ner.loss_hover_cell"),
        ),
        *outlines,
        x=axis(
            W("ner.loss_axis_end"),
            range=span,
            constrain="domain",
            showgrid=False,
            zeroline=False,
            dtick=1,
        ),
        y=axis(
            W("ner.loss_axis_start"),
            range=span[::-1],
            scaleanchor="x",
            constrain="domain",
            showgrid=False,
            zeroline=False,
            dtick=1,
        ),
        title=W("ner.loss_title_matrix"),
        square=True,
        height=430,
    )


def _boxes(
    cells: Sequence[Span],
    name: Word,
    color: str,
    dash: str = "solid",
    width: float = 2,
    grow: float = 0.45,
) -> dict[str, Any]:
    """Return the outlines of cells as one broken line."""
    ij = np.array(cells, np.float32)[:, :, None]
    corners = np.array([[-1, -1], [-1, 1], [1, 1], [1, -1], [-1, -1], [math.nan] * 2]).T * grow
    y, x = (ij + corners).swapaxes(0, 1)
    return line(x.ravel(), y.ravel(), name, color, dash=dash, width=width, hoverinfo="skip")


def _terms_figure(board: _Board, value_bce: tuple[float, float]) -> Figure:
    of_negatives, of_positives = zlpr_forms.terms(*board.exponents)
    names = [W("ner.loss_zlpr"), W("ner.loss_bce")]
    hover = W("ner.loss_hover_term")
    return figure(
        bars(
            names,
            [of_negatives, value_bce[0]],
            W("ner.loss_term_negatives"),
            "@blue",
            hovertemplate=hover,
        ),
        bars(
            names,
            [of_positives, value_bce[1]],
            W("ner.loss_term_positives"),
            "@orange",
            hovertemplate=hover,
            marker=HATCHED,
        ),
        x=axis(W("ner.loss_axis_loss")),
        y=axis(W("ner.loss_axis_nats"), rangemode="tozero"),
        layout={"barmode": "stack", "bargap": 0.45},
        title=W("ner.loss_title_terms"),
        height=430,
    )


def _gradient_figure(board: _Board, of_bce: Floats) -> Figure:
    at = board.spans
    places = np.arange(len(at))
    names = [f"{i}–{j}{' ★' if board.true[i, j] else ''}" for i, j in at.tolist()]
    # of many cells only the true ones and the first of each row have room for their name
    named = [
        k for k, (i, j) in enumerate(at.tolist()) if len(at) <= 15 or i == j or board.true[i, j]
    ]
    told = {"hovertemplate": W("ner.loss_hover_slope"), "text": names, "textposition": "none"}
    return figure(
        bars(places, board.slope[board.cells], W("ner.loss_zlpr"), "@blue", **told),
        bars(places, of_bce[board.cells], W("ner.loss_bce"), "@orange", **told, marker=HATCHED),
        x=axis(
            W("ner.loss_axis_cell"),
            tickmode="array",
            tickvals=named,
            ticktext=[names[k] for k in named],
        ),
        y=axis(W("ner.loss_axis_slope"), zeroline=True, zerolinecolor="@ink"),
        layout={"barmode": "group", "bargap": 0.2},
        title=W("ner.loss_title_gradient"),
        wide=True,
        height=330,
    )


def _growth_figure(board: _Board, n_most: int) -> Figure:
    n_true = int(board.true.sum())
    fits = [n for n in range(1, n_most + 1) if n * (n + 1) // 2 >= n_true]
    n = np.array(fits)
    of_zlpr, of_bce = global_pointer.zero_score_losses(n, n_true)
    here = int(np.searchsorted(n, board.n))
    return figure(
        line(n, of_zlpr, W("ner.loss_zlpr"), "@blue"),
        line(n, of_bce, W("ner.loss_bce"), "@orange", dash="dash"),
        dots([board.n] * 2, [of_zlpr[here], of_bce[here]], W("ner.loss_mark_here"), "@ink", size=9),
        x=axis(W("ner.loss_axis_n"), log=True),
        y=axis(W("ner.loss_axis_zero"), log=True),
        marks=[vertical(board.n, "n = " + str(board.n))],
        title=W("ner.loss_title_growth", n_true=n_true),
        wide=True,
        height=330,
    )


# --- Readings -------------------------------------------------------------------------------------


def _readings(board: _Board) -> list[Reading]:
    """Return what must agree: forms of the loss, its gradient, its value at zero scores."""
    value, rounding = board.value, W("ner.loss_note_rounding")
    slack = 1e-12 * max(1.0, value)
    labels = board.true.astype(np.float64)
    as_soft = float(global_pointer.zlpr_soft(board.s, labels, board.cells))

    def moved(s: Floats) -> Floats:
        return global_pointer.zlpr_soft(s, np.broadcast_to(board.t, s.shape), board.cells)

    quotient = zlpr_forms.difference_quotient(moved, board.s, board.cells)
    n_true = int(board.true.sum())
    at_zero = float(global_pointer.zlpr(np.zeros_like(board.s), board.true, board.cells))
    closed, closed_bce = global_pointer.zero_score_losses(board.n, n_true)
    return [
        equal(
            W("ner.loss_reading_single"),
            value,
            zlpr_forms.single_log(*board.exponents),
            slack,
            rounding,
        ),
        equal(
            W("ner.loss_reading_exact", digits=zlpr_forms.DIGITS),
            value,
            zlpr_forms.exact(*board.exponents),
            slack,
            rounding,
        ),
        equal(W("ner.loss_reading_soft"), as_soft, board.hard, slack, rounding),
        at_least(W("ner.loss_reading_sign"), value, 0.0),
        near(
            W("ner.loss_reading_gradient"),
            float(np.abs(board.slope - quotient).max()),
            0.0,
            zlpr_forms.quotient_error(board.s, value),
            W("ner.loss_note_gradient", step=zlpr_forms.STEP),
        ),
        at_most(W("ner.loss_reading_negatives"), float(board.parts[0].sum()), 1.0, slack),
        at_least(W("ner.loss_reading_positives"), float(board.parts[1].sum()), -1.0, slack),
        equal(W("ner.loss_reading_zero"), at_zero, float(closed), 1e-12, rounding),
        shown(W("ner.loss_reading_zero_bce"), float(closed_bce)),
    ]


def _decoding_readings(board: _Board, value_bce: float) -> list[Reading]:
    """Return what the threshold 0 makes of the scores, and how the loss bounds it."""
    margin = zlpr_forms.worst_margin(board.s, board.true, board.cells)
    name = W("ner.loss_reading_margin")
    by_loss = (
        at_least(
            name,
            margin,
            zlpr_forms.least_margin(board.hard),
            1e-6 * max(1.0, abs(margin)),
            W("ner.loss_note_margin"),
        )
        if board.hard > SEPARATED
        else shown(name, margin, W("ner.loss_note_tiny"))
    )
    shifted = float(global_pointer.zlpr_soft(board.s + 1, board.t, board.cells))
    found = np.argwhere(board.cells & (board.s > 0)).tolist()
    decoded = ", ".join(f"{i}–{j}" for i, j in found) or W("ner.loss_none")
    separated = W("ner.loss_yes" if margin > 0 else "ner.loss_no")
    return [
        by_loss,
        shown(W("ner.loss_reading_decoded"), decoded),
        shown(W("ner.loss_reading_separated"), separated),
        shown(W("ner.loss_reading_constant"), shifted - board.value, W("ner.loss_note_constant")),
        shown(W("ner.loss_reading_bce"), value_bce),
    ]


# --- Clicks ---------------------------------------------------------------------------------------


def _pick(values: Values, point: Mapping[str, Any]) -> dict[str, Any]:
    """Return what a click on a cell, or on its bar, changes."""
    n = values["n"]
    if point.get("figure") == "matrix":
        i, j = round(float(point["y"])), round(float(point["x"]))
    elif point.get("figure") == "gradient":
        at = np.argwhere(global_pointer.upper(n))
        i, j = at[max(0, min(len(at) - 1, round(float(point["x"]))))].tolist()
    else:
        return {}
    if not 0 <= i <= j < n:
        return {}
    if values["click"] == "gold":
        spans = set(_spans(values["gold"])) ^ {(i, j)}
        return {"gold": ", ".join(f"{start}-{end}" for start, end in sorted(spans))}
    board = _board(*(values[name] for name in ("n", "scores", "gold", "cell", "value", "soft")))
    kept = {"scores": _rows_text(board.s)}
    score = float(board.s[i, j])
    if board.lit == (i, j) or abs(score) > REACH:  # again: put out; too far for the slider
        return {**kept, "cell": ""}
    return {**kept, "cell": f"{i}-{j}", "value": score}


def _set(n: int, scores: str, gold: str, soft: float = 0) -> dict[str, Any]:
    return {"n": n, "scores": scores, "gold": gold, "soft": soft, "cell": ""}


SEVERAL = "2 -1 0.5; -3 1.5; -0.2"
PANEL = Panel(
    loss,
    loss_controls,
    (
        Preset("vector", _set(3, SEVERAL, "0-0, 1-2")),
        Preset("soft", _set(3, SEVERAL, "0-0, 1-2", 0.1)),
        Preset("rotated", _set(5, ROTATED, "0-1, 2-4")),
        Preset("bare", _set(5, BARE, "0-1, 2-4")),
        Preset("zeros", _set(MOST, "", "1-3")),
        Preset("separated", _set(4, "12 -12 -12 -12; -12 -12 12; -12 -12; -12", "0-0, 1-3")),
        Preset("extreme", _set(3, "1000 -1000 -1000; -1000 1000; 1000", "0-0, 1-2")),
    ),
    _pick,
)
