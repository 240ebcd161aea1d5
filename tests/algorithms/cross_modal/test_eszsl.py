"""ESZSL: the minimum of its objective, unseen combinations of attributes, and calibrated stacking."""

import numpy as np
import pytest

import transferkit
from transferkit import ESZSL, Domain, DomainError
from transferkit.ops.zero_shot import zero_shot_scores

ATTRIBUTES = {f"{a}{b}{c}": np.array([a, b, c]) * 2.0 - 1 for a in (0, 1) for b in (0, 1) for c in (0, 1)}
UNSEEN = ("011", "100")


def world(seed=0, n=400, noise=0.3):
    """Rows show the attributes of their class through a random mixture; two combinations have no row in training."""
    rng = np.random.default_rng(seed)
    names = np.array(sorted(ATTRIBUTES))[rng.integers(0, 8, n)]
    X = np.array([ATTRIBUTES[c] for c in names]) @ rng.normal(size=(3, 10)) + noise * rng.normal(size=(n, 10))
    seen = ~np.isin(names, UNSEEN)
    return X, names, seen


def test_it_is_the_minimum_of_the_papers_objective():
    """The gradient of ||XVS' - Y||^2 + g||VS'||^2 + l||XV||^2 + gl||V||^2 is zero, which is the one-line solution."""
    X, y, seen = world()
    X, y = X[seen] + 3, y[seen]
    model = ESZSL(ATTRIBUTES, reg=0.7, reg_descriptions=0.2).fit(X, y, target=Domain(X))
    Z, classes = X - X.mean(axis=0), np.unique(y)
    S = np.array([ATTRIBUTES[c] for c in classes])
    Y = np.where(y[:, None] == classes, 1, -1)
    g, h = 0.7 * np.trace(Z.T @ Z) / 10, 0.2 * np.trace(S.T @ S) / 3
    V = np.linalg.inv(Z.T @ Z + g * np.eye(10)) @ Z.T @ Y @ S @ np.linalg.inv(S.T @ S + h * np.eye(3))
    np.testing.assert_allclose(model.coef_, V, rtol=1e-8)
    gradient = Z.T @ (Z @ V @ S.T - Y) @ S + g * V @ S.T @ S + h * Z.T @ Z @ V + g * h * V
    np.testing.assert_allclose(gradient, 0, atol=1e-8)


def test_without_descriptions_it_is_least_squares_of_the_indicators():
    X, y, seen = world()
    model = ESZSL(reg_descriptions=1e-9).fit(X[seen], y[seen], target=Domain(X))
    Z, Y = X[seen] - X[seen].mean(axis=0), 2.0 * (y[seen][:, None] == np.unique(y[seen])) - 1
    g = np.trace(Z.T @ Z) / 10
    expected = (X - X[seen].mean(axis=0)) @ np.linalg.solve(Z.T @ Z + g * np.eye(10), Z.T @ Y)
    np.testing.assert_allclose(model.decision_function(X), expected, atol=1e-6)
    assert model.unseen_classes_.size == 0


def test_unseen_combinations_of_attributes_are_known_without_a_row():
    X, y, seen = world(noise=0.1)
    model = ESZSL(ATTRIBUTES, "unused", "unseen").fit(X[seen], y[seen], target=Domain(X[~seen]))
    assert tuple(model.unseen_classes_) == UNSEEN
    assert model.score(X[~seen], y[~seen]) > 0.95
    every = ESZSL(ATTRIBUTES).fit(X[seen], y[seen], target=Domain(X[~seen]))
    assert every.score(X, y) > 0.9, "all attributes are seen on both sides, so that no class is favoured much"


