"""What the panels of the tab share: ranges of controls, caps, data."""

from demos import controls
from demos.controls import Integer, Real
from demos.words import W

SEED = Integer(default=0, low=0, high=999_999_999, typed=True, advanced=True)
EPS = Real(default=0.2, low=0.01, high=0.99)
MOST_DRAWN = 4_000_000  # normals of a live Monte Carlo, about 40 ms
QUICK = 4e8  # multiplications of a projection shown without pressing Run
MOST_WORK = 2.5e10  # multiplications of one projection
MOST_CELLS = 24_000_000  # cells of the points


def refuse_cost(field: str, given: float, limit: float, unit: str, advice: str) -> None:
    """Refuse work beyond a limit; unit and advice are named as in the tab's words."""
    named = W(f"jl.unit_{unit}"), W(f"jl.advice_{advice}")
    controls.refuse_cost(W(field), given, limit, *named)
