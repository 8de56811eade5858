"""Views of one sentence: what a mask does to it in the mean, in spread, stream by stream."""

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from transformers.models.bert import BertConfig, BertModel
from transformers.models.electra import ElectraConfig, ElectraModel
from transformers.models.roformer import RoFormerConfig, RoFormerModel

from models import dropout_views, encoder
from models.dropout_views import relative_variance_error, views
from models.simcse import dropout_relative_variance
from models.similarity import pair_cosines

SIZES: dict[str, Any] = {
    "vocab_size": 40,
    "hidden_size": 16,
    "num_hidden_layers": 3,
    "num_attention_heads": 2,
    "intermediate_size": 32,
    "max_position_embeddings": 64,
}
TEXT = "I forgot my keys."
ROUNDING = 1e-5  # float32, sums in another order


class Letters:
    """A tokenizer of letters: enough for `Encoder.tokens`."""

    def encode(self, text):
        n = len(text)
        ids = [1, *(3 + ord(letter) % 36 for letter in text), 2]
        offsets = [(0, 0), *((at, at + 1) for at in range(n)), (0, 0)]
        return SimpleNamespace(ids=ids, offsets=offsets, special_tokens_mask=[1, *[0] * n, 1])


@pytest.fixture(scope="module", params=["bert", "electra", "roformer"])
def small(request):
    torch.manual_seed(0)
    network: Any
    tokenizer: Any = Letters()
    if request.param == "bert":
        network = BertModel(BertConfig(**SIZES), add_pooling_layer=False)
    elif request.param == "electra":
        network = ElectraModel(ElectraConfig(**SIZES, embedding_size=8))
    else:
        network = RoFormerModel(RoFormerConfig(**SIZES, embedding_size=16))
    return encoder.Encoder(request.param, tokenizer, network)


def clean(small):
    ids, mask = small.padded([small.tokens(TEXT).ids])
    with torch.inference_mode():
        return small.last(ids, mask)[0, 0].numpy()


def test_without_dropout_all_views_are_the_encoder(small):
    found = views(small, TEXT, [0, 1, 2], hidden=0, attention=0)
    np.testing.assert_allclose(found.vectors, np.tile(clean(small), (3, 1)), atol=ROUNDING)
    assert found.dropped == 0 and found.relative_variance == 0
    np.testing.assert_array_equal(found.vectors[0], found.vectors[1])


@pytest.mark.parametrize("rate", [0.05, 0.1, 0.3, 0.6])
def test_first_activations_spread_as_inverted_dropout_says(small, rate):
    found = views(small, TEXT, range(64), hidden=rate)
    off = 4 * relative_variance_error(rate, found.n_draws)  # four standard errors
    assert found.relative_variance == pytest.approx(dropout_relative_variance(rate), abs=off)
    assert found.dropped == pytest.approx(rate, abs=4 * (rate * (1 - rate) / found.n_draws) ** 0.5)
    kept = found.after != 0
    scaled = np.broadcast_to(found.before / (1 - rate), found.after.shape)
    np.testing.assert_allclose(found.after[kept], scaled[kept], rtol=1e-6)


def test_mean_over_masks_is_what_went_in(small):
    found = views(small, TEXT, range(256), hidden=0.3)
    error = np.abs(found.before) * (dropout_relative_variance(0.3) / 256) ** 0.5
    off = (found.after.mean(axis=0) - found.before) / np.maximum(error, 1e-12)
    assert np.abs(off).max() < 5  # standard errors, the largest of 300


def test_same_stream_gives_the_same_view(small):
    found = views(small, TEXT, [7, 3, 7], hidden=0.3)
    np.testing.assert_array_equal(found.after[0], found.after[2])
    assert pair_cosines(found.vectors[:1], found.vectors[2:])[0] == pytest.approx(1, abs=ROUNDING)
    assert pair_cosines(found.vectors[:1], found.vectors[1:2])[0] < 0.999


def test_a_view_does_not_depend_on_the_others(small):
    alone = views(small, TEXT, [5], hidden=0.2)
    among = views(small, TEXT, [1, 5, 2], hidden=0.2)
    np.testing.assert_allclose(alone.vectors[0], among.vectors[1], atol=ROUNDING)


def test_seeds_differ_and_torch_is_left_alone(small):
    before = torch.random.get_rng_state()
    one, other = (views(small, TEXT, [0], hidden=0.2, seed=seed) for seed in (0, 1))
    assert not np.allclose(one.vectors, other.vectors, atol=1e-3)
    assert torch.equal(before, torch.random.get_rng_state())


def test_attention_alone_makes_views_differ(small):
    still = views(small, TEXT, [0, 1], hidden=0, attention=0)
    moved = views(small, TEXT, [0, 1], hidden=0, attention=0.3)
    np.testing.assert_array_equal(moved.after[0], moved.before)  # nothing before the attention
    assert np.abs(moved.vectors[0] - moved.vectors[1]).max() > 1e-4
    assert not np.allclose(moved.vectors[0], still.vectors[0], atol=1e-4)


def test_the_encoder_stays_as_it_is(small):
    before = {name: value.clone() for name, value in small.network.state_dict().items()}
    reference = clean(small)
    views(small, TEXT, [0, 1], hidden=0.5)
    np.testing.assert_array_equal(clean(small), reference)
    assert not small.network.training
    for name, value in small.network.state_dict().items():
        assert torch.equal(value, before[name])


def test_attention_is_the_library_s_own(small):
    """Ours with rate 0 against the library's, on states of random numbers."""
    if small.name == "roformer":
        return
    own = small.network.encoder.layer[1].attention.self
    ours = dropout_views.Attention(own, dropout_views.Mask(0.0, []))
    states = torch.randn(2, 9, 16, generator=torch.Generator().manual_seed(3))
    with torch.inference_mode():
        torch.testing.assert_close(ours(states)[0], own(states)[0], rtol=0, atol=1e-6)


def test_error_of_the_variance_is_that_of_many_draws(rng):
    draws = rng.random((2000, 400)) < 0.3
    values = np.where(draws, 1.0, (0.3 / 0.7) ** 2).mean(axis=1)
    assert relative_variance_error(0.3, 400) == pytest.approx(values.std(), rel=0.08)  # 4 errors
    assert relative_variance_error(0.5, 100) == 0  # both squares are 1
    assert relative_variance_error(0, 1) == 0


@pytest.mark.parametrize(
    ("name", "given"),
    [("hidden", {"hidden": 0.95}), ("hidden", {"hidden": -0.1}), ("attention", {"attention": 1})]
    + [("streams", {"streams": []}), ("streams", {"streams": range(257)})]
    + [("pooler", {"pooling": "P2"}), ("mode", {"pooling": "P5"})],
)
def test_bad_arguments_are_refused(small, name, given):
    with pytest.raises(ValueError, match=name):
        views(small, TEXT, **{"streams": [0], **given})
