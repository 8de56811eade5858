"""The chain as a VAE, for data on a line: what each noise level still knows, what each step costs.

Both joint distributions are chains, so their KL is a sum over the steps back, with the exact
denoiser and a chosen sigma_t:
    E KL(p(x_{t-1} | x_t) || q(x_{t-1} | x_t)) = -E ln q(x_{t-1} | x_t) - H(x_{t-1} | x_t),
    H(x_{t-1} | x_t) = H(x_{t-1}) + H(x_t | x_{t-1}) - H(x_t),
    H(x_t | x_{t-1}) = ln(2 pi e b_t^2)/2.
The paper's terms compare with p(x_{t-1} | x_t, x_0) instead; each is larger by
I(x_0; x_{t-1} | x_t), in sum over t >= 2 by I(x_0; x_1) - I(x_0; x_T). No network can save those.

Points m_k of equal weight: x_t/B_t = sqrt(SNR) m_k + eps, so that error and entropy depend on the
signal-to-noise ratio alone and all times are done at once; trapezoid rule.
N(0, s^2): V_t = A_t^2 s^2 + B_t^2, error s^2 B_t^2/V_t, entropy ln(2 pi e V_t)/2.

Shapes: errors, sigmas, steps (T,), entry t - 1 for t; entropies (T + 1,). Units: nats; those of the
data. Letters as in `models.ddpm`.
Source: Su Jianlin, 2022, kexue.fm/archives/9152 (joint KL, sigma). Ho et al. 2020, arXiv
2006.11239, eq. 5. Best sigma for any data: derived here; Bao et al. 2022, arXiv 2201.06503.
"""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from models.checks import number
from models.ddpm import (
    Floats,
    Schedule,
    as_floats,
    end_information,
    level_variance,
    reverse_costs,
    transition,
)
from models.ddpm_exact import ChainKL

MAX_POINTS = 8
NODES = np.linspace(-9, 9, 109)  # of a standard normal: errors of the rule below 1e-9
BLOCK = 250  # times done together: a few MB


@dataclass(frozen=True, eq=False)
class Levels:
    """What each noise level knows of data with mean 0.

    Attributes:
        errors: E ||x_0 - E[x_0 | x_t]||^2 of t = 1..T, (T,).
        entropies: Differential entropy of x_t, t = 0..T, nats, (T + 1,); -inf for points at t = 0.
        mean_square: E x_0^2.
    """

    errors: Floats
    entropies: Floats
    mean_square: float


def gaussian_levels(schedule: Schedule, data_std: float) -> Levels:
    """Return the levels of N(0, data_std^2) data.

    Raises:
        ValueError: If data_std is negative or not finite.
    """
    s = number("data_std", data_std, 0, 1e100)
    V = level_variance(schedule, s)
    with np.errstate(divide="ignore"):
        entropies = np.log(2 * math.pi * math.e * V) / 2
    return Levels(s**2 * schedule.B[1:] ** 2 / V[1:], entropies, s**2)


def point_levels(schedule: Schedule, points: ArrayLike) -> Levels:
    """Return the levels of a few points on a line, each as likely as the others.

    Args:
        schedule: Any.
        points: Different numbers, their mean is taken off, (K,), K in 1..8.

    Raises:
        ValueError: If there are none, too many, or a point is not finite.
    """
    m = np.asarray(as_floats("points", points), np.float64)
    if m.ndim != 1 or not 1 <= m.size <= MAX_POINTS:
        raise ValueError(f"points must be 1..{MAX_POINTS} numbers, got shape {m.shape}")
    m = m - m.mean()
    ratio = np.exp(schedule.log_snr[1:] / 2)
    parts = [_quadrature(m, ratio[i : i + BLOCK]) for i in range(0, ratio.size, BLOCK)]
    errors, entropies = (np.concatenate(column) for column in zip(*parts, strict=True))
    levels = np.concatenate([[-math.inf], entropies + np.log(schedule.B[1:])])
    return Levels(errors, levels, float(np.mean(m**2)))


def _quadrature(m: Floats, ratio: Floats) -> tuple[Floats, Floats]:
    """Return mean conditional variance of x_0 and entropy of ratio m + eps, (n,) each."""
    gaps = ratio[:, None, None] * (m[:, None] - m)  # (n, from, to)
    logits = (gaps[:, :, None, :] + NODES[:, None]) ** 2 / -2  # (n, from, node, to)
    top = logits.max(axis=-1, keepdims=True)
    share = np.exp(logits - top)
    total = share.sum(axis=-1, keepdims=True)
    share /= total
    mean = share @ m
    variance = (share * (m - mean[..., None]) ** 2).sum(axis=-1)
    log_density = (top + np.log(total))[..., 0] - math.log(m.size) - math.log(2 * math.pi) / 2
    bell = np.exp(-(NODES**2) / 2)
    bell /= bell.sum() * m.size
    return (variance @ bell).sum(axis=1), -(log_density @ bell).sum(axis=1)


