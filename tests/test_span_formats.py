r"""Annotated text: what is written comes back, and what is wrong is refused with its line.

``python -m pytest tests/test_span_formats.py``
"""

import itertools
import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models.crf import clashes
from models.span_formats import (
    KINDS,
    MOST_CHARACTERS,
    MOST_ENTITIES,
    MOST_INPUT,
    MOST_LABEL,
    MOST_SENTENCES,
    MOST_TYPES,
    SENTENCES,
    FormatError,
    detect,
    read,
    write,
)
from models.spans import Entity, relation

fast = settings(deadline=None, max_examples=80, derandomize=True)

NESTED = (
    "北京大学第三医院在北京",
    [Entity(0, 3, "ORG"), Entity(0, 7, "ORG"), Entity(9, 10, "LOC")],
)
ENGLISH = ("the king of England", [Entity(0, 18, "PER"), Entity(12, 18, "GPE")])
PLAIN: tuple[str, list[Entity]] = ("Nothing here [1] | \\ 【全】", [])
EMOJI = ("a😀b👨‍👩‍👧 é", [Entity(1, 1, "X"), Entity(1, 3, "Y")])

characters = st.sampled_from(
    [*"ab京学のé😀[]|\\{}\"' ,:;#*T1-\t\n\r【］｜\u3000\ufeff\u2028\u200d", "T1\t"]
)
labels = st.sampled_from(["ORG", "B-x", "人名", "work of art", "a|]\\[", "O", "T1", "1 2"])


@st.composite
def documents(draw, alphabet=characters):
    text = draw(st.lists(alphabet, min_size=1, max_size=25).map("".join).filter(str.strip))
    spans = draw(st.lists(st.tuples(st.integers(0, 99), st.integers(0, 99), labels), max_size=6))
    ends = [(*sorted((a % len(text), b % len(text))), label) for a, b, label in spans]
    return text, sorted({Entity(a, b, label) for a, b, label in ends})


some = st.lists(documents(), min_size=1, max_size=4)


def refused(call):
    with pytest.raises(FormatError) as caught:
        call()
    error = caught.value
    assert str(error) == SENTENCES[error.code].format(**error.details)
    assert error.line == error.details["line"] >= 1
    return error


def crosses(entities):
    return any(relation(a, b) == "crossing" for a, b in itertools.combinations(entities, 2))


# --- Round trips


@fast
@given(some)
def test_json_gives_everything_back(docs):
    written = write(docs, "json")
    assert read(written, "json") == read(written) == docs
    items = json.loads(written)
    assert [item["text"] for item in items] == [text for text, _ in docs]
    for item, (text, entities) in zip(items, docs, strict=True):
        surfaces = [item["text"][e["start"] : e["end"]] for e in item["entities"]]
        assert surfaces == [text[e.start : e.end + 1] for e in entities]


@fast
@given(some)
def test_inline_gives_back_all_but_crossing(docs):
    if any({"\n", "\r"} & set(text) for text, _ in docs):
        assert refused(lambda: write(docs, "inline")).code in ("unwritable", "crossing")
    elif any(crosses(entities) for _, entities in docs):
        error = refused(lambda: write(docs, "inline"))
        assert error.code == "crossing"
        assert crosses(docs[error.line - 1][1])
    else:
        assert read(write(docs, "inline"), "inline") == docs


@fast
@given(some)
def test_brat_gives_back_what_it_can_hold(docs):
    try:
        written = write(docs, "brat")
    except FormatError as error:
        assert error.code == "unwritable"
        text = docs[error.line - 1][0]
        lines = text.split("\n")
        is_open = lines[0].strip() and lines[-1].strip()
        assert "\r" in text or not is_open or "T1" in text or "\t" in text  # looks like a note
        return
    assert read(written, "brat") == docs
    assert read(write(docs[:1], "brat").replace("\n\nT1\t", "\nT1\t"), "brat") == docs[:1]


one_line = characters.filter(lambda x: x.isprintable() or x == " ")


@fast
@given(st.lists(documents(one_line), min_size=1, max_size=4))
def test_bio_by_characters_gives_everything_back(docs):
    assert read(write(docs, "bio", layered=True, joiner=""), "bio", joiner="") == docs
    if any(clashes(entities) for _, entities in docs):
        error = refused(lambda: write(docs, "bio", joiner=""))
        assert error.code == "not_bio"
        assert clashes(docs[error.line - 1][1])
    else:
        assert read(write(docs, "bio", joiner=""), "bio", joiner="") == docs


