"""The table of the sets of sentence pairs: every format read, every column what it says.

References: scipy's spearmanr, scikit-learn's whitening.
"""

import csv

import numpy as np
import pytest
from scipy.stats import spearmanr
from sklearn.decomposition import PCA

from benchmarks import sts
from models import sentences

FILES = {
    "stsb_zh_cnsd/train.tsv": '天气很好\t"天气"不错\t4\n书看完了\t天气不错\t0\n \t空\t1\n',
    "stsb_zh_cnsd/dev.tsv": "他走了\t他离开了\t5\n猫睡了\t狗叫了\t1\n雨停了\t雪停了\t2\n",
    "stsb_zh_deepl/train.csv": '"一个人, 在走",有人在走,4.5\n猫,狗,1.0\n',
    "stsb_zh_deepl/dev.csv": "猫,猫,5.0\n狗,树,0.5\n",
    "pawsx_zh/dev_2k.tsv": (
        "id\tsentence1\tsentence2\tlabel\n1\t甲打乙\t乙打甲\t0\n2\t\t乙\t1\n3\t甲\t甲\t1\n"
    ),
    "stsb_en/train.tsv": (
        "genre\tdataset\tscore\tsentence1\tsentence2\n"
        'news\tx\t2.5\tHe said "yes\tYes, he said\nnews\tx\t0\tA cat\tA tree\n'
    ),
    "stsb_en/dev.tsv": (
        "genre\tdataset\tscore\tsentence1\tsentence2\n"
        "news\tx\t5\tA dog\tA dog\nnews\tx\t1\tOne\tTwo\n"
    ),
}


@pytest.fixture
def data(tmp_path):
    for name, text in FILES.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text, encoding="utf-8")
    return tmp_path


def test_every_format_is_read(data):
    found = {(n, part): sts.pairs(data, n, part) for n, t in sts.TASKS.items() for part in t.parts}
    assert found["stsb_zh_cnsd", "train"] == [
        ("天气很好", '"天气"不错', 4.0),
        ("书看完了", "天气不错", 0.0),
    ]
    assert found["stsb_zh_deepl", "train"][0] == ("一个人, 在走", "有人在走", 4.5)
    assert found["pawsx_zh", "dev"] == [("甲打乙", "乙打甲", 0.0), ("甲", "甲", 1.0)]
    assert found["stsb_en", "train"][0] == ('He said "yes', "Yes, he said", 2.5)
    assert len(sts.pairs(data, "stsb_zh_cnsd", "dev", most=2)) == 2


def test_columns_are_what_they_say():
    scored = [(a, b, score) for a, b, score, _ in sentences.pairs("zh")[::2]]
    parts = [scored[:60], scored[60:]]
    rows = dict(sts.scores("simbert", parts))
    assert list(rows) == ["P1", "P2", "P3", "P4"]
    texts = [text for a, b, _ in scored for text in (a, b)]
    labels = [score for *_, score in scored]
    for mode, (raw, _, simcse, cut, n, k) in rows.items():
        vectors = sentences.vectors(texts, "simbert", mode).astype(np.float64)
        assert (n, k) == (str(len(scored)), "104")
        assert simcse == "" or "simbert" in sentences.ADAPTERS
        expected = []
        for ways in (vectors, PCA(104, whiten=True, svd_solver="full").fit_transform(vectors)):
            unit = ways / np.linalg.norm(ways, axis=1, keepdims=True)
            cosines = (unit[0::2] * unit[1::2]).sum(axis=1)
            expected.append(
                100
                * sum(
                    spearmanr(labels[part], cosines[part]).statistic * len(labels[part])
                    for part in (slice(0, 60), slice(60, None))
                )
                / len(scored)
            )
        assert float(raw) == pytest.approx(expected[0], abs=0.006)  # two decimals
        assert float(cut) == pytest.approx(expected[1], abs=0.1)  # ranks of near ties may change


def test_the_table_has_a_row_for_each_encoder_pooling_and_set_of_its_language(data):
    path = data / "sts.csv"
    sts.run(data, ["simbert", "minilm_4"], list(sts.TASKS), 0, 1, path)
    rows = list(csv.DictReader(path.read_text(encoding="utf-8").splitlines()))
    assert tuple(rows[0]) == sts.COLUMNS
    found = {(row["encoder"], row["task"]) for row in rows}
    chinese = [name for name, task in sts.TASKS.items() if task.language == "zh"]
    assert found == {("simbert", name) for name in chinese} | {("minilm_4", "stsb_en")}
    assert len(rows) == 4 * 3 + 3
