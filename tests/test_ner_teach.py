"""A head taught from a few examples: where it starts, that it learns, that visitors never mix."""

from concurrent.futures import ThreadPoolExecutor

import pytest
import torch

from models import ner, ner_teach
from models.global_pointer import efficient, zero_score_losses
from models.ner_heads import zlpr
from models.ner_samples import LESSONS, TRIES
from models.ner_teach import FEWEST, FOLDS, HEAD_DIM, MOST, Recipe, Training, prepare
from models.span_formats import read
from models.spans import Entity, prf


@pytest.fixture(scope="module", params=["job", "kitchen"])
def lesson(request):
    return prepare(read(LESSONS[request.param]))


@pytest.fixture(scope="module")
def job():
    return prepare(read(LESSONS["job"]))


def numbers(lesson, recipe):
    return [(s.number, s.loss, s.train, s.held) for s in Training(lesson, recipe).train()]


# --- Laws -----------------------------------------------------------------------------------------


def test_every_score_is_zero_at_the_start(lesson):
    head = ner_teach.new_head(lesson, Recipe())
    with torch.inference_mode():
        scores = head(lesson.hidden, lesson.mask)
    assert set(scores[torch.isfinite(scores)].tolist()) == {0.0}


def test_the_first_loss_is_that_of_zero_scores(lesson):
    """Against the formula and against the definition in models.global_pointer, text by text."""
    first = next(Training(lesson, Recipe()).train())
    n = lesson.mask.sum(1).numpy()
    per_type = [
        zero_score_losses(n, lesson.positive[:, a].sum((1, 2)).numpy())[0].mean()
        for a in range(len(lesson.labels))
    ]
    expected = sum(per_type) / len(per_type)
    assert lesson.zero_loss() == pytest.approx(expected, rel=1e-12)
    assert first.loss == pytest.approx(expected, rel=1e-6)  # float32 sums of a few hundred terms
    assert first.number == 0 and first.train.n_found == 0


def test_the_loss_falls_and_the_examples_are_learned(lesson):
    *_, last = steps = list(Training(lesson, Recipe(steps=150, learning_rate=0.01)).train())
    assert last.loss < steps[0].loss / 5
    assert last.train.f1 is not None and last.train.f1 > 0.9
    assert [step.number for step in steps] == list(range(len(steps)))


def test_more_is_found_on_examples_left_out_than_by_chance(job):
    *_, last = Training(job, Recipe()).train()
    assert last.held.n_gold == job.n_entities == last.train.n_gold
    assert last.held.f1 is not None and last.held.f1 > 0.5


def test_training_ends_early_when_the_loss_is_small(job):
    *_, last = Training(job, Recipe(steps=300)).train()
    assert last.done and last.number < 300 and last.loss < ner_teach.LEAST_LOSS


def test_the_number_of_weights_is_the_formulas(lesson):
    head = Training(lesson, Recipe()).taught().head
    m, D, d = len(lesson.labels), lesson.hidden.shape[2], HEAD_DIM
    n_weights = sum(weight.numel() for weight in head.parameters())
    assert n_weights == lesson.n_weights == 2 * D * d + 2 * d + 4 * d * m + 2 * m


def test_the_head_is_efficient_global_pointer(job):
    """The trained head against the definition in NumPy; rounding of float32."""
    training = Training(job, Recipe(steps=5))
    list(training.train())
    head = training.taught().head
    n = int(job.mask[0].sum())
    h = job.hidden[:1, :n]
    with torch.inference_mode():
        scores = head(h, torch.ones(1, n, dtype=torch.bool))[0].numpy()
    weights = {name: value.double().numpy() for name, value in head.state_dict().items()}
    reference = efficient(
        h[0].double().numpy(),
        weights["dense.weight"].T,
        weights["dense.bias"],
        weights["bias.weight"].T,
        weights["bias.bias"],
    )
    upper = torch.ones(n, n, dtype=torch.bool).triu().numpy()
    assert abs(scores - reference)[:, upper].max() < 1e-4


# --- Same inputs, same output ---------------------------------------------------------------------


def test_the_same_seed_gives_the_same_training(job):
    recipe = Recipe(steps=6, seed=3)
    assert numbers(job, recipe) == numbers(job, recipe)
    assert numbers(job, recipe) != numbers(job, Recipe(steps=6, seed=4))


def test_the_random_numbers_of_others_are_left_alone(job):
    torch.manual_seed(5)
    expected = torch.rand(3)
    torch.manual_seed(5)
    training = Training(job, Recipe(steps=3))
    list(training.train())
    training.taught()
    assert torch.equal(torch.rand(3), expected)


