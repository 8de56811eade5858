"""Our encoders on the sets of sentence pairs, in the layout of the post's table.

    python -m benchmarks.sts --data <folder of the sets>

For every encoder, pooling and set: 100 x Spearman of the labels with the cosines of the vectors as
they come (raw), whitened in all directions (whitening), under our SimCSE adapter (simcse; empty
where there is none), and whitened to k directions (whitening_k), k a third of the dimensions, as
256 of 768 in the post. Whitening is fitted on all sentences of the set, without its labels (the
"target" setting), the adapter saw none of them. A set of several parts counts with the mean of its
parts weighted by pairs; whitening is fitted on all parts together. Written to
``assets/similarity/sts.csv``; nothing here is part of the test suite.

Source of the layout: Su Jianlin, 2021, kexue.fm/archives/8348. The post's parts include the test
sets, ours are what lies in the folder.
"""

import argparse
import csv
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from models import sentences, similarity, whitening
from models.encoder import KNOWN, load
from models.similarity import Array

ROOT = Path(__file__).resolve().parents[1]
COLUMNS = ("encoder", "pooling", "task", "raw", "whitening", "simcse", "whitening_k", "n", "k")
Pair = tuple[str, str, float]


@dataclass(frozen=True)
class Task:
    """A set of pairs.

    Attributes:
        language: "zh" or "en".
        parts: Files by name of the part.
        read: From the rows of a file to its pairs.
        delimiter: Between columns.
        is_quoted: Whether quotes mean anything.
    """

    language: str
    parts: dict[str, str]
    read: Callable[[list[list[str]]], Iterator[Pair]]
    delimiter: str = "\t"
    is_quoted: bool = False


def _plain(rows: list[list[str]]) -> Iterator[Pair]:
    return ((a, b, float(score)) for a, b, score in rows)


def _paws(rows: list[list[str]]) -> Iterator[Pair]:
    return ((a, b, float(label)) for _, a, b, label in rows[1:])


def _english(rows: list[list[str]]) -> Iterator[Pair]:
    return ((a, b, float(score)) for _, _, score, a, b in rows[1:])


TASKS = {
    "stsb_zh_cnsd": Task("zh", {"train": "train.tsv", "dev": "dev.tsv"}, _plain),
    "stsb_zh_deepl": Task("zh", {"train": "train.csv", "dev": "dev.csv"}, _plain, ",", True),
    "pawsx_zh": Task("zh", {"dev": "dev_2k.tsv"}, _paws),
    "stsb_en": Task("en", {"train": "train.tsv", "dev": "dev.tsv"}, _english),
}


def pairs(data: Path, name: str, part: str, most: int = 0) -> list[Pair]:
    """Return the pairs of a part of a set, those with an empty text left out.

    Args:
        data: Folder of the sets.
        name: Key of `TASKS`.
        part: One of its parts.
        most: Only the first so many; 0 for all.
    """
    task = TASKS[name]
    with (data / name / task.parts[part]).open(encoding="utf-8", newline="") as file:
        if task.is_quoted:
            rows = list(csv.reader(file, delimiter=task.delimiter))
        else:
            rows = list(csv.reader(file, delimiter=task.delimiter, quoting=csv.QUOTE_NONE))
    found = [pair for pair in task.read(rows) if pair[0].strip() and pair[1].strip()]
    return found[:most] if most else found


def scores(encoder: str, parts: Sequence[Sequence[Pair]]) -> Iterator[tuple[str, list[str]]]:
    """Yield for each pooling of an encoder its cells from raw to k.

    Args:
        encoder: Key of `models.encoder.KNOWN`.
        parts: Its pairs, part by part.
    """
    texts = [text for part in parts for a, b, _ in part for text in (a, b)]
    raw = _vectors(encoder, "", texts)
    tuned = _vectors(encoder, sentences.SHIPPED, texts) if encoder in sentences.ADAPTERS else {}
    for mode, vectors in raw.items():
        whole = whitening.fit(vectors)
        k = vectors.shape[1] // 3
        cut = whitening.fit(vectors, n_components=k)
        ways = {
            "raw": vectors,
            "whitening": whitening.transform(whole, vectors),
            "simcse": tuned.get(mode),
            "whitening_k": whitening.transform(cut, vectors),
        }
        cells = ["" if v is None else f"{_spearman(v, parts):.2f}" for v in ways.values()]
        yield mode, [*cells, str(len(texts) // 2), str(k)]


def _vectors(encoder: str, adapter: str, texts: Sequence[str]) -> dict[str, NDArray[np.float64]]:
    """Return the vectors of texts by pooling, each different text read once."""
    source = sentences.with_adapter(encoder, adapter)
    order = list(dict.fromkeys(texts))
    place = {text: index for index, text in enumerate(order)}
    found = sentences.pooled(source, order)
    rows = [place[text] for text in texts]
    return {
        mode: np.stack([one[mode] for one in found])[rows].astype(np.float64)
        for mode in sentences.poolings_of(source)
    }


def _spearman(vectors: Array, parts: Sequence[Sequence[Pair]]) -> float:
    """Return 100 x Spearman, the mean over the parts weighted by their pairs."""
    cosines = similarity.pair_cosines(vectors[0::2], vectors[1::2])
    total, start = 0.0, 0
    for part in parts:
        labels = [label for _, _, label in part]
        own = cosines[start : start + len(part)]
        total += 100 * similarity.spearman(labels, own) * len(part)
        start += len(part)
    return total / start


def run(
    data: Path, encoders: Sequence[str], names: Sequence[str], most: int, threads: int, path: Path
) -> None:
    """Write the table, a row for each encoder, pooling and set.

    Args:
        data: Folder of the sets.
        encoders: Keys of `models.encoder.KNOWN`.
        names: Keys of `TASKS`.
        most: Pairs of each part; 0 for all.
        threads: Of torch.
        path: Of the table.
    """
    with path.open("w", newline="", encoding="utf-8") as file:
        table = csv.writer(file, lineterminator="\n")
        table.writerow(COLUMNS)
        for encoder in encoders:
            load(encoder)  # which bounds the threads
            torch.set_num_threads(threads)
            for name in names:
                task = TASKS[name]
                if task.language != KNOWN[encoder].language:
                    continue
                parts = [pairs(data, name, part, most) for part in task.parts]
                for mode, cells in scores(encoder, parts):
                    table.writerow([encoder, mode, name, *cells])
                    print(encoder, mode, name, *cells, flush=True)
                file.flush()


def main() -> None:
    """Read the command line and write the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--encoders", nargs="*", choices=tuple(KNOWN), default=list(KNOWN))
    parser.add_argument("--tasks", nargs="*", choices=tuple(TASKS), default=list(TASKS))
    parser.add_argument("--most", type=int, default=0, help="pairs of each part")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--out", type=Path, default=ROOT / "assets" / "similarity" / "sts.csv")
    told = parser.parse_args()
    run(told.data, told.encoders, told.tasks, told.most, told.threads, told.out)


if __name__ == "__main__":
    main()
