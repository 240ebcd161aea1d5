import numpy as np
import pytest
import torch

from source_networks import conv_source, epochs, images, mlp_source, rows, same_network
from transferkit import L2SP, FineTuning
from transferkit.algorithms.parameter.l2_sp import _StartingPoint
from transferkit.engine.networks.network import Network
from transferkit.ops.nn.heads import Head


def test_penalties_and_their_gradients_are_those_of_the_formula():
    network = Network(mlp_source(), Head(12, 3))
    term = _StartingPoint(network, reg=0.3, reg_head=0.7)
    start = [p.detach().clone() for p in network.body.parameters()]
    with torch.no_grad():
        for k, p in enumerate(network.body.parameters()):
            p.add_(torch.randn(p.shape, generator=torch.Generator().manual_seed(k)))
    parts = term({}, None, None, 0.0)
    moved = [(p.detach() - s).numpy() for p, s in zip(network.body.parameters(), start)]
    assert parts["start"].item() == pytest.approx(0.15 * sum((m**2).sum() for m in moved), rel=1e-5)
    weight = network.head.out.weight.detach().numpy()
    assert parts["head"].item() == pytest.approx(0.35 * (weight**2).sum(), rel=1e-5)
    (parts["start"] + parts["head"]).backward()
    for p, m in zip(network.body.parameters(), moved):
        np.testing.assert_allclose(p.grad.numpy(), 0.3 * m, rtol=1e-5)
    np.testing.assert_allclose(network.head.out.weight.grad.numpy(), 0.7 * weight, rtol=1e-5)
    assert network.head.out.bias.grad is None


def test_without_penalty_it_is_fine_tuning():
    X, y = rows()
    plain = FineTuning(mlp_source(), training=epochs()).fit(X, y)
    assert same_network(L2SP(mlp_source(), reg=0, reg_head=0, training=epochs()).fit(X, y), plain)


def test_a_large_penalty_keeps_the_body_where_it_was():
    X, y = rows()
    sgd = epochs(20, optimizer="sgd", lr=0.01, momentum=0.0)
    held = L2SP(mlp_source(), reg=50.0, training=sgd).fit(X, y)
    free = L2SP(mlp_source(), reg=0.0, training=sgd).fit(X, y)
    assert held.facts_["distance"] < 0.1 * free.facts_["distance"]
    assert free.facts_["distance"] > 0.1


def test_weight_decay_of_the_optimizer_does_not_add_to_it():
    X, y = rows()
    settings = epochs(weight_decay=0.3)
    assert same_network(
        L2SP(mlp_source(), training=settings).fit(X, y), L2SP(mlp_source(), training=epochs()).fit(X, y)
    )
    assert settings.weight_decay == 0.3


def test_it_learns_images_and_leaves_the_source_as_it_was():
    X, y = images()
    source = conv_source()
    before = {k: v.clone() for k, v in source.body.state_dict().items()}
    model = L2SP(source, reg=0.01, training=epochs(8)).fit(X, y)
    assert model.score(X, y) > 0.9
    assert all(torch.equal(before[k], v) for k, v in source.body.state_dict().items())
    assert {"train/start", "train/head", "train/task"} <= set(model.history_[0])
