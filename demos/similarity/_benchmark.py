"""Panel: how well cosines agree with labels, by encoder, pooling, post-processing and k."""

import math
from collections import OrderedDict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from threading import Lock
from typing import Any

import numpy as np

from demos.controls import Choice, Choices, Control, InputError, Text, Upload
from demos.figures import CYCLE, Figure, axis, figure, heat, horizontal, line, vertical
from demos.panel import Panel, Preset, Values
from demos.similarity._common import (
    FITS,
    FLOW,
    HUB,
    RAW,
    SHOWN,
    TRAINED,
    FitSet,
    Seen,
    Source,
    Vectors,
    bundled_pairs,
    fair_order,
    file_pairs,
    fit_texts,
    hundred,
    pair_notes,
    post_processing_controls,
    source_of,
    stages,
    unused,
    way_word,
)
from demos.view import Reading, View, at_most, equal, shown
from demos.words import W, Word
from models import post_processing, sentences, similarity
from models.flow import Flow, Gain
from models.post_processing import WAYS, Way
from models.sentence_files import Pairs
from models.similarity import POOLINGS, Floats
from models.similarity_benchmark import Score, averages, score

BUNDLED = ("pairs", "traps", "questions")
SETS = (*BUNDLED, "file")
MEASURES = ("average", "weighted", *SETS)
CURVES = ("whiten", "pca", "cut")
FIRST = 96  # sentences in the first picture
AFFINE = 0.5  # two neighbouring ranks swapped by float32 move 100 rho by less
LEAST = 3  # pairs of a data set that are scored
MOST_ROWS = 400  # rows of results kept
LIKELIHOOD = 1e-9  # nats; sums of some thousand squares of order 1 in double precision
ROUNDING = 1e-9  # ranks are exact; the rest are a few operations in double precision
CHINESE = tuple(name for name in SHOWN if sentences.ENCODERS[name.removesuffix("_simcse")] == "zh")


def benchmark_controls() -> dict[str, Control]:
    """Return the controls of ``benchmark``."""
    own = post_processing_controls() | {"fit": Choice(default="these", options=FITS, radio=True)}
    del own["way"]
    return {
        "data": Choices(default=BUNDLED, options=SETS),
        "pairs_file": Upload(suffixes=(".csv", ".txt")),
        "encoders": Choices(default=CHINESE or RAW[:1], options=SHOWN, words="encoder"),
        "poolings": Choices(default=POOLINGS, options=POOLINGS, words="pooling"),
        "ways": Choices(
            default=("none", "centre", "top", "whiten", "zca", "cut"),
            options=(*WAYS, FLOW),
            words="way",
        ),
        **own,
        "measure": Choice(default="pairs", options=MEASURES),
        "chosen": Text(default="", length=60, advanced=True),
        "hub": HUB,
        "trained": TRAINED,
    }


