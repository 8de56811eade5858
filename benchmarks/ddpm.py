"""DDPM sampling, 50 steps of 16 pictures, against diffusers' loops and against the network alone.

    python -m benchmarks.ddpm

All drive the shipped digits network on the same single thread and take turns. Ours draws one stream
of noise per picture, checks every prediction, and goes from NumPy to torch and back at each step;
diffusers stays in torch. Measured is CPU time: other work on the machine disturbs it less than the
clock, and on one thread of a machine at rest the two are the same.
"""

import time
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from benchmarks.common import ROOT, Row, interleaved, table, timed
from models import ddpm
from models.ddpm_samplers import RULES, final, make_plan, noise_streams, sample, visited_times
from models.unet import SIDE, Denoiser

FILE = ROOT / "assets" / "ddpm" / "digits.safetensors"
N_PICTURES, N_VISITS, N_THREADS = 16, 50, 1
REPEATS = 9
SCHEDULERS = {"ddim": "DDIMScheduler", "ddpm": "DDPMScheduler"}


def rows() -> list[Row]:
    """Measure and return the rows of the table."""
    before = torch.get_num_threads()
    torch.set_num_threads(N_THREADS)
    try:
        return _rows(Denoiser.load(FILE))
    finally:
        torch.set_num_threads(before)


def _rows(denoiser: Denoiser) -> list[Row]:
    gap = np.abs(ours(denoiser, "ddim") - diffusers_loop(denoiser, "ddim")).max()
    if gap > 1e-3:
        raise RuntimeError(f"both sides must give the same pictures, they differ by {gap:g}")
    runs: list[Callable[[], Any]] = [
        lambda: passes(denoiser),
        lambda: ours(denoiser, "ddim"),
        lambda: diffusers_loop(denoiser, "ddim"),
        lambda: ours(denoiser, "ddpm"),
        lambda: diffusers_loop(denoiser, "ddpm"),
    ]
    measures = [timed(run, time.process_time) for run in runs]
    seconds = interleaved(REPEATS, *measures)
    bare, ddim, ddim_peer, noisy, noisy_peer = (each / N_PICTURES for each in seconds)
    what, unit = f"{N_VISITS} steps, batch {N_PICTURES}", "s CPU per picture"
    return [
        Row(f"DDIM: {what}, against diffusers' loop", ddim, ddim_peer, unit, 1.0),
        Row(f"DDPM: {what}, against diffusers' loop", noisy, noisy_peer, unit, 1.0),
        Row(f"DDIM: {what}, against the bare forward passes", ddim, bare, unit, 1.05),
        Row(f"DDPM: {what}, against the bare forward passes", noisy, bare, unit, 1.05),
    ]


def ours(denoiser: Denoiser, rule: str) -> NDArray[Any]:
    """Return the pictures of our sampler (n, 32, 32)."""
    schedule, times = _course(denoiser)
    noises = noise_streams(0, N_PICTURES, (SIDE, SIDE), np.float32)
    plan = make_plan(schedule, times, RULES[rule])
    return final(sample(plan, denoiser, next(noises), noises)).x


def diffusers_loop(denoiser: Denoiser, rule: str) -> NDArray[Any]:
    """Return the pictures of diffusers' scheduler; the start is ours, later noise is its own."""
    import diffusers

    scheduler: Any = getattr(diffusers, SCHEDULERS[rule])(
        trained_betas=_course(denoiser)[0].betas.tolist(),
        num_train_timesteps=denoiser.config.n_times,
        timestep_spacing="trailing",
        clip_sample=False,
    )
    scheduler.set_timesteps(N_VISITS)
    start = next(noise_streams(0, N_PICTURES, (SIDE, SIDE), np.float32))
    x, null = torch.from_numpy(start)[:, None], torch.full((N_PICTURES,), denoiser.config.n_classes)
    with torch.inference_mode():
        for i in scheduler.timesteps:
            eps = denoiser.network(x, (i + 1).expand(N_PICTURES), null)
            x = scheduler.step(eps, i, x).prev_sample
    return x[:, 0].numpy()


def passes(denoiser: Denoiser) -> None:
    """Run the network as often as a sampler does, and nothing else."""
    x = torch.zeros(N_PICTURES, 1, SIDE, SIDE)
    null = torch.full((N_PICTURES,), denoiser.config.n_classes)
    with torch.inference_mode():
        for t in _course(denoiser)[1].tolist():
            denoiser.network(x, torch.full((N_PICTURES,), t), null)


def _course(denoiser: Denoiser) -> tuple[ddpm.Schedule, NDArray[np.int64]]:
    n_times = denoiser.config.n_times
    return ddpm.su(n_times, denoiser.config.last), visited_times(n_times, N_VISITS)


if __name__ == "__main__":
    print(table(rows()))
