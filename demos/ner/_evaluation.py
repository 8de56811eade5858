"""Panel: precision, recall and F1 on annotated sentences, ours or the visitor's; export."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from html import escape
from typing import Any
from urllib.parse import quote

import numpy as np

from demos.controls import Choice, Control, InputError, Text, refuse_cost
from demos.figures import Figure, axis, bars, figure, horizontal, line, vertical
from demos.ner._annotations import KIND, compared, documents_of, format_word, joined
from demos.ner._common import THRESHOLD, short_word, type_word, weights_problem
from demos.panel import Panel, Preset
from demos.view import Reading, View, at_most, equal, shown
from demos.words import W, Word
from models import ner
from models.hub import HubError
from models.ner_evaluation import (
    FLOOR,
    TRIALS,
    Document,
    Evaluation,
    bundled,
    counts,
    evaluate,
    f1_error,
    kept,
    n_before_modern,
    recount,
    renamed,
    resamples,
    worst,
)
from models.ner_evaluation import export as written
from models.ner_samples import SAMPLES
from models.span_formats import KINDS
from models.spans import Entity, Score, most_flat, nested, prf, prf_by_label, prf_nested

MOST_FOUND = 30_000  # entities found in all
MOST_WORST = 6  # sentences drawn
MOST_BYTES = 200_000  # of what a visitor pasted and what is written, together
MOST_DRAWN = 40_000  # bytes of the sentences drawn
ROUNDING = 1e-12  # ratios of whole numbers in double precision

Found = Sequence[Sequence[Entity]]


def evaluation_controls() -> dict[str, Control]:
    """Return the controls of ``evaluation``."""
    return {
        "source": Choice(default="bundled", options=("bundled", "own"), radio=True),
        "types": Choice(default="nested", options=tuple(ner.TYPES)),
        "own": Text(default=SAMPLES["inline"], length=12_000, lines=8),
        "kind": KIND,
        "head": Choice(default="gp", options=ner.HEADS),
        "threshold": replace(THRESHOLD, low=FLOOR, high=-FLOOR),
        "export": Choice(default="none", options=("none", *KINDS)),
    }


@dataclass(frozen=True)
class Wish:
    """What is to be shown of an evaluation.

    Attributes:
        n_all: Sentences in the end.
        threshold: Of what is found.
        export: Format of the file, or none.
        n_bytes: Its largest size.
        n_novel: Sentences before the modern ones.
        notes: On how the annotations were read.
        unused: Controls without influence.
    """

    n_all: int
    threshold: float
    export: str
    n_bytes: int
    n_novel: int
    notes: tuple[Word, ...]
    unused: frozenset[str]


def evaluation(
    source: str, types: str, own: str, kind: str, head: str, threshold: float, export: str
) -> Iterator[View]:
    """Evaluate a head on annotated sentences, at every threshold.

    Args:
        source: Sentences bundled here, or the visitor's own.
        types: The set of types: nested, cluener (Chinese) or litbank (English).
        own: Annotated text: inline brackets, CoNLL columns, brat or JSON.
        kind: Its format; auto finds out.
        head: egp, gp, egp_bare, gp_bare or crf.
        threshold: A span is found when its score is above it; without meaning for the CRF.
        export: What was found as a file: none, inline, bio, brat or json.
    """
    documents, notes = _documents(source, types, own, kind)
    unused = {"own", "kind"} if source == "bundled" else set()
    unused |= {"threshold"} if head == "crf" else set()
    used = len(quote(own, errors="replace")) + len(repr(own).encode(errors="replace"))
    room = max(20_000, (MOST_BYTES - used) // 2)
    n_novel = n_before_modern(types) if source == "bundled" else len(documents)
    wish = Wish(len(documents), threshold, export, room, n_novel, tuple(notes), frozenset(unused))
    done = kept(documents, types, head)
    if done:
        yield replace(_view(done, wish), progress=1.0)
        yield _view(done, wish)
        return
    try:
        for state in evaluate(documents, types, head):
            share = len(state.documents) / len(documents)
            yield replace(_view(state, wish), progress=share)
    except HubError as error:
        raise weights_problem(error) from None
    yield _view(state, wish)


def _documents(
    source: str, types: str, own: str, kind: str
) -> tuple[tuple[Document, ...], list[Word]]:
    """Return the sentences with gold in the set's types, and what has to be said of them."""
    if source == "bundled":
        if types == "cluener":
            raise InputError(W("ner.evaluation_not_bundled", field=W("ner.types")))
        return bundled(types), []
    given = documents_of(W("ner.evaluation_own"), own, kind)
    made = renamed(given, types)
    notes = []
    if made.names:
        pairs = [
            W("ner.evaluation_pair", label=a, type=type_word(b)) for a, b in made.names.items()
        ]
        notes.append(W("ner.evaluation_note_names", pairs=joined(pairs[:20], len(pairs) > 20)))
    if made.unknown:
        names = [W("ner.evaluation_count", label=a, n=n) for a, n in made.unknown.items()]
        shown_names = joined(names[:20], len(names) > 20)
        n = sum(made.unknown.values())
        notes.append(W("ner.evaluation_note_unknown", n=n, names=shown_names))
    spoken = [ner.guess_language(text) for text, _ in given]
    n_other = sum(one != ner.language_of(types) for one in spoken)
    if n_other:
        notes.append(W("ner.evaluation_note_language", n=n_other, types=W(f"ner.types_{types}")))
    return made.documents, notes


