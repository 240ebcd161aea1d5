"""Readers on well-formed sources: every kind of file, frame and array gives the same rows and labels."""

import gzip
import os
from pathlib import Path

import numpy as np
import pandas as pd
import polars as pl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from scipy import io, sparse

import transferkit
from transferkit import DataError, Domain, TransferWarning
from transferkit.data.chunks import parquet_frames
from transferkit.data.readers import READERS, read, read_domains

DATA = Path(os.environ.get("TRANSFERKIT_DATA", "nowhere"))


def real(path):
    if not (DATA / path).exists():
        pytest.skip(f"data set {path} is not in TRANSFERKIT_DATA")
    return DATA / path


@pytest.fixture
def frame():
    return pl.DataFrame(
        {
            "age": [31, 45, None, 28],
            "weight": [61.5, None, 80.25, 70.0],
            "city": ["Bern", "Rom", None, "Wien"],
            "member": [True, False, True, None],
            "day": ["2024-01-31", "2024-02-29", None, "2023-12-31"],
            "label": ["no", "yes", "no", None],
        }
    )


def check(domain):
    """What every form of `frame` must become."""
    assert domain.X.columns == ["age", "weight", "city", "member", "day"]
    assert domain.X.dtypes == [pl.Int64, pl.Float64, pl.String, pl.Boolean, pl.Date]
    assert domain.X["age"].to_list() == [31, 45, None, 28]
    assert domain.X["weight"].to_list() == [61.5, None, 80.25, 70.0]
    assert domain.X["city"].to_list() == ["Bern", "Rom", None, "Wien"]
    assert domain.X["member"].to_list() == [True, False, True, None]
    assert domain.known_rows.tolist() == [0, 1, 2]
    assert domain.known_y.tolist() == ["no", "yes", "no"]
    assert domain.y.dtype == object


@pytest.mark.parametrize(
    ("suffix", "write"),
    [
        (".csv", lambda f, p: f.write_csv(p)),
        (".csv", lambda f, p: f.write_csv(p, separator=";")),
        (".csv", lambda f, p: f.write_csv(p, separator="|", null_value="NA")),
        (".csv", lambda f, p: f.write_csv(p, line_terminator="\r\n", quote_style="always")),
        (".csv", lambda f, p: p.write_text(f.write_csv().replace("\n", "\r"))),
        (".tsv", lambda f, p: f.write_csv(p, separator="\t", null_value="?")),
        (".csv.gz", lambda f, p: p.write_bytes(gzip.compress(f.write_csv().encode()))),
        (".parquet", lambda f, p: f.write_parquet(p)),
        (".arrow", lambda f, p: f.write_ipc(p)),
        (".arrow", lambda f, p: f.write_ipc_stream(p)),
        (".feather", lambda f, p: f.write_ipc(p, compression="zstd")),
        (".jsonl", lambda f, p: f.write_ndjson(p)),
        (".ndjson", lambda f, p: f.write_ndjson(p)),
        (".ndjson.gz", lambda f, p: p.write_bytes(gzip.compress(f.write_ndjson().encode()))),
    ],
)
def test_every_table_format_gives_the_same_domain(tmp_path, frame, suffix, write):
    path = tmp_path / f"people{suffix}"
    write(frame, path)
    domain = read(path, label="label")
    check(domain)
    assert domain.name == "people"


def test_excel(tmp_path, frame):
    openpyxl = pytest.importorskip("openpyxl")
    book = openpyxl.Workbook()
    book.active.append(frame.columns)
    for row in frame.iter_rows():
        book.active.append(row)
    book.save(tmp_path / "people.xlsx")
    book.close()
    check(read(tmp_path / "people.xlsx", label="label"))


def test_frames(frame):
    check(read(frame, label="label"))
    check(read(frame.lazy(), label="label"))
    check(read(frame.with_columns(pl.col("city").cast(pl.Categorical)), label="label"))
    check(read(frame.with_columns(pl.col("age").cast(pl.UInt8), pl.col("weight").cast(pl.Float32)), label="label"))
    pandas = pd.DataFrame(frame.to_dict(as_series=False)).astype({"age": "Int64", "member": "boolean"})
    check(read(pandas, label="label"))
    assert read(frame, label=-1).known_y.tolist() == read(frame, label="last").known_y.tolist() == ["no", "yes", "no"]
    assert transferkit.read is read


