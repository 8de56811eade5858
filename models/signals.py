"""Signals to remember: made up, measured, drawn or typed, always L samples of one unit of time.

Sample k stands for [k/L, (k+1)/L] and is taken at its middle, t_k = (k + 1/2)/L; its amplitude is
about 1. Random ones are functions of t, drawn once on a fixed fine grid and read off at t_k:
another L, or another value of any other control, shows the same path again, only a new seed a new
one.

Shapes: u (L,) float64, L in 1..20 000. Units: time 1 is the whole signal; frequencies are periods
per signal; a recording comes with its own units and rate.

Source: generators ours. Recordings in assets/signals, made by `python -m training.signals`: ECG of
pyhrv (BSD-3-Clause); yearly sunspots, weekly Mauna Loa CO2, monthly El Nino sea surface
temperature and yearly flow of the Nile of statsmodels (public domain).
"""

import functools
import math
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import ArrayLike, NDArray

from models.checks import number, whole_number
from models.formula import parse

Array = NDArray[np.float64]

ASSETS = Path(__file__).resolve().parents[1] / "assets" / "signals"
MAX_SAMPLES = 20_000
MAX_POINTS = 100_000  # of a drawn line or an uploaded column
MAX_SIZE = 1e100  # of a value


def sample_times(n_samples: int) -> Array:
    """Return t_k = (k + 1/2)/L, (L,).

    Raises:
        ValueError: If n_samples is not a whole number in 1..20 000.
    """
    count = whole_number("n_samples", n_samples, 1, MAX_SAMPLES)
    return np.asarray((np.arange(count) + 0.5) / count)


# --- Made up --------------------------------------------------------------------------------------

Generator = np.random.Generator


def _sines(t: Array, frequency: float, rng: Generator) -> Array:
    """Return three sines whose periods do not divide each other, 0.6 + 0.3 + 0.2 high."""
    turn = 2 * math.pi * frequency * t
    slow, fast = np.sin(1.618 * turn + 1), np.sin(2.718 * turn + 2)
    return np.asarray(0.6 * np.sin(turn) + 0.3 * slow + 0.2 * fast)


def _sine(t: Array, frequency: float, rng: Generator) -> Array:
    return np.sin(2 * math.pi * frequency * t)


def _chirp(t: Array, frequency: float, rng: Generator) -> Array:
    """Return a sine whose frequency rises evenly from 0 to twice the mean one."""
    return np.sin(2 * math.pi * frequency * t**2)


def _step(t: Array, frequency: float, rng: Generator) -> Array:
    return np.where(t < 0.5, 0.0, 1.0)


def _spike(t: Array, frequency: float, rng: Generator) -> Array:
    """Return a bell around 0.3, of standard deviation 0.1/frequency."""
    return np.exp(-(((t - 0.3) * frequency / 0.1) ** 2) / 2)


def _polynomial(t: Array, frequency: float, rng: Generator) -> Array:
    """Return T_3 of 2t - 1, a cubic with values in -1..1: exact from N = 4 on."""
    z = 2 * t - 1
    return np.asarray(4 * z**3 - 3 * z)


def _square(t: Array, frequency: float, rng: Generator) -> Array:
    turns = frequency * t
    return np.where(turns - np.floor(turns) < 0.5, 1.0, -1.0)


def _filtered_noise(t: Array, frequency: float, rng: Generator) -> Array:
    """Return noise without what is faster than about `frequency`, of standard deviation 0.5.

    White noise on the fixed grid, continued periodically, times exp(-(f / frequency)^2 / 2).
    """
    spectrum = np.fft.rfft(rng.standard_normal(MAX_SAMPLES))
    spectrum *= np.exp(-((np.arange(spectrum.size) / frequency) ** 2) / 2)
    spectrum[0] = 0
    smooth = np.fft.irfft(spectrum, MAX_SAMPLES)
    return np.asarray(np.interp(t, sample_times(MAX_SAMPLES), 0.5 * smooth / smooth.std()))


def _random_walk(t: Array, frequency: float, rng: Generator) -> Array:
    """Return Brownian motion from 0, of standard deviation 1 at t = 1."""
    path = np.cumsum(rng.standard_normal(MAX_SAMPLES)) / math.sqrt(MAX_SAMPLES)
    edges = np.linspace(0, 1, MAX_SAMPLES + 1)
    return np.asarray(np.interp(t, edges, np.concatenate([[0.0], path])))


