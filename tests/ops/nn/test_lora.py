import copy

import pytest
import torch
from torch import nn

from edit_checks import check_edit, close, inputs, make, run, stir
from transferkit.core.errors import ParamError
from transferkit.ops.nn.edits import apply_edit, merge_edits


@pytest.mark.parametrize(
    "name", ["vit", "resnet", "mobilenet", "convnext", "bert", "gpt2", "mlp", "encoder", "beit", "swin"]
)
def test_it_is_an_edit(name):
    check_edit(name, {"edit": "lora", "rank": 2, "alpha": 5.0})


@pytest.mark.parametrize(
    ("name", "edit"),
    [
        ("vit", {"layers": "*", "rank": 3, "rank_stabilized": True}),
        ("vit", {"layers": ["attn.qkv"], "parts": ["k"]}),
        ("vit", {"parts": None}),
        ("bert", {"layers": ["word_embeddings", "output.dense"]}),
        ("gpt2", {"layers": ["h.*.c_proj", "wte"], "rank": 1}),
        ("resnet", {"layers": "conv2"}),
        ("encoder", {"layers": ["self_attn", "linear2"], "parts": None}),
    ],
)
def test_options(name, edit):
    check_edit(name, {"edit": "lora", **edit})


def count(net, names):
    sizes = {n: p.numel() for n, p in net.named_parameters()}
    return sum(sizes[n] for n in names)


def test_parameters_as_in_the_paper():
    d, r = 12, 4
    net, names = check_edit("vit", {"edit": "lora", "rank": r})
    assert count(net, names) == 2 * 2 * r * (d + d)  # query and value of two blocks
    net, names = check_edit("vit", {"edit": "lora", "rank": r, "parts": None})
    assert count(net, names) == 2 * r * (d + 3 * d)
    net, names = check_edit("bert", {"edit": "lora", "rank": r})
    assert count(net, names) == 2 * 2 * r * (d + d)
    net = nn.Sequential(nn.Conv2d(6, 10, 3, groups=2))
    assert count(net, apply_edit(net, {"edit": "lora", "rank": r})) == r * (6 * 9 + 10)


def test_only_the_chosen_slices_of_a_fused_projection_move():
    net, x = make("vit"), torch.randn(2, 5, 12)
    qkv = net.blocks[0].attn.qkv
    before = qkv(x).chunk(3, dim=-1)
    stir(net, apply_edit(net, {"edit": "lora", "rank": 2, "parts": ["q", "v"]}))
    after = qkv(x).chunk(3, dim=-1)
    assert [torch.equal(a, b) for a, b in zip(after, before)] == [False, True, False]


def test_slices_are_lora_of_the_separate_projections():
    torch.manual_seed(0)
    net, x = make("vit"), torch.randn(2, 5, 12)
    fused = net.blocks[0].attn.qkv
    value = nn.Sequential(nn.Linear(12, 12))
    value[0].load_state_dict({"weight": fused.weight[24:], "bias": fused.bias[24:]})
    apply_edit(net, {"edit": "lora", "rank": 2, "alpha": 3, "parts": ["v"]})
    names = apply_edit(value, {"edit": "lora", "rank": 2, "alpha": 3})
    stir(value, names)
    fused.lora.v.load_state_dict(value[0].lora.state_dict())
    assert torch.allclose(fused(x)[..., 24:], value(x), atol=1e-6)


@pytest.mark.parametrize(
    "options",
    [
        {"stride": 2, "padding": 1}, {"dilation": 2, "padding": 2}, {"padding": "same"}, {"padding": 1, "groups": 2},
        {"padding": 1, "padding_mode": "reflect"}, {"padding": 1, "bias": False, "groups": 3},
    ],
)  # fmt: skip
def test_convolutions_of_every_geometry(options):
    torch.manual_seed(0)
    net, x = nn.Sequential(nn.Conv2d(6, 12, 3, **options)), torch.randn(2, 6, 9, 8)
    stir(net, apply_edit(net, {"edit": "lora", "rank": 2}))
    want = net(x)
    assert merge_edits(net) == []
    assert close(net(x), want)


def test_the_change_has_the_rank():
    net = nn.Sequential(nn.Linear(20, 30))
    old = net[0].weight.detach().clone()
    stir(net, apply_edit(net, {"edit": "lora", "rank": 3}))
    merge_edits(net)
    assert torch.linalg.matrix_rank(net[0].weight.detach() - old, atol=1e-4) == 3


