"""The worst direction of a linear model is known, and so is the divergence there."""

import pytest
import torch
from torch import nn

from transferkit.ops.nn.virtual_adversarial import virtual_adversarial


@pytest.mark.parametrize("radius", [0.1, 1.5])
def test_the_worst_move_of_a_binary_linear_model_is_along_its_normal(radius):
    """Logits (w.x, 0): the output depends on w.x alone, so r is +-radius * w / |w| from any start."""
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


def test_the_direction_is_found_in_half_precision_too():
    """A probe of a thousandth would be rounded away beside rows of length one."""
    torch.manual_seed(0)
    layer, x = nn.Linear(3, 2), torch.randn(20, 3)
    full = virtual_adversarial(layer, x, layer(x), 1.0)
    with torch.autocast("cpu", torch.bfloat16):
        half = virtual_adversarial(layer, x, layer(x), 1.0)
    normal = layer.weight[0] - layer.weight[1]
    both = []
    for sign in (1, -1):
        moved = layer(x + sign * normal / normal.norm())
        p = layer(x).softmax(dim=1)
        both.append((p * (p.log() - moved.log_softmax(dim=1))).sum(dim=1))
    for found in (full, half):
        nearest = (torch.stack(both) - found).abs().min(dim=0).values
        assert nearest.max() < 0.02
