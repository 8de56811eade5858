"""Laws and bounds behind the Johnson-Lindenstrauss lemma, and the dimension each one asks for.

For u, v in R^n with independent entries N(0, 1/n), eps in (0, 1) and N points:
    P(| ||u||^2 - 1 | >= eps) <= 2 exp(-eps^2 n / 8)     unit-norm lemma
    P(| <u, v> | >= eps)      <= 4 exp(-eps^2 n / 8)     orthogonality lemma
    n > 24 ln N / eps^2  keeps every squared distance within 1 +- eps, with probability 1 - 1/N
    2 ln N + h_n = 0     entropy rule for inner-product softmax models, about n = 8.33 ln N
Beside each bound stands the exact value it bounds.

Shapes: tails and densities broadcast n (dimension) and eps and return the common shape.
Convention: 1/n is the VARIANCE of an entry (standard deviation 1/sqrt(n)); eps bounds SQUARED norms
and squared distances; logarithms are natural, so log-probabilities are in nats and never underflow.
A bound of 1 or more is a true statement without information: see `Tail.is_vacuous`.

Source: Su Jianlin, 2021, kexue.fm/archives/8679 (lemmas, constants 24 and 16), 8706 (sign hashing),
8711; 2020, kexue.fm/archives/7695 (entropy rule); 2019, kexue.fm/archives/7076 (angles). Dasgupta
and Gupta, 2003, doi 10.1002/rsa.10073 (scikit-learn's constant). That no map can do with fewer than
order eps^-2 ln N dimensions: Larsen and Nelson, 2016, arXiv 1609.02094. Exact laws: derived here.
"""

import functools
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from models.checks import whole_number

Floats = NDArray[np.float64]

MIN_EXACT_EPS = 1e-6  # below it n passes 2^53 and a float cannot count to it
LOG_TINY = -575.0  # ln 1e-250: below it the tail is computed in logarithms
GOLDEN_COSINE = (math.sqrt(5) - 1) / 2  # cosine at the peak of sin^(n-2) e^(n cos), n large
ENTROPY_SLOPE = -math.log((1 + math.sqrt(5)) / 2) / 2  # -0.2406059, nats per dimension
ENTROPY_FACTOR = 8.33  # the post's 2 / 0.24


@dataclass(frozen=True)
class Tail:
    """Probability of leaving an interval, side by side, in nats.

    Attributes:
        log_upper: ln of the probability (or bound) above the interval.
        log_lower: The same below it.
    """

    log_upper: Floats
    log_lower: Floats

    @property
    def upper(self) -> Floats:
        """Probability above the interval; 0.0 where it is below about 1e-308."""
        return np.exp(self.log_upper)

    @property
    def lower(self) -> Floats:
        """Probability below the interval."""
        return np.exp(self.log_lower)

    @property
    def log_both(self) -> Floats:
        """Ln of the sum of both sides: compare with -690.8 to write "< 1e-300"."""
        return np.asarray(np.logaddexp(self.log_upper, self.log_lower))

    @property
    def both(self) -> Floats:
        """Sum of both sides. A bound may exceed 1: it then says nothing."""
        return np.exp(self.log_both)

    @property
    def is_vacuous(self) -> NDArray[np.bool_]:
        """True where the sum is 1 or more, that is, where it carries no information."""
        return np.asarray(self.log_both >= 0)


@dataclass(frozen=True)
class Moments:
    """Mean, variance, skewness and excess kurtosis of a law, dimensionless."""

    mean: float
    variance: float
    skewness: float
    excess_kurtosis: float


# --- Unit norm ------------------------------------------------------------------------------------


def norm_moments(n: int) -> Moments:
    """Return the moments of ||u||^2: n ||u||^2 is chi-square with n degrees of freedom.

    Args:
        n: Dimension, at least 1.
    """
    n_ = float(_dimension(n))
    return Moments(1.0, 2 / n_, math.sqrt(8 / n_), 12 / n_)


def norm_density(squared_norm: ArrayLike, n: ArrayLike) -> Floats:
    """Return the density of ||u||^2 at x: n^(n/2) x^(n/2-1) e^(-nx/2) / (2^(n/2) Gamma(n/2)).

    Args:
        squared_norm: Points x >= 0, dimensionless.
        n: Dimension, at least 1.

    Returns:
        A density per unit of squared norm; infinite at x = 0 for n = 1.

    Raises:
        ValueError: If a point is negative or not finite.
    """
    x, a = np.broadcast_arrays(
        _within("squared_norm", squared_norm, 0, math.inf), _dimension(n) / 2
    )
    with np.errstate(divide="ignore", invalid="ignore"):
        # a ln x - ln x, not (a - 1) ln x: the first part joins the linear term without cancelling
        log_density = _log_peak(a) + a * _log1p_minus(x - 1) - np.log(x)
    at_zero = np.select([a < 1, a == 1], [math.inf, 1.0], 0.0)
    return np.where(x > 0, np.exp(log_density), at_zero)


