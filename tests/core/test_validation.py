"""What every fit starts with: each thing that can be wrong is said in the words of its argument."""

import numpy as np
import pandas as pd
import pytest
from scipy import sparse
from sklearn.linear_model import LogisticRegression, Ridge

from transferkit import CORAL, Domain, DomainError, ParamError, SourceOnly
from transferkit.core.validation import check_rows, check_tasks, check_transfer, task_of

RNG = np.random.default_rng(0)
X, Y = RNG.normal(size=(12, 3)), np.arange(12) % 3
XT = RNG.normal(size=(7, 3))


def check(est=None, X=X, y=Y, target=None, **options):
    return check_transfer(est or CORAL(), X, y, Domain(XT) if target is None else target, **options)


def test_what_comes_out():
    known = np.arange(7) < 2
    data = check(target=Domain(XT.astype(np.float32), np.array([2, 0, 9, 9, 9, 9, 9]), known), groups=["a"] * 12)
    assert data.Xs.dtype == data.Xt.dtype == np.float64
    assert data.task == "classification"
    assert data.classes.tolist() == [0, 1, 2]
    assert data.yt.tolist() == [2, 0]
    assert data.codes_t.tolist() == [2, 0]
    np.testing.assert_array_equal(data.codes, Y)
    np.testing.assert_array_equal(data.Xt_known, XT[:2].astype(np.float32))
    assert data.groups.tolist() == ["a"] * 12


def test_float32_stays_float32():
    data = check(X=X.astype(np.float32))
    assert data.Xs.dtype == data.Xt.dtype == np.float32


def test_the_estimator_learns_its_features_and_classes():
    est = CORAL()
    check(est, X=pd.DataFrame(X, columns=list("abc")), target=Domain(pd.DataFrame(XT, columns=list("abc"))))
    assert est.n_features_in_ == 3
    assert est.feature_names_in_.tolist() == ["a", "b", "c"]
    assert est.classes_.tolist() == [0, 1, 2]


@pytest.mark.parametrize(
    ("estimator", "y", "task"),
    [
        (None, [0, 1, 2], "classification"), (None, [0.0, 1.0, 2.0], "classification"),
        (None, ["a", "b"], "classification"),
        (None, [0.5, 1.0, 2.0], "regression"), (Ridge(), [0, 1, 2], "regression"),
        (LogisticRegression(), [0.5, 1.5], "classification"),
    ],
)  # fmt: skip
def test_the_task(estimator, y, task):
    assert task_of(estimator, np.array(y)) == task


def test_a_regression_has_no_classes():
    data = check(y=Y + 0.5, target=Domain(XT, np.where(np.arange(7) < 1, 1.5, np.nan), np.arange(7) < 1))
    assert data.task == "regression"
    assert data.classes is None
    assert data.yt.tolist() == [1.5]


def test_classes_of_an_earlier_fit_are_forgotten():
    est = CORAL()
    check(est)
    check(est, y=Y + 0.5)
    assert not hasattr(est, "classes_")


