import copy

import pytest
import torch
from torch import nn

from edit_checks import inputs, make, run
from transferkit.core.errors import ParamError
from transferkit.ops.nn.edits import apply_edit, merge_edits
from transferkit.ops.nn.stoch_norm import StochNorm, StochNorm1d, StochNorm2d


def pair(p, shape):
    torch.manual_seed(0)
    ours, plain = (StochNorm1d, nn.BatchNorm1d) if len(shape) < 4 else (StochNorm2d, nn.BatchNorm2d)
    ours, plain = ours(shape[1], p=p), plain(shape[1])
    for layer in (ours, plain):
        layer.running_mean.copy_(torch.linspace(-1, 1, shape[1]))
        layer.running_var.copy_(torch.linspace(0.5, 2, shape[1]))
        nn.init.constant_(layer.weight, 1.5)
    return ours, plain, torch.randn(shape)


SHAPES = [(8, 3), (8, 3, 5), (8, 3, 4, 5)]


@pytest.mark.parametrize("shape", SHAPES)
def test_p_1_is_batch_normalisation(shape):
    ours, plain, x = pair(1.0, shape)
    for _ in range(2):
        assert torch.equal(ours(x), plain(x))
    for name, value in plain.state_dict().items():
        assert torch.equal(ours.state_dict()[name], value), name
    assert torch.equal(ours.eval()(x), plain.eval()(x))


@pytest.mark.parametrize("shape", SHAPES)
def test_p_0_uses_the_statistics_from_before_the_batch(shape):
    ours, plain, x = pair(0.0, shape)
    want = plain.eval()(x)
    assert torch.equal(ours(x), want)
    assert not torch.equal(ours(x), want)  # the first batch has moved them


def test_each_channel_is_one_of_the_two_and_the_share_is_p():
    ours, plain, x = pair(0.3, (6, 2000))
    moving = copy.deepcopy(plain).eval()(x)
    batch, out = plain(x), ours(x)
    is_batch, is_moving = ((out == z).all(dim=0) for z in (batch, moving))
    assert (is_batch | is_moving).all()
    assert abs(is_batch.float().mean() - 0.3) < 0.04


def test_gradient_goes_through_both_branches():
    ours, _, x = pair(0.5, (6, 40))
    x.requires_grad_(True)
    (ours(x) ** 3).sum().backward()
    assert x.grad.isfinite().all()
    assert (ours.weight.grad != 0).all()


def test_cumulative_average():
    ours, plain = StochNorm1d(3, momentum=None), nn.BatchNorm1d(3, momentum=None)
    for k in range(3):
        x = torch.randn(5, 3) + k
        ours(x), plain(x)
    assert torch.equal(ours.running_mean, plain.running_mean)


@pytest.mark.parametrize("name", ["resnet", "mobilenet", "mlp"])
def test_conversion_and_back(name):
    net, x = make(name), inputs(name)
    before, kinds = run(net, x), [type(m) for m in net.modules()]
    keys = list(net.state_dict())
    assert apply_edit(net, {"edit": "stoch_norm", "p": 0.5}) == []
    assert any(isinstance(m, StochNorm) for m in net.modules())
    assert list(net.state_dict()) == keys
    assert torch.equal(run(net, x), before)

    twin = make(name).train()
    apply_edit(twin, {"edit": "stoch_norm"})
    net.train()
    torch.manual_seed(0)
    first, second = run(net, x), run(net, x)
    assert not torch.equal(first, second)
    torch.manual_seed(0)
    assert torch.equal(run(twin, x), first)

    want = run(net.eval(), x)
    assert merge_edits(net) == []
    assert [type(m) for m in net.modules()] == kinds
    assert torch.equal(run(net, x), want)


def test_a_copy_stays_converted():
    net = make("mlp")
    apply_edit(net, {"edit": "stoch_norm", "p": 0.2})
    twin = copy.deepcopy(net)
    assert isinstance(twin[1], StochNorm1d)
    assert twin[1].p == 0.2
    assert "p=0.2" in repr(twin)


def test_no_batch_normalisation():
    with pytest.raises(ParamError, match="stoch_norm: layers must match batch normalisations"):
        apply_edit(make("vit"), {"edit": "stoch_norm"})
    with pytest.raises(ParamError, match="p of stoch_norm must"):
        apply_edit(make("mlp"), {"edit": "stoch_norm", "p": 1.5})
