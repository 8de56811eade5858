"""Formulas that a visitor types, read by our own parser and never run as Python.

    expression = term {("+" | "-") term}          term   = factor {["*" | "/"] factor}
    factor     = ["+" | "-"] factor | power       power  = value [("^" | "**") factor]
    value      = number | name | function "(" expression {"," expression} ")" | "(" expression ")"
Powers bind from the right and before a sign: -t^2 = -(t^2), 2^3^2 = 2^9. A number may stand right
before a name or a bracket, which multiplies as * does: 2 sin(3t), 4(t - 1), 1/2t = (1/2) t. Nothing
else is known: no attributes, no subscripts, no strings, no comparisons, no assignment.

Shapes: every variable and the value are float64 (n,). Text is at most 200 characters and 40 levels
deep; numbers are floats from the start, so that 9^9^9^9 is inf and not a long computation.
Conventions: sinc(x) = sin(pi x)/(pi x); gauss(x) = exp(-x^2/2); step(x) = 1 from x = 0 on, else 0;
square and saw have period 1: square(x) = 1 on [0, 1/2), -1 on [1/2, 1); saw(x) rises from -1 to 1;
log is natural; sign(0) = 0; 0^0 = 1.

Source: the parser is the usual recursive descent; the grammar is ours.
"""

import math
import re
import unicodedata
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

Array = NDArray[np.float64]

MAX_LENGTH = 200  # characters
MAX_DEPTH = 40  # brackets, signs and powers inside one another


def _square(x: Array) -> Array:
    return np.asarray(np.where(x - np.floor(x) < 0.5, 1.0, -1.0) + 0 * x)


FUNCTIONS: dict[str, Callable[..., Any]] = {
    "sin": np.sin,
    "cos": np.cos,
    "tan": np.tan,
    "exp": np.exp,
    "log": np.log,
    "sqrt": np.sqrt,
    "abs": np.abs,
    "sign": np.sign,
    "floor": np.floor,
    "tanh": np.tanh,
    "sinc": np.sinc,
    "gauss": lambda x: np.exp(-(x**2) / 2),
    "step": lambda x: np.where(x < 0, 0.0, 1.0) + 0 * x,  # + 0 x keeps NaN
    "square": _square,
    "saw": lambda x: 2 * (x - np.floor(x)) - 1,
    "min": np.minimum,
    "max": np.maximum,
}
ARGUMENTS = {"min": 2, "max": 2}  # all others take 1
CONSTANTS = {"pi": math.pi, "e": math.e}
OPERATORS: dict[str, Callable[..., Any]] = {
    "+": np.add,
    "-": np.subtract,
    "*": np.multiply,
    "/": np.divide,
    "^": np.power,
    "negative": np.negative,
}

SENTENCES = {
    "empty": "No formula was given.",
    "not_text": "A formula must be text.",
    "too_long": "The formula has more than {limit} characters.",
    "too_deep": "The formula is nested more than {limit} levels deep.",
    "unknown_character": "{token} at position {position} has no meaning here.",
    "unknown_name": "{token} at position {position} is not a known name; known are {known}.",
    "missing_value": "A number, a name or a bracket is missing at position {position}.",
    "unexpected": "{token} at position {position} was not expected.",
    "unclosed": "The bracket opened at position {position} is never closed.",
    "unopened": "The bracket closed at position {position} was never opened.",
    "no_argument": "The function {token} at position {position} needs an argument in brackets.",
    "argument_count": "{token} at position {position} takes {limit} argument(s).",
    "bad_number": "The number {token} at position {position} is too large.",
    "not_finite": "The value is not finite; first at {name} = {at:.6g}.",
}
REASONS = tuple(SENTENCES)


class FormulaError(ValueError):
    """What is wrong with a formula.

    Attributes:
        reason: A key of `SENTENCES`, stable, for translation.
        token: The piece of text at fault, cut to 40 characters, or "".
        position: Of its first character, counted from 1, or 0 if there is none.
        details: All values that the sentence names: token, position, limit, known, name, at.
    """

    def __init__(self, reason: str, token: str = "", position: int = 0, **details: Any) -> None:
        self.reason = reason
        self.token = token if len(token) <= 40 else token[:39] + "…"
        self.position = position
        self.details: dict[str, Any] = {"token": self.token, "position": position, **details}
        super().__init__(SENTENCES[reason].format(**self.details))


