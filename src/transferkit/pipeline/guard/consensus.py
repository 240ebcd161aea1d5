"""What all candidates say together: the proposal that stands against source-only."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import stats

from ...core.protocols import Array
from ...ops.label_shift.known_shares import apply_factors, share_factors
from .structure import Clusterings

__all__ = ["Proposal", "propose"]

STEEPNESS = 6.0  # the heaviest candidate weighs about 400 times the lightest
PLAIN_STEEPNESS = 20.0  # a point of cross-validated accuracy is a factor of 1.2
MOST_ROWS = 5000  # rows that the factors are fitted on


@dataclass(frozen=True, eq=False)
class Proposal:
    """A vote of all candidates, each brought to the target's class shares.

    Attributes
    ----------
    weights : array of shape (n_models,)
        Share of each model in the vote; sums to 1.
    factors : array of shape (n_models, n_classes)
        What each model's class probabilities are multiplied with.
    proba : array of shape (n_target, n_classes)
        The vote.
    agreement, structure : array of shape (n_models,)
        What the weights come from: agreement with the majority, and with the target's clusters.
    """

    weights: Array
    factors: Array
    proba: Array
    agreement: Array
    structure: Array

    @property
    def labels(self) -> Array:
        """The vote's class of every target row."""
        labels: Array = self.proba.argmax(axis=1)
        return labels


def propose(probas: Array, plain: Array, skill: Array, shares: Array, clusterings: Clusterings) -> Proposal:
    """Half the plain models without transfer, half all candidates by rank; all at the given class shares.

    Parameters
    ----------
    probas : array of shape (n_models, n_target, n_classes)
        What the models say.
    plain : int array
        Which of them are without transfer.
    skill : array of shape (n_plain,)
        Their cross-validated accuracy on the source.
    shares : array of shape (n_classes,)
        The target's class shares, as far as they are known.
    clusterings : Clusterings
        Of the target.

    Notes
    -----
    The half of all candidates weighs each by ``exp(6 (r1 + r2) / (2 M))`` with its ranks in agreement with the majority and in
    agreement with the target's clusters. Neither half alone is as good: a wrong majority is held by the plain models, and the
    plain models' bias by the majority.
    """
    M, n, _ = probas.shape
    rows = np.linspace(0, n - 1, min(n, MOST_ROWS)).astype(int)
    factors = share_factors(probas[:, rows], shares)
    matched = apply_factors(probas, factors)
    labels = matched.argmax(axis=2)
    counts = np.stack([(labels == c).sum(axis=0) for c in range(len(shares))])
    agreement = (labels == counts.argmax(axis=0)).mean(axis=1)
    structure = np.array([clusterings.rand(own) for own in probas.argmax(axis=2)])
    ranks = stats.rankdata(agreement) + stats.rankdata(structure)
    by_rank = np.exp(STEEPNESS * ranks / (2 * M))
    weights = by_rank / by_rank.sum() / 2
    by_skill = np.exp(PLAIN_STEEPNESS * (skill - skill.max()))
    weights[plain] += by_skill / by_skill.sum() / 2
    return Proposal(weights, factors, np.tensordot(weights, matched, axes=1), agreement, structure)
