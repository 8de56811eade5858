"""Rotary positions, the maps that bend them beyond a window, and attention computed with them.

RoPE turns pair c of a vector at position m by the angle m theta_c, theta_c = base^(-2c/d), so that
    (R_i q)^T (R_j k) = q^T R_{-(i-j)} k = Re sum_c q_c conj(k_c) exp(I (i - j) theta_c)
sees positions only through delta = i - j. ReRoPE and its kin put f(delta) in its place, with
    f(delta) = min(delta, w) + max(delta - w, 0) / k      k > 1 Leaky ReRoPE, k = inf ReRoPE,
                                                          k < 1 its inverse, k = 1 or w >= L RoPE.

Shapes: L length, d = head_dim (even), q and k (L, d) or (..., d), theta (d/2,) radians per step.
Conventions: positions count from 0; i is the query's row, j the key's column, causal means j <= i,
cells with j > i hold NaN (a position), -inf (a logit) or False (a mask); the two-sided f is odd,
f(-delta) = -f(delta), which is our choice. Layout "interleaved" pairs features (2c, 2c+1), as Su,
bert4keras and GPT-J do; "half_split" pairs (c, c + d/2), as LLaMA and NeoX do; mixing them is a
bug that raises no error. Angles and scores are float64 whatever comes in; only `rotate` hands the
precision of x back.

Source: Su Jianlin, kexue.fm/archives/8265 (RoPE; Su et al. 2021, arXiv 2104.09864), 2023: 9708
(ReRoPE, Leaky), 9728 (inverse), 9948 (tiles), 8823 and 9706 (log n); code bojone/rerope. PI: Chen
et al. 2023, arXiv 2306.15595. Self-Extend: Jin et al. 2024, arXiv 2401.01325, code
datamllab/LongLM. Dual chunk attention: An et al. 2024, arXiv 2402.17463, code HKUNLP/ChunkLlama.
ALiBi: Press et al. 2021, arXiv 2108.12409.
"""

import math
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from models.checks import number, one_of, whole_number

Array = NDArray[np.float64]
Integers = NDArray[np.int64]
Mask = NDArray[np.bool_]

LAYOUTS = ("interleaved", "half_split")
LOG_N = ("none", "trained", "dagger")
MAX_CELLS = 1 << 24  # of a matrix made at one call: 4096 x 4096; above, sample rows and columns


# --- Checks ---------------------------------------------------------------------------------------


# --- Rotation -------------------------------------------------------------------------------------


def frequencies(head_dim: int, base: float = 10_000.0) -> Array:
    """Return theta_c = base^(-2c/d), radians per step, (d/2,), from 1 downwards.

    Args:
        head_dim: d, even, at least 2.
        base: Greater than 1.

    Raises:
        ValueError: If head_dim is odd or below 2, or base is not greater than 1.
    """
    d, base = whole_number("head_dim", head_dim, 2), number("base", base, 1, above=True)
    if d % 2:
        raise ValueError(f"head_dim must be even, got {head_dim}")
    return np.asarray(base ** (-np.arange(0, d, 2) / d))


def angles(positions: ArrayLike, theta: ArrayLike) -> Array:
    """Return m theta_c, radians, not reduced to one turn.

    Args:
        positions: Any finite real numbers (...), steps; float16 is refused, because it has already
            lost the odd integers above 2048.
        theta: Frequencies (d/2,).

    Returns:
        Angles (..., d/2), float64; products with m up to 1e6 are good to about 1e-10.

    Raises:
        ValueError: If positions are half precision or not finite.
    """
    m = np.asarray(positions)
    if m.dtype == np.float16:
        raise ValueError("positions must be integers, float32 or float64, got float16")
    m = m.astype(np.float64)
    if not np.isfinite(m).all():
        raise ValueError(f"positions must be finite, got {m[~np.isfinite(m)].flat[0]}")
    return np.asarray(m[..., None] * np.asarray(theta, np.float64))


def to_pairs(x: ArrayLike, layout: str = "interleaved") -> NDArray[np.complex128]:
    """Return the pairs of features as complex numbers, (..., d) -> (..., d/2).

    Raises:
        ValueError: If the layout is unknown or d is odd.
    """
    one_of("layout", layout, LAYOUTS)
    values = np.asarray(x, np.float64)
    if values.ndim == 0 or values.shape[-1] % 2:
        raise ValueError(f"x must have an even last axis, got shape {values.shape}")
    if layout == "interleaved":
        return np.asarray(values[..., 0::2] + 1j * values[..., 1::2])
    half = values.shape[-1] // 2
    return np.asarray(values[..., :half] + 1j * values[..., half:])


def from_pairs(pairs: NDArray[np.complex128], layout: str = "interleaved") -> Array:
    """Undo `to_pairs`, (..., d/2) -> (..., d).

    Raises:
        ValueError: If the layout is unknown.
    """
    one_of("layout", layout, LAYOUTS)
    axis = -1 if layout == "interleaved" else -2
    stacked = np.stack([pairs.real, pairs.imag], axis=axis)
    return stacked.reshape(*pairs.shape[:-1], 2 * pairs.shape[-1])