# --- One state ------------------------------------------------------------------------------------


def _view(state: Evaluation, wish: Wish) -> View:
    found = state.found(wish.threshold)
    n_found = sum(map(len, found))
    unit, advice = W("ner.evaluation_unit"), W("ner.evaluation_advice")
    refuse_cost(W("ner.threshold"), n_found, MOST_FOUND, unit, advice)
    score = prf(state.gold, found)
    error = f1_error(counts(state.gold, found), resamples(len(found)))
    figures = {"types": _types_figure(state, found, score)}
    if state.head != "crf":
        figures = {"sweep": _sweep_figure(state, wish.threshold), **figures}
    html, problems = _export(state, found, wish) if wish.export != "none" else ([], [])
    return View(
        figures,
        W(
            "ner.evaluation_caption_crf" if state.head == "crf" else "ner.evaluation_caption",
            head=W(f"ner.head_{state.head}"),
            n=len(state.documents),
            all=wish.n_all,
            gold=score.n_gold,
            f1=_ratio(score.f1),
        ),
        readings=[
            *_readings(state, found, wish.threshold, score, error),
            *_register_readings(state, found, wish.n_novel),
        ],
        table=_table(state, found, score),
        html=[*_worst(state, found), *html],
        notes=[*wish.notes, *_notes(state, wish), *problems],
        unused=wish.unused,
    )


def _notes(state: Evaluation, wish: Wish) -> list[Word]:
    notes = []
    if len(state.documents) < wish.n_all:
        notes.append(W("ner.evaluation_note_part", n=len(state.documents), all=wish.n_all))
    n_cut = sum(c.n_cut > 0 for c in state.candidates)
    if n_cut:
        notes.append(W("ner.evaluation_note_cut", n=n_cut, limit=ner.MOST_PIECES))
    return notes


def _ratio(value: float | None) -> Word | float:
    return W("ner.evaluation_undefined") if value is None else round(value, 4)


def _number(value: float | None) -> float:
    return math.nan if value is None else value


def _thresholds(threshold: float) -> list[float]:
    grid = {round(step / 10, 1) for step in range(round(10 * FLOOR), round(-10 * FLOOR) + 1)}
    return sorted({*grid, threshold})