@pytest.mark.parametrize(
    "encoding", ["utf-8", "utf-8-sig", "latin-1", "cp1252", "gb18030", "utf-16", "utf-16-le", "utf-16-be", "utf-32"]
)
def test_encodings_are_told_from_the_bytes(tmp_path, encoding):
    chinese = encoding not in ("latin-1", "cp1252")
    cities = ["北京", "上海", "广州"] if chinese else ["Köln", "Besançon", "Málaga"]
    name = "城市" if chinese else "größe"
    text = f"{name},n,label\n" + "".join(f"{c},{i},x\n" for i, c in enumerate(cities))
    (tmp_path / "t.csv").write_bytes(text.encode(encoding))
    domain = read(tmp_path / "t.csv", label="label")
    assert domain.X.columns == [name, "n"]
    assert domain.X[name].to_list() == cities


def test_plain_ascii_in_utf16_without_a_mark(tmp_path):
    (tmp_path / "t.csv").write_bytes("a,b\n1,x\n2,y\n".encode("utf-16-le"))
    assert read(tmp_path / "t.csv").X.to_dict(as_series=False) == {"a": [1, 2], "b": ["x", "y"]}


def test_text_types(tmp_path):
    path = tmp_path / "t.csv"
    path.write_text(
        'int,float,exp,flag,when,zone,text,quoted,empty\n1,.5,1e3,TRUE,2024-01-02 03:04,2024-01-02T03:04:05+02:00,12a,"a,b\nc",\n'
        "007,+2,-inf,false,2024-01-02 03:04:05.5,2024-01-02T03:04:05Z,x,,NA\n"
    )
    X = read(path).X
    assert X["int"].to_list() == [1, 7]
    assert X["float"].to_list() == [0.5, 2.0]
    assert X["exp"].to_list() == [1000.0, -np.inf]
    assert X["flag"].to_list() == [True, False]
    assert X["when"].dt.second().to_list() == [0, 5]
    assert X["zone"].dt.hour().to_list() == [1, 3]
    assert X["text"].to_list() == ["12a", "x"]
    assert X["quoted"].to_list() == ["a,b\nc", None]
    assert X["empty"].dtype == pl.Null


def test_numbers_with_commas_stay_text_and_are_told(tmp_path):
    (tmp_path / "t.csv").write_text('a,b\n"1,234",1\n"5,678",2\n')
    with pytest.warns(TransferWarning, match=r"t.csv: column 'a' looks like numbers with commas \('1,234'\)"):
        assert read(tmp_path / "t.csv").X["a"].to_list() == ["1,234", "5,678"]


def test_strings_of_a_typed_source_stay_strings():
    X = read(pl.DataFrame({"code": ["1", "2"], "none": ["None", "x"], "mix": ["1", "a"]})).X
    assert X.dtypes == [pl.String] * 3
    assert X["none"].to_list() == ["None", "x"]


# NA and its like are missing by rule; blanks around a value are not part of it; commas are warned of.
_words = st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=8).map(lambda s: "w" + s.strip() + "w")


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    rows=st.lists(
        st.tuples(
            st.none() | st.integers(-(2**63), 2**63 - 1), st.none() | st.floats(allow_nan=False), st.none() | _words
        ),
        min_size=1,
        max_size=12,
    ),
    separator=st.sampled_from(",;\t|"),
)
def test_csv_round_trip(tmp_path, rows, separator):
    frame = pl.DataFrame(
        rows, schema={"i": pl.Int64, "f,;|x": pl.Float64, "tëxt": pl.String}, orient="row"
    ).with_row_index("n")
    frame.write_csv(tmp_path / "t.csv", separator=separator)
    X = read(tmp_path / "t.csv").X
    assert X.columns == frame.columns
    assert X["i"].to_list() == frame["i"].to_list()
    assert X["f,;|x"].to_list() == frame["f,;|x"].to_list()
    assert [t and t.replace("\r\n", "\n") for t in X["tëxt"]] == [t and t.replace("\r\n", "\n") for t in frame["tëxt"]]


def test_headerless_data(tmp_path):
    (tmp_path / "a.data").write_text("  1 x   2.5\n 2\ty 3.5 \n")
    domain = read(tmp_path / "a.data", label="last")
    assert domain.X.columns == ["column_1", "column_2"]
    assert domain.y.tolist() == [2.5, 3.5]
    (tmp_path / "b.data").write_text("5.1,3.5,setosa\n4.9,3.0,setosa\n")
    assert read(tmp_path / "b.data", label="-1").y.tolist() == ["setosa", "setosa"]


