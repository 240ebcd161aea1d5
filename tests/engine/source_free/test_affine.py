"""Objectives of Tent's kind move scales and shifts alone, and hold dropout still."""

import pytest
from torch import nn

from self_training_toys import toy
from transferkit import ParamError
from transferkit.engine.source_free.affine import AffineObjective, check_affine
from transferkit.ops.nn.normalisation import affine_parameters


class Sum(AffineObjective):
    def _loss(self, batch, progress):
        return {"loss": self.network(batch["target"].x).sum()}


def test_scales_and_shifts_move_and_dropout_does_not():
    network = toy().network
    network.head.dropout = nn.Dropout(0.5)
    objective = Sum(network)
    (step,) = objective.steps()
    assert [id(p) for p in step.params] == [id(p) for p in affine_parameters(network)]
    assert list(objective.frozen()) == [network.neck.dropout, network.head.dropout]
    assert objective.predict_step(toy().X).shape == (24, 3)


def test_a_model_without_them_is_refused():
    check_affine("M.fit", toy().network)
    with pytest.raises(ParamError, match=r"^M\.fit: source must have normalisation layers with scale and shift"):
        check_affine("M.fit", nn.Linear(2, 2))
