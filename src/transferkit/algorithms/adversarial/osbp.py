"""OSBP: a class of its own for target rows of no source class, found in a game of features against the classifier."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, ClassVar

from torch import Tensor, nn
from torch.nn import functional

from ...core.constraints import Interval
from ...engine.adaptation.alignment import Joint
from ...engine.adaptation.estimator import ADAPTATION_RULES, TRADE_OFF, DomainFit, NetworkAdaptation
from ...engine.adaptation.open_set import UNKNOWN, closed_labels, open_labels
from ...engine.answers.labels import Labels
from ...engine.networks.backbone import Backbone
from ...engine.networks.estimator import Fit
from ...engine.networks.network import Network
from ...engine.training.objective import Objective
from ...engine.training.settings import Training
from ...ops.nn.grad_reverse import grad_reverse
from ...ops.nn.heads import Head

CARD = {
    "class": "OSBP",
    "protocol": "Transfer",
    "settings": (
        "unsupervised",
        "open_set",
    ),
    "tasks": ("classification",),
    "data": ("vectors", "images", "text", "series"),
    "needs": ("torch",),
    "cost": "epochs",
    "paper": "Saito, Yamamoto, Ushiku & Harada. Open Set Domain Adaptation by Backpropagation. ECCV 2018.",
    "url": "https://arxiv.org/abs/1804.10427",
}

__all__ = ["OSBP"]


class OSBP(NetworkAdaptation):
    """Let the classifier call every target row unknown with probability one half, and let features choose a side.

    Parameters
    ----------
    backbone : str, Module or Backbone, default="auto"
        The body, as for `DANN`: a small network or a pretrained one by name, or a torch Module; "auto" is a small one.
    bottleneck : int in [1, inf) or None, default=256
        Width of the layer that is aligned, between body and head; None is no such layer.
    head : {"linear", "mlp", "adapter", "cosine"}, default="linear"
        What maps features to classes.
    dropout : float in [0, 1), default=0.0
        Share of the features that the head drops in training.
    trade_off : float in [0, inf), default=1.0
        Weight of the game about the unknown class.
    boundary : float in (0, 1), default=0.5
        Probability of the unknown class that the classifier aims at on target rows; the paper's t.
    unknown : str, number or None, default="auto"
        Label that `predict` gives to rows of an unknown class: "auto" is the text "unknown" where classes are text,
        else one more than the largest. With None every row gets a class of the source, its most probable one.
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
        Of the source, and last the unknown one.
    history_ : list of dict
        One row an epoch: ``train/task``, ``train/transfer``, ``train/unknown`` (share of target rows that are called
        unknown) and the label-free scores that `DANN` lists.
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
    The head has an output more than the source has classes, with probability p_u. The classifier descends on
    ``L_source + trade_off * L_adv`` with ``L_adv = -t log p_u - (1 - t) log(1 - p_u)`` on target rows, t being
    `boundary`; the features descend on ``L_source - trade_off * L_adv`` through a gradient reversal: they gain by
    making a row clearly known or clearly unknown. The largest output decides, and ``predict_proba`` has the unknown
    class as its last column (none with ``unknown=None``: then that output is cut off after the fit). A batch costs one
    forward and backward pass.

    References
    ----------
    Saito, Yamamoto, Ushiku & Harada. Open Set Domain Adaptation by Backpropagation. ECCV 2018.

    Examples
    --------
    >>> import numpy as np
    >>> from transferkit import OSBP, Domain, Training
    >>> rng = np.random.default_rng(0)
    >>> yt = np.arange(120) % 3  # the target has a third class, far from both of the source
    >>> Xt = rng.normal(scale=0.5, size=(120, 4)) + 4 * np.eye(4)[yt]
    >>> X, y = Xt[yt < 2] + 0.3, yt[yt < 2]
    >>> model = OSBP("small:mlp?hidden=16", bottleneck=8, training=Training(n_epochs=20, lr=0.01))
    >>> model.fit(X, y, target=Domain(Xt)).classes_
    array([0, 1, 2])
    """

    _constraints: ClassVar = {
        **ADAPTATION_RULES,
        "trade_off": TRADE_OFF,
        "boundary": Interval(float, 0, 1, closed="neither"),
        "unknown": UNKNOWN,
    }
    _test_params: ClassVar = {"unknown": None}

    def __init__(
        self,
        backbone: Any = "auto",
        bottleneck: int | None = 256,
        head: str = "linear",
        dropout: float = 0.0,
        trade_off: float = 1.0,
        boundary: float = 0.5,
        unknown: Any = "auto",
        training: Training | None = None,
        task: str = "auto",
        random_state: Any = 0,
    ) -> None:
        self.backbone = backbone
        self.bottleneck = bottleneck
        self.head = head
        self.dropout = dropout
        self.trade_off = trade_off
        self.boundary = boundary
        self.unknown = unknown
        self.training = training
        self.task = task
        self.random_state = random_state

    def _begin(self, where: str, *given: Any) -> DomainFit:
        fit = super()._begin(where, *given)
        fit.labels = open_labels(where, fit.labels, self.unknown)
        return fit

    def _network(self, backbone: Backbone, labels: Labels) -> Network:
        return super()._network(backbone, replace(labels, n_outputs=labels.n_outputs + 1))

    def _term(self, fit: DomainFit) -> nn.Module:
        assert isinstance(fit.network.head, Head)
        return _Boundary(fit.network.head, self.boundary)

    def _finish(self, fit: Fit, objective: Objective) -> None:
        if self.unknown is None:
            fit.labels = closed_labels(fit.labels, fit.y.dtype)
            fit.network.head = _without_last(fit.network.head, fit.labels.n_outputs)


class _Boundary(nn.Module):
    """The head's loss about the unknown class on reversed features of the target."""

    def __init__(self, head: Head, boundary: float) -> None:
        super().__init__()
        self.head, self.boundary = head, boundary

    def forward(self, joint: Joint, progress: float) -> Mapping[str, Tensor]:
        logits = self.head(grad_reverse(joint.z_t)).float()
        against = logits[:, -1] - logits[:, :-1].logsumexp(dim=1)  # the logit of p_u
        aim = against.new_full(against.shape, self.boundary)
        is_unknown = (joint.outputs_t.argmax(dim=1) == logits.shape[1] - 1).float()
        return {"loss": functional.binary_cross_entropy_with_logits(against, aim), "unknown": is_unknown.mean()}


def _without_last(head: nn.Module, k: int) -> Head:
    """The head with its first k outputs."""
    assert isinstance(head, Head)
    cut = Head(**{**head.spec, "n_outputs": k})
    state = head.state_dict()
    for name, value in cut.state_dict().items():
        state[name] = state[name][:k] if name.startswith("out.") and value.ndim else state[name]
    cut.load_state_dict(state)
    return cut.to(next(head.parameters()).device)
