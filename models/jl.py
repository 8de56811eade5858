"""Random projections and what they do to the distances between points.

y = A x, A in R^(k x m) random and blind to the data; for every pair of points the distance ratio is
    distance_ratio = ||A x_i - A x_j||^2 / ||x_i - x_j||^2,
and Johnson-Lindenstrauss says that for k > 24 ln N / eps^2 all of them lie within 1 +- eps at once.

Shapes: points (N, m) = (n_samples, n_features), projected (N, k) = (N, n_components), A (k, m).
Convention: distances are SQUARED (plain ones then stay within sqrt(1 - eps) .. sqrt(1 + eps)).
Every random A has E||A x||^2 = ||x||^2, e.g. entries N(0, 1/k) with 1/k the VARIANCE, standard
deviation 1/sqrt(k). Only "pca" differs: it looks at the data, never stretches, and is for contrast.

Source: Su Jianlin, 2021, kexue.fm/archives/8679 (lemma, Gaussian A) and 8706 (use, sign hashing).
Other A: Achlioptas 2003, doi 10.1016/S0022-0000(03)00025-4 (signs; density 1/3); Li, Hastie and
Church 2006, doi 10.1145/1150402.1150436 (density 1/sqrt(m)); Johnson and Lindenstrauss 1984 (random
subspace); Ailon and Chazelle 2009, doi 10.1137/060673096, and Tropp 2011, arXiv 1011.1595
(subsampled randomized Hadamard).
"""

import functools
import math
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from models.checks import one_of, whole_number

Array = NDArray[Any]  # float32 or float64, as the points are
Indices = NDArray[np.intp]

ASSETS = Path(__file__).resolve().parents[1] / "assets" / "jl"
BLOCK_CELLS = 1 << 23  # cells of A, or of a scratch array, held at one time (32 MiB of float32)
BLOCK_ROWS = 256  # points whose distances to all others are formed at one time
MAX_PAIRS = 2_000_000  # all pairs up to 2000 points; above, a sample
# A squared distance below this share of ||x_i||^2 + ||x_j||^2 loses digits in the Gram formula.
CLOSE = {np.dtype(np.float32): 1e-2, np.dtype(np.float64): 1e-10}


# --- Points ---------------------------------------------------------------------------------------


def gaussian_cloud(n_samples: int, n_features: int, rng: np.random.Generator) -> Array:
    """Draw points with independent N(0, 1) coordinates, float32 (n_samples, n_features)."""
    return _normals(n_samples, n_features, rng)


def two_clusters(n_samples: int, n_features: int, rng: np.random.Generator) -> Array:
    """Draw two Gaussian clouds whose squared distances across are about four times those within."""
    centre = rng.standard_normal(n_features, dtype=np.float32)
    centre *= math.sqrt(6 * n_features) / (2 * np.linalg.norm(centre))
    points = gaussian_cloud(n_samples, n_features, rng)
    points[::2] += centre
    points[1::2] -= centre
    return points


def one_hot(n_samples: int, n_features: int, rng: np.random.Generator) -> Array:
    """Return the unit vectors e_0, e_1, ... in turn; they repeat if n_samples > n_features."""
    points = np.zeros((n_samples, n_features), np.float32)
    points[np.arange(n_samples), np.arange(n_samples) % n_features] = 1
    return points


def line(n_samples: int, n_features: int, rng: np.random.Generator) -> Array:
    """Draw points on one straight line, float64: every ratio of a linear map is then the same."""
    direction = rng.standard_normal(n_features)
    return np.asarray(rng.uniform(-1, 1, (n_samples, 1)) * direction / np.linalg.norm(direction))


def swiss_roll(n_samples: int, n_features: int, rng: np.random.Generator) -> Array:
    """Draw a rolled-up sheet (t cos t, h, t sin t), turned at random into R^m, float64.

    In fewer than three features it is the shadow of the roll.
    """
    t = 1.5 * math.pi * (1 + 2 * rng.random(n_samples))
    roll = np.stack([t * np.cos(t), 21 * rng.random(n_samples), t * np.sin(t)], axis=1)  # (N, 3)
    frame, _ = np.linalg.qr(rng.standard_normal((max(3, n_features), 3)))
    return np.asarray(roll @ frame[:n_features].T)


def sparse_points(n_samples: int, n_features: int, rng: np.random.Generator) -> Array:
    """Draw points like word counts: about 1 % of the coordinates, at least one, are positive."""
    points = np.zeros((n_samples, n_features), np.float32)
    filled = rng.random((n_samples, n_features), dtype=np.float32) < 0.01
    filled[np.arange(n_samples), rng.integers(n_features, size=n_samples)] = True
    points[filled] = 1 + rng.poisson(1.0, np.count_nonzero(filled))
    return points


