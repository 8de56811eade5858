"""The tabs, in reading order: the only list of methods in the project."""

from demos import ddpm, hippo, jl, ner, powers, rope, sgd, similarity
from demos.panel import Demo

DEMOS: tuple[Demo, ...] = (
    rope.DEMO,
    ner.DEMO,
    similarity.DEMO,
    ddpm.DEMO,
    hippo.DEMO,
    jl.DEMO,
    sgd.DEMO,
    powers.DEMO,
)
