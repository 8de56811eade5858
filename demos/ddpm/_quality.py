"""Panel: how good the samples are, measured here, beside what the DDIM paper reports."""

import math
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from demos.controls import Choice, Control
from demos.figures import Figure, axis, figure, heat, horizontal, line
from demos.panel import Panel, Preset
from demos.view import Reading, View, at_least, at_most, equal, shown
from demos.words import W, Word
from models import ddpm_quality
from models.ddpm_quality import COUNTS, MEASURED_RULES, RULES, SLACK, Orderings, Row

Floats = NDArray[np.float64]

ASSETS = Path(__file__).resolve().parents[2] / "assets"
MEASURED = ASSETS / "ddpm" / "quality.csv"
REPORTED = ASSETS / "ddpm_reported.json"
SETS = ("digits", "hanzi")
TABLES = ("cifar10", "celeba")
MEASURES = ("frechet", "accuracy", "confidence", "nearest")
NAMES: dict[str, str | Word] = {
    "eta0": "η = 0",
    "eta0.2": "η = 0.2",
    "eta0.5": "η = 0.5",
    "eta1": "η = 1",
    "sigma_hat": "σ̂",
}
COLORS = ("@blue", "@sky", "@green", "@orange", "@gray", "@purple")
DASHES = ("solid", "solid", "solid", "solid", "dot", "solid")


def quality_controls() -> dict[str, Control]:
    """Return the controls of ``quality``."""
    return {
        "ours": Choice(default="digits", options=SETS, radio=True),
        "measure": Choice(default="frechet", options=MEASURES),
        "samples": Choice(default="most", options=("most", "same"), radio=True),
        "reported": Choice(default="cifar10", options=TABLES, radio=True),
    }


def quality(ours: str, measure: str, samples: str, reported: str) -> View:
    """Show the quality of samples by rule and number of steps, measured here and reported.

    Args:
        ours: Network whose samples were measured.
        measure: frechet, accuracy, confidence or nearest.
        samples: Cells with the number of samples that all S have, or with the most.
        reported: Table of the DDIM paper: cifar10 or celeba, always Fréchet distances (FID).
    """
    rows = _measured(MEASURED)[ours]
    n = ddpm_quality.sample_counts(rows)[samples == "most"]
    table = ddpm_quality.table_of(rows, measure, n)
    theirs = _reported(REPORTED)[f"ddim_{reported}"]
    paper = ddpm_quality.reported_table(theirs)
    names = [W(f"ddpm.ours_{ours}"), W(f"ddpm.measure_{measure}"), W(f"ddpm.reported_{reported}")]
    title = W("ddpm.title_measured", set=names[0], measure=names[1])
    pictures = {
        "measured": _heat_figure(table, MEASURED_RULES, title, measure == "frechet"),
        "reported": _heat_figure(
            paper, RULES, W("ddpm.title_reported", table=names[2]), is_distance=True
        ),
    }
    if rows:
        pictures["measured_lines"] = _lines_figure(
            table,
            MEASURED_RULES,
            measure,
            ddpm_quality.real_value(rows, measure),
            W("ddpm.title_measured_lines"),
        )
    pictures["reported_lines"] = _lines_figure(
        paper, RULES, "frechet", math.nan, W("ddpm.title_reported_lines")
    )
    return View(
        pictures,
        W("ddpm.quality_caption", set=names[0], measure=names[1], table=names[2]),
        _readings(rows, n, ddpm_quality.orderings(paper)),
        _table(table, paper),
        html=_also_reported(theirs),
        notes=_notes(rows, table),
    )


def _notes(rows: Sequence[Row], table: Floats) -> list[Word]:
    if not rows:
        return [W("ddpm.note_unmeasured")]
    return [] if np.isfinite(table).all() else [W("ddpm.note_few_samples")]


@cache
def _measured(path: Path) -> dict[str, tuple[Row, ...]]:
    """Return our rows by set; none where nothing was measured."""
    rows = ddpm_quality.read_rows(path)
    return {chosen: tuple(row for row in rows if row.set == chosen) for chosen in SETS}


@cache
def _reported(path: Path) -> dict[str, dict[str, Any]]:
    return ddpm_quality.read_reported(path)


def _name(rule: str) -> str | Word:
    return NAMES.get(rule) or W("ddpm.rule_sigma_hat_end")


def _heat_figure(table: Floats, rules: Sequence[str], title: Word, is_distance: bool) -> Figure:
    """Return the table as cells with their numbers; darker is worse."""
    height = np.log10(table) if is_distance else -table
    known = height[np.isfinite(height)]
    low, high = (float(known.min()), float(known.max())) if known.size else (0.0, 1.0)
    names = [_name(rule) for rule in rules]
    texts = [["" if math.isnan(v) else f"{v:.3g}" for v in row] for row in table.tolist()]

    def ticks(labels: Sequence[Any]) -> dict[str, Any]:
        texts = [label if isinstance(label, Word) else str(label) for label in labels]
        return {"tickvals": list(range(len(texts))), "ticktext": texts, "showgrid": False}

    return figure(
        heat(
            height,
            colorscale=[[0, "@paper"], [1, "@orange/0.55"]],
            zmin=low,
            zmax=high if high > low else low + 1,
            showscale=False,
            text=texts,
            texttemplate="%{text}",
            textfont={"color": "@ink"},
            hovertemplate="%{text}<extra></extra>",
            xgap=2,
            ygap=2,
        ),
        x=axis(W("ddpm.axis_visits"), range=[-0.5, len(COUNTS) - 0.5], **ticks(COUNTS)),
        y=axis(W("ddpm.axis_rule"), range=[len(rules) - 0.5, -0.5], **ticks(names)),
        title=title,
        height=330,
    )


