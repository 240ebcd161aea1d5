"""Files, folders, globs, frames and arrays become Domains."""

from __future__ import annotations

import glob
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any
from warnings import warn

import numpy as np
from scipy import sparse

from ..core.errors import DataError, TransferWarning
from ..core.protocols import Array, Domain
from . import arrays, tables
from .columns import tidy, to_frame, unify
from .rows import Ask, Part

__all__ = ["READERS", "read", "read_domains"]

Reader = Callable[[Path, Ask], Part]

# The one list to extend: a file name's end, and what reads it. Each also with .gz, where the reader takes that.
READERS: dict[str, Reader] = {
    ".csv": tables.read_delimited,
    ".tsv": tables.read_delimited,
    ".data": tables.read_headerless,
    ".parquet": tables.read_parquet,
    ".arrow": tables.read_arrow,
    ".feather": tables.read_arrow,
    ".xlsx": tables.read_excel,
    ".xls": tables.read_excel,
    ".ods": tables.read_excel,
    ".jsonl": tables.read_json_lines,
    ".ndjson": tables.read_json_lines,
    ".npy": arrays.read_npy,
    ".npz": arrays.read_npz,
    ".mat": arrays.read_mat,
    ".h5": arrays.read_hdf5,
    ".hdf5": arrays.read_hdf5,
    ".svmlight": arrays.read_svmlight,
    ".libsvm": arrays.read_svmlight,
    ".svm": arrays.read_svmlight,
}


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
) -> Domain:
    """Read rows, and labels where there are any, from nearly anything.

    Parameters
    ----------
    source : path, glob pattern, frame, array, sparse matrix, (X, y) tuple, Domain, or list of these
        A file, a folder (all its files of a known kind) or a pattern; a pandas or polars frame; rows as an array or
        sparse matrix; rows and labels as a tuple. The rows of a list are put one below the other; the columns must
        agree, in any order. A Domain is passed through.
    label : str or int, default=None
        The label column of a table, by name, by index, or ``"last"``; in a file of several arrays, the name of the
        labels, where it is not a usual one (labels, y, gnd, ...). A table without the column gives an unlabelled domain.
    name : str, default=None
        The domain's name in messages and reports; None takes the file's.
    domain_column : str, default=None
        A column that tells the domain of each row; it is no feature.
    domain : str or number, default=None
        Keep only the rows whose `domain_column` has this value.
    require_label : bool, default=False
        Whether a missing label column, or one without any label, is an error.
    strict : bool, default=False
        Whether a broken file in a folder is an error. Otherwise it is skipped, and a TransferWarning names it.
    n_features : int, default=None
        Width of svmlight rows; None is the highest index of the file.
    kind : str, default=None
        Read files as this kind whatever their names, as in ``".svmlight"`` for a file called ``.txt``.

    Returns
    -------
    domain : Domain
        X is a polars frame for tables, with columns of numbers, booleans, text or dates and nulls for missing values; a
        float array of shape (n_samples, n_features) for arrays; a CSR matrix for sparse rows. Text labels are an array
        of str objects. A row without a label has ``known`` False.

    Raises
    ------
    DataError
        In one line, naming the file, column or argument that cannot be used.

    Notes
    -----
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
    """
    if domain is not None and domain_column is None:
        raise DataError("read: domain_column must be given with domain. Got None.")
    if isinstance(source, Domain):
        if require_label and source.y is None:
            raise DataError(f"{source.name}: the domain must have labels. Got y=None.")
        return source if name is None else replace(source, name=name)
    part = _join(list(_parts(source, Ask(label, domain_column, require_label, n_features), strict, kind)))
    found = _domain(part, name or (_name_of(source) if domain is None else str(domain)))
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
    part = _join(list(_parts(source, Ask(label, domain_column), False, None)))
    assert part.groups is not None
    whole = _domain(part, "all")
    return {
        value: _drop_unknown(replace(whole.take(part.groups == value), name=value))
        for value in dict.fromkeys(part.groups.tolist())
    }


def _domain(part: Part, name: str) -> Domain:
    return Domain(part.X, part.y, part.known, name=name)


def _drop_unknown(domain: Domain) -> Domain:
    """Some rows of a domain may be all unlabelled, or all labelled."""
    if domain.known is None:
        return domain
    if not domain.known.any():
        return domain.hide()
    return replace(domain, known=None) if domain.known.all() else domain


def _parts(source: Any, ask: Ask, strict: bool, kind: str | None) -> Iterator[Part]:
    if isinstance(source, list):
        if not source or all(isinstance(item, (int, float)) for item in source):
            raise DataError("read: source must be a list of paths, frames or arrays. Got a list of numbers or nothing.")
        for item in source:
            yield from _parts(item, ask, strict, kind)
    elif isinstance(source, (str, Path)):
        path = Path(source).expanduser()
        if path.is_dir():
            yield from _folder(path, ask, strict, kind)
        elif not path.exists() and glob.has_magic(str(path)):
            found = sorted(p for p in map(Path, glob.glob(str(path), recursive=True)) if p.is_file())
            if not found:
                raise DataError(f"{path}: the pattern must match a file. It matches none.")
            for file in found:
                yield _file(file, ask, kind)
        else:
            yield _file(path, ask, kind)
    else:
        yield _in_memory(source, ask)


