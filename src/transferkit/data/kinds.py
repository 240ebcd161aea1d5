"""Files become samples: which files belong to which kind, and what a folder, a zip file or a list of paths holds."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import polars as pl

from ..core.errors import DataError
from .arrays import split_labels
from .audio import AUDIO_SUFFIXES, AudioSamples, check_audio
from .images import IMAGE_SUFFIXES, ImageSamples, check_image
from .layout import Entry, arrange, no_split, splits_of
from .places import Found, Place, name_of
from .rows import Ask, Part, tell_skipped
from .samples import Samples
from .series import RECORDING_SUFFIXES, SeriesSamples, read_recording, windows
from .texts import TEXT_SUFFIXES, TextSamples, read_text, text_column, text_part

__all__ = ["KINDS", "Kind", "folder_part", "kind_of_files", "samples_of_table"]


@dataclass(frozen=True)
class Kind:
    """One kind of samples.

    Attributes
    ----------
    noun : str
        What messages call them.
    suffixes : tuple of str
        Ends of file names, in lower case.
    samples : type
    load : callable
        ``load(place, ask)`` gives the items that one file holds; raises DataError where it is broken.
    """

    noun: str
    suffixes: tuple[str, ...]
    samples: type[Samples]
    load: Callable[[Place, Ask], Sequence[Any]]

    def has(self, file: str) -> bool:
        """Whether a file is of this kind by its name."""
        return file.lower().endswith(self.suffixes)


def _image(place: Place, ask: Ask) -> Sequence[Any]:
    check_image(place, ask.check)
    return [place]


def _audio(place: Place, ask: Ask) -> Sequence[Any]:
    check_audio(place, ask.check)
    return [place]


def _text(place: Place, ask: Ask) -> Sequence[Any]:
    return [read_text(place)]


def _windows(place: Place, ask: Ask) -> Sequence[Any]:
    return windows(read_recording(place), ask.window, ask.hop, name_of(place))


# The one list to extend.
KINDS: dict[str, Kind] = {
    "images": Kind("images", IMAGE_SUFFIXES, ImageSamples, _image),
    "audio": Kind("audio files", AUDIO_SUFFIXES, AudioSamples, _audio),
    "text": Kind("texts", TEXT_SUFFIXES, TextSamples, _text),
    "series": Kind("recordings", RECORDING_SUFFIXES, SeriesSamples, _windows),
}


def kind_of_files(found: Iterable[Found], ask: Ask) -> str | None:
    """The kind that most files are of; None if there is no file of any.

    Recordings are tables by their names, and texts notes: the first are taken for samples only where they are asked
    for, the second only in folders of their own.
    """
    if ask.samples is not None or ask.window is not None:
        return ask.samples or "series"
    found = list(found)
    counts = {
        name: sum(kind.has(f.parts[-1]) and (name != "text" or len(f.parts) > 1) for f in found)
        for name, kind in KINDS.items()
        if name != "series"
    }
    best = max(counts, key=lambda name: counts[name])
    return best if counts[best] else None


def folder_part(found: Sequence[Found], name: str, origin: str, ask: Ask) -> Part:
    """The files of one kind among those of a folder or zip file; all others are strays.

    Raises
    ------
    DataError
        If there is none that can be read; with `strict`, if one is broken or lies outside of the class folders.
    """
    kind = KINDS[name]
    if ask.domain_column is not None:
        raise DataError(f"{origin}: domain_column must go with a table. Got a folder of {kind.noun}.")
    entries, outside = arrange([f for f in found if kind.has(f.parts[-1])])
    return _gather(entries, kind, ask, origin, outside)


def samples_of_table(part: Part, ask: Ask, resolve: Callable[[str], Place | None]) -> Part:
    """The same part with samples instead of a column of paths or texts, where there is such a column.

    Parameters
    ----------
    part : Part
        A table.
    ask : Ask
        Its `path` or `text` names the column. Otherwise a column of names of files that exist holds paths, and a column
        of sentences holds texts if there is no other one.
    resolve : callable
        The place that a path in the table means, or None where there is no such file.
    """
    X = part.X
    if not isinstance(X, pl.DataFrame):
        return part
    if ask.text is not None:
        return text_part(part, X.columns[0], ask)  # the first of the few that were read
    if ask.path is not None:
        return _files(part, X.columns[0], ask, resolve)
    if ask.samples in (None, "images", "audio"):
        paths = [c for c in X.columns if _holds_paths(X[c], ask, resolve)]
        if len(paths) > 1:
            raise DataError(
                f"{part.origin}: path must name one of {', '.join(map(repr, paths))}: all hold paths of files."
            )
        if paths:
            return _files(part, paths[0], ask, resolve)
    if ask.samples in (None, "text"):
        column = text_column(X)
        if column is not None and (ask.samples == "text" or X.columns == [column]):
            return text_part(part, column, ask)
    if ask.samples is not None:
        argument = "text" if ask.samples == "text" else "path"
        raise DataError(
            f"{part.origin}: {argument} must name a column. None was found that holds {KINDS[ask.samples].noun}."
        )
    return part


def _holds_paths(column: pl.Series, ask: Ask, resolve: Callable[[str], Place | None]) -> bool:
    if column.dtype != pl.String or column.null_count() == len(column):
        return False
    kinds = [KINDS[ask.samples]] if ask.samples else [k for name, k in KINDS.items() if name in ("images", "audio")]
    values = column.drop_nulls().unique(maintain_order=True).to_list()
    return any(all(map(kind.has, values)) for kind in kinds) and any(resolve(v) is not None for v in values[:1000])


def _files(part: Part, column: str, ask: Ask, resolve: Callable[[str], Place | None]) -> Part:
    paths = part.X[column].to_list()
    named = [p for p in paths if p]
    if not named:
        raise DataError(f"{part.origin}: path must name a column of file names. Got {column!r}, which is empty.")
    kinds = {name: sum(map(kind.has, named)) for name, kind in KINDS.items()}
    kind = KINDS[ask.samples or ("series" if ask.window is not None else max(kinds, key=lambda name: kinds[name]))]
    splits = splits_of(part.X)
    entries = [
        Entry(
            (resolve(path) or path) if path else f"row {i + 1} without a path",
            part.y[i] if part.y is not None and (part.known is None or part.known[i]) else None,
            None if splits is None else splits[i],
            None if part.groups is None else part.groups[i],
        )
        for i, path in enumerate(paths)
    ]
    return _gather(entries, kind, ask, part.origin)


def _gather(entries: Sequence[Entry], kind: Kind, ask: Ask, origin: str, outside: Sequence[str] = ()) -> Part:
    """Look at every file, leave the broken ones out, and make one part of the rest."""
    if ask.split is not None:
        there = [e.split for e in entries]
        entries = [e for e in entries if e.split == ask.split]
        if not entries:
            raise no_split(origin, ask.split, there)
    with ThreadPoolExecutor(min(8, os.cpu_count() or 1)) as pool:
        results = list(pool.map(partial(_attempt, kind, ask), entries))
    broken = [str(r) for r in results if isinstance(r, DataError)]
    broken += [f"{name} lies outside of the folders" for name in outside]
    items: list[Any] = []
    kept: list[Entry] = []
    groups: list[str] = []
    for entry, result in zip(entries, results):
        if not isinstance(result, DataError):
            items += result
            kept += [entry] * len(result)
            groups += [name_of(entry.place)] * len(result)
    tell_skipped(broken, len(entries) + len(outside), kind.noun, origin, ask.strict, len(items))
    splits = [e.split or "" for e in kept] if any(e.split for e in kept) else None
    try:
        X = kind.samples(items, splits=splits, groups=groups if len(set(groups)) < len(groups) else None)
    except DataError as err:
        raise DataError(f"{origin}: {err}") from err
    labels = np.empty(len(kept), dtype=object)
    labels[:] = [e.label for e in kept]
    y, known = split_labels(labels, origin)
    domains = np.array([e.domain for e in kept], dtype=object) if any(e.domain is not None for e in kept) else None
    return Part(X, y, known, domains, origin)


def _attempt(kind: Kind, ask: Ask, entry: Entry) -> Sequence[Any] | DataError:
    try:
        return kind.load(entry.place, ask)
    except DataError as err:
        return err
