"""What a panel returns: pictures, readings (theory beside measurement), a table, notes.

A ``View`` knows no language and no screen: its sentences are Words and its colours are tokens.
``page`` packs it for the browser with the words of both languages, so that a switch of language
needs no new computation; ``report`` gives it as plain JSON in one language for the API.
"""

import base64
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from demos.figures import Figure, paint
from demos.words import LANGUAGES, TEXT, Language, Word, resolve, spell

Relation = Literal["=", "≤", "≥", "≈", ""]
Value = float | int | str | Word | None
Table = Mapping[str, Any]  # columns: arrays or lists of numbers, texts, Words


@dataclass(frozen=True)
class Reading:
    """One line of theory beside measurement.

    Args:
        quantity: What is measured.
        measured: Its measured value.
        theory: What the theorem says about it; ``None`` when there is no statement.
        relation: How the measured value must stand to the theory; "" without a theory.
        held: Whether it stood so; ``None`` where the statement does not apply here.
        tolerance: Slack granted for rounding or sampling, in the quantity's unit.
        note: Why it does not apply, or where the tolerance comes from.
    """

    quantity: Word
    measured: Value
    theory: Value = None
    relation: Relation = ""
    held: bool | None = None
    tolerance: float = 0.0
    note: Word | None = None

    def report(self, lang: Language = "en") -> dict[str, Any]:
        """Return the reading as plain JSON in one language."""
        return {
            "quantity": self.quantity.text(lang),
            "measured": plain(self.measured, lang),
            "relation": self.relation,
            "theory": plain(self.theory, lang),
            "tolerance": plain(self.tolerance, lang),
            "held": self.held,
            "note": self.note.text(lang) if self.note else None,
        }


def _judge(
    relation: Relation,
    quantity: Word,
    measured: float,
    theory: float,
    tolerance: float,
    note: Word | None,
) -> Reading:
    if math.isnan(measured) or math.isnan(theory):
        return Reading(quantity, measured, theory, relation, None, tolerance, note)
    excess = 0.0 if measured == theory else measured - theory  # inf - inf would be NaN
    held = {
        "≤": excess <= tolerance,
        "≥": -excess <= tolerance,
        "=": abs(excess) <= tolerance,
        "≈": abs(excess) <= tolerance,
        "": None,
    }[relation]
    return Reading(quantity, measured, theory, relation, held, tolerance, note)


def equal(
    quantity: Word, measured: float, theory: float, tolerance: float = 0.0, note: Word | None = None
) -> Reading:
    """Return a reading that holds when both agree up to rounding (``tolerance``)."""
    return _judge("=", quantity, measured, theory, tolerance, note)


def near(
    quantity: Word, measured: float, theory: float, tolerance: float, note: Word | None = None
) -> Reading:
    """Return a reading that holds when both agree up to sampling or approximation."""
    return _judge("≈", quantity, measured, theory, tolerance, note)


def at_most(
    quantity: Word, measured: float, theory: float, tolerance: float = 0.0, note: Word | None = None
) -> Reading:
    """Return a reading that holds when measured ≤ theory + tolerance."""
    return _judge("≤", quantity, measured, theory, tolerance, note)


def at_least(
    quantity: Word, measured: float, theory: float, tolerance: float = 0.0, note: Word | None = None
) -> Reading:
    """Return a reading that holds when measured ≥ theory - tolerance."""
    return _judge("≥", quantity, measured, theory, tolerance, note)


def shown(quantity: Word, measured: Value, note: Word | None = None) -> Reading:
    """Return a reading without a theory: a number worth showing."""
    return Reading(quantity, measured, note=note)


