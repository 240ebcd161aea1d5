"""Files, folders, globs, frames and arrays become Domains."""

from __future__ import annotations

import glob
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal

from ..core.errors import DataError
from ..core.protocols import Domain
from .graphs import holds_graph, read_graph
from .join import join
from .kinds import KINDS
from .layout import SPLITS
from .rows import Ask, Part
from .samples import Samples
from .series import check_window
from .sources import READERS, parts_of

__all__ = ["READERS", "read", "read_domains", "read_splits"]


def read(
    source: Any,
    *,
    label: str | int | None = None,
    name: str | None = None,
    domain_column: str | None = None,
    domain: Any = None,
    require_label: bool = False,
    strict: bool = False,
    n_features: int | None = None,
    kind: str | None = None,
    text: str | int | None = None,
    path: str | int | None = None,
    split: str | None = None,
    check: Literal["header", "decode"] = "decode",
    window: int | None = None,
    hop: int | None = None,
    columns: Mapping[str, str] | None = None,
) -> Domain:
    """Read rows, and labels where there are any, from nearly anything.

    Parameters
    ----------
    source : path, glob pattern, frame, array, sparse matrix, Samples, (X, y) tuple, Domain, or list of these
        A file, a folder, a zip file or a pattern; a pandas or polars frame; rows as an array, sparse matrix or Samples;
        rows and labels as a tuple. The rows of a list are put one below the other; the columns must agree, in any order.
        A Domain is passed through. What a folder may hold is in the notes.
    label : str or int, default=None
        The label column of a table, by name, by index, or ``"last"``; in a file of several arrays, the name of the
        labels, where it is not a usual one (labels, y, gnd, ...). A table without the column gives an unlabelled domain.
        Class folders are labels by themselves.
    name : str, default=None
        The domain's name in messages and reports; None takes the file's.
    domain_column : str, default=None
        A column that tells the domain of each row; it is no feature.
    domain : str or number, default=None
        Keep only the rows whose `domain_column` has this value.
    require_label : bool, default=False
        Whether a missing label column, or one without any label, is an error.
    strict : bool, default=False
        Whether a broken file in a folder is an error. Otherwise it is skipped, and one TransferWarning lists all such.
    n_features : int, default=None
        Width of svmlight rows; None is the highest index of the file.
    kind : str, default=None
        ``"images"``, ``"text"``, ``"audio"`` or ``"series"`` where it is not plain what the source holds, such as series in
        an array; or read files as this kind whatever their names, as in ``".svmlight"`` for a file called ``.txt``.
    text : str or int, default=None
        The column of a table that holds texts: X is then a TextSamples of them, and other columns are left out.
    path : str or int, default=None
        The column of a table that holds names of files, relative to the table's folder: X is then the images or sounds.
        None finds a column whose values end as images or sounds do and exist.
    split : str, default=None
        Read only this split, where there are folders (or values of a column "split") called train, val and test;
        training, valid, validation and testing are the same. None reads all; ``X.splits`` tells them apart.
    check : {"decode", "header"}, default="decode"
        How well images and sounds are looked at before they are used; ``"header"`` is quicker, and leaves a file that
        breaks off to fail later.
    window, hop : int, default=None
        Cut recordings into windows of this length, each so many steps after the last; None does not cut, and lets
        windows follow each other. ``X.groups`` tells the recordings apart.
    columns : mapping of str to {"number", "bool", "text", "date", "drop"}, default=None
        The columns of a table for a trained model, and what each holds, as `columns_of` says: they are read as that
        whatever their values look like (``"drop"``: not at all), and other columns are left out. None finds out from the
        values of all files together.

    Returns
    -------
    domain : Domain
        X is a polars frame for tables, with columns of numbers, booleans, text or dates and nulls for missing values; a
        float array of shape (n_samples, n_features) for arrays; a CSR matrix for sparse rows; Samples, which are decoded
        when they are asked for, for images, texts, sounds and series. Text labels are an array of str objects. A row
        without a label has ``known`` False.

    Raises
    ------
    DataError
        In one line, naming the file, column or argument that cannot be used.
    MissingExtraError
        If images or sounds are read and the package that decodes them is not installed.

    Notes
    -----
    A folder that holds tables or arrays is all of these, one below the other. Any other folder, and a zip file, holds
    images, sounds or texts (``.txt``), and the kind that most files are of counts; other files are strays:

    ==================================  =====================================================================
    ``ants/1.jpg``, ``bees/2.jpg``      the folders are the classes; what lies deeper is of the same class
    ``train/ants/1.jpg``, ``val/...``   splits, see `split` and `read_splits`
    ``1.jpg``, ``2.jpg``                no labels
    ``labels.csv``, ``images/1.jpg``    a table with a column of paths and one of labels
    ``nodes.csv``, ``edges.csv``        a graph; so is a .mat or .npz file with a network, see `read_graph`
    ==================================  =====================================================================

    One folder around all of them is stripped. Recordings of sensors (``.csv``, ``.npy``) in class folders are read with
    `window`, or ``kind="series"`` where all are equally long; arrays of shape (n, length) or (n, channels, length) with
    ``kind="series"``; uint8 arrays of pixels with ``kind="images"``. A table that has, beside the label, one column only
    and that one of sentences is read as texts; with ``kind="text"`` the longest texts are taken where there are more.

    In text formats the tokens "", NA, N/A, NaN, null, None and ? are missing values, and a column that holds both
    numbers and text is refused. ``.data`` files have no header line; their columns are column_1, column_2, ...

    Examples
    --------
    >>> import numpy as np
    >>> import polars as pl
    >>> from transferkit import read
    >>> target = read(pl.DataFrame({"age": [31, 45], "city": ["Bern", "Rom"], "buys": ["no", None]}), label="buys")
    >>> target.X.columns, target.known_y
    (['age', 'city'], array(['no'], dtype=object))
    >>> read((np.zeros((3, 2)), [0, 1, 1])).n_samples
    3
    >>> reviews = read(pl.DataFrame({"review": ["not bad", "bad"], "stars": [4, 1]}), text="review", label="stars")
    >>> reviews.X[0], reviews.y.tolist()
    ('not bad', [4, 1])
    """
    if domain is not None and domain_column is None:
        raise DataError("read: domain_column must be given with domain. Got None.")
    if check not in ("header", "decode"):
        raise DataError(f"read: check must be header or decode. Got {check!r}.")
    if text is not None and path is not None:
        raise DataError("read: text and path must not be given together: X is one of them.")
    if columns is not None and (label is not None or domain_column is not None):
        raise DataError("read: columns must not be given with label or domain_column: a model needs none.")
    check_window(window, hop, "read")
    split = None if split is None else SPLITS.get(split.lower(), split)
    if isinstance(source, Domain):
        if require_label and source.y is None:
            raise DataError(f"{source.name}: the domain must have labels. Got y=None.")
        source = source if split is None else _in_split(source, split)
        return source if name is None else replace(source, name=name)
    if all(v is None for v in (domain_column, kind, text, path, split, window)) and holds_graph(source):
        return read_graph(source, label=label, name=name, require_label=require_label)
    samples = kind if kind in KINDS else None
    ask = Ask(
        label, domain_column, require_label, n_features, strict, samples, path, text, split, check, window, hop,
        columns=columns,
    )  # fmt: skip
    part = join(list(parts_of(source, ask, None if samples else kind)), label)
    found = _domain(part, name or (_name_of(source) if domain is None else str(domain)))
    if split is not None:
        found = _in_split(found, split)
        found = found if name is not None else replace(found, name=f"{found.name}/{split}")
    if domain is not None:
        assert part.groups is not None
        rows = part.groups == str(domain)
        if not rows.any():
            raise DataError(
                f"{part.origin}: domain must be a value of {domain_column!r}. Got {domain!r}; it has "
                f"{', '.join(dict.fromkeys(part.groups.tolist()))}."
            )
        found = _drop_unknown(found.take(rows))
    if require_label and found.y is None and label is None and hasattr(found.X, "columns"):
        shown = ", ".join(map(str, found.X.columns[-12:]))
        raise DataError(
            f"{part.origin}: label must name the label column (--label COLUMN). The last columns are {shown}."
        )
    if require_label and found.y is None and isinstance(found.X, Samples) and label is None:
        raise DataError(f"{part.origin}: {found.X.kind} must lie in class folders, or come in a table with label.")
    if require_label and found.y is None:
        raise DataError(
            f"{part.origin}: label must name a column that is filled somewhere. Got {label!r}, which is empty."
        )
    return found


