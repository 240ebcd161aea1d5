"""What a method that is given a trained graph network and an unlabelled graph has to fulfil (data "graph", source_free).

`tests/test_graph_free_checks.py` holds, for each of these, a method that must fail it.
"""

from __future__ import annotations

import copy
import inspect
import random
from collections.abc import Mapping
from functools import cache
from typing import Any

import numpy as np
import pytest
import torch
from numpydoc.docscrape import ClassDoc
from scipy import sparse
from sklearn.base import clone

import graph_worlds as worlds
import transferkit
from common_checks import Subject, check_constraints, check_docstring, state_of
from graph_checks import training
from transferkit import Domain, DomainError, GraphSourceOnly, ParamError

SEEDS = range(3)


@cache
def _source(name: str, seed: int) -> tuple[worlds.Graphs, GraphSourceOnly]:
    world = getattr(worlds, name)(seed)
    source = GraphSourceOnly(hidden=8, training=training(n_epochs=20), random_state=seed)
    return world, source.fit(world.X, world.y, target=Domain(world.X, edges=world.edges), edges=world.edges)


def world(name: str = "moved", seed: int = 0) -> tuple[worlds.Graphs, GraphSourceOnly]:
    """Two graphs, and a new copy of a network that was fitted on the first without a look at the second."""
    graphs, source = _source(name, seed)
    return graphs, copy.deepcopy(source)


def settings(own: Mapping[str, Any], params: Mapping[str, Any]) -> dict[str, Any]:
    """A method's cheap settings, with a source."""
    return {**({"training": training()} if "training" in params else {}), **own, "source": world()[1]}


def fit(subject: Subject, name: str = "moved", seed: int = 0, **params: Any) -> Any:
    """Fitted on the target's graph."""
    graphs, source = world(name, seed)
    return subject.make(**{"source": source, **params}).fit(graphs.Xt, edges=graphs.edges_t)


def assert_same(a: Any, b: Any, X: Any, why: str, edges: Any = None) -> None:
    """Two fits give the same outputs, to the last bit."""
    for name in ("predict", "predict_proba"):
        assert state_of(getattr(a, name)(X, edges)) == state_of(getattr(b, name)(X, edges)), f"{why} ({name})"


def check_graph_free_protocol(subject: Subject) -> None:
    """Fit has the protocol's parameters and then `edges`; what answers for nodes takes `edges` too."""
    asked = ["self", "X", "edges"]
    signatures = {"fit": ["self", "X", "y", "edges"], "predict": asked, "predict_proba": asked}
    for name, expected in signatures.items():
        assert list(inspect.signature(getattr(subject.cls, name)).parameters) == expected, (
            f"{name} must take {expected}"
        )


def check_graph_free_of_labels(subject: Subject) -> None:
    """The same with labels of the target, with wrong ones and with none; the network alone will do for a source."""
    graphs, source = world()
    plain = fit(subject)
    for y in (graphs.yt, np.roll(graphs.yt, 1)):
        other = subject.make().fit(graphs.Xt, y, edges=graphs.edges_t)
        assert_same(other, plain, graphs.Xt, "labels must not be looked at")
    bare = fit(subject, source=source.network_, classes=source.classes_)
    assert_same(bare, plain, graphs.Xt, "the network alone must do")


def check_graph_free_answers(subject: Subject) -> None:
    """Classes and probabilities for the target, for any other graph with its edges, and under other names."""
    (graphs, source), other = world(), worlds.same(1, 40)
    for names in ([0, 1, 2], ["ash", "birch", "cedar"]):
        model = fit(subject, classes=names)
        for X, edges in ((graphs.Xt, None), (graphs.Xt, graphs.edges_t), (other.Xt, other.edges_t)):
            proba = model.predict_proba(X, edges)
            assert proba.shape == (len(X), 3)
            np.testing.assert_allclose(proba.sum(axis=1), 1, rtol=1e-5)
            np.testing.assert_array_equal(np.asarray(names)[proba.argmax(axis=1)], model.predict(X, edges))
    assert model.transform(graphs.Xt).shape == (len(graphs.Xt), 8)
    assert model.network_ is not source.network_
    with pytest.raises(DomainError, match=rf"^{subject.card.cls}\.predict: edges must be given"):
        model.predict(other.Xt)


