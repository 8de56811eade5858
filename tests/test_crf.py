"""The linear-chain CRF against enumeration of all paths, and BIO tags against spans.

``python -m pytest tests/test_crf.py``. Tolerances are rounding of sums of a few dozen float64
terms of size below 100: 1e-12 relative, 1e-12 absolute for probabilities.
"""

import itertools
import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from models.crf import (
    Clash,
    ClashError,
    bio_constraints,
    clashes,
    forbid,
    from_bio,
    log_partition,
    marginals,
    n_sequences,
    path_score,
    tags,
    to_bio,
    viterbi,
)
from models.spans import Entity, most_flat

fast = settings(deadline=None, max_examples=60, derandomize=True)
SIZES = [(1, 1), (1, 4), (2, 3), (3, 5), (4, 4), (5, 3), (5, 1)]


def chain(rng, n, K, scale=2.0):
    return tuple(scale * rng.standard_normal(s) for s in ((n, K), (K, K), K, K))


def by_enumeration(e, A, start, end):
    """All paths with their scores, from the definition."""
    n, K = e.shape
    paths = list(itertools.product(range(K), repeat=n))
    scores = [
        start[y[0]]
        + sum(e[t, y[t]] for t in range(n))
        + sum(A[a, b] for a, b in itertools.pairwise(y))
        + end[y[-1]]
        for y in paths
    ]
    return np.array(paths), np.array(scores)


# --- Against enumeration


@pytest.mark.parametrize(("n", "K"), SIZES)
def test_everything_by_enumeration(n, K, rng):
    e, A, start, end = chain(rng, n, K)
    paths, scores = by_enumeration(e, A, start, end)
    log_z = np.logaddexp.reduce(scores)
    assert log_partition(e, A, start, end) == pytest.approx(log_z, rel=1e-12, abs=1e-12)
    decoded = viterbi(e, A, start, end)
    assert decoded.path.tolist() == paths[scores.argmax()].tolist()
    assert decoded.score == pytest.approx(scores.max(), rel=1e-12)
    for path, score in zip(paths[:50], scores[:50], strict=True):
        assert path_score(e, A, path, start, end) == pytest.approx(score, rel=1e-12, abs=1e-12)
    p = np.exp(scores - log_z)
    tag, pair = marginals(e, A, start, end)
    expected = np.zeros((n, K))
    for t in range(n):
        np.add.at(expected[t], paths[:, t], p)
    np.testing.assert_allclose(tag, expected, atol=1e-12)
    expected = np.zeros((n - 1, K, K))
    for t in range(n - 1):
        np.add.at(expected[t], (paths[:, t], paths[:, t + 1]), p)
    np.testing.assert_allclose(pair, expected, atol=1e-12)


@pytest.mark.parametrize(("n", "K"), SIZES)
def test_the_lattice_holds_the_best_path_to_every_tag(n, K, rng):
    e, A, start, _ = chain(rng, n, K)
    decoded = viterbi(e, A, start)
    for t in range(n):
        paths, scores = by_enumeration(e[: t + 1], A, start, np.zeros(K))
        for y in range(K):
            ends = paths[:, -1] == y
            assert decoded.best[t, y] == pytest.approx(scores[ends].max(), rel=1e-12)
            if t:
                best = paths[ends][scores[ends].argmax()]
                assert decoded.back[t, y] == best[-2]
    assert (decoded.back[0] == -1).all()


@pytest.mark.parametrize(("n", "K"), [(3, 3), (5, 3)])
def test_forbidden_transitions_by_enumeration(n, K, rng):
    e, A, start, end = chain(rng, n, K)
    follows, begins = bio_constraints(["x"])
    A, start = forbid(A, follows), forbid(start, begins)
    paths, scores = by_enumeration(e, A, start, end)
    assert log_partition(e, A, start, end) == pytest.approx(np.logaddexp.reduce(scores), rel=1e-12)
    decoded = viterbi(e, A, start, end)
    assert decoded.path.tolist() == paths[scores.argmax()].tolist()
    tag, pair = marginals(e, A, start, end)
    np.testing.assert_allclose(tag.sum(axis=1), 1, atol=1e-12)
    assert (pair[:, ~follows] == 0).all()
    assert tag[0, 2] == 0
    assert path_score(e, A, [2] * n, start, end) == -math.inf


# --- Laws


