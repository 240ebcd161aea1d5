"""DSFT: the closed form is the minimum, linear ties are found exactly, columns meet by name, and what it is good for."""

import numpy as np
import pandas as pd
import pytest
from sklearn.linear_model import LogisticRegression

from transferkit import DSFT, Domain, DomainError, ParamError

SHARED = [[0, 1], [1, 2], [2, 3]]


def world(seed=0, n=150):
    """Three shared columns; the source has two more, the target one, in front."""
    rng = np.random.default_rng(seed)
    C, Ct = rng.normal(size=(n, 3)), rng.normal(size=(n, 3)) + np.array([0.5, 0, 0])
    ties, other = rng.normal(size=(3, 2)), rng.normal(size=(3, 1))
    X, Xt = np.hstack([C, C @ ties]), np.hstack([Ct @ other, Ct])
    return X, Xt, (C @ ties)[:, 0] > 0, (Ct @ ties)[:, 0] > 0, Ct @ ties, C @ other


def test_linear_ties_are_found():
    X, Xt, y, yt, lacking, _of_source = world()
    model = DSFT(SHARED, mean_weight=0.0, reg=1e-9).fit(X, y, target=Domain(Xt))
    filled, back = model.transform(Xt), model.transform(X, domain="source")
    mean, scale = model.own_scale_["source"]
    np.testing.assert_allclose(filled[:, 3:5] * scale + mean, lacking, atol=1e-5)
    assert filled.shape[1] == back.shape[1] == 6
    np.testing.assert_allclose(back[:, 3:5] * scale + mean, X[:, 3:])
    assert model.score(Xt, yt) > 0.8


def test_the_closed_form_is_the_minimum():
    rng = np.random.default_rng(0)
    C, D, elsewhere = rng.normal(size=(30, 3)), rng.normal(size=(30, 2)) + 1, rng.normal(size=(20, 3)) + 0.5
    model = DSFT(mean_weight=2.0, reg=0.3)
    W = model._regression(C, D, elsewhere)

    def cost(W):
        gap = D.mean(axis=0) - elsewhere.mean(axis=0) @ W[:3] - W[3]
        return ((D - C @ W[:3] - W[3]) ** 2).sum(axis=1).mean() + 2 * (gap**2).sum() + 0.3 * (W[:3] ** 2).sum()

    for k in range(8):
        step = np.zeros(8)
        step[k] = 1e-4
        assert cost(W) < min(cost(W + step.reshape(4, 2)), cost(W - step.reshape(4, 2)))
    strong = DSFT(mean_weight=1e6, reg=1e-6)._regression(C, D, elsewhere)
    np.testing.assert_allclose(elsewhere.mean(axis=0) @ strong[:3] + strong[3], D.mean(axis=0), atol=1e-3)


def test_columns_meet_by_name():
    X, Xt, y, *_ = world()
    source = pd.DataFrame(X, columns=["a", "b", "c", "old", "older"])
    target = pd.DataFrame(Xt, columns=["new", "a", "b", "c"])
    model = DSFT().fit(source, y, target=Domain(target))
    np.testing.assert_array_equal(model.shared_, SHARED)
    plain = DSFT(SHARED).fit(X, y, target=Domain(Xt))
    np.testing.assert_allclose(model.transform(target), plain.transform(Xt))
    np.testing.assert_array_equal(model.own_["target"], [0])
    with pytest.raises(DomainError, match=r"^DSFT\.fit: target\.X must share columns with X\. The source has a, b"):
        DSFT().fit(source, y, target=Domain(target.rename(columns=str.upper)))
    with pytest.raises(DomainError, match=r"^DSFT\.fit: target\.X must be a data frame like X.*5 and 4 columns"):
        DSFT().fit(X, y, target=Domain(Xt))
    with pytest.raises(DomainError, match=r"^DSFT\.fit: X and target\.X must have the columns of shared"):
        DSFT([[0, 9]]).fit(X, y, target=Domain(Xt))


def test_a_column_of_the_source_alone_helps_where_the_shared_ones_do_not_say_enough():
    """The class follows a column that few known target labels could not teach, and that the shared ones explain."""
    rng = np.random.default_rng(1)
    Z, Zt = rng.normal(size=(400, 8)), rng.normal(size=(400, 8))
    w = rng.normal(size=8)
    old = Z @ w
    y, yt = old > 0, Zt @ w > 0
    X, Xt = np.column_stack([Z, old]), np.column_stack([Zt, rng.normal(size=(400, 6))])
    known = np.arange(400) < 12
    model = DSFT([[k, k] for k in range(8)]).fit(X, y, target=Domain(Xt, yt, known))
    alone = LogisticRegression().fit(Xt[known], yt[known])
    assert model.score(Xt[~known], yt[~known]) > 0.95 > alone.score(Xt[~known], yt[~known])


@pytest.mark.parametrize("shared", [[[0, 0], [1]], np.zeros((0, 2), int), [[0, -1]], "ab", [[0.5, 1.0]]])
def test_what_is_no_pairs_of_columns_is_named(shared):
    X, Xt, y, *_ = world()
    with pytest.raises(ParamError, match=r"^DSFT\.fit: shared must .*be pairs of whole numbers"):
        DSFT(shared).fit(X, y, target=Domain(Xt))
