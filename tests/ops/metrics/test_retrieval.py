"""Rankings: scikit-learn's average precision, a ranking by hand, and measures with known values."""

import numpy as np
import pytest
from scipy.spatial.distance import cdist
from scipy.stats import entropy
from sklearn.metrics import average_precision_score

from transferkit import DomainError, ParamError
from transferkit.ops.metrics.retrieval import MEASURES, mean_average_precision, similarities


def test_average_precision_is_scikit_learns():
    rng = np.random.default_rng(0)
    scores, queries, gallery = rng.normal(size=(20, 50)), rng.integers(0, 3, 20), rng.integers(0, 3, 50)
    expected = np.mean([average_precision_score(gallery == q, s) for q, s in zip(queries, scores)])
    assert mean_average_precision(scores, queries, gallery) == pytest.approx(expected, abs=1e-12)


def test_a_ranking_by_hand():
    """Relevant at places 2 and 3: (1/2 + 2/3) / 2; what is relevant to nothing is left out; equal scores keep their order."""
    assert mean_average_precision([[3, 2, 1]], ["a"], ["b", "a", "a"]) == pytest.approx(7 / 12)
    assert mean_average_precision([[1, 2, 3], [1, 2, 3]], ["a", "z"], ["a", "a", "b"]) == pytest.approx(7 / 12)
    assert mean_average_precision([[0, 0, 0]], ["a"], ["b", "a", "a"]) == pytest.approx(7 / 12)
    assert np.isnan(mean_average_precision([[1.0]], ["a"], ["b"]))


@pytest.mark.parametrize(
    ("measure", "metric"),
    [("cosine", "cosine"), ("correlation", "correlation"), ("euclidean", "euclidean"), ("manhattan", "cityblock")],
)
def test_measures_order_as_scipys_distances(measure, metric):
    rng = np.random.default_rng(0)
    A, B = rng.normal(size=(5, 4)), rng.normal(size=(7, 4))
    distance = cdist(A, B, metric)
    found = similarities(A, B, measure)
    expected = 1 - distance if measure in ("cosine", "correlation") else -distance
    np.testing.assert_allclose(found, expected, atol=1e-12)


def test_small_distances_far_from_the_origin():
    assert similarities([[1e8, 1e8 + 1]], [[1e8, 1e8]], "euclidean")[0, 0] == -1


def test_divergence_is_scipys():
    rng = np.random.default_rng(0)
    A, B = rng.dirichlet(np.ones(4), 5), rng.dirichlet(np.ones(4), 6)
    expected = [[-entropy(a, b) for b in B] for a in A]
    np.testing.assert_allclose(similarities(A, B, "kl"), expected, atol=1e-9)
    assert np.isfinite(similarities([[1.0, 0.0]], [[0.0, 1.0]], "kl")).all()


def test_what_cannot_be_compared_is_named():
    with pytest.raises(ParamError, match="measure must be one of " + ", ".join(MEASURES)):
        similarities([[1]], [[1]], "hamming")
    with pytest.raises(DomainError, match="one width"):
        similarities([[1, 2]], [[1]])
    with pytest.raises(DomainError, match="finite"):
        similarities([[np.nan]], [[1]])
    with pytest.raises(DomainError, match="must be probabilities"):
        similarities([[2.0, 1.0]], [[0.5, 0.5]], "kl")
    with pytest.raises(DomainError, match="one row a query"):
        mean_average_precision([[1, 2]], [1], [1])
    with pytest.raises(DomainError, match="NaN"):
        mean_average_precision([[np.nan]], [1], [1])
