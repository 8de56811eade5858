"""Read a table of numbers that somebody uploaded, or say exactly what is wrong with it.

csv and txt: one row per line, cells parted by ";", tab, "," or blanks (whichever the first line
shows, in that order; beside ";" a comma is a decimal comma), "#" starts a comment line, one header
row is allowed.
npy: one array of real numbers with one or two axes; Python objects are never unpickled.

Shapes: values (n_rows, n_columns). Convention: lines and columns in messages count from 1, indices
in arrays from 0. Nothing is guessed: a missing, textual or infinite cell is an error, not a 0.
Source: RFC 4180 for csv; for npy the NumPy documentation, numpy.lib.format, "NPY format".
"""

import csv
import io
import os
from array import array
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

SENTENCES = {
    "unknown_type": "The file is of type {found}; only csv, txt and npy files are read.",
    "too_large": "The file has {found} {what}; at most {limit} are read.",
    "empty": "The file holds no rows of numbers.",
    "encoding": "The file is not text in UTF-8, UTF-16 or GB 18030.",
    "ragged": "Line {line} has {found} cells where {expected} were expected.",
    "missing": "The cell in line {line}, column {column} is empty.",
    "not_a_number": "The cell in line {line}, column {column} is not a number: {found}.",
    "not_finite": "The number in line {line}, column {column} is not finite: {found}.",
    "pickle": "The npy file holds Python objects, which are never loaded.",
    "not_2d": "The array has shape {found}; rows and columns are needed.",
    "not_real": "The array holds values of type {found}, not real numbers.",
    "damaged": "The file is damaged: {found}.",
}


class TableError(ValueError):
    """What is wrong with a table.

    Attributes:
        code: A key of `SENTENCES`, stable, for translation.
        details: The values its sentence names: line and column (from 1), found, expected, what,
            limit.
    """

    def __init__(self, code: str, **details: Any) -> None:
        super().__init__(SENTENCES[code].format(**details))
        self.code = code
        self.details = details


@dataclass(frozen=True)
class Limits:
    """How much is read; each at least 1."""

    max_bytes: int = 32 * 2**20
    max_rows: int = 20_000
    max_columns: int = 20_000
    max_cells: int = 5_000_000


@dataclass(frozen=True)
class Table:
    """A table of finite numbers.

    Attributes:
        values: float64 (n_rows, n_columns), both at least 1.
        names: Header cells (n_columns,), shortened to 80 characters; empty if there is no header.
        n_skipped: Blank and comment lines.
    """

    values: NDArray[np.float64]
    names: tuple[str, ...] = ()
    n_skipped: int = 0

    @property
    def constant_columns(self) -> tuple[int, ...]:
        """Indices of the columns whose values are all equal; every column, for a single row."""
        return tuple(np.flatnonzero((self.values == self.values[0]).all(axis=0)).tolist())


def read_table(path: str | os.PathLike[str], limits: Limits | None = None) -> Table:
    """Read a csv, txt or npy file.

    Args:
        path: The file; its ending tells the type.
        limits: Caps, checked before memory is spent.

    Raises:
        TableError: If the file is too large or is not a table of finite numbers.
        OSError: If it cannot be opened.
    """
    caps, ending = limits or Limits(), Path(path).suffix.lower()
    if ending not in (".csv", ".txt", ".npy"):
        raise TableError("unknown_type", found=_shown(ending or "none"))
    with open(path, "rb") as file:
        _check_size("bytes", os.fstat(file.fileno()).st_size, caps.max_bytes)
        return _read_npy(file, caps) if ending == ".npy" else _read_text(file.read(), caps)


def _read_text(raw: bytes, limits: Limits) -> Table:
    cells: array[float] = array("d")
    lines: array[int] = array("l")  # the line of each row, for messages
    names: tuple[str, ...] = ()
    width = n_skipped = 0
    for line, row, decimal_comma in _rows(decoded(raw)):
        if not any(row) or row[0].startswith("#"):
            n_skipped += 1
            continue
        if width == 0:
            width = len(row)
            _check_size("columns", width, limits.max_columns)
            if not any(_is_number(cell, decimal_comma) for cell in row):
                names = tuple(_shown(cell, 80) for cell in row)
                continue
        if len(row) != width:
            raise TableError("ragged", line=line, found=len(row), expected=width)
        cells.extend(_numbers(row, line, decimal_comma))
        lines.append(line)
        _check_size("rows", len(lines), limits.max_rows)
        _check_size("cells", len(cells), limits.max_cells)
    if not lines:
        raise TableError("empty")
    values = np.frombuffer(cells, np.float64).reshape(-1, width).copy()
    return Table(_finite(values, lines), names, n_skipped)


