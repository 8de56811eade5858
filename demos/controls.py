"""Declarations of controls: one record makes the widget, the check, the link and the API type.

A control states its default and its domain. ``check`` turns whatever arrives (a browser's value,
any JSON sent to the API, text from a link) into the value the panel receives, or raises
``InputError`` with a sentence that names the field, the allowed range and what was given.
"""

import math
import re
import unicodedata
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Literal

import numpy as np
from numpy.typing import NDArray

from demos.words import TEXT, W, Word, quoted
from models.hub import HubError
from models.tables import TableError, read_table

MAX_TEXT = 400
_SURROGATE = re.compile("[\ud800-\udfff]")  # half a character: JSON may hold it, no link can


class InputError(ValueError):
    """A visitor's input cannot be used; ``word`` says why, in the visitor's language.

    Args:
        word: The sentence, naming the field, the allowed range and what was given.
    """

    def __init__(self, word: Word) -> None:
        super().__init__(word.text("en"))
        self.word = word


@dataclass(frozen=True, kw_only=True)
class Control:
    """What all controls share.

    Args:
        default: Value at first and where a link or a call names none.
        advanced: Whether it is put away under "more controls".
        words: Parameter whose words it borrows, when several controls share a label's options.
    """

    default: Any
    advanced: bool = False
    words: str = ""
    annotation: ClassVar[Any] = str

    def check(self, field: Word, value: Any) -> Any:
        """Return the value the panel receives.

        Args:
            field: The control's label, for the message.
            value: Anything.

        Raises:
            InputError: The value is outside the control's domain.
        """
        raise NotImplementedError

    def domain(self) -> Word:
        """Return the allowed values in words."""
        raise NotImplementedError

    def refuse(self, field: Word, value: Any) -> InputError:
        """Return the error that names field, domain and what was given."""
        given = W("frame.nothing") if value is None else quoted(value)
        return InputError(W("frame.error_value", field=field, domain=self.domain(), given=given))

    def to_text(self, value: Any) -> str:
        """Return the value as it stands in a link; ``from_text`` is its inverse."""
        return str(value)

    def from_text(self, text: str) -> Any:
        """Return what a link's text stands for, still unchecked."""
        return text

    def json(self, value: Any) -> Any:
        """Return the value as it stands in JSON, which has no infinity."""
        return value

    def code(self, value: Any) -> str:
        """Return the value as Python source."""
        return repr(value)


def number(value: Any) -> float | int:
    """Return a number from JSON or text: ``3``, ``"1/16"``, ``"1e-3"``, ``"１２"``, ``"∞"``.

    Raises:
        ValueError: The value is not a number.
    """
    if isinstance(value, bool) or not isinstance(value, (int, float, str)):
        raise ValueError(value)
    if not isinstance(value, str):
        return value
    text = unicodedata.normalize("NFKC", value).strip().replace("−", "-")
    if not text or len(text) > MAX_TEXT:
        raise ValueError(value)
    if text.lower() in ("∞", "inf", "infinity"):
        return math.inf
    if "/" in text:
        top, bottom = (float(part) for part in text.split("/", 1))
        if bottom == 0 or not (math.isfinite(top) and math.isfinite(bottom)):
            raise ValueError(value)
        return top / bottom
    try:
        return int(text)
    except ValueError:
        return float(text)


def numbers(text: str) -> list[float]:
    """Return the finite numbers of a text, separated by commas, semicolons or blanks.

    Raises:
        ValueError: A part is not a finite number, or there is none.
    """
    plain = (
        unicodedata.normalize("NFKC", text)
        .replace(";", " ")
        .replace(",", " ")
        .replace("\u3001", " ")
    )
    values = [float(number(part)) for part in plain.split()]
    if not values or not all(map(math.isfinite, values)):
        raise ValueError(text)
    return values


@dataclass(frozen=True, kw_only=True)
class Integer(Control):
    """A whole number, ``low`` to ``high`` in steps of ``step``.

    Args:
        low: Smallest allowed value.
        high: Largest allowed value.
        step: Distance of allowed values, counted from ``low``.
        log: Whether the slider is logarithmic (``low`` ≥ 1).
        typed: Whether it is a field to type into, without a slider (seeds).
    """

    low: int
    high: int
    step: int = 1
    log: bool = False
    typed: bool = False
    annotation: ClassVar[Any] = int

    def check(self, field: Word, value: Any) -> int:
        """Return the whole number."""
        try:
            given = number(value)
            whole = int(given)
        except (ValueError, OverflowError):
            raise self.refuse(field, value) from None
        inside = self.low <= whole <= self.high and (whole - self.low) % self.step == 0
        if given != whole or not inside:
            raise self.refuse(field, value)
        return whole

    def domain(self) -> Word:
        """Return the range in words."""
        key = "frame.domain_integer" if self.step == 1 else "frame.domain_multiple"
        return W(key, low=self.low, high=self.high, step=self.step)


