"""DeepJDOT: the cheapest plan from source rows with their labels to target rows with their predictions, made cheaper."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

import numpy as np
import torch
from torch import Tensor

from ...core.errors import TrainingError
from ...engine.adaptation.alignment import Joint
from ...engine.adaptation.estimator import ADAPTATION_RULES, TRADE_OFF, DomainFit, NetworkAdaptation
from ...engine.training.settings import Training
from ...ops.transport.plans import exact_plan

CARD = {
    "class": "DeepJDOT",
    "protocol": "Transfer",
    "settings": ("unsupervised",),
    "tasks": ("classification", "regression"),
    "data": ("vectors", "images", "text", "series"),
    "needs": ("torch",),
    "cost": "epochs",
    "paper": "Damodaran, Kellenberger, Flamary, Tuia & Courty. DeepJDOT: Deep Joint Distribution Optimal Transport for"
    " Unsupervised Domain Adaptation. ECCV 2018.",
    "url": "https://arxiv.org/abs/1803.10081",
}

__all__ = ["DeepJDOT"]

_MAX_PIVOTS = 1_000_000  # of the network simplex; a batch of a thousand rows takes some ten thousand


class DeepJDOT(NetworkAdaptation):
    """Pair each source row with target rows by optimal transport of features and labels, and train the pairs to agree.

    Parameters
    ----------
    backbone : str, Module or Backbone, default="auto"
        The body, as for `DANN`: a small network or a pretrained one by name, or a torch Module; "auto" is a small one.
    bottleneck : int in [1, inf) or None, default=256
        Width of the layer that is aligned, between body and head; None is no such layer.
    head : {"linear", "mlp", "adapter", "cosine"}, default="linear"
        What maps features to classes or numbers.
    dropout : float in [0, 1), default=0.0
        Share of the features that the head drops in training.
    feature_weight : float in [0, inf), default=0.001
        Weight of the squared distance between the features of a pair; the paper's alpha, its value for digits.
    label_weight : float in [0, inf), default=0.0001
        Weight of the loss of the source's label under the target row's prediction; the paper's lambda_t, for digits. Both
        are relative to the source's loss and suit features of some hundred dimensions; narrow ones take more.
    training : Training, default=None
        Epochs (passes over the longer domain), learning rate, batch size (rows of each domain) and all else; None is
        ``Training()``.
    task : {"auto", "classification", "multilabel", "regression"}, default="auto"
        What the labels are; "auto" decides from them.
    random_state : int, RandomState or None, default=0
        Seed of the first weights, the batches and the augmentation.

    Attributes
    ----------
    network_ : Network
        Body, bottleneck and head, trained.
    labels_ : Labels
        How outputs become labels.
    classes_ : array of shape (n_classes,)
        Of the source, for a classification.
    history_ : list of dict
        One row an epoch: ``train/task``, ``train/transfer`` (the cost of the plan), its parts ``train/features`` and
        ``train/labels`` before their weights, and the label-free scores that `DANN` lists.
    n_updates_ : int
        Updates done.
    backbone_name_, fingerprint_ : str
        The body's name, and the SHA-256 of its first weights.
    facts_ : dict
        What the report shows, with the last scores, the target's class shares, ``collapsed`` and ``diverged``.
    n_features_in_ : int
        Width of the rows, where they are vectors.
    feature_names_in_ : array of shape (n_features_in_,)
        Column names, where the rows are a data frame.

    Notes
    -----
    Minimises ``L_source + sum_ij gamma_ij (feature_weight |z_i - z_j|^2 + label_weight L(y_i, f(z_j)))``, where gamma
    is the cheapest plan between the uniform weights of both halves of a batch for just that cost, found exactly
    (network simplex) and then held while the network moves. L is the task's loss: cross-entropy, and for numbers the
    squared error, as in the shallow JDOT. Differences: the plan is of the same forward pass that it weighs, where the
    authors' code makes one more in evaluation mode; that code also pairs by the squared distance of probabilities
    instead of the loss, in one file unweighted, where we follow the paper; it begins with a network that was trained on the
    source, ours learns the source and the pairs from the first update on; its batches hold each class equally often,
    ours are random.

    A step costs one transport problem a batch more than plain training on both domains, little beside the passes up to
    some hundred rows.

    References
    ----------
    Damodaran, Kellenberger, Flamary, Tuia & Courty. DeepJDOT: Deep Joint Distribution Optimal Transport for Unsupervised
    Domain Adaptation. ECCV 2018.
    Courty, Flamary, Habrard & Rakotomamonjy. Joint Distribution Optimal Transportation for Domain Adaptation. NIPS 2017.

    Examples
    --------
    >>> import numpy as np
    >>> from transferkit import DeepJDOT, Domain, Training
    >>> rng = np.random.default_rng(0)
    >>> X, Xt = rng.normal(size=(60, 4)), rng.normal(size=(60, 4))
    >>> y, X[:, 2], Xt[:, 2] = X[:, 0] > 0, X[:, 2] + 1, Xt[:, 2] - 1
    >>> given = {"feature_weight": 0.1, "label_weight": 1.0, "training": Training(n_epochs=20, lr=0.02)}
    >>> model = DeepJDOT("small:mlp?hidden=16", bottleneck=8, **given)
    >>> model.fit(X, y, target=Domain(Xt)).score(Xt, Xt[:, 0] > 0) > 0.8
    True
    """

    _constraints: ClassVar = {**ADAPTATION_RULES, "feature_weight": TRADE_OFF, "label_weight": TRADE_OFF}
    _kinds: ClassVar = ("classification", "regression")
    _test_params: ClassVar = {"feature_weight": 0.1, "label_weight": 1.0}

    def __init__(
        self,
        backbone: Any = "auto",
        bottleneck: int | None = 256,
        head: str = "linear",
        dropout: float = 0.0,
        feature_weight: float = 0.001,
        label_weight: float = 0.0001,
        training: Training | None = None,
        task: str = "auto",
        random_state: Any = 0,
    ) -> None:
        self.backbone = backbone
        self.bottleneck = bottleneck
        self.head = head
        self.dropout = dropout
        self.feature_weight = feature_weight
        self.label_weight = label_weight
        self.training = training
        self.task = task
        self.random_state = random_state

    def _term(self, fit: DomainFit) -> Any:
        is_class = fit.labels.kind == "classification"

        def transport(joint: Joint, progress: float) -> Mapping[str, Tensor]:
            y = joint.source.y
            assert y is not None
            far = torch.cdist(
                joint.z_s.float(), joint.z_t.float(), compute_mode="donot_use_mm_for_euclid_dist"
            ).square()
            wrong = _class_cost(y, joint.outputs_t) if is_class else _number_cost(y, joint.outputs_t)
            cost = self.feature_weight * far + self.label_weight * wrong
            plan = _plan(cost)
            return {"loss": (plan * cost).sum(), "features": (plan * far).sum(), "labels": (plan * wrong).sum()}

        return transport


def _class_cost(y: Tensor, logits: Tensor) -> Tensor:
    """Cross-entropy of each row's class under each prediction, of shape (n_source, n_target)."""
    return -logits.float().log_softmax(dim=1).T[y]


def _number_cost(y: Tensor, outputs: Tensor) -> Tensor:
    """Squared error, mean over the outputs, of shape (n_source, n_target)."""
    return (y[:, None] - outputs.float()[None]).square().mean(dim=2)


def _plan(cost: Tensor) -> Tensor:
    """The cheapest plan between uniform weights, a constant in the gradient."""
    values = cost.detach().cpu().double().numpy()
    if not np.isfinite(values).all():  # no plan has a finite cost, which the loop then reports
        return torch.full_like(cost, 1 / cost.numel())
    plan, optimal = exact_plan(values, _MAX_PIVOTS)
    if not optimal:
        raise TrainingError(f"DeepJDOT.fit: training.batch_size must be smaller for a plan a batch. Got {len(cost)}.")
    return torch.as_tensor(plan.toarray(), dtype=cost.dtype, device=cost.device)
