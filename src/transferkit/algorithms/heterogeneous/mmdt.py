"""MMDT: target rows mapped linearly among the source's so that the source's hyperplanes classify them, both learned together."""

from __future__ import annotations

import warnings
from typing import ClassVar

import numpy as np
from sklearn.svm import LinearSVC

from ...core.constraints import Interval
from ...core.errors import TransferWarning
from ...core.heterogeneous import HeterogeneousData
from ...core.heterogeneous_scores import SpaceClassifier, one_against_rest
from ...core.protocols import Array

CARD = {
    "class": "MMDT",
    "protocol": "Transfer",
    "settings": ("few_label", "heterogeneous"),
    "tasks": ("classification",),
    "data": ("vectors",),
    "needs": (),
    "cost": "n",
    "portfolio": (),
    "scaling": "domain",
    "paper": "Hoffman, Rodner, Donahue, Saenko & Darrell. Efficient Learning of Domain-invariant Image Representations. ICLR"
    " 2013.",
    "url": "https://arxiv.org/abs/1301.3224",
}

__all__ = ["MMDT"]


class MMDT(SpaceClassifier):
    """Max-margin domain transform: one linear map of the target and a linear support vector machine, learned by turns.

    Parameters
    ----------
    C_source : float in (0, inf), default=0.05
        Price of a source row on the wrong side of its margin.
    C_target : float in (0, inf), default=1.0
        The same for known rows of the target.
    max_iter : int in [1, inf), default=10
        Turns of map and hyperplanes at most; a `TransferWarning` says so where they were not enough.
    tol : float in (0, inf), default=0.001
        Stops when a turn lowers the objective by no more than this share of it.

    Attributes
    ----------
    transform_ : array of shape (n_features_source + 1, n_features + 1)
        The map W, of centred and scaled target rows with a 1 appended to source rows like that.
    coef_ : array of shape (n_classes, n_features_source + 1)
        Hyperplanes among such source rows, each class against the rest.
    source_mean_, target_mean_ : arrays of shape (n_features_source,) and (n_features,)
        Means of the rows.
    source_scale_, target_scale_ : float
        What centred rows are divided by: the root mean variance of a column.
    objective_ : float
        What was minimised, at the end.
    n_iter_ : int
        Turns made.
    n_features_source_ : int
        Columns of the source.
    classes_ : array of shape (n_classes,)
        Source classes.

    Notes
    -----
    Minimises ``|W|^2 / 2 + sum_k |t_k|^2 / 2 + sum_k (C_source sum_i h(y_ik t_k.x_i) + C_target sum_j h(y_jk t_k.W z_j))`` with
    the hinge ``h(m) = max(0, 1 - m)`` over source rows x and known target rows z, each with a 1 appended, and the hyperplanes
    ``t_k``. It begins with the hyperplanes of the source alone. For given hyperplanes W is a support vector
    machine over all pairs of a hyperplane and a known row, with the kernel ``(t_k.t_l)(z_i.z_j)``; in bases of the spans of
    hyperplanes and known rows it has at most `n_classes` times the known rows as features, whatever the widths of the two
    spaces. For a given W the hyperplanes are support vector machines of their own. Both are solved in the dual to a thousandth
    of the margin, and the objective falls with each turn. It is not convex in both together. Memory and time of a turn grow
    with the square of classes times known rows, and with the source rows.

    The default prices are those of the authors' published configuration for Office-Caltech (we do not know what they were
    chosen on), which makes 2 turns and, where both domains have the same columns, begins with the identity and keeps W near it;
    with other columns there is none, and W is kept small as the paper writes it. That code is not the paper's problem in
    another way too: the hyperplanes' hinges are squared, and so are the map's, at a price of 1e-4 of their own. We solve the
    paper's. Rows without a label are not used, but for means and scales. `pairs` are not used.

    References
    ----------
    Hoffman, Rodner, Donahue, Saenko & Darrell. Efficient Learning of Domain-invariant Image Representations. ICLR 2013.

    Examples
    --------
    >>> import numpy as np
    >>> from transferkit import MMDT, Domain
    >>> rng = np.random.default_rng(0)
    >>> y = np.arange(100) % 2
    >>> hidden = np.column_stack([6 * y + rng.normal(size=100), rng.normal(size=100)])
    >>> X, Xt = hidden @ rng.normal(size=(2, 5)), hidden @ rng.normal(size=(2, 3))
    >>> MMDT().fit(X, y, target=Domain(Xt, y, known=np.arange(100) < 6)).score(Xt, y) > 0.95
    True
    """

    _constraints: ClassVar = {
        "C_source": Interval(float, 0, closed="neither"),
        "C_target": Interval(float, 0, closed="neither"),
        "max_iter": Interval(int, 1),
        "tol": Interval(float, 0, closed="neither"),
    }

    def __init__(self, C_source: float = 0.05, C_target: float = 1.0, max_iter: int = 10, tol: float = 1e-3) -> None:
        self.C_source = C_source
        self.C_target = C_target
        self.max_iter = max_iter
        self.tol = tol

    def _fit_map(self, data: HeterogeneousData) -> None:
        sides = [np.asarray(X, dtype=np.float64) for X in (data.Xs, data.Xt)]
        self.source_mean_, self.target_mean_ = (X.mean(axis=0) for X in sides)
        self.source_scale_, self.target_scale_ = (float(np.sqrt(X.var(axis=0).mean())) or 1.0 for X in sides)
        A, B = self._scaled(data.Xs, "source"), self._scaled(data.Xt_known, "target")
        codes = np.concatenate([data.codes, data.codes_t])
        signs, known_signs = (one_against_rest(c, len(self.classes_)) for c in (codes, data.codes_t))
        prices = np.concatenate([np.full(len(A), self.C_source), np.full(len(B), self.C_target)])
        coef, cost, n_done = _hyperplanes(A, data.codes, prices[: len(A)]), np.inf, 0
        for _ in range(self.max_iter):
            n_done += 1
            W = _map_for(coef, B, known_signs, self.C_target)
            rows = np.concatenate([A, B @ W.T])
            coef = _hyperplanes(rows, codes, prices)
            before, cost = cost, _objective(W, coef, rows, signs, prices)
            if before - cost <= self.tol * cost:
                break
        else:
            warnings.warn(
                f"MMDT.fit: max_iter={self.max_iter} turns were not enough; the objective is still {cost:.4g}.",
                TransferWarning,
                stacklevel=3,
            )
        self.transform_, self.coef_, self.objective_, self.n_iter_ = W, coef, cost, n_done

    def _scaled(self, X: Array, domain: str) -> Array:
        """Centred and scaled rows with a 1 appended."""
        mean, scale = (
            (self.source_mean_, self.source_scale_) if domain == "source" else (self.target_mean_, self.target_scale_)
        )
        return np.column_stack([(X - mean) / scale, np.ones(len(X))])

    def _map(self, X: Array, domain: str) -> Array:
        rows = self._scaled(X, domain)
        return rows if domain == "source" else np.asarray(rows @ self.transform_.T)

    def _scores(self, X: Array) -> Array:
        return np.asarray(self._map(X, "target") @ self.coef_.T)