def test_labels(frame):
    whole = read(frame.head(3), label="label")
    assert whole.known is None
    numbers = read(pl.DataFrame({"x": [1, 2, 3], "y": [None, 4, 5]}), label="y")
    assert numbers.y.dtype == np.int64
    assert numbers.known.tolist() == [False, True, True]
    nan = read(pd.DataFrame({"x": [1, 2, 3], "y": [np.nan, 4.5, 5]}), label="y")
    assert nan.known_y.tolist() == [4.5, 5.0]
    assert np.isfinite(nan.y).all()
    empty = frame.with_columns(label=pl.lit(None, dtype=pl.String))
    assert read(empty, label="label").y is None
    assert read(frame, label="outcome").y is None
    assert read(frame).y is None
    assert "label" in read(frame).X.columns


def test_one_file_with_several_domains(tmp_path, frame):
    frame = frame.with_columns(hospital=pl.Series(["B", "A", "B", "A"]))
    frame.write_csv(tmp_path / "all.csv")
    domains = read_domains(tmp_path / "all.csv", domain_column="hospital", label="label")
    assert list(domains) == ["B", "A"]
    assert domains["B"].name == "B"
    assert domains["B"].X["age"].to_list() == [31, None]
    assert domains["B"].known is None
    assert domains["A"].known.tolist() == [True, False]
    assert "hospital" not in domains["A"].X.columns
    one = read(tmp_path / "all.csv", domain_column="hospital", domain="A", label="label")
    assert one.name == "A"
    assert one.X["city"].to_list() == ["Rom", "Wien"]
    with pytest.raises(DataError, match=r"all.csv: domain must be a value of 'hospital'\. Got 'C'; it has B, A\."):
        read(tmp_path / "all.csv", domain_column="hospital", domain="C")
    number = frame.with_columns(hospital=pl.Series([1, 2, 1, 2]))
    assert read(number, domain_column="hospital", domain=2).n_samples == 2


def test_several_files_are_rows_of_one_domain(tmp_path, frame):
    frame[:2].write_csv(tmp_path / "a.csv")
    frame[2:].select(reversed(frame.columns)).write_parquet(tmp_path / "b.parquet")
    (tmp_path / "README.md").write_text("not data")
    check(read(tmp_path, label="label"))
    check(read(str(tmp_path / "*.[cp]*"), label="label"))
    check(read([tmp_path / "a.csv", tmp_path / "b.parquet"], label="label"))
    check(read([tmp_path / "a.csv", frame[2:]], label="label"))
    assert read(tmp_path).name == tmp_path.name
    assert read([tmp_path / "a.csv", tmp_path / "b.parquet"]).name == "a+b"


def test_types_of_several_files_are_brought_together():
    X = read([pl.DataFrame({"a": [1], "b": [None]}), pl.DataFrame({"a": [0.5], "b": ["x"]})]).X
    assert X.to_dict(as_series=False) == {"a": [1.0, 0.5], "b": [None, "x"]}


def test_a_broken_file_in_a_folder_is_skipped_and_named(tmp_path, frame):
    frame.write_csv(tmp_path / "a.csv")
    (tmp_path / "b.parquet").write_bytes(b"PAR1 and nothing more")
    with pytest.warns(TransferWarning, match=r"skipped 1 of 2 files: .*b\.parquet: the file must be readable"):
        check(read(tmp_path, label="label"))
    with pytest.raises(DataError, match=r"b\.parquet"):
        read(tmp_path, strict=True)


def test_arrays_in_memory():
    X = np.arange(6).reshape(3, 2)
    domain = read((X, ["a", None, "b"]), name="mine")
    assert domain.X.dtype == np.float64
    assert domain.known_y.tolist() == ["a", "b"]
    assert domain.name == "mine"
    assert read(X.astype(np.float32)).X.dtype == np.float32
    assert read((X, [[1.0], [np.nan], [2.0]])).known.tolist() == [True, False, True]
    rows = read(sparse.coo_array(X)).X
    assert rows.format == "csr"
    assert rows.indices.dtype == np.int32
    assert read(domain) is domain
    assert read(domain, name="other").name == "other"
    assert read([domain, (X, ["c", "d", "e"])]).known_y.tolist() == ["a", "b", "c", "d", "e"]


