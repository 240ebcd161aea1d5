import pytest
import torch
from torch import nn

from edit_checks import check_edit, close, make, stir
from transferkit.core.errors import ParamError
from transferkit.engine.networks.torchvision_guard import guard_torchvision
from transferkit.ops.nn.edits import apply_edit, merge_edits


@pytest.mark.parametrize("name", ["vit", "convnext", "bert", "gpt2", "encoder", "beit", "swin"])
def test_bottlenecks(name):
    check_edit(name, {"edit": "adapter", "size": 3}, merges=False)


@pytest.mark.parametrize("name", ["resnet", "mobilenet", "convnext"])
@pytest.mark.parametrize("kind", ["parallel", "series"])
def test_residual_adapters(name, kind):
    check_edit(name, {"edit": "adapter", "kind": kind})


def test_options():
    check_edit("mlp", {"edit": "adapter", "layers": ["0", "3"], "size": 2}, merges=False)
    check_edit("resnet", {"edit": "adapter", "layers": "conv3", "kind": "pfeiffer", "activation": "relu"}, merges=False)
    _, names = check_edit("resnet", {"edit": "adapter"})
    assert {n.rsplit(".", 1)[1] for n in names} == {"weight"}


@pytest.mark.parametrize(("kind", "places"), [("houlsby", 2), ("pfeiffer", 1)])
@pytest.mark.parametrize("name", ["vit", "bert", "gpt2", "encoder"])
def test_parameters_as_in_the_paper(name, kind, places):
    d, m = 12, 5
    net, names = check_edit(name, {"edit": "adapter", "size": m, "kind": kind}, merges=False)
    sizes = {n: p.numel() for n, p in net.named_parameters()}
    assert sum(sizes[n] for n in names) == 2 * places * (2 * d * m + d + m)


def test_parameters_of_residual_adapters():
    net = nn.Sequential(nn.Conv2d(6, 10, 3, groups=2), nn.Conv2d(10, 4, 1))
    names = apply_edit(net, {"edit": "adapter"})
    assert names == ["0.adapter.weight"]
    assert net[0].adapter.weight.numel() == 6 * 10 // 2


@pytest.mark.parametrize("size", [(9, 8), (8, 11), (7, 7)])
@pytest.mark.parametrize(
    "options",
    [
        {"stride": 2, "padding": 1}, {"stride": 3, "padding": 0}, {"dilation": 2, "padding": 1, "stride": 2},
        {"padding": "same"}, {"padding": "valid", "groups": 2}, {"padding": 4, "stride": 2},
    ],
)  # fmt: skip
def test_the_parallel_convolution_sees_the_middle_of_the_kernel(options, size):
    torch.manual_seed(0)
    net, x = nn.Sequential(nn.Conv2d(4, 6, 3, **options)), torch.randn(2, 4, *size)
    stir(net, apply_edit(net, {"edit": "adapter", "kind": "parallel"}))
    want = net(x)
    assert merge_edits(net) == []
    assert close(net(x), want)


@pytest.mark.parametrize("size", [(9, 8), (8, 11)])
@pytest.mark.parametrize("kernel", [2, 3, 5])
def test_padding_that_depends_on_the_input(size, kernel):
    guard_torchvision()
    from timm.layers import Conv2dSame

    torch.manual_seed(0)
    net, x = nn.Sequential(Conv2dSame(4, 6, kernel, stride=2)), torch.randn(2, 4, *size)
    stir(net, apply_edit(net, {"edit": "adapter", "kind": "parallel"}))
    want = net(x)
    merge_edits(net)
    assert close(net(x), want)


def test_no_place():
    with pytest.raises(ParamError, match=r"layers of adapter must be given .* Got None for Sequential"):
        apply_edit(make("mlp"), {"edit": "adapter"})
    with pytest.raises(ParamError, match=r"one group, .* Got 'conv_dw'"):
        apply_edit(make("mobilenet"), {"edit": "adapter", "kind": "series", "layers": "conv_dw"})
    with pytest.raises(ParamError, match="kind of adapter must"):
        apply_edit(make("mlp"), {"edit": "adapter", "kind": "huolsby"})
