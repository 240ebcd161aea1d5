"""Class means and squared distances."""

import torch

from transferkit.ops.nn.prototypes import class_means, squared_distances


def test_means_of_each_task_and_of_maps():
    torch.manual_seed(0)
    z, y = torch.randn(2, 5, 3, 2), torch.tensor([[0, 1, 1, 2, 0], [2, 2, 0, 1, 2]])
    found = class_means(z, y, 4)
    assert found.shape == (2, 4, 3, 2)
    for task in range(2):
        for k in range(3):
            torch.testing.assert_close(found[task, k], z[task][y[task] == k].mean(0))
    assert (found[:, 3] == 0).all(), "a class without rows"


def test_distances():
    torch.manual_seed(0)
    a, b = torch.randn(2, 4, 3, dtype=torch.float64), torch.randn(2, 5, 3, dtype=torch.float64)
    torch.testing.assert_close(squared_distances(a, b), torch.cdist(a, b) ** 2)