def _readings(
    state: Evaluation, found: Found, threshold: float, score: Score, error: float
) -> list[Reading]:
    f1 = _number(score.f1)
    inner = prf_nested(state.gold, found)
    flat = sum(len(most_flat(gold)) for gold in state.gold)
    n_nested = sum(len(nested(gold)) for gold in state.gold)
    readings = [
        shown(
            W("ner.evaluation_reading_f1"),
            W("ner.evaluation_f1_error", f1=_ratio(score.f1), error=round(2 * error, 4)),
            note=W("ner.evaluation_note_error", n=len(state.documents), trials=TRIALS),
        ),
        equal(W("ner.evaluation_reading_recount"), f1, recount(state.gold, found), ROUNDING),
    ]
    if state.head != "crf":
        readings += _sweep_readings(state, threshold, f1)
    readings.append(
        shown(
            W("ner.evaluation_reading_nested", n=n_nested, all=score.n_gold),
            W("ner.evaluation_nested", recall=_ratio(inner.recall), f1=_ratio(inner.f1)),
        )
    )
    bound = flat / score.n_gold if score.n_gold else math.nan
    if state.head == "crf":
        recall = _number(score.recall)
        readings.append(at_most(W("ner.evaluation_reading_flat"), recall, bound, ROUNDING))
    else:
        readings.append(shown(W("ner.evaluation_reading_bound"), bound))
    return readings


def _register_readings(state: Evaluation, found: Found, n_novel: int) -> list[Reading]:
    """Return F1 on the sentences in the manner of novels and on the modern ones, if both are."""
    if n_novel >= len(found):
        return []
    novel = prf(state.gold[:n_novel], found[:n_novel])
    modern = prf(state.gold[n_novel:], found[n_novel:])
    counted = {"n": n_novel, "m": len(found) - n_novel}
    value = W("ner.evaluation_registers", novel=_ratio(novel.f1), modern=_ratio(modern.f1))
    return [shown(W("ner.evaluation_reading_registers", **counted), value)]


def _sweep_readings(state: Evaluation, threshold: float, f1: float) -> list[Reading]:
    at = _thresholds(threshold)
    sweep = state.sweep(at)
    here, best = at.index(threshold), sweep.best
    falls = np.diff(sweep.n_right) <= 0
    readings = [
        equal(W("ner.evaluation_reading_sweep"), float(sweep.f1[here]), f1, ROUNDING),
        equal(W("ner.evaluation_reading_falls"), int((~falls).sum()), 0),
    ]
    if best is not None:
        gap = float(sweep.f1[best] - sweep.f1[at.index(0.0)])
        note = W("ner.evaluation_note_best", best=at[best], gap=round(gap, 4))
        top = float(sweep.f1[best])
        readings.append(at_most(W("ner.evaluation_reading_best"), f1, top, ROUNDING, note))
    return readings


def _sweep_figure(state: Evaluation, threshold: float) -> Figure:
    at = _thresholds(threshold)
    sweep = state.sweep(at)
    marks = [vertical(0.0, W("ner.evaluation_mark_zero"))]
    if sweep.best is not None:
        label = W("ner.evaluation_mark_best", best=at[sweep.best])
        marks.append(vertical(at[sweep.best], "", "@green", "dot"))
        marks.append(horizontal(float(sweep.f1[sweep.best]), label, "@green", "dot"))
    if threshold:
        marks.append(vertical(threshold, "", "@ink", "solid"))
    curves = (
        ("precision", sweep.precision, "@blue", "dash", 2),
        ("recall", sweep.recall, "@orange", "dashdot", 2),
        ("f1", sweep.f1, "@green", "solid", 3),
    )
    hover = {"hovertemplate": W("ner.evaluation_hover")}
    return figure(
        *(
            line(at, y, W(f"ner.evaluation_{key}"), color, dash=dash, width=width, **hover)
            for key, y, color, dash, width in curves
        ),
        x=axis(W("ner.evaluation_axis_threshold"), range=[FLOOR, -FLOOR]),
        y=axis(W("ner.evaluation_axis_ratio"), range=[0, 1.04]),
        marks=marks,
        title=W("ner.evaluation_title_sweep"),
        height=380,
    )  # fmt: skip


