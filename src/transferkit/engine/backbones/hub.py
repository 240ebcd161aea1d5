"""Files of the model hub: from its cache, else fetched, else one sentence that says how to get them."""

from __future__ import annotations

import difflib
import os
from importlib import import_module
from pathlib import Path
from typing import Any

from ...core.errors import DataError, MissingExtraError

__all__ = ["folder", "library", "offline"]

_TIMEOUT = 5  # seconds for the hub's first answer
_SMALL = ("*.json", "*.txt", "*.model", "*/config.json")


def library(name: str, extra: str) -> Any:
    """A library that an extra brings.

    Raises
    ------
    MissingExtraError
    """
    try:
        return import_module(name)
    except ModuleNotFoundError as err:
        if (err.name or "").partition(".")[0] != name.partition(".")[0]:
            raise
        package = name.partition(".")[0].replace("_", "-")
        raise MissingExtraError(f"load_backbone needs {package}: pip install 'transferkit[{extra}]'") from err


def offline() -> bool:
    """Whether the user wants no network."""
    return any(
        os.environ.get(n, "").upper() in ("1", "ON", "YES", "TRUE") for n in ("HF_HUB_OFFLINE", "TRANSFORMERS_OFFLINE")
    )


def folder(repo: str, source: str, *, weights: str = "*.safetensors") -> Path:
    """A folder with a model's files.

    Parameters
    ----------
    repo : str
        Name on the hub.
    source : str
        What the user wrote, for messages.
    weights : str, default="*.safetensors"
        Pattern of the file that must be there.

    Returns
    -------
    Path

    Raises
    ------
    DataError
        In one line, where the files are neither in the cache nor to be had.
    """
    hub = library("huggingface_hub", "vision")
    errors = import_module("huggingface_hub.errors")
    patterns = [*_SMALL, weights]
    try:
        found = Path(hub.snapshot_download(repo, allow_patterns=patterns, local_files_only=True))
        if any(found.glob(weights)):
            return found
    except (errors.LocalEntryNotFoundError, errors.HFValidationError):
        pass  # not in the cache, or no name at all: said below
    how = (
        f"get it with `hf download {repo}` where there is a network, or give a folder or file:PATH{_cached(hub, repo)}"
    )
    if offline() or repo.count("/") > 1:
        raise DataError(f"{source}: is not in the hub's cache and HF_HUB_OFFLINE is set; {how}.")
    try:
        found = Path(hub.snapshot_download(repo, allow_patterns=patterns, etag_timeout=_TIMEOUT))
    except errors.GatedRepoError as err:
        raise DataError(f"{source}: {repo} must be asked for on the hub, and `hf auth login` done.") from err
    except (errors.RepositoryNotFoundError, errors.HFValidationError) as err:
        raise DataError(
            f"{source}: must be the name of a model on the hub. There is no {repo}.{_cached(hub, repo)}"
        ) from err
    except (errors.HfHubHTTPError, OSError, *_network_errors()) as err:
        raise DataError(f"{source}: is not in the hub's cache, and the hub cannot be reached; {how}.") from err
    if not any(found.glob(weights)):
        raise DataError(f"{source}: {repo} must have weights as safetensors. It has none.")
    return found


def _network_errors() -> tuple[type[Exception], ...]:
    """What the hub's http client raises, whichever of the two it is built on."""
    found = []
    for module, name in (("httpx", "HTTPError"), ("requests", "RequestException")):
        try:
            found.append(getattr(import_module(module), name))
        except ModuleNotFoundError:
            continue
    return tuple(found)


def _cached(hub: Any, repo: str) -> str:
    """The nearest names in the cache."""
    try:
        names = [r.repo_id for r in hub.scan_cache_dir(import_module("huggingface_hub.constants").HF_HUB_CACHE).repos]
    except hub.CacheNotFound:
        return ""
    near = difflib.get_close_matches(repo, names, n=3, cutoff=0.5)
    return f" (in the cache: {', '.join(near)})" if near else ""
