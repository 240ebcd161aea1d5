"""Domains are brought to the same features, and what cannot be is named."""

import numpy as np
import pandas as pd
import polars as pl
import pytest
from scipy import sparse

from transferkit import DataError, Domain
from transferkit.data.align import align


def domain(name, **columns):
    return Domain(pl.DataFrame(columns), name=name)


def test_order_extra_and_missing_columns():
    first = domain("north", a=[1], b=["x"], only=[1])
    second = domain("east", b=["y"], a=[2], c=[3])
    target = Domain(pd.DataFrame({"c": [1.5], "b": ["z"], "a": [True]}), np.array([1]), name="south")
    sources, moved, notes = align([first, second], target)
    assert [d.X.columns for d in (*sources, moved)] == [["a", "b"]] * 3
    assert [d.X["a"].to_list() for d in (*sources, moved)] == [[1], [2], [1]]
    assert moved.y.tolist() == [1]
    assert notes == [
        "Column 'only' was dropped: not in east and south.",
        "Column 'c' was dropped: not in north.",
        "Column 'a' of south was turned from true/false into 1/0, as it is elsewhere.",
    ]


def test_many_columns_of_one_side_are_one_note():
    *_, notes = align(
        [domain("lab", a=[1], **{f"x{k}": [1] for k in range(12)})], domain("clinic", a=[1], b=[1], c=[2])
    )
    assert notes == [
        "Columns 'x0', 'x1', 'x2', 'x3', 'x4', 'x5', 'x6', 'x7', ... (12 in all) were dropped: not in clinic.",
        "Columns 'b', 'c' were dropped: not in lab.",
    ]


def test_types_are_unified():
    (source,), target, _ = align([domain("s", a=[1], b=[None])], domain("t", a=[0.5], b=["x"]))
    assert source.X.schema == target.X.schema == {"a": pl.Float64, "b": pl.String}


@pytest.mark.parametrize(
    ("source", "target", "match"),
    [
        (domain("s", a=[1]), domain("t", a=["x"]), "column 'a' must have one type.* number in s and text in t"),
        (domain("s", a=[1], b=[1]), domain("t", c=[1]), "s and t: .* column in common. s has a, b; t has c"),
        (
            Domain(np.zeros((1, 2)), name="s"),
            Domain(np.zeros((1, 3)), name="t"),
            r"s and t: .* same features. Got \(2,\)",
        ),
        (
            domain("s", a=[1]),
            Domain(np.zeros((1, 1)), name="t"),
            "s is a table and t an array: give the array as a table",
        ),
        (Domain(sparse.eye(3), name="s"), Domain(np.zeros((1, 2)), name="t"), "t: the array must be as wide"),
    ],
)
def test_what_cannot_be_aligned(source, target, match):
    with pytest.raises(DataError, match=match):
        align([source], target)


def test_sparse_rows_are_filled_up():
    source = Domain(sparse.csr_matrix(np.eye(3)), name="s")
    (moved,), target, notes = align([source], Domain(sparse.csr_matrix(np.ones((2, 5))), name="t"))
    assert moved.X.shape == (3, 5)
    assert target.X.shape == (2, 5)
    assert source.X.shape == (3, 3)
    assert notes == ["s was filled up with zeros from 3 to 5 columns."]


def test_nothing_to_do_leaves_arrays_alone():
    source, target = Domain(np.zeros((2, 3))), Domain(np.ones((4, 3)))
    sources, moved, notes = align([source], target)
    assert sources[0] is source
    assert moved is target
    assert notes == []
    with pytest.raises(DataError, match="sources must hold a domain"):
        align([], target)
