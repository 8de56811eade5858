"""How much of x_t falls into each bin of one coordinate, for data whose noised form is known.

For data sum_k w_k N(m_k, C_k) coordinate j of x_t = A x_0 + B eps is a mixture of normals of
means A m_kj and variances S_kj^2 = A^2 C_kjj + B^2, so that
    P(u <= x_tj < v) = sum_k w_k (Phi((v - A m_kj)/S_kj) - Phi((u - A m_kj)/S_kj)).
A share of a bin, unlike a density, exists for points at time 0 too, and is what a histogram counts.

Shapes: edges (n_bins + 1,), shares (n_bins,). Units: those of the data; shares are dimensionless.
"""

import numpy as np
from numpy.typing import ArrayLike

from models.checks import whole_number
from models.ddpm import Floats, Schedule, as_floats, as_step
from models.ddpm_exact import Mixture


def bin_shares(
    data: Mixture, schedule: Schedule, edges: ArrayLike, t: float, axis: float = 0
) -> Floats:
    """Return the probability that a coordinate of x_t lies in each bin, (n_bins,).

    Args:
        data: Any.
        schedule: Any.
        edges: Rising, (n_bins + 1,), at least two.
        t: Time in 0..T.
        axis: Which coordinate, 0..d-1.

    Raises:
        ValueError: If an argument is outside its domain.
    """
    from scipy.special import ndtr

    k, j = as_step(schedule, t), whole_number("axis", axis, 0, data.dim - 1)
    places = np.asarray(as_floats("edges", edges), np.float64)
    if places.ndim != 1 or places.size < 2 or (np.diff(places) <= 0).any():
        raise ValueError(f"edges must be at least two rising numbers, got {edges!r:.60}")
    A, B = float(schedule.A[k]), float(schedule.B[k])
    assert data.covariances is not None
    inner = data.covariances if data.covariances.ndim == 1 else data.covariances[:, j, j]
    deviation = np.sqrt(A**2 * inner + B**2)
    gap = np.subtract.outer(places, A * data.means[:, j])  # (n_bins + 1, K)
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        below = ndtr(gap / deviation)
    below = np.where(deviation > 0, below, gap > 0)
    return np.asarray(np.diff(below @ data.shares))


def histogram(values: ArrayLike, edges: ArrayLike) -> Floats:
    """Return the share of all values in each bin, (n_bins,); what lies outside counts as well.

    Raises:
        ValueError: If there are no values or one is not finite.
    """
    given = as_floats("values", values).ravel()
    if given.size == 0:
        raise ValueError("values must be at least one, got none")
    counts = np.histogram(given, np.asarray(edges, np.float64))[0]
    return np.asarray(counts / given.size)
