"""A saved model's folder: written as a whole or not at all, and checked before anything in it is used."""

from __future__ import annotations

import hashlib
import json
import os
import re
import secrets
import shutil
import sys
import zipfile
import zlib
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import safetensors
import safetensors.numpy
import scipy
import sklearn
import skops

from .. import __version__
from ..core.errors import DataError, ParamError, TransferError
from ..core.files import make_folder
from .archive import unpacked
from .classes import Untrusted
from .state import Reader, Writer

__all__ = ["MANIFEST", "SCHEMA", "check_files", "is_file_name", "load", "read_files", "read_manifest", "save"]

SCHEMA = 1
MANIFEST, ARRAYS, TENSORS = "manifest.json", "arrays.safetensors", "tensors.safetensors"
_FILE_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]*\.(safetensors|skops)")


def save(
    model: Any,
    folder: Path | str,
    *,
    overwrite: bool = False,
    metadata: Mapping[str, Any] | None = None,
    trusted: Sequence[str] = (),
) -> Path:
    """Save a method, pipeline or encoder, fitted or not.

    Parameters
    ----------
    model : object
        Of a class of the catalogue, the core or the table encoder. Inside it may be numbers, text, arrays, sparse
        matrices, torch tensors, containers of these, and objects of transferkit and scikit-learn. Of a network are saved
        its weights and how to rebuild it; a source model that the constructor was given as an object is only named.
    folder : path
        Where to; parents are made. Holds ``manifest.json``, ``arrays.safetensors``, ``tensors.safetensors`` for a network's
        weights, and one ``.skops`` file for every scikit-learn object afterwards.
    overwrite : bool, default=False
        Whether a model that is there may be replaced. It stays until the new one is complete.
    metadata : mapping, optional
        Anything of JSON, for `read_manifest`.
    trusted : sequence of str, default=()
        Dotted names of further classes, as in ``"xgboost.sklearn.XGBClassifier"``, that skops may save. `load` needs the
        same.

    Returns
    -------
    folder : Path

    Raises
    ------
    DataError
        If something in the model cannot be saved (named by its place and class), the folder is there, or it cannot be
        written; nothing is left half-written then.
    ParamError
        If `metadata` is not JSON.

    Examples
    --------
    >>> import tempfile, numpy as np, transferkit
    >>> from transferkit import CORAL, Domain
    >>> X, y = np.arange(12.0).reshape(6, 2) % 5, np.arange(6) % 2
    >>> model = CORAL().fit(X, y, target=Domain(X + 1))
    >>> with tempfile.TemporaryDirectory() as home:
    ...     same = transferkit.load(transferkit.save(model, f"{home}/model"))
    >>> bool((same.predict(X) == model.predict(X)).all())
    True
    """
    final = Path(os.path.realpath(folder))
    _check_place(final, folder, overwrite)
    writer = Writer(trusted)
    state = writer.node(model, type(model).__name__)
    if not isinstance(state, dict) or state["is"] != "object":
        raise DataError(f"store.save: model must be an object of transferkit. Got {type(model).__name__}.")
    contents: dict[str, bytes | Callable[[Path], None]] = dict(writer.parts)
    if writer.arrays:
        contents[ARRAYS] = partial(safetensors.numpy.save_file, writer.arrays)
    packages = [np, scipy, sklearn, skops, safetensors]
    if writer.tensors:
        from ..engine.networks.saving import save_tensors

        contents[TENSORS] = partial(save_tensors, writer.tensors)
        packages += [sys.modules[m] for m in ("torch", "timm", "transformers") if m in sys.modules]
    manifest = {
        "schema": SCHEMA,
        "transferkit": __version__,
        "versions": {m.__name__: m.__version__ for m in packages},
        "class": state["class"],
        **({"networks": writer.networks} if writer.networks else {}),
        "metadata": dict(metadata or {}),
        "files": {},
        "state": state,
    }
    _write(contents, manifest, final)
    return Path(folder)


