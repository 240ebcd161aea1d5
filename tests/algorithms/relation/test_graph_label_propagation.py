"""Label propagation: the closed form, the iteration, means of labels, what the edges between the domains do."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import sparse

from transferkit import Domain, DomainError, GraphLabelPropagation


def world(seed=0, n=40, m=30, width=5):
    rng = np.random.default_rng(seed)
    y, yt = rng.integers(0, 3, n), rng.integers(0, 3, m)
    centres = np.abs(rng.normal(size=(3, width)))
    X, Xt = (np.abs(centres[v] + 0.3 * rng.normal(size=(len(v), width))) for v in (y, yt))
    edges, edges_t = (np.array([(a, b) for a in range(len(v)) for b in range(a) if v[a] == v[b] and rng.random() < 0.2]).T
                      for v in (y, yt))  # fmt: skip
    return X, y, edges, Xt, yt, edges_t


def dense(edges, n):
    A = np.zeros((n, n))
    A[edges[0], edges[1]] = A[edges[1], edges[0]] = 1
    return A


@pytest.mark.parametrize("metric", ["cosine", "euclidean"])
def test_it_is_the_closed_form_and_the_end_of_the_iteration(metric):
    X, y, edges, Xt, yt, edges_t = world()
    known = np.arange(len(yt)) < 4
    model = GraphLabelPropagation(3, alpha=0.9, cross_weight=0.5, metric=metric, balanced=False)
    model.fit(X, y, target=Domain(Xt, yt, known, edges_t), edges=edges)
    if metric == "cosine":
        unit, unit_t = (v / np.linalg.norm(v, axis=1, keepdims=True) for v in (X, Xt))
        gap = 1 - unit @ unit_t.T
    else:
        gap = np.linalg.norm(X[:, None] - Xt, axis=2)
    near = np.zeros_like(gap, dtype=bool)
    np.put_along_axis(near, gap.argsort(axis=1)[:, :3], True, axis=1)
    pairs = [gap[near]]
    other = np.zeros_like(near)
    np.put_along_axis(other, gap.argsort(axis=0)[:3], True, axis=0)
    pairs.append(gap[other])
    weight = 1 - gap if metric == "cosine" else np.exp(-(gap**2) / np.mean(np.concatenate(pairs) ** 2))
    cross = 0.5 * np.where(near | other, weight, 0)
    W = np.block([[dense(edges, 40), cross], [cross.T, dense(edges_t, 30)]])
    root = np.diag(W.sum(axis=1) ** -0.5)
    S = root @ W @ root
    Y = np.zeros((70, 3))
    Y[np.arange(40), y] = 1
    Y[40 + np.flatnonzero(known), yt[known]] = 1
    F = np.linalg.solve(np.eye(70) - 0.9 * S, Y)
    np.testing.assert_allclose(model.labels_target_, (F / F.sum(axis=1, keepdims=True))[40:], atol=1e-7)
    stepped = Y
    for _ in range(300):
        stepped = 0.9 * S @ stepped + 0.1 * Y
    np.testing.assert_allclose(stepped, 0.1 * F, atol=1e-10)
    np.testing.assert_array_equal(model.predict(Xt), F[40:].argmax(axis=1))
    np.testing.assert_allclose(model.predict_proba(Xt).sum(axis=1), 1)
    model.set_params(balanced=True).fit(X, y, target=Domain(Xt, yt, known, edges_t), edges=edges)
    even = F / Y.sum(axis=0)
    np.testing.assert_allclose(model.predict_proba(Xt), (even / even.sum(axis=1, keepdims=True))[40:], atol=1e-7)


def test_numbers_are_means_of_known_numbers_and_several_labels_are_shares():
    X, y, edges, Xt, yt, edges_t = world(1)
    numbers = y + np.linspace(0, 0.5, len(y))
    target = Domain(Xt, edges=edges_t)
    model = GraphLabelPropagation().fit(X, numbers, target=target, edges=edges)
    found = model.predict(Xt)
    assert numbers.min() <= found.min() < found.max() <= numbers.max()
    assert np.corrcoef(found, yt)[0, 1] > 0.5
    assert not hasattr(model, "predict_proba")
    table = np.eye(3, dtype=int)[y]
    several = GraphLabelPropagation(balanced=False).fit(X, table, target=target, edges=edges)
    single = GraphLabelPropagation(balanced=False).fit(X, y, target=target, edges=edges)
    np.testing.assert_allclose(several.predict_proba(Xt), single.predict_proba(Xt), atol=1e-8)
    np.testing.assert_array_equal(several.predict(Xt), several.predict_proba(Xt) >= 0.5)
    even = GraphLabelPropagation().fit(X, table, target=target, edges=edges)
    share, prior = several.predict_proba(Xt), table.mean(axis=0)
    odds = share / (1 - share) * (1 - prior) / prior
    np.testing.assert_allclose(even.predict_proba(Xt), odds / (1 + odds), atol=1e-6)
    assert even.score(Xt, np.eye(3)[yt]) > 0.7


def test_a_label_goes_where_features_say_nothing():
    """One target node in a chain has features; the others learn from it, and a node by itself gets the mean of all."""
    X, y = np.array([[1.0, 0], [0, 1], [0, 1]]), np.array([0, 1, 1])
    Xt = np.array([[1.0, 0], [0, 0], [0, 0], [0, 0]])
    target = Domain(Xt, edges=[[0, 1], [1, 2]])
    proba = GraphLabelPropagation(1).fit(X, y, target=target, edges=np.empty((2, 0), int)).predict_proba(Xt)
    np.testing.assert_allclose(proba, [[1, 0], [1, 0], [1, 0], [1 / 3, 2 / 3]], atol=1e-7)


def test_another_graph_is_joined_with_the_source_alone():
    X, y, edges, Xt, _, edges_t = world(2)
    first = GraphLabelPropagation().fit(X, y, target=Domain(Xt, edges=edges_t), edges=edges)
    other = GraphLabelPropagation().fit(X, y, target=Domain(Xt[:9], edges=[[0], [1]]), edges=edges)
    np.testing.assert_allclose(other.predict_proba(Xt, edges_t), first.predict_proba(Xt), atol=1e-9)
    rows = sparse.csr_matrix(Xt)
    np.testing.assert_array_equal(other.predict(rows, edges_t), first.predict(Xt))
    with pytest.raises(DomainError, match="edges must be given where X is not the target"):
        other.predict(Xt)


def test_edges_that_are_told_again_change_no_answer():
    """Known labels of the fit's target have their say however it is asked; in another graph they have none."""
    X, y, edges, Xt, yt, edges_t = world(2)
    model = GraphLabelPropagation().fit(X, y, target=Domain(Xt, yt, np.arange(30) < 9, edges_t), edges=edges)
    np.testing.assert_array_equal(model.predict_proba(Xt, edges_t), model.predict_proba(Xt))
    fewer = model.predict_proba(Xt, edges_t[:, 1:])
    blind = GraphLabelPropagation().fit(X, y, target=Domain(Xt, edges=edges_t[:, 1:]), edges=edges)
    np.testing.assert_allclose(fewer, blind.predict_proba(Xt), atol=1e-8)
