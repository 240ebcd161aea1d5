"""NCE: conditional entropy of a table by hand."""

import numpy as np
import pytest
from sklearn.linear_model import Ridge
from sklearn.metrics import mutual_info_score

from transferkit import NCE, Domain
from transferkit.core.errors import ParamError


class Says:
    """A fitted source classifier that says given classes, whatever the rows."""

    def __init__(self, labels):
        self.labels = np.asarray(labels)
        self.classes_ = np.unique(self.labels)

    def predict(self, X):
        return self.labels


def score(z, y):
    return NCE().score(Says(z), None, Domain(np.zeros((len(y), 1)), y))


def test_a_table_by_hand():
    # P(y | wolf) = (2/3, 1/3), P(y | lynx) = (0, 1).
    z, y = ["wolf", "wolf", "wolf", "lynx"], ["dog", "dog", "cat", "cat"]
    assert score(z, y) == pytest.approx((2 * np.log(2 / 3) + np.log(1 / 3)) / 4)


@pytest.mark.parametrize("seed", range(3))
def test_is_mutual_information_minus_the_labels_entropy(seed):
    rng = np.random.default_rng(seed)
    z, y = rng.integers(0, 5, 200), rng.integers(0, 3, 200)
    shares = np.bincount(y) / 200
    assert score(z, y) == pytest.approx(mutual_info_score(z, y) + (shares * np.log(shares)).sum(), abs=1e-12)


def test_bounds():
    y = np.arange(12) % 3
    assert score(10 + y, y) == 0.0
    assert score(np.arange(12), y) == 0.0  # a class a row determines everything
    assert score(np.zeros(12), y) == pytest.approx(-np.log(3))


def test_merging_source_classes_never_helps():
    rng = np.random.default_rng(0)
    z, y = rng.integers(0, 6, 300), rng.integers(0, 3, 300)
    assert score(z // 2, y) <= score(z, y)


def test_a_regressor_is_refused():
    X = np.arange(8.0).reshape(4, 2)
    with pytest.raises(ParamError, match=r"NCE\.score: candidate must be a classifier with classes_\. Got Ridge"):
        NCE().score(Ridge().fit(X, X[:, 0]), None, Domain(X, [0, 0, 1, 1]))
