"""Cosines, pooling, rank correlation and the geometry of the sphere.

Checked against laws, values known in closed form, definitions written out pair by pair, and scipy
and scikit-learn. ``python -m pytest tests/test_similarity.py``
"""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import rankdata, spearmanr
from sklearn.metrics import roc_auc_score
from sklearn.metrics.pairwise import cosine_similarity

from models import similarity
from models.similarity import (
    alignment,
    auc,
    average_ranks,
    binary_ceiling,
    ceiling,
    cosine_matrix,
    histogram_by_label,
    mean_cosine,
    pair_cosines,
    pool,
    spearman,
    spearman_from_auc,
    uniformity,
    unit,
    weighted_average,
)

quick = settings(deadline=None, max_examples=60, derandomize=True)
few_values = st.lists(st.tuples(st.integers(0, 4), st.integers(-6, 6)), min_size=2, max_size=30)
LABELS, SCORES = [0, 1, 0, 1, 1], [0.1, 0.9, 0.4, 0.8, 0.3]

# --- Cosines


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_cosines_are_symmetric_bounded_and_one_with_oneself(dtype, rng):
    x = rng.standard_normal((40, 7)).astype(dtype)
    cosines = cosine_matrix(x)
    assert cosines.dtype == dtype and np.abs(cosines).max() <= 1
    np.testing.assert_array_equal(cosines, cosines.T)
    rounding = 8 * np.finfo(dtype).eps
    np.testing.assert_allclose(np.diag(cosines), 1, atol=rounding)
    np.testing.assert_allclose(cosines, cosine_similarity(x), atol=rounding)
    np.testing.assert_allclose(pair_cosines(x, x[::-1]), np.diag(cosines[:, ::-1]), atol=rounding)


def test_length_and_rotation_are_invisible_to_cosines(rng):
    x, turn = rng.standard_normal((20, 6)), np.linalg.qr(rng.standard_normal((6, 6)))[0]
    scaled = x * rng.uniform(0.01, 100, (20, 1))
    np.testing.assert_allclose(cosine_matrix(scaled @ turn), cosine_matrix(x), atol=1e-13)


def test_zero_vector_has_cosine_zero_with_everything():
    cosines = cosine_matrix([[0.0, 0.0], [3.0, 4.0]])
    np.testing.assert_array_equal(cosines, [[0, 0], [0, 1]])
    assert np.array_equal(unit([[0.0, 0.0]]), [[0.0, 0.0]])
    assert unit([[1e-9, 0.0]])[0, 0] == pytest.approx(0.1)  # below the floor: over 1e-8


def test_equal_sentences_have_cosine_one_and_equal_rows(rng):
    x = rng.standard_normal((3, 5))
    cosines = cosine_matrix(np.vstack([x, x[:1]]))
    assert cosines[0, 3] == pytest.approx(1, abs=1e-15)
    np.testing.assert_allclose(cosines[0], cosines[3], atol=1e-15)


def test_half_floats_and_integers_are_cast_up():
    half = np.array([[1, 2], [3, 1]], np.float16)
    assert cosine_matrix(half).dtype == np.float64
    assert cosine_matrix(half)[0, 1] == pytest.approx(math.sqrt(0.5), abs=1e-15)
    assert cosine_matrix([[1, 2], [3, 1]])[0, 1] == pytest.approx(0.707107, abs=5e-7)


def test_cosines_with_others(rng):
    x, y = rng.standard_normal((4, 3)), rng.standard_normal((6, 3))
    np.testing.assert_allclose(cosine_matrix(x, y), cosine_matrix(np.vstack([x, y]))[:4, 4:])
    with pytest.raises(ValueError, match="others must have d = 3, got 2"):
        cosine_matrix(x, y[:, :2])
    with pytest.raises(ValueError, match="first and second must agree in shape"):
        pair_cosines(x, y)


@pytest.mark.parametrize(
    ("bad", "says"),
    [
        ([[1.0, math.nan]], r"vectors must be finite .* got nan at \(0, 1\)"),
        ([[1.0], [-math.inf]], r"got -inf at \(1, 0\)"),
        (np.array([[1e16]], np.float32), "below 1e\\+15"),
        ([[1e151]], "below 1e\\+150"),
        ([1.0, 2.0], "vectors must have 2 axes"),
        (np.ones((1, 2, 3)), "vectors must have 2 axes"),
        ([["a", "b"]], "vectors must be real numbers"),
        (np.array([[1, None]], object), "vectors must be real numbers, got dtype object"),
        (np.empty((0, 3)), "n >= 1"),
        (np.empty((3, 0)), "d >= 1"),
    ],
)
def test_bad_vectors_are_refused(bad, says):
    with pytest.raises(ValueError, match=says):
        cosine_matrix(bad)


