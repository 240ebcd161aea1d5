"""MAML: the meta-gradient goes through the inner steps; first order stops there; vmap is a loop, and batch norm is the task's."""

import numpy as np
import pytest
import torch

import meta_toys as toys
from meta_checks import classes, lines, settings
from transferkit import MAML, Domain, DomainError, ParamError
from transferkit.engine.meta.inner_loop import GradientLearner


def learner(labels=toys.CLASSES, hidden="hidden=4", n_support=6, **params):
    given = {"rate": 0.3, "n_steps": 2, "n_test_steps": 2, "statistics": "support"}
    return GradientLearner(toys.network(labels, hidden), labels, n_support, **{**given, **params})


@pytest.mark.parametrize("hidden", ["hidden=4", "hidden=4&batch_norm=true"])
def test_the_meta_gradient_is_that_of_finite_differences(hidden):
    batch, found = toys.stream(), learner(hidden=hidden)
    torch.testing.assert_close(*toys.slopes_along(found, batch), atol=1e-6, rtol=1e-5)


def test_one_step_of_linear_regression_by_hand():
    """w' = w - a * dL_S(w), and d L_Q(w') / dw = (I - a * H_S) grad L_Q(w'), with H_S = 2 / n * X'X."""
    labels, batch = toys.NUMBERS, toys.stream(toys.NUMBERS, n_tasks=1, k_shot=5, n_query=4)
    found = learner(labels, n_support=5, n_steps=1, rate=0.1)
    network = found.network
    network.body = torch.nn.Identity()
    network.head.out = torch.nn.Linear(4, 1, bias=False, dtype=torch.float64)
    X, y = batch.x[0], batch.y[0, :, 0]
    w = network.head.out.weight.detach()[0]

    def slope(w, rows):
        return 2 / len(y[rows]) * X[rows].T @ (X[rows] @ w - y[rows])

    support, queries = slice(5), slice(5, None)
    hessian = 2 / 5 * X[support].T @ X[support]
    at_query = slope(w - 0.1 * slope(w, support), queries)
    for first_order, want in ((False, at_query - 0.1 * hessian @ at_query), (True, at_query)):
        model = GradientLearner(
            network, labels, 5, rate=0.1, n_steps=1, n_test_steps=1, statistics="frozen", first_order=first_order
        )
        torch.testing.assert_close(toys.gradient(model, batch), want)


def test_first_order_is_the_gradient_at_the_adapted_weights():
    batch, found = toys.stream(n_tasks=1), learner(first_order=True)
    weights = found.adapt(batch.x[0, :6], batch.y[0, :6], 3)["weights"]
    there = {k: w.detach().requires_grad_() for k, w in weights.items()}
    loss = toys.CLASSES.loss(found.answer({"weights": there}, batch.x[0, 6:]), batch.y[0, 6:])
    want = torch.cat([g.ravel() for g in torch.autograd.grad(loss, list(there.values()))])
    torch.testing.assert_close(toys.gradient(found, batch), want)
    assert not torch.allclose(toys.gradient(learner(), batch), want)


@pytest.mark.parametrize("statistics", ["support", "batch"])
def test_all_tasks_at_once_are_one_after_the_other(statistics):
    batch = toys.stream()
    both = [
        toys.gradient(learner(hidden="hidden=4&batch_norm=true", statistics=statistics, batched=batched), batch)
        for batched in (True, False)
    ]
    torch.testing.assert_close(*both)


def test_statistics_of_the_support_leave_the_queries_alone():
    rng = np.random.default_rng(0)
    X = rng.integers(0, 255, (60, 16, 16)).astype(np.uint8)
    tasks = [Domain(X, np.repeat(np.arange(6), 10))]
    support = Domain(X[::10][:3], ["a", "b", "c"])
    for batch_norm, independent in (("support", True), ("batch", False)):
        given = {**settings({}), "backbone": "small:conv4?hidden=4,4", "batch_norm": batch_norm, "n_inner_steps": 1}
        predictor = MAML(**given, random_state=0).fit(tasks).adapt(support)
        alone = np.concatenate([predictor.predict_proba(X[k : k + 1]) for k in range(4)])
        assert np.allclose(alone, predictor.predict_proba(X[:4]), atol=1e-5) is independent


def test_more_steps_on_a_new_task_lower_its_loss():
    tasks, new = lines(8), lines(1, 5)[0]
    given = {**settings({}), "k_shot": 8, "random_state": 0}
    errors = []
    for n_adapt_steps in (1, 30):
        model = MAML(**given, n_inner_steps=1, n_adapt_steps=n_adapt_steps).fit(tasks)
        predictor = model.adapt(new)
        errors.append(np.mean((predictor.predict(new.X) - new.y) ** 2))
    assert errors[1] < errors[0]


def test_rotated_classes_are_new_ones():
    rng = np.random.default_rng(0)
    X, y = rng.integers(0, 255, (40, 16, 16)).astype(np.uint8), np.repeat([0, 1], 20)
    given = {**settings({}), "backbone": "small:conv4?hidden=4,4", "n_way": 5, "n_inner_steps": 1}
    model = MAML(**given, rotations=True, random_state=0).fit([Domain(X, y)])
    assert model.facts_["pools"] == 1
    assert model.labels_.n_outputs == 5, "of two classes, eight are made"


@pytest.mark.parametrize(
    ("asked", "says"),
    [
        ({"n_way": 4}, "n_way must be at most 3, as in fit"),
        ({"n_way": 1}, "n_way must be a whole number in"),
        ({"k_shot": 0}, "k_shot must be a whole number in"),
        ({"n_query": -1}, "n_query must be a whole number in"),
        ({"n_episodes": 0}, "n_episodes must be a whole number in"),
    ],
)
def test_episodes_to_judge_on_must_be_possible(asked, says):
    model = MAML(**settings({}), random_state=0).fit([classes()])
    with pytest.raises(ParamError, match=rf"^MAML\.evaluate: {says}"):
        model.evaluate([classes(1)], **asked)
    assert model.evaluate([classes(1)], n_way=2, k_shot=2, n_episodes=3).values.shape == (3,)


def test_by_domains_an_episode_has_all_classes():
    model = MAML(**settings({}), random_state=0).fit(lines())
    with pytest.raises(ParamError, match=r"^MAML\.evaluate: n_way must be left out where a task is a domain.* Got 2"):
        model.evaluate(lines(2, 1), n_way=2)


def test_numbers_of_a_support_must_be_finite():
    model = MAML(**settings({}), random_state=0).fit(lines())
    new = lines(1, 1)[0].take(np.arange(4))
    with pytest.raises(
        DomainError, match=r"^MAML\.adapt: support must have labels as the tasks of fit\. Got: y must be finite"
    ):
        model.adapt(Domain(new.X, np.where(np.arange(4) == 1, np.nan, new.y)))