def _lines_figure(
    table: Floats, rules: Sequence[str], measure: str, real: float, title: Word
) -> Figure:
    """Return the rows against S; distances over the smallest of their own table."""
    is_distance = measure == "frechet"
    known = table[np.isfinite(table)]
    scale = float(known.min()) if is_distance and known.size else 1.0
    y = axis(W(f"ddpm.scale_{measure}"), log=is_distance)
    if is_distance:
        y["range"] = [-0.08, 2.2]
    marks = []
    if not is_distance and math.isfinite(real):
        marks.append(horizontal(real, W("ddpm.mark_real"), "@ink"))
    return figure(
        *(
            line(
                COUNTS,
                values / scale,
                _name(rule),
                color,
                dash=dash,
                mode="lines+markers",
                marker={"size": 6, "color": color},
            )
            for rule, values, color, dash in zip(rules, table, COLORS, DASHES, strict=False)
        ),
        x=axis(W("ddpm.axis_visits"), log=True, tickvals=COUNTS, range=[0.9, 3.1]),
        y=y,
        marks=marks,
        title=title,
        height=360,
    )


def _readings(rows: Sequence[Row], n: float, paper: Orderings) -> list[Reading]:
    """Return the paper's orderings asked of our Fréchet distances, and novelty."""
    found = ddpm_quality.orderings(ddpm_quality.table_of(rows, "frechet", n))
    floor = ddpm_quality.table_of(rows, "frechet_floor", n)
    near = ddpm_quality.table_of(rows, "nearest", n) / ddpm_quality.table_of(
        rows, "nearest_real", n
    )
    known = near[np.isfinite(near)]
    novelty = float(known.min()) if known.size else math.nan
    floors = floor[np.isfinite(floor)]

    def theirs(value: float) -> Word:
        return W("ddpm.note_reported", value=value)

    return [
        equal(
            W("ddpm.reading_calm"), found.calm_wins, paper.calm_wins, 0.0, W("ddpm.note_near_floor")
        ),
        at_least(W("ddpm.reading_hat_few"), found.hat_at_few, 1.0, 0.0, theirs(paper.hat_at_few)),
        at_most(W("ddpm.reading_hat_all"), found.hat_at_all, SLACK, 0.0, theirs(paper.hat_at_all)),
        at_most(W("ddpm.reading_rise"), found.largest_rise, SLACK, 0.0, theirs(paper.largest_rise)),
        at_least(W("ddpm.reading_novel"), novelty, 1.0, 0.0, W("ddpm.note_novel")),
        shown(W("ddpm.reading_floor"), float(floors.mean()) if floors.size else math.nan),
        shown(W("ddpm.reading_samples"), n),
    ]


def _also_reported(theirs: dict[str, Any]) -> tuple[str | Word, ...]:
    """Return other reported figures and their sources as HTML."""
    tables = _reported(REPORTED)
    simple, variational = (tables["ddpm_cifar10"]["rows"][i] for i in (0, 1))
    back = tables["ddim_reconstruction"]["rows"]
    sentence = W(
        "ddpm.also_reported",
        fid=simple[3],
        score=simple[1],
        bits=simple[4],
        variational=variational[3],
        few=back[0][1],
        many=back[-1][1],
    )
    sources = {s["url"]: s["number"] for s in tables["ddpm_cifar10"]["sources"] + theirs["sources"]}
    links = [
        f' <a href="{url}" target="_blank" rel="noopener">arXiv {number}</a>'
        for url, number in sources.items()
    ]
    return ("<p>", sentence, *links, "</p>")


def _table(table: Floats, paper: Floats) -> dict[str, Any]:
    """Return one row for each rule and S, ours and the reported value in their own columns."""
    gap = np.full((len(MEASURED_RULES) - len(RULES), len(COUNTS)), math.nan)
    return {
        "sampler": [_name(rule) for rule in MEASURED_RULES for _ in COUNTS],
        "n_visits": [count for _ in MEASURED_RULES for count in COUNTS],
        "measured_here": table.ravel(),
        "reported_fid": np.concatenate([paper, gap]).ravel(),
    }


PANEL = Panel(
    quality,
    quality_controls,
    (
        Preset("hanzi", {"ours": "hanzi"}),
        Preset("celeba", {"reported": "celeba"}),
        Preset("same", {"samples": "same"}),
        Preset("legible", {"measure": "accuracy"}),
        Preset("novel", {"measure": "nearest"}),
    ),
)
