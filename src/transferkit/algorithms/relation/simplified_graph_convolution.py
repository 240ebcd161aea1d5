"""SGC: features are averaged over the edges of each graph, and then any method for tables takes over."""

from __future__ import annotations

import warnings
from typing import Any, ClassVar

import numpy as np
from scipy import sparse
from sklearn.base import clone
from sklearn.decomposition import TruncatedSVD
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.multiclass import OneVsRestClassifier
from sklearn.utils.validation import has_fit_parameter

from ...core.base import ESTIMATOR, stack
from ...core.constraints import Either, Interval, Nothing, RandomState
from ...core.errors import DomainError
from ...core.graph_transfer import Asked, GraphTransfer
from ...core.graphs import GraphData
from ...core.protocols import Array, Domain
from ...ops.graphs.links import convolution

CARD = {
    "class": "SimplifiedGraphConvolution",
    "protocol": "Transfer",
    "settings": ("unsupervised", "few_label"),
    "tasks": ("classification", "regression"),
    "data": ("graph",),
    "needs": (),
    "cost": "n",
    "portfolio": (),
    "paper": "Wu, Zhang, Souza, Fifty, Yu & Weinberger. Simplifying Graph Convolutional Networks. ICML 2019.",
    "url": "https://arxiv.org/abs/1902.07153",
}

__all__ = ["SimplifiedGraphConvolution"]


class SimplifiedGraphConvolution(GraphTransfer):
    """Replace each node's features by a mean over its surroundings, then transfer as if there were no graph.

    Parameters
    ----------
    n_hops : int in [0, inf), default=2
        How often neighbours are averaged; 0 leaves the edges out.
    n_components : int in [1, inf) or None, default=None
        Reduce the averaged features of both domains together to so many by a truncated SVD; None keeps all, as sparse
        rows where they came so.
    estimator : estimator or transfer method, default=None
        What learns from the averaged features: a classifier or regressor of the labelled nodes, or a method of this package
        that also gets the target's nodes, such as ``CORAL()``, where a node has one label. None is logistic regression for
        classes, one for each label where a node has several, and ridge regression for numbers.
    random_state : int, RandomState or None, default=None
        Of the truncated SVD.

    Attributes
    ----------
    estimator_ : estimator
        The fitted one.
    svd_ : TruncatedSVD or None
        The fitted reduction.
    target_graph_ : TargetGraph
        The target's edges, so that predictions for its nodes need not be told them again.
    multilabel_, regression_ : bool
        Whether nodes have several labels, and whether labels are numbers.
    classes_ : array of shape (n_classes,)
        Source classes, for a classification of one class a node.

    Notes
    -----
    The features are ``S^K X`` with ``S = D^(-1/2) (A + I) D^(-1/2)`` of each graph by itself and D the degrees of A + I: a
    graph convolutional network of K layers without its nonlinearities and with one matrix of weights (section 2.1 of the
    paper). There the weights are those of a logistic regression, which is the default here. The paper has one domain; that
    its output can be handed to a method of domain adaptation is plain, and makes every method for tables one for graphs.

    References
    ----------
    Wu, Zhang, Souza, Fifty, Yu & Weinberger. Simplifying Graph Convolutional Networks. ICML 2019.

    Examples
    --------
    >>> import numpy as np
    >>> from transferkit import CORAL, Domain, SimplifiedGraphConvolution
    >>> rng = np.random.default_rng(0)
    >>> y = np.repeat([0, 1], 30)
    >>> X, Xt = (y[:, None] + rng.normal(size=(60, 4)) for _ in range(2))
    >>> edges = np.array([[k, (k + 1) % 30 + 30 * (k // 30)] for k in range(60)]).T
    >>> model = SimplifiedGraphConvolution(estimator=CORAL()).fit(X, y, target=Domain(Xt, edges=edges), edges=edges)
    >>> model.score(Xt, y) > SimplifiedGraphConvolution(0).fit(X, y, target=Domain(Xt, edges=edges), edges=edges).score(Xt, y)
    True
    """

    _constraints: ClassVar = {
        "n_hops": Interval(int, 0),
        "n_components": Either(Nothing(), Interval(int, 1)),
        "estimator": ESTIMATOR,
        "random_state": RandomState(),
    }
    _large: ClassVar = {}

    def __init__(
        self, n_hops: int = 2, n_components: int | None = None, estimator: Any = None, random_state: Any = None
    ) -> None:
        self.n_hops = n_hops
        self.n_components = n_components
        self.estimator = estimator
        self.random_state = random_state

    def _fit(self, data: GraphData) -> None:
        inner = self._inner()
        is_transfer = has_fit_parameter(inner, "target")
        if is_transfer and data.multilabel:
            raise DomainError(
                f"{type(self).__name__}.fit: y must have one label a node where estimator is a transfer method. Got shape"
                f" {data.ys.shape}."
            )
        Zs, Zt = self._smooth(data.Xs, data.As), self._smooth(data.Xt, data.At)
        self.svd_ = None
        if self.n_components is not None:
            both = stack(Zs, Zt)
            n = min(self.n_components, *both.shape)
            self.svd_ = TruncatedSVD(n, random_state=self.random_state).fit(both)
            Zs, Zt = self.svd_.transform(Zs), self.svd_.transform(Zt)
        if is_transfer:
            labels = np.full(len(data.known), data.ys[0], dtype=np.result_type(data.ys, data.yt))
            labels[data.known] = data.yt
            few = {"y": labels, "known": data.known} if len(data.yt) else {}
            groups = {} if data.groups is None else {"groups": data.groups}
            self.estimator_ = inner.fit(Zs, data.ys, target=Domain(Zt, **few), **groups)
        else:
            with warnings.catch_warnings():  # a label that all nodes have, or none: it is then predicted so
                warnings.filterwarnings("ignore", "Label .* is present in all training examples", UserWarning)
                self.estimator_ = inner.fit(stack(Zs, Zt[data.known]), np.concatenate([data.ys, data.yt]))

    def _inner(self) -> Any:
        if self.estimator is not None:
            return clone(self.estimator)
        if self.regression_:
            return Ridge()
        one = LogisticRegression(max_iter=1000)
        return OneVsRestClassifier(one) if self.multilabel_ else one

    def _smooth(self, X: Any, adjacency: Any) -> Any:
        S = sparse.csr_matrix(convolution(adjacency).whole, dtype=X.dtype)
        for _ in range(self.n_hops):
            X = S @ X
        return X

    def _answer(self, X: Any, adjacency: Any, asked: Asked) -> Array:
        Z = self._smooth(X, adjacency)
        Z = Z if self.svd_ is None else self.svd_.transform(Z)
        return np.asarray(getattr(self.estimator_, asked)(Z))
