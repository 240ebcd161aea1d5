import numpy as np
import pytest
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.tree import DecisionTreeClassifier

from transferkit import Domain, TrAdaBoost
from transferkit.core.errors import DomainError


class Says(ClassifierMixin, BaseEstimator):
    """Ignores what it is fitted on and predicts the first column."""

    def fit(self, X, y, sample_weight=None):
        self.weights_ = np.array(sample_weight)
        self.classes_ = np.unique(y)
        return self

    def predict(self, X):
        return np.asarray(X)[:, 0].astype(int)


@pytest.fixture
def contradiction():
    """One feature; the target's threshold is 0.5, the source's 0; source rows between the two contradict the target."""
    rng = np.random.default_rng(0)
    Xs, Xt = rng.uniform(-2, 2, size=(200, 1)), rng.uniform(-2, 2, size=(120, 1))
    return Xs, (Xs[:, 0] > 0).astype(int), Xt, (Xt[:, 0] > 0.5).astype(int), np.arange(120) < 40


def test_weights_by_hand():
    """A learner that is wrong on source row 0 and on target row 0, in both iterations."""
    X, y = np.array([[1.0], [0.0], [1.0]]), np.array([0, 0, 1])
    Xt, yt = np.array([[1.0], [0.0], [1.0], [0.0]]), np.array([0, 0, 1, 0])
    model = TrAdaBoost(2, Says()).fit(X, y, target=Domain(Xt, yt))
    beta = 1 / (1 + np.sqrt(2 * np.log(3) / 2))
    # Iteration 1: error 1/4, beta_1 = 1/3. Target row 0 weighs 3, so iteration 2 has error 3/6 and beta_2 = 1.
    np.testing.assert_allclose(model.errors_, [1 / 4, 1 / 2])
    np.testing.assert_allclose(model.votes_, [np.log(3), 0], atol=1e-12)
    second = np.array([beta, 1, 1, 3, 1, 1, 1])
    np.testing.assert_allclose(model.estimators_[1].weights_, second / second.mean())
    last = np.array([beta**2, 1, 1, 3, 1, 1, 1])
    np.testing.assert_allclose(np.concatenate([model.sample_weight_, model.target_weight_]), last / last.mean())


@pytest.mark.parametrize(("n_estimators", "first"), [(1, 0), (2, 0), (3, 1), (4, 1), (5, 2)])
def test_the_second_half_votes(contradiction, n_estimators, first):
    """Iterations ceil(N/2) to N, counted from 1."""
    Xs, y, Xt, yt, known = contradiction
    model = TrAdaBoost(n_estimators, DecisionTreeClassifier(max_depth=1)).fit(Xs, y, target=Domain(Xt, yt, known))
    assert (model.votes_[:first] == 0).all()
    assert (model.votes_[first:] > 0).all()


def test_source_rows_that_contradict_the_target_lose_weight(contradiction):
    Xs, y, Xt, yt, known = contradiction
    model = TrAdaBoost(20, DecisionTreeClassifier(max_depth=1)).fit(Xs, y, target=Domain(Xt, yt, known))
    against = (Xs[:, 0] > 0.05) & (Xs[:, 0] < 0.4)
    assert model.sample_weight_[against].max() < 0.2 * np.median(model.sample_weight_[~against])
    plain = DecisionTreeClassifier(max_depth=1).fit(Xs, y)
    assert model.score(Xt[~known], yt[~known]) > plain.score(Xt[~known], yt[~known]) + 0.05


def test_prediction_is_the_papers_product_rule(contradiction):
    Xs, y, Xt, yt, known = contradiction
    model = TrAdaBoost(7, DecisionTreeClassifier(max_depth=1)).fit(Xs, y, target=Domain(Xt, yt, known))
    half = range(3, 7)  # t = 4, ..., 7
    beta = np.clip(model.errors_, 1e-10, None) / (1 - np.clip(model.errors_, 1e-10, None))
    left = np.prod([beta[t] ** -model.estimators_[t].predict(Xt).astype(float) for t in half], axis=0)
    right = np.prod([beta[t] ** -0.5 for t in half])
    np.testing.assert_array_equal(model.predict(Xt), (left >= right).astype(int))
    np.testing.assert_array_equal(model.predict_proba(Xt).argmax(axis=1), model.predict(Xt))
    np.testing.assert_allclose(model.predict_proba(Xt).sum(axis=1), 1)


def test_more_than_two_classes():
    rng = np.random.default_rng(0)
    y, yt = np.arange(90) % 3, np.arange(90) % 3
    Xs, Xt = rng.normal(size=(90, 2)) + 4 * np.eye(3)[y, :2], rng.normal(size=(90, 2)) + 4 * np.eye(3)[yt, :2] + 1
    names = np.array(["a", "b", "c"])
    target = Domain(Xt, names[yt], np.arange(90) < 30)
    model = TrAdaBoost(10).fit(Xs, names[y], target=target)
    assert model.predict_proba(Xt).shape == (90, 3)
    assert model.score(Xt[30:], names[yt[30:]]) > 0.85


def test_needs_known_labels_and_classes(contradiction):
    Xs, y, Xt, _, _ = contradiction
    with pytest.raises(DomainError, match=r"TrAdaBoost\.fit: target must have known labels"):
        TrAdaBoost().fit(Xs, y, target=Domain(Xt))
    with pytest.raises(DomainError, match=r"TrAdaBoost\.fit: y must hold classes"):
        TrAdaBoost().fit(Xs, Xs[:, 0] + 0.5, target=Domain(Xt))