def check_graph_free_attributes(subject: Subject) -> None:
    """Everything that a fit learns is in the docstring."""
    known = {name.strip() for p in ClassDoc(subject.cls)["Attributes"] for name in p.name.split(",")}
    learned = {n for n in vars(fit(subject)) if not n.startswith("_")} - set(subject.params)
    assert learned - known - {"n_features_in_", "feature_names_in_"} == set(), "undocumented attributes"


def check_graph_free_nothing_changed(subject: Subject) -> None:
    """A fit changes neither inputs, parameters nor the source, nor any generator; a clone keeps the fitted source."""
    graphs, source = world()
    source.network_.train()
    model = subject.make(source=source)
    inputs = [graphs.Xt, graphs.edges_t, source.network_]
    generators = [torch.get_rng_state().numpy().tobytes(), list(np.random.get_state()), random.getstate()]  # noqa: NPY002
    before, outside = state_of([*inputs, model.get_params(deep=False)]), state_of(generators)
    assert model.fit(graphs.Xt, edges=graphs.edges_t) is model, "fit must return self"
    model.predict(graphs.Xt)
    assert state_of([*inputs, model.get_params(deep=False)]) == before, "inputs, parameters or the source changed"
    generators = [torch.get_rng_state().numpy().tobytes(), list(np.random.get_state()), random.getstate()]  # noqa: NPY002
    assert state_of(generators) == outside, "global state changed"
    again = clone(model).fit(graphs.Xt, edges=graphs.edges_t)
    assert_same(again, model, graphs.Xt, "a clone must have the fitted source")


def check_graph_free_repeatable(subject: Subject, folder: Any) -> None:
    """The same seed gives the same result, a refit starts fresh, and a saved model says the same and can be fitted again."""
    graphs, _ = world()
    model, other = fit(subject), worlds.same(1, 40)
    assert_same(model, fit(subject), graphs.Xt, "the same seed must give the same result")
    again = subject.make().fit(other.Xt, edges=other.edges_t).fit(graphs.Xt, edges=graphs.edges_t)
    assert_same(again, model, graphs.Xt, "a refit must start fresh")
    loaded = transferkit.load(transferkit.save(model, folder / "saved"))
    assert vars(loaded).keys() == vars(model).keys()
    assert_same(loaded, model, graphs.Xt, "a loaded model must predict what the saved one did")
    assert_same(loaded, model, other.Xt, "a loaded model must predict what the saved one did", other.edges_t)
    assert_same(loaded.fit(graphs.Xt, edges=graphs.edges_t), model, graphs.Xt, "refit of a loaded model")


def check_graph_free_errors(subject: Subject) -> None:
    """What is wrong with rows, edges, a source or a parameter is said in one line that names it."""
    graphs, source = world()
    X, edges, cls = graphs.Xt, graphs.edges_t, subject.card.cls
    for wrong in (None, 7, X[:0], X[:, :-1], np.where(np.arange(6) == 2, np.nan, X)):
        with pytest.raises(DomainError, match=rf"^{cls}\.fit: X must "):
            subject.make().fit(wrong, edges=edges)
    for wrong in (None, edges.T, [[0, len(X)], [1, 2]], sparse.eye(3).tocsr()):
        with pytest.raises(DomainError, match=rf"^{cls}\.fit: edges must "):
            subject.make().fit(X, edges=wrong)
    several = GraphSourceOnly(hidden=8, training=training(n_epochs=1))
    several.fit(graphs.X, worlds.two_labels(graphs.y), target=Domain(X, edges=edges), edges=graphs.edges)
    for wrong in (clone(source), torch.nn.Linear(6, 3), several):
        with pytest.raises(ParamError, match=rf"^{cls}\.fit: source must be"):
            subject.make(source=wrong).fit(X, edges=edges)
    for names in (["a", "b"], ["a", "b", "a"]):
        with pytest.raises(ParamError, match=rf"^{cls}\.fit: classes must be 3 different names"):
            subject.make(classes=names).fit(X, edges=edges)
    for name in subject.params:
        model = subject.make()
        setattr(model, name, object())
        with pytest.raises(ParamError, match=rf"^{cls}\.fit: {name} must "):
            model.fit(X, edges=edges)