def norm_tail(n: ArrayLike, eps: ArrayLike) -> Tail:
    """Return the exact P(||u||^2 - 1 >= eps) and P(||u||^2 - 1 <= -eps).

    Both are incomplete gamma functions of a = n/2 at x = a (1 +- eps).

    Args:
        n: Dimension, at least 1.
        eps: Allowed deviation of the squared norm, in (0, 1).

    Raises:
        ValueError: If n or eps is outside its domain.
    """
    a, eps_ = np.broadcast_arrays(_dimension(n) / 2, _open_unit("eps", eps))
    return Tail(_log_gamma_tail(a, eps_, upper=True), _log_gamma_tail(a, eps_, upper=False))


def norm_tail_chernoff(n: ArrayLike, eps: ArrayLike) -> Tail:
    """Return the sharp Chernoff bounds exp(n (ln(1 +- eps) -+ eps) / 2).

    Markov's inequality on exp(lam ||u||^2), whose mean is (1 - 2 lam/n)^(-n/2) for lam < n/2, at
    the best lam = n eps / (2 (1 + eps)); below, eps becomes -eps.

    Raises:
        ValueError: If n < 1 or eps is outside (0, 1).
    """
    n_, eps_ = _dimension(n), _open_unit("eps", eps)
    return Tail(n_ / 2 * _log1p_minus(eps_), n_ / 2 * _log1p_minus(-eps_))


def norm_tail_simple(n: ArrayLike, eps: ArrayLike) -> Tail:
    """Return the lemma's bound, exp(-eps^2 n / 8) on each side.

    It follows from the sharp one by ln(1 + eps) - eps <= -eps^2/4, true up to eps = 1.6238.

    Raises:
        ValueError: If n < 1 or eps is outside (0, 1).
    """
    side = -(_open_unit("eps", eps) ** 2) * _dimension(n) / 8
    return Tail(side, side)


def chernoff_exponent(lam: ArrayLike, n: int, eps: float) -> Floats:
    """Return ln of exp(-lam (1+eps)) (1 - 2 lam/n)^(-n/2), the bound before lam is optimised.

    Args:
        lam: Free parameter of the exponential Markov step, below n/2.
        n: Dimension.
        eps: Deviation in (0, 1). The minimum lies at lam = n eps / (2 (1 + eps)).

    Raises:
        ValueError: If lam reaches n/2, where the mean is infinite.
    """
    n_, eps_, lam_ = (
        float(_dimension(n)),
        float(_open_unit("eps", eps)),
        np.asarray(lam, np.float64),
    )
    if not np.all(lam_ < n_ / 2):
        raise ValueError(f"lam must be below n/2 = {n_ / 2:g}, got {np.max(lam_):g}")
    return np.asarray(-lam_ * (1 + eps_) - n_ / 2 * np.log1p(-2 * lam_ / n_))


# --- Orthogonality --------------------------------------------------------------------------------


def inner_product_moments(n: int) -> Moments:
    """Return the moments of <u, v>; its variance is 1/n."""
    n_ = float(_dimension(n))
    return Moments(0.0, 1 / n_, 0.0, 6 / n_)


def inner_product_tail(n: ArrayLike, eps: ArrayLike, n_nodes: int = 400) -> Tail:
    """Return the exact P(<u, v> >= eps), and the same below -eps.

    Given v, <u, v> is N(0, ||v||^2/n), so P = E[Phi(-eps n / sqrt(X))] with X chi-square(n): a
    variance-gamma law. In t = ln(X/n) the integrand is log-concave, so it has one peak; the
    trapezoid rule on the interval around it converges geometrically, where a rule on [0, inf)
    misses the peak.

    Args:
        n: Dimension, at least 1.
        eps: Deviation, positive; it may exceed 1.
        n_nodes: Nodes of the trapezoid rule; 400 leave about 1e-13 relative error.

    Raises:
        ValueError: If n < 1 or eps is not positive and finite.
    """
    from scipy.special import log_ndtr, logsumexp

    n_, eps_ = np.broadcast_arrays(_dimension(n), _within("eps", eps, 0, math.inf, open_low=True))

    def log_integrand(t: Floats) -> Floats:
        nodes = (...,) + (None,) * (t.ndim - n_.ndim)
        a, threshold = n_[nodes] / 2, eps_[nodes] * np.sqrt(n_[nodes])
        return np.asarray(log_ndtr(-threshold * np.exp(-t / 2)) - a * (np.expm1(t) - t))

    low, high = _interval_around_mode(log_integrand, np.zeros(n_.shape), np.log1p(eps_ + 1 / n_))
    t = np.linspace(low, high, n_nodes, axis=-1)
    log_sum = logsumexp(log_integrand(t), axis=-1) + np.log((high - low) / (n_nodes - 1))
    log_side = np.asarray(log_sum + _log_peak(n_ / 2))
    return Tail(log_side, log_side)


