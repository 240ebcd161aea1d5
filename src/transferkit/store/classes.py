"""Which classes a saved folder may bring to life: ours by id, scikit-learn's by name, others only where the user says so."""

from __future__ import annotations

import importlib
import io
import json
import re
import sys
import zipfile
from collections.abc import Iterable
from dataclasses import is_dataclass
from functools import partial
from typing import Any

from sklearn.base import BaseEstimator

from .. import catalogue

__all__ = ["Untrusted", "class_id", "dump_part", "find_class", "load_part", "name_of"]


def _import_skops() -> Any:
    """``skops.io``, without torch: it imports all of scikit-learn, and so an adapter to torch where that is installed."""
    adapter = "sklearn.externals.array_api_compat.torch"
    hidden = adapter not in sys.modules
    if hidden:
        sys.modules[adapter] = None  # type: ignore[assignment]
    try:
        return importlib.import_module("skops.io")
    finally:
        if hidden:
            del sys.modules[adapter]


_skops = _import_skops()
_LARGE, _SHRINK = 2**31, 100  # bytes, and times, beyond which a part's promised size is not believed
# skops trusts scikit-learn's public estimators. These are what they hold after a fit: numbers and nothing that calls out.
_SKLEARN_PARTS = frozenset(
    [
        *(
            f"sklearn.metrics._dist_metrics.{metric}Distance{bits}"
            for metric in ("Chebyshev", "Euclidean", "Manhattan", "Minkowski")
            for bits in (32, 64)
        ),
        *(f"sklearn.neighbors._{tree}" for tree in ("ball_tree.BallTree", "kd_tree.KDTree")),
        *(
            f"sklearn.gaussian_process.kernels.{kernel}"
            for kernel in (
                "CompoundKernel", "ConstantKernel", "DotProduct", "Exponentiation", "ExpSineSquared", "Matern",
                "PairwiseKernel", "Product", "RBF", "RationalQuadratic", "Sum", "WhiteKernel",
            )
        ),
        *(
            f"sklearn.model_selection._split.{split}"
            for split in ("GroupKFold", "KFold", "ShuffleSplit", "StratifiedKFold", "StratifiedShuffleSplit")
        ),
        "numpy.dtype",
        "scipy.sparse._csr.csr_matrix",
        "sklearn._loss.loss.HalfTweedieLoss",
        "sklearn._loss.loss.HalfTweedieLossIdentity",
        "sklearn.calibration._CalibratedClassifier",
        "sklearn.calibration._SigmoidCalibration",
        "sklearn.cluster._bisect_k_means._BisectingTree",
        "sklearn.ensemble._hist_gradient_boosting.predictor.TreePredictor",
        "sklearn.gaussian_process._gpc._BinaryGaussianProcessClassifierLaplace",
        "sklearn.metrics._scorer._PassthroughScorer",
        "sklearn.neural_network._stochastic_optimizers.AdamOptimizer",
        "sklearn.neural_network._stochastic_optimizers.SGDOptimizer",
        "sklearn.tree._tree.Tree",
        "sklearn.utils._bunch.Bunch",
    ]
)  # fmt: skip
_NAME = re.compile(r"transferkit(\.[A-Za-z_]\w*)+")


class Untrusted(Exception):
    """A class outside what may be saved and loaded; the argument is its dotted name."""


def name_of(cls: type) -> str:
    """Dotted name of a class."""
    return f"{cls.__module__}.{cls.__qualname__}"


def class_id(cls: type) -> str | None:
    """The id of one of our classes, as in ``transferkit.core.compose:TransferPipeline``; None for any other."""
    name = f"{cls.__module__}:{cls.__qualname__}"
    return name if find_class(name) is cls else None


def find_class(name: str) -> type[Any] | None:
    """The class with an id: one of a method's file, the core, the table encoder or the engine's plain state; else None.

    Raises
    ------
    MissingExtraError
        If the method needs a package that is not installed.
    """
    module, _, cls = name.partition(":")
    if not _NAME.fullmatch(module):
        return None
    card = next((c for c in catalogue.cards().values() if c.module == module), None)
    if card is not None:
        catalogue.load(card.name)  # says which extra is missing
    elif not module.startswith(("transferkit.core.", "transferkit.engine.")) and module != "transferkit.data.encode":
        return None
    try:
        found = vars(importlib.import_module(module)).get(cls)
    except ModuleNotFoundError:
        return None
    if not isinstance(found, type) or found.__module__ != module:
        return None
    # Of the engine what is plain state: settings and descriptions of labels.
    plain = not module.startswith("transferkit.engine.") or is_dataclass(found) or issubclass(found, BaseEstimator)
    return found if plain else None


def dump_part(value: Any, trusted: Iterable[str]) -> bytes:
    """A scikit-learn object as skops bytes.

    Raises
    ------
    Untrusted
        If it holds something that `load_part` would refuse, with the name of the class.
    """
    try:
        content: bytes = _skops.dumps(value)
    except _skops.exceptions.UnsupportedTypeException as err:
        raise Untrusted(str(err).rstrip(".")) from err
    _check(content, trusted)
    return _settled(content)


def _settled(content: bytes) -> bytes:
    """Skops bytes without what differs from one save to the next: addresses in memory, and the time of day."""
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        parts = {name: archive.read(name) for name in archive.namelist()}
    numbers: dict[Any, int] = {}
    files: dict[str, str] = {}

    def renumber(node: Any) -> None:
        if isinstance(node, dict) and "__id__" in node:
            # Equal constants may or may not be one object: they are told apart by what they say.
            key = (node["__class__"], node["content"]) if node["__loader__"] == "JsonNode" else node["__id__"]
            node["__id__"] = numbers.setdefault(key, len(numbers))
            file = node.get("file")
            if isinstance(file, str):
                node["file"] = files.setdefault(file, f"{len(files)}.{file.rpartition('.')[2]}")
        for child in node.values() if isinstance(node, dict) else node if isinstance(node, list) else ():
            renumber(child)

    schema = json.loads(parts.pop("schema.json"))
    renumber(schema)
    settled = io.BytesIO()
    # Trees shrink to a fifth; level 1 takes a quarter of a second for 25 MB, more levels gain little.
    with zipfile.ZipFile(settled, "w") as archive:
        pack = partial(archive.writestr, compress_type=zipfile.ZIP_DEFLATED, compresslevel=1)
        for old, new in files.items():
            pack(zipfile.ZipInfo(new), parts.pop(old))
        for name, part in parts.items():
            pack(zipfile.ZipInfo(name), part)
        pack(zipfile.ZipInfo("schema.json"), json.dumps(schema))
    return settled.getvalue()


def load_part(content: bytes, trusted: Iterable[str]) -> Any:
    """The object of skops bytes, after a look at its size and at the names of all its classes.

    Raises
    ------
    ValueError
        If few bytes would become very many.
    Untrusted
        Naming the classes that are not trusted; nothing was built then.
    """
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        size = sum(entry.file_size for entry in archive.infolist())
    if size > max(_LARGE, _SHRINK * len(content)):
        raise ValueError(f"{len(content)} bytes that would become {size}")
    return _skops.loads(content, trusted=_check(content, trusted))


def _check(content: bytes, trusted: Iterable[str]) -> list[str]:
    names = _skops.get_untrusted_types(data=content)
    allowed = _SKLEARN_PARTS.union(trusted)
    refused = [n for n in names if n not in allowed and find_class(":".join(n.rsplit(".", 1))) is None]
    if refused:
        raise Untrusted(", ".join(refused))
    return names