def benchmark(
    data: Sequence[str],
    pairs_file: str | None,
    encoders: Sequence[str],
    poolings: Sequence[str],
    ways: Sequence[str],
    k: int,
    n_removed: int,
    beta: float,
    gamma: float,
    fit: str,
    fit_file: str | None,
    measure: str,
    chosen: str,
    hub: str,
    trained: str,
) -> Iterator[View]:
    """Score every encoder, pooling and post-processing on labelled pairs.

    Args:
        data: pairs and traps (ours, 0 to 5), questions (ours, 0 or 1), file (the visitor's).
        pairs_file: Path of a csv of pairs: two texts and a number in each row.
        encoders: Bundled encoders; each reads the bundled data in its own language.
        poolings: P1 to P4, where the encoder has them.
        ways: Kinds of post-processing, a flow among them.
        k: Directions kept by whiten and beta_gamma, coordinates by cut.
        n_removed: D of top.
        beta: Share of the mean taken off by beta_gamma.
        gamma: Power of the scaling by beta_gamma.
        fit: Mean and covariance are those of these sentences, the bundled corpus, or a file.
        fit_file: Path of that file, txt or csv.
        measure: What the cells show: average, weighted, or one of the data sets.
        chosen: Row whose curve is shown, its number counted from 1.
        hub: Id of another encoder on the Hub, evaluated besides.
        trained: Token of weights trained in the panel SimCSE live, evaluated besides.
    """
    own = file_pairs(W("similarity.benchmark_pairs_file"), pairs_file) if "file" in data else None
    wish = _Wish(
        tuple(data),
        own,
        tuple(Way(name, k, n_removed, beta, gamma) for name in ways),
        fit,
        fit_file,
        measure,
        chosen,
        _away(data, ways),
    )
    plan = _plan(wish, encoders, poolings, hub, trained)
    done = [kept(wish.key(source)) for source in plan]
    if all(done):
        view = _view(wish, [row for row in done if row], len(plan))
        yield replace(view, progress=1.0)
        yield view
        return
    drawn: Sequence[_Row] = ()
    for rows, share in _work(wish, plan):
        if rows is not drawn:
            drawn, view = rows, _view(wish, rows, len(plan))
        yield replace(view, progress=share)
    yield view


def _away(data: Sequence[str], ways: Sequence[str]) -> frozenset[str]:
    """Return the controls that none of the chosen ways reads."""
    names = frozenset.intersection(*(unused(way) for way in ways))
    return names | (frozenset() if "file" in data else {"pairs_file"})


# --- What is evaluated ----------------------------------------------------------------------------


@dataclass(frozen=True, eq=False)
class _Wish:
    """What is evaluated, and what is shown of it."""

    data: tuple[str, ...]
    own: Pairs | None
    ways: tuple[Way, ...]
    fit: str
    fit_file: str | None
    measure: str
    chosen: str
    unused: frozenset[str]

    def sets(self, language: str) -> dict[str, Pairs]:
        """Return the data sets for encoders of a language."""
        return {
            name: self.own if name == "file" and self.own else bundled_pairs(name, language)
            for name in self.data
        }

    @property
    def needs_fit(self) -> bool:
        """Whether any of the ways looks at fit vectors."""
        return any(way.needs_fit or way.name == FLOW for way in self.ways)

    def key(self, source: Source) -> tuple[Any, ...]:
        """Return what a row of results depends on."""
        own = self.own and (self.own.first, self.own.second, self.own.labels.tobytes())
        fitted = self.fit if self.needs_fit else ""
        others = fit_texts(source, "file", self.fit_file) if fitted == "file" else ()
        return source, self.data, own, self.ways, fitted, tuple(others)


class _Sets:
    """Data sets as one list of texts, pair by pair, each set in a fair order."""

    def __init__(self, sets: Mapping[str, Pairs]) -> None:
        self.texts: list[str] = []
        self.labels: dict[str, Floats] = {}
        self.starts: dict[str, int] = {}
        for name, pairs in sets.items():
            order = fair_order(len(pairs.labels))
            self.starts[name] = len(self.texts)
            self.labels[name] = pairs.labels[order]
            self.texts += [t for i in order for t in (pairs.first[i], pairs.second[i])]

    def sides(self, name: str, vectors: Floats) -> tuple[Floats, Floats, Floats]:
        """Return both sides of the pairs that are there so far, and their labels."""
        start, labels = self.starts[name], self.labels[name]
        part = vectors[start : start + 2 * len(labels)]
        n = len(part) // 2
        return part[0 : 2 * n : 2], part[1 : 2 * n : 2], labels[:n]