def load(folder: Path | str, *, trusted: Sequence[str] = (), modules: Mapping[str, Any] | None = None) -> Any:
    """Load what `save` saved. Only classes of transferkit and scikit-learn are built; no code of the folder runs.

    A network is rebuilt from what the folder says and takes its weights from there: neither the weights that its training
    began with nor a connection is needed.

    Parameters
    ----------
    folder : path
        The saved model; or one zip file of it, as `pack` writes it.
    trusted : sequence of str, default=()
        Dotted names of further classes that skops may build. Name only what you would import yourself.
    modules : mapping of str to Module or Backbone, optional
        Networks of your own by class name, as in ``{"MyNet": MyNet()}``, for a method whose ``source`` was one; its weights
        do not matter, and it is copied. Where they are those of the source, it is the loaded method's ``source``, which
        else is None.

    Returns
    -------
    model : object
        As it was saved.

    Raises
    ------
    DataError
        Naming the file that is missing, damaged, of a newer version, or that holds a class which is not trusted.
    """
    if Path(folder).is_file():
        with unpacked(Path(folder)) as inside:
            return load(inside, trusted=trusted, modules=modules)
    manifest, where = read_manifest(folder), Path(folder) / MANIFEST
    contents = {name: content for name, content in read_files(folder).items() if content is not None}
    file = where
    try:
        arrays = {}
        if ARRAYS in contents:
            file = Path(folder) / ARRAYS
            arrays = safetensors.numpy.load(contents.pop(ARRAYS))
            file = where
        if manifest["state"]["is"] != "object":
            raise ValueError("the state is not that of an object")
        tensors = Path(folder) / TENSORS if TENSORS in manifest["files"] else None
        return Reader(arrays, contents, trusted, tensors, modules).value(manifest["state"])
    except Untrusted as err:
        raise DataError(
            f"{folder}: must hold classes of transferkit and scikit-learn, or others that are named in trusted. Got {err}."
        ) from err
    except (
        ArithmeticError, AssertionError, AttributeError, EOFError, ImportError, LookupError, OSError, RuntimeError, TypeError,
        ValueError, safetensors.SafetensorError, zipfile.BadZipFile, zlib.error,
    ) as err:  # fmt: skip
        if isinstance(err, TransferError):
            raise
        raise DataError(f"{file}: does not describe a model ({type(err).__name__}: {err}).") from err


def read_files(folder: Path | str) -> dict[str, bytes | None]:
    """The files that a manifest names, checked; the tensors, which may be far larger than the rest, only checked: None.

    Raises
    ------
    DataError
        Naming the file that is missing or damaged.
    """
    contents: dict[str, bytes | None] = {}
    for name, expected in _sums(folder).items():
        path = Path(folder) / name
        contents[name] = content = None if name == TENSORS else _read(path)
        _check(path, _file_sha256(path) if content is None else _sha256(content), expected)
    return contents


def check_files(folder: Path | str) -> list[str]:
    """Names of the files that a manifest names, checked, none of them in memory as a whole.

    Raises
    ------
    DataError
        Naming the file that is missing or damaged.
    """
    sums = _sums(folder)
    for name, expected in sums.items():
        _check(Path(folder) / name, _file_sha256(Path(folder) / name), expected)
    return list(sums)


def _sums(folder: Path | str) -> dict[str, str]:
    """SHA-256 by file, of a manifest whose names stay in the folder."""
    sums: dict[str, str] = read_manifest(folder)["files"]
    for name in sums:
        if not is_file_name(name):  # one that leads out of the folder is refused before anything is opened
            raise DataError(f"{Path(folder) / MANIFEST}: file names must be plain names of the folder. Got {name!r}.")
    return sums


def _check(path: Path, found: str, expected: str) -> None:
    if found != expected:
        raise DataError(f"{path}: is damaged (its SHA-256 is not the one in {MANIFEST}).")


def is_file_name(name: str) -> bool:
    """Whether a saved model may have a file of this name beside its manifest."""
    return _FILE_NAME.fullmatch(name) is not None


