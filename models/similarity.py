"""Similarity of sentence vectors: pooling, cosines, how they agree with people, how they spread.

    sim(a, b)  = a.b / (max(|a|, 1e-8) max(|b|, 1e-8))
    score      = 100 x Spearman(labels, sim), ties given their average rank
    alignment  = E |u - u+|^2 over positive pairs,  uniformity = ln E_{i<j} exp(-2 |u_i - u_j|^2)
with u the unit vectors. Labels with ties keep the score of any untied prediction at or below
    sqrt(1 - sum_t (t^3 - t)/(n^3 - n)),  t the sizes of the groups of equal labels,
which for labels 0 and 1 with share p of ones is sqrt(3p(1-p)) up to n^2/(n^2 - 1) under the root.

Shapes: n sentences or pairs, d dimensions, T tokens, L blocks; vectors (n, d), labels and scores
(n,), hidden states (L + 1, n, T, d). Units: dimensionless; uniformity in nats.
Convention: blocks count from 1, hidden state 0 is the embedding layer. The "first" of P4 is
block 1, not the embedding layer. Tokens include [CLS] and [SEP] and exclude padding. Alignment and
uniformity take unit vectors of what they are given; uniformity and the mean cosine run over
distinct pairs. float32 stays float32; float16 and integers become float64.

Source: Su Jianlin, 2021, kexue.fm/archives/8348 (pooling P1..P4, after 8321), and eval.py of
github.com/bojone/SimCSE (floor 1e-8, w-avg). Wang and Isola 2020, arXiv 2005.10242 (alignment,
uniformity). Gao, Yao and Chen 2021, arXiv 2104.08821, figures 2, 3, G.1. Ceilings: derived here.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from models.checks import number, one_of, whole_number

Floats = NDArray[np.float64]
Array = NDArray[Any]  # float64, or float32 for what comes from an encoder: in as out

NORM_FLOOR = 1e-8
POOLINGS = ("P1", "P2", "P3", "P4")
POOLING_NAMES = {"P1": "cls", "P2": "pooler", "P3": "last-avg", "P4": "first-last-avg"}
MAX_GROUPS = 32  # of labels in one histogram
_LIMIT = {np.dtype(np.float32): 1e15, np.dtype(np.float64): 1e150}  # squares must stay finite
_BLOCK = 2**22  # cells of a cosine matrix held at once


# --- Checks ---------------------------------------------------------------------------------------


def as_floats(name: str, values: ArrayLike, ndim: int) -> Array:
    """Return an array of real numbers; float32 stays float32, all else becomes float64.

    Raises:
        ValueError: If a value is no finite real number of moderate size (1e15 in float32, 1e150 in
            float64), or the number of axes is not ndim.
    """
    given = np.asarray(values)
    if given.dtype.kind not in "buif":
        raise ValueError(f"{name} must be real numbers, got dtype {given.dtype}")
    if given.ndim != ndim:
        raise ValueError(f"{name} must have {ndim} axes, got shape {given.shape}")
    array = given if given.dtype == np.float32 else given.astype(np.float64, copy=False)
    limit = _LIMIT[array.dtype]
    if array.size and not (array.min() >= -limit and array.max() <= limit):
        where = tuple(int(i) for i in np.argwhere(~(np.abs(array) <= limit))[0])
        raise ValueError(
            f"{name} must be finite and below {limit:g}, got {array[where]} at {where}"
        )
    return array


def as_vectors(name: str, values: ArrayLike, least: int = 1) -> Array:
    """Return vectors (n, d), n of at least `least`, d of at least 1.

    Raises:
        ValueError: If the numbers or the shape are outside that.
    """
    array = as_floats(name, values, 2)
    if len(array) < least or array.shape[1] < 1:
        raise ValueError(f"{name} must be (n, d), n >= {least}, d >= 1, got shape {array.shape}")
    return array


def _series(name: str, values: ArrayLike, least: int = 1) -> Floats:
    array = as_floats(name, values, 1).astype(np.float64, copy=False)
    if array.size < least:
        raise ValueError(f"{name} must hold at least {least} numbers, got {array.size}")
    return array


def _paired(
    first_name: str, first: ArrayLike, second_name: str, second: ArrayLike, least: int
) -> tuple[Floats, Floats]:
    one, other = _series(first_name, first, least), _series(second_name, second, least)
    if one.size != other.size:
        raise ValueError(
            f"{first_name} and {second_name} must be as many, got {one.size} and {other.size}"
        )
    return one, other


def same_shape(
    first: ArrayLike, second: ArrayLike, names: tuple[str, str] = ("first", "second")
) -> tuple[Array, Array]:
    """Return two sets of vectors (n, d) that belong together row by row.

    Raises:
        ValueError: If a number is outside its domain or the shapes differ.
    """
    one, other = as_vectors(names[0], first), as_vectors(names[1], second)
    if one.shape != other.shape:
        raise ValueError(
            f"{names[0]} and {names[1]} must agree in shape, got {one.shape}, {other.shape}"
        )
    return one, other


# --- Pooling --------------------------------------------------------------------------------------


def pool(
    hidden_states: Array | Sequence[ArrayLike],
    mask: ArrayLike,
    mode: str,
    pooler: tuple[ArrayLike, ArrayLike] | None = None,
) -> Array:
    """Return one vector per sentence from an encoder's hidden states, (n, d).

    P1: token 0 of the last block. P2: P1 times the pooler's kernel plus its bias, without tanh.
    P3: mean over tokens of the last block. P4: mean of that and the same of block 1.

    Args:
        hidden_states: Embedding layer, then the output of each block after its final norm,
            (L + 1, n, T, d) with L of at least 1.
        mask: True at tokens, False at padding, (n, T); padding stands on the right.
        mode: One of `POOLINGS`.
        pooler: Kernel (d, d') and bias (d',), needed by P2 alone.

    Raises:
        ValueError: If a shape is off, a sentence has no token 0, or P2 has no pooler.
    """
    one_of("mode", mode, POOLINGS)
    if len(hidden_states) < 2:
        raise ValueError("hidden_states must hold the embedding layer and at least one block")
    last = as_floats("hidden_states[-1]", hidden_states[-1], 3)
    kept = np.asarray(mask).astype(bool)
    if kept.shape != last.shape[:2] or last.size == 0:
        raise ValueError(
            f"mask must be (n, T) of hidden states {last.shape}, none empty, got {kept.shape}"
        )
    if not kept[:, 0].all():
        row = int(np.flatnonzero(~kept[:, 0])[0])
        raise ValueError(f"mask must be True at token 0 of each sentence, got False at {row}")
    if mode == "P1":
        return np.ascontiguousarray(last[:, 0])
    if mode == "P2":
        return _dense(last[:, 0], pooler)
    if mode == "P3":
        return _token_mean(last, kept)
    first = as_floats("hidden_states[1]", hidden_states[1], 3)
    if first.shape != last.shape:
        raise ValueError(f"blocks must agree in shape, got {first.shape} and {last.shape}")
    return np.asarray((_token_mean(first, kept) + _token_mean(last, kept)) / 2)


def _token_mean(states: Array, kept: NDArray[np.bool_]) -> Array:
    weights = kept / kept.sum(axis=1, keepdims=True)
    return np.asarray((weights.astype(states.dtype)[:, None] @ states)[:, 0])


def _dense(vectors: Array, pooler: tuple[ArrayLike, ArrayLike] | None) -> Array:
    if pooler is None:
        raise ValueError("pooler must be given for mode P2, got None")
    kernel, bias = as_floats("pooler kernel", pooler[0], 2), as_floats("pooler bias", pooler[1], 1)
    if kernel.shape != (vectors.shape[1], bias.size):
        raise ValueError(
            f"pooler must be ({vectors.shape[1]}, d') and (d',), got {kernel.shape}, {bias.shape}"
        )
    return np.asarray(vectors @ kernel + bias)


# --- Cosines --------------------------------------------------------------------------------------


def unit(vectors: ArrayLike) -> Array:
    """Return vectors over max(length, 1e-8), (n, d); the zero vector stays zero."""
    given = as_vectors("vectors", vectors)
    lengths = np.sqrt(np.einsum("nd,nd->n", given, given))
    return np.asarray(given / np.maximum(lengths, given.dtype.type(NORM_FLOOR))[:, None])


def cosine_matrix(vectors: ArrayLike, others: ArrayLike | None = None) -> Array:
    """Return the cosine of each of n vectors with each of m others (or of their own), (n, m).

    A zero vector has cosine 0 with everything, itself included.

    Raises:
        ValueError: If the vectors are not (n, d) and (m, d).
    """
    rows = unit(vectors)
    columns = rows if others is None else unit(others)
    if rows.shape[1] != columns.shape[1]:
        raise ValueError(f"others must have d = {rows.shape[1]}, got {columns.shape[1]}")
    cosines: Array = rows @ columns.T
    return np.asarray(cosines.clip(-1, 1))


def pair_cosines(first: ArrayLike, second: ArrayLike) -> Array:
    """Return the cosine of each first vector with its second, (n,).

    Raises:
        ValueError: If the two differ in shape.
    """
    one, other = same_shape(first, second)
    return np.asarray(np.einsum("nd,nd->n", unit(one), unit(other)).clip(-1, 1))


def mean_cosine(vectors: ArrayLike) -> float:
    """Return the mean cosine over distinct pairs: 1 when all point one way, -1/(n-1) at least.

    Raises:
        ValueError: If there are fewer than two vectors.
    """
    units = unit(as_vectors("vectors", vectors, least=2)).astype(np.float64)
    total, n = units.sum(axis=0), len(units)
    return float((total @ total - np.einsum("nd,nd->", units, units)) / (n * (n - 1)))


def alignment(first: ArrayLike, second: ArrayLike) -> float:
    """Return the mean squared distance of positive pairs on the unit sphere: 0 best, 4 worst.

    Raises:
        ValueError: If the two differ in shape.
    """
    one, other = same_shape(first, second)
    apart = unit(one).astype(np.float64) - unit(other)
    return float(np.einsum("nd,nd->", apart, apart) / len(apart))


def uniformity(vectors: ArrayLike, sharpness: float = 2.0) -> float:
    """Return ln of the mean of exp(-t |u - v|^2) over distinct pairs, in nats; lower is more even.

    Pairs are summed block by block, so memory stays bounded for any n.

    Args:
        vectors: Vectors (n, d), n of at least 2.
        sharpness: t, in [0, 1000]; 2 in the literature.

    Returns:
        0 for equal vectors, -4t for two opposite ones, about -2t for even ones in many dimensions.

    Raises:
        ValueError: If an argument is outside its domain.
    """
    units = unit(as_vectors("vectors", vectors, least=2)).astype(np.float64)
    t, n = number("sharpness", sharpness, 0, 1000), len(units)
    squares = np.einsum("nd,nd->n", units, units)
    step, sums = max(1, _BLOCK // n), []
    for start in range(0, n, step):
        rows = slice(start, start + step)
        gaps = squares[rows, None] + squares[start:] - 2 * (units[rows] @ units[start:].T)
        exponents = -t * np.maximum(gaps, 0)
        exponents[np.tril_indices(len(gaps), m=gaps.shape[1])] = -math.inf  # i < j alone
        top = float(exponents.max())
        if top > -math.inf:
            sums.append(top + math.log(float(np.exp(exponents - top).sum())))
    return float(np.logaddexp.reduce(sums)) - math.log(n * (n - 1) / 2)


# --- Agreement with labels ------------------------------------------------------------------------


def average_ranks(values: ArrayLike) -> Floats:
    """Return ranks 1..n, (n,); equal values share the mean of the ranks they cover."""
    given = _series("values", values)
    _, group, sizes = np.unique(given, return_inverse=True, return_counts=True)
    return np.asarray((np.cumsum(sizes) - (sizes - 1) / 2)[group], np.float64)


def spearman(labels: ArrayLike, scores: ArrayLike) -> float:
    """Return Spearman's rank correlation in [-1, 1]; NaN where labels or scores are all equal.

    Raises:
        ValueError: If they are not as many, or fewer than 2.
    """
    one, other = _paired("labels", labels, "scores", scores, 2)
    if one.min() == one.max() or other.min() == other.max():
        return math.nan
    middle = (one.size + 1) / 2
    a, b = average_ranks(one) - middle, average_ranks(other) - middle
    return float(np.clip(a @ b / math.sqrt(float(a @ a) * float(b @ b)), -1, 1))


def auc(labels: ArrayLike, scores: ArrayLike) -> float:
    """Return the probability that a pair labelled 1 scores above one labelled 0, ties half.

    Returns:
        A probability in [0, 1]; NaN where one of the labels is missing.

    Raises:
        ValueError: If labels are not 0 and 1, or not as many as scores.
    """
    given, ranked = _paired("labels", labels, "scores", scores, 1)
    ones = _binary(given)
    n_ones, n_zeros = int(ones.sum()), int((~ones).sum())
    if not n_ones or not n_zeros:
        return math.nan
    above = average_ranks(ranked)[ones].sum() - n_ones * (n_ones + 1) / 2
    return float(above / (n_ones * n_zeros))


def spearman_from_auc(auc_value: float, n_ones: int, n_zeros: int) -> float:
    """Return (2 AUC - 1) sqrt(3 n_1 n_0/(n^2 - 1)): Spearman of labels 0, 1 and untied scores.

    Raises:
        ValueError: If AUC is not in [0, 1] or a label is missing.
    """
    area = number("auc_value", auc_value, 0, 1)
    one = whole_number("n_ones", n_ones, 1, 2**53)
    zero = whole_number("n_zeros", n_zeros, 1, 2**53)
    return (2 * area - 1) * math.sqrt(3 * one * zero / ((one + zero) ** 2 - 1))


def binary_ceiling(share: float) -> float:
    """Return sqrt(3p(1-p)): Spearman of a perfect ranker, many labels of which share p are 1.

    Raises:
        ValueError: If share is not in [0, 1].
    """
    p = number("share", share, 0, 1)
    return math.sqrt(3 * p * (1 - p))


def ceiling(labels: ArrayLike) -> float:
    """Return the largest Spearman that untied scores can reach on these labels.

    It is reached by any order that never puts a lower label above a higher one; scores with the
    same ties as the labels, and only they, would reach 1.

    Returns:
        A number in (0, 1]; NaN where all labels are equal.

    Raises:
        ValueError: If there are fewer than 2 labels.
    """
    given = _series("labels", labels, least=2)
    sizes = np.unique(given, return_counts=True)[1].astype(np.float64)
    n = float(given.size)
    if sizes.size == 1:
        return math.nan
    return math.sqrt(1 - float((sizes**3 - sizes).sum()) / (n**3 - n))


def weighted_average(scores: ArrayLike, counts: ArrayLike) -> float:
    """Return the mean of scores by number of pairs, the w-avg of the author's script.

    Args:
        scores: One per data set or part of it, (m,).
        counts: Numbers of pairs, not negative and not all 0, (m,).

    Raises:
        ValueError: If they are not as many or a count is outside its domain.
    """
    given, weights = _paired("scores", scores, "counts", counts, 1)
    if (weights < 0).any() or not weights.sum() > 0:
        raise ValueError(f"counts must be >= 0 and not all 0, got {weights.tolist()!r:.60}")
    return float(given @ (weights / weights.sum()))


def _binary(labels: Floats) -> NDArray[np.bool_]:
    bad = np.flatnonzero((labels != 0) & (labels != 1))
    if bad.size:
        raise ValueError(f"labels must be 0 or 1, got {labels[bad[0]]:g} at {bad[0]}")
    return np.asarray(labels == 1)


# --- Cosines by label -----------------------------------------------------------------------------


@dataclass(frozen=True, eq=False)
class LabelHistogram:
    """How cosines are spread within each group of labels.

    Attributes:
        edges: Of the bins, from -1 to 1, (n_bins + 1,).
        low: Least label of each group, (g,).
        high: Greatest label of each group, (g,).
        counts: Pairs in each group and bin, (g, n_bins).
    """

    edges: Floats
    low: Floats
    high: Floats
    counts: NDArray[np.int64]

    @property
    def densities(self) -> Floats:
        """Per unit of cosine, (g, n_bins): each row integrates to 1, an empty group's is 0."""
        totals = np.maximum(self.counts.sum(axis=1, keepdims=True), 1)
        return np.asarray(self.counts / totals / np.diff(self.edges))


