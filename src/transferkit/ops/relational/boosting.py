"""Functional gradient boosting of the conditional probability of an atom, given all facts about it."""

from __future__ import annotations

from collections.abc import Callable, Iterable

import numpy as np
from scipy.special import expit

from ...core.clauses import Node
from ...core.protocols import Array
from .coverage import Grounder

__all__ = ["boost", "log_odds", "sample_examples"]


def sample_examples(y: Array, negative_ratio: float | None, rng: np.random.RandomState) -> Array:
    """All true examples and at most `negative_ratio` times as many false ones, drawn at random; None keeps all.

    Returns
    -------
    rows : int array
        In ascending order.
    """
    true, false = np.flatnonzero(y), np.flatnonzero(~y)
    if negative_ratio is not None:
        wanted = int(np.ceil(negative_ratio * len(true)))
        if wanted < len(false):
            false = rng.choice(false, wanted, replace=False)
    return np.sort(np.concatenate([true, false]))


def log_odds(grounder: Grounder, trees: Iterable[Node], prior: float) -> Array:
    """``psi(x) = prior + sum_t tree_t(x)`` for each example, of shape (n,)."""
    total = np.full(grounder.n, float(prior))
    for tree in trees:
        total += grounder.values(tree)
    return total


def boost(
    grounder: Grounder,
    y: Array,
    make_tree: Callable[[int, Array, Array], Node],
    *,
    n_trees: int,
    prior: float,
    negative_ratio: float | None,
    rng: np.random.RandomState,
) -> list[Node]:
    """Trees one after the other, each fitted to the gradients ``I(y) - P(y = 1 | x)`` that those before it leave.

    Parameters
    ----------
    grounder : Grounder
        Over all labelled examples.
    y : bool array of shape (n,)
        Which atoms are true.
    make_tree : callable
        ``(number of the tree, rows, gradients)`` to a `Node`; `rows` are the sampled examples, `gradients` has shape (n,).
    n_trees : int
        How many.
    prior : float
        Log-odds before the first tree.
    negative_ratio : float or None
        False examples for each true one, drawn anew for each tree; None takes all.
    rng : RandomState
        Draws them.

    Returns
    -------
    trees : list of Node
    """
    trees: list[Node] = []
    psi = np.full(grounder.n, float(prior))
    for k in range(n_trees):
        rows = sample_examples(y, negative_ratio, rng)
        trees.append(make_tree(k, rows, y - expit(psi)))
        psi += grounder.values(trees[-1])
    return trees
