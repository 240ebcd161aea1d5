"""Transductive fine-tuning: support labels and the entropy of the queries tune the whole network."""

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional

import meta_toys as toys
from meta_checks import classes, settings
from transferkit import Domain, TransductiveFineTuning
from transferkit.engine.answers.labels import Labels


def learner(n_steps=3, lr=0.01, batched=True):
    method = TransductiveFineTuning(n_adapt_steps=n_steps, lr=lr, batched=batched)
    wide = Labels(
        "classification", 16, np.arange(16)
    )  # what it was pretrained on: with few, a ReLU leaves a row nothing
    return method._learner(toys.network(wide).float(), toys.CLASSES, 6).eval()


def batch():
    found = toys.stream()
    return found.x.float(), found.y


def test_without_steps_the_nearest_direction_wins():
    found, (x, y) = learner(0), batch()
    logits = found.answer(found.adapt(x[0, :6], y[0, :6], 3), x[0, 6:])
    z = functional.normalize(found.network(x[0]).relu(), dim=1)
    means = torch.stack([z[:6][y[0, :6] == k].mean(0) for k in range(3)])
    torch.testing.assert_close(logits, functional.cosine_similarity(z[6:, None], means[None], dim=2))


def test_the_steps_are_adams_on_equation_8():
    found, (x, y) = learner(), batch()
    with torch.no_grad():
        logits = found.answer(found.adapt(x[0, :6], y[0, :6], 3), x[0, 6:])
        first = found.network.copy()
        z = functional.normalize(first(x[0, :6]).relu(), dim=1)
        w = nn.Parameter(functional.normalize(torch.stack([z[y[0, :6] == k].mean(0) for k in range(3)]), dim=1))
    b = nn.Parameter(torch.zeros(3))
    optimizer = torch.optim.Adam([*first.parameters(), w, b], lr=0.01)

    def answers(rows):
        return functional.normalize(first(rows).relu(), dim=1) @ w.T + b

    for _ in range(3):
        optimizer.zero_grad()
        p = answers(x[0, 6:]).softmax(1)
        loss = functional.cross_entropy(answers(x[0, :6]), y[0, :6]) - (p * p.log()).sum(1).mean()
        loss.backward()
        optimizer.step()
    torch.testing.assert_close(logits, answers(x[0, 6:]).detach(), atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize("batched", [True, False])
def test_all_tasks_at_once_are_one_after_the_other(batched):
    found, (x, y) = learner(batched=batched), batch()
    with torch.no_grad():
        for k, outputs in enumerate(found.outputs(x, y[:, :6])):
            one = found.answer(found.adapt(x[k, :6], y[k, :6], 3), x[k, 6:])
            torch.testing.assert_close(outputs, one, atol=1e-4, rtol=1e-4)


def test_the_queries_matter_and_the_learner_stays():
    model = TransductiveFineTuning(**settings({"n_adapt_steps": 5, "lr": 0.01}, ()), random_state=0).fit([classes()])
    before = {k: v.clone() for k, v in model.network_.state_dict().items()}
    new = classes(1)
    predictor = model.adapt(Domain(new.X[::8][:3], new.y[::8][:3]))
    together = predictor.predict_proba(new.X[:24])
    assert np.abs(predictor.predict_proba(new.X[:1]) - together[:1]).max() > 1e-4
    assert all(torch.equal(v, before[k]) for k, v in model.network_.state_dict().items())
    sure = -(together * np.log(together)).sum(1).mean()
    plain = TransductiveFineTuning(**model.get_params(deep=False) | {"n_adapt_steps": 0}).fit([classes()])
    start = plain.adapt(Domain(new.X[::8][:3], new.y[::8][:3])).predict_proba(new.X[:24])
    assert sure < -(start * np.log(start)).sum(1).mean(), "the queries become surer"


def test_a_class_that_the_support_lacks_has_no_probability():
    found, (x, y) = learner(), batch()
    rows = y[0, :6] != 1
    proba = found.answer(found.adapt(x[0, :6][rows], y[0, :6][rows], 3), x[0, 6:]).softmax(1)
    assert (proba[:, 1] == 0).all()
    assert proba.isfinite().all()
