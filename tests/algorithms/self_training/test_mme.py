"""MME: one descent lowers the entropy by the features and raises it by the classifier (eqs. 3 and 4)."""

import numpy as np
import pytest
import torch
from torch.nn import functional

import adaptation_checks
import shifts
from self_training_toys import batch_of, toy
from transferkit import MME

pytestmark = pytest.mark.filterwarnings("ignore:.*(have collapsed|has diverged)")


def test_features_descend_and_the_classifier_climbs():
    fit = toy("cosine")
    objective = MME(trade_off=0.3)._objective(fit).train()
    step = objective.steps()[0]
    ours = torch.autograd.grad(step.loss(batch_of(fit, known=9), 0.0)["loss"], list(step.params))
    n = len(fit.X)
    outputs = fit.network(torch.cat([fit.X, fit.Xt[:9], fit.Xt]))
    task = functional.cross_entropy(outputs[: n + 9], torch.cat([fit.y, fit.y[:9]]))
    entropy = -(outputs[n + 9 :].softmax(1) * outputs[n + 9 :].log_softmax(1)).sum(1).mean()
    of_head = {id(p) for p in fit.network.head.parameters()}
    for p, own in zip(step.params, ours):
        d_task, d_entropy = (torch.autograd.grad(v, p, retain_graph=True)[0] for v in (task, entropy))
        sign = -1 if id(p) in of_head else 1
        torch.testing.assert_close(own, d_task + sign * 0.3 * d_entropy, rtol=1e-3, atol=1e-6)


def test_the_temperature_is_fixed():
    shift = shifts.concept(0, 90)
    given = adaptation_checks.settings({"training": adaptation_checks.training(n_epochs=2)})
    model = MME(temperature=0.1, **given).fit(shift.X, shift.y, target=shift.target(3))
    scale = model.network_.head.out.scale
    assert scale.item() == pytest.approx(10.0)
    z = model.transform(shift.Xt)
    w = model.network_.head.out.weight.detach().numpy()
    cosine = (z @ w.T) / np.linalg.norm(z, axis=1, keepdims=True) / np.linalg.norm(w, axis=1)
    np.testing.assert_allclose(model.decision_function(shift.Xt), 10 * cosine, rtol=1e-3, atol=1e-4)


def test_a_few_labels_turn_swapped_classes_round():
    """Where classes trade places only labels of the target can tell; they count here as much as the source's."""
    gains = []
    for seed in range(2):
        shift = shifts.concept(seed, 90)
        given = adaptation_checks.settings({"training": adaptation_checks.training(n_epochs=20), "random_state": seed})
        model = MME(**given).fit(shift.X, shift.y, target=shift.target(5))
        given["training"] = adaptation_checks.training(n_epochs=20)
        plain = adaptation_checks.transferkit.DeepSourceOnly(**given).fit(shift.X, shift.y, target=shift.target(5))
        gains.append(model.score(shift.Xt, shift.yt) - plain.score(shift.Xt, shift.yt))
    assert np.mean(gains) > 0.1
