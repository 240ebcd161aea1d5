"""Stages of a sequential body: cross-stitch units, attention and adapters, by hand."""

from __future__ import annotations

import copy
import json

import pytest
import torch
from torch import nn

from transferkit import ParamError
from transferkit.ops.nn.edits import apply_edit

EDITS = ("cross_stitch", "task_adapters", "task_attention")


def dense():
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(4, 6), nn.ReLU(), nn.Linear(6, 3), nn.ReLU())


def maps():
    torch.manual_seed(0)
    return nn.Sequential(nn.Conv2d(1, 3, 3), nn.ReLU(), nn.MaxPool2d(2), nn.Conv2d(3, 5, 3), nn.ReLU(), nn.Flatten())


def edited(make, name, n_tasks=2, **options):
    net = make()
    apply_edit(net, {"edit": name, "n_tasks": n_tasks, **options}, seed=0)
    return net


@pytest.mark.parametrize("name", EDITS)
@pytest.mark.parametrize(("make", "shape", "width"), [(dense, (7, 4), 3), (maps, (7, 1, 10, 10), 20)])
def test_the_features_of_each_task_stand_side_by_side_and_are_rebuilt(name, make, shape, width):
    x = torch.randn(shape)
    for n_tasks in (1, 3):
        net = edited(make, name, n_tasks).eval()
        assert net(x).shape == (7, n_tasks * width)
        again = make()
        apply_edit(again, json.loads(json.dumps({"edit": name, "n_tasks": n_tasks})))
        again.load_state_dict(net.state_dict())
        torch.testing.assert_close(again.eval()(x), net(x))


def test_stitches_mix_by_hand():
    x, plain = torch.randn(5, 4), dense()
    net = edited(dense, "cross_stitch", same=0.7)
    one, two = net[0].inner, net[2].inner
    with torch.no_grad():
        for p in one.copies[1].parameters():
            p.mul_(0.5)
        torch.testing.assert_close(one.unit.view(2, 2), torch.tensor([[0.7, 0.3], [0.3, 0.7]]))
        a, b = one.copies[0](x), one.copies[1](x)
        torch.testing.assert_close(a, plain[1](plain[0](x)))
        a, b = 0.7 * a + 0.3 * b, 0.3 * a + 0.7 * b
        a, b = two.copies[0](a), two.copies[1](b)
        expected = torch.cat([0.7 * a + 0.3 * b, 0.3 * a + 0.7 * b], dim=1)
    torch.testing.assert_close(net(x), expected)
    alone = edited(dense, "cross_stitch", units=False)
    torch.testing.assert_close(alone(x), plain(x).repeat(1, 2))
    assert all("of_task" in name for name, _ in alone.named_parameters())


def test_adapters_begin_as_the_body_and_bend_one_task_each():
    for make, shape in ((dense, (5, 4)), (maps, (5, 1, 10, 10))):
        x, net = torch.randn(shape), edited(make, "task_adapters", size=2)
        plain = make()(x)
        torch.testing.assert_close(net(x), plain.repeat(1, 2))
        own = net[0].inner.of_task[1]
        with torch.no_grad():
            own.up.weight.fill_(0.5)
        first, second = net(x).chunk(2, dim=1)
        torch.testing.assert_close(first, plain)
        assert not torch.allclose(second, plain)
    net = dense()
    names = apply_edit(net, {"edit": "task_adapters", "n_tasks": 2, "size": 2})
    assert names
    assert all("of_task" in name for name in names)
    assert len(names) == 2 * 2 * 4


def test_masks_by_hand():
    net, plain = edited(dense, "task_attention").eval(), dense()
    x = torch.randn(5, 4)
    with torch.no_grad():
        p = plain[1](plain[0](x))
        kept = [mask(p) * p for mask in net[0].inner.of_task]
        q = plain[3](plain[2](p))  # the shared stream goes on unmasked
        carry = net[2].inner.carry  # one for all tasks
        expected = [mask(torch.cat([q, carry(k)], dim=1)) * q for mask, k in zip(net[2].inner.of_task, kept)]
    torch.testing.assert_close(net(x), torch.cat(expected, dim=1))
    assert ((net(x) >= 0) & (net(x) <= q.repeat(1, 2))).all(), "a mask lies between 0 and 1"


def test_masks_are_of_one_task_and_the_body_of_all():
    net = edited(maps, "task_attention").train()
    out = net(torch.randn(6, 1, 10, 10))
    named = list(net.named_parameters())
    grads = torch.autograd.grad(out[:, :20].sum(), [p for _, p in named], allow_unused=True)
    for (name, _), g in zip(named, grads):
        if ".of_task.1." in name:
            assert g is None or not g.any(), name
        else:
            assert g.any(), name
    assert any(".carry." in name and ".of_task." not in name for name, _ in named)


def test_a_body_that_is_no_sequence_of_layers_is_refused():
    for name in EDITS:
        with pytest.raises(ParamError, match=r"must get a body that is a torch Sequential .* Got Linear"):
            apply_edit(nn.Linear(2, 2), {"edit": name, "n_tasks": 2})
        with pytest.raises(ParamError, match=r"with linear layers or convolutions\. Got none"):
            apply_edit(nn.Sequential(nn.ReLU()), {"edit": name, "n_tasks": 2})
        with pytest.raises(ParamError, match="n_tasks of"):
            apply_edit(copy.deepcopy(dense()), {"edit": name, "n_tasks": 0})