def duplicates(n_samples: int, n_features: int, rng: np.random.Generator) -> Array:
    """Draw a Gaussian cloud whose second half repeats its first: pairs without a ratio."""
    half = gaussian_cloud((n_samples + 1) // 2, n_features, rng)
    return np.concatenate([half, half])[:n_samples]


POINTS: dict[str, Callable[[int, int, np.random.Generator], Array]] = {
    "gaussian": gaussian_cloud,
    "two_clusters": two_clusters,
    "one_hot": one_hot,
    "line": line,
    "swiss_roll": swiss_roll,
    "sparse": sparse_points,
    "duplicates": duplicates,
}


def make_points(kind: str, n_samples: int, n_features: int, rng: np.random.Generator) -> Array:
    """Draw one of `POINTS` by name.

    Args:
        kind: A key of `POINTS`.
        n_samples: Number of points, at least 1.
        n_features: Coordinates of each, at least 1.
        rng: Source of randomness.

    Returns:
        Points (n_samples, n_features); float64 for "line" and "swiss_roll", whose neighbours lie
        too close for float32, else float32.

    Raises:
        ValueError: If the kind is unknown or a count is not positive.
    """
    one_of("kind", kind, POINTS)
    return POINTS[kind](
        whole_number("n_samples", n_samples, 1), whole_number("n_features", n_features, 1), rng
    )


@dataclass(frozen=True)
class RealPoints:
    """A set of small grey pictures, read-only.

    Attributes:
        points: Grey values uint8 (n_samples, n_features), row by row of each picture.
        labels: Class of each picture, uint8 (n_samples,).
        shape: Height and width, pixels.
    """

    points: NDArray[np.uint8]
    labels: NDArray[np.uint8]
    shape: tuple[int, int]


REAL_POINTS = ("digits", "fashion")


@functools.cache
def load_points(name: str) -> RealPoints:
    """Read one of `REAL_POINTS` from assets/jl, once per process.

    Raises:
        ValueError: If the name is unknown.
    """
    one_of("name", name, REAL_POINTS)
    with np.load(ASSETS / f"{name}.npz", allow_pickle=False) as stored:
        points, labels = stored["points"], stored["labels"]
    points.setflags(write=False)
    labels.setflags(write=False)
    side = math.isqrt(points.shape[1])
    return RealPoints(points, labels, (side, side))


def as_points(points: ArrayLike) -> Array:
    """Check an array of points and return it as float32 or float64.

    float32 and float64 stay; float16, bool and integers of 16 bits or fewer become float32;
    everything else becomes float64, and so does float32 outside 1e-12 .. 1e12, whose squares would
    not fit.

    Args:
        points: Real numbers (n_samples, n_features), both at least 1.

    Raises:
        ValueError: If the array is not of that kind, an entry is not finite (named by row and
            column), or the largest magnitude is outside 1e-100 .. 1e100 and not 0.
    """
    array = np.asarray(points)
    if array.ndim != 2 or 0 in array.shape:
        raise ValueError(f"points must have shape (n_samples, n_features), got {array.shape}")
    if array.dtype.kind not in "buifO":
        raise ValueError(f"points must be real numbers, got dtype {array.dtype}")
    if array.dtype not in CLOSE:
        small = array.dtype.kind != "O" and array.dtype.itemsize <= 2
        try:
            array = array.astype(np.float32 if small else np.float64)
        except (TypeError, ValueError, OverflowError) as error:
            raise ValueError(f"points must be real numbers, got dtype object: {error}") from None
    return _of_safe_size(array)


# --- Matrices -------------------------------------------------------------------------------------


def _normals(n_rows: int, n_features: int, rng: np.random.Generator) -> Array:
    """Draw entries N(0, 1), float32 (n_rows, n_features).

    From a million on, four generators seeded by rng each fill a quarter, side by side: drawing is
    the one part of a projection that would otherwise use a single core.
    """
    rows = np.empty((n_rows, n_features), np.float32)
    if rows.size < 1 << 20:
        return rng.standard_normal(out=rows, dtype=np.float32)
    children = [np.random.default_rng(seed) for seed in rng.integers(1 << 63, size=(4, 2))]

    def fill(child: np.random.Generator, part: Array) -> None:
        child.standard_normal(out=part, dtype=np.float32)

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(fill, children, np.array_split(rows.reshape(-1), 4)))
    return rows


