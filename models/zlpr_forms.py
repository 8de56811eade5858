"""Ways to write the multi-label loss ZLPR that must agree, and what it does to every cell.

With t in [0, 1] saying how true a cell is (hard labels: 0 or 1; smoothed by eps: eps or 1 - eps),
    L = log(1 + sum (1 - t) e^s) + log(1 + sum t e^-s)                   two logarithms
      = log(1 + sum_n sum_p e^(a_n + b_p) + sum_n e^a_n + sum_p e^b_p)   one logarithm, s_0 = 0
where a_n = s_n + log(1 - t_n) and b_p = -s_p + log t_p are its *exponents*. A soft cell counts once
as a negative with score s + log(1 - t) and once as a positive with score s - log t, which gives the
gradient of the soft loss from that of the hard one. BCE with the same labels is
    B = sum (1 - t) log(1 + e^s) + t log(1 + e^-s).

Worst margin m = min(s over true cells, -s over the others): every hard loss has L >= log(1 + e^-m),
so m >= -log(e^L - 1), and a loss below log 2 leaves no cell on the wrong side of 0.

Shapes: scores, t and masks (n, n), or (..., n, n) where said; a mask is True where a cell COUNTS.
Losses in nats; scores are finite.

Source: Su Jianlin, kexue.fm/archives/7359 (2020), 9064 (2022, soft labels); Su et al. 2022, arXiv
2208.02955. The margin: derived here.
"""

import math
from collections.abc import Callable
from decimal import Decimal, localcontext

import numpy as np
from numpy.typing import ArrayLike, NDArray

from models import global_pointer
from models.checks import number

Floats = NDArray[np.float64]
Mask = NDArray[np.bool_]

DIGITS = 40  # of the exact sum
STEP = 1e-4  # of the difference quotient


def smoothed(positive: ArrayLike, eps: float) -> Floats:
    """Return t = 1 - eps at true cells and eps elsewhere.

    Args:
        positive: Booleans, any shape.
        eps: In [0, 1/2].

    Raises:
        ValueError: If eps is outside its domain.
    """
    share = number("eps", eps, 0, 0.5)
    return np.where(np.asarray(positive, np.bool_), 1 - share, share)


def exponents(scores: ArrayLike, t: ArrayLike, mask: ArrayLike) -> tuple[Floats, Floats]:
    """Return the a_n and the b_p of the cells that count; those of weight 0 are left out."""
    s, share = _cells(scores, t, mask)
    of_negatives = s[share < 1] + np.log1p(-share[share < 1])
    return of_negatives, np.log(share[share > 0]) - s[share > 0]


def terms(of_negatives: Floats, of_positives: Floats) -> tuple[float, float]:
    """Return the two logarithms of the loss: that of the negatives, that of the positives."""
    return _log_one_plus(of_negatives), _log_one_plus(of_positives)


def single_log(of_negatives: Floats, of_positives: Floats) -> float:
    """Return the loss by one logarithm over all pairs, each cell paired with s_0 = 0 too."""
    pairs = np.add.outer(of_negatives, of_positives).ravel()
    return _log_one_plus(np.concatenate([pairs, of_negatives, of_positives]))


def exact(of_negatives: Floats, of_positives: Floats) -> float:
    """Return the loss by adding up e^x in decimal arithmetic of `DIGITS` digits, no trick used."""
    with localcontext() as context:
        context.prec = DIGITS
        total = Decimal(0)
        for group in (of_negatives, of_positives):
            total += sum((Decimal(x).exp() for x in group.tolist()), Decimal(1)).ln()
        return float(total)


