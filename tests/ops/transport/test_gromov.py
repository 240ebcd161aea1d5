"""Couplings by distances: the distortion, starts with the right masses, anchors that are tied first, cells spread in order."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from transferkit import Domain, GromovWasserstein
from transferkit.core.heterogeneous import check_heterogeneous
from transferkit.ops.transport import gromov

RNG = np.random.default_rng(0)


def test_the_distortion_is_the_four_fold_sum():
    C, D = (gromov.inner_distances(RNG.normal(size=(n, 2)), "euclidean") for n in (9, 7))
    P = RNG.dirichlet(np.ones(63)).reshape(9, 7)
    expected = np.einsum("ijkl,ik,jl->", (C[:, :, None, None] - D[None, None]) ** 2, P, P)
    assert gromov.distortion(C, D, P) == pytest.approx(expected)


@pytest.mark.parametrize("kind", ["euclidean", "sqeuclidean", "neighbours"])
def test_distances_of_some_rows_are_those_of_all_but_for_the_scale(kind):
    X, rows = RNG.normal(size=(40, 3)), np.array([3, 5, 30])
    all_rows, some = gromov.inner_distances(X, kind), gromov.inner_distances(X, kind, rows)
    assert all_rows.mean() == pytest.approx(1)
    assert_allclose(some, all_rows[rows] / all_rows[rows].mean())


def test_a_start_has_the_masses_and_leans_on_the_cost():
    M, p, q = np.zeros((4, 3)), np.array([0.1, 0.2, 0.3, 0.4]), np.array([0.5, 0.3, 0.2])
    assert_allclose(gromov._start(M, p, q), np.outer(p, q))
    M[0] = M[:, 2] = 1.0
    M[0, 2] = 0.0
    P = gromov._start(M, p, q)
    assert_allclose(P.sum(axis=1), p, atol=1e-15)
    assert_allclose(P.sum(axis=0), q, atol=1e-15)
    assert P[0, 2] > 0.9 * 0.1


def test_paired_and_labelled_rows_are_anchors_first():
    X, Xt = RNG.normal(size=(50, 3)), RNG.normal(size=(40, 2))
    y = np.arange(50) % 2
    known = np.isin(np.arange(40), [7, 8, 9])
    data = check_heterogeneous(
        GromovWasserstein(), X, y, Domain(Xt, np.where(known, 1, 0), known), pairs=[[4, 33], [5, 30]]
    )
    s, t = gromov._anchors(data, 12, np.random.RandomState(0))
    assert len(np.unique(s)) == len(np.unique(t)) == 12
    assert {4, 5} <= set(s)
    assert {33, 30, 7, 8, 9} <= set(t)
    few = gromov._among(data, s, t)
    assert_array_equal(few.yt, [1, 1, 1])
    assert_array_equal(few.Xt[few.known], Xt[7:10])
    assert_array_equal([[s[i], t[j]] for i, j in few.pairs], data.pairs)


def test_mass_between_anchors_goes_to_rows_in_order():
    of_source = np.array([0, 0, 1]), np.array([0.5, 0.0, 0.0])  # anchor 0 has two rows, the second one is nearer
    of_target = np.array([1, 0, 0, 0]), np.array([0.0, 0.3, 0.1, 0.2])
    P = gromov._spread(np.array([[0.6, 0.0], [0.0, 0.4]]), of_source, of_target).toarray()
    assert_allclose(P, [[0, 0.2, 0, 0.1], [0, 0, 0.2, 0.1], [0.4, 0, 0, 0]])