def test_calibration_trades_seen_for_unseen():
    """Few rows and much noise: seen classes win too often, and a constant off their scores helps the harmonic mean."""
    found = []
    for calibration in (0.0, 0.3, 100.0):
        scores = []
        for seed in range(3):
            X, y, seen = world(seed, 300, 1.0)
            own = {c: np.append(v, 3.0 * (np.arange(6) == k)) for k, (c, v) in enumerate(sorted(ATTRIBUTES.items()))}
            train = seen & (np.arange(300) < 150)
            model = ESZSL(own, calibration=calibration).fit(X[train], y[train], target=Domain(X))
            rest = np.arange(300) >= 150
            scores.append(zero_shot_scores(y[rest], model.predict(X[rest]), model.seen_classes_))
        found.append([np.mean([getattr(s, k) for s in scores]) for k in ("seen", "unseen", "harmonic")])
    plain, calibrated, unseen_only = found
    assert calibrated[0] < plain[0]
    assert calibrated[1] > plain[1]
    assert calibrated[2] > plain[2] + 0.05
    assert unseen_only[0] == 0


def test_known_labels_of_the_target_join_in():
    X, y, seen = world()
    model = ESZSL(ATTRIBUTES).fit(X[seen][:100], y[seen][:100], target=Domain(X[seen][100:], y[seen][100:]))
    plain = ESZSL(ATTRIBUTES).fit(X[seen], y[seen], target=Domain(X))
    np.testing.assert_allclose(model.coef_, plain.coef_)


def test_texts_go_through_the_embedding(monkeypatch):
    engine = pytest.importorskip("transferkit.engine.features.text_vectors")
    asked = []
    monkeypatch.setattr(
        engine,
        "embed_texts",
        lambda where, model, texts: asked.append((where, model)) or [ATTRIBUTES[t] for t in texts],
    )
    X, y, seen = world()
    texts = {c: c for c in ATTRIBUTES}
    model = ESZSL(texts, "sentence:any").fit(X[seen], y[seen], target=Domain(X))
    plain = ESZSL(ATTRIBUTES).fit(X[seen], y[seen], target=Domain(X))
    np.testing.assert_array_equal(model.decision_function(X), plain.decision_function(X))
    assert asked == [("ESZSL.fit", "sentence:any")]


def test_a_saved_model_knows_its_unseen_classes(tmp_path):
    X, y, seen = world()
    model = ESZSL(ATTRIBUTES, calibration=0.5).fit(X[seen], y[seen], target=Domain(X))
    loaded = transferkit.load(transferkit.save(model, tmp_path / "m"))
    np.testing.assert_array_equal(loaded.decision_function(X), model.decision_function(X))
    assert tuple(loaded.unseen_classes_) == UNSEEN


def test_a_class_without_a_description_is_named():
    X, y, _ = world()
    with pytest.raises(DomainError, match=r"^ESZSL\.fit: descriptions must hold every class of y. Got none of \['011'"):
        ESZSL({c: v for c, v in ATTRIBUTES.items() if c not in UNSEEN}).fit(X, y, target=Domain(X))


def test_more_columns_than_rows_and_any_size_of_the_numbers():
    """The smaller of the two equal systems is solved, and the ridges go with the data: their size changes nothing."""
    rng = np.random.default_rng(0)
    X, y = rng.normal(size=(12, 40)), np.arange(12) % 3
    given = {c: rng.normal(size=5) for c in range(4)}
    model = ESZSL(given).fit(X, y, target=Domain(X))
    Z, Y, S = X - X.mean(axis=0), 2.0 * (y[:, None] == range(3)) - 1, np.array([given[c] for c in range(3)])
    g, h = np.trace(Z.T @ Z) / 40, np.trace(S.T @ S) / 5
    V = np.linalg.inv(Z.T @ Z + g * np.eye(40)) @ Z.T @ Y @ S @ np.linalg.inv(S.T @ S + h * np.eye(5))
    np.testing.assert_allclose(model.coef_, V, rtol=1e-8)
    for size in (1e-180, 1e180):
        other = ESZSL({c: size * v for c, v in given.items()}).fit(X / size, y, target=Domain(X / size))
        np.testing.assert_allclose(other.decision_function(X / size), model.decision_function(X), rtol=1e-6)
