"""DELTA: fine-tuning that keeps the feature maps of the source model, above all in the channels that matter."""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from typing import Any, ClassVar

import numpy as np
import torch
from torch import Tensor, nn

from ...core.constraints import Boolean, Either, Fulfils, Interval
from ...core.errors import ParamError
from ...engine.features.probe import fit_probe
from ...engine.fine_tuning.estimator import NETWORK_RULES, PLAN_RULES, Fit, NetworkTransfer
from ...engine.fine_tuning.supervised import Supervised
from ...engine.inputs.rows import move
from ...engine.networks.inference import outputs_of
from ...engine.networks.network import Network
from ...engine.networks.part_outputs import part_outputs
from ...engine.training.freezing import FreezePlan
from ...engine.training.objective import Batch
from ...engine.training.settings import Training
from ...ops.nn.channel_attention import channel_attention, loss_rises, map_distance
from ...ops.nn.dropout import without_dropout
from ...ops.nn.feature_maps import channel_axis
from ...ops.nn.features import tap
from ...ops.nn.penalties import half_squares
from ...ops.nn.structure import find

CARD = {
    "class": "DELTA",
    "protocol": "ModelTransfer",
    "settings": ("few_label", "supervised"),
    "tasks": ("classification", "regression"),
    "data": ("vectors", "images", "text", "series"),
    "needs": ("torch",),
    "cost": "n",
    "paper": "Li, Xiong, Wang, Rao, Liu & Huan. DELTA: DEep Learning Transfer using Feature Map with Attention for "
    "Convolutional Networks. ICLR 2019.",
    "url": "https://arxiv.org/abs/1901.09229",
}

__all__ = ["DELTA"]


