"""DAN: the sum of discrepancies over the layers, and features whose distributions come together."""

import numpy as np
import pytest
import torch

import adaptation_checks
import shifts
from transferkit import DAN, Domain
from transferkit.ops.nn.mmd import mk_mmd

pytestmark = pytest.mark.filterwarnings("ignore:.*(have collapsed|has diverged)")
SHIFT = shifts.moved(0)


def fitted(**params):
    given = {"training": adaptation_checks.training(n_epochs=15), **params}
    return DAN(**adaptation_checks.settings(given)).fit(SHIFT.X, SHIFT.y, target=Domain(SHIFT.Xt))


def test_the_term_is_the_sum_over_the_layers():
    one_batch = adaptation_checks.training(n_epochs=1, batch_size=90, lr=1e-12)
    rows = {layers: fitted(layers=layers, training=one_batch).history_[0] for layers in ("both", "features", "outputs")}
    total = rows["features"]["train/transfer"] + rows["outputs"]["train/transfer"]
    assert rows["both"]["train/transfer"] == pytest.approx(total, rel=1e-5)
    assert rows["both"]["train/features"] == pytest.approx(rows["features"]["train/transfer"], rel=1e-6)
    network = fitted(training=one_batch).network_.train()
    with torch.no_grad():
        z = network.features(torch.tensor(np.vstack([SHIFT.X, SHIFT.Xt])).float())
    expected = mk_mmd(z[:90], z[90:], unbiased=True).item()
    assert rows["features"]["train/transfer"] == pytest.approx(expected, rel=1e-3)


def test_the_discrepancy_falls():
    def distance(model):
        return mk_mmd(torch.tensor(model.transform(SHIFT.X)), torch.tensor(model.transform(SHIFT.Xt))).item()

    assert distance(fitted()) < 0.5 * distance(fitted(trade_off=0.0))


def test_bandwidths_are_asked_for_as_numbers_above_zero():
    for scales in ((), (0.0,), "1", (1.0, "a")):
        with pytest.raises(ValueError, match=r"DAN\.fit: scales must be numbers above 0"):
            fitted(scales=scales)
