"""Denoisers that are exactly optimal, for data that is a mixture of Gaussians or a set of points.

For data sum_k w_k N(m_k, C_k) noise keeps the form: p(x_t) = sum_k w_k N(A m_k, S_k),
S_k = A^2 C_k + B^2 I, A = A_t, B = B_t, so that with r_k(x) the share of component k at x
    E[x_0 | x]  = sum_k r_k (m_k + A C_k S_k^-1 (x - A m_k))
    eps*(x, t)  = (x - A E[x_0 | x]) / B = sum_k r_k B S_k^-1 (x - A m_k)
    score       = grad log p(x_t) = -eps* / B.
C_k = 0 is a point; a set of points is what a network that knows its training set by heart returns.
One Gaussian of variance s^2: all is linear, V_t = A_t^2 s^2 + B_t^2, and the flow keeps
(x_t - A_t m)/sqrt(V_t); a sampler's step multiplies deviations by a number and adds sigma^2.

Shapes: means (K, d), mostly d = 1 or 2, but flattened pictures work too; x (n, d); times as in
`models.ddpm`. Units: those of the data, made to fit into about [-2, 2]; nats.
Accuracy: shares by a shifted softmax, logits by differences in few dimensions: for data of size 1
and any of the schedules x0 is right to 1e-12, eps to 1e-11.

Source: Su Jianlin, 2022, kexue.fm/archives/9152 (two data sets, sigma), 9181 (flow, remarks on S
and eta). Song et al. 2021, arXiv 2011.13456 (score, flow). Closed forms: derived here.
"""

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import ArrayLike

from models.checks import number, one_of, whole_number
from models.ddpm import Array, Denoiser, Floats, Schedule, as_floats, as_step, level_variance
from models.ddpm_samplers import PREDICTIONS, Plan, Rule, eta_limit, make_plan, visited_times

MAX_POINTS = 5000
MAX_SIZE = 1e6  # of a coordinate
CELLS = 1 << 15  # pairs of a sample and a component held at a time: 256 KiB, stays in the cache
MAX_LOOPED_DIM = 8  # beyond it squared distances are expanded, logits right to 1e-8
GRID = np.linspace(-10, 10, 401)  # trapezoid nodes of a standard normal: exact to rounding


# --- Data -----------------------------------------------------------------------------------------


@dataclass(frozen=True, eq=False)
class Mixture:
    """Data as a mixture of Gaussians, points among them.

    Attributes:
        means: m_k (K, d).
        weights: w_k > 0, scaled to sum 1, (K,); by default equal.
        covariances: C_k, symmetric, no negative eigenvalue: (K, d, d), or variances (K,) of round
            components; by default 0.

    Raises:
        ValueError: If a shape or a number is outside its domain, or K above 5000.
    """

    means: Floats
    weights: Floats | None = None
    covariances: Floats | None = None

    def __post_init__(self) -> None:
        means = np.array(as_floats("means", self.means), np.float64)
        if means.ndim != 2 or not 1 <= len(means) <= MAX_POINTS or means.shape[1] < 1:
            raise ValueError(
                f"means must have shape (K, d), K in 1..{MAX_POINTS}, got {means.shape}"
            )
        if np.abs(means).max() > MAX_SIZE:
            raise ValueError(f"means must be at most {MAX_SIZE:g}, got {np.abs(means).max():g}")
        K, d = means.shape
        weights = np.ones(K) if self.weights is None else as_floats("weights", self.weights)
        if weights.shape != (K,) or (weights <= 0).any():
            raise ValueError(f"weights must be {K} numbers above 0")
        given = np.zeros(K) if self.covariances is None else self.covariances
        spreads = np.array(as_floats("covariances", given), np.float64)
        if spreads.shape == (K, d, d):
            _check_covariances(spreads)
        elif spreads.shape != (K,) or (spreads < 0).any():
            raise ValueError(
                f"covariances must be {K} variances of at least 0 or have shape ({K}, {d}, {d}), "
                f"got shape {spreads.shape}"
            )
        object.__setattr__(self, "means", means)
        object.__setattr__(self, "weights", np.asarray(weights / weights.sum(), np.float64))
        object.__setattr__(self, "covariances", spreads)

    @property
    def dim(self) -> int:
        """Dimension d."""
        return int(self.means.shape[1])

    @property
    def size(self) -> int:
        """Number K of components."""
        return len(self.means)

    @cached_property
    def shares(self) -> Floats:
        """Weights (K,), never None."""
        assert self.weights is not None
        return self.weights

    @cached_property
    def axes(self) -> tuple[Floats, Floats | None]:
        """Variances along the components' axes, (K, d) or (K, 1) if round, and the axes' basis.

        The basis is (K, d, d), its columns the axes; None if all components are round.
        """
        assert self.covariances is not None
        if self.covariances.ndim == 1:
            return self.covariances[:, None], None
        values, basis = np.linalg.eigh(self.covariances)
        return np.maximum(values, 0), basis

    @cached_property
    def mean(self) -> Floats:
        """Mean of the data, (d,)."""
        return np.asarray(self.shares @ self.means)

    @cached_property
    def covariance(self) -> Floats:
        """Covariance of the data, (d, d)."""
        assert self.covariances is not None
        inner = self.covariances
        full = inner[:, None, None] * np.eye(self.dim) if inner.ndim == 1 else inner
        outer = self.means - self.mean
        return np.asarray(np.tensordot(self.shares, full, 1) + (outer.T * self.shares) @ outer)

    @property
    def mean_square(self) -> float:
        """E ||x_0||^2."""
        return float(np.trace(self.covariance) + self.mean @ self.mean)

    @property
    def has_density(self) -> bool:
        """Whether no component is flat in any direction."""
        return bool((self.axes[0] > 0).all())


