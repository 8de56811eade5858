"""The tabs, in reading order: the only list of methods in the project."""

from demos.panel import Demo

DEMOS: tuple[Demo, ...] = ()
