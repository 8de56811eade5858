"""What the panels of the NER tab share: controls, names of types, and entities over their text."""

import heapq
import json
import re
import unicodedata
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from html import escape
from typing import Any

from demos.controls import Choice, InputError, Real, Text, hub_problem
from demos.words import TEXT, W, Word, literal
from models import ner
from models.hub import HubError
from models.ner import Marked
from models.ner_examples import EXAMPLES
from models.spans import Entity, lanes

TYPES = Choice(default="auto", options=("auto", *ner.TYPES))
HEAD = Choice(default="egp", options=ner.SPAN_HEADS)
THRESHOLD = Real(default=0, low=-10, high=10, step=0.1)
CHOSEN = Text(default="", length=60, advanced=True)  # the lit span: "start-end-type" in characters

CODES = 10  # colours
CHARACTER_PX = {True: 17.0, False: 8.2}  # width of a character, wide or not
LABEL_PX = 6.4  # width of a character of a label
MOST_LABEL = 8  # characters of a label under the text
MOST_BARS = 400  # drawn under one text
MOST_PARTS = 3000  # characters under bars, counted once for each bar
NAME_PARTS = 6  # what a name adds to that


def text_control(example: str = "hospital") -> Text:
    """Return the field for a text to read."""
    return Text(default=EXAMPLES[example], length=ner.MOST_CHARACTERS, lines=4)


def types_of(text: str, types: str) -> str:
    """Return the set whose types are looked for: "auto" goes by the text's language."""
    return ner.SETS[ner.guess_language(text)][0] if types == "auto" else types


def mark(text: str, types: str, head: str) -> Marked:
    """Return a text with the scores of its spans.

    Raises:
        InputError: The encoder's weights are not there; the sentence says what to do.
    """
    try:
        return ner.mark(text, types_of(text, types), head)
    except HubError as error:
        raise weights_problem(error) from None


def weights_problem(error: HubError) -> InputError:
    """Return what to tell a visitor when the encoder of a language cannot be had."""
    return hub_problem(W("ner.types"), error)


def matrix_of(marked: Marked) -> Any:
    """Return the scores (m, n, n) of a text that fits into one window.

    Raises:
        InputError: It does not.
    """
    if len(marked.windows) > 1:
        raise InputError(
            W(
                "ner.error_long",
                field=W("ner.text"),
                limit=ner.MOST_PIECES,
                given=len(marked.offsets),
            )
        )
    return marked.matrix


def notes_of(marked: Marked) -> list[Word]:
    """Return what has to be said of how a text was read."""
    notes = []
    if marked.n_cut:
        notes.append(W("ner.note_cut", n=marked.n_cut, limit=ner.MOST_CHARACTERS))
    if len(marked.windows) > 1:
        notes.append(
            W("ner.note_windows", n=len(marked.windows), size=ner.MOST_PIECES, overlap=ner.OVERLAP)
        )
    return notes


def type_word(label: str) -> Word | str:
    """Return the name of a type, a visitor's own as it stands."""
    key = f"ner.type_{label}"
    return W(key) if key in TEXT["en"] else label


def short_word(label: str) -> Word | str:
    """Return the short name of a type, as it stands under a text."""
    key = f"ner.short_{label}"
    if key in TEXT["en"]:
        return W(key)
    return label if len(label) <= MOST_LABEL else f"{label[: MOST_LABEL - 1]}…"


def span_word(
    text: str, entity: Entity, length: int = 60, spell: Callable[[str], Word] = literal
) -> Word:
    """Return the text of a span, its end left out when it is long.

    Args:
        text: In which it lies.
        entity: The span.
        length: Most characters.
        spell: `literal`, or `verbatim` in a figure.
    """
    inside = text[entity.start : entity.end + 1]
    return spell(f"{inside[: length - 1]}…" if len(inside) > length else inside)


def safe(text: Word | str) -> Word | str:
    """Return a text fit for ``View.html``: Words are escaped there, plain texts here."""
    return text if isinstance(text, Word) else _plain(text)


def chosen_text(entity: Entity) -> str:
    """Return an entity as the control ``chosen`` holds it."""
    return f"{entity.start}-{entity.end}-{entity.label}"


