"""The annotated sets the recognisers of entities are trained on, as (text, entities).

An entity is (start, end, type): characters, end inclusive. The sets are not part of the repository:
name the folder that holds them. Where a set comes without a split of its own, every tenth document
is held out.
"""

import json
import random
from collections.abc import Iterator
from pathlib import Path

Entity = tuple[int, int, str]
Sample = tuple[str, tuple[Entity, ...]]


def cluener(path: Path, types: tuple[str, ...]) -> Iterator[Sample]:
    """Yield samples of a file of JSON objects, one after another, as CLUENER writes them.

    Spans whose text is not the one named, or of another type, are left out.
    """
    content, decoder, at = path.read_text(encoding="utf-8"), json.JSONDecoder(), 0
    while at < len(content):
        if content[at].isspace():
            at += 1
            continue
        found, at = decoder.raw_decode(content, at)
        text = found["text"]
        spans = {
            (start, end, kind)
            for kind, surfaces in found["label"].items()
            for surface, places in surfaces.items()
            for start, end in places
            if kind in types and text[start : end + 1] == surface
        }
        yield text, tuple(sorted(spans))


def litbank(path: Path) -> list[Sample]:
    """Return the sentences of one document of LitBank: a token and layers of BIO tags a line."""
    sentences: list[Sample] = []
    for block in path.read_text(encoding="utf-8").split("\n\n"):
        lines = [line.rstrip("\n").split("\t") for line in block.splitlines() if line.strip()]
        if lines:
            sentences.append(_sentence(lines))
    return sentences


def _sentence(lines: list[list[str]]) -> Sample:
    starts, text = [], ""
    for token, *_ in lines:
        starts.append(len(text))
        text += f"{token} "
    ends = [start + len(line[0]) - 1 for start, line in zip(starts, lines, strict=True)]
    spans: set[Entity] = set()
    for layer in range(1, max(map(len, lines))):
        tags = [line[layer] if layer < len(line) else "O" for line in lines]
        for first, tag in enumerate(tags):
            if not tag.startswith("B-"):
                continue
            last = first
            while last + 1 < len(tags) and tags[last + 1] == f"I-{tag[2:]}":
                last += 1
            spans.add((starts[first], ends[last], tag[2:]))
    return text.rstrip(), tuple(sorted(spans))


def joined(sentences: list[Sample], separator: str = " ") -> Sample:
    """Return sentences as one text."""
    text, spans = "", []
    for part, entities in sentences:
        shift = len(text) + (len(separator) if text else 0)
        text = f"{text}{separator}{part}" if text else part
        spans += [(start + shift, end + shift, kind) for start, end, kind in entities]
    return text, tuple(spans)


def chunks(document: list[Sample], most: int, rng: random.Random | None) -> Iterator[Sample]:
    """Yield runs of sentences of at most ``most`` characters; of random lengths with ``rng``."""
    run: list[Sample] = []
    room = _room(most, rng)
    for sentence in document:
        if run and sum(len(text) for text, _ in run) + len(sentence[0]) > room:
            yield joined(run)
            run, room = [], _room(most, rng)
        run.append(sentence)
    if run:
        yield joined(run)


def _room(most: int, rng: random.Random | None) -> int:
    return most if rng is None else rng.choice((1, most // 4, most // 2, most))


def split(samples: list[Sample]) -> tuple[list[Sample], list[Sample]]:
    """Return (train, dev): every tenth sample is held out."""
    dev = [sample for index, sample in enumerate(samples) if index % 10 == 4]
    return [sample for index, sample in enumerate(samples) if index % 10 != 4], dev
