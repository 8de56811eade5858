"""Panel: (Leaky) ReRoPE as it is computed, against the direct way."""

import math
from typing import Any

import numpy as np

from demos.controls import Choice, Control, InputError, Integer, Real
from demos.figures import Figure, axis, figure, heat, line
from demos.panel import Panel, Preset
from demos.rope._common import SEED, Floats
from demos.view import Reading, View, at_most, equal, shown
from demos.words import W
from models import rope
from models.rope import Scheme

MOST_TILES = 128  # a side, drawn


def attention_controls() -> dict[str, Control]:
    """Return the controls of ``attention``."""
    return {
        "length": Integer(default=24, low=1, high=64),
        "head_dim": Integer(default=32, low=2, high=128, step=2),
        "window": Real(default=8, low=0, high=64, step=0.5),
        "factor": Real(default=math.inf, low=1 / 64, high=1_000_000, log=True, infinite=True),
        "log_n": Choice(default="none", options=rope.LOG_N, radio=True),
        "train_len": Integer(default=12, low=2, high=4096, log=True),
        "layout": Choice(default="half_split", options=rope.LAYOUTS, advanced=True),
        "long_len": Integer(default=4096, low=64, high=65_536, log=True, advanced=True),
        "tile": Integer(default=128, low=16, high=1024, log=True, advanced=True),
        "seed": SEED,
    }


