"""MixVal: does a candidate keep its own labels on mixtures of target rows, inside its clusters and between them?"""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np
from sklearn.base import BaseEstimator
from sklearn.utils import check_array, check_random_state

from ...core.constraints import Interval, Options, RandomState
from ...core.errors import DomainError
from ...core.protocols import Domain
from ...ops.evidence.ballots import labels_of
from ...ops.evidence.label_free import check_label_free

CARD = {
    "class": "MixVal",
    "protocol": "Selector",
    "settings": ("unsupervised",),
    "tasks": ("classification",),
    "data": ("vectors",),
    "needs": (),
    "cost": "n",
    "paper": "Hu, Liang, Liew, Xue, Bai & Wang. Mixed Samples as Probes for Unsupervised Model Selection in Domain Adaptation."
    " NeurIPS 2023.",
    "url": "https://openreview.net/forum?id=ackajXqei2",
}

__all__ = ["MixVal"]


class MixVal(BaseEstimator):
    """Rate a candidate by how often a mixture of two target rows gets the label of the row that makes up most of it.

    Parameters
    ----------
    mix : float in (0.5, 1), default=0.55
        Part of the first row. Nearer to 0.5 probes the boundary between two rows more sharply.
    probes : {"both", "intra", "inter"}, default="both"
        ``"intra"`` mixes rows with the same predicted label (are there gaps inside a cluster?), ``"inter"`` rows with
        different ones (does the boundary run in the middle between the clusters?), ``"both"`` is the mean of the two
        shares.
    n_rounds : int in [1, inf), default=10
        Random pairings of all rows. More make the score steadier; the paper has 1, and thousands of rows.
    random_state : int, RandomState or None, default=None
        The pairings.

    Notes
    -----
    Rows are paired at random and ``x = mix a + (1 - mix) b`` is predicted. The score is the interpolation
    consistency: the share of mixtures whose label is that predicted for a, among the pairs of the asked kind. A
    kind that has no pair scores 0, so a candidate that names one class only gets no more than 0.5 with ``"both"``.
    Decision regions of a linear classifier on the rows are convex, so its intra share is 1 and says nothing; only
    its boundary is probed.

    As in the paper, inputs are mixed at test time only, with one fixed part of 0.55 and hard pseudo-labels. No row is
    paired with itself.

    References
    ----------
    Hu, Liang, Liew, Xue, Bai & Wang. Mixed Samples as Probes for Unsupervised Model Selection in Domain Adaptation.
    NeurIPS 2023.

    Examples
    --------
    >>> import numpy as np
    >>> from transferkit import CORAL, Domain, MixVal, SourceOnly
    >>> rng = np.random.default_rng(0)
    >>> y = np.arange(120) % 2
    >>> X = rng.normal(size=(120, 2)) + 6 * np.eye(2)[y]
    >>> source, target = Domain(X, y), Domain(X + [2, 0])
    >>> plain = SourceOnly().fit(X, y, target=target)
    >>> moved = CORAL(centre=True).fit(X, y, target=target)
    >>> MixVal(random_state=0).score(moved, source, target) > MixVal(random_state=0).score(plain, source, target)
    True
    """

    _constraints: ClassVar = {
        "mix": Interval(float, 0.5, 1, closed="neither"),
        "probes": Options("both", "intra", "inter"),
        "n_rounds": Interval(int, 1),
        "random_state": RandomState(),
    }

    def __init__(self, mix: float = 0.55, probes: str = "both", n_rounds: int = 10, random_state: Any = None) -> None:
        self.mix = mix
        self.probes = probes
        self.n_rounds = n_rounds
        self.random_state = random_state

    def score(self, candidate: Any, source: Domain, target: Domain) -> float:
        """Interpolation consistency on the target.

        Parameters
        ----------
        candidate : fitted classifier
            Predicts the mixtures.
        source : Domain
            Not used, but must be given: what is rated is an adaptation of rows, not a network by its samples' numbers.
        target : Domain
            Target rows, two or more; no label is read.

        Returns
        -------
        float
            In [0, 1]; higher is better.

        Raises
        ------
        ParamError, DomainError
            Naming what cannot be used.
        """
        check_label_free(self, source, target, least=2)
        if source is None:
            raise DomainError("MixVal.score: source must be a Domain. Got None.")
        try:
            X = check_array(target.X, accept_sparse="csr", dtype=(np.float64, np.float32))
        except ValueError as err:
            raise DomainError(f"MixVal.score: target.X must be finite numbers, which can be mixed. Got: {err}") from err
        labels = labels_of(self, candidate, X)
        rng = check_random_state(self.random_state)
        alike, kept = [], []
        for _ in range(self.n_rounds):
            order, other = rng.permutation(X.shape[0]), np.empty(X.shape[0], dtype=int)
            other[order] = np.roll(order, 1)  # one large circle, so that none meets itself
            mixed = labels_of(self, candidate, self.mix * X + (1 - self.mix) * X[other])
            alike.append(labels == labels[other])
            kept.append(mixed == labels)
        same, hit = np.concatenate(alike), np.concatenate(kept)
        shares = {kind: hit[rows].mean() if rows.any() else 0.0 for kind, rows in (("intra", same), ("inter", ~same))}
        return float(np.mean(list(shares.values())) if self.probes == "both" else shares[self.probes])
