"""Self-training: the target rows of each class that the model is surest of join the training set, round after round."""

from __future__ import annotations

from typing import Any, ClassVar, Self

import numpy as np

from ...core.base import ShallowTransfer, fit_inner, stack
from ...core.constraints import Boolean, Either, EstimatorLike, Interval, Nothing
from ...core.errors import DomainError, ParamError
from ...core.protocols import Array, Domain
from ...core.validation import TransferData, check_rows, check_transfer
from ...ops.folds import deal_folds
from ...ops.label_shift.shares import temper, temperature

CARD = {
    "class": "SelfTraining",
    "protocol": "Transfer",
    "settings": ("unsupervised", "few_label"),
    "tasks": ("classification",),
    "data": ("vectors",),
    "needs": (),
    "cost": "n",
    "scaling": "domain",
    "portfolio": ({}, {"stop_share": 1.0}),
    "paper": (
        "Zou, Yu, Kumar & Wang. Unsupervised Domain Adaptation for Semantic Segmentation via Class-Balanced Self-Training."
        " ECCV 2018."
    ),
    "url": "https://arxiv.org/abs/1810.07911",
}

__all__ = ["SelfTraining"]

_N_FOLDS = 5


class SelfTraining(ShallowTransfer):
    """Label the target rows that the model is surest of, as large a share of every class, train on them too, and repeat.

    Parameters
    ----------
    start_share : float in (0, 1], default=0.2
        Share of the target rows, of each predicted class where ``balanced``, that is labelled in the first round.
    stop_share : float in (0, 1], default=0.5
        Share in the last round, at least ``start_share``. The paper stops at half; 1 ends with all rows.
    n_rounds : int in [1, inf), default=4
        Rounds of labelling and training, each one fit of the inner estimator on source and labelled target rows. The
        share grows in equal steps; a single round takes ``start_share``.
    balanced : bool, default=True
        Measure the share within each predicted class. False measures it over all rows: classes that are easy to predict
        then fill the training set first.
    pseudo_weight : float in (0, inf), default=1.0
        What a labelled target row weighs in the fit against 1 for a source row or a known label. Other values than 1
        need an inner estimator that takes ``sample_weight``.
    threshold : float in [0, 1], default=0.0
        Least probability of its class with which a row is labelled, whatever its share says. 0 leaves it to the shares.
    calibrated : bool, default=False
        Divide log-probabilities by the temperature that makes held-out source labels the most probable, so that a
        ``threshold`` means what it says. Costs five more fits at the start.
    estimator : classifier, default=None
        Trained in every round; must have ``predict_proba``. None is logistic regression.

    Attributes
    ----------
    pseudo_index_ : int array of shape (n_pseudo,)
        Target rows that the last fit was given with a label of its own making.
    pseudo_labels_ : array of shape (n_pseudo,)
        Those labels.
    temperature_ : float
        What divides log-probabilities before rows are compared; 1 without ``calibrated``.
    shares_ : array of shape (n_fits,)
        The share of every round that was made; empty where all target labels are known.
    estimator_ : classifier
        The fitted inner estimator.
    classes_ : array of shape (n_classes,)
        Source classes.

    Notes
    -----
    Minimises ``-sum_s log p(y_s | x_s) - sum_t sum_c z_tc (log p(c | x_t) + k_c)`` over the model and over the labels
    ``z_t``, a unit vector or 0, in turn (class-balanced self-training). With the model held, row t gets the class with the
    largest ``p(c | x_t) / exp(-k_c)`` if that reaches 1: a class that is always predicted with little confidence has a low
    threshold and is not pushed aside. ``exp(-k_c)`` is the confidence of the row that stands at the wanted share among
    those predicted as c (algorithm 2), or among all rows (algorithm 1). With the labels held, the model is trained.

    Thresholds of the classes are relative, so they need no calibrated probabilities. An absolute ``threshold``, which is not in
    the paper, does: it is compared with the probability of the label, by a temperature found once on the source. That holds on
    the target as far as the model is as sure there as it is right.

    The row at the threshold is taken too, so each predicted class adds one row at least and equal rows come in together;
    the paper leaves it out, which one pixel of millions does not show. Labels are drawn up anew in every round and none is
    kept from the last, as in the paper and unlike Yarowsky's first form. Known target labels are trained on from the start
    and never replaced. The paper's spatial prior has no meaning for rows of a table.

    References
    ----------
    Zou, Yu, Kumar & Wang. Unsupervised Domain Adaptation for Semantic Segmentation via Class-Balanced Self-Training. ECCV
    2018, algorithms 1 and 2. Its root is Yarowsky. Unsupervised Word Sense Disambiguation Rivaling Supervised Methods. ACL 1995.

    Examples
    --------
    >>> import numpy as np
    >>> from transferkit import Domain, SelfTraining
    >>> rng = np.random.default_rng(0)
    >>> X, y = rng.normal(size=(80, 2)), np.arange(80) % 2
    >>> X[:, 0] += 6 * y - 3
    >>> model = SelfTraining(stop_share=1.0).fit(X, y, target=Domain(X + [2, 0]))
    >>> model.score(X + [2, 0], y) > 0.95
    True
    """

    _constraints: ClassVar = {
        "start_share": Interval(float, 0, 1, closed="right"),
        "stop_share": Interval(float, 0, 1, closed="right"),
        "n_rounds": Interval(int, 1),
        "balanced": Boolean(),
        "pseudo_weight": Interval(float, 0, closed="neither"),
        "threshold": Interval(float, 0, 1),
        "calibrated": Boolean(),
        "estimator": Either(Nothing(), EstimatorLike("fit", "predict", "predict_proba")),
    }
    _accept_sparse: ClassVar = True

    def __init__(
        self,
        start_share: float = 0.2,
        stop_share: float = 0.5,
        n_rounds: int = 4,
        balanced: bool = True,
        pseudo_weight: float = 1.0,
        threshold: float = 0.0,
        calibrated: bool = False,
        estimator: Any = None,
    ) -> None:
        self.start_share = start_share
        self.stop_share = stop_share
        self.n_rounds = n_rounds
        self.balanced = balanced
        self.pseudo_weight = pseudo_weight
        self.threshold = threshold
        self.calibrated = calibrated
        self.estimator = estimator

    def fit(self, X: Any, y: Any = None, *, target: Domain, groups: Any = None) -> Self:
        data = check_transfer(self, X, y, target, groups=groups, accept_sparse=True)
        if data.classes is None:
            raise DomainError("SelfTraining.fit: y must hold classes. Unknown label type: continuous.")
        if self.start_share > self.stop_share:
            raise ParamError(
                f"SelfTraining.fit: start_share must be at most stop_share ({self.stop_share}). Got {self.start_share}."
            )
        rows, labels = stack(data.Xs, data.Xt_known), np.concatenate([data.ys, data.yt])
        self.estimator_ = fit_inner(self, data.task, rows, labels)
        self.temperature_ = self._temperature(data) if self.calibrated else 1.0
        free = np.flatnonzero(~data.known)
        Xt = data.Xt[free]
        index, pseudo = free[:0], data.classes[:0]
        shares = np.linspace(self.start_share, self.stop_share, self.n_rounds) if len(free) else np.empty(0)
        for share in shares:
            proba = self.estimator_.predict_proba(Xt)
            if self.calibrated:
                proba = temper(proba, self.temperature_)
            taken, codes = _surest(proba, share, self.balanced, self.threshold)
            index, pseudo = free[taken], data.classes[codes]
            weights = None
            if self.pseudo_weight != 1:
                weights = np.repeat([1.0, self.pseudo_weight], [len(labels), len(index)])
            self.estimator_ = fit_inner(
                self, data.task, stack(rows, Xt[taken]), np.concatenate([labels, pseudo]), weights
            )
        self.pseudo_index_, self.pseudo_labels_, self.shares_ = index, pseudo, shares
        return self

    fit.__doc__ = ShallowTransfer.fit.__doc__

    def _temperature(self, data: TransferData) -> float:
        """That of the model's probabilities for source rows which it was not fitted on."""
        codes, proba = data.codes, np.zeros((len(data.ys), len(self.classes_)))
        folds = deal_folds(codes, min(_N_FOLDS, len(codes)), 0)
        for fold in np.unique(folds):
            out = folds == fold
            if len(np.unique(codes[~out])) < 2:
                proba[out] = 1 / len(self.classes_)
                continue
            model = fit_inner(self, data.task, data.Xs[~out], data.ys[~out])
            proba[np.ix_(out, np.searchsorted(self.classes_, model.classes_))] = model.predict_proba(data.Xs[out])
        return temperature(proba, codes)

    def _target_rows(self, X: Any, method: str) -> Any:
        return check_rows(self, X, method=method, accept_sparse=True)


def _surest(proba: Array, share: float, balanced: bool, least: float = 0.0) -> tuple[Array, Array]:
    """Positions of the rows to label, and the classes they get."""
    guess, sure = proba.argmax(axis=1), proba.max(axis=1)
    threshold = np.ones(proba.shape[1])  # exp(-k_c); 1 for a class that is never predicted, which no row then gets
    for c in np.unique(guess) if balanced else [slice(None)]:
        values = np.sort(sure[guess == c] if balanced else sure)[::-1]
        threshold[c] = values[int(np.ceil(share * len(values) - 1e-9)) - 1]  # 0.3 * 10 is above 3
    ratio = proba / threshold
    label = np.take_along_axis(proba, ratio.argmax(axis=1)[:, None], axis=1)[:, 0]
    taken = np.flatnonzero((ratio.max(axis=1) >= 1) & (label >= least))
    return taken, ratio[taken].argmax(axis=1)
