"""Panel: LegS in O(N) a step instead of O(N^2), the same numbers; S4's convolution."""

import time
from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from demos.controls import Control, Integer
from demos.figures import Figure, axis, dots, figure, line
from demos.panel import Panel, Preset
from demos.view import Reading, View, at_least, equal, shown
from demos.words import W
from models import hippo, hippo_steps, signals

ORDERS = (4, 8, 16, 32, 64, 128)
KERNEL = 400  # samples of the kernel shown


def cost_controls() -> dict[str, Control]:
    """Return the controls of ``cost``."""
    return {
        "n_samples": Integer(default=1000, low=50, high=10_000, log=True),
        "order": Integer(default=32, low=1, high=hippo.MAX_ORDER, log=True),
        "step": Integer(default=100, low=10, high=1000, log=True),
    }


def cost(n_samples: int, order: int, step: int) -> Iterator[View]:
    """Run LegS (bilinear) by dense solves and in O(N), and a constant system by convolution.

    Args:
        n_samples: L, samples of a chirp.
        order: N of the kernel and of the comparison of convolution and recurrence.
        step: Samples per time scale of the constant system.

    Yields:
        First the counts of operations; Run measures both ways, one N after the other.
    """
    study = _Race(n_samples, order, step)
    yield study.view(0.0)
    for done, n in enumerate(ORDERS, 1):
        study.race(n)
        yield study.view(done / len(ORDERS) if done < len(ORDERS) else None)


class _Race:
    """Both ways at each N, their times and the distance of their results."""

    def __init__(self, n_samples: int, order: int, step: int) -> None:
        self.order, self.step = order, step
        self.u = signals.make_signal("chirp", n_samples, np.random.default_rng(0), 4)
        self.seconds: list[tuple[float, float]] = []
        self.gaps: list[float] = []
        self.kernel, self.gap = hippo_steps.convolution_check(order, 1 / step, self.u)

    def race(self, n: int) -> None:
        """Run both ways for one N."""
        memory, size = hippo.Memory("legs", n), self.u.size
        start = time.perf_counter()
        fast = hippo_steps.trajectory(memory, self.u, 1.0, "bilinear").states
        middle = time.perf_counter()
        slow = hippo_steps.dense_bilinear(memory, self.u)
        end = time.perf_counter()
        self.seconds.append(((middle - start) / size, (end - middle) / size))
        self.gaps.append(float(np.abs(fast[1:] - slow).max()))

    def view(self, progress: float | None) -> View:
        """Return the view after the orders raced so far."""
        sizes = np.array(ORDERS)
        pictures = {"operations": _operations(sizes), "kernel": self._kernel()}
        if self.seconds:
            pictures["seconds"] = self._seconds()
        done = len(self.gaps)
        gaps = np.full(sizes.size, np.nan)
        gaps[:done] = self.gaps
        return View(
            pictures,
            W("hippo.cost_caption", samples=self.u.size, n=ORDERS[-1]),
            self._readings(),
            {
                "order": sizes,
                "operations_fast": 9 * sizes,
                "operations_dense": sizes**2 + 2 * sizes,
                "gap": gaps,
            },
            progress=progress,
        )

    def _kernel(self) -> Figure:
        count = min(KERNEL, self.step, self.kernel.size)  # one time scale at most
        return figure(
            line(np.arange(count) / self.step, self.kernel[:count], "K", "@purple"),
            x=axis(W("hippo.axis_lag")),
            y=axis(W("hippo.axis_kernel")),
            title=W("hippo.title_kernel", n=self.order),
        )

    def _seconds(self) -> Figure:
        fast, slow = 1e6 * np.array(self.seconds).T
        sizes = np.array(ORDERS[: fast.size])
        style: dict[str, Any] = {"mode": "lines+markers"}
        return figure(
            dots(sizes, slow, W("hippo.dense"), "@orange", **style),
            dots(sizes, fast, W("hippo.fast"), "@blue", **style),
            x=axis(W("hippo.axis_order"), log=True),
            y=axis(W("hippo.axis_microseconds"), log=True),
            title=W("hippo.title_seconds"),
            wide=True,
            height=320,
        )

    def _readings(self) -> list[Reading]:
        largest = float(np.abs(self.u).max())
        rows = [equal(W("hippo.reading_convolution"), self.gap, 0.0, 1e-9 * largest)]
        for n, gap in zip(ORDERS, self.gaps, strict=False):
            rows.append(equal(W("hippo.reading_fast", n=n), gap, 0.0, 1e-9 * largest))
        if len(self.seconds) == len(ORDERS):
            fast, slow = self.seconds[-1]
            rows.append(at_least(W("hippo.reading_pays", n=ORDERS[-1]), slow / fast, 1.0))
        else:
            rows.append(shown(W("hippo.reading_run"), "–"))
        return rows


def _operations(sizes: NDArray[np.int64]) -> Figure:
    style: dict[str, Any] = {"mode": "lines+markers"}
    return figure(
        dots(sizes, sizes**2 + 2 * sizes, W("hippo.dense"), "@orange", **style),
        dots(sizes, 9 * sizes, W("hippo.fast"), "@blue", **style),
        x=axis(W("hippo.axis_order"), log=True),
        y=axis(W("hippo.axis_operations"), log=True),
        title=W("hippo.title_operations"),
    )


PANEL = Panel(
    cost,
    cost_controls,
    (
        Preset("s4", {"order": 64, "step": 300}),
        Preset("long", {"n_samples": 4000}),
        Preset("coarse", {"step": 20, "order": 8}),
    ),
)
