"""Post-processing of sentence vectors: what each way promises, what it leaves alone, what it moves.

References are `models.whitening` called directly, NumPy's covariance, and loops over pairs.

``python -m pytest tests/test_post_processing.py``
"""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import rankdata, spearmanr

from models import post_processing as post
from models import whitening
from models.post_processing import WAYS, Way
from models.similarity import cosine_matrix, pair_cosines

EXAMPLE = np.array([[1, 2], [3, 1], [4, 5], [6, 4], [5, 7], [2, 3]], float)  # similarity.md, b5.7
ROUNDING = 1e-9  # float64, a few hundred products


def cone(rng, n=60, d=12):
    """Vectors around one direction, as an encoder's."""
    return rng.normal(size=(n, d)) * np.linspace(2, 0.2, d) + 3.0


@pytest.mark.parametrize("name", WAYS)
def test_a_way_is_the_map_it_is_named_after(rng, name):
    x, y = cone(rng), cone(rng, 9)
    made = post.fit(Way(name, k=5, n_removed=2, beta=0.3, gamma=0.6), x)(y)
    expected = {
        "none": lambda: y,
        "centre": lambda: y - x.mean(axis=0),
        "top": lambda: whitening.transform(whitening.all_but_the_top(x, 2), y),
        "whiten": lambda: whitening.transform(whitening.fit(x, 5), y),
        "beta_gamma": lambda: whitening.transform(whitening.fit(x, 5, 0.3, 0.6), y),
        "zca": lambda: whitening.transform(whitening.fit(x, form="zca"), y),
        "cut": lambda: whitening.matryoshka(y, 5),
    }[name]()
    np.testing.assert_allclose(made, expected, atol=ROUNDING)


@pytest.mark.parametrize(
    ("way", "cosine"),
    [
        (Way("none"), 0.707107),
        (Way("centre"), 0.698537),
        (Way("whiten", k=2), 0.104086),
        (Way("zca"), 0.104086),
        (Way("beta_gamma", k=2, beta=0, gamma=0), 0.707107),
        (Way("beta_gamma", k=2, beta=1, gamma=0), 0.698537),
        (Way("beta_gamma", k=2, beta=0, gamma=1), -0.593011),
    ],
)
def test_the_worked_example(way, cosine):
    made = post.fit(way, EXAMPLE)(EXAMPLE)
    assert cosine_matrix(made)[0, 1] == pytest.approx(cosine, abs=1e-6)  # printed digits


def test_all_but_the_top_of_the_worked_example():
    made = post.fit(Way("top", n_removed=1), EXAMPLE)(EXAMPLE)
    np.testing.assert_allclose(made[0], [-0.710526, 0.568777], atol=1e-6)  # printed digits


def test_whitening_to_k_gives_the_fit_set_covariance_one_and_effective_rank_k(rng):
    x = cone(rng)
    made = post.fit(Way("whiten", k=7), x)(x)
    np.testing.assert_allclose(np.cov(made.T), np.eye(7), atol=ROUNDING)
    assert post.spread(made).effective_rank == pytest.approx(7)


@pytest.mark.parametrize("name", ["centre", "top", "whiten", "zca"])
def test_the_mean_of_the_fit_set_is_gone(rng, name):
    x = cone(rng)
    assert np.abs(post.fit(Way(name, k=5), x)(x).mean(axis=0)).max() < ROUNDING


def test_more_directions_than_there_are_means_all(rng):
    x = cone(rng)
    for name in ("whiten", "cut", "beta_gamma"):
        wide, whole = (post.fit(Way(name, k=k), x) for k in (10_000, 12))
        np.testing.assert_array_equal(wide(x), whole(x))
        assert wide.k == whole.k == 12
    assert post.fit(Way("top", n_removed=99), x).k == 0


def test_float32_is_fitted_in_float64(rng):
    x = cone(rng).astype(np.float32)
    made = post.fit(Way("whiten", k=12), x)(x)
    assert made.dtype == np.float64
    np.testing.assert_allclose(np.cov(made.T), np.eye(12), atol=ROUNDING)


def test_only_whitening_on_oneself_collapses(rng):
    few = cone(rng, n=5)
    found = post.collapse(post.fit(Way("whiten", k=12), few), few)
    assert found is not None and found.cosine == -0.25
    np.testing.assert_allclose(
        cosine_matrix(post.fit(Way("whiten", k=12), few)(few)), found.cosines(), atol=1e-9
    )
    assert post.collapse(post.fit(Way("zca"), few), few) is not None
    for way in (Way("whiten", k=2), Way("centre"), Way("top"), Way("none"), Way("cut")):
        assert post.collapse(post.fit(way, few), few) is None


def test_bad_ways_and_vectors_are_refused(rng):
    x = cone(rng)
    for way in (Way("whiten", k=0), Way("top", n_removed=-1), Way("beta_gamma", beta=99)):
        with pytest.raises(ValueError, match="must be"):
            post.fit(way, x)
    with pytest.raises(ValueError, match="name must be one of"):
        post.fit(Way("flow"), x)
    with pytest.raises(ValueError, match="not be all equal"):
        post.fit(Way("whiten"), np.ones((4, 3)))
    with pytest.raises(ValueError, match="d = 12"):
        post.fit(Way("none"), x)(x[:, :3])


# --- The sweep ------------------------------------------------------------------------------------


