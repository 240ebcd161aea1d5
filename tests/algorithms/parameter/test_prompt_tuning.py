"""Prompt tuning: the tokens and the head train, and a network without tokens is refused."""

import numpy as np
import pytest
from torch import nn

from transferkit import ParamError, PromptTuning, Training


def test_tokens_and_head_train():
    X = np.random.default_rng(0).integers(0, 256, size=(8, 16, 16, 3), dtype=np.uint8)
    source = "timm:test_vit?pretrained=false&image_size=16"
    for deep in (False, True):
        model = PromptTuning(source, n_tokens=3, deep=deep, training=Training(n_epochs=1)).fit(X, np.arange(8) % 2)
        width = model.network_.backbone.n_features
        blocks = len(
            model.network_.body.get_submodule("model.blocks" if hasattr(model.network_.body, "model") else "blocks")
        )
        tokens = sum(row["trains"] for row in model.facts_["plan"][:-1])
        assert tokens == 3 * width * (blocks if deep else 1)


def test_a_network_without_tokens_is_refused():
    X = np.random.default_rng(0).normal(size=(8, 4))
    with pytest.raises(ParamError, match="token"):
        PromptTuning(nn.Sequential(nn.Linear(4, 4))).fit(X, np.arange(8) % 2)
