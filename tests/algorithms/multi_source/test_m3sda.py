"""M3SDA: the paper's moment distance, one classifier a source, and their mean."""

import numpy as np
import pytest
import torch
from torch.nn import functional

from adaptation_checks import training
from source_groups import built, fitted, plain, small, two_moved
from transferkit import M3SDA
from transferkit.algorithms.multi_source.m3sda import _moment_distance

pytestmark = pytest.mark.filterwarnings("ignore:.*(have collapsed|has diverged)")
DATA = two_moved(0)


def test_the_distance_by_hand():
    a, b, t = torch.tensor([[0.0, 0], [2, 0]]), torch.tensor([[1.0, 3], [1, 5]]), torch.tensor([[1.0, 0], [1, 0]])
    # Means (1, 0), (1, 4), (1, 0); squares (2, 0), (1, 17), (1, 0).
    first = (0 + 4) / 2 + 4
    second = (1 + 17) / 2 + np.hypot(1, 17)
    assert _moment_distance([a, b], t, 1).item() == pytest.approx(first)
    assert _moment_distance([a, b], t, 2).item() == pytest.approx(first + second)
    assert _moment_distance([a], t, 2).item() == pytest.approx(1), "one source has no pair"


def test_equal_domains_are_no_distance_apart_and_have_a_gradient():
    z = torch.randn(8, 3, generator=torch.Generator().manual_seed(0), requires_grad=True)
    distance = _moment_distance([z, z], z, 3)
    distance.backward()
    assert distance == 0
    assert torch.isfinite(z.grad).all()


def test_every_classifier_learns_its_own_source_alone():
    objective, batch = built(small(M3SDA, trade_off=0.0), DATA)
    network = objective.network
    assert len(network.head.heads) == 2
    z = network.features(torch.cat([batch[name].x for name in ("source_0", "source_1", "target")]))
    y = [batch[f"source_{k}"].y for k in (0, 1)]
    expected = [functional.cross_entropy(network.head.heads[k](z[60 * k : 60 * k + 60]), y[k]) for k in (0, 1)]
    found = objective.steps()[0].loss(batch, 0.5)
    torch.testing.assert_close(found["loss"], sum(expected))
    own = torch.autograd.grad(found["task"], [network.head.heads[1].out.weight], retain_graph=True)
    alone = torch.autograd.grad(expected[1], [network.head.heads[1].out.weight])
    torch.testing.assert_close(own, alone)


def test_the_classifiers_vote_with_the_mean_of_their_probabilities():
    model = fitted(small(M3SDA), DATA)
    z = torch.tensor(model.transform(DATA.Xt))
    with torch.no_grad():
        expected = model.network_.head.each(z).softmax(dim=2).mean(dim=0)
    np.testing.assert_allclose(model.predict_proba(DATA.Xt), expected, atol=1e-6)


def test_it_beats_the_sources_together():
    given = {"training": training(n_epochs=20)}
    gains = []
    for seed in range(3):
        data = two_moved(seed)
        own = fitted(small(M3SDA, random_state=seed, **given), data)
        rest = plain(data, random_state=seed, **given)
        gains.append(own.score(data.Xt, data.yt) - rest.score(data.Xt, data.yt))
    assert np.mean(gains) > 0.03, gains
