"""BERT-flow: a small Glow that turns sentence vectors into samples of N(0, I), by most likelihood.

The vectors are first whitened to k directions, which is the best linear map there is; then come
`DEPTH` steps on each of `LEVELS` levels, and after each level but the last one half of the
coordinates is done:
    scale and shift    y = s x + b                       a number for each coordinate
    mix                y = x W                           W any invertible square matrix
    couple             y_1 = x_1,  y_2 = x_2 e^(a(x_1)) + c(x_1),  a = 2 tanh(.), a net of one layer
    ln p(x) = ln N(z; 0, I) + ln |det dz/dx|
s = 1, b = 0, a = c = 0 and W a turn to begin with, so that the untrained flow is whitening itself,
cosine by cosine, and its likelihood that of the normal distribution with the mean and covariance of
the vectors it is trained on: -ln(2 pi)/2 - (N - 1)/(2N) for each coordinate of these N. No linear
map has a better one; whatever is gained above it is not linear.

Shapes: fit vectors (N, d), vectors (n, d), z (n, k). Units: nats per coordinate of the k.
Convention: a tenth of the fit vectors, at least one, is held out; the weights are those of the
step with the best likelihood on them, the untrained ones included, and training ends when that has
not risen for a while. Same seed, same flow.

Importing this module does not import torch; fitting does.

Source: Li et al. 2020, arXiv 2011.05864 (BERT-flow); Kingma and Dhariwal 2018, arXiv 1807.03039
(Glow); Su Jianlin, 2021, kexue.fm/archives/8069 (levels 2, depth 3; whitening as its linear case).
"""

import copy
import math
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike

from models import whitening
from models.checks import whole_number
from models.similarity import Floats, as_vectors
from models.whitening import Whitening

if TYPE_CHECKING:
    import torch
    from torch import Tensor, nn

LEVELS, DEPTH = 2, 3
WIDTH = 64  # of a coupling's hidden layer
BATCH = 256
LEARNING_RATE = 3e-3
EVERY = 10  # steps between two looks at the held-out vectors
PATIENCE = 50  # steps without a better one after which training ends
STEEPEST = 2.0  # largest |a| of a coupling
LEAST = 8  # fit vectors
FEWEST = 4  # directions: two halves of two halves
MOST_STEPS = 10_000


@dataclass(frozen=True)
class Gain:
    """What training brought, in ln p, nats per coordinate.

    Attributes:
        steps: Steps of training that the weights have seen; 0 for the untrained ones.
        gaussian: Of the held-out vectors by the untrained flow.
        likelihood: Of the held-out vectors by the trained one.
        fitted_gaussian: Of the vectors trained on by the untrained flow.
        fitted: Of the vectors trained on by the trained one.
        n_trained: Vectors it was trained on.
    """

    steps: int
    gaussian: float
    likelihood: float
    fitted_gaussian: float
    fitted: float
    n_trained: int

    @property
    def theory(self) -> float:
        """What `fitted_gaussian` is by the formula."""
        return -math.log(2 * math.pi) / 2 - (self.n_trained - 1) / (2 * self.n_trained)


@dataclass(frozen=True, eq=False)
class Flow:
    """A fitted flow.

    Attributes:
        whitening: The linear map before it, to k directions.
        network: From whitened vectors to z and ln |det|.
        gain: What training brought.
    """

    whitening: Whitening
    network: "nn.Module"
    gain: Gain

    def __call__(self, vectors: ArrayLike) -> Floats:
        """Return z of vectors (n, d), (n, k).

        Raises:
            ValueError: If they are not finite or not of the fitted dimension.
        """
        import torch

        given = torch.from_numpy(_whitened(self.whitening, vectors))
        with torch.no_grad():
            z, _ = self.network(given)
        found: Floats = z.numpy()
        return found

    def log_likelihood(self, vectors: ArrayLike) -> Floats:
        """Return ln p of whitened vectors (n, d) for each of them, nats per coordinate, (n,)."""
        import torch

        given = torch.from_numpy(_whitened(self.whitening, vectors))
        with torch.no_grad():
            found: Floats = _log_likelihood(self.network, given).numpy()
        return found


def fit(vectors: ArrayLike, n_components: float = 64, steps: float = 200, seed: int = 0) -> Flow:
    """Return the flow of vectors (N, d), trained to the end; see `training`."""
    *_, found = training(vectors, n_components, steps, seed)
    return found


