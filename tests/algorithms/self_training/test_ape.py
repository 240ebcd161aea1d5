"""APE: attraction is an MMD of unit features, exploration counts sure rows, perturbation climbs the entropy."""

import numpy as np
import pytest
import torch
from torch.nn import functional

import adaptation_checks
import shifts
from self_training_toys import batch_of, toy
from transferkit import APE, DeepSourceOnly, DomainError
from transferkit.algorithms.self_training.ape import _discrepancy

pytestmark = pytest.mark.filterwarnings("ignore:.*(have collapsed|has diverged)")


def entropy(logits):
    return -(logits.softmax(dim=1) * logits.log_softmax(dim=1)).sum(dim=1)


def test_attraction_is_the_mmd_of_unit_features():
    a, b = torch.randn(7, 4), torch.randn(5, 4)
    u, v = (z / z.norm(dim=1, keepdim=True) for z in (a, b))

    def mean(p, q):
        distance = (p[:, None] - q[None]).square().sum(dim=2)
        return sum(torch.exp(-distance / (2 * width**2)) for width in (1, 2, 5, 10)).mean()

    torch.testing.assert_close(_discrepancy(a, b), mean(u, u) + mean(v, v) - 2 * mean(u, v), rtol=1e-3, atol=1e-6)
    assert _discrepancy(a, 3 * a) == pytest.approx(0, abs=1e-6), "lengths do not matter"


def test_the_schemes_by_hand():
    fit = toy("cosine")
    given = {"attract": 3.0, "explore": 0.5, "perturb": 2.0, "threshold": 0.9}
    objective = APE(**given)._objective(fit).train()
    torch.manual_seed(3)
    found = objective.steps()[0].loss(batch_of(fit, known=9), 0.0)
    n = len(fit.X)
    z = fit.network.features(torch.cat([fit.X, fit.Xt[:9], fit.Xt]))
    outputs = fit.network.head(z)
    torch.testing.assert_close(found["task"], functional.cross_entropy(outputs[: n + 9], torch.cat([fit.y, fit.y[:9]])))
    torch.testing.assert_close(found["attract"], _discrepancy(z[: n + 9], z[n + 9 :]))
    own = outputs[n + 9 :]
    sure = entropy(own) < 0.9
    assert 0 < sure.float().mean() < 1
    assert found["used"].item() == pytest.approx(sure.float().mean().item())
    torch.testing.assert_close(found["explore"], functional.cross_entropy(own[sure], own[sure].argmax(dim=1)))
    total = found["task"] + 3 * found["attract"] + 0.5 * found["explore"] + 2 * found["perturb"]
    torch.testing.assert_close(found["loss"], total)


def test_a_perturbation_of_its_length_climbs_the_entropy():
    fit = toy("cosine")
    objective = APE(radius=0.1)._objective(fit).train()
    seen = []
    fit.network.register_forward_pre_hook(lambda module, args: seen.append(args[0].detach()))
    torch.manual_seed(0)
    loss = objective._perturbed(fit.Xt)
    rows, probe, moved = seen
    length = (moved - rows).norm(dim=1)
    torch.testing.assert_close(length, torch.full_like(length, 0.1 * 5**0.5))
    torch.testing.assert_close((probe - rows).norm(dim=1), torch.ones(len(rows)))
    with torch.no_grad():
        clean, after = (fit.network(x).log_softmax(dim=1) for x in (rows, moved))
        assert entropy(after).mean() > entropy(clean).mean()
        divergence = (clean.exp() * (clean - after)).sum(dim=1).mean()
    assert loss.item() == pytest.approx(divergence.item() / 3, rel=1e-3)
    loss.backward()
    assert all(p.grad is not None for p in fit.network.parameters() if p is not fit.network.head.out.scale)


def test_the_search_leaves_the_moving_statistics_alone():
    fit = toy("cosine")
    objective = APE()._objective(fit).train()
    mean = fit.network.neck.norm.running_mean.clone()
    objective._perturbed(fit.Xt)
    torch.testing.assert_close(fit.network.neck.norm.running_mean, mean)


def test_text_cannot_be_moved_a_little():
    fit = toy("cosine")
    object.__setattr__(fit.backbone, "kind", "text")
    with pytest.raises(DomainError, match=r"APE\.fit: X must be numbers"):
        APE()._objective(fit)


def test_a_few_labels_turn_swapped_classes_round():
    """Where classes trade places only labels of the target can tell; they count here as much as the source's."""
    gains = []
    for seed in range(2):
        shift = shifts.concept(seed, 90)
        given = adaptation_checks.settings({"training": adaptation_checks.training(n_epochs=20), "random_state": seed})
        own, plain = (cls(**given).fit(shift.X, shift.y, target=shift.target(5)) for cls in (APE, DeepSourceOnly))
        gains.append(own.score(shift.Xt, shift.yt) - plain.score(shift.Xt, shift.yt))
    assert np.mean(gains) > 0.1, gains
