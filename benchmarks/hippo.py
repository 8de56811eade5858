"""Trajectory of LegS, all states, against hippo-code's loop written in NumPy.

    python -m benchmarks.hippo

The loop discretises at every t = 1..L by triangular solves and multiplies, as the constructor and
the forward pass of that code do together. The second peer solves for the vector only, the leanest
dense loop there is.
"""

import numpy as np
from numpy.typing import NDArray

from benchmarks.common import Row, interleaved, table, timed
from models import hippo, hippo_steps, signals

ORDER, N_SAMPLES = 64, 10_000
REPEATS = 3


def rows() -> list[Row]:
    """Measure and return the rows of the table."""
    u = signals.make_signal("random_walk", N_SAMPLES, np.random.default_rng(0))
    memory = hippo.Memory("legs", ORDER)
    records = hippo_steps.spread_records(N_SAMPLES, 400)
    ours, exact, loop, lean = interleaved(
        REPEATS,
        timed(lambda: hippo_steps.trajectory(memory, u, 1.0, "bilinear", "hippo_code")),
        timed(lambda: hippo_steps.trajectory(memory, u, 1.0, records=records)),
        timed(lambda: hippo_code_loop(memory, u)),
        timed(lambda: hippo_steps.dense_bilinear(memory, u)),
    )
    gap = np.abs(
        hippo_steps.trajectory(memory, u, 1.0, "bilinear", "hippo_code").states[1:]
        - hippo_code_loop(memory, u)
    ).max()
    if gap > 1e-9:
        raise RuntimeError(f"both sides must give the same states, they differ by {gap:g}")
    what = f"HiPPO: LegS, N={ORDER}, L={N_SAMPLES}"
    return [
        Row(f"{what}, all states, against hippo-code's loop", ours, loop, "s", 0.1),
        Row(f"{what}, exact at 400 records, against hippo-code's loop", exact, loop, "s", 0.1),
        Row(f"{what}, all states, against the leanest dense loop", ours, lean, "s", np.inf),
    ]


def hippo_code_loop(memory: hippo.Memory, u: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return all states (L, N): bilinear, the same t on both sides, from silence."""
    from scipy.linalg import solve_triangular

    A, B = hippo.matrices(memory)
    identity = np.eye(memory.order)
    state, states = np.zeros(memory.order), np.empty((u.size, memory.order))
    for t, sample in enumerate(u, 1):
        left = identity - A / (2 * t)
        A_bar = solve_triangular(left, identity + A / (2 * t), lower=True)
        B_bar = solve_triangular(left, B / t, lower=True)
        state = A_bar @ state + B_bar * sample
        states[t - 1] = state
    return states


if __name__ == "__main__":
    print(table(rows()))
