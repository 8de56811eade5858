"""Panel: the maps f(delta), what is trained and what is needed, and the rules for w and k."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from demos.controls import Choices, Control, Integer, Real
from demos.figures import Figure, Trace, axis, bars, dots, figure, horizontal, line, vertical
from demos.panel import Panel, Preset, Values
from demos.rope._common import LENGTH, Floats
from demos.view import Reading, View, at_least, at_most, shown
from demos.words import W
from models import rope
from models.rope import Scheme

MAPS = ("rope", "pi", "leaky", "rerope", "inverse_train")
MAP_COLORS = dict(zip(MAPS, ("@gray", "@purple", "@blue", "@green", "@orange"), strict=True))


def coverage_controls() -> dict[str, Control]:
    """Return the controls of ``coverage``."""
    return {
        "methods": Choices(default=MAPS, options=MAPS, words="method"),
        "train_len": Integer(default=512, **LENGTH),
        "test_len": Integer(default=4096, **LENGTH),
        "window": Real(default=128, low=0, high=65_536, log=True),
        "factor": Real(default=16, low=1, high=1_000_000, log=True, infinite=True),
        "expansion": Real(default=8, low=1, high=128, log=True),
    }


def coverage(
    methods: Sequence[str],
    train_len: int,
    test_len: int,
    window: float,
    factor: float,
    expansion: float,
) -> View:
    """Show the maps f(δ), how often each position is trained and needed, and the rules for w, k.

    Args:
        methods: Maps to show; inverse_train is the map of training for plain RoPE at inference.
        train_len: Length of the training texts, tokens.
        test_len: Length of the test text, tokens.
        window: w, steps.
        factor: k of Leaky ReRoPE and of PI.
        expansion: E; the inverse trains with k = 1/(2E).
    """
    schemes = {name: _map_scheme(name, window, factor, expansion) for name in methods}
    inverse = Scheme("inverse_train", window, rope.inverse_scaling_factor(expansion))
    limit = rope.trained_limit(Scheme("rope"), train_len)
    outside = {
        name: rope.out_of_range(scheme, test_len, limit)
        for name, scheme in schemes.items()
        if name != "inverse_train"
    }
    figures = {
        "maps": _maps_figure(schemes, outside, train_len, test_len),
        "counts": _counts_figure(schemes, train_len, test_len),
        "rule": _rule_figure(window, factor, train_len, test_len),
    }
    readings = [
        _range_reading(name, rope.largest_position(schemes[name], test_len), limit, out)
        for name, out in outside.items()
    ]
    readings += _rule_readings(window, train_len, test_len)
    if "inverse_train" in schemes:
        readings += _inverse_readings(inverse, train_len, test_len)
    delta = rope.sampled(test_len, 300)
    table = {"delta": delta, "times_trained": np.maximum(train_len - delta, 0)}
    for name, scheme in schemes.items():
        table[f"f_{name}"] = rope.relative_map(scheme, delta)
    return View(
        figures,
        W("rope.coverage_caption", trained=train_len, length=test_len, window=window, k=factor),
        readings,
        table,
        unused=frozenset() if "inverse_train" in schemes else frozenset({"expansion"}),
    )


def _map_scheme(name: str, window: float, factor: float, expansion: float) -> Scheme:
    k = rope.inverse_scaling_factor(expansion) if name == "inverse_train" else factor
    return Scheme(name, window, k)


def _maps_figure(
    schemes: Mapping[str, Scheme],
    outside: Mapping[str, rope.OutOfRange],
    train_len: int,
    test_len: int,
) -> Figure:
    delta = rope.sampled(test_len, 200)
    traces: list[Trace] = []
    for name, scheme in schemes.items():
        here = delta[delta < train_len] if name == "inverse_train" else delta
        heights = rope.relative_map(scheme, here)
        traces.append(line(here, heights, W(f"rope.method_{name}"), MAP_COLORS[name], width=3))
        breach = outside[name].breach if name in outside else None
        if breach is not None:
            height = float(rope.relative_map(scheme, breach))
            traces.append(dots([breach], [height], "", MAP_COLORS[name], size=11, symbol="x"))
    top = 1.15 * max(train_len, *(_top(s, n, train_len, test_len) for n, s in schemes.items()))
    return figure(
        *traces,
        x=axis(W("rope.axis_delta")),
        y=axis(W("rope.axis_position"), range=[0, min(top, 1.15 * test_len)]),
        marks=[horizontal(train_len - 1, W("rope.mark_last_trained"), "@gray")],
        title=W("rope.title_maps"),
        height=420,
    )


def _top(scheme: Scheme, name: str, train_len: int, test_len: int) -> float:
    length = train_len if name == "inverse_train" else test_len
    return rope.largest_position(scheme, length)


def _counts_figure(schemes: Mapping[str, Scheme], train_len: int, test_len: int) -> Figure:
    """Return the share of pairs at each position: in training against what each map needs."""
    edges = np.linspace(0, test_len, 49)
    middles = (edges[1:] + edges[:-1]) / 2
    width = edges[1] - edges[0]

    def share(positions: Any, times: Any) -> Floats:
        counts, _ = np.histogram(positions, bins=edges, weights=times)
        return 100 * counts / max(1.0, float(np.sum(times)))

    trained, times = rope.trained_positions(Scheme("rope"), train_len)
    traces = [
        bars(middles, share(trained, times), W("rope.seen_in_training"), "@sky/0.45", width=width)
    ]
    needed = rope.coverage(test_len)
    delta = np.arange(test_len)
    for name, scheme in schemes.items():
        if name == "inverse_train":
            positions, counts = rope.trained_positions(scheme, train_len)
            inside = positions < test_len
            positions, counts = positions[inside], counts[inside]
        else:
            positions, counts = rope.relative_map(scheme, delta), needed
        label = W(f"rope.method_{name}")
        curve = line(middles, share(positions, counts), label, MAP_COLORS[name], showlegend=False)
        traces.append({**curve, "line": {**curve["line"], "shape": "hvh"}})
    return figure(
        *traces,
        x=axis(W("rope.axis_position")),
        y=axis(W("rope.axis_share"), log=True),
        marks=[vertical(train_len - 1, W("rope.mark_last_trained"), "@gray")],
        layout={"bargap": 0},
        title=W("rope.title_counts"),
        height=420,
    )


def _rule_figure(window: float, factor: float, train_len: int, test_len: int) -> Figure:
    ks = np.geomspace(1, 1024, 24)
    curves = []
    for share, color in ((1 / 8, "@green"), (1 / 4, "@blue"), (1 / 2, "@orange")):
        w = share * train_len
        reach = [float(rope.leaky(test_len - 1, w, float(k))) for k in ks]
        curves.append(line(ks, reach, W("rope.window_share", w=w), color))
    here = rope.largest_position(Scheme("leaky", window, factor), test_len)
    mine = (
        [] if math.isinf(factor) else [dots([factor], [here], W("rope.your_w_k"), "@red", size=11)]
    )
    return figure(
        *curves,
        *mine,
        x=axis(W("rope.axis_factor"), log=True),
        y=axis(W("rope.axis_largest"), range=[0, 2.2 * train_len]),
        marks=[
            horizontal(train_len - 1, W("rope.mark_last_trained"), "@gray"),
            horizontal(train_len / 2, W("rope.mark_half"), "@gray", "dot"),
        ],
        title=W("rope.title_rule"),
        wide=True,
        height=300,
    )


def _range_reading(name: str, largest: float, limit: float, outside: rope.OutOfRange) -> Reading:
    below = largest <= limit + 1e-9
    note = None
    if not below:
        share = 100 * outside.pair_share
        note = W("rope.note_share_outside", share=share, delta=outside.breach)
    label = W("rope.reading_range", method=W(f"rope.method_{name}"))
    return Reading(label, largest, limit, "≤", below, note=note)


def _rule_readings(window: float, train_len: int, test_len: int) -> list[Reading]:
    try:
        k = rope.required_scaling_factor(window, test_len, train_len)
    except ValueError:
        return [
            shown(W("rope.reading_required"), W("rope.none"), W("rope.note_no_factor", w=window))
        ]
    reach = rope.largest_position(Scheme("leaky", window, k), test_len)
    return [
        shown(W("rope.reading_required"), k),
        at_most(W("rope.reading_at_required"), reach, max(train_len / 2, 0.0), 1e-9 * train_len),
    ]


def _inverse_readings(inverse: Scheme, train_len: int, test_len: int) -> list[Reading]:
    trained, _ = rope.trained_positions(inverse, train_len)
    needed = np.arange(min(test_len, int(trained[-1]) + 1))
    gap = float(rope.gap_to_trained(needed, trained).max())
    step = 1 / inverse.scaling_factor
    return [
        at_least(
            W("rope.reading_inverse_reach"),
            float(trained[-1]),
            test_len - 1,
            note=W("rope.note_inverse_reach", k=W("rope.one_over", n=step)),
        ),
        at_most(
            W("rope.reading_inverse_gap"),
            gap,
            max(step, 1.0) / 2,
            note=W("rope.note_inverse_gap", step=step),
        ),
    ]


def _coverage_factor(current: Values) -> float:
    """Return the least k the rule allows, or no change where no k does."""
    try:
        k = rope.required_scaling_factor(
            current["window"], current["test_len"], current["train_len"]
        )
    except ValueError:
        return float(current["factor"])
    return k


PANEL = Panel(
    coverage,
    coverage_controls,
    (
        Preset("rule", lambda now: {"factor": _coverage_factor(now)}),
        Preset("breach", {"methods": ["rope", "leaky"], "factor": 4}),
        Preset("inverse", {"methods": ["rope", "inverse_train"], "expansion": 8}),
    ),
)
