"""A boosted model of one domain carried over to another: its trees node by node, then revised where that helps."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from scipy.special import expit
from sklearn.utils import check_random_state

from ...core.clauses import Literal, Node
from ...core.predicate_map import PredicateMap
from ...core.protocols import Array
from ...core.relational import Predicate
from .boosting import boost, log_odds
from .coverage import Grounder
from .mapping import Search, best_map, promote
from .refinement import Mode
from .revision import count_tests, expand_tree, prune_tree
from .scores import conditional_log_likelihood
from .trees import Growth, least_errors, refit_tree, squared_errors

__all__ = ["Boosting", "Carrier", "carry_model"]

Conjunction = tuple[Literal, ...]


@dataclass(eq=False)
class Carrier:
    """Carries trees over, one after the other; a predicate's match is found at the first node that needs it, and then kept.

    Parameters
    ----------
    grounder : Grounder
        Over the target's examples.
    source, target : mapping of str to Predicate
        The schemas; of the target's, the predicates that may be used.
    map : PredicateMap
        What is settled. It grows.
    search : Search or None
        Which matches are looked at; None looks for none, and drops what `map` does not hold.
    uses : dict of str to int
        Literals that were carried over, by predicate of the source. It grows.
    """

    grounder: Grounder
    source: Mapping[str, Predicate]
    target: Mapping[str, Predicate]
    map: PredicateMap
    search: Search | None
    uses: dict[str, int] = field(default_factory=dict)

    def carry(self, tree: Node, examples: Array, gradients: Array) -> Node:
        """The tree in the target's words, with the values that the gradients of some examples give it."""
        carried = self._walk(tree, (), examples, gradients)
        return refit_tree(self.grounder, carried, examples, gradients, np.ones(self.grounder.n))

    def rewrite(self, tree: Node) -> Node:
        """The tree in the target's words by the map as it is, with the source's values."""
        if tree.yes is None or tree.no is None:
            return tree
        test = self.map.test(tree.test)
        if not test:
            return self.rewrite(promote(tree))
        self._count(tree.test)
        return replace(tree, test=test, yes=self.rewrite(tree.yes), no=self.rewrite(tree.no))

    def _count(self, test: Conjunction) -> None:
        for literal in test:
            if self.map.literal(literal) is not None:
                self.uses[literal.predicate] = self.uses.get(literal.predicate, 0) + 1

    def _walk(self, node: Node, path: Conjunction, examples: Array, gradients: Array) -> Node:
        if node.yes is None or node.no is None:
            return Node(0.0)
        self._settle(node.test, path, examples, gradients)
        test = self.map.test(node.test)
        if not test:
            return self._walk(promote(node), path, examples, gradients)
        self._count(node.test)
        passed = self.grounder.covered(path + test)[examples]
        yes = self._walk(node.yes, path + test, examples[passed], gradients)
        no = self._walk(node.no, path, examples[~passed], gradients)
        return Node(0.0, 0.0, test, yes, no)

    def _settle(self, test: Conjunction, path: Conjunction, examples: Array, gradients: Array) -> None:
        """Find matches for the predicates of a test: of all legal ones those whose test leaves the least squared error.

        One example on either side is enough: only names are searched, not a structure. Where no legal match splits the
        examples here, nothing is settled, and a later node decides.
        """
        carried = [one.predicate for one in test if len(one.variables) == len(one.args)]
        new = [name for name in dict.fromkeys(carried) if name not in self.map.matches]
        if self.search is None or not new or not len(examples):
            return

        def judge(maps: Sequence[PredicateMap]) -> tuple[Array, Array]:
            passed = np.array([self.grounder.covered(path + found.test(test))[examples] for found in maps])
            g = gradients[examples]
            return squared_errors(passed, g, np.ones(len(examples))), least_errors(passed, g)

        self.map = best_map(self.map, new, self.source, self.target, self.search, judge) or self.map


@dataclass(frozen=True)
class Boosting:
    """How trees are boosted; as `transferkit.ops.relational.boosting.boost`. `seed` starts a generator for each model."""

    n_trees: int
    prior: float
    negative_ratio: float | None
    seed: int | np.random.RandomState | None


def carry_model(
    trees: Sequence[Node],
    carrier: Carrier,
    y: Array,
    modes: Sequence[Mode],
    growth: Growth,
    boosting: Boosting,
    n_revisions: int,
) -> tuple[list[Node], int]:
    """Trees of a source in the target's words, with values fitted to the target, and revised as long as that helps.

    Parameters
    ----------
    trees : sequence of Node
        The source's, as many as are boosted.
    carrier : Carrier
        Over the target's labelled examples; it is left with the map that was found.
    y : bool array of shape (n,)
        Their labels.
    modes, growth
        For the subtrees that a revision adds.
    boosting : Boosting
        How values are fitted.
    n_revisions : int
        Revisions at most. Each prunes and expands all trees at once, and stays where the conditional log likelihood of all
        labelled examples is then higher; the first that does not help is the last.

    Returns
    -------
    trees : list of Node
    n_revised : int
        Revisions that stayed.
    """
    grounder = carrier.grounder
    pruned: list[Node] = []

    def carried(k: int, examples: Array, gradients: Array) -> Node:
        tree = carrier.carry(trees[k], examples, gradients)
        pruned.append(prune_tree(grounder, tree, examples, gradients, growth.min_variance))
        return tree

    def revised(k: int, examples: Array, gradients: Array) -> Node:
        tree = expand_tree(grounder, starts[k], examples, gradients, modes, growth)
        pruned.append(prune_tree(grounder, tree, examples, gradients, growth.min_variance))
        return tree

    def model(make_tree: Callable[[int, Array, Array], Node]) -> tuple[list[Node], float]:
        found = boost(
            grounder, y, make_tree, n_trees=boosting.n_trees, prior=boosting.prior,
            negative_ratio=boosting.negative_ratio, rng=check_random_state(boosting.seed),
        )  # fmt: skip
        return found, conditional_log_likelihood(y, expit(log_odds(grounder, found, boosting.prior)))

    best, likelihood = model(carried)
    for revision in range(n_revisions):
        # Where pruning leaves nothing at all, the trees are expanded as they are.
        starts, pruned = (pruned if any(map(count_tests, pruned)) else list(best)), []
        found, reached = model(revised)
        if reached <= likelihood:
            return best, revision
        best, likelihood = found, reached
    return best, n_revisions
