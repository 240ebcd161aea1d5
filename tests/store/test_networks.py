"""Saved networks: rebuilt from JSON and safetensors alone, to the last bit, without what they were made from."""

import hashlib
import importlib.util
import json
import shutil
import socket
import subprocess
import sys

import numpy as np
import pytest
import safetensors.torch
import torch
from torch import nn

import networks
import transferkit
from transferkit import CORAL, DataError, FeatureExtraction, FineTuning, ParamError
from transferkit.engine.backbones import load_backbone
from transferkit.ops.nn.edits import apply_edit
from transferkit.ops.nn.heads import Head
from transferkit.store import read_manifest

needs_timm = pytest.mark.skipif(importlib.util.find_spec("timm") is None, reason="timm is not installed")
VECTORS, IMAGES, TEXT = (networks.easy(kind) for kind in ("vectors", "images", "text"))


class Own(nn.Module):
    """A network of the user's, with tied weights, a buffer of whole numbers and one of half precision."""

    def __init__(self, seed=0, width=8):
        super().__init__()
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            self.first = nn.Linear(8, width)
            self.second = nn.Linear(width, width)
        self.third = nn.Linear(width, width)
        self.third.weight = self.second.weight
        self.register_buffer("order", torch.arange(width).flip(0) if seed == 0 else torch.arange(width))
        self.register_buffer("gain", torch.full((width,), 1.5, dtype=torch.bfloat16))

    def forward(self, x):
        z = self.second(torch.relu(self.first(x)))[:, self.order]
        return torch.relu(self.third(z)) * self.gain.float()


@pytest.fixture(autouse=True)
def _no_connection(monkeypatch):
    def refuse(*_):
        raise AssertionError("a connection was opened")

    monkeypatch.setattr(socket.socket, "connect", refuse)


def fit(source, task=VECTORS, cls=FineTuning, **params):
    return cls(source, **{"training": networks.training(n_epochs=2), **params}).fit(task.X, task.y)


def same(a, b, X):
    for method in ("predict", "transform", "predict_proba"):
        if hasattr(a, method):
            np.testing.assert_array_equal(getattr(a, method)(X), getattr(b, method)(X))


def test_a_network_of_the_users_own_comes_back_in_a_skeleton_with_any_weights(tmp_path):
    model = fit(Own())
    skeleton = Own(seed=5)
    before, state = (
        torch.get_rng_state(),
        hashlib.sha256(safetensors.torch.save({"x": skeleton.first.weight.data})).digest(),
    )
    loaded = transferkit.load(transferkit.save(model, tmp_path / "m"), modules={"Own": skeleton})
    same(loaded, model, VECTORS.X_new)
    assert torch.equal(torch.get_rng_state(), before)
    assert hashlib.sha256(safetensors.torch.save({"x": skeleton.first.weight.data})).digest() == state
    body = loaded.network_.body
    assert body.third.weight is body.second.weight
    assert body.order.tolist() == [7, 6, 5, 4, 3, 2, 1, 0]
    assert body.gain.dtype == torch.bfloat16
    assert not loaded.network_.training
    assert loaded.backbone_name_ == model.backbone_name_
    assert [g.name for g in loaded.network_.groups] == [g.name for g in model.network_.groups]


def test_the_source_comes_back_only_where_its_weights_are_the_same(tmp_path):
    model = fit(Own())
    folder = transferkit.save(model, tmp_path / "m")
    lost = transferkit.load(folder, modules={"Own": Own(seed=5)})
    assert lost.source is None
    with pytest.raises(ParamError, match=r"FineTuning\.fit: source must be"):
        lost.fit(VECTORS.X, VECTORS.y)
    source = model.source
    kept = transferkit.load(folder, modules={"Own": source})
    assert kept.source is source
    same(kept.fit(VECTORS.X, VECTORS.y), model, VECTORS.X_new)


@pytest.mark.parametrize("modules", [None, {}, {"Other": Own()}, {"Own": Own}])
def test_without_a_skeleton_the_error_says_what_to_give(modules, tmp_path):
    folder = transferkit.save(fit(Own()), tmp_path / "m")
    with pytest.raises(
        DataError, match=r"modules must hold .*transferkit\.load\(folder, modules=\{'Own': Own\(\.\.\.\)\}\)"
    ):
        transferkit.load(folder, modules=modules)


