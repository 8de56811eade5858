"""Figures as plain plotly dictionaries: a few traces, axes with units, colours by role.

A ``Figure`` is what ``Plotly.react`` draws; it is built without the plotly package because a live
panel has a few milliseconds and plotly's validation of one figure takes more. The tests validate
every figure with ``plotly.graph_objects``.

Colours are tokens such as ``@blue`` or ``@orange/0.2`` (with opacity); ``TEMPLATE`` holds their
values for the light and the dark theme, so one figure serves both. The hues follow Okabe and Ito
(2008), moved until each has a contrast of 3:1 on its background.
"""

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from demos.words import Language, Word, resolve

Trace = dict[str, Any]
Text = str | Word

FONT = (
    "system-ui, -apple-system, 'Segoe UI', Roboto, 'PingFang SC', 'Hiragino Sans GB',"
    " 'Microsoft YaHei', 'Noto Sans CJK SC', 'Noto Sans SC', 'Source Han Sans SC',"
    " 'WenQuanYi Micro Hei', 'Playground Sans SC', sans-serif"
)

COLORS: dict[str, dict[str, str]] = {
    "light": {
        "blue": "#0067ab",
        "orange": "#b8620a",
        "green": "#00795a",
        "red": "#c2410c",
        "purple": "#9c3f7c",
        "sky": "#1583bd",
        "olive": "#7a6a00",
        "gray": "#64748b",
        "ink": "#1e293b",
        "grid": "#e2e8f0",
        "paper": "#ffffff",
    },
    "dark": {
        "blue": "#5eb3f2",
        "orange": "#f0a840",
        "green": "#3ecfa4",
        "red": "#ff7f50",
        "purple": "#e39bcb",
        "sky": "#8fd3ff",
        "olive": "#d9cb57",
        "gray": "#94a3b8",
        "ink": "#e2e8f0",
        "grid": "#334155",
        "paper": "#111827",
    },
}
CYCLE = ("@blue", "@orange", "@green", "@purple", "@sky", "@olive", "@red", "@gray")
SEQUENTIAL = "Viridis"
SYMMETRIC = [[0.0, "#2166ac"], [0.5, "#f7f7f7"], [1.0, "#b35806"]]

_AXIS = {
    "gridcolor": "@grid",
    "zerolinecolor": "@grid",
    "linecolor": "@gray",
    "ticks": "outside",
    "tickcolor": "@gray",
    "automargin": True,
    "title": {"standoff": 8},
}
TEMPLATE: dict[str, Any] = {
    "font": {"family": FONT, "size": 13, "color": "@ink"},
    "paper_bgcolor": "@paper",
    "plot_bgcolor": "@paper",
    "colorway": list(CYCLE),
    "margin": {"l": 56, "r": 16, "t": 16, "b": 48},
    "hoverlabel": {"bgcolor": "@paper", "bordercolor": "@gray", "font": {"color": "@ink"}},
    "legend": {"orientation": "h", "y": 1.02, "yanchor": "bottom", "x": 0, "xanchor": "left"},
    "xaxis": _AXIS,
    "yaxis": _AXIS,
}
_COLOR = re.compile(r"@(\w+)(?:/([\d.]+))?")


