"""Entities: relations, precision and recall, lanes, windows, flat subsets.

``python -m pytest tests/test_spans.py``. References are written anew here: sets of characters,
loops over documents and thresholds, all subsets.
"""

import math
from itertools import combinations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models.spans import (
    Entity,
    Score,
    depth,
    flat_best,
    lanes,
    longest_flat,
    most_flat,
    nested,
    owner,
    prf,
    prf_by_label,
    prf_nested,
    relation,
    stitch,
    sweep,
    windows,
)

fast = settings(deadline=None, max_examples=60, derandomize=True)

scores = st.sampled_from([-2.0, -0.5, 0.0, 0.5, 1.0, 3.0, math.inf])
entities = st.builds(
    lambda start, more, label, score: Entity(start, start + more, label, score),
    st.integers(0, 12),
    st.integers(0, 6),
    st.sampled_from(["ORG", "LOC", "人"]),
    scores,
)
documents = st.lists(entities, max_size=8)
pairs = st.lists(st.tuples(documents, documents), max_size=4)


def cells(entity):
    return set(range(entity.start, entity.end + 1))


# --- Entities and relations


def test_the_score_takes_no_part_in_comparison():
    one, other = Entity(1, 3, "ORG", 0.5), Entity(1, 3, "ORG")
    assert one == other and len({one, other}) == 1 and not one < other
    assert Entity(1, 3, "LOC") < one < Entity(1, 4, "LOC") < Entity(2, 2, "LOC")
    assert one.length == 3


@pytest.mark.parametrize(("start", "end"), [(-1, 2), (3, 2)])
def test_empty_and_negative_spans_are_refused(start, end):
    with pytest.raises(ValueError, match=f"0 <= start <= end, got {start}, {end}"):
        Entity(start, end, "ORG")


@fast
@given(entities, entities)
def test_relation_by_sets_of_characters(a, b):
    one, other = cells(a), cells(b)
    expected = (
        "equal" if one == other
        else "inside" if one < other
        else "around" if one > other
        else "crossing" if one & other
        else "apart"
    )  # fmt: skip
    assert relation(a, b) == expected
    mirror = {"inside": "around", "around": "inside"}
    assert relation(b, a) == mirror.get(expected, expected)


def test_nested_counts_containment_and_twins_but_not_crossing():
    outer, inner, twin = Entity(0, 8, "ORG"), Entity(0, 3, "LOC"), Entity(0, 3, "ORG")
    crossing, alone = Entity(7, 9, "ORG"), Entity(11, 12, "ORG")
    assert nested([outer, inner]) == {outer, inner}
    assert nested([inner, twin]) == {inner, twin}
    assert nested([outer, crossing, alone]) == set()
    assert nested([inner, inner]) == set()
    assert nested([inner, alone], [outer]) == {inner}


# --- Precision, recall, F1


@fast
@given(pairs)
def test_counts_by_a_plain_loop(both):
    gold, found = [g for g, _ in both], [f for _, f in both]
    triples = [{(i, e.start, e.end, e.label) for i, d in enumerate(x) for e in d}
               for x in (gold, found)]  # fmt: skip
    score = prf(gold, found)
    assert score == Score(len(triples[0]), len(triples[1]), len(triples[0] & triples[1]))
    parts = prf_by_label(gold, found).values()
    assert score.n_right == sum(part.n_right for part in parts)
    assert score.n_found == sum(part.n_found for part in parts)
    assert score.n_gold == sum(part.n_gold for part in parts)


@fast
@given(pairs)
def test_f1_is_the_harmonic_mean_and_finding_the_gold_is_perfect(both):
    gold, found = [g for g, _ in both], [f for _, f in both]
    score = prf(gold, found)
    if score.precision and score.recall:
        mean = 2 / (1 / score.precision + 1 / score.recall)
        assert score.f1 == pytest.approx(mean, rel=1e-12)  # rounding of three divisions
    if any(gold):
        same = prf(gold, gold)
        assert (same.precision, same.recall, same.f1) == (1, 1, 1)


@pytest.mark.parametrize(
    ("counts", "ratios"),
    [
        ((0, 0, 0), (None, None, None)),
        ((2, 0, 0), (None, 0, 0)),
        ((0, 2, 0), (0, None, 0)),
        ((4, 2, 1), (0.5, 0.25, 1 / 3)),
    ],
)
def test_undefined_is_none(counts, ratios):
    score = Score(*counts)
    assert (score.precision, score.recall, score.f1) == ratios


