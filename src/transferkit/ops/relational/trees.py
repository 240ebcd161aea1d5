"""Relational regression trees: the test of each node is the conjunction that splits the gradients best."""

from __future__ import annotations

import heapq
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import islice

import numpy as np

from ...core.clauses import Literal, Node
from ...core.protocols import Array
from .coverage import Grounder, variable_types
from .refinement import Mode, refinements

__all__ = [
    "Growth",
    "Split",
    "best_split",
    "grow_tree",
    "leaf_of",
    "least_errors",
    "refit_tree",
    "squared_errors",
]

Conjunction = tuple[Literal, ...]


@dataclass(frozen=True)
class Growth:
    """How far a tree grows.

    Parameters
    ----------
    max_depth : int
        Tests on the longest way from root to leaf.
    max_tests : int
        Tests in the whole tree; the node with the largest squared error is split first.
    node_size : int
        Literals in one test at most.
    min_leaf : float
        Weight of the examples that pass a test at least; a node that weighs less than twice that stays a leaf.
    min_share : float
        Share of a node's weight that fails a test at least.
    min_variance : float
        A node with a smaller variance stays a leaf; so does one below a quarter of the root's.
    beam : int
        How many of the best shorter tests are extended, and how many of the best that bring a new variable.
    """

    max_depth: int = 3
    max_tests: int = 8
    node_size: int = 2
    min_leaf: float = 3.0
    min_share: float = 0.025
    min_variance: float = 0.0025
    beam: int = 10


@dataclass(frozen=True, eq=False)
class Split:
    """A test with the squared error that it leaves, and the examples that pass."""

    test: Conjunction
    error: float
    passed: Array


