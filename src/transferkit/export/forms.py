"""Predictors whose own mathematics cannot be followed operation by operation, written out as nodes once a form."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from ..algorithms.self_training.label_propagation import LabelPropagation
from ..core.boosting import MedianTransfer, VoteTransfer
from .answer import Answer
from .maps import Ask, asked
from .trace import Traced, picked
from .twins import nearest_rows

__all__ = ["form_of"]

Form = Callable[[Any, Traced, Ask], Answer]


def form_of(model: Any) -> Form | None:
    """How a predictor of this kind is written out; None of one that is followed."""
    return next((form for kind, form in _FORMS.items() if isinstance(model, kind)), None)


def _vote(model: VoteTransfer, rows: Traced, ask: Ask) -> Answer:
    """Labels that vote; a tie goes to the last class."""
    graph, classes = rows.graph, np.asarray(model.classes_)
    total = None
    for estimator, share in zip(model.estimators_, model.votes_ / model.votes_.sum()):
        if share > 0:
            said = ask(estimator, rows.name, rows.shape[1]).among(graph, classes)
            ballot = Answer(classes, code=said.codes(graph)).sure(graph)
            vote = graph.add("Mul", ballot, graph.constant(np.full(len(classes), share)))
            total = vote if total is None else graph.add("Add", total, vote)
    assert total is not None
    return Answer(classes, proba=total, code=graph.add("ArgMax", total, axis=1, keepdims=0, select_last_index=1))


def _median(model: MedianTransfer, rows: Traced, ask: Ask) -> Answer:
    """Median of values with weights: the lower one of two."""
    stand_in, weights = asked(model, ask), np.asarray(model.votes_, dtype=np.float64)
    voting = np.flatnonzero(weights > 0)
    said: Any = np.column_stack([stand_in.estimators_[t].predict(rows) for t in voting])
    values, order = said.smallest(len(voting))
    reached = np.cumsum(picked(weights[voting], order), axis=1)
    middle = (reached >= reached[:, -1:] / 2).argmax(axis=1)
    median: Any = np.take_along_axis(values, middle[:, None], axis=1)
    return Answer(value=median[:, 0].name)


def _spread(model: LabelPropagation, rows: Traced, ask: Ask) -> Answer:
    """Scores of the nearest rows, passed on along the edges to a new row; all rows are compared, however many there are."""
    degree, scores = 0.0, 0.0
    for X, known, k, part in (
        (model.X_target_, model.scores_target_, model.n_neighbors, 1.0),
        (model.X_source_, model.scores_source_, model.n_bridges, 0.5),  # W is the mean of both directions
    ):
        squared, index = nearest_rows(X, rows, min(k, len(X)))
        width = squared.max(axis=1, keepdims=True)
        weights = np.exp(-squared / np.where(width > 0, width, 1.0)) * part
        degree = degree + weights.sum(axis=1, keepdims=True)
        scores = scores + (weights[:, :, None] * picked(known, index)).sum(axis=1)
    scores = scores * model.alpha / np.sqrt(degree)
    if model.belief:
        believed = asked(model, ask).estimator_.predict_proba(rows)
        scores = scores + (1 - model.alpha) * model.belief * believed
    scores = scores * model.class_scale_
    return Answer(np.asarray(model.classes_), proba=(scores / scores.sum(axis=1, keepdims=True)).name)


_FORMS: dict[type, Form] = {VoteTransfer: _vote, MedianTransfer: _median, LabelPropagation: _spread}
