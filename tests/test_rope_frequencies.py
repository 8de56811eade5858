"""Frequencies for longer texts and the least base: ratios, references, laws, and the search.

References: transformers' ROPE_INIT_FUNCTIONS, which compute in float32, hence rtol 1e-5; direct
sums of cosines; a scan of bases that knows nothing of the proof in `scan_bases`.
"""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models import rope_frequencies as rf
from models.rope import frequencies
from models.rope_frequencies import Rope

quick = settings(max_examples=40, deadline=None)
small = Rope(8, 10_000, 512)
large = Rope(128, 10_000, 4096)
llama = Rope(128, 500_000, 8192)


# --- Vectors --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("method", "expected"),
    [
        ("rope", [1, 1, 1, 1]),
        ("pi", [0.125] * 4),
        ("ntk_old", [1, 0.59460356, 0.35355339, 0.2102241]),
        ("ntk_aware", [1, 0.5, 0.25, 0.125]),
        ("ntk_fixed", [0.59460356, 0.35355339, 0.2102241, 0.125]),
        ("ntk_mixed", [0.41715498, 0.25966809, 0.17600538, 0.125]),
    ],
)
def test_ratios_of_the_method_file_for_a_small_head(method, expected):
    ratio = rf.ratios(small, rf.BY_FACTOR[method](small, 8))
    np.testing.assert_allclose(ratio, expected, atol=5e-9)


@pytest.mark.parametrize(
    ("method", "expected"),
    [
        ("ntk_old", [1, 0.3535534, 0.1291281]),
        ("ntk_aware", [1, 0.3477664, 0.125]),
        ("ntk_fixed", [0.9680309, 0.3422506, 0.125]),
        ("ntk_mixed", [0.8567960, 0.2529575, 0.125]),
    ],
)
def test_ratios_of_the_method_file_for_a_large_head(method, expected):
    ratio = rf.ratios(large, rf.BY_FACTOR[method](large, 8))
    np.testing.assert_allclose(ratio[[0, 32, 63]], expected, atol=5e-8)


def test_mixed_with_other_exponents():
    ratio = rf.ratios(small, rf.ntk_mixed(small, 8, 0.75))
    np.testing.assert_allclose(ratio, [0.47941263, 0.29041529, 0.1871436, 0.125], atol=5e-9)
    patch = rf.ratios(large, rf.ntk_mixed(large, 12, 0.75))
    np.testing.assert_allclose(patch[[0, 31, 63]], [0.8959968, 0.2281997, 0.0833333], atol=5e-8)
    np.testing.assert_allclose(rf.ntk_mixed(large, 8, 0), rf.pi(large, 8), rtol=1e-14)
    np.testing.assert_allclose(rf.ntk_mixed(large, 8, 1), rf.ntk_fixed(large, 8), rtol=1e-13)


def test_yarn_as_coded_and_in_turns_differ():
    assert rf.yarn_range(large) == (20, 46)
    ends = rf.yarn_range(large, truncate=False)
    np.testing.assert_allclose(ends, [20.9445, 45.0269], atol=5e-5)
    coded = rf.ratios(large, rf.yarn(large, 4))
    in_turns = rf.ratios(large, rf.yarn_turns(large, 4))
    at = [20, 21, 33, 45, 46]
    np.testing.assert_allclose(coded[at], [1, 0.97115385, 0.625, 0.27884615, 0.25], atol=5e-9)
    np.testing.assert_allclose(
        in_turns[at], [1, 0.99383904, 0.36238411, 0.25009377, 0.25], atol=5e-9
    )
    gap = np.abs(coded - in_turns)
    assert gap.argmax() == 30 and gap.max() == pytest.approx(0.2754, abs=5e-5)
    assert rf.yarn_attention_factor(4) ** 2 == pytest.approx(1.296477, abs=5e-7)
    assert rf.yarn_attention_factor(8) ** 2 == pytest.approx(1.459129, abs=5e-7)
    assert rf.yarn_attention_factor(1) == 1


