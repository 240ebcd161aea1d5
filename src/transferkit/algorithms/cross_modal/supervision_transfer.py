"""Supervision transfer: a student of another modality learns to give the teacher's features, and inherits what follows them."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np
from sklearn.base import clone
from sklearn.linear_model import Ridge
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import StandardScaler

from ...core.base import ESTIMATOR
from ...core.constraints import Either, EstimatorLike, Fulfils, Nothing
from ...core.errors import ParamError
from ...core.heterogeneous import HeterogeneousData, HeterogeneousTransfer
from ...core.protocols import Array
from ...ops.semantic_space import fitted_teacher, lessons

CARD = {
    "class": "SupervisionTransfer",
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

__all__ = ["SupervisionTransfer"]


def _gives_features(value: Any) -> bool:
    body = value[:-1] if isinstance(value, Pipeline) else value
    return EstimatorLike("fit", "transform").holds(body)


class SupervisionTransfer(HeterogeneousTransfer):
    """Regress the teacher's features of one modality on the rows of the other that they are paired with.

    Parameters
    ----------
    teacher : estimator with transform, or pipeline, default=None
        Gives features of source rows: its ``transform``, as that of `FineTuning` is what its head gets; of a pipeline that of
        all steps before the last. One that is fitted is used as it is, another is fitted to the source first. None is the
        source's columns, standardised.
    student : regressor of several outputs, default=None
        Learns these features from target rows. None is ridge regression on standardised columns.
    estimator : estimator, default=None
        What decides on the features: fitted on the teacher's of the source, and on the student's of known target rows. None
        is logistic regression.

    Attributes
    ----------
    teacher_, student_ : estimators
        Fitted.
    n_lessons_ : int
        Target rows that the teacher had features for.
    n_features_source_ : int
        Columns of the source.
    estimator_ : estimator
        The fitted inner estimator.
    classes_ : array of shape (n_classes,)
        Source classes.

    Notes
    -----
    With the teacher's features ``phi`` it minimises ``sum_i ||student(x_i) - phi(x'_i)||^2`` over pairs (x_i of the target,
    x'_i of the source), the objective of the paper, whose function f is the same squared distance; it looks at no label of a
    pair. What was learned on the teacher's features then works on the student's, without a label of the target; where some
    are known, they join in, as the paper's fine-tuning does. In the paper both are convolutional networks, images with and
    without depth; here they are any estimators.

    Without pairs (not in the paper) the student learns, for a known target row, the mean features of the source's rows of
    its class. ``transform`` gives the teacher's features of source rows and the student's of target rows.

    References
    ----------
    Gupta, Hoffman & Malik. Cross Modal Distillation for Supervision Transfer. CVPR 2016.

    Examples
    --------
    >>> import numpy as np
    >>> from transferkit import Domain, SupervisionTransfer
    >>> rng = np.random.default_rng(0)
    >>> hidden = rng.normal(size=(300, 2))
    >>> X, Xt = hidden @ rng.normal(size=(2, 5)), hidden @ rng.normal(size=(2, 3))
    >>> y = hidden[:, 0] > 0
    >>> model = SupervisionTransfer().fit(X, y, target=Domain(Xt), pairs=[[i, i] for i in range(100)])
    >>> model.score(Xt, y) > 0.95
    True
    """

    _constraints: ClassVar = {
        "teacher": Either(
            Nothing(), Fulfils("be an estimator object with fit and transform, or a pipeline", _gives_features)
        ),
        "student": Either(Nothing(), EstimatorLike("fit", "predict")),
        "estimator": ESTIMATOR,
    }
    _task: ClassVar = "classification"

    def __init__(self, teacher: Any = None, student: Any = None, estimator: Any = None) -> None:
        self.teacher = teacher
        self.student = student
        self.estimator = estimator

    def _fit_map(self, data: HeterogeneousData) -> Array:
        teacher = StandardScaler() if self.teacher is None else self.teacher
        self.teacher_ = fitted_teacher(teacher, data.Xs, data.ys)
        features = self._map(data.Xs, "source")
        rows, taught = lessons(data, features)
        self.n_lessons_ = len(rows)
        plain = make_pipeline(StandardScaler(), Ridge())
        self.student_ = (plain if self.student is None else clone(self.student)).fit(data.Xt[rows], taught)
        return features

    def _map(self, X: Array, domain: str) -> Array:
        if domain == "target":
            found = np.asarray(self.student_.predict(X))
            return found.reshape(len(X), -1)
        body = self.teacher_[:-1] if isinstance(self.teacher_, Pipeline) else self.teacher_
        found = np.asarray(body.transform(X))
        if found.ndim != 2:
            raise ParamError(
                f"SupervisionTransfer.fit: teacher must give one row of features a row. Got shape {found.shape}."
            )
        return found
