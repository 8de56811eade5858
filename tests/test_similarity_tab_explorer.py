"""Panel Explorer: cosines before and after, the framed pair, collapse, and visitors' texts.

The encoder is a toy (`tests.toy_encoder`); what it gives is checked against NumPy, and the pictures
against what was typed. ``python -m pytest tests/test_similarity_tab_explorer.py``
"""

import json
import re

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from demos.controls import InputError
from demos.frame import dumps, payload
from demos.similarity import _common
from demos.similarity._explorer import MOST_SENTENCES, PANEL, read_pair
from demos.words import Word
from models import sentences
from models.similarity import cosine_matrix
from models.similarity_samples import SENTENCES, text
from tests import toy_encoder


@pytest.fixture(autouse=True)
def toy(monkeypatch):
    toy_encoder.install(monkeypatch)
    _common._known.clear()


def last(**values):
    *_, view = PANEL.views(PANEL.check(values))
    return view


def reading(view, key):
    return next(r for r in view.readings if r.quantity.key == f"similarity.{key}")


def zs(view):
    return [view.pictures[name].data[0]["z"] / 100 for name in ("before", "after")]


def test_before_is_the_encoders_cosine_and_after_is_whitened():
    before, after = zs(last(k=8))
    x = toy_encoder.vectors(SENTENCES["zh"], toy_encoder.FIRST).astype(float)
    np.testing.assert_allclose(before, cosine_matrix(x), atol=6e-4)  # drawn to a tenth of 1/100
    corpus = toy_encoder.vectors(sentences.corpus("zh"), toy_encoder.FIRST).astype(float)
    values, axes = np.linalg.eigh(np.cov(corpus.T))
    made = (x - corpus.mean(axis=0)) @ (axes[:, ::-1][:, :8] / np.sqrt(values[::-1][:8]))
    np.testing.assert_allclose(after, cosine_matrix(made), atol=6e-4)
    assert before[np.triu_indices(16, 1)].mean() > after[np.triu_indices(16, 1)].mean() + 0.2


def test_five_sentences_whitened_on_themselves_collapse_and_the_panel_says_so():
    view = last(texts=text("zh", 5), fit="these", k=768)
    np.testing.assert_allclose(zs(view)[1][np.triu_indices(5, 1)], -0.25)
    found = reading(view, "explorer_reading_collapse")
    assert found.held and found.relation == "=" and "-0.25" in found.note.text("en")
    assert any(note.key == "similarity.explorer_collapsed" for note in view.notes)
    for wide in (last(texts=text("zh", 5), k=768), last(texts=text("zh"), fit="these", k=3)):
        assert all(r.quantity.key != "similarity.explorer_reading_collapse" for r in wide.readings)


@pytest.mark.parametrize("way", ["none", "centre", "top", "whiten", "beta_gamma", "zca", "cut"])
@pytest.mark.parametrize("fit", ["these", "corpus"])
def test_what_the_theory_says_holds_for_every_way(way, fit):
    for reading_ in last(way=way, fit=fit, beta=0.5, gamma=0.5).readings:
        assert reading_.held is not False, reading_.report()


def test_turning_the_axes_changes_no_cosine():
    view = last(way="beta_gamma", beta=0, gamma=0, k=768)
    assert reading(view, "explorer_reading_same").held
    np.testing.assert_array_equal(*zs(view))
    assert last(way="none", fit="these").pictures["after"].title.key.endswith("title_after")


def test_a_click_frames_the_pair_and_gives_its_cosine_under_every_way():
    values = PANEL.check({})
    assert PANEL.pick is not None
    assert PANEL.pick(values, {"figure": "after", "x": 8, "y": 10}) == {"chosen": "9-11"}
    assert PANEL.pick(values, {"x": 3, "y": 3}) == PANEL.pick(values, {"x": None, "y": 2}) == {}
    view = last(chosen="9-11", k=8)
    boxes = {(s["x0"], s["y0"]) for s in view.pictures["before"].layout["shapes"]}
    assert boxes == {(7.5, 9.5), (9.5, 7.5)}
    html = "".join(p.text("zh") if isinstance(p, Word) else p for p in view.html)
    assert SENTENCES["zh"][8] in html and SENTENCES["zh"][10] in html
    cells = re.findall(r"<td>(-?[\d.]+)</td><td>(\d+)</td>", html)
    assert len(cells) == 8  # seven ways, and the shipped adapter
    assert float(cells[0][0]) == pytest.approx(zs(view)[0][8, 10], abs=1e-3)
    assert float(cells[3][0]) == pytest.approx(zs(view)[1][8, 10], abs=1e-3)


