"""What the views of the panel compare share: the first window of a text, axes of its tokens."""

from dataclasses import replace
from typing import Any

from demos.figures import axis
from demos.ner._common import mark, type_word
from demos.words import W, Word
from models import ner
from models.ner import Marked

MOST_NAME = 48  # characters of a span in a sentence


def first_window(text: str, types: str, head: str) -> tuple[Marked, list[Word]]:
    """Return a text read by a head, cut after its first window, and what has to be said of it.

    Raises:
        InputError: The weights are not there.
    """
    marked = mark(text, types, head)
    notes = [W("ner.note_cut", n=marked.n_cut, limit=ner.MOST_CHARACTERS)] if marked.n_cut else []
    if not marked.windows:
        return marked, [*notes, W("ner.note_empty")]
    first = marked.windows[0]
    if first.stop < len(marked.offsets):
        notes.append(W("ner.compare_note_first", n=first.stop, whole=len(marked.offsets)))
    alone = replace(first, low=0, high=2 * first.stop)
    return replace(marked, offsets=marked.offsets[: first.stop], windows=(alone,)), notes


def token_axis(title: Word, n: int, **more: Any) -> dict[str, Any]:
    """Return an axis of n tokens, to which traces give their names."""
    tick = {"size": 12 if n <= 40 else 10}
    edges = [-0.5, max(n, 1) - 0.5]
    return axis(title, type="category", range=edges, showgrid=False, tickfont=tick, **more)


def brief(text: str) -> Word:
    """Return a visitor's text, shortened, for a sentence."""
    return as_is(text if len(text) <= MOST_NAME else f"{text[: MOST_NAME - 1]}…")


def scale(middle: float) -> list[list[Any]]:
    """Return the colours of scores, white where a score is 0.

    Args:
        middle: Where 0 lies between the least and the greatest score, in [0, 1].
    """
    return [[0, "@blue/0.6"], [middle, "@paper"], [1, "@orange"]]


def as_is(text: str) -> Word:
    """Return a visitor's text for a sentence or a table, which are drawn as plain text."""
    seen = "".join(c if c.isprintable() else "·" for c in text)
    return W("frame.verbatim", text=seen)


def type_name(label: str) -> Word:
    """Return the name of a type for a sentence."""
    name = type_word(label)
    return name if isinstance(name, Word) else as_is(name)
