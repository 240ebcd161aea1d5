"""Label propagation: labels flow along the edges of both graphs and from node to similar node between them."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np
from scipy import sparse
from scipy.sparse.linalg import cg
from sklearn.neighbors import NearestNeighbors

from ...core.constraints import Boolean, Interval, Options
from ...core.errors import TransferError
from ...core.graph_transfer import Asked, GraphTransfer
from ...core.graphs import GraphData
from ...core.protocols import Array

CARD = {
    "class": "GraphLabelPropagation",
    "protocol": "Transfer",
    "settings": ("unsupervised", "few_label"),
    "tasks": ("classification", "regression"),
    "data": ("graph",),
    "needs": (),
    "cost": "n^2",
    "portfolio": (),
    "paper": "Zhou, Bousquet, Lal, Weston & Schoelkopf. Learning with Local and Global Consistency. NeurIPS 2003.",
    "url": "https://proceedings.neurips.cc/paper/2003/hash/87682805257e619d49b8e0dfdc14affa-Abstract.html",
}

__all__ = ["GraphLabelPropagation"]


class GraphLabelPropagation(GraphTransfer):
    """Let the labels spread over one graph that holds both domains and edges between nodes of similar features.

    Parameters
    ----------
    n_neighbors : int in [1, inf), default=10
        Each node is joined with so many nodes of the other domain, those of the most similar features.
    alpha : float in (0, 1), default=0.9
        Share that a node takes from its neighbours at each step; near 0 labels stay where they are, near 1 they are
        everywhere the same.
    balanced : bool, default=True
        Whether what a node has of each class is divided by the class's share of all labels; where nodes have several labels,
        so is what it has of a label, and of its absence. Of no use to numbers.
    cross_weight : float in (0, inf), default=1.0
        Weight of an edge between domains whose ends have equal features; edges of the graphs have their own weights.
    metric : {"cosine", "euclidean"}, default="cosine"
        Similarity of features: the cosine, 0 where it is negative, as for counts of words; or ``exp(-d^2 / s^2)`` of
        the distance d, with s^2 the mean of d^2 over all pairs that are joined.

    Attributes
    ----------
    X_source_ : array or CSR matrix of shape (n_source, n_features)
        Nodes of the source.
    adjacency_source_ : CSR matrix of shape (n_source, n_source)
        Their edges.
    labels_source_ : array of shape (n_source, n_outputs)
        Their labels: a column for each class, or one of numbers.
    labels_target_ : array of shape (n_target, n_outputs)
        What was found for the fit's target: probabilities of classes, or numbers.
    target_graph_ : TargetGraph
        The target's edges, so that predictions for its nodes need not be told them again.
    multilabel_, regression_ : bool
        Whether nodes have several labels, and whether labels are numbers.
    classes_ : array of shape (n_classes,)
        Source classes, for a classification of one class a node.

    Notes
    -----
    With W the weights of the joint graph, D its degrees and ``S = D^(-1/2) W D^(-1/2)``, the iteration
    ``F <- alpha S F + (1 - alpha) Y`` ends in ``F = (1 - alpha) (I - alpha S)^(-1) Y``, which is computed by conjugate
    gradients. Y holds the labels that are known, 0 elsewhere. The paper takes the class of the largest entry of a row; so do
    we with ``balanced=False``, after dividing the row by what ones at all labelled nodes give. That changes no class, makes
    probabilities, and serves numbers and several labels a node too: every answer is then a weighted mean of known labels. A
    node that no label reaches gets the mean of all labels. The edges between the domains are ours: the paper has one domain.

    Classes that are equally frequent are the paper's silent case. Where one is more frequent, the share of it that reaches
    every node alike outweighs what is near, the more so the nearer `alpha` is to 1: on DBLPv7 cut in two, one half as the
    source of the other, micro-F1 was 0.54 with alpha 0.9 and 0.33, the share of the commonest class, with the paper's 0.99;
    after division by the classes' shares it was 0.60 with 0.9. Both defaults come from there, and from no target's labels.

    A graph other than the fit's target is joined with the source in its stead; labels known in the fit's target have no say
    there.

    References
    ----------
    Zhou, Bousquet, Lal, Weston & Schoelkopf. Learning with Local and Global Consistency. NeurIPS 2003, section 2.

    Examples
    --------
    >>> import numpy as np
    >>> from transferkit import Domain, GraphLabelPropagation
    >>> X, y = np.array([[1.0, 0], [1, 0.1], [0, 1], [0.1, 1]]), np.array(["a", "a", "b", "b"])
    >>> target = Domain(np.array([[1.0, 0], [0, 0], [0, 0], [0, 1]]), edges=[[0, 2], [1, 3]])
    >>> GraphLabelPropagation(1).fit(X, y, target=target, edges=[[0, 2], [1, 3]]).predict(target.X).tolist()
    ['a', 'a', 'b', 'b']
    """

    _constraints: ClassVar = {
        "n_neighbors": Interval(int, 1),
        "alpha": Interval(float, 0, 1, closed="neither"),
        "balanced": Boolean(),
        "cross_weight": Interval(float, 0, closed="neither"),
        "metric": Options("cosine", "euclidean"),
    }
    _known_failures: ClassVar = {
        "check_graph_no_harm": "one noisy node stands for its features here, where a network averages over neighbours first"
    }

    def __init__(
        self,
        n_neighbors: int = 10,
        alpha: float = 0.9,
        balanced: bool = True,
        cross_weight: float = 1.0,
        metric: str = "cosine",
    ) -> None:
        self.n_neighbors = n_neighbors
        self.alpha = alpha
        self.balanced = balanced
        self.cross_weight = cross_weight
        self.metric = metric

    def _fit(self, data: GraphData) -> None:
        self.X_source_, self.adjacency_source_ = data.Xs, data.As
        self.labels_source_ = self._columns(data.ys)
        self.labels_target_ = self._spread(data.Xt, data.At, data.known, self._columns(data.yt))

    def _columns(self, labels: Array) -> Array:
        """Labels as columns of numbers."""
        if not self.multilabel_ and not self.regression_:
            return (labels[:, None] == self.classes_).astype(np.float64)
        numbers = np.asarray(labels, dtype=np.float64)
        return numbers[:, None] if numbers.ndim == 1 else numbers

    def _answer(self, X: Any, adjacency: Any, asked: Asked) -> Array:
        nobody = np.zeros(X.shape[0], dtype=bool)
        is_target = self.target_graph_.holds(X, adjacency)
        found = self.labels_target_ if is_target else self._spread(X, adjacency, nobody, self.labels_source_[:0])
        if asked == "predict_proba":
            return found
        if self.multilabel_:
            return (found >= 0.5).astype(np.int64)
        return found[:, 0] if self.regression_ else self.classes_[found.argmax(axis=1)]

    def _spread(self, X: Any, adjacency: Any, known: Array, labels: Array) -> Array:
        """Answers for the nodes of a graph that is joined with the source."""
        n = self.X_source_.shape[0]
        cross = self._cross(self.X_source_, X)
        W = sparse.csr_matrix(sparse.bmat([[self.adjacency_source_, cross], [cross.T, adjacency]]), dtype=np.float64)
        degree = np.asarray(W.sum(axis=1)).ravel()
        root = sparse.diags(np.divide(1, np.sqrt(degree), out=np.zeros_like(degree), where=degree > 0))
        Y = np.zeros((W.shape[0], labels.shape[1] + 1))
        Y[:n] = np.column_stack([self.labels_source_, np.ones(n)])
        Y[n:][known] = np.column_stack([labels, np.ones(len(labels))])
        system = sparse.csr_matrix(sparse.eye(W.shape[0]) - self.alpha * (root @ W @ root))
        F = np.column_stack([_solve(system, column) for column in Y.T])[n:]
        mass = F[:, -1:]
        prior = Y[:, :-1].sum(axis=0) / Y[:, -1].sum()
        reached = mass > 1e-12
        found = np.where(reached, F[:, :-1] / np.where(reached, mass, 1), prior)
        if self.balanced and self.multilabel_:  # each label by itself: yes and no
            both = (prior > 0) & (prior < 1)
            yes, no = found / np.where(both, prior, 1), (1 - found) / np.where(both, 1 - prior, 1)
            found = np.where(reached & both, yes / np.where(both, yes + no, 1), found)
        elif self.balanced and not self.regression_:
            found = np.where(reached, found / prior, prior)
            found /= found.sum(axis=1, keepdims=True)
        return found.round(9)  # what is beyond hangs on the order of sums, and so on where arrays lie in memory

    def _cross(self, Xs: Any, Xt: Any) -> Any:
        """Weights between nodes of the source (rows) and of the other graph (columns)."""
        rows, columns, gaps = [], [], []
        for A, B, swap in ((Xs, Xt, False), (Xt, Xs, True)):
            k = min(self.n_neighbors, B.shape[0])
            search = NearestNeighbors(n_neighbors=k, algorithm="brute", metric=self.metric).fit(B)
            gap, index = search.kneighbors(A)
            pair = np.repeat(np.arange(A.shape[0]), k), index.ravel()
            rows.append(pair[swap])
            columns.append(pair[not swap])
            gaps.append(gap.ravel())
        gap = np.concatenate(gaps)
        if self.metric == "cosine":
            weight = np.maximum(1 - gap, 0)
        else:
            scale = np.mean(gap**2)
            weight = np.exp(-(gap**2) / scale) if scale > 0 else np.ones_like(gap)
        shape = Xs.shape[0], Xt.shape[0]
        one, other = (
            sparse.csr_matrix((w, (r, c)), shape=shape)
            for w, r, c in zip(np.split(weight, [len(rows[0])]), rows, columns)
        )
        return self.cross_weight * one.maximum(other)  # a pair that is found from both sides counts once


def _solve(system: Any, column: Array) -> Array:
    found, info = cg(system, column, rtol=1e-10, maxiter=10_000)
    if info:
        raise TransferError(
            "GraphLabelPropagation.fit: alpha must leave the steps to an end within 10,000 products. Take a smaller one."
        )
    return np.asarray(found)
