"""GVB: outputs minus a bridge, folded in after the fit; the critic sees probabilities and has a bridge, too."""

import pytest
import torch
from torch import nn
from torch.nn import functional

import adaptation_checks
import shifts
from objectives import assert_gradients, built, gradients, small
from transferkit import GVB, Domain
from transferkit.algorithms.adversarial.gvb import _Bridged
from transferkit.ops.nn.discriminator import domain_loss
from transferkit.ops.nn.grad_reverse import reversal_weight

pytestmark = pytest.mark.filterwarnings("ignore:.*(have collapsed|has diverged)")
SHIFT = shifts.moved(0, 40)


def test_the_loss_is_that_of_the_paper():
    """With the gradients of what stands behind the reversal and before it taken one by one."""
    objective, batch = built(small(GVB, trade_off=0.5, bridge=0.3), SHIFT)
    loss = objective.steps()[0].loss(batch, 0.2)["loss"]
    network, critic, n = objective.network, objective.term.critic, len(batch["source"])
    z = network.features(torch.cat([batch["source"].x, batch["target"].x]))
    r = network.head.out.layer(z) - network.head.out.bridge(z)
    p = r.softmax(dim=1)
    hidden = critic.layers[:-1](p)
    told = (critic.layers[-1].layer(hidden) - critic.layers[-1].bridge(hidden))[:, 0]
    w = torch.exp((p * p.log()).sum(dim=1)).detach()
    task = functional.cross_entropy(r[:n], batch["source"].y) + 0.15 * network.head.out.bridge(z).abs().mean()
    game = 0.5 * (domain_loss(told, n, w) + 0.3 * critic.layers[-1].bridge(hidden).abs().mean())
    torch.testing.assert_close(loss, task + game)
    own, against = (gradients(v, objective.named_parameters()) for v in (task, game))
    expected = {
        name: g if name.startswith("term.critic") else own[name] - reversal_weight(0.2) * g
        for name, g in against.items()
    }
    assert_gradients(gradients(loss, objective.named_parameters()), expected)


def test_a_bridge_folds_into_one_layer():
    bridged, z = _Bridged(nn.Linear(5, 3)), torch.randn(4, 5)
    expected = bridged(z)
    torch.testing.assert_close(bridged.folded()(z), expected)


def test_after_the_fit_there_is_no_bridge_and_outputs_are_the_same():
    seen = {}

    def watch(event, state):
        if event == "end":
            with torch.no_grad():
                seen["outputs"] = state["network"](torch.as_tensor(SHIFT.Xt).float())

    for head in ("linear", "mlp"):
        training = adaptation_checks.training(n_epochs=2, callbacks=[watch])
        model = small(GVB, training=training, head=head).fit(SHIFT.X, SHIFT.y, target=Domain(SHIFT.Xt))
        assert isinstance(model.network_.head.out, nn.Linear)
        found = torch.as_tensor(model.decision_function(SHIFT.Xt)).float()
        torch.testing.assert_close(found, seen["outputs"], rtol=1e-4, atol=1e-5)