@dataclass(frozen=True)
class View:
    """What one panel shows for one set of control values.

    Args:
        figures: One figure, or a few by name.
        caption: One or two sentences that say what the picture shows: its text alternative.
        readings: Theory beside measurement, in reading order.
        table: The numbers behind the picture: columns of equal length by name.
        html: Small HTML as parts; plain strings are markup, Words are escaped when drawn.
        html_first: Whether the HTML stands above the figures instead of under them.
        notes: Warnings and remarks that belong to this picture.
        unused: Parameters without influence on this view; their controls are put away.
        progress: Share of long work done, 0 to 1; ``None`` for a finished view.
        steps: Names of the steps of an animation ("t = 0.25"); every figure that ``moves``
            has a row for each. The last step is shown first.
        plays: Whether the browser plays the animation at once.
    """

    figures: Figure | Mapping[str, Figure]
    caption: Word
    readings: Sequence[Reading] = ()
    table: Table = field(default_factory=dict)
    html: Sequence[str | Word] = ()
    html_first: bool = False
    notes: Sequence[Word] = ()
    unused: frozenset[str] = frozenset()
    progress: float | None = None
    steps: Sequence[str | Word] = ()
    plays: bool = False

    def __post_init__(self) -> None:
        for name, figure in self.pictures.items():
            if figure.n_steps not in (0, len(self.steps)):
                counts = f"{figure.n_steps} rows for {len(self.steps)} steps"
                raise ValueError(f"figure {name!r} has {counts}")
        lengths = {name: len(np.atleast_1d(np.asarray(c))) for name, c in self.table.items()}
        if len(set(lengths.values())) > 1:
            raise ValueError(f"table columns must have one length, got {lengths}")

    @property
    def pictures(self) -> dict[str, Figure]:
        """The figures by name; a single one is called ``figure``."""
        if isinstance(self.figures, Figure):
            return {"figure": self.figures}
        return dict(self.figures)

    def __str__(self) -> str:
        """Return caption and readings as text, in English."""
        marks = {True: "✓", False: "✗", None: "–"}
        lines = [
            f"{marks[r.held]} {r.quantity}: {spell(r.measured)} {r.relation}"
            f" {'' if r.theory is None else spell(r.theory)}".rstrip()
            for r in self.readings
        ]
        return "\n".join([str(self.caption), *lines])

    def plotly(self, name: str | None = None, lang: Language = "en") -> Any:
        """Return a figure (the first, or the one called ``name``) as a plotly Figure."""
        pictures = self.pictures
        return pictures[name or next(iter(pictures))].plotly(lang)

    def report(self, lang: Language = "en") -> dict[str, Any]:
        """Return caption, readings, table and notes as plain JSON in one language."""
        return {
            "caption": self.caption.text(lang),
            "readings": [reading.report(lang) for reading in self.readings],
            "table": {name: plain(np.asarray(col), lang) for name, col in self.table.items()},
            "notes": [note.text(lang) for note in self.notes],
        }

    def figures_json(self, lang: Language = "en") -> dict[str, dict[str, Any]]:
        """Return the figures by name as plotly JSON, arrays as plotly's base64 typed arrays."""
        return {
            name: _inline(paint(figure.to_dict(lang), "light"))
            for name, figure in self.pictures.items()
        }


def plain(value: Any, lang: Language = "en") -> Any:
    """Return a value as JSON: arrays as lists, Words as text, non-finite numbers as text."""
    if isinstance(value, np.ndarray):
        return [plain(item, lang) for item in value.tolist()]
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, float) and not math.isfinite(value):
        return None if math.isnan(value) else ("inf" if value > 0 else "-inf")
    return resolve(value, lang)


def typed_array(values: NDArray[Any]) -> dict[str, str]:
    """Return an array as plotly's typed array: ``{"dtype", "bdata", "shape"}``."""
    return _typed(values.dtype.str, values.shape, values.tobytes())


def _typed(dtype: str, shape: tuple[int, ...], data: bytes) -> dict[str, str]:
    text = base64.b64encode(data).decode("ascii")
    return {"dtype": dtype.lstrip("<|"), "bdata": text, "shape": ", ".join(map(str, shape))}


def _inline(node: Any) -> Any:
    if isinstance(node, np.ndarray):
        return typed_array(node) if node.dtype.kind in "fiu" else node.tolist()
    if isinstance(node, Mapping):
        return {key: _inline(child) for key, child in node.items()}
    if isinstance(node, (list, tuple)):
        return [_inline(child) for child in node]
    return node.item() if isinstance(node, np.generic) else node