def training(
    vectors: ArrayLike, n_components: float = 64, steps: float = 200, seed: int = 0
) -> Iterator[Flow]:
    """Yield the best flow so far, first the untrained one, then every `EVERY` steps.

    Args:
        vectors: Fit vectors (N, d), N of at least 8.
        n_components: k, at least 4; at most d and the rank are kept.
        steps: Of training, 0..10000.
        seed: Of batches and starts, 0..2^31 - 1.

    Raises:
        ValueError: If an argument is outside its domain or the vectors span fewer than 4
            directions.
    """
    import torch

    x = as_vectors("vectors", vectors, least=LEAST).astype(np.float64, copy=False)
    k = min(whole_number("n_components", n_components, FEWEST, 2**31), x.shape[1])
    most = whole_number("steps", steps, 0, MOST_STEPS)
    generator = torch.Generator().manual_seed(whole_number("seed", seed, 0, 2**31 - 1))
    order = torch.randperm(len(x), generator=generator).numpy()
    held = max(1, len(x) // 10)
    linear = whitening.fit(x[order[held:]], k)
    if linear.n_kept < FEWEST:
        raise ValueError(f"vectors must span {FEWEST} directions or more, got {linear.n_kept}")
    unseen = torch.from_numpy(_whitened(linear, x[order[:held]]))
    seen = torch.from_numpy(_whitened(linear, x[order[held:]]))
    network = _network(linear.n_kept, generator)
    adam = torch.optim.Adam(network.parameters(), lr=LEARNING_RATE)
    gaussian, fitted_gaussian = _mean(network, unseen), _mean(network, seen)
    start = Gain(0, gaussian, gaussian, fitted_gaussian, fitted_gaussian, len(seen))
    best = Flow(linear, copy.deepcopy(network), start)
    yield best
    for step in range(1, most + 1):
        rows = torch.randint(len(seen), (min(BATCH, len(seen)),), generator=generator)
        adam.zero_grad()
        (-_log_likelihood(network, seen[rows]).mean()).backward()  # type: ignore[no-untyped-call]
        torch.nn.utils.clip_grad_norm_(network.parameters(), 1.0)
        adam.step()
        if step % EVERY and step != most:
            continue
        now = _mean(network, unseen)
        if math.isfinite(now) and now > best.gain.likelihood:
            gain = replace(start, steps=step, likelihood=now, fitted=_mean(network, seen))
            best = Flow(linear, copy.deepcopy(network), gain)
        yield best
        if step - best.gain.steps >= PATIENCE:
            return


def _whitened(linear: Whitening, vectors: ArrayLike) -> Floats:
    x = as_vectors("vectors", vectors).astype(np.float64, copy=False)
    return np.asarray(whitening.transform(linear, x))


def _log_likelihood(network: "nn.Module", x: "Tensor") -> "Tensor":
    z, volume = network(x)
    k: int = x.shape[1]
    found: Tensor = (volume - (z**2).sum(dim=1) / 2) / k - math.log(2 * math.pi) / 2
    return found


def _mean(network: "nn.Module", x: "Tensor") -> float:
    import torch

    with torch.no_grad():
        return float(_log_likelihood(network, x).mean())


def _network(k: int, generator: "torch.Generator") -> "nn.Module":
    """Return the flow of k coordinates as a torch module, a turn to begin with."""
    import torch
    from torch import Tensor, nn

    class Step(nn.Module):
        """Scale and shift, mix, couple: the mix decides which half is kept."""

        def __init__(self, n: int) -> None:
            super().__init__()
            self.n_kept = n // 2
            self.scale = nn.Parameter(torch.zeros(n, dtype=torch.float64))
            self.shift = nn.Parameter(torch.zeros(n, dtype=torch.float64))
            drawn = torch.randn(n, n, generator=generator, dtype=torch.float64)
            self.mix = nn.Parameter(torch.linalg.qr(drawn)[0].clone())  # a turn
            n_told = 2 * (n - self.n_kept)
            empty: Any = nn.utils.skip_init  # which draws nothing from the shared generator
            self.inner = empty(nn.Linear, self.n_kept, WIDTH, dtype=torch.float64)
            self.outer = empty(nn.Linear, WIDTH, n_told, dtype=torch.float64)
            with torch.no_grad():
                spread = self.n_kept**-0.5
                self.inner.weight.normal_(0, spread, generator=generator)
                self.inner.bias.zero_()
                self.outer.weight.zero_()
                self.outer.bias.zero_()

        def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
            x = (x * self.scale.exp() + self.shift) @ self.mix
            first, second = x[:, : self.n_kept], x[:, self.n_kept :]
            told = self.outer(torch.relu(self.inner(first)))
            steep, moved = told.chunk(2, dim=1)
            steep = STEEPEST * torch.tanh(steep)
            volume = self.scale.sum() + torch.linalg.slogdet(self.mix).logabsdet
            return torch.cat([first, second * steep.exp() + moved], dim=1), volume + steep.sum(1)

    class Glow(nn.Module):
        """All levels: after each but the last, half of the coordinates is done."""

        def __init__(self) -> None:
            super().__init__()
            sizes = [k]
            while len(sizes) < LEVELS:
                sizes.append(sizes[-1] - sizes[-1] // 2)
            self.levels = nn.ModuleList(
                nn.ModuleList(Step(size) for _ in range(DEPTH)) for size in sizes
            )

        def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
            volume = x.new_zeros(len(x))
            done = []
            levels: Any = self.levels
            for number, steps in enumerate(levels):
                for step in steps:
                    x, more = step(x)
                    volume = volume + more
                if number < LEVELS - 1:
                    half = x.shape[1] // 2
                    done.append(x[:, :half])
                    x = x[:, half:]
            return torch.cat([*done, x], dim=1), volume

    return Glow()
