"""Pictures in the DDPM tab: real ones, those of the visitor, and sheets of them as figures."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from demos.controls import InputError, Text, Upload
from demos.ddpm._common import tile_axes
from demos.figures import Figure, drawing, figure, picture
from demos.words import W, Word, quoted
from models import pictures, strokes
from models.checkpoints import CLASSES
from models.ddpm import Array

LEVELS = 16  # grey levels of a film
WIDTH = 440  # of a sheet on a wide screen, pixels
GAP = 2  # pixels between pictures
N_EXAMPLES = 12  # of each kind
KINDS = {
    "character": "hanzi",
    "digit": "digits",
}  # of real pictures, and the network they belong to
SOURCES = (*KINDS, "upload", "drawn")
UPLOAD = Upload(suffixes=pictures.SUFFIXES, size=12_000_000)
DRAWN = Text(default="5 11 27 11;16 4 15 14 10 21 4 27;16 13 20 20 28 27", length=strokes.MAX_TEXT)


@dataclass(frozen=True, eq=False)
class Brought:
    """Pictures to work on.

    Attributes:
        x_0: (n, 32, 32), ink 1 on ground -1.
        classes: Of each in the network it belongs to, (n,); None for a visitor's picture.
        notes: What was done to an uploaded one.
    """

    x_0: pictures.Picture
    classes: NDArray[np.int64] | None = None
    notes: Sequence[Word] = ()


def bring(what: str, numbers: Sequence[int], upload: str | None, drawn: str) -> Brought:
    """Return real pictures, or the visitor's one.

    Args:
        what: One of `SOURCES`.
        numbers: Which of the real ones, 0..11.
        upload: Path of a file.
        drawn: Strokes in pixels, "x y x y;x y x y".

    Raises:
        InputError: There is no file, it is no picture we read, or the strokes are none.
    """
    if what in KINDS:
        kind, chosen = KINDS[what], np.asarray(numbers)
        return Brought(pictures.examples()[kind][chosen], chosen % CLASSES[kind])
    if what == "upload":
        return _uploaded(upload)
    try:
        return Brought(pictures.rasterise(strokes.parse(drawn))[None])
    except strokes.StrokeError as error:
        raise InputError(W(f"ddpm.strokes_{error.code}", **error.details)) from None


def _uploaded(path: str | None) -> Brought:
    if path is None:
        raise InputError(W("ddpm.error_no_picture", formats=", ".join(pictures.FORMATS)))
    try:
        x_0, done = pictures.read_picture(path)
    except pictures.PictureError as error:
        name = quoted(Path(path).name)
        raise InputError(W(f"ddpm.picture_{error.code}", name=name, **error.details)) from None
    notes = [W("ddpm.note_converted", width=done.width, height=done.height, mode=done.mode)]
    if done.width != done.height:
        notes.append(W("ddpm.note_padded"))
    if done.inverted:
        notes.append(W("ddpm.note_inverted"))
    return Brought(x_0[None], notes=notes)


def unused_sources(what: str, number: str) -> dict[str, bool]:
    """Return which controls of a source are read; ``number`` is the one of the real pictures."""
    return {number: what in KINDS, "upload": what == "upload", "drawn": what == "drawn"}


def spread(last: int, most: int) -> list[int]:
    """Return at most so many of 0..last, evenly, both ends included."""
    return sorted(set(np.rint(np.linspace(0, last, min(most, last + 1))).astype(int).tolist()))


def address(tiles: Array, n_columns: int) -> str:
    """Return a sheet of pictures as an address that holds it whole."""
    return pictures.data_uri(pictures.sheet(tiles, n_columns, GAP), LEVELS)


def sheet(tiles: Array, title: Word, columns: int = 4, wide: bool = False, **more: Any) -> Figure:
    """Return pictures (n, 32, 32) side by side; a height of their own goes before the usual one."""
    page = pictures.sheet(tiles, min(columns, len(tiles)), GAP)
    usual = WIDTH * (2 if wide else 1) * page.shape[0] / page.shape[1]
    x, y = tile_axes(page)
    return figure(
        picture(pictures.data_uri(page, LEVELS)),
        x=x,
        y=y,
        title=title,
        wide=wide,
        layout={"margin": {"l": 4, "r": 4, "t": 4, "b": 4}},
        aspect=page.shape[0] / page.shape[1],
        **{"height": min(560, round(usual)), **more},
    )


def named_sheet(
    tiles: Array,
    columns: Sequence[str | Word],
    rows: Sequence[str | Word],
    along: Word,
    beside: str | Word = "",
    **more: Any,
) -> Figure:
    """Return pictures row by row, with names under the columns and beside the rows.

    Args:
        tiles: (rows * columns, height, width); as many rows as have a name, or any without names.
        columns: Name of each column.
        rows: Name of each row.
        along: Title of the columns' axis.
        beside: Title of the rows' axis, needed with names.
        more: Fields of `Figure`.
    """
    page = pictures.sheet(tiles, len(columns), GAP)
    height, width = (size + GAP for size in tiles.shape[-2:])
    x, y = tile_axes(page)
    x |= {**_names(columns, width), "title": {"text": along}}
    if rows:
        y |= {**_names(rows, height), "title": {"text": beside}}
    ratio = page.shape[0] / page.shape[1]
    return figure(picture(pictures.data_uri(page, LEVELS)), x=x, y=y, aspect=ratio, **more)


def _names(names: Sequence[str | Word], step: int) -> Mapping[str, Any]:
    places = [GAP / 2 + step * (k + 0.5) for k in range(len(names))]
    return {"tickvals": places, "ticktext": list(names), "showticklabels": True}


def clean_figure(x_0: Array) -> Figure:
    """Return the clean picture, to be drawn on; its axes count pixels."""
    page = pictures.grey(x_0)
    x, y = tile_axes(page)
    return figure(
        picture(pictures.data_uri(page)),
        x=x,
        y=y,
        title=W("ddpm.title_clean"),
        layout={"margin": {"l": 4, "r": 4, "t": 4, "b": 4}},
        height=300,
        drawn=drawing("drawn", kind="strokes", what="drawn"),
    )
