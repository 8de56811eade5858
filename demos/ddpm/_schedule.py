"""Panel: how much noise each step adds, in Su's letters or the paper's; one posterior in detail."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from demos.controls import Choice, Control, Flag, Integer, Real, Text, numbers
from demos.ddpm._common import DIALECT, LETTERS, log_axis
from demos.figures import Figure, Trace, axis, figure, horizontal, line, vertical
from demos.panel import Panel, Preset, Values
from demos.view import Reading, View, at_most, equal, near, shown
from demos.words import W, Word
from models import ddpm

Floats = NDArray[np.float64]

SCHEDULES = (*ddpm.SCHEDULES, "own")
OWN_STEPS = 1000
OWN_RANGE = (1e-9, 1 - 1e-9)
ROUNDING = 1e-12
SMALL_SIGNAL = 1e-12  # below it x_0 cannot be told from x_t and the noise in double precision
FEW = 24  # up to so many steps each one is marked
CROSSINGS = {("su", 1000, 0.02): 263, ("linear", 1000, 0.02): 260}
BITS = {("su", 1000, 0.02): 3.03e-5, ("linear", 1000, 0.02): 2.91e-5}
DASHES = {"su": "solid", "linear": "dash", "cosine": "dot", "scaled_linear": "dashdot"}
Z = np.linspace(-4, 4, 65)

COLUMNS = {
    "su": ("su_signal", "su_level", "su_step", "su_tilde"),
    "paper": ("paper_signal", "paper_level", "paper_step", "paper_tilde"),
}


def betas_of(text: str) -> list[float]:
    """Return the variances of a typed list.

    Raises:
        ValueError: If there are none, too many, or one is not inside (0, 1).
    """
    values = numbers(text)
    low, high = OWN_RANGE
    if len(values) > OWN_STEPS or not all(low <= value <= high for value in values):
        raise ValueError(text)
    return values


def schedule_controls() -> dict[str, Control]:
    """Return the controls of ``schedule``."""
    return {
        "schedule": Choice(default="su", options=SCHEDULES),
        "n_steps": Integer(default=1000, low=1, high=ddpm.MAX_STEPS, log=True),
        "end": Real(default=0.02, low=1e-4, high=0.999, log=True),
        "betas": Text(
            default="0.05 0.1 0.2 0.3 0.4 0.5 0.6 0.7",
            length=20_000,
            lines=2,
            parse=betas_of,
            rule="ddpm.domain_betas",
        ),
        "dialect": DIALECT,
        "t": Integer(default=100, low=1, high=ddpm.MAX_STEPS, log=True),
        "x_t": Real(default=1.2, low=-4, high=4, step=0.05),
        "x_0": Real(default=0.5, low=-4, high=4, step=0.05),
        "compare": Flag(default=True, advanced=True),
    }


def schedule(
    schedule: str,
    n_steps: int,
    end: float,
    betas: str,
    dialect: str,
    t: int,
    x_t: float,
    x_0: float,
    compare: bool,
) -> View:
    """Show signal, noise, signal-to-noise ratio and loss weight of a schedule, and one posterior.

    Args:
        schedule: Su's, Su's for any T, linear, cosine, scaled linear, or own.
        n_steps: T.
        end: Variance added by the last step, for the schedules that state it.
        betas: Own variances, the paper's beta_t.
        dialect: Letters of every symbol: su (standard deviations) or paper (variances).
        t: The step looked at; T if beyond.
        x_t: Place of the noisy value in the posterior's picture.
        x_0: Place of the clean one.
        compare: Whether other schedules of the same T are drawn in grey.
    """
    known = _known(schedule, n_steps, end, betas if schedule == "own" else "")
    made, name, at = known.schedule, LETTERS[dialect], min(t, known.schedule.n_steps)
    others = tuple(kind for kind in DASHES if compare and kind != schedule)
    return View(
        {
            "levels": _levels_figure(known, name, at, others),
            "snr": _snr_figure(known, name, at, others),
            "noise": _noise_figure(known, name, at, dialect),
            "weight": _weight_figure(known, name, at, dialect),
            "posterior": _posterior_figure(known, name, at, x_t, x_0),
        },
        W(
            "ddpm.schedule_caption",
            schedule=W(f"ddpm.schedule_{schedule}"),
            steps=made.n_steps,
            t=at,
            signal=name["signal"],
            signal_value=float(made.A[at]),
            level=name["level"],
            level_value=float(made.B[at]),
            end=name["end"],
            end_value=made.end_signal,
            letters=W(f"ddpm.letters_{dialect}"),
        ),
        _readings(known, name, at, dialect, (schedule, n_steps, end)),
        _table(known, dialect),
        notes=_notes(known, name, t, at),
        unused=_unused(schedule),
    )


@dataclass(frozen=True, eq=False)
class _Known:
    """A schedule with what its pictures need, thinned to some hundred steps."""

    schedule: ddpm.Schedule
    t: NDArray[np.int64]
    tilde: Floats
    weight_step: Floats
    weight_tilde: Floats
    gaps: Mapping[str, float]
    crossing: int | None
    bits: float
    n_capped: int


@lru_cache(maxsize=64)
def _known(kind: str, n_steps: int, end: float, betas: str) -> _Known:
    """Return all that does not depend on t and on the letters."""
    if kind == "own":
        made = ddpm.own(betas_of(betas))
    elif kind == "cosine":
        made = ddpm.cosine(n_steps)
    else:
        made = ddpm.SCHEDULES[kind](n_steps, end=end)
    last = made.n_steps
    t = np.arange(1, last + 1)
    if last > 160 and kind != "own":
        spread = np.concatenate([np.geomspace(1, last, 50), np.linspace(1, last, 90)])
        t = np.unique(np.rint(spread).astype(np.int64))
    capped = int((made.betas >= ddpm.MAX_BETA).sum()) if kind in ("cosine", "su_rescaled") else 0
    tilde = ddpm.step_sigmas(made, "beta_tilde")
    return _Known(
        made,
        t,
        tilde,
        ddpm.loss_weights(made, made.b[1:]),
        ddpm.loss_weights(made, tilde),
        ddpm.identity_gaps(made),
        ddpm.first_below(made, 0.5),
        ddpm.end_information(made) / math.log(2),
        capped,
    )


@lru_cache(maxsize=16)
def _usual(n_steps: int) -> tuple[NDArray[np.int64], dict[str, tuple[Floats, Floats]]]:
    """Return some steps, and signal and log-SNR there of the usual schedules of that length."""
    t = np.unique(np.rint(np.linspace(1, n_steps, 48)).astype(np.int64))
    made = {kind: ddpm.SCHEDULES[kind](n_steps) for kind in DASHES}
    return t, {kind: (usual.A[t], usual.log_snr[t]) for kind, usual in made.items()}


def _grey(known: _Known, others: tuple[str, ...], which: int) -> list[Trace]:
    """Return signal (0) or log-SNR (1) of other schedules, thin and grey."""
    t, curves = _usual(known.schedule.n_steps) if others else ((), {})
    return [
        line(
            t,
            curves[kind][which],
            W(f"ddpm.schedule_{kind}"),
            "@gray",
            width=1,
            dash=DASHES[kind],
            showlegend=which == 0,
        )
        for kind in others
    ]


def _curve(known: _Known, y: Floats, name: str | Word, color: str, **more: Any) -> Trace:
    mode: dict[str, Any] = (
        {"mode": "lines+markers", "marker": {"size": 5}} if known.t.size <= FEW else {}
    )
    return line(known.t, y, name, color, **mode, **more)


def _positive_axis(title: Word, *curves: Floats) -> dict[str, Any]:
    known = np.concatenate([_positive(curve) for curve in curves])
    return log_axis(title, float(np.nanmin(known)), float(np.nanmax(known)))


def _time_axis(known: _Known, *, log: bool = False) -> dict[str, Any]:
    last = known.schedule.n_steps
    if log:
        ends = [-0.05, math.log10(last) + 0.05]
        return log_axis(W("ddpm.axis_t"), 1, last, range=ends)
    return axis(W("ddpm.axis_t"), range=[0, last * 1.01])


def _levels_figure(
    known: _Known, name: Mapping[str, str], at: int, others: tuple[str, ...]
) -> Figure:
    made = known.schedule
    loud = [horizontal(ddpm.LOUD_END, W("ddpm.mark_loud"), "@orange", "dot")]
    return figure(
        *_grey(known, others, 0),
        _curve(known, made.A[known.t], W("ddpm.named_signal", symbol=name["signal"]), "@blue"),
        _curve(known, made.B[known.t], W("ddpm.named_noise", symbol=name["level"]), "@orange"),
        x=_time_axis(known),
        y=axis(W("ddpm.axis_levels"), range=[0, 1.04]),
        marks=[vertical(at, f"t = {at}", "@red"), *(loud if made.is_loud_at_end else [])],
        title=W("ddpm.title_levels"),
        wide=True,
        height=360,
    )


def _snr_figure(known: _Known, name: Mapping[str, str], at: int, others: tuple[str, ...]) -> Figure:
    snr = known.schedule.log_snr[known.t]
    low, high = min(-8.0, float(snr.min())), max(8.0, float(snr.max()))
    marks = [horizontal(0, "", "@gray", "dot"), vertical(at, "", "@red")]
    if known.crossing is not None:
        label = W("ddpm.mark_crossing", t=known.crossing)
        marks.append(vertical(known.crossing, label, "@green", "dot"))
    return figure(
        *_grey(known, others, 1),
        _curve(known, snr, "", "@blue", width=3),
        x=_time_axis(known),
        y=axis(
            W("ddpm.axis_snr", symbol=name["snr"]), range=[max(low, -40.0) - 1, min(high, 14.0) + 1]
        ),
        marks=marks,
        title=W("ddpm.title_snr"),
        height=320,
    )


def _scaled(values: Floats, dialect: str) -> Floats:
    """Return standard deviations as the dialect writes them: the paper's are variances."""
    return values if dialect == "su" else values**2


