"""The scorers of spans as networks: GlobalPointer, its efficient form, and a BIO-CRF beside them.

What they compute is defined in `models.global_pointer` and `models.crf`; here it is for batches and
can be trained. Cells below the diagonal and of padding get -inf.

Shapes: h (B, n, D) hidden states without [CLS] and [SEP]; mask (B, n) bool; m types; d head size;
scores (B, m, n, n), rows are starts, columns ends, both inclusive; K = 2m + 1 tags O, B-1, I-1, ...

Source: Su Jianlin 2021 and 2022, kexue.fm/archives/8373, 8877 (scores), 7359 (loss); Su et al.
2022, arXiv 2208.03054, 2208.02955; Lafferty et al. 2001 (CRF).
"""

import math

import torch
from torch import Tensor, nn

HEAD_DIM = 64
BASE = 10_000.0


def rotate(x: Tensor) -> Tensor:
    """Return x (B, n, ..., d) turned by its position: RoPE on pairs (2c, 2c + 1)."""
    n, d = x.shape[1], x.shape[-1]
    rates = BASE ** (-torch.arange(0, d, 2, dtype=torch.float32) / d)
    angles = torch.arange(n, dtype=torch.float32)[:, None] * rates
    angles = angles.view(1, n, *[1] * (x.ndim - 3), d // 2)
    even, odd = x[..., ::2].float(), x[..., 1::2].float()
    turned = (even * angles.cos() - odd * angles.sin(), odd * angles.cos() + even * angles.sin())
    return torch.stack(turned, dim=-1).flatten(-2)


def masked(scores: Tensor, mask: Tensor) -> Tensor:
    """Return scores (B, m, n, n) with -inf below the diagonal and where a token is padding."""
    cells = (mask[:, :, None] & mask[:, None, :]).triu()
    return scores.masked_fill(~cells[:, None], -math.inf)


class GlobalPointer(nn.Module):
    """One query and one key per type: 2 D d m weights.

    Args:
        n_features: D.
        n_types: m.
        rope: Whether the score knows the distance.
        head_dim: d, even.
    """

    def __init__(self, n_features: int, n_types: int, rope: bool, head_dim: int = HEAD_DIM) -> None:
        super().__init__()
        self.n_types, self.rope, self.head_dim = n_types, rope, head_dim
        self.dense = nn.Linear(n_features, 2 * head_dim * n_types)

    def forward(self, h: Tensor, mask: Tensor) -> Tensor:
        """Return scores (B, m, n, n)."""
        both = self.dense(h).float().unflatten(-1, (self.n_types, 2, self.head_dim))
        q, k = both.unbind(3)  # (B, n, m, d) each
        if self.rope:
            q, k = rotate(q), rotate(k)
        scores = q.transpose(1, 2) @ k.permute(0, 2, 3, 1) / math.sqrt(self.head_dim)
        return masked(scores, mask)


class Efficient(nn.Module):
    """One shared query and key, and per type what start and end add: 2 D d + 4 d m weights.

    Args:
        n_features: D.
        n_types: m.
        rope: Whether the shared score knows the distance.
        head_dim: d, even.
    """

    def __init__(self, n_features: int, n_types: int, rope: bool, head_dim: int = HEAD_DIM) -> None:
        super().__init__()
        self.n_types, self.rope, self.head_dim = n_types, rope, head_dim
        self.dense = nn.Linear(n_features, 2 * head_dim)
        self.bias = nn.Linear(2 * head_dim, 2 * n_types)

    def parts(self, h: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Return what the score is the sum of: shared (B, n, n), start and end (B, m, n)."""
        both = self.dense(h).float()
        end, start = (self.bias(both).float().transpose(1, 2) / 2).unflatten(1, (-1, 2)).unbind(2)
        q, k = both[..., ::2], both[..., 1::2]
        if self.rope:
            q, k = rotate(q), rotate(k)
        return q @ k.transpose(1, 2) / math.sqrt(self.head_dim), start, end

    def forward(self, h: Tensor, mask: Tensor) -> Tensor:
        """Return scores (B, m, n, n)."""
        shared, start, end = self.parts(h)
        return masked(shared[:, None] + start[..., None] + end[:, :, None, :], mask)


class CRF(nn.Module):
    """Emissions (B, n, K) and transitions between BIO tags.

    Args:
        n_features: D.
        n_types: m.
    """

    def __init__(self, n_features: int, n_types: int) -> None:
        super().__init__()
        n_tags = 2 * n_types + 1
        self.dense = nn.Linear(n_features, n_tags)
        self.transitions = nn.Parameter(torch.zeros(n_tags, n_tags))  # [from, to]

    def forward(self, h: Tensor, mask: Tensor) -> Tensor:
        """Return emissions (B, n, K); padding is left to the caller."""
        emissions: Tensor = self.dense(h)
        return emissions.float()

    def loss(self, emissions: Tensor, tags: Tensor, mask: Tensor) -> Tensor:
        """Return log Z minus the score of the true path, (B,), in nats.

        Args:
            emissions: (B, n, K).
            tags: True tags (B, n).
            mask: (B, n), true at each row's beginning.
        """
        rows = torch.arange(len(tags))
        total = emissions[:, 0]
        path = emissions[rows, 0, tags[:, 0]]
        for t in range(1, emissions.shape[1]):
            step = torch.logsumexp(total[:, :, None] + self.transitions, dim=1) + emissions[:, t]
            total = torch.where(mask[:, t, None], step, total)
            gain = emissions[rows, t, tags[:, t]] + self.transitions[tags[:, t - 1], tags[:, t]]
            path = path + torch.where(mask[:, t], gain, 0)
        return torch.logsumexp(total, dim=1) - path


def make(kind: str, n_features: int, n_types: int) -> nn.Module:
    """Return a new head.

    Raises:
        ValueError: If the kind is not egp, gp, egp_bare, gp_bare (bare: without RoPE) or crf.
    """
    match kind:
        case "gp" | "gp_bare":
            return GlobalPointer(n_features, n_types, rope=kind == "gp")
        case "egp" | "egp_bare":
            return Efficient(n_features, n_types, rope=kind == "egp")
        case "crf":
            return CRF(n_features, n_types)
    raise ValueError(f"kind must be egp, gp, egp_bare, gp_bare or crf, got {kind!r}")


def zlpr(scores: Tensor, positive: Tensor) -> Tensor:
    """Return log(1 + sum over negatives e^s) + log(1 + sum over positives e^-s), (B, m), in nats.

    Args:
        scores: (B, m, n, n), -inf where a cell does not count.
        positive: The true spans, bool (B, m, n, n).
    """
    flat, true = scores.flatten(2), positive.flatten(2)
    zero = flat.new_zeros(*flat.shape[:2], 1)
    negative = torch.cat([flat.masked_fill(true, -math.inf), zero], dim=-1)
    inverse = torch.cat([(-flat).masked_fill(~true, -math.inf), zero], dim=-1)
    return torch.logsumexp(negative, dim=-1) + torch.logsumexp(inverse, dim=-1)
