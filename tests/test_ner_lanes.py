"""Entities over their text: nothing hidden, nothing repeated, everything escaped.

The HTML is read back with the standard library's parser, as a browser would, and compared with the
text and the entities it was made from.
"""

import json
from html import escape
from html.parser import HTMLParser
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from demos.ner._common import (
    CODES,
    MOST_BARS,
    MOST_PARTS,
    NAME_PARTS,
    annotated,
    drawable,
    span_word,
)
from demos.words import Word, literal, verbatim
from models.spans import Entity, depth

TYPES = ("PER", "LOC", "my <own> type §0§", "x\"y'&amp;")


def spoken(parts, lang="en"):
    """The HTML as the page builds it: Words escaped where they stand, none left to find."""
    return "".join(escape(p.text(lang)) if isinstance(p, Word) else p for p in parts)


class Page(HTMLParser):
    """What stands on the page: the text, the units, and their bars with their buttons."""

    def __init__(self, parts, lang="en"):
        super().__init__(convert_charrefs=True)
        self.text = ""
        self.names: list[str] = []
        self.values: list[str] = []
        self.titles: list[str | None] = []
        self.bars: list[Any] = []  # (character from, up to, lane, classes, begins with a button)
        self.open: list[str] = []
        self.unit: list[Any] = []
        self.feed(spoken(parts, lang))
        self.close()
        assert not self.open

    def handle_starttag(self, tag, attributes):
        given: Any = dict(attributes)
        self.open.append(tag)
        if tag == "span":
            self.unit = [len(self.text), None, []]
        elif tag == "i":
            lane = int(given["style"].removeprefix("--l:"))
            self.unit[2].append([lane, given["class"].split(), False])
        elif tag == "button":
            self.values.append(json.loads(given["data-set"])["chosen"])
            self.titles.append(given["title"])
            self.names.append("")
            self.unit[2][-1][2] = True

    def handle_endtag(self, tag):
        assert self.open.pop() == tag
        if tag == "span":
            start, _, bars = self.unit
            self.bars += [(start, len(self.text), *bar) for bar in bars]
            self.unit = []

    def handle_data(self, data):
        if "button" in self.open:
            self.names[-1] += data
        else:
            assert "i" not in self.open
            self.text += data


def pieces(page):
    """The stretches of each bar, joined from unit to unit: (start, end, n_names)."""
    found, running = [], {}
    for start, stop, lane, classes, named in page.bars:
        if "a" in classes:
            running[lane] = [start, stop, 0]
        assert running[lane][1] == start or "a" in classes, "a bar has a gap"
        running[lane][1] = stop
        running[lane][2] += named
        if "z" in classes:
            first, last, n_names = running.pop(lane)
            found.append((first, last - 1, n_names))
    assert not running
    return found


LETTERS = st.sampled_from(list("ab \n<>&\"'§1中。é\u0301\u200d👩🏽🇫🇷\tم"))
TEXTS = st.text(LETTERS, min_size=1, max_size=30)


@st.composite
def texts_with_entities(draw):
    text = draw(TEXTS)
    spots = st.tuples(*[st.integers(0, len(text) - 1)] * 2, st.sampled_from(TYPES))
    found = draw(st.lists(spots, max_size=25))
    return text, [Entity(min(a, b), max(a, b), label, 1.5) for a, b, label in found]


@settings(max_examples=150, deadline=None)
@given(made=texts_with_entities(), lang=st.sampled_from(["zh", "en"]))
def test_nothing_is_hidden_and_nothing_is_repeated(made, lang):
    """The text once, each entity one name, each of its characters under one bar of its lane."""
    text, entities = made
    page = Page(annotated(text, entities, TYPES), lang)
    assert page.text == text
    assert len(page.names) == len(entities) and all(page.names)
    assert sorted(page.values) == sorted(f"{e.start}-{e.end}-{e.label}" for e in entities)
    stretches = pieces(page)
    assert sorted((a, b) for a, b, _ in stretches) == sorted((e.start, e.end) for e in entities)
    assert all(n_names == 1 for *_, n_names in stretches)


@settings(max_examples=100, deadline=None)
@given(made=texts_with_entities())
def test_no_two_bars_lie_on_each_other(made):
    text, entities = made
    page = Page(annotated(text, entities, TYPES))
    lanes: dict[int, list[int]] = {}
    for start, stop, lane, *_ in page.bars:
        for place in range(start, stop):
            lanes.setdefault(place, []).append(lane)
    assert all(len(set(here)) == len(here) for here in lanes.values())
    assert [len(lanes.get(i, ())) for i in range(len(text))] == depth(entities, len(text)).tolist()


def test_labels_and_text_are_escaped():
    text = "<script>alert(1)</script> & §0§"
    label = "<img src=x onerror=alert(1)>"
    html = spoken(annotated(text, [Entity(0, 7, label, 2.0)], [label]))
    assert "<script" not in html and "<img" not in html and "§" not in html
    page = Page(annotated(text, [Entity(0, 7, label, 2.0)], [label]))
    assert page.text == text and page.titles == [f"{label} · 2.00"]


def test_half_a_character_does_not_reach_the_page():
    """A lone surrogate cannot be sent; one sign takes its place, so positions stay right."""
    page = Page(annotated("a\ud800b", [Entity(1, 2, "PER")], TYPES))
    assert page.text == "a\ufffdb"


