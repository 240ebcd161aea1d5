"""EWC: the Fisher information of logistic regression in closed form, what is kept of several tasks, and what is remembered."""

import numpy as np
import pytest
import torch

from continual_toys import TRAINING, accuracies, disagreeing, linear_body, naive_on_disagreeing, second_task
from transferkit import EWC
from transferkit.engine.training.settings import Training
from transferkit.ops.nn.continual import anchored_squares

SHORT = Training(n_epochs=2, batch_size=16, lr=0.02, progress=False)


def linear(**params):
    return EWC(linear_body(6), training=SHORT, fisher_rows=1000, **params)


def closed_form(model, X, y, kind):
    """Mean over rows of E[(p_c - 1[c = y])^2] x_j^2."""
    p = model.predict_proba(X)
    own = p * (1 - p) if kind == "exact" else (p - (y[:, None] == model.classes_)) ** 2
    return own.T @ np.square(X) / len(X), own.mean(axis=0)


@pytest.mark.parametrize("kind", ["exact", "empirical"])
def test_the_fisher_information_of_logistic_regression(kind):
    task = disagreeing()[0]
    model = linear(fisher=kind).partial_fit(task)
    weight, bias = closed_form(model, task.X.astype(float), task.y, kind)
    np.testing.assert_allclose(model.importance_["head.out.weight"].numpy(), weight, rtol=1e-3, atol=1e-6)
    np.testing.assert_allclose(model.importance_["head.out.bias"].numpy(), bias, rtol=1e-3, atol=1e-6)
    np.testing.assert_array_equal(model.importance_["body.1.unused"].numpy(), 0)  # nothing depends on it


def test_drawn_classes_give_the_same_on_average():
    task = disagreeing(n=400)[0]
    exact, drawn = (
        linear(fisher=kind).partial_fit(task).importance_["head.out.weight"] for kind in ("exact", "sampled")
    )
    assert torch.corrcoef(torch.stack([exact.flatten(), drawn.flatten()]))[0, 1] > 0.9


def test_one_quadratic_stands_for_one_a_task():
    """The gradient of what is kept is that of the sum over the tasks, anywhere."""
    tasks = disagreeing(n=40)
    model, fishers, anchors = linear(), [], []
    for task in tasks:
        before = getattr(model, "importance_", None)
        model.partial_fit(task)
        fishers.append(model.importance_ if before is None else {k: model.importance_[k] - before[k] for k in before})
        anchors.append({k: v.detach().clone() for k, v in model.network_.named_parameters()})
    at = {k: torch.randn_like(v).requires_grad_() for k, v in anchors[0].items()}
    apart = sum(anchored_squares(at, anchor, fisher) for anchor, fisher in zip(anchors, fishers))
    together = anchored_squares(at, model.anchor_, model.importance_)
    wanted, got = (torch.autograd.grad(value, list(at.values())) for value in (apart, together))
    for a, b in zip(wanted, got):
        torch.testing.assert_close(a, b, rtol=1e-3, atol=1e-5)


def test_online_ewc_forgets_by_its_decay():
    tasks = disagreeing(n=40)
    first = linear(reg=0.0).partial_fit(tasks[0]).importance_
    found = [linear(reg=0.0, decay=decay).fit(tasks) for decay in (0.0, 0.5, 1.0)]
    for name, value in first.items():
        none, half, whole = (m.importance_[name] for m in found)
        torch.testing.assert_close(half - none, 0.5 * value)
        torch.testing.assert_close(whole - none, value)
    last = dict(found[0].network_.named_parameters())
    torch.testing.assert_close(found[0].anchor_["head.out.weight"], last["head.out.weight"].detach())


def test_the_pull_of_a_task():
    """``reg / 2 sum F (w - w*)^2``: zero where the first task has left the weights, and known elsewhere."""

    def look(fit):
        term = model._terms(fit)[0]
        start = float(term(None, None, None, 0.0)["known"].detach())
        with torch.no_grad():
            fit.network.head.out.weight.add_(0.1)
        return start, float(term(None, None, None, 0.0)["known"].detach())

    model = linear(reg=3.0)
    start, moved = second_task(model, disagreeing(), look)
    assert start == 0
    assert moved == pytest.approx(1.5 * 0.01 * float(model.importance_["head.out.weight"].sum()), rel=1e-3)


def test_new_outputs_have_no_importance():
    tasks = disagreeing(n=40)
    model = linear(heads="separate").partial_fit(tasks[0])
    before = model.importance_["head.out.weight"]
    model.partial_fit(tasks[1])
    after = model.importance_["head.out.weight"]
    assert after.shape == (4, 6)
    torch.testing.assert_close(after[:2], before)  # the second task's Fisher information is of its own outputs
    assert (after[2:] > 0).all()


def test_it_forgets_less_than_naive():
    tasks = disagreeing()
    old, _ = accuracies(EWC("small:mlp?hidden=16", reg=1e4, training=TRAINING), tasks)
    assert old > naive_on_disagreeing() + 0.1


def test_online_ewc_pulls_by_its_decay():
    """The pull towards what was is that of the decayed information: with none left it is naive fine-tuning."""

    def look(fit):
        with torch.no_grad():
            fit.network.head.out.weight.add_(0.1)
        return float(online._terms(fit)[0](None, None, None, 0.0)["known"].detach())

    pulls = []
    for decay in (None, 1.0, 0.25, 0.0):
        online = linear(reg=3.0, decay=decay)
        pulls.append(second_task(online, disagreeing(), look))
    assert pulls[0] > 0
    assert pulls == pytest.approx([pulls[0], pulls[0], pulls[0] / 4, 0.0])
