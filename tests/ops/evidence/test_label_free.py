"""What a candidate shows without a label: features of either domain, and refusals that name what cannot be used."""

from types import SimpleNamespace

import numpy as np
import pytest
from scipy import sparse
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
from sklearn.linear_model import LogisticRegression
from sklearn.preprocessing import StandardScaler

from transferkit import CORAL, Domain, Entropy, SourceOnly, TransferPipeline
from transferkit.core.errors import DomainError, ParamError
from transferkit.ops.evidence.label_free import candidate_features, check_label_free, check_labelled, target_labels

RATER = Entropy()


def data():
    rng = np.random.default_rng(0)
    y = np.arange(40) % 2
    return rng.normal(size=(40, 3)) + y[:, None], y, Domain(2 * rng.normal(size=(30, 3)) + 5)


def test_features_of_either_domain():
    X, y, target = data()
    model = CORAL(centre=True).fit(X, y, target=target)
    for rows, side in ((X, "source"), (target.X, "target")):
        np.testing.assert_array_equal(candidate_features(RATER, model, rows, side), model.transform(rows, domain=side))


def test_a_transform_that_knows_no_domains():
    X, y, target = data()
    model = LinearDiscriminantAnalysis().fit(X, y)
    np.testing.assert_array_equal(candidate_features(RATER, model, target.X, "target"), model.transform(target.X))


def test_without_a_transform_the_rows_themselves():
    X, y, target = data()
    for model in (SourceOnly().fit(X, y, target=target), LogisticRegression().fit(X, y)):
        np.testing.assert_array_equal(candidate_features(RATER, model, target.X, "target"), target.X)
    np.testing.assert_array_equal(candidate_features(RATER, model, sparse.csr_matrix(X), "source"), X)


def test_behind_the_transformers_of_a_pipeline():
    X, y, target = data()
    model = TransferPipeline([("scale", StandardScaler())], SourceOnly(), fit_on="each").fit(X, y, target=target)
    for rows, side in ((X, "source"), (target.X, "target")):
        Z = candidate_features(RATER, model, rows, side)
        np.testing.assert_allclose(Z.mean(axis=0), 0, atol=1e-9)


@pytest.mark.parametrize("side", ["source", "target"])
def test_features_that_cannot_be_used(side):
    X, y, target = data()
    fitted = CORAL().fit(X, y, target=target)
    with pytest.raises(ParamError, match=r"^Entropy.score: candidate must be fitted. Got CORAL"):
        candidate_features(RATER, CORAL(), X, side)
    plain = LogisticRegression().fit(X, y)
    for model, rows in ((fitted, X[:, :2]), (fitted, np.full_like(X, np.nan)), (plain, X[:, :2]), (plain, X[:0])):
        with pytest.raises(DomainError, match=rf"^Entropy.score: {side}\.X must "):
            candidate_features(RATER, model, rows, side)
    odd = SimpleNamespace(transform=lambda X: X[0])
    with pytest.raises(DomainError, match="one finite row of features"):
        candidate_features(RATER, odd, X, side)


def test_domains_that_cannot_be_used():
    X, y, target = data()
    check_label_free(RATER, None, target, least=30)
    with pytest.raises(DomainError, match=r"target must have 31 rows or more\. Got 30"):
        check_label_free(RATER, None, target, least=31)
    with pytest.raises(DomainError, match=r"source must be a Domain or None\. Got ndarray"):
        check_label_free(RATER, X, target)
    partly = Domain(X, y, known=y == 0)
    for bad in (None, Domain(X), partly, Domain(X[:0], y[:0])):
        with pytest.raises(DomainError, match=r"^Entropy.score: source must "):
            check_labelled(RATER, bad)
    np.testing.assert_array_equal(check_labelled(RATER, Domain(X, y)), y)


def test_labels_as_indices():
    X, y, target = data()
    model = LogisticRegression().fit(X, np.array(["no", "yes"])[y])
    labels = target_labels(RATER, model, target)
    assert set(labels) <= {0, 1}
    with pytest.raises(ParamError, match="candidate must be a classifier"):
        target_labels(RATER, StandardScaler().fit(X), target)
