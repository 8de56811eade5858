"""Recognisers of entities: from text to scores of all spans, by the heads trained for the tab NER.

For each language one encoder with a low-rank adapter and, for each annotated set it was trained on,
five heads: GlobalPointer and Efficient GlobalPointer, each with and without RoPE ("bare"), and a
BIO-CRF. A text of more than `MOST_PIECES` pieces is read in overlapping windows; a span is judged
by the window whose middle is nearest to its own.

Shapes: n pieces of the text (tokens without [CLS] and [SEP]); m types; D features; K = 2m + 1.
Characters are code points; an entity's start and end are characters, both inclusive.

Importing this module does not import torch; reading a text does.

Source: Su Jianlin 2021 and 2022, kexue.fm/archives/8373, 8877; see `models.global_pointer` for the
formulas and `training/ner.py` for how the weights were made.
"""

from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from models import encoder
from models.checks import one_of
from models.encoder import Encoder, Tokens
from models.spans import Entity, windows

if TYPE_CHECKING:
    from torch import Tensor, nn

Array = NDArray[np.float32]

FOLDER = Path(__file__).resolve().parents[1] / "assets" / "ner"
LANGUAGES = ("zh", "en")
SETS = {"zh": ("nested", "cluener"), "en": ("litbank",)}
SPAN_HEADS = ("egp", "gp", "egp_bare", "gp_bare")
HEADS = (*SPAN_HEADS, "crf")
TYPES = {
    "nested": (
        "Location",
        "Organization",
        "Person",
        "Time",
        "Work",
        "Food",
        "Event",
        "Product",
        "Medicine",
        "Creature",
    ),
    "cluener": (
        "address",
        "book",
        "company",
        "game",
        "government",
        "movie",
        "name",
        "organization",
        "position",
        "scene",
    ),
    "litbank": ("PER", "LOC", "FAC", "GPE", "ORG", "VEH"),
}
FACTS = "ner"
MOST_CHARACTERS = 2000
MOST_PIECES = 126  # of a window
OVERLAP = 48  # pieces two windows share; longer entities across an edge may be missed
MOST_KEPT = 96_000_000  # bytes of scores kept


@dataclass(frozen=True)
class Window:
    """Scores of the spans of one window.

    Attributes:
        start: First piece.
        stop: One past the last piece.
        low: Twice the middle of a span, start + end, from which on this window judges it.
        high: And up to which, exclusive.
        scores: (m, stop - start, stop - start) float32, -inf below the diagonal.
    """

    start: int
    stop: int
    low: int
    high: int
    scores: Array


@dataclass(frozen=True)
class Marked:
    """A text with the scores of its spans.

    Attributes:
        text: As given, cut to what was read.
        types: m names.
        offsets: [start, stop) in the text of each of the n pieces.
        windows: At least one, unless the text has no pieces.
        n_cut: Characters that were not read.
    """

    text: str
    types: tuple[str, ...]
    offsets: tuple[tuple[int, int], ...]
    windows: tuple[Window, ...]
    n_cut: int = 0

    @property
    def pieces(self) -> list[str]:
        """The n pieces as they stand in the text."""
        return [self.text[start:stop] for start, stop in self.offsets]

    @property
    def matrix(self) -> Array:
        """Scores (m, n, n) of a text read in one window.

        Raises:
            ValueError: If there were several windows.
        """
        if len(self.windows) > 1:
            raise ValueError(f"one window of at most {MOST_PIECES} pieces, got {len(self.offsets)}")
        if not self.windows:
            return np.empty((len(self.types), 0, 0), np.float32)
        return self.windows[0].scores

    def entities(self, threshold: float = 0.0) -> list[Entity]:
        """Return the entities whose score is above a threshold, outer ones before inner ones."""
        found = []
        for window in self.windows:
            kinds, first, last = np.nonzero(window.scores > threshold)
            middle = first + last + 2 * window.start
            mine = (middle >= window.low) & (middle < window.high)
            kinds, first, last = kinds[mine], first[mine], last[mine]
            scores = window.scores[kinds, first, last].tolist()
            for kind, i, j, score in zip(kinds, first, last, scores, strict=True):
                start = self.offsets[int(i) + window.start][0]
                stop = self.offsets[int(j) + window.start][1]
                found.append(Entity(start, stop - 1, self.types[kind], score))
        return sorted(found, key=lambda e: (e.start, -e.end, e.label))

    def cell(self, start: int, end: int) -> tuple[int, int] | None:
        """Return the first and last piece of the characters start..end, None across pieces."""
        first = self._starts.get(start)
        last = self._ends.get(end)
        return None if first is None or last is None else (first, last)

    @cached_property
    def _starts(self) -> dict[int, int]:
        return {start: piece for piece, (start, _) in enumerate(self.offsets)}

    @cached_property
    def _ends(self) -> dict[int, int]:
        return {stop - 1: piece for piece, (_, stop) in enumerate(self.offsets)}


