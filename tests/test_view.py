"""Views: readings judge rightly, payloads hold each array once, figures are plotly's."""

import json
import math

import numpy as np
import pytest

from demos.figures import (
    COLORS,
    TEMPLATE,
    axis,
    band,
    compact,
    dots,
    drawing,
    figure,
    heat,
    horizontal,
    line,
    merge,
    moving,
    paint,
    vertical,
)
from demos.view import View, at_least, at_most, equal, near, page, plain, shown
from demos.words import W

WORD = W("frame.seed")


@pytest.mark.parametrize(
    ("reading", "held"),
    [
        (equal(WORD, 1.0, 1.0 + 1e-12, 1e-9), True),
        (equal(WORD, 1.0, 1.1, 1e-9), False),
        (near(WORD, 1.0, 1.1, 0.2), True),
        (at_most(WORD, 0.5, 0.4), False),
        (at_most(WORD, 0.5, 0.4, 0.1), True),
        (at_most(WORD, 0.5, math.inf), True),
        (at_least(WORD, 0.5, 0.6), False),
        (at_least(WORD, math.inf, math.inf), True),
        (equal(WORD, math.nan, 1.0), None),
        (shown(WORD, 3), None),
    ],
)
def test_readings_judge(reading, held):
    assert reading.held is held


def sample():
    x = np.linspace(0, 1, 50)
    wave = figure(
        line(x, np.sin(x), WORD),
        dots(x, np.cos(x), WORD, "@orange/0.5"),
        x=axis(WORD),
        y=axis(WORD, log=True),
        marks=[vertical(0.5, WORD), horizontal(0.1), band(0.2, 0.3, WORD)],
        title=WORD,
    )
    picture = figure(heat(np.eye(3)), x=axis("i"), y=axis("j"), square=True)
    return View(
        {"wave": wave, "picture": picture},
        WORD,
        [equal(WORD, 1.0, 2.0), shown(WORD, WORD)],
        {"n": x, "seed": [1] * 50},
        html=("<b>", WORD, "</b>"),
        notes=[WORD],
    )


def test_a_page_holds_each_array_once_and_both_languages(monkeypatch):
    monkeypatch.setitem(__import__("demos.words", fromlist=["TEXT"]).TEXT["en"], "x.column_n", "n")
    monkeypatch.setattr("demos.view.column_word", lambda tab, name: WORD)
    packed = page(sample(), "x", code="pass")
    json.dumps(packed)
    kinds = [array["dtype"] for array in packed["arrays"]]
    assert (
        kinds.count("f4") == 3 + 1 and "f8" in kinds
    )  # x, sin, cos, eye; the table's x is float64
    assert set(packed["words"]) == {"zh", "en"}
    assert len(packed["words"]["zh"]) == len(packed["words"]["en"])
    assert packed["html"].startswith("<b>§") and packed["readings"][0]["held"] is False


def test_the_same_figure_is_a_valid_plotly_figure():
    for name in ("wave", "picture"):
        drawn = sample().plotly(name, "zh")
        assert "@" not in drawn.to_json()
    assert sample().plotly("wave", "zh").layout.title.text == "随机种子"


def test_a_view_prints_its_readings():
    assert "✗ Seed: 1 = 2" in str(sample())


def test_tables_have_columns_of_one_length():
    with pytest.raises(ValueError, match="one length"):
        View(figure(x=axis("x"), y=axis("y")), WORD, table={"a": [1, 2], "b": [1]})


@pytest.mark.parametrize(
    ("values", "dtype"),
    [
        (np.arange(5), np.uint8),
        (np.arange(-5, 5), np.int8),
        (np.arange(1000), np.int16),
        (np.linspace(0, 1), np.float32),
        (np.array([1e-300, 1.0]), np.float64),
        (np.array([1e300, np.nan]), np.float64),
        (np.array([np.nan, 1.0]), np.float32),
        (np.array([True]), np.uint8),
    ],
)
def test_arrays_travel_in_the_smallest_type_that_draws_the_same(values, dtype):
    assert compact(values).dtype == dtype


def test_plain_values_are_json():
    assert plain(np.int64(2)) == 2
    assert json.dumps(plain(np.array([1.0, math.nan, math.inf]))) == '[1.0, null, "inf"]'


def contrast(a, b):
    def luminance(color):
        parts = [int(color[i : i + 2], 16) / 255 for i in (1, 3, 5)]
        linear = [p / 12.92 if p <= 0.04045 else ((p + 0.055) / 1.055) ** 2.4 for p in parts]
        return float(np.dot([0.2126, 0.7152, 0.0722], linear))

    high, low = sorted((luminance(a), luminance(b)), reverse=True)
    return (high + 0.05) / (low + 0.05)


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_every_colour_has_contrast(theme):
    """WCAG 2.2: 3:1 for lines and markers, 4.5:1 for text."""
    colors = COLORS[theme]
    for name, color in colors.items():
        if name not in ("grid", "paper"):
            assert contrast(color, colors["paper"]) >= 3, name
    assert contrast(colors["ink"], colors["paper"]) >= 7


def test_themes_have_the_same_colours():
    assert COLORS["light"].keys() == COLORS["dark"].keys()
    assert "@" not in json.dumps(paint(TEMPLATE, "dark"))


def test_merge_keeps_what_is_not_overwritten():
    assert merge({"a": {"b": 1, "c": 2}}, {"a": {"b": 3}}) == {"a": {"b": 3, "c": 2}}


def test_every_step_has_its_row():
    def view(n_steps, *rows):
        x = np.linspace(0, 1, 9)
        moves = {f"t{i}": {"y": np.stack([x**k for k in range(n)])} for i, n in enumerate(rows)}
        lines = [line(x, x, WORD) for _ in rows]
        drawn = drawing("curve", mode="drawn")
        wave = figure(*lines, x=axis(WORD), y=axis(WORD), moves=moving(**moves), drawn=drawn)
        return View(wave, WORD, steps=[f"k = {k}" for k in range(n_steps)])

    with pytest.raises(ValueError, match="3 rows for 2 steps"):
        view(2, 3)
    with pytest.raises(ValueError, match="one row for each step"):
        view(3, 3, 2)
    packed = page(view(3, 3, 3), "rope")
    (picture,) = packed["figures"]
    assert packed["steps"] == ["k = 0", "k = 1", "k = 2"]
    assert packed["arrays"][picture["moves"]["1"]["y"]["$a"]]["shape"] == "3, 9"
    assert picture["drawn"] == {
        "into": "curve",
        "points": 64,
        "kind": "heights",
        "set": {"mode": "drawn"},
    }
    frames = view(3, 3, 3).plotly().frames
    assert [len(frame.data) for frame in frames] == [2, 2, 2]
    np.testing.assert_allclose(frames[2].data[1].y, np.linspace(0, 1, 9) ** 2, rtol=1e-6)
