import copy
import json

import pytest
import torch
from torch import nn

from edit_checks import close, inputs, make, run, stir
from transferkit.core.errors import ParamError
from transferkit.ops.nn.edits import EDITS, apply_edit, merge_edits, train_only, unused


def test_unknown_edits():
    with pytest.raises(ParamError, match=r"edit must be one of adapter, bias, .* Got 'lorra'"):
        apply_edit(nn.Linear(2, 2), {"edit": "lorra"})
    with pytest.raises(ParamError, match="edit must be JSON"):
        apply_edit(nn.Linear(2, 2), {"edit": "lora", "layers": {1}})


def test_all_edits_in_a_row_are_replayed():
    net, x = make("vit"), inputs("vit")
    of_sequences = ("cross_stitch", "task_adapters", "task_attention")  # see test_task_stages
    edits = [{"edit": name} for name in EDITS if name not in ("bias", "stoch_norm", *of_sequences)]
    for edit in edits:
        stir(net, [n for n in apply_edit(net, edit) if not n.endswith("tokens")])
    again = make("vit", seed=3)
    for edit in json.loads(json.dumps(edits)):
        apply_edit(again, edit)
    again.load_state_dict(net.state_dict())
    assert torch.equal(run(again, x), run(net, x))


@pytest.mark.parametrize(
    "edits",
    [
        ["lora", "ia3", "scale_shift"], ["ia3", "lora", "scale_shift"], ["scale_shift", "ia3", "lora"],
        ["lora", "lora"], ["ia3", "ia3", "lora"], ["scale_shift", "scale_shift"],
    ],
)  # fmt: skip
@pytest.mark.parametrize("name", ["vit", "resnet", "mobilenet", "mlp", "encoder"])
def test_edits_on_the_same_layers_fold_in_every_order(edits, name):
    net, x = make(name).double(), inputs(name).double()
    for edit in edits:
        options = {"layers": "*"} if edit == "lora" and name != "mobilenet" else {}
        stir(net, apply_edit(net, {"edit": edit, **options}))
    want = run(net, x)
    left = merge_edits(net)
    assert [e["edit"] for e in left] in ([], ["bias"])
    assert close(run(net, x), want, 1e-9)


def test_what_lies_behind_an_adapter_stays():
    net, x = make("vit"), inputs("vit")
    behind = {"edit": "scale_shift", "layers": ["fc2"]}
    for edit in ({"edit": "lora"}, {"edit": "adapter", "size": 2}, behind):
        stir(net, apply_edit(net, edit))
    want = run(net, x)
    assert merge_edits(net) == [{"edit": "adapter", "size": 2}, behind]
    assert close(run(net, x), want)


def test_an_edit_folds_as_a_whole_or_not_at_all():
    net, x = make("vit"), inputs("vit")
    edits = [{"edit": "adapter", "layers": ["blocks.0.attn.qkv"], "size": 2}, {"edit": "lora"}, {"edit": "ia3"}]
    for edit in edits:
        stir(net, apply_edit(net, edit))
    want = run(net, x)
    assert merge_edits(net) == edits  # LoRA of the first block lies behind the adapter, (IA)^3 behind LoRA
    assert torch.equal(run(net, x), want)


def test_factors_before_a_change_that_reads_the_input_wait_for_it():
    """(IA)^3 on the input of a layer with LoRA beside it folds after LoRA, whichever came first."""
    net, x = nn.Sequential(nn.Linear(3, 4), nn.Linear(4, 2)), torch.randn(5, 3)
    for edit in ({"edit": "ia3"}, {"edit": "lora"}):
        stir(net, apply_edit(net, edit))
    want = net(x)
    assert merge_edits(net) == []
    assert close(net(x), want)


def test_a_bias_that_folding_made_is_remembered():
    net = make("resnet")
    apply_edit(net, {"edit": "scale_shift", "layers": "conv1"})
    left = merge_edits(net)
    assert left[0]["names"][0] == "conv1"
    again = make("resnet")
    for one in (net, again):
        if one is again:
            apply_edit(again, left[0])
        apply_edit(one, {"edit": "lora", "layers": "conv2"})
        assert merge_edits(one) == left


def test_merging_keeps_what_trains():
    net = make("resnet")
    train_only(net, apply_edit(net, {"edit": "scale_shift"}))
    merge_edits(net)
    assert not any(p.requires_grad for p in net.parameters())


def test_a_seed_repeats_and_leaves_the_generator_alone():
    torch.manual_seed(0)
    want = torch.rand(1)
    torch.manual_seed(0)
    first, second = make("vit"), make("vit")
    torch.manual_seed(0)
    for net in (first, second):
        apply_edit(net, {"edit": "lora"}, seed=4)
    assert torch.equal(torch.rand(1), want)
    assert all(torch.equal(a, b) for a, b in zip(first.parameters(), second.parameters()))


def test_dtype_and_mode_of_the_layer():
    net = make("vit").to(torch.bfloat16)
    for edit in ("lora", "ia3", "scale_shift", "adapter", "prompts"):
        apply_edit(net, {"edit": edit})
    assert {p.dtype for p in net.parameters()} == {torch.bfloat16}
    assert not any(m.training for m in net.modules())
    assert net(inputs("vit").bfloat16()).isfinite().all()


def test_layers_that_are_never_called_are_named():
    class Reads(nn.Module):
        def __init__(self):
            super().__init__()
            self.called, self.read = nn.Linear(3, 3), nn.Linear(3, 3)

        def forward(self, x):
            return nn.functional.linear(self.called(x), self.read.weight)

    net = Reads()
    apply_edit(net, {"edit": "lora", "layers": ["called", "read"]})
    assert unused(net) == ["called.lora", "read.lora"]
    net(torch.zeros(1, 3))
    assert unused(net) == ["read.lora"]


def test_padded_batches_of_torchs_encoder():
    net, x = make("encoder"), inputs("encoder")
    padding = torch.arange(5)[None] >= torch.tensor([5, 3, 2])[:, None]
    before = net(x, src_key_padding_mask=padding)
    apply_edit(net, {"edit": "lora"})
    with torch.no_grad():
        after = net(x, src_key_padding_mask=padding)
    assert close(after[~padding], before[~padding])


def test_gradients_with_dropout_checkpointing_and_copies():
    net, x = make("vit").train(), inputs("vit")
    names = apply_edit(net, {"edit": "lora", "dropout": 0.3})
    train_only(net, names)
    twin = copy.deepcopy(net)
    twin.set_grad_checkpointing()
    for one in (net, twin):
        stir(one, names)
        torch.manual_seed(0)
        one(x).sum().backward()
    assert all(torch.equal(net.get_parameter(n).grad, twin.get_parameter(n).grad) for n in names)