@pytest.mark.parametrize("chosen", ["", "1-1", "0-2", "5-99", "x", "1-2-3", "²-1"])
def test_a_bad_pair_falls_back_to_the_one_that_moved_most(chosen):
    assert read_pair(chosen, 16) is None
    assert last(chosen=chosen).html == last().html


def test_the_encoder_follows_the_language():
    assert "MiniLM" in last(texts=text("en")).caption.text("en")
    assert "SimBERT" in last(texts=text("zh")).caption.text("en")
    assert "MiniLM" in last(texts=text("zh"), encoder="minilm").caption.text("en")


def test_the_first_picture_is_quick_and_the_last_one_whole(monkeypatch):
    toy_encoder.install(monkeypatch, corpus=700)
    views = list(PANEL.views(PANEL.check({})))
    shares = [view.progress for view in views if view.progress is not None]
    assert views[-1].progress is None and shares == sorted(shares) and len(shares) > 3
    parts = [n.params for v in views for n in v.notes if n.key == "similarity.note_part"]
    assert parts[0] == {"n": _common.FEW, "all": 700}
    assert not any(n.key == "similarity.note_part" for n in views[-1].notes)
    again = list(PANEL.views(PANEL.check({})))
    assert again[0].caption == views[-1].caption, "what is known is shown at once"


def test_files_are_read_and_what_is_wrong_with_them_is_said(tmp_path):
    path = tmp_path / "s.txt"
    path.write_text("\n".join(f"句子{i}" for i in range(300)), encoding="utf-8")
    view = next(PANEL.views(PANEL.check({}) | {"texts_file": str(path)}))
    assert view.pictures["before"].data[0]["z"].shape == (MOST_SENTENCES, MOST_SENTENCES)
    assert view.pictures["before"].data[0]["z"].dtype.itemsize == 1
    assert any(note.key == "similarity.note_first" for note in view.notes)
    assert "texts" in view.unused
    *_, fitted = PANEL.views(PANEL.check({}) | {"fit": "file", "fit_file": str(path)})
    assert "300" in fitted.caption.text("en")
    path.write_bytes(b"\xff\x00\xd8\xff")
    for name in ("texts_file", "fit_file"):
        with pytest.raises(InputError, match="UTF-8"):
            next(PANEL.views(PANEL.check({}) | {"fit": "file", name: str(path)}))
    with pytest.raises(InputError, match="upload"):
        next(PANEL.views(PANEL.check({"fit": "file"})))


@pytest.mark.parametrize(
    "values",
    [
        {"texts": ""},
        {"texts": " \n\t\n"},
        {"texts": "alone"},
        {"texts": "same\nsame\nsame", "fit": "these"},
        {"pooling": "P2"},
        {"trained": "no-such-token-here"},
        {"hub": "no such id"},
    ],
)
def test_what_cannot_be_shown_is_refused_in_both_languages(values, monkeypatch):
    if "hub" in values:
        monkeypatch.undo()  # the real look-up of an id
    packed = payload(PANEL, values)
    assert set(packed) == {"error"} and "wrong on our side" not in packed["error"]["en"]
    assert packed["error"]["zh"] != packed["error"]["en"]


def test_equal_sentences_draw_no_nan():
    for way in ("none", "centre", "top", "cut"):
        values = {"texts": "same\nsame\nsame", "fit": "these", "way": way}
        packed = payload(PANEL, values)
        assert "error" not in packed and "NaN" not in dumps(packed)
        assert "<td>–</td>" in packed["html"], "whitening has nothing to scale"
    view = last(texts="same\nsame\nother\nthird", fit="these", k=768)
    assert np.isfinite(zs(view)[1]).all()
    assert reading(view, "explorer_reading_collapse").held


