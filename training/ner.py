"""Train the recognisers of entities of the tab NER: one adapter per language, five heads on it.

    python -m training.ner en --data <folder of the sets>
    python -m training.ner zh --data <folder of the sets> --epochs 6
    python -m training.ner table --data <folder of the sets>

All heads (GlobalPointer and its efficient form, each with and without RoPE, and a BIO-CRF) are
trained at once on one encoder: a batch goes through the encoder once, the losses are added. So they
are compared on the same features, and none has an encoder of its own making. The encoder is frozen
but for a low-rank adapter (`models.adapters`); the run writes adapter and heads to
``assets/ner/<language>.safetensors`` and its log to ``assets/ner/<language>.csv``; ``table``
measures what was written on the held-out texts: ``assets/ner/table.csv``.

Loss of a batch: for each span head the sum over types of `models.ner_heads.zlpr`, for the CRF the
negative log-likelihood, means over the rows, in nats. The CRF is taught the outermost entities, as
BIO cannot say more.
"""

import argparse
import csv
import math
import random
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from models import adapters, crf, encoder, ner, weights
from models.encoder import Encoder
from models.ner import HEADS
from models.ner_heads import CRF, make, zlpr
from models.spans import Entity, Score, prf, prf_nested
from training import ner_sets
from training.ner_sets import Sample

ASSETS = Path(__file__).resolve().parents[1] / "assets" / "ner"
CHUNK = 480  # characters of LitBank that go together, at most
BATCH_TOKENS, BATCH_ROWS = 1280, 40
RANK = 32
Hidden = Callable[[Tensor, Tensor], tuple[Tensor, Tensor]]
LEARNING_RATES = {"encoder": 1.5e-3, "heads": 2e-3, "transitions": 3e-2}


@dataclass(frozen=True)
class Set:
    """An annotated set.

    Attributes:
        types: In the order of the heads.
        train: From a random generator to the samples of one epoch.
        dev: Held out.
        repeats: How often an epoch goes through it.
    """

    types: tuple[str, ...]
    train: Callable[[random.Random], list[Sample]]
    dev: list[Sample]
    repeats: int = 1


@dataclass(frozen=True)
class Row:
    """A text in pieces with its entities.

    Attributes:
        ids: With [CLS] and [SEP].
        offsets: [start, stop) of each piece in the text.
        spans: (type, first piece, last piece) of the entities that begin and end with a piece.
        entities: All of them, in characters.
    """

    ids: tuple[int, ...]
    offsets: tuple[tuple[int, int], ...]
    spans: tuple[tuple[int, int, int], ...]
    entities: frozenset[Entity]

    def entity(self, label: str, first: int, last: int) -> Entity:
        """Return the entity that reaches from one piece to another, in characters."""
        return Entity(self.offsets[first][0], self.offsets[last][1] - 1, label)


def english(data: Path) -> dict[str, Set]:
    """Return LitBank."""
    folder = data / "litbank"
    train = [ner_sets.litbank(path) for path in sorted((folder / "train").glob("*.tsv"))]
    dev = [ner_sets.litbank(path) for path in sorted((folder / "dev").glob("*.tsv"))]

    def epoch(rng: random.Random) -> list[Sample]:
        return [chunk for document in train for chunk in ner_sets.chunks(document, CHUNK, rng)]

    held = [chunk for document in dev for chunk in ner_sets.chunks(document, CHUNK, None)]
    return {"litbank": Set(ner.TYPES["litbank"], epoch, held)}


def chinese(data: Path) -> dict[str, Set]:
    """Return ChiNesE (nested; few texts, so thrice an epoch) and CLUENER (flat)."""
    path = next((data / "chinese_nested").glob("*.json"))
    nested, held = ner_sets.split(list(ner_sets.cluener(path, ner.TYPES["nested"])))
    path = data / "cluener" / "train.json"
    flat, held_flat = ner_sets.split(list(ner_sets.cluener(path, ner.TYPES["cluener"])))
    return {
        "nested": Set(ner.TYPES["nested"], lambda rng: nested, held, repeats=3),
        "cluener": Set(ner.TYPES["cluener"], lambda rng: flat, held_flat),
    }


TASKS = {"en": ("minilm", english), "zh": ("roformer", chinese)}


def row(source: Encoder, sample: Sample, types: Sequence[str]) -> Row:
    """Return a sample in pieces."""
    text, entities = sample
    tokens = source.tokens(text)
    first = {start: index for index, (start, _) in enumerate(tokens.offsets)}
    last = {stop - 1: index for index, (_, stop) in enumerate(tokens.offsets)}
    spans = tuple(
        (types.index(kind), first[start], last[end])
        for start, end, kind in entities
        if start in first and end in last
    )
    return Row(tokens.ids, tokens.offsets, spans, frozenset(Entity(*one) for one in entities))