def test_visitors_at_the_same_time_never_mix():
    lessons = {key: prepare(read(LESSONS[key])) for key in ("job", "dish")}
    wishes = [(key, seed) for key in lessons for seed in range(3)]

    def visit(wish):
        key, seed = wish
        training = Training(lessons[key], Recipe(steps=8, seed=seed))
        last = list(training.train())[-1]
        token = ner_teach.keep(training.taught())
        taught = ner_teach.kept(token)
        assert taught is not None
        return last.loss, taught.labels, taught.mark(TRIES[key]).entities(0)

    alone = [visit(wish) for wish in wishes]
    with ThreadPoolExecutor(4) as pool:
        together = list(pool.map(visit, wishes))
    assert together == alone


def test_the_encoder_is_not_changed(job):
    before = ner_teach.checksum("zh")
    list(Training(job, Recipe(steps=3)).train())
    assert ner_teach.checksum("zh") == before
    assert ner_teach.checksum("en") != before


def test_what_was_taught_does_not_change_with_later_steps(job):
    training = Training(job, Recipe(steps=4))
    states = training.train()
    next(states)
    next(states)
    taught = training.taught(note=1)
    before = [weight.clone() for weight in taught.head.parameters()]
    list(states)
    for old, new in zip(before, taught.head.parameters(), strict=True):
        assert torch.equal(old, new)
    assert not any(weight.requires_grad for weight in taught.head.parameters())
    assert taught.facts == {"note": 1}


# --- What it is for -------------------------------------------------------------------------------


def test_a_taught_head_marks_its_own_examples():
    documents = read(LESSONS["job"])
    training = Training(prepare(documents), Recipe())
    list(training.train())
    taught = training.taught()
    found = [taught.mark(text).entities() for text, _ in documents]
    score = prf([entities for _, entities in documents], found)
    assert score.f1 is not None and score.f1 > 0.95


def test_padding_does_not_count(job):
    """The mean over examples is the mean of each alone; float32 rounding."""
    head = ner_teach.new_head(job, Recipe(seed=1))
    with torch.no_grad():
        for weight in head.parameters():
            weight.add_(0.01)
        whole = ner_teach.losses(head(job.hidden, job.mask), job)
        for index in (0, 7, 12):
            n = int(job.mask[index].sum())
            alone = zlpr(
                head(job.hidden[index : index + 1, :n], job.mask[index : index + 1, :n]),
                job.positive[index : index + 1, :, :n, :n],
            )
            torch.testing.assert_close(whole[index], alone[0], rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("text", ["", " ", "a", "😀", "<b>&", "字" * 2000, "\u0627\u0644"])
def test_any_text_can_be_tried(job, text):
    marked = Training(job, Recipe()).taught().mark(text)
    assert marked.entities(0.0) == []  # nothing scores above 0 before the first step


# --- Examples -------------------------------------------------------------------------------------


def test_the_majority_gives_the_language():
    mixed = [*read(LESSONS["dish"])[:6], *read(LESSONS["job"])[:2]]
    made = prepare(mixed)
    assert (made.language, made.n_other) == ("en", 2)
    assert made.labels == ("DISH", "JOB")


def test_entities_across_pieces_are_counted_and_left_out():
    examples = [("the bakery opened", [Entity(4, 9, "X")])] * 4
    crossing = ("the bakery opened", [Entity(5, 9, "X")])
    made = prepare([*examples, crossing])
    assert (made.n_entities, made.n_outside) == (4, 1)


def test_entities_beyond_what_is_read_are_counted():
    long = "字" * 200
    examples = [(long, [Entity(0, 1, "X"), Entity(190, 195, "X")])] * 5
    made = prepare(examples)
    assert (made.n_entities, made.n_outside) == (5, 5)
    assert made.mask.shape[1] == ner.MOST_PIECES


def test_much_text_allows_fewer_steps(job):
    long = [("字" * 126, [Entity(0, 1, f"T{i % 6}")]) for i in range(50)]
    made = prepare(long)
    assert made.most_steps < 300 < job.most_steps
    assert made.most_steps * made.n_cells * (FOLDS + 1) <= ner_teach.WORK


@pytest.mark.parametrize(
    "examples",
    [
        [("ab", [Entity(0, 1, "X")])] * (FEWEST - 1),
        [("ab", [Entity(0, 1, "X")])] * (MOST + 1),
        [("ab", [])] * 6,
        [("ab", [Entity(0, 1, f"T{i}")]) for i in range(7)],
        [("bakery", [Entity(2, 3, "X")])] * 6,
    ],
)
def test_unfit_examples_are_refused(examples):
    with pytest.raises(ValueError, match="example"):
        prepare(examples)


@pytest.mark.parametrize(
    "wrong", [{"steps": 0}, {"learning_rate": 0.0}, {"dropout": 1.0}, {"dropout": -0.1}]
)
def test_a_recipe_outside_its_domain_is_refused(job, wrong):
    with pytest.raises(ValueError, match="steps"):
        Training(job, Recipe(**wrong))


def test_an_unknown_token_gives_nothing():
    assert ner_teach.kept("no such token") is None


def test_importing_the_module_does_not_import_torch():
    import subprocess
    import sys

    code = "import sys; import models.ner_teach; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], cwd=ner.FOLDER.parents[1]).returncode == 0
