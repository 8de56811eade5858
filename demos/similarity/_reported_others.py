"""The smaller reported tables: hyperparameters of whitening, English sets, ablations, sizes."""

from collections.abc import Callable, Sequence
from typing import Any

from demos.figures import SEQUENTIAL, Figure, axis, bars, dots, figure, heat, horizontal
from demos.similarity._reported_tables import TASKS, html_sources, mean, tables
from demos.view import Reading, View, at_least, equal, near, shown
from demos.words import W

ROUNDING = 0.0101  # points: a mean of rounded scores, printed with two decimals
FILTERS = frozenset({"models", "poolings", "tasks", "by"})
GROUPED = (("@gray", "raw"), ("@orange", "full"), ("@green", "cut_256"))

Row = Sequence[Any]


def others(table: str, study: str, order: str) -> View:
    """Return the view of a table other than the main one and our own."""
    return VIEWS[table](table, study, order)


def _stored(table: str) -> tuple[list[str], list[Row]]:
    stored = tables()[table]
    return stored["columns"], stored["rows"]


def _unused(*names: str) -> frozenset[str]:
    return FILTERS | frozenset(names)


# --- A table of models by sets --------------------------------------------------------------------


def _scores_view(table: str, study: str, order: str) -> View:
    """Return a table whose rows are models and whose columns are sets, with its main column."""
    columns, rows = _stored(table)
    sets = columns[1:]
    main = "Avg" if "Avg" in sets else "STS-B"
    place = columns.index(main)
    if order == "value":
        rows = sorted(rows, key=lambda row: -row[place])
    names = [row[0] for row in rows]
    digits = "%{z:.3f}" if table == "reproduction" else "%{z:.1f}"
    cells = heat(
        [[float("nan") if value is None else value for value in row[1:]] for row in rows],
        x=sets,
        y=names,
        colorscale=SEQUENTIAL,
        texttemplate=digits,
        hovertemplate=W("similarity.reported_hover"),
        colorbar={"thickness": 10},
        xgap=1,
        ygap=1,
    )
    flat = [
        (row[0], name, value)
        for row in rows
        for name, value in zip(sets, row[1:], strict=True)
        if value is not None
    ]
    return View(
        {
            "cells": figure(
                cells,
                x=axis(W("similarity.reported_by_task"), type="category", side="top"),
                y=axis(
                    W("similarity.reported_by_model"),
                    type="category",
                    autorange="reversed",
                    tickfont={"size": 11},
                ),
                title=W("similarity.reported_title_cells"),
                height=110 + 24 * len(rows),
                wide=True,
            ),
            "main": _lying(names, [row[place] for row in rows], main),
        },
        W(f"similarity.reported_caption_{table}"),
        SCORE_READINGS[table](columns, rows),
        {
            "model": [model for model, *_ in flat],
            "task": [name for _, name, _ in flat],
            "score": [value for *_, value in flat],
        },
        html=html_sources(table),
        unused=_unused("study"),
    )


def _lying(names: Sequence[str], values: Sequence[float | None], column: str) -> Figure:
    return figure(
        bars(
            [float("nan") if value is None else value for value in values],
            list(names),
            color="@blue",
            orientation="h",
        ),
        x=axis(W("similarity.reported_axis_score"), rangemode="tozero"),
        y=axis(
            W("similarity.reported_by_model"),
            type="category",
            autorange="reversed",
            tickfont={"size": 11},
        ),
        title=W("similarity.reported_title_main", column=column),
        height=110 + 22 * len(names),
        wide=True,
    )


def _value(rows: Sequence[Row], model: str, place: int) -> float:
    return float(next(row[place] for row in rows if row[0] == model))


def _reproduction_readings(columns: Sequence[str], rows: Sequence[Row]) -> list[Reading]:
    sts = columns.index("STS-B")
    gains = [
        _value(rows, f"{size} {cut}", sts) - _value(rows, f"{size} first_last_avg", sts)
        for size, cut in (
            ("BERT-base", "whiten-256 (target)"),
            ("BERT-large", "whiten-384 (target)"),
        )
    ]
    return [
        at_least(W("similarity.reported_gain_base"), round(gains[0], 4), 0),
        at_least(W("similarity.reported_gain_large"), round(gains[1], 4), 0),
        shown(W("similarity.reported_best", column="STS-B"), _best(rows, sts)),
    ]


