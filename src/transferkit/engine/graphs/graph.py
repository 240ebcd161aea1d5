"""Graphs as networks see them: whole, or the surroundings of some nodes; and the numbers of nodes that a loop draws from."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from types import SimpleNamespace
from typing import Any

import numpy as np
import torch
from scipy import sparse
from torch import Tensor

from ...core.protocols import Array
from ...ops.graphs.links import Links, local_links
from ...ops.nn.propagate import GraphBatch, sparse_matrix
from ..inputs.rows import Rows
from ..training.objective import Stream

__all__ = ["Graph", "NodeRows", "drawn_generator"]

# Nodes are numbers: nothing is done to them before the network sees them.
_AS_IT_IS = SimpleNamespace(spec={"type": "nodes"}, finish=lambda batch, training, generator=None: batch)


class Graph:
    """Node features and the links between nodes; the CPU holds them, what is used goes to the device.

    Parameters
    ----------
    X : array or CSR matrix of shape (n_nodes, n_features)
        Features; sparse ones stay so.
    links : mapping of str to Links
        By name, what the network multiplies features with.
    domain : {"source", "target"}
        Whose graph it is.
    """

    def __init__(self, X: Any, links: Mapping[str, Links], domain: str = "target") -> None:
        is_sparse = sparse.issparse(X)
        self.X = sparse.csr_matrix(X, dtype=np.float32) if is_sparse else np.require(X, np.float32, "CW")
        self.links, self.domain = dict(links), domain
        self._whole: tuple[torch.device, GraphBatch] | None = None

    def __len__(self) -> int:
        return int(self.X.shape[0])

    def whole(self, device: torch.device) -> GraphBatch:
        """All nodes; kept on the device for the next time."""
        if self._whole is None or self._whole[0] != device:
            with torch.inference_mode(False):  # a prediction may ask first, and training then needs the same tensors
                links = {name: sparse_matrix(own.whole, device) for name, own in self.links.items()}
                nodes = torch.arange(len(self), device=device)
                self._whole = device, GraphBatch(_input(self.X, device), links, nodes, self.domain)
        return self._whole[1]

    def around(
        self,
        nodes: Array,
        hops: int,
        n_neighbors: int | None,
        rng: np.random.Generator,
        device: torch.device,
        X: Any = None,
        grad: bool = True,
    ) -> GraphBatch:
        """Some nodes and what reaches them.

        Parameters
        ----------
        nodes : int array of shape (n_nodes,)
            They come first in the batch; without repetition.
        hops : int
            Edges that features pass.
        n_neighbors : int or None
            Neighbours drawn for each node; None takes all of them.
        rng : Generator
        device : torch.device
        X : array of shape (n_nodes of the graph, width), optional
            Other features than the graph's own.
        grad : bool
            Whether gradients are to pass.
        """
        found, taken = nodes, {}
        for name, links in self.links.items():
            # Each kind of link brings nodes of its own; those before them keep their places.
            own, taken[name] = local_links(links, nodes, hops, n_neighbors, rng)
            taken[name] = own, taken[name]
            found = np.concatenate([found, np.setdiff1d(own, found)])
        place = np.full(len(self), -1, dtype=np.int64)
        place[found] = np.arange(len(found))
        local = {}
        for name, (own, matrix) in taken.items():
            entries = matrix.tocoo()
            at = place[own[entries.row]], place[entries.col]
            passed = sparse.csr_matrix((entries.data, at), shape=(len(found), len(found)), dtype=np.float32)
            itself = sparse.diags(self.links[name].own[found], dtype=np.float32)
            local[name] = sparse_matrix(passed + itself, device, grad)
        x = _input((self.X if X is None else X)[found], device, grad)
        return GraphBatch(x, local, torch.as_tensor(found, device=device), self.domain)

    def digest(self) -> str:
        """SHA-256 of features and links."""
        found = hashlib.sha256(f"{self.domain} {self.X.shape}".encode())
        parts = [self.X.data, self.X.indices, self.X.indptr] if sparse.issparse(self.X) else [self.X]
        for name, links in sorted(self.links.items()):
            found.update(name.encode())
            parts += [links.matrix.data, links.matrix.indices, links.matrix.indptr, links.own]
        for part in parts:
            found.update(np.ascontiguousarray(part).data)
        return found.hexdigest()


def _input(X: Any, device: torch.device, grad: bool = True) -> Any:
    return sparse_matrix(X, device, grad) if sparse.issparse(X) else torch.from_numpy(X).to(device)


def drawn_generator() -> np.random.Generator:
    """A generator that follows from the update's seed: numpy's, for what is drawn on the CPU."""
    return np.random.default_rng(int(torch.randint(2**62, (1,))))


class NodeRows(Rows):
    """Numbers of nodes with their labels, as rows of a loop.

    Parameters
    ----------
    graph : Graph
        Whose nodes they are.
    nodes : int array of shape (n_rows,)
    y : tensor of shape (n_rows,) or (n_rows, n_outputs), optional
        Encoded labels.
    whole : bool
        Whether there is one row only, and it is all the nodes at once: a batch has ``x`` of shape (1, n_rows).
    """

    def __init__(self, graph: Graph, nodes: Array, y: Tensor | None = None, whole: bool = False) -> None:
        super().__init__(nodes, _AS_IT_IS, y)  # type: ignore[arg-type]
        self.graph, self.nodes, self.whole = graph, nodes, whole

    def __len__(self) -> int:
        return 1 if self.whole else len(self.nodes)

    def take(self, rows: Array) -> NodeRows:
        """Some of the nodes, in that order."""
        y = None if self.y is None else self.y[torch.as_tensor(rows)]
        return NodeRows(self.graph, self.nodes[rows], y, self.whole)

    def digest(self) -> str:
        """SHA-256 of the graph, the nodes and their labels."""
        found = hashlib.sha256(f"{self.whole} {self.graph.digest()}".encode())
        found.update(np.ascontiguousarray(self.nodes).data)
        if self.y is not None:
            found.update(f"{self.y.dtype} {tuple(self.y.shape)}".encode() + self.y.cpu().contiguous().numpy().tobytes())
        return found.hexdigest()

    def batches(self, plan: Sequence[Array], workers: int = 0) -> Iterator[Stream]:
        """One stream for each list of row numbers."""
        nodes = torch.as_tensor(self.nodes)
        for rows in plan:
            index = torch.as_tensor(np.ascontiguousarray(rows), dtype=torch.int64)
            if self.whole:
                yield Stream(nodes[None], None if self.y is None else self.y[None], index)
            else:
                yield Stream(nodes[index], None if self.y is None else self.y[index], index)
