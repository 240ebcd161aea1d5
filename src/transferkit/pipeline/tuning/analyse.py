"""Step 6 with a model as the source: everything found, as facts, pictures, files and a network that can be used."""

from __future__ import annotations

import json
import platform
from collections.abc import Sequence
from importlib import metadata
from pathlib import Path
from typing import Any

import numpy as np

from ... import __version__, store
from ...core.files import atomic_write
from ...report.html import render
from ...report.model_card import model_card
from ..analyse import SCHEMA, candidates_csv, predictions_csv
from ..define import Defined
from ..evaluate import METRIC
from ..pictures import flat_picture, shown_sample
from ..strict_json import plain
from .evaluate import Evaluated
from .prepare import Tuning
from .select import Selected
from .train import Trained

__all__ = ["facts_of", "pictures", "write"]

_LIBRARIES = ("numpy", "scipy", "scikit-learn", "torch", "timm", "transformers", "sentence-transformers")
_COLUMNS = (
    "id", "class", "model", "role", "status", "validation", "evidence", "score", "trainable", "updates", "params", "reason",
)  # fmt: skip


def facts_of(
    defined: Defined, tuning: Tuning, selected: Selected, trained: Sequence[Trained], evaluated: Evaluated, command: str
) -> dict[str, Any]:
    """The content of ``run.json``: no time, path of a folder or name of a machine, so that equal runs have equal files."""
    held = tuning.held_back
    model = selected.model
    fitted = evaluated.model.facts_
    return plain(
        {
            "schema": SCHEMA,
            "transferkit": __version__,
            "command": command,
            "seed": defined.task.seed,
            "versions": {"python": platform.python_version(), **_versions()},
            "task": {
                "kind": tuning.kind,
                "way": "model",
                "data": tuning.target.X.kind,
                "label": defined.task.label,
                "metric": METRIC[tuning.kind],
                "sources": [{"name": model.label.partition("?")[0], "n": None, "sha256": model.weights}],
                "target": {
                    "name": defined.target.name,
                    "n": tuning.target.n_samples,
                    "n_known": len(tuning.train),
                    "n_held_back": 0 if held is None else len(held.rows),
                },
                "target_labels": defined.target_labels,
                "n_features": int(model.features.shape[1]),
                "classes": None if tuning.classes is None else tuning.classes.tolist(),
                "fingerprint": tuning.fingerprint,
            },
            "prepare": {"notes": tuning.notes, "features_in": None, "features_out": int(model.features.shape[1])},
            "model": {
                "name": model.label,
                "weights": model.weights,
                "parameters": model.n_parameters,
                "device": fitted.get("device"),
                "precision": fitted.get("precision"),
            },
            "transferability": selected.transferability,
            "rule": selected.rule,
            "candidates": evaluated.candidates,
            "guard": evaluated.guard,
            "verdict": evaluated.verdict,
            "learning": {t.candidate.id: t.facts["history"] for t in trained if t.facts.get("history")},
            "plan": fitted.get("plan"),
            "forgetting": fitted.get("forgetting"),
            "per_class": evaluated.per_class,
            "confusion": evaluated.confusion,
            "regression": evaluated.regression,
            "next_steps": _next_steps(tuning, selected, evaluated),
        }
    )


def _versions() -> dict[str, str]:
    found = {}
    for name in _LIBRARIES:
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue  # an extra that this run did not need
    return found


