"""MMDT: both of its steps against scikit-learn's support vector machines, a falling objective, and what it carries over."""

import numpy as np
import pytest
from sklearn.svm import SVC

import spaces
from transferkit import MMDT, Domain, DomainError, TransferWarning
from transferkit.algorithms.heterogeneous import mmdt
from transferkit.core.heterogeneous_scores import one_against_rest

RNG = np.random.default_rng(0)


def hinge_machine(G, y, prices):
    """The same machine without an intercept by scikit-learn: with rows and their mirror images the intercept is 0."""
    n = len(y)
    mirrored = np.block([[G, -G], [-G, G]])
    machine = SVC(kernel="precomputed", C=1.0, tol=1e-8).fit(
        mirrored, np.r_[y, -y], sample_weight=np.r_[prices, prices] / 2
    )
    dual = np.zeros(2 * n)
    dual[machine.support_] = machine.dual_coef_[0]
    return dual[:n] - dual[n:]


def test_hyperplanes_are_those_of_scikit_learn():
    Z = np.column_stack([RNG.normal(size=(20, 4)), np.ones(20)])
    codes = np.arange(20) % 3
    prices = np.where(np.arange(20) < 12, 0.3, 1.5)
    coef = mmdt._hyperplanes(Z, codes, prices)
    for k in range(3):
        expected = hinge_machine(Z @ Z.T, one_against_rest(codes, 3)[k], prices) @ Z
        np.testing.assert_allclose(coef[k], expected, atol=1e-2)


def test_the_map_is_a_machine_over_pairs_of_hyperplanes_and_rows():
    coef, B = RNG.normal(size=(3, 4)), RNG.normal(size=(5, 6))
    Y = one_against_rest(np.array([0, 1, 2, 0, 1]), 3)
    W = mmdt._map_for(coef, B, Y, 0.7)
    features = np.array([np.outer(t, b).ravel() for t in coef for b in B])
    expected = hinge_machine(features @ features.T, Y.ravel(), np.full(15, 0.7)) @ features
    np.testing.assert_allclose(W.ravel(), expected, atol=1e-2)


def test_turns_lower_the_objective():
    world, found = spaces.scrambled(0, 60), []
    for turns in (1, 2):
        with pytest.warns(TransferWarning, match=f"max_iter={turns} turns were not enough"):
            model = MMDT(max_iter=turns, tol=1e-6).fit(world.X, world.y, target=world.target(3))
        found.append(model.objective_)
    assert found[1] < found[0]
    assert MMDT().fit(world.X, world.y, target=world.target(3)).objective_ < found[0]


def test_a_costless_target_needs_no_map():
    """Where known rows are almost free W goes to 0 and the hyperplanes are those of the source."""
    world = spaces.scrambled(0, 60)
    model = MMDT(C_target=1e-6).fit(world.X, world.y, target=world.target(3))
    assert np.abs(model.transform_).max() < 1e-2
    A = model.transform(world.X, domain="source")
    alone = mmdt._hyperplanes(A, world.y, np.full(60, 0.05))
    np.testing.assert_allclose(model.coef_, alone, atol=5e-3)


def test_other_columns_are_recognised_and_scores_are_those_of_mapped_rows():
    world = spaces.scrambled(0, 150, d_target=30, noise=1.0)
    model = MMDT().fit(world.X, world.y, target=world.target(5))
    assert model.score(world.Xt, world.yt) > 0.85
    np.testing.assert_allclose(model.decision_function(world.Xt), model.transform(world.Xt) @ model.coef_.T)


def test_two_classes_have_one_score():
    world = spaces.seen_twice(0, 60)
    model = MMDT().fit(world.X, world.y, target=world.target(5))
    np.testing.assert_allclose(model.coef_[0], -model.coef_[1])
    scores = model.decision_function(world.Xt)
    np.testing.assert_array_equal(scores > 0, model.predict(world.Xt) == 1)
    assert not hasattr(model, "predict_proba")


def test_it_needs_labels_and_says_so():
    world = spaces.scrambled(0, 60)
    with pytest.raises(DomainError, match=r"^MMDT\.fit: target must have a few known labels\. Got none"):
        MMDT().fit(world.X, world.y, target=Domain(world.Xt))
