"""CAN: labels once an epoch, from clusters; batches of the same classes from both domains; classes that come together."""

import numpy as np
import pytest
import torch

import adaptation_checks
import shifts
from transferkit import CAN, DeepSourceOnly, Domain
from transferkit.algorithms.discrepancy import can

pytestmark = pytest.mark.filterwarnings("ignore:.*(have collapsed|has diverged)")
SHIFT = shifts.moved(0)


def fit(shift=SHIFT, **params):
    given = {"training": adaptation_checks.training(n_epochs=3), **params}
    return CAN(**adaptation_checks.settings(given)).fit(shift.X, shift.y, target=Domain(shift.Xt))


def test_labels_are_new_every_epoch_and_batches_are_of_the_same_classes(monkeypatch):
    clustered, drawn = [], []
    cluster, draw = can._Contrast._cluster, can._Contrast._draw

    def watch_cluster(self):
        cluster(self)
        clustered.append(self.labels.clone())

    def watch_draw(self):
        found = draw(self)
        drawn.append((found, self.labels.clone(), self._fit))
        return found

    monkeypatch.setattr(can._Contrast, "_cluster", watch_cluster)
    monkeypatch.setattr(can._Contrast, "_draw", watch_draw)
    model = fit(n_rows=4, n_classes=2)
    assert len(clustered) == 3
    assert len(drawn) == model.n_updates_
    for (codes, streams), labels, own in drawn:
        assert codes.tolist() == [0] * 4 + [1] * 4, "two classes, four rows of each"
        of_source, of_target = own.rows.y[streams["source"].rows], labels[streams["target"].rows]
        assert torch.equal(of_source, of_target)
        assert (of_target >= 0).all()
        assert streams["target"].y is None
        np.testing.assert_allclose(streams["target"].x, SHIFT.Xt[streams["target"].rows], rtol=1e-5)


def test_rows_far_from_a_centre_and_rare_classes_are_left_out():
    everything = fit(threshold=1.0, min_rows=1).facts_["target_labelled"]
    assert everything == 1
    assert fit(threshold=0.02).facts_["target_labelled"] < 1
    nothing = fit(min_rows=91)
    assert nothing.facts_["target_labelled"] == 0
    for row in nothing.history_:
        assert row["train/transfer"] == 0
        assert row["train/loss"] == row["train/task"]


def test_the_loss_is_the_sum_of_its_parts():
    for row in fit(trade_off=0.7).history_:
        assert row["train/transfer"] == pytest.approx(row["train/within"] - row["train/between"], abs=1e-5)
        assert row["train/loss"] == pytest.approx(row["train/task"] + 0.7 * row["train/transfer"], rel=1e-4)


def test_a_moved_domain_is_recognised():
    gains = []
    for seed in range(3):
        shift = shifts.moved(seed)
        own = {"random_state": seed, "training": adaptation_checks.training(n_epochs=15)}
        plain = DeepSourceOnly(**adaptation_checks.settings(own)).fit(shift.X, shift.y, target=Domain(shift.Xt))
        gains.append(fit(shift, **own).score(shift.Xt, shift.yt) - plain.score(shift.Xt, shift.yt))
    assert np.mean(gains) > 0.05, gains