def best_sigmas(schedule: Schedule, errors: ArrayLike) -> Floats:
    """Return the sigma_t that makes every step's KL least, (T,): the root of what mu leaves open.

    sigma_t^2 = beta_tilde_t^2 + c_0^2 error_t, from beta_tilde (x_0 known) upwards.

    Args:
        schedule: Any.
        errors: E ||x_0 - x0_hat(x_t)||^2 of one coordinate, (T,).

    Raises:
        ValueError: If errors are not T numbers of at least 0.
    """
    error = np.asarray(as_floats("errors", errors), np.float64)
    if error.shape != (schedule.n_steps,) or (error < 0).any():
        raise ValueError(f"errors must be {schedule.n_steps} numbers of at least 0")
    step = transition(schedule, np.arange(1, schedule.n_steps + 1))
    return np.sqrt(step.beta_tilde**2 + step.c_0**2 * error)


def chain(schedule: Schedule, sigmas: ArrayLike, levels: Levels) -> ChainKL:
    """Return the joint KL step by step, as `models.ddpm_exact.gaussian_chain`, for any levels.

    Differences of entropies: right to about 1e-14 nats. The step to x_0 is infinite for points,
    which have no density.

    Raises:
        ValueError: If sigmas are not T numbers of at least 0.
    """
    H = levels.entropies
    added = np.log(2 * math.pi * math.e * schedule.betas) / 2
    costs = reverse_costs(schedule, sigmas, levels.errors)
    with np.errstate(invalid="ignore"):
        steps = np.maximum(costs - (H[:-1] + added - H[1:]), 0)
    square = schedule.alpha_bar[-1] * levels.mean_square + schedule.B[-1] ** 2
    end = (math.log(2 * math.pi) + float(square)) / 2 - float(H[-1])
    return ChainKL(max(end, 0.0), steps)


def information(schedule: Schedule, levels: Levels) -> Floats:
    """Return I(x_0; x_t) of t = 1..T in nats, (T,): what x_t still tells of x_0."""
    noise = np.log(2 * math.pi * math.e * schedule.B[1:] ** 2) / 2
    return np.asarray(levels.entropies[1:] - noise)


def given_data_total(schedule: Schedule, terms: ArrayLike, levels: Levels) -> float:
    """Return the KL of (x_1 .. x_T) from the paper's terms: their sum less I(x_0; x_1).

    Args:
        schedule: Any.
        terms: `models.ddpm.Bound.steps`, of which t >= 2 count, nats, (T,).
        levels: Of the same data.
    """
    end = end_information(schedule, levels.mean_square)
    known = float(information(schedule, levels)[0])
    return end + float(np.sum(np.asarray(terms)[1:])) - known


def gaussian_marginal(schedule: Schedule, sigmas: ArrayLike, data_std: float) -> float:
    """Return the variance of q(x_0) for N(0, data_std^2) data and its exact denoiser.

    A step back multiplies x by a_t V_{t-1}/V_t and adds sigma_t^2, so that from t - 1 on the factor
    is A_{t-1} s^2/V_{t-1}.

    Raises:
        ValueError: If sigmas are not T numbers of at least 0 or data_std is negative.
    """
    s = number("data_std", data_std, 0, 1e100)
    sigma = np.asarray(as_floats("sigmas", sigmas), np.float64)
    if sigma.shape != (schedule.n_steps,) or (sigma < 0).any():
        raise ValueError(f"sigmas must be {schedule.n_steps} numbers of at least 0")
    factor = schedule.A[1:] * s**2 / level_variance(schedule, s)[1:]
    before = np.concatenate([[1.0], factor[:-1]])
    return float(((before * sigma) ** 2).sum() + factor[-1] ** 2)


def variance_kl(variance: float, model: float) -> float:
    """Return KL(N(0, variance) || N(0, model)) in nats; infinite if only one of them is 0."""
    if variance == model:
        return 0.0
    if min(variance, model) <= 0:
        return math.inf
    ratio = variance / model
    return (ratio - 1 - math.log(ratio)) / 2
