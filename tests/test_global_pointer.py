"""GlobalPointer: laws of score, loss and decoding, published vectors, plain loops and autograd.

``python -m pytest tests/test_global_pointer.py``. Vectors are stated to the digits printed, so
their tolerance is half a unit of the last one; other tolerances are rounding of float64 sums of at
most a few hundred terms of size below 100, 1e-12 relative, unless a comment says otherwise.
"""

import itertools
import math
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from models import global_pointer as gp
from models.ner_heads import Efficient, GlobalPointer

fast = settings(deadline=None, max_examples=50, derandomize=True)
numbers = st.floats(-30, 30, allow_subnormal=False)


@st.composite
def labelled(draw):
    """Scores (n, n), positives and a mask of the same shape."""
    n = draw(st.integers(1, 5))
    bools = arrays(np.bool_, (n, n))
    return draw(arrays(np.float64, (n, n), elements=numbers)), draw(bools), draw(bools)


def gradient_of(x: torch.Tensor) -> Any:
    assert x.grad is not None
    return x.grad.numpy().copy()


def example(rope=True):
    """Scores of the worked example, (5, 5)."""
    i, c = np.arange(5)[:, None], np.arange(4)
    q, k = (i + 1) * (c + 2) % 5 - 2, ((i + 2) * (c + 1) + i) % 7 - 3
    return gp.scores(q, k, rope=rope)


def efficient_example() -> Any:
    r, c = np.arange(4)[:, None], np.arange(4)
    h = [[1, 0, -1], [0.5, 1, 0], [-1, 2, 1], [0, 0, 2]]
    weight_p = ((3 * r[:3] + c) % 5 - 2) / 2
    return h, weight_p, np.zeros(4), ((2 * r + 3 * c) % 7 - 3) / 4, np.zeros(4)


def random_efficient(rng, n=7, D=5, d=6, m=3) -> dict[str, Any]:
    shapes = (n, D), (D, 2 * d), (2 * d,), (2 * d, 2 * m), (2 * m,)
    names = ("h", "weight_p", "bias_p", "weight_q", "bias_q")
    return {name: rng.standard_normal(shape) for name, shape in zip(names, shapes, strict=True)}


def random_pointer(rng, n=7, D=5, d=6, m=3) -> Any:
    return tuple(rng.standard_normal(shape) for shape in ((n, D), (D, 2 * d * m), (2 * d * m,)))


# --- Scores: laws ---------------------------------------------------------------------------------


def test_rotation_keeps_lengths_and_turns_pairs_counterclockwise(rng):
    x = rng.standard_normal((3, 9, 8))
    turned = gp.rotate(x)
    np.testing.assert_allclose(
        np.linalg.norm(turned, axis=-1), np.linalg.norm(x, axis=-1), rtol=1e-12
    )
    np.testing.assert_array_equal(turned[:, 0], x[:, 0])
    angle = gp.angles(9, 8)
    assert angle.shape == (9, 4) and angle[1].tolist() == pytest.approx(
        [1, 0.1, 0.01, 0.001], rel=1e-12
    )
    for i, c in itertools.product(range(9), range(4)):
        pair, cos, sin = x[0, i, 2 * c : 2 * c + 2], math.cos(angle[i, c]), math.sin(angle[i, c])
        wanted = [pair[0] * cos - pair[1] * sin, pair[1] * cos + pair[0] * sin]
        np.testing.assert_allclose(turned[0, i, 2 * c : 2 * c + 2], wanted, rtol=1e-12, atol=1e-14)


def test_score_depends_on_the_distance_only(rng):
    q, k = (np.tile(rng.standard_normal(8), (12, 1)) for _ in range(2))
    matrix = gp.scores(q, k)
    for distance in range(-11, 12):
        along = np.diagonal(matrix, distance)
        np.testing.assert_allclose(along, along[0], rtol=1e-12, atol=1e-13)
    assert np.ptp(matrix[0]) > 0.1
    np.testing.assert_allclose(gp.scores(q, k, rope=False), q[0] @ k[0] / math.sqrt(8), rtol=1e-12)


def test_rope_leaves_the_diagonal(rng):
    q, k = rng.standard_normal((2, 3, 6, 4))
    with_rope, bare = gp.scores(q, k), gp.scores(q, k, rope=False)
    at = np.arange(6)
    np.testing.assert_allclose(with_rope[:, at, at], bare[:, at, at], rtol=1e-12, atol=1e-13)
    assert not np.allclose(with_rope, bare)


