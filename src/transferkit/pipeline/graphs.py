"""Graphs on the way to a method: whether a task is one of graphs, and the edges between the source's labelled nodes."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..catalogue import card_of
from ..core.errors import DomainError
from ..core.graphs import as_adjacency
from .define import Defined

__all__ = ["source_edges"]


def source_edges(defined: Defined) -> Any:
    """The source's adjacency where methods for graphs are to be tried, else None.

    That is where all domains have edges and no method was named, or where a method that was named is one for graphs. Nodes
    without a label are left out of a source, and so are their edges.

    Raises
    ------
    DomainError
        If a domain has no edges, there are several sources, labels are numbers, or rows have several labels and no edges.
    """
    domains = (*defined.sources, defined.target)
    methods = defined.task.methods
    named = next((m for m in methods or () if "graph" in card_of(m).data), None)
    if named is None and (methods is not None or any(d.edges is None for d in domains)):
        if any(np.asarray(d.y).ndim == 2 for d in defined.sources):
            raise DomainError(
                f"{domains[0].name}: rows with several labels must be the nodes of graphs, and the methods for graphs (transferkit"
                " list --data graph). Got rows without edges, or a method for tables."
            )
        return None
    asked = "methods for graphs" if named is None else card_of(named).name
    for domain in domains:
        if domain.edges is None:
            raise DomainError(
                f"{domain.name}: must be a graph for {asked}: a folder with tables called nodes and edges, or a .mat or"
                " .npz file with a network. Got rows without edges."
            )
    if defined.kind == "regression":
        raise DomainError(
            f"{domains[0].name}: {asked} must have classes or several labels a node. Got numbers; methods for tables (--method"
            " source_only) take the nodes' features alone, and --kind classification takes whole numbers as classes."
        )
    if len(defined.sources) != 1:
        raise DomainError(f"{asked}: the source must be one graph. Got {len(defined.sources)}.")
    source = defined.sources[0]
    adjacency = as_adjacency(f"{source.name}: edges", source.edges, source.n_samples)
    return adjacency[source.mask][:, source.mask]
