"""The tabs, in reading order: the only list of methods in the project."""

from demos import hippo, jl, powers, rope, sgd
from demos.panel import Demo

DEMOS: tuple[Demo, ...] = (rope.DEMO, hippo.DEMO, jl.DEMO, sgd.DEMO, powers.DEMO)
