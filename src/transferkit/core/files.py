"""Files that are whole or not there: every write goes to a temporary neighbour first."""

from __future__ import annotations

import os
import secrets
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from .errors import DataError

__all__ = ["atomic_file", "atomic_write", "make_folder"]


@contextmanager
def atomic_file(path: Path | str) -> Iterator[BinaryIO]:
    """A file to write to, which is at its place once it is whole; until then, and after an error, the old one is.

    What a link points to is replaced, not the link, and who may read it stays. A device or pipe, as ``/dev/stdout``, is
    written to as it is.

    Raises
    ------
    DataError
        If the folder cannot be written or the disk is full; nothing of the new file is left then.
    """
    place, temporary = Path(path), None
    try:
        if place.exists() and not place.is_file() and not place.is_dir():
            with open(place, "wb") as file:
                yield file
            return
        path = place.resolve()
        temporary = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
        with open(temporary, "xb") as file:  # with the rights that the system gives new files
            if path.is_file():
                os.chmod(temporary, stat.S_IMODE(path.stat().st_mode))
            yield file
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
    except OSError as err:
        raise DataError(f"{place}: cannot be written ({err.strerror or err}).") from err
    finally:
        if temporary is not None:
            temporary.unlink(missing_ok=True)


def atomic_write(path: Path | str, content: bytes | str) -> Path:
    """Write a file so that a reader sees all of it or the old one, also after a kill or on a full disk.

    Raises
    ------
    DataError
        If the folder cannot be written or the disk is full; nothing of the new file is left then.
    """
    with atomic_file(path) as file:
        file.write(content.encode("utf-8") if isinstance(content, str) else content)
    return Path(path)


def make_folder(path: Path | str) -> Path:
    """Make a folder, parents included.

    Raises
    ------
    DataError
        If it cannot be made or is a file.
    """
    path = Path(path)
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as err:
        raise DataError(f"{path}: the folder cannot be made ({err.strerror or err}).") from err
    return path
