"""Panel: one sentence, two dropout masks, two vectors."""

import math
from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from demos.controls import Control, Flag, InputError, Integer, Real, Text, refuse_cost
from demos.figures import Figure, axis, bars, dots, figure, line, vertical
from demos.panel import Panel, Preset
from demos.similarity._common import POOLING, ROUNDING, Source, encoder_control, source_of
from demos.view import Reading, View, at_least, equal, near, shown
from demos.words import W, literal
from models import sentences
from models.simcse import dropout_relative_variance
from models.similarity import cosine_matrix, histogram_by_label
from models.similarity_samples import SENTENCES

if TYPE_CHECKING:
    from models.dropout_views import Views

Floats = NDArray[np.float64]

ATTENTION = 0.1  # p of the attention's probabilities, as in the checkpoints
N_OTHERS = 64  # sentences it is compared with
MOST_PASSES = 4000  # tokens times masks
BINS = 80  # of the cosines, over [-1, 1]
SIGMAS = 4.0  # tolerance of sampling, in standard errors
SAME = 1e-5  # cosine; float32 sums of a batch in another order


def dropout_pair_controls() -> dict[str, Control]:
    """Return the controls of ``dropout_pair``."""
    return {
        "text": Text(default=SENTENCES["zh"][0], length=200, lines=2),
        "encoder": encoder_control(),
        "hidden": Real(default=0.1, low=0, high=0.9, step=0.05),
        "drop_attention": Flag(default=True),
        "n_masks": Integer(default=12, low=2, high=64),
        "pooling": POOLING,
        "seed": Integer(default=0, low=0, high=999_999_999, typed=True),
    }


def dropout_pair(
    text: str,
    encoder: str,
    hidden: float,
    drop_attention: bool,
    n_masks: int,
    pooling: str,
    seed: int,
) -> View:
    """Pass one sentence through an encoder under several dropout masks and compare the vectors.

    Args:
        text: The sentence.
        encoder: auto (by the language of the sentence) or one by name.
        hidden: p, dropout of the hidden states.
        drop_attention: Whether the attention's probabilities are dropped too, at 0.1.
        n_masks: Number of masks.
        pooling: P1 to P4.
        seed: Of the masks.
    """
    if not text.strip():
        raise InputError(
            W("similarity.dropout_pair_empty", field=W("similarity.dropout_pair_text"))
        )
    source = source_of(encoder, pooling, [text])
    others = source.vectors(_others(source.language, text))
    n_tokens = len(sentences.with_adapter(source.encoder, source.adapter).tokens(text).ids)
    refuse_cost(
        W("similarity.dropout_pair_text"),
        n_tokens * n_masks,
        MOST_PASSES,
        W("similarity.dropout_pair_unit"),
        W("similarity.dropout_pair_advice"),
    )
    attention = ATTENTION if drop_attention else 0.0
    seen = _views(source, text, hidden, attention, n_masks, seed)
    vectors = seen.vectors[:n_masks]
    mine = np.asarray(cosine_matrix(vectors)[np.triu_indices(n_masks, 1)], np.float64)
    theirs = np.asarray(cosine_matrix(vectors, others).ravel(), np.float64)
    again = float(cosine_matrix(seen.vectors[:1], seen.vectors[n_masks:])[0, 0])
    return View(
        {"pair": _pair_figure(vectors, float(mine[0])), "cosines": _cosine_figure(mine, theirs)},
        W(
            "similarity.dropout_pair_caption",
            text=literal(text, 40),
            encoder=source.name,
            p=hidden,
            n=n_masks,
            mine=round(float(mine.mean()), 3),
            others=round(float(theirs.mean()), 3),
        ),
        _readings(seen, hidden, mine, theirs, again, _still(source, text, seed)),
        {
            "coordinate": np.arange(1, vectors.shape[1] + 1),
            "view_1": vectors[0],
            "view_2": vectors[1],
        },
    )


def _others(language: str, text: str) -> list[str]:
    """Return sentences of our corpus that are not the text itself."""
    return [line for line in sentences.corpus(language) if line != text.strip()][:N_OTHERS]


@lru_cache(maxsize=8)
def _views(
    source: Source, text: str, hidden: float, attention: float, n_masks: int, seed: int
) -> "Views":
    """Return the views under masks 0, 1, ... and, last, under mask 0 once more."""
    from models import dropout_views

    return dropout_views.views(
        sentences.with_adapter(source.encoder, source.adapter),
        text,
        [*range(n_masks), 0],
        hidden=hidden,
        attention=attention,
        pooling=source.pooling,
        seed=seed,
    )