def test_nested_scores_of_a_flat_and_a_perfect_tagger():
    outer, inner, flat = Entity(0, 8, "ORG"), Entity(0, 3, "ORG"), Entity(10, 11, "LOC")
    gold = [[outer, inner, flat], [flat]]
    assert prf_nested(gold, gold) == Score(2, 2, 2)
    assert prf_nested(gold, [[outer, flat], []]) == Score(2, 1, 1)
    near, elsewhere = Entity(0, 2, "ORG"), Entity(10, 10, "LOC")
    assert prf_nested(gold, [[inner, near, elsewhere], [elsewhere]]) == Score(2, 2, 1)
    assert prf_nested([[flat]], [[flat]]) == Score(0, 0, 0)


@fast
@given(pairs)
def test_what_is_right_where_gold_nests_is_nested_gold(both):
    gold, found = [g for g, _ in both], [f for _, f in both]
    score = prf_nested(gold, found)
    right = sum(len(nested(g) & set(f)) for g, f in both)
    assert (score.n_gold, score.n_right) == (sum(len(nested(g)) for g in gold), right)
    assert score.n_right <= score.n_found <= prf(gold, found).n_found


@fast
@given(pairs, st.lists(st.sampled_from([-math.inf, -1, 0, 0.25, 0.5, 3, math.inf]), max_size=5))
def test_sweep_is_prf_at_each_threshold(both, thresholds):
    gold, scored = [g for g, _ in both], [f for _, f in both]
    result = sweep(gold, scored, thresholds)
    for index, threshold in enumerate(thresholds):
        found = [[e for e in d if e.score is not None and e.score > threshold] for d in scored]
        expected = prf(gold, found)
        assert result.at(index) == expected
        for name in ("precision", "recall", "f1"):
            value = getattr(expected, name)
            assert getattr(result, name)[index] == pytest.approx(
                math.nan if value is None else value, nan_ok=True
            )
    best = result.best
    if best is not None:
        assert result.f1[best] == np.nanmax(result.f1)


def test_a_score_of_zero_is_not_found_at_zero_and_best_may_be_undefined():
    gold = [[Entity(0, 1, "A")]]
    result = sweep(gold, [[Entity(0, 1, "A", 0.0), Entity(0, 1, "A", -1.0)]], [0, -0.5, -2])
    assert result.n_found.tolist() == [0, 1, 1]
    assert result.best == 1
    assert sweep([[]], [[]], [0]).best is None
    assert sweep([[]], [[]], []).best is None


@pytest.mark.parametrize("score", [None, math.nan])
def test_missing_scores_are_refused(score):
    bad = [[Entity(0, 1, "A", score)]]
    with pytest.raises(ValueError, match="score"):
        sweep(bad, bad, [0])
    with pytest.raises(ValueError, match="score"):
        flat_best(bad[0])


@pytest.mark.parametrize("thresholds", [math.nan, [[0.0]], [0, math.nan]])
def test_bad_thresholds_are_refused(thresholds):
    with pytest.raises(ValueError, match="thresholds"):
        sweep([], [], thresholds)


@pytest.mark.parametrize("count", [prf, prf_by_label, prf_nested])
def test_documents_must_pair_up(count):
    with pytest.raises(ValueError, match="1 documents and found has 2"):
        count([[]], [[], []])
    with pytest.raises(ValueError, match="shorter"):
        sweep([[], []], [[]], [0])


# --- Lanes


@fast
@given(st.lists(entities, max_size=30))
def test_lanes_never_collide_and_are_as_few_as_the_depth(found):
    lane = lanes(found)
    for i, j in combinations(range(len(found)), 2):
        if lane[i] == lane[j]:
            assert relation(found[i], found[j]) == "apart"
        elif found[i].start == found[j].start and found[i].end > found[j].end:
            assert lane[i] < lane[j]
    assert len(set(lane)) == max(depth(found, 30).tolist(), default=0)
    assert set(lane) == set(range(len(set(lane))))


@fast
@given(st.lists(entities, max_size=12, unique=True), st.randoms(use_true_random=False))
def test_lanes_do_not_depend_on_the_order(found, random):
    before = dict(zip(found, lanes(found), strict=True))
    random.shuffle(found)
    assert dict(zip(found, lanes(found), strict=True)) == before


@pytest.mark.parametrize(
    "found",
    [
        [Entity(0, 4, f"T{k:02}") for k in range(25)],
        [Entity(0, 40 - k, "A") for k in range(25)],
        [Entity(k, 80 - k, "A") for k in range(25)],
        [Entity(k, k + 24, "A") for k in range(25)],
    ],
    ids=["twins", "one start", "onion", "staircase"],
)
def test_25_overlapping_entities_take_25_lanes(found):
    assert lanes(found) == list(range(25))
    assert lanes(found[::-1]) == list(range(25))[::-1]


