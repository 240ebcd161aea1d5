"""Segmentation: coloured squares whose masks are known."""

import json

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn

from transferkit import DomainError, ParamError, Segmentation
from transferkit.engine.answers.masks import MaskLabels, mask_loss, random_views
from transferkit.engine.backbones import load_backbone
from transferkit.engine.networks.torchvision_guard import guard_torchvision
from transferkit.engine.training.settings import Training

RED_GREEN, PINK_LIME = ((220, 40, 40), (40, 200, 60)), ((210, 90, 130), (150, 200, 40))


def squares(n, seed, colours=RED_GREEN, size=32):
    rng = np.random.default_rng(seed)
    X = rng.integers(60, 130, size=(n, size, size, 3))
    y = np.zeros((n, size, size), dtype=np.uint8)
    for k in range(n):
        for c, colour in enumerate(colours):
            side = rng.integers(9, 15)
            top, left = rng.integers(0, size - side, 2)
            X[k, top : top + side, left : left + side] = colour + rng.normal(0, 12, size=(side, side, 3))
            y[k, top : top + side, left : left + side] = c + 1
    return X.clip(0, 255).astype(np.uint8), y


def small_net():
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return nn.Sequential(
            nn.Conv2d(3, 16, 3, 2, 1), nn.BatchNorm2d(16), nn.ReLU(), nn.Conv2d(16, 24, 3, 2, 1), nn.BatchNorm2d(24),
            nn.ReLU(), nn.Conv2d(24, 32, 3, 2, 1), nn.BatchNorm2d(32), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(),
        )  # fmt: skip


def make(source=None, n_epochs=12, lr=0.02, **params):
    training = {"n_epochs": n_epochs, "lr": lr, "batch_size": 8, "device": "cpu", **params.pop("training", {})}
    settings = {"batch_norm": "train", "width": 32, "augment": "flip", **params}
    return Segmentation(
        small_net() if source is None else source, training=Training(body_lr_scale=1.0, **training), **settings
    )


@pytest.fixture(scope="module")
def fitted():
    return make().fit(*squares(40, 0))


def test_it_learns_the_masks(fitted):
    X, y = squares(20, 1)
    found = fitted.predict(X)
    assert found.shape == y.shape
    assert found.dtype == y.dtype
    assert fitted.score(X, y) > 0.8
    assert fitted.classes_.tolist() == [0, 1, 2]
    assert {"train/loss", "train/cross_entropy"} <= set(fitted.history_[-1])


def test_fcn_and_dice_learn_on_a_network_of_timm():
    guard_torchvision()
    pytest.importorskip("timm")
    X, y = squares(24, 0)
    model = make("timm:test_resnet?pretrained=false&image_size=32", decoder="fcn", dice=1.0, n_epochs=8).fit(X, y)
    assert model.score(X, y) > 0.6
    assert 0 < model.history_[-1]["train/dice"] < model.history_[0]["train/dice"] < 1
    assert [g.name for g in model.network_.groups][-1] == "head"


def test_what_was_learned_on_other_colours_helps_with_few_masks(fitted):
    source = fitted.network_.as_backbone()
    gains = []
    for seed in range(3):
        X, y = squares(4, 10 + seed, PINK_LIME)
        new = squares(20, 20 + seed, PINK_LIME)
        short = {"decoder": "fcn", "n_epochs": 20, "lr": 0.01, "random_state": seed}
        gains.append(make(source, **short).fit(X, y).score(*new) - make(**short).fit(X, y).score(*new))
    assert np.mean(gains) > 0.03, gains


def test_images_of_any_size_get_masks_of_their_own_size(fitted):
    X, y = squares(3, 2)
    images = [Image.fromarray(X[0]).resize((50, 40)), X[1][:, :24], torch.as_tensor(X[2]).permute(2, 0, 1)]
    found = fitted.predict(images)
    assert [m.shape for m in found] == [(40, 50), (32, 24), (32, 32)]
    np.testing.assert_array_equal(found[2], fitted.predict(X[2:])[0])
    model = make(n_epochs=1).fit(images, [np.zeros((40, 50), int), y[1][:, :24], y[2]])
    assert np.isfinite(model.score(images, [m.clip(0, 2) for m in found]))


def test_image_size_sets_what_the_network_sees():
    X, y = squares(6, 0)
    model = make(n_epochs=1, image_size=(24, 40)).fit(X, y)
    assert (model.network_.head.maps[0].height, model.network_.head.maps[0].width) == (12, 20)
    assert model.predict(X).shape == y.shape


def test_ignored_pixels_change_nothing():
    X, y = squares(8, 0)
    hidden, other = y.copy(), y.copy()
    hidden[:, :16] = other[:, :16] = 255
    a = make(n_epochs=2).fit(X, hidden)
    assert a.classes_.tolist() == [0, 1, 2]
    assert a.score(X, hidden) == a.score(X, np.where(hidden == 255, 255, y))
    b = make(n_epochs=2, ignore_index=None).fit(X, hidden)
    assert b.classes_.tolist() == [0, 1, 2, 255]


