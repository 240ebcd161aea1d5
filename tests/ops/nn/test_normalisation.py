"""Which parameters belong to normalisation layers."""

from torch import nn

from transferkit.ops.nn.normalisation import affine_parameters, dropouts


def test_every_kind_of_normalisation_and_nothing_else():
    layers = [nn.BatchNorm2d(4), nn.LayerNorm(4), nn.GroupNorm(2, 4), nn.InstanceNorm1d(4, affine=True), nn.RMSNorm(4)]
    net = nn.Sequential(nn.Conv2d(3, 4, 1), *layers, nn.BatchNorm1d(4, affine=False), nn.Linear(4, 2))
    found = affine_parameters(net)
    assert [id(p) for p in found] == [id(p) for layer in layers for p in layer.parameters()]
    assert len(found) == 9
    assert affine_parameters(nn.Linear(2, 2)) == []


def test_dropouts():
    net = nn.Sequential(nn.Dropout(0.1), nn.Sequential(nn.Linear(2, 2), nn.Dropout2d(0.2)))
    assert list(dropouts(net)) == [net[0], net[1][1]]
