"""Laws and bounds of the Johnson-Lindenstrauss lemma.

Checked against scipy.stats, mpmath and scikit-learn, the tables of the method, and the order that
theory demands: exact <= sharp Chernoff <= simple. ``python -m pytest tests/test_jl_bounds.py``
"""

import math

import mpmath
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import special, stats
from sklearn.random_projection import johnson_lindenstrauss_min_dim

from models import jl_bounds as b

TABLE = 6e-4  # the tables hold four digits or more
dimensions = st.integers(1, 10**7)
deviations = st.floats(1e-3, 0.999)
quick = settings(deadline=None, max_examples=60, derandomize=True)


@pytest.fixture(autouse=True, scope="module")
def digits():
    """Give mpmath 40 digits here and nowhere else."""
    with mpmath.workdps(40):
        yield


# --- Unit norm


NORM_TABLE = [
    (10, 0.1, 0.8254),
    (10, 0.5, 0.24088),
    (64, 0.1, 0.5714976),
    (64, 0.2, 0.2546198),
    (64, 0.5, 6.2016e-3),
    (100, 0.1, 0.4790068),
    (100, 0.2, 0.1547417),
    (100, 0.3, 0.03335790),
    (100, 0.5, 9.108853e-4),
    (256, 0.1, 0.2570896),
    (256, 0.2, 0.02363380),
    (256, 0.3, 9.445968e-4),
    (256, 0.5, 3.752043e-7),
    (512, 0.1, 0.1091342),
    (512, 0.2, 1.538432e-3),
    (512, 0.3, 5.207463e-6),
    (512, 0.5, 1.505e-12),
    (1000, 0.1, 0.02533165),
    (1000, 0.2, 1.306688e-5),
    (1000, 0.3, 3.890e-10),
]


@pytest.mark.parametrize(("n", "eps", "expected"), NORM_TABLE)
def test_norm_tail_reproduces_the_table(n, eps, expected):
    assert float(b.norm_tail(n, eps).both) == pytest.approx(expected, rel=TABLE)


@pytest.mark.parametrize(
    ("n", "eps", "expected"),
    [
        (64, 0.1, 1.8462),
        (64, 0.2, 1.4523),
        (64, 0.5, 0.27067),
        (100, 0.5, 0.087874),
        (256, 0.5, 6.709e-4),
        (512, 0.2, 0.15461),
        (512, 0.5, 2.25e-7),
        (1000, 0.1, 0.5730),
        (1000, 0.2, 0.013476),
        (1000, 0.5, 5.4e-14),
    ],
)
def test_simple_norm_bound_reproduces_the_table(n, eps, expected):
    bound = b.norm_tail_simple(n, eps)
    assert float(bound.both) == pytest.approx(expected, rel=7e-3 if expected < 1e-13 else 2e-3)
    assert bool(bound.is_vacuous) == (expected >= 1)


def test_sides_at_100_dimensions():
    exact, sharp, simple = (
        tail(100, 0.5) for tail in (b.norm_tail, b.norm_tail_chernoff, b.norm_tail_simple)
    )
    assert sharp.upper == pytest.approx(8.855e-3, rel=TABLE)
    assert exact.upper == pytest.approx(9.039e-4, rel=TABLE)
    assert sharp.lower == pytest.approx(6.395e-5, rel=TABLE)
    assert exact.lower == pytest.approx(6.953e-6, rel=TABLE)
    assert simple.upper == simple.lower == pytest.approx(4.394e-2, rel=TABLE)


@quick
@given(dimensions, deviations)
def test_exact_is_below_sharp_is_below_simple(n, eps):
    exact, sharp, simple = (
        tail(n, eps) for tail in (b.norm_tail, b.norm_tail_chernoff, b.norm_tail_simple)
    )
    slack = 1e-12 * (1 + abs(simple.log_both))  # rounding of logarithms of this size
    for side in ("log_upper", "log_lower"):
        assert getattr(exact, side) <= getattr(sharp, side) + slack
        assert getattr(sharp, side) <= getattr(simple, side) + slack
    assert sharp.log_lower <= sharp.log_upper + slack


