"""Broken input: each gives one line that names the file, the column or the argument."""

import gzip
import re

import numpy as np
import pandas as pd
import polars as pl
import pytest
from scipy import io

from transferkit import DataError
from transferkit.data.readers import read, read_domains


def refused(match, *args, **kwargs):
    with pytest.raises(DataError, match=match) as caught:
        read(*args, **kwargs)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def csv(tmp_path, text, name="t.csv"):
    path = tmp_path / name
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


def test_files_that_are_not_there(tmp_path):
    refused(r"none\.csv: the file must exist", tmp_path / "none.csv")
    refused(r"the pattern must match a file", str(tmp_path / "*.csv"))
    refused(r"the folder must hold a readable file \(.*\.parquet.*\)\. Got none", tmp_path)
    csv(tmp_path, "a", "notes.txt")
    refused(r"the folder must hold a readable file", tmp_path)
    refused(r"notes\.txt: the file's name must end in one of \.csv, .*\.mat.*Got '\.txt'", tmp_path / "notes.txt")
    refused(r"kind must be one of \.csv", tmp_path / "notes.txt", kind="word")
    csv(tmp_path, b"PAR1", "x.parquet")
    refused(r"Got none\. Broken: .*x\.parquet", tmp_path)


@pytest.mark.parametrize(
    "suffix", ["csv", "tsv", "data", "parquet", "arrow", "xlsx", "jsonl", "npy", "npz", "mat", "h5", "svmlight"]
)
def test_an_empty_file(tmp_path, suffix):
    refused(rf"t\.{suffix}: the file must have content\. It is empty", csv(tmp_path, "", f"t.{suffix}"))


@pytest.mark.parametrize(
    ("name", "text", "match"),
    [
        ("t.csv", "\n\n", r"t\.csv: the file must have content"),
        ("t.csv", "a,b\n", r"t\.csv: the table must have rows\. Got none"),
        ("t.csv", "a,b", r"t\.csv: the table must have rows\. Got none"),
        ("t.csv", "a,b,a\n1,2,3\n", r"t\.csv: column names must differ\. Got 'a' more than once"),
        ("t.csv", "a,b\n1,2\n3\n", r"t\.csv: every row must have 2 fields.* Got 1 instead of 2 fields in the row '3'"),
        ("t.csv", "a,b\n1,2\n3,4,5\n", r"Got 3 instead of 2 fields in the row '3,4,5'"),
        ("t.csv", "a,b\n1,2\nx,3\n", r"t\.csv: column 'a' .* Got '1' in row 1 and 'x' in row 2 of 2"),
        ("t.csv", "a,b\nNA,2\nx,3\n7,3\n", r"column 'a' .* Got '7' in row 3 and 'x' in row 2 of 3"),
        ("t.csv", "d\n2024-01-31\n2024-02-30\n", r"column 'd' must hold dates that exist\. Got '2024-02-30' in row 2"),
        ("t.csv", b"a,b\n1,\x00\x01\x02\xff\xfe\x00\x03\n" * 9, r"t\.csv: "),
        ("t.csv", b"\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR\x00\x90\x81\x8d", r"t\.csv: the (text|file) must be"),
        ("t.csv", "label\nx\n", r"must have a feature column\. Got only 'label'"),
        ("t.jsonl", '{"a": 1}\n{"a": "x"}\n', r"t\.jsonl: column 'a' must hold either numbers or text"),
        ("t.jsonl", '{"a": [1]}\n', r"t\.jsonl: column 'a' must hold numbers, text.* Got List"),
        ("t.jsonl", '{"a": 1}\n{"a"', r"t\.jsonl: the file must be readable as JSON lines"),
        ("t.svmlight", "1 a:b\n", r"t\.svmlight: the file must be readable as svmlight"),
        ("t.data", "1 2 3\n4 5\n", r"t\.data: every row must have 3 fields"),
        ("t.npz", "PK but no archive", r"t\.npz: the file must be readable as numpy arrays"),
        ("t.mat", "no such thing" * 20, r"t\.mat: the file must be readable as MATLAB"),
        ("t.h5", "no such thing", r"t\.h5: the file must be readable as HDF5"),
        ("t.xlsx", "no such thing", r"t\.xlsx: the file must be readable as Excel"),
        ("t.csv.gz", "no gzip", r"t\.csv\.gz: the file must be readable as gzip"),
        ("t.feather", "FEA1....FEA1", r"t\.feather: the file must be Feather version 2"),
    ],
)  # fmt: skip
def test_broken_content(tmp_path, name, text, match):
    refused(match, csv(tmp_path, text, name), label="label")


