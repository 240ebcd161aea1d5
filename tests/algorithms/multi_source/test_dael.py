"""DAEL: an expert a source, agreement on strong views, and the surest expert's class for the target."""

import numpy as np
import pytest
import torch
from torch.nn import functional

import shifts
from adaptation_checks import training
from objectives import stream
from source_groups import Sources, built, fitted, plain, small, two_moved
from transferkit import DAEL
from transferkit.algorithms.multi_source import dael

pytestmark = pytest.mark.filterwarnings("ignore:.*(have collapsed|has diverged)")
DATA = two_moved(0)


def three() -> Sources:
    return Sources(DATA.X, DATA.y, np.arange(len(DATA.y)) % 3, DATA.Xt, DATA.yt)


def with_two_views(data, monkeypatch, **params):
    """An objective and a batch whose second views, and strong ones, are the rows in the opposite order."""
    objective, batch = built(small(DAEL, **params), data)
    for name, one in batch.items():
        batch[name] = stream(torch.cat([one.x, one.x.flip(0)]), one.y)
    monkeypatch.setattr(dael, "strong_view", lambda x, strength: x + strength)
    return objective, batch


def test_the_three_losses_by_hand(monkeypatch):
    objective, batch = with_two_views(three(), monkeypatch, trade_off=0.3, threshold=0.45, strength=0.1)
    found = objective.steps()[0].loss(batch, 0.5)
    names = ["source_0", "source_1", "source_2", "target"]
    sizes = [len(batch[n].x) // 2 for n in names]
    weak = [batch[n].x[:k] for n, k in zip(names, sizes)]
    strong = [batch[n].x[k:] + 0.1 for n, k in zip(names, sizes)]
    z = objective.network.features(torch.cat([*weak, *strong])).split(sizes * 2)
    p = [torch.stack([head(own).softmax(dim=1) for head in objective.network.head.heads]) for own in z]
    weak, strong = p[:4], p[4:]
    y = [batch[n].y for n in names[:3]]
    task = sum(functional.nll_loss(weak[k][k].log(), y[k]) for k in range(3)) / 3
    agreement = 0
    for k in range(3):
        rest = [strong[k][j] for j in range(3) if j != k]
        agreement += ((sum(rest) / 2 - weak[k][k].detach()) ** 2).sum(dim=1).mean() / 3
    losses, used = [], []
    for row in range(sizes[3]):
        said = weak[3][:, row]
        expert = said.max(dim=1).values.argmax()
        used.append(bool(said[expert].max() >= 0.45))
        losses.append(-strong[3][:, row].mean(dim=0)[said[expert].argmax()].log() * used[-1])
    transfer = sum(losses) / len(losses)
    assert 0 < np.mean(used) <= 1
    assert found["used"].item() == pytest.approx(np.mean(used))
    torch.testing.assert_close(found["task"], task)
    torch.testing.assert_close(found["agreement"], agreement)
    torch.testing.assert_close(found["transfer"], transfer)
    torch.testing.assert_close(found["loss"], task + agreement + 0.3 * transfer)


def test_an_expert_is_no_pupil_of_the_others_on_its_own_source():
    weak, strong = ([torch.randn(2, 5, 3).requires_grad_() for _ in range(2)] for _ in range(2))
    dael._disagreement(weak, strong).backward()
    assert all(said.grad is None for said in weak), "what the own expert says is a constant"
    assert [(strong[k].grad.abs().sum(dim=(1, 2)) > 0).tolist() for k in (0, 1)] == [[False, True], [True, False]]


def test_one_source_has_nobody_to_agree_with(monkeypatch):
    alone = Sources(DATA.X, DATA.y, np.zeros(len(DATA.y), int), DATA.Xt, DATA.yt)
    objective, batch = with_two_views(alone, monkeypatch)
    assert objective.steps()[0].loss(batch, 0.5)["agreement"] == 0


def test_it_beats_the_sources_together():
    """Two halves of a source are two sources; the target leans into the direction of the classes."""
    given = {"training": training(n_epochs=15)}
    gains = []
    for seed in range(3):
        shift = shifts.offset(seed)
        data = Sources(shift.X, shift.y, np.arange(len(shift.y)) % 2, shift.Xt, shift.yt)
        own = fitted(small(DAEL, random_state=seed, **given), data)
        rest = plain(data, random_state=seed, **given)
        gains.append(own.score(data.Xt, data.yt) - rest.score(data.Xt, data.yt))
    assert np.mean(gains) > 0.03, gains
