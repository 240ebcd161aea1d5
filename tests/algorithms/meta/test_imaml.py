"""iMAML: the gradient solves (I + H / reg) v = g, and is that of the solution of the inner problem."""

import torch
from torch.func import grad, jacrev

import meta_toys as toys
from transferkit import IMAML
from transferkit.ops.nn.conjugate_gradients import conjugate_gradients


def learner(**params):
    given = {"inner_lr": 0.2, "n_inner_steps": 5, "reg": 1.5, "n_cg_steps": 60, "batch_norm": "support"}
    return IMAML(**{**given, **params})._learner(toys.network(), toys.CLASSES, 6)


def test_the_gradient_solves_the_linear_system():
    found, batch = learner(), toys.stream(n_tasks=1)
    x, y = batch.x[0], batch.y[0]
    phi = {k: v.detach() for k, v in found.adapt(x[:6], y[:6], 3)["weights"].items()}
    names, sizes = list(phi), [v.numel() for v in phi.values()]

    def unpacked(flat):
        return {k: part.view_as(phi[k]) for k, part in zip(names, flat.split(sizes))}

    flat = torch.cat([v.ravel() for v in phi.values()])
    curve = jacrev(grad(lambda w: toys.CLASSES.loss(found.run(unpacked(w), x[:6]), y[:6])))(flat)
    slope = grad(lambda w: toys.CLASSES.loss(found.run(unpacked(w), x[6:]), y[6:]))(flat)
    want = torch.linalg.solve(torch.eye(len(flat), dtype=flat.dtype) + curve / 1.5, slope)
    torch.testing.assert_close(toys.gradient(found, batch), want, atol=1e-8, rtol=1e-6)


def test_at_the_solution_it_is_the_true_gradient():
    """With the inner problem solved, moving theta moves the loss by the implicit gradient (theorem of the paper)."""
    found, batch = learner(n_inner_steps=60, inner_lr=0.2, reg=2.0), toys.stream(n_tasks=1)
    found.network.body[0][1] = torch.nn.Tanh()  # the theorem is for smooth losses: a solution may lie on a kink of ReLU
    torch.testing.assert_close(*toys.slopes_along(found, batch, step=1e-5), atol=1e-6, rtol=1e-4)


def test_all_tasks_at_once_are_one_after_the_other():
    batch = toys.stream()
    both = (toys.gradient(learner(n_cg_steps=3, batched=b), batch) for b in (True, False))
    torch.testing.assert_close(*both)


def test_a_solved_system_stays_solved():
    found = conjugate_gradients(lambda v: v, {"a": torch.zeros(3)}, 4)["a"]
    assert torch.equal(found, torch.zeros(3))
