"""Office-Caltech10 with SURF features, all source rows, nearest neighbour."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sklearn.model_selection import GridSearchCV
from sklearn.svm import SVC

from ..core.protocols import Domain
from ..data import named
from ._table import Row

__all__ = ["DATA", "MISSING", "PROTOCOL", "ROWS", "TASKS", "TITLE", "load"]

TITLE = "Office-Caltech10, SURF features, 12 tasks"
PROTOCOL = (
    "Rows divided by their sum, columns standardised in each domain by itself (population standard deviation); all rows"
    " of the source, no label of the target; accuracy on all rows of the target in percent; nearest neighbour unless"
    " the row says otherwise; nothing is drawn at random. Numbers with one decimal were cut from two: 32.947 is 32.95 and"
    " then 33.0 (TCA dslr -> caltech and JDA webcam -> caltech; likewise 29.749 in JDA webcam -> amazon)."
)
DATA = "office-caltech-surf"
MISSING: tuple[str, ...] = ()
_PAIRS = "CA CW CD AC AW AD WC WA WD DC DA DW"  # the order of the published tables
_DOMAINS = {"A": "amazon", "C": "caltech", "D": "dslr", "W": "webcam"}
TASKS = {f"{_DOMAINS[s]} -> {_DOMAINS[t]}": (_DOMAINS[s], _DOMAINS[t]) for s, t in _PAIRS.split()}

_JDA = "Long et al., ICCV 2013"
_MEDA = "Wang et al., ACM Multimedia 2018, table 2"
_JGSA = "Zhang, Li & Ogunbona, CVPR 2017"


def load() -> Mapping[str, Domain]:
    """The four domains, preprocessed as the tables' authors did."""
    return named.load(DATA, preprocess="paper")


def linear_svm() -> Any:
    """A linear support vector machine, C chosen on the source by two-fold cross-validation as in CORAL's code."""
    return GridSearchCV(SVC(kernel="linear"), {"C": [10.0**p for p in range(-3, 5)]}, cv=2)


_SVM = "linear support vector machine, C by two-fold cross-validation on the source"

ROWS = (
    Row(
        "1NN", "source_only",
        (23.70, 25.76, 25.48, 26.00, 29.83, 25.48, 19.86, 22.96, 59.24, 26.27, 28.50, 63.39),
        _JDA, "no transfer", verified=True,
    ),
    Row(
        "PCA, 100", "joint_pca",
        (36.95, 32.54, 38.22, 34.73, 35.59, 27.39, 26.36, 31.00, 77.07, 29.65, 32.05, 75.93),
        _JDA, "100 components of both domains", {"n_components": 100}, verified=True,
    ),
    Row(
        "PCA, 30", "joint_pca",
        (39.5, 34.6, 44.6, 39.0, 35.9, 33.8, 28.2, 29.1, 89.2, 29.7, 33.2, 86.1),
        _MEDA, "30 components of both domains", {"n_components": 30}, decimals=1, verified=True,
    ),
    Row(
        "GFK", "gfk",
        (41.02, 40.68, 38.85, 40.25, 38.98, 36.31, 30.72, 29.75, 80.89, 30.28, 32.05, 75.59),
        _JDA, "subspaces of dimension 20; 10 for caltech with dslr, amazon with webcam and dslr with webcam",
        by_task={"n_components": (20, 20, 10, 20, 10, 20, 20, 10, 10, 10, 20, 10)}, verified=True,
    ),
    Row(
        "TCA, 30", "tca",
        (45.6, 39.3, 45.9, 42.0, 40.0, 35.7, 31.5, 30.5, 91.1, 33.0, 32.8, 87.5),
        _MEDA, "linear kernel, 30 components, reg 1, rows of length 1",
        {"n_components": 30, "reg": 1.0, "kernel": "linear"}, decimals=1, verified=True,
    ),
    Row(
        "JDA, 30", "jda",
        (43.1, 39.3, 49.0, 40.9, 38.0, 42.0, 33.0, 29.8, 92.4, 31.2, 33.4, 89.2),
        _MEDA, "linear kernel, 30 components, reg 1, 10 rounds, rows of length 1",
        {"n_components": 30, "reg": 1.0, "kernel": "linear", "n_iter": 10}, decimals=1, verified=True,
    ),
    Row(
        "JDA, 100", "jda",
        (44.78, 41.69, 45.22, 39.36, 37.97, 39.49, 31.17, 32.78, 89.17, 31.52, 33.09, 89.49),
        _JDA, "linear kernel, 100 components, reg 1, 10 rounds, rows of length 1",
        {"n_components": 100, "reg": 1.0, "kernel": "linear", "n_iter": 10}, verified=True,
    ),
    Row(
        "TCA, 100", "tca",
        (38.20, 38.64, 41.40, 37.76, 37.63, 33.12, 29.30, 30.06, 87.26, 31.70, 32.15, 86.10),
        _JDA, "linear kernel, 100 components, reg 1, rows of length 1; the paper's setting is not known",
        {"n_components": 100, "reg": 1.0, "kernel": "linear"},
    ),
    Row(
        "GFK, 30", "gfk",
        (46.03, 36.95, 40.76, 40.69, 36.95, 40.13, 24.76, 27.56, 85.35, 29.30, 28.71, 80.34),
        _JGSA, "subspaces of dimension 30; the paper's setting is not known", {"n_components": 30},
    ),
    Row(
        "SA, 30", "subspace_alignment",
        (49.27, 40.00, 39.49, 39.98, 33.22, 33.76, 35.17, 39.25, 75.16, 34.55, 39.87, 76.95),
        _JGSA, "subspaces of dimension 30; the paper's setting is not known", {"n_components": 30},
    ),
    Row(
        "SVM", "source_only",
        (53.1, 41.7, 47.8, 41.7, 31.9, 44.6, 28.8, 27.6, 78.3, 26.4, 26.2, 52.5),
        _MEDA, f"no transfer; {_SVM}", decimals=1, estimator=linear_svm,
    ),
    Row(
        "CORAL, SVM", "coral",
        (52.1, 46.4, 45.9, 45.1, 44.4, 39.5, 33.7, 36.0, 86.6, 33.8, 37.7, 84.7),
        _MEDA, f"reg 1; {_SVM}", {"reg": 1.0}, decimals=1, estimator=linear_svm,
    ),
)  # fmt: skip
