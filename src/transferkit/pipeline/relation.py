"""Step 6 between feature spaces: what was found to tie the two sides, column by column, and what to do next."""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy.optimize import linear_sum_assignment
from sklearn.cluster import KMeans

from ..core.errors import TransferError
from ..core.protocols import Array
from .evaluate import Evaluated
from .prepare import Prepared
from .strict_json import plain

__all__ = ["column_ties", "coupled_classes", "next_between_spaces", "relation_of"]


def relation_of(prepared: Prepared, evaluated: Evaluated) -> dict[str, Any]:
    """The part ``relation`` of ``run.json``: the test, and which columns the proposal holds for one another."""
    guard = evaluated.guard
    proposal = next(t for t in evaluated.trained if t.candidate.id == guard["proposal"])
    found = dict(guard.get("relation") or {})
    pairs = 0 if prepared.pairs is None else len(prepared.pairs)
    columns: list[dict[str, Any]] = []
    if proposal.candidate.role != "baseline" and hasattr(proposal.model, "transform"):
        try:
            columns = column_ties(
                proposal.model,
                prepared.source.X,
                prepared.target.X,
                prepared.source_names or [],
                prepared.feature_names,
            )
        except TransferError:  # a method that maps the target's rows only
            columns = []
    coupling = {}
    if prepared.classes is not None and prepared.source.y is not None:
        labels = prepared.target.mask, np.asarray(prepared.target.known_y)
        coupling = coupled_classes(proposal.model, np.asarray(prepared.source.y), prepared.target.X, *labels)
    return plain(
        {
            "of": proposal.candidate.card.cls,
            "found": bool(found.get("found")),
            "used": guard["adapted"],
            "n_pairs": pairs,
            "n_known": int(prepared.target.mask.sum()),
            "columns": columns,
            **({"coupling": coupling} if coupling else {}),
            **found,
        }
    )


def column_ties(
    model: Any, Xs: Array, Xt: Array, source_names: list[str], target_names: list[str], most: int = 15
) -> list[dict[str, Any]]:
    """The pairs of a source's and a target's column that a fitted map holds for most alike, each column of the target once.

    A column is what its correlations with the axes of the common space say; two columns agree as far as these profiles do
    (their cosine, times how much of each column the space holds). A coupling of columns, where the method has one, says it
    directly: `agreement` is then the share of the target column's mass.
    """
    plan = getattr(model, "column_plan_", None)
    if plan is not None:
        ties = np.asarray(plan) / np.maximum(np.asarray(plan).sum(axis=0), 1e-300)
    else:
        left, right = (
            _profiles(X, np.asarray(model.transform(X, domain=d), dtype=np.float64))
            for X, d in ((Xs, "source"), (Xt, "target"))
        )
        ties = left @ right.T
    names = [
        given if len(given) == n else [f"component {j}" for j in range(n)]  # of reduced columns
        for given, n in zip((source_names, target_names), ties.shape)
    ]
    best = np.abs(ties).argmax(axis=0)
    strength = np.abs(ties)[best, np.arange(ties.shape[1])]
    order = np.argsort(-strength, kind="stable")[:most]
    return [
        {"source": names[0][best[j]], "target": names[1][j], "agreement": round(float(ties[best[j], j]), 4)}
        for j in order
        if strength[j] > 0
    ]


def coupled_classes(model: Any, ys: Array, Xt: Array, known: Array, yt: Array) -> dict[str, Any]:
    """Where a coupling of rows sends each source class: groups of target rows (k-means, one a class), and the shares.

    Groups stand in the order of the classes that they get most of. Empty where `model` couples no rows; hidden target labels
    have no part in it.
    """
    plan = getattr(model, "row_plan_", getattr(model, "plan_", None))
    classes, codes = np.unique(ys, return_inverse=True)
    if plan is None or plan.shape != (len(ys), len(Xt)) or len(np.unique(Xt, axis=0)) < len(classes):
        return {}
    group = KMeans(len(classes), n_init=5, random_state=0).fit_predict(np.asarray(Xt))
    mass = np.asarray(np.eye(len(classes))[codes].T @ plan @ np.eye(len(classes))[group])
    shares = mass / np.maximum(mass.sum(axis=1, keepdims=True), 1e-300)
    order = linear_sum_assignment(shares, maximize=True)[1]
    groups = []
    for k in order:
        names, counts = np.unique(yt[group[known] == k], return_counts=True)
        label = names[counts.argmax()] if len(names) else None
        groups.append({"rows": int((group == k).sum()), "label": label})
    return {"classes": classes.tolist(), "groups": groups, "shares": np.round(shares[:, order], 4).tolist()}


def _profiles(X: Array, Z: Array) -> Array:
    """Correlations of columns with axes, each column's scaled so that its length is its share of variance the space holds."""
    X, Z = (np.asarray(V, dtype=np.float64) - np.mean(V, axis=0) for V in (X, Z))
    U, s, _ = np.linalg.svd(Z, full_matrices=False)
    scale = np.linalg.norm(X, axis=0)
    held = np.linalg.norm(U[:, s > 1e-10 * max(s[0], 1e-300)].T @ X, axis=0) / np.where(scale > 0, scale, 1)
    spread = np.linalg.norm(Z, axis=0)
    own = X.T @ Z / np.outer(np.where(scale > 0, scale, 1), np.where(spread > 0, spread, 1))
    length = np.linalg.norm(own, axis=1)
    return np.asarray(own * (held / np.where(length > 0, length, 1))[:, None])


def next_between_spaces(prepared: Prepared, evaluated: Evaluated) -> list[str]:
    """What to do next, in sentences."""
    guard = evaluated.guard
    steps = []
    if guard["adapted"]:
        steps.append("Use the model on new rows of the target: transferkit predict RUN DATA -o FILE.csv.")
    else:
        steps.append("The model is learned from the target's own labels; the source has no part in it.")
    steps.append(
        f"The labels or pairs tested {guard['proposal']} only; the other candidates stand for comparison. To test another method,"
        " name it alone with --method."
    )
    if prepared.pairs is None:
        steps.append(
            "Rows that both sides have seen tie the columns far better than labels do: where there are any, give them with --pairs."
        )
    if not guard["adapted"] and prepared.classes is not None:
        steps.append("Or label more target rows: they help both the model and the test.")
    failed = [c["id"] for c in evaluated.candidates if c["status"] == "failed"]
    if failed:
        steps.append(f"{len(failed)} candidates failed ({', '.join(failed[:3])}); their reasons are listed with them.")
    return steps
