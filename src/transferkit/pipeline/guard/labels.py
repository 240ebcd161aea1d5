"""Labels of disputed rows that were asked for: read from a file, and what they settle."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from ...core.csv_text import csv_text, unguarded
from ...core.errors import DataError
from ...ops.evidence.candidates import class_probabilities
from ...ops.evidence.findings import finding
from ...ops.evidence.paired_test import gain_interval, verdict
from ..prepare import Prepared
from ..task import class_of
from ..train import Trained
from .choice import Choice, facts_of_choice
from .disputed import level_of, rows_to_ask

__all__ = ["check_labels", "label_sheet", "merge_labels", "settle", "write_labels"]


def label_sheet(guard: Mapping[str, Any]) -> str | None:
    """`label_next.csv`: the rows to label next, with an empty column for the labels; None where nothing is asked."""
    asked = (guard.get("disputed") or {}).get("label_next") or []
    if not asked:
        return None
    columns = ["row", *(["name"] if "name" in asked[0] else []), "source_only", "proposal", "label"]
    return csv_text([columns, *([{**row, "label": ""}.get(c) for c in columns] for row in asked)])


def write_labels(labels: Mapping[int, str]) -> str:
    """`labels.csv`: all labels that were given so far."""
    return csv_text([("row", "label"), *sorted(labels.items())])


def merge_labels(paths: list[Path], n_rows: int) -> dict[int, str]:
    """Labels by target row from files with columns ``row`` and ``label``; later files win, empty labels are skipped.

    Raises
    ------
    DataError
        If a file cannot be read, lacks a column, or names a row that is not there.
    """
    found: dict[int, str] = {}
    for path in paths:
        try:
            text = path.read_text(encoding="utf-8-sig")
        except (OSError, UnicodeDecodeError) as err:
            raise DataError(f"{path}: labels must be a readable CSV file. Got: {err}") from err
        rows = list(csv.DictReader(io.StringIO(text)))
        if not rows or not {"row", "label"} <= set(rows[0]):
            got = ", ".join(map(str, rows[0])) if rows else "no row"
            raise DataError(f"{path}: labels must have the columns row and label, and a row or more. Got {got}.")
        for k, row in enumerate(rows, start=2):
            label = unguarded((row["label"] or "").strip())
            if not label:
                continue
            try:
                index = int(row["row"])
            except (TypeError, ValueError):
                index = -1
            if not 0 <= index < n_rows:
                raise DataError(f"{path}: line {k}: row must be a target row, 0 to {n_rows - 1}. Got {row['row']!r}.")
            found[index] = label
    return found


def check_labels(labels: Mapping[int, str], prepared: Prepared) -> dict[str, Any]:
    """The source's classes by the texts of labels.

    Raises
    ------
    DataError
        If a label is not among them.
    """
    classes = np.unique(np.asarray(prepared.source.y)).tolist()
    found = {text: class_of(text, classes) for text in sorted(set(labels.values()))}
    unknown = [text for text, c in found.items() if c is None]
    if unknown:
        raise DataError(
            f"labels: every label must be a class of the source, {', '.join(map(str, classes[:20]))}."
            f" Got {', '.join(unknown[:5])}. Leave rows of other classes empty: both models are wrong there."
        )
    return found


def settle(choice: Choice, anchor: Trained, prepared: Prepared, labels: Mapping[int, str], seed: int = 0) -> Choice:
    """Let labels of disputed rows decide between source-only and the proposal.

    A test that may be looked at after every label: rows were drawn at random from those in dispute, and the chance of ever
    settling it wrongly is at most that of `level_of`. It is settled for certain where the rows in dispute that have no label
    yet could not turn it. Where it stays open, the choice made without labels stands, and the rows to label next go on in the
    order that `seed` drew.
    """
    if not choice.guard.get("disputed"):
        raise DataError("labels: must answer what a run asked for. Got a run without rows in dispute.")
    classes = check_labels(labels, prepared)
    rows = np.array(sorted(labels))
    truth = np.array([classes[labels[i]] for i in rows])
    before, after = (t.model.predict(prepared.target.X) for t in (anchor, choice.proposal))
    asked = before[rows] != after[rows]
    wins = int((after[rows][asked] == truth[asked]).sum())
    losses = int((before[rows][asked] == truth[asked]).sum())
    free = ~prepared.target.mask  # of rows whose label was learned from nothing can be asked
    n, n_disputed = int(asked.sum()), int((before != after)[free].sum())
    settled = (
        verdict(wins, losses, alpha=level_of(choice.guard.get("mode", "")), n_left=n_disputed - n) if n else "open"
    )
    end = {"better": "enough to settle it", "worse": "enough to refuse it", "open": "not enough to settle it"}[settled]
    says = f"Of {n} labelled rows in dispute the proposal is right on {wins}, source-only on {losses}: {end}."
    check = finding("labels", wins - losses, None, settled == "better", says)
    guard = choice.guard
    left: list[dict[str, Any]] = []
    if settled == "open":
        own = np.unique(np.asarray(prepared.source.y))
        old, new = (class_probabilities(t.model, prepared.target.X, own) for t in (anchor, choice.proposal))
        left = rows_to_ask(old, new, own, prepared, seed, labelled=rows)
    adapted = {"better": True, "worse": False, "open": guard["adapted"]}[settled]
    more: dict[str, Any] = {
        **{k: guard[k] for k in ("mode", "evidence", "limits", "weights", "expected_from") if k in guard},
        "disputed": {**guard["disputed"], "label_next": left},
        "state": {"better": "adapt", "worse": "keep", "open": guard["state"]}[settled],
        "readings": guard.get("readings", []) if settled == "open" else [],
        "labels": {
            "n": n, "wins": wins, "losses": losses, "settled": settled,
            "gain": list(gain_interval(wins, losses, n - wins - losses, n_disputed, int(free.sum()))),
        },
    }  # fmt: skip
    checks = [*guard["checks"], check] if settled == "open" else [check, *guard["checks"]]
    facts = facts_of_choice(guard["selector"], guard["rule"], anchor, choice.proposal, adapted, checks, **more)
    if settled == "open":
        facts["reason"] += f"; of{says[2:-1]}"
    return replace(choice, winner=choice.proposal if adapted else anchor, guard=facts)
