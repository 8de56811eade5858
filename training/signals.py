"""Make the recordings of the HiPPO tab, assets/signals/*.npz.

    python -m training.signals [SOURCE]

SOURCE is a folder, or several, with the files named in `FILES`, for instance unpacked wheels of
pyhrv 0.5.0 and statsmodels 0.15.0; without it they are looked up in the installed packages, which
are not imported. The same sources make the same bytes. Values are kept as whole numbers of the
last digit that the source gives; gaps (weekly CO2 only) are filled along a straight line and
counted.

Source: ECG: pyhrv, (c) 2018 Pedro Gomes, BSD-3-Clause (notice in ecg_license.txt),
files/SampleECG.txt, BITalino sensor, 1 kHz. Sunspots, CO2 (Keeling and Whorf, Mauna Loa), El Nino,
Nile: statsmodels, whose datasets state that they are public domain.
"""

import argparse
import csv
import importlib.util
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from models.signals import ASSETS, RECORDINGS

Array = NDArray[np.float64]

# package and its file, in the order of `RECORDINGS`
FILES: dict[str, tuple[str, str]] = {
    "ecg": ("pyhrv", "files/SampleECG.txt"),
    "sunspots": ("statsmodels", "datasets/sunspots/sunspots.csv"),
    "co2": ("statsmodels", "datasets/co2/co2.csv"),
    "elnino": ("statsmodels", "datasets/elnino/elnino.csv"),
    "nile": ("statsmodels", "datasets/nile/nile.csv"),
}
ECG_SAMPLES = 3000  # three seconds, from the first whole second on


def find(name: str, sources: list[Path]) -> Path:
    """Return the file of a recording: in a source folder, else in its installed package.

    Raises:
        FileNotFoundError: If it is in neither.
    """
    package, inside = FILES[name]
    for source in sources:
        for found in sorted(source.rglob(Path(inside).name)):
            return found
    spec = importlib.util.find_spec(package)
    for folder in (spec.submodule_search_locations or []) if spec else []:
        if (Path(folder) / inside).exists():
            return Path(folder) / inside
    raise FileNotFoundError(f"{inside} of {package}: not installed and not in {sources}")


def read(name: str, path: Path) -> Array:
    """Return the values of a recording in time order, NaN where the source has none, (n,)."""
    with path.open(encoding="utf-8", newline="") as file:
        if name == "ecg":
            rows = [line.split() for line in file if not line.startswith("#")]
            values = np.array([float(row[-1]) for row in rows if row])
            return values[1000 : 1000 + ECG_SAMPLES]
        lines = list(csv.reader(file))[1:]
    cells = [cell for line in lines for cell in line[1:]]
    return np.array([float(cell) if cell else np.nan for cell in cells])


def fill(values: Array) -> tuple[Array, int]:
    """Return the values with gaps filled along a straight line, and how many there were."""
    missing = np.isnan(values)
    at = np.arange(values.size)
    filled = np.interp(at, at[~missing], values[~missing])
    return np.asarray(filled), int(missing.sum())


def main() -> None:
    """Write all files and say how large they are."""
    parser = argparse.ArgumentParser(description="Make assets/signals/*.npz.")
    parser.add_argument("sources", nargs="*", type=Path, help="folders with the original files")
    sources = parser.parse_args().sources
    ASSETS.mkdir(parents=True, exist_ok=True)
    for name, (_, _, _, _, steps) in RECORDINGS.items():
        values, n_filled = fill(read(name, find(name, sources)))
        whole = np.rint(values * steps).astype(np.int16)
        path = ASSETS / f"{name}.npz"
        np.savez_compressed(path, values=whole, n_filled=np.int16(n_filled))
        print(f"{path.name}: {whole.size}, {n_filled} filled, {path.stat().st_size} bytes")


if __name__ == "__main__":
    main()
