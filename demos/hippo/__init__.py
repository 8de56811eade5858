"""Tab: HiPPO, a signal's past kept in N numbers, checked against the best possible projection."""

from demos.hippo._cost import PANEL as _COST
from demos.hippo._cost import cost
from demos.hippo._discretisations import PANEL as _DISCRETISATIONS
from demos.hippo._discretisations import discretisations
from demos.hippo._forgetting import PANEL as _FORGETTING
from demos.hippo._forgetting import forgetting
from demos.hippo._matrices import PANEL as _MATRICES
from demos.hippo._matrices import matrices
from demos.hippo._numbers import PANEL as _NUMBERS
from demos.hippo._numbers import numbers
from demos.hippo._remember import PANEL as _REMEMBER
from demos.hippo._remember import remember
from demos.panel import Demo
from models import formula, hippo, hippo_steps, signals

PANELS = (_REMEMBER, _MATRICES, _DISCRETISATIONS, _FORGETTING, _NUMBERS, _COST)

DEMO = Demo(
    key="hippo",
    panels=PANELS,
    methods=(hippo, hippo_steps, signals, formula),
    sources={
        "hippo": "https://kexue.fm/archives/10114",
        "rest": "https://kexue.fm/archives/10137",
        "s4": "https://kexue.fm/archives/10162",
        "paper": "https://arxiv.org/abs/2008.07669",
        "train": "https://arxiv.org/abs/2206.12037",
    },
)

__all__ = ["DEMO", "remember", "matrices", "discretisations", "forgetting", "numbers", "cost"]
