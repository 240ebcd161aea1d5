"""IRM: the penalty is the derivative in a dummy scale; where it is zero; what the weight does over time."""

import numpy as np
import pytest
import torch

from adaptation_checks import training
from source_groups import assert_target_unused, built, fitted, plain, small, spurious
from transferkit import IRM
from transferkit.algorithms.domain_generalisation.irm import _penalty, _slopes
from transferkit.engine.answers.labels import Labels

pytestmark = pytest.mark.filterwarnings("ignore:.*(have collapsed|has diverged)")
DATA = spurious(0)
RNG = torch.Generator().manual_seed(0)


@pytest.mark.parametrize("kind", ["classification", "multilabel", "regression"])
def test_slopes_are_the_derivative_in_the_scale(kind):
    outputs = 3 * torch.randn(10, 4, generator=RNG, dtype=torch.float64).float()
    y = {
        "classification": torch.arange(10) % 4,
        "multilabel": (torch.randn(10, 4, generator=RNG) > 0).float(),
        "regression": torch.randn(10, 4, generator=RNG),
    }[kind]
    labels, scale = Labels(kind, 4), torch.ones(10, requires_grad=True)
    each = labels.loss(scale[:, None] * outputs, y, reduction="none")
    (expected,) = torch.autograd.grad(each.sum(), scale)
    torch.testing.assert_close(_slopes(labels, outputs, y), expected)


def test_the_product_of_halves_is_the_square_without_bias():
    """Over all pairs of one row a half, as a batch of two has."""
    slopes = torch.randn(40, generator=RNG)
    pairs = [_penalty(slopes[[i, j]]).item() for i in range(40) for j in range(40)]
    assert np.mean(pairs) == pytest.approx(slopes.mean().item() ** 2, rel=1e-4)
    assert _penalty(slopes[:1]).item() == pytest.approx(slopes[0].item() ** 2)


def test_a_classifier_at_its_best_scale_is_not_penalised():
    """The limit of the theorem: where a source's loss cannot fall by scaling, the penalty is 0."""
    outputs = torch.tensor([[1.0, 0.0]]).log_softmax(dim=1).repeat(10000, 1)
    share = outputs[0].exp()[0].item()
    y = (torch.arange(10000) >= round(10000 * share)).long()
    y = y[torch.randperm(10000, generator=RNG)]
    assert abs(_slopes(Labels("classification", 2), outputs, y).mean().item()) < 1e-4
    assert _slopes(Labels("classification", 2), 2 * outputs, y).mean().item() > 0.05


def test_the_loss_by_hand_before_and_after_the_warm_up():
    objective, batch = built(small(IRM, trade_off=20.0, warm_up=0.3), DATA)
    with torch.no_grad():
        out = objective.network(torch.cat([batch["source_0"].x, batch["source_1"].x])).split([200, 40])
    y = [batch[f"source_{k}"].y for k in (0, 1)]
    task = np.mean([objective.labels.loss(o, own).item() for o, own in zip(out, y)])
    penalty = np.mean([_penalty(_slopes(objective.labels, o, own)).item() for o, own in zip(out, y)])
    step = objective.steps()[0].loss
    assert step(batch, 0.29)["loss"].item() == pytest.approx(task + penalty, rel=1e-4)
    assert step(batch, 0.3)["loss"].item() == pytest.approx(task / 20 + penalty, rel=1e-4)


def test_the_target_changes_nothing():
    assert_target_unused(small(IRM, training=training(n_epochs=2)), DATA)


def test_without_weight_it_is_source_only():
    from source_groups import assert_source_only

    assert_source_only(small(IRM, trade_off=0.0, training=training(n_epochs=2)), DATA)


def test_it_leans_less_on_what_one_source_contradicts():
    gains = []
    for seed in range(3):
        data = spurious(seed)
        given = {"random_state": seed, "training": training(n_epochs=15)}
        one, two = fitted(small(IRM, trade_off=5.0, **given), data), plain(data, **given)
        gains.append(one.score(data.Xt, data.yt) - two.score(data.Xt, data.yt))
    assert np.mean(gains) > 0.03, gains
