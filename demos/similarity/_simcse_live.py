"""Panel: an encoder trained by SimCSE while one looks on; what it learns belongs to the visitor."""

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import lru_cache
from html import escape
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

import numpy as np
from numpy.typing import NDArray

from demos.controls import (
    Choice,
    Control,
    Flag,
    InputError,
    Integer,
    Real,
    Text,
    Upload,
    hub_problem,
)
from demos.panel import Panel, Preset
from demos.similarity._common import POOLING, RAW, enough, file_sentences
from demos.similarity._simcse_live_figures import (
    Check,
    State,
    curve_figure,
    loss_figure,
    matrix_figure,
    path_figure,
    readings,
)
from demos.view import Reading, View, equal
from demos.words import W, Word
from models import sentences, similarity
from models.hub import HubError
from models.sentence_files import guess_language
from models.sentence_files import sentences as lines_of
from models.simcse import VARIANTS, contrast, interleave
from models.similarity_samples import text as sample_text

if TYPE_CHECKING:
    from models.simcse_training import Recipe, Training

Vectors = NDArray[np.float32]

PAUSE = 0.25  # seconds between two pictures
MOST_SECONDS = 100.0  # of training; below the frame's deadline, so that what was learnt is kept
MOST_SENTENCES = 2000  # of a visitor
LOOK = 16  # sentences in the first picture
CHECKS = 10  # evaluations of a training, besides the one before it
EVERY = 2  # of the scored pairs, every other one is evaluated
SAME_MEANING = 4.0  # score from which on a pair counts as positive for the alignment
ATTENTION = 0.1


def simcse_live_controls() -> dict[str, Control]:
    """Return the controls of ``simcse_live``."""
    return {
        "encoder": Choice(default=RAW[0], options=RAW),
        "own": Text(default="", length=20_000, lines=4),
        "own_file": Upload(suffixes=(".txt", ".csv"), advanced=True),
        "variant": Choice(default="su", options=VARIANTS, radio=True),
        "temperature": Real(default=0.05, low=0.001, high=10, log=True),
        "dropout": Real(default=0.1, low=0, high=0.9, step=0.05),
        "drop_attention": Flag(default=False),
        "same_mask": Flag(default=False),
        "batch": Integer(default=32, low=2, high=64),
        "learning_rate": Real(default=3e-4, low=1e-6, high=0.1, log=True),
        "steps": Integer(default=60, low=1, high=200),
        "first_layer": Integer(default=0, low=0, high=11),
        "pooling": replace(POOLING, advanced=True),
        "seed": Integer(default=0, low=0, high=999_999_999, typed=True, advanced=True),
    }


@dataclass(frozen=True)
class Wish:
    """What is trained on what.

    Args:
        encoder: Key of `sentences.ENCODERS`.
        texts: Different sentences.
        recipe: Fields of `simcse_training.Recipe`, by name.
        notes: What has to be said of them.
        is_file: Whether the sentences came as a file.
    """

    encoder: str
    texts: tuple[str, ...]
    recipe: tuple[tuple[str, Any], ...]
    notes: tuple[Word, ...] = field(default=(), compare=False)
    is_file: bool = False

    @property
    def fields(self) -> dict[str, Any]:
        """Fields of the recipe."""
        return dict(self.recipe)

    @property
    def language(self) -> str:
        """Of the encoder."""
        return sentences.ENCODERS[self.encoder]


def simcse_live(
    encoder: str,
    own: str,
    own_file: str | None,
    variant: str,
    temperature: float,
    dropout: float,
    drop_attention: bool,
    same_mask: bool,
    batch: int,
    learning_rate: float,
    steps: int,
    first_layer: int,
    pooling: str,
    seed: int,
) -> Iterator[View]:
    """Train a low-rank adapter of an encoder by SimCSE, and measure it on scored pairs meanwhile.

    Args:
        encoder: Which encoder.
        own: Sentences to train on, one a line; the bundled ones if blank.
        own_file: Path of a txt or csv file whose sentences take their place.
        variant: su (2N rows) or paper (N rows).
        temperature: tau.
        dropout: p of the hidden states.
        drop_attention: Whether the attention's probabilities are dropped too, at 0.1.
        same_mask: Whether both views get the same mask.
        batch: N, sentences of a step.
        learning_rate: Of Adam.
        steps: Most steps; training ends earlier after 100 seconds.
        first_layer: Layers below it stay as they are; 0 trains all.
        pooling: P1 to P4.
        seed: Of the adapter, batches and masks.
    """
    try:
        wish = _wish(
            encoder,
            _texts(encoder, own, own_file),
            variant=variant,
            temperature=temperature,
            dropout=dropout,
            attention_dropout=ATTENTION if drop_attention else 0.0,
            same_mask=same_mask,
            batch=batch,
            learning_rate=learning_rate,
            steps=steps,
            first_layer=first_layer,
            pooling=pooling,
            seed=seed,
        )
        wish = replace(wish, is_file=own_file is not None)
        look = _look(wish)
        yield _view(wish, look, progress=0.0)
        yield from _train(wish, look)
    except HubError as error:
        raise hub_problem(W("similarity.encoder"), error) from None


