"""The panel Score matrix: its cells, its clicks, and the scores worked out a second time."""

import numpy as np
import pytest

from demos.controls import InputError
from demos.frame import dumps, payload
from demos.ner._common import chosen_text
from demos.ner._matrix import LABELS, MOST_NUMBERED, PANEL, SHORT
from demos.ner._plane import piece_names
from models import ner
from models.ner_examples import EXAMPLES

KEYS = ["hospital", "king", "weather"]


def looked(**values):
    return PANEL.first(PANEL.check(values))


def clicked(values, point):
    assert PANEL.pick
    return PANEL.pick(values, point)


def readings(view):
    """The readings by the end of their key."""
    return {r.quantity.key.rpartition("reading_")[2]: r for r in view.readings}


def cells(view):
    return view.pictures["matrix"].data[0]["z"]


def notes(view):
    return {note.key.partition(".")[2] for note in view.notes}


@pytest.mark.parametrize("head", ner.SPAN_HEADS)
def test_cells_are_the_scores_of_the_type(head):
    scores = ner.mark(EXAMPLES["hospital"], "nested", head).matrix
    z = cells(looked(head=head, label="Person"))
    upper = np.triu_indices(len(z))
    np.testing.assert_array_equal(z[upper], scores[2][upper])
    assert np.isnan(z[np.tril_indices(len(z), -1)]).all()
    np.testing.assert_array_equal(cells(looked(head=head))[upper], scores.max(0)[upper])


@pytest.mark.parametrize("key", KEYS)
@pytest.mark.parametrize("head", ner.SPAN_HEADS)
def test_network_and_formula_agree_in_every_cell(key, head):
    """All cells of all types; the tolerance is the panel's own: rounding."""
    view = looked(text=EXAMPLES[key], head=head, threshold=-3)
    formula = readings(view)["formula"]
    assert formula.held is True and 0 < formula.measured < formula.tolerance < 2e-4
    assert [r.report() for r in view.readings if r.held is False] == []


def test_below_the_diagonal_stand_the_parts_of_the_efficient_head():
    """Shared + start + end, from the network in float32, against the panel's float64."""
    _, shared, start, end = ner.efficient_parts(SHORT, "nested")
    whole = shared + start[:, :, None] + end[:, None, :]
    below = np.tril_indices(len(shared), -1)
    z = cells(looked(text=SHORT, triangle=True, label="Organization"))
    np.testing.assert_allclose(z[below], whole[1][below], atol=5e-5)  # rounding of scores to 16
    highest = cells(looked(text=SHORT, triangle=True))
    np.testing.assert_allclose(highest[below], whole.max(0)[below], atol=5e-5)
    assert readings(looked(text=SHORT, triangle=True, threshold=-8))["below"].measured == int(
        (whole[:, below[0], below[1]] > -8).sum()
    )


def test_counts_of_cells():
    view = looked(text=EXAMPLES["king"])
    n = len(cells(view))
    assert readings(view)["diagonal"].measured == n == readings(view)["diagonal"].theory
    assert readings(view)["cells"].measured == n * (n + 1) // 2
    found = ner.mark(EXAMPLES["king"], "litbank").entities()
    assert readings(view)["found"].measured == readings(view)["found"].theory == len(found)


def test_a_threshold_between_two_floats_counts_the_same_by_hand():
    for threshold in (0.1, -0.3, 1 / 3, -7.7):
        found = readings(looked(threshold=threshold))["found"]
        assert found.held is True


def test_only_the_shown_type_has_bars():
    view = looked(label="Location", threshold=-2)
    found = ner.mark(EXAMPLES["hospital"], "nested").entities(-2)
    mine = [e for e in found if e.label == "Location"]
    assert view.table["span_start"] == [e.start for e in mine] and len(mine) < len(found)


@pytest.mark.parametrize("label", ["PER", "movie"])
def test_a_type_of_another_set_falls_back_and_says_so(label):
    view = looked(label=label)
    assert "matrix_note_label" in notes(view)
    np.testing.assert_array_equal(cells(view), cells(looked(label="Location")))


def test_every_label_of_every_set_can_be_chosen():
    assert len(set(LABELS)) == 26
    for types, labels in ner.TYPES.items():
        assert "matrix_note_label" not in notes(looked(types=types, label=labels[-1]))


def test_numbers_stand_in_the_cells_of_a_short_text_only():
    assert "texttemplate" in looked(text=SHORT, numbers=True).pictures["matrix"].data[0]
    long = looked(numbers=True)
    assert len(cells(long)) > MOST_NUMBERED and "matrix_note_numbers" in notes(long)
    assert "texttemplate" not in long.pictures["matrix"].data[0]


