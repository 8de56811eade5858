"""Panel: the tables that the posts, papers and repositories report, as data; our own beside them.

The cells of the main table hold three scores: a raw, b whitening, c SimCSE.
"""

from collections.abc import Sequence

from demos.controls import Choice, Choices, Control
from demos.figures import SYMMETRIC, Figure, axis, bars, figure, heat
from demos.panel import Panel, Preset
from demos.similarity._reported_others import VIEWS, others
from demos.similarity._reported_tables import (
    MODELS,
    POOLINGS,
    STUDIES,
    SUPERVISED,
    TABLES,
    TASKS,
    Cell,
    chinese_cells,
    html_sources,
    mean,
    own_cells,
)
from demos.view import Reading, View, at_least, at_most, shown
from demos.words import W, Word

METHODS = (("raw", "@gray"), ("whitening", "@orange"), ("simcse", "@blue"))
LABELLED = 40  # cells of a heat map with their number in them, in each column
CLAIMS = {  # what the post says of c > b: in most cells, or in few
    "ATEC": "most",
    "BQ": "most",
    "LCQMC": "most",
    "STS-B": "most",
    "PAWSX": "few",
}


def reported_controls() -> dict[str, Control]:
    """Return the controls of ``reported``."""
    return {
        "table": Choice(default="chinese", options=TABLES),
        "models": Choices(default=MODELS, options=MODELS),
        "poolings": Choices(default=POOLINGS, options=POOLINGS),
        "tasks": Choices(default=TASKS, options=TASKS),
        "by": Choice(default="task", options=("task", "model", "pooling", "row"), radio=True),
        "study": Choice(default="dropout", options=STUDIES),
        "order": Choice(default="table", options=("table", "value"), radio=True),
    }


def reported(
    table: str,
    models: Sequence[str],
    poolings: Sequence[str],
    tasks: Sequence[str],
    by: str,
    study: str,
    order: str,
) -> View:
    """Explore the tables that posts, papers and repositories report, and our own beside them.

    Args:
        table: Which table.
        models: Encoders of the Chinese table.
        poolings: P1..P4 of the Chinese table.
        tasks: Data sets of the Chinese table.
        by: What a group of bars stands for: task, model, pooling or row.
        study: Which ablation of the SimCSE paper.
        order: Rows as in the table or by value.
    """
    if table in VIEWS:
        return others(table, study, order)
    if table == "ours":
        return _own(own_cells(), by, order)
    cells = [
        cell
        for cell in chinese_cells()
        if cell.model in models and cell.pooling in poolings and cell.task in tasks
    ]
    if not cells:
        return _nothing(W("similarity.reported_no_cells"), frozenset({"study"}))
    own = own_cells()
    figures = _figures(cells, by, order)
    if own:
        figures["ours"] = _bars(own, by, W("similarity.reported_title_ours"))
    return View(
        figures,
        W("similarity.reported_caption_chinese", n=len(cells), whole=len(chinese_cells())),
        _readings(cells),
        _table(cells),
        html=html_sources("chinese"),
        notes=[W("similarity.reported_note_ours")] if own else [],
        unused=frozenset({"study"}),
    )


def _own(cells: Sequence[Cell], by: str, order: str) -> View:
    unused = frozenset({"models", "poolings", "tasks", "study"})
    if not cells:
        return _nothing(W("similarity.reported_no_own"), unused)
    there = [cell for cell in cells if cell.simcse == cell.simcse]  # some have no adapter
    readings = []
    for one, other, seen in (
        ("simcse", "whitening", there),
        ("simcse", "raw", there),
        ("whitening", "raw", cells),
    ):
        for task, part in _by_task(seen):
            post = "PAWSX" if task.startswith("pawsx") else "STS-B"
            claim = "few" if post == "PAWSX" and one == "simcse" else "most"
            note = W("similarity.reported_note_post", task=post, count=_posts(post, one, other))
            readings.append(_claim(part, task, one, other, claim, note))
    caption = W("similarity.reported_caption_ours", n=len(cells))
    return View(_figures(cells, by, order), caption, readings, _table(cells), unused=unused)


