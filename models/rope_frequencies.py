"""Choices of RoPE's frequencies for longer texts, and what a choice of base allows.

Every method maps theta_c = base^(-2c/d) to new frequencies; its ratio new / old runs from 1 (pair
kept) to 1/k (pair interpolated). A base is long enough for length L, in the sense of 10122, if
    f_b(m) = sum_c cos(m theta_c) >= 0    for all m = 0 .. L - 1.

Shapes: theta (d/2,), radians per step, d = head_dim; c = 0 .. d/2 - 1 numbers the pairs.
Conventions: k, s = factor >= 1 is the wanted over the trained length M = train_length; a pair that
is not turned at all has theta_c = 0; an attention factor multiplies cos and sin, hence q and k
each, so the logits get its square. Everything is float64; transformers works in float32.

Source: Su Jianlin, kexue.fm/archives/9675 (NTK, old), 9706 (fixed, mixed), 9948 (turns), 8265
(decay), 10122 (base; Xu et al. 2024, arXiv 2405.14591). PI: arXiv 2306.15595. NTK-aware and
dynamic NTK: u/bloc97 and u/emozilla, 2023. YaRN: Peng et al. 2023, arXiv 2309.00071, code
jquesnelle/yarn. Llama 3.1: arXiv 2407.21783. LongRoPE: Ding et al. 2024, arXiv 2402.13753. ABF:
Xiong et al. 2023, arXiv 2309.16039. Names, rounding and clamps of the last forms as in
transformers 5.23, modeling_rope_utils.py.
"""

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import ArrayLike, NDArray

from models.checks import number, whole_number
from models.rope import Array, frequencies

TURN = 2 * math.pi
CI_ROOT = 0.6165054856207162  # first zero of the cosine integral Ci
# Products of matrices with at most so many multiplications stay on one thread in OpenBLAS; waking a
# second one for a millisecond's work costs 30 ms on a machine whose cores are busy.
SINGLE_THREAD = 1 << 18


@dataclass(frozen=True)
class Rope:
    """What a model was trained with.

    Attributes:
        head_dim: d, even, at least 2.
        base: Greater than 1.
        train_length: M, tokens, at least 2.
        theta: theta_c = base^(-2c/d), (d/2,), computed.

    Raises:
        ValueError: If a field is outside its domain.
    """

    head_dim: int = 128
    base: float = 10_000.0
    train_length: int = 4096
    theta: Array = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        whole_number("train_length", self.train_length, 2)
        theta = frequencies(self.head_dim, self.base)
        theta.setflags(write=False)
        object.__setattr__(self, "theta", theta)

    @property
    def exponents(self) -> Array:
        """2c/d, (d/2,)."""
        return np.arange(0, self.head_dim, 2) / self.head_dim


# --- New frequencies ------------------------------------------------------------------------------


def unchanged(rope: Rope, factor: float) -> Array:
    """Return theta_c whatever the factor: extrapolation, (d/2,).

    Raises:
        ValueError: If factor is below 1.
    """
    return rope.theta * _factor(factor) ** 0


def pi(rope: Rope, factor: float) -> Array:
    """Return theta_c / k, position interpolation: every pair alike, (d/2,).

    Raises:
        ValueError: If factor is below 1.
    """
    return rope.theta / _factor(factor)


def abf(rope: Rope, base: float) -> Array:
    """Return the frequencies of another base ("adjusted base frequency"), e.g. 5e5, (d/2,).

    Raises:
        ValueError: If base is not greater than 1.
    """
    return frequencies(rope.head_dim, base)


def ntk_old(rope: Rope, factor: float) -> Array:
    """Return (b k)^(-2c/d), 9675: first pair kept, last one at k^(2/d)/k, (d/2,).

    Raises:
        ValueError: If factor is below 1.
    """
    return rope.theta * _factor(factor) ** -rope.exponents


def ntk_aware(rope: Rope, factor: float) -> Array:
    """Return (b k^(d/(d-2)))^(-2c/d), bloc97: first pair kept, last one exactly at 1/k, (d/2,).

    Raises:
        ValueError: If factor is below 1 or head_dim is 2, where first and last are one pair.
    """
    return rope.theta * _factor(factor) ** (-rope.exponents * _stretch(rope))


