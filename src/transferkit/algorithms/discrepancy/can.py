"""CAN: rows of one class come together over the domains, rows of different classes apart; clusters say the target's classes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

import torch
from torch import Tensor
from torch.nn import functional

from ...core.constraints import Interval
from ...engine.adaptation.alignment import joint_pass
from ...engine.adaptation.estimator import ADAPTATION_RULES, TRADE_OFF, DomainFit, NetworkAdaptation
from ...engine.inputs.rows import Rows, move
from ...engine.networks.inference import outputs_of
from ...engine.training.objective import Batch, Objective, Step, Stream
from ...engine.training.settings import Training
from ...ops.nn.contrastive_discrepancy import contrastive_discrepancy, spherical_clusters
from ...ops.nn.mmd import gaussian_kernels

CARD = {
    "class": "CAN",
    "protocol": "Transfer",
    "settings": ("unsupervised",),
    "tasks": ("classification",),
    "data": ("vectors", "images", "text", "series"),
    "needs": ("torch",),
    "cost": "epochs",
    "paper": "Kang, Jiang, Yang & Hauptmann. Contrastive Adaptation Network for Unsupervised Domain Adaptation. CVPR 2019.",
    "url": "https://arxiv.org/abs/1901.00976",
}

__all__ = ["CAN"]


class CAN(NetworkAdaptation):
    """Minimise the discrepancy within classes and maximise that between classes, on target labels from clustering.

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
    trade_off : float in [0, inf), default=0.3
        Weight of the contrastive discrepancy; the paper's beta. The authors' code sums five kernels in each layer, of which
        we take the mean, so that its 0.3 is 1.5 here; on small simulated shifts that cost more than it gained.
    threshold : float in [0, 1], default=0.05
        Target rows farther than this from their cluster's centre, by ``(1 - cosine) / 2``, are left out; the paper's D_0
        for Office-31.
    min_rows : int in [1, inf), default=3
        Classes with fewer target rows are left out until the next clustering; the paper's N_0.
    n_classes : int in [2, inf), default=10
        Classes, at most, in the term's batch.
    n_rows : int in [1, inf), default=3
        Rows of each class and domain in it.
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
        One row an epoch: ``train/task``, ``train/transfer``, its parts ``train/within`` and ``train/between`` (mean
        discrepancies of the same and of different classes), and the label-free scores that `DANN` lists.
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
    Minimises ``L_source + trade_off * sum_l CDD_l`` over the features and the probabilities, as the authors' code does;
    with D_cc' the squared discrepancy (MMD) between source rows of class c and target rows of class c', CDD is the mean
    of D_cc over the classes minus the mean of D_cc' over pairs of different ones. Once an epoch the target's classes
    come from spherical k-means of its features, begun at the source's class means; rows and classes of which it is not
    sure are left out. The discrepancy has batches of its own, of a few classes with as many rows from both domains
    (class-aware sampling). Differences: the kernels are those of `DAN`, with one bandwidth for all pairs of classes;
    batch normalisation takes the statistics of both domains together, where the paper's are each domain's own; the
    training does not stop early where the clusters stand still.

    A step costs one forward and backward pass more, over ``2 * n_classes * n_rows`` rows; an epoch one forward pass
    over all rows.

    References
    ----------
    Kang, Jiang, Yang & Hauptmann. Contrastive Adaptation Network for Unsupervised Domain Adaptation. CVPR 2019.

    Examples
    --------
    >>> import numpy as np
    >>> from transferkit import CAN, Domain, Training
    >>> rng = np.random.default_rng(0)
    >>> X, Xt = rng.normal(size=(60, 4)), rng.normal(size=(60, 4))
    >>> y, X[:, 2], Xt[:, 2] = X[:, 0] > 0, X[:, 2] + 1, Xt[:, 2] - 1
    >>> model = CAN("small:mlp?hidden=16", bottleneck=8, training=Training(n_epochs=20, lr=0.02))
    >>> model.fit(X, y, target=Domain(Xt)).score(Xt, Xt[:, 0] > 0) > 0.8
    True
    """

    _constraints: ClassVar = {
        **ADAPTATION_RULES,
        "trade_off": TRADE_OFF,
        "threshold": Interval(float, 0, 1),
        "min_rows": Interval(int, 1),
        "n_classes": Interval(int, 2),
        "n_rows": Interval(int, 1),
    }

    def __init__(
        self,
        backbone: Any = "auto",
        bottleneck: int | None = 256,
        head: str = "linear",
        dropout: float = 0.0,
        trade_off: float = 0.3,
        threshold: float = 0.05,
        min_rows: int = 3,
        n_classes: int = 10,
        n_rows: int = 3,
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
        self.min_rows = min_rows
        self.n_classes = n_classes
        self.n_rows = n_rows
        self.training = training
        self.task = task
        self.random_state = random_state

    def _objective(self, fit: DomainFit) -> Objective:
        return _Contrast(fit, self)

    def _finish(self, fit: DomainFit, objective: Objective) -> None:
        fit.notes["target_labelled"] = float((objective.get_buffer("labels") >= 0).float().mean())


class _Contrast(Objective):
    """The source's loss, and the contrastive discrepancy of batches drawn by class; a resumed one goes on with its labels."""

    labels: Tensor
    epoch: Tensor

    def __init__(self, fit: DomainFit, settings: CAN) -> None:
        super().__init__()
        self.network, self._fit, self._settings = fit.network, fit, settings
        self.register_buffer("labels", torch.full((len(fit.target),), -1))
        self.register_buffer("epoch", torch.tensor(-1))

    def steps(self) -> Sequence[Step]:
        return [Step("train", self._loss, list(self.parameters()))]

    def _loss(self, batch: Batch, progress: float) -> dict[str, Tensor]:
        epoch = int(progress * self._fit.training.n_epochs + 1e-6)
        if epoch != self.epoch:
            self._cluster()
            self.epoch.fill_(epoch)
        joint, settings = joint_pass(self.network, batch), self._settings
        assert joint.source.y is not None
        task = self._fit.labels.loss(joint.outputs_s, joint.source.y)
        within = between = joint.z.new_zeros((), dtype=torch.float32)
        drawn = self._draw()
        if drawn is not None:
            codes, own = drawn
            pair = joint_pass(self.network, own)
            with torch.autocast(pair.z.device.type, enabled=False):  # differences of sums want single precision
                layers = pair.z, pair.outputs.float().softmax(dim=1)
                found = [contrastive_discrepancy(gaussian_kernels(v), codes) for v in layers]
            within, between = found[0][0] + found[1][0], found[0][1] + found[1][1]
        transfer = within - between
        loss = task + settings.trade_off * transfer
        return {"loss": loss, "task": task, "transfer": transfer, "within": within, "between": between}

    def _cluster(self) -> None:
        """The target's labels, -1 where they are unsure."""
        fit, size = self._fit, max(64, self._fit.training.batch_size)
        u_s, u_t = (
            functional.normalize(torch.as_tensor(outputs_of(self.network, self.network.features, r, fit.place, size)))
            for r in (fit.rows, fit.target)
        )
        assert fit.rows.y is not None
        found, distance = spherical_clusters(u_s, fit.rows.y, u_t, fit.labels.n_outputs)
        found[distance > self._settings.threshold] = -1
        counts = torch.bincount(found[found >= 0], minlength=fit.labels.n_outputs)
        rare = (found >= 0) & (counts[found.clamp(min=0)] < self._settings.min_rows)
        found[rare] = -1
        self.labels.copy_(found)

    def _draw(self) -> tuple[Tensor, dict[str, Stream]] | None:
        """As many rows of some classes from both domains; None where no class is known in both."""
        fit, of_target = self._fit, self.labels.cpu()
        assert fit.rows.y is not None
        known = of_target[of_target >= 0].unique()
        known = known[torch.isin(known, fit.rows.y)]
        if len(known) == 0:
            return None
        codes = known[torch.randperm(len(known))[: self._settings.n_classes]]
        streams = {
            name: self._load(rows, torch.cat([_some(labels == c, self._settings.n_rows) for c in codes]))
            for name, rows, labels in (("source", fit.rows, fit.rows.y), ("target", fit.target, of_target))
        }
        return torch.arange(len(codes)).repeat_interleave(self._settings.n_rows).to(self.labels.device), streams

    def _load(self, rows: Rows, index: Tensor) -> Stream:
        """Rows as the loop gives them: on the device, augmented."""
        place, stream = self._fit.place, next(rows.batches([index.numpy()]))
        generator = torch.Generator(place.device).manual_seed(int(torch.randint(2**31 - 1, ())))
        augment, x = self._fit.training.augment, move(stream.x, place.device)
        x = rows.preprocess.finish(x, training=augment, generator=generator)
        return Stream(place.arrange(x), None, stream.rows.to(place.device))

    def predict_step(self, x: Any) -> Tensor:
        return self.network(x)


def _some(mask: Tensor, n: int) -> Tensor:
    """Numbers of `n` random rows of those; a row comes again only where there are fewer."""
    rows = mask.nonzero()[:, 0]
    order = torch.cat([torch.randperm(len(rows)) for _ in range(-(-n // len(rows)))])
    return rows[order[:n]]
