"""AdaBN: the weights are those of the source's network, the statistics exactly the target's in every layer."""

import numpy as np
import pytest
import torch
from torch import nn

import adaptation_checks
import networks
import shifts
from transferkit import AdaBN, DeepSourceOnly, Domain
from transferkit.ops.nn.batch_statistics import BatchMoments, has_statistics

pytestmark = pytest.mark.filterwarnings("ignore:.*(have collapsed|has diverged)")
SHIFT = shifts.moved(0)


def fitted(cls=AdaBN, Xt=SHIFT.Xt, **params):
    given = {"training": adaptation_checks.training(n_epochs=15), **params}
    return cls(**adaptation_checks.settings(given)).fit(SHIFT.X, SHIFT.y, target=Domain(Xt))


def test_only_statistics_differ_from_the_network_of_the_source():
    ours, plain = (fitted(cls).network_.state_dict() for cls in (AdaBN, DeepSourceOnly))
    changed = {name for name in ours if not torch.equal(ours[name], plain[name])}
    assert changed == {"neck.norm.running_mean", "neck.norm.running_var"}


def test_every_layer_has_the_statistics_of_its_own_inputs_on_the_target():
    """Those that it gets in the network as it predicts, which is algorithm 1: layers before it are adapted already."""
    (X, y, _, _), (Xt, _, _, _) = networks.image_rows(40, 0), networks.image_rows(70, 1)
    given = {"backbone": networks.KINDS["images"].fresh(), "training": adaptation_checks.training(n_epochs=2)}
    model = AdaBN(**adaptation_checks.settings(given)).fit(X, y, target=Domain(Xt))
    layers = {name: m for name, m in model.network_.named_modules() if has_statistics(m)}
    assert len(layers) > 1
    for name, layer in layers.items():
        seen = BatchMoments()
        handle = layer.register_forward_pre_hook(seen.look)
        model.predict(Xt)
        handle.remove()
        seen.add()
        torch.testing.assert_close(layer.running_mean.double(), seen.mean, rtol=1e-4, atol=1e-5, msg=name)
        torch.testing.assert_close(layer.running_var.double(), seen.var, rtol=1e-4, atol=1e-5, msg=name)


def test_a_network_that_begins_with_a_normalisation_does_not_see_units_and_zeros_of_the_target():
    """Where features are standardised by the target's own statistics, any positive gain and offset of each cancels."""
    body = nn.Sequential(nn.BatchNorm1d(6, eps=1e-12), nn.Linear(6, 16), nn.ReLU())
    other = SHIFT.Xt * np.array([10.0, 0.1, 1, 3, 0.5, 7]) + np.array([5.0, -3, 0, 1, 100, -20])
    one, two = fitted(backbone=body), fitted(backbone=body, Xt=other)
    np.testing.assert_allclose(one.predict_proba(SHIFT.Xt), two.predict_proba(other), atol=1e-3)


def test_some_rows_may_do():
    moved = fitted(n_rows=45)
    few, exact = (m.network_.neck.norm.running_mean for m in (moved, fitted()))
    assert not torch.equal(few, exact)
    assert torch.equal(fitted(n_rows=1000).network_.neck.norm.running_mean, exact)
    assert (few - exact).norm() < 0.5 * exact.norm()


def test_without_normalisation_there_is_nothing_to_adapt():
    with pytest.raises(ValueError, match=r"AdaBN\.fit: backbone must have batch normalisation, or bottleneck a width"):
        fitted(bottleneck=None)


def test_scores_of_the_source_are_from_before():
    """By the target's statistics the source would look as if nothing had been learned."""
    model = fitted()
    assert model.facts_["scores"]["source/score"] == model.history_[-1]["source/score"] > 0.9
    assert model.facts_["scores"]["source/score"] > model.score(SHIFT.X, SHIFT.y)


def test_a_moved_and_stretched_domain_is_recognised():
    assert fitted().score(SHIFT.Xt, SHIFT.yt) > fitted(DeepSourceOnly).score(SHIFT.Xt, SHIFT.yt) + 0.1
