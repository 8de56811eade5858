"""Evaluate the recognisers of the tab NER on annotated text: counts, thresholds, their error.

    precision = right / found,  recall = right / gold,  F1 = 2 right / (gold + found)
with counts added over sentences. The standard error of F1 is that of the bootstrap over sentences:
sentences are drawn with replacement, as many as there are, and F1 is taken anew, many times.

Shapes: n_documents sentences; thresholds (n_thresholds,).
Convention: candidates are the spans that score above `FLOOR`; found are those above a threshold,
strictly. The CRF gives no scores of spans: what it finds does not depend on a threshold. Labels of
other people are read case-insensitively and by common names, see `to_type`.

Source: Efron and Tibshirani 1993, An Introduction to the Bootstrap (standard error); entities as
in `models.spans`.
"""

import math
import re
from collections import Counter, OrderedDict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cache, cached_property, lru_cache
from threading import Lock

import numpy as np
from numpy.typing import ArrayLike

from models import crf, ner
from models.checks import one_of
from models.span_formats import FormatError, read, write
from models.spans import Counts, Entity, Floats, Sweep

Document = tuple[str, tuple[Entity, ...]]

FLOOR = -6.0
BATCH = 12  # sentences evaluated between two states
MOST_KEPT = 12  # evaluations
TRIALS = 1000  # of the bootstrap
MODERN = "# modern"  # in English, the sentences after this line are not in the manner of novels

# --- Sentences ------------------------------------------------------------------------------------


@cache
def bundled(types: str) -> tuple[Document, ...]:
    """Return the sentences bundled for a set: nested (Chinese) or litbank (English).

    Raises:
        ValueError: There are none for that set.
    """
    one_of("types", types, ("nested", "litbank"))
    path = ner.FOLDER / f"{ner.language_of(types)}.txt"
    lines = path.read_text(encoding="utf-8").split("\n")
    kept = "\n".join(line for line in lines if not line.startswith("#"))
    return tuple((text, tuple(entities)) for text, entities in read(kept, "inline"))


@cache
def n_before_modern(types: str) -> int:
    """Return how many of the bundled sentences stand before the modern ones; all if none do."""
    path = ner.FOLDER / f"{ner.language_of(types)}.txt"
    lines = path.read_text(encoding="utf-8").split("\n")
    end = lines.index(MODERN) if MODERN in lines else len(lines)
    return sum(bool(line) and not line.startswith("#") for line in lines[:end])


# What people call a type, by our name for it; then which type of a set stands for it.
_NAMES = {
    "person": "per person people persons name psn nr human character 人 人名 人物 姓名 角色",
    "place": "loc location place geo ns 地点 地名 位置",
    "state": "gpe country city state norp 政区 国家 城市",
    "building": "fac facility building 设施 建筑",
    "group": "org organization organisation group nt 机构 组织 组织机构 团体",
    "company": "company corp corporation firm 公司 企业",
    "government": "government gov agency 政府",
    "time": "time date t datetime 时间 日期",
    "work": "work work_of_art title art 作品",
    "book": "book 书 书名",
    "film": "movie film 电影",
    "game": "game 游戏",
    "food": "food dish 食物 食品 菜",
    "event": "event evt 事件",
    "product": "product prod 产品",
    "medicine": "medicine drug med disease dis dru 药物 药品 疾病",
    "creature": "creature animal plant cre 生物 动物 植物",
    "vehicle": "veh vehicle ship 交通工具 车辆",
    "address": "address addr 地址",
    "position": "position job pos role 职位 职业 职务",
    "sight": "scene sight scenery 景点",
}
_MEANING = {name: meaning for meaning, names in _NAMES.items() for name in names.split()}
_TYPES = {
    "nested": {
        "Location": "place state building address sight",
        "Organization": "group company government",
        "Person": "person",
        "Time": "time",
        "Work": "work book film game",
        "Food": "food",
        "Event": "event",
        "Product": "product vehicle",
        "Medicine": "medicine",
        "Creature": "creature",
    },
    "cluener": {
        "address": "address place state",
        "book": "book work",
        "company": "company",
        "game": "game",
        "government": "government",
        "movie": "film",
        "name": "person",
        "organization": "group",
        "position": "position",
        "scene": "sight building",
    },
    "litbank": {
        "PER": "person",
        "LOC": "place",
        "FAC": "building",
        "GPE": "state",
        "ORG": "group company government",
        "VEH": "vehicle",
    },
}


