"""The worst direction of a linear model is known, and so is the divergence there; statistics stay while it is looked for."""

import pytest
import torch
from torch import nn

from transferkit.ops.nn.virtual_adversarial import statistics_held, virtual_adversarial


@pytest.mark.parametrize("radius", [0.1, 1.5])
def test_the_worst_move_of_a_binary_linear_model_is_along_its_normal(radius):
    """Logits (w.x, 0): the output depends on w.x alone, so r is +-radius * w / |w|, whatever the first direction was."""
    torch.manual_seed(0)
    w, x = torch.tensor([3.0, -4.0, 0.0]), torch.randn(20, 3)

    def forward(rows):
        return torch.stack([rows @ w, torch.zeros(len(rows))], dim=1)

    found = virtual_adversarial(forward, x, forward(x), radius)
    p = forward(x).softmax(dim=1)
    both = torch.stack(
        [(p * (p.log() - forward(x + s * radius * w / 5).log_softmax(dim=1))).sum(dim=1) for s in (1, -1)]
    )
    nearest = (both - found).abs().min(dim=0).values
    assert (nearest / found).max() < 1e-3


def test_a_constant_model_has_none():
    found = virtual_adversarial(lambda rows: 0 * rows[:, :2], torch.randn(4, 3), torch.zeros(4, 2), 1.0)
    torch.testing.assert_close(found, torch.zeros(4))


def test_moving_statistics_are_left_alone():
    network = nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4), nn.Linear(4, 2)).train()
    x, before = torch.randn(8, 3), {k: v.clone() for k, v in network.state_dict().items()}
    with statistics_held(network):
        inside = network(x)
    for name, value in network.state_dict().items():
        assert torch.equal(value, before[name]), name
    torch.testing.assert_close(inside, network(x))  # normalised by the batch, as ever
    assert not torch.equal(network[1].running_mean, before["1.running_mean"])
