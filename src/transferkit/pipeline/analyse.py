"""Step 6, analyse: everything found, as facts, pictures, files and a model that can be used."""

from __future__ import annotations

import json
import platform
from collections.abc import Sequence
from importlib import metadata
from pathlib import Path
from typing import Any

from scipy import sparse

from .. import __version__, store
from ..core.compose import TransferPipeline
from ..core.csv_text import csv_text
from ..core.files import atomic_write
from ..core.graphs import as_adjacency
from ..core.protocols import Array
from ..report.html import render
from ..report.model_card import model_card
from .define import Defined
from .evaluate import METRIC, Evaluated
from .graph_methods import next_on_graphs
from .guard import label_sheet
from .pictures import disputed_examples, embedding, learning_of
from .prepare import Prepared
from .relation import next_between_spaces, relation_of
from .select import FROM_TASKS, MANY_SOURCES, Selected
from .strict_json import plain

__all__ = [
    "SCHEMA", "candidates_csv", "deployable", "facts_of", "predictions_csv", "write",
]  # fmt: skip

SCHEMA = 1
_COLUMNS = (
    "id", "class", "paradigm", "role", "status", "evidence", "changed", "estimate", "score", "params", "reason",
)  # fmt: skip
_LIBRARIES = ("numpy", "scipy", "scikit-learn", "POT", "joblib")


def facts_of(
    defined: Defined, prepared: Prepared, selected: Selected, evaluated: Evaluated, command: str
) -> dict[str, Any]:
    """The content of ``run.json``: no time, path of a folder or name of a machine, so that equal runs have equal files."""
    held, learning, apart = prepared.held_back, learning_of(evaluated), prepared.source_names is not None
    of_graphs = prepared.edges is not None
    return {
        "schema": SCHEMA,
        "transferkit": __version__,
        "command": command,
        "seed": defined.task.seed,
        "versions": {"python": platform.python_version(), **{n: metadata.version(n) for n in _LIBRARIES}},
        "task": {
            "kind": prepared.kind,
            **({"way": "spaces"} if apart else {}),
            **({"way": "graphs"} if of_graphs else {}),
            "label": defined.task.label,
            "metric": METRIC[prepared.outcome],
            "sources": [{"name": d.name, "n": d.n_samples} for d in defined.sources],
            "target": {
                "name": defined.target.name,
                "n": defined.target.n_samples,
                "n_known": int(prepared.target.mask.sum()),
                "n_held_back": 0 if held is None else len(held.rows),
            },
            **({"edges": _edges(prepared)} if of_graphs else {}),
            "target_labels": defined.target_labels,
            "n_features": int(prepared.target.X.shape[1]),
            **({"n_features_source": int(prepared.source.X.shape[1])} if apart else {}),
            "classes": None if prepared.classes is None else prepared.classes.tolist(),
            "fingerprint": prepared.fingerprint,
        },
        "prepare": {
            "notes": prepared.notes,
            "features_in": prepared.n_features_in,
            "features_out": int(prepared.target.X.shape[1]),
        },
        **({} if apart or of_graphs else {"estimator": _estimator(selected)}),
        **({} if prepared.model is None else {"model": prepared.model}),
        "gap": selected.gap,
        "candidates": evaluated.candidates,
        "guard": evaluated.guard,
        **({"relation": relation_of(prepared, evaluated)} if apart else {}),
        "verdict": evaluated.verdict,
        **({"learning": plain(learning)} if learning else {}),
        "moves": evaluated.moves,
        "per_class": evaluated.per_class,
        "confusion": evaluated.confusion,
        "regression": evaluated.regression,
        "next_steps": _next_steps(defined, prepared, selected, evaluated),
    }


def _edges(prepared: Prepared) -> dict[str, int]:
    """How many there are, each pair of nodes once."""
    target = as_adjacency("target", prepared.target.edges, prepared.target.n_samples)
    return {name: int(sparse.triu(A.maximum(A.T)).nnz) for name, A in (("source", prepared.edges), ("target", target))}


def _estimator(selected: Selected) -> dict[str, Any]:
    search = {} if selected.search is None else {"search": selected.search}
    return {"name": _describe(selected.estimator), "source_score": round(selected.estimator_score, 6), **search}


def _describe(estimator: Any) -> str:
    steps = getattr(estimator, "steps", None)
    return " ".join(str(steps[-1][1] if steps else estimator).split())


