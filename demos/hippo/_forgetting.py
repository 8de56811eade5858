"""Panel: how old inputs fade, and what playing a signal slower does to the state."""

import functools

import numpy as np

from demos.controls import Control, Integer, Real
from demos.figures import Figure, axis, dots, figure, line, vertical
from demos.hippo._common import COLORS, Floats
from demos.panel import Panel, Preset
from demos.view import Reading, View, at_least, equal, near
from demos.words import W
from models import hippo, hippo_steps, signals

KEPT = ("legs", "legs_lti", "legt", "lagt")  # measures compared
SHADES = dict(zip(KEPT, ("@blue", "@orange", "@green", "@purple"), strict=True))
PLAYED = 96  # samples of the signal that is played slower
FIRST = 4  # coefficients shown


def forgetting_controls() -> dict[str, Control]:
    """Return the controls of ``forgetting``."""
    return {
        "order": Integer(default=8, low=1, high=64, log=True),
        "window": Real(default=1, low=0.05, high=20, log=True),
        "horizon": Real(default=1000, low=4, high=10_000, log=True),
        "slower": Integer(default=2, low=2, high=6),
    }


def forgetting(order: int, window: float, horizon: float, slower: int) -> View:
    """Show how much an input at time 1 still counts later, and that LegS knows no time scale.

    Args:
        order: N.
        window: Window or time scale of the constant systems, in units of the input's time.
        horizon: Latest moment looked at, in the same units.
        slower: How many times slower the signal of the lower pictures is played.
    """
    times = np.geomspace(1, horizon, 60)
    lags = np.linspace(0, 6 * window, 73)
    faded = {name: hippo.Memory(name, order, window) for name in KEPT}
    late = {
        name: hippo.influence_later(memory, times)
        for name, memory in faded.items()
        if name != "legt"
    }
    soon = {name: hippo.influence_later(memory, 1 + lags) for name, memory in faded.items()}
    share, plain, slow = _played(order, slower)
    return View(
        {
            "far": _far(times, late),
            "near": _near(lags / window, soon),
            "legs": _states(share, plain["legs"], slow["legs"], "legs", slower),
            "legt": _states(share, plain["legt"], slow["legt"], "legt", slower),
        },
        W("hippo.forgetting_caption", n=order, horizon=horizon, slower=slower),
        _forgetting_readings(order, times, late, plain, slow),
        {
            "t": times,
            "influence_legs": late["legs"],
            "influence_legs_lti": late["legs_lti"],
            "influence_lagt": late["lagt"],
        },
    )


@functools.lru_cache(maxsize=32)  # most controls do not touch it
def _played(order: int, slower: int) -> tuple[Floats, dict[str, Floats], dict[str, Floats]]:
    """Return shares of the signal, and the states of both speeds at these shares."""
    u = signals.make_signal("sines", PLAYED, np.random.default_rng(0))
    records = np.arange(4, PLAYED + 1, 4)
    window = PLAYED / 4  # samples, the same at both speeds
    plain, slow = {}, {}
    for name in ("legs", "legt"):
        memory = hippo.Memory(name, order, window)
        plain[name] = hippo_steps.trajectory(memory, u, 1.0, records=records).states
        held = np.repeat(u, slower)
        slow[name] = hippo_steps.trajectory(memory, held, 1.0, records=records * slower).states
    return records / PLAYED, plain, slow


def _far(times: Floats, late: dict[str, Floats]) -> Figure:
    first = late["legs"]
    return figure(
        *(
            line(
                times, np.maximum(rows, 1e-12), W(f"hippo.measure_{name}"), SHADES[name], width=2.5
            )
            for name, rows in late.items()
        ),
        line(times, first[-1] * times[-1] / times, "1/t", "@gray", dash="dot", width=1.5),
        x=axis(W("hippo.axis_now_log"), log=True),
        y=axis(W("hippo.axis_influence"), log=True, dtick=2, range=[-8, 2]),
        title=W("hippo.title_far"),
    )


def _near(lags: Floats, soon: dict[str, Floats]) -> Figure:
    return figure(
        *(
            line(lags, np.maximum(rows, 1e-12), W(f"hippo.measure_{name}"), SHADES[name])
            for name, rows in soon.items()
        ),
        x=axis(W("hippo.axis_lag"), range=[0, 6]),
        y=axis(W("hippo.axis_influence"), log=True, dtick=2, range=[-8, 2]),
        marks=[vertical(1, W("hippo.mark_window"), "@green")],
        title=W("hippo.title_near"),
    )


def _states(share: Floats, plain: Floats, slow: Floats, name: str, slower: int) -> Figure:
    traces = []
    for n in range(min(FIRST, plain.shape[1])):
        traces.append(line(share, plain[:, n], f"c<sub>{n}</sub>", COLORS[n], width=2))
        traces.append(dots(share, slow[:, n], "", COLORS[n], size=7, symbol="circle-open"))
    return figure(
        *traces,
        x=axis(W("hippo.axis_share")),
        y=axis(W("hippo.axis_coefficient")),
        title=W(f"hippo.title_played_{name}", slower=slower),
    )


def _forgetting_readings(
    order: int,
    times: Floats,
    late: dict[str, Floats],
    plain: dict[str, Floats],
    slow: dict[str, Floats],
) -> list[Reading]:
    measured = hippo_steps.measured_influence(order, 400, 100)
    ratio = 3.0
    moved = np.diag(hippo_steps.legs_propagator(order, ratio))
    rows = [
        near(
            W("hippo.reading_influence"),
            measured,
            float(hippo.influence(hippo.Memory("legs", order), 0.25125, 1.0)[0]),
            0.02 * order,
            W("hippo.note_influence"),
        ),
        equal(
            W("hippo.reading_forgetting", ratio=ratio),
            float(np.abs(moved - ratio ** -np.arange(1.0, order + 1)).max()),
            0.0,
            1e-12,
        ),
    ]
    tail = times >= 0.1 * times[-1]
    if times[-1] >= 10 * order**2:  # below, the past of the input is not yet a small share
        slope = hippo_steps.slope(times[tail], late["legs"][tail])
        rows.append(near(W("hippo.reading_tail"), slope, -1.0, 0.05))
    gap = {name: float(np.abs(plain[name] - slow[name]).max()) for name in plain}
    rows.append(equal(W("hippo.reading_slower_legs"), gap["legs"], 0.0, 1e-9))
    rows.append(at_least(W("hippo.reading_slower_legt"), gap["legt"], 0.01))
    return rows


PANEL = Panel(
    forgetting,
    forgetting_controls,
    (
        Preset("one", {"order": 1}),
        Preset("short", {"window": 0.2, "order": 16}),
        Preset("long", {"horizon": 10000, "window": 10}),
        Preset("slower", {"slower": 5, "order": 4}),
    ),
)
