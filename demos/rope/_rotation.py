"""Panel: a query and a key turned by their positions; the score sees the difference only."""

from typing import Any

import numpy as np

from demos.controls import Choice, Control, InputError, Real, Text, numbers
from demos.figures import Figure, Trace, axis, dots, figure, line
from demos.panel import Panel, Preset
from demos.rope._common import Floats
from demos.view import View, equal, shown
from demos.words import W
from models import rope


def rotation_controls() -> dict[str, Control]:
    """Return the controls of ``rotation``."""
    vector: dict[str, Any] = {"parse": numbers, "rule": "frame.domain_numbers", "length": 200}
    return {
        "q": Text(default="1, 2, 3, 4", **vector),
        "k": Text(default="4, 3, 2, 1", **vector),
        "m": Real(default=5, low=0, high=100, step=0.5),
        "n": Real(default=2, low=0, high=100, step=0.5),
        "shift": Real(default=3, low=0, high=1000, step=1),
        "layout": Choice(default="interleaved", options=rope.LAYOUTS, radio=True),
        "base": Real(default=10_000, low=1.5, high=1e9, log=True, advanced=True),
    }


def rotation(q: str, k: str, m: float, n: float, shift: float, layout: str, base: float) -> View:
    """Turn a query and a key and see that their score depends on m - n only.

    Args:
        q: Query, numbers separated by commas, an even count up to 16.
        k: Key, as many numbers.
        m: Position of the query, steps.
        n: Position of the key, steps.
        shift: Both positions are moved by it for the comparison, steps.
        layout: interleaved (pairs 2c, 2c+1) or half_split (pairs c, c+d/2).
        base: b of theta_c = b^(-2c/d).
    """
    query, key = _vector("q", q), _vector("k", k)
    if len(query) != len(key):
        raise InputError(W("rope.error_lengths", q=len(query), k=len(key)))
    theta = rope.frequencies(len(query), base)
    other = rope.LAYOUTS[1 - rope.LAYOUTS.index(layout)]

    def score(at: Any, layouts: tuple[str, str] = (layout, layout)) -> Any:
        turned = [
            rope.rotate(np.broadcast_to(v, (*np.shape(at), v.size)), at + place, theta, pairs)
            for v, place, pairs in ((query, m, layouts[0]), (key, n, layouts[1]))
        ]
        return np.vecdot(*turned)

    shifts = np.linspace(0, max(20.0, shift), 200)
    right, mixed = score(shifts), score(shifts, (layout, other))
    here, start = float(score(shift)), float(score(0.0))
    scores = figure(
        line(shifts, right, W("rope.same_layout"), "@blue", width=3),
        line(shifts, mixed, W("rope.mixed_layouts"), "@orange", dash="dash"),
        dots([shift], [here], W("rope.your_shift"), "@red", size=10),
        x=axis(W("rope.axis_shift")),
        y=axis(W("rope.axis_score")),
        title=W("rope.title_scores"),
    )
    direct = float(rope.relative_score(query, key, m - n, theta, layout))
    size = float(np.linalg.norm(query) * np.linalg.norm(key)) + 1e-300
    turned = rope.rotate(query, m, theta, layout)
    readings = [
        equal(W("rope.reading_shifted"), here, start, 1e-9 * size, W("rope.note_rounding")),
        equal(W("rope.reading_relative", delta=m - n), start, direct, 1e-9 * size),
        equal(
            W("rope.reading_norm"),
            float(np.linalg.norm(turned)),
            float(np.linalg.norm(query)),
            1e-12 * size,
        ),
        shown(W("rope.reading_mixed"), float(np.ptp(mixed)), W("rope.note_mixed")),
    ]
    return View(
        {"circles": _turned_figure(query, key, m, n, theta, layout), "scores": scores},
        W("rope.rotation_caption", m=m, n=n, delta=m - n, score=start),
        readings,
        {"shift": shifts, "score": right, "score_mixed": mixed},
    )


def _vector(field: str, text: str) -> Floats:
    values = numbers(text)
    if len(values) % 2 or not 2 <= len(values) <= 16 or max(map(abs, values)) > 1e6:
        raise InputError(W("rope.error_vector", field=W(f"rope.{field}"), count=len(values)))
    return np.array(values)


def _turned_figure(q: Floats, k: Floats, m: float, n: float, theta: Floats, layout: str) -> Figure:
    """Return one plane per pair: query and key before (thin) and after (thick) turning."""
    before = [rope.to_pairs(v, layout) for v in (q, k)]
    after = [rope.to_pairs(rope.rotate(v, p, theta, layout), layout) for v, p in ((q, m), (k, n))]
    reach = max(float(np.abs(np.concatenate(before)).max()), 1e-9)
    count = len(theta)
    columns = min(count, 2 if count <= 4 else 4)
    place = np.arange(count)
    centre = 2.5 * reach * (place % columns - 1j * (place // columns))
    turn = np.exp(1j * np.linspace(0, 2 * np.pi, 60))
    rings = (centre[:, None] + reach * np.append(turn, np.nan)).ravel()
    traces: list[Trace] = [line(rings.real, rings.imag, "", "@grid", width=1.5, hoverinfo="skip")]
    for old, new, color, name in zip(before, after, ("@blue", "@orange"), ("q", "k"), strict=True):
        thin, thick = (_spokes(centre, tips) for tips in (old, new))
        traces.append(line(*thin, "", color, width=1.5, dash="dot", hoverinfo="skip"))
        traces.append(line(*thick, W("rope.turned", name=name), color, width=4, hoverinfo="skip"))
    labels = dots(
        centre.real,
        centre.imag - 1.15 * reach,
        "",
        "@gray",
        mode="text",
        text=[f"θ = {t:.3g}" for t in theta],
        hoverinfo="skip",
    )
    span = [-1.2 * reach, float(centre.real.max()) + 1.2 * reach]
    low = float(centre.imag.min()) - 1.35 * reach
    return figure(
        *traces,
        labels,
        x=axis("", visible=False, range=span),
        y=axis("", visible=False, range=[low, 1.1 * reach], scaleanchor="x"),
        title=W("rope.title_planes"),
        height=380,
    )


def _spokes(centre: Any, tips: Any) -> tuple[Floats, Floats]:
    """Return x and y of lines from the centres to the tips, separated by NaN."""
    ends = np.stack([centre, centre + tips, np.full(len(tips), np.nan + 0j)], axis=1).ravel()
    return ends.real, ends.imag


PANEL = Panel(
    rotation,
    rotation_controls,
    (
        Preset("half", {"layout": "half_split"}),
        Preset("far", {"m": 100, "n": 97, "shift": 1000}),
        Preset("eight", {"q": "1, 0, 1, 0, 1, 0, 1, 0", "k": "1, 0, 1, 0, 1, 0, 1, 0"}),
    ),
)