HALF = np.arange(7) < 3


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"target": XT}, r"target must be a Domain, as in target=Domain\(X_target\)\. Got ndarray"),
        ({"y": None}, "y must hold the source's labels"),
        ({"X": X[:, 0]}, "X and y must be usable"),
        ({"X": X[:5]}, "X and y must be usable .*inconsistent"),
        ({"X": np.where(X > 1, np.nan, X)}, "X and y must be usable .*NaN"),
        ({"X": X[:1], "y": Y[:1]}, "X and y must be usable .*1 sample"),
        ({"X": X.astype(complex)}, "X and y must be usable .*[Cc]omplex"),
        ({"y": np.zeros(12, int)}, r"y must hold at least two classes\. Got 1 class"),
        (
            {"y": Y + 0.5, "est": CORAL(estimator=LogisticRegression())},
            "y must hold classes, .*Unknown label type: continuous",
        ),
        ({"target": Domain(XT[:, :2])}, "target.X must be usable .*2 features"),
        ({"target": Domain(np.where(XT > 0.5, np.inf, XT))}, "target.X must be usable .*infinity"),
        ({"target": Domain(XT[:0])}, "target.X must be usable .*0 sample"),
        (
            {"target": Domain(XT, np.full(7, 5), HALF)},
            r"target.y must hold classes of the source only\. Got new classes \[5\]",
        ),
        ({"target": Domain(XT, np.full(7, "a"), HALF)}, "target.y must have labels of the source's type"),
        (
            {"y": Y + 0.5, "target": Domain(XT, np.full(7, np.nan), HALF)},
            "target.y must be finite numbers where it is known",
        ),
        ({"groups": np.array([0] * 6 + ["a"] * 6, dtype=object)}, r"groups must be names of one type\. Got int, str"),
        ({"groups": ["a", "b"]}, r"groups must name the source domain of each of the 12 rows\. Got shape \(2,\)"),
    ],
)
def test_what_is_wrong_is_named(wrong, said):
    with pytest.raises(DomainError, match=rf"^CORAL\.fit: {said}") as caught:
        check(**wrong)
    assert isinstance(caught.value, ValueError)


def test_sparse_rows_are_refused_where_a_method_does_not_take_them():
    for wrong in ({"X": sparse.csr_matrix(X)}, {"target": Domain(sparse.csr_matrix(XT))}):
        with pytest.raises((DomainError, TypeError), match=r"[Ss]parse"):
            check(**wrong)


def test_parameters_come_first():
    with pytest.raises(ParamError, match=r"CORAL\.fit: reg must"):
        check(CORAL(reg=-1), X="nonsense")


def test_options():
    assert check(target=Domain(XT, np.full(7, 5)), new_classes=True).yt.tolist() == [5] * 7
    data = check(SourceOnly(), X=sparse.coo_matrix(X), target=Domain(sparse.csc_matrix(XT)), accept_sparse=True)
    assert data.Xs.format == data.Xt.format == "csr"
    np.testing.assert_array_equal(data.Xt.toarray(), XT)


def test_rows_for_a_fitted_method():
    est = CORAL()
    check(est)
    assert check_rows(est, XT.tolist()).dtype == np.float64
    with pytest.raises(ValueError, match="2 features"):
        check_rows(est, XT[:, :2])


@pytest.mark.parametrize(
    ("tasks", "said"),
    [
        ([], "non-empty sequence"), (X, "non-empty sequence of Domain"), ([Domain(X, Y), X], "non-empty sequence of Domain"),
        ([Domain(X, Y, name="a"), Domain(X, Y, name="a")], r"names of their own\. Got \['a', 'a'\]"),
        ([Domain(X, Y, name="a"), Domain(X, name="b")], "task 'b' must have known labels"),
        ([Domain(X, Y, name="a"), Domain(X[:, :2], Y, name="b")], "task 'b' must have 3 features like the first. Got 2"),
        ([Domain(np.where(X > 1, np.nan, X), Y, name="a")], "task 'a' must have usable rows.*NaN"),
    ],
)  # fmt: skip
def test_tasks_that_cannot_be_used(tasks, said):
    with pytest.raises(DomainError, match=rf"^CORAL\.partial_fit: .*{said}"):
        check_tasks(CORAL(), tasks, method="partial_fit")


def test_tasks_that_can():
    checked = check_tasks(CORAL(), Domain(X.tolist(), Y, name="a"))
    assert [d.name for d in checked] == ["a"]
    assert checked[0].X.shape == (12, 3)


def test_sparse_rows_to_a_dense_method_are_refused_in_our_words():
    X, y = sparse.random_array((20, 3), density=0.5, rng=0, format="csr"), np.arange(20) % 2
    with pytest.raises(DomainError, match=r"CORAL.fit: X must be dense"):
        CORAL().fit(X, y, target=Domain(X.toarray()))
    fitted = CORAL().fit(X.toarray(), y, target=Domain(X.toarray()))
    with pytest.raises(DomainError, match=r"CORAL.predict: X must be dense"):
        fitted.predict(X)