@pytest.mark.parametrize("other", [Own(width=9), nn.Linear(8, 8)])
def test_a_skeleton_of_another_structure_is_refused(other, tmp_path):
    folder = transferkit.save(fit(Own()), tmp_path / "m")
    with pytest.raises(DataError, match=r"modules\['Own'\] must have the structure"):
        transferkit.load(folder, modules={"Own": other})


@pytest.mark.parametrize(
    "task",
    [VECTORS, networks.easy("vectors", "multilabel"), networks.easy("vectors", "regression")],
    ids=["classes", "labels", "numbers"],
)
def test_labels_and_numbers_come_back(task, tmp_path):
    model = fit(networks.vector_net(), task)
    loaded = transferkit.load(transferkit.save(model, tmp_path / "m"), modules={"Sequential": networks.vector_net()})
    same(loaded, model, task.X_new)
    assert loaded.score(task.X_new, task.y_new) == model.score(task.X_new, task.y_new)
    assert loaded.labels_.kind == model.labels_.kind
    assert loaded.history_ == model.history_


@pytest.mark.parametrize("batch_norm", ["frozen", "train"])
def test_statistics_of_batch_normalisation_come_back(batch_norm, tmp_path):
    model = fit(networks.KINDS["images"].learned(), IMAGES, batch_norm=batch_norm)
    loaded = transferkit.load(transferkit.save(model, tmp_path / "m"), modules={"ImageNet8": networks.ImageNet8()})
    same(loaded, model, IMAGES.X_new)
    for name, value in model.network_.state_dict().items():
        assert torch.equal(loaded.network_.state_dict()[name], value)
        assert loaded.network_.state_dict()[name].dtype == value.dtype


@pytest.mark.parametrize(
    "head", ["logistic", "ridge", "mlp", "adapter", "cosine", pytest.param("conv", marks=needs_timm)]
)
def test_every_head_comes_back(head, tmp_path):
    if head == "conv":
        name, task = "timm:test_resnet?pretrained=false&pool=none", networks.easy("images", n=24)
        model = fit(name, task, head=head)
        same(transferkit.load(transferkit.save(model, tmp_path / "m")), model, task.X_new)
        return
    model = fit(networks.vector_net(), VECTORS, FeatureExtraction, head=head)
    loaded = transferkit.load(transferkit.save(model, tmp_path / "m"), modules={"Sequential": networks.vector_net()})
    same(loaded, model, VECTORS.X_new)


def test_layers_of_a_network_of_the_users_own_come_back(tmp_path):
    model = fit(networks.vector_net(), VECTORS, FeatureExtraction, layers=["0", "2"], l2=True)
    assert model.transform(VECTORS.X_new).shape[1] == 24 + 16
    loaded = transferkit.load(transferkit.save(model, tmp_path / "m"), modules={"Sequential": networks.vector_net()})
    same(loaded, model, VECTORS.X_new)


def test_a_backbone_with_its_classifier_off_comes_back_in_another_one(tmp_path):
    def made(seed):
        return load_backbone(nn.Sequential(Own(seed), nn.Linear(8, 2)), sample=VECTORS.X[0], head="1")

    source = made(0)
    model = fit(source)
    folder = transferkit.save(model, tmp_path / "m")
    loaded = transferkit.load(folder, modules={"Sequential": made(3)})
    same(loaded, model, VECTORS.X_new)
    assert loaded.source is None
    assert transferkit.load(folder, modules={"Sequential": source}).source is source


@needs_timm
def test_an_image_backbone_by_name_is_rebuilt_from_the_folder_alone(tmp_path):
    model = fit("timm:test_resnet?pretrained=false", networks.easy("images", n=24))
    folder = transferkit.save(model, tmp_path / "m")
    loaded = transferkit.load(folder)
    same(loaded, model, IMAGES.X_new)
    assert loaded.source == model.source
    assert loaded.network_.backbone.spec == model.network_.backbone.spec
    assert loaded.network_.backbone.fingerprint == model.fingerprint_
    manifest = read_manifest(folder)
    assert manifest["networks"] == [
        {"place": "FineTuning.network_", "backbone": model.backbone_name_, "weights": model.fingerprint_}
    ]
    assert manifest["versions"]["torch"] == torch.__version__
    assert sorted(p.name for p in folder.iterdir()) == ["arrays.safetensors", "manifest.json", "tensors.safetensors"]


