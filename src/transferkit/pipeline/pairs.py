"""Pairs of rows that are the same thing in source and target, read from a file or taken from memory."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from ..core.errors import DataError, DomainError
from ..core.protocols import Array

__all__ = ["read_pairs", "untied"]


def read_pairs(given: Any, n_source: int, n_target: int) -> Array:
    """Row numbers of shape (n_pairs, 2), checked against the rows there are.

    Parameters
    ----------
    given : path or array-like of shape (n_pairs, 2)
        A CSV file with the columns ``source`` and ``target``, or the numbers themselves; rows count from 0.
    n_source, n_target : int
        Rows of all sources, and of the target.

    Raises
    ------
    DataError
        Naming the file and line, or the number, that does not fit.
    """
    if isinstance(given, (str, Path)):
        path = Path(given)
        try:
            with path.open(newline="", encoding="utf-8-sig") as file:
                lines = csv.DictReader(file)
                names = [n.strip() for n in lines.fieldnames or ()]
                if not {"source", "target"} <= set(names):
                    raise DataError(
                        f"{path}: pairs must have the columns source and target. Got {', '.join(names) or 'none'}."
                    )
                lines.fieldnames = names
                found = [
                    (_row(path, lines.line_num, row, "source"), _row(path, lines.line_num, row, "target"))
                    for row in lines
                ]
        except (OSError, UnicodeDecodeError) as err:
            raise DataError(f"{path}: pairs must be a readable CSV file. Got: {err}") from err
        pairs, where = np.array(found, dtype=np.int64).reshape(-1, 2), str(path)
    else:
        pairs, where = np.asarray(given), "TransferTask"
    if pairs.ndim != 2 or pairs.shape[1] != 2 or not len(pairs) or pairs.dtype.kind not in "iu":
        raise DataError(
            f"{where}: pairs must hold a pair or more of whole numbers, a row of the source and a row of the target each."
            f" Got dtype {pairs.dtype}, shape {pairs.shape}."
        )
    if (pairs < 0).any() or (pairs >= [n_source, n_target]).any():
        raise DataError(
            f"{where}: pairs must name rows of the source (0 to {n_source - 1}) and of the target (0 to {n_target - 1})."
            f" Got numbers from {pairs.min(axis=0).tolist()} to {pairs.max(axis=0).tolist()}."
        )
    return pairs.astype(np.int64)


def untied(
    source: str, target: str, of_source: Sequence[str], of_target: Sequence[str], n_held_back: int
) -> DomainError:
    """What is said where nothing ties two feature spaces, whose columns are named."""

    def listed(names: Sequence[str]) -> str:
        return ", ".join(names[:4]) + (f", ... ({len(names)} columns)" if len(names) > 4 else "")

    held = f" All {n_held_back} labels are held back for the final score." if n_held_back else ""
    return DomainError(
        f"{source} and {target}: domains with columns of their own must be tied, by a few known target labels (--target-labels few,"
        " with --shots 5 where all rows have one), or by rows that are the same thing in both (--pairs FILE with the columns source"
        f" and target). Got neither.{held} The source has {listed(of_source)}; the target has {listed(of_target)}."
    )


def _row(path: Path, line: int, row: dict[str, Any], name: str) -> int:
    try:
        return int(row[name])
    except (TypeError, ValueError) as err:
        raise DataError(f"{path}: line {line}: {name} must be a whole number. Got {row[name]!r}.") from err
