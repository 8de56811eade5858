"""Teach a recogniser a new type: a small head trained on a few examples, the encoder frozen.

Each example i gives hidden states h_i once, by the language's adapted encoder; only a head of
Efficient GlobalPointer is trained on them, by the mean over examples and types of

    loss = log(1 + sum over negatives e^s) + log(1 + sum over positives e^-s).
The query half of the shared layer and the additive layer start at zero, so that every score is 0
before the first step and the loss there is mean(log(1 + n_neg) + log(1 + n_pos)) exactly.

Leave-some-out: the examples are dealt into K parts; K further heads, each trained without one part
in the same steps, are judged on the part they never saw.

Shapes: N examples, n the most pieces of one, D features, m types, d = `HEAD_DIM`; scores
(N, m, n, n); all K + 1 heads are trained by one optimiser. Weights of one head:
2 D d + 2 d + 4 d m + 2 m.
Convention: an entity counts for training if it begins and ends where pieces do, inside the first
`models.ner.MOST_PIECES` pieces of its text; the others are counted and left out.

Importing this module does not import torch; preparing a lesson does.

Source: Su Jianlin 2022, kexue.fm/archives/8877 (head), 2020, kexue.fm/archives/7359 (loss);
Loshchilov and Hutter 2019, arXiv 1711.05101 (AdamW).
"""

import copy
import math
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from models import ner
from models.global_pointer import parameter_counts
from models.ner import Marked
from models.spans import Entity, Score
from models.visitors import Kept

if TYPE_CHECKING:
    from torch import Generator, Tensor, nn

Document = tuple[str, list[Entity]]

FEWEST, MOST = 5, 50  # examples
MOST_TYPES = 6
HEAD_DIM = 32
FOLDS = 4  # K
LEAST_LOSS = 0.005  # nats; training ends when it is below
SCALE = 0.5  # of the keys at the start
WORK = 1_000_000_000  # cells of scores in a whole training, all heads together


@dataclass(frozen=True)
class Recipe:
    """How to train.

    Attributes:
        steps: Most steps.
        learning_rate: Of AdamW, above 0.
        rope: Whether the shared score knows the distance.
        dropout: Share of the features silenced in each step, in [0, 1).
        weight_decay: Of AdamW.
        seed: Of the keys at the start, of the parts, of the dropout.
    """

    steps: int = 150
    learning_rate: float = 0.003
    rope: bool = True
    dropout: float = 0.4
    weight_decay: float = 0.05
    seed: int = 0


