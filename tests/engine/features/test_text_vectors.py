"""Texts as vectors: the backbone's features, and what is no backbone for texts."""

import numpy as np
import pytest

import networks
from transferkit import ParamError
from transferkit.engine.backbones import load_backbone
from transferkit.engine.features.extraction import extract
from transferkit.engine.features.text_vectors import embed_texts


def test_texts_become_the_features_of_a_backbone():
    pytest.importorskip("transformers")
    name = f"hf:{networks.text_folder(True)}"
    found = embed_texts("here", name, ("sea1 sea2", "sky3"))
    assert found.dtype == np.float64
    np.testing.assert_array_equal(found, extract(load_backbone(name), ["sea1 sea2", "sky3"]))


def test_a_network_for_images_is_refused():
    pytest.importorskip("timm")
    with pytest.raises(ParamError, match=r"^here: embedding must be a backbone for texts. Got one for images"):
        embed_texts("here", "timm:resnet10t?pretrained=false", ["a"])
