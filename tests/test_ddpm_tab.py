"""The DDPM tab: the numbers on screen against those known from the method."""

import numpy as np
import pytest

from demos.controls import InputError
from demos.ddpm._denoising import PANEL as DENOISING
from demos.ddpm._exact import PANEL as EXACT
from demos.ddpm._latents import PANEL as LATENTS
from demos.ddpm._noising import PANEL as NOISING

# --- exact ----------------------------------------------------------------------------------------

# final variance of sampling N(0, 1) from N(0, 1), trailing times: eta 0, 1/2, 1, sigma = b
VARIANCES = {
    1000: (0.996334, 0.995194, 0.991162, 1),
    100: (0.963951, 0.954697, 0.921689, 1),
    50: (0.929185, 0.913654, 0.857512, 1),
    20: (0.831951, 0.806756, 0.710869, 1),
    10: (0.690298, 0.663174, 0.548657, 1),
    5: (0.465622, 0.449338, 0.362750, 1),
}
COLUMNS = ("exact_eta_0", "exact_eta_half", "exact_eta_1", "exact_sigma_b")


def looked(**values):
    """The first look of ``exact``."""
    return EXACT.first(EXACT.check({"n_samples": 50, **values}))


def ran(**values):
    """The last view of ``exact``."""
    *_, last = EXACT.views(EXACT.check({"n_samples": 50, **values}))
    return last


def readings(view):
    """The readings by the end of their key."""
    return {r.quantity.key.removeprefix("ddpm.exact_reading_"): r for r in view.readings}


def notes(view):
    return {note.key.removeprefix("ddpm.exact_note_") for note in view.notes}


def test_the_study_shows_the_variances_of_gaussian_data():
    table = looked(data="normal").table
    for row, n_visits in enumerate(table["exact_n_visits"]):
        shown = [table[name][row] for name in COLUMNS]
        np.testing.assert_allclose(shown, VARIANCES[n_visits], atol=6e-7)
    assert sorted(table["exact_n_visits"]) == sorted(VARIANCES)


@pytest.mark.parametrize(
    ("column", "values"),
    [
        (0, {"eta": 0}),
        (1, {"eta": 0.5}),
        (2, {"rule": "ddpm"}),
        (3, {"rule": "ddpm_b", "noise_at_end": True}),
    ],
)
def test_measured_variances_agree_with_the_exact_ones(column, values):
    table = ran(data="normal", n_samples=2000, **values).table
    exact = [VARIANCES[n][column] for n in table["exact_n_visits"]]
    np.testing.assert_allclose(table["exact_theory"], exact, atol=6e-7)
    error = 5 * np.array(exact) * np.sqrt(2 / 2000)
    assert (np.abs(np.array(table["exact_variance"]) - exact) < error).all()


def test_greedy_collapses_to_the_square_of_the_last_signal():
    view = looked(data="normal", rule="greedy")
    assert readings(view)["greedy"].held is True
    assert readings(view)["greedy"].measured == pytest.approx(4.2016724e-5)
    assert "collapsed" in notes(view)


def test_two_points_end_where_their_start_lies():
    view = looked(data="two_points", spread=0, n_visits=10)
    assert readings(view)["sign"].held is True
    assert readings(view)["probe"].measured == pytest.approx(0.95668872)
    assert "unstable" not in notes(view)
    assert "unstable" in notes(looked(data="two_points", start_std=0.01))


@pytest.mark.parametrize("rule", ["ddim", "ddpm", "greedy"])
@pytest.mark.parametrize("n_visits", [1, 7, 50])
def test_one_point_is_hit_exactly(rule, n_visits):
    view = looked(data="point", spread=0, rule=rule, n_visits=n_visits)
    assert readings(view)["point"].held is True


def test_the_flow_of_a_gaussian_is_reached_like_one_over_s():
    found = readings(looked(data="gaussian", n_visits=10))
    assert found["flow"].measured == pytest.approx(1.86903792)
    assert found["flow"].theory == pytest.approx(1.9951462786)
    assert found["order"].held is True