def attention(
    length: int,
    head_dim: int,
    window: float,
    factor: float,
    log_n: str,
    train_len: int,
    layout: str,
    long_len: int,
    tile: int,
    seed: int,
) -> View:
    """Compute (Leaky) ReRoPE as it is done in practice: two score matrices, a mask, a merge.

    Args:
        length: L, tokens.
        head_dim: d, even.
        window: w, steps.
        factor: k; infinity is ReRoPE.
        log_n: Scale of the logits: none, trained (log of n to base train_len) or dagger (after
            training).
        train_len: Trained length for the log n scale, tokens.
        layout: How features pair up.
        long_len: Length for the count of tiles, tokens.
        tile: Side of a tile, tokens.
        seed: Seed of the random q and k.
    """
    if long_len / tile > MOST_TILES:
        raise InputError(W("rope.error_tiles", most=MOST_TILES, given=-(-long_len // tile)))
    rng = np.random.default_rng(seed)
    q, k = rng.standard_normal((2, length, head_dim))
    theta = rope.frequencies(head_dim)
    method = "rerope" if math.isinf(factor) else "leaky" if factor >= 1 else "inverse_train"
    scheme = Scheme(method, window, factor)
    passes = rope.two_pass(q, k, scheme, theta, layout)
    scale = rope.log_n_scale(np.arange(1, length + 1), train_len, log_n)[:, None]
    visible = np.isfinite(passes.merged)
    merged = np.where(visible, np.where(visible, passes.merged, 0) * scale, -np.inf)
    weights = rope.softmax(merged)
    index = np.arange(length)
    table = {"i": np.repeat(index, index + 1), "j": np.concatenate([index[: i + 1] for i in index])}
    places = (table["i"], table["j"])
    table |= {"near": passes.near[places], "far": passes.far[places], "logit": merged[places]}
    return View(
        _attention_figures(passes, merged, weights, scale[:, 0], long_len, tile, window),
        W(
            "rope.attention_caption",
            length=length,
            window=window,
            method=W(f"rope.method_{method}"),
        ),
        _attention_readings(q, k, scheme, theta, layout, passes, weights, scale, long_len, tile),
        table,
        unused=frozenset({"train_len"}) if log_n == "none" else frozenset(),
    )


def _attention_figures(
    passes: rope.TwoPass,
    merged: Floats,
    weights: Floats,
    scale: Floats,
    long_len: int,
    tile: int,
    window: float,
) -> dict[str, Figure]:
    visible = np.isfinite(passes.merged)
    used = np.where(passes.is_near, 0.0, 1.0)
    hidden = np.where(visible, 0.0, np.nan)
    finite = np.where(visible, merged, np.nan)
    top = float(np.nanmax(np.abs(np.stack([passes.near + hidden, passes.far + hidden]))))

    def picture(z: Floats, title: str, **more: Any) -> Figure:
        style = {"zmin": -top, "zmax": top, "colorscale": _DIVERGING, "showscale": False, **more}
        return figure(
            heat(z + hidden, hovertemplate=W("rope.hover_logit"), **style),
            x=axis(W("rope.axis_key"), constrain="domain", showgrid=False),
            y=axis(W("rope.axis_query"), autorange="reversed", scaleanchor="x", showgrid=False),
            title=W(f"rope.title_{title}"),
            height=300,
        )

    two = [[0, "@blue/0.7"], [0.5, "@blue/0.7"], [0.5, "@orange/0.7"], [1, "@orange/0.7"]]
    own = float(np.nanmax(np.abs(finite))) or 1.0
    n = np.arange(1, len(scale) + 1)
    entropies = rope.entropy(weights)
    plain = rope.entropy(rope.softmax(passes.merged))
    entropy = figure(
        line(n, np.log(n), "ln n", "@gray", dash="dot"),
        line(n, plain, W("rope.entropy_plain"), "@blue"),
        line(n, entropies, W("rope.entropy_scaled"), "@orange"),
        x=axis(W("rope.axis_keys")),
        y=axis(W("rope.axis_entropy")),
        title=W("rope.title_entropy"),
        height=300,
    )
    kinds = figure(
        heat(
            rope.tile_kinds(long_len, tile, window * 16),  # -1 hidden, 0 near, 1 far, 2 both
            zmin=-1,
            zmax=2,
            colorscale=_steps("@paper/0", "@blue/0.6", "@gray/0.35", "@orange"),
            showscale=False,
            hoverinfo="skip",
        ),
        x=axis(W("rope.axis_key_tile"), constrain="domain", showgrid=False),
        y=axis(W("rope.axis_query_tile"), autorange="reversed", scaleanchor="x", showgrid=False),
        title=W("rope.title_tiles"),
        height=300,
    )
    return {
        "near": picture(passes.near, "near"),
        "far": picture(passes.far, "far"),
        "mask": picture(used, "mask", zmin=0, zmax=1, colorscale=two),
        "merged": picture(np.where(visible, merged, 0.0), "merged", zmin=-own, zmax=own),
        "entropy": entropy,
        "tiles": kinds,
    }


def _steps(*colors: str) -> list[list[Any]]:
    """Return a colour scale of equal bands."""
    count = len(colors)
    return [[(c + end) / count, color] for c, color in enumerate(colors) for end in (0, 1)]


_DIVERGING = [[0, "@orange"], [0.5, "@paper"], [1, "@blue"]]


def _attention_readings(
    q: Floats,
    k: Floats,
    scheme: Scheme,
    theta: Floats,
    layout: str,
    passes: rope.TwoPass,
    weights: Floats,
    scale: Floats,
    long_len: int,
    tile: int,
) -> list[Reading]:
    length = len(q)
    index = np.arange(length)
    at = rope.positions(scheme, index[:, None], index[None, :])
    direct = rope.logits_at(q, k, at, theta, layout)
    visible = np.isfinite(direct)
    gap = float(np.abs(direct[visible] - passes.merged[visible]).max())
    _, last = rope.decode_step(q[-1], k, scheme, theta, layout)
    step_gap = float(np.abs(last[visible[-1]] - passes.merged[-1][visible[-1]]).max())
    window = scheme.window * 16
    counts = rope.tile_counts(long_len, tile, window)
    entropies = rope.entropy(weights)
    full = np.log(np.arange(1, length + 1))
    readings = [
        equal(W("rope.reading_two_pass"), gap, 0.0, 1e-9, W("rope.note_rounding")),
        equal(W("rope.reading_decode"), step_gap, 0.0, 1e-9, W("rope.note_rounding")),
        at_most(W("rope.reading_entropy"), float((entropies - full).max()), 0.0, 1e-12),
        shown(W("rope.reading_log_n", n=length), float(scale[-1, 0])),
    ]
    blocks, w_blocks = long_len / tile, window / tile
    if blocks == int(blocks) and w_blocks == int(w_blocks) and 0 < w_blocks < blocks:
        label = W("rope.reading_tiles", length=long_len, tile=tile, window=window)
        note = W("rope.note_tiles", all=counts.n_tiles, share=100 * counts.extra_share)
        readings.append(equal(label, counts.n_both, blocks - w_blocks, note=note))
    else:
        label = W("rope.reading_tiles", length=long_len, tile=tile, window=window)
        note = W("rope.note_tiles", all=counts.n_tiles, share=100 * counts.extra_share)
        readings.append(shown(label, counts.n_both, note))
    return readings


PANEL = Panel(
    attention,
    attention_controls,
    (
        Preset("leaky", {"factor": 4}),
        Preset("inverse", {"factor": 1 / 4}),
        Preset("log_n", {"log_n": "dagger", "length": 64, "train_len": 12}),
    ),
)