def to_type(label: str, types: str) -> str | None:
    """Return which type of a set a label stands for: the same word, else a common name of it.

    Raises:
        ValueError: Unknown set.
    """
    one_of("types", types, tuple(ner.TYPES))
    plain = label.strip().lower()
    for name in ner.TYPES[types]:
        if name.lower() == plain:
            return name
    meaning = _MEANING.get(plain)
    return next((t for t, meanings in _TYPES[types].items() if meaning in meanings.split()), None)


@dataclass(frozen=True)
class Renamed:
    """Documents in the types of a set.

    Attributes:
        documents: Their entities renamed; those of unknown types left out.
        names: Which label was read as which type, where they differ.
        unknown: Entities left out, by label.
    """

    documents: tuple[Document, ...]
    names: dict[str, str]
    unknown: dict[str, int]


def renamed(documents: Sequence[tuple[str, Sequence[Entity]]], types: str) -> Renamed:
    """Return documents with every label in the types of a set."""
    labels = sorted({entity.label for _, entities in documents for entity in entities})
    known = {label: name for label in labels if (name := to_type(label, types))}
    unknown: Counter[str] = Counter()
    done = []
    for text, entities in documents:
        unknown.update(e.label for e in entities if e.label not in known)
        kept = {replace(e, label=known[e.label]) for e in entities if e.label in known}
        done.append((text, tuple(sorted(kept))))
    names = {label: name for label, name in known.items() if label != name}
    return Renamed(tuple(done), names, dict(sorted(unknown.items())))


# --- Evaluation -----------------------------------------------------------------------------------


@dataclass(frozen=True)
class Candidates:
    """Spans of one text that score above the floor, each once, highest score first.

    Attributes:
        starts: int64 (n,), first characters.
        ends: int64 (n,), last characters, inclusive.
        kinds: int64 (n,), indices of types.
        scores: float64 (n,); +inf for the CRF's.
        n_cut: Characters that were not read.
    """

    starts: Counts
    ends: Counts
    kinds: Counts
    scores: Floats
    n_cut: int

    def entities(self, types: Sequence[str], threshold: float) -> list[Entity]:
        """Return those above a threshold, sorted."""
        n = int(np.count_nonzero(self.scores > threshold))
        columns = (self.starts, self.ends, self.kinds, self.scores)
        rows = zip(*(column[:n].tolist() for column in columns), strict=True)
        return sorted(
            Entity(start, end, types[kind], None if math.isinf(score) else score)
            for start, end, kind, score in rows
        )


@dataclass(frozen=True)
class Evaluation:
    """What a head says of annotated sentences.

    Attributes:
        documents: The sentences evaluated, with gold in the set's types.
        types: Name of the set.
        head: One of `ner.HEADS`.
        candidates: Of each sentence.
    """

    documents: tuple[Document, ...]
    types: str
    head: str
    candidates: tuple[Candidates, ...]

    @property
    def gold(self) -> list[tuple[Entity, ...]]:
        """The true entities of each sentence."""
        return [entities for _, entities in self.documents]

    def found(self, threshold: float) -> list[list[Entity]]:
        """Return the entities found in each sentence."""
        return [c.entities(ner.TYPES[self.types], threshold) for c in self.candidates]

    def sweep(self, thresholds: ArrayLike) -> Sweep:
        """Count at every threshold, each at least the floor; faster than `spans.sweep` again.

        Raises:
            ValueError: A threshold is below the floor, or NaN.
        """
        at = np.asarray(thresholds, np.float64)
        if not (at >= FLOOR).all():
            raise ValueError(f"thresholds must be at least {FLOOR}")
        every, right = self._scores
        n_gold = sum(map(len, self.gold))
        return Sweep(at, n_gold, _n_above(every, at), _n_above(right, at))

    @cached_property
    def _scores(self) -> tuple[Floats, Floats]:
        """Scores of all candidates and of the right ones, rising."""
        every = [c.scores for c in self.candidates]
        right = [
            c.scores[np.isin(_keys(c.starts, c.ends, c.kinds), self._gold_keys(entities))]
            for c, entities in zip(self.candidates, self.gold, strict=True)
        ]
        return np.sort(np.concatenate(every)), np.sort(np.concatenate(right))

    def _gold_keys(self, entities: Sequence[Entity]) -> Counts:
        names = ner.TYPES[self.types]
        rows = [(e.start, e.end, names.index(e.label)) for e in entities]
        return _keys(*np.array(rows, np.int64).reshape(-1, 3).T)


