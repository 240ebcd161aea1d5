"""What every method between graphs (protocol Transfer, data "graph") has to fulfil.

`tests/bad_graphs.py` holds, for each of these, a method that must fail it.
"""

from __future__ import annotations

import inspect
import random
import re
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
import pytest
from numpydoc.docscrape import ClassDoc
from scipy import sparse

import graph_worlds as worlds
import transferkit
from common_checks import Subject, check_clone, check_constraints, check_docstring, state_of
from transferkit import Domain, DomainError, ParamError
from transferkit.catalogue import Card
from transferkit.core import protocols

SEEDS = range(2)
_LONG = 40  # epochs after which a tiny network has learned what there is


def training(**params: Any) -> Any:
    """Settings of the loop for a tiny network: too short to learn much, the checks that ask for that train longer."""
    from transferkit import Training  # needs torch, which other methods between graphs do without

    own = {"n_epochs": 3, "lr": 0.05, "batch_size": 32, "optimizer": "adam", "schedule": "constant", "warmup": 0.0}
    return Training(**{**own, "device": "cpu", "progress": False, **params})


def settings(own: Mapping[str, Any], params: Mapping[str, Any]) -> dict[str, Any]:
    """A method's cheap settings: a narrow network and few epochs, where it is a network."""
    tiny = {"hidden": 8, "training": training()}
    return {**{k: v for k, v in tiny.items() if k in params}, **own}


def fit(subject: Subject, world: worlds.Graphs, **params: Any) -> Any:
    """Fitted with as many target labels as it needs."""
    target = world.target(0 if subject.label_free else 5)
    return subject.make(**params).fit(world.X, world.y, target=target, edges=world.edges)


_KEPT: dict[type, Any] = {}


def fitted(subject: Subject) -> Any:
    """That of `worlds.same(0)`, shared by the checks that only look at it; the fit of one class at a time is kept."""
    if subject.cls not in _KEPT:
        _KEPT.clear()
        _KEPT[subject.cls] = fit(subject, worlds.same(0))
    return _KEPT[subject.cls]


def assert_same(a: Any, b: Any, X: Any, why: str, edges: Any = None) -> None:
    """Two fitted methods give the same predictions, and probabilities where they have them."""
    for name in ("predict", "predict_proba"):
        if hasattr(a, name):
            np.testing.assert_array_equal(getattr(a, name)(X, edges), getattr(b, name)(X, edges), err_msg=why)


def is_network(subject: Subject) -> bool:
    """Whether it trains one."""
    return "training" in subject.params


# Any method ---------------------------------------------------------------------------------------------------------


def check_graph_protocol(subject: Subject) -> None:
    """Fit has the protocol's parameters and then `edges`; what answers for nodes takes `edges` too."""
    expected = [*inspect.signature(protocols.Transfer.fit).parameters, "edges"]
    assert list(inspect.signature(subject.cls.fit).parameters) == expected, (
        "fit must take edges after what Transfer takes"
    )
    for name in ("predict", "predict_proba"):
        if hasattr(subject.cls, name):
            found = list(inspect.signature(getattr(subject.cls, name)).parameters)
            assert found == ["self", "X", "edges"], f"{name} must take X and edges"
    assert subject.cls.__name__ == subject.card.cls
    assert "graph" in subject.card.data


def check_graph_answers(subject: Subject) -> None:
    """Classes and probabilities for the target without a word on its edges, and for any other graph with its own."""
    world, other = worlds.same(0), worlds.same(1, 40)
    model = fitted(subject)
    np.testing.assert_array_equal(model.classes_, [0, 1, 2])
    for X, edges in ((world.Xt, None), (world.Xt, world.edges_t), (other.Xt, other.edges_t)):
        predicted = model.predict(X, edges)
        assert predicted.shape == (len(X),)
        assert np.isin(predicted, model.classes_).all(), "it must predict classes of the source"
        if hasattr(model, "predict_proba"):
            proba = model.predict_proba(X, edges)
            assert proba.shape == (len(X), 3)
            np.testing.assert_allclose(proba.sum(axis=1), 1, rtol=1e-5)
        if hasattr(model, "transform"):
            assert len(model.transform(X, edges=edges)) == len(X)
            assert len(model.transform(world.X, domain="source", edges=world.edges)) == len(world.X)
    assert_same(model, model, world.Xt, "asked with edges and without", world.edges_t)
    np.testing.assert_array_equal(model.predict(world.Xt), model.predict(world.Xt, world.edges_t))
    assert 0 <= model.score(world.Xt, world.yt) <= 1
    assert 0 <= model.score(other.Xt, other.yt, edges=other.edges_t) <= 1
    names = np.array(["ash", "birch", "cedar"])
    named = replace(world, y=names[world.y], yt=names[world.yt])
    np.testing.assert_array_equal(fit(subject, named).predict(world.Xt), names[model.predict(world.Xt)])
    for X in (other.Xt, world.Xt[::-1]):
        with pytest.raises(DomainError, match=rf"^{subject.card.cls}\.predict: edges must be given"):
            model.predict(X)


