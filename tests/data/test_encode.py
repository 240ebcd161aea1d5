"""TableEncoder: what each column becomes, and that labels, order and extra columns change nothing."""

import datetime
import json
import os
from pathlib import Path

import numpy as np
import pandas as pd
import polars as pl
import pytest
from scipy import sparse
from sklearn.base import clone
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import StandardScaler

from transferkit import CORAL, DataError, Domain, DomainError, ParamError, TransferPipeline, read
from transferkit.core.task_pipelines import AdaptedPipeline, MultiTaskPipeline
from transferkit.core.vote import Vote
from transferkit.data.encode import TableEncoder, columns_of

DATA = Path(os.environ.get("TRANSFERKIT_DATA", "nowhere"))


def names(encoder):
    return encoder.get_feature_names_out().tolist()


def test_numbers_are_standardised_with_the_source_and_imputed_with_both():
    source = pl.DataFrame({"a": [0.0, 2.0, 4.0, None], "b": [1, 1, 1, 1]})
    target = pl.DataFrame({"a": [10.0, 10.0, 10.0, None], "b": [1, 2, 3, 4]})
    encoder = TableEncoder().fit(source, target=Domain(target))
    Z, Zt = encoder.transform(source), encoder.transform(target)
    scale = np.std([0, 2, 4])
    assert names(encoder) == ["a", "a is missing", "b"]
    # The median of 0, 2, 4, 10, 10, 10 is 7; mean and deviation are those of 0, 2, 4.
    np.testing.assert_allclose(Z[:, 0], (np.array([0, 2, 4, 7]) - 2) / scale)
    np.testing.assert_allclose(Zt[:, 0], (np.array([10, 10, 10, 7]) - 2) / scale)
    assert Z[:, 1].tolist() == [0, 0, 0, 1]
    assert not Zt[:, 2].any()
    assert encoder.notes_ == ["Column 'b' is constant in the source and is 0 throughout."]


def test_arrays_agree_with_scikit_learn():
    rng = np.random.default_rng(0)
    X = rng.normal(3, 5, size=(40, 3))
    np.testing.assert_allclose(TableEncoder().fit_transform(X), StandardScaler().fit_transform(X), atol=1e-12)
    X[0, 1] = np.nan
    encoder = TableEncoder().fit(X)
    assert names(encoder) == ["x0", "x1", "x1 is missing", "x2"]
    assert np.isfinite(encoder.transform(X)).all()


def test_text_has_the_levels_of_both_domains():
    source = pl.DataFrame({"city": ["b", "a", "b", None]})
    target = pl.DataFrame({"city": ["c", "b", "c", "c"]})
    encoder = TableEncoder().fit(source, target=Domain(target))
    assert names(encoder) == ["city=b", "city=c", "city=a", "city is missing"]
    assert encoder.transform(source).tolist() == [[1, 0, 0, 0], [0, 0, 1, 0], [1, 0, 0, 0], [0, 0, 0, 1]]
    assert encoder.transform(pl.DataFrame({"city": ["never met"]})).tolist() == [[0, 0, 0, 0]]
    assert encoder.notes_ == ["Column 'city' has 1 levels that only the target has: 'c'."]


def test_rare_levels_share_one():
    source = pl.DataFrame({"count": ["a"] * 5 + ["b"] * 3 + ["c", "d"]})
    encoder = TableEncoder(max_levels=3).fit(source)
    assert names(encoder) == ["count=a", "count=b", "count is other"]
    assert encoder.transform(source).sum(axis=0).tolist() == [5, 3, 2]
    assert encoder.transform(pl.DataFrame({"count": ["new", None]})).tolist() == [[0, 0, 1], [0, 0, 0]]


