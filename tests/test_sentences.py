"""Sentence vectors: pooled as defined, the same in any batch, adapters kept apart, our sentences.

References: sentence-transformers' mean with the same weights; `models.adapters.merge` by hand.
"""

import subprocess
import sys
from collections import OrderedDict
from typing import Any

import numpy as np
import pytest
import torch

from models import adapters, encoder, sentences
from models.sentences import ENCODERS, Trained
from models.similarity import pool
from models.visitors import Kept

TEXTS = {
    "zh": ["今天天气很好。", "天气不错", "", "我们去北京大学第三医院看望王老师。", "天气不错"],
    "en": ["The weather is nice.", "a", "", "It rains in London, does it not?", "a"],
}
# single precision, another order of sums in a padded batch
ROUNDING: dict[str, Any] = {"rtol": 0, "atol": 5e-5}


@pytest.fixture(autouse=True)
def nothing_kept(monkeypatch):
    monkeypatch.setattr(sentences, "_vectors", OrderedDict())
    monkeypatch.setattr(sentences, "_merged", OrderedDict())
    monkeypatch.setattr(sentences, "TRAINED", Kept())


@pytest.fixture(scope="module", params=ENCODERS)
def name(request):
    return request.param


@pytest.fixture(scope="module")
def change():
    """An adapter that changes every layer of an encoder."""

    def made(name, seed=0):
        torch.manual_seed(seed)
        found = adapters.extract(adapters.adapt(encoder.load(name).network, rank=2))
        return {key: value + 0.05 * torch.randn_like(value) for key, value in found.items()}

    return made


def test_importing_brings_no_torch():
    code = "import sys, models.sentences; print('torch' in sys.modules)"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.split() == ["False"]


def test_vectors_are_the_pooled_states(name):
    texts = TEXTS[ENCODERS[name]]
    source = encoder.load(name)
    for mode in sentences.poolings(name):
        found = sentences.vectors(texts, name, mode)
        assert found.dtype == np.float32 and len(found) == len(texts)
        for (batch,), states, mask in source.all_states(texts[:1]):
            alone = pool(states.numpy(), mask.numpy(), mode, source.pooler)
            np.testing.assert_allclose(found[batch], alone[0], **ROUNDING)
        np.testing.assert_array_equal(found[1], found[4])  # the same text


def test_the_poolings_differ(name):
    text = TEXTS[ENCODERS[name]][:1]
    found = [sentences.vectors(text, name, mode) for mode in sentences.poolings(name)]
    for index, one in enumerate(found):
        assert all(np.abs(one - other).max() > 1e-3 for other in found[:index])


def test_the_mean_is_what_sentence_transformers_gives():
    from sentence_transformers import SentenceTransformer

    peer = SentenceTransformer(str(encoder.folder("minilm")), device="cpu")
    texts = TEXTS["en"]
    own = sentences.vectors(texts, "minilm", "P3")
    own = own / np.linalg.norm(own, axis=1, keepdims=True)
    np.testing.assert_allclose(
        own, peer.encode(texts, normalize_embeddings=True), rtol=0, atol=1e-5
    )


def test_the_pooler_is_linear_in_the_first_token(name):
    if "P2" not in sentences.poolings(name):
        pytest.skip("no pooler")
    pooler = encoder.load(name).pooler
    assert pooler is not None
    kernel, bias = pooler
    first = sentences.vectors(TEXTS["zh"], name, "P1")
    np.testing.assert_allclose(
        sentences.vectors(TEXTS["zh"], name, "P2"), first @ kernel + bias, **ROUNDING
    )


def test_no_texts_give_no_vectors(name):
    assert sentences.vectors([], name).shape == (0, encoder.load(name).n_features)


def test_a_text_goes_through_the_network_once(name, monkeypatch):
    texts = TEXTS[ENCODERS[name]]
    seen: list[int] = []
    before = encoder.Encoder.states

    def counted(self, ids, mask):
        seen.append(len(ids))
        return before(self, ids, mask)

    monkeypatch.setattr(encoder.Encoder, "states", counted)
    for mode in sentences.poolings(name):
        sentences.vectors(texts, name, mode)
    assert sum(seen) == len(set(texts))


def test_what_is_kept_is_bounded_and_cannot_be_changed(name, monkeypatch):
    monkeypatch.setattr(sentences, "MOST_VECTORS", 2)
    found = sentences.vectors(TEXTS[ENCODERS[name]], name)
    assert len(sentences._vectors) == 2
    again = sentences.vectors(TEXTS[ENCODERS[name]], name)
    found[:] = 0
    np.testing.assert_allclose(sentences.vectors(TEXTS[ENCODERS[name]], name), again, **ROUNDING)
    assert not any(
        one.flags.writeable for kept in sentences._vectors.values() for one in kept.values()
    )


# --- Adapters


