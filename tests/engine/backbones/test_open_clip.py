"""Dual encoders by name: both towers, what is rebuilt from JSON, and what is said where weights are not there."""

import json

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from transferkit.engine.networks.torchvision_guard import guard_torchvision  # noqa: E402

guard_torchvision()
open_clip = pytest.importorskip("open_clip", reason="open_clip is not installed: pip install 'transferkit[clip]'")

import networks  # noqa: E402
from transferkit import DataError, DomainError, ParamError  # noqa: E402
from transferkit.engine.backbones import load_backbone, rebuild  # noqa: E402
from transferkit.engine.features.extraction import extract  # noqa: E402


def source():
    return f"open_clip:{networks.dual_folder()}"


def test_both_towers_give_what_the_library_gives():
    images, texts = load_backbone(source()), load_backbone(source(), tower="text")
    assert (images.kind, texts.kind, images.n_features, texts.n_features) == ("images", "text", 12, 12)
    assert images.fingerprint != texts.fingerprint
    model = open_clip.create_model(f"local-dir:{networks.dual_folder()}")
    names = ["a cat", "a much longer text than the sixteen tokens that there are room for in this network at all"]
    with torch.no_grad():
        expected = model.encode_text(open_clip.get_tokenizer(f"local-dir:{networks.dual_folder()}")(names)).numpy()
    np.testing.assert_allclose(extract(texts, names), expected, atol=1e-5)
    unit = load_backbone(source() + "?tower=text&l2=true")
    np.testing.assert_allclose(np.linalg.norm(extract(unit, names), axis=1), 1, atol=1e-5)


@pytest.mark.parametrize("tower", ["image", "text"])
def test_the_skeleton_comes_back_from_json_without_a_file(tower):
    backbone = load_backbone(source(), tower=tower)
    again = rebuild(json.loads(json.dumps(backbone.spec)))
    assert again.preprocess.spec == backbone.preprocess.spec
    again.body.load_state_dict(backbone.body.state_dict())
    X = ["a cat", "a dog"] if tower == "text" else networks.image_rows(8, 0)[0]
    np.testing.assert_array_equal(extract(again, X), extract(backbone, X))


def test_a_name_of_the_library_without_weights():
    """Its structure alone; the smallest there is takes a moment."""
    with pytest.raises(ParamError, match=r"open_clip: must be followed by .* Nearest: .*ViT-B-32"):
        load_backbone("open_clip:ViT-B-33?pretrained=false")
    with pytest.raises(ParamError, match=r"weights must be one of the network's \(.*laion2b_s34b_b79k.*\)\. Got None"):
        load_backbone("open_clip:ViT-B-32")
    with pytest.raises(ParamError, match=r"weights must be one of the network's .* Got 'imagenet'"):
        load_backbone("open_clip:ViT-B-32?weights=imagenet")


def test_weights_that_are_not_there_are_an_error_in_one_line(monkeypatch, tmp_path):
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    for name in ("ViT-B-32?weights=laion2b_s34b_b79k", "laion/CLIP-ViT-B-32-laion2B-s34B-b79K"):
        with pytest.raises(
            DataError, match=r"is not in the hub's cache and HF_HUB_OFFLINE is set; get it with"
        ) as found:
            load_backbone(f"open_clip:{name}")
        assert "\n" not in str(found.value)
    with pytest.raises(DataError, match=r"must hold open_clip_config.json with a model_cfg"):
        load_backbone(f"open_clip:{tmp_path}")
    (tmp_path / "open_clip_config.json").write_text(json.dumps({"model_cfg": {"text_cfg": {"hf_model_name": "x"}}}))
    with pytest.raises(DataError, match=r"its encoder of texts must be open_clip's own"):
        load_backbone(f"open_clip:{tmp_path}")


def test_options_that_do_not_fit_are_named():
    for query, said in (
        ("tower=sound", "tower must be image or text"), ("image_size=16", "image_size must be 8 for this network"),
        ("weights=openai", "weights must be left out with a folder"),
    ):  # fmt: skip
        with pytest.raises(ParamError, match=said):
            load_backbone(f"{source()}?{query}")
    with pytest.raises(DomainError, match="text"):
        extract(load_backbone(source(), tower="text"), networks.image_rows(8, 0)[0])
