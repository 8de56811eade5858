"""The small Glow: whitening before training, exact volumes, more likelihood where there is more.

References: `models.whitening`, scipy's normal density, torch's Jacobian.
``python -m pytest tests/test_flow.py``
"""

import math

import numpy as np
import pytest
import torch
from scipy.stats import multivariate_normal

from models import flow, whitening
from models.similarity import cosine_matrix


def cloud(rng, n=400, d=6):
    """Correlated normal vectors away from the origin."""
    return rng.normal(size=(n, d)) @ rng.normal(size=(d, d)) + 3


def bent(rng, n=600):
    """Vectors on a parabola: no linear map makes them normal."""
    x = rng.normal(size=(n, 4))
    x[:, 2] = x[:, 0] ** 2 + 0.1 * x[:, 2]
    x[:, 3] = x[:, 1] ** 2 + 0.1 * x[:, 3]
    return x


def trained_on(found, x):
    """The vectors that were not held out: those that the flow's whitening was fitted on."""
    order = torch.randperm(len(x), generator=torch.Generator().manual_seed(0)).numpy()
    return x[order[len(x) // 10 :]]


def test_untrained_it_is_whitening(rng):
    x = cloud(rng)
    found = flow.fit(x, 4, steps=0)
    linear = whitening.fit(trained_on(found, x), 4)
    np.testing.assert_allclose(
        cosine_matrix(found(x)), cosine_matrix(whitening.transform(linear, x)), atol=1e-10
    )
    assert found.gain.steps == 0 and found.gain.likelihood == found.gain.gaussian


def test_untrained_its_likelihood_is_the_normal_distributions(rng):
    x = cloud(rng)
    found = flow.fit(x, 6, steps=0)
    part = trained_on(found, x)
    assert found.gain.fitted_gaussian == pytest.approx(found.gain.theory, abs=1e-12)
    normal = multivariate_normal(part.mean(axis=0), np.cov(part.T))
    _, volume = np.linalg.slogdet(found.whitening.kernel)
    expected = (normal.logpdf(x) - volume) / 6  # of the whitened vectors
    np.testing.assert_allclose(found.log_likelihood(x), expected, atol=1e-9)


@pytest.mark.parametrize("k", [4, 5, 6])
def test_the_volume_is_the_jacobians(rng, k):
    x = cloud(rng)
    found = flow.fit(x, k, steps=60)
    at = torch.from_numpy(whitening.transform(found.whitening, x[:3]))
    for one in at:
        matrix = torch.autograd.functional.jacobian(lambda v: found.network(v[None])[0][0], one)
        assert matrix.shape == (k, k)
        _, volume = found.network(one[None])
        assert torch.linalg.slogdet(matrix).logabsdet.item() == pytest.approx(
            volume.item(), abs=1e-9
        )


def test_what_is_not_normal_gains_and_what_is_does_not(rng):
    gained = flow.fit(bent(rng), 4, steps=400)
    assert gained.gain.likelihood > gained.gain.gaussian + 0.2
    assert gained.gain.fitted > gained.gain.fitted_gaussian + 0.2
    plain = flow.fit(cloud(rng, n=2000), 6, steps=200)
    assert 0 <= plain.gain.likelihood - plain.gain.gaussian < 0.02


def test_the_best_step_on_held_out_vectors_is_kept(rng):
    x = bent(rng)
    seen = list(flow.training(x, 4, steps=200))
    likelihoods = [one.gain.likelihood for one in seen]
    assert likelihoods == sorted(likelihoods) and likelihoods[0] == seen[0].gain.gaussian
    best = seen[-1]
    unseen = set(map(tuple, x)) - set(map(tuple, trained_on(best, x)))
    assert len(unseen) == 60 and best.gain.steps > 0
    held = best.log_likelihood(np.array(sorted(unseen)))
    assert held.mean() == pytest.approx(best.gain.likelihood, abs=1e-9)


def test_training_ends_when_nothing_is_gained(rng):
    seen = list(flow.training(cloud(rng, n=60), 6, steps=5000))
    assert len(seen) < 60


def test_the_same_seed_gives_the_same_flow(rng):
    x = bent(rng)
    one, other = (flow.fit(x, 4, steps=30, seed=3)(x) for _ in range(2))
    np.testing.assert_array_equal(one, other)
    assert not np.allclose(one, flow.fit(x, 4, steps=30, seed=4)(x))


def test_nobody_elses_random_numbers_are_touched(rng):
    torch.manual_seed(5)
    expected = torch.rand(3)
    torch.manual_seed(5)
    flow.fit(cloud(rng), 4, steps=20)
    assert torch.equal(torch.rand(3), expected)


def test_at_most_the_rank_is_kept(rng):
    x = cloud(rng, d=4) @ rng.normal(size=(4, 9))
    found = flow.fit(x, 9, steps=10)
    assert found(x).shape == (400, 4) and math.isfinite(found.gain.likelihood)


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"vectors": np.ones((7, 5))}, "vectors must be"),
        ({"vectors": np.eye(20)[:, :3]}, "must span 4 directions"),
        ({"n_components": 3}, "n_components must be"),
        ({"steps": -1}, "steps must be"),
        ({"seed": 0.5}, "seed must be"),
        ({"vectors": np.full((20, 5), np.nan)}, "vectors must be finite"),
    ],
)
def test_bad_input_is_refused(change, says, rng):
    told = {"vectors": cloud(rng), "n_components": 4, "steps": 10, "seed": 0} | change
    with pytest.raises(ValueError, match=says):
        flow.fit(**told)
