"""Bring any space to one overall scale, so that one regularisation strength fits all of them."""

from __future__ import annotations

from typing import Any, ClassVar, Self

import numpy as np
from scipy import sparse
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.utils import Tags
from sklearn.utils.validation import check_is_fitted, validate_data

from .protocols import Array

__all__ = ["NormScaler"]


class NormScaler(TransformerMixin, BaseEstimator):
    """Divide all rows by one number so that their mean squared norm is 1.

    Transfer methods return spaces of very different size (unit rows, unit variances, raw units). A penalty that was
    chosen in one of them then means something else in the next. This keeps every direction and ratio and evens out
    the size only.

    Attributes
    ----------
    scale_ : float
        Root mean squared norm of the rows seen in fit; 1 where all rows are zero.

    Examples
    --------
    >>> import numpy as np
    >>> from transferkit.core.scaling import NormScaler
    >>> NormScaler().fit_transform(np.array([[3.0, 4.0]])).round(2)
    array([[0.6, 0.8]])
    """

    _constraints: ClassVar[dict[str, Any]] = {}

    def fit(self, X: Any, y: Any = None) -> Self:
        """Measure the scale of the rows, of shape (n_samples, n_features)."""
        X = validate_data(self, X, accept_sparse="csr", dtype=(np.float64, np.float32))
        squared = float((X.multiply(X) if sparse.issparse(X) else X * X).sum())
        self.scale_ = float(np.sqrt(squared / X.shape[0])) or 1.0
        return self

    def transform(self, X: Any) -> Array:
        """The rows divided by ``scale_``."""
        check_is_fitted(self)
        X = validate_data(self, X, reset=False, accept_sparse="csr", dtype=(np.float64, np.float32))
        scaled: Array = X / self.scale_
        return scaled

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = True
        return tags
