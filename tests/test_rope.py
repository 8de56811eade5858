"""RoPE and the maps of relative positions: the laws, the posts' numbers, and two references.

References: transformers' LLaMA (half-split layout) and RoFormer (interleaved), on the same vectors.
Tolerances: 1e-12 .. 1e-9 are rounding of float64 for the sizes used; 1e-6 relative is float32's.
"""

import json
import math
from pathlib import Path
from typing import cast

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models import rope
from models.rope import Scheme

THETA = rope.frequencies(4)  # [1, .01]
Q, K = np.array([1.0, 2, 3, 4]), np.array([4.0, 3, 2, 1])
ROUNDING = {np.float64: 1e-12, np.float32: 2e-6, np.float16: 2e-3}

quick = settings(max_examples=50, deadline=None)
windows = st.floats(0, 300)
factors = st.one_of(st.floats(1e-3, 1e3), st.just(math.inf))
layouts = st.sampled_from(rope.LAYOUTS)


def heads(rng, length=24, head_dim=16):
    theta = rope.frequencies(head_dim)
    return rng.standard_normal((2, length, head_dim)), theta


# --- Rotation -------------------------------------------------------------------------------------


def test_frequencies_start_at_one_and_fall_by_a_constant_ratio():
    theta = rope.frequencies(128, 10_000)
    assert theta[0] == 1
    np.testing.assert_allclose(theta[1:] / theta[:-1], 10_000 ** (-2 / 128), rtol=1e-13)
    np.testing.assert_allclose(THETA, [1, 0.01], rtol=1e-15)
    assert rope.frequencies(2).tolist() == [1.0]


@pytest.mark.parametrize(
    ("layout", "turned", "score"),
    [
        ("interleaved", [-1.27223251, -1.83886499, 2.8786681, 4.08818664], -0.7600021698),
        ("half_split", [-1.41335252, 1.87911807, -2.82885748, 4.05819114], -1.6155797111),
    ],
)
def test_rotation_of_the_method_file(layout, turned, score):
    np.testing.assert_allclose(rope.rotate(Q, 3, THETA, layout), turned, atol=5e-9)
    for i, j in ((5, 2), (8, 5), (100, 97)):
        both = rope.rotate(Q, i, THETA, layout) @ rope.rotate(K, j, THETA, layout)
        assert both == pytest.approx(score, abs=1e-10)
    assert rope.relative_score(Q, K, 3, THETA, layout) == pytest.approx(score, abs=1e-10)


@quick
@given(m=st.floats(-1e4, 1e4), n=st.floats(-1e4, 1e4), layout=layouts, seed=st.integers(0, 99))
def test_rotations_keep_norms_and_add_up(m, n, layout, seed):
    x = np.random.default_rng(seed).standard_normal(8)
    theta = rope.frequencies(8)
    turned = rope.rotate(x, m, theta, layout)
    assert np.linalg.norm(turned) == pytest.approx(np.linalg.norm(x), rel=1e-13)
    twice = rope.rotate(turned, n, theta, layout)
    np.testing.assert_allclose(twice, rope.rotate(x, m + n, theta, layout), atol=1e-10)


@quick
@given(
    delta=st.integers(0, 5000),
    shift=st.integers(0, 60_000),
    layout=layouts,
    seed=st.integers(0, 99),
)
def test_score_depends_on_relative_position_only(delta, shift, layout, seed):
    q, k = np.random.default_rng(seed).standard_normal((2, 32))
    theta = rope.frequencies(32)
    at = rope.rotate(q, delta + shift, theta, layout) @ rope.rotate(k, shift, theta, layout)
    assert at == pytest.approx(rope.relative_score(q, k, delta, theta, layout), abs=1e-8)


def test_layouts_agree_up_to_the_order_of_features_and_differ_otherwise(rng):
    (q, k), theta = heads(rng)
    order = np.arange(16).reshape(8, 2).T.ravel()  # 0 2 4 .. 1 3 5 ..
    same = rope.rotate(q[:, order], np.arange(24), theta, "half_split")
    np.testing.assert_allclose(same, rope.rotate(q, np.arange(24), theta)[:, order], atol=1e-13)
    mixed = rope.relative_score(q, k, 3, theta) - rope.relative_score(q, k, 3, theta, "half_split")
    assert np.abs(mixed).max() > 0.1


@pytest.mark.parametrize("layout", rope.LAYOUTS)
def test_pairs_come_back(layout, rng):
    x = rng.standard_normal((3, 5, 8))
    np.testing.assert_array_equal(rope.from_pairs(rope.to_pairs(x, layout), layout), x)


@pytest.mark.parametrize("dtype", ROUNDING)
def test_rotation_hands_the_precision_back(dtype, rng):
    (q, _), theta = heads(rng)
    turned = rope.rotate(q.astype(dtype), np.arange(24), theta)
    assert turned.dtype == dtype
    exact = rope.rotate(q, np.arange(24), theta)
    np.testing.assert_allclose(turned, exact, atol=4 * ROUNDING[dtype])
    assert rope.rotate(np.ones(4, np.int64), 1, THETA).dtype == np.float64