def _keys(starts: Counts, ends: Counts, kinds: Counts) -> Counts:
    return (starts * 2 * ner.MOST_CHARACTERS + ends) * 256 + kinds


def _n_above(ordered: Floats, thresholds: Floats) -> Counts:
    return np.asarray(ordered.size - np.searchsorted(ordered, thresholds, "right"), np.int64)


_kept: OrderedDict[tuple[tuple[Document, ...], str, str], Evaluation] = OrderedDict()
_lock = Lock()


def kept(documents: tuple[Document, ...], types: str, head: str) -> Evaluation | None:
    """Return an evaluation made before, if it is still kept."""
    key = documents, types, head
    with _lock:
        if key in _kept:
            _kept.move_to_end(key)
        return _kept.get(key)


def evaluate(documents: tuple[Document, ...], types: str, head: str) -> Iterator[Evaluation]:
    """Yield the evaluation of the first sentences, then of more and more; the last has all.

    Args:
        documents: At least one, labels of the set.
        types: Name of a set.
        head: One of `ner.HEADS`.

    Raises:
        ValueError: Unknown set or head.
        HubError: The encoder cannot be had.
    """
    one_of("head", head, ner.HEADS)
    done: list[Candidates] = []
    for start in range(0, len(documents), BATCH):
        texts = [text for text, _ in documents[start : start + BATCH]]
        done += _crf(texts, types) if head == "crf" else _spans(texts, types, head)
        state = Evaluation(documents[: len(done)], types, head, tuple(done))
        if len(done) == len(documents):
            with _lock:
                _kept[documents, types, head] = state
                while len(_kept) > MOST_KEPT:
                    _kept.popitem(last=False)
        yield state


def _spans(texts: Sequence[str], types: str, head: str) -> list[Candidates]:
    names = ner.TYPES[types]
    made = []
    for marked in ner.mark_all(texts, types, head):
        found = marked.entities(FLOOR)
        rows = [(e.start, e.end, names.index(e.label)) for e in found]
        made.append(_candidates(rows, [e.score or 0.0 for e in found], marked.n_cut))
    return made


def _crf(texts: Sequence[str], types: str) -> list[Candidates]:
    names = ner.TYPES[types]
    tags = crf.tags(names)
    made = []
    for text in texts:
        tokens, emissions, transitions = ner.emissions(text, types)
        spans = []
        if len(emissions):
            path = crf.viterbi(emissions, transitions).path
            spans = crf.from_bio([tags[tag] for tag in path])
        at = tokens.offsets
        rows = [(at[s.start][0], at[s.end][1] - 1, names.index(s.label)) for s in spans]
        made.append(_candidates(rows, [math.inf] * len(rows), tokens.n_cut))
    return made


def _candidates(
    rows: Sequence[tuple[int, int, int]], scores: Sequence[float], n_cut: int
) -> Candidates:
    """Return candidates by falling score; of a span given twice the higher score counts."""
    values = np.array(scores, np.float64)
    starts, ends, kinds = np.array(rows, np.int64).reshape(-1, 3).T
    order = np.argsort(-values, kind="stable")
    _, first = np.unique(_keys(starts, ends, kinds)[order], return_index=True)
    order = order[np.sort(first)]
    return Candidates(starts[order], ends[order], kinds[order], values[order], n_cut)


# --- Numbers --------------------------------------------------------------------------------------


def counts(gold: Sequence[Sequence[Entity]], found: Sequence[Sequence[Entity]]) -> Counts:
    """Return gold, found, right of each sentence, int64 (n_documents, 3)."""
    rows = [
        (len(set(a)), len(set(b)), len(set(a) & set(b))) for a, b in zip(gold, found, strict=True)
    ]
    return np.array(rows, np.int64).reshape(-1, 3)


def recount(gold: Sequence[Sequence[Entity]], found: Sequence[Sequence[Entity]]) -> float:
    """Return F1 of the plain sets of (sentence, start, end, label); NaN if both are empty."""
    true, seen = (
        {(i, e.start, e.end, e.label) for i, entities in enumerate(side) for e in entities}
        for side in (gold, found)
    )
    return 2 * len(true & seen) / (len(true) + len(seen)) if true or seen else math.nan


