"""NER tab, panel compare: what its pictures and readings say, against the models behind them.

``python -m pytest tests/test_ner_tab_compare.py``
"""

import itertools
import json
import math
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from demos.controls import InputError
from demos.frame import dumps, payload
from demos.ner import _compare_reported
from demos.ner._compare import PANEL, READS
from demos.ner._compare_bio import bio
from demos.ner._compare_lattice import every_path
from demos.words import TEXT
from models import crf, global_pointer, ner
from models.ner_examples import EXAMPLES
from models.spans import most_flat

VIEWS = tuple(READS)
KING, HOSPITAL = EXAMPLES["king"], EXAMPLES["hospital"]
NESTED, FLAT = TEXT["zh"]["ner.compare_gold_nested"], TEXT["zh"]["ner.compare_gold_flat"]
ENGLISH = TEXT["en"]["ner.compare_gold_nested"]
few = settings(
    max_examples=30, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow]
)


def seen(view, **values):
    """The view for some values."""
    return PANEL.first(PANEL.check({"view": view, **values}))


def picked(values, point):
    """What a click sets."""
    assert PANEL.pick
    return PANEL.pick(values, point)


def readings(view):
    """The readings by the end of their key; of several with one key the last."""
    return {r.quantity.key.removeprefix("ner.compare_reading_"): r for r in view.readings}


@pytest.mark.parametrize("view", VIEWS)
def test_every_view_has_its_parts_and_no_failure_without_a_note(view):
    made = seen(view)
    assert made.caption.text("zh") and made.readings and made.table
    assert all(r.held is not False or r.note for r in made.readings)
    assert made.unused.isdisjoint(READS[view]) and "view" not in made.unused
    packed = payload(PANEL, {"view": view})
    assert "error" not in packed and len(dumps(packed)) < 300_000
    for name in made.pictures:
        for lang in ("zh", "en"):
            made.plotly(name, lang)


@pytest.mark.parametrize("view", VIEWS)
def test_unused_controls_change_nothing(view):
    base = dumps(seen(view).report())
    other: dict[str, Any] = {
        "text": KING,
        "gold": FLAT,
        "types": "cluener",
        "head": "gp",
        "type": "Person",
    }
    other |= {"quantity": "marginals", "token": 3, "n_features": 128, "head_dim": 8, "n_types": 2}
    other |= {"chosen": "0-1-Person"}
    for name in seen(view).unused:
        assert dumps(seen(view, **{name: other[name]}).report()) == base, name


# --- Counts ---------------------------------------------------------------------------------------


def test_counts_are_the_table_of_the_method():
    table = seen("counts").table
    rows = {m: [table[f"compare_weights_{k}"][i] for k in ("gp", "gp_bias", "egp", "egp_bias")]
            for i, m in enumerate(table["compare_n_types"])}  # fmt: skip
    assert rows[1] == [98_304, 98_432, 98_560, 98_690]
    assert rows[9] == [884_736, 885_888, 100_608, 100_754]
    assert rows[100] == [9_830_400, 9_843_200, 123_904, 124_232]
    assert table["compare_weights_crf"] == [2_316, 5_432, 14_972, 16_590, 194_970]
    assert table["compare_weights_first_idea"] == [99_840, 102_912, 112_128, 113_664, 251_904]


@pytest.mark.parametrize("types", [*ner.TYPES])
def test_built_heads_have_as_many_weights_as_the_formulas_say(types):
    built = [r for r in seen("counts", types=types).readings if "built" in r.quantity.key]
    source = ner.reader(ner.language_of(types))
    for reading, kind in zip(built, ("gp", "egp", "crf"), strict=True):
        counted = sum(w.numel() for w in source.heads[types, kind].parameters())
        assert reading.held and reading.measured == counted == reading.theory


@given(width=st.integers(64, 1024), d=st.integers(1, 64), m=st.integers(1, 200))
@few
def test_all_readings_of_counts_hold_for_any_sizes(width, d, m):
    made = seen("counts", n_features=width, head_dim=2 * d, n_types=m)
    assert all(r.held is not False for r in made.readings)