def test_two_hundred_long_sentences_fit_the_budget():
    hard = '<b>&"汉字' * 4
    texts = "\n".join(f"{hard}{i}" for i in range(300))[:8000]
    packed = payload(PANEL, {"texts": texts, "way": "whiten"})
    assert len(dumps(packed).encode()) <= 300_000
    lines = "\n".join("字" * 39 for _ in range(200))
    assert len(dumps(payload(PANEL, {"texts": lines, "way": "none"})).encode()) <= 300_000


@settings(
    max_examples=25,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(texts=st.lists(st.text(max_size=20), max_size=6).map("\n".join), chosen=st.text(max_size=8))
def test_any_text_survives_and_is_never_markup(texts, chosen):
    packed = payload(PANEL, {"texts": texts, "chosen": chosen, "fit": "these"})
    if "error" in packed:
        assert "wrong on our side" not in packed["error"]["en"], packed
        return
    json.dumps(packed, allow_nan=False)
    markup = re.sub(r"</?(p|b|br|table|thead|tbody|tr|th|td)>", "", packed["html"])
    assert "<" not in markup


def test_shipped_adapters_are_compared_in_the_pair(monkeypatch):
    monkeypatch.setattr(sentences, "ADAPTERS", {toy_encoder.FIRST: "x"})
    view = last()
    html = "".join(p.text("en") if isinstance(p, Word) else p for p in view.html)
    assert "lower 3 layers + SimCSE (Chinese), no post-processing" in html


def test_raw_stands_beside_simcse():
    view = last(way="simcse")
    adapters = ("", "simcse")
    for z, adapter in zip(zs(view), adapters, strict=True):
        x = toy_encoder.vectors(SENTENCES["zh"], toy_encoder.FIRST, adapter=adapter)
        np.testing.assert_allclose(z, cosine_matrix(x), atol=6e-4)
    assert "SimCSE" in view.caption.text("en") and view.caption.key.endswith("unfitted")
    assert {"k", "n_removed", "beta", "gamma"} <= view.unused
    named = last(way="simcse", encoder=f"{toy_encoder.FIRST}_simcse")
    np.testing.assert_allclose(zs(named)[0], zs(view)[0], atol=6e-4)


def test_an_encoder_without_an_adapter_says_so():
    with pytest.raises(InputError) as caught:
        last(way="simcse", encoder="roformer")
    said = str(caught.value)
    assert "RoFormer-Sim" in said and "SimBERT tiny, lower 3 layers + SimCSE" not in said
    assert "choose SimBERT tiny, lower 3 layers (Chinese)" in said


def test_raw_stands_beside_a_visitors_weights():
    token = sentences.TRAINED.put(sentences.Trained("minilm", {}))
    view = last(trained=token, way="simcse")
    for z, adapter in zip(zs(view), ("", token), strict=True):
        x = toy_encoder.vectors(SENTENCES["zh"], "minilm", adapter=adapter)
        np.testing.assert_allclose(z, cosine_matrix(x), atol=6e-4)
    html = "".join(p.text("en") if isinstance(p, Word) else p for p in view.html)
    assert "as you trained it" in html


def test_a_visitors_weights_are_used_and_named():
    token = sentences.TRAINED.put(sentences.Trained("minilm", {}))
    view = last(trained=token)
    assert "MiniLM-L6 (English), as you trained it" in view.caption.text("en")
    x = toy_encoder.vectors(SENTENCES["zh"], "minilm", "P3", token)
    np.testing.assert_allclose(zs(view)[0], cosine_matrix(x), atol=6e-4)
    assert {"encoder", "hub"} <= view.unused
    html = "".join(p.text("en") if isinstance(p, Word) else p for p in view.html)
    assert "MiniLM-L6 (English), no post-processing" in html, "the raw encoder beside it"
