"""GFK's factor gives the integral of the flow, which runs from one subspace to the other."""

import numpy as np
import pytest
from numpy.testing import assert_allclose
from scipy.integrate import quad_vec

from transferkit import GFK, Domain
from transferkit.algorithms.feature.gfk import _agreeing_dimension
from transferkit.ops.kernels.geodesic_flow import flow_factor
from transferkit.ops.solvers.linalg import principal_axes


def subspaces(d=9, k=3, seed=0):
    rng = np.random.default_rng(seed)
    return (np.linalg.qr(rng.normal(size=(d, k)))[0] for _ in range(2))


def integral(Ps, Pt):
    """eq. 5, integrated numerically; the flow by eq. 4 with an orthogonal complement."""
    complement = np.linalg.svd(Ps, full_matrices=True)[0][:, Ps.shape[1] :]
    U, cosine, Vt = np.linalg.svd(Ps.T @ Pt)
    leaving = complement.T @ Pt @ Vt.T
    sine = np.linalg.norm(leaving, axis=0)
    theta = np.arctan2(sine, cosine)
    B = complement @ leaving / np.where(sine > 0, sine, 1)

    def projection(t):
        phi = Ps @ U * np.cos(t * theta) + B * np.sin(t * theta)
        return phi @ phi.T

    assert_allclose(projection(0), Ps @ Ps.T, atol=1e-12)
    assert_allclose(projection(1), Pt @ Pt.T, atol=1e-12)
    return quad_vec(projection, 0, 1, epsabs=1e-12)[0]


@pytest.mark.parametrize(("d", "k"), [(9, 3), (7, 3), (5, 4), (4, 4), (1, 1)])
def test_closed_form_is_the_integral(d, k):
    """Also where the dimension is more than half of the features, so that some directions must be shared."""
    Ps, Pt = subspaces(d, k)
    factor, theta = flow_factor(Ps, Pt)
    assert_allclose(factor @ factor.T, integral(Ps, Pt), atol=1e-10)
    assert factor.shape[1] <= 2 * k
    assert np.all(np.diff(theta) >= -1e-12)


def test_equal_subspaces_give_the_projection():
    Ps, _ = subspaces()
    turned = Ps @ np.linalg.qr(np.random.default_rng(5).normal(size=(3, 3)))[0]
    factor, theta = flow_factor(Ps, turned)
    assert_allclose(factor @ factor.T, Ps @ Ps.T, atol=1e-12)
    assert_allclose(theta, 0, atol=1e-12)


def test_small_and_right_angles_are_exact():
    """The arc cosine would give 0 for the first."""
    axes = np.eye(4)
    for angle in (1e-9, np.pi / 2):
        Pt = np.cos(angle) * axes[:, :1] + np.sin(angle) * axes[:, 1:2]
        factor, theta = flow_factor(axes[:, :1], Pt)
        assert_allclose(theta, angle, rtol=1e-6)
        assert_allclose(factor @ factor.T, integral(axes[:, :1], Pt), atol=1e-12)


def test_mapped_rows_have_the_kernel_as_inner_product():
    rng = np.random.default_rng(2)
    Xs, Xt = rng.normal(size=(40, 8)) * np.arange(1, 9), rng.normal(size=(30, 8)) * np.arange(8, 0, -1)
    model = GFK(3).fit(Xs, np.arange(40) % 2, target=Domain(Xt))
    G = integral(principal_axes(Xs, 3)[1], principal_axes(Xt, 3)[1])
    assert_allclose(model.transform(Xs, "source") @ model.transform(Xt).T, Xs @ G @ Xt.T, atol=1e-8)


def test_disagreement_takes_the_first_orthogonal_direction():
    """Two shared directions, then one of each domain's own that the pooled rows do not have at that place."""
    axes = np.eye(6)
    source, target, pooled = axes[:, [0, 1, 2, 4]], axes[:, [0, 1, 3, 5]], axes[:, [0, 1, 4, 5]]
    assert _agreeing_dimension(source, target, pooled) == 3
    assert _agreeing_dimension(source, source, source) == 4


def test_without_n_components_equal_domains_keep_everything():
    """The kernel is then the plain inner product."""
    X = np.random.default_rng(4).normal(size=(50, 10))
    model = GFK().fit(X, np.arange(50) % 2, target=Domain(X))
    assert model.n_components_ == len(model.angles_) == 10
    assert_allclose(model.components_ @ model.components_.T, np.eye(10), atol=1e-10)
