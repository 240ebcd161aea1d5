"""The base of multi-task networks: streams, missing labels, balancing in the loop, resuming, affinity."""

from __future__ import annotations

from unittest import mock

import numpy as np
import pytest
import torch

import multi_task_checks
import networks
from transferkit import MTAN, Domain, DomainError, FineTuning, HardSharing, ParamError, TrainingError
from transferkit.engine.multi_task.objective import MultiTaskObjective
from transferkit.engine.multi_task.task_rows import stream_losses, task_streams
from transferkit.engine.training.loop import Loop
from transferkit.engine.training.objective import Stream
from transferkit.ops.nn.balancing import BALANCERS, GradientBalancer, make_balancer

GRADIENT = [name for name, cls in BALANCERS.items() if issubclass(cls, GradientBalancer)]


def training(**params):
    return networks.training(**{"n_epochs": 2, "batch_size": 16, "lr": 0.02, "progress": False, **params})


def model(**params):
    return HardSharing(**{"backbone": "small:mlp?hidden=8", "training": training(), **params})


def built(given, **params):
    """The objective of a fit, and a batch of all its rows."""
    est = model(**params)
    torch.manual_seed(0)
    fit = est._begin("fit", est._check_tasks("fit", given), est._checked_training("fit"), 0)
    est._edit(fit)
    objective = est._objective(fit)
    batch = {
        name: Stream(torch.as_tensor(s.rows.X)[s.rows.index].float(), s.rows.y, torch.arange(len(s.rows)))
        for name, s in fit.streams.items()
    }
    return fit, objective, batch


# Rows ---------------------------------------------------------------------------------------------------------------


def test_tasks_with_equal_rows_go_through_the_network_once():
    given = multi_task_checks.tasks()
    given[1] = Domain(given[1].X.copy(), given[1].y, given[1].known, name="sum")
    fit, objective, batch = built(given)
    assert {name: s.tasks for name, s in fit.streams.items()} == {"kind+sum": ("kind", "sum"), "sign": ("sign",)}
    seen = []
    with mock.patch.object(type(fit.network), "features", lambda self, x: seen.append(len(x)) or self.body(x)):
        objective._loss(batch, 0.0)
    assert seen == [48 + 24]


def test_rows_without_any_label_are_left_out():
    given = multi_task_checks.tasks()[1:2]
    fit, _, _ = built(given)
    assert fit.streams["sum"].rows.index.tolist() == np.flatnonzero(given[0].known).tolist()


def test_a_missing_label_does_not_move_its_head():
    """With labels of one task only in a batch, the other task's head has no gradient; labels count alike."""
    given = multi_task_checks.tasks()[:2]
    fit, objective, batch = built(given)
    rows = batch["kind+sum"]
    unlabelled = torch.nonzero(rows.y[:, 2] == 0)[:, 0]  # of the sum
    part = {"kind+sum": Stream(rows.x[unlabelled], rows.y[unlabelled], unlabelled)}
    objective._loss(part, 0.0)["loss"].backward()
    kind, total = fit.network.head.of_task
    assert all(p.grad is None or not p.grad.any() for p in total.parameters())
    assert all(p.grad.any() for p in kind.parameters())


def test_the_loss_is_the_mean_over_known_labels_and_of_pieces_as_of_the_whole():
    given = multi_task_checks.tasks()[:2]
    labels, (stream,) = task_streams("f", given, lambda X: FakeRows(X), {"kind": "auto", "sum": "auto"})
    outputs = torch.randn(48, 4)
    whole = Stream(None, stream.rows.y, torch.arange(48))
    shares = {"kind": 1.0, "sum": 2 / 3}
    found = stream_losses(whole, stream.tasks, outputs, labels, shares)
    y = (given[1].known_y - given[1].known_y.mean()) / given[1].known_y.std()
    expected = np.square(outputs[given[1].known, 3].numpy() - y).mean()
    assert found["sum"].item() == pytest.approx(expected, rel=1e-5)
    halves = [
        stream_losses(Stream(None, whole.y[k], whole.rows[k]), stream.tasks, outputs[k], labels, shares)["sum"]
        for k in (slice(0, 24), slice(24, 48))
    ]
    assert torch.stack(halves).mean().item() == pytest.approx(expected, rel=1e-5)


class FakeRows:
    def __init__(self, X):
        self.X, self.y = X, None

    def __len__(self):
        return len(self.X)

    def take(self, index):
        assert len(index) == len(self.X)
        return self


def test_texts_and_pictures():
    texts, _, two, number = networks.text_rows(24, 0)
    given = [Domain(texts, two, name="two"), Domain(list(texts), number + 0.125, name="number")]
    fitted = model(backbone=networks.KINDS["text"].learned(), training=training(n_epochs=1)).fit(given)
    assert fitted.predict(texts[:3], task="number").shape == (3,)
    X, y, _, _ = networks.image_rows(20, 0)
    fitted = model(backbone=networks.KINDS["images"].fresh(), training=training(n_epochs=1)).fit(
        [Domain(X, y, name="a")]
    )
    assert fitted.predict(X, task="a").shape == (20,)


