"""Co-training: the paper's rounds, its product of views, and a view that moved is taught by the one that did not."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy import sparse
from sklearn.feature_selection import f_classif
from sklearn.linear_model import LogisticRegression
from sklearn.naive_bayes import GaussianNB

from transferkit import CoTraining, Domain, ParamError, SourceOnly
from transferkit.algorithms.co_adaptation.co_training import _deal, _informative, _merge, _surest


def two_views(seed, n=120, moved=4.0):
    """Either half of the columns tells the class, independently given it; in the target the second half has moved."""
    rng = np.random.default_rng(seed)
    y, yt = np.arange(n) % 2, np.arange(n) % 2
    X, Xt = (rng.normal(size=(n, 6)) + 1.5 * c[:, None] for c in (y, yt))
    Xt[:, 3:] -= moved * np.array([1.0, 1.0, 0.0])
    return X, y, Xt, yt


VIEWS = ([0, 1, 2], [3, 4, 5])


def test_the_rounds_are_those_of_table_1():
    """The same by hand: fit both views on L, move the surest rows of each class from U to L, repeat."""
    X, y, Xt, _ = two_views(0, 40)
    model = CoTraining(VIEWS, n_rounds=3, n_rows=4, estimator=GaussianNB()).fit(X, y, target=Domain(Xt))
    L, labels, U = X, y, list(range(40))
    done = []
    for _ in range(3):
        picked = {}
        for v in VIEWS:
            proba = GaussianNB().fit(L[:, v], labels).predict_proba(Xt[U][:, v])
            for c in (0, 1):
                own = [(-proba[i, c], i) for i in range(len(U)) if proba[i].argmax() == c]
                for p, i in sorted(own)[:2]:
                    if i not in picked or -p > picked[i][0]:
                        picked[i] = (-p, c)
        done += [(U[i], c) for i, (_, c) in sorted(picked.items())]
        L = np.vstack([X, Xt[[i for i, _ in done]]])
        labels = np.concatenate([y, [c for _, c in done]])
        U = [i for i in range(40) if i not in dict(done)]
    assert sorted(zip(model.pseudo_index_.tolist(), model.pseudo_labels_.tolist())) == sorted(done)
    assert model.n_iter_ == 3
    views = [GaussianNB().fit(L[:, v], labels).predict_proba(Xt[:, v]) for v in VIEWS]
    product = views[0] * views[1]
    assert_allclose(model.predict_proba(Xt), product / product.sum(axis=1, keepdims=True), atol=1e-9)


def test_a_view_that_moved_is_taught_by_the_other():
    gains = []
    for seed in range(5):
        X, y, Xt, yt = two_views(seed)
        model = CoTraining(VIEWS).fit(X, y, target=Domain(Xt))
        gains.append(model.score(Xt, yt) - SourceOnly().fit(X, y, target=Domain(Xt)).score(Xt, yt))
        alone = LogisticRegression().fit(X[:, 3:], y).score(Xt[:, 3:], yt)
        assert model.estimators_[1].score(Xt[:, 3:], yt) > alone + 0.1
    assert np.mean(gains) > 0.05


def test_every_row_is_labelled_once_and_known_ones_never():
    X, y, Xt, yt = two_views(0)
    known = np.arange(120) < 10
    model = CoTraining().fit(X, y, target=Domain(Xt, yt, known))
    assert len(np.unique(model.pseudo_index_)) == len(model.pseudo_index_)
    assert not known[model.pseudo_index_].any()
    everything = CoTraining().fit(X, y, target=Domain(Xt, yt))
    assert everything.n_iter_ == 0
    few = CoTraining(n_rounds=2, n_rows=2, pool=30).fit(X, y, target=Domain(Xt))
    assert len(few.pseudo_index_) <= 2 * 2 * 2


def test_columns_are_ranked_as_by_their_f_statistic():
    rng = np.random.default_rng(0)
    y = np.arange(60) % 3
    X = rng.normal(size=(60, 7)) + np.outer(y, rng.normal(size=7))
    share = _informative(X, np.eye(3)[y])
    f, _ = f_classif(X, y)
    assert_allclose(share / (1 - share) * 57 / 2, f)  # F = (between / 2) / (within / 57)
    assert_allclose(_informative(sparse.csr_matrix(X), np.eye(3)[y]), share)
    assert _informative(np.ones((6, 1)), np.eye(3)[y[:6]]) == 0


def test_columns_are_dealt_in_turn():
    one, two = _deal(np.array([0.9, 0.1, 0.8, 0.5, 0.3]))
    assert_array_equal(one, [0, 1, 4])  # ranks 0, 3 and 4
    assert_array_equal(two, [2, 3])
    one, two = _deal(np.array([0.4]))
    assert_array_equal(one, two)


def test_each_class_gets_its_quota_and_the_surer_view_wins():
    proba = np.array([[0.9, 0.1], [0.6, 0.4], [0.7, 0.3], [0.2, 0.8]])
    taken, codes, sure = _surest(proba, np.array([2, 2]))
    assert_array_equal(taken, [0, 2, 3])
    assert_array_equal(codes, [0, 0, 1])
    assert_allclose(sure, [0.9, 0.7, 0.8])
    rows, found = _merge((taken, codes, sure), (np.array([2, 1]), np.array([1, 1]), np.array([0.75, 0.9])))
    assert_array_equal(rows, [0, 1, 2, 3])
    assert_array_equal(found, [0, 1, 1, 1])


def test_views_have_to_name_columns():
    X, y, Xt, _ = two_views(0, 20)
    for views in ([0, 1], ([0], []), ([0], [1], [2]), ([0.5], [1.5]), "01"):
        with pytest.raises(ParamError, match=r"CoTraining\.fit: views must be None, or be two lists of column numbers"):
            CoTraining(views).fit(X, y, target=Domain(Xt))
    for views in (([0], [6]), ([-1], [2])):
        with pytest.raises(ParamError, match=r"CoTraining\.fit: views must name columns of X, 0 to 5"):
            CoTraining(views).fit(X, y, target=Domain(Xt))
