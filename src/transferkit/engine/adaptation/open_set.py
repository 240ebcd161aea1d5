"""A target with classes that the source does not have: a label for them, and a head that may give it.

A head of `transferkit.ops.nn.open_heads` has one output more than there are classes, the last for the unknown. A method puts it
in with `open_up` before the training (in ``_edit``), and where its user wants none takes it out with `close` after it
(in ``_finish``).
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from torch import nn

from ...ops.unknown_label import UNKNOWN, with_unknown
from ..answers.labels import Labels
from ..networks.estimator import Fit

__all__ = ["UNKNOWN", "close", "closed_labels", "open_labels", "open_up"]


def open_labels(where: str, labels: Labels, unknown: Any = "auto") -> Labels:
    """The source's classes, and behind them one for the unknown.

    Parameters
    ----------
    where : str
        Beginning of the message.
    labels : Labels
        Of a classification.
    unknown : str or number or None
        Its label; "auto" and None are the text "unknown" where classes are text, else one more than the largest.

    Raises
    ------
    ParamError
        If it is a class of the source, or of another kind than they are.
    """
    classes = labels.classes
    assert classes is not None
    is_text = classes.dtype.kind in "US"
    if unknown is None:  # `close` takes it out again, so its user has no say in it
        unknown = "unknown" if is_text else classes.max().item() + 1
        while unknown in classes.tolist():
            unknown = f"not {unknown}" if is_text else 2 * unknown
    classes = with_unknown(where, classes, unknown)
    return replace(labels, n_outputs=len(classes), classes=classes)


def closed_labels(labels: Labels, dtype: Any) -> Labels:
    """The source's classes alone again, of the type that they came in."""
    assert labels.classes is not None
    k = labels.n_outputs - 1
    return replace(labels, n_outputs=k, classes=labels.classes[:k].astype(dtype))


def open_up(where: str, fit: Fit, head: nn.Module, unknown: Any) -> None:
    """Put in a head that knows of the unknown, and its label.

    Raises
    ------
    ParamError
        As `open_labels`.
    """
    fit.labels = open_labels(where, fit.labels, unknown)
    fit.network.add_module("head", head)


def close(fit: Fit) -> None:
    """Leave of the head what is for the known classes; every row then gets one of them."""
    fit.labels = closed_labels(fit.labels, fit.y.dtype)
    closed = fit.network.head.closed
    assert isinstance(closed, nn.Module)
    fit.network.add_module("head", closed)
