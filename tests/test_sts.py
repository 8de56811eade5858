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
from training.simcse import sts_sentences

FILES = {
    "stsb_zh_cnsd/dev.tsv": (
        '他走了\t"他"离开了\t5\n猫睡了\t狗叫了\t1\n雨停了\t雪停了\t2\n \t空\t1\n'
    ),
    "stsb_zh_deepl/train.csv": '"一个人, 在走",有人在走,4.5\n猫,狗,1.0\n树倒了,树倒了,5\n',
    "stsb_zh_deepl/dev.csv": '"猫, 狗",猫,5.0\n狗,树,0.5\n',
    "pawsx_zh/dev_2k.tsv": (
        "id\tsentence1\tsentence2\tlabel\n1\t甲打乙\t乙打甲\t0\n2\t\t乙\t1\n3\t甲\t甲\t1\n"
    ),
    "stsb_en/train.tsv": (
        "genre\tdataset\tscore\tsentence1\tsentence2\n"
        'news\timages\t2.5\tHe said "yes\tYes, he said\nnews\tMSRpar\t0\tA cat\tA dog\n'
        "news\theadlines\t5\tA tree fell\tA tree fell\n"
    ),
    "stsb_en/dev.tsv": (
        "genre\tdataset\tscore\tsentence1\tsentence2\n"
        'news\tx\t5\tA "dog\tA dog\nnews\tx\t1\tOne\tTwo\n'
    ),
}


@pytest.fixture
def data(tmp_path):
    for name, text in FILES.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text, encoding="utf-8")
    return tmp_path


def test_every_format_is_read(data):
    found = {name: sts.pairs(data, name) for name in sts.TASKS}
    assert found["stsb_zh_cnsd"][0] == ("他走了", '"他"离开了', 5.0)
    assert len(found["stsb_zh_cnsd"]) == 3
    assert found["stsb_zh_deepl"][0] == ("猫, 狗", "猫", 5.0)
    assert found["pawsx_zh"] == [("甲打乙", "乙打甲", 0.0), ("甲", "甲", 1.0)]
    assert found["stsb_en"] == [('A "dog', "A dog", 5.0), ("One", "Two", 1.0)]
    assert len(sts.pairs(data, "stsb_zh_cnsd", most=2)) == 2


def test_sentences_under_terms_are_not_trained_on(data):
    assert sts_sentences(data, "en") == ['He said "yes', "Yes, he said", "A tree fell"]
    assert sts_sentences(data, "zh") == ["一个人, 在走", "有人在走", "树倒了"]


@pytest.mark.parametrize("mode", ["P1", "P3"])
def test_columns_are_what_they_say(mode):
    scored = [(a, b, score) for a, b, score, _ in sentences.pairs("zh")]
    texts = [text for a, b, _ in scored for text in (a, b)]
    labels = [score for *_, score in scored]
    vectors = sentences.vectors(texts, "simbert", mode)
    tuned = sentences.vectors(texts, "simbert_3", mode)
    rows = [dict(zip(texts, found, strict=True)) for found in (vectors, tuned)]
    raw, _, simcse, cut, n, k = sts.cells(scored, *rows)
    assert (n, k) == (str(len(scored)), "104")
    reduced = PCA(104, whiten=True, svd_solver="full").fit_transform(vectors.astype(np.float64))
    for value, ways, atol in ((raw, vectors, 0.006), (simcse, tuned, 0.006), (cut, reduced, 0.1)):
        unit = ways / np.linalg.norm(ways, axis=1, keepdims=True)
        cosines = (unit[0::2].astype(np.float64) * unit[1::2]).sum(axis=1)
        expected = 100 * spearmanr(labels, cosines).statistic
        assert float(value) == pytest.approx(expected, abs=atol)  # printed; near ties in `cut`
    assert sts.cells(scored, rows[0], {})[2] == ""


def test_the_table_has_a_row_for_each_encoder_pooling_and_set_of_its_language(data):
    path = data / "sts.csv"
    sts.run(data, ["simbert", "minilm_3"], list(sts.TASKS), path, steps=1)
    rows = list(csv.DictReader(path.read_text(encoding="utf-8").splitlines()))
    assert tuple(rows[0]) == sts.COLUMNS
    found = {(row["encoder"], row["task"]) for row in rows}
    chinese = [name for name, task in sts.TASKS.items() if task.language == "zh"]
    assert found == {("simbert", name) for name in chinese} | {("minilm_3", "stsb_en")}
    assert len(rows) == 4 * 3 + 3 and all(row["simcse"] for row in rows)