def inner_product_density(inner_product: ArrayLike, n: int, n_nodes: int = 400) -> Floats:
    """Return the density of <u, v>: E[N(x; 0, X/n^2)] over X chi-square(n).

    A variance-gamma law, by the trapezoid rule of `inner_product_tail` on ln(X/n).

    Args:
        inner_product: Points x, dimensionless.
        n: Dimension, at least 1.
        n_nodes: Nodes of the rule.

    Returns:
        Density per unit of <u, v>; infinite at x = 0 for n = 1.

    Raises:
        ValueError: If a point is not finite or n < 1.
    """
    from scipy.special import logsumexp

    x, n_ = np.broadcast_arrays(
        _within("inner_product", inner_product, -math.inf, math.inf), _dimension(n)
    )

    infinite = (n_ == 1) & (np.abs(x) < 1e-150)  # the law of one product has a logarithmic pole
    x = np.where(infinite, 1.0, x)

    def log_integrand(t: Floats) -> Floats:
        nodes = (...,) + (None,) * (t.ndim - n_.ndim)
        m, square = n_[nodes], x[nodes] ** 2
        return np.asarray(-t / 2 - m * square * np.exp(-t) / 2 - m / 2 * (np.expm1(t) - t))

    low, high = _interval_around_mode(log_integrand, -1 - 2 / n_, np.log1p(np.abs(x) + 1 / n_))
    t = np.linspace(low, high, n_nodes, axis=-1)
    log_sum = logsumexp(log_integrand(t), axis=-1) + np.log((high - low) / (n_nodes - 1))
    density = np.exp(log_sum + _log_peak(n_ / 2) + np.log(n_ / (2 * math.pi)) / 2)
    return np.where(infinite, math.inf, density)


def inner_product_tail_simple(n: ArrayLike, eps: ArrayLike) -> Tail:
    """Return the lemma's bound 4 exp(-eps^2 n / 8), half of it on each side.

    <u, v> is half the difference of the squared norms of (u + v)/sqrt(2) and (u - v)/sqrt(2), and
    the unit-norm lemma holds for both.

    Raises:
        ValueError: If n < 1 or eps is outside (0, 1).
    """
    side = math.log(2) - _open_unit("eps", eps) ** 2 * _dimension(n) / 8
    return Tail(side, side)


def inner_product_tail_chernoff(n: ArrayLike, eps: ArrayLike) -> Tail:
    """Return the Chernoff bound at its best parameter, from E exp(s n <u, v>) = (1 - s^2)^(-n/2).

    The best s solves s / (1 - s^2) = eps.

    Raises:
        ValueError: If n < 1 or eps is not positive and finite.
    """
    n_, eps_ = _dimension(n), _within("eps", eps, 0, math.inf, open_low=True)
    s = 2 * eps_ / (1 + np.hypot(1, 2 * eps_))
    # 1 - s^2 = s / eps by the choice of s: no cancellation for large eps
    log_half = np.where(eps_ > 1, np.log(s / eps_), np.log1p(-(np.minimum(s, 0.9) ** 2)))
    side = -n_ * (s * eps_ + log_half / 2)
    return Tail(side, side)


def inner_product_tail_sharp(n: ArrayLike, eps: ArrayLike) -> Tail:
    """Return 2 exp(-eps^2 n / (2 (1 + eps))), half on each side.

    Not in the post, and up to four times its exponent: the Chernoff bound in closed form, slightly
    weakened.

    Raises:
        ValueError: If n < 1 or eps is not positive and finite.
    """
    n_, eps_ = _dimension(n), _within("eps", eps, 0, math.inf, open_low=True)
    side = -(eps_**2) * n_ / (2 * (1 + eps_))
    return Tail(side, side)


def cosine_moments(n: int) -> Moments:
    """Return the moments of the cosine between random directions; its variance is exactly 1/n."""
    n_ = float(_dimension(n))
    return Moments(0.0, 1 / n_, 0.0, -6 / (n_ + 2))


