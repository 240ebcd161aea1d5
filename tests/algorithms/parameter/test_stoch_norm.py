import pytest
import torch
from torch import nn

from source_networks import conv_source, epochs, images, mlp_source, rows, same_network
from transferkit import FineTuning, ParamError, StochNorm
from transferkit.engine.training.freezing import FreezePlan, Part


def test_with_probability_1_it_is_fine_tuning_with_batch_statistics():
    X, y = images()
    plain = FineTuning(conv_source(), batch_norm="train", training=epochs()).fit(X, y)
    model = StochNorm(conv_source(), p=1.0, training=epochs()).fit(X, y)
    for name, value in plain.network_.state_dict().items():
        torch.testing.assert_close(model.network_.state_dict()[name], value, rtol=1e-4, atol=1e-5)


def test_statistics_follow_the_batches_and_plain_batch_norm_stays():
    X, y = images()
    source = conv_source()
    model = StochNorm(source, training=epochs(8)).fit(X, y)
    assert model.score(X, y) > 0.9
    norms = [m for m in model.network_.modules() if isinstance(m, nn.modules.batchnorm._BatchNorm)]
    assert [type(m) for m in norms] == [nn.BatchNorm2d, nn.BatchNorm2d]
    assert not torch.equal(norms[0].running_mean, source.body.bn1.running_mean)
    assert type(source.body.bn1) is nn.BatchNorm2d


def test_chance_matters_and_repeats():
    X, y = images()
    one, again, other = (StochNorm(conv_source(), p=p, training=epochs()).fit(X, y) for p in (0.5, 0.5, 0.0))
    assert same_network(one, again)
    assert not same_network(one, other)


def test_frozen_parts_do_not_choose():
    X, y = images()
    source = conv_source()
    model = StochNorm(source, plan="head", training=epochs()).fit(X, y)
    for name, value in source.body.state_dict().items():
        assert torch.equal(model.network_.body.state_dict()[name], value)


def test_a_plan_of_ones_own_gets_batch_statistics_too():
    X, y = images()
    plan = FreezePlan((Part("conv1"),), "frozen")
    assert same_network(
        StochNorm(conv_source(), plan=plan, training=epochs(1)).fit(X, y),
        StochNorm(conv_source(), training=epochs(1)).fit(X, y),
    )


def test_a_source_without_batch_norm_is_named():
    X, y = rows()
    with pytest.raises(ParamError, match=r"StochNorm\.fit: source must have batch normalisation.*module:Sequential"):
        StochNorm(mlp_source(), training=epochs(1)).fit(X, y)
