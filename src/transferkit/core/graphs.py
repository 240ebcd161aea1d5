"""Graphs: edges as an adjacency matrix, the input of a fit with two graphs checked, and whose graph a prediction is about."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy import sparse

from .errors import DomainError
from .protocols import Array, Domain
from .validation import Task, TransferData, check_rows, check_transfer

__all__ = ["GraphData", "TargetGraph", "as_adjacency", "check_graph", "rows_and_graph"]

_ROWS = 2**14  # that are looked at together


@dataclass(frozen=True, eq=False)
class GraphData(TransferData):
    """Checked input of one fit; the rows are nodes, dense or CSR.

    Where a node has several labels, `ys` (and `yt`) is a table of 0 and 1 of shape (n_source, n_labels), and `classes` is
    None.

    Attributes
    ----------
    As : CSR matrix of shape (n_source, n_source)
        ``As[i, j]`` is the weight of the edge from i to j; no loops, no stored zeros.
    At : CSR matrix of shape (n_target, n_target)
        The target's.
    """

    As: Any
    At: Any

    @property
    def multilabel(self) -> bool:
        """Whether a node has several labels."""
        return self.ys.ndim == 2


@dataclass(frozen=True, eq=False)
class TargetGraph:
    """What a fitted method remembers of its target: enough to answer for these nodes without being told their edges again.

    Attributes
    ----------
    digest : str
        SHA-256 of the rows.
    adjacency : CSR matrix of shape (n_target, n_target)
    """

    digest: str
    adjacency: Any

    @classmethod
    def of(cls, X: Any, adjacency: Any) -> TargetGraph:
        """That of checked rows."""
        return cls(_rows_digest(X), adjacency)

    def holds(self, X: Any, adjacency: Any) -> bool:
        """Whether checked rows and edges are these."""
        if X.shape[0] != self.adjacency.shape[0] or (adjacency != self.adjacency).nnz:
            return False
        return _rows_digest(X) == self.digest


def as_adjacency(here: str, edges: Any, n: int, *, symmetric: bool = False) -> Any:
    """Edges as a matrix.

    Parameters
    ----------
    here : str
        Beginning of messages, ending in what the edges are called, as in ``"UDAGCN.fit: edges"``.
    edges : int array of shape (2, n_edges), or sparse matrix of shape (n, n)
        From (first row) and to (second row), or ``edges[i, j]`` as the weight of the edge from i to j. An edge that a list
        names twice counts once; entries that a matrix holds twice are added, as scipy does. Loops are left out.
    n : int
        Number of nodes.
    symmetric : bool
        Whether every edge goes both ways; the larger weight counts where both are there.

    Returns
    -------
    adjacency : CSR matrix of shape (n, n), float64
        Sorted, without loops and stored zeros.

    Raises
    ------
    DomainError
        If there are none given, or they are of another shape, name a node that is not there, or have weights that are
        negative or not finite.

    Examples
    --------
    >>> from transferkit.core.graphs import as_adjacency
    >>> as_adjacency("edges", [[0, 1, 1], [1, 2, 1]], 3).toarray().astype(int).tolist()
    [[0, 1, 0], [0, 0, 1], [0, 0, 0]]
    """
    if edges is None:
        raise DomainError(
            f"{here} must be given: an array of shape (2, n_edges), or a sparse matrix of shape ({n}, {n}); "
            "np.empty((2, 0), int) where there are none. Got None."
        )
    found = _of_matrix(here, edges, n) if sparse.issparse(edges) else _of_list(here, edges, n)
    found.setdiag(0)
    found = sparse.csr_matrix(found.maximum(found.T)) if symmetric else found
    found.eliminate_zeros()
    found.sort_indices()
    return found


def _of_matrix(here: str, edges: Any, n: int) -> Any:
    if edges.shape != (n, n):
        raise DomainError(f"{here} must have one row and one column a node ({n}). Got shape {edges.shape}.")
    if edges.dtype.kind not in "fiub":
        raise DomainError(f"{here} must hold numbers. Got dtype {edges.dtype}.")
    found = sparse.csr_matrix(edges, dtype=np.float64, copy=True)
    found.sum_duplicates()
    if not np.isfinite(found.data).all() or (found.data < 0).any():
        raise DomainError(f"{here} must have finite weights of at least 0. Got NaN, infinity or a negative one.")
    return found


def _of_list(here: str, edges: Any, n: int) -> Any:
    try:
        array = np.asarray(edges)
    except ValueError as err:
        raise DomainError(f"{here} must be an array of shape (2, n_edges). Got: {err}") from err
    if array.ndim != 2 or len(array) != 2:
        hint = " Give its transpose." if array.ndim == 2 and array.shape[1] == 2 else ""
        hint = " Give scipy.sparse.csr_matrix of it." if array.shape == (n, n) else hint
        raise DomainError(f"{here} must have shape (2, n_edges), from and to. Got shape {array.shape}.{hint}")
    if array.size and array.dtype.kind not in "iu":
        raise DomainError(f"{here} must hold whole numbers of nodes. Got dtype {array.dtype}.")
    if array.size and (array.min() < 0 or array.max() >= n):
        raise DomainError(f"{here} must name nodes from 0 to {n - 1}. Got numbers from {array.min()} to {array.max()}.")
    start, end = array.astype(np.int64)
    found = sparse.csr_matrix((np.ones(len(start)), (start, end)), shape=(n, n))
    found.data[:] = 1.0  # an edge that was named twice
    return found


def check_graph(
    est: Any,
    X: Any,
    y: Any,
    target: Any,
    *,
    edges: Any,
    groups: Any = None,
    symmetric: bool = True,
    task: Task | None = None,
) -> GraphData:
    """Check parameters, both domains and their edges at the start of one fit.

    Sets on `est` what `check_transfer` sets; no ``classes_`` where nodes have several labels.

    Parameters
    ----------
    est : estimator
        The method being fitted; its ``_constraints`` are checked too.
    X : array-like or sparse matrix of shape (n_source, n_features)
        Features of the source's nodes.
    y : array-like of shape (n_source,), or table of 0 and 1 of shape (n_source, n_labels)
        Their labels.
    target : Domain
        The target's nodes and edges; labels that are not known are not looked at.
    edges : array of shape (2, n_edges) or sparse matrix of shape (n_source, n_source)
        The source's edges.
    groups : array-like of shape (n_source,), optional
        The source domain of each node.
    symmetric : bool
        Whether edges are made to go both ways.
    task : {"classification", "regression"}, optional
        What a method does that does one of them only.

    Raises
    ------
    ParamError
        A parameter is out of its range.
    DomainError
        Naming what cannot be used.
    """
    here = f"{type(est).__name__}.fit"
    table = None
    if _several_columns(y):
        table = _table(f"{here}: y", y)
        y = np.arange(len(table)) % 2  # stands for them where rows are checked
    hidden = target.hide() if table is not None and isinstance(target, Domain) else target
    data = check_transfer(est, X, y, hidden, groups=groups, accept_sparse=True, task=task)
    known, yt, classes, ys = data.known, data.yt, data.classes, data.ys
    if table is not None:
        del est.classes_
        known, classes, ys = target.mask, None, table
        yt = _table(f"{here}: target.y", target.known_y) if known.any() else np.empty((0, table.shape[1]), np.int64)
        if yt.shape[1] != table.shape[1]:
            raise DomainError(
                f"{here}: target.y must have the {table.shape[1]} labels of y. Got {yt.shape[1]} columns."
            )
    As = as_adjacency(f"{here}: edges", edges, data.Xs.shape[0], symmetric=symmetric)
    At = as_adjacency(f"{here}: target.edges", target.edges, data.Xt.shape[0], symmetric=symmetric)
    own = {**vars(data), "ys": ys, "known": known, "yt": yt, "classes": classes}
    return GraphData(**own, As=As, At=At)


def _several_columns(y: Any) -> bool:
    try:
        shape = np.shape(y)
    except ValueError:  # rows of different lengths: what checks rows says so
        return False
    return len(shape) == 2 and shape[1] > 1


def _table(here: str, y: Any) -> Array:
    values = np.asarray(y.toarray() if sparse.issparse(y) else y)
    if values.ndim != 2 or values.dtype.kind not in "fiub" or not np.isin(values, (0, 1)).all():
        raise DomainError(f"{here} must be a table of 0 and 1 for several labels. Got shape {values.shape}.")
    return values.astype(np.int64)


def rows_and_graph(
    est: Any, X: Any, edges: Any, method: str, *, symmetric: bool = True, target: bool = True
) -> tuple[Any, Any]:
    """Checked rows and adjacency for what is asked of a fitted method with a ``target_graph_``.

    Parameters
    ----------
    est : estimator
        Fitted, with a `TargetGraph` as ``target_graph_``.
    X : array-like or sparse matrix of shape (n_samples, n_features)
        Features of the nodes.
    edges : array, sparse matrix or None
        Their edges; None where `X` holds the rows of the fit's target, whose edges are known.
    method : str
        What was asked, for messages.
    symmetric : bool
        As in `check_graph`.
    target : bool
        Whether these are rows of the target, of which the fit's edges may be taken.

    Raises
    ------
    DomainError
        If the rows cannot be used, or their edges are neither given nor known.
    """
    here = f"{type(est).__name__}.{method}"
    rows = check_rows(est, X, method=method, accept_sparse=True)
    known: TargetGraph = est.target_graph_
    if edges is None:
        n = known.adjacency.shape[0]
        if target and rows.shape[0] == n and _rows_digest(rows) == known.digest:
            return rows, known.adjacency
        raise DomainError(
            f"{here}: edges must be given where X is not the target of the fit ({n} rows), as in {method}(X, edges=edges) "
            f"with edges of shape (2, n_edges). Got None, and X of shape {rows.shape}."
        )
    return rows, as_adjacency(f"{here}: edges", edges, rows.shape[0], symmetric=symmetric)


def _rows_digest(X: Any) -> str:
    """SHA-256 of rows in single precision, the same for sparse and dense."""
    digest = hashlib.sha256(str(X.shape).encode())
    for start in range(0, X.shape[0], _ROWS):
        found = sparse.csr_matrix(X[start : start + _ROWS], dtype=np.float32, copy=True)
        found.sum_duplicates()
        found.eliminate_zeros()
        for part, kind in ((found.indptr, np.int64), (found.indices, np.int64), (found.data, np.float32)):
            digest.update(np.ascontiguousarray(part, dtype=kind).tobytes())
    return digest.hexdigest()
