"""GlobalPointer and its efficient form: scores of all spans, the multi-label loss, decoding.

With h_i the hidden state of token i, a the type and R_i the rotation of RoPE at position i,
    s_a(i, j) = (R_i q_ia)^T (R_j k_ja) / sqrt(d),    q_ia = W_qa h_i + b_qa, k_ja alike
    s_a(i, j) = (R_i q_i)^T (R_j k_j) / sqrt(d) + v_a^T z_i / 2 + u_a^T z_j / 2     efficient
    loss_a    = log(1 + sum over Q e^s) + log(1 + sum over P e^-s)                  ZLPR
where z holds q and k of a token side by side, P are the true spans and Q the others. A span is an
entity if s > 0; spans may nest, cross, and have several types.

Shapes: n tokens, D features, d = head_dim (even), m types; h (n, D); q, k (m, n, d); scores
(m, n, n). Losses take (..., rows, columns) and reduce the last two axes, one value per type.
Convention: row = start, column = end, both INCLUSIVE and from 0, so only cells with start <= end
are spans. RoPE pairs features (2c, 2c + 1). A mask is True where a cell COUNTS. Scores and losses
are float64, losses in nats. The posts have neither 1/sqrt(d) nor the halves: those are bert4keras'.

Source: Su Jianlin, kexue.fm/archives/8373 (2021, GlobalPointer), 8877 (2022, efficient), 7359
(2020, loss), 9064 (2022, soft labels); code bojone/bert4keras, layers.GlobalPointer and
EfficientGlobalPointer. Su et al. 2022, arXiv 2208.03054 and 2208.02955. The F1 of a separable
scorer, the closed forms at zero scores and the additive test: derived here.
"""

import math
from collections.abc import Iterable

import numpy as np
from numpy.typing import ArrayLike, NDArray

from models import rope as rotary
from models.checks import number, whole_number

Floats = NDArray[np.float64]
Mask = NDArray[np.bool_]
Span = tuple[int, int]  # start, end

BASE = 10_000.0
FOUND = np.dtype([("type", np.int64), ("start", np.int64), ("end", np.int64), ("score", "f8")])


# --- Scores ---------------------------------------------------------------------------------------


def angles(n: int, head_dim: int, base: float = BASE) -> Floats:
    """Return i theta_c, theta_c = base^(-2c/d), radians, (n, d/2).

    Args:
        n: Tokens, at least 1; positions are 0 .. n - 1.
        head_dim: d, even, at least 2.
        base: Greater than 1.

    Raises:
        ValueError: If an argument is outside its domain.
    """
    positions = np.arange(whole_number("n", n, 1))
    return rotary.angles(positions, rotary.frequencies(head_dim, base))


def rotate(x: ArrayLike, base: float = BASE) -> Floats:
    """Return R_i x_i for rows i = 0 .. n - 1: pair (2c, 2c + 1) turned by i theta_c.

    Args:
        x: (..., n, d), d even.
        base: Greater than 1.

    Raises:
        ValueError: If x has fewer than two axes, d is odd or 0, or base is outside its domain.
    """
    rows = _vectors("x", x)
    theta = rotary.frequencies(rows.shape[-1], base)
    return np.asarray(rotary.rotate(rows, np.arange(rows.shape[-2]), theta))


def scores(
    q: ArrayLike, k: ArrayLike, rope: bool = True, base: float = BASE, scaled: bool = True
) -> Floats:
    """Return the product of every start's query with every end's key, lower triangle included.

    Args:
        q: Queries, unrotated (..., n, d); (m, n, d) with types first.
        k: Keys, unrotated, of the same shape.
        rope: Whether to rotate, so that the score knows the distance j - i.
        base: Of RoPE, greater than 1.
        scaled: Whether to divide by sqrt(d), as the code does and the post does not.

    Returns:
        (..., n, n).

    Raises:
        ValueError: If the shapes differ or have fewer than two axes; if d is odd and `rope` is on.
    """
    queries, keys = _vectors("q", q), _vectors("k", k)
    if queries.shape != keys.shape:
        raise ValueError(f"k must have the shape of q, {queries.shape}, got {keys.shape}")
    if rope:
        queries, keys = rotate(queries, base), rotate(keys, base)
    product = queries @ keys.swapaxes(-1, -2)
    return np.asarray(product / math.sqrt(queries.shape[-1]) if scaled else product)