@dataclass(frozen=True, eq=False)
class _Row:
    """An encoder with a pooling, evaluated.

    Args:
        source: Which.
        scores: By way and data set.
        sizes: k of the curves.
        curves: Spearman by data set and curve, one for each k.
        d: Dimensions of its vectors.
        n_pairs: Evaluated in all.
        n_fitted: Sentences fitted on.
        n_scaled: Most directions that a way scales to equal length.
        gain: What training a flow brought, where there is one.
    """

    source: Source
    scores: Mapping[str, Mapping[str, Score]]
    sizes: Sequence[int]
    curves: Mapping[str, Mapping[str, Sequence[float]]]
    d: int
    n_pairs: int
    n_fitted: int
    n_scaled: int
    gain: Gain | None

    @property
    def short(self) -> Word:
        """Short name of encoder and pooling."""
        return W(
            "similarity.benchmark_short", encoder=self.source.short, pooling=self.source.pooling
        )

    @property
    def name(self) -> Word:
        """Name of encoder and pooling."""
        return W("similarity.benchmark_row", encoder=self.source.name, pooling=self.source.pooling)

    def value(self, way: str, measure: str) -> float:
        """Return a number of the row, NaN where it does not exist."""
        scores = self.scores[way]
        if measure in ("average", "weighted"):
            return averages(scores)[measure == "weighted"]
        return scores[measure].spearman if measure in scores else math.nan


_rows: OrderedDict[tuple[Any, ...], _Row] = OrderedDict()
_lock = Lock()


def kept(key: tuple[Any, ...]) -> _Row | None:
    """Return a row of results that was computed before, or nothing."""
    with _lock:
        found = _rows.get(key)
        if found is not None:
            _rows.move_to_end(key)
        return found


def _keep(key: tuple[Any, ...], row: _Row) -> None:
    with _lock:
        _rows[key] = row
        while len(_rows) > MOST_ROWS:
            _rows.popitem(last=False)


def _plan(
    wish: _Wish, encoders: Sequence[str], poolings: Sequence[str], hub: str, trained: str
) -> list[Source]:
    """Return what is to be evaluated, row by row; poolings an encoder lacks are left out.

    Raises:
        InputError: Nothing is left.
    """
    texts = wish.own.first if wish.own else ()
    chosen = [source_of(name, POOLINGS[0], texts) for name in encoders]
    if hub.strip():
        chosen.append(source_of("auto", POOLINGS[0], texts, hub=hub))
    if trained.strip():
        chosen.append(source_of("auto", POOLINGS[0], texts, trained=trained))
    found = [
        replace(source, pooling=pooling)
        for source in chosen
        for pooling in poolings
        if pooling in source.poolings
    ]
    if not found:
        raise InputError(
            W("similarity.error_pooling", field=W("similarity.pooling"), have="P1, P3, P4")
        )
    return found


def _work(wish: _Wish, plan: Sequence[Source]) -> Iterator[tuple[list[_Row], float]]:
    """Yield the rows so far and the share of the work done; the first row is at first a sample."""
    rows: list[_Row] = []
    drawn: list[_Row] = []
    encoders = list(dict.fromkeys((s.encoder, s.adapter) for s in plan))
    for at, one in enumerate(encoders):
        sources = [s for s in plan if (s.encoder, s.adapter) == one]
        first = sources[0]
        sets = _Sets(wish.sets(first.language))
        args = first, sets.texts, wish.fit, wish.fit_file, wish.needs_fit, FIRST
        for stage in stages(*args):
            drawn = drawn or [_evaluated(wish, first, sets, stage.own, stage.fit_set)]
            yield drawn, (at + 0.9 * stage.share) / len(encoders)
        for number, source in enumerate(sources):
            row = kept(wish.key(source)) or _whole(wish, source, sets)
            _keep(wish.key(source), row)
            drawn = rows = [*rows, row]
            yield rows, (at + 0.9 + 0.1 * (number + 1) / len(sources)) / len(encoders)


def _whole(wish: _Wish, source: Source, sets: _Sets) -> _Row:
    """Return a row of all pairs; its texts are encoded already, since all poolings are at once."""
    own = source.vectors(sets.texts)
    base = own
    if wish.needs_fit and wish.fit != "these":
        base = source.vectors(fit_texts(source, wish.fit, wish.fit_file))
    fit_set = FitSet(wish.fit, Seen(base), len(base), base)
    return _evaluated(wish, source, sets, own, fit_set)


