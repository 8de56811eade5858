"""The panel Evaluation: its curves and bars are the counts, own annotations, export, edges."""

import re
from html import unescape

import numpy as np
import pytest

from demos.controls import InputError
from demos.frame import dumps, payload, payloads
from demos.ner._evaluation import PANEL
from models import ner
from models.ner_evaluation import bundled
from models.ner_samples import SAMPLES
from models.span_formats import read
from models.spans import most_flat, prf, prf_by_label, prf_nested, sweep


def last(**values):
    *_, view = PANEL.views(PANEL.check(values))
    return view


def found_by(types, head, threshold):
    return [
        m.entities(threshold) for m in ner.mark_all([t for t, _ in bundled(types)], types, head)
    ]


def reading(view, key):
    return next(r for r in view.readings if r.quantity.key == f"ner.evaluation_reading_{key}")


@pytest.mark.parametrize(("types", "threshold"), [("nested", 0.0), ("litbank", -1.5)])
def test_the_picture_is_the_counts(types, threshold):
    view = last(types=types, threshold=threshold)
    gold = [entities for _, entities in bundled(types)]
    found = found_by(types, "gp", threshold)
    score = prf(gold, found)
    assert view.table["evaluation_found"][-1] == score.n_found
    assert view.table["evaluation_f1"][-1] == pytest.approx(score.f1)
    per = prf_by_label(gold, found)
    assert view.table["evaluation_gold"][:-1] == [
        per[name].n_gold for name in ner.TYPES[types] if name in per
    ]
    bars = view.pictures["types"].data[0]
    names = sorted((n for n in ner.TYPES[types] if n in per), key=lambda n: -per[n].n_gold)
    expected = np.array([per[n].f1 for n in names], float)
    np.testing.assert_allclose(bars["y"], expected, rtol=1e-6)  # drawn in float32
    assert [word.params["n"] for word in bars["x"]] == [per[n].n_gold for n in names]


def test_the_curves_are_the_sweep():
    view = last()
    gold = [entities for _, entities in bundled("nested")]
    precision, recall, f1 = view.pictures["sweep"].data
    at = np.round(np.asarray(f1["x"], np.float64), 1)  # float32 of one decimal
    reference = sweep(gold, found_by("nested", "gp", -6), at)
    np.testing.assert_allclose(precision["y"], reference.precision, rtol=1e-6)
    np.testing.assert_allclose(recall["y"], reference.recall, rtol=1e-6)
    np.testing.assert_allclose(f1["y"], reference.f1, rtol=1e-6)
    best = [s for s in view.pictures["sweep"].layout["shapes"] if s["line"]["dash"] == "dot"][0]
    assert best["x0"] == at[reference.best]


@pytest.mark.parametrize("head", ner.HEADS)
def test_all_that_must_hold_holds_for_every_head(head):
    view = last(types="litbank", head=head, threshold=-0.37)
    assert all(r.held is not False for r in view.readings)
    assert ("sweep" in view.pictures) == (head != "crf")
    assert ("threshold" in view.unused) == (head == "crf")


def test_nested_and_flat_bounds_are_those_of_spans():
    view = last(head="crf")
    gold = [entities for _, entities in bundled("nested")]
    bound = sum(len(most_flat(g)) for g in gold) / sum(map(len, gold))
    assert reading(view, "flat").theory == pytest.approx(bound)
    view = last(head="gp")
    inner = prf_nested(gold, found_by("nested", "gp", 0))
    assert reading(view, "nested").measured.params["recall"] == pytest.approx(
        inner.recall, abs=1e-4
    )
    assert reading(view, "bound").measured == pytest.approx(bound)


def test_the_registers_are_both_counted():
    value = reading(last(types="litbank"), "registers")
    assert value.quantity.params["n"] + value.quantity.params["m"] == len(bundled("litbank"))
    assert value.quantity.params["m"] >= 20
    assert not any("registers" in r.quantity.key for r in last().readings)


def test_the_first_view_is_a_part_unless_all_is_known():
    values = PANEL.check({"source": "own", "own": "".join(f"[A{i}|PER] b\n" for i in range(30))})
    views = list(PANEL.views(values))
    assert [view.progress for view in views] == [0.4, 0.8, 1.0, None]
    assert any(note.key == "ner.evaluation_note_part" for note in views[0].notes)
    assert not any(note.key == "ner.evaluation_note_part" for note in views[-1].notes)
    again = list(PANEL.views(values))
    assert [view.progress for view in again] == [1.0, None]
    assert again[0].table == views[-1].table


