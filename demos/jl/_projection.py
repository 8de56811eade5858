"""Panel: random projection of real and made points, every pair compared."""

import math
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from demos.controls import Choice, Control, InputError, Integer, Upload, table_values
from demos.figures import Figure, Trace, axis, bars, dots, figure, heat, horizontal, line, vertical
from demos.jl._common import EPS, MOST_CELLS, MOST_WORK, QUICK, SEED, refuse_cost
from demos.panel import Panel, Preset, Values
from demos.view import Reading, View, near, shown
from demos.words import W, Word
from models import jl, jl_bounds

MADE = tuple(jl.POINTS)


def projection_controls() -> dict[str, Control]:
    """Return the controls of ``projection``."""
    return {
        "points": Choice(default="fashion", options=(*jl.REAL_POINTS, *MADE, "upload")),
        "upload": Upload(),
        "n_samples": Integer(default=200, low=1, high=2000, log=True),
        "n_features": Integer(default=1000, low=1, high=10_000, log=True),
        "kind": Choice(default="gaussian", options=jl.KINDS),
        "n_components": Integer(default=300, low=1, high=10_000, log=True),
        "eps": EPS,
        "n_trials": Integer(default=20, low=1, high=200),
        "seed": SEED,
    }


def projection(
    points: str,
    upload: str | None,
    n_samples: int,
    n_features: int,
    kind: str,
    n_components: int,
    eps: float,
    n_trials: int,
    seed: int,
) -> Iterator[View]:
    """Project real or made points at random and compare all their squared distances.

    Args:
        points: digits, fashion (real pictures), a made cloud, or upload.
        upload: Path of a csv, txt or npy file, one point per row.
        n_samples: Number of points N.
        n_features: Coordinates of each made point, m.
        kind: Law of the random matrix; pca for contrast.
        n_components: Dimension afterwards, k.
        eps: Allowed deviation of a squared distance.
        n_trials: Independent matrices.
        seed: Seed of points, pairs and matrices.

    Yields:
        A view after each matrix; the first one alone when it is quick, else theory only.
    """
    rng = np.random.default_rng(seed)
    cloud = _cloud(points, upload, n_samples, n_features, rng)
    work = float(cloud.size) * n_components
    refuse_cost("jl.n_components", work, MOST_WORK, "products", "smaller")
    unused = _unused(points)
    if work > QUICK:
        yield _not_yet(len(cloud), cloud.shape[1], n_components, eps, unused)
    before = jl.original(cloud, jl.choose_pairs(len(cloud), rng))
    setting = _Setting(kind, n_components, eps, len(cloud), cloud.shape[1], n_trials, unused)
    worst: list[float] = []
    for draw in jl.trials(before, n_components, eps, kind, n_trials=n_trials, rng=rng):
        worst.append(draw.max_distortion)
        yield setting.view(draw, worst)


def _unused(points: str) -> frozenset[str]:
    made = frozenset({"n_features"}) if points not in MADE else frozenset()
    return made | (frozenset() if points == "upload" else frozenset({"upload"}))


def _cloud(
    points: str, upload: str | None, n_samples: int, n_features: int, rng: np.random.Generator
) -> NDArray[Any]:
    """Return the points, as many as asked for and there are."""
    if points == "upload":
        if upload is None:
            raise InputError(W("jl.error_no_upload"))
        table = table_values(W("jl.upload"), upload)
        refuse_cost("jl.upload", table.size, MOST_CELLS, "cells", "smaller")
        return table[:n_samples]
    if points in jl.REAL_POINTS:
        real = jl.load_points(points).points
        return real[rng.permutation(len(real))[:n_samples]]
    refuse_cost("jl.n_features", n_samples * n_features, MOST_CELLS, "cells", "smaller")
    return jl.make_points(points, n_samples, n_features, rng)


def _not_yet(n: int, m: int, k: int, eps: float, unused: frozenset[str]) -> View:
    """Return what can be said before a costly projection runs: the theory."""
    needed = jl_bounds.required_dimensions(max(n, 1), eps)
    names = ("lemma", "existence", "sklearn", "exact", "typical")
    heights = [getattr(needed, name) for name in names]
    picture = figure(
        bars([W(f"jl.rule_{name}") for name in names], heights, "", "@gray"),
        x=axis(W("jl.axis_rule")),
        y=axis(W("jl.axis_k"), log=True),
        marks=[horizontal(k, "k", "@red")],
    )
    return View(
        picture,
        W("jl.projection_caption_wait", n=n, m=m, k=k),
        [_reach(k, needed.lemma)],
        {"rule": list(names), "n_components": heights},
        notes=[W("jl.note_press_run")],
        unused=unused,
    )


