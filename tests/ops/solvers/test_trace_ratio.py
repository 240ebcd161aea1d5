"""The projection found has the least ratio of all, and meets the condition of a minimum."""

import numpy as np
from numpy.testing import assert_allclose
from scipy.linalg import eigh

from transferkit.ops.solvers.trace_ratio import least_trace_ratio


def pencil(d):
    rng = np.random.default_rng(d)
    first, second = rng.normal(size=(d, d)), rng.normal(size=(d, d))
    return first + first.T, second @ second.T + np.eye(d)


def test_one_direction_is_a_generalized_eigenvector():
    A, B = pencil(6)
    W, ratio = least_trace_ratio(A, B, 1)
    values, vectors = eigh(A, B)
    assert_allclose(ratio, values[0])
    assert_allclose(np.abs(W[:, 0] @ vectors[:, 0]), np.linalg.norm(vectors[:, 0]))


def test_least_of_all():
    A, B = pencil(7)
    W, ratio = least_trace_ratio(A, B, 3)
    assert_allclose(W.T @ W, np.eye(3), atol=1e-12)
    # At the minimum the least eigenvalues of A - ratio B sum to 0: no orthonormal basis has a negative trace.
    assert_allclose(eigh(A - ratio * B, eigvals_only=True)[:3].sum(), 0, atol=1e-8)
    assert_allclose(least_trace_ratio(A, B, 3, start=-9.0)[1], ratio)
    rng = np.random.default_rng(0)
    for _ in range(50):
        V = np.linalg.qr(rng.normal(size=(7, 3)))[0]
        assert np.trace(V.T @ A @ V) / np.trace(V.T @ B @ V) > ratio


def test_all_directions():
    A, B = pencil(4)
    assert_allclose(least_trace_ratio(A, B, 4)[1], A.trace() / B.trace())