# One task, and the kinds of labels ----------------------------------------------------------------------------------


def test_with_one_task_it_is_plain_training():
    """The same network from the same seed, fine-tuned on the same rows, ends in the same weights, whatever the balancing."""
    given = multi_task_checks.tasks()[0]
    net = torch.nn.Sequential(torch.nn.Linear(5, 8), torch.nn.ReLU())
    plain = FineTuning(net, training=training(), plan="full", batch_norm="train", random_state=0).fit(given.X, given.y)
    for balancing in ("equal", "nash_mtl", "famo"):
        ours = model(backbone=net, balancing=balancing).fit([given])
        np.testing.assert_array_equal(
            ours.decision_function(given.X, task="kind"), plain.decision_function(given.X), err_msg=balancing
        )


def test_kinds_by_task():
    X = np.random.default_rng(0).normal(size=(30, 5))
    given = [Domain(X, np.arange(30) % 4, name="count"), Domain(X, np.arange(30) % 2, name="class")]
    fitted = model(kinds={"count": "regression"}).fit(given)
    assert list(fitted.classes_) == ["class"]
    assert fitted.predict(X, task="count").dtype.kind == "f"
    with pytest.raises(DomainError, match=r"task must have classes\. Got 'count'"):
        fitted.predict_proba(X, task="count")
    with pytest.raises(ParamError, match=r"kinds must name tasks of count, class\. Got also other"):
        model(kinds={"other": "regression"}).fit(given)
    with pytest.raises(ParamError, match=r"kinds must be one of"):
        model(kinds={"count": ["regression"]}).fit(given)


# Balancing in the loop ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("balancing", ["cagrad", "imtl"])
def test_what_is_shared_is_balanced_and_what_is_one_tasks_own_gets_its_own_gradient(balancing):
    fit, objective, batch = built(multi_task_checks.tasks(), balancing=balancing, gradients="parameters")
    (step,) = objective.steps()
    named = {id(p): name for name, p in objective.named_parameters()}
    losses = step.loss(batch, 0.0)["loss"]
    rows = [
        torch.cat([torch.zeros_like(p).flatten() if g is None else g.flatten() for p, g in zip(step.params, grads)])
        for grads in (torch.autograd.grad(loss, step.params, retain_graph=True, allow_unused=True) for loss in losses)
    ]
    J = torch.stack(rows)
    found = step.aggregate(J)
    n = sum(p.numel() for p in step.params if "of_task" not in named[id(p)] and "balancer" not in named[id(p)])
    assert n == sum(p.numel() for p in fit.network.body.parameters())
    torch.testing.assert_close(found[:n], make_balancer(balancing, ["regression"] * 3, fit.seed).direction(J[:, :n]))
    torch.testing.assert_close(found[n:], J[:, n:].sum(dim=0))
    assert ((J[:, n:] != 0).sum(dim=0) <= 1).all(), "a task's own parameter is reached by one loss"


def test_on_the_representation_the_body_gets_the_balanced_direction():
    """For orthogonal maps from features to parameters nothing else could differ: compare with the chain rule by hand."""
    fit, objective, batch = built(multi_task_checks.tasks()[:2], balancing="mgda", gradients="representation")
    (step,) = objective.steps()
    assert step.aggregate is None
    body = list(fit.network.body.parameters())
    heads = list(fit.network.head.parameters())
    found = torch.autograd.grad(step.loss(batch, 0.0)["loss"], body + heads)
    z = objective._features(batch)
    losses = objective._losses(batch, fit.network.head(z))
    J = torch.stack([torch.autograd.grad(loss, z, retain_graph=True)[0].flatten() for loss in losses])
    d = objective.balancer.direction(J).view_as(z)
    expected = torch.autograd.grad(z, body, d, retain_graph=True) + torch.autograd.grad(losses.sum(), heads)
    for a, b in zip(found, expected):
        torch.testing.assert_close(a, b)
    logged = step.loss(batch, 0.0)
    assert logged["loss"].item() == pytest.approx(losses.sum().item(), rel=1e-5)
    with pytest.raises(ParamError, match=r"gradients must be 'parameters' or 'auto' for all balancing but imtl, mgda"):
        model(balancing="pcgrad", gradients="representation").fit(multi_task_checks.tasks())


