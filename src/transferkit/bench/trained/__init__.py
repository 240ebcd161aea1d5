"""Tables of trained networks: deep adaptation under one protocol a table, beside the published numbers where there are any.

How to add a table
------------------
A file of this folder without a leading underscore is a table; ``transferkit bench NAME`` runs it. It holds (`TrainedTable`):

``TITLE, PROTOCOL, DATA, MISSING``  texts: what it is, the protocol and how it differs from the published one, the data set's name,
                    and what the published table has and this one has not
``VERSION``         raised when data or protocol change, so that no kept cell is taken for a new one
``TASKS``           names, as in ``"usps -> mnist"``
``PARAMS, TRAINING``  of every row: the method's parameters, and those of `transferkit.Training`
``BY_TASK``         task -> `Settings` for that task
``ROWS``            `TrainedRow`: the method's id, its settings, the published numbers
``QUICK``           `Quick`: rows, tasks and the share of the epochs of ``--quick``
``load(task)``      `Sets`: rows to train on and rows to judge on

All settings are plain values (text, numbers, lists), for a cell is known by them: it ends in a small JSON file in the cache
folder, and a run that was killed, or a table with one more row, does only what is not there.
A later setting wins: PARAMS and TRAINING, then BY_TASK, then the row's, then the row's for the task.
"""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Mapping
from functools import cache
from types import MappingProxyType
from typing import cast

from ._render import render
from ._run import default_folder, run_trained, to_json
from ._table import Quick, Sets, Settings, TrainedRow, TrainedTable

__all__ = [
    "Quick",
    "Sets",
    "Settings",
    "TrainedRow",
    "TrainedTable",
    "default_folder",
    "render",
    "run_trained",
    "tables",
    "to_json",
]


@cache
def tables() -> Mapping[str, TrainedTable]:
    """All tables by name: the file's name with hyphens.

    Examples
    --------
    >>> from transferkit.bench import trained
    >>> "digits" in trained.tables()
    True
    """
    names = [module.name for module in pkgutil.iter_modules(__path__) if not module.name.startswith("_")]
    return MappingProxyType(
        {name.replace("_", "-"): cast(TrainedTable, importlib.import_module(f"{__name__}.{name}")) for name in names}
    )
