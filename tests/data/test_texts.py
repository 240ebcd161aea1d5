"""Texts: from columns, files of any encoding, and review files."""

from __future__ import annotations

import gzip
import hashlib
import zipfile

import numpy as np
import polars as pl
import pytest

from transferkit import read
from transferkit.core.errors import DataError, TransferWarning
from transferkit.data.readers import read_splits
from transferkit.data.texts import TextSamples, read_text, text_column

REVIEWS = ["A fine book, read twice", "5", "None", "Dull; and\nfar too long", "Quite a good read"]
GERMAN = "Schöne Grüße aus Köln: das Buch ist für größere Kinder, und völlig überteuert."
STARS = [5, 4, None, 1, 4]


@pytest.fixture
def frame():
    return pl.DataFrame({"id": range(5), "review": REVIEWS, "stars": STARS, "shop": ["a", "a", "b", "b", "b"]})


# The sequence


def test_samples_are_the_texts():
    X = TextSamples(["a", "ß", "c"], splits=["train", "train", "test"], groups=["p", "q", "p"])
    assert X[1] == "ß"
    assert X[[2, 0]].items == ["c", "a"]
    assert X[1:].splits.tolist() == ["train", "test"]
    assert X[[2]].groups.tolist() == ["p"]
    assert X.digest(1) == hashlib.sha256("ß".encode()).hexdigest()
    assert X.name(2) == "text 2"
    assert list(X) == ["a", "ß", "c"]
    with pytest.raises(DataError, match=r"TextSamples: splits must have one value a sample \(3\)\. Got 1"):
        TextSamples(["a", "b", "c"], splits=["train"])


# Columns


@pytest.mark.parametrize(
    ("suffix", "write"), [("csv", "write_csv"), ("jsonl", "write_ndjson"), ("parquet", "write_parquet")]
)
def test_a_column_is_taken_as_it_is_typed(tmp_path, frame, suffix, write):
    getattr(frame, write)(tmp_path / f"r.{suffix}")
    domain = read(tmp_path / f"r.{suffix}", text="review", label="stars")
    assert isinstance(domain.X, TextSamples)
    assert domain.X.items == REVIEWS  # a review may be "5" or "None"
    assert domain.known.tolist() == [True, True, False, True, True]
    assert domain.known_y.tolist() == [5, 4, 1, 4]
    assert read(tmp_path / f"r.{suffix}", text=1).y is None
    shop = read(tmp_path / f"r.{suffix}", text="review", label="stars", domain_column="shop", domain="b")
    assert shop.X.items == REVIEWS[2:]
    assert read(tmp_path / f"r.{suffix}", text="review", label="last").known_y[0] == "a"
    with pytest.raises(DataError, match=r"text must name a column\. Got 'reviews'\. Did you mean 'review'"):
        read(tmp_path / f"r.{suffix}", text="reviews")
    with pytest.raises(DataError, match=r"the column of texts must be no label\. Got 'review'"):
        read(tmp_path / f"r.{suffix}", text="review", label="review")


def test_a_gzipped_table_and_a_frame(tmp_path, frame):
    (tmp_path / "r.csv.gz").write_bytes(gzip.compress(frame.write_csv().encode()))
    assert read(tmp_path / "r.csv.gz", text="review").X.items == REVIEWS
    assert read(frame, text="review", label="stars").n_samples == 5
    assert read(frame.to_pandas(), text="review").X.items == REVIEWS


def test_rows_without_a_text_are_told(frame):
    gaps = frame.with_columns(pl.Series("review", ["one two three", None, "  ", "four", "five"]))
    with pytest.warns(TransferWarning, match=r"skipped 2 of 5 texts: row 2 has no text; row 3 has no text"):
        domain = read(gaps, text="review", label="stars")
    assert domain.y.tolist() == [5, 1, 4]
    with pytest.raises(DataError, match="2 of 5 texts cannot be used"):
        read(gaps, text="review", strict=True)
    with pytest.raises(DataError, match="there must be texts that can be read"):
        read(gaps[1:3], text="review")


def test_which_column_holds_the_texts():
    n = 30
    rows = {"id": [f"user {i} of {n}" for i in range(n)], "kind": ["a long name of a class"] * n, "n": list(range(n))}
    said = [f"It was the {i}th time that I have bought one of these, and it broke." for i in range(n)]
    assert text_column(pl.DataFrame(rows | {"said": said})) == "said"
    assert text_column(pl.DataFrame({"kind": rows["kind"], "n": rows["n"]})) is None
    assert text_column(pl.DataFrame({"name": [f"n{i}" for i in range(n)]})) is None


