"""An exported model in use: onnxruntime, with the same `predict` and `predict_proba` as the model it was made from."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from sklearn.utils.metaestimators import available_if

from ..core.errors import DataError
from ..core.protocols import Array
from .graph import need
from .table import columns_of_inputs, feeds_of_table

__all__ = ["METADATA", "SCHEMA", "OnnxModel"]

METADATA, SCHEMA = "transferkit", 1
_ROWS = {"table": 1024, "samples": 32}  # at a time


class OnnxModel:
    """A model in an ONNX file that `export_onnx` wrote.

    Parameters
    ----------
    file : path or bytes
        The file, or its content.

    Attributes
    ----------
    facts : dict
        What the file says of itself: version, class, inputs, classes, the check it has passed, further metadata.
    classes_ : array of shape (n_classes,)
        Of a classifier, in the order of the probabilities' columns.

    Raises
    ------
    MissingExtraError
        If onnxruntime is not installed.
    DataError
        If it cannot be read or was not written by `export_onnx`.

    Examples
    --------
    >>> import tempfile, numpy as np
    >>> from transferkit import CORAL, Domain
    >>> from transferkit.export import OnnxModel, export_onnx
    >>> X, y = np.arange(24.0).reshape(12, 2) % 7, np.arange(12) % 2
    >>> model = CORAL().fit(X, y, target=Domain(X + 1))
    >>> with tempfile.TemporaryDirectory() as home:
    ...     facts = export_onnx(model, f"{home}/model.onnx")
    ...     same = OnnxModel(f"{home}/model.onnx").predict_proba(X)
    >>> bool(np.abs(same - model.predict_proba(X)).max() < 1e-9)
    True
    """

    def __init__(self, file: Path | str | bytes) -> None:
        runtime = need("onnxruntime")
        name = "the model" if isinstance(file, bytes) else str(file)
        try:
            content = file if isinstance(file, bytes) else Path(file).read_bytes()
            options = runtime.SessionOptions()
            options.log_severity_level = 3  # errors come as exceptions
            self._session = runtime.InferenceSession(content, options, providers=["CPUExecutionProvider"])
        except OSError as err:
            raise DataError(f"{name}: cannot be read ({err.strerror or err}).") from err
        except Exception as err:  # onnxruntime's own classes have no common public parent
            raise DataError(f"{name}: must be an ONNX model that onnxruntime runs. Got: {_short(err)}") from err
        try:
            properties = self._session.get_modelmeta().custom_metadata_map
            self.facts: dict[str, Any] = json.loads(properties[METADATA])
            if self.facts["schema"] > SCHEMA:
                raise DataError(f"{name}: was exported by a newer transferkit ({self.facts['transferkit']}).")
            self._inputs: Mapping[str, Mapping[str, Any]] = self.facts["inputs"]
            if not all(a["preprocess" if a["fill"] == "samples" else "columns"] for a in self._inputs.values()):
                raise ValueError("an input of nothing")
            self.facts["metadata"] = dict(self.facts.get("metadata") or {})
            if self.facts["classes"] is not None:
                self.classes_ = np.array(self.facts["classes"], dtype=self.facts["class_dtype"])
        except (AttributeError, KeyError, RecursionError, TypeError, ValueError) as err:
            if isinstance(err, DataError):
                raise
            raise DataError(f"{name}: must be written by transferkit export. Got none of its metadata.") from err
        self._outputs = [o.name for o in self._session.get_outputs()]

    @property
    def kind(self) -> str:
        """ "table" for rows of numbers and texts, else what a sample is: "images", "text", "audio", "series", "vectors"."""
        kinds = [a["kind"] for a in self._inputs.values() if a["fill"] == "samples"]
        return kinds[0] if kinds else "table"

    @property
    def columns(self) -> list[str] | None:
        """The columns that a table must have; None for samples."""
        return [c for a in self._inputs.values() for c in a["columns"]] if self.kind == "table" else None

    @property
    def kinds(self) -> dict[str, str] | None:
        """What each of them holds: "number", "bool", "text" or "date"."""
        return columns_of_inputs(self._inputs) if self.kind == "table" else None

    def answer(self, X: Any) -> tuple[Array, Array | None]:
        """Labels or values, and probabilities where there are any.

        Parameters
        ----------
        X : data frame, array, Samples or list
            Rows as the exported model took them.
        """
        parts: list[list[Array]] = []
        for feeds in self._feeds(X):
            try:
                parts.append(self._session.run(None, feeds))
            except Exception as err:  # as above
                raise DataError(f"model: X must be rows that the model takes. Got: {_short(err)}") from err
        if not parts:
            raise DataError("model: X must have at least one row. Got none.")
        found = {name: np.concatenate([p[k] for p in parts]) for k, name in enumerate(self._outputs)}
        labels = found["label"] if "label" in found else found["value"]
        if hasattr(self, "classes_"):
            labels = labels.astype(self.classes_.dtype)
        return labels, found.get("probabilities")

    def predict(self, X: Any) -> Array:
        """Labels or values of rows, of shape (n_samples,)."""
        return self.answer(X)[0]

    @available_if(lambda self: "probabilities" in self._outputs)
    def predict_proba(self, X: Any) -> Array:
        """Probabilities of shape (n_samples, n_classes), in the order of ``classes_``."""
        proba = self.answer(X)[1]
        assert proba is not None
        return proba

    def _feeds(self, X: Any) -> Iterator[dict[str, Array]]:
        if self.kind == "table":
            feeds = feeds_of_table(self._inputs, X)
            n, step = len(next(iter(feeds.values()))), _ROWS["table"]
            for k in range(0, n, step):
                yield {name: values[k : k + step] for name, values in feeds.items()}
            return
        from ..engine.networks.export import feeds_of_samples  # needs torch

        groups: dict[str, list[str]] = {}
        for name, about in self._inputs.items():
            groups.setdefault(about["preprocess"], []).append(name)
        n, step = len(X), _ROWS["samples"]
        for k in range(0, n, step):
            feeds = {}
            for spec, names in groups.items():
                feeds.update(feeds_of_samples(json.loads(spec), names, X, k, min(n, k + step)))
            yield feeds


def _short(err: Exception) -> str:
    return " ".join(str(err).split())[:300]
