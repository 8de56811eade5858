"""Panel: where sentence vectors lie before and after: plane, cosines, spectrum, two numbers."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from demos.controls import Choice, Control, InputError, Text, Upload, table_values
from demos.figures import CYCLE, Figure, Trace, axis, dots, figure, line, vertical
from demos.panel import Panel, Preset
from demos.similarity._common import (
    HUB,
    POOLING,
    RAW,
    ROUNDING,
    SIMCSE,
    TRAINED,
    FitSet,
    Source,
    Vectors,
    before_after,
    bundled_pairs,
    encoder_control,
    encoder_word,
    enough,
    fair_order,
    file_pairs,
    file_sentences,
    fit_notes,
    law_reading,
    mean_readings,
    pair_notes,
    plain_way,
    post_processing_controls,
    source_of,
    stages,
    text_notes,
    unused,
    way_word,
)
from demos.view import Reading, View, at_least, at_most, equal, shown
from demos.words import W, Word, verbatim
from models import post_processing, sentences, similarity, whitening
from models.post_processing import WAYS, Fitted, Spread, Way
from models.sentence_files import Pairs
from models.sentence_files import sentences as lines_of
from models.similarity import Floats, histogram_by_label
from models.similarity_samples import text

Rows = NDArray[np.int64]

MOST_SENTENCES = 500
FIRST = 96  # sentences that the first picture shows
MOST_DOTS = 400
MOST_FEATURES = 1024  # of vectors made elsewhere
LARGEST = 1e12  # their squares and the sums of these stay exact enough in single precision
BINS = 40
SYMBOLS = ("square", "circle", "diamond", "star", "cross", "x", "triangle-up", "pentagon")
HOVER = "%{x:.3f}, %{y:.3f}"
COLORS = ("@blue", "@olive", "@orange")
DASHES = ("solid", "dashdot", "dash")


def space_controls() -> dict[str, Control]:
    """Return the controls of ``space``."""
    return {
        "show": Choice(default="points", options=("points", "numbers"), radio=True),
        "what": Choice(default="pairs", options=("pairs", "traps", "questions", "own", "file")),
        "texts": Text(default=text("zh"), length=8000, lines=6),
        "texts_file": Upload(suffixes=(".txt", ".csv", ".npy")),
        "encoder": encoder_control(),
        "pooling": POOLING,
        **post_processing_controls(),
        "hub": HUB,
        "trained": TRAINED,
    }


def space(
    show: str,
    what: str,
    texts: str,
    texts_file: str | None,
    encoder: str,
    pooling: str,
    way: str,
    k: int,
    n_removed: int,
    beta: float,
    gamma: float,
    fit: str,
    fit_file: str | None,
    hub: str,
    trained: str,
) -> Iterator[View]:
    """Show where the vectors of sentences lie, before and after post-processing.

    Args:
        show: points (disc and cosines) or numbers (spectrum, alignment and uniformity).
        what: Bundled scored pairs, traps or questions, own sentences, or a file.
        texts: Own sentences, one a line.
        texts_file: Path of a csv of pairs with labels, a txt of sentences, or a npy of vectors.
        encoder: auto or a bundled encoder, with or without its SimCSE adapter.
        pooling: P1 [CLS], P2 pooler, P3 mean of the last layer, P4 mean of the first and last.
        way: none, centre, top, whiten, beta_gamma, zca, cut, or simcse: the encoder's adapter.
        k: Directions kept by whiten and beta_gamma, coordinates by cut.
        n_removed: D of top.
        beta: Share of the mean taken off by beta_gamma.
        gamma: Power of the scaling by beta_gamma.
        fit: Mean and covariance are those of these sentences, the bundled corpus, or a file.
        fit_file: Path of that file, txt or csv.
        hub: Id of another encoder on the Hub, owner/name.
        trained: Token of weights trained in the panel SimCSE live.
    """
    source, sample = _sample(what, texts, texts_file, encoder, pooling, hub, trained)
    if isinstance(source, Given):
        fit = "these"  # nothing else is known of where they come from
    source, tuned = before_after(source, way)
    wish = Way("none" if tuned else way, k, n_removed, beta, gamma)
    away = unused(way, hub=hub, trained=trained) - {"fit", "fit_file"}  # for the other ways
    away |= {"own": {"texts_file"}, "file": {"texts"}}.get(what, {"texts", "texts_file"})
    if isinstance(source, Given):
        away |= {"encoder", "pooling", "hub", "trained", "fit", "fit_file"}
    view: View | None = None
    for stage in stages(source, sample.texts, fit, fit_file, True, FIRST):
        part = sample.part(len(stage.own))
        vectors = stage.own[: len(part.texts)].astype(np.float64)
        scene = _Scene(part, source, vectors, stage.fit_set, wish, tuned)
        view = replace(scene.view(show), unused=away)
        yield replace(view, progress=stage.share)
    if view is not None:
        yield view


# --- Sentences ------------------------------------------------------------------------------------


@dataclass(frozen=True, eq=False)
class Sample:
    """Sentences; with labels they stand pair by pair, a, b, a, b, ….

    Args:
        texts: n or 2n of them.
        labels: Of the n pairs; empty where there are none.
        n_all: How many texts there are in all.
        notes: What has to be said of how they were read.
    """

    texts: tuple[str, ...]
    labels: Floats
    n_all: int
    notes: tuple[Word, ...] = ()

    def part(self, n: int) -> "Sample":
        """Return the first n texts, an even number of pairs' ones."""
        n -= n % 2 if len(self.labels) else 0
        return replace(self, texts=self.texts[:n], labels=self.labels[: n // 2])


@dataclass(frozen=True)
class Given(Source):
    """Vectors that a visitor made elsewhere, in the place of an encoder.

    Args:
        rows: (n, d), in the order of the sample.
    """

    rows: Floats = field(compare=False)

    @property
    def name(self) -> Word:
        """What they are."""
        return W("similarity.given_vectors", d=self.rows.shape[1])

    def vectors(self, texts: Sequence[str]) -> Vectors:
        """Return as many of them as there are texts, from the first on."""
        return self.rows[: len(texts)].astype(np.float32)


def _given_vectors(name: Word, path: str) -> tuple[Source, Sample]:
    """Return the vectors of a npy file, one a row.

    Raises:
        InputError: It is no table of finite numbers, or too small or too wide.
    """
    rows = table_values(name, path)
    n, d = rows.shape
    if n < 2 or not 2 <= d <= MOST_FEATURES:
        raise InputError(
            W("similarity.error_vectors", field=name, rows=n, columns=d, most=MOST_FEATURES)
        )
    if not np.abs(rows).max() < LARGEST:
        raise InputError(W("similarity.error_huge", field=name, limit=LARGEST))
    kept = rows[:MOST_SENTENCES]
    notes = (W("similarity.note_first", n=len(kept), all=n),) if n > len(kept) else ()
    texts = tuple(f"#{index + 1}" for index in range(len(kept)))
    source = Given("", "npy", "", "en", kept)
    return source, Sample(texts, np.zeros(0), len(kept), notes)


def _sample(
    what: str,
    texts: str,
    texts_file: str | None,
    encoder: str,
    pooling: str,
    hub: str,
    trained: str,
) -> tuple[Source, Sample]:
    """Return the encoder and the sentences that the controls name."""
    if what == "own":
        given = enough(W("similarity.texts"), lines_of(texts, MOST_SENTENCES))
        source = source_of(encoder, pooling, given.texts, hub, trained)
        notes = tuple(text_notes(given))
        return source, Sample(given.texts, np.zeros(0), len(given.texts), notes)
    if what == "file":
        return _file_sample(texts_file, encoder, pooling, hub, trained)
    ours = RAW[0] if encoder == "auto" else encoder
    source = source_of(ours, pooling, (), hub, trained)
    return source, _mixed(bundled_pairs(what, source.language))


def _file_sample(
    path: str | None, encoder: str, pooling: str, hub: str, trained: str
) -> tuple[Source, Sample]:
    name = W("similarity.texts_file")
    if path is not None and path.lower().endswith(".npy"):
        return _given_vectors(name, path)
    if path is not None and path.lower().endswith(".txt"):
        given = file_sentences(name, path, MOST_SENTENCES)
        source = source_of(encoder, pooling, given.texts, hub, trained)
        notes = tuple(text_notes(given))
        return source, Sample(given.texts, np.zeros(0), len(given.texts), notes)
    pairs = file_pairs(name, path)
    source = source_of(encoder, pooling, pairs.first, hub, trained)
    return source, _mixed(pairs)


def _mixed(pairs: Pairs) -> Sample:
    """Return pairs in an order whose beginning is a fair part of the whole."""
    order = fair_order(len(pairs.labels))
    texts = tuple(t for i in order for t in (pairs.first[i], pairs.second[i]))
    return Sample(texts, pairs.labels[order], len(texts), tuple(pair_notes(pairs)))


# --- One state ------------------------------------------------------------------------------------


@dataclass(frozen=True, eq=False)
class _Scene:
    """Sentences with their vectors, and what is done to them."""

    sample: Sample
    source: Source
    vectors: Floats
    fit_set: FitSet
    way: Way
    tuned: Source | None  # whose vectors are the ones after, where no way is

    @property
    def shown(self) -> str:
        """Key of what is shown as after."""
        return SIMCSE if self.tuned else self.way.name

    def view(self, show: str) -> View:
        fitted = self.fit_set.fitted(self.way)
        after = fitted(self.vectors)
        name = way_word(self.way, fitted.n_features)
        if self.tuned:
            after = self.tuned.vectors(self.sample.texts).astype(np.float64)
            name = W("similarity.named_simcse")
        spreads = self._spreads()
        before, here = spreads["none"], spreads[self.shown]
        if show == "points":
            figures = self._points(after, name)
        elif self.tuned:
            figures = {"spectrum": self._spectra(after)}
        else:
            figures = {"spectrum": self._spectrum(fitted)}
        if show == "numbers" and not math.isnan(before.alignment):
            figures["arrows"] = self._arrows(spreads)
        return View(
            figures,
            W(
                "similarity.space_caption",
                encoder=self.source.name,
                pooling=self.source.pooling,
                n=len(self.vectors),
                way=name,
                mean=round(before.mean_cosine, 3),
                mean_after=round(here.mean_cosine, 3),
                rank=round(before.effective_rank, 1),
                rank_after=round(here.effective_rank, 1),
                uniformity=round(before.uniformity, 2),
                uniformity_after=round(here.uniformity, 2),
            ),
            self._readings(fitted, before, here, after),
            self._table(spreads),
            notes=[*self.sample.notes, *self._notes(fitted)],
        )

    @property
    def _positives(self) -> Rows:
        """Rows of the first sentence of each pair that counts as alike."""
        return 2 * post_processing.positives(self.sample.labels)

    def _spreads(self) -> dict[str, Spread]:
        """Return how the vectors lie after each way, and under a SimCSE adapter."""
        rows = self._positives.tolist()
        others = [row + 1 for row in rows]
        made = {}
        plain = plain_way(self.way, self.vectors.shape[1])
        for name in WAYS:
            fitted = self.fit_set.tried(replace(plain, name=name))
            if fitted is not None:
                made[name] = post_processing.spread(fitted(self.vectors), rows, others)
        tuned = self.tuned
        if not tuned and not self.source.adapter and self.source.encoder in sentences.ADAPTERS:
            tuned = replace(self.source, adapter=sentences.SHIPPED)
        if tuned:
            vectors = tuned.vectors(self.sample.texts)
            made[SIMCSE] = post_processing.spread(vectors, rows, others)
        return made

    def _points(self, after: Floats, name: Word) -> dict[str, Figure]:
        raw = self.vectors
        return {
            "disc_before": self._disc(raw, W("similarity.space_title_before")),
            "disc_after": self._disc(after, W("similarity.space_title_after", way=name)),
            "cosines_before": self._cosines(raw, W("similarity.space_cosines_before")),
            "cosines_after": self._cosines(after, W("similarity.space_cosines_after", way=name)),
        }

    def _disc(self, vectors: Floats, title: Word) -> Figure:
        """Return the unit vectors in the plane of most length, pairs that are alike joined."""
        found = post_processing.disc(vectors)
        turn = np.linspace(0, 2 * np.pi, 121)
        points = found.points[:MOST_DOTS]
        rows = self._positives[self._positives < len(points) - 1]
        ends = np.full((len(rows), 3, 2), np.nan)
        ends[:, 0], ends[:, 1] = points[rows], points[rows + 1]
        x, y = ends.reshape(-1, 2).T
        names = [verbatim(one, 30) for one in self.sample.texts[: len(points)]]
        axes: dict[str, Any] = {"range": [-1.08, 1.08], "constrain": "domain"}
        percent = round(100 * found.share)
        return figure(
            line(np.cos(turn), np.sin(turn), "", "@gray", width=1, hoverinfo="skip"),
            *([line(x, y, W("similarity.space_alike"), "@orange/0.6", width=1.2, hoverinfo="skip")]
              if len(rows) else []),
            dots(points[:, 0], points[:, 1], W("similarity.space_dot"), "@blue/0.7", size=5,
                 text=names, hovertemplate="%{text}<extra></extra>"),
            x=axis(W("similarity.space_axis_first", share=percent), **axes),
            y=axis(W("similarity.space_axis_second"), scaleanchor="x", **axes),
            title=title,
            square=True,
        )  # fmt: skip

    def _cosines(self, vectors: Floats, title: Word) -> Figure:
        """Return the density of cosines: of all pairs of sentences, and of labelled ones."""
        everyone = post_processing.upper(similarity.cosine_matrix(vectors))
        traces = [_density(everyone, W("similarity.space_any"), "@gray", "dot")]
        cuts = post_processing.label_cuts(self.sample.labels)
        if len(cuts):
            cosines = similarity.pair_cosines(vectors[0::2], vectors[1::2])
            found = histogram_by_label(cosines, self.sample.labels, BINS, cuts)
            binary = len(cuts) == 3
            for index, density in enumerate(found.densities):
                inside = self.sample.labels[_group(self.sample.labels, cuts) == index]
                if not inside.size:
                    continue
                low, high = float(inside.min()), float(inside.max())
                key = "one" if binary or low == high else "range"
                label = W(f"similarity.space_label_{key}", low=low, high=high)
                traces.append(_steps(found.edges, density, label, COLORS[index], DASHES[index]))
        return figure(
            *traces,
            x=axis(W("similarity.axis_cosine"), range=[-1, 1]),
            y=axis(W("similarity.space_axis_density"), rangemode="tozero"),
            title=title,
            height=320,
        )

    def _spectrum(self, fitted: Fitted) -> Figure:
        """Return the eigenvalues of the fit set's covariance, before and after, largest 1."""
        seen = self.fit_set.seen.moments
        before = whitening.singular_shares(_falling(np.linalg.eigvalsh(seen.covariance))) ** 2
        traces = [_falling_line(before, W("similarity.space_before"), "@gray", "dot")]
        marks = []
        if fitted.map is not None:
            kernel = fitted.map.kernel
            after = _falling(np.linalg.eigvalsh(kernel.T @ seen.covariance @ kernel))
            shares = whitening.singular_shares(after) ** 2
            traces.append(_falling_line(shares, W("similarity.space_after"), "@blue", "solid"))
        if self.way.name in ("whiten", "beta_gamma"):
            marks = [vertical(fitted.k, W("similarity.space_cut", k=fitted.k), "@orange")]
        return _spectrum_figure(traces, marks, len(before), self.fit_set.name)

    def _spectra(self, after: Floats) -> Figure:
        """Return the eigenvalues of the sentences' own covariance, without and with an adapter."""
        both = [whitening.singular_shares(whitening.eigenvalues(x)) ** 2
                for x in (self.vectors, after)]  # fmt: skip
        traces = [
            _falling_line(both[0], W("similarity.space_before"), "@gray", "dot"),
            _falling_line(both[1], W("similarity.space_after"), "@blue", "solid"),
        ]
        name = W("similarity.fitted_these", n=len(after))
        return _spectrum_figure(traces, [], len(both[0]), name)

    def _arrows(self, spreads: dict[str, Spread]) -> Figure:
        """Return alignment against uniformity, an arrow from raw to each way."""
        start = spreads["none"]
        ends = [name for name in spreads if name != "none"]
        notes = [_arrow(start, spreads[name], name == self.shown) for name in ends]
        traces = []
        for index, (name, one) in enumerate(spreads.items()):
            look = {"size": 15 if name == self.shown else 10, "symbol": SYMBOLS[index]}
            color = CYCLE[index % len(CYCLE)]
            traces.append(
                dots([one.uniformity], [one.alignment], W(f"similarity.mark_{name}"),
                     marker={"color": color, **look}, hovertemplate=HOVER)
            )  # fmt: skip
        return figure(
            *traces,
            x=axis(W("similarity.space_axis_uniformity")),
            y=axis(W("similarity.space_axis_alignment"), rangemode="tozero"),
            layout={"annotations": notes},
            title=W("similarity.space_title_arrows"),
            height=420,
        )

    def _readings(
        self, fitted: Fitted, before: Spread, here: Spread, after: Floats
    ) -> list[Reading]:
        n, d = self.vectors.shape
        readings = mean_readings(before.mean_cosine, here.mean_cosine, n)
        for key, one, width in (("before", before, d), ("after", here, after.shape[1])):
            readings.append(
                at_most(
                    W(f"similarity.space_reading_rank_{key}"),
                    one.effective_rank,
                    float(min(n - 1, width)),
                    ROUNDING,
                )
            )
        for key, one in (("before", before), ("after", here)):
            bound = post_processing.uniformity_bound(one.mean_cosine)
            note = W("similarity.space_note_jensen")
            quantity = W(f"similarity.space_reading_uniformity_{key}")
            readings.append(at_least(quantity, one.uniformity, bound, ROUNDING, note))
        if not math.isnan(before.alignment):
            readings += self._alignment_readings(before, here, after)
        return [*readings, *self._rank_reading(fitted), *law_reading(self.fit_set, fitted)]

    def _alignment_readings(self, before: Spread, here: Spread, after: Floats) -> list[Reading]:
        rows = self._positives
        readings = []
        for key, one, vectors in (("before", before, self.vectors), ("after", here, after)):
            cosine = float(similarity.pair_cosines(vectors[rows], vectors[rows + 1]).mean())
            readings.append(
                equal(
                    W(f"similarity.space_reading_alignment_{key}", n=len(rows)),
                    one.alignment,
                    2 * (1 - cosine),
                    ROUNDING,
                    W("similarity.space_note_alignment"),
                )
            )
        labels = self.sample.labels
        for key, vectors in (("before", self.vectors), ("after", after)):
            cosines = similarity.pair_cosines(vectors[0::2], vectors[1::2])
            rho = similarity.spearman(labels, np.round(cosines, 9))
            readings.append(shown(W(f"similarity.space_reading_spearman_{key}"), rho))
        return readings

    def _rank_reading(self, fitted: Fitted) -> list[Reading]:
        """Return that whitening makes the fit set's directions equal: effective rank k."""
        if self.way.name not in ("whiten", "zca") or fitted.map is None:
            return []
        spread = fitted.map.kernel.T @ self.fit_set.seen.moments.covariance @ fitted.map.kernel
        found = whitening.effective_rank(_falling(np.linalg.eigvalsh(spread)))
        return [equal(W("similarity.space_reading_fit_rank"), found, fitted.k, fitted.k * ROUNDING)]

    def _notes(self, fitted: Fitted) -> list[Word]:
        notes = []
        if len(self.sample.texts) < self.sample.n_all:
            here, whole = len(self.sample.texts), self.sample.n_all
            notes.append(W("similarity.space_note_shown", n=here, all=whole))
        if len(self.vectors) > MOST_DOTS:
            notes.append(W("similarity.space_note_dots", n=MOST_DOTS))
        return notes + fit_notes(self.fit_set, fitted)

    def _name(self, name: str) -> Word:
        d = self.vectors.shape[1]
        if name in WAYS:
            return way_word(replace(plain_way(self.way, d), name=name), d)
        adapter = self.tuned.adapter if self.tuned else sentences.SHIPPED
        return encoder_word(self.source.encoder, adapter)

    def _table(self, spreads: dict[str, Spread]) -> dict[str, Any]:
        found = list(spreads.values())
        return {
            "way": [self._name(name) for name in spreads],
            "mean_cosine": [one.mean_cosine for one in found],
            "effective_rank": [one.effective_rank for one in found],
            "uniformity": [one.uniformity for one in found],
            "alignment": [one.alignment for one in found],
        }


# --- Traces ---------------------------------------------------------------------------------------


def _falling(values: Floats) -> Floats:
    return np.maximum(values[::-1], 0)


def _falling_line(shares: Floats, name: Word, color: str, dash: str) -> Trace:
    """Return a line of eigenvalues on a log axis; what is 0 but for rounding is left out."""
    kept = shares[shares > 1e-9]
    return line(
        np.arange(1, len(kept) + 1), kept, name, color, dash=dash, hovertemplate="%{x}: %{y:.2e}"
    )


def _spectrum_figure(
    traces: Sequence[Trace], marks: Sequence[dict[str, Any]], n: int, of: Word
) -> Figure:
    return figure(
        *traces,
        x=axis(W("similarity.space_axis_direction"), range=[0, n + 1]),
        y=axis(W("similarity.space_axis_eigenvalue"), log=True, range=[-6, 0.2]),
        marks=marks,
        title=W("similarity.space_title_spectrum", fitted=of),
        height=420,
    )


def _density(cosines: Floats, name: Word, color: str, dash: str) -> Trace:
    edges = np.linspace(-1, 1, BINS + 1)
    counts, _ = np.histogram(np.clip(cosines, -1, 1), edges)
    return _steps(edges, counts / max(1, counts.sum()) / np.diff(edges), name, color, dash)


def _steps(edges: Floats, heights: Floats, name: Word, color: str, dash: str) -> Trace:
    shape = {"color": color, "dash": dash, "width": 2, "shape": "hvh"}
    middles = (edges[1:] + edges[:-1]) / 2
    return line(middles, heights, name, line=shape, hovertemplate="%{x:.2f}: %{y:.2f}")


def _group(labels: Floats, cuts: Floats) -> NDArray[np.intp]:
    return np.minimum(np.searchsorted(cuts, labels, side="right") - 1, len(cuts) - 2)


def _arrow(start: Spread, end: Spread, chosen: bool) -> dict[str, Any]:
    ink = "@blue" if chosen else "@gray/0.5"
    return {
        "x": end.uniformity,
        "y": end.alignment,
        "ax": start.uniformity,
        "ay": start.alignment,
        "xref": "x",
        "yref": "y",
        "axref": "x",
        "ayref": "y",
        "text": "",
        "showarrow": True,
        "arrowhead": 2,
        "arrowwidth": 2.5 if chosen else 1,
        "arrowcolor": ink,
    }


PANEL = Panel(
    space,
    space_controls,
    (
        Preset("simcse", {"way": SIMCSE}),
        Preset("centre", {"way": "centre"}),
        Preset("numbers", {"show": "numbers"}),
        Preset("all", {"show": "numbers", "k": 768}),
        Preset("questions", {"what": "questions"}),
        Preset("english", {"encoder": "minilm", "pooling": "P1"}),
        Preset("own", {"what": "own"}),
    ),
)
