"""Frozen features: computed once for each sample, kept on disk by what they were made of."""

from __future__ import annotations

import copy
import hashlib
import json
import os
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from warnings import warn

import numpy as np
import platformdirs
import torch
from torch import nn

from ...core.errors import ParamError, TransferWarning
from ...core.files import atomic_write
from ...core.protocols import Array
from ..inputs.inputs import as_rows, check_input
from ..inputs.rows import Rows, sample_digest
from ..networks.backbone import Backbone, weights_digest
from ..networks.inference import outputs_of
from ..networks.structure import Unreadable, structure_digest
from ..training.device import Place, find_place
from .store import FeatureStore

__all__ = ["Extraction", "address_of", "default_folder", "extract", "extract_features"]

_FLUSH = 20.0  # seconds of work, at most, that a kill may lose
_LARGE = 4_000_000  # parameters in plain convolutions and linear layers from which bf16 pays on a CPU with AMX
_PRECISIONS = ("auto", "fp32", "bf16")


@dataclass(frozen=True)
class Extraction:
    """Features, and how they came about.

    Attributes
    ----------
    features : array of shape (n_samples, n_features), float32
    n_hits, n_computed, n_duplicates : int
        Rows that were there; rows that went through the network; rows that are another one once more.
    seconds : float
        Spent in decoding and in the network.
    precision : str
        "fp32" or "bf16".
    device : str
    folder : Path or None
        Where they are kept.
    """

    features: Array
    n_hits: int
    n_computed: int
    n_duplicates: int
    seconds: float
    precision: str
    device: str
    folder: Path | None


def extract(
    backbone: Backbone,
    X: Any,
    *,
    cache: Path | str | bool | None = None,
    batch_size: int = 64,
    device: str = "auto",
    precision: str = "auto",
    workers: int = 0,
    progress: Callable[[int, int], object] | None = None,
) -> Array:
    """Features of the samples, in their order.

    Parameters
    ----------
    backbone : Backbone
        Is left as it is.
    X : Samples, list of str, array, tensor or map-style Dataset
        Samples of the backbone's kind.
    cache : path or bool, default=None
        Folder in which features are kept and looked up; True is `default_folder`; None and False keep nothing.
    batch_size : int, default=64
        Rows that go through the network at a time; halved, with a warning, where memory runs out.
    device : str, default="auto"
        "auto" is a GPU where there is one.
    precision : {"auto", "fp32", "bf16"}, default="auto"
        "auto" is bf16 on a GPU that has it, on a CPU with AMX for networks large enough to gain, else fp32.
    workers : int, default=0
        Processes that decode.
    progress : callable, optional
        Called as ``progress(done, total)``, in rows that have to be computed.

    Returns
    -------
    array of shape (n_samples, n_features), float32

    Raises
    ------
    DataError, DomainError, ParamError
        If a sample is broken (what was computed before is kept), of another kind, or an argument is not as it must be.

    Notes
    -----
    A row's address is made of the network (its weights as they are now, its structure, the code of modules that no
    library brings), the preprocess outside training, the precision, and the SHA-256 of what the sample is made of. Equal
    samples are computed once. The network is in evaluation mode, so a row does not depend on the others but for rounding:
    a library's kernels may sum in another order for another batch size or, in texts, for more padding (measured in fp32:
    below 1e-6 of a row's norm for MobileNetV2, SqueezeNet and MiniLM). Texts are sorted by length, so that little is padded. A row
    that is in the cache comes back bit for bit.

    Examples
    --------
    >>> import numpy as np
    >>> from torch import nn
    >>> from transferkit.engine.backbones import load_backbone
    >>> from transferkit.engine.features.extraction import extract
    >>> X = np.eye(4, dtype=np.float32)
    >>> backbone = load_backbone(nn.Linear(4, 2), sample=X[0])
    >>> extract(backbone, X).shape
    (4, 2)
    """
    found = extract_features(
        backbone, X, cache=cache, batch_size=batch_size, device=device, precision=precision, workers=workers,
        progress=progress,
    )  # fmt: skip
    return found.features


def extract_features(
    backbone: Backbone,
    X: Any,
    *,
    cache: Path | str | bool | None = None,
    batch_size: int = 64,
    device: str = "auto",
    precision: str = "auto",
    workers: int = 0,
    progress: Callable[[int, int], object] | None = None,
) -> Extraction:
    """`extract`, with how the features came about; parameters, raises as there."""
    X = check_input("extract", X)
    rows = as_rows("extract", X, backbone)
    if not isinstance(batch_size, int) or batch_size < 1:
        raise ParamError(f"extract: batch_size must be a whole number of at least 1. Got {batch_size!r}.")
    if precision not in _PRECISIONS:
        raise ParamError(f"extract: precision must be one of {', '.join(_PRECISIONS)}. Got {precision!r}.")
    place = find_place(device, "fp32")
    place = Place(place.device, _precision(precision, place.device, backbone.body))
    digests = [sample_digest(X, int(i)) for i in rows.index]
    first = {d: k for k, d in reversed(list(enumerate(digests)))}
    store = None
    missing = sorted(first.values())
    folder = _folder(backbone, cache, place.precision) if cache else None
    if folder is not None:
        store = FeatureStore(folder, backbone.n_features)
        store.refresh()
        missing = [k for k, there in zip(missing, store.find([digests[k] for k in missing])) if not there]
        _describe(folder, backbone, place.precision)
    clock = time.perf_counter()
    fresh = _compute(backbone, rows, missing, place, batch_size, workers, progress, store, digests)
    seconds = time.perf_counter() - clock
    if store is not None:
        features = store.take(digests)
    else:
        where = {digests[k]: i for i, k in enumerate(missing)}
        features = fresh[[where[d] for d in digests]]
    return Extraction(
        features, len(first) - len(missing), len(missing), len(digests) - len(first), seconds, place.precision,
        str(place.device), folder,
    )  # fmt: skip


