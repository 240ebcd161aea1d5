"""ESZSL: a bilinear form between rows and descriptions of classes, in one line of algebra, for classes without a row too."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar, Self

import numpy as np
from scipy.linalg import solve
from sklearn.utils.metaestimators import available_if
from sklearn.utils.validation import check_is_fitted

from ...core.base import ShallowTransfer, stack
from ...core.constraints import Interval, Options
from ...core.protocols import Array, Domain
from ...core.validation import check_rows, check_transfer
from ...ops.zero_shot import DESCRIPTIONS, EMBEDDING, describe, handicap

CARD = {
    "class": "ESZSL",
    "protocol": "Transfer",
    "settings": ("unsupervised", "few_label"),
    "tasks": ("classification",),
    "data": ("vectors",),
    "needs": (),
    "cost": "n",
    "portfolio": (),
    "paper": "Romera-Paredes & Torr. An Embarrassingly Simple Approach to Zero-Shot Learning. ICML 2015.",
    "url": "https://proceedings.mlr.press/v37/romera-paredes15.html",
}

__all__ = ["ESZSL"]


class ESZSL(ShallowTransfer):
    """Learn from the classes that have rows how rows and descriptions belong together, and predict any class that is described.

    Parameters
    ----------
    descriptions : mapping of class to vector or text, default=None
        What is known of each class: attributes, all vectors of one length, or texts such as its name. It must hold the classes
        of y; those that y lacks are the unseen ones, which can be predicted. None describes a class by itself alone, which
        is regularised least squares on the classes of y.
    embedding : str, default="sentence:all-MiniLM-L6-v2"
        Text backbone that turns descriptions that are texts into vectors.
    candidates : {"all", "unseen"}, default="all"
        Which classes are predicted: all of them (generalised zero-shot), or those without a row only. Without an unseen
        class it changes nothing.
    calibration : float in [0, inf), default=0.0
        Taken off the score of seen classes, which otherwise win too often. Scores aim at 1 for the class of a row and at -1
        for others, so that 2 is a lot.
    reg : float in (0, inf), default=1.0
        Ridge on the side of the rows, g below, in units of the mean of the diagonal of X'X.
    reg_descriptions : float in (0, inf), default=1.0
        Ridge on the side of the descriptions, l below, in units of the mean of the diagonal of S'S.

    Attributes
    ----------
    coef_ : array of shape (n_features, n_attributes)
        The bilinear form V.
    mean_ : array of shape (n_features,)
        Taken off the rows first.
    descriptions_ : array of shape (n_classes, n_attributes)
        In the order of ``classes_``.
    classes_ : array of shape (n_classes,)
        All described classes.
    seen_classes_, unseen_classes_ : arrays
        Those with rows, and those without.

    Notes
    -----
    With rows X (n, d), Y (n, z) of 1 and -1 and the seen classes' descriptions S (z, a) it minimises ``||X V S' - Y||^2 + g
    ||V S'||^2 + l ||X V||^2 + g l ||V||^2``, whose minimum is ``V = (X'X + g I)^-1 X' Y S (S'S + l I)^-1``. A row belongs to
    the class with the largest ``x' V s``.

    Rows are centred here, since the form has no offset; g and l are in units of the data, where the paper has plain numbers
    that it chooses on held-out classes. Calibrated stacking is
    that of Chao et al.: the score of seen classes is lowered by a constant. Rows of the target with known labels, which the
    paper does not have, join those of the source; all others are not looked at.

    References
    ----------
    Romera-Paredes & Torr. An Embarrassingly Simple Approach to Zero-Shot Learning. ICML 2015.
    Chao, Changpinyo, Gong & Sha. An Empirical Study and Analysis of Generalized Zero-Shot Learning for Object Recognition in
    the Wild. ECCV 2016.

    Examples
    --------
    >>> import numpy as np
    >>> from transferkit import ESZSL, Domain
    >>> animals = {"zebra": [1, 1], "horse": [0, 1], "bee": [1, 0], "crow": [0, 0]}  # striped, has hooves
    >>> rng = np.random.default_rng(0)
    >>> names = np.array(sorted(animals))[rng.integers(0, 4, 200)]
    >>> X = np.array([animals[n] for n in names]) @ rng.normal(size=(2, 6)) + 0.1 * rng.normal(size=(200, 6))
    >>> seen = names != "zebra"
    >>> centred = {n: 2 * np.array(v) - 1 for n, v in animals.items()}
    >>> model = ESZSL(centred, candidates="unseen").fit(X[seen], names[seen], target=Domain(X[~seen]))
    >>> model.unseen_classes_.tolist(), model.score(X[~seen], names[~seen])
    (['zebra'], 1.0)
    """

    _constraints: ClassVar = {
        "descriptions": DESCRIPTIONS,
        "embedding": EMBEDDING,
        "candidates": Options("all", "unseen"),
        "calibration": Interval(float, 0),
        "reg": Interval(float, 0, closed="neither"),
        "reg_descriptions": Interval(float, 0, closed="neither"),
    }
    estimator: Any = None

    def __init__(
        self,
        descriptions: Mapping[Any, Any] | None = None,
        embedding: str = "sentence:all-MiniLM-L6-v2",
        candidates: str = "all",
        calibration: float = 0.0,
        reg: float = 1.0,
        reg_descriptions: float = 1.0,
    ) -> None:
        self.descriptions = descriptions
        self.embedding = embedding
        self.candidates = candidates
        self.calibration = calibration
        self.reg = reg
        self.reg_descriptions = reg_descriptions

    def fit(self, X: Any, y: Any = None, *, target: Domain, groups: Any = None) -> Self:
        data = check_transfer(self, X, y, target, groups=groups, task="classification")
        described = describe("ESZSL.fit", self.descriptions, self.classes_, self._embed)
        rows = stack(data.Xs, data.Xt_known).astype(np.float64)
        codes = np.concatenate([data.codes, data.codes_t])
        self.mean_ = rows.mean(axis=0)
        Y = 2 * np.eye(len(self.classes_))[codes] - 1
        in_descriptions = _ridge(described.vectors[described.seen], Y.T, self.reg_descriptions).T
        self.coef_ = _ridge(rows - self.mean_, in_descriptions, self.reg)
        self.descriptions_ = described.vectors
        self.seen_classes_, self.unseen_classes_ = described.classes[described.seen], described.classes[~described.seen]
        self.classes_ = described.classes
        self._handicap = handicap(described, self.candidates, self.calibration)
        return self

    fit.__doc__ = ShallowTransfer.fit.__doc__

    def _embed(self, texts: list[str]) -> Array:
        from ...engine.features.text_vectors import embed_texts

        return embed_texts("ESZSL.fit", self.embedding, texts)

    def _target_rows(self, X: Any, method: str) -> Any:
        return check_rows(self, X, method=method)

    def _scores(self, X: Any, method: str) -> Array:
        check_is_fitted(self)
        rows = self._target_rows(X, method) - self.mean_
        return np.asarray(rows @ self.coef_ @ self.descriptions_.T - self._handicap)

    def predict(self, X: Any) -> Array:
        """The class whose description fits each row of the target best, of shape (n_samples,)."""
        best = self._scores(X, "predict").argmax(axis=1)
        return self.classes_[best]

    def decision_function(self, X: Any) -> Array:
        """Calibrated scores, of shape (n_samples, n_classes); for two classes the second's less the first's, (n_samples,)."""
        scores = self._scores(X, "decision_function")
        return scores[:, 1] - scores[:, 0] if len(self.classes_) == 2 else scores

    @available_if(lambda self: False)
    def predict_proba(self, X: Any) -> Array:
        """Not there: least squares gives no probabilities."""
        raise NotImplementedError


def _ridge(A: Array, B: Array, reg: float) -> Array:
    """``(A'A + g I)^-1 A'B`` with g in units of the mean of the diagonal of A'A, by the smaller of A'A and AA'."""
    scale = np.abs(A).max() or 1.0  # the ridge goes with the data, so that their size must not matter to the arithmetic
    A = A / scale
    wide = A.shape[1] > A.shape[0]
    gram = A @ A.T if wide else A.T @ A
    mean = np.trace(gram) / A.shape[1]
    gram[np.diag_indices_from(gram)] += reg * (mean if mean > 0 else 1.0)
    found = A.T @ solve(gram, B, assume_a="pos") if wide else solve(gram, A.T @ B, assume_a="pos")
    return np.asarray(found / scale)