def read_domains(source: Any, *, domain_column: str, label: str | int | None = None) -> dict[str, Domain]:
    """Read one source that holds several domains, told apart by a column.

    Parameters
    ----------
    source : as for `read`
        Where the rows are.
    domain_column : str
        The column that tells the domain of each row; it is no feature.
    label : str or int, default=None
        As for `read`.

    Returns
    -------
    domains : dict of str to Domain
        By value of the column, in order of appearance.

    Raises
    ------
    DataError
        Naming the file, column or argument that cannot be used.
    """
    part = join(list(parts_of(source, Ask(label, domain_column), None)), label)
    assert part.groups is not None
    whole = _domain(part, "all")
    return {
        value: _drop_unknown(replace(whole.take(part.groups == value), name=value))
        for value in dict.fromkeys(part.groups.tolist())
    }


def read_splits(
    source: Any,
    *,
    label: str | int | None = None,
    name: str | None = None,
    strict: bool = False,
    kind: str | None = None,
    text: str | int | None = None,
    path: str | int | None = None,
    check: Literal["header", "decode"] = "decode",
    window: int | None = None,
    hop: int | None = None,
) -> dict[str, Domain]:
    """Read one source that holds several splits, in folders called train, val and test or in a column "split".

    Parameters
    ----------
    source, label, name, strict, kind, text, path, check, window, hop : as for `read`

    Returns
    -------
    domains : dict of str to Domain
        ``"train"``, ``"val"`` and ``"test"``, those that there are, in this order.

    Raises
    ------
    DataError
        If there is no split, or a file, column or argument cannot be used.

    Examples
    --------
    >>> import polars as pl
    >>> from transferkit.data.readers import read_splits
    >>> table = pl.DataFrame({"say": ["not bad", "bad", "good"], "stars": [4, 1, 5], "split": ["train", "train", "test"]})
    >>> {split: domain.y.tolist() for split, domain in read_splits(table, text="say", label="stars").items()}
    {'train': [4, 1], 'test': [5]}
    """
    whole = read(
        source,
        label=label,
        name=name,
        strict=strict,
        kind=kind,
        text=text,
        path=path,
        check=check,
        window=window,
        hop=hop,
    )
    splits = getattr(whole.X, "splits", None)
    if splits is None:
        raise DataError(
            f'{whole.name}: splits must be folders called train, val or test, or a column "split". Got none.'
        )
    there = [
        split for split in dict.fromkeys([*SPLITS.values(), *splits.tolist()]) if (splits == split).any() and split
    ]
    return {split: replace(_in_split(whole, split), name=f"{whole.name}/{split}") for split in there}


