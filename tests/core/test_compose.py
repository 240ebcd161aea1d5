"""TransferPipeline: the target goes through the same transformers, and nothing else about the method changes."""

import numpy as np
import pandas as pd
import polars as pl
import pytest
from scipy import sparse
from sklearn.base import clone, is_classifier, is_regressor
from sklearn.compose import ColumnTransformer
from sklearn.decomposition import PCA
from sklearn.feature_selection import SelectKBest
from sklearn.linear_model import Ridge
from sklearn.model_selection import GridSearchCV, cross_val_score
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import MaxAbsScaler, OneHotEncoder, StandardScaler
from sklearn.svm import LinearSVC

from transferkit import CORAL, Domain, DomainError, ParamError, SourceOnly, TransferPipeline

RNG = np.random.default_rng(0)
X, Y = RNG.normal(size=(40, 3)) * [1, 10, 100], np.arange(40) % 2
XT = RNG.normal(size=(30, 3)) * [2, 10, 50] + 1
SCALE = ("scale", StandardScaler())


def test_it_is_the_method_on_transformed_domains():
    model = TransferPipeline([SCALE], CORAL()).fit(X, Y, target=Domain(XT))
    scaler = StandardScaler().fit(X)
    by_hand = CORAL().fit(scaler.transform(X), Y, target=Domain(scaler.transform(XT)))
    np.testing.assert_array_equal(model.predict_proba(XT), by_hand.predict_proba(scaler.transform(XT)))
    np.testing.assert_array_equal(
        model.transform(X, domain="source"), by_hand.transform(scaler.transform(X), domain="source")
    )
    assert model.score(XT, Y[:30]) == by_hand.score(scaler.transform(XT), Y[:30])
    assert model.classes_.tolist() == [0, 1]


def test_pooled_transformers_see_both_domains_and_no_label():
    model = TransferPipeline([SCALE], CORAL(), fit_on="pooled").fit(X, Y, target=Domain(XT))
    np.testing.assert_allclose(model.transformer_.named_steps["scale"].mean_, np.vstack([X, XT]).mean(axis=0))
    assert TransferPipeline([SCALE], CORAL()).fit(X, Y, target=Domain(XT)).transformer_[0].mean_[0] == X[:, 0].mean()
    with pytest.raises(ValueError, match="y"):
        TransferPipeline([("pick", SelectKBest(k=1))], CORAL(), fit_on="pooled").fit(X, Y, target=Domain(XT))


@pytest.mark.parametrize("kind", ["pandas", "polars", "sparse"])
@pytest.mark.parametrize("fit_on", ["source", "pooled"])
def test_any_kind_of_rows(kind, fit_on):
    make = {
        "pandas": lambda Z: pd.DataFrame(Z, columns=list("abc")),
        "polars": lambda Z: pl.DataFrame(Z, schema=list("abc")),
        "sparse": sparse.csr_matrix,
    }[kind]
    steps, method = [("scale", MaxAbsScaler())], SourceOnly()
    model = TransferPipeline(steps, method, fit_on).fit(make(X), Y, target=Domain(make(XT)))
    plain = TransferPipeline(steps, method, fit_on).fit(X, Y, target=Domain(XT))
    np.testing.assert_allclose(model.predict_proba(make(XT)), plain.predict_proba(XT), atol=1e-6)


def test_columns_of_a_frame():
    frame = pd.DataFrame({"size": X[:, 0], "kind": np.array(["a", "b"])[Y]})
    steps = [("columns", ColumnTransformer([("n", StandardScaler(), ["size"]), ("c", OneHotEncoder(), ["kind"])]))]
    assert TransferPipeline(steps, CORAL()).fit(frame, Y, target=Domain(frame)).score(frame, Y) == 1.0


