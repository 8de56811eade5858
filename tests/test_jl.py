"""Random projections, pair distances and their distortion.

Checked against scipy (pdist, hadamard), scikit-learn's random projections with one and the same A,
the definition, and the lemma itself. ``python -m pytest tests/test_jl.py``
"""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy.linalg import hadamard
from scipy.spatial.distance import pdist
from scipy.stats import kstest
from sklearn.random_projection import GaussianRandomProjection, SparseRandomProjection

from models import jl, jl_bounds

RANDOM_KINDS = [kind for kind in jl.KINDS if kind != "pca"]
quick = settings(deadline=None, max_examples=40, derandomize=True)


# --- Points


@pytest.mark.parametrize("kind", jl.POINTS)
def test_points_have_their_shape_and_depend_on_the_seed_only(kind):
    first, second = (jl.make_points(kind, 23, 7, np.random.default_rng(5)) for _ in range(2))
    assert first.shape == (23, 7)
    assert first.dtype in (np.float32, np.float64)
    assert np.isfinite(first).all()
    assert np.array_equal(first, second)
    assert jl.make_points(kind, 1, 1, np.random.default_rng(5)).shape == (1, 1)


def test_points_are_what_their_names_say(rng):
    assert np.linalg.matrix_rank(jl.line(50, 20, rng)) == 1
    assert np.linalg.matrix_rank(jl.swiss_roll(50, 20, rng)) == 3
    roll = jl.swiss_roll(500, 20, rng)
    assert np.linalg.norm(roll, axis=1).max() < math.hypot(4.5 * math.pi, 21)
    assert np.array_equal(jl.one_hot(3, 3, rng), np.eye(3))
    first, second = np.split(jl.duplicates(40, 5, rng), 2)
    assert np.array_equal(first, second)
    sparse = jl.sparse_points(200, 300, rng)
    assert (sparse != 0).any(axis=1).all()
    assert 0.01 < (sparse != 0).mean() < 0.02
    clusters = jl.two_clusters(60, 400, rng).astype(np.float64)
    within = pdist(clusters[::2], "sqeuclidean").mean()
    across = ((clusters[::2] - clusters[1::2]) ** 2).sum(axis=1).mean()
    assert across / within == pytest.approx(4, rel=0.05)


def test_unknown_kinds_and_counts_are_refused(rng):
    with pytest.raises(ValueError, match="kind must be one of gaussian, .*got 'cube'"):
        jl.make_points("cube", 3, 3, rng)
    with pytest.raises(ValueError, match="n_samples must be a whole number at least 1, got 0"):
        jl.make_points("gaussian", 0, 3, rng)
    with pytest.raises(ValueError, match="name must be one of digits, fashion"):
        jl.load_points("faces")


@pytest.mark.parametrize(
    ("name", "shape", "top", "side"),
    [("digits", (1797, 64), 16, 8), ("fashion", (1000, 784), 255, 28)],
)
def test_real_points_are_complete_cached_and_read_only(name, shape, top, side):
    real = jl.load_points(name)
    assert real.points.shape == shape
    assert real.points.dtype == real.labels.dtype == np.uint8
    assert real.points.max() == top
    assert real.shape == (side, side)
    assert set(real.labels.tolist()) == set(range(10))
    assert jl.load_points(name) is real
    with pytest.raises(ValueError, match="read-only"):
        real.points[0, 0] = 1


def test_digits_are_scikit_learns():
    from sklearn.datasets import load_digits

    points, labels = load_digits(return_X_y=True)
    assert np.array_equal(jl.load_points("digits").points, points)
    assert np.array_equal(jl.load_points("digits").labels, labels)


