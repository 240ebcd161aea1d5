import numpy as np
import pytest
from sklearn.ensemble import ExtraTreesClassifier, RandomForestClassifier

from transferkit.ops.trees.arrays import flat_trees, grow_like, leaf_values, nested_tree


@pytest.mark.parametrize("kind", [RandomForestClassifier, ExtraTreesClassifier])
def test_they_predict_what_scikit_learns_do(kind):
    rng = np.random.default_rng(0)
    X, y = rng.normal(size=(80, 4)), rng.integers(0, 3, 80)
    forest = kind(7, max_depth=5, random_state=0).fit(X, y)
    trees = flat_trees([nested_tree(t, np.arange(3), 3) for t in forest.estimators_])
    new = rng.normal(size=(50, 4))
    np.testing.assert_allclose(leaf_values(trees, new), forest.predict_proba(new))


def test_a_grown_tree_names_classes_by_their_codes():
    X, codes = np.array([[0.0], [1.0], [2.0]]), np.array([2, 0, 2])
    like = RandomForestClassifier(1, random_state=0).fit(X, codes).estimators_[0]
    root = grow_like(like, 4, np.random.RandomState(0), X, codes)
    assert root.counts.tolist() == [1, 0, 2, 0]
    np.testing.assert_array_equal(leaf_values(flat_trees([root]), X).argmax(axis=1), codes)
