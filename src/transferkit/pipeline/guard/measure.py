"""The evidence: everything a verdict rests on, measured once, without a threshold and without a target label."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from sklearn.utils import check_random_state

from ...core.protocols import Array
from ...ops.known_shares import share_gap, share_noise
from ...ops.label_shift import em_prior, temper, temperature, total_variation
from ...ops.two_sample import classifier_two_sample
from .consensus import Proposal, propose
from .structure import Clusterings

__all__ = ["Ballots", "Evidence", "measure"]


@dataclass(frozen=True, eq=False)
class Ballots:
    """What the fitted candidates say; classes are codes 0 to n_classes - 1.

    Attributes
    ----------
    Xs, ys, Xt : arrays
        Source rows, their classes, target rows.
    probas : array of shape (n_models, n_target, n_classes)
        The first is the anchor's, the model without transfer that is fallen back on.
    plain : int array
        Which models are without transfer.
    held : array of shape (n_plain, n_source, n_classes)
        Their cross-validated probabilities on the source.
    """

    Xs: Array
    ys: Array
    Xt: Array
    probas: Array
    plain: Array
    held: Array


@dataclass(frozen=True)
class Evidence:
    """Numbers that a verdict rests on; all from unlabelled target rows.

    Attributes
    ----------
    n_target, n_classes : int
    auc, auc_p : float
        How well a non-linear classifier tells the domains apart once the source is weighted to the target's predicted class
        shares, and the p-value without weights.
    auc_plain : float
        The same without weights: what of it is due to the shares.
    surplus : float
        Total variation between the anchor's predicted class shares and those that are assumed, less what sampling alone
        brings. If the assumption holds, at least this part of its predictions is wrong.
    surplus_after : float
        The same for the proposal.
    disputed : float
        Share of the target's rows on which proposal and anchor differ.
    lead : float
        Mean lead of the proposal's class over the anchor's in the vote, over the rows in dispute.
    cluster_gain : float
        By how much better the proposal's labels follow the target's clusters: difference of adjusted mutual information.
    cluster_steady : float
        Share of the clusterings that agree.
    spread : float
        Effective number of classes of the proposal against the anchor's.
    moved : float
        Total variation between the source's class shares and those estimated by EM from the calibrated anchor.
    plain_cluster_gain : float
        As `cluster_gain`, for the anchor with its priors moved to that estimate.
    """

    n_target: int
    n_classes: int
    auc: float
    auc_p: float
    auc_plain: float
    surplus: float
    surplus_after: float
    disputed: float
    lead: float
    cluster_gain: float
    cluster_steady: float
    spread: float
    moved: float
    plain_cluster_gain: float


def measure(
    ballots: Ballots, shares: Array | None = None, named: int | None = None, random_state: Any = 0
) -> tuple[Evidence, Proposal, Array]:
    """Measure one pair of domains.

    Parameters
    ----------
    ballots : Ballots
    shares : array of shape (n_classes,), optional
        The target's class shares, where they are known; None takes the source's.
    named : int, optional
        The model that stands against the anchor; None is the vote of all.
    random_state : int, RandomState or None
        Clusterings, folds and trees.

    Returns
    -------
    evidence : Evidence
    proposal : Proposal
        The vote that stands against the anchor.
    corrected : array of shape (n_target, n_classes)
        The anchor with its priors moved to the shares that EM estimates: the proposal where only the shares moved.
    """
    rng = check_random_state(random_state)
    b = ballots
    K = b.probas.shape[2]
    of_source = np.bincount(b.ys, minlength=K) / len(b.ys)
    assumed = of_source if shares is None else np.asarray(shares, dtype=np.float64)
    clusterings = Clusterings(b.Xt, K, rng)
    skill = (b.held.argmax(axis=2) == b.ys).mean(axis=1)
    proposal = propose(b.probas, b.plain, skill, assumed, clusterings)
    before = b.probas[0].argmax(axis=1)
    after = proposal.labels if named is None else b.probas[named].argmax(axis=1)
    rows = np.flatnonzero(before != after)
    old, new = clusterings.information(before), clusterings.information(after)
    soft = temperature(b.held[0], b.ys)
    calibrated = temper(b.probas[0], soft)
    estimated = em_prior(calibrated, of_source)
    corrected = calibrated * (estimated / np.maximum(of_source, 1e-12))
    corrected = corrected / corrected.sum(axis=1, keepdims=True)
    # The source weighted to the shares the anchor predicts: a change of shares alone then reads as no shift.
    guess_s, guess_t = b.held[0].argmax(axis=1), before
    ratio = (np.bincount(guess_t, minlength=K) / len(guess_t)) / np.maximum(
        np.bincount(guess_s, minlength=K) / len(guess_s), 1e-12
    )
    weighted = classifier_two_sample(b.Xs, b.Xt, weight=np.clip(ratio, 0.02, 50)[guess_s], random_state=rng)
    plain = classifier_two_sample(b.Xs, b.Xt, random_state=rng)
    evidence = Evidence(
        n_target=len(b.Xt),
        n_classes=K,
        auc=weighted.auc,
        auc_p=plain.p,
        auc_plain=plain.auc,
        surplus=share_gap(before, assumed) - share_noise(assumed, len(before)),
        surplus_after=share_gap(after, assumed) - share_noise(assumed, len(before)),
        disputed=len(rows) / len(before),
        lead=float((proposal.proba[rows, after[rows]] - proposal.proba[rows, before[rows]]).mean())
        if len(rows)
        else 0.0,
        cluster_gain=float((new - old).mean()),
        cluster_steady=float((new > old).mean()),
        spread=_effective(after, K) / _effective(before, K),
        moved=total_variation(estimated, of_source),
        plain_cluster_gain=float((clusterings.information(corrected.argmax(axis=1)) - old).mean()),
    )
    return evidence, proposal, corrected


def _effective(labels: Array, n_classes: int) -> float:
    """Effective number of classes: exp of the entropy of their shares."""
    shares = np.bincount(labels, minlength=n_classes) / len(labels)
    shares = shares[shares > 0]
    return float(np.exp(-(shares * np.log(shares)).sum()))
