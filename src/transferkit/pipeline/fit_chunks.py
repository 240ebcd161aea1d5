"""One method on Parquet files that do not fit in memory, and predictions for such: `--chunk-rows` of fit and predict."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.preprocessing import StandardScaler

from .. import __version__, catalogue, store
from ..core.compose import TransferPipeline
from ..core.errors import DataError, ParamError
from ..core.files import atomic_write, make_folder
from ..core.protocols import Array, Domain
from ..core.task_pipelines import check_answers
from ..data.chunks import ParquetChunks, parquet_frames, write_parquet_chunks
from ..data.encode import columns_of
from ..data.rows import no_such_name
from .analyse import SCHEMA
from .evaluate import METRIC, predict_once, score_interval
from .strict_json import plain
from .task import KINDS

__all__ = ["fit_on_files", "predict_to_file"]


def fit_on_files(
    source: Any,
    target: Any,
    method: str,
    params: Mapping[str, Any],
    folder: Path,
    *,
    label: str,
    kind: str = "auto",
    chunk_rows: int = 65_536,
    seed: int = 0,
    command: str = "",
) -> dict[str, Any]:
    """Fit a method on columns of numbers in chunks, save it, score it where the target has labels, which the fit never sees.

    Columns are standardised, as the method's card says. The inner estimator is logistic regression or ridge regression,
    which are solved exactly.

    Parameters
    ----------
    source, target : path
        A Parquet file, or a folder of such; the target needs the source's columns, and may have the label.
    method : str
        Id or class name.
    params : mapping
        Constructor parameters of the method.
    folder : Path
        Where ``model/`` and ``fit.json`` go.
    label : str
        The column of labels.
    kind : {"auto", "classification", "regression"}
        ``"auto"`` is a regression where labels have a fractional part.
    chunk_rows : int
        Most rows in memory at a time.
    seed : int
        Random state of a method that takes one.
    command : str
        How it was started.

    Returns
    -------
    facts : dict
        The content of ``fit.json``.

    Raises
    ------
    TransferError
        Naming the file, column, method or parameter that does not fit.
    """
    card = catalogue.card_of(method)
    if "chunks" not in card.data:
        able = ", ".join(c.name for c in catalogue.find(data="chunks"))
        raise ParamError(f"fit: method must read rows in chunks, as {able} do. Got {card.name!r}.")
    cls = catalogue.load(card.name)
    for name in params:
        if name not in cls._constraints:
            raise ParamError(f"fit: {card.cls} has the parameters {', '.join(cls._constraints)}. Got {name!r}.")
    if kind not in KINDS:
        raise ParamError(f"fit: kind must be one of {', '.join(KINDS)}. Got {kind!r}.")
    if (folder / "model").exists():
        raise DataError(f"{folder}: holds a model already. Name another folder.")
    Xs = ParquetChunks(source, label=label, chunk_rows=chunk_rows)
    domain = _labelled(Xs.domain(), Xs)
    Xt = ParquetChunks(target, columns=Xs.columns, chunk_rows=chunk_rows)
    inner = {"classification": LogisticRegression(max_iter=1000), "regression": Ridge(), "auto": None}[kind]
    own = {"estimator": inner, **({"random_state": seed} if "random_state" in cls._constraints else {})}
    fit_on: Any = "each" if card.scaling == "domain" else "source"
    model = TransferPipeline([("scale", StandardScaler())], cls(**{**own, **params}), fit_on=fit_on)
    model.fit(Xs, domain.y, target=Domain(Xt))
    kind = "classification" if hasattr(model, "classes_") else "regression"
    score, n_scored = None, 0
    if Xs.label in Xt.names:
        held = ParquetChunks(target, label=Xs.label, columns=Xs.columns, chunk_rows=chunk_rows).domain()
        score, n_scored = _score(model, held, kind, seed)
    facts = plain(
        {
            "schema": SCHEMA,
            "transferkit": __version__,
            "command": command,
            "seed": seed,
            "method": card.name,
            "class": card.cls,
            "params": dict(params),
            "metric": METRIC[kind],
            "n_held_back": n_scored,
            "score": score and score[0],
            "score_interval": score and list(score[1]),
            "chunk_rows": chunk_rows,
            "n_source": Xs.shape[0],
            "n_target": Xt.shape[0],
            "columns": Xs.columns,
            "notes": [],
        }
    )
    make_folder(folder)
    store.save(model, folder / "model", metadata={"method": card.name, "columns": Xs.columns})
    atomic_write(folder / "fit.json", json.dumps(facts, indent=1, ensure_ascii=False, allow_nan=False) + "\n")
    return facts


def _labelled(domain: Domain, chunks: ParquetChunks) -> Domain:
    if not domain.mask.all():
        raise DataError(
            f"{chunks.files[0]}: column {chunks.label!r} must be filled in every row of a source that is read in chunks."
            f" Got {int((~domain.mask).sum())} rows without."
        )
    return domain


def _score(model: Any, held: Domain, kind: str, seed: int) -> tuple[Any, int]:
    """The score on the target's labels, where there are any, and their number."""
    if not held.mask.any():
        return None, 0
    return score_interval(held.known_y, held.X.apply(model.predict)[held.mask], kind, seed), int(held.mask.sum())


def _numbers(frame: pl.DataFrame, origin: str) -> Array:
    for column in frame:
        if not (column.dtype.is_numeric() or column.dtype == pl.Boolean) or column.null_count():
            raise DataError(
                f"{origin}: column {column.name!r} must be filled with numbers, as where the model was fitted."
                f" Got {column.dtype} with {column.null_count()} missing values."
            )
    return frame.cast(pl.Float64).to_numpy()


def predict_to_file(model_folder: Path, data: Any, output: Path, *, chunk_rows: int = 65_536) -> int:
    """Predict Parquet files in chunks with a saved model, into one Parquet file; the number of rows.

    Columns ``prediction`` and, where the model has them, ``probability_<class>``.

    Raises
    ------
    TransferError
        Naming the file or column that does not fit.
    """
    model = store.load(model_folder)
    check_answers("predict", model)
    columns = store.read_manifest(model_folder)["metadata"].get("columns")
    kinds = columns_of(model) if columns is None else dict.fromkeys(columns, "number")

    def answers() -> Iterator[dict[str, Array]]:
        for frame in parquet_frames(data, chunk_rows, kinds):
            X: Any = frame
            if columns is not None:  # a model of `fit_on_files` takes arrays
                for name in columns:
                    if name not in frame.columns:
                        raise no_such_name(str(data), "the file", name, frame.columns)
                X = _numbers(frame.select(columns), str(data))
            predicted, proba = predict_once(model, X)
            names = [] if proba is None else [f"probability_{c}" for c in model.classes_]
            values = [] if proba is None else list(np.asarray(proba).T)
            yield {"prediction": np.asarray(predicted), **dict(zip(names, values))}

    return write_parquet_chunks(output, answers())
