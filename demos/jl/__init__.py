"""Tab: the Johnson-Lindenstrauss lemma, bound first, then the measured distortion."""

from demos.jl._dimensions import PANEL as _DIMENSIONS
from demos.jl._dimensions import dimensions
from demos.jl._entropy import PANEL as _ENTROPY
from demos.jl._entropy import entropy
from demos.jl._hashing import PANEL as _HASHING
from demos.jl._hashing import hashing
from demos.jl._lemma import PANEL as _LEMMA
from demos.jl._lemma import lemma
from demos.jl._orthogonality import PANEL as _ORTHOGONALITY
from demos.jl._orthogonality import orthogonality
from demos.jl._projection import PANEL as _PROJECTION
from demos.jl._projection import projection
from demos.panel import Demo
from models import jl, jl_bounds

PANELS = (_LEMMA, _PROJECTION, _DIMENSIONS, _ORTHOGONALITY, _HASHING, _ENTROPY)

DEMO = Demo(
    key="jl",
    panels=PANELS,
    methods=(jl, jl_bounds),
    sources={
        "theory": "https://kexue.fm/archives/8679",
        "application": "https://kexue.fm/archives/8706",
        "rule": "https://kexue.fm/archives/8711",
        "entropy": "https://kexue.fm/archives/7695",
        "angles": "https://kexue.fm/archives/7076",
        "optimal": "https://arxiv.org/abs/1609.02094",
    },
)

__all__ = ["DEMO", "lemma", "projection", "dimensions", "orthogonality", "hashing", "entropy"]
