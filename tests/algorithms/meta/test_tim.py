"""TIM: the mutual information of queries and classes, and its two solvers."""

import numpy as np
import pytest
import torch

import meta_toys as toys
from transferkit import TIM
from transferkit.algorithms.meta.tim import _in_span
from transferkit.ops.nn.prototypes import class_means


def learner(**params):
    return TIM(**params)._learner(toys.network(), toys.CLASSES, 6)


def task(seed=0, n=12):
    torch.manual_seed(seed)
    support, y, z = (
        torch.randn(1, 6, 4).double(),
        torch.arange(3).repeat_interleave(2)[None],
        torch.randn(1, n, 4).double(),
    )
    support, z = (v / v.norm(dim=-1, keepdim=True) for v in (support, z))
    of_class = torch.nn.functional.one_hot(y, 3).double()
    return class_means(support, y, 3), support, of_class, z


def test_the_loss_is_cross_entropy_less_mutual_information():
    found, (w, support, of_class, z) = learner(entropy_weight=1.0, support_weight=0.3), task()
    p = torch.stack([torch.exp(-7.5 * ((w[0, k] - z[0]) ** 2).sum(1)) for k in range(3)], dim=1)
    joint = p / p.sum(1, keepdim=True) / len(p)
    information = (joint * (joint / joint.sum(0) / joint.sum(1, keepdim=True)).log()).sum()
    right = found.logits(w, support)[0].log_softmax(1)[of_class[0] == 1].mean()
    torch.testing.assert_close(found.loss(w, support, of_class, z)[0], -0.3 * right - information)


def test_the_centres_rest_exactly_where_the_gradient_with_given_labels_is_zero():
    found, (w, support, of_class, z) = learner(), task()
    q = found.guesses(w, z)
    torch.testing.assert_close(q.sum(-1), torch.ones(1, 12).double())
    moved = found.centres(w, q, support, of_class, z) - w
    w.requires_grad_(True)
    known = -0.1 * (of_class * found.logits(w, support).log_softmax(-1)).sum(-1).mean()
    guessed = -1.1 * (q * found.logits(w, z).log_softmax(-1)).sum(-1).mean()
    slope = torch.autograd.grad(known + guessed, w)[0]
    below = 15 * (0.1 * of_class.mean(1) + 1.1 * q.mean(1))[..., None]
    torch.testing.assert_close(moved, -slope / below)


def test_the_guesses_are_those_of_the_proposition():
    found, (w, _, _, z) = learner(), task()
    p = found.logits(w, z)[0].softmax(1) ** 1.1
    want = p / p.sum(0).sqrt()
    torch.testing.assert_close(found.guesses(w, z)[0], want / want.sum(1, keepdim=True))


@pytest.mark.parametrize("given", [{"solver": "adm"}, {"solver": "gradient", "lr": 0.01, "n_adapt_steps": 200}])
def test_both_solvers_make_the_loss_small(given):
    found, (w, support, of_class, z) = learner(**given), task()
    state = {"support": support, "of_class": of_class}
    with torch.no_grad():
        logits = found.respond(state, z)
    p = logits[0].softmax(1)
    before = found.logits(w, z)[0].softmax(1)

    def information(p):
        return torch.special.entr(p.mean(0)).sum() - 0.1 * torch.special.entr(p).sum(1).mean()

    assert information(p) > information(before) + 0.01


def test_all_tasks_at_once_are_one_after_the_other():
    for given in ({"n_adapt_steps": 20}, {"solver": "gradient", "n_adapt_steps": 20, "lr": 0.01}):
        found, batch = learner(**given), toys.stream()
        with torch.no_grad():
            for k, outputs in enumerate(found.outputs(batch.x, batch.y[:, :6])):
                one = found.answer(found.adapt(batch.x[k, :6], batch.y[k, :6], 3), batch.x[k, 6:])
                torch.testing.assert_close(outputs, one)


def test_coordinates_in_the_span_keep_distances():
    rows = torch.randn(2, 5, 9, generator=torch.Generator().manual_seed(0)).double()
    found = _in_span(rows)
    assert found.shape == (2, 5, 5)
    torch.testing.assert_close(found @ found.transpose(1, 2), rows @ rows.transpose(1, 2))
    assert _in_span(rows[:, :, :4]).shape == (2, 5, 4)


def test_steps_of_the_paper_where_none_are_given():
    assert learner().n_steps == 150
    assert learner(solver="gradient").n_steps == 1000
    assert np.isclose(learner().sharpness, 15)
