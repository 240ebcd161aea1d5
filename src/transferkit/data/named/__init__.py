"""Named public data sets: found on this machine or fetched from a pinned address, sums checked, returned as domains.

They are looked for in the folder that the environment variable ``TRANSFERKIT_DATA`` names, then in the cache. Each file
of this package holds one data set as ``SET``; adding one means adding a file.
"""

from __future__ import annotations

import importlib
import os
import pkgutil
import re
import zipfile
from collections.abc import Iterable, Mapping, Sequence
from functools import cache, partial
from pathlib import Path, PurePosixPath
from types import MappingProxyType

from ...core.errors import DataError, ParamError
from ...core.protocols import Domain
from ..download import Progress
from ..download import download as download_file
from ..rows import reading
from ._set import File, NamedSet, Place, folder_of, sum_of

__all__ = ["File", "NamedSet", "cache_dir", "datasets", "fetch", "info", "load", "reference", "where"]

_checked: set[tuple[str, int, int, str]] = set()  # files whose sum was right: path, time, size, sum


@cache
def datasets() -> Mapping[str, NamedSet]:
    """All data sets by name.

    Examples
    --------
    >>> from transferkit.data import named
    >>> named.datasets()["digits"].domains
    ('clean', 'scanner')
    """
    found: dict[str, NamedSet] = {}
    for module in pkgutil.iter_modules(__path__):
        if module.name.startswith("_"):
            continue
        one = importlib.import_module(f"{__name__}.{module.name}").SET
        if one.name in found:
            raise DataError(f"{module.name}.py: the data set name {one.name!r} is taken already.")
        found[one.name] = one
    return MappingProxyType(found)


def info(name: str) -> NamedSet:
    """What is known of one data set.

    Raises
    ------
    DataError
        If there is no such data set; the message suggests near names.
    """
    known = datasets()
    if name not in known:
        raise DataError(f"{name}: is not a named data set.{_near(name, known, '`transferkit data list` shows them.')}")
    return known[name]


def cache_dir() -> Path:
    """Where fetched data sets lie: under the folder that ``TRANSFERKIT_CACHE`` names, else in the user's cache."""
    import platformdirs

    return Path(os.environ.get("TRANSFERKIT_CACHE") or platformdirs.user_cache_dir("transferkit")) / "data"


def where(name: str) -> Path | None:
    """The folder in which a data set lies on this machine, or None.

    Raises
    ------
    DataError
        If there is no such data set.
    """
    place = _place(info(name))
    return None if place is None else place.folder


def fetch(name: str, progress: Progress | None = None) -> Path:
    """Make sure that a data set is on this machine, downloading it into the cache where it is not.

    Parameters
    ----------
    name : str
        Name of the data set.
    progress : callable, optional
        Called with the file's name, its bytes so far and its bytes in all (None where unknown).

    Returns
    -------
    folder : Path
        Where it lies.

    Raises
    ------
    DataError
        If there is no such data set or no public address of it, an address does not answer, or a sum is wrong.
        No file with a wrong sum is left in the cache.
    """
    one = info(name)
    there = _place(one, _roots()[:-1])  # what lies outside the cache is the user's: checked, never replaced
    if there is not None:
        _check(one, there)
        return there.folder
    if not one.files:
        return _bundled().folder
    wanted = one.originals or one.files
    if any(f.url is None for f in wanted):
        raise DataError(
            f"{name}: has no public address with these bytes. It comes from {one.source}; put"
            f" {', '.join(f.path for f in one.files)} into the folder that TRANSFERKIT_DATA names."
        )
    for file in wanted:
        path = cache_dir() / file.path
        if not (path.is_file() and _is_right(one, file, path)):
            assert file.url is not None
            download_file(file.url, path, partial(_check_file, one, file), size=file.size, progress=progress)
    return cache_dir() / folder_of(wanted)


