"""From and to the stacked convention of skada, for users who come over."""

from __future__ import annotations

from typing import Any

import numpy as np

from .errors import DomainError
from .protocols import Array, Domain, take_rows

__all__ = ["from_sample_domain", "to_sample_domain"]


def from_sample_domain(X: Any, y: Any, sample_domain: Any) -> tuple[list[Domain], Domain]:
    """Split stacked rows into source domains and one target.

    Parameters
    ----------
    X : array-like of shape (n_samples, n_features)
        Rows of all domains.
    y : array-like of shape (n_samples,) or None
        Labels; the target's are dropped, since the stacked convention marks them with reserved values.
    sample_domain : array-like of int of shape (n_samples,)
        Positive for rows of a source, negative for rows of the target; the number names the domain.

    Returns
    -------
    sources : list of Domain
        One a positive number, in rising order, named ``"source_<number>"``.
    target : Domain
        All rows with a negative number, unlabelled.

    Raises
    ------
    DomainError
        If the signs do not name at least one source and one target, or 0 occurs.

    Examples
    --------
    >>> import numpy as np
    >>> from transferkit import from_sample_domain
    >>> sources, target = from_sample_domain(np.zeros((4, 1)), np.array([0, 1, -1, -1]), np.array([1, 1, -2, -2]))
    >>> sources[0].name, target.n_samples
    ('source_1', 2)
    """
    signs = np.asarray(sample_domain)
    if signs.ndim != 1 or signs.dtype.kind not in "iu" or (signs == 0).any():
        raise DomainError("from_sample_domain: sample_domain must be whole numbers other than 0, one a row.")
    if not (signs > 0).any() or not (signs < 0).any():
        raise DomainError("from_sample_domain: sample_domain must name a source (positive) and a target (negative).")
    labels = None if y is None else np.asarray(y)
    sources = [
        Domain(
            take_rows(X, rows := np.flatnonzero(signs == k)),
            None if labels is None else labels[rows],
            name=f"source_{k}",
        )
        for k in np.unique(signs[signs > 0])
    ]
    return sources, Domain(take_rows(X, np.flatnonzero(signs < 0)), name="target")


def to_sample_domain(sources: list[Domain], target: Domain) -> tuple[Array, Array, Array]:
    """Stack domains the way skada wants them.

    Parameters
    ----------
    sources : list of Domain
        Labelled domains, numbered 1, 2, ...
    target : Domain
        The target, numbered minus (number of sources + 1). Its labels that are not known become -1 for classes (or None
        for labels that are strings) and NaN for numbers, the convention's reserved values.

    Returns
    -------
    X : array of shape (n_samples, n_features)
    y : array of shape (n_samples,)
    sample_domain : int array of shape (n_samples,)

    Raises
    ------
    DomainError
        If a label of a source is not known.
    """
    if not sources or not all(s.mask.all() for s in sources):
        raise DomainError("to_sample_domain: sources must be domains whose labels are all known. Got another, or none.")
    labels = np.concatenate([np.asarray(s.y) for s in sources])
    reserved: Any = {"i": -1, "u": -1, "f": np.nan, "b": -1}.get(labels.dtype.kind)
    hidden = np.full(
        target.n_samples, reserved, dtype=object if labels.dtype.kind in "OUS" else np.result_type(labels, np.int8)
    )
    if target.y is not None:
        hidden[target.mask] = target.known_y
    X = np.concatenate([np.asarray(s.X) for s in sources] + [np.asarray(target.X)])
    numbers = [np.full(s.n_samples, k + 1) for k, s in enumerate(sources)] + [
        np.full(target.n_samples, -len(sources) - 1)
    ]
    if hidden.dtype == object:
        labels = labels.astype(object)
    return X, np.concatenate([labels, hidden]), np.concatenate(numbers)
