"""Panel: GlobalPointer, Efficient GlobalPointer and a BIO-CRF: size, make-up, what each can say."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from demos.controls import Choice, Control, Integer, Text
from demos.ner._common import CHOSEN, HEAD, TYPES, text_control
from demos.ner._compare_bio import bio, check
from demos.ner._compare_counts import MOST_TYPES, counts
from demos.ner._compare_decomposition import PARTS, decomposition
from demos.ner._compare_decomposition import clicked as cell_clicked
from demos.ner._compare_lattice import QUANTITIES, lattice
from demos.ner._compare_lattice import clicked as tag_clicked
from demos.ner._compare_reported import reported
from demos.panel import Panel, Preset, Values
from demos.view import View
from demos.words import TEXT
from models import ner
from models.ner_examples import EXAMPLES

READS = {  # what each view goes by
    "counts": {"types", "n_features", "head_dim", "n_types"},
    "decomposition": {"text", "types", "head", "type", "chosen"},
    "lattice": {"text", "types", "head", "quantity", "token", "chosen"},
    "bio": {"gold", "chosen"},
    "reported": set[str](),
}
LABELS = tuple(label for types in ner.TYPES.values() for label in types)
GOLD_LENGTH = 1000


def compare_controls() -> dict[str, Control]:
    """Return the controls of ``compare``."""
    return {
        "view": Choice(default="counts", options=tuple(READS), radio=True),
        "text": text_control(),
        "gold": Text(
            default=TEXT["zh"]["ner.compare_gold_nested"], length=GOLD_LENGTH, lines=4, parse=check
        ),
        "types": TYPES,
        "head": HEAD,
        "type": Choice(default="auto", options=("auto", *LABELS)),
        "quantity": Choice(default="emissions", options=QUANTITIES, radio=True),
        "token": Integer(default=1, low=1, high=ner.MOST_PIECES),
        "n_features": Integer(default=768, low=64, high=1024),
        "head_dim": Integer(default=64, low=2, high=128, step=2),
        "n_types": Integer(default=10, low=1, high=MOST_TYPES, log=True),
        "chosen": replace(CHOSEN, advanced=False),
    }


def compare(
    view: str,
    text: str,
    gold: str,
    types: str,
    head: str,
    type: str,
    quantity: str,
    token: int,
    n_features: int,
    head_dim: int,
    n_types: int,
    chosen: str,
) -> View:
    """Compare GlobalPointer, its efficient form and a BIO-CRF.

    Args:
        view: counts (weights), decomposition (of the efficient score), lattice (of the CRF), bio
            (can these entities be written as tags) or reported (results of the posts).
        text: Read by the heads in decomposition and lattice.
        gold: Annotated sentence of bio, entities as [text|type], nested as one likes.
        types: Set of types, or auto for the text's language.
        head: GlobalPointer's form in lattice; in decomposition whether with RoPE.
        type: Whose matrix decomposition shows; auto is the one with the highest score.
        quantity: In lattice: emissions, best (score of the best path to a tag) or marginals.
        token: Token looked at in lattice, from 1.
        n_features: D, features of the encoder, in counts.
        head_dim: d, size of a head.
        n_types: m.
        chosen: Lit span, "start-end-type" in characters.
    """
    made: View
    match view:
        case "counts":
            made = counts(n_features, head_dim, n_types, types)
        case "decomposition":
            made = decomposition(text, types, head, type, chosen)
        case "lattice":
            made = lattice(text, types, head, quantity, token, chosen)
        case "bio":
            made = bio(gold, chosen)
        case _:
            made = reported()
    every = frozenset().union(*READS.values())
    return replace(made, unused=every - READS[view])


def pick(values: Values, point: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return what a click sets: m in the counts, the lit span, or the token of the lattice."""
    figure = point.get("figure")
    if figure == "counts" and isinstance(point.get("x"), (int, float)):
        return {"n_types": min(max(round(point["x"]), 1), MOST_TYPES)}
    if figure in PARTS:
        return cell_clicked(values, point)
    return tag_clicked(values, point) if figure == "lattice" else {}


PANEL = Panel(
    compare,
    compare_controls,
    (
        Preset("one", {"n_types": 1}),
        Preset("sum", {"view": "decomposition"}),
        Preset("path", {"view": "lattice"}),
        Preset("short", {"view": "lattice", "text": EXAMPLES["hospital"][:2]}),
        Preset("clash", {"view": "bio"}),
        Preset("flat", {"view": "bio", "gold": TEXT["zh"]["ner.compare_gold_flat"]}),
        Preset("english", {"view": "bio", "gold": TEXT["en"]["ner.compare_gold_nested"]}),
        Preset("posts", {"view": "reported"}),
    ),
    pick=pick,
)