def rotate(
    x: ArrayLike, positions: ArrayLike, theta: ArrayLike, layout: str = "interleaved"
) -> NDArray[Any]:
    """Turn vectors by their positions: R_m x, pair c by the angle m theta_c, counterclockwise.

    Args:
        x: Vectors (..., d).
        positions: Any real numbers, negative and fractional ones too; they broadcast against
            (...), e.g. (L,) for x (batch, heads, L, d).
        theta: Frequencies (d/2,).
        layout: One of `LAYOUTS`.

    Returns:
        Vectors (..., d) of the same length. Computed in float64, then rounded to x's own precision
        if that is a floating one (float16 and float32 come back as such), else float64.

    Raises:
        ValueError: If the layout is unknown, d is not twice the number of frequencies, or
            positions are not usable.
    """
    values = np.asarray(x)
    pairs = to_pairs(values, layout)
    if np.shape(theta) != pairs.shape[-1:]:
        raise ValueError(f"theta must have shape ({pairs.shape[-1]},), got {np.shape(theta)}")
    turned = from_pairs(pairs * np.exp(1j * angles(positions, theta)), layout)
    return turned.astype(values.dtype) if values.dtype.kind == "f" else turned


def relative_score(
    q: ArrayLike, k: ArrayLike, delta: ArrayLike, theta: ArrayLike, layout: str = "interleaved"
) -> Array:
    """Return q^T R_{-delta} k, the score of a query `delta` steps after its key, unscaled.

    Args:
        q: Unrotated query (..., d).
        k: Unrotated key (..., d).
        delta: Relative positions, real, broadcasting against (...).
        theta: Frequencies (d/2,).
        layout: One of `LAYOUTS`.

    Raises:
        ValueError: As `rotate`.
    """
    turned = rotate(np.asarray(q, np.float64), delta, theta, layout)
    return np.asarray((turned * np.asarray(k, np.float64)).sum(axis=-1))


# --- Schemes: what stands in cell (i, j) ----------------------------------------------------------

# The fields of `Scheme` that each method reads, in use or (inverse_infer) in training.
FIELDS: dict[str, tuple[str, ...]] = {
    "rope": (),
    "pi": ("scaling_factor",),
    "window": ("window",),
    "leaky": ("window", "scaling_factor"),
    "rerope": ("window",),
    "inverse_train": ("window", "scaling_factor"),
    "inverse_infer": ("window", "scaling_factor"),
    "nope": (),
    "self_extend": ("window", "scaling_factor"),
    "dual_chunk": ("window", "chunk_len"),
}
METHODS = tuple(FIELDS)
NON_TOEPLITZ = ("self_extend", "dual_chunk")
TOEPLITZ = tuple(method for method in METHODS if method not in NON_TOEPLITZ)


@dataclass(frozen=True)
class Scheme:
    """A rule for the position in cell (i, j) of the attention matrix; steps are the unit.

    Attributes:
        method: One of `METHODS`. "inverse_train" is the formula of "leaky", meant for k < 1, as it
            is used to train for "inverse_infer", whose own positions are plain RoPE's.
        window: w, at least 0, fractions allowed. For "window" the number of visible keys, at least
            1; for "self_extend" the exact neighbours W, whole, at least 1; for "dual_chunk" the
            local window, whole, at least 0 and below chunk_len.
        scaling_factor: k, from 1e-9 to inf, the step outside the window being 1/k; for
            "self_extend" the group size G, whole, at least 1.
        chunk_len: c of "dual_chunk", whole, at least 1; chunks are c - w long.

    Fields that the method does not read (see `FIELDS`) are not checked.

    Raises:
        ValueError: If the method is unknown or a field it reads is outside its domain.
    """

    method: str = "rope"
    window: float = 128.0
    scaling_factor: float = 16.0
    chunk_len: int = 384

    def __post_init__(self) -> None:
        one_of("method", self.method, METHODS)
        if self.method == "dual_chunk":
            chunk = whole_number("chunk_len", self.chunk_len, 1)
            whole_number("window", self.window, 0, chunk - 1)
        elif self.method == "self_extend":
            whole_number("window", self.window, 1)
            whole_number("scaling_factor", self.scaling_factor, 1)
        else:
            if "window" in FIELDS[self.method]:
                number("window", self.window, 1 if self.method == "window" else 0)
            if "scaling_factor" in FIELDS[self.method]:
                number("scaling_factor", self.scaling_factor, 1e-9, math.inf)

    @property
    def is_toeplitz(self) -> bool:
        """Whether the cell depends on i - j alone, so that `relative_map` says everything."""
        return self.method in TOEPLITZ

    @property
    def training(self) -> "Scheme":
        """The scheme the model is trained with: the inverse's own, NoPE's own, else RoPE."""
        own = {"inverse_infer": "inverse_train", "inverse_train": "inverse_train", "nope": "nope"}
        return replace(self, method=own.get(self.method, "rope"))


