"""RoPE on and off: a trained head opened into queries and keys, a toy scorer, and bulletins.

A head of `models.ner` gives token pair (i, j) and type a the score
    s_a(i, j) = q_ia^T R_{j-i} k_ja / sqrt(d) + start_a(i) + end_a(j)
with start = end = 0 for GlobalPointer and q, k shared by all types for its efficient form. Putting
R = I keeps the weights and takes the distance away. The toy scorer knows where entities start and
end and nothing else: q_i = u at starts, k_j = u at ends, 0 elsewhere. Unrotated, it gives every
pair (start, end) one and the same score; rotated, the score falls with the distance.

A bulletin is a list of n places with their temperatures, so that its gold spans are known and a
scorer blind to distance finds n (n + 1) / 2 spans in it, F1 = 4 / (n + 3).

Shapes: n tokens; m types; d head size, even; q, k (m, n, d) or (1, n, d); start, end (m, n).
Convention: spans [i, j] of tokens, both inclusive; entities in characters, both inclusive.

Source: Su Jianlin 2021, kexue.fm/archives/8373 (why the distance is needed; the bulletin follows
its example), 8877 (efficient form); the toy scorer: derived here.
"""

import math
from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from models import global_pointer, ner, rope
from models.checks import one_of, whole_number
from models.global_pointer import Span

Floats = NDArray[np.float64]

MOST_PLACES = 12
CITIES = {
    "zh": "北京 上海 杭州 广州 成都 西安 南京 武汉 重庆 天津 苏州 长沙".split(),
    "en": "Paris London Vienna Moscow Madrid Berlin Rome Athens Lisbon Dublin Prague Milan".split(),
}
ITEM = {"zh": ("{}：{}度", "；"), "en": ("{}: {} degrees", "; ")}
FIRST_DEGREE = 21
PLACE = {"nested": "Location", "cluener": "address", "litbank": "GPE"}  # a city's type in each set

TOY_DIM = 64
TOY_GAIN = 20.0


# --- Bulletins ------------------------------------------------------------------------------------


def bulletin(n_places: int, language: str) -> str:
    """Return a bulletin of the weather in the first n places.

    Args:
        n_places: 1 .. `MOST_PLACES`.
        language: "zh" or "en".

    Raises:
        ValueError: If an argument is outside its domain.
    """
    one_of("language", language, ner.LANGUAGES)
    cities = CITIES[language][: whole_number("n_places", n_places, 1, MOST_PLACES)]
    item, between = ITEM[language]
    return between.join(item.format(city, FIRST_DEGREE + at) for at, city in enumerate(cities))


def places_of(text: str) -> list[Span] | None:
    """Return the places of a bulletin as [start, end] in characters; None for any other text."""
    for language, cities in CITIES.items():
        n = text.count(ITEM[language][1].strip()) + 1
        if n <= MOST_PLACES and text == bulletin(n, language):
            starts = [text.index(city) for city in cities[:n]]
            return [(s, s + len(c) - 1) for s, c in zip(starts, cities, strict=False)]
    return None


# --- Heads in parts -------------------------------------------------------------------------------


@dataclass(frozen=True)
class Opened:
    """What a head makes its scores of; see the module's formula.

    Attributes:
        q: Unrotated queries (m, n, d), or (1, n, d) shared by all types.
        k: Unrotated keys, of the same shape.
        start: (m, n).
        end: (m, n).
    """

    q: Floats
    k: Floats
    start: Floats
    end: Floats

    def cells(self, rotated: bool) -> Floats:
        """Return the scores (m, n, n), no cell masked; unrotated is R = I."""
        product = global_pointer.scores(self.q, self.k, rope=rotated)
        return product + self.start[:, :, None] + self.end[:, None, :]

    def scores(self, rotated: bool) -> Floats:
        """Return `cells` with -inf below the diagonal."""
        return global_pointer.mask(self.cells(rotated))

    def at_distance(self, kind: int, span: Span, distance: ArrayLike, shift: float = 0) -> Floats:
        """Return the score of one start's query and one end's key, put elsewhere.

        Args:
            kind: Type, 0 .. m - 1.
            span: Whose query and key.
            distance: End minus start, tokens, any real numbers (...).
            shift: Position of the start, tokens; in theory without influence.

        Returns:
            (...), what stands in cell (shift, shift + distance).
        """
        i, j = span
        shared = 0 if len(self.q) == 1 else kind
        q, k = self.q[shared, i], self.k[shared, j]
        theta = rope.frequencies(len(q), global_pointer.BASE)
        at = np.asarray(distance, np.float64) + shift
        keys = rope.rotate(np.broadcast_to(k, (*at.shape, len(k))), at, theta)
        product = keys @ rope.rotate(q, shift, theta) / math.sqrt(len(q))
        return np.asarray(product + self.start[kind, i] + self.end[kind, j])


def opened(text: str, types: str, head: str) -> Opened:
    """Return a trained head's parts on a text, in float64; its weights are only read.

    Args:
        text: Read up to one window.
        types: Name of a set.
        head: "egp" or "gp", or one of them trained "_bare".

    Raises:
        ValueError: Unknown set or head.
        HubError: The encoder cannot be had.
    """
    one_of("head", head, ner.SPAN_HEADS)
    language = ner.language_of(types)
    _, h = ner.hidden(text, language)
    network: Any = ner.reader(language).heads[types, head]
    weight, bias = _layer(network.dense)
    if head.startswith("gp"):
        q, k = global_pointer.queries_keys(h, weight, bias, network.head_dim)
        none = np.zeros(q.shape[:2])
        return Opened(q, k, none, none)
    z = h @ weight + bias
    _, start, end = global_pointer.efficient_parts(h, weight, bias, *_layer(network.bias))
    return Opened(z[None, :, ::2], z[None, :, 1::2], start, end)


def _layer(dense: Any) -> tuple[Floats, Floats]:
    """Return a linear layer's weight (in, out) and bias (out,)."""
    return dense.weight.numpy().T.astype(np.float64), dense.bias.numpy().astype(np.float64)


def toy(n: int, spans: Collection[Span]) -> Opened:
    """Return the scorer that knows the starts and ends of some spans, one type.

    Its bias lies between the rotated score of the longest span and that of the shortest wrong pair
    beyond it, so that unrotated every pair is found, and rotated only near ones are.

    Args:
        n: Tokens, at least 0.
        spans: [start, end] within the text.
    """
    size = math.sqrt(TOY_GAIN / math.sqrt(TOY_DIM))  # u^T u / sqrt(d) = TOY_GAIN
    q, k = np.zeros((1, n, TOY_DIM)), np.zeros((1, n, TOY_DIM))
    starts, ends = {start for start, _ in spans}, {end for _, end in spans}
    q[0, sorted(starts)] = k[0, sorted(ends)] = size
    longest = max((end - start for start, end in spans), default=0)
    pairs = global_pointer.separable_spans(starts, ends)
    beyond = min((j - i for i, j in pairs if j - i > longest), default=longest + 4)
    inner, outer = decay([longest, beyond])
    bias = np.full((1, n), -TOY_GAIN * (inner + outer) / 2)
    return Opened(q, k, bias, np.zeros((1, n)))


def decay(distance: ArrayLike) -> Floats:
    """Return the mean of cos(distance theta_c): what is left of the toy's product, 1 at 0."""
    theta = rope.frequencies(TOY_DIM, global_pointer.BASE)
    return np.asarray(np.cos(np.asarray(distance, np.float64)[..., None] * theta).mean(axis=-1))
