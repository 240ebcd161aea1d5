"""Detection: coloured rectangles whose boxes are known, found by a detector of one stage and one decoder layer."""

import numpy as np
import pytest
import torch

pytest.importorskip("transformers")

from torch import nn

from transferkit import DataError, Detection, DomainError, ParamError
from transferkit.engine.answers.objects import ObjectLabels, as_targets, flipped
from transferkit.engine.backbones.detector_models import load_detector, with_classes
from transferkit.engine.networks.torchvision_guard import guard_torchvision
from transferkit.engine.training.settings import Training

RED_BLUE, PINK_CYAN = ((230, 40, 40), (40, 60, 230)), ((230, 90, 140), (60, 170, 220))


def rectangles(n, seed, colours=RED_BLUE, names=("red", "blue"), size=32):
    rng = np.random.default_rng(seed)
    X, y = rng.integers(100, 140, size=(n, size, size, 3)).astype(np.uint8), []
    for k in range(n):
        height, width = rng.integers(10, 18, 2)
        top, left = rng.integers(0, size - height), rng.integers(0, size - width)
        X[k, top : top + height, left : left + width] = colours[k % 2]
        y.append({"boxes": np.array([[left, top, left + width, top + height]]), "labels": [names[k % 2]]})
    return X, y


def built(kind="rt_detr", n_classes=3):
    """A detector with first weights."""
    guard_torchvision()
    import transformers as lib

    few = {"num_labels": n_classes, "num_queries": 8, "d_model": 32}
    narrow = {
        f"{part}_{what}": n for part in ("encoder", "decoder") for what, n in (("ffn_dim", 64), ("attention_heads", 2))
    }
    resnet = lib.ResNetConfig(
        embedding_size=16, hidden_sizes=[32], depths=[1], layer_type="basic", out_features=["stage1"]
    )  # fmt: skip
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        if kind == "yolos":
            config = lib.YolosConfig(
                hidden_size=32, num_hidden_layers=1, num_attention_heads=2, intermediate_size=64, image_size=[32, 32],
                patch_size=8, num_detection_tokens=5, num_labels=n_classes,
            )  # fmt: skip
            return lib.YolosForObjectDetection(config)
        if kind == "rt_detr":
            config = lib.RTDetrConfig(
                backbone_config=resnet, encoder_hidden_dim=32, encoder_in_channels=[32], feat_strides=[4], encoder_layers=0,
                encode_proj_layers=[], num_feature_levels=1, decoder_in_channels=[32], decoder_layers=1, num_denoising=0,
                hidden_expansion=0.5, **few, **narrow,
            )  # fmt: skip
            return lib.RTDetrForObjectDetection(config)
        own = {"detr": lib.DetrConfig, "conditional_detr": lib.ConditionalDetrConfig}[kind]
        config = own(
            use_timm_backbone=False, use_pretrained_backbone=False, backbone=None, backbone_config=resnet, encoder_layers=1,
            decoder_layers=2, auxiliary_loss=True, dropout=0.0, **few, **narrow,
        )  # fmt: skip
        return lib.AutoModelForObjectDetection.from_config(config)


def make(source=None, n_epochs=2, **params):
    training = {
        "n_epochs": n_epochs,
        "lr": 3e-3,
        "batch_size": 8,
        "clip": 1.0,
        "device": "cpu",
        **params.pop("training", {}),
    }
    settings = {"image_size": 32, "batch_norm": "train", "augment": "none", **params}
    return Detection(
        built() if source is None else source, training=Training(**{"body_lr_scale": 1.0, **training}), **settings
    )


@pytest.fixture(scope="module")
def fitted():
    return make(n_epochs=25).fit(*rectangles(64, 0))


def test_it_learns_the_boxes(fitted):
    X, y = rectangles(32, 1)
    assert fitted.score(X, y) > 0.5
    assert fitted.classes_.tolist() == ["blue", "red"]
    assert {"train/loss", "train/bbox", "train/giou"} <= set(fitted.history_[-1])
    assert not any(name[-1].isdigit() for name in fitted.history_[-1])


