"""Tab: n^(n+1) against (n+1)^n, at three school levels and beyond the reach of floats."""

import json
import math
from collections.abc import Mapping
from functools import cache, lru_cache
from html import escape
from typing import Any

import numpy as np

from demos.controls import Choice, Control, Flag, Integer, Real, Text
from demos.figures import Figure, axis, dots, figure, heat, horizontal, line, vertical
from demos.panel import Demo, Panel, Preset, Values
from demos.view import Reading, View, at_least, at_most, equal, near, shown
from demos.words import W, Word, spell
from models import powers

SIGNS = {"left": ">", "right": "<", "equal": "="}
MOST_ROWS = 40
GUESSES = frozenset("<=>-")


# --- Three schools ---


def schools_controls() -> dict[str, Control]:
    """Return the controls of ``schools``."""
    return {
        "level": Choice(default="primary", options=("primary", "middle", "high"), radio=True),
        "n": Integer(default=6, low=0, high=MOST_ROWS),
        "reveal": Flag(default=False),
        "guesses": Text(
            default="",
            length=MOST_ROWS + 1,
            parse=_parse_guesses,
            rule="powers.rule_guesses",
            advanced=True,
        ),
    }


def _parse_guesses(text: str) -> None:
    """Check a row of guesses, one sign per n from 0.

    Raises:
        ValueError: Another character than ``<``, ``=``, ``>``, ``-`` (none yet).
    """
    if not set(text) <= GUESSES:
        raise ValueError(text)


def schools(level: str, n: int, reveal: bool, guesses: str) -> View:
    """Compare n^(n+1) with (n+1)^n as one does in primary, middle and high school.

    Args:
        level: primary, middle or high.
        n: Largest n of the table; in high school the pair n, n+1.
        reveal: Whether the primary table shows all comparisons without a guess.
        guesses: The visitor's guesses for n = 0, 1, …: ``<``, ``=``, ``>``, or ``-`` for none.
    """
    if level == "primary":
        return _primary(n, reveal, guesses.ljust(n + 1, "-")[: n + 1])
    return (_middle if level == "middle" else _high)(n)


def _primary(n_last: int, reveal: bool, guesses: str) -> View:
    rows = [powers.compare_powers(n) for n in range(n_last + 1)]
    known = [reveal or guess != "-" for guess in guesses]
    signs = [SIGNS[row.verdict] for row in rows]
    right = sum(g == s for g, s in zip(guesses, signs, strict=True))
    made = sum(g != "-" for g in guesses)
    share = [100 / (1 + math.exp(-float(row.log_ratio))) for row in rows]
    seen = [s if k else math.nan for s, k in zip(share, known, strict=True)]
    rest = [100 - s for s in seen]
    closed = [math.nan if k else 100.0 for k in known]
    places = list(range(n_last + 1))
    picture = figure(
        _stack(places, seen, W("powers.left_power"), "@blue"),
        _stack(places, rest, W("powers.right_power"), "@orange"),
        _stack(places, closed, W("powers.not_revealed"), "@gray/0.25"),
        x=axis(W("powers.axis_n"), dtick=1 if n_last <= 20 else 5, range=[-0.6, n_last + 0.6]),
        y=axis(W("powers.axis_share"), range=[0, 100]),
        marks=[horizontal(50, W("powers.mark_half"))],
        layout={"barmode": "stack", "bargap": 0.15},
        height=280,
    )
    flips = [row.n for row in rows if row.verdict == "left"]
    readings = [shown(W("powers.reading_guesses"), W("powers.of", part=right, whole=made))]
    if all(known) and flips:
        before = max(int(row.difference or 0) for row in rows[:3])
        readings += [
            equal(W("powers.reading_flip"), flips[0], 3),
            equal(W("powers.reading_before"), before, -1, note=W("powers.note_before")),
            equal(W("powers.reading_after"), len(flips), n_last - 2),
        ]
    table = {
        "n": [row.n for row in rows],
        "left": [str(row.left.value) for row in rows],
        "right": [str(row.right.value) for row in rows],
        "larger": [sign if k else "?" for sign, k in zip(signs, known, strict=True)],
    }
    return View(
        picture,
        W("powers.schools_caption_primary", known=sum(known), rows=len(rows)),
        readings,
        table,
        html=_guess_table(rows, guesses, known),
    )


