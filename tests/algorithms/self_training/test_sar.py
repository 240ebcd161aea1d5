"""SAR: the gradient at weights moved uphill, Tent's where the radius is 0, what stands still, and the recovery."""

import numpy as np
import pytest
import torch

from self_training_toys import batch_of, toy
from source_worlds import world
from transferkit import SAR
from transferkit.algorithms.self_training.sar import _moving_names
from transferkit.ops.nn.normalisation import affine_parameters


def entropy(outputs):
    p = outputs.softmax(1)
    return -(p * p.log()).sum(1)


@pytest.mark.parametrize("radius", [0.3, 0.0])
def test_the_gradient_is_that_of_the_moved_weights(radius):
    fit = toy()
    objective = SAR("source", radius=radius, sure=0.95, n_still=0)._objective(fit).train()
    step = objective.steps()[0]
    ours = torch.autograd.grad(step.loss(batch_of(fit), 0.0)["loss"], list(step.params))

    limit, network = 0.95 * np.log(3), fit.network.copy().train()
    params = affine_parameters(network)
    h = entropy(network(fit.Xt))
    used = h < limit
    assert 0 < used.sum() < len(h)
    gradient = torch.autograd.grad(h[used].mean(), params)
    norm = sum((g**2).sum() for g in gradient).sqrt()
    with torch.no_grad():
        for p, g in zip(params, gradient):
            p.add_(radius * g / norm)
    h = entropy(network(fit.Xt))[used]
    expected = torch.autograd.grad(h[h < limit].mean(), params)
    for own, e in zip(ours, expected):
        torch.testing.assert_close(own, e, rtol=1e-3, atol=1e-6)


def test_the_last_parts_stand_still():
    shift, source = world()
    assert {n.split(".")[0] for n in _moving_names(source.network_, 0)} == {"body", "neck"}
    assert {n.split(".")[0] for n in _moving_names(source.network_, 1)} == {"body"}
    assert _moving_names(source.network_, 9) == _moving_names(source.network_, 1), "one part always moves"
    model = SAR(source, lr=0.05, sure=1.0, recover=0.0).fit(shift.Xt)
    moved = {
        name for name, p in model.network_.named_parameters() if not torch.equal(p, source.network_.get_parameter(name))
    }
    assert moved == set(_moving_names(source.network_, 1))


def test_no_sure_row_is_no_step():
    shift, source = world()
    model = SAR(source, sure=1e-9, lr=0.1).fit(shift.Xt)
    assert model.history_[0]["train/used"] == 0
    for name, p in model.network_.named_parameters():
        assert torch.equal(p, source.network_.get_parameter(name)), name


def test_a_batch_whose_rows_are_unsure_uphill_leaves_the_average_of_the_entropy_alone():
    shift, source = world()
    model = SAR(source, sure=0.02, radius=5.0, recover=1.0, roll_back=0.0, batch_size=30).fit(shift.Xt)
    for row in model.history_:
        assert row["train/used"] > 0
        assert row["train/still"] == 0, "rows that were sure are not any more after the move"
    assert model.n_roll_backs_ == 0
    assert "entropy" not in model.state_


def test_entropy_that_falls_too_far_recovers_the_source():
    shift, source = world()
    model = SAR(source, lr=0.05, recover=1.0, batch_size=30).fit(shift.Xt)
    assert model.n_roll_backs_ == 3
    for name, value in source.network_.state_dict().items():
        assert torch.equal(value, model.network_.state_dict()[name]), name
    assert model.state_.keys() == {"seed"}
