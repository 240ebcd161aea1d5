"""DeepJDOT: the term is the cost of the cheapest plan, whose gradient leaves the plan alone."""

import numpy as np
import pytest
import torch
from scipy.optimize import linear_sum_assignment
from torch.nn import functional

import adaptation_checks
import shifts
from transferkit import DeepJDOT, DeepSourceOnly, Domain
from transferkit.engine.adaptation.alignment import Joint
from transferkit.engine.answers.labels import find_labels
from transferkit.engine.training.objective import Stream

pytestmark = pytest.mark.filterwarnings("ignore:.*(have collapsed|has diverged)")


class Fit:
    def __init__(self, y):
        self.labels = find_labels("test", y, len(y))


def case(numbers=False, n=7, d=3, k=4, **weights):
    rng = np.random.default_rng(0)
    y = rng.normal(size=n) if numbers else np.arange(n) % k
    labels = Fit(y).labels
    z = torch.tensor(rng.normal(size=(2 * n, d)), requires_grad=True)
    outputs = torch.tensor(rng.normal(size=(2 * n, labels.n_outputs)), requires_grad=True)
    source = Stream(None, labels.encode(y), torch.arange(n))
    return DeepJDOT(**weights)._term(Fit(y)), z, outputs, Joint(z, outputs, source, Stream(None, None, torch.arange(n)))


@pytest.mark.parametrize("numbers", [False, True])
def test_the_term_is_the_cheapest_assignment(numbers):
    """Between as many rows of equal weight, the cheapest plan pairs each with one (Birkhoff)."""
    term, z, outputs, joint = case(numbers, feature_weight=0.3, label_weight=0.7)
    n, y = joint.n, joint.source.y
    cost = np.zeros((n, n))
    for i in range(n):
        for j in range(n):
            own = outputs[n + j]
            wrong = (own - y[i]).square().mean() if numbers else functional.cross_entropy(own[None], y[i : i + 1])
            cost[i, j] = 0.3 * (z[i] - z[n + j]).square().sum().item() + 0.7 * wrong.item()
    i, j = linear_sum_assignment(cost)
    found = term(joint, 0.0)
    assert found["loss"].item() == pytest.approx(cost[i, j].mean(), rel=1e-5)
    found["loss"].backward()
    pairs = torch.tensor(j)
    expected = 0.3 * 2 * (z[:n] - z[n:][pairs]) / n
    torch.testing.assert_close(z.grad[:n], expected.detach(), rtol=1e-4, atol=1e-6)
    assert outputs.grad[:n].abs().max() == 0, "the source's outputs are the task's loss alone"


def test_equal_rows_that_are_predicted_right_cost_nothing():
    term, z, outputs, joint = case(feature_weight=1.0, label_weight=0.0)
    same = Joint(torch.cat([z[:7], z[:7].flip(0)]), outputs, joint.source, joint.target)
    assert term(same, 0.0)["loss"].item() == pytest.approx(0, abs=1e-10)


def test_values_that_are_not_finite_reach_the_loop_as_such():
    term, z, outputs, joint = case()
    broken = Joint(z * torch.nan, outputs, joint.source, joint.target)
    assert not torch.isfinite(term(broken, 0.0)["loss"])


def test_without_weights_it_is_the_source_alone_but_for_batch_statistics():
    shift = shifts.none(0, 60)
    given = {"training": adaptation_checks.training(n_epochs=2), "feature_weight": 0.0, "label_weight": 0.0}
    model = DeepJDOT(**adaptation_checks.settings(given)).fit(shift.X, shift.y, target=Domain(shift.Xt))
    for row in model.history_:
        assert row["train/transfer"] == 0
        assert row["train/loss"] == pytest.approx(row["train/task"])


def test_numbers_are_carried_to_a_moved_domain():
    """A regression whose target has another offset on every feature, against the source alone."""
    gains = []
    for seed in range(3):
        rng = np.random.default_rng(seed)
        X, Xt = rng.normal(size=(120, 4)), rng.normal(size=(120, 4))
        y, yt = X[:, 0] + X[:, 1], Xt[:, 0] + Xt[:, 1]
        Xt = Xt + np.array([0.0, 1.5, 1.5, -1.5])
        own = {"training": adaptation_checks.training(n_epochs=15), "random_state": seed}
        model = DeepJDOT(**adaptation_checks.settings({**own, "feature_weight": 0.1, "label_weight": 1.0}))
        plain = DeepSourceOnly(**adaptation_checks.settings(own))
        scores = [m.fit(X, y, target=Domain(Xt)).score(Xt, yt) for m in (model, plain)]
        gains.append(scores[0] - scores[1])
    assert np.mean(gains) > 0.1, gains
