"""Tab: relative positions of RoPE, ReRoPE, Leaky ReRoPE and its inverse, and of their peers."""

from demos.panel import Demo
from demos.rope._attention import PANEL as _ATTENTION
from demos.rope._attention import attention
from demos.rope._coverage import PANEL as _COVERAGE
from demos.rope._coverage import coverage
from demos.rope._decay import PANEL as _DECAY
from demos.rope._decay import decay
from demos.rope._frequencies import PANEL as _FREQUENCIES
from demos.rope._frequencies import frequencies
from demos.rope._matrix import PANEL as _MATRIX
from demos.rope._matrix import matrix
from demos.rope._reported import PANEL as _REPORTED
from demos.rope._reported import reported
from demos.rope._rotation import PANEL as _ROTATION
from demos.rope._rotation import rotation
from models import rope, rope_frequencies

PANELS = (_MATRIX, _COVERAGE, _FREQUENCIES, _ROTATION, _DECAY, _ATTENTION, _REPORTED)

DEMO = Demo(
    key="rope",
    panels=PANELS,
    methods=(rope, rope_frequencies),
    sources={
        "inverse": "https://kexue.fm/archives/9728",
        "rerope": "https://kexue.fm/archives/9708",
        "rope": "https://kexue.fm/archives/8265",
        "ntk": "https://kexue.fm/archives/9706",
        "review": "https://kexue.fm/archives/9948",
        "base": "https://kexue.fm/archives/10122",
        "paper": "https://arxiv.org/abs/2104.09864",
    },
)

__all__ = [
    "DEMO",
    "matrix",
    "coverage",
    "frequencies",
    "rotation",
    "decay",
    "attention",
    "reported",
]
