"""The panel ``rope`` of the NER tab: what it draws and counts, against the models."""

from typing import Any

import numpy as np
import pytest

from demos.controls import InputError
from demos.frame import dumps, payload
from demos.ner import _rope
from demos.ner._plane import piece_names
from demos.ner._rope import KINDS, PANEL, _pick
from models import encoder, ner
from models import ner_ablation as ab
from models.hub import HubError
from models.ner_examples import EXAMPLES

EDGE_TEXTS = ["", "   ", "\n\t", "x", "王", "😀", "<b>&amp;</b>", "\u202eabc", "a\ud800b", "§0§"]


def seen(**values):
    """The view of Efficient GlobalPointer trained twice, unless told otherwise."""
    return PANEL.first(PANEL.check({"family": "egp", "switch": "trained", **values}))


def readings(view):
    """The readings by the end of their key."""
    found: dict[str, Any] = {}
    for reading in view.readings:
        found.setdefault(reading.quantity.key.removeprefix("ner.rope_reading_"), reading)
    return found


def notes(view):
    return {note.key.removeprefix("ner.rope_note_") for note in view.notes}


def shapes(view, side):
    """The outlines of a matrix by the end of their key, as numbers of cells."""
    counts = {}
    for shape in view.pictures[side].layout["shapes"]:
        crossed = 2 if shape["name"].key.endswith("paired") else 0
        strokes = shape["path"].count("M")
        counts[shape["name"].key.removeprefix("ner.rope_mark_")] = strokes // (1 + crossed)
    return counts


def test_matrices_are_the_scores_of_the_two_heads():
    view = seen()
    at = ner.TYPES["nested"].index("Location")
    for side, head in (("with", "egp"), ("without", "egp_bare")):
        z = view.pictures[side].data[0]["z"]
        network = ner.mark(EXAMPLES["weather"], "nested", head).matrix[at]
        inside = np.isfinite(network)
        np.testing.assert_array_equal(inside, np.isfinite(z))
        np.testing.assert_array_equal(z[inside], network[inside])


def test_all_types_show_the_greatest_score():
    view = seen(kind="all")
    network = ner.mark(EXAMPLES["weather"], "nested", "egp").matrix.max(axis=0)
    inside = np.isfinite(network)
    np.testing.assert_array_equal(view.pictures["with"].data[0]["z"][inside], network[inside])


@pytest.mark.parametrize("family", ["egp", "gp"])
def test_same_weights_lose_their_rotation_only(family):
    view = seen(text=EXAMPLES["letters"], family=family, switch="same")
    opened = ab.opened(EXAMPLES["letters"], "litbank", family)
    plain = opened.scores(False)[ner.TYPES["litbank"].index("GPE")]
    inside = np.isfinite(plain)
    z = view.pictures["without"].data[0]["z"]
    np.testing.assert_allclose(z[inside], plain[inside], rtol=1e-6)  # sent as float32


@pytest.mark.parametrize("n", [1, 2, 8, 12])
@pytest.mark.parametrize("text", [EXAMPLES["weather"], EXAMPLES["letters"]])
def test_the_toy_counts_all_pairs(n, text):
    view = seen(family="toy", source="bulletin", places=n, text=text)
    assert shapes(view, "with") == {"true": n, "followed": 1}
    pairs = n * (n + 1) // 2
    wanted = {"true": n, "followed": 1} | ({"paired": pairs - n} if n > 1 else {})
    assert shapes(view, "without") == wanted
    told = readings(view)
    assert told["pairs"].measured == told["pairs"].theory == pairs
    assert told["blind"].theory == pytest.approx(4 / (n + 3))
    assert told["f1"].measured == 1 and told["f1"].theory == pytest.approx(4 / (n + 3))
    assert told["toy"].measured == 0
    assert all(reading.held is not False for reading in view.readings)


def test_the_toy_lies_on_the_curve():
    table = seen(family="toy").table
    np.testing.assert_allclose(table["rope_f1_without"], table["rope_blind"], atol=1e-15)
    np.testing.assert_allclose(table["rope_blind"], 4 / (np.arange(1, 13) + 3))
    assert (table["rope_f1_with"] == 1).all()
    np.testing.assert_array_equal(table["rope_found_without"], np.cumsum(np.arange(1, 13)))


def test_curve_counts_what_the_heads_find():
    table = seen(text=EXAMPLES["letters"], family="gp", threshold=0.5).table
    for n in (1, 5, 12):
        marked = ner.mark(ab.bulletin(n, "en"), "litbank", "gp_bare")
        found = {(e.start, e.end) for e in marked.entities(0.5) if e.label == "GPE"}
        right = found & set(ab.places_of(marked.text) or ())
        assert table["rope_found_without"][n - 1] == len(found)
        assert table["rope_right_without"][n - 1] == len(right)
        assert table["rope_f1_without"][n - 1] == pytest.approx(2 * len(right) / (len(found) + n))


def test_laws_hold_for_every_family_and_text():
    for family in ("egp", "gp", "toy"):
        for text in (EXAMPLES["ship"], EXAMPLES["hospital"]):
            told = readings(seen(text=text, family=family))
            laws = ("diagonal", "shift") + (() if family == "toy" else ("network",))
            assert all(told[law].held for law in laws)