def test_large_positions_keep_their_angle():
    m = 1_000_003
    exact = math.fmod(m, 2 * math.pi)  # fmod is exact up to the rounding of 2 pi
    turned = rope.rotate([1.0, 0, 0, 0], m, THETA)
    np.testing.assert_allclose(turned[:2], [math.cos(exact), math.sin(exact)], atol=1e-9)
    assert rope.angles(np.float32(m), THETA).dtype == np.float64
    with pytest.raises(ValueError, match="positions must be .* got float16"):
        rope.rotate(Q, np.float16(2049), THETA)


def test_rotation_matches_llama(rng):
    torch = pytest.importorskip("torch")
    from transformers.models.llama.modeling_llama import apply_rotary_pos_emb

    (q, k), theta = heads(rng)
    angle = torch.tensor(rope.angles(np.arange(24), np.tile(theta, 2)))[None]
    tensors = [torch.tensor(x)[None, None] for x in (q, k)]  # (batch, heads, L, d)
    theirs = apply_rotary_pos_emb(*tensors, angle.cos(), angle.sin())
    for x, reference in zip((q, k), theirs, strict=True):
        ours = rope.rotate(x, np.arange(24), theta, "half_split")
        np.testing.assert_allclose(ours, reference[0, 0].numpy(), atol=1e-13)


def test_rotation_matches_roformer(rng):
    torch = pytest.importorskip("torch")
    from transformers.models.roformer.modeling_roformer import RoFormerSelfAttention

    (q, k), theta = heads(rng)
    angle = torch.tensor(rope.angles(np.arange(24), theta))
    tensors = [torch.tensor(x)[None, None] for x in (q, k)]
    turn = RoFormerSelfAttention.apply_rotary_position_embeddings
    theirs = turn(torch.cat([angle.sin(), angle.cos()], dim=-1)[None, None], *tensors)
    for x, reference in zip((q, k), theirs, strict=True):
        ours = rope.rotate(x, np.arange(24), theta, "interleaved")
        np.testing.assert_allclose(ours, reference[0, 0].numpy(), atol=1e-13)


# --- Maps f(delta) --------------------------------------------------------------------------------

LAST_ROWS = [
    (Scheme("rope"), [7, 6, 5, 4, 3, 2, 1, 0]),
    (Scheme("pi", scaling_factor=2), [3.5, 3, 2.5, 2, 1.5, 1, 0.5, 0]),
    (Scheme("leaky", 3, 2), [5, 4.5, 4, 3.5, 3, 2, 1, 0]),
    (Scheme("rerope", 3), [3, 3, 3, 3, 3, 2, 1, 0]),
    (Scheme("leaky", 3, 0.5), [11, 9, 7, 5, 3, 2, 1, 0]),
    (Scheme("inverse_train", 3, 0.5), [11, 9, 7, 5, 3, 2, 1, 0]),
    (Scheme("inverse_infer", 3, 0.5), [7, 6, 5, 4, 3, 2, 1, 0]),
    (Scheme("nope"), [0] * 8),
    (Scheme("window", 3), [math.nan] * 5 + [2, 1, 0]),
]


@pytest.mark.parametrize(("scheme", "row"), LAST_ROWS, ids=lambda x: getattr(x, "method", ""))
def test_last_row_of_the_method_file(scheme, row):
    matrix = rope.position_matrix(scheme, 8)
    np.testing.assert_array_equal(matrix[7], row)
    assert np.isnan(matrix[np.triu_indices(8, 1)]).all()
    for delta in range(8):  # Toeplitz: the last row says it all
        diagonal = np.diagonal(matrix, -delta)
        np.testing.assert_array_equal(diagonal, np.full(8 - delta, row[7 - delta], float))


@quick
@given(window=windows, factor=factors)
def test_leaky_is_a_minimum_or_a_maximum(window, factor):
    delta = np.arange(500.0)
    f = rope.leaky(delta, window, factor)
    line = window + (delta - window) / factor
    expected = np.minimum(delta, line) if factor >= 1 else np.maximum(delta, line)
    np.testing.assert_allclose(f, expected, rtol=1e-12, atol=1e-12)
    assert (np.diff(f) >= -1e-9).all()
    assert (f <= delta * (1 + 1e-12)).all() if factor >= 1 else (f >= delta * (1 - 1e-12)).all()
    assert rope.leaky(window, window, factor) == pytest.approx(window)  # continuous


@quick
@given(window=windows, factor=factors, length=st.integers(1, 400))
def test_special_cases_of_leaky(window, factor, length):
    delta = np.arange(length)

    def f(*fields):
        return rope.relative_map(Scheme(*fields), delta)

    np.testing.assert_allclose(f("leaky", window, 1.0), delta, atol=1e-12)
    np.testing.assert_array_equal(f("leaky", float(length), factor), delta)
    np.testing.assert_array_equal(f("leaky", window, math.inf), f("rerope", window))
    np.testing.assert_array_equal(f("leaky", 0.0, factor), f("pi", 0.0, factor))
    np.testing.assert_array_equal(f("rerope", 0.0), f("nope"))
    np.testing.assert_allclose(f("leaky", window, 1e12), f("rerope", window), atol=1e-9)
    top = rope.largest_position(Scheme("leaky", window, factor), length)
    last = length - 1
    assert top == pytest.approx(window + (last - window) / factor if last > window else last)
    assert rope.largest_position(Scheme("rerope", window), length) <= window


