"""Fused Gromov-Wasserstein: its ends are its two parts, and together they see what neither sees alone."""

import numpy as np
import ot
import pandas as pd
import pytest
from sklearn.preprocessing import StandardScaler

from transferkit import Domain, DomainError, FusedGromovWasserstein, GromovWasserstein


def mirrored(seed=0, noise=1.0):
    """Two groups, each the other's mirror image; a shared column tells a little of which is which."""
    rng = np.random.default_rng(seed)
    y = np.repeat([0, 1], 30)
    X = rng.normal(size=(60, 2))
    X[30:] = X[:30] * [-1, 1] + [12, 0]
    hint, other = ((y[:, None] + noise * rng.normal(size=(60, 1))) for _ in range(2))
    Xt = X @ np.linalg.qr(rng.normal(size=(4, 2)))[0].T
    return np.hstack([X, hint]), y, np.hstack([other, Xt])


def test_one_end_is_gromov_wasserstein():
    X, y, Xt = mirrored()
    fused = FusedGromovWasserstein([[2, 0]], alpha=1.0).fit(X, y, target=Domain(Xt))
    plain = GromovWasserstein().fit(X, y, target=Domain(Xt))
    np.testing.assert_allclose(fused.plan_, plain.plan_, atol=1e-12)


def test_the_other_end_is_optimal_transport_of_the_shared_columns():
    X, y, Xt = mirrored()
    model = FusedGromovWasserstein([[2, 0]], alpha=0.0).fit(X, y, target=Domain(Xt))
    Z = StandardScaler().fit_transform(np.vstack([X[:, 2:], Xt[:, :1]]))
    cost = ot.dist(Z[:60], Z[60:])
    assert (model.plan_ * cost).sum() == pytest.approx(ot.emd2([], [], cost))


def test_both_together_see_what_neither_sees_alone():
    """Distances cannot name the groups, and the shared column is mostly noise: it has to name two groups, not sixty rows."""
    wrong = []
    for seed in range(3):
        X, y, Xt = mirrored(seed)
        fused, columns = (
            FusedGromovWasserstein([[2, 0]], alpha=a).fit(X, y, target=Domain(Xt)).plan_ for a in (0.5, 0.0)
        )
        wrong.append([plan[y[:, None] != y].sum() for plan in (fused, columns)])
    assert np.max(wrong, axis=0)[0] < 0.01
    assert np.min(wrong, axis=0)[1] > 0.15


def test_anchors_and_entropy_do_the_same():
    X, y, Xt = mirrored(noise=0.3)
    for approx in ("anchors", "entropic"):
        model = FusedGromovWasserstein([[2, 0]], approx=approx, n_anchors=20, random_state=0)
        assert model.fit(X, y, target=Domain(Xt)).score(Xt, y) > 0.95


def test_columns_meet_by_name_and_labels_count():
    X, y, Xt = mirrored(noise=3.0)
    frames = [pd.DataFrame(Z, columns=names) for Z, names in ((X, ["a", "b", "hint"]), (Xt, ["hint", *"vwxy"]))]
    by_name = FusedGromovWasserstein().fit(frames[0], y, target=Domain(frames[1]))
    np.testing.assert_array_equal(by_name.shared_, [[2, 0]])
    known = np.arange(60) % 20 == 0
    target = Domain(Xt, np.where(known, y, 0), known)
    told = FusedGromovWasserstein([[2, 0]], label_weight=5.0).fit(X, y, target=target)
    assert told.score(Xt, y) == 1.0
    with pytest.raises(DomainError, match=r"^FusedGromovWasserstein\.fit: target\.X must be a data frame like X"):
        FusedGromovWasserstein().fit(X, y, target=Domain(Xt))
