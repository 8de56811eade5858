"""A foreign DDPM of the Hub as a denoiser: an unconditional `UNet2DModel` and its schedule.

A pipeline's folder names its parts in model_index.json; the network lies in unet/ or, in older
ones, beside that file, and so does the scheduler's configuration. What is read of the scheduler is
its betas, as diffusers itself computes them, and what the network predicts: eps, x_0 or v. Its
times count from 0; here t = 1..T, as in `models.ddpm`.

Everything is judged by the configuration before weights are read. The package diffusers is only
imported when a pipeline is asked for, and need not be there.

Shapes: pictures (n, C, H, W) float32, usually in [-1, 1]. Source: diffusers 0.42 documentation,
"DDPM", "UNet2DModel" and "DDPMScheduler".
"""

import json
import threading
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from torch import nn

from models.ddpm import MAX_STEPS, Schedule, own
from models.hub import HubError

Pictures = NDArray[np.float32]

PATTERNS = (
    "model_index.json",
    "unet/config.json",
    "unet/diffusion_pytorch_model.safetensors",
    "scheduler/scheduler_config.json",
    "config.json",
    "diffusion_pytorch_model.safetensors",
    "scheduler_config.json",
)
MAX_PARAMETERS = 120_000_000
MAX_BYTES = 4 * MAX_PARAMETERS + 2**20  # single precision and the configuration
MAX_SIDE = 64  # pixels
CHANNELS = (1, 3)  # grey or colours
MAX_BLOCKS = 8  # resolutions, and layers in each
SCHEDULERS = ("DDPMScheduler", "DDIMScheduler")
PREDICTS = {"epsilon": "eps", "sample": "x0", "v_prediction": "v"}
KEPT = 2  # pipelines in memory

_loading = threading.Lock()


class HubDenoiser:
    """The network as a function on NumPy arrays.

    Args:
        network: A `UNet2DModel`; put into evaluation mode.
        schedule: On which it was trained.
        predicts: One of `models.ddpm_samplers.PREDICTIONS`.
        clip: Range [-clip, clip] to which its pipeline clips x0_hat; None for no clipping.

    Attributes:
        schedule: As given.
        predicts: As given.
        clip: As given.
        shape: (C, H, W) of a picture.
        n_parameters: Numbers the network has learned.
    """

    def __init__(
        self, network: nn.Module, schedule: Schedule, predicts: str, clip: float | None
    ) -> None:
        config: Any = network.config
        self.network = network.eval().requires_grad_(False)
        self.schedule, self.predicts, self.clip = schedule, predicts, clip
        self.shape = _shape(config)
        self.n_parameters = sum(weight.numel() for weight in network.parameters())

    def __call__(self, x: ArrayLike, t: int) -> Pictures:
        """Return the prediction (n, C, H, W) float32 for noised pictures at their common step.

        Args:
            x: (n, C, H, W).
            t: In 1..T.

        Raises:
            ValueError: If an argument is outside its domain.
        """
        pictures = np.ascontiguousarray(x, dtype=np.float32)
        if pictures.ndim != 4 or pictures.shape[1:] != self.shape:
            wanted = ", ".join(map(str, self.shape))
            raise ValueError(f"x must have shape (n, {wanted}), got {pictures.shape}")
        if t % 1 or not 1 <= t <= self.schedule.n_steps:
            raise ValueError(f"t must be a whole number in 1..{self.schedule.n_steps}, got {t!r}")
        if not len(pictures):
            return pictures.copy()
        with torch.inference_mode():
            made: Pictures = self.network(torch.from_numpy(pictures), int(t) - 1).sample.numpy()
        return made


def load_pipeline(folder: Path) -> HubDenoiser:
    """Return the denoiser of a pipeline's folder; the last two are kept in memory.

    Args:
        folder: As `models.hub.resolve` finds it with `PATTERNS`.

    Raises:
        HubError: no_package, wrong_class, conditional, shape, parameters, schedule or damaged.
    """
    with _loading:
        return _load(folder.resolve())


