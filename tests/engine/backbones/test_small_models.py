"""Small networks by name: built for a sample's shape, rebuilt from their spec, and chosen by the kind of the rows."""

import numpy as np
import pytest
import torch
from PIL import Image

from transferkit import ParamError
from transferkit.engine.backbones import load_backbone, rebuild
from transferkit.engine.backbones.small_models import small_name

GREY, COLOUR = np.zeros((28, 28), np.uint8), np.zeros((32, 32, 3), np.uint8)
SERIES, VECTOR = np.zeros((2, 100), np.float32), np.zeros(7)


@pytest.mark.parametrize(
    ("name", "sample", "width", "parameters"),
    [
        ("small:mlp", VECTOR, 256, 7 * 256 + 256),
        ("small:mlp?hidden=8,4&batch_norm=true&dropout=0.5", VECTOR, 4, 7 * 8 + 8 + 16 + 8 * 4 + 4 + 8),
        ("small:lenet", GREY, 500, 520 + 25_050 + 800 * 500 + 500),  # TLlib's: the map is 50 x 4 x 4
        ("small:dtn", COLOUR, 512, 4_864 + 128 + 204_928 + 256 + 819_456 + 512 + 256 * 16 * 512 + 512 + 1_024),
        ("small:cnn1d", SERIES, 256, None),
        ("small:conv4", GREY, 64, 640 + 3 * (64 * 64 * 9 + 64) + 4 * 128),
        ("small:conv4_strided?hidden=8,16", GREY, 16 * 49, 80 + 16 * 8 * 9 + 16 + 2 * 24),
    ],
)
def test_it_is_built_for_the_sample_and_rebuilt_from_json(name, sample, width, parameters):
    torch.manual_seed(0)
    found = load_backbone(name, sample=sample)
    assert found.n_features == width
    sizes = {n: p.shape for n, p in found.body.named_parameters()}
    if parameters is not None:
        assert sum(p.numel() for p in found.body.parameters()) == parameters
    again = rebuild(found.spec)
    assert {n: p.shape for n, p in again.body.named_parameters()} == sizes
    assert again.preprocess.key == found.preprocess.key
    again.body.load_state_dict(found.body.state_dict())
    x = found.preprocess.batch([sample, sample])
    with torch.no_grad():
        torch.testing.assert_close(again.body.eval()(x), found.body.eval()(x))


def test_images_of_either_kind_are_normalised_as_the_options_say():
    x = load_backbone("small:lenet", sample=GREY).preprocess.batch([GREY + 255])
    torch.testing.assert_close(x, torch.ones(1, 1, 28, 28))
    x = load_backbone("small:dtn?mean=0&std=1&image_size=16", sample=COLOUR).preprocess.batch([COLOUR + 255])
    torch.testing.assert_close(x, torch.ones(1, 3, 16, 16))
    assert load_backbone("small:dtn", sample=np.zeros((3, 20, 20), np.float32)).kind == "series"


def test_vectors_are_scaled_as_the_options_say():
    found = load_backbone("small:mlp?mean=2&std=4", sample=VECTOR)
    torch.testing.assert_close(found.preprocess.batch([VECTOR + 6]), torch.ones(1, 7))


@pytest.mark.parametrize(
    ("sample", "name"),
    [
        (VECTOR, "small:mlp"),
        (SERIES, "small:cnn1d"),
        (GREY, "small:lenet"),
        (COLOUR, "small:dtn"),
        (GREY[:12, :12], "small:dtn"),
        (Image.new("L", (28, 28)), "small:lenet"),
        ((Image.new("RGB", (40, 40)), 1), "small:dtn"),
        ([0.5, 1.0], "small:mlp"),
    ],
)
def test_auto_goes_by_the_kind_of_the_rows(sample, name):
    assert small_name(sample) == name
    load_backbone(name, sample=sample)


@pytest.mark.parametrize("sample", ["a text", Image.new("RGB", (224, 224)), np.zeros((1, 1, 1, 1)), None])
def test_there_is_no_small_network_for_all(sample):
    with pytest.raises(ParamError, match=r"backbone must be named"):
        small_name(sample)


@pytest.mark.parametrize(
    ("name", "sample", "said"),
    [
        ("small:mpl", VECTOR, r"followed by one of .*mpl.*Nearest: mlp"),
        ("small:mlp", None, "sample must be given"),
        ("small:mlp", GREY, r"small:mlp must get vectors. Got images of shape \(1, 28, 28\)"),
        ("small:lenet?hidden=3", GREY, r"options of small:lenet must be of .*hidden"),
        ("small:mlp?hidden=0", VECTOR, "hidden must be whole numbers"),
        ("small:mlp?dropout=1", VECTOR, "dropout must be a number"),
        ("small:mlp?mean=1,2", VECTOR, "one number, or one for each of 7"),
        ("small:lenet", GREY[:8, :8], "16 pixels or steps"),
        ("small:cnn1d", SERIES[:, :20], "26 pixels or steps"),
    ],
)
def test_what_cannot_be_built_is_named(name, sample, said):
    with pytest.raises(ParamError, match=said):
        load_backbone(name, sample=sample)
