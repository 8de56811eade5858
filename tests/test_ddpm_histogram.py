"""Shares of bins: against quadrature of the density, against counts, for points at time 0."""

import numpy as np
import pytest

from models import ddpm, ddpm_exact
from models.ddpm_histogram import bin_shares, histogram

SU = ddpm.su()
EDGES = np.linspace(-6, 6, 50)


@pytest.mark.parametrize("kind", ddpm_exact.DATA_SETS)
@pytest.mark.parametrize("t", [0, 1, 263, 1000])
def test_all_bins_sum_to_one(kind, t):
    shares = bin_shares(ddpm_exact.data_set(kind, spread=0.05), SU, EDGES, t)
    assert shares.min() >= 0
    assert shares.sum() == pytest.approx(1, abs=1e-6)  # beyond 6 lies 2e-9 of a standard normal


@pytest.mark.parametrize("t", [100, 500])
def test_shares_are_the_integral_of_the_density(t):
    data = ddpm_exact.data_set("three_points")
    fine = np.linspace(-6, 6, 49 * 200 + 1)
    middles = (fine[:-1] + fine[1:]) / 2
    density = np.exp(ddpm_exact.log_density(data, SU, middles[:, None], t))
    expected = (density * np.diff(fine)).reshape(49, 200).sum(axis=1)
    np.testing.assert_allclose(bin_shares(data, SU, EDGES, t), expected, atol=1e-7)


@pytest.mark.parametrize("axis", [0, 1])
@pytest.mark.parametrize("t", [0, 200])
def test_shares_are_what_a_histogram_counts(axis, t, rng):
    data = ddpm_exact.data_set("mixture")
    x = SU.A[t] * ddpm_exact.draw(data, 200_000, rng)
    x += SU.B[t] * rng.standard_normal(x.shape)
    counted, shares = histogram(x[:, axis], EDGES), bin_shares(data, SU, EDGES, t, axis)
    assert np.abs(counted - shares).max() < 5 * np.sqrt(0.25 / 200_000)


def test_points_at_time_0_lie_in_their_bins():
    data = ddpm_exact.data_set("two_points")
    np.testing.assert_array_equal(bin_shares(data, SU, [-2, 0, 2], 0), [0.5, 0.5])
    np.testing.assert_array_equal(bin_shares(data, SU, [-1, 0.5, 1], 0), [0.5, 0])


def test_values_outside_all_bins_count_in_the_whole():
    np.testing.assert_allclose(histogram([0.5, 0.6, 9, 9], [0, 1]), [0.5])


def test_bad_arguments_are_refused():
    data = ddpm_exact.data_set("normal")
    for edges in ([0], [1, 0], [0, 0], [[0, 1]]):
        with pytest.raises(ValueError, match="edges"):
            bin_shares(data, SU, edges, 0)
    with pytest.raises(ValueError, match="axis"):
        bin_shares(data, SU, EDGES, 0, 1)
    with pytest.raises(ValueError, match="t must"):
        bin_shares(data, SU, EDGES, 1001)
    with pytest.raises(ValueError, match="values"):
        histogram([], EDGES)