words = st.lists(st.text("ab[]|\\é😀京,B-", min_size=1, max_size=4), min_size=1, max_size=6)


@fast
@given(words, st.data())
def test_bio_by_words_gives_everything_back(tokens, data):
    text = " ".join(tokens)
    starts = [0, *(i + 1 for i, c in enumerate(text) if c == " ")]
    entities = set()
    for label in data.draw(st.lists(labels, max_size=4)):
        first, last = sorted(data.draw(st.tuples(*[st.integers(0, len(tokens) - 1)] * 2)))
        entities.add(Entity(starts[first], starts[last] + len(tokens[last]) - 1, label))
    docs = [(text, sorted(entities)), ("b", [])]
    assert read(write(docs, "bio", layered=True), "bio") == docs
    assert read(write(docs, "bio", layered=True, joiner=" "), "bio", joiner=" ") == docs


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    "docs", [[NESTED], [NESTED, ENGLISH], [NESTED, ("没有", []), ENGLISH, ("没有", [])], [EMOJI]]
)
def test_each_kind_is_recognised(kind, docs):
    if docs == [EMOJI] and kind == "bio":
        docs = [("京😀é 學", [Entity(1, 1, "X"), Entity(1, 3, "Y")])]
    written = write(docs, kind, layered=True)
    assert detect(written) == kind
    for text in (written, "\ufeff" + written, written.replace("\n", "\r\n"), "\n" + written):
        assert read(text) == docs
    assert write(read(written), kind, layered=True) == written


def test_plain_text_is_read_as_sentences_without_entities():
    assert read("北京。\n\n  two words \n") == [("北京。", []), ("  two words ", [])]
    assert read(write([PLAIN], "inline")) == [PLAIN]


def test_scores_do_not_hinder_writing_and_twins_are_dropped():
    twins = [Entity(0, 1, "A", 3.0), Entity(0, 1, "A", 1.0), Entity(0, 1, "B")]
    assert read(write([("xyz", twins)], "json")) == [("xyz", sorted(set(twins)))]
    assert write([], "json") == "[]\n"
    assert [write([], kind) for kind in KINDS if kind != "json"] == [""] * 3


# --- What is read, by hand


def test_inline_by_hand():
    assert read("[[北京大学|ORG]第三医院|ORG]在[北京|LOC]") == [NESTED]
    assert read("[the king of [England|GPE]|PER]") == [ENGLISH]
    assert read("[[Paris|GPE]|ORG] | a\\[b\\] \\\\ \\x") == [
        ("Paris | a[b] \\ \\x", [Entity(0, 4, "GPE"), Entity(0, 4, "ORG")])
    ]
    assert write([ENGLISH], "inline") == "[the king of [England|GPE]|PER]\n"
    assert read("【北京|LOC】［a｜B］") == [("【北京|LOC】［a｜B］", [])]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("北\tB-LOC\n京\tI-LOC\n8\tO\n", ("北京8", [Entity(0, 1, "LOC")])),
        ("EU NNP B-NP B-ORG\nrejects VBZ B-VP O\n", ("EU rejects", [Entity(0, 1, "ORG")])),
        ("-DOCSTART- -X- O O\n\nEU NNP B-NP B-ORG\n", ("EU", [Entity(0, 1, "ORG")])),
        ("a I-X\nb I-X\nc I-Y\n", ("a b c", [Entity(0, 2, "X"), Entity(4, 4, "Y")])),
        ("a S-X\nb B-X\nc M-X\nd E-X", ("a b c d", [Entity(0, 0, "X"), Entity(2, 6, "X")])),
        ("a B-X B-Y O\nb I-X O O", ("a b", [Entity(0, 0, "Y"), Entity(0, 2, "X")])),
        ("U.S. B-GPE\n. O", ("U.S. .", [Entity(0, 3, "GPE")])),
    ],
)
def test_columns_by_hand(text, expected):
    assert read(text) == [expected]


def test_columns_are_joined_as_asked():
    assert read("a\tO\nb\tB-X\n", joiner="") == [("ab", [Entity(1, 1, "X")])]
    assert read("北 O\n京 B-X\n", joiner=" ") == [("北 京", [Entity(2, 2, "X")])]