@quick
@given(st.integers(1, 3000), deviations)
def test_norm_tail_is_the_chi_square_law(n, eps):
    tail = b.norm_tail(n, eps)
    assert tail.upper == pytest.approx(stats.chi2.sf(n * (1 + eps), n), rel=1e-9, abs=1e-300)
    assert tail.lower == pytest.approx(stats.chi2.cdf(n * (1 - eps), n), rel=1e-9, abs=1e-300)


@pytest.mark.parametrize(
    ("n", "eps"), [(20_000, 0.5), (40_000, 0.25), (100_000, 0.3), (10_000, 0.999), (3000, 0.9)]
)
def test_far_tails_keep_their_logarithm(n, eps):
    a, x = mpmath.mpf(n) / 2, mpmath.mpf(eps)
    tail = b.norm_tail(n, eps)
    upper = mpmath.log(mpmath.gammainc(a, a * (1 + x), regularized=True))
    lower = mpmath.log(mpmath.gammainc(a, 0, a * (1 - x), regularized=True))
    assert tail.log_upper == pytest.approx(float(upper), rel=1e-13)
    assert tail.log_lower == pytest.approx(float(lower), rel=1e-13)


def test_underflow_shows_in_the_logarithm_only():
    tail = b.norm_tail(10**9, 0.9)
    assert tail.both == 0.0
    assert -1.3e8 < tail.log_both < -1.2e8


def test_near_and_far_branches_meet():
    a = np.array([5000.0])
    eps = np.array([0.3])  # ln P = -192, served by both
    near = np.log(stats.gamma.sf(a * (1 + eps), a))
    assert b._log_gamma_tail_far(a, eps) == pytest.approx(near, rel=1e-13)


@pytest.mark.parametrize("a", [0.5, 3.0, 19.5, 20.0, 500.0, 1e8])
def test_peak_of_the_gamma_density_is_known_for_every_size(a):
    exact = a * mpmath.log(a) - a - mpmath.loggamma(a)
    ours = float(b._log_peak(np.array(a)))
    assert ours == pytest.approx(float(exact), abs=2e-14 * (1 + abs(math.log(a))))


def test_norm_tail_broadcasts():
    tail = b.norm_tail(np.array([[10], [100]]), np.array([0.1, 0.2, 0.5]))
    assert tail.both.shape == (2, 3)
    assert tail.both[1, 2] == b.norm_tail(100, 0.5).both


@pytest.mark.parametrize("n", [1, 2, 3, 64, 10**6])
def test_norm_density_is_the_chi_square_density(n):
    x = np.linspace(0.5, 1.5, 7)
    assert b.norm_density(x, n) == pytest.approx(n * stats.chi2.pdf(n * x, n), rel=1e-9)


def test_norm_density_integrates_to_one_and_is_known_at_zero():
    x = np.linspace(1e-9, 12, 200_001)
    assert np.trapezoid(b.norm_density(x, 10), x) == pytest.approx(1, abs=1e-6)
    assert b.norm_density(0.0, [1, 2, 3]).tolist() == [math.inf, 1.0, 0.0]


@pytest.mark.parametrize("n", [1, 7, 300])
def test_moments_are_those_of_the_laws(n):
    ours = b.norm_moments(n)
    mean, var, skew, kurt = stats.chi2.stats(n, moments="mvsk")
    assert (ours.mean, ours.variance) == pytest.approx((mean / n, var / n**2))
    assert (ours.skewness, ours.excess_kurtosis) == pytest.approx((skew, kurt))
    if n > 1:
        cosine = stats.beta((n - 1) / 2, (n - 1) / 2, loc=-1, scale=2)
        assert b.cosine_moments(n).variance == pytest.approx(cosine.var())
        assert b.cosine_moments(n).excess_kurtosis == pytest.approx(cosine.stats("k"))