@pytest.mark.parametrize(
    ("given_type", "kept"),
    [
        (np.float32, np.float32),
        (np.float64, np.float64),
        (np.float16, np.float32),
        (np.uint8, np.float32),
        (np.bool_, np.float32),
        (np.int16, np.float32),
        (np.int64, np.float64),
        (object, np.float64),
        (">f4", np.float64),
    ],
)
def test_any_real_type_is_taken(given_type, kept):
    points = np.array([[0, 1], [1, 1]]).astype(given_type)
    assert jl.as_points(points).dtype == kept
    assert jl.as_points(points).tolist() == [[0, 1], [1, 1]]


@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf])
def test_the_place_of_a_value_that_is_not_finite_is_named(bad):
    points = np.ones((4, 6), np.float32)
    points[2, 5] = bad
    with pytest.raises(ValueError, match=f"got {bad:g} in row 2, column 5"):
        jl.as_points(points)


@pytest.mark.parametrize(
    ("bad", "message"),
    [
        (np.ones(3), r"shape \(n_samples, n_features\), got \(3,\)"),
        (np.ones((0, 3)), r"got \(0, 3\)"),
        (np.ones((3, 0)), r"got \(3, 0\)"),
        (np.ones((2, 2)) * 1j, "real numbers, got dtype complex128"),
        (np.array([["a", "b"]]), "real numbers, got dtype <U1"),
        (np.array([["a", None]], object), "real numbers, got dtype object"),
        (np.full((2, 2), 1e200), "of size 1e-100 to 1e100, got 1e"),
        (np.full((2, 2), 1e-200), "of size 1e-100 to 1e100, got 1e-200"),
    ],
)
def test_what_is_no_points_is_refused(bad, message):
    with pytest.raises(ValueError, match=message):
        jl.as_points(bad)


# --- Matrices


@pytest.mark.parametrize("kind", RANDOM_KINDS)
@pytest.mark.parametrize(("k", "m"), [(1, 1), (5, 3), (16, 16), (20, 130), (70, 33)])
def test_project_applies_the_matrix_of_the_same_seed(kind, k, m, rng):
    points = rng.standard_normal((9, m))
    a = jl.matrix(kind, k, m, np.random.default_rng(3))
    projected = jl.project(points, k, kind, rng=np.random.default_rng(3))
    assert a.shape == (k, m)
    assert a.dtype == np.float32
    assert projected == pytest.approx(points @ a.T, abs=1e-5)  # A is float32


@pytest.mark.parametrize("kind", RANDOM_KINDS)
@pytest.mark.parametrize("m", [40, 64])
def test_squared_norm_is_unbiased(kind, m):
    rng = np.random.default_rng(7)
    x = np.zeros((2, m))
    x[0, 3] = 1  # the hardest vector for sparse A
    x[1] = rng.standard_normal(m) / math.sqrt(m)
    n_draws, k = 1500, 8
    found = np.array([(jl.project(x, k, kind, rng=rng) ** 2).sum(axis=1) for _ in range(n_draws)])
    error = found.std(axis=0) / math.sqrt(n_draws)
    # five standard errors; 1e-6 for what has no spread at all
    assert np.all(np.abs(found.mean(axis=0) - (x**2).sum(axis=1)) < 5 * error + 1e-6)


def test_gaussian_squared_norms_follow_their_exact_law():
    rng = np.random.default_rng(11)
    x = rng.standard_normal((1, 50))
    ratios = [
        (jl.project(x, 20, rng=rng) ** 2).sum() / (x**2).sum() for _ in range(2000)
    ]  # fmt: skip
    assert kstest(20 * np.array(ratios), "chi2", args=(20,)).pvalue > 1e-3


def test_entries_of_each_kind(rng):
    k, m = 60, 900
    signs = jl.matrix("rademacher", k, m, rng)
    assert np.unique(signs) == pytest.approx([-1 / math.sqrt(k), 1 / math.sqrt(k)])
    assert abs(signs.mean() * math.sqrt(k)) < 5 / math.sqrt(k * m)
    for kind, density in (("sparse", 1 / 3), ("very_sparse", 1 / 30)):
        a = jl.matrix(kind, k, m, rng)
        value = math.sqrt(1 / (k * density))
        assert np.unique(a) == pytest.approx([-value, 0, value])
        spread = math.sqrt(density * (1 - density) / (k * m))
        assert abs((a != 0).mean() - density) < 5 * spread
        assert abs((a > 0).mean() - density / 2) < 5 * spread
    assert jl.matrix("gaussian", k, m, rng).std() == pytest.approx(1 / math.sqrt(k), rel=0.02)