@dataclass(frozen=True)
class Figure:
    """One picture: plotly traces and layout, with Words where a sentence stands.

    Args:
        data: Plotly traces; arrays are NumPy arrays.
        layout: Plotly layout without the template.
        moves: What an animation, played in the browser, changes: by number of the trace and name of
            its array ("x", "y"), one row for each of the view's ``steps``, (n_steps, n_points);
            of a plain number ("x0", "dx") or a picture's address ("source") one for each step.
        title: Its heading, needed when a view has several figures.
        height: Height on the page, pixels.
        wide: Whether it takes the full width although the view has several figures.
        square: Whether the picture is drawn as high as wide (position matrices).
        aspect: Height over width of what is drawn; on a narrow screen it is no higher than needed.
        drawn: Where a drawing by hand on this picture goes: parameter of a ``Text`` control, and
            values to ``set``. Of kind "heights" it is one curve, ``points`` heights evenly spaced
            over the x axis; of kind "strokes" any lines, "x y x y;x y x y" in the axes' units.
    """

    data: Sequence[Trace]
    layout: Mapping[str, Any]
    moves: Mapping[int, Mapping[str, NDArray[Any] | Sequence[str]]] = field(default_factory=dict)
    title: Text = ""
    height: int = 400
    wide: bool = False
    square: bool = False
    aspect: float = 0.0
    drawn: Mapping[str, Any] = field(default_factory=dict)

    def to_dict(self, lang: Language = "en") -> dict[str, Any]:
        """Return ``{"data", "layout", "frames"}`` in one language, colours still tokens."""
        spec = {"data": list(self.data), "layout": dict(self.layout), "frames": self.frames()}
        resolved: dict[str, Any] = resolve(spec, lang)
        return resolved

    def frames(self) -> list[dict[str, Any]]:
        """Return the steps of the animation as plotly's frames."""
        return [
            {
                "name": str(step),
                "traces": list(self.moves),
                "data": [
                    {"type": self.data[number]["type"]} | {k: rows[step] for k, rows in t.items()}
                    for number, t in self.moves.items()
                ],
            }
            for step in range(self.n_steps)
        ]

    @property
    def n_steps(self) -> int:
        """Number of steps of the animation, 0 for a still picture.

        Raises:
            ValueError: The moving arrays differ in their number of rows.
        """
        lengths = {len(rows) for change in self.moves.values() for rows in change.values()}
        if len(lengths) > 1:
            raise ValueError(f"moving arrays must have one row for each step, got {lengths}")
        return lengths.pop() if lengths else 0

    def plotly(self, lang: Language = "en", theme: Literal["light", "dark"] = "light") -> Any:
        """Return the figure as a ``plotly.graph_objects.Figure``, ready for a notebook."""
        import plotly.graph_objects as go

        spec = paint(self.to_dict(lang), theme)
        layout = merge(paint(TEMPLATE, theme), spec["layout"])
        for name in [key for key in layout if re.fullmatch(r"[xy]axis\d+", key)]:
            layout[name] = merge(paint(_AXIS, theme), layout[name])
        title = {"title": {"text": resolve(self.title, lang)}} if self.title else {}
        margin = {"margin": {"t": 64}} if self.title else {}
        layout = merge(layout, {**title, **margin, "height": self.height})
        return go.Figure(data=spec["data"], layout=layout, frames=spec["frames"])


def merge(base: Mapping[str, Any], over: Mapping[str, Any]) -> dict[str, Any]:
    """Return ``base`` with the entries of ``over`` laid upon it, nested mappings merged."""
    out = dict(base)
    for key, value in over.items():
        old = out.get(key)
        nested = isinstance(value, Mapping) and isinstance(old, Mapping)
        out[key] = merge(old, value) if nested else value  # type: ignore[arg-type]
    return out


def paint(node: Any, theme: str) -> Any:
    """Return nested data with the colour tokens replaced by a theme's colours."""
    if isinstance(node, str) and node.startswith("@"):
        match = _COLOR.fullmatch(node)
        return _rgba(COLORS[theme][match[1]], match[2]) if match else node
    if isinstance(node, Mapping):
        return {key: paint(child, theme) for key, child in node.items()}
    if isinstance(node, (list, tuple)):
        return [paint(child, theme) for child in node]
    return node


def _rgba(color: str, opacity: str | None) -> str:
    if opacity is None:
        return color
    red, green, blue = (int(color[i : i + 2], 16) for i in (1, 3, 5))
    return f"rgba({red},{green},{blue},{opacity})"