class Reader:
    """The recogniser of one language.

    Args:
        language: "zh" or "en".
    """

    def __init__(self, language: str) -> None:
        from models import adapters, ner_heads, weights

        tensors, facts = weights.load(FOLDER / f"{language}.safetensors", FACTS)
        base = encoder.load(facts["encoder"])
        change = _below(tensors, "encoder.")
        self.language = language
        self.facts: dict[str, Any] = facts
        name = f"{base.name}+ner"
        self.encoder = Encoder(name, base.tokenizer, adapters.merge(base.network, change))
        self.heads: dict[tuple[str, str], nn.Module] = {}
        for name, types in facts["sets"].items():
            for kind in HEADS:
                head = ner_heads.make(kind, base.n_features, len(types))
                head.load_state_dict(_below(tensors, f"heads.{name}.{kind}."))
                self.heads[name, kind] = head.eval().requires_grad_(False)

    @cached_property
    def n_parameters(self) -> dict[tuple[str, str], int]:
        """Weights of each head, by set and kind."""
        return {key: sum(w.numel() for w in head.parameters()) for key, head in self.heads.items()}


def _below(tensors: "dict[str, Tensor]", prefix: str) -> "dict[str, Tensor]":
    return {n.removeprefix(prefix): v for n, v in tensors.items() if n.startswith(prefix)}


_readers: dict[str, Reader] = {}
_scores: OrderedDict[tuple[str, ...], Marked] = OrderedDict()
_lock = Lock()
_scores_lock = Lock()


def reader(language: str) -> Reader:
    """Return the recogniser of a language, the same object to everybody.

    Raises:
        ValueError: If the language is not one of `LANGUAGES`.
        HubError: Its encoder cannot be had; see `models.encoder.folder`.
    """
    one_of("language", language, LANGUAGES)
    with _lock:
        if language not in _readers:
            _readers[language] = Reader(language)
        return _readers[language]


def guess_language(text: str) -> str:
    """Return "zh" if a text has Chinese characters, else "en"."""
    return "zh" if any("\u3400" <= c <= "\u9fff" or c >= "\U00020000" for c in text) else "en"


def mark(text: str, types: str, head: str = "egp") -> Marked:
    """Return a text with the scores of all its spans; recent ones are kept.

    Args:
        text: Read up to `MOST_CHARACTERS`.
        types: Name of a set: nested and cluener (Chinese), litbank (English).
        head: One of `SPAN_HEADS`.

    Raises:
        ValueError: Unknown set or head.
        HubError: The encoder cannot be had.
    """
    one_of("head", head, SPAN_HEADS)
    key = (text, types, head)
    with _scores_lock:
        if key in _scores:
            _scores.move_to_end(key)
            return _scores[key]
    made = mark_with(reader(language_of(types)), text, types, head)
    with _scores_lock:
        _scores[key] = made
        while sum(w.scores.nbytes for one in _scores.values() for w in one.windows) > MOST_KEPT:
            _scores.popitem(last=False)
    return made


def mark_all(texts: Sequence[str], types: str, head: str = "egp") -> list[Marked]:
    """Return `mark` of several texts, their encoding done in batches."""
    one_of("head", head, SPAN_HEADS)
    source = reader(language_of(types))
    rows = [row for text in texts for row in _split(source.encoder, text)[1]]
    source.encoder.encode_rows(rows)  # kept there, so that what follows finds it
    return [mark(text, types, head) for text in texts]


