"""Signals: amplitude, the same path at any length, recordings, drawn lines, csv text, bad input."""

import math
import sys

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models import signals
from models.signals import GENERATORS, RANDOM, RECORDINGS
from training import signals as training


def made(kind, n_samples=1000, seed=0, **options):
    return signals.make_signal(kind, n_samples, np.random.default_rng(seed), **options)


# --- Made up --------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", GENERATORS)
@pytest.mark.parametrize("n_samples", [1, 2, 999, 20_000])
def test_signals_have_their_length_and_an_amplitude_about_one(kind, n_samples):
    u = made(kind, n_samples)
    assert u.shape == (n_samples,) and u.dtype == np.float64 and np.isfinite(u).all()
    if n_samples > 900:
        assert 0.4 < np.abs(u).max() < 3.5


@pytest.mark.parametrize("kind", GENERATORS)
def test_the_same_seed_gives_the_same_signal_at_any_length(kind):
    """Odd multiples share sample times: every fifth of 5 L middles is a middle of L."""
    np.testing.assert_array_equal(made(kind), made(kind))
    np.testing.assert_allclose(made(kind, 1000), made(kind, 5000)[2::5], atol=1e-9)


@pytest.mark.parametrize("kind", RANDOM)
def test_another_seed_gives_another_path(kind):
    assert np.abs(made(kind) - made(kind, seed=1)).max() > 0.3


@pytest.mark.parametrize("kind", GENERATORS)
def test_added_noise_leaves_the_path_alone(kind):
    plain, little, much = (made(kind, noise=size) for size in (0.0, 0.1, 0.2))
    np.testing.assert_allclose(much - plain, 2 * (little - plain), atol=1e-12)
    assert (little - plain).std() == pytest.approx(0.1, rel=0.1)  # 1000 draws: 4 standard errors


def test_noise_is_white_and_shared_between_lengths():
    fine = signals.white_noise(20_000, np.random.default_rng(3), 1.0)
    coarse = signals.white_noise(1000, np.random.default_rng(3), 1.0)
    np.testing.assert_allclose(
        coarse, fine.reshape(1000, 20).sum(axis=1) / math.sqrt(20), atol=1e-9
    )
    assert abs(np.corrcoef(fine[1:], fine[:-1])[0, 1]) < 0.03
    assert fine.std() == pytest.approx(1, rel=0.03) and coarse.std() == pytest.approx(1, rel=0.1)


def test_frequency_of_noise_does_not_redraw_it():
    slow, fast = made("filtered_noise", frequency=4.0), made("filtered_noise", frequency=5.0)
    assert np.corrcoef(slow, fast)[0, 1] > 0.9
    for frequency in (2.0, 20.0):
        power = np.abs(np.fft.rfft(made("filtered_noise", frequency=frequency))) ** 2
        assert power[int(4 * frequency) :].sum() < 1e-3 * power.sum()


def test_random_walk_has_independent_steps():
    ends = [made("random_walk", 100, seed)[[49, 99]] for seed in range(400)]
    half, whole = np.transpose(ends)
    assert half.var() == pytest.approx(0.5, rel=0.3) and whole.var() == pytest.approx(1, rel=0.3)
    assert abs(np.corrcoef(half, whole - half)[0, 1]) < 0.2


def test_shapes_of_the_plain_signals():
    t = signals.sample_times(1000)
    assert t[0] == 0.0005 and t[-1] == 0.9995
    np.testing.assert_allclose(made("sine", frequency=2.0), np.sin(4 * np.pi * t))
    assert made("step").tolist() == [0] * 500 + [1] * 500
    assert set(made("square")) == {-1, 1}
    np.testing.assert_allclose(
        np.polyval(np.polyfit(t, made("polynomial"), 3), t), made("polynomial")
    )
    assert t[np.argmax(made("spike"))] == pytest.approx(0.3, abs=1e-3)
    crossings = np.flatnonzero(np.diff(np.sign(made("chirp", frequency=10.0))))
    assert (np.diff(np.diff(crossings)[:-1]) <= 1).all() and len(crossings) == 19


