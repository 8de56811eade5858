"""Panel: a text with all its entities, nested ones too, and what one tag a token would keep."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from demos.controls import Choice, Control, InputError, Text
from demos.figures import Figure, axis, dots, figure, line
from demos.ner._common import (
    CHOSEN,
    HEAD,
    THRESHOLD,
    TYPES,
    annotated,
    chosen_text,
    drawable,
    lit,
    mark,
    notes_of,
    span_word,
    text_control,
    type_word,
    weights_problem,
)
from demos.ner._plane import Cell, cell_at, plane
from demos.panel import Panel, Preset, Values
from demos.view import Reading, Table, View, at_most, equal, shown
from demos.words import W, Word, literal, verbatim
from models.crf import ClashError, clashes, from_bio, to_bio
from models.hub import HubError
from models.ner import MOST_CHARACTERS, Marked
from models.ner_examples import EXAMPLES
from models.spans import Entity, depth, flat_best, lanes, longest_flat, most_flat, relation

FLAT: Mapping[str, Callable[[Sequence[Entity]], Sequence[Entity]]] = {
    "all": list,
    "best": flat_best,
    "longest": longest_flat,
}
MOST_TEXT = 1000  # characters of a span in the table
LONG = "".join(EXAMPLES[key] for key in ("hospital", "museum", "institute")) * 10


def highlight_controls() -> dict[str, Control]:
    """Return the controls of ``highlight``."""
    return {
        "text": text_control(),
        "types": TYPES,
        "head": HEAD,
        "threshold": THRESHOLD,
        "flat": Choice(default="all", options=tuple(FLAT), radio=True),
        "chosen": CHOSEN,
        "taught": Text(default="", length=40, advanced=True),
    }


def highlight(
    text: str, types: str, head: str, threshold: float, flat: str, chosen: str, taught: str
) -> View:
    """Show a text with its entities, as bars under it and as cells of start against end.

    Args:
        text: Chinese or English, up to 2000 characters.
        types: Set of types, or auto: by the text's language.
        head: Which trained head scores the spans.
        threshold: Spans with a higher score count.
        flat: all, or those that one tag a token could keep: best (by score) or longest.
        chosen: Lit span, "start-end-type" in characters.
        taught: Token of types taught in the panel Teach; then types and head do not matter.
    """
    marked = _read(text, types, head, taught)
    found = marked.entities(threshold)
    drawn = drawable(found)
    one = lit(marked, chosen)
    kept = FLAT[flat](drawn)
    marks = {entity: "missed" for entity in drawn if entity not in set(kept)}
    seen = list(drawn)
    if one and one not in drawn:
        seen.append(one)
        marks |= {} if one in found else {one: "missed"}
    return View(
        _figure(marked, drawn, one, threshold),
        _caption(marked, found, one, threshold),
        [*_lit_reading(marked, one), *_readings(marked, found, drawn, kept, flat)],
        _table(marked, drawn, kept, flat),
        html=annotated(marked.text, seen, marked.types, one, marks),
        html_first=True,
        notes=_notes(marked, found, drawn, one, threshold),
        unused=frozenset({"types", "head"}) if taught else frozenset(),
    )


def _read(text: str, types: str, head: str, taught: str) -> Marked:
    """Return the text with its scores, by a trained head or by one a visitor taught.

    Raises:
        InputError: The weights are not there, or what was taught is no longer kept.
    """
    if not taught:
        return mark(text, types, head)
    from models import ner_teach

    found = ner_teach.kept(taught)
    if found is None:
        raise InputError(W("ner.highlight_gone", field=W("ner.highlight_taught")))
    try:
        return found.mark(text)
    except HubError as error:
        raise weights_problem(error) from None


# --- Pictures -------------------------------------------------------------------------------------


def _figure(
    marked: Marked, drawn: Sequence[Entity], one: Entity | None, threshold: float
) -> Figure:
    if len(marked.windows) > 1:
        return _dots(marked, drawn, one)
    cells = [cell for entity in drawn if (cell := marked.cell(entity.start, entity.end))]
    at = marked.cell(one.start, one.end) if one else None
    z = marked.matrix.max(axis=0)
    return plane(marked, z, threshold, at, sorted(set(cells)), height=min(430, 180 + 14 * len(z)))


def _dots(marked: Marked, drawn: Sequence[Entity], one: Entity | None) -> Figure:
    """Return the found spans as points; the matrices of the windows would not fit one picture."""
    traces = [line([0, len(marked.text)], [0, len(marked.text)], "", "@gray", dash="dot")]
    used = [label for label in marked.types if any(e.label == label for e in drawn)]
    symbols = ("circle", "square", "diamond", "cross", "triangle-up", "star", "x", "pentagon")
    colors = ("@blue", "@orange", "@green", "@purple", "@sky", "@olive", "@red", "@gray")
    for label in used:
        spans = [e for e in drawn if e.label == label]
        look = marked.types.index(label) % len(symbols)
        traces.append(
            dots(
                [e.end for e in spans],
                [e.start for e in spans],
                _name(label, verbatim),
                colors[look],
                size=7,
                symbol=symbols[look],
                text=[span_word(marked.text, e, 24, verbatim) for e in spans],
                hovertemplate=W("ner.hover_dot"),
            )
        )
    if one:
        ring = {"color": "@ink", "size": 16, "symbol": "circle-open", "line": {"width": 3}}
        name = W("ner.chosen")
        traces.append(dots([one.end], [one.start], name, marker=ring, hoverinfo="skip"))
    edges = [-0.02 * len(marked.text), 1.02 * len(marked.text)]
    return figure(
        *traces,
        x=axis(W("ner.axis_end_character"), range=edges),
        y=axis(W("ner.axis_start_character"), range=edges[::-1]),
        height=430,
    )


def _name(label: str, spell: Callable[[str], Word] = literal) -> Word:
    """Return the name of a type; a visitor's own as `literal` or, in a figure, `verbatim`."""
    name = type_word(label)
    return name if isinstance(name, Word) else spell(name)


