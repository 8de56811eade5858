"""Low-rank adapters: a network changed by little, so that the change can be shipped.

A frozen matrix W (out, in) becomes W + (alpha/r) U V with U (out, r), V (r, in): U starts at zero,
V as a linear layer does. Vectors (biases, gains of layer norm) are few: they are free and stored
whole. An adapter is a dictionary of tensors; merged into a copy of the network, it costs nothing
more than the network itself.

Source: Hu et al. 2021, "LoRA: Low-Rank Adaptation of Large Language Models", arXiv 2106.09685,
section 4.1. The vectors: Ben Zaken et al. 2021, "BitFit", arXiv 2106.10199.
"""

import copy
from collections.abc import Iterator

import torch
from torch import Tensor, nn
from torch.nn import functional

UP, DOWN = ".up", ".down"
SCALE = 2.0  # alpha/r


class LowRank(nn.Module):
    """A frozen linear layer with a low-rank update.

    Args:
        base: The layer; its weight is frozen.
        rank: r, at least 1.
    """

    def __init__(self, base: nn.Linear, rank: int) -> None:
        super().__init__()
        self.base = base
        base.weight.requires_grad_(False)
        self.down = nn.Parameter(torch.empty(rank, base.in_features))
        self.up = nn.Parameter(torch.zeros(base.out_features, rank))
        nn.init.kaiming_uniform_(self.down, a=5**0.5)

    def forward(self, x: Tensor) -> Tensor:
        """Return x (..., in) mapped to (..., out)."""
        update = functional.linear(functional.linear(x, self.down), self.up)
        mapped: Tensor = self.base(x)
        return mapped + SCALE * update


def adapt(network: nn.Module, rank: int, first_layer: int = 0) -> nn.Module:
    """Return a copy of a network of transformers in which only an adapter can be trained.

    Args:
        network: With its layers under ``encoder.layer``.
        rank: r, at least 1.
        first_layer: Layers below it, and the embeddings, stay as they are.

    Raises:
        ValueError: If the rank is below 1, or no layer is left.
    """
    n_layers = len(_layers(network))
    if rank < 1 or not 0 <= first_layer < n_layers:
        raise ValueError(f"rank >= 1, first_layer in 0..{n_layers - 1}, got {rank}, {first_layer}")
    adapted = copy.deepcopy(network).requires_grad_(False)
    for layer in _layers(adapted)[first_layer:]:
        for name, linear in list(_linears(layer)):
            holder = layer.get_submodule(name.rpartition(".")[0])
            setattr(holder, name.rpartition(".")[2], LowRank(linear, rank))
        for vector in layer.parameters():
            if vector.ndim == 1:
                vector.requires_grad_(True)
    return adapted


def _layers(network: nn.Module) -> list[nn.Module]:
    return list(network.get_submodule("encoder.layer").children())


def _linears(layer: nn.Module) -> Iterator[tuple[str, nn.Linear]]:
    for name, module in layer.named_modules():
        if isinstance(module, nn.Linear):
            yield name, module


def extract(adapted: nn.Module) -> dict[str, Tensor]:
    """Return the adapter of a network made by `adapt`: what can be trained, by name."""
    return {
        name.replace(".base.", "."): value.detach().clone()
        for name, value in adapted.named_parameters()
        if value.requires_grad
    }


def merge(network: nn.Module, adapter: dict[str, Tensor]) -> nn.Module:
    """Return a network of the same kind with an adapter in it; what is unchanged is shared.

    Args:
        network: The one the adapter was trained on.
        adapter: As `extract` returns it.

    Raises:
        ValueError: If the adapter does not fit the network.
    """
    merged = _shared_copy(network)
    weights = dict(merged.named_parameters())
    for name, value in adapter.items():
        if name.endswith(DOWN):
            continue
        target = f"{name.removesuffix(UP)}.weight" if name.endswith(UP) else name
        if target not in weights:
            raise ValueError(f"the network has no weight {target!r}")
        if name.endswith(UP):
            value = weights[target] + SCALE * value @ adapter[name.removesuffix(UP) + DOWN]
        if value.shape != weights[target].shape:
            raise ValueError(
                f"{target} has shape {tuple(weights[target].shape)}, got {value.shape}"
            )
        holder = merged.get_submodule(target.rpartition(".")[0])
        setattr(holder, target.rpartition(".")[2], nn.Parameter(value.detach(), False))
    return merged.eval()


def _shared_copy(network: nn.Module) -> nn.Module:
    """Return a copy whose weights are the same tensors, so that one can be put in for another."""
    memo = {id(value): value for value in [*network.parameters(), *network.buffers()]}
    return copy.deepcopy(network, memo)
