"""Cross-stitch: with nothing mixed the networks are apart; the units learn."""

import torch

import multi_task_checks
import networks
from transferkit import CrossStitch


def fitted(**params):
    training = networks.training(n_epochs=3, progress=False, weight_decay=0.0)
    return CrossStitch("small:mlp?hidden=8,8", training=training, **params).fit(multi_task_checks.tasks())


def test_the_units_begin_as_asked_for_and_learn():
    stages = [m for m in fitted(same=0.8).network_.body.modules() if hasattr(m, "unit")]
    assert len(stages) == 2
    begin = (0.1 + 0.7 * torch.eye(3)).flatten()
    for stage in stages:
        moved = (stage.unit - begin).abs().max().item()
        assert 1e-4 < moved < 0.5


def test_each_task_has_a_head_on_a_network_of_its_own():
    model = fitted(same=1.0)
    with torch.no_grad():
        for stage in (m for m in model.network_.body.modules() if hasattr(m, "unit")):
            stage.unit.copy_(torch.eye(3).flatten())
    x = torch.randn(4, 5)
    out = model.network_(x)
    first, second = (model.network_.body[k].inner for k in (0, 1))
    own = model.network_.head.of_task[1](second.copies[1](first.copies[1](x)))
    torch.testing.assert_close(out[:, 3:4], own)
