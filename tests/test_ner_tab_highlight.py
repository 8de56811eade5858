"""The panel Highlight: bars, cells and readings against the spans they stand for."""

import re

import numpy as np
import pytest

from demos.controls import InputError
from demos.frame import dumps, payload
from demos.ner._common import chosen_text, score_of
from demos.ner._highlight import LONG, PANEL
from demos.ner._plane import MOST_PIECE, cell_at, piece_names
from models import ner, ner_teach
from models.ner import Marked, Window
from models.ner_examples import EXAMPLES
from models.spans import Entity, flat_best, longest_flat

TEXTS = {
    "empty": "",
    "blank": " \n\t ",
    "one": "北",
    "emoji": "👩‍👩‍👧 in London",
    "html": "<script>alert('x')</script> of London",
    "signs": "§0§ {text} %{x} @blue $x$",
    "arabic": "مرحبا بالعالم",
    "long word": "x" * 2000,
    "no blank": "北京大学" * 500,
    "words": ("The king of England's brother. " * 70)[:2000],
    "beyond": "𠀀" * 300,
}


def looked(**values):
    return PANEL.first(PANEL.check(values))


def clicked(values, point):
    assert PANEL.pick
    return PANEL.pick(values, point)


def readings(view):
    """The readings by the end of their key."""
    return {r.quantity.key.rpartition("reading_")[2]: r for r in view.readings}


def html(view):
    return "".join(part if isinstance(part, str) else part.text("en") for part in view.html)


def spans(view):
    """The drawn spans (start, end), from the table."""
    return list(zip(view.table["span_start"], view.table["span_end"], strict=True))


def outlined(figure):
    """Cells (row, column) of the one path around them."""
    path = next(shape["path"] for shape in figure.layout["shapes"] if shape["type"] == "path")
    corners = re.findall(r"M(-?[\d.]+),(-?[\d.]+)L", path)
    return [(int(float(y) + 0.5), int(float(x) + 0.5)) for x, y in corners]


@pytest.mark.parametrize("key", ["hospital", "king", "museum"])
@pytest.mark.parametrize("head", ner.SPAN_HEADS)
def test_table_bars_and_cells_are_the_decoded_entities(key, head):
    text = EXAMPLES[key]
    marked = ner.mark(text, ner.SETS[ner.guess_language(text)][0], head)
    found = marked.entities(-2.0)
    view = looked(text=text, head=head, threshold=-2)
    assert spans(view) == [(e.start, e.end) for e in found]
    assert view.table["span_score"] == [e.score for e in found]
    assert [w.text() for w in view.table["span_text"]] == [text[e.start : e.end + 1] for e in found]
    assert html(view).count("<button") == len(found)
    cells = [marked.cell(e.start, e.end) for e in found]
    assert outlined(view.pictures["figure"]) == sorted({cell for cell in cells if cell})
    assert readings(view)["found"].measured == len(found)


def test_the_picture_holds_the_greatest_score_of_each_span():
    view = looked()
    z = view.pictures["figure"].data[0]["z"]
    scores = ner.mark(EXAMPLES["hospital"], "nested").matrix
    np.testing.assert_array_equal(
        z[np.triu_indices(len(z))], scores.max(0)[np.triu_indices(len(z))]
    )
    assert np.isnan(z[np.tril_indices(len(z), -1)]).all()


@pytest.mark.parametrize("text", [EXAMPLES["hospital"], LONG])
def test_every_reading_holds(text):
    for flat in ("all", "best", "longest"):
        view = looked(text=text, flat=flat, threshold=-1)
        assert [r.report() for r in view.readings if r.held is False] == []


def test_cells_of_a_long_text_are_those_of_its_windows():
    marked = ner.mark(LONG, "nested")
    sizes = [window.stop - window.start for window in marked.windows]
    cells = readings(looked(text=LONG))["cells"]
    assert len(sizes) > 5 and cells.measured == cells.theory == 10 * sum(
        n * (n + 1) // 2 for n in sizes
    )


