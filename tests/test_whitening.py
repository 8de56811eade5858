"""Whitening, its two hyperparameters, what too few vectors collapse to, and their spectrum.

Checked against the laws that define the maps, the six points whose values are known, the formulas
as the posts write them, and scikit-learn's PCA. ``python -m pytest tests/test_whitening.py``
"""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.decomposition import PCA

from models.similarity import cosine_matrix, unit
from models.whitening import (
    add_vector,
    all_but_the_top,
    centring,
    collapse,
    effective_rank,
    eigenvalues,
    fit,
    fit_moments,
    matryoshka,
    merge,
    moments,
    participation_ratio,
    scatter,
    singular_shares,
    transform,
)

quick = settings(deadline=None, max_examples=30, derandomize=True)
SIX = np.array([[1, 2], [3, 1], [4, 5], [6, 4], [5, 7], [2, 3]], float)
DTYPES = [np.float32, np.float64]


def cloud(rng, n=400, d=6, dtype=np.float64):
    """Vectors with a common direction and unequal axes, as sentence vectors have."""
    mixing = np.linalg.qr(rng.standard_normal((d, d)))[0] * np.linspace(1, 3, d)
    return (rng.standard_normal((n, d)) @ mixing.T + 4 * np.ones(d)).astype(dtype)


def whitened(vectors, *args, **options):
    return transform(fit(vectors, *args, **options), vectors)


def cosines_of(vectors, *args, **options):
    return cosine_matrix(whitened(vectors, *args, **options))


def rounding(dtype):
    """A few hundred roundings, times the condition (about 10) of the clouds above."""
    return 3000 * float(np.finfo(dtype).eps)


# --- Mean and covariance


@pytest.mark.parametrize("ddof", [0, 1])
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("n", [2, 255, 256, 257, 50_000])
def test_moments_are_numpys(n, dtype, ddof, rng):
    x = cloud(rng, n, 5, dtype)
    seen = moments(x, ddof)
    assert seen.mean.dtype == seen.covariance.dtype == dtype
    np.testing.assert_allclose(seen.mean, x.mean(axis=0, dtype=float), rtol=rounding(dtype))
    expected = np.cov(x.T.astype(float), ddof=ddof)
    np.testing.assert_allclose(seen.covariance, expected, atol=rounding(dtype) * 10)


def test_a_large_offset_does_not_drown_the_covariance(rng):
    x = cloud(rng, 300_000, 2)
    np.testing.assert_allclose(moments(x + 1e6).covariance, moments(x).covariance, rtol=1e-8)
    late = np.vstack([np.zeros((70_000, 2)), x + 1e3])  # the first block is all unlike the rest
    np.testing.assert_allclose(moments(late).covariance, np.cov(late.T), rtol=1e-11)


def test_moments_of_the_six_points():
    seen = moments(SIX)
    np.testing.assert_allclose(seen.mean, [3.5, 3.666667], atol=5e-7)
    np.testing.assert_allclose(seen.covariance, [[3.5, 2.6], [2.6, 4.666667]], atol=5e-7)
    np.testing.assert_allclose(eigenvalues(SIX), [6.747968, 1.418699], atol=5e-7)


def test_one_vector_at_a_time_gives_the_covariance_of_all():
    mean, sigma = SIX[0], np.zeros((2, 2))
    for n, x in enumerate(SIX[1:], 1):  # as the post writes it
        new = n / (n + 1) * mean + x / (n + 1)
        second = n / (n + 1) * (sigma + np.outer(mean, mean)) + np.outer(x, x) / (n + 1)
        mean, sigma = new, second - np.outer(new, new)
    np.testing.assert_allclose(sigma, [[2.916667, 2.166667], [2.166667, 3.888889]], atol=5e-7)
    for ddof in (0, 1):
        seen = moments(SIX[:2], ddof)
        for x in SIX[2:]:
            seen = add_vector(seen, x)
        assert seen.n_samples == 6
        np.testing.assert_allclose(seen.mean, mean, rtol=1e-14)
        np.testing.assert_allclose(seen.covariance, sigma * 6 / (6 - ddof), rtol=1e-13)