def decoded(raw: bytes) -> str:
    """Return the text of a file: UTF-8 with or without a mark, UTF-16 with one, or GB 18030.

    Raises:
        TableError: The bytes are those of a known other kind, or no text of these encodings.
    """
    if raw.startswith((b"\x93NUMPY", b"PK\x03\x04", b"%PDF")):
        raise TableError("unknown_type", found="npy, zip, xlsx or pdf under another name")
    wide = raw.startswith((b"\xff\xfe", b"\xfe\xff"))
    for encoding in ("utf-16",) if wide else ("utf-8-sig", "gb18030"):
        try:
            text = raw.decode(encoding)
        except UnicodeDecodeError:
            continue
        if "\0" not in text:
            return text
    raise TableError("encoding")


def _rows(text: str) -> Iterator[tuple[int, list[str], bool]]:
    """Yield line number, stripped cells, and whether the comma is a decimal comma."""
    lines = io.StringIO(text, newline=None)
    first = next((x for x in lines if x.strip(" \t\n,;") and not x.startswith("#")), "")
    delimiter = next((mark for mark in ";\t," if mark in first), None)
    if delimiter is None:
        for line, words in enumerate(io.StringIO(text, newline=None), start=1):
            yield line, words.split(), False
        return
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter)
    try:
        for row in reader:
            yield reader.line_num, [cell.strip() for cell in row], delimiter == ";"
    except csv.Error as error:
        raise TableError("damaged", found=f"line {reader.line_num}, {error}") from None


def _numbers(row: list[str], line: int, decimal_comma: bool) -> list[float]:
    try:
        return [float(cell) for cell in row]
    except ValueError:
        pass
    for column, cell in enumerate(row, start=1):
        if not cell:
            raise TableError("missing", line=line, column=column)
        if not _is_number(cell, decimal_comma):
            raise TableError("not_a_number", line=line, column=column, found=_shown(cell))
    return [float(cell.replace(",", ".")) for cell in row]


def _is_number(cell: str, decimal_comma: bool) -> bool:
    try:
        float(cell.replace(",", ".") if decimal_comma else cell)
    except ValueError:
        return False
    return True


def _read_npy(file: IO[bytes], limits: Limits) -> Table:
    shape, dtype = _npy_header(file)
    if dtype.hasobject:
        raise TableError("pickle")
    if dtype.kind not in "buif":
        raise TableError("not_real", found=_shown(str(dtype)))
    if len(shape) not in (1, 2):
        raise TableError("not_2d", found=shape)
    n_rows, n_columns = shape if len(shape) == 2 else (shape[0], 1)
    if n_rows < 1 or n_columns < 1:
        raise TableError("empty")
    _check_size("rows", n_rows, limits.max_rows)
    _check_size("columns", n_columns, limits.max_columns)
    _check_size("cells", n_rows * n_columns, limits.max_cells)
    # Reading reserves what the header promises, so the promise is checked first.
    held = os.fstat(file.fileno()).st_size - file.tell()
    promised = n_rows * n_columns * dtype.itemsize
    if held < promised:
        raise TableError("damaged", found=f"{held} bytes of data instead of {promised}")
    file.seek(0)
    values = np.lib.format.read_array(file, allow_pickle=False)
    values = np.ascontiguousarray(values.reshape(n_rows, n_columns), np.float64)
    return Table(_finite(values, range(1, n_rows + 1)))


def _npy_header(file: IO[bytes]) -> tuple[tuple[int, ...], np.dtype[Any]]:
    try:
        major, _ = np.lib.format.read_magic(file)
        if major > 3:
            raise ValueError(f"format version {major} is unknown")
        first, later = np.lib.format.read_array_header_1_0, np.lib.format.read_array_header_2_0
        shape, _, dtype = (first if major == 1 else later)(file)
    except ValueError as error:
        raise TableError("damaged", found=_shown(str(error), 200)) from None
    return shape, dtype


def _finite(values: NDArray[np.float64], lines: Any) -> NDArray[np.float64]:
    bad = np.argwhere(~np.isfinite(values))
    if bad.size:
        row, column = bad[0].tolist()
        found = str(values[row, column])
        raise TableError("not_finite", line=lines[row], column=column + 1, found=found)
    return values


def _check_size(what: str, found: int, limit: int) -> None:
    if found > limit:
        raise TableError("too_large", what=what, found=found, limit=limit)


def _shown(text: str, length: int = 40) -> str:
    """Return foreign text cut to a length."""
    return text if len(text) <= length else text[: length - 1] + "…"