@pytest.mark.parametrize(("kind", "density"), [("sparse", 1 / 3), ("very_sparse", "auto")])
def test_sparse_matrices_have_scikit_learns_density_and_scale(kind, density, rng):
    k, m = 200, 2500
    theirs = SparseRandomProjection(k, density=density, random_state=0).fit(np.zeros((2, m)))
    a = jl.matrix(kind, k, m, rng)
    assert np.abs(a).max() == pytest.approx(np.abs(theirs.components_.data).max(), rel=1e-6)
    assert (a != 0).mean() == pytest.approx(theirs.density_, rel=0.05)
    assert theirs.components_.nnz / (k * m) == pytest.approx((a != 0).mean(), rel=0.05)


def test_projection_agrees_with_scikit_learn_given_the_same_matrix(rng):
    points = rng.standard_normal((30, 80))
    theirs = GaussianRandomProjection(12).fit(points)
    theirs.components_ = jl.matrix("gaussian", 12, 80, np.random.default_rng(2)).astype(np.float64)
    ours = jl.project(points, 12, rng=np.random.default_rng(2))
    assert ours == pytest.approx(theirs.transform(points), rel=1e-6, abs=1e-6)
    fitted = GaussianRandomProjection(12, random_state=4).fit_transform(points)
    assert jl.distortion(jl.original(points), fitted, 0.9).mean == pytest.approx(1, abs=0.3)


def test_orthogonal_rows_are_orthonormal_up_to_scale(rng):
    a = jl.matrix("orthogonal", 10, 40, rng).astype(np.float64)
    assert a @ a.T == pytest.approx(4 * np.eye(10), abs=1e-5)
    tall = jl.matrix("orthogonal", 40, 10, rng).astype(np.float64)
    assert tall.T @ tall == pytest.approx(np.eye(10), abs=1e-5)


def test_both_roads_to_orthonormal_rows_agree(rng):
    rows = rng.standard_normal((20, 80))
    q, r = np.linalg.qr(rows.T)
    expected = (q * np.sign(np.diagonal(r))).T
    assert jl._orthonormal_rows(rows) == pytest.approx(expected, abs=1e-12)
    assert jl._orthonormal_rows(rows[:, :79]) @ rows[:, :79].T == pytest.approx(
        np.linalg.cholesky(rows[:, :79] @ rows[:, :79].T).T, abs=1e-11
    )


def test_more_components_than_features_keep_distances_under_an_orthogonal_map(rng):
    result = jl.measure(rng.standard_normal((20, 6)), 15, 0.1, "orthogonal", rng=rng)
    assert result.max_distortion < 1e-5


def test_orthogonal_matrix_is_haar_distributed():
    # the first entry of a Haar matrix in O(2) is the cosine of a uniform angle
    rng = np.random.default_rng(13)
    entries = [jl.orthogonal_matrix(2, 2, rng)[0, 0] for _ in range(800)]
    assert kstest(np.arccos(np.clip(entries, -1, 1)) / math.pi, "uniform").pvalue > 1e-3


@pytest.mark.parametrize("p", [1, 2, 8, 64, 128, 2048, 4096])
def test_hadamard_transform_is_the_matrix_product(p, rng):
    x = rng.standard_normal((3, p))
    y = jl.hadamard_transform(x)
    assert y == pytest.approx(x @ hadamard(p), abs=1e-10 * p)
    assert jl.hadamard_transform(y) == pytest.approx(p * x, abs=1e-9 * p)