def queries_keys(
    h: ArrayLike, weight: ArrayLike, bias: ArrayLike, head_dim: int
) -> tuple[Floats, Floats]:
    """Return GlobalPointer's q and k of every type, unrotated, (m, n, d) each.

    Args:
        h: Hidden states (n, D).
        weight: (D, 2 d m): for each type d columns of q, then d columns of k.
        bias: (2 d m,).
        head_dim: d, even, at least 2.

    Raises:
        ValueError: If a shape does not fit or head_dim is odd.
    """
    d = _head_dim(head_dim)
    states = _array("h", h, (None, None))
    matrix = _array("weight", weight, (states.shape[1], None))
    m, rest = divmod(matrix.shape[1], 2 * d)
    if rest or not m:
        raise ValueError(f"weight must have a multiple of {2 * d} columns, got {matrix.shape[1]}")
    both = states @ matrix + _array("bias", bias, (matrix.shape[1],))
    q, k = both.reshape(-1, m, 2, d).transpose(2, 1, 0, 3)
    return q, k


def global_pointer(
    h: ArrayLike, weight: ArrayLike, bias: ArrayLike, head_dim: int, rope: bool = True
) -> Floats:
    """Return GlobalPointer's scores (m, n, n), no cell masked.

    Args:
        h: Hidden states (n, D).
        weight: (D, 2 d m): for each type d columns of q, then d columns of k.
        bias: (2 d m,).
        head_dim: d, even, at least 2.
        rope: Whether the score knows the distance.

    Raises:
        ValueError: As `queries_keys`.
    """
    return scores(*queries_keys(h, weight, bias, head_dim), rope=rope)


def efficient_parts(
    h: ArrayLike,
    weight_p: ArrayLike,
    bias_p: ArrayLike,
    weight_q: ArrayLike,
    bias_q: ArrayLike,
    rope: bool = True,
) -> tuple[Floats, Floats, Floats]:
    """Return what Efficient GlobalPointer adds up, halves and biases already in.

    Args:
        h: Hidden states (n, D).
        weight_p: (D, 2d); even columns give q, odd ones k, and all of them z.
        bias_p: (2d,).
        weight_q: (2d, 2m), applied to z before rotation; for each type END, then START.
        bias_q: (2m,).
        rope: Whether the shared part knows the distance; the other two never do.

    Returns:
        Shared (n, n), start (m, n), end (m, n); score = shared + start of its row + end of its
        column.

    Raises:
        ValueError: If a shape does not fit, d is odd, or there is no type.
    """
    states = _array("h", h, (None, None))
    first = _array("weight_p", weight_p, (states.shape[1], None))
    width = first.shape[1]
    if width % 4 or not width:
        raise ValueError(f"weight_p must have 2 d columns with d even, got {width}")
    second = _array("weight_q", weight_q, (width, None))
    if second.shape[1] % 2 or not second.shape[1]:
        raise ValueError(f"weight_q must have 2 columns for each type, got {second.shape[1]}")
    z = states @ first + _array("bias_p", bias_p, (width,))
    ends_starts = (z @ second + _array("bias_q", bias_q, (second.shape[1],))).T / 2
    return scores(z[:, ::2], z[:, 1::2], rope=rope), ends_starts[1::2], ends_starts[::2]


def efficient(
    h: ArrayLike,
    weight_p: ArrayLike,
    bias_p: ArrayLike,
    weight_q: ArrayLike,
    bias_q: ArrayLike,
    rope: bool = True,
) -> Floats:
    """Return Efficient GlobalPointer's scores (m, n, n), no cell masked; see `efficient_parts`."""
    shared, start, end = efficient_parts(h, weight_p, bias_p, weight_q, bias_q, rope)
    return np.asarray(shared + start[:, :, None] + end[:, None, :])


