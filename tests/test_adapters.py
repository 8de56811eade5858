"""Low-rank adapters: nothing changes at first, little is trained, merging is exact."""

import pytest
import torch
from transformers.models.bert import BertConfig, BertModel

from models import adapters


@pytest.fixture(scope="module")
def network():
    torch.manual_seed(0)
    config = BertConfig(
        vocab_size=40,
        hidden_size=16,
        num_hidden_layers=3,
        num_attention_heads=2,
        intermediate_size=32,
        max_position_embeddings=12,
    )
    return BertModel(config, add_pooling_layer=False).eval()


IDS = torch.arange(1, 21).view(2, 10)


def run(network):
    with torch.no_grad():
        return network(input_ids=IDS).last_hidden_state


def trained(network, rank=2, **options):
    torch.manual_seed(1)
    adapted = adapters.adapt(network, rank, **options)
    with torch.no_grad():
        for value in adapted.parameters():
            if value.requires_grad:
                value.add_(0.05 * torch.randn_like(value))
    return adapted


def test_a_new_adapter_changes_nothing(network):
    assert torch.equal(run(adapters.adapt(network, 2).eval()), run(network))


def test_only_the_adapter_learns(network):
    adapted = adapters.adapt(network, 2)
    adapted(input_ids=IDS).last_hidden_state.sum().backward()
    learns = {name for name, value in adapted.named_parameters() if value.grad is not None}
    assert learns == {name for name, v in adapted.named_parameters() if v.requires_grad}
    per_layer = 4 * 2 * (16 + 16) + 2 * 2 * (16 + 32) + (4 * 16 + 32 + 16) + 4 * 16
    extracted = adapters.extract(adapted)
    assert sum(value.numel() for value in extracted.values()) == 3 * per_layer


def test_the_update_has_the_rank_asked_for(network):
    adapted = trained(network, rank=2)
    merged = adapters.merge(network, adapters.extract(adapted))
    name = "encoder.layer.1.intermediate.dense.weight"
    change = merged.get_parameter(name) - network.get_parameter(name)
    # the third singular value is rounding: 1e-6 of the first
    values = torch.linalg.svdvals(change.double())
    assert values[1] > 1e-3 * values[0] and values[2] < 1e-5 * values[0]


def test_merging_gives_the_same_network(network):
    adapted = trained(network).eval()
    merged = adapters.merge(network, adapters.extract(adapted))
    # single precision, sums in another order
    torch.testing.assert_close(run(merged), run(adapted), rtol=0, atol=2e-5)
    assert not torch.allclose(run(merged), run(network), atol=1e-3)


def test_merging_leaves_the_network_and_shares_the_rest(network):
    before = run(network)
    merged = adapters.merge(network, adapters.extract(trained(network)))
    assert torch.equal(run(network), before)
    word = "embeddings.word_embeddings.weight"
    assert merged.get_parameter(word) is network.get_parameter(word)
    assert not any(value.requires_grad for value in adapters.extract(trained(network)).values())


def test_lower_layers_stay(network):
    names = adapters.extract(adapters.adapt(network, 2, first_layer=2))
    assert names and all(name.startswith("encoder.layer.2.") for name in names)


@pytest.mark.parametrize(("rank", "first"), [(0, 0), (2, 3), (2, -1)])
def test_out_of_domain(network, rank, first):
    with pytest.raises(ValueError, match="rank >= 1, first_layer in 0..2"):
        adapters.adapt(network, rank, first)


def test_an_adapter_of_another_network_is_refused(network):
    with pytest.raises(ValueError, match="no weight 'encoder.layer.9"):
        adapters.merge(network, {"encoder.layer.9.output.dense.bias": torch.zeros(16)})
    with pytest.raises(ValueError, match="has shape"):
        adapters.merge(network, {"encoder.layer.0.output.dense.bias": torch.zeros(3)})