GENERATORS: dict[str, Callable[[Array, float, Generator], Array]] = {
    "sines": _sines,
    "sine": _sine,
    "chirp": _chirp,
    "step": _step,
    "spike": _spike,
    "polynomial": _polynomial,
    "square": _square,
    "filtered_noise": _filtered_noise,
    "random_walk": _random_walk,
}
RANDOM = ("filtered_noise", "random_walk")
WITHOUT_FREQUENCY = ("step", "polynomial", "random_walk")


def make_signal(
    kind: str, n_samples: int, rng: Generator, frequency: float = 3.0, noise: float = 0.0
) -> Array:
    """Return one of `GENERATORS`, (L,).

    Args:
        kind: A key of `GENERATORS`.
        n_samples: L, 1..20 000.
        rng: Newly seeded: the same seed gives the same path at any L, frequency and noise.
        frequency: Periods per signal, 0.1..1000; inverse width of "spike", fastest part of
            "filtered_noise", mean of "chirp"; not read by `WITHOUT_FREQUENCY`.
        noise: Standard deviation of white noise added, 0..10.

    Raises:
        ValueError: If an argument is outside its domain.
    """
    if kind not in GENERATORS:
        raise ValueError(f"kind must be one of {', '.join(GENERATORS)}, got {kind!r}")
    t = sample_times(n_samples)
    pace = number("frequency", frequency, 0.1, 1000)
    own, added = rng.spawn(2)  # so that noise does not shift the path, nor the path the noise
    return GENERATORS[kind](t, pace, own) + white_noise(t.size, added, noise)


def white_noise(n_samples: int, rng: Generator, deviation: float) -> Array:
    """Return independent values of a given standard deviation, (L,).

    They are the scaled increments of one Brownian path, so that another L averages or splits the
    same noise. Between the 20 000 points of its grid the path is straight, which matters only for
    an L near 20 000 that does not divide it.

    Raises:
        ValueError: If n_samples is outside 1..20 000 or deviation outside 0..10.
    """
    count = whole_number("n_samples", n_samples, 1, MAX_SAMPLES)
    size = number("noise", deviation, 0, 10)
    if size == 0:
        return np.zeros(count)
    path = np.concatenate([[0.0], np.cumsum(rng.standard_normal(MAX_SAMPLES))])
    edges = np.interp(np.linspace(0, MAX_SAMPLES, count + 1), np.arange(path.size), path)
    return np.asarray(size * np.diff(edges) * math.sqrt(count / MAX_SAMPLES))


def from_formula(text: str, n_samples: int) -> Array:
    """Return the values of a typed formula of t at the sample times, (L,).

    Raises:
        models.formula.FormulaError: If it cannot be read or a value is not finite.
        ValueError: If n_samples is outside 1..20 000 or a value exceeds 1e100 in size.
    """
    return check_values(parse(text)(t=sample_times(n_samples)))


# --- Measured -------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Recording:
    """A measured series, read-only.

    Attributes:
        name: A key of `RECORDINGS`.
        values: In the original unit, float64 (n,).
        unit: Of the values.
        rate: Samples per `period`.
        period: "second" or "year".
        start: Of the first sample, in years, or 0 s.
        n_filled: Missing values that were filled along a straight line.
    """

    name: str
    values: Array
    unit: str
    rate: float
    period: str
    start: float
    n_filled: int = 0

    @property
    def duration(self) -> float:
        """Length in periods."""
        return self.values.size / self.rate


# unit, samples per period, period, start, and one over the step of the stored whole numbers
RECORDINGS: dict[str, tuple[str, float, str, float, int]] = {
    "ecg": ("ADC counts", 1000.0, "second", 0.0, 1),
    "sunspots": ("sunspot number", 1.0, "year", 1700.0, 10),
    "co2": ("ppm", 365.25 / 7, "year", 1958.24, 10),
    "elnino": ("°C", 12.0, "year", 1950.0, 100),
    "nile": ("10⁸ m³", 1.0, "year", 1871.0, 1),
}


@functools.cache
def load_recording(name: str) -> Recording:
    """Read one of `RECORDINGS` from assets/signals, once per process.

    Raises:
        ValueError: If the name is unknown.
    """
    if name not in RECORDINGS:
        raise ValueError(f"name must be one of {', '.join(RECORDINGS)}, got {name!r}")
    unit, rate, period, start, steps = RECORDINGS[name]
    with np.load(ASSETS / f"{name}.npz", allow_pickle=False) as stored:
        values = stored["values"] / steps
        n_filled = int(stored["n_filled"])
    values.setflags(write=False)
    return Recording(name, values, unit, rate, period, start, n_filled)


