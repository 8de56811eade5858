"""Tables of quality: what is read, what is missing, and the orderings of the reported ones."""

import math
from pathlib import Path

import numpy as np
import pytest

from models import ddpm_quality as quality

REPORTED = quality.read_reported(
    Path(__file__).resolve().parents[1] / "assets" / "ddpm_reported.json"
)
HEADER = "set,rule,n_steps,n,frechet,frechet_floor,accuracy,confidence,nearest,nearest_real\n"


def test_reported_tables_are_those_of_the_papers():
    cifar = quality.reported_table(REPORTED["ddim_cifar10"])
    assert cifar.shape == (5, 5)
    assert cifar[0].tolist() == [13.36, 6.84, 4.67, 4.16, 4.04]
    assert cifar[4].tolist() == [367.43, 133.37, 32.72, 9.99, 3.17]
    celeba = quality.reported_table(REPORTED["ddim_celeba"])
    assert celeba[:, 0].tolist() == [17.33, 17.66, 19.86, 33.12, 299.71]
    assert celeba[:, -1].tolist() == [3.51, 3.64, 4.28, 5.98, 3.26]
    errors = dict(REPORTED["ddim_reconstruction"]["rows"])
    assert errors[10] == 0.014 and errors[1000] == 0.0001 and len(errors) == 7
    assert REPORTED["ddpm_cifar10"]["rows"][0] == ["simple", 9.46, 0.11, 3.17, 3.75]
    for table in REPORTED.values():
        assert all(source["url"].startswith("https://arxiv.org/") for source in table["sources"])
        assert all(len(row) == len(table["columns"]) for row in table["rows"])


@pytest.mark.parametrize("name", ["ddim_cifar10", "ddim_celeba"])
def test_reported_tables_have_the_orderings(name):
    found = quality.orderings(quality.reported_table(REPORTED[name]))
    assert found.calm_wins == 1 and found.hat_at_few > 1
    assert found.hat_at_all < 1 and found.largest_rise < 1


def test_rows_are_read_and_gaps_stay_blank(tmp_path):
    path = tmp_path / "quality.csv"
    assert quality.read_rows(path) == ()
    path.write_text(
        HEADER
        + "digits,real,0,500,3.1,3.1,0.98,0.97,0.31,0.31\n"
        + "digits,eta0,10,2000,9.5,2.1,0.9,0.8,0.37,0.31\n"
        + "digits,eta0,10,500,12.5,3.1,0.9,0.8,0.37,0.31\n"
        + "digits,eta1,10,500,20,3.1,,0.8,0.37,0.31\n"
        + "digits,sigma_hat_end,1000,500,2.5,3.1,,,0.66,0.55\n"
        + "digits,eta0,25,500,1,1,1,1,1,1\n"
    )
    rows = quality.read_rows(path)
    assert quality.sample_counts(rows) == (500, 2000)
    assert np.isfinite(quality.table_of(rows, "frechet", 2000)).sum() == 1
    table = quality.table_of(rows, "frechet", 500)
    assert table[0, 0] == 12.5 and table[3, 0] == 20 and table[5, 4] == 2.5
    assert np.isfinite(table).sum() == 3
    assert np.isfinite(quality.table_of(rows, "accuracy", 500)).sum() == 1
    assert quality.real_value(rows, "accuracy") == 0.98
    found = quality.orderings(table)
    assert found.calm_wins == 1 and math.isnan(found.hat_at_few) and math.isnan(found.largest_rise)
    assert math.isnan(quality.orderings(quality.table_of((), "frechet", math.nan)).calm_wins)
    assert math.isnan(quality.real_value((), "accuracy"))
    assert all(map(math.isnan, quality.sample_counts(())))


def test_the_sigma_hat_with_noise_at_the_end_is_judged():
    table = np.ones((6, 5))
    table[4], table[5] = 0.5, [7, 5, 3, 2, 0.9]
    found = quality.orderings(table)
    assert found.hat_at_few == 7 and found.hat_at_all == 0.9 and found.largest_rise == 1


@pytest.mark.parametrize("row", ["digits,eta9,10,5,1,1,1,1,1,1", "digits,eta0,ten,5,1,1,1,1,1,1"])
def test_a_damaged_row_is_refused(tmp_path, row):
    path = tmp_path / "quality.csv"
    path.write_text(HEADER + row + "\n")
    with pytest.raises(ValueError):
        quality.read_rows(path)
