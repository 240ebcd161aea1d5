"""A fitted model to an ONNX file, which is compared with the model before it is there."""

from __future__ import annotations

import copy
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from .. import __version__
from ..core.compose import takes_edges
from ..core.constraints import Interval
from ..core.errors import DataError, ParamError
from ..core.files import atomic_write
from ..core.protocols import Array
from ..core.vote import Vote
from .answer import Answer
from .parts import Builder
from .runtime import METADATA, SCHEMA, OnnxModel
from .table import made_up_table

__all__ = ["export_onnx"]

_TOLERANCE = {"table": 1e-6, "samples": 1e-4}  # a network computes in single precision
_LARGEST = 2**31 - 2**20  # bytes that one protobuf message may have
_MADE_UP = {"table": 200, "samples": 6}


def export_onnx(
    model: Any,
    path: Path | str,
    *,
    rows: Any = None,
    tolerance: float | None = None,
    overwrite: bool = False,
    metadata: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """Write a fitted model as one ONNX graph, after it has given the model's own predictions.

    The encoding of tables and the normalisation of images are in the graph; sizes and cropping of images, and the
    tokenizer of texts, are in its metadata. A vote is one graph of its members.

    Parameters
    ----------
    model : fitted model
        A method on vectors, a `TransferPipeline`, a `Vote`, a network's estimator, a meta-learner with a task that it
        has learned, or an estimator of scikit-learn.
    path : path
        The file.
    rows : data frame, array or Samples, default=None
        Raw rows on which graph and model are compared. None makes some up.
    tolerance : float in (0, inf), default=None
        Largest difference of a probability, or of a value as a part of its size where that is above 1. None is 1e-6, and 1e-4
        where a network is inside.
    overwrite : bool, default=False
        Whether a file that is there may be replaced.
    metadata : mapping, optional
        Further JSON for the file.

    Returns
    -------
    facts : dict
        ``class``, ``inputs``, ``classes``, ``bytes``, and ``check`` with ``rows``, ``made_up``, ``largest_difference``,
        ``labels_differ`` (rows that are as good as undecided between two classes) and ``tolerance``.

    Raises
    ------
    MissingExtraError
        If onnx, onnxruntime or a converter is not installed.
    DataError
        If a part has no form in ONNX, or the graph differs from the model by more than the tolerance; no file is written then.
    ParamError
        If an argument is out of its range.

    Notes
    -----
    A method's map of target rows is read off where it is affine: its images of 0 and of the unit vectors are the matrix, and
    random rows test that it is affine. Otherwise the method's own numpy mathematics is followed operation by operation, so a
    new method needs nothing for its export. Estimators of scikit-learn go through skl2onnx, networks through torch.
    """
    path = Path(path)
    rule = Interval(float, 0, closed="neither")
    if tolerance is not None and not rule.holds(tolerance):
        raise ParamError(f"export: tolerance must {rule.text}. Got {tolerance!r}.")
    if path.is_dir() or (path.exists() and not overwrite):
        raise DataError(f"{path}: is there already. Name another file, or allow it to be replaced.")
    if not path.parent.is_dir():
        raise DataError(f"{path}: cannot be written (the folder {path.parent} is not there).")
    if takes_edges(model):
        raise DataError(
            f"export: model must answer for rows by themselves. Got {type(model).__name__}, whose answers hang on the edges of a"
            " graph. Keep it as a folder, or as one zip file (--format zip)."
        )
    builder = Builder()
    answer = builder.answer(model)
    facts: dict[str, Any] = {
        "schema": SCHEMA,
        "transferkit": __version__,
        "class": type(model).__name__,
        "inputs": builder.graph.inputs,
        "classes": None if answer.classes is None else answer.classes.tolist(),
        "class_dtype": None if answer.classes is None else answer.classes.dtype.str,
        "metadata": dict(metadata or {}),
    }
    outputs = _outputs(builder, answer)
    proto = builder.graph.model(outputs, {METADATA: _json(facts)})
    if proto.ByteSize() >= _LARGEST:
        raise DataError(
            f"export: model must be smaller than 2 GB, which is all one ONNX file holds. Got {proto.ByteSize() / 2**30:.1f}"
            " GB. Keep it as a folder (--format zip)."
        )
    try:
        exported = OnnxModel(proto.SerializeToString())
    except DataError as err:
        raise DataError(f"export: the graph must run in onnxruntime. {err}") from err
    kind = "table" if exported.kind == "table" else "samples"
    given = rows is not None
    rows = rows if given else _made_up(builder, exported, _MADE_UP[kind])
    limit = tolerance or (_TOLERANCE[kind] if not _has_network(model) else _TOLERANCE["samples"])
    facts["check"] = {**_compare(model, exported, rows, limit), "made_up": not given, "tolerance": limit}
    _say(proto, facts)
    content = proto.SerializeToString()
    atomic_write(path, content)
    return {**facts, "bytes": len(content)}


def _outputs(builder: Builder, answer: Answer) -> dict[str, Any]:
    graph = builder.graph
    found: dict[str, Any] = {}
    if answer.classes is not None:
        classes = answer.classes.astype(object) if answer.classes.dtype.kind in "US" else answer.classes
        label = graph.add("Gather", graph.constant(classes), answer.codes(graph), axis=0)
        found["label"] = (label, str if classes.dtype == object else classes.dtype, (None,))
        if answer.proba is not None:
            found["probabilities"] = (answer.proba, np.float64, (None, len(classes)))
        return found
    assert answer.value is not None
    shape = (None,) if answer.flat else (None, answer.labels or None)
    found["value"] = (answer.value, np.int64 if answer.labels else np.float64, shape)
    if answer.proba is not None:
        found["probabilities"] = (answer.proba, np.float64, (None, answer.labels))
    return found


def _json(facts: Mapping[str, Any]) -> str:
    try:
        return json.dumps(facts, ensure_ascii=False, allow_nan=False)
    except (TypeError, ValueError) as err:
        raise ParamError(f"export: metadata must be JSON. Got: {err}") from err


def _say(proto: Any, facts: Mapping[str, Any]) -> None:
    """What the check has found, into the file's metadata."""
    for entry in proto.metadata_props:
        if entry.key == METADATA:
            entry.value = _json(facts)


def _compare(model: Any, exported: OnnxModel, rows: Any, limit: float) -> dict[str, Any]:
    own = _in_full_precision(model)
    labels, proba = exported.answer(rows)
    expected = np.asarray(own.predict(rows))
    if expected.shape != labels.shape:
        raise DataError(
            f"export: the graph must answer as the model does. Got shape {labels.shape}, not {expected.shape}."
        )
    largest, differ = 0.0, 0
    if proba is not None:
        sure = np.asarray(own.predict_proba(rows))
        largest = _largest(np.abs(sure - proba))
    if hasattr(exported, "classes_"):
        wrong = labels != expected
        differ = int(wrong.sum())
        if proba is not None and wrong.any():  # as good as undecided rows may fall either way
            two = np.sort(sure[wrong], axis=1)[:, -2:]
            wrong[np.flatnonzero(wrong)[two[:, 1] - two[:, 0] <= 2 * limit]] = False
        if wrong.any():
            raise DataError(
                f"export: the graph must give the model's labels. Got {int(wrong.sum())} others in {len(labels)} rows; nothing"
                " was written."
            )
    else:
        largest = max(largest, _largest(np.abs(labels - expected) / np.maximum(1, np.abs(expected))))
    if not largest <= limit:
        raise DataError(
            f"export: the graph must differ from the model by at most {limit:g}. Got {largest:.2e} in {len(labels)} rows; nothing"
            " was written."
        )
    return {"rows": len(labels), "largest_difference": largest, "labels_differ": differ}


def _largest(differences: Array) -> float:
    return float(differences.max()) if differences.size else 0.0


def _in_full_precision(model: Any) -> Any:
    """The same model, its networks in single precision on the CPU: half precision would hide a fault of the graph."""
    if isinstance(model, Vote):
        members = [_in_full_precision(m) for m in model._members]
        return Vote(members, model.weights, model.names, model.factors)
    inner = _inner(model)
    if inner is not None:
        same = copy.copy(model)
        setattr(same, inner, _in_full_precision(getattr(model, inner)))
        return same
    if _has_network(model):
        from ..engine.training.settings import Training

        same = copy.copy(model)
        same.training = copy.copy(model.training) if model.training is not None else Training()
        same.training.precision, same.training.device = "fp32", "cpu"
        return same
    return model


def _has_network(model: Any) -> bool:
    if isinstance(model, Vote):
        return any(_has_network(m) for m in model._members)
    inner = _inner(model)
    return hasattr(model, "network_") if inner is None else _has_network(getattr(model, inner))


def _inner(model: Any) -> str | None:
    """Where a model keeps the one that answers in its place."""
    return next((name for name in ("method_", "predictor", "predictor_", "learner") if hasattr(model, name)), None)


def _made_up(builder: Builder, exported: OnnxModel, n: int) -> Any:
    """Raw rows of the kind that the model takes."""
    rng = np.random.default_rng(0)
    if builder.encoder is not None:
        return made_up_table(builder.encoder, n)
    if exported.columns is not None:
        rows = rng.normal(size=(n, len(exported.columns)))
        unnamed = exported.columns == [f"x{k}" for k in range(rows.shape[1])]
        return rows if unnamed else pl.DataFrame(rows, schema=exported.columns)
    if exported.kind == "images":
        from ..data.images import ImageSamples

        return ImageSamples.from_array(rng.integers(0, 256, size=(n, 72, 96, 3), dtype=np.uint8))
    if exported.kind == "text":
        return [" ".join(rng.choice(["a", "good", "bad", "story", "of", "two", "towns"], k + 2)) for k in range(n)]
    from ..engine.inputs.preprocess import preprocess_from

    about = next(iter(exported.facts["inputs"].values()))
    example = preprocess_from(json.loads(about["preprocess"])).example()
    if isinstance(example, np.ndarray):
        return rng.normal(size=(n, *example.shape)).astype(np.float32)
    return [example] * n
