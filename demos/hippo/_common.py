"""What the panels of the tab share: signals, measures, methods, thinned curves."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from demos.controls import (
    Choice,
    Control,
    InputError,
    Integer,
    Real,
    Text,
    Upload,
    numbers,
    table_values,
)
from demos.figures import Trace, axis, curve
from demos.words import W, Word
from models import hippo, hippo_steps, signals
from models.formula import FormulaError

Floats = NDArray[np.float64]

MADE = tuple(signals.GENERATORS)
RECORDED = tuple(signals.RECORDINGS)
DRAWN = "0 0.3 0.6 0.8 0.7 0.4 0 -0.5 -0.8 -0.6 0 0.5 0.9 0.4 0"
THIN = 1000  # points of a drawn signal
COLORS = ("@blue", "@orange", "@green", "@purple", "@red", "@sky", "@olive", "@ink")

MEASURE = Choice(default="legs", options=tuple(hippo.MEASURES))
ORDER = Integer(default=16, low=1, high=hippo.MAX_ORDER, log=True)
WINDOW = Real(default=0.25, low=0.01, high=2, log=True)
METHOD = Choice(default="exact", options=hippo_steps.METHODS)
CONVENTION = Choice(default="su", options=hippo_steps.CONVENTIONS, radio=True, advanced=True)
NORMALISATION = Choice(default="paper", options=hippo.NORMALISATIONS, radio=True, advanced=True)
SEED = Integer(default=0, low=0, high=999_999_999, typed=True, advanced=True)


def signal_controls(signal: str = "sines", *, drawn: bool = True) -> dict[str, Control]:
    """Return the controls that choose a signal; without ``drawn`` nothing can be drawn by hand."""
    own = ("formula", "drawn", "upload") if drawn else ("formula", "upload")
    controls: dict[str, Control] = {
        "signal": Choice(default=signal, options=(*MADE, *RECORDED, *own)),
        "formula": Text(default="sin(6 pi t) exp(-2t)", length=10_240),
        "drawn": Text(default=DRAWN, length=1000),
        "upload": Upload(),
        "frequency": Real(default=3, low=0.1, high=200, log=True),
        "noise": Real(default=0, low=0, high=2, step=0.05, advanced=True),
    }
    return {n: c for n, c in controls.items() if drawn or n != "drawn"}


def make_signal(values: Mapping[str, Any]) -> Floats:
    """Return the samples (L,) that the controls ask for.

    Args:
        values: ``signal``, ``formula``, ``drawn``, ``upload``, ``frequency``, ``noise``,
            ``n_samples`` and ``seed``.

    Raises:
        InputError: A formula, a drawing or a file cannot be used.
    """
    signal, n_samples = values["signal"], values["n_samples"]
    rng = np.random.default_rng(values["seed"])
    if signal in MADE:
        return signals.make_signal(signal, n_samples, rng, values["frequency"], values["noise"])
    noise = signals.white_noise(n_samples, rng.spawn(2)[1], values["noise"])
    return _own_signal(signal, values) + noise


def _own_signal(signal: str, values: Mapping[str, Any]) -> Floats:
    n_samples = values["n_samples"]
    if signal in RECORDED:
        return signals.recorded_signal(signal, n_samples)
    if signal == "formula":
        return _typed(values["formula"], n_samples)
    if signal == "drawn":
        try:
            points = numbers(values["drawn"])
        except ValueError:
            raise InputError(W("hippo.error_drawn")) from None
        return signals.from_polyline(np.arange(len(points)), points, n_samples)
    if values["upload"] is None:
        raise InputError(W("hippo.error_no_upload"))
    column = table_values(W("hippo.upload"), values["upload"])[:, -1]
    return signals.resample(signals.standardise(column), n_samples)


def _typed(formula: str, n_samples: int) -> Floats:
    try:
        return signals.from_formula(formula, n_samples)
    except FormulaError as error:
        raise InputError(W(f"hippo.formula_{error.reason}", **error.details)) from None
    except ValueError:
        raise InputError(W("hippo.error_size")) from None


def signal_word(signal: str) -> Word:
    """Return the name of a signal."""
    return W(f"hippo.signal_{signal}")


def unused(values: Mapping[str, Any]) -> frozenset[str]:
    """Return the controls that the chosen signal and measure do not read."""
    signal, measure = values["signal"], values.get("measure", "legs")
    reads = {
        "formula": signal == "formula",
        "drawn": signal == "drawn",
        "upload": signal == "upload",
        "frequency": signal in MADE and signal not in signals.WITHOUT_FREQUENCY,
        "window": not hippo.MEASURES[measure].is_scaled,
        "convention": hippo.MEASURES[measure].is_scaled,
        "normalisation": hippo.MEASURES[measure].family == "legendre",
    }
    return frozenset(name for name, needed in reads.items() if not needed and name in values)


def signal_curve(u: Floats, name: Word, most: int = THIN) -> Trace:
    """Return the trace of a signal, thinned to its extremes bucket by bucket if it is long."""
    shown = u
    if u.size > most:
        edges = np.linspace(0, u.size, most // 2 + 1).astype(int)[:-1]
        extremes = np.minimum.reduceat(u, edges), np.maximum.reduceat(u, edges)
        shown = np.stack(extremes, axis=1).ravel()
    return curve(0.5 / shown.size, 1 / shown.size, shown, name, "@gray", width=1.5)


def error_axis(settled: NDArray[np.bool_], *curves: Floats) -> dict[str, Any]:
    """Return the axis of mean squared errors, whose range leaves out the first few samples.

    Args:
        settled: Which points count for the range.
        curves: Errors; what is not finite or below 1e-18 is left out.
    """
    shown = np.concatenate([curve[settled] if settled.any() else curve for curve in curves])
    shown = shown[np.isfinite(shown) & (shown > 1e-18)]
    low, high = (shown.min(), shown.max()) if shown.size else (1e-18, 1.0)
    ends = [float(np.log10(low)) - 0.3, float(np.log10(high)) + 0.4]
    span = ends[1] - ends[0]
    dtick: int | str = max(1, round(span / 6)) if span > 2 else "D2"
    return axis(W("hippo.axis_error"), log=True, dtick=dtick, range=ends)


def band_of(u: Floats) -> list[float]:
    """Return the range of a signal's axis: its own and a quarter more."""
    low, high = float(u.min()), float(u.max())
    room = 0.25 * (high - low) or max(0.5, 0.25 * abs(high))
    return [low - room, high + room]
