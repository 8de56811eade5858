"""Reported tables of the Similarity tab: that they are the sources', and what is said of them."""

import json
import math
from pathlib import Path

import pytest

from demos.frame import dumps, payload
from demos.similarity._reported import PANEL
from demos.similarity._reported_tables import REPORTED, STUDIES, Cell, chinese_cells, own_cells
from demos.similarity._reported_tables import TABLES as TABLE_NAMES

TABLES = {table["id"]: table for table in json.loads(Path(REPORTED).read_text(encoding="utf-8"))}
ROWS = {
    "c1": 30,
    "c2": 4,
    "c3": 10,
    "c4": 16,
    "c4_retrieval": 10,
    "c5": 23,
    "c6": 12,
    "c7": 8 + 11 + 8 + 8 + 6 + 5 + 4 + 6,
    "c8": 11,
    "sizes": 5,
}
LEADERS = {  # copied by hand: one cell of every model of the main table
    ("BERT", "P1", "ATEC"): (16.59, 20.61, 33.14),
    ("RoBERTa", "P2", "LCQMC"): (65.43, 70.62, 62.65),
    ("NEZHA", "P2", "STS-B"): (21.16, 60.11, 43.35),
    ("WoBERT", "P3", "ATEC"): (24.62, 22.74, 34.03),
    ("RoFormer", "P1", "PAWSX"): (20.15, 23.08, 15.25),
    ("SimBERT", "P2", "PAWSX"): (14.52, 18.51, 19.72),
    ("SimBERT-small", "P4", "STS-B"): (64.73, 68.12, 63.23),
    ("SimBERT-tiny", "P4", "BQ"): (41.76, 37.02, 41.62),
}
# cells whose c is bold in the post, by row, in the order ATEC BQ LCQMC PAWSX STS-B: read by hand
BOLD = {
    "BERT": ("11101", "11100", "11101", "11101"),
    "RoBERTa": ("11101", "01000", "11101", "11101"),
    "NEZHA": ("11101", "01000", "11101", "11100"),
    "WoBERT": ("11101", None, "11101", "11101"),
    "RoFormer": ("11101", None, "11101", "11101"),
    "SimBERT": ("11001", "11011", "11101", "11101"),
    "SimBERT-small": ("11100", "11100", "11100", "11000"),
    "SimBERT-tiny": ("11101", "11100", "11100", "01100"),
}


def view(**values):
    return PANEL.first(PANEL.check(values))


def readings(found):
    return {reading.quantity.text("en"): reading for reading in found.readings}


def row(table, *head):
    return next(r for r in TABLES[table]["rows"] if tuple(r[: len(head)]) == head)


def test_every_table_is_there_with_all_its_rows():
    assert {name: len(table["rows"]) for name, table in TABLES.items()} == ROWS
    for table in TABLES.values():
        assert all(len(r) == len(table["columns"]) for r in table["rows"])
        assert all(source["url"].startswith("https://") for source in table["sources"])


def test_the_two_rows_without_pooler_are_missing():
    rows = {(r[0], r[1]) for r in TABLES["c1"]["rows"]}
    models = {model for model, _ in rows}
    every = {(model, pooling) for model in models for pooling in ("P1", "P2", "P3", "P4")}
    assert every - rows == {("WoBERT", "P2"), ("RoFormer", "P2")}
    assert len(chinese_cells()) == 150


def test_cells_of_the_main_table():
    found = {(c.model, c.pooling, c.task): (c.raw, c.whitening, c.simcse) for c in chinese_cells()}
    for key, scores in LEADERS.items():
        assert found[key] == scores