class Recogniser(nn.Module):
    """An adapted encoder with all heads for all sets of a language.

    Args:
        source: The encoder.
        sets: The annotated sets by name.
        rank: Of the adapter.
        kinds: Of the heads.
    """

    def __init__(
        self, source: Encoder, sets: dict[str, Set], rank: int = RANK, kinds: Sequence[str] = HEADS
    ) -> None:
        super().__init__()
        self.encoder = adapters.adapt(source.network, rank)
        self.heads = nn.ModuleDict(
            {
                name: nn.ModuleDict(
                    {kind: make(kind, source.n_features, len(one.types)) for kind in kinds}
                )
                for name, one in sets.items()
            }
        )

    def hidden(self, ids: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
        """Return h (B, n, D) float32 of the text's own pieces, and their mask."""
        with torch.autocast("cpu", torch.bfloat16, enabled=self.training):
            h = self.encoder(input_ids=ids, attention_mask=mask).last_hidden_state
        lengths = mask.sum(dim=1) - 2
        own = torch.arange(ids.shape[1] - 2) < lengths[:, None]
        return h[:, 1:-1].float(), own

    def losses(
        self, name: str, ids: Tensor, mask: Tensor, rows: Sequence[Row]
    ) -> dict[str, Tensor]:
        """Return the loss of each head on a batch of a set, in nats."""
        h, own = self.hidden(ids, mask)
        heads = self.heads[name]
        losses = {}
        for kind, head in heads.items():  # type: ignore[operator]
            scores = head(h, own)
            if isinstance(head, CRF):
                losses[kind] = head.loss(scores, _tags(rows, own.shape), own).mean()
            else:
                losses[kind] = zlpr(scores, _cells(rows, scores.shape)).sum(dim=1).mean()
        return losses


def _cells(rows: Sequence[Row], shape: Sequence[int]) -> Tensor:
    cells = torch.zeros(tuple(shape), dtype=torch.bool)
    for index, one in enumerate(rows):
        for kind, start, end in one.spans:
            cells[index, kind, start, end] = True
    return cells


def outermost(spans: Sequence[tuple[int, int, int]]) -> list[tuple[int, int, int]]:
    """Return the longest spans that do not overlap: what BIO can write of nested ones."""
    kept: list[tuple[int, int, int]] = []
    for span in sorted(spans, key=lambda s: (s[1] - s[2], s[1], s[0])):
        if all(span[2] < other[1] or span[1] > other[2] for other in kept):
            kept.append(span)
    return sorted(kept)


def _tags(rows: Sequence[Row], shape: Sequence[int]) -> Tensor:
    tags = torch.zeros(tuple(shape), dtype=torch.long)
    for index, one in enumerate(rows):
        for kind, start, end in outermost(one.spans):
            tags[index, start] = 2 * kind + 1
            tags[index, start + 1 : end + 1] = 2 * kind + 2
    return tags


def batches(rows: Sequence[Row], rng: random.Random) -> list[list[Row]]:
    """Return rows in batches of like length, in random order."""
    order = sorted(rows, key=lambda one: len(one.ids) + 8 * rng.random())
    made: list[list[Row]] = [[]]
    for one in order:
        if len(made[-1]) >= BATCH_ROWS or (len(made[-1]) + 1) * len(one.ids) > BATCH_TOKENS:
            made.append([])
        made[-1].append(one)
    made = [batch for batch in made if batch]
    rng.shuffle(made)
    return made


@torch.inference_mode()
def found(
    heads: Mapping[str, nn.Module],
    hidden: Hidden,
    source: Encoder,
    types: Sequence[str],
    rows: Sequence[Row],
) -> dict[str, list[set[Entity]]]:
    """Return for each head the entities it finds in each row.

    Args:
        heads: By kind.
        hidden: From padded ids and mask to h (B, n, D) of the pieces and their mask (B, n).
        source: The encoder the rows were made with.
        types: The heads' types.
        rows: Texts.
    """
    result: dict[str, list[set[Entity]]] = {kind: [set() for _ in rows] for kind in heads}
    for batch in source.batches([one.ids for one in rows]):
        h, own = hidden(*source.padded([rows[index].ids for index in batch]))
        for kind, head in heads.items():
            scores = head(h, own)
            if isinstance(head, CRF):
                for place, index in enumerate(batch):
                    emissions = scores[place, : int(own[place].sum())].numpy()
                    result[kind][index] = _best_path(head, emissions, types, rows[index])
            else:
                for place, label, first, last in (scores > 0).nonzero().tolist():
                    one = rows[batch[place]]
                    result[kind][batch[place]].add(one.entity(types[label], first, last))
    return result


def _best_path(
    head: CRF, emissions: NDArray[np.float32], types: Sequence[str], one: Row
) -> set[Entity]:
    if not len(emissions):
        return set()
    path = crf.viterbi(emissions, head.transitions.detach().numpy()).path
    names = crf.tags(types)
    spans = crf.from_bio([names[tag] for tag in path])
    return {one.entity(span.label, span.start, span.end) for span in spans}


def scores(rows: Sequence[Row], entities: Sequence[set[Entity]]) -> tuple[Score, Score]:
    """Return the score over all entities, and over nested ones (see `models.spans.prf_nested`)."""
    gold = [one.entities for one in rows]
    return prf(gold, entities), prf_nested(gold, entities)


def train(
    model: Recogniser,
    source: Encoder,
    sets: dict[str, Set],
    epochs: int,
    seed: int,
    most_steps: int = 0,
) -> Iterator[tuple[int, int, dict[str, float]]]:
    """Train; yield (epoch, step, mean losses since the last yield) after each epoch.

    Args:
        model: Changed in place.
        source: The encoder it was made of.
        sets: By name.
        epochs: Times through all sets.
        seed: Of order, chunks and dropout.
        most_steps: Stop after so many steps; 0 for all.
    """
    rng = random.Random(seed)
    torch.manual_seed(seed)
    optimizer = _optimizer(model)
    per_epoch = sum(
        one.repeats * len(batches([row(source, s, one.types) for s in one.train(rng)], rng))
        for one in sets.values()
    )
    total = most_steps or epochs * per_epoch
    schedule = torch.optim.lr_scheduler.LambdaLR(
        optimizer, lambda step: min((step + 1) / (0.08 * total + 1), max(0.02, 1 - step / total))
    )
    step = 0
    for epoch in range(1, epochs + 1):
        queue = [
            (name, batch)
            for name, one in sets.items()
            for _ in range(one.repeats)
            for batch in batches([row(source, s, one.types) for s in one.train(rng)], rng)
        ]
        rng.shuffle(queue)
        sums: dict[str, float] = {}
        model.train()
        for name, batch in queue:
            ids, mask = source.padded([one.ids for one in batch])
            losses = model.losses(name, ids, mask, batch)
            optimizer.zero_grad()
            sum(losses.values()).backward()  # type: ignore[union-attr]
            nn.utils.clip_grad_norm_(model.parameters(), 5.0)
            optimizer.step()
            schedule.step()
            for kind, loss in losses.items():
                key = f"{name} {kind}"
                sums[key] = sums.get(key, 0.0) + loss.item() / len(queue)
            step += 1
            if step == total:
                break
        yield epoch, step, sums
        if step == total:
            return


def _optimizer(model: Recogniser) -> torch.optim.Optimizer:
    groups: dict[str, list[nn.Parameter]] = {name: [] for name in LEARNING_RATES}
    for name, value in model.named_parameters():
        if value.requires_grad:
            kind = "transitions" if name.endswith("transitions") else name.split(".")[0]
            groups[kind].append(value)
    return torch.optim.AdamW(
        [{"params": groups[name], "lr": rate} for name, rate in LEARNING_RATES.items()],
        weight_decay=0.01,
    )


def save(model: Recogniser, path: Path, told: dict[str, object]) -> None:
    """Write adapter and heads, with facts beside them."""
    tensors = {f"encoder.{n}": v for n, v in adapters.extract(model.encoder).items()}
    tensors |= {f"heads.{n}": v for n, v in model.heads.state_dict().items()}
    weights.save_tensors(tensors, path, ner.FACTS, told)


COLUMNS = ("precision", "recall", "f1", "nested_recall", "nested_f1")


def figures(rows: Sequence[Row], entities: Sequence[set[Entity]]) -> list[str]:
    """Return `COLUMNS` as text, empty where undefined."""
    everything, nested = scores(rows, entities)
    values = (everything.precision, everything.recall, everything.f1, nested.recall, nested.f1)
    return ["" if value is None else f"{value:.4f}" for value in values]


def run(told: argparse.Namespace) -> None:
    """Train one language, log each epoch, keep the last weights."""
    name, read = TASKS[told.language]
    source = encoder.load(name)
    torch.set_num_threads(told.threads)
    sets = read(told.data)
    torch.manual_seed(told.seed)
    model = Recogniser(source, sets)
    held = {n: [row(source, s, one.types) for s in one.dev] for n, one in sets.items()}
    told.folder.mkdir(parents=True, exist_ok=True)
    began = time.monotonic()
    with (told.folder / f"{told.language}.csv").open("w", newline="", encoding="utf-8") as file:
        log = csv.writer(file, lineterminator="\n")
        log.writerow(["epoch", "step", "minutes", "set", "head", "loss", *COLUMNS])
        for epoch, step, losses in train(model, source, sets, told.epochs, told.seed):
            minutes = f"{(time.monotonic() - began) / 60:.1f}"
            model.eval()
            for set_name, rows in held.items():
                heads = dict(model.heads[set_name].items())  # type: ignore[operator]
                entities = found(heads, model.hidden, source, sets[set_name].types, rows)
                for kind, ones in entities.items():
                    loss = f"{losses.get(f'{set_name} {kind}', math.nan):.4f}"
                    log.writerow([epoch, step, minutes, set_name, kind, loss, *figures(rows, ones)])
            file.flush()
            facts = {
                "encoder": name,
                "sets": {n: list(one.types) for n, one in sets.items()},
                "rank": RANK,
                "epochs": epoch,
                "steps": step,
                "seed": told.seed,
            }
            save(model, told.folder / f"{told.language}.safetensors", facts)


# --- The table ------------------------------------------------------------------------------------


def table(told: argparse.Namespace) -> None:
    """Measure the shipped heads on the held-out texts, and their speed; write the table."""
    rows = []
    for language, (_, read) in TASKS.items():
        source = ner.reader(language)
        torch.set_num_threads(told.threads)
        for name, one in read(told.data).items():
            held = [row(source.encoder, s, one.types) for s in one.dev]
            heads = {kind: source.heads[name, kind] for kind in HEADS}
            entities = found(heads, _plain_hidden(source.encoder), source.encoder, one.types, held)
            speeds = _speeds(source, name, one, held)
            n_gold = sum(len(each.entities) for each in held)
            for kind in HEADS:
                rows.append(
                    [name, kind, len(held), n_gold, *figures(held, entities[kind]), *speeds[kind]]
                )
    with (told.folder / "table.csv").open("w", newline="", encoding="utf-8") as file:
        log = csv.writer(file, lineterminator="\n")
        log.writerow(["set", "head", "texts", "entities", *COLUMNS, "train_speed", "predict_speed"])
        log.writerows(rows)


def _plain_hidden(source: Encoder) -> Hidden:
    def hidden(ids: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
        own = torch.arange(ids.shape[1] - 2) < (mask.sum(dim=1) - 2)[:, None]
        return source.last(ids, mask)[:, 1:-1], own

    return hidden


def _speeds(
    source: ner.Reader, name: str, one: Set, held: Sequence[Row], n_rounds: int = 5
) -> dict[str, list[str]]:
    """Return how many times as fast as with the CRF each head trains and predicts.

    A step of training goes through a new adapter and one new head; a prediction through encoder,
    head and decoding. The heads take turns, the median of a few rounds counts.
    """
    queue = batches([row(source.encoder, s, one.types) for s in one.dev], random.Random(0))[:6]
    models = {
        kind: Recogniser(encoder.load(source.facts["encoder"]), {name: one}, kinds=(kind,))
        for kind in HEADS
    }
    spent: dict[str, list[tuple[float, float]]] = {kind: [] for kind in HEADS}
    for _ in range(n_rounds):
        for kind in HEADS:
            began = time.perf_counter()
            models[kind].train()
            for batch in queue:
                ids, mask = source.encoder.padded([each.ids for each in batch])
                losses = models[kind].losses(name, ids, mask, batch)
                losses[kind].backward()  # type: ignore[no-untyped-call]
            middle = time.perf_counter()
            heads = {kind: source.heads[name, kind]}
            found(heads, _plain_hidden(source.encoder), source.encoder, one.types, held[:150])
            spent[kind].append((middle - began, time.perf_counter() - middle))
    medians = {kind: np.median(times, axis=0) for kind, times in spent.items()}
    return {kind: [f"{ratio:.2f}" for ratio in medians["crf"] / medians[kind]] for kind in HEADS}


def main() -> None:
    """Train a language, or measure what is shipped."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("language", choices=(*TASKS, "table"))
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--epochs", type=int, default=9)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--folder", type=Path, default=ASSETS)
    told = parser.parse_args()
    table(told) if told.language == "table" else run(told)


if __name__ == "__main__":
    main()
