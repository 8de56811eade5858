"""A small network that reads 32x32 grey pictures, and the Frechet distance between its features.

Four 3x3 convolutions with group norm and SiLU on the picture folded to 4 channels of half the side,
the mean over each quarter, a linear map to 64 features, a linear head to the classes: 97 k weights
with 10 classes. A picture's features do not depend on the others in its batch.

The quality of drawn pictures is judged as by Heusel et al.: normal distributions are fitted to the
features of two sets of pictures, and their Frechet (2-Wasserstein) distance squared,
    |m_1 - m_2|^2 + tr(C_1 + C_2 - 2 (C_1 C_2)^(1/2)),
is the figure. The features are this network's and not Inception's, so the figure compares only with
others of the same reader. It is above 0 even for two sets from one source, more so the fewer they
are: compare equal numbers of pictures, beside the figure of real ones.

Shapes: pictures (n, 32, 32) in [-1, 1], features (n, 64), covariances (64, 64).
Weights are stored in half precision and used in single precision.

Source: Heusel, Ramsauer, Unterthiner, Nessler and Hochreiter 2017, arXiv 1706.08500; Dowson and
Landau 1982, J. Multivariate Analysis 12(3), 450-455 (the formula).
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from torch import Tensor, nn
from torch.nn import functional

from models import weights

Array = NDArray[np.float64]

SIDE = 32  # pixels
N_FEATURES = 64
FACTS = "reader"  # entry of the file's metadata
AT_ONCE = 256  # pictures in one pass


# --- Network --------------------------------------------------------------------------------------


class Reader(nn.Module):
    """The network of the module's docstring.

    Args:
        n_classes: C, 1..1000.

    Raises:
        ValueError: If n_classes is outside its domain.
    """

    def __init__(self, n_classes: int) -> None:
        super().__init__()
        if type(n_classes) is not int or not 1 <= n_classes <= 1000:
            raise ValueError(f"n_classes must be a whole number in 1..1000, got {n_classes!r}")
        self.n_classes = n_classes
        layers: list[nn.Module] = [nn.PixelUnshuffle(2)]  # (n, 4, 16, 16)
        for n_in, n_out, stride in ((4, 32, 1), (32, 48, 2), (48, 64, 1), (64, 64, 2)):
            layers += [nn.Conv2d(n_in, n_out, 3, stride, padding=1, bias=False)]
            layers += [nn.GroupNorm(8, n_out), nn.SiLU()]
        self.body = nn.Sequential(*layers, nn.AvgPool2d(2), nn.Flatten())  # (n, 256)
        self.embed = nn.Linear(256, N_FEATURES)
        self.head = nn.Linear(N_FEATURES, n_classes)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Return features (n, 64) and logits (n, C) of pictures (n, 1, 32, 32)."""
        features = self.embed(self.body(x))
        return features, self.head(features)

    def features(self, pictures: ArrayLike) -> Array:
        """Return (n, 64).

        Raises:
            ValueError: If pictures are not (n, 32, 32).
        """
        return self._read(pictures)[0]

    def probabilities(self, pictures: ArrayLike) -> Array:
        """Return the probability of each class, (n, C).

        Raises:
            ValueError: If pictures are not (n, 32, 32).
        """
        return self._read(pictures)[1]

    def _read(self, pictures: ArrayLike) -> tuple[Array, Array]:
        given = np.ascontiguousarray(pictures, dtype=np.float32)
        if given.ndim != 3 or given.shape[1:] != (SIDE, SIDE):
            raise ValueError(f"pictures must have shape (n, {SIDE}, {SIDE}), got {given.shape}")
        found = np.empty((len(given), N_FEATURES)), np.empty((len(given), self.n_classes))
        with torch.inference_mode():
            for first in range(0, len(given), AT_ONCE):
                part = slice(first, first + AT_ONCE)
                features, logits = self(torch.from_numpy(given[part])[:, None])
                found[0][part] = features.double().numpy()
                found[1][part] = functional.softmax(logits.double(), dim=1).numpy()
        return found


def save(reader: Reader, path: Path, facts: Mapping[str, Any]) -> None:
    """Write weights in half precision, with the number of classes and facts as JSON beside them.

    Args:
        reader: What to write.
        path: A safetensors file; its folder must exist.
        facts: JSON values, for instance steps, seed, data, classes.
    """
    weights.save(reader, path, FACTS, {"n_classes": reader.n_classes, **facts})


def load(path: Path) -> tuple[Reader, dict[str, Any]]:
    """Return the reader in evaluation mode, single precision, and the facts beside its weights.

    Raises:
        ValueError: If the file holds no reader of this module.
    """
    values, facts = weights.load(path, FACTS)
    try:
        reader = Reader(facts.pop("n_classes"))
        reader.load_state_dict(values)
    except (KeyError, ValueError, RuntimeError) as error:
        raise ValueError(f"{path.name} holds no reader of this project: {error}") from error
    return reader.eval().requires_grad_(False), facts


# --- Distance -------------------------------------------------------------------------------------


def frechet(mean_1: ArrayLike, cov_1: ArrayLike, mean_2: ArrayLike, cov_2: ArrayLike) -> float:
    """Return the squared Frechet distance of two normal distributions, 0 or more.

    tr (C_1 C_2)^(1/2) is the sum of the roots of the eigenvalues of C_1^(1/2) C_2 C_1^(1/2), which
    is symmetric, so that singular covariances do no harm.

    Args:
        mean_1: (d,).
        cov_1: Symmetric, no eigenvalue below 0, (d, d).
        mean_2: (d,).
        cov_2: As cov_1.

    Raises:
        ValueError: If the shapes do not fit or a number is not finite.
    """
    m_1, m_2 = (np.asarray(mean, dtype=np.float64) for mean in (mean_1, mean_2))
    C_1, C_2 = (np.asarray(cov, dtype=np.float64) for cov in (cov_1, cov_2))
    shapes = [each.shape for each in (m_1, C_1, m_2, C_2)]
    d = m_1.size
    if shapes != [(d,), (d, d), (d,), (d, d)]:
        raise ValueError(f"need means (d,) and covariances (d, d), got {shapes}")
    if not all(np.isfinite(each).all() for each in (m_1, C_1, m_2, C_2)):
        raise ValueError("means and covariances must be finite")
    values, vectors = np.linalg.eigh(C_1)
    root = (vectors * np.sqrt(np.maximum(values, 0))) @ vectors.T
    shared = np.sqrt(np.maximum(np.linalg.eigvalsh(root @ C_2 @ root), 0)).sum()
    squared = float(((m_1 - m_2) ** 2).sum() + np.trace(C_1) + np.trace(C_2) - 2 * shared)
    return max(squared, 0.0)


def frechet_distance(features_1: ArrayLike, features_2: ArrayLike) -> float:
    """Return the squared Frechet distance of the normal distributions fitted to two sets.

    Args:
        features_1: (n, d), n at least 2.
        features_2: (m, d), m at least 2.

    Raises:
        ValueError: If the shapes do not fit or a number is not finite.
    """
    sets = [np.asarray(each, dtype=np.float64) for each in (features_1, features_2)]
    if any(each.ndim != 2 or len(each) < 2 or each.shape[1] < 1 for each in sets):
        raise ValueError(f"need (n, d) with n at least 2, got {[each.shape for each in sets]}")
    d = sets[0].shape[1]
    if sets[1].shape[1] != d:
        raise ValueError(f"need as many features in both sets, got {d} and {sets[1].shape[1]}")
    moments = [(each.mean(0), np.cov(each, rowvar=False).reshape(d, d)) for each in sets]
    return frechet(*moments[0], *moments[1])
