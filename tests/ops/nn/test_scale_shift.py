import pytest
import torch
from torch import nn

from edit_checks import check_edit, make, stir
from transferkit.ops.nn.edits import apply_edit, merge_edits


@pytest.mark.parametrize("name", ["vit", "resnet", "mobilenet", "convnext", "gpt2", "mlp", "encoder", "beit", "swin"])
def test_it_is_an_edit(name):
    check_edit(name, {"edit": "scale_shift"})


def test_bert():
    # Not the keys: their shift moves all scores of a query alike, and has no gradient. Not the pooler: the test has none.
    layers = ["query", "value", "attention.output.dense", "intermediate.dense", "output.dense", "LayerNorm"]
    _, names = check_edit("bert", {"edit": "scale_shift", "layers": layers})
    assert len(names) == 2 * (1 + 2 * 7)


def test_parameters_as_in_the_paper():
    net, names = check_edit("vit", {"edit": "scale_shift", "layers": ["qkv", "proj", "fc1", "fc2", "norm1", "norm2"]})
    sizes = {n: p.numel() for n, p in net.named_parameters()}
    patch, d = 12, 12
    assert sum(sizes[n] for n in names) == 2 * patch + 2 * 2 * (3 * d + d + 4 * d + d + d + d)


def test_the_scale_comes_before_a_built_in_activation():
    net = make("mobilenet")
    apply_edit(net, {"edit": "scale_shift", "layers": "bn1"})
    norm, x = net.bn1, torch.randn(2, net.bn1.num_features, 3, 3)
    with torch.no_grad():
        norm.drop.ssf.scale.fill_(-1)
        norm.drop.ssf.shift.fill_(0.5)
    plain = nn.functional.batch_norm(x, norm.running_mean, norm.running_var, norm.weight, norm.bias, eps=norm.eps)
    assert torch.allclose(norm(x), (0.5 - plain).clamp(0, 6), atol=1e-6)


def test_folding_makes_a_bias_where_there_was_none():
    net = nn.Sequential(nn.Conv2d(2, 3, 1, bias=False), nn.BatchNorm2d(3)).eval()
    x = torch.randn(2, 2, 4, 4)
    stir(net, apply_edit(net, {"edit": "scale_shift", "layers": "*"}))
    want = net(x)
    assert merge_edits(net) == [{"edit": "bias", "names": ["0"]}]
    assert torch.allclose(net(x), want, atol=1e-6)
