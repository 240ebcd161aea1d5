"""DER++: both terms by hand, outputs that are kept, and classes that came later."""

import numpy as np
import pytest

from continual_toys import TRAINING, accuracies, disagreeing, naive_on_disagreeing, second_task
from transferkit import DERpp


def test_the_terms_are_those_of_the_paper():
    tasks = disagreeing(n=40)
    model = DERpp("small:mlp?hidden=4", heads="separate", alpha=0.3, beta=0.7, training=TRAINING)

    def look(fit):
        term = model._terms(fit)[0]
        streams = model._streams(fit)
        assert list(streams) == ["memory", "memory_again"]
        places = {"memory": np.arange(6), "memory_again": np.arange(6, 12)}
        batch = {name: next(iter(rows.batches([places[name]]))) for name, rows in streams.items()}
        fit.network.eval()
        found = {k: float(v.detach()) for k, v in term(batch, None, None, 0.0).items()}
        now = fit.network(batch["memory"].x).detach().numpy()
        loss = float(fit.labels.loss(fit.network(batch["memory_again"].x), batch["memory_again"].y).detach())
        return found, now, loss

    found, now, loss = second_task(model, tasks, look)
    said = model.memory_.notes["said"][:6]
    assert now.shape == (6, 4)
    assert said.shape == (6, 2)
    assert found["outputs"] == pytest.approx(0.3 * np.square(now[:, :2] - said).mean(), abs=1e-6)
    assert found["labels"] == pytest.approx(0.7 * loss, rel=1e-5)


def test_outputs_are_kept_as_they_were_and_late_ones_are_no_number():
    tasks = disagreeing(n=40)
    model = DERpp("small:mlp?hidden=4", heads="separate", memory_size=30, training=TRAINING).partial_fit(tasks[0])
    first = dict(zip(model.memory_.X[:, 3].tolist(), model.memory_.notes["said"].tolist()))
    wanted = model._raw_outputs(model.memory_.X, "predict")
    np.testing.assert_allclose(model.memory_.notes["said"], wanted, atol=1e-5)
    model.partial_fit(tasks[1])
    old = np.isin(model.memory_.X[:, 3], list(first))
    assert 0 < old.sum() < 30
    for row, said in zip(model.memory_.X[old], model.memory_.notes["said"][old]):
        assert said[:2].tolist() == first[row[3].item()]
    assert np.isnan(model.memory_.notes["said"][old, 2:]).all()
    assert np.isfinite(model.memory_.notes["said"][~old]).all()


def test_it_remembers():
    tasks = disagreeing()
    old, new = accuracies(DERpp("small:mlp?hidden=16", training=TRAINING), tasks)
    assert old > naive_on_disagreeing() + 0.2
    assert new > 0.9