def _machine(features: Array, y: Array, prices: Array) -> Array:
    """Hinge-loss machines through the origin, each class against the rest, solved in the dual: of shape (n, n_features)."""
    machine = LinearSVC(loss="hinge", fit_intercept=False, tol=1e-3, max_iter=_MOST_STEPS, random_state=0)
    return np.asarray(machine.fit(features, y, sample_weight=prices).coef_)


def _hyperplanes(Z: Array, codes: Array, prices: Array) -> Array:
    coef = _machine(Z, codes, prices)
    return coef if len(coef) > 1 else np.concatenate([-coef, coef])  # of two classes one is the other's mirror image


def _map_for(coef: Array, B: Array, Y: Array, price: float) -> Array:
    """The smallest W for which the hyperplanes classify ``W b``, at a price for each row and hyperplane that fail.

    W is a combination of ``t_k b_j'``: it is looked for in coordinates of the spans of the hyperplanes and of the rows.
    """
    planes, rows = _coordinates(coef), _coordinates(B)
    pairs = np.einsum("kp,nr->knpr", planes[0], rows[0]).reshape(Y.size, -1)
    W = _machine(pairs, Y.ravel(), np.full(Y.size, price)).reshape(planes[0].shape[1], -1)
    return np.asarray(planes[1].T @ W @ rows[1])


def _coordinates(X: Array) -> tuple[Array, Array]:
    """Rows in an orthonormal basis of their span, and that basis."""
    U, s, Vt = np.linalg.svd(X, full_matrices=False)
    keep = s > s[0] * max(X.shape) * np.finfo(np.float64).eps
    return U[:, keep] * s[keep], Vt[keep]


def _objective(W: Array, coef: Array, rows: Array, Y: Array, prices: Array) -> float:
    hinge = np.maximum(0.0, 1 - Y * (coef @ rows.T))
    return float(0.5 * (W**2).sum() + 0.5 * (coef**2).sum() + (hinge @ prices).sum())


_MOST_STEPS = 100_000  # passes of the solver over the rows
