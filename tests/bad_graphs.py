"""For every check of methods between graphs, one that must fail it; each differs from a good one in one thing."""

from __future__ import annotations

import importlib.util
from typing import Any, ClassVar

import numpy as np

BAD: list[tuple[str, str, type, str]] = []
GOOD: dict[str, type] = {}

if importlib.util.find_spec("torch"):  # the good one is a network, so that all checks can be asked
    from transferkit import Domain
    from transferkit.core.graphs import as_adjacency
    from transferkit.engine.graphs.estimator import CONV, GRAPH_RULES, GraphAdaptation
    from transferkit.engine.graphs.objective import GraphAlignment, GraphObjective

    class GoodGraphs(GraphAdaptation):
        """Train on the source's nodes alone.

        Parameters
        ----------
        conv : str, default="gcn"
            Kind of the layers.
        hidden : int in [1, inf), default=16
            Width.
        n_layers : int in [1, inf), default=2
            Layers.
        dropout : float in [0, 1), default=0.0
            Share that is dropped.
        n_neighbors : int or None, default=None
            Neighbours that are drawn.
        symmetric : bool, default=True
            Whether edges go both ways.
        training : Training, default=None
            Settings of the loop.
        task : str, default="auto"
            What the labels are.
        random_state : int, RandomState or None, default=0
            Seed.

        Attributes
        ----------
        network_, labels_, classes_, history_, n_updates_, backbone_name_, fingerprint_, facts_, target_graph_ : object
            What was learned.

        Notes
        -----
        Minimises the loss of the source.

        References
        ----------
        None but the common checks themselves.

        Examples
        --------
        >>> GoodGraphs().conv
        'gcn'
        """

        _constraints: ClassVar = {"conv": CONV, **GRAPH_RULES}

        def __init__(
            self, conv: str = "gcn", hidden: int = 16, n_layers: int = 2, dropout: float = 0.0, n_neighbors: Any = None,
            symmetric: bool = True, training: Any = None, task: str = "auto", random_state: Any = 0,
        ) -> None:  # fmt: skip
            self.conv = conv
            self.hidden = hidden
            self.n_layers = n_layers
            self.dropout = dropout
            self.n_neighbors = n_neighbors
            self.symmetric = symmetric
            self.training = training
            self.task = task
            self.random_state = random_state

        def _objective(self, fit):
            return GraphObjective(fit.network, fit.labels, fit.graphs, self.n_neighbors)

    class GraphRenames(GoodGraphs):
        def predict(self, X, links=None):
            """Calls them otherwise."""
            return super().predict(X, links)

    class GraphInventsClasses(GoodGraphs):
        def predict(self, X, edges=None):
            """A class that is none."""
            return np.full(len(super().predict(X, edges)), 9)

    class GraphGuessesEdges(GoodGraphs):
        def predict(self, X, edges=None):
            """No edges is an empty list."""
            n = self.target_graph_.adjacency.shape[0]
            return super().predict(X, np.empty((2, 0), int) if edges is None and len(X) != n else edges)

    class GraphTakesAnyTable(GoodGraphs):
        def fit(self, X, y=None, *, target, groups=None, edges=None):
            """Any table of numbers is one of 0 and 1."""
            y = np.minimum(y, 1) if np.ndim(y) == 2 else y
            return super().fit(X, y, target=target, groups=groups, edges=edges)

    class GraphKeepsASecret(GoodGraphs):
        def fit(self, X, y=None, *, target, groups=None, edges=None):
            """With an attribute that is not in the docstring."""
            super().fit(X, y, target=target, groups=groups, edges=edges)
            self.secret_ = 1
            return self

    class GraphCountsTwice(GoodGraphs):
        def fit(self, X, y=None, *, target, groups=None, edges=None):
            """An edge that is named twice has twice the weight."""
            from scipy import sparse

            if isinstance(edges, np.ndarray) and edges.shape[0] == 2 and edges.dtype.kind == "i" and edges.size:
                n = len(y)
                as_adjacency(f"{type(self).__name__}.fit: edges", edges, n)
                edges = sparse.csr_matrix((np.ones(edges.shape[1]), tuple(edges)), shape=(n, n))
            return super().fit(X, y, target=target, groups=groups, edges=edges)

    class GraphTakesAnyEdges(GoodGraphs):
        def fit(self, X, y=None, *, target, groups=None, edges=None):
            """None is an empty list."""
            edges = np.empty((2, 0), int) if edges is None else edges
            return super().fit(X, y, target=target, groups=groups, edges=edges)

    class GraphTakesAnyTarget(GoodGraphs):
        def fit(self, X, y=None, *, target, groups=None, edges=None):
            """Whatever is no Domain is made one."""
            target = target if isinstance(target, Domain) else Domain(X, edges=edges)
            return super().fit(X, y, target=target, groups=groups, edges=edges)

    class GraphOverflows(GoodGraphs):
        def predict_proba(self, X, edges=None):
            """Not a number where a node has no neighbour."""
            proba = super().predict_proba(X, edges)
            adjacency = self.target_graph_.adjacency
            lonely = np.asarray(adjacency.sum(axis=1)).ravel() == 0
            return np.where(lonely[:, None], np.nan, proba) if len(lonely) == len(proba) else proba

    class GraphDraws(GoodGraphs):
        def fit(self, X, y=None, *, target, groups=None, edges=None):
            """Draws from numpy's global generator."""
            np.random.normal()  # noqa: NPY002
            return super().fit(X, y, target=target, groups=groups, edges=edges)

    class GraphForgetsTheSeed(GoodGraphs):
        def fit(self, X, y=None, *, target, groups=None, edges=None):
            """A seed of the clock's."""
            import time

            self.random_state = time.time_ns() % 2**31
            return super().fit(X, y, target=target, groups=groups, edges=edges)

    class GraphPeeks(GoodGraphs):
        def fit(self, X, y=None, *, target, groups=None, edges=None):
            """Looks at hidden labels."""
            X = X if target.y is None else X + np.asarray(target.y[0] == 77, float) * 5
            return super().fit(X, y, target=target, groups=groups, edges=edges)

    class GraphDrawsOtherNeighbours(GoodGraphs):
        def _answers(self, X, edges, method, domain="target"):
            if self.n_neighbors is not None:
                edges = np.empty((2, 0), int)
            return super()._answers(X, edges, method, domain)

    class _Counting(GraphAlignment):
        calls = 0

        def _loss(self, batch, progress):
            _Counting.calls += 1
            found = GraphObjective._loss(self, batch, progress)
            return {**found, "loss": found["loss"] * (1 + _Counting.calls)}

    class GraphCounts(GoodGraphs):
        def _objective(self, fit):
            return _Counting(fit.network, fit.labels, fit.graphs, self.n_neighbors, None)

    class GraphMirrors(GoodGraphs):
        def predict(self, X, edges=None):
            """The classes the wrong way round."""
            return self.classes_[::-1][np.searchsorted(self.classes_, super().predict(X, edges))]

    BAD = [
        ("Graph", name, cls, why)
        for name, cls, why in (
            ("check_graph_protocol", GraphRenames, "must take X and edges"),
            ("check_graph_answers", GraphInventsClasses, "must predict classes"),
            ("check_graph_answers", GraphGuessesEdges, "DID NOT RAISE"),
            ("check_graph_labels", GraphTakesAnyTable, "DID NOT RAISE"),
            ("check_graph_attributes", GraphKeepsASecret, "undocumented"),
            ("check_graph_edges", GraphCountsTwice, "said otherwise"),
            ("check_graph_bad_edges", GraphTakesAnyEdges, "DID NOT RAISE"),
            ("check_graph_bad_targets", GraphTakesAnyTarget, "DID NOT RAISE"),
            ("check_graph_odd", GraphOverflows, "must be finite"),
            ("check_graph_nothing_changed", GraphDraws, "global state changed"),
            ("check_graph_repeatable", GraphForgetsTheSeed, "the same seed"),
            ("check_graph_hidden_labels", GraphPeeks, "hidden labels were used"),
            ("check_graph_drawn_neighbours", GraphDrawsOtherNeighbours, "pieces differ"),
            ("check_graph_history", GraphCounts, "must equal the unbroken one"),
            ("check_graph_transfers", GraphMirrors, "against the source alone"),
            ("check_graph_no_harm", GraphMirrors, "without a shift"),
        )
    ]
    GOOD = {"Graph": GoodGraphs}
