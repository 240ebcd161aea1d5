"""Where a sample lies: a file, or a member of a zip file; both are listed and read in the same way."""

from __future__ import annotations

import hashlib
import os
import threading
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from ..core.errors import DataError
from .rows import reading

__all__ = ["Found", "Place", "digest_of", "file_below", "listing", "name_of", "read_bytes"]

Place = str | tuple[str, str]  # a path; or the path of a zip file and a member of it

_HELD = 8  # open zip files a thread
_held = threading.local()


@dataclass(frozen=True, slots=True)
class Found:
    """A file of a folder or zip: its parts below the root, and where it lies."""

    parts: tuple[str, ...]
    place: Place


def listing(root: Path) -> list[Found]:
    """All files of a folder or zip file, however deep, in the order of their names; hidden ones are left out.

    Raises
    ------
    DataError
        If the zip file cannot be read.
    """
    found = _members(root) if root.is_file() else _files(root)
    return sorted((f for f in found if not any(map(_hidden, f.parts))), key=lambda f: f.parts)


def _members(root: Path) -> Iterator[Found]:
    with reading(str(root), "a zip file", zipfile.BadZipFile), zipfile.ZipFile(root) as archive:
        members = [info.filename for info in archive.infolist() if not info.is_dir()]
    for member in members:
        yield Found(tuple(part for part in member.replace("\\", "/").split("/") if part), (str(root), member))


def _files(root: Path) -> Iterator[Found]:
    entered = set()
    for folder, below, files in os.walk(root, followlinks=True):
        real = os.path.realpath(folder)
        if real in entered:  # a link to a folder above
            below.clear()
            continue
        entered.add(real)
        above = Path(folder).relative_to(root).parts
        for file in files:
            yield Found((*above, file), os.path.join(folder, file))


def _hidden(part: str) -> bool:
    return part.startswith(".") or part == "__MACOSX"  # what macOS puts into its zip files


def name_of(place: Place) -> str:
    """What messages call it, as in ``photos.zip!ants/1.jpg``."""
    return f"{place[0]}!{place[1]}" if isinstance(place, tuple) else os.fspath(place)


def file_below(folder: Path, written: str) -> str | None:
    """The file that a path in a table means, or None: below a folder or absolute, with either kind of slash."""
    for text in (written, written.replace("\\", "/")):
        path = str(folder / text)
        if os.path.isfile(path):  # False, too, for what cannot be a name
            return path
    return None


def read_bytes(place: Place) -> bytes:
    """The content of a file or member; safe from several threads and processes.

    Raises
    ------
    DataError
        Naming the file, and the member.
    """
    name = name_of(place)
    try:
        with reading(name, "a member of a zip file", zipfile.BadZipFile):
            content = _archive(place[0]).read(place[1]) if isinstance(place, tuple) else Path(place).read_bytes()
    except DataError as err:
        if isinstance(err.__cause__, OSError):
            raise DataError(
                f"{name}: the file must be readable. Got: {err.__cause__.strerror or err.__cause__}."
            ) from err
        raise
    if not content:
        raise DataError(f"{name}: the file must have content. It is empty.")
    return content


def digest_of(place: Place) -> str:
    """SHA-256 of the content."""
    return hashlib.sha256(read_bytes(place)).hexdigest()


def _archive(path: str) -> zipfile.ZipFile:
    """The zip file, held open by this thread.

    A handle is never shared: threads would wait for each other, and a forked process would share the position in the
    file with its parent. One that changed on the disk is opened anew.
    """
    if getattr(_held, "pid", None) != os.getpid():
        _held.pid, _held.archives = os.getpid(), {}
    archives: dict[tuple[str, int, int], zipfile.ZipFile] = _held.archives
    state = os.stat(path)
    key = (path, state.st_mtime_ns, state.st_size)
    if key not in archives:
        while len(archives) >= _HELD:
            archives.pop(next(iter(archives))).close()
        archives[key] = zipfile.ZipFile(path)
    return archives[key]
