"""Training in front of the visitor: bounds of the loss, masks, what is kept and what is not."""

import math
import threading
from typing import Any
from urllib.parse import parse_qs

import numpy as np
import pytest

from demos.controls import InputError
from demos.frame import dumps, payload, payloads
from demos.similarity import _simcse_live
from demos.similarity._simcse_live import PANEL
from demos.similarity._simcse_live_figures import Check, State, matrix_figure, readings
from models import encoder, sentences
from models.simcse import contrast, interleave

FAST = {"encoder": "simbert", "batch": 4, "steps": 3, "pooling": "P3"}
OWN = "苹果很甜。\n今天下雨了。\n老师表扬了学生。\n火车晚点了。\n我喜欢看书。"


@pytest.fixture(autouse=True)
def few_pairs(monkeypatch):
    """Evaluate on 13 of the 125 pairs."""
    monkeypatch.setattr(_simcse_live, "EVERY", 10)
    _simcse_live._look.cache_clear()
    yield
    _simcse_live._look.cache_clear()


def run(**values):
    return list(PANEL.views(PANEL.check({**FAST, **values})))


def reading(found, start):
    return next(r for r in found.readings if r.quantity.text("en").startswith(start))


def token_of(found):
    link = next(part for part in found.html if isinstance(part, str) and "href" in part)
    query = parse_qs(link.split("?", 1)[1].split('"')[0].replace("&amp;", "&"))
    assert query["panel"] == ["explorer"] and query["pooling"] == ["P3"]
    return query["trained"][0]


@pytest.fixture(scope="module")
def trained():
    """A whole training, made once."""
    patch = pytest.MonkeyPatch()
    patch.setattr(_simcse_live, "EVERY", 10)
    patch.setattr(_simcse_live, "PAUSE", 0.0)
    raw = encoder.load("simbert").network
    before = {name: value.clone() for name, value in raw.state_dict().items()}
    views = run(learning_rate=1e-3)
    patch.undo()
    return views, before


def test_progress_rises_and_ends(trained):
    views, _ = trained
    shares = [view.progress for view in views]
    assert shares[0] == 0 and shares[-1] is None
    assert shares[:-1] == sorted(shares[:-1]) and len(views) == 4
    assert views[0].table["live_step"] == [0]
    assert views[-1].table["live_step"] == [0, 1, 2, 3]
    assert all(reading.held is not False for view in views for reading in view.readings)


def test_the_encoder_itself_stays_as_it_is(trained):
    views, before = trained
    assert reading(views[-1], "the encoder itself").held
    for name, value in encoder.load("simbert").network.state_dict().items():
        np.testing.assert_array_equal(value, before[name])


def test_what_was_trained_is_the_visitor_s_alone(trained):
    views, _ = trained
    token = token_of(views[-1])
    assert sentences.has_adapter("simbert", token)
    assert not sentences.has_adapter("minilm", token)
    texts = OWN.splitlines()
    raw, new = (sentences.vectors(texts, "simbert", "P3", name) for name in ("", token))
    assert np.abs(raw - new).max() > 1e-3
    assert token_of(run()[-1]) != token


def test_collapse_line_is_the_loss_of_equal_vectors(trained):
    views, _ = trained
    for variant, collapse in (("su", math.log(7)), ("paper", math.log(4))):
        view = views[-1] if variant == "su" else run(variant="paper", steps=1)[0]
        found = reading(view, "all vectors equal")
        assert found.measured == pytest.approx(collapse, abs=1e-12) and found.held
        (mark,) = view.pictures["loss"].layout["shapes"]
        assert mark["y0"] == pytest.approx(collapse)


def test_first_loss_is_that_of_the_views_shown():
    """The matrix of the first picture, put through an independent softmax, gives its loss."""
    view = run(variant="su", steps=1)[0]
    z = np.asarray(view.pictures["matrix"].data[0]["z"], np.float64)
    assert np.isnan(np.diag(z)).all() and z.shape == (8, 8)
    total = 0.0
    for row in range(8):
        positive = row + 1 if row % 2 == 0 else row - 1
        others = [z[row, c] / 0.05 for c in range(8) if c != row]
        total += math.log(sum(math.exp(v) for v in others)) - z[row, positive] / 0.05
    assert view.table["live_loss"][0] == pytest.approx(total / 8, abs=2e-4)  # float32 over tau


def test_the_same_mask_gives_equal_views():
    for values in ({"same_mask": True}, {"dropout": 0.0}):
        view = run(steps=1, **values)[-1]
        found = reading(view, "same mask twice")
        assert found.held and found.theory == 1
    assert not any(r.quantity.text("en").startswith("same mask") for r in run(steps=1)[0].readings)


def test_hot_losses_hang_at_the_collapse_line():
    view = run(temperature=10.0, steps=1)[0]
    loss = view.table["live_loss"][0]
    assert math.log(1 + 6 * math.exp(-0.2)) <= loss <= math.log(7)
    assert reading(view, "smallest loss").held


