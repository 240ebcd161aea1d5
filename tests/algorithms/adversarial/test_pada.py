"""PADA: classes weigh by the target's mean probabilities, and those that it lacks come to weigh nearly nothing."""

import numpy as np
import pytest
import torch
from torch.nn import functional

import adaptation_checks
import shifts
from objectives import built, small
from transferkit import DANN, PADA, Domain

pytestmark = pytest.mark.filterwarnings("ignore:.*(have collapsed|has diverged)")


def test_weights_and_losses():
    shift = shifts.moved(0, 40)
    objective, batch = built(small(PADA, trade_off=0.6), shift)
    torch.testing.assert_close(objective.class_weights(), torch.ones(3))
    objective.critic.eval()  # moving statistics, so that it can be asked twice
    found = objective.steps()[0].loss(batch, 0.2)
    z = objective.network.features(torch.cat([batch["source"].x, batch["target"].x]))
    outputs, n, y = objective.network.head(z), 40, batch["source"].y
    gamma = outputs[n:].softmax(dim=1).mean(dim=0)
    gamma = (gamma / gamma.max()).detach()
    torch.testing.assert_close(objective.class_weights(), gamma)
    task = (gamma[y] * functional.cross_entropy(outputs[:n], y, reduction="none")).mean()
    p = torch.sigmoid(objective.critic(z))
    critic = (-(gamma[y] * p[:n].log()).mean() - (1 - p[n:]).log().mean()) / 2
    torch.testing.assert_close(found["task"], task)
    torch.testing.assert_close(found["loss"], task + 0.6 * critic)


def test_a_row_counts_with_its_last_visit():
    shift = shifts.moved(0, 40)
    objective, batch = built(small(PADA), shift)
    part = {**batch, "source": shift_rows(batch["source"], 10), "target": shift_rows(batch["target"], 10)}
    objective.steps()[0].loss(part, 0.2)
    torch.testing.assert_close(objective.proba[10:], torch.full((30, 3), 1 / 3))
    assert (objective.proba[:10] - 1 / 3).abs().max() > 0.01


def shift_rows(stream, n):
    return type(stream)(stream.x[:n], None if stream.y is None else stream.y[:n], stream.rows[:n])


def test_a_class_that_the_target_lacks_weighs_little_and_does_less_harm():
    """Against DANN, which pulls the target's rows onto all source classes, on average over three seeds."""
    gains, weights = [], []
    for seed in range(3):
        shift = shifts.none(seed, 120)
        here = shift.yt < 2
        pada, dann = (
            small(cls, training=adaptation_checks.training(n_epochs=15), random_state=seed).fit(
                shift.X, shift.y, target=Domain(shift.Xt[here])
            )
            for cls in (PADA, DANN)
        )
        weights.append(pada.facts_["class_weights"])
        gains.append(pada.score(shift.Xt[here], shift.yt[here]) - dann.score(shift.Xt[here], shift.yt[here]))
    assert np.mean(weights, axis=0)[2] < 0.5 * np.mean(weights, axis=0)[:2].min()
    assert np.mean(gains) > 0
