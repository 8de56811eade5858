"""Whitening, fitted and applied, against scikit-learn's PCA(whiten=True).

    python -m benchmarks.similarity

Both work on the same 10 000 × 384 numbers in single precision and on one thread, and take turns;
measured is CPU time.
"""

import time

import numpy as np

from benchmarks.common import Row, interleaved, table, timed
from models import whitening
from models.similarity import cosine_matrix

N, D = 10_000, 384


def rows() -> list[Row]:
    """Measure and return the rows of the table."""
    from sklearn.decomposition import PCA
    from threadpoolctl import threadpool_limits

    rng = np.random.default_rng(0)
    mix = np.linalg.qr(rng.normal(size=(D, D)))[0] * np.geomspace(1, 0.05, D)[:, None]
    vectors = (rng.normal(size=(N, D)) @ mix + 1).astype(np.float32)

    def ours() -> object:
        return whitening.transform(whitening.fit(vectors), vectors)

    def theirs() -> object:
        return PCA(whiten=True).fit_transform(vectors)

    few = slice(0, 300)
    first, second = cosine_matrix(np.asarray(ours())[few]), cosine_matrix(np.asarray(theirs())[few])
    gap = np.abs(first - second).max()
    if gap > 0.01:  # single precision
        raise RuntimeError(f"both sides must give the same cosines, they differ by {gap:g}")
    with threadpool_limits(1):
        measures = [timed(run, time.process_time) for run in (ours, theirs)]
        seconds, peer = interleaved(9, *measures)
    name = f"whitening, fit and transform, {N} × {D}, against scikit-learn"
    return [Row(name, seconds, peer, "s CPU", 1.0)]


if __name__ == "__main__":
    print(table(rows()))
