"""AdaGCN: the critic's penalty in closed form, and who moves whom."""

import pytest
import torch
from torch import nn

import graph_worlds as worlds
from graph_checks import training
from transferkit import AdaGCN
from transferkit.algorithms.relation import adagcn

# Trained for a moment, or on features that have moved, some collapse and say so.
pytestmark = pytest.mark.filterwarnings("ignore:.*(collapsed|diverged)")


def test_the_slope_of_a_linear_critic_is_its_weight():
    critic, weight = nn.Linear(2, 1), torch.tensor([[3.0, 4.0]])
    critic.weight.data = weight
    z, z_t = torch.randn(5, 2), torch.randn(8, 2)
    assert adagcn._slope_penalty(critic, z, z_t).item() == pytest.approx((5 - 1) ** 2, rel=1e-5)
    critic.weight.data = weight / 5
    assert adagcn._slope_penalty(critic, z, z_t).item() == pytest.approx(0, abs=1e-8)


def test_critic_and_network_take_turns():
    """At each update the critic moves `n_steps` times, then the network once; the distance is as the critic sees it."""
    world, seen = worlds.moved(0, 60), []
    estimate, shorten = adagcn._Wasserstein._estimate, adagcn._Wasserstein._shorten

    def watch(name, rule):
        def watched(self, batch, progress):
            found = rule(self, batch, progress)
            states = [
                torch.cat([p.detach().flatten().clone() for p in part.parameters()])
                for part in (self.critic, self.network)
            ]
            seen.append((name, *states, found))
            return found

        return watched

    patched = pytest.MonkeyPatch()
    patched.setattr(adagcn._Wasserstein, "_estimate", watch("critic", estimate))
    patched.setattr(adagcn._Wasserstein, "_shorten", watch("train", shorten))
    AdaGCN(n_steps=3, dropout=0.0, hidden=8, training=training(n_epochs=2)).fit(
        world.X, world.y, target=world.target(), edges=world.edges
    )
    patched.undo()
    assert [name for name, *_ in seen] == ["critic"] * 3 + ["train"] + ["critic"] * 3 + ["train"]
    for k in (1, 2, 3):
        assert not torch.equal(seen[k][1], seen[k - 1][1]), "the critic was to move"
        torch.testing.assert_close(seen[k][2], seen[k - 1][2], rtol=0, atol=0)
    assert not torch.equal(seen[4][2], seen[3][2]), "the network was to move"
    torch.testing.assert_close(seen[4][1], seen[3][1], rtol=0, atol=0)
    first, last = seen[0][3], seen[3][3]
    torch.testing.assert_close(first["loss"], 10.0 * first["penalty"] - first["distance"])
    torch.testing.assert_close(last["loss"], last["task"] + last["transfer"])


def test_smoothing_sees_farther():
    world = worlds.same(0, 30)
    model = AdaGCN(smoothing=3, n_steps=1, hidden=4, training=training(n_epochs=1))
    model.fit(world.X, world.y, target=world.target(), edges=world.edges)
    assert model.network_.hops("target") == model.network_.hops("source") == 2 * 3
