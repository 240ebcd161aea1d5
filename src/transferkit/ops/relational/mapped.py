"""The shape of a method that carries boosted trees over to predicates of another domain."""

from __future__ import annotations

import warnings
from abc import abstractmethod
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import numpy as np
from sklearn.utils import check_random_state

from ...core.clauses import Node, predicates_of
from ...core.constraints import Either, Fulfils, Interval, Nothing, Rule
from ...core.errors import DomainError, TransferWarning
from ...core.predicate_map import Match, PredicateMap
from ...core.protocols import Array
from ...core.relational import Predicate, RelationalRows
from .boosting import boost
from .carrying import Boosting, Carrier, carry_model
from .mapping import Search, read_map
from .refinement import Mode, default_modes, parse_modes
from .transfer import BOOSTING, RelationalData, RelationalTransfer
from .trees import grow_tree

__all__ = ["MAPPED", "MappedTransfer"]


def _is_map(value: Any) -> bool:
    return isinstance(value, dict) and all(type(k) is str and (v is None or type(v) is str) for k, v in value.items())


_LAST = ("max_groundings", "random_state")
# What every method that carries trees over has as constructor parameters.
MAPPED: Mapping[str, Rule] = {
    "mapping": Either(Nothing(), Fulfils("be a dict of texts to texts or None", _is_map)),
    "n_revisions": Interval(int, 0),
    **{name: rule for name, rule in BOOSTING.items() if name not in _LAST},
    "source_modes": BOOSTING["modes"],
    **{name: BOOSTING[name] for name in _LAST},
}


class MappedTransfer(RelationalTransfer):
    """A method that learns trees in the source and writes them in the target's predicates.

    A subclass writes ``_plan`` and has the constructor parameters of `MAPPED`.
    """

    _constraints: ClassVar[Mapping[str, Rule]] = MAPPED
    _maps_without_labels: ClassVar[bool] = False

    mapping: Mapping[str, str | None] | None
    n_revisions: int
    map_: PredicateMap

    @abstractmethod
    def _plan(
        self,
        start: PredicateMap,
        names: Sequence[str],
        source: Mapping[str, Predicate],
        target: Mapping[str, Predicate],
    ) -> tuple[PredicateMap, Search | None]:
        """Further matches for the predicates `names` of the source's trees, and what is searched for on target data."""

    def _fit_trees(self, data: RelationalData) -> list[Node]:
        here = f"{type(self).__name__}.fit"
        labelled = len(data.yt) > 0
        if not labelled and not self._maps_without_labels:
            raise DomainError(f"{here}: target must have known labels: the predicates are matched by them. Got none.")
        if len(np.unique(data.ys)) < 2:
            raise DomainError(f"{here}: y must hold true and false atoms. Got {bool(data.ys[0])} only.")
        if data.Xs.predicate.arity != data.Xt.predicate.arity:
            raise DomainError(
                f"{here}: X and target.X must hold atoms of equally many arguments. Got {data.Xs.predicate} and"
                f" {data.Xt.predicate}."
            )
        for name in [n for n in vars(self) if n.endswith("_")]:
            delattr(self, name)  # of an earlier fit, which may have found what this one does not
        self.source_trees_ = self._learned(data.Xs, data.ys, self._source_modes(data.Xs))
        modes = self._modes(data.Xt)
        usable = {mode.predicate for mode in modes}
        target = {name: p for name, p in data.Xt.facts.schema.items() if name in usable}
        places = tuple(range(data.Xs.predicate.arity))
        start = PredicateMap({}, {}).extended(Match(data.Xs.predicate, data.Xt.predicate, places))
        self.n_revised_, self.uses_, self.transferred_ = 0, {}, False
        trees: list[Node] = []
        if start is not None:
            source = data.Xs.facts.schema
            head = data.Xt.predicate
            start = read_map(self.mapping or {}, start, source, {**target, head.name: head}, here)
            used = sorted(set().union(*map(predicates_of, self.source_trees_)) - start.matches.keys())
            planned, search = self._plan(start, used, source, target)
            grounder = self._grounder(data.Xt_known if labelled else data.Xt)
            carrier = Carrier(grounder, source, target, planned, search)
            if labelled:
                trees, self.n_revised_ = carry_model(
                    self.source_trees_, carrier, data.yt, modes, self._growth(), self._boosting(), self.n_revisions
                )
            else:
                trees = [carrier.rewrite(tree) for tree in self.source_trees_]
            self.map_, self.uses_ = carrier.map, carrier.uses
            self.transferred_ = bool(carrier.uses)
        if not self.transferred_:
            trees = self._nothing_found(data, start, modes)
        return trees

    def _nothing_found(self, data: RelationalData, start: PredicateMap | None, modes: Sequence[Mode]) -> list[Node]:
        here = f"{type(self).__name__}.fit"
        why = (
            "the types of the two relations do not agree"
            if start is None
            else "no test of the source has a counterpart"
        )
        if not len(data.yt):
            raise DomainError(f"{here}: target must share structure with the source, or have known labels: {why}.")
        warnings.warn(
            f"{here}: nothing was carried over from {data.Xs.predicate} to {data.Xt.predicate} ({why}); the model is learned"
            " from the target's labels alone.",
            TransferWarning,
            stacklevel=4,
        )
        self.n_revised_ = 0
        if start is None:
            self.map_ = PredicateMap({}, {})
        return self._learned(data.Xt_known, data.yt, modes)

    def _learned(self, rows: RelationalRows, y: Array, modes: Sequence[Mode]) -> list[Node]:
        grounder, growth, weights = self._grounder(rows), self._growth(), np.ones(len(rows))

        def make_tree(k: int, examples: Array, gradients: Array) -> Node:
            return grow_tree(grounder, examples, gradients, weights, modes, growth)

        return boost(
            grounder, y, make_tree, n_trees=self.n_trees, prior=self.prior, negative_ratio=self.negative_ratio,
            rng=check_random_state(self.random_state),
        )  # fmt: skip

    def _boosting(self) -> Boosting:
        return Boosting(self.n_trees, self.prior, self.negative_ratio, self.random_state)

    def _source_modes(self, rows: RelationalRows) -> list[Mode]:
        name = rows.predicate.name
        if self.source_modes is None:
            return default_modes(rows.facts.schema, {name})
        what = f"{type(self).__name__}.fit: source_modes"
        return [mode for mode in parse_modes(self.source_modes, rows.facts.schema, what) if mode.predicate != name]

    @property
    def mapping_(self) -> list[str]:
        """The map that was found, one line a predicate, as in ``advisedby(person, person) <- workedunder(person, person)``."""
        return self.map_.describe()

    @property
    def facts_(self) -> dict[str, Any]:
        """What a report says and draws of the map: ``matches`` (source, target, uses), ``transferred``, ``revised``."""
        matches = [
            {
                "source": str(m.source),
                "target": None if m.target is None else str(m.target),
                "uses": self.uses_.get(name, 0),
            }
            for name, m in self.map_.matches.items()
        ]
        return {"matches": matches, "transferred": self.transferred_, "revised": self.n_revised_}

    def describe(self) -> str:
        """The model as text: the map of predicates, what became of it, the prior and every tree.

        Returns
        -------
        text : str
        """
        said = "learned from the target alone: nothing was carried over"
        if self.transferred_:
            said = f"trees carried over; {self.n_revised_} of at most {self.n_revisions} revisions kept"
        lines = [f"  {match['uses']:4d}  {line}" for match, line in zip(self.facts_["matches"], self.mapping_)]
        return "\n".join(["literals carried over, target <- source:", *lines, said, super().describe()])
