"""Two heads against the features: each of three steps moves what it should, and its loss is the paper's."""

import numpy as np
import pytest
import torch
from torch.nn import functional

from transferkit.engine.adaptation.two_heads import TwoHeads
from transferkit.engine.answers.labels import find_labels
from transferkit.engine.backbones import load_backbone
from transferkit.engine.networks.network import Network
from transferkit.engine.training.objective import Stream
from transferkit.ops.nn.heads import Head


def absolute(p, q):
    return (p - q).abs().mean()


@pytest.fixture
def game():
    torch.manual_seed(0)
    y = np.arange(8) % 3
    labels = find_labels("test", y, 8)
    backbone = load_backbone("small:mlp?hidden=6", sample=np.zeros(4))
    objective = TwoHeads(Network(backbone, Head(backbone.n_features, 3)), labels, absolute, 0.5, n_steps=3).train()
    batch = {
        "source": Stream(torch.randn(8, 4), labels.encode(y), torch.arange(8)),
        "target": Stream(torch.randn(8, 4), None, torch.arange(8)),
    }
    return objective, batch


def expected(objective, batch):
    network = objective.network
    z_s, z_t = network.features(torch.cat([batch["source"].x, batch["target"].x])).split(8)
    heads = network.head, objective.second
    task = sum(functional.cross_entropy(h(z_s), batch["source"].y) for h in heads)
    p, q = (h(z_t).softmax(dim=1) for h in heads)
    return task, absolute(p, q)


def test_the_losses_are_those_of_the_three_steps(game):
    objective, batch = game
    task, apart = expected(objective, batch)
    found = [step.loss(batch, 0.0)["loss"] for step in objective.steps()]
    for own, wanted in zip(found, (task, task - 0.5 * apart, 0.5 * apart)):
        torch.testing.assert_close(own, wanted)


def test_each_step_moves_its_own_part_only(game):
    objective, _ = game
    train, heads, features = objective.steps()
    of_heads = {*objective.network.head.parameters(), *objective.second.parameters()}
    assert set(train.params) == set(objective.parameters())
    assert set(heads.params) == of_heads
    assert set(features.params) == set(objective.parameters()) - of_heads
    assert (train.repeat, heads.repeat, features.repeat) == (1, 1, 3)


def test_gradients_are_those_of_the_formula(game):
    objective, batch = game
    for step in objective.steps():
        own = torch.autograd.grad(step.loss(batch, 0.0)["loss"], step.params)
        task, apart = expected(objective, batch)
        loss = {"train": task, "heads": task - 0.5 * apart, "features": 0.5 * apart}[step.name]
        for a, b in zip(own, torch.autograd.grad(loss, step.params)):
            torch.testing.assert_close(a, b, rtol=1e-4, atol=1e-6)


def test_the_heads_begin_in_different_places(game):
    objective, _ = game
    assert not torch.equal(objective.network.head.out.weight, objective.second.out.weight)
