"""Panel Benchmark: scores against scipy, ceilings, averages, the curve over k, visitors' pairs.

The encoder is a toy (`tests.toy_encoder`).
``python -m pytest tests/test_similarity_tab_benchmark.py``
"""

import math
from typing import Any

import numpy as np
import pytest
from scipy.stats import spearmanr

from demos.controls import InputError
from demos.frame import dumps, payload
from demos.similarity import _benchmark, _common
from demos.similarity._benchmark import PANEL
from models import post_processing, sentences
from models.post_processing import Way
from models.similarity import pair_cosines
from tests import toy_encoder


@pytest.fixture(autouse=True)
def toy(monkeypatch):
    toy_encoder.install(monkeypatch)
    _common._known.clear()
    _benchmark._rows.clear()
    yield
    _benchmark._rows.clear()
    _common._known.clear()


def last(**values):
    *_, view = PANEL.views(PANEL.check({}) | values)
    return view


def test_every_cell_is_scipys_spearman():
    view = last(k=6, encoders=("roformer",))
    names = ("pairs", "traps", "questions")
    rows: list[list[Any]] = [list(getattr(sentences, name)("zh")) for name in names]
    texts = [t for data in rows for r in data for t in r[:2]]
    x = toy_encoder.vectors(texts, "roformer", "P3").astype(float)
    cells = list(zip(view.table["pooling"], view.table["way"], strict=True))
    for name, data in zip(names, rows, strict=True):
        a, b = (toy_encoder.vectors([r[s] for r in data], "roformer", "P3") for s in (0, 1))
        for way in PANEL.defaults["ways"]:
            fitted = post_processing.fit(Way(way, k=6), x)
            rho = spearmanr([r[2] for r in data], pair_cosines(fitted(a), fitted(b))).statistic
            at = next(i for i, (p, w) in enumerate(cells) if p == "P3" and w.key.endswith(way))
            assert view.table[f"score_{name}"][at] == pytest.approx(100 * rho, abs=0.006)  # printed
    plain, weighted = view.table["score_average"], view.table["score_weighted"]
    each = np.array([view.table[f"score_{name}"] for name in names])
    np.testing.assert_allclose(plain, each.mean(axis=0), atol=0.011)
    np.testing.assert_allclose(weighted, np.array([125, 55, 160]) @ each / 340, atol=0.011)


def test_poolings_an_encoder_lacks_are_left_out():
    view = last(encoders=("roformer",))
    assert set(view.table["pooling"]) == set(toy_encoder.POOLINGS)
    with pytest.raises(InputError, match="has only"):
        last(poolings=("P2",))


@pytest.mark.parametrize("fit", ["these", "corpus"])
@pytest.mark.parametrize("data", [("pairs",), ("questions",), ("pairs", "questions")])
def test_what_the_theory_says_holds(fit, data):
    for one in last(fit=fit, data=data, ways=("none", "whiten", "top")).readings:
        assert one.held is not False, one.report()


def test_binary_labels_have_their_ceiling_and_auc():
    view = last(data=("questions",), measure="questions")
    keys = [r.quantity.key for r in view.readings]
    ceiling = view.readings[keys.index("similarity.benchmark_reading_ceiling")]
    assert ceiling.theory == pytest.approx(86.6, abs=0.02) and ceiling.relation == "≤"
    assert view.readings[keys.index("similarity.benchmark_reading_auc")].held
    assert "auc_questions" in view.table and "auc_pairs" not in view.table


def test_the_curve_passes_through_the_cells():
    view = last(k=6, measure="pairs", encoders=("roformer",), ways=("none", "whiten", "cut"))
    whitening, _, cut = view.pictures["sweep"].data
    at = {way: view.table["score_pairs"][i] for i, way in enumerate(("none", "whiten", "cut"))}
    k = whitening["x"].tolist().index(6)
    assert whitening["y"][k] == pytest.approx(at["whiten"], abs=0.006)
    assert cut["y"][k] == pytest.approx(at["cut"], abs=0.006)
    assert cut["y"][-1] == pytest.approx(at["none"], abs=0.006)