def cosine_tail(n: ArrayLike, eps: ArrayLike) -> Tail:
    """Return P(cos theta >= eps) = I_(1 - eps^2)((n-1)/2, 1/2) / 2 for random directions.

    Args:
        n: Dimension, at least 2.
        eps: Cosine in (0, 1).

    Raises:
        ValueError: If n or eps is outside its domain.
    """
    from scipy.special import betainc

    n_, eps_ = np.broadcast_arrays(_dimension(n, least=2), _open_unit("eps", eps))
    a, x = (n_ - 1) / 2, (1 - eps_) * (1 + eps_)
    value = betainc(a, 0.5, x)
    with np.errstate(divide="ignore"):
        log_both = np.asarray(np.log(value))
    far = value < math.exp(LOG_TINY)
    if np.any(far):
        log_both[far] = _log_cosine_tail_far(a[far], eps_[far])
    return Tail(log_both - math.log(2), log_both - math.log(2))


def angle_density(theta: ArrayLike, n: ArrayLike) -> Floats:
    """Return p_n(theta) = Gamma(n/2) / (Gamma((n-1)/2) sqrt(pi)) sin(theta)^(n-2).

    Args:
        theta: Angle between two random directions, radians in [0, pi].
        n: Dimension, at least 2; n = 2 is uniform, n = 3 has a uniform cosine.

    Returns:
        Density per radian.

    Raises:
        ValueError: If theta or n is outside its domain.
    """
    n_, theta_ = _dimension(n, least=2), _within("theta", theta, 0, math.pi)
    # sin(pi) is 1e-16 in floats; the angle to the nearer end is exact
    sine = np.sin(np.minimum(theta_, math.pi - theta_))
    return np.exp(-_log_beta_half((n_ - 1) / 2)) * sine ** (n_ - 2)


def marchenko_pastur(eigenvalue: ArrayLike, ratio: float = 1.0) -> Floats:
    """Return the limiting density of the eigenvalues of W'W.

    sqrt((x_+ - x) (x - x_-)) / (2 pi ratio x) between x_-+ = (1 -+ sqrt(ratio))^2.

    Args:
        eigenvalue: Points x, dimensionless.
        ratio: Columns over rows of W, whose entries are N(0, 1/rows); positive. Above 1 a share
            1 - 1/ratio of the eigenvalues is exactly 0 and not part of this density.

    Returns:
        Density per unit of eigenvalue: 0 outside the support, infinite at 0 if ratio is 1.

    Raises:
        ValueError: If ratio is not positive and finite.
    """
    ratio_ = float(_within("ratio", ratio, 0, math.inf, open_low=True))
    x = np.asarray(eigenvalue, np.float64)
    low, high = marchenko_pastur_support(ratio_)
    inside = np.sqrt(np.maximum((high - x) * (x - low), 0))
    with np.errstate(divide="ignore", invalid="ignore"):
        density = inside / (2 * math.pi * ratio_ * x)
    at_zero = np.where((x == 0) & (ratio_ == 1), math.inf, 0.0)
    return np.where(x > 0, density, at_zero)


def marchenko_pastur_support(ratio: float) -> tuple[float, float]:
    """Return the two ends (1 - sqrt(ratio))^2 and (1 + sqrt(ratio))^2 of the bulk."""
    return (1 - math.sqrt(ratio)) ** 2, (1 + math.sqrt(ratio)) ** 2


def sign_agreement(theta: ArrayLike) -> Floats:
    """Return E[sign(Au) . sign(Av)] / n = 1 - 2 theta/pi for a Gaussian A.

    The post reads it as cos(theta): the two share only 0, pi/2 and pi, but also the order.

    Args:
        theta: Angle between u and v, radians in [0, pi].

    Raises:
        ValueError: If theta is outside [0, pi].
    """
    return 1 - 2 * _within("theta", theta, 0, math.pi) / math.pi


def sign_agreement_std(theta: ArrayLike, n: ArrayLike) -> Floats:
    """Return the standard deviation 2 sqrt(p (1-p) / n), p = theta/pi, over the draw of A."""
    p = _within("theta", theta, 0, math.pi) / math.pi
    return 2 * np.sqrt(p * (1 - p) / _dimension(n))


# --- Required dimension ---------------------------------------------------------------------------


@dataclass(frozen=True)
class RequiredDimensions:
    """Dimension asked for by each rule, for N points and deviation eps of squared distances.

    Attributes:
        lemma: 24 ln N / eps^2: success with probability at least 1 - 1/N.
        existence: 16 ln N / eps^2: success with probability at least 1/N, so a good matrix exists.
        sklearn: scikit-learn's `johnson_lindenstrauss_min_dim`, an existence statement too.
        exact: Union bound over the exact chi-square tail at most 1/N.
        exact_existence: The same union bound below 1.
        typical: Where the rule of thumb for the largest distortion falls to eps; no guarantee.
        entropy: 8.33 ln N, the rule for inner-product softmax models; it knows no eps.
    """

    lemma: int
    existence: int
    sklearn: int
    exact: int
    exact_existence: int
    typical: int
    entropy: int


