"""PT-MAP: power, transport in equal parts, centres that move along."""

import numpy as np
import torch
from ot import sinkhorn

import meta_toys as toys
from transferkit import PTMAP
from transferkit.algorithms.meta.pt_map import _gaussian, _plan


def learner(**params):
    return PTMAP(**params)._learner(toys.network(), toys.CLASSES, 6)


def test_the_plan_is_that_of_entropic_transport():
    rng = np.random.default_rng(0)
    cost = rng.uniform(size=(2, 8, 3))
    found = _plan(torch.tensor(-5 * cost)).exp().numpy()
    for task in range(2):
        want = sinkhorn(np.ones(8), np.full(3, 8 / 3), cost[task], 1 / 5, stopThr=1e-12)
        np.testing.assert_allclose(found[task], want, atol=1e-3)


def test_fewer_queries_than_classes_are_not_shared_out():
    scores = torch.tensor([[[1.0, 2.0, 4.0], [0.0, 0.0, 1.0]]])
    torch.testing.assert_close(_plan(scores), scores.log_softmax(-1))


def test_the_power_is_the_papers_where_features_are_not_negative():
    z = torch.rand(1, 7, 5, generator=torch.Generator().manual_seed(0)).double()
    want = (z[0] + 1e-6).sqrt()
    want = want / want.norm(dim=1, keepdim=True)
    want = want - want.mean(0)
    torch.testing.assert_close(_gaussian(z, 0.5)[0], want / want.norm(dim=1, keepdim=True))
    assert _gaussian(-z, 0.5).isfinite().all()


def test_one_step_moves_the_centres_by_the_weighted_means():
    found, batch = learner(n_adapt_steps=1, step=0.3), toys.stream(n_tasks=1)
    z, y = _gaussian(found.network.features(batch.x[0])[None], 0.5)[0].detach(), batch.y[0, :6]
    centres = torch.stack([z[:6][y == k].mean(0) for k in range(3)])

    def plan():
        return _plan(-10 * torch.cdist(z[6:], centres)[None] ** 2)[0]

    p = plan().exp()
    for k in range(3):
        mean = (z[:6][y == k].sum(0) + (p[:, k : k + 1] * z[6:]).sum(0)) / (2 + p[:, k].sum())
        centres[k] += 0.3 * (mean - centres[k])
    answer = found.answer(found.adapt(batch.x[0, :6], y, 3), batch.x[0, 6:])
    torch.testing.assert_close(answer, plan(), atol=1e-4, rtol=1e-4)


def test_queries_are_shared_out_equally_and_tasks_at_once_are_one_after_the_other():
    found, batch = learner(), toys.stream()
    for k, outputs in enumerate(found.outputs(batch.x, batch.y[:, :6])):
        torch.testing.assert_close(outputs.exp().sum(0), torch.full((3,), 3.0).double(), atol=1e-2, rtol=0)
        one = found.answer(found.adapt(batch.x[k, :6], batch.y[k, :6], 3), batch.x[k, 6:])
        torch.testing.assert_close(outputs.exp(), one.exp(), atol=1e-2, rtol=0)  # the tasks stop together


def test_the_queries_mend_centres_that_one_shot_puts_wrong():
    rng, hits = np.random.default_rng(0), []
    y, first = torch.arange(3).repeat_interleave(20), [0, 20, 40]
    for _ in range(20):
        rows = torch.tensor(np.abs(rng.normal(size=(3, 8))[y] + 0.7 * rng.normal(size=(60, 8)) + 3))
        for n_steps in (0, 20):
            found = learner(n_adapt_steps=n_steps)
            answers = found.respond(found.learn(rows[None, first], y[None, first], 3), rows[None])[0]
            hits.append((answers.argmax(1) == y).double().mean())
    plain, moved = np.array(hits).reshape(-1, 2).mean(0)
    assert moved > plain + 0.02, (plain, moved)
