"""Meta-SGD: with all step lengths alike it is MAML; the step lengths have their own gradient."""

import numpy as np
import torch

import meta_toys as toys
from meta_checks import classes, settings
from transferkit import MAML, MetaSGD


def learner(cls, **params):
    return cls(inner_lr=0.3, n_inner_steps=1, batch_norm="support", **params)._learner(toys.network(), toys.CLASSES, 6)


def test_equal_step_lengths_are_maml():
    batch, n = toys.stream(), sum(p.numel() for p in toys.network().parameters())
    found = toys.gradient(learner(MetaSGD), batch)
    torch.testing.assert_close(found[:n], toys.gradient(learner(MAML), batch))
    assert len(found) == 2 * n, "one step length an entry"


def test_the_gradient_of_weights_and_step_lengths_is_that_of_finite_differences():
    found, batch = learner(MetaSGD), toys.stream(n_tasks=2)
    found.double()
    torch.testing.assert_close(*toys.slopes_along(found, batch), atol=1e-6, rtol=1e-5)


def test_the_step_lengths_are_learned_and_kept():
    model = MetaSGD(**settings({"inner_lr": 0.5}), random_state=0).fit([classes()])
    rates = np.concatenate([v.numpy() for v in model.extra_.values()])
    assert len(rates) == sum(p.numel() for p in model.network_.parameters())
    assert rates.std() > 0.001
    again, _ = model.task_learner()
    torch.testing.assert_close(again.state_dict()["rates.0"], model.extra_["rates.0"])