def _check_covariances(matrices: Floats) -> None:
    if not np.allclose(matrices, matrices.transpose(0, 2, 1), rtol=1e-9, atol=0):
        raise ValueError("covariances must be symmetric")
    lowest = np.linalg.eigvalsh(matrices)[:, 0]
    scale = np.abs(matrices).max(axis=(1, 2))
    if (lowest < -1e-9 * scale).any():
        raise ValueError(f"covariances must have no negative eigenvalue, got {lowest.min():g}")


def gaussian(mean: ArrayLike = 0.0, covariance: ArrayLike = 1.0) -> Mixture:
    """Return N(mean, covariance); one number as covariance is a variance, not a deviation.

    Raises:
        ValueError: If the shapes do not fit or the covariance is none.
    """
    centre, spread = np.atleast_1d(as_floats("mean", mean)), as_floats("covariance", covariance)
    return Mixture(centre[None], covariances=spread[None])


def from_points(points: ArrayLike, spread: float = 0.0) -> Mixture:
    """Return equal weights on given points, equal ones merged; each may be blurred.

    Args:
        points: (n, d), or (n,) for d = 1; at most 5000 different ones.
        spread: Standard deviation of the blur, at least 0.

    Raises:
        ValueError: If there are no points or too many, or one is not a finite number.
    """
    given = np.asarray(points)
    if given.size == 0:
        raise ValueError("points must be at least one, got none")
    table = as_floats("points", given[:, None] if given.ndim == 1 else given)
    if table.ndim != 2:
        raise ValueError(f"points must have shape (n, d), got {table.shape}")
    unique, counts = np.unique(table, axis=0, return_counts=True)
    variance = number("spread", spread, 0, MAX_SIZE) ** 2
    return Mixture(unique, counts.astype(np.float64), np.full(len(unique), variance))


def _ring(n: int) -> Array:
    angle = 2 * math.pi * np.arange(n) / n
    return np.stack([np.cos(angle), np.sin(angle)], 1)


