"""CSV files for people: no cell is a formula, and our readers give back what was written."""

import csv
import io

import numpy as np
import polars as pl
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from transferkit.core.csv_text import csv_text, unguarded
from transferkit.data.readers import read
from transferkit.pipeline.analyse import predictions_csv
from transferkit.pipeline.guard.labels import label_sheet, merge_labels, write_labels

FORMULAS = ["=1+1", "+cmd|'/c calc'!A0", "-abc", "@SUM(A1)", "\tcut", "\rcut", "＝1", "-", "=NA()"]


@given(st.text(st.sampled_from("'=+-@\t\r\n＝ab1.,\" "), max_size=6))
@example("'=a")
@example("''=a")
def test_every_text_comes_back(text):
    (written,) = next(csv.reader(io.StringIO(csv_text([[text]]), newline=""))) or ("",)
    assert unguarded(written) == text
    assert written[:1] not in "=+-@\t\r\n＝＋－＠" or not written or float(written) is not None


def test_numbers_are_left_alone():
    rows = [(-1, -2.5, "-3", "+4.0e-5", None, np.float64(-0.5), True)]
    assert csv_text(rows) == "-1,-2.5,-3,+4.0e-5,,-0.5,True\n"


def test_predictions_and_labels_come_back(tmp_path):
    classes = np.array(["a, b", 'say "x"', *FORMULAS], dtype=object)
    proba = np.eye(len(classes))
    text = predictions_csv(classes, proba, classes, [f"={k}.jpg" for k in range(len(classes))])
    path = tmp_path / "predictions.csv"
    path.write_text(text, newline="")
    cells = [cell for row in csv.reader(io.StringIO(text, newline="")) for cell in row]
    assert not [c for c in cells if c.startswith(tuple("=+-@\t\r\n＝"))]
    found = read(path, label="prediction")
    assert found.y.tolist() == classes.tolist()
    assert found.X["row"][0] == "=0.jpg"
    assert read(path, text="prediction").X[2] == "=1+1"
    labels = dict(enumerate(FORMULAS[:4]))
    path.write_text(write_labels(labels))
    assert merge_labels([path], 9) == labels
    asked = [{"row": 0, "name": "@a.jpg", "source_only": "=1+1", "proposal": "b"}]
    assert (
        label_sheet({"disputed": {"label_next": asked}}) == "row,name,source_only,proposal,label\n0,'@a.jpg,'=1+1,b,\n"
    )


@pytest.mark.parametrize("text", ["'", "'abc", "'12", "'-1", "it's"])
def test_other_apostrophes_stay(tmp_path, text):
    assert unguarded(text) == text
    pl.DataFrame({"a": [text, "b"], "n": [1, 2]}).write_csv(tmp_path / "t.csv")
    assert read(tmp_path / "t.csv").X["a"][0] == text
