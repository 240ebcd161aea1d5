"""The plan and the map against POT, known target labels, and the limit on the solver."""

from __future__ import annotations

import numpy as np
import ot
import pytest

from transferkit import Domain, ExactOT
from transferkit.core.errors import ParamError


@pytest.fixture
def domains() -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    y, yt = np.arange(60) % 3, np.arange(45) % 3
    X = rng.normal(size=(60, 3)) + 3 * np.eye(3)[y]
    Xt = (rng.normal(size=(45, 3)) + 3 * np.eye(3)[yt]) * [1, 2, 1] + 2
    return X, y, Xt, yt


def test_plan_and_map_are_those_of_pot(domains: tuple[np.ndarray, ...]) -> None:
    X, y, Xt, _ = domains
    model = ExactOT().fit(X, y, target=Domain(Xt))
    theirs = ot.da.EMDTransport(norm="max").fit(Xs=X, Xt=Xt)
    np.testing.assert_allclose(model.coupling_.toarray(), theirs.coupling_, atol=1e-12)
    np.testing.assert_allclose(model.transform(X, domain="source"), theirs.transform(Xs=X), atol=1e-10)
    new = X[:7] + 0.3
    np.testing.assert_allclose(model.transform(new, domain="source"), theirs.transform(Xs=new), atol=1e-10)


def test_plan_has_uniform_marginals_and_few_entries(domains: tuple[np.ndarray, ...]) -> None:
    X, y, Xt, _ = domains
    plan = ExactOT().fit(X, y, target=Domain(Xt)).coupling_
    np.testing.assert_allclose(plan.sum(axis=1), 1 / 60)
    np.testing.assert_allclose(plan.sum(axis=0), 1 / 45)
    assert plan.nnz <= 60 + 45 - 1


def test_known_labels_keep_other_classes_away(domains: tuple[np.ndarray, ...]) -> None:
    X, y, Xt, yt = domains
    Xt = Xt[:, [1, 2, 0]]  # the free plan now crosses classes
    known = np.arange(45) % 2 == 0
    model = ExactOT()
    for _ in range(2):  # a second fit gives the same: nothing of the first stays in the parameters
        plan = model.fit(X, y, target=Domain(Xt, yt, known)).coupling_.toarray()
        assert plan[:, known][y[:, None] != yt[known]].sum() < 1e-12
    free = ExactOT().fit(X, y, target=Domain(Xt)).coupling_.toarray()
    assert free[:, known][y[:, None] != yt[known]].sum() > 0.1
    assert model.get_params()["limit_max"] == 10.0


def test_known_labels_that_no_plan_can_honour_still_give_one(domains: tuple[np.ndarray, ...]) -> None:
    X, y, Xt, _ = domains
    plan = ExactOT().fit(X, y, target=Domain(Xt, np.zeros(45, dtype=int))).coupling_
    np.testing.assert_allclose(plan.sum(axis=1), 1 / 60)


def test_a_solver_cut_short_is_an_error(domains: tuple[np.ndarray, ...]) -> None:
    X, y, Xt, _ = domains
    with pytest.raises(ParamError, match=r"ExactOT.fit: max_pivots must be larger for 60 by 45 rows"):
        ExactOT(max_pivots=2).fit(X, y, target=Domain(Xt))


def test_regression_carries_the_values_along(domains: tuple[np.ndarray, ...]) -> None:
    X, _, _, _ = domains
    y = X @ [1.0, -1, 2] + 0.1
    model = ExactOT().fit(X, y, target=Domain(X + 5, y, np.arange(60) < 3))
    np.testing.assert_allclose(model.images_, X + 5)
    assert model.score(X + 5, y) > 0.99