@dataclass(frozen=True, eq=False)
class Lesson:
    """Examples as the head sees them.

    Attributes:
        language: Whose encoder reads them.
        labels: m types, sorted.
        hidden: (N, n, D) float32, zero beyond a text's end.
        mask: bool (N, n).
        positive: The true cells, bool (N, m, n, n).
        n_entities: Entities trained on.
        n_outside: Entities left out: they cross pieces, or lie beyond what is read.
        n_other: Examples in another language than the majority's.
    """

    language: str
    labels: tuple[str, ...]
    hidden: "Tensor"
    mask: "Tensor"
    positive: "Tensor"
    n_entities: int
    n_outside: int
    n_other: int

    @property
    def n_cells(self) -> int:
        """Cells of one pass of one head, padding included."""
        return int(self.positive.numel())

    @property
    def n_weights(self) -> int:
        """Weights of one head by the formula: 2 D d + 2 d + 4 d m + 2 m."""
        counts = parameter_counts(int(self.hidden.shape[2]), HEAD_DIM, len(self.labels))
        return counts["egp_bias"]

    @property
    def most_steps(self) -> int:
        """Steps that so much text allows."""
        return max(20, WORK // (max(1, self.n_cells) * (FOLDS + 1)))

    def zero_loss(self) -> float:
        """Return the loss when every score is 0: mean of log(1 + n_neg) + log(1 + n_pos)."""
        n = self.mask.sum(1, keepdim=True).double()
        positive = self.positive.sum((2, 3)).double()
        return float((((n * (n + 1) / 2 - positive).log1p()) + positive.log1p()).mean())


@dataclass(frozen=True)
class Taught:
    """What a visitor has taught.

    Attributes:
        language: Whose encoder it stands on.
        labels: m types.
        head: From h (1, n, D) and mask to scores (1, m, n, n).
        facts: How it was trained, for a table.
    """

    language: str
    labels: tuple[str, ...]
    head: "nn.Module"
    facts: dict[str, Any] = field(default_factory=dict)

    def mark(self, text: str) -> Marked:
        """Return a text with the scores of all its spans."""
        return ner.mark_by(ner.reader(self.language), text, self.head, self.labels)


@dataclass(frozen=True)
class Step:
    """Where training stands.

    Attributes:
        number: Steps done; 0 before the first.
        loss: Of the head trained on all examples, nats, without dropout.
        train: Its entities against the examples'.
        held: Those of the K heads on what each never saw.
        done: Whether training ends here.
    """

    number: int
    loss: float
    train: Score
    held: Score
    done: bool


# --- Examples -------------------------------------------------------------------------------------


def prepare(examples: Sequence[Document]) -> Lesson:
    """Read the examples with the encoder of the language most of them are in.

    Args:
        examples: `FEWEST` to `MOST` texts with 1 to `MOST_TYPES` types in all.

    Raises:
        ValueError: Too few or too many examples or types, or no entity that can be trained on.
        HubError: The encoder cannot be had.
    """
    if not FEWEST <= len(examples) <= MOST:
        raise ValueError(f"examples must be {FEWEST} to {MOST} texts, got {len(examples)}")
    labels = tuple(sorted({entity.label for _, entities in examples for entity in entities}))
    if not 1 <= len(labels) <= MOST_TYPES:
        raise ValueError(f"examples must hold 1 to {MOST_TYPES} types, got {len(labels)}")
    spoken = [ner.guess_language(text) for text, _ in examples]
    language = max(ner.LANGUAGES, key=spoken.count)
    read = [(*_states(text, language), entities) for text, entities in examples]
    lesson = _stacked(read, language, labels, sum(one != language for one in spoken))
    if not lesson.n_entities:
        raise ValueError("no entity of the examples begins and ends where pieces do")
    return lesson


def _states(text: str, language: str) -> tuple[Marked, NDArray[np.float32]]:
    tokens, h = ner.hidden(text, language)
    return Marked(text, (), tokens.offsets, ()), h


def _stacked(
    read: Sequence[tuple[Marked, NDArray[np.float32], list[Entity]]],
    language: str,
    labels: tuple[str, ...],
    n_other: int,
) -> Lesson:
    import torch

    n = max(1, max(len(h) for _, h, _ in read))
    hidden = torch.zeros(len(read), n, read[0][1].shape[1])
    mask = torch.zeros(len(read), n, dtype=torch.bool)
    positive = torch.zeros(len(read), len(labels), n, n, dtype=torch.bool)
    n_outside = 0
    for index, (pieces, h, entities) in enumerate(read):
        hidden[index, : len(h)] = torch.from_numpy(h.copy())
        mask[index, : len(h)] = True
        for entity in entities:
            cell = pieces.cell(entity.start, entity.end)
            if cell is None:
                n_outside += 1
            else:
                positive[index, labels.index(entity.label), cell[0], cell[1]] = True
    n_entities = int(positive.sum())
    return Lesson(language, labels, hidden, mask, positive, n_entities, n_outside, n_other)


# --- Training -------------------------------------------------------------------------------------


class Training:
    """A head in training on a lesson, and the K heads beside it.

    Args:
        lesson: From `prepare`.
        recipe: How to train.

    Raises:
        ValueError: A value of the recipe is outside its domain.
    """

    def __init__(self, lesson: Lesson, recipe: Recipe) -> None:
        import torch

        if recipe.steps < 1 or not recipe.learning_rate > 0 or not 0 <= recipe.dropout < 1:
            raise ValueError(f"steps >= 1, learning_rate > 0, 0 <= dropout < 1, got {recipe}")
        self.lesson, self.recipe = lesson, recipe
        self.steps = min(recipe.steps, lesson.most_steps)
        self._random = torch.Generator().manual_seed(recipe.seed)
        part = torch.randperm(len(lesson.mask), generator=self._random) % FOLDS
        self._parts = [part == k for k in range(FOLDS)]
        self._heads = [new_head(lesson, recipe) for _ in range(FOLDS + 1)]
        weights = [weight for head in self._heads for weight in head.parameters()]
        self._optimiser = torch.optim.AdamW(
            weights, lr=recipe.learning_rate, weight_decay=recipe.weight_decay
        )

    def taught(self, **facts: Any) -> Taught:
        """Return the head as it is now; later steps do not change it."""
        head = copy.deepcopy(self._heads[0]).eval().requires_grad_(False)
        return Taught(self.lesson.language, self.lesson.labels, head, facts)

    def train(self) -> Iterator[Step]:
        """Yield the state before the first step and after each."""
        step = self._look(0)
        yield step
        while not step.done:
            self._step(step.number)
            step = self._look(step.number + 1)
            yield step

    def _step(self, number: int) -> None:
        """Take one step with all heads; the learning rate falls along half a cosine."""
        falling = 0.05 + 0.475 * (1 + math.cos(math.pi * number / self.steps))
        for group in self._optimiser.param_groups:
            group["lr"] = self.recipe.learning_rate * falling
        h = _silenced(self.lesson.hidden, self.recipe.dropout, self._random)
        total = losses(self._heads[0](h, self.lesson.mask), self.lesson).mean()
        for head, part in zip(self._heads[1:], self._parts, strict=True):
            kept = ~part
            if kept.any():
                scores = head(h[kept], self.lesson.mask[kept])
                total = total + losses(scores, self.lesson, kept).mean()
        self._optimiser.zero_grad()
        total.backward()  # type: ignore[no-untyped-call]
        self._optimiser.step()

    def _look(self, number: int) -> Step:
        """Return the state, measured without dropout."""
        import torch

        lesson = self.lesson
        with torch.inference_mode():
            scores = self._heads[0](lesson.hidden, lesson.mask)
            loss = float(losses(scores, lesson).mean())
            train = _score(scores, lesson.positive)
            held = Score(0, 0, 0)
            for head, part in zip(self._heads[1:], self._parts, strict=True):
                if part.any():
                    seen = head(lesson.hidden[part], lesson.mask[part])
                    held = _added(held, _score(seen, lesson.positive[part]))
        return Step(number, loss, train, held, number >= self.steps or loss < LEAST_LOSS)


def new_head(lesson: Lesson, recipe: Recipe) -> Any:
    """Return a head whose every score is 0: queries and additive part zero, keys random.

    The random numbers of other visitors are left alone.
    """
    import torch

    from models.ner_heads import Efficient

    with torch.device("meta"):  # where no random number is drawn
        empty = Efficient(lesson.hidden.shape[2], len(lesson.labels), recipe.rope, HEAD_DIM)
    head = empty.to_empty(device="cpu")
    random = torch.Generator().manual_seed(recipe.seed)
    with torch.no_grad():
        for weight in head.parameters():
            weight.zero_()
        keys = head.dense.weight[1::2]
        keys.copy_(torch.randn(keys.shape, generator=random) * SCALE / keys.shape[1] ** 0.5)
    return head


def losses(scores: "Tensor", lesson: Lesson, kept: "Tensor | None" = None) -> "Tensor":
    """Return the loss of each example and type, nats, (N, m).

    Args:
        scores: (N, m, n, n) of the examples kept.
        lesson: Whose true cells.
        kept: bool, which of its examples; by default all.
    """
    from models.ner_heads import zlpr

    return zlpr(scores, lesson.positive if kept is None else lesson.positive[kept])


def _silenced(hidden: "Tensor", share: float, random: "Generator") -> "Tensor":
    """Return hidden states with a share of their entries zero and the others scaled up."""
    import torch

    if share == 0:
        return hidden
    return hidden * (torch.rand(hidden.shape, generator=random) >= share) / (1 - share)


def _score(scores: "Tensor", positive: "Tensor") -> Score:
    found = scores > 0
    return Score(int(positive.sum()), int(found.sum()), int((found & positive).sum()))


def _added(a: Score, b: Score) -> Score:
    return Score(a.n_gold + b.n_gold, a.n_found + b.n_found, a.n_right + b.n_right)


def checksum(language: str) -> int:
    """Return the CRC-32 of all weights of a language's adapted encoder."""
    network = ner.reader(language).encoder.network
    total = 0
    for _, weight in sorted(network.state_dict().items()):
        total = zlib.crc32(weight.detach().contiguous().numpy().tobytes(), total)
    return total


# --- Kept for a visitor ---------------------------------------------------------------------------

_kept: Kept[Taught] = Kept()


def keep(taught: Taught) -> str:
    """Keep what a visitor taught and return its token; see `models.visitors`."""
    return _kept.put(taught)


def kept(token: str) -> Taught | None:
    """Return what was kept under a token; nothing if there is none, or none any more."""
    return _kept.get(token)
