"""APE: with a few target labels, the target is drawn to the labelled rows, perturbed, and explored by what is sure."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, ClassVar, NamedTuple

import torch
from torch import Tensor
from torch.nn import functional

from ...core.constraints import Interval
from ...core.errors import DomainError
from ...engine.adaptation.estimator import ADAPTATION_RULES, DomainFit, NetworkAdaptation
from ...engine.answers.labels import Labels
from ...engine.networks.backbone import Backbone
from ...engine.networks.network import Network
from ...engine.networks.several import pass_together
from ...engine.training.objective import Batch, Objective, Step
from ...engine.training.settings import Training
from ...ops.nn.entropy import row_entropy
from ...ops.nn.mmd import mmd_of_kernel
from ...ops.nn.moving_statistics import without_moving_statistics
from ...ops.nn.sure_rows import mean_over
from ...ops.nn.virtual_adversarial import divergence

CARD = {
    "class": "APE",
    "protocol": "Transfer",
    "settings": ("few_label",),
    "tasks": ("classification",),
    "data": ("vectors", "images", "series"),
    "needs": ("torch",),
    "cost": "epochs",
    "paper": "Kim & Kim. Attract, Perturb, and Explore: Learning a Feature Alignment Network. ECCV 2020.",
    "url": "https://arxiv.org/abs/2007.09375",
}

__all__ = ["APE"]

_WIDTHS = (1.0, 2.0, 5.0, 10.0)  # of the kernels, for features of length 1


class APE(NetworkAdaptation):
    """Draw the target to labelled rows of both domains, keep it there under perturbation, and learn from what is sure.

    Parameters
    ----------
    backbone : str, Module or Backbone, default="auto"
        The body, as for `DANN`: a small network or a pretrained one by name, or a torch Module; "auto" is a small one.
    bottleneck : int in [1, inf) or None, default=256
        Width of the layer between body and head; None is no such layer.
    dropout : float in [0, 1), default=0.0
        Share of the features that the head drops in training.
    attract : float in [0, inf), default=10.0
        Weight of the discrepancy between labelled and other rows, the paper's alpha.
    explore : float in [0, inf), default=1.0
        Weight of the loss on sure target rows, the paper's beta.
    perturb : float in [0, inf), default=10.0
        Weight of the divergence under perturbation, the paper's gamma.
    threshold : float in (0, inf), default=0.5
        A target row is sure where the entropy of its probabilities, in nats, is below this.
    radius : float in (0, inf), default=0.0644
        Length of the perturbation of a row over the root of how many numbers it has: the paper's 25 for images of
        224 x 224 x 3.
    temperature : float in (0, inf), default=0.05
        What the cosines between features and prototypes are divided by.
    training : Training, default=None
        Epochs (passes over the longer domain), learning rate, batch size (rows of each domain) and all else; None is
        ``Training()``.
    task : {"auto", "classification", "multilabel", "regression"}, default="auto"
        What the labels are; "auto" decides from them.
    random_state : int, RandomState or None, default=0
        Seed of the first weights, the batches, the augmentation and the perturbations.

    Attributes
    ----------
    network_ : Network
        Body, bottleneck and head, trained.
    labels_ : Labels
        How outputs become labels.
    classes_ : array of shape (n_classes,)
        Of the source.
    history_ : list of dict
        One row an epoch: ``train/task`` (labelled rows of both domains), ``train/attract``, ``train/explore`` and
        ``train/perturb`` before their weights, ``train/used`` (share of the target's rows that are sure) and the label-free
        scores that `DANN` lists.
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
    Minimises ``L + attract * L_a + explore * L_e + perturb * L_p`` (section 3): L is the cross-entropy of the labelled rows
    of source and target; L_a the squared MMD of features of length 1 between these rows and the target's, with the sum of
    Gaussian kernels of widths 1, 2, 5 and 10; L_e the cross-entropy of sure target rows with their own class, mean over
    these; L_p the divergence ``KL(p(x) || p(x + r))`` of all target rows, r being the step of length `radius` that raises
    the entropy most, by its gradient near the row. As in the authors' code, which the defaults are of, L_p is the mean over
    rows and classes, and its rows are normalised by their own batch. That code takes L_p in an update of its own after the
    others, and of features instead of answers; here, as the paper has it, there is one loss, of answers. The classifier is
    that of `MME`, with prototypes of length 1. A step costs, beside the pass over the joint batch, two forward and backward
    passes and one forward of the target's rows and known rows.

    References
    ----------
    Kim & Kim. Attract, Perturb, and Explore: Learning a Feature Alignment Network for Semi-supervised Domain Adaptation.
    ECCV 2020.

    Examples
    --------
    >>> import numpy as np
    >>> from transferkit import APE, Domain, Training
    >>> rng = np.random.default_rng(0)
    >>> X, Xt = rng.normal(size=(60, 4)), rng.normal(size=(60, 4))
    >>> y, X[:, 2], Xt[:, 2] = X[:, 0] > 0, X[:, 2] + 1, Xt[:, 2] - 1
    >>> target = Domain(Xt, Xt[:, 0] > 0, known=np.arange(60) < 6)
    >>> model = APE("small:mlp?hidden=16", bottleneck=8, training=Training(n_epochs=20, lr=0.02))
    >>> model.fit(X, y, target=target).score(Xt, Xt[:, 0] > 0) > 0.8
    True
    """

    head = "cosine"
    _constraints: ClassVar = {
        **{name: rule for name, rule in ADAPTATION_RULES.items() if name != "head"},
        "attract": Interval(float, 0),
        "explore": Interval(float, 0),
        "perturb": Interval(float, 0),
        "threshold": Interval(float, 0, closed="neither"),
        "radius": Interval(float, 0, closed="neither"),
        "temperature": Interval(float, 0, closed="neither"),
    }
    _target_labels: ClassVar = "must"

    def __init__(
        self,
        backbone: Any = "auto",
        bottleneck: int | None = 256,
        dropout: float = 0.0,
        attract: float = 10.0,
        explore: float = 1.0,
        perturb: float = 10.0,
        threshold: float = 0.5,
        radius: float = 0.0644,
        temperature: float = 0.05,
        training: Training | None = None,
        task: str = "auto",
        random_state: Any = 0,
    ) -> None:
        self.backbone = backbone
        self.bottleneck = bottleneck
        self.dropout = dropout
        self.attract = attract
        self.explore = explore
        self.perturb = perturb
        self.threshold = threshold
        self.radius = radius
        self.temperature = temperature
        self.training = training
        self.task = task
        self.random_state = random_state

    def _network(self, backbone: Backbone, labels: Labels) -> Network:
        network = super()._network(backbone, labels)
        torch.nn.init.constant_(network.head.out.scale, 1 / self.temperature)
        return network

    def _objective(self, fit: DomainFit) -> Objective:
        if fit.backbone.kind == "text":
            raise DomainError("APE.fit: X must be numbers, which can be moved a little. Got text.")
        return _Explored(fit.network, fit.labels, _Given(*(getattr(self, name) for name in _Given._fields)))


class _Given(NamedTuple):
    """Parameters of the objective."""

    attract: float
    explore: float
    perturb: float
    threshold: float
    radius: float


class _Explored(Objective):
    """Labelled rows' loss and the three schemes."""

    def __init__(self, network: Network, labels: Labels, given: _Given) -> None:
        super().__init__()
        self.network, self.labels, self.given = network, labels, given

    def steps(self) -> Sequence[Step]:
        fixed = self.network.head.out.scale
        return [Step("train", self._loss, [p for p in self.network.parameters() if p is not fixed])]

    def predict_step(self, x: Any) -> Tensor:
        return self.network(x)

    def _loss(self, batch: Batch, progress: float) -> dict[str, Tensor]:
        source, known, target = batch["source"], batch["known"], batch["target"]
        assert source.y is not None
        assert known.y is not None
        found, given = pass_together(self.network, source.x, known.x, target.x), self.given
        (z_s, of_source), (z_k, of_known), (z_t, outputs) = found
        task = self.labels.loss(torch.cat([of_source, of_known]), torch.cat([source.y, known.y]))
        outputs = outputs.float()
        used = row_entropy(outputs.detach()) < given.threshold
        each = functional.cross_entropy(outputs, outputs.detach().argmax(dim=1), reduction="none")
        parts = {
            "attract": _discrepancy(torch.cat([z_s, z_k]), z_t),
            "explore": mean_over(each, used),
            "perturb": self._perturbed(torch.cat([known.x, target.x])),
        }
        loss = task + sum(getattr(given, name) * value for name, value in parts.items())
        return {"loss": loss, "task": task, **parts, "used": used.float().mean()}

    def _perturbed(self, x: Tensor) -> Tensor:
        """How far answers move where rows are moved to where the entropy is higher, mean over rows and classes."""
        length = self.given.radius * math.sqrt(x[0].numel())
        with without_moving_statistics(self.network):
            with torch.no_grad():
                p = self.network(x).float().softmax(dim=1)
            probe = (x + _unit(torch.randn_like(x))).requires_grad_()
            (slope,) = torch.autograd.grad(row_entropy(self.network(probe)).sum(), probe)
            return divergence(p, self.network(x + length * _unit(slope))).mean() / p.shape[1]


def _unit(d: Tensor) -> Tensor:
    """Every row with length 1; one of zeros stays."""
    return functional.normalize(d.flatten(1), dim=1).view_as(d)


def _discrepancy(a: Tensor, b: Tensor) -> Tensor:
    """Squared MMD of features brought to length 1, for which ``|u - v|^2 = 2 - 2 cos``."""
    with torch.autocast(a.device.type, enabled=False):
        z = functional.normalize(torch.cat([a, b]).float(), dim=1)
        kernel = torch.stack([torch.exp((z @ z.T - 1) / width**2) for width in _WIDTHS]).sum(dim=0)
    return mmd_of_kernel(kernel, len(a))