def ntk_fixed(rope: Rope, factor: float) -> Array:
    """Return (b k)^(-2c/d) k^(-2/d), 9706: the ratio is k^(-2(c+1)/d), last one 1/k, (d/2,).

    Raises:
        ValueError: If factor is below 1.
    """
    return rope.theta * _factor(factor) ** -(rope.exponents + 2 / rope.head_dim)


def ntk_mixed(rope: Rope, factor: float, beta: float = 0.625) -> Array:
    """Return theta_c exp(-a (c+1)^beta) with a = ln k / (d/2)^beta, 9706, (d/2,).

    Args:
        rope: The trained RoPE.
        factor: k, at least 1; the repository's patch uses 12.
        beta: From 0 (every pair at 1/k: PI) over 1 (`ntk_fixed`); the repository uses 0.75.

    Raises:
        ValueError: If factor is below 1 or beta below 0.
    """
    beta = number("beta", beta, 0, 64)
    share = (np.arange(1, rope.theta.size + 1) / rope.theta.size) ** beta
    return rope.theta * _factor(factor) ** -share


def dynamic_ntk(rope: Rope, factor: float, length: int | None = None) -> Array:
    """Return `ntk_aware` for k = s L/M - (s - 1), which grows with the text, (d/2,).

    Args:
        rope: The trained RoPE.
        factor: s, at least 1.
        length: L, current length; up to M nothing changes. By default s M, cut down.

    Raises:
        ValueError: If factor or length is below 1, or head_dim is 2.
    """
    s, m = _factor(factor), rope.train_length
    now = math.floor(s * m) if length is None else whole_number("length", length, 1)
    return ntk_aware(rope, s * max(now, m) / m - (s - 1))


def yarn_turns(rope: Rope, factor: float, tau: float = 32.0) -> Array:
    """Return theta (g + (1 - g)/s), 9948's form of YaRN, linear in the number of turns, (d/2,).

    g = clip((r - 1)/(tau - 1), 0, 1) with r_c = M theta_c / 2 pi: pairs with tau turns or more are
    kept, pairs with less than one are interpolated.

    Raises:
        ValueError: If factor is below 1 or tau not greater than 1.
    """
    s, tau = _factor(factor), number("tau", tau, 1, above=True)
    kept = np.clip((turns(rope) - 1) / (tau - 1), 0, 1)
    return np.asarray(rope.theta * (kept + (1 - kept) / s))


def yarn_range(
    rope: Rope, beta_fast: float = 32.0, beta_slow: float = 1.0, truncate: bool = True
) -> tuple[float, float]:
    """Return the indices lo and hi between which YaRN's ramp runs.

    x(r) = d ln(M/(2 pi r)) / (2 ln b) is the index at which a pair would make r turns; lo = x(fast)
    and hi = x(slow), rounded outwards if truncated, then lo >= 0 and hi <= d - 1 (not d/2 - 1).

    Args:
        rope: The trained RoPE.
        beta_fast: Turns from which pairs are kept, greater than 0.
        beta_slow: Turns below which they are interpolated, greater than 0, at most beta_fast.
        truncate: Whether to round, the default of the published code.

    Raises:
        ValueError: If 0 < beta_slow <= beta_fast does not hold.
    """
    fast = number("beta_fast", beta_fast, 0, above=True)
    slow = number("beta_slow", beta_slow, 0, fast, above=True)

    def index(r: float) -> float:
        full = math.log(rope.train_length / (r * TURN)) / math.log(rope.base)
        return rope.head_dim * full / 2

    lo, hi = index(fast), index(slow)
    if truncate:
        lo, hi = math.floor(lo), math.ceil(hi)
    return max(lo, 0), min(hi, rope.head_dim - 1)


