"""The contrastive discrepancy against its definition, and clusters that follow turned classes."""

import numpy as np
import pytest
import torch
from torch.nn import functional

from transferkit.ops.nn.contrastive_discrepancy import contrastive_discrepancy, spherical_clusters
from transferkit.ops.nn.mmd import gaussian_kernels, mk_mmd, mmd_of_kernel


def test_it_is_the_mean_of_the_pairs_of_classes():
    torch.manual_seed(0)
    codes = torch.tensor([0, 1, 1, 2, 0, 2, 2])
    n, kernel = len(codes), gaussian_kernels(torch.randn(14, 3))
    d = np.zeros((3, 3))
    for c in range(3):
        for e in range(3):
            rows = torch.cat([(codes == c).nonzero()[:, 0], n + (codes == e).nonzero()[:, 0]])
            d[c, e] = mmd_of_kernel(kernel[rows][:, rows], int((codes == c).sum()))
    within, between = contrastive_discrepancy(kernel, codes)
    assert within.item() == pytest.approx(d.diagonal().mean(), rel=1e-4)
    assert between.item() == pytest.approx((d.sum() - d.trace()) / 6, rel=1e-4)


def test_with_one_class_it_is_the_plain_discrepancy():
    a, b = torch.randn(6, 3), torch.randn(6, 3) + 1
    within, between = contrastive_discrepancy(gaussian_kernels(torch.cat([a, b])), torch.zeros(6, dtype=torch.int64))
    torch.testing.assert_close(within, mk_mmd(a, b))
    assert between == 0


def clouds(angles, n=20, spread=0.1):
    rng = np.random.default_rng(0)
    angle = np.repeat(angles, n) + spread * rng.normal(size=n * len(angles))
    return torch.tensor(np.column_stack([np.cos(angle), np.sin(angle)])), torch.arange(len(angles)).repeat_interleave(n)


def test_clusters_follow_classes_that_have_turned():
    u_s, y = clouds([0.0, 2.0, 4.0])
    u_t, y_t = clouds([0.8, 2.8, 4.8])
    found, distance = spherical_clusters(u_s, y, u_t, 3)
    assert torch.equal(found, y_t)
    centres = functional.normalize(torch.stack([u_t[y_t == c].sum(0) for c in range(3)]))
    torch.testing.assert_close(distance, (1 - (u_t * centres[y_t]).sum(1)) / 2)


def test_a_class_that_the_source_lacks_gets_no_row():
    u_s, y = clouds([0.0, 2.0])
    u_t, _ = clouds([0.0, 2.0, 4.0])
    found, distance = spherical_clusters(u_s, 2 * y, u_t, 3)
    assert set(found.tolist()) == {0, 2}
    assert ((distance >= 0) & (distance <= 1)).all()