def state(n=3, variant="su", **more):
    rng = np.random.default_rng(1)
    first, second = rng.standard_normal((2, n, 5))
    rows = interleave(first, second)
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    told = {
        "variant": variant,
        "temperature": 0.5,
        "batch": n,
        "steps": 10,
        "same_mask": False,
        "dropout": 0.1,
        "attention_dropout": 0.0,
    }
    loss = contrast(first, second, 0.5, variant).loss
    cosines = (rows @ rows.T).astype(np.float32)
    fields = {"losses": ((1, loss),), "checks": (Check(0, 50.0, 0.4, -1.0),), **more}
    return State(told, cosines=cosines, n_own=9, n_pairs=20, **fields), first, second


@pytest.mark.parametrize(("variant", "size"), [("su", 6), ("paper", 3)])
def test_matrix_is_the_one_of_the_loss(variant, size):
    found, first, second = state(variant=variant)
    expected = contrast(first, second, 0.5, variant)
    cells, frames = matrix_figure(found).data
    z = cells["z"]
    assert z.shape == (size, size)
    seen = np.isfinite(expected.logits)
    np.testing.assert_allclose(z[seen], expected.cosines[seen], atol=1e-6)  # float32
    assert np.isnan(z[~seen]).all()
    x, y = (np.asarray(frames[name]).reshape(size, 6)[:, 0] + 0.5 for name in "xy")
    assert list(zip(y.astype(int), x.astype(int), strict=True)) == list(
        enumerate(expected.positives)
    )


def test_a_fall_after_the_peak_is_said():
    checks = (Check(0, 50.0, 0.4, -1.0), Check(4, 60.0, 0.4, -2.0), Check(8, 55.0, 0.5, -3.0))
    found, *_ = state(checks=checks)
    peak = next(r for r in readings(found) if r.quantity.text("en") == "its best")
    assert str(peak.measured) == "60 after step 4" and peak.note is not None
    still, *_ = state(checks=checks[:2])
    assert not any(r.note for r in readings(still) if r.quantity.text("en") == "its best")


def test_undefined_agreement_is_no_best():
    nan = float("nan")
    found, *_ = state(checks=(Check(0, nan, nan, nan), Check(1, 3.0, 1.0, -1.0)))
    assert found.best.step == 1


def test_own_sentences_are_trained_on():
    view = run(own=OWN + "\n\n" + OWN, steps=1)[-1]
    assert "on 5 sentences" in view.caption.text("en")
    small = run(own="一句。\n另一句。", steps=1)[-1]
    assert any("only 2 different" in note.text("en") for note in small.notes)
    foreign = run(own="One sentence.\nAnother one.", steps=1)[0]
    assert any("language" in note.text("en") for note in foreign.notes)


def test_a_file_of_sentences_is_trained_on(tmp_path):
    path = tmp_path / "own.txt"
    path.write_text(OWN, encoding="utf-8")
    values = {**PANEL.defaults, **FAST, "steps": 1, "own_file": str(path)}
    *_, view = PANEL.views(values)
    assert "on 5 sentences" in view.caption.text("en") and "own" in view.unused


@pytest.mark.parametrize("own", ["只有一句。", "同一句。\n同一句。"])
def test_too_few_sentences_are_refused(own):
    with pytest.raises(InputError) as caught:
        run(own=own)
    assert caught.value.word.text("zh")


def test_poolings_and_layers_the_encoder_lacks(monkeypatch):
    view = run(first_layer=11, steps=1)[0]
    assert any("only the last" in note.text("en") for note in view.notes)
    monkeypatch.setattr(sentences, "poolings", lambda name: ("P1", "P3"))
    with pytest.raises(InputError, match="P1, P3"):
        run(pooling="P2")


def test_time_runs_out_and_what_was_learnt_is_kept(monkeypatch):
    monkeypatch.setattr(_simcse_live, "MOST_SECONDS", -1.0)
    view = run()[-1]
    assert view.table["live_step"] == [0, 1] and view.progress is None
    assert any("Stopped after step 1" in note.text("en") for note in view.notes)
    assert sentences.has_adapter("simbert", token_of(view))


def test_closing_stops_the_work(monkeypatch):
    monkeypatch.setattr(_simcse_live, "PAUSE", 0.0)
    kept = len(sentences.TRAINED)
    views = PANEL.views(PANEL.check({**FAST, "steps": 200}))
    next(views), next(views)
    views.close()
    assert len(sentences.TRAINED) == kept


def test_two_visitors_at_once_get_what_each_gets_alone():
    wishes = ({"seed": 1}, {"seed": 2, "temperature": 0.1})
    alone = [run(steps=2, **wish)[-1].table for wish in wishes]
    found: list[Any] = [None, None]

    def visit(place):
        found[place] = run(steps=2, **wishes[place])[-1].table

    threads = [threading.Thread(target=visit, args=(place,)) for place in (0, 1)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for place in (0, 1):
        for name in ("live_loss", "live_spearman", "uniformity"):
            np.testing.assert_array_equal(found[place][name], alone[place][name])


def test_payloads_are_small():
    packed = payload(PANEL, {**FAST, "batch": 64})
    assert "error" not in packed and len(dumps(packed).encode()) < 100_000
    *_, last = payloads(PANEL, {**FAST, "batch": 64, "steps": 1})
    assert "error" not in last and len(dumps(last).encode()) < 100_000
