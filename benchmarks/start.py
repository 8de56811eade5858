"""Start-up and memory against a one-tab Gradio hello world."""

import os
import subprocess
import sys

from benchmarks.common import ROOT, Row, interleaved, serve

HELLO = ("-m", "benchmarks.peers.hello")


def import_cpu(module: str) -> float:
    """Return the CPU seconds of a process that only imports a module."""
    before = os.times()
    subprocess.run([sys.executable, "-c", f"import {module}"], cwd=ROOT, check=True)
    after = os.times()
    used = after.children_user - before.children_user
    return used + after.children_system - before.children_system


def first_answer(*arguments: str) -> tuple[float, float]:
    """Return the seconds from start to the first page and the memory then, MiB."""
    with serve(*arguments) as server:
        return server.started, server.memory()


def rows(repeats: int = 5) -> list[Row]:
    """Measure import, first answer and memory."""
    imports = interleaved(
        repeats, lambda: import_cpu("app"), lambda: import_cpu("benchmarks.peers.hello")
    )
    pairs = [(first_answer("app.py"), first_answer(*HELLO)) for _ in range(repeats)]
    middle = sorted(pairs, key=lambda pair: pair[0][0] / pair[1][0])[repeats // 2]
    (ours, our_memory), (peer, peer_memory) = middle
    return [
        Row("import of the app, CPU", imports[0], imports[1], "s", 1.3),
        Row("start to first HTTP 200", ours, peer, "s", 1.3),
        Row("memory after start", our_memory, peer_memory, "MiB", 1.3),
    ]
