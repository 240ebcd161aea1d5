"""Cross-modal distillation: a teacher of one modality labels, softly, what is paired with its rows, for a student of another."""

from __future__ import annotations

from typing import Any, ClassVar, Self

import numpy as np
from sklearn.utils.validation import check_is_fitted

from ...core.base import ESTIMATOR, fit_inner, inner_has
from ...core.constraints import Either, Interval, Nothing
from ...core.heterogeneous import HeterogeneousData, HeterogeneousTransfer, check_heterogeneous
from ...core.protocols import Array, Domain
from ...core.soft_labels import fit_soft
from ...core.validation import check_rows
from ...core.vote import class_probabilities
from ...ops.semantic_space import CLASSIFIER, fit_classifier, fitted_teacher, lessons

CARD = {
    "class": "CrossModalDistillation",
    "protocol": "Transfer",
    "settings": ("few_label", "heterogeneous"),
    "tasks": ("classification",),
    "data": ("vectors",),
    "needs": (),
    "cost": "n",
    "portfolio": (),
    "scaling": "domain",
    "paper": "Gupta, Hoffman & Malik. Cross Modal Distillation for Supervision Transfer. CVPR 2016.",
    "url": "https://arxiv.org/abs/1507.00448",
}

__all__ = ["CrossModalDistillation"]