def leaky(delta: ArrayLike, window: float, scaling_factor: float) -> Array:
    """Return f(delta) = min(delta, w) + max(delta - w, 0) / k, for delta >= 0.

    For k >= 1 this is min(delta, w + (delta - w)/k), for k <= 1 the maximum of the same two.

    Raises:
        ValueError: If window is negative or scaling_factor outside 1e-9 .. inf.
    """
    w = number("window", window, 0)
    k = number("scaling_factor", scaling_factor, 1e-9, math.inf)
    steps = np.asarray(delta, np.float64)
    return np.minimum(steps, w) + np.maximum(steps - w, 0) / k


def relative_map(scheme: Scheme, delta: ArrayLike) -> Array:
    """Return f(delta) of a Toeplitz scheme, steps.

    Args:
        scheme: Its method is in `TOEPLITZ`.
        delta: Real numbers (...); for negative ones f is odd.

    Returns:
        (...), not rounded, non-decreasing for delta >= 0; NaN where "window" sees nothing.

    Raises:
        ValueError: If the scheme has no such function.

    Example:
        >>> relative_map(Scheme("leaky", window=3, scaling_factor=2), [7, 4, 3, 2]).tolist()
        [5.0, 3.5, 3.0, 2.0]
    """
    one_of("method", scheme.method, TOEPLITZ)
    steps = np.asarray(delta, np.float64)
    size, w, k = np.abs(steps), scheme.window, scheme.scaling_factor
    match scheme.method:
        case "pi":
            bent = size / k
        case "rerope":
            bent = np.minimum(size, w)
        case "leaky" | "inverse_train":
            bent = leaky(size, w, k)
        case "window":
            bent = np.where(size < w, size, np.nan)
        case "nope":
            bent = np.zeros_like(size)
        case _:  # rope, inverse_infer
            bent = size
    return np.asarray(np.sign(steps) * bent + 0.0)  # + 0.0: no negative zeros on screen


def _self_extend(i: Integers, j: Integers, window: int, group: int) -> Array:
    """Return i - j for neighbours, else floor(i/G) - floor(j/G) + W - W/G; i >= j."""
    far = i // group - j // group + window - window / group
    return np.asarray(np.where(i - j < window, i - j, far), np.float64)


def _dual_chunk(i: Integers, j: Integers, chunk_len: int, window: int) -> Array:
    """Return the distance of the query's position in or after its chunk from j mod s; i >= j."""
    s = chunk_len - window
    behind = i // s - j // s  # chunks between query and key
    after = np.where(behind == 1, np.minimum(i % s + s, chunk_len), min(2 * s - 1, chunk_len))
    return np.asarray(np.where(behind == 0, i % s, after) - j % s, np.float64)


def positions(scheme: Scheme, rows: ArrayLike, cols: ArrayLike, causal: bool = True) -> Array:
    """Return P(i, j), the relative position that attention sees in each cell.

    Any grid will do: `rows[:, None]` and `cols[None, :]` from `sampled` draw a matrix of any
    length without building it.

    Args:
        scheme: Any scheme.
        rows: Query positions i, integers at least 0.
        cols: Key positions j, integers at least 0; rows and cols broadcast.
        causal: Whether keys after the query are hidden; if not, P(i, j) = -P(j, i).

    Returns:
        Real numbers of the broadcast shape, steps; NaN where nothing is seen.

    Raises:
        ValueError: If indices are not integers from 0, or there are more than `MAX_CELLS` cells.
    """
    i, j = _indices("rows", rows), _indices("cols", cols)
    _check_cells(np.broadcast_shapes(i.shape, j.shape))
    delta = i - j
    if scheme.is_toeplitz:
        cells = relative_map(scheme, delta)
    else:
        late, early, w = np.maximum(i, j), np.minimum(i, j), int(scheme.window)
        if scheme.method == "self_extend":
            size = _self_extend(late, early, w, int(scheme.scaling_factor))
        else:
            size = _dual_chunk(late, early, int(scheme.chunk_len), w)
        cells = np.sign(delta) * size
    return np.where(delta < 0, np.nan, cells) if causal else cells


def position_matrix(scheme: Scheme, length: int, causal: bool = True) -> Array:
    """Return all cells P(i, j), (L, L); see `positions`.

    Raises:
        ValueError: If length is below 1 or L^2 exceeds `MAX_CELLS`.
    """
    index = np.arange(whole_number("length", length, 1, math.isqrt(MAX_CELLS)))
    return positions(scheme, index[:, None], index[None, :], causal)


def sampled(length: int, limit: int) -> Integers:
    """Return at most `limit` whole positions spread evenly over 0 .. length - 1, ends included.

    Raises:
        ValueError: If length is below 1 or limit below 2.
    """
    length, limit = whole_number("length", length, 1), whole_number("limit", limit, 2)
    return np.linspace(0, length - 1, min(length, limit)).round().astype(np.int64)


