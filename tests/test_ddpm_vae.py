"""The chain as a VAE on a line: quadrature against the general one, sums two ways, best sigma."""

import math

import numpy as np
import pytest

from models import ddpm, ddpm_exact, ddpm_samplers, ddpm_vae

SU = ddpm.su()
POINTS = {"two_points": [-1.0, 1.0], "three_points": [-1.0, 0.0, 1.0]}
STEPS = {"su": SU, "linear": ddpm.linear(), "cosine": ddpm.cosine(100), "short": ddpm.su(10)}


@pytest.mark.parametrize("kind", POINTS)
def test_points_agree_with_the_general_quadrature(kind):
    data = ddpm_exact.data_set(kind)
    levels = ddpm_vae.point_levels(SU, POINTS[kind])
    for t in (1, 2, 50, 100, 263, 400, 1000):
        error = ddpm_exact.mean_errors(data, SU, [t])[0][0]
        assert levels.errors[t - 1] == pytest.approx(error, abs=1e-9)
        entropy = ddpm_exact.entropy_at(data, SU, t)
        assert levels.entropies[t] == pytest.approx(entropy, abs=1e-9)
    assert levels.entropies[0] == -math.inf
    assert levels.mean_square == pytest.approx(data.mean_square)


def test_gaussian_levels_are_the_closed_forms():
    levels = ddpm_vae.gaussian_levels(SU, 0.5)
    data = ddpm_exact.gaussian(0, 0.25)
    assert levels.errors == pytest.approx(ddpm_exact.mean_errors(data, SU)[0])
    assert levels.entropies[300] == pytest.approx(ddpm_exact.entropy_at(data, SU, 300))
    assert ddpm_vae.gaussian_levels(SU, 0).entropies[0] == -math.inf


@pytest.mark.parametrize("name", STEPS)
@pytest.mark.parametrize("choice", ["b", "between"])
def test_the_chain_of_a_gaussian_is_the_closed_form(name, choice):
    schedule = STEPS[name]
    sigmas = ddpm.step_sigmas(schedule, choice)
    levels = ddpm_vae.gaussian_levels(schedule, 0.5)
    found = ddpm_vae.chain(schedule, sigmas, levels)
    known = ddpm_exact.gaussian_chain(schedule, sigmas, 0.5)
    assert found.steps == pytest.approx(known.steps, abs=1e-13)  # entropies are of size 1 to 10
    assert found.end == pytest.approx(known.end, abs=1e-13)
    entropy = float(levels.entropies[0])
    joint = ddpm.joint_kl(schedule, sigmas, levels.errors, levels.mean_square, entropy)
    assert found.total == pytest.approx(joint, abs=1e-10)


@pytest.mark.parametrize("name", STEPS)
@pytest.mark.parametrize("kind", POINTS)
def test_two_ways_to_add_up_agree_for_points(name, kind):
    schedule = STEPS[name]
    levels = ddpm_vae.point_levels(schedule, POINTS[kind])
    for choice in ("b", "beta_tilde"):
        sigmas = ddpm.step_sigmas(schedule, choice, is_clamped=True)
        steps = ddpm_vae.chain(schedule, sigmas, levels)
        assert steps.steps[0] == math.inf  # a point has no density
        terms = ddpm.bound(schedule, sigmas, levels.errors, levels.mean_square).steps
        assert (terms[1:] - steps.steps[1:] >= -1e-13).all()
        bits = ddpm_vae.information(schedule, levels)
        excess = (terms - steps.steps)[1:].sum()
        assert excess == pytest.approx(bits[0] - bits[-1], abs=1e-10)
        total = ddpm_vae.given_data_total(schedule, terms, levels)
        assert steps.end + steps.steps[1:].sum() == pytest.approx(total, abs=1e-10)


def test_x_1_tells_which_point_it_was():
    for points in POINTS.values():
        levels = ddpm_vae.point_levels(SU, points)
        bits = ddpm_vae.information(SU, levels)
        assert bits[0] == pytest.approx(math.log(len(points)), abs=1e-9)
        assert (np.diff(bits) < 1e-12).all() and bits[-1] < 1e-4


def test_best_sigma_is_that_of_the_post_for_gaussians_and_least_for_points():
    steps = ddpm.transition(SU, np.arange(1, 1001))
    for s in (0.0, 0.5, 1.0, 2.0):
        best = ddpm_vae.best_sigmas(SU, ddpm_vae.gaussian_levels(SU, s).errors)
        assert best == pytest.approx(ddpm.sigma(SU, steps, "optimal", s), rel=1e-12, abs=1e-18)
    levels = ddpm_vae.point_levels(SU, POINTS["two_points"])
    best = ddpm_vae.best_sigmas(SU, levels.errors)
    least = ddpm_vae.chain(SU, best, levels).steps[1:]
    for factor in (0.99, 1.01):
        assert (ddpm_vae.chain(SU, factor * best, levels).steps[1:] >= least).all()


@pytest.mark.parametrize("sigma", ["b", "beta_tilde", "optimal"])
@pytest.mark.parametrize("s", [0.0, 0.5, 1.0, 3.0])
def test_marginal_variance_agrees_with_the_sampler(sigma, s):
    for schedule in STEPS.values():
        times = np.arange(schedule.n_steps, 0, -1)
        rule = ddpm_samplers.Rule("ddpm", sigma=sigma, data_std=s, noise_at_end=True)
        run = ddpm_exact.gaussian_run(ddpm_samplers.make_plan(schedule, times, rule), 0.0, s)
        sigmas = ddpm.step_sigmas(schedule, sigma, s)
        found = ddpm_vae.gaussian_marginal(schedule, sigmas, s)
        assert found == pytest.approx(run.variances[-1], rel=1e-9, abs=1e-15)


def test_the_joint_kl_is_at_least_that_of_the_data():
    for s in (0.3, 1.0, 2.5):
        for choice in ("b", "beta_tilde", "between"):
            sigmas = ddpm.step_sigmas(SU, choice, is_clamped=True)
            joint = ddpm_exact.gaussian_chain(SU, sigmas, s).total
            marginal = ddpm_vae.gaussian_marginal(SU, sigmas, s)
            assert joint >= ddpm_vae.variance_kl(s**2, marginal) - 1e-12


def test_kl_of_variances():
    assert ddpm_vae.variance_kl(2.0, 2.0) == 0 == ddpm_vae.variance_kl(0, 0)
    assert ddpm_vae.variance_kl(0, 1) == math.inf == ddpm_vae.variance_kl(1, 0)
    assert ddpm_vae.variance_kl(0.25, 1.0) == pytest.approx(
        ddpm_exact.gaussian_kl(0, 0.25, 0, 1), rel=1e-12
    )


def test_what_is_refused():
    with pytest.raises(ValueError, match="points must be"):
        ddpm_vae.point_levels(SU, [])
    with pytest.raises(ValueError, match="points must be"):
        ddpm_vae.point_levels(SU, range(9))
    with pytest.raises(ValueError, match="data_std"):
        ddpm_vae.gaussian_levels(SU, -1)
    with pytest.raises(ValueError, match="errors must be"):
        ddpm_vae.best_sigmas(SU, [1.0])
    with pytest.raises(ValueError, match="sigmas must be"):
        ddpm_vae.gaussian_marginal(SU, [1.0], 1)
