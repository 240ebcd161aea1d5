import copy

import pytest
import torch
from torch import nn

from edit_checks import check_edit, close, inputs, make, run, stir
from transferkit.core.errors import ParamError
from transferkit.engine.networks.torchvision_guard import guard_torchvision
from transferkit.ops.nn.edits import apply_edit


@pytest.mark.parametrize("deep", [False, True])
@pytest.mark.parametrize("name", ["vit", "bert", "gpt2"])
def test_it_is_an_edit(name, deep):
    net, names = check_edit(name, {"edit": "prompts", "n_tokens": 4, "deep": deep}, merges=False, identity=False)
    assert sum(net.get_parameter(n).numel() for n in names) == 4 * 12 * (2 if deep else 1)


def tokens_of(net, names):
    return [net.get_parameter(n).detach().expand(3, -1, -1) for n in names]


@pytest.mark.parametrize("deep", [False, True])
@pytest.mark.parametrize("pool", ["token", "avg"])
def test_vpt_by_hand(deep, pool):
    net, x = make("vit"), inputs("vit")
    net.global_pool = pool
    bare = copy.deepcopy(net)
    names = apply_edit(net, {"edit": "prompts", "n_tokens": 3, "deep": deep}, seed=0)
    stir(net, names)
    tokens = tokens_of(net, names)
    z = bare._pos_embed(bare.patch_embed(x))
    n = z.shape[1]
    z = torch.cat([z[:, :1], tokens[0], z[:, 1:]], dim=1)  # eq. 4: [x_0, P, E_0]
    for k, block in enumerate(bare.blocks):
        if deep and k:
            z = torch.cat([z[:, :1], tokens[k], z[:, 4:]], dim=1)  # eq. 8: [x_i, _, E_i]
        z = block(z)
    z = bare.norm(torch.cat([z[:, :1], z[:, 4:]], dim=1))
    assert z.shape[1] == n
    assert close(net(x), bare.forward_head(z), 1e-6)


def test_start_as_in_the_papers():
    vit, bert = make("vit"), make("bert")
    tokens = vit.get_parameter(apply_edit(vit, {"edit": "prompts", "n_tokens": 400}, seed=0)[0]).detach()
    bound = (6 / (3 * 8 * 8 + 12)) ** 0.5
    assert tokens.abs().max() <= bound
    assert abs(tokens.std() - bound / 3**0.5) < 0.01
    rows = bert.get_parameter(apply_edit(bert, {"edit": "prompts"}, seed=0)[0]).detach()
    table = bert.embeddings.word_embeddings.weight.detach()
    assert all((table == row).all(dim=1).any() for row in rows)


@pytest.mark.filterwarnings("ignore:.is_gradient_checkpointing:FutureWarning")  # of peft
@pytest.mark.filterwarnings("ignore:Position ids are not supported")
def test_hidden_states_equal_to_peft():
    net, x = make("bert"), inputs("bert")
    peft = pytest.importorskip("peft")
    config = peft.PromptTuningConfig(task_type="FEATURE_EXTRACTION", num_virtual_tokens=4)
    theirs = peft.get_peft_model(copy.deepcopy(net), config).eval()
    name = apply_edit(net, {"edit": "prompts", "n_tokens": 4})[0]
    with torch.no_grad():
        net.get_parameter(name).copy_(theirs.prompt_encoder["default"].embedding.weight)
    want = theirs(**x).last_hidden_state[:, 4:]
    assert close(net(**x).last_hidden_state, want, 1e-6)


def test_a_pooler_sees_the_text():
    net, x = make("bert"), inputs("bert")
    apply_edit(net, {"edit": "prompts", "n_tokens": 4})
    output = net(**x, output_hidden_states=True)
    assert torch.equal(output.pooler_output, net.pooler(output.last_hidden_state))
    assert {h.shape[1] for h in output.hidden_states} == {7}
    pair = net(**x, return_dict=False)
    assert torch.equal(pair[0], output.last_hidden_state)
    assert torch.equal(pair[1], output.pooler_output)


def test_positional_arguments_and_token_types():
    net, x = make("bert"), inputs("bert")
    apply_edit(net, {"edit": "prompts"})
    types = torch.zeros_like(x["input_ids"])
    assert torch.equal(net(x["input_ids"], x["attention_mask"], types).last_hidden_state, net(**x).last_hidden_state)


def test_padding_changes_nothing():
    net, x = make("bert"), inputs("bert")
    apply_edit(net, {"edit": "prompts"})
    short = {k: v[1:2, :4] for k, v in x.items()}
    assert close(net(**x).last_hidden_state[1, :4], net(**short).last_hidden_state[0], 1e-5)


def test_a_text_that_is_too_long():
    net = make("bert")  # has 24 positions
    apply_edit(net, {"edit": "prompts", "n_tokens": 4})
    net(input_ids=torch.zeros(1, 20, dtype=torch.long))
    with pytest.raises(ParamError, match=r"texts must have at most 20 tokens, 4 of the network's 24 .* Got 21"):
        net(input_ids=torch.zeros(1, 21, dtype=torch.long))
    with pytest.raises(ParamError, match="position_ids and past_key_values must be None"):
        net(input_ids=torch.zeros(1, 4, dtype=torch.long), position_ids=torch.zeros(1, 4, dtype=torch.long))


@pytest.mark.parametrize("deep", [False, True])
def test_other_vision_transformers(deep):
    guard_torchvision()
    from torchvision.models import VisionTransformer
    from transformers import Dinov2WithRegistersConfig, Dinov2WithRegistersModel, ViTConfig, ViTForImageClassification

    torch.manual_seed(0)
    size = {"image_size": 16, "patch_size": 8, "hidden_size": 12, "num_hidden_layers": 2, "num_attention_heads": 2}
    nets = [
        VisionTransformer(16, 8, 2, 2, 12, 24),
        ViTForImageClassification(ViTConfig(**size, intermediate_size=24)),
        Dinov2WithRegistersModel(Dinov2WithRegistersConfig(**size, num_register_tokens=2)),
    ]
    x = torch.randn(2, 3, 16, 16)
    for net in nets:
        for param in net.parameters():
            param.data += 0.2 * torch.randn(param.shape)
        body = nn.Sequential(net.eval())
        before = body(x)
        names = apply_edit(body, {"edit": "prompts", "n_tokens": 3, "deep": deep})
        assert len(names) == (2 if deep else 1)
        after = body(x)
        if isinstance(before, torch.Tensor):
            before, after = {"logits": before}, {"logits": after}
        for key, value in before.items():
            assert after[key].shape == value.shape
            assert not close(after[key], value, 1e-4), type(net).__name__


def test_networks_without_tokens():
    for name in ("resnet", "mlp", "convnext"):
        with pytest.raises(ParamError, match="no tokens to put them beside"):
            apply_edit(make(name), {"edit": "prompts"})
    with pytest.raises(ParamError, match="n_tokens of prompts must"):
        apply_edit(make("vit"), {"edit": "prompts", "n_tokens": 0})


def test_dropout_of_the_tokens():
    net, x = make("vit"), inputs("vit")
    apply_edit(net, {"edit": "prompts", "dropout": 0.5})
    assert torch.equal(run(net, x), run(net, x))
    net.train()
    assert not torch.equal(run(net, x), run(net, x))
