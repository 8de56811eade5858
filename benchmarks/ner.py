"""Encoding against sentence-transformers, decoding against a loop, the first highlight.

    python -m benchmarks.ner

Both sides of the encoding hold the same weights and one thread, read the same 1000 sentences, and
give one mean vector for each. The first highlight is a fresh process from its start to the entities
of one sentence; its peer is a fresh process that loads the bare encoder by transformers alone and
runs the sentence through it.
"""

import subprocess
import sys
import time
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from benchmarks.common import ROOT, Row, interleaved, table, timed
from models import encoder, global_pointer
from models.ner_examples import EXAMPLES

N_SENTENCES, N_TOKENS, N_TYPES, N_THREADS = 1000, 512, 10, 1
HIGHLIGHT = """
from demos.ner import DEMO
panel = DEMO.panel("highlight")
panel.first(panel.check({"text": TEXT}))
"""
BARE = """
import torch
from models.encoder import folder
from transformers import AutoModel, AutoTokenizer
torch.set_num_threads(1)
at = folder("minilm")
network = AutoModel.from_pretrained(at)
with torch.inference_mode():
    network(**AutoTokenizer.from_pretrained(at)(TEXT, return_tensors="pt"))
"""


def rows() -> list[Row]:
    """Measure and return the rows of the table."""
    before = torch.get_num_threads()
    torch.set_num_threads(N_THREADS)
    try:
        return [*_encoding(), *_decoding(), *_first()]
    finally:
        torch.set_num_threads(before)


def _encoding() -> list[Row]:
    from sentence_transformers import SentenceTransformer

    source = encoder.load("minilm")
    torch.set_num_threads(N_THREADS)
    peer = SentenceTransformer(str(encoder.folder("minilm")), device="cpu")
    texts = _sentences()
    gap = np.abs(_ours(source, texts[:50]) - peer.encode(texts[:50])).max()
    if gap > 1e-4:
        raise RuntimeError(f"both sides must give the same vectors, they differ by {gap:g}")
    runs = [lambda: _ours(source, texts), lambda: peer.encode(texts)]
    ours, theirs = interleaved(3, *(timed(run, time.process_time) for run in runs))
    return [
        Row(
            f"encoding {N_SENTENCES} sentences, against sentence-transformers",
            ours,
            theirs,
            "s CPU",
            1.0,
        )
    ]


def _sentences() -> list[str]:
    """Return sentences of 5 to 40 words, made of the words of our examples."""
    words = f"{EXAMPLES['king']} {EXAMPLES['ship']} {EXAMPLES['letters']}".split()
    rng = np.random.default_rng(0)
    return [
        " ".join(rng.choice(words, size=rng.integers(5, 41)).tolist()) for _ in range(N_SENTENCES)
    ]


def _ours(source: encoder.Encoder, texts: list[str]) -> NDArray[Any]:
    """Return the normalised means over all tokens (N, D), as the peer pools them."""
    found = np.empty((len(texts), source.n_features), np.float32)
    rows = [source.tokens(text).ids for text in texts]
    for batch in source.batches(rows):
        ids, mask = source.padded([rows[index] for index in batch])
        with torch.inference_mode():
            weight = mask[..., None].float()
            means = (source.last(ids, mask) * weight).sum(dim=1) / weight.sum(dim=1)
            found[batch] = torch.nn.functional.normalize(means).numpy()
    return found


def _decoding() -> list[Row]:
    rng = np.random.default_rng(0)
    scores = rng.normal(-4, 1, size=(N_TYPES, N_TOKENS, N_TOKENS))

    def loop() -> list[tuple[int, int, int, float]]:
        found = []
        for kind in range(N_TYPES):
            for i in range(N_TOKENS):
                for j in range(i, N_TOKENS):
                    if scores[kind, i, j] > 0:
                        found.append((kind, i, j, float(scores[kind, i, j])))
        return found

    if [tuple(one) for one in global_pointer.decode(scores).tolist()] != sorted(loop()):
        raise RuntimeError("both sides must find the same spans")
    ours, theirs = interleaved(5, timed(lambda: global_pointer.decode(scores)), timed(loop))
    name = f"decoding {N_TOKENS} tokens × {N_TYPES} types, against a loop over cells"
    return [Row(name, 1 / ours, 1 / theirs, "texts/s", 50, "less")]


def _first() -> list[Row]:
    def fresh(code: str) -> float:
        text = repr(EXAMPLES["king"])
        start = time.perf_counter()
        subprocess.run(
            [sys.executable, "-c", code.replace("TEXT", text)],
            cwd=ROOT,
            check=True,
            capture_output=True,
        )
        return time.perf_counter() - start

    ours, bare = interleaved(3, lambda: fresh(HIGHLIGHT), lambda: fresh(BARE))
    return [
        Row("first highlight of a fresh process, against the bare encoder", ours, bare, "s", 1.3)
    ]


if __name__ == "__main__":
    print(table(rows()))