def test_scale_and_dropout():
    net, x = nn.Sequential(nn.Linear(4, 4)), torch.randn(5, 4)
    names = apply_edit(net, {"edit": "lora", "rank": 4, "alpha": 6, "rank_stabilized": True, "dropout": 0.5})
    stir(net, names)
    part, plain = net[0].lora, nn.functional.linear(x, net[0].weight, net[0].bias)
    net.eval()
    assert torch.allclose(net(x), plain + 6 / 4**0.5 * x @ part.down.weight.T @ part.up.weight.T, atol=1e-5)
    net.train()
    assert not torch.equal(net(x), net(x))


def test_depthwise_convolutions_are_left_out():
    net = make("mobilenet")
    names = apply_edit(net, {"edit": "lora", "rank": 1})
    assert names
    assert not any("conv_dw" in n for n in names)
    with pytest.raises(ParamError, match=r"lora: layers must match .*not depthwise.* Got 'conv_dw'"):
        apply_edit(net, {"edit": "lora", "layers": "conv_dw"})


@pytest.mark.filterwarnings("ignore:.is_gradient_checkpointing:FutureWarning")  # of peft
def test_equal_to_peft():
    net, x = make("bert"), inputs("bert")
    peft = pytest.importorskip("peft")
    config = peft.LoraConfig(r=3, lora_alpha=5, target_modules=["query", "value"], use_rslora=True)
    theirs = peft.get_peft_model(copy.deepcopy(net), config).eval()
    stir(theirs, [n for n, p in theirs.named_parameters() if p.requires_grad])
    names = apply_edit(net, {"edit": "lora", "rank": 3, "alpha": 5, "rank_stabilized": True})
    weights = {n: p for n, p in theirs.named_parameters() if p.requires_grad}
    assert len(weights) == len(names)
    with torch.no_grad():
        for name in names:
            layer, _, kind = name.partition(".lora.")
            key = f"base_model.model.{layer}.lora_{'A' if kind.startswith('down') else 'B'}.default.weight"
            net.get_parameter(name).copy_(weights[key])
    assert not close(run(net, x), run(make("bert"), x), 1e-3)
    assert close(run(net, x), run(theirs, x), 1e-6)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"rank": 0}, "rank of lora must be a whole number"),
        ({"dropout": 1.0}, "dropout of lora must"),
        ({"alpha": 0}, "alpha of lora must"),
        ({"parts": ["z"]}, "parts of lora must"),
        ({"rnak": 2}, "did you mean 'rank'"),
        ({"layers": "atn.qkv"}, "such as blocks.*attn.qkv, "),
    ],
)
def test_wrong_options(options, message):
    with pytest.raises(ParamError, match=message):
        apply_edit(make("vit"), {"edit": "lora", **options})


def test_attention_of_torch():
    net, names = check_edit("encoder", {"edit": "lora", "rank": 3})
    assert sum(net.get_parameter(n).numel() for n in names) == 2 * 2 * 3 * (12 + 12)
    attention = net.layers[0].self_attn
    with pytest.raises(AssertionError, match="embedding dimension"):
        attention(torch.zeros(1, 2), torch.zeros(1, 2), torch.zeros(1, 2))
    assert attention.in_proj_weight is attention._parameters["in_proj_weight"]
    with pytest.raises(ParamError, match=r"layers must match .* Got 'out_proj'"):  # which torch reads and never calls
        apply_edit(net, {"edit": "lora", "layers": "out_proj"})
    with pytest.raises(ParamError, match=r"dropout of lora must be 0 for layers.0.self_attn"):
        apply_edit(net, {"edit": "lora", "dropout": 0.1})


def test_attention_of_torch_is_the_fused_projection():
    torch.manual_seed(0)
    attention, x = nn.MultiheadAttention(8, 2, batch_first=True), torch.randn(2, 5, 8)
    nn.init.normal_(attention.in_proj_bias)
    fused = nn.Sequential()
    fused.qkv = nn.Linear(8, 24)
    fused.qkv.load_state_dict({"weight": attention.in_proj_weight, "bias": attention.in_proj_bias})
    for edit in ("lora", "ia3"):
        apply_edit(attention, {"edit": edit})
        stir(fused, apply_edit(fused, {"edit": edit, **({"layers": "qkv"} if edit == "lora" else {"outputs": "qkv"})}))
    attention.lora.load_state_dict(fused.qkv.lora.state_dict())
    attention.ia3.load_state_dict(fused.qkv.ia3.state_dict())
    q, k, v = (z.unflatten(-1, (2, 4)).transpose(1, 2) for z in fused.qkv(x).chunk(3, dim=-1))
    want = nn.functional.scaled_dot_product_attention(q, k, v).transpose(1, 2).flatten(2)
    want = nn.functional.linear(want, attention.out_proj.weight, attention.out_proj.bias)
    assert close(attention(x, x, x)[0], want, 1e-6)
    merge_edits(attention)
    assert close(attention(x, x, x)[0], want, 1e-6)
