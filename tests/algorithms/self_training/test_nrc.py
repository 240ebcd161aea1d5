"""NRC: the four parts of the loss, written with loops over rows and neighbours."""

import numpy as np
import torch

from self_training_toys import batch_of, toy
from transferkit import NRC
from transferkit.engine.source_free.estimator import whole_pass
from transferkit.engine.training.device import Place
from transferkit.engine.training.objective import Stream


def ready(**params):
    fit = toy(n=18)
    fit.rows, fit.place = fit.target, Place(torch.device("cpu"))
    return fit, NRC("source", **params)._objective(fit).train()


def test_the_loss_by_hand():
    fit, objective = ready(n_neighbors=3, n_expanded=2, weak=0.2)
    z, outputs = (v.numpy() for v in whole_pass(fit.network, fit.target, fit.place))
    said = torch.tensor(outputs).softmax(1).numpy()
    rows = torch.tensor([4, 0, 11, 7, 2])
    batch = {"target": Stream(fit.Xt[rows], None, rows)}
    found = objective.steps()[0].loss(batch, 0.0)
    with torch.no_grad():
        own = fit.network.features(fit.Xt[rows])
        p = fit.network.head(own).softmax(1).numpy()
    z[rows], said[rows] = own.numpy(), p
    g = z / np.linalg.norm(z, axis=1, keepdims=True)

    def nearest(i, k):
        cosine = g @ g[i]
        cosine[i] = -np.inf
        return np.argsort(-cosine)[:k]

    near = expanded = itself = 0.0
    for b, i in enumerate(rows.tolist()):
        itself -= said[i] @ p[b]
        for k in nearest(i, 3):
            further = nearest(k, 2)
            near -= (1.0 if i in further else 0.2) * said[k] @ p[b]
            expanded -= sum(0.2 * said[m] @ p[b] for m in further)
    mean = p.mean(axis=0)
    expected = (near + expanded + itself) / 5 + (mean * np.log(mean)).sum()
    np.testing.assert_allclose(found["loss"].item(), expected, rtol=1e-4)


def test_answers_of_the_memory_are_constants():
    """The gradient of L_self at p is the memory's answer itself."""
    fit, objective = ready()
    found = objective.steps()[0].loss(batch_of(fit), 0.0)
    assert not objective.memory.p.requires_grad
    assert found["self"].requires_grad
    torch.testing.assert_close(-found["self"], objective.memory.p.square().sum(1).mean())


def test_more_neighbours_than_rows_is_all_of_them():
    fit, objective = ready(n_neighbors=50, n_expanded=60)
    assert torch.isfinite(objective.steps()[0].loss(batch_of(fit), 0.0)["loss"])
    assert objective.memory.nearest(torch.arange(3), 50).shape == (3, 17)