def read_chosen(text: str, types: Sequence[str], n_characters: int) -> Entity | None:
    """Return the chosen span, or nothing when the text says none or one that is not there."""
    start, _, rest = text.partition("-")
    end, _, label = rest.partition("-")
    if not (start.isascii() and start.isdigit() and end.isascii() and end.isdigit()):
        return None
    if label not in types or not int(start) <= int(end) < n_characters:
        return None
    return Entity(int(start), int(end), label)


def score_of(marked: Marked, entity: Entity) -> float | None:
    """Return the score of any span, found or not; nothing if it does not end where pieces end."""
    cell = marked.cell(entity.start, entity.end)
    if cell is None or entity.label not in marked.types:
        return None
    for window in marked.windows:
        if window.low <= sum(cell) < window.high:
            first, last = cell[0] - window.start, cell[1] - window.start
            if 0 <= first <= last < len(window.scores[0]):
                return float(window.scores[marked.types.index(entity.label), first, last])
    return None


def lit(marked: Marked, chosen: str) -> Entity | None:
    """Return the chosen span with its score, or nothing when the text has no such span."""
    entity = read_chosen(chosen, marked.types, len(marked.text))
    score = None if entity is None else score_of(marked, entity)
    if entity is None or score is None:
        return None
    return Entity(entity.start, entity.end, entity.label, score)


# --- Entities over their text ---------------------------------------------------------------------

Placed = tuple[Entity, int]  # with its lane
_SURROGATE = re.compile("[\ud800-\udfff]")  # half a character: no JSON can carry it
_JOINER = "\u200d"
_LEFTWARDS = ("R", "AL")  # Hebrew, Arabic


def drawable(entities: Iterable[Entity]) -> list[Entity]:
    """Return the entities that are drawn, sorted: all, or of very many those with most score."""
    drawn: list[Entity] = []
    parts = 0
    for entity in heapq.nsmallest(MOST_BARS, entities, key=lambda e: (-(e.score or 0.0), e)):
        parts += entity.length + NAME_PARTS
        if drawn and parts > MOST_PARTS:
            break
        drawn.append(entity)
    return sorted(drawn, key=_outer_first)


def annotated(
    text: str,
    entities: Sequence[Entity],
    types: Sequence[str],
    chosen: Entity | None = None,
    marks: Mapping[Entity, str] | None = None,
) -> list[str | Word]:
    """Return a text with its entities as bars in lanes under it, none hidden, no text repeated.

    Nested, crossing and equal spans each get their own bar; a bar carries its type's short name,
    so colour is never needed. A click on a name sets ``chosen``, on the lit one unsets it. Copying
    gives the text alone.

    Args:
        text: Anything; it is escaped.
        entities: Within the text; of very many see `drawable`.
        types: Their colours are given out in this order.
        chosen: The lit entity.
        marks: Further classes of a bar: "right", "wrong", "missed".
    """
    order = sorted(entities, key=_outer_first)
    rows = lanes([_with_label(text, entity) for entity in order])
    style = _Style(types, chosen, marks or {})
    parts: list[str | Word] = ['<div class="ssp-lanes" translate="no" tabindex="0" role="group"']
    parts += [' aria-label="', W("ner.lanes_label"), '"><p dir="auto">']
    place = 0
    for start, stop, inside in _regions(list(zip(order, rows, strict=True))):
        parts.append(_plain(text[place:start]))
        parts += _region(text, start, stop, inside, style)
        place = stop
    return [*parts, _plain(text[place:]), "</p></div>"]


def _outer_first(entity: Entity) -> tuple[int, int, str]:
    return entity.start, -entity.end, entity.label


def _with_label(text: str, entity: Entity) -> Entity:
    """Return an entity long enough for its name, so that no name runs into the next."""
    word = short_word(entity.label)
    need = LABEL_PX * max(len(str(word)), 2) + 4
    end = entity.start
    room = _width(text[end])
    while (room < need or end < entity.end) and end + 1 < max(len(text), entity.end + 1):
        end += 1
        room += _width(text[end])
    return Entity(entity.start, max(end, entity.end), entity.label)