def _positive(values: Floats) -> Floats:
    return np.where((values > 0) & np.isfinite(values), values, np.nan)


def _noise_figure(known: _Known, name: Mapping[str, str], at: int, dialect: str) -> Figure:
    made = known.schedule
    step, tilde = _scaled(made.b[known.t], dialect), _scaled(known.tilde[known.t - 1], dialect)
    of_step, of_tilde = (W("ddpm.named_step", symbol=name["step"]), name["tilde"])
    return figure(
        _curve(known, step, of_step, "@orange"),
        _curve(
            known,
            _positive(tilde),
            W("ddpm.named_posterior", symbol=of_tilde),
            "@purple",
            dash="dash",
        ),
        x=_time_axis(known, log=True),
        y=_positive_axis(
            W("ddpm.axis_deviation" if dialect == "su" else "ddpm.axis_variance"), step, tilde
        ),
        marks=[vertical(at, "", "@red")],
        title=W("ddpm.title_noise"),
        height=320,
    )


def _weight_figure(known: _Known, name: Mapping[str, str], at: int, dialect: str) -> Figure:
    half = 1.0 if dialect == "su" else 0.5
    step, tilde = (half * w[known.t - 1] for w in (known.weight_step, known.weight_tilde))
    return figure(
        _curve(known, step, name["sigma_step"], "@orange"),
        _curve(known, _positive(tilde), name["sigma_tilde"], "@purple", dash="dash"),
        x=_time_axis(known, log=True),
        y=_positive_axis(W("ddpm.axis_weight", symbol=name["weight"]), step, tilde),
        marks=[vertical(at, "", "@red")],
        title=W("ddpm.title_weight"),
        height=320,
    )


