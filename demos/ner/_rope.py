"""Panel: RoPE on and off, and the scorer that pairs every start with every end."""

import csv
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property, lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from demos.controls import Choice, Control, Integer
from demos.figures import Figure, axis, dots, figure, heat, horizontal, line, vertical
from demos.ner._common import (
    CHOSEN,
    THRESHOLD,
    TYPES,
    annotated,
    chosen_text,
    mark,
    matrix_of,
    notes_of,
    read_chosen,
    text_control,
    type_word,
    types_of,
    weights_problem,
)
from demos.ner._plane import cell_at, piece_names
from demos.panel import Panel, Preset, Values
from demos.view import Reading, View, at_least, equal, shown
from demos.words import W, Word, verbatim
from models import global_pointer, ner, ner_ablation
from models.global_pointer import Span
from models.hub import HubError
from models.ner import Marked
from models.ner_ablation import MOST_PLACES, PLACE, Opened
from models.ner_examples import EXAMPLES
from models.spans import Entity, Score

Floats = NDArray[np.float64]
Cells = frozenset[Span]

KINDS = {
    "place": PLACE,
    "person": {"nested": "Person", "cluener": "name", "litbank": "PER"},
    "organization": {"nested": "Organization", "cluener": "organization", "litbank": "ORG"},
}
SIDES = ("with", "without")
FOUND = {"with": "rope_found_with", "without": "rope_found_without"}
RIGHT = {"with": "rope_right_with", "without": "rope_right_without"}
MOST_OUTLINES = 300  # cells outlined in one matrix
MOST_BARS = 40  # entities under one text
SHIFTS = np.array([0.0, 1.0, 7.0, 100.0, 511.0])  # tokens
FOLDER = ner.FOLDER
ROUNDING = 1e-9  # float64 angles up to 511 radians, products of some dozens


def rope_controls() -> dict[str, Control]:
    """Return the controls of ``rope``."""
    return {
        "text": text_control("weather"),
        "source": Choice(default="own", options=("own", "bulletin"), radio=True),
        "places": Integer(default=8, low=1, high=MOST_PLACES),
        "types": TYPES,
        "family": Choice(default="gp", options=("egp", "gp", "toy"), radio=True),
        "switch": Choice(default="same", options=("same", "trained"), radio=True),
        "kind": Choice(default="place", options=(*KINDS, "all")),
        "threshold": THRESHOLD,
        "chosen": replace(CHOSEN, advanced=True),
    }


def rope(
    text: str,
    source: str,
    places: int,
    types: str,
    family: str,
    switch: str,
    kind: str,
    threshold: float,
    chosen: str,
) -> View:
    """Score every span with and without rotary positions.

    Args:
        text: A text of one window, up to 126 tokens.
        source: own (the text) or bulletin (one of a given number of places, in its language).
        places: Places of the bulletin.
        types: Set of types, or auto.
        family: egp or gp (trained heads), or toy (knows starts and ends, nothing else).
        switch: trained (once with RoPE, once without) or same (one head, its rotation left out).
        kind: Type shown: place, person, organization, or all (the greatest score of any type).
        threshold: A span is found when its score is above it.
        chosen: Lit span, "start-end-type" in characters; its query and key are followed.
    """
    try:
        scene = _scene(text, source, places, types, family, switch, kind)
        curve = _curve(scene.types, family, scene.switch, threshold)
    except HubError as error:
        raise weights_problem(error) from None
    unused = {"places"} if source == "own" else set()
    unused |= {"switch", "kind"} if family == "toy" else set()
    notes = [*notes_of(scene.marked)]
    drawn = {"curve": _curve_figure(curve, places if source == "bulletin" else scene.n_gold)}
    if not scene.n:
        notes.append(W("ner.rope_note_empty"))
        return View(
            drawn,
            W("ner.rope_caption_empty"),
            _curve_readings(scene, curve),
            curve,
            notes=notes,
            unused=frozenset(unused),
        )
    follow = _Follow(scene, chosen)
    found = {side: scene.found(side, threshold) for side in SIDES}
    if max(map(len, found.values())) > MOST_OUTLINES:
        notes.append(W("ner.rope_note_outlines", n=MOST_OUTLINES))
    if family == "toy" and scene.gold is None:
        notes.append(W("ner.rope_note_toy"))
    matrices = _matrix_figures(scene, found, follow)
    return View(
        {**matrices, **drawn, "length": _length_figure(scene, follow, threshold)},
        W(
            "ner.rope_caption",
            n=len(found["with"]),
            m=len(found["without"]),
            name=scene.names["without"],
        ),
        [*_readings(scene, found, follow, threshold), *_curve_readings(scene, curve)],
        curve,
        html=_lanes(scene, found, follow),
        notes=notes,
        unused=frozenset(unused),
    )


