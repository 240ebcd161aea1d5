"""Distillation: the soft fit is exact, the student follows the teacher, and the facts are what they say."""

import numpy as np
import pytest
from scipy import sparse
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
from sklearn.ensemble import ExtraTreesClassifier
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.naive_bayes import GaussianNB
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import StandardScaler

import shifts
import transferkit
from transferkit import CORAL, TCA, Domain, DomainError, ParamError, SourceOnly, TransferPipeline, TransferWarning
from transferkit.core.distil import distil, size_of
from transferkit.core.soft_logistic import fit_soft_logistic, is_plain_logistic
from transferkit.core.vote import Vote

DATA = shifts.moved(0, n=120)
Y = np.array(["ash", "elm", "oak"])[DATA.y]


class Fixed:
    """A teacher that answers what it is told for these rows."""

    def __init__(self, answers, classes=None):
        self.answers = answers
        if classes is not None:
            self.classes_ = np.asarray(classes)
            self.predict_proba = lambda X: answers[: X.shape[0]]

    def predict(self, X):
        if hasattr(self, "classes_"):
            return self.classes_[self.answers[: X.shape[0]].argmax(axis=1)]
        return self.answers[: X.shape[0]]


def vote():
    target = Domain(DATA.Xt)
    models = [m.fit(DATA.X, Y, target=target) for m in (CORAL(centre=True), TCA(n_components=4), SourceOnly())]
    return Vote(models, [3, 2, 1], ["coral", "tca", "source_only"])


def soft(rng, n, k):
    P = rng.dirichlet(np.full(k, 0.5), size=n)
    P[:3] = np.eye(k)[np.arange(3) % k]
    return P


@pytest.mark.parametrize("k", [2, 4])
@pytest.mark.parametrize("make", [np.asarray, sparse.csr_matrix], ids=["dense", "sparse"])
def test_the_soft_fit_is_the_fit_to_every_row_once_a_class(k, make):
    rng = np.random.default_rng(k)
    X, P, w = rng.normal(size=(60, 3)), soft(rng, 60, k), rng.uniform(0.1, 2, 60)
    classes = np.arange(k) * 10
    ours = fit_soft_logistic(LogisticRegression(C=0.7, tol=1e-9, max_iter=5000), make(X), P, w, classes)
    theirs = LogisticRegression(C=0.7, tol=1e-9, max_iter=5000).fit(
        np.repeat(X, k, axis=0), np.tile(classes, 60), sample_weight=(w[:, None] * P).ravel()
    )
    np.testing.assert_allclose(ours.coef_, theirs.coef_, atol=1e-5)
    np.testing.assert_allclose(ours.intercept_, theirs.intercept_, atol=1e-5)
    np.testing.assert_allclose(ours.predict_proba(X), theirs.predict_proba(X), atol=1e-6)
    np.testing.assert_array_equal(ours.predict(X), theirs.predict(X))


def test_a_soft_fit_that_was_cut_short_says_so():
    X, P = np.random.default_rng(0).normal(size=(30, 3)), np.eye(2)[np.arange(30) % 2]
    with pytest.warns(TransferWarning, match="did not converge in max_iter=2"):
        fit_soft_logistic(LogisticRegression(max_iter=2, tol=1e-9), X, P, np.ones(30), np.arange(2))


def test_what_is_a_plain_logistic_regression():
    assert is_plain_logistic(LogisticRegression(C=3, max_iter=7))
    assert not is_plain_logistic(LogisticRegression(class_weight="balanced"))
    assert not is_plain_logistic(GaussianNB())


def test_a_linear_teacher_is_found_again():
    """Cross-entropy to p is least at p: without a penalty, the student of a logistic teacher is the teacher."""
    rng = np.random.default_rng(0)
    X = rng.normal(size=(80, 3))
    W, b = rng.normal(size=(3, 3)), rng.normal(size=3)
    P = np.exp(X @ W.T + b)
    teacher = Fixed(P / P.sum(axis=1, keepdims=True), ["a", "b", "c"])
    found = distil(teacher, X, estimator=LogisticRegression(C=1e8, tol=1e-8, max_iter=5000))
    coef = found.model.coef_
    np.testing.assert_allclose(coef - coef.mean(axis=0), W - W.mean(axis=0), atol=1e-3)
    assert found.facts["agreement"] == 1
    assert found.facts["kl"] == pytest.approx(0, abs=1e-6)