def _texts(
    encoder: str, own: str, own_file: str | None
) -> tuple[tuple[str, ...], tuple[Word, ...]]:
    """Return different sentences to train on and what has to be said of them.

    Raises:
        InputError: There are fewer than two different ones.
    """
    language = sentences.ENCODERS[encoder]
    if not own_file and not own.strip():
        return tuple(sentences.corpus(language)), ()
    if own_file:
        name = W("similarity.simcse_live_own_file")
        given = file_sentences(name, own_file, MOST_SENTENCES)
    else:
        name = W("similarity.simcse_live_own")
        given = enough(name, lines_of(own, MOST_SENTENCES))
    texts = tuple(dict.fromkeys(given.texts))
    if len(texts) < 2:
        raise InputError(W("similarity.error_few", field=name, given=len(texts)))
    notes = []
    if given.n_all > len(given.texts):
        notes.append(W("similarity.simcse_live_note_many", n=len(given.texts), all=given.n_all))
    if guess_language(texts) != language:
        notes.append(W("similarity.simcse_live_note_language"))
    return texts, tuple(notes)


def _wish(encoder: str, given: tuple[tuple[str, ...], tuple[Word, ...]], **told: Any) -> Wish:
    """Return what is trained, as far as the encoder allows.

    Raises:
        InputError: The encoder has no such pooling.
    """
    from models import encoder as encoders

    texts, said = given
    notes = list(said)
    have = sentences.poolings(encoder)
    if told["pooling"] not in have:
        name = W("similarity.pooling")
        raise InputError(W("similarity.error_pooling", field=name, have=", ".join(have)))
    n_layers = encoders.load(encoder).n_layers
    if told["first_layer"] >= n_layers:
        told["first_layer"] = n_layers - 1
        notes.append(W("similarity.simcse_live_note_layers", n=n_layers))
    if len(texts) < told["batch"]:
        notes.append(W("similarity.simcse_live_note_batch", n=len(texts)))
        told["batch"] = len(texts)
    told["cosines_every"] = _every(told["steps"])
    return Wish(encoder, texts, tuple(sorted(told.items())), tuple(notes))


def _every(steps: int) -> int:
    """Return after how many steps the encoder is evaluated."""
    return max(1, round(steps / CHECKS))


# --- Work -----------------------------------------------------------------------------------------


def _recipe(wish: Wish, **other: Any) -> "Recipe":
    from models.simcse_training import Recipe

    return Recipe(**{**wish.fields, **other})


def _training(wish: Wish, **other: Any) -> "Training":
    from models.simcse_training import Training

    return Training(wish.encoder, wish.texts, _recipe(wish, **other))


@lru_cache(maxsize=16)
def _look(wish: Wish) -> State:
    """Return the state before training, from few sentences so that it comes soon."""
    n = min(LOOK, len(wish.texts), wish.fields["batch"])
    first, second = _training(wish, batch=n).views(wish.texts[:n])
    found = contrast(first, second, wish.fields["temperature"], wish.fields["variant"])
    rows = similarity.unit(interleave(first, second))
    raw = sentences.vectors(_scored(wish.language), wish.encoder, wish.fields["pooling"])
    return State(
        {**wish.fields, "batch": n},
        losses=((0, found.loss),),
        cosines=np.clip(rows @ rows.T, -1, 1).astype(np.float32),
        checks=(_check(0, raw, wish.language),),
        n_own=len(wish.texts),
        n_pairs=len(_scored(wish.language)) // 2,
    )


def _train(wish: Wish, look: State) -> Iterator[View]:
    """Yield a view after steps, the last one with what was learnt kept for the visitor."""
    started = shown_at = time.monotonic()
    training = _training(wish)
    before = _fingerprint(training)
    scored = _scored(wish.language)
    every = _every(wish.fields["steps"])
    state = replace(look, told=wish.fields, losses=(), n_trained=training.n_trained)
    for step in training:
        state = replace(state, losses=(*state.losses, (step.step, step.loss)))
        if step.cosines is not None:
            state = replace(state, cosines=step.cosines)
        late = time.monotonic() - started > MOST_SECONDS
        last = late or step.step == wish.fields["steps"]
        if last or step.step % every == 0:
            check = _check(step.step, training.vectors(scored), wish.language)
            state = replace(state, checks=(*state.checks, check))
        if last:
            break
        if time.monotonic() - shown_at > PAUSE:
            shown_at = time.monotonic()
            yield _view(wish, state, progress=step.step / wish.fields["steps"])
    same = equal(W("similarity.simcse_live_unchanged"), _fingerprint(training), before)
    kept = sentences.Trained(wish.encoder, training.adapter())
    yield _view(wish, state, unchanged=same, token=sentences.TRAINED.put(kept))


