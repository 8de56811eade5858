"""Linear-chain conditional random field over BIO tags, the flat tagger beside the span scorers.

    score(y) = start[y_1] + sum_t emissions[t, y_t] + sum_t transitions[y_t, y_(t+1)] + end[y_n]
    log Z = log sum over all K^n paths of exp(score(y)),    P(y) = exp(score(y) - log Z)
    alpha_(t+1)[y'] = emissions[t+1, y'] + log sum_y exp(alpha_t[y] + transitions[y, y'])
Viterbi has max in place of log sum exp. The gradient of log Z in an emission is the marginal
probability of that tag at that token.

Shapes: n tokens, m types, K = 2m + 1 tags; emissions (n, K), transitions (K, K), start and end
(K,), mask (n,) bool.
Convention: transitions[y, y'] goes FROM y TO y'; scores are in nats and -inf forbids. Tags stand in
the order O, B-x, I-x for each type x. Spans are `Entity` with positions of TOKENS, end inclusive.
One tag per token: two spans that share a token cannot both be written, see `clashes`.

Source: Lafferty, McCallum and Pereira, 2001, "Conditional random fields"; Rabiner, 1989, doi
10.1109/5.18626, III (forward, backward, Viterbi); Ramshaw and Marcus, 1995, cmp-lg/9505040 (BIO).
The comparison with span scores: Su Jianlin, 2021, kexue.fm/archives/8373.
"""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from models.spans import Entity

Floats = NDArray[np.float64]
Mask = NDArray[np.bool_]

MOST_TOKENS = 10**6  # for counting sequences


class Decoded(NamedTuple):
    """The best path and the lattice it was read from; n counts the tokens not masked.

    Attributes:
        path: int64 (n,), indices of tags.
        score: Score of that path, nats.
        best: (n, K), score of the best path that ends in a tag at a token; start is in the first
            row, end in none.
        back: int64 (n, K), the tag before on that path; -1 in the first row.
    """

    path: NDArray[np.int64]
    score: float
    best: Floats
    back: NDArray[np.int64]


class Marginals(NamedTuple):
    """Probabilities under the chain; n counts the tokens not masked.

    Attributes:
        tags: (n, K), of a tag at a token; rows add up to 1.
        pairs: (n - 1, K, K), of two tags at neighbours; each matrix adds up to 1.
    """

    tags: Floats
    pairs: Floats


@dataclass(frozen=True)
class Clash:
    """Two spans that cannot both be written in BIO, and the tokens both want."""

    first: Entity
    second: Entity
    tokens: range


class ClashError(ValueError):
    """Spans overlap, so no tag sequence stands for them.

    Attributes:
        clashes: Every overlapping pair, at least one.
    """

    def __init__(self, found: Sequence[Clash]) -> None:
        pair = found[0]
        super().__init__(
            f"{pair.first} and {pair.second} share tokens {pair.tokens.start} to "
            f"{pair.tokens.stop - 1}; a token has one tag ({len(found)} such pairs)"
        )
        self.clashes = tuple(found)


# --- Tags and spans -------------------------------------------------------------------------------


def tags(types: Sequence[str]) -> tuple[str, ...]:
    """Return the K = 2m + 1 tags: O, then B-x and I-x for each type x.

    Raises:
        ValueError: If a type is empty or named twice.
    """
    if len(set(types)) < len(types) or not all(types):
        raise ValueError(f"types must be different and not empty, got {list(types)}")
    return ("O", *(f"{mark}-{name}" for name in types for mark in "BI"))


def clashes(spans: Iterable[Entity]) -> list[Clash]:
    """List every pair of spans that share a token, from left to right; a repeated span is one."""
    ordered = sorted(set(spans), key=lambda span: (span.start, -span.end, span.label))
    found = []
    for index, first in enumerate(ordered):
        for second in ordered[index + 1 :]:
            if second.start > first.end:
                break
            common = range(second.start, min(first.end, second.end) + 1)
            found.append(Clash(first, second, common))
    return found


def to_bio(spans: Iterable[Entity], n: int, types: Sequence[str]) -> tuple[str, ...]:
    """Write spans as one tag per token.

    Args:
        spans: With token positions; a repeated span is written once.
        n: Tokens.
        types: The labels in use.

    Returns:
        n tags.

    Raises:
        ClashError: If two spans share a token.
        ValueError: If a span reaches beyond n or has a label not in types.
    """
    asked = set(spans)
    for span in asked:
        if span.end >= n or span.label not in types:
            raise ValueError(f"a span must end before n = {n} and be of {list(types)}, got {span}")
    if found := clashes(asked):
        raise ClashError(found)
    result = ["O"] * n
    for span in asked:
        result[span.start] = f"B-{span.label}"
        result[span.start + 1 : span.end + 1] = [f"I-{span.label}"] * (span.end - span.start)
    return tuple(result)