def _stack(x: list[int], y: list[float], name: Word, color: str) -> dict[str, Any]:
    bar = {"type": "bar", "x": np.array(x), "y": np.array(y), "marker": {"color": color}}
    return {**bar, "name": name, "showlegend": True, "hovertemplate": "n = %{x}: %{y:.2f} %"}


def _guess_table(
    rows: list[powers.Comparison], guesses: str, known: list[bool]
) -> list[str | Word]:
    """Return the table of powers with a button for each guess that is still open."""
    parts: list[str | Word] = ['<div class="ssp-table"><table class="ssp-guess"><tbody>']
    for row, guess, open_ in zip(rows, guesses, known, strict=True):
        n = row.n
        left, right = f"{n}<sup>{n + 1}</sup>", f"{n + 1}<sup>{n}</sup>"
        if open_:  # the values would give the answer away
            left, right = (
                f"{side} = {_long(power.value)}"
                for side, power in ((left, row.left), (right, row.right))
            )
        parts += [f"<tr><th scope='row'>n = {n}</th><td>{left}</td><td class='sign'>"]
        if open_:
            sign = SIGNS[row.verdict]
            mark = "" if guess == "-" else (" ✓" if guess == sign else " ✗")
            parts += [f"{escape(sign)}{mark}"]
        else:
            for sign in "<=>":
                new = guesses[:n] + sign + guesses[n + 1 :]
                value = escape(json.dumps({"guesses": new}), quote=True)
                parts += [f'<button type="button" class="ssp-tool" data-set="{value}" aria-label="']
                parts += [W("powers.guess_label", n=n, sign=sign), f'">{escape(sign)}</button> ']
        parts += [f"</td><td>{right}</td></tr>"]
    return [*parts, "</tbody></table></div>"]


def _long(value: int | None, keep: int = 24) -> str:
    """Return a whole number, its middle left out when it is long."""
    text = str(value)
    return text if len(text) <= keep else f"{text[:8]}…{text[-6:]} ({len(text)})"


def _middle(n_last: int) -> View:
    n = np.arange(1, max(n_last, 2) + 1)
    ratios = [powers.ratio(int(k)) for k in n]
    growth = [powers.ratio_of_ratios(int(k)) for k in n]
    values, steps = np.array([float(r) for r in ratios]), np.array([float(g) for g in growth])
    asymptote = powers.ratio_asymptotic(n)
    picture = figure(
        line(n, asymptote, W("powers.asymptote"), "@gray", dash="dot"),
        dots(n, values, W("powers.ratio"), "@blue", size=9),
        dots(n, steps, W("powers.growth"), "@orange", symbol="diamond"),
        x=axis(W("powers.axis_n")),
        y=axis(W("powers.axis_ratio"), log=True),
        marks=[horizontal(1, W("powers.mark_one"))],
    )
    last = int(n[-1])
    readings = [
        at_least(W("powers.reading_growth"), float(min(growth)), 1.0),
        Reading(W("powers.reading_r3"), str(powers.ratio(3)), "1", "≥", powers.ratio(3) > 1),
        near(
            W("powers.reading_asymptote", n=last),
            float(values[-1]),
            float(asymptote[-1]),
            1 / last**2,
            W("powers.note_asymptote"),
        ),
        at_most(W("powers.reading_binomial"), float(sum(t.bound for t in _terms(last))), 3.0),
    ]
    table = {
        "n": n,
        "ratio_exact": [_short(r) for r in ratios],
        "ratio": values,
        "growth": steps,
        "asymptote": asymptote,
    }
    return View(
        picture,
        W("powers.schools_caption_middle", n=last, ratio=float(values[-1])),
        readings,
        table,
        unused=frozenset({"guesses", "reveal"}),
    )