def test_a_visitors_adapter_is_merged_and_found_by_its_token(name, change):
    texts, raw = TEXTS[ENCODERS[name]], encoder.load(name)
    before = {key: value.clone() for key, value in raw.network.state_dict().items()}
    adapter = change(name)
    token = sentences.TRAINED.put(Trained(name, adapter))
    found = sentences.vectors(texts, name, "P3", token)
    merged = encoder.Encoder("x", raw.tokenizer, adapters.merge(raw.network, adapter))
    for batch, states, mask in merged.all_states(texts):
        np.testing.assert_allclose(
            found[batch], pool(states.numpy(), mask.numpy(), "P3"), **ROUNDING
        )
    assert np.abs(found - sentences.vectors(texts, name, "P3")).max() > 1e-2
    for key, value in raw.network.state_dict().items():
        torch.testing.assert_close(value, before[key], rtol=0, atol=0)


def test_visitors_do_not_meet(change):
    tokens = [sentences.TRAINED.put(Trained("minilm", change("minilm", seed))) for seed in (1, 2)]
    first, second = (sentences.vectors(["a"], "minilm", "P1", token) for token in tokens)
    assert np.abs(first - second).max() > 1e-2
    assert not sentences.has_adapter("roformer", tokens[0])
    with pytest.raises(ValueError, match="adapter must be one that roformer has"):
        sentences.vectors(["a"], "roformer", "P1", tokens[0])


def test_a_forgotten_adapter_is_refused_even_if_still_merged(change, monkeypatch):
    now = [0.0]
    monkeypatch.setattr(sentences, "TRAINED", Kept(seconds=10, clock=lambda: now[0]))
    token = sentences.TRAINED.put(Trained("minilm", change("minilm")))
    sentences.vectors(["a"], "minilm", "P1", token)
    assert sentences.has_adapter("minilm", token)
    now[0] = 11.0
    assert not sentences.has_adapter("minilm", token)
    with pytest.raises(ValueError, match="at present"):
        sentences.vectors(["a"], "minilm", "P1", token)


def test_few_merged_networks_are_kept(change, monkeypatch):
    monkeypatch.setattr(sentences, "MOST_MERGED", 1)
    adapter = change("minilm")
    for _ in range(3):
        token = sentences.TRAINED.put(Trained("minilm", adapter))
        sentences.with_adapter("minilm", token)
        assert list(sentences._merged) == [("minilm", token)]


def test_shipped_adapters_are_files_of_known_encoders():
    for name, path in sentences.ADAPTERS.items():
        assert name in encoder.KNOWN and path == f"assets/similarity/{name}_simcse.safetensors"
        assert sentences.has_adapter(name, "simcse")
        raw, tuned = (sentences.vectors(["天气"], name, "P1", key) for key in ("", "simcse"))
        assert np.abs(raw - tuned).max() > 1e-3
    for name in set(encoder.KNOWN) - set(sentences.ADAPTERS):
        with pytest.raises(ValueError, match="'simcse'"):
            sentences.vectors(["a"], name, "P1", "simcse")


# --- Sentences


def test_every_encoder_is_known_and_has_sentences():
    assert set(ENCODERS) <= set(encoder.KNOWN)
    assert set(ENCODERS.values()) == set(sentences.LANGUAGES)


@pytest.mark.parametrize("language", sentences.LANGUAGES)
def test_there_are_enough_sentences(language):
    assert len(set(sentences.corpus(language))) == len(sentences.corpus(language)) >= 2000
    pairs, traps = sentences.pairs(language), sentences.traps(language)
    questions = sentences.questions(language)
    assert (len(pairs), len(traps)) == (125, 55) and len(questions) >= 160
    assert {kind for *_, kind in traps} == set(sentences.TRAPS)
    assert not {kind for *_, kind in pairs} & set(sentences.TRAPS)
    assert {score for _, _, score, _ in pairs} == {0.0, 1.0, 2.0, 3.0, 4.0, 5.0}
    assert {label for _, _, label in questions} == {0, 1}
    assert all(a and b and kind for a, b, _, kind in pairs)


def test_the_corpus_is_a_copy():
    sentences.corpus("en").clear()
    assert sentences.corpus("en")


def test_corpus_vectors_are_those_of_its_first_lines():
    found = sentences.corpus_vectors("minilm", "P3", most=5)
    np.testing.assert_array_equal(
        found, sentences.vectors(sentences.corpus("en")[:5], "minilm", "P3")
    )


@pytest.mark.parametrize(
    ("call", "match"),
    [
        (lambda: sentences.vectors(["a"], "minilm", "P5"), "pooling must be one of P1, P2"),
        (lambda: sentences.corpus("fr"), "language must be one of zh, en"),
        (lambda: sentences.pairs("fr"), "language must be"),
        (lambda: sentences.traps("fr"), "language must be"),
        (lambda: sentences.questions("fr"), "language must be"),
        (lambda: sentences.corpus_vectors("owner/name"), "encoder must be one of"),
        (lambda: sentences.vectors(["a"], "minilm", "P1", "x"), "at present, got 'x'"),
    ],
)
def test_arguments_outside_their_domain_are_refused(call, match):
    with pytest.raises(ValueError, match=match):
        call()
