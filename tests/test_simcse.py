"""The two contrastive losses, their gradients, and the same losses in torch.

Checked against values known in closed form, the post's sum and the paper's equation written out
term by term, finite differences, torch's autograd, and the losses of sentence-transformers.
``python -m pytest tests/test_simcse.py``
"""

import math
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from models.simcse import (
    VARIANTS,
    collapse_loss,
    contrast,
    cosent_loss,
    cosine_gradient,
    dropout_relative_variance,
    gradient,
    interleave,
    positive_columns,
    simcse_loss,
    through_unit,
)
from models.similarity import pair_cosines

quick = settings(deadline=None, max_examples=30, derandomize=True)
H0 = np.eye(3)
H1 = np.array([[0.9, 0.1, 0], [0.1, 0.8, 0.2], [0, 0.3, 0.7]])


def views(rng, n=5, d=4):
    return rng.standard_normal((2, n, d))


def cos(a, b):
    return a @ b / math.sqrt((a @ a) * (b @ b))


def su_by_hand(first, second, tau):
    """The post's sum over sentences and views, divided by its 2N terms."""
    h = [first, second]
    total = 0.0
    for i in range(len(first)):
        for a in (0, 1):
            same = [cos(h[a][i], h[a][j]) for j in range(len(first)) if j != i]
            across = [cos(h[a][i], h[1 - a][j]) for j in range(len(first))]
            total += math.log(sum(math.exp(c / tau) for c in same + across))
            total -= across[i] / tau
    return total / (2 * len(first))


def paper_by_hand(first, second, tau):
    """Equation 4, averaged over the batch."""
    total = 0.0
    for i, h in enumerate(first):
        terms = [math.exp(cos(h, other) / tau) for other in second]
        total -= math.log(terms[i] / sum(terms))
    return total / len(first)


BY_HAND = {"su": su_by_hand, "paper": paper_by_hand}


# --- Values


@pytest.mark.parametrize("variant", VARIANTS)
@pytest.mark.parametrize("tau", [0.05, 0.3, 2])
@pytest.mark.parametrize("n", [2, 5])
def test_loss_is_its_equation_term_by_term(n, tau, variant, rng):
    first, second = views(rng, n)
    expected = BY_HAND[variant](first, second, tau)
    assert contrast(first, second, tau, variant).loss == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize(
    ("tau", "variant", "value"),
    [
        (0.05, "su", 4.107764e-4),
        (0.05, "paper", 4.247581e-6),
        (0.1, "su", 1.330883e-2),
        (1, "su", 1.029180),
        (1, "paper", 0.638444),
    ],
)
def test_loss_of_known_views(tau, variant, value):
    assert contrast(H0, H1, tau, variant).loss == pytest.approx(value, rel=1e-6)


@pytest.mark.parametrize(
    ("variant", "others", "value"), [("su", 4, 8.2446e-9), ("paper", 2, 4.1223e-9)]
)
def test_loss_of_orthonormal_sentences(variant, others, value):
    loss = contrast(H0, H0, 0.05, variant).loss
    assert loss == pytest.approx(value, rel=1e-4)
    assert loss == pytest.approx(math.log1p(others * math.exp(-20)), rel=1e-12)


@pytest.mark.parametrize(("variant", "value"), [("su", 4.844187), ("paper", 4.158883)])
@pytest.mark.parametrize("tau", [0.001, 0.05, 1])
def test_collapse_costs_the_logarithm_of_the_candidates(tau, variant, value):
    same = np.tile([[0.3, -0.4, 1.2]], (64, 1))
    seen = contrast(same, same, tau, variant)
    assert collapse_loss(64, variant) == pytest.approx(value, abs=5e-7)
    assert seen.loss == pytest.approx(collapse_loss(64, variant), rel=1e-12)
    slopes = gradient(same, same, tau, variant)
    np.testing.assert_allclose(slopes, 0, atol=1e-9)  # a saddle: rounding 1e-16 over tau
    zero = np.zeros((64, 3))
    assert contrast(zero, zero, tau, variant).loss == pytest.approx(collapse_loss(64, variant))


