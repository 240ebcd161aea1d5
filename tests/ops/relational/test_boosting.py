"""The gradient is I - P, negatives are drawn in the ratio asked for, and the areas are those of the textbook."""

import numpy as np
import pytest
from scipy.special import expit
from sklearn.metrics import average_precision_score

from transferkit.core.clauses import Literal, Node
from transferkit.core.relational import Facts, RelationalRows
from transferkit.ops.relational.boosting import boost, log_odds, sample_examples
from transferkit.ops.relational.coverage import Grounder
from transferkit.ops.relational.scores import (
    area_under_precision_recall,
    conditional_log_likelihood,
    relational_scores,
)


def test_the_gradients_are_truth_minus_probability():
    facts = Facts.from_records({"red": [("a",), ("b",)]}, {"red": ("x",), "target": ("x",)})
    grounder = Grounder(RelationalRows.from_records(facts, "target", [("a",), ("b",), ("c",), ("d",)]))
    y = np.array([True, False, False, False])
    seen = []

    def make_tree(k, rows, gradients):
        seen.append((k, rows.tolist(), gradients))
        return Node(0, 0, (Literal("red", (0,)),), Node(1.0 + k), Node(-0.5))

    rng = np.random.RandomState(0)
    trees = boost(grounder, y, make_tree, n_trees=2, prior=-1.8, negative_ratio=None, rng=rng)
    assert [rows for _, rows, _ in seen] == [[0, 1, 2, 3]] * 2
    np.testing.assert_allclose(seen[0][2], y - expit(-1.8))
    np.testing.assert_allclose(seen[1][2], y - expit([-0.8, -0.8, -2.3, -2.3]))
    np.testing.assert_allclose(log_odds(grounder, trees, -1.8), [1.2, 1.2, -2.8, -2.8])


def test_false_examples_are_drawn_in_the_ratio():
    y = np.arange(100) < 10
    rows = [sample_examples(y, 2.0, np.random.RandomState(seed)) for seed in (0, 0, 1)]
    assert len(rows[0]) == 30
    assert y[rows[0]].sum() == 10
    assert rows[0].tolist() == rows[1].tolist() != rows[2].tolist()
    assert len(sample_examples(y, 20.0, np.random.RandomState(0))) == 100
    assert len(sample_examples(y, None, np.random.RandomState(0))) == 100


def test_scores_by_hand():
    y, p = np.array([True, False, True]), np.array([0.9, 0.2, 0.5])
    assert conditional_log_likelihood(y, p) == pytest.approx(np.log([0.9, 0.8, 0.5]).mean())
    assert conditional_log_likelihood([True], [0.0]) < -700  # finite where a probability is 0
    assert relational_scores(y, p) == {"auc_roc": 1.0, "auc_pr": 1.0, "cll": pytest.approx(np.log(0.36) / 3)}
    with pytest.raises(ValueError, match="y must hold a true one"):
        area_under_precision_recall([False], [0.3])


def test_precision_is_interpolated_as_davis_and_goadrich_do():
    """5 true and 5 false, then 10 true and 30 false: between them each true one more brings five false ones."""
    y = np.repeat([True, False, True, False], [5, 5, 5, 25])
    score = np.repeat([0.9, 0.9, 0.5, 0.5], [5, 5, 5, 25])
    between = [(t, 5 + 5 * (t - 5)) for t in np.linspace(5, 10, 20001)]
    steps = np.array([t / (t + f) for t, f in between])
    second = np.sum((steps[1:] + steps[:-1]) / 2) * 5 / 20000
    assert area_under_precision_recall(y, score) == pytest.approx((5 * 0.5 + second) / 10, abs=1e-8)


@pytest.mark.parametrize(("y", "score"), [([False, False], [0.1, 0.2]), ([True, False], [np.nan, 0.2])])
def test_no_area_without_a_true_one_or_with_scores_that_are_none(y, score):
    with pytest.raises(ValueError, match=r"^area_under_precision_recall: "):
        area_under_precision_recall(y, score)


def test_without_ties_it_is_near_the_average_precision_and_with_one_score_the_share():
    rng = np.random.default_rng(0)
    y = rng.random(2000) < 0.3
    score = y + rng.normal(size=2000)
    assert area_under_precision_recall(y, score) == pytest.approx(average_precision_score(y, score), abs=2e-3)
    assert area_under_precision_recall(y, np.zeros(2000)) == pytest.approx(y.mean())
