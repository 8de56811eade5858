"""View "decomposition" of the panel compare: what Efficient GlobalPointer adds up."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from demos.figures import Figure, axis, dots, figure, heat, line
from demos.ner._common import chosen_text, mark, read_chosen, types_of
from demos.ner._compare_pieces import as_is, brief, first_window, scale, token_axis, type_name
from demos.ner._plane import Cell, cell_at, piece_names
from demos.view import Reading, View, at_least, equal, shown
from demos.words import W, Word, verbatim
from models import ner
from models.global_pointer import additive_gap, upper
from models.ner import Marked
from models.spans import Entity

Floats = NDArray[np.float32]

DRAWN = 100  # tokens of a drawn matrix: three of them within a picture's limit of bytes
MOST_MARKS = 150
PARTS = ("shared", "added", "sum")
ROUNDING = 1e-4  # float32 sums of scores up to some tens


def decomposition(text: str, types: str, head: str, asked: str, chosen: str) -> View:
    """Show the shared matrix, the biases of start and end, and their sum for one type.

    Args:
        text: Anything.
        types: Set of types, or auto.
        head: Whether with RoPE; its efficient form is shown.
        asked: The type shown; auto is the one with the highest score.
        chosen: The lit span.
    """
    kind, other = _kinds(head)
    marked, notes = first_window(text, types, kind)
    a, more = _type(marked, asked)
    name = types_of(text, types)
    sums = _Sums(marked, a, *ner.efficient_parts(text, name, kind)[1:])
    n = len(marked.offsets)
    if n > DRAWN:
        more.append(W("ner.compare_note_drawn", n=DRAWN))
    lit = read_chosen(chosen, marked.types, len(marked.text))
    cell = marked.cell(lit.start, lit.end) if lit else None
    start, end = sums.start[a], sums.end[a]
    return View(
        {**_maps(sums, cell), "biases": _biases(marked, start, end)},
        W(
            "ner.compare_decomposition_caption",
            type=sums.name,
            head=W(f"ner.head_{kind}"),
            n=n,
            found=len(sums.found),
        ),
        [*_laws(sums, kind, other), *_of_cell(sums, cell)] if n else [],
        {
            "compare_token": [as_is(piece) for piece in marked.pieces],
            "compare_start_bias": start,
            "compare_end_bias": end,
            "compare_own_score": np.diagonal(sums.total),
        },
        notes=[*notes, *more],
    )


def _kinds(head: str) -> tuple[str, str]:
    """Return the efficient and the plain head with or without RoPE."""
    return ("egp_bare", "gp_bare") if head.endswith("bare") else ("egp", "gp")


def _type(marked: Marked, asked: str) -> tuple[int, list[Word]]:
    """Return the number of the type to show, and what to say if it is not the one asked for."""
    if asked in marked.types:
        return marked.types.index(asked), []
    best = int(marked.matrix.max(axis=(1, 2)).argmax()) if marked.offsets else 0
    if asked == "auto":
        return best, []
    words = {"asked": type_name(asked), "type": type_name(marked.types[best])}
    return best, [W("ner.compare_note_type", **words)]


@dataclass(frozen=True)
class _Sums:
    """What is added up for one type on n tokens.

    Attributes:
        marked: The text in one window.
        a: Number of the type.
        shared: (n, n), the same for all m types.
        start: (m, n), added to a row.
        end: (m, n), added to a column.
    """

    marked: Marked
    a: int
    shared: Floats
    start: Floats
    end: Floats

    @property
    def name(self) -> Word:
        """The type in words."""
        return type_name(self.marked.types[self.a])

    @property
    def added(self) -> Floats:
        """Both biases in every cell, (n, n)."""
        return np.asarray(self.start[self.a][:, None] + self.end[self.a][None, :])

    @property
    def total(self) -> Floats:
        """The head's own scores of the type, (n, n), -inf below the diagonal."""
        return np.asarray(self.marked.matrix[self.a])

    @cached_property
    def found(self) -> list[Entity]:
        """The entities of the type."""
        label = self.marked.types[self.a]
        return [e for e in self.marked.entities() if e.label == label]


def _maps(sums: _Sums, cell: Cell | None) -> dict[str, Figure]:
    """Return the three matrices on one scale of colours."""
    below = ~upper(len(sums.marked.offsets))
    parts = dict(zip(PARTS, (sums.shared, sums.added, sums.total), strict=True))
    blank = {name: np.where(below, np.float32(np.nan), z) for name, z in parts.items()}
    every = np.concatenate([[-1.0, 1.0], *(z[~below] for z in parts.values())])
    low, high = float(every.min()), float(every.max())
    middle = -low / (high - low)
    drawn = replace(sums.marked, offsets=sums.marked.offsets[:DRAWN])
    names: Any = piece_names(drawn)
    made = {}
    for name in PARTS:
        more: dict[str, Any] = {"zmin": low, "zmax": high}
        more["colorbar"] = {"thickness": 10, "len": 0.9}
        more["hovertemplate"] = W("ner.hover_span")
        z = blank[name][:DRAWN, :DRAWN]
        traces = [heat(z, x=names, y=names, colorscale=scale(middle), **more)] if names else []
        if name == "sum":
            traces.append(_found(sums, names))
        if cell and max(cell) < DRAWN:
            traces.append(_cross(names, cell))
        made[name] = _square(name, sums.name, traces, len(names))
    return made