@pytest.mark.parametrize("variant", VARIANTS)
def test_a_batch_of_one_costs_nothing(variant, rng):
    first, second = views(rng, 1)
    assert contrast(first, second, 0.05, variant).loss == 0 == collapse_loss(1, variant)
    np.testing.assert_allclose(gradient(first, second, 0.05, variant), 0, atol=1e-15)


@pytest.mark.parametrize("variant", VARIANTS)
@pytest.mark.parametrize("tau", [1e-6, 1e-3, 1e6])
def test_extreme_temperatures_stay_finite(tau, variant, rng):
    first, second = views(rng)
    seen = contrast(first, second, tau, variant)
    assert math.isfinite(seen.loss) and np.isfinite(seen.probabilities).all()
    np.testing.assert_allclose(seen.probabilities.sum(axis=1), 1)
    if tau == 1e6:
        assert seen.loss == pytest.approx(collapse_loss(5, variant), abs=1e-5)


# --- Layout


def test_batch_is_interleaved_and_the_neighbour_is_the_positive():
    batch = interleave([[1.0], [3.0]], [[2.0], [4.0]])
    np.testing.assert_array_equal(batch[:, 0], [1, 2, 3, 4])
    np.testing.assert_array_equal(positive_columns(3), [1, 0, 3, 2, 5, 4])
    np.testing.assert_array_equal(positive_columns(3, "paper"), [0, 1, 2])


def test_matrix_holds_the_pairs_it_says(rng):
    first, second = views(rng)
    su, paper = (contrast(first, second, 0.1, variant) for variant in VARIANTS)
    pairs = pair_cosines(first, second)
    np.testing.assert_allclose(paper.cosines[np.arange(5), paper.positives], pairs)
    np.testing.assert_allclose(su.cosines[np.arange(10), su.positives], np.repeat(pairs, 2))
    np.testing.assert_array_equal(np.isneginf(su.logits), np.eye(10, dtype=bool))
    np.testing.assert_array_equal(np.diag(su.probabilities), 0)
    assert np.isfinite(paper.logits).all()
    np.testing.assert_allclose(su.cosines[0::2, 1::2], paper.cosines, atol=1e-15)
    for seen in (su, paper):
        own = seen.probabilities[np.arange(len(seen.positives)), seen.positives]
        np.testing.assert_allclose(seen.row_losses, -np.log(own), rtol=1e-10)


def test_accuracy_counts_rows_nearest_to_their_positive():
    assert contrast(H0, H1).accuracy == contrast(H0, H1, variant="paper").accuracy == 1
    assert contrast(H0, H1[[1, 0, 2]], variant="paper").accuracy == pytest.approx(1 / 3)


# --- Laws


@quick
@given(st.integers(0, 999), st.sampled_from(VARIANTS), st.floats(0.02, 5))
def test_loss_is_positive_and_blind_to_lengths_and_turns(seed, variant, tau):
    rng = np.random.default_rng(seed)
    first, second = views(rng)
    loss = contrast(first, second, tau, variant).loss
    assert loss >= 0
    turn = np.linalg.qr(rng.standard_normal((4, 4)))[0]
    lengths = rng.uniform(0.1, 10, (2, 5, 1))
    moved = contrast(first @ turn * lengths[0], second @ turn * lengths[1], tau, variant)
    assert moved.loss == pytest.approx(loss, rel=1e-9)
    order = rng.permutation(5)
    assert contrast(first[order], second[order], tau, variant).loss == pytest.approx(loss, rel=1e-9)


def test_sus_loss_is_symmetric_in_the_views_and_the_papers_is_not(rng):
    first, second = views(rng)
    there, back = (contrast(*pair).loss for pair in ((first, second), (second, first)))
    assert there == pytest.approx(back, rel=1e-12)
    there, back = (
        contrast(*pair, variant="paper").loss for pair in ((first, second), (second, first))
    )
    assert abs(there - back) > 0.01


def test_sus_loss_exceeds_the_papers_by_its_extra_candidates(rng):
    first, second = views(rng)
    both = [contrast(*pair, variant="paper").loss for pair in ((first, second), (second, first))]
    assert contrast(first, second).loss > sum(both) / 2