def check_graph_labels(subject: Subject) -> None:
    """Several labels a node are learned from a table of 0 and 1, or refused in the words of `y`."""
    world = worlds.same(0)
    table = replace(world, y=worlds.two_labels(world.y), yt=worlds.two_labels(world.yt))
    target = Domain(world.Xt, edges=world.edges_t)
    if not subject.label_free:
        target = replace(target, y=table.yt, known=np.arange(len(table.yt)) < 20)
    try:
        model = subject.make().fit(table.X, table.y, target=target, edges=world.edges)
    except DomainError as err:
        assert re.match(rf"{subject.card.cls}\.fit: y must", str(err)), str(err)  # noqa: PT017
        return
    predicted, proba = model.predict(world.Xt), model.predict_proba(world.Xt)
    assert predicted.shape == proba.shape == (60, 2)
    assert np.isin(predicted, (0, 1)).all()
    assert ((proba >= 0) & (proba <= 1)).all()
    assert not hasattr(model, "classes_")
    assert 0 <= model.score(world.Xt, table.yt) <= 1
    with pytest.raises(DomainError, match=rf"^{subject.card.cls}\.fit: y must be a table of 0 and 1"):
        subject.make().fit(table.X, table.y * 2, target=target, edges=world.edges)


def check_graph_attributes(subject: Subject) -> None:
    """Everything that a fit learns and shows is in the docstring."""
    known = {name.strip() for p in ClassDoc(subject.cls)["Attributes"] for name in p.name.split(",")}
    learned = {n for n in vars(fitted(subject)) if not n.startswith("_")} - set(subject.params)
    assert not [n for n in learned if not n.endswith("_")], "what is learned ends in _"
    assert learned - known - {"n_features_in_", "feature_names_in_"} == set(), "undocumented attributes"


