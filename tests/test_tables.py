"""Uploaded tables: what is read, and what is refused with which line.

``python -m pytest tests/test_tables.py``
"""

import io
import pickle
import struct

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from models.tables import SENTENCES, Limits, TableError, read_table


@pytest.fixture
def read(tmp_path):
    """Write content to a file of that name and read it back."""

    def write_and_read(content, name="table.csv", **limits):
        path = tmp_path / name
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return read_table(path, Limits(**limits) if limits else None)

    return write_and_read


def npy(array, **options):
    buffer = io.BytesIO()
    np.save(buffer, array, **options)
    return buffer.getvalue()


# --- What is read


@pytest.mark.parametrize(
    "content",
    [
        "1,2.5\n-3,4e1\n",
        "1;2.5\n-3;4e1",
        "1;2,5\r\n-3;40,0\r\n",
        "1\t2.5\n-3\t4e1\n",
        "  1   2.5\n -3  4e1\n",
        "1 , 2.5\n-3 , 4e1\n",
        '"1","2.5"\n"-3","40"\n',
        "1,2.5\r-3,40\r",
        "\n1,2.5\n\n,\n-3,40\n\n",
        "# made, by; hand\n1,2.5\n# middle\n-3,40\n",
        b"\xef\xbb\xbf1,2.5\n-3,40\n",
        "1,2.5\n-3,40\n".encode("utf-16"),
    ],
)
@pytest.mark.parametrize("name", ["table.csv", "TABLE.TXT"])
def test_the_same_numbers_are_read_from_every_dialect(content, name, read):
    table = read(content, name)
    assert table.values.tolist() == [[1, 2.5], [-3, 40]]
    assert table.values.dtype == np.float64
    assert table.names == ()


@pytest.mark.parametrize(
    ("content", "names"),
    [
        ("x,y\n1,2\n", ("x", "y")),
        ("x y\n1 2\n", ("x", "y")),
        ("身高,体重\n1,2\n".encode("gb18030"), ("身高", "体重")),
        ("身高,体重\n1,2\n", ("身高", "体重")),
        ('"a, b",<b>\n1,2\n', ("a, b", "<b>")),
        (f"{'n' * 200},y\n1,2\n", ("n" * 79 + "…", "y")),
    ],
)
def test_a_header_gives_names(content, names, read):
    table = read(content)
    assert table.names == names
    assert table.values.tolist() == [[1, 2]]


def test_one_column_one_row_and_constant_columns_are_legal(read):
    assert read("1\n2\n3\n").values.tolist() == [[1], [2], [3]]
    assert read("1,2,3\n").values.shape == (1, 3)
    assert read("1,2,3\n1,5,3\n").constant_columns == (0, 2)
    assert read("1e308,1\n-1e308,1\n").constant_columns == (1,)
    assert read("1,2\n\n# note\n3,4\n").n_skipped == 2


@pytest.mark.parametrize(
    "array",
    [
        np.arange(6).reshape(2, 3),
        np.arange(6, dtype=np.float16).reshape(2, 3),
        np.asfortranarray(np.arange(6.0).reshape(2, 3)),
        np.arange(6, dtype=">f4").reshape(2, 3),
        np.arange(6, dtype=np.uint8).reshape(2, 3),
    ],
)
def test_npy_of_every_real_type_is_read(array, read):
    table = read(npy(array), "points.npy")
    assert table.values.tolist() == [[0, 1, 2], [3, 4, 5]]
    assert table.values.flags.c_contiguous


def test_npy_with_one_axis_is_one_column(read):
    assert read(npy(np.array([True, False])), "points.npy").values.tolist() == [[1], [0]]