# --- What is compared -----------------------------------------------------------------------------


@dataclass(frozen=True)
class _Scene:
    """A text with its scores by a head with RoPE and by one without.

    Attributes:
        marked: The text, read by the head with RoPE.
        types: Name of the set.
        family: egp, gp or toy.
        switch: trained or same; a toy has only one set of weights.
        kind: Type shown, or all.
        gold: The places of a bulletin; None for a text whose entities are not known.
    """

    marked: Marked
    types: str
    family: str
    switch: str
    kind: str
    gold: Cells | None

    @property
    def n(self) -> int:
        """Tokens."""
        return len(self.marked.offsets)

    @property
    def n_gold(self) -> int:
        """Known places, 0 if they are not known."""
        return len(self.gold or ())

    @property
    def index(self) -> int | None:
        """Number of the type shown, None for all of them."""
        if self.family == "toy":
            return 0
        if self.kind == "all":
            return None
        return ner.TYPES[self.types].index(KINDS[self.kind][self.types])

    @cached_property
    def reference(self) -> Cells:
        """The spans to be found: the gold if it is known and shown, else what RoPE's head finds."""
        if self.gold is not None and self.kind in ("place", "all"):
            return self.gold
        whole = np.asarray(matrix_of(self.marked), np.float64)
        place = ner.TYPES[self.types].index(PLACE[self.types])
        at = place if self.family == "toy" else self.index
        return _above(whole.max(axis=0) if at is None else whole[at], 0.0)

    @cached_property
    def opened(self) -> Opened:
        """The parts of the head with RoPE."""
        if self.family == "toy":
            return ner_ablation.toy(self.n, self.reference)
        return ner_ablation.opened(self.marked.text, self.types, self.family)

    @cached_property
    def scores(self) -> dict[str, Floats]:
        """Scores (m, n, n) with and without RoPE, -inf below the diagonal."""
        if self.family == "toy":
            return {"with": self.opened.scores(True), "without": self.opened.scores(False)}
        rotated = matrix_of(self.marked)
        if self.switch == "same":
            return {"with": rotated, "without": self.opened.scores(False)}
        bare = mark(self.marked.text, self.types, f"{self.family}_bare")
        return {"with": rotated, "without": matrix_of(bare)}

    def shown(self, side: str) -> Floats:
        """Return the matrix (n, n) shown on one side."""
        scores = self.scores[side]
        one = scores.max(axis=0) if self.index is None else scores[self.index]
        return np.asarray(one, np.float64)

    def found(self, side: str, threshold: float) -> Cells:
        """Return the cells of one side above the threshold."""
        return _above(self.shown(side), threshold)

    @property
    def names(self) -> dict[str, Word]:
        """What the two sides are called."""
        kind = "toy" if self.family == "toy" else self.switch
        return {"with": W("ner.rope_with"), "without": W(f"ner.rope_without_{kind}")}

    def entity(self, cell: Span, score: float | None = None) -> Entity:
        """Return a cell as an entity in characters."""
        start, end = self.marked.offsets[cell[0]][0], self.marked.offsets[cell[1]][1] - 1
        return Entity(start, end, self.label(cell), score)

    def label(self, cell: Span) -> str:
        """Return the type of a cell: the one shown, or the one of the greatest score."""
        if self.family == "toy":
            return PLACE[self.types]
        at = self.index
        if at is None:
            at = int(np.argmax(self.scores["with"][(slice(None), *cell)]))
        return ner.TYPES[self.types][at]


def _above(scores: Floats, threshold: float) -> Cells:
    return frozenset((int(i), int(j)) for i, j in np.argwhere(scores > threshold))