def test_chernoff_exponent_is_least_at_its_optimum():
    n, eps = 100, 0.5
    lam = np.linspace(0, 0.99 * n / 2, 4000)
    exponent = b.chernoff_exponent(lam, n, eps)
    assert lam[exponent.argmin()] == pytest.approx(n * eps / (2 * (1 + eps)), abs=lam[1])
    best = b.chernoff_exponent(n * eps / (2 * (1 + eps)), n, eps)
    assert best == pytest.approx(float(b.norm_tail_chernoff(n, eps).log_upper))
    with pytest.raises(ValueError, match="lam must be below n/2 = 50, got 50"):
        b.chernoff_exponent(50.0, n, eps)


@pytest.mark.parametrize("bad", [0.0, 1.0, -0.1, 1.1, math.nan, math.inf])
def test_eps_outside_the_open_interval_is_refused(bad):
    for function in (b.norm_tail, b.norm_tail_chernoff, b.norm_tail_simple, b.cosine_tail):
        with pytest.raises(ValueError, match=r"eps must be in \(0, 1\), got"):
            function(10, bad)


@pytest.mark.parametrize("bad", [0, -1, math.nan, math.inf])
def test_n_below_one_is_refused(bad):
    with pytest.raises(ValueError, match="n must be at least 1"):
        b.norm_tail(bad, 0.1)
    with pytest.raises(ValueError, match="n must be at least 2"):
        b.angle_density(0.1, bad)


# --- Orthogonality


@pytest.mark.parametrize(
    ("n", "eps", "expected"),
    [
        (64, 0.1, 0.4194),
        (64, 0.2, 0.1090),
        (64, 0.3, 0.01751),
        (64, 0.5, 1.243e-4),
        (100, 0.1, 0.3149),
        (100, 0.2, 0.04604),
        (100, 0.3, 3.091e-3),
        (100, 0.5, 1.742e-6),
        (256, 0.1, 0.10945),
        (256, 0.2, 1.4817e-3),
        (256, 0.3, 2.424e-6),
        (256, 0.5, 2.48e-14),
        (1000, 0.1, 1.595e-3),
        (1000, 0.2, 3.64e-10),
    ],
)
def test_inner_product_tail_reproduces_the_table(n, eps, expected):
    rel = 3e-3 if expected < 1e-9 else TABLE  # three digits there
    assert float(b.inner_product_tail(n, eps).both) == pytest.approx(expected, rel=rel)


@pytest.mark.parametrize(("n", "eps"), [(2, 0.5), (7, 0.2), (64, 0.5), (301, 0.9)])
def test_inner_product_tail_is_the_variance_gamma_law(n, eps):
    # n <u, v> is a sum of n products of normals, with density s^order K_order(s) / scale
    order, start = (n - 1) / 2, n * eps
    log_scale = math.log(math.pi) / 2 + order * math.log(2) + math.lgamma(n / 2)

    def density(s, top=0.0):
        log_value = order * math.log(s) + math.log(special.kve(order, s)) - s - log_scale
        return math.exp(log_value - top)

    top = math.log(density(start))
    nodes, weights = np.polynomial.legendre.leggauss(300)
    side = sum(
        w * 100 * density(start + 100 * (1 + t), top) for t, w in zip(nodes, weights, strict=True)
    )
    expected = top + math.log(side)
    assert b.inner_product_tail(n, eps).log_upper == pytest.approx(expected, rel=1e-11)


def test_two_dimensions_give_the_laplace_law():
    x = np.array([0.1, 1.0, 20.0])
    assert b.inner_product_tail(2, x).log_both == pytest.approx(-2 * x)
    assert b.inner_product_density(-x, 2) == pytest.approx(np.exp(-2 * x), rel=1e-9)


def test_one_dimension_gives_the_product_of_two_normals():
    x = np.array([1e-6, 0.1, 3.0])
    assert b.inner_product_density(x, 1) == pytest.approx(special.k0(x) / math.pi, rel=1e-9)
    assert b.inner_product_density([0.0, 1e-200], 1).tolist() == [math.inf, math.inf]


