import copy

import pytest
import torch
from torch import nn

from edit_checks import check_edit, close, inputs, make, run, stir
from transferkit.core.errors import ParamError
from transferkit.ops.nn.edits import apply_edit


@pytest.mark.parametrize(
    "name", ["vit", "resnet", "mobilenet", "convnext", "bert", "gpt2", "mlp", "encoder", "beit", "swin"]
)
def test_it_is_an_edit(name):
    check_edit(name, {"edit": "ia3"})


@pytest.mark.parametrize(
    ("name", "edit"),
    [
        ("resnet", {"inputs": ["conv2", "conv3"], "outputs": ["downsample.0"]}),
        ("mobilenet", {"outputs": "conv_dw"}),
        ("vit", {"outputs": "attn.qkv"}),
        ("gpt2", {"inputs": ["c_proj"]}),
    ],
)
def test_options(name, edit):
    check_edit(name, {"edit": "ia3", **edit})


@pytest.mark.parametrize(("name", "hidden"), [("vit", 48), ("bert", 20), ("gpt2", 48), ("encoder", 20)])
def test_parameters_as_in_the_paper(name, hidden):
    net, names = check_edit(name, {"edit": "ia3"})
    sizes = {n: p.numel() for n, p in net.named_parameters()}
    assert sum(sizes[n] for n in names) == 2 * (12 + 12 + hidden)  # d_k + d_v + d_ff in each of two blocks


def test_the_query_of_a_fused_projection_stays():
    net, x = make("vit"), torch.randn(2, 5, 12)
    qkv = net.blocks[0].attn.qkv
    before = qkv(x)
    stir(net, apply_edit(net, {"edit": "ia3"}))
    factors = torch.cat([torch.ones(12), qkv.ia3.scale])
    assert torch.equal(qkv(x), before * factors)


@pytest.mark.filterwarnings("ignore:.is_gradient_checkpointing:FutureWarning")  # of peft
def test_equal_to_peft():
    net, x = make("bert"), inputs("bert")
    peft = pytest.importorskip("peft")
    inner = r".*layer\.\d+\.output\.dense"
    config = peft.IA3Config(target_modules=rf".*(key|value)|{inner}", feedforward_modules=inner)
    theirs = peft.get_peft_model(copy.deepcopy(net), config).eval()
    weights = {n: p for n, p in theirs.named_parameters() if p.requires_grad}
    stir(theirs, list(weights))
    names = apply_edit(net, {"edit": "ia3"})
    assert len(weights) == len(names) == 6
    with torch.no_grad():
        for name in names:
            param = net.get_parameter(name)
            key = f"base_model.model.{name.removesuffix('.ia3.scale')}.ia3_l.default"
            param.copy_(weights[key].view_as(param))
    assert not close(run(net, x), run(make("bert"), x), 1e-3)
    assert close(run(net, x), run(theirs, x), 1e-6)


def test_nothing_to_scale():
    with pytest.raises(ParamError, match="must have an attention or two layers"):
        apply_edit(nn.Sequential(nn.Linear(2, 2)), {"edit": "ia3"})
    with pytest.raises(ParamError, match=r"ia3: layers must match .*not depthwise"):
        apply_edit(make("mobilenet"), {"edit": "ia3", "inputs": ["conv_dw"]})
