import copy

import pytest
import torch
from torch import nn

from edit_checks import make
from transferkit.core.errors import ParamError
from transferkit.ops.nn import layers
from transferkit.ops.nn.edits import apply_edit
from transferkit.ops.nn.structure import Part, attach, detach, find, first_tensor, matches, parts_of, replace


class Plus(Part):
    def forward(self, x, output):
        return output + 1


class Twice(Part):
    def forward(self, x, output):
        return output * 2


def test_patterns():
    assert matches("a.b.c", "c")
    assert matches("a.b.c", "b.?")
    assert matches("a.b.c", ["x", "a.*"])
    assert not matches("a.bc", "c")


def test_find_by_name_and_type():
    net = make("vit")
    assert [n for n, _ in find(net, "attn.*", lambda m: isinstance(m, nn.Linear))] == [
        "blocks.0.attn.qkv", "blocks.0.attn.proj", "blocks.1.attn.qkv", "blocks.1.attn.proj",
    ]  # fmt: skip
    with pytest.raises(ParamError, match=r"find: layers must match modules, such as .*norm.* Got 'nomr1'"):
        find(net, ["qkv", "nomr1"])
    with pytest.raises(ParamError, match="of which there are none here"):
        find(nn.ReLU(), "x", lambda m: False)


def test_a_shared_module_is_found_once():
    layer = nn.Linear(2, 2)
    net = nn.Sequential(layer, nn.ReLU(), layer)
    assert [n for n, _ in find(net, able=lambda m: isinstance(m, nn.Linear))] == ["0"]


def test_replace():
    net = make("vit")
    old = replace(net, "blocks.1.mlp.act", nn.ReLU())
    assert isinstance(old, nn.GELU)
    assert isinstance(net.blocks[1].mlp.act, nn.ReLU)


def test_parts_act_in_their_order_and_can_be_taken_off():
    layer, x = nn.Linear(2, 2), torch.ones(1, 2)
    plain = layer(x)
    assert [attach(layer, "part", Plus()), attach(layer, "part", Twice())] == ["part", "part2"]
    assert torch.equal(layer(x), (plain + 1) * 2)
    twin = copy.deepcopy(layer)
    detach(layer, "part")
    assert torch.equal(layer(x), plain * 2)
    assert torch.equal(twin(x), (plain + 1) * 2)
    assert [(c, type(p)) for _, _, c, p in parts_of(nn.Sequential(layer))] == [("part2", Twice)]


def test_parts_are_no_layers_of_the_network():
    net = nn.Sequential(nn.Linear(3, 3))
    first = apply_edit(net, {"edit": "lora", "layers": "*"})
    second = apply_edit(net, {"edit": "lora", "layers": "*"})
    assert second == [n.replace("lora", "lora2") for n in first]


def test_first_tensor():
    x = torch.zeros(1)
    assert all(first_tensor(o) is x for o in (x, (x, 1), [[x]], {"a": x, "b": 1}))


def test_roles_of_the_layers_of_known_networks():
    def names(found):
        return [n for n, _ in found]

    vit, bert, gpt2, resnet = map(make, ("vit", "bert", "gpt2", "resnet"))
    assert layers.fused_qkv(vit) == {"blocks.0.attn.qkv", "blocks.1.attn.qkv"}
    assert layers.fused_qkv(gpt2) == {"h.0.attn.c_attn", "h.1.attn.c_attn"}
    assert names(layers.attention(bert, "qv"))[:2] == [
        f"encoder.layer.0.attention.self.{k}" for k in ("query", "value")
    ]
    assert names(layers.attention_outputs(bert)) == [f"encoder.layer.{k}.attention.output.dense" for k in (0, 1)]
    assert names(layers.mlp_outputs(bert)) == [f"encoder.layer.{k}.output.dense" for k in (0, 1)]
    assert names(layers.mlp_outputs(gpt2)) == ["h.0.mlp.c_proj", "h.1.mlp.c_proj"]
    assert names(layers.attention_outputs(gpt2)) == ["h.0.attn.c_proj", "h.1.attn.c_proj"]
    assert names(layers.mlp_outputs(vit)) == ["blocks.0.mlp.fc2", "blocks.1.mlp.fc2"]
    assert not names(layers.attention(resnet, "qkv")) + names(layers.mlp_outputs(resnet))


def test_interleaved_projections_are_not_cut():
    class Attention(nn.Module):
        def __init__(self):
            super().__init__()
            self.head_first = True
            self.qkv = nn.Linear(4, 12)

    assert layers.fused_qkv(Attention()) == set()