def _reach(k: int, needed: int) -> Reading:
    """Return whether k reaches the lemma's dimension; below it the lemma says nothing."""
    enough = k >= needed
    note = W("jl.note_enough") if enough else W("jl.note_below_lemma")
    return Reading(W("jl.reading_reach"), k, needed, "≥", True if enough else None, note=note)


class _Setting:
    """What stays the same over the trials of ``projection``."""

    def __init__(
        self, kind: str, k: int, eps: float, n: int, m: int, n_trials: int, unused: frozenset[str]
    ) -> None:
        self.kind, self.k, self.eps, self.n, self.m = kind, k, eps, n, m
        self.n_trials, self.unused = n_trials, unused
        self.needed = jl_bounds.required_dimensions(n, eps)

    def view(self, draw: jl.Distortion, worst: Sequence[float]) -> View:
        """Return the view after some trials, drawn for the last one."""
        done = len(worst)
        figures = {"trials": self._trials(worst)}
        if draw.n_pairs:
            figures = {"ratio": self._ratio(draw), "joint": self._joint(draw), **figures}
        counts, edges = draw.histogram(60) if draw.n_pairs else (np.zeros(0), np.zeros(1))
        return View(
            figures,
            W(
                "jl.projection_caption",
                n=self.n,
                m=self.m,
                k=self.k,
                pairs=draw.n_pairs,
                worst=draw.max_distortion,
                done=done,
            ),
            self._readings(draw, worst),
            {"ratio_low": edges[:-1], "ratio_high": edges[1:], "pairs": counts},
            notes=self._notes(draw),
            unused=self.unused,
            progress=None if done == self.n_trials else done / self.n_trials,
        )

    def _notes(self, draw: jl.Distortion) -> list[Word]:
        notes = []
        if self.n == 1:
            notes.append(W("jl.note_one_point"))
        if self.k >= self.m:
            notes.append(W("jl.note_no_reduction", k=self.k, m=self.m))
        if draw.n_skipped:
            notes.append(W("jl.note_skipped", count=draw.n_skipped))
        if draw.is_sample:
            notes.append(W("jl.note_sampled", count=draw.n_pairs, all=draw.n_all_pairs))
        if self.kind == "pca":
            notes.append(W("jl.note_pca"))
        return notes

    def _ratio(self, draw: jl.Distortion) -> Figure:
        low, high = float(draw.distance_ratio.min()), float(draw.distance_ratio.max())
        low, high = min(low, 1 - 1.2 * self.eps), max(high, 1 + 1.2 * self.eps)
        counts, edges = draw.histogram(60, (max(low, 0.0), high))
        width = edges[1] - edges[0]
        middles = edges[:-1] + width / 2
        heights = counts / max(1, draw.n_pairs) / width
        inside = np.abs(middles - 1) <= self.eps
        curves: list[Trace] = []
        if self.kind == "gaussian":
            x = np.linspace(max(low, 1e-3), high, 200)
            law = jl_bounds.norm_density(x, self.k)
            curves = [line(x, law, W("jl.law_of_one"), "@ink")]
        return figure(
            bars(
                middles, np.where(inside, heights, np.nan), W("jl.inside"), "@sky/0.55", width=width
            ),
            bars(
                middles, np.where(inside, np.nan, heights), W("jl.outside"), "@orange", width=width
            ),
            *curves,
            x=axis(W("jl.axis_ratio")),
            y=axis(W("jl.axis_density"), rangemode="tozero"),
            marks=[vertical(1 - self.eps, "1−ε"), vertical(1 + self.eps, "1+ε")],
            layout={"bargap": 0, "barmode": "overlay"},
            title=W("jl.title_ratio"),
        )

    def _joint(self, draw: jl.Distortion) -> Figure:
        counts, before, after = draw.joint_histogram(50)
        middle_before, middle_after = ((e[:-1] + e[1:]) / 2 for e in (before, after))
        shown_counts = np.where(counts.T > 0, np.log10(np.maximum(counts.T, 1)), np.nan)
        ends = np.array([0.0, before[-1]])
        return figure(
            heat(
                shown_counts,
                x=middle_before,
                y=middle_after,
                colorscale="Blues",
                reversescale=True,
                showscale=False,
                hovertemplate=W("jl.hover_joint"),
            ),
            line(ends, ends, W("jl.unchanged"), "@gray", width=1.5),
            line(ends, ends * (1 + self.eps), "1±ε", "@orange", dash="dash"),
            line(ends, ends * (1 - self.eps), "", "@orange", dash="dash"),
            x=axis(W("jl.axis_before"), range=[0, before[-1]]),
            y=axis(W("jl.axis_after"), range=[0, max(after[-1], before[-1] * (1 + self.eps))]),
            title=W("jl.title_joint"),
        )

    def _trials(self, worst: Sequence[float]) -> Figure:
        typical = float(jl_bounds.typical_max_distortion(self.k, self.n))
        bad = np.array(worst) > self.eps
        places, values = np.arange(1, len(worst) + 1), np.array(worst)
        top = max(self.eps, typical if self.n > 1 else 0, *worst) * 1.2
        return figure(
            dots(places[~bad], values[~bad], W("jl.trial_good"), "@blue"),
            dots(places[bad], values[bad], W("jl.trial_bad"), "@orange", symbol="x"),
            x=axis(W("jl.axis_trial"), range=[0.4, self.n_trials + 0.6]),
            y=axis(W("jl.axis_worst"), range=[0, top]),
            marks=[
                horizontal(self.eps, "ε", "@orange"),
                horizontal(typical, W("jl.mark_typical"), "@gray", "dot"),
            ],
            title=W("jl.title_trials"),
            wide=True,
            height=260,
        )

    def _readings(self, draw: jl.Distortion, worst: Sequence[float]) -> list[Reading]:
        if not draw.n_pairs:
            return [_reach(self.k, self.needed.lemma)]
        failures = sum(w > self.eps for w in worst)
        worst_pair = draw.worst_pair or (0, 0)
        readings = [
            _reach(self.k, self.needed.lemma),
            Reading(
                W("jl.reading_worst", i=worst_pair[0], j=worst_pair[1]),
                draw.max_distortion,
                self.eps,
                "≤",
                draw.holds,
                note=W("jl.note_worst", ratio=draw.worst_ratio),
            ),
            shown(W("jl.reading_inside"), W("jl.percent", value=100 * draw.share_inside)),
            self._failure(failures, len(worst)),
        ]
        if self.kind == "pca":
            return [*readings, shown(W("jl.reading_mean"), draw.mean, W("jl.note_pca"))]
        mean = near(
            W("jl.reading_mean"), draw.mean, 1.0, 4 * math.sqrt(2 / self.k), W("jl.note_one_ratio")
        )
        typical = float(jl_bounds.typical_max_distortion(self.k, self.n))
        return [
            *readings,
            mean,
            shown(W("jl.reading_typical", value=typical), float(np.mean(worst))),
        ]

    def _failure(self, failures: int, done: int) -> Reading:
        """Return the failure rate over the trials against the union bound with the exact tail."""
        quantity = W("jl.reading_failure", failures=failures, done=done)
        log_bound = float(jl_bounds.log_union_bound(jl_bounds.norm_tail(self.k, self.eps), self.n))
        if self.kind != "gaussian":
            return shown(quantity, failures / done, W("jl.note_gaussian_only"))
        if log_bound >= 0:
            note = W("jl.note_vacuous")
            bound = W("jl.vacuous", bound=math.exp(min(log_bound, 700)))
            return Reading(quantity, failures / done, bound, "≤", None, note=note)
        low, _ = jl_bounds.binomial_interval(failures, done, 0.999)
        bound_value = math.exp(log_bound)
        note = W("jl.note_interval", low=low)
        return Reading(quantity, failures / done, bound_value, "≤", low <= bound_value, note=note)


def _enough_for_lemma(current: Values) -> Values:
    """Return the dimension the lemma asks for at these values."""
    n = min(int(current["n_samples"]), 1000)
    return {"n_components": min(jl_bounds.dimension_lemma(max(n, 2), current["eps"]), 10_000)}


PANEL = Panel(
    projection,
    projection_controls,
    (
        Preset("lemma", _enough_for_lemma),
        Preset("one_hot", {"points": "one_hot", "kind": "very_sparse", "n_components": 200}),
        Preset("pca", {"kind": "pca", "n_components": 50}),
        Preset("post", {"points": "gaussian", "n_samples": 100, "n_components": 1000}),
    ),
)
