"""SPA: graphs of both domains' rows brought to one spectrum beside DANN's critic, and target rows that follow their neighbours."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

import torch
from torch import Tensor, nn
from torch.nn import functional

from ...core.constraints import Boolean, Interval
from ...engine.adaptation.alignment import Joint
from ...engine.adaptation.estimator import ADAPTATION_RULES, TRADE_OFF, DomainFit, NetworkAdaptation
from ...engine.training.settings import Training
from ...ops.nn.discriminator import Discriminator, domain_accuracy, domain_loss
from ...ops.nn.grad_reverse import grad_reverse, reversal_weight
from ...ops.nn.neighbours import Memory
from ...ops.nn.spectra import spectral_distance

CARD = {
    "class": "SPA",
    "protocol": "Transfer",
    "settings": ("unsupervised",),
    "tasks": ("classification",),
    "data": ("vectors", "images", "text", "series"),
    "needs": ("torch",),
    "cost": "epochs",
    "paper": "Xiao, Wang, Jin, Feng, Chen, Huang & Zhao. SPA: A Graph Spectral Alignment Perspective for Domain Adaptation."
    " NeurIPS 2023.",
    "url": "https://arxiv.org/abs/2310.17594",
}

__all__ = ["SPA"]


class SPA(NetworkAdaptation):
    """Give the similarity graphs of both domains one spectrum, and every target row the class of its neighbours.

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
        Weight of the critic's loss and, by the two factors below, of the rest.
    spectral : float in [0, inf), default=1.0
        Weight of the distance of the spectra.
    neighbours : float in [0, inf), default=1.0
        Weight, at the end of the training, of the neighbours' classes; it grows with the share that is done.
    n_neighbors : int in [1, inf), default=5
        How many of the target's rows vote on one.
    hidden : int in [1, inf), default=256
        Width of the critic's two layers.
    batch_norm : bool, default=True
        Whether the critic normalises its layers over the batch of both domains.
    sharpness : float in (0, inf), default=10.0
        How fast the critic's reversal grows with the share of the training that is done.
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
        One row an epoch: ``train/task``, ``train/transfer``, ``train/critic`` (its accuracy), ``train/spectral`` (the distance
        of the spectra), ``train/neighbours`` (the loss of the neighbours' classes) and the label-free scores that `DANN` lists.
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
    Minimises ``L_source + trade_off * (L_critic + spectral * L_gsa + p * neighbours * L_nap)`` with the share p of the training
    that is done. L_gsa is the Euclidean distance of the eigenvalues of two normalised Laplacians, each of the graph that the
    rows of one domain in the batch make by a Gaussian similarity. L_nap is the cross-entropy of the target's rows with the
    class that the `n_neighbors` nearest rows by cosine name, each row weighted by how much they agree; what they say are
    their last probabilities, squared and divided by the sum over their batch, so that frequent classes do not win for that alone.

    As in the authors' code, but: the similarity's width is the rows' mean squared distance to their mean, not a constant; the
    Laplacian is the symmetric one, of the same eigenvalues as the random walk's; the memory keeps what the update itself has
    computed, where they pass the target a second time; a row that was not seen yet has no voice, where theirs says all classes
    alike. Label smoothing of the source is left out. A step costs one forward and backward of the joint batch, the
    eigenvalues of two matrices as large as a domain's batch, and the products of the batch with the target's memory.

    References
    ----------
    Xiao, Wang, Jin, Feng, Chen, Huang & Zhao. SPA: A Graph Spectral Alignment Perspective for Domain Adaptation. NeurIPS 2023.

    Examples
    --------
    >>> import numpy as np
    >>> from transferkit import SPA, Domain, Training
    >>> rng = np.random.default_rng(0)
    >>> X, Xt = rng.normal(size=(60, 4)), rng.normal(size=(60, 4))
    >>> y, X[:, 2], Xt[:, 2] = X[:, 0] > 0, X[:, 2] + 1, Xt[:, 2] - 1
    >>> model = SPA(
    ...     "small:mlp?hidden=16", bottleneck=8, hidden=16, spectral=0.1, neighbours=0.2,
    ...     training=Training(n_epochs=20, lr=0.02),
    ... )
    >>> model.fit(X, y, target=Domain(Xt)).score(Xt, Xt[:, 0] > 0) > 0.8
    True
    """

    _constraints: ClassVar = {
        **ADAPTATION_RULES,
        "trade_off": TRADE_OFF,
        "spectral": Interval(float, 0),
        "neighbours": Interval(float, 0),
        "n_neighbors": Interval(int, 1),
        "hidden": Interval(int, 1),
        "batch_norm": Boolean(),
        "sharpness": Interval(float, 0, closed="neither"),
    }
    _test_params: ClassVar = {"hidden": 16}

    def __init__(
        self,
        backbone: Any = "auto",
        bottleneck: int | None = 256,
        head: str = "linear",
        dropout: float = 0.0,
        trade_off: float = 1.0,
        spectral: float = 1.0,
        neighbours: float = 1.0,
        n_neighbors: int = 5,
        hidden: int = 256,
        batch_norm: bool = True,
        sharpness: float = 10.0,
        training: Training | None = None,
        task: str = "auto",
        random_state: Any = 0,
    ) -> None:
        self.backbone = backbone
        self.bottleneck = bottleneck
        self.head = head
        self.dropout = dropout
        self.trade_off = trade_off
        self.spectral = spectral
        self.neighbours = neighbours
        self.n_neighbors = n_neighbors
        self.hidden = hidden
        self.batch_norm = batch_norm
        self.sharpness = sharpness
        self.training = training
        self.task = task
        self.random_state = random_state

    def _term(self, fit: DomainFit) -> _Graphs:
        return _Graphs(self, fit)


class _Graphs(nn.Module):
    """The critic, the spectra, and the neighbours as a memory of all target rows knows them."""

    def __init__(self, method: SPA, fit: DomainFit) -> None:
        super().__init__()
        self.critic = Discriminator(fit.network.n_features, method.hidden, method.batch_norm)
        self.memory = Memory(len(fit.target), fit.network.n_features, fit.labels.n_outputs)
        self.sharpness, self.n_neighbors = method.sharpness, method.n_neighbors
        self.spectral, self.neighbours = method.spectral, method.neighbours

    def forward(self, joint: Joint, progress: float) -> Mapping[str, Tensor]:
        logits = self.critic(grad_reverse(joint.z, reversal_weight(progress, self.sharpness)))
        spectral, near = spectral_distance(joint.z_s, joint.z_t), self._followed(joint)
        loss = domain_loss(logits, joint.n) + self.spectral * spectral + progress * self.neighbours * near
        return {"loss": loss, "critic": domain_accuracy(logits, joint.n), "spectral": spectral, "neighbours": near}

    def _followed(self, joint: Joint) -> Tensor:
        """The loss of the classes that each target row's neighbours name; what the batch says now is kept for later ones."""
        rows, outputs = joint.target.rows, joint.outputs_t.float()
        if len(self.memory.z) < 2:  # a target of one row has no neighbours
            return outputs.sum() * 0
        with torch.no_grad():
            sharp = outputs.softmax(dim=1).square()
            self.memory.put(rows, joint.z_t, sharp / sharp.sum(dim=0).clamp_min(torch.finfo(sharp.dtype).tiny))
            agreed, named = self.memory.p[self.memory.nearest(rows, self.n_neighbors)].mean(dim=1).max(dim=1)
            weight = agreed / agreed.sum().clamp_min(torch.finfo(agreed.dtype).tiny)
        return weight @ functional.cross_entropy(outputs, named, reduction="none")