@pytest.mark.parametrize("method", rope.METHODS)
def test_both_ways_is_odd(method):
    scheme = Scheme(method, window=3, scaling_factor=2, chunk_len=6)
    matrix = rope.position_matrix(scheme, 13, causal=False)
    np.testing.assert_array_equal(matrix, -matrix.T)
    causal = rope.position_matrix(scheme, 13)
    lower = np.tril_indices(13)
    np.testing.assert_array_equal(matrix[lower], causal[lower])
    assert not np.signbit(matrix[matrix == 0]).any()


def test_self_extend_and_dual_chunk_rows_of_the_method_file():
    row, cols = np.array([[11]]), np.arange(12)[None, :]
    extend = rope.positions(Scheme("self_extend", 4, 2), row, cols)
    assert extend.tolist() == [[7, 7, 6, 6, 5, 5, 4, 4, 3, 2, 1, 0]]
    chunk = rope.positions(Scheme("dual_chunk", window=2, chunk_len=6), row, cols)
    assert chunk.tolist() == [[6, 5, 4, 3, 6, 5, 4, 3, 3, 2, 1, 0]]
    np.testing.assert_array_equal(
        rope.position_matrix(Scheme("self_extend", 4, 1), 12), rope.position_matrix(Scheme(), 12)
    )


def slow_position(scheme, i, j):
    """Position of one cell, written with branches as the repositories do."""
    w, k, c = int(scheme.window), int(scheme.scaling_factor), scheme.chunk_len
    if scheme.method == "self_extend":
        return i - j if i - j < w else (i // k + w - w / k) - j // k
    s = c - w
    behind = i // s - j // s
    if behind == 0:
        return i % s - j % s
    return min(i % s + s if behind == 1 else 2 * s - 1, c) - j % s


non_toeplitz = st.one_of(
    st.builds(
        Scheme, st.just("self_extend"), st.integers(1, 12), scaling_factor=st.integers(1, 15)
    ),
    st.integers(1, 14).flatmap(
        lambda c: st.builds(
            Scheme, st.just("dual_chunk"), st.integers(0, c - 1), chunk_len=st.just(c)
        )
    ),
)
toeplitz = st.builds(
    Scheme,
    st.sampled_from(rope.TOEPLITZ),
    st.floats(1, 40),
    st.one_of(st.floats(0.05, 40), st.just(math.inf)),
)


@quick
@given(scheme=non_toeplitz, length=st.integers(1, 45))
def test_cells_match_the_branches(scheme, length):
    matrix = rope.position_matrix(scheme, length)
    for i in range(length):
        slow = [slow_position(scheme, i, j) for j in range(i + 1)]
        np.testing.assert_allclose(matrix[i, : i + 1], slow, rtol=1e-15)


@settings(max_examples=150, deadline=None)
@given(scheme=st.one_of(non_toeplitz, toeplitz), length=st.integers(1, 45), limit=st.floats(0, 45))
def test_counts_in_closed_form_match_the_whole_matrix(scheme, length, limit):
    matrix = rope.position_matrix(scheme, length)
    per_delta = rope.largest_per_delta(scheme, length)
    for delta in range(length):
        cells = np.diagonal(matrix, -delta)
        np.testing.assert_allclose(per_delta[delta], cells.max(), rtol=1e-13)
    outside = matrix > limit
    np.testing.assert_array_equal(
        rope.out_of_range_per_row(scheme, length, limit), outside.sum(axis=1)
    )
    found = rope.out_of_range(scheme, length, limit)
    i, j = np.nonzero(outside)
    assert found.n_pairs == i.size
    assert found.breach == ((i - j).min() if i.size else None)
    assert found.n_deltas == np.unique(i - j).size
    assert found.delta_share == pytest.approx(found.n_deltas / length)
    assert found.pair_share == pytest.approx(i.size / np.isfinite(matrix).sum())


def test_any_grid_of_a_long_text_can_be_drawn():
    index = rope.sampled(65_536, 300)
    assert index[0] == 0 and index[-1] == 65_535 and index.size == 300
    assert (np.diff(index) > 0).all()
    for method in rope.METHODS:
        scheme = Scheme(method, window=512, scaling_factor=16, chunk_len=3072)
        cells = rope.positions(scheme, index[:, None], index[None, :])
        assert cells.shape == (300, 300)
        assert np.nanmax(cells) <= rope.largest_position(scheme, 65_536)
    assert rope.sampled(5, 300).tolist() == [0, 1, 2, 3, 4]
    assert rope.sampled(1, 2).tolist() == [0]


# --- Ranges and rules -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("window", "tops"),
    [
        (128, [623.875, 375.9375, 251.96875, 189.984, 128]),
        (256, [735.875, 495.9375, 375.96875, 315.984, 256]),
    ],
)
def test_largest_positions_of_the_method_file(window, tops):
    ours = [
        rope.largest_position(Scheme("leaky", window, k), 4096) for k in (8, 16, 32, 64, math.inf)
    ]
    np.testing.assert_allclose(ours, tops, atol=5e-4)
    outside = [
        rope.out_of_range(Scheme("leaky", window, k), 4096, 511).breach is not None
        for k in (8, 16, 32, 64, math.inf)
    ]
    assert outside == [True, False, False, False, False]


