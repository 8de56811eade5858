"""What evaluation and teach share: annotated text read for a visitor, entities marked and still."""

import re
from collections.abc import Collection, Sequence

from demos.controls import Choice, InputError
from demos.ner._common import annotated, drawable, short_word
from demos.words import W, Word, literal
from models.span_formats import KINDS, FormatError, read
from models.spans import Entity

KIND = Choice(default="auto", options=("auto", *KINDS))
MOST_LISTED = 12  # entities in a line of text


def documents_of(field: Word, text: str, kind: str) -> list[tuple[str, list[Entity]]]:
    """Return the sentences of an annotated text.

    Raises:
        InputError: It is not of its format; the sentence names the line.
    """
    try:
        return read(text, kind)
    except FormatError as error:
        raise InputError(W("ner.format_problem", field=field, problem=format_word(error))) from None


def format_word(error: FormatError) -> Word:
    """Return what is wrong with an annotated text, in words."""
    return W(f"ner.format_{error.code}", **error.details)


def still(
    text: str,
    entities: Sequence[Entity],
    types: Sequence[str],
    marks: dict[Entity, str] | None = None,
) -> list[str | Word]:
    """Return a text with its entities in lanes where a click sets nothing; see ``annotated``."""
    parts = annotated(text, entities, types, marks=marks)
    return [
        re.sub(r' data-set="[^"]*"', ' tabindex="-1"', p) if isinstance(p, str) else p
        for p in parts
    ]


def compared(
    text: str, gold: Collection[Entity], found: Collection[Entity], types: Sequence[str]
) -> list[str | Word]:
    """Return a text with right, wrong and missed entities in lanes, the errors also in words."""
    right = [e for e in found if e in set(gold)]
    missed = sorted(set(gold) - set(found))
    wrong = sorted(set(found) - set(gold), key=lambda e: -(e.score or 0.0))
    marks = dict.fromkeys(right, "right") | dict.fromkeys(missed, "missed")
    marks |= dict.fromkeys(wrong, "wrong")
    lanes = still(text, drawable(marks), types, marks)
    told: list[str | Word] = ["<p><small>"]
    for key, group in (("ner.evaluation_missed", missed), ("ner.evaluation_wrong", wrong)):
        if group:
            told += [W(key, n=len(group), spans=listed(text, group)), " "]
    return [*lanes, *told, "</small></p>"]


def listed(text: str, entities: Sequence[Entity]) -> Word:
    """Return entities as a list in words: text and type, the first few."""
    named = [
        W(
            "ner.evaluation_span",
            text=literal(text[e.start : e.end + 1], 40),
            type=short_word(e.label),
        )
        for e in entities[:MOST_LISTED]
    ]
    return joined(named, cut=len(entities) > MOST_LISTED)


def joined(words: Sequence[Word | str], cut: bool = False) -> Word:
    """Return words as one list, with the comma of the language."""
    ends = [*words, *(["…"] if cut else [])]
    whole = W("frame.verbatim", text=ends[0]) if ends else W("frame.verbatim", text="–")
    for word in ends[1:]:
        whole = W("ner.evaluation_and", first=whole, second=word)
    return whole
