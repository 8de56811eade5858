"""Tables of sample quality: our own measurements and those the papers report, and their orderings.

A table holds one figure for each rule of sampling and each number S of steps, lower is better for
Fréchet distances. Ours and the reported ones are made with different networks, data and features:
only orderings can be compared, never the numbers.

Shapes: a table is (rules, 5 counts), in the order of `COUNTS` and of `RULES` if reported, of
`MEASURED_RULES` if ours; NaN where there is nothing. Units: Fréchet distances in squared units of
their features; shares in [0, 1].
Source: Song et al. 2020, arXiv 2010.02502, table 1 (orderings, sigma-hat); Heusel et al. 2017,
arXiv 1706.08500 (Fréchet distance of features).
"""

import csv
import json
import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

RULES = ("eta0", "eta0.2", "eta0.5", "eta1", "sigma_hat")
MEASURED_RULES = (*RULES, "sigma_hat_end")  # noise stays in the picture, as in theirs
REAL = "real"  # held-out pictures in place of samples
COUNTS = (10, 20, 50, 100, 1000)
FEW = 50  # up to this S the paper's order of eta is pronounced
SLACK = 1.1  # "near the best", "not much worse": within a tenth


@dataclass(frozen=True)
class Row:
    """What was measured for one set of pictures, rule and number of steps; NaN if it was not.

    Attributes:
        set: Of pictures.
        rule: One of `MEASURED_RULES`, or `REAL` with n_steps 0.
        n_steps: S.
        n: Samples drawn.
        frechet: Fréchet distance between samples and held-out pictures, in a classifier's features.
        frechet_floor: The same between two sets of real pictures.
        accuracy: Share of samples classified as the class asked for.
        confidence: Mean probability of the class found.
        nearest: Median distance of a sample to the nearest picture trained on, root mean square.
        nearest_real: The same for held-out pictures.
    """

    set: str
    rule: str
    n_steps: int
    n: float
    frechet: float
    frechet_floor: float
    accuracy: float
    confidence: float
    nearest: float
    nearest_real: float


def read_rows(path: Path) -> tuple[Row, ...]:
    """Return the rows of a csv file with a header; none if there is no such file.

    An empty or missing cell becomes NaN.

    Raises:
        ValueError: If a cell is not a number, or a row has no known rule or no whole n_steps.
    """
    if not path.exists():
        return ()
    with path.open(encoding="utf-8", newline="") as file:
        return tuple(_row(cells) for cells in csv.DictReader(file))


def _row(cells: Mapping[str, str | None]) -> Row:
    rule = cells.get("rule") or ""
    if rule not in (*MEASURED_RULES, REAL):
        raise ValueError(f"rule must be one of {', '.join(MEASURED_RULES)}, {REAL}; got {rule!r}")
    numbers = [field.name for field in fields(Row)[3:]]
    values = {name: float(cells.get(name) or math.nan) for name in numbers}
    return Row(cells.get("set") or "", rule, int(cells.get("n_steps") or 0), **values)


def sample_counts(rows: Sequence[Row]) -> tuple[float, float]:
    """Return the number of samples of the fullest table, and the largest there is; NaN without any.

    A Fréchet distance falls with the number of samples, so only cells of one number compare. Many
    steps are dear: the largest number may lack their cells.
    """
    counted = Counter(row.n for row in rows if row.rule != REAL and math.isfinite(row.n))
    fullest = max(counted, key=lambda n: (counted[n], n), default=math.nan)
    return fullest, max(counted, default=math.nan)


def table_of(rows: Sequence[Row], measure: str, n: float) -> Floats:
    """Return one measure as a table, (6 rules, 5 counts), of the cells with n samples.

    Args:
        rows: Of one set.
        measure: Name of a number of `Row`.
        n: One of `sample_counts`.
    """
    table = np.full((len(MEASURED_RULES), len(COUNTS)), math.nan)
    for row in rows:
        if row.rule != REAL and row.n == n and row.n_steps in COUNTS:
            place = MEASURED_RULES.index(row.rule), COUNTS.index(row.n_steps)
            table[place] = getattr(row, measure)
    return table


def real_value(rows: Sequence[Row], measure: str) -> float:
    """Return a measure of the held-out pictures of one set, NaN if there is none."""
    return next((float(getattr(row, measure)) for row in rows if row.rule == REAL), math.nan)


def read_reported(path: Path) -> dict[str, dict[str, Any]]:
    """Return the reported tables by their id: columns, units, rows, sources, note."""
    return {table["id"]: table for table in json.loads(path.read_text(encoding="utf-8"))}


def reported_table(table: Mapping[str, Any]) -> Floats:
    """Return a reported table by rule and S as (5 rules, 5 counts)."""
    by_rule = {row[0]: row[1:] for row in table["rows"]}
    return np.array([by_rule[rule] for rule in RULES], np.float64)


@dataclass(frozen=True)
class Orderings:
    """What the DDIM paper's table shows, asked of any table of distances; NaN: cells are missing.

    Attributes:
        calm_wins: Share of the S <= 50 at which eta = 0 is no worse than eta = 1.
        hat_at_few: sigma-hat over the worst of the others, at S = 10; above 1 in the paper.
        hat_at_all: sigma-hat over the best of the others, at S = 1000; below 1 in the paper.
        largest_rise: Largest ratio from one S to the next larger one, over all rules; below 1 in
            the paper.
    """

    calm_wins: float
    hat_at_few: float
    hat_at_all: float
    largest_rise: float


def orderings(table: Floats) -> Orderings:
    """Return the orderings of a table of distances, the last row being the sigma-hat to judge."""
    few = [i for i, count in enumerate(COUNTS) if count <= FEW]
    calm, loud = table[0, few], table[RULES.index("eta1"), few]
    known = np.isfinite(calm) & np.isfinite(loud)
    hat, others = table[-1], table[: RULES.index("sigma_hat")]
    rises = (table[:, 1:] / table[:, :-1]).ravel()
    rises = rises[np.isfinite(rises)]
    return Orderings(
        float(np.mean(calm[known] <= loud[known])) if known.any() else math.nan,
        float(hat[0] / np.max(others[:, 0])),
        float(hat[-1] / np.min(others[:, -1])),
        float(rises.max()) if rises.size else math.nan,
    )