# --- Pooling


def states_and_mask(rng, n_blocks=3):
    states = rng.standard_normal((n_blocks + 1, 4, 5, 6))
    mask = np.arange(5) < np.array([[5], [2], [3], [1]])
    return states, mask


def pool_by_hand(states, mask, mode, pooler):
    kernel, bias = pooler
    vectors = []
    for i in range(mask.shape[0]):
        tokens = [t for t in range(mask.shape[1]) if mask[i, t]]
        last = sum(states[-1][i][t] for t in tokens) / len(tokens)
        first = sum(states[1][i][t] for t in tokens) / len(tokens)
        cls = states[-1][i][0]
        vectors.append(
            {"P1": cls, "P2": kernel.T @ cls + bias, "P3": last, "P4": (first + last) / 2}[mode]
        )
    return np.array(vectors)


@pytest.mark.parametrize("mode", similarity.POOLINGS)
@pytest.mark.parametrize("n_blocks", [1, 3])
def test_pooling_is_its_definition_token_by_token(mode, n_blocks, rng):
    states, mask = states_and_mask(rng, n_blocks)
    pooler = (rng.standard_normal((6, 8)), rng.standard_normal(8))
    expected = pool_by_hand(states, mask, mode, pooler)
    np.testing.assert_allclose(pool(states, mask, mode, pooler), expected, atol=1e-14)
    layers = [layer.astype(np.float32) for layer in states]  # a list, as encoders give it
    single = pool(layers, mask.astype(int), mode, pooler)
    np.testing.assert_allclose(single, expected, atol=1e-5)


@pytest.mark.parametrize("mode", similarity.POOLINGS)
def test_padding_and_embedding_layer_are_not_seen(mode, rng):
    states, mask = states_and_mask(rng)
    pooler = (np.eye(6), np.zeros(6))
    other = states.copy()
    other[:, ~mask] = 1e6
    other[0] = -1e6
    np.testing.assert_array_equal(pool(other, mask, mode, pooler), pool(states, mask, mode, pooler))


def test_first_of_p4_is_block_one(rng):
    states, mask = states_and_mask(rng)
    moved = states.copy()
    moved[1] += 2
    np.testing.assert_allclose(pool(moved, mask, "P4"), pool(states, mask, "P4") + 1, atol=1e-14)
    for mode in ("P1", "P3"):
        np.testing.assert_array_equal(pool(moved, mask, mode), pool(states, mask, mode))


def test_pooler_is_linear(rng):
    states, mask = states_and_mask(rng)
    pooled = pool(10 * states, mask, "P2", (np.eye(6), np.zeros(6)))
    np.testing.assert_allclose(pooled, pool(10 * states, mask, "P1"))
    assert np.abs(pooled).max() > 1  # tanh would end at 1


def test_pooling_refuses_what_it_cannot_read(rng):
    states, mask = states_and_mask(rng)
    left = mask[:, ::-1]
    cases = [
        (states, mask, "mean", None, "mode must be one of P1, P2, P3, P4"),
        (states[:1], mask, "P1", None, "at least one block"),
        (states, mask[:, :4], "P1", None, "mask must be"),
        (states, left, "P3", None, "token 0 of each sentence, got False at 1"),
        (states, mask, "P2", None, "pooler must be given"),
        (states, mask, "P2", (np.eye(5), np.zeros(5)), "pooler must be"),
        (states * np.nan, mask, "P1", None, "must be finite"),
        ([states[0], states[1][:2], states[2]], mask, "P4", None, "blocks must agree"),
    ]
    for given_states, given_mask, mode, pooler, says in cases:
        with pytest.raises(ValueError, match=says):
            pool(given_states, given_mask, mode, pooler)


# --- Alignment, uniformity, mean cosine


def turned(*degrees):
    angles = np.radians(degrees)
    return np.stack([np.cos(angles), np.sin(angles)], axis=1)


@pytest.mark.parametrize(
    ("vectors", "value"),
    [
        (np.ones((5, 3)), 0),
        ([[1.0, 2.0], [-1.0, -2.0]], -8),
        (np.eye(6), -4),
        (turned(0, 120, 240), -6),
        (turned(0, 90, 180, 270), -4.396349),
    ],
)
def test_uniformity_of_known_sets(vectors, value):
    assert uniformity(vectors) == pytest.approx(value, abs=1e-6)


def test_uniformity_of_random_directions(rng):
    x = rng.standard_normal((800, 768))
    # the mean of e^(-2 |u-v|^2) is near e^-4 (1 + 16/(2 d)) for cosines of variance 1/d
    assert uniformity(x) == pytest.approx(-4 + math.log1p(8 / 768), abs=0.003)