def test_hadamard_transform_refuses_other_lengths(rng):
    with pytest.raises(ValueError, match="power of two, got 12"):
        jl.hadamard_transform(np.ones((1, 12)))


def test_srht_uses_each_row_once_before_repeating(rng):
    srht = jl.draw_srht(20, 5, rng)
    assert srht.padded_dim == 8
    counts = np.bincount(srht.rows, minlength=8)
    assert counts.min() == 2
    assert counts.max() == 3
    whole = jl.matrix("srht", 16, 16, rng).astype(np.float64)
    assert whole.T @ whole == pytest.approx(np.eye(16), abs=1e-5)  # all rows: an isometry


def test_srht_spreads_a_spike_that_very_sparse_rows_miss():
    points = np.eye(256, dtype=np.float32)[:40]
    srht, sparse = (
        jl.measure(points, 64, 0.5, kind, rng=np.random.default_rng(1)).std
        for kind in ("srht", "very_sparse")
    )
    assert srht < sparse / 2


def test_matrices_without_data_and_bad_arguments_are_refused(rng):
    with pytest.raises(ValueError, match="kind must be one of .*got 'pca'"):
        jl.matrix("pca", 2, 3, rng)
    with pytest.raises(ValueError, match="n_components must be a whole number at least 1, got 0"):
        jl.project(np.ones((2, 2)), 0, rng=rng)
    with pytest.raises(ValueError, match="kind must be one of"):
        jl.project(np.ones((2, 2)), 1, "haar", rng=rng)


@pytest.mark.parametrize("offset", [0, 5])
@pytest.mark.parametrize("shape", [(30, 8), (8, 30)])
def test_principal_components_are_those_of_the_singular_values(shape, offset, rng):
    x = rng.standard_normal(shape) + offset
    ours = jl.principal_components(x, 4)
    u, s, _ = np.linalg.svd(x - x.mean(axis=0), full_matrices=False)
    assert np.abs(ours) == pytest.approx(np.abs(u[:, :4] * s[:4]), abs=1e-9)


def test_principal_components_never_stretch_and_beyond_the_rank_keep_all(rng):
    x = rng.standard_normal((20, 12))
    before = jl.original(x)
    assert jl.distortion(before, jl.principal_components(x, 3), 0.5).distance_ratio.max() <= 1.0001
    assert jl.distortion(before, jl.principal_components(x, 40), 0.5).max_distortion < 1e-5
    assert jl.project(x, 40, "pca", rng=rng).shape == (20, 40)


def test_large_draws_are_reproducible_standard_and_unlike_each_other():
    first, second = (jl._normals(1100, 1000, np.random.default_rng(3)) for _ in range(2))
    assert np.array_equal(first, second)
    assert abs(first.mean()) < 5 / math.sqrt(first.size)
    assert first.std() == pytest.approx(1, abs=5e-3)
    quarters = first.reshape(4, -1)
    assert np.corrcoef(quarters) == pytest.approx(np.eye(4), abs=0.01)
    rng = np.random.default_rng(3)
    assert not np.array_equal(jl._normals(1100, 1000, rng), jl._normals(1100, 1000, rng))


# --- Distances and pairs


@pytest.mark.parametrize("kind", jl.POINTS)
def test_squared_distances_are_pdists(kind, rng):
    points = jl.make_points(kind, 300, 40, rng)
    ours, theirs = jl.squared_distances(points), pdist(points.astype(np.float64), "sqeuclidean")
    assert np.array_equal(ours == 0, theirs == 0)
    there = theirs > 0
    # the accuracy that squared_distances states
    assert ours[there] == pytest.approx(theirs[there], rel=3e-5)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("offset", [0, 1e4])
