"""Counts against plain sets, the sweep against `spans.sweep`, labels of other people, export."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models import ner, ner_evaluation
from models.crf import from_bio, tags
from models.ner_evaluation import (
    FLOOR,
    bundled,
    counts,
    evaluate,
    export,
    f1_error,
    kept,
    recount,
    renamed,
    resamples,
    to_type,
    tokenized,
    worst,
)
from models.ner_samples import SAMPLES
from models.span_formats import read
from models.spans import Entity, most_flat, prf, sweep

SPANS = st.tuples(st.integers(0, 9), st.integers(0, 3), st.sampled_from("ab"))
SETS = st.frozensets(SPANS.map(lambda s: Entity(s[0], s[0] + s[1], s[2])), max_size=6)
LAWS = settings(deadline=None, max_examples=60)
DOCUMENTS = st.lists(st.tuples(SETS, SETS), min_size=1, max_size=6)


@pytest.fixture(scope="module", params=["nested", "litbank"])
def done(request):
    """The bundled sentences of a set, evaluated by a head with scores."""
    *_, last = evaluate(bundled(request.param), request.param, "gp")
    return last


# --- Numbers --------------------------------------------------------------------------------------


@LAWS
@given(DOCUMENTS)
def test_counts_add_up_to_prf_and_to_plain_sets(pairs):
    gold, found = [[*a] for a, _ in pairs], [[*b] for _, b in pairs]
    score = prf(gold, found)
    assert counts(gold, found).sum(0).tolist() == [score.n_gold, score.n_found, score.n_right]
    again = recount(gold, found)
    assert math.isnan(again) if score.f1 is None else again == pytest.approx(score.f1, abs=1e-12)


@LAWS
@given(DOCUMENTS)
def test_worst_comes_first_and_holds_errors_only(pairs):
    gold, found = [[*a] for a, _ in pairs], [[*b] for _, b in pairs]
    errors = [len(a ^ b) for a, b in pairs]
    chosen = worst(gold, found, 3)
    assert [errors[i] for i in chosen] == [e for e in sorted(errors, reverse=True) if e][:3]


def test_the_error_of_f1_vanishes_when_all_sentences_are_alike():
    assert f1_error([[4, 4, 3]] * 20, resamples(20)) == pytest.approx(0, abs=1e-12)


def test_the_error_of_f1_is_that_of_a_share_of_coins():
    """Sentences with one entity that is found or not: F1 = 2r/(1 + r) of the share r found.

    Standard error of r is sqrt(r(1 - r)/n), and dF1/dr = 2/(1 + r)^2. Sampling: 4000 trials give
    a standard deviation within about 1.1 %, three of them 3.4 %; the curve adds a little.
    """
    n, r = 400, 0.6
    rows = [[1, 1, 1]] * 240 + [[1, 0, 0]] * 160
    expected = math.sqrt(r * (1 - r) / n) * 2 / (1 + r) ** 2
    assert f1_error(rows, resamples(n, 4000)) == pytest.approx(expected, rel=0.05)


def test_the_error_of_f1_without_entities_is_not_a_number():
    assert math.isnan(f1_error([[0, 0, 0]] * 3, resamples(3)))


def test_resamples_draw_as_many_sentences_as_there_are():
    draws = resamples(7)
    assert (draws.sum(1) == 7).all() and (draws >= 0).all()
    assert abs(draws.mean() - 1) < 1e-12
    with pytest.raises(ValueError, match="read-only"):
        draws[0] = 0


# --- Heads on sentences ---------------------------------------------------------------------------


def test_the_sweep_is_that_of_spans(done):
    at = np.array([FLOOR, -2.5, -1.0, 0.0, 0.3, 2.0])
    mine, reference = done.sweep(at), sweep(done.gold, done.found(FLOOR), at)
    assert mine.n_gold == reference.n_gold
    np.testing.assert_array_equal(mine.n_found, reference.n_found)
    np.testing.assert_array_equal(mine.n_right, reference.n_right)


def test_recall_never_rises_with_the_threshold(done):
    assert (np.diff(done.sweep(np.arange(-60, 61) / 10).n_right) <= 0).all()


@pytest.mark.parametrize("threshold", [-1.0, 0.0, 1.0])
def test_found_is_what_the_recogniser_marks(done, threshold):
    for (text, _), found in list(zip(done.documents, done.found(threshold), strict=True))[:20]:
        assert set(found) == set(ner.mark(text, done.types, done.head).entities(threshold))


def test_a_threshold_below_the_floor_is_refused(done):
    for wrong in (FLOOR - 0.1, math.nan):
        with pytest.raises(ValueError, match="thresholds"):
            done.sweep([wrong])


def test_states_grow_and_the_last_is_kept():
    documents = bundled("litbank")[:30]
    states = list(evaluate(documents, "litbank", "egp"))
    assert [len(state.documents) for state in states] == [12, 24, 30]
    assert kept(documents, "litbank", "egp") is states[-1]
    assert kept(documents, "litbank", "egp_bare") is None


def test_not_more_than_a_few_evaluations_are_kept():
    for text, entities in bundled("litbank")[:20]:
        list(evaluate(((text, entities),), "litbank", "egp"))
    assert len(ner_evaluation._kept) <= ner_evaluation.MOST_KEPT


@pytest.mark.parametrize("types", ["nested", "litbank"])
def test_the_crf_finds_disjoint_spans_at_any_threshold(types):
    documents = bundled(types)[:12]
    *_, state = evaluate(documents, types, "crf")
    found = state.found(0.0)
    assert found == state.found(5.9)
    assert sum(map(len, found)) > 0
    for entities in found:
        assert len(most_flat(entities)) == len(entities)
        assert all(entity.score is None for entity in entities)
    gold_flat = sum(len(most_flat(gold)) for gold in state.gold)
    assert prf(state.gold, found).n_right <= gold_flat


def test_the_crfs_spans_are_those_of_its_best_path():
    """Against a plain search over the lattice for a short text."""
    text = "London slept."
    tokens, emissions, transitions = ner.emissions(text, "litbank")
    n, K = emissions.shape
    best, path = emissions[0].astype(float), []
    for t in range(1, n):
        ways = best[:, None] + transitions
        path.append(ways.argmax(0))
        best = ways.max(0) + emissions[t]
    order = [int(best.argmax())]
    for back in reversed(path):
        order.insert(0, int(back[order[0]]))
    names = tags(ner.TYPES["litbank"])
    spans = {
        Entity(tokens.offsets[s.start][0], tokens.offsets[s.end][1] - 1, s.label)
        for s in from_bio([names[tag] for tag in order])
    }
    *_, state = evaluate(((text, ()),), "litbank", "crf")
    assert set(state.found(0.0)[0]) == spans


def test_a_head_that_is_not_there_is_refused():
    with pytest.raises(ValueError, match="head"):
        next(evaluate((("a", ()),), "litbank", "none"))


@pytest.mark.parametrize("text", ["", " ", "\t", "a", "😀", "<b>", "\u0627\u0644"])
def test_texts_of_all_kinds_are_evaluated(text):
    for head in ("egp", "crf"):
        *_, state = evaluate(((text, ()),), "litbank", head)
        assert len(state.found(0.0)) == 1


# --- Sentences and labels -------------------------------------------------------------------------


@pytest.mark.parametrize(("types", "least"), [("nested", 60), ("litbank", 60)])
def test_the_bundled_sentences_are_many_nested_and_of_the_sets_types(types, least):
    documents = bundled(types)
    assert len(documents) >= least
    labels = {entity.label for _, entities in documents for entity in entities}
    assert labels <= set(ner.TYPES[types])
    assert not any(text.startswith("#") for text, _ in documents)
    flat = sum(len(most_flat(entities)) for _, entities in documents)
    assert flat < sum(len(entities) for _, entities in documents)


def test_there_are_none_for_cluener():
    with pytest.raises(ValueError, match="types"):
        bundled("cluener")


@pytest.mark.parametrize("types", ner.TYPES)
def test_a_sets_own_types_are_read_in_any_case(types):
    for name in ner.TYPES[types]:
        for label in (name, name.upper(), f" {name.lower()} "):
            assert to_type(label, types) == name


@pytest.mark.parametrize(
    ("label", "nested", "cluener", "litbank"),
    [
        ("PER", "Person", "name", "PER"),
        ("person", "Person", "name", "PER"),
        ("人名", "Person", "name", "PER"),
        ("LOC", "Location", "address", "LOC"),
        ("Location", "Location", "address", "LOC"),
        ("GPE", "Location", "address", "GPE"),
        ("ORG", "Organization", "organization", "ORG"),
        ("company", "Organization", "company", "ORG"),
        ("FAC", "Location", "scene", "FAC"),
        ("DATE", "Time", None, None),
        ("MISC", None, None, None),
    ],
)
def test_common_names_are_understood(label, nested, cluener, litbank):
    found = [to_type(label, types) for types in ("nested", "cluener", "litbank")]
    assert found == [nested, cluener, litbank]


def test_every_type_but_no_other_has_names():
    assert {t: tuple(names) for t, names in ner_evaluation._TYPES.items()} == ner.TYPES
    known = set(ner_evaluation._NAMES)
    for names in ner_evaluation._TYPES.values():
        meanings = " ".join(names.values()).split()
        assert set(meanings) <= known and len(set(meanings)) == len(meanings)


def test_unknown_labels_are_counted_and_left_out():
    made = renamed(read(SAMPLES["bio"]), "litbank")
    assert made.unknown == {"DATE": 1} and made.names == {}
    assert sum(len(entities) for _, entities in made.documents) == 6


def test_two_labels_of_one_meaning_become_one_entity():
    twice = [("Paris", [Entity(0, 4, "City"), Entity(0, 4, "COUNTRY")])]
    made = renamed(twice, "litbank")
    assert made.documents == (("Paris", (Entity(0, 4, "GPE"),)),)
    assert made.names == {"City": "GPE", "COUNTRY": "GPE"}


# --- Export ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["json", "brat", "inline", "bio"])
@pytest.mark.parametrize("types", ["nested", "litbank"])
def test_what_is_written_can_be_read_again(kind, types):
    documents = bundled(types)
    made = export(documents, kind, most=10**6)
    assert not made.problems and made.n_beyond == 0
    again = read(made.text, kind)
    expected = [tokenized((t, list(e))) if kind == "bio" else (t, list(e)) for t, e in documents]
    assert again == [(text, sorted(entities)) for text, entities in expected]
    assert (made.overlap is not None) == (kind == "bio")


def test_what_cannot_be_written_is_named_with_its_number():
    crossing = ("abcdef", [Entity(0, 3, "X"), Entity(2, 5, "Y")])
    fine = ("abc", [Entity(0, 1, "X")])
    made = export([fine, crossing, fine], "inline")
    assert [(p.code, p.line) for p in made.problems] == [("crossing", 2)]
    assert made.text == "[ab|X]c\n" * 2


def test_a_file_ends_before_it_is_too_long():
    document = ("abc", [Entity(0, 1, "X")])
    made = export([document] * 10, "inline", most=20)
    assert made.text == "[ab|X]c\n" * 2 and made.n_beyond == 8


@LAWS
@given(st.text(alphabet="ab1 ,.'\u00e9", max_size=30), st.data())
def test_parting_words_from_marks_keeps_what_entities_say(text, data):
    places = [i for i, c in enumerate(text) if not c.isspace()]
    entities = []
    if places:
        start = data.draw(st.sampled_from(places))
        entities = [
            Entity(start, data.draw(st.sampled_from([p for p in places if p >= start])), "X")
        ]
    new, moved = tokenized((text, list(entities)))
    assert new.split() == new.split(" ") or not new
    assert "".join(new.split()) == "".join(text.split())
    for old, entity in zip(entities, moved, strict=True):
        assert "".join(new[entity.start : entity.end + 1].split()) == "".join(
            text[old.start : old.end + 1].split()
        )


def test_chinese_is_not_parted():
    document = ("他在London，", [Entity(2, 7, "X")])
    assert tokenized(document) == document
