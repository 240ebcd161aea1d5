"""The shift diagnosis: how two domains differ, and which families of methods that calls for."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from sklearn.utils import check_random_state

from ...core.errors import DomainError
from ...core.protocols import Array, Domain
from ...core.validation import Task
from ...ops.components import component_space, subsample
from ...ops.evidence.performance_shift import domain_posterior
from ...ops.evidence.two_sample import (
    ColumnTests,
    classifier_two_sample,
    column_tests,
    domain_space,
    mmd_test,
    proxy_a_distance,
)
from .findings import findings
from .kind import kind_of
from .limits import LEVEL, MOST_COLUMNS, MOST_ROWS
from .measured import Measured
from .performance import performance_split
from .rows import dense_rows, standardised
from .shares import Shares, shares_of
from .sources import rank_sources
from .uncovered import support_of, uncovered_clusters

__all__ = ["gap_profile"]

MMD_CELLS = 4_000_000  # numbers a domain that the linear-time test reads, where the rows are more than are sampled else


def gap_profile(
    source: Domain,
    target: Domain,
    *,
    groups: Array | None = None,
    feature_names: Sequence[str] | None = None,
    own_columns: bool = True,
    task: Task = "classification",
    random_state: int = 0,
) -> dict[str, Any]:
    """Measure how the target differs from the source and say what it means.

    Parameters
    ----------
    source, target : Domain
        Rows of numbers with the same columns; the source labelled. More than 5000 rows a domain are sampled. Target labels
        are used only where they are known, and only to split the loss of a source model (``performance``).
    groups : array of shape (n_source,), optional
        The source domain of each row, where there are several.
    feature_names : sequence of str, optional
        Names of the columns; None is ``x0``, ``x1``, ...
    own_columns : bool
        Whether they are columns of the data; False where a network or a reduction made them, so that nobody is told to look
        for a mistake there.
    task : {"classification", "regression"}
        For a regression the shares are those of the source's fifths of the label.
    random_state : int
        Sampling, folds and permutations.

    Returns
    -------
    dict
        Strict JSON. ``kind`` ("none", "covariate", "label", "both", "concept" or "unclear") with its ``evidence``; ``auc``,
        ``auc_p`` (domain classifier of trees), ``linear_auc``, ``linear_p``, ``auc_standardised``, ``mmd2``, ``mmd_p``,
        ``proxy_a_distance``; ``support`` (``outside``, ``used``, ``expected``); ``columns`` (the 20 strongest, with
        ``name``, ``statistic``, ``effect``, ``p``, ``q``) and ``columns_moved``; ``label_shift`` (``classes``, ``source``,
        ``target``, ``low``, ``high``, ``tv``, ``moved``, ``target_aligned``, ``tv_aligned``, ``agree``, ``auc_matched``,
        ``auc_matched_p``; None for a regression, which has the same under ``value_shift``); ``sources`` (most related
        first); ``uncovered`` (groups of target rows that no source covers); ``performance`` (None without target labels);
        ``rows`` and ``findings`` (``says``, ``number``, ``fits``, ``avoid``, ``why``).

    Raises
    ------
    DomainError
        If a domain has fewer than two rows, or the columns do not go together.

    Examples
    --------
    >>> import numpy as np
    >>> from transferkit import Domain
    >>> from transferkit.pipeline.gap import gap_profile
    >>> X, y = np.random.default_rng(0).normal(size=(120, 3)), np.arange(120) % 2
    >>> profile = gap_profile(Domain(X[:60], y[:60]), Domain(X[60:] + [3, 0, 0]))
    >>> profile["columns"][0]["name"], profile["auc"] > 0.9
    ('x0', True)
    """
    rng = check_random_state(random_state)
    rows, index = subsample(source.n_samples, MOST_ROWS, rng), _target_rows(target, rng)
    Xs, Xt = dense_rows(source, rows), dense_rows(target, index)
    if min(len(Xs), len(Xt)) < 2 or Xs.shape[1] != Xt.shape[1]:
        raise DomainError(
            "gap_profile: source and target must have two rows or more and the same columns."
            f" Got shapes {Xs.shape} and {Xt.shape}."
        )
    names = [f"x{j}" for j in range(Xs.shape[1])] if feature_names is None else [str(n) for n in feature_names]
    if len(names) != Xs.shape[1]:
        raise DomainError(f"gap_profile: feature_names must name {Xs.shape[1]} columns. Got {len(names)}.")
    if groups is not None and len(groups) != source.n_samples:
        raise DomainError(f"gap_profile: groups must have {source.n_samples} entries. Got {len(groups)}.")
    own = np.full(len(rows), source.name) if groups is None else np.asarray(groups)[rows]
    y = None if source.y is None else np.asarray(source.y)[rows]
    mmd2, mmd_p = _kernel_test(source, target, Xs, Xt, rng)
    pi_s, pi_t = domain_posterior(*domain_space(Xs, Xt, random_state=rng), random_state=rng)
    support, outside = support_of(pi_s, pi_t)
    known = np.flatnonzero(target.mask[index])
    yt = np.asarray(target.y)[index][known] if len(known) else np.empty(0)
    measured = Measured(
        test=classifier_two_sample(Xs, Xt, random_state=rng),
        linear=classifier_two_sample(Xs, Xt, linear=True, random_state=rng),
        per_domain=classifier_two_sample(*_jittered(*standardised(Xs, Xt), rng), random_state=rng),
        mmd2=mmd2,
        mmd_p=mmd_p,
        columns=column_tests(Xs, Xt),
        names=names,
        own_columns=own_columns,
        support=support,
        shares=None if y is None else shares_of(Xs, y, Xt, task, rng),
        sources=rank_sources(Xs, own, Xt, rng) if len(np.unique(own)) > 1 else [],
        uncovered=uncovered_clusters(Xs, Xt, outside, index, names, rng),
        performance=None if y is None else performance_split(Xs, y, Xt[known], yt, (pi_s, pi_t[known]), task, rng),
        n_source=source.n_samples,
        n_target=target.n_samples,
        regression=task == "regression",
    )
    return _as_facts(measured, len(rows), len(index))


def _jittered(Zs: Array, Zt: Array, rng: np.random.RandomState) -> tuple[Array, Array]:
    """A tenth of a standard deviation of noise, or rounded numbers would tell by their last digits who standardised them."""
    return Zs + 0.1 * rng.normal(size=Zs.shape), Zt + 0.1 * rng.normal(size=Zt.shape)


def _target_rows(target: Domain, rng: np.random.RandomState) -> Array:
    """At most so many rows of the target, labelled ones among the first."""
    known = target.known_rows[subsample(len(target.known_rows), MOST_ROWS // 2, rng)]
    rest = np.setdiff1d(np.arange(target.n_samples), known, assume_unique=True)
    return np.sort(np.r_[known, rest[subsample(len(rest), MOST_ROWS - len(known), rng)]])


def _kernel_test(
    source: Domain, target: Domain, Xs: Array, Xt: Array, rng: np.random.RandomState
) -> tuple[float, float]:
    """Quadratic on 1000 rows a domain; of large domains the linear-time test on many more, which has more power then."""
    n = min(source.n_samples, target.n_samples)
    if n <= MOST_ROWS:
        few = subsample(len(Xs), 1000, rng), subsample(len(Xt), 1000, rng)
        return mmd_test(*component_space(Xs[few[0]], Xt[few[1]], n_components=50, random_state=rng), random_state=rng)
    most = max(MOST_ROWS, MMD_CELLS // Xs.shape[1])
    parts = (dense_rows(d, subsample(d.n_samples, most, rng)) for d in (source, target))
    return mmd_test(*component_space(*parts, n_components=50, random_state=rng), random_state=rng)


def _as_facts(m: Measured, n_source: int, n_target: int) -> dict[str, Any]:
    kind, evidence = kind_of(m)
    shares = None if m.shares is None else _shares(m.shares)
    return {
        "kind": kind,
        "evidence": evidence,
        "auc": m.test.auc,
        "auc_p": m.test.p,
        "linear_auc": m.linear.auc,
        "linear_p": m.linear.p,
        "auc_standardised": m.per_domain.auc,
        "mmd2": m.mmd2,
        "mmd_p": m.mmd_p,
        "proxy_a_distance": proxy_a_distance(m.test.error),
        "support": m.support,
        "columns": _strongest(m.columns, m.names),
        "columns_moved": int((m.columns.q < LEVEL).sum()),
        "label_shift": None if m.regression else shares,
        "value_shift": shares if m.regression else None,
        "sources": m.sources,
        "uncovered": m.uncovered,
        "performance": m.performance,
        "rows": {"source": m.n_source, "target": m.n_target, "source_used": n_source, "target_used": n_target},
        "findings": findings(m, kind),
    }


def _shares(s: Shares) -> dict[str, Any]:
    return {
        "classes": s.classes,
        "source": s.source.tolist(),
        "target": s.target.tolist(),
        "low": s.low.tolist(),
        "high": s.high.tolist(),
        "tv": s.tv,
        "moved": s.moved,
        "target_aligned": s.aligned.tolist(),
        "tv_aligned": s.tv_aligned,
        "agree": s.agree,
        "auc_matched": s.matched.auc,
        "auc_matched_p": s.matched.p,
    }


def _strongest(tests: ColumnTests, names: Sequence[str]) -> list[dict[str, Any]]:
    order = np.lexsort((-np.abs(tests.effect), tests.q))[:MOST_COLUMNS]
    return [
        {
            "name": names[j],
            "statistic": float(tests.statistic[j]),
            "effect": float(tests.effect[j]),
            "p": float(tests.p[j]),
            "q": float(tests.q[j]),
        }
        for j in order
    ]
