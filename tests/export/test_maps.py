"""Affine maps are read off exactly, others are followed through their own mathematics, and what cannot be is refused."""

import numpy as np
import pytest
from scipy.special import expit

from transferkit.export.affine import affine_of
from transferkit.export.graph import Graph, Untraceable
from transferkit.export.maps import followed
from transferkit.export.trace import Traced
from transferkit.ops.kernels.gaussian import rbf
from transferkit.ops.solvers.linalg import unit_rows

pytest.importorskip("onnx")
pytest.importorskip("onnxruntime")

RNG = np.random.default_rng(0)
CENTRES, A, B = RNG.normal(size=(6, 3)), RNG.normal(size=(3, 2)), RNG.normal(size=2)


def test_an_affine_map_is_read_off():
    matrix, offset = affine_of(lambda X: X @ A + B, 3)
    np.testing.assert_allclose(matrix, A, atol=1e-15)
    np.testing.assert_allclose(offset, B, atol=1e-15)
    assert affine_of(lambda X: X, 3)[0] is None
    assert affine_of(unit_rows, 3) is None
    assert affine_of(lambda X: np.maximum(X, -2.0), 3) is None
    assert affine_of(lambda X: np.clip(X, -20.0, 20.0), 3) is None  # linear near 0 only
    assert affine_of(lambda X: np.clip(X, -2000.0, 2000.0), 3) is None


def test_a_map_of_many_features_takes_no_square_matrix():
    B = RNG.normal(size=(2500, 1))
    seen = []
    matrix, _ = affine_of(lambda X: seen.append(X.shape) or X @ B, 2500)
    np.testing.assert_allclose(matrix, B, atol=1e-13)
    assert max(n for n, _ in seen) == 1000


def run(function, X):
    """What a graph of the function gives, of other rows than those it was followed with."""
    import onnxruntime

    graph = Graph()
    rows = graph.add_input("X", np.float64, (None, X.shape[1]), {})
    found = function(Traced(graph, rows, RNG.normal(size=(5, X.shape[1]))))
    dtype = np.float64 if found.dtype.kind == "f" else found.dtype
    model = graph.model({"Z": (found.name, dtype, (None, *found.shape[1:]))}, {})
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    return session.run(None, {"X": X})[0]


def scaled_in_place(X):
    Z = X @ A
    Z *= -0.37
    return np.exp(Z, out=Z)


def columns_in_place(X):
    Z = X * 2.0
    Z[:, 1] = X[:, 0]
    Z[:, [2, 0]] = X[:, 1:]
    Z[:, np.array([False, True, False])] -= 1.0
    return Z


def quotients_where_there_are_any(X):
    return np.divide(X, np.abs(X), out=X * 0.0, where=np.abs(X) > 0.5)


@pytest.mark.parametrize(
    "function",
    [
        unit_rows,
        lambda X: rbf(X, CENTRES, 0.3),
        lambda X: rbf(unit_rows(X), CENTRES, 0.3) @ CENTRES,
        scaled_in_place,
        lambda X: np.where(X > 0, X, 0.1 * X),
        lambda X: np.hstack([X, X[:, [2, 0]], X[:, :1] ** 2]),
        lambda X: (X - X.mean(axis=1, keepdims=True)) / np.sqrt((X * X).sum(axis=1)[:, None] + 1),
        lambda X: np.clip(np.abs(X), 0.2, 0.7).max(axis=1, keepdims=True),
        lambda X: np.tanh(X) * 3 - np.square(X).clip(None, 2),
        lambda X: np.log(np.minimum(X, 0) ** 2 + 1),
        lambda X: (X @ A).argmax(axis=1),
        lambda X: np.einsum("ij,kj->ik", X, CENTRES),
        lambda X: (X * X).sum(axis=1) * 2.0 / 3.0,  # one number a row, and no column
        lambda X: X.astype(np.float32) / np.linalg.norm(X, axis=1, keepdims=True),
        lambda X: np.cumsum(np.sort(-X, axis=1), axis=1),
        lambda X: np.take_along_axis(X, np.argsort(np.abs(X), axis=1), axis=1)[:, -1:],
        lambda X: np.column_stack([X.argmin(axis=1), np.argmin(-X, axis=1), (X > 0).argmax(axis=1), X]),
        lambda X: (X > 0.1).sum(axis=1, keepdims=True) * expit(X),
        lambda X: (X > 0.1).mean(axis=1, keepdims=True) + np.argsort(X, axis=1) / 2,  # whole numbers divide as such
        lambda X: np.sqrt((X > 0).sum(axis=1)) * np.exp(X.argmax(axis=1)),
        lambda X: (X > 0) * (X < 1) + (X < -1),
        columns_in_place,
        quotients_where_there_are_any,
    ],
)
def test_mathematics_is_followed(function):
    X = RNG.normal(size=(9, 3))
    np.testing.assert_allclose(run(function, X), function(X), atol=1e-6)


@pytest.mark.parametrize(
    ("function", "said"),
    [
        (lambda X: X - X.mean(axis=0), "all rows"),
        (lambda X: np.asarray(X), "values are asked for"),
        (lambda X: X if X[:, 0] else -X, "branch"),
        (lambda X: X[3], "rows are picked"),
        (np.median, "median"),
        (lambda X: X.__setitem__(0, 1.0), "in place"),
        (np.arctan, "arctan"),
        (lambda X: np.add.reduce(X, axis=1), "reduce"),
        (lambda X: np.vstack([X, X]), "vstack"),
        (lambda X: X.cumprod(axis=1), "cumprod"),
        (lambda X: CENTRES, "no array of rows"),
    ],
)
def test_what_has_no_node_is_named(function, said):
    graph = Graph()
    rows = Traced(graph, graph.add_input("X", np.float64, (None, 3), {}), CENTRES[:5])
    with pytest.raises(Untraceable, match=said):
        followed(function, rows)