@pytest.mark.parametrize("n", [2, 3, 10, 500])
def test_inner_product_density_is_the_slope_of_the_tail(n):
    x = np.linspace(1e-9, 12 / math.sqrt(n), 20_001)
    density = b.inner_product_density(x, n)
    mass = np.concatenate([[0], np.cumsum((density[1:] + density[:-1]) / 2 * (x[1] - x[0]))])
    tail = b.inner_product_tail(n, x).upper
    assert 0.5 - mass == pytest.approx(tail, abs=1e-5)
    assert b.inner_product_density(0.0, n) == pytest.approx(density[0], rel=1e-6)


def test_quadrature_has_converged():
    n, eps = np.array([1, 3, 100, 10**4, 10**6]), np.array([1e-3, 5, 0.7, 0.2, 0.01])
    coarse, fine = (b.inner_product_tail(n, eps, n_nodes=k).log_both for k in (400, 1600))
    assert coarse == pytest.approx(fine, rel=1e-12)


@quick
@given(st.integers(1, 10**5), deviations)
def test_inner_product_bounds_are_ordered(n, eps):
    exact, chernoff, sharp, simple = (
        float(tail(n, eps).log_both)
        for tail in (
            b.inner_product_tail,
            b.inner_product_tail_chernoff,
            b.inner_product_tail_sharp,
            b.inner_product_tail_simple,
        )
    )
    slack = 1e-11 * (1 + abs(exact))
    assert exact <= chernoff + slack
    assert chernoff <= sharp + slack
    assert sharp <= simple + slack


@quick
@given(st.integers(1, 1000), st.floats(1e-3, 1e4))
def test_chernoff_bound_of_inner_products_is_the_least_over_its_parameter(n, eps):
    s = np.linspace(1e-6, 1 - 1e-6, 5001)
    grid = -s * eps * n - n / 2 * np.log1p(-(s**2))
    ours = float(b.inner_product_tail_chernoff(n, eps).log_upper)
    assert ours <= grid.min() + 1e-12 * (1 + abs(ours))
    assert float(b.inner_product_tail(n, eps).log_upper) <= ours


def test_inner_products_beyond_one_are_allowed():
    assert 0 < b.inner_product_tail(3, 2.0).both < b.inner_product_tail(3, 1.0).both < 1
    for function in (b.inner_product_tail, b.inner_product_tail_sharp):
        with pytest.raises(ValueError, match=r"eps must be in \(0, inf\), got 0"):
            function(3, 0.0)


@pytest.mark.parametrize(
    ("n", "eps", "expected"),
    [
        (3, 0.1, 0.9),
        (3, 0.2, 0.8),
        (3, 0.3, 0.7),
        (3, 0.5, 0.5),
        (64, 0.1, 0.4280),
        (64, 0.2, 0.1102),
        (64, 0.3, 0.01518),
        (64, 0.5, 2.23e-5),
        (512, 0.1, 0.02351),
        (512, 0.2, 4.99e-6),
    ],
)
def test_cosine_tail_reproduces_the_table(n, eps, expected):
    assert float(b.cosine_tail(n, eps).both) == pytest.approx(expected, rel=1.5e-3)


@pytest.mark.parametrize(("n", "eps"), [(100_000, 0.2), (3000, 0.6), (1500, 0.9)])
def test_far_cosine_tails_keep_their_logarithm(n, eps):
    a, x = (mpmath.mpf(n) - 1) / 2, 1 - mpmath.mpf(eps) ** 2
    points = [0, 10 / a, 100 / a, 0.3, 1]
    integral = mpmath.quad(lambda s: (1 - s) ** (a - 1) / mpmath.sqrt(1 - x + x * s), points)
    log_both = a * mpmath.log(x) + mpmath.log(integral) - mpmath.log(mpmath.beta(a, 0.5))
    assert b.cosine_tail(n, eps).log_both == pytest.approx(float(log_both), rel=1e-12)


