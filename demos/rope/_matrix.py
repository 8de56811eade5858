"""Panel: the relative position in every cell of the attention matrix, two methods side by side."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from demos.controls import Choice, Control, Integer
from demos.figures import Figure, axis, figure, heat, horizontal, line
from demos.panel import Panel, Preset, Values
from demos.rope._common import BLUES, COUNTED, DRAWN, FACTOR, LENGTH, ORANGES, WINDOW, Floats
from demos.view import Reading, View, equal, shown
from demos.words import W, Word
from models import rope
from models.rope import Scheme

MATRIX_METHODS = (*rope.METHODS, "alibi")


def matrix_controls() -> dict[str, Control]:
    """Return the controls of ``matrix``."""
    return {
        "method_a": Choice(default="rope", options=MATRIX_METHODS, words="method"),
        "method_b": Choice(default="leaky", options=MATRIX_METHODS, words="method"),
        "train_len": Integer(default=10, **LENGTH),
        "test_len": Integer(default=16, **LENGTH),
        "window": WINDOW,
        "factor": FACTOR,
        "group": Integer(default=4, low=1, high=256),
        "chunk_len": Integer(default=12, **LENGTH),
        "head": Integer(default=1, low=1, high=8),
        "causal": Choice(default="causal", options=("causal", "odd"), radio=True, advanced=True),
    }


def matrix(
    method_a: str,
    method_b: str,
    train_len: int,
    test_len: int,
    window: float,
    factor: float,
    group: int,
    chunk_len: int,
    head: int,
    causal: str,
) -> View:
    """Show the relative position that attention sees in every cell, for two methods.

    Args:
        method_a: Method of the left matrix.
        method_b: Method of the right matrix.
        train_len: Length of the training texts, tokens.
        test_len: Length of the shown text, tokens.
        window: w, steps.
        factor: k; the step outside the window is 1/k.
        group: G of Self-Extend.
        chunk_len: c of dual chunk attention.
        head: Head of ALiBi, 1 to 8.
        causal: causal (upper triangle blank) or odd (f(-δ) = -f(δ)).
    """
    given = (window, factor, group, chunk_len, head)
    sides = [_Side(method, given, train_len, test_len, causal) for method in (method_a, method_b)]
    top = max(side.top for side in sides)
    last = rope.sampled(test_len, DRAWN)
    table: dict[str, Any] = {"j": last, "delta": test_len - 1 - last}
    for name, side in zip("ab", sides, strict=True):
        table[f"position_{name}"] = side.row(last)
    return View(
        {name: side.figure(top) for name, side in zip("ab", sides, strict=True)},
        W(
            "rope.matrix_caption",
            a=sides[0].name,
            b=sides[1].name,
            length=test_len,
            trained=train_len,
            largest_a=sides[0].largest,
            largest_b=sides[1].largest,
        ),
        [reading for side in _once(sides) for reading in side.readings()],
        table,
        notes=[note for side in _once(sides) for note in side.notes],
        unused=_unused_fields(method_a, method_b),
    )


def _once(sides: Sequence["_Side"]) -> Sequence["_Side"]:
    return sides[:1] if sides[0].method == sides[1].method else sides


def _unused_fields(*methods: str) -> frozenset[str]:
    """Return the controls that none of the methods reads."""
    read: set[str] = set()
    for method in methods:
        if method == "alibi":
            read.add("head")
        elif method == "self_extend":
            read |= {"window", "group"}
        else:
            names = {"window": "window", "scaling_factor": "factor", "chunk_len": "chunk_len"}
            read |= {names[field] for field in rope.FIELDS[method]}
    return frozenset({"window", "factor", "group", "chunk_len", "head"} - read)


class _Side:
    """One of the two matrices of ``matrix``."""

    def __init__(
        self,
        method: str,
        given: tuple[float, float, int, int, int],
        train_len: int,
        test_len: int,
        causal: str,
    ) -> None:
        window, factor, group, chunk_len, head = given
        self.method, self.train_len, self.test_len = method, train_len, test_len
        self.is_causal = causal == "causal"
        self.notes: list[Word] = []
        self.name = W(f"rope.method_{method}")
        self.slope = float(rope.alibi_slopes(8)[head - 1]) if method == "alibi" else 1.0
        self.scheme = self._scheme(window, factor, group, chunk_len)
        self.largest = rope.largest_position(self.scheme, test_len) * self.slope
        self.limit = rope.trained_limit(self.scheme, train_len) * self.slope
        self.top = max(self.largest, self.limit) if method != "alibi" else 0.0

    def _scheme(self, window: float, factor: float, group: int, chunk_len: int) -> Scheme:
        """Return the scheme; methods that need whole windows get the nearest one and say so."""
        if self.method == "alibi":
            return Scheme("rope")
        whole = float(max(1 if self.method != "dual_chunk" else 0, round(window)))
        if self.method == "dual_chunk":
            whole = min(whole, chunk_len - 1.0)
        if self.method in ("self_extend", "dual_chunk") and whole != window:
            self.notes.append(W("rope.note_whole_window", method=self.name, window=whole))
            window = whole
        if self.method == "window":
            window = max(1.0, window)
        k = float(group) if self.method == "self_extend" else factor
        return Scheme(self.method, window, k, chunk_len)

    def cells(self, rows: Any, cols: Any) -> Floats:
        """Return positions (ALiBi: penalties) on a grid."""
        return rope.positions(self.scheme, rows, cols, self.is_causal) * self.slope

    def row(self, cols: Any) -> Floats:
        """Return the last row of the matrix."""
        return self.cells(np.full(len(cols), self.test_len - 1), cols)

    def figure(self, common_top: float) -> Figure:
        """Return the matrix; blue within the trained range, orange beyond it."""
        index = rope.sampled(self.test_len, DRAWN)
        z = self.cells(index[:, None], index[None, :])
        top = common_top if self.method != "alibi" else max(self.largest, self.limit)
        edge = min(1.0, (self.limit + 1e-9) / top) if top else 1.0
        scale = [[0, BLUES[0]], [edge, BLUES[1]]]
        scale += [[edge, ORANGES[0]], [1, ORANGES[1]]] if edge < 1 else []
        small = self.test_len <= 24
        whole = bool(np.all(z == np.round(z)))
        numbers = {"texttemplate": "%{z:.3~g}", "textfont": {"size": 11 if whole else 8}}
        traces = [
            heat(
                z if small else np.abs(z),
                x=index,
                y=index,
                colorscale=scale,
                zmin=0,
                zmax=top or 1,
                colorbar={"thickness": 10, "len": 0.9},
                hovertemplate=W("rope.hover_cell"),
                **(numbers if small else {}),
            )
        ]
        w = self.scheme.window
        if "window" in rope.FIELDS.get(self.method, ()) and w < self.test_len - 1:
            ends = np.array([0.0, self.test_len - 1 - w])
            edge_line = line(ends, ends + w, "", "@ink", dash="dot", width=1.5, hoverinfo="skip")
            traces.append(edge_line)
        span = [-0.5, self.test_len - 0.5]
        inside = self.test_len > self.train_len
        marks = (
            [horizontal(self.train_len - 0.5, W("rope.mark_trained"), "@gray")] if inside else []
        )
        return figure(
            *traces,
            x=axis(W("rope.axis_key"), range=span, constrain="domain", showgrid=False),
            y=axis(
                W("rope.axis_query"),
                range=span[::-1],
                scaleanchor="x",
                constrain="domain",
                showgrid=False,
            ),
            marks=marks,
            title=self.name,
            square=True,
        )

    def readings(self) -> list[Reading]:
        """Return largest position, trained range, share outside, and whether it is Toeplitz."""
        seen = self._counted()
        outside = rope.out_of_range(self.scheme, self.test_len, self.limit / self.slope)
        below = self.largest <= self.limit + 1e-9
        readings = [
            Reading(
                W("rope.reading_range", method=self.name),
                self.largest,
                self.limit,
                "≤",
                below,
                note=None if below else W("rope.note_outside", delta=outside.breach or 0),
            )
        ]
        if seen is not None:
            largest, share = seen
            readings += [
                equal(
                    W("rope.reading_largest", method=self.name),
                    largest,
                    self.largest,
                    1e-9 * (1 + self.largest),
                ),
                equal(
                    W("rope.reading_share", method=self.name), share, 100 * outside.pair_share, 1e-9
                ),
            ]
        else:
            readings += [
                shown(
                    W("rope.reading_share", method=self.name),
                    100 * outside.pair_share,
                    W("rope.note_closed_form"),
                )
            ]
        spread = self._diagonal_spread()
        if self.scheme.is_toeplitz:
            return [*readings, equal(W("rope.reading_toeplitz", method=self.name), spread, 0, 1e-9)]
        note = W("rope.note_not_toeplitz")
        return [*readings, shown(W("rope.reading_toeplitz", method=self.name), spread, note)]

    def _counted(self) -> tuple[float, float] | None:
        """Return the largest cell and the share (%) beyond the trained range, cell by cell."""
        if self.test_len > COUNTED:
            return None
        index = np.arange(self.test_len)
        cells = rope.positions(self.scheme, index[:, None], index[None, :]) * self.slope
        visible = cells[np.isfinite(cells)]
        return float(visible.max()), 100 * float(np.mean(visible > self.limit + 1e-9))

    def _diagonal_spread(self) -> float:
        """Return the largest difference of positions along one diagonal i - j, on a grid."""
        delta = rope.sampled(self.test_len, 40)[:, None]
        cols = rope.sampled(self.test_len, 40)[None, :]
        rows = np.minimum(cols + delta, self.test_len - 1)
        cells = rope.positions(self.scheme, rows, rows - delta) * self.slope
        seen = np.isfinite(cells).all(axis=1)
        return float(np.ptp(cells[seen], axis=1).max()) if seen.any() else 0.0


def _post_rule(current: Values) -> Mapping[str, Any]:
    """Return w and k by the post's rule for these lengths: w = L/4, largest position L/2."""
    train, test = int(current["train_len"]), int(current["test_len"])
    window = rope.rule_window(train)
    k = rope.required_scaling_factor(window, max(test, train), train)
    return {"method_a": "rope", "method_b": "leaky", "window": window, "factor": max(1.0, k)}


def _inverse_rule(current: Values) -> Mapping[str, Any]:
    """Return the inverse's setting by the post's rule k = 1/(2E), E = test over train length."""
    train, test = int(current["train_len"]), int(current["test_len"])
    expansion = max(1.0, test / train)
    return {
        "method_a": "inverse_train",
        "method_b": "inverse_infer",
        "window": rope.rule_window(train),
        "factor": rope.inverse_scaling_factor(expansion),
    }


PANEL = Panel(
    matrix,
    matrix_controls,
    (
        Preset("post_rule", _post_rule),
        Preset("inverse", _inverse_rule),
        Preset("interpolation", {"method_a": "pi", "method_b": "rerope", "factor": 2, "window": 6}),
        Preset(
            "chunks",
            {"method_a": "self_extend", "method_b": "dual_chunk", "window": 4, "chunk_len": 12},
        ),
        Preset(
            "long",
            {
                "method_a": "rope",
                "method_b": "leaky",
                "train_len": 4096,
                "test_len": 65_536,
                "window": 1024,
                "factor": 64,
            },
        ),
    ),
)