def _in_split(domain: Domain, split: str) -> Domain:
    splits = getattr(domain.X, "splits", None)
    if splits is None or not (splits == split).any():
        there = "none" if splits is None else ", ".join(dict.fromkeys(s for s in splits if s))
        raise DataError(f"{domain.name}: split must be one of the splits that there are ({there}). Got {split!r}.")
    return domain if (splits == split).all() else _drop_unknown(domain.take(splits == split))


def _domain(part: Part, name: str) -> Domain:
    return Domain(part.X, part.y, part.known, name=name)


def _drop_unknown(domain: Domain) -> Domain:
    """Some rows of a domain may be all unlabelled, or all labelled."""
    if domain.known is None:
        return domain
    if not domain.known.any():
        return domain.hide()
    return replace(domain, known=None) if domain.known.all() else domain


def _name_of(source: Any) -> str:
    if isinstance(source, list):
        names = list(dict.fromkeys(_name_of(item) for item in source))
        return "+".join(names) if len(names) <= 3 else f"{len(names)} sources"
    if isinstance(source, Domain):
        return source.name
    if not isinstance(source, (str, Path)):
        return "domain"
    path = Path(source).expanduser()
    if path.is_dir():
        return path.resolve().name
    if glob.has_magic(path.name) and not path.exists():
        return path.parent.resolve().name
    return Path(path.name.removesuffix(".gz")).stem
