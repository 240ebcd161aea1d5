"""Labels as a network takes them, and its outputs as labels."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import torch
from sklearn.metrics import accuracy_score, f1_score, r2_score
from sklearn.utils.multiclass import type_of_target
from torch import Tensor
from torch.nn import functional

from ...core.errors import DomainError
from ...core.protocols import Array

__all__ = ["KINDS", "Labels", "as_values", "find_labels"]

KINDS = ("auto", "classification", "multilabel", "regression")
Kind = Literal["classification", "multilabel", "regression"]


@dataclass(frozen=True, eq=False)
class Labels:
    """What the labels are.

    Attributes
    ----------
    kind : {"classification", "multilabel", "regression"}
    n_outputs : int
        Width of the network's output.
    classes : array of shape (n_classes,) or None
        Sorted; for a classification.
    mean, scale : array of shape (n_outputs,) or None
        For a regression: numbers are standardised, so that a learning rate means the same in any unit.
    flat : bool
        For a regression: whether labels have one axis.
    """

    kind: Kind
    n_outputs: int
    classes: Array | None = None
    mean: Array | None = None
    scale: Array | None = None
    flat: bool = True

    def encode(self, y: Any) -> Tensor:
        """Class indices (int64), or numbers of shape (n_samples, n_outputs) (float32).

        Raises
        ------
        DomainError
            If a class is not one of ``classes``, or a number is not finite.
        """
        values = as_values(y)
        if values.dtype == object:
            raise DomainError("y must hold text or numbers, one type throughout. Got objects.")
        if self.classes is not None and self.kind == "classification":
            extra = np.setdiff1d(values, self.classes)
            if len(extra):
                raise DomainError(
                    f"y must hold classes of {self.classes[:10].tolist()} only. Got also {extra[:5].tolist()}."
                )
            return torch.as_tensor(np.searchsorted(self.classes, values).astype(np.int64))
        numbers = values.reshape(len(values), -1).astype(np.float64)
        if not np.isfinite(numbers).all():
            raise DomainError("y must be finite. Got NaN or infinity.")
        if self.kind == "regression":
            numbers = (numbers - self.mean) / self.scale
        return torch.as_tensor(numbers.astype(np.float32))

    def loss(self, outputs: Tensor, y: Tensor, reduction: str = "mean", smoothing: float = 0.0) -> Tensor:
        """Cross-entropy, binary cross-entropy, or squared error; with reduction "none" one value a row.

        `smoothing` is the share of a row's weight, for classes, that goes to all classes alike.
        """
        outputs = outputs.float()
        if self.kind == "classification":
            return functional.cross_entropy(outputs, y, reduction=reduction, label_smoothing=smoothing)
        rule = functional.binary_cross_entropy_with_logits if self.kind == "multilabel" else functional.mse_loss
        each = rule(outputs, y, reduction="none").mean(dim=1)
        return each.mean() if reduction == "mean" else each

    def predict(self, outputs: Array) -> Array:
        """Labels from outputs of shape (n_samples, n_outputs)."""
        if self.classes is not None:
            return self.classes[outputs.argmax(axis=1)]
        if self.kind == "multilabel":
            return (outputs > 0).astype(np.int64)
        assert self.mean is not None
        values = outputs.astype(np.float64) * self.scale + self.mean
        return values[:, 0] if self.flat else values

    def proba(self, outputs: Array) -> Array:
        """Probabilities of shape (n_samples, n_outputs): they sum to 1 for classes, and stand alone for several labels."""
        outputs = outputs.astype(np.float64)
        if self.kind == "multilabel":
            return 1 / (1 + np.exp(-np.clip(outputs, -500, 500)))
        powers = np.exp(outputs - outputs.max(axis=1, keepdims=True))
        return powers / powers.sum(axis=1, keepdims=True)

    def score(self, y: Any, predicted: Array, sample_weight: Any = None) -> float:
        """Accuracy; micro-averaged F1 for several labels; R^2 for numbers."""
        if self.kind == "multilabel":
            return float(f1_score(y, predicted, average="micro", sample_weight=sample_weight, zero_division=0.0))
        metric = r2_score if self.kind == "regression" else accuracy_score
        return float(metric(y, predicted, sample_weight=sample_weight))


def as_values(y: Any) -> Array:
    """Labels as an array; of objects, what they are where all are text or all are not; text beside numbers stays objects."""
    values = np.asarray(y)
    if values.dtype.kind == "U" and isinstance(y, (list, tuple)):
        values = np.asarray(y, dtype=object)  # numpy makes text of a number beside text
    if values.dtype != object or len({isinstance(v, str) for v in values.flat}) > 1:
        return values
    return np.asarray(values.tolist())


def find_labels(where: str, y: Any, n: int, task: str = "auto") -> Labels:
    """What the labels of a fit are.

    Parameters
    ----------
    where : str
        Beginning of messages, as in ``"FineTuning.fit"``.
    y : array-like of shape (n_samples,) or (n_samples, n_outputs)
        The labels.
    n : int
        Number of rows that they have to fit.
    task : {"auto", "classification", "multilabel", "regression"}
        "auto": a table of 0 and 1 is several labels; numbers with a fractional part are a regression; else classes.

    Raises
    ------
    DomainError
        If they are missing, of another length, not finite, or hold one class only.
    """
    if y is None:
        raise DomainError(f"{where}: y must hold the labels of X. Got None: requires y to be passed.")
    values = as_values(y)
    if values.ndim not in (1, 2) or values.shape[0] != n or values.size == 0:
        raise DomainError(f"{where}: y must have one label a row of X ({n}). Got shape {values.shape}.")
    if values.ndim == 2 and values.shape[1] == 1 and task != "multilabel":
        values = values[:, 0]
    if values.dtype.kind in "fc" and not np.isfinite(values).all():
        raise DomainError(f"{where}: y must be finite. Got NaN or infinity (Input y contains NaN or infinity).")
    if values.dtype == object:
        raise DomainError(f"{where}: y must hold text or numbers, one type throughout. Got objects.")
    kind: Any = task
    if task == "auto":
        if values.ndim == 2:
            kind = "multilabel" if np.isin(values, (0, 1)).all() else "regression"
        else:
            kind = "regression" if type_of_target(values) == "continuous" else "classification"
    if kind == "classification":
        if values.ndim != 1 or type_of_target(values) not in ("binary", "multiclass"):
            raise DomainError(
                f"{where}: y must hold one class a row. Got shape {values.shape}, {type_of_target(values)}."
            )
        classes = np.unique(values)
        if len(classes) < 2:
            raise DomainError(f"{where}: y must hold at least two classes. Got 1 class: {classes.tolist()[0]!r}.")
        return Labels("classification", len(classes), classes)
    if kind == "multilabel":
        if values.ndim != 2 or not np.isin(values, (0, 1)).all():
            raise DomainError(f"{where}: y must be a table of 0 and 1 for several labels. Got shape {values.shape}.")
        return Labels("multilabel", values.shape[1])
    if values.dtype.kind not in "fiub":
        raise DomainError(f"{where}: y must hold numbers for a regression. Got dtype {values.dtype}.")
    numbers = values.reshape(n, -1).astype(np.float64)
    scale = numbers.std(axis=0)
    return Labels(
        "regression", numbers.shape[1], None, numbers.mean(axis=0), np.where(scale > 0, scale, 1.0), values.ndim == 1
    )
