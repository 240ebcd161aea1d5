import numpy as np
import pytest
import torch

from source_networks import conv_source, epochs, images, mlp_source, rows, same_network
from transferkit import BiTuning, DomainError, FineTuning
from transferkit.algorithms.parameter.bi_tuning import _BiTuning
from transferkit.engine.answers.labels import Labels
from transferkit.engine.inputs.views import Views
from transferkit.engine.networks.network import Network
from transferkit.engine.training.objective import Stream
from transferkit.ops.nn.heads import Head


def objective(size=2, temperature=0.5, momentum=0.9, trade_off=1.0):
    torch.manual_seed(0)
    source = mlp_source()
    labels = Labels("classification", 3, np.arange(3))
    views = Views(source.preprocess, 2)
    head, projector = Head(12, 3), torch.nn.Linear(12, 4)
    return _BiTuning(Network(source, head), labels, projector, views, size, trade_off, momentum, temperature)


def batch_of(X, y):
    x = torch.as_tensor(X)
    return {"target": Stream(torch.cat([x, x]), torch.as_tensor(y), torch.arange(len(y)))}


def unit(a):
    return a / np.linalg.norm(a, axis=-1, keepdims=True)


def test_with_empty_queues_only_the_cross_entropy_is_left():
    """A row's own key is then the only one: the logarithm of 1."""
    X, y = rows(6)
    parts = objective()._loss(batch_of(X, y), 0.0)
    assert parts["classifier"].item() == 0
    assert parts["projector"].item() == 0
    assert parts["loss"].item() == parts["task"].item()


def test_the_losses_are_those_of_the_paper():
    X, y = rows(6)
    model = objective(temperature=0.5)
    model._loss(batch_of(X, y), 0.0)  # two keys of each class are in the queues now
    h_keys, z_keys = model.queue_h.numpy().copy(), model.queue_z.numpy().copy()
    np.testing.assert_array_equal(model.count, 2)
    with torch.no_grad():
        features = model.network.features(torch.as_tensor(X))
        h = unit(np.hstack([features.numpy(), np.ones((6, 1))]))
        z = unit(model.projector(features).numpy())
    out = model.network.head.out
    w = unit(np.hstack([out.weight.detach().numpy(), out.bias.detach().numpy()[:, None]]))
    parts = model._loss(batch_of(X, y), 0.0)

    def contrast(query, own, keys):
        values = []
        for i in range(6):
            positive = [own[i], *keys[y[i]]]
            negative = [k for c in range(3) if c != y[i] for k in keys[c]]
            total = sum(np.exp(query[i] @ k / 0.5) for k in positive + negative)
            values.append(-np.mean([np.log(np.exp(query[i] @ k / 0.5) / total) for k in positive]))
        return np.mean(values)

    assert parts["classifier"].item() == pytest.approx(contrast(w[y], h, h_keys), rel=1e-4)
    assert parts["projector"].item() == pytest.approx(contrast(z, z, z_keys), rel=1e-4)  # nothing has moved yet
    assert parts["loss"].item() == pytest.approx(
        sum(parts[k].item() for k in ("task", "classifier", "projector")), rel=1e-6
    )


def test_the_key_encoder_follows_and_queues_forget_the_oldest():
    X, y = rows(6)
    model = objective(size=2, momentum=0.9)
    before = model.keys[0][0].weight.clone()
    with torch.no_grad():
        model.network.body[0].weight.add_(1.0)
    model._loss(batch_of(X, y), 0.0)
    torch.testing.assert_close(model.keys[0][0].weight, before + 0.1)
    first = model.queue_z.clone()
    model._loss(batch_of(X[:3] + 1, y[:3]), 0.0)  # one row of each class: the older place is taken
    assert not torch.equal(model.queue_z[:, 0], first[:, 0])
    assert torch.equal(model.queue_z[:, 1], first[:, 1])


def test_queues_and_key_encoder_are_in_the_state():
    names = set(objective().state_dict())
    assert {"queue_h", "queue_z", "count", "keys.0.0.weight", "projector.weight"} <= names


def test_without_trade_off_it_is_fine_tuning():
    X, y = rows()
    plain = FineTuning(mlp_source(), training=epochs()).fit(X, y)
    assert same_network(BiTuning(mlp_source(), trade_off=0, training=epochs()).fit(X, y), plain)


def test_it_draws_rows_of_a_class_together():
    X, y = rows(60)

    def spread(trade_off):
        Z = unit(BiTuning(mlp_source(), trade_off=trade_off, queue=8, training=epochs(15)).fit(X, y).transform(X))
        return np.mean([1 - (Z[y == c] @ Z[y == c].T).mean() for c in range(3)])

    assert spread(1.0) < spread(0.0)


def test_it_learns_images_and_resumes(tmp_path):
    X, y = images()
    whole = BiTuning(conv_source(), queue=5, training=epochs(6)).fit(X, y)
    assert whole.score(X, y) > 0.9

    def stop(event, state):
        if event == "epoch" and len(state["history"]) == 3:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        BiTuning(
            conv_source(), queue=5, training=epochs(6, folder=tmp_path, callbacks=(stop,), checkpoint_every=1)
        ).fit(X, y)
    assert same_network(BiTuning(conv_source(), queue=5, training=epochs(6, folder=tmp_path)).fit(X, y), whole)


def test_numbers_are_refused():
    X, _ = rows()
    with pytest.raises(DomainError, match="y must hold one class a row"):
        BiTuning(mlp_source(), training=epochs(1)).fit(X, X[:, 0] + 0.5)
