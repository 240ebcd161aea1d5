"""Full-context embeddings against the equations, written out."""

import torch

from transferkit.ops.nn.full_context import FullContext


def test_support_and_queries_follow_the_appendix():
    torch.manual_seed(0)
    context = FullContext(3, 2).double()
    z, q = torch.randn(2, 4, 3).double(), torch.randn(2, 5, 3).double()
    g = context.support(z)
    both = context.along(z)[0]
    torch.testing.assert_close(g, both[..., :3] + both[..., 3:] + z)
    found = context.queries(q, g)
    cell = context.read
    for task in range(2):
        for k in range(5):
            h = c = r = torch.zeros(3, dtype=torch.float64)
            for _ in range(2):
                gates = cell.weight_ih @ torch.cat([q[task, k], r]) + cell.bias_ih + cell.weight_hh @ h + cell.bias_hh
                i, f, new, o = gates.chunk(4)
                c = f.sigmoid() * c + i.sigmoid() * new.tanh()
                h = o.sigmoid() * c.tanh() + q[task, k]
                r = (g[task] @ h).softmax(0) @ g[task]
            torch.testing.assert_close(found[task, k], h)


def test_without_weights_nothing_is_added():
    context = FullContext(3, 4)
    for p in context.parameters():
        torch.nn.init.zeros_(p)
    z = torch.randn(1, 4, 3, generator=torch.Generator().manual_seed(0))
    torch.testing.assert_close(context.support(z), z)
    torch.testing.assert_close(context.queries(z, z), z)
