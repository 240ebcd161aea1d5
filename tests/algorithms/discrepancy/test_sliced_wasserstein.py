"""SWD: which distance is taken of what, and that both forms bring back a domain with an offset."""

import numpy as np
import pytest
import torch

import adaptation_checks
import shifts
from transferkit import DeepSourceOnly, Domain, SlicedWasserstein
from transferkit.ops.nn.sliced import sliced_wasserstein

pytestmark = pytest.mark.filterwarnings("ignore:.*(have collapsed|has diverged)")


def model(**params):
    given = {"training": adaptation_checks.training(n_epochs=15), **params}
    return SlicedWasserstein(**adaptation_checks.settings(given))


def test_the_heads_are_compared_by_their_sorted_projections(monkeypatch):
    """With as many directions as one has, the logged distance is the formula of the same draw."""
    seen = []

    def watch(p, q, n_projections):
        seen.append((p.shape, p.sum(dim=1).detach(), n_projections))
        return sliced_wasserstein(p, q, n_projections)

    monkeypatch.setattr("transferkit.algorithms.discrepancy.sliced_wasserstein.sliced_wasserstein", watch)
    shift = shifts.none(0, 60)
    one_update = adaptation_checks.training(n_epochs=1, batch_size=60)
    fitted = model(training=one_update, n_projections=5, n_steps=2).fit(shift.X, shift.y, target=Domain(shift.Xt))
    assert len(seen) == 2 + 2, "once to learn, once to part, and n_steps times to meet"
    for shape, total, n in seen:
        assert shape == (60, 3)
        assert n == 5
        torch.testing.assert_close(total, torch.ones(60))
    row = fitted.history_[0]
    assert row["heads/loss"] == pytest.approx(row["heads/task"] - row["heads/transfer"], rel=1e-5)
    assert row["features/loss"] == pytest.approx(row["features/transfer"], rel=1e-6)


def test_features_come_together():
    shift = shifts.moved(0)

    def distance(trade_off):
        fitted = model(between="features", trade_off=trade_off).fit(shift.X, shift.y, target=Domain(shift.Xt))
        torch.manual_seed(0)
        return sliced_wasserstein(*(torch.tensor(fitted.transform(X)) for X in (shift.X, shift.Xt))).item()

    assert distance(1.0) < 0.5 * distance(0.0)


@pytest.mark.parametrize("between", ["heads", "features"])
def test_a_domain_with_an_offset_is_recognised(between):
    gains = []
    for seed in range(3):
        shift = shifts.offset(seed)
        scores = [
            m.set_params(random_state=seed).fit(shift.X, shift.y, target=Domain(shift.Xt)).score(shift.Xt, shift.yt)
            for m in (
                model(between=between),
                DeepSourceOnly(**adaptation_checks.settings({"training": adaptation_checks.training(n_epochs=15)})),
            )
        ]
        gains.append(scores[0] - scores[1])
    assert np.mean(gains) > 0.03, gains
