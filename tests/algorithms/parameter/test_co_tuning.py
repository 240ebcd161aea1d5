import numpy as np
import pytest
import torch
from scipy.special import softmax

from source_networks import conv_source, epochs, images, mlp_source, rows, same_network
from transferkit import CoTuning, Domain, DomainError, FineTuning, ParamError
from transferkit.algorithms.parameter.co_tuning import _direct, _reverse, _SourceTask
from transferkit.engine.training.objective import Stream
from transferkit.ops.label_shift.shares import temperature


def planted(n=600, seed=0):
    """Source classes 0 and 1 are target class 0, source classes 2, 3 and 4 are target class 1."""
    rng = np.random.default_rng(seed)
    s = rng.integers(0, 5, size=n)
    logits = 6.0 * np.eye(5)[s] + rng.normal(size=(n, 5)) * 0.3
    return softmax(logits, axis=1), (s >= 2).astype(int), s


@pytest.mark.parametrize("learn", [_direct, _reverse])
def test_a_planted_relationship_is_found(learn):
    P, y, s = planted()
    found = learn(P, y, 0)
    truth = np.array([[np.mean(s[y == c] == k) for k in range(5)] for c in range(2)])
    np.testing.assert_allclose(found.sum(axis=1), 1, rtol=1e-6)
    np.testing.assert_allclose(found, truth, atol=0.03)


def test_the_reverse_approach_finds_three_target_classes_too():
    rng = np.random.default_rng(0)
    s = rng.integers(0, 4, size=400)
    found = _reverse(softmax(6.0 * np.eye(4)[s], axis=1), np.array([0, 1, 2, 2])[s], 0)
    np.testing.assert_allclose(found[:2], np.eye(4)[:2], atol=0.05)
    np.testing.assert_allclose(found[2], [0, 0, 0.5, 0.5], atol=0.05)


def test_the_loss_is_the_cross_entropy_with_inferred_source_classes():
    relationship = np.array([[0.7, 0.3, 0.0], [0.1, 0.1, 0.8]])
    term = _SourceTask(torch.nn.Linear(4, 3), relationship, 2.0)
    z, y = torch.randn(5, 4, generator=torch.Generator().manual_seed(0)), torch.tensor([0, 1, 1, 0, 1])
    got = term({"target": Stream(None, y, torch.arange(5))}, z, None, 0.0)["source"].item()
    logs = torch.log_softmax(term.head(z), dim=1).detach().numpy()
    assert got == pytest.approx(-2.0 * (relationship[y] * logs).sum(axis=1).mean(), rel=1e-5)


def test_without_trade_off_it_is_fine_tuning():
    X, y = rows()
    plain = FineTuning(mlp_source(), training=epochs()).fit(X, y)
    assert same_network(CoTuning(mlp_source(), trade_off=0, training=epochs()).fit(X, y), plain)


@pytest.mark.parametrize("relationship", ["direct", "reverse"])
def test_it_learns(relationship):
    X, y = rows()
    labels = np.array(["a", "b", "c"])[y]
    model = CoTuning(mlp_source(), relationship=relationship, training=epochs(15)).fit(X, labels)
    assert model.score(X, labels) > 0.9
    assert model.relationship_.shape == (3, 5)
    with torch.no_grad():
        source = mlp_source()
        P = torch.softmax(source.source_head(source.body(torch.as_tensor(X))), dim=1).numpy()
    if relationship == "direct":
        np.testing.assert_allclose(model.relationship_[1], P[y == 1].mean(axis=0), rtol=1e-5)
    images_, of = images()
    assert (
        CoTuning(conv_source(), relationship=relationship, training=epochs(10)).fit(images_, of).score(images_, of)
        > 0.9
    )


def test_source_rows_set_the_temperature():
    X, y = rows()
    source = mlp_source()
    with torch.no_grad():
        logits = source.source_head(source.body(torch.as_tensor(X))).numpy().astype(float)
    labels = logits.argmax(axis=1)
    model = CoTuning(source, source_data=Domain(X, labels), training=epochs(1)).fit(X, y)
    assert model.temperature_ == pytest.approx(temperature(softmax(logits, axis=1), labels), rel=1e-4)
    with pytest.raises(DomainError, match=r"source_data must have labels in 0\.\.4"):
        CoTuning(source, source_data=Domain(X, labels + 3), training=epochs(1)).fit(X, y)


def test_what_cannot_be_used_is_named():
    X, y = rows()
    with pytest.raises(DomainError, match="y must hold one class a row"):
        CoTuning(mlp_source(), training=epochs(1)).fit(X, X[:, 0] + 0.5)
    with pytest.raises(DomainError, match="two rows a class"):
        CoTuning(mlp_source(), relationship="reverse", training=epochs(1)).fit(
            X, np.where(np.arange(len(y)) == 0, 9, y)
        )
    source = mlp_source()
    source.source_head = None
    with pytest.raises(ParamError, match="classifier"):
        CoTuning(source, training=epochs(1)).fit(X, y)
