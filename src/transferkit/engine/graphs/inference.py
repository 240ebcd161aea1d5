"""Features and outputs of a trained graph network, for all nodes of a graph of any size, or for some."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import torch
from torch import nn

from ...core.protocols import Array
from ...ops.nn.graph_network import GraphChain
from ..training.device import Place
from .graph import Graph

__all__ = ["all_nodes", "some_nodes"]

_CHUNK = 2**14  # nodes at a time, where a graph is too large for one pass


@contextmanager
def _asking(network: nn.Module) -> Iterator[None]:
    """Evaluation mode without gradients, and the modes as they were afterwards."""
    modes = {m: m.training for m in network.modules()}
    network.eval()
    try:
        with torch.inference_mode():
            yield
    finally:
        for m, mode in modes.items():
            m.training = mode


def all_nodes(network: GraphChain, graph: Graph, place: Place, in_pieces: bool = False) -> tuple[Array, Array]:
    """Features and outputs of every node, with all neighbours.

    Parameters
    ----------
    network : GraphChain
    graph : Graph
    place : Place
        Device and precision.
    in_pieces : bool
        Whether nodes go through one stage after the other, some at a time; else all at once.

    Returns
    -------
    z, outputs : float32 array of shape (n_nodes, n_features), and (n_nodes, n_outputs)
    """
    with _asking(network), place.autocast():
        if not in_pieces:
            batch = graph.whole(place.device)
            z = network.features(batch)
            return z.float().cpu().numpy(), network.head(z, batch).float().cpu().numpy()
        h = None
        for stage in network.stages(graph.domain):
            for part in stage.parts() if hasattr(stage, "parts") else [stage]:
                h = _stage(part, graph, h, place)
        z = graph.X if h is None else h
        return z, _stage(network.head, graph, z, place)


def _stage(stage: nn.Module, graph: Graph, h: Array | None, place: Place) -> Array:
    """What one stage makes of the features of all nodes."""
    parts = []
    for start in range(0, len(graph), _CHUNK):
        nodes = np.arange(start, min(start + _CHUNK, len(graph)))
        batch = graph.around(nodes, stage.hops, None, np.random.default_rng(0), place.device, h, grad=False)
        parts.append(stage(batch.x, batch)[: len(nodes)].float().cpu().numpy())
    return np.concatenate(parts)


def some_nodes(
    network: GraphChain, graph: Graph, nodes: Array, place: Place, n_neighbors: int | None
) -> tuple[Array, Array]:
    """The same for some nodes; with `n_neighbors` drawn neighbours, the same at every call, where it is not None."""
    if n_neighbors is None:
        z, outputs = all_nodes(network, graph, place)
        return z[nodes], outputs[nodes]
    with _asking(network), place.autocast():
        rng = np.random.default_rng(0)
        batch = graph.around(nodes, network.hops(graph.domain), n_neighbors, rng, place.device, grad=False)
        z = network.features(batch)
        return tuple(v[: len(nodes)].float().cpu().numpy() for v in (z, network.head(z, batch)))  # type: ignore[return-value]
