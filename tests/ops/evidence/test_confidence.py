"""Confidence: its two scores by hand; as many source rows above the threshold as were said."""

import numpy as np
import pytest

from transferkit.ops.evidence.confidence import max_confidence, negative_entropy, share_above_threshold


def test_by_hand():
    proba = np.array([[1.0, 0.0, 0.0], [0.5, 0.25, 0.25], [1 / 3, 1 / 3, 1 / 3]])
    np.testing.assert_allclose(negative_entropy(proba), [0, -1.5 * np.log(2), -np.log(3)])
    np.testing.assert_array_equal(max_confidence(proba), [1.0, 0.5, 1 / 3])


@pytest.mark.parametrize("step", [1e-9, 0.3])
def test_on_the_source_itself_it_is_the_accuracy_with_ties_or_without(step):
    scores = np.round(np.random.default_rng(0).random(20) / step) * step
    for n_right in range(21):
        assert share_above_threshold(scores, n_right, scores) == pytest.approx(n_right / 20)


def test_the_cut_lies_midway():
    for score, share in ((2.9, 0.0), (3.0, 1.0)):
        assert share_above_threshold(np.array([4.0, 1.0, 2.0]), 1, np.array([score])) == share


def test_scores_that_are_equal_but_for_rounding_are_equal():
    rng = np.random.default_rng(0)
    proba = rng.permuted(np.tile([0.1, 0.2, 0.7], (30, 1)), axis=1)
    scores = negative_entropy(proba)
    assert len(set(scores)) > 1
    assert share_above_threshold(scores, 12, negative_entropy(np.array([[0.7, 0.2, 0.1]]))) == pytest.approx(0.4)