def test_the_two_colours_meet_at_the_threshold():
    for threshold in (-10.0, 0.0, 3.0, 10.0):
        trace = looked(threshold=threshold).pictures["matrix"].data[0]
        middle = trace["colorscale"][1][0]
        place = trace["zmin"] + middle * (trace["zmax"] - trace["zmin"])
        assert 0 < middle < 1 and place == pytest.approx(threshold)  # rounding


# --- Clicks and the lit span ----------------------------------------------------------------------


def point(row, column, text=EXAMPLES["hospital"]):
    names = [word.text() for word in piece_names(ner.mark(text, "nested"))]
    return {"figure": "matrix", "x": names[column], "y": names[row]}


def test_a_click_lights_the_span_in_text_and_matrix():
    values = PANEL.check({})
    picked = clicked(values, point(16, 23))
    assert picked == {"chosen": "16-23-Organization"}
    view = looked(**picked)
    html = "".join(str(part) for part in view.html)
    assert html.count('aria-pressed="true"') == 1
    boxes = [s for s in view.pictures["matrix"].layout["shapes"] if s["type"] == "rect"]
    assert [(s["x0"], s["y0"]) for s in boxes] == [(22.5, 15.5)]
    assert clicked({**values, **picked}, point(16, 23)) == {"chosen": ""}


def test_a_click_takes_the_shown_type():
    values = PANEL.check({"label": "Food"})
    assert clicked(values, point(3, 5)) == {"chosen": "3-5-Food"}


def test_a_click_below_the_diagonal_or_elsewhere_does_nothing():
    values = PANEL.check({"triangle": True})
    assert clicked(values, point(5, 3)) == {}
    assert clicked(values, {**point(3, 5), "figure": "ranks"}) == {}
    assert clicked(values, {"figure": "types", "index": 2}) == {}


def test_a_click_on_a_bar_changes_the_type():
    values = PANEL.check({"chosen": "16-23-Organization"})
    assert clicked(values, {"figure": "types", "index": 0}) == {"chosen": "16-23-Location"}
    for index in (-1, 10, None, "x"):
        assert clicked(values, {"figure": "types", "index": index}) == {}


@pytest.mark.parametrize("head", ner.SPAN_HEADS)
def test_the_lit_score_in_two_ways_and_its_rank(head):
    scores = ner.mark(EXAMPLES["hospital"], "nested", head).matrix
    view = looked(head=head, chosen="16-23-Organization")
    lit = readings(view)["lit"]
    assert lit.measured == scores[1, 16, 23] and lit.held is True
    assert lit.theory != lit.measured  # worked out again, not copied
    rank = readings(view)["rank"].measured.params
    every = sorted(scores[1][np.triu_indices(47)].tolist(), reverse=True)
    assert every[rank["rank"] - 1] == scores[1, 16, 23] and rank["whole"] == 1128
    np.testing.assert_array_equal(view.pictures["types"].data[0]["x"], scores[:, 16, 23])


def test_scores_by_rank_fall_and_cross_the_threshold_at_the_last_found():
    view = looked()
    curve, last = view.pictures["ranks"].data
    assert (np.diff(curve["y"]) <= 0).all() and curve["x"][0] == 1
    assert curve["x"][-1] == 10 * 1128
    found = ner.mark(EXAMPLES["hospital"], "nested").entities()
    assert last["x"].tolist() == [len(found)]
    assert last["y"][0] == np.float32(min(e.score or 0 for e in found))


def test_every_found_span_can_be_lit():
    for entity in ner.mark(EXAMPLES["king"], "litbank").entities(-2):
        view = looked(text=EXAMPLES["king"], threshold=-2, chosen=chosen_text(entity))
        assert readings(view)["lit"].measured == entity.score
        assert "note_below" not in notes(view)


# --- Any text -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "text",
    ["", " ", "\n", "a", "§0§ {text} <b>", "👩‍👩‍👧", "مرحبا بالعالم", "x" * 2000, "𠀀" * 126],
)
@pytest.mark.parametrize("triangle", [False, True])
def test_any_text_gives_a_view(text, triangle):
    for threshold in (-10.0, 0.0, 10.0):
        for chosen in ("", "0-0-PER", "0-0-Person"):
            values = {"text": text, "threshold": threshold, "chosen": chosen}
            packed = payload(PANEL, {**values, "triangle": triangle, "numbers": True})
            assert "error" not in packed
            assert len(dumps(packed).encode()) <= 300_000


def test_an_empty_text_has_an_empty_matrix():
    view = looked(text="")
    assert "note_empty" in notes(view) and not view.pictures["matrix"].data
    assert all(reading.held is not False for reading in view.readings)


def test_a_text_of_several_windows_is_refused_with_its_length():
    with pytest.raises(InputError, match="at most 126 tokens for one matrix, given 127"):
        looked(text="北" * 127)
