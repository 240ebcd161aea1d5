import pytest
import torch
from torch import nn

from edit_checks import inputs, make, run
from transferkit.core.errors import ParamError
from transferkit.ops.nn.edits import apply_edit
from transferkit.ops.nn.features import tap


def hooks(net):
    return sum(len(m._forward_hooks) for m in net.modules())


def test_outputs_by_name_with_their_graph():
    net, x = make("resnet"), inputs("resnet")
    with tap(net, ["layer1", "layer?.0.conv2"]) as outputs:
        z = net(x)
    assert list(outputs) == ["layer1.0.conv2", "layer1", "layer2.0.conv2", "layer3.0.conv2", "layer4.0.conv2"]
    assert torch.equal(net.layer1(net.maxpool(net.act1(net.bn1(net.conv1(x))))), outputs["layer1"])
    assert torch.autograd.grad(z.sum(), outputs["layer1"])[0].shape == outputs["layer1"].shape


def test_outputs_with_several_parts():
    net, x = make("bert"), inputs("bert")
    with tap(net, "attention") as outputs:
        run(net, x)
    assert {z.shape for z in outputs.values()} == {(3, 7, 12)}
    assert len(outputs) == 2


def test_nothing_stays_behind():
    net = nn.Sequential(nn.Linear(2, 3), nn.ReLU())
    with pytest.raises(RuntimeError), tap(net, "0") as outputs:
        net(torch.zeros(1, 5))
    assert hooks(net) == 0
    with tap(net, "0") as outputs:
        net(torch.zeros(4, 2))
    net(torch.zeros(9, 2))
    assert outputs["0"].shape == (4, 3)


def test_what_an_edit_adds_is_seen():
    net = nn.Sequential(nn.Linear(2, 3))
    apply_edit(net, {"edit": "scale_shift"})
    with torch.no_grad():
        net[0].ssf.scale.fill_(2)
    with tap(net, "0") as outputs:
        z = net(torch.ones(1, 2))
    assert torch.equal(outputs["0"], z)


def test_names():
    net = nn.Sequential(nn.Sequential(nn.ReLU()), nn.ReLU())
    with tap(net, "0", exact=True) as outputs:
        net(torch.ones(1))
    assert list(outputs) == ["0"]
    with tap(net, "0") as outputs:
        net(torch.ones(1))
    assert list(outputs) == ["0.0", "0"]
    with pytest.raises(ParamError, match="tap: layers must match modules"), tap(net, "layer9"):
        pass