def check_graph_edges(subject: Subject) -> None:
    """A list, a list with repetitions and loops, and a sparse matrix say the same; so do sparse features and frames."""
    world = worlds.same(0)
    n, loops = len(world.y), np.vstack([np.arange(5)] * 2)
    matrix = sparse.csr_matrix((np.ones(world.edges.shape[1]), tuple(world.edges)), shape=(n, n))
    plain = fitted(subject)
    expected, again = plain.predict(world.Xt), world.edges[:, : world.edges.shape[1] // 2]
    for edges in (np.hstack([world.edges, again, loops]), matrix, matrix.tocoo(), sparse.csc_array(matrix)):
        assert_same(fit(subject, replace(world, edges=edges)), plain, world.Xt, "the same edges, said otherwise")
    thin = fit(subject, replace(world, X=sparse.csr_matrix(world.X), Xt=sparse.csr_matrix(world.Xt)))
    assert (thin.predict(world.Xt) == expected).mean() >= 0.95, "sparse features differ from dense ones"
    assert (thin.predict(sparse.csr_array(world.Xt)) == expected).mean() >= 0.95
    frame = [pd.DataFrame(X, columns=list("abcdef")) for X in (world.X, world.Xt)]
    model = fit(subject, replace(world, X=frame[0], Xt=frame[1]))
    assert (model.predict(frame[1]) == expected).mean() >= 0.95
    assert list(model.feature_names_in_) == list("abcdef")


def check_graph_bad_edges(subject: Subject) -> None:
    """Edges that cannot be are refused, in fit and after it, by the name of the argument."""
    world = worlds.same(0)
    n, cls = len(world.y), subject.card.cls
    one = sparse.coo_matrix(([1.0], ([0], [1])), shape=(n, n))
    wrong = [
        None, [0, 1], world.edges.T, [[0, n], [1, 2]], [[-1], [0]], [[0.5], [1.0]], [["a"], ["b"]], one * -1, one * np.nan,
        one * np.inf, sparse.eye(n + 1).tocsr(), [[0, 1], [2]],
    ]  # fmt: skip
    for edges in wrong:
        with pytest.raises(DomainError, match=rf"^{cls}\.fit: edges must "):
            fit(subject, replace(world, edges=edges))
        with pytest.raises(DomainError, match=rf"^{cls}\.fit: target\.edges must "):
            fit(subject, replace(world, edges_t=edges))
    model = fitted(subject)
    for edges in wrong[1:]:
        with pytest.raises(DomainError, match=rf"^{cls}\.predict: edges must "):
            model.predict(world.Xt, edges)
    for X in (world.Xt[:, :3], np.where(np.arange(6) == 2, np.nan, world.Xt)):
        with pytest.raises(DomainError, match=rf"^{cls}\.predict: X must "):
            model.predict(X, world.edges_t)


def check_graph_bad_targets(subject: Subject) -> None:
    """What is wrong with a target, groups or a parameter is said in one line that names it."""
    world = worlds.same(0)
    here = re.escape(f"{subject.card.cls}.fit: target")
    good = world.target(0 if subject.label_free else 5)
    for target in (
        world.Xt, None, "target", replace(good, X=world.Xt[:, :3]),
        replace(good, X=np.where(np.arange(6) == 2, np.nan, world.Xt)),
        Domain(world.Xt[:0], edges=np.empty((2, 0), int)), Domain(world.Xt[:, 0], edges=world.edges_t),
    ):  # fmt: skip
        with pytest.raises(DomainError, match=f"^{here}"):
            subject.make().fit(world.X, world.y, target=target, edges=world.edges)
    with pytest.raises(DomainError, match=rf"^{subject.card.cls}\.fit: groups must "):
        subject.make().fit(world.X, world.y, target=good, edges=world.edges, groups=[1, 2])
    model = subject.make().fit(world.X, world.y, target=good, edges=world.edges, groups=np.arange(60) % 2)
    assert len(model.predict(world.Xt)) == 60
    for X, y in ((world.X, None), (world.X, world.y[:-1]), (world.X, np.zeros(60, int))):
        with pytest.raises(DomainError, match=rf"^{subject.card.cls}\.fit: "):
            subject.make().fit(X, y, target=good, edges=world.edges)
    for name in subject.params:
        with pytest.raises(ParamError, match=rf"^{subject.card.cls}\.fit: {name} must "):
            fit(subject, world, **{name: object()})


def check_graph_odd(subject: Subject) -> None:
    """Nodes without edges, graphs without edges, a class of one node, constant features, one-way edges: a finite result."""
    world, none = worlds.same(0, 30), np.empty((2, 0), int)
    rare = np.where(np.arange(30) == 0, 0, 1 + np.arange(30) % 2)
    lone = world.edges[:, (world.edges > 9).all(axis=0)]
    odd = [
        replace(world, edges=none), replace(world, edges_t=none), replace(world, edges=none, edges_t=none),
        replace(world, edges=lone, edges_t=lone), replace(world, y=rare),
        replace(world, X=np.ones((30, 2)), Xt=np.ones((30, 2))), replace(world, edges=np.array([[0], [1]])),
        replace(world, X=np.zeros((30, 3)), Xt=np.zeros((30, 3)), edges_t=none),
    ]  # fmt: skip
    for case in odd:
        model = fit(subject, case)
        assert np.isin(model.predict(case.Xt), model.classes_).all()
        if hasattr(model, "predict_proba"):
            assert np.isfinite(model.predict_proba(case.Xt)).all(), "probabilities must be finite"
    few = replace(world, Xt=world.Xt[:1], yt=world.yt[:1], edges_t=none)
    if subject.label_free:
        assert len(fit(subject, few).predict(few.Xt)) == 1


def check_graph_nothing_changed(subject: Subject) -> None:
    """A fit and a prediction change neither parameters nor inputs, nor any generator."""
    world, model = worlds.same(0), subject.make()
    n = len(world.y)
    matrix = sparse.csr_matrix((np.ones(world.edges.shape[1]), tuple(world.edges)), shape=(n, n))
    target = replace(world.target(0 if subject.label_free else 5), edges=matrix)
    inputs = [world.X, world.y, world.edges, target.X, target.y, matrix.data, matrix.indices, matrix.indptr]
    before, before_model = state_of(inputs), state_of(model)
    generators = state_of([list(np.random.get_state()), random.getstate()])  # noqa: NPY002
    assert model.fit(world.X, world.y, target=target, edges=world.edges) is model, "fit must return self"
    model.predict(world.Xt)
    assert state_of(inputs) == before, "inputs changed"
    assert state_of(model) == before_model, "parameters changed"
    assert state_of([list(np.random.get_state()), random.getstate()]) == generators, "global state changed"  # noqa: NPY002


def check_graph_repeatable(subject: Subject, folder: Any) -> None:
    """The same seed gives the same result; a refit starts fresh; saved and loaded it says the same, and can be fitted again."""
    world, first = worlds.moved(0, 60), worlds.same(3, 40)
    first = replace(first, X=first.X[:, :4], Xt=first.Xt[:, :4])
    np.random.seed(1)  # noqa: NPY002
    model = fit(subject, world)
    np.random.seed(2)  # noqa: NPY002
    assert_same(model, fit(subject, world), world.Xt, "the same seed must give the same result")
    again = fit(subject, first).fit(
        world.X, world.y, target=world.target(0 if subject.label_free else 5), edges=world.edges
    )
    assert vars(again).keys() == vars(model).keys()
    assert_same(again, model, world.Xt, "a refit must start fresh")
    loaded = transferkit.load(transferkit.save(model, folder / "saved"))
    assert vars(loaded).keys() == vars(model).keys()
    assert_same(loaded, model, world.Xt, "a loaded model must predict what the saved one did")
    assert_same(loaded, model, world.X, "a loaded model must predict what the saved one did", world.edges)
    target = world.target(0 if subject.label_free else 5)
    assert_same(
        loaded.fit(world.X, world.y, target=target, edges=world.edges), model, world.Xt, "refit of a loaded model"
    )


def check_graph_hidden_labels(subject: Subject) -> None:
    """Labels that are not known change nothing, whatever is written there."""
    world, found = worlds.moved(0, 60), []
    known = world.target(5).mask if subject.takes_labels else np.zeros(60, dtype=bool)
    rng = np.random.default_rng(0)
    for labels in (world.yt, rng.permutation(world.yt), np.full(60, 77)):
        y = np.where(known, world.yt, labels)
        target = Domain(world.Xt, y, known, edges=world.edges_t)
        found.append(subject.make().fit(world.X, world.y, target=target, edges=world.edges))
    for other in found[1:]:
        assert_same(found[0], other, world.Xt, "hidden labels were used")


# Networks -----------------------------------------------------------------------------------------------------------


def check_graph_drawn_neighbours(subject: Subject) -> None:
    """With drawn neighbours it trains in batches, stays repeatable, and answers with all neighbours, in pieces."""
    world, own = worlds.same(0), {"n_neighbors": 3, "training": training(n_epochs=3)}
    model = fit(subject, world, **own)
    assert model.n_updates_ == 6, "two batches an epoch"
    assert_same(model, fit(subject, world, **own), world.Xt, "the same seed must give the same result")
    model.n_neighbors = None
    whole = model.predict_proba(world.Xt)
    model.n_neighbors = 3
    np.testing.assert_allclose(model.predict_proba(world.Xt), whole, atol=1e-5, err_msg="pieces differ from the whole")


def check_graph_history(subject: Subject, folder: Any) -> None:
    """Every epoch is in the history with what is known without labels; a fit that was stopped goes on to the same end."""
    world = worlds.same(0)

    def stop(event: str, state: Any) -> None:
        if event == "update" and state["update"] == 2:
            raise InterruptedError

    given = {"n_epochs": 4, "checkpoint_every": 1}
    unbroken = fit(subject, world, training=training(**given, folder=folder / "one"))
    assert [row["epoch"] for row in unbroken.history_] == [1, 2, 3, 4]
    for row in unbroken.history_:
        watched = {"domain/auc", "source/score", "target/entropy", "target/diversity", "target/largest_share"}
        assert watched <= row.keys(), "an epoch must say what is known without labels"
        assert any(name.endswith("/loss") for name in row), "no loss is logged"
        assert np.isfinite(list(row.values())).all()
    assert {"collapsed", "diverged", "scores", "target_shares"} <= unbroken.facts_.keys()
    with pytest.raises(InterruptedError):
        fit(subject, world, training=training(**given, folder=folder / "two", callbacks=[stop]))
    resumed = fit(subject, world, training=training(**given, folder=folder / "two"))
    assert resumed.history_ == unbroken.history_, "a resumed fit must equal the unbroken one"
    assert_same(resumed, unbroken, world.Xt, "a resumed fit must equal the unbroken one")
    held = fit(subject, world, training=training(n_epochs=2, validation=0.25, keep="best"))
    assert all(0 <= row["validation"] <= 1 for row in held.history_)


# Does it transfer? --------------------------------------------------------------------------------------------------


_PLAIN: dict[tuple[Any, int], np.ndarray] = {}


def source_alone(make: Callable[[int], worlds.Graphs], seed: int) -> np.ndarray:
    """Where the graph network that is trained on the source alone is right: the same for all methods."""
    from transferkit import GraphSourceOnly

    if (make, seed) not in _PLAIN:
        world, model = make(seed), GraphSourceOnly(hidden=8, training=training(n_epochs=_LONG), random_state=seed)
        model.fit(world.X, world.y, target=world.target(), edges=world.edges)
        _PLAIN[make, seed] = model.predict(world.Xt) == world.yt
    return _PLAIN[make, seed]


def gains(subject: Subject, make: Callable[[int], worlds.Graphs]) -> float:
    """Mean accuracy on the target over the seeds, minus that of a graph network trained on the source alone."""
    found = []
    for seed in SEEDS:
        world = make(seed)
        rows = np.ones(len(world.yt), dtype=bool) if subject.label_free else ~world.target(5).mask
        own = {"random_state": seed} if "random_state" in subject.params else {}
        longer = {"training": training(n_epochs=_LONG)} if is_network(subject) else {}
        right = fit(subject, world, **own, **longer).predict(world.Xt) == world.yt
        found.append(right[rows].mean() - source_alone(make, seed)[rows].mean())
    return float(np.mean(found))


def check_graph_transfers(subject: Subject) -> None:
    """On the better of two shifts (features, structure) it does not lose to the graph network of the source alone."""
    found = []
    for make in (worlds.moved, worlds.rewired):
        found.append(gains(subject, make))
        if found[-1] >= 0:
            return
    raise AssertionError(f"{max(found):+.3f} against the source alone")


def check_graph_no_harm(subject: Subject) -> None:
    """Where nothing shifted it loses at most 5 points of accuracy."""
    change = gains(subject, worlds.same)
    assert change >= -0.05, f"{change:+.3f} against the source alone, without a shift"


CLASS_CHECKS = (check_constraints, check_docstring, check_clone)
GRAPH_CHECKS = (
    *CLASS_CHECKS, check_graph_protocol, check_graph_answers, check_graph_labels, check_graph_attributes,
    check_graph_edges, check_graph_bad_edges, check_graph_bad_targets, check_graph_odd, check_graph_nothing_changed,
    check_graph_repeatable, check_graph_hidden_labels, check_graph_drawn_neighbours, check_graph_history,
    check_graph_transfers, check_graph_no_harm,
)  # fmt: skip
NETWORK_CHECKS = (check_graph_drawn_neighbours, check_graph_history)


def checks_of(card: Card) -> tuple[Callable[..., None], ...]:
    """The checks that a method has to pass: one without a network has none to stop or to draw neighbours for."""
    return tuple(c for c in GRAPH_CHECKS if "torch" in card.needs or c not in NETWORK_CHECKS)
