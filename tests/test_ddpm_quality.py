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
        + "digits,eta0,10,500,12.5,3.1,0.9,0.8,0.37,0.31\n"
        + "digits,eta1,10,500,20,3.1,,0.8,0.37,0.31\n"
        + "hanzi,sigma_hat,1000,500,2.5,3.1,,,0.66,0.55\n"
        + "digits,eta0,25,500,1,1,1,1,1,1\n"
    )
    rows = quality.read_rows(path)
    table = quality.table_of(rows, "digits", "frechet")
    assert table[0, 0] == 12.5 and table[3, 0] == 20 and np.isfinite(table).sum() == 2
    assert np.isfinite(quality.table_of(rows, "digits", "accuracy")).sum() == 1
    assert quality.table_of(rows, "hanzi", "nearest")[4, 4] == 0.66
    found = quality.orderings(table)
    assert found.calm_wins == 1 and math.isnan(found.hat_at_few) and math.isnan(found.largest_rise)
    assert math.isnan(quality.orderings(quality.table_of((), "digits", "frechet")).calm_wins)


@pytest.mark.parametrize("row", ["digits,eta9,10,5,1,1,1,1,1,1", "digits,eta0,ten,5,1,1,1,1,1,1"])
def test_a_damaged_row_is_refused(tmp_path, row):
    path = tmp_path / "quality.csv"
    path.write_text(HEADER + row + "\n")
    with pytest.raises(ValueError):
        quality.read_rows(path)