def test_close_pairs_far_from_the_origin_keep_their_distance(dtype, offset, rng):
    points = (offset + rng.standard_normal((60, 30))).astype(dtype)
    points[1] = points[0]
    points[1, 7] += dtype(0.5)  # one coordinate of one point moved
    points[3] = points[2]
    ours, theirs = jl.squared_distances(points), pdist(points.astype(np.float64), "sqeuclidean")
    assert ours == pytest.approx(theirs, rel=3e-5)
    assert ours[0] == pytest.approx(0.25, rel=1e-3)
    assert (ours == 0).sum() == 1


def test_scales_at_the_ends_of_float32_do_not_overflow_or_vanish(rng):
    points = rng.standard_normal((20, 5)).astype(np.float32)
    reference = jl.squared_distances(points).astype(np.float64)
    for scale in (2.0**-120, 2.0**120):
        scaled = jl.squared_distances(points * np.float32(scale))
        assert scaled == pytest.approx(reference * scale**2, rel=1e-5)
        result = jl.measure(points * np.float32(scale), 3, 0.5, rng=np.random.default_rng(0))
        plain = jl.measure(points, 3, 0.5, rng=np.random.default_rng(0))
        assert result.distance_ratio == pytest.approx(plain.distance_ratio, rel=1e-4)


@quick
@given(
    arrays(
        np.float64,
        st.tuples(st.integers(2, 12), st.integers(1, 5)),
        elements=st.integers(-3, 3).map(float) | st.floats(-1e6, 1e6, allow_subnormal=False),
    )
)
def test_squared_distances_are_exact_to_rounding_for_any_points(points):
    peak = np.abs(points).max()
    if 0 < peak < 1e-100:
        return
    ours, theirs = jl.squared_distances(points), pdist(points, "sqeuclidean")
    assert np.all(ours >= 0)
    assert ours == pytest.approx(theirs, rel=3e-5, abs=1e-14 * peak**2)


@quick
@given(st.integers(1, 60), st.integers(1, 300), st.integers(0, 2**32))
def test_pairs_are_listed_once_each_and_found_again(n_samples, max_pairs, seed):
    pairs = jl.choose_pairs(n_samples, np.random.default_rng(seed), max_pairs)
    found = [pairs.locate(position) for position in range(pairs.n_pairs)]
    assert len(set(found)) == pairs.n_pairs
    assert all(0 <= i < j < n_samples for i, j in found)
    assert pairs.n_all == n_samples * (n_samples - 1) // 2
    assert pairs.n_pairs <= max(max_pairs, n_samples - 1)
    assert pairs.is_sample == (pairs.n_all > max_pairs and pairs.n_pairs < pairs.n_all)
    points = np.arange(n_samples, dtype=np.float64)[:, None] ** 2
    squared = jl.squared_distances(points, pairs)
    assert squared == pytest.approx([(j**2 - i**2) ** 2 for i, j in found])


def test_a_sample_needs_a_generator_and_says_so(rng):
    points = jl.gaussian_cloud(100, 20, rng)
    with pytest.raises(ValueError, match="rng is needed to sample 99 of 4950 pairs"):
        jl.choose_pairs(100, max_pairs=99)
    result = jl.measure(points, 10, 0.5, rng=np.random.default_rng(1), max_pairs=1000)
    assert result.is_sample
    assert 900 < result.n_pairs <= 1000
    assert result.n_all_pairs == 4950
    again = jl.measure(points, 10, 0.5, rng=np.random.default_rng(1), max_pairs=1000)
    assert np.array_equal(result.distance_ratio, again.distance_ratio)
    assert not jl.measure(points, 10, 0.5, rng=rng).is_sample


def test_the_worst_pair_of_a_sample_is_the_pair_it_names(rng):
    points = jl.gaussian_cloud(80, 30, rng)
    before = jl.original(points, jl.choose_pairs(80, rng, 500))
    a = jl.matrix("gaussian", 6, 30, rng)
    result = jl.distortion(before, before.points @ a.T, 0.3)
    assert result.worst_pair is not None
    i, j = result.worst_pair
    moved = a @ (points[i] - points[j])
    ratio = (moved**2).sum() / ((points[i] - points[j]) ** 2).sum()
    assert ratio == pytest.approx(result.worst_ratio, rel=1e-4)
    assert abs(ratio - 1) == pytest.approx(result.max_distortion, rel=1e-3)


