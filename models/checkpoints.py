"""Networks that draw pictures, read once and kept: ours, and diffusers pipelines of the Hub.

Importing this module does not import torch; asking for a network does.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING

from numpy.typing import ArrayLike

from models import ddpm, threads
from models.checks import one_of
from models.ddpm import Array, Denoiser, Schedule
from models.hub import resolve

if TYPE_CHECKING:
    from models import unet
    from models.reader import Reader

FOLDER = Path(__file__).resolve().parents[1] / "assets" / "ddpm"
NETWORKS = ("hanzi", "digits")
CLASSES = {"hanzi": 2, "digits": 10}
_kept: dict[str, "unet.Denoiser"] = {}
_lock = Lock()


@dataclass(frozen=True)
class Engine:
    """A trained network with what a sampler must know of it.

    Attributes:
        schedule: It was trained with.
        predicts: "eps", "x0" or "v".
        shape: Of one picture, (32, 32) or (channels, height, width).
        denoiser: From classes (n,) or None, and guidance, to a function of (x_t, t).
    """

    schedule: Schedule
    predicts: str
    shape: tuple[int, ...]
    denoiser: Callable[[ArrayLike | None, float], Denoiser]


def network(name: str) -> "unet.Denoiser":
    """Return one of our networks, the same object to everybody.

    Raises:
        ValueError: If the name is not one of `NETWORKS`.
    """
    one_of("name", name, NETWORKS)
    with _lock:
        if name not in _kept:
            threads.bound()
            from models.unet import Denoiser

            _kept[name] = Denoiser.load(FOLDER / f"{name}.safetensors")
        return _kept[name]


@lru_cache(maxsize=len(NETWORKS))
def reader(name: str) -> "Reader":
    """Return the network that judges the pictures of one of ours.

    Raises:
        ValueError: If the name is not one of `NETWORKS`.
    """
    one_of("name", name, NETWORKS)
    threads.bound()
    from models.reader import load

    return load(FOLDER / f"reader_{name}.safetensors")[0]


def schedule_of(name: str) -> Schedule:
    """Return the schedule our networks were trained with, without reading them."""
    one_of("name", name, NETWORKS)
    return ddpm.su(1000, 0.02)


def engine(name: str) -> Engine:
    """Return one of our networks as an engine.

    Raises:
        ValueError: If the name is not one of `NETWORKS`.
    """
    trained = network(name)

    def denoiser(classes: ArrayLike | None, guidance: float) -> Denoiser:
        def predict(x: Array, t: int) -> Array:
            return trained(x, t, classes, guidance)

        return predict

    return Engine(schedule_of(name), "eps", (32, 32), denoiser)


def hub_engine(name: str) -> Engine:
    """Return a diffusers pipeline by its Hub id, owner/name, as an engine; it takes no classes.

    Raises:
        HubError: It cannot be had or read; see `models.hub` and `models.hub_unet`.
    """
    threads.bound()
    from models.hub_unet import MAX_BYTES, PATTERNS, load_pipeline

    trained = load_pipeline(resolve(name, patterns=PATTERNS, most_bytes=MAX_BYTES))

    def denoiser(classes: ArrayLike | None, guidance: float) -> Denoiser:
        return trained

    return Engine(trained.schedule, trained.predicts, trained.shape, denoiser)