@lru_cache(maxsize=KEPT)
def _load(folder: Path) -> HubDenoiser:
    try:
        import diffusers
    except ImportError:
        raise HubError("no_package", package="diffusers") from None
    classes = _read(folder / "model_index.json")
    _check_class("network", classes.get("unet"), ("UNet2DModel",))
    _check_class("scheduler", classes.get("scheduler"), SCHEDULERS)
    schedule, predicts, clip = _schedule(
        getattr(diffusers, classes["scheduler"][1]),
        _read(_part(folder, "scheduler") / "scheduler_config.json"),
    )
    place, network_class = _part(folder, "unet"), getattr(diffusers, classes["unet"][1])
    _check_network(network_class, _read(place / "config.json"))
    try:
        network, found = network_class.from_pretrained(
            place,
            use_safetensors=True,
            local_files_only=True,
            low_cpu_mem_usage=False,  # the other way needs a further package
            output_loading_info=True,
        )
    except Exception as error:  # foreign files fail in any way
        raise _damaged(error) from error
    if found["missing_keys"] or found["unexpected_keys"]:
        raise HubError("damaged", found="the weights are not those of the configuration")
    return HubDenoiser(network, schedule, predicts, clip)


def _read(path: Path) -> dict[str, Any]:
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise HubError("damaged", found=f"{path.name}: {type(error).__name__}") from None
    if not isinstance(values, dict):
        raise HubError("damaged", found=path.name)
    return values


def _part(folder: Path, name: str) -> Path:
    return folder / name if (folder / name).is_dir() else folder


def _damaged(error: Exception) -> HubError:
    return HubError("damaged", found=f"{type(error).__name__}: {error}"[:200])


def _check_class(what: str, named: Any, allowed: tuple[str, ...]) -> None:
    if not (isinstance(named, list) and len(named) == 2 and named[0] == "diffusers"):
        raise HubError("wrong_class", what=what, found=str(named)[:80], expected=", ".join(allowed))
    if named[1] not in allowed:
        found = str(named[1])[:80]
        raise HubError("wrong_class", what=what, found=found, expected=", ".join(allowed))


def _check_network(network: Any, config: dict[str, Any]) -> None:
    """Refuse what is not an unconditional network of the sizes allowed, before it takes memory."""
    _check_class("network", ["diffusers", config.get("_class_name")], ("UNet2DModel",))
    if config.get("class_embed_type") is not None or config.get("num_class_embeds") is not None:
        raise HubError("conditional")
    shape, (low, high) = _shape(config), CHANNELS
    sides = all(isinstance(side, int) and 1 <= side <= MAX_SIDE for side in shape[1:])
    if not sides or shape[0] not in CHANNELS or config.get("out_channels", 3) != shape[0]:
        expected = f"({low} | {high}, ≤ {MAX_SIDE}, ≤ {MAX_SIDE})"
        raise HubError("shape", found=str(shape)[:80], expected=expected)
    depth, widths = config.get("layers_per_block"), config.get("block_out_channels")
    if not (isinstance(depth, int) and isinstance(widths, list)):
        raise HubError("damaged", found="layers_per_block, block_out_channels")
    if max(depth, len(widths)) > MAX_BLOCKS:
        raise HubError("damaged", found=f"layers_per_block, block_out_channels above {MAX_BLOCKS}")
    try:
        with torch.device("meta"):  # sizes without memory
            hollow = network.from_config(config)
    except Exception as error:  # foreign files fail in any way
        raise _damaged(error) from error
    n_parameters = sum(weight.numel() for weight in hollow.parameters())
    if n_parameters > MAX_PARAMETERS:
        raise HubError("parameters", found=n_parameters, limit=MAX_PARAMETERS)


def _shape(config: Any) -> tuple[int, int, int]:
    size = config.get("sample_size")
    height, width = size if isinstance(size, list | tuple) and len(size) == 2 else (size, size)
    return config.get("in_channels", 3), height, width


def _schedule(scheduler: Any, config: dict[str, Any]) -> tuple[Schedule, str, float | None]:
    n_steps, kind = config.get("num_train_timesteps", 1000), config.get("prediction_type")
    if not (isinstance(n_steps, int) and 1 <= n_steps <= MAX_STEPS):
        raise HubError("schedule", found=f"T = {n_steps}"[:80])
    if (kind or "epsilon") not in PREDICTS:
        raise HubError("schedule", found=str(kind)[:80])
    try:
        made = scheduler.from_config(config)
        schedule = own(made.betas.double().numpy())
    except Exception as error:  # foreign files fail in any way
        raise HubError("schedule", found=f"{type(error).__name__}: {error}"[:200]) from error
    clip = float(made.config.clip_sample_range) if made.config.clip_sample else None
    return schedule, PREDICTS[kind or "epsilon"], clip
