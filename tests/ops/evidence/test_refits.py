"""Copies of a candidate on other data: its parameters, fresh random states, no target label."""

import numpy as np
import pytest
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.preprocessing import StandardScaler

from transferkit import CORAL, Domain, SourceOnly, TransferPipeline
from transferkit.core.errors import DomainError, ParamError
from transferkit.ops.evidence.kept import kept
from transferkit.ops.evidence.refits import check_recipe, classes_of, refit, task_of_candidate


class Selector:
    """Its name is in the messages."""


def domains():
    rng = np.random.default_rng(0)
    y = np.arange(60) % 3
    return Domain(rng.normal(size=(60, 3)) + 4 * np.eye(3)[y], y), rng.normal(size=(40, 3))


def test_a_copy_is_the_recipe_on_other_rows():
    source, Xt = domains()
    candidate = CORAL(reg=0.3).fit(source.X, source.y, target=Domain(Xt))
    rows = np.arange(30)
    copy = refit(Selector(), candidate, source, rows, Xt[:20], np.random.RandomState(0))
    expected = CORAL(reg=0.3).fit(source.X[rows], source.y[rows], target=Domain(Xt[:20]))
    np.testing.assert_array_equal(copy.predict_proba(Xt), expected.predict_proba(Xt))
    assert copy is not candidate


def test_plain_models_and_pipelines_are_recipes_too():
    source, Xt = domains()
    plain = LogisticRegression().fit(source.X, source.y)
    piped = TransferPipeline([("scale", StandardScaler())], SourceOnly()).fit(source.X, source.y, target=Domain(Xt))
    for candidate in (plain, piped):
        check_recipe(Selector(), candidate)
        copy = refit(Selector(), candidate, source, np.arange(60), Xt, np.random.RandomState(0))
        np.testing.assert_array_equal(copy.predict(Xt), candidate.predict(Xt))


def test_random_states_are_drawn_anew_and_repeatably():
    source, Xt = domains()
    candidate = SourceOnly(RandomForestClassifier(3, max_features=1, random_state=0))
    candidate.fit(source.X, source.y, target=Domain(Xt))
    rng = np.random.RandomState(0)
    one, two = (refit(Selector(), candidate, source, np.arange(60), Xt, rng) for _ in range(2))
    again = refit(Selector(), candidate, source, np.arange(60), Xt, np.random.RandomState(0))
    assert (one.predict_proba(Xt) != two.predict_proba(Xt)).any()
    np.testing.assert_array_equal(one.predict_proba(Xt), again.predict_proba(Xt))
    assert candidate.estimator.random_state == 0


def test_refusals():
    source, Xt = domains()
    with pytest.raises(ParamError, match="candidate must be fitted"):
        check_recipe(Selector(), CORAL())
    with pytest.raises(ParamError, match="cloned and fitted"):
        check_recipe(Selector(), object())
    candidate = CORAL().fit(source.X, source.y, target=Domain(Xt))
    with pytest.raises(DomainError, match=r"^Selector\.score: candidate must fit again"):
        refit(Selector(), candidate, source, np.array([0, 3]), Xt, np.random.RandomState(0))
    with pytest.raises(DomainError, match="two classes or more"):
        classes_of(Selector(), np.zeros(3))


def test_tasks():
    source, Xt = domains()
    numbers = source.y + 0.5
    assert task_of_candidate(LogisticRegression().fit(source.X, source.y), source.y) == "classification"
    assert task_of_candidate(Ridge().fit(source.X, source.y), source.y) == "regression"
    fitted = CORAL().fit(source.X, numbers, target=Domain(Xt))
    assert task_of_candidate(fitted, numbers) == "regression"


def test_kept_by_identity():
    owner, key, calls = Selector(), (np.zeros(2), None, 1.5), []
    assert kept(owner, key, lambda: calls.append(1) or len(calls)) == 1
    assert kept(owner, key, lambda: calls.append(1) or len(calls)) == 1
    assert kept(owner, (np.zeros(2), None, 1.5), lambda: calls.append(1) or len(calls)) == 2
