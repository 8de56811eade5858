"""Entities as spans of characters: relations, precision and recall, lanes, windows, flat subsets.

    precision = n_right / n_found,  recall = n_right / n_gold,  F1 = 2 n_right / (n_gold + n_found)
An entity is right if start, end and label all agree (micro average: counts are added over
documents before dividing). Two entities overlap if they share a character: one lies inside the
other, both have equal extent, or they cross.

Shapes: n characters in a text; thresholds (n_thresholds,).
Convention: positions are Python code points from 0 and end is INCLUSIVE, so an entity has
end - start + 1 characters and none is empty; windows are half-open (start, stop). Found means
score > threshold, strictly. What is undefined is None in a `Score` and NaN in an array.

Source: Su Jianlin, 2021, kexue.fm/archives/8373 (entities as pairs start, end; strict threshold).
Lanes: greedy colouring of interval graphs, Kleinberg and Tardos, Algorithm Design, 2005, 4.1.
"""

import heapq
import math
from bisect import bisect_left
from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import ArrayLike, NDArray

Floats = NDArray[np.float64]
Counts = NDArray[np.int64]


@dataclass(frozen=True, order=True)
class Entity:
    """A labelled span of characters; compared and hashed without its score.

    Attributes:
        start: First character, from 0.
        end: Last character, INCLUSIVE, at least start.
        label: Its type.
        score: What a model gave it, if any; takes no part in ==, < and hash.

    Raises:
        ValueError: If not 0 <= start <= end.
    """

    start: int
    end: int
    label: str
    score: float | None = field(default=None, compare=False)

    def __post_init__(self) -> None:
        if not 0 <= self.start <= self.end:
            raise ValueError(f"an entity needs 0 <= start <= end, got {self.start}, {self.end}")

    @property
    def length(self) -> int:
        """Characters it covers, at least 1."""
        return self.end - self.start + 1


Documents = Sequence[Collection[Entity]]


@dataclass(frozen=True)
class Score:
    """Counts of entities, and the three ratios; a ratio with denominator 0 is None."""

    n_gold: int
    n_found: int
    n_right: int

    @property
    def precision(self) -> float | None:
        """Share of the found that are right; None if none was found."""
        return self.n_right / self.n_found if self.n_found else None

    @property
    def recall(self) -> float | None:
        """Share of the gold that were found; None if there is no gold."""
        return self.n_right / self.n_gold if self.n_gold else None

    @property
    def f1(self) -> float | None:
        """2 n_right / (n_gold + n_found); None if nothing was to be found and nothing was."""
        total = self.n_gold + self.n_found
        return 2 * self.n_right / total if total else None


# --- How two entities lie to each other -----------------------------------------------------------


def relation(a: Entity, b: Entity) -> str:
    """Say how the extent of a lies to that of b, labels aside.

    Returns:
        "equal"; "inside" (a lies within b); "around" (a holds b); "crossing" (they share
        characters and each has some of its own); "apart" (no character in common).
    """
    if (a.start, a.end) == (b.start, b.end):
        return "equal"
    if a.end < b.start or b.end < a.start:
        return "apart"
    if b.start <= a.start and a.end <= b.end:
        return "inside"
    return "around" if a.start <= b.start and b.end <= a.end else "crossing"


def nested(entities: Iterable[Entity], others: Iterable[Entity] | None = None) -> set[Entity]:
    """Return the entities that lie inside or around a different one of others.

    Equal extent with another label counts; crossing does not.

    Args:
        entities: The entities asked about.
        others: Whom they are compared with; by default the entities themselves.
    """
    asked = set(entities)
    held = asked if others is None else set(others)
    kinds = ("inside", "around", "equal")
    return {a for a in asked if any(a != b and relation(a, b) in kinds for b in held)}


# --- Precision, recall, F1 ------------------------------------------------------------------------


def prf(gold: Documents, found: Documents) -> Score:
    """Compare found with gold entities, micro-averaged over documents.

    Args:
        gold: The true entities of each document; an entity given twice counts once.
        found: The found entities of the same documents, in the same order.

    Raises:
        ValueError: If the numbers of documents differ.
    """
    pairs = _pairs(gold, found)
    return Score(
        sum(len(true) for true, _ in pairs),
        sum(len(seen) for _, seen in pairs),
        sum(len(true & seen) for true, seen in pairs),
    )


def prf_by_label(gold: Documents, found: Documents) -> dict[str, Score]:
    """Return `prf` for each label of gold or found, labels sorted."""
    pairs = _pairs(gold, found)
    counts: dict[str, list[int]] = {}
    for true, seen in pairs:
        for column, group in enumerate((true, seen, true & seen)):
            for entity in group:
                counts.setdefault(entity.label, [0, 0, 0])[column] += 1
    return {label: Score(*counts[label]) for label in sorted(counts)}