def test_formula_is_sampled_at_the_middles():
    np.testing.assert_allclose(signals.from_formula("t^2", 4), [1 / 64, 9 / 64, 25 / 64, 49 / 64])
    with pytest.raises(ValueError, match="at position 1"):
        signals.from_formula("1e200", 4)


# --- Measured -------------------------------------------------------------------------------------

FACTS = {  # samples, first, last, filled
    "ecg": (3000, None, None, 0),
    "sunspots": (309, 5.0, 2.9, 0),
    "co2": (2284, 316.1, 371.5, 59),
    "elnino": (732, 23.11, 22.07, 0),
    "nile": (100, 1120, 740, 0),
}


@pytest.mark.parametrize("name", RECORDINGS)
def test_recordings_are_what_the_sources_say(name):
    recording = signals.load_recording(name)
    size, first, final, n_filled = FACTS[name]
    assert recording.values.size == size and recording.n_filled == n_filled
    assert first is None or recording.values[0] == pytest.approx(first)
    assert final is None or recording.values[-1] == pytest.approx(final)
    assert recording is signals.load_recording(name)
    with pytest.raises(ValueError, match="read-only"):
        recording.values[0] = 1
    assert recording.unit and recording.period in ("second", "year")


def test_recordings_carry_their_clock():
    co2 = signals.load_recording("co2")
    assert co2.start + co2.duration == pytest.approx(2002, abs=0.03)
    assert signals.load_recording("elnino").duration == 61
    assert signals.load_recording("ecg").duration == 3


def test_sunspots_show_their_eleven_years():
    power = np.abs(np.fft.rfft(signals.standardise(signals.load_recording("sunspots").values)))
    assert 309 / (10 + np.argmax(power[10:])) == pytest.approx(11, abs=0.6)


@pytest.mark.parametrize("name", RECORDINGS)
@pytest.mark.parametrize("n_samples", [1, 50, 1000, 20_000])
def test_recorded_signals_have_mean_zero_and_size_one(name, n_samples):
    u = signals.recorded_signal(name, n_samples)
    assert u.shape == (n_samples,) and np.abs(u).max() <= 1
    if n_samples >= 1000:
        assert abs(u.mean()) < 0.01 and np.abs(u).max() > 0.95


def test_unknown_recordings_are_refused():
    with pytest.raises(ValueError, match="name must be one of ecg, sunspots"):
        signals.load_recording("../etc")


def test_recordings_are_small():
    assert sum(path.stat().st_size for path in signals.ASSETS.iterdir()) < 30_000


def test_command_makes_the_recordings(tmp_path, monkeypatch, capsys):
    source, target = tmp_path / "source", tmp_path / "target"
    source.mkdir()
    (source / "SampleECG.txt").write_text(
        "# header\n" + "".join(f"{i}\t1\t{i % 700}\t\n" for i in range(5000))
    )
    (source / "co2.csv").write_text("date,co2\n19580329,316.1\n19580405,\n19580412,316.5\n")
    (source / "sunspots.csv").write_text('"YEAR","SUNACTIVITY"\n1700,5\n1749,80.9\n')
    (source / "elnino.csv").write_text("YEAR,JAN,FEB\n1950,23.11,24.2\n1951,24.19,25.28\n")
    (source / "nile.csv").write_text("year,volume\n1871,1120\n")
    monkeypatch.setattr(training, "ASSETS", target)
    monkeypatch.setattr(sys, "argv", ["signals", str(source)])
    training.main()
    assert "co2.npz: 3, 1 filled" in capsys.readouterr().out
    with np.load(target / "co2.npz") as stored:
        assert stored["values"].tolist() == [3161, 3163, 3165] and stored["n_filled"] == 1
    with np.load(target / "ecg.npz") as stored:
        assert stored["values"].size == 3000 and stored["values"][0] == 1000 % 700
    with np.load(target / "elnino.npz") as stored:
        assert stored["values"].tolist() == [2311, 2420, 2419, 2528]


# --- Drawn and uploaded ---------------------------------------------------------------------------


def test_resampling_keeps_lines_and_the_given_length(rng):
    values = rng.standard_normal(17)
    np.testing.assert_array_equal(signals.resample(values, 17), values)
    line = signals.sample_times(50)
    np.testing.assert_allclose(signals.resample(line, 200)[2:-2], signals.sample_times(200)[2:-2])
    assert signals.resample([3.0], 4).tolist() == [3, 3, 3, 3]


