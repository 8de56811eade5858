"""Contrastive losses of SimCSE: Su's over all 2N rows, the paper's over N, and their gradients.

N sentences pass the encoder twice under two dropout masks and give h_i, h_i'. With s = cos/tau:
    su     rows and columns are all 2N vectors, interleaved h_1, h_1', h_2, h_2', ...; a row's
           positive is its neighbour r ^ 1 (r xor 1), and it is no candidate to itself:
           l_r = ln sum_{c != r} e^(s_rc) - s_(r, r^1)
    paper  rows h_i, columns h_j', the positive on the diagonal:  l_i = ln sum_j e^(s_ij) - s_ii
    loss = mean of l over the rows;  p = softmax of a row
    d l_r / d cos_rc = (p_rc - [c is the positive])/tau
    d cos(h, g) / d h = (g/|g| - cos(h, g) h/|h|)/|h|, orthogonal to h

Shapes: views (N, d) each; logits (m, m) with m = 2N for su, N for paper. Units: nats.
Convention: the post writes the sum over rows, its code the mean; here it is the mean. Su's code
takes 1e12 off a row's logit with itself, here that logit is minus infinity. tau = 1/20 in both.
Lengths are floored at 1e-8 as in `models.similarity`.

Source: Su Jianlin, 2021, kexue.fm/archives/8348, github.com/bojone/SimCSE (su). Gao, Yao and Chen
2021, arXiv 2104.08821, eq. 4 (paper). Su Jianlin, 2022, kexue.fm/archives/8847 (CoSENT).
"""

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike, NDArray

from models.checks import number, one_of, whole_number
from models.similarity import NORM_FLOOR, Floats, as_floats, same_shape, unit

if TYPE_CHECKING:
    import torch

VARIANTS = ("su", "paper")
TEMPERATURE = 0.05
MIN_TEMPERATURE, MAX_TEMPERATURE = 1e-6, 1e6


@dataclass(frozen=True, eq=False)
class Contrast:
    """A batch under the loss, with all that a picture of it needs.

    Attributes:
        cosines: Of rows with columns, (m, m).
        logits: cosines/tau; minus infinity where a row meets itself (su), (m, m).
        positives: Column of each row's positive, (m,).
        row_losses: l of each row, nats, (m,).
        temperature: tau.
        variant: One of `VARIANTS`.
    """

    cosines: Floats
    logits: Floats
    positives: NDArray[np.intp]
    row_losses: Floats
    temperature: float
    variant: str

    @property
    def loss(self) -> float:
        """Mean over the rows, nats."""
        return float(self.row_losses.mean())

    @property
    def probabilities(self) -> Floats:
        """Softmax of each row, (m, m): the share of the denominator each candidate holds."""
        peaks = np.exp(self.logits - self.logits.max(axis=1, keepdims=True))
        return np.asarray(peaks / peaks.sum(axis=1, keepdims=True))

    @property
    def similarity_gradient(self) -> Floats:
        """Of each row's loss by its cosines, (p - [positive])/tau, (m, m): rows sum to 0."""
        slopes = self.probabilities
        slopes[np.arange(len(slopes)), self.positives] -= 1
        return slopes / self.temperature

    @property
    def accuracy(self) -> float:
        """Share of rows whose positive is the nearest candidate (of equals, the first)."""
        return float((self.logits.argmax(axis=1) == self.positives).mean())


def contrast(
    first: ArrayLike, second: ArrayLike, temperature: float = TEMPERATURE, variant: str = "su"
) -> Contrast:
    """Return the loss of two views and what it is made of.

    Args:
        first: One view of N sentences, (N, d).
        second: The other, (N, d).
        temperature: tau, in [1e-6, 1e6].
        variant: One of `VARIANTS`.

    Raises:
        ValueError: If the views differ in shape or an argument is outside its domain.
    """
    one, other = _views(first, second)
    tau = _temperature(temperature)
    if one_of("variant", variant, VARIANTS) == "su":
        rows = columns = unit(interleave(one, other))
    else:
        rows, columns = unit(one), unit(other)
    cosines = np.clip(rows @ columns.T, -1, 1)
    logits = cosines / tau
    if variant == "su":
        np.fill_diagonal(logits, -math.inf)
    positives = positive_columns(len(one), variant)
    own = (np.arange(len(logits)), positives)
    gaps = logits - logits[own][:, None]
    gaps[own] = -math.inf  # its gap of 0 is the start: a sum from 0 keeps losses far below 1e-16
    row_losses = np.logaddexp.reduce(gaps, axis=1, initial=0.0)
    return Contrast(cosines, logits, positives, row_losses, tau, variant)


def interleave(first: ArrayLike, second: ArrayLike) -> Floats:
    """Return Su's batch h_1, h_1', h_2, h_2', ..., (2N, d).

    Raises:
        ValueError: If the views differ in shape.
    """
    one, other = _views(first, second)
    return np.stack([one, other], axis=1).reshape(2 * len(one), -1)


def positive_columns(n_sentences: float, variant: str = "su") -> NDArray[np.intp]:
    """Return the column of each row's positive: r ^ 1 for su, (2N,), i for paper, (N,).

    Raises:
        ValueError: If an argument is outside its domain.
    """
    n = whole_number("n_sentences", n_sentences, 1, 2**31)
    is_su = one_of("variant", variant, VARIANTS) == "su"
    return np.arange(2 * n) ^ 1 if is_su else np.arange(n)