@settings(
    deadline=None,
    max_examples=40,
    derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(
    arrays(
        np.float64,
        st.tuples(st.integers(1, 6), st.integers(1, 6)),
        elements=st.floats(allow_nan=False, allow_infinity=False),
    ),
    st.sampled_from([",", ";", "\t", " "]),
)
def test_what_is_written_is_read_back(read, values, delimiter):
    text = "\n".join(delimiter.join(map(repr, row)) for row in values.tolist())
    assert np.array_equal(read(text, "t.txt").values, values)
    assert np.array_equal(read(npy(values), "t.npy").values, values)


# --- What is refused


@pytest.mark.parametrize(
    ("content", "code", "details"),
    [
        ("1,2\n3\n", "ragged", {"line": 2, "found": 1, "expected": 2}),
        ("1 2\n\n3 4 5\n", "ragged", {"line": 3, "found": 3, "expected": 2}),
        ("a,b\n1,2\n3,x\n", "not_a_number", {"line": 3, "column": 2, "found": "x"}),
        ("1,x\n", "not_a_number", {"line": 1, "column": 2, "found": "x"}),
        ("1,2\n3,1,5\n", "ragged", {"line": 2, "found": 3, "expected": 2}),
        ("1\n0x10\n", "not_a_number", {"line": 2, "column": 1, "found": "0x10"}),
        ("1\n" + "y" * 90, "not_a_number", {"line": 2, "column": 1, "found": "y" * 39 + "…"}),
        ("1,2\n3,\n", "missing", {"line": 2, "column": 2}),
        ("1,2\n,4\n", "missing", {"line": 2, "column": 1}),
        ("1,2\n3,nan\n", "not_finite", {"line": 2, "column": 2, "found": "nan"}),
        ("a\n-inf\n", "not_finite", {"line": 2, "column": 1, "found": "-inf"}),
        ("1\n\n1e999\n", "not_finite", {"line": 3, "column": 1, "found": "inf"}),
        ("", "empty", {}),
        ("\n# only\n,,\n", "empty", {}),
        ("x,y\n", "empty", {}),
        (b"\x00\x01\x02", "encoding", {}),
        (b"1,2\n\xff\xff\xff", "encoding", {}),
    ],
)
def test_a_bad_text_is_refused_with_its_place(content, code, details, read):
    with pytest.raises(TableError) as caught:
        read(content)
    assert (caught.value.code, caught.value.details) == (code, details)
    assert str(caught.value) == SENTENCES[code].format(**details)


@pytest.mark.parametrize(
    ("limits", "what", "found"),
    [
        ({"max_bytes": 11}, "bytes", 12),
        ({"max_rows": 1}, "rows", 2),
        ({"max_columns": 2}, "columns", 3),
        ({"max_cells": 5}, "cells", 6),
    ],
)
@pytest.mark.parametrize("ending", ["csv", "npy"])
def test_caps_hold(limits, what, found, ending, read):
    if ending == "npy" and what == "bytes":
        limits, found = {"max_bytes": 100}, 152
    content = "1,2,3\n4,5,6\n" if ending == "csv" else npy(np.zeros((2, 3), np.int32))
    with pytest.raises(TableError) as caught:
        read(content, f"t.{ending}", **limits)
    assert caught.value.code == "too_large"
    assert caught.value.details["what"] == what
    assert caught.value.details["found"] == found
    at_the_cap = {key: value + 100 for key, value in limits.items()}
    assert read(content, f"t.{ending}", **at_the_cap).values.shape == (2, 3)


@pytest.mark.parametrize("name", ["t.xlsx", "t.npz", "t.pkl", "t", "npy"])
def test_other_types_are_refused(name, read):
    with pytest.raises(TableError, match="only csv, txt and npy files are read") as caught:
        read("1,2", name)
    assert caught.value.code == "unknown_type"


@pytest.mark.parametrize("content", [b"PK\x03\x04rest", b"%PDF-1.7", npy(np.zeros(3))])
def test_other_types_under_a_text_name_are_refused(content, read):
    with pytest.raises(TableError) as caught:
        read(content)
    assert caught.value.code == "unknown_type"


class Bomb:
    def __reduce__(self):
        return (pytest.fail, ("the pickle was run",))


def test_pickles_are_never_run(read):
    objects = npy(np.array([[Bomb()]], dtype=object), allow_pickle=True)
    with pytest.raises(TableError, match="Python objects, which are never loaded") as caught:
        read(objects, "t.npy")
    assert caught.value.code == "pickle"
    for name in ("t.npy", "t.csv"):
        with pytest.raises(TableError):
            read(pickle.dumps(Bomb()), name)


@pytest.mark.parametrize(
    ("array", "code"),
    [
        (np.zeros((2, 2, 2)), "not_2d"),
        (np.float64(3), "not_2d"),
        (np.zeros((0, 3)), "empty"),
        (np.zeros(0), "empty"),
        (np.ones((2, 2)) * 1j, "not_real"),
        (np.array([["a"]]), "not_real"),
        (np.zeros(2, dtype=[("x", float)]), "not_real"),
        (np.array(["2020-01-01"], "M8[D]"), "not_real"),
    ],
)
def test_npy_of_another_kind_is_refused(array, code, read):
    with pytest.raises(TableError) as caught:
        read(npy(array), "t.npy")
    assert caught.value.code == code


def test_npy_values_that_are_not_finite_are_placed(read):
    with pytest.raises(TableError) as caught:
        read(npy(np.array([[1.0, 2], [3, np.nan]])), "t.npy")
    assert caught.value.details == {"line": 2, "column": 2, "found": "nan"}


def header(text):
    body = text.encode().ljust(117) + b"\n"
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(body)) + body


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"not npy at all",
        npy(np.zeros((2, 2)))[:-1],
        npy(np.zeros((2, 2)))[:60],
        header("{'descr': '<f8', 'fortran_order': False, 'shape': (1000, 1000), }"),
        header("{'descr': '<f8', 'fortran_order': False, 'shape': (-1, 5), }"),
        header("{'descr': '<f8', 'fortran_order': False, 'shape': (10**9, 1), }"),
        header("{'descr': 'nonsense', 'fortran_order': False, 'shape': (1, 1), }"),
        header("__import__('os')"),
        b"\x93NUMPY\x09\x00" + b"\x00" * 20,
    ],
)
def test_a_damaged_or_lying_npy_is_refused_before_memory_is_spent(content, read):
    with pytest.raises(TableError) as caught:
        read(content, "t.npy")
    assert caught.value.code in {"damaged", "empty"}


def test_an_endless_quoted_cell_is_refused(read):
    with pytest.raises(TableError) as caught:
        read('1,2\n"' + "3" * 200_000)
    assert caught.value.code == "damaged"
    assert "line 2" in str(caught.value)


@settings(
    deadline=None,
    max_examples=150,
    derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(st.binary(max_size=80), st.sampled_from(["t.csv", "t.txt", "t.npy"]))
def test_any_bytes_give_a_table_or_a_table_error(read, content, name):
    for garbage in (content, b"\x93NUMPY\x01\x00" + content, b"1,2\n" + content):
        try:
            assert np.isfinite(read(garbage, name).values).all()
        except TableError as error:
            assert error.code in SENTENCES


def test_a_missing_file_is_not_a_bad_table(tmp_path):
    with pytest.raises(FileNotFoundError):
        read_table(tmp_path / "none.csv")
