"""MMoE: with one expert the gates have no say; on vectors the experts see the rows."""

import numpy as np
import torch

import multi_task_checks
import networks
from transferkit import MMoE


def fitted(**params):
    training = networks.training(n_epochs=2, progress=False)
    return MMoE(**{"training": training, "expert_width": 8, **params}).fit(multi_task_checks.tasks())


def test_one_expert_is_hard_sharing():
    model = fitted(n_experts=1)
    head, x = model.network_.head, torch.randn(4, 5)
    shared = head.experts[0](x)
    expected = torch.cat([own["head"](shared) for own in head.of_task], dim=1)
    torch.testing.assert_close(model.network_(x), expected)


def test_the_body_is_none_for_vectors_and_else_what_is_named():
    assert fitted().backbone_name_ == "identity"
    model = fitted(backbone="small:mlp?hidden=16")
    assert model.backbone_name_ == "small:mlp?hidden=16"
    assert model.network_.head.experts[0][0].in_features == 16
    images = np.random.default_rng(0).normal(size=(12, 1, 20, 20)).astype(np.float32)
    from transferkit import Domain

    small = MMoE(training=networks.training(n_epochs=1, progress=False), n_experts=2, expert_width=4)
    assert small.fit([Domain(images, np.arange(12) % 2, name="a")]).backbone_name_ == "small:lenet"
