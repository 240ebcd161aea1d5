"""N-LEEP: LEEP with the components of a Gaussian mixture on a candidate's features in place of source classes."""

from __future__ import annotations

from typing import Any, ClassVar

from sklearn.base import BaseEstimator
from sklearn.mixture import GaussianMixture
from sklearn.utils import check_random_state

from ...core.constraints import Interval, Options, RandomState
from ...core.errors import DomainError
from ...core.protocols import Domain
from ...ops.evidence.transferability import expected_prediction, features_of, known_rows, principal_scores

CARD = {
    "class": "NLEEP",
    "protocol": "Selector",
    "settings": ("few_label", "supervised"),
    "tasks": ("classification",),
    "data": ("vectors", "images", "text"),
    "needs": (),
    "cost": "n",
    "paper": "Li, Jia, Sang, Zhu, Green, Wang & Gong. Ranking Neural Checkpoints. CVPR 2021.",
    "url": "https://arxiv.org/abs/2011.11200",
}

__all__ = ["NLEEP"]


class NLEEP(BaseEstimator):
    """Rate features by how well soft clusters of them, re-labelled by counting, predict the target labels.

    Parameters
    ----------
    components_per_class : int in [1, inf), default=5
        The mixture has that many Gaussians for each target class.
    share : float in (0, 1), default=0.8
        Share of the features' variance that the principal components before the mixture keep.
    covariance : {"full", "tied", "diag", "spherical"}, default="full"
        Shape of the Gaussians. With few rows for each of them "diag" is steadier.
    reg : float in (0, inf), default=1e-6
        Added to every variance, as a share of the mean variance of the kept components.
    max_iter : int in [1, inf), default=200
        Most steps of expectation-maximisation.
    random_state : int, RandomState or None, default=None
        Starts of the mixture.

    Notes
    -----
    theta(x) in LEEP becomes the posterior over the components of a Gaussian mixture that was fitted, without labels, to the
    features of the target rows in their principal components: no source classifier is needed. Components are
    scaled to mean variance 1 before the fit, so that the score does not depend on the scale of the features. The source is
    not used.

    References
    ----------
    Li, Jia, Sang, Zhu, Green, Wang & Gong. Ranking Neural Checkpoints. CVPR 2021.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn.preprocessing import FunctionTransformer
    >>> from transferkit import Domain, NLEEP
    >>> rng = np.random.default_rng(0)
    >>> y = np.arange(90) % 3
    >>> target = Domain(rng.normal(size=(90, 6)) + 4 * np.eye(6)[y], y)
    >>> informative = FunctionTransformer().fit(target.X)
    >>> noise = FunctionTransformer(lambda X: X[:, 3:]).fit(target.X)
    >>> nleep = NLEEP(covariance="diag", random_state=0)
    >>> nleep.score(informative, None, target) > nleep.score(noise, None, target)
    True
    """

    _constraints: ClassVar = {
        "components_per_class": Interval(int, 1),
        "share": Interval(float, 0, 1, closed="neither"),
        "covariance": Options("full", "tied", "diag", "spherical"),
        "reg": Interval(float, 0, closed="neither"),
        "max_iter": Interval(int, 1),
        "random_state": RandomState(),
    }

    def __init__(
        self,
        components_per_class: int = 5,
        share: float = 0.8,
        covariance: str = "full",
        reg: float = 1e-6,
        max_iter: int = 200,
        random_state: Any = None,
    ) -> None:
        self.components_per_class = components_per_class
        self.share = share
        self.covariance = covariance
        self.reg = reg
        self.max_iter = max_iter
        self.random_state = random_state

    def score(self, candidate: Any, source: Domain, target: Domain) -> float:
        """Mean log-likelihood of the known target labels.

        Parameters
        ----------
        candidate : fitted object with transform
            Gives the features.
        source : Domain or None
            Not used.
        target : Domain
            Only rows whose label is known are read; at least as many as there are Gaussians.

        Returns
        -------
        float
            At most 0; higher is better.

        Raises
        ------
        ParamError, DomainError
            Naming what cannot be used.
        """
        known = known_rows(self, source, target)
        n_gaussians = self.components_per_class * len(known.classes)
        if len(known.y) < n_gaussians:
            raise DomainError(
                f"NLEEP.score: target must have a known label for each of {n_gaussians} Gaussians. Got {len(known.y)};"
                " a smaller components_per_class needs fewer."
            )
        scores = principal_scores(features_of(self, candidate, known.X), float(self.share))
        spread = scores.std()
        if spread == 0:
            raise DomainError("NLEEP.score: candidate must give features that vary. Got constant ones.")
        mixture = GaussianMixture(
            n_gaussians,
            covariance_type=self.covariance,
            reg_covar=self.reg,
            max_iter=self.max_iter,
            random_state=check_random_state(self.random_state),
        )
        theta = mixture.fit(scores / spread).predict_proba(scores / spread)
        return expected_prediction(theta, known.codes)