def _square(name: str, kind: Word, traces: list[Any], n: int) -> Figure:
    down = token_axis(W("ner.axis_start_token"), n, scaleanchor="x", constrain="domain")
    return figure(
        *traces,
        x=token_axis(W("ner.axis_end_token"), n, constrain="domain"),
        y={**down, "range": down["range"][::-1]},
        title=W(f"ner.compare_part_{name}", type=kind),
        square=True,
        height=340,
    )


def _cross(names: Any, cell: Cell) -> Any:
    trace = dots([names[cell[1]]], [names[cell[0]]], "", "@red", size=12, hoverinfo="skip")
    pen = {"width": 3, "color": "@red"}
    return {**trace, "marker": {"symbol": "x-thin", "size": 12, "line": pen}}


def _found(sums: _Sums, names: Any) -> Any:
    """Return a ring in each cell whose score is above 0, with its span to read."""
    best = sorted(sums.found, key=lambda e: -(e.score or 0.0))[:MOST_MARKS]
    cells = [(e, sums.marked.cell(e.start, e.end)) for e in best]
    inside = [(e, cell) for e, cell in cells if cell and max(cell) < DRAWN]
    spans = [verbatim(sums.marked.text[e.start : e.end + 1][:40]) for e, _ in inside]
    trace = dots(
        [names[cell[1]] for _, cell in inside],
        [names[cell[0]] for _, cell in inside],
        "",
        "@ink",
        size=9,
        symbol="circle-open",
    )
    return {**trace, "text": spans, "hovertemplate": W("ner.compare_hover_found")}


def _biases(marked: Marked, start: Floats, end: Floats) -> Figure:
    """Return what a type adds for each token as a start and as an end."""
    names: Any = piece_names(marked)
    more: dict[str, Any] = {"mode": "lines+markers", "hovertemplate": W("ner.compare_hover_bias")}
    firm, loose = {"size": 7}, {"size": 8, "symbol": "diamond"}
    traces = [
        line(names, start, W("ner.compare_start_bias"), "@blue", marker=firm, **more),
        line(names, end, W("ner.compare_end_bias"), "@orange", dash="dash", marker=loose, **more),
    ]
    return figure(
        *traces,
        x=token_axis(W("ner.compare_axis_token"), len(names)),
        y=axis(W("ner.axis_score")),
        title=W("ner.compare_title_biases"),
        height=340,
    )


def _laws(sums: _Sums, kind: str, other: str) -> list[Reading]:
    """Return that the parts make the score, and that types differ by f(i) + g(j) alone."""
    marked, a = sums.marked, sums.a
    off = float(np.abs(sums.shared + sums.added - sums.total)[upper(len(marked.offsets))].max())
    b = (a + 1) % len(marked.types)
    pair = {"a": type_name(marked.types[a]), "b": type_name(marked.types[b])}
    name = next(key for key, types in ner.TYPES.items() if types == marked.types)
    plain = mark(marked.text, name, other).windows[0].scores
    gaps = [additive_gap(scores[a], scores[b], True) for scores in (marked.matrix, plain)]
    efficient, full = (
        W("ner.compare_reading_additive", head=W(f"ner.head_{one}"), **pair)
        for one in (kind, other)
    )
    note = W("ner.compare_note_additive")
    if len(marked.offsets) < 3:  # so few cells are always a sum of rows and columns
        last = shown(full, gaps[1], W("ner.compare_note_three"))
    else:
        last = at_least(full, gaps[1], 10 * ROUNDING, note=W("ner.compare_note_free"))
    return [
        equal(W("ner.compare_reading_sum"), off, 0, ROUNDING, W("ner.compare_note_rounding")),
        equal(efficient, gaps[0], 0, ROUNDING, note),
        last,
    ]


def _of_cell(sums: _Sums, cell: Cell | None) -> list[Reading]:
    """Return the lit span's score and what it is the sum of."""
    if not cell:
        return []
    (i, j), offsets = cell, sums.marked.offsets
    parts = sums.shared[i, j], sums.start[sums.a, i], sums.end[sums.a, j]
    shared, start, end = (round(float(part), 3) for part in parts)
    span = brief(sums.marked.text[offsets[i][0] : offsets[j][1]])
    quantity = W("ner.compare_reading_cell", span=span, shared=shared, start=start, end=end)
    return [equal(quantity, float(sums.total[i, j]), float(sum(parts)), ROUNDING)]


def clicked(values: Mapping[str, Any], point: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return the span of a clicked cell as the lit one."""
    marked, _ = first_window(values["text"], values["types"], _kinds(values["head"])[0])
    cell = cell_at(marked, point)
    if cell is None or cell[0] > cell[1]:
        return {}
    label = marked.types[_type(marked, values["type"])[0]]
    first, last = marked.offsets[cell[0]][0], marked.offsets[cell[1]][1] - 1
    return {"chosen": chosen_text(Entity(first, last, label))}