def test_npz_npy_and_hdf5(tmp_path):
    h5py = pytest.importorskip("h5py")
    rng = np.random.default_rng(0)
    X, y = rng.normal(size=(5, 3)), np.array([1, 2, 1, 2, 2])
    np.savez(tmp_path / "a.npz", features=X.T, gnd=y[:, None])
    np.savez(tmp_path / "images.npz", X=rng.normal(size=(5, 4, 4)), y=np.array(["a", "b", "a", "b", "b"]))
    np.save(tmp_path / "a.npy", X)
    sparse.save_npz(tmp_path / "s.npz", sparse.csr_matrix(X))
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file["train/data"], file["train/target"], file["test/data"] = X, y, X[:2]
    domain = read(tmp_path / "a.npz")
    np.testing.assert_array_equal(domain.X, X)
    np.testing.assert_array_equal(domain.y, y)
    images = read(tmp_path / "images.npz")
    assert images.X.shape == (5, 16)
    assert images.y.tolist() == ["a", "b", "a", "b", "b"]
    assert read(tmp_path / "a.npy").y is None
    np.testing.assert_array_equal(read(tmp_path / "s.npz").X.toarray(), X)
    np.testing.assert_array_equal(read(tmp_path / "a.h5").X, X)
    np.testing.assert_array_equal(read([tmp_path / "a.npz", tmp_path / "a.h5"]).X, np.vstack([X, X]))


def _save_v73(path, **variables):
    """A MATLAB 7.3 file: HDF5 behind a header of 512 bytes, arrays turned round."""
    h5py = pytest.importorskip("h5py")
    with h5py.File(path, "w", userblock_size=512) as file:
        for name, value in variables.items():
            if sparse.issparse(value):
                value = sparse.csc_matrix(value)
                group = file.create_group(name)
                group.attrs["MATLAB_sparse"], group.attrs["MATLAB_class"] = value.shape[0], np.bytes_("double")
                group["data"], group["ir"], group["jc"] = value.data, value.indices, value.indptr
            elif isinstance(value, list):
                refs = file.create_group("#refs#")
                cells = file.create_dataset(name, (1, len(value)), dtype=h5py.ref_dtype)
                cells.attrs["MATLAB_class"] = np.bytes_("cell")
                for i, text in enumerate(value):
                    item = refs.create_dataset(str(i), data=np.array([[ord(c)] for c in text], dtype=np.uint16))
                    item.attrs["MATLAB_class"] = np.bytes_("char")
                    cells[0, i] = item.ref
            else:
                file[name] = np.asarray(value).T
                file[name].attrs["MATLAB_class"] = np.bytes_("double")
    header = b"MATLAB 7.3 MAT-file, Platform: GLNXA64".ljust(116) + bytes(8) + b"\x00\x02IM"
    with open(path, "r+b") as file:
        file.write(header)


def test_matlab(tmp_path):
    X, y, words = np.arange(12.0).reshape(4, 3), np.array([[1.0], [2], [2], [1]]), ["cat", "dog", "dog", "fish"]
    cells = np.empty((4, 1), dtype=object)
    cells[:, 0] = words
    io.savemat(tmp_path / "v5.mat", {"fts": X, "labels": y})
    io.savemat(tmp_path / "turned.mat", {"X": X.T, "Y": y, "n": 4})
    io.savemat(tmp_path / "cells.mat", {"fts": X, "labels": cells}, do_compression=True)
    io.savemat(tmp_path / "chars.mat", {"fts": X, "labels": words})
    io.savemat(tmp_path / "struct.mat", {"set": {"fts": X, "labels": y}})
    io.savemat(tmp_path / "sparse.mat", {"fts": sparse.csc_matrix(X), "labels": y})
    _save_v73(tmp_path / "v73.mat", fts=X, labels=y)
    _save_v73(tmp_path / "v73cells.mat", fts=X, labels=words)
    _save_v73(tmp_path / "v73sparse.mat", fts=sparse.csr_matrix(X), labels=y)
    for path in sorted(tmp_path.glob("*.mat")):
        domain = read(path)
        rows = domain.X.toarray() if sparse.issparse(domain.X) else domain.X
        np.testing.assert_array_equal(rows, X, err_msg=path.name)
        text = "c" in path.stem and "struct" not in path.stem and "sparse" not in path.stem
        assert domain.y.tolist() == (words if text else [1, 2, 2, 1]), path.name


