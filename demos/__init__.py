"""The tabs, in reading order: the only list of methods in the project."""

from demos import powers
from demos.panel import Demo

DEMOS: tuple[Demo, ...] = (powers.DEMO,)
