"""Encoders: pinned files, offsets back to characters, batches that change nothing, the Hub's door.

References: transformers' own loading and sentence-transformers with the same weights.
"""

import json
import subprocess
import sys
from collections import OrderedDict
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.torch import save_file
from scipy import special
from transformers import AutoModel
from transformers.models.bert import BertConfig, BertModel, BertTokenizer

from models import encoder, hub
from models.encoder import KNOWN, Encoder, load
from models.hub import FOLDER, HubError

TEXTS = [
    "今天天气很好，我们去北京大学第三医院看望王老师。",
    "The king of England's brother rode to London.",
    "a",
    "混合 mixed テキスト with émigré naïveté 𝔘 👩‍🔬!",
]
SIZES = {  # layers, features
    "minilm": (6, 384),
    "roformer": (6, 384),
    "simbert": (4, 312),
    "simbert_3": (3, 312),
    "minilm_3": (3, 384),
}
OWN = [name for name, one in KNOWN.items() if not one.package]
# single precision, another order of sums in a padded batch
ROUNDING: dict[str, Any] = {"rtol": 0, "atol": 5e-5}


@pytest.fixture(scope="module", params=KNOWN)
def known(request):
    return load(request.param)


def test_importing_brings_no_torch():
    code = (
        "import sys, models.encoder; print('torch' in sys.modules, 'transformers' in sys.modules)"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.split() == ["False", "False"]


def test_everybody_gets_the_same_encoder(known):
    assert load(known.name) is known
    assert (known.n_layers, known.n_features) == SIZES[known.name]


def test_the_packages_are_the_ones_pinned():
    pinned = (Path(__file__).parents[1] / "requirements-models.txt").read_text()
    for name, one in KNOWN.items():
        assert f"{one.package}==" in pinned or name in OWN
        for file in one.files:
            assert (encoder.folder(name) / file.name).stat().st_size == file.n_bytes


def test_ours_are_small_and_need_no_package(elsewhere):
    for name in OWN:
        at = encoder.folder(name)
        assert at.parent.name == "encoders"
        assert all(file.stat().st_size < 10_000_000 for file in at.iterdir())


def test_minilm_is_what_sentence_transformers_reads():
    from sentence_transformers import SentenceTransformer

    at = str(encoder.folder("minilm"))
    peer = SentenceTransformer(at, device="cpu")
    texts = ["The weather is nice.", "It is raining in London, isn't it?", "a"]
    theirs = peer.encode(texts, normalize_embeddings=True)
    own = load("minilm")
    rows = [own.tokens(text).ids for text in texts]
    for row, vector in zip(rows, theirs, strict=True):
        ids, mask = own.padded([row])
        with torch.inference_mode():
            mean = own.last(ids, mask)[0].mean(dim=0)
        torch.testing.assert_close(mean / mean.norm(), torch.from_numpy(vector), rtol=0, atol=1e-5)


def test_roformer_is_what_transformers_reads(tmp_path):
    from transformers.models.roformer import RoFormerConfig, RoFormerForCausalLM

    at = encoder.folder("roformer")
    told = json.loads((at / "config.json").read_text()) | {"is_decoder": True}
    whole = RoFormerForCausalLM(RoFormerConfig(**told))
    values = torch.load(at / "pytorch_model.bin", weights_only=True)
    whole.load_state_dict(values, strict=False)
    own = load("roformer")
    for name, value in own.network.state_dict().items():
        if "embed_positions" not in name:
            torch.testing.assert_close(value, whole.roformer.state_dict()[name])
    # an encoder looks both ways: the first token sees a change of the last
    ids, mask = own.padded([own.tokens("今天天气好").ids, own.tokens("今天天气坏").ids])
    with torch.inference_mode():
        first, second = own.last(ids, mask)[:, 0]
    assert (first - second).abs().max() > 1e-3


def test_simbert_is_a_bert_whose_embeddings_are_narrow():
    """By NumPy from the formula: narrow embeddings, a map, layers normalised after each block."""
    source = load("simbert")
    weights = {name: value.numpy() for name, value in source.network.state_dict().items()}
    ids = source.tokens("今天天气很好。").ids

    def linear(name, x):
        return x @ weights[f"{name}.weight"].T + weights[f"{name}.bias"]

    def norm(name, x):
        x = (x - x.mean(-1, keepdims=True)) / np.sqrt(x.var(-1, keepdims=True) + 1e-12)
        return x * weights[f"{name}.weight"] + weights[f"{name}.bias"]

    x = weights["embeddings.word_embeddings.weight"][list(ids)]
    x = x + weights["embeddings.position_embeddings.weight"][: len(ids)]
    x = norm("embeddings.LayerNorm", x + weights["embeddings.token_type_embeddings.weight"][0])
    x = linear("embeddings_project", x)
    for layer in range(4):
        at = f"encoder.layer.{layer}"
        q, k, v = (
            linear(f"{at}.attention.self.{part}", x).reshape(len(ids), 12, 26).swapaxes(0, 1)
            for part in ("query", "key", "value")
        )
        scores = np.exp(q @ k.swapaxes(1, 2) / np.sqrt(26))
        mixed = (scores / scores.sum(-1, keepdims=True) @ v).swapaxes(0, 1).reshape(len(ids), 312)
        x = norm(
            f"{at}.attention.output.LayerNorm", linear(f"{at}.attention.output.dense", mixed) + x
        )
        inner = linear(f"{at}.intermediate.dense", x)
        inner = inner * 0.5 * (1 + special.erf(inner / np.sqrt(2)))
        x = norm(f"{at}.output.LayerNorm", linear(f"{at}.output.dense", inner) + x)
    np.testing.assert_allclose(source.encode(["今天天气很好。"])[0], x[1:-1], **ROUNDING)


def test_simbert_knows_what_is_similar():
    """Were a matrix turned the wrong way, this would be chance."""
    source = load("simbert")
    texts = ["怎么修改登录密码？", "我想换一个登录密码，怎么操作？", "明天北京会下雨吗？"]
    first, second, other = (states.mean(axis=0) for states in source.encode(texts))
    cosine = [
        float(a @ b / np.linalg.norm(a) / np.linalg.norm(b))
        for a, b in ((first, second), (first, other), (second, other))
    ]
    assert cosine[0] > max(cosine[1:]) + 0.1


@pytest.mark.parametrize(("name", "whole"), [("simbert_3", "simbert"), ("minilm_3", "minilm")])
def test_a_lower_part_is_the_whole_ones_hidden_states(name, whole):
    (_, lower, _), (_, states, _) = (next(load(n).all_states(TEXTS[:1])) for n in (name, whole))
    torch.testing.assert_close(lower, states[: len(lower)], rtol=0, atol=0)
    assert load(name).pooler is None and load(whole).pooler is not None


def test_a_batch_changes_nothing(known):
    together = known.encode(TEXTS)
    fresh = Encoder(known.name, known.tokenizer, known.network)
    for text, states in zip(TEXTS, together, strict=True):
        alone = fresh.encode([text])[0]
        np.testing.assert_allclose(states, alone, **ROUNDING)
        assert states.shape == (len(known.tokens(text).offsets), known.n_features)
        assert states.dtype == np.float32 and not states.flags.writeable


def test_all_states_begin_and_end_where_they_should(known):
    rows = {text: known.encode([text])[0] for text in TEXTS}
    seen = set()
    for batch, states, mask in known.all_states(TEXTS):
        assert states.shape[0] == known.n_layers + 1
        for place, index in enumerate(batch):
            n = int(mask[place].sum())
            np.testing.assert_allclose(
                states[-1, place, 1 : n - 1].numpy(), rows[TEXTS[index]], **ROUNDING
            )
            seen.add(index)
    assert seen == set(range(len(TEXTS)))


def test_batches_are_of_like_length_and_bounded(known):
    rows = [[1] * n for n in (3, 500, 40, 41, 3, 512, 7)]
    batches = list(known.batches(rows))
    assert sorted(index for batch in batches for index in batch) == list(range(len(rows)))
    for batch in batches:
        longest = max(len(rows[index]) for index in batch)
        assert longest * len(batch) <= encoder.BATCH_TOKENS


def test_a_chinese_character_is_a_piece():
    tokens = load("roformer").tokens("北京大学 in Beijing")
    assert tokens.offsets[:5] == ((0, 1), (1, 2), (2, 3), (3, 4), (5, 7))


@settings(max_examples=60, deadline=None)
@given(st.text(max_size=60))
@pytest.mark.parametrize("name", KNOWN)
def test_offsets_lie_in_the_text_in_order(name, text):
    tokens = load(name).tokens(text)
    assert len(tokens.ids) == len(tokens.offsets) + 2
    last = 0
    for start, stop in tokens.offsets:
        assert last <= start < stop <= len(text)
        assert text[start:stop].strip()
        last = start
    assert tokens.n_cut == 0


def test_a_lone_surrogate_is_text_too():
    assert load("minilm").tokens("a\ud800b").offsets


def test_accents_and_wide_letters_keep_their_places():
    text = "Cre\u0300me bru\u0302le\u0301e à Ｐａｒｉｓ"
    tokens = load("minilm").tokens(text)
    assert {text[a:b] for a, b in tokens.offsets} >= {"à"}
    assert tokens.offsets[-1][1] == len(text)


def test_a_long_text_is_cut_and_says_where(known):
    text = "word " * 600
    tokens = known.tokens(text)
    assert len(tokens.ids) == 512 and tokens.n_cut == len(text) - tokens.offsets[-1][1] - 1
    assert len(known.tokens(text, limit=2000).offsets) >= 600


def test_what_is_kept_is_bounded(known, monkeypatch):
    fresh = Encoder(known.name, known.tokenizer, known.network)
    monkeypatch.setattr(encoder, "MOST_KEPT", 3 * 384 * 4)
    fresh.encode(["one two three four five"])
    assert not fresh._kept
    states = fresh.encode(["one two"])[0]
    assert fresh.encode(["one two"])[0] is states


# --- Finding -------------------------------------------------------------------------------------


@pytest.fixture
def elsewhere(monkeypatch, tmp_path):
    """No package, no Hub in reach; a folder of own models."""
    monkeypatch.setattr(encoder, "package_folder", lambda package, inside: None)
    monkeypatch.setenv(FOLDER, str(tmp_path))
    monkeypatch.setattr(hub, "_cached_folder", lambda *a: None)

    def offline(name, *_):
        raise HubError("offline", name=name)

    monkeypatch.setattr(hub, "_fetched_folder", offline)
    return tmp_path


def test_nowhere_is_said_with_the_package(elsewhere):
    with pytest.raises(HubError, match="neither in the package aizoo nor on the Hub") as caught:
        encoder.folder("roformer")
    assert caught.value.code == "nowhere"


@pytest.mark.parametrize("name", sorted(set(KNOWN) - set(OWN)))
def test_the_hub_may_stand_in_for_the_package(elsewhere, name, monkeypatch):
    known = KNOWN[name]
    at = elsewhere / known.hub
    at.mkdir(parents=True)
    monkeypatch.undo()
    source = encoder.folder(name)
    monkeypatch.setattr(encoder, "package_folder", lambda package, inside: None)
    monkeypatch.setenv(FOLDER, str(elsewhere))
    for file in source.iterdir():
        if file.is_file():
            (at / file.name).symlink_to(file)
    assert encoder.folder(name) == at.resolve()


def test_other_weights_are_refused(elsewhere):
    at = elsewhere / KNOWN["minilm"].hub
    at.mkdir(parents=True)
    save_file({"x": torch.zeros(2)}, at / "model.safetensors")
    with pytest.raises(HubError) as caught:
        encoder.folder("minilm")
    assert caught.value.code == "not_pinned"


def test_weights_of_another_kind_need_a_pin(elsewhere):
    at = elsewhere / "owner" / "name"
    at.mkdir(parents=True)
    torch.save({"x": torch.zeros(2)}, at / "pytorch_model.bin")
    with pytest.raises(HubError) as caught:
        load("owner/name")
    assert caught.value.code == "no_safetensors"


# --- Any id of the Hub ---------------------------------------------------------------------------


@pytest.fixture
def tiny(elsewhere):
    """A small BERT saved as the Hub holds one."""
    at = elsewhere / "owner" / "tiny"
    at.mkdir(parents=True)
    pieces = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "a", "b", "c", "##b"]
    (at / "vocab.txt").write_text("\n".join(pieces))
    BertTokenizer(str(at / "vocab.txt")).save_pretrained(at)
    torch.manual_seed(0)
    config = BertConfig(
        vocab_size=len(pieces),
        hidden_size=8,
        num_hidden_layers=2,
        num_attention_heads=2,
        intermediate_size=16,
        max_position_embeddings=16,
    )
    BertModel(config).save_pretrained(at)
    yield at
    encoder._kept.pop("owner/tiny", None)


