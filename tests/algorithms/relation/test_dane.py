"""DANE: the losses by hand, what is drawn, labels that stay out of the embedding, edges that end near."""

from __future__ import annotations

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from transferkit import DANE, Domain, Training  # noqa: E402
from transferkit.algorithms.relation.dane import _least_squares, _proximity  # noqa: E402


def test_the_losses_are_those_of_line_and_lsgan():
    rng = np.random.default_rng(0)
    u, v, far = rng.normal(size=(4, 3)), rng.normal(size=(4, 3)), rng.normal(size=(4, 2, 3))

    def log_s(x):
        return -np.log1p(np.exp(-x))

    expected = -np.mean([log_s(u[i] @ v[i]) + sum(log_s(-u[i] @ far[i, k]) for k in range(2)) for i in range(4)])
    found = _proximity(*(torch.as_tensor(a) for a in (u, v, far)))
    assert float(found) == pytest.approx(expected)
    assert float(_proximity(torch.zeros(0, 3), torch.zeros(0, 3), torch.zeros(0, 2, 3))) == 0
    assert float(_least_squares(torch.tensor([0.5, -1.0]), torch.tensor([3.0]))) == pytest.approx(1.25 / 2 + 4)


def test_the_best_product_is_the_information_of_the_pair_less_the_log_of_the_draws():
    p, q, k = 0.3, 0.05, 2
    x = torch.tensor(np.log(p / (k * q)), requires_grad=True)
    one = torch.ones(1, 1, dtype=torch.float64)
    near, apart = (_proximity(x * one, end * one, far * one[:, :, None]) for end, far in ((1, 0), (0, 1)))
    (p * near + k * q * apart).backward()
    assert float(x.grad) == pytest.approx(0, abs=1e-12)


def world(seed=0, n=30):
    rng = np.random.default_rng(seed)
    y = np.arange(n) % 2
    pairs = rng.integers(0, n, size=(2, 200))
    return y[:, None] + rng.normal(size=(n, 3)), y, pairs[:, y[pairs[0]] == y[pairs[1]]]


@pytest.mark.filterwarnings("ignore:.*collapsed")  # eight epochs with exchanged labels are not about the classes
def test_labels_reach_the_classifier_only():
    (X, y, edges), (Xt, _, edges_t) = world(0), world(1)
    target, training = Domain(Xt, edges=edges_t), Training(n_epochs=8, lr=0.05, optimizer="adam", device="cpu")
    fitted = [
        DANE(hidden=4, n_negatives=1, n_steps=1, training=training).fit(X, labels, target=target, edges=edges)
        for labels in (y, 1 - y)
    ]
    one, other = (model.transform(Xt) for model in fitted)
    np.testing.assert_array_equal(one, other)
    taught = DANE(hidden=4, n_negatives=1, n_steps=1, supervised=True, training=training)
    one, other = (taught.fit(X, labels, target=target, edges=edges).transform(Xt) for labels in (y, 1 - y))
    assert np.abs(one - other).max() > 1e-3


def test_ends_of_edges_come_near():
    (X, y, edges), (Xt, yt, edges_t) = world(0, 60), world(1, 60)
    target = Domain(Xt, edges=edges_t)
    training = Training(n_epochs=50, lr=0.02, optimizer="adam", schedule="constant", warmup=0.0, device="cpu")
    model = DANE(hidden=8, n_negatives=1, n_steps=2, training=training, random_state=0).fit(
        X, y, target=target, edges=edges
    )
    z = model.transform(Xt)
    gram = z @ z.T
    linked = gram[edges_t[0], edges_t[1]].mean()
    assert linked > gram[yt == 0][:, yt == 1].mean() + 0.3
    assert model.history_[-1]["train/proximity"] < model.history_[0]["train/proximity"]
    assert {"critic/loss", "train/task", "train/transfer"} <= model.history_[-1].keys()


def test_binary_losses_are_summed_over_the_labels():
    """The classifier alone: as large as that of the source-only network, not its share of one label."""
    (X, y, edges), (Xt, _, edges_t) = world(0), world(1)
    table, target = np.column_stack([y, 1 - y, y]), Domain(Xt, edges=edges_t)
    given = {"hidden": 4, "dropout": 0.0, "training": Training(n_epochs=1, lr=1e-9, optimizer="adam", device="cpu")}
    model = DANE(n_negatives=1, n_steps=1, supervised=True, **given).fit(X, table, target=target, edges=edges)
    outputs = torch.as_tensor(model.decision_function(X, edges))
    expected = 3 * torch.nn.functional.binary_cross_entropy_with_logits(
        outputs, torch.as_tensor(table, dtype=torch.float64)
    )
    assert model.history_[0]["train/task"] == pytest.approx(float(expected), rel=1e-4)