def test_angle_density_is_uniform_in_the_plane_and_flat_in_cosine_in_space():
    theta = np.linspace(0, math.pi, 9)
    assert b.angle_density(theta, 2) == pytest.approx(1 / math.pi)
    assert b.angle_density(theta, 3) == pytest.approx(np.sin(theta) / 2)


@pytest.mark.parametrize("n", [2, 3, 10, 1000])
def test_angle_density_integrates_to_one_and_to_the_tail(n):
    theta = np.linspace(0, math.pi, 20_001)
    density = b.angle_density(theta, n)
    assert np.trapezoid(density, theta) == pytest.approx(1, abs=1e-6)
    mean_square = np.trapezoid(density * np.cos(theta) ** 2, theta)
    assert mean_square == pytest.approx(1 / n, rel=1e-5)  # Var(cos) = 1/n exactly
    near = theta <= math.acos(0.3)
    share = np.trapezoid(density[near], theta[near])
    assert share == pytest.approx(float(b.cosine_tail(n, 0.3).upper), abs=2e-4)


def test_marchenko_pastur_has_mass_one_and_mean_one():
    for ratio in (0.1, 0.5, 1.0, 4.0):
        low, high = b.marchenko_pastur_support(ratio)
        t = (np.arange(200_000) + 0.5) / 200_000 * math.pi  # x = middle - half cos t tames the ends
        x = (low + high) / 2 - (high - low) / 2 * np.cos(t)
        weight = b.marchenko_pastur(x, ratio) * (high - low) / 2 * np.sin(t) * (t[1] - t[0])
        assert weight.sum() == pytest.approx(min(1, 1 / ratio), rel=1e-4)
        assert (weight * x).sum() == pytest.approx(1, rel=1e-6)
    assert b.marchenko_pastur([-1.0, 0.0, 5.0]).tolist() == [0.0, math.inf, 0.0]
    assert b.marchenko_pastur(0.0, 0.5) == 0


@pytest.mark.parametrize(
    ("degrees", "expected"), [(60, 0.3333), (45, 0.5), (30, 0.6667), (10, 0.8889), (90, 0.0)]
)
def test_sign_agreement_reproduces_the_table(degrees, expected):
    theta = math.radians(degrees)
    assert float(b.sign_agreement(theta)) == pytest.approx(expected, abs=5e-5)
    assert float(b.sign_agreement(theta)) == pytest.approx(
        2 / math.pi * math.asin(math.cos(theta)), abs=1e-12
    )


def test_sign_agreement_keeps_the_order_of_cosines():
    theta = np.linspace(0, math.pi, 50)
    assert np.all(np.diff(b.sign_agreement(theta)) < 0)
    assert b.sign_agreement_std([0, math.pi / 2], 100) == pytest.approx([0, 0.1])
    with pytest.raises(ValueError, match="theta must be in"):
        b.sign_agreement(3.2)


# --- Required dimension


DIMENSIONS = [
    (100, 0.1, 11053, 7369, 3947, 4597),
    (100, 0.2, 2764, 1843, 1062, 1199),
    (100, 0.5, 443, 295, 221, 222),
    (500, 0.1, 14916, 9944, 5326, 6551),
    (500, 0.2, 3729, 2486, 1434, 1724),
    (1000, 0.2, 4145, 2764, 1594, 1952),
    (1000, 0.5, 664, 443, 331, 364),
    (2000, 0.1, 18243, 12162, 6515, 8259),
    (2000, 0.2, 4561, 3041, 1754, 2182),
    (10**4, 0.2, 5527, 3685, 2125, 2716),
    (10**4, 0.5, 885, 590, 442, 507),
    (10**6, 0.2, 8290, 5527, 3188, 4254),
]


@pytest.mark.parametrize(("n_samples", "eps", "lemma", "existence", "sk", "exact"), DIMENSIONS)
def test_required_dimensions_reproduce_the_table(n_samples, eps, lemma, existence, sk, exact):
    found = b.required_dimensions(n_samples, eps)
    assert (found.lemma, found.existence, found.sklearn, found.exact) == (
        lemma,
        existence,
        sk,
        exact,
    )
    assert found.exact_existence <= found.sklearn


