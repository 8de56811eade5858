"""What the panels of the DDPM tab share: schedules, letters, samplers, their controls."""

from typing import Any

from numpy.typing import ArrayLike, NDArray

from demos.controls import Choice, InputError, Integer, Real
from demos.figures import axis
from demos.words import W
from models import checkpoints, ddpm, ddpm_samplers
from models.ddpm_samplers import RULES, SPACINGS, Rule

SEED = Integer(default=0, low=0, high=999_999_999, typed=True)
DIALECT = Choice(default="su", options=ddpm.DIALECTS, radio=True)
SPACING = Choice(default="trailing", options=SPACINGS)
RULE = Choice(default="ddim", options=tuple(RULES))
ETA = Real(default=0, low=0, high=2, step=0.05)


def make_rule(schedule: ddpm.Schedule, times: ArrayLike, rule: str, eta: float) -> Rule:
    """Return the sampler asked for.

    Raises:
        InputError: eta is above its limit for these times, which is named.
    """
    if rule != "ddim":
        return RULES[rule]
    limit = ddpm_samplers.eta_limit(schedule, times)
    if eta > limit * (1 + 1e-12):
        raise InputError(W("ddpm.error_eta", given=eta, limit=limit))
    return Rule(eta=eta)


def hub_engine(name: str) -> checkpoints.Engine:
    """Return a diffusers pipeline of the Hub.

    Raises:
        InputError: It cannot be used; the sentence says why.
    """
    raise InputError(W("ddpm.error_hub", name=name))


def tile_axes(page: NDArray[Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return axes for a picture whose pixels are square, without ticks."""
    height, width = page.shape[:2]
    bare = {"showgrid": False, "zeroline": False, "showticklabels": False, "ticks": ""}
    return (
        axis("", range=[-0.5, width - 0.5], constrain="domain", **bare),
        axis("", range=[height - 0.5, -0.5], scaleanchor="x", constrain="domain", **bare),
    )
