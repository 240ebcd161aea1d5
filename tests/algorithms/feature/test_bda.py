"""BDA lies between TCA (mu = 0) and JDA (mu = 1/2); W-BDA weighs classes with their shares."""

import numpy as np
import pytest
from numpy.testing import assert_allclose
from sklearn.neighbors import KNeighborsClassifier

from transferkit import BDA, JDA, TCA, Domain, DomainError, ParamError


@pytest.fixture
def pair():
    rng = np.random.default_rng(3)
    centres = 2 * rng.normal(size=(3, 8))
    ys, yt = np.arange(60) % 3, np.arange(45) % 3
    Xs = centres[ys] + rng.normal(size=(60, 8))
    Xt = (centres[yt] + rng.normal(size=(45, 8))) @ np.linalg.qr(np.eye(8) + 0.2 * rng.normal(size=(8, 8)))[0] + 0.5
    return Xs, ys, Xt, yt


@pytest.mark.parametrize("kernel", ["linear", "primal", "rbf"])
def test_half_is_jda(pair, kernel):
    """Exactly, given the same labels of the target: the scale of M cancels in its norm."""
    Xs, ys, Xt, yt = pair
    given = {"n_components": 4, "reg": 0.1, "kernel": kernel}
    bda, jda = (m.fit(Xs, ys, target=Domain(Xt, yt)) for m in (BDA(0.5, **given), JDA(**given)))
    assert_allclose(bda.transform(Xt), jda.transform(Xt), atol=1e-10)
    assert bda.n_iter_ == jda.n_iter_ == 1


def test_nothing_of_the_classes_is_tca(pair):
    Xs, ys, Xt, _ = pair
    bda, tca = (m.fit(Xs, ys, target=Domain(Xt)) for m in (BDA(0.0, n_components=4), TCA(4)))
    assert_allclose(bda.transform(Xt), tca.transform(Xt), atol=1e-10)


def test_all_of_the_classes_closes_their_gaps(pair):
    Xs, ys, Xt, yt = pair
    model = BDA(1.0, n_components=2, reg=1e-9, kernel="primal", normalize=False).fit(Xs, ys, target=Domain(Xt, yt))
    gaps = [
        model.transform(Xs[ys == c], "source").mean(axis=0) - model.transform(Xt[yt == c]).mean(axis=0)
        for c in range(3)
    ]
    assert_allclose(gaps, 0, atol=1e-5)


def test_weighted_equals_unweighted_for_equal_shares(pair):
    Xs, ys, Xt, yt = pair
    plain, weighted = (
        BDA(1.0, weighted=w, n_components=3).fit(Xs, ys, target=Domain(Xt, yt)).transform(Xt) for w in (False, True)
    )
    assert_allclose(weighted, plain, atol=1e-8)
    fewer = np.r_[np.flatnonzero(yt == 0), np.flatnonzero(yt == 1)[:2], np.flatnonzero(yt == 2)[:2]]
    few = Domain(Xt[fewer], yt[fewer])
    plain, weighted = (
        BDA(1.0, weighted=w, n_components=3).fit(Xs, ys, target=few).transform(Xt) for w in (False, True)
    )
    assert not np.allclose(weighted, plain, atol=1e-3)


def test_share_is_estimated(pair):
    """Equal domains whose classes are swapped differ only within the classes; a moved domain differs as a whole."""
    Xs, ys, _, _ = pair
    nearest = KNeighborsClassifier(1)
    swapped = BDA(None, n_components=3, estimator=nearest).fit(Xs, ys, target=Domain(Xs, (ys + 1) % 3))
    assert swapped.mu_ == 1
    moved = BDA(None, n_components=3, normalize=False, estimator=nearest).fit(Xs, ys, target=Domain(Xs + 4, ys))
    assert 0.3 < moved.mu_ < 0.6


def test_refuses_numbers(pair):
    Xs, _, Xt, _ = pair
    with pytest.raises(DomainError, match=r"BDA\.fit: y must hold classes"):
        BDA().fit(Xs, Xs[:, 0], target=Domain(Xt))


def test_with_all_rows_as_landmarks_the_approximation_is_exact():
    rng = np.random.default_rng(0)
    y = np.arange(60) % 2
    Xs = rng.normal(size=(60, 4)) + 3 * y[:, None]
    Xt = Xs + np.array([0, 2, 0, 0])
    few = {"approx": "nystroem", "random_state": 0}
    common = {"n_components": 4, "kernel": "rbf", "gamma": 0.5, "n_iter": 3}
    exact = BDA(**common).fit(Xs, y, target=Domain(Xt)).transform(Xt)
    found = BDA(n_landmarks=1000, **common, **few).fit(Xs, y, target=Domain(Xt)).transform(Xt)
    np.testing.assert_allclose(found * np.sign((found * exact).sum(axis=0)), exact, atol=1e-6)
    assert BDA(n_landmarks=20, **common, **few).fit(Xs, y, target=Domain(Xt)).components_.shape == (20, 4)
    with pytest.raises(ParamError, match="unless kernel='rbf'"):
        BDA(**few).fit(Xs, y, target=Domain(Xt))
