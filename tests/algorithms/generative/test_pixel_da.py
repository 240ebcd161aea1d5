"""PixelDA: both losses by hand, and each step moves its own."""

import pytest
import torch
from torch.nn import functional

from generative_toys import captured, moved_by
from transferkit import PixelDA

pytestmark = pytest.mark.filterwarnings("ignore:.*(have collapsed|has diverged)")
TINY = {"hidden": 8, "n_blocks": 1}


@pytest.mark.parametrize("images", [True, False])
def test_each_step_moves_its_own(monkeypatch, images):
    objective, batch = captured(monkeypatch, PixelDA, images=images, **TINY)
    assert [s.name for s in objective.steps()] == ["train", "generator"]
    assert moved_by(objective, batch, "train") == {"network", "critic"}
    assert moved_by(objective, batch, "generator") == {"generator"}


def test_the_losses_by_hand(monkeypatch):
    """Eqs. 2 and 3, without noise; the critic's loss counts each domain half."""
    objective, batch = captured(monkeypatch, PixelDA, trade_off=0.3, n_noise=0, **TINY)
    source, x_t = batch["source"], batch["target"].x
    learn, paint = (s.loss for s in objective.steps())
    painted = objective.generator(source.x).detach()
    assert not torch.equal(painted, source.x)
    n = len(source)
    outputs = objective.network(torch.cat([source.x, painted]))
    task, of_painted = (functional.cross_entropy(o, source.y) for o in (outputs[:n], outputs[n:]))
    real, fake = objective.critic(x_t).sigmoid(), objective.critic(painted).sigmoid()
    game = -(real.log().mean() + (1 - fake).log().mean()) / 2
    torch.testing.assert_close(learn(batch, 0.0)["loss"], task + of_painted + game)
    alone = functional.cross_entropy(objective.network(painted), source.y)
    torch.testing.assert_close(paint(batch, 0.0)["loss"], alone - 0.3 * fake.log().mean())


def test_the_generators_step_leaves_the_networks_statistics(monkeypatch):
    objective, batch = captured(monkeypatch, PixelDA, **TINY)
    before = {k: v.clone() for k, v in objective.network.state_dict().items() if "running" in k}
    objective.steps()[1].loss(batch, 0.0)
    after = objective.network.state_dict()
    assert before
    assert all(torch.equal(v, after[k]) for k, v in before.items())