@pytest.mark.parametrize(
    "suffix", [".parquet", ".arrow", ".feather", ".npz", ".npy", ".mat", ".h5", ".csv.gz", ".jsonl"]
)
def test_truncated_files(tmp_path, suffix):
    h5py = pytest.importorskip("h5py")
    rng = np.random.default_rng(0)
    X, y = rng.normal(size=(60, 4)), rng.integers(0, 2, 60)
    frame = pl.DataFrame({"a": X[:, 0], "b": [f"v{i % 5}" for i in range(60)]})
    path = tmp_path / f"t{suffix}"

    def hdf5(path):
        with h5py.File(path, "w") as file:
            file["X"], file["y"] = X, y

    {
        ".parquet": frame.write_parquet,
        ".arrow": frame.write_ipc,
        ".feather": frame.write_ipc,
        ".npz": lambda p: np.savez_compressed(p, X=X, y=y),
        ".npy": lambda p: np.save(p, X),
        ".mat": lambda p: io.savemat(p, {"fts": X, "labels": y}),
        ".h5": hdf5,
        ".csv.gz": lambda p: p.write_bytes(gzip.compress(frame.write_csv().encode())),
        ".jsonl": lambda p: p.write_text(frame.write_ndjson()[:-3]),
    }[suffix](path)
    whole = path.read_bytes()
    shares = (1.0,) if suffix == ".jsonl" else (0.02, 0.3, 0.6, 0.9)
    for share in shares:
        path.write_bytes(whole[: max(1, int(len(whole) * share))])
        refused(rf"t{re.escape(suffix)}: ", path, require_label=suffix == ".mat")


@pytest.mark.parametrize("suffix", [".parquet", ".arrow", ".npz", ".mat"])
def test_damaged_bytes_never_do_more_than_refuse(tmp_path, suffix):
    rng = np.random.default_rng(0)
    X, path = rng.normal(size=(40, 3)), tmp_path / f"t{suffix}"
    frame = pl.DataFrame({"a": X[:, 0], "b": [f"v{i % 5}" for i in range(40)]})
    {
        ".parquet": frame.write_parquet,
        ".arrow": frame.write_ipc,
        ".npz": lambda p: np.savez(p, X=X),
        ".mat": lambda p: io.savemat(p, {"fts": X}),
    }[suffix](path)
    whole = np.frombuffer(path.read_bytes(), dtype=np.uint8)
    outcomes = set()
    for _ in range(60):
        damaged = whole.copy()
        damaged[rng.integers(len(whole), size=3)] ^= rng.integers(1, 256, 3, dtype=np.uint8)
        path.write_bytes(damaged.tobytes())
        try:
            read(path)
            outcomes.add("read")
        except DataError as err:
            outcomes.add("refused" if str(path) in str(err) else str(err))
    assert "refused" in outcomes
    assert outcomes <= {"read", "refused"}


def test_duplicate_columns_of_every_table(tmp_path):
    refused(r"column names must differ\. Got 'a'", pd.DataFrame([[1, 2]], columns=["a", "a"]))
    pa = pytest.importorskip("pyarrow")
    parquet = pytest.importorskip("pyarrow.parquet")
    parquet.write_table(pa.table([[1], [2]], names=["a", "a"]), tmp_path / "t.parquet")
    refused(r"t\.parquet: column names must differ\. Got 'a'", tmp_path / "t.parquet")
    openpyxl = pytest.importorskip("openpyxl")
    book = openpyxl.Workbook()
    book.active.append(["a", "b", "a"])
    book.active.append([1, 2, 3])
    book.save(tmp_path / "t.xlsx")
    book.close()
    refused(r"t\.xlsx: column names must differ\. Got 'a'", tmp_path / "t.xlsx")


def test_mixed_types_in_a_pandas_column():
    refused(r"data frame: column 'b' must hold values of one type", pd.DataFrame({"a": [1, 2], "b": [1, "x"]}))