class CrossModalDistillation(HeterogeneousTransfer):
    """Train a student of the target's modality on what a teacher of the source's says of the same things.

    Parameters
    ----------
    teacher : estimator with predict_proba, default=None
        A classifier of source rows. One that is fitted is asked as it is; another is fitted to the source first. None is
        logistic regression on standardised columns. ``sklearn.frozen.FrozenEstimator`` keeps a fitted one through
        ``clone``.
    temperature : float in (0, inf), default=2.0
        T softens the teacher's probabilities, to ``p^(1/T)`` up to scale; higher gives improbable classes more weight.
    lam : float in [0, 1], default=0.9
        Share of the teacher in the loss where labels are known too; they have the rest. Without any it changes nothing.
    copies : int in [1, inf), default=None
        For a student that takes no ``sample_weight``, as a network: each row is given about that often, its labels in
        proportion to their probability. None weighs one row a class instead.
    estimator : estimator, default=None
        The student: any classifier of target rows, `FineTuning` of a small network for example. None is logistic regression.

    Attributes
    ----------
    teacher_ : estimator
        The fitted teacher.
    n_lessons_ : int
        Target rows that the teacher had an answer for.
    n_features_source_ : int
        Columns of the source.
    estimator_ : estimator
        The fitted student. Its own probabilities are softened; those of ``predict_proba`` here are not.
    classes_ : array of shape (n_classes,)
        Source classes.

    Notes
    -----
    With the teacher's softened answer ``p_i`` to the source's side of pair i and the student q, minimises
    ``lam * mean_i CE(p_i, q(x_i)) + (1 - lam) * mean_j CE(y_j, q(x_j))`` over pairs i and known target rows j. No label of a
    pair is looked at: where the source's side has none, give a fitted `teacher`, and its guess as the row's label. A student
    fitted to probabilities at temperature T answers at T; ``predict_proba`` turns that back, ``q^T`` up to scale, which is
    what dividing the logits of both by T does in Hinton's objective. Known labels are learned at T as well, which his is not,
    since of most students no logits can be had.

    The paper matches the two networks' layers instead, which is `SupervisionTransfer`; teaching by soft labels is Hinton's,
    carried to another modality. Without pairs (not in the paper) a known target row is taught the teacher's mean answer to
    the source's rows of its class, as Tzeng et al. do.

    ``transform`` gives class probabilities: the teacher's of source rows, the student's of target rows.

    References
    ----------
    Gupta, Hoffman & Malik. Cross Modal Distillation for Supervision Transfer. CVPR 2016.
    Hinton, Vinyals & Dean. Distilling the Knowledge in a Neural Network. NeurIPS 2014 workshop.
    Tzeng, Hoffman, Darrell & Saenko. Simultaneous Deep Transfer Across Domains and Tasks. ICCV 2015 (soft labels of classes).

    Examples
    --------
    >>> import numpy as np
    >>> from transferkit import CrossModalDistillation, Domain
    >>> rng = np.random.default_rng(0)
    >>> hidden = rng.normal(size=(300, 2))
    >>> X, Xt = hidden @ rng.normal(size=(2, 5)), hidden @ rng.normal(size=(2, 3))
    >>> y = hidden[:, 0] > 0
    >>> model = CrossModalDistillation().fit(X, y, target=Domain(Xt), pairs=[[i, i] for i in range(100)])
    >>> model.score(Xt, y) > 0.95
    True
    """

    _constraints: ClassVar = {
        "teacher": CLASSIFIER,
        "temperature": Interval(float, 0, closed="neither"),
        "lam": Interval(float, 0, 1),
        "copies": Either(Nothing(), Interval(int, 1)),
        "estimator": ESTIMATOR,
    }

    def __init__(
        self,
        teacher: Any = None,
        temperature: float = 2.0,
        lam: float = 0.9,
        copies: int | None = None,
        estimator: Any = None,
    ) -> None:
        self.teacher = teacher
        self.temperature = temperature
        self.lam = lam
        self.copies = copies
        self.estimator = estimator

    def fit(self, X: Any, y: Any = None, *, target: Domain, groups: Any = None, pairs: Any = None) -> Self:
        data = check_heterogeneous(self, X, y, target, pairs=pairs, groups=groups, task="classification")
        self._check_ties(data)
        self._fit_map(data)
        return self

    fit.__doc__ = HeterogeneousTransfer.fit.__doc__

    def _fit_map(self, data: HeterogeneousData) -> Array:
        if self.teacher is None:
            self.teacher_ = fit_classifier(None, data.Xs, data.ys)
        else:
            self.teacher_ = fitted_teacher(self.teacher, data.Xs, data.ys)
        answers = class_probabilities(self.teacher_, data.Xs, self.classes_)
        rows, taught = lessons(data, _powered(answers, 1 / self.temperature))
        self.n_lessons_ = len(rows)
        known = np.flatnonzero(data.known)
        P = np.vstack([taught, np.eye(len(self.classes_))[data.codes_t]])
        lam = self.lam if len(known) else 1.0
        shares = ((rows, lam), (known, 1 - lam))
        weight = np.concatenate([np.full(len(m), share / max(1, len(m))) for m, share in shares])
        used = weight > 0
        rows, P, weight = np.concatenate([rows, known])[used], P[used], weight[used]
        weight /= weight.mean()  # so that a student's own penalty means what it does without a teacher
        if self.copies is None:
            self.estimator_ = fit_soft(self, data.Xt[rows], P, self.classes_, None if np.ptp(weight) == 0 else weight)
        else:
            index, codes = _in_proportion(P, np.maximum(1, np.rint(self.copies * weight)).astype(int))
            self.estimator_ = fit_inner(self, data.task, data.Xt[rows[index]], self.classes_[codes])
        return answers

    def _map(self, X: Array, domain: str) -> Array:
        if domain == "source":
            return class_probabilities(self.teacher_, X, self.classes_)
        return _powered(class_probabilities(self.estimator_, X, self.classes_), self.temperature)

    def _target_rows(self, X: Any, method: str) -> Any:
        return check_rows(self, X, method=method)  # the student takes the target's own columns

    def predict(self, X: Any) -> Array:
        """The student's class of each row of the target, of shape (n_samples,)."""
        check_is_fitted(self)
        return np.asarray(self.estimator_.predict(self._target_rows(X, "predict")))

    @inner_has("predict_proba")
    def predict_proba(self, X: Any) -> Array:
        """The student's class probabilities at temperature 1, of shape (n_samples, n_classes), in the order of ``classes_``."""
        check_is_fitted(self)
        return self._map(self._target_rows(X, "predict_proba"), "target")


def _powered(P: Array, power: float) -> Array:
    """Probabilities to a power, of sum 1 again."""
    Q = (P / P.max(axis=1, keepdims=True)) ** power
    return np.asarray(Q / Q.sum(axis=1, keepdims=True))


def _in_proportion(P: Array, counts: Array) -> tuple[Array, Array]:
    """Row and class of copies of each row, the classes by largest remainder; every class is there at least once."""
    exact = P * counts[:, None]
    number = np.floor(exact).astype(int)
    left = counts - number.sum(axis=1)
    rank = np.argsort(np.argsort(number - exact, axis=1, kind="stable"), axis=1, kind="stable")
    number += rank < left[:, None]
    absent = np.flatnonzero(number.sum(axis=0) == 0)
    number[P[:, absent].argmax(axis=0), absent] = 1
    rows, codes = np.nonzero(number)
    times = number[rows, codes]
    return np.repeat(rows, times), np.repeat(codes, times)