@dataclass(frozen=True)
class Formula:
    """A formula that has been read.

    Attributes:
        text: As typed.
        names: Variables it may use.
        code: Steps of a stack machine: ("number", value), ("name", text), ("call", text, count).
    """

    text: str
    names: tuple[str, ...]
    code: tuple[tuple[Any, ...], ...]

    @property
    def used(self) -> frozenset[str]:
        """Variables that occur in it."""
        return frozenset(step[1] for step in self.code if step[0] == "name")

    def __call__(self, **values: ArrayLike) -> Array:
        """Evaluate: `formula(t=times)`; see `evaluate`."""
        return evaluate(self, values)


# --- Reading --------------------------------------------------------------------------------------

_TOKEN = re.compile(
    r"\s*(?:(?P<number>(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?)"
    r"|(?P<name>[A-Za-z_][A-Za-z_0-9]*)|(?P<sign>\*\*|[-+*/^(),]))",
    re.ASCII,
)
_SAME = str.maketrans(
    {"−": "-", "–": "-", "×": "*", "·": "*", "⋅": "*", "÷": "/", "∗": "*", "⁄": "/"}
)


def parse(text: Any, names: tuple[str, ...] = ("t",)) -> Formula:
    """Read a formula.

    Args:
        text: At most 200 characters; full-width forms, ×, ·, ÷, π and raised digits are understood.
        names: Variables it may use.

    Raises:
        FormulaError: If it does not follow the grammar; the first fault is named with its place.

    Example:
        >>> parse("2t^2 + 1")(t=[0, 1, 2]).tolist()
        [1.0, 3.0, 9.0]
    """
    if not isinstance(text, str):
        raise FormulaError("not_text")
    if len(text) > MAX_LENGTH:
        raise FormulaError("too_long", limit=MAX_LENGTH)
    tokens = _tokens(text)
    if not tokens:
        raise FormulaError("empty")
    reader = _Reader(tokens, names, len(text) + 1)
    reader.expression(0)
    if reader.kind:
        raise FormulaError(
            "unopened" if reader.token == ")" else "unexpected", reader.token, reader.position
        )
    return Formula(text, names, tuple(reader.code))


def _tokens(text: str) -> list[tuple[str, str, int]]:
    """Split into (kind, token, position); position counts characters of the text as typed."""
    joined, places, was_raised = "", [], False
    for place, character in enumerate(text, 1):
        raised = unicodedata.decomposition(character).startswith("<super>")
        same = unicodedata.normalize("NFKC", character).translate(_SAME).replace("π", " pi ")
        same = f"^{same}" if raised and not was_raised else same
        joined += same
        places += [place] * len(same)
        was_raised = raised
    tokens, at = [], 0
    while joined[at:].strip():
        found = _TOKEN.match(joined, at)
        if not found:
            at += len(joined[at:]) - len(joined[at:].lstrip())
            raise FormulaError("unknown_character", joined[at], places[at])
        kind = str(found.lastgroup)
        token = found[kind]
        tokens.append((kind, "^" if token == "**" else token, places[found.start(kind)]))
        at = found.end()
    return tokens


