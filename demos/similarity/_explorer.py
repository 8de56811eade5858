"""Panel: cosines of sentences before and after post-processing, and one pair under every way."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from demos.controls import Control, Text, Upload
from demos.figures import SYMMETRIC, Figure, axis, figure, heat
from demos.panel import Panel, Preset, Values
from demos.similarity._common import (
    HUB,
    POOLING,
    ROUNDING,
    SIMCSE,
    TRAINED,
    FitSet,
    Source,
    before_after,
    encoder_control,
    enough,
    file_sentences,
    fit_notes,
    law_reading,
    mean_readings,
    plain_way,
    post_processing_controls,
    source_of,
    stages,
    text_notes,
    unused,
    way_word,
)
from demos.view import Reading, View, equal, shown
from demos.words import W, Word, literal, verbatim
from models import post_processing, sentences, similarity
from models.post_processing import WAYS, Fitted, Way
from models.sentence_files import Sentences
from models.sentence_files import sentences as lines_of
from models.similarity import Floats
from models.similarity_samples import FEW, text

MOST_SENTENCES = 200
MOST_NAMED = 24  # sentences whose names stand at the axes
MOST_EXACT = 60  # sentences whose cosines are drawn with more than two decimals
MOST_BOTH = 64  # sentences that are encoded a second time, raw or by SimCSE, for the pair
FRAME = "#111111"  # on cells that are light in either theme
SHORT, SHORTER = 8, 6  # Chinese characters of a name; two Latin ones take one's room
ROWS, FEWER_ROWS = 120, 40  # pairs in the table

BAR = {"orientation": "h", "thickness": 8, "len": 1, "y": 1.01, "yanchor": "bottom"}


def explorer_controls() -> dict[str, Control]:
    """Return the controls of ``explorer``."""
    return {
        "texts": Text(default=text("zh"), length=8000, lines=8),
        "texts_file": Upload(suffixes=(".txt", ".csv"), advanced=True),
        "encoder": encoder_control(),
        "pooling": POOLING,
        **post_processing_controls(),
        "chosen": Text(default="", length=20, advanced=True),
        "hub": HUB,
        "trained": TRAINED,
    }


def explorer(
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
    chosen: str,
    hub: str,
    trained: str,
) -> Iterator[View]:
    """Show the cosine of every two sentences, before and after post-processing.

    Args:
        texts: One sentence a line, up to 200.
        texts_file: Path of a txt or csv file whose sentences take their place.
        encoder: auto (by the language) or a bundled encoder, with or without its SimCSE adapter.
        pooling: P1 [CLS], P2 pooler, P3 mean of the last layer, P4 mean of the first and last.
        way: none, centre, top, whiten, beta_gamma, zca, cut, or simcse: the encoder's adapter.
        k: Directions kept by whiten and beta_gamma, coordinates by cut.
        n_removed: D of top.
        beta: Share of the mean taken off by beta_gamma.
        gamma: Power of the scaling by beta_gamma.
        fit: Mean and covariance are those of these sentences, the bundled corpus, or a file.
        fit_file: Path of that file, txt or csv.
        chosen: Lit pair, "i-j" counted from 1.
        hub: Id of another encoder on the Hub, owner/name.
        trained: Token of weights trained in the panel SimCSE live.
    """
    if texts_file:
        given = file_sentences(W("similarity.texts_file"), texts_file, MOST_SENTENCES)
    else:
        given = enough(W("similarity.texts"), lines_of(texts, MOST_SENTENCES))
    source = source_of(encoder, pooling, given.texts, hub, trained)
    source, tuned = before_after(source, way)
    wish = Way("none" if tuned else way, k, n_removed, beta, gamma)
    away = unused(way, hub=hub, trained=trained) - {"fit", "fit_file"}  # for the framed pair
    away |= {"texts"} if texts_file else set()
    view: View | None = None
    for stage in stages(source, given.texts, fit, fit_file, True, MOST_SENTENCES):
        vectors = stage.own.astype(np.float64)
        scene = _Scene(given, source, vectors, stage.fit_set, wish, chosen, tuned)
        view = replace(scene.view(), unused=away)
        yield replace(view, progress=stage.share)
    if view is not None:
        yield view


@dataclass(frozen=True)
class _Scene:
    """Sentences with their vectors, and what is done to them."""

    given: Sentences
    source: Source
    vectors: Floats
    fit_set: FitSet
    way: Way
    chosen: str
    tuned: Source | None  # whose vectors are the ones after, where no way is

    def view(self) -> View:
        fitted = self.fit_set.fitted(self.way)
        before = _cosines(self.vectors)
        after = self._under(self.tuned) if self.tuned else _cosines(fitted(self.vectors))
        pair = read_pair(self.chosen, len(before)) or post_processing.most_moved(before, after)
        title = W("similarity.explorer_title_after", way=self._named(fitted))
        return View(
            {
                "before": self._matrix(before, pair, W("similarity.explorer_title_before")),
                "after": self._matrix(after, pair, title),
            },
            self._caption(fitted, post_processing.upper(before), post_processing.upper(after)),
            self._readings(fitted, before, after),
            self._table(before, after),
            html=self._pair(pair),
            notes=self._notes(fitted),
        )

    def _named(self, fitted: Fitted) -> Word:
        if self.tuned:
            return W("similarity.named_simcse")
        return way_word(self.way, fitted.n_features)

    def _caption(self, fitted: Fitted, before: Floats, after: Floats) -> Word:
        key = "caption" if self.way.needs_fit else "caption_unfitted"
        return W(
            f"similarity.explorer_{key}",
            encoder=self.source.name,
            pooling=self.source.pooling,
            n=len(self.vectors),
            low=_two(before.min()),
            high=_two(before.max()),
            mean=_two(before.mean()),
            way=self._named(fitted),
            fitted=self.fit_set.name,
            low_after=_two(after.min()),
            high_after=_two(after.max()),
            mean_after=_two(after.mean()),
        )

    def _matrix(self, cosines: Floats, pair: tuple[int, int], title: Word) -> Figure:
        """Return the heat map; one scale for all, so that a narrow cone is seen as one colour."""
        n = len(cosines)
        few, exact = n <= MOST_NAMED, n <= MOST_EXACT
        length = (SHORT if exact else SHORTER) * (1 if self.source.language == "zh" else 2)
        common: dict[str, Any] = {
            "tickmode": "array",
            "tickvals": list(range(n)),
            "ticktext": [verbatim(one, length) for one in self.given.texts],
            "showgrid": False,
            "constrain": "domain",
            "tickfont": {"size": 11},
        }
        hidden: dict[str, Any] = {"showticklabels": False, "ticks": ""}  # they still name cells
        z = np.round(100 * cosines, 1) if exact else np.round(100 * cosines).astype(np.int8)
        edges = [-0.5, n - 0.5]
        return figure(
            heat(
                z,
                colorscale=SYMMETRIC,
                zmin=-100,
                zmax=100,
                colorbar=BAR,
                hovertemplate=W("similarity.explorer_hover"),
            ),
            x=axis("", range=edges, **(common | hidden)),
            y=axis(
                W("similarity.axis_sentence"),
                range=edges[::-1],
                scaleanchor="x",
                **(common if few else common | hidden),
            ),
            layout={"shapes": [_frame(pair), _frame(pair[::-1])]},
            title=title,
            square=True,
        )

    def _readings(self, fitted: Fitted, before: Floats, after: Floats) -> list[Reading]:
        readings = mean_readings(_mean(before), _mean(after), len(before))
        if self.fit_set.kind == "these":
            readings += self._collapse_readings(fitted, after)
        readings += [self._order_reading(before, after), *law_reading(self.fit_set, fitted)]
        return readings + self._zca_reading(fitted, after)

    def _collapse_readings(self, fitted: Fitted, after: Floats) -> list[Reading]:
        found = post_processing.collapse(fitted, self.vectors)
        if found is None:
            return []
        gap = float(np.abs(after - found.cosines()).max())
        note = W("similarity.explorer_note_collapse", cosine=round(found.cosine, 5))
        return [equal(W("similarity.explorer_reading_collapse"), gap, 0, ROUNDING, note)]

    def _order_reading(self, before: Floats, after: Floats) -> Reading:
        kept = post_processing.order_kept(before, after)
        quantity = W("similarity.explorer_reading_order")
        whole = self.way.k >= self.vectors.shape[1]
        still = {
            "none": True,
            "cut": whole,
            "beta_gamma": whole and self.way.beta == self.way.gamma == 0,
        }
        if self.tuned or not still.get(self.way.name):
            return shown(quantity, kept)
        # cosines equal but for rounding may swap places, so the cosines themselves are compared
        gap = float(np.abs(after - before).max())
        return equal(W("similarity.explorer_reading_same"), gap, 0, ROUNDING)

    def _zca_reading(self, fitted: Fitted, after: Floats) -> list[Reading]:
        """Return that ZCA gives the cosines of whitening to all directions."""
        if self.way.name != "zca":
            return []
        whole = self.fit_set.fitted(Way("whiten", fitted.n_features))
        gap = float(np.abs(_cosines(whole(self.vectors)) - after).max())
        return [equal(W("similarity.explorer_reading_zca"), gap, 0, ROUNDING)]

    def _notes(self, fitted: Fitted) -> list[Word]:
        notes = text_notes(self.given)
        collapsed = self.fit_set.kind == "these" and post_processing.collapse(fitted, self.vectors)
        if collapsed:
            notes.append(W("similarity.explorer_collapsed", n=len(self.vectors)))
        return notes + fit_notes(self.fit_set, fitted, told=bool(collapsed))

    def _pair(self, pair: tuple[int, int]) -> list[str | Word]:
        """Return the lit pair as HTML: its sentences and its cosine under every way."""
        i, j = pair
        rows = [*self._all(), *self._other_encoder()]
        parts: list[str | Word] = ["<p><b>", W("similarity.explorer_pair"), "</b><br>"]
        for at in pair:
            parts += [f"{at + 1}. ", literal(self.given.texts[at], 200), "<br>"]
        parts += ["</p><table><thead><tr><th>", W("similarity.explorer_head_way"), "</th><th>"]
        parts += [W("similarity.explorer_head_cosine"), "</th><th>"]
        n_pairs = len(self.vectors) * (len(self.vectors) - 1) // 2
        parts.append(W("similarity.explorer_head_rank", n=n_pairs))
        parts.append("</th></tr></thead><tbody>")
        for name, cosines in rows:
            cells = ("–", "–")  # nothing to scale
            if cosines is not None:
                rank = post_processing.pair_rank(cosines, i, j)
                cells = (f"{cosines[i, j]:.3f}", f"{rank}")
            parts += ["<tr><td>", name, f"</td><td>{cells[0]}</td><td>{cells[1]}</td></tr>"]
        return [*parts, "</tbody></table>"]

    def _all(self) -> Iterator[tuple[Word, Floats | None]]:
        """Yield the name and the cosines of every way; nothing where it has nothing to scale."""
        d = self.vectors.shape[1]
        for name in WAYS:
            way = replace(plain_way(self.way, d), name=name)
            fitted = self.fit_set.tried(way)
            yield way_word(way, d), None if fitted is None else _cosines(fitted(self.vectors))

    def _other_encoder(self) -> list[tuple[Word, Floats]]:
        """Return the same sentences under the encoder's other weights: raw, or after SimCSE."""
        source = self.source
        shipped = source.encoder in sentences.ADAPTERS
        many = len(self.vectors) > MOST_BOTH
        if not self.tuned and (many or not (shipped or source.adapter)):
            return []
        adapter = "" if source.adapter else sentences.SHIPPED
        other = self.tuned or replace(source, adapter=adapter)
        return [(W("similarity.explorer_other", encoder=other.name), self._under(other))]

    def _under(self, other: Source) -> Floats:
        """Return the cosines of the sentences under other weights."""
        return _cosines(other.vectors(self.given.texts).astype(np.float64))

    def _table(self, before: Floats, after: Floats) -> dict[str, Any]:
        n = len(before)
        rows, columns = np.triu_indices(n, 1)
        one, other = before[rows, columns], after[rows, columns]
        order = np.argsort(-other, kind="stable")[: ROWS if n <= MOST_EXACT else FEWER_ROWS]
        texts = self.given.texts
        return {
            "first": [literal(texts[i], 40) for i in rows[order]],
            "second": [literal(texts[i], 40) for i in columns[order]],
            "cosine_before": one[order],
            "cosine_after": other[order],
            "rank_before": [int((one > value).sum()) + 1 for value in one[order]],
            "rank_after": [int((other > value).sum()) + 1 for value in other[order]],
        }


