"""MFSAN: three losses by hand, branches that only their own source teaches, and their mean."""

from itertools import combinations

import numpy as np
import pytest
import torch
from torch.nn import functional

from adaptation_checks import training
from source_groups import Sources, built, fitted, plain, small, two_moved
from transferkit import MFSAN
from transferkit.ops.nn.grad_reverse import reversal_weight
from transferkit.ops.nn.mmd import mk_mmd

pytestmark = pytest.mark.filterwarnings("ignore:.*(have collapsed|has diverged)")
DATA = two_moved(0)


def test_the_three_losses_by_hand():
    three = Sources(DATA.X, DATA.y, np.arange(120) % 3, DATA.Xt, DATA.yt)
    objective, batch = built(small(MFSAN, width=8, trade_off=0.7, agreement=0.3), three)
    names, head = ["source_0", "source_1", "source_2"], objective.network.head
    z = objective.network.features(torch.cat([batch[name].x for name in (*names, "target")]))
    task, far, answers = 0, 0, []
    for k, name in enumerate(names):
        both = head.necks[k](torch.cat([z[40 * k : 40 * k + 40], z[120:]]))
        task = task + functional.cross_entropy(head.heads[k](both[:40]), batch[name].y)
        far = far + mk_mmd(both[:40], both[40:]) / 3
        answers.append(head.heads[k](both[40:]).softmax(1))
    apart = sum((a - b).abs().mean() for a, b in combinations(answers, 2)) / 3
    found = objective.steps()[0].loss(batch, 0.25)
    torch.testing.assert_close(found["transfer"], far)
    torch.testing.assert_close(found["apart"], apart)
    weight = reversal_weight(0.25, 10.0)
    torch.testing.assert_close(found["loss"], task + weight * (0.7 * far + 0.3 * apart))
    torch.testing.assert_close(objective.steps()[0].loss(batch, 0.0)["loss"], task)


def test_a_source_does_not_teach_the_branch_of_another():
    objective, batch = built(small(MFSAN, width=8), DATA)
    y = batch["source_0"].y
    head = objective.network.head
    task = objective.steps()[0].loss(batch, 0.5)["task"]
    before = torch.autograd.grad(task, list(head.heads[1].parameters()))
    batch["source_0"] = type(batch["source_0"])(batch["source_0"].x, 1 - y, batch["source_0"].rows)
    after = torch.autograd.grad(objective.steps()[0].loss(batch, 0.5)["task"], list(head.heads[1].parameters()))
    torch.testing.assert_close(before, after)


def test_the_branches_vote_with_the_mean_of_their_probabilities():
    model = fitted(small(MFSAN, width=8), DATA)
    assert len(model.network_.head.heads) == 2
    with torch.no_grad():
        expected = model.network_.head.each(torch.tensor(model.transform(DATA.Xt))).softmax(dim=2).mean(dim=0)
    np.testing.assert_allclose(model.predict_proba(DATA.Xt), expected, atol=1e-6)


def test_it_beats_the_sources_together():
    gains = []
    for seed in range(3):
        data, given = two_moved(seed), {"random_state": seed, "training": training(n_epochs=15)}
        own, rest = fitted(small(MFSAN, width=8, **given), data), plain(data, **given)
        gains.append(own.score(data.Xt, data.yt) - rest.score(data.Xt, data.yt))
    assert np.mean(gains) > 0.03, gains