def test_bold_is_c_above_b():
    tasks = ("ATEC", "BQ", "LCQMC", "PAWSX", "STS-B")
    cells = {(c.model, c.pooling, c.task): c for c in chinese_cells()}
    for model, rows in BOLD.items():
        for pooling, bold in zip(("P1", "P2", "P3", "P4"), rows, strict=True):
            if bold is None:
                assert not any((model, pooling, task) in cells for task in tasks)
                continue
            for task, mark in zip(tasks, bold, strict=True):
                cell = cells[model, pooling, task]
                assert (cell.simcse > cell.whitening) == (mark == "1"), (model, pooling, task)


def test_sums_of_the_main_table():
    """A slip of one digit anywhere changes a column's sum."""
    columns = zip(*(r[2:] for r in TABLES["c1"]["rows"]), strict=True)
    cents = [sum(round(100 * value) for value in column) for column in columns]
    assert cents == SUMS


SUMS = [
    78544,
    76541,
    93413,
    118562,
    91614,
    140127,
    192501,
    197416,
    207023,
    47439,
    56413,
    43165,
    179344,
    201764,
    204205,
]  # hundredths


def test_spot_values_of_the_other_tables():
    assert row("c2", "SimBERT", "P1", 1)[4:] == [
        *(38.50, 23.64, 30.79, 48.54, 31.78, 40.01, 76.23, 75.05, 74.50),
        *(15.10, 18.49, 15.64, 74.14, 73.37, 75.29),
    ]
    assert row("c3", "BERT-large", "whitening_target", 384)[3] == 72.66
    assert row("c4", "SBERT-large-nli whiten-384 (nli)")[-1] == 0.7689
    assert row("c4_retrieval", "BERT-large", "whiten-384(target)")[2:] == [0.6194, 0.3301, 0.4282]
    assert row("c4_retrieval", "BERT-base", "raw")[2:] == [0.5531, 0.7488, 0.8564]
    assert row("c5", "unsup SimCSE-BERT-base")[1:] == [
        *(68.40, 82.41, 74.38, 80.91, 78.56, 76.85, 72.23, 76.25)
    ]
    assert row("c6", "SBERT-base whitening (target)")[-1] == 76.56
    assert row("c6", "BERT-base flow (NLI)")[6] == 58.56
    assert row("c7", "dropout", "fixed 0.1")[3] == 43.6
    assert row("c7", "temperature", "1")[3] == 64.0
    assert row("c8", "bge-large-zh-v1.5")[1:] == [49.54, 62.94, None, 33.92, 78.70]
    assert row("c8", "SimCSE-Chinese-Pytorch, RoBERTa-wwm-ext")[5] == 71.41
    assert row("sizes", "LCQMC")[1:] == [238_766, 8_802, 12_500]


@pytest.mark.parametrize(
    ("table", "off"), [("c5", {"SBERT-base"}), ("c6", set())], ids=["all", "wmean"]
)
def test_averages_are_those_of_the_seven_sets(table, off):
    """Scores are rounded to 0.005, so are averages: 0.01 apart at most, but for one slip."""
    found = {r[0] for r in TABLES[table]["rows"] if abs(math.fsum(r[1:8]) / 7 - r[8]) > 0.01 + 1e-9}
    assert found == off


def test_a_turn_changes_no_cosine_until_coordinates_are_cut():
    for r in TABLES["c2"]["rows"]:
        if r[2] == 0:
            assert r[4::3] == r[5::3] and r[5::3] != r[6::3]


def test_wins_are_counted_from_the_cells():
    found = readings(view())
    wins = {"ATEC": 27, "BQ": 30, "LCQMC": 25, "PAWSX": 1, "STS-B": 19}
    for task, n in wins.items():
        reading = found[f"{task}: SimCSE above whitening, cells"]
        assert str(reading.measured) == f"{n} of 30" and reading.held
        counted = sum(c.simcse > c.whitening for c in chinese_cells() if c.task == task)
        assert counted == n
    assert str(found["PAWSX: whitening above raw, cells"].measured) == "30 of 30"
    assert str(found["PAWSX: SimCSE above raw, cells"].measured) == "7 of 30"
    assert all(reading.held is not False for reading in found.values())


