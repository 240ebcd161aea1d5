"""The base of source-free adaptation: what it takes as a source, and what it says of a collapse."""

from collections.abc import Sequence
from typing import Any, ClassVar

import numpy as np
import pytest
import torch
from torch import nn

import networks
from source_worlds import world
from transferkit import ParamError, TransferWarning
from transferkit.core.protocols import ModelTransfer
from transferkit.engine.backbones import load_backbone
from transferkit.engine.source_free.estimator import SOURCE_FREE_RULES, SourceFree, whole_pass
from transferkit.engine.source_free.source_model import read_source
from transferkit.engine.training.device import Place
from transferkit.engine.training.objective import Objective, Step


class _One(Objective):
    """Makes the first class more probable."""

    def __init__(self, network: Any) -> None:
        super().__init__()
        self.network = network

    def steps(self) -> Sequence[Step]:
        return [Step("train", self._loss, list(self.network.parameters()))]

    def predict_step(self, x: Any) -> torch.Tensor:
        return self.network(x)

    def _loss(self, batch: Any, progress: float) -> dict[str, torch.Tensor]:
        assert batch.keys() == {"target"}
        assert batch["target"].y is None
        return {"loss": -self.network(batch["target"].x).log_softmax(dim=1)[:, 0].mean()}


class FirstClass(SourceFree):
    _constraints: ClassVar = SOURCE_FREE_RULES

    def __init__(self, source: Any, classes: Any = None, training: Any = None, random_state: Any = 0) -> None:
        self.source = source
        self.classes = classes
        self.training = training
        self.random_state = random_state

    def _objective(self, fit: Any) -> Objective:
        return _One(fit.network)


def test_a_collapse_is_said_aloud_and_kept():
    shift, source = world()
    model = FirstClass(source, training=networks.training(n_epochs=10))
    assert isinstance(model, ModelTransfer)
    with pytest.warns(
        TransferWarning, match=r"FirstClass: predictions for the target have collapsed: 100% of its rows"
    ):
        model.fit(shift.Xt)
    assert model.facts_["collapsed"] is True
    assert model.facts_["target_shares"] == [1.0, 0.0, 0.0]
    assert max(model.facts_["target_shares_before"]) < 0.9


def test_no_row_of_the_source_is_needed_nor_kept():
    """The fitted source has none, and the fit is given the target's only."""
    shift, source = world()
    rows = {shift.X.shape, shift.X.astype(np.float32).shape}
    assert not [v for v in vars(source).values() if isinstance(v, np.ndarray) and v.shape in rows]
    names = set(FirstClass.fit.__code__.co_varnames[: FirstClass.fit.__code__.co_argcount])
    assert names == {"self", "X", "y"}


def whole():
    return nn.Sequential(nn.Linear(6, 5), nn.BatchNorm1d(5), nn.Linear(5, 4))


def test_what_a_source_may_be():
    """A fitted estimator, its network, and a backbone with a classifier: each a copy, in evaluation mode."""
    shift, source = world()
    sample = shift.Xt[0].astype(np.float32)
    backbone = load_backbone(whole().train(), sample=sample, head="2")
    for given, n in ((source, 3), (source.network_, 3), (backbone, 4)):
        network, labels = read_source("A.fit", given, None, sample)
        assert labels.classes.tolist() == list(range(n))
        assert not network.training
        assert network(torch.zeros(2, 6)).shape == (2, n)
        assert not {id(p) for p in network.parameters()} & {id(p) for p in source.network_.parameters()}
    with torch.inference_mode():
        expected = backbone.source_head.eval()(backbone.body.eval()(torch.ones(1, 6)))
        torch.testing.assert_close(network(torch.ones(1, 6)), expected)


def test_what_a_source_may_not_be():
    shift, source = world()
    with pytest.raises(ParamError, match=r"A\.fit: source must be a model that brings its own classifier"):
        read_source("A.fit", whole(), None, shift.Xt[0].astype(np.float32))
    source.labels_ = type(source.labels_)("regression", 1)
    with pytest.raises(ParamError, match=r"A\.fit: source must be a classifier"):
        read_source("A.fit", source, None, shift.Xt[0])


def test_the_fingerprint_is_of_all_weights():
    """Also of the head's: another classifier on the same body is another source."""
    shift, source = world()
    first = read_source("A.fit", source, None, shift.Xt[0])[0].backbone.fingerprint
    assert read_source("A.fit", source.network_, None, shift.Xt[0])[0].backbone.fingerprint == first
    with torch.no_grad():
        source.network_.head.out.bias[0] += 1
    assert read_source("A.fit", source, None, shift.Xt[0])[0].backbone.fingerprint != first


def test_features_and_outputs_of_all_rows():
    shift, source = world()
    model = FirstClass(source, training=networks.training(n_epochs=1)).fit(shift.Xt)
    rows = model._rows("A.fit", shift.Xt, model.network_.backbone)
    z, outputs = whole_pass(model.network_, rows, Place(torch.device("cpu")))
    np.testing.assert_allclose(z.numpy(), model.transform(shift.Xt), atol=1e-5)
    np.testing.assert_allclose(outputs.numpy(), model.decision_function(shift.Xt), atol=1e-5)
