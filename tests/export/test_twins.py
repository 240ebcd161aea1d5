"""Functions stand aside for their twins only while rows are followed, and all is as before then."""

import numpy as np
import pytest

from transferkit.core import validation, vote
from transferkit.export.graph import Graph, Untraceable
from transferkit.export.maps import followed
from transferkit.export.trace import Traced
from transferkit.export.twins import plain
from transferkit.ops import neighbours
from transferkit.ops.label_shift import calibration

onnxruntime = pytest.importorskip("onnxruntime")
RNG = np.random.default_rng(0)
X = RNG.normal(size=(37, 3))
ORIGINALS = (vote.np, validation.check_rows, neighbours.nearest, calibration.softmax)


def rows():
    graph = Graph()
    return Traced(graph, graph.add_input("X", np.float64, (None, 3), {}), X)


def seen():
    return vote.np, validation.check_rows, neighbours.nearest, calibration.softmax


def run(function, X):
    found = followed(function, rows())
    proto = found.graph.model({"Z": (found.name, found.dtype, (None, *found.shape[1:]))}, {})
    session = onnxruntime.InferenceSession(proto.SerializeToString(), providers=["CPUExecutionProvider"])
    return session.run(None, {"X": X})[0]


def test_all_is_as_before_also_after_a_fault():
    met = []
    followed(lambda X: met.append(seen()) or X, rows())
    assert all(now is not before for now, before in zip(met[0], ORIGINALS))
    assert all(now is before for now, before in zip(seen(), ORIGINALS))

    def fails(X):
        raise ValueError("no")

    with pytest.raises(Untraceable, match="no"):
        followed(fails, rows())
    assert all(now is before for now, before in zip(seen(), ORIGINALS))


def test_arrays_of_followed_rows_are_refused():
    with pytest.raises(Untraceable, match="array of arrays"):
        followed(lambda X: vote.np.asarray([X, X]), rows())


def test_what_is_not_followed_is_as_ever():
    def function(Q):
        assert isinstance(vote.np.asarray([1.0, 2.0]), np.ndarray)
        assert isinstance(vote.np.zeros((5, 2)), np.ndarray)
        _, index = neighbours.nearest(X, X[:4], 1)
        assert (index[:, 0] == np.arange(4)).all()
        with plain():
            assert isinstance(vote.np.zeros((37, 2)), np.ndarray)
        return Q

    followed(function, rows())


def one_a_row(X):
    np = vote.np  # as a method's module sees it
    Z = np.full((len(X), 4), 0.5)
    Z[:, 1:] = X
    return np.column_stack([np.ones(len(X)), Z * np.broadcast_to(np.arange(4.0), (len(X), 4)), np.empty((len(X), 0))])


def test_what_is_made_one_a_row_is_one_for_each_row():
    new = RNG.normal(size=(9, 3))
    np.testing.assert_array_equal(run(one_a_row, new), one_a_row(new))


def test_nearest_rows_and_softmax():
    new = RNG.normal(size=(9, 3))
    squared, index = neighbours.nearest(X, new, 4)
    np.testing.assert_allclose(run(lambda Q: neighbours.nearest(X, Q, 4)[0], new), squared, atol=1e-12)
    np.testing.assert_array_equal(run(lambda Q: neighbours.nearest(X, Q, 4)[1], new), index)
    np.testing.assert_allclose(
        run(lambda Q: calibration.softmax(100 * Q, axis=1), new), calibration.softmax(100 * new, axis=1), atol=1e-15
    )
