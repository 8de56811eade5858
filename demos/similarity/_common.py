"""What the panels of the Similarity tab share: controls, encoders, fit sets, texts on screen."""

import hashlib
import math
from collections import OrderedDict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from threading import Lock

import numpy as np
from numpy.typing import NDArray

from demos.controls import (
    Choice,
    Control,
    InputError,
    Integer,
    Real,
    Text,
    Upload,
    file_problems,
    hub_problem,
)
from demos.view import Reading, at_least, equal
from demos.words import W, Word, literal
from models import flow, post_processing, sentences, whitening
from models.flow import Flow
from models.hub import HubError
from models.post_processing import FITTED, WAYS, WITH_K, Fitted, Way
from models.sentence_files import Pairs, Sentences, guess_language, read_pairs, read_sentences
from models.similarity import POOLINGS
from models.whitening import Moments

Vectors = NDArray[np.float32]

RAW = tuple(sentences.ENCODERS)
ADAPTED = tuple(f"{name}_{sentences.SHIPPED}" for name in sentences.ADAPTERS)
SHOWN = tuple(o for name in RAW for o in (name, f"{name}_simcse") if o in RAW + ADAPTED)
FITS = ("these", "corpus", "file")
FLOW = "flow"  # a way of the benchmark alone: it is trained, which takes a second or two
SIMCSE = "simcse"  # a way of the pictures alone: the same sentences under the encoder's adapter
FEW = 192  # sentences of the reference corpus that the first picture is fitted on
AT_ONCE = 128  # sentences encoded between two pictures
MOST_FITTED = 3000  # sentences of a visitor's file
MOST_PAIRS = 500  # of a visitor's file
MOST_WAYS = 24  # fitted ways kept
MOST_KNOWN = 32  # sets remembered as encoded
ROUNDING = 1e-6  # float32 vectors, all else in float64: far above what sums of 384 products lose

POOLING = Choice(default="P3", options=POOLINGS, radio=True)
WAY = Choice(default="whiten", options=(*WAYS, SIMCSE))
K = Integer(default=64, low=1, high=768)
N_REMOVED = Integer(default=3, low=0, high=32)
BETA = Real(default=1, low=-1, high=2, step=0.05)
GAMMA = Real(default=1, low=-1, high=2, step=0.05)
FIT = Choice(default="corpus", options=FITS, radio=True)
FIT_FILE = Upload(suffixes=(".txt", ".csv"))
HUB = Text(default="", length=96, advanced=True)
TRAINED = Text(default="", length=40, advanced=True)


def encoder_control() -> Choice:
    """Return the choice of an encoder: by the language of the sentences, or one by name."""
    return Choice(default="auto", options=("auto", *SHOWN))


def post_processing_controls() -> dict[str, Control]:
    """Return the controls of the way of post-processing and of what it is fitted on."""
    return {
        "way": WAY,
        "k": K,
        "n_removed": N_REMOVED,
        "beta": BETA,
        "gamma": GAMMA,
        "fit": FIT,
        "fit_file": FIT_FILE,
    }


# --- Where vectors come from ----------------------------------------------------------------------


@dataclass(frozen=True)
class Source:
    """An encoder with its pooling.

    Args:
        encoder: Key of `sentences.ENCODERS`, or an id of the Hub.
        pooling: P1 to P4.
        adapter: "", "simcse", or a visitor's token.
        language: Of the bundled sentences that go with it.
    """

    encoder: str
    pooling: str
    adapter: str
    language: str

    @property
    def name(self) -> Word:
        """Name of the encoder, its adapter included."""
        return encoder_word(self.encoder, self.adapter)

    @property
    def short(self) -> Word:
        """Short name of the encoder, its adapter included."""
        if self.encoder not in RAW:
            return literal(self.encoder, 24)
        name = W(f"similarity.short_{self.encoder}")
        return W("similarity.short_adapted", encoder=name) if self.adapter else name

    @property
    def poolings(self) -> tuple[str, ...]:
        """The poolings that the encoder has.

        Raises:
            InputError: The encoder is not there.
        """
        try:
            return sentences.poolings(self.encoder)
        except HubError as error:
            raise hub_problem(W("similarity.encoder"), error) from None

    def vectors(self, texts: Sequence[str]) -> Vectors:
        """Return the vectors of texts, (N, D).

        Raises:
            InputError: The encoder, the pooling or the adapter is not there.
        """
        if self.pooling not in self.poolings:
            have = ", ".join(self.poolings)
            raise InputError(
                W("similarity.error_pooling", field=W("similarity.pooling"), have=have)
            )
        try:
            if not sentences.has_adapter(self.encoder, self.adapter):
                raise gone()
            return sentences.vectors(texts, self.encoder, self.pooling, self.adapter)
        except HubError as error:
            raise hub_problem(W("similarity.encoder"), error) from None


