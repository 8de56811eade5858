"""View "lattice" of the panel compare: the BIO-CRF's best path, beside what GlobalPointer finds."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from demos.figures import SEQUENTIAL, Figure, axis, bars, dots, figure, heat, line
from demos.ner._common import annotated, read_chosen, short_word, types_of
from demos.ner._compare_pieces import as_is, first_window, scale, token_axis
from demos.ner._plane import cell_at, piece_names
from demos.view import Reading, View, at_least, at_most, equal, shown
from demos.words import W, Word, verbatim
from models import crf, ner
from models.ner import Marked
from models.spans import Entity, most_flat

Floats = NDArray[np.float64]

QUANTITIES = ("emissions", "best", "marginals")
MOST_FORCED = 4  # tokens up to which all paths are tried
MOST_TOKEN = 24  # characters of a token in a title
PATH = "#e0218a"  # seen on every colour of both scales
ROUNDING = 1e-9  # float64 sums of a few hundred numbers


def lattice(text: str, types: str, head: str, quantity: str, token: int, chosen: str) -> View:
    """Show the tags' scores at every token with the best path, and the spans it gives.

    Args:
        text: Anything.
        types: Set of types, or auto.
        head: Of GlobalPointer, whose spans stand beside the CRF's.
        quantity: emissions, best (score of the best path to a tag) or marginals.
        token: Number of the token looked at, from 1.
        chosen: The lit span.
    """
    marked, notes = first_window(text, types, head)
    n = len(marked.offsets)
    chain = _Chain(marked, types_of(text, types))
    at = min(token, max(n, 1)) - 1
    figures = {"lattice": _lattice(chain, quantity, at)}
    if n:
        figures["token"] = _token(chain, at)
    found = marked.entities()
    flat = len(most_flat(found))
    lit = read_chosen(chosen, marked.types, len(marked.text))
    return View(
        figures,
        W(
            f"ner.compare_lattice_caption_{quantity}",
            n=n,
            tags=len(chain.tags),
            crf=len(chain.entities),
            gp=len(found),
            flat=flat,
        ),
        [*_laws(chain, at), *_forced(chain), *_beside(chain, found, flat)] if n else [],
        _table(chain),
        html=_lanes(chain, found, lit, head) if n else [],
        notes=notes,
    )


@dataclass(frozen=True)
class _Chain:
    """The CRF on a text of n tokens, K tags."""

    marked: Marked
    types: str

    @property
    def n(self) -> int:
        """Number of tokens."""
        return len(self.marked.offsets)

    @cached_property
    def scores(self) -> tuple[Floats, Floats]:
        """Emissions (n, K) and transitions (K, K)."""
        _, emissions, transitions = ner.emissions(self.marked.text, self.types)
        return emissions.astype(np.float64), transitions.astype(np.float64)

    @property
    def emissions(self) -> Floats:
        return self.scores[0]

    @cached_property
    def tags(self) -> tuple[str, ...]:
        return crf.tags(self.marked.types)

    @cached_property
    def names(self) -> list[Word]:
        """The tags in words."""
        return [_tag(name) for name in self.tags]

    @cached_property
    def decoded(self) -> crf.Decoded:
        return crf.viterbi(*self.scores)

    @cached_property
    def log_z(self) -> float:
        return crf.log_partition(*self.scores)

    @cached_property
    def marginals(self) -> Floats:
        return crf.marginals(*self.scores).tags

    @cached_property
    def path(self) -> list[str]:
        """The tags of the best path."""
        return [self.tags[i] for i in self.decoded.path] if self.n else []

    @cached_property
    def entities(self) -> list[Entity]:
        """The spans of the best path, in characters."""
        at = self.marked.offsets
        spans = crf.from_bio(self.path)
        return [Entity(at[e.start][0], at[e.end][1] - 1, e.label) for e in spans]

    def quantity(self, name: str) -> Floats:
        """Return what the picture shows, (n, K)."""
        if name == "emissions" or not self.n:
            return self.emissions
        if name == "marginals":
            return self.marginals
        best = self.decoded.best
        return np.asarray(best - best.max(axis=1, keepdims=True))


def _tag(tag: str) -> Word:
    mark, _, label = tag.partition("-")
    if not label:
        return W("ner.compare_tag_O")
    name = short_word(label)
    return W(f"ner.compare_tag_{mark}", type=name if isinstance(name, Word) else as_is(name))


def _lattice(chain: _Chain, quantity: str, at: int) -> Figure:
    z = chain.quantity(quantity).T
    names: Any = piece_names(chain.marked)
    look: dict[str, Any] = {"colorscale": SEQUENTIAL}
    if quantity == "emissions":
        top = float(np.abs(z).max()) if z.size else 1.0
        look = {"colorscale": scale(0.5), "zmin": -top, "zmax": top}
    elif quantity == "marginals":
        look |= {"zmin": 0, "zmax": 1}
    look |= {"colorbar": {"thickness": 10, "len": 0.9}}
    look |= {"hovertemplate": W(f"ner.compare_hover_{quantity}")}
    traces = [heat(z, x=names, **look), *_path(chain, names, at)] if names else []
    return figure(
        *traces,
        x=token_axis(W("ner.compare_axis_token"), len(names)),
        y=_tag_axis(chain),
        title=W(f"ner.compare_title_{quantity}"),
        height=150 + 17 * len(chain.tags),
        wide=True,
    )


def _path(chain: _Chain, names: Any, at: int) -> list[Any]:
    """Return the best path, and a ring around the token looked at."""
    path = chain.decoded.path
    marker: dict[str, Any] = {"size": 8 if chain.n <= 60 else 5, "color": "#ffffff"}
    marker["line"] = {"color": PATH, "width": 2}
    more: dict[str, Any] = {"mode": "lines+markers", "marker": marker, "hoverinfo": "skip"}
    ring = dots([names[at]], [path[at]], W("ner.compare_here"), "@ink", size=15)
    ring["marker"] |= {"symbol": "circle-open", "line": {"width": 3}}
    return [line(names, path, W("ner.compare_path"), PATH, **more), {**ring, "hoverinfo": "skip"}]


def _tag_axis(chain: _Chain) -> dict[str, Any]:
    count = len(chain.tags)
    return axis(
        W("ner.compare_axis_tag"),
        range=[count - 0.5, -0.5],
        tickvals=list(range(count)),
        ticktext=chain.names,
        tickfont={"size": 11},
        showgrid=False,
        zeroline=False,
    )


def _token(chain: _Chain, at: int) -> Figure:
    """Return the probability of every tag at one token."""
    count = len(chain.tags)
    token = verbatim(chain.marked.pieces[at][:MOST_TOKEN])
    return figure(
        bars(
            chain.marginals[at],
            np.arange(count),
            "",
            "@blue",
            orientation="h",
            hovertemplate="%{y}: %{x:.4f}<extra></extra>",
        ),
        x=axis(W("ner.compare_axis_probability"), range=[0, 1]),
        y=_tag_axis(chain),
        title=W("ner.compare_title_token", i=at + 1, token=token),
        height=110 + 13 * count,
        wide=True,
    )


def _lanes(
    chain: _Chain, found: Sequence[Entity], lit: Entity | None, head: str
) -> list[str | Word]:
    """Return the text twice: with the spans of the CRF and with those of GlobalPointer."""
    flat, marked = set(chain.entities), chain.marked
    extra = {e: "missed" for e in found if e not in flat}
    text = marked.text[: marked.offsets[-1][1]]
    name = W(f"ner.head_{head}")
    return [
        "<p><strong>",
        W("ner.compare_lanes_crf", n=len(chain.entities)),
        "</strong></p>",
        *annotated(text, chain.entities, marked.types, lit),
        "<p><strong>",
        W("ner.compare_lanes_gp", head=name, n=len(found), extra=len(extra)),
        "</strong></p>",
        *annotated(text, found, marked.types, lit, extra),
    ]


def _laws(chain: _Chain, at: int) -> list[Reading]:
    """Return what must hold of the best path, of log Z and of the probabilities."""
    score = chain.decoded.score
    slack = ROUNDING * (1 + abs(chain.log_z))
    greedy = crf.path_score(*chain.scores, chain.emissions.argmax(axis=1))
    again = crf.path_score(*chain.scores, chain.decoded.path)
    probability = math.exp(min(score - chain.log_z, 1.0))
    total = float(chain.marginals[at].sum())
    note = W("ner.compare_note_greedy")
    return [
        equal(W("ner.compare_reading_again"), again, score, slack),
        at_least(W("ner.compare_reading_greedy"), score, greedy, slack, note),
        at_least(W("ner.compare_reading_log_z"), chain.log_z, score, slack),
        at_most(W("ner.compare_reading_best"), probability, 1, slack, W("ner.compare_note_best")),
        equal(W("ner.compare_reading_marginals", i=at + 1), total, 1, ROUNDING * chain.n),
    ]


def _beside(chain: _Chain, found: Sequence[Entity], flat: int) -> list[Reading]:
    """Return how many choices tags and spans leave, and what one tag for a token costs."""
    n, count = chain.n, len(chain.tags)
    digits = W("ner.compare_digits", n=crf.n_sequences(n, count)[1])
    sequences = W("ner.compare_reading_sequences", K=count, n=n)
    cells = int(np.isfinite(chain.marked.matrix[0]).sum())
    kept = W("ner.compare_of", part=flat, whole=len(found))
    broken = _broken(chain.path)
    return [
        shown(sequences, digits, W("ner.compare_note_sequences")),
        equal(W("ner.compare_reading_spans"), cells, n * (n + 1) // 2),
        equal(W("ner.compare_reading_disjoint"), len(crf.clashes(chain.entities)), 0),
        shown(W("ner.compare_reading_flat"), kept, W("ner.compare_note_flat")),
        shown(W("ner.compare_reading_broken"), broken, W("ner.compare_note_broken")),
    ]


def _forced(chain: _Chain) -> list[Reading]:
    """Return the best path and log Z by trying all K^n paths, if they are few."""
    if chain.n > MOST_FORCED:
        note = W("ner.compare_note_forced", most=MOST_FORCED)
        return [shown(W("ner.compare_reading_forced"), None, note)]
    totals = every_path(*chain.scores)
    top = float(totals.max())
    log_z = top + math.log(float(np.exp(totals - top).sum()))
    slack = ROUNDING * (1 + abs(log_z))
    return [
        equal(W("ner.compare_reading_forced"), chain.decoded.score, top, slack),
        equal(W("ner.compare_reading_forced_z"), chain.log_z, log_z, slack),
    ]


def every_path(emissions: Floats, transitions: Floats) -> Floats:
    """Return the scores of all paths, (K,) * n, by plain addition."""
    totals: Floats = emissions[0]
    for row in emissions[1:]:
        totals = totals[..., None] + transitions + row
    return totals


def _broken(path: Sequence[str]) -> int:
    """Return how many tags I-x follow neither B-x nor I-x."""
    pairs = zip(["O", *path], path, strict=False)
    return sum(tag[0] == "I" and tag[2:] != last[2:] for last, tag in pairs)


def _table(chain: _Chain) -> dict[str, Any]:
    places = np.arange(chain.n)
    path, best, marginals = places, chain.emissions, chain.emissions  # of no tokens
    if chain.n:
        path, best, marginals = chain.decoded.path, chain.decoded.best, chain.marginals
    return {
        "compare_token": [as_is(piece) for piece in chain.marked.pieces],
        "compare_tag": chain.path,
        "compare_emission": chain.emissions[places, path],
        "compare_best_score": best[places, path],
        "compare_probability": marginals[places, path],
    }


def clicked(values: Mapping[str, Any], point: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return the clicked token as the one looked at."""
    marked, _ = first_window(values["text"], values["types"], values["head"])
    cell = cell_at(marked, {"x": point.get("x"), "y": point.get("x")})
    return {"token": cell[0] + 1} if cell else {}