def required_dimensions(n_samples: int, eps: float) -> RequiredDimensions:
    """Return the dimension that every rule asks for.

    Args:
        n_samples: Number of points N, at least 1; any size, also 10**400.
        eps: Deviation of squared distances, in [1e-6, 1).

    Raises:
        ValueError: If n_samples is not a positive integer or eps is outside its domain.
    """
    return RequiredDimensions(
        lemma=dimension_lemma(n_samples, eps),
        existence=dimension_lemma(n_samples, eps, constant=16),
        sklearn=dimension_sklearn(n_samples, eps),
        exact=dimension_exact(n_samples, eps),
        exact_existence=dimension_exact(n_samples, eps, log_failure=0.0),
        typical=dimension_typical(n_samples, eps),
        entropy=math.floor(entropy_dimension(n_samples)) + 1,
    )


def dimension_lemma(n_samples: int, eps: float, constant: float = 24.0) -> int:
    """Return the least integer n > constant ln N / eps^2.

    Args:
        n_samples: Number of points N, at least 1.
        eps: Deviation of squared distances, in (0, 1).
        constant: 24 for success with probability 1 - 1/N, 16 for existence.

    Raises:
        ValueError: If n_samples is not a positive integer or eps is outside (0, 1).
    """
    return _above(constant * log_count(n_samples), float(_open_unit("eps", eps)) ** 2)


def dimension_sklearn(n_samples: int, eps: float) -> int:
    """Return scikit-learn's 4 ln N / (eps^2/2 - eps^3/3), cut to an integer, but at least 1.

    Raises:
        ValueError: If n_samples is not a positive integer or eps is outside (0, 1).
    """
    eps_ = float(_open_unit("eps", eps))
    denominator = eps_**2 / 2 - eps_**3 / 3
    return max(1, _above(4 * log_count(n_samples), denominator) - 1)


def dimension_exact(n_samples: int, eps: float, log_failure: float | None = None) -> int:
    """Return the least n whose union bound over the exact tail is at most exp(log_failure).

    By bisection: the tail falls with n, and the unit-norm lemma gives an n that is enough.

    Args:
        n_samples: Number of points N, at least 1.
        eps: Deviation of squared distances, in [1e-6, 1).
        log_failure: Allowed failure in nats, at most 0; -ln N if omitted, 0 for a bound below 1.

    Returns:
        The dimension; exact up to 2^53, beyond which a float cannot tell neighbours apart.

    Raises:
        ValueError: If n_samples, eps or log_failure is outside its domain.
    """
    return int(_dimensions_exact([n_samples], [eps], log_failure)[0])


def dimension_typical(n_samples: int, eps: float) -> int:
    """Return the least n with `typical_max_distortion` below eps: n > 4 ln(N (N-1)/2) / eps^2.

    Raises:
        ValueError: If n_samples is not a positive integer or eps is outside (0, 1).
    """
    log_pairs = max(0.0, log_pair_count(n_samples))
    return _above(4 * log_pairs, float(_open_unit("eps", eps)) ** 2)


def typical_max_distortion(n: ArrayLike, n_samples: int) -> Floats:
    """Return sqrt(2/n) sqrt(2 ln(N (N-1)/2)), a rule of thumb for max |distance ratio - 1|.

    The standard deviation of one ratio times the size of the largest of that many Gaussian values.

    Args:
        n: Dimension after projection, at least 1.
        n_samples: Number of points N, at least 1; one pair or none gives 0.

    Raises:
        ValueError: If n or n_samples is outside its domain.
    """
    return np.sqrt(2 / _dimension(n)) * math.sqrt(2 * max(0.0, log_pair_count(n_samples)))