def _plain(text: str) -> str:
    """Return escaped text; the page would read §number§ as a word of its own."""
    return escape(_SURROGATE.sub("\ufffd", text)).replace("§", "&#167;")


def _width(character: str) -> float:
    return CHARACTER_PX["\u2e80" <= character]


def _regions(placed: Sequence[Placed]) -> list[tuple[int, int, list[Placed]]]:
    """Return the stretches [start, stop) of a text under which bars run without a gap."""
    found: list[tuple[int, int, list[Placed]]] = []
    for entity, lane in placed:
        if found and entity.start < found[-1][1]:
            start, stop, inside = found[-1]
            inside.append((entity, lane))
            found[-1] = (start, max(stop, entity.end + 1), inside)
        else:
            found.append((entity.start, entity.end + 1, [(entity, lane)]))
    return found


def _region(
    text: str, start: int, stop: int, inside: Sequence[Placed], style: "_Style"
) -> Iterator[str | Word]:
    """Yield one stretch of text with its bars: a unit for each piece that no bar begins in."""
    edges = {start, stop} | {e.start for e, _ in inside} | {e.end + 1 for e, _ in inside}
    waiting = list(reversed(inside))
    over: list[Placed] = []
    for a, b in _units(text, start, stop, edges):
        over = [(entity, lane) for entity, lane in over if entity.end >= a]
        while waiting and waiting[-1][0].start <= a:
            over.append(waiting.pop())
        depth = 1 + max(lane for _, lane in over)
        name = "u n" if text[a] == "\n" else "u"
        yield f'<span class="{name}" style="--n:{depth}">{_plain(text[a:b])}'
        for entity, lane in over:
            yield from style.bar(entity, lane, a == entity.start, b - 1 == entity.end)
        yield "</span>"


def _units(text: str, start: int, stop: int, edges: set[int]) -> Iterator[tuple[int, int]]:
    """Yield where a stretch may be broken into lines: between words, or wide characters."""
    begin = start
    for place in range(start + 1, stop):
        if place in edges or _parted(text[place - 1], text[place]):
            yield begin, place
            begin = place
    yield begin, stop


def _parted(before: str, here: str) -> bool:
    """Say whether a line may break between two characters, and no sign is torn apart by it."""
    if before == "\n" or here == "\n":
        return True
    if any(unicodedata.bidirectional(side) in _LEFTWARDS for side in (before, here)):
        return False  # words in boxes of their own would run the other way
    marks = unicodedata.category(here)[0] == "M" or "\U0001f3fb" <= here <= "\U0001f3ff"
    if marks or here == _JOINER or before == _JOINER:
        return False
    if "\U0001f1e6" <= before <= "\U0001f1ff":  # halves of a flag
        return not "\U0001f1e6" <= here <= "\U0001f1ff"
    return "\u2e80" <= before or "\u2e80" <= here or before.isspace() != here.isspace()


class _Style:
    """How bars look and what a click on their names does."""

    def __init__(
        self, types: Sequence[str], chosen: Entity | None, marks: Mapping[Entity, str]
    ) -> None:
        self.colors = {label: index % CODES for index, label in enumerate(types)}
        self.chosen, self.marks = chosen, marks

    def bar(self, entity: Entity, lane: int, begins: bool, ends: bool) -> Iterator[str | Word]:
        """Yield the part of a bar under one unit, with its name where the bar begins."""
        on = entity == self.chosen
        names = [f"k{self.colors.get(entity.label, 0)}", *["a"] * begins, *["z"] * ends]
        names += ["on"] * on + [mark for mark in [self.marks.get(entity)] if mark]
        yield f'<i class="{" ".join(names)}" style="--l:{lane}">'
        if begins:
            value = escape(json.dumps({"chosen": "" if on else chosen_text(entity)}), quote=True)
            score = "" if entity.score is None else f" · {entity.score:.2f}"
            yield f'<button type="button" aria-pressed="{str(on).lower()}" data-set="{value}"'
            yield ' title="'
            yield safe(type_word(entity.label))
            yield f'{score}">'
            yield safe(short_word(entity.label))
            yield "</button>"
        yield "</i>"
