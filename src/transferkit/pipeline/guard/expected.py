"""Expected accuracy on the target without a label, with an interval whose coverage was measured on data it was not fitted on."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from ...core.protocols import Array
from ...ops.label_shift.shares import temper, temperature
from .measure import Ballots, Evidence

__all__ = ["ANCHOR", "VOTE", "Expectation", "expectation_features"]


@dataclass(frozen=True)
class Expectation:
    """A ridge regression of the true target accuracy on what can be seen without labels.

    Attributes
    ----------
    intercept : float
    weights : mapping of str to float
        One a feature of `expectation_features`.
    half_width : float
        Of the interval: the 90 % quantile of the errors on groups of data that were left out of the fit. On such groups the
        interval covers 90 % (source-only) and 88 % (vote) of the tasks of ``transferkit bench noharm``, which derives all
        these numbers.
    """

    intercept: float
    weights: Mapping[str, float]
    half_width: float

    def of(self, features: Mapping[str, float]) -> tuple[float, tuple[float, float]]:
        """Expected accuracy and its interval, cut off at 0 and 1."""
        value = float(np.clip(self.intercept + sum(w * features[name] for name, w in self.weights.items()), 0, 1))
        return value, (max(0.0, value - self.half_width), min(1.0, value + self.half_width))


def expectation_features(ballots: Ballots, evidence: Evidence) -> dict[str, float]:
    """What the expectation is made from; all without a target label."""
    b = ballots
    soft = temperature(b.held[0], b.ys)
    on_source, on_target = (float(temper(p, soft).max(axis=1).mean()) for p in (b.held[0], b.probas[0]))
    score = float((b.held[0].argmax(axis=1) == b.ys).mean())
    labels = b.probas.argmax(axis=2)
    counts = (labels[:, :, None] == np.arange(evidence.n_classes)).sum(axis=0)
    plain: Array = labels[b.plain]
    pairs = [float((plain[i] == plain[j]).mean()) for i in range(len(plain)) for j in range(i)]
    return {
        "source_score": score,
        "confidence": on_target,
        "difference_of_confidences": score - (on_source - on_target),
        "agreement": float((labels == counts.argmax(axis=1)).mean()),
        "certainty_of_all": float(b.probas.mean(axis=0).max(axis=1).mean()),
        "agreement_of_plain": float(np.mean(pairs)) if pairs else 1.0,
        "surplus": evidence.surplus,
        "disputed": evidence.disputed,
        "auc": evidence.auc,
        "cluster_gain": evidence.cluster_gain,
        "chance": 1 / evidence.n_classes,
    }


# From ``transferkit bench noharm`` (``expected_accuracy`` in its result), on all 356 tasks.
ANCHOR = Expectation(
    intercept=0.0222,
    weights={
        "source_score": 0.2409, "confidence": 0.1862, "difference_of_confidences": 0.0615, "agreement": 0.3862,
        "certainty_of_all": -0.4331, "agreement_of_plain": 0.5382, "surplus": -0.3745, "disputed": -0.2105, "auc": -0.1218,
        "cluster_gain": -0.0825, "chance": 0.0710,
    },
    half_width=0.202,
)  # fmt: skip
VOTE = Expectation(
    intercept=-0.1182,
    weights={
        "source_score": 0.3273, "confidence": 0.2403, "difference_of_confidences": 0.0612, "agreement": 0.5328,
        "certainty_of_all": -0.4911, "agreement_of_plain": 0.3761, "surplus": -0.3234, "disputed": -0.2028, "auc": -0.0124,
        "cluster_gain": 0.9809, "chance": 0.0200,
    },
    half_width=0.208,
)  # fmt: skip