class _Packer:
    """Collects words and arrays once each; they are referred to by ``§number§`` and ``$a``."""

    def __init__(self) -> None:
        self.words: list[Word] = []
        self.numbers: dict[tuple[Any, ...], int] = {}
        self.arrays: dict[tuple[str, tuple[int, ...], bytes], int] = {}

    def pack(self, node: Any) -> Any:
        kind = type(node)  # asked first: these are most of what there is
        if kind is str or kind is float or kind is int or kind is bool or node is None:
            return node
        if kind is dict:
            return {key: self.pack(child) for key, child in node.items()}
        if kind is list or kind is tuple:
            return [self.pack(child) for child in node]
        if kind is Word:
            return f"§{self.number(node)}§"
        if kind is np.ndarray and node.dtype.kind in "fiu":
            key = (node.dtype.str, node.shape, node.tobytes())
            return {"$a": self.arrays.setdefault(key, len(self.arrays))}
        if kind is np.ndarray:
            return [self.pack(child) for child in node.tolist()]
        if isinstance(node, Mapping):
            return {key: self.pack(child) for key, child in node.items()}
        return node.item() if isinstance(node, np.generic) else node

    def number(self, word: Word) -> int:
        """Return the number of a word; the same word has the same number where it can be told."""
        number = len(self.words)
        try:
            number = self.numbers.setdefault((word.key, *word.params.items()), number)
        except TypeError:  # a word or a list within it
            pass
        if number == len(self.words):
            self.words.append(word)
        return number

    def typed_arrays(self) -> list[dict[str, str]]:
        """Return the arrays in the order of their numbers."""
        return [_typed(dtype, shape, data) for dtype, shape, data in self.arrays]


def page(view: View, tab: str, **more: Any) -> dict[str, Any]:
    """Return the view as the page draws it: JSON with both languages' words.

    Args:
        view: What a panel returned.
        tab: Key of its tab, for the names of the table's columns.
        more: Further entries: ``code``, ``query``, ….
    """
    packer = _Packer()
    packed = {
        "figures": [
            packer.pack(
                {
                    "name": name,
                    "title": figure.title,
                    "height": figure.height,
                    "wide": figure.wide,
                    "square": figure.square,
                    "aspect": figure.aspect,
                    "data": figure.data,
                    "layout": figure.layout,
                    "moves": {str(number): change for number, change in figure.moves.items()},
                    "drawn": figure.drawn,
                }
            )
            for name, figure in view.pictures.items()
        ],
        "caption": packer.pack(view.caption),
        "notes": packer.pack(list(view.notes)),
        "html": "".join(packer.pack(part) for part in view.html),
        "html_first": view.html_first,
        "readings": [_page_reading(reading, packer) for reading in view.readings],
        "table": [
            {"name": name, "label": packer.pack(column_word(tab, name)), "values": values}
            for name, values in ((n, _column(c, packer)) for n, c in view.table.items())
        ],
        "unused": sorted(view.unused),
        "progress": view.progress,
        "steps": packer.pack(list(view.steps)),
        "plays": view.plays,
        **packer.pack(more),
    }
    packed["arrays"] = packer.typed_arrays()
    packed["words"] = {lang: [word.text(lang) for word in packer.words] for lang in LANGUAGES}
    return packed


def _column(values: ArrayLike, packer: _Packer) -> Any:
    column = np.asarray(values)
    if column.dtype.kind == "f":
        column = column.astype(np.float64)
    return packer.pack(column if column.dtype.kind in "fiu" else column.tolist())


def _page_reading(reading: Reading, packer: _Packer) -> dict[str, Any]:
    def cell(value: Value) -> str:
        if isinstance(value, Word):
            return str(packer.pack(value))
        return "" if value is None else spell(value, digits=6)

    return {
        "quantity": packer.pack(reading.quantity),
        "measured": cell(reading.measured),
        "relation": reading.relation,
        "theory": cell(reading.theory),
        "tolerance": spell(reading.tolerance, digits=2) if reading.tolerance else "",
        "held": reading.held,
        "note": packer.pack(reading.note) if reading.note else "",
    }


def column_word(tab: str, name: str) -> Word:
    """Return the heading of a table's column: the tab's own word, else the frame's.

    Raises:
        KeyError: Neither the tab nor the frame names that column.
    """
    own = f"{tab}.column_{name}"
    return Word(own if own in TEXT["en"] else f"frame.column_{name}")
