"""What the folders around files mean: class folders, split folders, or nothing."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import polars as pl

from ..core.errors import DataError
from .places import Found, Place, name_of

__all__ = ["SPLITS", "Entry", "arrange", "no_split", "splits_of", "unwrap"]

# Folder names that are splits, in lower case.
SPLITS = {
    "train": "train", "training": "train",
    "val": "val", "valid": "val", "validation": "val",
    "test": "test", "testing": "test",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Entry:
    """A file with what its folders, or the row of a table, say about it."""

    place: Place
    label: Any = None
    split: str | None = None
    domain: str | None = None


def unwrap(found: Sequence[Found], *, always: bool) -> list[Found]:
    """The same files without the one folder that holds all of them, where there is such a folder.

    A folder that is called as a split stays. With `always` False one stays too that holds files directly: it is a class.
    """
    heads = {f.parts[0] if len(f.parts) > 1 else None for f in found}
    head = next(iter(heads), None)
    if len(heads) != 1 or head is None or head.lower() in SPLITS:
        return list(found)
    if not always and any(len(f.parts) < 3 for f in found):
        return list(found)
    return [Found(f.parts[1:], f.place) for f in found]


def arrange(found: Sequence[Found]) -> tuple[list[Entry], list[str]]:
    """Label and split of each file, and the names of those that lie outside of all class or split folders.

    Parameters
    ----------
    found : sequence of Found
        Files below a root. Where there are folders called train, val, test (or training, valid, validation, testing)
        directly below it, they are splits. Below the root, or each split, a folder is a class and all files in it,
        however deep, are of that class; where there is no folder at all, the files have no label.

    Returns
    -------
    entries : list of Entry
        In the order given.
    outside : list of str
        Names of files beside the class or split folders, which are left out.
    """
    heads = {f.parts[0].lower() for f in found if len(f.parts) > 1}
    if "train" not in {SPLITS.get(h) for h in heads} and not (heads and heads <= SPLITS.keys()):
        return _classes(found, None)
    entries, outside = [], []
    by_split: dict[str, list[Found]] = {}
    for f in found:
        split = SPLITS.get(f.parts[0].lower()) if len(f.parts) > 1 else None
        if split is None:
            outside.append(name_of(f.place))
        else:
            by_split.setdefault(split, []).append(Found(f.parts[1:], f.place))
    for split in [s for s in dict.fromkeys(SPLITS.values()) if s in by_split]:
        inside, loose = _classes(by_split[split], split)
        entries += inside
        outside += loose
    return entries, outside


def _classes(found: Sequence[Found], split: str | None) -> tuple[list[Entry], list[str]]:
    if all(len(f.parts) == 1 for f in found):
        return [Entry(f.place, None, split) for f in found], []
    entries = [Entry(f.place, f.parts[0], split) for f in found if len(f.parts) > 1]
    return entries, [name_of(f.place) for f in found if len(f.parts) == 1]


def splits_of(X: pl.DataFrame) -> list[str] | None:
    """The splits that a column called "split" gives, or None where there is none, or it holds something else."""
    if "split" not in X.columns or X["split"].dtype != pl.String or X["split"].null_count():
        return None
    values = [SPLITS.get(v.lower()) for v in X["split"]]
    return None if None in values else [v for v in values if v is not None]


def no_split(origin: str, split: str, splits: Sequence[str | None] | None) -> DataError:
    """The error for a split that is not there."""
    there = ", ".join(dict.fromkeys(s for s in splits or () if s))
    return DataError(
        f"{origin}: split must be one of {there}. Got {split!r}."
        if there
        else f"{origin}: split must go with folders called train, val or test. Got {split!r}, and there are none."
    )