def _terms(n: int) -> list[powers.BinomialTerm]:
    return powers.binomial_terms(n, n_terms=n + 1)


def _short(fraction: Any, keep: int = 40) -> str:
    text = str(fraction)
    return text if len(text) <= keep else f"{text[:18]}…{text[-18:]}"


def _high(n: int) -> View:
    pair = (max(n, 1), max(n, 1) + 1)
    x = np.geomspace(0.6, max(12.0, 1.3 * pair[1]), 400)
    heights = powers.log_over(np.array(pair, float))
    curve = figure(
        line(x, powers.log_over(x), W("powers.log_over"), "@blue"),
        dots(pair, heights, W("powers.pair", a=pair[0], b=pair[1]), "@orange", size=11),
        x=axis(W("powers.axis_x")),
        y=axis(W("powers.axis_log_over"), range=[-0.25, 0.42]),
        marks=[vertical(math.e, W("powers.mark_e"), "@green")],
        title=W("powers.title_log_over"),
    )
    t = np.linspace(0.05, 6, 300)
    meeting = figure(
        line(t, powers.one_plus_inverse_power(t), W("powers.one_plus"), "@blue"),
        line(t, t, W("powers.diagonal"), "@gray"),
        x=axis(W("powers.axis_x")),
        y=axis(W("powers.axis_value"), range=[0, 6]),
        marks=[
            horizontal(math.e, W("powers.mark_e"), "@green"),
            vertical(powers.crossover(1), W("powers.mark_x0"), "@orange"),
        ],
        title=W("powers.title_meeting"),
    )
    exact = powers.compare_powers(pair[0])
    slope = "left" if heights[0] > heights[1] else "right"
    upto = list(_verdicts(1))
    by_curve = powers.log_over(np.arange(1.0, len(upto) + 2))
    signs = np.where(by_curve[:-1] > by_curve[1:], "left", "right")
    peak = float(x[np.argmax(powers.log_over(x))])
    readings = [
        Reading(
            W("powers.reading_pair", a=pair[0], b=pair[1]),
            SIGNS[slope],
            SIGNS[exact.verdict],
            "=",
            slope == exact.verdict,
            note=W("powers.note_pair"),
        ),
        equal(W("powers.reading_all", n=len(upto)), int((signs != upto).sum()), 0),
        near(
            W("powers.reading_peak"),
            peak,
            math.e,
            float(np.diff(x)[np.searchsorted(x, peak) - 1]),
            W("powers.note_grid"),
        ),
        equal(
            W("powers.reading_meeting"),
            float(powers.one_plus_inverse_power(powers.crossover(1))),
            powers.crossover(1),
            1e-14,
        ),
    ]
    return View(
        {"log_over": curve, "meeting": meeting},
        W("powers.schools_caption_high", a=pair[0], b=pair[1], sign=SIGNS[exact.verdict]),
        readings,
        {"x": x, "log_over": powers.log_over(x)},
        unused=frozenset({"guesses", "reveal"}),
    )


# --- Real line ---


def real_line_controls() -> dict[str, Control]:
    """Return the controls of ``real_line``."""
    return {
        "gap": Real(default=1.0, low=0.01, high=100, log=True),
        "show": Choice(default="log_ratio", options=("log_ratio", "difference"), radio=True),
        "x_max": Real(default=5.0, low=3.0, high=12.0, step=0.5),
    }


