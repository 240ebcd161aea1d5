"""DeViSE: the ranking loss by hand, unit descriptions, classes without a row, and names through a text network."""

import itertools

import numpy as np
import pytest

torch = pytest.importorskip("torch")

import transferkit  # noqa: E402
from transferkit import DeViSE, DomainError, Training  # noqa: E402
from transferkit.algorithms.cross_modal.devise import _Rank  # noqa: E402
from transferkit.engine.training.objective import Stream  # noqa: E402
from transferkit.ops.zero_shot import describe  # noqa: E402

ATTRIBUTES = {"".join(map(str, bits)): 2.0 * np.array(bits) - 1 for bits in itertools.product((0, 1), repeat=3)}
UNSEEN = ("011", "100")
TRAINING = Training(n_epochs=12, lr=0.1, body_lr_scale=1.0, device="cpu", progress=False)


def world(seed=0, n=240):
    rng = np.random.default_rng(seed)
    names = np.array(sorted(ATTRIBUTES))[rng.integers(0, 8, n)]
    X = np.array([ATTRIBUTES[c] for c in names]) @ rng.normal(size=(3, 10)) + 0.1 * rng.normal(size=(n, 10))
    return X.astype(np.float32), names, ~np.isin(names, UNSEEN)


def test_the_loss_is_the_papers_over_the_seen_classes():
    described = describe("here", {c: [1.0] for c in "abcd"}, np.array(["a", "c", "d"]), lambda texts: texts)
    scores = torch.tensor([[0.5, 9.0, 0.45, 0.1], [0.0, -9.0, 0.2, 0.3]])
    batch = {"target": Stream(None, torch.tensor([0, 2]), None)}
    found = _Rank(described, 0.1)(batch, None, scores, 0.0)["rank"]
    by_hand = [0.1 - 0.5 + 0.45, 0.1 - 0.2 + 0.3]  # the second class has no row; the others violate no margin
    assert found.item() == pytest.approx(np.mean(by_hand), abs=1e-6)


def test_unseen_combinations_of_attributes_are_known_without_a_row(tmp_path):
    X, y, seen = world()
    model = DeViSE(torch.nn.Identity(), ATTRIBUTES, candidates="unseen", training=TRAINING).fit(X[seen], y[seen])
    assert tuple(model.unseen_classes_) == UNSEEN
    assert model.score(X[~seen], y[~seen]) > 0.95
    np.testing.assert_allclose(model.network_.head.descriptions.norm(dim=1), 1, rtol=1e-6)
    every = DeViSE(torch.nn.Identity(), ATTRIBUTES, training=TRAINING).fit(X[seen], y[seen])
    assert every.score(X, y) > 0.8
    with_handicap = every.set_params(calibration=1000.0).fit(X[seen], y[seen])
    assert np.isin(with_handicap.predict(X), UNSEEN).all()
    modules = {"Identity": torch.nn.Identity()}
    loaded = transferkit.load(transferkit.save(with_handicap, tmp_path / "m"), modules=modules)
    np.testing.assert_array_equal(loaded.decision_function(X), with_handicap.decision_function(X))


def test_texts_go_through_the_embedding(monkeypatch):
    from transferkit.algorithms.cross_modal import devise

    monkeypatch.setattr(devise, "embed_texts", lambda where, model, texts: np.array([ATTRIBUTES[t] for t in texts]))
    X, y, seen = world()
    found = [
        DeViSE(torch.nn.Identity(), given, training=TRAINING).fit(X[seen], y[seen]).decision_function(X)
        for given in (ATTRIBUTES, {c: c for c in ATTRIBUTES})
    ]
    np.testing.assert_array_equal(*found)


def test_a_description_without_a_direction_is_refused():
    X, y, seen = world()
    with pytest.raises(DomainError, match=r"^DeViSE\.fit: descriptions must have a direction"):
        DeViSE(torch.nn.Identity(), {**ATTRIBUTES, "100": np.zeros(3)}).fit(X[seen], y[seen])


def test_descriptions_of_any_size_are_directions():
    X, y, seen = world()
    sizes = dict(zip(ATTRIBUTES, [1e-200, 1e-60, 1e-5, 1.0, 1e5, 1e60, 1e200, 1e300]))
    training = Training(n_epochs=1, lr=0.1, device="cpu", progress=False)
    found = [
        DeViSE(torch.nn.Identity(), given, training=training).fit(X[seen], y[seen]).network_.head.descriptions.numpy()
        for given in (ATTRIBUTES, {c: sizes[c] * v for c, v in ATTRIBUTES.items()})
    ]
    np.testing.assert_allclose(*found, rtol=1e-6)
