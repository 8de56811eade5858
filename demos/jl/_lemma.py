"""Panel: the exact law of a squared norm or inner product under its bounds."""

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from demos.controls import Choice, Control, Integer
from demos.figures import Figure, axis, bars, dots, figure, horizontal, line, vertical
from demos.jl._common import EPS, MOST_DRAWN, SEED, refuse_cost
from demos.panel import Panel, Preset
from demos.view import Reading, View, near
from demos.words import W, Word
from models import jl, jl_bounds
from models.jl_bounds import Tail


def lemma_controls() -> dict[str, Control]:
    """Return the controls of ``lemma``."""
    return {
        "law": Choice(default="norm", options=("norm", "inner"), radio=True),
        "n": Integer(default=100, low=1, high=100_000, log=True),
        "eps": EPS,
        "n_draws": Integer(default=600, low=10, high=100_000, log=True),
        "seed": SEED,
    }


def lemma(law: str, n: int, eps: float, n_draws: int, seed: int) -> View:
    """Compare the exact law of ||u||^2 or <u, v> with Chernoff's and the lemma's bound.

    Args:
        law: norm (||u||^2) or inner (<u, v>), entries N(0, 1/n).
        n: Dimension.
        eps: Deviation of the squared norm or of the inner product.
        n_draws: Vectors drawn.
        seed: Seed of the draws.
    """
    refuse_cost("jl.n_draws", float(n) * n_draws, MOST_DRAWN, "normals", "fewer_draws")
    rng = np.random.default_rng(seed)
    is_norm = law == "norm"
    centre = 1.0 if is_norm else 0.0
    draws = (jl.sample_squared_norms if is_norm else jl.sample_inner_products)(n, n_draws, rng)
    sizes = np.unique(np.round(np.geomspace(1, max(2000, 4 * n), 50)))
    curves = [tail.both for tail in _tails(law, sizes, eps)]
    here = _tails(law, n, eps)
    seen = float(np.mean(np.abs(draws - centre) >= eps))
    return View(
        {
            "density": _lemma_density(law, n, eps, draws),
            "tails": _lemma_tails(n, eps, sizes, curves, seen),
        },
        W(f"jl.lemma_caption_{law}", n=n, eps=eps, exact=_probability(here[0])),
        _lemma_readings(law, n, draws, here, seen),
        dict(zip(("n", "exact", "chernoff", "simple"), (sizes, *curves), strict=True)),
    )


def _tails(law: str, n: Any, eps: float) -> tuple[Tail, Tail, Tail]:
    """Return the exact tail, the sharp Chernoff bound and the lemma's simple bound."""
    if law == "norm":
        laws = (jl_bounds.norm_tail, jl_bounds.norm_tail_chernoff, jl_bounds.norm_tail_simple)
    else:
        laws = (
            jl_bounds.inner_product_tail,
            jl_bounds.inner_product_tail_chernoff,
            jl_bounds.inner_product_tail_simple,
        )
    exact, sharp, simple = (tail(n, eps) for tail in laws)
    return exact, sharp, simple


def _probability(tail: Tail) -> float | str:
    """Return a probability, or "< 1e-300" where a float would show 0."""
    return "< 1e-300" if float(tail.log_both) < -690.8 else float(tail.both)