def _posterior_figure(
    known: _Known, name: Mapping[str, str], at: int, x_t: float, x_0: float
) -> Figure:
    """Return what x_0 alone says of x_{t-1}, what x_t alone says, and both together."""
    made = known.schedule
    step = ddpm.transition(made, at)
    a, b = float(made.a[at]), float(made.b[at])
    mean = float(step.c_x[0] * x_t + step.c_0[0] * x_0)
    bells = {
        "prior": (float(made.A[at - 1]) * x_0, float(made.B[at - 1]), "@green", "dot"),
        "likelihood": (x_t / a, b / a, "@orange", "dash"),
        "posterior": (mean, float(step.beta_tilde[0]), "@blue", "solid"),
    }
    height = np.exp(-(Z**2) / 2)
    traces, marks, ends = [], [], [x_t, x_0]
    for role, (centre, width, color, dash) in bells.items():
        label = W(f"ddpm.bell_{role}", symbol=name[role])
        if width == 0:
            sure = W("ddpm.bell_certain", symbol=name["posterior"])
            marks += [vertical(centre, sure, "@blue", "solid")] if role == "posterior" else []
            continue
        style: dict[str, Any] = {"width": 3 if role == "posterior" else 2, "dash": dash}
        if role == "posterior":
            style["fill"] = "tozeroy"
        traces.append(line(centre + width * Z, height, label, color, **style))
        ends += [centre - 3 * width, centre + 3 * width]
    low, high = min(ends), max(ends)
    room = 0.06 * (high - low) or 0.1
    marks += [vertical(x_0, "x₀", "@green")] if at > 1 else []
    marks.append(vertical(x_t, "xₜ", "@orange"))
    return figure(
        *traces,
        x=axis(W("ddpm.axis_before"), range=[low - room, high + room]),
        y=axis(W("ddpm.axis_bell"), range=[0, 1.12]),
        marks=marks,
        title=W("ddpm.title_posterior", t=at, before=at - 1),
        wide=True,
        height=320,
    )


