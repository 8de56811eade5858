"""Our encoders on the sets of sentence pairs, in the layout of the post's table.

    python -m benchmarks.sts --data <folder of the sets>

For every encoder, pooling and set: 100 x Spearman of the labels with the cosines of the vectors as
they come (raw), whitened in all directions (whitening), after SimCSE (simcse), and whitened to k
directions (whitening_k), k a third of the dimensions, as 256 of 768 in the post. Whitening is
fitted on the sentences of the set, without its labels (the "target" setting). SimCSE is trained
for each encoder and pooling anew, by the recipe and on the sentences of `training.simcse`, for a
number of steps that no label decides; of a set's own sentences it has seen none. The pairs are
those of the sets' development parts: the post scores all parts together, the test sets among them.
Written to ``assets/similarity/sts.csv``; nothing here is part of the test suite.

Source of the layout: Su Jianlin, 2021, kexue.fm/archives/8348.
"""

import argparse
import csv
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from models import sentences, similarity, whitening
from models.encoder import KNOWN, load
from models.simcse_training import Training
from models.similarity import Array
from training.simcse import USUAL, sts_sentences

ROOT = Path(__file__).resolve().parents[1]
COLUMNS = ("encoder", "pooling", "task", "raw", "whitening", "simcse", "whitening_k", "n", "k")
STEPS = 40  # where the shipped adapters' scores stop rising
Pair = tuple[str, str, float]
Vectors = Mapping[str, NDArray[np.float32]]  # by text


@dataclass(frozen=True)
class Task:
    """A set of pairs.

    Attributes:
        language: "zh" or "en".
        file: In the folder of the sets.
        read: From the rows of a file to its pairs.
        delimiter: Between columns.
        is_quoted: Whether quotes mean anything.
    """

    language: str
    file: str
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
    "stsb_zh_cnsd": Task("zh", "stsb_zh_cnsd/dev.tsv", _plain),
    "stsb_zh_deepl": Task("zh", "stsb_zh_deepl/dev.csv", _plain, ",", True),
    "pawsx_zh": Task("zh", "pawsx_zh/dev_2k.tsv", _paws),
    "stsb_en": Task("en", "stsb_en/dev.tsv", _english),
}


def pairs(data: Path, name: str, most: int = 0) -> list[Pair]:
    """Return the pairs of a set, those with an empty text left out.

    Args:
        data: Folder of the sets.
        name: Key of `TASKS`.
        most: Only the first so many; 0 for all.
    """
    task = TASKS[name]
    with (data / task.file).open(encoding="utf-8", newline="") as file:
        if task.is_quoted:
            rows = list(csv.reader(file, delimiter=task.delimiter))
        else:
            rows = list(csv.reader(file, delimiter=task.delimiter, quoting=csv.QUOTE_NONE))
    found = [pair for pair in task.read(rows) if pair[0].strip() and pair[1].strip()]
    return found[:most] if most else found


def cells(given: Sequence[Pair], raw: Vectors, tuned: Vectors) -> list[str]:
    """Return a row's cells from raw to k; simcse is empty where nothing is tuned."""
    texts = [text for a, b, _ in given for text in (a, b)]
    vectors = np.stack([raw[text] for text in texts]).astype(np.float64)
    k = vectors.shape[1] // 3
    whole, cut = whitening.fit(vectors), whitening.fit(vectors, n_components=k)
    ways: list[Array | None] = [
        vectors,
        whitening.transform(whole, vectors),
        np.stack([tuned[text] for text in texts]) if tuned else None,
        whitening.transform(cut, vectors),
    ]
    labels = [label for *_, label in given]
    found = ["" if way is None else f"{_score(way, labels):.2f}" for way in ways]
    return [*found, str(len(given)), str(k)]


def _score(vectors: Array, labels: Sequence[float]) -> float:
    cosines = similarity.pair_cosines(vectors[0::2], vectors[1::2])
    return 100 * similarity.spearman(labels, cosines)


def tune(encoder: str, pooling: str, texts: Sequence[str], steps: int) -> Training:
    """Return a training of an encoder under a pooling after so many steps."""
    training = Training(encoder, texts, replace(USUAL, pooling=pooling, steps=steps))
    for _ in training:
        pass
    return training


def run(
    data: Path,
    encoders: Sequence[str],
    names: Sequence[str],
    path: Path,
    most: int = 0,
    steps: int = STEPS,
    threads: int = 1,
) -> None:
    """Write the table, a row for each encoder, pooling and set.

    Args:
        data: Folder of the sets.
        encoders: Keys of `models.encoder.KNOWN`.
        names: Keys of `TASKS`.
        path: Of the table.
        most: Pairs of each set; 0 for all.
        steps: Of SimCSE; 0 leaves it out.
        threads: Of torch.
    """
    with path.open("w", newline="", encoding="utf-8") as file:
        table = csv.writer(file, lineterminator="\n")
        table.writerow(COLUMNS)
        for encoder in encoders:
            language = KNOWN[encoder].language
            own = [name for name in names if TASKS[name].language == language]
            if not own:
                continue
            sets = {name: pairs(data, name, most) for name in own}
            texts = list(
                dict.fromkeys(t for one in sets.values() for a, b, _ in one for t in (a, b))
            )
            source = load(encoder)  # which bounds the threads
            torch.set_num_threads(threads)
            raw = sentences.pooled(source, texts)
            corpus = [*sentences.corpus(language), *sts_sentences(data, language)]
            for mode in sentences.poolings_of(source):
                before = {text: one[mode] for text, one in zip(texts, raw, strict=True)}
                after: Vectors = {}
                if steps:
                    found = tune(encoder, mode, corpus, steps).vectors(texts)
                    after = dict(zip(texts, found, strict=True))
                for name, given in sets.items():
                    row = [encoder, mode, name, *cells(given, before, after)]
                    table.writerow(row)
                    print(*row, flush=True)
                file.flush()


def main() -> None:
    """Read the command line and write the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--encoders", nargs="*", choices=tuple(KNOWN), default=list(KNOWN))
    parser.add_argument("--tasks", nargs="*", choices=tuple(TASKS), default=list(TASKS))
    parser.add_argument("--most", type=int, default=0, help="pairs of each set")
    parser.add_argument("--steps", type=int, default=STEPS, help="of SimCSE")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--out", type=Path, default=ROOT / "assets" / "similarity" / "sts.csv")
    told = parser.parse_args()
    run(told.data, told.encoders, told.tasks, told.out, told.most, told.steps, told.threads)


if __name__ == "__main__":
    main()
