"""For every check of methods over facts, one that must fail it; each differs from a good one in one thing."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np
from sklearn.utils import check_random_state

from transferkit.core.clauses import Node
from transferkit.core.constraints import Interval, RandomState
from transferkit.ops.relational.boosting import boost
from transferkit.ops.relational.refinement import default_modes
from transferkit.ops.relational.transfer import RelationalTransfer
from transferkit.ops.relational.trees import Growth, grow_tree


class GoodRelations(RelationalTransfer):
    """Three boosted trees from the target's known labels, or from the source where there are none.

    Parameters
    ----------
    prior : float, default=0.0
        Log-odds before the first tree.
    max_groundings : int in [1, inf), default=1000
        Bound on memory.
    random_state : int, RandomState or None, default=None
        Draws the false examples.

    Attributes
    ----------
    trees_ : list of Node
        The trees.
    predicate_, schema_, classes_, n_features_in_ : object
        What is predicted, from what.

    Notes
    -----
    As plain as a good method can be.

    References
    ----------
    None but the common checks themselves.

    Examples
    --------
    >>> GoodRelations(prior=0.5).prior
    0.5
    """

    _constraints: ClassVar = {
        "prior": Interval(float),
        "max_groundings": Interval(int, 1),
        "random_state": RandomState(),
    }

    def __init__(self, prior: float = 0.0, max_groundings: int = 1000, random_state: Any = None) -> None:
        self.prior = prior
        self.max_groundings = max_groundings
        self.random_state = random_state

    def _fit_trees(self, data: Any) -> list[Node]:
        rows, y = (data.Xt_known, data.yt) if len(data.yt) else (data.Xs, data.ys)
        return self._boost(rows, y, check_random_state(self.random_state))

    def _boost(self, rows: Any, y: Any, rng: Any) -> list[Node]:
        grounder, w = self._grounder(rows), np.ones(len(rows))
        modes = default_modes(rows.facts.schema, {rows.predicate.name})
        return boost(
            grounder, y, lambda k, r, g: grow_tree(grounder, r, g, w, modes, Growth()), n_trees=3, prior=self.prior,
            negative_ratio=1.5, rng=rng,
        )  # fmt: skip


class LearnsNoRule(GoodRelations):
    def _fit_trees(self, data):
        return [Node(0.1)]


class DrawsGlobally(GoodRelations):
    def _fit_trees(self, data):
        return self._boost(data.Xt_known, data.yt, check_random_state(None))


class KeepsAFunction(GoodRelations):
    def _fit_trees(self, data):
        self._ask = lambda x: x
        return super()._fit_trees(data)


class ReadsHiddenTruth(GoodRelations):
    def fit(self, X, y=None, *, target, groups=None):
        """Peeks."""
        super().fit(X, y, target=target, groups=groups)
        self.trees_ = [*self.trees_, Node(0.0 if target.y is None else float(np.mean(target.y)))]
        return self


class CountsNumbers(GoodRelations):
    def decision_function(self, X):
        """Takes the number of a constant for a quantity."""
        return super().decision_function(X) + 1e-3 * X.args[:, 0]


class TakesAnyGroups(GoodRelations):
    def fit(self, X, y=None, *, target, groups=None):
        """Looks at no group."""
        return super().fit(X, y, target=target)


GOOD = {"Relations": GoodRelations}
BAD = [
    ("Relations", "check_finds_the_rule", LearnsNoRule, "must find the rule"),
    ("Relations", "check_relational_repeatable", DrawsGlobally, "generator was used"),
    ("Relations", "check_relational_round_trip", KeepsAFunction, "store.save"),
    ("Relations", "check_no_leak", ReadsHiddenTruth, "hidden labels were used"),
    ("Relations", "check_order_and_names", CountsNumbers, "names or order were used"),
    ("Relations", "check_relational_errors", TakesAnyGroups, "DID NOT RAISE"),
]