def test_scores_equal_sums_cell_by_cell(rng):
    q, k = rng.standard_normal((2, 2, 4, 6))
    matrix = gp.scores(q, k, base=50.0, scaled=False)
    theta = [50.0 ** (-2 * c / 6) for c in range(3)]
    for a, i, j in np.ndindex(2, 4, 4):
        # Re sum conj(q) k e^(I (j - i) theta), the same in complex numbers
        pairs = zip(q[a, i].reshape(3, 2), k[a, j].reshape(3, 2), theta, strict=True)
        total = sum(
            (complex(*x).conjugate() * complex(*y) * np.exp(1j * (j - i) * t)).real
            for x, y, t in pairs
        )
        assert matrix[a, i, j] == pytest.approx(total, rel=1e-12, abs=1e-13)
    np.testing.assert_allclose(gp.scores(q, k, base=50.0) * math.sqrt(6), matrix, rtol=1e-12)


def test_chunks_are_types_and_halves_are_query_and_key(rng):
    h, weight, bias = random_pointer(rng)
    q, k = gp.queries_keys(h, weight, bias, 6)
    both = h @ weight + bias
    for a in range(3):
        np.testing.assert_allclose(q[a], both[:, 12 * a : 12 * a + 6], rtol=1e-12)
        np.testing.assert_allclose(k[a], both[:, 12 * a + 6 : 12 * a + 12], rtol=1e-12)
    np.testing.assert_array_equal(gp.global_pointer(h, weight, bias, 6), gp.scores(q, k))


@pytest.mark.parametrize("rope", [True, False])
def test_scores_equal_the_networks(rope, rng):
    # The networks compute in float32: 1e-5 of scores of size 30.
    n, D, d, m = 7, 5, 64, 3
    mask = torch.ones(1, n, dtype=torch.bool)
    for network in (GlobalPointer(D, m, rope, d), Efficient(D, m, rope, d)):
        h = rng.standard_normal((n, D)).astype(np.float32)
        with torch.no_grad():
            wanted = network(torch.from_numpy(h)[None], mask)[0].numpy()
            weights = [p.numpy().T for p in network.parameters()]
        if isinstance(network, GlobalPointer):
            ours = gp.global_pointer(h, weights[0], weights[1], d, rope)
        else:
            ours = gp.efficient(h, weights[0], weights[1], weights[2], weights[3], rope)
        np.testing.assert_allclose(gp.mask(ours), wanted, atol=3e-4)


@pytest.mark.parametrize("rope", [True, False])
def test_efficient_parts_add_up(rope, rng):
    inputs = random_efficient(rng)
    shared, start, end = gp.efficient_parts(**inputs, rope=rope)
    assert shared.shape == (7, 7) and start.shape == end.shape == (3, 7)
    whole = gp.efficient(**inputs, rope=rope)
    for a, i, j in np.ndindex(3, 7, 7):
        assert whole[a, i, j] == pytest.approx(shared[i, j] + start[a, i] + end[a, j], rel=1e-12)


def test_only_the_shared_part_sees_distance(rng):
    inputs = random_efficient(rng)
    with_rope, bare = gp.efficient_parts(**inputs), gp.efficient_parts(**inputs, rope=False)
    assert not np.allclose(with_rope[0], bare[0])
    np.testing.assert_array_equal(with_rope[1], bare[1])
    np.testing.assert_array_equal(with_rope[2], bare[2])


@pytest.mark.parametrize("triangle", [True, False])
def test_types_of_the_efficient_form_differ_by_row_plus_column(triangle, rng):
    ours = gp.efficient(**random_efficient(rng))
    h, weight, bias = random_pointer(rng)
    others = gp.global_pointer(h, weight, bias, 6)
    if triangle:
        ours, others = gp.mask(ours), gp.mask(others)
    for a, b in itertools.combinations(range(3), 2):
        # Rounding of a system of 13 unknowns with scores of size 100
        assert gp.additive_gap(ours[a], ours[b], triangle) < 1e-11
        assert gp.additive_gap(others[a], others[b], triangle) > 1


