"""A small U-Net that predicts the noise in a grey picture, and its adapter to NumPy.

Noised pictures are x_t = A_t x_0 + B_t eps, t = 1..T, with A_t = a_1 ... a_t, A^2 + B^2 = 1 and the
post's schedule b_t^2 = 1 - a_t^2 = last * t/T. The network predicts eps (the one-noise form) as
    eps_theta(x_t, t) = B_t x_t + A_t F(x_t, t):
what is left of x_t at large t is noise already, so the layers F need not learn the identity, and
the estimate x0_hat = (x_t - B_t eps_theta)/A_t = A_t x_t - B_t F stays bounded at t = T.

F works on 2x2 pixels at once: the picture is folded to 4 channels of half the side, so nearly all
the work is in wide convolutions at 16x16 and 8x8, which suits a processor. Residual blocks of group
norm, SiLU, convolution; t as sines and the class as a learned vector scale and shift each block.
Class number C, one past the last, is the null class: it stands for "any" and makes classifier-free
guidance possible.

Shapes: pictures (n, 32, 32) float in [-1, 1] (n, 1, 32, 32 inside); t and classes (n,) integers.
Weights are stored in half precision and used in single precision.

Source: Su Jianlin, 2022, kexue.fm/archives/9119, 9152, 9164 (objective, schedule, no batch norm);
Ho, Jain and Abbeel 2020, arXiv 2006.11239 (U-Net); Salimans and Ho 2022, arXiv 2202.00512 (F is
their v); Ho and Salimans 2022, arXiv 2207.12598 (guidance).
"""

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from torch import Tensor, nn
from torch.nn import functional

from models import weights

Array = NDArray[np.float64]
Picture = NDArray[np.float32]

SIDE = 32  # pixels
MAX_TIMES = 4000
FACTS = "unet"  # entry of the file's metadata


@dataclass(frozen=True)
class Config:
    """What is needed to build the network again.

    Attributes:
        n_classes: C, how many classes; 0 for none.
        width: Channels at 16x16, a multiple of 8; twice as many at 8x8.
        n_blocks: Residual blocks at 16x16 on the way down, and again on the way up.
        n_deep: Residual blocks at 8x8 in the middle, besides one down and one up.
        n_times: T of the schedule.
        last: b_T^2, the variance of the last step's noise.

    Raises:
        ValueError: If an attribute is outside its domain.
    """

    n_classes: int = 0
    width: int = 64
    n_blocks: int = 2
    n_deep: int = 0
    n_times: int = 1000
    last: float = 0.02

    def __post_init__(self) -> None:
        limits = {"n_classes": (0, 1000), "width": (8, 256), "n_blocks": (1, 8), "n_deep": (0, 8)}
        limits |= {"n_times": (1, MAX_TIMES)}
        for name, (low, high) in limits.items():
            value = getattr(self, name)
            if type(value) is not int or not low <= value <= high:
                raise ValueError(f"{name} must be a whole number in {low}..{high}, got {value!r}")
        if self.width % 8:
            raise ValueError(f"width must be a multiple of 8, got {self.width}")
        if not 0 < self.last < 1:
            raise ValueError(f"last must be between 0 and 1, got {self.last!r}")


def levels(config: Config) -> tuple[Array, Array]:
    """Return A and B for t = 0..T, (T + 1,) each; A_0 = 1, B_0 = 0."""
    steps = config.last * np.arange(config.n_times + 1) / config.n_times
    log_signal = np.cumsum(np.log1p(-steps))  # ln A^2
    return np.exp(log_signal / 2), np.sqrt(-np.expm1(log_signal))


# --- Layers ---------------------------------------------------------------------------------------


def sines(t: Tensor, n_features: int) -> Tensor:
    """Return cos and sin of t at wavelengths 2 pi .. 20 000 pi steps, (n, n_features) float32."""
    half = n_features // 2
    rates = torch.exp(-math.log(10_000) / half * torch.arange(half, device=t.device))
    angles = t.float()[:, None] * rates
    return torch.cat([angles.cos(), angles.sin()], dim=1)