def _sign_rows(n_rows: int, n_features: int, rng: np.random.Generator) -> Array:
    """Draw entries +1 and -1 from single random bits, 64 at a time."""
    words = rng.integers(0, 1 << 64, (n_rows, -(-n_features // 64)), dtype=np.uint64)
    bits = np.unpackbits(words.view(np.uint8), axis=1, count=n_features)
    return np.asarray(2 * bits.astype(np.float32) - 1)


def _sparse_rows(n_rows: int, n_features: int, rng: np.random.Generator, density: float) -> Array:
    """Draw entries +-1/sqrt(density) with probability density/2 each, else 0: variance 1."""
    uniform = rng.random((n_rows, n_features), dtype=np.float32)
    signs = (uniform < density / 2).astype(np.float32)
    signs -= uniform >= 1 - density / 2
    return np.asarray(signs * np.float32(1 / math.sqrt(density)))


def _very_sparse_rows(n_rows: int, n_features: int, rng: np.random.Generator) -> Array:
    return _sparse_rows(n_rows, n_features, rng, 1 / math.sqrt(n_features))


# Rows with independent entries of mean 0 and variance 1; A is such rows / sqrt(n_components).
ROWS: dict[str, Callable[[int, int, np.random.Generator], Array]] = {
    "gaussian": _normals,
    "rademacher": _sign_rows,
    "sparse": functools.partial(_sparse_rows, density=1 / 3),
    "very_sparse": _very_sparse_rows,
}
KINDS = (*ROWS, "orthogonal", "srht", "pca")


def matrix(kind: str, n_components: int, n_features: int, rng: np.random.Generator) -> Array:
    """Draw A, scaled so that E||A x||^2 = ||x||^2.

    Args:
        kind: "gaussian", N(0, 1/k); "rademacher", +-1/sqrt(k); "sparse" and "very_sparse",
            0 or +-1/sqrt(k density) with density 1/3 or 1/sqrt(m); "orthogonal", see
            `orthogonal_matrix`; "srht", see `draw_srht`, written out.
        n_components: Rows k, at least 1; more than n_features is legal and pointless.
        n_features: Columns m, at least 1.
        rng: Source of randomness; `project` draws the same A from an equal generator.

    Returns:
        A, float32 (n_components, n_features).

    Raises:
        ValueError: If the kind is unknown or has no matrix without data ("pca"), or a count is not
            positive.
    """
    one_of("kind", kind, [known for known in KINDS if known != "pca"])
    k, m = whole_number("n_components", n_components, 1), whole_number("n_features", n_features, 1)
    if kind == "orthogonal":
        return orthogonal_matrix(k, m, rng)
    if kind == "srht":
        return np.ascontiguousarray(draw_srht(k, m, rng)(np.eye(m, dtype=np.float32)).T)
    rows = np.concatenate([block for _, block in _row_blocks(kind, k, m, rng)])
    return np.asarray(rows / np.float32(math.sqrt(k)))


def orthogonal_matrix(n_components: int, n_features: int, rng: np.random.Generator) -> Array:
    """Draw a projection on a uniformly random subspace, times sqrt(m/k).

    The rows of a Gaussian matrix, made orthonormal by Gram-Schmidt, are Haar distributed. For k > m
    there are no k orthonormal rows in R^m: the m columns are made orthonormal instead, and A keeps
    every distance exactly.

    Returns:
        A, float32 (n_components, n_features), with A A' = (m/k) I for k <= m and A'A = I otherwise.
    """
    short, long = sorted((n_components, n_features))
    frame = _orthonormal_rows(_normals(short, long, rng))
    if n_components > n_features:
        return np.ascontiguousarray(frame.T)
    return np.asarray(frame * np.float32(math.sqrt(n_features / n_components)))


def _orthonormal_rows(rows: Array) -> Array:
    """Return Gram-Schmidt's Q in rows = L Q, L lower triangular with a positive diagonal.

    Gaussian rows that are four times as long as their number are well conditioned, so that L can be
    had from rows rows' = L L', several times faster than by Householder's QR.
    """
    if 4 * rows.shape[0] <= rows.shape[1]:
        return np.asarray(np.linalg.inv(np.linalg.cholesky(rows @ rows.T)) @ rows)
    q, r = np.linalg.qr(rows.T)
    return np.asarray((q * np.sign(np.diagonal(r))).T)


@dataclass(frozen=True)
class Srht:
    """Subsampled randomized Hadamard transform: y = (H (signs * x, padded))[rows] / sqrt(k).

    Attributes:
        signs: Random signs (n_features,); they spread a spiky x before the fixed transform.
        rows: Rows of H that are kept (n_components,).
        padded_dim: p, the power of two from n_features on.
    """

    signs: Array
    rows: Indices
    padded_dim: int

    def __call__(self, points: Array) -> Array:
        """Map points (n_samples, n_features) to (n_samples, n_components)."""
        n_samples, n_features = points.shape
        result = np.empty((n_samples, self.rows.size), points.dtype)
        height = max(1, BLOCK_CELLS // self.padded_dim)
        for start in range(0, n_samples, height):
            block = points[start : start + height]
            padded = np.zeros((len(block), self.padded_dim), points.dtype)
            np.multiply(block, self.signs, out=padded[:, :n_features])
            result[start : start + height] = hadamard_transform(padded)[:, self.rows]
        result *= 1 / math.sqrt(self.rows.size)
        return result


def draw_srht(n_components: int, n_features: int, rng: np.random.Generator) -> Srht:
    """Draw the signs and the rows of an `Srht`.

    Rows of the Hadamard matrix are drawn without replacement; beyond p of them, whole passes come
    first, so that each row is used equally often up to one.
    """
    padded_dim = 1 << (n_features - 1).bit_length()
    signs = _sign_rows(1, n_features, rng)[0]
    n_passes = -(-n_components // padded_dim)
    passes = [rng.permutation(padded_dim) for _ in range(n_passes)]
    return Srht(signs, np.concatenate(passes)[:n_components], padded_dim)


def hadamard_transform(x: Array) -> Array:
    """Multiply each row by the Hadamard matrix H_p without forming it.

    H_1 = [1], H_2p = [[H_p, H_p], [H_p, -H_p]] (Sylvester's order). Since H_64q = H_q (x) H_64, the
    row is laid out as a q x 64 table; its rows meet the small factor in one product, its columns
    recurse.

    Args:
        x: Rows (n, p), p a power of two.

    Returns:
        x H_p, (n, p), same dtype; not normalised: applied twice it gives p x.

    Raises:
        ValueError: If p is not a power of two.
    """
    n, p = x.shape
    if p & (p - 1):
        raise ValueError(f"the length of x must be a power of two, got {p}")
    inner = min(p, 64)
    table = x.reshape(-1, inner) @ _hadamard(inner).astype(x.dtype)
    if p == inner:
        return np.asarray(table.reshape(n, p))
    columns = np.ascontiguousarray(table.reshape(n, p // inner, inner).swapaxes(1, 2))
    turned = hadamard_transform(columns.reshape(-1, p // inner)).reshape(n, inner, p // inner)
    return np.ascontiguousarray(turned.swapaxes(1, 2)).reshape(n, p)


# --- Projection -----------------------------------------------------------------------------------


def project(
    points: ArrayLike, n_components: int, kind: str = "gaussian", *, rng: np.random.Generator
) -> Array:
    """Return A x for every point, drawing A in blocks of rows so that it is never held whole.

    Args:
        points: (n_samples, n_features); see `as_points`.
        n_components: Dimension k afterwards, at least 1; k > n_features is no reduction but legal.
        kind: One of `KINDS`; "orthogonal" does hold its A, "pca" ignores rng.
        rng: Source of randomness.

    Returns:
        Projected points (n_samples, n_components) in the precision of the points. A coordinate is
        off by about 1e-7 (float32) or 1e-16 (float64) of ||x||: centre points that lie far from 0.

    Raises:
        ValueError: If the points, the kind or n_components are outside their domains.
    """
    return _project(as_points(points), whole_number("n_components", n_components, 1), kind, rng)


def _project(points: Array, n_components: int, kind: str, rng: np.random.Generator) -> Array:
    one_of("kind", kind, KINDS)
    n_samples, n_features = points.shape
    if kind == "pca":
        return principal_components(points, n_components)
    if kind == "srht":
        return draw_srht(n_components, n_features, rng)(points)
    if kind == "orthogonal":
        return np.asarray(points @ orthogonal_matrix(n_components, n_features, rng).T)
    projected = np.empty((n_samples, n_components), points.dtype)
    for start, rows in _row_blocks(kind, n_components, n_features, rng):
        block = rows.astype(points.dtype, copy=False)
        projected[:, start : start + len(rows)] = points @ block.T
    projected *= 1 / math.sqrt(n_components)
    return projected


def principal_components(points: ArrayLike, n_components: int) -> Array:
    """Return the coordinates of the centred points along their leading principal axes.

    For contrast with the random maps: it must see the data, it shrinks every distance or keeps it
    (scale 1, not unbiased), and it is best in the mean square, not for the worst pair.

    Returns:
        (n_samples, n_components); columns beyond the rank are 0.
    """
    x = as_points(points)
    x = np.asarray(x - x.mean(axis=0))
    n_samples, n_features = x.shape
    wide = n_features > n_samples
    gram = (x @ x.T if wide else x.T @ x).astype(np.float64)
    values, vectors = np.linalg.eigh(gram)  # ascending
    kept = min(n_components, len(values))
    axes = vectors[:, ::-1][:, :kept]
    lengths = np.sqrt(np.maximum(values[::-1][:kept], 0))
    result = np.zeros((n_samples, n_components), x.dtype)
    result[:, :kept] = axes * lengths if wide else x @ axes.astype(x.dtype)
    return result


def _row_blocks(
    kind: str, n_components: int, n_features: int, rng: np.random.Generator
) -> Iterator[tuple[int, Array]]:
    """Yield (first row, rows of variance 1), as many at a time as `BLOCK_CELLS` allows."""
    height = max(1, BLOCK_CELLS // n_features)
    for start in range(0, n_components, height):
        n_rows = min(height, n_components - start)
        yield start, ROWS[kind](n_rows, n_features, rng)


# --- Distances ------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Pairs:
    """The pairs (i, j) to compare: all of them, or all that touch one of `n_rows` chosen points.

    Attributes:
        order: The points, the chosen ones first (n_samples,); pairs are (order[a], order[b]) for
            a < n_rows and a < b, listed by a, then by b, as in scipy's pdist.
        n_rows: Number of chosen points; n_samples - 1 or more means every pair.
    """

    order: Indices
    n_rows: int

    @property
    def n_samples(self) -> int:
        """Number of points."""
        return len(self.order)

    @property
    def n_all(self) -> int:
        """Number of pairs that exist, N (N-1)/2."""
        return self.n_samples * (self.n_samples - 1) // 2

    @property
    def n_pairs(self) -> int:
        """Number of pairs that are compared."""
        rest = max(0, self.n_samples - self.n_rows)
        return self.n_all - rest * (rest - 1) // 2

    @property
    def is_sample(self) -> bool:
        """True if some pairs are left out."""
        return self.n_pairs < self.n_all

    def locate(self, position: int) -> tuple[int, int]:
        """Return the points (i, j), i < j, of the pair at a position of the list."""
        rest = self.n_all - 1 - position  # pairs after this one
        tail = (math.isqrt(8 * rest + 1) + 1) // 2  # points after the first of the pair
        a = self.n_samples - 1 - tail
        b = self.n_samples - 1 - (rest - tail * (tail - 1) // 2)
        i, j = int(self.order[a]), int(self.order[b])
        return min(i, j), max(i, j)


def choose_pairs(
    n_samples: int, rng: np.random.Generator | None = None, max_pairs: int = MAX_PAIRS
) -> Pairs:
    """Return all pairs if there are at most max_pairs, else those touching randomly chosen points.

    The sample takes as many chosen points as the limit allows (at least one), so that each point of
    the set takes part and the distances still come from one matrix product.

    Args:
        n_samples: Number of points, at least 1.
        rng: Source of randomness, needed only for a sample.
        max_pairs: Limit, at least 1.

    Raises:
        ValueError: If a count is not positive, or a sample is needed and rng is missing.
    """
    n, limit = whole_number("n_samples", n_samples, 1), whole_number("max_pairs", max_pairs, 1)
    everything = Pairs(np.arange(n), max(0, n - 1))
    if everything.n_all <= limit:
        return everything
    if rng is None:
        raise ValueError(f"rng is needed to sample {limit} of {everything.n_all} pairs")
    # a (2n - 1 - a) / 2 <= limit for a chosen points
    n_rows = int((2 * n - 1 - math.sqrt((2 * n - 1) ** 2 - 8 * limit)) / 2)
    chosen = rng.choice(n, size=max(1, n_rows), replace=False)
    return Pairs(np.concatenate([chosen, np.setdiff1d(np.arange(n), chosen)]), max(1, n_rows))


def squared_distances(points: ArrayLike, pairs: Pairs | None = None) -> Array:
    """Return the squared distance of every pair.

    ||x_i||^2 + ||x_j||^2 - 2 <x_i, x_j> after centring, by matrix products over blocks of points.
    In float32 that is good to 3e-5 relative, as long as a pair is farther apart than a seventh of
    its distance from the mean. If some pair is closer, all is redone in float64; what is still
    too close there (1e-5 of that distance) is subtracted coordinate by coordinate. Equal points
    give exactly 0.

    Args:
        points: (n_samples, n_features); see `as_points`.
        pairs: Which pairs; all if omitted.

    Returns:
        Squared distances (n_pairs,), float64 for float64 points or close pairs, else float32.

    Raises:
        ValueError: If the points are unfit or their number is not that of `pairs`.
    """
    x = as_points(points)
    pairs = pairs or choose_pairs(len(x), max_pairs=max(1, len(x) ** 2))
    x = _in_order(x, pairs)
    return _distances(x, pairs, narrow=x.dtype == np.float32)[1]


def _distances(x: Array, pairs: Pairs, *, narrow: bool) -> tuple[Array, Array]:
    """Return the points near 0 and their squared distances, in float32 if allowed and enough."""
    if narrow:
        centred = _centred(x, np.float32)
        squared = _gram_distances(centred, x, pairs)
        if squared is not None:
            return centred, squared
    centred = _centred(x, np.float64)
    squared = _gram_distances(centred, x, pairs)
    assert squared is not None
    return centred, squared


def _gram_distances(centred: Array, x: Array, pairs: Pairs) -> Array | None:
    """Return squared distances in the precision of `centred`; None if float32 is not enough."""
    n_samples, close_share = len(x), CLOSE[centred.dtype]
    norms = np.vecdot(centred, centred)
    squared = np.empty(pairs.n_pairs, centred.dtype)
    groups: Indices | None = None
    filled = 0
    for start in range(0, min(pairs.n_rows, n_samples - 1), BLOCK_ROWS):
        stop = min(start + BLOCK_ROWS, pairs.n_rows, n_samples - 1)
        scale = norms[start:stop, None] + norms[start:]  # (block, N - start)
        block = centred[start:stop] @ centred[start:].T
        block *= -2
        block += scale
        scale *= close_share
        a, b = np.nonzero(block < scale)
        a, b = (index[b > a] + start for index in (a, b))
        if a.size:
            groups = _groups_of_equal_rows(x) if groups is None else groups
            differ = groups[a] != groups[b]
            if centred.dtype == np.float32 and np.any(differ):
                return None
            block[a - start, b - start] = _subtracted(x, a, b, differ)
        for row in range(stop - start):
            length = n_samples - 1 - start - row
            squared[filled : filled + length] = block[row, row + 1 :]
            filled += length
    return squared


def _subtracted(x: Array, a: Indices, b: Indices, differ: NDArray[np.bool_]) -> Array:
    """Return ||x_a - x_b||^2 coordinate by coordinate in float64, and 0 unless they differ."""
    result = np.zeros(a.size)
    positions = np.flatnonzero(differ)
    height = max(1, BLOCK_CELLS // x.shape[1])
    for start in range(0, positions.size, height):
        here = positions[start : start + height]
        difference = np.subtract(x[a[here]], x[b[here]], dtype=np.float64)
        result[here] = np.vecdot(difference, difference)
    return result


def _groups_of_equal_rows(x: Array) -> Indices:
    """Number the rows so that equal rows, and only they, share a number (n_samples,)."""
    numbers: dict[bytes, int] = {}
    return np.array([numbers.setdefault((row + 0).tobytes(), len(numbers)) for row in x])


def _centred(x: Array, dtype: Any) -> Array:
    """Subtract the mean: distances stay, cancellation in the Gram formula shrinks.

    A mean shorter than a third of the points changes nothing there and stays where it is.
    """
    mean = x.mean(axis=0)
    if 9 * np.vdot(mean, mean) < np.vdot(x, x) / len(x):
        return np.asarray(x.astype(dtype, copy=False))
    centred = np.empty(x.shape, dtype)
    return np.asarray(np.subtract(x, mean, out=centred, casting="same_kind"))


def _in_order(x: Array, pairs: Pairs) -> Array:
    if len(x) != pairs.n_samples:
        raise ValueError(f"points must have {pairs.n_samples} rows as pairs do, got {len(x)}")
    return x[pairs.order] if pairs.is_sample else x


# --- Distortion -----------------------------------------------------------------------------------


@dataclass(frozen=True)
class Original:
    """Points before projection with the distances of their pairs: made once, projected many times.

    Attributes:
        points: The points in the order of `pairs` (n_samples, n_features), moved so that their mean
            is near 0; float32, or float64 if some pair lies close together. Not always a copy.
        pairs: The pairs that are compared.
        positions: Places in the list of pairs that have a ratio (n_kept,); None means all.
        squared: Squared distances there (n_kept,), all positive.
    """

    points: Array
    pairs: Pairs
    positions: Indices | None
    squared: Array

    @property
    def n_skipped(self) -> int:
        """Number of pairs of equal points, which have no ratio."""
        return self.pairs.n_pairs - self.squared.size


def original(points: ArrayLike, pairs: Pairs | None = None) -> Original:
    """Measure the points before projection.

    Args:
        points: (n_samples, n_features); see `as_points`.
        pairs: From `choose_pairs`; all pairs up to `MAX_PAIRS` if omitted.

    Raises:
        ValueError: If the points are unfit, or there are too many pairs and `pairs` is omitted.
    """
    x = as_points(points)
    return _original(x, pairs or choose_pairs(len(x)))


def _original(x: Array, pairs: Pairs) -> Original:
    x = _in_order(x, pairs)
    narrow = x.dtype == np.float32 or _fits_float32(_peak(x))
    centred, squared = _distances(x, pairs, narrow=narrow)
    if squared.size and squared.min() == 0:
        positions = np.flatnonzero(squared)
        return Original(centred, pairs, positions, squared[positions])
    return Original(centred, pairs, None, squared)


@dataclass(frozen=True)
class Distortion:
    """What one projection did to the squared distances.

    Attributes:
        n_components: Dimension after projection.
        eps: Allowed deviation of a ratio.
        n_skipped: Pairs of equal points, which have no ratio.
        n_all_pairs: Pairs that exist; more than n_pairs + n_skipped means a sample was taken.
        squared_before: Squared distances before (n_pairs,).
        distance_ratio: Squared distance after over before (n_pairs,), dimensionless.
        max_distortion: Largest |ratio - 1|; 0 without pairs.
        worst_pair: The points (i, j) where it occurs, i < j; None without pairs.
        n_outside: Pairs with |ratio - 1| > eps.
    """

    n_components: int
    eps: float
    n_skipped: int
    n_all_pairs: int
    squared_before: Array
    distance_ratio: Array
    max_distortion: float
    worst_pair: tuple[int, int] | None
    n_outside: int

    @property
    def n_pairs(self) -> int:
        """Number of pairs with a ratio."""
        return self.distance_ratio.size

    @property
    def share_inside(self) -> float:
        """Share of pairs within 1 +- eps; 1 without pairs."""
        return 1 - self.n_outside / max(1, self.n_pairs)

    @property
    def mean(self) -> float:
        """Mean ratio, 1 for an unbiased map; nan without pairs."""
        return float(self.distance_ratio.mean(dtype=np.float64)) if self.n_pairs else math.nan

    @property
    def std(self) -> float:
        """Standard deviation of the ratios, about sqrt(2/k) for Gaussian A; nan without pairs."""
        return float(self.distance_ratio.std(dtype=np.float64)) if self.n_pairs else math.nan

    @property
    def worst_ratio(self) -> float:
        """Ratio of the worst pair; nan without pairs."""
        if not self.n_pairs:
            return math.nan
        return float(self.distance_ratio[np.abs(self.distance_ratio - 1).argmax()])

    @property
    def holds(self) -> bool:
        """True if every compared pair stays within 1 +- eps."""
        return self.max_distortion <= self.eps

    @property
    def is_sample(self) -> bool:
        """True if only a sample of the pairs was compared."""
        return self.n_pairs + self.n_skipped < self.n_all_pairs

    def histogram(
        self, n_bins: int = 80, limits: tuple[float, float] | None = None
    ) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
        """Count the ratios in equal bins.

        Args:
            n_bins: Number of bins, at least 1.
            limits: Lowest and highest edge; those of the ratios if omitted. Ratios outside are not
                counted.

        Returns:
            Counts (n_bins,) and edges (n_bins + 1,).
        """
        low, high = limits or _ends(self.distance_ratio)
        return _counts(self.distance_ratio, low, high, n_bins), np.linspace(low, high, n_bins + 1)

    def joint_histogram(
        self, n_bins: int = 60
    ) -> tuple[NDArray[np.int64], NDArray[np.float64], NDArray[np.float64]]:
        """Count pairs by squared distance before (rows) and after (columns).

        Returns:
            Counts (n_bins, n_bins), edges before and edges after, each (n_bins + 1,) from 0.
        """
        after = self.squared_before * self.distance_ratio
        tops = [_ends(values)[1] for values in (self.squared_before, after)]
        rows, columns = (
            _bins(values, 0, top, n_bins)
            for values, top in zip((self.squared_before, after), tops, strict=True)
        )
        counts = np.bincount(rows * n_bins + columns, minlength=n_bins**2)
        edges = [np.linspace(0, top, n_bins + 1) for top in tops]
        return counts.reshape(n_bins, n_bins), edges[0], edges[1]


def distortion(before: Original, projected: ArrayLike, eps: float) -> Distortion:
    """Compare the squared distances before and after a projection.

    Args:
        before: From `original`.
        projected: A x for its points (n_samples, n_components). Rows in the order of
            `before.points`, which is the given order unless the pairs are a sample.
        eps: Allowed deviation of a ratio, in (0, 1).

    Raises:
        ValueError: If eps is outside (0, 1) or the number of rows differs.
    """
    if not 0 < eps < 1:
        raise ValueError(f"eps must be in (0, 1), got {eps!r}")
    y = as_points(projected)
    if len(y) != before.pairs.n_samples:
        raise ValueError(f"projected must have {before.pairs.n_samples} rows, got {len(y)}")
    after = _distances(y, before.pairs, narrow=y.dtype == np.float32)[1]
    if before.positions is not None:
        after = after[before.positions]
    ratio = after / before.squared
    deviation = np.abs(ratio - 1)
    worst_pair = None
    if ratio.size:
        worst = int(deviation.argmax())
        position = worst if before.positions is None else int(before.positions[worst])
        worst_pair = before.pairs.locate(position)
    return Distortion(
        n_components=y.shape[1],
        eps=float(eps),
        n_skipped=before.n_skipped,
        n_all_pairs=before.pairs.n_all,
        squared_before=before.squared,
        distance_ratio=ratio,
        max_distortion=float(deviation.max(initial=0.0)),
        worst_pair=worst_pair,
        n_outside=int(np.count_nonzero(deviation > eps)),
    )


def measure(
    points: ArrayLike,
    n_components: int,
    eps: float,
    kind: str = "gaussian",
    *,
    rng: np.random.Generator,
    max_pairs: int = MAX_PAIRS,
) -> Distortion:
    """Project the points once and compare all their distances: the lemma, tried.

    Args:
        points: (n_samples, n_features); see `as_points`.
        n_components: Dimension k afterwards, at least 1.
        eps: Allowed deviation of a ratio of squared distances, in (0, 1).
        kind: One of `KINDS`.
        rng: Source of randomness for A, and before it for the pairs if they are sampled.
        max_pairs: From how many pairs on a sample is taken.

    Raises:
        ValueError: If an argument is outside its domain.
    """
    x = as_points(points)
    before = _original(x, choose_pairs(len(x), rng, max_pairs))
    return next(trials(before, n_components, eps, kind, n_trials=1, rng=rng))


def trials(
    before: Original,
    n_components: int,
    eps: float,
    kind: str = "gaussian",
    *,
    n_trials: int,
    rng: np.random.Generator,
) -> Iterator[Distortion]:
    """Project the same points with n_trials independent A, yielding after each.

    The share of results whose `holds` is false is an estimate of the lemma's failure probability.

    Args:
        before: From `original`.
        n_components: Dimension k afterwards, at least 1.
        eps: Allowed deviation, in (0, 1).
        kind: One of `KINDS`.
        n_trials: Number of draws of A.
        rng: Source of randomness, drawn from in turn: the first trials do not depend on n_trials.

    Yields:
        A `Distortion` for each A.

    Raises:
        ValueError: If an argument is outside its domain.
    """
    whole_number("n_components", n_components, 1)
    whole_number("n_trials", n_trials, 1)
    for _ in range(n_trials):
        yield distortion(before, _project(before.points, n_components, kind, rng), eps)


def inner_product_error(points: ArrayLike, projected: ArrayLike) -> tuple[float, int]:
    """Return max |<A u_i, A u_j> - <u_i, u_j>|, i != j, for the unit vectors u along the points.

    The lemma's inner-product form keeps it below eps: an absolute error, so that small cosines are
    not kept in proportion.

    Args:
        points: (n_samples, n_features).
        projected: A x for the same points (n_samples, n_components).

    Returns:
        The largest error, dimensionless (0 for fewer than two vectors), and the number of zero
        vectors, which have no direction and are left out.
    """
    x, y = as_points(points), as_points(projected)
    norms = np.linalg.norm(x, axis=1, keepdims=True)
    kept = norms[:, 0] > 0
    x, y = x[kept] / norms[kept], y[kept] / norms[kept]
    error = np.abs(y @ y.T - x @ x.T)
    np.fill_diagonal(error, 0)
    return float(error.max(initial=0.0)), int(np.count_nonzero(~kept))


# --- Random vectors and sign hashing --------------------------------------------------------------


def sample_squared_norms(n: int, n_draws: int, rng: np.random.Generator) -> NDArray[np.float64]:
    """Draw ||u||^2 for n_draws vectors u with entries N(0, 1/n), float64 (n_draws,)."""
    blocks = _vector_blocks(whole_number("n", n, 1), whole_number("n_draws", n_draws, 1), rng)
    return np.concatenate([np.vecdot(u, u, dtype=np.float64) / n for u in blocks])


def sample_inner_products(n: int, n_draws: int, rng: np.random.Generator) -> NDArray[np.float64]:
    """Draw <u, v> for n_draws independent pairs with entries N(0, 1/n), float64 (n_draws,)."""
    blocks = _vector_blocks(2 * whole_number("n", n, 1), whole_number("n_draws", n_draws, 1), rng)
    return np.concatenate([np.vecdot(w[:, :n], w[:, n:], dtype=np.float64) / n for w in blocks])


def pair_angles(n_vectors: int, n: int, rng: np.random.Generator) -> NDArray[np.float64]:
    """Return the angles of all pairs of n_vectors random directions in R^n.

    Args:
        n_vectors: At least 2.
        n: Dimension, at least 1.
        rng: Source of randomness.

    Returns:
        Angles in radians (n_vectors (n_vectors - 1) / 2,).
    """
    vectors = rng.standard_normal(
        (whole_number("n_vectors", n_vectors, 2), whole_number("n", n, 1))
    )
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    cosines = (vectors @ vectors.T)[np.triu_indices(n_vectors, 1)]
    return np.asarray(np.arccos(np.clip(cosines, -1, 1)))


def random_gram(
    n_rows: int, n_columns: int, rng: np.random.Generator
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return W'W for W with entries N(0, 1/n_rows), and its eigenvalues.

    Entry by entry W'W is close to I (mean square error about 1/n_rows), but its eigenvalues spread
    over the Marchenko-Pastur bulk, [0, 4] for a square W, however large it is.

    Returns:
        W'W (n_columns, n_columns) and its eigenvalues (n_columns,), ascending.
    """
    w = rng.standard_normal(
        (whole_number("n_rows", n_rows, 1), whole_number("n_columns", n_columns, 1))
    )
    gram = w.T @ w / n_rows
    return gram, np.asarray(np.linalg.eigvalsh(gram), np.float64)


def fan(theta: ArrayLike, n_features: int, rng: np.random.Generator) -> NDArray[np.float64]:
    """Return unit vectors at given angles from a first one, all in one random plane.

    Args:
        theta: Angles in radians (n_angles,).
        n_features: Dimension of the space, at least 2.
        rng: Source of randomness.

    Returns:
        (n_angles + 1, n_features): the vector at angle 0, then the others.
    """
    angles = np.concatenate([[0.0], np.ravel(np.asarray(theta, np.float64))])
    plane = rng.standard_normal((whole_number("n_features", n_features, 2), 2))
    axes, _ = np.linalg.qr(plane)
    return np.asarray(np.stack([np.cos(angles), np.sin(angles)], axis=1) @ axes.T)


def sign_hashes(
    points: ArrayLike, n_components: int, rng: np.random.Generator
) -> NDArray[np.float32]:
    """Return sign(A x) for Gaussian A: +1 and -1, float32 (n_samples, n_components).

    The mean product of two rows estimates 1 - 2 theta/pi (`jl_bounds.sign_agreement`).
    """
    projected = project(points, n_components, rng=rng)
    return np.where(projected >= 0, np.float32(1), np.float32(-1))


def hash_agreement(hashes: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return sign(A x_i) . sign(A x_j) / k for all pairs, in [-1, 1], (n_samples, n_samples)."""
    return np.asarray(hashes @ hashes.T / np.float32(hashes.shape[1]))


# --- Small pieces ---------------------------------------------------------------------------------


def _vector_blocks(n: int, n_draws: int, rng: np.random.Generator) -> Iterator[Array]:
    height = max(1, BLOCK_CELLS // n)
    for start in range(0, n_draws, height):
        yield _normals(min(height, n_draws - start), n, rng)


@functools.cache
def _hadamard(size: int) -> NDArray[np.int8]:
    """Return the small factor H_size, size a power of two."""
    if size == 1:
        return np.ones((1, 1), np.int8)
    half = _hadamard(size // 2)
    return np.block([[half, half], [half, -half]])


def _ends(values: Array) -> tuple[float, float]:
    if values.size == 0:
        return 0.0, 1.0
    low, high = float(values.min()), float(values.max())
    return (low, high) if low < high else (low - 0.5, high + 0.5)


def _bins(values: Array, low: float, high: float, n_bins: int) -> Indices:
    """Return the bin of each value; values outside go to the end bins."""
    places = (values.astype(np.float64) - low) * (n_bins / (high - low))
    return np.clip(places.astype(np.intp), 0, n_bins - 1)


def _counts(values: Array, low: float, high: float, n_bins: int) -> NDArray[np.int64]:
    inside = values[(values >= low) & (values <= high)]
    return np.bincount(_bins(inside, low, high, n_bins), minlength=n_bins)


def _of_safe_size(array: Array) -> Array:
    """Return a float array whose squares neither overflow nor vanish."""
    peak = _peak(array)
    if not math.isfinite(peak):
        row, column = (int(index) for index in np.argwhere(~np.isfinite(array))[0])
        bad = array[row, column]
        raise ValueError(f"points must be finite, got {bad:g} in row {row}, column {column}")
    if peak != 0 and not 1e-100 <= peak <= 1e100:
        raise ValueError(f"points must be 0 or of size 1e-100 to 1e100, got {peak:g}")
    if array.dtype == np.float32 and not _fits_float32(peak):
        return array.astype(np.float64)
    return array


def _peak(array: Array) -> float:
    """Return the largest magnitude; nan and inf come through."""
    return max(float(array.max()), -float(array.min()))


def _fits_float32(peak: float) -> bool:
    """Tell whether squares and their sums stay far from the ends of float32."""
    return peak == 0 or 1e-12 <= peak <= 1e12
