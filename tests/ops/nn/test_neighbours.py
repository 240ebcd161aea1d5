"""The memory: nearest rows by cosine, never a row itself, and features of length 1."""

import torch

from transferkit.ops.nn.neighbours import Memory


def filled(n=12, seed=0):
    generator = torch.Generator().manual_seed(seed)
    memory = Memory(n, 4, 3)
    memory.fill(torch.randn(n, 4, generator=generator) * 5, torch.rand(n, 3, generator=generator))
    return memory


def test_nearest_are_those_of_largest_cosine():
    memory = filled()
    found = memory.nearest(torch.tensor([3, 8]), 5)
    for row, own in zip((3, 8), found.tolist()):
        cosine = torch.nn.functional.cosine_similarity(memory.z, memory.z[row][None])
        order = [i for i in cosine.argsort(descending=True).tolist() if i != row]
        assert own == order[:5]


def test_tables_of_rows_and_too_many_neighbours():
    memory = filled()
    assert memory.nearest(torch.zeros(2, 3, dtype=torch.int64), 4).shape == (2, 3, 4)
    assert memory.nearest(torch.tensor([0]), 99).shape == (1, 11)


def test_features_have_length_one_and_rows_are_replaced():
    memory = filled()
    torch.testing.assert_close(memory.z.norm(dim=1), torch.ones(12))
    before = memory.z.clone()
    memory.put(torch.tensor([5]), torch.tensor([[0.0, 3.0, 4.0, 0.0]]), torch.tensor([[0.2, 0.3, 0.5]]))
    torch.testing.assert_close(memory.z[5], torch.tensor([0.0, 0.6, 0.8, 0.0]))
    assert torch.equal(memory.z[:5], before[:5])
    assert memory.is_full
