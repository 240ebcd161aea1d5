"""What graph methods share beyond the common checks: default settings, what is watched, held-back nodes, several labels."""

import numpy as np
import pytest
import torch

import graph_worlds as worlds
from graph_checks import training
from transferkit import Domain, DomainError, GraphSourceOnly, TransferWarning, catalogue
from transferkit.core.constraints import check_params
from transferkit.engine.answers.labels import Labels
from transferkit.engine.graphs.objective import GraphObjective, Nodes
from transferkit.engine.training.settings import Training


def fitted(world, **params):
    own = {"hidden": 8, "training": training(), **params}
    return GraphSourceOnly(**own).fit(world.X, world.y, target=world.target(), edges=world.edges)


@pytest.mark.parametrize("card", [c for c in catalogue.find(data="graph") if "torch" in c.needs], ids=lambda c: c.name)
def test_every_method_names_settings_that_the_training_takes(card):
    cls = catalogue.load(card.name)
    if hasattr(cls, "_settings"):
        assert cls._settings, "full batches need more epochs than the default of the loop"
        check_params(Training(**cls._settings))


def test_what_is_known_without_labels_is_looked_at_in_twenty_epochs():
    history = fitted(worlds.same(0, 30), training=training(n_epochs=45)).history_
    watched = [row["epoch"] for row in history if "domain/auc" in row]
    assert watched == [*range(3, 46, 3)]
    assert len(history) == 45
    uneven = fitted(worlds.same(0, 30), training=training(n_epochs=23, validation=0.2)).history_
    assert [row["epoch"] for row in uneven if "domain/auc" in row] == [*range(2, 23, 2), 23]
    assert all("validation" in row for row in uneven)


def test_held_back_nodes_stay_in_the_graph_but_out_of_the_loss():
    world = worlds.same(0)
    seen = []
    look = GraphObjective.look

    def watch(self, stream, name):
        seen.append(stream)
        return look(self, stream, name)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(GraphObjective, "look", watch)
        fitted(world, training=training(n_epochs=1, validation=0.25))
    assert seen[0].x.shape == (1, 45)
    assert len(seen) == 1


def test_several_labels_cost_the_sum_of_their_losses():
    z, y = torch.tensor([[0.0, 0.0, 2.0]]), torch.tensor([[1.0, 0.0, 1.0]])
    nodes = Nodes(z, z, y, torch.arange(1), None, torch.arange(1), [z])
    found = GraphObjective(torch.nn.Identity(), Labels("multilabel", 3), {}, None).task(nodes)
    assert found.item() == pytest.approx(2 * np.log(2) + np.log1p(np.exp(-2.0)), rel=1e-6)


def test_a_task_that_the_labels_are_not_is_refused():
    world = worlds.same(0, 30)
    for y, task in ((world.y, "multilabel"), (worlds.two_labels(world.y), "classification"), (world.X[:, 0], "auto")):
        with pytest.raises(DomainError, match=r"^GraphSourceOnly\.fit: y must "):
            GraphSourceOnly(task=task).fit(world.X, y, target=world.target(), edges=world.edges)


def test_labels_of_the_target_may_be_anything():
    world = worlds.same(0, 30)
    plain = fitted(world)
    target = Domain(world.Xt, np.full(30, "unknown"), edges=world.edges_t)
    other = GraphSourceOnly(hidden=8, training=training()).fit(world.X, world.y, target=target, edges=world.edges)
    np.testing.assert_array_equal(plain.predict_proba(world.Xt), other.predict_proba(world.Xt))


def test_a_collapse_of_several_labels_is_said_aloud():
    """One label for all nodes of the target, which are of more, is a collapse; a label that both graphs' nodes all have is none."""
    world = worlds.same(0)
    y = np.column_stack([world.y == k for k in range(3)]).astype(int)
    given = {"target": world.target(), "edges": world.edges}
    model = GraphSourceOnly(hidden=8, training=training(n_epochs=30)).fit(world.X, y, **given)
    assert not model.facts_["collapsed"]
    assert np.isclose(sum(model.facts_["target_shares"]), 1)
    ever = np.column_stack([np.ones(len(y), dtype=int), y])
    model = GraphSourceOnly(hidden=8, training=training(n_epochs=30)).fit(world.X, ever, **given)
    assert not model.facts_["collapsed"]
    far = Domain(world.Xt + 50 * np.eye(6)[0], edges=world.edges_t)
    with pytest.warns(TransferWarning, match=r"have collapsed: 100% of its nodes are given one class"):
        model = GraphSourceOnly(hidden=8, training=training(n_epochs=30)).fit(world.X, y, target=far, edges=world.edges)
    assert model.facts_["collapsed"]
