"""SHFA: HFA that also looks for the labels of the unknown target rows, as a mixture of labellings chosen with the machine."""

from __future__ import annotations

from typing import ClassVar

import numpy as np
from scipy.linalg import block_diag

from ...core.constraints import Either, Interval, Nothing, Options
from ...core.heterogeneous import HeterogeneousData
from ...core.heterogeneous_scores import SpaceClassifier, one_against_rest
from ...core.protocols import Array
from ...ops.kernels.spaces import SpaceKernel
from ...ops.label_mixture import LabelMixture, highest, most_violating, symmetric_root

CARD = {
    "class": "SHFA",
    "protocol": "Transfer",
    "settings": ("few_label", "heterogeneous"),
    "tasks": ("classification",),
    "data": ("vectors",),
    "needs": (),
    "cost": "n^3",
    "portfolio": (),
    "scaling": "domain",
    "paper": "Li, Duan, Xu & Tsang. Learning with Augmented Features for Supervised and Semi-supervised Heterogeneous Domain"
    " Adaptation. IEEE TPAMI 2014.",
    "url": "https://doi.org/10.1109/TPAMI.2013.167",
}

__all__ = ["SHFA"]


class SHFA(SpaceClassifier):
    """Semi-supervised heterogeneous feature augmentation: a machine with squared hinge and a mixture of labellings.

    Parameters
    ----------
    trace : float in [0, inf), default=100.0
        How large the projections into the common space may be: the sum of their squared entries.
    C_source : float in (0, inf), default=1.0
        Price of the squared slack of source rows.
    C_target : float in (0, inf), default=1.0
        The same for known target rows.
    C_unknown : float in (0, inf), default=0.001
        The same for target rows without a label.
    norm : float in [1, inf), default=1.5
        Of the weights of the labellings, which is 1 at most: 1 picks few of them, more spreads.
    kernel : {"rbf", "linear"}, default="rbf"
        Kernel of each domain, on rows that are centred and divided by the root of their mean squared length.
    gamma : float in (0, inf), default=None
        Width of the Gaussian kernels. None is half the inverse median squared distance of each domain.
    max_iter : int in [1, inf), default=20
        Labellings at most for each machine.
    tol : float in (0, inf), default=0.001
        Stops when another labelling lowers the objective by no more than this share of it.

    Attributes
    ----------
    target_rows_ : array of shape (n_target, n_features)
        Rows that the target's kernel compares with: the known first, then the others.
    target_dual_ : array of shape (n_target, n_classes)
        Their signed weights in each machine, a mean over its labellings.
    intercept_ : array of shape (n_classes,)
        Of each machine.
    source_rows_ : array of shape (n_source, n_features_source)
        Rows that the source's kernel compares with.
    source_dual_ : array of shape (n_source, n_classes)
        Their signed weights.
    shares_ : array of shape (n_classes,)
        Of each class among the known rows; every labelling has as many of it.
    source_mean_, target_mean_ : arrays of shape (n_features_source,) and (n_features,)
        Means of the rows.
    source_scale_, target_scale_ : float
        What centred rows are divided by.
    gammas_ : tuple of float or None
        Widths of the source's kernel and the target's.
    objective_ : array of shape (n_classes,)
        Of each machine, at the end.
    n_iter_ : int
        Labellings of the machine that has most of them.
    n_features_source_ : int
        Columns of the source.
    classes_ : array of shape (n_classes,)
        Source classes.

    Notes
    -----
    HFA for each class against the rest, with a squared hinge and an intercept that counts as a feature, where the unknown
    target labels are learned too: the labelling is relaxed to a mixture with weights d of labellings y_m, so that it is
    ``min_d max_a - sum_m d_m (a*y_m)' (R (H_m + I) R + 1 1') (a*y_m) / 2 - a' diag(1/C) a / 2`` over a that sum to 1 and d
    whose norm is at most 1, where each H_m has at most the trace `trace` (R as in `HFA`). As there, the best H_m for any a
    and d is known, so that ``(1 + trace) K`` stands for ``R (H_m + I) R`` and no metric has to be learned: what is left is
    multiple kernel learning over labellings.

    Labellings come one by one: the next one is that which violates most, looked for as in the authors' code in the columns of
    a root of the kernel, the signs of a column times a being a labelling. Weights and machine are then found by turns. The
    first labelling is that of a machine of the known rows alone. With a norm above 1 each further labelling lowers the
    objective, so that `tol` and `max_iter` say how many there are. A decision is divided by the machine's margin, so that the
    classes' machines can be compared.

    Every labelling has as many of the class among the unknown rows as its share of the known ones. The authors' example,
    and by its own word the paper, takes the true shares of the very labels that are to be predicted, which nobody has. Where the
    known rows were drawn evenly and the classes are not even, these shares are wrong. The defaults are those of that example,
    but for `max_iter`, which is that of its training function (the example has 50); bandwidths and scales are ours. `pairs` are
    not used. `transform` gives the machines' scores for rows of either domain.

    References
    ----------
    Li, Duan, Xu & Tsang. Learning with Augmented Features for Supervised and Semi-supervised Heterogeneous Domain
    Adaptation. IEEE TPAMI 36(6), 2014.

    Examples
    --------
    >>> import numpy as np
    >>> from transferkit import SHFA, Domain
    >>> rng = np.random.default_rng(0)
    >>> y = np.arange(60) % 2
    >>> hidden = np.column_stack([6 * y + rng.normal(size=60), rng.normal(size=60)])
    >>> X, Xt = hidden @ rng.normal(size=(2, 5)), hidden @ rng.normal(size=(2, 3))
    >>> SHFA().fit(X, y, target=Domain(Xt, y, known=np.arange(60) < 6)).score(Xt, y) > 0.9
    True
    """

    _constraints: ClassVar = {
        "trace": Interval(float, 0),
        "C_source": Interval(float, 0, closed="neither"),
        "C_target": Interval(float, 0, closed="neither"),
        "C_unknown": Interval(float, 0, closed="neither"),
        "norm": Interval(float, 1),
        "kernel": Options("rbf", "linear"),
        "gamma": Either(Nothing(), Interval(float, 0, closed="neither")),
        "max_iter": Interval(int, 1),
        "tol": Interval(float, 0, closed="neither"),
    }
    _test_params: ClassVar = {"max_iter": 4}

    def __init__(
        self,
        trace: float = 100.0,
        C_source: float = 1.0,
        C_target: float = 1.0,
        C_unknown: float = 1e-3,
        norm: float = 1.5,
        kernel: str = "rbf",
        gamma: float | None = None,
        max_iter: int = 20,
        tol: float = 1e-3,
    ) -> None:
        self.trace = trace
        self.C_source = C_source
        self.C_target = C_target
        self.C_unknown = C_unknown
        self.norm = norm
        self.kernel = kernel
        self.gamma = gamma
        self.max_iter = max_iter
        self.tol = tol

    def _fit_map(self, data: HeterogeneousData) -> None:
        kernels = [SpaceKernel.of(X, self.kernel, self.gamma) for X in (data.Xs, data.Xt)]
        (self.source_mean_, self.target_mean_), (self.source_scale_, self.target_scale_), self.gammas_ = zip(
            *((k.mean, k.scale, k.gamma) for k in kernels)
        )
        self.source_rows_, self.target_rows_ = data.Xs, np.concatenate([data.Xt_known, data.Xt[~data.known]])
        K = block_diag(*(k(X, X) for k, X in zip(kernels, (self.source_rows_, self.target_rows_))))
        n, n_known, k = len(data.Xs), len(data.yt), len(self.classes_)
        n_unknown = len(data.Xt) - n_known
        slack = 1 / np.repeat([self.C_source, self.C_target, self.C_unknown], [n, n_known, n_unknown])
        kernel = (1 + self.trace) * K + 1
        root = symmetric_root(kernel)
        self.shares_ = np.bincount(data.codes_t, minlength=k) / n_known
        dual, self.intercept_, self.objective_ = np.zeros((len(K), k)), np.zeros(k), np.zeros(k)
        self.n_iter_ = 1
        known = slice(n, n + n_known)
        for c, y in enumerate(one_against_rest(np.concatenate([data.codes, data.codes_t]), k)):
            n_positive = round(self.shares_[c] * n_unknown)
            of_known = LabelMixture(K[known, known] + 1, y[n:, None], slack[known], self.norm)
            scores = (K[n + n_known :, known] + 1) @ (of_known.weights * y[n:])
            first = np.concatenate([y, highest(scores, n_positive)])
            machine = self._machine(kernel, root, first, len(y), n_positive, slack)
            dual[:, c] = machine.weights * (machine.labellings @ machine.mixture) / machine.margin
            self.intercept_[c], self.objective_[c] = dual[:, c].sum(), machine.objective
            self.n_iter_ = max(self.n_iter_, machine.labellings.shape[1])
        self.source_dual_, self.target_dual_ = dual[:n], dual[n:]

    def _machine(
        self, kernel: Array, root: Array, first: Array, n_given: int, n_positive: int, slack: Array
    ) -> LabelMixture:
        """With labellings added to the first one, whose first entries are given, until they change little."""
        machine = LabelMixture(kernel, first[:, None], slack, self.norm)
        for _ in range(self.max_iter - 1):
            worst = most_violating(root, machine.weights, first[:n_given], n_positive)
            if (machine.labellings == worst[:, None]).all(axis=0).any():
                break
            more = np.column_stack([machine.labellings, worst])
            before, machine = machine.objective, LabelMixture(kernel, more, slack, self.norm)
            if before - machine.objective <= self.tol * abs(machine.objective):
                break
        return machine

    def _map(self, X: Array, domain: str) -> Array:
        if domain == "source":
            kernel = SpaceKernel(self.source_mean_, self.source_scale_, self.gammas_[0])
            own = kernel(X, self.source_rows_) @ self.source_dual_
        else:
            kernel = SpaceKernel(self.target_mean_, self.target_scale_, self.gammas_[1])
            own = kernel(X, self.target_rows_) @ self.target_dual_
        return np.asarray((1 + self.trace) * own + self.intercept_)

    def _scores(self, X: Array) -> Array:
        return self._map(X, "target")
