"""Co-Tuning: fine-tuning that also trains the source classifier, on source classes inferred from the target's labels."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

import numpy as np
import torch
from scipy.special import softmax
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import StratifiedKFold, cross_val_predict
from torch import Tensor, nn
from torch.nn import functional

from ...core.constraints import Fulfils, Interval, Options
from ...core.errors import DomainError
from ...core.protocols import Array, Domain
from ...engine.fine_tuning.estimator import NETWORK_RULES, PLAN_RULES, Fit, NetworkTransfer
from ...engine.fine_tuning.supervised import Supervised
from ...engine.inputs.inputs import as_rows, check_input
from ...engine.source_free.source_task import source_head_of, source_logits
from ...engine.training.freezing import FreezePlan
from ...engine.training.objective import Batch
from ...engine.training.settings import Training
from ...ops.label_shift.shares import temperature

CARD = {
    "class": "CoTuning",
    "protocol": "ModelTransfer",
    "settings": ("few_label", "supervised"),
    "tasks": ("classification",),
    "data": ("vectors", "images", "text", "series"),
    "needs": ("torch",),
    "cost": "n",
    "paper": "You, Kou, Long & Wang. Co-Tuning for Transfer Learning. NeurIPS 2020.",
    "url": "https://proceedings.neurips.cc/paper/2020/hash/c8067ad1937f728f51288b3eb986afaa-Abstract.html",
}

__all__ = ["CoTuning"]


class CoTuning(NetworkTransfer):
    """Fine-tune the source model whole, its classifier included, through a learned relationship of the two label sets.

    Parameters
    ----------
    source : str, Module or Backbone
        The trained model, with its own classifier; see `FineTuning`.
    trade_off : float in [0, inf), default=2.3
        Weight of the source classifier's loss; 0 is plain fine-tuning.
    relationship : {"direct", "reverse"}, default="direct"
        How p(source class | target class) is found: the mean of the source probabilities over a class's rows; or by Bayes'
        rule from a logistic regression of the target class on the source probabilities (at least two rows a class).
    temperature : float in (0, inf), default=1.0
        The source logits are divided by it, so that their probabilities are calibrated.
    source_data : Domain, default=None
        Rows labelled with indices of the source classes, on which the temperature is fitted instead.
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
        Epochs, learning rate, batch size and all else; None is ``Training()``.
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
    relationship_ : array of shape (n_classes, n_source_classes)
        p(source class | target class); rows sum to 1.
    temperature_ : float
        What the source logits were divided by.
    history_ : list of dict
        One row an epoch, with ``train/task`` and ``train/source``, the weighted loss of the source classifier.
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
    Minimises ``CE(y_t, target head) + trade_off * CE(p(y_s | y_t), source head)`` (the paper's objective); both heads sit on
    the same body, and the source head starts as it came. The direct approach takes ``p(y_s | y_t = c)`` as the mean of the
    calibrated ``p(y_s | x)`` over the rows of class c. The reverse approach fits a multinomial logistic regression
    ``p(y_t | p_s)`` without intercept, whose value at the corner e_s of the simplex is ``p(y_t | y_s = s)``, and turns it
    round with the source classes' mean probability as ``p(y_s)``; its penalty and the calibration of its logits follow from
    predictions across folds of the training rows, where the authors have a validation set. ``p(y_t)`` is what makes rows
    sum to 1, as in the authors' code. The default of `trade_off` is theirs.

    References
    ----------
    You, Kou, Long & Wang. Co-Tuning for Transfer Learning. NeurIPS 2020 (section 4 and algorithm 1).
    Guo, Pleiss, Sun & Weinberger. On Calibration of Modern Neural Networks. ICML 2017 (temperature scaling).

    Examples
    --------
    >>> import numpy as np
    >>> import torch
    >>> from torch import nn
    >>> from transferkit import CoTuning
    >>> from transferkit.engine.backbones import load_backbone
    >>> from transferkit import Training
    >>> _ = torch.manual_seed(0)
    >>> X = np.random.default_rng(0).normal(size=(60, 4))
    >>> y = np.where(X[:, 0] > 0, "right", "left")
    >>> net = nn.Sequential(nn.Linear(4, 16), nn.ReLU(), nn.Linear(16, 5))
    >>> source = load_backbone(net, sample=X[0], head="2")
    >>> model = CoTuning(source, training=Training(body_lr_scale=1, n_epochs=20, lr=0.02)).fit(X, y)
    >>> model.relationship_.shape, model.score(X, y) > 0.9
    ((2, 5), True)
    """

    _constraints: ClassVar = {
        **NETWORK_RULES,
        **PLAN_RULES,
        "trade_off": Interval(float, 0),
        "relationship": Options("direct", "reverse"),
        "temperature": Interval(float, 0, closed="neither"),
        "source_data": Fulfils("be None or a Domain", lambda v: v is None or isinstance(v, Domain)),
    }
    _test_params: ClassVar = {"source": "classifier"}

    def __init__(
        self,
        source: Any,
        trade_off: float = 2.3,
        relationship: str = "direct",
        temperature: float = 1.0,
        source_data: Domain | None = None,
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
        self.trade_off = trade_off
        self.relationship = relationship
        self.temperature = temperature
        self.source_data = source_data
        self.plan = plan
        self.lr_decay = lr_decay
        self.batch_norm = batch_norm
        self.head = head
        self.dropout = dropout
        self.training = training
        self.task = task
        self.random_state = random_state

    def _objective(self, fit: Fit) -> Supervised:
        if fit.labels.kind != "classification":
            raise DomainError(f"CoTuning.fit: y must hold one class a row. Got a {fit.labels.kind} task.")
        head = source_head_of("CoTuning.fit", fit.backbone)
        t = fit.training
        logits = source_logits(fit.backbone.body, head, fit.rows, fit.place, t.batch_size, t.workers).astype(np.float64)
        self.temperature_ = self._calibrated(fit, head)
        probabilities = softmax(logits / self.temperature_, axis=1)
        y = fit.labels.encode(fit.y).numpy()
        learn = _direct if self.relationship == "direct" else _reverse
        self.relationship_ = learn(probabilities, y, fit.seed)
        fit.notes["temperature"] = self.temperature_
        return Supervised(fit.network, fit.labels, [_SourceTask(head, self.relationship_, self.trade_off)])

    def _calibrated(self, fit: Fit, head: nn.Module) -> float:
        """The temperature under which the source classifier's probabilities fit labelled source rows best."""
        if self.source_data is None:
            return float(self.temperature)
        where, domain, t = "CoTuning.fit: source_data", self.source_data, fit.training
        rows = as_rows(where, check_input(where, domain.X), fit.backbone)
        y = np.asarray(domain.y)
        if y.shape != (len(rows),) or y.dtype.kind not in "iu":
            raise DomainError(
                f"{where} must have the index of a source class for each row. Got y of shape {y.shape}, {y.dtype}."
            )
        known = np.arange(len(rows)) if domain.known is None else np.flatnonzero(domain.known)
        logits = source_logits(fit.backbone.body, head, rows.take(known), fit.place, t.batch_size, t.workers)
        if not np.isin(y[known], np.arange(logits.shape[1])).all():
            raise DomainError(
                f"{where} must have labels in 0..{logits.shape[1] - 1}. Got {np.unique(y[known])[:5].tolist()}."
            )
        return temperature(softmax(logits.astype(np.float64), axis=1), y[known])


class _SourceTask(nn.Module):
    """Cross-entropy of the source classifier with the source classes that a label stands for."""

    def __init__(self, head: nn.Module, relationship: Array, trade_off: float) -> None:
        super().__init__()
        self.head, self.trade_off = head, trade_off
        self.register_buffer("relationship", torch.as_tensor(relationship, dtype=torch.float32))

    def forward(self, batch: Batch, features: Tensor, outputs: Tensor, progress: float) -> dict[str, Tensor]:
        wanted = self.relationship[batch["target"].y]
        return {"source": self.trade_off * functional.cross_entropy(self.head(features).float(), wanted)}


def _direct(P: Array, y: Array, seed: int) -> Array:
    """Mean source probabilities of each target class."""
    return np.stack([P[y == c].mean(axis=0) for c in range(y.max() + 1)])


def _reverse(P: Array, y: Array, seed: int) -> Array:
    """Bayes' rule on p(target class | source class) from a logistic regression."""
    smallest = int(np.bincount(y).min())
    if smallest < 2:
        raise DomainError(
            'CoTuning.fit: y must have two rows a class for relationship="reverse". Got a class with one.'
        )
    folds = StratifiedKFold(min(5, smallest), shuffle=True, random_state=seed % 2**32)
    found = []
    for C in 10.0 ** np.arange(4, -5, -1):
        model = LogisticRegression(C=C, fit_intercept=False, max_iter=5000)
        held = _two_sided(cross_val_predict(model, P, y, cv=folds, method="decision_function"))
        found.append((float(np.mean(held.argmax(axis=1) == y)), C, held))
    _, C, held = max(found, key=lambda f: f[0])  # the weakest penalty of the best
    W = LogisticRegression(C=C, fit_intercept=False, max_iter=5000).fit(P, y).coef_
    p_t_given_s = softmax(_two_sided(W.T) / temperature(softmax(held, axis=1), y), axis=1)
    joint = (p_t_given_s * P.mean(axis=0)[:, None]).T
    return joint / joint.sum(axis=1, keepdims=True)


def _two_sided(scores: Array) -> Array:
    """Of two classes scikit-learn gives the second one's score only."""
    scores = scores.reshape(len(scores), -1)
    return np.hstack([-scores, scores]) / 2 if scores.shape[1] == 1 else scores
