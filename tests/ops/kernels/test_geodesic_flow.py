"""The factor multiplies to the closed form: the projection where nothing turns, the integral of one turned axis."""

import numpy as np
import pytest
from numpy.testing import assert_allclose
from scipy.integrate import quad

from transferkit.ops.kernels.geodesic_flow import flow_factor


@pytest.mark.parametrize("angle", [1e-9, 0.3, 1.2, np.pi / 2])
def test_one_axis_that_turns(angle):
    source, target = np.eye(3)[:, :1], np.cos(angle) * np.eye(3)[:, :1] + np.sin(angle) * np.eye(3)[:, 1:2]
    factor, found = flow_factor(source, target)
    assert_allclose(found, angle, rtol=1e-6)
    entries = [lambda t: np.cos(t) ** 2, lambda t: np.cos(t) * np.sin(t), lambda t: np.sin(t) ** 2]
    cos_cos, cos_sin, sin_sin = (quad(lambda t, f=f: f(t * angle), 0, 1)[0] for f in entries)
    assert_allclose((factor @ factor.T)[:2, :2], [[cos_cos, cos_sin], [cos_sin, sin_sin]], atol=1e-10)


def test_equal_subspaces_give_the_projection():
    axes = np.linalg.qr(np.random.default_rng(0).normal(size=(7, 3)))[0]
    turned = axes @ np.linalg.qr(np.random.default_rng(1).normal(size=(3, 3)))[0]
    factor, angles = flow_factor(axes, turned)
    assert_allclose(factor @ factor.T, axes @ axes.T, atol=1e-12)
    assert_allclose(angles, 0, atol=1e-7)
