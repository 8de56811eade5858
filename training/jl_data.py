"""Make the real point clouds of the Johnson-Lindenstrauss tab, assets/jl/*.npz.

    python -m training.jl_data SOURCE

SOURCE is a folder with train12k.npz: `images` uint8 (n, 28, 28) and `labels` uint8 (n,) from the
training part of Fashion-MNIST. The digits come with scikit-learn. Nothing is drawn at random: of
Fashion-MNIST the first 100 pictures of each class are taken, in the order of the file, so the same
source makes the same bytes.

Source: handwritten digits, Alpaydin and Kaynak, 1998, UCI Machine Learning Repository, doi
10.24432/C50P49, CC BY 4.0. Fashion-MNIST, Xiao, Rasul and Vollgraf, 2017, arXiv 1708.07747, MIT,
(c) 2017 Zalando SE.
"""

import argparse
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from models.jl import ASSETS

Bytes = NDArray[np.uint8]
PER_CLASS = 100


def digits() -> tuple[Bytes, Bytes]:
    """Return grey values 0..16 (1797, 64) and labels (1797,) of scikit-learn's digits."""
    from sklearn.datasets import load_digits

    points, labels = load_digits(return_X_y=True)
    return points.astype(np.uint8), labels.astype(np.uint8)


def fashion(source: Path) -> tuple[Bytes, Bytes]:
    """Return grey values 0..255 (1000, 784) and labels (1000,): the first 100 of each class.

    Args:
        source: Folder with train12k.npz.

    Raises:
        ValueError: If a class has fewer than 100 pictures.
    """
    with np.load(source / "train12k.npz", allow_pickle=False) as stored:
        images, labels = stored["images"], stored["labels"]
    chosen = np.concatenate([np.flatnonzero(labels == c)[:PER_CLASS] for c in np.unique(labels)])
    if len(chosen) != 10 * PER_CLASS:
        raise ValueError(f"need {PER_CLASS} pictures in each of 10 classes, got {len(chosen)}")
    chosen.sort()
    return images[chosen].reshape(len(chosen), -1), labels[chosen].astype(np.uint8)


def main() -> None:
    """Write both files and say how large they are."""
    parser = argparse.ArgumentParser(description="Make assets/jl/*.npz.")
    parser.add_argument("source", type=Path, help="folder with train12k.npz of Fashion-MNIST")
    source = parser.parse_args().source
    ASSETS.mkdir(parents=True, exist_ok=True)
    for name, (points, labels) in {"digits": digits(), "fashion": fashion(source)}.items():
        path = ASSETS / f"{name}.npz"
        np.savez_compressed(path, points=points, labels=labels)
        print(f"{path.name}: {points.shape[0]} x {points.shape[1]}, {path.stat().st_size} bytes")


if __name__ == "__main__":
    main()
