"""What the panels of the tab share: ranges of controls, caps, data."""

import json
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from demos.controls import Integer, Real

Floats = NDArray[np.float64]

DRAWN = 96  # rows and columns of a drawn matrix; longer texts are sampled
COUNTED = 400  # up to this length every cell is counted one by one
BLUES = ("#e8f1fb", "#08519c")
ORANGES = ("#fdb462", "#8c2d04")
LENGTH: dict[str, Any] = {"low": 1, "high": 65_536, "log": True}

SEED = Integer(default=0, low=0, high=999_999_999, typed=True, advanced=True)
WINDOW = Real(default=4, low=0, high=65_536, log=True)
FACTOR = Real(default=3, low=1 / 1024, high=1_000_000, log=True, infinite=True)
HEAD_DIM = Integer(default=128, low=2, high=256, step=2)
BASE = Real(default=10_000, low=1.5, high=1e9, log=True)

REPORTED = Path(__file__).resolve().parents[2] / "assets" / "rope_reported.json"
TABLES = {
    "main": "c1",
    "windows": "c2",
    "leaky": "c3",
    "llama": "c4",
    "log_n": "c5",
    "chunk": "c6",
    "minimal_base": "b_star",
}


@cache
def reported_tables() -> dict[str, dict[str, Any]]:
    """Return the reported tables by the name of the control's option."""
    by_id = {table["id"]: table for table in json.loads(REPORTED.read_text(encoding="utf-8"))}
    return {name: by_id[key] for name, key in TABLES.items()}