def test_pairs_and_points_must_fit(rng):
    with pytest.raises(ValueError, match="points must have 5 rows as pairs do, got 4"):
        jl.squared_distances(np.ones((4, 2)), jl.choose_pairs(5))


# --- Distortion


def test_tiny_deterministic_example():
    points = np.array([[3, 0, 0, 4], [0, 1, 0, 0], [1, 1, 1, 1]])
    a = np.array([[1, 1, -1, -1], [1, -1, 1, -1]]) / math.sqrt(2)
    assert points @ a.T == pytest.approx(
        np.array([[-1, -1], [1, -1], [0, 0]]) * 0.7071068, abs=1e-7
    )
    assert jl.squared_distances(points) == pytest.approx([26, 15, 3])
    assert jl.squared_distances(points @ a.T) == pytest.approx([2, 1, 1])
    result = jl.distortion(jl.original(points), points @ a.T, 0.2)
    assert result.distance_ratio == pytest.approx([0.0769231, 0.0666667, 0.3333333], abs=1e-6)
    assert result.worst_pair == (0, 2)
    assert result.worst_ratio == pytest.approx(1 / 15, rel=1e-6)
    assert result.max_distortion == pytest.approx(14 / 15, rel=1e-6)
    assert (result.n_outside, result.share_inside, result.holds) == (3, 0.0, False)
    assert jl.distortion(jl.original(points), points @ a.T, 0.94).holds


@pytest.mark.parametrize("kind", jl.KINDS)
def test_ratios_are_the_definition(kind, rng):
    points = rng.standard_normal((25, 30))
    projected = jl.project(points, 7, kind, rng=rng)
    result = jl.distortion(jl.original(points), projected, 0.3)
    expected = pdist(projected, "sqeuclidean") / pdist(points, "sqeuclidean")
    assert result.distance_ratio == pytest.approx(expected, rel=1e-4, abs=1e-6)
    assert result.mean == pytest.approx(expected.mean(), rel=1e-5)
    assert result.std == pytest.approx(expected.std(), rel=1e-4)
    assert result.share_inside == pytest.approx((np.abs(expected - 1) <= 0.3).mean())


@pytest.mark.parametrize("kind", RANDOM_KINDS)
def test_a_line_has_one_ratio(kind, rng):
    result = jl.measure(jl.line(200, 50, rng), 20, 0.9, kind, rng=rng)
    assert result.distance_ratio == pytest.approx(result.mean, rel=3e-5)