def test_additive_gap_is_the_residual_of_least_squares(rng):
    a, b = rng.standard_normal((2, 6, 6))
    gap = a - b
    centred = gap - gap.mean(0) - gap.mean(1, keepdims=True) + gap.mean()
    assert gp.additive_gap(a, b) == pytest.approx(np.abs(centred).max(), rel=1e-11)
    rows, columns = np.triu_indices(6)
    design = np.hstack([np.eye(6)[rows], np.eye(6)[columns]])
    target = gap[rows, columns]
    fit = design @ np.linalg.lstsq(design, target, rcond=None)[0]
    assert gp.additive_gap(a, b, True) == pytest.approx(np.abs(target - fit).max(), rel=1e-11)
    assert gp.additive_gap([[3.0]], [[1.0]]) == gp.additive_gap([[3.0]], [[1.0]], True) == 0


# --- Scores: vectors ------------------------------------------------------------------------------


def test_worked_example_with_rope():
    wanted = [
        *(5.5, -3.41956747, -2.59525655, 0.37299131, 1.52596859),
        *(-0.5, -2.11617498, 1.12761975, 1.75020808, -2.5, 2.7304239, 3.00089548),
        *(-0.5, 4.42553541, 6),
    ]
    np.testing.assert_allclose(example()[np.triu_indices(5)], wanted, atol=6e-9)


def test_worked_example_without_rope():
    wanted = [5.5, -4.5, -4, 3.5, 0.5, -0.5, 0.5, -2, 2.5, -2.5, 5, 2, -0.5, 4, 6]
    np.testing.assert_array_equal(example(rope=False)[np.triu_indices(5)], wanted)


@pytest.mark.parametrize(
    ("rope", "wanted", "loss"),
    [
        (True, "00 03 04 13 14 23 24 34 44", 10.0924410403),
        (False, "00 03 04 12 14 23 24 34 44", 11.3173434290),
    ],
)
def test_worked_example_decoded(rope, wanted, loss):
    matrix = example(rope)
    found = {(start, end) for _, start, end, _ in gp.decode(matrix[None]).tolist()}
    assert found == {(int(start), int(end)) for start, end in wanted.split()}
    gold = {(0, 1), (2, 4)}
    assert 2 * len(found & gold) / (len(found) + len(gold)) == pytest.approx(2 / 11, rel=1e-12)
    positive = np.zeros((5, 5), bool)
    positive[tuple(zip(*gold, strict=True))] = True
    assert gp.zlpr(gp.mask(matrix), positive) == pytest.approx(loss, abs=6e-11)
    assert gp.zlpr(matrix, positive, gp.upper(5)) == pytest.approx(loss, abs=6e-11)


def test_worked_example_of_the_efficient_form():
    wanted = [
        [
            [0.478553, -0.580518, -1.795195, 2.174817],
            [0.487271, 0.458027, -1.952749, 2.432271],
            [0.285544, 1.956835, 3.181981, -0.431184],
            [-0.525213, -0.964725, -4.211174, 2.039214],
        ],
        [
            [0.103553, -0.705518, -0.920195, 0.862317],
            [-0.512729, -0.291973, -1.702749, 0.494771],
            [-1.464456, 0.456835, 2.681981, -3.118684],
            [-0.087713, -0.277225, -2.523674, 1.539214],
        ],
    ]
    ours = gp.efficient(*efficient_example())
    np.testing.assert_allclose(ours, wanted, atol=6e-7)
    assert gp.additive_gap(*ours) < 1e-13


@pytest.mark.parametrize(
    ("m", "counts"),
    [
        (1, (98_304, 98_432, 98_560, 98_690, 99_840, 2_316)),
        (3, (294_912, 295_296, 99_072, 99_206, 102_912, 5_432)),
        (9, (884_736, 885_888, 100_608, 100_754, 112_128, 14_972)),
        (10, (983_040, 984_320, 100_864, 101_012, 113_664, 16_590)),
        (100, (9_830_400, 9_843_200, 123_904, 124_232, 251_904, 194_970)),
    ],
)
def test_parameter_counts(m, counts):
    ours = gp.parameter_counts(768, 64, m)
    assert tuple(ours.values()) == counts
    assert list(ours) == ["gp", "gp_bias", "egp", "egp_bias", "first_idea", "crf"]


def test_parameter_counts_are_those_of_the_networks():
    ours = gp.parameter_counts(20, 8, 3)
    for key, network in (("gp", GlobalPointer), ("egp", Efficient)):
        sizes = [p.numel() for p in network(20, 3, True, 8).parameters()]
        assert sum(sizes) == ours[f"{key}_bias"] and sum(sizes[::2]) == ours[key]


# --- Loss: laws -----------------------------------------------------------------------------------