def histogram_by_label(
    cosines: ArrayLike, labels: ArrayLike, n_bins: float = 40, cuts: ArrayLike | None = None
) -> LabelHistogram:
    """Return the histogram of cosines for each group of labels.

    Args:
        cosines: In [-1, 1], (n,); rounding of 1e-6 beyond is cut off.
        labels: Of the same pairs, (n,).
        n_bins: Bins over [-1, 1], 1..1000.
        cuts: Rising borders of the groups; a group takes labels from its low border up to, not
            including, the next, the last one includes it. Without it each label is a group.

    Raises:
        ValueError: If an argument is outside its domain, a label outside the cuts, or there are
            more than 32 groups.
    """
    given, marks = _paired("cosines", cosines, "labels", labels, 1)
    if (np.abs(given) > 1 + 1e-6).any():
        raise ValueError(f"cosines must be in [-1, 1], got {given[np.abs(given).argmax()]:g}")
    edges = np.linspace(-1, 1, whole_number("n_bins", n_bins, 1, 1000) + 1)
    if cuts is None:
        low, group = np.unique(marks, return_inverse=True)
        high = low
    else:
        low, high, group = _cut(marks, _series("cuts", cuts, least=2))
    if len(low) > MAX_GROUPS:
        raise ValueError(f"labels must form at most {MAX_GROUPS} groups, got {len(low)}")
    n = edges.size - 1
    bins = np.clip(np.searchsorted(edges, given, side="right") - 1, 0, n - 1)
    counts = np.bincount(group * n + bins, minlength=len(low) * n).reshape(len(low), n)
    return LabelHistogram(edges, low, high, counts.astype(np.int64))


def _cut(marks: Floats, cuts: Floats) -> tuple[Floats, Floats, NDArray[np.intp]]:
    if not (np.diff(cuts) > 0).all():
        raise ValueError(f"cuts must rise, got {cuts.tolist()!r:.60}")
    outside = (marks < cuts[0]) | (marks > cuts[-1])
    if outside.any():
        raise ValueError(
            f"labels must be within the cuts [{cuts[0]:g}, {cuts[-1]:g}], got {marks[outside][0]:g}"
        )
    group = np.minimum(np.searchsorted(cuts, marks, side="right") - 1, cuts.size - 2)
    return cuts[:-1], cuts[1:], group
