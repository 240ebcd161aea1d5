"""MIDA is the eigenvectors of the paper's matrix, made with dense n x n matrices."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from transferkit import MIDA, Domain, SourceOnly
from transferkit.ops.kernels.gaussian import rbf


@pytest.fixture
def pair():
    rng = np.random.default_rng(0)
    centres = 2 * rng.normal(size=(3, 6))
    ys, yt = np.arange(40) % 3, np.arange(30) % 3
    return centres[ys] + rng.normal(size=(40, 6)), ys, centres[yt] + rng.normal(size=(30, 6)) + 3 * np.eye(6)[0], yt


def papers_components(rows, D, Y, k, mu, gamma, kernel):
    """The authors' toolbox line by line."""
    n = len(rows)
    K, H = kernel(rows, rows), np.eye(n) - 1 / n
    A = K @ (H @ (-D @ D.T + gamma * Y @ Y.T) @ H + mu * H) @ K
    vectors = np.linalg.eigh((A + A.T) / 2)[1]
    return K @ vectors[:, ::-1][:, :k]


def one_hot(codes, k):
    return np.eye(k)[codes]


@pytest.mark.parametrize("kernel", ["linear", "rbf"])
@pytest.mark.parametrize("label_weight", [0.0, 0.5])
@pytest.mark.parametrize("augment", [True, False])
def test_equals_the_authors_matrices(pair, kernel, label_weight, augment):
    Xs, ys, Xt, yt = pair
    known = np.arange(30) < 6
    model = MIDA(3, 2.0, label_weight, kernel, 0.05 if kernel == "rbf" else None, augment)
    model.fit(Xs, ys, target=Domain(Xt, yt, known))
    rows, D = np.vstack([Xs, Xt]), one_hot(np.repeat([0, 1], [40, 30]), 2)
    Y = one_hot(np.concatenate([ys, yt]), 3) * np.concatenate([np.ones(40), known])[:, None]
    if augment:
        rows = np.hstack([rows, rows.std(axis=0).mean() * D])
    compare = (lambda A, B: A @ B.T) if kernel == "linear" else (lambda A, B: rbf(A, B, 0.05))
    Z = papers_components(rows, D, Y, 3, 2.0, label_weight, compare)
    ours = np.vstack([model.transform(Xs, "source"), model.transform(Xt)])
    assert (ours**2).mean() == pytest.approx(1)
    Z = Z / np.sqrt((Z**2).mean())
    assert_allclose(ours @ ours.T, Z @ Z.T, atol=1e-7)


def test_domains_agree_in_the_mean_and_the_target_is_told(pair):
    """The offset leans on the classes; the domain features take it off."""
    Xs, ys, Xt, yt = pair
    model = MIDA(3).fit(Xs, ys, target=Domain(Xt))
    gap = model.transform(Xs, "source").mean(axis=0) - model.transform(Xt).mean(axis=0)
    assert np.abs(gap).max() < 0.15
    assert model.score(Xt, yt) >= SourceOnly().fit(Xs, ys, target=Domain(Xt)).score(Xt, yt)
    assert model.score(Xt, yt) > 0.9


def test_much_variance_is_pca(pair):
    Xs, ys, Xt, _ = pair
    model = MIDA(2, 1e9, 0.0, augment=False).fit(Xs, ys, target=Domain(Xt))
    rows = np.vstack([Xs, Xt])
    # Unit eigenvectors of K H K: for centred rows the principal ones, times the square of the singular value.
    centred = MIDA(2, 1e9, 0.0, augment=False).fit(Xs - rows.mean(axis=0), ys, target=Domain(Xt - rows.mean(axis=0)))
    axes = np.linalg.svd(rows - rows.mean(axis=0), full_matrices=False)[2][:2]
    directions = centred.components_ / np.linalg.norm(centred.components_, axis=0)
    assert_allclose(np.abs(directions.T @ axes.T), np.eye(2), atol=1e-6)
    assert model.n_components_ == 2


def test_several_sources(pair):
    Xs, ys, Xt, _ = pair
    groups = np.array(["b", "a"])[np.arange(40) % 2]
    model = MIDA(3).fit(Xs + (groups == "a")[:, None] * 2.0, ys, target=Domain(Xt), groups=groups)
    assert model.groups_.tolist() == ["a", "b"]
    assert model.components_.shape == (9, 3)
    assert model.transform(Xs, "source").shape == (40, 3)


def test_numbers_and_hidden_labels(pair):
    Xs, _, Xt, _ = pair
    y = Xs @ np.arange(6.0)
    model = MIDA(3).fit(Xs, y, target=Domain(Xt))
    scaled = MIDA(3).fit(Xs, 100 * y + 7, target=Domain(Xt))
    assert_allclose(scaled.components_, model.components_, atol=1e-10)
    plain = [MIDA(3, label_weight=0.0).fit(Xs, labels, target=Domain(Xt)) for labels in (y, y[::-1])]
    assert_array_equal(plain[0].components_, plain[1].components_)