class DELTA(NetworkTransfer):
    """Fine-tune with a penalty on how far feature maps move from the source model's, weighted by channel.

    Parameters
    ----------
    source : str, Module or Backbone
        The trained model; see `FineTuning`.
    reg : float in [0, inf), default=0.5
        Strength of the penalty on feature maps (alpha).
    reg_head : float in [0, inf), default=0.01
        Strength of the pull of the head's weights to zero (beta).
    layers : int in [1, inf) or sequence of str, default=4
        Whose outputs are compared: those of so many last parts of the body, or of modules of these names or patterns.
    attention : bool, default=True
        Whether channels are weighted by how much the loss rises without them; False weights all alike.
    attention_rows : int in [1, inf), default=32
        Rows on which that is measured: the budget, as what follows a layer runs once a channel for each of them.
    plan : str, mapping or FreezePlan, default="full"
        What trains when; see `FineTuning`.
    lr_decay : float in (0, 1], default=1.0
        Learning rate of each part as a multiple of that of the part after it.
    batch_norm : {"frozen", "train", "off"}, default="frozen"
        Whether batch normalisation keeps its statistics, follows the batches, or is left alone altogether.
    head : {"linear", "mlp", "adapter", "cosine", "conv"}, default="linear"
        What maps features to outputs.
    dropout : float in [0, 1), default=0.0
        Share of the features that the head drops in training.
    training : Training, default=None
        Epochs, learning rate and all else. Its weight decay is not used: the two penalties take its place.
    task : {"auto", "classification", "multilabel", "regression"}, default="auto"
        "auto" decides from the labels.
    random_state : int, RandomState or None, default=0
        Seed of the head, the batches and the augmentation.

    Attributes
    ----------
    network_ : Network
        Body and head, trained.
    labels_ : Labels
        How outputs become labels.
    classes_ : array of shape (n_classes,)
        For a classification.
    attention_ : dict of str to array of shape (n_channels,)
        Weights of the channels by layer; they sum to 1.
    history_ : list of dict
        One row an epoch, with ``train/maps`` and ``train/head``, the two penalties.
    n_updates_ : int
        Updates done.
    backbone_name_, fingerprint_ : str
        The source model's name, and the SHA-256 of its weights.
    facts_ : dict
        What the report shows.
    n_features_in_ : int
        Width of the rows, where they are vectors.

    Notes
    -----
    Minimises, for each row, ``loss + reg/2 * sum_l C_l / P_l * sum_j W_lj ||FM_lj(w) - FM_lj(w0)||^2 + reg_head/2 ||v||^2``
    with C_l channels at P_l positions in layer l, w0 the source model and v the head's weights (the paper's behavioural
    regulariser). ``W_lj`` follows from the rise of the loss when filter j is set to zero in a network of the frozen body
    and a head trained on it: as in public implementations the rises are standardised within the layer and divided by 5
    before the softmax, as they are too small. Where we differ: that head is a logistic or ridge probe, solved exactly; what
    is silenced is a channel of a layer's output, which may be a block's; and dividing by positions and rows makes `reg` mean
    the same at any image or batch size (0.01 for a sum over 48 rows, as published, is 0.5 for their mean). Channels are the
    axis after the batch behind a convolution, and the last one (of vectors and tokens) behind dense layers. Dropout inside
    the body is off: its noise would count as distance. For texts, whose attention masks count the rows, the whole network
    runs again for each channel: take ``attention=False`` or few `attention_rows`.

    References
    ----------
    Li, Xiong, Wang, Rao, Liu & Huan. DELTA: DEep Learning Transfer using Feature Map with Attention for Convolutional
    Networks. ICLR 2019 (sections 3.2 and 3.3).

    Examples
    --------
    >>> import numpy as np
    >>> import torch
    >>> from torch import nn
    >>> from transferkit import DELTA
    >>> from transferkit import Training
    >>> _ = torch.manual_seed(0)
    >>> X = np.random.default_rng(0).normal(size=(60, 4))
    >>> y = np.where(X[:, 0] > 0, "right", "left")
    >>> model = DELTA(nn.Sequential(nn.Linear(4, 16), nn.ReLU()), training=Training(body_lr_scale=1, n_epochs=40, lr=0.02))
    >>> model.fit(X, y).score(X, y) > 0.9
    True
    """

    _constraints: ClassVar = {
        **NETWORK_RULES,
        **PLAN_RULES,
        "reg": Interval(float, 0),
        "reg_head": Interval(float, 0),
        "layers": Either(Interval(int, 1), Fulfils("be a list of names", lambda v: isinstance(v, (list, tuple)) and v)),
        "attention": Boolean(),
        "attention_rows": Interval(int, 1),
    }

    def __init__(
        self,
        source: Any,
        reg: float = 0.5,
        reg_head: float = 0.01,
        layers: int | Sequence[str] = 4,
        attention: bool = True,
        attention_rows: int = 32,
        plan: str | Mapping[str, Any] | FreezePlan = "full",
        lr_decay: float = 1.0,
        batch_norm: str = "frozen",
        head: str = "linear",
        dropout: float = 0.0,
        training: Training | None = None,
        task: str = "auto",
        random_state: Any = 0,
    ) -> None:
        self.source = source
        self.reg = reg
        self.reg_head = reg_head
        self.layers = layers
        self.attention = attention
        self.attention_rows = attention_rows
        self.plan = plan
        self.lr_decay = lr_decay
        self.batch_norm = batch_norm
        self.head = head
        self.dropout = dropout
        self.training = training
        self.task = task
        self.random_state = random_state

    def _objective(self, fit: Fit) -> Supervised:
        fit.training.weight_decay = 0.0  # the fit's own copy of the settings
        teacher = fit.place.put(copy.deepcopy(fit.backbone.body)).eval()
        weights = self._weights(fit, teacher)
        self.attention_ = {name: w.cpu().numpy() for name, w in weights.items()}
        term = _Behaviour(fit.network, teacher, weights, self.reg, self.reg_head)
        return Supervised(fit.network, fit.labels, [term], frozen=[teacher])

    def _finish(self, fit: Fit, objective: Supervised) -> None:
        objective.terms[0].changes.close()  # the hooks go, dropout comes back

    def _weights(self, fit: Fit, body: nn.Module) -> dict[str, Tensor]:
        """Channel weights of each layer that is compared, in the order in which the layers run."""
        order = np.random.default_rng(fit.seed).permutation(len(fit.rows))[: self.attention_rows]
        stream = next(iter(fit.rows.batches([order])))
        x = fit.rows.preprocess.finish(move(stream.x, fit.place.device), training=False, generator=None)
        with torch.no_grad(), tap(body, self._names(fit, body), exact=True) as maps:
            body(x)
        axes = {name: channel_axis(body.get_submodule(name), z) for name, z in maps.items()}
        sizes = {name: (axis, maps[name].shape[axis]) for name, axis in axes.items()}
        if isinstance(self.layers, int):
            sizes = dict(list(sizes.items())[-self.layers :])
        if not sizes:
            raise ParamError(f"DELTA.fit: layers must run when the network does. Got {self.layers!r}, which do not.")
        if not self.attention:
            return {name: torch.full((n,), 1 / n, device=fit.place.device) for name, (_, n) in sizes.items()}
        features = outputs_of(body, body.forward, fit.rows, fit.place, fit.training.batch_size, fit.training.workers)
        head = fit_probe(features, fit.y, fit.labels, seed=fit.seed).to(fit.place.device)
        y = stream.y.to(fit.place.device)
        return {
            name: channel_attention(
                loss_rises(
                    lambda x: head(body(x)), body.get_submodule(name), x,
                    lambda out: fit.labels.loss(out, y, "none"), n, axis,
                )
            )
            for name, (axis, n) in sizes.items()
        }  # fmt: skip

    def _names(self, fit: Fit, body: nn.Module) -> list[str]:
        if isinstance(self.layers, int):
            return part_outputs(fit.network.backbone.groups, body)
        return [name for name, _ in find(body, self.layers, where="DELTA.fit")]


class _Behaviour(nn.Module):
    """The two penalties, and the source model beside the network in training."""

    def __init__(
        self, network: Network, teacher: nn.Module, weights: dict[str, Tensor], reg: float, reg_head: float
    ) -> None:
        super().__init__()
        self.teacher, self.reg, self.reg_head = teacher, reg, reg_head
        self.head = tuple(p for p in network.head.parameters() if p.ndim > 1)  # in a tuple: the network's own
        self.names = list(weights)
        self.changes = ExitStack()
        self.changes.enter_context(without_dropout(network.body))
        self.now, self.known = (
            self.changes.enter_context(tap(b, self.names, exact=True)) for b in (network.body, teacher)
        )
        for k, w in enumerate(weights.values()):
            self.register_buffer(f"weight_{k}", w)

    def forward(self, batch: Batch, features: Tensor, outputs: Tensor, progress: float) -> dict[str, Tensor]:
        with torch.no_grad():
            self.teacher(batch["target"].x)
        total = torch.zeros((), device=features.device)
        for k, name in enumerate(self.names):
            now, known = self.now[name], self.known[name]
            axis = channel_axis(self.teacher.get_submodule(name), known)
            total = total + map_distance(now, known, self.get_buffer(f"weight_{k}"), axis) / 2
        return {"maps": self.reg * total, "head": self.reg_head * half_squares(self.head)}
