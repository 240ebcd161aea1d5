"""RSD: the term is the sum of the sines of the principal angles, deaf to scale, and it closes them."""

import numpy as np
import pytest
import torch
from scipy.linalg import subspace_angles

import adaptation_checks
import shifts
from transferkit import RSD, Domain, ParamError
from transferkit.algorithms.discrepancy.rsd import _subspace_distance

pytestmark = pytest.mark.filterwarnings("ignore:.*(have collapsed|has diverged)")


def model(**params):
    given = {"bottleneck": None, "backbone": "small:mlp?hidden=64", "training": adaptation_checks.training(n_epochs=15)}
    return RSD(**adaptation_checks.settings({**given, **params}))


def test_it_is_the_sum_of_the_sines_of_scipys_angles():
    rng = np.random.default_rng(0)
    a, b = rng.normal(size=(5, 20)), rng.normal(size=(5, 20))
    expected = np.sin(subspace_angles(a.T, b.T)).sum()
    distance, mismatch = _subspace_distance(torch.tensor(a), torch.tensor(b))
    assert distance.item() == pytest.approx(expected, rel=1e-6)
    bases = [np.linalg.svd(z.T, full_matrices=False)[0] for z in (a, b)]
    left, _, right = np.linalg.svd(bases[0].T @ bases[1])
    assert mismatch.item() == pytest.approx(np.linalg.norm(np.abs(left) - np.abs(right.T)), rel=1e-6)


def test_the_scale_of_the_features_does_not_matter():
    a, b = torch.randn(5, 20), torch.randn(5, 20)
    for one, two in zip(_subspace_distance(a, b), _subspace_distance(7 * a, 0.2 * b)):
        torch.testing.assert_close(one, two, rtol=1e-4, atol=1e-5)


def test_equal_spaces_are_at_no_distance_and_orthogonal_ones_at_the_rank():
    a = torch.randn(4, 12, requires_grad=True)
    same, _ = _subspace_distance(a, torch.randn(4, 4) @ a)
    assert same.item() == pytest.approx(0, abs=1e-2)
    far, _ = _subspace_distance(torch.eye(12)[:4], torch.eye(12)[4:8])
    assert far.item() == pytest.approx(4)
    (same + sum(_subspace_distance(a, a))).backward()
    assert torch.isfinite(a.grad).all()


def test_angles_close():
    shift = shifts.numbers(0)

    def distance(trade_off):
        fitted = model(trade_off=trade_off).fit(shift.X, shift.y, target=Domain(shift.Xt))
        z_s, z_t = (torch.tensor(fitted.transform(X[:30])) for X in (shift.X, shift.Xt))
        return _subspace_distance(z_s, z_t)[0].item(), fitted.score(shift.Xt, shift.yt)

    (plain, score), (closed, own) = distance(0.0), distance(0.1)
    assert closed < 0.9 * plain
    assert own > score - 0.1


def test_a_batch_that_spans_everything_is_refused():
    shift = shifts.numbers(0)
    with pytest.raises(ParamError, match=r"RSD\.fit: training\.batch_size must be below the number of features \(16\)"):
        model(backbone="small:mlp?hidden=16").fit(shift.X, shift.y, target=Domain(shift.Xt))
