"""Generators and critics of inputs: shapes, first behaviour, and what is shared."""

import pytest
import torch

from transferkit.ops.nn.generators import CoupledGenerators, InputCritic, Translator, fooling

SHAPES = [(6,), (1, 8, 8), (3, 9, 13), (1, 28, 28)]


@pytest.mark.parametrize("norm", ["batch", "instance"])
@pytest.mark.parametrize("n_noise", [0, 3])
@pytest.mark.parametrize("shape", SHAPES)
def test_a_translator_begins_as_the_identity_and_can_leave_it(shape, n_noise, norm):
    torch.manual_seed(0)
    x, model = torch.rand(4, *shape), Translator(shape, 8, 1, n_noise, norm)
    torch.testing.assert_close(model(x), x, rtol=0, atol=0)
    optimizer = torch.optim.SGD(model.parameters(), 0.1)
    for _ in range(2):  # the last layer first, then all that lies before it
        optimizer.zero_grad()
        (model(x) - 1).square().mean().backward()
        optimizer.step()
    assert all(p.grad is not None for p in model.parameters())
    assert model.first.weight.grad.abs().sum() > 0
    same = torch.equal(model.eval()(x), model(x))
    assert same == (n_noise == 0), "noise makes many rows of one"


@pytest.mark.parametrize("shape", SHAPES)
def test_a_critic_gives_a_logit_a_row(shape):
    critic = InputCritic(shape, 4)
    x = torch.rand(5, *shape)
    assert critic(x).shape == (5,)
    torch.testing.assert_close(critic(x)[2:3], critic(x[2:3]))


@pytest.mark.parametrize("shape", SHAPES)
def test_coupled_generators_differ_in_their_last_layer_alone(shape):
    torch.manual_seed(0)
    low, high = (None, None) if len(shape) == 1 else (torch.tensor([[[-1.0]]]), torch.tensor([[[2.0]]]))
    pair = CoupledGenerators(shape, 5, 4, low, high)
    noise = pair.noise(7)
    assert noise.shape == (7, 5)
    assert noise.abs().max() <= 1
    one, two = pair(noise)
    assert one.shape == two.shape == (7, *shape)
    assert not torch.equal(one, two)
    pair.last[1].load_state_dict(pair.last[0].state_dict())
    one, two = pair(noise)
    torch.testing.assert_close(one, two, rtol=0, atol=0)
    if low is not None:
        assert -1 <= one.min() < one.max() <= 2


def test_fooling_is_the_loss_that_does_not_saturate():
    logits = torch.tensor([-30.0, 0.0, 30.0], requires_grad=True)
    loss = fooling(logits)
    torch.testing.assert_close(loss, (-torch.log(torch.sigmoid(logits.double()))).mean().float())
    loss.backward()
    torch.testing.assert_close(logits.grad, (torch.sigmoid(logits) - 1).detach() / 3)
