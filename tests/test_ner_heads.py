"""The heads as networks: the numbers of the mathematics in NumPy, and of transformers' RoPE."""

import math
from typing import Any

import numpy as np
import pytest
import torch
from transformers.models.roformer.modeling_roformer import (
    RoFormerSelfAttention,
    RoFormerSinusoidalPositionalEmbedding,
)

from models import crf, global_pointer
from models.ner import HEADS
from models.ner_heads import CRF, Efficient, GlobalPointer, make, masked, rotate, zlpr

D, N, M, HEAD_DIM = 12, 7, 3, 8
# float32 against float64: a few units of 1e-7 times sums of some tens of terms
ROUNDING: Any = {"rtol": 2e-5, "atol": 2e-5}


@pytest.fixture
def h():
    return torch.from_numpy(np.random.default_rng(0).normal(size=(2, N, D)).astype(np.float32))


MASK = torch.tensor([[True] * N, [True] * 4 + [False] * 3])


def numpy(layer):
    return layer.weight.detach().double().numpy().T, layer.bias.detach().double().numpy()


def seeded(build):
    with torch.random.fork_rng():
        torch.manual_seed(3)
        return build()


def test_rope_is_that_of_roformer():
    generator = torch.Generator().manual_seed(0)
    q = torch.randn(1, 9, 16, generator=generator)
    table = RoFormerSinusoidalPositionalEmbedding(32, 16)
    table.weight.data = table.create_weight()
    sines = table(torch.Size([1, 9]))[None, None]
    theirs, _ = RoFormerSelfAttention.apply_rotary_position_embeddings(sines, q[None], q[None])
    torch.testing.assert_close(rotate(q), theirs[0], rtol=0, atol=2e-6)


@pytest.mark.parametrize("rope", [True, False])
def test_global_pointer_is_the_formula(h, rope):
    head = seeded(lambda: GlobalPointer(D, M, rope, HEAD_DIM))
    scores = head(h, MASK).detach().numpy()
    weight, bias = numpy(head.dense)
    for row, n in ((0, N), (1, 4)):
        exact = global_pointer.global_pointer(
            h[row, :n].double().numpy(), weight, bias, HEAD_DIM, rope
        )
        upper = np.triu(np.ones((n, n), bool))
        np.testing.assert_allclose(scores[row, :, :n, :n][:, upper], exact[:, upper], **ROUNDING)
        assert np.isneginf(scores[row, :, :n, :n][:, ~upper]).all()


@pytest.mark.parametrize("rope", [True, False])
def test_efficient_is_the_formula(h, rope):
    head = seeded(lambda: Efficient(D, M, rope, HEAD_DIM))
    given: Any = (h[0].double().numpy(), *numpy(head.dense), *numpy(head.bias), rope)
    exact = global_pointer.efficient(*given)
    upper = np.triu(np.ones((N, N), bool))
    scores = head(h, MASK).detach().numpy()
    np.testing.assert_allclose(scores[0][:, upper], exact[:, upper], **ROUNDING)
    parts = global_pointer.efficient_parts(*given)
    for ours, theirs in zip(head.parts(h), parts, strict=True):
        np.testing.assert_allclose(ours[0].detach().numpy(), theirs, **ROUNDING)


def test_padding_does_not_count(h):
    for kind in ("gp", "egp"):
        head = seeded(lambda kind=kind: make(kind, D, M))
        scores = head(h, MASK)
        assert torch.isneginf(scores[1, :, 4:]).all() and torch.isneginf(scores[1, :, :, 4:]).all()
        other = h.clone()
        other[1, 4:] += 5
        torch.testing.assert_close(head(other, MASK), scores)
        alone = head(h[1:, :4], MASK[1:, :4])
        torch.testing.assert_close(scores[1:, :, :4, :4], alone, rtol=0, atol=1e-5)


def test_distance_is_all_rope_knows(h):
    head = seeded(lambda: GlobalPointer(D, M, True, HEAD_DIM))
    same = h[:1, :1].expand(1, N, D)
    scores = head(same, MASK[:1])[0]
    for shift in range(N):
        diagonal = torch.diagonal(scores, shift, dim1=1, dim2=2)
        assert (diagonal.max(dim=1).values - diagonal.min(dim=1).values).max() < 1e-5


@pytest.mark.parametrize("kind", ["gp", "egp", "crf"])
def test_parameters_are_counted_as_told(kind):
    counts = global_pointer.parameter_counts(D, 64, M)
    column = {"gp": "gp_bias", "egp": "egp_bias", "crf": "crf"}[kind]
    assert sum(w.numel() for w in make(kind, D, M).parameters()) == counts[column]


def test_loss_is_the_formula():
    rng = np.random.default_rng(1)
    scores = torch.from_numpy(rng.normal(scale=3, size=(2, M, N, N)))
    positive = torch.from_numpy(rng.random((2, M, N, N)) < 0.2)
    positive[0, 0] = False
    shown = masked(scores, MASK)
    positive &= torch.isfinite(shown)
    exact = global_pointer.zlpr(shown.numpy(), positive.numpy())
    # double precision on both sides
    np.testing.assert_allclose(zlpr(shown, positive).numpy(), exact, rtol=1e-12)


def test_loss_has_the_gradient_of_the_formula():
    rng = np.random.default_rng(2)
    scores = torch.from_numpy(rng.normal(scale=2, size=(1, 1, N, N))).requires_grad_()
    positive = torch.from_numpy(rng.random((1, 1, N, N)) < 0.2)
    zlpr(scores, positive).sum().backward()
    exact = global_pointer.zlpr_gradient(scores.detach().numpy(), positive.numpy())
    assert scores.grad is not None
    np.testing.assert_allclose(scores.grad.numpy(), exact, rtol=0, atol=1e-12)


def test_loss_is_finite_far_out():
    scores = torch.tensor([[[[1e4, -1e4], [-math.inf, -1e4]]]], requires_grad=True)
    positive = torch.tensor([[[[True, False], [False, False]]]])
    loss = zlpr(scores, positive).sum()
    loss.backward()
    assert loss.item() == 0 and scores.grad is not None and torch.isfinite(scores.grad).all()


def test_crf_loss_is_the_forward_algorithm(h):
    head = seeded(lambda: CRF(D, M))
    with torch.no_grad():
        head.transitions += torch.randn(7, 7, generator=torch.Generator().manual_seed(0))
    tags = torch.tensor([[0, 1, 2, 2, 0, 5, 6], [3, 4, 0, 1, 0, 0, 0]])
    emissions = head(h, MASK)
    losses = head.loss(emissions, tags, MASK).detach().numpy()
    transitions = head.transitions.detach().double().numpy()
    for row, n in ((0, N), (1, 4)):
        own = emissions[row, :n].detach().double().numpy()
        exact = crf.log_partition(own, transitions)
        exact -= crf.path_score(own, transitions, tags[row, :n].tolist())
        np.testing.assert_allclose(losses[row], exact, **ROUNDING)


def test_every_head_has_a_name_and_no_other():
    assert len({type(make(kind, D, M)).__name__ + str(kind) for kind in HEADS}) == len(HEADS)
    with pytest.raises(ValueError, match="kind must be egp, gp, "):
        make("mlp", D, M)
