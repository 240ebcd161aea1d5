"""`transferkit gap`: diagnosis only."""

from __future__ import annotations

from ..core.errors import DataError
from .console import out, print_json, print_notes
from .run import (
    AS_JSON,
    DOMAIN_COLUMN,
    DOMAINS,
    KIND,
    LABEL,
    MODEL,
    SEED,
    SHOTS,
    SOURCE_DOMAIN,
    TARGET_DOMAIN,
    TARGET_LABELS,
    TEXT,
    task_from,
)

__all__ = ["gap"]


def gap(
    domains: DOMAINS = None,
    label: LABEL = None,
    kind: KIND = "auto",
    target_labels: TARGET_LABELS = "auto",
    shots: SHOTS = None,
    domain_column: DOMAIN_COLUMN = None,
    target_domain: TARGET_DOMAIN = None,
    source_domain: SOURCE_DOMAIN = None,
    model: MODEL = None,
    text: TEXT = None,
    seed: SEED = 0,
    as_json: AS_JSON = False,
) -> None:
    """Say how the target differs from its sources, and which methods fit such a difference. Nothing is written.

    Several sources are ranked by how much they are like the target. Target labels are used where some rows have one, or
    with --target-labels few: they tell whether a source model loses by other rows or by other labels.

    [bold]Examples[/bold]

      transferkit gap lab.csv clinic.csv --label diagnosis

      transferkit gap digits:clean digits:scanner --json

      transferkit gap rome.csv oslo.csv lima.csv --label diagnosis --target-labels few

      transferkit gap photos/ sketches/ --model timm:resnet18
    """
    from dataclasses import replace

    import numpy as np

    from ..data.align import have_other_columns
    from ..pipeline.define import define
    from ..pipeline.gap import gap_profile
    from ..pipeline.prepare import prepare

    task = task_from(
        domains or [],
        domain_column=domain_column,
        target_domain=target_domain,
        source_domains=source_domain,
        model=model,
        text=text,
        label=label,
        kind=kind,
        target_labels=target_labels,
        shots=shots,
        seed=seed,
    )
    defined = define(task)
    if defined.sources and not defined.models and have_other_columns(defined.sources, defined.target):
        raise DataError(
            f"{defined.sources[0].name} and {defined.target.name}: domains must have a column in common to be compared. Got columns"
            " of their own; `transferkit run` tries what can tie them."
        )
    if any(np.asarray(d.y).ndim == 2 for d in defined.sources):
        raise DataError(
            f"{defined.sources[0].name}: a gap must be between rows of one label each. Got several labels a row; --label names"
            " another column or variable, where there is one."
        )
    # Rows are compared, of graphs their nodes: nothing is said of edges.
    sources, target = ([replace(d, edges=None) for d in part] for part in (defined.sources, [defined.target]))
    prepared = prepare(replace(defined, sources=tuple(sources), target=target[0]))
    found = gap_profile(
        prepared.source,
        prepared.target,
        groups=prepared.groups,
        feature_names=prepared.column_names,
        own_columns=prepared.has_own_columns,
        task=prepared.kind,
        random_state=seed,
    )
    if as_json:
        print_json({**found, "notes": prepared.notes})
        return
    from ..report.console import gap_table

    out().print(gap_table(found))
    print_notes(n for n in prepared.notes if n not in defined.notes)  # those have been said as warnings