def _still(source: Source, text: str, seed: int) -> float:
    """Return the largest difference of two passes without dropout."""
    one, other, _ = _views(source, text, 0.0, 0.0, 2, seed).vectors
    return float(np.abs(one - other).max())


def _readings(
    seen: "Views", hidden: float, mine: Floats, theirs: Floats, again: float, still: float
) -> list[Reading]:
    from models.dropout_views import relative_variance_error

    n, sampled = seen.n_draws, W("similarity.dropout_pair_note_sampled", n=seen.n_draws)
    apart = mine.mean() >= theirs.mean()
    note = None if apart else W("similarity.dropout_pair_note_drowned")
    return [
        near(
            W("similarity.dropout_pair_variance"),
            seen.relative_variance,
            dropout_relative_variance(hidden),
            SIGMAS * relative_variance_error(hidden, n),
            sampled,
        ),
        near(
            W("similarity.dropout_pair_dropped"),
            seen.dropped,
            hidden,
            SIGMAS * math.sqrt(hidden * (1 - hidden) / n),
            sampled,
        ),
        equal(W("similarity.dropout_pair_still"), still, 0.0, ROUNDING),
        equal(W("similarity.dropout_pair_again"), again, 1.0, SAME),
        at_least(
            W("similarity.dropout_pair_apart"), float(mine.mean()), float(theirs.mean()), note=note
        ),
        shown(W("similarity.dropout_pair_smallest"), float(mine.min())),
        shown(W("similarity.dropout_pair_largest"), float(theirs.max())),
        shown(
            W("similarity.dropout_pair_angle"),
            round(math.degrees(math.acos(float(np.clip(mine.mean(), -1, 1)))), 1),
        ),
    ]


def _pair_figure(vectors: NDArray[np.float32], cosine: float) -> Figure:
    one, other = vectors[0], vectors[1]
    reach = [float(vectors[:2].min()), float(vectors[:2].max())]
    return figure(
        line(reach, reach, W("similarity.dropout_pair_equal"), "@gray", dash="dash", width=1),
        dots(one, other, W("similarity.dropout_pair_coordinates"), "@blue/0.6", size=5),
        x=axis(W("similarity.dropout_pair_axis_one")),
        y=axis(W("similarity.dropout_pair_axis_other")),
        title=W("similarity.dropout_pair_title_pair", cosine=round(cosine, 4)),
        aspect=0.9,
    )


def _cosine_figure(mine: Floats, theirs: Floats) -> Figure:
    """Return the histogram of the cosines with itself under other masks and with others."""
    labels = np.concatenate([np.ones(len(mine)), np.zeros(len(theirs))])
    found = histogram_by_label(np.concatenate([mine, theirs]), labels, BINS)
    middles = (found.edges[1:] + found.edges[:-1]) / 2
    shares = found.densities * np.diff(found.edges)  # rows: others, itself
    low = min(float(mine.min()), float(theirs.min()))
    marks = [
        vertical(float(values.mean()), "", color)
        for values, color in ((theirs, "@orange"), (mine, "@blue"))
    ]
    return figure(
        bars(middles, shares[1], W("similarity.dropout_pair_mine"), "@blue/0.7"),
        bars(middles, shares[0], W("similarity.dropout_pair_theirs"), "@orange/0.7"),
        x=axis(W("similarity.dropout_pair_axis_cosine"), range=[max(-1.0, low - 0.1), 1.03]),
        y=axis(W("similarity.dropout_pair_axis_share"), rangemode="tozero"),
        marks=marks,
        title=W("similarity.dropout_pair_title_cosines"),
        layout={"barmode": "overlay", "bargap": 0},
    )


PANEL = Panel(
    dropout_pair,
    dropout_pair_controls,
    (
        Preset("su", {"hidden": 0.3}),
        Preset("none", {"hidden": 0.0, "drop_attention": False}),
        Preset("attention", {"hidden": 0.0}),
        Preset("high", {"hidden": 0.7}),
        Preset("cls", {"pooling": "P1"}),
        Preset("whole", {"encoder": "roformer"}),
        Preset("english", {"text": SENTENCES["en"][0], "hidden": 0.3}),
    ),
)
