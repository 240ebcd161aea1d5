"""Reweighted DANN: the weights are those of IWAN, move nothing by themselves, and without them it is DANN."""

import numpy as np
import pytest
import torch
from torch.nn import functional

import adaptation_checks
import shifts
from transferkit import DeepSourceOnly, Domain, ReweightedDANN
from transferkit.algorithms.co_adaptation.reweighted_dann import _likeness, _Reweighted
from transferkit.engine.answers.labels import find_labels
from transferkit.engine.backbones import load_backbone
from transferkit.engine.networks.network import Network
from transferkit.engine.training.objective import Stream
from transferkit.ops.nn.discriminator import Discriminator, domain_loss
from transferkit.ops.nn.grad_reverse import reversal_weight
from transferkit.ops.nn.heads import Head

pytestmark = pytest.mark.filterwarnings("ignore:.*(have collapsed|has diverged)")


def parts(**params):
    torch.manual_seed(0)
    y = np.arange(8) % 3
    labels = find_labels("test", y, 8)
    backbone = load_backbone("small:mlp?hidden=6", sample=np.zeros(4))
    critics = [Discriminator(6, 5, batch_norm=False) for _ in range(2)]
    objective = _Reweighted(Network(backbone, Head(6, 3)), labels, *critics, ReweightedDANN(**params))
    batch = {
        "source": Stream(torch.randn(8, 4), labels.encode(y), torch.arange(8)),
        "target": Stream(torch.randn(8, 4) + 1, None, torch.arange(8)),
    }
    return objective, batch


def test_weights_are_how_much_a_row_looks_like_the_targets():
    logits = torch.tensor([2.0, 0.0, -1.0])
    chance = 1 - 1 / (1 + np.exp(-logits.numpy()))
    np.testing.assert_allclose(_likeness(logits), chance / chance.mean(), rtol=1e-6)
    np.testing.assert_allclose(_likeness(torch.full((4,), 1.7)), np.ones(4))
    assert torch.isfinite(_likeness(torch.full((4,), 500.0))).all()


@pytest.mark.parametrize("weigh_task", [True, False])
def test_every_part_gets_the_gradient_of_its_own_loss(weigh_task):
    objective, batch = parts(weigh_task=weigh_task, trade_off=0.6)
    network, params = objective.network, dict(objective.named_parameters())
    ours = torch.autograd.grad(objective.steps()[0].loss(batch, 0.3)["loss"], list(params.values()))
    z = network.features(torch.cat([batch["source"].x, batch["target"].x]))
    w = _likeness(objective.weigher(z)[:8])
    each = functional.cross_entropy(network.head(z[:8]), batch["source"].y, reduction="none")
    task = (w * each).mean() if weigh_task else each.mean()
    d = objective.critic(z)
    of_critic = -0.5 * ((w * functional.logsigmoid(d[:8])).mean() + functional.logsigmoid(-d[8:]).mean())
    of_weigher = domain_loss(objective.weigher(z.detach()), 8)
    for (name, p), own in zip(params.items(), ours):
        slopes = [
            torch.autograd.grad(v, p, retain_graph=True, allow_unused=True)[0] for v in (task, of_critic, of_weigher)
        ]
        a, b, c = (torch.zeros_like(p) if s is None else s for s in slopes)
        expected = {"network": a - 0.6 * reversal_weight(0.3) * b, "critic": 0.6 * b, "weigher": c}[name.split(".")[0]]
        torch.testing.assert_close(own, expected, rtol=1e-3, atol=1e-6, msg=name)


def test_where_the_weigher_knows_nothing_it_is_dann():
    objective, batch = parts(trade_off=0.6)
    for p in objective.weigher.parameters():
        torch.nn.init.zeros_(p)
    found = objective.steps()[0].loss(batch, 0.3)
    network = objective.network
    z = network.features(torch.cat([batch["source"].x, batch["target"].x]))
    task = functional.cross_entropy(network.head(z[:8]), batch["source"].y)
    torch.testing.assert_close(found["task"], task)
    torch.testing.assert_close(found["transfer"], domain_loss(objective.critic(z), 8))
    assert found["effective"] == 1


def test_a_domain_with_an_offset_is_recognised():
    gains = []
    for seed in range(3):
        shift = shifts.offset(seed)
        own = {"random_state": seed, "training": adaptation_checks.training(n_epochs=15)}
        model = ReweightedDANN(**adaptation_checks.settings({**own, "hidden": 16}))
        plain = DeepSourceOnly(**adaptation_checks.settings(own))
        scores = [m.fit(shift.X, shift.y, target=Domain(shift.Xt)).score(shift.Xt, shift.yt) for m in (model, plain)]
        gains.append(scores[0] - scores[1])
    assert np.mean(gains) > 0.05, gains
