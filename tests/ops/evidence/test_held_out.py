"""Held-out source predictions: no row is predicted by a model that knows its label, whatever kind the candidate is."""

import numpy as np
import pytest
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.naive_bayes import GaussianNB
from sklearn.neighbors import KNeighborsClassifier, KNeighborsRegressor
from sklearn.preprocessing import StandardScaler
from sklearn.svm import LinearSVC

from transferkit import CORAL, KMM, DoC, Domain, SourceOnly, TransferPipeline
from transferkit.core.errors import DomainError, ParamError
from transferkit.ops.evidence.held_out import held_out_predictions
from transferkit.ops.folds import deal_folds

RATER = DoC()
NEAREST = KNeighborsClassifier(1)  # repeats every label it has seen


def noise(seed=0, n=60, K=2):
    """Labels that have nothing to do with the rows: whoever gets them right has seen them."""
    rng = np.random.default_rng(seed)
    return rng.normal(size=(n, 3)), rng.permutation(np.arange(n) % K), Domain(rng.normal(size=(n, 3)) + 2)


def candidates(X, y, target):
    return {
        "plain": KNeighborsClassifier(1).fit(X, y),
        "baseline": SourceOnly(NEAREST).fit(X, y, target=target),
        "map": CORAL(estimator=NEAREST).fit(X, y, target=target),
        "pipeline": TransferPipeline([("scale", StandardScaler())], CORAL(estimator=NEAREST)).fit(X, y, target=target),
        "no map": TransferPipeline([("scale", StandardScaler())], SourceOnly(NEAREST)).fit(X, y, target=target),
    }


@pytest.mark.parametrize("kind", ["plain", "baseline", "map", "pipeline", "no map"])
def test_the_label_of_a_row_is_not_seen(kind):
    X, y, target = noise()
    model = candidates(X, y, target)[kind]
    found = held_out_predictions(RATER, model, Domain(X, y), random_state=0)
    assert found.refitted
    assert (found.predicted == y).mean() < 0.75
    np.testing.assert_array_equal(found.predicted, found.classes[found.proba.argmax(axis=1)])
    np.testing.assert_array_equal(found.classes[found.codes], y)


def test_it_is_the_inner_estimator_on_mapped_rows():
    X, y, target = noise(n=30)
    model = CORAL(centre=True).fit(X, y, target=target)
    found = held_out_predictions(RATER, model, Domain(X, y), n_splits=5, random_state=3)
    Z, folds = model.transform(X, domain="source"), deal_folds(y, 5, 3)
    for fold in range(5):
        refit = LogisticRegression(max_iter=1000).fit(Z[folds != fold], y[folds != fold])
        np.testing.assert_allclose(found.proba[folds == fold], refit.predict_proba(Z[folds == fold]))


def test_weights_of_an_instance_method_are_kept():
    X, y, target = noise(n=30)
    model = KMM(estimator=GaussianNB()).fit(X, y, target=Domain(target.X - 1.8))
    found = held_out_predictions(RATER, model, Domain(X, y), random_state=0)
    folds, w = deal_folds(y, 3, 0), model.sample_weight_
    assert w.std() > 0.1
    refit = GaussianNB().fit(X[folds != 1], y[folds != 1], sample_weight=w[folds != 1])
    np.testing.assert_allclose(found.proba[folds == 1], refit.predict_proba(X[folds == 1]))


def test_weights_that_leave_one_class_are_an_error():
    X, y, target = noise(n=30)
    model = KMM().fit(X, y, target=target)
    model.sample_weight_ = np.where(y == 0, 2.0, 0.0)
    with pytest.raises(DomainError, match=r"keep two classes where a fold is held out\. Got 10 rows with a weight"):
        held_out_predictions(RATER, model, Domain(X, y), random_state=0)


def test_what_cannot_be_refitted_answers_as_it_is_and_says_so():
    X, y, _ = noise()

    class Fixed:
        classes_ = np.array([0, 1])

        def predict(self, X):
            return y

    found = held_out_predictions(RATER, Fixed(), Domain(X, y))
    assert not found.refitted
    np.testing.assert_array_equal(found.predicted, y)
    with pytest.raises(ParamError, match=r"^DoC.score: candidate must have predict_proba"):
        found.probabilities(RATER)


def test_a_regression_has_values_and_no_classes():
    X, _, target = noise()
    y = np.arange(60)  # whole numbers, of which means are none
    model = SourceOnly(KNeighborsRegressor(2)).fit(X, y, target=target)
    found = held_out_predictions(RATER, model, Domain(X, y), random_state=0)
    assert (found.classes, found.codes, found.proba) == (None, None, None)
    assert (found.predicted % 1 == 0.5).any()
    linear = held_out_predictions(RATER, SourceOnly(Ridge()).fit(X, X[:, 0], target=target), Domain(X, X[:, 0]))
    assert np.corrcoef(linear.predicted, X[:, 0])[0, 1] > 0.99


def test_a_class_of_one_row_is_no_obstacle():
    X, y, target = noise(K=3)
    names = np.array(["bee", "cat", "ant"])[y]
    names[0] = "dog"
    found = held_out_predictions(RATER, SourceOnly().fit(X, names, target=target), Domain(X, names), random_state=0)
    assert found.proba.shape == (60, 4)
    assert found.proba[0, 3] == 0
    np.testing.assert_allclose(found.proba.sum(axis=1), 1)


def test_refits_are_seeded():
    X, y, target = noise()
    model = SourceOnly(RandomForestClassifier(5)).fit(X, y, target=target)
    first, again = (held_out_predictions(RATER, model, Domain(X, y), random_state=1).proba for _ in range(2))
    np.testing.assert_array_equal(first, again)


def test_without_probabilities_there_are_labels():
    X, y, target = noise()
    found = held_out_predictions(RATER, SourceOnly(LinearSVC()).fit(X, y, target=target), Domain(X, y))
    assert found.proba is None
    assert np.isin(found.predicted, [0, 1]).all()


def test_what_cannot_be_used_is_named():
    X, y, target = noise()
    model = SourceOnly().fit(X, y, target=target)
    for bad, rule in (
        (Domain(X), "be labelled in every row"),
        (Domain(X, y + 1), r"have classes of the candidate only\. Got also \[2\]"),
        (Domain(X[:2], np.array([0, 1])), "keep two classes where a fold is held out"),
        (Domain(X[:, :2], y), "rows that the candidate takes"),
    ):
        with pytest.raises(DomainError, match=rf"^DoC.score: source.* {rule}"):
            held_out_predictions(RATER, model, bad)
