"""SimCSE on a real encoder, step by step: only dropout tells the two views of a sentence apart.

A step draws N sentences, passes them twice under two dropout masks, pools, and takes one step of
Adam on the loss of `models.simcse`. What is trained is a low-rank adapter (`models.adapters`) on a
copy: the encoder itself never changes, and trainings that run at the same time share nothing.

    W <- W + 2 U V,  U (out, r), V (r, in)      from layer `first_layer` on; vectors are free
    h_i, h_i' = pool(f(x_i; m_i)), pool(f(x_i; m_i'))   masks m of hidden states, keep with 1 - p

Dropout here draws from the training's own generator and never from the one that everybody shares:
same seed, same masks, whatever else runs. With `same_mask` the second view has the first one's
masks, so h_i = h_i' and nothing pulls positives together.

Shapes: N sentences of a batch, T tokens, D features; cosines (2N, 2N) interleaved as in Su's batch
h_1, h_1', h_2, h_2', ...  Units: loss in nats, time in seconds. Convention: the loss of step s is
that of its batch before its update; a sentence that is there twice counts once, else it would be
its own negative.

Source: Su Jianlin, 2021, kexue.fm/archives/8348 (dropout 0.3 of hidden states, batch 64, 64
tokens); Gao, Yao and Chen 2021, arXiv 2104.08821, section 3; Hu et al. 2021, arXiv 2106.09685.
"""

import math
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from models import adapters, encoder, sentences
from models.checks import number, one_of, whole_number
from models.encoder import Encoder
from models.simcse import TEMPERATURE, VARIANTS, simcse_loss

MOST_TOKENS = 64  # of a sentence, [CLS] and [SEP] included, as in Su's runs
MOST_BATCH = 256
MOST_STEPS = 100_000
MOST_RANK = 128
ATTENTION = "simcse_dropout"  # name under which transformers knows our attention


@dataclass(frozen=True)
class Recipe:
    """How to train.

    Attributes:
        variant: "su" or "paper".
        temperature: tau, in [1e-6, 1e6].
        dropout: Of hidden states, in [0, 1).
        attention_dropout: Of attention's weights, in [0, 1).
        batch: N, 2..256; at most as many as there are sentences are taken.
        learning_rate: Of Adam, in (0, 1].
        steps: 1..100000.
        first_layer: Layers below it stay as they are, 0..L-1.
        rank: r of the adapter, 1..128.
        pooling: One of the encoder's.
        same_mask: Whether the second view gets the first one's masks.
        seed: Of the adapter's start, of batches and masks; 0..2^31 - 1.
        cosines_every: Steps between two matrices of cosines; the first and the last have one.
        bfloat16: Whether the network computes in bfloat16 where it can: faster on processors that
            know it, slower on others. Pooling and loss are in single precision in any case.
    """

    variant: str = "su"
    temperature: float = TEMPERATURE
    dropout: float = 0.3
    attention_dropout: float = 0.0
    batch: int = 32
    learning_rate: float = 3e-4
    steps: int = 100
    first_layer: int = 0
    rank: int = 8
    pooling: str = "P1"
    same_mask: bool = False
    seed: int = 0
    cosines_every: int = 10
    bfloat16: bool = False


@dataclass(frozen=True, eq=False)
class Step:
    """What one step did.

    Attributes:
        step: Its number, from 1 on.
        loss: Of its batch before its update, nats.
        cosines: Of the batch's vectors, (2N, 2N), interleaved; None on most steps.
        seconds: Spent in steps so far.
    """

    step: int
    loss: float
    cosines: NDArray[np.float32] | None
    seconds: float


def train(encoder: Encoder | str, texts: Sequence[str], **told: Any) -> "Training":
    """Return a training, an iterator over its steps; nothing is done before the first is asked for.

    Args:
        encoder: An encoder, or its name as `models.encoder.load` takes it.
        texts: At least two different ones, blank ones left out.
        told: Fields of `Recipe`.

    Raises:
        ValueError: If an argument is outside its domain.
        HubError: The encoder cannot be had.
    """
    return Training(encoder, texts, Recipe(**told))