def test_a_click_chooses_the_row_of_the_curve():
    values = PANEL.check({})
    assert PANEL.pick is not None
    assert PANEL.pick(values, {"figure": "scores", "x": 2, "y": 1}) == {"chosen": "2"}
    assert PANEL.pick(values, {"figure": "sweep", "x": 2, "y": 1}) == {}
    one, two = (last(chosen=c).pictures["sweep"].title.text("en") for c in ("1", "2"))
    assert "P1" in one and "P3" in two
    for bad in ("", "0", "99", "-1", "²", "x" * 40):
        assert last(chosen=bad).pictures["sweep"].title.text("en") == one


def test_progress_rises_and_results_are_kept(monkeypatch):
    toy_encoder.install(monkeypatch, corpus=700)
    views = list(PANEL.views(PANEL.check({})))
    shares = [view.progress for view in views if view.progress is not None]
    assert views[-1].progress is None and shares == sorted(shares) and shares[-1] == 1
    assert len(shares) == len(views) - 1
    assert any(n.key == "similarity.benchmark_note_part" for n in views[0].notes)
    assert not any(n.key == "similarity.benchmark_note_part" for n in views[-1].notes)
    again = list(PANEL.views(PANEL.check({})))
    assert len(again) == 2 and again[0].table == views[-1].table
    assert len(list(PANEL.views(PANEL.check({"k": 3})))) > 2, "another k is another result"


def test_each_encoder_reads_its_own_language_and_it_is_said():
    view = last(encoders=("roformer", "minilm"))
    assert any(n.key == "similarity.benchmark_note_languages" for n in view.notes)


def test_a_flow_begins_as_whitening_and_is_scored():
    view = last(encoders=("roformer",), poolings=("P3",), ways=("none", "whiten", "flow"), k=6)
    told = {r.quantity.key.rpartition("_")[2]: r for r in view.readings}
    assert told["flow"].held and "gain" in told
    assert view.table["way"][2].text("en") == "flow on whitening to 6"
    assert all(math.isfinite(value) for value in view.table["score_pairs"])
    assert "k" not in view.unused and "fit" not in view.unused
    flat = last(encoders=("roformer",), poolings=("P3",), ways=("none", "flow"), k=1)
    assert all(math.isfinite(value) for value in flat.table["score_pairs"]), "four at least"


def test_simcse_is_counted_against_the_encoder_it_began_with():
    def counts(**told):
        found = last(poolings=("P1", "P3"), **told).readings
        key = "similarity.benchmark_reading_simcse"
        return [r.measured.params for r in found if r.quantity.key == key]

    both = counts(encoders=("simbert_3", "simbert_3_simcse"), ways=("none", "whiten"))
    assert [one["all"] for one in both] == [2, 2, 2]
    assert counts(encoders=("simbert_3_simcse", "roformer")) == []


def test_a_visitors_pairs(tmp_path):
    path = tmp_path / "p.csv"
    path.write_text("a,b,label\n" + "\n".join(f"one {i},two {i * i},{i % 2}" for i in range(20)))
    view = last(data=("pairs", "file"), pairs_file=str(path), measure="file")
    assert len(view.table["score_file"]) == len(view.table["score_pairs"])
    assert "auc_file" in view.table
    path.write_text("\n".join(f"one {i},two {i},1" for i in range(20)))
    view = last(data=("file",), pairs_file=str(path))
    assert all(math.isnan(value) for value in view.table["score_file"])
    assert view.caption.key == "similarity.benchmark_caption_none"
    with pytest.raises(InputError, match="upload"):
        last(data=("file",))


def test_a_collapsed_whitening_has_no_score(tmp_path):
    path = tmp_path / "p.csv"
    path.write_text("\n".join(f"one {i},two {i * 7},{i % 3}" for i in range(8)))
    values = {"data": ("file",), "pairs_file": str(path), "fit": "these", "k": 768}
    view = last(**values, ways=("none", "whiten"), encoders=("minilm",), poolings=("P1",))
    assert math.isnan(view.table["score_file"][1]) and not math.isnan(view.table["score_file"][0])
    assert any(n.key == "similarity.note_saturated" for n in view.notes)


def test_everything_at_once_fits_the_budget():
    values = {"encoders": list(sentences.ENCODERS), "ways": list(post_processing.WAYS)}
    packed = payload(PANEL, values)
    assert "error" not in packed and len(dumps(packed).encode()) <= 300_000
    list(PANEL.views(PANEL.check(values)))
    assert len(dumps(payload(PANEL, values)).encode()) <= 300_000
