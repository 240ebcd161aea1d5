"""Pairs of classes along edges: closed forms on blocks, and a general solver."""

import numpy as np
import pytest
from scipy import sparse
from scipy.optimize import minimize

from transferkit.ops.graphs.pair_weights import as_shares, neighbour_ratios, pair_confusions, pair_shares, share_weights


def blocks(B, sizes):
    """A graph of two classes that has every edge at its expected weight."""
    y = np.repeat([0, 1], sizes)
    return np.eye(2)[y], sparse.csr_matrix(np.asarray(B)[y][:, y])


def test_shares_and_confusions_by_hand():
    """Three nodes, one edge from the second to the first and one from the second to the third."""
    A = sparse.csr_matrix(([1.0, 3.0], ([1, 1], [0, 2])), shape=(3, 3))
    Y = np.eye(2)[[0, 1, 1]]
    np.testing.assert_allclose(pair_shares(Y, A), [[0, 1 / 4], [0, 3 / 4]])
    P = np.array([[0.9, 0.1], [0.3, 0.7], [0.4, 0.6]])
    expected = np.zeros((4, 4))
    for taker, giver, weight in ((0, 1, 1 / 4), (2, 1, 3 / 4)):
        expected += weight * np.outer(np.kron(P[taker], P[giver]), np.kron(Y[taker], Y[giver]))
    np.testing.assert_allclose(pair_confusions(P, Y, A), expected, atol=1e-12)
    none = sparse.csr_matrix((3, 3))
    assert not pair_shares(Y, none).any()
    assert not pair_confusions(P, Y, none).any()


def test_weights_bring_one_graphs_neighbours_to_the_others():
    """Connection chances and class shares both differ; predictions err the same way in both: all is found exactly."""
    (Y, A), (Y_t, A_t) = blocks([[0.4, 0.2], [0.2, 0.3]], (40, 60)), blocks([[0.5, 0.1], [0.1, 0.6]], (70, 30))
    errs = np.array([[0.9, 0.1], [0.25, 0.75]])  # predicted, by the true class
    m, m_t = pair_shares(Y, A), pair_shares(Y_t, A_t)
    C, seen = pair_confusions(Y @ errs, Y, A), pair_shares(Y_t @ errs, A_t)
    w = share_weights(C, seen.ravel(), m.ravel(), 1e-12).reshape(2, 2)
    np.testing.assert_allclose(w, m_t / m, rtol=1e-4)
    gamma = neighbour_ratios(m, w, 0.0)
    np.testing.assert_allclose(gamma, (m_t / m_t.sum(1, keepdims=True)) / (m / m.sum(1, keepdims=True)), rtol=1e-4)
    # Of a node of the first class, the neighbours' mean class: 40 x .4 : 60 x .2 in the source, 70 x .5 : 30 x .1 in the target.
    np.testing.assert_allclose(gamma[0], [(35 / 38) / (16 / 28), (3 / 38) / (12 / 28)], rtol=1e-4)
    assert abs(neighbour_ratios(m, w, 100.0) - 1).max() < 0.01
    rate = share_weights((Y @ errs).T @ Y / 100, (Y_t @ errs).mean(axis=0), Y.mean(axis=0), 1e-12)
    np.testing.assert_allclose(rate, [0.7 / 0.4, 0.3 / 0.6], rtol=1e-4)


@pytest.mark.parametrize("penalty", [1e-3, 0.1, 25.0])
def test_weights_are_the_programs_optimum(penalty):
    rng = np.random.default_rng(0)
    joint = rng.dirichlet(np.full(36, 0.3)).reshape(6, 6)
    seen, share = rng.dirichlet(np.ones(6)), joint.sum(axis=0)
    found = share_weights(joint, seen, share, penalty)

    def value(w):
        return np.sum((joint @ w - seen) ** 2) + penalty * np.sum((w - 1) ** 2)

    best = minimize(
        value, np.ones(6), bounds=[(0, None)] * 6, constraints={"type": "eq", "fun": lambda w: share @ w - 1},
        method="SLSQP", options={"ftol": 1e-15, "maxiter": 500},
    )  # fmt: skip
    assert (found >= 0).all()
    assert share @ found == pytest.approx(1, abs=1e-6)
    assert value(found) <= best.fun * (1 + 1e-5)


def test_shares_of_a_table():
    np.testing.assert_array_equal(as_shares(np.array([[1, 1], [0, 0], [0, 3]])), [[0.5, 0.5], [0, 0], [0, 1]])


def test_what_is_not_there_keeps_its_weight():
    joint = np.diag([0.5, 0.5, 0.0])
    np.testing.assert_allclose(
        share_weights(joint, np.array([0.8, 0.2, 0.0]), joint.sum(0), 1e-9), [1.6, 0.4, 1], rtol=1e-5
    )
    np.testing.assert_array_equal(share_weights(joint, np.zeros(3), joint.sum(0), 0.1), np.ones(3))
    np.testing.assert_array_equal(share_weights(np.zeros((3, 3)), np.ones(3) / 3, np.zeros(3), 0.1), np.ones(3))
    ratios = neighbour_ratios(np.array([[0.0, 1.0], [0.0, 0.0]]), np.ones((2, 2)), 0.0)
    np.testing.assert_array_equal(ratios, np.ones((2, 2)))