def test_llama3_ratios():
    ratio = rf.ratios(llama, rf.llama3(llama, 8))
    between = [0.82816841, 0.64374313, 0.49350712, 0.37112228, 0.27142548, 0.19021074]
    assert (ratio[:29] == 1).all()
    np.testing.assert_allclose(ratio[29:35], between, atol=5e-9)
    np.testing.assert_allclose(ratio[35:], 0.125, rtol=1e-14)
    same = rf.llama3(large, 4, low=1, high=32)
    np.testing.assert_allclose(same, rf.yarn_turns(large, 4), rtol=1e-15)


def test_turns_and_wavelengths_of_the_method_file():
    r = rf.turns(large)
    assert r[0] == pytest.approx(651.9, abs=0.05) and r[-1] == pytest.approx(0.0752801, abs=5e-8)
    assert np.flatnonzero(r < 1).tolist() == list(range(46, 64))
    assert np.flatnonzero(rf.turns(Rope(128, 10_000, 512)) < 1).tolist() == list(range(31, 64))
    assert rf.wavelengths(large.theta)[-1] == pytest.approx(54_410.14, abs=5e-3)
    assert rf.wavelengths([0.0, 2 * math.pi]).tolist() == [math.inf, 1]
    np.testing.assert_allclose(r * rf.wavelengths(large.theta), 4096)
    np.testing.assert_allclose(rf.turns(large, rf.pi(large, 2)), r / 2)


# --- Laws -----------------------------------------------------------------------------------------

by_factor = st.sampled_from(sorted(rf.BY_FACTOR))
ropes = st.builds(
    Rope,
    st.integers(2, 70).map(lambda half: 2 * half),
    st.floats(1000, 1e6),
    st.integers(64, 20_000),
)


@quick
@given(method=by_factor, rope=ropes, factor=st.floats(1, 64))
def test_ratios_lie_between_kept_and_interpolated(method, rope, factor):
    new = rf.BY_FACTOR[method](rope, factor)
    ratio = rf.ratios(rope, new)
    most = factor if method != "dynamic_ntk" else factor**2 - factor + 1  # k at L = s M
    assert (ratio <= 1 + 1e-12).all() and (ratio >= 1 / most - 1e-12).all()
    assert (np.diff(ratio) <= 1e-12).all()  # slow pairs are slowed the most
    assert (np.diff(new) <= 0).all()
    np.testing.assert_allclose(rf.BY_FACTOR[method](rope, 1), rope.theta, rtol=1e-15)


@quick
@given(rope=ropes, factor=st.floats(1, 64))
def test_where_the_ends_of_each_method_lie(rope, factor):
    ends = {m: rf.ratios(rope, rf.BY_FACTOR[m](rope, factor))[[0, -1]] for m in rf.BY_FACTOR}
    d = rope.head_dim
    np.testing.assert_allclose(ends["ntk_aware"], [1, 1 / factor], rtol=1e-12)
    np.testing.assert_allclose(ends["ntk_old"], [1, factor ** (2 / d - 1)], rtol=1e-12)
    np.testing.assert_allclose(ends["ntk_fixed"], [factor ** (-2 / d), 1 / factor], rtol=1e-12)
    np.testing.assert_allclose(ends["ntk_mixed"][1], 1 / factor, rtol=1e-12)
    np.testing.assert_allclose(ends["pi"], [1 / factor] * 2, rtol=1e-12)
    larger_base = rf.abf(rope, rope.base * factor)
    np.testing.assert_allclose(rf.ntk_old(rope, factor), larger_base, rtol=1e-12)


def test_dynamic_ntk_waits_for_the_trained_length():
    np.testing.assert_array_equal(rf.dynamic_ntk(large, 2, 10), large.theta)
    np.testing.assert_array_equal(rf.dynamic_ntk(large, 2, 4096), large.theta)
    np.testing.assert_allclose(rf.dynamic_ntk(large, 2, 8192), rf.ntk_aware(large, 3))
    np.testing.assert_array_equal(rf.dynamic_ntk(large, 2), rf.dynamic_ntk(large, 2, 8192))


def test_partial_and_proportional_turn_the_same_pairs_at_other_speeds():
    part, proportion = rf.partial(large, 0.25), rf.proportional(large, 0.25)
    assert (part > 0).tolist() == (proportion > 0).tolist() == [c < 16 for c in range(64)]
    np.testing.assert_array_equal(part[:16], frequencies(32))
    np.testing.assert_array_equal(proportion[:16], large.theta[:16])
    np.testing.assert_array_equal(rf.partial(large, 1), large.theta)
    np.testing.assert_array_equal(rf.proportional(large, 1, 4), rf.pi(large, 4))
    assert not rf.partial(large, 0).any() and not rf.proportional(large, 0).any()


