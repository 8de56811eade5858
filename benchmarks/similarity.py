"""Whitening against scikit-learn's PCA(whiten=True), a SimCSE step against the bare passes.

    python -m benchmarks.similarity

Whitening is fitted and applied to the same 10 000 × 384 numbers in single precision. A step of
SimCSE trains MiniLM's adapter on 32 sentences; its peer sends the same tokens through the same
network with the same adapter and torch's own dropout, and back from the sum of the last layer:
nothing is pooled, no loss, no update. All on one thread, taking turns; measured is CPU time.
"""

import itertools
import time

import numpy as np
import torch

from benchmarks.common import Row, interleaved, table, timed
from models import adapters, encoder, sentences, simcse_training, whitening
from models.similarity import cosine_matrix

N, D = 10_000, 384
BATCH, STEPS = 32, 3  # sentences of a step, steps of a measurement


def rows() -> list[Row]:
    """Measure and return the rows of the table."""
    return [_whitening(), _step()]


def _whitening() -> Row:
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
    return Row(name, seconds, peer, "s CPU", 1.0)


def _step() -> Row:
    source = encoder.load("minilm")
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    texts = sentences.corpus("en")[:BATCH]
    recipe = simcse_training.Recipe(batch=BATCH, steps=10_000, dropout=0.1, cosines_every=10_000)
    training = simcse_training.Training(source, texts, recipe)
    bare = adapters.adapt(source.network, recipe.rank, recipe.first_layer)
    for module in bare.modules():
        if isinstance(module, torch.nn.Dropout):
            module.p = recipe.dropout
    bare.train()
    ids, mask = source.padded([source.tokens(text).ids for text in texts] * 2)

    def ours() -> object:
        return list(itertools.islice(training, STEPS))

    def theirs() -> None:
        for _ in range(STEPS):
            bare.zero_grad()
            bare(input_ids=ids, attention_mask=mask).last_hidden_state.sum().backward()

    try:
        seconds, peer = interleaved(7, *(timed(run, time.process_time) for run in (ours, theirs)))
    finally:
        torch.set_num_threads(before)
    name = f"SimCSE, {STEPS} steps of {BATCH} sentences, against the bare passes"
    return Row(name, seconds, peer, "s CPU", 1.1)


if __name__ == "__main__":
    print(table(rows()))