def _paper_readings(columns: Sequence[str], rows: Sequence[Row]) -> list[Reading]:
    place = columns.index("Avg")
    off = [row for row in rows if abs(mean(row[1:place]) - row[place]) > ROUNDING]
    note = [
        W(
            "similarity.reported_note_average",
            model=row[0],
            given=row[place],
            found=mean(row[1:place]),
        )
        for row in off
    ]
    raw = "BERT-base first-last avg"
    simcse = _value(rows, "unsup SimCSE-BERT-base", place)
    return [
        equal(
            W("similarity.reported_averages"),
            len(rows) - len(off),
            len(rows),
            note=note[0] if note else None,
        ),
        at_least(
            W("similarity.reported_simcse_over_raw"), round(simcse - _value(rows, raw, place), 2), 0
        ),
        shown(W("similarity.reported_best", column="Avg"), _best(rows, place)),
    ]


def _present_readings(columns: Sequence[str], rows: Sequence[Row]) -> list[Reading]:
    simcse = rows[[row[0] for row in rows].index("bert4torch, unsup SimCSE")]
    today = [row for row in rows if row[0].startswith(("bge", "Qwen"))]
    readings = [
        at_least(
            W("similarity.reported_today", task=task),
            max(row[place] for row in today if row[place] is not None),
            simcse[place],
        )
        for place, task in enumerate(TASKS, start=1)
    ]
    best = [max(r[place] for r in rows if r[place] is not None) for place in range(1, 6)]
    hard = TASKS[best.index(min(best))]
    return [*readings, shown(W("similarity.reported_hardest"), f"{hard}: {min(best)}")]


def _best(rows: Sequence[Row], place: int) -> str:
    best = max(rows, key=lambda row: row[place])
    return f"{best[0]}: {best[place]}"


SCORE_READINGS: dict[str, Callable[[Sequence[str], Sequence[Row]], list[Reading]]] = {
    "reproduction": _reproduction_readings,
    "paper_all": _paper_readings,
    "paper_wmean": _paper_readings,
    "present": _present_readings,
}


# --- The others -----------------------------------------------------------------------------------


def _beta_gamma_view(table: str, study: str, order: str) -> View:
    """Return whitening with beta and gamma: both 1 is whitening, both 0 turns the vectors only."""
    columns, rows = _stored(table)
    names = [f"{row[0]}-{row[1]}, β = γ = {row[2]}" for row in rows]
    figures = {}
    for name, row in zip(names, rows, strict=True):
        traces = [
            bars(list(TASKS), row[4 + place :: 3], W(f"similarity.reported_{kind}"), color)
            for place, (color, kind) in enumerate(GROUPED)
        ]
        figures[name] = figure(
            *traces,
            x=axis(W("similarity.reported_by_task"), type="category"),
            y=axis(W("similarity.reported_axis_score"), rangemode="tozero"),
            title=name,
            height=300,
            layout={"barmode": "group"},
        )
    turned = [row for row in rows if row[2] == 0]
    moved = max(abs(row[4 + 3 * t] - row[5 + 3 * t]) for row in turned for t in range(len(TASKS)))
    lost = [row[5 + 3 * t] - row[6 + 3 * t] for row in turned for t in range(len(TASKS))]
    flat = [
        (name, task, *row[4 + 3 * t : 7 + 3 * t])
        for name, row in zip(names, rows, strict=True)
        for t, task in enumerate(TASKS)
    ]
    return View(
        figures,
        W("similarity.reported_caption_beta_gamma"),
        [
            equal(W("similarity.reported_turned"), moved, 0),
            shown(W("similarity.reported_cut_costs"), round(max(lost), 2)),
        ],
        {
            "setting": [row[0] for row in flat],
            "task": [row[1] for row in flat],
            "raw": [row[2] for row in flat],
            "transformed": [row[3] for row in flat],
            "cut_256": [row[4] for row in flat],
        },
        html=html_sources(table),
        unused=_unused("study", "order"),
    )


