"""Random projection with all pair distances, against scikit-learn and the machine's own sgemm.

    python -m benchmarks.jl

Both sides get the same points and do the same: draw a Gaussian matrix, project, form the squared
distances of all pairs before and after. Ours also checks the points, finds the worst ratio and
counts the pairs outside. "Useful" work is 2 N m k for the projection and 2 m, 2 k for each of the N
(N-1)/2 pairs before and after; drawing the matrix counts as none.
"""

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.common import Row, interleaved, table, timed
from models import jl

N_SAMPLES, N_FEATURES, N_COMPONENTS = 2000, 10_000, 1000
USEFUL_FLOPS = (
    2 * N_SAMPLES * N_FEATURES * N_COMPONENTS
    + N_SAMPLES * (N_SAMPLES - 1) * (N_FEATURES + N_COMPONENTS)
)  # fmt: skip
SGEMM_SIZE = 3072
REPEATS = 7


def rows() -> list[Row]:
    """Measure and return the rows of the table."""
    points = jl.gaussian_cloud(N_SAMPLES, N_FEATURES, np.random.default_rng(0))
    wide = points.astype(np.float64)
    square = points.ravel()[: SGEMM_SIZE**2].reshape(SGEMM_SIZE, SGEMM_SIZE)
    other = square[::-1].copy()

    ours, peer, sgemm, ours_wide, peer_wide = interleaved(
        REPEATS,
        timed(lambda: _ours(points)),
        timed(lambda: _sklearn(points)),
        timed(lambda: (square @ other, square @ other)),  # about as long as ours
        timed(lambda: _ours(wide)),
        timed(lambda: _sklearn(wide)),
    )
    what = f"JL: N={N_SAMPLES}, m={N_FEATURES}, k={N_COMPONENTS}"
    return [
        Row(f"{what}, float32, against scikit-learn", ours, peer, "s", 1.0),
        Row(f"{what}, float64, against scikit-learn", ours_wide, peer_wide, "s", 1.0),
        Row(
            f"{what}, float32, useful rate against sgemm",
            USEFUL_FLOPS / ours / 1e9,
            4 * SGEMM_SIZE**3 / sgemm / 1e9,
            "GFLOP/s",
            0.6,
            worse="less",
        ),
    ]


def profile() -> dict[str, float]:
    """Return median seconds of the parts of our float32 run."""
    points = jl.gaussian_cloud(N_SAMPLES, N_FEATURES, np.random.default_rng(0))
    before = jl.original(points)
    projected = jl.project(before.points, N_COMPONENTS, rng=np.random.default_rng(1))
    parts: dict[str, Callable[[], Any]] = {
        "draw the matrix": lambda: jl.gaussian_cloud(
            N_COMPONENTS, N_FEATURES, np.random.default_rng(1)
        ),
        "draw and project": lambda: jl.project(
            before.points, N_COMPONENTS, rng=np.random.default_rng(1)
        ),
        "check, centre, distances before": lambda: jl.original(points),
        "distances after, ratios, worst pair": lambda: jl.distortion(before, projected, 0.2),
    }
    seconds = interleaved(REPEATS, *(timed(part) for part in parts.values()))
    return dict(zip(parts, seconds, strict=True))


def _ours(points: NDArray[Any]) -> jl.Distortion:
    return jl.measure(points, N_COMPONENTS, 0.2, rng=np.random.default_rng(1))


def _sklearn(points: NDArray[Any]) -> tuple[NDArray[Any], NDArray[Any]]:
    from sklearn.metrics.pairwise import euclidean_distances
    from sklearn.random_projection import GaussianRandomProjection

    projected = GaussianRandomProjection(N_COMPONENTS, random_state=1).fit_transform(points)
    before = euclidean_distances(points, squared=True)
    return before, euclidean_distances(projected, squared=True)


def main() -> None:
    """Print the table and the profile."""
    print(table(rows()), "\n\n| part | median s |\n|---|---|")
    for part, seconds in profile().items():
        print(f"| {part} | {seconds:.3f} |")


if __name__ == "__main__":
    main()
