"""The panel ``loss`` of the NER tab: the numbers of the note, what is typed, and clicks."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from demos.controls import InputError
from demos.frame import payload
from demos.ner._loss import FAR, PANEL, _pick, _rows, _rows_text, _spans

PRESETS = {preset.key: preset for preset in PANEL.presets}


def preset(key, **values):
    return PANEL.first(PANEL.check({**PRESETS[key].apply(PANEL.defaults), **values}))


def seen(**values):
    return PANEL.first(PANEL.check({"cell": "", **values}))


def readings(view):
    return {r.quantity.key.removeprefix("ner.loss_reading_"): r for r in view.readings}


def value(view):
    return view.caption.params["value"]


def notes(view):
    return {note.key.removeprefix("ner.loss_note_") for note in view.notes}


# --- the numbers of the note ----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("key", "wanted"),
    [
        ("vector", 1.6635092060897347),
        ("soft", 2.896466045945882),
        ("rotated", 10.0924410403),
        ("bare", 11.3173434290),
        ("zeros", math.log(36) + math.log(2)),
        ("extreme", 1000),
    ],
)
def test_presets_give_the_known_losses(key, wanted):
    assert value(preset(key)) == pytest.approx(wanted, abs=3e-9)  # the note's scores have 8 digits
    assert all(reading.held is not False for reading in preset(key).readings)


def test_gradient_of_the_vector():
    table = preset("vector").table
    wanted = [-0.09962365, 0.09468937, 0.42436833, 0.01281481, -0.16425163, 0.21073508]
    np.testing.assert_allclose(table["loss_zlpr"], wanted, atol=1e-8)
    sigmoid = 1 / (1 + np.exp(-np.array([2, -1, 0.5, -3, 1.5, -0.2])))
    np.testing.assert_allclose(table["loss_bce"], sigmoid - [1, 0, 0, 0, 1, 0], atol=1e-12)
    assert preset("vector").caption.params["bce"] == pytest.approx(2.2624061817, abs=1e-10)


def test_decoded_cells_of_the_worked_example():
    assert readings(preset("rotated"))["decoded"].measured == (
        "0–0, 0–3, 0–4, 1–3, 1–4, 2–3, 2–4, 3–4, 4–4"
    )
    assert readings(preset("zeros"))["decoded"].measured.text() == "none"
    assert readings(preset("separated"))["separated"].measured.text() == "yes"


@pytest.mark.parametrize(
    ("n", "gold", "zlpr", "bce"), [(5, "0-1", 3.401197, 10.397208), (5, "", 2.772589, 10.397208)]
)
def test_zero_scores(n, gold, zlpr, bce):
    told = readings(seen(n=n, scores="", gold=gold))
    assert told["zero"].measured == pytest.approx(zlpr, abs=1e-6)
    assert told["zero"].theory == pytest.approx(zlpr, abs=1e-6)
    assert told["zero_bce"].measured == pytest.approx(bce, abs=1e-6)


def test_curve_at_zero_scores():
    of_zlpr, of_bce, here = seen(n=5, gold="0-0,0-1,0-2").pictures["growth"].data
    n = of_zlpr["x"].tolist()
    assert n[-1] == 512
    assert of_zlpr["y"][n.index(50)] == pytest.approx(8.535426, abs=1e-5)  # sent as float32
    assert of_zlpr["y"][-1] == pytest.approx(13.171732, abs=1e-5)
    assert of_bce["y"][-1] == pytest.approx(91_029.633, rel=1e-6)
    assert here["x"].tolist() == [5, 5]
    assert here["y"][0] == of_zlpr["y"][n.index(5)]


def test_many_true_cells_begin_the_curve_later():
    gold = ",".join(f"{i}-{j}" for i in range(8) for j in range(i, 8))
    curve = seen(n=8, gold=gold).pictures["growth"].data[0]
    assert curve["x"][0] == 8


def test_terms_are_stacked_to_the_losses():
    view = preset("soft")
    heights = [np.asarray(trace["y"], float) for trace in view.pictures["terms"].data]
    totals = heights[0] + heights[1]
    assert totals[0] == pytest.approx(value(view), rel=1e-6)  # sent as float32
    assert totals[1] == pytest.approx(view.caption.params["bce"], rel=1e-6)


def test_a_constant_is_not_neutral():
    view = preset("vector")
    moved = seen(n=3, scores="3 0 1.5; -2 2.5; 0.8", gold="0-0, 1-2")
    assert readings(view)["constant"].measured == pytest.approx(value(moved) - value(view))


@settings(max_examples=25, deadline=None)
@given(
    st.integers(2, 8),
    st.lists(st.floats(-FAR, FAR), max_size=36),
    st.sampled_from(["", "0-0", "0-1, 1-1, 3-7"]),
    st.floats(0, 0.5),
)
def test_every_reading_holds_for_any_scores(n, scores, gold, soft):
    view = seen(n=n, scores="; ".join(map(repr, scores)), gold=gold, soft=soft)
    assert all(reading.held is not False for reading in view.readings)


# --- what is typed --------------------------------------------------------------------------------


def test_rows_and_cells_are_read_in_any_spelling():
    assert _rows("1 −2,3；4、5;６") == [[1, -2, 3], [4, 5], [6]]
    assert _rows("1/2\n-3\n") == [[0.5], [-3]]
    assert _rows("") == [[]]
    assert _spans("2-4，0–1; 0 - 1") == [(0, 1), (2, 4)]
    assert _spans(" ") == []


@pytest.mark.parametrize(
    ("scores", "row", "given"),
    [("1 2; x", 2, "“x”"), ("inf", 1, "“inf”"), ("0;0;10001", 3, "“10001”"), ("nan", 1, "“nan”")],
)
def test_a_bad_score_is_named_with_its_row(scores, row, given):
    with pytest.raises(InputError) as caught:
        seen(scores=scores)
    params = caught.value.word.params
    assert params["row"] == row and params["given"] == given
    for lang in ("zh", "en"):
        assert given in caught.value.word.text(lang)


@pytest.mark.parametrize("gold", ["1", "2-1", "a-b", "0-1-2", "-1-2", "0.5-1"])
def test_a_bad_cell_is_named(gold):
    for field in ("gold", "cell"):
        with pytest.raises(InputError) as caught:
            seen(**{field: gold})
        assert caught.value.word.key == "ner.loss_error_span"


def test_what_does_not_fit_is_left_out_and_told():
    assert notes(seen(n=3)) == {"more", "gold"}
    assert notes(seen(n=6)) == {"fewer"}
    assert notes(seen(n=6, scores="")) == set()
    table = seen(n=3).table
    assert table["loss_score"].tolist() == [2, -3, -4, -2, -1, -3]


@pytest.mark.parametrize("text", ["<b>", "§0§", "\ud800", "1" * 700, "\u202e1", "1e400", "😀"])
def test_hostile_text_gets_a_sentence(text):
    for field in ("scores", "gold", "cell"):
        packed = payload(PANEL, {field: text})
        if "error" in packed:
            assert "bug" not in packed["error"]["en"] and len(packed["error"]["zh"]) < 500


# --- the lit cell and clicks ----------------------------------------------------------------------


def test_the_slider_sets_the_lit_cell():
    view = seen(cell="0-2", value=7)
    assert view.table["loss_score"][2] == 7
    assert notes(view) == {"lit"}
    assert "value" not in view.unused
    assert "value" in seen(cell="").unused and "value" in seen(cell="0-7").unused


@given(st.lists(st.floats(-FAR, FAR).map(lambda x: round(x, 6)), min_size=6, max_size=6))
@settings(max_examples=20, deadline=None)
def test_scores_survive_being_written_back(values):
    s = np.zeros((3, 3))
    s[np.triu_indices(3)] = values
    rows = _rows(_rows_text(s))
    np.testing.assert_allclose(sum(rows, []), values, rtol=1e-9)


def click(figure="matrix", x=0, y=0, **values):
    return _pick(PANEL.check(values), {"figure": figure, "x": x, "y": y})


def test_a_click_lights_a_cell_and_keeps_the_slider_value():
    new = click(x=2, y=1, value=3)
    assert new == {"scores": "2 -3 -4 -5; -2 -1 1.5; -3 -2; 3", "cell": "1-2", "value": -1}
    before, after = seen(cell="3-3", value=3), seen(**new)
    assert value(before) == value(after)


def test_a_second_click_puts_it_out():
    assert click(x=3, y=3)["cell"] == ""


def test_a_score_beyond_the_slider_is_not_lit():
    values = PRESETS["extreme"].apply(PANEL.defaults)
    new = click(x=1, y=0, **values)
    assert new["cell"] == "" and new["scores"] == values["scores"]


def test_a_click_makes_a_cell_true_and_false_again():
    assert click(x=2, y=1, click="gold") == {"gold": "0-0, 1-2, 1-3"}
    assert click(x=2, y=1, click="gold", gold="0-0, 1-2, 1-3") == {"gold": "0-0, 1-3"}


def test_a_click_on_a_bar_is_one_on_its_cell():
    assert click("gradient", x=5, y=0.1)["cell"] == "1-2"


@pytest.mark.parametrize(
    ("figure", "x", "y"), [("matrix", 0, 2), ("matrix", 4, 0), ("terms", 0, 0), ("growth", 3, 3)]
)
def test_other_clicks_change_nothing(figure, x, y):
    assert click(figure, x, y) == {}