def before_after(source: Source, way: str) -> tuple[Source, Source | None]:
    """Return what gives the vectors before and, where SimCSE is the way, what gives those after.

    That is the encoder without its adapter and with it, the shipped one unless it has another.

    Raises:
        InputError: There is no adapter for the encoder.
    """
    if way != SIMCSE:
        return source, None
    if not source.adapter and source.encoder not in sentences.ADAPTERS:
        have = (name for name in sentences.ADAPTERS if sentences.ENCODERS[name] == source.language)
        raise InputError(
            W(
                "similarity.error_no_adapter",
                field=W("similarity.encoder"),
                given=source.name,
                have=encoder_word(next(have, RAW[0])),
            )
        )
    return replace(source, adapter=""), replace(source, adapter=source.adapter or sentences.SHIPPED)


def gone() -> InputError:
    """Return what to tell a visitor whose trained weights are not kept any more."""
    return InputError(W("similarity.error_gone", field=W("similarity.trained")))


def encoder_word(encoder: str, adapter: str = "") -> Word:
    """Return the name of an encoder with an adapter; an id of the Hub as it stands."""
    if encoder not in RAW:
        return literal(encoder, 60)
    if adapter in ("", sentences.SHIPPED):
        return W(f"similarity.encoder_{'_'.join(filter(None, (encoder, adapter)))}")
    return W("similarity.encoder_trained", encoder=W(f"similarity.encoder_{encoder}"))


def source_of(
    option: str, pooling: str, texts: Sequence[str], hub: str = "", trained: str = ""
) -> Source:
    """Return the source that the controls name.

    Args:
        option: auto or one of `SHOWN`.
        pooling: P1 to P4.
        texts: Their language decides where the encoder is left open.
        hub: Id of an encoder on the Hub, which then counts.
        trained: A visitor's token, which counts before all else.

    Raises:
        InputError: The token is not known any more.
    """
    spoken = guess_language(texts)
    if trained.strip():
        found = sentences.TRAINED.get(trained.strip())
        if found is None:
            raise gone()
        language = sentences.ENCODERS.get(found.encoder, spoken)
        return Source(found.encoder, pooling, trained.strip(), language)
    if hub.strip():
        return Source(hub.strip(), pooling, "", spoken)
    if option == "auto":
        option = next(name for name in RAW if sentences.ENCODERS[name] == spoken)
    name = option.removesuffix(f"_{sentences.SHIPPED}")
    adapter = "" if option == name else sentences.SHIPPED
    return Source(name, pooling, adapter, sentences.ENCODERS[name])


# --- What a way is fitted on ----------------------------------------------------------------------


class Seen:
    """Moments of fit vectors, equal to any others of the same numbers, so that fits can be kept.

    Args:
        vectors: (N, d), N of at least 2.
    """

    def __init__(self, vectors: Vectors) -> None:
        self.moments: Moments = whitening.moments(vectors.astype(np.float64))
        given = np.ascontiguousarray(vectors)
        self.digest = (
            hashlib.blake2b(given.tobytes(), digest_size=16).digest() + repr(given.shape).encode()
        )

    def __hash__(self) -> int:
        return hash(self.digest)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Seen) and other.digest == self.digest


@dataclass(frozen=True, eq=False)
class FitSet:
    """What a way is fitted on.

    Args:
        kind: One of `FITS`.
        seen: Its moments.
        n_all: Of the whole set.
        vectors: Of those so far, (n, d).
    """

    kind: str
    seen: Seen
    n_all: int
    vectors: Vectors

    @property
    def n(self) -> int:
        """Number of its sentences so far."""
        return len(self.vectors)

    @property
    def d(self) -> int:
        """Dimensions of the vectors."""
        return int(self.vectors.shape[1])

    @property
    def name(self) -> Word:
        """What it is, in words."""
        return W(f"similarity.fitted_{self.kind}", n=self.n)

    def fitted(self, way: Way) -> Fitted:
        """Return a way fitted on the set.

        Raises:
            InputError: The vectors are all equal, so that there is nothing to scale.
        """
        found = self.tried(way)
        if found is None:
            raise InputError(W("similarity.error_equal", field=W("similarity.fit")))
        return found

    def flow(self, way: Way) -> Flow:
        """Return a flow on whitening to the way's k, fitted on the set.

        Raises:
            InputError: The vectors span too few directions.
        """
        try:
            return flow.fit(self.vectors, plain_way(way, self.d).k)
        except ValueError:
            raise InputError(W("similarity.error_equal", field=W("similarity.fit"))) from None

    def tried(self, way: Way) -> Fitted | None:
        """Return a way fitted on the set, or nothing where there is nothing to scale."""
        try:
            return _fitted(plain_way(way, self.d), self.seen)
        except ValueError:
            return None