@fast
@given(labelled())
def test_loss_is_the_plain_sum(case):
    s, positive, counts = case
    cells = [(float(x), bool(y)) for x, y in zip(s[counts], positive[counts], strict=True)]
    negative = math.log1p(math.fsum(math.exp(x) for x, y in cells if not y))
    right = math.log1p(math.fsum(math.exp(-x) for x, y in cells if y))
    terms = gp.zlpr_terms(s, positive, counts)
    assert terms[0] == pytest.approx(negative, rel=1e-12)
    assert terms[1] == pytest.approx(right, rel=1e-12)
    loss = gp.zlpr(s, positive, counts)
    assert loss == terms[0] + terms[1] and loss >= 0
    each = math.fsum(math.log1p(math.exp(-x if y else x)) for x, y in cells)
    assert gp.bce(s, positive, counts) == pytest.approx(each, rel=1e-12)
    assert loss <= gp.bce(s, positive, counts) * (1 + 1e-12)  # 1 + sum <= product of (1 + e)


@fast
@given(labelled(), st.randoms(use_true_random=False))
def test_loss_ignores_the_order_of_cells(case, random):
    s, positive, counts = case
    order = list(range(s.size))
    random.shuffle(order)
    moved = [x.ravel()[order].reshape(s.shape) for x in (s, positive, counts)]
    for loss in (gp.zlpr, gp.bce):
        assert loss(*moved) == pytest.approx(loss(*case), rel=1e-12)


def test_a_common_shift_is_not_neutral():
    assert gp.zlpr([[0.0, 0.0]], [[1, 0]]) == pytest.approx(2 * math.log(2), rel=1e-12)
    assert gp.zlpr([[5.0, 5.0]], [[1, 0]]) > 5


@fast
@given(labelled())
def test_gradients_equal_those_of_autograd(case):
    s, positive, counts = case
    x = torch.tensor(s, requires_grad=True)
    y, use = torch.from_numpy(positive), torch.from_numpy(counts)
    zero = x.new_zeros(1)
    both = torch.cat([zero, x[use & ~y]]), torch.cat([zero, -x[use & y]])
    (both[0].logsumexp(0) + both[1].logsumexp(0)).backward()
    np.testing.assert_allclose(gp.zlpr_gradient(*case), gradient_of(x), rtol=1e-12, atol=1e-14)
    x.grad = None
    entropy = torch.nn.functional.binary_cross_entropy_with_logits
    entropy(x, y.double(), weight=use.double(), reduction="sum").backward()
    np.testing.assert_allclose(gp.bce_gradient(*case), gradient_of(x), rtol=1e-12, atol=1e-14)


@pytest.mark.parametrize(
    ("loss", "gradient"), [(gp.zlpr, gp.zlpr_gradient), (gp.bce, gp.bce_gradient)]
)
def test_gradients_equal_differences(loss, gradient, rng):
    s, positive, step = 2 * rng.standard_normal((4, 4)), rng.random((4, 4)) < 0.3, 1e-5
    ours = gradient(s, positive, gp.upper(4))
    for i, j in np.ndindex(4, 4):
        d = np.zeros((4, 4))
        d[i, j] = step
        change = loss(s + d, positive, gp.upper(4)) - loss(s - d, positive, gp.upper(4))
        # Central differences: error step^2 = 1e-10, rounding 1e-15 / step = 1e-10
        assert ours[i, j] == pytest.approx(change / (2 * step), abs=2e-9)


@fast
@given(labelled())
def test_gradient_sums_stay_below_one(case):
    s, positive, counts = case
    gradient = gp.zlpr_gradient(s, positive, counts)
    negative, true = gradient[counts & ~positive], gradient[counts & positive]
    assert (negative >= 0).all() and (true <= 0).all() and not gradient[~counts].any()
    terms = gp.zlpr_terms(s, positive, counts)
    # The share of the appended 1 is e^-term
    assert negative.sum() == pytest.approx(-math.expm1(-terms[0]), rel=1e-12)
    assert -true.sum() == pytest.approx(-math.expm1(-terms[1]), rel=1e-12)


@fast
@given(labelled())
def test_hard_labels_are_soft_ones(case):
    s, positive, counts = case
    assert gp.zlpr_soft(s, positive, counts) == gp.zlpr(s, positive, counts)
    masked = np.where(counts, s, -np.inf)
    right = positive & counts
    assert gp.zlpr_soft(masked, right) == gp.zlpr(s, positive, counts)


