"""Baseline++: a cosine head for every task, trained by SGD on features that stay."""

import numpy as np
import torch
from torch import nn
from torch.nn import functional

import meta_toys as toys
from meta_checks import classes, domains, settings
from transferkit import BaselinePlusPlus
from transferkit.algorithms.meta.baseline_pp import _sgd

SHORT = {"n_adapt_epochs": 10}


def test_a_head_takes_the_steps_of_torchs_sgd():
    torch.manual_seed(0)
    z, y, first = (
        torch.randn(2, 6, 4).double(),
        torch.arange(3).repeat_interleave(2).repeat(2, 1),
        torch.randn(2, 3, 4).double(),
    )
    with torch.no_grad():
        found = _sgd(z, y, first, 2.0, np.random.default_rng(5), lr=0.1, n_epochs=3, batch_size=4)
    for task in range(2):
        rng, weight = np.random.default_rng(5), nn.Parameter(first[task].clone())
        optimizer = torch.optim.SGD([weight], lr=0.1, momentum=0.9, dampening=0.9, weight_decay=0.001)
        for _ in range(3):
            for rows in torch.as_tensor(rng.permutation(6)).split(4):
                optimizer.zero_grad()
                cosines = functional.cosine_similarity(z[task, rows][:, None], weight[None], dim=2)
                functional.cross_entropy(2 * cosines, y[task, rows]).backward()
                optimizer.step()
        torch.testing.assert_close(found[task], weight.detach())


def test_answers_are_cosines_and_tasks_at_once_are_one_after_the_other():
    found = BaselinePlusPlus(**SHORT)._learner(toys.network(), toys.CLASSES, 6)
    batch = toys.stream()
    for k, outputs in enumerate(found.outputs(batch.x, batch.y[:, :6])):
        assert outputs.abs().max() <= 2 + 1e-9
        torch.testing.assert_close(
            outputs, found.answer(found.adapt(batch.x[k, :6], batch.y[k, :6], 3), batch.x[k, 6:])
        )


def test_pretrained_on_all_classes_and_never_on_episodes():
    model = BaselinePlusPlus(**settings(SHORT, ()), random_state=0).fit([classes()])
    assert model.facts_["pretraining"]["n_classes"] == 12
    assert model.network_.head.spec["kind"] == "cosine"
    assert not hasattr(model, "history_")
    assert "n_episodes" not in model.get_params()
    body = {k: v.clone() for k, v in model.network_.state_dict().items()}
    model.evaluate([classes(1)], n_episodes=5)
    assert all(torch.equal(v, body[k]) for k, v in model.network_.state_dict().items())


def test_by_domains_it_learns_the_classes_that_all_have():
    model = BaselinePlusPlus(**settings(SHORT, ()), random_state=0).fit(domains(3))
    assert model.facts_["pretraining"]["n_classes"] == 2
    new = domains(1, 1)[0]
    np.testing.assert_array_equal(model.adapt(new.take(np.arange(4))).classes_, ["no", "yes"])