def test_identical_spans_of_two_types_have_two_bars():
    page = Page(annotated("abc", [Entity(0, 2, "PER"), Entity(0, 2, "LOC")], TYPES))
    assert sorted(page.names) == ["LOC", "PER"]
    assert len({lane for _, _, lane, *_ in page.bars}) == 2
    assert {classes[0] for *_, classes, _ in page.bars} == {"k0", "k1"}


def test_thirty_overlaps_have_thirty_lanes():
    text = "字" * 60
    entities = [Entity(i, 59 - i, "PER") for i in range(30)]
    page = Page(annotated(text, entities, TYPES))
    assert {lane for _, _, lane, *_ in page.bars} == set(range(30))
    assert len(page.names) == 30


def test_crossing_spans_are_both_whole():
    page = Page(annotated("abcdef", [Entity(0, 3, "PER"), Entity(2, 5, "LOC")], TYPES))
    assert sorted((a, b) for a, b, _ in pieces(page)) == [(0, 3), (2, 5)]


@pytest.mark.parametrize("text", ["", " ", "plain text", "<b>\n\t</b>"])
def test_a_text_without_entities_is_itself(text):
    page = Page(annotated(text, [], TYPES))
    assert page.text == text and not page.names and not page.bars


def test_the_lit_bar_says_so_and_a_click_on_it_puts_it_out():
    entities = [Entity(0, 5, "PER", 2.0), Entity(2, 3, "PER", 1.0)]
    page = Page(annotated("abcdef", entities, TYPES, chosen=Entity(2, 3, "PER")))
    assert sorted(page.values) == ["", "0-5-PER"]
    assert {a for a, _, _, classes, _ in page.bars if "on" in classes} == {2}
    html = spoken(annotated("abcdef", entities, TYPES, chosen=Entity(2, 3, "PER")))
    assert html.count('aria-pressed="true"') == 1 and html.count('aria-pressed="false"') == 1


def test_a_mark_is_a_class_of_every_part_of_its_bar():
    entity = Entity(0, 6, "PER")
    page = Page(annotated("one two", [entity], TYPES, marks={entity: "missed"}))
    assert len(page.bars) == 3 and all("missed" in classes for *_, classes, _ in page.bars)


def test_wide_characters_break_anywhere_and_words_only_between():
    page = Page(annotated("北京大学 in old town", [Entity(0, 15, "PER")], TYPES))
    lengths = [stop - start for start, stop, *_ in page.bars]
    assert lengths == [1, 1, 1, 1, 1, 2, 1, 3, 1, 4]


def test_a_sign_of_several_code_points_stays_whole():
    for sign in ("👩‍👩‍👧", "👍🏽", "🇫🇷", "é", "❤️"):
        page = Page(annotated(sign * 2, [Entity(0, 2 * len(sign) - 1, "PER")], TYPES))
        stops = {stop for _, stop, *_ in page.bars}
        assert all(stop % len(sign) == 0 for stop in stops), sign


def test_words_that_run_leftwards_stay_in_one_box():
    """Boxes beside each other run rightwards, whatever stands in them."""
    page = Page(annotated("in مرحبا بالعالم now", [Entity(0, 19, "PER")], TYPES))
    assert [stop - start for start, stop, *_ in page.bars] == [2, 15, 3]


def test_colours_repeat_when_there_are_many_types():
    many = [f"t{i}" for i in range(CODES + 1)]
    page = Page(annotated("a b", [Entity(0, 0, "t0"), Entity(2, 2, many[-1])], many))
    assert {classes[0] for *_, classes, _ in page.bars} == {"k0"}


# --- How much is drawn ----------------------------------------------------------------------------


def test_all_are_drawn_when_there_are_few():
    entities = [Entity(i, i + 2, "PER", float(-i)) for i in range(50)]
    assert drawable(reversed(entities)) == entities


def test_of_very_many_the_best_are_drawn():
    entities = [Entity(i, i, "PER", float(i)) for i in range(MOST_BARS + 50)]
    assert drawable(entities) == entities[50:]
    deep = [Entity(0, 125, f"t{i}", float(i)) for i in range(100)]
    kept = drawable(deep)
    each = 126 + NAME_PARTS
    assert each * len(kept) <= MOST_PARTS < each * (len(kept) + 1)
    assert {e.score for e in kept} == {float(i) for i in range(100 - len(kept), 100)}


def test_one_entity_is_always_drawn():
    assert len(drawable([Entity(0, 2 * MOST_PARTS, "PER", 1.0)])) == 1
    assert drawable([]) == []


# --- Texts in figures and tables ------------------------------------------------------------------


def test_a_text_in_a_figure_is_no_markup():
    assert verbatim("<b>\n&").text() == "&lt;b&gt;·&amp;"


def test_a_text_in_a_table_is_itself_on_one_line():
    assert literal("<b>\n{text}\ud800").text("zh") == "<b>·{text}·"


def test_a_long_span_is_cut_at_its_end():
    assert span_word("ab" * 10, Entity(1, 18, "PER"), 5).text() == "baba…"
    assert span_word("<b>", Entity(0, 2, "PER"), 3, verbatim).text() == "&lt;b&gt;"
