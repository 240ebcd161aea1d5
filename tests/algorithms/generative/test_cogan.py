"""CoGAN: what is tied is tied, both losses by hand, and each step moves its own."""

import pytest
import torch
from torch.nn import functional

from generative_toys import captured, moved_by
from transferkit import CoGAN

pytestmark = pytest.mark.filterwarnings("ignore:.*(have collapsed|has diverged)")
TINY = {"hidden": 8, "n_noise": 4}


@pytest.mark.parametrize("backbone", [None, "small:mlp?hidden=16,8"])
def test_each_step_moves_its_own(monkeypatch, backbone):
    own = {"images": False, "backbone": backbone} if backbone else {}
    objective, batch = captured(monkeypatch, CoGAN, **own, **TINY)
    assert [s.name for s in objective.steps()] == ["train", "generators"]
    assert moved_by(objective, batch, "train") == {"network", "own", "judge"}
    assert moved_by(objective, batch, "generators") == {"generators"}


def test_all_but_the_first_layers_is_tied(monkeypatch):
    """The first layers of the two domains have parted; behind them both take the same way."""
    objective, batch = captured(monkeypatch, CoGAN, before=3, **TINY)
    body = dict(objective.network.body.named_parameters())
    assert set(objective.names) == {"conv1.weight", "conv1.bias"}
    assert all(not torch.equal(p, body[name]) for name, p in zip(objective.names, objective.own))
    objective.eval()
    x = batch["source"].x
    n = len(x)
    z = objective.features(x, x)
    assert not torch.allclose(z[:n], z[n:])
    torch.testing.assert_close(z[n:], objective.network.features(x))
    with torch.no_grad():
        for name, p in zip(objective.names, objective.own):
            p.copy_(body[name])
    z = objective.features(x, x)
    torch.testing.assert_close(z[:n], z[n:])


def test_the_last_part_is_always_tied(monkeypatch):
    one_layer, _ = captured(monkeypatch, CoGAN, images=False, **TINY)
    assert len(one_layer.own) == 0
    three, _ = captured(monkeypatch, CoGAN, images=False, backbone="small:mlp?hidden=9,8,7", n_own=5, **TINY)
    assert three.names == ("0.0.weight", "0.0.bias", "1.0.weight", "1.0.bias")


def test_with_nothing_of_its_own_the_source_goes_the_targets_way(monkeypatch):
    objective, batch = captured(monkeypatch, CoGAN, n_own=0, **TINY)
    assert len(objective.own) == 0
    source, target = batch["source"].x, batch["target"].x
    found = objective.features(source, target)
    objective.eval()
    assert found.shape == objective.network.features(torch.cat([source, target])).shape
    torch.testing.assert_close(
        objective.features(source, target), objective.network.features(torch.cat([source, target]))
    )
    assert moved_by(objective.train(), batch, "train") == {"network", "judge"}


@pytest.mark.parametrize(("trade_off", "pair_weight"), [(0.3, 0.0), (0.3, 0.5)])
def test_the_losses_by_hand(monkeypatch, trade_off, pair_weight):
    """Eq. 5 for the same noise, with real and generated rows of both domains."""
    objective, batch = captured(monkeypatch, CoGAN, trade_off=trade_off, pair_weight=pair_weight, **TINY)
    noise = objective.generators.noise(len(batch["source"]))
    monkeypatch.setattr(objective.generators, "noise", lambda n: noise)
    learn, make = (s.loss(batch, 0.0)["loss"] for s in objective.steps())

    source, x_t = batch["source"], batch["target"].x
    z, n = objective.features(source.x, x_t), len(source)
    one, two = objective.generators(noise)
    made = objective.features(one, two)
    real, fake = (objective.judge(v)[:, 0].sigmoid() for v in (z, made))
    game = -real.log().mean() - (1 - fake).log().mean()
    pairs = (made[:n] - made[n:]).square().sum(1).mean()
    task = functional.cross_entropy(objective.network.head(z[:n]), source.y)
    torch.testing.assert_close(learn, task + trade_off * (game + pair_weight * pairs))
    torch.testing.assert_close(make, -fake.log().mean())


def test_generated_rows_move_no_statistics(monkeypatch):
    """After the step of the generators, and in the other one, the moving statistics are those of real rows alone."""
    objective, batch = captured(monkeypatch, CoGAN, **TINY)
    norm = objective.network.neck.norm
    before = norm.running_mean.clone()
    objective.steps()[1].loss(batch, 0.0)
    assert torch.equal(norm.running_mean, before)
    objective.steps()[0].loss(batch, 0.0)
    after = norm.running_mean.clone()
    norm.running_mean.copy_(before)
    objective.features(batch["source"].x, batch["target"].x)
    torch.testing.assert_close(norm.running_mean, after)