def _nothing(caption: Word, unused: frozenset[str]) -> View:
    return View({}, caption, table=_table([]), html=("<p>", caption, "</p>"), unused=unused)


def _table(cells: Sequence[Cell]) -> dict[str, list[str] | list[float]]:
    return {
        "model": [cell.model for cell in cells],
        "pooling": [cell.pooling for cell in cells],
        "task": [cell.task for cell in cells],
        "raw": [cell.raw for cell in cells],
        "whitening": [cell.whitening for cell in cells],
        "simcse": [cell.simcse for cell in cells],
        "gain_whitening": [_gain(cell, "whitening") for cell in cells],
        "gain_raw": [_gain(cell, "raw") for cell in cells],
    }


def _gain(cell: Cell, against: str) -> float:
    """Return c - b or c - a, to the two decimals the scores have."""
    return round(cell.simcse - cell.score(against), 2)


# --- Figures --------------------------------------------------------------------------------------


def _figures(cells: Sequence[Cell], by: str, order: str) -> dict[str, Figure]:
    return {
        "bars": _bars(cells, by, W("similarity.reported_title_bars")),
        "gain_whitening": _gains(cells, "whitening", order),
        "gain_raw": _gains(cells, "raw", order),
    }


def _groups(cells: Sequence[Cell], by: str) -> dict[str, list[Cell]]:
    groups: dict[str, list[Cell]] = {}
    for cell in cells:
        groups.setdefault(cell.group(by), []).append(cell)
    return groups


def _bars(cells: Sequence[Cell], by: str, title: Word) -> Figure:
    """Return a, b and c of each group: the mean over its cells, which is the value if it is one."""
    groups = _groups(cells, by)
    names = list(groups)
    lies = by == "row"
    traces = []
    for method, color in METHODS:
        heights = [mean([cell.score(method) for cell in group]) for group in groups.values()]
        word = W(f"similarity.reported_method_{method}")
        if lies:
            traces.append(bars(heights, names, word, color, orientation="h"))
        else:
            traces.append(bars(names, heights, word, color))
    score = axis(W("similarity.reported_axis_score"), rangemode="tozero")
    kind = axis(W(f"similarity.reported_by_{by}"), type="category")
    if lies:
        kind |= {"autorange": "reversed", "tickfont": {"size": 11}}
    return figure(
        *traces,
        x=score if lies else kind,
        y=kind if lies else score,
        title=title,
        height=max(320, 110 + 30 * len(names)) if lies else 340,
        wide=True,
        layout={"barmode": "group"},
    )


def _gains(cells: Sequence[Cell], against: str, order: str) -> Figure:
    """Return the heat map of c - b or of c - a, rows by tasks."""
    rows = _groups(cells, "row")
    tasks = list(_groups(cells, "task"))
    values = {
        name: {cell.task: _gain(cell, against) for cell in group} for name, group in rows.items()
    }
    names = list(values)
    if order == "value":
        names.sort(key=lambda name: -mean(list(values[name].values())))
    z = [[values[name].get(task, float("nan")) for task in tasks] for name in names]
    sizes = [abs(gain) for row in values.values() for gain in row.values()]
    largest = max([0.01, *(size for size in sizes if size == size)])
    trace = heat(
        z,
        x=tasks,
        y=names,
        colorscale=SYMMETRIC,
        zmin=-largest,
        zmax=largest,
        hovertemplate=W("similarity.reported_hover"),
        colorbar={"thickness": 10},
        xgap=1,
        ygap=1,
        **({"texttemplate": "%{z:.1f}"} if len(names) <= LABELLED else {}),
    )
    return figure(
        trace,
        x=axis(W("similarity.reported_by_task"), type="category", side="top"),
        y=axis(
            W("similarity.reported_by_row"),
            type="category",
            autorange="reversed",
            tickfont={"size": 11},
        ),
        title=W(f"similarity.reported_title_gain_{against}"),
        height=max(220, 110 + 20 * len(names)),
    )


# --- Readings -------------------------------------------------------------------------------------