# --- Gradients


@pytest.mark.parametrize("variant", VARIANTS)
def test_gradient_by_cosines_pushes_as_much_as_it_pulls(variant, rng):
    first, second = views(rng)
    seen = contrast(first, second, 0.2, variant)
    slopes = seen.similarity_gradient
    np.testing.assert_allclose(slopes.sum(axis=1), 0, atol=1e-14)
    rows = np.arange(len(slopes))
    expected = seen.probabilities.copy()
    expected[rows, seen.positives] -= 1
    np.testing.assert_allclose(slopes, expected / 0.2)
    assert (slopes[rows, seen.positives] < 0).all()
    step = 1e-6  # central differences: error about step^2 / tau^3, and rounding 1e-16 / step
    for c in (0, 2, 3):
        losses = []
        for sign in (1, -1):
            logits = seen.logits[1].copy()
            logits[c] += sign * step / 0.2
            losses.append(np.logaddexp.reduce(logits) - logits[seen.positives[1]])
        assert (losses[0] - losses[1]) / (2 * step) == pytest.approx(slopes[1, c], abs=1e-7)


@pytest.mark.parametrize("variant", VARIANTS)
@pytest.mark.parametrize("tau", [0.05, 1])
def test_gradient_is_the_slope_and_orthogonal_to_the_vector(tau, variant, rng):
    first, second = views(rng, 3)
    slopes = gradient(first, second, tau, variant)
    for which, (h, slope) in enumerate(zip((first, second), slopes, strict=True)):
        np.testing.assert_allclose((h * slope).sum(axis=1), 0, atol=1e-12)
        for i, j in ((0, 0), (1, 3), (2, 2)):
            losses = []
            for step in (1e-6, -1e-6):
                moved = [first.copy(), second.copy()]
                moved[which][i, j] += step
                losses.append(contrast(moved[0], moved[1], tau, variant).loss)
            numeric = (losses[0] - losses[1]) / 2e-6
            assert numeric == pytest.approx(slope[i, j], abs=1e-6)  # step^2/tau^3, 1e-15/step


def test_gradient_of_a_cosine_is_its_formula(rng):
    h, g = rng.standard_normal((2, 6))
    expected = (g / np.linalg.norm(g) - cos(h, g) * h / np.linalg.norm(h)) / np.linalg.norm(h)
    np.testing.assert_allclose(cosine_gradient(h, g), expected, atol=1e-15)
    assert cosine_gradient(h, g) @ h == pytest.approx(0, abs=1e-15)
    np.testing.assert_allclose(cosine_gradient(h, 3 * h), 0, atol=1e-15)
    np.testing.assert_allclose(through_unit([[0.0, 0.0]], [[1.0, 2.0]]), [[1e8, 2e8]])


@pytest.mark.parametrize("variant", VARIANTS)
def test_equal_views_leave_only_repulsion(variant, rng):
    """Without dropout cos = 1 for a positive pair, and no step of the vectors can pull."""
    x = views(rng)[0]
    seen = contrast(x, x, 0.1, variant)
    slopes = seen.similarity_gradient / len(seen.logits)
    slopes[np.arange(len(slopes)), seen.positives] = 0  # take the pull away: nothing changes
    first, second = gradient(x, x, 0.1, variant)
    u = x / np.linalg.norm(x, axis=1, keepdims=True)
    if variant == "su":
        both = slopes + slopes.T
        expected = through_unit(interleave(x, x), both @ interleave(u, u))[0::2]
    else:
        expected = through_unit(x, slopes @ u)
    np.testing.assert_allclose(first, expected, atol=1e-13)
    if variant == "su":
        np.testing.assert_allclose(first, second, atol=1e-13)


@pytest.mark.parametrize("variant", VARIANTS)
def test_steps_down_the_gradient_lower_the_loss(variant, rng):
    first, second = views(rng)
    losses = []
    for _ in range(30):
        losses.append(contrast(first, second, 0.5, variant).loss)
        slopes = gradient(first, second, 0.5, variant)
        first, second = first - 0.2 * slopes[0], second - 0.2 * slopes[1]
    assert (np.diff(losses) < 0).all()


