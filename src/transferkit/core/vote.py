"""A weighted vote of fitted models as one model: predicted with, saved and served like any single method."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, ClassVar, Self

import numpy as np
from sklearn.base import BaseEstimator, clone, is_classifier, is_regressor
from sklearn.metrics import accuracy_score, r2_score
from sklearn.pipeline import Pipeline
from sklearn.utils import ClassifierTags, RegressorTags, Tags
from sklearn.utils.metaestimators import available_if
from sklearn.utils.validation import check_is_fitted, has_fit_parameter

from .compose import TransferPipeline
from .constraints import Either, EstimatorLike, Fulfils, Interval, Nothing, check_params
from .errors import DomainError, ParamError
from .protocols import Array, Domain
from .task_pipelines import in_two

__all__ = ["Vote", "apply_factors", "class_probabilities", "first_stage"]


def _are_models(value: Any) -> bool:
    rule = EstimatorLike("predict")
    return isinstance(value, Sequence) and len(value) > 0 and all(rule.holds(v) for v in value)


def _are_weights(value: Any) -> bool:
    try:
        weights = np.asarray(value, dtype=np.float64)
    except (TypeError, ValueError):
        return False
    return weights.ndim == 1 and bool(np.isfinite(weights).all() and (weights >= 0).all() and weights.sum() > 0)


def _are_names(value: Any) -> bool:
    return (
        isinstance(value, Sequence)
        and not isinstance(value, str)
        and all(isinstance(v, str) for v in value)
        and len(set(value)) == len(value)
    )


def _classifies(self: Any) -> bool:
    return hasattr(self, "classes_")


def _are_factors(value: Any) -> bool:
    try:
        factors = np.asarray(value, dtype=np.float64)
    except (TypeError, ValueError):
        return False
    return factors.ndim == 2 and bool(np.isfinite(factors).all() and (factors > 0).all())


def first_stage(model: Any) -> Any:
    """What sees the raw rows first in a fitted pipeline or vote: a transformer, or the model itself."""
    while not hasattr(model, "backbone_"):
        two = in_two(model)
        if two is not None:
            steps = two[0].steps if isinstance(two[0], Pipeline) else [("only", two[0])]
            steps = [s for _, s in steps if s is not None and s != "passthrough"]
            model = steps[0] if steps else two[1]
        elif isinstance(model, Vote):
            model = model._members[0]
        elif isinstance(model, Pipeline):
            model = model.steps[0][1]
        else:
            break
    return model


class Vote(BaseEstimator):
    """The weighted mean of what several fitted models say.

    It votes with the models as they are given; nothing is fitted. `fit` is there so that a vote can be judged like any
    method, refitted with fewer labels for example: it fits clones of all members and votes with those from then on.

    Parameters
    ----------
    models : sequence of fitted models, default=()
        At least one must be there on use. Transfer methods, `TransferPipeline` or scikit-learn's estimators, all
        classifiers or all regressors, for the same raw rows. Members that share one transformer object transform once.
    weights : sequence of n_models floats in [0, inf), default=None
        How much each counts; any scale, not all 0. None counts all alike.
    names : sequence of n_models str, default=None
        What messages and reports call the members, all different. None numbers them.
    factors : array-like of shape (n_models, n_classes), default=None
        What each classifier's probabilities are multiplied with, in the order of ``classes_``, before they are scaled back to
        sum 1: this moves its class shares. None leaves them.

    Attributes
    ----------
    classes_ : array of shape (n_classes,)
        All classes that any member knows, sorted; only of classifiers. To a class it does not know a member gives 0.
    shares_ : array of shape (n_models,)
        The weights, scaled to sum 1.
    names_ : list of str
    models_ : list of n_models models
        Only after `fit`: the members that were fitted in it.

    Raises
    ------
    ParamError
        On use, naming the parameter that does not fit.

    Notes
    -----
    With shares a_m, p(c | x) = sum_m a_m p_m(c | x), the linear opinion pool; the label is its argmax. A classifier
    without ``predict_proba`` counts as certain of what it predicts. Numbers are averaged alike.

    References
    ----------
    Stone. The Opinion Pool. Annals of Mathematical Statistics 32, 1961.

    Examples
    --------
    >>> import numpy as np
    >>> from transferkit import CORAL, Domain, SourceOnly
    >>> from transferkit.core.vote import Vote
    >>> X, y = np.arange(24.0).reshape(12, 2) % 7, np.arange(12) % 2
    >>> target = Domain(X + 1)
    >>> models = [SourceOnly().fit(X, y, target=target), CORAL().fit(X, y, target=target)]
    >>> vote = Vote(models, [3, 1], ["source_only", "coral"])
    >>> vote.shares_
    array([0.75, 0.25])
    >>> vote.predict_proba(X).shape
    (12, 2)
    """

    _constraints: ClassVar = {
        "models": Fulfils("be a sequence of at least one fitted model with predict", _are_models),
        "weights": Either(Nothing(), Fulfils("be finite numbers >= 0, one a model and not all 0", _are_weights)),
        "names": Either(Nothing(), Fulfils("be different texts, one a model", _are_names)),
        "factors": Either(Nothing(), Fulfils("be a table of finite numbers > 0", _are_factors)),
    }

    def __init__(
        self,
        models: Sequence[Any] = (),
        weights: Any = None,
        names: Sequence[str] | None = None,
        factors: Any = None,
    ) -> None:
        self.models = models
        self.weights = weights
        self.names = names
        self.factors = factors

    def fit(self, X: Any, y: Any = None, *, target: Domain, groups: Any = None) -> Self:
        """Fit a clone of every member; weights and names stay.

        Parameters
        ----------
        X : array-like of shape (n_source, n_features)
            Source rows.
        y : array-like of shape (n_source,)
            Source labels.
        target : Domain
            The target. A member that takes none, such as a plain scikit-learn estimator, learns from the source alone.
        groups : array-like of shape (n_source,), optional
            The source domain of each row.

        Returns
        -------
        self : Vote

        Raises
        ------
        ParamError
            If a member cannot be fitted, or a parameter does not fit.
        """
        self._check("fit")
        if not isinstance(target, Domain):
            raise DomainError(f"Vote.fit: target must be a Domain. Got {type(target).__name__}.")
        for name, model in zip(self.names_, self.models):
            if not EstimatorLike("fit", "get_params").holds(model):
                raise ParamError(
                    f"Vote.fit: models must have fit and get_params. Got {name!r}, {type(model).__name__}, without."
                )
        self.models_ = [
            clone(m).fit(X, y, target=target, groups=groups) if has_fit_parameter(m, "target") else clone(m).fit(X, y)
            for m in self.models
        ]
        return self

    @property
    def shares_(self) -> Array:
        """The weights, scaled to sum 1."""
        weights = np.asarray([1.0] * len(self.models) if self.weights is None else self.weights, dtype=np.float64)
        shares: Array = weights / weights.sum()
        return shares

    @property
    def names_(self) -> list[str]:
        """The members' names."""
        return [str(k) for k in range(len(self.models))] if self.names is None else list(self.names)

    @property
    def classes_(self) -> Array:
        """All classes of all members, sorted."""
        known = [np.asarray(m.classes_) for m in self._members if hasattr(m, "classes_")]
        if not known:
            raise AttributeError("Vote: classes_ is there for classifiers only")
        if len({c.dtype.kind in "OUS" for c in known}) > 1:
            raise ParamError(
                f"Vote: models must have classes of one type. Got {', '.join(sorted({str(c.dtype) for c in known}))}."
            )
        return np.unique(np.concatenate(known))

    def predict(self, X: Any) -> Array:
        """Labels or values for rows of the target.

        Parameters
        ----------
        X : array-like or data frame of shape (n_samples, n_features)
            Rows as the members take them.

        Returns
        -------
        array of shape (n_samples,)

        Raises
        ------
        ParamError
            Naming the parameter that does not fit.
        """
        self._check("predict")
        if _classifies(self):
            labels: Array = self.classes_[self.predict_proba(X).argmax(axis=1)]
            return labels
        return self._mean(np.asarray(model.predict(rows), dtype=np.float64) for model, rows in self._on_rows(X))

    @available_if(_classifies)
    def predict_proba(self, X: Any) -> Array:
        """Class probabilities for rows of the target, of shape (n_samples, n_classes), in the order of ``classes_``."""
        self._check("predict_proba")
        classes = self.classes_
        said = (class_probabilities(model, rows, classes) for model, rows in self._on_rows(X))
        if self.factors is None:
            return self._mean(said)
        factors = np.asarray(self.factors, dtype=np.float64)
        if factors.shape[1] != len(classes):
            raise ParamError(f"Vote.predict_proba: factors must have {len(classes)} columns. Got {factors.shape[1]}.")
        return self._mean(apply_factors(proba, own) for proba, own in zip(said, factors))

    def score(self, X: Any, y: Any, sample_weight: Any = None) -> float:
        """Accuracy (classification) or R^2 (regression) on labelled rows of the target."""
        metric = accuracy_score if _classifies(self) else r2_score
        return float(metric(y, self.predict(X), sample_weight=sample_weight))

    def pruned(self, max_loss: float = 0.01) -> Vote:
        """The same vote without its lightest members.

        Parameters
        ----------
        max_loss : float in [0, 1), default=0.01
            Largest total share of the members that are left out. No probability then moves by more than this, and only
            labels can change whose probability leads the next by less than twice as much.

        Returns
        -------
        Vote
            Of the members that stay, in their order; it shares the fitted models with this one. A refit is kept.

        Raises
        ------
        ParamError
            If `max_loss` is out of range, or a parameter does not fit.
        """
        self._check("pruned")
        rule = Interval(float, 0, 1, closed="left")
        if not rule.holds(max_loss):
            raise ParamError(f"Vote.pruned: max_loss must {rule.text}. Got {max_loss!r}.")
        shares = self.shares_
        lightest = np.argsort(shares, kind="stable")
        dropped = lightest[np.cumsum(shares[lightest]) <= max_loss]
        kept = np.setdiff1d(np.arange(len(shares)), dropped)
        names = self.names_
        factors = None if self.factors is None else np.asarray(self.factors, dtype=np.float64)[kept]
        small = Vote([self.models[k] for k in kept], shares[kept], [names[k] for k in kept], factors)
        if hasattr(self, "models_"):
            small.models_ = [self.models_[k] for k in kept]
        return small

    @property
    def _members(self) -> Sequence[Any]:
        return getattr(self, "models_", self.models)

    def _check(self, method: str) -> None:
        check_params(self, method=method)
        for name, given in (("weights", self.weights), ("names", self.names), ("factors", self.factors)):
            if given is not None and len(given) != len(self.models):
                raise ParamError(f"Vote.{method}: {name} must be one a model ({len(self.models)}). Got {len(given)}.")
        classifies = [hasattr(m, "classes_") for m in self._members]
        if method != "fit" and len(set(classifies)) > 1:
            with_, without = (self.names_[classifies.index(b)] for b in (True, False))
            raise ParamError(
                f"Vote.{method}: models must all be classifiers, with classes_, or all be regressors."
                f" Got {with_!r} with and {without!r} without classes_."
            )
        if method != "fit" and self.factors is not None and not any(classifies):
            raise ParamError(f"Vote.{method}: factors must be None for regressors. Got a table.")

    def _on_rows(self, X: Any) -> Iterator[tuple[Any, Any]]:
        """Members with the rows they take; what several pipelines share in front is done once."""
        moved: dict[int, Any] = {}
        for model in self._members:
            if isinstance(model, TransferPipeline):
                check_is_fitted(model)
                front = model.transformer_
                if id(front) not in moved:
                    moved[id(front)] = front.transform(X)
                yield model.method_, moved[id(front)]
            else:
                yield model, X

    def _mean(self, outputs: Iterator[Array]) -> Array:
        """Summed one by one in the members' order: the same bits every time, and one output in memory."""
        total: Any = 0.0
        for share, output in zip(self.shares_, outputs):
            total = total + share * output
        return np.asarray(total)

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()
        first = self._members[0] if len(self._members) else None
        if hasattr(first, "classes_") or is_classifier(first):
            tags.estimator_type, tags.classifier_tags = "classifier", ClassifierTags()
        elif first is not None and is_regressor(first):
            tags.estimator_type, tags.regressor_tags = "regressor", RegressorTags()
        tags.target_tags.required = True
        return tags


