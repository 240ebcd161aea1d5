"""AaD: attraction and dispersion by hand, and the weight that falls."""

import pytest
import torch

from self_training_toys import batch_of, toy
from transferkit import AaD
from transferkit.engine.training.device import Place


def ready(**params):
    fit = toy(n=18)
    fit.rows, fit.place = fit.target, Place(torch.device("cpu"))
    return fit, AaD("source", **params)._objective(fit).train()


@pytest.mark.parametrize("progress", [0.0, 0.3])
def test_the_loss_by_hand(progress):
    fit, objective = ready(n_neighbors=4, decay=2.0)
    found = objective.steps()[0].loss(batch_of(fit), progress)
    z = fit.network.features(fit.Xt)
    p, g = fit.network.head(z).softmax(1), torch.nn.functional.normalize(z, dim=1)
    cosine = (g @ g.T).fill_diagonal_(-9)
    expected = 0.0
    for i in range(18):
        near = cosine[i].topk(4).indices
        rest = [m for m in range(18) if m != i]
        expected += -(p[near].detach() @ p[i]).sum() + (1 + 10 * progress) ** -2.0 * (p[rest] @ p[i]).sum()
    torch.testing.assert_close(found["loss"], expected / 18, rtol=1e-4, atol=1e-5)
    ours = torch.autograd.grad(found["loss"], fit.network.head.out.weight)[0]
    torch.testing.assert_close(
        ours, torch.autograd.grad(expected / 18, fit.network.head.out.weight)[0], rtol=1e-3, atol=1e-5
    )


def test_without_decay_the_weight_stays():
    fit, objective = ready(decay=0.0)
    for progress in (0.0, 0.9):
        assert objective.steps()[0].loss(batch_of(fit), progress)["weight"] == 1.0
