"""View "bio" of the panel compare: whether a set of entities can be written as one tag a token."""

import re
from dataclasses import dataclass
from functools import cached_property
from itertools import combinations, pairwise

import numpy as np

from demos.controls import InputError
from demos.figures import Figure, axis, bars, figure, horizontal
from demos.ner._annotations import documents_of
from demos.ner._common import annotated, read_chosen
from demos.ner._compare_pieces import as_is, brief, token_axis
from demos.ner._plane import piece_names
from demos.view import Reading, View, at_least, equal, shown
from demos.words import W, Word
from models import crf, global_pointer
from models.ner import Marked
from models.spans import Entity, depth, longest_flat, most_flat, relation

MOST_LISTED = 12  # clashes in words
MOST_TOKENS = 400  # of a sentence
MOST_CELLS = 80  # tokens written out with their tags
UNIT = '<span style="display: inline-block; text-align: center; margin: 0 4px 6px 0">'
_TOKEN = re.compile(r"[\u2e80-\U0010ffff]|[^\W\u2e80-\U0010ffff]+|\s+|[^\w\s]")


def bio(gold: str, chosen: str) -> View:
    """Write annotated text in BIO, or name the tokens and entities that clash.

    Args:
        gold: One sentence with inline brackets, [text|type], nested as one likes.
        chosen: The lit span.
    """
    sentence = _Sentence(*_read(gold))
    lit = read_chosen(chosen, sentence.types, len(sentence.text))
    clashing = {e for clash in sentence.clashes for e in (clash.first, clash.second)}
    verdict = "clash" if sentence.clashes else "flat"
    words = {
        "n": len(sentence.entities),
        "clashes": len(sentence.clashes),
        "kept": len(most_flat(sentence.entities)),
    }
    return View(
        _picture(sentence),
        W(f"ner.compare_bio_caption_{verdict}", **words),
        _readings(sentence),
        {
            "compare_token": [as_is(word) for word in sentence.words],
            "compare_tag": [_wanted(sentence, i) for i in range(len(sentence.tokens))],
            "compare_n_tags": sentence.depth,
        },
        html=[
            '<p role="status"><strong>',
            W(f"ner.compare_bio_{verdict}"),
            "</strong></p>",
            *annotated(
                sentence.text,
                sentence.entities,
                sentence.types,
                lit,
                dict.fromkeys(clashing, "wrong"),
            ),
            *_named(sentence),
            *_tags(sentence),
        ],
        html_first=True,
    )


def check(gold: str) -> None:
    """Check an annotated sentence.

    Raises:
        InputError: It is not one; the sentence says where and why.
    """
    _read(gold)


def _read(gold: str) -> tuple[str, list[Entity]]:
    field = W("ner.compare_gold")
    if not gold.strip():
        return "", []
    documents = documents_of(field, gold, "inline")
    if len(documents) > 1:
        raise InputError(W("ner.compare_gold_one", field=field, n=len(documents)))
    text, entities = documents[0]
    return text, entities


@dataclass(frozen=True)
class _Sentence:
    """A text of n tokens with its entities, in characters and in tokens."""

    text: str
    entities: list[Entity]

    @cached_property
    def types(self) -> tuple[str, ...]:
        """The labels in use."""
        return tuple(sorted({e.label for e in self.entities}))

    @cached_property
    def tokens(self) -> list[tuple[int, int]]:
        """[start, stop): characters of wide scripts, words of others; cut where entities end."""
        starts = {e.start for e in self.entities}
        stops = {e.end + 1 for e in self.entities}
        begun = {match.start() for match in _TOKEN.finditer(self.text)}
        cuts = sorted({0, len(self.text)} | begun | starts | stops)
        return [
            (a, b)
            for a, b in pairwise(cuts)
            if self.text[a:b].strip() or a in starts or b in stops  # an entity may be of blanks
        ]

    @property
    def words(self) -> list[str]:
        """The tokens as they stand in the text."""
        return [self.text[a:b] for a, b in self.tokens]

    @cached_property
    def spans(self) -> dict[Entity, Entity]:
        """Each entity in tokens."""
        starts = {a: i for i, (a, _) in enumerate(self.tokens)}
        ends = {b - 1: i for i, (_, b) in enumerate(self.tokens)}
        return {e: Entity(starts[e.start], ends[e.end], e.label) for e in self.entities}

    @cached_property
    def clashes(self) -> list[crf.Clash]:
        """Pairs that share tokens, in characters."""
        return crf.clashes(self.entities)

    @cached_property
    def depth(self) -> "np.ndarray[tuple[int, ...], np.dtype[np.int64]]":
        """Entities over each token."""
        return depth(self.spans.values(), len(self.tokens))


