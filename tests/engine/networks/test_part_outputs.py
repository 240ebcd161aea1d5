from torch import nn

from source_networks import conv_source, mlp_source
from transferkit.engine.networks.backbone import Group
from transferkit.engine.networks.part_outputs import part_outputs


def test_every_part_ends_with_a_module_that_has_parameters():
    conv, mlp = conv_source(), mlp_source()
    assert part_outputs(conv.groups, conv.body) == ["conv1", "bn1", "conv2", "bn2"]
    assert part_outputs(mlp.groups, mlp.body) == ["0", "2"]


def test_a_module_that_holds_several_parts_is_none_of_their_outputs():
    encoder = nn.Sequential()
    encoder.add_module("wrapped", nn.Sequential(nn.Linear(2, 3), nn.Linear(3, 3)))
    groups = (Group("0", ("wrapped.0.weight", "wrapped.0.bias"), ("wrapped.0",)),
              Group("1", ("wrapped.1.weight", "wrapped.1.bias"), ("", "wrapped", "wrapped.1")))  # fmt: skip
    assert part_outputs(groups, encoder) == ["wrapped.0", "wrapped.1"]


def test_without_parts_it_is_the_whole():
    assert part_outputs([], mlp_source().body) == [""]