# --- torch


@pytest.mark.parametrize("variant", VARIANTS)
@pytest.mark.parametrize("n", [1, 2, 7])
@pytest.mark.parametrize("tau", [0.05, 1])
def test_torch_gives_the_same_loss_and_gradient(tau, n, variant, rng):
    first, second = views(rng, n)
    z1, z2 = (torch.tensor(view, requires_grad=True) for view in (first, second))
    loss = simcse_loss(z1, z2, tau, variant)
    loss.backward()
    assert loss.shape == () and loss.dtype == torch.float64
    expected = contrast(first, second, tau, variant).loss
    assert loss.item() == pytest.approx(expected, rel=1e-12, abs=1e-12)
    for z, slope in zip((z1, z2), gradient(first, second, tau, variant), strict=True):
        assert z.grad is not None
        np.testing.assert_allclose(z.grad.numpy(), slope, atol=1e-12)


@pytest.mark.parametrize("variant", VARIANTS)
def test_torch_in_single_precision_and_with_a_zero_vector(variant, rng):
    first, second = views(rng)
    first[0] = 0
    z1, z2 = (torch.tensor(v, dtype=torch.float32, requires_grad=True) for v in (first, second))
    loss = simcse_loss(z1, z2, variant=variant)
    loss.backward()
    # cosines are off by 1e-7 at most, and are divided by 0.05
    assert loss.item() == pytest.approx(contrast(first, second, variant=variant).loss, rel=1e-5)
    for z in (z1, z2):
        assert z.grad is not None and torch.isfinite(z.grad).all()


def test_torch_refuses_what_numpy_refuses():
    z = torch.ones(3, 2)
    for call, says in (
        (lambda: simcse_loss(z, z[:2]), "z1 and z2 must both be"),
        (lambda: simcse_loss(z[0], z[0]), "z1 and z2 must both be"),
        (lambda: simcse_loss(z, z, 0), "temperature"),
        (lambda: simcse_loss(z, z, 0.05, "mine"), "variant"),
    ):
        with pytest.raises(ValueError, match=says):
            call()


# --- sentence-transformers


def ranking_loss(first, second, tau, directions):
    """MultipleNegativesRankingLoss of sentence-transformers and its gradient by the anchors."""
    from sentence_transformers.sentence_transformer.losses import MultipleNegativesRankingLoss

    anchors, others = (torch.tensor(view, requires_grad=True) for view in (first, second))
    peer: Any = MultipleNegativesRankingLoss
    asked = peer(None, scale=1 / tau, directions=directions)
    loss = asked.compute_loss_from_embeddings([anchors, others], None)
    loss.backward()
    return loss.item(), tuple(np.asarray(view.grad) for view in (anchors, others))


@pytest.mark.parametrize("tau", [0.05, 0.3, 1])
@pytest.mark.parametrize(("n", "d"), [(2, 3), (5, 4), (32, 384)])
def test_the_papers_loss_is_sentence_transformers(n, d, tau, rng):
    first, second = views(rng, n, d)
    loss, slopes = ranking_loss(first, second, tau, ("query_to_doc",))
    assert contrast(first, second, tau, "paper").loss == pytest.approx(loss, rel=1e-10, abs=1e-12)
    for ours, theirs in zip(gradient(first, second, tau, "paper"), slopes, strict=True):
        np.testing.assert_allclose(ours, theirs, atol=1e-10)


@pytest.mark.parametrize("tau", [0.05, 0.3, 1])
@pytest.mark.parametrize(("n", "d"), [(2, 3), (5, 4), (32, 384)])
def test_sus_loss_is_the_mean_of_two_of_sentence_transformers(n, d, tau, rng):
    """Each view in turn is the query, and meets documents and the other queries."""
    first, second = views(rng, n, d)
    directions = ("query_to_doc", "query_to_query")
    one, (to_first, to_second) = ranking_loss(first, second, tau, directions)
    other, (back_to_second, back_to_first) = ranking_loss(second, first, tau, directions)
    expected = (one + other) / 2
    assert contrast(first, second, tau, "su").loss == pytest.approx(expected, rel=1e-10, abs=1e-12)
    slopes = ((to_first + back_to_first) / 2, (to_second + back_to_second) / 2)
    for ours, theirs in zip(gradient(first, second, tau, "su"), slopes, strict=True):
        np.testing.assert_allclose(ours, theirs, atol=1e-10)