def test_breach_and_shares_of_plain_rope():
    found = rope.out_of_range(Scheme(), 4096, 511)
    assert found.breach == 512
    assert found.n_deltas == 4096 - 512
    assert found.n_pairs == 3584 * 3585 // 2
    assert found.pair_share == pytest.approx(3584 * 3585 / (4096 * 4097))
    inside = rope.out_of_range(Scheme("rerope", 256), 10**6, 511)
    assert inside.breach is None and inside.n_pairs == 0 and inside.pair_share == 0


def test_inverse_trains_on_a_grid_that_covers_more_than_is_needed():
    scheme = Scheme("inverse_infer", 128, 1 / 16)
    known, counts = rope.trained_positions(scheme, 512)
    assert known[:129].tolist() == list(range(129))
    assert (np.diff(known[128:]) == 16).all() and known[128:].size == 384
    assert known[-1] == 6256 == rope.trained_limit(scheme, 512)
    assert counts.sum() == 512 * 513 // 2 and counts[0] == 512 and counts[-1] == 1
    assert rope.out_of_range(scheme, 4096, 6256).breach is None
    gaps = rope.gap_to_trained(np.arange(4096), known)
    assert gaps[:129].max() == 0 and gaps.max() == 8 and gaps[128 + 16 * 5] == 0


def test_what_each_method_is_trained_with():
    for method in rope.METHODS:
        trained = Scheme(method, 8, 2, 16).training.method
        inverse = {"inverse_train": "inverse_train", "inverse_infer": "inverse_train"}
        assert trained == inverse.get(method, "nope" if method == "nope" else "rope")
    assert rope.trained_limit(Scheme("rerope", 8), 512) == 511
    assert rope.trained_limit(Scheme("nope"), 512) == 0


def test_coverage_counts_every_cell():
    counts = rope.coverage(9)
    i, j = np.tril_indices(9)
    np.testing.assert_array_equal(counts, np.bincount(i - j))


@quick
@given(needed=st.lists(st.floats(-10, 60), min_size=1), seed=st.integers(0, 9))
def test_gap_is_to_the_nearest(needed, seed):
    known = np.sort(np.random.default_rng(seed).uniform(0, 50, 7))
    naive = np.abs(np.array(needed)[:, None] - known).min(axis=1)
    np.testing.assert_array_equal(rope.gap_to_trained(needed, known), naive)


@quick
@given(window=st.floats(0, 256), length=st.integers(1, 10_000))
def test_required_factor_is_the_least_that_obeys_the_rule(window, length):
    k = rope.required_scaling_factor(window, length, 512)
    assert rope.largest_position(Scheme("leaky", window, k), length) <= 256 * (1 + 1e-12)
    if 1 < k < math.inf:
        smaller = Scheme("leaky", window, max(1, 0.999 * k))
        assert rope.largest_position(smaller, length) > 256 * (1 - 1e-3)


def test_rules_of_the_posts():
    assert rope.rule_window(512) == 128
    assert rope.inverse_scaling_factor(8) == 1 / 16
    assert rope.inverse_base(10_000, 8) == 80_000
    assert rope.required_scaling_factor(128, 4096, 512) == (4095 - 128) / 128
    assert rope.required_scaling_factor(256, 4096, 512) == math.inf
    assert rope.required_scaling_factor(300, 200, 512) == 1
    assert rope.dual_chunk_defaults(4096) == (3072, 512)
    with pytest.raises(ValueError, match="window must be at most train_length / 2 = 256"):
        rope.required_scaling_factor(257, 4096, 512)


@pytest.mark.parametrize(("window", "group"), [(512, 8), (1024, 4), (4, 2)])
def test_self_extend_reaches_as_far_as_it_says(window, group):
    reach = rope.self_extend_reach(4096, window, group)
    scheme = Scheme("self_extend", window, group)
    assert reach == (4096 - window) * group + window
    assert rope.largest_position(scheme, reach) <= 4095
    assert rope.largest_position(scheme, reach + 2 * group) > 4095


# --- ALiBi and windows ----------------------------------------------------------------------------


def test_alibi_slopes_of_the_paper():
    np.testing.assert_array_equal(rope.alibi_slopes(8), 2.0 ** -np.arange(1, 9))
    extra = [0.70710678, 0.35355339, 0.1767767, 0.08838835]
    np.testing.assert_allclose(rope.alibi_slopes(12), [*2.0 ** -np.arange(1, 9), *extra], atol=5e-9)
    assert rope.alibi_slopes(1).tolist() == [2.0**-8]