def real_line(gap: float, show: str, x_max: float) -> View:
    """Find on the real line where x^(x+m) overtakes (x+m)^x.

    Args:
        gap: m, dimensionless.
        show: log_ratio (ln of the ratio, nats) or difference.
        x_max: Right end of the axis.
    """
    x = np.linspace(0.02, x_max, 500)
    value = {"log_ratio": powers.log_ratio, "difference": powers.difference}[show]
    whole = np.arange(1.0, x_max + 1e-9)
    x0 = powers.crossover(gap)
    y = np.clip(value(x, gap), -6, 6)
    main = figure(
        line(x, y, W(f"powers.{show}_name"), "@blue"),
        dots(whole, np.clip(value(whole, gap), -6, 6), W("powers.whole"), "@blue", size=9),
        dots([x0], [0.0], W("powers.crossover_name", x=f"{x0:.10f}"), "@orange", size=11),
        x=axis(W("powers.axis_x"), range=[0, x_max]),
        y=axis(W(f"powers.axis_{show}")),
        marks=[
            horizontal(0, dash="solid"),
            vertical(math.e, W("powers.mark_sufficient"), "@green"),
        ],
        title=W("powers.title_real", m=gap),
    )
    gaps, curve = _crossover_curve()
    moving = figure(
        line(gaps, curve, W("powers.crossover_curve"), "@blue"),
        dots([gap], [x0], W("powers.this_gap"), "@orange", size=11),
        dots([2.0], [2.0], W("powers.gap_two"), "@green", size=9, symbol="diamond"),
        x=axis(W("powers.axis_gap"), log=True),
        y=axis(W("powers.axis_crossover"), range=[0.9, 2.85]),
        marks=[horizontal(math.e, W("powers.mark_e"), "@green"), horizontal(1, "1")],
        title=W("powers.title_gap"),
    )
    readings = [
        Reading(
            W("powers.reading_x0"),
            f"{x0:.10f}",
            _known_crossover(gap),
            "=",
            _known_crossover(gap) in (None, f"{x0:.10f}") if _known_crossover(gap) else None,
            note=None if _known_crossover(gap) else W("powers.note_no_closed_form"),
        ),
        equal(W("powers.reading_zero"), float(powers.log_ratio(x0, gap)), 0.0, 4e-15 * (1 + gap)),
        at_most(W("powers.reading_sufficient"), x0, math.e, note=W("powers.note_sufficient")),
        _whole_reading(gap, x0),
    ]
    if gap == 1:
        place, least = powers.difference_minimum()
        inside = (x > 1) & (x < 2.2)
        readings += [
            near(
                W("powers.reading_dip", x=place),
                float(powers.difference(x[inside]).min()),
                least,
                1e-3,
                W("powers.note_grid"),
            )
        ]
    return View(
        {"line": main, "gaps": moving},
        W("powers.real_line_caption", m=gap, x=f"{x0:.10f}"),
        readings,
        {"x": x, "value": value(x, gap)},
    )


@cache
def _crossover_curve() -> tuple[Any, Any]:
    """Return gaps m and their crossovers x(m), for the drawn curve."""
    gaps = np.geomspace(0.01, 100, 120)
    return gaps, np.array([powers.crossover(float(m)) for m in gaps])


def _known_crossover(gap: float) -> str | None:
    """Return the crossover's known digits: OEIS A085846 for m = 1, exactly 2 for m = 2."""
    return {1.0: f"{float(powers.CROSSOVER):.10f}", 2.0: f"{2:.10f}"}.get(gap)


@lru_cache(maxsize=128)
def _verdicts(m: int) -> tuple[str, ...]:
    """Return the exact comparison for n = 1 to 30 and the gap m."""
    return tuple(powers.compare_powers(n, m).verdict for n in range(1, 31))


def _whole_reading(gap: float, x0: float) -> Reading:
    """Return whether the crossover decides every whole n as exact arithmetic does."""
    m = round(gap)
    if m != gap:
        return shown(W("powers.reading_whole"), None, W("powers.note_whole_gap"))
    sides = ["equal" if n == x0 else "left" if n > x0 else "right" for n in range(1, 31)]
    wrong = sum(side != exact for side, exact in zip(sides, _verdicts(m), strict=True))
    return equal(W("powers.reading_whole"), wrong, 0)


# --- x^y = y^x ---


def power_map_controls() -> dict[str, Control]:
    """Return the controls of ``power_map``."""
    real: dict[str, Any] = {"parse": powers.parse_real, "rule": "powers.rule_real", "length": 40}
    return {
        "a": Text(default="2", **real),
        "b": Text(default="4", **real),
        "limit": Real(default=6.0, low=4.0, high=20.0, step=0.5),
    }