def test_held_back_masks_judge_an_epoch():
    X, y = squares(20, 0)
    model = make(n_epochs=3, training={"validation": 0.25, "keep": "best"}).fit(X, y)
    assert all(0 <= row["validation"] <= 1 for row in model.history_)


def test_the_plan_holds_the_source_model_still():
    X, y = squares(8, 0)
    source = small_net()
    model = make(source, n_epochs=2, plan="head", batch_norm="frozen").fit(X, y)
    for before, after in zip(source.parameters(), model.network_.body.parameters(), strict=True):
        torch.testing.assert_close(before, after)
    np.testing.assert_allclose(model.transform(X), load_features(source, X), rtol=1e-4, atol=1e-5)


def load_features(source, X):
    backbone = load_backbone(source.eval(), sample=X[0])
    with torch.no_grad():
        return backbone.body(backbone.preprocess.batch(list(X))).numpy()


@pytest.mark.parametrize(
    ("X", "y", "says"),
    [
        (slice(None), None, "y must hold the masks"),
        (slice(None), slice(0, 3), r"y must have one mask an image of X \(4\). Got 3"),
        (slice(0, 0), slice(0, 0), "X must have"),
        (slice(None), "small", "y must have masks as large as the images"),
        (slice(None), "empty", r"y must hold at least two classes. Got \[0\]"),
        (slice(None), "float", "y must hold masks, whole numbers"),
        ("float", slice(None), "X must be uint8 images"),
        ("text", slice(None), "X must hold images"),
    ],
)
def test_what_cannot_be_used_is_named(X, y, says):
    images, masks = squares(4, 0)
    wrong = {"small": masks[:, 1:], "empty": masks * 0, "float": masks / 2, None: None}
    bad = {"float": images / 255, "text": ["a"] * 4}
    with pytest.raises(DomainError, match=f"^Segmentation.fit: {says}"):
        make().fit(bad[X] if isinstance(X, str) else images[X], masks[y] if isinstance(y, slice) else wrong[y])


def test_a_source_without_maps_is_refused():
    X, y = squares(4, 0)
    with pytest.raises(ParamError, match="makes maps"):
        make(nn.Sequential(nn.Flatten(), nn.Linear(3 * 32 * 32, 4))).fit(X, y)


# The mathematics of masks --------------------------------------------------------------------------------------------


def test_masks_are_shrunk_to_the_nearest_pixel_and_unknown_classes_do_not_count():
    labels = MaskLabels(np.array([3, 7]), 255)
    mask = np.array([[3, 3, 7, 7], [3, 3, 7, 7], [9, 9, 255, 255], [9, 9, 255, 255]])
    assert labels.encode([mask], (2, 2)).tolist() == [[[0, 1], [-1, -1]]]
    assert labels.encode([mask], (4, 8))[0, 0].tolist() == [0, 0, 0, 0, 1, 1, 1, 1]
    logits = torch.tensor([[[5.0, 0.0]], [[0.0, 5.0]]])
    assert labels.decode(logits, (2, 4)).tolist() == [[3, 3, 7, 7]] * 2


def test_the_loss_is_cross_entropy_over_pixels_that_count_plus_dice():
    logits = torch.randn(2, 3, 4, 4, generator=torch.Generator().manual_seed(0))
    y = torch.randint(-1, 2, (2, 4, 4), generator=torch.Generator().manual_seed(1)).to(
        torch.int16
    )  # class 2 is nowhere
    found = mask_loss(logits, y, dice=0.5)
    kept = y >= 0
    p = logits.softmax(dim=1).movedim(1, -1)[kept]
    index = y[kept].long()
    entropy = -p[torch.arange(len(p)), index].log().mean()
    dice = [1 - 2 * p[index == c, c].sum() / (p[:, c].sum() + (index == c).sum()) for c in (0, 1)]
    torch.testing.assert_close(found["cross_entropy"], entropy)
    torch.testing.assert_close(found["dice"], torch.stack(dice).mean())
    torch.testing.assert_close(found["loss"], entropy + 0.25 * sum(dice))
    assert mask_loss(logits, torch.full_like(y, -1), dice=1.0)["loss"] == 0


@pytest.mark.parametrize("kind", ["flip", "crop_flip"])
def test_images_and_masks_are_turned_and_cut_alike(kind):
    y = torch.zeros(8, 32, 32, dtype=torch.int16)
    y[:, 4:20, 2:14] = 1
    x = y[:, None].float().repeat(1, 3, 1, 1)
    torch.manual_seed(0)
    seen, masks = random_views(x, y, kind)
    assert masks.dtype == y.dtype
    assert ((seen[:, 0] > 0.5) == (masks == 1)).float().mean() > 0.99
    changed = [not torch.equal(a, b) for a, b in zip(masks, y, strict=True)]
    assert any(changed)
    assert kind == "crop_flip" or not all(changed)


def test_the_decoder_goes_into_json(fitted):
    assert json.loads(json.dumps(fitted.network_.head.spec))["kind"] == "unet"