def dimension_curves(
    n_samples: Sequence[int], eps: Sequence[float] | float
) -> dict[str, NDArray[np.int64]]:
    """Return every rule of `RequiredDimensions` along a list of N, of eps, or of both in step.

    Args:
        n_samples: Numbers of points; one entry is repeated.
        eps: Deviations in [1e-6, 1); one entry is repeated.

    Returns:
        Arrays of one length by the names of `RequiredDimensions`.

    Raises:
        ValueError: If the lengths differ or a value is outside its domain.
    """
    eps_list = [float(eps)] if isinstance(eps, int | float) else [float(e) for e in eps]
    length = max(len(n_samples), len(eps_list))
    if not all(len(given) in (1, length) for given in (n_samples, eps_list)):
        raise ValueError(
            f"n_samples and eps must have one length, got {len(n_samples)} and {len(eps_list)}"
        )
    counts = list(n_samples) * (length // len(n_samples))
    deviations = eps_list * (length // len(eps_list))
    points = list(zip(counts, deviations, strict=True))
    columns = {
        "lemma": [dimension_lemma(n, e) for n, e in points],
        "existence": [dimension_lemma(n, e, constant=16) for n, e in points],
        "sklearn": [dimension_sklearn(n, e) for n, e in points],
        "exact": _dimensions_exact(counts, deviations, None),
        "exact_existence": _dimensions_exact(counts, deviations, 0.0),
        "typical": [dimension_typical(n, e) for n, e in points],
        "entropy": [math.floor(entropy_dimension(n)) + 1 for n in counts],
    }
    return {name: np.asarray(column, np.int64) for name, column in columns.items()}


def log_union_bound(tail: Tail, n_samples: int) -> Floats:
    """Return ln(N (N-1)/2 * P): at least ln of the probability that some pair fails, in nats.

    Args:
        tail: Probability, or bound, that one pair leaves 1 +- eps.
        n_samples: Number of points N; no pairs (N = 1) give -inf.
    """
    return tail.log_both + log_pair_count(n_samples)


def binomial_interval(
    n_successes: int, n_trials: int, confidence: float = 0.95
) -> tuple[float, float]:
    """Return the Clopper-Pearson interval for a rate seen as n_successes out of n_trials.

    Raises:
        ValueError: If not 0 <= n_successes <= n_trials with n_trials >= 1, or confidence is not in
            (0, 1).
    """
    from scipy.special import betaincinv

    if not (n_trials >= 1 and 0 <= n_successes <= n_trials):
        raise ValueError(f"need 0 <= n_successes <= n_trials >= 1, got {n_successes} of {n_trials}")
    side = (1 - float(_open_unit("confidence", confidence))) / 2
    k, m = n_successes, n_trials
    low = float(betaincinv(k, m - k + 1, side)) if k > 0 else 0.0
    high = float(betaincinv(k + 1, m - k, 1 - side)) if k < m else 1.0
    return low, high


# --- Entropy rule ---------------------------------------------------------------------------------


def entropy_offset(n: ArrayLike, n_nodes: int = 160) -> Floats:
    """Return h_n, the entropy of a pair above 2 ln N when scores are n cos(theta), in nats.

    h_n = ln E[e^(n cos)] - n E[cos e^(n cos)] / E[e^(n cos)], theta with density p_n.
    Gauss-Legendre within 14 standard deviations of the peak cos = (sqrt((n-2)^2 + 4n^2) - (n-2)) /
    (2n).

    Args:
        n: Dimension, integers of at least 2.
        n_nodes: Quadrature nodes.

    Raises:
        ValueError: If an n is below 2 or not an integer.
    """
    n_ = _dimension(n, least=2)
    if np.any(n_ != np.round(n_)):
        raise ValueError(f"n must be an integer >= 2, got {n!r}")
    peak = (np.hypot(n_ - 2, 2 * n_) - (n_ - 2)) / (2 * n_)
    reach = 14 / np.sqrt(n_ * (peak + 1 / peak))  # 14 / sqrt(-curvature of the exponent)
    low = np.maximum(np.arccos(np.minimum(peak, 1)) - reach, 0)[..., None]
    high = np.minimum(np.arccos(np.minimum(peak, 1)) + reach, math.pi)[..., None]
    nodes, weights = _gauss_legendre(n_nodes)
    theta = (low + high) / 2 + (high - low) / 2 * nodes
    exponent = (n_[..., None] - 2) * np.log(np.sin(theta)) + n_[..., None] * np.cos(theta)
    top = exponent.max(axis=-1, keepdims=True)
    mass = weights * (high - low) / 2 * np.exp(exponent - top)
    total = mass.sum(axis=-1)
    mean_cosine = (mass * np.cos(theta)).sum(axis=-1) / total
    log_mean = np.log(total) + top[..., 0] - _log_beta_half((n_ - 1) / 2)
    return np.asarray(log_mean - n_ * mean_cosine)


def entropy_offset_laplace(n: ArrayLike) -> Floats:
    """Return Laplace's -0.2406059 n = -(n/2) ln((1 + sqrt(5))/2), the limit of h_n, in nats."""
    return ENTROPY_SLOPE * _dimension(n)


def pair_entropy(n: ArrayLike, n_samples: int) -> Floats:
    """Return H = 2 ln N + h_n, in nats; below 0 the sampling estimate has broken down.

    Args:
        n: Dimension, integers of at least 2.
        n_samples: Number N of words, positions or nodes.
    """
    return 2 * log_count(n_samples) + entropy_offset(n)


def entropy_dimension(n_samples: int, factor: float = ENTROPY_FACTOR) -> float:
    """Return the rule factor * ln N; `2 / -ENTROPY_SLOPE` = 8.3123 is the unrounded factor."""
    return factor * log_count(n_samples)


def entropy_crossing(n_samples: int) -> int:
    """Return the least n >= 2 at which H = 2 ln N + h_n, by quadrature, is no longer positive."""
    log_n_samples = log_count(n_samples)
    low, high = 1, 16 + math.ceil(2 * log_n_samples / -ENTROPY_SLOPE)  # h_n lies below the line
    while high - low > 1:
        middle = (low + high) // 2
        if 2 * log_n_samples + float(entropy_offset(middle)) > 0:
            low = middle
        else:
            high = middle
    return high


def log_entropy_capacity(n: ArrayLike, factor: float = ENTROPY_FACTOR) -> Floats:
    """Return ln N for the largest N that n dimensions serve by the rule, in nats: n / factor."""
    return _dimension(n) / factor


# --- Counting and checking ------------------------------------------------------------------------


def log_count(n_samples: int) -> float:
    """Return ln N in nats for an integer N >= 1 of any size.

    Raises:
        ValueError: If n_samples is not an integer, is below 1, or is infinite.
    """
    return math.log(whole_number("n_samples", n_samples, 1))


def log_pair_count(n_samples: int) -> float:
    """Return ln(N (N-1)/2) in nats; -inf for N = 1.

    Raises:
        ValueError: If n_samples is not an integer of at least 1.
    """
    n = whole_number("n_samples", n_samples, 1)
    return math.log(n * (n - 1) // 2) if n > 1 else -math.inf


def _within(
    name: str, value: ArrayLike, low: float, high: float, *, open_low: bool = False
) -> Floats:
    array = np.asarray(value, np.float64)
    good = np.isfinite(array) & (array <= high) & ((array > low) if open_low else (array >= low))
    if not np.all(good):
        bad = array[~good].flat[0]
        domain = f"{'(' if open_low else '['}{low:g}, {high:.6g}{']' if high < math.inf else ')'}"
        raise ValueError(f"{name} must be in {domain}, got {bad:g}")
    return array


def _open_unit(name: str, value: ArrayLike) -> Floats:
    array = np.asarray(value, np.float64)
    good = (array > 0) & (array < 1)
    if not np.all(good):
        raise ValueError(f"{name} must be in (0, 1), got {array[~good].flat[0]:g}")
    return array


def _dimension(n: ArrayLike, least: int = 1) -> Floats:
    array = np.asarray(n, np.float64)
    good = np.isfinite(array) & (array >= least)
    if not np.all(good):
        raise ValueError(f"n must be at least {least} and finite, got {array[~good].flat[0]:g}")
    return array


def _above(numerator: float, denominator: float) -> int:
    """Return the least integer above the quotient."""
    if denominator == 0 or not math.isfinite(numerator / denominator):
        raise ValueError("eps is too small: the required dimension overflows a float")
    return math.floor(numerator / denominator) + 1


def _dimensions_exact(
    n_samples: Sequence[int], eps: Sequence[float], log_failure: float | None
) -> NDArray[np.int64]:
    if log_failure is not None and not log_failure <= 0:
        raise ValueError(f"log_failure must be at most 0 nats, got {log_failure:g}")
    eps_ = _open_unit("eps", list(eps))
    if np.any(eps_ < MIN_EXACT_EPS):
        raise ValueError(f"eps must be in [{MIN_EXACT_EPS:g}, 1), got {eps_.min():g}")
    allowed = [-log_count(n) if log_failure is None else log_failure for n in n_samples]
    pairs = [log_pair_count(n) for n in n_samples]
    target = np.minimum(np.asarray(allowed) - np.asarray(pairs), 0.0)  # N = 1: nothing can fail
    low: NDArray[np.int64] = np.zeros(eps_.shape, np.int64)
    high = np.ceil(8 * (math.log(2) - target) / eps_**2).astype(np.int64)
    while np.any(high - low > 1):
        middle = np.maximum((low + high) // 2, 1)
        enough = norm_tail(middle, eps_).log_both <= target
        low, high = np.where(enough, low, middle), np.where(enough, middle, high)
    return np.asarray(high)


# --- Logarithms of incomplete integrals -----------------------------------------------------------


def _log1p_minus(x: ArrayLike) -> Floats:
    """Return ln(1 + x) - x without cancellation near 0.

    With r = x/(2+x), ln(1+x) = 2 (r + r^3/3 + r^5/5 + ...), and 2 r - x = -r x.
    """
    x_ = np.asarray(x, np.float64)
    r = np.where(np.abs(x_) < 0.25, x_, 0.0)
    r = r / (2 + r)
    series = np.zeros_like(r)
    for power in range(23, 2, -2):
        series = series * r**2 + 1 / power
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(np.abs(x_) < 0.25, r * (2 * r**2 * series - x_), np.log1p(x_) - x_)


def _stirling_rest(a: Floats) -> Floats:
    """Return ln Gamma(a) - ((a - 1/2) ln a - a + ln(2 pi)/2), about 1/(12 a)."""
    from scipy.special import gammaln

    far = np.maximum(a, 20.0)
    series = (1 / 12 - (1 / 360 - (1 / 1260 - 1 / (1680 * far**2)) / far**2) / far**2) / far
    near = np.minimum(a, 20.0)
    direct = gammaln(near) - (near - 0.5) * np.log(near) + near - math.log(2 * math.pi) / 2
    return np.asarray(np.where(a >= 20, series, direct))


def _log_peak(a: Floats) -> Floats:
    """Return ln(a^a e^-a / Gamma(a)): the gamma density, times its variable, at its mean a."""
    return np.asarray(0.5 * np.log(a / (2 * math.pi)) - _stirling_rest(a))


def _log_beta_half(a: Floats) -> Floats:
    """Return ln B(a, 1/2), also for large a."""
    from scipy.special import betaln

    return np.asarray(betaln(a, 0.5))


@functools.cache
def _gauss_legendre(n_nodes: int) -> tuple[Floats, Floats]:
    return np.polynomial.legendre.leggauss(n_nodes)


@functools.cache
def _gauss_laguerre(n_nodes: int) -> tuple[Floats, Floats]:
    return np.polynomial.laguerre.laggauss(n_nodes)


def _interval_around_mode(
    log_f: Callable[[Floats], Floats], low: Floats, high: Floats, drop: float = 45.0
) -> tuple[Floats, Floats]:
    """Return where a concave log_f, whose mode lies in [low, high], has fallen by `drop` nats."""
    for _ in range(50):
        left, right = low + (high - low) / 3, high - (high - low) / 3
        rising = log_f(left) < log_f(right)
        low, high = np.where(rising, left, low), np.where(rising, high, right)
    mode = (low + high) / 2
    floor = log_f(mode) - drop
    ends = []
    for side in (-1, 1):
        reach = np.full(mode.shape, 1e-7)
        while np.any(inside := log_f(mode + side * reach) > floor):
            reach = np.where(inside, 1.5 * reach, reach)
        ends.append(mode + side * reach)
    return ends[0], ends[1]


def _log_gamma_tail(a: Floats, eps: Floats, *, upper: bool) -> Floats:
    """Return ln P(G >= a (1+eps)) or ln P(G <= a (1-eps)) for G ~ Gamma(a)."""
    from scipy.special import gammainc, gammaincc

    signed = eps if upper else -eps
    value = (gammaincc if upper else gammainc)(a, a * (1 + signed))
    far = value < math.exp(LOG_TINY)
    with np.errstate(divide="ignore"):
        log_tail = np.log(value)
    log_tail = np.asarray(log_tail)
    if np.any(far):
        log_tail[far] = _log_gamma_tail_far(a[far], signed[far])
    return log_tail


def _log_gamma_tail_far(a: Floats, signed: Floats) -> Floats:
    """Return the far tail as Chernoff's bound times a correction that never underflows.

    With x = a (1 + signed) and c = |x - a + 1|, substituting t = x (1 +- v/c) turns the tail into
    x^a e^-x / Gamma(a) * (1/c) * integral of e^-v exp((a-1) (ln(1 +- v/c) -+ v/c)) dv, which
    Gauss-Laguerre integrates to full accuracy when x lies many standard deviations out.
    """
    nodes, weights = _gauss_laguerre(40)
    c = np.maximum(np.abs(a * signed + 1), 1e-300)[..., None]
    step = np.sign(signed)[..., None] * nodes / c
    inside = step > -1
    with np.errstate(over="ignore"):
        decay = np.exp((a[..., None] - 1) * _log1p_minus(np.where(inside, step, 0)))
        correction = np.log((weights * inside * decay / c).sum(axis=-1))
    return np.asarray(a * _log1p_minus(signed) + _log_peak(a) + correction)


def _log_cosine_tail_far(a: Floats, eps: Floats) -> Floats:
    """Return ln I_x(a, 1/2), x = 1 - eps^2, for large a eps^2.

    I_x(a, 1/2) B(a, 1/2) = x^a integral_0^1 (1-s)^(a-1) (eps^2 + x s)^(-1/2) ds by t = x (1-s), and
    Gauss-Laguerre in v = a s.
    """
    nodes, weights = _gauss_laguerre(40)
    c, x = a[..., None], ((1 - eps) * (1 + eps))[..., None]
    s = np.minimum(nodes / c, 0.999)  # a is above 280 here, the last node at 142
    decay = np.exp((c - 1) * np.log1p(-s) + nodes) / np.sqrt(eps[..., None] ** 2 + x * s)
    integral = (weights * decay / c).sum(axis=-1)
    return np.asarray(a * np.log(x[..., 0]) - _log_beta_half(a) + np.log(integral))