def collapse_loss(n_sentences: float, variant: str = "su") -> float:
    """Return the loss when all vectors are one: ln(2N - 1) for su, ln N for paper, in nats.

    Raises:
        ValueError: If an argument is outside its domain.
    """
    n = whole_number("n_sentences", n_sentences, 1, 2**31)
    return math.log(2 * n - 1 if one_of("variant", variant, VARIANTS) == "su" else n)


def gradient(
    first: ArrayLike, second: ArrayLike, temperature: float = TEMPERATURE, variant: str = "su"
) -> tuple[Floats, Floats]:
    """Return the gradient of the loss by the first and by the second view, (N, d) each.

    Raises:
        ValueError: If the views differ in shape or an argument is outside its domain.
    """
    one, other = _views(first, second)
    slopes = contrast(one, other, temperature, variant).similarity_gradient
    slopes = slopes / len(slopes)
    if variant == "su":
        batch = interleave(one, other)
        both = through_unit(batch, (slopes + slopes.T) @ unit(batch))
        return both[0::2], both[1::2]
    return (through_unit(one, slopes @ unit(other)), through_unit(other, slopes.T @ unit(one)))


def through_unit(vectors: ArrayLike, slopes: ArrayLike) -> Floats:
    """Return the gradient by vectors h of a function whose gradient by u = h/max(|h|, 1e-8) is g.

    It is (g - (g.u) u)/|h|, orthogonal to h; g/1e-8 where h is shorter than the floor.

    Args:
        vectors: h, (n, d).
        slopes: g, (n, d).

    Raises:
        ValueError: If the two differ in shape.
    """
    h, g = _views(vectors, slopes, ("vectors", "slopes"))
    lengths = np.sqrt(np.einsum("nd,nd->n", h, h))[:, None]
    u = unit(h)
    along = np.where(lengths > NORM_FLOOR, np.einsum("nd,nd->n", g, u)[:, None], 0.0)
    return np.asarray((g - along * u) / np.maximum(lengths, NORM_FLOOR))


def cosine_gradient(vector: ArrayLike, other: ArrayLike) -> Floats:
    """Return the gradient of cos(h, g) by h, (d,): it turns h towards g and keeps its length.

    Raises:
        ValueError: If the two are not vectors of one dimension.
    """
    h, g = as_floats("vector", vector, 1)[None], as_floats("other", other, 1)[None]
    return np.asarray(through_unit(h, unit(g))[0])


def cosent_loss(cosines: ArrayLike, labels: ArrayLike, scale: float = 20.0) -> float:
    """Return ln(1 + sum e^(scale (cos_l - cos_k))) over pairs k, l with label k above l, nats.

    Args:
        cosines: Of n sentence pairs, (n,).
        labels: Of the same, (n,); only their order counts.
        scale: 1/tau.

    Raises:
        ValueError: If they are not as many or scale is not in [0, 1e6].
    """
    given = as_floats("cosines", cosines, 1).astype(np.float64)
    marks = as_floats("labels", labels, 1)
    if given.size != marks.size or given.size == 0:
        raise ValueError(f"cosines and labels must be as many, got {given.size} and {marks.size}")
    factor = number("scale", scale, 0, MAX_TEMPERATURE)
    gaps = factor * (given[None] - given[:, None])[marks[:, None] > marks[None]]
    return float(np.logaddexp.reduce(gaps, initial=0.0))


def dropout_relative_variance(rate: float) -> float:
    """Return p/(1 - p): variance of a number over its square, under inverted dropout.

    Raises:
        ValueError: If p is not in [0, 1).
    """
    p = number("rate", rate, 0, 1)
    if p == 1:
        raise ValueError("rate must be below 1, got 1")
    return p / (1 - p)


def simcse_loss(
    z1: "torch.Tensor", z2: "torch.Tensor", temperature: float = TEMPERATURE, variant: str = "su"
) -> "torch.Tensor":
    """Return the same loss of two views as a torch scalar, to train by.

    Args:
        z1: One view, floats (N, d).
        z2: The other, (N, d).
        temperature: tau, in [1e-6, 1e6].
        variant: One of `VARIANTS`.

    Raises:
        ValueError: If the views differ in shape or an argument is outside its domain.
    """
    tau = _temperature(temperature)
    is_su = one_of("variant", variant, VARIANTS) == "su"
    if z1.ndim != 2 or z1.shape != z2.shape or z1.numel() == 0:
        raise ValueError(
            f"z1 and z2 must both be (N, d), got {tuple(z1.shape)} and {tuple(z2.shape)}"
        )
    one, other = (z / z.norm(dim=1, keepdim=True).clamp(min=NORM_FLOOR) for z in (z1, z2))
    positive = (one * other).sum(dim=1).mean() / tau  # the same for both rows of a sentence
    if is_su:
        n, d = one.shape
        rows = columns = one.new_zeros(2 * n, d)
        rows[0::2], rows[1::2] = one, other
        itself = rows.new_ones(2 * n).diag_embed().bool()
    else:
        rows, columns = one, other
        itself = rows.new_zeros(len(one), len(one)).bool()
    logits = (rows @ columns.T / tau).masked_fill(itself, -math.inf)  # (m, m)
    loss: torch.Tensor = logits.logsumexp(dim=1).mean() - positive
    return loss


def _views(
    first: ArrayLike, second: ArrayLike, names: tuple[str, str] = ("first", "second")
) -> tuple[Floats, Floats]:
    one, other = same_shape(first, second, names)
    return one.astype(np.float64, copy=False), other.astype(np.float64, copy=False)


def _temperature(value: float) -> float:
    return number("temperature", value, MIN_TEMPERATURE, MAX_TEMPERATURE)