def yarn(
    rope: Rope,
    factor: float,
    beta_fast: float = 32.0,
    beta_slow: float = 1.0,
    truncate: bool = True,
) -> Array:
    """Return YaRN as coded: theta (1 - g) + theta g / s, g linear in the pair's index c, (d/2,).

    g = clip((c - lo)/(hi - lo), 0, 1), see `yarn_range`; 0.001 is added to hi if it equals lo. This
    is not `yarn_turns`: between lo and hi the ratios differ by up to 0.28. For so small a base that
    lo > d - 1 (b = 2, d = 8, M = 4096) the clamp turns the ramp round and every pair is
    interpolated, as it is in transformers.

    Args:
        rope: The trained RoPE.
        factor: s, at least 1.
        beta_fast: Turns from which pairs are kept.
        beta_slow: Turns below which they are interpolated.
        truncate: Whether lo and hi are rounded.

    Raises:
        ValueError: If an argument is outside its domain.
    """
    s = _factor(factor)
    lo, hi = yarn_range(rope, beta_fast, beta_slow, truncate)
    width = hi - lo if hi != lo else 0.001
    ramp = np.clip((np.arange(rope.theta.size) - lo) / width, 0, 1)
    return np.asarray(rope.theta * (1 - ramp) + rope.theta * ramp / s)


def yarn_attention_factor(factor: float) -> float:
    """Return 0.1 ln s + 1, on cos and sin alike; the logits get its square.

    Raises:
        ValueError: If factor is below 1.
    """
    return 0.1 * math.log(_factor(factor)) + 1


def llama3(rope: Rope, factor: float, low: float = 1.0, high: float = 4.0) -> Array:
    """Return Llama 3.1's frequencies: theta (g + (1 - g)/factor), (d/2,).

    g = clip((r - low)/(high - low), 0, 1) in the number of turns r = M theta / 2 pi, M / wavelength
    in Meta's words: it is `yarn_turns` with other ends.

    Args:
        rope: The trained RoPE; Llama 3.1 has d = 128, b = 5e5, M = 8192.
        factor: At least 1.
        low: Turns below which a pair is divided by the factor, at least 0.
        high: Turns above which it is kept, greater than low.

    Raises:
        ValueError: If an argument is outside its domain.
    """
    s, low = _factor(factor), number("low", low, 0)
    kept = np.clip((turns(rope) - low) / (number("high", high, low, above=True) - low), 0, 1)
    return np.asarray(rope.theta * (kept + (1 - kept) / s))


def longrope(rope: Rope, factors: ArrayLike) -> Array:
    """Return theta_c / lambda_c for a list found by search, one for short and one for long texts.

    Args:
        rope: The trained RoPE.
        factors: lambda (d/2,), each greater than 0.

    Raises:
        ValueError: If factors has another shape or holds a value that is not positive and finite.
    """
    given = np.asarray(factors, np.float64)
    if given.shape != rope.theta.shape:
        raise ValueError(f"factors must have shape {rope.theta.shape}, got {given.shape}")
    if not (np.isfinite(given) & (given > 0)).all():
        raise ValueError(f"factors must be greater than 0 and finite, got {given.tolist()}")
    return rope.theta / given


def longrope_attention_factor(factor: float, train_length: int) -> float:
    """Return sqrt(1 + ln s / ln M), on cos and sin alike.

    Raises:
        ValueError: If factor is below 1 or train_length below 2.
    """
    m = whole_number("train_length", train_length, 2)
    return math.sqrt(1 + math.log(_factor(factor)) / math.log(m))


def partial(rope: Rope, fraction: float) -> Array:
    """Return the frequencies if only the first fraction of the features is turned, (d/2,).

    n = int(fraction d / 2) pairs turn with base^(-2c/(2n)), the exponent running over the turned
    features alone; the others stand still, theta = 0. In the half-split layout transformers pairs
    c with c + n, inside the turned features; a whole head of `rotate` pairs c with c + d/2.

    Raises:
        ValueError: If fraction is outside 0 .. 1.
    """
    n = _turned_pairs(rope, fraction)
    turned = frequencies(2 * n, rope.base) if n else np.zeros(0)
    return np.concatenate([turned, np.zeros(rope.theta.size - n)])


