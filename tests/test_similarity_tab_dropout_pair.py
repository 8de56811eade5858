"""The panel of two dropout masks: what is equal, what spreads, what is refused."""

import math

import numpy as np
import pytest

from demos.controls import InputError
from demos.frame import dumps, payload
from demos.similarity._dropout_pair import N_OTHERS, PANEL
from models import sentences
from models.similarity import cosine_matrix

FAST = {"encoder": "simbert", "n_masks": 4}


def view(**values):
    return PANEL.first(PANEL.check({**FAST, **values}))


def reading(found, start):
    return next(r for r in found.readings if r.quantity.text("en").startswith(start))


@pytest.mark.parametrize("p", [0.0, 0.1, 0.3])
def test_variance_is_that_of_inverted_dropout(p):
    found = reading(view(hidden=p), "first dropped activations: relative variance")
    assert found.theory == pytest.approx(p / (1 - p)) and found.held


def test_no_dropout_gives_one_vector():
    found = view(hidden=0.0, drop_attention=False)
    np.testing.assert_allclose(found.table["view_1"], found.table["view_2"], atol=1e-6)  # rounding
    assert reading(found, "smallest cosine").measured == pytest.approx(1, abs=1e-5)
    assert reading(found, "no dropout at all").held
    (raw,) = sentences.vectors([PANEL.defaults["text"]], "simbert", PANEL.defaults["pooling"])
    np.testing.assert_allclose(found.table["view_1"], raw, atol=1e-5)  # rounding, another batch


def test_two_masks_differ_and_the_same_mask_does_not():
    found = view()
    assert not np.allclose(found.table["view_1"], found.table["view_2"], atol=1e-2)
    again = reading(found, "the same mask twice")
    assert again.held and again.theory == 1


def test_attention_is_dropped_only_when_asked():
    alone = view(hidden=0.0, drop_attention=True)
    assert reading(alone, "smallest cosine").measured < 0.999
    assert reading(alone, "first dropped activations: share").measured == 0


def test_the_picture_holds_both_vectors_and_both_histograms():
    found = view()
    _, points = found.pictures["pair"].data
    np.testing.assert_array_equal(points["x"], found.table["view_1"])
    np.testing.assert_array_equal(points["y"], found.table["view_2"])
    cosine = cosine_matrix([found.table["view_1"]], [found.table["view_2"]])[0, 0]
    assert f"{cosine:.3f}" in str(found.pictures["pair"].title)
    for trace in found.pictures["cosines"].data:
        assert trace["y"].sum() == pytest.approx(1, abs=1e-6)  # shares


def test_drowned_sentences_say_so():
    found = reading(view(hidden=0.8, pooling="P1"), "mean cosine under two masks, against")
    assert found.held is False and found.note is not None


def test_the_sentence_itself_is_not_among_the_others():
    line = sentences.corpus("zh")[0]
    largest = reading(view(text=line, hidden=0.0, drop_attention=False), "largest cosine")
    assert isinstance(largest.measured, float) and largest.measured < 0.9999
    assert N_OTHERS < len(sentences.corpus("zh"))


@pytest.mark.parametrize("text", ["", "  \n\t ", "\u3000"])
def test_blank_is_refused_with_a_sentence(text):
    with pytest.raises(InputError) as caught:
        view(text=text)
    assert caught.value.word.text("zh") and "{" not in caught.value.word.text("en")


@pytest.mark.parametrize(
    "text",
    ["。", "<b>&amp;§1§</b>", "a" * 200, "\ud800", "👩\u200d🔬 mixed 混合", "%{x}{y}", "\0\x07"],
)
def test_any_text_survives(text):
    packed = payload(PANEL, {**FAST, "text": text, "n_masks": 2})
    assert "error" not in packed, packed
    assert len(dumps(packed).encode()) < 300_000


def test_work_is_bounded():
    packed = payload(PANEL, {**FAST, "text": "好" * 200, "n_masks": 64})
    assert "12800" in packed["error"]["en"].replace("\u202f", "") or "error" in packed


def test_presets_are_legal():
    for preset in PANEL.presets:
        assert PANEL.check(preset.apply(PANEL.defaults)) != PANEL.defaults


def test_angle_is_that_of_the_mean_cosine():
    found = view()
    angle = reading(found, "mean cosine under two masks, as an angle").measured
    mean = reading(found, "mean cosine under two masks, against").measured
    assert math.cos(math.radians(float(str(angle)))) == pytest.approx(mean, abs=1e-3)
