"""Cross-modal distillation: where the teacher's answers can be given exactly, what they are worth, and any student."""

import numpy as np
import pytest
from sklearn.frozen import FrozenEstimator
from sklearn.linear_model import LogisticRegression
from sklearn.neighbors import KNeighborsClassifier

from transferkit import CrossModalDistillation, Domain, FineTuning, ParamError, catalogue
from transferkit.algorithms.cross_modal.cross_modal_distillation import _in_proportion

LOOSE = LogisticRegression(C=1e6, max_iter=5000, tol=1e-8)


def seen_twice(seed=0, n=200, d=4, d_target=4, noise=0.0, doubt=1.0):
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(n, d))
    y = np.array(["a", "b", "c"])[np.argmax(X[:, :3] + doubt * rng.gumbel(size=(n, 3)), axis=1)]
    return X, y, X @ rng.normal(size=(d, d_target)) + noise * rng.normal(size=(n, d_target)), rng


def paired(n):
    return np.column_stack([np.arange(n)] * 2)


@pytest.mark.parametrize("temperature", [1.0, 4.0])
def test_a_student_that_can_gives_the_teachers_answers_back_at_any_temperature(temperature):
    """The target's rows are the source's in other axes: the student's optimum is the teacher itself."""
    X, y, Xt, _ = seen_twice()
    teacher = LogisticRegression().fit(X, y)
    model = CrossModalDistillation(teacher, temperature, estimator=LOOSE).fit(
        X, y, target=Domain(Xt), pairs=paired(100)
    )
    np.testing.assert_allclose(model.predict_proba(Xt), teacher.predict_proba(X), atol=2e-3)
    np.testing.assert_array_equal(model.transform(X, domain="source"), teacher.predict_proba(X))
    np.testing.assert_array_equal(model.transform(Xt), model.predict_proba(Xt))


def test_pairs_without_a_label_are_worth_more_than_few_labels():
    gains = []
    for seed in range(3):
        X, y, Xt, _ = seen_twice(seed, 400, d_target=30, noise=1.0, doubt=0.1)
        known = np.isin(np.arange(400), np.concatenate([np.flatnonzero(y == c)[:2] for c in "abc"]))
        rest = ~known & (np.arange(400) >= 300)
        alone = LogisticRegression(max_iter=1000).fit(Xt[known], y[known]).score(Xt[rest], y[rest])
        model = CrossModalDistillation().fit(X, y, target=Domain(Xt, y, known), pairs=paired(300))
        gains.append(model.score(Xt[rest], y[rest]) - alone)
    assert np.mean(gains) > 0.1


def test_a_fitted_teacher_is_asked_as_it_is():
    X, y, Xt, rng = seen_twice()
    teacher = FrozenEstimator(LogisticRegression().fit(X, y))
    nonsense = rng.permutation(y)
    model = CrossModalDistillation(teacher).fit(X, nonsense, target=Domain(Xt), pairs=paired(100))
    assert model.score(Xt, teacher.predict(X)) > 0.9


def test_the_teacher_alone_and_the_labels_alone():
    X, y, Xt, rng = seen_twice()
    known = np.arange(200) < 20
    wrong = np.where(known, rng.permutation(y), y)
    found = [
        CrossModalDistillation(lam=1.0).fit(X, y, target=Domain(Xt, labels, known), pairs=paired(100)).predict_proba(Xt)
        for labels in (y, wrong)
    ]
    np.testing.assert_array_equal(*found)
    alone = CrossModalDistillation(temperature=1.0, lam=0.0).fit(X, y, target=Domain(Xt, y, known), pairs=paired(100))
    plain = LogisticRegression(max_iter=1000).fit(Xt[known], y[known])
    np.testing.assert_allclose(alone.predict_proba(Xt), plain.predict_proba(Xt), atol=1e-3)


def test_without_pairs_a_class_is_taught_by_the_mean_answer():
    X, y, Xt, _ = seen_twice()
    known = np.arange(200) < 30
    teacher = LogisticRegression().fit(X, y)
    model = CrossModalDistillation(teacher, 1.0, 1.0, estimator=LOOSE).fit(X, y, target=Domain(Xt, y, known))
    means = np.stack([teacher.predict_proba(X[y == c]).mean(axis=0) for c in "abc"])
    share = model.predict_proba(Xt[known]).mean(axis=0)  # a logistic regression keeps the mean of its labels
    np.testing.assert_allclose(share, means[np.searchsorted(["a", "b", "c"], y[known])].mean(axis=0), atol=1e-3)


def test_copies_are_in_proportion():
    rows, codes = _in_proportion(np.array([[0.5, 0.25, 0.25], [1, 0, 0], [0.4, 0.35, 0.25]]), np.array([4, 2, 3]))
    table = np.zeros((3, 3), int)
    np.add.at(table, (rows, codes), 1)
    np.testing.assert_array_equal(table, [[2, 1, 1], [2, 0, 0], [1, 1, 1]])
    rows, codes = _in_proportion(np.array([[0.9, 0.1], [0.95, 0.05]]), np.array([1, 1]))
    assert set(codes) == {0, 1}, "every class is there"


def test_a_student_without_weights_says_so_and_takes_copies():
    X, y, Xt, _ = seen_twice()
    student = KNeighborsClassifier(15)
    with pytest.raises(ParamError, match="estimator must take sample_weight"):
        CrossModalDistillation(estimator=student).fit(X, y, target=Domain(Xt), pairs=paired(150))
    model = CrossModalDistillation(copies=5, estimator=student).fit(X, y, target=Domain(Xt), pairs=paired(150))
    teacher = model.teacher_.predict(X[150:])
    assert (model.predict(Xt[150:]) == teacher).mean() > 0.7


def test_a_network_learns_from_a_teacher_of_another_modality():
    if catalogue.cards()["fine_tuning"].missing:
        pytest.skip("needs torch")
    from torch import nn

    from transferkit import Training

    X, y, Xt, _ = seen_twice(n=300)
    student = FineTuning(
        nn.Sequential(nn.Linear(4, 16), nn.ReLU()),
        training=Training(n_epochs=8, lr=0.02, body_lr_scale=1, device="cpu", progress=False),
    )
    model = CrossModalDistillation(copies=4, estimator=student).fit(X, y, target=Domain(Xt), pairs=paired(200))
    assert (model.predict(Xt[200:]) == model.teacher_.predict(X[200:])).mean() > 0.8


def test_no_true_label_of_a_pair_is_needed():
    """The source's side of the pairs has the guess of a teacher that has never seen it."""
    X, y, Xt, _ = seen_twice(n=300, doubt=0.1)
    teacher = LogisticRegression().fit(X[200:], y[200:])
    guesses = np.where(np.arange(300) < 200, teacher.predict(X), y)
    model, cheat = (
        CrossModalDistillation(teacher).fit(X, v, target=Domain(Xt), pairs=paired(200)) for v in (guesses, y)
    )
    np.testing.assert_array_equal(model.predict_proba(Xt), cheat.predict_proba(Xt))
    assert model.score(Xt[200:], y[200:]) > 0.85
