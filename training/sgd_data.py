"""Make the real data of the SGD tab, assets/sgd/*.npz, from the sets bundled with scikit-learn.

    python -m training.sgd_data

Nothing is drawn at random and nothing is scaled: raw values as float32, so the same release of
scikit-learn makes the same bytes.

Source: diabetes, Efron, Hastie, Johnstone and Tibshirani, 2004, Annals of Statistics 32, 407-499
(scikit-learn's description names no licence). Breast Cancer Wisconsin (Diagnostic), Wolberg,
Street and Mangasarian, 1995, UCI, doi 10.24432/C5DW2B, CC BY 4.0. Iris, Fisher, 1936, UCI, doi
10.24432/C56C76, CC BY 4.0.
"""

from typing import Any

import numpy as np

from models.sgd import ASSETS


def bundled_sets() -> dict[str, Any]:
    """Return scikit-learn's bunches by file name; diabetes in its own units, not scaled."""
    from sklearn.datasets import load_breast_cancer, load_diabetes, load_iris

    return {
        "diabetes": load_diabetes(scaled=False),
        "breast_cancer": load_breast_cancer(),
        "iris": load_iris(),
    }


def main() -> None:
    """Write the files and say how large they are."""
    ASSETS.mkdir(parents=True, exist_ok=True)
    for name, bunch in bundled_sets().items():
        path = ASSETS / f"{name}.npz"
        np.savez_compressed(
            path,
            features=bunch.data.astype(np.float32),
            targets=bunch.target.astype(np.float32),
            names=np.array([str(column) for column in bunch.feature_names]),
            classes=np.array([str(label) for label in getattr(bunch, "target_names", [])]),
        )
        n_samples, n_features = bunch.data.shape
        print(f"{path.name}: {n_samples} x {n_features}, {path.stat().st_size} bytes")


if __name__ == "__main__":
    main()