def _evaluated(wish: _Wish, source: Source, sets: _Sets, own: Vectors, fit_set: FitSet) -> _Row:
    vectors = own.astype(np.float64)
    sides = {name: sets.sides(name, vectors) for name in wish.data}
    sides = {name: side for name, side in sides.items() if len(side[2]) >= LEAST}
    scores: dict[str, dict[str, Score]] = {}
    n_scaled, gain = 0, None
    for way in wish.ways:
        fitted = fit_set.flow(way) if way.name == FLOW else fit_set.fitted(way)
        scores[way.name] = {
            name: score(labels, similarity.pair_cosines(fitted(a), fitted(b)))
            for name, (a, b, labels) in sides.items()
        }
        found = fitted.whitening if isinstance(fitted, Flow) else fitted.map
        if found is not None and found.gamma >= 1:
            n_scaled = max(n_scaled, found.n_kept)
        if isinstance(fitted, Flow):
            gain = fitted.gain
    d = own.shape[1]
    sizes = post_processing.sweep_sizes(d)
    curves = {
        name: {
            curve: [
                score(labels, cosines).spearman
                for cosines in post_processing.sweep(curve, fit_set.seen.moments, a, b, sizes)
            ]
            for curve in CURVES
        }
        for name, (a, b, labels) in sides.items()
    }
    n_pairs = sum(len(labels) for *_, labels in sides.values())
    return _Row(source, scores, sizes, curves, d, n_pairs, fit_set.n, n_scaled, gain)


# --- What is shown --------------------------------------------------------------------------------


def _view(wish: _Wish, rows: Sequence[_Row], n_rows: int) -> View:
    names = [way.name for way in wish.ways]
    here = _chosen(wish.chosen, len(rows))
    measure = _measure(wish, rows[here])
    values = np.array([[hundred(row.value(name, measure)) for name in names] for row in rows])
    best = None if np.isnan(values).all() else int(np.nanargmax(values))
    place = None if best is None else divmod(best, len(names))
    return View(
        {
            "scores": _heat_figure(wish, rows, values, place, here, measure),
            "sweep": _sweep_figure(wish, rows[here], measure),
        },
        _caption(wish, rows, values, place, measure),
        _readings(wish, rows, rows[here], place),
        _table(wish, rows),
        notes=_notes(wish, rows, n_rows),
        unused=wish.unused,
    )


def _chosen(text: str, n: int) -> int:
    """Return the index of the chosen row, the first one where the text names none."""
    number = int(text) if text.isascii() and text.isdigit() and len(text) < 5 else 1
    return number - 1 if 1 <= number <= n else 0


def _measure(wish: _Wish, row: _Row) -> str:
    """Return what the cells show; a data set that is not there gives way to the average."""
    there = next(iter(row.scores.values()))
    return wish.measure if wish.measure in ("average", "weighted", *there) else "average"


def _heat_figure(
    wish: _Wish,
    rows: Sequence[_Row],
    values: Floats,
    place: tuple[int, int] | None,
    here: int,
    measure: str,
) -> Figure:
    named = [W(f"similarity.mark_{way.name}") for way in wish.ways]
    n, m = values.shape
    shapes = [_box(here - 0.5, here + 0.5, -0.5, m - 0.5, "@blue", 1.5)]
    if place:
        y, x = place
        shapes.append(_box(y - 0.5, y + 0.5, x - 0.5, x + 0.5, "@ink", 3))
    common: dict[str, Any] = {"tickmode": "array", "showgrid": False, "zeroline": False}
    return figure(
        heat(
            values,
            texttemplate="%{z:.1f}",
            textfont={"size": 12},
            colorbar={"thickness": 10, "len": 0.9},
            hovertemplate=W("similarity.benchmark_hover"),
        ),
        x=axis(W("similarity.benchmark_axis_way"), range=[-0.5, m - 0.5],
               tickvals=list(range(m)), ticktext=named, **common),
        y=axis(W("similarity.benchmark_axis_row"), range=[n - 0.5, -0.5],
               tickvals=list(range(n)), ticktext=[row.short for row in rows], **common),
        layout={"shapes": shapes},
        title=W("similarity.benchmark_title_scores", measure=W(f"similarity.measure_{measure}")),
        height=max(260, 90 + 34 * n),
        wide=True,
    )  # fmt: skip


