"""Panel: a new type taught from a few examples, by a small head trained while one looks on."""

import math
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import lru_cache
from html import escape
from urllib.parse import urlencode

from demos.controls import Control, Flag, InputError, Integer, Real, Text
from demos.figures import Figure, axis, figure, horizontal, line
from demos.ner._annotations import KIND, documents_of, joined, still
from demos.ner._common import THRESHOLD, drawable, notes_of, weights_problem
from demos.panel import Panel, Preset
from demos.view import Reading, View, at_most, equal, shown
from demos.words import W, Word, literal
from models import ner, ner_teach
from models.hub import HubError
from models.ner_samples import LESSONS, TRIES
from models.ner_teach import Lesson, Recipe, Step, Taught, Training
from models.spans import Score

PAUSE = 0.25  # seconds between two pictures
WARM = 8  # steps of the first picture
WARM_CELLS = 3_000_000  # of scores, so that it comes soon
ROUNDING = 1e-4  # nats; sums of a few thousand terms in single precision


def teach_controls() -> dict[str, Control]:
    """Return the controls of ``teach``."""
    return {
        "examples": Text(default=LESSONS["job"], length=10_000, lines=8),
        "text": Text(default=TRIES["job"], length=ner.MOST_CHARACTERS, lines=3),
        "threshold": THRESHOLD,
        "kind": replace(KIND, advanced=True),
        "steps": Integer(default=150, low=1, high=300),
        "learning_rate": Real(default=0.003, low=0.0001, high=0.1, log=True),
        "rope": Flag(default=True),
        "seed": Integer(default=0, low=0, high=999_999_999, typed=True, advanced=True),
    }


@dataclass(frozen=True)
class State:
    """Training so far.

    Attributes:
        steps: From the one before the first on.
        taught: The head as it is now.
        most: Steps at most.
    """

    steps: tuple[Step, ...]
    taught: Taught
    most: int


@dataclass(frozen=True)
class Wish:
    """What is tried with the head."""

    text: str
    threshold: float
    notes: tuple[Word, ...]


def teach(
    examples: str,
    text: str,
    threshold: float,
    kind: str,
    steps: int,
    learning_rate: float,
    rope: bool,
    seed: int,
) -> Iterator[View]:
    """Train a new head on pasted examples, the encoder frozen, and try it on a text.

    Args:
        examples: 5 to 50 annotated sentences, at most 6 types: inline brackets, CoNLL, brat, JSON.
        text: Read with the head as it is now.
        threshold: A span is found when its score is above it.
        kind: Format of the examples; auto finds out.
        steps: Most steps; training ends earlier when the loss is below 0.005 nats.
        learning_rate: Of AdamW.
        rope: Whether the score knows the distance between start and end.
        seed: Of the first weights, the dropout and the parts left out.
    """
    recipe = Recipe(steps=steps, learning_rate=learning_rate, rope=rope, seed=seed)
    try:
        lesson = _lesson(examples, kind)
        wish = Wish(text, threshold, tuple(_lesson_notes(lesson, recipe)))
        yield _view(lesson, _warm(lesson, recipe), wish, progress=0.0)
        before = ner_teach.checksum(lesson.language)
        training = Training(lesson, recipe)
        done: list[Step] = []
        shown_at = time.monotonic()
        for step in training.train():
            done.append(step)
            if not step.done and time.monotonic() - shown_at > PAUSE:
                shown_at = time.monotonic()
                state = State(tuple(done), training.taught(), training.steps)
                yield _view(lesson, state, wish, progress=step.number / training.steps)
        taught = training.taught(steps=done[-1].number, loss=done[-1].loss)
        state = State(tuple(done), taught, training.steps)
        after = ner_teach.checksum(lesson.language)
        frozen = equal(W("ner.teach_reading_frozen"), after, before)
        yield _view(lesson, state, wish, frozen=frozen, token=ner_teach.keep(taught))
    except HubError as error:
        raise weights_problem(error) from None


