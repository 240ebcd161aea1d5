"""R2D2: ridge regression in closed form, and the gradient through it."""

import numpy as np
import pytest
import torch
from sklearn.linear_model import Ridge

import meta_toys as toys
from transferkit import R2D2
from transferkit.algorithms.meta.r2d2 import _ridge


def learner():
    return R2D2()._learner(toys.network(), toys.CLASSES, 6).double()


@pytest.mark.parametrize("n", [4, 12])
def test_both_forms_are_ridge_regression(n):
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(n, 6)), rng.normal(size=(n, 3))
    found = _ridge(torch.tensor(x), torch.tensor(y), torch.tensor(0.7))
    np.testing.assert_allclose(found.numpy().T, Ridge(alpha=0.7, fit_intercept=False).fit(x, y).coef_, atol=1e-10)


def test_answers_are_scaled_and_shifted_predictions():
    found, batch = learner(), toys.stream(n_tasks=1)
    x, y, queries = batch.x[0, :6], batch.y[0, :6], batch.x[0, 6:]
    with torch.no_grad():
        found.log_reg.fill_(np.log(2.0))
        found.scale.fill_(3.0)
        found.shift.fill_(-0.5)
        z, q = (torch.cat([v, torch.ones(len(v), 1)], 1).numpy() for v in map(found.network.features, (x, queries)))
        ridge = Ridge(alpha=2.0, fit_intercept=False).fit(z, np.eye(3)[y])
        answers = found.answer(found.adapt(x, y, 3), queries).numpy()
    np.testing.assert_allclose(answers, 3 * ridge.predict(q) - 0.5, atol=1e-8)


def test_the_gradient_goes_through_the_solution_to_body_strength_scale_and_shift():
    found, batch = learner(), toys.stream()
    torch.testing.assert_close(*toys.slopes_along(found, batch), atol=1e-6, rtol=1e-5)
    gradient = torch.autograd.grad(found._loss({"tasks": batch}, 0.0)["loss"], found.trained())
    assert len(gradient) == len(list(found.network.body.parameters())) + 3
    assert gradient[0].abs().max() > 1e-6
    for name in ("log_reg", "scale"):
        assert found.get_parameter(name).ndim == 1
