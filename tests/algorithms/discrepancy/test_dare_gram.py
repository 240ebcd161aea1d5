"""DARE-GRAM: angle and scale are those of the pseudo-inverse Gram matrices themselves, and they carry a regression over."""

import numpy as np
import pytest
import torch

import adaptation_checks
from transferkit import DAREGRAM, DeepSourceOnly, Domain
from transferkit.algorithms.discrepancy.dare_gram import _inverse_gram_distance, _n_main

pytestmark = pytest.mark.filterwarnings("ignore:.*(have collapsed|has diverged)")


@pytest.mark.parametrize(("n", "threshold"), [(30, 0.9), (30, 0.5), (6, 0.99)])
def test_it_is_the_formula_on_the_gram_matrices(n, threshold):
    """With numpy's eigenvalues and pseudo-inverse, cut at the same rank; also with fewer rows than features."""
    rng = np.random.default_rng(0)
    Z = [rng.normal(size=(n, 8)), rng.normal(size=(n, 8)) * np.linspace(0.3, 2, 8) + 0.5]
    grams, values, last = [], [], []
    for z in Z:
        z = np.column_stack([np.ones(n), z])
        grams.append(z.T @ z)
        values.append(np.linalg.eigvalsh(grams[-1])[::-1])
        share = np.cumsum(values[-1]) / values[-1].sum()
        last.append(np.flatnonzero(share <= max(threshold, share[1]))[-1])
    k = max(last)
    inverses = [np.linalg.pinv(g, rcond=(e[k - 1] + e[k]) / 2 / e[0], hermitian=True) for g, e in zip(grams, values)]
    cosines = [a @ b / np.linalg.norm(a) / np.linalg.norm(b) for a, b in zip(inverses[0].T, inverses[1].T)]
    angle, scale = _inverse_gram_distance(torch.tensor(Z[0]), torch.tensor(Z[1]), threshold)
    assert angle.item() == pytest.approx(1 - np.mean(cosines), rel=1e-6)
    assert scale.item() == pytest.approx(np.linalg.norm(values[0][:k] - values[1][:k]) / k, rel=1e-6)


def test_equal_features_in_any_order_are_at_no_distance():
    a = torch.randn(10, 4, requires_grad=True)
    angle, scale = _inverse_gram_distance(a, a[torch.randperm(10)], 0.9)
    assert angle.item() == pytest.approx(0, abs=1e-5)
    assert scale.item() == pytest.approx(0, abs=1e-4)
    (angle + scale).backward()
    assert torch.isfinite(a.grad).all()


def test_the_gradient_is_that_of_the_truncated_inverse():
    torch.manual_seed(0)
    a, b = torch.randn(9, 4, dtype=torch.float64, requires_grad=True), torch.randn(9, 4, dtype=torch.float64)
    assert torch.autograd.gradcheck(lambda z: _inverse_gram_distance(z, b, 0.9), a)


def test_the_number_of_eigenvalues():
    values = torch.tensor([5.0, 3.0, 1.0, 0.6, 0.4])  # shares 0.5, 0.8, 0.9, 0.96, 1
    assert [_n_main(values, t) for t in (0.1, 0.85, 0.95, 1.0)] == [1, 1, 2, 4]
    assert _n_main(torch.tensor([1.0]), 0.9) == 1


def test_numbers_are_carried_to_a_moved_domain():
    """With the paper's weights, on average over three seeds, against the source alone."""
    gains = []
    for seed in range(3):
        rng = np.random.default_rng(seed)
        X, Xt = rng.normal(size=(120, 4)), rng.normal(size=(120, 4))
        y, yt = X[:, 0] + X[:, 1], Xt[:, 0] + Xt[:, 1]
        Xt = Xt + np.array([0.0, 1.5, 1.5, -1.5])
        given = {"random_state": seed, "training": adaptation_checks.training(n_epochs=15)}
        own = {**given, "backbone": "small:mlp?hidden=64", "bottleneck": None}
        model, plain = (cls(**own).fit(X, y, target=Domain(Xt)) for cls in (DAREGRAM, DeepSourceOnly))
        gains.append(model.score(Xt, yt) - plain.score(Xt, yt))
    assert np.mean(gains) > 0.1, gains
