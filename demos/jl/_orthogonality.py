"""Panel: angles of random directions; a random matrix against the identity."""

import math

import numpy as np
from numpy.typing import NDArray

from demos.controls import Control, Integer
from demos.figures import Figure, axis, bars, figure, heat, line, vertical
from demos.jl._common import EPS, SEED
from demos.panel import Panel, Preset
from demos.view import Reading, View, near, shown
from demos.words import W
from models import jl, jl_bounds


def orthogonality_controls() -> dict[str, Control]:
    """Return the controls of ``orthogonality``."""
    return {
        "n": Integer(default=64, low=2, high=2000, log=True),
        "n_vectors": Integer(default=100, low=2, high=300),
        "eps": EPS,
        "n_columns": Integer(default=60, low=2, high=150),
        "seed": SEED,
    }


def orthogonality(n: int, n_vectors: int, eps: float, n_columns: int, seed: int) -> View:
    """Show that random directions are almost orthogonal, and a random matrix only entry by entry.

    Args:
        n: Dimension.
        n_vectors: Random directions whose angles are measured.
        eps: Cosine whose tail is compared.
        n_columns: Size of the square matrix W.
        seed: Seed of directions and matrix.
    """
    rng = np.random.default_rng(seed)
    angles = jl.pair_angles(n_vectors, n, rng)
    gram, eigenvalues = jl.random_gram(n_columns, n_columns, rng)
    theta = np.linspace(0, math.pi, 361)
    return View(
        {
            "angles": _angle_figure(n, angles, theta),
            "gram": _gram_figure(gram),
            "spectrum": _spectrum_figure(eigenvalues),
        },
        W("jl.orthogonality_caption", n=n, count=angles.size, degrees=math.degrees(angles.std())),
        _orthogonality_readings(n, n_vectors, eps, angles, gram, eigenvalues),
        {"angle": np.degrees(theta), "density": jl_bounds.angle_density(theta, n) * math.pi / 180},
    )


def _angle_figure(n: int, angles: NDArray[np.float64], theta: NDArray[np.float64]) -> Figure:
    per_degree = math.pi / 180
    counts, edges = np.histogram(np.degrees(angles), bins=90, range=(0, 180))
    others = [
        line(
            np.degrees(theta),
            jl_bounds.angle_density(theta, size) * per_degree,
            f"n = {size}",
            color,
            dash="dot",
            width=1.5,
        )
        for size, color in ((2, "@gray"), (3, "@olive"), (10, "@green"), (100, "@purple"))
        if size != n
    ]
    return figure(
        bars(
            edges[:-1] + 1,
            counts / angles.size / 2,
            W("jl.pairs_measured", count=angles.size),
            "@sky/0.55",
            width=2,
        ),
        *others,
        line(
            np.degrees(theta),
            jl_bounds.angle_density(theta, n) * per_degree,
            W("jl.angle_law", n=n),
            "@blue",
            width=3,
        ),
        x=axis(W("jl.axis_angle"), range=[0, 180], dtick=30),
        y=axis(W("jl.axis_per_degree"), rangemode="tozero"),
        layout={"bargap": 0},
        title=W("jl.title_angles"),
        wide=True,
        height=300,
    )


def _gram_figure(gram: NDArray[np.float64]) -> Figure:
    return figure(
        heat(
            gram,
            colorscale=[[0, "@orange"], [0.5, "@paper"], [1, "@blue"]],
            zmid=0,
            zmin=-1,
            zmax=1,
            colorbar={"thickness": 10},
            hovertemplate="(%{x}, %{y}): %{z:.3f}<extra></extra>",
        ),
        x=axis(W("jl.axis_column"), constrain="domain"),
        y=axis(W("jl.axis_column"), autorange="reversed", scaleanchor="x"),
        title=W("jl.title_gram"),
        square=True,
    )


def _spectrum_figure(eigenvalues: NDArray[np.float64]) -> Figure:
    x = np.linspace(0.01, 4, 300)
    counts, edges = np.histogram(eigenvalues, bins=24, range=(0, max(4.4, eigenvalues[-1])))
    width = edges[1] - edges[0]
    return figure(
        bars(
            edges[:-1] + width / 2,
            counts / eigenvalues.size / width,
            W("jl.eigenvalues"),
            "@sky/0.55",
            width=width,
        ),
        line(x, jl_bounds.marchenko_pastur(x), W("jl.marchenko_pastur"), "@blue"),
        x=axis(W("jl.axis_eigenvalue")),
        y=axis(W("jl.axis_density"), range=[0, 1.6]),
        marks=[vertical(1, W("jl.mark_identity"), "@orange")],
        layout={"bargap": 0},
        title=W("jl.title_spectrum"),
    )


def _orthogonality_readings(
    n: int,
    n_vectors: int,
    eps: float,
    angles: NDArray[np.float64],
    gram: NDArray[np.float64],
    eigenvalues: NDArray[np.float64],
) -> list[Reading]:
    cosines = np.cos(angles)
    p = float(jl_bounds.cosine_tail(n, eps).both)
    seen = float(np.mean(np.abs(cosines) >= eps))
    # pairs of random directions are pairwise independent, so these errors are those of a sample
    spread = math.sqrt(max(p * (1 - p), 1 / angles.size) / angles.size)
    moments = jl_bounds.cosine_moments(n)
    variance_error = 4 * math.sqrt((moments.excess_kurtosis + 2) / angles.size) / n
    size = len(gram)
    off = gram - np.eye(size)
    entry_error = 4 * (size + 1) / size**2 * math.sqrt(8 / size**2)
    sampling = W("jl.note_sampling")
    largest = float(np.abs(eigenvalues - 1).max())
    return [
        near(
            W("jl.reading_cos_variance"),
            float(np.mean(cosines**2)),
            moments.variance,
            variance_error,
            sampling,
        ),
        near(W("jl.reading_cos_tail", eps=eps), seen, p, 4 * spread, sampling),
        near(
            W("jl.reading_entries"),
            float(np.mean(off**2)),
            (size + 1) / size**2,
            entry_error,
            sampling,
        ),
        near(W("jl.reading_norm"), largest, 3.0, 4 * 4.0 * size ** (-2 / 3), W("jl.note_edge")),
        shown(
            W("jl.reading_largest_angle"),
            f"{math.degrees(np.abs(angles - math.pi / 2).max()):.1f}°",
        ),
    ]


PANEL = Panel(
    orthogonality,
    orthogonality_controls,
    (
        Preset("plane", {"n": 2}),
        Preset("sphere", {"n": 3}),
        Preset("high", {"n": 1000, "n_columns": 150}),
    ),
)