@pytest.mark.parametrize(("flat", "rule"), [("best", flat_best), ("longest", longest_flat)])
def test_what_a_flat_tagger_loses_is_dashed(flat, rule):
    found = ner.mark(EXAMPLES["hospital"], "nested").entities(-3)
    kept = rule(found)
    view = looked(flat=flat, threshold=-3)
    begun = re.findall(r'<i class="([^"]*\ba\b[^"]*)"', html(view))
    assert sum("missed" in names for names in begun) == len(found) - len(kept) > 0
    assert sum(view.table["span_kept"]) == len(kept)
    assert readings(view)[f"flat_{flat}"].measured == len(kept)


# A text of 4 tokens whose scores we set: (0, 3) holds (1, 2), and (2, 3) crosses (1, 2)
TINY = "abcd"


def tiny(found, types=("X", "Y")):
    scores = np.where(np.triu(np.ones((4, 4), bool)), -5.0, -np.inf).astype(np.float32)
    scores = np.stack([scores] * len(types))
    for start, end, label, score in found:
        scores[types.index(label), start, end] = score
    offsets = tuple((i, i + 1) for i in range(4))
    return Marked(TINY, types, offsets, (Window(0, 4, 0, 8, scores),))


@pytest.fixture
def taught(monkeypatch):
    """Let the panel read `TINY` with scores of our own, as it would with a taught type."""

    def teach(*found, types=("X", "Y")):
        one = type("Taught", (), {"mark": lambda self, text: tiny(found, types)})()
        monkeypatch.setattr(ner_teach, "kept", {"token": one}.get, raising=False)
        return {"text": TINY, "taught": "token"}

    return teach


def test_pairs_are_counted_by_kind(taught):
    values = taught((0, 3, "X", 2), (1, 2, "X", 1), (2, 3, "Y", 3), (1, 2, "Y", 0.5))
    view = looked(**values)
    counts = readings(view)["pairs"].measured.params
    assert counts == {"nested": 3, "equal": 1, "crossing": 2}
    assert readings(view)["lanes"].measured == 4
    assert view.unused == {"types", "head"}


def test_the_first_clash_is_named(taught):
    view = looked(**taught((0, 2, "X", 2), (1, 3, "Y", 1)))
    reading = readings(view)["bio"]
    assert reading.measured.text("en") == "cannot be written"
    assert "“abc” and “bcd” both want “bc”" in reading.note.text("en")


def test_spans_side_by_side_come_back_from_bio(taught):
    view = looked(**taught((0, 1, "X", 2), (2, 3, "Y", 1)))
    assert readings(view)["bio"].held is True and readings(view)["bio"].measured == 2
    assert readings(view)["flat_best"].measured == readings(view)["flat_best"].theory == 2


def test_the_best_score_first_may_keep_fewer_than_fit(taught):
    view = looked(**taught((0, 0, "X", 1), (0, 3, "X", 3), (2, 3, "Y", 1)))
    flat = readings(view)["flat_best"]
    assert (flat.measured, flat.theory, flat.held) == (1, 2, True)


def test_a_visitors_type_is_only_text(taught):
    label = "<b>§0§</b>"
    packed = payload(PANEL, taught((0, 1, label, 2), types=(label,)))
    assert "<b>" not in packed["html"] and "error" not in packed
    assert packed["words"]["en"][int(packed["table"][3]["values"][0].strip("§"))] == label


def test_what_is_no_longer_kept_is_said(monkeypatch):
    monkeypatch.setattr(ner_teach, "kept", lambda token: None, raising=False)
    with pytest.raises(InputError, match="teach it again"):
        looked(taught="gone")


# --- The lit span ---------------------------------------------------------------------------------


def test_a_click_on_a_cell_lights_its_span_and_a_second_one_puts_it_out():
    values = PANEL.check({})
    marked = ner.mark(EXAMPLES["hospital"], "nested")
    names = [word.text() for word in piece_names(marked)]
    point = {"figure": "figure", "x": names[23], "y": names[16]}
    assert clicked(values, point) == {"chosen": "16-23-Organization"}
    assert clicked({**values, "chosen": "16-23-Organization"}, point) == {"chosen": ""}
    by_number = {"figure": "figure", "x": 23, "y": 16}
    assert clicked(values, by_number) == {"chosen": "16-23-Organization"}


@pytest.mark.parametrize(
    "point", [{}, {"x": 3, "y": 9}, {"x": 99, "y": 0}, {"x": "no", "y": None}, {"x": -1, "y": -1}]
)
def test_a_click_beside_the_spans_does_nothing(point):
    assert clicked(PANEL.check({}), point) == {}


