"""How well cosines of sentence pairs agree with labels: one score for each data set, averages.

    score = Spearman(labels, cosines),  times 100 on screen
    plain average    (1/m) sum_s score_s
    weighted average sum_s n_s score_s / sum_s n_s,  n_s pairs in data set s

Shapes: n pairs of one data set. Dimensionless.
Convention: cosines are rounded to 9 decimals before they are ranked, so that rounding makes no
order where there is none; then the score of a collapsed whitening is undefined, NaN. AUC exists for
labels 0 and 1 only.

Source: Su Jianlin, 2021, kexue.fm/archives/8348, eval.py of github.com/bojone/SimCSE (w-avg).
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from models.similarity import as_floats, auc, ceiling, spearman, spearman_from_auc, weighted_average

DECIMALS = 9


@dataclass(frozen=True)
class Score:
    """Agreement on one data set.

    Attributes:
        n: Pairs.
        spearman: In [-1, 1]; NaN where labels or cosines are all equal.
        auc: In [0, 1]; NaN unless the labels are 0 and 1.
        ceiling: Largest Spearman of untied cosines on these labels.
        n_ones: Labels that are 1, where all are 0 or 1; else 0.
        has_ties: Whether two cosines are equal.
    """

    n: int
    spearman: float
    auc: float
    ceiling: float
    n_ones: int
    has_ties: bool

    @property
    def from_auc(self) -> float:
        """Spearman that follows from AUC and the class sizes; NaN with ties or other labels."""
        if math.isnan(self.auc) or self.has_ties:
            return math.nan
        return spearman_from_auc(self.auc, self.n_ones, self.n - self.n_ones)

    @property
    def standard_error(self) -> float:
        """About how far chance moves a Spearman near 0: 1/sqrt(n - 1)."""
        return 1 / math.sqrt(self.n - 1)


def score(labels: ArrayLike, cosines: ArrayLike) -> Score:
    """Return how cosines (n,) agree with labels (n,), n of at least 2.

    Raises:
        ValueError: If they are not as many, or fewer than 2.
    """
    marks = as_floats("labels", labels, 1).astype(np.float64, copy=False)
    given = np.round(as_floats("cosines", cosines, 1).astype(np.float64, copy=False), DECIMALS)
    rho = spearman(marks, given)
    binary = bool(np.isin(marks, (0.0, 1.0)).all())
    return Score(
        marks.size,
        rho,
        auc(marks, given) if binary else math.nan,
        ceiling(marks),
        int(marks.sum()) if binary else 0,
        np.unique(given).size < given.size,
    )


def averages(scores: Mapping[str, Score]) -> tuple[float, float]:
    """Return the plain and the weighted average of Spearman over data sets; NaN if one is.

    Raises:
        ValueError: If there is none.
    """
    if not scores:
        raise ValueError("scores must hold at least one data set, got none")
    found = [one.spearman for one in scores.values()]
    if any(math.isnan(value) for value in found):
        return math.nan, math.nan
    counts = [one.n for one in scores.values()]
    return sum(found) / len(found), weighted_average(found, counts)