def test_any_classifier_with_weights_can_learn_probabilities():
    """A forest grown to the end keeps the probabilities of the rows it has seen; GaussianNB gets the soft moments."""
    rng = np.random.default_rng(1)
    X, P = rng.normal(size=(50, 4)), soft(rng, 50, 3)
    P = np.where(P < 2e-3, 0, P)
    P /= P.sum(axis=1, keepdims=True)
    teacher = Fixed(P, [0, 1, 2])
    forest = distil(teacher, X, estimator=ExtraTreesClassifier(5, random_state=0)).model
    np.testing.assert_allclose(forest.predict_proba(X), P, atol=1e-9)
    bayes = distil(teacher, X, estimator=make_pipeline(StandardScaler(with_mean=False), GaussianNB())).model[-1]
    np.testing.assert_allclose(bayes.class_prior_, P.mean(axis=0), rtol=1e-6)


def test_a_vote_is_distilled_and_deployed(tmp_path):
    teacher = vote()
    found = distil(teacher, DATA.Xt)
    facts = found.facts
    assert facts["agreement"] > 0.9
    assert facts["agreement"] == facts["students"][facts["student"]]
    assert set(facts["students"]) == {"linear", "kernel", "forest"}
    assert 0 <= facts["kl"] < 0.2
    assert facts["n"] == 120
    assert facts["teacher_bytes"] > facts["student_bytes"] > 0
    assert facts["teacher_seconds"] > 0 < facts["student_seconds"]
    assert found.model.classes_.tolist() == ["ash", "elm", "oak"]
    whole = TransferPipeline.from_fitted(Pipeline([("scale", StandardScaler().fit(DATA.Xt))]), found.model)
    loaded = transferkit.load(transferkit.save(whole, tmp_path / "m"))
    np.testing.assert_array_equal(loaded.predict_proba(DATA.Xt), whole.predict_proba(DATA.Xt))
    again = distil(teacher, DATA.Xt).facts
    assert all(again[k] == facts[k] for k in facts if not k.endswith("seconds"))


def test_the_student_that_follows_is_chosen_and_the_simplest_of_equals():
    rng = np.random.default_rng(0)
    X = rng.uniform(-1, 1, size=(300, 2))
    ring = (np.hypot(*X.T) < 0.7).astype(int)
    found = distil(Fixed(np.eye(2)[ring], [0, 1]), X)
    assert found.facts["student"] != "linear"
    assert found.facts["agreement"] > 0.93
    straight = distil(LogisticRegression().fit(X, X[:, 0] > 0), X)
    assert straight.facts["student"] == "linear"


def test_agreement_is_that_of_rows_not_trained_on():
    """Answers at random cannot be followed, however well a forest remembers them."""
    P = np.eye(2)[np.random.default_rng(0).integers(0, 2, 200)]
    X = np.random.default_rng(1).normal(size=(200, 3))
    found = distil(Fixed(P, [0, 1]), X, estimator=ExtraTreesClassifier(20, random_state=0))
    assert (found.model.predict(X) == P.argmax(axis=1)).all()
    assert 0.35 < found.facts["agreement"] < 0.65


def test_source_labels_join_with_a_small_weight():
    target = Domain(DATA.Xt)
    teacher = SourceOnly().fit(DATA.X, Y, target=target)
    source = Domain(DATA.X, Y, known=np.arange(120) < 60)
    plain, joined = (
        distil(teacher, DATA.X, source=source, weight=w, estimator=LogisticRegression()).model for w in (0, 50)
    )
    alone = distil(teacher, DATA.X, estimator=LogisticRegression()).model
    np.testing.assert_allclose(plain.coef_, alone.coef_, atol=1e-8)
    hard = LogisticRegression(C=100.0).fit(DATA.X[:60], Y[:60])
    assert np.linalg.norm(joined.coef_ - hard.coef_) < np.linalg.norm(alone.coef_ - hard.coef_)


