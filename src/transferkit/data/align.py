"""Several sources and a target brought to the same features in the same order."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import polars as pl
from scipy import sparse

from ..core.errors import DataError
from ..core.protocols import Domain
from .columns import tidy, to_frame, unify

__all__ = ["align", "align_apart", "have_other_columns"]


def align(sources: Sequence[Domain], target: Domain) -> tuple[list[Domain], Domain, list[str]]:
    """Bring domains to the same features in the same order.

    Frames keep the columns that all of them have, in the order of the first source, in one type each; what is dropped is
    noted. Arrays must be equally wide; sparse rows are filled up with zero columns, since svmlight files leave
    trailing ones out.

    Parameters
    ----------
    sources : sequence of Domain
        One source or more.
    target : Domain
        The target.

    Returns
    -------
    sources : list of Domain
    target : Domain
        With polars frames for pandas ones; labels and names are untouched.
    notes : list of str
        What was dropped or changed, a sentence each.

    Raises
    ------
    DataError
        If there is no common column, the types of a column do not go together, the widths differ, or tables and arrays
        are mixed; the message names the domains.
    """
    domains = [*sources, target]
    if not sources:
        raise DataError("align: sources must hold a domain or more. Got none.")
    tabular = [hasattr(d.X, "columns") for d in domains]
    if all(tabular):
        Xs, notes = _align_frames(domains)
    elif any(tabular):
        table, array = domains[tabular.index(True)].name, domains[tabular.index(False)].name
        raise DataError(
            f"{table} and {array}: domains must all be tables, or all arrays. {table} is a table and {array} an array: give the "
            "array as a table with the same column names, or the table as an array of its numbers."
        )
    else:
        Xs, notes = _align_arrays(domains)
    moved = [d if X is d.X else replace(d, X=X) for d, X in zip(domains, Xs)]
    return moved[:-1], moved[-1], notes


def have_other_columns(sources: Sequence[Domain], target: Domain) -> bool:
    """Whether source and target have feature spaces of their own: no column of one name, other widths, or a table and an array.

    Sparse rows are of one space, since svmlight files leave trailing columns out.
    """
    first = sources[0].X
    if hasattr(first, "columns") != hasattr(target.X, "columns"):
        return True
    if hasattr(first, "columns"):
        shared = set(map(str, target.X.columns)).intersection(*(map(str, d.X.columns) for d in sources))
        return not shared
    if any(sparse.issparse(d.X) for d in (*sources, target)):
        return False
    return bool(first.shape[1:] != target.X.shape[1:])


def align_apart(sources: Sequence[Domain], target: Domain) -> tuple[list[Domain], Domain, list[str]]:
    """As `align`, for a target with columns of its own: the sources are brought to the same features, the target is left alone.

    Raises
    ------
    DataError
        If the sources do not go together.
    """
    *others, last = sources
    notes: list[str] = []
    if others:
        others, last, notes = align(others, last)
    else:
        last = align([last], last)[1]
    return [*others, last], align([target], target)[1], notes


def _align_frames(domains: Sequence[Domain]) -> tuple[list[pl.DataFrame], list[str]]:
    frames = [tidy(to_frame(d.X, d.name), d.name, text=False) for d in domains]
    names = [d.name for d in domains]
    common = [c for c in frames[0].columns if all(c in frame.columns for frame in frames)]
    if not common:
        raise DataError(
            f"{' and '.join(names)}: the domains must have a column in common. "
            + "; ".join(f"{name} has {_listed(frame.columns)}" for name, frame in zip(names, frames))
            + "."
        )
    dropped: dict[str, list[str]] = {}
    for column in dict.fromkeys(c for frame in frames for c in frame.columns):
        lacking = [name for name, frame in zip(names, frames) if column not in frame.columns]
        if lacking:
            dropped.setdefault(" and ".join(dict.fromkeys(lacking)), []).append(column)
    notes = [
        f"{'Column' if len(columns) == 1 else 'Columns'} {_listed([repr(c) for c in columns])}"
        f" {'was' if len(columns) == 1 else 'were'} dropped: not in {lacking}."
        for lacking, columns in dropped.items()
    ]
    chosen = [frame.select(common) for frame in frames]
    unified = unify(chosen, names)
    for column in common:
        for name, before, after in zip(names, chosen, unified):
            if before[column].dtype == pl.Boolean and after[column].dtype != pl.Boolean:
                notes.append(f"Column {column!r} of {name} was turned from true/false into 1/0, as it is elsewhere.")
    return unified, notes


def _align_arrays(domains: Sequence[Domain]) -> tuple[list[Any], list[str]]:
    Xs = [d.X for d in domains]
    if not any(sparse.issparse(X) for X in Xs):
        for d in domains[1:]:
            if d.X.shape[1:] != Xs[0].shape[1:]:
                raise DataError(
                    f"{domains[0].name} and {d.name}: the domains must have the same features. Got {Xs[0].shape[1:]} in "
                    f"{domains[0].name} and {d.X.shape[1:]} in {d.name}."
                )
        return Xs, []
    width = max(X.shape[1] for X in Xs)
    notes, wide = [], []
    for d in domains:
        if not sparse.issparse(d.X) and d.X.shape[1] != width:
            raise DataError(f"{d.name}: the array must be as wide as the widest domain ({width}). Got {d.X.shape[1]}.")
        X = d.X if sparse.issparse(d.X) and d.X.format == "csr" else sparse.csr_matrix(d.X)
        if X.shape[1] < width:
            notes.append(f"{d.name} was filled up with zeros from {X.shape[1]} to {width} columns.")
            X = sparse.csr_matrix((X.data, X.indices, X.indptr), shape=(X.shape[0], width))
        wide.append(X)
    return wide, notes


def _listed(names: Sequence[str]) -> str:
    return ", ".join(names[:8]) + (f", ... ({len(names)} in all)" if len(names) > 8 else "")
