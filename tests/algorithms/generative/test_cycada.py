"""CyCADA: the four losses by hand, each step moves its own, and the identity has no cycle loss."""

import pytest
import torch
from torch import nn
from torch.nn import functional

from generative_toys import captured, moved_by
from transferkit import CyCADA

pytestmark = pytest.mark.filterwarnings("ignore:.*(have collapsed|has diverged)")
TINY = {"hidden": 8, "n_blocks": 1, "critic_hidden": 16}


@pytest.mark.parametrize("images", [True, False])
def test_each_step_moves_its_own(monkeypatch, images):
    objective, batch = captured(monkeypatch, CyCADA, images=images, **TINY)
    moved = {step.name: moved_by(objective, batch, step.name) for step in objective.steps()}
    assert moved == {
        "source": {"source"},
        "generators": {"to_target", "to_source"},
        "critics": {"critic_t", "critic_s"},
        "train": {"network", "of_features"},
    }


def test_the_identity_closes_every_cycle(monkeypatch):
    objective, batch = captured(monkeypatch, CyCADA, **TINY)
    translate = next(s for s in objective.steps() if s.name == "generators").loss
    assert translate(batch, 0.0)["cycle"] > 0
    objective.to_target = objective.to_source = nn.Identity()
    assert translate(batch, 0.0)["cycle"] == 0


def test_the_losses_of_the_generators_by_hand(monkeypatch):
    """Eqs. 2 to 4; what f_S thinks is a constant, and f_S is left as it was."""
    objective, batch = captured(monkeypatch, CyCADA, cycle_weight=3.0, semantic_weight=0.5, **TINY)
    before = {k: v.clone() for k, v in objective.source.state_dict().items()}
    found = next(s for s in objective.steps() if s.name == "generators").loss(batch, 0.0)
    after = objective.source.state_dict()
    assert all(torch.equal(v, after[k]) for k, v in before.items())
    assert all(m.training for m in objective.source.modules())

    x_s, x_t = batch["source"].x, batch["target"].x
    as_t, as_s = objective.to_target(x_s), objective.to_source(x_t)
    fools = -objective.critic_t(as_t).sigmoid().log().mean() - objective.critic_s(as_s).sigmoid().log().mean()
    cycle = functional.l1_loss(objective.to_source(as_t), x_s) + functional.l1_loss(objective.to_target(as_s), x_t)
    f = objective.source.eval()
    semantic = functional.cross_entropy(f(as_t), f(x_s).argmax(1)) + functional.cross_entropy(f(as_s), f(x_t).argmax(1))
    torch.testing.assert_close(found["loss"], fools + 3 * cycle + 0.5 * semantic)


@pytest.mark.parametrize("trade_off", [0.0, 0.4])
def test_the_gradient_of_the_targets_classifier(monkeypatch, trade_off):
    """The task on translated rows, and the inverted labels of target rows alone; the critic gets its own loss alone."""
    objective, batch = captured(monkeypatch, CyCADA, trade_off=trade_off, **TINY)
    source, x_t = batch["source"], batch["target"].x
    network, critic, n = objective.network, objective.of_features, len(batch["source"])
    params, of_critic = list(network.parameters()), list(critic.parameters())
    loss = next(s for s in objective.steps() if s.name == "train").loss(batch, 0.0)["loss"]
    ours = torch.autograd.grad(loss, [*params, *of_critic], allow_unused=True)

    z = network.features(torch.cat([objective.to_target(source.x).detach(), x_t]))
    task = functional.cross_entropy(network.head(z[:n]), source.y)
    real, fake = critic(z[:n]).sigmoid(), critic(z[n:]).sigmoid()
    expected = torch.autograd.grad(task - trade_off * fake.log().mean(), params, retain_graph=True)
    game = -(real.log().mean() + (1 - fake).log().mean()) / 2
    expected += torch.autograd.grad(game, of_critic)
    for own, wanted in zip(ours, expected, strict=True):
        torch.testing.assert_close(own, wanted, rtol=1e-3, atol=1e-6)
