"""The reported tables as they are stored, their cells, and our own table."""

import csv
import json
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from demos.words import W, Word

ASSETS = Path(__file__).resolve().parents[2] / "assets"
REPORTED = ASSETS / "similarity_reported.json"
OWN = ASSETS / "similarity" / "sts.csv"  # made by benchmarks.sts

STORED = {
    "chinese": "c1",
    "beta_gamma": "c2",
    "english": "c3",
    "reproduction": "c4",
    "retrieval": "c4_retrieval",
    "paper_all": "c5",
    "paper_wmean": "c6",
    "ablations": "c7",
    "present": "c8",
    "sizes": "sizes",
}
TABLES = (*STORED, "ours")
MODELS = (
    "BERT",
    "RoBERTa",
    "NEZHA",
    "WoBERT",
    "RoFormer",
    "SimBERT",
    "SimBERT-small",
    "SimBERT-tiny",
)
SUPERVISED = MODELS[-3:]  # trained on pairs of like questions
POOLINGS = ("P1", "P2", "P3", "P4")
TASKS = ("ATEC", "BQ", "LCQMC", "PAWSX", "STS-B")
STUDIES = (
    "dropout",
    "augmentation",
    "objective",
    "pooling",
    "temperature",
    "hard_negatives",
    "mlm_weight",
    "post_processing",
)


@dataclass(frozen=True)
class Cell:
    """Three scores of one encoder with one pooling on one data set, 100 x Spearman.

    Attributes:
        model: Encoder.
        pooling: P1..P4.
        task: Data set.
        raw: a.
        whitening: b.
        simcse: c.
    """

    model: str
    pooling: str
    task: str
    raw: float
    whitening: float
    simcse: float

    def score(self, method: str) -> float:
        """Return a, b or c by the name of its field."""
        return {"raw": self.raw, "whitening": self.whitening, "simcse": self.simcse}[method]

    def group(self, by: str) -> str:
        """Return the cell's task, model or pooling, or the row it stands in."""
        row = f"{self.model}-{self.pooling}"
        return {"task": self.task, "model": self.model, "pooling": self.pooling, "row": row}[by]


@cache
def tables() -> dict[str, dict[str, Any]]:
    """Return the stored tables by the name of the control's option."""
    by_id = {table["id"]: table for table in json.loads(REPORTED.read_text(encoding="utf-8"))}
    return {name: by_id[key] for name, key in STORED.items()}


@cache
def chinese_cells() -> tuple[Cell, ...]:
    """Return the cells of the main table, row by row; rows that the post leaves blank are not."""
    return tuple(
        Cell(row[0], row[1], task, *row[2 + 3 * place : 5 + 3 * place])
        for row in tables()["chinese"]["rows"]
        for place, task in enumerate(TASKS)
    )


def own_cells(path: Path = OWN) -> tuple[Cell, ...]:
    """Return the cells of our own table; none when it has not been made. A blank score is NaN."""
    if not path.is_file():
        return ()
    with path.open(encoding="utf-8", newline="") as file:
        return tuple(
            Cell(
                row["encoder"],
                row["pooling"],
                row["task"],
                *(float(row[name] or "nan") for name in ("raw", "whitening", "simcse")),
            )
            for row in csv.DictReader(file)
        )


def html_sources(table: str) -> tuple[str | Word, ...]:
    """Return the sources of a table as HTML."""
    parts: list[str | Word] = ["<p>", W("similarity.reported_from"), " "]
    for source in tables()[table]["sources"]:
        parts.append(
            f'<a href="{source["url"]}" target="_blank" rel="noopener">{source["number"]}</a> '
        )
    return (*parts, "</p>")


def mean(values: Sequence[float]) -> float:
    """Return the mean of the numbers there are, NaN of none."""
    there = [value for value in values if value == value]
    return sum(there) / len(there) if there else float("nan")
