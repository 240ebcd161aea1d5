import numpy as np
import pytest
from sklearn.svm import SVC

import transferkit
from transferkit import DASVM, Domain


def turned(angle, n=120, seed=0, k=2):
    """Classes on a line (or at the corners of a triangle), and the same with the plane turned."""
    rng = np.random.default_rng(seed)
    y = np.arange(n) % k
    centres = 3 * np.array([[np.cos(2 * np.pi * c / k), np.sin(2 * np.pi * c / k)] for c in range(k)])
    X = centres[y] + rng.normal(size=(n, 2)) * 0.7
    a = np.deg2rad(angle)
    return X, y, X @ np.array([[np.cos(a), np.sin(a)], [-np.sin(a), np.cos(a)]])


def test_it_follows_a_turn_that_the_source_does_not():
    X, y, Xt = turned(80)
    model = DASVM().fit(X, y, target=Domain(Xt))
    source = SVC(kernel="linear").fit(X, y)
    assert source.score(Xt, y) < 0.9
    assert model.score(Xt, y) > 0.98
    assert model.n_labelled_[0] > 20


def test_rows_that_cross_are_replaced():
    """As many source rows go as target rows come, while there are any."""
    X, y, Xt = turned(65)
    one = DASVM(step=3, max_iter=2).fit(X, y, target=Domain(Xt))
    assert one.n_iter_.tolist() == [2]
    assert one.n_labelled_[0] == 120 - one.n_source_[0] > 0


def test_the_second_fit_by_hand():
    """Which rows join and which leave, and what they cost."""
    X, y, Xt = turned(65)
    model = DASVM(step=2, C=2.0, C_target=0.4, growth=5, max_iter=2).fit(X, y, target=Domain(Xt))
    labels = np.where(y == 1, 1, -1)
    first = SVC(kernel="linear", C=2.0).fit(X, labels)
    far, height = first.decision_function(Xt), first.decision_function(X)
    join, leave = [], []
    for side in (1, -1):
        inside = [i for i in np.argsort(-np.abs(far)) if abs(far[i]) < 1 and np.sign(far[i]) == side][:2]
        join += inside
        leave += list(np.argsort(-side * height)[: len(inside)])
    stays = np.setdiff1d(np.arange(120), leave)
    cost = np.concatenate([np.full(len(stays), 2.0 + (0.4 - 2.0) / 25), np.full(len(join), 0.4)])
    rows = np.vstack([X[stays], Xt[join]])
    second = SVC(kernel="linear").fit(rows, np.concatenate([labels[stays], np.sign(far[join])]), sample_weight=cost)
    np.testing.assert_allclose(model.decision_function(Xt), second.decision_function(Xt), atol=1e-2)


def test_the_source_goes_also_where_few_rows_lie_inside_the_margin():
    """Until none is left, and not before: the last machine is the target's own."""
    X, y, Xt = turned(35)
    model = DASVM(beta=0.5).fit(X, y, target=Domain(Xt))
    assert model.n_source_.tolist() == [0]
    assert model.score(Xt, y) == 1
    one = DASVM(step=6, max_iter=2).fit(X, y, target=Domain(3 * X))  # no row inside
    assert one.n_source_.tolist() == [108]
    assert one.n_labelled_.tolist() == [0]


def test_without_a_label_to_give_the_last_machine_with_two_sides_stands():
    X, y, _ = turned(0)
    model = DASVM(step=6).fit(X, y, target=Domain(30 * X))
    assert model.n_labelled_.tolist() == [0]
    assert 1 < model.n_source_[0] <= 12
    assert model.score(30 * X, y) == 1


def test_where_all_labels_are_known_the_first_machine_has_them():
    X, y, Xt = turned(65)
    model = DASVM().fit(X, y, target=Domain(Xt, y))
    both = SVC(kernel="linear").fit(np.vstack([X, Xt]), np.concatenate([y, y]))
    assert model.n_iter_.tolist() == [1]
    np.testing.assert_allclose(model.decision_function(Xt), both.decision_function(Xt))


@pytest.mark.parametrize("kernel", ["linear", "rbf"])
def test_three_classes_and_known_labels(kernel, tmp_path):
    X, y, Xt = turned(35, k=3)
    model = DASVM(kernel=kernel).fit(X, y, target=Domain(Xt, y, known=np.arange(120) < 6))
    assert len(model.models_) == 3
    assert model.decision_function(Xt).shape == (120, 3)
    assert model.score(Xt, y) > 0.9
    loaded = transferkit.load(transferkit.save(model, tmp_path / "model"))
    np.testing.assert_array_equal(loaded.decision_function(Xt), model.decision_function(Xt))
