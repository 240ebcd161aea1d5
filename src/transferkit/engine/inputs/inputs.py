"""What users hand in, as rows of the kind that a backbone takes."""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy import sparse
from torch import Tensor

from ...core.errors import DomainError
from ...data.samples import Samples
from ..networks.backbone import Backbone
from .rows import Rows

__all__ = ["as_rows", "check_input"]


def check_input(where: str, X: Any, name: str = "X") -> Any:
    """Rows that can be indexed: Samples, a list, a Dataset, or a finite array of numbers; `name` is what messages call them.

    Raises
    ------
    DomainError
        If there are none, or they are not numbers where they should be.
    """
    if isinstance(X, Samples):
        return _filled(f"{where}: {name}", X, len(X))
    if sparse.issparse(X):
        raise DomainError(f"{where}: {name} must be dense, as in X.toarray(). Got a sparse matrix of shape {X.shape}.")
    if isinstance(X, Tensor):
        X = X.detach().cpu().numpy()
    if hasattr(X, "to_numpy"):  # a data frame
        X = X.to_numpy()
    if isinstance(X, (list, tuple)) and X and not isinstance(X[0], str):
        try:
            X = np.asarray(X)
        except ValueError as err:
            raise DomainError(f"{where}: {name} must have rows of one shape, or be Samples. Got a list: {err}") from err
    if isinstance(X, np.ndarray) and X.dtype.kind in "OUS" and X.ndim == 1 and len(X) and isinstance(X[0], str):
        X = X.tolist()
    if isinstance(X, (list, tuple)):
        return _filled(f"{where}: {name}", list(X), len(X))
    if isinstance(X, np.ndarray):
        if X.dtype.kind == "O":
            try:
                X = X.astype(np.float64)
            except (TypeError, ValueError) as err:
                raise DomainError(f"{where}: {name} must hold numbers. Got dtype object: {err}") from err
        if X.dtype.kind not in "fiub" or X.ndim < 2:
            raise DomainError(
                f"{where}: {name} must have numbers and at least two axes. Got dtype {X.dtype}, shape {X.shape}."
            )
        if X.dtype.kind == "f" and not np.isfinite(X).all():
            raise DomainError(f"{where}: {name} must be finite. Input X contains NaN or infinity.")
        if 0 in X.shape:
            raise DomainError(f"{where}: {name} must have rows and features. Got shape {X.shape}.")
        return X
    if hasattr(X, "__len__") and hasattr(X, "__getitem__"):  # a torch Dataset
        return _filled(f"{where}: {name}", X, len(X))
    raise DomainError(
        f"{where}: {name} must be Samples, a list of texts, an array or a torch Dataset. Got {type(X).__name__}."
    )


def _filled(where: str, X: Any, n: int) -> Any:
    if n == 0:
        raise DomainError(f"{where} must have rows. Got none.")
    return X


def as_rows(where: str, X: Any, backbone: Backbone, name: str = "X") -> Rows:
    """Checked input as rows for a backbone; `name` is what messages call it.

    Raises
    ------
    DomainError
        If the backbone takes another kind of data.
    """
    if isinstance(X, Samples) and X.kind != backbone.kind and not (X.kind == "audio" and backbone.kind == "images"):
        raise DomainError(f"{where}: {name} must be {backbone.kind}, as {backbone.name} takes them. Got {X.kind}.")
    is_text = isinstance(X, list) and isinstance(X[0], str)
    if is_text != (backbone.kind == "text") and not isinstance(X, Samples):
        got = "texts" if is_text else f"an array of shape {getattr(X, 'shape', (len(X),))}"
        raise DomainError(f"{where}: {name} must be {backbone.kind}, as {backbone.name} takes them. Got {got}.")
    return Rows(X, backbone.preprocess)
