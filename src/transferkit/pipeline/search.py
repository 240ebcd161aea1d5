"""`--tune`: settings of the inner model tried by Optuna, and judged on the source's labels alone."""

from __future__ import annotations

import json
import time
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from sklearn.ensemble import ExtraTreesClassifier, ExtraTreesRegressor
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.pipeline import make_pipeline

from ..core.csv_text import csv_text
from ..core.files import atomic_write
from ..core.protocols import Array
from ..core.scaling import NormScaler
from .plain_models import N_FOLDS, cv_rows, cv_scores, cv_splits
from .prepare import Prepared
from .progress import Progress
from .select import Selected, candidates_for
from .strict_json import plain
from .studies import ETA, SHARE, check_search, new_study
from .task import TransferTask

__all__ = ["search"]

TRIALS = "trials.json"
HALVINGS, LEAST_ROWS, MANY = 2, 100, 9
SCORING = {"classification": "accuracy", "regression": "r2"}


def search(selected: Selected, prepared: Prepared, task: TransferTask, folder: Path, progress: Progress) -> Selected:
    """Tune the model inside every candidate, as long as its objective is honest: cross-validation of labelled source rows.

    What a setting does to the target is unknown without labels, so nothing of a method's own is tuned, and no target row is
    looked at. The first setting is that which `select` chose; the search can only find one that does better on the source.

    Parameters
    ----------
    selected : Selected
        What step 3 found.
    prepared : Prepared
    task : TransferTask
        `tune` settings are tried. With a `budget` the search ends after a quarter of it, and where settings and rows are many
        a setting is first judged on a ninth and a third of the rows, and dropped there unless it is among the best third of
        those judged so far (successive halving, as Optuna does it asynchronously).
    folder : Path
        Keeps every setting in ``trials.json`` as soon as it is judged, and in the end as ``trials.csv``. What is there is not
        judged again, and the search goes on from it as if it had never stopped; a search that ended is not taken up again.
    progress : Progress

    Returns
    -------
    Selected
        With the best model inside, its score, and facts in `search`.

    Raises
    ------
    MissingExtraError
        If optuna is not installed.
    """
    optuna = check_search()
    kept = _read(folder / TRIALS)
    lines = kept["lines"] if kept["done"] else _try(optuna, selected, prepared, task, folder / TRIALS, kept, progress)
    atomic_write(folder / "trials.csv", _table(lines))
    best = _best(lines)
    estimator = _model(best["params"], prepared.kind, task.seed)
    facts = plain(
        {
            "tried": len(lines),
            "dropped": sum(line["dropped"] for line in lines),
            "judged_on": "source rows held out" if len(set(prepared.groups)) == 1 else "sources left out in turn",
            "rows": sorted({int(n) for line in lines for n in line["folds"]}),
            "first_score": lines[0]["score"],
            "params": best["params"],
        }
    )
    return replace(
        selected, candidates=candidates_for(prepared, task, estimator), estimator=estimator, estimator_score=best["score"],
        search=facts,
    )  # fmt: skip


def _try(
    optuna: Any, selected: Selected, prepared: Prepared, task: TransferTask, path: Path, kept: Any, progress: Progress
) -> list[dict[str, Any]]:
    """Ask Optuna for settings and judge them; those that are kept are asked for again, but not judged again."""
    known_lines = kept["lines"] if kept["optuna"] == optuna.__version__ else []  # another version draws other settings
    judge = _Judge(prepared, task)
    study = new_study(optuna, "maximize", task.seed, halving=len(judge.rungs) > 1)
    study.enqueue_trial(_setting_of(selected.estimator))
    limit = np.inf if task.budget is None else time.monotonic() + SHARE * task.budget
    lines: list[dict[str, Any]] = []
    while len(lines) < task.tune and (not lines or time.monotonic() < limit):
        trial = study.ask()
        params = _suggest(trial, prepared.kind)
        before = known_lines[len(lines)] if len(lines) < len(known_lines) else {}
        known: Mapping[str, Any] = before.get("folds", {}) if before.get("params") == params else {}
        folds: dict[str, list[float]] = {}
        dropped, score = False, 0.0
        for k, rows in enumerate(judge.rungs):
            size = str(len(rows))
            folds[size] = known.get(size) or judge.folds(_model(params, prepared.kind, task.seed), rows)
            score = float(np.mean(folds[size]))
            trial.report(score, ETA**k)
            dropped = k + 1 < len(judge.rungs) and trial.should_prune()
            if dropped:
                break
        study.tell(trial, state=optuna.trial.TrialState.PRUNED) if dropped else study.tell(trial, score)
        lines.append({"params": params, "rows": len(rows), "score": score, "dropped": dropped, "folds": folds})
        _write(path, optuna.__version__, [*lines, *known_lines[len(lines) :]], done=False)
        progress("select", len(lines), task.tune, f"inner model, setting {len(lines)} of {task.tune}")
    _write(path, optuna.__version__, lines, done=True)
    return lines