def from_bio(sequence: Sequence[str]) -> list[Entity]:
    """Read spans from tags, leniently as the CoNLL scorer does.

    B-x begins a span. I-x carries on a span of type x and otherwise (after O, another type or at
    the start) begins one: no tag but O is ever dropped.

    Returns:
        Disjoint spans with token positions, sorted.

    Raises:
        ValueError: If a tag is neither O nor B-x or I-x with a type x.
    """
    spans: list[Entity] = []
    label = ""  # of the span that reaches the token before
    for index, tag in enumerate(sequence):
        mark, _, name = tag.partition("-")
        if tag != "O" and not (mark in ("B", "I") and name):
            raise ValueError(f"a tag is O, B-type or I-type, got {tag!r} at token {index}")
        if mark == "I" and name == label:
            spans[-1] = Entity(spans[-1].start, index, name)
        elif name:
            spans.append(Entity(index, index, name))
        label = name
    return spans


def bio_constraints(types: Sequence[str]) -> tuple[Mask, Mask]:
    """Say which tags may follow which: I-x only after B-x or I-x of the same type.

    Returns:
        follows: bool (K, K), True where the second tag may follow the first.
        starts: bool (K,), True for the tags a text may begin with: O and every B-x.
    """
    names = tags(types)
    begins = np.array([not tag.startswith("I-") for tag in names])
    kinds = np.array([tag[2:] for tag in names])
    return begins[None, :] | (kinds[:, None] == kinds[None, :]), begins


def forbid(scores: ArrayLike, legal: Mask) -> Floats:
    """Return the scores with -inf where legal is False: for transitions and start."""
    return np.where(legal, np.asarray(scores, np.float64), -np.inf)


def n_sequences(n: int, K: int) -> tuple[float, int]:
    """Count the paths of the chain, K^n.

    Args:
        n: Tokens, in [0, 10^6].
        K: Tags, in [1, 10^6].

    Returns:
        log10 of the count, and its number of decimal digits (exact; 7^50 has 43).

    Raises:
        ValueError: If n or K is outside its domain.
    """
    if not (0 <= n <= MOST_TOKENS and 1 <= K <= MOST_TOKENS):
        raise ValueError(f"n must be in [0, 10^6] and K in [1, 10^6], got {n} and {K}")
    log10 = n * math.log10(K)
    whole = round(log10)
    if abs(log10 - whole) > 1e-6 or n == 0:  # rounding stays far below this
        return log10, math.floor(log10) + 1
    return log10, whole + (K**n >= 10**whole)


# --- Scores ---------------------------------------------------------------------------------------


def path_score(
    emissions: ArrayLike,
    transitions: ArrayLike,
    path: Sequence[int] | NDArray[np.int64],
    start: ArrayLike | None = None,
    end: ArrayLike | None = None,
    mask: ArrayLike | None = None,
) -> float:
    """Return score(y) in nats, -inf for a forbidden path.

    Args:
        emissions: (n, K).
        transitions: (K, K), from row to column.
        path: One tag index for every token that is not masked.
        start: (K,), added at the first token; 0 by default.
        end: (K,), added at the last.
        mask: (n,), False for tokens that take no part; the chain links the others.

    Raises:
        ValueError: If a shape or a tag index does not fit, or a score is NaN or +inf.
    """
    e, A, first, last = _chain(emissions, transitions, start, end, mask)
    y = np.asarray(path)
    n, K = e.shape
    if y.shape != (n,) or y.dtype.kind not in "iu" or int(y.min()) < 0 or int(y.max()) >= K:
        raise ValueError(f"path must hold {n} tag indices in [0, {K}), got {y.tolist()}")
    inner = e[np.arange(n), y].sum() + A[y[:-1], y[1:]].sum()
    return float(first[y[0]] + inner + last[y[-1]])


def log_partition(
    emissions: ArrayLike,
    transitions: ArrayLike,
    start: ArrayLike | None = None,
    end: ArrayLike | None = None,
    mask: ArrayLike | None = None,
) -> float:
    """Return log Z in nats; -inf if every path is forbidden. Arguments as in `path_score`.

    Raises:
        ValueError: If a shape does not fit or a score is NaN or +inf.
    """
    e, A, first, last = _chain(emissions, transitions, start, end, mask)
    return float(_log_sum_exp(_forward(e, A, first)[-1] + last, axis=0))


