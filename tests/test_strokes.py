"""Strokes: text to polylines, points evenly along them, and every way a text can be wrong."""

import numpy as np
import pytest

from models import strokes
from models.strokes import StrokeError, parse, points, standardised


def test_strokes_are_pairs_between_semicolons():
    first, second = parse("0 0 1 0, 1 1; -1 2e-1")
    np.testing.assert_array_equal(first, [[0, 0], [1, 0], [1, 1]])
    np.testing.assert_array_equal(second, [[-1, 0.2]])


def test_what_is_empty_between_semicolons_is_left_out():
    assert len(parse(";0 0 1 1;; ;2 2;")) == 2


def test_wide_characters_and_minus_signs_are_read():
    np.testing.assert_array_equal(parse("０　−１；１，２")[0], [[0, -1]])


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("", "empty"),
        (" ; ;", "empty"),
        ("1 2 3", "odd"),
        ("0 0;1", "odd"),
        ("0 x", "not_a_number"),
        ("0 nan", "too_far"),
        ("0 inf", "too_far"),
        ("0 -101", "too_far"),
        ("0 0;" * 65, "too_many"),
        ("0" * 2001, "too_long"),
    ],
)
def test_a_bad_text_is_refused_with_its_reason(text, code):
    with pytest.raises(StrokeError) as caught:
        parse(text)
    assert caught.value.code == code
    assert "{" not in str(caught.value)


def test_the_message_names_the_stroke():
    with pytest.raises(ValueError, match="Stroke 2 has 3 numbers"):
        parse("0 0 1 1;1 2 3")


def test_limits_are_allowed():
    assert len(parse("0 0;" * 64)) == 64
    assert parse("0 100")[0].max() == strokes.MAX_SIZE


def test_points_are_even_along_one_stroke():
    made = points(parse("0 0 1 0 1 1"), 8)
    along = made.sum(axis=1)  # of this path, the length from its start
    np.testing.assert_allclose(along, (np.arange(8) + 0.5) / 4)


def test_each_stroke_has_its_share_by_length():
    made = points(parse("0 0 3 0;10 0 11 0"), 400)
    assert (made[:, 0] <= 3).sum() == 300
    assert not ((made[:, 0] > 3) & (made[:, 0] < 10)).any(), "a point between two strokes"


def test_repeated_corners_change_nothing():
    np.testing.assert_allclose(points(parse("0 0 0 0 1 0 1 0"), 7), points(parse("0 0 1 0"), 7))


@pytest.mark.parametrize("n", [1, 2, 10, 1000])
def test_dots_count_as_one_point_or_share_alike(n):
    np.testing.assert_array_equal(points(parse("2 3"), n), np.tile([2.0, 3.0], (n, 1)))
    beside = points(parse("0 0 1 0;5 5"), n)
    assert (beside[:, 0] == 5).sum() <= 1 and len(beside) == n
    assert (points(parse("1 1;2 2"), 2 * n)[:, 0] == 1).sum() == n


def test_points_lie_on_the_strokes(rng):
    corners = rng.uniform(-2, 2, (9, 2))
    made = points([corners], 500)
    a, d = corners[:-1], np.diff(corners, axis=0)
    share = ((made[:, None] - a) * d).sum(-1) / (d**2).sum(-1)
    off = np.linalg.norm(a + np.clip(share, 0, 1)[..., None] * d - made[:, None], axis=-1)
    assert off.min(axis=1).max() < 1e-12


@pytest.mark.parametrize("n", [0, -1, 100_001])
def test_a_bad_number_of_points_is_refused(n):
    with pytest.raises(ValueError, match="n must be"):
        points(parse("0 0 1 1"), n)
    with pytest.raises(ValueError, match="at least one stroke"):
        points([], 5)


@pytest.mark.parametrize("scale", [1e-200, 1.0, 255.0, 1e300])
def test_tables_are_centred_and_scaled_alike_on_all_axes(scale, rng):
    table = rng.normal(3, [1, 2], (500, 2))
    made = standardised(scale * table)
    np.testing.assert_allclose(made.mean(axis=0), 0, atol=1e-12)
    assert (made**2).mean() == pytest.approx(1)
    ratio = (table - table.mean(axis=0)) / made
    np.testing.assert_allclose(ratio, ratio[0, 0])


def test_equal_points_become_0():
    assert not standardised(np.full((4, 1), 0.1)).any()
    with pytest.raises(ValueError, match="table"):
        standardised(np.zeros((0, 2)))
