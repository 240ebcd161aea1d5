"""The base of test-time adaptation: batches, the collapse detector and the way back, and what it takes as a source."""

from typing import Any, ClassVar

import numpy as np
import pytest
import torch
from torch import nn

import networks
from source_worlds import world
from transferkit import DeepSourceOnly, Domain, DomainError, Tent, TransferWarning
from transferkit.core.constraints import Interval
from transferkit.engine.backbones import load_backbone
from transferkit.engine.source_free.collapse import shares_collapse
from transferkit.engine.source_free.test_time import ONLINE_RULES, STEP_RULES, OnlineAdaptation
from transferkit.engine.training.settings import Training


class Skews(OnlineAdaptation):
    """Adds to the bias of the first class, so that the answers collapse."""

    _constraints: ClassVar = {**ONLINE_RULES, "by": Interval(float), "roll_back": STEP_RULES["roll_back"]}

    def __init__(
        self, source: Any, classes: Any = None, by: float = 0.0, roll_back: float = 0.5, batch_size: int = 30,
        device: str = "cpu", random_state: Any = 0,
    ) -> None:  # fmt: skip
        self.source = source
        self.classes = classes
        self.by = by
        self.roll_back = roll_back
        self.batch_size = batch_size
        self.device = device
        self.random_state = random_state

    def _learn(self, fit):
        with torch.no_grad():
            fit.network.head.out.bias[0] += self.by
        self.state_["seen"] = self.state_.get("seen", 0) + len(fit.rows)
        return {}


def test_answers_that_collapse_go_back_to_the_source_and_forget():
    shift, source = world("none")
    model = Skews(source, by=1e3)
    with pytest.warns(TransferWarning, match=r"Skews: answers to the last batches have collapsed: 100% are one class"):
        model.fit(shift.Xt)
    assert model.n_roll_backs_ == 3
    assert [row["rolled_back"] for row in model.history_] == [1, 1, 1]
    assert model.facts_["roll_backs"] == 3
    assert model.state_.keys() == {"seed"}
    np.testing.assert_array_equal(
        model.predict_proba(shift.Xt), Skews(source, by=0.0).fit(shift.Xt).predict_proba(shift.Xt)
    )


def test_it_stays_where_it_is_told_to_or_all_is_well():
    shift, source = world("none")
    never = Skews(source, by=1e3, roll_back=0.0).fit(shift.Xt)
    assert never.n_roll_backs_ == 0
    assert (never.predict(shift.Xt) == 0).all()
    well = Skews(source, by=0.01).fit(shift.Xt)
    assert well.n_roll_backs_ == 0
    assert well.state_["seen"] == 90


def test_a_stream_of_one_class_is_no_collapse():
    """The source model names one class as well: there is nothing that fell."""
    shift, source = world("none")
    only = shift.Xt[shift.yt == 1]
    model = Skews(source, by=0.0, batch_size=10).fit(only)
    assert model.n_roll_backs_ == 0


def test_a_collapse_shows_over_small_batches():
    """One batch of ten rows says nothing; the counts that are kept say it after a few."""
    shift, source = world("none")
    model = Skews(source, by=1e3, batch_size=10)
    with pytest.warns(TransferWarning, match="collapsed"):
        model.fit(shift.Xt)
    back = [row["rolled_back"] for row in model.history_]
    assert back[:3] == [0, 0, 0]
    assert sum(back) == 2


def test_collapse_by_numbers():
    even = np.array([10.0, 10, 10])
    assert shares_collapse(np.array([30.0, 0, 0]), even, 0.5)
    assert not shares_collapse(np.array([15.0, 15, 0]), even, 0.5)
    assert shares_collapse(np.array([15.0, 15, 0]), even, 0.7)
    assert not shares_collapse(np.array([20.0, 0, 0]), even, 0.5), "too few rows to say"
    assert not shares_collapse(np.array([30.0, 0, 0]), np.array([30.0, 0, 0]), 1.0)
    assert not shares_collapse(np.array([30.0, 0, 0]), even, 0.0)


def test_the_last_row_joins_the_batch_before():
    shift, source = world()
    model = Tent(source, batch_size=30).fit(shift.Xt[:61])
    assert model.n_batches_ == 2
    for n in (0, 1):
        with pytest.raises(DomainError, match=r"Tent\.partial_fit: X must have"):
            model.partial_fit(shift.Xt[:n])
    assert model.n_batches_ == 2


@pytest.mark.filterwarnings("ignore:.*(have collapsed|has diverged)")
def test_dropout_stays_off():
    shift, _ = world()
    training = Training(n_epochs=1, device="cpu", progress=False)
    source = DeepSourceOnly(
        "small:mlp?hidden=8&batch_norm=true&dropout=0.5", bottleneck=4, dropout=0.5, training=training
    )
    source.fit(shift.X, shift.y, target=Domain(shift.X))
    one, two = (Tent(source, lr=0.01, random_state=k).fit(shift.Xt) for k in (0, 1))
    np.testing.assert_allclose(one.predict_proba(shift.Xt), two.predict_proba(shift.Xt), atol=1e-5)


def test_images_batch_by_batch():
    X = networks.image_rows(40, 0)[0]

    class Whole(nn.Module):
        def __init__(self):
            super().__init__()
            self.body, self.fc = networks.KINDS["images"].learned(), nn.Linear(16, 4)

        def forward(self, x):
            return self.fc(self.body(x))

    source = load_backbone(Whole(), sample=X[0], head="fc")
    model = Tent(source, batch_size=20).fit(X)
    assert model.classes_.tolist() == [0, 1, 2, 3]
    assert model.n_batches_ == 2
    assert np.isfinite(model.partial_fit(X[:20]).predict_proba(X)).all()
