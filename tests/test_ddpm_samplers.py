"""Samplers: visited times, one step, whole runs, latents, noise, against diffusers' schedulers.

References: diffusers' DDPMScheduler and DDIMScheduler (0.42), driven by the same network and noise,
where that package is installed; `STORED` holds what they gave, so that the facts are checked
without it as well. Closed forms: Gaussian data. diffusers counts times from 0: its i is our i + 1.
"""

import itertools
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models import ddpm
from models import ddpm_samplers as samplers
from models.ddpm_samplers import PREDICTIONS, RULES, SPACINGS, Rule

T = 20
SCHEDULE = ddpm.linear(T, 0.01, 0.3)
START = np.array([[0.5, -1.0, 2.0]])
SIZES = {"fixed_small": "beta_tilde", "fixed_large": "b"}
NAMES = {"epsilon": "eps", "sample": "x0", "v_prediction": "v"}


def network(x, t):
    """A stand-in for a network, with time from 1."""
    return np.sin(2 * x + t / 3)


def noise_of(index):
    return np.cos(np.array([[1.0, 2.0, 3.0]]) * (index + 1))


def noises():
    return map(noise_of, itertools.count())


def ddpm_rule(size, times):
    """Return the rule of diffusers, whose last step is noisy unless it starts at its 0, our 1."""
    return Rule("ddpm", sigma=SIZES[size], noise_at_end=bool(times[-1] > 1))


def run(times, rule, predicts="eps", clip=None, rederive=False):
    plan = samplers.make_plan(SCHEDULE, times, rule)
    steps = samplers.sample(plan, network, START, noises(), predicts, clip, rederive)
    return [state.x for state in steps]


# --- Against diffusers ----------------------------------------------------------------------------

DDPM_CASES = list(itertools.product(SPACINGS, SIZES, NAMES, (None, 0.8), (20, 7)))
DDIM_CASES = list(itertools.product(SPACINGS, (0.0, 0.5, 1.0), NAMES, (None, 0.8), (20, 10, 7)))


@pytest.fixture
def reference(monkeypatch):
    """Return a function that runs a diffusers scheduler in double precision on our noise."""
    diffusers = pytest.importorskip("diffusers")
    import torch

    makers = {"ddim": diffusers.DDIMScheduler, "ddpm": diffusers.DDPMScheduler}

    def drive(kind, n_visits, spacing, predicts, clip=None, more=None, **settings):
        """Return rows of our t, x before, x after, x0_hat."""
        drawn = (torch.from_numpy(noise) for noise in noises())
        module = f"diffusers.schedulers.scheduling_{kind}.randn_tensor"
        monkeypatch.setattr(module, lambda *_, **__: next(drawn))
        scheduler = makers[kind](
            num_train_timesteps=T,
            trained_betas=SCHEDULE.betas.tolist(),
            timestep_spacing=spacing,
            prediction_type=predicts,
            clip_sample=clip is not None,
            clip_sample_range=clip or 1.0,
            **(more or {}),
        )
        scheduler.alphas_cumprod = torch.from_numpy(np.array(SCHEDULE.alpha_bar[1:]))
        scheduler.one = scheduler.final_alpha_cumprod = torch.ones((), dtype=torch.float64)
        scheduler.set_timesteps(n_visits)
        x, rows = torch.from_numpy(START), []
        for i in scheduler.timesteps.tolist():
            output = torch.from_numpy(network(x.numpy(), i + 1))
            done = scheduler.step(output, i, x, **settings)
            clean = done.pred_original_sample.numpy()
            rows.append((i + 1, x.numpy(), done.prev_sample.numpy(), clean))
            x = done.prev_sample
        return rows

    return drive


