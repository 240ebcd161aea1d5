"""Shapes and bounds of what networks take."""

from types import SimpleNamespace

import numpy as np
import pytest
import torch

from transferkit import DomainError
from transferkit.engine.backbones import load_backbone
from transferkit.engine.inputs.input_space import input_space


def space(name, sample, *axes):
    return input_space("X.fit", SimpleNamespace(backbone=load_backbone(name, sample=sample)), *axes)


def test_vectors_and_series_have_no_bounds():
    assert space("small:mlp", np.zeros(6)).shape == (6,)
    found = space("small:cnn1d", np.zeros((2, 40)), (2,))
    assert (found.shape, found.low, found.high) == ((2, 40), None, None)


def test_black_and_white_are_the_bounds_of_pixels():
    pixels = np.zeros((8, 8, 3), np.uint8)
    pixels[0] = 255
    backbone = load_backbone("small:dtn?mean=0.5,0.4,0.3&std=0.2,0.3,0.5", sample=pixels)
    found = input_space("X.fit", SimpleNamespace(backbone=backbone))
    x = backbone.preprocess.batch([pixels])[0]
    assert found.shape == (3, 8, 8)
    torch.testing.assert_close(x[:, :1, :1], found.high)
    torch.testing.assert_close(x[:, 1:2, :1], found.low)


def test_others_are_refused():
    with pytest.raises(DomainError, match=r"^X\.fit: X must be vectors or images\. Got series of shape \(2, 40\)\.$"):
        space("small:cnn1d", np.zeros((2, 40)))