@lru_cache(maxsize=8)
def resamples(n: int, n_trials: int = TRIALS, seed: int = 0) -> Floats:
    """Return how often each of n sentences is drawn in each bootstrap sample, (n_trials, n)."""
    rng = np.random.default_rng(seed)
    made = rng.multinomial(n, np.full(n, 1 / n), size=n_trials).astype(np.float64)
    made.flags.writeable = False
    return made


def f1_error(per_document: ArrayLike, draws: Floats) -> float:
    """Return the bootstrap's standard error of F1, over sentences.

    Args:
        per_document: Gold, found, right of each sentence, (n_documents, 3).
        draws: How often each is drawn, (n_trials, n_documents), from `resamples`.

    Returns:
        Standard deviation of F1 over the samples where it is defined; NaN if fewer than two.
    """
    gold, found, right = (draws @ np.asarray(per_document, np.float64)).T
    total = gold + found
    f1 = 2 * right[total > 0] / total[total > 0]
    return float(f1.std(ddof=1)) if f1.size > 1 else math.nan


def worst(
    gold: Sequence[Sequence[Entity]], found: Sequence[Sequence[Entity]], most: int
) -> list[int]:
    """Return the sentences with most errors (wrong and missed), the worst first."""
    errors = [len(set(a) ^ set(b)) for a, b in zip(gold, found, strict=True)]
    order = sorted(range(len(errors)), key=lambda i: (-errors[i], i))
    return [i for i in order[:most] if errors[i]]


# --- Export ---------------------------------------------------------------------------------------

_WIDE = re.compile("[\u3040-\u30ff\u3400-\u9fff\uf900-\ufaff\U00020000-\U000323af]")


@dataclass(frozen=True)
class Export:
    """Documents written in a format.

    Attributes:
        text: The file.
        problems: Why a sentence could not be written, each with its number; these are left out.
        overlap: The first overlap, if bio needed several columns of tags.
        n_beyond: Sentences left out for length.
    """

    text: str
    problems: tuple[FormatError, ...]
    overlap: FormatError | None
    n_beyond: int


def export(
    documents: Sequence[tuple[str, Sequence[Entity]]], kind: str, most: int = 60_000
) -> Export:
    """Write what can be written.

    For bio, words are parted from punctuation by blanks unless the text is Chinese or Japanese,
    and overlapping entities go to further columns.

    Args:
        documents: Texts with entities.
        kind: One of `span_formats.KINDS`.
        most: Characters written.
    """
    fit: list[tuple[str, list[Entity]]] = []
    problems = []
    size, overlap, n_beyond = 0, None, 0
    for number, (text, entities) in enumerate(documents, start=1):
        document = (text, list(entities))
        if kind == "bio":
            document = tokenized(document)
        try:
            written = write([document], kind, layered=True)
        except FormatError as error:
            problems.append(_at(error, number))
            continue
        size += len(written)
        if size > most:
            n_beyond = len(documents) - number + 1
            break
        fit.append(document)
        if kind == "bio" and overlap is None:
            overlap = _overlap(document, number)
    return Export(write(fit, kind, layered=True), tuple(problems), overlap, n_beyond)


def _overlap(document: tuple[str, list[Entity]], number: int) -> FormatError | None:
    try:
        write([document], "bio")
    except FormatError as error:
        return _at(error, number)
    return None


def _at(error: FormatError, number: int) -> FormatError:
    return FormatError(
        error.code, number, **{k: v for k, v in error.details.items() if k != "line"}
    )


def tokenized(document: tuple[str, list[Entity]]) -> tuple[str, list[Entity]]:
    """Return a text with one blank between words and marks, its entities moved along.

    A text with Chinese or Japanese characters is returned as it is: there characters are tokens.
    """
    text, entities = document
    if _WIDE.search(text) or re.search("[\t\r\n]", text):
        return document
    tokens = list(re.finditer(r"\w+|[^\w\s]", text))
    place: dict[int, int] = {}  # of a character in the new text
    at = 0
    for token in tokens:
        place |= {token.start() + k: at + k for k in range(len(token.group()))}
        at += len(token.group()) + 1
    moved = [
        replace(e, start=place[e.start], end=place[e.end])
        for e in entities
        if e.start in place and e.end in place
    ]
    return " ".join(token.group() for token in tokens), moved