def _readings(
    known: _Known, name: Mapping[str, str], at: int, dialect: str, key: tuple[str, int, float]
) -> list[Reading]:
    made, gaps, half = known.schedule, known.gaps, 1.0 if dialect == "su" else 0.5
    step = ddpm.transition(made, at)
    loud = W("ddpm.note_no_transfer") if made.is_loud_at_end else None
    crossing, bits = W("ddpm.reading_crossing"), W("ddpm.reading_bits")
    return [
        at_most(
            W("ddpm.reading_end", symbol=name["end"]), made.end_signal, ddpm.LOUD_END, note=loud
        ),
        at_most(
            W("ddpm.reading_law", law=name["log_end"]),
            float(made.log_alpha_bar[-1]) / 2,
            -float(made.betas.sum()) / 2,
            ROUNDING,
            W("ddpm.note_log_post" if key[0] == "su" and key[2] == 0.02 else "ddpm.note_log_end"),
        ),
        near(bits, known.bits, BITS[key], 1e-7, W("ddpm.note_bits"))
        if key in BITS
        else shown(bits, known.bits, W("ddpm.note_bits")),
        equal(crossing, float(known.crossing or 0), CROSSINGS[key])
        if key in CROSSINGS
        else shown(crossing, known.crossing or W("ddpm.value_never")),
        equal(W("ddpm.reading_gap", law=name["law_step"]), gaps["step"], 0.0, ROUNDING),
        equal(W("ddpm.reading_gap", law=name["law_signal"]), gaps["signal"], 0.0, ROUNDING),
        equal(W("ddpm.reading_gap", law=name["law_noise"]), gaps["noise"], 0.0, ROUNDING),
        at_most(W("ddpm.reading_largest", law=name["law_bound"]), gaps["bound"] + 1, 1.0),
        shown(W("ddpm.reading_at", symbol=name["c_x"], t=at), float(step.c_x[0])),
        shown(W("ddpm.reading_at", symbol=name["c_0"], t=at), float(step.c_0[0])),
        shown(W("ddpm.reading_at", symbol=name["variance"], t=at), float(step.beta_tilde[0] ** 2)),
        shown(
            W("ddpm.reading_weight", sigma=name["sigma_step"], t=at),
            half * float(known.weight_step[at - 1]),
        ),
        shown(
            W("ddpm.reading_weight", sigma=name["sigma_tilde"], t=at),
            half * float(known.weight_tilde[at - 1]),
            W("ddpm.note_first_step") if at == 1 else None,
        ),
    ]


def _notes(known: _Known, name: Mapping[str, str], t: int, at: int) -> list[Word]:
    made = known.schedule
    notes = []
    if made.is_loud_at_end:
        notes.append(W("ddpm.note_loud", symbol=name["end"], value=made.end_signal))
    if t != at:
        notes.append(W("ddpm.note_beyond", t=t, steps=at))
    if at == 1:
        notes.append(W("ddpm.note_first_weight", symbol=name["tilde"]))
    if known.n_capped:
        notes.append(W("ddpm.note_capped", count=known.n_capped, limit=ddpm.MAX_BETA))
    if made.end_signal < SMALL_SIGNAL:
        notes.append(W("ddpm.note_underflow", symbol=name["signal"], limit=SMALL_SIGNAL))
    return notes


def _unused(kind: str) -> frozenset[str]:
    if kind == "own":
        return frozenset({"n_steps", "end"})
    return frozenset({"betas", "end"} if kind == "cosine" else {"betas"})


def _table(known: _Known, dialect: str) -> dict[str, Any]:
    made, t, half = known.schedule, known.t, 1.0 if dialect == "su" else 0.5
    levels = (made.A[t], made.B[t])
    noises = (_scaled(made.b[t], dialect), _scaled(known.tilde[t - 1], dialect))
    return {
        "t": t,
        **dict(zip(COLUMNS[dialect], (*levels, *noises), strict=True)),
        "log_snr": made.log_snr[t],
        "weight_step": half * known.weight_step[t - 1],
        "weight_tilde": half * known.weight_tilde[t - 1],
    }


def _pick(values: Values, point: Mapping[str, Any]) -> dict[str, Any]:
    """Return the step that was clicked on."""
    x = float(point.get("x") or 0)
    if point.get("figure") == "posterior" or not 0 < x < math.inf:
        return {}
    return {"t": max(1, min(ddpm.MAX_STEPS, round(x)))}


PANEL = Panel(
    schedule,
    schedule_controls,
    (
        Preset("small", {"n_steps": 100, "t": 50}),
        Preset("rescaled", {"schedule": "su_rescaled", "n_steps": 100, "t": 26}),
        Preset("cosine", {"schedule": "cosine", "t": 496}),
        Preset("scaled", {"schedule": "scaled_linear", "end": 0.012, "t": 1000}),
        Preset("paper", {"schedule": "linear", "dialect": "paper", "t": 260}),
        Preset("early", {"t": 2, "x_t": 0.51, "x_0": 0.5}),
    ),
    _pick,
)