def window_mask(
    rows: ArrayLike, cols: ArrayLike, window: float, n_sinks: int = 0, causal: bool = True
) -> Mask:
    """Return which keys window attention sees: |i - j| < window, and the first keys if asked.

    The same mask with n_sinks > 0 is the Lambda shape of StreamingLLM (arXiv 2309.17453) and
    LM-Infinite (arXiv 2308.16137); both also renumber positions, which a mask cannot show.

    Args:
        rows: Query positions i, integers at least 0.
        cols: Key positions j, integers at least 0; rows and cols broadcast.
        window: Number of keys seen, the query's own included, at least 1.
        n_sinks: Number of first keys always seen.
        causal: Whether keys after the query are hidden.

    Raises:
        ValueError: If an argument is outside its domain.
    """
    i, j = _indices("rows", rows), _indices("cols", cols)
    _check_cells(np.broadcast_shapes(i.shape, j.shape))
    near = np.abs(i - j) < number("window", window, 1)
    seen = near | (j < whole_number("n_sinks", n_sinks, 0))
    return np.asarray(seen & (j <= i) if causal else seen)


def alibi_slopes(n_heads: int) -> Array:
    """Return ALiBi's slopes, (n_heads,): 2^(-8h/H), h = 1 .. H, if H is a power of two.

    Otherwise those of the power of two below, then every other slope of the one above.

    Raises:
        ValueError: If n_heads is below 1.
    """
    n = whole_number("n_heads", n_heads, 1)
    power = 1 << (n.bit_length() - 1)
    first = 2.0 ** (-8 / power * np.arange(1, power + 1))
    extra = 2.0 ** (-4 / power * np.arange(1, 2 * (n - power), 2))
    return np.concatenate([first, extra])


def alibi_bias(rows: ArrayLike, cols: ArrayLike, slopes: ArrayLike, causal: bool = True) -> Array:
    """Return -slope |i - j|, what ALiBi adds to the logits instead of turning q and k.

    Args:
        rows: Query positions i, integers at least 0.
        cols: Key positions j, integers at least 0; rows and cols broadcast to (...).
        slopes: One slope per head (n_heads,).
        causal: Whether keys after the query are hidden, by -inf.

    Returns:
        Bias (n_heads, ...), the unit of the logits.

    Raises:
        ValueError: If indices are not integers from 0, or there are more than `MAX_CELLS` cells.
    """
    i, j = _indices("rows", rows), _indices("cols", cols)
    slope = np.atleast_1d(np.asarray(slopes, np.float64))
    shape = np.broadcast_shapes(i.shape, j.shape)
    _check_cells((slope.size, *shape))
    bias = -slope.reshape(-1, *([1] * len(shape))) * np.abs(i - j) + 0.0
    return np.asarray(np.where(i < j, -np.inf, bias)) if causal else np.asarray(bias)


# --- What was trained, what is asked for ----------------------------------------------------------