def _box(y0: float, y1: float, x0: float, x1: float, color: str, width: float) -> dict[str, Any]:
    ends = {"type": "rect", "x0": x0, "x1": x1, "y0": y0, "y1": y1}
    return {**ends, "line": {"color": color, "width": width}}


def _sweep_figure(wish: _Wish, row: _Row, measure: str) -> Figure:
    """Return the score of a row against k, by three kinds of reduction."""
    name = measure if measure in row.curves else next(iter(row.curves))
    traces = []
    for curve, color, dash in zip(CURVES, CYCLE, ("solid", "dashdot", "dash"), strict=False):
        y = [hundred(value) for value in row.curves[name][curve]]
        traces.append(
            line(row.sizes, y, W(f"similarity.benchmark_curve_{curve}"), color, dash=dash,
                 hovertemplate=W("similarity.benchmark_hover_k"))
        )  # fmt: skip
    raw = next(iter(row.scores.values()))[name]
    marks = [vertical(min(wish.ways[0].k, row.d), "", "@ink", "dot")]
    full = [value for curve in row.curves[name].values() for value in curve]
    top = max([value for value in full if not math.isnan(value)], default=math.nan)
    if raw.ceiling < 1 and not math.isnan(top):
        label = W("similarity.benchmark_mark_ceiling", value=hundred(raw.ceiling))
        marks.append(horizontal(hundred(raw.ceiling), label, "@gray"))
    whole = row.curves[name]["cut"][-1]
    if not math.isnan(whole):
        marks.append(
            horizontal(hundred(whole), W("similarity.benchmark_mark_raw"), "@green", "dot")
        )
    ticks = [size for size in row.sizes if size & (size - 1) == 0 or size == row.d]
    return figure(
        *traces,
        x=axis(W("similarity.benchmark_axis_k"), log=True, tickmode="array", tickvals=ticks,
               range=[-0.05, math.log10(row.d) + 0.05]),
        y=axis(W("similarity.benchmark_axis_score")),
        marks=marks,
        title=W("similarity.benchmark_title_sweep", row=row.name,
                data=W(f"similarity.measure_{name}")),
        height=340,
        wide=True,
    )  # fmt: skip


def _caption(
    wish: _Wish, rows: Sequence[_Row], values: Floats, place: tuple[int, int] | None, measure: str
) -> Word:
    if place is None:
        return W("similarity.benchmark_caption_none", n=len(rows))
    row, way = rows[place[0]], wish.ways[place[1]]
    return W(
        "similarity.benchmark_caption",
        n=values.size,
        measure=W(f"similarity.measure_{measure}"),
        row=row.name,
        way=way_word(way, row.d),
        best=float(values[place]),
    )


