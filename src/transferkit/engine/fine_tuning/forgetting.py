"""Forgetting: how much of its own task a source model can still do after it was trained for another one."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from scipy.special import log_softmax
from torch import nn

from ...core.errors import DomainError
from ..inputs.rows import Rows
from ..networks.backbone import Backbone
from ..source_free.source_task import source_logits
from ..training.device import Place

__all__ = ["forgetting"]


def forgetting(
    backbone_before: Backbone,
    body_after: nn.Module,
    rows: Rows,
    source_labels: Any = None,
    *,
    place: Place | None = None,
    limit: int = 1000,
    workers: int = 0,
) -> dict[str, Any]:
    """Compare what the source model's own classifier says through the body as it was, and through the body as it is.

    Parameters
    ----------
    backbone_before : Backbone
        The source model, untouched.
    body_after : Module
        Its body after training.
    rows : Rows
        Rows of the source, with `source_labels`; or any rows, such as the target's.
    source_labels : array-like of shape (n_samples,), optional
        Which source class each row is, as an index of the classifier's outputs.
    place : Place, optional
        Device and precision; None is the CPU.
    limit : int
        Of more rows than this, so many are taken at even distances.
    workers : int
        Processes that decode.

    Returns
    -------
    dict
        Empty if the source model has no classifier of its own. Else ``rows`` (how many were used; none where the body did
        not change), ``agreement`` (share of rows whose most probable source class is the same), ``kl`` (mean
        Kullback-Leibler divergence of the source classes' probabilities, before from after, in nats), and with labels
        ``accuracy_before``, ``accuracy_after`` and ``forgotten``, their difference.

    Raises
    ------
    DomainError
        If labels and rows differ in number, or a label is no output of the classifier.
    """
    if backbone_before.source_head is None:
        return {}
    if source_labels is None and _equal(backbone_before.body, body_after):
        return {"rows": 0, "agreement": 1.0, "kl": 0.0}  # nothing can be forgotten: no row has to be looked at
    place = Place(torch.device("cpu")) if place is None else place
    kept = np.unique(np.linspace(0, len(rows) - 1, min(limit, len(rows))).astype(int))
    some = rows.take(kept)
    head = backbone_before.source_head
    before, after = (
        log_softmax(source_logits(body, head, some, place, workers=workers).astype(np.float64), axis=1)
        for body in (backbone_before.body, body_after)
    )
    found = {
        "rows": len(kept),
        "agreement": float(np.mean(before.argmax(axis=1) == after.argmax(axis=1))),
        "kl": float(np.mean(np.sum(np.exp(before) * (before - after), axis=1))),
    }
    if source_labels is None:
        return found
    y = np.asarray(source_labels)
    if y.shape != (len(rows),) or not np.isin(y, np.arange(before.shape[1])).all():
        raise DomainError(
            f"forgetting: source_labels must be one class in 0..{before.shape[1] - 1} for each of {len(rows)} rows."
            f" Got shape {y.shape}, values {np.unique(y)[:5].tolist()}."
        )
    scores = [float(np.mean(p.argmax(axis=1) == y[kept])) for p in (before, after)]
    return {**found, "accuracy_before": scores[0], "accuracy_after": scores[1], "forgotten": scores[0] - scores[1]}


def _equal(a: nn.Module, b: nn.Module) -> bool:
    """Whether two bodies have the same weights and buffers."""
    first, second = a.state_dict(), b.state_dict()
    return first.keys() == second.keys() and all(torch.equal(first[k].cpu(), second[k].cpu()) for k in first)
