"""Label mapping: source classes stand for target classes, finer, coarser or other ones, as far as a few target labels show."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar, Self

import numpy as np
from scipy.optimize import linear_sum_assignment
from sklearn.base import BaseEstimator, clone
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import accuracy_score
from sklearn.utils import Tags
from sklearn.utils.validation import check_is_fitted

from ...core.base import transfer_tags
from ...core.constraints import Boolean, Either, EstimatorLike, Fulfils, Interval, Nothing
from ...core.errors import DomainError
from ...core.protocols import Array, Domain
from ...core.validation import TransferData, check_rows, check_transfer

CARD = {
    "class": "LabelMapping",
    "protocol": "Transfer",
    "settings": ("few_label", "supervised"),
    "tasks": ("classification",),
    "data": ("vectors",),
    "needs": (),
    "cost": "n",
    "portfolio": (),
    "paper": "Shi, Liu, Fan, Yu & Zhu. Transfer Learning on Heterogenous Feature Spaces via Spectral Transformation. ICDM 2010"
    " (its part on other outputs); You, Kou, Long & Wang. Co-Tuning for Transfer Learning. NeurIPS 2020.",
    "url": "https://doi.org/10.1109/ICDM.2010.65",
}

__all__ = ["LabelMapping"]
_MAPPING = Fulfils("be a mapping of source classes to target classes", lambda v: isinstance(v, Mapping) and len(v) > 0)
_PROBABLE = Either(Nothing(), EstimatorLike("fit", "predict_proba"))


class LabelMapping(BaseEstimator):
    """Carry a source classifier over to other classes by what it says of the few labelled target rows, or by a given mapping.

    Parameters
    ----------
    mapping : mapping of source class to target class, or to a list of them, default=None
        Where it is known which source class means which target classes. None learns it from the known target labels.
    smoothing : float in [0, inf), default=1.0
        Rows that a target class is counted to have beside its own, with the source's answers on all target rows: keeps a
        relation seen once from being taken for certain. Not used with `mapping`.
    one_to_one : bool, default=False
        Whether each source class stands for one target class only and the other way round, by the best assignment.
    refine : bool, default=True
        Whether a classifier of the known target labels tells apart what one source class stands for. Without it the target
        classes of one source class get its probability in fixed shares.
    estimator : classifier with predict_proba, default=None
        Fitted on the source, and on the known target rows. None is logistic regression.

    Attributes
    ----------
    relation_ : array of shape (n_source_classes, n_classes)
        p(source class | target class), by columns.
    mapping_ : dict
        Each source class and the target class that it most likely is, where both are equally common.
    source_classes_ : array of shape (n_source_classes,)
        Classes of the source.
    classes_ : array of shape (n_classes,)
        Classes of the target: those of the known labels, and of `mapping`.
    source_estimator_ : estimator
        Fitted on the source.
    target_estimator_ : estimator or None
        Fitted on the known target rows; None without `refine`, or where they are of one class.

    Notes
    -----
    A target class t is a mixture of source classes s: ``p(s | t)`` is the mean of the source classifier's probabilities over the
    known rows of t (Co-Tuning's direct approach; HeMap has counts). If s and x say nothing more about each other once t is
    known, ``p(t | s, x)`` is proportional to ``p(s | t) q(t | x)`` with the target's own classifier q, and ``p(t | x) = sum_s p(s
    | x) p(t | s, x)``. So finer source classes add up, coarser ones say between which target classes q has to decide, and where the
    source says nothing (equal columns) q alone is left. HeMap has no q: its ``p(t | s)`` is that of the known rows
    (``refine=False``). Both domains have the same columns; put a `TransferPipeline` with a map in front where they do not.

    References
    ----------
    Shi, Liu, Fan, Yu & Zhu. Transfer Learning on Heterogenous Feature Spaces via Spectral Transformation. ICDM 2010.
    You, Kou, Long & Wang. Co-Tuning for Transfer Learning. NeurIPS 2020, section 3.2.

    Examples
    --------
    >>> import numpy as np
    >>> from transferkit import Domain, LabelMapping
    >>> rng = np.random.default_rng(0)
    >>> kind = np.arange(200) % 4
    >>> X = rng.normal(size=(200, 2)) + 6 * np.column_stack([kind // 2, kind % 2])
    >>> fine, coarse = np.array(["cat", "dog", "car", "bus"])[kind], np.array(["animal", "machine"])[kind // 2]
    >>> model = LabelMapping().fit(X, fine, target=Domain(X + 0.5, coarse, known=np.arange(200) < 8))
    >>> model.mapping_["dog"], model.mapping_["bus"], model.score(X + 0.5, coarse) > 0.95
    ('animal', 'machine', True)
    """

    _constraints: ClassVar = {
        "mapping": Either(Nothing(), _MAPPING),
        "smoothing": Interval(float, 0),
        "one_to_one": Boolean(),
        "refine": Boolean(),
        "estimator": _PROBABLE,
    }
    _accept_sparse: ClassVar = False
    _known_failures: ClassVar = {"check_bad_targets": "target classes that the source lacks are what it is for"}

    def __init__(
        self,
        mapping: Any = None,
        smoothing: float = 1.0,
        one_to_one: bool = False,
        refine: bool = True,
        estimator: Any = None,
    ) -> None:
        self.mapping = mapping
        self.smoothing = smoothing
        self.one_to_one = one_to_one
        self.refine = refine
        self.estimator = estimator

    def fit(self, X: Any, y: Any = None, *, target: Domain, groups: Any = None) -> Self:
        """Fit on source rows and labels, and a target whose labels are of other classes.

        Parameters
        ----------
        X : array-like of shape (n_source, n_features)
            Source rows.
        y : array-like of shape (n_source,)
            Source labels.
        target : Domain
            Target rows; labels that are known are used, all others are never read.
        groups : array-like of shape (n_source,), optional
            Checked, not used.

        Returns
        -------
        self : LabelMapping

        Raises
        ------
        DomainError, ParamError
            Naming the argument that cannot be used.
        """
        labels = np.asarray(target.known_y) if isinstance(target, Domain) else np.empty(0)
        # Labels of another kind of name are fine here; the check of the rows goes without them.
        bare = target.hide() if isinstance(target, Domain) else target
        data = check_transfer(self, X, y, bare, groups=groups, task="classification")
        if not len(labels) and self.mapping is None:
            raise DomainError(
                "LabelMapping.fit: target must have a few known labels, or mapping must be given. Got neither."
            )
        self.source_classes_ = np.asarray(data.classes)
        inner = LogisticRegression(max_iter=1000) if self.estimator is None else self.estimator
        self.source_estimator_ = clone(inner).fit(data.Xs, data.ys)
        self.classes_ = _classes(labels, self.mapping or {})
        if len(self.classes_) < 2:
            raise DomainError(f"LabelMapping.fit: target must have two classes or more. Got {self.classes_.tolist()}.")
        known = target.mask
        self.relation_ = self._relation(data, known, labels)
        if self.one_to_one:
            self.relation_ = _assigned(self.relation_)
        names = self.classes_.tolist()
        self.mapping_ = {s: names[k] for s, k in zip(self.source_classes_.tolist(), self.relation_.argmax(axis=1))}
        self.target_estimator_ = None
        if self.refine and len(np.unique(labels)) > 1:
            self.target_estimator_ = clone(inner).fit(data.Xt[known], labels)
        return self

    def _relation(self, data: TransferData, known: Array, labels: Array) -> Array:
        if self.mapping is not None:
            return _given(self.mapping, self.source_classes_, self.classes_)
        proba = self.source_estimator_.predict_proba(data.Xt)
        prior, own = proba.mean(axis=0), proba[known]
        columns = [
            (own[labels == t].sum(axis=0) + self.smoothing * prior) / ((labels == t).sum() + self.smoothing)
            for t in self.classes_
        ]
        return np.column_stack(columns)

    def predict_proba(self, X: Any) -> Array:
        """Class probabilities for rows of the target, of shape (n_samples, n_classes), in the order of ``classes_``."""
        check_is_fitted(self)
        X = check_rows(self, X, method="predict_proba")
        q = np.full((len(X), len(self.classes_)), 1 / len(self.classes_))
        if self.target_estimator_ is not None:
            # A class without a known label, of a given mapping, is as likely as one of those that have.
            there = np.isin(self.classes_, self.target_estimator_.classes_)
            q[:, there] = self.target_estimator_.predict_proba(X) * there.mean()
        of_source = self.source_estimator_.predict_proba(X)
        joint = self.relation_[None] * np.maximum(q, 1e-12)[:, None, :]  # rows, source classes, target classes
        total = joint.sum(axis=2, keepdims=True)
        # A source class that stands for none leaves the decision to the target's own classifier.
        shares = np.where(total > 0, joint / np.where(total > 0, total, 1), q[:, None, :])
        return np.asarray(np.einsum("ns,nst->nt", of_source, shares))

    def predict(self, X: Any) -> Array:
        """The most probable target class of each row, of shape (n_samples,)."""
        check_is_fitted(self)
        check_rows(self, X)
        return self.classes_[self.predict_proba(X).argmax(axis=1)]

    def score(self, X: Any, y: Any, sample_weight: Any = None) -> float:
        """Accuracy on labelled rows of the target."""
        return float(accuracy_score(y, self.predict(X), sample_weight=sample_weight))

    def __sklearn_tags__(self) -> Tags:
        return transfer_tags(super().__sklearn_tags__(), None)


def _listed(value: Any) -> list[Any]:
    return list(value) if isinstance(value, (list, tuple, set, frozenset)) else [value]


def _classes(labels: Array, mapping: Mapping[Any, Any]) -> Array:
    """Target classes: those of the known labels, and those that a mapping names."""
    found = [*labels.tolist(), *(t for value in mapping.values() for t in _listed(value))]
    text = isinstance(next(iter(found), None), str)
    for c in found:
        whole = isinstance(c, (int, np.integer)) or (isinstance(c, float) and c.is_integer())
        if not (isinstance(c, str) if text else whole):
            raise DomainError(
                "LabelMapping.fit: target.y and mapping must name target classes, all by text or all by whole numbers."
                f" Got {c!r}."
            )
    return np.unique(found)


def _given(mapping: Mapping[Any, Any], source: Array, target: Array) -> Array:
    """p(source class | target class) of a mapping: the same for all source classes that stand for a target class."""
    unknown = [s for s in mapping if s not in source.tolist()]
    if unknown:
        raise DomainError(
            f"LabelMapping.fit: mapping must name the source's classes, {', '.join(map(str, source[:20]))}. Got {unknown[0]!r}."
        )
    found = np.zeros((len(source), len(target)))
    for s, value in mapping.items():
        found[source.tolist().index(s)] = np.isin(target, _listed(value))
    return np.asarray(found / np.maximum(found.sum(axis=0), 1))


def _assigned(relation: Array) -> Array:
    """The best assignment alone: one target class for a source class, and the other way round."""
    found = np.zeros_like(relation)
    found[linear_sum_assignment(np.log(np.maximum(relation, 1e-12)), maximize=True)] = 1.0
    return found