def _readings(
    wish: _Wish, rows: Sequence[_Row], row: _Row, place: tuple[int, int] | None
) -> list[Reading]:
    """Return ceilings, the law that ties Spearman to AUC, averages, and the error of sampling."""
    readings = []
    way = wish.ways[place[1]].name if place else wish.ways[0].name
    for name, one in row.scores[way].items():
        named = W(f"similarity.measure_{name}")
        found = [r.scores[w.name][name].spearman for r in rows for w in wish.ways
                 if name in r.scores[w.name]]  # fmt: skip
        best = max((value for value in found if not math.isnan(value)), default=math.nan)
        share = one.n_ones / one.n
        note = W("similarity.benchmark_note_ceiling_graded")
        if not math.isnan(one.auc):
            bound = hundred(similarity.binary_ceiling(share))
            note = W("similarity.benchmark_note_ceiling", share=round(share, 3), bound=bound)
        quantity = W("similarity.benchmark_reading_ceiling", data=named)
        readings.append(at_most(quantity, 100 * best, 100 * one.ceiling, 100 * ROUNDING, note))
        if not math.isnan(one.auc):
            readings.append(_auc_reading(one, named))
        error = 100 * one.standard_error
        quantity = W("similarity.benchmark_reading_error", data=named, n=one.n)
        readings.append(shown(quantity, round(error, 2), W("similarity.benchmark_note_error")))
    plain, weighted = averages(row.scores[way])
    if len(row.scores[way]) > 1:
        both = W("similarity.benchmark_both", plain=hundred(plain), weighted=hundred(weighted))
        readings.append(shown(W("similarity.benchmark_reading_averages", row=row.name), both))
    readings += _affine_readings(wish, rows)
    readings += [*_whitening_readings(wish, rows), *_simcse_readings(wish, rows)]
    return [*readings, *_flow_readings(row)]


def _auc_reading(one: Score, named: Word) -> Reading:
    quantity = W("similarity.benchmark_reading_auc", data=named, auc=round(one.auc, 4))
    note = W("similarity.benchmark_note_auc")
    if math.isnan(one.from_auc):
        return shown(quantity, 100 * one.spearman, W("similarity.benchmark_note_ties"))
    return equal(quantity, 100 * one.spearman, 100 * one.from_auc, 100 * ROUNDING, note)


def _affine_readings(wish: _Wish, rows: Sequence[_Row]) -> list[Reading]:
    """Return that whitening to all directions cannot tell P1 from P2, an invertible map of P1."""
    whole = [way.name for way in wish.ways if way.name == "zca"]
    pooled = {(row.source.encoder, row.source.adapter, row.source.pooling): row for row in rows}
    readings = []
    for (encoder, adapter, pooling), row in pooled.items():
        other = pooled.get((encoder, adapter, "P2"))
        if not whole or pooling != "P1" or other is None or row.d != other.d:
            continue
        gap = row.value("zca", "average") - other.value("zca", "average")
        quantity = W("similarity.benchmark_reading_affine", encoder=row.source.name)
        note = W("similarity.benchmark_note_affine")
        readings.append(equal(quantity, 100 * gap, 0, AFFINE, note))
    return readings


def _whitening_readings(wish: _Wish, rows: Sequence[_Row]) -> list[Reading]:
    """Return for each data set in how many rows whitening is above raw."""
    if not {"none", "whiten"} <= {way.name for way in wish.ways}:
        return []
    found = []
    for name in wish.data:
        gains = [row.value("whiten", name) - row.value("none", name) for row in rows]
        quantity = W("similarity.benchmark_reading_whitening", data=W(f"similarity.measure_{name}"))
        found.append(shown(quantity, _above(gains), W("similarity.benchmark_note_whitening")))
    return found


def _simcse_readings(wish: _Wish, rows: Sequence[_Row]) -> list[Reading]:
    """Return for each data set in how many rows SimCSE lifts the encoder that it started from."""
    way = wish.ways[0].name
    raw = {(r.source.encoder, r.source.pooling): r for r in rows if not r.source.adapter}
    both = [
        (row, raw[row.source.encoder, row.source.pooling])
        for row in rows
        if row.source.adapter and (row.source.encoder, row.source.pooling) in raw
    ]
    if not both:
        return []
    found = []
    for name in wish.data:
        gains = [after.value(way, name) - before.value(way, name) for after, before in both]
        quantity = W(
            "similarity.benchmark_reading_simcse",
            data=W(f"similarity.measure_{name}"),
            way=W(f"similarity.mark_{way}"),
        )
        found.append(shown(quantity, _above(gains), W("similarity.benchmark_note_simcse")))
    return found


