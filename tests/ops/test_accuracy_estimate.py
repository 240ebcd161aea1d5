"""Accuracy without labels: exact on the source itself, the papers' formulas, honest intervals."""

import numpy as np
import pytest

from transferkit.core.errors import ParamError
from transferkit.ops.accuracy_estimate import estimate_accuracy


def case(seed=0, n=400, K=3):
    rng = np.random.default_rng(seed)
    proba = rng.dirichlet(np.full(K, 0.4), size=n)
    return proba, np.array([rng.choice(K, p=p) for p in proba])


@pytest.mark.parametrize("method", ["doc", "atc"])
def test_on_the_source_itself_the_estimate_is_the_accuracy(method):
    proba, codes = case()
    estimate, (low, high) = estimate_accuracy(proba, codes, proba, method)
    accuracy = (proba.argmax(axis=1) == codes).mean()
    assert estimate == pytest.approx(accuracy)
    assert (low, high) == pytest.approx((accuracy - 0.2, min(1.0, accuracy + 0.2)))


def test_doc_by_hand():
    source = np.array([[0.9, 0.1], [0.6, 0.4], [0.2, 0.8], [0.3, 0.7]])
    target = np.array([[0.55, 0.45], [0.5, 0.5]])
    # accuracy 3/4, mean confidence .75 on the source and .525 on the target
    assert estimate_accuracy(source, np.array([0, 1, 1, 1]), target)[0] == pytest.approx(0.75 + 0.525 - 0.75)


def test_atc_by_hand():
    source = np.array([[0.9, 0.1], [0.6, 0.4], [0.2, 0.8], [0.3, 0.7]])
    target = np.array([[0.66, 0.34], [0.64, 0.36], [0.01, 0.99], [0.5, 0.5]])
    # One of four is wrong, so the threshold lies midway between the negative entropies of .6 and .7 (-.642 as of p = .66..).
    assert estimate_accuracy(source, np.array([0, 1, 1, 1]), target, "atc")[0] == pytest.approx(0.5)


@pytest.mark.parametrize("right", [True, False])
def test_atc_at_its_ends(right):
    source = np.array([[0.9, 0.1], [0.8, 0.2]])
    codes = np.array([0, 0]) if right else np.array([1, 1])
    assert estimate_accuracy(source, codes, source, "atc")[0] == float(right)


def test_both_see_a_calibrated_fall():
    proba, codes = case()
    soft = (proba + 1.0) / (proba + 1.0).sum(axis=1, keepdims=True)
    accuracy = (proba.argmax(axis=1) == codes).mean()
    for method in ("doc", "atc"):
        estimate, (low, high) = estimate_accuracy(proba, codes, soft, method)
        assert estimate < accuracy - 0.1
        assert 0 <= low <= estimate <= high <= 1


def test_bad_input_is_named():
    proba, codes = case(n=5)
    with pytest.raises(ParamError, match="method must be one of 'doc', 'atc'"):
        estimate_accuracy(proba, codes, proba, "magic")
    with pytest.raises(ParamError, match="probabilities must be"):
        estimate_accuracy(proba, codes[:3], proba)