def power_map(a: str, b: str, limit: float) -> View:
    """Show where x^y exceeds y^x, the curve where they are equal, and decide one pair exactly.

    Args:
        a: First number: ``2``, ``9/4``, ``2.5``, ``e``, ``pi``.
        b: Second number.
        limit: Right and upper end of the map.
    """
    pair = powers.compare_reals(powers.parse_real(a), powers.parse_real(b))
    x, y = float(pair.a), float(pair.b)
    return View(
        {"map": _map(x, y, limit), "level": _level(x, y)},
        W("powers.power_map_caption", a=a, b=b, sign=SIGNS[pair.verdict]),
        _map_readings(a, b, pair),
        _branch_table(limit),
    )


def _map(a: float, b: float, limit: float) -> Figure:
    side = (np.arange(90) + 0.5) * limit / 90
    sign = powers.sign_map(side[None, :], side[:, None])
    curve_x, curve_y = powers.branch_curve(limit)
    rational = [(float(p), float(q)) for p, q in powers.rational_points(4)]
    mirrored = [p for p in [*rational, *[(q, p) for p, q in rational]] if max(p) <= limit]
    lattice = np.arange(1, int(limit) + 1)
    return figure(
        heat(
            sign,
            x=side,
            y=side,
            colorscale=[[0, "@orange/0.30"], [0.5, "@paper"], [1, "@blue/0.30"]],
            zmin=-1,
            zmax=1,
            showscale=False,
            hovertemplate=W("powers.hover_map"),
            name="",
        ),
        dots(
            np.repeat(lattice, lattice.size),
            np.tile(lattice, lattice.size),
            W("powers.lattice"),
            "@gray",
            size=3,
            hoverinfo="skip",
        ),
        line(
            [0, limit], [0, limit], W("powers.diagonal_equal"), "@ink", width=1.5, hoverinfo="skip"
        ),
        line(curve_x, curve_y, W("powers.branch"), "@green", width=3, hoverinfo="skip"),
        dots(
            [p for p, _ in mirrored],
            [q for _, q in mirrored],
            W("powers.rational"),
            "@green",
            symbol="diamond",
            size=9,
        ),
        dots([a], [b], W("powers.your_pair"), "@red", size=13, symbol="x"),
        x=axis(W("powers.axis_base_x"), range=[0, limit], constrain="domain"),
        y=axis(W("powers.axis_base_y"), range=[0, limit], scaleanchor="x"),
        title=W("powers.title_map"),
        square=True,
    )


def _level(a: float, b: float) -> Figure:
    points = [p for p in (a, b) if p > 0]
    right = max(8.0, *(1.15 * p for p in points)) if points else 8.0
    x = np.geomspace(0.5, right, 300)
    marks = []
    other = powers.partner(a) if a > 0 else None
    if other is not None and a > 1:
        marks = [horizontal(float(powers.log_over(a)), W("powers.mark_level"), "@orange")]
    if other is not None and abs(other - b) < 0.02 * right:
        other = None  # b is the partner: one mark is enough
    shown_points = [*points, *([other] if other is not None and other <= right else [])]
    names = ["a", "b"][: len(points)] + ["a*"] * (len(shown_points) - len(points))
    return figure(
        line(x, powers.log_over(x), W("powers.log_over"), "@blue"),
        dots(
            shown_points,
            powers.log_over(np.array(shown_points)) if shown_points else [],
            "",
            "@red",
            size=11,
            text=names,
            mode="markers+text",
            textposition="top center",
            hovertemplate="%{text} = %{x:.6g}: %{y:.6g}<extra></extra>",
        ),
        x=axis(W("powers.axis_x")),
        y=axis(W("powers.axis_log_over"), range=[-0.4, 0.45]),
        marks=[*marks, vertical(math.e, W("powers.mark_e"), "@green")],
        title=W("powers.title_level"),
    )


