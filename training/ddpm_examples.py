"""Collect the real pictures of the DDPM tab, assets/ddpm/examples.npz: none was trained on.

    python -m training.ddpm_examples --digits mnist_5k.npz --hanzi sans.npz serif.npz

Twelve digits and twelve characters of those held out by `training.ddpm`, the characters in turn
sans and serif. Sources and licences of the data: assets/ddpm/README.md.
"""

import argparse
from pathlib import Path

import numpy as np

from training import ddpm

CHARACTERS = "字音能渔话威园看龟跳熟木"


def main() -> None:
    """Write the file."""
    parser = argparse.ArgumentParser(description="Collect real pictures for the DDPM tab.")
    parser.add_argument("--digits", type=Path, required=True, help="npz file")
    parser.add_argument("--hanzi", type=Path, nargs=2, required=True, help="sans and serif npz")
    told = parser.parse_args()
    digits, hanzi = ddpm.digits(told.digits), ddpm.hanzi(told.hanzi)
    of_digit = [np.flatnonzero(digits.held & (digits.labels == k % 10))[k // 10] for k in range(12)]
    order = ddpm.gb2312()
    places = [order.index(character) for character in CHARACTERS]
    of_character = [place + len(order) * (k % 2) for k, place in enumerate(places)]
    if not hanzi.held[of_character].all():
        known = [c for c, k in zip(CHARACTERS, of_character, strict=True) if not hanzi.held[k]]
        raise SystemExit(f"trained on: {''.join(known)}")
    np.savez_compressed(
        ddpm.ASSETS / "examples.npz",
        digits=digits.images[of_digit],
        hanzi=hanzi.images[of_character],
    )


if __name__ == "__main__":
    main()