def _caption(marked: Marked, found: Sequence[Entity], one: Entity | None, threshold: float) -> Word:
    if one is None:
        key = "caption_long" if len(marked.windows) > 1 else "caption"
        return W(f"ner.highlight_{key}", n=len(found), threshold=float(threshold))
    return W(
        "ner.highlight_caption_lit",
        span=span_word(marked.text, one),
        type=_name(one.label),
        score=f"{one.score:.2f}",
        threshold=float(threshold),
    )


def _notes(
    marked: Marked,
    found: Sequence[Entity],
    drawn: Sequence[Entity],
    one: Entity | None,
    threshold: float,
) -> list[Word]:
    notes = notes_of(marked)
    if not marked.offsets:
        notes.append(W("ner.note_empty"))
    if len(drawn) < len(found):
        notes.append(W("ner.note_drawn", n=len(found), drawn=len(drawn)))
    if one and one not in found:
        notes.append(
            W("ner.note_below", span=span_word(marked.text, one), threshold=float(threshold))
        )
    return notes


# --- Numbers --------------------------------------------------------------------------------------


def _lit_reading(marked: Marked, one: Entity | None) -> list[Reading]:
    if one is None or one.score is None:
        return []
    named = W("ner.reading_lit", span=span_word(marked.text, one, 40), type=_name(one.label))
    return [shown(named, float(one.score))]