def _fingerprint(training: "Training") -> float:
    """Return a sum over the weights of the encoder itself: unequal if any of them moved."""
    weights = training.source.network.parameters()
    return float(sum(weight.detach().double().abs().sum() for weight in weights))


def _scored(language: str) -> tuple[str, ...]:
    """Return the sentences of the evaluated pairs, first sides then second sides."""
    chosen = sentences.pairs(language)[::EVERY]
    return (*(a for a, *_ in chosen), *(b for _, b, *_ in chosen))


def _check(step: int, vectors: Vectors, language: str) -> Check:
    """Return how vectors of the evaluated pairs agree with the scores and how they spread."""
    scores = np.array([score for *_, score, _ in sentences.pairs(language)[::EVERY]])
    n = len(scores)
    first, second = vectors[:n], vectors[n:]
    like = scores >= SAME_MEANING
    if not np.isfinite(vectors).all():
        return Check(step, float("nan"), float("nan"), float("nan"))
    return Check(
        step,
        100 * similarity.spearman(scores, similarity.pair_cosines(first, second)),
        similarity.alignment(first[like], second[like]),
        similarity.uniformity(vectors),
    )


# --- One state ------------------------------------------------------------------------------------


def _view(
    wish: Wish,
    state: State,
    *,
    progress: float | None = None,
    unchanged: Reading | None = None,
    token: str = "",
) -> View:
    notes = list(wish.notes)
    number, loss = state.losses[-1]
    if progress == 0:
        notes.append(W("similarity.simcse_live_note_look", n=state.n_drawn))
    elif token and number < wish.fields["steps"]:
        notes.append(W("similarity.simcse_live_note_stopped", n=number, seconds=MOST_SECONDS))
    if token:
        notes.append(W("similarity.simcse_live_note_kept"))
    evaluated = {check.step: check for check in state.checks}
    rows = sorted({*evaluated, *(step for step, _ in state.losses)})
    losses = dict(state.losses)
    nan = float("nan")
    return View(
        {
            "matrix": matrix_figure(state),
            "loss": loss_figure(state),
            "spearman": curve_figure(state),
            "path": path_figure(state),
        },
        W(
            "similarity.simcse_live_caption",
            encoder=W(f"similarity.encoder_{wish.encoder}"),
            n=len(wish.texts),
            step=number,
            loss=round(loss, 4),
            before=round(state.checks[0].spearman, 2),
            after=round(state.checks[-1].spearman, 2),
        ),
        [*readings(state), *([unchanged] if unchanged else [])],
        {
            "live_step": rows,
            "live_loss": [losses.get(row, nan) for row in rows],
            "live_spearman": [evaluated[r].spearman if r in evaluated else nan for r in rows],
            "alignment": [evaluated[r].alignment if r in evaluated else nan for r in rows],
            "uniformity": [evaluated[r].uniformity if r in evaluated else nan for r in rows],
        },
        html=_link(wish, token) if token else (),
        html_first=True,
        notes=notes,
        unused=frozenset({"own"}) if wish.is_file else frozenset(),
        progress=progress,
    )


def _link(wish: Wish, token: str) -> Sequence[str | Word]:
    """Return the way to the panel that compares sentences by what was trained."""
    query = {
        "tab": "similarity",
        "panel": "explorer",
        "trained": token,
        "pooling": wish.fields["pooling"],
        "way": "simcse",
    }
    if wish.language != "zh":  # what stands there at first is Chinese
        query["texts"] = sample_text(wish.language)
    address = escape(f"?{urlencode(query, errors='replace')}", quote=True)
    return (f'<p><a href="{address}">', W("similarity.simcse_live_link"), "</a></p>")


PANEL = Panel(
    simcse_live,
    simcse_live_controls,
    (
        Preset("hot", {"temperature": 1.0}),
        Preset("same", {"same_mask": True}),
        Preset("high", {"dropout": 0.6}),
        Preset("peak", {"learning_rate": 0.003, "steps": 80}),
        Preset("cls", {"pooling": "P1"}),
        Preset("english", {"encoder": "minilm_3"}),
    ),
)
