"""A model as a server holds it: what it takes, what it says, one request at a time."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from .. import store
from ..core.compose import takes_edges
from ..core.errors import DataError, ParamError
from ..core.protocols import Array
from ..core.task_pipelines import check_answers, in_two
from ..core.vote import first_stage
from ..data.encode import TableEncoder
from ..data.samples import Samples
from ..export.runtime import OnnxModel
from ..export.table import columns_of_inputs, inputs_of_table
from ..ops.relational.transfer import RelationalTransfer

__all__ = ["Served", "open_model"]

_UNUSUAL = 6.0  # standard deviations of the source from its mean


@dataclass(eq=False)
class Served:
    """A fitted model with what its users need to know.

    Attributes
    ----------
    model : fitted model or OnnxModel
    about : dict
        Facts to show: the verdict, the expected score.
    kind : {"table", "numbers", "images", "text", "audio", "series"}
        What a row is. "numbers" is an array's row, without names of columns.
    inputs : mapping
        Of a table: its columns, as `inputs_of_table` says.
    """

    model: Any
    about: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._lock = threading.Lock()  # a network is in use by one request at a time
        self.kind, self.inputs = _takes(self.model)

    @property
    def classes(self) -> list[Any] | None:
        """The classes in the order of the probabilities."""
        return np.asarray(self.model.classes_).tolist() if hasattr(self.model, "classes_") else None

    @property
    def has_proba(self) -> bool:
        return hasattr(self.model, "predict_proba")

    @property
    def of_graph(self) -> bool:
        """Whether rows are the nodes of a graph, whose edges have to come with them."""
        return takes_edges(self.model)

    @property
    def columns(self) -> dict[str, str]:
        """Kind of each column, by name, in the table's order; of an array's, x0, x1, ..."""
        return columns_of_inputs(self.inputs)

    def predict(self, rows: Any, *, proba: bool = True, edges: Array | None = None) -> tuple[Array, Array | None]:
        """Labels or values, and probabilities where they are asked for and the model has them; `edges` between nodes.

        Raises
        ------
        TransferError
            Saying what of the rows cannot be used.
        """
        with self._lock:
            model = self.model
            if isinstance(model, OnnxModel):
                labels, found = model.answer(rows)
                return labels, found if proba else None
            two = in_two(model)
            if two is not None:  # rows pass the encoder, which may be a network, once
                rows, model = two[0].transform(rows), two[1]
            more = {} if edges is None else {"edges": edges}
            labels = np.asarray(model.predict(rows, **more))
            return labels, np.asarray(model.predict_proba(rows, **more)) if proba and self.has_proba else None

    def notes(self, rows: Any) -> list[str]:
        """What is unusual of rows of a table, with counts: numbers far off the source's, texts that were never met."""
        if not isinstance(rows, pl.DataFrame):
            return []
        found, n = [], rows.height
        for about in self.inputs.values():
            for column, (mean, deviation) in (about.get("usual") or {}).items():
                far = ((rows[column].cast(pl.Float64) - mean).abs() > _UNUSUAL * deviation).sum()
                if far:
                    found.append(
                        f"column {column!r}: {far} of {n} rows lie more than {_UNUSUAL:g} standard deviations from the source's"
                        f" mean ({mean:.6g})."
                    )
            for column, levels in (about.get("levels") or {}).items():
                texts = rows[column].cast(pl.String).drop_nulls()
                new = texts.filter(~texts.is_in(levels))
                if len(new):
                    found.append(
                        f"column {column!r}: {len(new)} of {n} rows have a text that was not met, as {new[0]!r}."
                    )
        return found


def _takes(model: Any) -> tuple[str, Mapping[str, Any]]:
    """The kind of a model's raw rows, and a table's inputs."""
    if isinstance(model, OnnxModel):
        inputs = model.facts["inputs"]
        if model.kind != "table":
            return model.kind, {}
        named = any("usual" in a or "levels" in a for a in inputs.values())
        return ("table" if named else "numbers"), inputs
    check_answers("serve", model)
    first = first_stage(model)
    if isinstance(first, TableEncoder):
        return ("numbers" if first.sparse_ else "table"), inputs_of_table(first)
    backbone = getattr(first, "backbone_", None) or getattr(getattr(first, "network_", None), "backbone", None)
    if backbone is not None and backbone.kind != "vectors":
        return backbone.kind, {}
    if isinstance(first, RelationalTransfer):
        raise ParamError(f"serve: model must predict rows by themselves. Got {type(model).__name__}, which asks facts.")
    width = getattr(first, "n_features_in_", None)
    if width is None:
        raise ParamError(f"serve: model must be fitted on rows. Got {type(model).__name__} without n_features_in_.")
    names = [f"x{k}" for k in range(int(width))]
    return "numbers", {"numbers": {"fill": "numbers", "columns": names, "kinds": ["number"] * int(width)}}


def open_model(path: Path | str, about: Mapping[str, Any] | None = None) -> Served:
    """A model to serve: a folder that `save` wrote, one zip file of it, or an exported ONNX file.

    Parameters
    ----------
    path : path
    about : mapping, optional
        Facts to show, where the file does not bring its own.

    Raises
    ------
    DataError
        If it is none of these.
    """
    path = Path(path)
    if path.suffix.lower() == ".onnx":
        model = OnnxModel(path)
        return Served(model, {**model.facts.get("metadata", {}), **(about or {})})
    if path.is_file():
        return Served(store.load(path), {**store.read_about(path), **(about or {})})
    if not path.is_dir():
        raise DataError(f"{path}: must be a saved model's folder, a zip file of it, or an ONNX file. Got no such file.")
    return Served(store.load(path), dict(about or {}))


def length(rows: Any) -> int:
    """Number of rows of a frame, an array, samples or a list."""
    return (
        rows.height
        if isinstance(rows, pl.DataFrame)
        else len(rows)
        if isinstance(rows, (Samples, list))
        else rows.shape[0]
    )
