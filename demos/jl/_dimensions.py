"""Panel: the dimension each rule asks for, and the one that is enough when tried."""

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from demos.controls import Control, Integer
from demos.figures import Trace, axis, dots, figure, horizontal, line, vertical
from demos.jl._common import EPS, MOST_WORK, SEED
from demos.panel import Panel, Preset
from demos.view import Reading, View, at_most, equal
from demos.words import W
from models import jl, jl_bounds

RULES = ("lemma", "existence", "sklearn", "exact", "typical", "entropy")
RULE_COLORS = dict(
    zip(RULES, ("@orange", "@olive", "@green", "@blue", "@purple", "@gray"), strict=True)
)
OBSERVED_AT = (3, 10, 30, 100, 300)


def dimensions_controls() -> dict[str, Control]:
    """Return the controls of ``dimensions``."""
    return {
        "n_samples": Integer(default=1000, low=1, high=1_000_000_000, log=True),
        "eps": EPS,
        "n_features": Integer(default=1000, low=2, high=10_000, log=True),
        "n_trials": Integer(default=5, low=1, high=25),
        "seed": SEED,
    }


def dimensions(
    n_samples: int, eps: float, n_features: int, n_trials: int, seed: int
) -> Iterator[View]:
    """Show how many dimensions each rule asks for, and measure how many are enough.

    Args:
        n_samples: Number of points N, for the readings.
        eps: Allowed deviation of a squared distance.
        n_features: Coordinates of the points that are measured, m.
        n_trials: Matrices per tried dimension; "enough" means that more than half hold.
        seed: Seed of points and matrices.

    Yields:
        First the rules, then one more measured point at a time.
    """
    observed: dict[int, int] = {}
    yield _dimension_view(n_samples, eps, n_features, observed, 0.0)
    for done, size in enumerate(OBSERVED_AT, 1):
        found = _enough(size, eps, n_features, n_trials, np.random.default_rng([seed, size]))
        if found is not None:
            observed[size] = found
        share = None if done == len(OBSERVED_AT) else done / len(OBSERVED_AT)
        yield _dimension_view(n_samples, eps, n_features, observed, share)


def _enough(
    size: int, eps: float, n_features: int, n_trials: int, rng: np.random.Generator
) -> int | None:
    """Return the least k at which most of the trials keep every squared distance.

    Bisection between a quarter of the rule of thumb and the lemma's dimension; ``None`` when that
    would cost too much.
    """
    low, high = 0, jl_bounds.dimension_lemma(size, eps)
    if float(size) * n_features * high * n_trials > 2 * MOST_WORK:
        return None
    before = jl.original(jl.gaussian_cloud(size, n_features, rng))

    def holds(k: int) -> bool:
        runs = jl.trials(before, k, eps, n_trials=n_trials, rng=rng)
        return sum(run.holds for run in runs) * 2 > n_trials

    high = min(high, 2 * jl_bounds.dimension_typical(size, eps) + 2)
    while high - low > max(1, high // 50):
        middle = (low + high) // 2
        low, high = (low, middle) if holds(middle) else (middle, high)
    return high


def _dimension_view(
    n_samples: int, eps: float, n_features: int, observed: dict[int, int], progress: float | None
) -> View:
    sizes = [int(s) for s in np.unique(np.round(np.geomspace(2, 1e9, 55)))]
    by_size = jl_bounds.dimension_curves(sizes, eps)
    deviations = np.linspace(0.05, 0.95, 46)
    by_eps = jl_bounds.dimension_curves([n_samples], deviations.tolist())
    seen = sorted(observed)
    points = [
        dots(
            seen,
            [observed[s] for s in seen],
            W("jl.rule_observed"),
            "@red",
            size=11,
            symbol="diamond",
        )
    ]
    needed = jl_bounds.required_dimensions(n_samples, eps)
    return View(
        {
            "samples": figure(
                *_rule_lines(sizes, by_size),
                *(points if seen else []),
                x=axis(W("jl.axis_samples"), log=True),
                y=axis(W("jl.axis_k"), log=True),
                marks=[
                    horizontal(n_features, W("jl.mark_no_reduction"), "@gray"),
                    vertical(max(n_samples, 2), "N", "@red"),
                ],
                title=W("jl.title_by_samples", eps=eps),
                height=430,
            ),
            "eps": figure(
                *[{**trace, "showlegend": False} for trace in _rule_lines(deviations, by_eps)],
                x=axis(W("jl.axis_eps")),
                y=axis(W("jl.axis_k"), log=True),
                marks=[horizontal(n_features, "", "@gray"), vertical(eps, "ε", "@red")],
                title=W("jl.title_by_eps", n=n_samples),
                height=430,
            ),
        },
        W("jl.dimensions_caption", n=n_samples, eps=eps, lemma=needed.lemma, exact=needed.exact),
        _dimension_readings(n_samples, eps, n_features, needed, observed),
        {"n_samples": sizes, **{name: by_size[name] for name in RULES}},
        notes=[W("jl.note_larger_than_m", m=n_features)] if needed.exact >= n_features else [],
        progress=progress if progress != 0.0 else 0.0,
    )


def _rule_lines(x: Any, curves: dict[str, NDArray[np.int64]]) -> list[Trace]:
    return [
        line(
            x,
            np.maximum(curves[name], 1),
            W(f"jl.rule_{name}"),
            RULE_COLORS[name],
            dash="dot" if name in ("typical", "entropy") else "solid",
            width=3 if name in ("lemma", "exact") else 2,
        )
        for name in RULES
    ]


def _dimension_readings(
    n: int, eps: float, m: int, needed: jl_bounds.RequiredDimensions, observed: dict[int, int]
) -> list[Reading]:
    readings = [
        at_most(W("jl.reading_exact_lemma"), needed.exact, needed.lemma),
        at_most(W("jl.reading_sk_exact"), needed.sklearn, needed.exact, note=W("jl.note_sk")),
        Reading(
            W("jl.reading_reduction"),
            needed.exact,
            m,
            "≤",
            needed.exact < m,
            note=None if needed.exact < m else W("jl.note_larger_than_m", m=m),
        ),
    ]
    for size, found in sorted(observed.items()):
        rules = jl_bounds.required_dimensions(size, eps)
        readings.append(at_most(W("jl.reading_observed", n=size), found, rules.exact))
    if n == 1:
        readings = [equal(W("jl.reading_one_point"), needed.lemma, 1)]
    return readings


PANEL = Panel(
    dimensions,
    dimensions_controls,
    (
        Preset("tenth", {"eps": 0.1, "n_samples": 1000}),
        Preset("half", {"eps": 0.5, "n_samples": 1000}),
        Preset("million", {"eps": 0.2, "n_samples": 1_000_000}),
    ),
)
