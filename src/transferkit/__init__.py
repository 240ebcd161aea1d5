"""transferkit: carry what is known in one domain over to another, and never make the other worse."""

from __future__ import annotations

import importlib
from typing import Any

__version__ = "0.1.0"

# Public names that are not methods, and the module each lives in. Methods come from the catalogue.
_HOMES = {
    "DataError": "core.errors",
    "Domain": "core.protocols",
    "DomainError": "core.errors",
    "Facts": "core.relational",
    "MissingExtraError": "core.errors",
    "ParamError": "core.errors",
    "Predicate": "core.relational",
    "RelationGuard": "core.relation_guard",
    "RelationalRows": "core.relational",
    "Training": "engine.training.settings",
    "TrainingError": "core.errors",
    "TransferError": "core.errors",
    "TransferPipeline": "core.compose",
    "TransferTask": "pipeline.task",
    "TransferWarning": "core.errors",
    "Vote": "core.vote",
    "from_sample_domain": "core.sample_domain",
    "load": "store",
    "load_backbone": "engine.backbones",
    "distil": "core.distil",
    "match_graphs": "core.graph_matching",
    "read": "data.readers",
    "read_splits": "data.readers",
    "relation_test": "core.relation_test",
    "run": "pipeline.run",
    "save": "store",
    "to_sample_domain": "core.sample_domain",
}


def __getattr__(name: str) -> Any:
    if name == "catalogue":
        return importlib.import_module(".catalogue", __name__)
    if name in _HOMES:
        value = getattr(importlib.import_module(f".{_HOMES[name]}", __name__), name)
    elif name.startswith("_"):
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    else:
        # import_module, not `from . import`: that would ask this very function for the submodule first.
        catalogue = importlib.import_module(".catalogue", __name__)
        if name not in {card.cls for card in catalogue.cards().values()}:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}.{catalogue.suggest(name)}")
        value = catalogue.load(name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    catalogue = importlib.import_module(".catalogue", __name__)
    return sorted([*_HOMES, *(card.cls for card in catalogue.cards().values()), "__version__"])
