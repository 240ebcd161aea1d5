"""HFA: its closed form beside the alternating solution of the papers, and what follows from it."""

import numpy as np
import pytest
from scipy.linalg import block_diag, sqrtm
from sklearn.svm import SVC

import spaces
from transferkit import HFA, Domain, DomainError
from transferkit.core.heterogeneous_scores import one_against_rest
from transferkit.ops.kernels.spaces import SpaceKernel


def kernels_of(model, X, Z, kind):
    source, target = SpaceKernel.of(X, kind, None), SpaceKernel.of(Z, kind, None)
    known = model.target_rows_
    return source(X, X), target(known, known), target(Z, known)


@pytest.mark.parametrize("kind", ["linear", "rbf"])
def test_the_closed_form_is_where_turns_of_metric_and_machine_end(kind):
    """The metric H moves towards its best one for the machine at hand (Frank-Wolfe), the machine is refitted, and so on."""
    world = spaces.scrambled(0, 45)
    target, trace = world.target(3), 5.0
    model = HFA(trace=trace, kernel=kind).fit(world.X, world.y, target=target)
    Ks, Kt, new = kernels_of(model, world.X, world.Xt, kind)
    K = block_diag(Ks, Kt)
    root = np.real(sqrtm(K + 1e-10 * np.eye(len(K))))
    y = one_against_rest(np.concatenate([world.y, target.known_y]), 3)[1]
    H = trace * np.eye(len(K)) / len(K)
    for step in range(60):
        machine = SVC(kernel="precomputed", C=1.0, tol=1e-7).fit(root @ (H + np.eye(len(K))) @ root, y)
        dual = np.zeros(len(K))
        dual[machine.support_] = machine.dual_coef_[0]
        b = root @ dual
        H += 2 / (step + 2) * (trace * np.outer(b, b) / (b @ b) - H)
    mine = np.concatenate([model.source_dual_[:, 1], model.target_dual_[:, 1]])
    np.testing.assert_allclose(mine, dual, atol=0.02 * np.abs(dual).max())
    # The papers' decision for a target row, through H.
    inverse = np.linalg.pinv(root)[:, len(Ks) :]
    by_metric = new @ (inverse.T @ H @ b) + new @ dual[len(Ks) :]
    np.testing.assert_allclose(model._scores(world.Xt)[:, 1], by_metric + machine.intercept_, atol=0.05)


def test_the_projections_have_the_trace_and_make_the_kernel():
    """``R H R`` is the kernel of the common space: the inner products of what `transform` returns."""
    world = spaces.scrambled(1, 45)
    target, trace = world.target(3), 7.0
    model = HFA(trace=trace, kernel="linear").fit(world.X, world.y, target=target)
    Ks, Kt, _ = kernels_of(model, world.X, world.Xt, "linear")
    K = block_diag(Ks, Kt)
    common = np.concatenate([model.transform(world.X, domain="source"), model.transform(world.Xt[target.mask])])
    for c in range(3):
        b_root = K @ np.concatenate([model.source_dual_[:, c], model.target_dual_[:, c]])  # R b
        expected = trace * np.outer(b_root, b_root) / model.length_[c] ** 2
        np.testing.assert_allclose(np.outer(common[:, c], common[:, c]), expected, atol=1e-9)


def test_the_source_acts_by_the_intercept_alone():
    """Given the intercepts, the target's weights fulfil the conditions of a machine of the target's rows by themselves."""
    world = spaces.scrambled(2, 60)
    target = world.target(5)
    model = HFA(C_target=0.02).fit(world.X, world.y, target=target)
    margins = one_against_rest(target.known_y, 3).T * model._scores(target.X[target.mask])
    weights = one_against_rest(target.known_y, 3).T * model.target_dual_
    assert ((weights > -1e-9) & (weights < 0.02 + 1e-9)).all()
    assert (margins[weights < 1e-6] > 1 - 1e-3).all()
    assert (margins[weights > 0.02 - 1e-6] < 1 + 1e-3).all()
    np.testing.assert_allclose(margins[(weights > 1e-6) & (weights < 0.02 - 1e-6)], 1, atol=1e-3)


def test_other_columns_are_recognised_with_few_labels():
    world = spaces.scrambled(0, 150, d_target=30, noise=1.0)
    assert HFA().fit(world.X, world.y, target=world.target(5)).score(world.Xt, world.yt) > 0.85


def test_it_needs_labels_and_says_so():
    world = spaces.scrambled(0, 60)
    with pytest.raises(DomainError, match=r"^HFA\.fit: target must have a few known labels\. Got none"):
        HFA().fit(world.X, world.y, target=Domain(world.Xt))