class _Reader:
    """Recursive descent over tokens, writing the code of a stack machine."""

    def __init__(
        self, tokens: list[tuple[str, str, int]], names: tuple[str, ...], end: int
    ) -> None:
        self.tokens = [*tokens, ("", "", end)]
        self.names = names
        self.at = 0
        self.code: list[tuple[Any, ...]] = []

    @property
    def kind(self) -> str:
        return self.tokens[self.at][0]

    @property
    def token(self) -> str:
        return self.tokens[self.at][1]

    @property
    def position(self) -> int:
        return self.tokens[self.at][2]

    def expression(self, depth: int) -> None:
        if depth > MAX_DEPTH:
            raise FormulaError("too_deep", limit=MAX_DEPTH)
        self.term(depth)
        while self.token in ("+", "-"):
            sign = self._take()
            self.term(depth)
            self.code.append(("call", sign, 2))

    def term(self, depth: int) -> None:
        self.factor(depth)
        while self.token in ("*", "/") or self._multiplies():
            sign = "*" if self._multiplies() else self._take()
            self.factor(depth)
            self.code.append(("call", sign, 2))

    def _multiplies(self) -> bool:
        """Whether a number stands right before a name or a bracket."""
        return self.tokens[self.at - 1][0] == "number" and (
            self.kind == "name" or self.token == "("
        )

    def factor(self, depth: int) -> None:
        if depth > MAX_DEPTH:
            raise FormulaError("too_deep", limit=MAX_DEPTH)
        if self.token in ("+", "-"):
            sign = self._take()
            self.factor(depth + 1)
            if sign == "-":
                self.code.append(("call", "negative", 1))
            return
        self.value(depth)
        if self.token == "^":
            self._take()
            self.factor(depth + 1)
            self.code.append(("call", "^", 2))

    def value(self, depth: int) -> None:
        kind, token, position = self.tokens[self.at]
        if kind == "number":
            self._number()
        elif kind == "name" and token in FUNCTIONS:
            self._take()
            self._call(token, position, depth)
        elif kind == "name":
            self._name()
        elif token == "(":
            self._take()
            self.expression(depth + 1)
            self._close(position)
        else:
            raise FormulaError("missing_value", token, position)

    def _number(self) -> None:
        token, position = self.token, self.position
        value = float(token)
        if not math.isfinite(value):
            raise FormulaError("bad_number", token, position)
        self._take()
        self.code.append(("number", value))

    def _name(self) -> None:
        token = self.token
        if token in self.names:
            self.code.append(("name", token))
        elif token in CONSTANTS:
            self.code.append(("number", CONSTANTS[token]))
        else:
            known = ", ".join([*self.names, *CONSTANTS, *FUNCTIONS])
            raise FormulaError("unknown_name", token, self.position, known=known)
        self._take()

    def _call(self, name: str, position: int, depth: int) -> None:
        if self.token != "(":
            raise FormulaError("no_argument", name, position)
        opened, count, wanted = self.position, 1, ARGUMENTS.get(name, 1)
        self._take()
        if self.token == ")":
            raise FormulaError("no_argument", name, position)
        self.expression(depth + 1)
        while self.token == ",":
            self._take()
            self.expression(depth + 1)
            count += 1
        self._close(opened)
        if count != wanted:
            raise FormulaError("argument_count", name, position, limit=wanted)
        self.code.append(("call", name, count))

    def _close(self, opened: int) -> None:
        if self.token != ")":
            if self.kind:
                raise FormulaError("unexpected", self.token, self.position)
            raise FormulaError("unclosed", "(", opened)
        self._take()

    def _take(self) -> str:
        self.at += 1
        return self.tokens[self.at - 1][1]


# --- Evaluating -----------------------------------------------------------------------------------


def evaluate(formula: Formula, values: Mapping[str, ArrayLike]) -> Array:
    """Return the formula's values, float64 (n,), at those of its first variable.

    Args:
        formula: From `parse`.
        values: For each of its names real numbers, (n,), or one number.

    Raises:
        ValueError: If a variable is missing, or the shapes do not agree.
        FormulaError: If a value is not finite; the first such place is named.
    """
    missing = [name for name in formula.names if name not in values]
    if missing:
        raise ValueError(f"values must name {', '.join(formula.names)}, missing {missing[0]}")
    known = {name: np.asarray(values[name], np.float64) for name in formula.names}
    shape = np.broadcast_shapes(*(value.shape for value in known.values()))
    stack: list[Any] = []
    with np.errstate(all="ignore"):
        for kind, what, *count in formula.code:
            if kind == "call":
                arguments = stack[-count[0] :]
                del stack[-count[0] :]
                function = OPERATORS.get(what) or FUNCTIONS[what]
                stack.append(np.asarray(function(*arguments), np.float64))
            else:
                stack.append(known[what] if kind == "name" else np.float64(what))
    result = np.array(np.broadcast_to(stack.pop(), shape))
    bad = np.flatnonzero(~np.isfinite(result))
    if bad.size:
        name = formula.names[0] if formula.names else ""
        at = np.broadcast_to(known[name], shape).flat[bad[0]] if name else math.nan
        raise FormulaError("not_finite", position=0, name=name, at=float(at))
    return result
