"""Panel: the matrix of scores, start by end, of one type, and the same span in text and matrix."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from demos.controls import Choice, Control, Flag
from demos.figures import Figure, axis, bars, dots, figure, horizontal, line
from demos.ner._common import (
    CHOSEN,
    HEAD,
    THRESHOLD,
    TYPES,
    annotated,
    chosen_text,
    drawable,
    lit,
    mark,
    matrix_of,
    notes_of,
    short_word,
    span_word,
    text_control,
    type_word,
    types_of,
)
from demos.ner._plane import Cell, cell_at, plane
from demos.panel import Panel, Preset, Values
from demos.view import Reading, View, equal, shown
from demos.words import W, Word
from models import global_pointer as gp
from models import ner
from models.ner import Marked
from models.ner_ablation import opened
from models.ner_examples import EXAMPLES
from models.spans import Entity

Floats = NDArray[np.float64]

LABELS = tuple(label for types in ner.TYPES.values() for label in types)
MOST_NUMBERED = 16  # tokens
MOST_RANKS = 300  # points of the curve of sorted scores
MOST_TEXT = 1000  # characters of a span in the table
SHORT = EXAMPLES["hospital"][16:27]  # the hospital alone


def matrix_controls() -> dict[str, Control]:
    """Return the controls of ``matrix``."""
    return {
        "text": text_control(),
        "types": TYPES,
        "head": HEAD,
        "label": Choice(default="highest", options=("highest", *LABELS), words="type"),
        "threshold": THRESHOLD,
        "numbers": Flag(default=False),
        "triangle": Flag(default=False),
        "chosen": CHOSEN,
    }


def matrix(
    text: str,
    types: str,
    head: str,
    label: str,
    threshold: float,
    numbers: bool,
    triangle: bool,
    chosen: str,
) -> View:
    """Show the scores of all spans of a text as a matrix, rows = starts and columns = ends.

    Args:
        text: Chinese or English, up to 126 tokens.
        types: Set of types, or auto: by the text's language.
        head: Which trained head scores the spans.
        label: Type shown, or highest: the greatest score over all types.
        threshold: Spans with a higher score count.
        numbers: Whether scores are written into the cells, up to 16 tokens.
        triangle: Whether the cells below the diagonal are shown, which the mask takes out.
        chosen: Lit span, "start-end-type" in characters.
    """
    return _Matrix(text, types, head, label, threshold, numbers, triangle, chosen).view()


@dataclass(frozen=True)
class _Matrix:
    """One view of the panel; fields as the arguments of `matrix`."""

    text: str
    types: str
    head: str
    label: str
    threshold: float
    numbers: bool
    triangle: bool
    chosen: str

    @cached_property
    def marked(self) -> Marked:
        """The text with its scores.

        Raises:
            InputError: It does not fit into one window.
        """
        marked = mark(self.text, self.types, self.head)
        matrix_of(marked)
        return marked

    @property
    def scores(self) -> NDArray[np.float32]:
        """Of all types, (m, n, n), -inf below the diagonal."""
        return self.marked.matrix

    @property
    def n(self) -> int:
        return len(self.marked.offsets)

    @cached_property
    def labels(self) -> tuple[str, ...]:
        """The types shown: all, one, or the set's first in place of another set's."""
        known = self.marked.types
        if self.label == "highest":
            return known
        return (self.label if self.label in known else known[0],)

    @cached_property
    def shown(self) -> NDArray[np.float32]:
        """Of the types shown, (1 or m, n, n)."""
        return self.scores[[self.marked.types.index(label) for label in self.labels]]

    @cached_property
    def lit(self) -> Entity | None:
        return lit(self.marked, self.chosen)

    @property
    def cell(self) -> Cell | None:
        return self.marked.cell(self.lit.start, self.lit.end) if self.lit else None

    @cached_property
    def again(self) -> Floats:
        """All scores by the formula in double precision, no cell masked, (m, n, n)."""
        return _by_formula(self.text, types_of(self.text, self.types), self.head)

    @cached_property
    def network(self) -> Any:
        """The head in single precision."""
        types = types_of(self.text, self.types)
        return ner.reader(ner.language_of(types)).heads[types, self.head]

    @property
    def precision(self) -> float:
        """How far single precision may be off: twice a random walk of D + d roundings."""
        n_products = self.network.dense.in_features + self.network.head_dim
        size = float(np.abs(self.again).max(initial=1.0))
        return 2 * math.sqrt(n_products) * 2.0**-24 * size

    def view(self) -> View:
        found = [e for e in self.marked.entities(self.threshold) if e.label in self.labels]
        drawn = drawable(found)
        seen = [*drawn, *([self.lit] if self.lit and self.lit not in drawn else [])]
        marks = {entity: "missed" for entity in seen if entity not in found}
        return View(
            {"matrix": self.matrix(drawn), **self.side()},
            self.caption(len(found)),
            self.readings(len(found)),
            {
                "span_start": [entity.start for entity in drawn],
                "span_end": [entity.end for entity in drawn],
                "span_text": [self.span(entity, MOST_TEXT) for entity in drawn],
                "span_type": [type_word(entity.label) for entity in drawn],
                "span_score": [float(entity.score or 0) for entity in drawn],
            },
            html=annotated(self.marked.text, seen, self.marked.types, self.lit, marks),
            html_first=True,
            notes=self.notes(len(found), len(drawn)),
        )

    def span(self, entity: Entity, length: int = 40) -> Word:
        return span_word(self.marked.text, entity, length)

    # --- pictures

    def matrix(self, drawn: list[Entity]) -> Figure:
        cells = [cell for e in drawn if (cell := self.marked.cell(e.start, e.end))]
        z = self.shown.max(axis=0)
        if self.triangle:
            index = [self.marked.types.index(label) for label in self.labels]
            below = self.again[index].max(axis=0).astype(np.float32)
            z = np.where(gp.upper(self.n), z, below)
        return plane(
            self.marked,
            z,
            self.threshold,
            self.cell,
            sorted(set(cells)),
            numbers=self.numbers and self.n <= MOST_NUMBERED,
            title=W("ner.matrix_title_matrix", type=self.shown_name()),
            square=True,
        )

    def side(self) -> dict[str, Figure]:
        """Return the picture beside the matrix: of the lit span its types, else all by rank."""
        if not self.n:
            return {}
        return {"types": self.of_types(self.lit)} if self.lit else {"ranks": self.by_rank()}

    def of_types(self, one: Entity) -> Figure:
        i, j = self.cell or (0, 0)
        scores = self.scores[:, i, j]
        colors = ["@orange" if s > self.threshold else "@blue/0.6" for s in scores]
        names: Any = [short_word(label) for label in self.marked.types]
        pens = [3 if label == one.label else 0 for label in self.marked.types]
        return figure(
            bars(
                scores,
                names,
                orientation="h",
                marker={"color": colors, "line": {"color": "@ink", "width": pens}},
                hovertemplate=W("ner.matrix_hover_type"),
            ),
            x=axis(W("ner.axis_score"), zeroline=False),
            y=axis(W("ner.matrix_axis_type"), autorange="reversed", showgrid=False),
            layout={"shapes": [_upright(self.threshold)]},
            title=W("ner.matrix_title_types", span=self.span(one, 24)),
            square=True,
        )

    def by_rank(self) -> Figure:
        every = self.ordered()
        ranks = np.unique(np.geomspace(1, len(every), MOST_RANKS).round().astype(int))
        n_found = int((every > self.threshold).sum())
        traces = [line(ranks, every[ranks - 1], "", "@blue")]
        if n_found:
            name = W("ner.matrix_last_found", n=n_found)
            traces.append(dots([n_found], [every[n_found - 1]], name, "@orange", size=10))
        return figure(
            *traces,
            x=axis(W("ner.matrix_axis_rank"), log=True),
            y=axis(W("ner.axis_score")),
            marks=[horizontal(self.threshold, W("ner.threshold"), "@orange")],
            title=W("ner.matrix_title_ranks"),
            square=True,
        )

    def ordered(self) -> NDArray[np.float32]:
        """Return the scores of all spans of the types shown, the greatest first."""
        every = self.shown[:, gp.upper(self.n)]
        return np.asarray(np.sort(every, axis=None)[::-1])

    # --- words and numbers

    def shown_name(self) -> Word | str:
        if self.label == "highest":
            return W("ner.matrix_type_highest")
        return type_word(self.labels[0])

    def caption(self, n_found: int) -> Word:
        if self.lit is None or self.cell is None:
            return W("ner.matrix_caption", n=self.n, found=n_found, type=self.shown_name())
        return W(
            "ner.matrix_caption_lit",
            row=self.cell[0],
            column=self.cell[1],
            span=self.span(self.lit),
            type=type_word(self.lit.label),
            score=f"{self.lit.score:.2f}",
        )

    def notes(self, n_found: int, n_drawn: int) -> list[Word]:
        notes = notes_of(self.marked)
        if not self.n:
            notes.append(W("ner.note_empty"))
        if self.label not in ("highest", *self.labels):
            names = {"given": type_word(self.label), "type": type_word(self.labels[0])}
            notes.append(W("ner.matrix_note_label", **names))
        if self.numbers and self.n > MOST_NUMBERED:
            notes.append(W("ner.matrix_note_numbers", n=self.n, limit=MOST_NUMBERED))
        if n_drawn < n_found:
            notes.append(W("ner.note_drawn", n=n_found, drawn=n_drawn))
        if self.lit and not (self.lit.score or 0) > np.float32(self.threshold):
            limit = float(self.threshold)
            notes.append(W("ner.note_below", span=self.span(self.lit), threshold=limit))
        return notes

    def readings(self, n_found: int) -> list[Reading]:
        one, n = self.shown[0], self.n
        finite = np.isfinite(one)
        readings = [
            equal(W("ner.matrix_reading_diagonal"), int(finite.diagonal().sum()), n),
            equal(W("ner.matrix_reading_cells"), int(finite.sum()), n * (n + 1) // 2),
            equal(
                W("ner.matrix_reading_found", m=len(self.labels)),
                len(gp.decode(self.shown, self.threshold)),
                _loop(self.shown, self.threshold),
                note=W("ner.matrix_note_loop"),
            ),
        ]
        if n:
            readings.append(self.formula_reading())
        if self.lit:
            readings += self.lit_readings(self.lit)
        if self.triangle and n:
            index = [self.marked.types.index(label) for label in self.labels]
            below = self.again[index][:, ~gp.upper(n)] > self.threshold
            words = W("ner.matrix_reading_below"), int(below.sum())
            readings.append(shown(*words, W("ner.matrix_note_below")))
        return readings

    def formula_reading(self) -> Reading:
        cells = gp.upper(self.n)
        gap = float(np.abs(self.scores[:, cells] - self.again[:, cells]).max())
        return equal(
            W("ner.matrix_reading_formula"), gap, 0, self.precision, W("ner.matrix_note_precision")
        )

    def lit_readings(self, one: Entity) -> list[Reading]:
        i, j = self.cell or (0, 0)
        kind = self.marked.types.index(one.label)
        every = self.scores[kind][gp.upper(self.n)]
        rank = 1 + int((every > self.scores[kind, i, j]).sum())
        return [
            equal(
                W("ner.reading_lit", span=self.span(one), type=type_word(one.label)),
                float(self.scores[kind, i, j]),
                float(self.again[kind, i, j]),
                self.precision,
                W("ner.matrix_note_lit"),
            ),
            shown(W("ner.matrix_reading_rank"), W("ner.matrix_rank", rank=rank, whole=len(every))),
        ]


def _upright(x: float) -> dict[str, Any]:
    """Return the line of the threshold."""
    pen = {"color": "@orange", "width": 1.5, "dash": "dash"}
    return {"type": "line", "x0": x, "x1": x, "yref": "paper", "y0": 0, "y1": 1, "line": pen}


@lru_cache(maxsize=16)
def _by_formula(text: str, types: str, head: str) -> Floats:
    """Return the scores (m, n, n) in double precision, nothing masked, read-only."""
    if not ner.hidden(text, ner.language_of(types))[0].offsets:
        return np.empty((len(ner.TYPES[types]), 0, 0))
    cells = opened(text, types, head).cells(rotated=not head.endswith("bare"))
    cells.flags.writeable = False
    return cells


def _loop(scores: NDArray[np.float32], threshold: float) -> int:
    """Count the cells above the threshold one by one, as one would by hand."""
    limit = float(np.float32(threshold))
    n_found = 0
    for table in scores.tolist():
        for start, row in enumerate(table):
            for score in row[start:]:
                n_found += score > limit
    return n_found


def _pick(values: Values, point: Mapping[str, Any]) -> dict[str, Any]:
    """Return the span of a clicked cell or the type of a clicked bar; the lit one is put out."""
    view = _Matrix(**values)
    one = view.lit
    if point.get("figure") == "types" and one:
        number = point.get("index")
        if not isinstance(number, int) or not 0 <= number < len(view.marked.types):
            return {}
        return {"chosen": chosen_text(Entity(one.start, one.end, view.marked.types[number]))}
    cell = cell_at(view.marked, point) if point.get("figure") == "matrix" else None
    if cell is None or cell[0] > cell[1] or len(view.marked.windows) > 1:
        return {}
    best = int(view.shown[:, cell[0], cell[1]].argmax())
    start, end = view.marked.offsets[cell[0]][0], view.marked.offsets[cell[1]][1] - 1
    chosen = chosen_text(Entity(start, end, view.labels[best]))
    return {"chosen": "" if chosen == values["chosen"] else chosen}


PANEL = Panel(
    matrix,
    matrix_controls,
    (
        Preset("short", {"text": SHORT, "numbers": True, "label": "Organization"}),
        Preset("king", {"text": EXAMPLES["king"], "label": "PER"}),
        Preset("weather", {"text": EXAMPLES["weather"], "head": "gp_bare", "label": "Location"}),
        Preset("triangle", {"text": SHORT, "triangle": True, "numbers": True}),
        Preset("flat", {"types": "cluener"}),
    ),
    _pick,
)
