"""The sentences that the Similarity tab starts with: a few groups, as described, in two languages.

``python -m pytest tests/test_similarity_samples.py``
"""

import re

import pytest

from models.sentence_files import guess_language
from models.similarity_samples import FEW, SENTENCES, text


@pytest.mark.parametrize("language", ["zh", "en"])
def test_sentences_are_distinct_whole_and_in_their_language(language):
    found = SENTENCES[language]
    assert len(found) == len(set(found)) == 16
    assert guess_language(found) == language
    assert all(re.search(r"[。.]$", one) for one in found)


def test_a_text_is_one_sentence_a_line():
    assert text("zh").split("\n") == list(SENTENCES["zh"])
    assert text("en", FEW).split("\n") == list(SENTENCES["en"][:FEW])