@lru_cache(maxsize=8)
def _scene(
    text: str, source: str, places: int, types: str, family: str, switch: str, kind: str
) -> _Scene:
    name = types_of(text, types)
    if source == "bulletin":
        text = ner_ablation.bulletin(places, ner.language_of(name))
    return _read(text, name, family, switch, kind)


def _read(text: str, name: str, family: str, switch: str, kind: str) -> _Scene:
    marked = mark(text, name, "egp" if family == "toy" else family)
    matrix_of(marked)
    toy = family == "toy"
    return _Scene(
        marked, name, family, "same" if toy else switch, "place" if toy else kind, _gold(marked)
    )


def _gold(marked: Marked) -> Cells | None:
    """Return the places of a bulletin as cells, None for any other text."""
    places = ner_ablation.places_of(marked.text)
    cells = [marked.cell(*place) for place in places or ()]
    known = [cell for cell in cells if cell is not None]
    return frozenset(known) if known and len(known) == len(cells) else None


class _Follow:
    """The start and end whose query and key are followed: the chosen span, or the first one.

    Args:
        scene: What is compared.
        chosen: The control's text.
    """

    def __init__(self, scene: _Scene, chosen: str) -> None:
        asked = read_chosen(chosen, ner.TYPES[scene.types], len(scene.marked.text))
        cell = scene.marked.cell(asked.start, asked.end) if asked else None
        self.is_chosen = cell is not None and cell[0] <= cell[1]
        if cell is None or not self.is_chosen:
            cell = min(scene.reference, default=None) or _greatest(scene.shown("with"))
        self.cell = cell
        self.label = scene.label(cell)
        if asked and self.is_chosen and scene.index is None:
            self.label = asked.label
        one = scene.family == "toy"
        self.kind = 0 if one else ner.TYPES[scene.types].index(self.label)
        self.entity = replace(scene.entity(cell), label=self.label)


def _greatest(scores: Floats) -> Span:
    i, j = np.unravel_index(int(np.argmax(scores)), scores.shape)
    return int(i), int(j)


# --- Bulletins of more and more places ------------------------------------------------------------


@lru_cache(maxsize=16)
def _bulletins(types: str, family: str, switch: str) -> tuple[tuple[Cells, Floats, Floats], ...]:
    """Return gold and the two matrices of the bulletins of 1, 2, … places."""
    language = ner.language_of(types)
    texts = [ner_ablation.bulletin(n, language) for n in range(1, MOST_PLACES + 1)]
    heads = {"toy": ["egp"], "egp": ["egp"], "gp": ["gp"]}[family]
    heads += [f"{family}_bare"] if switch == "trained" else []
    for head in heads:
        ner.mark_all(texts, types, head)  # encoded together
    scenes = [_read(text, types, family, switch, "place") for text in texts]
    return tuple((s.gold or frozenset(), s.shown("with"), s.shown("without")) for s in scenes)


def _curve(types: str, family: str, switch: str, threshold: float) -> dict[str, Any]:
    """Return F1 and number of found spans by number of places, as columns."""
    rows = _bulletins(types, family, switch)
    n = np.arange(1, len(rows) + 1)
    columns: dict[str, Any] = {"rope_places": n, "rope_blind": global_pointer.separable_f1(n)}
    for side, name in enumerate(SIDES):
        scores = [_score(gold, _above(pair[side], threshold)) for gold, *pair in rows]
        columns[f"rope_f1_{name}"] = np.array([s.f1 or 0.0 for s in scores])
        columns[FOUND[name]] = np.array([s.n_found for s in scores])
        columns[RIGHT[name]] = np.array([s.n_right for s in scores])
    return columns


def _score(gold: Collection[Span], found: Collection[Span]) -> Score:
    return Score(len(gold), len(found), len(set(gold) & set(found)))


def _total(curve: Mapping[str, Any], side: str) -> Score:
    """Return the counts of one side, added over all bulletins."""
    n_gold, n_found, n_right = (
        int(curve[name].sum()) for name in ("rope_places", FOUND[side], RIGHT[side])
    )
    return Score(n_gold, n_found, n_right)


# --- Figures --------------------------------------------------------------------------------------