def test_brat_by_hand():
    text = "Ann met Bob.\n\nThen left.\n\nT1\tPER 0 3\tAnn\nR1\tKnows Arg1:T1\n*\tEquiv T1 T2\n"
    more = "\nT2\tPER 8 11\tBob\n\nNext text\n"
    first = ("Ann met Bob.\n\nThen left.", [Entity(0, 2, "PER"), Entity(8, 10, "PER")])
    assert read(text + more) == [first, ("Next text", [])]
    broken = ("New\nYork", [Entity(0, 7, "GPE")])
    assert write([broken], "brat") == "New\nYork\n\nT1\tGPE 0 8\tNew York\n"
    assert read("New\nYork\nT1\tGPE 0 8\tNew York") == [broken]


@pytest.mark.parametrize(
    "text",
    [
        '{"text": "a北京", "entities": [{"start": 1, "end": 3, "label": "LOC", "id": 7}]}',
        '[{"text": "a北京", "entities": [[1, 3, "LOC"], [1, 3, " LOC "]]}]',
        '\n {"text": "a北京", "label": [[1, 3, "LOC"]]}\n',
        '{"text": "a北京", "label": {"LOC": {"北京": [[1, 2]]}}}',
    ],
)
def test_json_dialects(text):
    assert read(text) == [("a北京", [Entity(1, 2, "LOC")])]
    assert read(text + "\n" + text if text[0] != "[" else text)[0][0] == "a北京"


# --- What is refused


def item(**entity):
    return json.dumps({"text": "abc", "entities": [{"start": 0, "end": 1, "label": "A"} | entity]})


long = "x" * (MOST_CHARACTERS + 1)
many_types = "".join(f"[a|T{k}]" for k in range(MOST_TYPES + 1))
many_spans = json.dumps(
    {"text": "ab" * 30, "entities": [[i, j, "A"] for i in range(60) for j in range(i + 1, 61)]}
)