def test_values_are_learned_too():
    y = DATA.X @ np.arange(6.0)
    teacher = Vote([Ridge(a).fit(DATA.X, y) for a in (1, 5)])
    found = distil(teacher, DATA.Xt)
    assert found.facts["student"] == "linear"
    assert found.facts["agreement"] > 0.99
    assert found.facts["kl"] is None
    assert not hasattr(found.model, "classes_")
    joined = distil(teacher, DATA.Xt, source=Domain(DATA.X, y))
    np.testing.assert_allclose(joined.model.predict(DATA.Xt), teacher.predict(DATA.Xt), rtol=0.1, atol=1)


def test_sparse_rows_and_a_class_that_never_wins():
    P = np.column_stack([np.full(40, 0.6), np.full(40, 0.4 - 1e-9), np.full(40, 1e-9)])
    X = sparse.random(40, 5, 0.5, format="csr", random_state=0)
    found = distil(Fixed(P, ["a", "b", "never"]), X)
    assert set(found.model.classes_) == {"a", "b", "never"}
    assert found.facts["agreement"] == 1
    assert found.model.predict_proba(X)[:, 2].max() < 1e-3


def test_size_counts_every_array_once():
    a = np.zeros(1000)
    assert size_of({"k": [a, a]}) - size_of({"k": []}) == 8000
    assert size_of(sparse.eye_array(100, format="csr")) >= 100 * 8
    model = ExtraTreesClassifier(3, random_state=0).fit(DATA.X, Y)
    assert size_of(model) > sum(t.tree_.value.nbytes for t in model.estimators_)


TEACHER = LogisticRegression().fit(DATA.X, Y)


@pytest.mark.parametrize(
    ("error", "teacher", "X", "options", "says"),
    [
        (ParamError, 3, DATA.X, {}, "distil: teacher must be an estimator object with predict"),
        (ParamError, Fixed(np.ones((120, 1)), [7]), DATA.X, {}, r"distil: teacher must know at least two classes. Got \[7\]"),
        (ParamError, TEACHER, DATA.X, {"weight": -1}, r"distil: weight must be a number in \[0"),
        (ParamError, TEACHER, DATA.X, {"n_splits": 1}, r"distil: n_splits must be a whole number in \[2"),
        (ParamError, TEACHER, DATA.X[:4], {}, r"distil: n_splits must be at most the number of target rows \(4\). Got 5"),
        (ParamError, TEACHER, DATA.X, {"random_state": "a"}, "distil: random_state must be None"),
        (ParamError, TEACHER, DATA.X, {"estimator": {}}, "distil: estimator must be an estimator object with fit"),
        (
            ParamError, TEACHER, DATA.X, {"estimator": LinearDiscriminantAnalysis()},
            "distil: estimator must take sample_weight in fit. Got LinearDiscriminantAnalysis",
        ),
        (DomainError, TEACHER, [["a"]], {}, "distil: X_target must be rows of finite numbers"),
        (DomainError, TEACHER, DATA.X, {"source": DATA.X}, "distil: source must be a Domain"),
        (DomainError, TEACHER, DATA.X, {"source": Domain(DATA.X)}, "distil: source must have known labels"),
        (DomainError, TEACHER, DATA.X, {"source": Domain(DATA.X[:, :2], Y)}, "distil: source.X must have the 6 features"),
        (DomainError, TEACHER, DATA.X, {"source": Domain(DATA.X, DATA.y)}, "distil: source.y must hold classes of the"),
    ],
)  # fmt: skip
def test_errors_name_the_argument(error, teacher, X, options, says):
    with pytest.raises(error, match=says):
        distil(teacher, X, **options)