def language_of(types: str) -> str:
    """Return the language of a set.

    Raises:
        ValueError: Unknown set.
    """
    one_of("types", types, tuple(TYPES))
    return next(language for language, sets in SETS.items() if types in sets)


def mark_with(source: Reader, text: str, types: str, head: str) -> Marked:
    """Return a text with the scores by a reader's head, nothing kept."""
    return mark_by(source, text, source.heads[types, head], TYPES[types])


def mark_by(source: Reader, text: str, head: "nn.Module", types: Sequence[str]) -> Marked:
    """Return a text with the scores by any span head on a reader's encoder.

    Args:
        source: Whose encoder.
        text: Read up to `MOST_CHARACTERS`.
        head: From h (1, n, D) and mask to scores (1, m, n, n).
        types: m names.
    """
    import torch

    tokens, rows, cuts = _split(source.encoder, text)
    made = []
    for (start, stop), part, (low, high) in zip(
        cuts, source.encoder.encode_rows(rows), _duties(cuts), strict=True
    ):
        h = torch.from_numpy(part.copy())[None]
        with torch.inference_mode():
            scores = head(h, torch.ones(1, len(part), dtype=torch.bool))[0].numpy()
        made.append(Window(start, stop, low, high, scores))
    kept = text[:MOST_CHARACTERS]
    return Marked(kept, tuple(types), tokens.offsets, tuple(made), len(text) - len(kept))


def hidden(text: str, language: str) -> tuple[Tokens, Array]:
    """Return a text's pieces and their hidden states (n, D) by a language's adapted encoder.

    A text of more than `MOST_PIECES` pieces is cut there.
    """
    source = reader(language).encoder
    tokens, rows, cuts = _split(source, text)
    if not rows:
        return Tokens(tokens.ids, ()), np.empty((0, source.n_features), np.float32)
    stop = cuts[0][1]
    n_cut = len(text) - tokens.offsets[stop - 1][1] if stop < len(tokens.offsets) else 0
    return Tokens((), tokens.offsets[:stop], n_cut), source.encode_rows(rows[:1])[0]


def emissions(text: str, types: str) -> tuple[Tokens, Array, Array]:
    """Return a text's pieces, the CRF's emissions (n, K) and its transitions (K, K)."""
    import torch

    source = reader(language_of(types))
    tokens, h = hidden(text, source.language)
    head: Any = source.heads[types, "crf"]
    with torch.inference_mode():
        made = head(torch.from_numpy(h.copy())[None], None)[0].numpy()
    return tokens, made, head.transitions.numpy()


def efficient_parts(text: str, types: str, head: str = "egp") -> tuple[Tokens, Array, Array, Array]:
    """Return a text's pieces and what Efficient GlobalPointer adds up.

    Returns:
        Pieces, shared (n, n) with the lower triangle left in, start (m, n), end (m, n).
    """
    import torch

    one_of("head", head, ("egp", "egp_bare"))
    source = reader(language_of(types))
    tokens, h = hidden(text, source.language)
    network: Any = source.heads[types, head]
    with torch.inference_mode():
        shared, start, end = network.parts(torch.from_numpy(h.copy())[None])
    return tokens, shared[0].numpy(), start[0].numpy(), end[0].numpy()


def _split(
    source: Encoder, text: str
) -> tuple[Tokens, list[tuple[int, ...]], list[tuple[int, int]]]:
    """Return the pieces of a text, the rows of its windows, and their pieces [start, stop)."""
    tokens = source.tokens(text[:MOST_CHARACTERS], limit=MOST_CHARACTERS)
    cuts = windows(len(tokens.offsets), MOST_PIECES, OVERLAP)
    first, *own, last = tokens.ids
    rows = [(first, *own[start:stop], last) for start, stop in cuts]
    return tokens, rows, cuts


def _duties(cuts: Sequence[tuple[int, int]]) -> list[tuple[int, int]]:
    """Return for each window the start + end of the spans it judges, [low, high).

    Two neighbours share what lies between them at the middle of their overlap.
    """
    edges = [0] if cuts else []
    edges += [left[1] + right[0] for left, right in zip(cuts, cuts[1:], strict=False)]
    edges.append(2 * cuts[-1][1] if cuts else 0)
    return list(zip(edges, edges[1:], strict=False))