class _Judge:
    """Folds of the source, on all rows that `select` compares models on and, to drop settings early, on parts of them."""

    def __init__(self, prepared: Prepared, task: TransferTask) -> None:
        self.prepared, self.seed = prepared, task.seed
        rows = cv_rows(prepared, task.seed)
        self.rungs: list[Array] = [rows]
        if task.budget is None or task.tune < MANY:
            return
        order = np.random.default_rng(task.seed).permutation(rows)
        for k in range(1, HALVINGS + 1):
            part = np.sort(order[: len(rows) // ETA**k])
            if len(part) < LEAST_ROWS or not self._can_be_judged(part):
                break
            self.rungs.insert(0, part)

    def _can_be_judged(self, rows: Array) -> bool:
        """Whether no class and no source is missing, or too rare to be held out."""
        y, groups = np.asarray(self.prepared.source.y), self.prepared.groups
        if len(np.unique(groups[rows])) < len(np.unique(groups)):
            return False
        return self.prepared.kind != "classification" or min((y[rows] == c).sum() for c in np.unique(y)) >= N_FOLDS

    def folds(self, model: Any, rows: Array) -> list[float]:
        source = self.prepared.source
        X, y = source.X[rows], np.asarray(source.y)[rows]
        splits = list(cv_splits(source.name, self.prepared.kind, X, y, self.prepared.groups[rows], self.seed))
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)  # a setting is judged by what it reached
            found: list[float] = cv_scores(model, X, y, splits, SCORING[self.prepared.kind]).tolist()
        return found


def _suggest(trial: Any, kind: str) -> dict[str, Any]:
    """One setting of the space: a linear model with its penalty, or a forest with the size of its leaves and its columns."""
    model = trial.suggest_categorical("model", ["linear", "forest"])
    if model == "linear":
        name, low, high = ("C", 1e-2, 1e4) if kind == "classification" else ("alpha", 1e-8, 1e3)
        return {"model": model, name: trial.suggest_float(name, low, high, log=True)}
    return {
        "model": model,
        "min_samples_leaf": trial.suggest_int("min_samples_leaf", 1, 20, log=True),
        "max_features": trial.suggest_categorical("max_features", ["sqrt", 0.3, 1.0]),
    }


def _model(params: Mapping[str, Any], kind: str, seed: int) -> Any:
    own = {name: value for name, value in params.items() if name != "model"}
    if params["model"] == "linear":
        linear: Any = LogisticRegression(max_iter=300, tol=1e-3, **own) if kind == "classification" else Ridge(**own)
        return make_pipeline(NormScaler(), linear)
    forest: Any = ExtraTreesClassifier if kind == "classification" else ExtraTreesRegressor
    return forest(200, random_state=seed, **own)


def _setting_of(estimator: Any) -> dict[str, Any]:
    """What `select` chose, as a setting of the space."""
    inner = estimator.steps[-1][1] if hasattr(estimator, "steps") else estimator
    params = inner.get_params()
    for name in ("C", "alpha"):
        if name in params:
            return {"model": "linear", name: params[name]}
    leaf, columns = params["min_samples_leaf"], params["max_features"]
    return {"model": "forest", "min_samples_leaf": leaf, "max_features": columns}


def _best(lines: Sequence[Mapping[str, Any]]) -> Mapping[str, Any]:
    """The best setting of those judged on all rows; a forest has to beat the best linear model by a standard error."""
    full = [line for line in lines if not line["dropped"]]
    kinds = {name: [line for line in full if line["params"]["model"] == name] for name in ("linear", "forest")}
    best = {name: max(own, key=lambda line: line["score"]) for name, own in kinds.items() if own}
    if len(best) < 2:
        return next(iter(best.values()))
    folds = best["forest"]["folds"][str(best["forest"]["rows"])]
    error = float(np.std(folds, ddof=1) / np.sqrt(len(folds))) if len(folds) > 1 else 0.0
    return best["forest"] if best["forest"]["score"] > best["linear"]["score"] + error else best["linear"]


def _read(path: Path) -> dict[str, Any]:
    """What was judged before."""
    try:
        found: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, json.JSONDecodeError):
        return {"optuna": "", "lines": [], "done": False}
    return found


def _write(path: Path, version: str, lines: Sequence[Mapping[str, Any]], *, done: bool) -> None:
    atomic_write(path, json.dumps({"optuna": version, "done": done, "lines": list(lines)}))


def _table(lines: Sequence[Mapping[str, Any]]) -> str:
    """`trials.csv`: one line a setting."""
    rows = (
        (k, json.dumps(line["params"]), line["rows"], f"{line['score']:.6f}", line["dropped"])
        for k, line in enumerate(lines, start=1)
    )
    return csv_text([("number", "params", "rows", "score", "dropped"), *rows])
