"""ADDA: the source alone, then a critic and an encoder on inverted labels; source encoder and head stand still."""

import torch
from torch.nn import functional

import adaptation_checks
import shifts
from objectives import assert_gradients, built, gradients, small
from transferkit import ADDA, Domain
from transferkit.ops.nn.discriminator import domain_loss

SHIFT = shifts.moved(0, 40)


def test_the_first_phase_is_the_sources_loss():
    objective, batch = built(small(ADDA, warm_up=0.5), SHIFT)
    loss = objective.steps()[0].loss(batch, 0.4)["loss"]
    torch.testing.assert_close(loss, functional.cross_entropy(objective.network(batch["source"].x), batch["source"].y))
    reached = gradients(loss, objective.named_parameters())
    assert reached.keys() == {name for name, _ in objective.named_parameters() if name.startswith("network.")}
    assert not objective.started


def test_the_second_phase_is_eq_9():
    objective, batch = built(small(ADDA, warm_up=0.5), SHIFT)
    loss = objective.steps()[0].loss(batch, 0.5)["loss"]
    assert objective.started
    z_s = objective.first.features(batch["source"].x).detach()
    z_t = objective.network.features(batch["target"].x)
    told = objective.critic(torch.cat([z_s, z_t]))
    judged, mapping = domain_loss(told, len(z_s)), functional.binary_cross_entropy_with_logits(
        told[len(z_s) :], torch.ones(len(z_t))
    )  # fmt: skip
    expected = gradients(judged, objective.critic.named_parameters("critic"))
    expected |= {
        k: g for k, g in gradients(mapping, objective.network.named_parameters("network")).items() if "head" not in k
    }
    assert_gradients(gradients(loss, objective.named_parameters()), expected)


def test_in_the_second_phase_the_source_encoder_and_the_head_stand_still():
    seen = []

    def watch(event, state):
        if event == "update":
            kept = {f"first.{k}": v for k, v in state["objective"].first.state_dict().items()}
            kept |= {f"head.{k}": v for k, v in state["network"].head.state_dict().items()}
            kept |= {f"body.{k}": v for k, v in state["network"].body.state_dict().items()}
            seen.append({k: v.clone() for k, v in kept.items()})

    training = adaptation_checks.training(n_epochs=4, batch_size=20, callbacks=[watch])
    small(ADDA, training=training).fit(SHIFT.X, SHIFT.y, target=Domain(SHIFT.Xt))
    half, second, last = seen[3], seen[4], seen[7]
    for name, value in half.items():
        if name.startswith("head."):
            torch.testing.assert_close(value, last[name], rtol=0, atol=0, msg=name)
        elif name.startswith("body."):
            torch.testing.assert_close(value, second[name.replace("body.", "first.body.")], rtol=0, atol=0)
            assert not value.is_floating_point() or not torch.equal(value, last[name]), name
        else:
            torch.testing.assert_close(second[name], last[name], rtol=0, atol=0, msg=name)
