"""Pictures of the panel ``exact``: particles, densities, visited times, the study of S."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from demos.ddpm._exact_run import Outcome, Run, Setup
from demos.figures import (
    Figure,
    axis,
    bars,
    dots,
    drawing,
    figure,
    heat,
    horizontal,
    line,
    moving,
    vertical,
)
from demos.words import W
from models import ddpm_samplers
from models.ddpm import Floats
from models.ddpm_histogram import histogram

DOTS = 300  # particles drawn
HATS = 150  # of which the denoiser's guess is drawn
FEW = 64  # bare points up to this number are drawn as rings
BEHIND = 400  # points of the data drawn
TRAILS = 14  # paths on the map
PATHS = 40  # paths over time
RULES = ("eta_0", "eta_half", "eta_1", "sigma_b")
COLORS = ("@blue", "@sky", "@green", "@orange")
QUIET: dict[str, Any] = {"hoverinfo": "skip"}


def map_figure(run: Run) -> Figure:
    """Return the particles on the plane, the data behind them, and what the denoiser guesses."""
    setup, reach = run.setup, run.setup.reach
    x, guess, trails = run.x(DOTS), run.x0_hat(HATS), run.paths(TRAILS)
    behind = _behind(setup)
    few = setup.data.size <= FEW and not setup.data.has_density
    gap = np.full((1, trails.shape[1], 2), np.nan)
    ways = np.concatenate([trails, gap]).transpose(1, 0, 2).reshape(-1, 2)
    return figure(
        dots(
            behind[:, 0],
            behind[:, 1],
            W("ddpm.exact_cloud_data"),
            "@gray" if few else "@gray/0.55",
            size=11 if few else 5,
            symbol="circle-open" if few else "circle",
            **QUIET,
        ),
        line(ways[:, 0], ways[:, 1], W("ddpm.exact_paths"), "@sky/0.4", width=1, **QUIET),
        dots(guess[-1, :, 0], guess[-1, :, 1], W("ddpm.exact_guess"), "@orange", size=4, **QUIET),
        dots(x[-1, :, 0], x[-1, :, 1], W("ddpm.exact_particles"), "@blue", size=4),
        x=axis("x₁", range=[-reach, reach], constrain="domain"),
        y=axis("x₂", range=[-reach, reach], scaleanchor="x", constrain="domain"),
        title=W("ddpm.exact_title_map"),
        square=True,
        height=480,
        moves=moving(
            t2={"x": guess[:, :, 0], "y": guess[:, :, 1]}, t3={"x": x[:, :, 0], "y": x[:, :, 1]}
        ),
        drawn=drawing("drawn", kind="strokes", data="drawn"),
    )


def _behind(setup: Setup) -> Floats:
    """Return the data to draw: its points, or real draws where it has a density."""
    if setup.data.size > 8 or not setup.data.has_density:
        return setup.data.means[:: -(-setup.data.size // BEHIND)]
    return setup.real(BEHIND)[0]


def paths_figure(run: Run) -> Figure:
    """Return the particles' ways over time in one dimension, on the true density of x_t.

    The guesses of x_0 stand where they belong, at time 0.
    """
    reach = run.setup.reach
    times, x, guess = run.at(run.moments), run.x(DOTS)[..., 0], run.x0_hat(HATS)[..., 0]
    ways, at = run.paths(PATHS)[..., 0], run.at(run.track)
    edges = run.setup.edges
    glow = np.sqrt(run.truth / run.truth.max(axis=1, keepdims=True))[::-1].T
    now = np.repeat(times[:, None], DOTS, axis=1)
    return figure(
        heat(
            glow,
            x=times[::-1],
            y=(edges[:-1] + edges[1:]) / 2,
            colorscale=[[0, "@paper"], [1, "@gray/0.5"]],
            showscale=False,
            hoverinfo="skip",
            zsmooth="best",
        ),
        *(
            _bundle(at, ways[:, chosen], name, color)
            for chosen, name, color in (
                (ways[0] >= 0, W("ddpm.exact_from_above"), "@sky/0.75"),
                (ways[0] < 0, W("ddpm.exact_from_below"), "@green/0.75"),
            )
        ),
        dots(
            np.zeros(guess.shape[1]), guess[-1], W("ddpm.exact_guess"), "@orange", size=6, **QUIET
        ),
        dots(now[-1, : x.shape[1]], x[-1], W("ddpm.exact_particles"), "@blue", size=5, **QUIET),
        x=_time_axis(run.setup),
        y=axis("x", range=[-reach, reach]),
        title=W("ddpm.exact_title_paths"),
        wide=True,
        height=420,
        moves=moving(t3={"y": guess}, t4={"x": now[:, : x.shape[1]], "y": x}),
    )


def _time_axis(setup: Setup) -> dict[str, Any]:
    """Return the axis of time, which runs from T on the left to 0."""
    last = setup.n_steps
    return axis(W("ddpm.axis_time"), range=[1.03 * last, -0.03 * last])


def _bundle(at: Any, ways: Floats, name: Any, color: str) -> dict[str, Any]:
    """Return several paths (places, n) as one trace, parted by gaps."""
    gap = np.full((1, ways.shape[1]), np.nan)
    y = np.concatenate([ways, gap]).T.ravel()
    return line(np.tile(np.append(at, 0), ways.shape[1]), y, name, color, width=1, **QUIET)


def density_figure(run: Run, is_alone: bool) -> Figure:
    """Return the particles' histogram against the truth, moment by moment.

    Args:
        run: The run.
        is_alone: Whether no other picture stands beside it.
    """
    edges, flat = run.setup.edges, run.setup.data.dim == 1
    width = float(edges[1] - edges[0])
    middles, truth = (edges[:-1] + edges[1:]) / 2, run.truth / width
    pen = {"color": "@ink", "shape": "hvh", "width": 1.5}
    counted = np.stack([histogram(x[:, 0], edges) for x in run.x()]) / width
    top = 1.08 * float(max(truth.max(), np.sort(counted, axis=None)[-2:].max()))
    return figure(
        bars(middles, counted[-1], W("ddpm.exact_particles"), "@blue/0.6", width=width),
        line(middles, truth[-1], W("ddpm.exact_truth"), line=pen),
        x=axis("x" if flat else "x₁", range=[-run.setup.reach, run.setup.reach]),
        y=axis(W("ddpm.exact_axis_density"), range=[0, top]),
        title=W("ddpm.exact_title_density" if flat else "ddpm.exact_title_density_first"),
        height=360 if flat else 480,
        wide=is_alone,
        layout={"bargap": 0},
        moves=moving(t0={"y": counted}, t1={"y": truth}),
    )


def visited_figure(setup: Setup) -> Figure:
    """Return which times each spacing visits with S network calls."""
    rows = []
    for height, spacing in enumerate(reversed(ddpm_samplers.SPACINGS)):
        times = ddpm_samplers.visited_times(setup.n_steps, setup.n_visits, spacing)
        chosen = spacing == setup.given["spacing"]
        rows.append(
            dots(
                times,
                np.full(times.size, height),
                "",
                "@blue" if chosen else "@gray",
                size=7 if chosen else 5,
                symbol="line-ns-open" if setup.n_visits > 60 else "circle",
            )
        )
    names = [W(f"ddpm.exact_row_{spacing}") for spacing in reversed(ddpm_samplers.SPACINGS)]
    return figure(
        *rows,
        x=_time_axis(setup),
        y=axis(
            W("ddpm.spacing"), range=[-0.6, 2.6], tickvals=[0, 1, 2], ticktext=names, showgrid=False
        ),
        title=W("ddpm.exact_title_visited", S=setup.n_visits),
        wide=True,
        height=200,
    )


def distance_figure(setup: Setup, outcomes: Sequence[Outcome]) -> Figure:
    """Return the distance to the data against the number of network calls."""
    rows = sorted(outcomes, key=lambda row: row.n_visits)
    counts = [row.n_visits for row in rows]
    high = max(max(row.distance, row.floor) for row in rows)
    low = min(max(min(row.distance, row.floor), 1e-4 * high) for row in rows)
    ends = np.log10([max(low, 1e-12), max(high, 1e-9)]) + [-0.2, 0.2]
    return figure(
        dots(
            counts,
            [_drawable(row.distance) for row in rows],
            W("ddpm.exact_distance"),
            "@blue",
            size=9,
            mode="lines+markers",
            line={"color": "@blue", "width": 2},
        ),
        line(
            counts,
            [_drawable(row.floor) for row in rows],
            W("ddpm.exact_floor"),
            "@gray",
            dash="dash",
        ),
        x=axis(W("ddpm.exact_axis_calls"), log=True, range=_decades(setup)),
        y=axis(
            W("ddpm.exact_axis_distance"),
            log=True,
            range=ends.tolist(),
            dtick=1 if ends[1] - ends[0] > 2 else "D2",
            tickformat=".1~g",
        ),
        marks=[vertical(setup.n_visits, f"S = {setup.n_visits}", "@red")],
        title=W("ddpm.exact_title_distance"),
        height=360,
        wide=setup.data.dim == 2,
    )


def _drawable(value: float) -> float:
    """Return a value fit for a logarithmic axis."""
    return value if value > 0 else np.nan


def _decades(setup: Setup) -> list[float]:
    """Return the exponents of the axis of S."""
    counts = [min(5, setup.n_visits), max(setup.n_visits, min(1000, setup.n_steps))]
    low, high = np.log10(counts).tolist()
    return [low - 0.15, high + 0.15]


def variance_figure(
    setup: Setup, counts: Sequence[int], exact: Floats, outcomes: Sequence[Outcome]
) -> Figure:
    """Return the exact final variance of four rules against S, and what was measured.

    Args:
        setup: Of Gaussian data in one dimension.
        counts: S of the rows, rising.
        exact: From N(0, 1), (n_counts, 4).
        outcomes: Measured so far.
    """
    rows = sorted(outcomes, key=lambda row: row.n_visits)
    return figure(
        *(
            line(list(counts), exact[:, i], W(f"ddpm.exact_rule_{name}"), color, width=2)
            for i, (name, color) in enumerate(zip(RULES, COLORS, strict=True))
        ),
        dots(
            [row.n_visits for row in rows],
            [row.variance for row in rows],
            W("ddpm.exact_measured"),
            "@red",
            size=9,
            symbol="diamond",
        ),
        x=axis(W("ddpm.exact_axis_calls"), log=True, range=_decades(setup)),
        y=axis(W("ddpm.exact_axis_variance"), rangemode="tozero"),
        marks=[horizontal(setup.variance, W("ddpm.exact_true_variance"), "@gray")],
        title=W("ddpm.exact_title_variance"),
        height=360,
    )


def steps(run: Run) -> list[str]:
    """Return the names of the animation's pictures."""
    return [f"t = {t}" for t in run.at(run.moments).tolist()]


def pictures(
    run: Run, outcomes: Sequence[Outcome], study: tuple[Sequence[int], Floats] | None
) -> Mapping[str, Figure]:
    """Return all pictures of a run and of the study so far."""
    setup = run.setup
    flat = setup.data.dim == 1
    made = {"paths" if flat else "map": paths_figure(run) if flat else map_figure(run)}
    made["density"] = density_figure(run, is_alone=flat and not study and not outcomes)
    if study:
        made["variance"] = variance_figure(setup, *study, outcomes)
    if outcomes:
        made["distance"] = distance_figure(setup, outcomes)
    return {**made, "visited": visited_figure(setup)}