def _moons(n: int) -> Array:
    """Return two half circles that hook into each other, centred, about 1 in size."""
    upper = np.linspace(0, math.pi, n - n // 2)
    lower = np.linspace(0, math.pi, n // 2)
    first = np.stack([np.cos(upper), np.sin(upper)], 1)
    second = np.stack([1 - np.cos(lower), 0.5 - np.sin(lower)], 1)
    return np.asarray((np.concatenate([first, second]) - [0.5, 0.25]) / 1.1)


def _spiral(n: int) -> Array:
    """Return two turns outwards, evenly along the line."""
    turn = np.sqrt(np.linspace(0.02, 1, n)) * 4 * math.pi
    return np.stack([np.cos(turn), np.sin(turn)], 1) * (1.3 * turn / (4 * math.pi))[:, None]


def _mixture() -> Mixture:
    """Return three Gaussians of different weight, one of them slanted."""
    slant = [[0.09, 0.07], [0.07, 0.09]]
    return Mixture(
        np.array([[-1.0, -0.6], [0.9, 0.8], [0.9, -0.9]]),
        np.array([0.5, 0.3, 0.2]),
        np.array([slant, np.eye(2) * 0.04, np.eye(2) * 0.01]),
    )


FIXED: dict[str, Callable[[], Mixture]] = {
    "point": lambda: from_points([0.7]),
    "normal": gaussian,
    "gaussian": lambda: gaussian(1.5, 0.25),
    "two_points": lambda: from_points([-1.0, 1.0]),
    "three_points": lambda: from_points([-1.0, 0.0, 1.0]),
    "slanted": lambda: gaussian([0.5, 0.0], [[1.0, 0.6], [0.6, 0.5]]),
    "triangle": lambda: from_points(_ring(3)),
    "mixture": _mixture,
}
CURVES: dict[str, Callable[[int], Array]] = {"ring": _ring, "moons": _moons, "spiral": _spiral}
DATA_SETS = (*FIXED, *CURVES)


def data_set(kind: str, n_points: float = 200, spread: float = 0.0) -> Mixture:
    """Return one of `DATA_SETS`.

    Args:
        kind: "point", "normal", "gaussian" N(1.5, 0.5^2), "two_points", "three_points" in one
            dimension; "slanted", "triangle", "mixture", "ring", "moons", "spiral" in two.
        n_points: Of the last three, 2..5000.
        spread: Blur of their points, a standard deviation.

    Raises:
        ValueError: If an argument is outside its domain.
    """
    if one_of("kind", kind, DATA_SETS) in FIXED:
        return FIXED[kind]()
    return from_points(CURVES[kind](whole_number("n_points", n_points, 2, MAX_POINTS)), spread)


def draw(data: Mixture, n_samples: float, rng: np.random.Generator) -> Floats:
    """Return samples of the data, (n, d).

    Raises:
        ValueError: If n_samples is not a whole number in 1..10^6.
    """
    n = whole_number("n_samples", n_samples, 1, 10**6)
    chosen = rng.choice(data.size, n, p=data.shares)
    variances, basis = data.axes
    noise = rng.standard_normal((n, data.dim)) * np.sqrt(variances[chosen])
    if basis is not None:
        noise = np.einsum("nij,nj->ni", basis[chosen], noise)
    return np.asarray(data.means[chosen] + noise)


# --- What is known at a noise level ---------------------------------------------------------------


@dataclass(frozen=True, eq=False)
class View:
    """All that is known at some places x_t.

    Attributes:
        log_density: ln p(x_t), nats, (n,).
        x0_mean: E[x_0 | x_t], (n, d).
        eps_mean: E[eps | x_t], the optimal prediction, (n, d).
        x0_variance: E[||x_0 - x0_mean||^2 | x_t], summed over d, (n,).
    """

    log_density: Floats
    x0_mean: Floats
    eps_mean: Floats
    x0_variance: Floats


def view(data: Mixture, schedule: Schedule, x: ArrayLike, t: float) -> View:
    """Return density, means and variance at time t.

    Args:
        data: Any.
        schedule: Any.
        x: Places (n, d).
        t: Time in 1..T; at time 0 a set of points has no density.

    Raises:
        ValueError: If x has another number of columns or t is outside its domain.
    """
    k = as_step(schedule, t, 1)
    places = as_floats("x", x)
    if places.ndim != 2 or places.shape[1] != data.dim:
        raise ValueError(f"x must have shape (n, {data.dim}), got {places.shape}")
    rows = max(1, CELLS // data.size)
    A, B = float(schedule.A[k]), float(schedule.B[k])
    at = np.asarray(places, np.float64)
    parts = [_view(data, at[i : i + rows], A, B) for i in range(0, max(len(at), 1), rows)]
    return View(*(np.concatenate(column) for column in zip(*parts, strict=True)))


Columns = tuple[Floats, Floats, Floats, Floats]  # those of `View`


def _view(data: Mixture, x: Floats, A: float, B: float) -> Columns:
    """Return the columns of `View` for one block of places."""
    basis = data.axes[1]
    return _view_round(data, x, A, B) if basis is None else _view_slanted(data, basis, x, A, B)


def _squares(x: Floats, points: Floats) -> Floats:
    """Return squared distances (n, K); by differences in few dimensions, else by products."""
    if x.shape[1] > MAX_LOOPED_DIM:
        squares = (x @ points.T) * -2
        squares += (x**2).sum(axis=1, keepdims=True)
        squares += (points**2).sum(axis=1)
        return np.maximum(squares, 0, out=squares)
    squares = np.zeros((len(x), len(points)))
    for j in range(x.shape[1]):
        gap = np.subtract.outer(x[:, j], points[:, j])
        gap *= gap
        squares += gap
    return squares


def _share_out(data: Mixture, squares: Floats, log_det: Floats) -> tuple[Floats, Floats]:
    """Return ln p(x_t) (n,) and each component's share (n, K), in the place of squares.

    Squares are (x - A m)' S^-1 (x - A m). In place, as these are the costly arrays.
    """
    squares *= -0.5
    squares += np.log(data.shares) - (log_det + data.dim * math.log(2 * math.pi)) / 2
    top = squares.max(axis=1, keepdims=True)
    squares -= top
    share = np.exp(squares, out=squares)
    total = share.sum(axis=1, keepdims=True)
    share /= total
    return (top + np.log(total))[:, 0], share


def _view_round(data: Mixture, x: Floats, A: float, B: float) -> Columns:
    """Within component k, E[x_0 | x] = base_k + slope_k x: only products with matrices remain."""
    inner = data.axes[0][:, 0]
    S = A**2 * inner + B**2  # (K,)
    squares = _squares(x, A * data.means)
    squares /= S
    log_density, share = _share_out(data, squares, data.dim * np.log(S))
    slope, base = A * inner / S, data.means * (B**2 / S)[:, None] if inner.any() else data.means
    # one product with a (K, 3 d + 5) matrix gives every sum over the components
    d, over = data.dim, 1 / S
    table = np.column_stack(
        [data.means * over[:, None], base, base * slope[:, None]]
        + [over, slope, slope**2, (base**2).sum(axis=1), inner * B**2 / S]
    )
    sums = share @ table
    eps = B * (x * sums[:, -5, None] - A * sums[:, :d])
    mean = sums[:, d : 2 * d] + sums[:, -4, None] * x
    cross = (sums[:, 2 * d : 3 * d] * x).sum(axis=1)
    second = sums[:, -2] + 2 * cross + sums[:, -3] * (x**2).sum(axis=1)
    scatter = np.maximum(second - (mean**2).sum(axis=1), 0)
    return log_density, mean, eps, d * sums[:, -1] + scatter


def _view_slanted(data: Mixture, basis: Floats, x: Floats, A: float, B: float) -> Columns:
    """Work in the axes of each component; for few components."""
    inner = data.axes[0]
    S = A**2 * inner + B**2  # (K, d)
    turned: Floats = np.einsum("nki,kij->nkj", x[:, None] - A * data.means, basis)
    log_density, share = _share_out(data, (turned**2 / S).sum(axis=-1), np.log(S).sum(axis=1))
    eps = B * np.einsum("nk,nkj,kij->ni", share, turned / S, basis)
    each = data.means + A * np.einsum("nkj,kij->nki", turned * (inner / S), basis)
    mean = np.einsum("nk,nkj->nj", share, each)
    scatter = np.einsum("nk,nkj->n", share, (each - mean[:, None]) ** 2)
    return log_density, mean, eps, share @ (inner * B**2 / S).sum(axis=1) + scatter


def log_density(data: Mixture, schedule: Schedule, x: ArrayLike, t: float) -> Floats:
    """Return ln p(x_t) in nats, (n,); at time 0 for data that has a density.

    Raises:
        ValueError: If an argument is outside its domain, or t is 0 and the data has no density.
    """
    if as_step(schedule, t) == 0:
        if not data.has_density:
            raise ValueError("t must be above 0 for points, which have no density, got 0")
        places = as_floats("x", x)
        if places.ndim != 2 or places.shape[1] != data.dim:
            raise ValueError(f"x must have shape (n, {data.dim}), got {places.shape}")
        return _view(data, np.asarray(places, np.float64), 1.0, 0.0)[0]
    return view(data, schedule, x, t).log_density


def score(data: Mixture, schedule: Schedule, x: ArrayLike, t: float) -> Floats:
    """Return grad ln p(x_t) = -E[eps | x_t]/B_t, (n, d).

    Raises:
        ValueError: If an argument is outside its domain.
    """
    return np.asarray(-view(data, schedule, x, t).eps_mean / schedule.B[as_step(schedule, t, 1)])


def denoiser(data: Mixture, schedule: Schedule, predicts: str = "eps") -> Denoiser:
    """Return the optimal denoiser, x (n, d) and t to a prediction (n, d) of the type of x.

    Raises:
        ValueError: If predicts is not "eps", "x0" or "v".
    """
    one_of("predicts", predicts, PREDICTIONS)

    def predict(x: Array, t: int) -> Array:
        seen = view(data, schedule, x, t)
        match predicts:
            case "eps":
                value = seen.eps_mean
            case "x0":
                value = seen.x0_mean
            case _:
                value = schedule.A[t] * seen.eps_mean - schedule.B[t] * seen.x0_mean
        return value.astype(np.asarray(x).dtype)

    return predict


def mean_errors(
    data: Mixture,
    schedule: Schedule,
    times: ArrayLike | None = None,
    rng: np.random.Generator | None = None,
    n_samples: int = 2000,
) -> tuple[Floats, Floats]:
    """Return E ||x_0 - E[x_0 | x_t]||^2, the least error any denoiser has, and its standard error.

    One Gaussian: closed form. One dimension, up to 64 components: quadrature. Else the mean of the
    exact conditional variance over samples of x_t.

    Args:
        data: Any.
        schedule: Any.
        times: In 1..T; by default all, (n_times,).
        rng: Source of the samples, needed only for these.
        n_samples: Per time.

    Returns:
        Errors and standard errors (0 if exact), each (n_times,).

    Raises:
        ValueError: If rng is needed and missing, or a time is outside its domain.
    """
    steps = range(1, schedule.n_steps + 1) if times is None else np.atleast_1d(times).tolist()
    chosen = np.array([as_step(schedule, t, 1) for t in steps])
    if data.size == 1:
        inner = data.axes[0] * np.ones(data.dim)
        A2, B2 = schedule.alpha_bar[chosen, None], schedule.B[chosen, None] ** 2
        return (inner * B2 / (A2 * inner + B2)).sum(axis=1), np.zeros(chosen.size)
    if data.dim == 1 and data.size <= 64:
        return np.array([_by_quadrature(data, schedule, int(t)) for t in chosen]), np.zeros(
            chosen.size
        )
    if rng is None:
        raise ValueError("rng must be given for data of many components, got None")
    values = np.empty((2, chosen.size))
    for i, t in enumerate(chosen.tolist()):
        clean = draw(data, n_samples, rng)
        noisy = schedule.A[t] * clean + schedule.B[t] * rng.standard_normal(clean.shape)
        seen = view(data, schedule, noisy, t).x0_variance
        values[:, i] = seen.mean(), seen.std() / math.sqrt(n_samples)
    return values[0], values[1]


def _by_quadrature(data: Mixture, schedule: Schedule, t: int) -> float:
    """Integrate the conditional variance over p(x_t), component by component."""
    A, B = float(schedule.A[t]), float(schedule.B[t])
    inner = np.reshape(data.axes[0], -1)
    bell = np.exp(-(GRID**2) / 2)
    places = A * data.means + np.sqrt(A**2 * inner + B**2)[:, None] * GRID  # (K, grid)
    seen = _view(data, places.reshape(-1, 1), A, B)[3].reshape(data.size, -1)
    return float(data.shares @ (seen @ bell)) / float(bell.sum())


def entropy_at(data: Mixture, schedule: Schedule, t: float) -> float:
    """Return the differential entropy of x_t in nats: one Gaussian, or one dimension.

    Raises:
        ValueError: If t is outside its domain, 0 for points, or the data has no closed form.
    """
    k = as_step(schedule, t)
    A, B = float(schedule.A[k]), float(schedule.B[k])
    if k == 0 and not data.has_density:
        return -math.inf
    if data.size == 1:
        levels = A**2 * data.axes[0] * np.ones(data.dim) + B**2
        return float(np.log(2 * math.pi * math.e * levels).sum() / 2)
    if data.dim > 1 or data.size > 64:
        raise ValueError("data must be one Gaussian or of one dimension for an exact entropy")
    inner, bell = np.reshape(data.axes[0], -1), np.exp(-(GRID**2) / 2)
    places = A * data.means + np.sqrt(A**2 * inner + B**2)[:, None] * GRID
    seen = _view(data, places.reshape(-1, 1), A, B)[0].reshape(data.size, -1)
    return -float(data.shares @ (seen @ bell)) / float(bell.sum())


# --- The VAE view ---------------------------------------------------------------------------------


@dataclass(frozen=True, eq=False)
class ChainKL:
    """KL(p(x_0 .. x_T) || q(x_0 .. x_T)) along the reverse chain, in nats, every term >= 0.

    Attributes:
        end: KL(p(x_T) || N(0, I)).
        steps: E KL(p(x_{t-1} | x_t) || q(x_{t-1} | x_t)) of t = 1..T, (T,).
    """

    end: float
    steps: Floats

    @property
    def total(self) -> float:
        """Sum of all; at least KL(p(x_0) || q(x_0))."""
        return self.end + float(self.steps.sum())


def gaussian_chain(
    schedule: Schedule, sigmas: ArrayLike, data_std: float, mean: float = 0.0
) -> ChainKL:
    """Return the joint KL for one coordinate of N(mean, data_std^2) data and its exact denoiser.

    With rho_t = V_{t-1} b_t^2/(V_t sigma_t^2) a step costs (rho - 1 - ln rho)/2: nothing at the
    optimal sigma.

    Args:
        schedule: Any.
        sigmas: Standard deviation of each reverse step, (T,).
        data_std: At least 0; 0 is a point, whose first step costs nothing if sigma_1 = 0.
        mean: Of the data.

    Raises:
        ValueError: If an argument is outside its domain.
    """
    s, m = number("data_std", data_std, 0, MAX_SIZE), number("mean", mean, -MAX_SIZE, MAX_SIZE)
    variance = np.asarray(as_floats("sigmas", sigmas), np.float64) ** 2
    if variance.shape != (schedule.n_steps,):
        raise ValueError(f"sigmas must be {schedule.n_steps} numbers, got shape {variance.shape}")
    V = level_variance(schedule, s)
    best = V[:-1] * schedule.betas / V[1:]
    with np.errstate(divide="ignore", invalid="ignore"):
        rho = best / variance
        cost = (rho - 1 - np.log(rho)) / 2
    cost = np.where((best > 0) & (variance > 0), cost, np.where(best == variance, 0.0, math.inf))
    return ChainKL(gaussian_kl(float(schedule.A[-1]) * m, float(V[-1]), 0.0, 1.0), cost)


def gaussian_kl(
    mean_p: ArrayLike, covariance_p: ArrayLike, mean_q: ArrayLike, covariance_q: ArrayLike
) -> float:
    """Return KL(N(mean_p, covariance_p) || N(mean_q, covariance_q)) in nats; may be infinite.

    Args:
        mean_p: (d,) or a number.
        covariance_p: (d, d) or a number, a variance.
        mean_q: As mean_p.
        covariance_q: Positive definite.

    Raises:
        ValueError: If the shapes do not fit or covariance_q is not positive definite.
    """
    means = [np.atleast_1d(as_floats("mean", m)) for m in (mean_p, mean_q)]
    spreads = [np.atleast_2d(as_floats("covariance", c)) for c in (covariance_p, covariance_q)]
    d = means[0].size
    if means[1].shape != (d,) or any(c.shape != (d, d) for c in spreads):
        raise ValueError(f"mean_q and the covariances must be of dimension {d}, as mean_p is")
    if np.linalg.eigvalsh(spreads[1])[0] <= 0:
        raise ValueError("covariance_q must be positive definite")
    ratio = np.linalg.eigvals(np.linalg.solve(spreads[1], spreads[0])).real
    if ratio.min() <= 0:
        return math.inf
    gap = means[0] - means[1]
    square = float(gap @ np.linalg.solve(spreads[1], gap))
    return (float(np.sum(ratio - 1 - np.log(ratio))) + square) / 2


# --- Gaussian data: every run in closed form ------------------------------------------------------


@dataclass(frozen=True, eq=False)
class GaussianRun:
    """Mean and variance of x on the way, for 1-D Gaussian data and its exact denoiser.

    Attributes:
        times: Visited times and 0, (S + 1,).
        means: (S + 1,).
        variances: (S + 1,).
        slopes: d x / d start: what the steps so far multiply a start's deviation by, (S + 1,).
    """

    times: Array
    means: Floats
    variances: Floats
    slopes: Floats


def gaussian_run(
    plan: Plan,
    mean: float = 0.0,
    data_std: float = 1.0,
    start_mean: float = 0.0,
    start_variance: float = 1.0,
) -> GaussianRun:
    """Return what a plan makes of a normal start, exactly.

    Args:
        plan: Of `models.ddpm_samplers.make_plan`.
        mean: Of the data.
        data_std: Of the data, at least 0.
        start_mean: Of x at the first visited time.
        start_variance: Of x there; 0 follows a single point.

    Raises:
        ValueError: If an argument is outside its domain.
    """
    s2 = number("data_std", data_std, 0, MAX_SIZE) ** 2
    m = number("mean", mean, -MAX_SIZE, MAX_SIZE)
    centre = number("start_mean", start_mean, -MAX_SIZE, MAX_SIZE)
    variance = number("start_variance", start_variance, 0, MAX_SIZE)
    V = plan.A**2 * s2 + plan.B**2
    per_gap = plan.k_0 * plan.A * s2 / V + plan.k_eps * plan.B / V  # of x - A m
    rows = [(centre, variance, 1.0)]
    for i in range(plan.n_visits):
        factor = float(plan.k_x[i] + per_gap[i])
        shift = float(plan.k_0[i] - per_gap[i] * plan.A[i]) * m
        centre = factor * centre + shift
        variance = factor**2 * variance + float(plan.sigma[i]) ** 2
        rows.append((centre, variance, rows[-1][2] * factor))
    means, variances, slopes = np.array(rows).T
    return GaussianRun(np.append(plan.t, plan.s[-1]), means, variances, slopes)


def study(
    schedule: Schedule,
    counts: Iterable[int] = (1000, 100, 50, 20, 10, 5),
    rules: Iterable[Rule] = (
        Rule(),
        Rule(eta=0.5),
        Rule(eta=1.0),
        Rule("ddpm", sigma="b", noise_at_end=True),
    ),
    mean: float = 0.0,
    data_std: float = 1.0,
    spacing: str = "trailing",
) -> Floats:
    """Return the final variance of sampling from N(0, 1), by steps and rule, (n_counts, n_rules).

    NaN where a rule is not possible with so few steps (eta above its limit).

    Raises:
        ValueError: If a count is not in 1..T or another argument outside its domain.
    """
    chosen, columns = list(rules), []
    for S in counts:
        times = visited_times(schedule.n_steps, S, spacing)
        columns.append([_final_variance(schedule, times, r, mean, data_std) for r in chosen])
    return np.array(columns)


def _final_variance(
    schedule: Schedule, times: Array, rule: Rule, mean: float, data_std: float
) -> float:
    if rule.method == "ddim" and rule.eta > eta_limit(schedule, times):
        return math.nan
    plan = make_plan(schedule, times, rule)
    return float(gaussian_run(plan, mean, data_std).variances[-1])


def gaussian_flow(
    data: Mixture, schedule: Schedule, x: ArrayLike, t: float, s: float = 0
) -> Floats:
    """Return where the exact deterministic flow (eta = 0, endless steps) takes x from t to s.

    x_s = A_s m + (V_s/V_t)^(1/2) (x_t - A_t m), along each axis of the covariance; s may be above t
    to encode.

    Args:
        data: One Gaussian.
        schedule: Any.
        x: (n, d).
        t: Time of x, 0..T.
        s: Time to go to, 0..T.

    Raises:
        ValueError: If the data is not one Gaussian, a time is outside 0..T, or the start is time 0
            of data that is flat in some direction.
    """
    if data.size != 1:
        raise ValueError(f"data must be one Gaussian, got {data.size} components")
    start, stop = as_step(schedule, t), as_step(schedule, s)
    if start == 0 and not data.has_density:
        raise ValueError("t must be above 0 for data without density, got 0")
    inner, basis = data.axes
    V = [schedule.alpha_bar[k] * inner[0] + schedule.B[k] ** 2 for k in (start, stop)]
    gap = as_floats("x", x) - schedule.A[start] * data.means[0]
    turned = gap if basis is None else gap @ basis[0]
    moved = turned * np.sqrt(V[1] / V[0])
    back = moved if basis is None else moved @ basis[0].T
    return np.asarray(schedule.A[stop] * data.means[0] + back)


def flow_log_likelihood(data: Mixture, schedule: Schedule, x_0: ArrayLike) -> Floats:
    """Return ln q(x_0) in nats, (n,), of the model "exact flow from N(0, I)", for Gaussian data.

    By the change of variables: ln N(x_T) + (1/2) sum ln(V_T/V_0). It is not quite the data's own
    density, since x_T is not quite N(0, I).

    Raises:
        ValueError: If the data is not one Gaussian with a density.
    """
    latent = gaussian_flow(data, schedule, x_0, 0, schedule.n_steps)
    inner = data.axes[0][0] * np.ones(data.dim)
    last = schedule.n_steps
    levels = schedule.alpha_bar[last] * inner + schedule.B[last] ** 2
    volume = float(np.log(levels / inner).sum()) / 2
    log_normal = -(latent**2).sum(axis=1) / 2 - data.dim / 2 * math.log(2 * math.pi)
    return np.asarray(log_normal + volume)


# --- Pictures of a density, distances -------------------------------------------------------------


def n_humps(data: Mixture, schedule: Schedule, t: float, n_places: int = 4001) -> int:
    """Return how many local maxima p(x_t) has, in one dimension, as seen on a grid.

    Raises:
        ValueError: If the data is not of one dimension or t outside 1..T.
    """
    if data.dim != 1:
        raise ValueError(f"data must be of one dimension, got {data.dim}")
    k = as_step(schedule, t, 1)
    reach = schedule.A[k] * np.abs(data.means).max() + 4 * schedule.B[k]
    grid = np.linspace(-reach, reach, n_places)[:, None]
    slope = np.sign(score(data, schedule, grid, k)[:, 0])
    slope = slope[slope != 0]
    return int(((slope[:-1] > 0) & (slope[1:] < 0)).sum())


def wasserstein(x: ArrayLike, y: ArrayLike) -> float:
    """Return the 1-D Wasserstein distance W_1 of two lists of numbers, (n,) and (m,).

    Raises:
        ValueError: If one is empty or not a list of finite numbers.
    """
    one, other = (
        np.sort(as_floats(name, v).astype(np.float64)) for name, v in (("x", x), ("y", y))
    )
    if min(one.size, other.size) == 0 or one.ndim != 1 or other.ndim != 1:
        raise ValueError(f"x and y must be lists, got shapes {one.shape} and {other.shape}")
    if one.size == other.size:
        return float(np.abs(one - other).mean())
    both = np.sort(np.concatenate([one, other]))
    shares = [np.searchsorted(v, both[:-1], "right") / v.size for v in (one, other)]
    return float(np.abs(shares[0] - shares[1]) @ np.diff(both))


def sliced_wasserstein(x: ArrayLike, y: ArrayLike, n_directions: float = 32) -> float:
    """Return W_1 averaged over directions evenly spread on a half circle; in 1-D plain W_1.

    Args:
        x: (n, d), d = 1 or 2.
        y: (m, d).
        n_directions: 1..1000.

    Raises:
        ValueError: If a shape is outside its domain.
    """
    one, other = as_floats("x", x), as_floats("y", y)
    if one.ndim != 2 or one.shape[1] not in (1, 2) or other.shape[1:] != one.shape[1:]:
        raise ValueError(f"x and y must be (n, 1) or (n, 2), got {one.shape} and {other.shape}")
    if one.shape[1] == 1:
        return wasserstein(one[:, 0], other[:, 0])
    count = whole_number("n_directions", n_directions, 1, 1000)
    angle = math.pi * np.arange(count) / count
    lines = np.stack([np.cos(angle), np.sin(angle)])
    return float(
        np.mean(
            [wasserstein(*pair) for pair in zip((one @ lines).T, (other @ lines).T, strict=True)]
        )
    )
