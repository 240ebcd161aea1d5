"""MCC: the objective is the source's loss and the confusion of the target's outputs alone."""

import pytest
import torch
from torch.nn import functional

import adaptation_checks
import shifts
from transferkit import MCC, Domain
from transferkit.engine.adaptation.alignment import Joint
from transferkit.engine.training.objective import Stream
from transferkit.ops.nn.confusion import class_confusion

pytestmark = pytest.mark.filterwarnings("ignore:.*(have collapsed|has diverged)")
SHIFT = shifts.rotated(0)


def model(**params):
    return MCC(**adaptation_checks.settings({"training": adaptation_checks.training(n_epochs=15), **params}))


def test_the_term_looks_at_the_targets_outputs_only():
    term = model(temperature=2.0)._term(None)
    rows = Stream(None, None, torch.arange(4))
    outputs = torch.randn(8, 3)
    one = term(Joint(torch.randn(8, 2), outputs, rows, rows), 0.5)["loss"]
    torch.testing.assert_close(one, class_confusion(outputs[4:], 2.0))
    changed = torch.cat([torch.randn(4, 3), outputs[4:]])
    torch.testing.assert_close(term(Joint(torch.randn(8, 2), changed, rows, rows), 0.1)["loss"], one)


def test_the_loss_is_the_sum_of_both():
    logged = model(trade_off=0.7).fit(SHIFT.X, SHIFT.y, target=Domain(SHIFT.Xt)).history_[0]
    assert logged["train/loss"] == pytest.approx(logged["train/task"] + 0.7 * logged["train/transfer"], rel=1e-5)


def test_confusion_on_the_target_falls():
    """Against the same network without the term, on rows of the target."""
    found = []
    for trade_off in (0.0, 2.0):
        fitted = model(trade_off=trade_off, training=adaptation_checks.training(n_epochs=15))
        fitted.fit(SHIFT.X, SHIFT.y, target=Domain(SHIFT.Xt))
        found.append(class_confusion(torch.tensor(fitted.decision_function(SHIFT.Xt))).item())
    assert found[1] < found[0] - 0.05


def test_temperature_and_gradient():
    """The certainty weights are constants in the gradient (as in the authors' code): only p moves."""
    logits = torch.randn(5, 3, dtype=torch.float64, requires_grad=True)
    class_confusion(logits).backward()
    ours, logits.grad = logits.grad, None
    with torch.no_grad():
        p = (logits / 2.5).softmax(1)
        w = 1 + torch.exp(-torch.special.entr(p).sum(1))
        w = 5 * w / w.sum()
    p = functional.softmax(logits / 2.5, dim=1)
    c = (p * w[:, None]).T @ p
    ((c / c.sum(1, keepdim=True)).sum() / 3 - (c / c.sum(1, keepdim=True)).trace() / 3).backward()
    torch.testing.assert_close(ours, logits.grad, rtol=1e-4, atol=1e-6)
