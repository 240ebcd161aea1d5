"""Domain scaling: standardise each domain by itself, so that every column has the same mean and spread in both."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np

from ...core.base import ESTIMATOR, FeatureTransfer
from ...core.constraints import Options
from ...core.protocols import Array
from ...core.validation import TransferData

CARD = {
    "class": "DomainScaling",
    "protocol": "Transfer",
    "settings": ("unsupervised", "few_label"),
    "tasks": ("classification", "regression"),
    "data": ("vectors",),
    "needs": (),
    "cost": "n",
    "portfolio": ({"moments": "mean"}, {"moments": "both"}, {"moments": "both", "estimator": "forest"}),
    "paper": "Li, Wang, Shi, Hou & Liu. Revisiting Batch Normalization for Practical Domain Adaptation. 2016.",
    "url": "https://arxiv.org/abs/1603.04779",
}

__all__ = ["DomainScaling"]


class DomainScaling(FeatureTransfer):
    """Move each column of the target to the source's mean and, if asked, to its standard deviation.

    Parameters
    ----------
    moments : {"both", "mean"}, default="both"
        What is matched: mean and standard deviation, or the mean alone.
    estimator : estimator, default=None
        Fitted on the source as it is. None is logistic regression for classes and ridge regression for numbers.

    Attributes
    ----------
    mean_source_, mean_target_ : arrays of shape (n_features,)
        Column means.
    ratio_ : array of shape (n_features,)
        What a centred target column is multiplied with: source over target standard deviation. It is 1 with
        ``moments="mean"`` and where the target column is constant.
    estimator_ : estimator
        The fitted inner estimator.
    classes_ : array of shape (n_classes,)
        Source classes, for a classification.

    Notes
    -----
    The batch normalisation of a network whose statistics are taken anew in each domain (AdaBN, section 3.2), applied to
    the input columns: ``x -> mean_s + (x - mean_t) std_s / std_t``. The paper normalises both domains to mean 0 and
    deviation 1; we map the target into the source's scale instead, which is the same up to a linear map and leaves the
    inner estimator the one of source-only. It helps where offset and gain of each column moved, as with another
    instrument, and hurts where the class shares moved, for the mean then moves without any change of the features.

    References
    ----------
    Li, Wang, Shi, Hou & Liu. Revisiting Batch Normalization for Practical Domain Adaptation. 2016, section 3.2.

    Examples
    --------
    >>> import numpy as np
    >>> from transferkit import Domain, DomainScaling
    >>> rng = np.random.default_rng(0)
    >>> X, y = rng.normal(size=(60, 2)), np.arange(60) % 2
    >>> X[:, 0] += 4 * y
    >>> DomainScaling().fit(X, y, target=Domain(3 * X - 7)).score(3 * X - 7, y) > 0.9
    True
    """

    _constraints: ClassVar = {"moments": Options("both", "mean"), "estimator": ESTIMATOR}

    def __init__(self, moments: str = "both", estimator: Any = None) -> None:
        self.moments = moments
        self.estimator = estimator

    def _fit_map(self, data: TransferData) -> Array:
        self.mean_source_, self.mean_target_ = data.Xs.mean(axis=0), data.Xt.mean(axis=0)
        self.ratio_ = np.ones_like(self.mean_source_)
        if self.moments == "both":
            spread = data.Xt.std(axis=0)
            # Rounding leaves a constant column a tiny spread; against its own size that is still nothing.
            varies = spread > 1e-6 * (np.abs(data.Xt).max(axis=0) + np.finfo(spread.dtype).tiny)
            np.divide(data.Xs.std(axis=0), spread, out=self.ratio_, where=varies)
        return data.Xs

    def _map(self, X: Array, domain: str) -> Array:
        return X if domain == "source" else (X - self.mean_target_) * self.ratio_ + self.mean_source_
