"""CORAL between sources: DomainBed's penalty on every pair, and nothing of the target."""

from itertools import combinations

import numpy as np
import pytest
import torch

from adaptation_checks import training
from source_groups import Sources, assert_source_only, assert_target_unused, built, fitted, small, two_moved
from transferkit import CORALDG, DomainError

pytestmark = pytest.mark.filterwarnings("ignore:.*(have collapsed|has diverged)")
DATA = two_moved(0)


def three() -> Sources:
    return Sources(DATA.X, DATA.y, np.arange(len(DATA.y)) % 3, DATA.Xt, DATA.yt)


def test_the_penalty_by_hand():
    objective, batch = built(small(CORALDG, trade_off=0.3), three())
    with torch.no_grad():
        z = objective.network.features(torch.cat([batch[f"source_{k}"].x for k in range(3)]))
        loss = objective.labels.loss(objective.network.head(z), torch.cat([batch[f"source_{k}"].y for k in range(3)]))
    parts = z.double().numpy().reshape(3, 40, -1)
    apart = [
        ((a.mean(0) - b.mean(0)) ** 2).mean() + ((np.cov(a.T) - np.cov(b.T)) ** 2).mean()
        for a, b in combinations(parts, 2)
    ]
    found = objective.steps()[0].loss(batch, 0.5)
    assert found["transfer"].item() == pytest.approx(np.mean(apart), rel=1e-4)
    assert found["loss"].item() == pytest.approx(loss.item() + 0.3 * np.mean(apart), rel=1e-4)


def test_one_source_is_source_only():
    assert_source_only(small(CORALDG, training=training(n_epochs=2)), DATA)


def test_the_target_changes_nothing():
    assert_target_unused(small(CORALDG, training=training(n_epochs=2)), three())


def test_the_sources_come_together():
    given = {"training": training(n_epochs=15)}
    far, near = (fitted(small(CORALDG, trade_off=t, **given), DATA).history_[-1]["train/transfer"] for t in (0.0, 1.0))
    assert near < far / 2


def test_domains_of_one_row_have_no_covariance():
    alone = Sources(DATA.X[:6], np.arange(6) % 2, np.arange(6), DATA.Xt, DATA.yt)
    with pytest.raises(DomainError, match=r"^CORALDG\.fit: groups must name a domain of two rows"):
        fitted(small(CORALDG), alone)