def _english_view(table: str, study: str, order: str) -> View:
    """Return STS-B by flow and whitening, base and large."""
    columns, rows = _stored(table)
    score = {(row[0], row[1], row[2]): row[3] for row in rows}
    methods = list(dict.fromkeys(row[1] for row in rows if row[2] is None)) + ["whitening_cut"]
    figures = {}
    for model, k, color in (("BERT-base", 256, "@blue"), ("BERT-large", 384, "@orange")):
        found = [
            (score.get((model, name, None), score[model, "whitening_target", k]), name)
            for name in methods
        ]
        if order == "value":
            found.sort()
        figures[model] = figure(
            {
                **dots([], [value for value, _ in found], color=color, size=11),
                "x": [W(f"similarity.reported_method_{name}", k=k) for _, name in found],
            },
            x=axis(W("similarity.reported_method"), type="category"),
            y=axis(W("similarity.reported_axis_score"), range=[50, 75]),
            title=model,
            height=340,
        )
    base, large = "BERT-base", "BERT-large"
    return View(
        figures,
        W("similarity.reported_caption_english"),
        [
            near(
                W("similarity.reported_reproduced"),
                max(
                    abs(
                        score[m, "first_last_paper", None] - score[m, "first_last_reproduced", None]
                    )
                    for m in (base, large)
                ),
                0,
                0.05,
                W("similarity.reported_note_reproduced"),
            ),
            *(
                shown(
                    W("similarity.reported_over_flow", model=model),
                    round(
                        score[model, "whitening_target", None] - score[model, "flow_target", None],
                        2,
                    ),
                )
                for model in (base, large)
            ),
            at_least(
                W("similarity.reported_cut_gains"),
                round(
                    min(
                        score[m, "whitening_target", k] - score[m, "whitening_target", None]
                        for m, k in ((base, 256), (large, 384))
                    ),
                    2,
                ),
                0,
            ),
        ],
        {
            "model": [row[0] for row in rows],
            "method": [
                W(
                    f"similarity.reported_method_{row[1] if row[2] is None else 'whitening_cut'}",
                    k=row[2] or 0,
                )
                for row in rows
            ],
            "score": [row[3] for row in rows],
        },
        html=html_sources(table),
        unused=_unused("study"),
    )


def _retrieval_view(table: str, study: str, order: str) -> View:
    """Return quality, time and size of an index of Quora's questions."""
    columns, rows = _stored(table)
    if order == "value":
        rows = sorted(rows, key=lambda row: -row[2])
    figures = {}
    for place, unit, color in ((2, "mrr", "@blue"), (3, "ms", "@orange"), (4, "gb", "@green")):
        figures[unit] = figure(
            bars(
                [row[place] for row in rows],
                [f"{row[0]} {row[1]}" for row in rows],
                color=color,
                orientation="h",
            ),
            x=axis(W(f"similarity.reported_axis_{unit}"), rangemode="tozero"),
            y=axis(
                W("similarity.reported_by_row"),
                type="category",
                autorange="reversed",
                tickfont={"size": 11},
            ),
            title=W(f"similarity.reported_title_{unit}"),
            height=320,
            wide=True,
        )
    size = {(row[0], row[1]): row[4] for row in rows}
    return View(
        figures,
        W("similarity.reported_caption_retrieval"),
        [
            near(
                W("similarity.reported_memory", k=k, d=d),
                size[model, f"whiten-{k}(target)"] / size[model, "raw"],
                k / d,
                1e-3,
                W("similarity.reported_note_memory"),
            )
            for model, k, d in (("BERT-base", 256, 768), ("BERT-large", 384, 1024))
        ],
        {
            "model": [row[0] for row in rows],
            "vectors": [row[1] for row in rows],
            "mrr": [row[2] for row in rows],
            "milliseconds": [row[3] for row in rows],
            "gigabytes": [row[4] for row in rows],
        },
        html=html_sources(table),
        unused=_unused("study"),
    )