def read_manifest(folder: Path | str) -> dict[str, Any]:
    """The manifest of a saved model: versions, class, metadata, files and state, after a check of its own sum.

    Raises
    ------
    DataError
        If there is none, or it is damaged or of a newer schema.
    """
    if Path(folder).is_file():
        with unpacked(Path(folder)) as inside:
            return read_manifest(inside)
    path = Path(folder) / MANIFEST
    try:
        manifest = json.loads(_read(path))
    except (ValueError, RecursionError) as err:
        if isinstance(err, DataError):
            raise
        raise DataError(f"{path}: is damaged (not JSON: {err}).") from err
    if not isinstance(manifest, dict) or not isinstance(manifest.get("schema"), int):
        raise DataError(f"{path}: must be the manifest of a saved model. Got no schema version in it.")
    if manifest["schema"] > SCHEMA:
        raise DataError(
            f"{path}: has schema {manifest['schema']}, written by transferkit {manifest.get('transferkit')}; this is"
            f" transferkit {__version__}, which reads up to {SCHEMA}. Update transferkit."
        )
    expected = manifest.pop("sha256", None)
    try:
        whole = _sha256(_canonical(manifest)) == expected and isinstance(manifest.get("files"), dict)
    except ValueError:  # NaN or Infinity, which a manifest never has
        whole = False
    if not whole:
        raise DataError(f"{path}: is damaged (its content does not match its own SHA-256).")
    return manifest


def _sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def _file_sha256(path: Path) -> str:
    try:
        with open(path, "rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as err:
        raise DataError(f"{path}: cannot be read ({err.strerror or err}).") from err


def _canonical(manifest: dict[str, Any]) -> bytes:
    return json.dumps(manifest, sort_keys=True, separators=(",", ":"), allow_nan=False).encode()


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as err:
        raise DataError(f"{path}: cannot be read ({err.strerror or err}).") from err


def _check_place(final: Path, folder: Path | str, overwrite: bool) -> None:
    if not final.exists():
        return
    if not final.is_dir():
        raise DataError(f"{folder}: must be a folder. Got a file.")
    if not overwrite:
        raise DataError(f"{folder}: is there already. Give overwrite=True to replace the model in it.")
    strange = sorted(p.name for p in final.iterdir() if p.name != MANIFEST and not is_file_name(p.name))
    if strange:
        raise DataError(
            f"{folder}: must hold a saved model and nothing else to be overwritten. Got also {strange[0]!r}."
        )


def _write(contents: Mapping[str, bytes | Callable[[Path], None]], manifest: dict[str, Any], final: Path) -> None:
    """Write a folder beside its place, then put it there; an old one is set aside until then.

    What may be large comes as a function that writes it, and its sum is that of the file: it is in memory only once.
    """
    make_folder(final.parent)
    token = secrets.token_hex(4)
    new, old = final.with_name(f".{final.name}.{token}.new"), final.with_name(f".{final.name}.{token}.old")
    try:
        new.mkdir()
        for name, content in sorted(contents.items()):
            if isinstance(content, bytes):
                with open(new / name, "xb") as file:
                    file.write(content)
            else:
                content(new / name)
            manifest["files"][name] = _file_sha256(new / name)
        # The manifest goes last: whatever has one has everything.
        (new / MANIFEST).write_bytes(_signed(manifest))
        for name in (*contents, MANIFEST):
            with open(new / name, "rb+") as file:
                os.fsync(file.fileno())
        _fsync_folder(new)
        if final.exists():
            os.rename(final, old)
        try:
            os.rename(new, final)
        except OSError:
            if old.exists():
                os.rename(old, final)
            raise
        _fsync_folder(final.parent)
    except (OSError, safetensors.SafetensorError) as err:
        raise DataError(f"{final}: cannot be written ({getattr(err, 'strerror', None) or err}).") from err
    finally:
        shutil.rmtree(new, ignore_errors=True)
        if final.exists():
            shutil.rmtree(old, ignore_errors=True)


def _signed(manifest: dict[str, Any]) -> bytes:
    """The manifest with its own sum."""
    try:
        signed = {**manifest, "sha256": _sha256(_canonical(manifest))}
        return json.dumps(signed, indent=1, allow_nan=False).encode()
    except (TypeError, ValueError, RecursionError) as err:
        raise ParamError(f"store.save: metadata must be JSON. Got: {err}") from err


def _fsync_folder(folder: Path) -> None:
    """Make names durable, where the system can open a folder."""
    if hasattr(os, "O_DIRECTORY"):
        handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)