def test_curves_pass_through_the_marks():
    data = seen("counts", n_types=200).pictures["counts"].data
    for curve, mark in zip(data[::2], data[1::2], strict=True):
        assert curve["x"][-1] == 200 and curve["y"][-1] == mark["y"][0]


# --- Decomposition --------------------------------------------------------------------------------


@pytest.mark.parametrize("head", ner.SPAN_HEADS)
def test_the_parts_add_up_to_the_score(head):
    made = seen("decomposition", text=KING, head=head, type="PER")
    z = {name: made.pictures[name].data[0]["z"] for name in ("shared", "added", "sum")}
    efficient = "egp_bare" if head.endswith("bare") else "egp"
    scores = ner.mark(KING, "litbank", efficient).matrix[0]
    inside = global_pointer.upper(len(scores))
    # float32 sums of three terms up to some tens
    np.testing.assert_allclose((z["shared"] + z["added"])[inside], scores[inside], atol=1e-4)
    np.testing.assert_array_equal(z["sum"][inside], scores[inside])
    assert all(np.isnan(part[~inside]).all() for part in z.values())
    assert readings(made)["sum"].held


def test_types_differ_by_start_and_end_alone_in_the_efficient_head_only():
    efficient, full = (r for r in seen("decomposition").readings if "additive" in r.quantity.key)
    assert efficient.held and efficient.measured < 1e-4
    assert full.held and full.measured > 0.1


def test_a_ring_stands_at_every_span_above_zero():
    made = seen("decomposition", type="Organization")
    ring = made.pictures["sum"].data[1]
    found = [e for e in ner.mark(HOSPITAL, "nested").entities() if e.label == "Organization"]
    assert len(ring["x"]) == len(ring["text"]) == len(found)
    spans = {HOSPITAL[e.start : e.end + 1] for e in found}
    assert {word.text("zh") for word in ring["text"]} == spans


def test_a_type_of_another_set_is_replaced_and_said():
    made = seen("decomposition", text=KING, type="Food")
    assert "note_type" in "".join(n.key for n in made.notes)


def test_a_click_lights_the_span_and_takes_its_score_apart():
    values = PANEL.check({"view": "decomposition", "text": KING, "type": "PER"})
    point = {"figure": "sum", "x": 4, "y": 0}
    new = picked(values, point)
    marked = ner.mark(KING, "litbank")
    assert new == {"chosen": f"0-{marked.offsets[4][1] - 1}-PER"}
    cell = readings(PANEL.first({**values, **new}))["cell"]
    assert cell.held and cell.measured == pytest.approx(float(marked.matrix[0, 0, 4]))
    assert picked(values, {**point, "x": 0, "y": 4}) == {}  # below the diagonal
    assert picked(values, {**point, "x": 400, "y": 4}) == {}


# --- Lattice --------------------------------------------------------------------------------------


def test_the_line_is_the_viterbi_path():
    made = seen("lattice", text=KING)
    _, emissions, transitions = ner.emissions(KING, "litbank")
    decoded = crf.viterbi(emissions, transitions)
    heat, path = made.pictures["lattice"].data[:2]
    np.testing.assert_array_equal(path["y"], decoded.path)
    np.testing.assert_array_equal(heat["z"], emissions.T)
    assert len(path["x"]) == len(set(map(str, path["x"]))) == len(emissions)
    tags = crf.tags(ner.TYPES["litbank"])
    assert made.table["compare_tag"] == [tags[i] for i in decoded.path]


@pytest.mark.parametrize("quantity", ["emissions", "best", "marginals"])
@pytest.mark.parametrize("text", [KING, HOSPITAL])
def test_laws_of_the_chain_hold(text, quantity):
    made = seen("lattice", text=text, quantity=quantity, token=5)
    assert all(r.held is not False for r in made.readings)
    z = made.pictures["lattice"].data[0]["z"]
    if quantity == "marginals":
        np.testing.assert_allclose(z.sum(axis=0), 1, atol=1e-5)  # float32 of up to 21 shares
    if quantity == "best":
        np.testing.assert_array_equal(z.max(axis=0), 0)


