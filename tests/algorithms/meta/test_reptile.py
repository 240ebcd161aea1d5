"""Reptile: the update is the way to the adapted weights."""

import torch

import meta_toys as toys
from meta_checks import classes, settings, training
from transferkit import Reptile
from transferkit.engine.training.loop import Loop


def learner(**params):
    given = {"inner_lr": 0.1, "n_inner_steps": 3, "inner_optimizer": "sgd", "batch_norm": "support"}
    return Reptile(**{**given, **params})._learner(toys.network(), toys.CLASSES, 6)


def test_the_gradient_is_the_difference_to_the_mean_of_the_adapted_weights():
    found, batch = learner(), toys.stream()
    ends = [found.adapt(x, y, 3)["weights"] for x, y in zip(batch.x, batch.y)]
    start = dict(found.network.named_parameters())
    want = torch.cat([(p - torch.stack([e[k] for e in ends]).mean(0)).ravel() for k, p in start.items()])
    torch.testing.assert_close(toys.gradient(found, batch), want.detach())


def test_one_inner_step_is_training_on_all_tasks_together():
    """With a single step the way is the gradient of the mean loss, times the step length (section 5)."""
    found, batch = learner(n_inner_steps=1), toys.stream()
    loss = toys.CLASSES.loss(found.network(batch.x.flatten(0, 1)), batch.y.flatten())
    plain = torch.autograd.grad(loss, list(found.network.parameters()))
    want = 0.1 * torch.cat([g.ravel() for g in plain])
    torch.testing.assert_close(toys.gradient(found, batch), want)


def test_a_rate_of_one_ends_where_the_task_does(monkeypatch):
    seen = {}
    update = Loop.update

    def watch(loop, batch):
        before = {k: v.clone() for k, v in loop.objective.network.state_dict().items()}
        logged = update(loop, batch)
        after = {k: v.clone() for k, v in loop.objective.network.state_dict().items()}
        seen.update(before=before, batch=batch, after=after)
        return logged

    monkeypatch.setattr(Loop, "update", watch)
    own = settings({"inner_optimizer": "sgd", "inner_lr": 0.1, "n_inner_steps": 3, "n_episodes": 2})
    rule = training(n_epochs=1, batch_size=2, lr=1.0, optimizer="sgd", momentum=0.0, weight_decay=0.0)
    model = Reptile(**{**own, "training": rule}, random_state=0).fit([classes()])
    found = model._learner(model.network_, model.labels_, 3)
    model.network_.load_state_dict(seen["before"])
    ends = [found.adapt(x, y, 3)["weights"] for x, y in zip(seen["batch"]["tasks"].x, seen["batch"]["tasks"].y)]
    for name, value in seen["after"].items():
        torch.testing.assert_close(torch.stack([e[name] for e in ends]).mean(0), value, atol=1e-6, rtol=1e-5)


def test_inner_adam_without_momentum_begins_with_signs():
    found, batch = learner(inner_optimizer="adam", n_inner_steps=1, inner_lr=0.01), toys.stream(n_tasks=1)
    end = found.adapt(batch.x[0], batch.y[0], 3)["weights"]
    moved = torch.cat([(end[k] - p).ravel() for k, p in found.network.named_parameters()])
    assert (moved.abs().sub(0.01).abs().lt(1e-4) | moved.abs().lt(1e-9)).all()


def test_mini_batches_go_through_all_rows():
    found, batch = learner(inner_batch=5, n_inner_steps=4), toys.stream()
    torch.manual_seed(0)
    assert torch.isfinite(toys.gradient(found, batch)).all()