@dataclass(frozen=True, kw_only=True)
class Real(Control):
    """A real number, ``low`` to ``high``; fractions such as 1/16 may be typed.

    Args:
        low: Smallest allowed value.
        high: Largest allowed value.
        step: Step of the slider; values between steps are allowed.
        log: Whether the slider is logarithmic (``low`` > 0).
        infinite: Whether ∞ is allowed besides.
    """

    low: float
    high: float
    step: float = 0.01
    log: bool = False
    infinite: bool = False

    @property
    def annotation(self) -> Any:
        """Type for the API."""
        return float | str if self.infinite else float

    def check(self, field: Word, value: Any) -> float:
        """Return the real number as a float."""
        try:
            given = float(number(value))
        except (ValueError, OverflowError):
            raise self.refuse(field, value) from None
        if (self.infinite and given == math.inf) or self.low <= given <= self.high:
            return given
        raise self.refuse(field, value)

    def domain(self) -> Word:
        """Return the range in words."""
        key = "frame.domain_real_infinite" if self.infinite else "frame.domain_real"
        return W(key, low=self.low, high=self.high)

    def json(self, value: Any) -> Any:
        """Return the number, or "inf"."""
        return "inf" if value == math.inf else value

    def to_text(self, value: Any) -> str:
        """Return the shortest text that gives the same number."""
        return repr(float(value)).removesuffix(".0")

    def code(self, value: Any) -> str:
        """Return the number as Python source."""
        return 'float("inf")' if value == math.inf else repr(value)


@dataclass(frozen=True, kw_only=True)
class Choice(Control):
    """One of a few named options.

    Args:
        options: Language-free names.
        radio: Whether all options are shown at once instead of a drop-down list.
    """

    options: tuple[str, ...]
    radio: bool = False

    def check(self, field: Word, value: Any) -> str:
        """Return the option."""
        if isinstance(value, str) and value in self.options:
            return value
        raise self.refuse(field, value)

    def domain(self) -> Word:
        """Return the options."""
        return W("frame.domain_choice", options=", ".join(self.options))

    @property
    def annotation(self) -> Any:
        """Type for the API."""
        return Literal[self.options]


@dataclass(frozen=True, kw_only=True)
class Choices(Control):
    """Any selection of a few named options, at least ``least`` of them.

    Args:
        options: Language-free names.
        least: Smallest number of options that must be chosen.
    """

    options: tuple[str, ...]
    least: int = 1

    def check(self, field: Word, value: Any) -> tuple[str, ...]:
        """Return the chosen options in the order of the declaration."""
        items = value if isinstance(value, (list, tuple)) else [value]
        known = all(isinstance(item, str) and item in self.options for item in items)
        if not known or len(set(items)) < self.least:
            raise self.refuse(field, value)
        return tuple(option for option in self.options if option in items)

    def domain(self) -> Word:
        """Return the options."""
        return W("frame.domain_choices", least=self.least, options=", ".join(self.options))

    def to_text(self, value: Any) -> str:
        """Return the options joined by commas."""
        return ",".join(value)

    def from_text(self, text: str) -> Any:
        """Return the options as a list."""
        return [item for item in text.split(",") if item]

    @property
    def annotation(self) -> Any:
        """Type for the API."""
        return list[Literal[self.options]]  # type: ignore[name-defined]


@dataclass(frozen=True, kw_only=True)
class Flag(Control):
    """Yes or no."""

    annotation: ClassVar[Any] = bool

    def check(self, field: Word, value: Any) -> bool:
        """Return the flag."""
        if isinstance(value, bool):
            return value
        raise self.refuse(field, value)

    def domain(self) -> Word:
        """Return true or false."""
        return W("frame.domain_flag")

    def to_text(self, value: Any) -> str:
        """Return 1 or 0."""
        return "1" if value else "0"

    def from_text(self, text: str) -> Any:
        """Return the flag for 1 or 0, anything else unchanged."""
        return {"1": True, "0": False, "true": True, "false": False}.get(text.lower(), text)


