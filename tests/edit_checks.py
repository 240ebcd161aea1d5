"""Tiny networks, and what every edit of a network's structure has to fulfil on them."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import Tensor, nn

from transferkit.engine.networks.torchvision_guard import guard_torchvision
from transferkit.ops.nn.edits import apply_edit, merge_edits, train_only, unused

Inputs = Any


def vit() -> nn.Module:
    guard_torchvision()
    from timm.models.vision_transformer import VisionTransformer

    return VisionTransformer(img_size=16, patch_size=8, embed_dim=12, depth=2, num_heads=2, num_classes=0)


def resnet() -> nn.Module:
    guard_torchvision()
    from timm.models.resnet import Bottleneck, ResNet

    return ResNet(Bottleneck, (1, 1, 1, 1), channels=(4, 4, 8, 8), cardinality=2, base_width=64, num_classes=0)


def mobilenet() -> nn.Module:
    """Depthwise convolutions, normalisations with a built-in activation, and TensorFlow's padding."""
    guard_torchvision()
    import timm

    return timm.create_model("mobilenetv2_035", num_classes=0, pad_type="same")


def convnext() -> nn.Module:
    guard_torchvision()
    from timm.models.convnext import ConvNeXt

    net = ConvNeXt(depths=(1, 1, 1, 1), dims=(4, 8, 8, 12), num_classes=0)
    for name, param in net.named_parameters():  # the layer scale of a fresh one hides what a block does
        if name.endswith("gamma"):
            nn.init.ones_(param)
    return net


def bert(**settings: Any) -> nn.Module:
    guard_torchvision()
    from transformers import BertConfig, BertModel

    size = {"hidden_size": 12, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 20}
    return BertModel(BertConfig(vocab_size=40, max_position_embeddings=24, **size, **settings))


def gpt2() -> nn.Module:
    guard_torchvision()
    from transformers import GPT2Config, GPT2Model

    size = {"n_embd": 12, "n_layer": 2, "n_head": 2, "n_positions": 24, "vocab_size": 40}
    return GPT2Model(GPT2Config(**size, bos_token_id=0, eos_token_id=0))


def encoder() -> nn.Module:
    """torch's own transformer, with its own attention."""
    return nn.TransformerEncoder(nn.TransformerEncoderLayer(12, 2, 20, batch_first=True), 2)


def beit() -> nn.Module:
    """An attention that reads the weight of its projection."""
    guard_torchvision()
    from timm.models.beit import Beit

    return Beit(img_size=16, patch_size=8, embed_dim=12, depth=2, num_heads=2, num_classes=0, init_values=1.0)


def swin() -> nn.Module:
    guard_torchvision()
    from timm.models.swin_transformer_v2 import SwinTransformerV2

    size = {"img_size": 16, "patch_size": 2, "window_size": 4, "embed_dim": 12, "depths": (1, 1), "num_heads": (2, 2)}
    return SwinTransformerV2(**size, num_classes=0)


def mlp() -> nn.Module:
    return nn.Sequential(nn.Linear(6, 8), nn.BatchNorm1d(8), nn.ReLU(), nn.Linear(8, 8, bias=False), nn.Linear(8, 5))


NETS: Mapping[str, Callable[[], nn.Module]] = {
    "vit": vit, "resnet": resnet, "mobilenet": mobilenet, "convnext": convnext, "bert": bert, "gpt2": gpt2, "mlp": mlp,
    "encoder": encoder, "beit": beit, "swin": swin,
}  # fmt: skip


def make(name: str, seed: int = 0) -> nn.Module:
    """One of the tiny networks with random weights, statistics and normalisations, ready for evaluation."""
    torch.manual_seed(seed)
    net = NETS[name]()
    for param in net.parameters() if name in ("bert", "gpt2") else []:
        nn.init.normal_(param, std=0.3)  # with the usual 0.02 so small a transformer attends to nothing
    for module in net.modules():
        if isinstance(module, nn.modules.batchnorm._BatchNorm):
            module.running_mean.normal_(std=0.2)
            module.running_var.uniform_(0.5, 2)
        if isinstance(module, (nn.modules.batchnorm._BatchNorm, nn.LayerNorm)):
            nn.init.uniform_(module.weight, 0.5, 1.5)
            nn.init.normal_(module.bias, std=0.2)
    return net.eval()


def inputs(name: str) -> Inputs:
    """A batch for it."""
    generator = torch.Generator().manual_seed(5)
    if name in ("bert", "gpt2"):
        mask = torch.ones(3, 7, dtype=torch.long)
        mask[1, 4:] = 0
        return {"input_ids": torch.randint(40, (3, 7), generator=generator), "attention_mask": mask}
    size = 32 if name == "convnext" else 16
    shape = {"mlp": (3, 6), "encoder": (3, 5, 12)}.get(name, (3, 3, size, size))
    return torch.randn(shape, generator=generator)


def run(net: nn.Module, x: Inputs) -> Tensor:
    """Its output: of a transformer the last hidden state, where the text is."""
    if not isinstance(x, dict):
        return net(x)
    return net(**x).last_hidden_state * x["attention_mask"][:, :, None]


def stir(net: nn.Module, names: list[str], seed: int = 1) -> None:
    """Move these parameters away from where they start."""
    generator = torch.Generator().manual_seed(seed)
    params = dict(net.named_parameters())
    with torch.no_grad():
        for name in names:
            params[name].add_(0.3 * torch.randn(params[name].shape, generator=generator))


def close(a: Tensor, b: Tensor, tol: float = 1e-5) -> bool:
    """Equal up to rounding, measured by the largest number."""
    a, b = a.detach(), b.detach()
    return bool((a - b).abs().max() <= tol * b.abs().max().clamp(min=1))


def check_edit(
    name: str, edit: Mapping[str, Any], *, merges: bool = True, identity: bool = True
) -> tuple[nn.Module, list[str]]:
    """An edit changes nothing at first, trains only what is new, and can be replayed, copied and folded away."""
    # torch's own transformer takes another kernel where no parameter requires a gradient.
    same = close if name == "encoder" else torch.equal
    net, x = make(name), inputs(name)
    before, keys = run(net, x), set(net.state_dict())
    trained = apply_edit(net, edit, seed=0)
    assert trained
    assert keys == set(net.state_dict()) - set(trained), "what was there keeps its name, what is new trains"
    if identity:
        assert same(run(net, x), before)

    stir(net, trained)
    train_only(net, trained)
    after = run(net, x)
    assert not close(after, before, 1e-3)
    assert unused(net) == []
    after.square().sum().backward()
    moved = {n for n, p in net.named_parameters() if p.grad is not None and p.grad.abs().max() > 0}
    assert moved == set(trained)

    again = make(name, seed=7)
    assert apply_edit(again, json.loads(json.dumps(dict(edit)))) == trained
    again.load_state_dict(net.state_dict())
    assert same(run(again, x), after)

    twin = copy.deepcopy(net)
    stir(twin, trained, seed=2)
    assert not close(run(twin, x), after, 1e-3)
    assert same(run(net, x), after)

    left = merge_edits(net)
    if merges:
        assert close(run(net, x), after)
        assert set(net.state_dict()) - keys == {f"{n}.bias" for e in left for n in e["names"]}
    else:
        assert left == [dict(edit)]
    bare = make(name, seed=9)
    for e in left:
        apply_edit(bare, e)
    bare.load_state_dict(net.state_dict())
    assert same(run(bare, x), run(net, x))
    return twin, trained
