"""Training by SimCSE: the loss is that of `models.simcse`, masks are its own, nothing else changes.

References: `models.simcse.contrast` in NumPy, torch's own attention, `models.adapters.merge`.
"""

import copy
import csv
import dataclasses
from typing import Any

import numpy as np
import pytest
import torch
from tokenizers import Tokenizer
from tokenizers.models import WordLevel
from tokenizers.pre_tokenizers import Whitespace
from tokenizers.processors import TemplateProcessing
from torch.nn import functional
from transformers.models.bert import BertConfig, BertModel
from transformers.models.electra import ElectraConfig, ElectraModel
from transformers.models.roformer import RoFormerConfig, RoFormerModel

from models import adapters, sentences, simcse, weights
from models import simcse_training as training
from models import similarity as sim
from models.encoder import Encoder
from models.simcse_training import Dropout, train
from training import simcse as command

WORDS = "one two three four five six seven eight nine ten".split()
TEXTS = [f"{a} {b} {c}" for a in WORDS[:4] for b in WORDS[3:7] for c in WORDS[6:]]
KINDS = ["bert", "electra", "roformer"]
FAST: dict[str, Any] = {"batch": 8, "steps": 3, "learning_rate": 3e-3, "rank": 2, "dropout": 0.1}
# single precision, sums of 16 products in another order
ROUNDING: dict[str, Any] = {"rtol": 0, "atol": 5e-6}


def tokenizer():
    vocabulary = {piece: i for i, piece in enumerate(["[PAD]", "[UNK]", "[CLS]", "[SEP]", *WORDS])}
    made = Tokenizer(WordLevel(vocabulary, unk_token="[UNK]"))
    made.pre_tokenizer = Whitespace()
    made.post_processor = TemplateProcessing(
        single="[CLS] $A [SEP]", special_tokens=[("[CLS]", 2), ("[SEP]", 3)]
    )
    return made


def small(kind="bert", n_layers=2):
    """An encoder of two layers with 16 features and random weights."""
    torch.manual_seed(1)
    told = {
        "vocab_size": 14,
        "hidden_size": 16,
        "num_hidden_layers": n_layers,
        "num_attention_heads": 2,
        "intermediate_size": 32,
        "max_position_embeddings": 64,
        "initializer_range": 0.2,
    }
    network: torch.nn.Module
    if kind == "bert":
        network = BertModel(BertConfig(**told), add_pooling_layer=False)
    elif kind == "electra":
        network = ElectraModel(ElectraConfig(**told, embedding_size=8))
    else:
        network = RoFormerModel(RoFormerConfig(**told, embedding_size=16))
    generator = np.random.default_rng(2)
    pooler = (generator.normal(size=(16, 16)).astype(np.float32), np.ones(16, np.float32))
    return Encoder(f"small {kind}", tokenizer(), network, pooler)


@pytest.fixture(scope="module")
def source():
    return small()


def diagonal(cosines):
    return cosines[np.arange(0, len(cosines), 2), np.arange(1, len(cosines), 2)]


# --- The loss


def test_the_loss_falls(source):
    losses = [step.loss for step in train(source, TEXTS, **{**FAST, "steps": 40})]
    assert np.mean(losses[-10:]) < np.mean(losses[:10]) - 0.1


@pytest.mark.parametrize("variant", simcse.VARIANTS)
@pytest.mark.parametrize("temperature", [0.05, 1.0])
def test_the_loss_is_that_of_its_cosines(source, variant, temperature):
    told = {**FAST, "variant": variant, "temperature": temperature, "cosines_every": 1}
    for step in train(source, TEXTS, **told):
        assert step.cosines is not None
        # cosines of unit vectors are vectors whose Gram matrix they are: take a root of it
        values, axes = np.linalg.eigh(step.cosines.astype(np.float64))
        rows = axes * np.sqrt(np.maximum(values, 0))
        found = simcse.contrast(rows[0::2], rows[1::2], temperature, variant).loss
        assert step.loss == pytest.approx(found, abs=2e-5 / temperature)  # float32 cosines


