"""Panel: the tables that posts and repositories report, as data."""

import math
from collections.abc import Sequence
from typing import Any

from demos.controls import Choice, Choices, Control
from demos.figures import axis, bars, dots, figure, horizontal, line, vertical
from demos.panel import Panel, Preset
from demos.rope._common import TABLES, reported_tables
from demos.view import View, equal, shown
from demos.words import W, Word
from models import rope
from models.rope import Scheme

FAMILIES = ("baseline", "pi", "ntk", "rerope", "inverse", "hwfa", "hwfa-rerope")
FAMILY_COLORS = dict(
    zip(FAMILIES, ("@gray", "@purple", "@olive", "@blue", "@orange", "@green", "@sky"), strict=True)
)


def reported_controls() -> dict[str, Control]:
    """Return the controls of ``reported``."""
    return {
        "table": Choice(default="main", options=tuple(TABLES)),
        "condition": Choice(default="repeated", options=("repeated", "plain"), radio=True),
        "families": Choices(default=FAMILIES, options=FAMILIES),
        "log_ns": Choices(default=rope.LOG_N, options=rope.LOG_N, words="log_n"),
        "order": Choice(default="value", options=("value", "table"), radio=True),
    }


def reported(
    table: str, condition: str, families: Sequence[str], log_ns: Sequence[str], order: str
) -> View:
    """Explore the tables that the posts and repositories report; none of it is computed here.

    Args:
        table: Which table.
        condition: repeated (a text repeated to fill 4096) or plain (natural long text).
        families: Families of methods in the main table.
        log_ns: Kinds of log n scale in the main table.
        order: Rows by value or as in the table.
    """
    if table == "main":
        return _main_view(condition, families, log_ns, order)
    filters = {"families", "log_ns", "order"}
    if table in ("windows", "leaky"):
        view = _windows_view if table == "windows" else _leaky_view
        return view(condition, frozenset(filters))
    return _lengths_view(table, frozenset({*filters, "condition"}))


def _links(table: str) -> tuple[str | Word, ...]:
    """Return the sources of a table as HTML."""
    parts: list[str | Word] = ["<p>", W("rope.reported_from"), " "]
    for source in reported_tables()[table]["sources"]:
        parts.append(
            f'<a href="{source["url"]}" target="_blank" rel="noopener">{source["number"]}</a> '
        )
    return (*parts, "</p>")


def _main_view(condition: str, families: Sequence[str], log_ns: Sequence[str], order: str) -> View:
    every = reported_tables()["main"]["rows"]
    rows = [
        row for row in reported_tables()["main"]["rows"] if row[1] in families and row[2] in log_ns
    ]
    value = {"repeated": 4, "plain": 5}[condition]
    if order == "value":
        rows = sorted(rows, key=lambda row: row[value])
    else:
        rows = rows[::-1]
    names = [row[0] for row in rows]
    traces = [
        bars(
            [row[value] for row in rows if row[1] == family],
            [row[0] for row in rows if row[1] == family],
            W(f"rope.families_{family}"),
            FAMILY_COLORS[family],
            orientation="h",
        )
        for family in FAMILIES
        if any(row[1] == family for row in rows)
    ]
    trained = dots([row[3] for row in rows], names, W("rope.at_512"), "@ink", symbol="line-ns-open")
    base = next(row for row in every if row[0] == "Baseline")
    best = max(rows, key=lambda row: row[value], default=None)
    readings = [shown(W("rope.reading_rows"), W("rope.of", part=len(rows), whole=len(every)))]
    if best:
        readings += [
            shown(W("rope.reading_best"), f"{best[0]}: {best[value]} %"),
            shown(W("rope.reading_over_baseline"), round(best[value] - base[value], 2)),
        ]
    return View(
        figure(
            *traces,
            *([trained] if rows else []),
            x=axis(W("rope.axis_accuracy"), range=[0, 92]),
            y=axis(
                W("rope.axis_model"),
                categoryorder="array",
                categoryarray=names,
                tickfont={"size": 11},
            ),
            layout={"bargap": 0.25},
            height=max(220, 90 + 21 * len(rows)),
        ),
        W("rope.reported_caption_main", condition=W(f"rope.condition_{condition}")),
        readings,
        {
            "row": names,
            "family": [row[1] for row in rows],
            "log_n": [row[2] for row in rows],
            "accuracy_512": [row[3] for row in rows],
            "accuracy_repeated": [row[4] for row in rows],
            "accuracy_plain": [row[5] for row in rows],
        },
        html=_links("main"),
    )


def _windows_view(condition: str, unused: frozenset[str]) -> View:
    rows = reported_tables()["windows"]["rows"]
    first = {"repeated": 1, "plain": 2}[condition]
    windows = [row[0] for row in rows]
    traces = []
    for place, (name, color) in enumerate(
        (("none", "@blue"), ("dagger", "@green"), ("trained", "@orange"))
    ):
        heights = [row[first + 2 * place] for row in rows]
        mode: dict[str, Any] = {"mode": "lines+markers", "marker": {"color": color, "size": 9}}
        traces.append(line(windows, heights, W(f"rope.log_n_{name}"), color, **mode))
    collapse = min(rows[-1][first::2]) if rows else math.nan
    return View(
        figure(
            *traces,
            x=axis(W("rope.axis_window"), type="log", tickvals=windows),
            y=axis(W("rope.axis_accuracy"), range=[0, 92]),
            marks=[vertical(512, W("rope.mark_trained"), "@gray")],
        ),
        W("rope.reported_caption_windows", condition=W(f"rope.condition_{condition}")),
        [
            shown(W("rope.reading_robust"), W("rope.value_robust")),
            shown(W("rope.reading_collapse"), f"{collapse} %", W("rope.note_collapse")),
        ],
        {
            "window": windows,
            "accuracy_none": [row[first] for row in rows],
            "accuracy_dagger": [row[first + 2] for row in rows],
            "accuracy_trained": [row[first + 4] for row in rows],
        },
        html=_links("windows"),
        unused=unused,
    )


