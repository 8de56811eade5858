"""Panel: how many numbers a signal needs; jumps, Gibbs, and polynomials that fit exactly."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from demos.controls import Control, Integer
from demos.figures import Figure, axis, curve, drawing, figure, horizontal, line, vertical
from demos.hippo._common import (
    ORDER,
    SEED,
    Floats,
    band_of,
    error_axis,
    make_signal,
    signal_controls,
    signal_curve,
    signal_word,
    unused,
)
from demos.panel import Panel, Preset, Values
from demos.view import Reading, View, at_most, equal, near, shown
from demos.words import W
from models import hippo, hippo_steps, signals

GIBBS = 0.0894898722  # overshoot of a Fourier or Legendre series beside a jump, as a share of it
FLOOR = 1e-16
CONSTANT = 0.155  # mean squared error times N for a unit jump in the middle
MOST = hippo.MAX_ORDER
FIT_POINTS = 601


def numbers_controls() -> dict[str, Control]:
    """Return the controls of ``numbers``."""
    return {
        **signal_controls("step"),
        "order": ORDER,
        "n_samples": Integer(default=1000, low=16, high=signals.MAX_SAMPLES, log=True),
        "seed": SEED,
    }


def numbers(
    signal: str,
    formula: str,
    drawn: str,
    upload: str | None,
    frequency: float,
    noise: float,
    order: int,
    n_samples: int,
    seed: int,
) -> View:
    """Show the error of the best N numbers for the whole signal, for every N up to 128.

    Args:
        signal: Made, recorded, typed, drawn or uploaded; its duration is 1.
        formula: Formula of t, 0 to 1.
        drawn: Heights of a curve, evenly spaced.
        upload: Path of a csv, txt or npy file; its last column is the signal.
        frequency: Periods per signal.
        noise: Standard deviation of white noise added.
        order: N of the fit shown.
        n_samples: L.
        seed: Seed of random signals.
    """
    given: dict[str, Any] = dict(locals())
    u = make_signal(given)
    legs, state = hippo_steps.errors_by_order("legs", u, MOST)
    fours, _ = hippo_steps.errors_by_order("fours", u, MOST)
    errors, fit = {"legs": legs, "fours": fours}, _fit(order, state)
    return View(
        {"error": _error_figure(errors, order, signal), "fit": _fit_figure(fit, u, signal)},
        W(
            "hippo.numbers_caption",
            signal=signal_word(signal),
            n=order,
            error=float(errors["legs"][order - 1]),
        ),
        _numbers_readings(signal, u, order, errors, fit),
        {
            "order": np.arange(1, MOST + 1),
            "error_legs": errors["legs"],
            "error_fours": errors["fours"],
        },
        unused=unused(given),
    )


def _fit(order: int, state: Floats) -> Floats:
    """Return the best fit by the first N coefficients of LegS at evenly spaced times, 0 to 1."""
    t = np.linspace(0, 1, FIT_POINTS)
    return hippo.reconstruct(hippo.Memory("legs", order), state[:order], t, 1.0)


def _error_figure(errors: dict[str, Floats], order: int, signal: str) -> Figure:
    sizes = np.arange(1, MOST + 1)
    guide = []
    if signal == "step":
        label = W("hippo.guide_jump", constant=CONSTANT)
        guide = [line(sizes, CONSTANT / sizes, label, "@gray", dash="dot", width=1.5)]
    return figure(
        line(sizes, np.maximum(errors["legs"], FLOOR), W("hippo.measure_legs"), "@blue", width=3),
        line(sizes, np.maximum(errors["fours"], FLOOR), W("hippo.measure_fours"), "@orange"),
        *guide,
        x=axis(W("hippo.axis_order"), log=True, range=[0, 2.12]),
        y=error_axis(sizes > 0, *errors.values()),
        marks=[vertical(order, "N", "@red")],
        title=W("hippo.title_error_order"),
    )


def _fit_figure(fit: Floats, u: Floats, signal: str) -> Figure:
    low, high = band_of(u)
    marks = []
    if signal == "step":
        marks = [horizontal(1 + GIBBS, W("hippo.mark_gibbs"), "@red")]
    return figure(
        signal_curve(u, signal_word(signal)),
        curve(0, 1 / (fit.size - 1), fit, W("hippo.fit"), "@blue", width=2.5),
        x=axis(W("hippo.axis_time"), range=[0, 1.005]),
        y=axis(W("hippo.axis_signal"), range=[low, high]),
        marks=marks,
        title=W("hippo.title_fit"),
        drawn=drawing("drawn", signal="drawn"),
    )


def _numbers_readings(
    signal: str, u: Floats, order: int, errors: dict[str, Floats], fit: Floats
) -> list[Reading]:
    scale = float(np.mean(u**2))
    rises = {name: float(np.diff(rows).max()) for name, rows in errors.items()}
    rows = [
        at_most(W(f"hippo.reading_rise_{name}"), rise, 0.0, 1e-9 * scale)
        for name, rise in rises.items()
    ]
    worst = hippo.monomial_errors(order)
    rows += [
        at_most(W("hippo.reading_below", degree=order - 1), worst[0], 1e-12 * order**2),
        equal(
            W("hippo.reading_above", degree=order),
            worst[1],
            worst[2],
            1e-9 * worst[2] + 1e-13 * order**2,
            W("hippo.note_above", n=2 * order, k=order),
        ),
    ]
    if signal == "step" and order >= 8:
        high = float(fit.max()) - 1
        rows.append(near(W("hippo.reading_gibbs"), high, GIBBS, 0.03, W("hippo.note_gibbs")))
        product = order * float(errors["legs"][order - 1])
        rows.append(near(W("hippo.reading_jump"), product, CONSTANT, 0.03, W("hippo.note_jump")))
    share = float(errors["legs"][order - 1]) / scale if scale else 0.0
    rows.append(shown(W("hippo.reading_share"), f"{100 * (1 - share):.4f} %"))
    return rows


def _pick(values: Values, point: Mapping[str, Any]) -> dict[str, Any]:
    """Return the N that was clicked on."""
    if point.get("figure") != "error":
        return {}
    return {"order": max(1, min(MOST, round(float(point["x"]))))}


PANEL = Panel(
    numbers,
    numbers_controls,
    (
        Preset("smooth", {"signal": "sine", "order": 24}),
        Preset("corner", {"signal": "formula", "formula": "abs(t - 0.5)", "order": 12}),
        Preset("walk", {"signal": "random_walk", "order": 64}),
        Preset("heart", {"signal": "ecg", "order": 128}),
    ),
    _pick,
)
