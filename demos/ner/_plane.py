"""The plane of spans, start by end, that the panels of NER draw: a cell for each span.

Rows are starts and columns ends, both counted in pieces; the tick labels are the pieces.
"""

from collections.abc import Mapping, Sequence
from html import escape
from typing import Any

import numpy as np
from numpy.typing import NDArray

from demos.figures import Figure, Trace, axis, heat
from demos.words import W, Word
from models.ner import Marked

Array = NDArray[np.floating[Any]]
Cell = tuple[int, int]  # start, end

MOST_PIECE = 10  # characters of a tick label
MOST_OUTLINED = 400  # cells
_TELLERS = "\u200b\u2060"  # neither is seen


def piece_names(marked: Marked) -> list[Word]:
    """Return the pieces as names of rows and columns, each different from all others.

    An axis of categories takes equal names for one row, so equal pieces end in different signs
    that are not seen: the digits of their number.
    """
    return [W("frame.verbatim", text=_name(k, piece)) for k, piece in enumerate(marked.pieces)]


def _name(number: int, piece: str) -> str:
    seen = "".join(c if c.isprintable() else "·" for c in piece[: MOST_PIECE + 1])
    short = f"{seen[: MOST_PIECE - 1]}…" if len(seen) > MOST_PIECE else seen
    return escape(short, quote=False) + "".join(_TELLERS[int(bit)] for bit in f"{number:07b}")


def cell_at(marked: Marked, point: Mapping[str, Any]) -> Cell | None:
    """Return the cell of a click, named by its pieces or by their numbers; None outside."""
    names = {_name(k, piece): k for k, piece in enumerate(marked.pieces)}
    found = [_number(point.get(key), names) for key in ("y", "x")]
    n = len(marked.offsets)
    start, end = found
    return (start, end) if 0 <= start < n and 0 <= end < n else None


def _number(value: Any, names: Mapping[str, int]) -> int:
    if isinstance(value, str):
        return names.get(value, names.get(escape(value, quote=False), -1))
    return int(value) if isinstance(value, (int, float)) and abs(value) < 1e6 else -1


def plane(
    marked: Marked,
    z: Array,
    threshold: float,
    lit: Cell | None,
    outlined: Sequence[Cell],
    **more: Any,
) -> Figure:
    """Return the heat map of scores with outlined cells and one lit.

    Args:
        marked: Whose pieces name rows and columns.
        z: (n, n), -inf where there is no span.
        threshold: Where the two halves of the colour scale meet.
        lit: Framed, with lines to both axes.
        outlined: The found ones; of very many none is.
        more: Fields of ``Figure``, and ``numbers``: whether scores are written into the cells.
    """
    numbers = more.pop("numbers", False)
    square: dict[str, Any] = {}
    if more.get("square"):
        square = {"scaleanchor": "x", "constrain": "domain"}
    names = piece_names(marked)
    n = len(names)
    edges = [-0.5, max(n, 1) - 0.5]
    tick = {"size": 12 if n <= 40 else 10}
    across: dict[str, Any] = {"constrain": "domain"} if square else {}
    common: dict[str, Any] = {"type": "category", "showgrid": False, "tickfont": tick}
    return Figure(
        [_heat(names, z, threshold, numbers)] if n else [],
        {
            "xaxis": axis(W("ner.axis_end_token"), range=edges, **common, **across),
            "yaxis": axis(W("ner.axis_start_token"), range=edges[::-1], **common, **square),
            "shapes": [*_outlines(outlined), *_frame(lit, 0 if numbers else n)],
            "margin": {"l": 64, "b": 64},
        },
        **more,
    )


def _heat(names: Any, z: Array, threshold: float, numbers: bool) -> Trace:
    cells = np.where(np.isfinite(z), z, np.nan).astype(np.float32)
    low = min(float(np.nanmin(cells)), threshold - 1)
    high = max(float(np.nanmax(cells)), threshold + 1)
    middle = (threshold - low) / (high - low)
    written = {"texttemplate": "%{z:.1f}", "textfont": {"size": 10}} if numbers else {}
    return heat(
        cells,
        x=names,
        y=names,
        colorscale=[[0, "@blue/0.6"], [middle, "@paper"], [1, "@orange"]],
        zmin=low,
        zmax=high,
        colorbar={"thickness": 10, "len": 0.9, "title": {"text": W("ner.score_short")}},
        hovertemplate=W("ner.hover_span"),
        **written,
    )


def _outlines(cells: Sequence[Cell]) -> list[dict[str, Any]]:
    """Return one path around all cells: hundreds of shapes would be slow to draw."""
    if not cells or len(cells) > MOST_OUTLINED:
        return []
    path = "".join(
        f"M{x - 0.5},{y - 0.5}L{x + 0.5},{y - 0.5}L{x + 0.5},{y + 0.5}L{x - 0.5},{y + 0.5}Z"
        for y, x in cells
    )
    return [{"type": "path", "path": path, "line": {"color": "@ink", "width": 1.2}}]


def _frame(cell: Cell | None, n: int) -> list[dict[str, Any]]:
    """Return a frame around a cell and lines from it to both axes, for n > 0 rows."""
    if cell is None:
        return []
    y, x = cell
    box = {"type": "rect", "x0": x - 0.5, "x1": x + 0.5, "y0": y - 0.5, "y1": y + 0.5}
    pen = {"color": "@ink", "width": 1, "dash": "dot"}
    left = {"type": "line", "x0": -0.5, "x1": x - 0.5, "y0": y, "y1": y, "line": pen}
    down = {"type": "line", "x0": x, "x1": x, "y0": y + 0.5, "y1": n - 0.5, "line": pen}
    return [{**box, "line": {"color": "@ink", "width": 3}}, *([left, down] if n else [])]
