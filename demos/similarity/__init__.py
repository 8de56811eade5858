"""Tab: sentence similarity, raw, whitened and after SimCSE, on real encoders."""

from demos.panel import Demo, Panel
from demos.similarity._benchmark import PANEL as _BENCHMARK
from demos.similarity._benchmark import benchmark
from demos.similarity._dropout_pair import PANEL as _DROPOUT_PAIR
from demos.similarity._dropout_pair import dropout_pair
from demos.similarity._explorer import PANEL as _EXPLORER
from demos.similarity._explorer import explorer
from demos.similarity._reported import PANEL as _REPORTED
from demos.similarity._reported import reported
from demos.similarity._simcse_live import PANEL as _SIMCSE_LIVE
from demos.similarity._simcse_live import simcse_live
from demos.similarity._space import PANEL as _SPACE
from demos.similarity._space import space
from models import (
    flow,
    post_processing,
    sentences,
    simcse,
    similarity,
    similarity_benchmark,
    whitening,
)

PANELS: tuple[Panel, ...] = (_EXPLORER, _SPACE, _BENCHMARK, _SIMCSE_LIVE, _DROPOUT_PAIR, _REPORTED)

DEMO = Demo(
    key="similarity",
    panels=PANELS,
    methods=(whitening, simcse, similarity, post_processing, flow, sentences, similarity_benchmark),
    sources={
        "simcse": "https://kexue.fm/archives/8348",
        "whitening": "https://kexue.fm/archives/8069",
        "soft": "https://kexue.fm/archives/9079",
        "whitening_paper": "https://arxiv.org/abs/2103.15316",
        "simcse_paper": "https://arxiv.org/abs/2104.08821",
    },
)

__all__ = ["DEMO", "explorer", "space", "benchmark", "simcse_live", "dropout_pair", "reported"]
