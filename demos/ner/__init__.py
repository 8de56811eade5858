"""Tab: NER, entities as cells of a start x end matrix: GlobalPointer and its peers."""

from demos.ner._compare import PANEL as _COMPARE
from demos.ner._compare import compare
from demos.ner._evaluation import PANEL as _EVALUATION
from demos.ner._evaluation import evaluation
from demos.ner._highlight import PANEL as _HIGHLIGHT
from demos.ner._highlight import highlight
from demos.ner._loss import PANEL as _LOSS
from demos.ner._loss import loss
from demos.ner._matrix import PANEL as _MATRIX
from demos.ner._matrix import matrix
from demos.ner._rope import PANEL as _ROPE
from demos.ner._rope import rope
from demos.ner._teach import PANEL as _TEACH
from demos.ner._teach import teach
from demos.panel import Demo, Panel
from models import crf, global_pointer, ner, spans

PANELS: tuple[Panel, ...] = (_HIGHLIGHT, _MATRIX, _ROPE, _LOSS, _COMPARE, _EVALUATION, _TEACH)

DEMO = Demo(
    key="ner",
    panels=PANELS,
    methods=(global_pointer, crf, spans, ner),
    sources={
        "gp": "https://kexue.fm/archives/8373",
        "egp": "https://kexue.fm/archives/8877",
        "loss": "https://kexue.fm/archives/7359",
        "paper": "https://arxiv.org/abs/2208.03054",
        "zlpr": "https://arxiv.org/abs/2208.02955",
    },
)

__all__ = ["DEMO", "highlight", "matrix", "rope", "loss", "compare", "evaluation", "teach"]