def additive_gap(scores_a: ArrayLike, scores_b: ArrayLike, triangle: bool = False) -> float:
    """Return how far s_a - s_b is from any f(i) + g(j): largest residual of the least-squares fit.

    Zero, up to rounding, for two types of Efficient GlobalPointer, which share their product.

    Args:
        scores_a: One type (n, n).
        scores_b: Another (n, n).
        triangle: Whether only cells with start <= end take part, so that masked scores will do.

    Raises:
        ValueError: If the shapes differ or a cell that takes part is not finite.
    """
    a, b = _array("scores_a", scores_a, (None, None)), _array("scores_b", scores_b, (None, None))
    n = len(a)
    if a.shape != (n, n) or b.shape != a.shape or not n:
        raise ValueError(f"scores must be two (n, n) with n >= 1, got {a.shape} and {b.shape}")
    cells = upper(n) if triangle else np.ones((n, n), np.bool_)
    if not (np.isfinite(a[cells]).all() and np.isfinite(b[cells]).all()):
        raise ValueError("scores must be finite; of masked ones compare the triangle only")
    gap = np.subtract(a, b, out=np.zeros((n, n)), where=cells)
    # Normal equations; f(0) = 0 fixes what can be moved between f and g. Row 0 and the diagonal
    # join all rows and columns, so the rest is regular.
    count = cells.astype(np.float64)
    system = np.block([[np.diag(count.sum(1)), count], [count.T, np.diag(count.sum(0))]])
    sums = np.concatenate([gap.sum(1), gap.sum(0)])
    f, g = np.split(np.concatenate([[0.0], np.linalg.solve(system[1:, 1:], sums[1:])]), 2)
    return float(np.abs((gap - f[:, None] - g)[cells]).max())


# --- Masks ----------------------------------------------------------------------------------------


def upper(n: int) -> Mask:
    """Return which cells are spans, start <= end, (n, n)."""
    at = np.arange(whole_number("n", n, 0))
    return np.asarray(at[:, None] <= at)


def mask(scores: ArrayLike, n_valid: int | None = None, value: float = -math.inf) -> Floats:
    """Return a copy with `value` below the diagonal and in rows and columns of padding.

    Args:
        scores: (..., n, n).
        n_valid: Tokens before the padding, 0 .. n; by default all.
        value: What stands in masked cells; -inf, or a large negative number as older code has.

    Raises:
        ValueError: If the last two axes differ or n_valid is outside 0 .. n.
    """
    cells = _square(np.array(scores, np.float64))
    n = cells.shape[-1]
    hidden = ~upper(n)
    if n_valid is not None:
        stop = whole_number("n_valid", n_valid, 0, n)
        hidden[stop:] = hidden[:, stop:] = True
    cells[..., hidden] = value
    return cells


# --- Losses ---------------------------------------------------------------------------------------


def zlpr(scores: ArrayLike, positive: ArrayLike, mask: ArrayLike | None = None) -> Floats:
    """Return log(1 + sum over Q e^s) + log(1 + sum over P e^-s), nats, (...).

    Args:
        scores: (..., rows, columns); any size. A -inf that does not belong to P adds nothing; one
            that does, and +inf in Q, make the loss infinite.
        positive: Which cells are true, bool or 0 and 1, of the same shape.
        mask: Which cells count, bool, broadcasting; by default all. What stands in the others,
            NaN included, does not matter.

    Returns:
        One value for each leading index, at least 0.

    Raises:
        ValueError: If the shapes do not fit, a score that counts is NaN, or positive holds
            something else.

    Example:
        >>> float(zlpr([[0.0, 0.0], [-np.inf, 0.0]], [[0, 1], [0, 0]]))  # log 3 + log 2
        1.791759469228055
    """
    negative_term, positive_term = zlpr_terms(scores, positive, mask)
    return negative_term + positive_term


def zlpr_terms(
    scores: ArrayLike, positive: ArrayLike, mask: ArrayLike | None = None
) -> tuple[Floats, Floats]:
    """Return the two logarithms of `zlpr`: that of the negatives, that of the positives."""
    of_negatives, of_positives = _exponents(scores, positive, mask)
    return _log_one_plus(of_negatives)[0], _log_one_plus(of_positives)[0]


def zlpr_gradient(scores: ArrayLike, positive: ArrayLike, mask: ArrayLike | None = None) -> Floats:
    """Return d zlpr / d scores, of the shape of scores.

    e^s / (1 + sum over Q e^s) at a negative, -e^-s / (1 + sum over P e^-s) at a positive, 0 where
    nothing counts: over each set the sizes add up to less than 1. Where the loss is infinite, its
    infinite cells share the whole 1, which is the limit.

    Args:
        scores: As `zlpr`.
        positive: As `zlpr`.
        mask: As `zlpr`.

    Raises:
        ValueError: As `zlpr`.
    """
    of_negatives, of_positives = _exponents(scores, positive, mask)
    return _log_one_plus(of_negatives)[1] - _log_one_plus(of_positives)[1]