def test_duplicates_are_skipped_and_counted(rng):
    points = jl.duplicates(60, 30, rng)
    result = jl.measure(points, 10, 0.5, rng=rng)
    assert (result.n_skipped, result.n_pairs) == (30, 60 * 59 // 2 - 30)
    assert np.isfinite(result.distance_ratio).all()
    assert result.worst_pair is not None
    assert result.worst_pair[1] - result.worst_pair[0] != 30
    same = jl.measure(np.ones((5, 3)), 2, 0.5, rng=rng)
    assert (same.n_skipped, same.n_pairs, same.worst_pair) == (10, 0, None)


@pytest.mark.parametrize("points", [np.ones((1, 4)), np.zeros((3, 4))])
def test_without_pairs_the_lemma_holds_trivially(points, rng):
    result = jl.measure(points, 2, 0.5, rng=rng)
    assert (result.n_pairs, result.max_distortion, result.share_inside) == (0, 0.0, 1.0)
    assert result.worst_pair is None
    assert result.holds
    assert math.isnan(result.mean)
    assert math.isnan(result.std)
    assert math.isnan(result.worst_ratio)
    assert result.histogram(4)[0].tolist() == [0, 0, 0, 0]


@pytest.mark.parametrize("eps", [0.0, 1.0, -1, math.nan])
def test_eps_outside_its_domain_is_refused(eps, rng):
    with pytest.raises(ValueError, match=r"eps must be in \(0, 1\), got"):
        jl.measure(np.ones((3, 3)), 2, eps, rng=rng)


def test_projected_points_must_match(rng):
    with pytest.raises(ValueError, match="projected must have 3 rows, got 2"):
        jl.distortion(jl.original(np.eye(3)), np.ones((2, 2)), 0.5)


def test_float64_points_lose_nothing_by_the_narrow_road(rng):
    points = 100 + rng.standard_normal((120, 60))
    before = jl.original(points)
    assert before.points.dtype == np.float32
    assert before.squared == pytest.approx(pdist(points, "sqeuclidean"), rel=3e-5)
    close = points.copy()
    close[1] = close[0] + 1e-9
    before = jl.original(close)
    assert before.points.dtype == np.float64
    assert before.squared[0] == pytest.approx(60e-18, rel=1e-4)
    ratio = jl.measure(close, 10, 0.9, rng=rng).distance_ratio[0]
    assert 0.1 < ratio < 3  # not noise: the close pair has a ratio like any other


def test_the_lemma_holds_at_its_dimension():
    rng = np.random.default_rng(5)
    n_components = jl_bounds.dimension_lemma(60, 0.4)
    before = jl.original(jl.gaussian_cloud(60, 300, rng))
    for kind in ("gaussian", "rademacher", "sparse"):
        results = jl.trials(before, n_components, 0.4, kind, n_trials=10, rng=rng)
        assert all(result.holds for result in results)  # fails with probability below 1/60 each


@pytest.mark.parametrize(
    ("n_components", "expected", "share"),
    [(50, 0.846, 0), (100, 0.601, 0), (200, 0.3845, 0), (400, 0.281, 0), (1199, 0.159, 1)],
)
def test_mean_largest_distortion_is_that_of_the_table(n_components, expected, share):
    rng = np.random.default_rng(0)
    before = jl.original(jl.gaussian_cloud(100, 1000, rng))
    results = list(jl.trials(before, n_components, 0.2, n_trials=20, rng=rng))
    found = np.array([result.max_distortion for result in results])
    # one data set and 20 draws each side: four standard errors of the difference, and of the data
    error = found.std() * math.sqrt(2 / 20) * 4
    assert found.mean() == pytest.approx(expected, abs=error)
    assert np.mean([result.holds for result in results]) == share
    assert found.mean() == pytest.approx(
        float(jl_bounds.typical_max_distortion(n_components, 100)), rel=0.15
    )


def test_the_spread_of_ratios_is_that_of_the_chi_square_law(rng):
    result = jl.measure(jl.gaussian_cloud(200, 500, rng), 300, 0.2, rng=rng)
    assert result.mean == pytest.approx(1, abs=0.05)
    assert result.std == pytest.approx(math.sqrt(2 / 300), rel=0.15)
    expected = 1 - float(jl_bounds.norm_tail(300, 0.2).both)
    assert result.share_inside == pytest.approx(expected, abs=0.02)


def test_trials_come_one_by_one_and_do_not_depend_on_their_number():
    before = jl.original(jl.gaussian_cloud(20, 30, np.random.default_rng(0)))
    many = jl.trials(before, 5, 0.5, n_trials=10**9, rng=np.random.default_rng(1))
    few = list(jl.trials(before, 5, 0.5, n_trials=3, rng=np.random.default_rng(1)))
    for result in few:
        assert np.array_equal(result.distance_ratio, next(many).distance_ratio)
    assert few[0].max_distortion != few[1].max_distortion
    with pytest.raises(ValueError, match="n_trials must be a whole number at least 1"):
        next(jl.trials(before, 5, 0.5, n_trials=0, rng=np.random.default_rng(1)))


def test_histograms_count_every_ratio(rng):
    result = jl.measure(jl.gaussian_cloud(50, 40, rng), 20, 0.3, rng=rng)
    counts, edges = result.histogram(30)
    assert counts.sum() == result.n_pairs
    assert edges.shape == (31,)
    inside, _ = result.histogram(30, limits=(0.7, 1.3))
    expected, _ = np.histogram(result.distance_ratio.astype(np.float64), 30, (0.7, 1.3))
    assert np.abs(inside - expected).sum() <= 4  # values on an edge may fall to either side
    joint, before, after = result.joint_histogram(12)
    assert joint.sum() == result.n_pairs
    assert before[0] == after[0] == 0
    assert before[-1] == pytest.approx(result.squared_before.max())


def test_inner_products_are_kept_absolutely(rng):
    points = rng.standard_normal((40, 200))
    points[7] = 0
    n_components = jl_bounds.dimension_lemma(40, 0.5)
    error, n_zero = jl.inner_product_error(points, jl.project(points, n_components, rng=rng))
    assert n_zero == 1
    assert 0 < error <= 0.5
    assert jl.inner_product_error(np.eye(3), np.eye(3)) == (0.0, 0)


# --- Random vectors and sign hashing


def test_samples_follow_their_laws():
    rng = np.random.default_rng(3)
    norms = jl.sample_squared_norms(30, 4000, rng)
    assert kstest(30 * norms, "chi2", args=(30,)).pvalue > 1e-3
    products = jl.sample_inner_products(30, 4000, rng)
    assert products.std() == pytest.approx(1 / math.sqrt(30), rel=0.06)
    for eps in (0.1, 0.3):
        p = float(jl_bounds.inner_product_tail(30, eps).both)
        error = 5 * math.sqrt(p / 4000)
        assert (np.abs(products) >= eps).mean() == pytest.approx(p, abs=error)
    angles = jl.pair_angles(60, 30, rng)
    assert angles.shape == (60 * 59 // 2,)
    assert angles.mean() == pytest.approx(math.pi / 2, abs=0.02)
    assert np.cos(angles).var() == pytest.approx(1 / 30, rel=0.15)


def test_square_gaussian_matrix_is_orthogonal_entrywise_only():
    gram, eigenvalues = jl.random_gram(300, 300, np.random.default_rng(1))
    error = gram - np.eye(300)
    assert (error**2).mean() == pytest.approx(301 / 300**2, rel=0.05)
    assert np.linalg.norm(error, 2) == pytest.approx(3, abs=0.3)
    assert eigenvalues.min() > -1e-9
    assert eigenvalues.max() == pytest.approx(4, abs=0.3)
    x = np.linspace(0.05, 3.9, 200)
    density = jl_bounds.marchenko_pastur(x)
    share = ((eigenvalues > 0.05) & (eigenvalues < 3.9)).mean()
    assert share == pytest.approx(np.trapezoid(density, x), abs=0.02)


def test_a_fan_has_its_angles(rng):
    theta = np.array([0.3, 1.0, 3.0])
    vectors = jl.fan(theta, 20, rng)
    assert np.linalg.norm(vectors, axis=1) == pytest.approx(1)
    assert np.arccos(vectors[1:] @ vectors[0]) == pytest.approx(theta)


def test_sign_hashes_agree_as_the_angle_says(rng):
    theta = np.linspace(0.1, 3.0, 8)
    n_components = 6000
    hashes = jl.sign_hashes(jl.fan(theta, 25, rng), n_components, rng)
    assert set(np.unique(hashes)) == {-1, 1}
    agreement = jl.hash_agreement(hashes)
    assert np.diagonal(agreement) == pytest.approx(1)
    error = np.abs(agreement[0, 1:] - jl_bounds.sign_agreement(theta))
    assert np.all(error < 5 * jl_bounds.sign_agreement_std(theta, n_components))
