import numpy as np
import pytest
from scipy.spatial.distance import jensenshannon

from transferkit.ops.trees.arrays import Node, flat_trees, leaf_values
from transferkit.ops.trees.transfer import divergence_gain, expand_and_reduce, move_thresholds


def stump(feature=0, threshold=0.5, left=(8, 2), right=(1, 9)):
    sides = Node(np.array(left, float)), Node(np.array(right, float))
    return Node(np.array(left, float) + right, feature, threshold, *sides)


def no_growth(X, codes):
    raise AssertionError("nothing is to be grown")


def test_the_divergence_gain():
    left, right, sl, sr = np.array([[3.0, 1.0]]), np.array([[0.0, 4.0]]), np.array([8.0, 2.0]), np.array([1.0, 9.0])
    expected = 1 - 0.5 * jensenshannon([3, 1], sl, base=2) ** 2 - 0.5 * jensenshannon([0, 4], sr, base=2) ** 2
    np.testing.assert_allclose(divergence_gain(left, right, sl, sr), expected)


def test_a_leaf_of_two_classes_is_grown_and_one_of_one_class_relabelled():
    grown = []

    def grow(X, codes):
        grown.append(codes.tolist())
        return stump(1, 0.0, (2, 0), (0, 1))

    X, codes = np.array([[0.0, -1], [0.1, -2], [0.2, 3], [0.8, 0]]), np.array([0, 0, 1, 1])
    found = expand_and_reduce(stump(), X, codes, grow, False)
    assert grown == [[0, 0, 1]]
    assert (found.left.feature, found.left.threshold) == (1, 0.0)
    assert found.right.counts.tolist() == [0, 1]
    assert found.right.left is None


def test_a_split_that_makes_no_row_right_is_cut_back():
    X = np.array([[0.0, 0.0], [1.0, 0.0]])
    found = expand_and_reduce(stump(), X, np.array([1, 1]), no_growth, False)
    assert found.left is None
    assert found.counts.tolist() == [0, 2]


def test_branches_without_rows_hand_their_place_over_or_stay():
    inner = stump(1, 0.0)
    root = Node(np.array([20.0, 20.0]), 0, 0.5, inner, Node(np.array([0.0, 5.0])))
    X, codes = np.array([[0.0, -1.0], [0.0, 1.0]]), np.array([0, 1])
    gone = expand_and_reduce(root, X, codes, no_growth, False)
    assert gone.feature == 1
    assert gone.left.counts.tolist() == [1, 0]
    kept = expand_and_reduce(root, X, codes, no_growth, True)
    assert kept.feature == 0
    assert kept.right is root.right


@pytest.mark.parametrize("shift", [0.0, 5.0, -3.0])
def test_a_moved_feature_gets_a_moved_threshold(shift):
    values = np.linspace(0, 1, 11)
    codes = (values > 0.55).astype(int)
    found = move_thresholds(stump(), values[:, None] + shift, codes)
    np.testing.assert_allclose(found.threshold, 0.55 + shift)
    assert found.left.counts.tolist() == [6, 0]


def test_a_mirrored_feature_swaps_the_branches():
    """The branch of class 0, with a split of its own, is on the other side in the target."""
    left = stump(1, 0.0, (6, 0), (2, 2))
    root = Node(np.array([9.0, 11.0]), 0, 0.5, left, Node(np.array([1.0, 9.0])))
    X = np.array([[9.0, -1], [8.0, -1], [7.0, 1], [7.5, 1], [1.0, 0], [2.0, 0], [1.5, 0]])
    found = move_thresholds(root, X, np.array([0, 0, 0, 1, 1, 1, 1]))
    assert found.left.left is None
    assert found.left.counts.tolist() == [0, 3]
    assert found.right.feature == 1


def test_a_feature_of_one_value_is_not_asked():
    found = move_thresholds(stump(), np.zeros((4, 1)), np.array([0, 0, 1, 0]))
    assert found.left is None
    assert found.counts.tolist() == [3, 1]


@pytest.mark.parametrize("change", [move_thresholds, lambda *a: expand_and_reduce(*a, no_growth, False)])
def test_a_threshold_between_neighbours_of_float32_parts_them(change):
    low = np.float32(1 + 2**-23)
    X = np.array([[low], [np.nextafter(low, np.float32(2))]])
    assert X.dtype == np.float32
    found = change(stump(threshold=X.astype(float).mean()), X, np.array([0, 1]))
    assert found.left.counts.tolist() == [1, 0]
    assert found.right.counts.tolist() == [0, 1]


def test_a_tree_may_be_deeper_than_pythons_stack():
    """A chain of 5000 thresholds 0.5, 1.5, ...: rows that the source and the target agree on leave it as it is."""
    depth = 5000
    node = Node(np.array([0.0, 1.0]))
    for k in range(depth - 1, -1, -1):
        leaf = Node(np.array([1.0, 0.0] if k % 2 else [0.0, 1.0]))
        node = Node(leaf.counts + node.counts, 0, k + 0.5, leaf, node)
    X = np.arange(0.0, depth + 1, 625)[:, None]
    codes = (X[:, 0] % 2 == 0).astype(int)
    kept = expand_and_reduce(node, X, codes, no_growth, True)
    for found in (kept, move_thresholds(node, X, codes)):
        np.testing.assert_array_equal(leaf_values(flat_trees([found]), X).argmax(axis=1), codes)
    assert len(flat_trees([kept])["left"]) == 2 * depth + 1
