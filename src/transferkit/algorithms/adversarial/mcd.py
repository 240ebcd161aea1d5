"""MCD: two classifiers disagree where the target leaves the source's support; the features learn to close that gap."""

from __future__ import annotations

from typing import Any, ClassVar

from torch import Tensor

from ...core.constraints import Interval
from ...engine.adaptation.estimator import ADAPTATION_RULES, TRADE_OFF, DomainFit, NetworkAdaptation
from ...engine.adaptation.two_heads import TwoHeads
from ...engine.training.objective import Objective
from ...engine.training.settings import Training

CARD = {
    "class": "MCD",
    "protocol": "Transfer",
    "settings": ("unsupervised",),
    "tasks": ("classification",),
    "data": ("vectors", "images", "text", "series"),
    "needs": ("torch",),
    "cost": "epochs",
    "paper": "Saito, Watanabe, Ushiku & Harada. Maximum Classifier Discrepancy for Unsupervised Domain Adaptation. CVPR 2018.",
    "url": "https://arxiv.org/abs/1712.02560",
}

__all__ = ["MCD"]


class MCD(NetworkAdaptation):
    """Let two classifiers disagree as much as they can on the target, and move its features to where they cannot.

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
        Weight of the disagreement in the second and third step.
    n_steps : int in [1, inf), default=4
        Updates of the features a batch, in the third step; the paper's n.
    balance : float in [0, inf), default=0.0
        Weight, in the first and second step, of ``-mean_c log(mean_i p_ic)`` for the target's probabilities of both
        classifiers, which is least where all classes are equally frequent. The authors' code for larger images takes 0.01.
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
        One row an epoch: ``train/task``, ``heads/transfer`` and ``features/transfer`` (how far the two classifiers are
        apart on the target, before and after the features have moved) and the label-free scores that `DANN` lists.
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
    Three steps a batch (section 3.3), F_1 and F_2 being the classifiers on features G: A, all three descend on the
    source's loss of both; B, F_1 and F_2 descend on ``L_source - trade_off * L_adv`` with G held; C, G descends on
    ``trade_off * L_adv``, `n_steps` times, with F_1 and F_2 held. ``L_adv`` is the mean absolute difference of their
    probabilities on target rows. F_1 predicts. The steps share the optimizer's momentum, as in the authors' code and in
    TLlib. Each domain goes through the network by itself, as in the authors' code (which leaves out the target in A and the
    source in C), so that batch normalisation has the statistics of that domain; TLlib passes both in one batch. A batch
    costs ``2 + n_steps`` forward and backward passes.

    References
    ----------
    Saito, Watanabe, Ushiku & Harada. Maximum Classifier Discrepancy for Unsupervised Domain Adaptation. CVPR 2018.

    Examples
    --------
    >>> import numpy as np
    >>> from transferkit import MCD, Domain, Training
    >>> rng = np.random.default_rng(0)
    >>> X, Xt = rng.normal(size=(60, 4)), rng.normal(size=(60, 4))
    >>> y, X[:, 2], Xt[:, 2] = X[:, 0] > 0, X[:, 2] + 1, Xt[:, 2] - 1
    >>> model = MCD("small:mlp?hidden=16", bottleneck=8, training=Training(n_epochs=20, lr=0.02))
    >>> model.fit(X, y, target=Domain(Xt)).score(Xt, Xt[:, 0] > 0) > 0.8
    True
    """

    _constraints: ClassVar = {
        **ADAPTATION_RULES,
        "trade_off": TRADE_OFF,
        "n_steps": Interval(int, 1),
        "balance": Interval(float, 0),
    }
    _test_params: ClassVar = {"n_steps": 1, "trade_off": 0.1}

    def __init__(
        self,
        backbone: Any = "auto",
        bottleneck: int | None = 256,
        head: str = "linear",
        dropout: float = 0.0,
        trade_off: float = 1.0,
        n_steps: int = 4,
        balance: float = 0.0,
        training: Training | None = None,
        task: str = "auto",
        random_state: Any = 0,
    ) -> None:
        self.backbone = backbone
        self.bottleneck = bottleneck
        self.head = head
        self.dropout = dropout
        self.trade_off = trade_off
        self.n_steps = n_steps
        self.balance = balance
        self.training = training
        self.task = task
        self.random_state = random_state

    def _objective(self, fit: DomainFit) -> Objective:
        given = self.trade_off, self.n_steps, self.balance
        return TwoHeads(fit.network, fit.labels, _disagreement, *given, apart=True)


def _disagreement(one: Tensor, two: Tensor) -> Tensor:
    return (one - two).abs().mean()
