"""View "reported" of the panel compare: the posts' results, and ours beside them, never mixed."""

import csv
import json
import math
from functools import cache
from typing import Any

from demos.figures import Figure, Trace, axis, bars, figure
from demos.view import Reading, View, at_least, shown
from demos.words import W, Word
from models.ner import FOLDER

REPORTED = FOLDER / "reported.json"
OURS = FOLDER / "table.csv"
SETS = ("people_daily", "cluener", "cmeee")
STYLES = {
    "crf": ("@purple", "x"),
    "gp_bare": ("@sky", "/"),
    "gp": ("@blue", ""),
    "egp": ("@orange", "."),
    "egp_bare": ("@olive", "\\"),
}


def reported() -> View:
    """Show the tables of the posts and, in a picture of their own, the heads trained here."""
    rows = reported_rows()
    ours = our_rows()
    figures = {"reported": _reported(rows)}
    if ours:
        figures["ours"] = _ours(ours)
    return View(
        figures,
        W("ner.compare_reported_caption", n=len(rows)),
        [*_claims(rows), *_lengths(rows)],
        _table(rows),
        html=[*_sources(rows), *_own_table(ours)],
        notes=[] if ours else [W("ner.compare_note_no_table")],
    )


@cache
def reported_rows() -> list[dict[str, Any]]:
    """Return the reported results: set, model, F1 in %, speed as a multiple of the CRF's."""
    rows: list[dict[str, Any]] = json.loads(REPORTED.read_text(encoding="utf-8"))
    return rows


@cache
def our_rows() -> list[dict[str, str]]:
    """Return the results of the heads trained here, none before there are any."""
    if not OURS.exists():
        return []
    with OURS.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def _reported(rows: list[dict[str, Any]]) -> Figure:
    traces = []
    for model in dict.fromkeys(row["model"] for row in rows):
        mine = [row for row in rows if row["model"] == model]
        places = [W(f"ner.compare_set_{row['set']}") for row in mine]
        traces.append(_bars(model, places, [row["test"] for row in mine]))
    return _groups(traces, W("ner.compare_title_reported"))


def _ours(rows: list[dict[str, str]]) -> Figure:
    traces = []
    for model in dict.fromkeys(row["head"] for row in rows):
        mine = [row for row in rows if row["head"] == model]
        places = [W(f"ner.types_{row['set']}") for row in mine]
        traces.append(_bars(model, places, [100 * float(row["f1"]) for row in mine]))
    return _groups(traces, W("ner.compare_title_ours"))


def _bars(model: str, places: list[Word], heights: list[float]) -> Trace:
    color, shape = STYLES[model]
    marker = {"color": color, "pattern": _pattern(shape)}
    texts = [f"{height:.1f}" for height in heights]
    more: dict[str, Any] = {"text": texts, "textposition": "outside", "marker": marker}
    more["hovertemplate"] = "%{x}: %{y:.2f} %"
    return bars(places, heights, W(f"ner.head_{model}"), color, **more)


def _pattern(shape: str) -> dict[str, Any]:
    """Return strokes over a bar's colour, so that bars differ without it."""
    return {"shape": shape, "fillmode": "overlay", "fgcolor": "@paper", "size": 7, "solidity": 0.2}


def _groups(traces: list[Trace], title: Word) -> Figure:
    return figure(
        *traces,
        x=axis(W("ner.compare_axis_set")),
        y=axis(W("ner.compare_axis_f1"), range=[0, 112], tickvals=[0, 20, 40, 60, 80, 100]),
        layout={"barmode": "group", "bargap": 0.2, "legend": {"y": 1.04}},
        title=title,
        wide=True,
        height=380,
    )


def _claims(rows: list[dict[str, Any]]) -> list[Reading]:
    """Return what the posts conclude, checked on their own figures."""
    test = {(row["set"], row["model"]): float(row["test"]) for row in rows}
    readings = []
    for better, than in (("gp", "crf"), ("egp", "gp")):
        for name in SETS:
            words = {"a": W(f"ner.head_{better}"), "b": W(f"ner.head_{than}")}
            quantity = W("ner.compare_reading_beats", set=W(f"ner.compare_set_{name}"), **words)
            high, low = test[name, better], test[name, than]
            note = None if high >= low else W("ner.compare_note_close", gap=round(low - high, 2))
            readings.append(at_least(quantity, high, low, note=note))
    gap = round(test["people_daily", "gp"] - test["people_daily", "gp_bare"], 2)
    return [*readings, at_least(W("ner.compare_reading_rope_gap"), gap, 30)]


def _lengths(rows: list[dict[str, Any]]) -> list[Reading]:
    """Return the length of the training texts of each set."""
    by_set = {row["set"]: row for row in rows}
    return [
        shown(
            W("ner.compare_reading_length", set=W(f"ner.compare_set_{name}")),
            f"{row['length_mean']:.2f} ± {row['length_std']:.2f}",
            W(f"ner.compare_note_set_{'nested' if row['nested'] else 'flat'}", m=row["n_types"]),
        )
        for name, row in by_set.items()
    ]


def _table(rows: list[dict[str, Any]]) -> dict[str, Any]:
    """Return the reported figures; what a post does not give is blank."""

    def numbers(name: str) -> list[float]:
        return [math.nan if row[name] is None else float(row[name]) for row in rows]

    return {
        "compare_set": [W(f"ner.compare_set_{row['set']}") for row in rows],
        "compare_model": [W(f"ner.head_{row['model']}") for row in rows],
        "compare_dev": numbers("dev"),
        "compare_test": numbers("test"),
        "compare_train_speed": numbers("train_speed"),
        "compare_predict_speed": numbers("predict_speed"),
        "compare_source": [row["source"] for row in rows],
    }


def _sources(rows: list[dict[str, Any]]) -> list[str | Word]:
    parts: list[str | Word] = ["<p>", W("ner.compare_reported_from"), " "]
    for source in dict.fromkeys(row["source"] for row in rows):
        number = source.rsplit("/", 1)[-1]
        parts.append(f'<a href="{source}" target="_blank" rel="noopener">{number}</a> ')
    return [*parts, "</p>"]


def _own_table(rows: list[dict[str, str]]) -> list[str | Word]:
    """Return our results as a table of their own."""
    if not rows:
        return []
    parts: list[str | Word] = ["<p><strong>", W("ner.compare_title_ours"), "</strong></p>"]
    parts.append('<div class="ssp-table"><table><thead><tr>')
    names = list(rows[0])
    for name in names:
        parts += ['<th scope="col">', W(f"ner.compare_own_{name}"), "</th>"]
    parts.append("</tr></thead><tbody>")
    for row in rows:
        parts.append("<tr>")
        for name in names:
            parts += ["<td>", _own_cell(name, row[name]), "</td>"]
        parts.append("</tr>")
    return [*parts, "</tbody></table></div>"]


def _own_cell(name: str, value: str) -> str | Word:
    if name in ("set", "head"):
        return W(f"ner.types_{value}" if name == "set" else f"ner.head_{value}")
    if name in ("texts", "entities"):
        return value
    if not value:
        return "–"
    number = float(value)
    return f"{number:.2f}×" if name in ("train_speed", "predict_speed") else f"{100 * number:.2f}"