def test_cosines_come_first_last_and_on_the_schedule(source):
    steps = list(train(source, TEXTS, **{**FAST, "steps": 11, "cosines_every": 4}))
    assert [step.step for step in steps] == list(range(1, 12))
    assert [s.step for s in steps if s.cosines is not None] == [1, 4, 8, 11]
    assert steps[0].cosines is not None and steps[0].cosines.shape == (16, 16)
    assert all(a.seconds <= b.seconds for a, b in zip(steps, steps[1:], strict=False))


def test_a_loss_that_is_no_number_ends_it_and_spoils_nothing(source, monkeypatch):
    running = train(source, TEXTS, **FAST)
    next(running)
    before = running.adapter()
    monkeypatch.setattr(training, "simcse_loss", lambda a, b, *_: (a * torch.nan).sum())
    assert np.isnan(next(running).loss) and list(running) == []
    for name, value in running.adapter().items():
        torch.testing.assert_close(value, before[name], rtol=0, atol=0)


@pytest.mark.parametrize("kind", KINDS)
def test_bfloat16_is_nearly_the_same(kind):
    def cosines(**more):
        return next(train(small(kind), TEXTS, **FAST, attention_dropout=0.1, **more)).cosines

    # eight bits of a number, some layers of them
    np.testing.assert_allclose(cosines(bfloat16=True), cosines(), rtol=0, atol=0.02)


# --- Masks


@pytest.mark.parametrize("kind", KINDS)
def test_the_same_mask_twice_gives_the_same_view(kind):
    told = {**FAST, "attention_dropout": 0.2, "cosines_every": 1}
    for step in train(small(kind), TEXTS, **told, same_mask=True):
        np.testing.assert_allclose(diagonal(step.cosines), 1, rtol=0, atol=1e-6)
    for step in train(small(kind), TEXTS, **told):
        assert diagonal(step.cosines).max() < 1 - 1e-4


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("rates", [(0.0, 0.0), (0.2, 0.0), (0.0, 0.2)])
def test_only_dropout_tells_the_views_apart(kind, rates):
    told = {**FAST, "dropout": rates[0], "attention_dropout": rates[1]}
    running = train(small(kind), TEXTS, **told)
    first, second = running.views(TEXTS[:4])
    apart = np.abs(first - second).max(axis=1)
    assert (apart > 1e-3).all() if any(rates) else (apart == 0).all()
    if not any(rates):
        np.testing.assert_allclose(first, running.vectors(TEXTS[:4]), **ROUNDING)


def test_dropout_keeps_the_mean_and_has_the_variance_of_the_formula():
    n, p = 40_000, 0.3
    dropout = Dropout(p, torch.Generator().manual_seed(0), twice=False)
    x = torch.full((n,), 2.0)
    assert dropout(x) is x  # until it is told to act
    dropout.active = True
    out = dropout(x)
    relative = simcse.dropout_relative_variance(p)
    # four standard errors of a mean of n numbers; of a share of n
    assert float(out.mean()) == pytest.approx(2, abs=4 * 2 * (relative / n) ** 0.5)
    assert float((out == 0).float().mean()) == pytest.approx(p, abs=4 * (p * (1 - p) / n) ** 0.5)
    assert float(out.var()) == pytest.approx(4 * relative, rel=0.05)


def test_attention_without_dropout_is_torchs(rng):
    query, key, value = (
        torch.from_numpy(rng.normal(size=(2, 3, 5, 4)).astype(np.float32)) for _ in range(3)
    )
    hidden = torch.zeros(2, 1, 1, 5).masked_fill(torch.arange(5) > 3, -1e9)
    module = torch.nn.Module()
    module.dropout = Dropout(0.0, torch.Generator(), twice=False)
    found, weights = training.attention(module, query, key, value, hidden, scaling=0.5)
    peer = functional.scaled_dot_product_attention(query, key, value, hidden)
    torch.testing.assert_close(found.transpose(1, 2), peer, **ROUNDING)
    torch.testing.assert_close(weights.sum(-1), torch.ones(2, 3, 5), **ROUNDING)


# --- One training and the others


def test_the_same_seed_gives_the_same_training(source):
    def losses(seed):
        return [step.loss for step in train(source, TEXTS, **FAST, seed=seed)]

    assert losses(3) == losses(3) != losses(4)


