"""EnsV: agreement with the mean prediction of all candidates, which is never worse than the worst of them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

import numpy as np
from sklearn.base import BaseEstimator

from ...core.errors import ParamError
from ...core.protocols import Array, Domain
from ...ops.evidence.ballots import ballot, common_classes, labels_of
from ...ops.evidence.candidates import MODELS
from ...ops.evidence.kept import kept
from ...ops.evidence.label_free import check_label_free

CARD = {
    "class": "EnsV",
    "protocol": "Selector",
    "settings": ("unsupervised",),
    "tasks": ("classification",),
    "data": ("vectors", "images", "text"),
    "needs": (),
    "cost": "n",
    "paper": "Hu, Luo, Liang & Foo. Towards Reliable Model Selection for Unsupervised Domain Adaptation: An Empirical Study and"
    " A Certified Baseline. NeurIPS 2024.",
    "url": "https://openreview.net/forum?id=rI7kbFTSpr",
}

__all__ = ["EnsV"]


class EnsV(BaseEstimator):
    """Rate a candidate by how often it says what the mean of all candidates' probabilities says.

    Parameters
    ----------
    candidates : sequence of fitted classifiers, default=()
        The ensemble; must be given before `score`. Models without ``predict_proba`` count as certain of what they
        predict.

    Notes
    -----
    With ``p = 1/M sum_m p_m`` the score is ``1/n sum_i [argmax p_c(x_i) = argmax p(x_i)]`` over the target rows.
    The negative log-likelihood of p is at most the mean of the candidates' (Jensen), so the ensemble is a role
    model that is never worse than the worst candidate, and one that is far from it is not chosen. Several
    candidates that err together carry the mean along: near copies of one method count as many. The source is not
    used.

    References
    ----------
    Hu, Luo, Liang & Foo. Towards Reliable Model Selection for Unsupervised Domain Adaptation: An Empirical Study and A
    Certified Baseline. NeurIPS 2024, Datasets and Benchmarks.

    Examples
    --------
    >>> import numpy as np
    >>> from transferkit import CORAL, Domain, EnsV, SourceOnly
    >>> rng = np.random.default_rng(0)
    >>> y = np.arange(120) % 3
    >>> X = rng.normal(size=(120, 3)) + 6 * np.eye(3)[y]
    >>> source, target = Domain(X, y), Domain(X + [5, 0, 0])
    >>> plain = SourceOnly().fit(X, y, target=target)
    >>> moved = [CORAL(centre=True, reg=r).fit(X, y, target=target) for r in (0.1, 1.0)]
    >>> ensv = EnsV([plain, *moved])
    >>> ensv.score(moved[0], source, target) > ensv.score(plain, source, target)
    True
    """

    _constraints: ClassVar = {"candidates": MODELS}

    def __init__(self, candidates: Sequence[Any] = ()) -> None:
        self.candidates = candidates

    def score(self, candidate: Any, source: Domain, target: Domain) -> float:
        """Share of target rows on which the candidate agrees with the ensemble.

        Parameters
        ----------
        candidate : fitted classifier
            Usually one of `candidates`.
        source : Domain or None
            Not used.
        target : Domain
            Target rows; no label is read.

        Returns
        -------
        float
            In [0, 1]; higher is better.

        Raises
        ------
        ParamError, DomainError
            Naming what cannot be used.
        """
        check_label_free(self, source, target)
        if not self.candidates:
            raise ParamError("EnsV.score: candidates must hold the fitted models to choose from. Got none.")
        classes, chosen = kept(self, (target.X, self.candidates), lambda: self._ensemble(target))
        classes = np.union1d(classes, common_classes([candidate], [labels_of(self, candidate, target.X)]))
        own = classes[ballot(self, candidate, target.X, classes).argmax(axis=1)]
        return float((own == chosen).mean())

    def _ensemble(self, target: Domain) -> tuple[Array, Array]:
        """All classes, and the one of largest mean probability for each row."""
        labels = [labels_of(self, m, target.X) for m in self.candidates]
        classes = common_classes(self.candidates, labels)
        mean = np.mean([ballot(self, m, target.X, classes) for m in self.candidates], axis=0)
        return classes, classes[mean.argmax(axis=1)]