def viterbi(
    emissions: ArrayLike,
    transitions: ArrayLike,
    start: ArrayLike | None = None,
    end: ArrayLike | None = None,
    mask: ArrayLike | None = None,
) -> Decoded:
    """Return the best path, its score and the lattice; of equal paths the lower tag index.

    Arguments as in `path_score`.

    Raises:
        ValueError: If a shape does not fit, a score is NaN or +inf, or every path is forbidden.
    """
    e, A, first, last = _chain(emissions, transitions, start, end, mask)
    n, K = e.shape
    best, back = np.empty((n, K)), np.full((n, K), -1, np.int64)
    best[0] = first + e[0]
    for t in range(1, n):
        ways = best[t - 1][:, None] + A  # (from, to)
        back[t] = ways.argmax(axis=0)
        best[t] = ways.max(axis=0) + e[t]
    final = best[-1] + last
    path = np.empty(n, np.int64)
    path[-1] = final.argmax()
    for t in range(n - 1, 0, -1):
        path[t - 1] = back[t, path[t]]
    return Decoded(path, _possible(float(final.max())), best, back)


def marginals(
    emissions: ArrayLike,
    transitions: ArrayLike,
    start: ArrayLike | None = None,
    end: ArrayLike | None = None,
    mask: ArrayLike | None = None,
) -> Marginals:
    """Return the probability of each tag and of each pair of neighbours (forward-backward).

    Arguments as in `path_score`.

    Raises:
        ValueError: If a shape does not fit, a score is NaN or +inf, or every path is forbidden.
    """
    e, A, first, last = _chain(emissions, transitions, start, end, mask)
    ahead, behind = _forward(e, A, first), _forward(e[::-1], A.T, last)[::-1]  # both hold e[t]
    log_z = _possible(float(_log_sum_exp(ahead[-1] + last, axis=0)))
    tag = np.exp(ahead + behind - np.where(np.isfinite(e), e, 0) - log_z)
    pair = np.exp(ahead[:-1, :, None] + A + behind[1:, None, :] - log_z)
    return Marginals(tag, pair)


def _forward(e: Floats, A: Floats, first: Floats) -> Floats:
    alpha = np.empty_like(e)
    alpha[0] = first + e[0]
    for t in range(1, len(e)):
        alpha[t] = _log_sum_exp(alpha[t - 1][:, None] + A, axis=0) + e[t]
    return alpha


def _log_sum_exp(values: Floats, axis: int) -> Floats:
    top = values.max(axis=axis, keepdims=True)
    top = np.where(np.isfinite(top), top, 0)  # all forbidden: exp gives 0, its log -inf
    with np.errstate(divide="ignore"):
        return np.asarray(np.log(np.exp(values - top).sum(axis=axis)) + top.squeeze(axis))


def _possible(score: float) -> float:
    if score == -math.inf:
        raise ValueError("every path is forbidden: each one meets a score of -inf")
    return score


def _chain(
    emissions: ArrayLike,
    transitions: ArrayLike,
    start: ArrayLike | None,
    end: ArrayLike | None,
    mask: ArrayLike | None,
) -> tuple[Floats, Floats, Floats, Floats]:
    """Return checked float64 arrays, masked tokens taken out."""
    e = np.asarray(emissions, np.float64)
    if e.ndim != 2 or 0 in e.shape:
        raise ValueError(f"emissions must have shape (n, K), n and K at least 1, got {e.shape}")
    n, K = e.shape
    if mask is not None:
        keep = np.asarray(mask)
        if keep.shape != (n,) or keep.dtype != np.bool_ or not keep.any():
            raise ValueError(f"mask must be {n} booleans, at least one of them True")
        e = e[keep]
    A = _scores("transitions", transitions, (K, K))
    first = np.zeros(K) if start is None else _scores("start", start, (K,))
    last = np.zeros(K) if end is None else _scores("end", end, (K,))
    return _scores("emissions", e, e.shape), A, first, last


def _scores(name: str, values: ArrayLike, shape: tuple[int, ...]) -> Floats:
    array = np.asarray(values, np.float64)
    if array.shape != shape:
        raise ValueError(f"{name} must have shape {shape}, got {array.shape}")
    if bool((np.isnan(array) | (array == np.inf)).any()):
        raise ValueError(f"{name} must hold numbers or -inf, never NaN or +inf")
    return array
