import pytest
import torch
from torch import nn

from edit_checks import inputs, make, run
from transferkit.core.errors import ParamError
from transferkit.ops.nn.interpolate import interpolate


def states():
    first, second = make("resnet", seed=0), make("resnet", seed=1)
    second.bn1.num_batches_tracked.fill_(7)
    return first.state_dict(), second.state_dict()


def test_the_ends_are_exact_and_nothing_is_shared():
    first, second = states()
    for weight, want in ((0, first), (1, second)):
        got = interpolate(first, second, weight)
        for name, value in got.items():
            if value.is_floating_point():
                assert torch.equal(value, want[name]), name
                assert value.data_ptr() not in (first[name].data_ptr(), second[name].data_ptr())
    assert interpolate(first, second, 0.0)["bn1.num_batches_tracked"] == 7


def test_a_linear_model_moves_on_a_line():
    a, b, x = nn.Linear(3, 2), nn.Linear(3, 2), torch.randn(5, 3)
    middle = nn.Linear(3, 2)
    middle.load_state_dict(interpolate(a.state_dict(), b.state_dict(), 0.3))
    assert torch.allclose(middle(x), 0.7 * a(x) + 0.3 * b(x), atol=1e-6)


def test_what_comes_out_fits_the_network():
    net = make("resnet")
    net.load_state_dict(interpolate(*states(), 0.5))
    assert run(net, inputs("resnet")).isfinite().all()
    assert (net.bn1.running_var > 0).all()


def test_half_precision():
    first, second = {"w": torch.tensor([1.0]).half()}, {"w": torch.tensor([1.001]).half()}
    got = interpolate(first, second, 0.5)["w"]
    assert got.dtype == torch.float16


def test_differences_are_named():
    first, second = states()
    with pytest.raises(ParamError, match=r"weight must be a number in \[0, 1\]. Got 1.5"):
        interpolate(first, second, 1.5)
    with pytest.raises(ParamError, match="Got 'extra' in first only"):
        interpolate({**first, "extra": torch.zeros(1)}, second, 0.5)
    with pytest.raises(ParamError, match=r"same shapes. Got \(3,\) and \(8,\) at 'bn1.bias'"):
        interpolate({**first, "bn1.bias": torch.zeros(3)}, {**second, "bn1.bias": torch.zeros(8)}, 0.5)