def _leaky_view(condition: str, unused: frozenset[str]) -> View:
    """Return the Leaky table with the largest position of each row, computed, over it."""
    rows = reported_tables()["leaky"]["rows"][::-1]
    first = {"repeated": 1, "plain": 2}[condition]
    ks = [math.inf if row[0] is None else float(row[0]) for row in rows]
    names = ["∞" if math.isinf(k) else f"{k:g}" for k in ks]
    accuracy = {128: [row[first] for row in rows], 256: [row[first + 2] for row in rows]}
    reach = {w: [rope.largest_position(Scheme("leaky", w, k), 4096) for k in ks] for w in accuracy}
    traces, agree = [], 0
    for w, color in ((128, "@blue"), (256, "@orange")):
        mode: dict[str, Any] = {"mode": "lines+markers", "marker": {"color": color, "size": 9}}
        traces.append(line(names, accuracy[w], W("rope.window_share", w=w), color, **mode))
        best = max(accuracy[w])
        drop = 0.9 if condition == "plain" else 3.0  # points below the best of its column
        agree += sum(
            (r > 512) == (a < best - drop) for r, a in zip(reach[w], accuracy[w], strict=True)
        )
    positions = [
        bars([f"{name} · {w}" for name in names], reach[w], W("rope.window_share", w=w), color)
        for w, color in ((128, "@blue"), (256, "@orange"))
    ]
    return View(
        {
            "accuracy": figure(
                *traces,
                x=axis(W("rope.axis_factor"), type="category"),
                y=axis(W("rope.axis_accuracy")),
                title=W("rope.title_reported"),
            ),
            "positions": figure(
                *positions,
                x=axis(W("rope.axis_factor_window"), type="category"),
                y=axis(W("rope.axis_largest")),
                marks=[horizontal(512, W("rope.mark_trained"), "@gray")],
                title=W("rope.title_computed"),
            ),
        },
        W("rope.reported_caption_leaky", condition=W(f"rope.condition_{condition}")),
        [equal(W("rope.reading_leaky"), agree, 2 * len(rows), note=W("rope.note_leaky"))],
        {
            "scaling_factor": names,
            "accuracy_w128": accuracy[128],
            "accuracy_w256": accuracy[256],
            "largest_w128": reach[128],
            "largest_w256": reach[256],
        },
        html=_links("leaky"),
        unused=unused,
    )


def _lengths_view(name: str, unused: frozenset[str]) -> View:
    """Return a table of values by length, one line per row."""
    table = reported_tables()[name]
    rows, unit = table["rows"], W(f"rope.axis_reported_{name}")
    lines: list[tuple[Word | str, list[float | None]]]
    if name == "minimal_base":
        lengths = [row[0] for row in rows]
        lines = [
            (W("rope.base_paper"), [row[1] for row in rows]),
            (W("rope.base_post"), [row[2] for row in rows]),
        ]
    else:
        lengths = [_tokens(column) for column in table["columns"][1:]]
        lines = [(row[0], row[1:]) for row in rows]
    traces = []
    for (label, values), color in zip(lines, ("@blue", "@orange", "@green"), strict=False):
        heights = [math.nan if v is None else v for v in values]
        mode: dict[str, Any] = {"mode": "lines+markers", "marker": {"color": color, "size": 9}}
        traces.append(line(lengths, heights, label, color, **mode))
    flat = [
        (label, length, value)
        for label, values in lines
        for length, value in zip(lengths, values, strict=True)
        if value is not None
    ]
    low, high = min(v for *_, v in flat), max(v for *_, v in flat)
    return View(
        figure(
            *traces,
            x=axis(
                W("rope.axis_length"),
                type="log",
                tickvals=lengths,
                ticktext=[_short(n) for n in lengths],
            ),
            y=axis(unit, log=name == "minimal_base"),
        ),
        W(f"rope.reported_caption_{name}"),
        [shown(W("rope.reading_span"), W("rope.span", low=low, high=high))],
        {
            "row": [label for label, *_ in flat],
            "length": [length for _, length, _ in flat],
            "value": [value for *_, value in flat],
        },
        html=_links(name),
        unused=unused,
    )


def _tokens(text: str) -> int:
    return int(text[:-1]) * 1024 if text.endswith("k") else int(text)


def _short(n: int) -> str:
    return f"{n // 1_048_576}M" if n >= 1_048_576 else f"{n // 1024}k" if n >= 1024 else str(n)


PANEL = Panel(
    reported,
    reported_controls,
    (
        Preset("leaky", {"table": "leaky"}),
        Preset("windows", {"table": "windows"}),
        Preset("logn", {"table": "main", "families": ["ntk", "rerope", "inverse"]}),
        Preset("llama", {"table": "llama"}),
    ),
)