@pytest.mark.parametrize(
    ("kind", "text", "code", "details"),
    [
        ("xml", "a", "unknown_kind", {"found": "xml"}),
        ("auto", "", "empty", {}),
        ("auto", "\ufeff \r\n\t\n", "empty", {}),
        ("json", "[ ]", "empty", {}),
        ("auto", "a" * (MOST_INPUT + 1), "too_large", {"found": MOST_INPUT + 1}),
        ("auto", "a\n" * (MOST_SENTENCES + 3), "too_many_sentences",
         {"line": 501, "found": 503, "limit": 500}),
        ("auto", "a\n\n" + long, "too_long", {"line": 3, "found": 2001, "limit": 2000}),
        ("auto", many_spans, "too_many_entities", {"found": 1830, "limit": MOST_ENTITIES}),
        ("auto", "a\n" + many_types, "too_many_types", {"line": 2, "found": "T200", "limit": 200}),
        ("auto", f"[a|{'L' * (MOST_LABEL + 1)}]", "long_label", {"length": 41, "limit": 40}),
        ("auto", "a\n[b|]", "empty_label", {"line": 2}),
        ("auto", "a\n[b| ]", "empty_label", {"line": 2}),
        ("auto", item(label=None), "label_type", {"found": "None"}),
        ("auto", item(label="a\nb"), "character", {"found": "U+000A"}),
        ("auto", '{"text": " "}', "empty_text", {"line": 1}),
        ("auto", "a\r\nb\x00", "character", {"line": 2, "found": "U+0000"}),
        ("auto", "a\n\ud83d", "character", {"line": 2, "found": "U+D83D"}),
        ("auto", '{"text": "\\ud83d"}', "character", {"found": "U+D83D"}),
        ("auto", item(start=0.0), "offset", {"found": "0.0"}),
        ("auto", item(end=True), "offset", {"found": "True"}),
        ("auto", item(end="1"), "offset", {"found": "1"}),
        ("auto", item(end=float("nan")), "offset", {"found": "nan"}),
        ("auto", item(end=None), "offset", {"found": "None"}),
        ("auto", item(end=[1, "\ud83d"]), "offset", {"found": "[…]"}),
        ("auto", item(end="\ud83d"), "offset", {"found": "\ufffd"}),
        ("auto", item(start=2), "order", {"start": "2", "stop": "1"}),
        ("auto", item(end=0), "order", {"start": "0", "stop": "0"}),
        ("auto", item(start=-1), "range", {"start": "-1", "length": 3}),
        ("auto", item(end=4), "range", {"stop": "4", "length": 3}),
        ("auto", item(end=10**60), "range", {"stop": "1" + "0" * 38 + "…"}),
        ("auto", '{"text": "abc", "label": {"A": {"ab": [[1, 2]]}}}', "surface",
         {"start": 1, "stop": 3, "expected": "bc", "found": "ab"}),
        ("auto", "abc\n\nT1\tA 0 2\tac", "surface", {"line": 3, "expected": "ab", "found": "ac"}),
        ("auto", "a\nb]", "unopened", {"line": 2, "column": 2}),
        ("auto", "a\n[[b|X]", "unclosed", {"line": 2, "column": 1}),
        ("auto", "[b|X", "unclosed", {"line": 1, "column": 1}),
        ("auto", "see [1]", "untyped", {"line": 1, "column": 5}),
        ("auto", "[a|X|Y]", "bracket_in_label", {"column": 5, "found": "|"}),
        ("auto", "[a|[b|X]]", "bracket_in_label", {"column": 4, "found": "["}),
        ("auto", "a[|X]", "empty_span", {"column": 2}),
        ("auto", "a B-X\nb N O", "columns", {"line": 2, "found": 3, "expected": 2}),
        ("bio", "a O\n\nb", "no_tag", {"line": 3}),
        ("bio", "a\tO\n\tO", "no_token", {"line": 2}),
        ("bio", "a O\nb BX", "tag", {"line": 2, "found": "BX"}),
        ("bio", "a O\nb B-", "tag", {"line": 2, "found": "B-"}),
        ("brat", "ab\nT1 A 0 1 a", "brat_line", {"line": 2, "found": "T1 A 0 1 a"}),
        ("brat", "ab\nT1\tA 0 1", "brat_line", {"line": 2}),
        ("brat", "ab\nT1\tA x 1\ta", "brat_line", {"line": 2}),
        ("brat", "ab\nT1\tA 0 1\ta\nmore", "brat_line", {"line": 3, "found": "more"}),
        ("brat", f"ab\nT1\tA 0 {'9' * 5000}\ta", "brat_line", {"line": 2}),
        ("brat", "ab\nT1\tA 0 3\tab", "range", {"line": 2, "length": 2}),
        ("auto", "T1\tA 0 1\ta", "brat_text", {"line": 1}),
        ("auto", "abcd\n\nT1\tA 0 1;2 3\ta c", "discontinuous", {"line": 3}),
        ("auto", '{"text": "a"}\n{"text": }', "json", {"line": 2, "column": 10, "found": "}"}),
        ("auto", '[{"text": "a"}', "json", {"line": 1, "column": 15, "found": ""}),
        ("auto", '[{"text": "a"}\n{"text": "a"}]', "json", {"line": 2, "column": 1}),
        ("auto", '[{"text": "a"}] x', "json", {"line": 1, "column": 17, "found": "x"}),
        ("json", '[{"text": "a"},]', "json", {"line": 1, "column": 16}),
        ("json", '{"text": "a", "n": ' + "1" * 5000 + "}", "json", {"line": 1, "column": 1}),
        ("json", "x" + "[" * 9, "json", {"column": 1}),
        ("json", "[" * 200_000, "json_deep", {"line": 1}),
        ("auto", '{"text":"a","x":' + "[" * 200_000, "json_deep", {"line": 1}),
        ("json", "[1]", "json_item", {"found": "1"}),
        ("json", '[{"text": "a"},\n[0]]', "json_item", {"line": 2, "found": "[…]"}),
        ("json", '{"entities": []}', "json_item", {"found": "{…}"}),
        ("json", '{"text": null}', "json_text", {"found": "None"}),
        ("json", '{"text": "a", "entities": {}}', "json_entities", {"found": "{…}"}),
        ("json", '{"text": "a", "entities": [[0, 1]]}', "json_entities", {"found": "[…]"}),
        ("json", '{"text": "a", "entities": ["ab"]}', "json_entities", {"found": "ab"}),
        ("json", '{"text": "a", "label": {"A": [0]}}', "json_entities", {"found": "[…]"}),
        ("json", '{"text": "a", "label": {"A": {"a": 0}}}', "json_entities", {"found": "0"}),
        ("json", '{"text": "a", "label": {"A": {"a": [[0]]}}}', "json_entities", {}),
        ("json", '{"text": "a", "label": {"A": {"a": [[0, 0.5]]}}}', "offset", {"found": "0.5"}),
    ],
)  # fmt: skip
def test_bad_text_is_refused_with_its_place(kind, text, code, details):
    error = refused(lambda: read(text, kind))
    assert error.code == code
    assert details.items() <= error.details.items()