@lru_cache(maxsize=MOST_WAYS)
def _fitted(way: Way, seen: Seen) -> Fitted:
    return post_processing.fit_moments(way, seen.moments)


def plain_way(way: Way, d: int) -> Way:
    """Return the same way with what it does not use at its start value, and k at most d."""
    start = Way()
    k = min(max(way.k, flow.FEWEST) if way.name == FLOW else way.k, d)
    return Way(
        way.name,
        k if way.name in (*WITH_K, FLOW) else start.k,
        way.n_removed if way.name == "top" else start.n_removed,
        *((way.beta, way.gamma) if way.name == "beta_gamma" else (start.beta, start.gamma)),
    )


@dataclass(frozen=True, eq=False)
class Stage:
    """What is known at one moment of long work.

    Args:
        own: Vectors of the sentences on screen, the first n of them.
        fit_set: What is fitted on so far.
        share: Part of the work that is done, in [0, 1].
    """

    own: Vectors
    fit_set: FitSet
    share: float


def stages(
    source: Source,
    texts: Sequence[str],
    fit: str,
    fit_file: str | None,
    needed: bool = True,
    first: int = FEW,
) -> Iterator[Stage]:
    """Yield vectors and what is fitted on: quickly a part, then more; at once what is known.

    Args:
        source: What encodes.
        texts: The sentences on screen.
        fit: One of `FITS`.
        fit_file: Path of the visitor's file.
        needed: Whether anything is fitted at all.
        first: How many of the texts the first stage needs at least.

    Raises:
        InputError: The file cannot be read, or holds fewer than 2 sentences.
    """
    own_steps = encoded(source, texts, first)
    if fit == "these" or not needed:
        for n, own in own_steps:
            fit_set = FitSet("these", Seen(own), len(texts), own)
            yield Stage(own, fit_set, n / len(texts))
        return
    others = fit_texts(source, fit, fit_file)
    total = len(texts) + len(others)
    n, own = next(own_steps)
    fit_steps = encoded(source, others, FEW)
    m, base = next(fit_steps)
    fit_set = FitSet(fit, Seen(base), len(others), base)
    yield Stage(own, fit_set, (n + m) / total)
    for n, own in own_steps:
        yield Stage(own, fit_set, (n + m) / total)
    for m, base in fit_steps:
        fit_set = FitSet(fit, Seen(base), len(others), base)
        yield Stage(own, fit_set, (n + m) / total)


def fit_texts(source: Source, fit: str, fit_file: str | None) -> Sequence[str]:
    """Return the sentences of the reference corpus or of the visitor's file.

    Raises:
        InputError: The file cannot be read, or holds fewer than 2 sentences.
    """
    if fit == "file":
        return file_sentences(W("similarity.fit_file"), fit_file, MOST_FITTED).texts
    return sentences.corpus(source.language)


_known: OrderedDict[tuple[str, str, tuple[str, ...]], None] = OrderedDict()
_lock = Lock()


def encoded(source: Source, texts: Sequence[str], first: int) -> Iterator[tuple[int, Vectors]]:
    """Yield how many of the texts are encoded and their vectors, growing; all at once if known."""
    key = (source.encoder, source.adapter, tuple(texts))
    with _lock:
        known = key in _known
    if not known:
        for n in range(min(first, len(texts)), len(texts), AT_ONCE):
            yield n, source.vectors(texts[:n])
    vectors = source.vectors(texts)
    with _lock:
        _known[key] = None
        _known.move_to_end(key)
        while len(_known) > MOST_KNOWN:
            _known.popitem(last=False)
    yield len(texts), vectors


def unused(way: str, *, hub: str = "", trained: str = "") -> frozenset[str]:
    """Return the controls without influence under a way and an encoder."""
    names = set()
    if way not in (*WITH_K, FLOW):
        names.add("k")
    if way != "top":
        names.add("n_removed")
    if way != "beta_gamma":
        names |= {"beta", "gamma"}
    if way not in (*FITTED, FLOW):
        names |= {"fit", "fit_file"}
    if trained.strip():
        names |= {"encoder", "hub"}
    elif hub.strip():
        names.add("encoder")
    return frozenset(names)


# --- Visitors' sentences --------------------------------------------------------------------------


def file_sentences(field: Word, path: str | None, most: int) -> Sentences:
    """Return the sentences of an uploaded file, at least 2.

    Raises:
        InputError: There is no file, it cannot be read, or it holds fewer.
    """
    if path is None:
        raise InputError(W("similarity.error_no_file", field=field))
    with file_problems(field):
        found = read_sentences(path, most)
    return enough(field, found)