def test_leading_never_visits_the_last_time_and_says_what_is_missed():
    found = readings(looked(spacing="leading", n_visits=10))
    assert found["first"].held is False and found["first"].measured == 901
    assert found["first"].note.params["A"] == pytest.approx(0.01677, abs=1e-5)
    assert readings(looked())["first"].held is True


def test_a_short_schedule_is_loud_at_the_end():
    view = looked(n_steps=50)
    assert "loud" in notes(view)
    assert "loud" not in notes(looked(n_steps=50, schedule="su_rescaled"))
    assert max(view.table["exact_n_visits"]) == 50


def test_eta_beyond_its_limit_is_refused_with_the_limit():
    limit = readings(looked(n_visits=10, eta=1))["eta"].theory
    assert looked(n_visits=10, eta=limit)
    with pytest.raises(InputError, match=f"{limit:.5g}"):
        looked(n_visits=10, eta=1.2)


def test_more_visits_than_steps_are_refused():
    with pytest.raises(InputError, match="at most T = 20"):
        looked(n_steps=20, n_visits=21)


def test_particles_end_on_points_without_blur():
    view = looked(data="spiral", spread=0, n_points=16, n_visits=250)
    moves = view.pictures["map"].moves[3]
    ends = np.stack([moves["x"][-1], moves["y"][-1]], axis=1)
    points = view.pictures["map"].data[0]
    gap = np.hypot(*(np.subtract.outer(ends[:, i], points["xy"[i]]) for i in (0, 1)))
    assert gap.min(axis=1).max() < 1e-6  # float32


def test_strokes_become_the_data():
    view = looked(data="drawn", drawn="-1 0 1 0;0 -1 0 1", n_points=40, spread=0)
    behind = view.pictures["map"].data[0]
    assert len(behind["x"]) == 40 and np.minimum(abs(behind["x"]), abs(behind["y"])).max() < 1e-6
    assert view.pictures["map"].drawn["into"] == "drawn"


@pytest.mark.parametrize("drawn", ["", "1 2 3", "a b", "1 999", "0 0;" * 65])
def test_a_bad_drawing_is_refused_in_both_languages(drawn):
    with pytest.raises(InputError) as caught:
        looked(data="drawn", drawn=drawn)
    for lang in ("zh", "en"):
        assert "{" not in caught.value.word.text(lang)


def test_tables_of_one_and_two_columns_are_read(tmp_path):
    file = tmp_path / "points.csv"
    file.write_text("x\n100\n300\n")
    view = looked(data="upload", upload=str(file))
    assert "paths" in view.pictures and "scale" not in notes(view)
    assert "scale" in notes(looked(data="upload", upload=str(file), standardise=False))
    file.write_text("1,2\n3,4\n1,2\n")
    assert "map" in looked(data="upload", upload=str(file)).pictures


@pytest.mark.parametrize(
    ("content", "message"),
    [("1,2,3\n", "1 or 2 columns"), ("1\n" * 5001, "at most 5000"), ("1\n1e9\n", "within")],
)
def test_bad_tables_are_refused(tmp_path, content, message):
    file = tmp_path / "points.csv"
    file.write_text(content)
    with pytest.raises(InputError, match=message):
        looked(data="upload", upload=str(file), standardise=False)
    with pytest.raises(InputError, match="upload"):
        looked(data="upload")


def test_a_long_run_begins_with_a_first_look_that_says_so():
    first, *_, last = EXACT.views(EXACT.check({"data": "ring", "n_samples": 300, "n_visits": 20}))
    assert first.progress == 0 and "first_look" in notes(first)
    assert last.progress is None and "first_look" not in notes(last)
    assert not np.isnan(last.table["exact_distance"]).any()


def test_work_beyond_a_minute_is_refused():
    with pytest.raises(InputError, match="pairs"):
        looked(data="spiral", n_points=2000, n_visits=1000, n_samples=5000)


# --- noising --------------------------------------------------------------------------------------


def noised(**values):
    return NOISING.first(NOISING.check(values))


def by_key(view):
    """The readings by the end of their key."""
    return {r.quantity.key.removeprefix("ddpm.reading_"): r for r in view.readings}


