"""A Domain: what may be known of it, and what scikit-learn must not do with it."""

import dataclasses

import numpy as np
import pandas as pd
import polars as pl
import pytest
from scipy import sparse
from sklearn.model_selection import cross_val_score, cross_validate

from transferkit import CORAL, Domain, DomainError, SourceOnly
from transferkit.core.protocols import MetaLearner, Transfer, take_rows

X, Y = np.arange(12.0).reshape(6, 2), np.array(["a", "b", "a", "b", "a", "c"])
KNOWN = np.array([True, False, True, False, False, True])


def test_known_labels():
    domain = Domain(X, Y, KNOWN)
    assert domain.n_samples == 6
    assert domain.known_rows.tolist() == [0, 2, 5]
    assert domain.known_y.tolist() == ["a", "a", "c"]
    assert Domain(X, Y).mask.all()
    assert not Domain(X).mask.any()
    assert Domain(X).known_y.shape == (0,)
    assert Domain(X, Y, KNOWN).hide().y is None
    assert Domain(X, Y, KNOWN).hide().known is None


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ({"y": Y[:5]}, r"y must have one label a row of X \(6\)\. Got 5"),
        ({"known": KNOWN}, "known must come with y"),
        ({"y": Y, "known": KNOWN[:5]}, r"known must be a bool array of shape \(6,\)\. Got dtype bool, shape \(5,\)"),
        ({"y": Y, "known": KNOWN.astype(int)}, "known must be a bool array .*Got dtype int64"),
        ({"y": Y, "known": [0, 2]}, "known must be a bool array"),
    ],
)
def test_what_does_not_fit_is_refused(arguments, said):
    with pytest.raises(DomainError, match=rf"^Domain: {said}"):
        Domain(X, **arguments)


def test_a_table_of_classes_is_for_graphs_only():
    table = np.array([[0, 1, 1], [1, 0, 0], [0, 0, 1], [0, 0, 0], [1, 1, 1], [0, 1, 0]])
    domain = Domain(X, table, KNOWN)
    assert domain.known_y.tolist() == table[KNOWN].tolist()
    assert domain.take(~KNOWN).y.tolist() == table[~KNOWN].tolist()
    for bad in (2 * table, table[:, :1], table[..., None], Y[:, None].repeat(2, axis=1)):
        with pytest.raises(DomainError, match=r"^Domain: y must have one axis, or be a table of 0 and 1"):
            Domain(X, bad)
    with pytest.raises(DomainError, match=r"target.y must hold one label a row. Got shape \(3, 3\)"):
        CORAL().fit(X, Y, target=domain)
    with pytest.raises(DomainError, match=r"^CORAL.fit: X and y must be usable"):
        CORAL().fit(X, table, target=Domain(X))


def test_it_cannot_be_changed_or_cut():
    domain = Domain(X, Y)
    with pytest.raises(dataclasses.FrozenInstanceError):
        domain.y = None
    assert not hasattr(domain, "__len__")
    assert not hasattr(domain, "shape")
    assert domain != Domain(X, Y)  # by identity: arrays have no single truth


@pytest.mark.parametrize(
    "make",
    [np.asarray, sparse.csr_matrix, pd.DataFrame, lambda X: pl.DataFrame(X, schema=["a", "b"]), lambda X: X.tolist()],
    ids=["array", "csr", "pandas", "polars", "list"],
)
@pytest.mark.parametrize("rows", [np.array([4, 0, 0]), KNOWN], ids=["indices", "mask"])
def test_take_rows_in_order_from_any_kind(make, rows):
    taken = Domain(make(X), Y, KNOWN, edges=np.zeros((2, 1)), name="t").take(rows)
    values = taken.X.toarray() if sparse.issparse(taken.X) else np.asarray(taken.X)
    np.testing.assert_array_equal(values, X[rows])
    np.testing.assert_array_equal(taken.y, Y[rows])
    np.testing.assert_array_equal(taken.known, KNOWN[rows])
    assert (taken.edges, taken.name) == (None, "t")
    assert take_rows((1, 2, 3), np.array([2, 0])) == [3, 1]


def test_protocols_can_be_asked_for_at_run_time():
    """By the names of their methods; the common tests compare the signatures."""
    assert isinstance(CORAL(), Transfer)
    assert not isinstance(CORAL(), MetaLearner)
    assert not isinstance(object(), Transfer)


class Spy(SourceOnly):
    """Remembers the target that each fit was given."""

    seen = []

    def fit(self, X, y=None, *, target, groups=None):
        Spy.seen.append((len(X), target))
        return super().fit(X, y, target=target, groups=groups)


@pytest.mark.parametrize("n_target", [60, 37])
def test_cross_validation_does_not_slice_a_domain(n_target):
    """A bare array of the same length would be cut to the training rows without a word; a Domain arrives whole."""
    rng = np.random.default_rng(0)
    source, labels = rng.normal(size=(60, 3)), np.arange(60) % 2
    target = Domain(rng.normal(size=(n_target, 3)))
    Spy.seen = []
    scores = cross_val_score(Spy(), source, labels, cv=3, params={"target": target})
    assert scores.shape == (3,)
    assert [n for n, _ in Spy.seen] == [40, 40, 40]
    assert all(seen is target for _, seen in Spy.seen)
    found = cross_validate(Spy(), source, labels, cv=3, params={"target": target}, return_estimator=True)
    np.testing.assert_array_equal(found["test_score"], scores)
    assert all(seen is target for _, seen in Spy.seen)


def test_the_danger_is_real():
    """What a Domain guards against: scikit-learn does cut an array of the same length."""
    from sklearn.base import BaseEstimator

    sizes = []

    class Bare(BaseEstimator):
        def fit(self, X, y, target=None):
            sizes.append(len(target))
            return self

        def score(self, X, y):
            return 0.0

    cross_val_score(Bare(), X, np.arange(6), cv=3, params={"target": X})
    assert sizes == [4, 4, 4]
