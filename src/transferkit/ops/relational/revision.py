"""Revision of trees: pruned where a test does not help, grown where a leaf is not good yet."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np

from ...core.clauses import Literal, Node
from ...core.protocols import Array
from .coverage import Grounder
from .refinement import Mode
from .trees import Growth, grow_tree, refit_tree

__all__ = ["count_tests", "expand_tree", "prune_tree"]

Conjunction = tuple[Literal, ...]


def count_tests(node: Node) -> int:
    """Number of tests in a tree."""
    return 0 if node.yes is None or node.no is None else 1 + count_tests(node.yes) + count_tests(node.no)


def prune_tree(
    grounder: Grounder, node: Node, examples: Array, gradients: Array, threshold: float, path: Conjunction = ()
) -> Node:
    """The tree without the tests that do not help, from the leaves up.

    A test that all examples pass, or none, gives way to the branch that they take. One whose branches are leaves in both of
    which the gradients vary by `threshold` or more becomes a leaf.

    Parameters
    ----------
    grounder : Grounder
        Over all examples.
    node : Node
        The tree.
    examples : int array of shape (m,)
        Which of them come here.
    gradients : array of shape (grounder.n,)
        What the tree is to fit.
    threshold : float
        Variance below which a leaf is good.
    path : tuple of Literal
        What holds for these examples already.
    """
    if node.yes is None or node.no is None:
        return node
    passed = grounder.covered(path + node.test)[examples]
    yes = prune_tree(grounder, node.yes, examples[passed], gradients, threshold, path + node.test)
    no = prune_tree(grounder, node.no, examples[~passed], gradients, threshold, path)
    if not passed.any():
        return no
    if passed.all():
        return yes
    if yes.is_leaf and no.is_leaf:
        variances = [float(np.var(gradients[part])) for part in (examples[passed], examples[~passed])]
        if min(variances) >= threshold:
            return Node(node.value, node.weight)
    return replace(node, yes=yes, no=no)


def expand_tree(
    grounder: Grounder, node: Node, examples: Array, gradients: Array, modes: Sequence[Mode], growth: Growth
) -> Node:
    """The tree with a learned subtree wherever a leaf is not good yet, and all values fitted again.

    A leaf at the largest depth may still get one test. The leaf with the largest squared error is taken first, as long as
    the tree has fewer than ``growth.max_tests`` tests.

    Parameters
    ----------
    grounder : Grounder
        Over all examples.
    node : Node
        The tree.
    examples : int array of shape (m,)
        Which of them to learn from.
    gradients : array of shape (grounder.n,)
        What the tree is to fit.
    modes : sequence of Mode
        Literals that may be used.
    growth : Growth
        How far the whole tree grows.
    """
    weights = np.ones(grounder.n)
    ends = sorted(_ends(grounder, node, examples, (), ""), key=lambda end: -_spread(gradients[end[2]]))
    room = growth.max_tests - count_tests(node)
    grown: dict[str, Node] = {}
    for way, path, rows in ends:
        if room <= 0:
            break
        limits = replace(growth, max_depth=max(1, growth.max_depth - len(way)), max_tests=room)
        grown[way] = grow_tree(grounder, rows, gradients, weights, modes, limits, path)
        room -= count_tests(grown[way])
    whole = _replaced(node, "", lambda way, leaf: grown.get(way, leaf))
    return refit_tree(grounder, whole, examples, gradients, weights)


def _spread(gradients: Array) -> float:
    return float(np.round(((gradients - gradients.mean()) ** 2).sum(), 9)) if len(gradients) else 0.0


def _ends(
    grounder: Grounder, node: Node, examples: Array, path: Conjunction, way: str
) -> list[tuple[str, Conjunction, Array]]:
    """Each leaf that examples come to: the way there in letters y and n, what holds there, and the examples."""
    if node.yes is None or node.no is None:
        return [(way, path, examples)] if len(examples) else []
    passed = grounder.covered(path + node.test)[examples]
    yes = _ends(grounder, node.yes, examples[passed], path + node.test, way + "y")
    return yes + _ends(grounder, node.no, examples[~passed], path, way + "n")


def _replaced(node: Node, way: str, new: Callable[[str, Node], Node]) -> Node:
    if node.yes is None or node.no is None:
        return new(way, node)
    return replace(node, yes=_replaced(node.yes, way + "y", new), no=_replaced(node.no, way + "n", new))