def _next_steps(defined: Defined, prepared: Prepared, selected: Selected, evaluated: Evaluated) -> list[str]:
    if prepared.source_names is not None:
        return next_between_spaces(prepared, evaluated)
    if prepared.edges is not None:
        return next_on_graphs(prepared, evaluated.guard)
    steps = []
    guard = evaluated.guard
    disputed = guard.get("disputed") or {}
    for reading in guard.get("readings") or ():
        steps.append(f"If so: {reading['assumption']} {reading['do']}")
    if disputed.get("label_next") and not guard.get("labels"):
        steps.append(
            f"Label the first {disputed['labels_needed']} rows of label_next.csv, on which the two models differ, and go on"
            " with transferkit run --resume RUN --labels label_next.csv: about so many settle it where one of the two is"
            " right four times as often as the other, more where it is closer."
        )
    elif disputed.get("label_next"):
        steps.append(
            "The labels so far do not settle it. label_next.csv holds the next rows: label some, from the top, and go on with"
            " transferkit run --resume RUN --labels label_next.csv; earlier labels are kept."
        )
    if prepared.target.mask.any():
        steps.append(
            f"The known labels tested {guard['proposal']} only; the other candidates stand for comparison."
            " To test another method, name it alone with --method."
        )
        if len(defined.sources) >= MANY_SOURCES and defined.task.methods is None and prepared.classes is not None:
            steps.append(
                f"{len(defined.sources)} sources are many: a meta-learner that takes each for a task may do better. Test it with"
                f" --method {FROM_TASKS}."
            )
    elif prepared.classes is None:
        steps.append(
            "Measure a few target values (10 would do) and run again with --target-labels few:"
            " even so few decide better than any label-free evidence."
        )
    else:
        steps.append(
            f"Or label {3 * len(prepared.classes)} target rows, three a class, and run again with --target-labels few: trained"
            " on and tested with, they decide better than any label-free evidence."
        )
    if defined.task.methods is None and evaluated.guard["state"] != "adapt":
        steps.append("Methods that train a network on both domains are tried where they are named: --method dann.")
    failed = [c["id"] for c in evaluated.candidates if c["status"] == "failed"]
    if failed:
        steps.append(f"{len(failed)} candidates failed ({', '.join(failed[:3])}); their reasons are listed with them.")
    if any("budget" in c["reason"] for c in evaluated.candidates if c["status"] == "skipped"):
        steps.append("The time budget cut candidates off; run again with --resume and a larger --budget to try them.")
    if evaluated.guard["adapted"]:
        steps.append("Use the model on new rows of the target: transferkit predict RUN DATA -o FILE.csv.")
    elif selected.gap["auc"] < 0.6:
        steps.append("The domains look alike, so the source model can be used as it is.")
    else:
        steps.append("Source-only is kept. More source domains that resemble the target would help most.")
    return steps


def deployable(prepared: Prepared, method: Any) -> TransferPipeline:
    """The winner with its encoding in front, for raw rows of the target."""
    return TransferPipeline.from_fitted(prepared.transformer, method)


def write(folder: Path, facts: dict[str, Any], defined: Defined, prepared: Prepared, evaluated: Evaluated) -> None:
    """Lay everything into the run's folder; ``run.json`` comes last, so a folder that has it is complete."""
    model = deployable(prepared, evaluated.winner.model)
    store.save(model, folder / "model", overwrite=True, metadata={"method": evaluated.winner.candidate.card.name})
    atomic_write(folder / "candidates.csv", candidates_csv(facts["candidates"]))
    proba = model.method_.predict_proba(prepared.target.X) if hasattr(model.method_, "predict_proba") else None
    predicted = evaluated.predictions[evaluated.winner.candidate.id]
    names = prepared.names
    atomic_write(folder / "predictions.csv", predictions_csv(predicted, proba, prepared.classes, names))
    sheet = label_sheet(facts["guard"])
    if sheet is not None:
        atomic_write(folder / "label_next.csv", sheet)
    atomic_write(folder / "MODEL_CARD.md", model_card(facts))
    # Rows of several labels have no one colour.
    shown = None if prepared.outcome == "multilabel" else embedding(prepared, evaluated, defined.task.seed)
    atomic_write(folder / "report.html", render(facts, shown, disputed_examples(defined, facts)))
    atomic_write(folder / "run.json", json.dumps(facts, indent=1, allow_nan=False, ensure_ascii=False) + "\n")


def candidates_csv(rows: Sequence[dict[str, Any]], columns: Sequence[str] = _COLUMNS) -> str:
    """One line a candidate."""
    return csv_text([columns, *([json.dumps(row[c]) if c == "params" else row[c] for c in columns] for row in rows)])


def predictions_csv(
    predicted: Array, proba: Array | None, classes: Array | None, rows: Sequence[str] | None = None
) -> str:
    """Columns ``prediction`` and, where the model has them, ``probability_<class>``; one line a row, named by `rows`.

    Of several labels a row, ``label_<k>`` is 0 or 1 for the k-th of them.
    """
    if predicted.ndim == 2:  # several labels a row: 0 or 1 for each
        columns = [f"{what}_{k}" for what in ("label", "probability") for k in range(predicted.shape[1])]
        both = [predicted.tolist(), [[""] * predicted.shape[1]] * len(predicted) if proba is None else proba.tolist()]
        lines = ([*labels, *(p if p == "" else _short(p) for p in own)] for labels, own in zip(*both))
        return csv_text([columns, *lines])
    names = [] if proba is None or classes is None else [f"probability_{c}" for c in classes]
    parts: list[Any] = [] if rows is None else [("row", *rows)]
    parts.append(("prediction", *predicted.tolist()))
    if names and proba is not None:
        parts += [(name, *map(_short, column)) for name, column in zip(names, proba.T.tolist())]
    return csv_text(zip(*parts))


def _short(p: float) -> str:
    return f"{p:.6g}"