def check_graph_free_odd(subject: Subject) -> None:
    """One node, no edges, constant features, sparse features, one-way edges: a finite result."""
    graphs, _ = world()
    n, none = len(graphs.Xt), np.empty((2, 0), int)
    for X, edges in (
        (graphs.Xt[:1], none), (graphs.Xt, none), (np.ones((n, 6)), graphs.edges_t), (graphs.Xt, np.array([[0], [1]])),
        (sparse.csr_matrix(graphs.Xt), graphs.edges_t),
    ):  # fmt: skip
        model = subject.make(symmetric=False).fit(X, edges=edges)
        assert np.isfinite(model.predict_proba(X)).all(), "probabilities must be finite"


def check_graph_free_history(subject: Subject, folder: Any) -> None:
    """Every epoch is in the history; a fit that was stopped goes on to the same end; drawn neighbours do too."""

    def stop(event: str, state: Any) -> None:
        if event == "update" and state["update"] == 2:
            raise InterruptedError

    graphs, _ = world()
    drawn = {"drawn": {"n_neighbors": 3}} if "n_neighbors" in subject.params else {}
    for name, own in {"whole": {}, **drawn}.items():
        given = {"n_epochs": 4, "checkpoint_every": 1}
        unbroken = fit(subject, **own, training=training(**given, folder=folder / f"{name} one"))
        assert [row["epoch"] for row in unbroken.history_] == [1, 2, 3, 4]
        for row in unbroken.history_:
            watched = {"target/entropy", "target/diversity", "target/largest_share", "train/loss"}
            assert watched <= row.keys(), "an epoch must say what is known without labels"
            assert np.isfinite(list(row.values())).all()
        assert {"collapsed", "scores_before", "target_shares_before", "target_shares"} <= unbroken.facts_.keys()
        with pytest.raises(InterruptedError):
            fit(subject, **own, training=training(**given, folder=folder / f"{name} two", callbacks=[stop]))
        resumed = fit(subject, **own, training=training(**given, folder=folder / f"{name} two"))
        assert_same(resumed, unbroken, graphs.Xt, "a resumed fit must equal the unbroken one")
    with pytest.raises(ParamError, match=r"training\.validation must be 0"):
        fit(subject, training=training(validation=0.2))


def gains(subject: Subject, name: str) -> float:
    """Mean accuracy on the target over the seeds, minus that of the source's network."""
    found = []
    for seed in SEEDS:
        graphs, source = world(name, seed)
        model = fit(subject, name, seed, random_state=seed, training=training(lr=0.01, n_epochs=40))
        found.append(model.score(graphs.Xt, graphs.yt) - source.score(graphs.Xt, graphs.yt, edges=graphs.edges_t))
    return float(np.mean(found))


def check_graph_free_transfers(subject: Subject) -> None:
    """On the better of two shifts (features, structure) it beats the source's network."""
    found = [gains(subject, name) for name in ("moved", "rewired")]
    assert max(found) >= 0.03, f"{max(found):+.3f} against the source's network"


def check_graph_free_no_harm(subject: Subject) -> None:
    """Where nothing shifted it loses at most 5 points of accuracy."""
    change = gains(subject, "same")
    assert change >= -0.05, f"{change:+.3f} against the source's network, without a shift"


GRAPH_FREE_CHECKS = (
    check_constraints, check_docstring, check_graph_free_protocol, check_graph_free_of_labels, check_graph_free_answers,
    check_graph_free_attributes, check_graph_free_nothing_changed, check_graph_free_repeatable, check_graph_free_errors,
    check_graph_free_odd, check_graph_free_history, check_graph_free_transfers, check_graph_free_no_harm,
)  # fmt: skip