def _ablations_view(table: str, study: str, order: str) -> View:
    """Return one ablation of the SimCSE paper."""
    _, every = _stored(table)
    rows = [row for row in every if row[0] == study]
    if order == "value":
        rows = sorted(rows, key=lambda row: -row[3])
    measures = list(dict.fromkeys(row[2] for row in rows))
    traces = [
        dots(
            [row[3] for row in rows if row[2] == measure],
            [row[1] for row in rows if row[2] == measure],
            W(f"similarity.reported_measure_{MEASURES[measure]}"),
            color,
            size=11,
        )
        for measure, color in zip(measures, ("@blue", "@orange"), strict=False)
    ]
    names = list(dict.fromkeys(row[1] for row in rows))
    best = max(rows, key=lambda row: row[3])
    return View(
        figure(
            *traces,
            x=axis(W("similarity.reported_axis_score")),
            y=axis(
                W("similarity.reported_setting"),
                type="category",
                categoryorder="array",
                categoryarray=names[::-1],
            ),
            height=140 + 30 * len(names),
        ),
        W("similarity.reported_caption_ablations", study=W(f"similarity.reported_study_{study}")),
        [
            shown(W("similarity.reported_best_setting"), f"{best[1]}: {best[3]}"),
            *_ablation_readings(study, {(row[1], row[2]): row[3] for row in rows}),
        ],
        {
            "setting": [row[1] for row in rows],
            "measure": [W(f"similarity.reported_measure_{MEASURES[row[2]]}") for row in rows],
            "score": [row[3] for row in rows],
        },
        html=html_sources(table),
        unused=_unused(),
    )


MEASURES = {
    "unsupervised": "unsupervised",
    "supervised": "supervised",
    "one encoder": "one",
    "two encoders": "two",
    "average over 7, all": "average",
}


def _ablation_readings(study: str, score: dict[tuple[str, str], float]) -> list[Reading]:
    def of(setting: str, measure: str = "unsupervised") -> float:
        return score[setting, measure]

    if study == "dropout":
        cost = round(of("0.1") - of("fixed 0.1"), 2)
        return [
            at_least(W("similarity.reported_no_dropout"), round(of("0.1") - of("0.0"), 2), 10),
            at_least(W("similarity.reported_fixed_mask"), cost, 10),
        ]
    if study == "temperature":
        gap = round(of("0.05", "supervised") - of("1", "supervised"), 2)
        return [at_least(W("similarity.reported_hot"), gap, 0)]
    if study == "augmentation":
        next_best = max(v for (name, _), v in score.items() if name != "none")
        return [at_least(W("similarity.reported_dropout_alone"), of("none"), next_best)]
    if study == "objective":
        gap = round(of("SimCSE", "one encoder") - of("SimCSE", "two encoders"), 2)
        return [at_least(W("similarity.reported_one_encoder"), gap, 0)]
    return []


def _sizes_view(table: str, study: str, order: str) -> View:
    _, rows = _stored(table)
    if order == "value":
        rows = sorted(rows, key=lambda row: -row[1])
    names = [row[0] for row in rows]
    parts = (("train", "@blue"), ("valid", "@orange"), ("test", "@green"))
    traces = [
        bars(names, [row[place] for row in rows], W(f"similarity.reported_{part}"), color)
        for place, (part, color) in enumerate(parts, start=1)
    ]
    return View(
        figure(
            *traces,
            x=axis(W("similarity.reported_by_task"), type="category"),
            y=axis(W("similarity.reported_axis_pairs"), log=True),
            layout={"barmode": "group"},
            marks=[horizontal(10_000, W("similarity.reported_mark_sample"))],
        ),
        W("similarity.reported_caption_sizes"),
        [
            shown(
                W("similarity.reported_share", task=row[0]),
                round(100 * 10_000 / (2 * sum(row[1:])), 1),
            )
            for row in rows
        ],
        {
            "task": names,
            "train": [row[1] for row in rows],
            "valid": [row[2] for row in rows],
            "test": [row[3] for row in rows],
        },
        html=html_sources(table),
        unused=_unused("study"),
    )


VIEWS: dict[str, Callable[[str, str, str], View]] = {
    "beta_gamma": _beta_gamma_view,
    "english": _english_view,
    "reproduction": _scores_view,
    "retrieval": _retrieval_view,
    "paper_all": _scores_view,
    "paper_wmean": _scores_view,
    "ablations": _ablations_view,
    "present": _scores_view,
    "sizes": _sizes_view,
}
