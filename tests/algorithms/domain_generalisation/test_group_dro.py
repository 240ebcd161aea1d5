"""Group DRO: the exponentiated ascent of algorithm 1, its limits, and the worst source."""

import numpy as np
import pytest
import torch

from adaptation_checks import training
from source_groups import assert_source_only, assert_target_unused, built, fitted, plain, small, spurious
from transferkit import GroupDRO

pytestmark = pytest.mark.filterwarnings("ignore:.*(have collapsed|has diverged)")
DATA = spurious(0)


def test_weights_and_loss_by_hand():
    objective, batch = built(small(GroupDRO, step_size=0.5, adjustment=2.0), DATA)
    step = objective.steps()[0].loss
    weight = np.full(2, 0.5)
    for progress in (0.1, 0.2):
        with torch.no_grad():
            z = objective.network(torch.cat([batch["source_0"].x, batch["source_1"].x])).split([200, 40])
        losses = np.array(
            [torch.nn.functional.cross_entropy(out, batch[f"source_{k}"].y).item() for k, out in enumerate(z)]
        )
        weight = weight * np.exp(0.5 * (losses + 2.0 / np.sqrt([200, 40])))
        weight /= weight.sum()
        found = step(batch, progress)
        np.testing.assert_allclose(objective.term.weight, weight, rtol=1e-5)
        assert found["loss"].item() == pytest.approx(weight @ losses, rel=1e-5)
        assert found["worst"].item() == pytest.approx(losses.max(), rel=1e-5)
    step(batch, 0.2)
    np.testing.assert_allclose(objective.term.weight, weight, rtol=1e-5, err_msg="a second piece of the same update")


def test_one_source_is_source_only():
    assert_source_only(small(GroupDRO, training=training(n_epochs=2)), DATA)


def test_the_target_changes_nothing():
    assert_target_unused(small(GroupDRO, training=training(n_epochs=2)), DATA)


def test_the_worst_source_gains():
    """The small source contradicts the large one in a column that the plain training follows; so does the target."""
    worst, target = [], []
    for seed in range(3):
        data = spurious(seed)
        given = {"random_state": seed, "training": training(n_epochs=15)}
        minor = data.groups == 1
        one, two = fitted(small(GroupDRO, step_size=0.1, **given), data), plain(data, **given)
        worst.append(one.score(data.X[minor], data.y[minor]) - two.score(data.X[minor], data.y[minor]))
        target.append(one.score(data.Xt, data.yt) - two.score(data.Xt, data.yt))
    assert np.mean(worst) > 0.03, worst
    assert np.mean(target) > 0.03, target