@pytest.mark.parametrize("what", ["character", "digit", "drawn", "gaussian", "two_points", "moons"])
@pytest.mark.parametrize("t", [1, 263, 1000])
@pytest.mark.parametrize("schedule", ["su", "cosine"])
def test_small_steps_and_a_jump_agree(what, t, schedule):
    view = noised(what=what, t=t, schedule=schedule)
    assert all(reading.held is not False for reading in view.readings), str(view)
    assert by_key(view)["jump"].measured < 2e-5


@pytest.mark.parametrize(("t", "count"), [(1, 2), (262, 2), (263, 1), (1000, 1)])
def test_two_points_have_two_humps_until_262(t, count):
    reading = by_key(noised(what="two_points", t=t))["humps"]
    assert reading.measured == reading.theory == count and reading.held


def test_what_the_end_still_tells():
    """3.03e-5 bits for a number with mean square 1 (the method's table)."""
    told = by_key(noised(what="two_points"))["told"].measured
    assert told == pytest.approx(3.03e-5, abs=1e-7)
    assert by_key(noised(schedule="scaled_linear"))["told"].measured > 1


def test_levels_of_the_caption_are_the_methods():
    caption = noised(t=500).caption.text("en")
    assert "0.28459" in caption and "0.95865" in caption and "ᾱₜ" in caption
    assert "√(1−ᾱₜ)" in noised(t=500, dialect="paper").caption.text("en")


def test_the_first_drawing_sets_what_is_drawn():
    clean = noised().pictures["clean"]
    assert clean.drawn["into"] == "drawn" and clean.drawn["set"] == {"what": "drawn"}
    one, other = (noised(what="drawn", drawn=text) for text in ("4 4 28 28", "4 28 28 4"))
    assert one.pictures["clean"].data != other.pictures["clean"].data


def test_t_0_is_clean():
    view = noised(t=0)
    assert by_key(view)["jump"].measured == 0
    assert [note.key for note in view.notes] == ["ddpm.note_clean"]


def test_film_begins_with_the_clean_picture_and_ends_with_noise():
    view = noised(what="two_points")
    assert view.steps[0] == "t = 0" and view.steps[-1] == "t = 1000"
    shares = view.pictures["film"].moves[0]["y"]
    assert (shares[0] > 0).sum() == 2 and (shares[-1] > 0).sum() > 20
    square = view.table["mean_square"]
    np.testing.assert_allclose(square, view.table["mean_square_expected"], atol=0.15)


def picture_file(path, size=(40, 20), ground=255, **options):
    from PIL import Image

    image = Image.new("L", size, ground)
    image.paste(255 - ground, (5, 5, size[0] - 5, size[1] - 5))
    image.save(path, **options)
    return str(path)


@pytest.mark.parametrize("panel", [NOISING, LATENTS], ids=["noising", "latents"])
def test_an_uploaded_picture_says_what_was_done_to_it(panel, tmp_path):
    upload = picture_file(tmp_path / "a.png")
    view = panel.first(panel.check({"what": "upload", "upload": upload}))
    said = {note.key: note.text("en") for note in view.notes}
    assert "40×20" in said["ddpm.note_converted"] and "mode L" in said["ddpm.note_converted"]
    assert "ddpm.note_padded" in said and "ddpm.note_inverted" in said
    square = picture_file(tmp_path / "b.png", (30, 30), ground=0)
    notes = panel.first(panel.check({"what": "upload", "upload": square})).notes
    assert not {"ddpm.note_padded", "ddpm.note_inverted"} & {note.key for note in notes}


@pytest.mark.parametrize("panel", [NOISING, LATENTS], ids=["noising", "latents"])
def test_bad_pictures_get_a_sentence_with_field_limit_and_what_was_given(panel, tmp_path):
    def refused(upload):
        with pytest.raises(InputError) as caught:
            panel.first(panel.check({"what": "upload", "upload": upload}))
        for lang in ("zh", "en"):
            assert "{" not in caught.value.word.text(lang)
        return str(caught.value)

    large = refused(picture_file(tmp_path / "large.png", (5000, 4000), compress_level=1))
    assert "16 megapixels" in large and "20 megapixels" in large and "large.png" in large
    text = tmp_path / "text.png"
    text.write_text("hello")
    assert "text.png" in refused(str(text)) and "GIF" in refused(str(text))
    cut = tmp_path / "cut.png"
    cut.write_bytes((tmp_path / "large.png").read_bytes()[:200])
    picture_file(tmp_path / "whole.png", (300, 300))
    cut.write_bytes((tmp_path / "whole.png").read_bytes()[:-60])
    assert "damaged" in refused(str(cut))
    assert "none is uploaded" in refused(None)


