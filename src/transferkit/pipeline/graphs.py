"""Graphs on the way to a method: the edges between the source's labelled nodes."""

from __future__ import annotations

from typing import Any

from ..catalogue import Card
from ..core.errors import DomainError
from ..core.graphs import as_adjacency
from .define import Defined

__all__ = ["source_edges"]


def source_edges(card: Card, defined: Defined) -> dict[str, Any]:
    """The argument ``edges`` of a method for graphs, empty for any other.

    Nodes without a label are left out of a source, and so are their edges.

    Raises
    ------
    DomainError
        If a domain has no edges, or there are several sources.
    """
    if "graph" not in card.data:
        return {}
    for domain in (*defined.sources, defined.target):
        if domain.edges is None:
            raise DomainError(
                f"{domain.name}: must be a graph for {card.name}: a folder with tables called nodes and edges, or a .mat or"
                " .npz file with a network. Got rows without edges."
            )
    if len(defined.sources) != 1:
        raise DomainError(f"{card.name}: the source must be one graph. Got {len(defined.sources)}.")
    source = defined.sources[0]
    adjacency = as_adjacency(f"{source.name}: edges", source.edges, source.n_samples)
    return {"edges": adjacency[source.mask][:, source.mask]}
