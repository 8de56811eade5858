"""Every word on screen: one table per language, with the same keys.

A key is ``<tab>.<element>`` (``frame.<element>`` for what all tabs share); the table of a tab lies
in ``demos/words/<language>/<tab>.py``. A ``Word`` is a key with its parameters: panels return Words,
and only the page, the API or a reader of a ``View`` decides on the language.
"""

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from html import escape
from importlib import import_module
from pathlib import Path
from typing import Any, Literal, get_args

Language = Literal["zh", "en"]
LANGUAGES: tuple[Language, ...] = get_args(Language)

_PARAMETER = re.compile(r"\{(\w+)\}")


def _table(lang: Language) -> dict[str, str]:
    """Return the words of one language by ``<file>.<key>``."""
    names = sorted(path.stem for path in (Path(__file__).parent / lang).glob("*.py"))
    return {
        f"{name}.{key}": word
        for name in names
        if name != "__init__"
        for key, word in import_module(f"demos.words.{lang}.{name}").WORDS.items()
    }


TEXT: dict[Language, dict[str, str]] = {lang: _table(lang) for lang in LANGUAGES}


@dataclass(frozen=True)
class Word:
    """A key of the word table with its parameters; parameters may be Words themselves."""

    key: str
    params: Mapping[str, Any] = field(default_factory=dict)

    def text(self, lang: Language = "en") -> str:
        """Return the sentence in one language.

        Raises:
            KeyError: The table of that language has no such key.
        """
        values = {name: spell(value, lang) for name, value in self.params.items()}
        # `{name}` without a parameter of that name stays: plotly's %{x} passes through.
        return _PARAMETER.sub(lambda m: values.get(m[1], m[0]), TEXT[lang][self.key])

    def __str__(self) -> str:
        return self.text()


def W(key: str, /, **params: Any) -> Word:  # noqa: N802
    """Return the Word for ``key``, e.g. ``W("rope.window_name", w=128)``.

    Raises:
        KeyError: No language has that key.
    """
    if key not in TEXT["en"]:
        raise KeyError(key)
    return Word(key, params)


def spell(value: Any, lang: Language = "en", digits: int = 5) -> str:
    """Return a value as it is shown: Words in the language, floats to ``digits`` significant."""
    if isinstance(value, Word):
        return value.text(lang)
    if hasattr(value, "item"):
        value = value.item()  # a NumPy scalar
    if isinstance(value, float) and 10_000 <= abs(value) < 1e9 and value.is_integer():
        value = int(value)
    if isinstance(value, int) and not isinstance(value, bool) and abs(value) >= 10_000:
        return f"{value:,}".replace(",", "\u202f")  # digits in threes, kept on one line
    if not isinstance(value, float):
        return str(value)
    if math.isnan(value):
        return "–"
    if math.isinf(value):
        return "∞" if value > 0 else "−∞"
    return f"{value:.{digits}g}"


def resolve(node: Any, lang: Language) -> Any:
    """Return nested dicts, lists and tuples with every Word replaced by its sentence."""
    if isinstance(node, Word):
        return node.text(lang)
    if isinstance(node, Mapping):
        return {key: resolve(child, lang) for key, child in node.items()}
    if isinstance(node, (list, tuple)):
        return [resolve(child, lang) for child in node]
    return node


def literal(text: str, length: int = 1000) -> Word:
    """Return a visitor's text for a reading, a note, a table or HTML: on one line, shortened."""
    return W("frame.verbatim", text=_shortened(text, length))


def verbatim(text: str, length: int = 10_000) -> Word:
    """Return a visitor's text for a figure: on one line, shortened, never read as markup."""
    return W("frame.verbatim", text=escape(_shortened(text, length), quote=False))


def _shortened(text: str, length: int) -> str:
    shown = _printable(text[: length + 1])
    return f"{shown[: length - 1]}…" if len(shown) > length else shown


def _printable(text: str) -> str:
    return "".join(c if c.isprintable() else "·" for c in text)


def quoted(value: Any, length: int = 60) -> str:
    """Return what a visitor gave, shortened and in quotes, for an error message."""
    shown = value if isinstance(value, str) else repr(value)
    shown = _printable(shown[: length + 1])
    return f"“{shown[:length]}…”" if len(shown) > length else f"“{shown}”"


def language(tag: str | None) -> Language:
    """Return the language for a browser's tag or a link's ``lang``: zh, zh-CN, zh-TW, zh-HK are zh."""
    return "zh" if (tag or "").strip().lower().startswith("zh") else "en"


__all__ = [
    "LANGUAGES",
    "TEXT",
    "Language",
    "W",
    "Word",
    "escape",
    "language",
    "literal",
    "quoted",
    "resolve",
    "spell",
    "verbatim",
]