@quick
@given(rope=ropes, fraction=st.floats(0, 0.5), length=st.integers(1, 3000))
def test_a_half_turned_head_aggregates_at_every_distance(rope, fraction, length):
    theta = rf.partial(rope, fraction)
    assert rf.first_negative(theta, length) is None


def test_arcs_of_the_methods():
    trained, needed = 511, 4095
    model = Rope(128, 10_000, 512)
    plain = rf.arcs(model.theta, trained, model.theta, needed)
    r = trained * model.theta / (2 * math.pi)
    assert plain.n_unseen == (r < 1).sum() == 33
    np.testing.assert_array_equal(plain.trained, np.minimum(trained * model.theta, 2 * math.pi))
    assert plain.unseen.max() <= 2 * math.pi
    for theta, position in (
        (rf.pi(model, needed / trained), needed),
        (model.theta, 128),  # ReRoPE with w = 128
        (model.theta, trained),
    ):
        kept = rf.arcs(model.theta, trained, theta, position)
        assert kept.n_unseen == 0
    inverse = rf.arcs(model.theta, 6256, model.theta, needed)
    assert inverse.n_unseen == 0


@quick
@given(rope=ropes, longer=st.integers(0, 5000))
def test_longer_texts_never_need_less(rope, longer):
    last = rope.train_length - 1
    first, second = (
        rf.arcs(rope.theta, last, rope.theta, last + n).unseen for n in (longer, longer + 1)
    )
    assert (first >= 0).all() and (second >= first).all()
    assert not rf.arcs(rope.theta, last, rope.theta, last).unseen.any()


# --- transformers ---------------------------------------------------------------------------------


def theirs(rope, kind, length=None, **parameters):
    """Frequencies and attention factor of transformers for one rope_type."""
    pytest.importorskip("torch")
    from transformers import LlamaConfig
    from transformers.modeling_rope_utils import ROPE_INIT_FUNCTIONS

    config = LlamaConfig(
        hidden_size=4 * rope.head_dim,
        num_attention_heads=4,
        head_dim=rope.head_dim,
        max_position_embeddings=parameters.pop("max_position", rope.train_length),
        rope_parameters={"rope_type": kind, "rope_theta": float(rope.base), **parameters},
    )
    inv_freq, attention_factor = ROPE_INIT_FUNCTIONS[kind](config, "cpu", seq_len=length)
    return inv_freq.numpy(), attention_factor


def same(ours, reference):
    np.testing.assert_allclose(ours, reference, rtol=1e-5)  # float32: d/2 powers of the base


