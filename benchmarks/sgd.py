"""Many seeds of SGD at once, against torch.optim.SGD in a loop over the seeds.

    python -m benchmarks.sgd

Both sides walk the same problem (absolute regression on 200 made samples, d = 2, projected onto the
unit ball) with one sample per step. Ours also records losses, averages and gradient norms on the
way. The peer's time for one step of one seed is measured on a few thousand steps in the same run,
interleaved with ours, and scaled to all seeds and steps: in full it would take minutes.
"""

import time
from typing import Any

from benchmarks.common import Row, interleaved, table
from models import sgd, sgd_schedules

N_SEEDS, N_STEPS, PEER_STEPS = 200, 10_000, 2000
ETA = 0.01
REPEATS = 5


def rows() -> list[Row]:
    """Measure and return the row of the table."""
    problem = sgd.made_problem("absolute")
    problem.solution  # noqa: B018  found once, outside the measurement
    ours, peer = interleaved(REPEATS, lambda: _ours(problem), lambda: _torch(problem))
    what = f"SGD: {N_SEEDS} seeds × {N_STEPS} steps, d=2, against a loop of torch.optim.SGD"
    steps = N_SEEDS * N_STEPS
    return [Row(what, steps / ours, steps / peer, "steps/s", 50.0, worse="less")]


def _ours(problem: sgd.Problem) -> float:
    settings = sgd.Settings(N_STEPS, N_SEEDS)
    start = time.perf_counter()
    sgd.run(problem, sgd_schedules.constant(N_STEPS, ETA), settings)
    return time.perf_counter() - start


def _torch(problem: sgd.Problem) -> float:
    """Return seconds for all seeds and steps, from one seed's first steps."""
    import torch

    features, targets = torch.tensor(problem.features), torch.tensor(problem.targets)
    theta: Any = torch.zeros(problem.dim, dtype=torch.float64, requires_grad=True)
    optimizer = torch.optim.SGD([theta], lr=ETA)
    radius = problem.radius or float("inf")
    start = time.perf_counter()
    for t in range(PEER_STEPS):
        optimizer.zero_grad()
        i = t % problem.n_samples
        (features[i] @ theta - targets[i]).abs().backward()
        optimizer.step()
        with torch.no_grad():
            theta.mul_(radius / max(radius, float(theta.norm())))
    return (time.perf_counter() - start) / PEER_STEPS * N_SEEDS * N_STEPS


def main() -> None:
    """Print the table."""
    print(table(rows()))


if __name__ == "__main__":
    main()