def test_trainings_at_the_same_time_do_not_mix(source):
    alone = [step.loss for step in train(source, TEXTS, **FAST, seed=3)]
    first = train(source, TEXTS, **FAST, seed=3)
    second = train(source, TEXTS, **{**FAST, "attention_dropout": 0.2}, seed=4)
    together = []
    for step, _ in zip(first, second, strict=True):
        torch.rand(7)  # somebody else draws
        together.append(step.loss)
    assert together == alone
    weights = zip(first.adapter().values(), second.adapter().values(), strict=True)
    assert all((a - b).abs().max() > 0 for a, b in weights)


def test_nobody_elses_random_numbers_are_touched(source):
    before = torch.get_rng_state()
    list(train(source, TEXTS, **FAST, attention_dropout=0.1))
    torch.testing.assert_close(torch.get_rng_state(), before, rtol=0, atol=0)


@pytest.mark.parametrize("kind", KINDS)
def test_the_encoder_stays_as_it_is(kind):
    own = small(kind)
    before = copy.deepcopy(own.network.state_dict())
    states = own.encode(TEXTS[:2])
    running = train(own, TEXTS, **FAST, attention_dropout=0.1)
    list(running)
    for name, value in own.network.state_dict().items():
        torch.testing.assert_close(value, before[name], rtol=0, atol=0)
    assert not own.network.training
    fresh = Encoder("again", own.tokenizer, own.network)
    np.testing.assert_array_equal(fresh.encode(TEXTS[:2])[0], states[0])
    assert np.abs(running.vectors(TEXTS[:2]) - vectors(own, TEXTS[:2])).max() > 1e-4


def vectors(source, texts, mode="P1"):
    return np.stack([found[mode] for found in sentences.pooled(source, texts)])


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("first_layer", [0, 1])
def test_the_adapter_is_what_was_learnt(kind, first_layer):
    own = small(kind)
    running = train(own, TEXTS, **FAST, first_layer=first_layer)
    list(running)
    adapter = running.adapter()
    assert running.n_trained == sum(value.numel() for value in adapter.values())
    layers = {int(name.split("layer.")[1].split(".")[0]) for name in adapter}
    assert layers == set(range(first_layer, 2))
    merged = Encoder("merged", own.tokenizer, adapters.merge(own.network, adapter))
    np.testing.assert_allclose(vectors(merged, TEXTS), running.vectors(TEXTS), **ROUNDING)
    if first_layer:
        (_, old, _), (_, new, _) = (next(one.all_states(TEXTS[:3])) for one in (own, merged))
        torch.testing.assert_close(old[:2], new[:2], rtol=0, atol=0)


# --- Parts


@pytest.mark.parametrize("mode", sim.POOLINGS)
def test_pooling_with_gradients_is_the_pooling(source, mode):
    texts = ["one", "two three four", "five six"]
    ids, mask = source.padded([source.tokens(text).ids for text in texts])
    with torch.no_grad():
        states = source.states(ids, mask)
        found = training.pool(states, mask, mode, source.pooler)
    expected = sim.pool([s.numpy() for s in states], mask.numpy(), mode, source.pooler)
    np.testing.assert_allclose(found.numpy(), expected, **ROUNDING)


@pytest.mark.parametrize("mode", sim.POOLINGS)
def test_every_pooling_can_be_trained(source, mode):
    running = train(source, TEXTS, **FAST, pooling=mode)
    before = running.vectors(TEXTS[:4])
    list(running)
    assert np.abs(running.vectors(TEXTS[:4]) - before).max() > 1e-4


def test_sentences_are_taken_once_and_blanks_left_out(source):
    running = train(source, ["one two", " ", "one two", "", "three"], **FAST)
    assert running.texts == ["one two", "three"]
    cosines = next(running).cosines
    assert cosines is not None and cosines.shape == (4, 4)


