"""SGC: powers of the normalised adjacency, the methods behind it, and classes that only neighbours tell apart."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import sparse
from sklearn.linear_model import LogisticRegression, RidgeClassifier

from transferkit import CORAL, Domain, DomainError, SimplifiedGraphConvolution, SourceOnly


def blocks(seed, shift=0.0, n=60):
    """Two classes, edges mostly within; features tell them apart badly."""
    rng = np.random.default_rng(seed)
    y = rng.integers(0, 2, n)
    X = 0.5 * y[:, None] + rng.normal(size=(n, 4)) + shift
    A = rng.random((n, n)) < np.where(y[:, None] == y, 0.3, 0.02)
    return X, y, np.array(np.nonzero(np.triu(A, 1)))


def smooth(X, edges, hops):
    A = np.eye(len(X))
    A[edges[0], edges[1]] = A[edges[1], edges[0]] = 1
    root = np.diag(A.sum(axis=1) ** -0.5)
    return np.linalg.matrix_power(root @ A @ root, hops) @ X


@pytest.mark.parametrize("hops", [0, 1, 3])
@pytest.mark.parametrize("make", [np.asarray, sparse.csr_matrix], ids=["dense", "sparse"])
def test_it_is_a_regression_on_powers_of_the_adjacency(hops, make):
    (X, y, edges), (Xt, _, edges_t) = blocks(0), blocks(1)
    model = SimplifiedGraphConvolution(hops).fit(make(X), y, target=Domain(make(Xt), edges=edges_t), edges=edges)
    plain = LogisticRegression(max_iter=1000).fit(smooth(X, edges, hops), y)
    np.testing.assert_allclose(model.predict_proba(make(Xt)), plain.predict_proba(smooth(Xt, edges_t, hops)), atol=1e-4)


def test_neighbours_tell_what_features_do_not():
    (X, y, edges), (Xt, yt, edges_t) = blocks(2), blocks(3)
    target = Domain(Xt, edges=edges_t)
    with_graph, without = (
        SimplifiedGraphConvolution(k).fit(X, y, target=target, edges=edges).score(Xt, yt) for k in (2, 0)
    )
    assert with_graph > without + 0.15


def test_a_transfer_method_behind_it_gets_the_target():
    (X, y, edges), (Xt, yt, edges_t) = blocks(4), blocks(5, shift=3.0)
    Z, Zt = smooth(X, edges, 2), smooth(Xt, edges_t, 2)
    known = np.arange(len(yt)) < 3
    target = Domain(Xt, yt, known, edges_t)
    model = SimplifiedGraphConvolution(estimator=CORAL(centre=True)).fit(X, y, target=target, edges=edges)
    alone = CORAL(centre=True).fit(Z, y, target=Domain(Zt, yt, known))
    np.testing.assert_allclose(model.predict_proba(Xt), alone.predict_proba(Zt), atol=1e-4)
    none = SimplifiedGraphConvolution(estimator=SourceOnly()).fit(X, y, target=target.hide(), edges=edges)
    assert model.score(Xt, yt) > none.score(Xt, yt) + 0.1
    unsure = SimplifiedGraphConvolution(estimator=RidgeClassifier()).fit(X, y, target=target, edges=edges)
    assert not hasattr(unsure, "predict_proba")


def test_several_labels_numbers_and_few_components():
    (X, y, edges), (Xt, yt, edges_t) = blocks(6), blocks(7)
    target = Domain(Xt, edges=edges_t)
    table = np.column_stack([y, 1 - y, np.ones_like(y)])  # the last one says nothing
    model = SimplifiedGraphConvolution().fit(X, table, target=target, edges=edges)
    assert model.predict(Xt).shape == (60, 3)
    np.testing.assert_allclose(model.predict_proba(Xt)[:, 2], 1)
    assert model.score(Xt, np.column_stack([yt, 1 - yt, np.ones_like(yt)])) > 0.85
    numbers = SimplifiedGraphConvolution(n_components=2, random_state=0).fit(X, y + 0.5, target=target, edges=edges)
    assert numbers.svd_.components_.shape == (2, 4)
    assert numbers.score(Xt, yt + 0.5) > 0.2


def test_several_labels_and_a_transfer_method_are_refused_by_name():
    (X, y, edges), (Xt, _, edges_t) = blocks(0), blocks(1)
    model = SimplifiedGraphConvolution(estimator=CORAL())
    with pytest.raises(DomainError, match=r"^SimplifiedGraphConvolution\.fit: y must have one label a node"):
        model.fit(X, np.column_stack([y, 1 - y]), target=Domain(Xt, edges=edges_t), edges=edges)
