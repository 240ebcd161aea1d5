import numpy as np
import pytest
from sklearn.linear_model import LinearRegression, Ridge
from sklearn.tree import DecisionTreeRegressor

from transferkit import Domain, TwoStageTrAdaBoostR2
from transferkit.core.boosting import weighted_median
from transferkit.core.errors import DomainError
from transferkit.ops.trees.transfer_boosting import adaboost_r2


def world(seed, offset, n=120, m=20):
    """A source whose values are a multiple of the target's plus an offset, and noise."""
    rng = np.random.default_rng(seed)
    X, Xt = rng.normal(size=(n, 2)), rng.normal(size=(200, 2))
    w = np.array([1.0, -2.0])
    return X, X @ w + offset + 0.1 * rng.normal(size=n), Xt, Xt @ w + 0.1 * rng.normal(size=200), np.arange(200) < m


@pytest.mark.parametrize("n_steps", [2, 3, 8])
def test_the_targets_share_follows_the_papers_rule(n_steps):
    """m / (n + m) + t / (S - 1) (1 - m / (n + m)) before step t + 1."""
    X, y, Xt, yt, known = world(0, 2.0)
    model = TwoStageTrAdaBoostR2(n_steps, 2, cv=2, random_state=0).fit(X, y, target=Domain(Xt, yt, known))
    np.testing.assert_allclose(model.shares_, 20 / 140 + np.arange(n_steps) / (n_steps - 1) * 120 / 140)


def test_the_first_discount_by_hand():
    """The beta that brings the share to its value raises every source row to the power of its error."""
    X, y, Xt, yt, known = world(0, 2.0)
    rows, labels = np.vstack([X, Xt[known]]), np.concatenate([y, yt[known]])
    size = np.abs(Ridge().fit(rows, labels).predict(rows) - labels)
    errors = size[:120] / size.max()
    low, high = 0.0, 1.0
    for _ in range(200):
        beta = (low + high) / 2
        low, high = (low, beta) if (beta**errors).sum() / 20 > (1 - 80 / 140) / (80 / 140) else (beta, high)
    second = np.concatenate([beta**errors, np.ones(20)])
    found = TwoStageTrAdaBoostR2(3, 1, cv=20, random_state=0).fit(X, y, target=Domain(Xt, yt, known))
    held_out = []
    for j in range(120, 140):
        weights = np.delete(second, j)
        left = Ridge().fit(np.delete(rows, j, 0), np.delete(labels, j), sample_weight=weights / weights.mean())
        held_out.append((left.predict(rows[[j]])[0] - labels[j]) ** 2)
    assert found.cv_errors_[1] == pytest.approx(np.mean(held_out), rel=1e-6)


def test_the_last_step_is_adaboost_r2_on_the_target_alone():
    X, y, Xt, yt, known = world(0, 50.0)
    tree = DecisionTreeRegressor(max_depth=2, random_state=0)
    model = TwoStageTrAdaBoostR2(4, 5, cv=4, random_state=0, estimator=tree).fit(X, y, target=Domain(Xt, yt, known))
    assert model.best_step_ == 3
    assert (model.sample_weight_ == 0).all()
    models, votes = adaboost_r2(
        lambda w: DecisionTreeRegressor(max_depth=2, random_state=0).fit(Xt[known], yt[known], sample_weight=w),
        Xt[known], yt[known], np.zeros(20), 0, 5, "linear",
    )  # fmt: skip
    expected = weighted_median(np.array([m.predict(Xt) for m in models]), votes)
    np.testing.assert_allclose(model.predict(Xt), expected)


def test_a_good_source_is_kept_and_a_bad_one_left():
    near = world(1, 0.0, m=6)
    kept = TwoStageTrAdaBoostR2(5, 2, cv=3, random_state=0).fit(*near[:2], target=Domain(*near[2:]))
    assert kept.shares_[kept.best_step_] < 0.95
    assert kept.score(near[2], near[3]) > 0.99
    far = world(1, 5.0, m=30)
    left = TwoStageTrAdaBoostR2(5, 2, cv=3, estimator=LinearRegression(), random_state=0).fit(
        *far[:2], target=Domain(*far[2:])
    )
    assert left.score(far[2], far[3]) > 0.99
    pooled = LinearRegression().fit(np.vstack([far[0], far[2][:30]]), np.concatenate([far[1], far[3][:30]]))
    assert pooled.score(far[2], far[3]) < 0


def test_the_step_of_least_error_is_taken():
    X, y, Xt, yt, known = world(3, 1.0)
    model = TwoStageTrAdaBoostR2(6, 3, random_state=0).fit(X, y, target=Domain(Xt, yt, known))
    assert model.best_step_ == model.cv_errors_.argmin()
    weights = np.concatenate([model.sample_weight_, model.target_weight_])
    assert weights.mean() == pytest.approx(1)
    assert model.target_weight_.sum() / weights.sum() == pytest.approx(model.shares_[model.best_step_])


def test_rows_that_fit_exactly_and_too_few_labels():
    X = np.linspace(-1, 1, 20)[:, None]
    exact = TwoStageTrAdaBoostR2(3, 2, estimator=LinearRegression()).fit(X, X[:, 0], target=Domain(X, X[:, 0]))
    assert exact.score(X, X[:, 0]) == pytest.approx(1)
    with pytest.raises(DomainError, match=r"target must have at least two known labels"):
        TwoStageTrAdaBoostR2().fit(X, X[:, 0], target=Domain(X[:1], X[:1, 0]))
    with pytest.raises(DomainError, match=r"target must have known labels"):
        TwoStageTrAdaBoostR2().fit(X, X[:, 0], target=Domain(X))