def _folder(folder: Path, ask: Ask, strict: bool, kind: str | None) -> Iterator[Part]:
    files = sorted(p for p in folder.iterdir() if p.is_file() and not p.name.startswith("."))
    files = [p for p in files if kind is not None or _suffix(p) in READERS]
    broken, n_read = [], 0
    for file in files:
        try:
            part = _file(file, ask, kind)
        except DataError as err:
            if strict:
                raise
            broken.append(str(err))
            continue
        n_read += 1
        yield part
    if not n_read:
        reasons = f" Broken: {'; '.join(broken)}" if broken else ""
        raise DataError(f"{folder}: the folder must hold a readable file ({', '.join(READERS)}). Got none.{reasons}")
    if broken:
        warn(
            f"{folder}: skipped {len(broken)} of {len(files)} files: {'; '.join(broken)}", TransferWarning, stacklevel=4
        )


def _suffix(path: Path) -> str:
    return Path(path.name.lower().removesuffix(".gz")).suffix


def _file(path: Path, ask: Ask, kind: str | None) -> Part:
    suffix = _suffix(path) if kind is None else "." + kind.lower().lstrip(".")
    reader = READERS.get(suffix)
    if reader is None:
        argument = "the file's name must end in" if kind is None else "kind must be"
        raise DataError(f"{path}: {argument} one of {', '.join(READERS)}. Got {suffix or path.name!r}.")
    if not path.exists():
        raise DataError(f"{path}: the file must exist. There is none.")
    try:
        if not path.stat().st_size:
            raise DataError(f"{path}: the file must have content. It is empty.")
        return reader(path, ask)
    except OSError as err:
        raise DataError(f"{path}: the file must be readable. Got: {err.strerror or err}.") from err


def _in_memory(source: Any, ask: Ask) -> Part:
    if isinstance(source, Domain):
        return Part(source.X, source.y, source.known, None, source.name)
    if isinstance(source, tuple):
        if len(source) != 2:
            raise DataError(f"read: a tuple must be (X, y). Got {len(source)} parts; give several sources as a list.")
        part = _in_memory(source[0], replace(ask, label=None, require_label=False))
        y, known = arrays.split_labels(source[1])
        if y is not None and len(y) != part.X.shape[0]:
            raise DataError(f"read: X and y must be equally long. Got {part.X.shape[0]} and {len(y)}.")
        return replace(part, y=y, known=known)
    if hasattr(source, "collect_schema") or hasattr(source, "columns"):  # a lazy frame warns at .columns
        return tables.table_part(tidy(to_frame(source), "data frame", text=False), "data frame", ask)
    if isinstance(source, np.ndarray) or sparse.issparse(source):
        if ask.require_label or ask.domain_column is not None:
            raise DataError(
                "read: an array must come with its labels as (X, y), or as a data frame with named columns."
            )
        if source.ndim != 2 or 0 in source.shape:
            raise DataError(f"read: an array must have shape (n_samples, n_features). Got {source.shape}.")
        return Part(arrays.float_rows(source, "array"), None, None, None, "array")
    raise DataError(
        "read: source must be a path, folder, glob pattern, data frame, array, sparse matrix, (X, y), Domain or a list of "
        f"these. Got {type(source).__name__}."
    )


def _join(parts: Sequence[Part]) -> Part:
    """Rows of several files, one below the other."""
    if len(parts) == 1:
        return parts[0]
    origins = [p.origin for p in parts]
    labels, known = _join_labels(parts)
    groups = None if parts[0].groups is None else np.concatenate([p.groups for p in parts if p.groups is not None])
    return Part(_join_rows([p.X for p in parts], origins), labels, known, groups, ", ".join(origins[:3]))


def _join_rows(Xs: Sequence[Any], origins: Sequence[str]) -> Any:
    import polars as pl

    first = Xs[0]
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


def _join_labels(parts: Sequence[Part]) -> tuple[Array | None, Array | None]:
    labelled = [p for p in parts if p.y is not None]
    if not labelled:
        return None, None
    kinds = {p.y.dtype.kind == "O": p.origin for p in labelled if p.y is not None}
    if len(kinds) > 1:
        raise DataError(
            f"labels must be numbers, or text, in all files. Got numbers in {kinds[False]}, text in {kinds[True]}."
        )
    first = labelled[0].y
    assert first is not None
    known = np.concatenate([_mask(p) for p in parts])
    y = np.concatenate([np.full(p.X.shape[0], first[0], dtype=first.dtype) if p.y is None else p.y for p in parts])
    return y, None if known.all() else known


def _mask(part: Part) -> Array:
    if part.known is not None:
        return part.known
    return np.full(part.X.shape[0], part.y is not None)


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
