"""AFN: every row is pushed outwards by the same force, and norms of both domains grow."""

import numpy as np
import pytest
import torch

import adaptation_checks
import shifts
from objectives import built, small
from transferkit import AFN, DeepSourceOnly, Domain
from transferkit.engine.adaptation.alignment import Joint
from transferkit.engine.training.objective import Stream

pytestmark = pytest.mark.filterwarnings("ignore:.*(have collapsed|has diverged)")
SHIFT = shifts.offset(0)


def fitted(cls=AFN, **params):
    given = {"training": adaptation_checks.training(n_epochs=15), **params}
    return cls(**adaptation_checks.settings(given)).fit(SHIFT.X, SHIFT.y, target=Domain(SHIFT.Xt))


@pytest.mark.parametrize("delta", [1.0, 0.3])
def test_the_force_is_the_same_on_every_row(delta):
    """A gradient of length 2 * delta / n towards the origin, so that a descent leads away from it."""
    torch.manual_seed(0)
    z = torch.cat([torch.randn(4, 3), torch.randn(6, 3) * 100]).requires_grad_()
    source, target = Stream(None, None, torch.arange(4)), Stream(None, None, torch.arange(6))
    found = AFN(delta=delta)._term(None)(Joint(z, z, source, target), 0.5)
    assert found["loss"].item() == pytest.approx(2 * delta**2, rel=1e-3)
    assert found["norm_target"].item() == pytest.approx(z[4:].norm(dim=1).mean().item())
    found["loss"].backward()
    n = torch.tensor([4.0] * 4 + [6.0] * 6)[:, None]
    expected = -2 * delta * z.detach() / z.detach().norm(dim=1, keepdim=True) / n
    torch.testing.assert_close(z.grad, expected, rtol=1e-3, atol=1e-6)


def test_each_domain_is_normalised_by_its_own_statistics():
    objective, batch = built(small(AFN), shifts.offset(5, 40))
    source, target = batch["source"], batch["target"]
    z_s, z_t = (objective.network.features(rows.x) for rows in (source, target))
    parts = objective.steps()[0].loss(batch, 0.5)
    torch.testing.assert_close(parts["norm_source"], z_s.norm(dim=1).mean())
    torch.testing.assert_close(parts["norm_target"], z_t.norm(dim=1).mean())


def test_norms_and_classes_are_of_features_after_a_dropout_that_keeps_norms():
    objective, batch = built(small(AFN, dropout=0.5, bottleneck=16), shifts.offset(0, 40))
    network, source, target = objective.network, batch["source"], batch["target"]
    torch.manual_seed(3)
    parts = objective.steps()[0].loss(batch, 0.5)
    torch.manual_seed(3)
    z_s, z_t = (network.features(rows.x) for rows in (source, target))
    torch.testing.assert_close(parts["norm_source"], z_s.norm(dim=1).mean())
    torch.testing.assert_close(parts["norm_target"], z_t.norm(dim=1).mean())
    torch.testing.assert_close(parts["task"], torch.nn.functional.cross_entropy(network.head(z_s), source.y))
    dropped = (z_s == 0).float().mean()
    assert dropped > 0.6, "ReLU and dropout"
    assert torch.equal(network.head(z_s), network.head(z_s)), "the head drops nothing more"


def test_the_entropy_of_the_target_joins_with_a_weight_of_its_own():
    objective, batch = built(small(AFN, trade_off=0.05, delta=2.0, entropy=0.3), shifts.offset(0, 40))
    parts = objective.steps()[0].loss(batch, 0.5)
    p = objective.network(batch["target"].x).softmax(1)
    entropy = -(p * p.log()).sum(1).mean()
    torch.testing.assert_close(parts["entropy"], entropy)
    torch.testing.assert_close(parts["loss"], parts["task"] + 0.05 * 2 * 2.0**2 + 0.3 * entropy)


def test_a_row_of_zeros_has_no_direction_and_no_gradient():
    z = torch.zeros(4, 3, requires_grad=True)
    rows = Stream(None, None, torch.arange(2))
    AFN()._term(None)(Joint(z, z, rows, rows), 0.5)["loss"].backward()
    assert torch.equal(z.grad, torch.zeros(4, 3))


def test_norms_grow_in_both_domains():
    """And more in the target, whose features are the smaller ones in a network of the source: the paper's observation."""
    plain, grown = (
        [np.linalg.norm(fitted(trade_off=t).transform(X), axis=1).mean() for X in (SHIFT.X, SHIFT.Xt)]
        for t in (0.0, 0.05)
    )
    assert plain[1] < 0.8 * plain[0]
    assert grown[0] > 1.05 * plain[0]
    assert grown[1] / plain[1] > 1.1 * grown[0] / plain[0]


def test_an_offset_domain_is_recognised():
    assert fitted().score(SHIFT.Xt, SHIFT.yt) > fitted(DeepSourceOnly).score(SHIFT.Xt, SHIFT.yt) + 0.1
