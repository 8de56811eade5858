"""Tab: SGD, every bound of the posts beside the quantity it bounds, and the proof step by step."""

from demos.panel import Demo
from demos.sgd._against_bound import PANEL as _AGAINST_BOUND
from demos.sgd._against_bound import against_bound
from demos.sgd._bounds import PANEL as _BOUNDS
from demos.sgd._bounds import bounds
from demos.sgd._break_it import PANEL as _BREAK_IT
from demos.sgd._break_it import break_it
from demos.sgd._designer import PANEL as _DESIGNER
from demos.sgd._designer import designer
from demos.sgd._path import PANEL as _PATH
from demos.sgd._path import path
from demos.sgd._proof import PANEL as _PROOF
from demos.sgd._proof import proof
from models import sgd, sgd_bounds, sgd_schedules

PANELS = (_AGAINST_BOUND, _BOUNDS, _PROOF, _PATH, _DESIGNER, _BREAK_IT)

DEMO = Demo(
    key="sgd",
    panels=PANELS,
    methods=(sgd, sgd_schedules, sgd_bounds),
    sources={
        "average": "https://kexue.fm/archives/9902",
        "unbounded": "https://kexue.fm/archives/11469",
        "last": "https://kexue.fm/archives/11480",
        "identity": "https://kexue.fm/archives/11494",
        "gradients": "https://kexue.fm/archives/11530",
        "top_down": "https://kexue.fm/archives/11540",
        "paper": "https://arxiv.org/abs/2310.07831",
    },
)

__all__ = ["DEMO", "against_bound", "bounds", "proof", "path", "designer", "break_it"]
