"""RoPE taken out of trained heads, the toy scorer, and bulletins with known places."""

import numpy as np
import pytest

from models import global_pointer as gp
from models import ner
from models import ner_ablation as ab
from models.ner_examples import EXAMPLES

SETS = [("zh", "nested"), ("zh", "cluener"), ("en", "litbank")]
EXACT = 1e-9  # float64: some dozen products, angles of up to some hundred radians


def tokens(language, n):
    """Return a bulletin's places as cells of single characters or words and marks."""
    text = ab.bulletin(n, language)
    if language == "zh":
        return len(text), ab.places_of(text)
    words = text.replace(":", " :").replace(";", " ;").split()
    return len(words), [(i, i) for i, word in enumerate(words) if word in ab.CITIES["en"]]


def test_the_examples_are_bulletins_of_four():
    assert ab.bulletin(4, "zh") == EXAMPLES["weather"]
    assert ab.bulletin(4, "en") == EXAMPLES["letters"]


@pytest.mark.parametrize("language", ner.LANGUAGES)
@pytest.mark.parametrize("n", [1, 2, ab.MOST_PLACES])
def test_places_are_where_the_cities_stand(language, n):
    text = ab.bulletin(n, language)
    places = ab.places_of(text)
    assert places is not None
    found = [text[start : end + 1] for start, end in places]
    assert found == ab.CITIES[language][:n]
    assert len(set(ab.CITIES[language])) == ab.MOST_PLACES


@pytest.mark.parametrize("text", ["", " ", "; ; ;", EXAMPLES["king"], EXAMPLES["weather"] + "。"])
def test_other_texts_have_no_known_places(text):
    assert ab.places_of(text) is None


@pytest.mark.parametrize(("n", "language"), [(0, "zh"), (13, "zh"), (1.5, "en"), (3, "fr")])
def test_bulletins_refuse(n, language):
    with pytest.raises(ValueError):
        ab.bulletin(n, language)


# --- toy ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("language", ner.LANGUAGES)
@pytest.mark.parametrize("n", range(1, ab.MOST_PLACES + 1))
def test_toy_without_rope_finds_all_pairs_and_with_it_the_true_ones(language, n):
    n_tokens, gold = tokens(language, n)
    toy = ab.toy(n_tokens, gold)
    plain = np.argwhere(toy.scores(False)[0] > 0).tolist()
    starts, ends = zip(*gold, strict=True)
    assert [tuple(cell) for cell in plain] == gp.separable_spans(starts, ends)
    assert len(plain) == n * (n + 1) // 2
    assert 2 * n / (len(plain) + n) == pytest.approx(float(gp.separable_f1(n)), abs=1e-15)
    rotated = np.argwhere(toy.scores(True)[0] > 0).tolist()
    assert [tuple(cell) for cell in rotated] == sorted(gold)


def test_toy_scores_are_the_decay():
    toy = ab.toy(6, [(1, 2), (4, 4)])
    score = toy.scores(True)[0]
    assert score[1, 4] - score[1, 2] == pytest.approx(
        ab.TOY_GAIN * float(ab.decay(3) - ab.decay(1)), abs=EXACT
    )
    assert ab.decay(0) == 1


def test_toy_of_nothing():
    assert ab.toy(0, []).scores(True).shape == (1, 0, 0)
    assert not (ab.toy(3, []).scores(False) > 0).any()


# --- trained heads --------------------------------------------------------------------------------


@pytest.fixture(scope="module", params=SETS, ids=lambda p: p[1])
def bulletin(request):
    language, types = request.param
    return ab.bulletin(3, language), types


@pytest.mark.parametrize("head", ner.SPAN_HEADS)
def test_opened_heads_score_as_the_network_does(bulletin, head):
    text, types = bulletin
    network = ner.mark(text, types, head).matrix
    ours = ab.opened(text, types, head).scores(rotated=not head.endswith("_bare"))
    inside = np.isfinite(network)
    np.testing.assert_array_equal(inside, np.isfinite(ours))
    # the network adds 64 products of float32: some units of 1e-7 times the sizes added
    np.testing.assert_allclose(ours[inside], network[inside], atol=2e-4, rtol=1e-5)


@pytest.mark.parametrize("head", ["egp", "gp"])
def test_the_diagonal_does_not_know_rope(bulletin, head):
    text, types = bulletin
    opened = ab.opened(text, types, head)
    rotated, plain = opened.scores(True), opened.scores(False)
    at = np.arange(rotated.shape[1])
    np.testing.assert_allclose(rotated[:, at, at], plain[:, at, at], atol=EXACT)
    inside = np.isfinite(plain)
    assert np.abs(rotated[inside] - plain[inside]).max() > 0.1


@pytest.mark.parametrize("head", ["egp", "gp"])
def test_scores_depend_on_the_distance_only(bulletin, head):
    text, types = bulletin
    opened = ab.opened(text, types, head)
    span, distance = (0, 4), np.arange(7)
    here = opened.at_distance(1, span, distance)
    assert here[4] == pytest.approx(opened.scores(True)[1, 0, 4], abs=EXACT)
    assert here[0] == pytest.approx(opened.scores(False)[1, 0, 4], abs=EXACT)
    for shift in (1, 2.5, 511):
        np.testing.assert_allclose(opened.at_distance(1, span, distance, shift), here, atol=EXACT)


def test_opening_leaves_the_head_as_it_is(bulletin):
    text, types = bulletin
    head = ner.reader(ner.language_of(types)).heads[types, "gp"]
    before = {name: value.clone() for name, value in head.state_dict().items()}
    opened = ab.opened(text, types, "gp")
    opened.q[:] = 0
    opened.scores(False)
    assert head.rope
    assert all((value == before[name]).all() for name, value in head.state_dict().items())


def test_unknown_heads_are_refused():
    for types, head in (("nested", "crf"), ("nested", "no"), ("no", "egp")):
        with pytest.raises(ValueError):
            ab.opened("x", types, head)


def test_an_empty_text_has_no_cells():
    assert ab.opened("", "litbank", "egp").scores(True).shape == (6, 0, 0)
