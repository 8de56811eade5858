"""Ways between latents and what N(0, I) should look like, against closed forms."""

import math

import numpy as np
import pytest

from models import ddpm_latents
from models.ddpm_latents import PATHS, between, falling_power, normality, path_variance

SHARES = np.linspace(0, 1, 9)


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_ends_are_the_latents_themselves(path, dtype, rng):
    one, other = rng.standard_normal((2, 3, 8, 8)).astype(dtype)
    way = between(path, one, other, SHARES)
    assert way.shape == (9, 3, 8, 8) and way.dtype == dtype
    np.testing.assert_allclose(way[0], one, atol=1e-6)
    np.testing.assert_allclose(way[-1], other, atol=1e-6)


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("is_same", [False, True])
def test_variance_on_the_way(path, is_same, rng):
    one, other = rng.standard_normal((2, 400, 1024))
    way = between(path, one, one if is_same else other, SHARES)
    theory = path_variance(path, SHARES, 1.0 if is_same else 0.0)
    np.testing.assert_allclose(way.reshape(9, -1).var(axis=1), theory, atol=0.02)


def test_arc_keeps_the_variance_and_the_line_halves_it():
    np.testing.assert_allclose(path_variance("arc", SHARES), 1, rtol=1e-14)
    assert path_variance("line", 0.5)[0] == 0.5
    assert path_variance("line", [0.25])[0] == 0.625
    assert path_variance("arc", 0.5, 1.0)[0] == pytest.approx(2, rel=1e-14)
    assert path_variance("line", 0.5, -1.0)[0] == 0


def test_slerp_keeps_the_length_of_equal_ones(rng):
    one, other = rng.standard_normal((2, 1, 100))
    other *= np.linalg.norm(one) / np.linalg.norm(other)
    way = between("slerp", one, other, SHARES)
    np.testing.assert_allclose(np.linalg.norm(way, axis=-1), np.linalg.norm(one), rtol=1e-12)


@pytest.mark.parametrize("share", [-0.1, 1.1, [0.5, math.nan], [[0.5]]])
@pytest.mark.parametrize("path", PATHS)
def test_bad_shares_are_refused(path, share):
    with pytest.raises(ValueError, match="share"):
        path_variance(path, share)
    with pytest.raises(ValueError, match="share"):
        between(path, np.eye(2), np.ones((2, 2)), share)


def test_unknown_paths_and_correlations_are_refused():
    with pytest.raises(ValueError, match="path"):
        between("bridge", [[1.0]], [[1.0]], 0.5)
    with pytest.raises(ValueError, match="path"):
        path_variance("bridge", 0.5)
    with pytest.raises(ValueError, match="correlation"):
        path_variance("arc", 0.5, 1.5)


def test_normality_of_normal_numbers(rng):
    seen = normality(rng.standard_normal((500, 32, 32)))
    assert abs(seen.mean) < 4 * seen.mean_error
    assert abs(seen.variance - 1) < 4 * seen.variance_error
    assert abs(seen.norm - seen.expected_norm) < 4 * seen.norm_error
    assert seen.expected_norm == pytest.approx(31.9922, abs=1e-4)


def test_normality_of_known_numbers():
    seen = normality([[3.0, 4.0], [0.0, 0.0]])
    assert (seen.mean, seen.norm) == (1.75, 2.5)
    assert seen.variance == pytest.approx(25 / 4 - 1.75**2)
    with pytest.raises(ValueError, match="latents"):
        normality(np.empty((0, 4)))


def test_power_of_a_power_law():
    assert falling_power({S: 3 * S**-1.5 for S in (10, 20, 50)}) == pytest.approx(-1.5)
    assert math.isnan(falling_power({10: 1.0}))
    assert ddpm_latents.falling_power({10: 0.014, 100: 0.0009}) == pytest.approx(-1.19, abs=0.01)
