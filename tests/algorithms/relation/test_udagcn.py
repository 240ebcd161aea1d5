"""UDAGCN: two views through the same weights, attention between them, and the critic's reversed gradient."""

import numpy as np
import pytest
import torch
from scipy import sparse
from torch.nn import functional

import graph_worlds as worlds
from graph_checks import training
from transferkit import UDAGCN
from transferkit.engine.graphs.adversary import GraphAdversary
from transferkit.engine.graphs.objective import GraphJoint, Nodes
from transferkit.ops.graphs.random_walks import positive_information, walk_counts

# Trained for a moment, or on features that have moved, some collapse and say so.
pytestmark = pytest.mark.filterwarnings("ignore:.*(collapsed|diverged)")


def side(z, outputs):
    return Nodes(z, outputs, None, torch.arange(len(z)), None, torch.arange(len(z)), [z])


def normalised(M):
    M = M + np.eye(len(M))
    root = M.sum(axis=1) ** -0.5
    return root[:, None] * M * root


def test_outputs_are_the_papers_formula():
    world = worlds.same(0, 30)
    model = UDAGCN(walk_length=3, n_walks=20, hidden=5, training=training(n_epochs=2))
    model.fit(world.X, world.y, target=world.target(), edges=world.edges)
    A = sparse.csr_matrix((np.ones(world.edges_t.shape[1]), tuple(world.edges_t)), shape=(30, 30))
    information = positive_information(walk_counts(A, 20, 3, np.random.default_rng(0))).toarray()
    state = {k: v.numpy() for k, v in model.network_.state_dict().items()}
    views = []
    for P in (normalised(A.toarray()), normalised(information)):
        z = np.maximum(P @ world.Xt @ state["body.0.weight"] + state["body.0.bias"], 0)
        views.append(P @ z @ state["body.1.weight"] + state["body.1.bias"])
    said = np.stack([z @ state["ask.weight"][0] + state["ask.bias"] for z in views])
    share = np.exp(said) / np.exp(said).sum(axis=0)
    z = (share[:, :, None] * np.stack(views)).sum(axis=0)
    np.testing.assert_allclose(model.transform(world.Xt), z, atol=1e-4)
    np.testing.assert_allclose(
        model.decision_function(world.Xt), z @ state["head.weight"] + state["head.bias"], atol=1e-4
    )


def test_the_loss_of_the_critic_and_the_entropy_by_hand():
    torch.manual_seed(0)
    z, z_t, outputs = torch.randn(4, 3), torch.randn(6, 3), torch.randn(6, 2)
    term = GraphAdversary(3, 5, 0.0, 0.05, 0.01, several=False)
    found = term(GraphJoint(side(z, outputs[:4]), side(z_t, outputs)), 0.5)
    domain = functional.softplus(-term.critic(z)).mean() + functional.softplus(term.critic(z_t)).mean()
    p = outputs.softmax(dim=1)
    entropy = -(p * p.log()).sum(dim=1).mean()
    torch.testing.assert_close(found["loss"], domain + 0.5 * 0.01 * entropy)
    several = GraphAdversary(3, 5, 0.0, 0.05, 0.01, several=True)
    q = outputs.sigmoid()
    expected = -(q * q.log() + (1 - q) * (1 - q).log()).mean()
    torch.testing.assert_close(several(GraphJoint(side(z, outputs[:4]), side(z_t, outputs)), 0.5)["entropy"], expected)


@pytest.mark.parametrize(("progress", "weight"), [(0.0, 0.0), (0.02, 0.02), (0.7, 0.05)])
def test_the_gradient_is_reversed_and_its_weight_grows(progress, weight):
    torch.manual_seed(0)
    z, outputs = torch.randn(4, 3, requires_grad=True), torch.randn(4, 2)
    term = GraphAdversary(3, 5, 0.0, 0.05, 0.0, several=False)
    (found,) = torch.autograd.grad(term(GraphJoint(side(z, outputs), side(z.detach(), outputs)), progress)["loss"], z)
    (plain,) = torch.autograd.grad(functional.softplus(-term.critic(z)).mean(), z)
    torch.testing.assert_close(found, -weight * plain)