@pytest.mark.parametrize("n_heads", [2, 3, 4, 12, 20])
def test_alibi_bias_matches_bloom(n_heads):
    torch = pytest.importorskip("torch")
    from transformers.models.bloom.modeling_bloom import build_alibi_tensor

    theirs = build_alibi_tensor(torch.ones(1, 7), n_heads, torch.float32)[:, 0].numpy()
    slopes = rope.alibi_slopes(n_heads)
    np.testing.assert_allclose(slopes[:, None] * np.arange(7), theirs, rtol=1e-6)
    bias = rope.alibi_bias(6, np.arange(7), slopes)
    np.testing.assert_allclose(bias - bias[:, :1], theirs, rtol=1e-6)  # up to a constant per row


def test_alibi_bias_falls_from_zero_on_the_diagonal():
    i = np.arange(6)
    bias = rope.alibi_bias(i[:, None], i[None, :], rope.alibi_slopes(4))
    assert bias.shape == (4, 6, 6)
    assert (np.diagonal(bias, axis1=1, axis2=2) == 0).all()
    assert np.isneginf(bias[:, *np.triu_indices(6, 1)]).all()
    both = rope.alibi_bias(i[:, None], i[None, :], rope.alibi_slopes(4), causal=False)
    np.testing.assert_array_equal(both, both.transpose(0, 2, 1))


def test_window_mask_sees_the_window_and_the_sinks():
    i = np.arange(9)
    mask = rope.window_mask(i[:, None], i[None, :], 3)
    assert mask.sum(axis=1).tolist() == [1, 2, 3, 3, 3, 3, 3, 3, 3]
    sinks = rope.window_mask(i[:, None], i[None, :], 3, n_sinks=2)
    assert sinks.sum(axis=1).tolist() == [1, 2, 3, 4, 5, 5, 5, 5, 5]
    both = rope.window_mask(i[:, None], i[None, :], 3, causal=False)
    assert (both == both.T).all() and both[0, 2] and not both[0, 3]


# --- Two passes -----------------------------------------------------------------------------------


@quick
@given(
    window=st.floats(0, 40),
    factor=st.one_of(st.floats(0.1, 30), st.sampled_from([math.inf, 1e12, 0.25, 3.0])),
    layout=layouts,
    seed=st.integers(0, 99),
)
def test_two_passes_equal_the_direct_computation(window, factor, layout, seed):
    (q, k), theta = heads(np.random.default_rng(seed))
    scheme = Scheme("leaky", window, factor)
    merged = rope.two_pass(q, k, scheme, theta, layout).merged
    at = rope.position_matrix(scheme, len(q))
    np.testing.assert_allclose(merged, rope.logits_at(q, k, at, theta, layout), atol=1e-10)
    turned, last = rope.decode_step(q[-1], k, scheme, theta, layout)
    np.testing.assert_allclose(last, merged[-1], atol=1e-10)
    norms = np.linalg.norm(turned, axis=1)
    np.testing.assert_allclose(norms, np.linalg.norm(k, axis=1), rtol=1e-12)


def test_two_passes_of_rerope(rng):
    (q, k), theta = heads(rng)
    passes = rope.two_pass(q, k, Scheme("rerope", 5), theta)
    infinite = rope.two_pass(q, k, Scheme("leaky", 5, math.inf), theta)
    np.testing.assert_array_equal(passes.merged, infinite.merged)
    np.testing.assert_allclose(passes.far, rope.rotate(q, 5, theta) @ k.T / 4, atol=1e-13)
    lower = np.tril(np.ones((24, 24), bool))
    np.testing.assert_array_equal(passes.merged[~lower], -np.inf)
    near, far = lower & passes.is_near, lower & ~passes.is_near
    np.testing.assert_array_equal(passes.merged[near], passes.near[near])
    np.testing.assert_array_equal(passes.merged[far], passes.far[far])
    i, j = np.nonzero(lower & (np.subtract.outer(np.arange(24), np.arange(24)) == 5))
    np.testing.assert_allclose(passes.near[i, j], passes.far[i, j], atol=1e-13)  # continuous


def test_code_of_the_repository_gives_the_same_far_matrix(rng):
    (q, k), theta = heads(rng)
    w, factor, i = 7, 3.0, np.arange(24)
    slow = (
        rope.rotate(q, i + w * (factor - 1), theta / factor) @ rope.rotate(k, i, theta / factor).T
    )
    ours = rope.two_pass(q, k, Scheme("leaky", w, factor), theta).far
    np.testing.assert_allclose(ours, slow / 4, atol=1e-12)


def test_rerope_is_rope_while_the_text_fits_the_window(rng):
    (q, k), theta = heads(rng)
    merged = rope.two_pass(q, k, Scheme("rerope", 24), theta).merged
    plain = rope.rotate(q, np.arange(24), theta) @ rope.rotate(k, np.arange(24), theta).T / 4
    lower = np.tril_indices(24)
    np.testing.assert_array_equal(merged[lower], plain[lower])


