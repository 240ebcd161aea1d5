"""Step 2: numbers for the methods, and hidden labels out of reach."""

import numpy as np
import pandas as pd
import pytest

from transferkit import DataError, Domain, DomainError, TransferTask
from transferkit.pipeline.define import define
from transferkit.pipeline.prepare import prepare

rng = np.random.default_rng(0)
X = rng.normal(size=(30, 3))
Y = np.arange(30) % 3


def prepared(target, **options):
    return prepare(define(TransferTask(sources=[Domain(X, Y, name="lab")], target=target, **options)))


def test_labels_for_the_test_are_not_in_the_target():
    found = prepared(Domain(X, Y, name="clinic"), target_labels="test")
    assert found.target.y is None
    np.testing.assert_array_equal(found.held_back.y, Y)


def test_labels_for_none_are_nowhere():
    found = prepared(Domain(X, Y, name="clinic"), target_labels="none")
    assert found.target.y is None
    assert found.held_back is None


def test_shots_are_known_and_the_rest_is_held_back_and_overwritten():
    found = prepared(Domain(X, Y, name="clinic"), target_labels="few", shots=2)
    assert found.target.mask.sum() == 6
    np.testing.assert_array_equal(found.target.known_y, Y[found.target.mask])
    hidden = ~found.target.mask
    assert len(set(found.target.y[hidden])) == 1  # a filler: the true labels are not in the object
    np.testing.assert_array_equal(found.held_back.rows, np.flatnonzero(hidden))


def test_whole_number_labels_with_gaps_stay_whole_numbers():
    gaps = np.where(np.arange(30) < 6, Y.astype(float), np.nan)
    found = prepared(Domain(X, gaps, known=np.arange(30) < 6, name="clinic"))
    assert found.target.y.dtype.kind == "i"
    np.testing.assert_array_equal(found.target.known_y, Y[:6])


def test_a_class_that_the_source_lacks_is_refused():
    with pytest.raises(DomainError, match=r"clinic: target labels must be classes of the source.*9"):
        prepared(Domain(X, np.where(Y == 2, 9, Y), name="clinic"))


@pytest.mark.parametrize("n", [1, 2])
def test_a_target_of_hardly_a_row_is_refused(n):
    with pytest.raises(DomainError, match="at least 3 rows"):
        prepared(Domain(X[:n], name="clinic"))


def test_a_source_of_one_class_is_refused():
    with pytest.raises(DomainError, match="two classes"):
        prepare(define(TransferTask(sources=[(X, np.zeros(30, int))], target=X)))


def test_unlabelled_source_rows_are_left_out_and_said():
    source = Domain(X, Y, known=np.arange(30) < 20, name="lab")
    found = prepare(define(TransferTask(sources=[source], target=X)))
    assert found.source.n_samples == 20
    assert any("10 of 30 rows have no label" in note for note in found.notes)


def test_wide_data_is_reduced_from_rows_alone():
    wide = rng.normal(size=(30, 1200))
    found = prepare(define(TransferTask(sources=[(wide, Y)], target=wide + 1)))
    assert found.source.X.shape[1] < 60
    assert any("truncated SVD" in note for note in found.notes)
    np.testing.assert_allclose(found.transformer.transform(wide + 1), found.target.X, atol=1e-8)


def test_the_fingerprint_sees_data_and_not_hidden_labels():
    first = prepared(Domain(X + 1, Y, name="clinic"))
    assert prepared(Domain(X + 1, Y[::-1].copy(), name="clinic")).fingerprint == first.fingerprint
    assert prepared(Domain(X + 2, Y, name="clinic")).fingerprint != first.fingerprint


def test_frames_with_categories_met_only_in_the_target():
    source = pd.DataFrame({"size": [1.0, 2.0, 3.0, 4.0], "town": ["a", "b", "a", "b"], "y": ["no", "yes", "no", "yes"]})
    target = pd.DataFrame({"town": ["c", "a", "c"], "size": [2.0, None, 9.0]})
    found = prepare(define(TransferTask(sources=[source], target=target, label="y")))
    assert found.source.X.shape[1] == found.target.X.shape[1]
    assert np.isfinite(found.target.X).all()


def test_sources_with_labels_of_different_types_are_refused():
    numbers, words = Domain(X, Y, name="one"), Domain(X, np.array(list("abc"))[Y], name="two")
    with pytest.raises(DataError, match=r"one: labels must be of one kind in all files. Got numbers .* in two"):
        prepare(define(TransferTask(sources=[numbers, words], target=X)))
