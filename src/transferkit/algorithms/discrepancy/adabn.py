"""AdaBN: a network trained on the source normalises the target's rows by the target's own batch statistics."""

from __future__ import annotations

from typing import Any, ClassVar
from warnings import warn

import numpy as np
from torch import Tensor

from ...core.constraints import Either, Interval, Nothing
from ...core.errors import ParamError, TransferWarning
from ...engine.adaptation.estimator import ADAPTATION_RULES, DomainFit, NetworkAdaptation
from ...engine.adaptation.source_loss import SourceLoss
from ...engine.adaptation.target_scores import collapse, some_rows, target_scores
from ...engine.answers.labels import Labels
from ...engine.networks.backbone import Backbone
from ...engine.networks.inference import outputs_of
from ...engine.networks.network import Network
from ...engine.training.objective import Objective
from ...engine.training.settings import Training
from ...ops.nn.batch_statistics import BatchMoments, has_statistics

CARD = {
    "class": "AdaBN",
    "protocol": "Transfer",
    "settings": ("unsupervised",),
    "tasks": ("classification",),
    "data": ("vectors", "images", "text", "series"),
    "needs": ("torch",),
    "cost": "epochs",
    "paper": "Li, Wang, Shi, Hou & Liu. Adaptive Batch Normalization for Practical Domain Adaptation. Pattern"
    " Recognition 80, 2018.",
    "url": "https://arxiv.org/abs/1603.04779",
}

__all__ = ["AdaBN"]


class AdaBN(NetworkAdaptation):
    """Train on the source alone, then give each batch normalisation the mean and variance of the target.

    Parameters
    ----------
    backbone : str, Module or Backbone, default="auto"
        The body, as for `DANN`: a small network or a pretrained one by name, or a torch Module; "auto" is a small one.
    bottleneck : int in [1, inf) or None, default=256
        Width of the layer with batch normalisation between body and head; None is no such layer.
    head : {"linear", "mlp", "adapter", "cosine"}, default="linear"
        What maps features to classes.
    dropout : float in [0, 1), default=0.0
        Share of the features that the head drops in training.
    n_rows : int in [2, inf) or None, default=None
        How many rows of the target, at even distances, the statistics are taken on; None is all.
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
        One row an epoch, of the network before its statistics are exchanged: ``train/loss`` and the label-free scores
        that `DANN` lists.
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
    Minimises ``L_source`` on batches of the source; then, from the input to the output, each batch normalisation gets
    the mean and variance of its inputs over the target (algorithm 1), those before it having the target's already.
    Each takes one pass over the target, forwards (53 for a ResNet-50), and is exact, where one pass for all would
    normalise by batches; `n_rows` makes it cheaper. Scale and shift stay as trained: nothing else is learned from the
    target. What is fitted is for rows of the target; the source's own statistics are gone, and ``source/score`` and
    ``domain/auc`` in ``facts_`` are from before. A body without batch normalisation (vision transformers,
    ``small:mlp``) leaves that of the bottleneck; with neither, ``fit`` says so. A step costs one forward and backward
    of the source's half of a joint batch.

    References
    ----------
    Li, Wang, Shi, Hou & Liu. Adaptive Batch Normalization for Practical Domain Adaptation. Pattern Recognition 80,
    2018 (first as Revisiting Batch Normalization For Practical Domain Adaptation, 2016).

    Examples
    --------
    >>> import numpy as np
    >>> from transferkit import AdaBN, Domain, Training
    >>> rng = np.random.default_rng(0)
    >>> X, Xt = rng.normal(size=(60, 4)), rng.normal(size=(60, 4))
    >>> y, X[:, 2], Xt[:, 2] = X[:, 0] > 0, X[:, 2] + 1, Xt[:, 2] - 1
    >>> model = AdaBN("small:mlp?hidden=16", bottleneck=8, training=Training(n_epochs=20, lr=0.02))
    >>> model.fit(X, y, target=Domain(Xt)).score(Xt, Xt[:, 0] > 0) > 0.8
    True
    """

    _constraints: ClassVar = {
        **ADAPTATION_RULES,
        "n_rows": Either(Nothing(), Interval(int, 2)),
    }

    def __init__(
        self,
        backbone: Any = "auto",
        bottleneck: int | None = 256,
        head: str = "linear",
        dropout: float = 0.0,
        n_rows: int | None = None,
        training: Training | None = None,
        task: str = "auto",
        random_state: Any = 0,
    ) -> None:
        self.backbone = backbone
        self.bottleneck = bottleneck
        self.head = head
        self.dropout = dropout
        self.n_rows = n_rows
        self.training = training
        self.task = task
        self.random_state = random_state

    def _network(self, backbone: Backbone, labels: Labels) -> Network:
        network = super()._network(backbone, labels)
        if not any(has_statistics(m) for m in network.modules()):
            raise ParamError(
                f"{type(self).__name__}.fit: backbone must have batch normalisation, or bottleneck a width. Got none."
            )
        return network

    def _objective(self, fit: DomainFit) -> Objective:
        return SourceLoss(fit.network, fit.labels)

    def _look_back(self, fit: DomainFit) -> None:
        source, target = some_rows(fit.rows), some_rows(fit.target)
        before, _ = target_scores(fit.network, fit.labels, source, target, fit.place)
        self._adapt(fit)
        after, shares = target_scores(fit.network, fit.labels, source, target, fit.place)
        scores = after | {k: v for k, v in before.items() if k in ("source/score", "domain/auc")}
        wrong = collapse(fit.labels, source, len(target), before["source/score"], shares)
        fit.notes |= {"scores": scores, "target_shares": shares.tolist(), **wrong}
        for name, text in _WRONG.items():
            if wrong[name]:
                warn(f"{type(self).__name__}: {text}", TransferWarning, stacklevel=4)

    def _adapt(self, fit: DomainFit) -> None:
        """Layer after layer, as each one's input depends on the statistics of those before."""
        network, rows, training = fit.network, fit.target, fit.training
        if self.n_rows is not None:
            rows = rows.take(np.unique(np.linspace(0, len(rows) - 1, min(self.n_rows, len(rows))).astype(int)))
        for layer in _in_order(fit):
            moments = BatchMoments()

            def forward(x: Any, seen: BatchMoments = moments) -> Tensor:
                seen.batch = []
                outputs = network(x)
                seen.add()  # a batch for which memory did not suffice does not come here, and is tried again in parts
                return outputs

            handle = layer.register_forward_pre_hook(moments.look)
            try:
                outputs_of(network, forward, rows, fit.place, max(64, training.batch_size), training.workers)
            finally:
                handle.remove()
            moments.write(layer)


_WRONG = {
    "collapsed": "predictions for the target have collapsed: most of its rows are given one class. Do not trust them.",
    "diverged": "the training has diverged, or got nowhere: it does worse on its own source than naming one class."
    " Change training.lr.",
}


def _in_order(fit: DomainFit) -> list[Any]:
    """Layers with statistics, as a row meets them."""
    called: list[Any] = []
    handles = [
        m.register_forward_pre_hook(lambda layer, _: called.append(layer))
        for m in fit.network.modules()
        if has_statistics(m)
    ]
    try:
        outputs_of(fit.network, fit.network, fit.target.take(np.arange(1)), fit.place)
    finally:
        for handle in handles:
            handle.remove()
    return list(dict.fromkeys(called))