@pytest.mark.parametrize("drawn", ["", "1 2 3", "a b", "1 1;" * 65, "900 1 2 3"])
@pytest.mark.parametrize("panel", [NOISING, LATENTS], ids=["noising", "latents"])
def test_bad_strokes_are_refused(panel, drawn):
    with pytest.raises(InputError, match="Strokes"):
        panel.first(panel.check({"what": "drawn", "drawn": drawn}))


# --- latents --------------------------------------------------------------------------------------


def latent_run(**values):
    """The last view of ``latents``."""
    *_, last = LATENTS.views(LATENTS.check(values))
    return last


def test_encoding_and_decoding_restore_pictures_better_with_more_steps():
    view = latent_run(what="digit", n_pictures=2)
    seen = by_key(view)
    assert seen["again"].held and seen["again"].measured == 0
    assert seen["more"].held and seen["power"].measured < -1
    table = dict(zip(view.table["visits"], view.table["error_here"], strict=True))
    assert table[10] < 0.03 and table[100] < 0.002 and np.isnan(table[1000])
    assert dict(zip(view.table["visits"], view.table["error_reported"], strict=True))[10] == 0.014


def test_bare_pictures_have_quiet_latents_and_veiled_ones_normal_latents():
    bare = LATENTS.first(LATENTS.check({}))
    assert by_key(bare)["latent_variance"].held is False
    assert "ddpm.note_quiet" in {note.key for note in bare.notes}
    veiled = LATENTS.first(LATENTS.check({"veil": 20}))
    assert by_key(veiled)["latent_variance"].measured == pytest.approx(1, abs=0.1)
    assert "ddpm.note_quiet" not in {note.key for note in veiled.notes}


def test_refinements_restore_better():
    errors = [
        by_key(LATENTS.first(LATENTS.check({"n_refinements": n, "n_pictures": 1})))["restored"]
        for n in (0, 2)
    ]
    assert errors[1].measured < 0.6 * errors[0].measured


@pytest.mark.parametrize(("path", "middle"), [("arc", 1.0), ("slerp", 1.0), ("line", 0.5)])
def test_variance_half_way(path, middle):
    values = {"task": "interpolate", "path": path, "n_visits": 2}
    view = LATENTS.first(LATENTS.check(values))
    assert all(reading.held is not False for reading in view.readings), str(view)
    seen = by_key(view)["way_middle"]
    assert seen.theory == pytest.approx(middle) and seen.measured == pytest.approx(middle, abs=0.2)
    assert len(view.steps) == len(view.table["place"]) == 7


def test_equal_seeds_are_said_and_the_arc_overshoots():
    view = LATENTS.first(
        LATENTS.check({"task": "interpolate", "n_visits": 2, "seed": 3, "other": 3})
    )
    assert [note.key for note in view.notes][-1] == "ddpm.note_same_seed"
    assert by_key(view)["way_middle"].theory == pytest.approx(2)


def test_too_much_work_is_refused_with_its_size():
    values = {"task": "interpolate", "n_between": 17, "n_pictures": 12, "n_visits": 200}
    with pytest.raises(InputError, match="32"):
        LATENTS.first(LATENTS.check(values))


# --- denoising ------------------------------------------------------------------------------------


def test_the_quick_look_refuses_no_eta_that_the_run_allows():
    """Fewer steps have a lower limit of eta; what is set is judged by the steps that are set."""
    assert DENOISING.first(DENOISING.check({"model": "digits", "eta": 1.1})).steps
    with pytest.raises(InputError):
        DENOISING.first(DENOISING.check({"model": "digits", "eta": 1.5}))