def zlpr_soft(scores: ArrayLike, t: ArrayLike, mask: ArrayLike | None = None) -> Floats:
    """Return log(1 + sum (1 - t) e^s) + log(1 + sum t e^-s), nats, (...); t in {0, 1} is `zlpr`.

    Args:
        scores: As `zlpr`.
        t: How true each cell is, in [0, 1], of the shape of scores.
        mask: As `zlpr`.

    Raises:
        ValueError: As `zlpr`, or if a t that counts is outside [0, 1].
    """
    s, counts = _scored(scores, mask)
    share = np.where(counts, _array("t", t, s.shape), 0)
    if not ((share >= 0) & (share <= 1)).all():
        raise ValueError("t must lie in [0, 1]")
    with np.errstate(divide="ignore", invalid="ignore"):  # log 0, and inf - inf, both cut below
        of_negatives = np.where(counts & (share < 1), s + np.log1p(-share), -np.inf)
        of_positives = np.where(share > 0, np.log(share) - s, -np.inf)
    return _log_one_plus(of_negatives)[0] + _log_one_plus(of_positives)[0]


def bce(scores: ArrayLike, positive: ArrayLike, mask: ArrayLike | None = None) -> Floats:
    """Return the sum of log(1 + e^s) over Q and log(1 + e^-s) over P, nats, (...).

    Binary cross entropy of the logits, summed, for contrast. Arguments and errors as `zlpr`.
    """
    of_negatives, of_positives = _exponents(scores, positive, mask)
    each = np.logaddexp(0, np.maximum(of_negatives, of_positives))  # one of the two is -inf
    return np.asarray(each.sum(axis=(-2, -1)))


def bce_gradient(scores: ArrayLike, positive: ArrayLike, mask: ArrayLike | None = None) -> Floats:
    """Return d bce / d scores: the logistic function of s, minus 1 at positives, 0 at masked."""
    of_negatives, of_positives = _exponents(scores, positive, mask)
    return np.exp(-np.logaddexp(0, -of_negatives)) - np.exp(-np.logaddexp(0, -of_positives))


def zero_score_losses(n: ArrayLike, n_positive: ArrayLike) -> tuple[Floats, Floats]:
    """Return zlpr and bce of n tokens and one type when all scores are 0.

    With N = n (n + 1) / 2 spans: log(1 + N - n_positive) + log(1 + n_positive), the logarithm of
    the count, against N log 2, the count itself.

    Args:
        n: Tokens, whole numbers at least 1 (...).
        n_positive: True spans, whole numbers 0 .. N, broadcasting against n.

    Raises:
        ValueError: If an argument is outside its domain.
    """
    tokens, true = _whole("n", n, 1), _whole("n_positive", n_positive, 0)
    n_spans = tokens * (tokens + 1) / 2
    if not (true <= n_spans).all():
        raise ValueError(f"n_positive must be at most n (n + 1) / 2, got {n_positive!r}")
    return np.log1p(n_spans - true) + np.log1p(true), n_spans * math.log(2) + 0 * true


def overlap_f1(n: int, start: int, end: int) -> Floats:
    """Return the F1 of every span's tokens against those of one gold span, 0 below the diagonal.

    Args:
        n: Tokens, at least 1.
        start: Of the gold span, 0 .. n - 1.
        end: Of the gold span, start .. n - 1, inclusive.

    Returns:
        (n, n), 1 in the gold cell alone.

    Raises:
        ValueError: If the gold span does not lie in the text.
    """
    at = np.arange(whole_number("n", n, 1))
    left = whole_number("start", start, 0, n - 1)
    right = whole_number("end", end, left, n - 1)
    common = np.minimum(at, right) - np.maximum(at, left)[:, None] + 1
    total = at - at[:, None] + 1 + right - left + 1
    f1 = np.where(common > 0, 2 * common, 0) / np.where(upper(n), total, 1)
    return np.where(upper(n), f1, 0)


