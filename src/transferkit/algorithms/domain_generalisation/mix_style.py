"""MixStyle: rows are seen in the styles of other domains, the statistics of their feature maps being mixed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from functools import partial
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from ...core.constraints import Either, Fulfils, Interval, Nothing
from ...core.errors import ParamError
from ...engine.adaptation.estimator import ADAPTATION_RULES, DomainFit, NetworkAdaptation
from ...engine.adaptation.several_sources import SourceLosses, Sources, domain_features, source_streams
from ...engine.inputs.rows import Rows
from ...engine.networks.network import Network
from ...engine.training.objective import Objective, Stream
from ...engine.training.settings import Training
from ...ops.nn.feature_maps import changed_output, channel_axis
from ...ops.nn.styles import mix_styles, partners

CARD = {
    "class": "MixStyle",
    "protocol": "Transfer",
    "settings": ("unsupervised", "multi_source"),
    "tasks": ("classification", "regression"),
    "data": ("vectors", "images", "series"),
    "needs": ("torch",),
    "cost": "epochs",
    "paper": "Zhou, Yang, Qiao & Xiang. Domain Generalization with MixStyle. ICLR 2021.",
    "url": "https://arxiv.org/abs/2104.02008",
}

__all__ = ["MixStyle"]


class MixStyle(NetworkAdaptation):
    """Train on feature maps whose means and deviations lie between those of two rows of different sources.

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
    layers : sequence of str or None, default=None
        Modules of the body after which styles are mixed; None are the first half of its parts. The paper mixes after the first
        two or three blocks of a ResNet: ``("layer1", "layer2")``.
    chance : float in [0, 1], default=0.5
        How often a layer mixes; 0 is the plain training.
    alpha : float in (0, inf), default=0.1
        Of the Beta distribution that the share of a row's own style is drawn from.
    training : Training, default=None
        Epochs (passes over the longest domain), learning rate, batch size (rows of each domain) and all else; None is
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
        Of the sources.
    history_ : list of dict
        One row an epoch: ``train/task`` and the label-free scores that `DANN` lists.
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
    In training a map x becomes ``(lam * sigma(x) + (1 - lam) * sigma(x')) * (x - mu(x)) / sigma(x) + lam * mu(x) + (1 -
    lam) * mu(x')`` (eqs. 4-6): mu and sigma are the mean and deviation of a channel over the positions of one row, lam
    is drawn from ``Beta(alpha, alpha)`` for each row, and x' is a row of another source; without groups, any row. No
    gradient flows through the statistics, as in the authors' code. Ours: where a layer has no positions (vectors), a
    row has no statistics of its own, and those of its source's batch stand in for them; with one source the map then
    stays as it is. Prediction mixes nothing. The target has no part in the training: its rows serve only for the
    label-free scores in ``history_``, and any other target gives the same network. The cost of a step is one forward
    and backward pass of the sources' rows.

    References
    ----------
    Zhou, Yang, Qiao & Xiang. Domain Generalization with MixStyle. ICLR 2021.

    Examples
    --------
    >>> import numpy as np
    >>> from transferkit import MixStyle, Domain, Training
    >>> rng = np.random.default_rng(0)
    >>> X, Xt, groups = rng.normal(size=(90, 4)), rng.normal(size=(60, 4)), np.arange(90) % 3
    >>> y, X[:, 2] = X[:, 0] > 0, X[:, 2] + groups - 1
    >>> model = MixStyle("small:mlp?hidden=16", bottleneck=8, training=Training(n_epochs=20, lr=0.02))
    >>> model.fit(X, y, target=Domain(Xt), groups=groups).score(Xt, Xt[:, 0] > 0) > 0.8
    True
    """

    _constraints: ClassVar = {
        **ADAPTATION_RULES,
        "layers": Either(
            Nothing(),
            Fulfils(
                "be names of modules of the body",
                lambda v: isinstance(v, (list, tuple)) and len(v) > 0 and all(isinstance(name, str) for name in v),
            ),
        ),
        "chance": Interval(float, 0, 1),
        "alpha": Interval(float, 0, closed="neither"),
    }
    _kinds: ClassVar = ("classification", "multilabel", "regression")

    def __init__(
        self,
        backbone: Any = "auto",
        bottleneck: int | None = 256,
        head: str = "linear",
        dropout: float = 0.0,
        layers: Sequence[str] | None = None,
        chance: float = 0.5,
        alpha: float = 0.1,
        training: Training | None = None,
        task: str = "auto",
        random_state: Any = 0,
    ) -> None:
        self.backbone = backbone
        self.bottleneck = bottleneck
        self.head = head
        self.dropout = dropout
        self.layers = layers
        self.chance = chance
        self.alpha = alpha
        self.training = training
        self.task = task
        self.random_state = random_state

    def _streams(self, fit: DomainFit) -> Mapping[str, Rows]:
        return source_streams(fit)

    def _objective(self, fit: DomainFit) -> Objective:
        names = self.layers
        if names is None:
            parts = fit.backbone.groups
            names = [group.modules[0] for group in parts[: (len(parts) + 1) // 2]]
        inside = dict(fit.network.body.named_modules())
        missing = [name for name in names if name not in inside]
        if missing:
            raise ParamError(
                f"{type(self).__name__}.fit: layers must be names of modules of the body. Got {missing[0]!r}."
            )
        return SourceLosses(fit.network, fit.labels, _mean, partial(self._mixed, [inside[name] for name in names]))

    def _mixed(self, modules: Sequence[nn.Module], network: Network, streams: Sequence[Stream]) -> tuple[Tensor, ...]:
        """Features of all sources, mixed on the way where it falls so."""
        sizes = [len(stream) for stream in streams]
        with ExitStack() as stack:
            for module in modules:
                stack.enter_context(changed_output(module, partial(self._restyled, module, sizes)))
            return domain_features(network, streams)

    def _restyled(self, module: nn.Module, sizes: Sequence[int], x: Tensor) -> Tensor:
        if torch.rand(()) >= self.chance:
            return x
        share = torch.distributions.Beta(self.alpha, self.alpha).sample((len(x),))
        return mix_styles(x, share, partners(sizes), sizes, channel_axis(module, x))


def _mean(sources: Sources, progress: float) -> Mapping[str, Tensor]:
    return {"loss": sources.losses.mean()}
