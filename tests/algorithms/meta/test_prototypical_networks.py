"""Prototypical networks: the nearest mean, which is a linear classifier of the features."""

import torch

import meta_toys as toys
from meta_checks import classes, settings
from transferkit import Domain, PrototypicalNetworks


def learner():
    return PrototypicalNetworks()._learner(toys.network(), toys.CLASSES, 6)


def test_the_answers_are_those_of_the_linear_classifier_of_section_2_4():
    found, batch = learner(), toys.stream(n_tasks=1)
    x, y = batch.x[0, :6], batch.y[0, :6]
    logits = found.answer(found.adapt(x, y, 3), batch.x[0, 6:])
    z, queries = found.network.features(x), found.network.features(batch.x[0, 6:])
    means = torch.stack([z[y == k].mean(0) for k in range(3)])
    linear = 2 * queries @ means.T - (means**2).sum(1)
    torch.testing.assert_close(logits.softmax(1), linear.softmax(1))


def test_all_tasks_at_once_are_one_after_the_other():
    found, batch = learner(), toys.stream()
    for k, outputs in enumerate(found.outputs(batch.x, batch.y[:, :6])):
        torch.testing.assert_close(
            outputs, found.answer(found.adapt(batch.x[k, :6], batch.y[k, :6], 3), batch.x[k, 6:])
        )


def test_the_gradient_is_that_of_finite_differences_and_spares_the_head():
    found, batch = learner(), toys.stream()
    torch.testing.assert_close(*toys.slopes_along(found, batch), atol=1e-6, rtol=1e-5)
    assert len(found.trained()) == len(list(found.network.body.parameters()))


def test_an_order_of_the_support_does_not_matter_and_a_class_that_it_lacks_has_no_probability():
    found, batch = learner(), toys.stream(n_tasks=1)
    x, y, queries = batch.x[0, :6], batch.y[0, :6], batch.x[0, 6:]
    state, shuffled = found.adapt(x, y, 3), found.adapt(x.flip(0), y.flip(0), 3)
    torch.testing.assert_close(found.answer(state, queries), found.answer(shuffled, queries))
    without = found.answer(found.adapt(x[y != 1], y[y != 1], 3), queries)
    assert (without.softmax(1)[:, 1] == 0).all()
    assert without.isfinite().all()
    torch.testing.assert_close(without[:, [0, 2]], found.answer(state, queries)[:, [0, 2]])


def test_a_new_task_may_have_more_classes_than_an_episode():
    model = PrototypicalNetworks(**settings({}), random_state=0).fit([classes()])
    new = classes(1)
    predictor = model.adapt(Domain(new.X[::4], new.y[::4]))
    assert len(predictor.classes_) == 12
    assert predictor.score(new.X, new.y) > 0.5
    assert model.evaluate([new], n_way=10, n_episodes=20).mean > 0.4
