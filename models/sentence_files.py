"""Sentences and scored pairs that somebody typed or uploaded, or exactly what is wrong with them.

Sentences: one a line; of a table (tab, comma or semicolon between cells) the first column that is
not all numbers. Its first row is a heading when it stands over numbers or says "text" or the like.
Pairs: a table with at least two columns of text and one of numbers: the first two and the first
are taken. Its first row is a heading when no cell of it is a number.
Blank lines are left out. A sentence longer than the limit is cut at its end.

Convention: lines in messages count from 1. Encodings as in `models.tables`.
Source: RFC 4180 for the table; LCQMC and the like are tables with tabs.
"""

import csv
import io
import math
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from models.tables import TableError, decoded

MOST_CHARACTERS = 400  # of a sentence
MOST_BYTES = 4_000_000
MOST_ROWS = 20_000
HEADINGS = {"a", "text", "sentence", "sentences", "sentence1", "question", "句子", "文本", "问题"}


@dataclass(frozen=True)
class Sentences:
    """Sentences as they were read.

    Attributes:
        texts: None blank.
        n_all: How many there were.
        n_shortened: How many of the texts were too long and lost their end.
    """

    texts: tuple[str, ...]
    n_all: int
    n_shortened: int = 0


@dataclass(frozen=True, eq=False)
class Pairs:
    """Pairs of sentences with a number each.

    Attributes:
        first: One side, n texts.
        second: The other.
        labels: (n,), finite.
        n_all: How many pairs there were.
        n_shortened: How many of the texts lost their end.
    """

    first: tuple[str, ...]
    second: tuple[str, ...]
    labels: NDArray[np.float64]
    n_all: int
    n_shortened: int = 0

    @property
    def is_binary(self) -> bool:
        """Whether the labels are 0 and 1, both of them."""
        return bool(np.array_equal(np.unique(self.labels), [0.0, 1.0]))


def sentences(text: str, most: int) -> Sentences:
    """Return the lines of a text that are not blank.

    Args:
        text: One sentence a line.
        most: At most so many are returned, the first ones.
    """
    return _sentences(text.splitlines(), most)


def read_sentences(path: str | os.PathLike[str], most: int) -> Sentences:
    """Return the sentences of a txt or csv file.

    Args:
        path: The file; its ending tells whether it is a table.
        most: At most so many are returned, the first ones.

    Raises:
        TableError: The file is too large or is no text.
        OSError: It cannot be opened.
    """
    text = _text(path)
    if Path(path).suffix.lower() == ".txt" and "\t" not in text:
        return sentences(text, most)
    rows = [row for _, row in _rows(text)]
    width = max(map(len, rows), default=0)
    columns = [[row[at] for row in rows if at < len(row)] for at in range(width)]
    named = next((column for column in columns if _is_text(column[1:] or column)), [])
    headed = [c for c in columns if len(c) > 1 and _is_text(c[:1]) and not _is_text(c[1:])]
    if named and (headed or named[0].strip().lower() in HEADINGS):
        named = named[1:]
    return _sentences(named, most)


def read_pairs(path: str | os.PathLike[str], most: int) -> Pairs:
    """Return the scored pairs of a csv or txt file.

    Args:
        path: A table.
        most: At most so many are returned, the first ones.

    Raises:
        TableError: The file is too large, is no text, or is no table of two texts and a number.
        OSError: It cannot be opened.
    """
    rows = _rows(_text(path))
    if rows and all(math.isnan(_value(cell)) for cell in rows[0][1]):
        rows = rows[1:]
    if not rows:
        raise TableError("empty")
    width = len(rows[0][1])
    for line, row in rows:
        if len(row) != width:
            raise TableError("ragged", line=line, found=len(row), expected=width)
    numeric = [at for at in range(width) if not math.isnan(_value(rows[0][1][at]))]
    texts = [at for at in range(width) if at not in numeric][:2]
    if len(texts) < 2:
        raise TableError("ragged", line=rows[0][0], found=len(texts), expected=2)
    if not numeric:
        found = rows[0][1][-1][:40]
        raise TableError("not_a_number", line=rows[0][0], column=width, found=found)
    labels = [_label(line, row, numeric[0]) for line, row in rows[:most]]
    for line, row in rows[:most]:
        for at in texts:
            if not row[at].strip():
                raise TableError("missing", line=line, column=at + 1)
    sides = [[row[at].strip() for _, row in rows[:most]] for at in texts]
    n_shortened = sum(len(text) > MOST_CHARACTERS for side in sides for text in side)
    first, second = (tuple(text[:MOST_CHARACTERS] for text in side) for side in sides)
    return Pairs(first, second, np.array(labels), len(rows), n_shortened)


def _text(path: str | os.PathLike[str]) -> str:
    with open(path, "rb") as file:
        size = os.fstat(file.fileno()).st_size
        if size > MOST_BYTES:
            raise TableError("too_large", what="bytes", found=size, limit=MOST_BYTES)
        return decoded(file.read())


def _rows(text: str) -> list[tuple[int, list[str]]]:
    """Return the rows that are not blank, with their lines."""
    first = next((line for line in text.splitlines() if line.strip()), "")
    delimiter = next((mark for mark in "\t,;" if mark in first), ",")
    lines = io.StringIO(text, newline="")
    if delimiter == "\t":  # data sets with tabs do not quote
        reader = csv.reader(lines, delimiter=delimiter, quoting=csv.QUOTE_NONE)
    else:
        reader = csv.reader(lines, delimiter=delimiter)
    rows = []
    try:
        for row in reader:
            if any(cell.strip() for cell in row):
                rows.append((reader.line_num, row))
            if len(rows) > MOST_ROWS:
                raise TableError("too_large", what="rows", found=len(rows), limit=MOST_ROWS)
    except csv.Error as error:
        raise TableError("damaged", found=f"line {reader.line_num}, {error}") from None
    return rows


def _is_text(cells: Sequence[str]) -> bool:
    """Say whether a cell of these is no number."""
    return any(math.isnan(_value(cell)) for cell in cells)


def _value(cell: str) -> float:
    """Return a number, or NaN for a text."""
    try:
        return float(cell)
    except ValueError:
        return math.nan


def _label(line: int, row: list[str], column: int) -> float:
    value = _value(row[column])
    if math.isfinite(value):
        return value
    code = "not_finite" if math.isinf(value) else "not_a_number"
    if not row[column].strip():
        raise TableError("missing", line=line, column=column + 1)
    raise TableError(code, line=line, column=column + 1, found=row[column][:40])


def _sentences(lines: Sequence[str], most: int) -> Sentences:
    found = [line.strip() for line in lines if line.strip()]
    kept = found[:most]
    n_shortened = sum(len(text) > MOST_CHARACTERS for text in kept)
    return Sentences(tuple(text[:MOST_CHARACTERS] for text in kept), len(found), n_shortened)


def guess_language(texts: Sequence[str]) -> str:
    """Return "zh" if at least one letter in five of the texts is Chinese, else "en"."""
    letters = [c for text in texts for c in text if c.isalpha()]
    chinese = sum("\u3400" <= c <= "\u9fff" or c >= "\U00020000" for c in letters)
    return "zh" if chinese and 5 * chinese >= len(letters) else "en"