@pytest.mark.parametrize("block", [1, 50, 2**22])
def test_uniformity_is_the_mean_over_pairs_however_it_is_cut(block, rng, monkeypatch):
    monkeypatch.setattr(similarity, "_BLOCK", block)
    x = rng.standard_normal((17, 3))
    u = x / np.linalg.norm(x, axis=1, keepdims=True)
    pairs = [math.exp(-3 * ((u[i] - u[j]) ** 2).sum()) for i in range(17) for j in range(i)]
    assert uniformity(x, 3) == pytest.approx(math.log(np.mean(pairs)), abs=1e-13)
    assert uniformity(x, 0) == pytest.approx(0, abs=1e-13)


def test_uniformity_does_not_underflow():
    assert uniformity([[1.0, 0.0], [-1.0, 0.0]], 1000) == pytest.approx(-4000)


def test_alignment_is_twice_one_minus_cosine(rng):
    x, y = rng.standard_normal((2, 30, 5))
    assert alignment(x, y) == pytest.approx(2 - 2 * pair_cosines(x, y).mean(), abs=1e-14)
    assert alignment(x, 3 * x) == pytest.approx(0, abs=1e-14)
    assert alignment(x, -x) == pytest.approx(4, abs=1e-14)


def test_mean_cosine_is_the_mean_over_pairs(rng):
    x = rng.standard_normal((12, 4)) + 1
    cosines = cosine_matrix(x)
    assert mean_cosine(x) == pytest.approx(cosines[np.triu_indices(12, 1)].mean(), abs=1e-14)
    assert mean_cosine(np.ones((3, 2))) == pytest.approx(1)
    assert mean_cosine(turned(0, 120, 240)) == pytest.approx(-0.5)


@pytest.mark.parametrize("measure", [mean_cosine, uniformity])
def test_one_sentence_has_no_pair(measure):
    with pytest.raises(ValueError, match="n >= 2"):
        measure([[1.0, 2.0]])
    with pytest.raises(ValueError, match="sharpness must be a number in"):
        uniformity(np.eye(2), -1)


# --- Spearman, AUC, ceilings


@quick
@given(few_values)
def test_spearman_is_scipys_with_ties(pairs):
    labels, scores = (np.array(side, float) for side in zip(*pairs, strict=True))
    np.testing.assert_array_equal(average_ranks(scores), rankdata(scores))
    if np.ptp(labels) == 0 or np.ptp(scores) == 0:
        assert math.isnan(spearman(labels, scores))
    else:
        expected = spearmanr(labels, scores).statistic
        assert spearman(labels, scores) == pytest.approx(expected, abs=1e-12)


@quick
@given(few_values)
def test_spearman_sees_order_alone_and_never_passes_its_ceiling(pairs):
    labels, scores = (np.array(side, float) for side in zip(*pairs, strict=True))
    if np.ptp(labels) == 0 or np.ptp(scores) == 0:
        return
    value = spearman(labels, scores)
    assert spearman(labels, np.exp(scores / 3) - 7) == pytest.approx(value, abs=1e-12)
    assert spearman(labels, -scores) == pytest.approx(-value, abs=1e-12)
    untied = scores + np.linspace(0, 0.5, scores.size)
    assert abs(spearman(labels, untied)) <= ceiling(labels) + 1e-12
    best = np.argsort(np.argsort(labels, kind="stable"))
    assert spearman(labels, best) == pytest.approx(ceiling(labels), abs=1e-12)


def test_spearman_of_known_ties():
    assert spearman([1, 2, 2, 3], [10, 20, 30, 30]) == pytest.approx(0.833333, abs=5e-7)
    assert spearman([0, 1], [5, 7]) == 1
    assert spearman([0, 1], [7, 5]) == -1


def test_auc_and_spearman_of_binary_labels_are_tied():
    assert auc(LABELS, SCORES) == pytest.approx(0.833333, abs=5e-7)
    assert spearman(LABELS, SCORES) == pytest.approx(0.577350, abs=5e-7)
    assert spearman_from_auc(5 / 6, 3, 2) == pytest.approx(spearman(LABELS, SCORES), abs=1e-15)


@quick
@given(few_values)
def test_auc_is_scikit_learns_with_ties(pairs):
    labels, scores = (np.array(side) for side in zip(*pairs, strict=True))
    ones = (labels > 1).astype(int)
    if ones.min() == ones.max():
        assert math.isnan(auc(ones, scores))
    else:
        assert auc(ones, scores) == pytest.approx(roc_auc_score(ones, scores), abs=1e-12)
        untied = scores + np.linspace(0, 0.5, scores.size)
        known = spearman_from_auc(auc(ones, untied), int(ones.sum()), int((1 - ones).sum()))
        assert spearman(ones, untied) == pytest.approx(known, abs=1e-12)