def _map_readings(a: str, b: str, pair: powers.RealComparison) -> list[Reading]:
    x, y = float(pair.a), float(pair.b)
    readings = []
    if x > 0 and y > 0:
        f = powers.log_over(np.array([x, y]))
        by_level = "equal" if f[0] == f[1] else "left" if f[0] > f[1] else "right"
        close = W("powers.note_close") if pair.is_close and pair.verdict != "equal" else None
        held = by_level == pair.verdict or pair.is_close
        readings += [
            Reading(
                W("powers.reading_verdict", a=a, b=b),
                SIGNS[by_level],
                SIGNS[pair.verdict],
                "=",
                held,
                note=close or W("powers.note_verdict"),
            )
        ]
    else:
        readings += [shown(W("powers.reading_verdict", a=a, b=b), SIGNS[pair.verdict])]
    readings += [shown(W("powers.reading_log_difference"), f"{pair.log_difference:.10g}")]
    other = powers.partner(x) if x > 0 else None
    if other is None or not math.isfinite(other):
        readings += [
            shown(W("powers.reading_partner", a=a), W("powers.none"), W("powers.note_low"))
        ]
    else:
        gap = other * math.log(x) - x * math.log(other)
        size = abs(x * math.log(other)) + 1e-300
        readings += [
            shown(W("powers.reading_partner", a=a), f"{other:.9f}"),
            equal(W("powers.reading_partner_check"), gap / size, 0.0, 1e-9),
        ]
    return [*readings, equal(W("powers.reading_pairs"), _equal_pairs(), 1)]


@cache
def _equal_pairs(most: int = 60) -> int:
    """Return how many pairs of whole numbers 1 <= a < b <= most have a^b = b^a."""
    return sum(a**b == b**a for b in range(2, most + 1) for a in range(1, b))


def _branch_table(limit: float) -> dict[str, Any]:
    x, y = powers.branch_curve(limit)
    return {"x": x, "y": y, "common": x**y}


