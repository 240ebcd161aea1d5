import numpy as np
import pytest
from scipy.optimize import minimize

from transferkit import Domain, MMDTargetShift, SourceOnly
from transferkit.algorithms.label_shift import mmd_target_shift
from transferkit.core.errors import DomainError
from transferkit.ops.kernels.gaussian import rbf


def draw(prior, n, seed, distance=1.5):
    rng = np.random.default_rng(seed)
    y = rng.choice(len(prior), size=n, p=prior)
    return rng.normal(size=(n, 3)) + distance * np.eye(3)[y], y


def test_exact_shares_of_a_target_that_is_made_of_the_sources_rows():
    """Each class of the target is the source's, so that some shares leave no distance at all: they are found."""
    X, y = draw((0.5, 0.3, 0.2), 90, 0)
    n = np.bincount(y)
    # Class c of the target repeats the source's rows so often that its shares are 1 : 2 : 6 times the source's.
    target = np.repeat(X, np.array([1, 2, 6])[y], axis=0)
    model = MMDTargetShift().fit(X, y, target=Domain(target))
    expected = n * [1, 2, 6] / (n * [1, 2, 6]).sum()
    np.testing.assert_allclose(model.target_prior_, expected, atol=1e-4)
    assert model.mmd_ < 1e-8
    np.testing.assert_allclose(model.class_weight_, model.target_prior_ / model.source_prior_)


@pytest.mark.parametrize("shares", [(0.1, 0.2, 0.7), (1 / 3, 1 / 3, 1 / 3), (0.0, 0.5, 0.5)])
def test_recovers_the_targets_shares(shares):
    (X, y), (Xt, yt) = draw((0.5, 0.3, 0.2), 1000, 0, 2.5), draw(shares, 1000, 1, 2.5)
    model = MMDTargetShift().fit(X, y, target=Domain(Xt))
    np.testing.assert_allclose(model.target_prior_, shares, atol=0.05)
    assert model.gap_ <= 1e-9
    plain = SourceOnly().fit(X, y, target=Domain(Xt))
    assert model.score(Xt, yt) >= plain.score(Xt, yt) - 0.01


def test_is_the_minimum_under_the_bound():
    (X, y), (Xt, _) = draw((0.6, 0.3, 0.1), 150, 0), draw((0.05, 0.05, 0.9), 150, 1)
    model = MMDTargetShift(gamma=0.3, max_weight=3.0).fit(X, y, target=Domain(Xt))
    average = np.eye(3)[y] / np.bincount(y)
    A, b = average.T @ rbf(X, X, 0.3) @ average, (average.T @ rbf(X, Xt, 0.3)).mean(axis=1)
    found = minimize(
        lambda q: q @ A @ q - 2 * b @ q,
        model.source_prior_,
        jac=lambda q: 2 * (A @ q - b),
        bounds=[(0, 3 * p) for p in model.source_prior_],
        constraints={"type": "eq", "fun": lambda q: q.sum() - 1},
        options={"ftol": 1e-14},
    )
    np.testing.assert_allclose(model.target_prior_, found.x, atol=1e-4)
    assert model.class_weight_.max() == pytest.approx(3.0)
    assert model.mmd_ == pytest.approx(found.fun + rbf(Xt, Xt, 0.3).mean(), abs=1e-8)


def test_what_else_moved_is_left_over():
    (X, y), (Xt, _) = draw((0.5, 0.3, 0.2), 300, 0), draw((0.2, 0.3, 0.5), 300, 1)
    near = MMDTargetShift(gamma=0.3).fit(X, y, target=Domain(Xt))
    far = MMDTargetShift(gamma=0.3).fit(X, y, target=Domain(Xt + 2))
    assert far.mmd_ > 10 * near.mmd_


def test_blocks_change_nothing(monkeypatch):
    (X, y), (Xt, _) = draw((0.5, 0.3, 0.2), 60, 0), draw((0.2, 0.3, 0.5), 60, 1)
    whole = MMDTargetShift().fit(X, y, target=Domain(Xt)).target_prior_
    monkeypatch.setattr(mmd_target_shift, "_BLOCK", 100)
    np.testing.assert_allclose(MMDTargetShift().fit(X, y, target=Domain(Xt)).target_prior_, whole, atol=1e-6)


def test_rows_that_tell_nothing_leave_the_weights_at_one():
    X, y = np.ones((100, 2)), np.repeat([0, 1, 2], [70, 20, 10])
    model = MMDTargetShift().fit(X, y, target=Domain(X[:50]))
    np.testing.assert_allclose(model.class_weight_, 1)


def test_hard_inputs_and_numbers():
    X = np.array([[0.0], [0.0], [1.0], [1.0], [5.0]])
    for target in ([[1.0]], [[1e9]], [[0.0]] * 7):
        model = MMDTargetShift().fit(X, [0, 0, 1, 1, 2], target=Domain(target))
        assert np.isfinite(model.sample_weight_).all()
        assert model.target_prior_.sum() == pytest.approx(1)
    with pytest.raises(DomainError, match=r"MMDTargetShift\.fit: y must hold classes"):
        MMDTargetShift().fit(X, X[:, 0] + 0.5, target=Domain(X))
