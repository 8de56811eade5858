"""BERT-whitening and its neighbours: linear maps that make sentence vectors less alike.

    mu = mean x_i,  Sigma = sum (x_i - mu)^T (x_i - mu)/(N - ddof) = U Lambda U^T,  Lambda falling,
    y = (x + bias) kernel,  bias = -mu,  kernel = U_k Lambda_k^(-1/2)           whitening to k
    bias = -beta mu,  kernel = U_k Lambda_k^(-gamma/2),  U and Lambda of        two hyperparameters
        Sigma_beta = Sigma + (1 - beta)^2 N/(N - ddof) mu^T mu
    kernel = U_k Lambda_k^(-gamma/2) U_k^T                                      form "zca"
    kernel = I - U_D U_D^T                                                      all but the top D

Shapes: vectors (N, d) as rows, kernel (d, k), or (d, d) in form "zca" and all but the top.
Convention: ddof = 1 unless asked (as in the author's code; the post's text has 0): it rescales all
vectors alike and no cosine sees it. Signs of axes are set so that their largest entry is positive.
Null directions: an eigenvalue is taken for 0 when it is at most 1e-10 (float32: 1e-5) of the
largest, or below what rounding leaves of equal vectors, (16 eps)^2 E|x|^2. For gamma > 0 such a
direction is dropped from the kernel, and `n_dropped` says how many were; for gamma <= 0 nothing is
divided by and all stay.
float32 vectors are mapped in float32, sums over blocks of rows run in float64.

Source: Su Jianlin, 2021, kexue.fm/archives/8069 (whitening, update by one vector); 2022,
kexue.fm/archives/9079 (beta, gamma); github.com/bojone/BERT-whitening. Mu and Viswanath 2018,
arXiv 1702.01417 (all but the top). Kusupati et al. 2022, arXiv 2205.13147 (Matryoshka). Roy and
Vetterli 2007, EUSIPCO (effective rank). What too few vectors collapse to: derived here.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from models.checks import number, one_of, whole_number
from models.similarity import Array, Floats, as_floats, as_vectors, unit

FORMS = ("pca", "zca")
RANK_FLOOR = {np.dtype(np.float32): 1e-5, np.dtype(np.float64): 1e-10}
MAX_BETA = 10.0  # in size; the usual range of beta and gamma is [0, 1]
MAX_GAMMA = 4.0  # in size; beyond, null directions would outweigh all others


# --- Mean and covariance --------------------------------------------------------------------------


@dataclass(frozen=True, eq=False)
class Moments:
    """Mean and covariance of N vectors.

    Attributes:
        mean: (d,).
        covariance: Divided by N - ddof, (d, d).
        n_samples: N.
        ddof: 0 or 1.
    """

    mean: Array
    covariance: Array
    n_samples: int
    ddof: int = 1


def moments(vectors: ArrayLike, ddof: int = 1) -> Moments:
    """Return mean and covariance in one pass over blocks of rows.

    The blocks are shifted by the mean of the first one, so that a large common offset cancels
    before anything is squared.

    Args:
        vectors: (N, d), N of at least 2.
        ddof: 1 divides by N - 1, 0 by N.

    Raises:
        ValueError: If there are fewer than two vectors, one is not finite, or ddof is not 0 or 1.
    """
    x = as_vectors("vectors", vectors, least=2)
    free = whole_number("ddof", ddof, 0, 1)
    n, d = x.shape
    step = _rows_at_once(d)
    shift = x[:step].mean(axis=0)
    total, squares = np.zeros(d), np.zeros((d, d))
    space = np.empty((min(step, n), d), x.dtype)
    for start in range(0, n, step):
        rows = x[start : start + step]
        moved = np.subtract(rows, shift, out=space[: len(rows)])
        total += moved.sum(axis=0)
        squares += moved.T @ moved
    rest = total / n
    squares -= n * np.outer(rest, rest)
    squares /= n - free
    return Moments((shift + rest).astype(x.dtype), squares.astype(x.dtype), n, free)


def merge(one: Moments, other: Moments) -> Moments:
    """Return the moments of both sets together, exactly; a batch at a time gives a stream's.

    N Sigma = n Sigma_1 + m Sigma_2 + n m/(n + m) (mu_2 - mu_1)^T (mu_2 - mu_1) with ddof = 0.

    Raises:
        ValueError: If the sets differ in dimension or ddof.
    """
    if one.mean.shape != other.mean.shape or one.ddof != other.ddof:
        raise ValueError(
            "other must have the dimension and ddof of one, got "
            f"{other.mean.size}, {other.ddof} for {one.mean.size}, {one.ddof}"
        )
    n, m = one.n_samples, other.n_samples
    gap = other.mean - one.mean
    squares = (n - one.ddof) * one.covariance + (m - one.ddof) * other.covariance
    squares = squares + n * m / (n + m) * np.outer(gap, gap)
    mean = one.mean + m / (n + m) * gap
    return Moments(mean, squares / (n + m - one.ddof), n + m, one.ddof)


def add_vector(seen: Moments, vector: ArrayLike) -> Moments:
    """Return the moments after one more vector (d,), by the post's update in its exact form.

    Raises:
        ValueError: If the vector does not have d finite numbers.
    """
    x = as_floats("vector", vector, 1)
    if x.shape != seen.mean.shape:
        raise ValueError(f"vector must have shape {seen.mean.shape}, got {x.shape}")
    n = seen.n_samples
    gap = x - seen.mean
    squares = (n - seen.ddof) * seen.covariance + n / (n + 1) * np.outer(gap, gap)
    return Moments(seen.mean + gap / (n + 1), squares / (n + 1 - seen.ddof), n + 1, seen.ddof)


def scatter(seen: Moments, beta: float = 1.0) -> Array:
    """Return Sigma_beta, the mean of (x - beta mu)^T (x - beta mu), (d, d).

    Raises:
        ValueError: If beta is not in [-10, 10].
    """
    away = 1 - number("beta", beta, -MAX_BETA, MAX_BETA)
    if away == 0:
        return seen.covariance
    factor = away**2 * seen.n_samples / (seen.n_samples - seen.ddof)
    return np.asarray(seen.covariance + factor * np.outer(seen.mean, seen.mean))


# --- Spectrum -------------------------------------------------------------------------------------


def eigenvalues(vectors: ArrayLike, beta: float = 1.0) -> Array:
    """Return the eigenvalues of Sigma_beta, falling, none negative, (d,).

    beta = 1 is the covariance; beta = 0 the second moment, which the spectra in the paper show.
    """
    found = np.linalg.eigvalsh(scatter(moments(vectors), beta))
    return np.asarray(np.maximum(found[::-1], 0))


def singular_shares(spectrum: ArrayLike) -> Floats:
    """Return sqrt(lambda_i/lambda_1), (d,): singular values of the vectors with the largest 1.

    Raises:
        ValueError: If an eigenvalue is negative.
    """
    values = _spectrum(spectrum)
    top = float(values.max())
    return np.sqrt(values / top) if top > 0 else np.zeros_like(values)


def effective_rank(spectrum: ArrayLike) -> float:
    """Return exp of the entropy of lambda/sum: d for equal eigenvalues, 1 for one, 0 for none.

    Raises:
        ValueError: If an eigenvalue is negative.
    """
    values = _spectrum(spectrum)
    shares = values[values > 0] / values.sum() if values.any() else np.zeros(0)
    return float(np.exp(-(shares * np.log(shares)).sum())) if shares.size else 0.0


def participation_ratio(spectrum: ArrayLike) -> float:
    """Return (sum lambda)^2 / sum lambda^2: d for equal eigenvalues, 1 for one, 0 for none.

    Raises:
        ValueError: If an eigenvalue is negative.
    """
    shares = singular_shares(spectrum) ** 2
    return float(shares.sum() ** 2 / (shares**2).sum()) if shares.any() else 0.0


def _spectrum(values: ArrayLike) -> Floats:
    given = as_floats("spectrum", values, 1).astype(np.float64)
    if given.size == 0 or (given < 0).any():
        raise ValueError(f"spectrum must be numbers >= 0, got {given.tolist()!r:.60}")
    return given


# --- Maps -----------------------------------------------------------------------------------------


@dataclass(frozen=True, eq=False)
class Whitening:
    """A map y = (x + bias) kernel, and what it was made from.

    Attributes:
        bias: -beta mu, (d,).
        kernel: (d, k), or (d, d) in form "zca".
        eigenvalues: Of Sigma_beta, falling, (d,).
        rank: Eigenvalues that are not 0 by the rule of the module.
        n_kept: Directions that come through the kernel.
        n_dropped: Directions asked for but null.
        n_samples: Number N of vectors it was fitted on.
        beta: Share of the mean that is taken off.
        gamma: Power of the whitening: 1 whole, 0 none.
        form: One of `FORMS`.
    """

    bias: Array
    kernel: Array
    eigenvalues: Array
    rank: int
    n_kept: int
    n_dropped: int
    n_samples: int
    beta: float = 1.0
    gamma: float = 1.0
    form: str = "pca"

    @property
    def saturation(self) -> float:
        """Directions kept over the N - 1 that N vectors can have: at 1 cosines mean nothing."""
        return self.n_kept / (self.n_samples - 1)

    @property
    def is_unusual(self) -> bool:
        """Whether beta or gamma lies outside [0, 1]."""
        return not (0 <= self.beta <= 1 and 0 <= self.gamma <= 1)


def fit(
    vectors: ArrayLike,
    n_components: float | None = None,
    beta: float = 1.0,
    gamma: float = 1.0,
    form: str = "pca",
) -> Whitening:
    """Fit whitening with its two hyperparameters on vectors (N, d); see `fit_moments`."""
    return fit_moments(moments(vectors), n_components, beta, gamma, form)


def fit_moments(
    seen: Moments,
    n_components: float | None = None,
    beta: float = 1.0,
    gamma: float = 1.0,
    form: str = "pca",
) -> Whitening:
    """Return the map of moments already known, so that sliders need no second look at vectors.

    Args:
        seen: Of the fit vectors.
        n_components: Number k of directions, 1..d; None keeps all. Those of variance 0 cannot be
            scaled and are left out, see `n_dropped`.
        beta: Share of the mean taken off, in [-10, 10]; 1 centres.
        gamma: Power, in [-4, 4]; 1 whitens, 0 only rotates.
        form: "pca" gives k coordinates, "zca" turns them back into the d old axes.

    Raises:
        ValueError: If an argument is outside its domain, or gamma > 0 and all directions are null
            because the vectors are all equal.
    """
    one_of("form", form, FORMS)
    power = number("gamma", gamma, -MAX_GAMMA, MAX_GAMMA)
    d = seen.mean.size
    asked = d if n_components is None else whole_number("n_components", n_components, 1, d)
    values, axes, rank = _decompose(seen, beta)
    kept = min(asked, rank) if power > 0 else asked
    if kept == 0:
        raise ValueError("vectors must not be all equal: there is no variance to scale")
    with np.errstate(divide="ignore"):  # 0 to a power of 0 is 1, to a negative gamma 0
        scale = values[:kept] ** (-power / 2)
    kernel = axes[:, :kept] * scale
    return Whitening(
        -float(beta) * seen.mean,
        np.ascontiguousarray(kernel if form == "pca" else kernel @ axes[:, :kept].T),
        values,
        rank,
        kept,
        asked - kept,
        seen.n_samples,
        float(beta),
        power,
        form,
    )


def centring(vectors: ArrayLike) -> Whitening:
    """Return the map that takes the mean off and changes nothing else, fitted on (N, d)."""
    return all_but_the_top(vectors, 0)


def all_but_the_top(vectors: ArrayLike, n_removed: float) -> Whitening:
    """Return the map that centres and takes the D directions of largest variance away.

    Both steps are applied to the centred vectors; projecting uncentred ones is a common slip.

    Args:
        vectors: Fit vectors (N, d).
        n_removed: D, 0..d; about d/100 in the paper.

    Raises:
        ValueError: If an argument is outside its domain.
    """
    seen = moments(vectors)
    d = seen.mean.size
    n_top = whole_number("n_removed", n_removed, 0, d)
    values, axes, rank = _decompose(seen, 1.0)
    top = axes[:, :n_top]
    kernel = np.eye(d, dtype=top.dtype) - top @ top.T
    return Whitening(
        -seen.mean, kernel, values, rank, d - n_top, 0, seen.n_samples, 1.0, 0.0, "zca"
    )


def transform(whitening: Whitening, vectors: ArrayLike) -> Array:
    """Return (x + bias) kernel for vectors (n, d), (n, k).

    Raises:
        ValueError: If the vectors are not finite or not of the fitted dimension.
    """
    x = as_vectors("vectors", vectors)
    d, k = whitening.kernel.shape
    if x.shape[1] != d:
        raise ValueError(f"vectors must have d = {d} as those fitted, got {x.shape[1]}")
    dtype = np.result_type(x, whitening.kernel)
    bias, kernel = (part.astype(dtype, copy=False) for part in (whitening.bias, whitening.kernel))
    result: Array = np.empty((len(x), k), dtype)
    step = _rows_at_once(d)
    space: Array = np.empty((min(step, len(x)), d), dtype)
    for start in range(0, len(x), step):  # in blocks that stay in the cache between the two steps
        rows = x[start : start + step]
        moved = np.add(rows, bias, out=space[: len(rows)])
        np.matmul(moved, kernel, out=result[start : start + step])
    return result


def matryoshka(vectors: ArrayLike, n_components: float) -> Array:
    """Return the first k coordinates, brought back to unit length, (n, k).

    Raises:
        ValueError: If k is not in 1..d.
    """
    x = as_vectors("vectors", vectors)
    return unit(x[:, : whole_number("n_components", n_components, 1, x.shape[1])])


def _rows_at_once(d: int) -> int:
    return max(256, 3 * 2**17 // d)


def _decompose(seen: Moments, beta: float) -> tuple[Array, Array, int]:
    """Return eigenvalues falling (d,), axes as columns (d, d), and the rank."""
    from scipy.linalg import eigh

    found: tuple[Array, Array] = eigh(scatter(seen, beta), driver="evd", check_finite=False)
    values, axes = np.maximum(found[0][::-1], 0), found[1][:, ::-1]
    strongest = np.take_along_axis(axes, np.abs(axes).argmax(axis=0)[None], axis=0)
    axes = axes * np.where(strongest < 0, -1, 1).astype(axes.dtype)
    return values, axes, int((values > _null_level(seen, float(values[0]))).sum())


def _null_level(seen: Moments, top: float) -> float:
    dtype: np.dtype[Any] = seen.covariance.dtype
    mean_square = float(np.trace(seen.covariance)) + float(seen.mean @ seen.mean)
    rounding = (16 * float(np.finfo(dtype).eps)) ** 2 * mean_square
    return max(RANK_FLOOR[dtype] * top, rounding)


# --- Too few vectors ------------------------------------------------------------------------------


@dataclass(frozen=True, eq=False)
class Collapse:
    """Cosines that whitening gives its own fit vectors whatever they were.

    Whitened, their Gram matrix is N - ddof times the projector on what their coordinates span. When
    that is all there can be, the projector knows nothing but which vectors are copies: with c_a
    copies of vector a it is [a = b]/c_a - [centred]/N.

    Attributes:
        copies: How often each vector occurs among all, itself included, (N,).
        group: Number of the distinct vector that each one is, (N,).
        is_centred: True for beta = 1 (a simplex); False for a set that ends up orthogonal.
    """

    copies: NDArray[np.int64]
    group: NDArray[np.int64]
    is_centred: bool

    @property
    def cosine(self) -> float:
        """Of two vectors that occur once: -1/(N - 1), or 0 where the mean was not taken off."""
        return -1 / (len(self.copies) - 1) if self.is_centred else 0.0

    def cosines(self) -> Floats:
        """Return the matrix of cosines to expect, (N, N)."""
        taken = 1 / len(self.copies) if self.is_centred else 0.0
        lengths = np.sqrt(1 / self.copies - taken)
        same = self.group[:, None] == self.group
        return np.where(same, 1.0, -taken / np.outer(lengths, lengths))


def collapse(whitening: Whitening, vectors: ArrayLike) -> Collapse | None:
    """Tell whether the vectors a whitening was fitted on lose all meaning under it.

    So it is for gamma = 1 without a cut when m distinct vectors span m - 1 directions (m, where the
    mean was not taken off): always for m vectors in general position with m - 1 <= d.

    Args:
        whitening: The map.
        vectors: Those it was fitted on, (N, d).

    Returns:
        The cosines to expect, or None where they still depend on the vectors.

    Raises:
        ValueError: If the vectors are not as many as those fitted, or of another dimension.
    """
    x = as_vectors("vectors", vectors, least=2)
    expected = (whitening.n_samples, whitening.kernel.shape[0])
    if x.shape != expected:
        raise ValueError(f"vectors must be those fitted, {expected}, got shape {x.shape}")
    n_kept, is_centred = whitening.n_kept, whitening.beta == 1
    full = min(len(x) - is_centred, x.shape[1])
    may_have_copies = whitening.rank < full
    if whitening.gamma != 1 or n_kept != whitening.rank:
        return None
    if not may_have_copies and n_kept != len(x) - is_centred:
        return None
    _, group, sizes = np.unique(x, axis=0, return_inverse=True, return_counts=True)
    if n_kept != len(sizes) - is_centred:
        return None
    labels = group.reshape(-1).astype(np.int64)
    return Collapse(sizes[labels].astype(np.int64), labels, is_centred)