def _lemma_density(law: str, n: int, eps: float, draws: NDArray[np.float64]) -> Figure:
    centre = 1.0 if law == "norm" else 0.0
    spread = math.sqrt((2 if law == "norm" else 1) / n)
    low, high = centre - max(1.3 * eps, 4 * spread), centre + max(1.3 * eps, 4 * spread)
    low = max(low, 0.0) if law == "norm" else low
    counts, edges = np.histogram(draws, bins=60, range=(low, high))
    width = edges[1] - edges[0]
    x = np.linspace(low, high, 161)
    law_of = jl_bounds.norm_density if law == "norm" else jl_bounds.inner_product_density
    density = law_of(x, n)
    top = float(np.nanmax(np.where(np.isfinite(density), density, 0)))
    inside = np.abs(edges[:-1] + width / 2 - centre) < eps
    heights = counts / draws.size / width
    middles = edges[:-1] + width / 2
    return figure(
        bars(middles, np.where(inside, heights, np.nan), W("jl.inside"), "@sky/0.55", width=width),
        bars(middles, np.where(inside, np.nan, heights), W("jl.outside"), "@orange", width=width),
        line(x, np.minimum(density, 4 * top), W("jl.exact_density"), "@ink"),
        x=axis(W(f"jl.axis_{law}")),
        y=axis(W("jl.axis_density"), rangemode="tozero"),
        marks=[vertical(centre - eps, "−ε"), vertical(centre + eps, "+ε")],
        layout={"bargap": 0, "barmode": "overlay"},
        title=W("jl.title_density", n=n),
    )


def _lemma_tails(
    n: int, eps: float, sizes: NDArray[np.float64], curves: list[NDArray[np.float64]], seen: float
) -> Figure:
    exact, sharp, simple = (np.maximum(curve, 1e-300) for curve in curves)
    floor = max(float(exact.min()), 1e-12)
    cut = [np.where(p >= floor / 30, p, np.nan) for p in (exact, sharp, simple)]
    measured = [dots([n], [seen], W("jl.measured"), "@red", size=11)] if seen > 0 else []
    return figure(
        line(sizes, cut[2], W("jl.simple"), "@orange"),
        line(sizes, cut[1], W("jl.sharp"), "@purple"),
        line(sizes, cut[0], W("jl.exact"), "@blue", width=3),
        *measured,
        x=axis(W("jl.axis_n"), log=True),
        y=axis(W("jl.axis_probability"), log=True),
        marks=[horizontal(1, W("jl.mark_vacuous"), "@gray"), vertical(n, "n", "@red")],
        title=W("jl.title_tails", eps=eps),
    )


def _lemma_readings(
    law: str, n: int, draws: NDArray[np.float64], here: tuple[Tail, Tail, Tail], seen: float
) -> list[Reading]:
    exact, sharp, simple = here
    p = float(exact.both)
    spread = math.sqrt(max(p * (1 - p), 1 / draws.size) / draws.size)
    moments = (jl_bounds.norm_moments if law == "norm" else jl_bounds.inner_product_moments)(n)
    # the variance of a sample variance is about (kurtosis + 2) variance^2 / count
    mean_error = 4 * math.sqrt(moments.variance / draws.size)
    spread_error = 4 * moments.variance * math.sqrt((moments.excess_kurtosis + 2) / draws.size)
    sampling = W("jl.note_sampling")
    return [
        near(W("jl.reading_seen", count=draws.size), seen, p, 4 * spread, sampling),
        _bound(W("jl.reading_chernoff"), exact, sharp),
        _bound(W(f"jl.reading_simple_{law}"), exact, simple),
        near(W(f"jl.reading_mean_{law}"), float(draws.mean()), moments.mean, mean_error, sampling),
        near(
            W(f"jl.reading_variance_{law}"),
            float(draws.var()),
            moments.variance,
            spread_error,
            sampling,
        ),
    ]


def _bound(quantity: Word, exact: Tail, bound: Tail) -> Reading:
    """Return whether the exact probability keeps a bound; a bound of 1 or more says nothing."""
    if bool(bound.is_vacuous):
        vacuous = W("jl.vacuous", bound=float(bound.both))
        return Reading(quantity, _probability(exact), vacuous, "≤", None, note=W("jl.note_vacuous"))
    held = bool(exact.log_both <= bound.log_both)
    return Reading(quantity, _probability(exact), _probability(bound), "≤", held)


PANEL = Panel(
    lemma,
    lemma_controls,
    (
        Preset("vacuous", {"n": 64, "eps": 0.2}),
        Preset("tight", {"n": 512, "eps": 0.3}),
        Preset("inner", {"law": "inner", "n": 256, "eps": 0.1}),
    ),
)