@pytest.mark.parametrize(("spacing", "size", "predicts", "clip", "n_visits"), DDPM_CASES)
def test_ddpm_is_that_of_diffusers(reference, spacing, size, predicts, clip, n_visits):
    more = {"variance_type": size}
    rows = reference("ddpm", n_visits, spacing, predicts, clip, more)
    times = samplers.visited_times(T, n_visits, spacing)
    plan = samplers.make_plan(SCHEDULE, times, ddpm_rule(size, times))
    states = list(samplers.sample(plan, network, START, noises(), NAMES[predicts], clip))
    assert [row[0] for row in rows] == plan.t.tolist()
    for (_, before, after, clean), state, later in zip(rows, states, states[1:], strict=False):
        np.testing.assert_allclose(state.x, before, rtol=1e-8, atol=1e-8)
        np.testing.assert_allclose(later.x, after, rtol=1e-8, atol=1e-8)
        np.testing.assert_allclose(state.x0_hat, clean, rtol=1e-8, atol=1e-8)


@pytest.mark.parametrize("rederive", [False, True])
@pytest.mark.parametrize(("spacing", "eta", "predicts", "clip", "n_visits"), DDIM_CASES)
def test_ddim_is_that_of_diffusers_step_by_step(
    reference, spacing, eta, predicts, clip, n_visits, rederive
):
    """diffusers goes from t to t - T // S even where the next visited time is another."""
    rows = reference(
        "ddim", n_visits, spacing, predicts, clip, eta=eta, use_clipped_model_output=rederive
    )
    for index, (t, before, after, clean) in enumerate(rows):
        step = samplers.make_step(SCHEDULE, t, max(t - T // n_visits, 0), Rule(eta=eta))
        guess = network(before, t)
        x, x_0 = samplers.take_step(
            step, 0, before, guess, noise_of(index), NAMES[predicts], clip, rederive
        )
        np.testing.assert_allclose(x, after, rtol=1e-8, atol=1e-8)
        np.testing.assert_allclose(x_0, clean, rtol=1e-8, atol=1e-8)


@pytest.mark.parametrize("spacing", ["leading", "trailing"])
@pytest.mark.parametrize("n_visits", [4, 10, 20])
def test_whole_ddim_runs_agree_where_the_steps_are_even(reference, spacing, n_visits):
    rows = reference("ddim", n_visits, spacing, "epsilon", eta=0.7)
    states = run(samplers.visited_times(T, n_visits, spacing), Rule(eta=0.7))
    np.testing.assert_allclose(states[-1], rows[-1][2], rtol=1e-9)


@pytest.mark.parametrize("spacing", SPACINGS)
@pytest.mark.parametrize("n_visits", [1, 2, 3, 7, 10, 19, 20])
def test_visited_times_are_those_of_diffusers(reference, spacing, n_visits):
    times = [row[0] for row in reference("ddpm", n_visits, spacing, "sample")]
    assert samplers.visited_times(T, n_visits, spacing).tolist() == times


@pytest.mark.parametrize("kind", ["ddpm", "ddim"])
def test_stored_runs_are_those_of_diffusers(reference, kind):
    for (name, spacing, n_visits, setting, predicts, clip), expected in STORED.items():
        if name == kind == "ddpm":
            more = {"variance_type": setting}
            rows = reference(kind, n_visits, spacing, predicts, clip, more)
        elif name == kind:
            rows = reference(kind, n_visits, spacing, predicts, clip, eta=setting)
        else:
            continue
        np.testing.assert_allclose(rows[-1][2][0], expected, rtol=1e-7, atol=1e-8)


# sampler, spacing, S, variance type or eta, prediction, clip: last x of the run with `network`
STORED = {
    ("ddpm", "trailing", 20, "fixed_small", "epsilon", None): [
        2.711047735,
        -3.277377056,
        9.723941644,
    ],
    ("ddpm", "trailing", 7, "fixed_large", "epsilon", None): [
        2.000185808,
        -2.940161433,
        13.26091225,
    ],
    ("ddpm", "leading", 7, "fixed_small", "epsilon", 0.8): [
        -0.2477875517,
        -0.6459058965,
        0.5583275812,
    ],
    ("ddpm", "leading", 20, "fixed_large", "v_prediction", None): [
        0.177880439,
        -0.1637099316,
        1.332896479,
    ],
    ("ddpm", "linspace", 7, "fixed_large", "sample", None): [
        0.9648754726,
        0.3678768865,
        0.8981877606,
    ],
    ("ddpm", "linspace", 10, "fixed_small", "v_prediction", 0.8): [
        -0.467922474,
        -0.3436698296,
        0.1833934124,
    ],
    ("ddim", "trailing", 20, 0.0, "epsilon", None): [2.530619225, -3.636503063, 12.26398131],
    ("ddim", "trailing", 10, 0.5, "epsilon", None): [2.496148768, -4.133692979, 12.49263693],
    ("ddim", "trailing", 4, 1.0, "v_prediction", None): [-0.389713072, -0.5700863694, 0.8230266895],
    ("ddim", "leading", 10, 0.0, "epsilon", 0.8): [-0.4517282255, -0.4561881437, -0.4451809049],
    ("ddim", "leading", 7, 0.5, "sample", None): [0.9158544033, 0.9087765502, 0.9165184982],
    ("ddim", "leading", 7, 1.0, "v_prediction", 0.8): [-0.2967130353, -0.5182908878, 0.08562346509],
    ("ddim", "linspace", 20, 0.0, "v_prediction", None): [0.9308577789, -0.7294756363, 2.221926318],
}


@pytest.mark.parametrize("case", STORED, ids=str)
def test_stored_runs(case):
    kind, spacing, n_visits, setting, predicts, clip = case
    times = samplers.visited_times(T, n_visits, spacing)
    rule = ddpm_rule(setting, times) if kind == "ddpm" else Rule(eta=setting)
    x = run(times, rule, NAMES[predicts], clip)[-1]
    np.testing.assert_allclose(x[0], STORED[case], rtol=1e-7, atol=1e-8)


# --- Visited times --------------------------------------------------------------------------------


def test_visited_times_of_the_method():
    trailing = samplers.visited_times(1000, 10)
    assert trailing.tolist() == list(range(1000, 0, -100))
    leading = samplers.visited_times(1000, 10, "leading")
    assert leading.tolist() == list(range(901, 0, -100))  # stride slicing of the author's code
    ends = samplers.visited_times(1000, 10, "linspace")
    assert ends.tolist() == [1000, 889, 778, 667, 556, 445, 334, 223, 112, 1]
    assert samplers.visited_times(1000, 7).tolist() == [1000, 857, 714, 571, 429, 286, 143]
    assert samplers.visited_times(1000, 600, "leading")[0] == 600  # far from T
    s = ddpm.su()
    first = samplers.make_plan(s, leading, Rule()).end_signal
    assert first == pytest.approx(0.01677, abs=1e-5)
    assert samplers.make_plan(s, trailing, Rule()).end_signal == s.end_signal


@given(st.integers(1, 1200), st.data(), st.sampled_from(SPACINGS))
@settings(max_examples=150, deadline=None)
def test_laws_of_visited_times(n_steps, data, spacing):
    S = data.draw(st.integers(1, n_steps))
    times = samplers.visited_times(n_steps, S, spacing)
    assert times.shape == (S,) and (np.diff(times) < 0).all()
    assert 1 <= times[-1] and times[0] <= n_steps
    if spacing == "trailing" or (spacing == "linspace" and S > 1):
        assert times[0] == n_steps
    if spacing != "trailing":
        assert times[-1] == 1
    if n_steps == S:
        assert times.tolist() == list(range(n_steps, 0, -1))


# --- Rules ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("spacing", SPACINGS)
@pytest.mark.parametrize("n_visits", [1, 7, 20])
def test_full_eta_is_ddpm_with_beta_tilde(spacing, n_visits):
    times = samplers.visited_times(T, n_visits, spacing)
    for one, other in zip(run(times, Rule(eta=1)), run(times, Rule("ddpm")), strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-9, atol=1e-9)


def test_one_step_is_the_post_formula(rng):
    """x_{t-1} = (x - (B - a sqrt(B_{t-1}^2 - sigma^2)) eps)/a + sigma z (9181)."""
    s, (x, eps, z) = ddpm.su(), rng.standard_normal((3, 4, 2))
    for t, eta in ((1, 0.0), (2, 0.5), (500, 1.0), (1000, 0.2)):
        step, before = ddpm.transition(s, t), s.B[t - 1]
        size = eta * step.beta_tilde[0]
        expected = (x - (s.B[t] - s.a[t] * math.sqrt(before**2 - size**2)) * eps) / s.a[t]
        plan = samplers.make_step(s, t, t - 1, Rule(eta=eta))
        moved, clean = samplers.take_step(plan, 0, x, eps, z)
        np.testing.assert_allclose(moved, expected + size * z, rtol=1e-9, atol=1e-11)
        np.testing.assert_allclose(clean, (x - s.B[t] * eps) / s.A[t], rtol=1e-12)
        mean = samplers.take_step(samplers.make_step(s, t, t - 1, RULES["greedy"]), 0, x, eps)[0]
        np.testing.assert_allclose(mean, ddpm.reverse_mean(s, x, eps, t), rtol=1e-8, atol=1e-10)


def test_deterministic_step_moves_x_over_A_by_eps_times_the_change_of_B_over_A(rng):
    s, (x, eps) = ddpm.su(), rng.standard_normal((2, 3))
    moved = samplers.take_step(samplers.make_step(s, 700, 300, Rule()), 0, x, eps)[0]
    change = (s.B[700] / s.A[700] - s.B[300] / s.A[300]) * eps
    np.testing.assert_allclose(x / s.A[700] - moved / s.A[300], change, rtol=1e-10)


@pytest.mark.parametrize("n_visits", [2, 10, 50, 1000])
def test_eta_above_its_limit_is_refused_with_the_limit(n_visits):
    s = ddpm.su()
    times = samplers.visited_times(1000, n_visits)
    limit = samplers.eta_limit(s, times)
    assert limit >= 1
    plan = samplers.make_plan(s, times, Rule(eta=limit))
    assert (plan.sigma <= s.B[plan.s] * (1 + 1e-12)).all() and np.isfinite(plan.k_eps).all()
    with pytest.raises(ValueError, match=f"eta must be at most {limit:.6g} for these times"):
        samplers.make_plan(s, times, Rule(eta=limit * 1.001))


def test_eta_has_no_limit_in_one_step():
    s = ddpm.su()
    assert samplers.eta_limit(s, [1000]) == math.inf
    assert samplers.make_plan(s, [1000], Rule(eta=100)).sigma.tolist() == [0]


def test_greedy_collapses_and_is_not_ddim():
    """N(0, 1) data, eps* = B x: greedy ends at A_T x, DDIM keeps the spread."""
    s = ddpm.su()
    times, x = samplers.visited_times(1000, 1000), np.array([[-2.0], [0.5]])

    def best(at, t):
        return s.B[t] * at

    ends = {
        name: samplers.final(samplers.sample(samplers.make_plan(s, times, RULES[name]), best, x)).x
        for name in ("greedy", "ddim")
    }
    np.testing.assert_allclose(ends["greedy"], s.end_signal * x, rtol=1e-9)
    np.testing.assert_allclose(ends["ddim"], math.sqrt(0.996334) * x, rtol=1e-6)


def test_a_known_point_is_hit_by_any_number_of_steps():
    s, point = ddpm.su(), np.array([[0.3, -0.7]])
    for n_visits in (1, 3, 50):
        plan = samplers.make_plan(s, samplers.visited_times(1000, n_visits), Rule())
        states = list(samplers.sample(plan, lambda x, t: point, [[5.0, 1.0]], predicts="x0"))
        np.testing.assert_allclose(states[-1].x, point, rtol=1e-15)
        assert all((state.x0_hat == point).all() for state in states)


# --- Runs -----------------------------------------------------------------------------------------


def test_a_torch_network_needs_only_a_thin_adapter():
    torch = pytest.importorskip("torch")

    def adapted(x, t):
        return torch.sin(2 * torch.from_numpy(x) + t / 3).numpy()

    plan = samplers.make_plan(SCHEDULE, [20, 10, 3], Rule(eta=0.4))
    ours, plain = (
        samplers.final(samplers.sample(plan, f, START, noises())).x for f in (adapted, network)
    )
    np.testing.assert_allclose(ours, plain, rtol=1e-12)


def test_states_are_yielded_one_by_one_and_may_be_left():
    calls = []

    def counted(x, t):
        calls.append(t)
        return x

    plan = samplers.make_plan(SCHEDULE, [20, 10, 5], Rule())
    states = samplers.sample(plan, counted, START)
    assert calls == []
    assert next(states).t == 20 and calls == [20]
    states.close()
    every = list(samplers.sample(plan, counted, START))
    assert [state.t for state in every] == [20, 10, 5, 0]
    assert [state.index for state in every] == [0, 1, 2, 3]
    np.testing.assert_array_equal(every[-1].x0_hat, every[-1].x)
    np.testing.assert_array_equal(every[-2].x0_hat, every[-1].x)  # the step to 0 is x0_hat


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_type_and_shape_are_kept(dtype):
    plan = samplers.make_plan(SCHEDULE, [20, 9, 1], RULES["ddpm_b"])
    noise = samplers.noise_streams(0, 2, (1, 4, 4), dtype)
    start = next(noise)
    for state in samplers.sample(plan, lambda x, t: x / 2, start, noise, clip=1.0):
        assert state.x.dtype == state.x0_hat.dtype == dtype and state.x.shape == (2, 1, 4, 4)
        assert np.abs(state.x0_hat).max() <= 1 or state.t == 0


@pytest.mark.parametrize("rederive", [False, True])
def test_clipping_may_change_eps_as_well(rederive):
    step, eps = samplers.make_step(SCHEDULE, 15, 7, Rule()), network(START, 15)
    A, B, A_s, B_s = SCHEDULE.A[15], SCHEDULE.B[15], SCHEDULE.A[7], SCHEDULE.B[7]
    clean = np.clip((START - B * eps) / A, -0.5, 0.5)
    kept = (START - A * clean) / B if rederive else eps
    x, x_0 = samplers.take_step(step, 0, START, eps, clip=0.5, rederive_eps=rederive)
    np.testing.assert_allclose(x_0, clean)
    np.testing.assert_allclose(x, A_s * clean + B_s * kept, rtol=1e-12)


def test_the_final_noise_is_optional():
    ends = [samplers.make_plan(SCHEDULE, [9, 3], Rule("ddpm", sigma="b", noise_at_end=on)).sigma
            for on in (False, True)]  # fmt: skip
    assert ends[0][-1] == 0 and ends[1][-1] == pytest.approx(SCHEDULE.B[3])
    assert ends[0][0] == ends[1][0]


@pytest.mark.parametrize("rule", [Rule(), Rule(eta=0.5), RULES["ddpm_b"]], ids=["0", "0.5", "b"])
def test_the_same_seed_gives_the_same_samples_for_any_batch_size(rule):
    def batch(first, count):
        noise = samplers.noise_streams(7, count, (3,), first=first)
        plan = samplers.make_plan(SCHEDULE, samplers.visited_times(T, T), rule)
        return samplers.final(samplers.sample(plan, network, next(noise), noise)).x

    whole = batch(0, 10)
    for size in (1, 3, 4):
        parts = [batch(i, min(size, 10 - i)) for i in range(0, 10, size)]
        np.testing.assert_array_equal(np.concatenate(parts), whole)
    assert len(np.unique(whole[:, 0])) == 10


def test_streams_do_not_depend_on_how_far_ahead_they_are_drawn(monkeypatch):
    ahead = [next(samplers.noise_streams(1, 3, (2,)))]
    runs = []
    for cells in (1, 12, 1 << 20):
        monkeypatch.setattr(samplers, "NOISE_CELLS", cells)
        stream = samplers.noise_streams(1, 3, (2,))
        runs.append([next(stream) for _ in range(90)])
    np.testing.assert_array_equal(runs[0], runs[1])
    np.testing.assert_array_equal(runs[0], runs[2])
    np.testing.assert_array_equal(ahead[0], runs[0][0])


def test_streams_are_normal_and_independent():
    """4 standard errors of mean, variance and correlation."""
    n = 4000
    stream = samplers.noise_streams(3, n, (2,))
    values = np.concatenate([next(stream), next(stream)], axis=1)
    assert np.abs(values.mean(axis=0)).max() < 4 / math.sqrt(n)
    assert np.abs(values.var(axis=0) - 1).max() < 4 * math.sqrt(2 / n)
    off = np.corrcoef(values.T) - np.eye(4)
    assert np.abs(off).max() < 4 / math.sqrt(n)
    other = next(samplers.noise_streams(4, n, (2,)))
    assert not np.isin(other, values).any()
    single = next(samplers.noise_streams(3, 5, (2,), np.float32))
    np.testing.assert_allclose(single, values[:5, :2], rtol=1e-6)


# --- Predictions, guidance ------------------------------------------------------------------------


def test_predictions_convert_into_each_other(rng):
    s, (x_0, eps) = ddpm.su(), rng.standard_normal((2, 3, 5))
    for t in (1, 263, 1000):
        x, A, B = ddpm.q_sample(s, x_0, t, eps), s.A[t], s.B[t]
        forms = {"x0": x_0, "eps": eps, "v": A * eps - B * x_0}
        for source, target in itertools.product(PREDICTIONS, PREDICTIONS):
            found = samplers.convert(s, t, x, forms[source], source, target)
            np.testing.assert_allclose(found, forms[target], rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("predicts", PREDICTIONS)
def test_runs_agree_whatever_is_predicted(predicts):
    plan = samplers.make_plan(SCHEDULE, [20, 12, 4], Rule(eta=0.3))

    def other(x, t):
        return samplers.convert(SCHEDULE, t, x, network(x, t), "eps", predicts)

    ours = samplers.final(samplers.sample(plan, other, START, noises(), predicts)).x
    plain = samplers.final(samplers.sample(plan, network, START, noises())).x
    np.testing.assert_allclose(ours, plain, rtol=1e-9)


def test_guidance_goes_through_both_predictions(rng):
    u, c = rng.standard_normal((2, 4, 2))
    np.testing.assert_array_equal(samplers.guide(u, c, 0), u)
    np.testing.assert_allclose(samplers.guide(u, c, 1), c, rtol=1e-12)
    np.testing.assert_allclose(samplers.guide(u, c, 3), 3 * c - 2 * u, rtol=1e-12, atol=1e-12)
    free, bound = (lambda x, t: u), (lambda x, t: c)
    assert samplers.guided(free, bound, 1) is bound and samplers.guided(free, bound, 0) is free
    np.testing.assert_allclose(samplers.guided(free, bound, 2)(u, 1), 2 * c - u, atol=1e-12)
    with pytest.raises(ValueError, match="scale must be a number"):
        samplers.guided(free, bound, math.inf)


# --- Latents --------------------------------------------------------------------------------------


def roundtrip(n_visits, n_refinements=0):
    s = ddpm.su()
    times = samplers.visited_times(1000, n_visits)

    def best(x, t):
        """N(0.4, 0.5^2)."""
        return s.B[t] * (x - s.A[t] * 0.4) / (0.25 * s.A[t] ** 2 + s.B[t] ** 2)

    x = np.array([[-0.5], [0.4], [1.0]])
    latent = samplers.final(samplers.encode(s, best, x, times, n_refinements=n_refinements))
    assert latent.t == 1000 and latent.index == n_visits
    plan = samplers.make_plan(s, times, Rule())
    return samplers.reconstruction_error(x, samplers.final(samplers.sample(plan, best, latent.x)).x)


def test_encode_and_decode_err_like_one_over_S():
    errors = [math.sqrt(roundtrip(S)) for S in (50, 100, 200, 500)]
    slope = np.polyfit(np.log([50, 100, 200, 500]), np.log(errors), 1)[0]
    assert slope == pytest.approx(-1, abs=0.15)


def test_refined_encoding_is_the_inverse_of_decoding():
    assert roundtrip(20, 100) < 1e-12
    assert roundtrip(20, 3) < roundtrip(20)


def test_encoding_yields_rising_states():
    states = list(samplers.encode(SCHEDULE, network, START, [20, 9, 2]))
    assert [state.t for state in states] == [0, 2, 9, 20]
    np.testing.assert_array_equal(states[0].x, START)


def test_encoding_looks_from_where_it_stands_and_refines_from_where_it_goes():
    calls = []

    def counted(x, t):
        calls.append(t)
        return network(x, t)

    list(samplers.encode(SCHEDULE, counted, START, [20, 9, 2]))
    assert calls == [2, 2, 9]
    calls.clear()
    list(samplers.encode(SCHEDULE, counted, START, [20, 9, 2], n_refinements=1))
    assert calls == [2, 2, 2, 9, 9, 20]


def test_arc_keeps_the_variance_and_its_ends(rng):
    z = rng.standard_normal((2, 10_000))
    path = samplers.arc(z[0], z[1], [0, 0.3, 0.5, 1])
    assert path.shape == (4, 10_000)
    np.testing.assert_array_equal(path[0], z[0])
    np.testing.assert_allclose(path[3], z[1], atol=1e-15)
    assert np.abs(path.var(axis=1) - 1).max() < 4 * math.sqrt(2 / 10_000)


@given(st.integers(0, 1000), st.floats(0, 1))
@settings(max_examples=50, deadline=None)
def test_slerp_stays_on_the_sphere_at_an_even_pace(seed, share):
    z = np.random.default_rng(seed).standard_normal((2, 6))
    z /= np.linalg.norm(z, axis=1, keepdims=True)
    point = samplers.slerp(z[0], z[1], [share])[0]
    theta = math.acos(np.clip(z[0] @ z[1], -1, 1))
    assert np.linalg.norm(point) == pytest.approx(1, abs=1e-9)
    assert z[0] @ point == pytest.approx(math.cos(share * theta), abs=1e-9)


def test_slerp_of_equal_opposite_and_empty_latents():
    z = np.ones((2, 3), np.float32)
    np.testing.assert_allclose(samplers.slerp(z, z, [0.5])[0], z)
    assert samplers.slerp(z, z, [0.5]).dtype == np.float32
    with pytest.raises(ValueError, match="opposite"):
        samplers.slerp(z, -z, [0.5])
    with pytest.raises(ValueError, match="must not be 0"):
        samplers.slerp(z, 0 * z, [0.5])


# --- Domains --------------------------------------------------------------------------------------


@pytest.mark.parametrize("n_visits", [0, 21, -1, 2.5, math.nan, True, "3"])
def test_bad_numbers_of_visits_are_refused(n_visits):
    with pytest.raises(ValueError, match=r"n_visits must be a whole number in 1\.\.20"):
        samplers.visited_times(T, n_visits)


@pytest.mark.parametrize(
    "times", [[], [0], [21], [5, 5], [1, 2], [3.5], [[3]], ["a"], 5, [math.nan], [3, math.nan]]
)
def test_bad_times_are_refused(times):
    with pytest.raises(ValueError, match="times must be strictly falling"):
        samplers.make_plan(SCHEDULE, times, Rule())


@pytest.mark.parametrize("eta", [-0.1, math.nan, math.inf, "1"])
def test_bad_etas_are_refused(eta):
    with pytest.raises(ValueError, match="eta must be a number"):
        Rule(eta=eta)


def test_other_domains():
    plan = samplers.make_plan(SCHEDULE, [20, 3], Rule(eta=0.5))
    with pytest.raises(ValueError, match="spacing must be one of trailing, leading, linspace"):
        samplers.visited_times(T, 3, "even")
    with pytest.raises(ValueError, match="method must be one of ddim, ddpm"):
        Rule("ode")
    with pytest.raises(ValueError, match="sigma must be one of"):
        Rule("ddpm", sigma="c")
    with pytest.raises(ValueError, match="noises must be given"):
        samplers.sample(plan, network, START)
    with pytest.raises(ValueError, match="noise must be given"):
        samplers.take_step(plan, 0, START, START)
    with pytest.raises(ValueError, match="predicts must be one of eps, x0, v"):
        samplers.sample(plan, network, START, noises(), "score")
    for clip in (0, -1, math.nan, math.inf):
        with pytest.raises(ValueError, match="clip must be a number"):
            samplers.sample(plan, network, START, noises(), clip=clip)
    with pytest.raises(ValueError, match="start must be finite"):
        samplers.sample(plan, network, [[math.nan]], noises())
    with pytest.raises(ValueError, match=r"must return shape \(1, 3\), got \(1, 2\) at t = 20"):
        next(samplers.sample(plan, lambda x, t: x[:, :2], START, noises()))
    with pytest.raises(ValueError, match="must return finite numbers, got others at t = 20"):
        next(samplers.sample(plan, lambda x, t: x * math.nan, START, noises()))
    with pytest.raises(ValueError, match="seed must be a whole number"):
        samplers.noise_streams(-1, 1, ())
    with pytest.raises(ValueError, match="n_samples must be a whole number"):
        samplers.noise_streams(0, 0, ())
    with pytest.raises(ValueError, match="restored must have the shape"):
        samplers.reconstruction_error([1.0], [[1.0]])
    with pytest.raises(ValueError, match=r"share must be a list of numbers in \[0, 1\]"):
        samplers.arc([1.0], [2.0], [1.5])
    with pytest.raises(ValueError, match="z_2 must have the shape"):
        samplers.arc([1.0], [2.0, 3.0], [0.5])
    with pytest.raises(ValueError, match="n_refinements must be"):
        samplers.encode(SCHEDULE, network, START, [3], n_refinements=-1)
    with pytest.raises(ValueError, match="B must be above 0"):
        samplers.split_prediction(START, START, 1.0, 0.0, "x0")


def test_a_vanished_signal_is_refused_unless_x0_or_v_is_predicted():
    s = ddpm.own([0.9] * 30)
    assert s.end_signal < 1e-12
    plan = samplers.make_plan(s, [30, 1], Rule())
    with pytest.raises(ValueError, match="A must be at least 1e-12 to tell x_0 from eps"):
        samplers.sample(plan, network, START)
    for predicts in ("x0", "v"):
        end = samplers.final(samplers.sample(plan, network, START, predicts=predicts))
        assert np.isfinite(end.x).all()
    with pytest.raises(ValueError, match="A must be at least 1e-12 to tell x_0, got"):
        samplers.convert(s, 30, START, START, "eps", "x0")


def test_encoding_may_start_from_a_noised_point(rng):
    """One point: the noise is told exactly, so that it is the latent's own, for any steps."""
    schedule = ddpm.su()

    def told(x, t):
        return (x - schedule.A[t] * 0.7) / schedule.B[t]

    noise = rng.standard_normal((6, 1))
    for times, start in (([1000], 10), ([1000, 500, 20], 10), ([1000, 500, 20], 300)):
        veiled = ddpm.q_sample(schedule, np.full((6, 1), 0.7), start, noise)
        states = list(samplers.encode(schedule, told, veiled, times, start=start))
        assert [state.t for state in states] == [start, *[t for t in times[::-1] if t > start]]
        wanted = schedule.A[1000] * 0.7 + schedule.B[1000] * noise
        np.testing.assert_allclose(states[-1].x, wanted, atol=1e-11)


@pytest.mark.parametrize("start", [-1, 1000, 0.5])
def test_a_start_of_encoding_outside_is_refused(start):
    schedule = ddpm.su()
    with pytest.raises(ValueError, match="start"):
        samplers.encode(schedule, lambda x, t: x, np.zeros((1, 1)), [1000, 500], start=start)