class Block(nn.Module):
    """Two convolutions around a shortcut, scaled and shifted by the condition.

    Under autocast only the convolutions run in bfloat16: group norm and SiLU in it are slower.

    Args:
        n_in: Channels that come in.
        n_out: Channels that go out.
        n_condition: Length of the condition.
    """

    def __init__(self, n_in: int, n_out: int, n_condition: int) -> None:
        super().__init__()
        self.norm_1 = nn.GroupNorm(8, n_in)
        self.conv_1 = nn.Conv2d(n_in, n_out, 3, padding=1)
        self.condition = nn.Linear(n_condition, 2 * n_out)
        self.norm_2 = nn.GroupNorm(8, n_out)
        self.conv_2 = nn.Conv2d(n_out, n_out, 3, padding=1)
        self.shortcut = nn.Identity() if n_in == n_out else nn.Conv2d(n_in, n_out, 1)
        nn.init.zeros_(self.conv_2.weight)

    def forward(self, x: Tensor, condition: Tensor) -> Tensor:
        """Return (n, n_out, h, w) for x (n, n_in, h, w) and condition (n, n_condition)."""
        hidden = self.conv_1(functional.silu(self.norm_1(x))).float()
        scale, shift = self.condition(condition).float()[:, :, None, None].chunk(2, dim=1)
        hidden = torch.addcmul(shift, self.norm_2(hidden), 1 + scale)
        out: Tensor = self.shortcut(x).float() + self.conv_2(functional.silu(hidden)).float()
        return out


class UNet(nn.Module):
    """The network eps_theta of the module's docstring.

    Args:
        config: Sizes and schedule.
    """

    signal: Tensor
    noise: Tensor

    def __init__(self, config: Config) -> None:
        super().__init__()
        self.config = config
        width, deep, n_condition = config.width, 2 * config.width, 2 * config.width
        self.time = nn.Sequential(nn.Linear(width, n_condition), nn.SiLU())
        self.classes = nn.Embedding(config.n_classes + 1, n_condition)  # the last is the null class
        self.mix = nn.Sequential(nn.Linear(n_condition, n_condition), nn.SiLU())
        self.stem = nn.Conv2d(4, width, 3, padding=1)
        self.down = nn.ModuleList(Block(width, width, n_condition) for _ in range(config.n_blocks))
        self.shrink = nn.Conv2d(width, deep, 2, stride=2)
        self.deep_in = Block(deep, deep, n_condition)
        self.deep = nn.ModuleList(Block(deep, deep, n_condition) for _ in range(config.n_deep))
        self.deep_out = Block(2 * deep, deep, n_condition)
        self.grow = nn.ConvTranspose2d(deep, width, 2, stride=2)
        self.up = nn.ModuleList(
            Block(2 * width, width, n_condition) for _ in range(config.n_blocks)
        )
        self.norm = nn.GroupNorm(8, width)
        self.head = nn.Conv2d(width, 4, 3, padding=1)
        nn.init.normal_(self.classes.weight, std=0.5)
        nn.init.zeros_(self.head.weight)
        for name, values in zip(("signal", "noise"), levels(config), strict=True):
            self.register_buffer(name, torch.tensor(values, dtype=torch.float32), persistent=False)
        self.to(memory_format=torch.channels_last)  # type: ignore[call-overload]

    def forward(self, x: Tensor, t: Tensor, classes: Tensor) -> Tensor:
        """Return eps (n, 1, 32, 32) float32.

        Args:
            x: Noised pictures (n, 1, 32, 32).
            t: Their steps (n,), 1..T.
            classes: (n,), 0..C - 1, or C for the null class.
        """
        condition = self.time(sines(t, self.config.width)) + self.classes(classes)
        condition = self.mix(condition)
        h = functional.pixel_unshuffle(x, 2).contiguous(memory_format=torch.channels_last)
        h = self.stem(h).float()
        kept = []
        for block in self.down:
            h = block(h, condition)
            kept.append(h)
        h = side = self.deep_in(self.shrink(h).float(), condition)
        for block in self.deep:
            h = block(h, condition)
        h = self.grow(self.deep_out(torch.cat([h, side], dim=1), condition)).float()
        for block in self.up:
            h = block(torch.cat([h, kept.pop()], dim=1), condition)
        h = functional.pixel_shuffle(self.head(functional.silu(self.norm(h))).float(), 2)
        at = (-1, 1, 1, 1)
        return self.noise[t].view(at) * x + self.signal[t].view(at) * h


