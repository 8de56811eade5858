"""Sentences and pairs of a visitor: what is read, what is refused and with which place.

``python -m pytest tests/test_sentence_files.py``
"""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models.sentence_files import (
    MOST_BYTES,
    MOST_CHARACTERS,
    guess_language,
    read_pairs,
    read_sentences,
    sentences,
)
from models.tables import TableError


@pytest.fixture
def file(tmp_path):
    def write(content, name="f.csv", encoding="utf-8"):
        path = tmp_path / name
        path.write_bytes(content if isinstance(content, bytes) else content.encode(encoding))
        return path

    return write


def test_lines_that_are_not_blank_are_sentences():
    found = sentences("  one \n\n \t\ntwo\r\n三", 10)
    assert found.texts == ("one", "two", "三") and found.n_all == 3 and not found.n_shortened


def test_only_the_first_ones_are_kept_and_long_ones_are_cut():
    found = sentences("a" * 500 + "\nb\nc", 2)
    assert found.texts == ("a" * MOST_CHARACTERS, "b")
    assert (found.n_all, found.n_shortened) == (3, 1)


@settings(max_examples=50, deadline=None)
@given(text=st.text(max_size=200))
def test_any_text_can_be_read(text):
    found = sentences(text, 5)
    assert len(found.texts) <= 5 and all(one.strip() for one in found.texts)


@pytest.mark.parametrize(
    ("content", "name", "expected"),
    [
        ("one, two\nthree", "f.txt", ("one, two", "three")),
        ("one\ttwo\nthree\tfour", "f.txt", ("one", "three")),
        ("id,text\n1,one\n2,two", "f.csv", ("one", "two")),
        ("sentence\none\ntwo", "f.csv", ("one", "two")),
        ('"a, b",3\n"c ""d""",4', "f.csv", ("a, b", 'c "d"')),
        ("1;one\n2;two", "f.csv", ("one", "two")),
        ("", "f.csv", ()),
        ("1,2\n3,4", "f.csv", ()),
    ],
)
def test_sentences_of_a_file(file, content, name, expected):
    assert read_sentences(file(content, name), 10).texts == expected


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "gb18030"])
def test_encodings_of_chinese_files(file, encoding):
    assert read_sentences(file("今天\n明天", "f.txt", encoding), 9).texts == ("今天", "明天")


@pytest.mark.parametrize(
    "content",
    [
        "a,b,score\none,two,3\nthree,four,0.5",
        "one,two,3\nthree,four,0.5",
        "one\ttwo\t3\nthree\tfour\t0.5",
        "one;two;3\nthree;four;0.5",
        "3,one,two\n0.5,three,four",
        "one,two,3,paraphrase\n\nthree,four,0.5,topic",
    ],
)
def test_pairs_of_a_table(file, content):
    found = read_pairs(file(content), 10)
    assert found.first == ("one", "three") and found.second == ("two", "four")
    np.testing.assert_array_equal(found.labels, [3, 0.5])
    assert found.n_all == 2 and not found.is_binary


def test_tabs_do_not_quote(file):
    found = read_pairs(file('say "yes\tsay "no\t1\na\tb\t0', "f.txt"), 10)
    assert found.first == ('say "yes', "a") and found.is_binary


def test_only_the_first_pairs_are_kept(file):
    found = read_pairs(file("\n".join(f"{'x' * 401},b{i},{i % 2}" for i in range(9))), 4)
    assert (len(found.labels), found.n_all, found.n_shortened) == (4, 9, 4)


@pytest.mark.parametrize(
    ("content", "code", "details"),
    [
        ("", "empty", {}),
        ("a,b,score", "empty", {}),
        ("one,two,1\nthree,four", "ragged", {"line": 2, "found": 2}),
        ("one,1\ntwo,2", "ragged", {"line": 1, "expected": 2}),
        ("one,two,1\nthree,four,high", "not_a_number", {"line": 2, "column": 3, "found": "high"}),
        ("one,two,1\nthree,four,", "missing", {"line": 2, "column": 3}),
        ("one,two,1\nthree,,0", "missing", {"line": 2, "column": 2}),
        ("one,two,1\nthree,four,inf", "not_finite", {"line": 2, "column": 3}),
        ("one,two,1\nthree,four,nan", "not_a_number", {"line": 2, "column": 3}),
        (b"\xff\x00\xd8\xff" * 9, "encoding", {}),
        (b"PK\x03\x04 zip", "unknown_type", {}),
        ("a,b,1\n" * 20_001, "too_large", {"what": "rows"}),
    ],
)
def test_what_is_wrong_with_a_file_of_pairs(file, content, code, details):
    with pytest.raises(TableError) as caught:
        read_pairs(file(content), 10)
    assert caught.value.code == code
    assert {k: caught.value.details[k] for k in details} == details


def test_a_large_file_is_refused_before_it_is_read(file):
    with pytest.raises(TableError) as caught:
        read_sentences(file(b"a" * (MOST_BYTES + 1), "f.txt"), 10)
    assert caught.value.code == "too_large"


@pytest.mark.parametrize(
    ("texts", "language"),
    [
        (["今天天气好"], "zh"),
        (["hello"], "en"),
        ([], "en"),
        (["BERT 的句向量"], "zh"),
        (["？！12"], "en"),
    ]
    + [(["A long English sentence that quotes 中 once"], "en")],
)
def test_language_is_guessed_by_letters(texts, language):
    assert guess_language(texts) == language
