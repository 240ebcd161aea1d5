"""The shift diagnosis: how two domains differ, and which families of methods that calls for."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from scipy import sparse
from sklearn.utils import check_random_state

from ..core.errors import DomainError
from ..core.protocols import Array, Domain
from ..core.validation import Task
from ..ops.components import component_space, subsample
from ..ops.label_shift import ShareEstimate, class_shares
from ..ops.two_sample import (
    ColumnTests,
    DomainTest,
    classifier_two_sample,
    column_tests,
    mmd_test,
    proxy_a_distance,
)

__all__ = ["gap_profile"]

# A domain classifier below this reads as no covariate shift: 24 real tasks without a shift stayed within 0.40 to 0.53.
SHIFT_AUC = 0.60
STRONG_AUC = 0.90
SHARES_MOVED = 0.20
MOST_ROWS = 5000
MOST_COLUMNS = 20
FEW_COLUMNS = 20


def gap_profile(
    source: Domain,
    target: Domain,
    *,
    feature_names: Sequence[str] | None = None,
    task: Task = "classification",
    random_state: int = 0,
) -> dict[str, Any]:
    """Measure how the target differs from the source, without a target label, and say what it means.

    Parameters
    ----------
    source, target : Domain
        Rows of numbers with the same columns; the source labelled. More than 5000 rows a domain are sampled.
    feature_names : sequence of str, optional
        Names of the columns; None is ``x0``, ``x1``, ...
    task : {"classification", "regression"}
        Class shares are estimated for a classification only.
    random_state : int
        Sampling, folds and permutations.

    Returns
    -------
    dict
        ``auc``, ``auc_p`` (domain classifier), ``mmd2``, ``mmd_p``, ``proxy_a_distance``, ``columns`` (the 20 strongest,
        with ``name``, ``statistic``, ``effect``, ``p``, ``q``), ``label_shift`` (``classes``, ``source``, ``target``,
        ``tv``; or None) and ``findings`` (``says``, ``number``, ``fits``, ``avoid``). Strict JSON.

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
    rows = subsample(source.n_samples, MOST_ROWS, rng)
    Xs, Xt = _rows(source, rows), _rows(target, subsample(target.n_samples, MOST_ROWS, rng))
    if min(len(Xs), len(Xt)) < 2 or Xs.shape[1] != Xt.shape[1]:
        raise DomainError(
            "gap_profile: source and target must have two rows or more and the same columns."
            f" Got shapes {Xs.shape} and {Xt.shape}."
        )
    names = [f"x{j}" for j in range(Xs.shape[1])] if feature_names is None else [str(n) for n in feature_names]
    if len(names) != Xs.shape[1]:
        raise DomainError(f"gap_profile: feature_names must name {Xs.shape[1]} columns. Got {len(names)}.")
    test = classifier_two_sample(Xs, Xt, random_state=rng)
    mmd2, mmd_p = mmd_test(*component_space(Xs, Xt, n_components=50, random_state=rng), random_state=rng)
    columns = column_tests(Xs, Xt)
    shares, classes = None, np.empty(0)
    if task == "classification" and source.y is not None:
        classes, codes = np.unique(np.asarray(source.y)[rows], return_inverse=True)
        if len(classes) > 1:
            shares = class_shares(Xs, codes, Xt, random_state=rng)
    per_domain = classifier_two_sample(_standardised(Xs), _standardised(Xt), random_state=rng)
    return {
        "auc": test.auc,
        "auc_p": test.p,
        "mmd2": mmd2,
        "mmd_p": mmd_p,
        "proxy_a_distance": proxy_a_distance(test.error),
        "columns": _strongest(columns, names),
        "label_shift": None
        if shares is None
        else {
            "classes": classes.tolist(),
            "source": shares.source.tolist(),
            "target": shares.target.tolist(),
            "tv": shares.tv,
        },
        "findings": _findings(test, per_domain, columns, shares, min(len(Xs), len(Xt))),
    }


