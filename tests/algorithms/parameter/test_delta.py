import numpy as np
import pytest
import torch

from source_networks import conv_source, epochs, images, mlp_source, rows, same_network
from transferkit import DELTA, FineTuning, ParamError
from transferkit.algorithms.parameter.delta import _Behaviour
from transferkit.engine.backbones import load_backbone
from transferkit.engine.networks.network import Network
from transferkit.engine.training.objective import Stream
from transferkit.ops.nn.heads import Head


def test_the_penalty_is_that_of_the_formula():
    source = conv_source()
    network = Network(source, Head(8, 2))
    with torch.no_grad():
        network.body.conv1.weight.add_(0.1)
    network.eval()
    weights = torch.softmax(torch.arange(6.0), dim=0)
    term = _Behaviour(network, source.body.eval(), {"bn1": weights}, reg=0.4, reg_head=0.2)
    x = torch.randn(5, 3, 8, 8, generator=torch.Generator().manual_seed(0))
    features = network.features(x)
    got = term({"target": Stream(x, None, torch.arange(5))}, features, None, 0.0)
    now, known = (b.bn1(b.conv1(x)).detach().numpy().astype(float) for b in (network.body, source.body))
    squares = ((now - known) ** 2).sum(axis=(2, 3))  # (rows, channels)
    expected = 0.4 / 2 * 6 / 64 * (squares * weights.numpy()).sum(axis=1).mean()
    assert got["maps"].item() == pytest.approx(expected, rel=1e-4)
    assert got["head"].item() == pytest.approx(0.1 * network.head.out.weight.square().sum().item(), rel=1e-5)
    got["maps"].backward()
    assert network.body.conv1.weight.grad.abs().sum() > 0
    assert network.body.conv2.weight.grad is None or not network.body.conv2.weight.grad.any()


def test_without_penalties_it_is_fine_tuning():
    X, y = rows()
    plain = FineTuning(mlp_source(), training=epochs()).fit(X, y)
    assert same_network(DELTA(mlp_source(), reg=0, reg_head=0, training=epochs()).fit(X, y), plain)


@pytest.mark.parametrize("attention", [True, False])
def test_a_large_penalty_keeps_the_features(attention):
    X, y = rows()
    source = mlp_source()
    sgd = epochs(30, optimizer="sgd", lr=0.002)
    with torch.no_grad():
        before = source.body(torch.as_tensor(X)).numpy()
    moved = [
        np.square(DELTA(source, reg=reg, attention=attention, training=sgd).fit(X, y).transform(X) - before).mean()
        for reg in (0.0, 20.0)
    ]
    assert moved[1] < 0.05 * moved[0]


class OneFilterMatters(torch.nn.Module):
    """Channel 2 of 4 sees the class (the sign of the first column); the others see nothing of it."""

    def __init__(self):
        super().__init__()
        self.first = torch.nn.Linear(3, 4)
        self.second = torch.nn.Linear(4, 4)
        with torch.no_grad():
            self.first.weight.copy_(torch.tensor([[0, 1.0, 0], [0, 0, 1.0], [1.0, 0, 0], [0, 1.0, 1.0]]))
            self.second.weight.copy_(torch.eye(4))
            self.first.bias.zero_()
            self.second.bias.zero_()

    def forward(self, x):
        return self.second(torch.tanh(self.first(x)))


def test_attention_goes_to_the_filter_that_matters():
    X = np.random.default_rng(0).normal(size=(80, 3)).astype(np.float32)
    y = X[:, 0] > 0
    source = load_backbone(OneFilterMatters(), sample=X[0])
    model = DELTA(source, layers=["first"], attention_rows=80, training=epochs(1)).fit(X, y.astype(int))
    weights = model.attention_["first"]
    assert weights.argmax() == 2
    assert weights.sum() == pytest.approx(1)
    # one rise d and three of about 0 standardise to sqrt(3) and -1/sqrt(3)
    exact = np.exp(np.array([-1, -1, 3, -1]) / np.sqrt(3) / 5)
    np.testing.assert_allclose(weights, exact / exact.sum(), atol=0.02)
    even = DELTA(source, layers=["first"], attention=False, training=epochs(1)).fit(X, y.astype(int))
    np.testing.assert_allclose(even.attention_["first"], 0.25)


def test_it_learns_images_with_the_last_parts_and_leaves_no_hook():
    X, y = images()
    model = DELTA(conv_source(), layers=2, training=epochs(8)).fit(X, y)
    assert model.score(X, y) > 0.9
    assert {len(w) for w in model.attention_.values()} == {8}
    assert len(model.attention_) == 2
    assert not any(m._forward_hooks for m in model.network_.modules())


def test_noise_of_dropout_is_no_distance():
    net = torch.nn.Sequential(torch.nn.Linear(6, 8), torch.nn.Dropout(0.5), torch.nn.Linear(8, 8))
    X, y = rows()
    model = DELTA(net, attention=False, training=epochs(1, lr=1e-9)).fit(X, y)
    assert model.history_[0]["train/maps"] == pytest.approx(0, abs=1e-6)
    assert model.network_.body[1].p == 0.5


def test_layers_that_are_not_there_are_named():
    X, y = rows()
    with pytest.raises(ParamError, match=r"DELTA\.fit: layers must match modules, such as .*'conv9'"):
        DELTA(mlp_source(), layers=["conv9"], training=epochs(1)).fit(X, y)
