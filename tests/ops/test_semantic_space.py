"""Labels that pairs carry over, and a classifier where there is but one class."""

import numpy as np

import spaces
from transferkit import Domain, SemanticMatching
from transferkit.core.heterogeneous import check_heterogeneous
from transferkit.ops.semantic_space import fit_classifier, labelled_target


def test_a_pair_carries_the_sources_label_unless_the_target_has_its_own():
    world = spaces.seen_twice(0, 20)
    y = np.array(["no", "yes"])[world.y]
    known = np.arange(20) == 3
    labels = np.where(known, y, "?").astype(y.dtype)
    pairs = [[0, 3], [1, 4], [2, 4]]
    data = check_heterogeneous(SemanticMatching(), world.X, y, Domain(world.Xt, labels, known), pairs=pairs)
    rows, codes = labelled_target(data)
    assert rows.tolist() == [3, 4, 4]
    assert codes.tolist() == [world.y[3], world.y[1], world.y[2]]


def test_one_class_is_what_is_always_answered():
    model = fit_classifier(None, np.eye(3), np.array([2, 2, 2]))
    np.testing.assert_array_equal(model.predict_proba(np.eye(3)), np.ones((3, 1)))