def test_wrong_label_column(tmp_path):
    path = csv(tmp_path, "age,income,outcome\n1,2,x\n")
    message = refused(r"label must name a column", path, label="outcom", require_label=True)
    assert "Got 'outcom'. Did you mean 'outcome'? It has: age, income, outcome." in message
    refused(r"Did you mean 'Outcome'", pl.DataFrame({"x": [1], "Outcome": [1]}), label="outcome")
    refused(r"label must name a column\. Got 7", path, label=7)
    refused(r"label must name a column\. Got -4", path, label=-4)
    refused(r"which is empty", csv(tmp_path, "a,y\n1,\n"), label="y", require_label=True)
    refused(r"Got 'd', which holds dates", csv(tmp_path, "a,d\n1,2024-01-01\n"), label="d")


def test_wrong_domain_column(tmp_path):
    path = csv(tmp_path, "a,site\n1,x\n2,\n")
    refused(r"domain_column must be given with domain", path, domain="x")
    refused(
        r"domain_column must name a column\. Got 'Site'\. Did you mean 'site'", path, domain_column="Site", domain="x"
    )
    refused(r"t\.csv: domain_column 'site' must be filled in every row\. Row 2 is empty", path, domain_column="site")
    with pytest.raises(DataError, match="domain_column must name a column"):
        read_domains(path, domain_column="place")


def test_files_that_do_not_go_together(tmp_path):
    a, b = csv(tmp_path, "a,b\n1,2\n", "a.csv"), csv(tmp_path, "a,c\n1,2\n", "b.csv")
    refused(r"b\.csv: the columns must be those of .*a\.csv\. Only one of them has 'b', 'c'", [a, b])
    c = csv(tmp_path, "a,b\nx,2\n", "c.csv")
    refused(r"column 'a' must have one type.* Got number in .*a\.csv and text in .*c\.csv", [a, c])
    np.save(tmp_path / "x.npy", np.zeros((2, 3)))
    np.save(tmp_path / "y.npy", np.zeros((2, 4)))
    refused(r"must hold tables, or all arrays", [a, tmp_path / "x.npy"])
    refused(r"y\.npy: rows must be as wide as in .*x\.npy \(3\)\. Got 4", [tmp_path / "x.npy", tmp_path / "y.npy"])
    refused(r"labels must be of one kind in all files", [(np.zeros((1, 1)), [1]), (np.zeros((1, 1)), ["a"])])


def test_arrays_in_doubt(tmp_path):
    X, y = np.zeros((4, 3)), np.arange(4)
    np.savez(tmp_path / "two.npz", A=X, B=X, y=y)
    refused(
        r"exactly one matrix of features with 4 rows or columns\. Got A, B.*A \(4, 3\), B \(4, 3\)",
        tmp_path / "two.npz",
    )
    np.savez(tmp_path / "labels.npz", X=X, y=y, labels=y)
    refused(r"label must name one of \['y', 'labels'\]", tmp_path / "labels.npz")
    assert read(tmp_path / "labels.npz", label="labels").X.shape == (4, 3)
    refused(r"label must name a variable\. Got 'gnd'", tmp_path / "labels.npz", label="gnd")
    np.savez(tmp_path / "short.npz", X=X, y=y[:2])
    refused(r"with 2 rows or columns\. Got none", tmp_path / "short.npz")
    np.savez(tmp_path / "matrix.npz", X=X, y=X)
    refused(r"label must name a vector\. Got 'y' of shape \(4, 3\)", tmp_path / "matrix.npz")
    np.savez(tmp_path / "none.npz", X=X)
    refused(r"label must name a variable", tmp_path / "none.npz", require_label=True)
    np.savez(tmp_path / "words.npz", X=np.array([["a", "b"]]))
    refused(r"exactly one matrix of features", tmp_path / "words.npz")
    np.save(tmp_path / "objects.npy", np.array([{}, 1], dtype=object), allow_pickle=True)
    refused(r"objects\.npy: .*allow_pickle=False", tmp_path / "objects.npy")


def test_sources_of_no_known_kind():
    refused(r"source must be a path.* Got int", 3)
    refused(r"list of numbers or nothing", [1, 2])
    refused(r"list of numbers or nothing", [])
    refused(r"a tuple must be \(X, y\)\. Got 3 parts", (1, 2, 3))
    refused(r"X and y must be equally long\. Got 2 and 3", (np.zeros((2, 1)), [1, 2, 3]))
    refused(r"must have shape \(n_samples, n_features\)\. Got \(3,\)", np.zeros(3))
    refused(r"must hold numbers", np.array([["a"]]))
    refused(r"come with its labels", np.zeros((2, 2)), require_label=True)
    refused(r"either numbers or text", (np.zeros((2, 1)), np.array([1, "a"], dtype=object)))