def test_bars_are_means_over_the_chosen_cells():
    found = view(models=["BERT"], poolings=["P1", "P4"], tasks=["BQ"], by="model")
    heights = [trace["y"][0] for trace in found.pictures["bars"].data]
    assert heights == pytest.approx(
        [(29.35 + 38.81) / 2, (25.76 + 32.29) / 2, (50.67 + 48.40) / 2], rel=1e-6
    )  # float32
    one = view(models=["BERT"], poolings=["P1"], tasks=["BQ"], by="row")
    assert [float(t["x"][0]) for t in one.pictures["bars"].data] == pytest.approx(
        [29.35, 25.76, 50.67], rel=1e-6
    )


def test_deltas_are_c_minus_b_and_c_minus_a():
    found = view(models=["RoBERTa"], poolings=["P2"])
    assert found.table["gain_whitening"] == [-8.84, 12.44, -7.97, -5.30, -9.28]
    assert found.table["gain_raw"] == [-0.54, 8.78, -2.78, -3.71, 1.99]
    (trace,) = found.pictures["gain_whitening"].data
    assert trace["z"].shape == (1, 5) and trace["zmin"] == -trace["zmax"]


def test_a_choice_without_numbers_says_so():
    found = view(models=["WoBERT", "RoFormer"], poolings=["P2"])
    assert not found.pictures and "no pooler" in found.caption.text("en")
    assert "Pooler" in found.caption.text("zh")


def test_a_claim_over_a_part_of_the_table_is_marked():
    found = view(models=["RoBERTa", "NEZHA"], poolings=["P2"])
    failed = [r for r in found.readings if r.held is False]
    assert failed and all(reading.note for reading in failed)


@pytest.mark.parametrize("table", TABLE_NAMES)
@pytest.mark.parametrize("order", ["table", "value"])
def test_every_table_has_a_small_payload(table, order):
    packed = payload(PANEL, {"table": table, "order": order})
    assert "error" not in packed and len(dumps(packed).encode()) < 60_000
    for reading in view(table=table, order=order).readings:
        assert reading.held is not False or reading.note


@pytest.mark.parametrize("study", STUDIES)
def test_every_ablation_is_drawn(study):
    found = view(table="ablations", study=study)
    assert len(found.table["score"]) == sum(r[0] == study for r in TABLES["c7"]["rows"])
    assert all(reading.held is not False for reading in found.readings)


def test_order_by_value_sorts():
    found = view(table="paper_all", order="value")
    bars = found.pictures["main"].data[0]["x"]
    assert (bars[:-1] >= bars[1:]).all()


def test_our_own_table_is_read_and_never_mixed(tmp_path, monkeypatch):
    path = tmp_path / "sts.csv"
    path.write_text(
        "encoder,pooling,task,raw,whitening,simcse,whitening_k,n,k\n"
        "roformer,P1,STS-B,60.5,65.25,,64,1000,128\nminilm,P3,STS-B,80,70,81,79,1000,128\n",
        encoding="utf-8",
    )
    cells = own_cells(path)
    assert cells[1] == Cell("minilm", "P3", "STS-B", 80.0, 70.0, 81.0)
    assert math.isnan(cells[0].simcse)
    from demos.similarity import _reported

    monkeypatch.setattr(_reported, "own_cells", lambda: cells)
    ours = view(table="ours")
    assert ours.table["model"] == ["roformer", "minilm"]
    counts = [str(reading.measured) for reading in ours.readings]
    assert counts == ["1 of 1", "1 of 1", "1 of 2"]  # where there is no adapter nothing is counted
    assert "error" not in payload(PANEL, {"table": "ours", "by": "row"})
    beside = view()
    assert "ours" in beside.pictures and beside.notes
    assert len(beside.table["model"]) == 150
    assert "roformer" not in beside.table["model"]
    assert own_cells(tmp_path / "missing.csv") == ()