@pytest.mark.parametrize("n", [1, 2, 3, 4])
def test_short_texts_are_decoded_as_by_trying_every_path(n):
    made = readings(seen("lattice", text=HOSPITAL[:n]))
    assert made["forced"].held and made["forced_z"].held


def test_every_path_is_every_path(rng):
    emissions, transitions = rng.normal(size=(3, 4)), rng.normal(size=(4, 4))
    totals = every_path(emissions, transitions)
    for path in itertools.product(range(4), repeat=3):
        # float64 sums of five numbers
        assert totals[path] == pytest.approx(
            crf.path_score(emissions, transitions, path), abs=1e-12
        )


def test_counts_of_sequences_and_spans():
    made = readings(seen("lattice", text=KING))
    n = len(ner.mark(KING, "litbank").offsets)
    assert made["sequences"].measured.params["n"] == len(str(13**n))
    assert made["spans"].measured == made["spans"].theory == n * (n + 1) / 2
    assert made["disjoint"].measured == 0
    found = ner.mark(KING, "litbank").entities()
    assert made["flat"].measured.params == {"part": len(most_flat(found)), "whole": len(found)}


def test_a_click_on_the_lattice_picks_the_token():
    values = PANEL.check({"view": "lattice"})
    name = seen("lattice").pictures["lattice"].data[0]["x"][7]
    assert picked(values, {"figure": "lattice", "x": name.text("zh"), "y": 3}) == {"token": 8}
    assert picked(values, {"figure": "lattice", "x": 7, "y": 3}) == {"token": 8}
    assert picked(values, {"figure": "lattice", "x": 1e300, "y": 3}) == {}
    assert picked(values, {"figure": "counts", "x": 42.3, "y": 1}) == {"n_types": 42}
    assert picked(values, {"figure": "token", "x": 0.5}) == {}


# --- BIO ------------------------------------------------------------------------------------------


def test_nested_gold_is_refused_and_the_clash_is_named():
    made = bio(ENGLISH, "")
    said = readings(made)
    assert said["clashes"].measured == said["clashes"].theory == 3
    assert said["bio"].held is False and said["bio"].measured == 2 and said["bio"].theory == 4
    assert said["matrix"].held and said["matrix"].measured == 4
    spoken = " ".join(word.text("en") for word in made.html if not isinstance(word, str))
    assert "cannot be written" in spoken
    assert "“the king of England” (PER) and “England” (GPE) both want “England”" in spoken
    assert list(made.table["compare_n_tags"]) == [2, 2, 2, 3, 1, 1, 1, 0, 0, 1]
    assert made.table["compare_tag"][3] == "I-PER | I-PER | B-GPE"


def test_flat_gold_is_written_and_comes_back():
    made = bio(FLAT, "")
    said = readings(made)
    assert said["bio"].held and said["clashes"].measured == 0 and said["matrix"].held
    tags = list(made.table["compare_tag"])
    assert tags == ["B-Person", "I-Person", "B-Time", "I-Time", "O", "O"] + [
        "B-Organization",
        *["I-Organization"] * 7,
    ]
    assert len(crf.from_bio(tags)) == 3


@st.composite
def bracketed(draw):
    """Annotated text with nested, equal and neighbouring entities."""
    leaf = st.text("ab .", min_size=1, max_size=4)
    node = st.deferred(lambda: leaf | st.tuples(st.lists(node, min_size=1, max_size=3),
                                                st.sampled_from("XY")))  # fmt: skip

    def spell(item):
        if isinstance(item, str):
            return item
        return f"[{''.join(map(spell, item[0]))}|{item[1]}]"

    return "".join(map(spell, draw(st.lists(node, min_size=1, max_size=4))))