def expected_f1_loss(scores: ArrayLike, f1: ArrayLike, entropy_weight: float = 0.0) -> Floats:
    """Return -sum p f1 + entropy_weight sum p log p, with p the softmax over start <= end, (...).

    For reading comprehension, where exactly one span is the answer: F1 is optimised by itself, and
    the second term, minus the entropy, keeps p from settling too early.

    Args:
        scores: (..., n, n), finite in at least one cell with start <= end; -inf excludes a span.
        f1: How good each span is (n, n), e.g. from `overlap_f1`.
        entropy_weight: At least 0; 0 leaves the entropy out.

    Raises:
        ValueError: If shapes do not fit, a score is NaN or +inf, or no span is possible.
    """
    weight = number("entropy_weight", entropy_weight, 0)
    s = mask(scores)
    good = _array("f1", f1, s.shape[-2:])
    flat = s.reshape(*s.shape[:-2], -1)
    p = rotary.softmax(flat)
    if not np.isfinite(good).all():
        raise ValueError("f1 must be finite")
    return np.asarray(-(p @ good.ravel()) - weight * rotary.entropy(p))


# --- Decoding -------------------------------------------------------------------------------------


def decode(scores: ArrayLike, threshold: float = 0.0) -> NDArray[np.void]:
    """Return every span whose score exceeds the threshold; nothing is suppressed.

    Args:
        scores: (m, n, n), m at least 1, of any floating type. The lower triangle is not looked at.
        threshold: Finite; compared strictly, in the precision of scores.

    Returns:
        Records (n_found,) with the fields type, start, end, score, sorted by the first three;
        `.tolist()` makes tuples of them.

    Raises:
        ValueError: If scores has another shape or a NaN at start <= end; if threshold is not
            finite.

    Example:
        >>> decode([[[1.5, 0.0], [9.0, 2.0]]]).tolist()
        [(0, 0, 0, 1.5), (0, 1, 1, 2.0)]
    """
    cells = np.asarray(scores)
    if cells.dtype.kind != "f":
        cells = cells.astype(np.float64)
    if cells.ndim != 3 or cells.shape[1] != cells.shape[2] or not len(cells):
        raise ValueError(f"scores must have shape (m, n, n), m at least 1, got {cells.shape}")
    n = cells.shape[1]
    bound = number("threshold", threshold)
    with np.errstate(over="ignore"):  # beyond float32 it becomes an infinity, which is as good
        floor = cells.dtype.type(bound)
    at = np.flatnonzero(~(cells <= floor) & upper(n))  # not "<=": a NaN is not passed over
    found = np.empty(len(at), FOUND)
    found["score"] = cells.reshape(-1)[at]
    if np.isnan(found["score"]).any():
        raise ValueError("scores must be numbers, got NaN")
    if n:
        rows = at // n  # and products: several times faster than divmod
        types = rows // n
        found["type"], found["start"], found["end"] = types, rows - types * n, at - rows * n
    return found


# --- Counts and the separable scorer --------------------------------------------------------------


def parameter_counts(D: int, d: int, m: int) -> dict[str, int]:
    """Count the weights of each head above the encoder.

    Args:
        D: Features of the encoder, at least 1.
        d: Head size, even, at least 2.
        m: Types, at least 1.

    Returns:
        "gp" 2Ddm, "gp_bias" with its biases; "egp" 2Dd + 4dm, "egp_bias"; "first_idea" 2Dd + 2Dm,
        whose second layer reads h instead of q and k; "crf" with K = 2m + 1 tags, DK + K + K^2.

    Raises:
        ValueError: If an argument is outside its domain.
    """
    D, d, m = whole_number("D", D, 1), _head_dim(d, "d"), whole_number("m", m, 1)
    K = 2 * m + 1
    return {
        "gp": 2 * D * d * m,
        "gp_bias": 2 * D * d * m + 2 * d * m,
        "egp": 2 * D * d + 4 * d * m,
        "egp_bias": 2 * D * d + 2 * d + 4 * d * m + 2 * m,
        "first_idea": 2 * D * d + 2 * D * m,
        "crf": D * K + K + K * K,
    }


def separable_spans(starts: Iterable[int], ends: Iterable[int]) -> list[Span]:
    """Return every (start, end) with start <= end: what knowing starts and ends alone decodes to.

    Args:
        starts: Tokens that start an entity of a type, at least 0.
        ends: Tokens that end one.
    """
    last = {whole_number("ends", end, 0) for end in ends}
    first = {whole_number("starts", start, 0) for start in starts}
    return sorted((start, end) for start in first for end in last if start <= end)


