"""One task: fit the portfolio and keep what every candidate says of the target; rules are then tried on what was kept."""

from __future__ import annotations

import io
import json
import time
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from sklearn.base import clone
from sklearn.model_selection import StratifiedKFold, cross_val_predict

from ...core.errors import TransferError
from ...core.files import atomic_write, make_folder
from ...core.protocols import Array, Domain
from ...ops.evidence.candidates import class_probabilities
from ...pipeline.define import TransferTask
from ...pipeline.plain_models import plain_model, select_estimator
from ...pipeline.prepare import Prepared
from ...pipeline.select import candidates_for
from ...pipeline.threads import one_thread
from .tasks import Task

__all__ = ["Record", "fit_task", "read_record", "record_path"]

SEED = 0
KIND = "classification"


@dataclass(frozen=True, eq=False)
class Record:
    """What was kept of one task.

    Attributes
    ----------
    facts : dict
        Task, candidates, seconds, failures, true accuracies.
    Xs, Xt : arrays of shape (n, n_features)
    ys, yt : int arrays
        Codes of the classes; `yt` is for the scores only.
    held : array of shape (n_plain, n_source, n_classes)
        Cross-validated probabilities of the plain models on the source.
    probas : array of shape (n_candidates, n_target, n_classes)
    """

    facts: dict[str, Any]
    Xs: Array
    ys: Array
    Xt: Array
    yt: Array
    held: Array
    probas: Array


def record_path(folder: Path, task: Task) -> Path:
    """Where a task's record lies."""
    return folder / ("".join(c if c.isalnum() else "-" for c in task.name) + ".npz")


def fit_task(task: Task, folder: Path) -> Path:
    """Fit the candidates of one task that are not in its record yet."""
    path = record_path(folder, task)
    old = read_record(path) if path.exists() else None
    started = time.perf_counter()
    if old is None:
        Xs, labels, Xt, truth = task.load()
        classes, ys = np.unique(labels, return_inverse=True)
        yt = np.searchsorted(classes, truth)
        Xs, Xt = (X.astype(np.float32).astype(np.float64) for X in (Xs, Xt))  # as a record read back has them
    else:
        Xs, ys, Xt, yt = old.Xs.astype(np.float64), old.ys, old.Xt.astype(np.float64), old.yt
    K = int(ys.max()) + 1
    prepared = Prepared.of_arrays(Domain(Xs, ys, name="source"), Domain(Xt, name="target"))
    facts: dict[str, Any] = {} if old is None else old.facts
    ids, lost, seconds = (facts.get(k, empty) for k, empty in (("ids", []), ("lost", {}), ("fit_seconds", {})))
    probas = [] if old is None else list(old.probas)
    with one_thread(), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        asked = TransferTask(sources=[prepared.source], target=prepared.target)
        known = {*ids, *lost}
        if old is not None and known >= {c.id for c in candidates_for(prepared, asked, plain_model("linear", KIND))}:
            return path
        estimator, facts["source_score"] = select_estimator(prepared, SEED)
        listed = candidates_for(prepared, asked, estimator)
        missing = [c for c in listed if c.id not in known]
        for candidate in missing:
            clock = time.perf_counter()
            try:
                if candidate.skip:
                    raise TransferError(candidate.skip)
                model = candidate.build(SEED).fit(Xs, ys, target=prepared.target, groups=prepared.groups)
                probas.append(class_probabilities(model, Xt, np.arange(K)))
            except (TransferError, ValueError, ArithmeticError) as err:
                lost[candidate.id] = f"{type(err).__name__}: {err}"
                continue
            ids.append(candidate.id)
            seconds[candidate.id] = round(time.perf_counter() - clock, 3)
        plain = [c for c in listed if c.card.name == "source_only"]
        folds = StratifiedKFold(3, shuffle=True, random_state=SEED)
        held = [cross_val_predict(clone(c.estimator), Xs, ys, cv=folds, method="predict_proba") for c in plain]
    shares = [np.bincount(y, minlength=K) / len(y) for y in (ys, yt)]
    facts |= {
        **{k: getattr(task, k) for k in ("name", "family", "group", "kind", "n")},
        "n_source": len(Xs), "n_target": len(Xt), "n_classes": K, "n_features": Xs.shape[1],
        "ids": ids, "plain": [c.id for c in plain], "lost": lost, "fit_seconds": seconds,
        "accuracy": [round(float((p.argmax(axis=1) == yt).mean()), 5) for p in probas],
        "tv": round(float(np.abs(shares[0] - shares[1]).sum() / 2), 5),
        "seconds": round(facts.get("seconds", 0.0) + time.perf_counter() - started, 2),
    }  # fmt: skip
    make_folder(folder)
    content = io.BytesIO()
    np.savez_compressed(
        content, facts=json.dumps(facts), Xs=Xs.astype(np.float32), ys=ys, Xt=Xt.astype(np.float32), yt=yt,
        held=np.stack(held).astype(np.float32), probas=np.stack(probas).astype(np.float32),
    )  # fmt: skip
    atomic_write(path, content.getvalue())
    return path


def read_record(path: Path) -> Record:
    """Read what `fit_task` kept."""
    with np.load(path, allow_pickle=False) as found:
        arrays = {k: found[k] for k in ("Xs", "ys", "Xt", "yt", "held", "probas")}
        return Record(facts=json.loads(str(found["facts"])), **{k: arrays[k] for k in arrays})