@pytest.mark.parametrize("ddof", [0, 1])
def test_merged_moments_are_those_of_all(ddof, rng):
    x = cloud(rng)
    both = merge(moments(x[:70], ddof), moments(x[70:] + 0.0, ddof))
    np.testing.assert_allclose(both.covariance, moments(x, ddof).covariance, rtol=1e-11)
    np.testing.assert_allclose(both.mean, x.mean(axis=0), rtol=1e-13)
    with pytest.raises(ValueError, match="dimension and ddof"):
        merge(both, moments(x, 1 - ddof))


# --- Whitening


@pytest.mark.parametrize("form", ["pca", "zca"])
@pytest.mark.parametrize("dtype", DTYPES)
def test_whitened_vectors_have_mean_zero_and_covariance_one(dtype, form, rng):
    x = cloud(rng, dtype=dtype)
    map_ = fit(x, form=form)
    y = transform(map_, x)
    assert y.dtype == dtype and y.shape == x.shape
    assert map_.rank == map_.n_kept == 6 and map_.n_dropped == 0 and not map_.is_unusual
    np.testing.assert_allclose(y.mean(axis=0, dtype=float), 0, atol=rounding(dtype))
    np.testing.assert_allclose(np.cov(y.T.astype(float)), np.eye(6), atol=rounding(dtype))
    sigma = moments(x).covariance.astype(float)
    kernel = map_.kernel.astype(float)
    np.testing.assert_allclose(kernel.T @ sigma @ kernel, np.eye(6), atol=rounding(dtype))
    total = (y.astype(float) ** 2).sum()
    assert total == pytest.approx(399 * 6, rel=rounding(dtype))


def test_kernel_is_the_posts():
    mean = SIX.mean(axis=0)
    axes, spread, _ = np.linalg.svd((SIX - mean).T @ (SIX - mean) / 6)
    expected = (SIX - mean) @ (axes @ np.diag(spread**-0.5))
    seen = fit_moments(moments(SIX, ddof=0))
    signs = np.sign((seen.kernel * axes).sum(axis=0))
    np.testing.assert_allclose(transform(seen, SIX) * signs, expected, atol=1e-13)
    np.testing.assert_allclose(seen.bias, -mean)


@pytest.mark.parametrize("k", [1, 3, 6])
@pytest.mark.parametrize("dtype", DTYPES)
def test_it_is_scikit_learns_whitened_pca(dtype, k, rng):
    x, new = cloud(rng, dtype=dtype), cloud(rng, 50, dtype=dtype)
    peer = PCA(k, whiten=True, svd_solver="full").fit(x)
    seen = transform(fit(x, k), new)
    expected = peer.transform(new)
    signs = np.sign((seen * expected).sum(axis=0))
    np.testing.assert_allclose(seen * signs, expected, atol=rounding(dtype) * 10)


def test_cosines_of_the_six_points():
    raw, centred, white = (
        cosine_matrix(y) for y in (SIX, transform(centring(SIX), SIX), whitened(SIX))
    )
    assert [raw[0, 1], centred[0, 1], white[0, 1]] == pytest.approx(
        [0.707107, 0.698537, 0.104086], abs=5e-7
    )
    assert [raw[0, 2], white[0, 2]] == pytest.approx([0.977802, -0.337977], abs=5e-7)


@pytest.mark.parametrize(
    ("beta", "gamma", "first", "second"),
    [
        (0, 0, 0.707107, 0.977802),
        (1, 0, 0.698537, -0.811534),
        (1, 1, 0.104086, -0.337977),
        (0, 1, -0.593011, 0.815291),
    ],
)
def test_two_hyperparameters_on_the_six_points(beta, gamma, first, second):
    cosines = cosines_of(SIX, beta=beta, gamma=gamma)
    assert [cosines[0, 1], cosines[0, 2]] == pytest.approx([first, second], abs=5e-7)


