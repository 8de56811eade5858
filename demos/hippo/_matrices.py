"""Panel: A and B exact, eigenvalues against the stability region, what an impulse leaves."""

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from demos.controls import Choice, Control, Integer, Real
from demos.figures import Figure, Trace, axis, bars, dots, figure, heat, horizontal, line, vertical
from demos.hippo._common import COLORS, MEASURE, NORMALISATION
from demos.panel import Panel, Preset
from demos.view import Reading, View, at_most, equal, shown
from demos.words import W, Word
from models import hippo, hippo_steps

WRITTEN = 9  # up to this size every entry is written into its cell
NAMED = 6  # states whose impulse response is drawn
DIVERGING = [[0, "@orange"], [0.5, "@paper"], [1, "@blue"]]


def matrices_controls() -> dict[str, Control]:
    """Return the controls of ``matrices``."""
    return {
        "measure": MEASURE,
        "order": Integer(default=6, low=1, high=hippo.MAX_ORDER, log=True),
        "method": Choice(default="forward", options=hippo_steps.METHODS),
        "step": Real(default=0.1, low=1e-4, high=10, log=True),
        "normalisation": NORMALISATION,
    }


def matrices(measure: str, order: int, method: str, step: float, normalisation: str) -> View:
    """Show A and B entry by entry, and where the eigenvalues lie against the method's stability.

    Args:
        measure: Which past counts.
        order: N.
        method: Discretisation whose region of stability is drawn.
        step: Step over window or time scale; for LegS and whole-past Fourier 1/k at sample k.
        normalisation: paper or su.
    """
    memory = hippo.Memory(measure, order, 1.0, normalisation)
    state_matrix, input_vector = hippo.matrices(memory)
    eigenvalues = hippo.eigenvalues(memory)
    pictures = {
        "matrix": _matrix_figure(memory, state_matrix),
        "vector": _vector_figure(memory, input_vector),
        "plane": _plane_figure(step * eigenvalues, method),
    }
    if not memory.kind.is_scaled or measure == "legs":
        pictures["response"] = _response_figure(memory)
    factor = hippo.growth(method, step * eigenvalues)
    return View(
        pictures,
        W(
            "hippo.matrices_caption",
            measure=W(f"hippo.measure_{measure}"),
            n=memory.size,
            method=W(f"hippo.method_{method}"),
            step=step,
            largest=float(factor.max()),
        ),
        _matrices_readings(memory, method, step, eigenvalues),
        {
            "mode": np.arange(memory.size),
            "eigenvalue_real": eigenvalues.real,
            "eigenvalue_imag": eigenvalues.imag,
            "growth": factor,
        },
        unused=frozenset() if memory.kind.family == "legendre" else frozenset({"normalisation"}),
    )


