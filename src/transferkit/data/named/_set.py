"""What is known of a named data set, and where its files may lie."""

from __future__ import annotations

import hashlib
import posixpath
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any, Literal

__all__ = ["File", "NamedSet", "Place", "Rows", "folder_of", "github", "sum_of"]

Rows = Mapping[str, tuple[Any, ...]]  # domain -> (X, y), or (X, y, known, edges) where rows are the nodes of a graph


@dataclass(frozen=True)
class File:
    """One file of a data set.

    Attributes
    ----------
    path : str
        Relative to the folder that holds all data sets.
    sha256 : str
        Sum of the file's bytes, or of what is inside.
    size : int or None
        Bytes, where fixed.
    url : str or None
        Its pinned public address; None where there is none with these bytes.
    of : {"bytes", "content"}
        ``"content"`` is for containers that are packed anew at each download or place: the sum is then over what is
        inside, as the data set's `content` gives it.
    """

    path: str
    sha256: str
    size: int | None = None
    url: str | None = None
    of: Literal["bytes", "content"] = "bytes"


@dataclass(frozen=True)
class Place:
    """A folder in which a data set was found."""

    folder: Path
    original: bool  # it holds the files as published, not as repacked


@dataclass(frozen=True, eq=False)
class NamedSet:
    """A public data set: what it is, where it comes from, and how it becomes domains.

    Attributes
    ----------
    name : str
        As in ``office-caltech-surf``.
    title : str
        What it is, in one line.
    domains : tuple of str
        Names of its domains.
    task : {"classification", "regression"}
        What the first of `labels` asks for.
    n_features : int, dict or None
        Columns of X with the first of `preprocessings`; by domain where they differ; None where X is Samples.
    files : tuple of File
        As they lie in the folder that ``TRANSFERKIT_DATA`` names, all below one folder.
    licence : str
        As the source states it.
    source : str
        Repository and commit, or publisher.
    read : callable
        ``(place, domains, label, preprocess) -> {domain: (X, y)}``; of graphs ``{domain: (X, y, known, edges)}``.
    labels : tuple of str
        Columns that may be the label; the first is the default.
    preprocessings : tuple of str
        The first is the default; ``"paper"`` is the protocol of the published tables.
    classes : tuple of str
        Names of the classes in the order of the integer labels, where they are known.
    notes : tuple of str
        What is odd and has to be known before use.
    originals : tuple of File
        What `fetch` downloads where `files` are a repacking; `read` takes either.
    content : callable or None
        ``(path, file) -> str``: the sum of what is inside a file whose `of` is ``"content"``.
    """

    name: str
    title: str
    domains: tuple[str, ...]
    task: Literal["classification", "regression"]
    n_features: int | dict[str, int] | None
    files: tuple[File, ...]
    licence: str
    source: str
    read: Callable[[Place, tuple[str, ...], str, str], Rows]
    labels: tuple[str, ...] = ("class",)
    preprocessings: tuple[str, ...] = ("raw",)
    classes: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    originals: tuple[File, ...] = ()
    content: Callable[[Path, File], str] | None = None


def folder_of(files: Sequence[File]) -> PurePosixPath:
    """The folder that holds all files of a set, relative to that of all sets."""
    return PurePosixPath(posixpath.commonpath([posixpath.dirname(f.path) for f in files]))


def github(repository: str, commit: str, path: str) -> str:
    """Address of a file at a full commit hash."""
    from urllib.parse import quote

    return f"https://raw.githubusercontent.com/{repository}/{commit}/{quote(path)}"


def sum_of(path: Path) -> str:
    """SHA-256 of a file's bytes."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
