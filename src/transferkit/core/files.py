"""Files that are whole or not there: every write goes to a temporary neighbour first."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

from .errors import DataError

__all__ = ["atomic_write", "make_folder"]


def atomic_write(path: Path | str, content: bytes | str) -> Path:
    """Write a file so that a reader sees all of it or the old one, also after a kill or on a full disk.

    Raises
    ------
    DataError
        If the folder cannot be written or the disk is full; nothing of the new file is left then.
    """
    path = Path(path)
    data = content.encode("utf-8") if isinstance(content, str) else content
    temporary = None
    try:
        handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
        with os.fdopen(handle, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        os.chmod(temporary, 0o644)
        os.replace(temporary, path)
    except OSError as err:
        if temporary is not None:
            Path(temporary).unlink(missing_ok=True)
        raise DataError(f"{path}: cannot be written ({err.strerror or err}).") from err
    return path


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