@quick
@given(st.floats(-2, 3), st.floats(-2, 2), st.integers(1, 6), st.integers(0, 99))
def test_map_is_the_formula_with_two_hyperparameters(beta, gamma, k, seed):
    x = cloud(np.random.default_rng(seed), 40)
    moved = x - beta * x.mean(axis=0)
    sigma = moved.T @ moved / 39
    np.testing.assert_allclose(scatter(moments(x), beta), sigma, atol=1e-11)
    axes, spread, _ = np.linalg.svd(sigma)
    expected = moved @ axes[:, :k] @ np.diag(spread[:k] ** (-gamma / 2))
    seen = fit(x, k, beta, gamma)
    # lengths and angles do not see the signs of axes; numbers up to about 1e3 here
    gram = transform(seen, x) @ transform(seen, x).T
    np.testing.assert_allclose(gram, expected @ expected.T, rtol=1e-9, atol=1e-8)
    assert seen.is_unusual == (not (0 <= beta <= 1 and 0 <= gamma <= 1))


@pytest.mark.parametrize("dtype", DTYPES)
def test_beta_and_gamma_zero_only_turn(dtype, rng):
    x = cloud(rng, dtype=dtype)
    np.testing.assert_allclose(
        cosines_of(x, beta=0, gamma=0), cosine_matrix(x), atol=rounding(dtype)
    )
    few = x[:3]  # rank 3 of 6: nothing is divided by, so nothing may be dropped
    map_ = fit(few, beta=0, gamma=0)
    assert map_.n_dropped == 0 and map_.n_kept == 6 and map_.rank == 3
    np.testing.assert_allclose(
        cosine_matrix(transform(map_, x)), cosine_matrix(x), atol=rounding(dtype)
    )


@pytest.mark.parametrize(("beta", "gamma"), [(1, 1), (0, 0), (0.3, 0.7)])
def test_one_component_leaves_only_signs(beta, gamma, rng):
    cosines = cosines_of(cloud(rng), 1, beta, gamma)
    np.testing.assert_allclose(np.abs(cosines), 1, atol=1e-15)


def test_division_by_n_or_by_n_less_one_is_invisible(rng):
    x = cloud(rng, 30)
    one, other = (transform(fit_moments(moments(x, ddof)), x) for ddof in (0, 1))
    np.testing.assert_allclose(cosine_matrix(one), cosine_matrix(other), atol=1e-13)
    np.testing.assert_allclose(one, other * math.sqrt(30 / 29), atol=1e-12)


def test_zca_has_the_cosines_of_whitening_until_coordinates_are_cut(rng):
    x = cloud(rng)
    np.testing.assert_allclose(cosines_of(x, form="zca"), cosines_of(x), atol=1e-12)
    np.testing.assert_allclose(cosines_of(x, 3, form="zca"), cosines_of(x, 3), atol=1e-12)
    np.testing.assert_allclose(fit(x, form="zca").kernel, fit(x, form="zca").kernel.T, atol=1e-14)
    cut = cosine_matrix(whitened(x, form="zca")[:, :3])
    assert np.abs(cut - cosines_of(x, 3)).max() > 0.1
    first = cosine_matrix(whitened(x)[:, :3])  # of whitening, the cut is the first k
    np.testing.assert_allclose(first, cosines_of(x, 3), atol=1e-12)


@quick
@given(st.integers(0, 999), st.floats(-50, 50))
def test_whole_whitening_does_not_see_an_affine_map_before_it(seed, offset):
    rng = np.random.default_rng(seed)
    x = cloud(rng, 60)
    turn = np.linalg.qr(rng.standard_normal((6, 6)))[0]
    mixing = turn @ np.diag(rng.uniform(0.2, 5, 6)) @ rng.permutation(np.eye(6))
    before, after = cosines_of(x), cosines_of(x @ mixing + offset)
    np.testing.assert_allclose(after, before, atol=1e-9)  # condition up to (75)^2 x roundings


@pytest.mark.parametrize("options", [{"n_components": 3}, {"gamma": 0.5}, {"beta": 0.5}])
def test_cut_and_hyperparameters_do_see_it(options, rng):
    x = cloud(rng, 60)
    moved = x @ np.diag([1, 2, 4, 1, 2, 4]) + 3
    assert np.abs(cosines_of(moved, **options) - cosines_of(x, **options)).max() > 0.1


def test_another_fit_set_does_see_it(rng):
    x, other = cloud(rng, 60), cloud(rng, 60)
    mine, theirs = cosines_of(x), cosine_matrix(transform(fit(other), x))
    assert np.abs(mine - theirs).max() > 0.05