@pytest.mark.parametrize(("name", "way"), [("whiten", "whiten"), ("cut", "cut"), ("pca", None)])
def test_a_sweep_is_what_each_k_gives_alone(rng, name, way):
    x, a, b = cone(rng), cone(rng, 20), cone(rng, 20)
    sizes = post.sweep_sizes(12)
    assert sizes == [1, 2, 3, 4, 6, 8, 12]
    found = list(post.sweep(name, whitening.moments(x), a, b, sizes))
    for k, cosines in zip(sizes, found, strict=True):
        one = Way(way, k=k) if way else Way("beta_gamma", k=k, beta=1, gamma=0)
        fitted = post.fit(one, x)
        np.testing.assert_allclose(cosines, pair_cosines(fitted(a), fitted(b)), atol=ROUNDING)


@pytest.mark.parametrize("d", [1, 2, 5, 312, 384, 768])
def test_sweep_sizes_rise_to_d(d):
    sizes = post.sweep_sizes(d)
    assert sizes[0] == 1 and sizes[-1] == d and sizes == sorted(set(sizes))
    with pytest.raises(ValueError, match="d must be"):
        post.sweep_sizes(0)


# --- Orders ---------------------------------------------------------------------------------------


def test_ranks_of_pairs_are_scipys(rng):
    cosines = cosine_matrix(np.round(rng.normal(size=(8, 3)), 1))
    upper = post.upper(cosines)
    ranks = rankdata(-np.round(upper, 9), method="min")
    pairs = [(i, j) for i in range(8) for j in range(i + 1, 8)]
    for rank, (i, j) in zip(ranks, pairs, strict=True):
        assert post.pair_rank(cosines, i, j) == post.pair_rank(cosines, j, i) == rank


def test_order_kept_is_scipys_spearman(rng):
    one, other = cosine_matrix(rng.normal(size=(9, 4))), cosine_matrix(rng.normal(size=(9, 4)))
    expected = spearmanr(post.upper(one), post.upper(other)).statistic
    assert post.order_kept(one, other) == pytest.approx(expected)
    assert post.order_kept(one, one) == pytest.approx(1)
    assert post.order_kept(one, 2 * one - 0.5) == pytest.approx(1)  # a rising map


def test_rounding_makes_no_order(rng):
    simplex = np.where(np.eye(5) == 1, 1, -0.25) + 1e-13 * rng.normal(size=(5, 5))
    assert math.isnan(post.order_kept(np.eye(5), simplex))
    assert {post.pair_rank(simplex, 0, j) for j in (1, 2, 3, 4)} == {1}
    assert math.isnan(post.order_kept(np.eye(2), np.eye(2)))


def test_the_pair_that_moved_most_is_found():
    before = np.array(
        [[1, 0.9, 0.1, 0.2], [0.9, 1, 0.3, 0.4], [0.1, 0.3, 1, 0.5], [0.2, 0.4, 0.5, 1]]
    )
    after = before.copy()
    after[0, 1] = after[1, 0] = -0.5  # from first place to last
    assert post.most_moved(before, after) == (0, 1)
    with pytest.raises(ValueError, match="shape"):
        post.most_moved(before, after[:3, :3])
    with pytest.raises(ValueError, match="must differ"):
        post.pair_rank(before, 1, 1)
    with pytest.raises(ValueError, match="n >= 2"):
        post.upper(np.eye(1))


# --- How vectors lie ------------------------------------------------------------------------------


@settings(max_examples=40, deadline=None)
@given(n=st.integers(2, 12), d=st.integers(1, 6), shift=st.floats(0, 5), seed=st.integers(0, 10**6))
def test_uniformity_is_at_least_jensens_bound(n, d, shift, seed):
    x = np.random.default_rng(seed).normal(size=(n, d)) + shift
    found = post.spread(x)
    assert found.uniformity >= post.uniformity_bound(found.mean_cosine) - ROUNDING
    assert 0 <= found.effective_rank <= min(d, n - 1) + ROUNDING


def test_jensens_bound_is_met_by_a_simplex():
    simplex = np.eye(4) - 0.25  # all distances alike
    found = post.spread(simplex)
    assert found.mean_cosine == pytest.approx(-1 / 3)
    assert found.uniformity == pytest.approx(post.uniformity_bound(found.mean_cosine))


def test_alignment_is_of_the_named_pairs(rng):
    x = cone(rng, 6)
    found = post.spread(x, [0, 2], [1, 3])
    cosines = cosine_matrix(x)
    assert found.alignment == pytest.approx(2 - cosines[0, 1] - cosines[2, 3])
    assert math.isnan(post.spread(x).alignment)


def test_the_disc_holds_what_singular_values_say(rng):
    x = cone(rng)
    found = post.disc(x)
    units = x / np.linalg.norm(x, axis=1, keepdims=True)
    values = np.linalg.svd(units, compute_uv=False) ** 2
    assert found.share == pytest.approx(values[:2].sum() / values.sum())
    assert (found.points**2).sum() == pytest.approx(values[:2].sum())
    assert np.linalg.norm(found.points, axis=1).max() <= 1 + ROUNDING
    assert found.points[:, 0].min() > 0.5, "a cone sits at the right end"


def test_the_disc_of_one_dimension_or_of_nothing():
    np.testing.assert_allclose(post.disc([[2.0], [3.0]]).points, [[1, 0], [1, 0]])
    assert post.disc(np.zeros((3, 4))).share == 0


def test_positives_and_groups_of_labels():
    assert post.positives([0, 1, 2, 3, 4, 5, 5]).tolist() == [4, 5, 6]
    assert post.positives([0, 1, 1, 0]).tolist() == [1, 2]
    assert post.positives([2, 2]).size == 0
    assert post.label_cuts([0, 5, 3]).tolist() == [0, 2, 4, 5]
    assert post.label_cuts([0, 1, 1]).tolist() == [0, 0.5, 1]
    assert post.label_cuts([1, 1]).size == 0
