"""Sentence vectors by an encoder, a pooling and an adapter; our sentences to compare.

One pass through the network gives all poolings of a text (see `models.similarity.pool`): h_1 and
h_L are enough for them. A vector is kept for its text, so that looking at the same sentences under
another pooling or post-processing costs nothing.

An adapter is what training by SimCSE changed in an encoder: the shipped one, or one that a visitor
trained and that is known by its token for a while (`models.visitors`).

Shapes: N texts, D features of the encoder (D' of its pooler), M sentences of the corpus. Vectors
are float32 (N, D). Convention: pairs are scored 0..5, questions are labelled 0 or 1.

Importing this module does not import torch; asking for vectors does.

Source: Su Jianlin, 2021, kexue.fm/archives/8348. Sentences: ours, see assets/similarity/README.md.
"""

import csv
from collections import OrderedDict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from models import encoder as encoders
from models.checks import one_of
from models.encoder import KNOWN, Encoder
from models.similarity import POOLINGS, pool
from models.visitors import Kept

if TYPE_CHECKING:
    from torch import Tensor

Array = NDArray[np.float32]

FOLDER = Path(__file__).resolve().parents[1] / "assets" / "similarity"
LANGUAGES = ("zh", "en")
TRAPS = ("word_order", "negation", "number", "entity")  # alike in words, not in meaning
ORDER = ("simbert_3", "roformer", "simbert", "minilm_3", "minilm")
ENCODERS = {name: KNOWN[name].language for name in ORDER if name in KNOWN}
ADAPTERS = {
    name: f"assets/similarity/{name}_simcse.safetensors"
    for name in KNOWN
    if (FOLDER / f"{name}_simcse.safetensors").is_file()
}
SHIPPED = "simcse"  # the adapter of `ADAPTERS`
FACTS = "simcse"  # entry of its file
MOST_VECTORS = 12_000  # texts kept, over all encoders, a vector for each pooling
MOST_MERGED = 4  # networks with an adapter in them kept


@dataclass(frozen=True)
class Trained:
    """What a visitor trained.

    Attributes:
        encoder: Whose adapter it is.
        adapter: As `models.adapters.extract` returns it.
    """

    encoder: str
    adapter: "Mapping[str, Tensor]"


TRAINED: Kept[Trained] = Kept()

Key = tuple[str, str, str]  # encoder, adapter, text
_vectors: OrderedDict[Key, dict[str, Array]] = OrderedDict()
_merged: OrderedDict[tuple[str, str], Encoder] = OrderedDict()
_lock, _merging = Lock(), Lock()


# --- Vectors --------------------------------------------------------------------------------------


def vectors(
    texts: Sequence[str], encoder: str, pooling: str = "P1", adapter: str = ""
) -> NDArray[np.float32]:
    """Return the vectors of texts, (N, D); equal texts have equal vectors.

    Args:
        texts: N of them.
        encoder: Key of `models.encoder.KNOWN`, or the id of an encoder on the Hub.
        pooling: One of `poolings(encoder)`.
        adapter: "" for the raw encoder, "simcse" for the shipped adapter, or a visitor's token.

    Raises:
        ValueError: If an argument is outside its domain or the adapter is not there (any more).
        HubError: The encoder cannot be had; it is a ValueError too.
    """
    source = with_adapter(encoder, adapter)
    one_of("pooling", pooling, poolings_of(source))
    with _lock:
        found = {text: _vectors.get((encoder, adapter, text)) for text in texts}
    missing = [text for text, kept in found.items() if kept is None]
    fresh = dict(zip(missing, pooled(source, missing), strict=True))
    kept = {text: fresh[text] if one is None else one for text, one in found.items()}
    _keep((encoder, adapter, text, one) for text, one in kept.items())
    if not kept:
        return np.empty((0, source.n_features), np.float32)
    return np.stack([kept[text][pooling] for text in texts])


def poolings(encoder: str) -> tuple[str, ...]:
    """Return the poolings an encoder has: P2 only where its weights came with a pooler.

    Raises:
        HubError: The encoder cannot be had.
    """
    return poolings_of(encoders.load(encoder))


def corpus_vectors(
    encoder: str, pooling: str = "P1", adapter: str = "", *, most: int | None = None
) -> NDArray[np.float32]:
    """Return the vectors of the corpus in the encoder's language, (M, D).

    The first call takes seconds; `vectors` of some of its lines at a time lets progress be shown.

    Args:
        encoder: Key of `models.encoder.KNOWN`.
        pooling: One of `poolings(encoder)`.
        adapter: As for `vectors`.
        most: Only the first so many sentences; they are shuffled.

    Raises:
        ValueError: If an argument is outside its domain or the adapter is not there (any more).
    """
    language = KNOWN[one_of("encoder", encoder, tuple(KNOWN))].language
    return vectors(corpus(language)[:most], encoder, pooling, adapter)


