"""Published tables, run again with the protocol they were made with: ours beside the paper's.

Each file of this package without a leading underscore is one table; adding a table means adding a file. Folders are benchmarks
of our own making: `noharm` asks whether the guard keeps what it promises.
"""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Mapping
from functools import cache
from types import MappingProxyType
from typing import Any, cast

from ..core.errors import ParamError
from ._render import render
from ._run import Progress, run, to_json
from ._table import PublishedTable, Row

__all__ = ["Progress", "PublishedTable", "Row", "render", "run_table", "tables", "to_json"]


@cache
def tables() -> Mapping[str, PublishedTable]:
    """All tables by name: the file's name with hyphens.

    Examples
    --------
    >>> from transferkit import bench
    >>> "office-caltech-surf" in bench.tables()
    True
    """
    names = [
        module.name for module in pkgutil.iter_modules(__path__) if not module.name.startswith("_") and not module.ispkg
    ]
    return MappingProxyType(
        {name.replace("_", "-"): cast(PublishedTable, importlib.import_module(f"{__name__}.{name}")) for name in names}
    )


def run_table(
    name: str,
    *,
    methods: tuple[str, ...] | None = None,
    tasks: tuple[str, ...] | None = None,
    jobs: int = 1,
    progress: Progress | None = None,
) -> dict[str, Any]:
    """Run a table's protocol.

    Parameters
    ----------
    name : str
        One of `tables`.
    methods : tuple of str, optional
        Only rows of these methods, by catalogue id.
    tasks : tuple of str, optional
        Only these of the table's tasks, as in ``"caltech -> amazon"``.
    jobs : int, default=1
        Cells run at the same time, as joblib counts.
    progress : callable, optional
        Called with the number of cells done, the number in all, and a word on the last.

    Returns
    -------
    result : dict
        ``rows`` holds, for each row, its method and protocol, ``ours`` and ``paper`` (accuracy in percent a task),
        their ``difference`` in the printed decimals, ``equal`` (how many tasks agree) and whether it is ``verified``,
        that is, known to be reproducible. The rest says what was run, on what, and with which versions.

    Raises
    ------
    ParamError
        If there is no such table, method or task.
    DataError
        If its data set is not on this machine.
    """
    known = tables()
    if name not in known:
        raise ParamError(f"run_table: name must be one of {', '.join(known)}. Got {name!r}.")
    return run(name, known[name], methods=methods, tasks=tasks, jobs=jobs, progress=progress)