@given(gold=bracketed())
@few
def test_any_gold_is_judged_rightly(gold):
    if len(gold) > 1000:
        return
    if not gold.strip("[]|XY .") and not gold.replace("|X", "").replace("|Y", "").strip("[] "):
        return  # nothing but blanks is no sentence
    said = readings(bio(gold, ""))
    assert said["clashes"].held and said["most"].held
    assert said["matrix"].held in (True, None)
    assert said["bio"].held is (said["clashes"].measured == 0)


@pytest.mark.parametrize(
    "gold", ["[a", "a]", "[|X]", "[a]", "one\ntwo", f"[a|{'L' * 41}]", "x" * 1001]
)
def test_bad_gold_is_refused_in_words(gold):
    with pytest.raises(InputError) as caught:
        PANEL.check({"view": "bio", "gold": gold})
        seen("bio", gold=gold)
    assert caught.value.word.text("zh")


# --- Reported -------------------------------------------------------------------------------------


def test_the_reported_tables_are_whole():
    rows = json.loads(_compare_reported.REPORTED.read_text(encoding="utf-8"))
    assert len(rows) == 10 and {row["status"] for row in rows} == {"reported"}
    test = {(row["set"], row["model"]): row["test"] for row in rows}
    assert test["cmeee", "egp"] == 66.54 and test["people_daily", "gp_bare"] == 62.59
    assert all(row["source"].startswith("https://kexue.fm/archives/") for row in rows)


def test_the_posts_conclusions_are_checked_on_their_figures():
    made = seen("reported")
    beats = [r for r in made.readings if "beats" in r.quantity.key]
    assert [r.held for r in beats] == [True, True, True, False, True, True]
    assert readings(made)["rope_gap"].measured == 32.92


def test_ours_stand_in_a_picture_and_a_table_of_their_own(monkeypatch):
    row = {"set": "litbank", "head": "egp", "precision": "0.75", "recall": "0.72", "f1": "0.733"}
    row |= {"nested_recall": "0.7", "nested_f1": "", "train_speed": "1.5", "predict_speed": "2"}
    monkeypatch.setattr(_compare_reported, "our_rows", lambda: [row])
    made = seen("reported")
    assert list(made.pictures) == ["reported", "ours"] and not made.notes
    assert len(made.table["compare_test"]) == 10, "the reported table holds nothing of ours"
    assert made.pictures["ours"].data[0]["y"][0] == pytest.approx(73.3)
    cells = [str(part) for part in made.html]
    assert "73.30" in cells and "1.50×" in cells and "–" in cells
    monkeypatch.setattr(_compare_reported, "our_rows", list)
    assert list(seen("reported").pictures) == ["reported"]


# --- Any text -------------------------------------------------------------------------------------

HOSTILE = [
    "",
    "   ",
    "x",
    "\U0001f600",
    "<b>&lt;\u00a70\u00a7</b>",
    "a\tb\nc",
    "\u05e9\u05dc",
    "x" * 2000,
]


@pytest.mark.parametrize("view", ["decomposition", "lattice"])
@pytest.mark.parametrize("text", [*HOSTILE, HOSPITAL[:1] * 2000, "word " * 400])
def test_any_text_gives_a_view_within_the_limit(view, text):
    for quantity in ("emissions", "best", "marginals"):
        packed = payload(PANEL, {"view": view, "text": text, "token": 126, "quantity": quantity})
        assert "error" not in packed, packed
        assert len(dumps(packed).encode()) < 300_000
    made = seen(view, text=text)
    assert all(r.held is not False for r in made.readings)


def test_long_texts_are_cut_to_one_window_and_say_so():
    made = seen("lattice", text="word " * 400)
    assert len(made.table["compare_tag"]) == ner.MOST_PIECES
    assert "ner.compare_note_first" in [note.key for note in made.notes]


def test_a_probability_is_one():
    made = readings(seen("lattice", text=KING))
    assert 0 < made["best"].measured <= 1
    assert made["best"].measured == pytest.approx(
        math.exp(made["log_z"].theory - made["log_z"].measured)
    )