def _next_steps(tuning: Tuning, selected: Selected, evaluated: Evaluated) -> list[str]:
    steps = []
    low = evaluated.verdict["expected_interval"]
    if low is not None and tuning.kind == "classification" and low[1] - low[0] > 0.1:
        steps.append(
            "The interval is wide because few labels were held back: label more rows before small differences count."
        )
    failed = [c["id"] for c in evaluated.candidates if c["status"] == "failed"]
    if failed:
        steps.append(f"{len(failed)} candidates failed ({', '.join(failed[:3])}); their reasons are listed with them.")
    if any("budget" in c["reason"] for c in evaluated.candidates if c["status"] == "skipped"):
        steps.append("The time budget cut candidates off; run again with --resume and a larger --budget to try them.")
    table = selected.transferability
    if table["bigger_first"] != table["chosen"]:
        steps.append(
            f"{table['bigger_first']} is the larger model, and larger is the safer bet on the whole; here the probe speaks for"
            f" {table['chosen']}."
        )
    if len(tuning.models) == 1:
        steps.append("Name --model several times to compare source models on these rows.")
    steps.append("Use the model on new rows: transferkit predict RUN DATA -o FILE.csv.")
    return steps


# Pictures ---------------------------------------------------------------------------------------------------------------


def pictures(tuning: Tuning, selected: Selected, evaluated: Evaluated, seed: int) -> dict[str, Any]:
    """What the report shows beyond the facts: the features in two dimensions, and a few rows with what is said of them."""
    return {"embedding": _embedding(tuning, selected, evaluated, seed), "examples": _examples(tuning, evaluated, seed)}


def _embedding(
    tuning: Tuning, selected: Selected, evaluated: Evaluated, seed: int, most: int = 500
) -> dict[str, Any] | None:
    rng = np.random.default_rng(seed)
    Z = selected.model.features
    others = np.setdiff1d(np.arange(len(Z)), tuning.train)
    if len(others) < 2:
        return None
    learned = np.sort(rng.permutation(len(tuning.train))[:most])
    others = np.sort(rng.permutation(others)[:most])
    return {
        "method": "PCA",
        "before": flat_picture(Z[tuning.train[learned]], Z[others]),
        "after": None,
        "source_labels": tuning.y[learned].tolist(),
        "target_labels": evaluated.predictions[evaluated.winner.candidate.id][others].tolist(),
    }


def _examples(tuning: Tuning, evaluated: Evaluated, seed: int, most: int = 12) -> list[dict[str, Any]]:
    """Held-back rows, the wrongly predicted ones first, with a thumbnail or the beginning of the text."""
    held = tuning.held_back
    predicted = evaluated.predictions[evaluated.winner.candidate.id]
    rng = np.random.default_rng(seed)
    if held is None:
        rows = rng.permutation(tuning.target.n_samples)[:most]
        truth: dict[int, Any] = {}
    else:
        truth = dict(zip(held.rows.tolist(), held.y.tolist()))
        mixed = rng.permutation(held.rows)
        wrong = np.array([predicted[r] != truth[int(r)] for r in mixed], dtype=bool)
        if tuning.kind == "regression":
            wrong[:] = False
        half = mixed[wrong][: most // 2]
        rows = np.concatenate([half, mixed[~wrong][: most - len(half)]])
    found = []
    for row in rows.tolist():
        shown = shown_sample(tuning.target.X, row)
        found.append({"name": tuning.names[row], "truth": truth.get(row), "predicted": predicted[row], **shown})
    return plain(found)


# Files ------------------------------------------------------------------------------------------------------------------


def write(folder: Path, facts: dict[str, Any], shown: dict[str, Any], tuning: Tuning, evaluated: Evaluated) -> None:
    """Lay everything into the run's folder; ``run.json`` comes last, so a folder that has it is complete."""
    card = evaluated.winner.candidate.card
    model = evaluated.model
    store.save(model, folder / "model", overwrite=True, metadata={"method": card.name})
    atomic_write(folder / "candidates.csv", candidates_csv(facts["candidates"], _COLUMNS))
    predicted = evaluated.predictions[evaluated.winner.candidate.id]
    atomic_write(folder / "predictions.csv", predictions_csv(predicted, evaluated.proba, tuning.classes, tuning.names))
    atomic_write(folder / "MODEL_CARD.md", model_card(facts))
    atomic_write(folder / "report.html", render(facts, shown["embedding"], shown["examples"]))
    atomic_write(folder / "run.json", json.dumps(facts, indent=1, allow_nan=False, ensure_ascii=False) + "\n")