@pytest.mark.parametrize(("eps", "expected"), [(0.1, 4600), (0.2, 1200), (0.5, 222)])
def test_union_bound_below_one_for_a_thousand_points(eps, expected):
    assert b.dimension_exact(1000, eps, log_failure=0.0) == expected


@quick
@given(st.integers(2, 10**9), st.floats(0.01, 0.99))
def test_sklearn_formula_is_sklearns(n_samples, eps):
    assert b.dimension_sklearn(n_samples, eps) == johnson_lindenstrauss_min_dim(n_samples, eps=eps)


@quick
@given(st.integers(2, 10**12), st.floats(0.005, 0.99))
def test_exact_dimension_is_the_first_that_suffices(n_samples, eps):
    n = b.dimension_exact(n_samples, eps)
    target = -math.log(n_samples)
    assert b.log_union_bound(b.norm_tail(n, eps), n_samples) <= target
    if n > 1:
        assert b.log_union_bound(b.norm_tail(n - 1, eps), n_samples) > target
    assert n <= b.dimension_lemma(n_samples, eps)


def test_norm_tail_falls_with_n():
    n = np.arange(1, 3000)
    for eps in (0.01, 0.1, 0.5, 0.9, 0.999):
        assert np.all(np.diff(b.norm_tail(n, eps).log_both) < 0)


def test_lemma_bound_gives_failure_one_over_n():
    n_samples, eps = 1000, 0.2
    n = b.dimension_lemma(n_samples, eps)
    bound = b.log_union_bound(b.norm_tail_simple(n, eps), n_samples)
    assert bound <= -math.log(n_samples)
    assert b.dimension_lemma(2, 0.1) == 1664  # 24 ln 2 / .01 = 1663.6


def test_one_point_needs_one_dimension():
    assert b.required_dimensions(1, 0.5) == b.RequiredDimensions(1, 1, 1, 1, 1, 1, 1)
    assert b.typical_max_distortion(50, 1) == 0
    assert b.typical_max_distortion(50, 2) == 0  # one pair: ln 1
    assert b.log_pair_count(1) == -math.inf


def test_huge_counts_and_tiny_eps_are_answered():
    found = b.required_dimensions(10**400, 0.001)
    assert found.exact_existence < found.exact < found.existence < found.lemma
    assert b.dimension_lemma(100, 0.001) == pytest.approx(1.1e8, rel=0.01)
    with pytest.raises(ValueError, match=r"eps must be in \[1e-06, 1\), got 1e-07"):
        b.dimension_exact(100, 1e-7)
    with pytest.raises(ValueError, match="overflows a float"):
        b.dimension_lemma(100, 1e-200)


@pytest.mark.parametrize("bad", [0, -3, 1.5, math.inf, math.nan, True, "12", None])
def test_counts_that_are_no_counts_are_refused(bad):
    with pytest.raises(ValueError, match="n_samples must be a whole number at least 1, got"):
        b.dimension_lemma(bad, 0.1)


@pytest.mark.parametrize(
    ("n", "expected"),
    [(50, 0.825), (100, 0.583), (200, 0.4125), (400, 0.292), (600, 0.238), (800, 0.206)],
)
def test_rule_of_thumb_reproduces_the_table(n, expected):
    assert float(b.typical_max_distortion(n, 100)) == pytest.approx(expected, abs=6e-4)


def test_typical_dimension_inverts_the_rule_of_thumb():
    n = b.dimension_typical(100, 0.2)
    assert b.typical_max_distortion(n, 100) < 0.2 <= b.typical_max_distortion(n - 1, 100)


