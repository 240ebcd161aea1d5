"""One cell: fit a method with one seed, and judge what every epoch would have given on rows whose labels it never saw."""

from __future__ import annotations

import time
import warnings
from collections.abc import Mapping
from typing import Any

import numpy as np

from ... import catalogue
from ...core.errors import TrainingError, TransferWarning
from ...core.protocols import Array, Domain
from ._table import Sets

__all__ = ["SCORES", "run_cell"]

# Label-free scores of an epoch from what the training records, higher is better.
SCORES = ("infomax", "entropy")
_ALWAYS: Mapping[str, Any] = {"device": "cpu", "progress": False}  # the same numbers with and without a GPU
_PRECISION = "fp32"  # of training, where the table says no other; networks are always judged in it


def run_cell(settings: Mapping[str, Any], sets: Sets, seed: int) -> dict[str, Any]:
    """Fit and judge.

    Parameters
    ----------
    settings : dict
        From `settings_of`.
    sets : Sets
        The task's data.
    seed : int
        Of first weights, batches and augmentation.

    Returns
    -------
    dict
        ``accuracy`` (percent, of the last epoch; None where the training had to stop), ``epochs`` (of every epoch),
        ``scores`` (by name, of every epoch; empty where the method records none or goes on after its last epoch),
        ``collapsed``, ``diverged``, ``n_updates``, ``seconds`` of processor time, and ``error``, None but where it stopped.
    """
    taught = sets.yt if settings["role"] == "target-only" else sets.y
    watch = _Watch(sets.X_test, sets.y_test, np.unique(taught))
    started = time.process_time()
    found: dict[str, Any] = {"accuracy": None, "epochs": [], "scores": {}, "collapsed": False, "diverged": False}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", TransferWarning)  # of a collapse, which is noted
        try:
            model = _fitted(settings, sets, seed, watch)
        except TrainingError as err:
            return {**found, "diverged": True, "n_updates": 0, "seconds": _seconds(started), "error": str(err)}
        accuracy = _percent(model.predict(sets.X_test) == sets.y_test)
    same = bool(watch.accuracies) and abs(watch.accuracies[-1] - accuracy) < 1e-9
    return {
        "accuracy": accuracy,
        "epochs": [*watch.accuracies[:-1], accuracy],
        "scores": _scores(model.history_) if same else {},
        "collapsed": bool(model.facts_.get("collapsed", False)),
        "diverged": bool(model.facts_.get("diverged", False)),
        "n_updates": int(model.n_updates_),
        "seconds": _seconds(started),
        "error": None,
    }


def _fitted(settings: Mapping[str, Any], sets: Sets, seed: int, watch: _Watch) -> Any:
    from ...engine.training.settings import Training

    def made(method: str, params: Mapping[str, Any], training: Mapping[str, Any], callbacks: list[Any]) -> Any:
        own = Training(**{"precision": _PRECISION, **training, **_ALWAYS, "callbacks": callbacks})
        return catalogue.load(method)(**params, training=own, random_state=seed)

    model_of = (settings["method"], settings["params"], settings["training"], [watch])
    if settings["role"] == "target-only":
        return made(*model_of).fit(sets.Xt, sets.yt, target=Domain(sets.Xt))
    target = Domain(sets.Xt)
    if settings["role"] == "source-free":
        first = made("deep_source_only", settings["first_params"], settings["first_training"], [])
        first.fit(sets.X, sets.y, target=target, groups=sets.groups)
        method, params, *rest = model_of
        return made(method, {**params, "source": first}, *rest).fit(sets.Xt)
    return made(*model_of).fit(sets.X, sets.y, target=target, groups=sets.groups)


class _Watch:
    """Scores the network after every epoch, for the table alone: the method sees neither the rows nor the numbers."""

    def __init__(self, X: Any, y: Array, classes: Array) -> None:
        self.X, self.y, self.classes = X, y, classes
        self.accuracies: list[float] = []
        self._rows: Any = None

    def __call__(self, event: str, state: Mapping[str, Any]) -> None:
        if event != "epoch":
            return
        from ...engine.inputs.inputs import as_rows
        from ...engine.networks.inference import outputs_of
        from ...engine.training.device import find_place

        objective = state["objective"]
        if self._rows is None:
            self._rows = as_rows("run_trained", self.X, state["network"].backbone)
        place = find_place(_ALWAYS["device"], _PRECISION, True)
        outputs = outputs_of(objective, objective.predict_step, self._rows, place, 128)
        self.accuracies.append(_percent(self.classes[outputs.argmax(axis=1)] == self.y))


def _scores(history: list[dict[str, Any]]) -> dict[str, list[float]]:
    """The label-free scores of every epoch."""
    if not all({"target/entropy", "target/diversity"} <= row.keys() for row in history):
        return {}
    entropy = np.array([row["target/entropy"] for row in history])
    infomax = np.array([row["target/diversity"] for row in history]) - entropy
    return {name: np.round(v, 6).tolist() for name, v in (("infomax", infomax), ("entropy", -entropy))}


def _percent(right: Array) -> float:
    return round(100 * float(np.mean(right)), 4)


def _seconds(started: float) -> float:
    return round(time.process_time() - started, 1)