def apply_factors(proba: Array, factors: Array) -> Array:
    """Probabilities of shape (..., n_samples, n_classes) times factors (..., n_classes), scaled back to sum 1."""
    moved = np.clip(proba, 1e-6, None) * factors[..., None, :]
    scaled: Array = moved / moved.sum(axis=-1, keepdims=True)
    return scaled


def class_probabilities(model: Any, X: Any, classes: Array) -> Array:
    """Class probabilities of a fitted model with columns in the order of `classes`.

    Parameters
    ----------
    model : fitted classifier
        Without ``predict_proba`` it counts as certain of what it predicts.
    X : array-like or data frame of shape (n_samples, n_features)
        Rows as the model takes them.
    classes : array of shape (n_classes,)
        Sorted; those that the model does not know get 0.

    Returns
    -------
    array of shape (n_samples, n_classes)

    Raises
    ------
    DomainError
        If the model predicts a class that is not among `classes`.
    """
    if hasattr(model, "predict_proba"):
        proba, own = np.asarray(model.predict_proba(X), dtype=np.float64), np.asarray(model.classes_)
    else:
        own, codes = np.unique(np.asarray(model.predict(X)), return_inverse=True)
        proba = np.eye(len(own))[codes]
    extra = np.setdiff1d(own, classes)
    if len(extra):
        raise DomainError(
            f"{type(model).__name__}: a candidate must predict classes of the source. Got also {extra[:5].tolist()}."
        )
    aligned = np.zeros((len(proba), len(classes)))
    aligned[:, np.searchsorted(classes, own)] = proba
    return aligned
