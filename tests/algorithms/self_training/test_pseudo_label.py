"""PseudoLabel: the weight of eq. 16, and entropy's gradient in its limit: hard labels of the network itself."""

import pytest
import torch
from torch.nn import functional

import adaptation_checks
import shifts
from self_training_toys import batch_of, toy
from transferkit import Domain, PseudoLabel
from transferkit.algorithms.self_training.pseudo_label import _ramp
from transferkit.engine.adaptation.alignment import joint_pass

pytestmark = pytest.mark.filterwarnings("ignore:.*(have collapsed|has diverged)")


def test_the_weight_is_that_of_the_paper():
    """Eq. 16 with T1 = 100 and T2 = 600 of 1000."""
    for t, expected in ((0, 0.0), (100, 0.0), (350, 0.5), (600, 1.0), (999, 1.0)):
        assert _ramp(t / 1000, 0.1, 0.6) == pytest.approx(expected)
    assert _ramp(0.3, 0.3, 0.3) == 1.0
    assert _ramp(0.2, 0.3, 0.3) == 0.0


def test_labels_are_the_networks_own_and_constants():
    fit = toy()
    joint = joint_pass(fit.network.train(), batch_of(fit))
    found = PseudoLabel()._term(fit)(joint, 1.0)
    outputs = joint.outputs_t
    torch.testing.assert_close(found["loss"], functional.cross_entropy(outputs, outputs.argmax(dim=1)))
    (ours,) = torch.autograd.grad(found["loss"], joint.outputs, retain_graph=True)
    p = outputs.softmax(dim=1)
    one = functional.one_hot(p.argmax(dim=1), 3)
    torch.testing.assert_close(ours[fit.X.shape[0] :], (p - one) / len(p))
    assert not ours[: fit.X.shape[0]].any(), "the source's rows are not in the term"


def test_a_threshold_leaves_rows_out():
    fit = toy()
    joint = joint_pass(fit.network.train(), batch_of(fit))
    sure = joint.outputs_t.softmax(dim=1).amax(dim=1)
    cut = sure.median().item()
    found = PseudoLabel(threshold=cut)._term(fit)(joint, 1.0)
    each = functional.cross_entropy(joint.outputs_t, joint.outputs_t.argmax(dim=1), reduction="none")
    torch.testing.assert_close(found["loss"], each[sure > cut].sum() / len(sure))
    assert found["used"] == (sure > cut).float().mean()


def test_the_targets_rows_become_surer():
    shift, found = shifts.moved(0), []
    for trade_off in (0.0, 3.0):
        given = adaptation_checks.settings(
            {"training": adaptation_checks.training(n_epochs=15), "trade_off": trade_off}
        )
        found.append(PseudoLabel(**given).fit(shift.X, shift.y, target=Domain(shift.Xt)).history_[-1]["target/entropy"])
    assert found[1] < 0.7 * found[0]