def test_a_lane_is_used_again_after_its_entity_ends():
    found = [Entity(0, 9, "A"), Entity(1, 2, "A"), Entity(3, 4, "A"), Entity(10, 11, "A")]
    assert lanes(found) == [0, 1, 1, 0]
    assert lanes([]) == []


@fast
@given(st.lists(entities, max_size=10))
def test_depth_by_counting(found):
    assert depth(found, 20).tolist() == [sum(c in cells(e) for e in found) for c in range(20)]


def test_depth_refuses_what_leaves_the_text():
    assert depth([], 0).tolist() == []
    with pytest.raises(ValueError, match="before n = 2"):
        depth([Entity(0, 2, "A")], 2)


# --- Windows


@fast
@given(st.integers(0, 60), st.integers(1, 20), st.data())
def test_windows_cover_the_text_with_their_overlap(n, size, data):
    overlap = data.draw(st.integers(0, size - 1))
    parts = windows(n, size, overlap)
    assert {c for a, b in parts for c in range(a, b)} == set(range(n))
    assert all(b - a == min(size, n) for a, b in parts)
    for (a, b), (c, d) in zip(parts, parts[1:], strict=False):
        assert a < c and b < d and b - c >= overlap


@pytest.mark.parametrize("bad", [(-1, 4, 1), (5, 0, 0), (5, 4, 4), (5, 4, -1)])
def test_bad_windows_are_refused(bad):
    with pytest.raises(ValueError, match="0 <= overlap < size"):
        windows(*bad)


@fast
@given(st.integers(1, 50), st.integers(1, 16), st.data())
def test_a_span_no_longer_than_the_overlap_is_found_exactly_once(n, size, data):
    overlap = data.draw(st.integers(0, size - 1))
    parts = windows(n, size, overlap)
    spans = [
        Entity(start, start + length - 1, "A", 1.0)
        for length in range(1, max(overlap, 1) + 1)
        for start in range(n - length + 1)
    ]
    found = [
        [Entity(e.start - a, e.end - a, "A", 1.0) for e in spans if a <= e.start and e.end < b]
        for a, b in parts
    ]
    assert stitch(found, parts) == sorted(spans)
    for span in spans:
        middle = (span.start + span.end + 1) / 2
        far = [abs((a + b) / 2 - middle) for a, b in parts]
        assert owner(span, parts) == far.index(min(far))


def test_stitch_drops_what_only_a_stranger_saw_and_keeps_scores():
    parts = windows(12, 8, 4)
    assert parts == [(0, 8), (4, 12)]
    cut = Entity(6, 7, "A", 2.0)  # at the edge of the first window, owned by the second
    assert stitch([[cut], []], parts) == []
    kept = stitch([[], [Entity(2, 3, "A", 5.0)]], parts)
    assert kept == [cut] and kept[0].score == 5.0
    assert owner(Entity(2, 9, "A"), parts) is None


def test_stitch_refuses_what_does_not_fit():
    with pytest.raises(ValueError, match="found has 1 windows"):
        stitch([[]], [(0, 4), (2, 6)])
    with pytest.raises(ValueError, match="leaves its window of 4"):
        stitch([[Entity(3, 4, "A")]], [(0, 4)])


# --- Flat subsets


@fast
@given(st.lists(entities, max_size=9))
def test_flat_subsets_are_flat_and_nothing_can_be_added(found):
    for choose in (flat_best, longest_flat, most_flat):
        kept = choose(found)
        assert kept == sorted(kept)
        assert all(relation(a, b) == "apart" for a, b in combinations(kept, 2))
        assert all(any(relation(e, k) != "apart" for k in kept) for e in found)


@fast
@given(st.lists(entities, max_size=9))
def test_most_flat_is_the_most(found):
    def is_flat(group):
        return all(relation(a, b) == "apart" for a, b in combinations(group, 2))

    most = max(
        len(group)
        for k in range(len(found) + 1)
        for group in combinations(found, k)
        if is_flat(group)
    )
    assert len(most_flat(found)) == most


def test_flat_choices_by_hand():
    outer, left, right = Entity(0, 8, "A", 1.0), Entity(0, 3, "A", 3.0), Entity(5, 8, "A", 2.0)
    assert flat_best([outer, left, right]) == [left, right]
    assert longest_flat([left, right, outer]) == [outer]
    assert most_flat([outer, left, right]) == [left, right]
    assert flat_best([left, Entity(0, 3, "A", 9.0)])[0].score == 9.0
