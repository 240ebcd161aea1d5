"""Held-out predictions of a classifier, as shares of the classes."""

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.svm import LinearSVC

from transferkit import BBSE, MLLS, Domain
from transferkit.core.errors import DomainError, ParamError
from transferkit.core.validation import check_transfer
from transferkit.ops.folds import deal_folds
from transferkit.ops.label_shift.black_box import class_probabilities, held_out_shares


def world(method, y=None):
    rng = np.random.default_rng(0)
    y = np.repeat(["a", "b", "c"], 10) if y is None else np.asarray(y)
    X, Xt = rng.normal(size=(len(y), 2)), rng.normal(size=(7, 2))
    return check_transfer(method, X, y, Domain(Xt))


@pytest.mark.parametrize("hard", [False, True])
def test_rows_are_predicted_by_models_that_have_not_seen_them(hard):
    method = BBSE(estimator=LogisticRegression())
    data = world(method)
    source, target = held_out_shares(method, data, cv=3, hard=hard, random_state=0)
    folds = deal_folds(data.codes, 3, 0)
    mean = np.zeros((7, 3))
    for fold in range(3):
        model = LogisticRegression().fit(data.Xs[folds != fold], data.ys[folds != fold])
        says = (lambda X, model=model: np.eye(3)[np.searchsorted(data.classes, model.predict(X))]) if hard else (
            model.predict_proba
        )  # fmt: skip
        np.testing.assert_allclose(source[folds == fold], says(data.Xs[folds == fold]))
        mean += says(data.Xt) / 3
    np.testing.assert_allclose(target, mean)
    np.testing.assert_allclose(source.sum(axis=1), 1)


def test_a_class_that_a_fold_does_not_see_has_share_0():
    method = BBSE()
    data = world(method, ["a"] * 6 + ["b"] * 6 + ["c"])
    source, _ = held_out_shares(method, data, cv=3, random_state=0)
    assert source[12, 2] == 0
    np.testing.assert_allclose(source.sum(axis=1), 1)


def test_errors_name_the_method_and_what_else_there_is():
    with pytest.raises(DomainError, match=r"MLLS\.fit: y must hold two rows or more of each class"):
        held_out_shares(MLLS(), world(MLLS(), ["a", "a", "a", "b"]), cv=4)
    model = LinearSVC().fit([[0.0], [1.0]], ["a", "b"])
    with pytest.raises(ParamError, match=r"BBSE\.fit: estimator must have predict_proba, or set confusion='hard'"):
        class_probabilities(BBSE(), model, np.zeros((1, 1)), np.array(["a", "b"]))
    with pytest.raises(ParamError, match=r"MLLS\.fit: estimator must have predict_proba\. Got LinearSVC"):
        class_probabilities(MLLS(), model, np.zeros((1, 1)), np.array(["a", "b"]))
