"""Clustered tasks: ridge where there are as many clusters as tasks, optimality, and groups that are found."""

import numpy as np

from transferkit import ClusteredTasks, Domain


def problem(n=12, d=6):
    """Two groups of three tasks each, with the same coefficients within a group."""
    rng = np.random.default_rng(0)
    centres = rng.normal(size=(2, d))
    given = []
    for k in range(6):
        X = rng.normal(size=(n, d))
        given.append(Domain(X, X @ centres[k // 3] + 0.3 * rng.normal(size=n), name=f"t{k}"))
    return given


def coefficients(model, given):
    return np.column_stack([model.coef_[t.name][0] / np.std(t.y) for t in given])


def centred(task):
    return task.X - task.X.mean(0), (task.y - task.y.mean()) / task.y.std()


def test_as_many_clusters_as_tasks_are_ridge():
    given = problem()
    W = coefficients(ClusteredTasks(n_clusters=6, reg=0.5, ridge=0.1, tol=1e-12, max_iter=20000).fit(given), given)
    for task, w in zip(given, W.T):
        X, y = centred(task)  # the penalty is reg * eta |w|^2 = ridge |w|^2
        np.testing.assert_allclose(w, np.linalg.solve(X.T @ X / 12 + 2 * 0.1 * np.eye(6), X.T @ y / 12), atol=1e-6)


def test_optimality():
    """The gradient of the penalty is ``2 reg eta (1 + eta) W (eta I + M)^-1`` with the best M."""
    given, reg, ridge = problem(), 0.2, 0.1
    eta = ridge / reg
    W = coefficients(ClusteredTasks(reg=reg, ridge=ridge, tol=1e-12, max_iter=20000).fit(given), given)
    _, s, Vt = np.linalg.svd(W)
    g = np.linspace(0, 40 / s.max(), 200001)[:, None] * s - eta  # water-filling by a fine search
    g = np.clip(g, 0, 1)
    g = g[np.abs(g.sum(axis=1) - 2).argmin()]
    M = Vt.T @ np.diag(g) @ Vt
    expected = -2 * reg * eta * (1 + eta) * W @ np.linalg.inv(eta * np.eye(6) + M)
    slope = np.column_stack([X.T @ (X @ w - y) / 12 for (X, y), w in zip(map(centred, given), W.T)])
    np.testing.assert_allclose(slope, expected, atol=2e-4)


def test_groups_come_together():
    given = problem()

    def spread(W):
        groups = [W[:, :3], W[:, 3:]]
        return sum(((g - g.mean(axis=1, keepdims=True)) ** 2).sum() for g in groups) / (W**2).sum()

    joint = coefficients(ClusteredTasks(n_clusters=2, reg=0.5, ridge=0.02).fit(given), given)
    ridge = coefficients(ClusteredTasks(n_clusters=6, reg=0.5, ridge=0.02).fit(given), given)
    assert spread(joint) < 0.7 * spread(ridge)