def test_known_labels_and_groups_reach_the_method():
    seen = {}

    class Spy(SourceOnly):
        def fit(self, X, y=None, *, target, groups=None):
            seen.update(known=target.known, y=target.y, groups=groups, name=target.name)
            return super().fit(X, y, target=target, groups=groups)

    known = np.arange(30) < 4
    target = Domain(XT, Y[:30], known, name="there")
    TransferPipeline([SCALE], Spy()).fit(X, Y, target=target, groups=np.arange(40) % 3)
    assert seen["known"] is target.known
    assert seen["y"] is target.y
    assert seen["name"] == "there"
    np.testing.assert_array_equal(seen["groups"], np.arange(40) % 3)


def test_nothing_given_is_changed():
    steps, method = [("scale", StandardScaler())], CORAL()
    target = Domain(XT.copy())
    TransferPipeline(steps, method).fit(X, Y, target=target)
    assert not hasattr(steps[0][1], "mean_")
    assert not hasattr(method, "estimator_")
    np.testing.assert_array_equal(target.X, XT)


def test_no_step_is_no_change():
    model = TransferPipeline([], CORAL()).fit(X, Y, target=Domain(XT))
    np.testing.assert_array_equal(model.predict_proba(XT), CORAL().fit(X, Y, target=Domain(XT)).predict_proba(XT))


def test_it_has_what_the_method_has():
    for inner, has_proba in ((None, True), (LinearSVC(), False), (Ridge(), False)):
        model = TransferPipeline([SCALE], CORAL(estimator=inner))
        assert is_regressor(model) == isinstance(inner, Ridge)
        assert is_classifier(model) != isinstance(inner, Ridge)
        assert hasattr(model, "predict_proba") == has_proba
    assert not hasattr(TransferPipeline([SCALE], SourceOnly()), "transform")
    fitted = TransferPipeline([SCALE], CORAL()).fit(X, Y + X[:, 0], target=Domain(XT))
    assert not hasattr(fitted, "classes_")


def test_scikit_learn_can_clone_search_and_validate_it():
    model = TransferPipeline([SCALE, ("pca", PCA(2))], CORAL())
    assert clone(model).get_params()["method__reg"] == 1.0
    assert cross_val_score(model, X, Y, cv=3, params={"target": Domain(XT)}).shape == (3,)
    search = GridSearchCV(model, {"method__reg": [0.1, 1.0]}, cv=2).fit(X, Y, target=Domain(XT))
    assert search.best_params_["method__reg"] in (0.1, 1.0)
    assert search.predict(XT).shape == (30,)


def test_from_fitted_is_the_same_pipeline():
    transformer = make_pipeline(StandardScaler()).fit(X)
    method = CORAL().fit(transformer.transform(X), Y, target=Domain(transformer.transform(XT)))
    whole = TransferPipeline.from_fitted(transformer, method)
    fitted = TransferPipeline(list(transformer.steps), CORAL()).fit(X, Y, target=Domain(XT))
    np.testing.assert_array_equal(whole.predict_proba(XT), fitted.predict_proba(XT))
    assert whole.classes_.tolist() == [0, 1]
    assert isinstance(whole.transformer_, Pipeline)


@pytest.mark.parametrize(
    ("model", "error", "said"),
    [
        (TransferPipeline([SCALE]), ParamError, r"method must be a transfer method\. Got None"),
        (TransferPipeline([SCALE], CORAL), ParamError, "method must be None, or be an estimator object"),
        (
            TransferPipeline([StandardScaler()], CORAL()),
            ParamError,
            r"steps must be a list of \(name, transformer\) pairs",
        ),
        (
            TransferPipeline([("a", Ridge())], CORAL()),
            ParamError,
            r"steps must be a list of \(name, transformer\) pairs",
        ),
        (TransferPipeline([SCALE], CORAL(), fit_on="target"), ParamError, "fit_on must be one of 'source', 'pooled'"),
    ],
)
def test_bad_parameters_are_named(model, error, said):
    with pytest.raises(error, match=rf"^TransferPipeline\.fit: {said}"):
        model.fit(X, Y, target=Domain(XT))


def test_a_target_that_is_none_is_named():
    with pytest.raises(DomainError, match=r"^TransferPipeline\.fit: target must be a Domain\. Got ndarray"):
        TransferPipeline([SCALE], CORAL()).fit(X, Y, target=XT)