def test_a_table_is_read_as_texts_only_where_that_is_plain(frame):
    plain = frame.select("review", "stars")
    said = ["one two three four", "five six seven", "eight nine ten", "a b c d", "e f g h"]
    plain = plain.with_columns(pl.Series("review", said))
    assert read(plain, label="stars").X.items == said
    assert isinstance(read(plain).X, pl.DataFrame)  # stars may be a feature
    assert read(plain, kind="text").X.items == said
    assert isinstance(read(frame, label="stars").X, pl.DataFrame)
    with pytest.raises(DataError, match=r"text must name a column\. None was found that holds texts"):
        read(frame.select("shop"), kind="text")


def test_a_column_of_splits():
    frame = pl.DataFrame({"t": ["one", "two", "six"], "y": [1, 2, 3], "split": ["Train", "valid", "train"]})
    splits = read_splits(frame, text="t", label="y")
    assert {k: d.y.tolist() for k, d in splits.items()} == {"train": [1, 3], "val": [2]}
    assert read(frame, text="t", label="y", split="val").X.items == ["two"]
    with pytest.raises(DataError, match=r"split must be one of train, val\. Got 'test'"):
        read(frame, text="t", split="test")
    with pytest.raises(DataError, match="split must go with folders"):
        read(frame.drop("split"), text="t", split="test")


# Files


def test_folders_of_text_files(tmp_path):
    for name, content in {
        "train/pos/1.txt": GERMAN.encode("latin-1"),
        "train/neg/2.txt": "bad".encode("utf-16"),
        "test/pos/3.txt": b"\xef\xbb\xbf good\n",
    }.items():
        (tmp_path / "d" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "d" / name).write_bytes(content)
    (tmp_path / "d" / "README.txt").write_text("stray")
    with pytest.warns(TransferWarning, match=r"skipped 1 of 4 texts: .*README\.txt lies outside"):
        domain = read(tmp_path / "d")
    assert domain.y.tolist() == ["neg", "pos", "pos"]
    assert domain.X.items == ["bad", GERMAN, "good"]
    assert domain.X.splits.tolist() == ["train", "train", "test"]
    assert read(tmp_path / "d" / "train").n_samples == 2
    with zipfile.ZipFile(tmp_path / "d.zip", "w") as archive:
        for file in (tmp_path / "d").rglob("*/*.txt"):
            archive.write(file, file.relative_to(tmp_path))
    assert read(tmp_path / "d.zip").X.items == domain.X.items


def test_broken_text_files(tmp_path):
    (tmp_path / "a").mkdir()
    for name, content in (("1", b"fine"), ("2", b" \n"), ("3", b""), ("4", b"zero\0byte")):
        (tmp_path / "a" / f"{name}.txt").write_bytes(content)
    with pytest.warns(
        TransferWarning, match=r"skipped 3 of 4 texts: .*2\.txt.*blank.*3\.txt.*empty.*4\.txt.*zero bytes"
    ):
        assert read(tmp_path).X.items == ["fine"]
    with pytest.raises(DataError, match=r"must hold a readable file"):
        read(tmp_path / "a")  # loose notes are not taken for data
    with pytest.warns(TransferWarning, match="skipped 3 of 4"):
        assert read(tmp_path / "a", kind="text").y is None
    assert read_text(str(tmp_path / "a" / "1.txt")) == "fine"


REVIEW = "<review>\n<rating>\n{}.0\n</rating>\n<title>\nt\n</title>\n<review_text>\n{}\n</review_text>\n</review>\n"


def test_review_files(tmp_path):
    folder = tmp_path / "books"
    folder.mkdir()
    good = REVIEW.format(5, "Best <b>book</b>\nI read & liked") + REVIEW.format(4, "fine")
    (folder / "positive.review").write_text(good)
    (folder / "negative.review.gz").write_bytes(gzip.compress(REVIEW.format(1, "bad").encode()))
    domain = read(folder)
    assert domain.name == "books"
    assert domain.y.tolist() == ["negative", "positive", "positive"]
    assert domain.X.items == ["bad", "Best <b>book</b>\nI read & liked", "fine"]
    assert read(folder, label="rating").y.tolist() == [1.0, 5.0, 4.0]
    assert read(folder, text="title").X.items == ["t"] * 3
    (folder / "positive.review").write_text(good[:-30])
    with pytest.raises(DataError, match=r"positive\.review: .*2 are opened and 1 closed"):
        read(folder, strict=True)
    (folder / "other.review").write_text("<data>\n")
    with pytest.raises(DataError, match=r"other\.review: .*0 are opened"):
        read(folder / "other.review")


def test_amazon_reviews_as_they_are_published(data_dir):
    folder = data_dir("amazon_reviews_text")
    for domain in folder.iterdir():
        assert np.unique(read(domain, strict=True).y, return_counts=True)[1].tolist() == [1000, 1000]
