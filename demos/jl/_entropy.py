"""Panel: where the entropy of a softmax of inner products runs out."""

import math

import numpy as np

from demos.controls import Control, Integer
from demos.figures import axis, dots, figure, horizontal, line, vertical
from demos.panel import Panel, Preset
from demos.view import View, at_least, at_most, near, shown
from demos.words import W, Word
from models import jl_bounds

REPORTED_OFFSETS = {  # kexue.fm/archives/7695
    32: -7.77471,
    64: -15.4734,
    96: -23.1726,
    128: -30.8718,
    256: -61.6692,
    512: -123.264,
}


def entropy_controls() -> dict[str, Control]:
    """Return the controls of ``entropy``."""
    return {
        "n_samples": Integer(default=100_000, low=2, high=1_000_000_000, log=True),
        "n": Integer(default=64, low=2, high=1000, log=True),
    }


def entropy(n_samples: int, n: int) -> View:
    """Show where the entropy of a softmax of inner products runs out: n = 8.33 ln N.

    Args:
        n_samples: Number N of words, positions or nodes.
        n: Dimension of their vectors.
    """
    rule = jl_bounds.entropy_dimension(n_samples)
    crossing = jl_bounds.entropy_crossing(n_samples)
    sizes = np.unique(np.round(np.linspace(2, max(160, 1.5 * rule, 1.2 * n), 90)))
    entropy_ = jl_bounds.pair_entropy(sizes, n_samples)
    here = float(jl_bounds.pair_entropy(n, n_samples))
    laplace = 2 * math.log(n_samples) + jl_bounds.entropy_offset_laplace(sizes)
    counts = np.geomspace(2, 1e9, 100)
    reported = np.array(list(REPORTED_OFFSETS))
    gap = np.abs(jl_bounds.entropy_offset(reported) - list(REPORTED_OFFSETS.values()))
    known = _known_models()
    return View(
        {
            "entropy": figure(
                line(sizes, entropy_, W("jl.entropy_exact"), "@blue", width=3),
                line(sizes, laplace, W("jl.entropy_laplace"), "@orange", dash="dash"),
                dots([n], [here], W("jl.this_model"), "@red", size=11),
                x=axis(W("jl.axis_n")),
                y=axis(W("jl.axis_entropy")),
                marks=[horizontal(0, dash="solid"), vertical(rule, W("jl.mark_rule"), "@orange")],
                title=W("jl.title_entropy", n=n_samples),
            ),
            "rule": figure(
                line(counts, jl_bounds.ENTROPY_FACTOR * np.log(counts), "8.33 ln N", "@blue"),
                dots(
                    [model[1] for model in known],
                    [model[2] for model in known],
                    W("jl.known_models"),
                    "@green",
                    size=9,
                    mode="markers+text",
                    text=[model[0] for model in known],
                    textposition=["top left", "bottom center", "bottom right", "top left"],
                ),
                dots([n_samples], [n], W("jl.this_model"), "@red", size=11),
                x=axis(W("jl.axis_things"), log=True),
                y=axis(W("jl.axis_dimension"), range=[0, 200]),
                title=W("jl.title_rule"),
            ),
        },
        W("jl.entropy_caption", n=n_samples, rule=rule, dimension=n, entropy=here),
        [
            at_least(W("jl.reading_dimension"), n, rule, note=W("jl.note_rule")),
            near(W("jl.reading_crossing"), crossing, rule, 0.02 * rule + 2, W("jl.note_crossing")),
            shown(W("jl.reading_entropy"), here),
            at_most(W("jl.reading_reported"), float(gap.max()), 5e-4, note=W("jl.note_reported")),
            shown(
                W("jl.reading_capacity", n=n),
                f"{math.exp(float(jl_bounds.log_entropy_capacity(n))):.4g}",
            ),
        ],
        {"n": sizes, "entropy": entropy_, "laplace": laplace},
    )


def _known_models() -> list[tuple[Word, int, int]]:
    """Return name, count and dimension of models one can hold against the rule."""
    return [
        (W("jl.model_words"), 100_000, 100),
        (W("jl.model_head_512"), 512, 64),
        (W("jl.model_head_4096"), 4096, 64),
        (W("jl.model_head_llama"), 8192, 128),
    ]


PANEL = Panel(
    entropy,
    entropy_controls,
    (
        Preset("head", {"n_samples": 512, "n": 64}),
        Preset("long_context", {"n_samples": 4096, "n": 64}),
        Preset("bert", {"n_samples": 21128, "n": 64}),
    ),
)
