"""How many threads torch may use: half of the cores, so that one visitor leaves room for others."""

import os

THREADS = max(1, (os.cpu_count() or 1) // 2)


def bound() -> None:
    """Bound the threads of torch; imports it."""
    import torch

    torch.set_num_threads(THREADS)