def test_k_components_are_the_first_k(rng):
    x = cloud(rng)
    whole, part = whitened(x), whitened(x, 2.0)
    np.testing.assert_allclose(part, whole[:, :2], rtol=1e-12, atol=1e-13)


def test_half_floats_are_cast_up():
    y = whitened(SIX.astype(np.float16))
    assert y.dtype == np.float64
    np.testing.assert_allclose(y, whitened(SIX), atol=1e-14)
    np.testing.assert_allclose(whitened(SIX.astype(int)), y)


def test_single_map_serves_other_precisions(rng):
    x = cloud(rng)
    map_ = fit(x.astype(np.float32))
    assert transform(map_, x).dtype == np.float64
    assert transform(map_, x.astype(np.float32)).dtype == np.float32


def test_order_of_vectors_and_signs_of_axes_leave_the_map_alone(rng):
    x = cloud(rng)
    one, other = fit(x), fit(x[::-1])
    np.testing.assert_allclose(one.kernel, other.kernel, atol=1e-11)
    strongest = np.abs(one.kernel).argmax(axis=0)
    assert (one.kernel[strongest, np.arange(6)] > 0).all()


# --- Null directions


@pytest.mark.parametrize("dtype", DTYPES)
def test_null_directions_are_dropped_and_counted(dtype, rng):
    x = np.hstack([cloud(rng, d=3), np.full((400, 1), 0.1)])
    x = np.hstack([x, x[:, :1] - 2 * x[:, 1:2]]).astype(dtype)
    map_ = fit(x)
    assert (map_.rank, map_.n_kept, map_.n_dropped) == (3, 3, 2)
    y = transform(map_, x)
    np.testing.assert_allclose(np.cov(y.T.astype(float)), np.eye(3), atol=rounding(dtype))
    np.testing.assert_allclose(y, whitened(x, 3), atol=0)
    assert fit(x, 4).n_dropped == 1 and fit(x, 2).n_dropped == 0
    assert transform(fit(x, form="zca"), x).shape == x.shape
    assert fit(x, gamma=-1).kernel.shape == (5, 5)
    assert np.isfinite(fit(x, gamma=-1).kernel).all()


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("n", [2, 3, 10_000])
@pytest.mark.parametrize("value", [0.0, 0.1, 1 / 3, -1e6])
def test_equal_vectors_have_no_variance_to_scale(value, n, dtype):
    x = np.full((n, 3), value, dtype)
    with pytest.raises(ValueError, match="vectors must not be all equal"):
        fit(x)
    for y in (transform(centring(x), x), transform(fit(x, gamma=0), x)):
        assert np.abs(y).max() <= 4 * np.finfo(dtype).eps * abs(value)
    turned = transform(fit(x, beta=0, gamma=0), x)
    np.testing.assert_allclose(turned @ turned[0], x @ x[0], rtol=rounding(dtype))


def test_uncentred_whitening_of_equal_vectors_is_one_direction():
    map_ = fit(np.full((5, 3), 0.1), beta=0)
    assert (map_.rank, map_.n_dropped) == (1, 2)


# --- Too few vectors


@pytest.mark.parametrize(("n", "d"), [(2, 8), (5, 4), (5, 64), (12, 30)])
def test_few_vectors_collapse_to_a_simplex(n, d, rng):
    x = rng.standard_normal((n, d)) + 2
    map_ = fit(x)
    assert map_.rank == n - 1 and map_.saturation == 1
    y = transform(map_, x)
    expected = np.where(np.eye(n, dtype=bool), 1, -1 / (n - 1))
    np.testing.assert_allclose(cosine_matrix(y), expected, atol=1e-9)
    np.testing.assert_allclose(np.linalg.norm(y, axis=1), (n - 1) / math.sqrt(n), rtol=1e-9)
    told = collapse(map_, x)
    assert told is not None and told.cosine == -1 / (n - 1)
    np.testing.assert_allclose(told.cosines(), expected, atol=1e-15)
    np.testing.assert_allclose(cosines_of(x, form="zca"), expected, atol=1e-9)