def _rows(domain: Domain, rows: Array) -> Array:
    X = domain.X[rows]
    return np.asarray(X.toarray() if sparse.issparse(X) else X, dtype=np.float64)


def _standardised(X: Array) -> Array:
    return component_space(X, n_components=X.shape[1])[0]


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


def _findings(
    test: DomainTest, per_domain: DomainTest, columns: ColumnTests, shares: ShareEstimate | None, n: int
) -> list[dict[str, Any]]:
    shifted = test.auc > SHIFT_AUC and test.p < 0.05
    found = [_about_shift(test, shifted)]
    if shifted:
        found.append(_about_columns(columns))
        found.append(_about_scale(test, per_domain))
    if shares is not None:
        found.append(_about_shares(shares, shifted))
    if n < 50:
        found.append(
            _says(
                "One domain has fewer than 50 rows, so all numbers here are rough.", f"{n} rows", avoid=["adversarial"]
            )
        )
    return found


def _about_shift(test: DomainTest, shifted: bool) -> dict[str, Any]:
    number = f"domain AUC {test.auc:.2f}, p {test.p:.3f}"
    if not shifted:
        return _says(
            "No covariate shift shows: a classifier can hardly tell the domains apart, so adapting has little to gain.",
            number,
            fits=["baseline"],
            avoid=["feature", "instance", "discrepancy", "adversarial"],
        )
    if test.auc >= STRONG_AUC:
        return _says(
            "The domains barely overlap. Weights on source rows rest on a few rows then; mapping both domains into one"
            " space fits better.",
            number,
            fits=["feature", "discrepancy", "self_training"],
            avoid=["instance"],
        )
    return _says(
        "The rows are distributed differently, and the domains overlap. Weighting source rows and mapping features both fit.",
        number,
        fits=["instance", "feature"],
    )


def _about_columns(columns: ColumnTests) -> dict[str, Any]:
    moved, d = int((columns.q < 0.05).sum()), len(columns.q)
    number = f"{moved} of {d} columns at a false discovery rate of 5 %"
    if not moved:
        return _says(
            "No single column moved: the shift is in how columns go together (their covariance or finer).",
            number,
            fits=["feature"],
        )
    if moved <= max(1, min(FEW_COLUMNS, d // 5)):
        return _says(
            "A few columns carry the shift. Look at those first: a changed unit, code or sensor shows there.", number
        )
    return _says("The shift is spread over many columns.", number, fits=["feature"])


def _about_scale(test: DomainTest, per_domain: DomainTest) -> dict[str, Any]:
    number = f"domain AUC {test.auc:.2f} before, {per_domain.auc:.2f} after standardising each domain by itself"
    if per_domain.auc <= SHIFT_AUC:
        return _says(
            "A constant offset and scale of each column explains the shift. Standardising each domain by itself, or a"
            " linear map, may be all it takes.",
            number,
            fits=["feature"],
            avoid=["instance", "adversarial"],
        )
    if per_domain.auc < test.auc - 0.05:
        return _says(
            "An offset and scale of each column explains a part of the shift, not all.", number, fits=["feature"]
        )
    return _says("An offset and scale of each column does not explain the shift.", number, fits=["feature"])


def _about_shares(shares: ShareEstimate, shifted: bool) -> dict[str, Any]:
    number = f"total variation {shares.tv:.2f}"
    moved = shares.tv > SHARES_MOVED
    if shifted:
        return _says(
            f"The class shares {'may have moved' if moved else 'seem about equal'}, but this estimate is not reliable"
            " under a covariate shift: if you know the target's shares, trust those.",
            number,
        )
    if moved:
        return _says(
            "The class shares seem to have moved, with little other change.",
            number,
            fits=["label_shift"],
            avoid=["feature"],
        )
    return _says("The class shares seem about equal.", number, avoid=["label_shift"])


def _says(says: str, number: str, fits: Sequence[str] = (), avoid: Sequence[str] = ()) -> dict[str, Any]:
    return {"says": says, "number": number, "fits": list(fits), "avoid": list(avoid)}