def prf_nested(gold: Documents, found: Documents) -> Score:
    """Compare found with gold entities only where gold nests.

    Gold: the entities N that lie inside or around another gold entity (equal extent with another
    label included). Found: those that lie inside or around a member of N other than themselves.
    A found entity of that kind is right exactly if it belongs to N, so one count of right ones
    serves precision and recall. What was found beside flat gold entities takes no part.
    """
    pairs = [(nested(true), seen) for true, seen in _pairs(gold, found)]
    return prf([true for true, _ in pairs], [nested(seen, true) for true, seen in pairs])


@dataclass(frozen=True)
class Sweep:
    """Counts at each threshold.

    Attributes:
        thresholds: float64 (n_thresholds,), in the order given.
        n_gold: Gold entities, the same at every threshold.
        n_found: int64 (n_thresholds,), entities with score > threshold.
        n_right: int64 (n_thresholds,), the right ones among them.
    """

    thresholds: Floats
    n_gold: int
    n_found: Counts
    n_right: Counts

    @property
    def precision(self) -> Floats:
        """Array (n_thresholds,); NaN, a gap in a line chart, where nothing is found."""
        return _ratio(self.n_right, self.n_found)

    @property
    def recall(self) -> Floats:
        """Array (n_thresholds,); NaN throughout without gold."""
        return _ratio(self.n_right, np.full_like(self.n_found, self.n_gold))

    @property
    def f1(self) -> Floats:
        """Array (n_thresholds,); NaN where there is neither gold nor found."""
        return _ratio(2 * self.n_right, self.n_found + self.n_gold)

    @property
    def best(self) -> int | None:
        """Index of the greatest F1, the first of equals; None if F1 is nowhere defined."""
        f1 = self.f1
        return None if bool(np.isnan(f1).all()) else int(np.nanargmax(f1))

    def at(self, index: int) -> Score:
        """Return the counts at one threshold."""
        return Score(self.n_gold, int(self.n_found[index]), int(self.n_right[index]))


def sweep(gold: Documents, scored: Documents, thresholds: ArrayLike) -> Sweep:
    """Count found and right entities at every threshold, by sorting the scores once.

    Args:
        gold: The true entities of each document.
        scored: Candidates of the same documents, each with a score; of an entity given twice the
            higher score counts.
        thresholds: (n_thresholds,), in any order; infinite ones are legal.

    Raises:
        ValueError: If a score is missing or NaN, a threshold is NaN, or the documents differ in
            number.
    """
    at = np.asarray(thresholds, np.float64)
    if at.ndim != 1 or bool(np.isnan(at).any()):
        raise ValueError("thresholds must be a list of numbers, none of them NaN")
    every: list[float] = []
    right: list[float] = []
    n_gold = 0
    for true, candidates in zip(gold, scored, strict=True):
        n_gold += len(set(true))
        scores = _highest(candidates)
        every += scores.values()
        right += [score for entity, score in scores.items() if entity in set(true)]
    return Sweep(at, n_gold, _n_above(every, at), _n_above(right, at))


def _highest(candidates: Iterable[Entity]) -> dict[Entity, float]:
    scores: dict[Entity, float] = {}
    for entity in candidates:
        score = _score(entity)
        scores[entity] = max(score, scores.get(entity, -math.inf))
    return scores


def _score(entity: Entity) -> float:
    if entity.score is None or math.isnan(entity.score):
        raise ValueError(f"every candidate needs a score that is a number, got {entity}")
    return float(entity.score)


def _n_above(scores: list[float], thresholds: Floats) -> Counts:
    ordered = np.sort(np.array(scores, np.float64))
    return np.asarray(ordered.size - np.searchsorted(ordered, thresholds, "right"), np.int64)


def _ratio(above: Counts, below: Counts) -> Floats:
    ratio = np.full(below.shape, np.nan)
    np.divide(above, below, out=ratio, where=below > 0)
    return ratio


def _pairs(gold: Documents, found: Documents) -> list[tuple[set[Entity], set[Entity]]]:
    if len(gold) != len(found):
        raise ValueError(f"gold has {len(gold)} documents and found has {len(found)}")
    return [(set(true), set(seen)) for true, seen in zip(gold, found, strict=True)]


# --- Drawing --------------------------------------------------------------------------------------


def lanes(entities: Sequence[Entity]) -> list[int]:
    """Give each entity a lane, so that no two in one lane share a character.

    From left to right, of equal starts the longest first, each entity takes the lowest lane that
    is free. That needs exactly as many lanes as the greatest number of entities over one
    character, and no lane assignment can do with fewer.

    Args:
        entities: In any order, twins allowed (each gets its own lane).

    Returns:
        The lane of each, from 0, in the order given. The same set gives the same drawing, in
        whatever order it comes.
    """
    order = sorted(range(len(entities)), key=lambda i: _left_to_right(entities[i]))
    result = [0] * len(entities)
    free: list[int] = []  # heap of lanes given back
    busy: list[tuple[int, int]] = []  # heap of (end, lane)
    for index in order:
        entity = entities[index]
        while busy and busy[0][0] < entity.start:
            heapq.heappush(free, heapq.heappop(busy)[1])
        result[index] = heapq.heappop(free) if free else len(busy)
        heapq.heappush(busy, (entity.end, result[index]))
    return result


