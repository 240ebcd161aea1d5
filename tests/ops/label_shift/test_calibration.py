"""Calibration: what was distorted comes back, and the biases make mean probability and share agree."""

import numpy as np
import pytest
from scipy.special import softmax

from transferkit.ops.label_shift.calibration import CALIBRATIONS, Calibration, fit_calibration


def distorted(scale, bias, n=4000, seed=0):
    """Probabilities whose calibration is `scale` and `bias`, and classes drawn from the calibrated ones."""
    rng = np.random.default_rng(seed)
    true = rng.dirichlet(np.ones(3), size=n)
    codes = np.array([rng.choice(3, p=p) for p in true])
    return softmax((np.log(true) - bias) / scale, axis=1), codes, true


def test_each_kind_undoes_its_distortion():
    for kind, scale, bias in (
        ("temperature", 0.4, np.zeros(3)),
        ("bcts", 0.4, np.array([1.0, 0.0, -1.0])),
        ("vector", np.array([0.4, 0.5, 0.45]), np.array([0.5, 0.0, -0.5])),
    ):
        proba, codes, true = distorted(scale, bias)
        found = fit_calibration(proba, codes, kind).apply(proba)
        assert np.abs(found - true).mean() < 0.03, kind
        assert np.abs(proba - true).mean() > 0.08, kind


@pytest.mark.parametrize("kind", ["bcts", "vector"])
def test_a_bias_makes_mean_probability_and_share_agree(kind):
    proba, codes, _ = distorted(0.6, np.array([1.0, 0.0, -1.0]), n=300)
    found = fit_calibration(proba, codes, kind).apply(proba).mean(axis=0)
    np.testing.assert_allclose(found, np.bincount(codes, minlength=3) / 300, atol=1e-5)


def test_richer_kinds_fit_better():
    proba, codes, _ = distorted(np.array([0.4, 0.9, 0.6]), np.array([1.0, 0.0, -1.0]), n=300)
    losses = [-np.log(fit_calibration(proba, codes, kind).apply(proba)[np.arange(300), codes]).mean()
              for kind in CALIBRATIONS]  # fmt: skip
    assert losses == sorted(losses, reverse=True)


def test_certain_and_impossible_classes_stay_finite():
    proba = np.eye(3)[[0, 1, 2, 0, 1]]
    for kind in CALIBRATIONS:
        for codes in ([0, 1, 2, 0, 1], [2, 2, 1, 0, 0]):
            found = fit_calibration(proba, np.array(codes), kind).apply(proba)
            assert np.isfinite(found).all()
            assert (found > 0).all()
    np.testing.assert_allclose(Calibration(np.ones(2), np.zeros(2)).apply(np.array([[0.3, 0.7]])), [[0.3, 0.7]])
