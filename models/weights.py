"""Files of weights: safetensors in half precision, with facts as JSON in one entry beside them."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors import safe_open
from safetensors.torch import save_file
from torch import Tensor, nn


def save(network: nn.Module, path: Path, entry: str, told: Mapping[str, Any]) -> None:
    """Write the weights of a network in half precision, and JSON values under an entry.

    Args:
        network: What to write.
        path: A safetensors file; its folder must exist.
        entry: Name of the entry; a single one, since the order of several is not kept.
        told: JSON values.
    """
    save_tensors(network.state_dict(), path, entry, told)


def save_tensors(
    tensors: Mapping[str, Tensor], path: Path, entry: str, told: Mapping[str, Any]
) -> None:
    """Write tensors by name as `save` writes those of a network."""
    halves = {
        name: value.detach().to(torch.float16).contiguous() for name, value in tensors.items()
    }
    save_file(halves, path, {entry: json.dumps(told)})
    path.chmod(0o644)  # the library makes it private


def load(path: Path, entry: str) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """Return weights in single precision and the values under an entry, none without it."""
    with safe_open(path, framework="pt") as file:
        told = json.loads((file.metadata() or {}).get(entry, "{}"))
        return {name: file.get_tensor(name).float() for name in file.keys()}, told