crossing = ("abcd", [Entity(0, 2, "X"), Entity(1, 3, "Y")])


@pytest.mark.parametrize(
    ("docs", "kind", "code", "details"),
    [
        ([PLAIN], "xml", "unknown_kind", {"found": "xml"}),
        ([PLAIN, crossing], "inline", "crossing",
         {"line": 2, "first": "abc (X)", "second": "bcd (Y)"}),
        ([NESTED], "bio", "not_bio",
         {"first": "北京大学第三医院 (ORG)", "second": "北京大学 (ORG)", "found": "北京大学"}),
        ([("abc de", [Entity(0, 1, "X")])], "bio", "unaligned", {"found": "ab (X)"}),
        ([("a  b", [])], "bio", "unwritable", {"kind": "bio"}),
        ([("a\tb", [])], "bio", "unwritable", {"kind": "bio"}),
        ([("-DOCSTART-", [])], "bio", "unwritable", {"found": "-DOCSTART-"}),
        ([("a\nb", [])], "inline", "unwritable", {"found": "a line break"}),
        ([("a\n", [])], "brat", "unwritable", {"kind": "brat"}),
        ([("a\nT1\tb", [])], "brat", "unwritable", {"found": "T1 b"}),
        ([PLAIN, ("a\ud83d", [])], "json", "character", {"line": 2}),
        ([(" ", [])], "json", "empty_text", {}),
        ([("a", [Entity(0, 1, "X")])], "json", "range", {"length": 1}),
        ([("a", [Entity(0, 10**5000, "X")])], "json", "range", {"length": 1}),
        ([("a", [Entity(0, 0, "X" * 41)])], "json", "long_label", {"length": 41}),
        ([PLAIN] * 501, "json", "too_many_sentences", {"found": 501}),
    ],
)  # fmt: skip
def test_what_a_format_cannot_hold_is_refused(docs, kind, code, details):
    error = refused(lambda: write(docs, kind))
    assert error.code == code
    assert details.items() <= error.details.items()


def test_every_code_is_tested():
    tested = set()
    for check in (test_bad_text_is_refused_with_its_place,
                  test_what_a_format_cannot_hold_is_refused):  # fmt: skip
        (mark,) = check.pytestmark
        tested |= {case[2] for case in mark.args[1]}
    assert tested == set(SENTENCES)


def test_the_caps_themselves_are_allowed():
    assert len(read("a\n" * MOST_SENTENCES)) == MOST_SENTENCES
    assert len(read("x" * MOST_CHARACTERS)[0][0]) == MOST_CHARACTERS
    assert len(read("".join(f"[a|T{k}]" for k in range(MOST_TYPES)))[0][1]) == MOST_TYPES
    assert read(f"[a|{'L' * MOST_LABEL}]")[0][1][0].label == "L" * MOST_LABEL


pieces = st.one_of(
    st.text(max_size=5),
    st.characters(),
    st.sampled_from(
        ['{"text":', '"ab"', "}", "[", "]", ",", '"entities":', '"label":', '{"start":0,"end":',
         "1", "NaN", "-1", "1e9", "true", "null", "|", "\\", "\n", "\n\n", "\t", " ", "T1\tORG ",
         "T1", "0 1", ";", "\ta", "B-X", "I-X", "O", "a O\n", "\r", "\ufeff", "\ud800", "\x85"]
    ),
)  # fmt: skip


@settings(deadline=None, max_examples=400, derandomize=True)
@given(st.lists(pieces, max_size=14).map("".join), st.sampled_from(["auto", *KINDS]))
def test_any_text_gives_documents_or_a_format_error(text, kind):
    try:
        docs = read(text, kind)
    except FormatError as error:
        assert str(error) == SENTENCES[error.code].format(**error.details)
        assert 1 <= error.line <= text.count("\n") + text.count("\r") + 1
        str(error).encode()
        return
    assert docs == read(write(docs, "json"))
    for content, entities in docs:
        assert content.strip() and all(e.end < len(content) for e in entities)