def separable_f1(n: ArrayLike) -> Floats:
    """Return 4 / (n + 3), the F1 of `separable_spans` on n disjoint entities of one type.

    All n (n + 1) / 2 pairs are found and n are right: recall 1, precision 2 / (n + 1).

    Args:
        n: Entities, whole numbers at least 1 (...).

    Raises:
        ValueError: If n is outside its domain.
    """
    return 4 / (_whole("n", n, 1) + 3)


# --- Helpers --------------------------------------------------------------------------------------


def _exponents(
    scores: ArrayLike, positive: ArrayLike, mask: ArrayLike | None
) -> tuple[Floats, Floats]:
    """Return s at negatives and -s at positives, -inf elsewhere."""
    s, counts = _scored(scores, mask)
    true = np.asarray(positive)
    if true.shape != s.shape or not (true.dtype == np.bool_ or np.isin(true, (0, 1)).all()):
        raise ValueError(f"positive must be booleans of shape {s.shape}, got shape {true.shape}")
    true = true.astype(np.bool_)
    return np.where(counts & ~true, s, -np.inf), np.where(counts & true, -s, -np.inf)


def _scored(scores: ArrayLike, mask: ArrayLike | None) -> tuple[Floats, Mask]:
    """Return scores and which cells count."""
    s = np.asarray(scores, np.float64)
    if s.ndim < 2:
        raise ValueError(f"scores must have shape (..., rows, columns), got {s.shape}")
    counts = np.asarray(True if mask is None else mask)
    if counts.dtype != np.bool_:
        raise ValueError(f"mask must be booleans, got {counts.dtype}")
    try:
        counts = np.broadcast_to(counts, s.shape)
    except ValueError:
        raise ValueError(f"mask must broadcast to {s.shape}, got {counts.shape}") from None
    if (np.isnan(s) & counts).any():
        raise ValueError("scores must be numbers where they count, got NaN")
    return s, counts


def _log_one_plus(exponents: Floats) -> tuple[Floats, Floats]:
    """Return log(1 + sum e^x) over the last two axes, and its gradient, e^x / (1 + sum e^x)."""
    top = exponents.max(axis=(-2, -1), keepdims=True, initial=0.0)
    with np.errstate(invalid="ignore"):  # inf - inf, replaced: the infinite share the whole
        shifted = np.where(exponents == np.inf, 0.0, exponents - top)
    weights = np.exp(shifted)
    excess = weights.sum(axis=(-2, -1), keepdims=True) + np.expm1(-top)  # small sums keep digits
    return np.asarray((np.log1p(excess) + top).squeeze((-2, -1))), weights / (1 + excess)


def _head_dim(value: int, name: str = "head_dim") -> int:
    if (d := whole_number(name, value, 2)) % 2:
        raise ValueError(f"{name} must be even, got {value!r}")
    return d


def _whole(name: str, values: ArrayLike, low: int) -> Floats:
    numbers = np.asarray(values, np.float64)
    if not (np.isfinite(numbers) & (numbers >= low) & (numbers == np.floor(numbers))).all():
        raise ValueError(f"{name} must be whole numbers at least {low}, got {values!r}")
    return numbers


def _vectors(name: str, values: ArrayLike) -> Floats:
    rows = np.asarray(values, np.float64)
    if rows.ndim < 2 or not rows.shape[-1]:
        raise ValueError(f"{name} must have shape (..., n, d) with d >= 1, got {rows.shape}")
    return rows


def _square(cells: Floats) -> Floats:
    if cells.ndim < 2 or cells.shape[-1] != cells.shape[-2]:
        raise ValueError(f"scores must have shape (..., n, n), got {cells.shape}")
    return cells


def _array(name: str, values: ArrayLike, shape: tuple[int | None, ...]) -> Floats:
    """Return values as float64 if they have the shape; None stands for any length."""
    array = np.asarray(values, np.float64)
    fits = len(shape) == array.ndim
    if not fits or any(b not in (None, a) for a, b in zip(array.shape, shape, strict=True)):
        wanted = ", ".join("any" if length is None else str(length) for length in shape)
        raise ValueError(f"{name} must have shape ({wanted}), got {array.shape}")
    return array
