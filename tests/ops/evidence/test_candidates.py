"""What selectors share: probabilities in one order, domains checked by name, sentences of the first check."""

import numpy as np
import pytest
from scipy import sparse
from sklearn.linear_model import LogisticRegression

from transferkit import Domain
from transferkit.core.errors import DomainError
from transferkit.ops.evidence.candidates import MODELS, check_rows, class_probabilities
from transferkit.ops.evidence.findings import shift_finding

CLASSES = np.array(["a", "b", "c"])
X = np.array([[0.0], [1.0], [5.0], [6.0]])


def test_probabilities_of_a_model_with_fewer_classes():
    model = LogisticRegression().fit(X, ["a", "a", "c", "c"])
    proba = class_probabilities(model, X, CLASSES)
    np.testing.assert_allclose(proba[:, [0, 2]], model.predict_proba(X))
    assert (proba[:, 1] == 0).all()


def test_a_model_without_probabilities_is_certain():
    class Says:
        def predict(self, X):
            return np.array(["b", "a", "a", "c"])

    assert class_probabilities(Says(), X, CLASSES).argmax(axis=1).tolist() == [1, 0, 0, 2]
    with pytest.raises(DomainError, match=r"must predict classes of the source. Got also \['c'\]"):
        class_probabilities(Says(), X, CLASSES[:2])


def test_sparse_rows_become_dense_and_bad_ones_are_named():
    Xs, ys, Xt = check_rows(None, Domain(sparse.csr_matrix(X), np.arange(4)), Domain(X))
    np.testing.assert_array_equal(Xs, Xt)
    assert ys.tolist() == [0, 1, 2, 3]
    with pytest.raises(DomainError, match="finite numbers"):
        check_rows(None, Domain(X, np.arange(4)), Domain(X * np.nan))


def test_a_sequence_of_models():
    assert MODELS.holds([LogisticRegression()])
    assert MODELS.holds(())
    assert not MODELS.holds([LogisticRegression])
    assert not MODELS.holds(LogisticRegression())


@pytest.mark.parametrize(("auc", "p", "passed"), [(0.7, 0.01, True), (0.7, 0.2, False), (0.6, 0.01, False)])
def test_a_shift_has_to_be_large_and_more_than_chance(auc, p, passed):
    assert shift_finding(auc, p, 0.6)["passed"] is passed