def proportional(rope: Rope, fraction: float, factor: float = 1.0) -> Array:
    """Return theta_c / factor for the first int(fraction d / 2) pairs and 0 for the others, (d/2,).

    Unlike `partial` the exponent keeps the full d, so the turned pairs are the fast ones as they
    were (the "proportional" type of transformers).

    Raises:
        ValueError: If fraction is outside 0 .. 1 or factor is below 1.
    """
    turned = np.arange(rope.theta.size) < _turned_pairs(rope, fraction)
    return np.where(turned, rope.theta, 0) / _factor(factor)


BY_FACTOR: dict[str, Callable[[Rope, float], Array]] = {
    "rope": unchanged,
    "pi": pi,
    "ntk_old": ntk_old,
    "ntk_aware": ntk_aware,
    "ntk_fixed": ntk_fixed,
    "ntk_mixed": ntk_mixed,
    "dynamic_ntk": dynamic_ntk,
    "yarn_turns": yarn_turns,
    "yarn": yarn,
    "llama3": llama3,
}
"""The methods that need nothing but a factor; their other parameters at the defaults."""


def ratios(rope: Rope, theta: ArrayLike) -> Array:
    """Return new over old frequency per pair, (d/2,): 1 kept, 1/k interpolated, 0 not turned.

    Raises:
        ValueError: If theta is not of the RoPE's shape.
    """
    new = np.asarray(theta, np.float64)
    if new.shape != rope.theta.shape:
        raise ValueError(f"theta must have shape {rope.theta.shape}, got {new.shape}")
    return new / rope.theta


# --- Turns, wavelengths, arcs ---------------------------------------------------------------------


def turns(rope: Rope, theta: ArrayLike | None = None) -> Array:
    """Return r_c = M theta_c / 2 pi, full turns that pair c makes over the trained length, (d/2,).

    Args:
        rope: The trained RoPE.
        theta: Other frequencies, if not its own.
    """
    freqs = rope.theta if theta is None else np.asarray(theta, np.float64)
    return np.asarray(rope.train_length * freqs / TURN)


def wavelengths(theta: ArrayLike) -> Array:
    """Return 2 pi / theta_c, steps per turn; inf for a pair that stands still."""
    freqs = np.asarray(theta, np.float64)
    still = np.full(freqs.shape, np.inf)
    return np.asarray(np.divide(TURN, freqs, out=still, where=freqs > 0))


@dataclass(frozen=True)
class Arcs:
    """Arcs from angle 0 on each pair's circle, radians, at most a full turn, each (d/2,).

    An arc is everything between 0 and its end, though only single points of it are visited.

    Attributes:
        trained: Ends of the arcs seen in training.
        needed: Ends of the arcs asked for.
    """

    trained: Array
    needed: Array

    @property
    def unseen(self) -> Array:
        """Length of needed minus trained: the arc from `trained` to `needed`, 0 if none, (d/2,)."""
        return np.maximum(self.needed - self.trained, 0)

    @property
    def n_unseen(self) -> int:
        """Number of pairs asked for angles they were never trained on."""
        # A part in 1e12 is rounding: k positions at theta/k against one at theta.
        return int((self.unseen > 1e-12 * TURN).sum())


def arcs(
    trained_theta: ArrayLike,
    trained_position: float,
    needed_theta: ArrayLike,
    needed_position: float,
) -> Arcs:
    """Return trained and needed arcs from the largest relative positions on both sides.

    Args:
        trained_theta: Frequencies in training (d/2,).
        trained_position: Largest relative position in training, M - 1 for RoPE.
        needed_theta: Frequencies in use (d/2,), e.g. of YaRN.
        needed_position: Largest relative position in use, e.g. L - 1, or w for ReRoPE.

    Raises:
        ValueError: If shapes differ or a position is negative.
    """
    trained, needed = np.asarray(trained_theta, np.float64), np.asarray(needed_theta, np.float64)
    if trained.shape != needed.shape:
        raise ValueError(f"needed_theta must have shape {trained.shape}, got {needed.shape}")
    seen = number("trained_position", trained_position, 0)
    asked = number("needed_position", needed_position, 0)
    return Arcs(np.minimum(trained * seen, TURN), np.minimum(needed * asked, TURN))


# --- Decay and the sum of cosines -----------------------------------------------------------------