@pytest.mark.parametrize("scale", [1, 20, 50])
def test_cosent_is_sentence_transformers(scale, rng):
    from sentence_transformers.sentence_transformer.losses import CoSENTLoss

    first, second = views(rng, 40, 16)
    labels = rng.integers(0, 6, 40).astype(float)
    peer: Any = CoSENTLoss
    theirs = peer(None, scale=scale).compute_loss_from_embeddings(
        [torch.tensor(first), torch.tensor(second)], torch.tensor(labels)
    )
    ours = cosent_loss(pair_cosines(first, second), labels, scale)
    assert ours == pytest.approx(theirs.item(), rel=1e-10)


# --- CoSENT, dropout, bad input


def test_cosent_of_known_pairs():
    assert cosent_loss([0.9, 0.2, 0.5], [1, 0, 1]) == pytest.approx(0.00247651, rel=2e-6)
    assert cosent_loss([0.2, 0.9, 0.5], [1, 0, 1]) == pytest.approx(14.0024765, rel=1e-8)
    assert cosent_loss([0.3, 0.1], [2, 2]) == 0
    assert cosent_loss([0.5, 0.5], [0, 5]) == pytest.approx(math.log(2))


@quick
@given(st.lists(st.tuples(st.floats(-1, 1), st.integers(0, 3)), min_size=1, max_size=8))
def test_cosent_is_its_sum_over_ordered_pairs(pairs):
    cosines, labels = zip(*pairs, strict=True)
    terms = [
        math.exp(20 * (cosines[m] - cosines[k]))
        for k in range(len(pairs))
        for m in range(len(pairs))
        if labels[k] > labels[m]
    ]
    assert cosent_loss(cosines, labels) == pytest.approx(math.log1p(sum(terms)), rel=1e-9)


@pytest.mark.parametrize(("rate", "value"), [(0, 0), (0.1, 0.111111), (0.3, 0.428571)])
def test_dropout_keeps_the_mean_and_adds_this_variance(rate, value, rng):
    assert dropout_relative_variance(rate) == pytest.approx(value, abs=5e-7)
    kept = (rng.random(200_000) >= rate) / (1 - rate)
    assert kept.mean() == pytest.approx(1, abs=5 * math.sqrt(value / 200_000) + 1e-12)
    assert kept.var() == pytest.approx(value, abs=0.01)  # several standard errors


@pytest.mark.parametrize(
    ("call", "says"),
    [
        (lambda: contrast(H0, H1, 0), r"temperature must be a number in \[1e-06, 1e\+06\], got 0"),
        (lambda: contrast(H0, H1, -0.05), "temperature"),
        (lambda: contrast(H0, H1, math.nan), "temperature"),
        (lambda: contrast(H0, H1, 0.05, "both"), "variant must be one of su, paper, got 'both'"),
        (lambda: contrast(H0, H1[:2]), "first and second must agree in shape"),
        (lambda: contrast(H0 * math.nan, H1), r"first must be finite.* at \(0, 0\)"),
        (lambda: gradient(H0, H1 + math.inf), "second must be finite"),
        (lambda: collapse_loss(0), "n_sentences must be a whole number"),
        (lambda: positive_columns(1.5), "n_sentences"),
        (lambda: cosent_loss([0.1], [1, 2]), "cosines and labels must be as many, got 1 and 2"),
        (lambda: cosent_loss([0.1], [1], -1), "scale must be a number"),
        (lambda: dropout_relative_variance(1), "rate must be below 1"),
        (lambda: dropout_relative_variance(-0.1), r"rate must be a number in \[0, 1\]"),
        (lambda: cosine_gradient([1, 2], [1, 2, 3]), "vectors and slopes must agree in shape"),
    ],
)
def test_bad_input_is_refused(call, says):
    with pytest.raises(ValueError, match=says):
        call()
