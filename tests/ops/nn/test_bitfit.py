import pytest
import torch
from torch import nn

from edit_checks import inputs, make, run
from transferkit.core.errors import ParamError
from transferkit.ops.nn.edits import apply_edit, merge_edits, train_only


@pytest.mark.parametrize("name", ["vit", "resnet", "mobilenet", "convnext", "bert", "gpt2", "mlp"])
def test_all_biases_and_nothing_else(name):
    net, x = make(name), inputs(name)
    before = run(net, x)
    names = apply_edit(net, {"edit": "bitfit"})
    assert names == [n for n, _ in net.named_parameters() if n.endswith("bias")]
    train_only(net, names)
    run(net, x).square().sum().backward()
    assert {n for n, p in net.named_parameters() if p.grad is not None} <= set(names)
    assert torch.equal(run(net, x), before)
    assert merge_edits(net) == []


def test_half_of_berts_biases():
    net = make("bert")
    names = apply_edit(net, {"edit": "bitfit", "layers": ["query", "intermediate.dense"]})
    sizes = {n: p.numel() for n, p in net.named_parameters()}
    assert sum(sizes[n] for n in names) == 2 * (12 + 20)


def test_without_norms():
    net = make("vit")
    names = apply_edit(net, {"edit": "bitfit", "norms": False})
    assert names
    assert not any("norm" in n for n in names)


def test_no_bias():
    with pytest.raises(ParamError, match="module must have biases for bitfit"):
        apply_edit(nn.Sequential(nn.Linear(2, 2, bias=False)), {"edit": "bitfit"})
