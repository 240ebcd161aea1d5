"""SHOT: the head does not move, the loss by hand, and centroid labels as in the paper."""

import numpy as np
import torch
from torch.nn import functional

import networks
from self_training_toys import batch_of, toy
from source_worlds import world
from transferkit import SHOT
from transferkit.algorithms.self_training.shot import _centroid_labels
from transferkit.engine.source_free.estimator import whole_pass
from transferkit.engine.training.device import Place


def ready(**params):
    fit = toy()
    fit.rows, fit.training = fit.target, networks.training(n_epochs=4)
    fit.place = Place(torch.device("cpu"))
    return fit, SHOT("source", **params)._objective(fit).train()


def test_the_head_does_not_move():
    shift, source = world()
    model = SHOT(source, training=networks.training(n_epochs=3)).fit(shift.Xt)
    for name, value in source.network_.state_dict().items():
        same = torch.equal(value, model.network_.state_dict()[name])
        assert same == name.startswith("head") or "running" in name or "tracked" in name, name


def test_the_loss_by_hand():
    fit, objective = ready(trade_off=0.6)
    z, outputs = whole_pass(fit.network, fit.target, fit.place)
    labels = _centroid_labels(z, outputs.softmax(1))
    found = objective.steps()[0].loss(batch_of(fit), 0.0)
    outputs = fit.network(fit.Xt)
    p = outputs.softmax(1)
    entropy, mean = -(p * p.log()).sum(1).mean(), p.mean(0)
    expected = entropy + (mean * mean.log()).sum() + 0.6 * functional.cross_entropy(outputs, labels)
    torch.testing.assert_close(found["loss"], expected)


def test_labels_stay_for_an_epoch():
    fit, objective = ready()
    loss = objective.steps()[0].loss
    loss(batch_of(fit), 0.0)
    with torch.no_grad():
        fit.network.head.out.weight.neg_()
    before = objective.labels.clone()
    loss(batch_of(fit), 0.24)
    assert torch.equal(objective.labels, before)
    loss(batch_of(fit), 0.25)
    assert not torch.equal(objective.labels, before)
    assert int(objective.epoch) == 1


def test_centroid_labels_are_those_of_the_paper():
    """Eqs. 4 to 6 row by row, in numpy."""
    rng = np.random.default_rng(0)
    z, p = rng.normal(size=(30, 4)), rng.dirichlet(np.ones(3) * 0.3, 30)
    g = z / np.linalg.norm(z, axis=1, keepdims=True)

    def nearest(c):
        return (g @ (c / np.linalg.norm(c, axis=1, keepdims=True)).T).argmax(axis=1)

    y = nearest(np.array([(p[:, [k]] * g).sum(0) / p[:, k].sum() for k in range(3)]))
    y = nearest(np.array([g[y == k].mean(0) for k in range(3)]))
    np.testing.assert_array_equal(_centroid_labels(torch.tensor(z), torch.tensor(p)).numpy(), y)


def test_a_class_without_rows_is_no_candidate():
    z = torch.randn(20, 3, generator=torch.Generator().manual_seed(0))
    p = torch.tensor([[0.5, 0.1, 0.4], [0.4, 0.1, 0.5]]).repeat(10, 1)
    assert set(_centroid_labels(z, p).tolist()) <= {0, 2}


def test_rotated_clusters_are_labelled_better_than_by_the_outputs():
    """Where the boundary cuts through clusters, centroids follow the clusters (figure 2)."""
    rng = np.random.default_rng(0)
    y = np.arange(200) % 2
    z = np.column_stack([np.where(y, 3.0, -0.6), np.where(y, 0.4, 3.0)]) + 0.5 * rng.normal(size=(200, 2))
    logits = np.column_stack([-z[:, 0] + 0.0, z[:, 0] + 0.4])
    p = torch.tensor(logits).softmax(dim=1)
    own = (p.argmax(1).numpy() == y).mean()
    assert (_centroid_labels(torch.tensor(z), p).numpy() == y).mean() > own + 0.05
