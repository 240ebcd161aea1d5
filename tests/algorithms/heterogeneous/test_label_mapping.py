"""Label mapping: finer classes add up, coarser ones narrow down, a source that says nothing leaves the target's own classifier."""

import numpy as np
import pytest
from sklearn.dummy import DummyClassifier
from sklearn.linear_model import LogisticRegression

from transferkit import Domain, DomainError, LabelMapping


def kinds(seed=0, n=240, noise=1.0):
    """Four kinds on a square; the coarse class is the column."""
    rng = np.random.default_rng(seed)
    kind = np.arange(n) % 4
    X = noise * rng.normal(size=(n, 2)) + 4 * np.column_stack([kind // 2, kind % 2])
    return X, np.array(["cat", "dog", "car", "bus"])[kind], np.array(["animal", "machine"])[kind // 2], kind


def test_finer_source_classes_add_up():
    X, fine, coarse, _kind = kinds()
    known = np.arange(240) < 12
    target = Domain(X, coarse, known)
    given = LabelMapping({"cat": "animal", "dog": "animal", "car": "machine", "bus": "machine"}, refine=False).fit(
        X, fine, target=Domain(X)
    )
    p = given.source_estimator_.predict_proba(X)
    animal = np.isin(given.source_classes_, ["cat", "dog"])
    np.testing.assert_allclose(given.predict_proba(X)[:, 0], p[:, animal].sum(axis=1))
    learned = LabelMapping().fit(X, fine, target=target)
    assert learned.mapping_ == {"cat": "animal", "dog": "animal", "car": "machine", "bus": "machine"}
    assert min(given.score(X, coarse), learned.score(X, coarse)) > 0.94
    np.testing.assert_allclose(learned.relation_.sum(axis=0), 1)


def test_coarser_source_classes_narrow_down():
    """The source knows the column, a few labels the row: together they beat the labels alone."""
    gains = []
    for seed in range(6):
        X, fine, coarse, _ = kinds(seed, noise=1.5)
        known = np.arange(240) < 8
        model = LabelMapping(smoothing=0.1).fit(X, coarse, target=Domain(X, fine, known))
        alone = LogisticRegression().fit(X[known], fine[known])
        gains.append(model.score(X[~known], fine[~known]) - alone.score(X[~known], fine[~known]))
    assert np.mean(gains) > 0.005, gains
    # p(t | s, x) of a given mapping is the target's own classifier, among the classes that s stands for.
    given = LabelMapping({"animal": ["cat", "dog"], "machine": ["car", "bus"]}).fit(
        X, coarse, target=Domain(X, fine, known)
    )
    p, q = given.source_estimator_.predict_proba(X)[:, 0], alone.predict_proba(X)
    of = {c: k for k, c in enumerate(given.classes_)}
    expected = p * q[:, of["cat"]] / (q[:, of["cat"]] + q[:, of["dog"]])
    np.testing.assert_allclose(given.predict_proba(X)[:, of["cat"]], expected, atol=1e-6)
    np.testing.assert_allclose(given.predict_proba(X).sum(axis=1), 1)


def test_a_source_that_says_nothing_changes_nothing():
    X, fine, coarse, _ = kinds()
    known = np.arange(240) < 20
    model = LabelMapping(estimator=DummyClassifier(strategy="prior")).fit(X, fine, target=Domain(X, coarse, known))
    model.target_estimator_ = LogisticRegression().fit(X[known], coarse[known])
    np.testing.assert_allclose(model.predict_proba(X), model.target_estimator_.predict_proba(X), atol=1e-9)


def test_other_names_are_matched_one_to_one():
    """The same four kinds, called by numbers: one label each is enough for the names."""
    X, fine, _, kind = kinds(noise=0.7)
    model = LabelMapping(one_to_one=True, refine=False, smoothing=0.0).fit(
        X, fine, target=Domain(X, 10 * kind, np.arange(240) < 4)
    )
    assert model.mapping_ == {"cat": 0, "dog": 10, "car": 20, "bus": 30}
    assert model.score(X, 10 * kind) > 0.95
    assert set(np.unique(model.relation_)) == {0.0, 1.0}


def test_the_mean_of_the_sources_answers():
    X, fine, coarse, _ = kinds()
    known = np.arange(240) < 12
    plain = LabelMapping(smoothing=0.0).fit(X, fine, target=Domain(X, coarse, known))
    p = plain.source_estimator_.predict_proba(X)
    np.testing.assert_allclose(plain.relation_[:, 0], p[known & (coarse == "animal")].mean(axis=0))
    smooth = LabelMapping(smoothing=6.0).fit(X, fine, target=Domain(X, coarse, known))
    np.testing.assert_allclose(smooth.relation_, (plain.relation_ + p.mean(axis=0)[:, None]) / 2)


def test_what_cannot_be_mapped_is_named():
    X, fine, coarse, _ = kinds()
    for model, target, words in (
        (LabelMapping(), Domain(X), "target must have a few known labels, or mapping"),
        (LabelMapping(), Domain(X, coarse, np.arange(240) < 1), "target must have two classes"),
        (
            LabelMapping({"cow": "animal", "dog": "machine"}),
            Domain(X),
            "mapping must name the source's classes, bus.*Got 'cow'",
        ),
        (
            LabelMapping({"cat": "a", "dog": "b"}),
            Domain(X, coarse == "animal"),
            "target.y and mapping must name.* Got 'a'",
        ),
        (LabelMapping(), Domain(X, np.full(240, np.nan)), "target.y and mapping must name.* Got nan"),
        (LabelMapping({"cat": []}), Domain(X), "target must have two classes"),
    ):
        with pytest.raises(DomainError, match=rf"^LabelMapping\.fit: {words}"):
            model.fit(X, fine, target=target)
