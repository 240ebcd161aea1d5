"""Step 3: the settings of candidates that follow from the number of rows."""

from __future__ import annotations

import numpy as np
import pytest

from transferkit import Domain, TransferTask
from transferkit.pipeline.plain_models import plain_model
from transferkit.pipeline.prepare import Prepared
from transferkit.pipeline.select import candidates_for


def params_of(method, n_source, n_target):
    source = Domain(np.zeros((n_source, 2)), np.arange(n_source) % 2)
    prepared = Prepared.of_arrays(source, Domain(np.zeros((n_target, 2))))
    task = TransferTask(sources=[source], target=prepared.target, methods=[method])
    listed = candidates_for(prepared, task, plain_model("linear", "classification"))
    return [c.params for c in listed if c.card.name == method]


@pytest.mark.parametrize("method", ["jda", "bda"])
def test_a_weight_that_rows_wear_down_grows_with_their_square(method):
    assert all("reg" not in p for p in params_of(method, 1500, 2500))
    for n_source, n_target, reg in ((4000, 4000, 4.0), (6000, 10_000, 16.0)):
        found = params_of(method, n_source, n_target)
        assert found
        assert all(p["reg"] == reg for p in found)


def test_candidates_name_their_inner_model_where_it_is_not_the_best_of_the_source():
    source = Domain(np.zeros((9, 2)), np.arange(9) % 2)
    prepared = Prepared.of_arrays(source, Domain(np.zeros((9, 2))))
    task = TransferTask(sources=[source], target=prepared.target, methods=["coral"])
    listed = candidates_for(prepared, task, plain_model("linear", "classification"))
    assert [c.inner for c in listed if c.card.name == "source_only"] == ["", "linear", "nearest", "forest"]
    assert all(type(c.estimator).__name__ == "KNeighborsClassifier" for c in listed if c.inner == "nearest")


def test_other_methods_and_settings_stay_as_their_cards_have_them():
    assert [dict(p) for p in params_of("tca", 6000, 6000)] == [{"n_components": 30}, {"n_components": 100}]
    assert [p["n_components"] for p in params_of("jda", 6000, 6000)] == [30, 100, 30]
