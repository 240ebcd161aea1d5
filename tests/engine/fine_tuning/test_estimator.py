"""What every deep estimator does around the loop."""

import numpy as np
import pytest
import torch
from torch import nn

from transferkit import Distillation, FeatureExtraction, FineTuning, Training
from transferkit.core.errors import DomainError, TrainingError
from transferkit.engine.inputs.rows import Rows


@pytest.fixture
def data():
    X = np.random.default_rng(0).normal(size=(40, 4))
    return X, np.where(X[:, 0] > 0, "right", "left")


def body(seed=0):
    torch.manual_seed(seed)
    return nn.Sequential(nn.Linear(4, 8), nn.ReLU())


def quick(**settings):
    return Training(**({"n_epochs": 2, "progress": False} | settings))


def test_the_plan_in_the_report_has_the_rates_that_were_found(data):
    facts = FineTuning(body(), training=quick(lr="auto", n_epochs=6)).fit(*data).facts_
    assert facts["lr"] > 0
    assert [row["lr"] for row in facts["plan"]][-1] == facts["lr"]


def test_a_refit_on_other_data_forgets_the_old_width(data):
    class Wave(nn.Module):
        def __init__(self):
            super().__init__()
            self.conv = nn.Conv1d(2, 4, 3)

        def forward(self, x):
            return self.conv(x).mean(dim=-1)

    X, y = data
    model = FineTuning(body(), training=quick()).fit(X, y)
    assert model.n_features_in_ == 4
    waves = np.random.default_rng(0).normal(size=(40, 2, 9)).astype(np.float32)
    model.set_params(source=Wave()).fit(waves, y)
    assert not hasattr(model, "n_features_in_")
    assert model.predict(waves).shape == (40,)


def test_a_run_resumes_whatever_made_its_seed(data, tmp_path):
    source, events = body(), []
    training = quick(folder=tmp_path, callbacks=[lambda event, facts: events.append(event)])
    for _ in range(2):
        FineTuning(source, training=training, random_state=np.random.RandomState(3)).fit(*data)
    assert events.count("epoch") == 2


def test_another_teacher_is_another_fit(data, tmp_path):
    student = body()
    Distillation(body(1), student=student, training=quick(folder=tmp_path)).fit(*data)
    with pytest.raises(TrainingError, match="of the same data, weights"):
        Distillation(body(2), student=student, training=quick(folder=tmp_path)).fit(*data)


def test_other_rows_that_judge_are_another_fit(data, tmp_path):
    X, _ = data
    y = X[:, 0].copy()
    kept = []
    model = FineTuning(body(), task="regression", training=quick(folder=tmp_path, validation=0.25))
    judge = model._judge
    model._judge = lambda fit, objective: kept.append(fit.y_held) or judge(fit, objective)
    model.fit(X, y)
    held = np.flatnonzero(np.isin(y, kept[0]))
    y[held] = y[held][::-1]  # mean and deviation, and every row that is trained on, stay
    with pytest.raises(TrainingError, match="of the same data, weights"):
        FineTuning(body(), task="regression", training=model.training).fit(X, y)


def test_what_is_predicted_is_not_kept_in_memory(data, monkeypatch):
    model = FineTuning(body(), training=quick()).fit(*data)
    kept, batches = [], Rows.batches

    def watched(self, *args):
        yield from batches(self, *args)
        kept.append(len(self._kept))

    monkeypatch.setattr(Rows, "batches", watched)
    model.predict(data[0])
    assert kept == [0]


def test_a_small_piece_of_a_batch_has_rows_enough_for_statistics(data):
    """19 rows are 8 and 8, then 3 that stay together: one row has no variance."""
    X, y = data
    FeatureExtraction(body(), head="mlp", training=quick(batch_size=8, accumulate=2)).fit(X[:19], y[:19])


def test_rows_of_several_shapes_and_one_row_to_judge_are_refused(data):
    X, _ = data
    with pytest.raises(DomainError, match=r"FineTuning\.fit: X must have rows of one shape"):
        FineTuning(body()).fit([np.zeros(4), np.zeros(3)], [0, 1])
    with pytest.raises(DomainError, match=r"two rows for R\^2\. Got 8 rows"):
        FineTuning(body(), training=quick(validation=0.1)).fit(X[:8], X[:8, 0])


class Remembering(nn.Module):
    """Like timm's LeViT: in evaluation it keeps what follows from its weights until it is trained again."""

    def __init__(self):
        super().__init__()
        torch.manual_seed(0)
        self.weight, self.kept = nn.Parameter(torch.randn(4, 4)), None

    def train(self, mode=True):
        super().train(mode)
        if mode:
            self.kept = None
        return self

    def forward(self, x):
        if self.training:
            return x @ (2 * self.weight)
        if self.kept is None:
            self.kept = 2 * self.weight
        return x @ self.kept


def test_the_best_weights_are_those_that_predict(data):
    X, y = data
    training = quick(n_epochs=8, lr=0.3, body_lr_scale=1.0, validation=0.3, keep="best")
    model = FineTuning(Remembering(), training=training).fit(X, y)
    assert model.facts_["best_epoch"] < 8
    net = model.network_
    by_hand = net.head(torch.as_tensor(X, dtype=torch.float32) @ (2 * net.body.weight)).detach().numpy()
    np.testing.assert_allclose(model.decision_function(X), by_hand, rtol=1e-4, atol=1e-5)