def _matrix_figures(
    scene: _Scene, found: Mapping[str, Cells], follow: _Follow
) -> dict[str, Figure]:
    cells = {side: np.where(np.isfinite(z := scene.shown(side)), z, np.nan) for side in SIDES}
    low = min(-1.0, *(float(np.nanmin(z)) for z in cells.values()))
    high = max(1.0, *(float(np.nanmax(z)) for z in cells.values()))
    names = piece_names(scene.marked)
    span = [-0.5, scene.n - 0.5]
    tick: dict[str, Any] = {"type": "category", "showgrid": False, "tickfont": {"size": 11}}
    return {
        side: figure(
            heat(
                z,
                colorscale=[[0, "@blue"], [-low / (high - low), "@paper"], [1, "@orange"]],
                zmin=low,
                zmax=high,
                colorbar={"thickness": 10, "len": 0.9},
                hovertemplate=W("ner.rope_hover_cell"),
            )
            | {"x": names, "y": names},
            x=axis(W("ner.rope_axis_end"), range=span, constrain="domain", **tick),
            y=axis(
                W("ner.rope_axis_start"),
                range=span[::-1],
                scaleanchor="x",
                constrain="domain",
                **tick,
            ),
            layout={"shapes": _outlines(scene, found[side], follow.cell), "showlegend": True},
            title=W(
                "ner.rope_title_matrix",
                side=scene.names[side],
                kind=_kind_word(scene),
                n=len(found[side]),
            ),
            square=True,
            height=460,
        )
        for side, z in cells.items()
    }


def _kind_word(scene: _Scene) -> Word | str:
    if scene.index is None:
        return W("ner.rope_kind_all")
    return type_word(scene.label((0, 0)))


def _outlines(scene: _Scene, found: Cells, followed: Span) -> list[dict[str, Any]]:
    """Return the outlines of found and missed cells by what they are, and of the followed one."""
    reference = scene.reference
    starts, ends = {i for i, _ in reference}, {j for _, j in reference}
    wrong = found - reference
    paired = {(i, j) for i, j in wrong if i in starts and j in ends}
    known = "true" if scene.gold is not None and scene.kind in ("place", "all") else "agreed"
    groups = (
        (found & reference, f"ner.rope_mark_{known}", "@green", "solid"),
        (paired, "ner.rope_mark_paired", "@red", "solid"),
        (wrong - paired, "ner.rope_mark_other", "@purple", "dash"),
        (reference - found, "ner.rope_mark_missed", "@ink", "dot"),
    )
    shapes = [
        _boxes(sorted(cells)[:MOST_OUTLINES], W(word), color, dash, crossed=cells is paired)
        for cells, word, color, dash in groups
        if cells
    ]
    return [*shapes, _boxes([followed], W("ner.rope_mark_followed"), "@ink", width=3, half=0.62)]


def _boxes(
    cells: Sequence[Span],
    name: Word,
    color: str,
    dash: str = "solid",
    width: float = 2,
    half: float = 0.45,
    crossed: bool = False,
) -> dict[str, Any]:
    """Return the outlines of cells as one path, with a cross in each if asked."""
    path = []
    for i, j in cells:
        left, right, top, low = (f"{x:.2f}" for x in (j - half, j + half, i - half, i + half))
        path.append(f"M{left},{top}L{right},{top}L{right},{low}L{left},{low}Z")
        path.append(f"M{left},{top}L{right},{low}M{left},{low}L{right},{top}" if crossed else "")
    pen = {"color": color, "width": width, "dash": dash}
    legend = {"name": name, "showlegend": True}
    return {"type": "path", "path": "".join(path), "line": pen, **legend}


def _curve_figure(curve: Mapping[str, Any], n_here: int) -> Figure:
    n = curve["rope_places"]
    marks = [vertical(n_here, W("ner.rope_mark_here"))] if n_here else []
    return figure(
        line(n, curve["rope_blind"], W("ner.rope_curve_blind"), "@gray", dash="dash"),
        _dotted(n, curve["rope_f1_with"], W("ner.rope_with"), "@blue", "circle"),
        _dotted(n, curve["rope_f1_without"], W("ner.rope_curve_without"), "@orange", "diamond"),
        x=axis(W("ner.rope_axis_places"), dtick=1, range=[0.5, MOST_PLACES + 0.5]),
        y=axis(W("ner.rope_axis_f1"), range=[-0.03, 1.05]),
        marks=marks,
        title=W("ner.rope_title_curve"),
        height=360,
    )


