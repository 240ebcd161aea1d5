"""The shape of a method that learns trees over facts: its input checked, prediction, and the trees as text."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Self

import numpy as np
from scipy.special import expit
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.utils.validation import check_is_fitted

from ...core.clauses import Node, describe_tree, predicates_of, tree_rules
from ...core.constraints import Either, Fulfils, Interval, Nothing, RandomState, Rule, check_params
from ...core.errors import DomainError, ParamError
from ...core.protocols import Array, Domain
from ...core.relational import Predicate, RelationalRows
from .boosting import log_odds
from .coverage import Grounder
from .explanation import explain_atom
from .refinement import Mode, default_modes, parse_modes
from .trees import Growth

__all__ = ["BOOSTING", "RelationalData", "RelationalTransfer", "check_relational"]

# What every method of boosted relational trees has as constructor parameters.
BOOSTING: Mapping[str, Rule] = {
    "n_trees": Interval(int, 1),
    "max_depth": Interval(int, 1),
    "node_size": Interval(int, 1),
    "max_tests": Interval(int, 1),
    "min_leaf": Interval(float, 0),
    "negative_ratio": Either(Nothing(), Interval(float, 0, closed="neither")),
    "prior": Interval(float),
    "modes": Either(
        Nothing(),
        Fulfils("be a list of texts", lambda v: isinstance(v, (list, tuple)) and all(type(m) is str for m in v)),
    ),
    "max_groundings": Interval(int, 1),
    "random_state": RandomState(),
}


@dataclass(frozen=True, eq=False)
class RelationalData:
    """Checked input of one fit.

    Attributes
    ----------
    Xs : RelationalRows of length n_source
        Source atoms, over the source's facts.
    ys : bool array of shape (n_source,)
        Which of them are true.
    Xt : RelationalRows of length n_target
        Target atoms, over the target's facts.
    known : bool array of shape (n_target,)
        Atoms of the target whose truth may be used.
    yt : bool array of shape (known.sum(),)
        Exactly those.
    """

    Xs: RelationalRows
    ys: Array
    Xt: RelationalRows
    known: Array
    yt: Array

    @property
    def Xt_known(self) -> RelationalRows:
        """Target atoms whose truth may be used."""
        return self.Xt[self.known]


def check_relational(est: Any, X: Any, y: Any, target: Any, groups: Any = None) -> RelationalData:
    """Check parameters, source and target of one fit.

    Raises
    ------
    ParamError
        A parameter is out of its range.
    DomainError
        The source or the target cannot be used; the message names which.
    """
    check_params(est)
    here = f"{type(est).__name__}.fit"
    if not isinstance(target, Domain):
        raise DomainError(f"{here}: target must be a Domain, as in target=Domain(rows). Got {type(target).__name__}.")
    for name, rows in (("X", X), ("target.X", target.X)):
        if not isinstance(rows, RelationalRows):
            raise DomainError(f"{here}: {name} must be RelationalRows: atoms over facts. Got {type(rows).__name__}.")
        if not len(rows):
            raise DomainError(f"{here}: {name} must hold atoms. Got none.")
    if y is None:
        raise DomainError(f"{here}: y must say which source atoms are true. Got None.")
    ys = _truth(f"{here}: y", y, len(X))
    known = target.mask
    yt = _truth(f"{here}: target.y", target.known_y, int(known.sum())) if known.any() else np.zeros(0, dtype=bool)
    if known.any() and len(np.unique(yt)) < 2:
        raise DomainError(f"{here}: target must have known labels of both kinds, or none. Got {bool(yt[0])} only.")
    if groups is not None and np.shape(groups) != (len(X),):
        raise DomainError(f"{here}: groups must have one value a row of X ({len(X)}). Got shape {np.shape(groups)}.")
    return RelationalData(X, ys, target.X, known, yt)


def _truth(what: str, values: Any, n: int) -> Array:
    truth = np.asarray(values)
    if truth.dtype == object and all(isinstance(v, (bool, np.bool_)) for v in truth.ravel()):
        truth = truth.astype(bool)  # the known ones of labels that are None elsewhere
    if truth.dtype != bool or truth.shape != (n,):
        raise DomainError(f"{what} must be a bool array of shape ({n},). Got dtype {truth.dtype}, shape {truth.shape}.")
    return truth


class RelationalTransfer(ClassifierMixin, BaseEstimator, ABC):
    """A method whose model is ``sigmoid(prior + sum of the trees)`` for atoms of the target's predicate.

    A subclass writes ``_fit_trees`` and has the constructor parameters of `BOOSTING`.
    """

    _constraints: ClassVar[Mapping[str, Rule]] = BOOSTING
    _test_params: ClassVar[Mapping[str, Any]] = {}
    _known_failures: ClassVar[Mapping[str, str]] = {}

    trees_: list[Node]
    predicate_: Predicate

    @abstractmethod
    def _fit_trees(self, data: RelationalData) -> list[Node]:
        """Learn the trees; set further fitted attributes."""

    def fit(self, X: RelationalRows, y: Any = None, *, target: Domain, groups: Any = None) -> Self:
        """Fit on atoms of a source and of a target.

        Parameters
        ----------
        X : RelationalRows of length n_source
            Source atoms.
        y : bool array of shape (n_source,)
            Which of them are true.
        target : Domain
            Target atoms over the target's facts; labels that are known are used, all others are never read.
        groups : array-like of shape (n_source,), optional
            The source domain of each row, where several were pooled; not used.

        Returns
        -------
        self : object
            The fitted method.

        Raises
        ------
        DomainError, ParamError
            Naming the argument that cannot be used.
        """
        data = check_relational(self, X, y, target, groups)
        self.trees_ = self._fit_trees(data)
        self.predicate_ = data.Xt.predicate
        self.classes_ = np.array([False, True])
        self.n_features_in_ = self.predicate_.arity
        used = sorted(set().union(*(predicates_of(tree) for tree in self.trees_)))
        self.schema_ = {name: data.Xt.facts.schema[name] for name in used}
        return self

    def decision_function(self, X: RelationalRows) -> Array:
        """Log-odds of each atom being true, of shape (n_samples,), from the facts that `X` brings with it.

        Parameters
        ----------
        X : RelationalRows of length n_samples
            Atoms of the target's predicate, over the facts of the fit or over others with the same predicates.

        Returns
        -------
        log_odds : array of shape (n_samples,)
        """
        self._check_rows(X, "predict")
        return log_odds(Grounder(X, self.max_groundings), self.trees_, self.prior)

    def _check_rows(self, X: RelationalRows, method: str) -> None:
        check_is_fitted(self)
        here = f"{type(self).__name__}.{method}"
        if not isinstance(X, RelationalRows):
            raise DomainError(f"{here}: X must be RelationalRows: atoms over facts. Got {type(X).__name__}.")
        if X.predicate != self.predicate_:
            raise DomainError(f"{here}: X must hold atoms of {self.predicate_}. Got {X.predicate}.")
        for name, predicate in self.schema_.items():
            if X.facts.schema.get(name) != predicate:
                raise DomainError(f"{here}: the facts of X must have {predicate}. Got {X.facts.schema.get(name)}.")

    def predict_proba(self, X: RelationalRows) -> Array:
        """Probabilities of false and true, of shape (n_samples, 2).

        Parameters
        ----------
        X : RelationalRows of length n_samples
            Atoms of the target's predicate.

        Returns
        -------
        probabilities : array of shape (n_samples, 2)
        """
        true = expit(self.decision_function(X))
        return np.column_stack([1 - true, true])

    def predict(self, X: RelationalRows) -> Array:
        """Which atoms are more probably true than not.

        Parameters
        ----------
        X : RelationalRows of length n_samples
            Atoms of the target's predicate.

        Returns
        -------
        y : bool array of shape (n_samples,)
        """
        return self.decision_function(X) > 0

    def explain(self, X: RelationalRows) -> list[str]:
        """Why each atom is predicted as it is: the log-odds in parts, with the facts that each part rests on.

        A part says what holds and what does not, with the atom's own constants; ``[C = ...]`` is one constant for which
        it holds, of maybe many; ``not (p(C'))`` says that there is none. All parts add up to the log-odds.

        Parameters
        ----------
        X : RelationalRows of length n_samples
            Atoms of the target's predicate, as for `predict`.

        Returns
        -------
        texts : list of str
            One for each atom.
        """
        self._check_rows(X, "explain")
        grounder = Grounder(X, self.max_groundings)
        return [explain_atom(grounder, k, X.predicate.name, self.trees_, self.prior) for k in range(len(X))]

    @property
    def rules_(self) -> list[list[str]]:
        """For each tree its rules in order; of them the first that fits an atom gives the value."""
        check_is_fitted(self)
        return [tree_rules(self.predicate_.name, self.predicate_.arity, tree) for tree in self.trees_]

    def describe(self) -> str:
        """The model as text: the prior and every tree, with A, B, ... for the arguments of the atom and further constants.

        Returns
        -------
        text : str
        """
        check_is_fitted(self)
        head = f"log-odds of {self.predicate_} = {self.prior:g} + the sum of {len(self.trees_)} trees"
        return "\n".join([head, *(f"tree {k}:\n{describe_tree(t, '  ')}" for k, t in enumerate(self.trees_, 1))])

    def _growth(self) -> Growth:
        return Growth(self.max_depth, self.max_tests, self.node_size, self.min_leaf)

    def _modes(self, rows: RelationalRows) -> list[Mode]:
        """The modes that were asked for, or all; never one of the predicate that is learned."""
        here, own = f"{type(self).__name__}.fit", rows.predicate
        if self.modes is not None:
            found = [m for m in parse_modes(self.modes, rows.facts.schema, f"{here}: modes") if m.predicate != own.name]
            if not found:
                raise ParamError(f"{here}: modes must allow a predicate other than {own.name}. Got {list(self.modes)}.")
            return found
        if not set(rows.facts.schema) - {own.name}:
            raise DomainError(f"{here}: the facts must have a predicate other than {own}. Got none.")
        return default_modes(rows.facts.schema, {own.name})

    def _grounder(self, rows: RelationalRows) -> Grounder:
        return Grounder(rows, self.max_groundings)