def test_five_sentences_end_at_minus_a_quarter(rng):
    x = rng.standard_normal((5, 384)).astype(np.float32)
    told = collapse(fit(x), x)
    assert told is not None and told.cosine == -0.25
    np.testing.assert_allclose(cosines_of(x)[np.triu_indices(5, 1)], -0.25, atol=1e-4)


@pytest.mark.parametrize("options", [{"beta": 0}, {"beta": 0.5}])
def test_few_vectors_not_centred_collapse_to_right_angles(options, rng):
    x = rng.standard_normal((5, 9)) + 2
    told = collapse(fit(x, **options), x)
    assert told is not None and told.cosine == 0
    np.testing.assert_allclose(told.cosines(), np.eye(5), atol=1e-15)
    np.testing.assert_allclose(cosines_of(x, **options), np.eye(5), atol=1e-9)


@pytest.mark.parametrize("beta", [1, 0])
def test_copies_collapse_to_what_their_numbers_say(beta, rng):
    x = rng.standard_normal((4, 9))[[0, 1, 0, 2, 3, 0, 2]]
    told = collapse(fit(x, beta=beta), x)
    assert told is not None
    np.testing.assert_array_equal(told.copies, [3, 1, 3, 2, 1, 3, 2])
    np.testing.assert_allclose(told.cosines(), cosines_of(x, beta=beta), atol=1e-9)
    many = np.tile(x, (50, 1))  # 350 vectors, but 4 distinct ones
    assert collapse(fit(many), many) is not None


@pytest.mark.parametrize(
    "options", [{"n_components": 3}, {"gamma": 0.9}, {"gamma": 0}, {"n_components": 1}]
)
def test_a_cut_or_a_lower_power_keeps_something(options, rng):
    x = rng.standard_normal((5, 9))
    assert collapse(fit(x, **options), x) is None


def test_many_vectors_do_not_collapse(rng):
    x = cloud(rng, 8)
    map_ = fit(x)
    assert collapse(map_, x) is None and map_.saturation == 6 / 7
    x = cloud(rng, 7)
    assert collapse(fit(x), x) is not None
    flat = np.hstack([cloud(rng, 50), np.zeros((50, 2))])  # rank below d, yet no copies
    assert collapse(fit(flat), flat) is None
    assert collapse(centring(x), x) is None
    with pytest.raises(ValueError, match="vectors must be those fitted"):
        collapse(fit(x), x[:5])


def test_mean_squared_length_is_known_whatever_the_vectors(rng):
    for n, k in ((5, None), (40, None), (40, 2)):
        x = cloud(rng, n)
        map_ = fit(x, k)
        squares = (transform(map_, x) ** 2).sum()
        assert squares == pytest.approx((n - 1) * map_.n_kept, rel=1e-9)


# --- Centring, all but the top, Matryoshka


@pytest.mark.parametrize("dtype", DTYPES)
def test_centring_takes_the_mean_off_and_nothing_else(dtype, rng):
    x = cloud(rng, dtype=dtype)
    y = transform(centring(x), x)
    np.testing.assert_allclose(y, x - x.mean(axis=0), atol=rounding(dtype))
    np.testing.assert_allclose(cosine_matrix(y), cosines_of(x, gamma=0), atol=rounding(dtype) * 10)


def test_all_but_the_top_of_the_six_points():
    y = transform(all_but_the_top(SIX, 1), SIX)
    np.testing.assert_allclose(y[0], [-0.710526, 0.568777], atol=5e-7)
    uncentred = SIX - SIX @ (np.outer(*[np.linalg.eigh(np.cov(SIX.T))[1][:, 1]] * 2))
    assert np.abs(uncentred[0] - y[0]).max() > 0.01  # the common slip is another map


@pytest.mark.parametrize("n_removed", [0, 1, 4, 6])
def test_what_is_removed_has_no_variance_left(n_removed, rng):
    x = cloud(rng)
    map_ = all_but_the_top(x, n_removed)
    left = np.linalg.eigvalsh(np.cov(transform(map_, x).T))[::-1]
    expected = np.append(eigenvalues(x)[n_removed:], np.zeros(n_removed))
    np.testing.assert_allclose(left, expected, atol=1e-12)
    np.testing.assert_allclose(map_.kernel @ map_.kernel, map_.kernel, atol=1e-14)
    assert map_.n_kept == 6 - n_removed