def gradient_parts(scores: ArrayLike, t: ArrayLike, mask: ArrayLike) -> tuple[Floats, Floats]:
    """Return the gradient of the loss as what cells get as negatives, and as positives, (n, n).

    The first is at least 0 and adds up to less than 1, the second at most 0 and to more than -1.
    """
    s, share, counts = (np.asarray(x) for x in (scores, t, mask))
    with np.errstate(divide="ignore"):  # log 0: a cell without that side
        both = np.stack([s + np.log1p(-share), s - np.log(share)])
    both = np.where(np.isfinite(both), both, 0)
    used = np.stack([counts & (share < 1), counts & (share > 0)])
    of_positive = np.stack([np.zeros_like(counts), np.ones_like(counts)])
    flat = (x.reshape(-1, x.shape[-1]) for x in (both, of_positive, used))
    negatives, positives = np.split(global_pointer.zlpr_gradient(*flat), 2)
    return negatives, positives


def bce(scores: ArrayLike, t: ArrayLike, mask: ArrayLike) -> tuple[float, float]:
    """Return the two sums of B, of (1 - t) log(1 + e^s) and of t log(1 + e^-s), nats."""
    s, share = _cells(scores, t, mask)
    return (
        float(((1 - share) * np.logaddexp(0, s)).sum()),
        float((share * np.logaddexp(0, -s)).sum()),
    )


def bce_gradient(scores: ArrayLike, t: ArrayLike, mask: ArrayLike) -> Floats:
    """Return d B / d s, the logistic function of s minus t, 0 where nothing counts, (n, n)."""
    s = np.asarray(scores, np.float64)
    return np.where(mask, np.exp(-np.logaddexp(0, -s)) - np.asarray(t), 0)


def difference_quotient(
    loss: Callable[[Floats], Floats], scores: ArrayLike, mask: ArrayLike, step: float = STEP
) -> Floats:
    """Return the central difference quotients of a loss in every cell that counts, (n, n).

    Args:
        loss: From scores (n_moved, n, n) to losses (n_moved,).
        scores: Where.
        mask: Which cells are moved; the others get 0.
        step: By how much, up and down.
    """
    s, counts = np.asarray(scores, np.float64), np.asarray(mask, np.bool_)
    at = np.argwhere(counts)
    moved = np.zeros((len(at), *s.shape))
    moved[np.arange(len(at)), at[:, 0], at[:, 1]] = step
    slopes = np.zeros(s.shape)
    slopes[counts] = (loss(s + moved) - loss(s - moved)) / (2 * step)
    return slopes


def quotient_error(scores: ArrayLike, value: float, step: float = STEP) -> float:
    """Return a bound for the error of `difference_quotient`, truncation and rounding together.

    The third derivative of each logarithm is at most 1/(6 sqrt 3) < 0.1 in size, hence step^2 / 15
    for both; loss and scores carry a few units of rounding, divided by the step.
    """
    size = max(1.0, abs(value)) + float(np.abs(np.asarray(scores)).max(initial=0))
    return step**2 / 15 + 8 * float(np.finfo(np.float64).eps) * size / step


def worst_margin(scores: ArrayLike, positive: ArrayLike, mask: ArrayLike) -> float:
    """Return min(s over true cells, -s over the others), inf if no cell counts."""
    s, counts = np.asarray(scores, np.float64), np.asarray(mask, np.bool_)
    return float(np.where(positive, s, -s)[counts].min(initial=math.inf)) + 0.0  # no -0


def least_margin(loss: float) -> float:
    """Return -log(e^L - 1), below which no margin can be at a hard loss L > 0.

    Raises:
        ValueError: If the loss is not a finite number above 0.
    """
    value = number("loss", loss, 0, above=True)
    return -(value + math.log(-math.expm1(-value)))


def _log_one_plus(x: Floats) -> float:
    return float(np.logaddexp.reduce(np.append(x, 0.0)))


def _cells(scores: ArrayLike, t: ArrayLike, mask: ArrayLike) -> tuple[Floats, Floats]:
    counts = np.asarray(mask, np.bool_)
    return np.asarray(scores, np.float64)[counts], np.asarray(t, np.float64)[counts]