def pick_pair(values: Values, point: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return a and b for a click on the map."""
    x, y = point.get("x"), point.get("y")
    if point.get("figure") != "map" or not isinstance(x, (int, float)):
        return {}
    return {"a": spell(float(x), digits=3), "b": spell(float(y or 0), digits=3)}


# --- Floats and huge n ---


def huge_controls() -> dict[str, Control]:
    """Return the controls of ``huge``."""
    return {"n": Text(default="10^16", length=320, parse=_parse_huge, rule="powers.rule_integer")}


def _parse_huge(text: str) -> int:
    """Return a whole number from 1 to 10^300.

    Raises:
        ValueError: The text is none, or outside that range.
    """
    n = powers.parse_integer(text)
    if not 1 <= n <= 10**300:
        raise ValueError(text)
    return n


def huge(n: str) -> View:
    """Compare n^(n+1) with (n+1)^n for any n at once, and show where floats fail.

    Args:
        n: Whole number from 1 to 10^300: ``1370``, ``10^30``, ``1e100``.
    """
    number = _parse_huge(n)
    exact = powers.compare_powers(number)
    forms = powers.float_forms(number)
    sizes, rows = _float_rows()
    floor = 1e-17
    errors = figure(
        line(sizes, [max(r.naive_error, floor) for r in rows], W("powers.naive"), "@orange"),
        line(sizes, [max(r.stable_error, floor) for r in rows], W("powers.stable"), "@blue"),
        x=axis(W("powers.axis_n"), log=True, dtick=3),
        y=axis(W("powers.axis_error"), log=True, dtick=3, range=[-17.5, 0.8]),
        marks=[horizontal(2.0**-53, W("powers.mark_epsilon"))]
        + ([vertical(float(number), "n", "@red")] if number <= 10**18 else []),
    )
    readings = [
        Reading(
            W("powers.reading_sign"),
            SIGNS["left" if forms.stable > 0 else "right"],
            SIGNS[exact.verdict],
            "=",
            (forms.stable > 0) == (exact.verdict == "left"),
            note=W(f"powers.reason_{exact.reason}"),
        ),
        Reading(
            W("powers.reading_stable"),
            f"{forms.stable:.13g}",
            f"{exact.log_ratio:.13g}",
            "=",
            forms.stable_error <= 1e-12,
            1e-12,
            W("powers.note_relative"),
        ),
        Reading(
            W("powers.reading_naive"),
            f"{forms.naive:.13g}",
            f"{exact.log_ratio:.13g}",
            "=",
            forms.naive_error <= 1e-12,
            1e-12,
            W("powers.note_naive"),
        ),
        shown(W("powers.reading_digits"), f"{exact.left.n_digits}, {exact.right.n_digits}"),
        equal(W("powers.reading_overflow"), _first_overflow(), 143),
    ]
    table = {
        "n": sizes,
        "log_exact": [f"{r.exact:.20g}" for r in rows],
        "log_stable": [r.stable for r in rows],
        "log_naive": [r.naive for r in rows],
    }
    sign = SIGNS[exact.verdict]
    return View(
        errors,
        W("powers.huge_caption", n=n, sign=sign, digits=exact.left.n_digits),
        readings,
        table,
        html=_big_numbers(exact),
    )


@cache
def _float_rows() -> tuple[Any, list[powers.FloatForms]]:
    """Return n from 2 to 10^18 on a logarithmic grid, and what floats make of each."""
    sizes = np.unique(np.round(np.geomspace(2, 1e18, 73)).astype(np.int64))
    return sizes, [powers.float_forms(int(size)) for size in sizes]


@cache
def _first_overflow() -> int:
    """Return the first n whose n^(n+1) is too large for a float64, by trying."""
    return next(n for n in range(1, 400) if math.isinf(powers.float_forms(n).left))


def _big_numbers(exact: powers.Comparison) -> list[str | Word]:
    """Return both powers, written out when they are short enough, else by leading digits."""
    parts: list[str | Word] = ['<dl class="ssp-big">']
    names = ("n<sup>n+1</sup>", "(n+1)<sup>n</sup>")
    for name, power in zip(names, (exact.left, exact.right), strict=True):
        parts += [f"<dt>{name}</dt><dd>"]
        if power.value is not None and power.n_digits <= 600:
            parts += [f"<code>{power.value}</code> "]
        else:
            parts += [f"<code>{power.mantissa} × 10<sup>{power.n_digits - 1}</sup></code> "]
        parts += [W("powers.digits", count=power.n_digits), "</dd>"]
    return [*parts, "</dl>"]


PANELS = (
    Panel(
        schools,
        schools_controls,
        (
            Preset("guess", {"level": "primary", "n": 9, "guesses": "<<"}),
            Preset("reveal", {"level": "primary", "n": 12, "reveal": True}),
            Preset("middle", {"level": "middle", "n": 20}),
            Preset("high", {"level": "high", "n": 2}),
        ),
    ),
    Panel(
        real_line,
        real_line_controls,
        (
            Preset("two", {"gap": 2.0}),
            Preset("small", {"gap": 0.01}),
            Preset("dip", {"show": "difference", "x_max": 3.0}),
        ),
    ),
    Panel(
        power_map,
        power_map_controls,
        (
            Preset("pi", {"a": "e", "b": "pi"}),
            Preset("fraction", {"a": "9/4", "b": "27/8"}),
            Preset("two_three", {"a": "2", "b": "3"}),
            Preset("far", {"a": "1.1", "b": "40", "limit": 20.0}),
        ),
        pick=pick_pair,
    ),
    Panel(
        huge,
        huge_controls,
        (
            Preset("overflow", {"n": "143"}),
            Preset("million", {"n": "10^6"}),
            Preset("nonillion", {"n": "10^30"}),
            Preset("small", {"n": "2"}),
        ),
    ),
)

DEMO = Demo(
    key="powers",
    panels=PANELS,
    methods=(powers,),
    sources={
        "post": "https://kexue.fm/archives/132",
        "oeis": "https://oeis.org/A085846",
        "curve": "https://en.wikipedia.org/wiki/Equation_xy_%3D_yx",
    },
)
