"""Every array method on data that nobody wishes for: a finite answer, or one of our errors."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import common_checks
from transferkit import Domain, TransferError, catalogue

METHODS = [
    card
    for card in catalogue.cards().values()
    if card.protocol == "Transfer"
    and "vectors" in card.data
    and "torch" not in card.needs
    and "classification" in card.tasks
    and not card.missing
]


@st.composite
def worlds(draw):
    """Few rows, odd columns, odd classes: several of these at once."""
    rng = np.random.default_rng(draw(st.integers(0, 10_000)))
    n, m, d, k = (draw(st.integers(*bounds)) for bounds in ((4, 14), (3, 14), (1, 18), (2, 3)))
    y, yt = np.arange(n) % k, np.arange(m) % k
    X, Xt = (rng.normal(size=(rows, d)) + labels[:, None] for rows, labels in ((n, y), (m, yt)))
    if draw(st.booleans()):  # a class of one row
        y = np.where(np.arange(n) == 0, k - 1, np.minimum(y, k - 2)) if k > 2 else (np.arange(n) == 0).astype(int)
    if draw(st.booleans()):  # a class that the target lacks
        yt = np.minimum(yt, k - 2)
    if draw(st.booleans()):  # the same rows again
        X, Xt = X[np.arange(n) // 2], Xt[np.arange(m) // 3]
    kind = draw(st.sampled_from(["as it is", "constant", "scales", "one point", "no shift", "far away", "rank one"]))
    if kind == "constant":
        X[:, 0] = Xt[:, 0] = 3.0
    elif kind == "scales":
        scale = 10.0 ** rng.integers(-6, 7, size=d)
        X, Xt = X * scale, Xt * scale
    elif kind == "one point":
        Xt[:] = Xt[0]
    elif kind == "no shift":
        Xt, yt = X.copy(), y.copy()
    elif kind == "far away":
        Xt += 1e4
    elif kind == "rank one":
        X, Xt = np.outer(X[:, 0], np.ones(d)), np.outer(Xt[:, 0], np.ones(d))
    if draw(st.booleans()):
        X, Xt = X.astype(np.float32), Xt.astype(np.float32)
    return X, y, Xt, yt, kind


@pytest.mark.parametrize("card", METHODS, ids=lambda card: card.name)
@settings(max_examples=6, deadline=None, derandomize=True, database=None, suppress_health_check=list(HealthCheck))
@given(world=worlds())
def test_a_finite_answer_or_a_clear_error(card, world):
    X, y, Xt, yt, _ = world
    subject = common_checks.Subject(card, catalogue.load(card.name))
    known = None if subject.label_free else np.arange(len(yt)) < max(2, len(yt) // 2)
    target = Domain(Xt) if known is None else Domain(Xt, yt, known)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # solvers that stop early, columns that hardly vary
        try:
            model = subject.make().fit(X, y, target=target)
        except TransferError as err:
            assert str(err).startswith(card.cls), f"an error begins with the class that raises it: {err}"  # noqa: PT017
            return
        predicted = model.predict(Xt)
        assert predicted.shape == (len(Xt),)
        assert np.isin(predicted, np.append(model.classes_, getattr(model, "unknown", 0))).all()
        for name in ("predict_proba", "transform"):
            if hasattr(model, name):
                assert np.isfinite(np.asarray(getattr(model, name)(Xt), dtype=float)).all(), f"{name} must be finite"
        if hasattr(model, "decision_function"):  # minus infinity stands for a class that no known label has
            assert not np.isnan(model.decision_function(Xt)).any(), "decision_function must hold numbers"
