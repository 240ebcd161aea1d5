"""CLIP zero-shot: the library's own probabilities, prompts that are averaged, and one encoder for classes and features."""

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from transferkit.engine.networks.torchvision_guard import guard_torchvision  # noqa: E402

guard_torchvision()
open_clip = pytest.importorskip("open_clip", reason="open_clip is not installed: pip install 'transferkit[clip]'")

import networks  # noqa: E402
from transferkit import CLIPZeroShot, DomainError, ParamError, PrototypeHead  # noqa: E402

NAMES = {"l": "lying bar", "s": "standing bar", "f": "falling bar"}


def source():
    return f"open_clip:{networks.dual_folder()}"


def rows(n=12):
    return networks.image_rows(n, 0)[0]


def library(texts):
    """Embeddings of norm 1, of images and of texts, by open_clip itself."""
    model, _, preprocess = open_clip.create_model_and_transforms(f"local-dir:{networks.dual_folder()}")
    from PIL import Image

    images = torch.stack([preprocess(Image.fromarray(x).convert("RGB")) for x in rows()])
    with torch.no_grad():
        tokens = open_clip.get_tokenizer(f"local-dir:{networks.dual_folder()}")(texts)
        return (
            model.encode_image(images, normalize=True).numpy(), model.encode_text(tokens, normalize=True).numpy(),
            model.logit_scale.exp().item(),
        )  # fmt: skip


def test_probabilities_are_those_of_the_library():
    model = CLIPZeroShot(source(), NAMES).fit(rows())
    assert model.classes_.tolist() == ["f", "l", "s"]
    assert model.names_ == ["falling bar", "lying bar", "standing bar"]
    u, t, scale = library([f"a photo of a {n}." for n in model.names_])
    logits = scale * u @ t.T
    np.testing.assert_allclose(model.decision_function(rows()), logits, atol=2e-3)
    expected = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    np.testing.assert_allclose(model.predict_proba(rows()), expected, atol=1e-3)


@pytest.mark.parametrize("tower", ["image", "text", "x"])
def test_a_tower_is_refused(tower):
    with pytest.raises(ParamError, match=r"source must be the name of a dual encoder without a tower"):
        CLIPZeroShot(f"{source()}?tower={tower}", NAMES).fit(rows())


def test_templates_are_averaged_on_the_sphere():
    templates = ("a photo of a {}.", "a sketch of {}, {}.")
    model = CLIPZeroShot(source(), ["dog", "cat"], templates).fit(rows())
    _, t, scale = library([v.replace("{}", n) for n in ("cat", "dog") for v in templates])
    mean = t.reshape(2, 2, -1).mean(axis=1)
    expected = scale * mean / np.linalg.norm(mean, axis=1, keepdims=True)
    np.testing.assert_allclose(model.network_.head.descriptions.numpy(), expected, atol=1e-4)


def test_classes_come_from_the_labels_where_none_are_named():
    y = np.arange(12) % 3
    found = CLIPZeroShot(source()).fit(rows(), y)
    assert found.classes_.tolist() == [0, 1, 2]
    np.testing.assert_array_equal(
        found.predict_proba(rows()), CLIPZeroShot(source(), [2, 1, 0]).fit(rows(), y[::-1].copy()).predict_proba(rows())
    )
    with pytest.raises(DomainError, match=r"^CLIPZeroShot\.fit: y must hold classes where the parameter classes names"):
        CLIPZeroShot(source()).fit(rows())
    for mixed in ([1, "b"], [(1, 2), (3, 4)]):
        with pytest.raises(DomainError, match=r"^CLIPZeroShot\.fit: classes must be all text or all numbers\. Got"):
            CLIPZeroShot(source(), mixed).fit(rows())


def test_the_encoder_is_a_backbone_for_other_methods():
    X, y, _, _ = networks.image_rows(24, 0)
    model = PrototypeHead(source()).fit(X, y)
    zero = CLIPZeroShot(source(), ["a", "b"]).fit(X)
    np.testing.assert_allclose(model.transform(X), zero.transform(X), atol=1e-6)


@pytest.mark.parametrize(
    "wrong",
    [
        {"source": "timm:resnet18"}, {"classes": ["one"]}, {"classes": [["a"], ["b"]]}, {"classes": {"a": ""}},
        {"templates": ("no place",)}, {"templates": "a {}"},
    ],
)  # fmt: skip
def test_wrong_parameters_are_named(wrong):
    name = next(iter(wrong))
    with pytest.raises(ParamError, match=rf"^CLIPZeroShot\.fit: {name} must "):
        CLIPZeroShot(**{"source": source(), "classes": NAMES, **wrong}).fit(rows())
