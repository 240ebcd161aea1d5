"""LAME: the energy falls to a fixed point, and answers follow neighbours where a batch is no fair sample."""

import numpy as np
import pytest
import torch
from torch.nn import functional

from source_worlds import world
from transferkit import LAME
from transferkit.algorithms.self_training.lame import _affinities, _energy_of, _laplacian_answers


def problem(seed=0, n=30):
    generator = torch.Generator().manual_seed(seed)
    z = functional.normalize(torch.randn(n, 4, generator=generator), dim=1).double()
    log_p = torch.randn(n, 3, generator=generator, dtype=torch.float64).log_softmax(dim=1)
    return z, log_p


@pytest.mark.parametrize("kind", ["rbf", "linear"])
def test_every_round_lowers_the_energy(kind):
    """Proposition 1: the rounds minimise a bound, where the weights are positive semi-definite."""
    z, log_p = problem()
    weights = _affinities(z, kind, 5)
    energies = [_energy_of(_laplacian_answers(log_p, weights, k), log_p, weights) for k in range(1, 12)]
    assert (np.diff(energies) <= 1e-9).all()
    assert energies[3] < energies[0] < _energy_of(log_p, log_p, weights)


def test_the_end_is_a_fixed_point():
    z, log_p = problem()
    weights = _affinities(z, "knn", 3)
    log_q = _laplacian_answers(log_p, weights, 1000)
    torch.testing.assert_close((log_p + weights @ log_q.exp()).softmax(1), log_q.exp(), atol=1e-3, rtol=0)
    torch.testing.assert_close(log_q.exp().sum(1), torch.ones(30, dtype=torch.float64))


def test_without_weights_the_answers_stay():
    _, log_p = problem()
    torch.testing.assert_close(_laplacian_answers(log_p, torch.zeros(30, 30, dtype=torch.float64), 10), log_p)


def test_nearest_rows_have_weight_one():
    z, _ = problem(n=12)
    weights = _affinities(z, "knn", 4)
    assert (weights.sum(1) == 4).all()
    assert not weights.diagonal().any()
    order = torch.cdist(z, z).argsort(dim=1)[:, 1:5]
    assert weights.gather(1, order).all()
    assert _affinities(z[:1], "knn", 4).shape == (1, 1)
    assert torch.isfinite(_affinities(z[:1], "rbf", 4)).all()


def test_the_network_stays_and_batches_are_answered_together():
    shift, source = world()
    model = LAME(source, batch_size=30).fit(shift.Xt)
    for name, value in source.network_.state_dict().items():
        assert torch.equal(value, model.network_.state_dict()[name]), name
    np.testing.assert_array_equal(model.predict_proba(shift.Xt)[30:60], model.predict_proba(shift.Xt[30:60]))
    assert not np.allclose(model.predict_proba(shift.Xt[:1]), model.predict_proba(shift.Xt[:30])[:1])
    np.testing.assert_allclose(model.transform(shift.Xt), source.transform(shift.Xt), atol=1e-6)


def test_batches_of_one_class_are_answered_better():
    """What it is made for: a stream whose classes come one after the other. Where they are mixed it changes little."""
    gains = {"sorted": [], "mixed": []}
    for seed in range(3):
        shift, source = world("none", seed)
        orders = {"sorted": np.argsort(shift.yt, kind="stable"), "mixed": np.random.default_rng(0).permutation(90)}
        for name, order in orders.items():
            X, y = shift.Xt[order], shift.yt[order]
            gains[name].append(LAME(source, batch_size=30).fit(X).score(X, y) - source.score(X, y))
    assert np.mean(gains["sorted"]) > 0.04
    assert abs(np.mean(gains["mixed"])) < 0.02