@pytest.mark.parametrize("method", rope.METHODS)
def test_decoding_gives_the_last_row_of_every_scheme(method, rng):
    (q, k), theta = heads(rng)
    scheme = Scheme(method, 4, 2, 8)
    whole = rope.logits_at(q, k, rope.position_matrix(scheme, 24), theta)
    turned, last = rope.decode_step(q[-1], k, scheme, theta)
    np.testing.assert_allclose(last, whole[-1], atol=1e-12)
    assert np.isnan(turned).any() == (method == "window")


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_scores_are_float64_whatever_comes_in(dtype, rng):
    (q, k), theta = heads(rng)
    q, k, scheme = q.astype(dtype), k.astype(dtype), Scheme("leaky", 4, 2)
    exact = rope.two_pass(q.astype(np.float64), k.astype(np.float64), scheme, theta).merged
    merged = rope.two_pass(q, k, scheme, theta).merged
    assert merged.dtype == np.float64
    np.testing.assert_array_equal(merged, exact)


# --- Tiles ----------------------------------------------------------------------------------------


def test_tiles_of_the_method_file():
    tiles = rope.tile_counts(16_384, 128, 512)
    assert (tiles.n_both, tiles.n_tiles) == (124, 8256)
    assert tiles.extra_share == pytest.approx(0.015, abs=5e-4)
    for n_blocks, n_window in ((5, 2), (9, 1), (16, 4)):
        tiles = rope.tile_counts(n_blocks * 8, 8, n_window * 8)
        assert tiles.n_both == n_blocks - n_window
        assert tiles.n_tiles == n_blocks * (n_blocks + 1) // 2


