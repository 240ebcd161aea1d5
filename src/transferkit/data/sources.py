"""What is in a source: files, folders, zip files and patterns, each file read by the reader of its kind."""

from __future__ import annotations

import glob
import posixpath
import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any
from warnings import warn

from ..core.errors import DataError, TransferWarning
from . import arrays, tables, texts
from .kinds import KINDS, folder_part, kind_of_files, samples_of_table
from .layout import unwrap
from .memory import in_memory
from .places import Found, Place, file_below, listing, name_of, read_bytes
from .rows import Ask, Part

__all__ = ["READERS", "parts_of"]

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
    ".review": texts.read_reviews,
}

# First-order facts are no rows until it is said which predicate is the label, and what the types are.
_FACTS = {
    end: f" Facts are read in Python, by transferkit.data.relational.{reader}."
    for end, reader in (
        (".pl", "read_prolog"),
        (".pro", "read_prolog"),
        (".db", "read_prolog"),
        (".json", "read_folds"),
    )
}


def parts_of(source: Any, ask: Ask, kind: str | None) -> Iterator[Part]:
    """The parts of a source, file by file.

    Parameters
    ----------
    source : Any
        As for `read`.
    ask : Ask
        What is wanted.
    kind : str or None
        A file name's end, where files are to be read as this kind whatever their names.

    Raises
    ------
    DataError
        Naming the file that cannot be used.
    """
    if isinstance(source, list):
        if not source or all(isinstance(item, (int, float)) for item in source):
            raise DataError("read: source must be a list of paths, frames or arrays. Got a list of numbers or nothing.")
        for item in source:
            yield from parts_of(item, ask, kind)
    elif isinstance(source, (str, Path)):
        path = Path(source).expanduser()
        if path.is_dir():
            yield from _folder(path, ask, kind)
        elif path.is_file() and path.suffix.lower() == ".zip" and kind is None:
            yield from _zip(path, ask)
        elif not path.exists() and glob.has_magic(str(path)):
            yield from _pattern(path, ask, kind)
        else:
            yield _file(path, ask, kind)
    else:
        yield in_memory(source, ask)


def _pattern(pattern: Path, ask: Ask, kind: str | None) -> Iterator[Part]:
    files = sorted(p for p in map(Path, glob.glob(str(pattern), recursive=True)) if p.is_file())
    if not files:
        raise DataError(f"{pattern}: the pattern must match a file. It matches none.")
    found = [Found((file.name,), str(file)) for file in files]
    name = None if kind is not None else _kind(found, ask)
    if name is None:
        for file in files:
            yield _file(file, ask, kind)
    else:
        yield folder_part(found, name, str(pattern), ask)


def _folder(folder: Path, ask: Ask, kind: str | None) -> Iterator[Part]:
    files = sorted(p for p in folder.iterdir() if p.is_file() and not p.name.startswith("."))
    files = [p for p in files if kind is not None or _suffix(p.name) in READERS]
    if kind is None and (not files or _for_samples(ask)):
        found = unwrap(listing(folder), always=False)
        name = _kind(found, ask)
        if name is not None:
            yield folder_part(found, name, str(folder), ask)
            return
        if not files:
            raise _nothing(folder, found, [])
    yield from _each(folder, files, partial(_file, ask=ask, kind=kind), ask)


def _zip(path: Path, ask: Ask) -> Iterator[Part]:
    found = unwrap(listing(path), always=True)
    files = [f.place for f in found if len(f.parts) == 1 and _suffix(f.parts[0]) in READERS]
    name = _kind(found, ask) if not files or _for_samples(ask) else None
    if name is not None:
        yield folder_part(found, name, str(path), ask)
    elif not files:
        raise _nothing(path, found, [])
    else:
        members = {"/".join(f.parts): f.place for f in found}
        yield from _each(path, files, partial(_member, ask=ask, members=members), ask)


def _for_samples(ask: Ask) -> bool:
    """Whether the files around a table may be meant, and not the table."""
    return ask.path is None and ask.text is None and arrays.wants_samples(ask)


def _kind(found: Sequence[Found], ask: Ask) -> str | None:
    """The kind of samples among the files, if any is of it."""
    name = kind_of_files(found, ask)
    return name if name is not None and any(KINDS[name].has(f.parts[-1]) for f in found) else None


def _each(root: Path, files: Sequence[Any], read: Callable[[Any], Part], ask: Ask) -> Iterator[Part]:
    """The files that can be read, and one warning for the others."""
    broken, n_read = [], 0
    for file in files:
        try:
            part = read(file)
        except DataError as err:
            if ask.strict:
                raise
            broken.append(str(err))
            continue
        n_read += 1
        yield part
    if not n_read:
        raise _nothing(root, (), broken)
    if broken:
        warn(f"{root}: skipped {len(broken)} of {len(files)} files: {'; '.join(broken)}", TransferWarning, stacklevel=5)


def _nothing(root: Path, found: Sequence[Found], broken: Sequence[str]) -> DataError:
    reasons = f" Broken: {'; '.join(broken)}" if broken else ""
    if any(KINDS["series"].has(f.parts[-1]) for f in found):
        reasons = ' Recordings in class folders are read with window=, or kind="series".'
    kinds = ", ".join(kind.noun for name, kind in KINDS.items() if name != "series")
    what = "folder" if root.is_dir() else "zip file"
    return DataError(
        f"{root}: the {what} must hold a readable file ({', '.join(READERS)}; or {kinds}). Got none.{reasons}"
    )


def _suffix(name: str) -> str:
    return Path(name.lower().removesuffix(".gz")).suffix


def _file(path: Path, ask: Ask, kind: str | None) -> Part:
    suffix = _suffix(path.name) if kind is None else "." + kind.lower().lstrip(".")
    reader = READERS.get(suffix)
    one = [Found((path.name,), str(path))]
    name = None if kind is not None or (reader is not None and not _is_recording(suffix, ask)) else _kind(one, ask)
    if reader is None and name is None:
        argument = "the file's name must end in" if kind is None else "kind must be"
        facts = _FACTS.get(suffix, "") if kind is None else ""
        raise DataError(f"{path}: {argument} one of {', '.join(READERS)}. Got {suffix or path.name!r}.{facts}")
    if not path.exists():
        raise DataError(f"{path}: the file must exist. There is none.")
    try:
        if not path.stat().st_size:
            raise DataError(f"{path}: the file must have content. It is empty.")
        if name is not None:
            return folder_part(one, name, str(path), ask)
        assert reader is not None
        return samples_of_table(reader(path, ask), ask, partial(file_below, path.parent))
    except OSError as err:
        raise DataError(f"{path}: the file must be readable. Got: {err.strerror or err}.") from err


def _is_recording(suffix: str, ask: Ask) -> bool:
    """Whether a table is to be cut into windows; a numpy file holds many series."""
    return suffix in (".csv", ".tsv") and _for_samples(ask) and ask.samples in (None, "series")


def _member(place: Place, ask: Ask, members: dict[str, Place]) -> Part:
    """A table or array in a zip file: unpacked for its reader, with the paths in it below its own folder."""
    name = name_of(place)
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(folder) / posixpath.basename(place[1].replace("\\", "/"))
        copy.write_bytes(read_bytes(place))
        try:
            part = READERS[_suffix(copy.name)](copy, ask)
        except DataError as err:
            raise DataError(str(err).replace(str(copy), name)) from err
    part = replace(part, origin=name)
    return samples_of_table(part, ask, lambda path: members.get(posixpath.normpath(path.replace("\\", "/"))))
