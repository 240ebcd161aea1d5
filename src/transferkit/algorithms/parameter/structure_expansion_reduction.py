"""Structure expansion/reduction (SER): a source's trees grow where target rows call for it, and shrink where they do not."""

from __future__ import annotations

from functools import partial
from typing import Any, ClassVar

import numpy as np
from sklearn.ensemble import ExtraTreesClassifier, RandomForestClassifier
from sklearn.tree import DecisionTreeClassifier, ExtraTreeClassifier
from sklearn.utils import check_random_state
from sklearn.utils.metaestimators import available_if
from sklearn.utils.validation import check_is_fitted

from ...core.constraints import Boolean, Either, Fulfils, Nothing, RandomState
from ...core.protocols import Array
from ...core.source_model import SourceModelTransfer, missing_classes
from ...core.validation import TransferData
from ...ops.trees.arrays import Node, flat_trees, grow_like, leaf_values, nested_tree
from ...ops.trees.transfer import expand_and_reduce

CARD = {
    "class": "StructureExpansionReduction",
    "protocol": "Transfer",
    "settings": ("few_label", "supervised"),
    "tasks": ("classification",),
    "data": ("vectors",),
    "needs": (),
    "cost": "n",
    "portfolio": (),
    "paper": (
        "Segev, Harel, Mannor, Crammer & El-Yaniv. Learn on Source, Refine on Target: A Model Transfer Learning Framework with"
        " Random Forests. TPAMI 39, 2017."
    ),
    "url": "https://arxiv.org/abs/1511.01258",
}

__all__ = ["StructureExpansionReduction"]

_FORESTS = (RandomForestClassifier, ExtraTreesClassifier)
_TREES = (DecisionTreeClassifier, ExtraTreeClassifier)
_MODEL = Either(
    Nothing(), Fulfils("be a decision tree or a forest of them", lambda v: isinstance(v, _FORESTS + _TREES))
)


class StructureExpansionReduction(SourceModelTransfer):
    """Grow each leaf of the source's trees on the target rows in it, then cut back what makes none of them right.

    Parameters
    ----------
    keep_unreached : bool, default=False
        Whether branches of the source to which no known target row comes stay as they are. The paper's fall away, and a
        class without a known label with them.
    estimator : tree or forest classifier, default=None
        Fitted on the source: scikit-learn's decision tree, extra tree, random forest or extra trees. None is a random
        forest of 50 trees.
    source : tree or forest classifier, default=None
        The source's model, fitted already. `fit` then reads neither X nor y, which may be None. None fits ``estimator``.
    random_state : int, RandomState or None, default=0
        Seed of the default forest and of equal splits.

    Attributes
    ----------
    trees_ : dict of arrays
        The target's trees: ``left`` and ``right`` child of each node (-1 at a leaf), ``feature``, ``threshold``, ``value``
        (class shares) and ``roots``.
    n_nodes_ : int
        Nodes of all of them.
    missing_classes_ : array
        Classes without a known target label.
    source_ : classifier
        The source's model.
    classes_ : array of shape (n_classes,)
        Source classes.

    Notes
    -----
    Expansion: the known target rows are sent down each tree of the source, and a leaf in which they are of several classes
    becomes a whole tree grown on them, with the split rule of the tree it hangs on. Reduction: from the bottom up, a node
    becomes a leaf where that has at most as many errors on its target rows as the branches below it. All leaves hold the class
    shares of target rows; a branch that none of them reaches hands its place to its sibling.

    Written from the published description; the authors' code was not compared. ADAPT's program takes the same steps, but
    grows every new branch with scikit-learn's defaults.

    The trees are kept as plain arrays, so that they are saved without a pickle. The protocol is that of methods that are given
    rows of the source, so that it stands beside them; of these rows it needs nothing but the model, and ``source`` takes one
    whose rows are gone.

    References
    ----------
    Segev, Harel, Mannor, Crammer & El-Yaniv. Learn on Source, Refine on Target: A Model Transfer Learning Framework with Random
    Forests. TPAMI 39, 2017.

    Examples
    --------
    >>> import numpy as np
    >>> from transferkit import Domain, StructureExpansionReduction
    >>> rng = np.random.default_rng(0)
    >>> X, Xt = rng.uniform(size=(200, 2)), rng.uniform(size=(200, 2))
    >>> target = Domain(Xt, (Xt[:, 0] > 0.7).astype(int), known=np.arange(200) < 20)
    >>> model = StructureExpansionReduction().fit(X, (X[:, 0] > 0.5).astype(int), target=target)
    >>> model.score(Xt, target.y) > 0.85
    True
    """

    _constraints: ClassVar = {
        "keep_unreached": Boolean(),
        "estimator": _MODEL,
        "source": _MODEL,
        "random_state": RandomState(),
    }
    _task: ClassVar = "classification"
    _test_params: ClassVar = {"estimator": RandomForestClassifier(10, random_state=0)}

    def __init__(
        self, keep_unreached: bool = False, estimator: Any = None, source: Any = None, random_state: Any = 0
    ) -> None:
        self.keep_unreached = keep_unreached
        self.estimator = estimator
        self.source = source
        self.random_state = random_state

    def _fit_source(self, data: TransferData) -> Any:
        if self.estimator is not None:
            return super()._fit_source(data)
        return RandomForestClassifier(50, random_state=self.random_state).fit(data.Xs, data.ys)

    def _carry_over(self, data: TransferData) -> None:
        X, codes, K = np.asarray(data.Xt_known, dtype=np.float32), data.codes_t, len(self.classes_)
        rng = check_random_state(self.random_state)
        trees = self.source_.estimators_ if isinstance(self.source_, _FORESTS) else [self.source_]
        found: list[Node] = []
        for tree in trees:
            root = nested_tree(tree, np.arange(K), K)
            found.append(expand_and_reduce(root, X, codes, partial(grow_like, tree, K, rng), self.keep_unreached))
        self.trees_ = flat_trees(found)
        self.n_nodes_ = len(self.trees_["left"])
        self.missing_classes_ = missing_classes(data)

    def predict_proba(self, X: Any) -> Array:
        """Mean class shares of the leaves, of shape (n_samples, n_classes), in the order of ``classes_``."""
        check_is_fitted(self)
        return leaf_values(self.trees_, self._target_rows(X, "predict_proba"))

    def predict(self, X: Any) -> Array:
        """The most probable class of each row of the target, of shape (n_samples,)."""
        check_is_fitted(self)
        return self.classes_[leaf_values(self.trees_, self._target_rows(X, "predict")).argmax(axis=1)]

    @available_if(lambda self: False)
    def decision_function(self, X: Any) -> Array:
        """Not there: the scores of this method are its probabilities."""
        raise NotImplementedError
