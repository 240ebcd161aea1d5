"""Do two samples come from one distribution? A classifier test, a kernel test, and a test of every column."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy import stats
from scipy.spatial.distance import cdist, pdist
from sklearn.ensemble import ExtraTreesClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score
from sklearn.model_selection import StratifiedKFold
from sklearn.preprocessing import StandardScaler
from sklearn.utils import check_random_state

from ...core.protocols import Array
from ..components import component_space, subsample

__all__ = [
    "ColumnTests",
    "DomainTest",
    "benjamini_hochberg",
    "classifier_two_sample",
    "column_tests",
    "domain_space",
    "median_bandwidth",
    "mmd2_unbiased",
    "mmd_linear_test",
    "mmd_test",
    "proxy_a_distance",
]


@dataclass(frozen=True)
class DomainTest:
    """How well a classifier tells two samples apart.

    Attributes
    ----------
    auc : float
        Area under the ROC curve on held-out rows, mean over the folds; 0.5 is chance.
    p : float
        Permutation p-value of the unweighted AUC against chance, one-sided.
    error : float
        Balanced error on held-out rows.
    """

    auc: float
    p: float
    error: float


@dataclass(frozen=True, eq=False)
class ColumnTests:
    """One test a column; every attribute has shape (n_features,).

    Attributes
    ----------
    kind : array of str
        ``"numeric"`` (Kolmogorov-Smirnov) or ``"few"`` (chi-square).
    statistic : array
        KS distance or chi-square statistic.
    effect : array
        Standardised mean difference, target minus source (numeric), or Cramer's V (few-valued).
    p, q : arrays
        P-value and Benjamini-Hochberg q-value.
    """

    kind: Array
    statistic: Array
    effect: Array
    p: Array
    q: Array


def classifier_two_sample(
    Xs: Any,
    Xt: Any,
    *,
    weight: Array | None = None,
    linear: bool = False,
    n_components: int = 30,
    n_splits: int = 3,
    max_rows: int = 2000,
    n_permutations: int = 999,
    random_state: Any = None,
) -> DomainTest:
    """Classifier two-sample test with extra trees, which see differences that no linear model sees.

    80 trees with leaves of 3 rows or more in `domain_space` score held-out rows. Given the trees of a fold, its held-out
    labels are exchangeable if there is no shift; the p-value therefore permutes labels within the folds against the scores
    that stand, without a refit.

    Parameters
    ----------
    Xs, Xt : arrays or sparse matrices of shape (n_source, n_features), (n_target, n_features)
        The samples.
    weight : array of shape (n_source,), optional
        Weights of the source rows in training and in the AUC. The p-value is that of the unweighted scores.
    linear : bool
        Logistic regression instead of trees. It is blind where both domains were standardised by themselves: what it finds
        beside the trees tells whether the shift is one of the means.
    n_components : int
        Principal components of each kind; with that few columns or fewer there is no rotation.
    n_splits : int
        Folds; fewer where a sample has fewer rows.
    max_rows : int
        Rows drawn from each sample.
    n_permutations : int
        Permutations; the smallest p-value is ``1 / (n_permutations + 1)``.
    random_state : int, RandomState or None
        Rows, folds, trees and permutations.

    References
    ----------
    Lopez-Paz & Oquab. Revisiting Classifier Two-Sample Tests. ICLR 2017.

    Examples
    --------
    >>> import numpy as np
    >>> from transferkit.ops.evidence.two_sample import classifier_two_sample
    >>> X = np.random.default_rng(0).normal(size=(100, 3))
    >>> classifier_two_sample(X[:50], X[50:] + 2, random_state=0).auc > 0.9
    True
    """
    rng = check_random_state(random_state)
    rows_s, rows_t = subsample(Xs.shape[0], max_rows, rng), subsample(Xt.shape[0], max_rows, rng)
    n_splits = min(n_splits, len(rows_s), len(rows_t))
    if n_splits < 2:
        return DomainTest(0.5, 1.0, 0.5)
    Z = np.concatenate(domain_space(Xs[rows_s], Xt[rows_t], n_components=n_components, random_state=rng))
    label = np.r_[np.zeros(len(rows_s), dtype=int), np.ones(len(rows_t), dtype=int)]
    weights = np.ones(len(label))
    if weight is not None:
        weights[: len(rows_s)] = np.asarray(weight, dtype=np.float64)[rows_s]
    # Trees weigh the two samples alike, so that 0.5 is the undecided score whatever their sizes.
    for side in (0, 1):
        weights[label == side] /= max(weights[label == side].sum(), np.finfo(float).tiny)
    weights *= len(label) / 2
    aucs, plain, errors, null = [], 0.0, [], np.zeros(n_permutations)
    for train, test in StratifiedKFold(n_splits, shuffle=True, random_state=rng).split(Z, label):
        score = _scores(Z[train], label[train], weights[train], Z[test], linear, rng)
        own, w = label[test], weights[test]
        aucs.append(roc_auc_score(own, score, sample_weight=w))
        errors.append(_balanced_error(own, score))
        n0, n1 = int((own == 0).sum()), int(own.sum())
        ranks = stats.rankdata(score)
        # Mann-Whitney: the AUC is the rank sum of the target's rows, shifted and scaled.
        plain += (ranks[own == 1].sum() - n1 * (n1 + 1) / 2) / (n0 * n1) / n_splits
        drawn = np.argpartition(rng.random_sample((n_permutations, len(own))), n1 - 1, axis=1)[:, :n1]
        null += (ranks[drawn].sum(axis=1) - n1 * (n1 + 1) / 2) / (n0 * n1) / n_splits
    p = (1 + int((null >= plain - 1e-12).sum())) / (n_permutations + 1)
    return DomainTest(float(np.mean(aucs)), float(p), float(np.mean(errors)))


def domain_space(Xs: Any, Xt: Any, *, n_components: int = 30, random_state: Any = None) -> tuple[Array, Array]:
    """Both samples in the space that a domain classifier of trees works in.

    Without a rotation scale means nothing to trees. With one, either scaling can hide the shift, so they see both: at most
    `n_components` principal components of the columns as given, and as many of the standardised columns.
    """
    scalings = (True, False) if Xs.shape[1] > n_components else (False,)
    spaces = [component_space(Xs, Xt, n_components=n_components, scale=c, random_state=random_state) for c in scalings]
    Zs, Zt = (np.concatenate(parts, axis=1) for parts in zip(*spaces))
    return Zs, Zt


def _scores(Z: Array, label: Array, weight: Array, rows: Array, linear: bool, rng: Any) -> Array:
    """Probability of the target for held-out rows."""
    model: Any = LogisticRegression(max_iter=1000, tol=1e-3)
    if linear:
        scaler = StandardScaler().fit(Z)
        Z, rows = scaler.transform(Z), scaler.transform(rows)
    else:
        model = ExtraTreesClassifier(80, min_samples_leaf=3, random_state=rng)
    scores: Array = model.fit(Z, label, sample_weight=weight).predict_proba(rows)[:, 1]
    return scores


def _balanced_error(label: Array, score: Array) -> float:
    # A score of exactly 0.5 decides nothing: it counts as half an error.
    wrong = np.where(score == 0.5, 0.5, (score > 0.5) != (label == 1))
    return float((wrong[label == 0].mean() + wrong[label == 1].mean()) / 2)


def proxy_a_distance(error: float) -> float:
    """``2 (1 - 2 error)`` of a domain classifier: 0 where the domains cannot be told apart, 2 where always.

    References
    ----------
    Ben-David et al. Analysis of Representations for Domain Adaptation. NIPS 2006, section 4.
    """
    return float(min(max(2 * (1 - 2 * error), 0.0), 2.0))


def median_bandwidth(X: Array, *, max_rows: int = 1000, random_state: Any = None) -> float:
    """Median of the pairwise Euclidean distances (of at most `max_rows` rows); 1 where it is 0."""
    rows = X[subsample(len(X), max_rows, random_state)]
    middle = float(np.median(pdist(rows))) if len(rows) > 1 else 0.0
    return middle if middle > 0 else 1.0


def _rbf(A: Array, B: Array, bandwidth: float) -> Array:
    kernel: Array = np.exp(-cdist(A, B, "sqeuclidean") / (2 * bandwidth**2))
    return kernel


def mmd2_unbiased(X: Array, Y: Array, bandwidth: float | None = None, random_state: Any = None) -> float:
    """Unbiased squared maximum mean discrepancy (Gretton et al. 2012, eq. 3) with the kernel ``exp(-d^2 / 2 s^2)``.

    Parameters
    ----------
    X, Y : arrays of shape (n, n_features), (m, n_features)
        The samples, of two rows or more.
    bandwidth : float, optional
        s; None is the median pairwise distance of the pooled rows.
    random_state : int, RandomState or None
        For what is drawn from large samples, as in `mmd_test`.
    """
    value, _ = mmd_test(X, Y, bandwidth=bandwidth, n_permutations=0, random_state=random_state)
    return value


def mmd_test(
    X: Array,
    Y: Array,
    *,
    bandwidth: float | None = None,
    n_permutations: int = 299,
    max_rows: int = 1000,
    random_state: Any = None,
) -> tuple[float, float]:
    """Unbiased squared MMD and its permutation p-value; beyond `max_rows` rows a sample, the linear-time test.

    All permutations are one matrix product with the kernel, which is computed once.

    Parameters
    ----------
    X, Y : arrays of shape (n, n_features), (m, n_features)
        The samples, of two rows or more.
    bandwidth : float, optional
        Width of the rbf kernel; None is the median pairwise distance.
    n_permutations : int
        0 gives a p-value of 1.
    max_rows : int
        Largest sample for which the quadratic statistic is used.
    random_state : int, RandomState or None
        For the permutations.

    Returns
    -------
    mmd2, p : float

    References
    ----------
    Gretton et al. A Kernel Two-Sample Test. JMLR 13, 2012, eq. 3 and section 6.
    """
    rng = check_random_state(random_state)
    n, m = len(X), len(Y)
    if min(n, m) < 2:
        return 0.0, 1.0
    Z = np.concatenate([X, Y])
    width = median_bandwidth(Z, random_state=rng) if bandwidth is None else bandwidth
    if max(n, m) > max_rows:
        return mmd_linear_test(X, Y, bandwidth=width, random_state=rng)
    K = _rbf(Z, Z, width)
    np.fill_diagonal(K, 0.0)
    inside = np.zeros(
        (n + m, n_permutations + 1)
    )  # column b: which rows play X in permutation b; column 0 is the truth
    inside[:n, 0] = 1
    for b in range(1, n_permutations + 1):
        inside[rng.permutation(n + m)[:n], b] = 1
    KZ = K @ inside
    xx = (inside * KZ).sum(axis=0)
    xy = KZ.sum(axis=0) - xx
    yy = K.sum() - xx - 2 * xy
    values = xx / (n * (n - 1)) + yy / (m * (m - 1)) - 2 * xy / (n * m)
    p = (1 + int((values[1:] >= values[0] - 1e-12).sum())) / (n_permutations + 1)
    return float(values[0]), float(p)


def mmd_linear_test(
    X: Array, Y: Array, *, bandwidth: float | None = None, random_state: Any = None
) -> tuple[float, float]:
    """Linear-time squared MMD over disjoint pairs, with its normal p-value (Gretton et al. 2012, lemma 14, section 6).

    Parameters
    ----------
    X, Y : arrays of shape (n, n_features), (m, n_features)
        The samples; rows are paired at random, ``min(n, m) // 2`` pairs.
    bandwidth : float, optional
        Width of the rbf kernel; None is the median pairwise distance.
    random_state : int, RandomState or None
        For the pairing.

    Returns
    -------
    mmd2, p : float
    """
    rng = check_random_state(random_state)
    pairs = min(len(X), len(Y)) // 2
    if pairs < 2:
        return 0.0, 1.0
    width = median_bandwidth(np.concatenate([X, Y]), random_state=rng) if bandwidth is None else bandwidth
    A, B = X[rng.permutation(len(X))[: 2 * pairs]], Y[rng.permutation(len(Y))[: 2 * pairs]]

    def kernel(U: Array, V: Array) -> Array:
        values: Array = np.exp(-((U - V) ** 2).sum(axis=1) / (2 * width**2))
        return values

    h = kernel(A[::2], A[1::2]) + kernel(B[::2], B[1::2]) - kernel(A[::2], B[1::2]) - kernel(A[1::2], B[::2])
    spread = h.std(ddof=1) / np.sqrt(pairs)
    p = float(stats.norm.sf(h.mean() / spread)) if spread > 0 else 1.0
    return float(h.mean()), p


def benjamini_hochberg(p: Array) -> Array:
    """Q-values of Benjamini & Hochberg (1995): the smallest false discovery rate at which each test is rejected."""
    p = np.asarray(p, dtype=np.float64)
    if not len(p):
        return p
    order = np.argsort(p)[::-1]
    adjusted = np.minimum.accumulate(p[order] * len(p) / np.arange(len(p), 0, -1))
    q = np.empty_like(p)
    q[order] = np.minimum(adjusted, 1.0)
    return q


def column_tests(Xs: Array, Xt: Array, *, few: int = 10) -> ColumnTests:
    """Test every column: Kolmogorov-Smirnov, or chi-square where the pooled column has at most `few` values.

    One sort of the pooled columns serves all of them. The KS p-value is that of the one-sample distribution at the
    effective size ``n m / (n + m)``, as in scipy's asymptotic mode.

    Parameters
    ----------
    Xs, Xt : arrays of shape (n_source, n_features), (n_target, n_features)
        The samples.
    few : int
        Most distinct values of a column that is counted rather than ranked.
    """
    n, m = len(Xs), len(Xt)
    X = np.concatenate([Xs, Xt])
    order = np.argsort(X, axis=0, kind="stable")
    values = np.take_along_axis(X, order, axis=0)
    of_target = order >= n
    last = np.concatenate([values[1:] != values[:-1], np.ones((1, X.shape[1]), dtype=bool)])  # last row of its ties
    counted = last.sum(axis=0) <= few
    gap = np.abs(np.cumsum(of_target, axis=0) / m - np.cumsum(~of_target, axis=0) / n)
    statistic = np.where(last, gap, 0.0).max(axis=0)
    effective = max(round(n * m / (n + m)), 1)
    p = np.clip(stats.kstwo.sf(statistic, effective), 0.0, 1.0)
    means = Xs.mean(axis=0), Xt.mean(axis=0)
    pooled = np.sqrt((Xs.var(axis=0) + Xt.var(axis=0)) / 2)
    # Two different constants are any number of standard deviations apart: the spread of both together stands in.
    pooled = np.where(pooled > 0, pooled, X.std(axis=0))
    effect = np.divide(means[1] - means[0], pooled, out=np.zeros(X.shape[1]), where=pooled > 0)
    if counted.any():
        statistic[counted], p[counted], effect[counted] = _chi_square(last[:, counted], of_target[:, counted], n, m)
    kind = np.where(counted, "few", "numeric")
    return ColumnTests(kind, statistic, effect, p, benjamini_hochberg(p))


def _chi_square(last: Array, of_target: Array, n: int, m: int) -> tuple[Array, Array, Array]:
    """Chi-square statistic, p-value and Cramer's V of columns that are sorted; ties end where `last` is True."""
    d = last.shape[1]
    level = np.cumsum(last, axis=0) - last  # 0, 1, 2, ... along each column
    levels = int(level.max()) + 1
    cell = level + levels * np.arange(d)
    total = np.bincount(cell.ravel(), minlength=levels * d).reshape(d, levels)
    target = np.bincount(cell.ravel(), weights=of_target.ravel(), minlength=levels * d).reshape(d, levels)
    expected = total * m / (n + m)
    # Both rows of the table share (observed - expected)^2; their expected counts are total m/N and total n/N.
    parts = np.divide((target - expected) ** 2, expected, out=np.zeros_like(expected), where=total > 0)
    statistic = parts.sum(axis=1) * (n + m) / n
    dof = (total > 0).sum(axis=1) - 1
    p = np.where(dof > 0, stats.chi2.sf(statistic, np.maximum(dof, 1)), 1.0)
    return statistic, p, np.sqrt(statistic / (n + m))