def test_drawn_lines_are_stretched_to_the_whole_time():
    u = signals.from_polyline([10, 20, 30], [0, 1, 0], 4)
    assert u.tolist() == [0.25, 0.75, 0.75, 0.25]
    back_and_forth = signals.from_polyline([30, 10, 20, 20], [0, 0, 7, 1], 4)
    assert back_and_forth.tolist() == u.tolist()
    assert signals.from_polyline([5, 5], [1, 2], 3).tolist() == [2, 2, 2]
    with pytest.raises(ValueError, match="equally long, got 2 and 1"):
        signals.from_polyline([1, 2], [1], 3)


@given(
    st.lists(st.tuples(st.floats(-10, 10), st.floats(-5, 5)), min_size=1, max_size=30),
    st.integers(1, 50),
)
@settings(deadline=None, max_examples=60)
def test_drawn_lines_stay_between_their_points(points, n_samples):
    x, y = np.transpose(points)
    u = signals.from_polyline(x, y, n_samples)
    assert u.shape == (n_samples,) and (u >= y.min() - 1e-9).all() and (u <= y.max() + 1e-9).all()


def test_csv_columns_are_read():
    assert signals.read_column("1\n2\n\n3.5").tolist() == [1, 2, 3.5]
    assert signals.read_column("\ufefftime,value\n0,1\n1,-2e3\n").tolist() == [1, -2000]
    assert signals.read_column("0;1\n1;2").tolist() == [1, 2]
    assert signals.read_column('a\t"b"\r\n1\t"4"\r\n').tolist() == [4]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "got none"),
        ("a,b\n", "got none"),
        ("1\n2\nthree\n", "line 3 must end in a number, got 'three'"),
        ("a\nb\n1", "line 2 must end in a number"),
        ("1\nnan\n", "got nan at position 2"),
        ("1\n2\n-inf\n", "got -inf at position 3"),
        ("1_0\n1_0", "line 2"),
    ],
)
def test_bad_csv_is_refused_with_its_line(text, message):
    with pytest.raises(ValueError, match=message):
        signals.read_column(text)


def test_csv_has_a_limit():
    with pytest.raises(ValueError, match="at most 5 numbers, got more at line 6"):
        signals.read_column("1\n" * 9, 5)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ([], "list of 1..100000 numbers"),
        ([[1.0]], "list of 1..100000 numbers"),
        (np.zeros(100_001), "list of 1..100000 numbers"),
        (["a"], "real numbers"),
        ([1j], "real numbers"),
        (np.array([None, 1]), "real numbers|position 1"),
        ([0, math.nan], "got nan at position 2"),
        ([0, 1, 1e101], "got 1e\\+101 at position 3"),
    ],
)
def test_bad_values_are_refused(values, message):
    with pytest.raises(ValueError, match=message):
        signals.check_values(values)


def test_constants_and_huge_integers_are_allowed():
    assert signals.standardise([7.0, 7.0]).tolist() == [0, 0]
    assert signals.check_values(np.array([10**60], object)).tolist() == [1e60]
    assert signals.standardise([1e100, -1e100]).tolist() == [1, -1]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("sawtooth", 10), "kind must be one of"),
        (("sine", 0), r"n_samples must be a whole number in 1..20000, got 0"),
        (("sine", 20_001), "n_samples must be"),
        (("sine", 2.5), "n_samples must be"),
        (("sine", math.nan), "n_samples must be"),
        (("sine", None), "n_samples must be"),
        (("sine", 10, 0.0), r"frequency must be a number in \[0.1, 1000\], got 0.0"),
        (("sine", 10, math.inf), "frequency must be"),
        (("sine", 10, 3.0, -0.1), r"noise must be a number in \[0, 10\], got -0.1"),
        (("sine", 10, 3.0, math.nan), "noise must be"),
    ],
)
def test_domains_of_made_up_signals(rng, arguments, message):
    kind, n_samples, *options = arguments
    with pytest.raises(ValueError, match=message):
        signals.make_signal(kind, n_samples, rng, *options)
