"""Train the SimCSE adapters that ship with the tab Similarity, one command for each encoder.

    python -m training.simcse roformer_3
    python -m training.simcse minilm_4
    python -m training.simcse simbert --dropout 0.1

The sentences are our own corpus in the encoder's language (``assets/similarity/corpus_*.txt``),
with ``--texts`` those of a file besides, one a line (Su took 10 000 of the task's own); no label is
used to train, the loss is Su's (`models.simcse_training`). Every few steps the network is
measured without dropout: Spearman x 100 on our scored pairs and on our pairs of questions,
alignment over the pairs scored 4 and 5, uniformity over all sentences of the pairs; the log is
``assets/similarity/<encoder>_simcse.csv``. Unsupervised training soon passes its best, so the step
is chosen that is best on the labels named by ``--by`` (the scored pairs unless said otherwise) and
written to ``assets/similarity/<encoder>_simcse.safetensors``. The sets of STS are looked at neither
in training nor in choosing.
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
COLUMNS = ("step", "minutes", "loss", "pairs", "questions", "alignment", "uniformity")
POSITIVE = 4.0  # score from which a pair counts as positive


@dataclass(frozen=True)
class Figures:
    """How good the vectors are.

    Attributes:
        pairs: Spearman x 100 on the scored pairs.
        questions: Spearman x 100 on the pairs of questions.
        alignment: Mean squared distance of positive pairs.
        uniformity: Of all sentences of the pairs, nats.
    """

    pairs: float
    questions: float
    alignment: float
    uniformity: float


def measured(training: Training, language: str) -> Figures:
    """Return the figures of a network as it is now."""
    scored, asked = sentences.pairs(language), sentences.questions(language)
    both = [(a, b) for a, b, _, _ in scored] + [(a, b) for a, b, _ in asked]
    texts = [text for pair in both for text in pair]
    vectors = training.vectors(texts)
    first, second = vectors[0::2], vectors[1::2]
    cosines, n = similarity.pair_cosines(first, second), len(scored)
    scores = [score for _, _, score, _ in scored]
    near = [index for index, score in enumerate(scores) if score >= POSITIVE]
    return Figures(
        100 * similarity.spearman(scores, cosines[:n]),
        100 * similarity.spearman([label for *_, label in asked], cosines[n:]),
        similarity.alignment(first[near], second[near]),
        similarity.uniformity(vectors[: 2 * n]),
    )


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
    values = (found.pairs, found.questions, found.alignment, found.uniformity)
    return [str(step), f"{minutes:.1f}", f"{loss:.4f}", *(f"{value:.4f}" for value in values)]


def main() -> None:
    """Read the command line and train."""
    usual = Recipe(batch=64, steps=400, rank=16, bfloat16=True)
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("encoder", choices=tuple(KNOWN))
    for name, value in asdict(usual).items():
        flag = f"--{name.replace('_', '-')}"
        if isinstance(value, bool):
            parser.add_argument(flag, action=argparse.BooleanOptionalAction, default=value)
        else:
            parser.add_argument(flag, type=type(value), default=value)
    parser.add_argument("--texts", type=Path, help="sentences besides ours, one a line")
    parser.add_argument("--every", type=int, default=10)
    parser.add_argument("--by", choices=("pairs", "questions"), default="pairs")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--folder", type=Path, default=ASSETS)
    told = parser.parse_args()
    recipe = Recipe(**{name: getattr(told, name) for name in asdict(usual)})
    load(told.encoder)  # which bounds the threads
    torch.set_num_threads(told.threads)
    more = told.texts.read_text(encoding="utf-8").splitlines() if told.texts else []
    best = run(told.encoder, recipe, told.every, told.by, told.folder, more)
    print(told.encoder, *(f"{name} {value:.2f}" for name, value in asdict(best).items()))


if __name__ == "__main__":
    main()