def test_cells_that_are_masked_do_not_matter(rng):
    s, positive = rng.standard_normal((2, 5, 5)), rng.random((2, 5, 5)) < 0.3
    counts = gp.upper(5)
    junk = np.where(counts, s, rng.choice([np.nan, np.inf, -np.inf, 1e300], (2, 5, 5)))
    flipped = np.where(counts, positive, ~positive)
    for loss in (gp.zlpr, gp.bce, gp.zlpr_soft, gp.zlpr_gradient, gp.bce_gradient):
        np.testing.assert_array_equal(loss(junk, flipped, counts), loss(s, positive, counts))
    for value in (-np.inf, -1e12):
        np.testing.assert_array_equal(
            gp.zlpr(gp.mask(s, value=value), positive & counts), gp.zlpr(s, positive, counts)
        )


@pytest.mark.parametrize("size", [1e3, 1e4, 1e300])
def test_large_scores_stay_finite(size):
    right, wrong = [[size, -size]], [[-size, size]]
    positive = [[1, 0]]
    assert gp.zlpr(right, positive) == gp.bce(right, positive) == 0
    assert gp.zlpr_soft(right, positive) == 0
    assert gp.zlpr(wrong, positive) == gp.bce(wrong, positive) == 2 * size
    assert gp.zlpr_soft(wrong, [[0.5, 0.5]]) == pytest.approx(
        2 * size + 2 * math.log(0.5), rel=1e-12
    )
    np.testing.assert_array_equal(gp.zlpr_gradient(right, positive), [[0, 0]])
    np.testing.assert_array_equal(gp.zlpr_gradient(wrong, positive), [[-1, 1]])
    np.testing.assert_array_equal(gp.bce_gradient(wrong, positive), [[-1, 1]])


def test_infinite_scores_are_the_limit():
    inf = np.inf
    assert gp.zlpr([[inf, -inf, -inf]], [[1, 0, 0]]) == 0
    assert gp.bce([[inf, -inf]], [[1, 0]]) == gp.zlpr_soft([[inf, -inf]], [[1, 0]]) == 0
    for loss in (gp.zlpr, gp.bce, gp.zlpr_soft):
        assert loss([[-inf, 0.0]], [[1, 0]]) == loss([[0.0, inf]], [[1, 0]]) == inf
    gradient = gp.zlpr_gradient([[-inf, -inf, 3.0, inf]], [[1, 1, 1, 0]])
    np.testing.assert_array_equal(gradient, [[-0.5, -0.5, 0, 1]])
    np.testing.assert_array_equal(gp.bce_gradient([[-inf, -inf, inf]], [[1, 0, 1]]), [[-1, 0, 0]])


def test_nothing_that_counts_costs_nothing(rng):
    s = rng.standard_normal((3, 4, 4))
    nothing = np.zeros((3, 4, 4), bool)
    for loss in (gp.zlpr, gp.bce, gp.zlpr_soft):
        np.testing.assert_array_equal(loss(s, nothing, nothing), [0, 0, 0])
        np.testing.assert_array_equal(loss(np.full_like(s, -np.inf), nothing), [0, 0, 0])
        assert loss(np.empty((2, 0, 0)), np.empty((2, 0, 0), bool)).tolist() == [0, 0]


def test_leading_axes_are_separate(rng):
    s, positive = rng.standard_normal((2, 3, 4, 4)), rng.random((2, 3, 4, 4)) < 0.2
    for loss in (gp.zlpr, gp.bce, gp.zlpr_soft, gp.zlpr_gradient, gp.bce_gradient):
        whole = loss(s, positive)
        assert whole.shape[:2] == (2, 3) and whole.dtype == np.float64
        for at in np.ndindex(2, 3):
            np.testing.assert_array_equal(whole[at], loss(s[at], positive[at]))


# --- Loss: vectors --------------------------------------------------------------------------------

S = np.array([[2, -1, 0.5, -3, 1.5, -0.2]])
Y = np.array([[1, 0, 0, 0, 1, 0]])


def test_loss_of_six_cells():
    assert gp.zlpr(S, Y) == pytest.approx(1.6635092060897347, rel=1e-14)
    assert gp.bce(S, Y) == pytest.approx(2.2624061817, abs=6e-11)
    wanted = [[-0.09962365, 0.09468937, 0.42436833, 0.01281481, -0.16425163, 0.21073508]]
    np.testing.assert_allclose(gp.zlpr_gradient(S, Y), wanted, atol=6e-9)
    soft = [[0.9, 0.1, 0.1, 0.1, 0.9, 0.1]]
    assert gp.zlpr_soft(S, soft) == pytest.approx(2.896466045945882, rel=1e-14)