@pytest.mark.parametrize("rope", [small, large, llama], ids=["small", "large", "llama"])
@pytest.mark.parametrize("factor", [1.0, 4.0, 12.5])
class TestTransformers:
    def test_linear(self, rope, factor):
        same(rf.pi(rope, factor), theirs(rope, "linear", factor=factor)[0])

    @pytest.mark.parametrize("times", [0.5, 1, 2, 7])
    def test_dynamic(self, rope, factor, times):
        length = int(times * rope.train_length)
        same(
            rf.dynamic_ntk(rope, factor, length), theirs(rope, "dynamic", length, factor=factor)[0]
        )

    @pytest.mark.parametrize("truncate", [True, False])
    @pytest.mark.parametrize("betas", [(32.0, 1.0), (8.0, 2.0)])
    def test_yarn(self, rope, factor, truncate, betas):
        reference, attention_factor = theirs(
            rope,
            "yarn",
            factor=factor,
            original_max_position_embeddings=rope.train_length,
            truncate=truncate,
            beta_fast=betas[0],
            beta_slow=betas[1],
        )
        same(rf.yarn(rope, factor, betas[0], betas[1], truncate), reference)
        assert rf.yarn_attention_factor(factor) == pytest.approx(attention_factor)

    @pytest.mark.parametrize("ends", [(1.0, 4.0), (0.5, 9.0)])
    def test_llama3(self, rope, factor, ends):
        reference, _ = theirs(
            rope,
            "llama3",
            factor=factor,
            low_freq_factor=ends[0],
            high_freq_factor=ends[1],
            original_max_position_embeddings=rope.train_length,
            max_position=2 * rope.train_length,
        )
        same(rf.llama3(rope, factor, *ends), reference)

    def test_longrope(self, rope, factor):
        long = np.linspace(1, 30, rope.head_dim // 2).tolist()
        short = np.linspace(1, 2, rope.head_dim // 2).tolist()
        for length, factors in ((rope.train_length, short), (rope.train_length + 1, long)):
            reference, attention_factor = theirs(
                rope,
                "longrope",
                length,
                factor=factor,
                short_factor=short,
                long_factor=long,
                original_max_position_embeddings=rope.train_length,
            )
            same(rf.longrope(rope, factors), reference)
        ours = rf.longrope_attention_factor(factor, rope.train_length)
        assert ours == pytest.approx(attention_factor)

    @pytest.mark.parametrize("fraction", [0.25, 0.5, 1.0])
    def test_proportional(self, rope, factor, fraction):
        reference, _ = theirs(rope, "proportional", factor=factor, partial_rotary_factor=fraction)
        same(rf.proportional(rope, fraction, factor), reference)

    @pytest.mark.parametrize("fraction", [0.25, 0.5, 1.0])
    def test_partial(self, rope, factor, fraction):
        reference, _ = theirs(rope, "linear", factor=factor, partial_rotary_factor=fraction)
        ours = rf.partial(rope, fraction) / factor
        same(ours[: reference.size], reference)
        assert not ours[reference.size :].any()


@pytest.mark.parametrize(
    "rope",
    [Rope(8, 2, 4096), Rope(8, 10_000, 32), Rope(16, 1e6, 8)],
    ids=["ramp turned round", "lo clamped", "lo equals hi"],
)
def test_yarn_follows_transformers_into_the_corners(rope):
    reference, _ = theirs(
        rope, "yarn", factor=4.0, original_max_position_embeddings=rope.train_length
    )
    same(rf.yarn(rope, 4), reference)


# --- Decay and sums of cosines --------------------------------------------------------------------


def test_abel_bound_of_the_method_file():
    delta = [0, 1, 2, 4, 8, 16, 32, 64, 128, 256]
    expected = [32.5, 31.538166, 28.955988, 22.604043, 19.817395, 15.774951, 13.384314]
    expected += [10.089942, 9.272903, 6.543097]
    np.testing.assert_allclose(rf.abel_bound(large.theta, delta), expected, atol=5e-7)
    many = rf.abel_bound(large.theta, np.arange(5000))  # more than one block
    np.testing.assert_allclose(many[delta], expected, atol=5e-7)


def test_abel_bound_bounds_scores(rng):
    theta = frequencies(32)
    q, k = rng.standard_normal((2, 50, 16, 2)).view(np.complex128)[..., 0]
    products = q * k.conj()
    for delta in (0, 1, 5.5, 100, 3000):
        score = (products * np.exp(1j * delta * theta)).real.sum(axis=1)
        steps = np.abs(np.diff(products, axis=1, append=0)).max(axis=1)
        assert (np.abs(score) <= steps * 16 * rf.abel_bound(theta, delta)).all()


def test_cosine_sums_of_the_method_file():
    f = rf.cosine_sums(large.theta, 1001)
    expected = [64, 62.09368381, 42.8200229, 30.5434547, 10.17772813]
    np.testing.assert_allclose(f[[0, 1, 10, 100, 1000]], expected, atol=5e-9)
    firsts = [rf.first_negative(frequencies(128, b), 30_000) for b in (1e4, 5e5, 1e6)]
    assert firsts == [1707, 18_438, 27_115]
    assert rf.first_negative(large.theta, 1707) is None
    assert rf.first_negative(large.theta, 1708) == 1707


@pytest.mark.parametrize("length", [1, 255, 256, 257, 3000])
def test_fast_sums_match_the_definition(length):
    slow = np.cos(np.outer(np.arange(length), llama.theta)).sum(axis=1)
    np.testing.assert_allclose(rf.cosine_sums(llama.theta, length), slow, atol=1e-11)


def test_fast_sums_stay_accurate_at_the_far_end():
    f = rf.cosine_sums(frequencies(256, 10_000), 65_536)
    far = np.arange(65_000, 65_536)
    slow = np.cos(np.outer(far, frequencies(256, 10_000))).sum(axis=1)
    np.testing.assert_allclose(f[far], slow, atol=1e-10)


@pytest.mark.parametrize("position", [0, 3, 1707])
def test_like_keys_outscore_unlike_ones_by_twice_the_sum(position, rng):
    mean, error = rf.aggregation_gap(large.theta, position, 4000, rng)
    theory = 2 * rf.cosine_sums(large.theta, position + 1)[-1]
    assert abs(mean - theory) < 4.5 * error  # four and a half standard errors


def test_sums_tend_to_the_cosine_integral():
    m, halves = np.array([1, 3, 10]), np.array([256, 512, 1024])  # m 2/d ln b must be small
    gaps = []
    for half in halves:
        f = rf.cosine_sums(frequencies(2 * half, 10_000), 11)[m] / half
        gaps.append(np.abs(f - rf.aggregation_limit(10_000, m)).max())
    slope, _ = np.polyfit(np.log(halves), np.log(gaps), 1)
    assert slope == pytest.approx(-1, abs=0.1)  # a Riemann sum that takes left ends
    root = rf.aggregation_limit(1e9, rf.CI_ROOT * 1e9)
    assert abs(root) < 1e-9  # Ci(m) is below 1/m
    assert rf.asymptotic_base(4096) == pytest.approx(4096 / 0.6165, rel=1e-4)


# --- The least base -------------------------------------------------------------------------------

LEAST = {1024: 4293.4376, 2048: 11_587.2443, 4096: 26_952.3392, 8192: 83_763.8410}


@pytest.mark.parametrize(("length", "expected"), LEAST.items())
def test_least_base(length, expected, rng):
    steps = list(rf.scan_bases(length))
    base = steps[-1].base
    assert base == pytest.approx(expected, abs=6e-5)
    assert base == rf.minimal_base(length)
    assert steps[-1].feasible and not any(step.feasible for step in steps[:-1])
    assert (np.diff([step.base for step in steps]) > 0).all()
    assert rf.first_negative(frequencies(128, base), length) is None
    below = base * (1 - np.geomspace(1e-7, 0.9, 150))
    assert (rf.worst_sums(below, length)[0] < 0).all()
    for step in steps[1:-1:5]:
        value = rf.cosine_sums(frequencies(128, step.base), length)[step.m]
        assert value == pytest.approx(step.value, abs=1e-9)


@pytest.mark.parametrize(
    ("length", "expected"), [(1024, 4293.80), (2048, 11_587.93), (4096, 26_953.37)]
)
def test_grid_of_the_post_lands_above(length, expected):
    found = rf.minimal_base_by_grid(length, n_levels=4)
    assert found == pytest.approx(expected, abs=5e-3)
    assert found is not None and found >= LEAST[length]


@settings(max_examples=25, deadline=None)
@given(length=st.integers(3, 60), half=st.integers(2, 32))
def test_scan_finds_what_a_dense_grid_finds_or_less(length, half):
    base = rf.minimal_base(length, 2 * half, max_base=1e6)
    grid = np.geomspace(1.0001, 1e6, 600)
    feasible = grid[rf.worst_sums(grid, length, 2 * half)[0] >= 0]
    if base is None:
        assert feasible.size == 0
    else:
        assert rf.first_negative(frequencies(2 * half, base), length) is None
        assert not (feasible < base * (1 - 1e-7)).any()


def test_feasible_bases_are_not_an_interval():
    minima, where = rf.worst_sums([11_588, 12_000, 16_000], 2048)
    assert (minima >= 0).tolist() == [True, False, True]
    assert rf.cosine_sums(frequencies(128, 12_000), 2048)[where[1]] == minima[1]


def test_least_base_at_the_edges():
    assert rf.minimal_base(1) == rf.minimal_base(2) == pytest.approx(1)
    assert frequencies(128, rf.minimal_base(2) or 0)[0] == 1  # a base one can use
    assert rf.minimal_base(3, head_dim=2) is None  # cos 2 < 0 whatever the base
    assert rf.minimal_base(4096, max_base=1000) is None
    assert rf.minimal_base_by_grid(64, 4) is None
    stops = list(rf.scan_bases(4096, max_base=1000))
    assert stops and stops[-1].base <= 1000 and not stops[-1].feasible


# --- Bad input ------------------------------------------------------------------------------------

BAD = [
    (lambda: Rope(127), "head_dim must be even, got 127"),
    (lambda: Rope(128, 1.0), "base must be a number greater than 1"),
    (lambda: Rope(128, 1e4, 1), "train_length must be a whole number at least 2, got 1"),
    (lambda: rf.ntk_aware(Rope(2), 4), "head_dim must be at least 4 for NTK-aware scaling, got 2"),
    (lambda: rf.ntk_mixed(large, 4, -1), r"beta must be a number in \[0, 64\]"),
    (lambda: rf.dynamic_ntk(large, 2, 0), "length must be a whole number at least 1, got 0"),
    (lambda: rf.yarn_turns(large, 2, 1), "tau must be a number greater than 1"),
    (lambda: rf.yarn(large, 2, 1, 32), r"beta_slow must be a number in \(0, 1\]"),
    (lambda: rf.yarn_range(large, 0), "beta_fast must be a number greater than 0"),
    (lambda: rf.llama3(large, 2, 4, 4), "high must be a number greater than 4"),
    (lambda: rf.longrope(large, [1.0]), r"factors must have shape \(64,\), got \(1,\)"),
    (lambda: rf.longrope(Rope(2), [0.0]), r"factors must be greater than 0 .*, got \[0.0\]"),
    (lambda: rf.longrope_attention_factor(2, 1), "train_length must be .* at least 2, got 1"),
    (lambda: rf.partial(large, 1.5), r"fraction must be a number in \[0, 1\], got 1.5"),
    (lambda: rf.proportional(large, -0.1), r"fraction must be a number in \[0, 1\]"),
    (lambda: rf.ratios(large, [1.0]), r"theta must have shape \(64,\)"),
    (lambda: rf.arcs([1.0], 1, [1.0, 2.0], 1), r"needed_theta must have shape \(1,\)"),
    (lambda: rf.arcs([1.0], -1, [1.0], 1), "trained_position must be a number at least 0"),
    (lambda: rf.abel_bound([1.0], [[1.0]]), r"delta must have shape \(n,\)"),
    (lambda: rf.cosine_sums([1.0], 0), "length must be a whole number at least 1, got 0"),
    (lambda: rf.aggregation_limit(1e4, 0), "m must be greater than 0, got 0"),
    (lambda: list(rf.scan_bases(0)), "length must be a whole number at least 1, got 0"),
    (lambda: rf.minimal_base(8, 7), "head_dim must be even, got 7"),
    (lambda: rf.minimal_base(8, 8, 1), "max_base must be a number greater than 1"),
    (lambda: rf.minimal_base_by_grid(8, n_levels=7), r"n_levels must be .* in 1\.\.6, got 7"),
]


@pytest.mark.parametrize(("call", "message"), BAD, ids=[message for _, message in BAD])
def test_bad_input_is_named(call, message):
    with pytest.raises(ValueError, match=message):
        call()


@pytest.mark.parametrize("method", sorted(rf.BY_FACTOR))
@pytest.mark.parametrize("factor", [0.99, math.nan, math.inf])
def test_factor_below_one_is_refused_everywhere(method, factor):
    with pytest.raises(ValueError, match="factor must be a number at least 1 and finite, got"):
        rf.BY_FACTOR[method](large, factor)


def test_smallest_head_works():
    tiny = Rope(2, 10_000, 64)
    assert tiny.theta.tolist() == [1.0]
    assert rf.ntk_fixed(tiny, 4).tolist() == [0.25]
    assert rf.ntk_mixed(tiny, 4).tolist() == [0.25]
    assert rf.yarn(tiny, 4).shape == (1,)
    assert rf.abel_bound(tiny.theta, [5.0]).tolist() == pytest.approx([1.0])


def test_float32_in_means_float64_out():
    theta = large.theta.astype(np.float32)
    for result in (
        rf.cosine_sums(theta, 300),
        rf.abel_bound(theta, np.array([1, 2], np.float32)),
        rf.ratios(large, theta),
        rf.turns(large, theta),
    ):
        assert result.dtype == np.float64
    with pytest.raises(ValueError, match="read-only"):
        large.theta[0] = 2
