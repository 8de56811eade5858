"""One sentence under several dropout masks: the views that SimCSE calls a sentence's own.

Inverted dropout at rate p takes x to y = m x/(1 - p), m = 0 with probability p, else 1, so that
    E y = x,  Var y = p/(1 - p) x^2.
An encoder drops after its embeddings, after each attention's and each block's last layer (hidden
dropout) and among the attention's probabilities; two passes differ by their masks alone.

Shapes: V views of one text of n tokens; D features; vectors (V, D).
Convention: every view has a stream of random numbers of its own, from (seed, number of the view),
so that a view does not depend on how many others there are, and nothing else draws from it.
All views have the same tokens, so no padding is needed.

Importing this module imports torch.

Source: Srivastava et al. 2014, "Dropout". Gao, Yao and Chen 2021, arXiv 2104.08821, section 3
(two masks as two views). Su Jianlin, 2021, kexue.fm/archives/8348 (p = 0.3 on hidden states).
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from models import adapters
from models.checks import number, whole_number
from models.encoder import Encoder
from models.similarity import pool

ATTENTION = 0.1  # dropout of the attention's probabilities in the checkpoints
HIGHEST = 0.9  # rate
MOST_VIEWS = 256


@dataclass(frozen=True, eq=False)
class Views:
    """A sentence under V masks.

    Attributes:
        vectors: Pooled, (V, D).
        before: What the first dropout was given, (n + 2, D): the embeddings.
        after: What it made of it under each mask, (V, n + 2, D).
    """

    vectors: NDArray[np.float32]
    before: NDArray[np.float32]
    after: NDArray[np.float32]

    @property
    def dropped(self) -> float:
        """Share of the first activations that a mask set to 0; those that were 0 do not count."""
        alive = np.broadcast_to(self.before != 0, self.after.shape)
        return float((self.after[alive] == 0).mean())

    @property
    def relative_variance(self) -> float:
        """Mean of ((y - x)/x)^2 over the first activations and masks; p/(1 - p) is expected."""
        alive = self.before != 0
        x = self.before[alive].astype(np.float64)
        return float(np.mean(((self.after[:, alive] - x) / x) ** 2))

    @property
    def n_draws(self) -> int:
        """Number of draws behind these two means."""
        return int((self.before != 0).sum()) * len(self.after)


def relative_variance_error(rate: float, n_draws: int) -> float:
    """Return the standard error of the measured relative variance over independent draws.

    ((y - x)/x)^2 is 1 with probability p, else r^2 with r = p/(1 - p).

    Args:
        rate: p, in [0, 0.9].
        n_draws: At least 1.

    Raises:
        ValueError: If an argument is outside its domain.
    """
    p = number("rate", rate, 0, HIGHEST)
    n = whole_number("n_draws", n_draws, 1, 2**53)
    r = p / (1 - p)
    return math.sqrt(max(p + (1 - p) * r**4 - r**2, 0.0) / n)


class Mask(nn.Module):
    """Inverted dropout in which every row draws from its own stream.

    Args:
        rate: p.
        streams: One for each row.
    """

    def __init__(self, rate: float, streams: Sequence[torch.Generator]) -> None:
        super().__init__()
        self.rate, self.streams = rate, streams
        self.p = 0.0  # asked by the attention of the library: it shall not drop by itself
        self.seen: tuple[Tensor, Tensor] | None = None

    def forward(self, x: Tensor) -> Tensor:
        """Return x (V, ...) with a share of each row set to 0 and the rest made larger."""
        y = x
        if self.rate:
            kept = [
                torch.rand(x.shape[1:], generator=stream) >= self.rate for stream in self.streams
            ]
            y = x * torch.stack(kept) / (1 - self.rate)
        self.seen = (x, y)
        return y


class Attention(nn.Module):
    """Attention of a BERT or an ELECTRA, rows without padding, its weights dropped by a `Mask`.

    The library drops them by torch's common stream, which other visitors' work draws from too.

    Args:
        own: The library's attention.
        dropout: Applied to the probabilities.
    """

    def __init__(self, own: nn.Module, dropout: Mask) -> None:
        super().__init__()
        self.query, self.key, self.value = map(own.get_submodule, ("query", "key", "value"))
        self.n_heads, self.size = int(own.num_attention_heads), int(own.attention_head_size)  # type: ignore[arg-type]
        self.dropout = dropout

    def forward(self, hidden_states: Tensor, *_: object, **__: object) -> tuple[Tensor, None]:
        """Return (V, n + 2, D) and nothing."""
        q, k, v = (
            part(hidden_states).unflatten(-1, (self.n_heads, self.size)).transpose(1, 2)
            for part in (self.query, self.key, self.value)
        )  # (V, heads, n + 2, size)
        shares = self.dropout((q @ k.transpose(2, 3) / self.size**0.5).softmax(dim=-1))
        return (shares @ v).transpose(1, 2).flatten(2), None


def views(
    encoder: Encoder,
    text: str,
    streams: Sequence[int],
    *,
    hidden: float = 0.1,
    attention: float = ATTENTION,
    pooling: str = "P1",
    seed: int = 0,
) -> Views:
    """Return a sentence's vectors under several masks; the encoder stays as it is.

    Args:
        encoder: A BERT, an ELECTRA or a RoFormer.
        text: Any.
        streams: Numbers of the masks, V of them, 1..256; equal numbers are equal masks.
        hidden: p of the hidden states, in [0, 0.9].
        attention: p of the attention's probabilities, in [0, 0.9].
        pooling: One of `models.similarity.POOLINGS`.
        seed: Of all masks.

    Raises:
        ValueError: If an argument is outside its domain or the encoder has no such pooling.
    """
    number("hidden", hidden, 0, HIGHEST), number("attention", attention, 0, HIGHEST)
    whole_number("number of streams", len(streams), 1, MOST_VIEWS)
    generators = [_stream(seed, stream) for stream in streams]
    network = noisy(encoder.network, hidden, attention, generators)
    ids, mask = encoder.padded([encoder.tokens(text).ids] * len(streams))
    with torch.inference_mode():
        out = network(input_ids=ids, attention_mask=mask, output_hidden_states=True)
        needed = [out.hidden_states[at].numpy() for at in (0, 1, -1)]
    first = network.get_submodule("embeddings.dropout")
    assert isinstance(first, Mask) and first.seen is not None
    before, after = (values.numpy() for values in first.seen)
    vectors = pool(needed, mask.numpy(), pooling, encoder.pooler).astype(np.float32, copy=False)
    return Views(vectors, before[0], after)


def noisy(
    network: nn.Module, hidden: float, attention: float, streams: Sequence[torch.Generator]
) -> nn.Module:
    """Return a copy of a network, its weights shared, that drops by the given streams.

    Args:
        network: A BERT, an ELECTRA or a RoFormer of the library.
        hidden: p of the hidden states.
        attention: p of the attention's probabilities.
        streams: One for each row it will be given.
    """
    copied = adapters.merge(network, {})
    for name, module in list(copied.named_modules()):
        if isinstance(module, nn.Dropout):
            among = name.endswith("attention.self.dropout")
            _put(copied, name, Mask(attention if among else hidden, streams))
    for name, module in list(copied.named_modules()):
        if name.endswith("attention.self") and hasattr(module, "scaling"):  # not RoFormer's
            dropout = module.dropout
            assert isinstance(dropout, Mask)
            _put(copied, name, Attention(module, dropout))
    return copied


def _put(network: nn.Module, name: str, module: nn.Module) -> None:
    holder, _, last = name.rpartition(".")
    setattr(network.get_submodule(holder), last, module)


def _stream(seed: int, number_: int) -> torch.Generator:
    mixed = np.random.SeedSequence([seed, number_]).generate_state(1, np.uint64)
    return torch.Generator().manual_seed(int(mixed[0] >> np.uint64(1)))
