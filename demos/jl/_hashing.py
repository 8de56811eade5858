"""Panel: agreement of sign hashes against 1 - 2 theta/pi and cos theta."""

import math

import numpy as np
from numpy.typing import NDArray

from demos.controls import Choice, Control, Integer
from demos.figures import axis, dots, figure, line
from demos.jl._common import SEED
from demos.panel import Panel, Preset
from demos.view import View, at_most, equal, near
from demos.words import W
from models import jl, jl_bounds


def hashing_controls() -> dict[str, Control]:
    """Return the controls of ``hashing``."""
    return {
        "points": Choice(default="fan", options=("fan", *jl.REAL_POINTS), radio=True),
        "n_bits": Integer(default=256, low=1, high=8192, log=True),
        "n_features": Integer(default=100, low=2, high=2000, log=True),
        "seed": SEED,
    }


def hashing(points: str, n_bits: int, n_features: int, seed: int) -> View:
    """Compare the agreement of sign hashes with 1 - 2 theta/pi and with cos theta.

    Args:
        points: fan (vectors at known angles) or real pictures, centred.
        n_bits: Length of the hash: rows of the Gaussian A.
        n_features: Dimension of the fan.
        seed: Seed of the vectors and of A.
    """
    rng = np.random.default_rng(seed)
    if points == "fan":
        wanted = np.radians(np.linspace(0, 180, 61))
        vectors = jl.fan(wanted, n_features, rng)
        agreement = jl.hash_agreement(jl.sign_hashes(vectors, n_bits, rng))[0, 1:]
        theta = wanted
    else:
        theta, agreement = _hashed_pictures(points, n_bits, rng)
    law = jl_bounds.sign_agreement(theta)
    spread = jl_bounds.sign_agreement_std(theta, n_bits)
    x = np.linspace(0, math.pi, 181)
    exact, wide = jl_bounds.sign_agreement(x), 2 * jl_bounds.sign_agreement_std(x, n_bits)
    degrees = np.degrees(x)
    picture = figure(
        line(degrees, exact + wide, "", "@blue/0.0", width=0, hoverinfo="skip"),
        line(
            degrees,
            exact - wide,
            W("jl.two_sigma"),
            "@blue/0.0",
            width=0,
            fill="tonexty",
            fillcolor="@blue/0.18",
            hoverinfo="skip",
        ),
        line(degrees, exact, "1 − 2θ/π", "@blue", width=3),
        line(degrees, np.cos(x), "cos θ", "@orange", dash="dash"),
        dots(np.degrees(theta), agreement, W("jl.measured"), "@red", size=5),
        x=axis(W("jl.axis_theta"), range=[0, 180], dtick=30),
        y=axis(W("jl.axis_agreement"), range=[-1.1, 1.1]),
        height=440,
    )
    # 61 angles or 500 pairs at once: five standard deviations, plus one bit of rounding
    excess = np.abs(agreement - law) - 5 * spread
    return View(
        picture,
        W("jl.hashing_caption", bits=n_bits, count=theta.size),
        [
            at_most(
                W("jl.reading_hash", count=theta.size),
                float(excess.max()),
                0.0,
                1 / n_bits,
                W("jl.note_hash"),
            ),
            near(
                W("jl.reading_hash_mean"),
                float(np.mean(agreement - law)),
                0.0,
                5 * float(spread.mean()) + 1e-6,
                W("jl.note_sampling"),
            ),
            at_most(
                W("jl.reading_hash_cosine"),
                float(np.abs(agreement - law).mean()),
                float(np.abs(agreement - np.cos(theta)).mean()),
                note=W("jl.note_hash_cosine"),
            ),
            equal(
                W("jl.reading_sixty"), float(jl_bounds.sign_agreement(math.pi / 3)), 1 / 3, 1e-15
            ),
        ],
        {"angle": np.degrees(theta), "agreement": agreement, "law": law, "cosine": np.cos(theta)},
        unused=frozenset() if points == "fan" else frozenset({"n_features"}),
    )


def _hashed_pictures(
    points: str, n_bits: int, rng: np.random.Generator
) -> tuple[NDArray[np.float64], NDArray[np.float32]]:
    """Return angle and hash agreement of 500 pairs of centred real pictures."""
    real = jl.load_points(points).points
    chosen = real[rng.permutation(len(real))[:64]].astype(np.float64)
    chosen -= real.mean(axis=0)
    agreement = jl.hash_agreement(jl.sign_hashes(chosen, n_bits, rng))
    unit = chosen / np.linalg.norm(chosen, axis=1, keepdims=True)
    rows, columns = np.triu_indices(len(chosen), 1)
    some = rng.permutation(rows.size)[:500]
    rows, columns = rows[some], columns[some]
    cosine = np.clip(np.vecdot(unit[rows], unit[columns]), -1, 1)
    return np.arccos(cosine), agreement[rows, columns]


PANEL = Panel(
    hashing,
    hashing_controls,
    (
        Preset("short", {"n_bits": 16}),
        Preset("long", {"n_bits": 8192}),
        Preset("pictures", {"points": "fashion", "n_bits": 1024}),
    ),
)
