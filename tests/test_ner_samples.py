"""The annotated texts to start from: each is of the format it is named after, and clean."""

import pytest

from models.ner import TYPES
from models.ner_samples import LESSONS, SAMPLES, TRIES
from models.span_formats import KINDS, detect, read
from models.spans import nested


@pytest.mark.parametrize("key", LESSONS)
def test_a_lesson_has_enough_examples_of_types_nobody_knows(key):
    documents = read(LESSONS[key], "inline")
    assert 10 <= len(documents) <= 50
    labels = {entity.label for _, entities in documents for entity in entities}
    assert 1 <= len(labels) <= 2
    assert not labels & {name for types in TYPES.values() for name in types}
    assert any(not entities for _, entities in documents)
    assert all(text == text.strip() and text.isprintable() for text, _ in documents)
    assert len({text for text, _ in documents}) == len(documents)


def test_one_lesson_nests():
    assert any(nested(entities) for _, entities in read(LESSONS["kitchen"]))


@pytest.mark.parametrize("key", TRIES)
def test_what_is_tried_was_not_taught(key):
    assert TRIES[key] not in {text for text, _ in read(LESSONS[key])}
    assert TRIES.keys() == LESSONS.keys()


@pytest.mark.parametrize("kind", SAMPLES)
def test_a_sample_is_of_its_kind(kind):
    assert detect(SAMPLES[kind]) == kind
    assert sum(len(entities) for _, entities in read(SAMPLES[kind])) >= 6


def test_every_kind_has_a_sample():
    assert sorted(SAMPLES) == sorted(KINDS)
