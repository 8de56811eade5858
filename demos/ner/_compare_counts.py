"""View "counts" of the panel compare: weights of every head against the number of types."""

from functools import lru_cache
from typing import Any

import numpy as np

from demos.controls import InputError
from demos.figures import Figure, axis, dots, figure, line, vertical
from demos.ner._common import weights_problem
from demos.view import Reading, View, equal, shown
from demos.words import W, Word
from models import ner
from models.global_pointer import parameter_counts
from models.hub import HubError

MOST_TYPES = 200
DRAWN = ("gp", "egp", "first_idea", "crf")  # by the formulas of the posts, without biases
STYLES = {
    "gp": ("@blue", "solid", "circle"),
    "egp": ("@orange", "dash", "diamond"),
    "first_idea": ("@green", "dot", "square"),
    "crf": ("@purple", "dashdot", "x"),
}
ROWS = (1, 3, 9, 10, 100)  # types of the sets of the posts, and one and many

COLUMNS = {
    "gp": "compare_weights_gp",
    "gp_bias": "compare_weights_gp_bias",
    "egp": "compare_weights_egp",
    "egp_bias": "compare_weights_egp_bias",
    "first_idea": "compare_weights_first_idea",
    "crf": "compare_weights_crf",
}


def counts(n_features: int, head_dim: int, n_types: int, types: str) -> View:
    """Show the number of weights of each head for any D, d and m, beside the heads built here.

    Args:
        n_features: D.
        head_dim: d.
        n_types: m.
        types: Whose built heads are counted.
    """
    here = parameter_counts(n_features, head_dim, n_types)
    rows = {m: parameter_counts(n_features, head_dim, m) for m in sorted({*ROWS, n_types})}
    built, notes = _built("nested" if types == "auto" else types)
    return View(
        {"counts": _picture(n_features, head_dim, n_types)},
        W(
            "ner.compare_counts_caption",
            D=n_features,
            d=head_dim,
            m=n_types,
            gp=here["gp"],
            egp=here["egp"],
            crf=here["crf"],
        ),
        [*built, *_increments(n_features, head_dim, n_types), *_crossings(n_features, head_dim)],
        {
            "compare_n_types": list(rows),
            **{name: [row[kind] for row in rows.values()] for kind, name in COLUMNS.items()},
        },
        notes=notes + ([W("ner.compare_note_one")] if n_types == 1 else []),
    )


@lru_cache(maxsize=64)
def _curves(n_features: int, head_dim: int) -> dict[str, Any]:
    """Return numbers of types, and weights of each head at them."""
    m = np.unique(np.geomspace(1, MOST_TYPES, 60).round().astype(int))
    rows = [parameter_counts(n_features, head_dim, int(one)) for one in m]
    return {"m": m, **{kind: np.array([row[kind] for row in rows]) for kind in DRAWN}}


def _picture(n_features: int, head_dim: int, n_types: int) -> Figure:
    curves = _curves(n_features, head_dim)
    here = parameter_counts(n_features, head_dim, n_types)
    traces = []
    for kind in DRAWN:
        color, dash, symbol = STYLES[kind]
        name = _name(kind)
        more: dict[str, Any] = {"hovertemplate": W("ner.compare_hover_counts", head=name)}
        traces += [
            line(curves["m"], curves[kind], name, color, dash=dash, **more),
            dots([n_types], [here[kind]], "", color, size=10, symbol=symbol, **more),
        ]
    return figure(
        *traces,
        x=axis(W("ner.compare_axis_types"), log=True, range=[-0.03, 2.33]),
        y=axis(W("ner.compare_axis_weights"), log=True),
        marks=[vertical(n_types, f"m = {n_types}")],
        height=400,
    )


def _name(kind: str) -> Word:
    return W("ner.compare_first_idea") if kind == "first_idea" else W(f"ner.head_{kind}")


def _built(types: str) -> tuple[list[Reading], list[Word]]:
    """Return the formulas beside the heads that were trained for a set, and what to say of it."""
    try:
        source = ner.reader(ner.language_of(types))
    except HubError as error:
        problem: InputError = weights_problem(error)
        return [], [problem.word]
    m = len(ner.TYPES[types])
    width, d = source.encoder.n_features, int(source.heads[types, "gp"].head_dim)  # type: ignore[arg-type]
    expected = parameter_counts(width, d, m)
    return [
        equal(
            W("ner.compare_reading_built", head=_name(kind), D=width, d=d, m=m),
            source.n_parameters[types, kind],
            expected[formula],
        )
        for kind, formula in (("gp", "gp_bias"), ("egp", "egp_bias"), ("crf", "crf"))
    ], []


def _increments(n_features: int, head_dim: int, n_types: int) -> list[Reading]:
    """Return what one more type costs, by counting and by formula."""
    here, more = (parameter_counts(n_features, head_dim, m) for m in (n_types, n_types + 1))
    stated = {
        "gp": 2 * n_features * head_dim,
        "egp": 4 * head_dim,
        "first_idea": 2 * n_features,
        "crf": 2 * n_features + 8 * n_types + 10,
    }
    notes = {kind: W(f"ner.compare_note_step_{kind}") for kind in stated}
    return [
        equal(
            W("ner.compare_reading_step", head=_name(kind)),
            more[kind] - here[kind],
            stated[kind],
            note=notes[kind],
        )
        for kind in DRAWN
    ]


def _crossings(n_features: int, head_dim: int) -> list[Reading]:
    """Return from which m on the efficient head is the smaller one, and the CRF the larger."""
    sizes = (parameter_counts(n_features, head_dim, m) for m in range(1, MOST_TYPES + 1))
    first, caught = 0, 0
    for m, size in enumerate(sizes, 1):
        first = first or (m if size["egp"] < size["gp"] else 0)
        caught = caught or (m if size["crf"] > size["egp"] else 0)
    return [
        equal(
            W("ner.compare_reading_smaller"),
            first,
            n_features // (n_features - 2) + 1,
            note=W("ner.compare_note_smaller"),
        ),
        shown(
            W("ner.compare_reading_crf_larger"),
            caught or W("ner.compare_never", most=MOST_TYPES),
            W("ner.compare_note_crf_larger"),
        ),
    ]