def _types_figure(state: Evaluation, found: Found, score: Score) -> Figure:
    per = prf_by_label(state.gold, found)
    names = [name for name in ner.TYPES[state.types] if name in per]
    names.sort(key=lambda name: -per[name].n_gold)
    words = [W("ner.evaluation_tick", type=short_word(name), n=per[name].n_gold) for name in names]
    y = [_number(per[name].f1) for name in names]
    marks = []
    if score.f1 is not None:
        marks = [horizontal(score.f1, W("ner.evaluation_mark_all"), "@green", "dot")]
    return figure(
        bars(words, y, hovertemplate="%{y:.3f}<extra></extra>"),
        x=axis(W("ner.evaluation_axis_type"), type="category"),
        y=axis(W("ner.evaluation_axis_f1"), range=[0, 1.04]),
        marks=marks,
        title=W("ner.evaluation_title_types"),
        height=380,
    )  # fmt: skip


def _table(state: Evaluation, found: Found, score: Score) -> dict[str, list[Any]]:
    per = prf_by_label(state.gold, found)
    rows = [(type_word(name), per[name]) for name in ner.TYPES[state.types] if name in per]
    rows.append((W("ner.evaluation_all"), score))
    scores = [one for _, one in rows]
    return {
        "evaluation_type": [name for name, _ in rows],
        "evaluation_gold": [one.n_gold for one in scores],
        "evaluation_found": [one.n_found for one in scores],
        "evaluation_right": [one.n_right for one in scores],
        "evaluation_precision": [_number(one.precision) for one in scores],
        "evaluation_recall": [_number(one.recall) for one in scores],
        "evaluation_f1": [_number(one.f1) for one in scores],
    }


def _worst(state: Evaluation, found: Found) -> list[str | Word]:
    """Return the sentences with most errors, right, wrong and missed entities under the text."""
    chosen = worst(state.gold, found, MOST_WORST)
    if not chosen:
        return []
    parts: list[str | Word] = ["<p><b>", W("ner.evaluation_worst"), "</b></p>"]
    size = 0
    for index in chosen:
        text, gold = state.documents[index]
        made = compared(text, gold, found[index], ner.TYPES[state.types])
        size += sum(len(part.encode()) for part in made if isinstance(part, str))
        if size > MOST_DRAWN:
            break
        parts += ['<div style="margin-bottom:12px">', *made, "</div>"]
    return parts


def _export(state: Evaluation, found: Found, wish: Wish) -> tuple[list[str | Word], list[Word]]:
    """Return what was found as a file to copy, and what could not be written."""
    texts = [text for text, _ in state.documents]
    made = written(list(zip(texts, found, strict=True)), wish.export, wish.n_bytes)
    notes = []
    if made.overlap:
        notes.append(W("ner.evaluation_note_overlap", problem=format_word(made.overlap)))
    if made.problems:
        first = format_word(made.problems[0])
        notes.append(W("ner.evaluation_note_unwritten", n=len(made.problems), problem=first))
    if made.n_beyond:
        notes.append(W("ner.evaluation_note_beyond", n=made.n_beyond))
    plain = escape(made.text, quote=False).replace("§", "&#167;")
    wrapped = "pre" if wish.export == "bio" else "pre-wrap"
    style = (
        f"max-height:20em;overflow:auto;white-space:{wrapped};"
        "overflow-wrap:anywhere;padding:8px 10px;border-radius:8px;background:var(--ssp-code)"
    )
    title = W("ner.evaluation_exported", kind=W(f"ner.evaluation_export_{wish.export}"))
    return (
        ["<p><b>", title, f'</b></p><pre tabindex="0" style="{style}">', plain, "</pre>"],
        notes,
    )


PANEL = Panel(
    evaluation,
    evaluation_controls,
    (
        Preset("english", {"types": "litbank"}),
        Preset("crf", {"head": "crf"}),
        Preset("bare", {"head": "gp_bare"}),
        Preset("low", {"threshold": -2.0}),
        Preset("own", {"source": "own", "threshold": 0.0}),
        Preset("conll", {"source": "own", "own": SAMPLES["bio"], "types": "litbank"}),
        Preset("cluener", {"source": "own", "own": SAMPLES["json"], "types": "cluener"}),
        Preset("bio", {"export": "bio"}),
    ),
)