def squared_errors(passed: Array, gradients: Array, weights: Array, min_yes: float = 0.0, min_no: float = 0.0) -> Array:
    """Weighted squared error about the two means of each split; inf where a branch is empty or weighs too little.

    Parameters
    ----------
    passed : bool array of shape (n_tests, n)
        Which examples pass each test.
    gradients, weights : arrays of shape (n,)
        What is to be fitted, and the examples' weights.
    min_yes, min_no : float
        Weight of the examples that pass, and of those that fail, at least.

    Returns
    -------
    errors : array of shape (n_tests,)
        ``sum_w g^2 - (sum_yes w g)^2 / sum_yes w - (sum_no w g)^2 / sum_no w``.
    """
    table = np.column_stack([weights, weights * gradients])
    block = max(1, 2**22 // len(weights))  # a product with bools takes a copy of them as floats
    inside = np.concatenate([passed[k : k + block] @ table for k in range(0, len(passed), block)])
    outside = np.array([weights.sum(), (weights * gradients).sum()]) - inside
    some = 1e-12 * weights.sum()
    enough = (inside[:, 0] >= max(min_yes, some)) & (outside[:, 0] >= max(min_no, some))
    explained = np.zeros(len(passed))
    for part in (inside, outside):
        explained += np.divide(part[:, 1] ** 2, part[:, 0], out=np.zeros(len(passed)), where=enough)
    return np.where(enough, (weights * gradients**2).sum() - explained, np.inf)


def least_errors(passed: Array, gradients: Array) -> Array:
    """The least squared error of any split of which `passed` or a part of it is the one side; inf where none passes.

    Of all parts of one size, those with the largest or the least sum explain most: the error is convex in it.

    Parameters
    ----------
    passed : bool array of shape (n_tests, n)
        Which examples pass each test.
    gradients : array of shape (n,)
        What is to be fitted.

    Returns
    -------
    errors : array of shape (n_tests,)
        A bound from below for each test and all its extensions by further literals.
    """
    order = np.argsort(gradients, kind="stable")
    g, n, total = gradients[order], len(gradients), gradients.sum()
    explained = np.full(len(passed), -np.inf)
    for k, mask in enumerate(passed[:, order]):
        inside = g[mask]
        size = np.arange(1, min(len(inside), n - 1) + 1)  # one example at least is on the other side
        for values in (inside, inside[::-1]):
            some = np.cumsum(values)[: len(size)]
            explained[k] = np.max(some**2 / size + (total - some) ** 2 / (n - size), initial=explained[k])
    return (gradients**2).sum() - explained


def best_split(
    grounder: Grounder, path: Conjunction, examples: Array, gradients: Array, weights: Array,
    modes: Sequence[Mode], growth: Growth,
) -> Split | None:  # fmt: skip
    """The test that leaves the least squared error below a path; None where none leaves less than no test.

    All single literals are tried; the best `growth.beam` of them, and the best `growth.beam` of those that bring new
    variables, are extended by one more literal, and so on up to `growth.node_size`. Of equal tests the shorter one wins, then
    the one with the fewest variables that stand only once, then with the fewest new variables, then the first.

    Parameters
    ----------
    grounder : Grounder
        Over all training examples.
    path : tuple of Literal
        What holds for these examples already.
    examples : int array of shape (m,)
        Those that came to the node.
    gradients, weights : arrays of shape (m,)
        Of these examples.
    """
    best: Split | None = None
    least = _total(gradients, weights) * (1 - 1e-9) - 1e-12
    starts: list[Conjunction] = [()]
    for size in range(growth.node_size):
        tests: list[Conjunction] = []
        for start in starts:
            types = variable_types(grounder.facts, grounder.head, path + start)
            found = refinements(grounder.facts, modes, types, grounder.available(path + start))
            tests += [(*start, literal) for literal in found if literal not in path + start]
        if not tests:
            break
        passed = np.array([grounder.covered(path + test)[examples] for test in tests])
        errors = squared_errors(passed, gradients, weights, growth.min_leaf, growth.min_share * weights.sum())
        rounded = np.round(errors, 9)
        equal = np.flatnonzero(rounded == rounded.min())
        k = min(equal, key=lambda i: _loose_variables(path + tests[i], len(grounder.head)))
        if errors[k] < least:
            best, least = Split(tests[k], float(errors[k]), passed[k]), float(errors[k]) - 1e-9
        if size + 1 < growth.node_size:
            # A test that all pass splits nothing by itself, and is no worse a start for it.
            rank = np.where(np.isfinite(errors), errors, _total(gradients, weights))
            order = [i for i in np.argsort(np.round(rank, 9), kind="stable") if passed[i].any()]
            linked = islice((i for i in order if _brings_variables(grounder, path, tests[i])), growth.beam)
            starts = [tests[i] for i in dict.fromkeys([*order[: growth.beam], *linked])]
    return best


def _total(gradients: Array, weights: Array) -> float:
    """Weighted squared error about the mean."""
    mean = np.average(gradients, weights=weights)
    return float((weights * (gradients - mean) ** 2).sum())


def _loose_variables(conjunction: Conjunction, arity: int) -> tuple[int, int]:
    """Variables beyond the atom's own: how many stand only once, and how many there are."""
    counts = Counter(v for literal in conjunction for v in literal.variables if v >= arity)
    return sum(count == 1 for count in counts.values()), len(counts)


def _brings_variables(grounder: Grounder, path: Conjunction, test: Conjunction) -> bool:
    """Whether the last literal of a test has new variables that a further one may use."""
    known = set(range(len(grounder.head))).union(*(literal.variables for literal in path + test[:-1]))
    new = set(test[-1].variables) - known
    return bool(new & set(grounder.available(path + test))) if new else False


def grow_tree(
    grounder: Grounder, examples: Array, gradients: Array, weights: Array, modes: Sequence[Mode], growth: Growth,
    path: Conjunction = (),
) -> Node:  # fmt: skip
    """A relational regression tree, grown best node first.

    Parameters
    ----------
    grounder : Grounder
        Over all training examples.
    examples : int array of shape (m,)
        Which of them to learn from.
    gradients, weights : arrays of shape (grounder.n,)
        What is to be fitted, and the weights.
    modes : sequence of Mode
        Literals that may be used.
    growth : Growth
        Where to stop.
    path : tuple of Literal
        What holds for these examples already: literals of a tree of which this becomes a leaf's subtree.

    Returns
    -------
    tree : Node
    """
    nodes: dict[str, tuple[Conjunction, Array]] = {"": (path, examples)}  # by the way there, "y" and "n"
    tests: dict[str, Conjunction] = {}
    stop = min(growth.min_variance, 0.25 * _variance(gradients[examples], weights[examples]))
    queue = [(0.0, "")]
    while queue and len(tests) < growth.max_tests:
        way = heapq.heappop(queue)[1]
        above, rows = nodes[way]
        g, w = gradients[rows], weights[rows]
        if len(way) >= growth.max_depth or _variance(g, w) <= stop or w.sum() < 2 * growth.min_leaf:
            continue
        split = best_split(grounder, above, rows, g, w, modes, growth)
        if split is None:
            continue
        tests[way] = split.test
        for step, passed, conjunction in (("y", split.passed, above + split.test), ("n", ~split.passed, above)):
            nodes[way + step] = conjunction, rows[passed]
            error = _total(gradients[rows[passed]], weights[rows[passed]])
            heapq.heappush(queue, (-round(error, 9), way + step))
    return _assemble("", nodes, tests, gradients, weights)


def _variance(gradients: Array, weights: Array) -> float:
    return _total(gradients, weights) / float(weights.sum()) if len(gradients) else 0.0


def _assemble(
    way: str, nodes: dict[str, tuple[Conjunction, Array]], tests: dict[str, Conjunction], g: Array, w: Array
) -> Node:
    rows = nodes[way][1]
    leaf = _leaf(g[rows], w[rows])
    if way not in tests:
        return leaf
    yes, no = (_assemble(way + step, nodes, tests, g, w) for step in "yn")
    return replace(leaf, test=tests[way], yes=yes, no=no)


def _leaf(gradients: Array, weights: Array) -> Node:
    total = float(weights.sum())
    return Node(float(np.average(gradients, weights=weights)) if total > 0 else 0.0, total)


def leaf_of(grounder: Grounder, node: Node, path: Conjunction = ()) -> Array:
    """Array of shape (n,): the number of the leaf that each example comes to, in the order of `core.clauses.leaves`."""
    if node.yes is None or node.no is None:
        return np.zeros(grounder.n, dtype=np.int64)
    yes = leaf_of(grounder, node.yes, path + node.test)
    no = leaf_of(grounder, node.no, path)
    return np.where(grounder.covered(path + node.test), yes, no + _n_leaves(node.yes))


def _n_leaves(node: Node) -> int:
    return 1 if node.yes is None or node.no is None else _n_leaves(node.yes) + _n_leaves(node.no)


def refit_tree(
    grounder: Grounder, node: Node, examples: Array, gradients: Array, weights: Array, path: Conjunction = ()
) -> Node:
    """The same tests with the values of other examples; a branch that none of them takes gets the mean above it.

    Parameters
    ----------
    grounder : Grounder
        Over all examples.
    node : Node
        The tree.
    examples : int array of shape (m,)
        Which of them to learn from.
    gradients, weights : arrays of shape (grounder.n,)
        As in `grow_tree`.
    """
    leaf = _leaf(gradients[examples], weights[examples])
    return _refit(grounder, node, examples, gradients, weights, path, leaf.value)


def _refit(
    grounder: Grounder, node: Node, examples: Array, g: Array, w: Array, path: Conjunction, above: float
) -> Node:
    leaf = _leaf(g[examples], w[examples]) if len(examples) else Node(above)
    if node.yes is None or node.no is None:
        return leaf
    passed = grounder.covered(path + node.test)[examples]
    yes = _refit(grounder, node.yes, examples[passed], g, w, path + node.test, leaf.value)
    no = _refit(grounder, node.no, examples[~passed], g, w, path, leaf.value)
    return replace(leaf, test=node.test, yes=yes, no=no)