def test_found_objects_lie_in_their_image_and_are_as_sure_as_asked_for(fitted):
    X, _ = rectangles(6, 2)
    fitted.set_params(min_score=0.02)
    for image in (X[0], np.repeat(X[0], 2, axis=1)):
        found = fitted.predict([image])[0]
        assert found["boxes"].shape == (len(found["scores"]), 4)
        assert len(found["labels"]) == len(found["scores"]) > 0
        assert (found["boxes"] >= 0).all()
        assert (found["boxes"][:, [0, 2]] <= image.shape[1]).all()
        assert (np.diff(found["scores"]) <= 0).all()
        assert (found["scores"] >= 0.02).all()
    once, twice = (fitted.predict([image])[0]["boxes"][0] for image in (X[0], np.repeat(X[0], 2, axis=1)))
    np.testing.assert_allclose(twice, once * [2, 1, 2, 1], atol=1.0)
    assert all(len(one["boxes"]) == 0 for one in fitted.set_params(min_score=1.0).predict(X))
    fitted.set_params(min_score=0.3)


def test_what_was_learned_on_other_colours_helps_with_few_boxes(fitted):
    source = fitted.network_.as_backbone()
    X, y = rectangles(12, 10, PINK_CYAN, ("pink", "cyan"))
    new = rectangles(32, 11, PINK_CYAN, ("pink", "cyan"))
    learned, fresh = (make(s, n_epochs=12).fit(X, y).score(*new) for s in (source, None))
    assert learned > fresh + 0.1, (learned, fresh)


@pytest.mark.parametrize("kind", ["yolos", "detr", "conditional_detr"])
def test_other_families(kind, tmp_path):
    built(kind).save_pretrained(tmp_path / "model")
    X, y = rectangles(6, 0)
    y[2] = {"boxes": [], "labels": []}
    model = make(f"hf:{tmp_path / 'model'}").fit(X, y)
    assert np.isfinite(model.score(X, y))
    assert np.isfinite([row["train/loss"] for row in model.history_]).all()
    assert model.transform(X).shape == (6, 32)
    scratch = make(f"hf:{tmp_path / 'model'}?pretrained=false").fit(X, y)
    assert scratch.fingerprint_ != model.fingerprint_


@pytest.mark.parametrize("kind", ["rt_detr", "yolos", "detr"])
def test_all_but_the_layers_for_the_classes_is_kept(kind):
    source = load_detector(built(kind), 32)
    for n_classes in (2, 3):  # 3 is the number that it has
        new = with_classes(source, n_classes)
        head = set(new.groups[-1].params)
        assert new.groups[-1].name == "head"
        assert sum(len(g.params) for g in new.groups) == len(list(new.body.parameters()))
        before, after = source.body.state_dict(), new.body.state_dict()
        assert head
        assert all("class" in name or "score" in name for name in head)
        assert all(torch.equal(before[name], after[name]) for name in before if name not in head)
        assert any(before[n].shape != after[n].shape or not torch.equal(before[n], after[n]) for n in head)


def test_the_plan_may_train_the_layers_for_the_classes_alone():
    X, y = rectangles(8, 0)
    source = built()
    model = make(source, plan="head", batch_norm="frozen").fit(X, y)
    head = set(model.network_.groups[-1].params)
    kept = dict(source.named_parameters())
    for name, after in model.network_.named_parameters():
        if name not in head:
            torch.testing.assert_close(after, kept[name.removeprefix("body.model.")])


def test_held_back_boxes_judge_an_epoch():
    model = make(training={"validation": 0.25, "keep": "best"}).fit(*rectangles(16, 0))
    assert all(0 <= row["validation"] <= 1 for row in model.history_)


