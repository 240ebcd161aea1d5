"""Matching networks: a vote of the support by cosine attention."""

import pytest
import torch
from torch.nn import functional

import meta_toys as toys
from meta_checks import classes, settings
from transferkit import MatchingNetworks


def learner(n_steps=0):
    torch.manual_seed(3)
    return MatchingNetworks(n_context_steps=n_steps)._learner(toys.network(), toys.CLASSES, 6).double()


def test_the_probabilities_are_the_attention_that_a_class_gets():
    found, batch = learner(), toys.stream(n_tasks=1)
    x, y, queries = batch.x[0, :6], batch.y[0, :6], batch.x[0, 6:]
    proba = found.answer(found.adapt(x, y, 3), queries).exp()
    z, q = found.network.features(x), found.network.features(queries)
    attention = functional.cosine_similarity(q[:, None], z[None], dim=2).softmax(dim=1)
    torch.testing.assert_close(proba, torch.stack([attention[:, y == k].sum(1) for k in range(3)], dim=1))
    torch.testing.assert_close(proba.sum(1), torch.ones(len(q), dtype=torch.float64))


@pytest.mark.parametrize("n_steps", [0, 2])
def test_all_tasks_at_once_are_one_after_the_other_and_the_gradient_is_right(n_steps):
    found, batch = learner(n_steps), toys.stream()
    for k, outputs in enumerate(found.outputs(batch.x, batch.y[:, :6])):
        torch.testing.assert_close(
            outputs, found.answer(found.adapt(batch.x[k, :6], batch.y[k, :6], 3), batch.x[k, 6:])
        )
    torch.testing.assert_close(*toys.slopes_along(found, batch), atol=1e-6, rtol=1e-5)


def test_a_context_that_says_nothing_leaves_the_features():
    batch, plain, full = toys.stream(), learner(), learner(2)
    for p in full.context.parameters():
        torch.nn.init.zeros_(p)
    torch.testing.assert_close(full.outputs(batch.x, batch.y[:, :6]), plain.outputs(batch.x, batch.y[:, :6]))


def test_with_context_it_learns_and_is_saved():
    model = MatchingNetworks(**settings({"n_context_steps": 2}), random_state=0).fit([classes()])
    assert {n.split(".")[0] for n in model.extra_} == {"context"}
    assert model.evaluate([classes(2)], n_episodes=30).mean > 0.5
