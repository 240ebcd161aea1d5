"""A folder of features: shards that are whole or not there, and an index of what they hold."""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from safetensors.numpy import save

from ...core.errors import DataError
from ...core.files import atomic_write, make_folder
from ...core.protocols import Array

__all__ = ["FeatureStore"]

_DIGEST = 32  # bytes of a SHA-256
_MOST = 32  # shards before they are put together
_STALE = 3600.0  # seconds after which a temporary file belongs to a process that was killed


class FeatureStore:
    """Rows of features of one network, by the SHA-256 of the sample they belong to.

    Parameters
    ----------
    folder : path
        Made where it is not there.
    n_features : int
        Width of a row.

    Notes
    -----
    A shard is a safetensors file of digests (n, 32) and features (n, n_features), named by the SHA-256 of its content and
    put in place by a rename: a reader sees all of it or nothing, processes that write at once write different files or
    the same content, and of a killed one only a hidden temporary file remains. Rows are read through a memory map. Many
    small shards are put together into one; the old ones go only after that is in place.
    """

    def __init__(self, folder: Path | str, n_features: int) -> None:
        self.folder, self.n_features = make_folder(folder), n_features
        self._shards: dict[str, Array] = {}
        self._index: dict[bytes, tuple[str, int]] = {}
        self._clean()

    def __len__(self) -> int:
        return len(self._index)

    def refresh(self) -> None:
        """Take in what other processes have written since."""
        while True:
            names = {p.name for p in self.folder.glob("*.safetensors") if not p.name.startswith(".")}
            if names == set(self._shards):
                return
            self._shards, self._index = {}, {}
            for name in sorted(names):
                self._open(name)

    def find(self, digests: Sequence[bytes]) -> list[bool]:
        """Which rows are there."""
        return [d in self._index for d in digests]

    def take(self, digests: Sequence[bytes]) -> Array:
        """Rows that are there, in this order.

        Returns
        -------
        array of shape (len(digests), n_features), float32
        """
        found = np.empty((len(digests), self.n_features), np.float32)
        by_shard: dict[str, list[tuple[int, int]]] = {}
        for k, digest in enumerate(digests):
            name, row = self._index[digest]
            by_shard.setdefault(name, []).append((k, row))
        for name, pairs in by_shard.items():
            places, rows = np.array(pairs).T
            order = np.argsort(rows)  # a memory map likes to be read forwards
            found[places[order]] = self._shards[name][rows[order]]
        return found

    def put(self, digests: Sequence[bytes], features: Array) -> None:
        """Add rows.

        Raises
        ------
        DataError
            If the folder cannot be written or the disk is full; what is there stays whole.
        """
        if not len(digests):
            return
        self._write(np.frombuffer(b"".join(digests), np.uint8).reshape(-1, _DIGEST), features)
        if len(self._shards) > _MOST:
            self._join()

    def _write(self, digests: Array, features: Array) -> str:
        content = save({"digests": digests, "features": np.ascontiguousarray(features, dtype=np.float32)})
        name = f"{hashlib.sha256(content).hexdigest()[:32]}.safetensors"
        atomic_write(self.folder / name, content)
        self._open(name)
        return name

    def _open(self, name: str) -> None:
        """Map a shard and index its rows; one that another process has put together with others is gone, and no loss."""
        try:
            digests, features = _mapped(self.folder / name)
        except FileNotFoundError:
            return
        if features.shape[1:] != (self.n_features,):
            raise DataError(
                f"{self.folder / name}: rows must have {self.n_features} features. Got {features.shape[1:]}."
            )
        self._shards[name] = features
        whole = digests.tobytes()
        for row in range(len(features)):
            self._index.setdefault(whole[row * _DIGEST : (row + 1) * _DIGEST], (name, row))

    def _join(self) -> None:
        """Put all shards together into one."""
        self.refresh()
        old = list(self._shards)
        digests = list(self._index)
        joined = self._write(np.frombuffer(b"".join(digests), np.uint8).reshape(-1, _DIGEST), self.take(digests))
        for name in old:
            if name != joined:
                self._remove(self.folder / name)
        self._shards, self._index = {}, {}
        self.refresh()

    def _clean(self) -> None:
        """Remove what killed processes left."""
        for path in self.folder.glob(".*.safetensors.*"):
            try:
                if time.time() - path.stat().st_mtime > _STALE:
                    self._remove(path)
            except FileNotFoundError:
                continue

    def _remove(self, path: Path) -> None:
        try:
            path.unlink(missing_ok=True)
        except PermissionError:
            return  # mapped by another process, on a system that keeps such files; the next one removes it


def _mapped(path: Path) -> tuple[Array, Array]:
    """Digests, and features through a memory map.

    Raises
    ------
    DataError
        If the file is no shard.
    """
    try:
        with open(path, "rb") as file:
            size = int.from_bytes(file.read(8), "little")
            header: dict[str, Any] = json.loads(file.read(size)) if size < 2**16 else {}
        parts = []
        for name, dtype in (("digests", np.uint8), ("features", np.float32)):
            about = header[name]
            start, stop = about["data_offsets"]
            if not stop > start:
                raise ValueError("an empty shard")
            parts.append(np.memmap(path, dtype, "r", 8 + size + start, tuple(about["shape"])))
    except FileNotFoundError:
        raise
    except (OSError, ValueError, KeyError, TypeError) as err:
        raise DataError(f"{path}: must be a shard of features; it can be deleted. Got: {err}.") from err
    return np.array(parts[0]), parts[1]