def test_svmlight_columns_agree_between_files(tmp_path):
    (tmp_path / "a.svmlight").write_text("1 0:6 3:2\n-1 1:1\n")
    (tmp_path / "b.txt").write_text("1 1:6 5:2\n")
    a = read(tmp_path / "a.svmlight")
    assert a.y.tolist() == [1, -1]
    assert a.X.toarray().tolist() == [[6, 0, 0, 2], [0, 1, 0, 0]]
    b = read(tmp_path / "b.txt", kind="svmlight", n_features=8)
    assert b.X.shape == (1, 8)
    assert b.X[0, 1] == 6
    assert read([tmp_path / "a.svmlight", b]).X.shape == (3, 8)


def test_every_kind_of_file_is_registered_in_lower_case():
    assert all(suffix.startswith(".") and suffix == suffix.lower() for suffix in READERS)


def test_surf_files():
    amazon = read(real("office_caltech10_surf/amazon_SURF_L10.mat"))
    assert amazon.X.shape == (958, 800)
    assert amazon.X.dtype == np.float64
    assert np.unique(amazon.y).tolist() == list(range(1, 11))
    assert read(real("office_caltech10_surf")).n_samples == 958 + 1123 + 157 + 295


def test_german_credit_without_header():
    path = real("tabular/german.data")
    domain = read(path, label="last")
    assert domain.X.shape == (1000, 20)
    assert (domain.y == 2).sum() == 300
    np.testing.assert_array_equal(read(path, label="column_21").y, domain.y)


def test_credit_card_with_old_mac_line_ends():
    domain = read(real("tabular/UCI_Credit_Card.csv.gz"), label="default.payment.next.month")
    assert domain.X.shape == (30000, 24)
    assert domain.y.sum() == 6636
    assert not any(domain.X.null_count().row(0))


def test_amazon_reviews_stay_sparse():
    domain = read(real("amazon_reviews_dann_svmlight/books_train.svmlight.gz"), n_features=5000)
    assert domain.X.shape == (2000, 5000)
    assert sparse.issparse(domain.X)
    assert domain.X.indices.dtype == np.int32
    assert sorted(set(domain.y.tolist())) == [-1, 1]


def test_long_digits_lie_in_columns():
    path = real("mnist_usps_long/MNIST_vs_USPS.mat")
    assert read(path, label="Y_src").X.shape == (2000, 256)
    assert read(path, label="Y_tar").X.shape == (1800, 256)
    with pytest.raises(DataError, match=r"X_src \(256, 2000\), X_tar \(256, 1800\)"):
        read(path)


def test_a_domain_is_passed_through_unlabelled_only_where_allowed():
    with pytest.raises(DataError, match="must have labels"):
        read(Domain(np.zeros((2, 1)), name="d"), require_label=True)


def test_decimal_commas_are_numbers_where_they_cannot_be_thousands(tmp_path):
    (tmp_path / "eu.csv").write_text("a;b;y\n1,5;2;u\n-3,25;0,125;v\n10;1,0;u\n")
    found = read(tmp_path / "eu.csv", label="y")
    assert found.X["a"].to_list() == [1.5, -3.25, 10.0]
    assert found.X["b"].to_list() == [2.0, 0.125, 1.0]


@pytest.mark.parametrize("suffix", ["csv", "parquet"])
@pytest.mark.parametrize(
    "pieces",
    [
        (["2024-01-31", "2024-02-29"], ["soon", "2024-03-01"]),
        (["2024-01-31", None], ["2024-02-29T12:30", None]),
        (["2024-01-31 10:00:00", None], [None, None], ["2024-02-29", "2024-02-28"]),
        (["true", "false"], ["2024-02-29", None]),
        (["x", None], ["TRUE", "FALSE"]),
        (["2024-01-31", None], ["2024-02-29", None]),
    ],
)
def test_pieces_are_typed_as_they_are_in_one_file(tmp_path, suffix, pieces):
    """What a column holds is decided once, whatever the pieces look like one by one."""
    (tmp_path / "parts").mkdir()
    frames = [pl.DataFrame({"a": p, "n": range(len(p))}, schema={"a": pl.String, "n": pl.Int64}) for p in pieces]
    for place, frame in [
        (tmp_path / f"whole.{suffix}", pl.concat(frames)),
        *((tmp_path / "parts" / f"{k}.{suffix}", frame) for k, frame in enumerate(frames)),
    ]:
        getattr(frame, f"write_{suffix}")(place)
    whole, parts = read(tmp_path / f"whole.{suffix}").X, read(tmp_path / "parts").X
    assert whole.equals(parts)
    assert whole.schema == parts.schema
    if suffix == "parquet":
        for rows in (1, 100):
            batches = pl.concat(parquet_frames(tmp_path / "parts", rows), how="vertical_relaxed")
            assert batches.equals(whole)


