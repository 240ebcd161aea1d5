"""What the selectors share: the rule for fitted models, checked rows, probabilities in one order of classes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from scipy import sparse
from sklearn.utils import check_array

from ...core.constraints import Either, EstimatorLike, Nothing, Rule
from ...core.errors import DomainError, ParamError
from ...core.protocols import Array, Domain
from ...core.vote import class_probabilities

__all__ = ["MODEL", "MODELS", "check_domains", "check_rows", "class_probabilities"]


class _Models:
    text = "be a sequence of fitted models with predict"

    def holds(self, value: Any) -> bool:
        return isinstance(value, Sequence) and all(EstimatorLike("predict").holds(v) for v in value)


# None stands for "not given yet": every constructor argument has a default.
MODEL: Rule = Either(Nothing(), EstimatorLike("predict"))
MODELS: Rule = _Models()


def check_domains(selector: Any, source: Any, target: Any) -> None:
    """Hold what a selector was given against what it needs: an anchor, a labelled source, a target.

    Raises
    ------
    ParamError
        If the selector has no anchor.
    DomainError
        Naming the domain that cannot be used.
    """
    here = f"{type(selector).__name__}.score"
    if selector.anchor is None:
        raise ParamError(f"{here}: anchor must be the fitted model to fall back on. Got None.")
    for name, domain in (("source", source), ("target", target)):
        if not isinstance(domain, Domain):
            raise DomainError(f"{here}: {name} must be a Domain. Got {type(domain).__name__}.")
    if source.y is None or not source.mask.all():
        raise DomainError(
            f"{here}: source must be labelled in every row. Got labels for {int(source.mask.sum())} rows."
        )


def check_rows(selector: Any, source: Domain, target: Domain) -> tuple[Array, Array, Array]:
    """Source rows, source labels and target rows as plain arrays; target labels are not touched.

    Raises
    ------
    DomainError
        If the rows are not finite numbers, or differ in their number of columns.
    """
    here = f"{type(selector).__name__}.score"
    try:
        Xs = check_array(source.X, accept_sparse="csr", dtype=(np.float64, np.float32))
        Xt = check_array(target.X, accept_sparse="csr", dtype=(np.float64, np.float32))
    except ValueError as err:
        raise DomainError(f"{here}: source.X and target.X must be finite numbers. Got: {err}") from err
    if Xs.shape[1] != Xt.shape[1]:
        raise DomainError(f"{here}: target.X must have the {Xs.shape[1]} features of the source. Got {Xt.shape[1]}.")
    return _dense(Xs), np.asarray(source.y), _dense(Xt)


def _dense(X: Any) -> Array:
    return X.toarray() if sparse.issparse(X) else X