@pytest.mark.parametrize("balancing", ["uncertainty", "gradnorm", "famo", "dwa", "imtl", "gradvac", "pcgrad"])
def test_what_a_balancer_learns_is_resumed_exactly(balancing, tmp_path):
    given = multi_task_checks.tasks()

    def stop(event, state):
        if event == "update" and state["update"] == 8:
            raise InterruptedError

    settings = {"n_epochs": 4, "checkpoint_every": 1}
    one = model(balancing=balancing, training=training(**settings, folder=tmp_path / "one")).fit(given)
    with pytest.raises(InterruptedError):
        model(balancing=balancing, training=training(**settings, folder=tmp_path / "two", callbacks=[stop])).fit(given)
    two = model(balancing=balancing, training=training(**settings, folder=tmp_path / "two")).fit(given)
    assert one.history_ == two.history_
    multi_task_checks.same(one, two, given, "a resumed fit must equal the unbroken one")


def test_the_balancers_own_parameters_learn_and_at_their_rate():
    seen = {}
    update = Loop.update

    def watch(loop, batch):
        found = update(loop, batch)
        seen["balancer"] = {n: p.detach().clone() for n, p in loop.objective.balancer.named_parameters()}
        seen["rates"] = {g["part"]: g["lr"] for g in loop.optimizer.param_groups}
        return found

    for name, scale in (("uncertainty", 1.0), ("gradnorm", 25.0), ("famo", 25.0), ("imtl", 1.0)):
        with mock.patch.object(Loop, "update", watch):
            model(balancing=name, training=training(schedule="constant", warmup=0.0, lr=0.001)).fit(
                multi_task_checks.tasks()
            )
        (values,) = seen["balancer"].values()
        assert values.std() > 0, f"{name} has not learned"
        assert seen["rates"][""] == pytest.approx(0.001 * scale)
        assert seen["rates"]["head"] == pytest.approx(0.001)


def test_a_balancers_mistakes_are_named():
    given = multi_task_checks.tasks()
    with pytest.raises(ParamError, match=r"^HardSharing\.fit: balancing_options: must be of c for cagrad"):
        model(balancing="cagrad", balancing_options={"radius": 1}).fit(given)
    with pytest.raises((ParamError, TrainingError)):
        model(balancing="torchjd:").fit(given)


def test_a_batch_of_one_row_is_named_where_batch_normalisation_needs_two():
    X = np.random.default_rng(0).normal(size=(4, 3)).astype(np.float32)
    tasks = [Domain(X, np.arange(4) % 2, name="one"), Domain(X, 1 - np.arange(4) % 2, name="other")]
    with pytest.raises(TrainingError, match=r"^MTAN\.fit: training\.batch_size must leave two rows or more a batch"):
        MTAN("small:mlp?hidden=4,4", training=training(batch_size=1)).fit(tasks)


# What is watched ----------------------------------------------------------------------------------------------------


def test_each_task_is_scored_on_rows_that_were_held_back():
    fitted = model(training=training(validation=0.25, keep="best")).fit(multi_task_checks.tasks())
    for row in fitted.history_:
        scores = [row[f"{name}/score"] for name in ("kind", "sum", "sign")]
        assert row["validation"] == pytest.approx(np.mean(scores))
    X = np.random.default_rng(0).normal(size=(40, 5))
    few = Domain(X, np.arange(40) + 0.5, np.arange(40) < 2, name="few")
    with pytest.raises(DomainError, match="task 'few' must have labels enough"):
        model(training=training(validation=0.25)).fit([Domain(X, np.arange(40) % 2, name="many"), few])


def test_affinity_is_what_a_step_for_one_task_does_to_the_other():
    """By hand for one update; over a training a step for a task helps that task."""
    given = multi_task_checks.tasks()[:2]
    fit, objective, batch = built(given)
    objective = MultiTaskObjective(
        fit.network, fit.labels, objective.owners, objective.shares, objective.balancer, 1, affinity_rate=0.1
    )
    found = objective._loss(batch, 0.0)
    losses = objective._losses(batch, fit.network.head(objective._features(batch)))
    body = list(fit.network.body.parameters())
    slopes = torch.autograd.grad(losses[0], body)
    with torch.no_grad():
        for p, g in zip(body, slopes):
            p.sub_(0.1 * g)
        after = objective._losses(batch, fit.network.head(objective._features(batch)))
    for j, name in enumerate(("kind", "sum")):
        assert found[f"affinity/kind/{name}"].item() == pytest.approx((1 - after[j] / losses[j]).item(), rel=1e-4)
    X = np.random.default_rng(0).normal(size=(64, 5))
    y = X[:, 0] + 0.5 * X[:, 1]
    alike = [Domain(X, y, name="a"), Domain(X, 3 * y + 0.2 * X[:, 2], name="b")]
    fitted = model(affinity=True, training=training(n_epochs=4)).fit(alike)
    assert fitted.affinity_.shape == (2, 2)
    assert (np.diag(fitted.affinity_) > 0).all()
    assert not hasattr(fitted.set_params(affinity=False).fit(alike), "affinity_")