def test_marginals_are_the_gradient_of_log_z(rng):
    e, A, start, end = (torch.tensor(x, requires_grad=True) for x in chain(rng, 6, 5))
    alpha = start + e[0]
    for t in range(1, 6):
        alpha = torch.logsumexp(alpha[:, None] + A, dim=0) + e[t]
    torch.logsumexp(alpha + end, dim=0).backward()
    tag, pair = marginals(*(x.detach().numpy() for x in (e, A, start, end)))
    for ours, leaf in ((tag, e), (pair.sum(axis=0), A), (tag[0], start), (tag[-1], end)):
        np.testing.assert_allclose(ours, np.asarray(leaf.grad), atol=1e-12)


def test_a_constant_per_token_moves_log_z_and_nothing_else(rng):
    e, A, start, end = chain(rng, 7, 5)
    shift = rng.standard_normal((7, 1))
    assert log_partition(e + shift, A, start, end) == pytest.approx(
        log_partition(e, A, start, end) + shift.sum(), rel=1e-12
    )
    assert (viterbi(e + shift, A, start, end).path == viterbi(e, A, start, end).path).all()
    moved, still = marginals(e + shift, A + 3, start, end), marginals(e, A, start, end)
    np.testing.assert_allclose(moved.tags, still.tags, atol=1e-12)
    np.testing.assert_allclose(moved.pairs, still.pairs, atol=1e-12)


def test_order_of_tags_and_direction_of_text_do_not_matter(rng):
    e, A, start, end = chain(rng, 6, 5)
    log_z = log_partition(e, A, start, end)
    p = rng.permutation(5)
    renamed = log_partition(e[:, p], A[np.ix_(p, p)], start[p], end[p])
    assert renamed == pytest.approx(log_z, rel=1e-12)
    assert log_partition(e[::-1], A.T, end, start) == pytest.approx(log_z, rel=1e-12)


def test_without_transitions_tokens_are_independent(rng):
    e = rng.standard_normal((6, 5))
    A = np.zeros((5, 5))
    softmax = np.exp(e) / np.exp(e).sum(axis=1, keepdims=True)
    np.testing.assert_allclose(marginals(e, A).tags, softmax, atol=1e-12)
    assert viterbi(e, A).path.tolist() == e.argmax(axis=1).tolist()
    assert log_partition(np.zeros((6, 5)), A) == pytest.approx(6 * math.log(5), rel=1e-14)


def test_masked_tokens_take_no_part(rng):
    e, A, start, end = chain(rng, 6, 3)
    mask = np.array([True, False, True, True, False, False])
    short = e[mask]
    e[~mask] = math.nan
    assert log_partition(e, A, start, end, mask) == log_partition(short, A, start, end)
    assert viterbi(e, A, mask=mask).path.tolist() == viterbi(short, A).path.tolist()
    assert path_score(e, A, [0, 1, 2], mask=mask) == path_score(short, A, [0, 1, 2])
    assert marginals(e, A, mask=mask).tags.shape == (3, 3)


@pytest.mark.parametrize("size", [1e4, -1e4])
def test_large_scores_stay_finite(size):
    e, A = np.full((50, 7), size), np.full((50, 7), size)[:7]
    n_paths = 50 * math.log(7)
    assert log_partition(e, A) == pytest.approx(99 * size + n_paths, rel=1e-12)
    np.testing.assert_allclose(marginals(e, A).tags, 1 / 7, rtol=1e-8)  # 99e4 eps


def test_a_single_token():
    e = [[0.0, 1.0, 3.0]]
    decoded = viterbi(e, np.zeros((3, 3)), end=[0, 5, 0])
    assert decoded.path.tolist() == [1] and decoded.score == 6
    assert decoded.best.tolist() == e
    assert marginals(e, np.zeros((3, 3))).pairs.shape == (0, 3, 3)


def test_when_every_path_is_forbidden():
    e, A = np.zeros((2, 2)), np.full((2, 2), -math.inf)
    assert log_partition(e, A) == -math.inf
    for search in (viterbi, marginals):
        with pytest.raises(ValueError, match="every path is forbidden"):
            search(e, A)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("emissions", np.zeros((0, 2))),
        ("emissions", np.zeros(2)),
        ("emissions", [[0, math.nan]]),
        ("transitions", np.zeros((2, 3))),
        ("transitions", [[0, math.inf], [0, 0]]),
        ("start", [0]),
        ("end", [0, math.nan]),
        ("mask", [1, 1]),
        ("mask", [False]),
    ],
)
def test_bad_arguments_are_refused_by_name(name, value):
    given = {"emissions": [[0, 0]], "transitions": np.zeros((2, 2)), name: value}
    with pytest.raises(ValueError, match=name):
        log_partition(**given)


@pytest.mark.parametrize("path", [[0], [0, 2], [-1, 0], [0.0, 1.0], [[0, 1]]])
def test_bad_paths_are_refused(path):
    with pytest.raises(ValueError, match="2 tag indices"):
        path_score(np.zeros((2, 2)), np.zeros((2, 2)), path)


