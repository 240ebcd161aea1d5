"""Multilinear maps: the outer product, and the random form with the same inner products on average."""

import torch

from transferkit.ops.nn.multilinear import MultilinearMap


def test_the_full_product_is_the_outer_product():
    f, g = torch.randn(5, 3), torch.randn(5, 2)
    product = MultilinearMap(3, 2)
    assert product.n_features == 6
    torch.testing.assert_close(product(f, g).view(5, 3, 2), torch.einsum("nf,ng->nfg", f, g))


def test_above_4096_dimensions_it_is_random_unless_asked():
    assert MultilinearMap(400, 11).n_features == 1024
    assert MultilinearMap(256, 16).n_features == 4096
    assert MultilinearMap(3, 2, 50).n_features == 50


def test_random_products_keep_inner_products_on_average():
    """Theorem 1 of the paper: <T(f, g), T(f', g')> is unbiased for <f, f'> <g, g'>."""
    torch.manual_seed(0)
    f, g = torch.randn(6, 5), torch.randn(6, 4)
    z = MultilinearMap(5, 4, 200_000)(f, g)
    expected = (f @ f.T) * (g @ g.T)
    spread = f.norm(dim=1)[:, None] * f.norm(dim=1) * g.norm(dim=1)[:, None] * g.norm(dim=1)
    assert ((z @ z.T - expected).abs() / spread).max() < 0.03