def test_curves_agree_with_single_values():
    counts, eps = [2, 10, 1000, 10**6], 0.2
    curves = b.dimension_curves(counts, eps)
    for i, count in enumerate(counts):
        single = b.required_dimensions(count, eps)
        assert {name: int(curve[i]) for name, curve in curves.items()} == vars(single)
    along_eps = b.dimension_curves([100], [0.1, 0.5])
    assert along_eps["exact"].tolist() == [4597, 222]
    with pytest.raises(ValueError, match="one length, got 2 and 3"):
        b.dimension_curves([1, 2], [0.1, 0.2, 0.3])


def test_binomial_interval_is_clopper_pearson():
    reference = stats.binomtest(3, 20).proportion_ci(0.95, method="exact")
    assert b.binomial_interval(3, 20) == pytest.approx((reference.low, reference.high))
    assert b.binomial_interval(0, 20)[0] == 0
    assert b.binomial_interval(20, 20)[1] == 1
    with pytest.raises(ValueError, match="got 21 of 20"):
        b.binomial_interval(21, 20)


# --- Entropy rule


H_TABLE = [
    (32, -7.774705),
    (64, -15.473400),
    (96, -23.172559),
    (128, -30.871834),
    (256, -61.669219),
    (512, -123.264247),
]


@pytest.mark.parametrize(("n", "expected"), H_TABLE)
def test_entropy_offset_reproduces_the_table(n, expected):
    assert float(b.entropy_offset(n)) == pytest.approx(expected, abs=6e-7)


@pytest.mark.parametrize("n", [2, 3, 4, 5, 31, 400, 5000])
def test_entropy_offset_agrees_with_bessel_functions(n):
    x = mpmath.mpf(n)  # the von Mises-Fisher integrals at concentration n
    below, above = mpmath.besseli(x / 2 - 1, x), mpmath.besseli(x / 2, x)
    log_mean = mpmath.log(mpmath.gamma(x / 2) * (2 / x) ** (x / 2 - 1) * below)
    assert float(b.entropy_offset(n)) == pytest.approx(
        float(log_mean - x * above / below), rel=1e-13
    )


def test_entropy_offset_falls_and_approaches_laplace_from_below():
    n = np.arange(2, 5001)
    offset = b.entropy_offset(n)
    assert np.all(np.diff(offset) < 0)
    gap = offset - b.entropy_offset_laplace(n)
    assert np.all((gap < 0) & (gap > -0.1))
    assert b.ENTROPY_SLOPE == pytest.approx(-0.2406059, abs=5e-8)
    assert 2 / -b.ENTROPY_SLOPE == pytest.approx(8.3123, abs=5e-5)
    assert math.acos(b.GOLDEN_COSINE) == pytest.approx(0.904557, abs=5e-7)


@pytest.mark.parametrize(
    ("n_samples", "expected"),
    [
        (10**5, 95.90),
        (5 * 10**6, 128.49),
        (512, 51.97),
        (2048, 63.5),
        (4096, 69.3),
        (21128, 82.95),
        (30522, 86.02),
        (50257, 90.17),
        (151936, 99.39),
    ],
)
def test_entropy_dimension_reproduces_the_readings(n_samples, expected):
    assert b.entropy_dimension(n_samples) == pytest.approx(expected, abs=0.02)


@pytest.mark.parametrize(("n", "expected"), [(64, 2171), (128, 4.71e6), (512, 4.9e26)])
def test_entropy_capacity_inverts_the_rule(n, expected):
    log_count = b.log_entropy_capacity(n)
    assert np.exp(log_count) == pytest.approx(expected, rel=9e-3)


def test_pair_entropy_crosses_zero_where_it_says():
    assert float(b.pair_entropy(64, 10**5)) == pytest.approx(7.55245, abs=5e-6)
    for n_samples in (1, 2, 10**5, 10**400):
        n = b.entropy_crossing(n_samples)
        assert b.pair_entropy(n, n_samples) <= 0
        assert n == 2 or b.pair_entropy(n - 1, n_samples) > 0
    with pytest.raises(ValueError, match="n must be an integer >= 2"):
        b.entropy_offset(2.5)
