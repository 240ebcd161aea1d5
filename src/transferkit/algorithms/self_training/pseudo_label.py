"""PseudoLabel: the network's own answers for target rows are labels, and count for more as the training goes on."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from torch import Tensor
from torch.nn import functional

from ...core.constraints import Interval
from ...engine.adaptation.alignment import DomainTerm, Joint
from ...engine.adaptation.estimator import ADAPTATION_RULES, TRADE_OFF, DomainFit, NetworkAdaptation
from ...engine.training.settings import Training

CARD = {
    "class": "PseudoLabel",
    "protocol": "Transfer",
    "settings": ("unsupervised",),
    "tasks": ("classification",),
    "data": ("vectors", "images", "text", "series"),
    "needs": ("torch",),
    "cost": "epochs",
    "paper": "Lee. Pseudo-Label: The Simple and Efficient Semi-Supervised Learning Method. ICML Workshops 2013.",
    "url": "https://www.kaggle.com/blobs/download/forum-message-attachment-files/746/pseudo_label_final.pdf",
}

__all__ = ["PseudoLabel"]


class PseudoLabel(NetworkAdaptation):
    """Train on the class that the network itself finds most probable for each target row, anew with every batch.

    Parameters
    ----------
    backbone : str, Module or Backbone, default="auto"
        The body, as for `DANN`: a small network or a pretrained one by name, or a torch Module; "auto" is a small one.
    bottleneck : int in [1, inf) or None, default=256
        Width of the layer between body and head; None is no such layer.
    head : {"linear", "mlp", "adapter", "cosine"}, default="linear"
        What maps features to classes.
    dropout : float in [0, 1), default=0.0
        Share of the features that the head drops in training.
    trade_off : float in [0, inf), default=3.0
        Weight of the pseudo-labels at the end of the ramp, the paper's alpha_f.
    threshold : float in [0, 1), default=0.0
        A row counts where its largest probability is above this. The paper has none; TLlib has 0.95.
    start : float in [0, 1], default=0.1
        Share of the training after which the weight rises from 0; the paper's T1.
    stop : float in [0, 1], default=0.6
        Share after which it is `trade_off`; the paper's T2. At or before `start` it jumps.
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
        Of the source.
    history_ : list of dict
        One row an epoch: ``train/task``, ``train/transfer`` (the weighted loss of the pseudo-labels), ``train/used`` (share
        of target rows above the threshold) and the label-free scores that `DANN` lists.
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
    Minimises ``L(y, f) + alpha(t) L(y', f')`` (eq. 15), both means of cross-entropies, with y' the most probable class of
    the present network (eq. 14) and ``alpha(t) = alpha_f * clip((t - T1) / (T2 - T1), 0, 1)`` (eq. 16). T1 = 100 and T2 = 600
    epochs in the paper, which does not say of how many: here they are shares of the training. The mean is over all rows of
    the batch, also where a threshold leaves some out. A step costs one forward and backward of the joint batch.

    References
    ----------
    Lee. Pseudo-Label: The Simple and Efficient Semi-Supervised Learning Method for Deep Neural Networks. ICML Workshop on
    Challenges in Representation Learning, 2013.

    Examples
    --------
    >>> import numpy as np
    >>> from transferkit import PseudoLabel, Domain, Training
    >>> rng = np.random.default_rng(0)
    >>> X, Xt = rng.normal(size=(60, 4)), rng.normal(size=(60, 4))
    >>> y, X[:, 2], Xt[:, 2] = X[:, 0] > 0, X[:, 2] + 1, Xt[:, 2] - 1
    >>> model = PseudoLabel("small:mlp?hidden=16", bottleneck=8, training=Training(n_epochs=20, lr=0.02))
    >>> model.fit(X, y, target=Domain(Xt)).score(Xt, Xt[:, 0] > 0) > 0.8
    True
    """

    _constraints: ClassVar = {
        **ADAPTATION_RULES,
        "trade_off": TRADE_OFF,
        "threshold": Interval(float, 0, 1, closed="left"),
        "start": Interval(float, 0, 1),
        "stop": Interval(float, 0, 1),
    }

    def __init__(
        self,
        backbone: Any = "auto",
        bottleneck: int | None = 256,
        head: str = "linear",
        dropout: float = 0.0,
        trade_off: float = 3.0,
        threshold: float = 0.0,
        start: float = 0.1,
        stop: float = 0.6,
        training: Training | None = None,
        task: str = "auto",
        random_state: Any = 0,
    ) -> None:
        self.backbone = backbone
        self.bottleneck = bottleneck
        self.head = head
        self.dropout = dropout
        self.trade_off = trade_off
        self.threshold = threshold
        self.start = start
        self.stop = stop
        self.training = training
        self.task = task
        self.random_state = random_state

    def _term(self, fit: DomainFit) -> DomainTerm:
        def labelled_by_itself(joint: Joint, progress: float) -> Mapping[str, Tensor]:
            outputs = joint.outputs_t.float()
            sure, y = outputs.detach().softmax(dim=1).max(dim=1)
            used = (sure > self.threshold).float()
            each = functional.cross_entropy(outputs, y, reduction="none")
            return {"loss": _ramp(progress, self.start, self.stop) * (used * each).mean(), "used": used.mean()}

        return labelled_by_itself


def _ramp(progress: float, start: float, stop: float) -> float:
    """From 0 at `start` to 1 at `stop`."""
    if progress >= stop:
        return 1.0
    return max(0.0, (progress - start) / (stop - start)) if progress > start else 0.0