def _readings(
    marked: Marked,
    found: Sequence[Entity],
    drawn: Sequence[Entity],
    kept: Sequence[Entity],
    flat: str,
) -> list[Reading]:
    cells = sum(int(np.isfinite(window.scores).sum()) for window in marked.windows)
    sizes = [window.stop - window.start for window in marked.windows]
    judged = len(marked.types) * sum(n * (n + 1) // 2 for n in sizes)
    several = W("ner.highlight_note_windows") if len(sizes) > 1 else None
    pairs = clashes(drawn)
    kinds = [relation(pair.first, pair.second) for pair in pairs]
    counts = {
        "nested": kinds.count("around") + kinds.count("inside"),
        "equal": kinds.count("equal"),
        "crossing": kinds.count("crossing"),
    }
    deepest = int(depth(drawn, len(marked.text)).max()) if drawn else 0
    rule = "best" if flat == "all" else flat
    flat_kept = flat_best(drawn) if flat == "all" else kept
    return [
        equal(W("ner.highlight_reading_cells", m=len(marked.types)), cells, judged, note=several),
        shown(W("ner.highlight_reading_found"), len(found)),
        shown(W("ner.highlight_reading_pairs"), W("ner.highlight_pairs", **counts)),
        equal(
            W("ner.highlight_reading_lanes"),
            max(lanes(drawn), default=-1) + 1,
            deepest,
            note=W("ner.highlight_note_lanes"),
        ),
        at_most(
            W(f"ner.highlight_reading_flat_{rule}"),
            len(flat_kept),
            len(most_flat(drawn)),
            note=W("ner.highlight_note_flat", n=len(drawn)),
        ),
        _bio_reading(marked, drawn),
    ]


def _bio_reading(marked: Marked, drawn: Sequence[Entity]) -> Reading:
    """Return how many spans come back from one tag a character, or which two clash first."""
    try:
        tags = to_bio(drawn, len(marked.text), marked.types)
    except ClashError as error:
        pair = error.clashes[0]
        shared = Entity(pair.tokens.start, pair.tokens.stop - 1, "")
        told = W(
            "ner.highlight_clash",
            first=span_word(marked.text, pair.first, 24),
            second=span_word(marked.text, pair.second, 24),
            shared=span_word(marked.text, shared, 24),
            n=len(error.clashes),
        )
        return shown(W("ner.highlight_reading_bio"), W("ner.highlight_bio_no"), told)
    back = len(set(from_bio(tags)) & set(drawn))
    return equal(W("ner.highlight_reading_bio"), back, len(drawn))


def _table(marked: Marked, drawn: Sequence[Entity], kept: Sequence[Entity], flat: str) -> Table:
    table: dict[str, Any] = {
        "span_start": [entity.start for entity in drawn],
        "span_end": [entity.end for entity in drawn],
        "span_text": [span_word(marked.text, entity, MOST_TEXT) for entity in drawn],
        "span_type": [_name(entity.label) for entity in drawn],
        "span_score": [float(entity.score or 0) for entity in drawn],
    }
    if flat != "all":
        left = set(kept)
        table["span_kept"] = [int(entity in left) for entity in drawn]
    return table


# --- Clicks ---------------------------------------------------------------------------------------


def _pick(values: Values, point: Mapping[str, Any]) -> dict[str, Any]:
    """Return the span of a clicked cell or point, of its best type; the lit one is put out."""
    marked = _read(values["text"], values["types"], values["head"], values["taught"])
    picked = _of_cell(marked, cell_at(marked, point))
    if len(marked.windows) > 1:
        place = (point.get("y"), point.get("x"))
        at = [e for e in marked.entities(values["threshold"]) if (e.start, e.end) == place]
        picked = max(at, key=lambda e: e.score or 0.0, default=None)
    if picked is None:
        return {}
    chosen = chosen_text(picked)
    return {"chosen": "" if chosen == values["chosen"] else chosen}


def _of_cell(marked: Marked, cell: Cell | None) -> Entity | None:
    if cell is None or cell[0] > cell[1] or len(marked.windows) > 1:
        return None
    start, end = marked.offsets[cell[0]][0], marked.offsets[cell[1]][1] - 1
    scores = marked.matrix[:, cell[0], cell[1]]
    return Entity(start, end, marked.types[int(scores.argmax())])


PANEL = Panel(
    highlight,
    highlight_controls,
    (
        Preset("king", {"text": EXAMPLES["king"]}),
        Preset("flat", {"flat": "longest"}),
        Preset("weather", {"text": EXAMPLES["weather"]}),
        Preset("low", {"threshold": -4.0}),
        Preset("long", {"text": LONG[:MOST_CHARACTERS]}),
    ),
    _pick,
)
