"""SND: closed forms for clusters of equal rows, the direct formula, and the collapse that fools it."""

import numpy as np
import pytest
from scipy.special import softmax
from scipy.stats import entropy

from transferkit import SND, Domain
from transferkit.algorithms.selectors import snd
from transferkit.core.errors import DomainError


class Says:
    """A fitted classifier that says given probabilities, whatever the rows."""

    def __init__(self, proba):
        self.proba = np.asarray(proba)
        self.classes_ = np.arange(self.proba.shape[1])

    def predict_proba(self, X):
        return self.proba


def score(proba, **params):
    return SND(**params).score(Says(proba), None, Domain(np.zeros((len(proba), 1))))


def test_the_formula_row_by_row():
    P = np.random.default_rng(0).dirichlet(np.ones(3), 12)
    F = P / np.linalg.norm(P, axis=1, keepdims=True)
    rows = [entropy(softmax(np.delete(F @ F[i], i) / 0.05)) for i in range(12)]
    assert score(P) == pytest.approx(np.mean(rows))


def test_certain_predictions_in_equal_shares():
    """Each row has m - 1 others at cosine 1 and n - m at cosine 0: the entropy of these two kinds of weights."""
    m, K, T = 10, 3, 0.5
    weights = np.r_[np.full(m - 1, np.exp(1 / T)), np.ones(m * (K - 1))]
    assert score(np.eye(K)[np.arange(m * K) % K], temperature=T) == pytest.approx(entropy(weights / weights.sum()))


def test_at_a_low_temperature_it_counts_the_neighbours():
    assert score(np.eye(3)[np.arange(30) % 3], temperature=1e-3) == pytest.approx(np.log(9))


def test_dense_neighbourhoods_score_above_scattered_ones():
    rng = np.random.default_rng(0)
    dense = 0.9 * np.eye(3)[np.arange(60) % 3] + 0.1 / 3
    scattered = rng.dirichlet(np.ones(3), 60)
    assert score(dense) > score(scattered)


def test_equal_predictions_fool_it():
    assert score(np.full((20, 4), 0.25)) == pytest.approx(np.log(19))
    assert score(np.full((20, 4), 0.25)) > score(np.eye(4)[np.arange(20) % 4])


def test_blocks_change_nothing(monkeypatch):
    P = np.random.default_rng(0).dirichlet(np.ones(3), 50)
    whole = score(P)
    monkeypatch.setattr(snd, "_BLOCK", 7)
    assert score(P) == pytest.approx(whole, rel=1e-12)


def test_features_and_rows_that_are_drawn():
    rng = np.random.default_rng(0)
    Z = rng.dirichlet(np.ones(3), 50)
    model = Says(rng.dirichlet(np.ones(3), 50))
    assert SND(space="features").score(model, None, Domain(Z)) == pytest.approx(score(Z))
    few = [score(Z, max_rows=20, random_state=s) for s in (0, 0, 1)]
    assert few[0] == few[1] != few[2]
    assert max(few) <= np.log(19)
    with pytest.raises(DomainError, match="3 rows or more"):
        score(Z[:2])