def test_an_epoch_takes_every_sentence_once(source):
    running = train(source, TEXTS, **{**FAST, "batch": 16})
    for _ in range(2):
        epoch = [row for _ in range(len(TEXTS) // 16) for row in next(running._batches)]
        assert len(set(epoch)) == len(TEXTS) == len(epoch)


def test_a_long_sentence_is_cut(source):
    running = train(source, ["one " * 100, "two"], **FAST)
    assert max(map(len, running._rows)) == training.MOST_TOKENS


def test_a_known_encoder_by_its_name():
    running = train("simbert", sentences.corpus("zh")[:8], batch=4, steps=2, dropout=0.1)
    assert all(np.isfinite(step.loss) for step in running)
    assert running.vectors(["今天天气很好。"]).shape == (1, 312)


@pytest.mark.parametrize(
    ("told", "match"),
    [
        ({"variant": "other"}, "variant must be one of su, paper"),
        ({"pooling": "P5"}, "pooling must be one of"),
        ({"temperature": 0}, "temperature must be a number in"),
        ({"dropout": 1}, "dropout must be below 1"),
        ({"dropout": -0.1}, "dropout must be a number in"),
        ({"attention_dropout": 1}, "attention_dropout must be below 1"),
        ({"batch": 1}, "batch must be a whole number in 2..256"),
        ({"learning_rate": 0}, "learning_rate must be above 0"),
        ({"learning_rate": 2}, "learning_rate must be a number in"),
        ({"steps": 0}, "steps must be a whole number in 1"),
        ({"first_layer": 2}, "first_layer must be a whole number in 0..1"),
        ({"rank": 0}, "rank must be a whole number in 1..128"),
        ({"seed": -1}, "seed must be a whole number in 0"),
        ({"cosines_every": 0}, "cosines_every must be a whole number in 1"),
    ],
)
def test_arguments_outside_their_domain_are_refused(source, told, match):
    with pytest.raises(ValueError, match=match):
        train(source, TEXTS, **told)


@pytest.mark.parametrize("texts", [[], ["one"], ["one", "one", " "]])
def test_too_few_sentences_are_refused(source, texts):
    with pytest.raises(ValueError, match="at least 2 different sentences"):
        train(source, texts)


# --- The command that makes what ships


def test_the_best_step_is_written_and_can_be_used(tmp_path, monkeypatch):
    scored, asked = sentences.pairs("zh"), sentences.questions("zh")
    few = [scored[0], *scored[::36]], asked[::40]  # the first has a score that counts as positive
    monkeypatch.setattr(sentences, "pairs", lambda language: few[0])
    monkeypatch.setattr(sentences, "traps", lambda language: scored[::40])
    monkeypatch.setattr(sentences, "questions", lambda language: few[1])
    monkeypatch.setattr(sentences, "corpus", lambda language: [a for a, *_ in scored[:8]])
    figures = iter([0.5, 0.7, 0.6])  # before, after the first, after the second
    before = command.measured

    def measured(*told):
        return dataclasses.replace(before(*told), pairs=next(figures))

    monkeypatch.setattr(command, "measured", measured)
    recipe = training.Recipe(batch=4, steps=2, rank=2, dropout=0.1)
    assert command.run("simbert", recipe, 1, "pairs", tmp_path).pairs == 0.7
    rows = list(csv.reader((tmp_path / "simbert_simcse.csv").read_text().splitlines()))
    assert tuple(rows[0]) == command.COLUMNS and [row[0] for row in rows[1:]] == ["0", "1", "2"]
    adapter, facts = weights.load(tmp_path / "simbert_simcse.safetensors", sentences.FACTS)
    assert (facts["encoder"], facts["step"], facts["chosen_by"]) == ("simbert", 1, "pairs")
    assert facts["recipe"] == dataclasses.asdict(recipe)
    monkeypatch.setattr(sentences, "FOLDER", tmp_path)
    monkeypatch.setattr(sentences, "ADAPTERS", {"simbert": "assets/simbert_simcse.safetensors"})
    found = sentences.with_adapter("simbert", "simcse")
    running = train("simbert", sentences.corpus("zh"), **{**dataclasses.asdict(recipe), "steps": 1})
    next(running)
    for name, value in running.adapter().items():  # half precision in the file
        torch.testing.assert_close(adapter[name], value, rtol=2e-3, atol=1e-6)
    own, read = running.vectors(["今天天气很好。"]), vectors(found, ["今天天气很好。"])
    np.testing.assert_allclose(read, own, rtol=0, atol=0.01)  # numbers about 1, four layers of it
    sentences._merged.pop(("simbert", "simcse"), None)
