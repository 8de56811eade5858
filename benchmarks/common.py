"""What the benchmarks share: rows of a table, a server in its own process, CPU and memory."""

import math
import os
import socket
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx

ROOT = Path(__file__).resolve().parent.parent
TICK = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True)
class Row:
    """One line of the table.

    Args:
        name: What is measured.
        ours: Our figure.
        peer: The peer's, in the same unit.
        unit: Their unit.
        budget: Largest (``worse="more"``) or smallest allowed ratio ours / peer.
        worse: Whether a larger ratio is worse ("more") or better ("less").
    """

    name: str
    ours: float
    peer: float
    unit: str
    budget: float
    worse: str = "more"

    @property
    def ratio(self) -> float:
        """Ours / peer."""
        return self.ours / self.peer

    @property
    def held(self) -> bool:
        """Whether the ratio keeps the budget."""
        return self.ratio <= self.budget if self.worse == "more" else self.ratio >= self.budget


def table(rows: Sequence[Row]) -> str:
    """Return rows as a Markdown table."""
    sign = {"more": "≤", "less": "≥"}
    lines = [
        f"| {r.name} | {r.ours:.4g} {r.unit} | {r.peer:.4g} {r.unit} | {r.ratio:.2f} |"
        + (
            " – | – |"
            if r.budget == math.inf
            else f" {sign[r.worse]} {r.budget:.3g} | {'✓' if r.held else '✗'} |"
        )
        for r in rows
    ]
    head = ["| what | ours | peer | ratio | budget | held |", "|---|---|---|---|---|---|"]
    return "\n".join([*head, *lines])


def free_port() -> int:
    """Return a free port of this machine."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@dataclass
class Server:
    """A running page: its address, process and how long it took to answer first."""

    url: str
    process: subprocess.Popen[bytes]
    started: float

    def cpu(self) -> float:
        """Return the CPU seconds the process has used."""
        stat = Path(f"/proc/{self.process.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(stat[11]) + int(stat[12])) / TICK

    def memory(self) -> float:
        """Return the resident memory, MiB."""
        status = Path(f"/proc/{self.process.pid}/status").read_text()
        line = next(line for line in status.splitlines() if line.startswith("VmRSS"))
        return int(line.split()[1]) / 1024


@contextmanager
def serve(*arguments: str) -> Iterator[Server]:
    """Run ``python <arguments>`` as a server until the block ends; 127.0.0.1 only."""
    port = free_port()
    env = {
        **os.environ,
        "GRADIO_SERVER_NAME": "127.0.0.1",
        "GRADIO_SERVER_PORT": str(port),
        "GRADIO_ANALYTICS_ENABLED": "False",
    }
    begin = time.perf_counter()
    process = subprocess.Popen(
        [sys.executable, *arguments], cwd=ROOT, env=env, stdout=subprocess.DEVNULL
    )
    url = f"http://127.0.0.1:{port}"
    try:
        while True:
            try:
                if httpx.get(url, timeout=5).status_code == 200:
                    break
            except httpx.TransportError:
                time.sleep(0.05)
            if process.poll() is not None or time.perf_counter() - begin > 120:
                raise RuntimeError(f"{arguments} did not start")
        yield Server(url, process, time.perf_counter() - begin)
    finally:
        process.terminate()
        process.wait(timeout=20)


def timed(
    run: Callable[[], Any], clock: Callable[[], float] = time.perf_counter
) -> Callable[[], float]:
    """Return a function that runs once and returns its seconds by a clock."""
    run()  # warm up: imports, threads, pages

    def measure() -> float:
        start = clock()
        run()
        return clock() - start

    return measure


def interleaved(repeats: int, *measures: Callable[[], float]) -> list[float]:
    """Return the median of each measure; the measures take turns, so noise meets all alike."""
    results: list[list[float]] = [[] for _ in measures]
    for _ in range(repeats):
        for result, measure in zip(results, measures, strict=True):
            result.append(measure())
    return [statistics.median(result) for result in results]