def _above(gains: Sequence[float]) -> Word:
    n = sum(gain > 0 for gain in gains)
    return W("similarity.benchmark_of", n=n, all=len(gains))


def _flow_readings(row: _Row) -> list[Reading]:
    """Return that the untrained flow is whitening, and what training brought."""
    gain = row.gain
    if gain is None:
        return []
    what = {"row": row.name}
    words = W(
        "similarity.benchmark_flow_gain",
        before=round(gain.gaussian, 4),
        after=round(gain.likelihood, 4),
        steps=gain.steps,
    )
    return [
        equal(
            W("similarity.benchmark_reading_flow", **what),
            gain.fitted_gaussian,
            gain.theory,
            LIKELIHOOD,
            W("similarity.benchmark_note_flow"),
        ),
        shown(
            W("similarity.benchmark_reading_flow_gain", **what),
            words,
            W("similarity.benchmark_note_flow_gain"),
        ),
    ]


def _table(wish: _Wish, rows: Sequence[_Row]) -> dict[str, Any]:
    cells = [(row, way) for row in rows for way in wish.ways]
    table: dict[str, Any] = {
        "encoder": [row.source.name for row, _ in cells],
        "pooling": [row.source.pooling for row, _ in cells],
        "way": [way_word(way, row.d) for row, way in cells],
    }
    for name in wish.data:
        table[f"score_{name}"] = [hundred(row.value(way.name, name)) for row, way in cells]
    for name in wish.data:
        areas = [row.scores[way.name][name].auc if name in row.scores[way.name] else math.nan
                 for row, way in cells]  # fmt: skip
        if not all(map(math.isnan, areas)):
            table[f"auc_{name}"] = areas
    for name in ("average", "weighted"):
        table[f"score_{name}"] = [hundred(row.value(way.name, name)) for row, way in cells]
    return table


def _notes(wish: _Wish, rows: Sequence[_Row], n_rows: int) -> list[Word]:
    notes = list(pair_notes(wish.own)) if wish.own else []
    whole = sum(len(pairs.labels) for pairs in wish.sets(rows[0].source.language).values())
    if len(rows) < n_rows or rows[0].n_pairs < whole:
        sizes = {"n": len(rows), "all": n_rows, "pairs": rows[0].n_pairs, "whole": whole}
        notes.append(W("similarity.benchmark_note_part", **sizes, fitted=rows[0].n_fitted))
    tight = [row for row in rows if row.n_scaled > 0.5 * (row.n_fitted - 1)]
    if tight:
        k, n = tight[0].n_scaled, tight[0].n_fitted
        notes.append(W("similarity.note_saturated", k=k, n=n))
    if len({row.source.language for row in rows}) > 1:
        notes.append(W("similarity.benchmark_note_languages"))
    return notes


def _pick(values: Values, point: Mapping[str, Any]) -> dict[str, Any]:
    """Return the clicked row as the one whose curve is shown."""
    row = point.get("y")
    if point.get("figure") != "scores" or not isinstance(row, (int, float)) or not 0 <= row < 1000:
        return {}
    return {"chosen": str(int(row) + 1)}


PANEL = Panel(
    benchmark,
    benchmark_controls,
    (
        Preset("all", {"k": 768}),
        Preset("corpus", {"fit": "corpus"}),
        Preset(
            "flow",
            {
                "encoders": RAW[:2],
                "poolings": ("P3",),
                "ways": ("none", "whiten", FLOW),
                "fit": "corpus",
            },
        ),
        Preset("english", {"encoders": tuple(n for n in SHOWN if n not in CHINESE) or RAW[-1:]}),
        Preset("questions", {"data": ("questions",), "measure": "questions"}),
    ),
    _pick,
)
