"""Panel: how each method changes the frequency of every pair of features."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from demos.controls import Choice, Choices, Control, InputError, Integer, Real
from demos.figures import Figure, Trace, axis, dots, figure, horizontal, line, vertical
from demos.panel import Panel, Preset
from demos.rope._common import BASE, HEAD_DIM, Floats
from demos.view import Reading, View, at_most, equal, shown
from demos.words import W, Word
from models import rope_frequencies
from models.rope_frequencies import Rope

FREQUENCY_METHODS = (
    "pi",
    "ntk_old",
    "ntk_aware",
    "ntk_fixed",
    "ntk_mixed",
    "dynamic_ntk",
    "yarn_turns",
    "yarn",
    "llama3",
    "longrope",
    "abf",
    "partial",
    "proportional",
)


def frequencies_controls() -> dict[str, Control]:
    """Return the controls of ``frequencies``."""
    shown_first = ("pi", "ntk_aware", "ntk_fixed", "ntk_mixed", "yarn_turns", "yarn")
    return {
        "methods": Choices(default=shown_first, options=FREQUENCY_METHODS, words="frequency"),
        "circles": Choice(default="yarn", options=("rope", *FREQUENCY_METHODS), words="frequency"),
        "head_dim": HEAD_DIM,
        "base": BASE,
        "train_len": Integer(default=4096, low=2, high=1_048_576, log=True),
        "scale": Real(default=8, low=1, high=256, log=True),
        "beta": Real(default=0.625, low=0, high=2, advanced=True),
        "low_turns": Real(default=1, low=0.1, high=16, step=0.1, advanced=True),
        "high_turns": Real(default=4, low=0.2, high=64, step=0.1, advanced=True),
        "new_base": Real(default=500_000, low=1.5, high=1e9, log=True, advanced=True),
        "fraction": Real(default=0.5, low=0, high=1, step=0.05, advanced=True),
    }


def frequencies(
    methods: Sequence[str],
    circles: str,
    head_dim: int,
    base: float,
    train_len: int,
    scale: float,
    beta: float,
    low_turns: float,
    high_turns: float,
    new_base: float,
    fraction: float,
) -> View:
    """Compare how each method changes the frequency of every pair of features.

    Args:
        methods: Methods to compare.
        circles: Method whose trained and needed arcs are drawn.
        head_dim: d, even.
        base: b of theta_c = b^(-2c/d).
        train_len: Trained length M, tokens.
        scale: Factor s (or k): the text is s M tokens long.
        beta: Exponent of NTK-mixed.
        low_turns: Llama 3.1: pairs with fewer turns are divided.
        high_turns: Llama 3.1: pairs with more turns are kept.
        new_base: Base of ABF.
        fraction: Share of turned features of partial and proportional RoPE.
    """
    trained = Rope(head_dim, base, train_len)
    if high_turns <= low_turns:
        raise InputError(W("rope.error_turns", low=low_turns, high=high_turns))
    extra = _Extra(scale, beta, low_turns, high_turns, new_base, fraction)
    notes = []
    if head_dim == 2 and {"ntk_aware", "dynamic_ntk"} & {*methods, circles}:
        notes.append(W("rope.note_two_features"))
        methods = [name for name in methods if name not in ("ntk_aware", "dynamic_ntk")]
        circles = "rope" if circles in ("ntk_aware", "dynamic_ntk") else circles
    new = {name: _frequencies(name, trained, extra) for name in methods}
    pair = np.arange(head_dim // 2)
    length = train_len * scale
    table = {"pair": pair, "theta": trained.theta, "turns": rope_frequencies.turns(trained)}
    table |= {f"ratio_{name}": rope_frequencies.ratios(trained, t) for name, t in new.items()}
    arcs = rope_frequencies.arcs(
        trained.theta, train_len - 1, _frequencies(circles, trained, extra), scale * (train_len - 1)
    )
    return View(
        {
            "ratios": _ratio_figure(trained, new),
            "wavelengths": _wavelength_figure(trained, new, length),
            "circles": _circle_figure(arcs, W(f"rope.frequency_{circles}")),
        },
        W(
            "rope.frequencies_caption",
            method=W(f"rope.frequency_{circles}"),
            unseen=_unseen(arcs),
            pairs=head_dim // 2,
            length=length,
        ),
        _frequency_readings(trained, new, extra, arcs, circles),
        table,
        notes=notes,
        unused=_unused_frequency({*methods, circles}),
    )


def _unseen(arcs: rope_frequencies.Arcs) -> int:
    """Return how many pairs are asked for angles never trained, rounding aside."""
    return int(np.count_nonzero(arcs.unseen > 1e-9))


class _Extra:
    """The parameters that only some of the frequency methods read."""

    def __init__(
        self,
        scale: float,
        beta: float,
        low_turns: float,
        high_turns: float,
        new_base: float,
        fraction: float,
    ) -> None:
        self.scale, self.beta = scale, beta
        self.low_turns, self.high_turns = low_turns, high_turns
        self.new_base, self.fraction = new_base, fraction


def _unused_frequency(methods: set[str]) -> frozenset[str]:
    readers = {
        "beta": {"ntk_mixed"},
        "low_turns": {"llama3"},
        "high_turns": {"llama3"},
        "new_base": {"abf"},
        "fraction": {"partial", "proportional"},
    }
    return frozenset(name for name, users in readers.items() if not users & methods)


def _frequencies(name: str, trained: Rope, extra: _Extra) -> Floats:
    """Return the changed frequencies of one method."""
    scale = extra.scale
    match name:
        case "ntk_mixed":
            return rope_frequencies.ntk_mixed(trained, scale, extra.beta)
        case "llama3":
            return rope_frequencies.llama3(trained, scale, extra.low_turns, extra.high_turns)
        case "abf":
            return rope_frequencies.abf(trained, extra.new_base)
        case "partial":
            return rope_frequencies.partial(trained, extra.fraction)
        case "proportional":
            return rope_frequencies.proportional(trained, extra.fraction, scale)
        case "longrope":  # stands for a searched list: a ramp from 1 to the scale
            factors = scale ** np.linspace(0, 1, trained.head_dim // 2)
            return rope_frequencies.longrope(trained, factors)
        case _:
            return rope_frequencies.BY_FACTOR[name](trained, scale)


def _frequency_color(name: str) -> str:
    colors = ("@purple", "@olive", "@blue", "@green", "@orange", "@sky", "@red", "@ink")
    return colors[FREQUENCY_METHODS.index(name) % len(colors)]


def _ratio_figure(trained: Rope, new: Mapping[str, Floats]) -> Figure:
    pair = np.arange(trained.head_dim // 2)
    turns = rope_frequencies.turns(trained)
    slow = int(np.count_nonzero(turns >= 1))
    marks = [vertical(slow - 0.5, W("rope.mark_one_turn"))] if 0 < slow < pair.size else []
    return figure(
        *(
            line(
                pair,
                rope_frequencies.ratios(trained, theta),
                W(f"rope.frequency_{name}"),
                _frequency_color(name),
                dash="dash" if FREQUENCY_METHODS.index(name) >= 8 else "solid",
            )
            for name, theta in new.items()
        ),
        x=axis(W("rope.axis_pair"), range=[-0.5, pair.size - 0.5]),
        y=axis(W("rope.axis_ratio"), range=[0, 1.06]),
        marks=marks,
        title=W("rope.title_ratios"),
        height=420,
    )


def _wavelength_figure(trained: Rope, new: Mapping[str, Floats], length: float) -> Figure:
    pair = np.arange(trained.head_dim // 2)
    traces = [
        line(
            pair,
            rope_frequencies.wavelengths(trained.theta),
            W("rope.frequency_rope"),
            "@gray",
            width=3,
        )
    ]
    for name, theta in new.items():
        waves = rope_frequencies.wavelengths(theta)
        curve = line(pair, np.where(np.isfinite(waves), waves, np.nan), "", _frequency_color(name))
        traces.append({**curve, "showlegend": False})
    return figure(
        *traces,
        x=axis(W("rope.axis_pair")),
        y=axis(W("rope.axis_wavelength"), log=True),
        marks=[
            horizontal(trained.train_length, W("rope.mark_m"), "@blue"),
            horizontal(length, W("rope.mark_needed"), "@orange"),
        ],
        title=W("rope.title_wavelengths"),
        height=420,
    )


def _circle_figure(arcs: rope_frequencies.Arcs, method: Word) -> Figure:
    count = len(arcs.trained)
    chosen = np.unique(np.round(np.linspace(0, count - 1, min(8, count))).astype(int))
    place = np.arange(len(chosen))
    centre = 2.5 * (place % 4 - 1j * (place // 4))  # four in a row: legible on a phone
    trained, needed = arcs.trained[chosen], arcs.needed[chosen]
    pieces = {
        "trained": (np.zeros(len(chosen)), trained, 1.0, "@blue"),
        "needed": (np.zeros(len(chosen)), np.minimum(needed, trained), 0.78, "@green"),
        "unseen": (trained, np.maximum(needed, trained), 0.78, "@orange"),
    }
    traces: list[Trace] = []
    for name, (start, end, radius, color) in pieces.items():
        angle = np.linspace(start, end, 33, axis=1)
        ring = centre[:, None] + radius * np.exp(1j * angle)
        ring = np.append(ring, np.full((len(chosen), 1), np.nan), axis=1).ravel()
        style: dict[str, Any] = {"width": 7 if name == "unseen" else 5, "hoverinfo": "skip"}
        traces.append(line(ring.real, ring.imag, W(f"rope.arc_{name}"), color, **style))
    names = [f"c = {c}" for c in chosen]
    style = {"mode": "text", "text": names, "hoverinfo": "skip"}
    traces.append(dots(centre.real, centre.imag, "", "@ink", **style))
    rows = 1 + int(place[-1]) // 4
    return figure(
        *traces,
        x=axis("", visible=False, range=[-1.4, 2.5 * min(3, int(place[-1])) + 1.4]),
        y=axis("", visible=False, range=[-2.5 * (rows - 1) - 1.3, 1.3], scaleanchor="x"),
        title=W("rope.title_circles", method=method),
        wide=True,
        height=340,
    )


def _frequency_readings(
    trained: Rope,
    new: Mapping[str, Floats],
    extra: _Extra,
    arcs: rope_frequencies.Arcs,
    circles: str,
) -> list[Reading]:
    turns = rope_frequencies.turns(trained)
    d, base, m = trained.head_dim, trained.base, trained.train_length
    # theta_c < 2 pi / M from c = d ln(M / 2 pi) / (2 ln b) on
    edge = d * math.log(m / (2 * math.pi)) / (2 * math.log(base))
    slow = d // 2 - min(d // 2, max(0, math.floor(edge) + 1))
    readings = [equal(W("rope.reading_slow"), int(np.count_nonzero(turns < 1)), slow)]
    last = ("pi", "ntk_aware", "ntk_fixed", "ntk_mixed")
    for name in [name for name in last if name in new]:
        ratio = float(rope_frequencies.ratios(trained, new[name])[-1])
        label = W("rope.reading_last", method=W(f"rope.frequency_{name}"))
        readings.append(equal(label, ratio, 1 / extra.scale, 1e-12))
    if {"yarn", "yarn_turns"} <= set(new):
        gap = np.abs(new["yarn"] - new["yarn_turns"]) / trained.theta
        readings.append(
            shown(
                W("rope.reading_yarn_gap", c=int(gap.argmax())),
                float(gap.max()),
                W("rope.note_yarn_gap"),
            )
        )
    factor = rope_frequencies.yarn_attention_factor(extra.scale)
    readings.append(shown(W("rope.reading_temperature"), factor**2, W("rope.note_temperature")))
    return [
        *readings,
        at_most(
            W("rope.reading_unseen", method=W(f"rope.frequency_{circles}")),
            _unseen(arcs),
            0,
            note=W("rope.note_unseen") if _unseen(arcs) else None,
        ),
    ]


PANEL = Panel(
    frequencies,
    frequencies_controls,
    (
        Preset("yarn", {"methods": ["yarn_turns", "yarn"], "scale": 4, "circles": "yarn"}),
        Preset(
            "llama",
            {"methods": ["llama3"], "circles": "llama3", "base": 500_000, "train_len": 8192},
        ),
        Preset("extrapolate", {"methods": ["pi"], "circles": "rope", "train_len": 512}),
    ),
)