def abel_bound(theta: ArrayLike, delta: ArrayLike) -> Array:
    """Return B(delta), the mean over j of |sum_{c < j} exp(I delta theta_c)|, j = 1 .. d/2.

    By Abel's summation a score is at most d/2 B(delta) times the largest step between neighbouring
    products q_c conj(k_c), hence the decay with distance (8265).

    Args:
        theta: Frequencies (d/2,).
        delta: Relative positions (n,), real.

    Returns:
        (n,), from (d/2 + 1)/2 at delta = 0.

    Raises:
        ValueError: If delta has more than one axis.
    """
    freqs, steps = np.asarray(theta, np.float64), np.atleast_1d(np.asarray(delta, np.float64))
    if steps.ndim != 1:
        raise ValueError(f"delta must have shape (n,), got {steps.shape}")
    bound = np.empty(steps.size)
    for start in range(0, steps.size, 4096):  # blocks, to hold 4096 x d/2 numbers at a time
        angle = np.outer(steps[start : start + 4096], freqs)
        bound[start : start + 4096] = np.abs(np.exp(1j * angle).cumsum(axis=1)).mean(axis=1)
    return bound


def cosine_sums(theta: ArrayLike, length: int) -> Array:
    """Return f(m) = sum_c cos(m theta_c) for m = 0 .. L - 1, (L,).

    With m = 256 a + b this is the real part of one matrix product,
    sum_c exp(I 256 a theta_c) exp(I b theta_c): (a + b) d/2 sines instead of a b d/2.

    Args:
        theta: Frequencies (d/2,).
        length: L, at least 1.

    Returns:
        (L,), starting at d/2; rounding stays below 1e-10 for L up to 65 536 and d up to 256.

    Raises:
        ValueError: If length is below 1.
    """
    freqs, n = np.asarray(theta, np.float64), whole_number("length", length, 1)
    rows = min(-(-n // 256), max(1, SINGLE_THREAD // (256 * freqs.size)))
    blocks = -(-n // (256 * rows))
    low = np.outer(freqs, np.arange(256))  # (d/2, 256)
    high = np.outer(256 * np.arange(rows * blocks), freqs).reshape(blocks, rows, -1)
    sums = np.cos(high) @ np.cos(low) - np.sin(high) @ np.sin(low)  # (blocks, rows, 256)
    return np.asarray(sums.reshape(-1)[:n])


def first_negative(theta: ArrayLike, length: int) -> int | None:
    """Return the smallest m < length with f(m) < 0, or None.

    Raises:
        ValueError: If length is below 1.
    """
    negative = cosine_sums(theta, length) < 0
    return int(negative.argmax()) if negative.any() else None


def aggregation_gap(
    theta: ArrayLike, position: float, n_samples: int, rng: np.random.Generator
) -> tuple[float, float]:
    """Measure by how much a like key outscores an unlike one at a distance; theory 2 f(position).

    Draws q, k of independent N(0, 1) features and q's noisy copy q + e, and averages
    q^T R (q + e) - q^T R k.

    Args:
        theta: Frequencies (d/2,).
        position: Relative position, real.
        n_samples: Number of draws, at least 2.
        rng: Source of randomness.

    Returns:
        The mean and its standard error.

    Raises:
        ValueError: If n_samples is below 2.
    """
    freqs, n = np.asarray(theta, np.float64), whole_number("n_samples", n_samples, 2)
    shape = (n, freqs.size, 2)
    q, k, noise = (rng.standard_normal(shape).view(np.complex128)[..., 0] for _ in range(3))
    turn = np.exp(1j * freqs * number("position", position, -math.inf))
    gap = (q * (q + noise - k).conj() * turn).real.sum(axis=1)
    return float(gap.mean()), float(gap.std(ddof=1) / math.sqrt(n))


def aggregation_limit(base: float, m: ArrayLike) -> Array:
    """Return (Ci(m) - Ci(m/b)) / ln b, the limit of f_b(m) / (d/2) for d to infinity, 10122.

    Args:
        base: b, greater than 1.
        m: Relative positions (...), greater than 0.

    Raises:
        ValueError: If base or a position is outside its domain.
    """
    from scipy.special import sici

    b, steps = number("base", base, 1, above=True), np.asarray(m, np.float64)
    if not (steps > 0).all():
        raise ValueError(f"m must be greater than 0, got {steps[~(steps > 0)].flat[0]:g}")
    return np.asarray((sici(steps)[1] - sici(steps / b)[1]) / math.log(b))


# --- The least base -------------------------------------------------------------------------------


def worst_sums(
    bases: Sequence[float] | Array, length: int, head_dim: int = 128
) -> tuple[Array, NDArray[np.int64]]:
    """Return min over m < length of f_b(m), and where it is, for each base: feasible if >= 0.

    Args:
        bases: Bases (n,), each greater than 1.
        length: L, at least 1.
        head_dim: d, even.

    Returns:
        Minima (n,) and their m (n,).

    Raises:
        ValueError: If an argument is outside its domain.
    """
    sums = [cosine_sums(frequencies(head_dim, b), length) for b in bases]
    return np.array([f.min() for f in sums]), np.array([f.argmin() for f in sums], np.int64)


@dataclass(frozen=True)
class ScanStep:
    """A stop of `scan_bases`.

    Attributes:
        base: Every base from 1 up to here, itself excluded, is proven too small.
        m: Relative position with the least sum at this base.
        value: That sum; the scan is done when it is not negative.
        length: L, the length asked for.
    """

    base: float
    m: int
    value: float
    length: int

    @property
    def feasible(self) -> bool:
        """Whether f_b(m) >= 0 for all m < L at this base."""
        return self.value >= 0


N_WITNESSES = 32
PROBES = (1e-10, 1e-9, 1e-8)  # relative gaps tried once the proof advances by less than the first


def scan_bases(length: int, head_dim: int = 128, max_base: float = 1e12) -> Iterator[ScanStep]:
    """Climb from base 1 to the least base with f_b(m) >= 0 for all m < length.

    The feasible bases are not an interval (for L = 2048 and d = 128, 11 588 and 16 000 are
    feasible, 12 000 is not), so neither bisection nor a grid finds the least one. Here u = ln b
    moves up only over ground that is proven: where f_u(m) = -g < 0 with slope f', Taylor's formula
    keeps f_{u+h}(m) negative as long as f' h + K h^2/2 < g, K = sum_c m x^2 theta + (m x theta)^2,
    x = 2c/d, which bounds |f''| at u and everywhere above. Of 32 witnesses m the one that reaches
    farthest is used. Near the end the steps shrink as Newton's do.

    Args:
        length: L, at least 1.
        head_dim: d, even.
        max_base: Where to give up, greater than 1.

    Yields:
        Stops with rising base. The last one is feasible unless max_base was passed: f is then
        checked to be >= 0 for all m < L, and all bases below it by a part in 1e10 (at worst 1e8)
        are proven infeasible, up to rounding of the cosines (1e-10 in f). About larger bases
        nothing is said. For L <= 2 every base is large enough, and it is next to 1.

    Raises:
        ValueError: If an argument is outside its domain.
    """
    whole_number("length", length, 1)
    x = Rope(head_dim).exponents
    top, u = math.log(number("max_base", max_base, 1, above=True)), 0.0
    m = np.arange(length, dtype=np.float64)
    while u <= top:
        sums = cosine_sums(np.exp(-u * x), length)
        reach = np.divide(-sums, m, out=np.zeros(length), where=m > 0)
        witnesses = m[np.argpartition(reach, -min(N_WITNESSES, length))[-N_WITNESSES:]]
        step = first = _proven_step(u, x, witnesses)
        if first < PROBES[0]:  # at the end, or at a base that misses by next to nothing
            for gap in PROBES:
                beyond = cosine_sums(np.exp(-(u + gap) * x), length)
                if beyond.min() >= 0:
                    yield _stop(u + gap, beyond)
                    return
        yield _stop(u, sums)
        if sums.min() >= 0:
            return
        while u <= top:
            u += step
            step = _proven_step(min(u, top), x, witnesses)
            if step < 0.2 * first:
                break


def minimal_base(length: int, head_dim: int = 128, max_base: float = 1e12) -> float | None:
    """Return the least base with f_b(m) >= 0 for all m < length, or None up to max_base.

    See `scan_bases` for what is proven. d = 128: 4293.4376 for L = 1024, 11 587.2443 for 2048,
    26 952.3392 for 4096. 10122 and its paper search grids and so report values that are larger:
    a little, or, where the grid steps over a feasible stretch, a lot.

    Raises:
        ValueError: If an argument is outside its domain.
    """
    steps = scan_bases(length, head_dim, max_base)
    return next((step.base for step in steps if step.feasible), None)


def minimal_base_by_grid(length: int, head_dim: int = 128, n_levels: int = 5) -> float | None:
    """Return the base that the post's nested grids find, or None if the first has no feasible one.

    From B = 1000 L, level k = 1, 2, .. cuts (0, B] into 10^k equal parts and takes the first
    feasible end as the new B. It may step over feasible stretches, so this is an upper bound of
    `minimal_base`. d = 128, four levels: 4293.80 for L = 1024, 11 587.93 for 2048, 26 953.37 for
    4096; the post goes to five.

    Args:
        length: L, at least 1.
        head_dim: d, even.
        n_levels: Number of levels, 1 .. 6.

    Raises:
        ValueError: If an argument is outside its domain.
    """
    best = 1000.0 * whole_number("length", length, 1)
    for level in range(1, whole_number("n_levels", n_levels, 1, 6) + 1):
        grid = np.linspace(0, 1, 10**level + 1)[1:] * best
        found = _first_feasible(grid[grid > 1], length, head_dim)
        if found is None:
            return best if level > 1 else None
        best = found
    return best


def asymptotic_base(length: int) -> float:
    """Return L / 0.6165, the least base for d to infinity: Ci(L/b) must not be positive (10122).

    Raises:
        ValueError: If length is below 1.
    """
    return whole_number("length", length, 1) / CI_ROOT


# --- Helpers --------------------------------------------------------------------------------------


def _factor(value: float) -> float:
    return number("factor", value, 1)


def _stretch(rope: Rope) -> float:
    if rope.head_dim == 2:
        raise ValueError("head_dim must be at least 4 for NTK-aware scaling, got 2")
    return rope.head_dim / (rope.head_dim - 2)


def _turned_pairs(rope: Rope, fraction: float) -> int:
    return int(number("fraction", fraction, 0, 1) * rope.head_dim // 2)


def _stop(u: float, sums: Array) -> ScanStep:
    m = int(sums.argmin())
    return ScanStep(math.exp(u), m, float(sums[m]), sums.size)


def _proven_step(u: float, x: Array, witnesses: Array) -> float:
    """Return the largest h such that some witness keeps f negative on [u, u + h)."""
    theta = np.exp(-u * x)
    angle = np.outer(witnesses, theta)
    f = np.cos(angle).sum(axis=1)
    slope = witnesses * (np.sin(angle) @ (x * theta))
    curve = witnesses * (x * x * theta).sum() + (witnesses**2) * ((x * theta) ** 2).sum()
    g = np.maximum(-f, 0)
    reach = slope + np.sqrt(slope**2 + 2 * curve * g)  # 2 g / reach solves f' h + K h^2/2 = g
    steps = np.divide(2 * g, reach, out=np.where(g > 0, np.inf, 0.0), where=reach > 0)
    return float(steps.max())


def _first_feasible(bases: Array, length: int, head_dim: int) -> float | None:
    """Return the first of rising bases that is feasible; one bad m rules out many at once."""
    x, m = Rope(head_dim).exponents, np.maximum(np.arange(length), 1)
    while bases.size:
        sums = cosine_sums(bases[0] ** -x, length)
        if sums.min() >= 0:
            return float(bases[0])
        witness = (sums / m).argmin()
        bases = bases[1:]
        log_bases = np.log(bases)
        kept = [
            np.cos(witness * np.exp(-np.outer(part, x))).sum(axis=1) >= 0
            for part in np.array_split(log_bases, max(1, bases.size // 4096))
        ]
        bases = bases[np.concatenate(kept)]
    return None
