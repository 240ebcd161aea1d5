"""Rows of several files, one below the other."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from scipy import sparse

from ..core.errors import DataError
from ..core.protocols import Array
from . import arrays
from .columns import kind_of, unify
from .label_kinds import with_one_kind
from .rows import Part
from .samples import Samples, join_samples

__all__ = ["join"]


def join(parts: Sequence[Part], label: str | int | None = None) -> Part:
    """One part of several; `label` is what messages call the labels.

    Raises
    ------
    DataError
        If their columns, kinds or labels do not go together; the message names the files.
    """
    if len(parts) == 1:
        return parts[0]
    origins = [p.origin for p in parts]
    labels, known = _join_labels(parts, label)
    parts = _one_kind(parts)
    groups = None if parts[0].groups is None else np.concatenate([p.groups for p in parts if p.groups is not None])
    return Part(_join_rows([p.X for p in parts], origins), labels, known, groups, ", ".join(origins[:3]))


def _one_kind(parts: Sequence[Part]) -> list[Part]:
    """The same parts, where a column that looks like dates or booleans in one and not in another is a text in both."""
    import polars as pl

    kinds: dict[str, set[str]] = {}
    for part in parts:
        for column in part.X if isinstance(part.X, pl.DataFrame) else ():
            found = "empty" if column.null_count() == len(column) else kind_of(column.dtype)
            kinds.setdefault(column.name, set()).add(found)
    texts = {name for name, found in kinds.items() if "text" in found or {"bool", "date"} <= found}

    def told(part: Part) -> Part:
        if not isinstance(part.X, pl.DataFrame):
            return part
        as_text = [part.typed[name] for name in part.X.columns if name in texts & part.typed.keys()]
        # Where a typed source holds texts, but none here, another file says what the column is.
        empty = [s.name for s in part.X if s.dtype == pl.String and s.name not in texts and s.null_count() == len(s)]
        return replace(part, X=part.X.with_columns(as_text).with_columns(pl.lit(None).alias(name) for name in empty))

    return [told(part) for part in parts]


def _join_rows(Xs: Sequence[Any], origins: Sequence[str]) -> Any:
    import polars as pl

    first = Xs[0]
    if any(isinstance(X, Samples) for X in Xs):
        if not all(isinstance(X, Samples) for X in Xs):
            raise DataError(
                f"{', '.join(origins[:3])}: all files must hold samples of one kind. Got tables or arrays too."
            )
        return join_samples(Xs)
    if any(isinstance(X, pl.DataFrame) != isinstance(first, pl.DataFrame) for X in Xs):
        raise DataError(f"{', '.join(origins[:3])}: all files must hold tables, or all arrays. Got both.")
    if isinstance(first, pl.DataFrame):
        for X, origin in zip(Xs, origins):
            odd = sorted(set(X.columns) ^ set(first.columns))
            if odd:
                raise DataError(
                    f"{origin}: the columns must be those of {origins[0]}. Only one of them has {', '.join(map(repr, odd[:10]))}."
                )
        return pl.concat(unify([X.select(first.columns) for X in Xs], origins))
    if any(sparse.issparse(X) for X in Xs):
        # svmlight leaves trailing columns out that are zero in the whole file.
        width = max(X.shape[1] for X in Xs)
        Xs = [sparse.csr_matrix(X) for X in Xs]
        for X in Xs:
            X.resize(X.shape[0], width)
        return arrays.float_rows(sparse.vstack(Xs, format="csr"), origins[0])
    for X, origin in zip(Xs, origins):
        if X.shape[1:] != first.shape[1:]:
            raise DataError(f"{origin}: rows must be as wide as in {origins[0]} ({first.shape[1]}). Got {X.shape[1]}.")
    return np.concatenate(Xs)


def _join_labels(parts: Sequence[Part], label: str | int | None) -> tuple[Array | None, Array | None]:
    labelled = [k for k, p in enumerate(parts) if p.y is not None]
    if not labelled:
        return None, None
    found = with_one_kind([parts[k].y for k in labelled], [parts[k].origin for k in labelled], label)  # type: ignore[misc]
    ys = dict(zip(labelled, found))
    filler = found[0][:1]
    known = np.concatenate([_mask(p) for p in parts])
    y = np.concatenate([ys[k] if k in ys else np.repeat(filler, p.n_rows) for k, p in enumerate(parts)])
    return y, None if known.all() else known


def _mask(part: Part) -> Array:
    if part.known is not None:
        return part.known
    return np.full(part.n_rows, part.y is not None)