@needs_timm
def test_weights_from_a_file_are_not_needed_again(tmp_path):
    weights = tmp_path / "weights.safetensors"
    made = load_backbone("timm:test_resnet?pretrained=false", layers=["out"]).body.model
    safetensors.torch.save_file(made.state_dict(), weights)
    model = fit(f"file:{weights}?arch=timm:test_resnet", networks.easy("images", n=24))
    folder = transferkit.save(model, tmp_path / "m")
    weights.unlink()
    same(transferkit.load(folder), model, IMAGES.X_new)


@pytest.mark.skipif(importlib.util.find_spec("transformers") is None, reason="transformers is not installed")
def test_a_text_model_brings_its_tokenizer(tmp_path):
    home = shutil.copytree(networks.text_folder(True), tmp_path / "bert")
    model = fit(f"hf:{home}", TEXT)
    folder = transferkit.save(model, tmp_path / "m")
    shutil.rmtree(home)
    same(transferkit.load(folder), model, TEXT.X_new)


@needs_timm
def test_another_process_predicts_the_same(tmp_path):
    model = fit("timm:test_resnet?pretrained=false", networks.easy("images", n=24))
    transferkit.save(model, tmp_path / "m")
    np.save(tmp_path / "X.npy", IMAGES.X_new)
    code = (
        "import sys, numpy as np, torch, transferkit; torch.set_num_threads(int(sys.argv[2]))\n"
        "model = transferkit.load(sys.argv[1] + '/m')\n"
        "np.save(sys.argv[1] + '/out.npy', model.predict_proba(np.load(sys.argv[1] + '/X.npy')))"
    )
    subprocess.run([sys.executable, "-c", code, str(tmp_path), str(torch.get_num_threads())], check=True)
    np.testing.assert_array_equal(np.load(tmp_path / "out.npy"), model.predict_proba(IMAGES.X_new))


def test_edits_are_made_again(tmp_path):
    model = fit(networks.vector_net())
    for edit in ({"edit": "lora", "rank": 2}, {"edit": "scale_shift"}, {"edit": "lora", "rank": 1, "layers": "2"}):
        for name in apply_edit(model.network_.body, edit):
            nn.init.normal_(model.network_.body.get_parameter(name))
        model.network_.edits.append(edit)
    loaded = transferkit.load(transferkit.save(model, tmp_path / "m"), modules={"Sequential": networks.vector_net()})
    assert loaded.network_.edits == model.network_.edits
    assert list(loaded.network_.state_dict()) == list(model.network_.state_dict())
    same(loaded, model, VECTORS.X_new)


@needs_timm
def test_a_backbone_object_as_source_is_rebuilt_from_its_spec(tmp_path):
    model = fit(load_backbone("timm:test_resnet?pretrained=false"), networks.easy("images", n=24))
    loaded = transferkit.load(transferkit.save(model, tmp_path / "m"))
    same(loaded, model, IMAGES.X_new)
    assert loaded.source is None


def test_settings_and_an_unfitted_method_come_back(tmp_path):
    training = networks.training(folder=tmp_path / "run", average="ema")
    loaded = transferkit.load(transferkit.save(FineTuning("timm:resnet18", training=training), tmp_path / "m"))
    assert repr(loaded) == repr(FineTuning("timm:resnet18", training=training))
    assert loaded.training.folder == tmp_path / "run"
    with pytest.raises(DataError, match=r"FineTuning\.training\.callbacks\[0\] must hold"):
        transferkit.save(FineTuning("x", training=networks.training(callbacks=[print])), tmp_path / "n")


def test_tensors_come_back_exactly(tmp_path):
    model = CORAL()
    model.value_ = [
        torch.arange(6).reshape(2, 3).T, torch.tensor(1.5, dtype=torch.bfloat16), torch.zeros(0, 3), torch.tensor([True]),
    ]  # fmt: skip
    for a, b in zip(transferkit.load(transferkit.save(model, tmp_path / "m")).value_, model.value_):
        assert a.dtype == b.dtype
        assert torch.equal(a, b)


def test_heads_and_linear_layers_come_back(tmp_path):
    model = fit(networks.vector_net())
    model.other_ = [nn.Linear(3, 2, bias=False), Head(4, 2, "adapter", batch_norm=True).eval()]
    loaded = transferkit.load(transferkit.save(model, tmp_path / "m"), modules={"Sequential": networks.vector_net()})
    for a, b, x in zip(loaded.other_, model.other_, (torch.randn(5, 3), torch.randn(5, 4))):
        assert torch.equal(a(x), b(x))
        assert not a.training