def _wanted(sentence: _Sentence, token: int) -> str:
    """Return the tags that a token would need, in one text."""
    over = [s for s in sentence.spans.values() if s.start <= token <= s.end]
    tags = [f"{'B' if s.start == token else 'I'}-{s.label}" for s in over]
    return " | ".join(tags) or "O"


def _picture(sentence: _Sentence) -> Figure:
    count = sentence.depth
    top = max(2, int(count.max(initial=0)))
    colors = ["@red" if c > 1 else "@blue" for c in count.tolist()]
    names = piece_names(Marked(sentence.text, sentence.types, tuple(sentence.tokens), ()))
    trace = bars(
        names,
        count,
        "",
        hovertemplate=W("ner.compare_hover_depth"),
        marker={"color": colors, "pattern": {"shape": ["/" if c > 1 else "" for c in count]}},
    )
    return figure(
        trace,
        x=token_axis(W("ner.compare_axis_token"), len(names)),
        y=axis(W("ner.compare_axis_depth"), range=[0, top + 0.4], dtick=1 if top < 10 else 10),
        marks=[horizontal(1, W("ner.compare_mark_one"))],
        height=250,
    )


def _named(sentence: _Sentence) -> list[str | Word]:
    """Return the clashes in words, or the tags."""
    if not sentence.clashes:
        return []
    parts: list[str | Word] = ["<p>"]
    for clash in sentence.clashes[:MOST_LISTED]:
        first, second = (_entity(sentence, e) for e in (clash.first, clash.second))
        common = as_is(sentence.text[clash.tokens.start : clash.tokens.stop])
        parts += [W("ner.compare_clash", first=first, second=second, common=common), "<br>"]
    left = len(sentence.clashes) - MOST_LISTED
    if left > 0:
        parts += [W("ner.compare_clash_more", n=left), "<br>"]
    return [*parts[:-1], "</p>"]


def _tags(sentence: _Sentence) -> list[str | Word]:
    """Return each token over the tags it needs."""
    parts: list[str | Word] = ["<p>"]
    for i, word in list(enumerate(sentence.words))[:MOST_CELLS]:
        parts += [UNIT, as_is(word), "<br><small>", as_is(_wanted(sentence, i)), "</small></span> "]
    return [*parts, "</p>"]


def _entity(sentence: _Sentence, entity: Entity) -> Word:
    text = sentence.text[entity.start : entity.end + 1]
    return W("ner.compare_entity", text=brief(text), type=as_is(entity.label))


def _readings(sentence: _Sentence) -> list[Reading]:
    entities = sentence.entities
    pairs = sum(relation(a, b) != "apart" for a, b in combinations(entities, 2))
    most, longest = most_flat(entities), longest_flat(entities)
    return [
        equal(
            W("ner.compare_reading_clashes"),
            len(sentence.clashes),
            pairs,
            note=W("ner.compare_note_clashes"),
        ),
        *_round_trip(sentence),
        at_least(
            W("ner.compare_reading_most"),
            len(most),
            len(longest),
            note=W("ner.compare_note_most", most=len(most), whole=len(entities)),
        ),
        _by_matrix(sentence),
        shown(
            W("ner.compare_reading_tags"),
            2 * len(sentence.types) + 1,
            W("ner.compare_note_tags", m=len(sentence.types)),
        ),
    ]


def _round_trip(sentence: _Sentence) -> list[Reading]:
    """Return how many entities come back from BIO tags: all of a flat set, none lost unseen."""
    spans, n = sentence.spans, len(sentence.tokens)
    kept = most_flat(sentence.entities)
    tags = crf.to_bio([spans[e] for e in kept], n, sentence.types)
    back = set(crf.from_bio(tags))
    come = sum(spans[e] in back for e in sentence.entities)
    missing = len(sentence.entities) - come
    note = W("ner.compare_note_lost", n=missing) if missing else None
    return [equal(W("ner.compare_reading_bio"), come, len(sentence.entities), note=note)]


def _by_matrix(sentence: _Sentence) -> Reading:
    """Return how many entities come back from GlobalPointer's matrices of 0 and 1."""
    n, m = len(sentence.tokens), len(sentence.types)
    wanted = {(sentence.types.index(s.label), s.start, s.end) for s in sentence.spans.values()}
    if not m or n > MOST_TOKENS:
        note = W("ner.compare_note_matrix_long", most=MOST_TOKENS) if m else None
        return shown(W("ner.compare_reading_matrix"), None, note)
    cells = np.zeros((m, n, n), np.float32)
    for kind, start, end in wanted:
        cells[kind, start, end] = 1
    found = {(k, i, j) for k, i, j, _ in global_pointer.decode(cells).tolist()}
    right = len(found & wanted) - len(found - wanted)
    return equal(W("ner.compare_reading_matrix"), right, len(sentence.entities))