# --- Tags and spans


def test_tags_in_order():
    assert tags([]) == ("O",)
    assert tags(["PER", "地点"]) == ("O", "B-PER", "I-PER", "B-地点", "I-地点")
    for bad in (["A", "A"], [""]):
        with pytest.raises(ValueError, match="types"):
            tags(bad)


def test_constraints_by_hand():
    follows, starts = bio_constraints(["x", "y"])
    names = tags(["x", "y"])
    barred = {(a, b) for i, a in enumerate(names) for j, b in enumerate(names) if not follows[i, j]}
    assert barred == {
        ("O", "I-x"), ("O", "I-y"), ("B-x", "I-y"), ("I-x", "I-y"), ("B-y", "I-x"), ("I-y", "I-x"),
    }  # fmt: skip
    assert starts.tolist() == [True, True, False, True, False]


spans = st.lists(
    st.builds(
        lambda start, more, label: Entity(start, start + more, label),
        st.integers(0, 15),
        st.integers(0, 4),
        st.sampled_from(["A", "B-C", "人"]),
    ),
    max_size=8,
)


@fast
@given(spans)
def test_flat_spans_come_back_from_their_tags(found):
    flat = most_flat(found)
    sequence = to_bio(flat + flat, 20, ["A", "B-C", "人"])
    assert len(sequence) == 20
    assert from_bio(sequence) == flat
    follows, starts = bio_constraints(["A", "B-C", "人"])
    index = [tags(["A", "B-C", "人"]).index(tag) for tag in sequence]
    assert starts[index[0]] and all(follows[a, b] for a, b in itertools.pairwise(index))


@fast
@given(spans)
def test_clashes_by_sets_of_tokens(found):
    expected = {}
    for a, b in itertools.combinations(set(found), 2):
        common = set(range(a.start, a.end + 1)) & set(range(b.start, b.end + 1))
        if common:
            expected[frozenset((a, b))] = common
    seen = clashes(found)
    assert {frozenset((c.first, c.second)): set(c.tokens) for c in seen} == expected
    assert len(seen) == len(expected)
    if seen:
        with pytest.raises(ClashError) as caught:
            to_bio(found, 20, ["A", "B-C", "人"])
        assert list(caught.value.clashes) == seen
    else:
        to_bio(found, 20, ["A", "B-C", "人"])


def test_a_nested_pair_names_its_tokens():
    outer, inner = Entity(0, 6, "ORG"), Entity(0, 3, "ORG")
    assert clashes([inner, outer]) == [Clash(outer, inner, range(4))]
    with pytest.raises(ClashError, match="share tokens 0 to 3"):
        to_bio([outer, inner], 9, ["ORG"])


@pytest.mark.parametrize(
    ("sequence", "expected"),
    [
        ("I-x O", [(0, 0, "x")]),
        ("O I-x I-x", [(1, 2, "x")]),
        ("B-x I-y I-y", [(0, 0, "x"), (1, 2, "y")]),
        ("B-x B-x I-x", [(0, 0, "x"), (1, 2, "x")]),
        ("B-x O I-x", [(0, 0, "x"), (2, 2, "x")]),
        ("", []),
    ],
)
def test_lenient_reading(sequence, expected):
    assert [(e.start, e.end, e.label) for e in from_bio(sequence.split())] == expected


@pytest.mark.parametrize("bad", ["X-x", "B", "B-", "-x", "o", "", "Ox"])
def test_what_is_no_tag_is_refused(bad):
    with pytest.raises(ValueError, match="at token 1"):
        from_bio(["O", bad])


@pytest.mark.parametrize("span", [Entity(0, 3, "A"), Entity(0, 0, "B")])
def test_spans_outside_text_or_types_are_refused(span):
    with pytest.raises(ValueError, match="before n = 3"):
        to_bio([span], 3, ["A"])


@pytest.mark.parametrize("n", [0, 1, 2, 9, 50, 300])
@pytest.mark.parametrize("K", [1, 2, 7, 10, 21, 100])
def test_digits_of_the_count(n, K):
    log10, digits = n_sequences(n, K)
    assert digits == len(str(K**n))
    assert log10 == pytest.approx(math.log10(K**n), rel=1e-14)


def test_digits_of_a_huge_count_and_bad_sizes():
    assert n_sequences(50, 7)[1] == 43
    assert n_sequences(10**6, 21)[1] == 1_322_220
    for bad in ((-1, 3), (3, 0), (10**6 + 1, 2)):
        with pytest.raises(ValueError, match="n must be"):
            n_sequences(*bad)