def test_other_modules_and_heads_are_refused_by_place(tmp_path):
    model = fit(networks.vector_net())
    model.critic_ = nn.Tanh()
    with pytest.raises(DataError, match=r"FineTuning\.critic_ must be .*Got torch\.nn\.modules\.activation\.Tanh"):
        transferkit.save(model, tmp_path / "m")
    del model.critic_
    model.network_.head = nn.Bilinear(2, 2, 3)
    with pytest.raises(DataError, match=r"FineTuning\.network_\.head must be a head of transferkit"):
        transferkit.save(model, tmp_path / "m")
    assert not (tmp_path / "m").exists()


# Damage -------------------------------------------------------------------------------------------------------------


@pytest.fixture
def saved(tmp_path):
    return transferkit.save(fit(networks.vector_net()), tmp_path / "m")


def reload(folder):
    return transferkit.load(folder, modules={"Sequential": networks.vector_net()})


@pytest.mark.parametrize("harm", ["flip", "cut", "gone"])
def test_damaged_weights_are_refused(saved, harm):
    file = saved / "tensors.safetensors"
    content = bytearray(file.read_bytes())
    content[-3] ^= 1
    {"flip": lambda: file.write_bytes(content), "cut": lambda: file.write_bytes(content[:-8]), "gone": file.unlink}[
        harm
    ]()
    with pytest.raises(DataError, match=r"tensors\.safetensors: (is damaged|cannot be read)"):
        reload(saved)


def resign(folder, change):
    """A manifest that was changed by hand, its sums made right again."""
    manifest = json.loads((folder / "manifest.json").read_text())
    change(manifest)
    manifest.pop("sha256")
    file = folder / "tensors.safetensors"
    if file.exists():
        manifest["files"][file.name] = hashlib.sha256(file.read_bytes()).hexdigest()
    text = json.dumps(manifest, sort_keys=True, separators=(",", ":"))
    manifest["sha256"] = hashlib.sha256(text.encode()).hexdigest()
    (folder / "manifest.json").write_text(json.dumps(manifest))


def network_node(manifest):
    return next(v for k, v in manifest["state"]["state"] if k == "network_")


@pytest.mark.parametrize(
    "change",
    [
        lambda m: network_node(m)["state"].popitem(),
        lambda m: network_node(m)["state"].update({"head.out.bias": "nowhere"}),
        lambda m: network_node(m).pop("about"),
        lambda m: network_node(m).update(about={"is": "dict", "items": []}),
        lambda m: m["files"].pop("tensors.safetensors"),
        lambda m: m.update(json.loads(json.dumps(m).replace("transferkit.ops.nn.heads:Head", "torch.nn:Bilinear"))),
        lambda m: m.update(
            json.loads(json.dumps(m).replace("transferkit.ops.nn.heads:Head", "transferkit.ops.nn.heads:nn"))
        ),
    ],
    ids=["one missing", "wrong name", "no description", "empty description", "no file", "foreign head", "no head"],
)
def test_a_description_that_does_not_fit_is_refused(saved, change):
    manifest = json.loads((saved / "manifest.json").read_text())
    change(manifest)
    if "tensors.safetensors" not in manifest["files"]:
        (saved / "tensors.safetensors").unlink()
    resign(saved, lambda m: (m.clear(), m.update(manifest)))
    with pytest.raises(DataError):
        reload(saved)


def test_a_safetensors_file_that_is_none_is_refused(saved):
    (saved / "tensors.safetensors").write_bytes(b"not this")
    resign(saved, lambda m: None)
    with pytest.raises(DataError, match="does not describe a model"):
        reload(saved)


def test_no_pickle_and_no_torch_for_what_needs_none(tmp_path):
    code = (
        "import sys, numpy as np, transferkit\n"
        "from transferkit import CORAL, Domain\n"
        "X = np.random.default_rng(0).normal(size=(20, 3)); y = np.arange(20) % 2\n"
        "model = CORAL().fit(X, y, target=Domain(X + 1))\n"
        "transferkit.load(transferkit.save(model, sys.argv[1]))\n"
        "assert 'torch' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code, str(tmp_path / "m")], check=True)