def largest_per_delta(scheme: Scheme, length: int) -> Array:
    """Return for each delta = 0 .. L - 1 the largest P(i, i - delta) among the rows, (L,).

    For a Toeplitz scheme that is f(delta). Two closed forms serve the others. Self-Extend: i / G
    and j / G, both cut down, differ by ceil(delta/G) at best, reached where a multiple of G that
    is at least delta fits in the text, else by floor(delta/G). Dual chunk: min(delta, c, 2s - 1).

    Raises:
        ValueError: If length is below 1.
    """
    delta = np.arange(whole_number("length", length, 1))
    if scheme.is_toeplitz:
        return relative_map(scheme, delta)
    w = int(scheme.window)
    if scheme.method == "dual_chunk":
        top = min(int(scheme.chunk_len), 2 * (int(scheme.chunk_len) - w) - 1)
        return np.minimum(delta, top).astype(np.float64)
    group = int(scheme.scaling_factor)
    above = -(-delta // group)
    steps = np.where(above * group < length, above, delta // group)
    return np.where(delta < w, delta, steps + w - w / group)


def largest_position(scheme: Scheme, length: int) -> float:
    """Return the largest relative position in a text of that length, steps.

    For Leaky ReRoPE it is w + (L - 1 - w)/k as soon as L > w; for ReRoPE never more than w.

    Raises:
        ValueError: If length is below 1.
    """
    return float(np.nanmax(largest_per_delta(scheme, length)))


def trained_limit(scheme: Scheme, train_length: int) -> float:
    """Return the largest position seen when the scheme's model was trained at that length.

    That is train_length - 1 for all but the inverse, w + (train_length - 1 - w)/k, and NoPE, 0.

    Raises:
        ValueError: If train_length is below 1.
    """
    return largest_position(scheme.training, whole_number("train_length", train_length, 1))


@dataclass(frozen=True)
class OutOfRange:
    """How much of the causal attention matrix asks for positions above the trained ones.

    Attributes:
        breach: Smallest delta with a position above the limit, or None.
        n_deltas: Number of deltas 0 .. L - 1 with such a position.
        delta_share: n_deltas / L.
        n_pairs: Number of cells (i, j), j <= i, with such a position.
        pair_share: n_pairs over the number of visible cells.
    """

    breach: int | None
    n_deltas: int
    delta_share: float
    n_pairs: int
    pair_share: float


def out_of_range(scheme: Scheme, length: int, limit: float) -> OutOfRange:
    """Count positions above `limit` in a text of that length, in O(L).

    Args:
        scheme: Any scheme.
        length: L, at least 1.
        limit: Largest trained position, at least 0; see `trained_limit`.

    Raises:
        ValueError: If length is below 1 or limit is negative.
    """
    outside = largest_per_delta(scheme, length) > number("limit", limit, 0)
    n_deltas = int(outside.sum())
    n_pairs = int(out_of_range_per_row(scheme, length, limit).sum())
    seen = np.arange(1, length + 1)
    if scheme.method == "window":
        seen = np.minimum(seen, math.ceil(scheme.window))
    return OutOfRange(
        breach=int(outside.argmax()) if n_deltas else None,
        n_deltas=n_deltas,
        delta_share=n_deltas / len(outside),
        n_pairs=n_pairs,
        pair_share=n_pairs / int(seen.sum()),
    )


def out_of_range_per_row(scheme: Scheme, length: int, limit: float) -> Integers:
    """Return how many of its keys each query sees at a position above `limit`, (L,), in O(L).

    Raises:
        ValueError: If length is below 1 or limit is negative.
    """
    i, limit = np.arange(whole_number("length", length, 1)), number("limit", limit, 0)
    if scheme.is_toeplitz:
        return np.cumsum(relative_map(scheme, i) > limit).astype(np.int64)
    w, below = int(scheme.window), math.floor(limit)
    if scheme.method == "self_extend":
        group = int(scheme.scaling_factor)
        # floor(j/G) must stay below floor(i/G) + W - W/G - limit, and j at or below i - W.
        first_groups = np.ceil(i // group + w - w / group - limit).astype(np.int64)
        far = np.clip(group * first_groups, 0, np.maximum(i - w + 1, 0))
        near = np.maximum(np.minimum(i, w - 1) - below, 0)
        return np.asarray(far + near, np.int64)
    c = int(scheme.chunk_len)
    s = c - w
    own = np.maximum(i % s - below, 0)
    previous = np.clip(np.minimum(i % s + s, c) - below, 0, s) * (i >= s)
    older = int(np.clip(min(2 * s - 1, c) - below, 0, s)) * np.maximum(i // s - 1, 0)
    return np.asarray(own + previous + older, np.int64)


def coverage(length: int) -> Integers:
    """Return how often each delta = 0 .. L - 1 occurs in one text: L - delta times, (L,).

    Raises:
        ValueError: If length is below 1.
    """
    return np.arange(whole_number("length", length, 1), 0, -1)


def trained_positions(scheme: Scheme, train_length: int) -> tuple[Array, Integers]:
    """Return the relative positions met in training and how often one text shows each.

    For the inverse of Leaky ReRoPE this is a grid: steps of 1 up to w, then of 1/k.

    Returns:
        Positions (train_length,), non-decreasing, and counts (train_length,).

    Raises:
        ValueError: If train_length is below 1.
    """
    counts = coverage(train_length)
    return relative_map(scheme.training, np.arange(len(counts))), counts


def gap_to_trained(needed: ArrayLike, trained: ArrayLike) -> Array:
    """Return the distance of each needed position to the nearest trained one, steps.

    Args:
        needed: Positions (...).
        trained: Positions (n,), non-decreasing, at least one.

    Raises:
        ValueError: If nothing was trained.
    """
    asked, known = np.asarray(needed, np.float64), np.asarray(trained, np.float64)
    if known.ndim != 1 or known.size == 0:
        raise ValueError(f"trained must have shape (n,) with n >= 1, got {known.shape}")
    right = np.searchsorted(known, asked).clip(0, known.size - 1)
    left = (right - 1).clip(0)
    return np.asarray(np.minimum(np.abs(asked - known[left]), np.abs(known[right] - asked)))


# --- Rules of the posts ---------------------------------------------------------------------------


def rule_window(train_length: int) -> float:
    """Return w = train_length / 4, the lower end of the 1/4 .. 1/2 that worked alike (9708, 9728).

    Raises:
        ValueError: If train_length is below 1.
    """
    return whole_number("train_length", train_length, 1) / 4


def required_scaling_factor(window: float, length: int, train_length: int) -> float:
    """Return the least k >= 1 with w + (length - 1 - w)/k <= train_length / 2, the rule of 9708.

    Args:
        window: w, at least 0.
        length: Length to reach.
        train_length: Length trained at.

    Returns:
        k; inf, i.e. ReRoPE, if w is exactly half the trained length.

    Raises:
        ValueError: If an argument is outside its domain, or no k obeys because w > train_length/2.
    """
    w, length = number("window", window, 0), whole_number("length", length, 1)
    half = whole_number("train_length", train_length, 1) / 2
    if length - 1 <= half:
        return 1.0
    if w > half:
        raise ValueError(f"window must be at most train_length / 2 = {half:g}, got {window!r}")
    return math.inf if w == half else max(1.0, (length - 1 - w) / (half - w))


def inverse_scaling_factor(expansion: float) -> float:
    """Return k = 1/(2E), 9728's rule for training a model that is to read E times as far.

    Raises:
        ValueError: If expansion is below 1.
    """
    return 1 / (2 * number("expansion", expansion, 1))


def inverse_base(base: float, expansion: float) -> float:
    """Return base x E, the larger base that 9728 tries as well ("b8" for E = 8).

    Raises:
        ValueError: If base is not greater than 1 or expansion is below 1.
    """
    return number("base", base, 1, above=True) * number("expansion", expansion, 1)


def self_extend_reach(train_length: int, window: int, group: int) -> int:
    """Return (M - W) G + W, the longest text Self-Extend keeps inside the trained M positions.

    Raises:
        ValueError: If a count is below 1 or window exceeds train_length.
    """
    m, g = whole_number("train_length", train_length, 1), whole_number("group", group, 1)
    w = whole_number("window", window, 1, m)
    return (m - w) * g + w


def dual_chunk_defaults(train_length: int) -> tuple[int, int]:
    """Return chunk_len 3M/4 and local window M/8, the defaults of ChunkLlama's code.

    Raises:
        ValueError: If train_length is below 2.
    """
    m = whole_number("train_length", train_length, 2)
    return 3 * m // 4, m // 8


# --- Attention in two passes ----------------------------------------------------------------------


@dataclass(frozen=True)
class TwoPass:
    """Attention logits of (Leaky) ReRoPE as they are computed, each (L, L), scaled by 1/sqrt(d).

    Attributes:
        near: Exact positions, used where i - j < w.
        far: Bent positions, used elsewhere.
        is_near: Mask i - j < w, True above the diagonal too.
        merged: near or far by the mask; -inf above the diagonal.
    """

    near: Array
    far: Array
    is_near: Mask
    merged: Array


def two_pass(
    q: ArrayLike, k: ArrayLike, scheme: Scheme, theta: ArrayLike, layout: str = "interleaved"
) -> TwoPass:
    """Compute causal logits from two ordinary RoPE score matrices and a mask.

    near = (R_i q_i)^T (R_j k_j);  far = (R_{(i-w)/k + w} q_i)^T (R_{j/k} k_j), which for k = inf
    (ReRoPE) is (R_w q_i)^T k_j. Both give f(i - j) = w at i - j = w.

    Args:
        q: Queries (L, d), unrotated.
        k: Keys (L, d), unrotated.
        scheme: Method "leaky", "inverse_train" or "rerope".
        theta: Frequencies (d/2,).
        layout: One of `LAYOUTS`.

    Raises:
        ValueError: If shapes do not fit or the scheme has another method.
    """
    one_of("method", scheme.method, ("leaky", "inverse_train", "rerope"))
    queries, keys = _vectors("q", q), _vectors("k", k)
    if queries.shape != keys.shape:
        raise ValueError(f"q and k must have the same shape, got {queries.shape}, {keys.shape}")
    i, w = np.arange(len(queries)), scheme.window
    factor = math.inf if scheme.method == "rerope" else scheme.scaling_factor
    late = rotate(queries, (i - w) / factor + w, theta, layout)
    early = rotate(keys, i / factor, theta, layout)
    scale = 1 / math.sqrt(queries.shape[1])
    near = rotate(queries, i, theta, layout) @ rotate(keys, i, theta, layout).T * scale
    far = late @ early.T * scale
    delta = i[:, None] - i[None, :]
    is_near = delta < w
    merged = np.where(delta < 0, -np.inf, np.where(is_near, near, far))
    return TwoPass(near, far, is_near, merged)


def logits_at(
    q: ArrayLike, k: ArrayLike, at: ArrayLike, theta: ArrayLike, layout: str = "interleaved"
) -> Array:
    """Return q_i^T R_{-P(i,j)} k_j / sqrt(d) for any matrix P of relative positions.

    The direct road: one rotation per cell, O(n_queries n_keys d), for comparison and for schemes
    that no pair of rotations can express.

    Args:
        q: Queries (n_queries, d), unrotated.
        k: Keys (n_keys, d), unrotated.
        at: P (n_queries, n_keys), steps; NaN hides a cell.
        theta: Frequencies (d/2,).
        layout: One of `LAYOUTS`.

    Returns:
        Logits (n_queries, n_keys); -inf where hidden.

    Raises:
        ValueError: If shapes do not fit.
    """
    queries, keys = to_pairs(_vectors("q", q), layout), to_pairs(_vectors("k", k), layout)
    cells, freqs = np.asarray(at, np.float64), np.asarray(theta, np.float64)
    if cells.shape != (len(queries), len(keys)):
        raise ValueError(f"at must have shape {(len(queries), len(keys))}, got {cells.shape}")
    if not queries.shape[1] == keys.shape[1] == freqs.size:
        raise ValueError(f"theta must have shape ({queries.shape[1]},), got {freqs.shape}")
    hidden = np.isnan(cells)
    angle = np.where(hidden, 0, cells)
    total = np.zeros(cells.shape)
    for c, theta_c in enumerate(freqs):  # one pair at a time: memory for one matrix, not d/2
        weight = queries[:, c, None] * keys[None, :, c].conj()
        total += (weight * np.exp(1j * theta_c * angle)).real
    return np.where(hidden, -np.inf, total / math.sqrt(2 * freqs.size))


def decode_step(
    q: ArrayLike, keys: ArrayLike, scheme: Scheme, theta: ArrayLike, layout: str = "interleaved"
) -> tuple[Array, Array]:
    """Compute the last row of attention with the query unrotated and every key turned anew.

    Keys are cached unrotated; at each step key j is turned by -P(L - 1, j), so one matrix serves.

    Args:
        q: The newest query (d,), at position L - 1.
        keys: All keys so far (L, d), unrotated.
        scheme: Any scheme.
        theta: Frequencies (d/2,).
        layout: One of `LAYOUTS`.

    Returns:
        The turned keys (L, d), NaN where hidden by a window, and the logits (L,), -inf there.

    Raises:
        ValueError: If shapes do not fit.
    """
    query, cached = _vectors("q", np.atleast_2d(np.asarray(q))), _vectors("keys", keys)
    if query.shape != (1, cached.shape[1]):
        raise ValueError(f"q must have shape ({cached.shape[1]},), got {np.shape(q)}")
    at = positions(scheme, len(cached) - 1, np.arange(len(cached)))
    hidden = np.isnan(at)
    turned = rotate(cached, np.where(hidden, 0, -at), theta, layout)
    turned[hidden] = np.nan
    logits = turned @ query[0] / math.sqrt(cached.shape[1])
    return turned, np.where(hidden, -np.inf, logits)


@dataclass(frozen=True)
class Tiles:
    """Tiles of a causal score matrix by what they need: near only, far only, or both matrices."""

    n_tiles: int
    n_near: int
    n_far: int
    n_both: int

    @property
    def extra_share(self) -> float:
        """Work added by the second matrix when it is computed tile by tile: n_both / n_tiles."""
        return self.n_both / self.n_tiles


def tile_counts(length: int, tile: int, window: float) -> Tiles:
    """Count the tiles on or below the diagonal in O(L / tile); the remark of 9948, derived.

    Only tiles that the line i - j = w cuts need both matrices: L/B - w/B of them when w is a
    multiple of the tile B, against (L/B)(L/B + 1)/2 in all.

    Args:
        length: L, at least 1; the last row of tiles may be cut short.
        tile: Rows and columns B of a tile, at least 1.
        window: w, at least 0.

    Raises:
        ValueError: If an argument is outside its domain.
    """
    offset = np.arange(-(-whole_number("length", length, 1) // whole_number("tile", tile, 1)))
    n, last_rows = len(offset), length - (len(offset) - 1) * tile
    kinds = np.concatenate(
        [
            np.repeat(_tile_kind(offset, tile, tile, window), np.maximum(n - 1 - offset, 0)),
            _tile_kind(offset, tile, last_rows, window),
        ]
    )
    near, far, both = np.bincount(kinds, minlength=3).tolist()
    return Tiles(len(kinds), near, far, both)


def tile_kinds(length: int, tile: int, window: float) -> NDArray[np.int8]:
    """Return what each tile needs: 0 near, 1 far, 2 both, -1 above the diagonal.

    Args:
        length: L, at least 1.
        tile: Rows and columns of a tile, at least 1.
        window: w, at least 0.

    Returns:
        (n, n) with n = ceil(L / tile), row of queries first.

    Raises:
        ValueError: If an argument is outside its domain or n^2 exceeds `MAX_CELLS`.
    """
    row = np.arange(-(-whole_number("length", length, 1) // whole_number("tile", tile, 1)))
    _check_cells((len(row), len(row)))
    offset = row[:, None] - row[None, :]
    n_rows = np.minimum(tile, length - row * tile)[:, None]
    kinds = _tile_kind(offset, tile, n_rows, window)
    return np.where(offset < 0, -1, kinds).astype(np.int8)


def _tile_kind(offset: Integers, tile: int, n_rows: Any, window: float) -> Integers:
    """Return 0, 1 or 2 from the least and the largest i - j in a tile `offset` blocks down."""
    w = number("window", window, 0)
    least, largest = np.maximum(offset * tile - tile + 1, 0), offset * tile + n_rows - 1
    return np.where(largest < w, 0, np.where(least >= w, 1, 2))


# --- Length and entropy ---------------------------------------------------------------------------


def log_n_scale(n: ArrayLike, max_length: float, mode: str = "trained") -> Array:
    """Return the factor on the logits of a query that sees n keys.

    "trained" (8823) is log_max_length(n) = ln n / ln max_length: 1 at n = max_length, below 1 for
    shorter texts, 0 at n = 1. "dagger" (9706), for a model trained without it, is
    max(1, ln n / ln max_length). "none" is 1.

    Args:
        n: Number of visible keys (...), at least 1: position + 1 when causal.
        max_length: Trained length, greater than 1.
        mode: One of `LOG_N`.

    Raises:
        ValueError: If an argument is outside its domain.
    """
    one_of("mode", mode, LOG_N)
    counts = np.asarray(n, np.float64)
    if not (counts >= 1).all():
        raise ValueError(f"n must be at least 1, got {counts[~(counts >= 1)].flat[0]:g}")
    if mode == "none":
        return np.ones_like(counts)
    ratio = np.log(counts) / math.log(number("max_length", max_length, 1, above=True))
    return np.asarray(ratio if mode == "trained" else np.maximum(ratio, 1))


def softmax(logits: ArrayLike) -> Array:
    """Return exp(logits) normalised over the last axis; -inf gives exactly 0.

    Raises:
        ValueError: If a row has no finite largest entry: nothing visible, NaN or +inf.
    """
    values = np.asarray(logits, np.float64)
    top = values.max(axis=-1, keepdims=True)
    if not np.isfinite(top).all():
        raise ValueError("logits must have a finite largest entry in every row")
    weights = np.exp(values - top)
    return np.asarray(weights / weights.sum(axis=-1, keepdims=True))


def entropy(weights: ArrayLike) -> Array:
    """Return -sum p ln p over the last axis, nats, with 0 ln 0 = 0.

    Raises:
        ValueError: If a weight is negative or NaN.
    """
    p = np.asarray(weights, np.float64)
    if not (p >= 0).all():
        raise ValueError(f"weights must be at least 0, got {p[~(p >= 0)].flat[0]:g}")
    return np.asarray(-(p * np.log(np.where(p > 0, p, 1))).sum(axis=-1) + 0.0)


def entropy_curve(
    logits: ArrayLike, lengths: ArrayLike, max_length: float, mode: str = "none"
) -> Array:
    """Return the entropy of attention over the first n keys, for each n, nats.

    Args:
        logits: Logits of one query with N keys (N,), before the log n factor.
        lengths: Numbers of keys n (m,), whole, 1 .. N.
        max_length: Trained length, greater than 1.
        mode: One of `LOG_N`.

    Returns:
        (m,); without the factor it grows like ln n.

    Raises:
        ValueError: If an argument is outside its domain.
    """
    row, counts = np.asarray(logits, np.float64), _indices("lengths", np.atleast_1d(lengths))
    if row.ndim != 1 or row.size < 1:
        raise ValueError(f"logits must have shape (N,) with N >= 1, got {row.shape}")
    if counts.size and not (counts.min() >= 1 and counts.max() <= row.size):
        raise ValueError(f"lengths must lie in 1 .. {row.size}, got {counts.tolist()}")
    scales = log_n_scale(counts, max_length, mode)
    curve = [entropy(softmax(s * row[:n])) for n, s in zip(counts, scales, strict=True)]
    return np.asarray(curve, np.float64)


def sphere_entropy(n: ArrayLike, scale: float, head_dim: int) -> Array:
    """Return the entropy over many keys spread evenly on a sphere, nats.

    Query and keys have length sqrt(d) and meet at the angle t, whose density is ~ sin^(d-2) t; with
    s = scale x d, H = ln n + ln E[exp(s cos t)] - s E[exp(s cos t) cos t] / E[exp(s cos t)] (8823,
    there approximated by ln n - 0.24 scale d, which is right at scale = 1). So the loss against
    ln n depends on the scale alone, and keeping H calls for a scale that grows like ln n.

    Args:
        n: Number of keys (...), at least 1; the formula is the limit of many.
        scale: Factor on q.k, at least 0, e.g. 1/sqrt(d).
        head_dim: d, from 2 to 4096.

    Raises:
        ValueError: If an argument is outside its domain.
    """
    d, counts = whole_number("head_dim", head_dim, 2, 4096), np.asarray(n, np.float64)
    if not (counts >= 1).all():
        raise ValueError(f"n must be at least 1, got {counts[~(counts >= 1)].flat[0]:g}")
    angle = (np.arange(4096) + 0.5) * np.pi / 4096
    area, pull = (d - 2) * np.log(np.sin(angle)), number("scale", scale, 0) * d * np.cos(angle)
    weights = softmax(area + pull)
    log_mean = np.logaddexp.reduce(area + pull) - np.logaddexp.reduce(area)
    return np.asarray(np.log(counts) + log_mean - weights @ pull)


# --- Helpers --------------------------------------------------------------------------------------


def _indices(name: str, values: ArrayLike) -> Integers:
    index = np.asarray(values)
    if index.dtype.kind not in "iu" or (index.size and index.min() < 0):
        raise ValueError(f"{name} must be integers at least 0, got {index.dtype} {index.flat[:3]}")
    return index.astype(np.int64)


def _check_cells(shape: tuple[int, ...]) -> None:
    if math.prod(shape) > MAX_CELLS:
        raise ValueError(f"cells must be at most {MAX_CELLS}, got {math.prod(shape)}")


def _vectors(name: str, values: ArrayLike) -> Array:
    vectors = np.asarray(values, np.float64)
    if vectors.ndim != 2 or 0 in vectors.shape or vectors.shape[1] % 2:
        raise ValueError(f"{name} must have shape (n, d) with d even, got {vectors.shape}")
    return vectors
