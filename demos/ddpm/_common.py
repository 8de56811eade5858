"""What the panels of the DDPM tab share: schedules, letters, samplers, their controls."""

import math
from typing import Any

from numpy.typing import ArrayLike, NDArray

from demos.controls import Choice, InputError, Integer, Real, hub_problem
from demos.figures import axis
from demos.words import W, Word
from models import checkpoints, ddpm, ddpm_samplers
from models.ddpm_samplers import RULES, SPACINGS, Rule
from models.hub import HubError

SEED = Integer(default=0, low=0, high=999_999_999, typed=True)
DIALECT = Choice(default="su", options=ddpm.DIALECTS, radio=True)
SPACING = Choice(default="trailing", options=SPACINGS)
RULE = Choice(default="ddim", options=tuple(RULES))
ETA = Real(default=0, low=0, high=2, step=0.05)

# what each quantity is called: variances and squares in the paper, else standard deviations
LETTERS = {
    "su": {
        "signal": "ᾱₜ",
        "level": "β̄ₜ",
        "step": "βₜ",
        "tilde": "β̃ₜ",
        "sigma_step": "σₜ = βₜ",
        "sigma_tilde": "σₜ = β̃ₜ",
        "snr": "ln(ᾱₜ²/β̄ₜ²)",
        "weight": "βₜ⁴/(β̄ₜ²αₜ²σₜ²)",
        "end": "ᾱ_T",
        "log_end": "ln ᾱ_T ≤ −½ Σ βₜ²",
        "law_step": "αₜ²β̄ₜ₋₁² + βₜ² = β̄ₜ²",
        "law_signal": "c_x ᾱₜ + c₀ = ᾱₜ₋₁",
        "law_noise": "c_x² β̄ₜ² + β̃ₜ² = β̄ₜ₋₁²",
        "law_bound": "β̃ₜ² / βₜ² ≤ 1",
        "c_x": "c_x = αₜβ̄ₜ₋₁²/β̄ₜ²",
        "c_0": "c₀ = ᾱₜ₋₁βₜ²/β̄ₜ²",
        "variance": "β̃ₜ² = β̄ₜ₋₁²βₜ²/β̄ₜ²",
        "posterior": "p(xₜ₋₁|xₜ,x₀)",
        "prior": "p(xₜ₋₁|x₀)",
        "likelihood": "p(xₜ|xₜ₋₁)",
        "ratio": "σₜ/βₜ",
        "joint": "KL(p(x₀…x_T)‖q(x₀…x_T))",
        "step_kl": "p(xₜ₋₁|xₜ) ‖ q(xₜ₋₁|xₜ)",
        "given_kl": "p(xₜ₋₁|xₜ,x₀) ‖ q(xₜ₋₁|xₜ)",
        "data_kl": "KL(p(x₀)‖q(x₀))",
        "two": "‖εₜ − f‖²",
        "one": "(βₜ²/β̄ₜ²)‖ε − ε̂‖² + αₜ²β̄ₜ₋₁²/β̄ₜ²",
    },
    "paper": {
        "signal": "√ᾱₜ",
        "level": "√(1−ᾱₜ)",
        "step": "βₜ",
        "tilde": "β̃ₜ",
        "sigma_step": "σₜ² = βₜ",
        "sigma_tilde": "σₜ² = β̃ₜ",
        "snr": "ln(ᾱₜ/(1−ᾱₜ))",
        "weight": "βₜ²/(2σₜ²αₜ(1−ᾱₜ))",
        "end": "√ᾱ_T",
        "log_end": "ln √ᾱ_T ≤ −½ Σ βₜ",
        "law_step": "αₜ(1−ᾱₜ₋₁) + βₜ = 1−ᾱₜ",
        "law_signal": "c_x √ᾱₜ + c₀ = √ᾱₜ₋₁",
        "law_noise": "c_x² (1−ᾱₜ) + β̃ₜ = 1−ᾱₜ₋₁",
        "law_bound": "β̃ₜ / βₜ ≤ 1",
        "c_x": "c_x = √αₜ(1−ᾱₜ₋₁)/(1−ᾱₜ)",
        "c_0": "c₀ = √ᾱₜ₋₁βₜ/(1−ᾱₜ)",
        "variance": "β̃ₜ = (1−ᾱₜ₋₁)βₜ/(1−ᾱₜ)",
        "posterior": "q(xₜ₋₁|xₜ,x₀)",
        "prior": "q(xₜ₋₁|x₀)",
        "likelihood": "q(xₜ|xₜ₋₁)",
        "ratio": "σₜ²/βₜ",
        "joint": "KL(q(x₀…x_T)‖p(x₀…x_T))",
        "step_kl": "q(xₜ₋₁|xₜ) ‖ p(xₜ₋₁|xₜ)",
        "given_kl": "q(xₜ₋₁|xₜ,x₀) ‖ p(xₜ₋₁|xₜ)",
        "data_kl": "KL(q(x₀)‖p(x₀))",
        "two": "‖εₜ − f‖²",
        "one": "(βₜ/(1−ᾱₜ))‖ε − ε̂‖² + αₜ(1−ᾱₜ₋₁)/(1−ᾱₜ)",
    },
}


def log_axis(title: Word, low: float, high: float, **more: Any) -> dict[str, Any]:
    """Return a logarithmic axis for low..high: ticks 1, 2, 5 if that is less than two decades."""
    if high > 100 * low:
        return axis(title, log=True, **more)
    powers = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
    ticks = [digit * 10.0**power for power in powers for digit in (1, 2, 5)]
    texts = [f"{tick:g}" for tick in ticks]
    return axis(title, log=True, tickmode="array", tickvals=ticks, ticktext=texts, **more)


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
    try:
        return checkpoints.hub_engine(name)
    except HubError as error:
        raise hub_problem(W("ddpm.denoising_hub"), error) from None


def tile_axes(page: NDArray[Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return axes for a picture whose pixels are square, without ticks."""
    height, width = page.shape[:2]
    hidden = ("showgrid", "zeroline", "showline", "showticklabels")
    bare: dict[str, Any] = {"ticks": "", **dict.fromkeys(hidden, False)}
    return (
        axis("", range=[-0.5, width - 0.5], constrain="domain", **bare),
        axis("", range=[height - 0.5, -0.5], scaleanchor="x", constrain="domain", **bare),
    )