def read_pair(named: str, n: int) -> tuple[int, int] | None:
    """Return the pair "i-j" counted from 1 as indices, or nothing if there is no such pair."""
    first, _, second = named.partition("-")
    if not (first.isascii() and first.isdigit() and second.isascii() and second.isdigit()):
        return None
    i, j = int(first) - 1, int(second) - 1
    return (i, j) if 0 <= i < n and 0 <= j < n and i != j else None


def _cosines(vectors: Floats) -> Floats:
    return np.asarray(similarity.cosine_matrix(vectors), np.float64)


def _mean(cosines: Floats) -> float:
    return float(post_processing.upper(cosines).mean())


def _two(value: float) -> str:
    return f"{value + 0.0:.2f}"


def _frame(pair: Sequence[int]) -> dict[str, Any]:
    y, x = pair
    box = {"type": "rect", "x0": x - 0.5, "x1": x + 0.5, "y0": y - 0.5, "y1": y + 0.5}
    return {**box, "line": {"color": FRAME, "width": 3}}


def _pick(values: Values, point: Mapping[str, Any]) -> dict[str, Any]:
    """Return the pair of a clicked cell; nothing on the diagonal."""
    places = [point.get(key) for key in ("y", "x")]
    numbers = [int(p) for p in places if isinstance(p, (int, float)) and 0 <= p < MOST_SENTENCES]
    if len(numbers) < 2 or numbers[0] == numbers[1]:
        return {}
    return {"chosen": f"{min(numbers) + 1}-{max(numbers) + 1}"}


PANEL = Panel(
    explorer,
    explorer_controls,
    (
        Preset("simcse", {"way": SIMCSE}),
        Preset("raw", {"way": "none"}),
        Preset(
            "few",
            {"texts": text("zh", FEW), "fit": "these", "k": 768},
        ),
        Preset("english", {"texts": text("en")}),
        Preset("reversed", {"chosen": "9-11"}),
        Preset("soft", {"way": "beta_gamma", "gamma": 0.5, "k": 128}),
    ),
    _pick,
)  # fmt: skip