def test_columns_of_a_model_are_read_as_it_knows_them(tmp_path):
    kinds = {
        "code": "text",
        "day": "text",
        "flag": "text",
        "age": "number",
        "ill": "bool",
        "when": "date",
        "id": "drop",
    }
    frame = pl.DataFrame(
        {
            "code": ["007", "12"], "day": ["2024-01-31", None], "flag": ["true", "false"], "age": ["1,5", "NA"],
            "ill": ["1.0", "False"], "when": ["2024-01-31", "2024-02-01T10:00"], "id": ["5", "a"], "more": ["7", "b"],
        }
    )  # fmt: skip
    frame.write_csv(tmp_path / "t.csv")
    frame.write_parquet(tmp_path / "t.parquet")
    frame.write_ndjson(tmp_path / "t.jsonl")
    for source in (frame, frame.to_pandas(), *(tmp_path / f"t.{end}" for end in ("csv", "parquet", "jsonl"))):
        X = read(source, columns=kinds).X
        assert list(X.columns) == list(kinds)
        assert X["code"].to_list() == ["007", "12"]
        assert X["day"].to_list() == ["2024-01-31", None]
        assert X["flag"].to_list() == ["true", "false"]
        assert X["age"].to_list() == [1.5, None]
        assert X["ill"].to_list() == [True, False]
        assert X["when"].dtype == pl.Datetime("us")
        assert X["id"].null_count() == 2
    for name, value, noun in (
        ("age", "1,234", "numbers"),
        ("ill", "maybe", "true or false"),
        ("when", "now", "ISO dates"),
    ):
        frame.with_columns(pl.Series(name, [None, value])).write_csv(tmp_path / "bad.csv")
        with pytest.raises(
            DataError, match=rf"bad\.csv: column '{name}' must hold {noun}.* Got '{value}' in row 2 of 2"
        ):
            read(tmp_path / "bad.csv", columns=kinds)
    whole = read(pd.DataFrame({"code": [7.0, np.nan, 12.0]}), columns={"code": "text"}).X
    assert whole["code"].to_list() == ["7", None, "12"], "what pandas makes of whole numbers with a gap"
    with pytest.raises(DataError, match="columns must not be given with label"):
        read(frame, columns=kinds, label="code")


def test_values_of_two_types_in_a_column_of_a_frame_are_named():
    with pytest.raises(DataError, match=r"column 'a' must hold values of one type. Got: 1 in row 1 and 'x' in row 3"):
        read(pd.DataFrame({"a": [1, 2.5, "x"]}))
    for missing in (None, np.nan, pd.NA):
        with pytest.raises(DataError, match=r"Got: 'x' in row 2 and 1 in row 3"):
            read(pd.DataFrame({"a": pd.Series([missing, "x", 1], dtype=object)}))
    with pytest.raises(DataError, match="column 'a' must hold values of one type"):
        read(pd.DataFrame({"a": [1 + 2j]}))


def test_whole_numbers_beyond_64_bits_are_not_made_equal(tmp_path):
    frame = pl.DataFrame(
        {"id": ["12345678901234567890", "12345678901234567891"], "n": ["1e300", "12345678901234567890"]}
    )
    frame.write_csv(tmp_path / "t.csv")
    with pytest.warns(TransferWarning, match="column 'id' has whole numbers with more digits"):
        X = read(tmp_path / "t.csv").X
    assert X["id"].to_list() == frame["id"].to_list()
    assert X["n"].dtype == pl.Float64
    with pytest.warns(TransferWarning, match="more digits"):
        y = read(frame.select(pl.col("id").cast(pl.UInt64), a=1), label="id").y
    assert y.tolist() == frame["id"].to_list()
    for wide in (pl.UInt64, pl.Int128):
        assert read(pl.DataFrame({"u": pl.Series([7, None], dtype=wide)})).X["u"].dtype == pl.Int64
    assert read(pl.DataFrame({"u": pl.Series([2**100, 1], dtype=pl.Int128)})).X["u"].to_list() == [2.0**100, 1.0]
