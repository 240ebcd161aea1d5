"""A method whose target is its own source, so that scikit-learn's estimator checks can drive it with fit(X, y)."""

from __future__ import annotations

from typing import Any

import numpy as np

from transferkit import Domain, DomainError

_MADE: dict[type, type] = {}


def self_target(cls: type, *, labels: bool) -> type:
    """A subclass with ``fit(X, y)``; `labels` says whether the target's labels are known.

    It keeps the name of the class, and is an attribute of this module so that the checks can pickle it.
    """
    if cls not in _MADE:

        def fit(self: Any, X: Any, y: Any = None) -> Any:
            return cls.fit(self, X, y, target=_domain(X, y if labels else None))

        def fit_transform(self: Any, X: Any, y: Any = None) -> Any:
            return self.fit(X, y).transform(X)

        name = cls.__name__
        body: dict[str, Any] = {"fit": fit, "__module__": __name__, "__doc__": cls.__doc__, "__qualname__": name}
        if hasattr(cls, "transform"):
            body["fit_transform"] = fit_transform
        globals()[name] = _MADE[cls] = type(name, (cls,), body)
    return _MADE[cls]


def _domain(X: Any, y: Any) -> Domain:
    # Some checks hand over objects that are arrays only after a conversion, and labels that fit to nothing.
    rows = X if hasattr(X, "shape") or isinstance(X, list) else np.asarray(X)
    try:
        return Domain(rows, None if y is None else np.ravel(np.asarray(y)))
    except DomainError:
        return Domain(rows)
