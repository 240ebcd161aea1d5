"""Does the guard keep what it promises? More than 300 real tasks, every candidate of the portfolio, every rule beside it.

`tasks` draws them, `record` fits the portfolio and keeps what each candidate says, `judge` keeps what every rule would have
done, `refits` what selectors that fit the candidates again do on a part of the tasks, `asked` what labels of rows in dispute
settle between two classes, `summary` counts. Records outlive a run: what is there is not fitted again.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from joblib import Parallel, delayed

from ...core.errors import ParamError
from .asked import labels_asked
from .domains import Missing, domains
from .judge import judge
from .record import fit_task
from .refits import judged_again, part
from .render import render, to_json
from .summary import summarise
from .tasks import Task, tasks

__all__ = ["TITLE", "default_folder", "render", "run", "to_json"]

TITLE = "No harm: transfer against source-only on more than 300 real tasks, for every rule of choice"
QUICK = 250  # rows a domain of the quick form


def default_folder() -> Path:
    """Where records are kept if nothing else is said."""
    cache = os.environ.get("XDG_CACHE_HOME", "")
    return (Path(cache) if cache else Path.home() / ".cache") / "transferkit" / "noharm"


def run(
    folder: Path | None = None,
    *,
    families: Sequence[str] | None = None,
    quick: bool = False,
    jobs: int = 1,
    progress: Callable[[int, int, str], None] | None = None,
) -> dict[str, Any]:
    """Fit what is not fitted, judge, and count.

    Parameters
    ----------
    folder : Path, optional
        Where records are kept; None is `default_folder`.
    families : sequence of str, optional
        Only these data sets.
    quick : bool
        Only the tasks of 250 rows a domain.
    jobs : int
        Tasks at a time, as joblib counts.
    progress : callable, optional
        Told ``(done, total, task)``.

    Returns
    -------
    dict
        ``table`` (one line a rule), ``families``, ``nested_limits``, ``rows``; see `summarise`.

    Raises
    ------
    ParamError
        If a family does not exist.
    """
    folder = default_folder() if folder is None else Path(folder)
    every = [t for t in tasks() if not quick or t.n <= QUICK]
    extra = sorted(set(families or ()) - {t.family for t in every})
    if extra:
        raise ParamError(
            f"run: families must be of {', '.join(sorted({t.family for t in every}))}. Got {', '.join(extra)}."
        )
    chosen, missing = [], {}
    for task in every:
        if families is not None and task.family not in families:
            continue
        if task.family not in missing:
            try:
                domains(task.data)
            except Missing as err:
                missing[task.family] = str(err)
        if task.family not in missing:
            chosen.append(task)
    again = part(every)
    found = Parallel(n_jobs=jobs, return_as="generator")(delayed(_one)(t, folder, t.name in again) for t in chosen)
    rows = []
    for k, row in enumerate(found, start=1):
        rows.append(row)
        if progress is not None:
            progress(k, len(chosen), row["name"])
    return summarise(rows, missing)


def _one(task: Task, folder: Path, again: bool) -> dict[str, Any]:
    path = fit_task(task, folder)
    row = {**judge(path), "asked": labels_asked(path)}
    return {**row, "refits": judged_again(path)} if again else row