def test_booleans_and_dates():
    day = datetime.date
    source = pl.DataFrame({"flag": [True, None, False], "day": [day(1970, 1, 2), day(1970, 1, 4), day(1970, 3, 1)]})
    encoder = TableEncoder().fit(source)
    assert names(encoder) == ["flag", "flag is missing", "day:days", "day:month", "day:weekday"]
    Z = encoder.transform(source)
    assert Z[:, 0].tolist() == [1, 0, 0]
    np.testing.assert_allclose(Z[:, 2], StandardScaler().fit_transform([[1], [3], [59]]).ravel())
    np.testing.assert_allclose(Z[:, 4], 0, atol=2)  # Friday, Sunday, Sunday
    when = pl.DataFrame({"t": [datetime.datetime(2024, 1, 1, 6), datetime.datetime(2024, 1, 1, 18)]})
    encoder = TableEncoder().fit(when)
    assert names(encoder) == ["t:days", "t:hour"]
    np.testing.assert_allclose(encoder.transform(when), [[-1, -1], [1, 1]], atol=1e-6)
    assert np.isfinite(encoder.transform(pl.DataFrame({"t": [None]}, schema={"t": pl.Datetime}))).all()


def test_identifiers_and_empty_columns_are_dropped():
    source = pl.DataFrame({"id": ["r1", "r2", "r3"], "none": [None] * 3, "x": [1.0, 2, 3], "same": ["a", "a", "b"]})
    target = pl.DataFrame({"id": ["r1", "r2"], "none": ["a", "b"], "x": [1.0, 2], "same": ["a", "b"]})
    encoder = TableEncoder().fit(source, target=Domain(target))
    assert names(encoder) == ["x", "same=a", "same=b"]
    assert encoder.notes_ == [
        "Column 'id' was dropped: all its values differ, as in an identifier.",
        "Column 'none' was dropped: it has no value in the source.",
    ]
    with pytest.raises(DataError, match="must have a column to encode"):
        TableEncoder().fit(source.select("id", "none"))


def test_infinite_values():
    source = pl.DataFrame({"a": [1.0, 2.0, np.inf], "b": [1, 2, 3]})
    with pytest.raises(DataError, match=r"column 'a' must be finite, or impute_inf=True be given. Got inf in row 3"):
        TableEncoder().fit(source)
    encoder = TableEncoder(impute_inf=True).fit(source)
    np.testing.assert_allclose(encoder.transform(source)[:, 0], [-1, 1, 0])
    with pytest.raises(DataError, match=r"TableEncoder.transform: column 'a' must be finite"):
        TableEncoder().fit(source[:2]).transform(source)
    with pytest.raises(DataError, match="column 'x1' must be finite"):
        TableEncoder().fit(np.array([[1, np.inf], [2, 3]]))


def test_order_and_extra_columns_change_nothing():
    source = pl.DataFrame({"a": [1.0, 2, 5], "b": ["x", "y", "x"], "c": [True, False, True]})
    encoder = TableEncoder().fit(source)
    expected = encoder.transform(source)
    shuffled = source.select("c", pl.lit(7).alias("extra"), "a", "b")
    np.testing.assert_array_equal(encoder.transform(shuffled), expected)
    np.testing.assert_array_equal(encoder.transform(shuffled.to_pandas()), expected)
    assert expected.shape == (3, len(names(encoder)))
    assert expected.dtype == np.float64
    with pytest.raises(DataError, match=r"X must have the columns of the source. Missing: 'b'"):
        encoder.transform(source.drop("b"))
    with pytest.raises(DataError, match=r"column 'a' must hold numbers. Got 'x' in row 1 of 3"):
        encoder.transform(source.with_columns(a=pl.lit("x")))
    rows = np.arange(12.0).reshape(4, 3)
    with pytest.raises(DataError, match=r"X must have 3 columns. Got 5"):  # an array's have no names to be told by
        TableEncoder().fit(rows).transform(np.ones((2, 5)))
    with pytest.raises(DataError, match=r"domain must have 3 columns. Got 5"):
        TableEncoder().fit(rows, target=Domain(np.ones((2, 5))))
    lacking = pl.DataFrame({"a": [None], "b": [None], "c": [None]})
    assert np.isfinite(encoder.transform(lacking)).all()


