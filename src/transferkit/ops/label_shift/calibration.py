"""Calibration of class probabilities on held-out rows: temperature, class biases, one scale a class."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.optimize import minimize
from scipy.special import softmax

from ...core.protocols import Array
from .shares import temperature

__all__ = ["CALIBRATIONS", "Calibration", "fit_calibration"]

CALIBRATIONS = ("none", "temperature", "bcts", "vector")
_LEAST = 1e-12  # probabilities below this count as this, so that their logarithm is finite
_MOST_SCALE = 20.0
_MOST_BIAS = 50.0


@dataclass(frozen=True, eq=False)
class Calibration:
    """The map ``softmax(scale * log p + bias)``.

    Attributes
    ----------
    scale, bias : arrays of shape (n_classes,)
    """

    scale: Array
    bias: Array

    def apply(self, proba: Array) -> Array:
        """Calibrated probabilities, of the shape of `proba`; none of them is 0."""
        calibrated: Array = softmax(self.scale * np.log(np.maximum(proba, _LEAST)) + self.bias, axis=1)
        return calibrated


def fit_calibration(proba: Array, codes: Array, kind: str) -> Calibration:
    """Fit a calibration by maximum likelihood, a convex problem.

    Parameters
    ----------
    proba : array of shape (n, n_classes)
        Probabilities of rows that the model has not seen.
    codes : int array of shape (n,)
        Their true classes.
    kind : {"none", "temperature", "bcts", "vector"}
        ``"temperature"``: one scale in [1/20, 20] for all logarithms (Guo et al. 2017). ``"bcts"``: that and a bias a
        class (bias-corrected temperature scaling, Alexandari et al. 2020). ``"vector"``: a scale and a bias a class.

    Returns
    -------
    Calibration

    Notes
    -----
    With a bias, the mean calibrated probability of a class on these rows is the share of the class: the derivative of the
    likelihood by the bias is their difference.

    References
    ----------
    Guo, Pleiss, Sun & Weinberger. On Calibration of Modern Neural Networks. ICML 2017. Alexandari, Kundaje & Shrikumar.
    Maximum Likelihood with Bias-Corrected Calibration is Hard-To-Beat at Label Shift Adaptation. ICML 2020.
    """
    n, K = proba.shape
    if kind == "none":
        return Calibration(np.ones(K), np.zeros(K))
    if kind == "temperature":
        return Calibration(np.full(K, 1 / temperature(proba, codes)), np.zeros(K))
    logs = np.log(np.maximum(proba, _LEAST))
    truth = np.eye(K)[codes]
    n_scales = K if kind == "vector" else 1

    def loss(v: Array) -> tuple[float, Array]:
        scores = v[:n_scales] * logs + v[n_scales:]
        scores -= scores.max(axis=1, keepdims=True)
        normaliser = np.log(np.exp(scores).sum(axis=1, keepdims=True))
        off = (np.exp(scores - normaliser) - truth) / n
        by_scale = (off * logs).sum(axis=0)
        slope = by_scale if n_scales == K else by_scale.sum(keepdims=True)
        value = float((normaliser[:, 0] - scores[np.arange(n), codes]).mean())
        return value, np.concatenate([slope, off.sum(axis=0)])

    found = minimize(
        loss,
        np.concatenate([np.ones(n_scales), np.zeros(K)]),
        jac=True,
        method="L-BFGS-B",
        bounds=[(1 / _MOST_SCALE, _MOST_SCALE)] * n_scales + [(-_MOST_BIAS, _MOST_BIAS)] * K,
        options={"ftol": 1e-14, "gtol": 1e-9, "maxiter": 1000},
    ).x
    return Calibration(np.broadcast_to(found[:n_scales], K).copy(), found[n_scales:])
