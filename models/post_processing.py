"""What is done to sentence vectors after the encoder, one record for each way, and what it changes.

    none        x                                       as the encoder gives it
    centre      x - mu
    top         (x - mu)(I - U_D U_D^T)                 all but the top D
    whiten      (x - mu) U_k Lambda_k^(-1/2)            whitening to k
    beta_gamma  (x - beta mu) U_k Lambda_k^(-gamma/2)   U, Lambda of Sigma_beta
    zca         (x - mu) U Lambda^(-1/2) U^T            the cosines of whitening to all directions
    cut         x_1..x_k                                Matryoshka, lengths brought back to 1

mu, U and Lambda come from the fit vectors; see `models.whitening`. What a way changes is read off
cosines, their order, and the picture of the unit vectors in the plane of most length:
    (u.a_1, u.a_2),  a the leading eigenvectors of sum u^T u  (nothing is centred),
so that vectors in a narrow cone lie close together at the rim of the unit disc.
By Jensen, uniformity = ln mean exp(-t|u - v|^2) >= -2t (1 - mean cosine).

Shapes: fit vectors (N, d), vectors (n, d), cosines (n, n). All is computed in float64.
Convention: rank 1 is the greatest cosine; equal cosines share the best of their ranks. Orders are
of cosines rounded to 9 decimals, so that rounding makes none.

Source: Su Jianlin, 2021, kexue.fm/archives/8069; 2022, kexue.fm/archives/9079. Mu and Viswanath
2018, arXiv 1702.01417. Kusupati et al. 2022, arXiv 2205.13147. The bound: Jensen's inequality on
the definition of Wang and Isola 2020, arXiv 2005.10242.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import ArrayLike, NDArray

from models import whitening
from models.checks import number, one_of, whole_number
from models.similarity import (
    Floats,
    alignment,
    as_floats,
    as_vectors,
    mean_cosine,
    pair_cosines,
    same_shape,
    spearman,
    uniformity,
    unit,
)
from models.whitening import Collapse, Moments, Whitening

WAYS = ("none", "centre", "top", "whiten", "beta_gamma", "zca", "cut")
FITTED = ("centre", "top", "whiten", "beta_gamma", "zca")  # those that look at the fit vectors
WITH_K = ("whiten", "beta_gamma", "cut")


@dataclass(frozen=True)
class Way:
    """A way of post-processing; what a way does not use does not matter.

    Attributes:
        name: One of `WAYS`.
        k: Directions kept by whiten and beta_gamma, coordinates kept by cut; at most d are.
        n_removed: D of top; at most d are removed.
        beta: Of beta_gamma, in [-10, 10].
        gamma: Of beta_gamma, in [-4, 4].
    """

    name: str = "whiten"
    k: int = 64
    n_removed: int = 3
    beta: float = 1.0
    gamma: float = 1.0

    @property
    def needs_fit(self) -> bool:
        """Whether it depends on the fit vectors."""
        return self.name in FITTED


@dataclass(frozen=True, eq=False)
class Fitted:
    """A way made ready for vectors of d dimensions.

    Attributes:
        way: What was asked for.
        n_features: d.
        map: What the fit vectors gave; None for the ways that need none.
    """

    way: Way
    n_features: int
    map: Whitening | None = None

    @property
    def k(self) -> int:
        """Dimensions that the vectors vary in afterwards, at most."""
        if self.map is not None:
            return self.map.n_kept
        return min(self.way.k, self.n_features) if self.way.name == "cut" else self.n_features

    def __call__(self, vectors: ArrayLike) -> Floats:
        """Return the vectors (n, d) after post-processing, (n, d) or (n, k).

        Raises:
            ValueError: If they are not finite or not of the fitted dimension.
        """
        x = as_vectors("vectors", vectors).astype(np.float64, copy=False)
        if x.shape[1] != self.n_features:
            raise ValueError(f"vectors must have d = {self.n_features}, got {x.shape[1]}")
        if self.map is not None:
            return np.asarray(whitening.transform(self.map, x))
        return np.asarray(whitening.matryoshka(x, self.k)) if self.way.name == "cut" else x


def fit(way: Way, vectors: ArrayLike) -> Fitted:
    """Fit a way on vectors (N, d); see `fit_moments`.

    Raises:
        ValueError: If a number of the way is outside its domain, there are fewer than two fit
            vectors, or all are equal and are to be scaled.
    """
    x = as_vectors("vectors", vectors).astype(np.float64, copy=False)
    if not way.needs_fit:
        return _unfitted(way, x.shape[1])
    return fit_moments(way, whitening.moments(x))


def fit_moments(way: Way, seen: Moments) -> Fitted:
    """Fit a way on the moments of the fit vectors, which serve all ways.

    Raises:
        ValueError: If a number of the way is outside its domain, or all fit vectors are equal and
            are to be scaled.
    """
    d = seen.mean.size
    if not way.needs_fit:
        return _unfitted(way, d)
    k = min(whole_number("k", way.k, 1, 2**31), d)
    if way.name in ("centre", "top"):
        removed = whole_number("n_removed", way.n_removed, 0, 2**31) if way.name == "top" else 0
        return Fitted(way, d, _without_top(seen, min(removed, d)))
    if way.name == "zca":
        return Fitted(way, d, whitening.fit_moments(seen, form="zca"))
    beta, gamma = (way.beta, way.gamma) if way.name == "beta_gamma" else (1.0, 1.0)
    return Fitted(way, d, whitening.fit_moments(seen, k, beta, gamma))


def _unfitted(way: Way, d: int) -> Fitted:
    one_of("name", way.name, WAYS)
    whole_number("k", way.k, 1, 2**31)
    return Fitted(way, d)


def _without_top(seen: Moments, n_removed: int) -> Whitening:
    """Return `whitening.all_but_the_top` from moments; without axes to remove none is sought."""
    d = seen.mean.size
    turned = whitening.fit_moments(seen, gamma=0.0)  # kernel = U
    top = turned.kernel[:, :n_removed]
    return replace(turned, kernel=np.eye(d) - top @ top.T, n_kept=d - n_removed, form="zca")


def collapse(fitted: Fitted, vectors: ArrayLike) -> Collapse | None:
    """Return the cosines to expect when the fit vectors lose all meaning; see `whitening.collapse`.

    Args:
        fitted: The way.
        vectors: Those it was fitted on, (N, d).

    Returns:
        None where the cosines still depend on the vectors, for other ways than whitening too.

    Raises:
        ValueError: If the vectors are not as many as those fitted, or of another dimension.
    """
    if fitted.map is None or fitted.map.gamma != 1:
        return None
    x = as_vectors("vectors", vectors).astype(np.float64, copy=False)
    return whitening.collapse(fitted.map, x)


def sweep_sizes(d: int) -> list[int]:
    """Return the k of a sweep: powers of 2 and 3/2 of them up to d, and d itself.

    Raises:
        ValueError: If d is not a count of at least 1.
    """
    top = whole_number("d", d, 1, 2**31)
    sizes = {top}
    for power in range(31):
        sizes |= {size for size in (2**power, 3 * 2 ** (power - 1)) if size == int(size) <= top}
    return sorted(int(size) for size in sizes)


def sweep(
    name: str, seen: Moments, first: ArrayLike, second: ArrayLike, sizes: Sequence[int]
) -> Iterator[Floats]:
    """Yield the cosines of pairs for each k, (n,), from one decomposition.

    Args:
        name: whiten, cut, or pca (centred, turned and cut: beta = 1, gamma = 0).
        seen: Moments of the fit vectors.
        first: One side of the pairs, (n, d).
        second: The other, (n, d).
        sizes: k, each in 1..d; whitening keeps at most the rank.

    Raises:
        ValueError: If an argument is outside its domain.
    """
    one_of("name", name, ("whiten", "pca", "cut"))
    a, b = same_shape(first, second)
    if name != "cut":
        gamma = 1.0 if name == "whiten" else 0.0
        fitted = whitening.fit_moments(seen, gamma=gamma)
        a, b = whitening.transform(fitted, a), whitening.transform(fitted, b)
    for size in sizes:
        k = whole_number("size", size, 1, seen.mean.size)
        yield np.asarray(pair_cosines(a[:, :k], b[:, :k]), np.float64)


# --- What it changes ------------------------------------------------------------------------------


def upper(cosines: ArrayLike) -> Floats:
    """Return the cosines of distinct pairs i < j, row by row, (n(n-1)/2,).

    Raises:
        ValueError: If they are not a square of at least 2 x 2.
    """
    square = _square("cosines", cosines)
    return square[np.triu_indices(len(square), 1)]


def _order(cosines: Floats) -> Floats:
    """Return the same cosines, equal where only rounding parts them."""
    return np.round(cosines, 9)


def _square(name: str, values: ArrayLike) -> Floats:
    array = as_floats(name, values, 2).astype(np.float64, copy=False)
    if array.shape[0] != array.shape[1] or len(array) < 2:
        raise ValueError(f"{name} must be (n, n), n >= 2, got shape {array.shape}")
    return array


def pair_rank(cosines: ArrayLike, row: int, column: int) -> int:
    """Return the rank of a pair among all n(n-1)/2: 1 for the most alike.

    Raises:
        ValueError: If the two are not different rows.
    """
    square = _square("cosines", cosines)
    i = whole_number("row", row, 0, len(square) - 1)
    j = whole_number("column", column, 0, len(square) - 1)
    if i == j:
        raise ValueError(f"row and column must differ, got {i} twice")
    low, high = min(i, j), max(i, j)
    square = _order(square)
    return 1 + int((upper(square) > square[low, high]).sum())


def order_kept(before: ArrayLike, after: ArrayLike) -> float:
    """Return Spearman of the cosines of distinct pairs before and after: 1 if all stay in order.

    Returns:
        NaN where all are equal on one side, as with 2 vectors or when meaning has collapsed.

    Raises:
        ValueError: If the two are not squares of one size.
    """
    one, other = _order(upper(before)), _order(upper(after))
    return spearman(one, other) if one.size > 1 else float("nan")


def most_moved(before: ArrayLike, after: ArrayLike) -> tuple[int, int]:
    """Return the pair (i, j), i < j, whose place in the order has changed most.

    Raises:
        ValueError: If the two are not squares of one size.
    """
    one, other = _square("before", before), _square("after", after)
    if one.shape != other.shape:
        raise ValueError(f"after must have shape {one.shape}, got {other.shape}")
    rows, columns = np.triu_indices(len(one), 1)
    both = _order(upper(one)), _order(upper(other))
    places = [np.searchsorted(np.sort(given), given) for given in both]
    at = int(np.abs(places[0] - places[1]).argmax())
    return int(rows[at]), int(columns[at])


def uniformity_bound(mean: float, sharpness: float = 2.0) -> float:
    """Return -2t (1 - mean cosine), which the uniformity of unit vectors cannot fall below, nats.

    Args:
        mean: Of the cosines of distinct pairs, in [-1, 1].
        sharpness: t, in [0, 1000].

    Raises:
        ValueError: If an argument is outside its domain.
    """
    t = number("sharpness", sharpness, 0, 1000)
    return -2 * t * (1 - number("mean", mean, -1, 1))


@dataclass(frozen=True, eq=False)
class Disc:
    """Unit vectors in the plane of most length.

    Attributes:
        points: In the unit disc, (n, 2); the second column is 0 for one dimension.
        share: Part of the square lengths that the plane holds, in [0, 1].
    """

    points: Floats
    share: float


def disc(vectors: ArrayLike) -> Disc:
    """Return the unit vectors of (n, d) in the plane that holds most of their square lengths.

    The first axis points to where most vectors lie, so a narrow cone sits at its right end. Of the
    second, the entry of largest size is positive.
    """
    u = unit(as_vectors("vectors", vectors)).astype(np.float64)
    _, sizes, axes = np.linalg.svd(u, full_matrices=False)
    points = np.zeros((len(u), 2))
    found = u @ axes[:2].T
    points[:, : found.shape[1]] = found
    signs = np.array([points[:, 0].sum(), points[np.abs(points[:, 1]).argmax(), 1]])
    points *= np.where(signs < 0, -1, 1)
    total = float((sizes**2).sum())
    return Disc(points, float((sizes[:2] ** 2).sum()) / total if total > 0 else 0.0)


@dataclass(frozen=True)
class Spread:
    """How vectors lie, in four numbers.

    Attributes:
        mean_cosine: Over distinct pairs.
        effective_rank: exp of the entropy of the covariance's eigenvalues.
        uniformity: Nats, lower is more even.
        alignment: Over the positive pairs, 0 best; NaN without any.
    """

    mean_cosine: float
    effective_rank: float
    uniformity: float
    alignment: float


def spread(vectors: ArrayLike, first: Sequence[int] = (), second: Sequence[int] = ()) -> Spread:
    """Return how vectors (n, d) lie, n of at least 2.

    Args:
        vectors: After whatever post-processing.
        first: Rows of one side of the positive pairs.
        second: Rows of the other.

    Raises:
        ValueError: If there are fewer than 2 vectors or the sides differ in length.
    """
    x = as_vectors("vectors", vectors, least=2).astype(np.float64, copy=False)
    near = np.nan if not len(first) else alignment(x[list(first)], x[list(second)])
    eigenvalues = whitening.eigenvalues(x)
    rank = whitening.effective_rank(eigenvalues)
    mean = min(1.0, max(-1.0, mean_cosine(x)))  # but for rounding it is
    return Spread(mean, rank, uniformity(x), float(near))


def positives(labels: ArrayLike) -> NDArray[np.int64]:
    """Return the indices of pairs that count as alike: in the upper fifth of the labels' range.

    Of labels 0..5 these are 4 and 5, of labels 0 and 1 the ones; of equal labels none.

    Raises:
        ValueError: If labels are not finite numbers.
    """
    given = as_floats("labels", labels, 1).astype(np.float64, copy=False)
    if given.size == 0 or given.min() == given.max():
        return np.zeros(0, np.int64)
    edge = given.min() + 0.8 * (given.max() - given.min())
    return np.flatnonzero(given >= edge - 1e-9)


def label_cuts(labels: ArrayLike) -> Floats:
    """Return borders of groups of labels: each label for two of them, else 0, 2/5, 4/5 and 1.

    Of labels 0..5 the groups are 0-1, 2-3 and 4-5. Empty where all labels are equal.

    Raises:
        ValueError: If labels are not finite numbers.
    """
    given = np.unique(as_floats("labels", labels, 1).astype(np.float64, copy=False))
    if given.size < 2:
        return np.zeros(0)
    low, high = float(given[0]), float(given[-1])
    inner = [(low + high) / 2] if given.size == 2 else [low + s * (high - low) for s in (0.4, 0.8)]
    return np.array([low, *inner, high])
