"""Streaming LDA: the joint fit to 1e-8 whatever the order and the pieces, and that of scikit-learn."""

import numpy as np
import pytest
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis

from transferkit import Domain, StreamingLDA


def rows(seed=0, n=300):
    rng = np.random.default_rng(seed)
    y = rng.choice(["a", "b", "c", "d"], size=n, p=[0.4, 0.3, 0.2, 0.1])
    centre = {k: rng.normal(size=5) * 2 for k in "abcd"}
    mix = rng.normal(size=(5, 5))
    return np.stack([centre[k] for k in y]) + rng.normal(size=(n, 5)) @ mix + 100.0, y


def in_order(X, y, order, pieces, **params):
    model = StreamingLDA(**params)
    for k, part in enumerate(np.array_split(order, pieces)):
        model.partial_fit(Domain(X[part], y[part], name=f"task {k}"))
    return model


@pytest.mark.parametrize("priors", ["equal", "empirical"])
@pytest.mark.parametrize("pieces", [1, 7, 300])
def test_order_and_pieces_do_not_matter(pieces, priors):
    X, y = rows()
    joint = in_order(X, y, np.arange(300), 1, priors=priors).decision_function(X)
    by_class = in_order(X, y, np.argsort(y, kind="stable"), pieces, priors=priors).decision_function(X)
    drawn = in_order(X, y, np.random.default_rng(1).permutation(300), pieces, priors=priors).decision_function(X)
    # Scores of classes may share an offset: differences decide.
    for other in (by_class, drawn):
        np.testing.assert_allclose(other, joint, rtol=1e-8, atol=1e-8 * np.abs(joint).max())


def test_it_is_linear_discriminant_analysis():
    X, y = rows()
    ours = in_order(X, y, np.argsort(y, kind="stable"), 9, reg=1e-12, priors="empirical")
    theirs = LinearDiscriminantAnalysis(solver="lsqr").fit(X, y)
    np.testing.assert_array_equal(ours.predict(X), theirs.predict(X))
    np.testing.assert_allclose(ours.predict_proba(X), theirs.predict_proba(X), atol=1e-6)
    mean = StreamingLDA(reg=1.0).partial_fit(Domain(X, y))
    nearest = np.square(X[:, None] - mean.means_[None]).sum(axis=2).argmin(axis=1)
    np.testing.assert_array_equal(mean.predict(X), np.array(mean.outputs_.classes)[nearest])


def test_a_task_keeps_to_its_classes():
    X, y = rows()
    model = StreamingLDA()
    for name, wanted in (("one", ["a", "c"]), ("two", ["b", "d"])):
        own = np.isin(y, wanted)
        model.partial_fit(Domain(X[own], y[own], name=name))
        assert set(model.predict(X, task=name)) <= set(wanted)
    assert model.predict_proba(X, task="two")[:, [0, 2]].max() == 0
