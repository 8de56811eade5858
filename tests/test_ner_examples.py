"""The texts to try: in the languages the recognisers read, short enough for one matrix."""

import pytest

from models.ner import MOST_CHARACTERS, guess_language
from models.ner_examples import EXAMPLES


@pytest.mark.parametrize("key", EXAMPLES)
def test_an_example_is_short_clean_text(key):
    text = EXAMPLES[key]
    assert 10 < len(text) < min(200, MOST_CHARACTERS)
    assert text == text.strip() and text.isprintable()


def test_both_languages_are_there():
    assert {guess_language(text) for text in EXAMPLES.values()} == {"zh", "en"}
