"""A saved model as one zip file: its folder's files uncompressed, the same bytes every time."""

from __future__ import annotations

import json
import shutil
import tempfile
import zipfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from ..core.errors import DataError, ParamError
from ..core.files import atomic_file

__all__ = ["ABOUT", "pack", "read_about", "unpacked"]

ABOUT = "about.json"  # beside the folder's own files
_TIME = (1980, 1, 1, 0, 0, 0)  # the earliest a zip file can say


def pack(
    folder: Path | str, path: Path | str, *, about: Mapping[str, Any] | None = None, overwrite: bool = False
) -> Path:
    """Put a saved model's folder into one zip file, which `load` takes in the folder's place.

    Parameters
    ----------
    folder : path
        As `save` wrote it; every file is checked against the manifest.
    path : path
        The zip file.
    about : mapping, optional
        Further JSON, for `read_about`.
    overwrite : bool, default=False
        Whether a file that is there may be replaced.

    Returns
    -------
    path : Path

    Raises
    ------
    DataError
        If the folder is no saved model or damaged, or the file is there or cannot be written.
    ParamError
        If `about` is not JSON.
    """
    from .folder import MANIFEST, check_files  # which reads zip files through this module

    folder, path = Path(folder), Path(path)
    if path.is_dir() or (path.exists() and not overwrite):
        raise DataError(f"{path}: is there already. Name another file, or allow it to be replaced.")
    names = check_files(folder)
    try:
        text = json.dumps(about, indent=1, ensure_ascii=False, allow_nan=False)
    except (TypeError, ValueError) as err:
        raise ParamError(f"store.pack: about must be JSON. Got: {err}") from err
    # Uncompressed: weights hardly shrink, and skops files are compressed already.
    with atomic_file(path) as file, zipfile.ZipFile(file, "w", zipfile.ZIP_STORED) as archive:
        for name in [MANIFEST, *sorted(names)]:
            entry = zipfile.ZipInfo(name, _TIME)
            entry.file_size = (folder / name).stat().st_size
            with open(folder / name, "rb") as source, archive.open(entry, "w") as copy:
                shutil.copyfileobj(source, copy, 2**20)
        if about is not None:
            archive.writestr(zipfile.ZipInfo(ABOUT, _TIME), text)
    return path


@contextmanager
def unpacked(path: Path) -> Iterator[Path]:
    """The files of a zip file in a temporary folder; what goes wrong is told of the zip file.

    Raises
    ------
    DataError
        If it is no zip file that `pack` wrote: a name that leads elsewhere, occurs twice or is none of a model's files.
    """
    from .folder import MANIFEST, is_file_name

    with tempfile.TemporaryDirectory(prefix="transferkit-", ignore_cleanup_errors=True) as home:
        try:
            with zipfile.ZipFile(path) as archive:
                seen, left = set(), path.stat().st_size
                for entry in archive.infolist():
                    name = entry.filename
                    if name in seen or not (name in (MANIFEST, ABOUT) or is_file_name(name)):
                        raise DataError(f"{path}: must hold the files of one saved model. Got {name!r}.")
                    if entry.compress_type != zipfile.ZIP_STORED:  # a small file could become a huge one
                        raise DataError(f"{path}: must hold uncompressed files. Got {name!r} compressed.")
                    left -= entry.file_size
                    if left < 0:  # entries that share their bytes could fill a disk
                        raise DataError(
                            f"{path}: must hold bytes of its own for every file. Got {name!r}, which overlaps."
                        )
                    seen.add(name)
                    with archive.open(entry) as source, open(Path(home) / name, "xb") as copy:
                        while part := source.read(2**20):
                            copy.write(part)
        except (zipfile.BadZipFile, NotImplementedError, RuntimeError, EOFError, OSError) as err:
            raise DataError(f"{path}: must be a zip file of a saved model. Got: {err}") from err
        try:
            yield Path(home)
        except DataError as err:
            raise DataError(str(err).replace(home, str(path))) from err


def read_about(path: Path | str) -> dict[str, Any]:
    """What `pack` was told about a model; nothing where it was told nothing."""
    with unpacked(Path(path)) as home:
        file = home / ABOUT
        try:
            found = json.loads(file.read_bytes()) if file.exists() else {}
            json.dumps(found, allow_nan=False)
        except (ValueError, RecursionError) as err:
            raise DataError(f"{path}: {ABOUT} must be JSON. Got: {err}") from err
    if not isinstance(found, dict):
        raise DataError(f"{path}: {ABOUT} must be an object of JSON. Got {type(found).__name__}.")
    return found