def test_loss_of_six_cells_as_one_logarithm():
    s, true = S[0], Y[0] == 1
    pairs = np.exp(s[~true][:, None] - s[true]).sum()
    total = 1 + pairs + np.exp(s[~true]).sum() + np.exp(-s[true]).sum()
    assert gp.zlpr(S, Y) == pytest.approx(math.log(total), rel=1e-14)


@pytest.mark.parametrize(
    ("n", "n_positive", "zlpr", "bce"),
    [
        (5, 1, math.log(15) + math.log(2), 15 * math.log(2)),
        (5, 1, 3.401197, 10.397208),
        (5, 0, 2.772589, 10.397208),
        (50, 3, 8.535426, 883.762655),
        (512, 3, 13.171732, 91_029.633),
    ],
)
def test_losses_at_zero_scores(n, n_positive, zlpr, bce):
    positive = np.zeros((n, n), bool)
    positive[0, :n_positive] = True
    cells = gp.mask(np.zeros((n, n)))
    # Half a unit of the last digit given
    assert gp.zlpr(cells, positive) == pytest.approx(zlpr, abs=6e-7)
    assert gp.bce(cells, positive) == pytest.approx(bce, abs=6e-7 if n < 512 else 6e-4)
    closed = gp.zero_score_losses(n, n_positive)
    assert closed[0] == pytest.approx(gp.zlpr(cells, positive), rel=1e-13)
    assert closed[1] == pytest.approx(gp.bce(cells, positive), rel=1e-13)


def test_losses_at_zero_scores_make_a_curve():
    n = np.array([2, 5, 50])
    losses = gp.zero_score_losses(n, 3)
    assert [loss.shape for loss in losses] == [(3,), (3,)]
    assert losses[0][2] == gp.zero_score_losses(50, 3)[0]
    assert gp.zero_score_losses(n[:, None], [0, 1])[1].shape == (3, 2)


# --- Reading comprehension ------------------------------------------------------------------------


def test_overlap_f1_counts_common_tokens():
    table = gp.overlap_f1(6, 2, 4)
    for i, j in np.ndindex(6, 6):
        common = len(set(range(i, j + 1)) & {2, 3, 4})
        wanted = 2 * common / (j - i + 1 + 3) if i <= j else 0
        assert table[i, j] == pytest.approx(wanted, rel=1e-15)
    assert np.argwhere(table == 1).tolist() == [[2, 4]]


def test_expected_f1_loss_is_the_expectation(rng):
    s, f1 = rng.standard_normal((2, 4, 4)), gp.overlap_f1(4, 1, 2)
    for a in range(2):
        p = {(i, j): math.exp(s[a, i, j]) for i in range(4) for j in range(i, 4)}
        total = sum(p.values())
        mean = sum(v / total * f1[at] for at, v in p.items())
        entropy = -sum(v / total * math.log(v / total) for v in p.values())
        wanted = -mean - 0.3 * entropy
        assert gp.expected_f1_loss(s, f1, 0.3)[a] == pytest.approx(wanted, rel=1e-12)
    s[:, 1, 2] = 1e4
    assert gp.expected_f1_loss(s, f1, 0.3).tolist() == [-1, -1]
    np.testing.assert_allclose(gp.expected_f1_loss(s + 7.0, f1), gp.expected_f1_loss(s, f1))


# --- Masks and decoding ---------------------------------------------------------------------------


def test_mask_hides_the_lower_triangle_and_padding(rng):
    s = rng.standard_normal((2, 5, 5))
    before = s.copy()
    for n_valid, value in itertools.product((None, 0, 3, 5), (-np.inf, -1e12)):
        masked = gp.mask(s, n_valid, value)
        for a, i, j in np.ndindex(2, 5, 5):
            shown = i <= j < (5 if n_valid is None else n_valid)
            assert masked[a, i, j] == (s[a, i, j] if shown else value)
    np.testing.assert_array_equal(s, before)
    assert gp.upper(3).tolist() == [[True, True, True], [False, True, True], [False, False, True]]


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("threshold", [-0.5, 0, 1.25])
def test_decode_equals_a_plain_loop(dtype, threshold, rng):
    s = (rng.integers(-8, 9, (4, 9, 9)) / 4).astype(dtype)  # many scores on the threshold
    wanted = [
        (a, i, j, float(s[a, i, j]))
        for a in range(4)
        for i in range(9)
        for j in range(i, 9)
        if s[a, i, j] > threshold
    ]
    found = gp.decode(s, threshold)
    assert found.tolist() == wanted and len(wanted) > 5
    assert gp.decode(gp.mask(s), threshold).tolist() == wanted
    assert gp.decode(np.asfortranarray(s), threshold).tolist() == wanted
    assert found["end"].tolist() == [end for _, _, end, _ in wanted]


