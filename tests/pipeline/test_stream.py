"""A stream of tasks: the matrix by hand, stopped and resumed, and what does not fit."""

import json

import numpy as np
import pytest

from lifelong_checks import stream
from transferkit import DataError, DomainError, StreamingLDA
from transferkit.pipeline.stream import learn_stream


class Stop(Exception):
    pass


def tasks():
    return stream()[:2]


def test_the_matrix_is_that_of_single_fits():
    first, second = tasks()
    model = StreamingLDA().partial_fit(first)
    rows = [[model.score(t.X, t.y) for t in (first, second)]]
    model.partial_fit(second)
    rows.append([model.score(t.X, t.y) for t in (first, second)])
    seen = []
    result = learn_stream(StreamingLDA(), tasks(), tasks(), tell=lambda k, row: seen.append(row.tolist()))
    np.testing.assert_array_equal(result.matrix, rows)
    assert seen == rows
    assert rows[0][1] == 0  # classes that have not come
    assert result.chance.tolist() == [0.5, 0.5]
    facts = result.facts()
    assert facts["average_accuracy"] == pytest.approx(np.mean(rows[1]), abs=1e-6)
    assert facts["forward_transfer"] == -0.5
    assert facts["tasks"] == ["first", "second"]
    json.dumps(facts, allow_nan=False)


def test_told_tasks_cannot_be_judged_before_they_come():
    result = learn_stream(StreamingLDA(), tasks(), tasks(), told=True)
    assert np.isnan(result.matrix[0, 1])
    assert result.facts()["forward_transfer"] is None
    assert result.facts()["matrix"][0][1] is None
    assert result.matrix[1].min() > 0.9


def test_stopped_and_resumed_is_the_unbroken_one(tmp_path):
    pytest.importorskip("torch")
    from transferkit import Replay
    from transferkit.engine.training.settings import Training

    def make():
        return Replay("small:mlp?hidden=8", memory_size=10, training=Training(n_epochs=2, progress=False))

    whole = learn_stream(make(), stream(), stream())
    for k in range(2):

        def stop_here(now, row, at=k):
            if now == at + 1:
                raise Stop

        with pytest.raises(Stop):
            learn_stream(make(), stream(), stream(), folder=tmp_path, tell=stop_here)
        assert sorted(p.name for p in tmp_path.iterdir()) == [f"model-{k + 1}", "stream.json"]
    broken = learn_stream(make(), stream(), stream(), folder=tmp_path)
    np.testing.assert_array_equal(broken.matrix, whole.matrix)
    X = stream()[0].X
    np.testing.assert_array_equal(broken.model.decision_function(X), whole.model.decision_function(X))
    again = learn_stream(make(), stream(), stream(), folder=tmp_path)  # nothing is left to learn
    np.testing.assert_array_equal(again.matrix, whole.matrix)


def test_what_does_not_fit(tmp_path):
    with pytest.raises(DomainError, match=r"tests must be one a task \(2\)\. Got 1"):
        learn_stream(StreamingLDA(), tasks(), tasks()[:1])
    learn_stream(StreamingLDA(), tasks(), tasks(), folder=tmp_path)
    with pytest.raises(DataError, match="must hold this very stream"):
        learn_stream(StreamingLDA(reg=0.5), tasks(), tasks(), folder=tmp_path)
    (tmp_path / "stream.json").write_text("{")
    with pytest.raises(DataError, match="must be the state of a stream"):
        learn_stream(StreamingLDA(), tasks(), tasks(), folder=tmp_path)
