"""The panel Teach: what it shows is the training, the link leads to what was taught, edges."""

import html
import re
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from urllib.parse import parse_qs

import numpy as np
import pytest

from demos.frame import dumps, payload, payloads
from demos.ner._teach import PANEL
from models import ner_teach
from models.ner_samples import LESSONS, TRIES
from models.ner_teach import Recipe, Training, prepare
from models.span_formats import read

SHORT = {"steps": 12}


def last(**values):
    *_, view = PANEL.views(PANEL.check({**SHORT, **values}))
    return view


def markup(view):
    return "".join(p if isinstance(p, str) else html.escape(p.text("en")) for p in view.html)


def link(view):
    found = re.search(r'href="\?([^"]*)"', markup(view))
    assert found
    return {name: value[0] for name, value in parse_qs(html.unescape(found[1])).items()}


def test_the_table_is_the_training():
    view = last(seed=2)
    steps = list(Training(prepare(read(LESSONS["job"])), Recipe(steps=12, seed=2)).train())
    assert view.table["teach_step"] == [step.number for step in steps]
    assert view.table["teach_loss"] == [step.loss for step in steps]
    np.testing.assert_array_equal(
        view.table["teach_held"], [np.nan if s.held.f1 is None else s.held.f1 for s in steps]
    )
    np.testing.assert_allclose(view.pictures["loss"].data[0]["y"], view.table["teach_loss"])


def test_all_that_must_hold_holds():
    view = last()
    keys = [r.quantity.key.removeprefix("ner.teach_reading_") for r in view.readings]
    assert keys == ["zero", "fell", "train", "held", "weights", "frozen"]
    assert [r.held for r in view.readings] == [True, True, None, None, True, True]


def test_the_link_leads_to_what_was_taught_and_says_the_language():
    view = last(text=TRIES["dish"], examples=LESSONS["dish"], threshold=0.5)
    query = link(view)
    taught = ner_teach.kept(query["taught"])
    assert taught is not None and taught.labels == ("DISH",)
    assert (query["tab"], query["panel"], query["lang"]) == ("ner", "highlight", "en")
    assert (query["text"], query["threshold"]) == (TRIES["dish"], "0.5")
    found = taught.mark(TRIES["dish"]).entities(0.5)
    assert view.html[1].params["n"] == len(found)
    assert any(note.key == "ner.teach_note_kept" for note in view.notes)


def test_only_the_last_view_has_a_link():
    *first, end = PANEL.views(PANEL.check(SHORT))
    assert all("href" not in markup(view) for view in first)
    assert "href" in markup(end)


def test_stop_ends_the_work_and_keeps_nothing():
    before = len(ner_teach._kept)
    with closing(PANEL.views(PANEL.check({}))) as views:
        assert next(views).progress == 0
    assert len(ner_teach._kept) == before


def test_the_bars_carry_the_new_type_and_set_nothing():
    *_, packed = payloads(PANEL, {})
    assert packed["html"].count("<button") >= 1 and "data-set" not in packed["html"]
    assert packed["html_first"]
    assert any("JOB" in text for text in packed["words"]["zh"])


def test_visitors_at_the_same_time_get_their_own():
    wishes = [{"seed": seed, "examples": LESSONS[k]} for seed, k in enumerate(("job", "dish"))]

    def visit(wish):
        view = last(**wish)
        taught = ner_teach.kept(link(view)["taught"])
        assert taught is not None
        return view.table["teach_loss"], taught.labels

    alone = [visit(wish) for wish in wishes]
    with ThreadPoolExecutor(2) as pool:
        assert list(pool.map(visit, wishes)) == alone


def examples(n, marked="[word|T]"):
    return "".join(f"{marked} number {i}\n" for i in range(n))


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "no sentence"),
        (examples(4), "5 to 50 sentences; got 4"),
        (examples(51), "5 to 50 sentences; got 51"),
        (examples(6, "word"), "no entity"),
        ("".join(f"[word|T{i}]\n" for i in range(7)), "at most 6 types"),
        (examples(6, "b[ake|T]ry"), "begins and ends where tokens do"),
        (examples(6) + "[x", "line 7, column 1"),
    ],
)
def test_unfit_examples_are_refused_with_a_sentence(text, said):
    problem = payload(PANEL, {"examples": text})["error"]
    assert said in problem["en"] and problem["en"].startswith("Examples:")
    assert problem["zh"].startswith("例句：")


def test_what_is_left_out_is_said():
    mixed = LESSONS["dish"] + "".join(LESSONS["job"].splitlines(keepends=True)[:2])
    crossing = "the [b|DISH]akery\n"
    view = last(examples=mixed + crossing, text="")
    told = {note.key.removeprefix("ner.teach_note_"): note for note in view.notes}
    assert told["mixed"].params["n"] == 2 and "English" in told["mixed"].text("en")
    assert told["outside"].params["n"] == 1
    assert "empty" in told


@pytest.mark.parametrize(
    "text", ["", " ", "\t\n", "x", "😀" * 30, "<b>&§0§</b>", "字" * 2000, "\u0627\u0644 \u0645"]
)
def test_any_text_can_be_tried(text):
    packed = payload(PANEL, {"text": text})
    assert "error" not in packed
    assert "<b>&" not in packed["html"]
    assert len(dumps(packed).encode()) <= 300_000


def test_hostile_types_are_shown_as_they_stand():
    view = last(examples=examples(6, "[word|<i>\u00a70\u00a7]"), text="word", threshold=-10.0)
    packed = payload(PANEL, {"examples": examples(6, "[word|<i>]"), "text": "a", **SHORT})
    assert "<i>" not in packed["html"]
    assert "&lt;i&gt;" in markup(view)


def test_much_text_stays_within_bounds():
    many = "".join("[字字|T]" + "字" * 120 + f"{i}\n" for i in range(12))
    packed = payload(PANEL, {"examples": many, "text": "字" * 2000, "threshold": -10.0})
    assert len(dumps(packed).encode()) <= 300_000