def test_decode_keeps_nested_crossing_and_twofold_spans():
    s = gp.mask(np.full((2, 4, 4), -1.0))
    s[0, 0, 3] = s[0, 1, 2] = s[0, 2, 3] = s[1, 1, 2] = 1
    s[1, 0, 0] = 0  # exactly the threshold
    spans = [entity[:3] for entity in gp.decode(s).tolist()]
    assert spans == [(0, 0, 3), (0, 1, 2), (0, 2, 3), (1, 1, 2)]


def test_decode_of_little():
    assert gp.decode(np.empty((2, 0, 0))).tolist() == []
    assert gp.decode(np.full((1, 3, 3), -np.inf), -1e300).tolist() == []
    assert gp.decode([[[1]]]).tolist() == [(0, 0, 0, 1.0)]
    assert gp.decode(np.array([[[1]]], np.float32), 1e300).tolist() == []
    assert gp.decode(np.array([[[1]]], np.float32), -1e300).tolist() == [(0, 0, 0, 1.0)]
    below = np.array([[[1.0, 1.0], [np.nan, 1.0]]])
    assert len(gp.decode(below)) == 3


# --- The separable scorer -------------------------------------------------------------------------


@pytest.mark.parametrize("n", [1, 2, 3, 4, 8])
def test_separable_f1_is_that_of_all_pairs(n):
    gold = {(5 * k, 5 * k + 2) for k in range(n)}
    found = gp.separable_spans([start for start, _ in gold], [end for _, end in gold])
    assert len(found) == n * (n + 1) // 2 and gold <= set(found)
    f1 = 2 * len(gold) / (len(gold) + len(found))
    assert gp.separable_f1(n) == pytest.approx(f1, rel=1e-15)


def test_separable_f1_of_the_table():
    np.testing.assert_allclose(gp.separable_f1([2, 3, 4, 8]), [0.8, 0.667, 0.571, 0.364], atol=5e-4)


def test_scores_of_row_plus_column_decode_to_separable_spans():
    f, g = np.full(8, -1.0), np.full(8, -1.0)
    f[[0, 5]], g[[1, 6]] = 0.9, 0.9
    f[f < 0] = g[g < 0] = -3
    found = gp.decode((f[:, None] + g)[None])[["start", "end"]].tolist()
    assert found == gp.separable_spans([0, 5], [1, 6]) == [(0, 1), (0, 6), (5, 6)]


# --- What is refused ------------------------------------------------------------------------------