def with_adapter(encoder: str, adapter: str = "") -> Encoder:
    """Return an encoder, raw or with an adapter in it; the raw one stays as it is.

    Raises:
        ValueError: If the encoder has no adapter of that name (any more).
        HubError: The encoder cannot be had.
    """
    if not adapter:
        return encoders.load(encoder)
    if not has_adapter(encoder, adapter):
        raise ValueError(f"adapter must be one that {encoder} has at present, got {adapter!r:.40}")
    with _merging:
        if (encoder, adapter) not in _merged:
            _merged[encoder, adapter] = _merge(encoder, adapter)
        _merged.move_to_end((encoder, adapter))
        while len(_merged) > MOST_MERGED:
            _merged.popitem(last=False)
        return _merged[encoder, adapter]


def has_adapter(encoder: str, adapter: str) -> bool:
    """Return whether an encoder has an adapter of that name at present; "" counts as one."""
    if adapter in ("", SHIPPED):
        return not adapter or encoder in ADAPTERS
    trained = TRAINED.get(adapter)
    return trained is not None and trained.encoder == encoder


def _merge(encoder: str, adapter: str) -> Encoder:
    from models import adapters, weights

    base = encoders.load(encoder)
    if adapter == SHIPPED:
        change, _ = weights.load(FOLDER / Path(ADAPTERS[encoder]).name, FACTS)
    else:
        trained = TRAINED.get(adapter)
        if trained is None:
            raise ValueError(f"adapter must be one that {encoder} has at present, got a late one")
        change = dict(trained.adapter)
    network = adapters.merge(base.network, change)
    return Encoder(f"{base.name}+{adapter}", base.tokenizer, network, base.pooler)


def poolings_of(source: Encoder) -> tuple[str, ...]:
    """Return the poolings of an encoder that is at hand."""
    return tuple(mode for mode in POOLINGS if mode != "P2" or source.pooler is not None)


def pooled(source: Encoder, texts: Sequence[str]) -> list[dict[str, Array]]:
    """Return for each text its vector (D,) by pooling, read-only and not kept."""
    import torch

    rows = [source.tokens(text).ids for text in texts]
    found: list[dict[str, Array]] = [{} for _ in texts]
    for batch in source.batches(rows):
        ids, mask = source.padded([rows[index] for index in batch])
        with torch.inference_mode():
            states = source.states(ids, mask)
        needed = [states[0].numpy(), states[1].numpy(), states[-1].numpy()]
        for mode in poolings_of(source):
            rows_of = pool(needed, mask.numpy(), mode, source.pooler).astype(np.float32, copy=False)
            rows_of.flags.writeable = False
            for place, index in enumerate(batch):
                found[index][mode] = rows_of[place]
    return found


def _keep(found: Iterable[tuple[str, str, str, dict[str, Array]]]) -> None:
    with _lock:
        for encoder, adapter, text, one in found:
            _vectors[encoder, adapter, text] = one
            _vectors.move_to_end((encoder, adapter, text))
        while len(_vectors) > MOST_VECTORS:
            _vectors.popitem(last=False)


# --- Sentences ------------------------------------------------------------------------------------


def corpus(language: str) -> list[str]:
    """Return our sentences to fit whitening on and to train with, M of them, in a random order.

    Raises:
        ValueError: If the language is not one of `LANGUAGES`.
    """
    one_of("language", language, LANGUAGES)
    return list(_lines(language))


def pairs(language: str) -> list[tuple[str, str, float, str]]:
    """Return our scored pairs (a, b, score 0..5, kind of difference), without the traps.

    Raises:
        ValueError: If the language is not one of `LANGUAGES`.
    """
    return [row for row in _pairs(language) if row[-1] not in TRAPS]


def traps(language: str) -> list[tuple[str, str, float, str]]:
    """Return our scored pairs whose kind of difference is one of `TRAPS`, in the manner of PAWS.

    Raises:
        ValueError: If the language is not one of `LANGUAGES`.
    """
    return [row for row in _pairs(language) if row[-1] in TRAPS]


def _pairs(language: str) -> list[tuple[str, str, float, str]]:
    rows = _rows(f"pairs_{one_of('language', language, LANGUAGES)}.csv")
    return [(a, b, float(score), kind) for a, b, score, kind in rows]


def questions(language: str) -> list[tuple[str, str, int]]:
    """Return our pairs of questions (a, b, label), 1 where one answer serves both.

    Raises:
        ValueError: If the language is not one of `LANGUAGES`.
    """
    rows = _rows(f"questions_{one_of('language', language, LANGUAGES)}.csv")
    return [(a, b, int(label)) for a, b, label in rows]


@cache
def _lines(language: str) -> tuple[str, ...]:
    text = (FOLDER / f"corpus_{language}.txt").read_text(encoding="utf-8")
    return tuple(filter(None, text.splitlines()))


@cache
def _rows(name: str) -> tuple[tuple[str, ...], ...]:
    with (FOLDER / name).open(encoding="utf-8", newline="") as file:
        return tuple(tuple(row) for row in csv.reader(file))[1:]