def test_a_foreign_encoder_is_read(tiny):
    own = load("owner/tiny")
    assert (own.n_features, own.n_layers, own.most_tokens) == (8, 2, 16)
    peer = AutoModel.from_pretrained(tiny).eval()
    tokens = own.tokens("a b ab c")
    with torch.no_grad():
        theirs = peer(torch.tensor([tokens.ids])).last_hidden_state[0, 1:-1]
    np.testing.assert_allclose(own.encode(["a b ab c"])[0], theirs.numpy(), rtol=0, atol=1e-6)


def test_a_foreign_encoder_is_bounded_in_size(tiny, monkeypatch):
    monkeypatch.setattr(encoder, "MOST_BYTES", 100)
    with pytest.raises(HubError) as caught:
        load("owner/tiny")
    assert caught.value.code == "too_large"


def test_a_foreign_folder_runs_no_code(tiny):
    told = json.loads((tiny / "config.json").read_text())
    told["auto_map"] = {"AutoModel": "evil.Evil", "AutoConfig": "evil.Config"}
    told["model_type"] = "evil"
    (tiny / "config.json").write_text(json.dumps(told))
    (tiny / "evil.py").write_text("raise SystemExit('ran')")
    with pytest.raises(HubError) as caught:
        load("owner/tiny")
    assert caught.value.code == "damaged"


@pytest.mark.parametrize("broken", ["config.json", "model.safetensors", "tokenizer.json"])
def test_a_damaged_folder_is_refused(tiny, broken):
    (tiny / broken).write_bytes(b"{}" if broken == "config.json" else b"\0\1\2")
    if broken == "tokenizer.json":
        (tiny / "vocab.txt").unlink()
        (tiny / "tokenizer_config.json").unlink()
    with pytest.raises(HubError) as caught:
        load("owner/tiny")
    assert caught.value.code in ("damaged", "wrong_class")


def test_few_encoders_are_kept(tiny, monkeypatch):
    monkeypatch.setattr(encoder, "MOST_ENCODERS", 1)
    monkeypatch.setattr(encoder, "_kept", OrderedDict())
    (tiny.parent / "other").symlink_to(tiny)
    first = load("owner/tiny")
    assert load("owner/tiny") is first
    load("owner/other")
    assert list(encoder._kept) == ["owner/other"] and load("owner/tiny") is not first


def test_a_bad_id_is_refused():
    with pytest.raises(HubError) as caught:
        load("../../etc")
    assert caught.value.code == "bad_id"
