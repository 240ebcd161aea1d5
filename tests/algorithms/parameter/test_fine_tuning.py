"""Fine-tuning: what the plan frees moves and nothing else, and a related source helps where labels are few."""

import copy

import numpy as np
import pytest
import torch
from torch import nn

from transferkit import FeatureExtraction, FineTuning, ParamError
from transferkit.engine.training.settings import Training


def body(seed=0):
    torch.manual_seed(seed)
    return nn.Sequential(nn.Linear(6, 32), nn.ReLU(), nn.Linear(32, 16), nn.ReLU())


def rows(n, seed, turn=0.0):
    """Classes follow a curved border; `turn` moves it a little."""
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(n, 6))
    return X, (X[:, 0] * X[:, 1] + turn * X[:, 2] > 0).astype(int)


def weights(model):
    return {name: value.clone() for name, value in model.network_.body.state_dict().items()}


def test_head_only_leaves_the_body():
    source = body()
    X, y = rows(40, 0)
    model = FineTuning(source, plan="head", training=Training(n_epochs=3)).fit(X, y)
    assert all(torch.equal(v, source.state_dict()[k]) for k, v in weights(model).items())
    assert [row["from_epoch"] for row in model.facts_["plan"]][-1] == 0


def test_the_source_stays_as_it_was():
    source = body()
    before = copy.deepcopy(source.state_dict())
    FineTuning(source, training=Training(n_epochs=2)).fit(*rows(40, 0))
    assert all(torch.equal(v, before[k]) for k, v in source.state_dict().items())


def test_last_k_frees_what_is_nearest_to_the_head():
    source = body()
    model = FineTuning(source, plan="last:1", training=Training(n_epochs=2)).fit(*rows(40, 0))
    moved = {k: not torch.equal(v, source.state_dict()[k]) for k, v in weights(model).items()}
    assert moved["2.weight"]
    assert not moved["0.weight"]


def test_a_small_rate_below_moves_less():
    source = body()
    settings = Training(n_epochs=1, optimizer="sgd", momentum=0.0, weight_decay=0.0, batch_size=40)
    X, y = rows(40, 0)
    even, decayed = (FineTuning(source, lr_decay=d, training=settings).fit(X, y) for d in (1.0, 0.1))
    start = source.state_dict()
    step = {m: weights(m)["0.weight"] - start["0.weight"] for m in (even, decayed)}
    depth = len(even.facts_["plan"]) - 1 - [r["part"] for r in even.facts_["plan"]].index("0")
    torch.testing.assert_close(step[decayed], step[even] * 0.1**depth, rtol=1e-3, atol=1e-7)


def test_what_is_known_helps_where_labels_are_few():
    """Over three seeds: the source's task is the target's with another border."""
    gains = []
    for seed in range(3):
        knows = FineTuning(body(seed), training=Training(n_epochs=60, lr=0.01, weight_decay=0.0)).fit(
            *rows(1500, 10 + seed)
        )
        X, y = rows(30, 20 + seed, turn=0.2)
        Xt, yt = rows(1000, 30 + seed, turn=0.2)
        settings = Training(n_epochs=40, lr=0.005)
        with_it = FineTuning(knows.network_.as_backbone(), training=settings).fit(X, y).score(Xt, yt)
        without = FineTuning(body(seed), training=settings).fit(X, y).score(Xt, yt)
        gains.append(with_it - without)
    assert min(gains) > 0.1


@pytest.mark.parametrize("plan", ["full", "gradual", "gradual:1", "lp_ft:2", {"0": None}])
def test_every_plan_trains(plan):
    X, y = rows(60, 0)
    model = FineTuning(body(), plan=plan, training=Training(n_epochs=4)).fit(X, y)
    assert model.predict_proba(X).shape == (60, 2)
    assert len(model.history_) == 4


def test_numbers_and_several_labels():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(200, 6))
    y = 100 + 7 * X[:, 0]
    settings = Training(n_epochs=40, lr=0.01)
    assert FineTuning(body(), training=settings).fit(X, y).score(X, y) > 0.95
    Y = (X[:, :3] > 0).astype(int)
    model = FineTuning(body(), training=settings).fit(X, Y)
    assert model.predict(X).shape == (200, 3)
    assert model.score(X, Y) > 0.95


def test_a_head_may_begin_at_the_probe():
    """With a rate of nearly nothing it still is the probe of these rows, and goes no faster than the body."""
    X, y = rows(60, 0)
    still = Training(n_epochs=1, lr=1e-12, weight_decay=0.0)
    model = FineTuning(body(), head_init="probe", training=still).fit(X, y)
    probe = FeatureExtraction(body(), reg="cv").fit(X, y)
    np.testing.assert_allclose(model.decision_function(X), probe.decision_function(X), atol=1e-4)
    assert {row["lr"] for row in model.facts_["plan"]} == {still.lr * still.body_lr_scale}
    with pytest.raises(ParamError, match=r"head must be 'linear' for head_init='probe'\. Got 'mlp'"):
        FineTuning(body(), head_init="probe", head="mlp", training=still).fit(X, y)
