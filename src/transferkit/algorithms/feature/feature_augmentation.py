"""Feature augmentation (EasyAdapt): a shared copy of the features and one copy a domain, so that each domain may differ."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np
from scipy import sparse
from sklearn.utils.validation import check_is_fitted

from ...core.base import ESTIMATOR, FeatureTransfer
from ...core.errors import DomainError, ParamError
from ...core.protocols import Array
from ...core.validation import TransferData, check_rows

CARD = {
    "class": "FeatureAugmentation",
    "protocol": "Transfer",
    "settings": ("few_label", "supervised", "multi_source"),
    "tasks": ("classification", "regression"),
    "data": ("vectors",),
    "needs": (),
    "cost": "n",
    "portfolio": ({},),
    "paper": "Daumé III. Frustratingly Easy Domain Adaptation. ACL 2007.",
    "url": "https://arxiv.org/abs/0907.1815",
}

__all__ = ["FeatureAugmentation"]


class FeatureAugmentation(FeatureTransfer):
    """Give every domain its own copy of the features beside a shared one, and let the inner estimator choose.

    Parameters
    ----------
    estimator : estimator, default=None
        Fitted on the augmented source and known target rows. None is logistic regression for classes and ridge regression
        for numbers. It should be regularised and linear (or a kernel method): trees gain nothing from copies.

    Attributes
    ----------
    groups_ : array of shape (n_sources,)
        Names of the source domains in the order of their copies; one where `groups` was not given.
    estimator_ : estimator
        The fitted inner estimator.
    classes_ : array of shape (n_classes,)
        Source classes, for a classification.

    Notes
    -----
    A source row becomes ``(x, x, 0)``, a target row ``(x, 0, x)`` (eq. 1); with K source domains there are K + 2 blocks
    (section 3.3): shared, one a source, target. For a kernel method this is ``2 k(x, z)`` within a domain and ``k(x, z)``
    across (section 3.2). The method is a supervised one: a target without known labels leaves its copy untrained and is an
    error.

    References
    ----------
    Daumé III. Frustratingly Easy Domain Adaptation. ACL 2007, section 3.

    Examples
    --------
    >>> import numpy as np
    >>> from transferkit import Domain, FeatureAugmentation
    >>> X, y = np.array([[1.0], [2.0]]), np.array([0, 1])
    >>> model = FeatureAugmentation().fit(X, y, target=Domain(X, 1 - y))
    >>> model.transform([[5.0]], domain="source"), model.transform([[5.0]])
    (array([[5., 5., 0.]]), array([[5., 0., 5.]]))
    """

    _constraints: ClassVar = {"estimator": ESTIMATOR}
    _accept_sparse: ClassVar = True

    def __init__(self, estimator: Any = None) -> None:
        self.estimator = estimator

    def _fit_map(self, data: TransferData) -> Any:
        if not len(data.yt):
            raise DomainError("FeatureAugmentation.fit: target must have known labels. Got 0 known labels.")
        names = np.zeros(len(data.ys), dtype=int) if data.groups is None else data.groups
        self.groups_, block = np.unique(names, return_inverse=True)
        return self._augment(data.Xs, block + 1)

    def transform(self, X: Any, domain: str = "target", groups: Any = None) -> Array:
        """Rows of either domain with their copies.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Rows of one domain.
        domain : {"target", "source"}
            Which domain they come from.
        groups : array-like of shape (n_samples,), optional
            The source domain of each source row. Where there were several and none is named, the row fills the shared
            block only.

        Returns
        -------
        Z : array of shape (n_samples, (n_sources + 2) * n_features)
            The augmented rows.
        """
        if groups is None or domain != "source":
            return super().transform(X, domain)
        check_is_fitted(self)
        rows = check_rows(self, X, method="transform", accept_sparse=True)
        names = np.asarray(groups)
        if names.shape != (rows.shape[0],) or not np.isin(names, self.groups_).all():
            raise ParamError(
                f"FeatureAugmentation.transform: groups must name one of {self.groups_.tolist()} for each of the"
                f" {rows.shape[0]} rows. Got {np.unique(names)[:5].tolist()} of shape {names.shape}."
            )
        return self._augment(rows, np.searchsorted(self.groups_, names) + 1)

    def _map(self, X: Any, domain: str) -> Any:
        own = {"target": len(self.groups_) + 1, "source": 1 if len(self.groups_) == 1 else 0}[domain]
        return self._augment(X, np.full(X.shape[0], own))

    def _augment(self, X: Any, own: Array) -> Any:
        """Block 0 is shared; block `own` of each row is its domain's, none where it is 0."""
        n_blocks = len(self.groups_) + 2
        if sparse.issparse(X):
            copies = [sparse.diags_array((own == k).astype(X.dtype)) @ X for k in range(1, n_blocks)]
            return sparse.csr_matrix(sparse.hstack([X, *copies], format="csr"))
        n, d = X.shape
        Z = np.zeros((n, n_blocks, d), dtype=X.dtype)
        Z[:, 0] = X
        Z[np.arange(n), own] = X
        return Z.reshape(n, n_blocks * d)