@quick
@given(length=st.integers(1, 40), tile=st.integers(1, 12), window=st.floats(0, 45))
def test_tiles_match_a_look_at_every_cell(length, tile, window):
    i, j = np.tril_indices(length)
    n = -(-length // tile)
    kinds = np.full((n, n), -1)
    for a in range(n):
        for b in range(a + 1):
            near = (i - j)[(i // tile == a) & (j // tile == b)] < window
            kinds[a, b] = 0 if near.all() else 2 if near.any() else 1
    np.testing.assert_array_equal(rope.tile_kinds(length, tile, window), kinds)
    tiles = rope.tile_counts(length, tile, window)
    assert [tiles.n_near, tiles.n_far, tiles.n_both] == [(kinds == k).sum() for k in (0, 1, 2)]
    assert tiles.n_tiles == (kinds >= 0).sum()


# --- log n and entropy ----------------------------------------------------------------------------


def test_log_n_scales_of_the_posts():
    n = [1024, 4096, 512, 100]
    np.testing.assert_allclose(rope.log_n_scale(n, 512, "dagger"), [10 / 9, 4 / 3, 1, 1])
    np.testing.assert_allclose(
        rope.log_n_scale([8192, 16_384], 4096, "dagger"), [1.083333, 1.166667], atol=5e-7
    )
    trained = rope.log_n_scale([1, 511, 512, 513], 512)
    assert trained[0] == 0 and trained[1] < 1 < trained[3] and trained[2] == 1
    assert rope.log_n_scale([1, 10**6], 512, "none").tolist() == [1, 1]


def test_softmax_and_entropy_on_known_rows():
    p = rope.softmax([[0, 0, 0, -np.inf], [1e4, -1e4, 0, 0]])
    np.testing.assert_allclose(p, [[1 / 3, 1 / 3, 1 / 3, 0.0], [1.0, 0.0, 0.0, 0.0]], atol=1e-15)
    np.testing.assert_allclose(rope.entropy(p), [math.log(3), 0.0], atol=1e-15)
    assert not np.signbit(rope.entropy([0.0, 1.0]))
    with pytest.raises(ValueError, match="finite largest entry"):
        rope.softmax([[0.0, 1.0], [-np.inf, -np.inf]])
    with pytest.raises(ValueError, match="weights must be at least 0, got -0.5"):
        rope.entropy([1.5, -0.5])


@quick
@given(st.lists(st.floats(-50, 50), min_size=1, max_size=30), st.floats(-100, 100))
def test_entropy_is_between_nothing_and_log_n(row, shift):
    p = rope.softmax(row)
    assert p.sum() == pytest.approx(1)
    assert -1e-12 <= rope.entropy(p) <= math.log(len(row)) + 1e-12
    np.testing.assert_allclose(rope.softmax(np.array(row) + shift), p, rtol=1e-9, atol=1e-15)


def test_log_n_keeps_entropy_from_growing(rng):
    head_dim, lengths = 64, np.array([512, 2048, 8192])
    keys = rng.standard_normal((8192, head_dim))
    keys *= math.sqrt(head_dim) / np.linalg.norm(keys, axis=1, keepdims=True)
    logits = 2 * keys[:, 0]  # a query of length sqrt(d), logits 2 q.k / sqrt(d): sharp attention
    plain = rope.entropy_curve(logits, lengths, 512)
    np.testing.assert_allclose(plain[0], rope.entropy(rope.softmax(logits[:512])))
    scaled = rope.entropy_curve(logits, lengths, 512, "trained")
    assert scaled[0] == plain[0]
    assert plain[2] - plain[0] > 2.3  # ln 16 = 2.77, less what 512 keys do not show of the tail
    assert scaled[2] - scaled[0] < 0.5 * (plain[2] - plain[0])
    np.testing.assert_array_equal(rope.entropy_curve(logits, lengths, 512, "dagger"), scaled)


@pytest.mark.parametrize("scale", [1 / 8, 0.2])
def test_sphere_entropy_is_what_is_measured(scale, rng):
    n, head_dim = 200_000, 64
    cosines = rng.standard_normal((n, head_dim))
    cosines = cosines[:, 0] / np.linalg.norm(cosines, axis=1)
    measured = rope.entropy(rope.softmax(scale * head_dim * cosines))
    # Sampling: the standard deviation over seeds is 0.0095 at scale 0.2.
    assert measured == pytest.approx(rope.sphere_entropy(n, scale, head_dim), abs=0.06)


def test_sphere_entropy_at_known_points():
    assert rope.sphere_entropy(7, 0, 64) == pytest.approx(math.log(7))
    assert rope.sphere_entropy(1, 1.0, 4096) / 4096 == pytest.approx(-0.24, abs=0.002)
    # d = 3: cos t is uniform, E[exp(s c)] = sinh(s)/s and its log-derivative is coth(s) - 1/s.
    s = 3 * 0.7
    exact = math.log(math.sinh(s) / s) - s * (1 / math.tanh(s) - 1 / s)
    assert rope.sphere_entropy(1, 0.7, 3) == pytest.approx(exact, abs=1e-6)


# --- Bad input ------------------------------------------------------------------------------------

BAD = [
    (lambda: rope.frequencies(3), "head_dim must be even, got 3"),
    (lambda: rope.frequencies(0), "head_dim must be a whole number at least 2, got 0"),
    (lambda: rope.frequencies(8, 1), "base must be a number greater than 1 and finite, got 1"),
    (lambda: rope.frequencies(8, math.inf), "base must be a number greater than 1"),
    (lambda: rope.rotate(Q, 1, THETA, "mixed"), "layout must be one of interleaved, half_split"),
    (lambda: rope.rotate(Q, 1, rope.frequencies(8)), r"theta must have shape \(2,\), got \(4,\)"),
    (lambda: rope.rotate(Q[:3], 1, THETA), r"x must have an even last axis, got shape \(3,\)"),
    (lambda: rope.rotate(Q, math.inf, THETA), "positions must be finite, got inf"),
    (lambda: Scheme("alibi"), "method must be one of rope, pi, window"),
    (lambda: Scheme("rerope", -1), "window must be a number at least 0 and finite, got -1"),
    (lambda: Scheme("rerope", math.nan), "window must be a number at least 0 and finite, got nan"),
    (lambda: Scheme("rerope", math.inf), "window must be a number at least 0 and finite, got inf"),
    (lambda: Scheme("window", 0.5), "window must be a number at least 1 and finite, got 0.5"),
    (lambda: Scheme("leaky", 8, 0), "scaling_factor must be a number in .1e-09, inf., got 0"),
    (lambda: Scheme("leaky", 8, -2), "scaling_factor must be a number .*, got -2"),
    (lambda: Scheme("pi", 8, math.nan), "scaling_factor must be a number .*, got nan"),
    (
        lambda: Scheme("pi", 8, cast(float, "1/16")),
        "scaling_factor must be a number .*, got '1/16'",
    ),
    (lambda: Scheme("inverse_infer", 8, 0), "scaling_factor must be a number .*, got 0"),
    (lambda: Scheme("self_extend", 4, 1.5), "scaling_factor must be a whole number at least 1"),
    (lambda: Scheme("self_extend", 0, 2), "window must be a whole number at least 1, got 0"),
    (lambda: Scheme("dual_chunk", 6, chunk_len=6), r"window must be .* in 0\.\.5, got 6"),
    (lambda: Scheme("dual_chunk", 0, chunk_len=0), "chunk_len must be a whole number at least 1"),
    (lambda: rope.relative_map(Scheme("dual_chunk"), 1), "method must be one of rope, pi"),
    (lambda: rope.position_matrix(Scheme(), 0), r"length must be .* in 1\.\.4096, got 0"),
    (lambda: rope.position_matrix(Scheme(), 4097), r"length must be .* in 1\.\.4096, got 4097"),
    (lambda: rope.positions(Scheme(), [0.5], [0]), "rows must be integers at least 0, got float64"),
    (lambda: rope.positions(Scheme(), [0], [-1]), "cols must be integers at least 0, got int64"),
    (
        lambda: rope.positions(Scheme(), np.arange(5000)[:, None], np.arange(5000)),
        "cells must be at most 16777216, got 25000000",
    ),
    (lambda: rope.sampled(10, 1), "limit must be a whole number at least 2, got 1"),
    (lambda: rope.out_of_range(Scheme(), 8, -1), "limit must be a number at least 0"),
    (lambda: rope.gap_to_trained([1], []), r"trained must have shape \(n,\)"),
    (lambda: rope.inverse_scaling_factor(0.5), "expansion must be a number at least 1"),
    (lambda: rope.self_extend_reach(8, 9, 2), r"window must be .* in 1\.\.8, got 9"),
    (lambda: rope.window_mask([0], [0], 0), "window must be a number at least 1"),
    (lambda: rope.alibi_slopes(0), "n_heads must be a whole number at least 1, got 0"),
    (lambda: rope.two_pass([Q], [K], Scheme("pi"), THETA), "method must be one of leaky"),
    (lambda: rope.two_pass([Q], [K, K], Scheme("leaky"), THETA), "q and k must have the same"),
    (lambda: rope.two_pass(Q, K, Scheme("leaky"), THETA), r"q must have shape \(n, d\)"),
    (lambda: rope.logits_at([Q], [K], [[0, 1]], THETA), r"at must have shape \(1, 1\)"),
    (lambda: rope.logits_at([Q], [K], [[0]], [1.0]), r"theta must have shape \(2,\)"),
    (lambda: rope.decode_step(Q[:2], [K], Scheme(), THETA), r"q must have shape \(4,\)"),
    (lambda: rope.tile_counts(8, 0, 2), "tile must be a whole number at least 1, got 0"),
    (lambda: rope.tile_kinds(8, 2, math.nan), "window must be a number at least 0"),
    (lambda: rope.log_n_scale(0, 512), "n must be at least 1, got 0"),
    (lambda: rope.log_n_scale(5, 1), "max_length must be a number greater than 1 .*, got 1"),
    (lambda: rope.log_n_scale(5, 512, "log"), "mode must be one of none, trained, dagger"),
    (lambda: rope.entropy_curve([0.0], [2], 512), r"lengths must lie in 1 .. 1, got \[2\]"),
    (lambda: rope.entropy_curve([[0.0]], [1], 512), r"logits must have shape \(N,\)"),
    (lambda: rope.sphere_entropy(8, -1, 64), "scale must be a number at least 0"),
    (lambda: rope.sphere_entropy(0, 1, 64), "n must be at least 1, got 0"),
]


@pytest.mark.parametrize(("call", "message"), BAD, ids=[message for _, message in BAD])
def test_bad_input_is_named(call, message):
    with pytest.raises(ValueError, match=message):
        call()


def test_smallest_sizes_work():
    assert rope.position_matrix(Scheme("leaky", 0, 2), 1).tolist() == [[0]]
    assert rope.largest_position(Scheme("rerope", 0), 1) == 0
    assert rope.out_of_range(Scheme("self_extend", 1, 1), 1, 0).breach is None
    turned, logits = rope.decode_step([1.0, 0], [[1.0, 0]], Scheme(), [1.0])
    assert turned.tolist() == [[1, 0]] and logits.tolist() == [1 / math.sqrt(2)]
    assert Scheme("rerope", 4, scaling_factor=-1).window == 4  # fields not read are not checked


# --- Reported tables ------------------------------------------------------------------------------

REPORTED = json.loads((Path(__file__).parents[1] / "assets" / "rope_reported.json").read_text())


@pytest.mark.parametrize("table", REPORTED, ids=lambda table: table["id"])
def test_reported_tables_are_whole(table):
    assert set(table) == {"id", "columns", "units", "rows", "sources", "note"}
    assert len(table["columns"]) == len(set(table["columns"])) == len(table["units"])
    for row in table["rows"]:
        assert len(row) == len(table["columns"])
        for cell, unit in zip(row, table["units"], strict=True):
            assert isinstance(cell, int | float | None) if unit else isinstance(cell, str)
            assert cell is None or isinstance(cell, str) or cell > 0
    for source in table["sources"]:
        assert source["url"].startswith("https://") and source["number"] in source["url"]


def test_reported_tables_agree_with_each_other():
    tables = {table["id"]: table for table in REPORTED}
    main = {row[0]: row for row in tables["c1"]["rows"]}
    assert {row[1] for row in main.values()} == {
        *("baseline", "pi", "ntk", "rerope", "inverse", "hwfa", "hwfa-rerope")
    }
    assert {row[2] for row in main.values()} == set(rope.LOG_N)
    ablation = {row[0]: row[1:] for row in tables["c2"]["rows"]}
    names = ("ReRoPE-w256", "ReRoPE-w256-logn(dagger)", "ReRoPE-w256-logn")
    assert ablation[256] == [cell for name in names for cell in main[name][4:]]
    leaky = tables["c3"]["rows"]
    assert leaky[0] == [None, *ablation[128][4:], *ablation[256][4:]]
    for rounded, exact in zip(tables["c4"]["rows"], tables["c4_unrounded"]["rows"], strict=True):
        for short, long in zip(rounded[1:], exact[1:], strict=True):
            assert short == (None if long is None else round(long, 4))
    # The drop in c3 is where positions leave the trained range.
    for k, *scores in leaky:
        for window, score in ((128, scores[0]), (256, scores[2])):
            scheme = Scheme("leaky", window, math.inf if k is None else k)
            assert (rope.largest_position(scheme, 4096) > 511) == (score < 83)
