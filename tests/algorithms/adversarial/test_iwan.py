"""IWAN: what two critics, the encoder and the held head get, and weights that find the classes the target lacks."""

import pytest
import torch
from torch.nn import functional

import adaptation_checks
import shifts
from objectives import assert_gradients, built, gradients, small
from transferkit import IWAN, Domain
from transferkit.ops.nn.discriminator import domain_loss
from transferkit.ops.nn.grad_reverse import reversal_weight

pytestmark = pytest.mark.filterwarnings("ignore:.*(have collapsed|has diverged)")
SHIFT = shifts.moved(0, 40)


def test_the_second_phase():
    objective, batch = built(small(IWAN, trade_off=0.6, entropy=0.3, warm_up=0.5), SHIFT)
    loss = objective.steps()[0].loss(batch, 0.7)["loss"]
    z_s = objective.first.features(batch["source"].x).detach()
    z_t = objective.network.features(batch["target"].x)
    z, n = torch.cat([z_s, z_t]), len(z_s)
    told = objective.weigher(z)
    w = 1 - torch.sigmoid(told[:n]).detach()
    w = w / w.mean()
    p = torch.sigmoid(objective.critic(z))
    aligned = 0.6 * (-(w * p[:n].log()).mean() - (1 - p[n:]).log().mean()) / 2
    probability = objective.network.head(z_t).softmax(dim=1)
    entropy = 0.3 * -(probability * probability.log()).sum(dim=1).mean()
    torch.testing.assert_close(loss, domain_loss(told, n) + aligned + entropy)
    expected = gradients(domain_loss(told, n), objective.weigher.named_parameters("weigher"))
    expected |= gradients(aligned, objective.critic.named_parameters("critic"))
    features = [(k, v) for k, v in objective.network.named_parameters("network") if "head" not in k]
    weight = reversal_weight(0.4)  # two fifths of the second phase are done
    climbs, falls = gradients(aligned, features), gradients(entropy, features)
    expected |= {name: falls[name] - weight * g for name, g in climbs.items()}
    assert_gradients(gradients(loss, objective.named_parameters()), expected)


def test_source_rows_of_a_class_that_the_target_lacks_weigh_less():
    shift = shifts.none(0, 120)
    here = shift.yt < 2
    seen = {}

    def watch(event, state):
        if event == "end":
            objective = state["objective"]
            with torch.no_grad():
                told = objective.weigher(objective.first.features(torch.as_tensor(shift.X).float()))
            seen["w"] = 1 - torch.sigmoid(told).numpy()

    training = adaptation_checks.training(n_epochs=20, callbacks=[watch])
    model = small(IWAN, training=training, bottleneck=None).fit(shift.X, shift.y, target=Domain(shift.Xt[here]))
    own, outlier = seen["w"][shift.y < 2].mean(), seen["w"][shift.y == 2].mean()
    assert outlier < 0.5 * own
    assert model.score(shift.Xt[here], shift.yt[here]) > 0.9


def test_weights_of_one_leave_the_adversarial_loss_of_two_encoders():
    """A critic that knows nothing weighs all rows the same."""
    objective, batch = built(small(IWAN, entropy=0.0), SHIFT)
    with torch.no_grad():
        for p in objective.weigher.parameters():
            p.zero_()
    parts = objective.steps()[0].loss(batch, 0.7)
    z = torch.cat([objective.first.features(batch["source"].x), objective.network.features(batch["target"].x)])
    torch.testing.assert_close(parts["transfer"], domain_loss(objective.critic(z), 40))
    assert parts["spread"] == 0
    assert functional.softplus(torch.zeros(1)).item() == pytest.approx(domain_loss(torch.zeros(4), 2).item())