def _root_text(sign: int, radicand: int, denominator: int) -> str:
    """Return an entry as it is written by hand: -3, -2√15, 1/2."""
    outside, inside = hippo.simplify_root(radicand)
    root = f"{'' if outside == 1 else outside}√{inside}" if inside > 1 else str(outside)
    whole = f"{root}/{denominator}" if denominator > 1 and radicand else root
    if denominator > 1 and inside == 1 and outside % denominator == 0:
        whole = str(outside // denominator)
    return ("−" if sign < 0 else "") + (whole if sign else "0")


def _complex_text(value: complex) -> str:
    real = f"{value.real:.3g}".replace("-", "−")
    turn = f"{abs(value.imag):.3g}i"
    if not value.imag:
        return real
    return real + ("−" if value.imag < 0 else "+") + turn


def _entry_texts(memory: hippo.Memory, entries: NDArray[Any]) -> list[list[str]]:
    """Return the entries of A as texts, exact where they are square roots."""
    if memory.kind.family == "fourier":
        return [[_complex_text(entry) for entry in row] for row in entries.tolist()]
    exact = hippo.exact_matrices(memory)
    cells = zip(exact.A_signs.tolist(), exact.A_radicands.tolist(), strict=True)
    return [
        [_root_text(sign, inside, exact.denominator) for sign, inside in zip(*rows, strict=True)]
        for rows in cells
    ]


def _matrix_figure(memory: hippo.Memory, entries: NDArray[Any]) -> Figure:
    fourier = memory.kind.family == "fourier"
    height = np.abs(entries) if fourier else entries.real
    modes = _modes(memory)
    top = float(np.abs(height).max())
    more: dict[str, Any] = {}
    if memory.size <= WRITTEN:
        size = 12 if memory.size <= 6 and not fourier else 9
        more = {"text": _entry_texts(memory, entries), "texttemplate": "%{text}"}
        more["textfont"] = {"size": size}
    return figure(
        heat(
            height,
            x=modes,
            y=modes,
            colorscale=[[0, "@paper"], [1, "@blue"]] if fourier else DIVERGING,
            zmin=0 if fourier else -top,
            zmax=top,
            colorbar={"thickness": 10},
            hovertemplate="(%{y}, %{x}): %{z:.6g}<extra></extra>",
            **more,
        ),
        x=axis(W("hippo.axis_column"), constrain="domain", showgrid=False, **_ticks(memory)),
        y=axis(
            W("hippo.axis_row"),
            autorange="reversed",
            scaleanchor="x",
            constrain="domain",
            showgrid=False,
            **_ticks(memory),
        ),
        title=W("hippo.title_matrix_size" if fourier else "hippo.title_matrix"),
        square=True,
    )


def _ticks(memory: hippo.Memory) -> dict[str, Any]:
    return {"dtick": 1} if memory.size <= WRITTEN else {}


def _modes(memory: hippo.Memory) -> NDArray[np.int64]:
    half = memory.size // 2 if memory.kind.family == "fourier" else 0
    return np.arange(memory.size) - half


def _vector_figure(memory: hippo.Memory, entries: NDArray[Any]) -> Figure:
    more = {}
    if memory.size <= WRITTEN and memory.kind.family != "fourier":
        exact = hippo.exact_matrices(memory)
        pairs = zip(exact.B_signs.tolist(), exact.B_radicands.tolist(), strict=True)
        names = [_root_text(sign, inside, exact.denominator) for sign, inside in pairs]
        more = {"text": names, "textposition": "auto"}
    return figure(
        bars(_modes(memory), entries.real, "", "@blue", **more),
        x=axis(W("hippo.axis_row"), **_ticks(memory)),
        y=axis(W("hippo.axis_entry"), rangemode="tozero"),
        title=W("hippo.title_vector"),
    )


def _plane_figure(points: NDArray[np.complex128], method: str) -> Figure:
    """Return step times eigenvalues on the complex plane, the stable part shaded."""
    left = min(-2.3, 1.15 * float(points.real.min()))
    right = 2.4 if method == "backward" else 0.6
    high = max(1.4, 1.15 * float(np.abs(points.imag).max()))
    stable = {"fillcolor": "@green/0.14", "line": {"width": 0}, "layer": "below"}
    far = 1e4 * max(high, -left)
    outline: list[Trace] = []
    turn = np.exp(1j * np.linspace(0, 2 * math.pi, 200))
    if method == "forward":
        shape = {"type": "circle", "x0": -2, "x1": 0, "y0": -1, "y1": 1, **stable}
        ring = turn - 1
    elif method == "backward":
        shape = {"type": "rect", "x0": -far, "x1": far, "y0": -far, "y1": far, **stable}
        ring = turn + 1
        outline.append(line(ring.real, ring.imag, "", "@green", fill="toself", fillcolor="@paper"))
    else:
        shape = {"type": "rect", "x0": -far, "x1": 0, "y0": -far, "y1": far, **stable}
        ring = 1j * np.array([-far, far])
    outline.append(line(ring.real, ring.imag, W("hippo.stable_edge"), "@green", width=1.5))
    factor = hippo.growth(method, points)
    calm = factor <= 1 + 1e-9
    return figure(
        *outline,
        dots(points.real[calm], points.imag[calm], W("hippo.mode_stable"), "@blue", size=8),
        dots(
            points.real[~calm],
            points.imag[~calm],
            W("hippo.mode_unstable"),
            "@red",
            size=10,
            symbol="x",
        ),
        x=axis(W("hippo.axis_real"), range=[left, right], constrain="domain"),
        y=axis(W("hippo.axis_imag"), range=[-high, high], scaleanchor="x"),
        marks=[vertical(0, dash="solid"), horizontal(0, dash="solid")],
        layout={"shapes": [shape]},
        title=W("hippo.title_plane", method=W(f"hippo.method_{method}")),
    )


def _response_figure(memory: hippo.Memory) -> Figure:
    """Return what an impulse leaves in the first states, as time goes on."""
    lags = np.linspace(0, 3, 121)
    if memory.measure == "legs":
        lags = np.linspace(0, 1, 121)[1:]  # t0 / t: the whole past in one picture
        rows = hippo.past_response(memory, lags)
        x = axis(W("hippo.axis_then"), range=[0, 1])
    else:
        rows = hippo.impulse_response(memory, lags)
        x = axis(W("hippo.axis_lag"), range=[0, 3])
    half = memory.size // 2 if memory.kind.family == "fourier" else 0
    shown_modes = range(half, min(memory.size, half + NAMED))
    return figure(
        *(
            line(lags, rows[:, n].real, f"n = {n - half}", COLORS[(n - half) % len(COLORS)])
            for n in shown_modes
        ),
        x=x,
        y=axis(W("hippo.axis_response")),
        title=W("hippo.title_response"),
    )


def _matrices_readings(
    memory: hippo.Memory, method: str, step: float, eigenvalues: NDArray[np.complex128]
) -> list[Reading]:
    entries, inputs = hippo.matrices(memory)
    measured = np.linalg.eigvals(entries)
    norm = float(np.linalg.norm(entries, 2))
    largest = float(hippo.growth(method, step * eigenvalues).max())
    rows = [
        at_most(W("hippo.reading_growth", step=step), largest, 1.0, 1e-9, _limit_note(memory)),
        at_most(W("hippo.reading_stable"), float(eigenvalues.real.max()), 0.0, 0.0),
        at_most(
            W("hippo.reading_eigenvalues"),
            hippo.set_distance(measured, eigenvalues),
            1e-6 * norm,
            0.0,
            W("hippo.note_double"),
        ),
    ]
    if memory.measure in ("legs", "legs_lti", "fours"):
        first = np.zeros(memory.size)
        first[memory.size // 2 if memory.kind.family == "fourier" else 0] = memory.scale
        rest = float(np.abs(entries @ first + inputs).max())
        rows.append(equal(W("hippo.reading_constant"), rest, 0.0, 1e-12 * norm))
    if memory.measure in ("legs", "legs_lti"):
        skew, _ = hippo.skew_part(memory.order)
        rows.append(equal(W("hippo.reading_skew"), float(np.abs(skew + skew.T).max()), 0.0, 1e-9))
    if memory.measure == "legt":
        rows.append(equal(W("hippo.reading_lmu"), hippo.lmu_gap(memory.order), 0.0, 1e-12))
        gap = hippo.pade_gap(memory)
        rows.append(equal(W("hippo.reading_pade"), gap, 0.0, 1e-8, W("hippo.note_pade")))
    return [*rows, shown(W("hippo.reading_norm"), norm)]


def _limit_note(memory: hippo.Memory) -> Word:
    if memory.kind.is_scaled:
        return W("hippo.note_calm", k=hippo.calm_step(memory))
    return W("hippo.note_limit", step=hippo.euler_limit(memory))


PANEL = Panel(
    matrices,
    matrices_controls,
    (
        Preset("legt", {"measure": "legt", "order": 3, "step": 0.3}),
        Preset("too_large", {"measure": "legt", "order": 8, "step": 0.1}),
        Preset("bilinear", {"measure": "legt", "order": 8, "step": 1.0, "method": "bilinear"}),
        Preset("double", {"measure": "legt", "order": 64, "step": 0.001}),
    ),
)