def test_a_span_that_is_no_entity_is_lit_with_its_score():
    marked = ner.mark(EXAMPLES["hospital"], "nested")
    score = score_of(marked, Entity(17, 25, "Person"))
    assert score is not None and score < 0
    view = looked(chosen="17-25-Person")
    assert readings(view)["lit"].measured == score
    assert any(note.key == "ner.note_below" for note in view.notes)
    begun = re.findall(r'<i class="([^"]*\ba\b[^"]*)"', html(view))
    assert [n for n in begun if "on" in n.split()] == ["k2 a on missed"]
    assert (17, 25) not in spans(view)
    boxes = [s for s in view.pictures["figure"].layout["shapes"] if s["type"] == "rect"]
    assert [(s["x0"], s["y0"]) for s in boxes] == [(24.5, 16.5)]


def test_a_click_on_a_name_lights_a_found_span():
    view = looked()
    named = re.findall(r"data-set=\"([^\"]*)\"", html(view))
    found = ner.mark(EXAMPLES["hospital"], "nested").entities()
    for value, entity in zip(named, found, strict=True):
        assert chosen_text(entity) in value
        lit = looked(chosen=chosen_text(entity))
        assert readings(lit)["lit"].measured == entity.score
        assert not any(note.key == "ner.note_below" for note in lit.notes)


@pytest.mark.parametrize("chosen", ["", "x", "5-3-Person", "0-1-Nobody", "0-9999-Person", "-1-2-"])
def test_a_span_that_is_not_there_lights_nothing(chosen):
    view = looked(chosen=chosen)
    assert "lit" not in readings(view) and ' on"' not in html(view)


def test_a_long_text_is_points_that_can_be_clicked():
    view = looked(text=LONG)
    points = [t for t in view.pictures["figure"].data if t["mode"] == "markers"]
    placed = {(y, x) for t in points for y, x in zip(t["y"].tolist(), t["x"].tolist(), strict=True)}
    assert placed == set(spans(view))
    y, x = sorted(placed)[-1]
    picked = clicked(PANEL.check({"text": LONG}), {"figure": "figure", "x": x, "y": y})
    assert picked["chosen"].startswith(f"{y}-{x}-")
    lit = looked(text=LONG, **picked)
    assert readings(lit)["lit"].measured > 0
    assert clicked(PANEL.check({"text": LONG}), {"x": 999, "y": 0}) == {}


# --- Any text -------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", TEXTS)
@pytest.mark.parametrize("threshold", [-10.0, 0.0])
def test_any_text_gives_a_view(name, threshold):
    for types in ("auto", "nested", "litbank"):
        packed = payload(PANEL, {"text": TEXTS[name], "threshold": threshold, "types": types})
        assert "error" not in packed
        assert len(dumps(packed).encode()) <= 300_000


def test_an_empty_text_says_so():
    view = looked(text="")
    assert [note.key for note in view.notes] == ["ner.note_empty"]
    assert view.table["span_start"] == [] and not view.pictures["figure"].data
    assert all(reading.held is not False for reading in view.readings)


def test_of_very_many_spans_the_rest_is_told():
    view = looked(text="北京大学" * 31, threshold=-10)
    (note,) = [note for note in view.notes if note.key == "ner.note_drawn"]
    assert note.params["drawn"] == len(view.table["span_start"]) < note.params["n"]


# --- Names of rows and columns --------------------------------------------------------------------


def test_equal_pieces_have_different_names_that_look_alike():
    marked = ner.mark("北京北京北京", "nested")
    names = [word.text() for word in piece_names(marked)]
    assert len(set(names)) == 6
    assert ["".join(filter(str.isprintable, name)) for name in names] == list("北京北京北京")
    for k, name in enumerate(names):
        assert cell_at(marked, {"x": name, "y": 0}) == (0, k)


def test_a_long_piece_is_cut_and_a_sign_of_markup_is_none():
    marked = ner.mark("<" + "x" * 200, "litbank")
    first, second = ("".join(filter(str.isprintable, w.text())) for w in piece_names(marked))
    assert first == "&lt;" and len(second) == MOST_PIECE and second.endswith("…")
    assert cell_at(marked, {"x": "<" + piece_names(marked)[0].text()[4:], "y": 0}) == (0, 0)