class Training:
    """A training under way: iterate for its steps, stop when you like, ask for what came of it.

    Args:
        source: An encoder, or its name as `models.encoder.load` takes it.
        texts: At least two different ones, blank ones left out.
        recipe: How to train.

    Raises:
        ValueError: If an argument is outside its domain.
        HubError: The encoder cannot be had.
    """

    def __init__(self, source: Encoder | str, texts: Sequence[str], recipe: Recipe) -> None:
        self.source = encoder.load(source) if isinstance(source, str) else source
        self.recipe = _checked(recipe, self.source)
        kept = [text for text in dict.fromkeys(texts) if text.strip()]
        if len(kept) < 2:
            raise ValueError(f"texts must hold at least 2 different sentences, got {len(kept)}")
        self.texts = kept
        self._rows = [self.source.tokens(text, MOST_TOKENS - 2).ids for text in kept]
        self._generator = torch.Generator().manual_seed(recipe.seed)
        self._batches = self._drawn()
        self._network, self._dropouts = _prepared(self.source, self.recipe, self._generator)
        free = [weight for weight in self._network.parameters() if weight.requires_grad]
        self._adam = torch.optim.Adam(free, lr=recipe.learning_rate)
        view = Encoder(self.source.name, self.source.tokenizer, self._network, self.source.pooler)
        self._view = view
        self._steps = self._run()

    def __iter__(self) -> Iterator[Step]:
        """Return itself."""
        return self

    def __next__(self) -> Step:
        """Do a step."""
        return next(self._steps)

    @property
    def n_trained(self) -> int:
        """Number of weights that are trained."""
        return sum(w.numel() for w in self._network.parameters() if w.requires_grad)

    def adapter(self) -> dict[str, Tensor]:
        """Return a copy of what was learnt so far, for `models.adapters.merge`."""
        return adapters.extract(self._network)

    def vectors(self, texts: Sequence[str], pooling: str = "") -> NDArray[np.float32]:
        """Return the vectors of texts by the network as it is now, without dropout, (n, D).

        Args:
            texts: n of them, at least 1.
            pooling: One of the encoder's; "" for the recipe's.
        """
        mode = pooling or self.recipe.pooling
        return np.stack([found[mode] for found in sentences.pooled(self._view, texts)])

    def views(self, texts: Sequence[str]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Return two views of texts under two fresh sets of masks, (n, D) each."""
        rows = [self.source.tokens(text, MOST_TOKENS - 2).ids for text in texts]
        with torch.no_grad():
            first, second = self._two_views(rows)
        return first.numpy(), second.numpy()

    def _run(self) -> Iterator[Step]:
        spent = 0.0
        for step in range(1, self.recipe.steps + 1):
            start = time.monotonic()
            first, second = self._two_views(next(self._batches))
            loss = simcse_loss(first, second, self.recipe.temperature, self.recipe.variant)
            self._adam.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            value = float(loss.detach())
            if math.isfinite(value):
                self._adam.step()
            wanted = step == 1 or step % self.recipe.cosines_every == 0
            last = step == self.recipe.steps or not math.isfinite(value)
            cosines = _cosines(first.detach(), second.detach()) if wanted or last else None
            spent += time.monotonic() - start
            yield Step(step, value, cosines, spent)
            if not math.isfinite(value):
                return

    def _drawn(self) -> Iterator[list[tuple[int, ...]]]:
        """Yield batches for ever: all sentences in a random order, then in another one."""
        size = min(self.recipe.batch, len(self._rows))
        while True:
            order = torch.randperm(len(self._rows), generator=self._generator).tolist()
            for start in range(0, len(order) - size + 1, size):
                yield [self._rows[index] for index in order[start : start + size]]

    def _two_views(self, rows: Sequence[tuple[int, ...]]) -> tuple[Tensor, Tensor]:
        """Return h and h' (n, D) of rows: one pass over the rows twice."""
        ids, mask = self.source.padded([*rows, *rows])
        for dropout in self._dropouts:
            dropout.active = True
        try:
            with torch.autocast("cpu", torch.bfloat16, enabled=self.recipe.bfloat16):
                states = self._view.states(ids, mask)
        finally:
            for dropout in self._dropouts:
                dropout.active = False
        needed = [states[0].float(), states[1].float(), states[-1].float()]
        pooled = pool(needed, mask, self.recipe.pooling, self.source.pooler)
        return pooled[: len(rows)], pooled[len(rows) :]


def _checked(recipe: Recipe, source: Encoder) -> Recipe:
    one_of("variant", recipe.variant, VARIANTS)
    one_of("pooling", recipe.pooling, sentences.poolings_of(source))
    number("temperature", recipe.temperature, 1e-6, 1e6)
    for name in ("dropout", "attention_dropout"):
        if number(name, getattr(recipe, name), 0, 1) == 1:
            raise ValueError(f"{name} must be below 1, got 1")
    if number("learning_rate", recipe.learning_rate, 0, 1) == 0:
        raise ValueError("learning_rate must be above 0, got 0")
    return replace(
        recipe,
        batch=whole_number("batch", recipe.batch, 2, MOST_BATCH),
        steps=whole_number("steps", recipe.steps, 1, MOST_STEPS),
        first_layer=whole_number("first_layer", recipe.first_layer, 0, source.n_layers - 1),
        rank=whole_number("rank", recipe.rank, 1, MOST_RANK),
        seed=whole_number("seed", recipe.seed, 0, 2**31 - 1),
        cosines_every=whole_number("cosines_every", recipe.cosines_every, 1, MOST_STEPS),
    )


def _cosines(first: Tensor, second: Tensor) -> NDArray[np.float32]:
    rows = torch.stack([first, second], dim=1).flatten(0, 1)  # (2N, D), interleaved
    rows = rows / rows.norm(dim=1, keepdim=True).clamp(min=1e-8)
    found: NDArray[np.float32] = (rows @ rows.T).clamp(-1, 1).numpy()
    return found


def pool(
    states: Sequence[Tensor],
    mask: Tensor,
    mode: str,
    pooler: tuple[NDArray[np.float32], NDArray[np.float32]] | None = None,
) -> Tensor:
    """Return one vector per sentence as `models.similarity.pool`, but with gradients, (n, D)."""
    last = states[-1]
    if mode == "P1":
        return last[:, 0]
    if mode == "P2" and pooler is not None:
        kernel, bias = map(torch.from_numpy, pooler)
        return last[:, 0] @ kernel + bias
    weights = (mask / mask.sum(dim=1, keepdim=True)).to(last.dtype)[:, None]  # (n, 1, T)
    mean = (weights @ last)[:, 0]
    return mean if mode == "P3" else (mean + (weights @ states[1])[:, 0]) / 2


# --- Dropout of one's own -------------------------------------------------------------------------


class Dropout(nn.Module):
    """Inverted dropout by a generator of one's own; x goes through unchanged unless active.

    Args:
        p: Share of the numbers set to 0, in [0, 1).
        generator: Of the masks.
        twice: Whether the second half of the rows gets the masks of the first.
    """

    def __init__(self, p: float, generator: torch.Generator, twice: bool) -> None:
        super().__init__()
        self.p, self.twice, self.active = p, twice, False
        self._generator = generator

    def forward(self, x: Tensor) -> Tensor:
        """Return x (rows, ...) with a share p of its numbers 0 and the others over 1 - p."""
        if not self.active or self.p == 0:
            return x
        keep = 1 - self.p
        like = x[: len(x) // 2] if self.twice else x
        drawn = torch.rand(like.shape, generator=self._generator)
        mask = (drawn < keep).to(like.dtype) / keep  # faster than bernoulli_
        return x * (torch.cat([mask, mask]) if self.twice else mask)


def _prepared(
    source: Encoder, recipe: Recipe, generator: torch.Generator
) -> tuple[nn.Module, list[Dropout]]:
    """Return a copy of the network with an adapter to train and dropout of its own."""
    with torch.random.fork_rng(devices=[]):
        network = adapters.adapt(source.network, recipe.rank, recipe.first_layer)
    for name, weight in network.named_parameters():
        if name.endswith(adapters.DOWN):
            nn.init.kaiming_uniform_(weight, a=5**0.5, generator=generator)
    found = []
    for name, module in list(network.named_modules()):
        if isinstance(module, nn.Dropout):
            inner = name.endswith("attention.self.dropout")
            rate = recipe.attention_dropout if inner else recipe.dropout
            found.append(Dropout(rate, generator, recipe.same_mask))
            network.get_submodule(name.rpartition(".")[0]).add_module("dropout", found[-1])
    config: Any = network.config
    if recipe.attention_dropout and config.model_type != "roformer":  # which calls its own dropout
        _register_attention()
        config._attn_implementation = ATTENTION
    return network, found


def _register_attention() -> None:
    from transformers import AttentionInterface, AttentionMaskInterface
    from transformers.masking_utils import eager_mask

    AttentionInterface.register(ATTENTION, attention)
    AttentionMaskInterface.register(ATTENTION, eager_mask)


def attention(
    module: nn.Module,
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attention_mask: Tensor | None,
    **told: Any,
) -> tuple[Tensor, Tensor]:
    """Return softmax(q k^T/sqrt(d)) v with the module's own dropout on the weights.

    Args:
        module: With an attribute dropout.
        query: (n, heads, T, d).
        key: (n, heads, T, d).
        value: (n, heads, T, d).
        attention_mask: Added to the logits.
        told: What else transformers passes; not needed.

    Returns:
        The mixed values (n, T, heads, d) and the weights (n, heads, T, T).
    """
    logits = query @ key.transpose(2, 3) * query.shape[-1] ** -0.5
    if attention_mask is not None:
        logits = logits + attention_mask
    drop: Any = module.dropout
    weights: Tensor = drop(logits.softmax(dim=-1))
    return (weights @ value).transpose(1, 2).contiguous(), weights
