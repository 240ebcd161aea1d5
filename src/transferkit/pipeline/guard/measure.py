"""The evidence: everything a verdict rests on, measured once, without a threshold and without a target label."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from sklearn.utils import check_random_state

from ...core.protocols import Array
from ...ops.evidence.two_sample import classifier_two_sample
from ...ops.label_shift.known_shares import share_gap, share_noise
from ...ops.label_shift.shares import em_prior, temper, temperature, total_variation
from .consensus import Proposal, propose
from .structure import Clusterings

__all__ = ["Ballots", "Evidence", "View", "look", "measure"]


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
    told : float
        Total variation between the source's class shares and those that the user gave; 0 where none were given, or where
        the proposal is one candidate, which does not heed them.
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
    told: float = 0.0


@dataclass(frozen=True, eq=False)
class View:
    """What does not depend on the class shares that are assumed, nor on the proposal.

    Attributes
    ----------
    clusterings : Clusterings
        Of the target.
    skill : array of shape (n_plain,)
        Cross-validated accuracy of the plain models on the source.
    auc, auc_p, auc_plain, moved : float
        As in `Evidence`.
    corrected : array of shape (n_target, n_classes)
        The anchor with its priors moved to the shares that EM estimates: the proposal where only the shares moved.
    """

    clusterings: Clusterings
    skill: Array
    auc: float
    auc_p: float
    auc_plain: float
    moved: float
    corrected: Array


def look(ballots: Ballots, random_state: Any = 0) -> View:
    """Cluster the target, tell the domains apart, estimate the shares: the costly part, done once."""
    rng = check_random_state(random_state)
    b = ballots
    K = b.probas.shape[2]
    of_source = np.bincount(b.ys, minlength=K) / len(b.ys)
    clusterings = Clusterings(b.Xt, K, rng)
    calibrated = temper(b.probas[0], temperature(b.held[0], b.ys))
    estimated = em_prior(calibrated, of_source)
    corrected = calibrated * (estimated / np.maximum(of_source, 1e-12))
    # The source weighted to the shares the anchor predicts: a change of shares alone then reads as no shift.
    guess_s, guess_t = b.held[0].argmax(axis=1), b.probas[0].argmax(axis=1)
    ratio = np.bincount(guess_t, minlength=K) / len(guess_t)
    ratio = ratio / np.maximum(np.bincount(guess_s, minlength=K) / len(guess_s), 1e-12)
    weighted = classifier_two_sample(b.Xs, b.Xt, weight=np.clip(ratio, 0.02, 50)[guess_s], random_state=rng)
    plain = classifier_two_sample(b.Xs, b.Xt, random_state=rng)
    return View(
        clusterings=clusterings,
        skill=(b.held.argmax(axis=2) == b.ys).mean(axis=1),
        auc=weighted.auc,
        auc_p=plain.p,
        auc_plain=plain.auc,
        moved=total_variation(estimated, of_source),
        corrected=corrected / corrected.sum(axis=1, keepdims=True),
    )


def measure(
    ballots: Ballots, view: View, shares: Array | None = None, named: int | None = None
) -> tuple[Evidence, Proposal]:
    """Make the proposal and gather what speaks for it and against it.

    Parameters
    ----------
    ballots : Ballots
    view : View
        `look` at the same ballots.
    shares : array of shape (n_classes,), optional
        The target's class shares, where they are known; None takes the source's.
    named : int, optional
        The model that stands against the anchor; None is the vote of all.

    Returns
    -------
    evidence : Evidence
    proposal : Proposal
        The vote of all.
    """
    b = ballots
    K = b.probas.shape[2]
    of_source = np.bincount(b.ys, minlength=K) / len(b.ys)
    assumed = of_source if shares is None else np.asarray(shares, dtype=np.float64)
    proposal = propose(b.probas, b.plain, view.skill, assumed, view.clusterings)
    before = b.probas[0].argmax(axis=1)
    after = proposal.labels if named is None else b.probas[named].argmax(axis=1)
    rows = np.flatnonzero(before != after)
    old, new = view.clusterings.information(before), view.clusterings.information(after)
    ahead = proposal.proba[rows, after[rows]] - proposal.proba[rows, before[rows]]
    noise = share_noise(assumed, len(before))
    return Evidence(
        n_target=len(b.Xt),
        n_classes=K,
        auc=view.auc,
        auc_p=view.auc_p,
        auc_plain=view.auc_plain,
        surplus=share_gap(before, assumed) - noise,
        surplus_after=share_gap(after, assumed) - noise,
        disputed=len(rows) / len(before),
        lead=float(ahead.mean()) if len(rows) else 0.0,
        cluster_gain=float((new - old).mean()),
        cluster_steady=float((new > old).mean()),
        spread=_effective(after, K) / _effective(before, K),
        moved=view.moved,
        told=total_variation(assumed, of_source) if named is None else 0.0,
    ), proposal


def _effective(labels: Array, n_classes: int) -> float:
    """Effective number of classes: exp of the entropy of their shares."""
    shares = np.bincount(labels, minlength=n_classes) / len(labels)
    shares = shares[shares > 0]
    return float(np.exp(-(shares * np.log(shares)).sum()))