def test_unknown_entities_give_no_f1():
    told = readings(seen(text=EXAMPLES["ship"], kind="person"))
    assert "reference" in told and "f1" not in told and "pairs" not in told
    assert notes(seen(text=EXAMPLES["ship"], family="toy")) == {"toy"}


def test_every_kind_is_a_type_of_every_set():
    for names in KINDS.values():
        assert names.keys() == ner.TYPES.keys()
        assert all(name in ner.TYPES[types] for types, name in names.items())


def test_held_out_figures_are_shown_where_they_lie(monkeypatch, tmp_path):
    monkeypatch.setattr(_rope, "FOLDER", tmp_path)
    _rope._held_out.cache_clear()
    assert "held" not in readings(seen())
    lines = ["set,head,precision,recall,f1", "nested,egp,.7,.7,.7", "nested,egp_bare,.6,.6,.6"]
    (tmp_path / "table.csv").write_text("\n".join([*lines, "nested,gp,,,"]))
    _rope._held_out.cache_clear()
    told = readings(seen())["held"]
    assert (told.measured, told.theory, told.held) == (0.7, 0.6, True)
    assert "held" not in readings(seen(family="gp")) and "held" not in readings(seen(family="toy"))
    _rope._held_out.cache_clear()


# --- the followed pair ----------------------------------------------------------------------------


def test_the_followed_pair_is_scored_at_every_distance():
    view = seen(chosen="0-2-Location")
    rotated, flat, own = view.pictures["length"].data
    opened = ab.opened(EXAMPLES["weather"], "nested", "egp")
    cell = ner.mark(EXAMPLES["weather"], "nested", "egp").cell(0, 2)
    assert cell is not None
    at = ner.TYPES["nested"].index("Location")
    np.testing.assert_allclose(rotated["y"][0], flat["y"][0], atol=1e-5)  # R_0 = I; sent as float32
    assert own["x"][0] == cell[1] - cell[0]
    assert own["y"][0] == pytest.approx(opened.scores(True)[at, cell[0], cell[1]], abs=1e-5)


@pytest.mark.parametrize("chosen", ["", "x", "9-1-Location", "0-999-Location", "0-1-no", "1-2-PER"])
def test_a_chosen_span_that_is_not_there_is_the_first_one(chosen):
    assert dumps(payload(PANEL, {"chosen": chosen})["figures"]) == dumps(
        payload(PANEL, {})["figures"]
    )


def test_a_click_on_a_cell_follows_it():
    marked = ner.mark(EXAMPLES["weather"], "nested", "egp")
    names = [str(name) for name in piece_names(marked)]
    for y, x in ((0, 1), (6, 13)):
        for point in ({"x": x, "y": y}, {"x": names[x], "y": names[y]}):
            new = _pick(PANEL.defaults, {"figure": "without", **point})
            start, end = marked.offsets[y][0], marked.offsets[x][1] - 1
            assert new == {"chosen": f"{start}-{end}-Location"}
            view = seen(**new)
            assert view.pictures["length"].data[2]["x"][0] == x - y


@pytest.mark.parametrize(
    "point", [{"x": 0, "y": 3}, {"x": -1, "y": 0}, {"x": 99, "y": 0}, {"x": "no", "y": "no"}]
)
def test_a_click_beside_the_cells_changes_nothing(point):
    assert _pick(PANEL.defaults, {"figure": "with", **point}) == {}


def test_a_click_on_the_curve_reads_that_bulletin():
    new = _pick(PANEL.defaults, {"figure": "curve", "x": 7, "y": 0.5})
    assert new == {"source": "bulletin", "places": 7}
    assert seen(**new).pictures["with"].data[0]["z"].shape[0] == len(
        ner.mark(ab.bulletin(7, "zh"), "nested", "egp").offsets
    )


# --- edges ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("text", EDGE_TEXTS)
@pytest.mark.parametrize("values", [{}, {"family": "toy"}, {"switch": "same", "kind": "all"}])
def test_any_text_gives_a_view(text, values):
    view = seen(text=text, **values)
    assert "<b>" not in "".join(map(str, view.html))
    for lang in ("zh", "en"):
        dumps(view.figures_json(lang)).encode()
    if not text.strip():
        assert notes(view) == {"empty"} and set(view.pictures) == {"curve"}


@pytest.mark.parametrize("threshold", [-10, 10])
@pytest.mark.parametrize("family", ["gp", "toy"])
def test_the_longest_text_stays_small(threshold, family):
    text = ab.bulletin(12, "zh")[:-8] + "王李张赵" * 15
    n = len(ner.mark(text, "nested", "egp").offsets)
    assert 110 <= n <= ner.MOST_PIECES
    packed = payload(PANEL, {"text": text, "threshold": threshold, "family": family})
    assert "error" not in packed
    assert len(dumps(packed).encode()) <= 300_000


def test_longer_texts_are_refused_with_a_sentence():
    with pytest.raises(InputError) as caught:
        seen(text="上海。" * 80)
    assert caught.value.word.key == "ner.error_long"


def test_missing_weights_are_told(monkeypatch):
    def gone(*_):
        raise HubError("nowhere", name="a", package="b")

    monkeypatch.setattr(encoder, "load", gone)
    monkeypatch.setattr(ner, "_readers", {})
    with pytest.raises(InputError):
        seen(text="a text never read before")