@lru_cache(maxsize=4)
def _lesson(examples: str, kind: str) -> Lesson:
    """Return the examples as the head sees them.

    Raises:
        InputError: They are not of their format, too few or many, or hold no entity or many types.
    """
    field = W("ner.teach_examples")
    documents = documents_of(field, examples, kind)
    fewest, most = ner_teach.FEWEST, ner_teach.MOST
    if not fewest <= len(documents) <= most:
        n = len(documents)
        raise InputError(W("ner.teach_error_count", field=field, n=n, fewest=fewest, most=most))
    labels = {entity.label for _, entities in documents for entity in entities}
    if not labels:
        raise InputError(W("ner.teach_error_none", field=field))
    if len(labels) > ner_teach.MOST_TYPES:
        most = ner_teach.MOST_TYPES
        raise InputError(W("ner.teach_error_types", field=field, n=len(labels), most=most))
    try:
        return ner_teach.prepare(documents)
    except HubError:
        raise
    except ValueError:
        raise InputError(W("ner.teach_error_pieces", field=field)) from None


@lru_cache(maxsize=4)
def _warm(lesson: Lesson, recipe: Recipe) -> State:
    """Return training after its first few steps: what is seen before Run is pressed."""
    training = Training(lesson, recipe)
    most = max(1, min(WARM, WARM_CELLS // max(1, lesson.n_cells)))
    done = []
    for step in training.train():
        done.append(step)
        if step.number >= most:
            break
    return State(tuple(done), training.taught(), training.steps)


def _lesson_notes(lesson: Lesson, recipe: Recipe) -> list[Word]:
    notes = []
    if lesson.n_other:
        language = W(f"ner.teach_language_{lesson.language}")
        notes.append(W("ner.teach_note_mixed", n=lesson.n_other, language=language))
    if lesson.n_outside:
        n, limit = lesson.n_outside, ner.MOST_PIECES
        notes.append(W("ner.teach_note_outside", n=n, limit=limit))
    if recipe.steps > lesson.most_steps:
        notes.append(W("ner.teach_note_steps", n=lesson.most_steps))
    return notes


# --- One state ------------------------------------------------------------------------------------


def _view(
    lesson: Lesson,
    state: State,
    wish: Wish,
    *,
    progress: float | None = None,
    frozen: Reading | None = None,
    token: str = "",
) -> View:
    last = state.steps[-1]
    marked = state.taught.mark(wish.text)
    found = marked.entities(wish.threshold)
    lanes = still(marked.text, drawable(found), lesson.labels)
    notes = [*wish.notes, *notes_of(marked)]
    if not wish.text.strip():
        notes.append(W("ner.teach_note_empty"))
    elif not found:
        notes.append(W("ner.teach_note_nothing"))
    if token:
        notes.append(W("ner.teach_note_kept"))
    elif progress == 0:
        notes.append(W("ner.teach_note_warm", n=last.number))
    html: list[str | Word] = ["<p><b>", W("ner.teach_tried", n=len(found)), "</b></p>", *lanes]
    return View(
        {"loss": _loss_figure(lesson, state), "f1": _f1_figure(state)},
        W(
            "ner.teach_caption",
            types=joined([literal(label) for label in lesson.labels]),
            n=len(lesson.mask),
            step=last.number,
            loss=round(last.loss, 4),
        ),
        readings=[*_readings(lesson, state), *([frozen] if frozen else [])],
        table={
            "teach_step": [step.number for step in state.steps],
            "teach_loss": [step.loss for step in state.steps],
            "teach_f1": [_number(step.train.f1) for step in state.steps],
            "teach_held": [_number(step.held.f1) for step in state.steps],
        },
        html=[*html, *(_link(token, wish) if token else [])],
        html_first=True,
        notes=notes,
        progress=progress,
    )


def _link(token: str, wish: Wish) -> list[str | Word]:
    """Return the way to the panel that reads any text with what was taught."""
    query = {
        "tab": "ner",
        "panel": "highlight",
        "taught": token,
        "text": wish.text,
        "threshold": THRESHOLD.to_text(wish.threshold),
    }
    address = escape(f"?{urlencode(query, errors='replace')}&lang=", quote=True)
    return [f'<p><a href="{address}', W("ner.teach_lang"), '">', W("ner.teach_link"), "</a></p>"]


def _number(value: float | None) -> float:
    return math.nan if value is None else value


def _counted(score: Score) -> Word:
    """Return an F1 with what it was counted from."""
    f1: Word | float = W("ner.evaluation_undefined") if score.f1 is None else round(score.f1, 4)
    n_right, n_found, n_gold = score.n_right, score.n_found, score.n_gold
    return W("ner.teach_counted", f1=f1, right=n_right, found=n_found, gold=n_gold)


def _readings(lesson: Lesson, state: State) -> list[Reading]:
    first, last = state.steps[0], state.steps[-1]
    n_weights = sum(weight.numel() for weight in state.taught.head.parameters())
    D = lesson.hidden.shape[2]  # noqa: N806
    sizes = {"D": D, "d": ner_teach.HEAD_DIM, "m": len(lesson.labels)}
    return [
        equal(
            W("ner.teach_reading_zero"),
            first.loss,
            lesson.zero_loss(),
            ROUNDING,
            W("ner.teach_note_zero"),
        ),
        at_most(
            W("ner.teach_reading_fell", n=last.number),
            last.loss,
            first.loss,
            0.0,
            W("ner.teach_note_fell"),
        ),
        shown(W("ner.teach_reading_train"), _counted(last.train)),
        shown(
            W("ner.teach_reading_held"),
            _counted(last.held),
            W("ner.teach_note_held", k=ner_teach.FOLDS),
        ),
        equal(W("ner.teach_reading_weights", **sizes), n_weights, lesson.n_weights),
    ]


def _loss_figure(lesson: Lesson, state: State) -> Figure:
    numbers = [step.number for step in state.steps]
    return figure(
        line(numbers, [step.loss for step in state.steps], W("ner.teach_loss"), "@blue"),
        x=axis(W("ner.teach_axis_step"), rangemode="tozero"),
        y=axis(W("ner.teach_axis_loss"), rangemode="tozero"),
        marks=[horizontal(lesson.zero_loss(), W("ner.teach_mark_zero"))],
        layout={"showlegend": False},
        title=W("ner.teach_title_loss"),
        height=300,
    )


def _f1_figure(state: State) -> Figure:
    numbers = [step.number for step in state.steps]
    train = [_number(step.train.f1) for step in state.steps]
    held = [_number(step.held.f1) for step in state.steps]
    return figure(
        line(numbers, train, W("ner.teach_train"), "@blue", dash="dash"),
        line(numbers, held, W("ner.teach_held"), "@orange"),
        x=axis(W("ner.teach_axis_step"), rangemode="tozero"),
        y=axis(W("ner.teach_axis_f1"), range=[0, 1.04]),
        title=W("ner.teach_title_f1"),
        height=300,
    )


PANEL = Panel(
    teach,
    teach_controls,
    (
        Preset("dish", {"examples": LESSONS["dish"], "text": TRIES["dish"]}),
        Preset(
            "kitchen",
            {
                "examples": LESSONS["kitchen"],
                "text": TRIES["kitchen"],
                "steps": 200,
                "learning_rate": 0.01,
            },
        ),
        Preset("bare", {"examples": LESSONS["dish"], "text": TRIES["dish"], "rope": False}),
        Preset("few", {"examples": "".join(LESSONS["job"].splitlines(keepends=True)[:5])}),
        Preset("fast", {"learning_rate": 0.1}),
    ),
)
