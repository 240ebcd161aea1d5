"""Target prototypes are a fixed point of spherical k-means, their temperature one of left-out source rows."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy.linalg import expm
from scipy.special import softmax
from sklearn.linear_model import Ridge

from transferkit import Domain, DomainError, ParamError, SourceOnly, TargetPrototypes
from transferkit.algorithms.self_training.target_prototypes import _left_out_cosines


@pytest.fixture
def pair():
    rng = np.random.default_rng(2)
    centres = 1.5 * rng.normal(size=(3, 8))
    ys, yt = np.arange(90) % 3, np.arange(60) % 3
    skew = 0.1 * rng.normal(size=(8, 8))
    turn = expm(skew - skew.T)
    return centres[ys] + rng.normal(size=(90, 8)), ys, (centres[yt] + rng.normal(size=(60, 8))) @ turn + 2, yt


def unit(X):
    return X / np.linalg.norm(X, axis=-1, keepdims=True)


def by_hand(Ut, centres, known, labels):
    """Spherical k-means in loops."""
    while True:
        found = (Ut @ centres.T).argmax(1)
        found[known] = labels[known]
        new = np.array([unit(Ut[found == c].sum(0)) if (found == c).any() else centres[c] for c in range(3)])
        if np.allclose(new, centres):
            return new
        centres = new


@pytest.mark.parametrize("shots", [0, 9])
@pytest.mark.parametrize("start", ["means", "predictions"])
def test_equals_k_means_by_hand(pair, start, shots):
    Xs, ys, Xt, yt = pair
    known = np.arange(60) < shots
    model = TargetPrototypes(start).fit(Xs, ys, target=Domain(Xt, yt, known))
    Us, Ut = unit(Xs - Xs.mean(0)), unit(Xt - Xt.mean(0))
    if start == "means":
        first = np.array([unit(Us[ys == c].sum(0)) for c in range(3)])
    else:
        soft = model.estimator_.predict_proba(Xt)
        soft[known] = np.eye(3)[yt[known]]
        first = unit(soft.T @ Ut)
    assert_allclose(model.prototypes_, by_hand(Ut, first, known, yt), atol=1e-10)
    assert_allclose(np.linalg.norm(model.prototypes_, axis=1), 1)


def test_each_round_brings_rows_nearer_to_their_centres(pair):
    Xs, ys, Xt, _ = pair
    Ut = unit(Xt - Xt.mean(0))
    fits = [TargetPrototypes(max_iter=k).fit(Xs, ys, target=Domain(Xt)) for k in range(1, 6)]
    nearness = [(Ut @ m.prototypes_.T).max(1).sum() for m in fits]
    assert (np.diff(nearness) >= -1e-12).all()


def test_left_out_cosines_leave_rows_out(pair):
    Xs, ys, _, _ = pair
    U = unit(Xs)
    sums = np.array([U[ys == c].sum(0) for c in range(3)])
    rows = np.arange(len(U))
    for i in (0, 17, 89):
        means = np.array([unit(U[(ys == c) & (rows != i)].sum(0)) for c in range(3)])
        assert_allclose(_left_out_cosines(U, ys, sums)[i], U[i] @ means.T)


def test_temperature_is_the_most_likely(pair):
    Xs, ys, Xt, _ = pair
    model = TargetPrototypes().fit(Xs, ys, target=Domain(Xt))
    U = unit(Xs - Xs.mean(0))
    cosines = _left_out_cosines(U, ys, np.array([U[ys == c].sum(0) for c in range(3)]))

    def likelihood(t):
        return np.log(softmax(cosines / t, axis=1)[np.arange(90), ys]).mean()

    best = likelihood(model.temperature_)
    assert best >= max(likelihood(model.temperature_ * f) for f in (0.9, 1.1))


def test_between_prototypes_the_source_speaks(pair):
    Xs, ys, Xt, _ = pair
    target = Domain(Xt)
    model = TargetPrototypes().fit(Xs, ys, target=target)
    # The target's mean has no direction; the other row has the same angle to all three prototypes.
    at_mean = np.array([model.mean_target_, model.mean_target_ + np.linalg.pinv(model.prototypes_) @ np.ones(3)])
    source = SourceOnly().fit(Xs, ys, target=target)
    assert_allclose(model.predict_proba(at_mean), source.predict_proba(at_mean), atol=1e-6)
    assert (np.diag(model.predict_proba(model.mean_target_ + 3 * model.prototypes_)) > 0.75).all()


def test_follows_a_target_that_moved_and_stretched(pair):
    Xs, ys, Xt, yt = pair
    moved = 5 * Xt - 40
    model = TargetPrototypes().fit(Xs, ys, target=Domain(moved))
    assert model.score(moved, yt) > SourceOnly().fit(Xs, ys, target=Domain(moved)).score(moved, yt) + 0.2
    assert_array_equal(model.predict(moved[:5]), model.predict(moved)[:5])


def test_refuses(pair):
    Xs, ys, Xt, _ = pair
    with pytest.raises(ParamError, match=r"^TargetPrototypes.fit: estimator must .*predict_proba"):
        TargetPrototypes(estimator=Ridge()).fit(Xs, ys, target=Domain(Xt))
    with pytest.raises(DomainError, match=r"^TargetPrototypes.fit: y must hold classes"):
        TargetPrototypes().fit(Xs, ys + 0.5, target=Domain(Xt))
