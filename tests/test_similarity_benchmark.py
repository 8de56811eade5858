"""Scores of cosines against labels: scipy's Spearman, the law of binary labels, both averages.

``python -m pytest tests/test_similarity_benchmark.py``
"""

import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import spearmanr

from models.similarity import binary_ceiling
from models.similarity_benchmark import averages, score


def test_the_worked_example():
    found = score([0, 1, 0, 1, 1], [0.1, 0.9, 0.4, 0.8, 0.3])
    assert found.auc == pytest.approx(0.833333, abs=1e-6)
    assert found.spearman == pytest.approx(0.577350, abs=1e-6)
    assert found.from_auc == pytest.approx(found.spearman)
    assert (found.n, found.n_ones, found.has_ties) == (5, 3, False)
    assert found.standard_error == 0.5


@settings(max_examples=60, deadline=None)
@given(
    labels=st.lists(st.integers(0, 1), min_size=3, max_size=40).filter(lambda x: len(set(x)) == 2),
    seed=st.randoms(use_true_random=False),
)
def test_binary_labels_tie_spearman_to_auc(labels, seed):
    cosines = [i / len(labels) for i in range(len(labels))]
    seed.shuffle(cosines)
    found = score(labels, cosines)
    assert found.spearman == pytest.approx(found.from_auc, abs=1e-12)  # rounding
    assert abs(found.spearman) <= found.ceiling + 1e-12
    share = found.n_ones / found.n
    corrected = binary_ceiling(share) * found.n / math.sqrt(found.n**2 - 1)
    assert found.ceiling == pytest.approx(corrected)


def test_graded_labels_are_scipys(rng):
    labels, cosines = rng.integers(0, 6, 50), rng.uniform(-1, 1, 50)
    found = score(labels, cosines)
    assert found.spearman == pytest.approx(spearmanr(labels, cosines).statistic)
    assert math.isnan(found.auc) and math.isnan(found.from_auc) and found.n_ones == 0


def test_what_only_rounding_parts_is_equal(rng):
    collapsed = -0.25 + 1e-13 * rng.normal(size=20)
    assert math.isnan(score([0, 1] * 10, collapsed).spearman)
    tied = score([0, 1, 1], [0.5, 0.5, 0.7])
    assert tied.has_ties and math.isnan(tied.from_auc)
    assert math.isnan(score([1, 1, 1], [0.1, 0.2, 0.3]).spearman)


def test_plain_and_weighted_average():
    one, other = score([0, 1], [0.1, 0.9]), score([0, 1, 2, 3], [0.1, 0.2, 0.4, 0.3])
    plain, weighted = averages({"a": one, "b": other})
    assert plain == pytest.approx((1 + 0.8) / 2)
    assert weighted == pytest.approx((2 * 1 + 4 * 0.8) / 6)
    undefined = score([1, 1], [0.1, 0.2])
    assert all(map(math.isnan, averages({"a": one, "b": undefined})))
    with pytest.raises(ValueError, match="at least one"):
        averages({})
    with pytest.raises(ValueError, match="as many"):
        score([0, 1, 1], [0.1, 0.2])
