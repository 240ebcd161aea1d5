import torch

from transferkit.ops.nn.penalties import half_squares


def test_value_and_gradient():
    a, b = torch.tensor([1.0, -2.0], requires_grad=True), torch.tensor([[3.0]], requires_grad=True)
    value = half_squares([a, b])
    assert value.item() == 7.0
    value.backward()
    assert torch.equal(a.grad, a.detach())
    assert torch.equal(b.grad, b.detach())


def test_nothing_is_nothing():
    assert half_squares([]).item() == 0
