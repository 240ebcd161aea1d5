"""HFA: rows of both domains, projected into one space and augmented by themselves and zeros, for one support vector machine."""

from __future__ import annotations

from typing import ClassVar

import numpy as np
from scipy.linalg import block_diag
from sklearn.svm import SVC

from ...core.constraints import Either, Interval, Nothing, Options
from ...core.heterogeneous import HeterogeneousData
from ...core.heterogeneous_scores import SpaceClassifier, one_against_rest
from ...core.protocols import Array
from ...ops.kernels.spaces import SpaceKernel

CARD = {
    "class": "HFA",
    "protocol": "Transfer",
    "settings": ("few_label", "heterogeneous"),
    "tasks": ("classification",),
    "data": ("vectors",),
    "needs": (),
    "cost": "n^2",
    "portfolio": (),
    "scaling": "domain",
    "paper": "Duan, Xu & Tsang. Learning with Augmented Features for Heterogeneous Domain Adaptation. ICML 2012.",
    "url": "https://arxiv.org/abs/1206.4660",
}

__all__ = ["HFA"]


class HFA(SpaceClassifier):
    """Heterogeneous feature augmentation: the projections and the machine that uses them, at their joint optimum.

    Parameters
    ----------
    trace : float in [0, inf), default=100.0
        How large the projections may be: the sum of their squared entries (the paper's lambda).
    C_source : float in (0, inf), default=1.0
        Price of a source row on the wrong side of its margin.
    C_target : float in (0, inf), default=1.0
        The same for known rows of the target.
    kernel : {"rbf", "linear"}, default="rbf"
        Kernel of each domain, on rows that are centred and divided by the root of their mean squared length.
    gamma : float in (0, inf), default=None
        Width of the Gaussian kernels. None is half the inverse median squared distance of each domain.

    Attributes
    ----------
    source_rows_, target_rows_ : arrays of shape (n_source, n_features_source) and (n_known, n_features)
        Rows that the kernels compare with.
    source_dual_, target_dual_ : arrays of shape (n_source, n_classes) and (n_known, n_classes)
        Signed weights of these rows in each machine: ``y_i alpha_i``.
    intercept_ : array of shape (n_classes,)
        Of each machine.
    length_ : array of shape (n_classes,)
        Length of each machine's normal in the space of both domains' own features, before its projections.
    source_mean_, target_mean_ : arrays of shape (n_features_source,) and (n_features,)
        Means of the rows.
    source_scale_, target_scale_ : float
        What centred rows are divided by.
    gammas_ : tuple of float or None
        Widths of the source's kernel and the target's.
    n_features_source_ : int
        Columns of the source.
    classes_ : array of shape (n_classes,)
        Source classes.

    Notes
    -----
    A source row x becomes ``[Px, x, 0]`` and a target row z ``[Qz, 0, z]``, and one support vector machine for each class
    against the rest is learned on all of them, together with P and Q, which enter through ``H = [P, Q]'[P, Q]`` alone:
    ``min_H max_a sum_i a_i - (a*y)' R (H + I) R (a*y) / 2`` over positive semidefinite H of trace at most ``trace``, where R is
    the root of the kernel K that has those of the domains on its diagonal and zeros elsewhere, and a is feasible for the
    machine.

    The papers solve this by turns, or as multiple kernel learning. It has a closed form. It is convex in H and concave in
    a, so the two optimisations may be exchanged; and for a given a the best H is ``trace * b b' / |b|^2`` with
    ``b = R (a*y)``, whose term is ``trace |b|^2``. What is left is
    ``max_a sum_i a_i - (1 + trace) (a*y)' K (a*y) / 2``: a support vector machine with the kernel ``(1 + trace) K``, which is
    what is fitted here; H, and with it P and Q, follow from its solution. A test puts the alternating solution beside it.

    The closed form also tells how little can be carried over: there is no kernel between the domains, so that the source
    acts on the target by the intercepts alone, which both share.

    `transform` gives the common space, one number for each machine: ``P x`` and ``Q z``, as H has rank one. The defaults are
    those of the authors' published example; bandwidths and scales are ours. `pairs` are not used, nor are target rows without
    a label, but for means, scales and widths.

    References
    ----------
    Duan, Xu & Tsang. Learning with Augmented Features for Heterogeneous Domain Adaptation. ICML 2012.
    Li, Duan, Xu & Tsang. Learning with Augmented Features for Supervised and Semi-supervised Heterogeneous Domain
    Adaptation. IEEE TPAMI 36(6), 2014.

    Examples
    --------
    >>> import numpy as np
    >>> from transferkit import HFA, Domain
    >>> rng = np.random.default_rng(0)
    >>> y = np.arange(100) % 2
    >>> hidden = np.column_stack([6 * y + rng.normal(size=100), rng.normal(size=100)])
    >>> X, Xt = hidden @ rng.normal(size=(2, 5)), hidden @ rng.normal(size=(2, 3))
    >>> HFA().fit(X, y, target=Domain(Xt, y, known=np.arange(100) < 6)).score(Xt, y) > 0.95
    True
    """

    _constraints: ClassVar = {
        "trace": Interval(float, 0),
        "C_source": Interval(float, 0, closed="neither"),
        "C_target": Interval(float, 0, closed="neither"),
        "kernel": Options("rbf", "linear"),
        "gamma": Either(Nothing(), Interval(float, 0, closed="neither")),
    }

    def __init__(
        self,
        trace: float = 100.0,
        C_source: float = 1.0,
        C_target: float = 1.0,
        kernel: str = "rbf",
        gamma: float | None = None,
    ) -> None:
        self.trace = trace
        self.C_source = C_source
        self.C_target = C_target
        self.kernel = kernel
        self.gamma = gamma

    def _fit_map(self, data: HeterogeneousData) -> None:
        kernels = [SpaceKernel.of(X, self.kernel, self.gamma) for X in (data.Xs, data.Xt)]
        (self.source_mean_, self.target_mean_), (self.source_scale_, self.target_scale_), self.gammas_ = zip(
            *((k.mean, k.scale, k.gamma) for k in kernels)
        )
        self.source_rows_, self.target_rows_ = data.Xs, data.Xt_known
        K = block_diag(*(k(X, X) for k, X in zip(kernels, (self.source_rows_, self.target_rows_))))
        n = len(data.Xs)
        prices = np.concatenate([np.full(n, self.C_source), np.full(len(data.yt), self.C_target)])
        signs = one_against_rest(np.concatenate([data.codes, data.codes_t]), len(self.classes_))
        dual, self.intercept_ = np.zeros((len(K), len(signs))), np.zeros(len(signs))
        for c, y in enumerate(signs):
            machine = SVC(kernel="precomputed", C=1.0, tol=1e-5, random_state=0).fit(
                (1 + self.trace) * K, y, sample_weight=prices
            )
            dual[machine.support_, c] = machine.dual_coef_[0]
            self.intercept_[c] = machine.intercept_[0]
        self.source_dual_, self.target_dual_ = dual[:n], dual[n:]
        self.length_ = np.sqrt(np.maximum(np.einsum("ic,ij,jc->c", dual, K, dual), 0))

    def _values(self, X: Array, domain: str) -> Array:
        """Of each machine's normal, in units of its length, before the projections."""
        source, target = (
            SpaceKernel(*which)
            for which in zip(
                (self.source_mean_, self.target_mean_), (self.source_scale_, self.target_scale_), self.gammas_
            )
        )
        if domain == "source":
            return np.asarray(source(X, self.source_rows_) @ self.source_dual_)
        return np.asarray(target(X, self.target_rows_) @ self.target_dual_)

    def _map(self, X: Array, domain: str) -> Array:
        return np.asarray(np.sqrt(self.trace) * self._values(X, domain) / np.where(self.length_ > 0, self.length_, 1.0))

    def _scores(self, X: Array) -> Array:
        return np.asarray((1 + self.trace) * self._values(X, "target") + self.intercept_)