def depth(entities: Iterable[Entity], n: int) -> Counts:
    """Count the entities over each character.

    Args:
        entities: All with end < n.
        n: Characters of the text.

    Returns:
        int64 (n,).

    Raises:
        ValueError: If an entity reaches beyond the text.
    """
    steps = np.zeros(n + 1, np.int64)
    for entity in entities:
        if entity.end >= n:
            raise ValueError(f"every entity must end before n = {n}, got {entity}")
        steps[entity.start] += 1
        steps[entity.end + 1] -= 1
    return np.cumsum(steps)[:n]


def _left_to_right(entity: Entity) -> tuple[int, int, str]:
    return entity.start, -entity.end, entity.label


# --- Long texts -----------------------------------------------------------------------------------


def windows(n: int, size: int, overlap: int) -> list[tuple[int, int]]:
    """Cover n characters with windows of one size; neighbours share at least overlap characters.

    Args:
        n: Characters, at least 0.
        size: Of a window, at least 1.
        overlap: In [0, size).

    Returns:
        Half-open (start, stop), from left to right; none for n = 0. The last is moved left to end
        at n rather than cut short; only a text shorter than a window gives a shorter window.

    Raises:
        ValueError: If n, size or overlap is outside its domain.
    """
    if n < 0 or size < 1 or not 0 <= overlap < size:
        raise ValueError(
            f"windows need n >= 0, size >= 1, 0 <= overlap < size, got {n}, {size}, {overlap}"
        )
    if n == 0:
        return []
    last = max(n - size, 0)
    starts = [*range(0, last, size - overlap), last]
    return [(start, min(start + size, n)) for start in starts]


def owner(entity: Entity, parts: Sequence[tuple[int, int]]) -> int | None:
    """Return the window that answers for a span.

    Of the windows that hold the whole span, it is the one whose centre is nearest to the span's
    middle (the left one of two equally near): there the span has most context on both sides. For
    spans no longer than the overlap this is the nearest of all windows.

    Returns:
        Index into parts; None if no window holds the whole span.
    """
    middle = entity.start + entity.end + 1  # twice the middle, so that all stays whole numbers
    holding = [i for i, (a, b) in enumerate(parts) if a <= entity.start and entity.end < b]
    return min(holding, key=lambda i: abs(sum(parts[i]) - middle), default=None)


def stitch(found: Documents, parts: Sequence[tuple[int, int]]) -> list[Entity]:
    """Join what was found in overlapping windows: each window speaks for the spans it owns.

    A span that every window around it reports comes out once. A span that only a window which
    does not own it reports is dropped: the owner saw more context and did not find it. A span
    longer than the overlap may lie in no window as a whole, and a piece of it may come out.

    Args:
        found: For each window its entities, counted from the start of that window.
        parts: The windows, from `windows`.

    Returns:
        Entities counted from the start of the text, sorted.

    Raises:
        ValueError: If found and parts differ in number or an entity leaves its window.
    """
    if len(found) != len(parts):
        raise ValueError(f"found has {len(found)} windows and parts has {len(parts)}")
    kept: dict[Entity, Entity] = {}
    for index, (entities, (start, stop)) in enumerate(zip(found, parts, strict=True)):
        for entity in entities:
            moved = Entity(entity.start + start, entity.end + start, entity.label, entity.score)
            if moved.end >= stop:
                raise ValueError(f"{entity} leaves its window of {stop - start} characters")
            if owner(moved, parts) == index:
                kept[moved] = moved
    return sorted(kept)


# --- Flat subsets ---------------------------------------------------------------------------------


def flat_best(scored: Iterable[Entity]) -> list[Entity]:
    """Keep entities by falling score, each if it overlaps none kept before; return them sorted.

    Of equal scores the left, then the longer, goes first.

    Raises:
        ValueError: If a score is missing or NaN.
    """
    return _greedy(scored, lambda entity: (-_score(entity), *_left_to_right(entity)))


def longest_flat(entities: Iterable[Entity]) -> list[Entity]:
    """Keep entities by falling length, each if it overlaps none kept before: the outermost ones.

    This is how nested gold is usually made flat for a tagger. Sorted.
    """
    return _greedy(entities, lambda entity: (-entity.length, *_left_to_right(entity)))


def most_flat(entities: Iterable[Entity]) -> list[Entity]:
    """Return as many entities as can stand together without overlap, sorted.

    Earliest end first, which is optimal. Its share of the gold is the highest recall that one tag
    per character can reach.
    """
    return _greedy(entities, lambda entity: (entity.end, -entity.start, entity.label))


def _greedy(
    entities: Iterable[Entity], key: Callable[[Entity], tuple[float | str, ...]]
) -> list[Entity]:
    kept: list[Entity] = []  # disjoint, sorted by start
    for entity in sorted(entities, key=key):
        place = bisect_left(kept, entity.start, key=lambda other: other.start)
        before, after = kept[max(place - 1, 0) : place], kept[place : place + 1]
        if all(e.end < entity.start for e in before) and all(e.start > entity.end for e in after):
            kept.insert(place, entity)
    return kept
