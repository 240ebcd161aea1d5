"""Supervision transfer: features that can be given exactly, a teacher in any form, and no label of the target."""

import numpy as np
import pytest
from sklearn.decomposition import PCA
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import PolynomialFeatures, StandardScaler

from transferkit import Domain, FineTuning, ParamError, SupervisionTransfer, catalogue


def seen_twice(seed=0, n=200, d_target=4, noise=0.0):
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(n, 4))
    y = (X[:, 0] + X[:, 1] > 0).astype(int)
    return X, y, X @ rng.normal(size=(4, d_target)) + noise * rng.normal(size=(n, d_target))


def paired(n):
    return np.column_stack([np.arange(n)] * 2)


def test_a_student_that_can_gives_the_teachers_features_and_all_that_follows_them():
    X, y, Xt = seen_twice()
    model = SupervisionTransfer(student=LinearRegression()).fit(X, y, target=Domain(Xt), pairs=paired(20))
    np.testing.assert_allclose(model.transform(Xt), model.transform(X, domain="source"), atol=1e-10)
    plain = LogisticRegression(max_iter=1000).fit(StandardScaler().fit_transform(X), y)
    np.testing.assert_allclose(
        model.predict_proba(Xt), plain.predict_proba(StandardScaler().fit(X).transform(X)), atol=1e-8
    )


def test_the_student_is_the_regression_of_the_paired_features():
    X, y, Xt = seen_twice(noise=0.3)
    teacher = PCA(2).fit(X)
    model = SupervisionTransfer(teacher, LinearRegression()).fit(X, y, target=Domain(Xt), pairs=paired(50))
    plain = LinearRegression().fit(Xt[:50], teacher.transform(X[:50]))
    np.testing.assert_allclose(model.transform(Xt), plain.predict(Xt))
    assert model.n_lessons_ == 50


def test_a_pipeline_teaches_what_its_last_step_gets():
    X, y, Xt = seen_twice()
    pipeline = make_pipeline(PolynomialFeatures(2, include_bias=False), PCA(5), LogisticRegression())
    model = SupervisionTransfer(pipeline).fit(X, y, target=Domain(Xt), pairs=paired(100))
    np.testing.assert_allclose(model.transform(X, domain="source"), pipeline.fit(X, y)[:-1].transform(X), atol=1e-10)


def test_without_a_label_of_the_target_it_beats_few_of_them():
    gains = []
    for seed in range(3):
        X, y, Xt = seen_twice(seed, 400, d_target=30, noise=1.0)
        few = np.concatenate([np.flatnonzero(y == c)[:2] for c in (0, 1)])
        alone = LogisticRegression().fit(Xt[few], y[few]).score(Xt[300:], y[300:])
        model = SupervisionTransfer().fit(X, y, target=Domain(Xt), pairs=paired(300))
        gains.append(model.score(Xt[300:], y[300:]) - alone)
    assert np.mean(gains) > 0.1


def test_without_pairs_a_class_is_taught_by_its_mean():
    X, y, Xt = seen_twice()
    known = np.arange(200) < 10
    model = SupervisionTransfer(student=LinearRegression()).fit(X, y, target=Domain(Xt, y, known))
    Z = StandardScaler().fit_transform(X)
    means = np.stack([Z[y == c].mean(axis=0) for c in (0, 1)])
    np.testing.assert_allclose(model.transform(Xt), LinearRegression().fit(Xt[known], means[y[known]]).predict(Xt))


def test_what_gives_no_features_is_refused():
    X, y, Xt = seen_twice()
    with pytest.raises(ParamError, match=r"^SupervisionTransfer\.fit: teacher must .*with fit and transform"):
        SupervisionTransfer(LogisticRegression()).fit(X, y, target=Domain(Xt), pairs=paired(9))


def test_networks_teach_and_learn():
    """The paper's own case: both are networks."""
    if catalogue.cards()["fine_tuning"].missing:
        pytest.skip("needs torch")
    from torch import nn

    from transferkit import Training

    training = Training(n_epochs=10, lr=0.02, body_lr_scale=1, device="cpu", progress=False)
    X, y, Xt = seen_twice(n=300)
    teacher = FineTuning(nn.Sequential(nn.Linear(4, 8), nn.ReLU()), training=training)
    student = FineTuning(nn.Sequential(nn.Linear(4, 16), nn.ReLU()), task="regression", training=training)
    model = SupervisionTransfer(teacher, student).fit(X, y, target=Domain(Xt), pairs=paired(200))
    assert model.transform(X, domain="source").shape == model.transform(Xt).shape == (300, 8)
    assert model.score(Xt[200:], y[200:]) > 0.85


def test_the_columns_units_do_not_matter():
    X, y, Xt = seen_twice()
    found = [
        SupervisionTransfer().fit(X, y, target=Domain(scale * Xt), pairs=paired(50)).predict_proba(scale * Xt)
        for scale in (1.0, 1e-6)
    ]
    np.testing.assert_allclose(*found, rtol=1e-6)