def _by_task(cells: Sequence[Cell]) -> list[tuple[str, list[Cell]]]:
    return list(_groups(cells, "task").items())


def _n_better(cells: Sequence[Cell], one: str, other: str) -> int:
    return sum(cell.score(one) > cell.score(other) for cell in cells)


def _count(cells: Sequence[Cell], one: str, other: str) -> Word:
    return W("similarity.reported_of", part=_n_better(cells, one, other), whole=len(cells))


def _posts(task: str, one: str, other: str) -> Word:
    """Return in how many of the post's cells one beats the other."""
    return _count([cell for cell in chinese_cells() if cell.task == task], one, other)


def _claim(
    cells: Sequence[Cell], task: str, one: str, other: str, claim: str, note: Word | None = None
) -> Reading:
    """Return in how many cells one beats the other, beside what the post says of it."""
    share = _n_better(cells, one, other) / len(cells)
    whole = len(chinese_cells()) // len(TASKS)
    part = W("similarity.reported_note_part") if len(cells) < whole else None
    return Reading(
        W(f"similarity.reported_better_{one}_{other}", task=task),
        _count(cells, one, other),
        W(f"similarity.reported_{claim}"),
        held=share > 0.5 if claim == "most" else share < 0.5,
        note=note or part,
    )


def _readings(cells: Sequence[Cell]) -> list[Reading]:
    found = [
        _claim(part, task, "simcse", "whitening", CLAIMS[task]) for task, part in _by_task(cells)
    ]
    for task, part in _by_task(cells):
        if task == "PAWSX":  # the one task where the post speaks of raw vectors too
            found.append(_claim(part, task, "simcse", "raw", "few"))
            found.append(_claim(part, task, "whitening", "raw", "most"))
        else:
            name = W("similarity.reported_better_simcse_raw", task=task)
            found.append(shown(name, _count(part, "simcse", "raw")))
    if len(cells) == len(chinese_cells()):
        found += _whole_claims(cells)
    return found


def _whole_claims(cells: Sequence[Cell]) -> list[Reading]:
    """Return what the post says of the whole table, recomputed."""
    bq = [cell for cell in cells if cell.task == "BQ"]
    unsupervised = [cell for cell in bq if cell.model not in SUPERVISED]
    supervised = [cell for cell in bq if cell.model == "SimBERT"]
    with_pooler = {cell.model for cell in cells if cell.pooling == "P2"}
    return [
        at_least(
            W("similarity.reported_largest_gain"),
            max(_gain(cell, "whitening") for cell in cells),
            10,
        ),
        at_least(
            W("similarity.reported_bq_best"),
            max(cell.simcse for cell in unsupervised),
            max(cell.raw for cell in supervised),
        ),
        at_least(W("similarity.reported_cls_simcse"), _pooled(cells, "P1", "P4", "simcse"), 0),
        at_most(W("similarity.reported_cls_raw"), _pooled(cells, "P1", "P4", "raw"), 0),
        at_most(
            W("similarity.reported_pooler"),
            _pooled([c for c in cells if c.model in with_pooler], "P2", "P1", "simcse"),
            0,
        ),
    ]


def _pooled(cells: Sequence[Cell], one: str, other: str, method: str) -> float:
    """Return how much better one pooling is than another in the mean, points."""
    means = [
        mean([cell.score(method) for cell in cells if cell.pooling == pooling])
        for pooling in (one, other)
    ]
    return round(means[0] - means[1], 2)


PANEL = Panel(
    reported,
    reported_controls,
    (
        Preset("pawsx", {"tasks": ["PAWSX"], "by": "row"}),
        Preset("poolings", {"by": "pooling", "models": ["BERT", "RoBERTa", "NEZHA"]}),
        Preset("bq", {"tasks": ["BQ"], "by": "model"}),
        Preset("simbert", {"models": ["SimBERT", "SimBERT-small", "SimBERT-tiny"], "by": "model"}),
        Preset("dropout", {"table": "ablations", "study": "dropout"}),
        Preset("english", {"table": "paper_wmean", "order": "value"}),
    ),
)
