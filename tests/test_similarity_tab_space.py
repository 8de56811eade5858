"""Panel Space: the disc, cosines by label, the spectrum, alignment and uniformity.

The encoder is a toy (`tests.toy_encoder`); numbers are checked against NumPy and the definitions.
``python -m pytest tests/test_similarity_tab_space.py``
"""

import math

import numpy as np
import pytest

from demos.controls import InputError
from demos.frame import dumps, payload
from demos.similarity import _common
from demos.similarity._space import FIRST, MOST_DOTS, PANEL
from demos.view import page
from models import sentences
from models.similarity import cosine_matrix
from tests import toy_encoder


@pytest.fixture(autouse=True)
def toy(monkeypatch):
    toy_encoder.install(monkeypatch)
    _common._known.clear()


def last(**values):
    *_, view = PANEL.views(PANEL.check({}) | values)
    return view


def reading(view, key):
    return next(r for r in view.readings if r.quantity.key == f"similarity.{key}")


@pytest.mark.parametrize("way", ["none", "centre", "top", "whiten", "beta_gamma", "zca", "cut"])
@pytest.mark.parametrize("what", ["pairs", "questions", "own"])
def test_what_the_theory_says_holds(way, what):
    for one in last(way=way, what=what, k=8).readings:
        assert one.held is not False, one.report()


def test_the_four_numbers_are_their_definitions():
    view = last(way="centre")
    texts = [t for a, b, *_ in sentences.pairs("zh") for t in (a, b)]
    x = toy_encoder.vectors(texts, toy_encoder.FIRST).astype(float)
    upper = cosine_matrix(x)[np.triu_indices(len(x), 1)]
    assert view.table["mean_cosine"][0] == pytest.approx(upper.mean())
    assert view.table["uniformity"][0] == pytest.approx(math.log(np.exp(4 * upper - 4).mean()))
    values = np.linalg.eigvalsh(np.cov(x.T))
    shares = values / values.sum()
    rank = math.exp(-(shares * np.log(shares)).sum())
    assert view.table["effective_rank"][0] == pytest.approx(rank)
    alike = [i for i, (*_, score, _) in enumerate(sentences.pairs("zh")) if score >= 4]
    near = [2 - 2 * cosine_matrix(x[2 * i : 2 * i + 2])[0, 1] for i in alike]
    assert len(alike) == 60 and view.table["alignment"][0] == pytest.approx(np.mean(near))


def test_the_cone_is_seen_and_opened():
    view = last(k=8)
    raw, after = (view.pictures[f"disc_{when}"].data[-1] for when in ("before", "after"))
    assert raw["x"].min() > 0.5 and after["x"].min() < 0
    for dots in (raw, after):
        assert (dots["x"] ** 2 + dots["y"] ** 2).max() <= 1 + 1e-6  # float32
    assert len(raw["x"]) == min(250, MOST_DOTS) == len(raw["text"])


def test_densities_by_label_integrate_to_one():
    for what, groups in (("pairs", 4), ("questions", 3), ("own", 1)):
        figure = last(what=what).pictures["cosines_before"]
        assert len(figure.data) == groups
        for trace in figure.data:
            assert trace["y"].sum() * 0.05 == pytest.approx(1, abs=1e-4)  # float32


def test_the_spectrum_is_cut_at_k_and_flat_before_it():
    view = last(show="numbers", k=8)
    before, after = view.pictures["spectrum"].data
    assert (np.diff(before["y"]) <= 0).all() and before["y"][0] == 1
    np.testing.assert_allclose(after["y"], np.ones(8), atol=1e-6)
    assert [s["x0"] for s in view.pictures["spectrum"].layout["shapes"]] == [8]


def test_arrows_run_from_raw_to_every_way():
    view = last(show="numbers", k=8)
    arrows = view.pictures["arrows"].layout["annotations"]
    assert len(arrows) == 7 and len({(a["ax"], a["ay"]) for a in arrows}) == 1
    table = list(zip(view.table["uniformity"], view.table["alignment"], strict=True))
    assert [(a["x"], a["y"]) for a in arrows] == table[1:]
    assert (arrows[0]["ax"], arrows[0]["ay"]) == table[0]
    assert sum(a["arrowwidth"] > 2 for a in arrows) == 1
    assert "arrows" not in last(show="numbers", what="own").pictures


@pytest.mark.parametrize("show", ["points", "numbers"])
def test_raw_stands_beside_simcse(show):
    view = last(way="simcse", show=show)
    assert all(reading.held is not False for reading in view.readings)
    texts = [t for a, b, *_ in sentences.pairs("zh") for t in (a, b)]
    x = toy_encoder.vectors(texts, toy_encoder.FIRST, adapter="simcse").astype(float)
    upper = cosine_matrix(x)[np.triu_indices(len(x), 1)]
    assert view.table["mean_cosine"][-1] == pytest.approx(upper.mean())
    if show == "numbers":
        values = np.linalg.eigvalsh(np.cov(x.T))[::-1]
        _, after = view.pictures["spectrum"].data
        np.testing.assert_allclose(after["y"], values / values[0], rtol=1e-4)
        arrows = view.pictures["arrows"].layout["annotations"]
        assert [a["arrowwidth"] > 2 for a in arrows] == [False] * 6 + [True]


def saved(tmp_path, array):
    path = tmp_path / "vectors.npy"
    np.save(path, array, allow_pickle=True)
    return str(path)