def test_sparse_rows_stay_sparse():
    rng = np.random.default_rng(0)
    X = sparse.csr_matrix(np.hstack([rng.random((30, 7)) * (rng.random((30, 7)) < 0.3), np.zeros((30, 1))]))
    target = sparse.csr_matrix(rng.random((5, 8)) + 1)
    encoder = TableEncoder().fit(X, target=Domain(target))
    Z = encoder.transform(X)
    assert sparse.issparse(Z)
    assert Z.format == "csr"
    assert Z.nnz == X.nnz
    dense = X.toarray()
    largest = np.abs(dense[:, :7]).max(axis=0)
    np.testing.assert_allclose(Z.toarray()[:, :7], dense[:, :7] / largest)
    last = target.toarray()[:, 7]
    np.testing.assert_allclose(encoder.transform(target).toarray()[:, 7], last / last.max())
    assert len(names(encoder)) == 8
    X.data[0] = np.nan
    with pytest.raises(DataError, match="sparse rows must be finite"):
        TableEncoder().fit(X)
    with pytest.raises(DataError, match=r"X must have 8 columns. Got 3"):
        encoder.transform(X[:, :3])


def test_what_is_fitted_is_plain():
    source = pl.DataFrame(
        {"a": [1.0, None], "b": ["x", "x"], "d": [datetime.date(2024, 1, 1), datetime.date(2025, 2, 3)]}
    )
    encoder = clone(TableEncoder()).fit(source)
    for name, value in vars(encoder).items():
        if name.endswith("_"):
            assert isinstance(value, np.ndarray) or json.dumps(value), name


def test_labels_are_never_read_and_inputs_stay():
    source = pl.DataFrame({"a": [1.0, None, 3.0]})
    target = Domain(pd.DataFrame({"a": [4.0, np.nan]}), np.array([1, 2]))
    before = source.clone()
    first = TableEncoder().fit(source, [0, 1, 0], target=target)
    second = TableEncoder().fit(source, target=target.hide())
    np.testing.assert_array_equal(first.transform(target.X), second.transform(target.X))
    assert source.equals(before)


def test_wrong_arguments():
    X = np.zeros((2, 2))
    with pytest.raises(ParamError, match="max_levels must be a whole number"):
        TableEncoder(max_levels=1).fit(X)
    with pytest.raises(DomainError, match="target must be a Domain"):
        TableEncoder().fit(X, target=X)
    with pytest.raises(DataError, match="or numbers of shape"):
        TableEncoder().fit(np.array([["a", "b"]]))
    with pytest.raises(DataError, match="must have rows and columns"):
        TableEncoder().fit(pl.DataFrame({"a": []}))


def test_in_a_pipeline_on_german_credit():
    path = DATA / "tabular/german.data"
    if not path.exists():
        pytest.skip("data set tabular/german.data is not in TRANSFERKIT_DATA")
    whole = read(path, label="last")
    foreign = (whole.X["column_13"] > 35).to_numpy()
    source, target = whole.take(~foreign), whole.take(foreign)
    model = TransferPipeline([("encode", TableEncoder())], CORAL(), fit_on="pooled")
    model.fit(source.X, source.y, target=target.hide())
    assert model.score(target.X, target.y) > 0.7


def test_what_a_model_knows_of_its_columns():
    frame = pl.DataFrame({"a": [1.0, 2, 5], "b": ["7", "y", "7"], "id": ["p", "q", "r"]})
    encoder = TableEncoder().fit(frame)
    kinds = {"a": "number", "b": "text", "id": "drop"}
    several = MultiTaskPipeline(TableEncoder(), None)
    several.transformer_, several.method_ = encoder, None
    piped = TransferPipeline.from_fitted(Pipeline([("encode", encoder)]), CORAL())
    for model in (
        encoder,
        Pipeline([("encode", encoder)]),
        piped,
        Vote([piped]),
        several,
        AdaptedPipeline(encoder, None),
    ):
        assert columns_of(model) == kinds
    assert columns_of(CORAL()) is None
    rows = pl.DataFrame({"b": [7, 7], "a": ["1", "2,5"], "more": [[1], [2]]})
    expected = encoder.transform(pl.DataFrame({"a": [1.0, 2.5], "b": ["7", "7"], "id": ["s", "t"]}))
    np.testing.assert_array_equal(encoder.transform(rows), expected)
