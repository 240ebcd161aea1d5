"""FDA: source rows get the low frequencies' amplitude of target rows, and keep their own phase and labels."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from typing import Any, ClassVar

import torch
from torch import Tensor

from ...core.constraints import Interval
from ...engine.adaptation.alignment import joint_pass
from ...engine.adaptation.estimator import ADAPTATION_RULES, TRADE_OFF, DomainFit, NetworkAdaptation
from ...engine.answers.labels import Labels
from ...engine.inputs.input_space import InputSpace, input_space
from ...engine.networks.network import Network
from ...engine.training.objective import Batch, Objective, Step
from ...engine.training.settings import Training
from ...ops.nn.entropy import row_entropy

CARD = {
    "class": "FDA",
    "protocol": "Transfer",
    "settings": ("unsupervised",),
    "tasks": ("classification",),
    "data": ("images", "series", "vectors"),
    "needs": ("torch",),
    "cost": "epochs",
    "paper": "Yang & Soatto. FDA: Fourier Domain Adaptation for Semantic Segmentation. CVPR 2020.",
    "url": "https://arxiv.org/abs/2004.05498",
}

__all__ = ["FDA"]

_EPS = 0.001  # of the Charbonnier penalty, as in the paper


class FDA(NetworkAdaptation):
    """Learn from source images in the colours and light of the target: the style is swapped in Fourier space, without training.

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
    beta : float in [0, 0.5], default=0.05
        Half the side of the window of swapped frequencies, as a share of the shorter side, rounded down to whole
        frequencies: below one, the mean alone is swapped; 0 swaps nothing. The paper tries 0.01, 0.05 and 0.09.
    trade_off : float in [0, inf), default=0.005
        Weight of the entropy of the target's predictions.
    eta : float in (0, inf), default=2.0
        Power of the entropy's penalty: above 0.5, unsure rows count more than sure ones.
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
        One row an epoch: ``train/task``, ``train/transfer`` (the entropy's penalty) and the label-free scores that `DANN`
        lists.
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
    Each source row of a batch meets one target row, drawn anew with every batch: ``x = F^-1([M F_A(x_t) + (1 - M) F_A(x_s),
    F_P(x_s)])`` with amplitudes F_A, phases F_P and the window M (eqs. 2, 3), channel by channel, on pixels from 0 (black)
    on. Then it minimises the source's loss on these rows plus `trade_off` times the Charbonnier penalty ``(h^2 +
    0.001^2)^eta`` of the entropies h of target rows (eqs. 4, 5), divided by the logarithm of the number of classes as in the
    authors' code. The window is symmetric, as in their numpy version. Left out are the average of models of several
    windows and the rounds of pseudo-labels (eqs. 6-8).

    The rows go through the network jointly with the target's, so that batch normalisation sees both. Of series, and of
    vectors read as signals such as spectra, the one-dimensional spectrum is swapped (ours); columns without an order have
    no frequencies, but for the mean. A step costs a Fourier transform more than a joint pass.

    References
    ----------
    Yang & Soatto. FDA: Fourier Domain Adaptation for Semantic Segmentation. CVPR 2020.

    Examples
    --------
    Which half of an image is brighter; the target is darker.

    >>> import numpy as np
    >>> from transferkit import FDA, Domain, Training
    >>> rng = np.random.default_rng(0)
    >>> X, y = rng.integers(120, 200, (60, 8, 8)).astype(np.uint8), np.arange(60) % 2
    >>> X[y == 0, :4] += 50
    >>> X[y == 1, 4:] += 50
    >>> Xt = X - 100
    >>> model = FDA("small:dtn", bottleneck=8, training=Training(n_epochs=20, lr=0.01))
    >>> model.fit(X, y, target=Domain(Xt)).score(Xt, y) > 0.8
    True
    """

    _constraints: ClassVar = {
        **ADAPTATION_RULES,
        "beta": Interval(float, 0, 0.5),
        "trade_off": TRADE_OFF,
        "eta": Interval(float, 0, closed="neither"),
    }

    def __init__(
        self,
        backbone: Any = "auto",
        bottleneck: int | None = 256,
        head: str = "linear",
        dropout: float = 0.0,
        beta: float = 0.05,
        trade_off: float = 0.005,
        eta: float = 2.0,
        training: Training | None = None,
        task: str = "auto",
        random_state: Any = 0,
    ) -> None:
        self.backbone = backbone
        self.bottleneck = bottleneck
        self.head = head
        self.dropout = dropout
        self.beta = beta
        self.trade_off = trade_off
        self.eta = eta
        self.training = training
        self.task = task
        self.random_state = random_state

    def _objective(self, fit: DomainFit) -> Objective:
        space = input_space(f"{type(self).__name__}.fit", fit, (1, 2, 3))
        return _Restyled(fit.network, fit.labels, space, self.beta, self.trade_off, self.eta)


class _Restyled(Objective):
    """The source's loss on restyled rows, and the target's entropy."""

    low: Tensor

    def __init__(
        self, network: Network, labels: Labels, space: InputSpace, beta: float, trade_off: float, eta: float
    ) -> None:
        super().__init__()
        self.network, self.labels = network, labels
        self.beta, self.trade_off, self.eta = beta, trade_off, eta
        self.register_buffer("low", torch.zeros(()) if space.low is None else space.low)

    def steps(self) -> Sequence[Step]:
        return [Step("train", self._loss, list(self.network.parameters()))]

    def _loss(self, batch: Batch, progress: float) -> dict[str, Tensor]:
        source, target = batch["source"], batch["target"]
        x = _swap_amplitude(source.x - self.low, target.x - self.low, self.beta) + self.low
        joint = joint_pass(self.network, {"source": replace(source, x=x.to(source.x.dtype)), "target": target})
        assert source.y is not None
        task = self.labels.loss(joint.outputs_s, source.y)
        entropy = row_entropy(joint.outputs_t) / math.log(joint.outputs_t.shape[1])
        transfer = (entropy.square() + _EPS**2).pow(self.eta).mean()
        return {"loss": task + self.trade_off * transfer, "task": task, "transfer": transfer}

    def predict_step(self, x: Any) -> Tensor:
        return self.network(x)


def _swap_amplitude(x: Tensor, other: Tensor, beta: float) -> Tensor:
    """Rows with the amplitudes of other rows at low frequencies, and their own phases throughout.

    Parameters
    ----------
    x, other : tensor of shape (batch, length), (batch, n_channels, length) or (batch, n_channels, height, width)
        As many rows of each.
    beta : float in [0, 0.5]
        Frequencies up to ``floor(beta * side)`` of the shorter side are swapped; 0 swaps none.

    Returns
    -------
    tensor of the same shape
    """
    if beta == 0:
        return x
    axes = (-2, -1) if x.ndim == 4 else (-1,)
    highest = math.floor(beta * min(x.shape[a] for a in axes))
    own, its = (torch.fft.fftn(v.float(), dim=axes) for v in (x, other))
    low = torch.ones((), dtype=torch.bool, device=x.device)
    for axis in axes:
        n = x.shape[axis]
        near = torch.fft.fftfreq(n, 1 / n, device=x.device).abs() <= highest
        low = low & near.reshape([-1] + [1] * (-axis - 1))
    amplitude = torch.where(low, its.abs(), own.abs())
    return torch.fft.ifftn(torch.polar(amplitude, own.angle()), dim=axes).real
