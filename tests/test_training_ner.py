"""The training of the recognisers: readers of the sets, targets, a run of ten steps, the files."""

import random

import numpy as np
import pytest
import torch

from models import encoder, ner
from models.spans import Entity
from training import ner as training
from training import ner_sets
from training.ner import Recogniser, Set, row

LITBANK = """The	B-PER	O
king	I-PER	O
of	I-PER	O
England	I-PER	B-GPE
's	I-PER	O
brother	I-PER	O
slept	O	O
.	O	O

He	O	O
saw	O	O
London	B-GPE	O
.	O	O
"""
CLUENER = (
    '{"text": "王芳在北京大学", "label": {"Person": {"王芳": [[0, 1]]},'
    ' "Location": {"北京": [[3, 4]]}, "Organization": {"北京大学": [[3, 6]], "清华": [[0, 1]]}}}\n'
    '{"text": "没有", "label": {}}'
)


def test_litbank_is_read_with_its_layers(tmp_path):
    (tmp_path / "a.tsv").write_text(LITBANK)
    first, second = ner_sets.litbank(tmp_path / "a.tsv")
    assert first[0] == "The king of England 's brother slept ."
    marked = {(first[0][a : b + 1], kind) for a, b, kind in first[1]}
    assert marked == {("The king of England 's brother", "PER"), ("England", "GPE")}
    text, spans = ner_sets.joined([first, second])
    assert {text[a : b + 1] for a, b, _ in spans} >= {"London", "England"}


def test_chunks_keep_every_sentence_once(tmp_path):
    (tmp_path / "a.tsv").write_text(LITBANK * 1)
    document = ner_sets.litbank(tmp_path / "a.tsv") * 9
    for rng in (None, random.Random(0)):
        chunks = list(ner_sets.chunks(document, 120, rng))
        assert " ".join(text for text, _ in chunks) == " ".join(text for text, _ in document)
        assert sum(len(spans) for _, spans in chunks) == sum(len(spans) for _, spans in document)
        for text, spans in chunks:
            assert all(text[a : b + 1].strip() == text[a : b + 1] for a, b, _ in spans)


def test_cluener_drops_spans_that_are_not_the_text(tmp_path):
    (tmp_path / "a.json").write_text(CLUENER, encoding="utf-8")
    samples = list(ner_sets.cluener(tmp_path / "a.json", ner.TYPES["nested"]))
    assert samples[0][1] == ((0, 1, "Person"), (3, 4, "Location"), (3, 6, "Organization"))
    assert samples[1] == ("没有", ())


def test_every_tenth_is_held_out():
    train, dev = ner_sets.split([(str(i), ()) for i in range(20)])
    assert [text for text, _ in dev] == ["4", "14"] and len(train) == 18


def test_a_row_maps_characters_to_pieces_and_back():
    source = encoder.load("roformer")
    sample = ("王芳在北京大学", ((0, 1, "Person"), (3, 4, "Location"), (3, 6, "Organization")))
    one = row(source, sample, ner.TYPES["nested"])
    assert one.spans == ((2, 0, 1), (0, 3, 4), (1, 3, 6))
    assert {one.entity(ner.TYPES["nested"][k], a, b) for k, a, b in one.spans} == one.entities


def test_bio_is_taught_the_outermost():
    assert training.outermost([(0, 3, 4), (1, 3, 6), (2, 0, 1), (0, 6, 9)]) == [
        (1, 3, 6),
        (2, 0, 1),
    ]


SAMPLES = [
    ("The king of England slept .", ((0, 18, "PER"), (12, 18, "GPE"))),
    ("Mr. Brown walked to London .", ((0, 8, "PER"), (20, 25, "GPE"))),
    ("It rained .", ()),
    ("The ship left Bristol .", ((0, 7, "VEH"), (14, 20, "GPE"))),
]


@pytest.fixture(scope="module")
def tiny():
    one = Set(ner.TYPES["litbank"], lambda rng: SAMPLES * 3, SAMPLES)
    return encoder.load("minilm"), {"litbank": one}


def model_of(tiny):
    source, sets = tiny
    torch.manual_seed(0)
    return Recogniser(source, sets, rank=4)


def test_ten_steps_lower_every_loss(tiny, tmp_path):
    source, sets = tiny
    torch.set_num_threads(1)
    model = model_of(tiny)
    rows = [row(source, sample, sets["litbank"].types) for sample in SAMPLES]
    ids, mask = source.padded([one.ids for one in rows])

    def losses():
        model.eval()
        with torch.no_grad():
            found = model.losses("litbank", ids, mask, rows)
        return {kind: float(value) for kind, value in found.items()}

    before = losses()
    assert before["egp"] == pytest.approx(before["egp_bare"], rel=0.5)
    steps = [step for _, step, _ in training.train(model, source, sets, 30, 0, most_steps=10)]
    after = losses()
    assert steps[-1] == 10
    assert all(after[kind] < before[kind] for kind in ner.HEADS), (before, after)

    training.save(
        model, tmp_path / "en.safetensors", {"encoder": "minilm", "sets": {"litbank": []}}
    )
    from models import weights

    tensors, facts = weights.load(tmp_path / "en.safetensors", ner.FACTS)
    assert facts["encoder"] == "minilm"
    assert {name.split(".")[0] for name in tensors} == {"encoder", "heads"}


def test_the_same_seed_gives_the_same_weights(tiny):
    source, sets = tiny
    made = []
    for _ in range(2):
        model = model_of(tiny)
        list(training.train(model, source, sets, 1, 7, most_steps=2))
        made.append(model.heads["litbank"]["egp"].dense.weight.detach().clone())
    assert torch.equal(*made)


def test_found_entities_are_scored_in_characters(tiny):
    source, sets = tiny
    model = model_of(tiny).eval()
    rows = [row(source, sample, sets["litbank"].types) for sample in SAMPLES]
    heads = dict(model.heads["litbank"].items())
    found = training.found(heads, model.hidden, source, sets["litbank"].types, rows)
    assert set(found) == set(ner.HEADS) and all(len(ones) == 4 for ones in found.values())
    perfect = [set(one.entities) for one in rows]
    everything, nested = training.scores(rows, perfect)
    assert everything.f1 == 1 and everything.n_gold == 6
    assert nested.n_gold == 2 and nested.f1 == 1
    wrong = [{Entity(0, 1, "PER")} for _ in rows]
    assert training.figures(rows, wrong)[2] == "0.0000"


def test_targets_mark_exactly_the_spans(tiny):
    source, sets = tiny
    rows = [row(source, sample, sets["litbank"].types) for sample in SAMPLES]
    n = max(len(one.offsets) for one in rows)
    cells = training._cells(rows, (len(rows), 6, n, n))
    assert int(cells.sum()) == sum(len(one.spans) for one in rows)
    tags = training._tags(rows, (len(rows), n))
    assert np.array_equal((tags % 2 == 1).sum(1), [1, 2, 0, 2])  # one beginning an entity