def test_matryoshka_cuts_and_brings_back_to_length_one(rng):
    x = cloud(rng)
    np.testing.assert_allclose(matryoshka(x, 6), unit(x))
    y = matryoshka(x, 2)
    np.testing.assert_allclose(np.linalg.norm(y, axis=1), 1, rtol=1e-14)
    np.testing.assert_allclose(y, x[:, :2] / np.hypot(x[:, 0], x[:, 1])[:, None])
    np.testing.assert_allclose(np.abs(matryoshka(x, 1)), 1)
    np.testing.assert_array_equal(matryoshka([[0.0, 5.0]], 1), [[0]])


# --- Spectrum


def test_effective_ranks_of_known_spectra():
    assert effective_rank([4, 2, 1, 1]) == pytest.approx(3.363586, abs=5e-7)
    assert participation_ratio([4, 2, 1, 1]) == pytest.approx(2.909091, abs=5e-7)
    np.testing.assert_allclose(singular_shares([4, 1, 0]), [1, 0.5, 0])


@pytest.mark.parametrize("count", [effective_rank, participation_ratio])
def test_effective_rank_counts_equal_directions(count):
    assert count([3, 3, 3, 0]) == pytest.approx(3)
    assert count([7]) == pytest.approx(1)
    assert count([0, 0]) == 0
    assert count(np.array([1e-200, 1e-200])) == pytest.approx(2)
    with pytest.raises(ValueError, match="spectrum must be numbers >= 0"):
        count([1, -1])


def test_whitened_spectrum_is_flat(rng):
    x = cloud(rng)
    assert effective_rank(eigenvalues(x)) < 5.5
    assert effective_rank(eigenvalues(whitened(x))) == pytest.approx(6)


def test_uncentred_spectrum_is_that_of_the_vectors_themselves(rng):
    x = cloud(rng)
    singular = np.linalg.svd(x, compute_uv=False)
    np.testing.assert_allclose(singular_shares(eigenvalues(x, 0)), singular / singular[0])
    np.testing.assert_allclose(fit(x).eigenvalues, eigenvalues(x))


# --- Bad input


@pytest.mark.parametrize(
    ("call", "says"),
    [
        (lambda: fit([[1.0, 2.0]]), "vectors must be .* n >= 2"),
        (lambda: fit([[1.0, math.nan], [2.0, 1.0]]), r"vectors must be finite.*nan at \(0, 1\)"),
        (lambda: fit([[1.0, 2.0], [math.inf, 1.0]]), r"got inf at \(1, 0\)"),
        (lambda: fit([1.0, 2.0]), "2 axes"),
        (lambda: fit(SIX, 0), r"n_components must be a whole number in 1..2, got 0"),
        (lambda: fit(SIX, 3), "n_components must be a whole number in 1..2, got 3"),
        (lambda: fit(SIX, 1.5), "n_components"),
        (lambda: fit(SIX, beta=11), r"beta must be a number in \[-10, 10\], got 11"),
        (lambda: fit(SIX, gamma=-5), r"gamma must be a number in \[-4, 4\], got -5"),
        (lambda: fit(SIX, gamma=True), "gamma must be a number .* got True"),
        (lambda: fit(SIX, gamma=math.nan), "gamma must be a number"),
        (lambda: fit(SIX, form="pcb"), "form must be one of pca, zca, got 'pcb'"),
        (lambda: moments(SIX, 2), "ddof must be a whole number in 0..1"),
        (lambda: transform(fit(SIX), np.ones((2, 3))), "vectors must have d = 2 .* got 3"),
        (lambda: transform(fit(SIX), [[math.nan, 1]]), "vectors must be finite"),
        (lambda: all_but_the_top(SIX, 3), "n_removed must be a whole number in 0..2, got 3"),
        (lambda: matryoshka(SIX, 3), "n_components must be a whole number in 1..2"),
        (lambda: add_vector(moments(SIX), [1, 2, 3]), r"vector must have shape \(2,\)"),
    ],
)
def test_bad_input_is_refused(call, says):
    with pytest.raises(ValueError, match=says):
        call()
