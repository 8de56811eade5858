"""The conversion of SimBERT: a checkpoint written here by the format's description is read back.

``python -m pytest tests/test_simbert.py``
"""

import json
import struct

import numpy as np
import pytest
from transformers.models.electra import ElectraConfig, ElectraModel

from models import encoder
from training import simbert, tensor_bundle


def varint(value):
    out = b""
    while value > 127:
        out, value = out + bytes([value & 127 | 128]), value >> 7
    return out + bytes([value])


def block(entries):
    """A block of a table: names share their beginnings with the one before."""
    out, last = b"", b""
    for name, value in entries:
        shared = next(
            (i for i, (a, b) in enumerate(zip(name, last, strict=False)) if a != b),
            min(len(name), len(last)),
        )
        out += varint(shared) + varint(len(name) - shared) + varint(len(value))
        out, last = out + name[shared:] + value, name
    return out + struct.pack("<II", 0, 1)


def bundle(tensors):
    """An index and a file of numbers, as TensorFlow writes them."""
    numbers, entries = b"", [(b"", b"\x08\x01")]
    for name, value in sorted(tensors.items()):
        raw = value.astype("<f4").tobytes()
        dims = b"".join(
            b"\x12" + varint(len(size)) + size
            for size in (b"\x08" + varint(n) for n in value.shape)
        )
        record = b"\x08\x01\x12" + varint(len(dims)) + dims
        record += b"\x20" + varint(len(numbers)) + b"\x28" + varint(len(raw))
        record += b"\x35" + struct.pack("<I", tensor_bundle.masked(tensor_bundle.crc32c(raw)))
        entries.append((name.encode(), record))
        numbers += raw
    half = len(entries) // 2
    out, handles = b"", []
    for part in (entries[:half], entries[half:]):
        made = block(part)
        handles.append((part[-1][0], varint(len(out)) + varint(len(made))))
        out += made + b"\0" + bytes(4)
    made = block(handles)
    footer = b"\0\0" + varint(len(out)) + varint(len(made))
    out += made + b"\0" + bytes(4)
    return out + footer.ljust(40, b"\0") + struct.pack("<Q", tensor_bundle.MAGIC), numbers


def theirs():
    """Names and shapes of a small SimBERT as its checkpoint has them."""
    layer = {
        "attention/self/query": (12, 12),
        "attention/self/key": (12, 12),
        "attention/self/value": (12, 12),
        "attention/output/dense": (12, 12),
        "intermediate/dense": (12, 24),
        "output/dense": (24, 12),
    }
    found = {"bert/encoder/embedding_hidden_mapping_in": (4, 12), "bert/pooler/dense": (12, 12)}
    found |= {
        f"bert/encoder/layer_{n}/{name}": one for n in range(2) for name, one in layer.items()
    }
    names: dict[str, tuple[int, ...]] = {}
    for name, (n_in, n_out) in found.items():
        names |= {f"{name}/kernel": (n_in, n_out), f"{name}/bias": (n_out,)}
    norms = {"bert/embeddings": 4}
    for n in range(2):
        norms |= {f"bert/encoder/layer_{n}/{at}": 12 for at in ("output", "attention/output")}
    for name, size in norms.items():
        names |= {f"{name}/LayerNorm/{part}": (size,) for part in ("gamma", "beta")}
    for name, n in (("word", 9), ("position", 16), ("token_type", 2)):
        names[f"bert/embeddings/{name}_embeddings"] = (n, 4)
    return names | {"cls/predictions/output_bias": (9,)}


@pytest.fixture
def tensors(rng):
    return {name: rng.normal(size=shape).astype("<f4") for name, shape in theirs().items()}


def test_a_checkpoint_is_read_back(tensors):
    index, numbers = bundle(tensors)
    found = tensor_bundle.read(index, {0: numbers})
    assert set(found) == set(tensors)
    for name, value in tensors.items():
        np.testing.assert_array_equal(found[name], value)


def test_a_changed_number_is_noticed(tensors):
    index, numbers = bundle(tensors)
    with pytest.raises(ValueError, match="check sum of"):
        tensor_bundle.read(index, {0: bytes([numbers[0] ^ 1]) + numbers[1:]})


@pytest.mark.parametrize("index", [b"", b"x" * 60])
def test_what_is_no_table_is_refused(index):
    with pytest.raises(ValueError, match="sorted table"):
        tensor_bundle.records(index)


def test_the_check_sum_is_the_published_one():
    """RFC 3720, appendix B.4, and the customary nine digits."""
    assert tensor_bundle.crc32c(bytes(32)) == 0x8A9136AA
    assert tensor_bundle.crc32c(bytes(range(32))) == 0x46DD794E
    assert tensor_bundle.crc32c(b"123456789") == 0xE3069283


def test_every_weight_of_the_encoder_gets_its_name_and_its_turn(tensors):
    found = simbert.converted(tensors)
    config = ElectraConfig(
        vocab_size=9,
        embedding_size=4,
        hidden_size=12,
        num_hidden_layers=2,
        num_attention_heads=2,
        intermediate_size=24,
        max_position_embeddings=16,
    )
    expected = {name: tuple(v.shape) for name, v in ElectraModel(config).state_dict().items()}
    expected |= {"pooler.dense.weight": (12, 12), "pooler.dense.bias": (12,)}
    assert {name: value.shape for name, value in found.items()} == expected
    kernel = tensors["bert/encoder/layer_1/attention/self/key/kernel"]
    np.testing.assert_array_equal(
        found["encoder.layer.1.attention.self.key.weight"], kernel.T.astype(np.float16)
    )
    parts = simbert.split(found)
    assert set(parts["embeddings"]) | set(parts["layers"]) == set(found)
    assert not set(parts["embeddings"]) & set(parts["layers"])


def test_what_is_shipped_has_the_configuration_of_the_checkpoint():
    told = json.loads((encoder.OWN / "simbert_tiny" / "config.json").read_text())
    sizes = ("hidden_size", "embedding_size", "num_hidden_layers", "num_attention_heads")
    assert [told[name] for name in sizes] == [312, 128, 4, 12]
    assert told == simbert.configuration(told)
    vocabulary = (encoder.OWN / "simbert_tiny" / "vocab.txt").read_text(encoding="utf-8")
    assert len(vocabulary.splitlines()) == told["vocab_size"]