# --- Files ----------------------------------------------------------------------------------------


def save(network: UNet, path: Path, facts: Mapping[str, Any]) -> None:
    """Write weights in half precision, with the configuration and facts as JSON beside them.

    Args:
        network: What to write.
        path: A safetensors file; its folder must exist.
        facts: JSON values, for instance steps, seed, data, classes.
    """
    weights.save(network, path, FACTS, {"config": asdict(network.config), **facts})


def load(path: Path) -> tuple[UNet, dict[str, Any]]:
    """Return the network in evaluation mode, single precision, and the facts beside its weights.

    Raises:
        ValueError: If the file holds no network of this module.
    """
    values, facts = weights.load(path, FACTS)
    try:
        network = UNet(Config(**facts.pop("config")))
        network.load_state_dict(values)
    except (KeyError, TypeError, RuntimeError) as error:
        raise ValueError(f"{path.name} holds no U-Net of this project: {error}") from error
    return network.eval().requires_grad_(False), facts


class Denoiser:
    """The network as a function on NumPy arrays.

    Args:
        network: Trained weights; put into evaluation mode.
        facts: What was stored beside them.

    Attributes:
        config: Sizes and schedule of the network.
        facts: As given.
    """

    def __init__(self, network: UNet, facts: Mapping[str, Any] | None = None) -> None:
        self.network = network.eval().requires_grad_(False)
        self.config = network.config
        self.facts = dict(facts or {})

    @classmethod
    def load(cls, path: Path) -> "Denoiser":
        """Read a file made by `save`.

        Raises:
            ValueError: If the file holds no network of this module.
        """
        return cls(*load(path))

    def __call__(
        self, x: ArrayLike, t: int, classes: ArrayLike | None = None, guidance: float = 1.0
    ) -> Picture:
        """Return eps (n, 32, 32) float32; a picture's eps does not depend on the others.

        Args:
            x: Noised pictures (n, 32, 32).
            t: Their common step, 1..T.
            classes: (n,) in 0..C, or one for all; C, or None, is the null class.
            guidance: g in eps = eps_null + g (eps_class - eps_null); 1 is the class alone, 0 none.
                Other values cost two passes.

        Raises:
            ValueError: If an argument is outside its domain.
        """
        pictures = np.asarray(x, dtype=np.float32)
        if pictures.ndim != 3 or pictures.shape[1:] != (SIDE, SIDE):
            raise ValueError(f"x must have shape (n, {SIDE}, {SIDE}), got {pictures.shape}")
        if t % 1 or not 1 <= t <= self.config.n_times:
            raise ValueError(f"t must be a whole number in 1..{self.config.n_times}, got {t!r}")
        if not math.isfinite(guidance):
            raise ValueError(f"guidance must be finite, got {guidance!r}")
        null = np.full(len(pictures), self.config.n_classes, dtype=np.int64)
        if classes is None:
            return self._eps(pictures, int(t), null)
        given = np.asarray(classes)
        whole = given.dtype.kind in "iu" and given.shape in ((), null.shape)
        if not (whole and ((given >= 0) & (given <= self.config.n_classes)).all()):
            raise ValueError(f"classes must be whole numbers in 0..{self.config.n_classes}")
        chosen = np.broadcast_to(given, null.shape).astype(np.int64)
        if guidance == 1:
            return self._eps(pictures, int(t), chosen)
        base = self._eps(pictures, int(t), null)
        if guidance == 0:
            return base
        return base + np.float32(guidance) * (self._eps(pictures, int(t), chosen) - base)

    def _eps(self, pictures: Picture, t: int, classes: NDArray[np.int64]) -> Picture:
        if not len(pictures):
            return pictures.copy()
        with torch.inference_mode():
            x = torch.from_numpy(np.ascontiguousarray(pictures))[:, None]
            times = torch.full((len(pictures),), t)
            eps: Picture = self.network(x, times, torch.from_numpy(classes))[:, 0].numpy()
        return eps
