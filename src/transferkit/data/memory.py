"""Frames, arrays and samples that are in memory already."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from scipy import sparse

from ..core.errors import DataError
from ..core.protocols import Domain
from .arrays import array_samples, float_rows, split_labels, wants_samples
from .columns import to_frame
from .kinds import samples_of_table
from .places import file_below
from .rows import Ask, Part
from .samples import Samples
from .tables import table_part

__all__ = ["in_memory"]


def in_memory(source: Any, ask: Ask) -> Part:
    """Rows, and labels where there are any, of what is no file.

    Raises
    ------
    DataError
        Naming what cannot be used.
    """
    if isinstance(source, Domain):
        return Part(source.X, source.y, source.known, None, source.name)
    if isinstance(source, tuple):
        if len(source) != 2:
            raise DataError(f"read: a tuple must be (X, y). Got {len(source)} parts; give several sources as a list.")
        as_samples = isinstance(source[0], np.ndarray) and wants_samples(ask)
        ask = replace(ask, label=None, require_label=False)
        part = Part(source[0], None, None, None, "array") if as_samples else in_memory(source[0], ask)
        y, known = split_labels(source[1])
        if y is not None and len(y) != part.n_rows:
            raise DataError(f"read: X and y must be equally long. Got {part.n_rows} and {len(y)}.")
        part = replace(part, y=y, known=known)
        return array_samples(part, ask) if as_samples else part
    if hasattr(source, "collect_schema") or hasattr(source, "columns"):  # a lazy frame warns at .columns
        part = table_part(to_frame(source), "data frame", ask, text=False)
        return samples_of_table(part, ask, lambda path: file_below(Path(), path))
    if isinstance(source, Samples):
        return Part(source, None, None, None, source.kind)
    if isinstance(source, np.ndarray) or sparse.issparse(source):
        if ask.require_label or ask.domain_column is not None:
            raise DataError(
                "read: an array must come with its labels as (X, y), or as a data frame with named columns."
            )
        if wants_samples(ask):
            return array_samples(Part(source, None, None, None, "array"), ask)
        if source.ndim != 2 or 0 in source.shape:
            raise DataError(
                f"read: an array must have shape (n_samples, n_features). Got {source.shape}. With more axes, give "
                'kind="images" or kind="series".'
            )
        return Part(float_rows(source, "array"), None, None, None, "array")
    raise DataError(
        "read: source must be a path, folder, glob pattern, data frame, array, sparse matrix, (X, y), Domain or a list of "
        f"these. Got {type(source).__name__}."
    )