def _compute(
    backbone: Backbone,
    rows: Rows,
    missing: Sequence[int],
    place: Place,
    batch_size: int,
    workers: int,
    progress: Callable[[int, int], object] | None,
    store: FeatureStore | None,
    digests: Sequence[bytes],
) -> Array:
    """Features of the missing rows; into the store as they come, where there is one, else all in the order of `missing`."""
    done = 0
    found = np.empty((0 if store is not None else len(missing), backbone.n_features), np.float32)
    if not len(missing):
        return found
    body = place.put(copy.deepcopy(backbone.body))
    order = np.arange(len(missing))
    if backbone.kind == "text":
        lengths = [len(rows[k]) for k in missing]
        order = np.argsort(lengths, kind="stable")[::-1]  # the longest first: memory runs out at once or never
    size = batch_size * max(1, workers)
    while done < len(missing):
        chunk = order[done : done + size]
        numbers = [missing[i] for i in chunk]
        clock = time.perf_counter()
        part = Rows(rows.X, rows.preprocess)  # a new one: what is decoded is not needed again
        part.index = rows.index[numbers]
        Z = outputs_of(body, body, part, place, batch_size, workers)
        if Z.ndim != 2:
            raise ParamError(
                f"extract: {backbone.name} must put out pooled features. Got shape {(len(part), *Z.shape[1:])}."
            )
        if store is None:
            found[chunk] = Z
        else:
            store.put([digests[k] for k in numbers], Z)
        done += len(chunk)
        spent = time.perf_counter() - clock
        if spent < _FLUSH / 4:
            size *= 2  # fewer and larger shards, up to what a kill may lose
        if progress is not None:
            progress(done, len(missing))
    return found


def default_folder() -> Path:
    """Where features are kept: TRANSFERKIT_CACHE, else the user's cache folder; below it "features"."""
    root = os.environ.get("TRANSFERKIT_CACHE") or platformdirs.user_cache_dir("transferkit")
    return Path(root).expanduser() / "features"


def _folder(backbone: Backbone, cache: Path | str | bool, precision: str) -> Path | None:
    """The network's folder in the cache; None, with a warning, where its address would not be its own."""
    root = default_folder() if cache is True else Path(str(cache)).expanduser()
    try:
        return root / address_of(backbone, precision)
    except Unreadable as err:
        warn(f"extract: features of {backbone.name} are not kept: {err} cannot be read.", TransferWarning, stacklevel=4)
        return None


def address_of(backbone: Backbone, precision: str = "fp32") -> str:
    """SHA-256 of all that features depend on beside the sample.

    Parameters
    ----------
    backbone : Backbone
        Its weights count as they are now, not as they were when it was loaded.
    precision : str

    Returns
    -------
    address : str
        40 hexadecimal digits.

    Raises
    ------
    Unreadable
        As `structure_digest`.
    """
    parts = (weights_digest(backbone.body), structure_digest(backbone.body), backbone.preprocess.key, precision)
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()[:40]


def _precision(asked: str, device: torch.device, body: nn.Module) -> str:
    if asked != "auto":
        return asked
    if device.type == "cuda":
        return "bf16" if torch.cuda.is_bf16_supported() else "fp32"
    return "bf16" if device.type == "cpu" and _has_amx() and _gains(body) else "fp32"


def _has_amx() -> bool:
    """Whether the CPU multiplies bf16 matrices in hardware made for it."""
    look = getattr(torch.cpu, "get_capabilities", None)
    if look is not None:
        return bool(look().get("amx_bf16", False))
    flags = Path("/proc/cpuinfo")
    return flags.exists() and " amx_bf16" in flags.read_text(encoding="utf-8", errors="replace")


def _gains(body: nn.Module) -> bool:
    """Whether most of the work is in matrix products that are large enough; depthwise convolutions are none."""
    plain = [
        m.weight.numel()
        for m in body.modules()
        if isinstance(m, nn.Linear) or (isinstance(m, (nn.Conv1d, nn.Conv2d)) and m.groups == 1)
    ]
    return sum(plain) >= _LARGE


def _describe(folder: Path, backbone: Backbone, precision: str) -> None:
    """For a person who looks into the folder."""
    file = folder / "about.json"
    if not file.exists():
        about = {
            "backbone": backbone.name,
            "weights": weights_digest(backbone.body),
            "n_features": backbone.n_features,
            "precision": precision,
            "preprocess": json.loads(backbone.preprocess.key),
        }
        atomic_write(file, json.dumps(about, indent=1) + "\n")
