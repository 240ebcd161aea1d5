import numpy as np

from transferkit.ops.solvers.box_qp import solve_box_qp


def test_the_gradient_pushes_against_the_walls_only():
    rng = np.random.default_rng(0)
    R = rng.normal(size=(2, 15, 10))
    Q, p = R @ R.transpose(0, 2, 1), rng.normal(size=(2, 15)) * 3
    a = solve_box_qp(lambda v: np.einsum("kij,kj->ki", Q, v), p, 0.7, 1e-10)
    gradient = np.einsum("kij,kj->ki", Q, a) - p
    assert (a >= 0).all()
    assert (a <= 0.7).all()
    inside = (a > 1e-9) & (a < 0.7 - 1e-9)
    assert inside.any()
    assert (np.abs(gradient[inside]) < 1e-6).all()
    assert (gradient[a <= 1e-9] > -1e-6).all()
    assert (gradient[a >= 0.7 - 1e-9] < 1e-6).all()


def test_a_diagonal_matrix_is_clipped():
    p = np.array([[-1.0, 0.5, 9.0]])
    np.testing.assert_allclose(solve_box_qp(lambda v: 2 * v, p, 3.0, 1e-12), [[0.0, 0.25, 3.0]], atol=1e-8)
