"""Panel: pictures taken back to their noise and restored; ways from one noise to another."""

from collections.abc import Iterator
from dataclasses import replace
from functools import lru_cache

import numpy as np

from demos.controls import Choice, Control, Integer, refuse_cost
from demos.ddpm._common import SEED
from demos.ddpm._denoising import MOST_PASSES
from demos.ddpm._latents_trip import Trip
from demos.ddpm._latents_way import Way
from demos.ddpm._latents_wish import Wish
from demos.ddpm._pictures import DRAWN, KINDS, N_EXAMPLES, SOURCES, UPLOAD, Brought, bring
from demos.panel import Panel, Preset
from demos.view import View
from demos.words import W
from models.checkpoints import CLASSES, NETWORKS, engine
from models.ddpm_latents import PATHS


def latents_controls() -> dict[str, Control]:
    """Return the controls of ``latents``."""
    return {
        "task": Choice(default="encode", options=("encode", "interpolate"), radio=True),
        "what": Choice(default="character", options=SOURCES),
        "model": Choice(default="hanzi", options=NETWORKS, radio=True),
        "upload": UPLOAD,
        "drawn": DRAWN,
        "n_pictures": Integer(default=6, low=1, high=N_EXAMPLES),
        "classes": Choice(default="given", options=("given", "open"), radio=True),
        "n_visits": Integer(default=20, low=2, high=200, log=True),
        "n_refinements": Integer(default=0, low=0, high=3),
        "veil": Integer(default=0, low=0, high=50),
        "path": Choice(default="arc", options=PATHS, radio=True),
        "n_between": Integer(default=9, low=3, high=17),
        "seed": SEED,
        "other": replace(SEED, default=100),
    }


def latents(
    task: str,
    what: str,
    model: str,
    upload: str | None,
    drawn: str,
    n_pictures: int,
    classes: str,
    n_visits: int,
    n_refinements: int,
    veil: int,
    path: str,
    n_between: int,
    seed: int,
    other: int,
) -> Iterator[View]:
    """Encode pictures into noise by DDIM backwards and restore them, or go from noise to noise.

    Args:
        task: encode or interpolate.
        what: Pictures encoded: real characters or digits no network was trained on, an uploaded
            or a drawn picture.
        model: Network, hanzi or digits; real pictures go to their own.
        upload: Path of a picture: PNG, JPEG, WebP, BMP or GIF.
        drawn: Strokes in pixels, "x y x y;x y x y".
        n_pictures: Real pictures encoded, or pairs of noises.
        classes: given (typeface or digit is told to the network) or open.
        n_visits: S, steps there and as many back.
        n_refinements: Corrections of each step of encoding.
        veil: Steps of noise put on the pictures before they are encoded.
        path: From noise to noise: arc, slerp or line.
        n_between: Pictures on the way, both ends included.
        seed: Seed of the first noises.
        other: Seed of the second ones.
    """
    wish = Wish(
        task,
        what,
        model,
        n_pictures if task == "interpolate" or what in KINDS else 1,
        classes,
        n_visits,
        n_refinements,
        veil,
        path,
        n_between,
        seed,
        other,
    )
    named = W("ddpm.latents_n_visits"), wish.passes, MOST_PASSES
    refuse_cost(*named, W("ddpm.unit_passes"), W("ddpm.latents_advice"))
    if task == "interpolate":
        yield _quick_way(wish)
        yield from Way(wish, engine(wish.network)).views()
        return
    brought = bring(what, range(n_pictures), upload, drawn)
    notes = list(brought.notes)
    first = _quick_trip(replace(wish, n_between=0, other=0), brought.x_0.tobytes())
    yield replace(first, notes=[*notes, *first.notes])
    for view in Trip(wish, engine(wish.network), brought).views():
        yield replace(view, notes=[*notes, *view.notes]) if notes else view


@lru_cache(maxsize=32)
def _quick_way(wish: Wish) -> View:
    less = wish.quick()
    *_, last = Way(less, engine(less.network)).views()
    note = W("ddpm.note_quick_way", n=less.n_between, steps=less.n_visits)
    return replace(last, notes=[note, *last.notes], progress=0.0)


@lru_cache(maxsize=32)
def _quick_trip(wish: Wish, stored: bytes) -> View:
    less = wish.quick()
    x_0 = np.frombuffer(stored, np.float32).reshape(-1, 32, 32)[: less.n_pictures].copy()
    known = np.arange(len(x_0)) % CLASSES[wish.network] if wish.what in KINDS else None
    trip = Trip(less, engine(less.network), Brought(x_0, known))
    for _ in trip.there_and_back():
        pass
    view = trip.end()
    note = W("ddpm.note_quick_trip", n=len(x_0), steps=less.n_visits)
    return replace(view, notes=[note, *view.notes], progress=0.0)


PANEL = Panel(
    latents,
    latents_controls,
    (
        Preset("way", {"task": "interpolate"}),
        Preset(
            "line", {"task": "interpolate", "path": "line", "model": "digits", "classes": "open"}
        ),
        Preset("digits", {"what": "digit", "n_pictures": 10}),
        Preset("ten", {"n_visits": 10, "what": "digit"}),
        Preset("refined", {"n_visits": 10, "what": "digit", "n_refinements": 2}),
        Preset("veil", {"veil": 20, "n_visits": 50}),
        Preset("drawn", {"what": "drawn", "n_visits": 50}),
        Preset("same", {"task": "interpolate", "other": 0}),
    ),
)
