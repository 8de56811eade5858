"""Train the SimCSE adapters that ship with the tab Similarity, one command for each encoder.

    python -m training.simcse simbert_3 --data <folder of the sets>
    python -m training.simcse minilm_3 --data <folder of the sets>

The sentences are our own corpus in the encoder's language (``assets/similarity/corpus_*.txt``) and
those of STS-B's training part, as Su took 10 000 of each task's own; in Chinese they are the
translation by DeepL, and in both languages those of Microsoft's collections are left out, whose
terms a user would have to agree to. Without ``--data`` our corpus is alone. No label is used to
train, the loss is Su's (`models.simcse_training`).

Every few steps the network is measured without dropout: Spearman x 100 on our scored pairs, on our
traps and on our pairs of questions, alignment over the pairs scored 4 and 5, uniformity over all
sentences of the pairs; the log is ``assets/similarity/<encoder>_simcse.csv``. Unsupervised training
soon passes its best, so the step is chosen that is best on the labels named by ``--by`` (the scored
pairs unless said otherwise) and written to ``assets/similarity/<encoder>_simcse.safetensors``. No
label of STS-B is looked at, and none of its sentences outside the training part.
"""

import argparse
import csv
import math
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch

from models import sentences, similarity, weights
from models.encoder import KNOWN, load
from models.simcse_training import Recipe, Training

ASSETS = sentences.FOLDER
COLUMNS = ("step", "minutes", "loss", "pairs", "traps", "questions", "alignment", "uniformity")
POSITIVE = 4.0  # score from which a pair counts as positive
USUAL = Recipe(
    batch=64, steps=100, rank=16, learning_rate=2e-4, dropout=0.1, pooling="P3", bfloat16=True
)
ENGLISH, CHINESE = "stsb_en/train.tsv", "stsb_zh_deepl/train.csv"  # row i translates row i
UNDER_TERMS = ("MSRpar", "MSRvid")  # Microsoft's collections


@dataclass(frozen=True)
class Figures:
    """How good the vectors are.

    Attributes:
        pairs: Spearman x 100 on the scored pairs.
        traps: Spearman x 100 on the pairs that are alike in words but not in meaning.
        questions: Spearman x 100 on the pairs of questions.
        alignment: Mean squared distance of positive pairs.
        uniformity: Of all sentences of the pairs, nats.
    """

    pairs: float
    traps: float
    questions: float
    alignment: float
    uniformity: float


def measured(training: Training, language: str) -> Figures:
    """Return the figures of a network as it is now."""
    scored = sentences.pairs(language)
    sets: list[list[tuple[str, str, float]]] = [
        [(a, b, score) for a, b, score, _ in scored],
        [(a, b, score) for a, b, score, _ in sentences.traps(language)],
        [(a, b, float(label)) for a, b, label in sentences.questions(language)],
    ]
    vectors = training.vectors([text for pairs in sets for a, b, _ in pairs for text in (a, b)])
    agreement, start = list[float](), 0
    for pairs in sets:
        first, second = vectors[start::2][: len(pairs)], vectors[start + 1 :: 2][: len(pairs)]
        labels = [label for *_, label in pairs]
        agreement.append(100 * similarity.spearman(labels, similarity.pair_cosines(first, second)))
        start += 2 * len(pairs)
    near = [index for index, (*_, score, _) in enumerate(scored) if score >= POSITIVE]
    on_pairs, on_traps, on_questions = agreement
    return Figures(
        on_pairs,
        on_traps,
        on_questions,
        similarity.alignment(vectors[0::2][near], vectors[1::2][near]),
        similarity.uniformity(vectors[: 2 * len(scored)]),
    )


def sts_sentences(data: Path, language: str) -> list[str]:
    """Return the different sentences of STS-B's training part that may be trained on.

    Args:
        data: Folder of the sets.
        language: "zh" or "en".
    """
    with (data / ENGLISH).open(encoding="utf-8", newline="") as file:
        english = list(csv.reader(file, delimiter="\t", quoting=csv.QUOTE_NONE))[1:]
    sides = [row[3:5] for row in english]
    if language == "zh":
        with (data / CHINESE).open(encoding="utf-8", newline="") as file:
            sides = [row[:2] for row in csv.reader(file)]
    free = (
        side
        for row, two in zip(english, sides, strict=True)
        for side in two
        if row[1] not in UNDER_TERMS and side.strip()
    )
    return list(dict.fromkeys(free))


def run(
    name: str, recipe: Recipe, every: int, by: str, folder: Path, more: Sequence[str] = ()
) -> Figures:
    """Train an encoder's adapter, log it, write the best step's; return its figures.

    Args:
        name: Key of `models.encoder.KNOWN`.
        recipe: How to train.
        every: Steps between two measurements.
        by: "pairs" or "questions": what the best step is chosen by.
        folder: Where the files go.
        more: Sentences besides those of the corpus.
    """
    language = KNOWN[name].language
    training = Training(name, [*sentences.corpus(language), *more], recipe)
    folder.mkdir(parents=True, exist_ok=True)
    best, losses, began = measured(training, language), list[float](), time.monotonic()
    raw = best
    with (folder / f"{name}_simcse.csv").open("w", newline="", encoding="utf-8") as file:
        log = csv.writer(file, lineterminator="\n")
        log.writerow(COLUMNS)
        log.writerow(_row(0, 0.0, [], best))
        for step in training:
            losses.append(step.loss)
            if step.step % every and step.step != recipe.steps:
                continue
            found = measured(training, language)
            log.writerow(_row(step.step, (time.monotonic() - began) / 60, losses, found))
            file.flush()
            losses = []
            if getattr(found, by) > getattr(best, by):
                best = found
                facts: dict[str, Any] = {
                    "encoder": name,
                    "step": step.step,
                    "chosen_by": by,
                    "n_sentences": len(training.texts),
                    "raw": asdict(raw),
                    "figures": asdict(found),
                    "recipe": asdict(recipe),
                }
                path = folder / f"{name}_simcse.safetensors"
                weights.save_tensors(training.adapter(), path, sentences.FACTS, facts)
    return best


def _row(step: int, minutes: float, losses: Sequence[float], found: Figures) -> list[str]:
    loss = sum(losses) / len(losses) if losses else math.nan
    values = (found.pairs, found.traps, found.questions, found.alignment, found.uniformity)
    return [str(step), f"{minutes:.1f}", f"{loss:.4f}", *(f"{value:.4f}" for value in values)]


def main() -> None:
    """Read the command line and train."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("encoder", choices=tuple(KNOWN))
    for name, value in asdict(USUAL).items():
        flag = f"--{name.replace('_', '-')}"
        if isinstance(value, bool):
            parser.add_argument(flag, action=argparse.BooleanOptionalAction, default=value)
        else:
            parser.add_argument(flag, type=type(value), default=value)
    parser.add_argument("--data", type=Path, help="folder of the sets, for STS-B's sentences")
    parser.add_argument("--every", type=int, default=10)
    parser.add_argument("--by", choices=("pairs", "questions"), default="pairs")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--folder", type=Path, default=ASSETS)
    told = parser.parse_args()
    recipe = Recipe(**{name: getattr(told, name) for name in asdict(USUAL)})
    load(told.encoder)  # which bounds the threads
    torch.set_num_threads(told.threads)
    more = sts_sentences(told.data, KNOWN[told.encoder].language) if told.data else []
    best = run(told.encoder, recipe, told.every, told.by, told.folder, more)
    print(told.encoder, *(f"{name} {value:.2f}" for name, value in asdict(best).items()))


if __name__ == "__main__":
    main()
