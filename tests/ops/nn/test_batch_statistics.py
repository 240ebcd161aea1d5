"""Statistics of batch normalisation: those of all rows at once, however they are cut into batches."""

import pytest
import torch
from torch import nn

from transferkit.ops.nn.batch_statistics import BatchMoments, has_statistics


def moments_of(x, *cuts):
    found = BatchMoments()
    for part in torch.tensor_split(x, cuts):
        found.look(nn.Identity(), (part,))
        found.add()
    return found


@pytest.mark.parametrize("shape", [(11, 3), (11, 3, 4), (11, 3, 2, 2)])
def test_they_do_not_depend_on_the_cuts(shape):
    """Also where the mean is a thousand times the spread."""
    torch.manual_seed(0)
    x = torch.randn(shape, dtype=torch.float64) + 1000
    whole = x.transpose(0, 1).flatten(1)
    for cuts in ((), (4,), (1, 5, 10)):
        found = moments_of(x, *cuts)
        torch.testing.assert_close(found.mean, whole.mean(dim=1), rtol=1e-12, atol=0)
        torch.testing.assert_close(found.var, whole.var(dim=1, correction=0), rtol=1e-9, atol=0)
        assert found.n == whole.shape[1]


def test_a_forgotten_batch_leaves_no_trace():
    x = torch.randn(6, 2)
    found = BatchMoments()
    found.look(nn.Identity(), (x * 100,))
    found.batch = []
    found.look(nn.Identity(), (x,))
    found.add()
    torch.testing.assert_close(found.mean, x.double().mean(dim=0))


def test_a_layer_with_them_standardises_these_rows():
    x = torch.randn(9, 3) * 5 + 2
    layer = nn.BatchNorm1d(3).eval()
    moments_of(x, 4).write(layer)
    torch.testing.assert_close(layer(x), nn.BatchNorm1d(3).train()(x))


def test_layers_without_statistics_of_their_own_are_none_of_it():
    assert has_statistics(nn.BatchNorm2d(3))
    assert not has_statistics(nn.BatchNorm1d(3, track_running_stats=False))
    assert not has_statistics(nn.LayerNorm(3))