def compact(values: NDArray[Any]) -> NDArray[Any]:
    """Return an array in the smallest type that draws the same: float32, or a small integer."""
    if values.dtype.kind == "f":
        with np.errstate(over="ignore"):
            small = values.astype(np.float32)
        lost = np.isfinite(values) & ((small == 0) & (values != 0) | ~np.isfinite(small))
        return values.astype(np.float64) if lost.any() else small
    if values.dtype.kind in "iub" and values.size:
        low, high = int(values.min()), int(values.max())
        for dtype in (np.uint8, np.int8, np.int16, np.int32):
            if np.iinfo(dtype).min <= low and high <= np.iinfo(dtype).max:
                return values.astype(dtype)
    return values.astype(np.float64) if values.dtype.kind in "iub" else values


def moving(**traces: Mapping[str, ArrayLike | Sequence[str]]) -> dict[int, dict[str, Any]]:
    """Return what an animation changes: ``t0={"y": (n_steps, n_points)}`` for the first trace.

    Addresses of pictures stay a list, one for each step: ``t0={"source": [...]}``.
    """
    return {
        int(name[1:]): {key: _array(rows) for key, rows in arrays.items()}
        for name, arrays in traces.items()
    }


def drawing(into: str, points: int = 64, kind: str = "heights", **also: Any) -> dict[str, Any]:
    """Return what makes a figure one to draw on; see ``Figure.drawn``."""
    return {"into": into, "points": points, "kind": kind, "set": also}


def axis(title: Text, *, log: bool = False, **more: Any) -> dict[str, Any]:
    """Return a plotly axis; the title states quantity and unit.

    A logarithmic axis is labelled at the powers of ten unless ``dtick`` says otherwise.
    """
    kind = {"type": "log", "exponentformat": "power", "dtick": 1} if log else {}
    return {"title": {"text": title}, **kind, **more}


def line(
    x: ArrayLike,
    y: ArrayLike,
    name: Text = "",
    color: str = "@blue",
    *,
    dash: str = "solid",
    width: float = 2,
    **more: Any,
) -> Trace:
    """Return a line trace."""
    style = {"color": color, "dash": dash, "width": width}
    return _scatter(x, y, name, **{"mode": "lines", "line": style, **more})


def curve(
    start: float, step: float, y: ArrayLike, name: Text = "", color: str = "@blue", **more: Any
) -> Trace:
    """Return a line trace over evenly spaced places, which need not be sent."""
    trace = line([], y, name, color, **more)
    del trace["x"]
    return {**trace, "x0": float(start), "dx": float(step)}


def dots(
    x: ArrayLike,
    y: ArrayLike,
    name: Text = "",
    color: str = "@blue",
    *,
    size: float = 7,
    symbol: str = "circle",
    **more: Any,
) -> Trace:
    """Return a trace of markers."""
    style = {"color": color, "size": size, "symbol": symbol}
    return _scatter(x, y, name, **{"mode": "markers", "marker": style, **more})


def _scatter(x: ArrayLike, y: ArrayLike, name: Text, **more: Any) -> Trace:
    trace = {"type": "scatter", "x": _array(x), "y": _array(y), **more}
    return {**trace, "name": name, "showlegend": more.get("showlegend", bool(name))}


def bars(
    x: ArrayLike | Sequence[Text], y: ArrayLike, name: Text = "", color: str = "@blue", **more: Any
) -> Trace:
    """Return a bar trace."""
    trace = {"type": "bar", "x": _array(x), "y": _array(y), "marker": {"color": color}}
    return {**trace, "name": name, "showlegend": bool(name), **more}


def heat(
    z: ArrayLike,
    *,
    x: ArrayLike | None = None,
    y: ArrayLike | None = None,
    colorscale: Any = SEQUENTIAL,
    **more: Any,
) -> Trace:
    """Return a heat map trace of ``z (rows, columns)``; NaN cells stay blank."""
    places = {k: _array(v) for k, v in (("x", x), ("y", y)) if v is not None}
    trace = {"type": "heatmap", "z": _array(z), "colorscale": colorscale, **places}
    return {**trace, "hoverongaps": False, **more}


def picture(source: str, name: Text = "") -> Trace:
    """Return a trace of a stored picture (an address that holds it whole), a pixel a unit.

    Pixel (0, 0) is the upper left one; its middle lies at x = y = 0.
    """
    return {"type": "image", "source": source, "name": name, "hoverinfo": "skip"}