def _dotted(x: Any, y: Any, name: Word, color: str, symbol: str) -> dict[str, Any]:
    marker = {"color": color, "size": 7, "symbol": symbol}
    return line(x, y, name, color, mode="lines+markers", marker=marker)


def _length_figure(scene: _Scene, follow: _Follow, threshold: float) -> Figure:
    """Return the score of one start's query with one end's key, put at any distance."""
    last = max(scene.n - 1, 24)
    distance = np.arange(last + 1)
    rotated = scene.opened.at_distance(follow.kind, follow.cell, distance)
    flat = scene.opened.scores(False)[(follow.kind, *follow.cell)]
    own = follow.cell[1] - follow.cell[0]
    span = verbatim(scene.marked.text[follow.entity.start : follow.entity.end + 1][:20])
    return figure(
        _dotted(distance, rotated, W("ner.rope_with"), "@blue", "circle"),
        line([0, last], [flat, flat], W("ner.rope_without_same"), "@orange", dash="dash"),
        dots([own], [rotated[own]], W("ner.rope_mark_own"), "@ink", size=12, symbol="circle-open"),
        x=axis(W("ner.rope_axis_length"), range=[-0.5, last + 0.5]),
        y=axis(W("ner.rope_axis_score")),
        marks=[horizontal(threshold, W("ner.threshold"))],
        title=W("ner.rope_title_length", span=span),
        height=360,
    )


def _lanes(scene: _Scene, found: Mapping[str, Cells], follow: _Follow) -> list[str | Word]:
    """Return the text twice, with what each side finds in lanes under it."""
    parts: list[str | Word] = []
    for side in SIDES:
        z = scene.shown(side)
        cells = sorted(found[side], key=lambda cell: -z[cell])[:MOST_BARS]
        entities = [scene.entity(cell, float(z[cell])) for cell in cells]
        marks = {
            e: "right" if cell in scene.reference else "wrong"
            for e, cell in zip(entities, cells, strict=True)
        }
        lit = follow.entity if follow.is_chosen else None
        parts += ["<h4>", W("ner.rope_lanes", side=scene.names[side], n=len(found[side])), "</h4>"]
        parts += annotated(scene.marked.text, entities, ner.TYPES[scene.types], lit, marks)
    return parts


# --- Readings -------------------------------------------------------------------------------------


