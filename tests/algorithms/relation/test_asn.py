"""ASN: features from two views, what is kept apart, what is reconstructed, and the critic's reversed gradient."""

import numpy as np
import pytest
import torch
from scipy import sparse
from torch.nn import functional

import graph_worlds as worlds
from graph_checks import training
from transferkit import ASN
from transferkit.algorithms.relation import asn
from transferkit.engine.graphs.objective import GraphAlignment, GraphJoint
from transferkit.engine.training.objective import Stream
from transferkit.ops.nn.separation import common_part, edge_loss

# Trained for a moment, or on features that have moved, some collapse and say so.
pytestmark = pytest.mark.filterwarnings("ignore:.*(collapsed|diverged)")


def made(world, **params):
    """A method that is trained for a moment, and its objective and joint of whole graphs."""
    kept, build = [], ASN._objective
    model = ASN(hidden=5, code=4, n_steps=2, dropout=0.0, training=training(n_epochs=1), **params)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(ASN, "_objective", lambda self, fit: kept.append(build(self, fit)) or kept[-1])
        model.fit(world.X, world.y, target=world.target(), edges=world.edges)
    objective = kept[0].eval()
    return model, objective, joint_of(objective, world)


def joint_of(objective: GraphAlignment, world):
    n, n_t = len(world.X), len(world.Xt)
    source = Stream(torch.arange(n)[None], torch.as_tensor(world.y)[None], torch.arange(1))
    return GraphJoint(
        objective.look(source, "source"),
        objective.look(Stream(torch.arange(n_t)[None], None, torch.arange(1)), "target"),
    )


def test_outputs_are_the_papers_formula():
    """Attention over two convolutions of the neighbours and two of those that are met more often than by chance."""
    world = worlds.same(0, 30)
    model, _, _ = made(world)
    A = np.zeros((30, 30))
    A[tuple(world.edges_t)] = 1
    T = A / np.maximum(A.sum(axis=1, keepdims=True), 1)
    near = T + T @ T / 2
    np.fill_diagonal(near, 0)
    near /= np.maximum(near.sum(axis=1, keepdims=True), 1e-12)
    with np.errstate(divide="ignore"):
        near = np.maximum(np.log(near.sum() * near / np.maximum(near.sum(axis=0), 1e-12)), 0)
    A += np.eye(30)
    state, views = {k: v.numpy() for k, v in model.network_.state_dict().items()}, []
    for k, P in enumerate(M / np.maximum(M.sum(axis=1, keepdims=True), 1e-12) for M in (A, near)):
        h = np.maximum(P @ world.Xt @ state[f"first.{k}.weight"] + state[f"first.{k}.bias"], 0)
        views.append(P @ h @ state[f"second.{k}.weight"] + state[f"second.{k}.bias"])
    said = np.exp([z @ state["ask.weight"][0] + state["ask.bias"] for z in views])
    z = ((said / said.sum(axis=0))[:, :, None] * np.stack(views)).sum(axis=0)
    np.testing.assert_allclose(model.transform(world.Xt), z, atol=1e-4)
    np.testing.assert_allclose(
        model.decision_function(world.Xt), z @ state["head.weight"] + state["head.bias"], atol=1e-4
    )


def test_the_loss_by_hand():
    """Distributions without spread: what is drawn is the mean, so that every part can be computed from the means."""
    world = worlds.same(0, 30)
    _, objective, joint = made(world, trade_off=0.7, reconstruction=0.3, difference=0.2, entropy=0.4)
    term = objective.term
    encoders = [own for pair in term.own.values() for own in pair]
    with torch.no_grad():
        for layer in [*term.log_std, *(own.second for own in encoders)]:
            layer.weight[:, -4:], layer.bias[-4:] = 0.0, -30.0
    found = term(joint, 0.5)
    domain = functional.softplus(-term.adversary.critic(joint.source.z)).mean()
    domain = domain + functional.softplus(term.adversary.critic(joint.target.z)).mean()
    p = joint.target.outputs.softmax(dim=1)
    entropy = -(p * p.log()).sum(dim=1).mean()
    edges, common = 0.0, 0.0
    for nodes, listed in ((joint.source, world.edges), (joint.target, world.edges_t)):
        ask, name = term.ask[nodes.batch.domain], nodes.batch.domain
        means = [*(own(nodes.batch)[:, :4] for own in term.own[name]), *nodes.every[1].chunk(2, dim=1)]
        share = [torch.stack([ask(z) for z in pair]).softmax(dim=0) for pair in (means[:2], means[2:])]
        Z = torch.cat([s[0] * pair[0] + s[1] * pair[1] for s, pair in zip(share, (means[:2], means[2:]))], dim=1)
        linked = torch.eye(30, dtype=torch.bool)
        linked[tuple(torch.as_tensor(listed))] = True
        divergence = sum((m.square().sum(dim=1).mean() + 4 * (60 - 1)) / 2 for m in means)
        edges = edges + edge_loss(Z @ Z.T, linked) + divergence / 30
        common = common + common_part(means[0], means[2])
    torch.testing.assert_close(found["reconstruction"], edges)
    torch.testing.assert_close(found["difference"], common)
    torch.testing.assert_close(found["loss"], 0.7 * domain + 0.3 * edges + 0.2 * common + 0.5 * 0.4 * entropy)


def test_the_critics_gradient_is_reversed_for_the_shared_encoders_alone():
    _, objective, joint = made(worlds.same(0, 30), reconstruction=0.0, difference=0.0, entropy=0.0, reversal=0.05)
    term, layer = objective.term, objective.network.second[0].weight
    loss = term(joint, 0.9)["loss"]
    (found,) = torch.autograd.grad(loss, layer, retain_graph=True)
    plain = functional.softplus(-term.adversary.critic(joint.source.z)).mean()
    plain = plain + functional.softplus(term.adversary.critic(joint.target.z)).mean()
    (expected,) = torch.autograd.grad(0.5 * plain, layer)
    torch.testing.assert_close(found, -0.05 * expected)
    owned = torch.autograd.grad(loss, list(term.own.parameters()), allow_unused=True)
    assert all(g is None or not g.any() for g in owned)


def test_pairs_of_some_nodes_say_on_average_what_all_pairs_say():
    world = worlds.same(0, 30)
    _, objective, joint = made(world)
    term, z = objective.term, torch.randn(30, 4, generator=torch.Generator().manual_seed(0))
    whole = term._edges(z, joint.source).item()
    A = sparse.csr_matrix((np.ones(world.edges.shape[1], dtype=bool), tuple(world.edges)), shape=(30, 30)).toarray()
    np.fill_diagonal(A, True)
    assert whole == pytest.approx(edge_loss(z @ z.T, torch.as_tensor(A)).item(), rel=1e-5)
    term.n_rows = 10
    torch.manual_seed(0)
    some = np.array([term._edges(z, joint.source).item() for _ in range(400)])
    assert some.std() > 0
    assert some.mean() == pytest.approx(whole, rel=0.03)


def test_what_only_the_training_needs_is_not_kept():
    model, objective, _ = made(worlds.same(0, 30))
    assert isinstance(objective.term, asn._Separation)
    assert {name.partition(".")[0] for name in model.network_.state_dict()} == {"first", "second", "ask", "head"}
    trained = {id(p) for step in objective.steps() for p in step.params}
    assert all(id(p) in trained for p in objective.term.parameters())