@dataclass(frozen=True, kw_only=True)
class Text(Control):
    """A line of text; the panel gives it its meaning.

    Args:
        length: Largest number of characters.
        lines: Height of the field, lines.
        parse: Called on the text; a ``ValueError`` refuses it (its result is dropped).
        rule: Key of the sentence that says what is allowed.
    """

    length: int = MAX_TEXT
    lines: int = 1
    parse: Callable[[str], Any] | None = None
    rule: str = "frame.domain_text"

    def check(self, field: Word, value: Any) -> str:
        """Return the text; half a character becomes U+FFFD."""
        if isinstance(value, (int, float)) and not isinstance(value, bool):
            value = str(value)
        if not isinstance(value, str) or len(value) > self.length:
            raise self.refuse(field, value)
        text = _SURROGATE.sub("\ufffd", value)
        try:
            if self.parse:
                self.parse(text)
        except InputError:
            raise
        except ValueError:
            raise self.refuse(field, value) from None
        return text

    def domain(self) -> Word:
        """Return the rule in words."""
        return W(self.rule, length=self.length)


@dataclass(frozen=True, kw_only=True)
class Upload(Control):
    """A file of the visitor; the panel receives its path, or ``None``.

    The path is checked by the frame: only files uploaded to this server are read. A link does not
    carry it.

    Args:
        suffixes: Allowed endings.
        size: Largest size, bytes.
    """

    default: None = None
    suffixes: tuple[str, ...] = (".csv", ".txt", ".npy")
    size: int = 2_000_000
    annotation: ClassVar[Any] = str | None

    def check(self, field: Word, value: Any) -> str | None:
        """Return the path of the uploaded file."""
        if isinstance(value, dict):  # FileData of the API
            value = value.get("path")
        if value is None or value == "":
            return None
        if not isinstance(value, str) or "\0" in value:
            raise self.refuse(field, value)
        path = Path(value)
        if path.suffix.lower() not in self.suffixes:
            raise self.refuse(field, path.name)
        try:
            size = path.stat().st_size
        except OSError:
            raise InputError(W("frame.error_file_gone", field=field)) from None
        if size > self.size:
            raise InputError(
                W("frame.error_file_size", field=field, limit=self.size // 1000, given=size // 1000)
            )
        return value

    def domain(self) -> Word:
        """Return the allowed endings."""
        endings = ", ".join(self.suffixes)
        return W("frame.domain_upload", suffixes=endings, limit=self.size // 1000)

    def to_text(self, value: Any) -> str:
        """Return nothing: a file does not travel in a link."""
        return ""

    def code(self, value: Any) -> str:
        """Return the file's name, without the server's folder."""
        return repr(Path(value).name if value else None)


def refuse_cost(field: Word, given: float, limit: float, unit: Word, advice: Word) -> None:
    """Refuse work beyond a limit, saying how much was asked for and what would lower it.

    Raises:
        InputError: ``given`` is above ``limit``, both in ``unit``.
    """
    if given > limit:
        words = {"field": field, "unit": unit, "advice": advice}
        raise InputError(W("frame.error_cost", given=float(given), limit=float(limit), **words))


def table_values(field: Word, path: str) -> NDArray[np.float64]:
    """Return the numbers of an uploaded csv, txt or npy file, one row per line.

    Raises:
        InputError: The file is not a table of finite numbers; the sentence names the place.
    """
    with file_problems(field):
        return read_table(path).values


@contextmanager
def file_problems(field: Word) -> Iterator[None]:
    """Tell the visitor what is wrong with an uploaded file that is read inside.

    Raises:
        InputError: It is no table of the kind wanted, or it is gone.
    """
    try:
        yield
    except TableError as error:
        raise InputError(W(f"frame.table_{error.code}", field=field, **error.details)) from None
    except OSError:
        raise InputError(W("frame.error_file_gone", field=field)) from None


def hub_problem(field: Word, error: HubError) -> InputError:
    """Return what to tell the visitor about a model of the Hub that cannot be used."""
    return InputError(W(f"frame.hub_{error.code}", field=field, **error.details))


def label_word(tab: str, panel: str, param: str, suffix: str = "") -> Word:
    """Return a control's label: the panel's own word, else the tab's, else the frame's.

    Raises:
        KeyError: None of the three names the parameter.
    """
    names = (f"{tab}.{panel}_{param}", f"{tab}.{param}", f"frame.{param}")
    for name in names:
        if f"{name}{suffix}" in TEXT["en"]:
            return Word(f"{name}{suffix}")
    raise KeyError(names[0] + suffix)


def option_words(tab: str, panel: str, param: str, options: Sequence[str]) -> list[Word]:
    """Return the words of a choice's options, found like labels: ``<label>_<option>``."""
    return [label_word(tab, panel, param, f"_{option}") for option in options]