def _readings(
    scene: _Scene, found: Mapping[str, Cells], follow: _Follow, threshold: float
) -> list[Reading]:
    readings = [
        shown(W("ner.rope_reading_found", side=scene.names[side]), len(found[side]))
        for side in SIDES
    ]
    reference = scene.reference
    starts, ends = [i for i, _ in reference], [j for _, j in reference]
    pairs = global_pointer.separable_spans(starts, ends)
    n = len(reference)
    if scene.gold is not None and reference == scene.gold:
        blind = _score(reference, pairs).f1
        theory = float(global_pointer.separable_f1(n))
        readings += [
            equal(W("ner.rope_reading_pairs", n=n), len(pairs), n * (n + 1) // 2),
            equal(W("ner.rope_reading_blind", n=n), blind or 0.0, theory, 1e-12),
            _f1_reading(scene, found),
        ]
        if scene.family == "toy":
            readings.append(_toy_reading(scene, pairs))
    else:
        note = W("ner.rope_note_reference")
        readings.append(shown(W("ner.rope_reading_reference", n=n), len(pairs), note))
    return [*readings, *_law_readings(scene, follow)]


def _f1_reading(scene: _Scene, found: Mapping[str, Cells]) -> Reading:
    with_rope, without = (_score(scene.reference, found[side]).f1 or 0.0 for side in SIDES)
    return at_least(
        W("ner.rope_reading_f1"),
        with_rope,
        without,
        note=W("ner.rope_note_toy_f1" if scene.family == "toy" else "ner.rope_note_finding"),
    )


def _toy_reading(scene: _Scene, pairs: Collection[Span]) -> Reading:
    """Return in how many cells the toy's decoding differs from all pairs of start and end."""
    decoded = scene.found("without", 0.0)
    return equal(W("ner.rope_reading_toy"), len(decoded ^ frozenset(pairs)), 0)


def _law_readings(scene: _Scene, follow: _Follow) -> list[Reading]:
    """Return what holds for any weights: the diagonal, the shift, and the two programs."""
    parts = scene.opened
    rotated, plain = parts.scores(True), parts.scores(False)
    at = np.arange(scene.n)
    diagonal = float(np.abs(rotated[:, at, at] - plain[:, at, at]).max())
    distance = follow.cell[1] - follow.cell[0]
    moved = [
        float(parts.at_distance(follow.kind, follow.cell, distance, shift)) for shift in SHIFTS
    ]
    rounding = W("ner.rope_note_rounding")
    readings = [
        equal(W("ner.rope_reading_diagonal"), diagonal, 0, ROUNDING, rounding),
        equal(
            W("ner.rope_reading_shift", most=int(SHIFTS[-1])),
            max(moved) - min(moved),
            0,
            ROUNDING,
            rounding,
        ),
    ]
    if scene.family == "toy":
        return readings
    network = scene.scores["with"]
    inside = np.isfinite(network)
    gap = float(np.abs(network[inside] - rotated[inside]).max())
    size = max(1.0, float(np.abs(network[inside]).max()))
    return [
        *readings,
        equal(W("ner.rope_reading_network"), gap, 0, 1e-5 * size, W("ner.rope_note_float32")),
    ]


def _curve_readings(scene: _Scene, curve: Mapping[str, Any]) -> list[Reading]:
    """Return F1 over all bulletins, and on the held-out set where it has been measured."""
    kind = "toy_f1" if scene.family == "toy" else "finding"
    with_rope, without = (_total(curve, side).f1 or 0.0 for side in SIDES)
    readings = [
        at_least(
            W("ner.rope_reading_bulletins", most=MOST_PLACES),
            with_rope,
            without,
            note=W(f"ner.rope_note_{kind}"),
        )
    ]
    held = _held_out()
    pair = (scene.types, scene.family), (scene.types, f"{scene.family}_bare")
    if all(key in held for key in pair):
        readings.append(
            at_least(
                W("ner.rope_reading_held", types=W(f"ner.types_{scene.types}")),
                held[pair[0]],
                held[pair[1]],
                note=W("ner.rope_note_held"),
            )
        )
    return readings


@lru_cache(maxsize=1)
def _held_out() -> dict[tuple[str, str], float]:
    """Return the measured F1 by set and head, empty where no table lies."""
    path = FOLDER / "table.csv"
    if not path.is_file():
        return {}
    with path.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    return {(row["set"], row["head"]): float(row["f1"]) for row in rows if row.get("f1")}


# --- Clicks ---------------------------------------------------------------------------------------


def _pick(values: Values, point: Mapping[str, Any]) -> dict[str, Any]:
    """Return the span whose cell was clicked, or the number of places clicked on the curve."""
    if point.get("figure") == "curve":
        places = max(1, min(MOST_PLACES, round(float(point["x"]))))
        return {"source": "bulletin", "places": places}
    if point.get("figure") not in SIDES:
        return {}
    names = ("text", "source", "places", "types", "family", "switch", "kind")
    scene = _scene(*(values[name] for name in names))
    cell = cell_at(scene.marked, point)
    if cell is None or cell[0] > cell[1]:
        return {}
    return {"chosen": chosen_text(scene.entity(cell))}


PANEL = Panel(
    rope,
    rope_controls,
    (
        Preset(
            "bulletin",
            {"text": EXAMPLES["weather"], "source": "bulletin", "places": 12, "switch": "trained"},
        ),
        Preset(
            "letters",
            {
                "text": EXAMPLES["letters"],
                "types": "auto",
                "source": "own",
                "family": "gp",
                "switch": "trained",
                "kind": "place",
                "threshold": 0,
            },
        ),
        Preset(
            "same",
            {
                "text": EXAMPLES["letters"],
                "types": "auto",
                "source": "bulletin",
                "places": 8,
                "family": "egp",
                "switch": "same",
                "kind": "place",
                "threshold": 0,
            },
        ),
        Preset("toy", {"text": EXAMPLES["weather"], "source": "own", "family": "toy"}),
        Preset(
            "nested",
            {
                "text": EXAMPLES["ship"],
                "types": "auto",
                "source": "own",
                "family": "egp",
                "switch": "same",
                "kind": "person",
            },
        ),
    ),
    _pick,
)
