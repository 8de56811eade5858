"""Controls: whatever arrives becomes a value of the domain, or a sentence that says why not."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from demos.controls import Choice, Choices, Flag, InputError, Integer, Real, Text, Upload, number
from demos.words import W

FIELD = W("frame.seed")
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=30),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner),
    max_leaves=5,
)
KINDS = {
    "integer": Integer(default=5, low=1, high=9),
    "even": Integer(default=4, low=2, high=64, step=2),
    "real": Real(default=0.5, low=0.01, high=0.99),
    "ratio": Real(default=8, low=1 / 64, high=1024, log=True, infinite=True),
    "choice": Choice(default="a", options=("a", "b")),
    "choices": Choices(default=("a",), options=("a", "b", "c")),
    "flag": Flag(default=True),
    "text": Text(default="1,2", length=20),
    "upload": Upload(),
}


@pytest.mark.parametrize("kind", KINDS)
@given(value=JSON)
def test_any_json_gives_a_value_or_a_sentence(kind, value):
    control = KINDS[kind]
    try:
        checked = control.check(FIELD, value)
    except InputError as error:
        for lang in ("zh", "en"):
            assert 10 < len(error.word.text(lang)) < 400
            assert FIELD.text(lang) in error.word.text(lang)
    else:
        assert control.check(FIELD, checked) == checked


@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind != "upload"])
@given(value=JSON)
def test_a_checked_value_survives_the_link(kind, value):
    control = KINDS[kind]
    try:
        checked = control.check(FIELD, value)
    except InputError:
        return
    assert control.check(FIELD, control.from_text(control.to_text(checked))) == checked


@pytest.mark.parametrize(
    ("text", "value"),
    [("1/16", 0.0625), ("0.5", 0.5), ("1e-3", 0.001), ("１２", 12), ("∞", math.inf)]
    + [(" 7 ", 7), ("−3", -3), ("1 / 4", 0.25), ("10" * 20, int("10" * 20))],
)
def test_numbers_may_be_written_as_people_write_them(text, value):
    assert number(text) == value


@pytest.mark.parametrize("text", ["", "1/0", "a", "1/2/3", "0x10", "1" * 5000, "__import__('os')"])
def test_other_text_is_not_a_number(text):
    with pytest.raises(ValueError):
        number(text)


@pytest.mark.parametrize(
    ("kind", "value"),
    [("integer", v) for v in (0, 10, 1.5, "x", None, True, math.nan, math.inf, 10**400, [1])]
    + [("even", 3), ("real", 0), ("real", math.nan), ("real", math.inf), ("real", "1/1000")]
    + [("ratio", 0), ("ratio", -1), ("ratio", math.nan), ("choice", "c"), ("choice", ["a"])]
    + [("choices", []), ("choices", ["d"]), ("flag", 1), ("flag", "yes"), ("text", "x" * 21)]
    + [("upload", "/etc/passwd"), ("upload", "gone.csv"), ("upload", 3)],
)
def test_what_is_outside_is_named(kind, value):
    with pytest.raises(InputError) as caught:
        KINDS[kind].check(FIELD, value)
    assert "Seed" in str(caught.value)
    assert "随机种子" in caught.value.word.text("zh")


def test_the_sentence_names_field_range_and_what_was_given():
    with pytest.raises(InputError) as caught:
        KINDS["integer"].check(FIELD, 12)
    assert str(caught.value) == "Seed: please give a whole number from 1 to 9; got “12”."


def test_whole_numbers_may_come_as_floats():
    assert KINDS["integer"].check(FIELD, 3.0) == 3
    assert isinstance(KINDS["integer"].check(FIELD, 3.0), int)


def test_infinity_only_where_it_is_allowed():
    assert KINDS["ratio"].check(FIELD, "inf") == math.inf


def test_choices_come_in_the_order_of_the_declaration():
    assert KINDS["choices"].check(FIELD, ["c", "a", "c"]) == ("a", "c")


def test_uploads_are_limited_in_kind_and_size(tmp_path):
    small = tmp_path / "points.csv"
    small.write_text("1,2\n")
    assert KINDS["upload"].check(FIELD, {"path": str(small)}) == str(small)
    assert KINDS["upload"].check(FIELD, None) is None
    with pytest.raises(InputError, match="at most 0 kB"):
        Upload(size=1).check(FIELD, str(small))
    program = tmp_path / "points.exe"
    program.write_text("")
    with pytest.raises(InputError, match=r"\.csv"):
        KINDS["upload"].check(FIELD, str(program))