@pytest.mark.parametrize("dtype", [np.float64, np.float32, np.float16, np.int8])
def test_vectors_made_elsewhere(dtype, tmp_path, rng):
    x = (20 * rng.normal(size=(40, 6)) + 50).astype(dtype)
    view = last(what="file", texts_file=saved(tmp_path, x), way="whiten", k=4)
    assert "your vectors of 6 dimensions" in view.caption.text("en")
    assert all(reading.held is not False for reading in view.readings)
    upper = cosine_matrix(x.astype(np.float32))[np.triu_indices(40, 1)]
    assert view.table["mean_cosine"][0] == pytest.approx(upper.mean(), abs=1e-6)
    assert {"encoder", "pooling", "hub", "trained", "fit", "fit_file"} <= view.unused
    assert len(view.pictures["disc_before"].data[-1]["x"]) == 40
    numbers = last(what="file", texts_file=saved(tmp_path, x), show="numbers", k=4)
    assert list(numbers.pictures) == ["spectrum"]


@pytest.mark.parametrize(
    ("array", "says"),
    [
        (np.arange(5.0), "got 5 × 1"),
        (np.zeros((1, 4)), "got 1 × 4"),
        (np.zeros((2, 1025)), "2 to 1024 columns"),
        (np.zeros((2, 3, 4)), "rows and columns"),
        (np.array([[1, np.nan], [2, 3]]), "not finite"),
        (np.array([[object(), 1]], dtype=object), "Python objects"),
        (np.array([["a", "b"]]), "not real numbers"),
        (np.array([[1e13, 1.0], [2, 3]]), "below"),
        (np.ones((5, 4)), "no variance to scale"),
    ],
)
def test_vectors_that_are_none_are_refused(array, says, tmp_path):
    with pytest.raises(InputError, match=says):
        last(what="file", texts_file=saved(tmp_path, array))


def test_more_vectors_than_fit_are_cut_and_said(tmp_path, rng):
    view = last(what="file", texts_file=saved(tmp_path, rng.normal(size=(600, 5))), k=4)
    assert any(note.key == "similarity.note_first" for note in view.notes)
    with pytest.raises(InputError, match="no SimCSE adapter"):
        last(what="file", way="simcse", texts_file=saved(tmp_path, rng.normal(size=(9, 5))))


def test_a_shipped_adapter_gets_its_arrow(monkeypatch):
    monkeypatch.setattr(sentences, "ADAPTERS", {toy_encoder.FIRST: "x"})
    view = last(show="numbers")
    assert len(view.pictures["arrows"].layout["annotations"]) == 7
    assert "SimCSE" in view.table["way"][-1].text("en")


def test_the_first_picture_is_a_fair_part(monkeypatch):
    toy_encoder.install(monkeypatch, corpus=700)
    first, *_, final = PANEL.views(PANEL.check({}))
    assert len(first.pictures["disc_before"].data[-1]["x"]) == FIRST
    assert len(first.pictures["cosines_before"].data) == 4, "all groups of labels are in it"
    keys = [note.key for note in first.notes]
    assert "similarity.space_note_shown" in keys and "similarity.note_part" in keys
    assert not final.notes and final.progress is None


def test_files_of_pairs_and_of_sentences(tmp_path):
    pairs, lines = tmp_path / "p.csv", tmp_path / "s.txt"
    pairs.write_text("\n".join(f"one {i},two {i},{i % 3}" for i in range(30)))
    lines.write_text("\n".join(f"sentence {i}" for i in range(30)))
    view = last(what="file", texts_file=str(pairs))
    assert "MiniLM" in view.caption.text("en") and reading(view, "space_reading_spearman_before")
    view = last(what="file", texts_file=str(lines))
    assert all(math.isnan(value) for value in view.table["alignment"])
    pairs.write_text("one,two,1\nthree,four,0")
    with pytest.raises(InputError, match="at least 3 pairs"):
        last(what="file", texts_file=str(pairs))
    pairs.write_text("one,two,x\nthree,four,y")
    with pytest.raises(InputError, match="line"):
        last(what="file", texts_file=str(pairs))


def test_equal_labels_make_no_groups(tmp_path):
    path = tmp_path / "p.csv"
    path.write_text("\n".join(f"one {i},two {i},1" for i in range(9)))
    view = last(what="file", texts_file=str(path))
    assert len(view.pictures["cosines_before"].data) == 1


def test_many_sentences_fit_the_budget(tmp_path):
    path = tmp_path / "p.csv"
    path.write_text("\n".join(f"{'汉' * 60}{i},{'字' * 60}{i},{i % 5}" for i in range(520)))
    view = last(what="file", texts_file=str(path))
    packed = page(view, "similarity", code="", query="")
    assert len(dumps(packed).encode()) <= 300_000
    assert any(note.key == "similarity.note_pairs" for note in view.notes)
    assert any(note.key == "similarity.space_note_dots" for note in view.notes)


def test_a_few_own_sentences_are_enough():
    for texts in ("one\ntwo", "same\nsame\nsame"):
        for fit in ("these", "corpus"):
            for show in ("points", "numbers"):
                values = {"what": "own", "texts": texts, "way": "centre", "fit": fit, "show": show}
                assert "error" not in payload(PANEL, values), values
    packed = payload(PANEL, {"what": "own", "texts": "one"})
    assert "at least 2" in packed["error"]["en"]