@pytest.mark.parametrize(
    ("y", "says"),
    [
        (None, "y must hold the objects"),
        ([{"boxes": [], "labels": []}], r"y must have one mapping of boxes and labels an image of X \(2\). Got 1"),
        ([{"boxes": []}] * 2, r"y must hold mappings with boxes and labels. Got \['boxes'\] at 0"),
        ([{"boxes": [], "labels": []}] * 2, "y must hold objects"),
        ([{"boxes": [[0, 0, 9]], "labels": ["a"]}] * 2, r"y must hold boxes of shape \(k, 4\)"),
        ([{"boxes": [[0, 0, 9, 9]], "labels": []}] * 2, r"y must hold boxes of shape \(k, 4\)"),
        ([{"boxes": [[9, 0, 0, 9]], "labels": ["a"]}] * 2, "y must hold boxes as left, top, right, bottom"),
        ([{"boxes": [[0, 0, np.nan, 9]], "labels": ["a"]}] * 2, "y must hold boxes as left, top, right, bottom"),
        ([{"boxes": [[40, 0, 50, 9]], "labels": ["a"]}] * 2, "y must hold boxes in pixels.*32 x 32 pixels at 0"),
    ],
)
def test_what_cannot_be_used_is_named(y, says):
    with pytest.raises(DomainError, match=f"^Detection.fit: {says}"):
        make().fit(rectangles(2, 0)[0], y)


def test_a_source_that_is_no_detector_is_refused(tmp_path):
    X, y = rectangles(2, 0)
    for source in ("timm:resnet18", nn.Linear(2, 2)):
        with pytest.raises(ParamError, match="source must be"):
            make(source).fit(X, y)
    (tmp_path / "config.json").write_text('{"model_type": "bert", "architectures": ["BertModel"]}')
    with pytest.raises(DataError, match=r"must be a detector\. Got BertModel"):
        make(f"hf:{tmp_path}").fit(X, y)


# The mathematics of objects ------------------------------------------------------------------------------------------


def test_boxes_become_shares_and_back():
    labels = ObjectLabels(np.array(["a", "b"]))
    objects = [
        {"boxes": np.array([[10.0, 5.0, 30.0, 10.0]]), "labels": np.array(["b"])},
        {"boxes": np.empty((0, 4)), "labels": []},
    ]
    y = labels.encode(objects, [(20, 40), (10, 10)])
    torch.testing.assert_close(y[0, 0], torch.tensor([1, 0.5, 0.375, 0.5, 0.25]))
    assert [len(one["boxes"]) for one in as_targets(y)] == [1, 0]
    np.testing.assert_allclose(labels.as_shares(y)[0]["boxes"], [[0.25, 0.25, 0.75, 0.5]])
    outputs = np.array([[[-9.0, 9.0, 0.0, 0.5, 0.375, 0.5, 0.25], [9.0, 0.0, 20.0, 0.5, 0.5, 1.0, 1.0]]])
    found = labels.decode(outputs, [(20, 40)])[0]
    assert found["labels"].tolist() == ["b", "a"]
    np.testing.assert_allclose(found["boxes"], [[10, 5, 30, 10], [0, 0, 40, 20]])
    np.testing.assert_allclose(found["scores"], [1, np.exp(-11)], rtol=1e-3)
    assert len(labels.decode(outputs, [(20, 40)], min_score=0.5)[0]["scores"]) == 1


def test_without_a_logit_for_no_object_the_surest_pairs_of_query_and_class_count():
    labels = ObjectLabels(np.array(["a", "b"]))
    outputs = np.array([[[2.0, 1.0, 0.5, 0.5, 1.0, 1.0], [-3.0, 0.0, 0.5, 0.5, 0.5, 0.5]]])
    found = labels.decode(outputs, [(10, 10)])[0]
    assert found["labels"].tolist() == ["a", "b"]
    np.testing.assert_allclose(found["boxes"], [[0, 0, 10, 10]] * 2)
    np.testing.assert_allclose(found["scores"], 1 / (1 + np.exp([-2.0, -1.0])))


def test_boxes_are_turned_with_their_images():
    x = torch.arange(8.0).view(1, 1, 2, 4).repeat(16, 1, 1, 1)
    y = torch.tensor([[[0, 0.25, 0.5, 0.5, 1.0]]]).repeat(16, 1, 1)
    torch.manual_seed(0)
    seen, turned = flipped(x, y)
    was_turned = seen[:, 0, 0, 0] == 3
    assert 0 < was_turned.sum() < 16
    assert turned[was_turned, 0, 1].eq(0.75).all()
    assert turned[~was_turned].eq(y[0]).all()
