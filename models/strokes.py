"""Points that somebody brings: strokes drawn by hand, as points evenly along them, and tables.

Text: the corners of a stroke as "x y x y", strokes parted by ";"; commas count as blanks.
Shapes: a stroke (m, 2), m >= 1, one corner alone being a dot; points (n, 2). Units: those of the
axes drawn on.
"""

import itertools
import unicodedata
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

MAX_TEXT = 2000
MAX_STROKES = 64
MAX_SIZE = 100.0  # of a coordinate
MAX_POINTS = 100_000

SENTENCES = {
    "too_long": "The drawing has {found} characters; at most {limit} are read.",
    "too_many": "The drawing has {found} strokes; at most {limit} are read.",
    "empty": "The drawing holds no strokes.",
    "odd": "Stroke {stroke} has {found} numbers; x and y must come in pairs.",
    "not_a_number": "Stroke {stroke} holds something that is not a number: {found}.",
    "too_far": "Stroke {stroke} holds {found}; coordinates reach from -{limit} to {limit}.",
}


class StrokeError(ValueError):
    """What is wrong with a drawing.

    Attributes:
        code: A key of `SENTENCES`, stable, for translation.
        details: The values its sentence names: stroke (from 1), found, limit.
    """

    def __init__(self, code: str, **details: Any) -> None:
        super().__init__(SENTENCES[code].format(**details))
        self.code = code
        self.details = details


def parse(text: str) -> list[Floats]:
    """Return the strokes of a text, each (m, 2); what is empty between two ";" is left out.

    Args:
        text: At most 2000 characters and 64 strokes.

    Raises:
        StrokeError: If the text is none.
    """
    if len(text) > MAX_TEXT:
        raise StrokeError("too_long", found=len(text), limit=MAX_TEXT)
    plain = unicodedata.normalize("NFKC", text).replace("−", "-").replace(",", " ")
    parts = [part.split() for part in plain.split(";") if part.strip()]
    if not parts:
        raise StrokeError("empty")
    if len(parts) > MAX_STROKES:
        raise StrokeError("too_many", found=len(parts), limit=MAX_STROKES)
    return [_stroke(i, cells) for i, cells in enumerate(parts, start=1)]


def _stroke(number: int, cells: Sequence[str]) -> Floats:
    values = np.empty(len(cells))
    for i, cell in enumerate(cells):
        try:
            values[i] = float(cell)
        except ValueError:
            raise StrokeError("not_a_number", stroke=number, found=cell[:40]) from None
        if not abs(values[i]) <= MAX_SIZE:  # so that NaN is refused too
            raise StrokeError("too_far", stroke=number, found=cell[:40], limit=f"{MAX_SIZE:g}")
    if values.size % 2:
        raise StrokeError("odd", stroke=number, found=values.size)
    return values.reshape(-1, 2)


def points(strokes: Sequence[Floats], n: int) -> Floats:
    """Return n points evenly along all strokes laid end to end, (n, 2).

    Point i lies at (i + 1/2)/n of the whole length; a stroke without length counts as 1/n of it.

    Args:
        strokes: Of `parse`, at least one.
        n: 1..100 000.

    Raises:
        ValueError: If there is no stroke or n is outside its domain.
    """
    if not strokes or not 1 <= n <= MAX_POINTS:
        raise ValueError(f"n must be in 1..{MAX_POINTS} for at least one stroke, got {n!r}")
    pairs = [pair for stroke in strokes for pair in _segments(stroke)]
    start, end = np.array([a for a, _ in pairs]), np.array([b for _, b in pairs])
    lengths = np.linalg.norm(end - start, axis=1)
    lengths[lengths == 0] = lengths.sum() / n or 1.0
    ends = np.cumsum(lengths)
    at = (np.arange(n) + 0.5) / n * ends[-1]
    which = np.minimum(np.searchsorted(ends, at, "right"), len(ends) - 1)
    share = np.clip((at - ends[which]) / lengths[which] + 1, 0, 1)
    return np.asarray(start[which] + share[:, None] * (end - start)[which])


def standardised(table: Floats) -> Floats:
    """Return points centred and scaled to mean square 1 per coordinate, all axes alike.

    Equal points all become 0.

    Args:
        table: Finite, (n, d), at least one point.

    Raises:
        ValueError: If there are no points.
    """
    if table.ndim != 2 or table.size == 0:
        raise ValueError(f"table must have shape (n, d), got {table.shape}")
    peak = float(np.abs(table).max()) or 1.0  # squares of huge numbers would overflow
    gap = table / peak - (table / peak).mean(axis=0)
    size = float(np.sqrt((gap**2).mean()))
    return np.asarray(gap / size if size > 1e-12 else np.zeros_like(gap))


def _segments(stroke: Floats) -> list[tuple[Floats, Floats]]:
    """Return the pieces of some length; of a stroke without any, its dot."""
    pieces = [(a, b) for a, b in itertools.pairwise(stroke) if (a != b).any()]
    return pieces or [(stroke[0], stroke[0])]