def _array(values: ArrayLike | Sequence[Text]) -> Any:
    """Return numbers as an array of a small type; texts and Words as they are."""
    if isinstance(values, (list, tuple)) and values and isinstance(values[0], (str, Word)):
        return list(values)
    return compact(np.asarray(values))


def vertical(
    x: float, label: Text = "", color: str = "@gray", dash: str = "dash"
) -> dict[str, Any]:
    """Return a mark: a vertical line over the full height, with a label at its top."""
    return {"x": x, "label": label, "color": color, "dash": dash}


def horizontal(
    y: float, label: Text = "", color: str = "@gray", dash: str = "dash"
) -> dict[str, Any]:
    """Return a mark: a horizontal line over the full width, with a label at its right end."""
    return {"y": y, "label": label, "color": color, "dash": dash}


def band(low: float, high: float, label: Text = "", color: str = "@green/0.12") -> dict[str, Any]:
    """Return a mark: the strip ``low <= x <= high`` over the full height."""
    return {"band": (low, high), "label": label, "color": color}


def figure(
    *traces: Trace,
    x: Mapping[str, Any],
    y: Mapping[str, Any],
    marks: Sequence[Mapping[str, Any]] = (),
    layout: Mapping[str, Any] | None = None,
    **more: Any,
) -> Figure:
    """Return a ``Figure`` with one pair of axes.

    Args:
        traces: From ``line``, ``dots``, ``bars``, ``heat``.
        x: Horizontal axis, from ``axis``.
        y: Vertical axis.
        marks: From ``vertical``, ``horizontal``, ``band``.
        layout: Further plotly layout.
        more: Fields of ``Figure``.
    """
    shapes = [_shape(mark) for mark in marks]
    notes = [_label(mark, x, y) for mark in marks if mark["label"]]
    base = {"xaxis": dict(x), "yaxis": dict(y), "shapes": shapes, "annotations": notes}
    extra = dict(layout or {})
    base["annotations"] = notes + list(extra.pop("annotations", []))
    base["shapes"] = shapes + list(extra.pop("shapes", []))
    return Figure(traces, merge(base, extra), **more)


def _shape(mark: Mapping[str, Any]) -> dict[str, Any]:
    pen = {"color": mark["color"], "width": 1.5, "dash": mark.get("dash", "solid")}
    if "band" in mark:
        low, high = mark["band"]
        area = {"type": "rect", "x0": low, "x1": high, "yref": "paper", "y0": 0, "y1": 1}
        return {**area, "fillcolor": mark["color"], "line": {"width": 0}, "layer": "below"}
    if "x" in mark:
        ends = {"x0": mark["x"], "x1": mark["x"], "yref": "paper", "y0": 0, "y1": 1}
    else:
        ends = {"y0": mark["y"], "y1": mark["y"], "xref": "paper", "x0": 0, "x1": 1}
    return {"type": "line", **ends, "line": pen}


def _label(mark: Mapping[str, Any], x: Mapping[str, Any], y: Mapping[str, Any]) -> dict[str, Any]:
    ink = {"color": mark["color"].split("/")[0], "size": 12}
    base = {"text": mark["label"], "showarrow": False, "font": ink, "bgcolor": "@paper/0.8"}
    if "y" in mark:
        place = {"xref": "paper", "x": 1, "y": _place(mark["y"], y)}
        return {**base, **place, "xanchor": "right", "yanchor": "bottom"}
    left = mark["band"][0] if "band" in mark else mark["x"]
    place = {"x": _place(left, x), "yref": "paper", "y": 1}
    low, high = x.get("range", (math.inf, math.inf))  # unknown: labels stand to the right
    turned = place["x"] > 0.35 * low + 0.65 * high
    return {**base, **place, "xanchor": "right" if turned else "left", "yanchor": "top"}


def _place(value: float, along: Mapping[str, Any]) -> float:
    """Return where an annotation stands: plotly wants the exponent on a log axis."""
    return float(np.log10(value)) if along.get("type") == "log" else value