def load(
    name: str,
    *,
    preprocess: str | None = None,
    label: str | None = None,
    domains: Iterable[str] | None = None,
    download: bool = False,
) -> dict[str, Domain]:
    """The domains of a data set.

    Parameters
    ----------
    name : str
        Name of the data set, as in ``"office-caltech-surf"``.
    preprocess : str, optional
        One of the set's `preprocessings`; None is the first, which is ``"raw"`` for most. ``"paper"`` is the protocol
        of the published tables.
    label : str, optional
        One of the set's `labels`; None is the first.
    domains : iterable of str, optional
        The domains wanted, in this order; None is all.
    download : bool, default=False
        Whether to fetch the set where it is not on this machine.

    Returns
    -------
    domains : dict of str to Domain
        Labelled, every label known.

    Raises
    ------
    DataError
        If there is no such set or domain, it is not on this machine, or a file's sum is wrong.
    ParamError
        If `preprocess` or `label` is not among the set's; the message lists them.

    Examples
    --------
    >>> from transferkit.data import named
    >>> digits = named.load("digits")
    >>> digits["clean"].X.shape, digits["scanner"].X.shape
    ((901, 64), (896, 64))
    """
    one = info(name)
    chosen = _one_of("preprocess", preprocess, one.preprocessings, name)
    column = _one_of("label", label, one.labels, name)
    wanted = one.domains if domains is None else tuple(domains)
    for domain in wanted:
        if domain not in one.domains:
            raise DataError(
                f"{name}:{domain}: is not a domain of it.{_near(domain, one.domains, 'It has ' + ', '.join(one.domains) + '.')}"
            )
    place = _place(one)
    if place is None and download:
        fetch(name)
        place = _place(one)
    if place is None:
        raise DataError(
            f"{name}: is not on this machine (looked in {', '.join(map(str, _roots()))})."
            f" Get it with: transferkit data fetch {name}"
        )
    _check(one, place)
    rows = one.read(place, wanted, column, chosen)
    return {domain: Domain(*rows[domain], name=domain) for domain in wanted}


def reference(text: str, label: str | None = None) -> Domain | None:
    """The domain that ``"NAME:DOMAIN"`` names, or None where the text does not have this form.

    Parameters
    ----------
    text : str
        As in ``"office-caltech-surf:amazon"``.
    label : str, optional
        One of the set's `labels`; None is the first.

    Raises
    ------
    DataError, ParamError
        As `load`.

    Examples
    --------
    >>> from transferkit.data import named
    >>> named.reference("digits:clean").n_samples
    901
    >>> named.reference("tables/clean.csv") is None
    True
    """
    match = re.fullmatch(r"([A-Za-z0-9][\w-]+):([^/\\:]+)", text)
    if match is None:
        return None
    name, domain = match.groups()
    return load(name, domains=[domain], label=label)[domain]


def _near(word: str, known: Iterable[str], otherwise: str) -> str:
    import difflib

    near = difflib.get_close_matches(word, list(known), n=3, cutoff=0.5)
    return f" Did you mean {', '.join(near)}?" if near else f" {otherwise}"


def _one_of(argument: str, value: str | None, options: tuple[str, ...], name: str) -> str:
    if value is None:
        return options[0]
    if value not in options:
        raise ParamError(f"named.load: {argument} of {name} must be one of {', '.join(options)}. Got {value!r}.")
    return value


def _roots() -> list[Path]:
    given = os.environ.get("TRANSFERKIT_DATA")
    return ([Path(given)] if given else []) + [cache_dir()]


def _bundled() -> Place:
    import sklearn

    return Place(Path(sklearn.__file__).parent / "datasets" / "data", original=True)


def _place(one: NamedSet, roots: Sequence[Path] | None = None) -> Place | None:
    if not one.files:
        return _bundled()
    for root in _roots() if roots is None else roots:
        for files, original in ((one.files, not one.originals), (one.originals, True)):
            if files and all((root / f.path).is_file() for f in files):
                return Place(root / folder_of(files), original)
    return None


def _check(one: NamedSet, place: Place) -> None:
    files = one.originals if place.original and one.originals else one.files
    for file in files:
        _check_file(one, file, place.folder / PurePosixPath(file.path).relative_to(folder_of(files)))


def _check_file(one: NamedSet, file: File, path: Path) -> None:
    if not _is_right(one, file, path):
        raise DataError(
            f"{path}: must be {file.path} of {one.name} with SHA-256 {file.sha256[:12]}... It has another sum."
        )


def _is_right(one: NamedSet, file: File, path: Path) -> bool:
    """Whether the sum is right; it is taken once for each state of a file in a process."""
    try:
        state = path.stat()
        key = (str(path), state.st_mtime_ns, state.st_size, file.sha256)
        if key in _checked:
            return True
        if file.of == "content":
            found = _content(one, file, path)
        else:
            found = "" if file.size not in (None, state.st_size) else sum_of(path)
    except OSError as err:
        raise DataError(f"{path}: cannot be read ({err.strerror or err}).") from err
    if found == file.sha256:
        _checked.add(key)
        return True
    return False


def _content(one: NamedSet, file: File, path: Path) -> str:
    assert one.content is not None
    try:
        with reading(str(path), "what it should be", zipfile.BadZipFile):
            return one.content(path, file)
    except DataError:
        return ""  # a container that cannot be read has no right content