# --- Own annotations ------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", SAMPLES)
def test_every_format_is_read(kind):
    types = {"inline": "nested", "json": "cluener"}.get(kind, "litbank")
    view = last(source="own", own=SAMPLES[kind], types=types)
    told = last(source="own", own=SAMPLES[kind], types=types, kind=kind)
    assert view.table == told.table
    n = sum(len(entities) for _, entities in read(SAMPLES[kind]))
    unknown = [w.params["n"] for w in view.notes if w.key == "ner.evaluation_note_unknown"]
    assert view.table["evaluation_gold"][-1] == n - sum(unknown)


def test_a_bad_line_is_named_in_both_languages():
    problem = payload(PANEL, {"source": "own", "own": "[Paris|LOC] a\nb [c\n"})["error"]
    assert "line 2, column 3" in problem["en"] and "第 2 行第 3 列" in problem["zh"]


def test_every_sentence_about_a_format_has_words():
    from demos.ner._annotations import format_word
    from models.span_formats import SENTENCES, FormatError

    names = "found expected limit length start stop column first second kind".split()
    for code, sentence in SENTENCES.items():
        used = set(re.findall(r"\{(\w+)\}", sentence)) - {"line"}
        assert used <= set(names)
        error = FormatError(code, 7, **dict.fromkeys(used, "xyz"))
        for lang in ("en", "zh"):
            text = format_word(error).text(lang)
            assert "{" not in text and ("7" in text) == ("{line}" in sentence), code
            assert text.count("xyz") >= len(used)


def test_labels_are_mapped_and_unknown_ones_named():
    view = last(source="own", own="[Paris|city] and [x|Widget] and [y|Widget]\n", types="litbank")
    told = " ".join(note.text("en") for note in view.notes)
    assert "city → geo-political entity (GPE)" in told and "Widget (2)" in told
    assert view.table["evaluation_gold"][-1] == 1


def test_another_language_is_noticed():
    view = last(source="own", own="[Paris|LOC] is far.\n", types="nested")
    assert any(note.key == "ner.evaluation_note_language" for note in view.notes)


def test_bundled_sentences_have_no_cluener_types():
    with pytest.raises(InputError, match="CLUENER"):
        last(types="cluener")


@pytest.mark.parametrize(
    "own", ["", " \n ", "plain text", "<b>[x&y|<i>]</b>", "a\tb", "[😀|PER]", "§0§ [a|PER]"]
)
@pytest.mark.parametrize("head", ["gp", "crf"])
def test_any_text_gives_a_view_or_a_sentence(own, head):
    *_, packed = payloads(PANEL, {"source": "own", "own": own, "head": head, "export": "json"})
    if "error" in packed:
        assert packed["error"]["en"].startswith("My annotations:")
    else:
        assert "<b>" not in re.sub(r"<p><b>|</?small>", "", packed["html"])


@pytest.mark.parametrize("export", ["json", "bio", "inline"])
def test_the_page_stays_small_with_much_text(export):
    own = "".join("[北京|LOC]<>&" * 90 + "\n" for _ in range(11)) + "[😀|X]" * 300
    values = {"source": "own", "own": own[:12_000], "threshold": -6.0, "export": export}
    for packed in payloads(PANEL, values):
        assert len(dumps(packed).encode()) <= 300_000


# --- Pictures of sentences, files -----------------------------------------------------------------


def test_the_worst_sentences_show_right_wrong_and_missed():
    html = payloads(PANEL, {})
    *_, packed = html
    for mark in ("right", "wrong", "missed"):
        assert re.search(rf'<i class="[^"]*\b{mark}\b', packed["html"])
    assert "data-set" not in packed["html"]


def exported(view):
    text = "".join(part if isinstance(part, str) else part.text("en") for part in view.html)
    match = re.search(r"<pre[^>]*>(.*?)</pre>", text, re.S)
    assert match
    return unescape(match[1])


@pytest.mark.parametrize("kind", ["json", "brat", "inline"])
def test_the_file_holds_what_was_found(kind):
    view = last(types="litbank", export=kind)
    again = dict(read(exported(view), kind))
    told = [n.params["n"] for n in view.notes if n.key == "ner.evaluation_note_unwritten"]
    assert len(again) + sum(told) == len(bundled("litbank"))
    assert kind == "inline" or not told  # only brackets cannot hold what crosses
    for (text, _), found in zip(bundled("litbank"), found_by("litbank", "gp", 0.0), strict=True):
        assert again.get(text, sorted(found)) == sorted(found)


def test_overlaps_in_bio_are_said():
    view = last(types="litbank", export="bio")
    assert read(exported(view), "bio")
    assert any(note.key == "ner.evaluation_note_overlap" for note in view.notes)


def test_what_cannot_be_written_is_said():
    view = last(source="own", own="a\tb\n[Paris|LOC] c\n", types="litbank", export="bio")
    note = next(n for n in view.notes if n.key == "ner.evaluation_note_unwritten")
    assert note.params["n"] == 1 and "sentence 1" in note.text("en")
