"""Freeze plans: the words, the table, and what they do to a network."""

import math
from dataclasses import replace

import pytest
from torch import nn

from transferkit.core.errors import ParamError
from transferkit.engine.networks.backbone import Group
from transferkit.engine.training.freezing import FreezePlan, Part, make_plan

NAMES = ["stem", "one", "two", "head"]


def starts(plan, **options):
    return [p.from_epoch for p in make_plan(NAMES, plan, n_epochs=12, **options).parts]


def test_the_words():
    never = math.inf
    assert starts("full") == [0, 0, 0, 0]
    assert starts("head") == [never, never, never, 0]
    assert starts("last:1") == [never, never, 0, 0]
    assert starts("gradual:1") == [3, 2, 1, 0]
    assert starts("gradual") == [6, 4, 2, 0]
    assert starts("lp_ft:3") == [3, 3, 3, 0]
    assert starts({"stem": None, "one": 2.5}) == [never, 2.5, 0, 0]


def test_discriminative_rates():
    plan = make_plan(NAMES, "full", n_epochs=1, lr_decay=1 / 2.6)
    assert [p.lr_scale for p in plan.parts] == pytest.approx([2.6**-3, 2.6**-2, 1 / 2.6, 1])


def test_a_plan_is_taken_as_it_is():
    plan = FreezePlan((Part("head", 0, 2.0),), "off")
    assert make_plan(NAMES, plan, n_epochs=1) is plan


@pytest.mark.parametrize(
    "plan", ["most", "last", "full:2", "lp_ft", "gradual:x", {"nose": 1}, {"stem": -1}, {"stem": "2"}]
)
def test_what_is_no_plan(plan):
    with pytest.raises(ParamError, match="plan must"):
        starts(plan)


def net():
    found = nn.Sequential()
    found.stem = nn.Sequential(nn.Conv2d(1, 2, 3), nn.BatchNorm2d(2))
    found.head = nn.Sequential(nn.BatchNorm1d(2), nn.Linear(2, 2))
    groups = [
        Group(g, tuple(f"{g}.{n}" for n, _ in getattr(found, g).named_parameters()), (g, f"{g}.0", f"{g}.1"))
        for g in ("stem", "head")
    ]
    return found, groups


@pytest.mark.parametrize(
    ("policy", "epoch", "stem_statistics", "stem_affine"),
    [
        ("frozen", 0, False, False),
        ("frozen", 1, False, True),
        ("train", 0, False, False),
        ("train", 1, True, True),
        ("off", 1, False, False),
    ],
)
def test_modes(policy, epoch, stem_statistics, stem_affine):
    network, groups = net()
    make_plan(groups, {"stem": 1}, n_epochs=2, batch_norm=policy).apply(network, groups, epoch)
    norm = network.stem[1]
    assert (norm.training, norm.weight.requires_grad) == (stem_statistics, stem_affine)
    assert network.stem[0].weight.requires_grad == (epoch == 1)
    assert network.head[0].training
    assert network.head[1].weight.requires_grad


def test_the_table():
    network, groups = net()
    rows = make_plan(groups, {"stem": None}, n_epochs=2, lr_decay=0.5).table(network, groups, 0.1)
    assert rows == [
        {"part": "stem", "parameters": 24, "trains": 0, "from_epoch": None, "lr": 0.0},
        {"part": "head", "parameters": 10, "trains": 10, "from_epoch": 0.0, "lr": 0.1},
    ]


def test_only_what_is_named_trains_in_the_body():
    network, groups = net()
    plan = replace(make_plan(groups, "full", n_epochs=1), only=frozenset({"stem.0.bias"}))
    plan.apply(network, groups, 0)
    trains = {name for name, p in network.named_parameters() if p.requires_grad}
    assert trains == {"stem.0.bias", "head.0.weight", "head.0.bias", "head.1.weight", "head.1.bias"}
    assert [row["trains"] for row in plan.table(network, groups, 0.1)] == [2, 10]
