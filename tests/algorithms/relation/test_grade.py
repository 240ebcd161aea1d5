"""GRADE: the discrepancy of subtrees of all depths, and which way its gradient goes."""

import numpy as np
import pytest
import torch
from torch.nn import functional

import graph_worlds as worlds
from graph_checks import training
from transferkit import GRADE
from transferkit.algorithms.relation import grade
from transferkit.engine.graphs.objective import GraphJoint, Nodes

# Trained for a moment, or on features that have moved, some collapse and say so.
pytestmark = pytest.mark.filterwarnings("ignore:.*(collapsed|diverged)")


def nodes(seed, n):
    generator = torch.Generator().manual_seed(seed)
    layers = [torch.randn(n, 4, generator=generator, requires_grad=True) for _ in range(2)]
    outputs = torch.randn(n, 3, generator=generator, requires_grad=True)
    return Nodes(layers[-1], outputs, None, torch.arange(n), None, torch.arange(n), layers)


def test_the_critic_sees_all_depths_and_the_outputs_side_by_side():
    torch.manual_seed(0)
    joint, term = GraphJoint(nodes(0, 5), nodes(1, 7)), grade._Critic(2 * 4 + 3)
    found = term(joint, 0.3)
    weight = term.critic.weight[0]
    sides = [torch.cat([*n.layers, n.outputs], dim=1) @ weight + term.critic.bias for n in (joint.source, joint.target)]
    expected = (functional.softplus(-sides[0]).sum() + functional.softplus(sides[1]).sum()) / 12
    torch.testing.assert_close(found["loss"], expected)
    right = (sides[0] > 0).sum() + (sides[1] <= 0).sum()
    assert found["critic"] == right / 12


def test_features_climb_where_the_critic_descends():
    torch.manual_seed(0)
    joint, term, progress = GraphJoint(nodes(0, 5), nodes(1, 7)), grade._Critic(11), 0.3
    inputs = [*joint.source.every, joint.source.outputs, *term.parameters()]
    found = torch.autograd.grad(term(joint, progress)["loss"], inputs)
    z = torch.cat([torch.cat([*n.layers, n.outputs], dim=1) for n in (joint.source, joint.target)])
    is_source = (torch.arange(12) < 5).float()
    plain = torch.autograd.grad(functional.binary_cross_entropy_with_logits(term.critic(z)[:, 0], is_source), inputs)
    weight = 2 / (1 + np.exp(-10 * progress)) - 1
    for k, (a, b) in enumerate(zip(found, plain)):
        torch.testing.assert_close(a, b if k >= 3 else -weight * b)


def test_equal_graphs_have_no_discrepancy():
    side = nodes(0, 6)
    torch.manual_seed(0)
    assert grade._Discrepancy(100)(GraphJoint(side, side), 0.0)["loss"].item() == pytest.approx(0, abs=1e-6)
    assert grade._Discrepancy(100)(GraphJoint(side, nodes(1, 6)), 0.0)["loss"] > 0.01


def test_the_domains_come_together():
    """With its weight up, a critic that is fitted afterwards tells less; both discrepancies learn the target."""
    world = worlds.moved(0)
    auc = []
    for trade_off in (0.0, 1.0):
        model = GRADE("mmd", trade_off=trade_off, hidden=8, training=training(n_epochs=40))
        model.fit(world.X, world.y, target=world.target(), edges=world.edges)
        auc.append(model.facts_["scores"]["domain/auc"])
    assert auc[1] < auc[0] - 0.05
