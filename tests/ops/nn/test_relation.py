"""The comparison of two embeddings: of maps by convolutions, of vectors by dense layers."""

import pytest
import torch
from torch import nn

from transferkit.ops.nn.relation import Relation


@pytest.mark.parametrize(("shape", "kinds", "width"), [
    ((6,), (), 12), ((5, 5, 7), (nn.MaxPool2d,) * 2, 64), ((5, 1, 1), (), 64), ((5, 2, 2), (nn.MaxPool2d,), 64),
])  # fmt: skip
def test_layers_follow_the_shape_of_an_embedding(shape, kinds, width):
    relation = Relation(shape, 4).eval()
    assert tuple(type(m) for m in relation.compare if isinstance(m, nn.MaxPool2d)) == kinds
    assert sum(isinstance(m, nn.Conv2d) for m in relation.compare) == 2 * (len(shape) == 3)
    first, last = (m for m in relation.compare if isinstance(m, nn.Linear))
    assert (first.in_features, first.out_features, last.out_features) == (width, 4, 1)
    assert relation(torch.randn(3, *shape), torch.randn(3, *shape)).shape == (3,)