ZEROS = np.zeros((2, 3, 3))
NO = np.zeros((2, 3, 3), bool)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: gp.angles(0, 4), "n must"),
        (lambda: gp.angles(3, 5), "head_dim must be even"),
        (lambda: gp.angles(3, 4, 1.0), "base must"),
        (lambda: gp.rotate(np.zeros((3, 5))), "head_dim must be even|even last axis"),
        (lambda: gp.rotate(np.zeros((3, 0))), "x must have shape"),
        (lambda: gp.rotate(np.zeros(4)), "x must have shape"),
        (lambda: gp.scores(np.zeros((3, 3)), np.zeros((3, 3))), "even"),
        (lambda: gp.scores(np.zeros((3, 4)), np.zeros((2, 4))), "k must have the shape of q"),
        (lambda: gp.scores(np.zeros(4), np.zeros(4)), "q must have shape"),
        (lambda: gp.global_pointer(np.eye(3), np.zeros((3, 6)), np.zeros(6), 3), "head_dim"),
        (lambda: gp.global_pointer(np.eye(3), np.zeros((3, 6)), np.zeros(6), 2), "multiple of 4"),
        (lambda: gp.global_pointer(np.eye(3), np.zeros((3, 0)), np.zeros(0), 2), "multiple of 4"),
        (lambda: gp.global_pointer(np.eye(3), np.zeros((2, 4)), np.zeros(4), 2), "weight must"),
        (lambda: gp.global_pointer(np.eye(3), np.zeros((3, 4)), np.zeros(3), 2), "bias must"),
        (lambda: gp.global_pointer(np.zeros(3), np.zeros((3, 4)), np.zeros(4), 2), "h must"),
        (lambda: gp.additive_gap(ZEROS[0], np.eye(2)), "scores must be two"),
        (lambda: gp.additive_gap(gp.mask(ZEROS[0]), ZEROS[0]), "finite"),
        (lambda: gp.additive_gap(ZEROS, ZEROS), "scores_a must have shape"),
        (lambda: gp.mask(np.zeros((2, 3))), "scores must have shape"),
        (lambda: gp.mask(ZEROS, 4), "n_valid must"),
        (lambda: gp.zlpr(np.zeros(3), np.zeros(3)), "scores must have shape"),
        (lambda: gp.zlpr(ZEROS, NO[0]), "positive must be booleans of shape"),
        (lambda: gp.zlpr(ZEROS, NO + 0.5), "positive must be booleans"),
        (lambda: gp.zlpr(ZEROS, NO, np.ones((3, 3))), "mask must be booleans"),
        (lambda: gp.zlpr(ZEROS, NO, gp.upper(4)), "mask must broadcast"),
        (lambda: gp.zlpr(ZEROS, NO, np.ones((4, 2, 3, 3), bool)), "mask must broadcast"),
        (lambda: gp.zlpr(ZEROS + np.nan, NO), "got NaN"),
        (lambda: gp.zlpr_soft(ZEROS, NO + 1.5), "t must lie"),
        (lambda: gp.zlpr_soft(ZEROS, NO - np.nan), "t must lie"),
        (lambda: gp.zlpr_soft(ZEROS, NO[0]), "t must have shape"),
        (lambda: gp.zero_score_losses(0, 0), "n must"),
        (lambda: gp.zero_score_losses(2.5, 0), "n must"),
        (lambda: gp.zero_score_losses(2, 4), "n_positive must be at most"),
        (lambda: gp.zero_score_losses(2, -1), "n_positive must"),
        (lambda: gp.decode(ZEROS, math.nan), "threshold must"),
        (lambda: gp.decode(ZEROS, math.inf), "threshold must"),
        (lambda: gp.decode(ZEROS, -math.inf), "threshold must"),
        (lambda: gp.decode(ZEROS, "high"), "threshold must"),  # type: ignore[arg-type]
        (lambda: gp.decode(ZEROS[0]), "scores must have shape"),
        (lambda: gp.decode(np.zeros((0, 3, 3))), "m at least 1"),
        (lambda: gp.decode(np.zeros((1, 3, 4))), "scores must have shape"),
        (lambda: gp.decode(ZEROS + np.nan), "got NaN"),
        (lambda: gp.parameter_counts(0, 4, 1), "D must"),
        (lambda: gp.parameter_counts(8, 3, 1), "d must be even"),
        (lambda: gp.parameter_counts(8, 0, 1), "d must"),
        (lambda: gp.parameter_counts(8, 4, 0), "m must"),
        (lambda: gp.separable_f1(0), "n must"),
        (lambda: gp.separable_f1(math.inf), "n must"),
        (lambda: gp.separable_spans([-1], [0]), "starts must"),
        (lambda: gp.overlap_f1(3, 2, 1), "end must"),
        (lambda: gp.overlap_f1(3, 3, 3), "start must"),
        (lambda: gp.expected_f1_loss(ZEROS, np.zeros((2, 2))), "f1 must have shape"),
        (lambda: gp.expected_f1_loss(ZEROS, np.full((3, 3), np.nan)), "f1 must be finite"),
        (lambda: gp.expected_f1_loss(ZEROS - np.inf, ZEROS[0]), "finite largest"),
        (lambda: gp.expected_f1_loss(ZEROS, ZEROS[0], -1), "entropy_weight must"),
    ],
)
def test_what_is_outside_the_domain_is_refused(call, message):
    with pytest.raises(ValueError, match=message):
        call()


def test_shapes_of_the_efficient_form_are_checked(rng):
    good = random_efficient(rng)
    for name, value in good.items():
        for bad in (value[None], value[..., :-1]):
            wanted = "weight_p must" if name == "h" and bad.ndim == 2 else f"{name} must"
            with pytest.raises(ValueError, match=wanted):
                gp.efficient(**{**good, name: bad})
    with pytest.raises(ValueError, match="d even"):
        gp.efficient(**{**good, "weight_p": good["weight_p"][:, :10]})
    with pytest.raises(ValueError, match="2 columns for each type"):
        gp.efficient(**{**good, "weight_q": good["weight_q"][:, :0]})
