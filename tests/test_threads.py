"""The bound on torch's threads."""

import os

import torch

from models import threads


def test_half_of_the_cores_are_left_to_others():
    before = torch.get_num_threads()
    try:
        threads.bound()
        assert torch.get_num_threads() == max(1, (os.cpu_count() or 1) // 2)
    finally:
        torch.set_num_threads(before)
