"""Ways between two latents, what they do to the variance, and what an encoded picture should be.

z = w_1 z_1 + w_2 z_2 at share s of the way; for standard normal z_1, z_2 of correlation rho it has
variance w_1^2 + w_2^2 + 2 rho w_1 w_2. The arc takes w = (cos, sin)(s pi/2), so that independent
latents stay standard normal; the straight line takes w = (1 - s, s) and sinks to 1/2 in the middle;
slerp is the arc at the latents' own angle and keeps their length whatever rho.

Shapes: latents (n, ...), shares (m,). Units: dimensionless.

Source: Su Jianlin, 2022, kexue.fm/archives/9181 (arc). Song et al. 2020, arXiv 2010.02502, eq. 67
(slerp), section 5.4 (reconstruction). The variances: derived here.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from models.checks import number, one_of
from models.ddpm import Array, Floats, as_floats
from models.ddpm_samplers import arc, slerp

PATHS = ("arc", "slerp", "line")


def between(path: str, z_1: ArrayLike, z_2: ArrayLike, share: ArrayLike) -> Array:
    """Return latents on the way from each z_1 to its z_2, (m, n, ...).

    Args:
        path: One of `PATHS`.
        z_1: Latents (n, ...).
        z_2: Where the ways end, (n, ...).
        share: Positions in [0, 1], (m,).

    Raises:
        ValueError: If an argument is outside its domain, or slerp has no shortest arc.
    """
    match one_of("path", path, PATHS):
        case "arc":
            return arc(z_1, z_2, share)
        case "slerp":
            one, other = as_floats("z_1", z_1), as_floats("z_2", z_2)
            ways = [slerp(a, b, share) for a, b in zip(one, other, strict=True)]
            return np.stack(ways, axis=1)
        case _:
            one, other = as_floats("z_1", z_1), as_floats("z_2", z_2)
            places = _shares(share).astype(one.dtype).reshape(-1, *[1] * one.ndim)
            return np.asarray((1 - places) * one + places * other)


def path_variance(path: str, share: ArrayLike, correlation: float = 0.0) -> Floats:
    """Return the variance on the way between standard normal latents, (m,).

    Args:
        path: One of `PATHS`.
        share: Positions in [0, 1], (m,).
        correlation: Of the two latents, in [-1, 1]: 0 for independent ones, 1 for the same.

    Raises:
        ValueError: If an argument is outside its domain.
    """
    rho, s = number("correlation", correlation, -1, 1), _shares(share)
    match one_of("path", path, PATHS):
        case "arc":
            one, other = np.cos(s * (math.pi / 2)), np.sin(s * (math.pi / 2))
        case "slerp":
            return np.ones_like(s)
        case _:
            one, other = 1 - s, s
    return np.asarray(one**2 + other**2 + 2 * rho * one * other)


def _shares(share: ArrayLike) -> Floats:
    places = np.atleast_1d(as_floats("share", share)).astype(np.float64)
    if places.ndim != 1 or ((places < 0) | (places > 1)).any():
        raise ValueError(f"share must be a list of numbers in [0, 1], got {share!r:.60}")
    return places


@dataclass(frozen=True)
class Normality:
    """Numbers of latents beside those of N(0, I); errors are standard errors for N(0, I).

    Attributes:
        mean: Over all numbers; 0 for N(0, I).
        variance: Over all numbers; 1.
        norm: Mean length of a latent; sqrt(d) up to 1/(4 sqrt(d)).
        mean_error: 1/sqrt(n d).
        variance_error: sqrt(2/(n d)).
        norm_error: sqrt(1/(2 n)).
        expected_norm: sqrt(d) - 1/(4 sqrt(d)).
    """

    mean: float
    variance: float
    norm: float
    mean_error: float
    variance_error: float
    norm_error: float
    expected_norm: float


def normality(latents: ArrayLike) -> Normality:
    """Return how far latents (n, ...) are from standard normal ones.

    Raises:
        ValueError: If there are none or one is not finite.
    """
    given = as_floats("latents", latents)
    if given.size == 0:
        raise ValueError("latents must be at least one, got none")
    flat = given.astype(np.float64).reshape(len(given), -1)
    n, d = flat.shape
    return Normality(
        float(flat.mean()),
        float(flat.var()),
        float(np.linalg.norm(flat, axis=1).mean()),
        1 / math.sqrt(n * d),
        math.sqrt(2 / (n * d)),
        math.sqrt(1 / (2 * n)),
        math.sqrt(d) - 1 / (4 * math.sqrt(d)),
    )


def falling_power(errors: Mapping[int, float]) -> float:
    """Return p of the straight line error ~ S^p fitted to logarithms; NaN for fewer than two S.

    Args:
        errors: Error above 0 by number S of steps.
    """
    if len(errors) < 2:
        return math.nan
    counts, values = np.array(list(errors)), np.array(list(errors.values()))
    fit: Any = np.polyfit(np.log(counts), np.log(values), 1)
    return float(fit[0])