@pytest.mark.parametrize(("share", "value"), [(0.5, 0.866025), (0.3, 0.793725), (0.18, 0.665432)])
def test_ceiling_of_binary_labels(share, value):
    assert binary_ceiling(share) == pytest.approx(value, abs=5e-7)
    labels = np.arange(1000) < 1000 * share
    exact = ceiling(labels)
    assert exact == pytest.approx(value, abs=1e-6)  # 1/(2 n^2) apart
    assert exact == pytest.approx(spearman_from_auc(1, int(labels.sum()), int((~labels).sum())))


def test_ceiling_without_ties_is_one_and_without_contrast_undefined():
    assert ceiling([3, 1, 2]) == 1
    assert math.isnan(ceiling([2, 2, 2]))
    assert binary_ceiling(0) == binary_ceiling(1) == 0


def test_constant_labels_or_scores_are_undefined():
    assert math.isnan(spearman([1, 1, 1], [0.1, 0.2, 0.3]))
    assert math.isnan(spearman([0, 1, 1], [0.2, 0.2, 0.2]))
    assert math.isnan(auc([1, 1], [0.2, 0.3]))


@pytest.mark.parametrize(
    ("call", "says"),
    [
        (lambda: spearman([1, 2], [1, 2, 3]), "labels and scores must be as many, got 2 and 3"),
        (lambda: spearman([1], [1]), "labels must hold at least 2 numbers, got 1"),
        (lambda: spearman(["a", "b"], [1, 2]), "labels must be real numbers"),
        (lambda: spearman([1, 2], [math.nan, 1]), "scores must be finite"),
        (lambda: auc([0, 2], [1, 2]), "labels must be 0 or 1, got 2 at 1"),
        (lambda: binary_ceiling(1.1), r"share must be a number in \[0, 1\], got 1.1"),
        (lambda: ceiling([1]), "at least 2"),
        (lambda: spearman_from_auc(0.5, 0, 3), "n_ones must be a whole number"),
        (lambda: weighted_average([1, 2], [1]), "scores and counts must be as many"),
        (lambda: weighted_average([1, 2], [0, 0]), "not all 0"),
        (lambda: weighted_average([1, 2], [3, -1]), "counts must be >= 0"),
        (lambda: weighted_average([math.nan], [1]), "scores must be finite"),
    ],
)
def test_bad_labels_and_scores_are_refused(call, says):
    with pytest.raises(ValueError, match=says):
        call()


def test_weighted_average_is_by_number_of_pairs():
    assert weighted_average([60, 70, 80], [5231, 1458, 1361]) == pytest.approx(
        (60 * 5231 + 70 * 1458 + 80 * 1361) / 8050
    )
    assert weighted_average([3, 5], [0, 2]) == 5


# --- Histogram


def test_each_groups_density_integrates_to_one(rng):
    cosines, labels = rng.uniform(-1, 1, 500), rng.integers(0, 3, 500)
    seen = histogram_by_label(cosines, labels, 16)
    np.testing.assert_array_equal(seen.low, [0, 1, 2])
    np.testing.assert_allclose((seen.densities * np.diff(seen.edges)).sum(axis=1), 1)
    for group in range(3):
        counts, _ = np.histogram(cosines[labels == group], seen.edges)
        np.testing.assert_array_equal(seen.counts[group], counts)


def test_ends_of_the_axis_and_of_the_cuts_count():
    seen = histogram_by_label([-1, 1, 1 + 1e-9, 0], [0, 5, 4, 2.5], 4, cuts=[0, 2.5, 4, 5])
    np.testing.assert_array_equal(seen.counts, [[1, 0, 0, 0], [0, 0, 1, 0], [0, 0, 0, 2]])
    np.testing.assert_array_equal(seen.high, [2.5, 4, 5])
    empty = histogram_by_label([0.5], [0.5], 2, cuts=[0, 1, 2])
    np.testing.assert_array_equal(empty.densities, [[0, 1], [0, 0]])


@pytest.mark.parametrize(
    ("call", "says"),
    [
        (lambda: histogram_by_label([1.1], [0]), "cosines must be in"),
        (lambda: histogram_by_label([0.1], [0], 0), "n_bins must be a whole number in 1..1000"),
        (lambda: histogram_by_label([0.1], [7], cuts=[0, 5]), "labels must be within the cuts"),
        (lambda: histogram_by_label([0.1], [1], cuts=[0, 5, 5]), "cuts must rise"),
        (lambda: histogram_by_label(np.zeros(33), np.arange(33)), "at most 32 groups, got 33"),
        (lambda: histogram_by_label([0.1, 0.2], [1]), "as many"),
    ],
)
def test_bad_histograms_are_refused(call, says):
    with pytest.raises(ValueError, match=says):
        call()