def recorded_signal(name: str, n_samples: int) -> Array:
    """Return a recording as a signal, (L,): resampled linearly, its mean 0, its largest size 1.

    Raises:
        ValueError: If the name is unknown or n_samples outside 1..20 000.
    """
    values = load_recording(name).values
    return resample(standardise(values), n_samples)


def standardise(values: ArrayLike) -> Array:
    """Return values minus their mean, over the largest size left; a constant gives zeros."""
    given = check_values(values)
    centred = given - given.mean()
    largest = np.abs(centred).max()
    return centred / largest if largest > 1e-12 * np.abs(given).max() else np.zeros(given.size)


# --- Drawn and uploaded ---------------------------------------------------------------------------


def check_values(values: ArrayLike, limit: int = MAX_POINTS) -> Array:
    """Check a list of numbers and return it as float64 (n,).

    Raises:
        ValueError: If there is none or more than `limit`, or one is not a finite real number of at
            most 1e100 in size; its position is named, counted from 1.
    """
    given = np.asarray(values)
    if given.ndim != 1 or not 1 <= given.size <= limit:
        raise ValueError(f"values must be a list of 1..{limit} numbers, got shape {given.shape}")
    if given.dtype.kind not in "buifO":
        raise ValueError(f"values must be real numbers, got dtype {given.dtype}")
    try:
        array = given.astype(np.float64)
    except (TypeError, ValueError, OverflowError) as error:
        raise ValueError(f"values must be real numbers: {error}") from None
    bad = np.flatnonzero(~(np.abs(array) <= MAX_SIZE))
    if bad.size:
        raise ValueError(
            f"values must be finite and at most {MAX_SIZE:g} in size, "
            f"got {array[bad[0]]:g} at position {bad[0] + 1}"
        )
    return array


def resample(values: ArrayLike, n_samples: int) -> Array:
    """Return L samples of a series read as evenly spaced in time, linear in between, (L,).

    Sample i of n stands at (i + 1/2)/n; before the first and after the last middle the end values
    hold. L = n gives the values back. No filter guards against aliasing when L < n.

    Raises:
        ValueError: If values or n_samples are outside their domain.
    """
    given = check_values(values)
    if n_samples == given.size:
        return given
    middle = (np.arange(given.size) + 0.5) / given.size
    return np.asarray(np.interp(sample_times(n_samples), middle, given))


def from_polyline(x: ArrayLike, y: ArrayLike, n_samples: int) -> Array:
    """Return L samples of a line drawn through points, (L,); its x range becomes 0..1.

    Args:
        x: Positions in any order and unit, (n,); of points with the same x the last one counts.
        y: Heights (n,).
        n_samples: L, 1..20 000.

    Raises:
        ValueError: If the lists differ in length, are empty, or hold what is no finite number.
    """
    across, up = check_values(x), check_values(y)
    if across.size != up.size:
        raise ValueError(f"x and y must be equally long, got {across.size} and {up.size}")
    places, last = np.unique(across[::-1], return_index=True)
    heights = up[::-1][last]
    span = places[-1] - places[0]
    t = sample_times(n_samples)
    if span == 0:
        return np.full(t.size, heights[0])
    return np.asarray(np.interp(t, (places - places[0]) / span, heights))


def read_column(text: str, n_max: int = MAX_POINTS) -> Array:
    """Read numbers from csv text: the last column of each row, a heading allowed, (n,).

    Rows are lines; columns are parted by comma, semicolon, tab or blanks; empty rows are skipped.

    Raises:
        ValueError: If there is no number, or a row after the first is none; its line is named.
    """
    values: list[float] = []
    for line, row in enumerate(text.lstrip("\ufeff").splitlines(), 1):
        cells = row.replace(";", " ").replace(",", " ").replace("\t", " ").split()
        if not cells:
            continue
        try:
            values.append(float(cells[-1].strip("\"'").replace("_", "x")))
        except ValueError:
            if values or line > 1:
                raise ValueError(
                    f"line {line} must end in a number, got {cells[-1][:40]!r}"
                ) from None
        if len(values) > n_max:
            raise ValueError(f"text must hold at most {n_max} numbers, got more at line {line}")
    if not values:
        raise ValueError("text must hold a column of numbers, got none")
    return check_values(values)
