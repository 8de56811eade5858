"""Panel: DDPM as a VAE of T steps: joint KL step by step, sigma, two estimators of the loss."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from demos.controls import Choice, Control, Integer, Real
from demos.ddpm._common import DIALECT, LETTERS, SEED, log_axis
from demos.figures import Figure, Trace, axis, figure, horizontal, line, vertical
from demos.panel import Panel, Preset, Values
from demos.view import Reading, View, at_least, at_most, equal, near, shown
from demos.words import W, Word
from models import ddpm, ddpm_exact, ddpm_vae

Floats = NDArray[np.float64]

POINTS = {"two_points": (-1.0, 1.0), "three_points": (-1.0, 0.0, 1.0)}
SCHEDULES = ("su", "linear", "cosine")
SIGMAS = ("b", "beta_tilde", "optimal", "between")
MOST_STEPS = 1000
ROUNDING = 1e-9  # sums of a thousand terms of size 10
FLOOR = 1e-13  # nats: below it a step's KL is rounding of entropies
BINS = 40
SQUARED = math.sqrt(14 / 4)  # relative error of a spread of squared normals, times root n
BIT = math.log(2)


def vae_controls() -> dict[str, Control]:
    """Return the controls of ``vae``."""
    return {
        "data": Choice(default="normal", options=("normal", *POINTS), radio=True),
        "data_std": Real(default=0.5, low=0, high=3, step=0.05),
        "schedule": Choice(default="su", options=SCHEDULES),
        "n_steps": Integer(default=1000, low=2, high=MOST_STEPS, log=True),
        "sigma": Choice(default="b", options=SIGMAS),
        "share": Real(default=0.5, low=0, high=1),
        "t": Integer(default=1000, low=1, high=MOST_STEPS, log=True),
        "network": Choice(default="untrained", options=("untrained", "optimal"), radio=True),
        "n_draws": Integer(default=2000, low=100, high=20_000, log=True),
        "seed": SEED,
        "dialect": DIALECT,
    }


def vae(
    data: str,
    data_std: float,
    schedule: str,
    n_steps: int,
    sigma: str,
    share: float,
    t: int,
    network: str,
    n_draws: int,
    seed: int,
    dialect: str,
) -> View:
    """Show what each step back costs, which sigma is best, and the loss estimated in two ways.

    Args:
        data: N(0, data_std^2), or points -1 and 1, or -1, 0 and 1.
        data_std: Standard deviation of normal data.
        schedule: su, linear or cosine.
        n_steps: T.
        sigma: Noise of the steps back: b, beta_tilde, optimal for the data, or between.
        share: Of b^2 in between.
        t: The step at which the loss is estimated; T if beyond.
        network: untrained answers 0; optimal is the exact denoiser.
        n_draws: Draws of data and both noises.
        seed: Of the draws.
        dialect: Letters: su or paper.
    """
    s = data_std if data == "normal" else 0.0
    chain = _chain(data, s, schedule, n_steps, sigma, share if sigma == "between" else 0.0)
    at, name = min(t, n_steps), LETTERS[dialect]
    pair = _draws(data, s, schedule, n_steps, at, network, n_draws, seed)
    return View(
        {
            "steps": _steps_figure(chain, name),
            "sum": _sum_figure(chain, name),
            "sigmas": _sigmas_figure(chain, name, dialect),
            "coefficients": _coefficients_figure(chain, at),
            "spread": _spread_figure(pair, name, at),
            "means": _means_figure(pair, name, at),
        },
        W(
            "ddpm.vae_caption",
            data=W(f"ddpm.vae_data_{data}"),
            schedule=W(f"ddpm.schedule_{schedule}"),
            steps=n_steps,
            sigma=W(f"ddpm.vae_sigma_{sigma}"),
            bits=chain.total / BIT,
            first=chain.first,
            letters=W(f"ddpm.letters_{dialect}"),
        ),
        [*_chain_readings(chain, name), *_loss_readings(chain, pair, name, at, network)],
        _table(chain, dialect),
        notes=_notes(chain, t, at),
        unused=_unused(data, sigma),
    )


@dataclass(frozen=True, eq=False)
class _Chain:
    """A chain with its costs, all in nats.

    Attributes:
        data: Kind of data.
        data_std: Of normal data.
        schedule: Of the steps.
        levels: What each noise level knows.
        sigmas: Chosen, (T,).
        best: Best for the data, (T,).
        cost: KL of every step and of the end.
        given: The paper's terms, x_0 known, (T,).
        least: KL of the joint distributions with the best sigmas.
        first: The earliest x in the chain: 0, or 1 for points, which have no density.
        shown: Steps t that are drawn.
    """

    data: str
    data_std: float
    schedule: ddpm.Schedule
    levels: ddpm_vae.Levels
    sigmas: Floats
    best: Floats
    cost: ddpm_exact.ChainKL
    given: Floats
    least: float
    first: int
    shown: NDArray[np.int64]

    @property
    def is_clamped(self) -> bool:
        """Whether sigma_1 would be 0 and is that of t = 2 instead."""
        return self.first == 0 and bool(self.sigmas[0] == self.sigmas[1])

    @property
    def total(self) -> float:
        """KL of the joint distributions from the first x that has a density on."""
        return self.cost.end + float(self.cost.steps[self.first :].sum())


@lru_cache(maxsize=24)
def _base(data: str, s: float, kind: str, n_steps: int) -> tuple[ddpm.Schedule, ddpm_vae.Levels]:
    """Return schedule and levels; the quadrature of points takes some 40 ms."""
    made = ddpm.SCHEDULES[kind](n_steps)
    if data == "normal":
        return made, ddpm_vae.gaussian_levels(made, s)
    return made, ddpm_vae.point_levels(made, POINTS[data])


@lru_cache(maxsize=32)
def _chain(data: str, s: float, kind: str, n_steps: int, sigma: str, share: float) -> _Chain:
    made, levels = _base(data, s, kind, n_steps)
    best = ddpm_vae.best_sigmas(made, levels.errors)
    has_density = data == "normal" and s > 0
    chosen = best
    if sigma != "optimal":
        chosen = ddpm.step_sigmas(made, sigma, share=share, is_clamped=has_density)
    cost = ddpm_vae.chain(made, chosen, levels)
    if data == "normal":
        cost = ddpm_exact.gaussian_chain(made, chosen, s)
    given = ddpm.bound(made, chosen, levels.errors, levels.mean_square).steps
    spread = np.concatenate([np.geomspace(1, n_steps, 50), np.linspace(1, n_steps, 60)])
    steps = np.unique(np.rint(spread).astype(np.int64))
    first = 0 if has_density else 1
    ideal = ddpm_vae.chain(made, best, levels)
    least = ideal.end + float(ideal.steps[first:].sum())
    return _Chain(data, s, made, levels, chosen, best, cost, given, least, first, steps)


@lru_cache(maxsize=16)
def _draws(
    data: str, s: float, kind: str, n_steps: int, t: int, network: str, n_draws: int, seed: int
) -> ddpm.LossPair:
    """Return the loss at t from the same draws in both ways."""
    made, _ = _base(data, s, kind, n_steps)
    if data == "normal":
        source = ddpm_exact.gaussian(0.0, s * s)
    else:
        source = ddpm_exact.from_points(POINTS[data])
    rng = np.random.default_rng(seed)
    clean = ddpm_exact.draw(source, n_draws, rng)
    if network == "optimal":
        return ddpm.loss_pair(made, clean, t, ddpm_exact.denoiser(source, made), rng)
    return ddpm.loss_pair(made, clean, t, lambda x, _: np.zeros_like(x), rng)


def _shown_positive(values: Floats, floor: float = 0.0) -> Floats:
    return np.where((values > floor) & np.isfinite(values), values, np.nan)


def _log_time(chain: _Chain) -> dict[str, Any]:
    last = chain.schedule.n_steps
    return log_axis(W("ddpm.axis_t"), 1, last, range=[-0.05, math.log10(last) + 0.05])


def _steps_figure(chain: _Chain, name: Mapping[str, str]) -> Figure:
    rows = chain.shown - 1
    alone = _shown_positive(chain.cost.steps[rows], FLOOR) / BIT
    given = chain.given[rows].copy()
    given[0] = np.nan  # of t = 1 the paper's term is a density's logarithm
    drawn = [np.log10(v[np.isfinite(v)]) for v in (alone, _shown_positive(given, FLOOR) / BIT)]
    known = np.concatenate(drawn)
    low, high = (float(known.min()), float(known.max())) if known.size else (-6.0, 0.0)
    return figure(
        line(chain.shown, _shown_positive(given, FLOOR) / BIT, name["given_kl"], "@gray"),
        line(chain.shown, alone, name["step_kl"], "@blue", width=3),
        x=_log_time(chain),
        y=axis(
            W("ddpm.axis_bits"),
            log=True,
            dtick=max(1, round((high - low) / 5)),
            range=[low - 0.3, high + 0.3],
        ),
        title=W("ddpm.title_steps"),
        height=320,
    )


def _sum_figure(chain: _Chain, name: Mapping[str, str]) -> Figure:
    """Return the cost of x_T, then of all steps back to t, up to the joint KL."""
    first = chain.first
    back = np.cumsum(chain.cost.steps[first:][::-1])
    sums = (chain.cost.end + back) / BIT  # at t - 1 = T - 1 .. first
    reached = np.arange(chain.schedule.n_steps - 1, first - 1, -1)
    chosen = np.unique(np.rint(np.linspace(0, sums.size - 1, 110)).astype(np.int64))
    top = 1.15 * max(chain.total / BIT, 1e-12)
    return figure(
        line(reached[chosen], sums[chosen], W("ddpm.sum_so_far"), "@blue", fill="tozeroy"),
        x=axis(W("ddpm.axis_back"), range=[chain.schedule.n_steps, 0]),
        y=axis(W("ddpm.axis_bits"), range=[0, top], exponentformat="power"),
        marks=[horizontal(chain.total / BIT, name["joint"].replace("₀", "₀₁"[first]), "@ink")],
        title=W("ddpm.title_sum"),
        height=320,
    )


def _sigmas_figure(chain: _Chain, name: Mapping[str, str], dialect: str) -> Figure:
    power = 1 if dialect == "su" else 2
    rows, b = chain.shown - 1, chain.schedule.b[1:]
    tilde = ddpm.step_sigmas(chain.schedule, "beta_tilde")

    def over(values: Floats) -> Floats:
        return np.asarray((values / b)[rows] ** power)

    return figure(
        line(chain.shown, over(b), W("ddpm.sigma_b"), "@orange"),
        line(chain.shown, over(tilde), W("ddpm.sigma_tilde"), "@purple"),
        line(chain.shown, over(chain.best), W("ddpm.sigma_best"), "@green", width=3),
        line(chain.shown, over(chain.sigmas), W("ddpm.sigma_chosen"), "@ink", dash="dot"),
        x=_log_time(chain),
        y=axis(name["ratio"], rangemode="tozero"),
        title=W("ddpm.title_sigmas"),
        height=320,
    )


def _coefficients_figure(chain: _Chain, at: int) -> Figure:
    step = ddpm.transition(chain.schedule, chain.shown)
    return figure(
        line(chain.shown, step.c_x, W("ddpm.weight_of", symbol="xₜ, c_x"), "@orange"),
        line(chain.shown, step.c_0, W("ddpm.weight_of", symbol="x₀, c₀"), "@green"),
        x=_log_time(chain),
        y=axis(W("ddpm.axis_coefficient")),
        marks=[vertical(at, f"t = {at}", "@red")],
        title=W("ddpm.title_coefficients"),
        height=320,
    )


def _density(values: Floats, name: Word, color: str) -> Trace | None:
    """Return a histogram as an outline; nothing if all values are one."""
    low, top, most = float(values.min()), float(np.quantile(values, 0.995)), float(values.max())
    resolution = 1e-9 * max(1.0, abs(low))
    if most - low < resolution:
        return None
    if top - low < resolution:  # all but a few are one
        top = most
    heights, edges = np.histogram(values, BINS, (low, top))
    density = heights / (values.size * np.diff(edges))
    outline = np.where(density > 0, density, np.nan).repeat(2)
    return line(edges.repeat(2)[1:-1], outline, name, color)


def _spread_figure(pair: ddpm.LossPair, name: Mapping[str, str], at: int) -> Figure:
    named = (
        (pair.two, W("ddpm.two_noises", symbol=name["two"]), "@orange"),
        (pair.one, W("ddpm.one_noise"), "@blue"),
    )
    found = [_density(*curve) for curve in named]
    marks = [
        vertical(float(values[0]), word, color, "solid")
        for (values, word, color), trace in zip(named, found, strict=True)
        if trace is None
    ]
    ends = [float(np.quantile(v, 0.995)) for v, *_ in named]
    return figure(
        *(trace for trace in found if trace is not None),
        x=axis(W("ddpm.axis_loss"), range=[0, 1.05 * max(*ends, 1e-12)]),
        y=axis(W("ddpm.axis_density"), log=True),
        marks=[vertical(pair.means[0], W("ddpm.mark_mean"), "@ink", "dot"), *marks],
        title=W("ddpm.title_spread", t=at),
        height=320,
    )


def _means_figure(pair: ddpm.LossPair, name: Mapping[str, str], at: int) -> Figure:
    """Return the mean of the first n draws, n rising."""
    n = pair.two.size
    counts = np.unique(np.rint(np.geomspace(1, n, 120)).astype(np.int64))
    two, one = (np.cumsum(v)[counts - 1] / counts for v in (pair.two, pair.one))
    goal = float(one[-1])
    room = max(3 * pair.spreads[0] / math.sqrt(min(n, 20)), 1e-9)
    return figure(
        line(counts, two, W("ddpm.two_noises", symbol=name["two"]), "@orange"),
        line(counts, one, W("ddpm.one_noise"), "@blue", width=3),
        x=axis(W("ddpm.axis_draws"), log=True),
        y=axis(W("ddpm.axis_mean"), range=[max(0.0, goal - room), goal + room]),
        title=W("ddpm.title_means", t=at),
        height=320,
    )


def _chain_readings(chain: _Chain, name: Mapping[str, str]) -> list[Reading]:
    made, levels, first = chain.schedule, chain.levels, chain.first
    rows = []
    if first == 0:
        entropy = float(levels.entropies[0])
        joint = ddpm.joint_kl(made, chain.sigmas, levels.errors, levels.mean_square, entropy)
        marginal = ddpm_vae.variance_kl(
            levels.mean_square, ddpm_vae.gaussian_marginal(made, chain.sigmas, chain.data_std)
        )
        rows += [
            equal(W("ddpm.reading_joint"), chain.total / BIT, joint / BIT, ROUNDING),
            at_least(
                W("ddpm.reading_data", symbol=name["data_kl"]),
                chain.total / BIT,
                marginal / BIT,
                ROUNDING,
            ),
        ]
    else:
        other = ddpm_vae.given_data_total(made, chain.given, levels)
        rows.append(
            equal(
                W("ddpm.reading_given"),
                chain.total / BIT,
                other / BIT,
                ROUNDING,
                W("ddpm.note_points"),
            )
        )
    excess = float(chain.given[1:].sum() - chain.cost.steps[1:].sum())
    known = ddpm_vae.information(made, levels)
    lost = float(known[0] - known[-1])
    rows.append(equal(W("ddpm.reading_excess"), excess / BIT, lost / BIT, ROUNDING))
    limits = _limits(made.name, made.n_steps)
    return [
        *rows,
        equal(W("ddpm.reading_best_point", symbol=name["tilde"]), limits[0], 0.0, 1e-12),
        equal(W("ddpm.reading_best_normal", symbol=name["step"]), limits[1], 0.0, 1e-12),
        at_most(W("ddpm.reading_not_better"), chain.least / BIT, chain.total / BIT, ROUNDING),
        shown(W("ddpm.reading_end_kl"), chain.cost.end / BIT),
    ]


@lru_cache(maxsize=16)
def _limits(kind: str, n_steps: int) -> tuple[float, float]:
    """Return how far the best sigma is from beta_tilde for a point and from b for N(0, 1)."""
    made = ddpm.SCHEDULES[kind](n_steps)
    best = [
        ddpm_vae.best_sigmas(made, ddpm_vae.gaussian_levels(made, s).errors) for s in (0.0, 1.0)
    ]
    known = ddpm.step_sigmas(made, "beta_tilde"), made.b[1:]
    gaps = [float(np.abs(b - k).max()) for b, k in zip(best, known, strict=True)]
    return gaps[0], gaps[1]


def _loss_readings(
    chain: _Chain, pair: ddpm.LossPair, name: Mapping[str, str], at: int, network: str
) -> list[Reading]:
    """Return means and spreads of both estimators against the identity and normal theory."""
    made, root = chain.schedule, math.sqrt(pair.two.size)
    trained = network == "optimal"
    share = float(made.b[at] / made.B[at]) ** 2
    error = 1.0
    if trained:
        error = float(chain.levels.errors[at - 1]) * math.exp(float(made.log_snr[at]))
    mean = share * error + ddpm.loss_constant(made, at)
    slope = 0.0
    if trained and chain.data == "normal":
        slope = float(made.B[at] / ddpm.level_variance(made, chain.data_std)[at])
    spreads: tuple[float, ...] = ddpm.linear_loss_spreads(made, at, slope, chain.data_std)[1:]
    linear = chain.data == "normal" or not trained
    note = W("ddpm.note_sampling")
    rows = [
        near(word, found, mean, 4 * spread / root + ROUNDING, note)
        for word, found, spread in zip(
            (
                W("ddpm.reading_mean_two", symbol=name["two"], t=at),
                W("ddpm.reading_mean_one", symbol=name["one"], t=at),
            ),
            pair.means,
            spreads if linear else pair.spreads,
            strict=True,
        )
    ]
    words = W("ddpm.reading_spread_two"), W("ddpm.reading_spread_one")
    for word, found, spread in zip(words, pair.spreads, spreads, strict=True):
        slack = 4 * SQUARED * spread / root + ROUNDING
        rows.append(near(word, found, spread, slack, note) if linear else shown(word, found))
    fewer = (pair.spreads[0] / pair.spreads[1]) ** 2 if pair.spreads[1] > 0 else math.inf
    return [*rows, shown(W("ddpm.reading_fewer"), fewer)]


def _notes(chain: _Chain, t: int, at: int) -> list[Word]:
    notes = []
    if chain.schedule.is_loud_at_end:
        notes.append(W("ddpm.note_vae_loud", value=chain.cost.end / BIT))
    if chain.first and chain.data == "normal":
        notes.append(W("ddpm.note_one_point"))
    if chain.is_clamped:
        notes.append(W("ddpm.note_clamped"))
    if t != at:
        notes.append(W("ddpm.note_beyond", t=t, steps=at))
    return notes


def _unused(data: str, sigma: str) -> frozenset[str]:
    names = {"data_std"} if data != "normal" else set()
    return frozenset(names | ({"share"} if sigma != "between" else set()))


def _table(chain: _Chain, dialect: str) -> dict[str, Any]:
    rows = chain.shown - 1
    step = ddpm.transition(chain.schedule, chain.shown)
    power = 1 if dialect == "su" else 2
    chosen, best = ("su_sigma", "su_best") if dialect == "su" else ("paper_sigma", "paper_best")
    return {
        "t": chain.shown,
        "step_bits": chain.cost.steps[rows] / BIT,
        "given_bits": chain.given[rows] / BIT,
        chosen: chain.sigmas[rows] ** power,
        best: chain.best[rows] ** power,
        "c_x": step.c_x,
        "c_0": step.c_0,
    }


def _pick(values: Values, point: Mapping[str, Any]) -> dict[str, Any]:
    """Return the step that was clicked on."""
    x = float(point.get("x") or 0)
    if point.get("figure") in ("spread", "means") or not 0 < x < math.inf:
        return {}
    return {"t": max(1, min(values["n_steps"], round(x)))}


PANEL = Panel(
    vae,
    vae_controls,
    (
        Preset("points", {"data": "two_points", "sigma": "beta_tilde"}),
        Preset("best", {"sigma": "optimal"}),
        Preset("normal", {"data_std": 1.0}),
        Preset("few", {"schedule": "cosine", "n_steps": 20, "t": 20, "sigma": "beta_tilde"}),
        Preset("trained", {"network": "optimal", "data": "three_points", "t": 200}),
    ),
    _pick,
)
