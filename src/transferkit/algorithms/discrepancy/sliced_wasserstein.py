"""SWD: two heads find target rows that the source's support leaves open, and features move to where they agree again."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any, ClassVar

from torch import Tensor

from ...core.constraints import Interval, Options
from ...engine.adaptation.alignment import Alignment, Joint
from ...engine.adaptation.estimator import ADAPTATION_RULES, TRADE_OFF, DomainFit, NetworkAdaptation
from ...engine.adaptation.two_heads import TwoHeads
from ...engine.training.objective import Objective
from ...engine.training.settings import Training
from ...ops.nn.sliced import sliced_wasserstein

CARD = {
    "class": "SlicedWasserstein",
    "protocol": "Transfer",
    "settings": ("unsupervised",),
    "tasks": ("classification",),
    "data": ("vectors", "images", "text", "series"),
    "needs": ("torch",),
    "cost": "epochs",
    "paper": "Lee, Batra, Baig & Ulbricht. Sliced Wasserstein Discrepancy for Unsupervised Domain Adaptation. CVPR 2019.",
    "url": "https://arxiv.org/abs/1903.04064",
}

__all__ = ["SlicedWasserstein"]


class SlicedWasserstein(NetworkAdaptation):
    """Minimise the sliced Wasserstein distance: between two heads' opinions of the target, or between the domains' features.

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
    trade_off : float in [0, inf), default=1.0
        Weight of the discrepancy.
    between : {"heads", "features"}, default="heads"
        "heads" is the paper's method: the distance of two heads' probabilities for target rows, which the heads enlarge
        and the features shrink. "features" shrinks that of both domains' features directly, without a game.
    n_projections : int in [1, inf), default=128
        Random directions of a step; more are steadier.
    n_steps : int in [1, inf), default=1
        Updates of the features a batch, in the third step; used by "heads" only.
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
        One row an epoch: ``train/task``; ``heads/transfer`` and ``features/transfer`` (how far the heads are apart on
        the target, before and after the features have moved), or ``train/transfer``; and the label-free scores that
        `DANN` lists.
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
    With probabilities p1 and p2 of both heads for a target batch, ``SWD = mean_m |sort(p1 r_m) - sort(p2 r_m)|^2`` over
    unit directions r_m. An update is three steps (algorithm 1): all parts minimise both heads' loss on the source; the
    heads minimise that loss minus ``trade_off * SWD``; the features minimise ``trade_off * SWD``, once as written
    there; MCD, on which it builds, repeats that four times. As in the authors' code the distance is a mean over rows
    and directions. The first head predicts. Both domains go through the network in one batch in every step, so that
    batch normalisation does not change between them.

    A step costs ``2 + n_steps`` forward passes and about as many backward; with "features" it is one, and a sort.

    References
    ----------
    Lee, Batra, Baig & Ulbricht. Sliced Wasserstein Discrepancy for Unsupervised Domain Adaptation. CVPR 2019.
    Saito, Watanabe, Ushiku & Harada. Maximum Classifier Discrepancy for Unsupervised Domain Adaptation. CVPR 2018.

    Examples
    --------
    >>> import numpy as np
    >>> from transferkit import Domain, SlicedWasserstein, Training
    >>> rng = np.random.default_rng(0)
    >>> X, Xt = rng.normal(size=(60, 4)), rng.normal(size=(60, 4))
    >>> y, X[:, 2], Xt[:, 2] = X[:, 0] > 0, X[:, 2] + 1, Xt[:, 2] - 1
    >>> model = SlicedWasserstein("small:mlp?hidden=16", bottleneck=8, training=Training(n_epochs=20, lr=0.02))
    >>> model.fit(X, y, target=Domain(Xt)).score(Xt, Xt[:, 0] > 0) > 0.8
    True
    """

    _constraints: ClassVar = {
        **ADAPTATION_RULES,
        "trade_off": TRADE_OFF,
        "between": Options("heads", "features"),
        "n_projections": Interval(int, 1),
        "n_steps": Interval(int, 1),
    }

    def __init__(
        self,
        backbone: Any = "auto",
        bottleneck: int | None = 256,
        head: str = "linear",
        dropout: float = 0.0,
        trade_off: float = 1.0,
        between: str = "heads",
        n_projections: int = 128,
        n_steps: int = 1,
        training: Training | None = None,
        task: str = "auto",
        random_state: Any = 0,
    ) -> None:
        self.backbone = backbone
        self.bottleneck = bottleneck
        self.head = head
        self.dropout = dropout
        self.trade_off = trade_off
        self.between = between
        self.n_projections = n_projections
        self.n_steps = n_steps
        self.training = training
        self.task = task
        self.random_state = random_state

    def _objective(self, fit: DomainFit) -> Objective:
        if self.between == "features":
            return Alignment(fit.network, fit.labels, self._distance, self.trade_off)
        distance = partial(sliced_wasserstein, n_projections=self.n_projections)
        return TwoHeads(fit.network, fit.labels, distance, self.trade_off, self.n_steps)

    def _distance(self, joint: Joint, progress: float) -> Mapping[str, Tensor]:
        return {"loss": sliced_wasserstein(joint.z_s, joint.z_t, self.n_projections)}