def enough(field: Word, found: Sentences) -> Sentences:
    """Return sentences if there are at least 2.

    Raises:
        InputError: There are fewer.
    """
    if len(found.texts) < 2:
        raise InputError(W("similarity.error_few", field=field, given=len(found.texts)))
    return found


def file_pairs(field: Word, path: str | None) -> Pairs:
    """Return the scored pairs of an uploaded file, at least 3.

    Raises:
        InputError: There is no file, it cannot be read, or it holds fewer.
    """
    if path is None:
        raise InputError(W("similarity.error_no_file", field=field))
    with file_problems(field):
        found = read_pairs(path, MOST_PAIRS)
    if len(found.labels) < 3:
        raise InputError(W("similarity.error_few_pairs", field=field, given=len(found.labels)))
    return found


def bundled_pairs(what: str, language: str) -> Pairs:
    """Return our scored pairs, our traps or our questions in a language."""
    if what == "questions":
        rows = [(a, b, float(label)) for a, b, label in sentences.questions(language)]
    else:
        scored = sentences.traps if what == "traps" else sentences.pairs
        rows = [(a, b, score) for a, b, score, _ in scored(language)]
    first, second, labels = zip(*rows, strict=True)
    return Pairs(first, second, np.array(labels), len(rows))


def fair_order(n: int) -> NDArray[np.intp]:
    """Return an order of n rows whose every beginning is spread over all of them."""
    return np.argsort(np.arange(n) * 0.6180339887498949 % 1, kind="stable")  # golden ratio


def pair_notes(given: Pairs) -> list[Word]:
    """Return what has to be said of how pairs were read."""
    notes = []
    if given.n_all > len(given.labels):
        notes.append(W("similarity.note_pairs", n=len(given.labels), all=given.n_all))
    if given.n_shortened:
        notes.append(W("similarity.note_shortened", n=given.n_shortened))
    return notes


# --- On screen ------------------------------------------------------------------------------------


def way_word(way: Way, d: int) -> Word:
    """Return the name of a way with the numbers it uses."""
    plain = plain_way(way, d)
    return W(
        f"similarity.named_{way.name}",
        k=plain.k,
        n=min(plain.n_removed, d),
        beta=float(plain.beta),
        gamma=float(plain.gamma),
    )


def fit_notes(fit_set: FitSet, fitted: Fitted, told: bool = False) -> list[Word]:
    """Return what has to be said of a fit: part of the set, too few sentences, null directions.

    Args:
        fit_set: What was fitted on.
        fitted: What came out.
        told: Whether it is already said that there are too few.
    """
    notes = []
    if fit_set.n < fit_set.n_all:
        notes.append(W("similarity.note_part", n=fit_set.n, all=fit_set.n_all))
    found, way = fitted.map, fitted.way
    if found is not None and found.gamma >= 1 and found.saturation > 0.5 and not told:
        notes.append(W("similarity.note_saturated", k=found.n_kept, n=found.n_samples))
    if found is not None and found.n_dropped and not told:
        notes.append(W("similarity.note_dropped", n=found.n_dropped, k=found.n_kept))
    if way.name == "beta_gamma" and found is not None and found.is_unusual:
        notes.append(W("similarity.note_unusual"))
    return notes


def law_reading(fit_set: FitSet, fitted: Fitted) -> list[Reading]:
    """Return what whitening promises of the vectors it was fitted on: covariance I."""
    if fitted.way.name != "whiten" or fitted.map is None:
        return []
    spread = fitted.map.kernel.T @ fit_set.seen.moments.covariance @ fitted.map.kernel
    gap = float(np.abs(spread - np.eye(len(spread))).max())
    return [equal(W("similarity.reading_identity"), gap, 0, ROUNDING)]


def mean_readings(before: float, after: float, n: int) -> list[Reading]:
    """Return the mean cosines of n sentences with the least that n vectors can have."""
    least, note = -1 / (n - 1), W("similarity.note_least")
    return [
        at_least(W("similarity.reading_mean_before"), before, least, ROUNDING),
        at_least(W("similarity.reading_mean_after"), after, least, ROUNDING, note),
    ]


def text_notes(given: Sentences) -> list[Word]:
    """Return what has to be said of how sentences were read."""
    notes = []
    if given.n_all > len(given.texts):
        notes.append(W("similarity.note_first", n=len(given.texts), all=given.n_all))
    if given.n_shortened:
        notes.append(W("similarity.note_shortened", n=given.n_shortened))
    return notes


def hundred(value: float) -> float:
    """Return a correlation as the post prints it: times 100, two decimals."""
    return round(100 * value, 2) if math.isfinite(value) else math.nan
