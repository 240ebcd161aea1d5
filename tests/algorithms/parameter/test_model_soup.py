import numpy as np
import pytest
import torch

from source_networks import conv_source, epochs, images, mlp_source, rows, same_network
from transferkit import ModelSoup, ParamError


def state(model):
    return model.network_.state_dict()


def test_soup_of_one_is_the_model():
    X, y = rows(60)
    uniform = ModelSoup(mlp_source(), n_seeds=1, training=epochs(validation=0.3)).fit(X, y)
    greedy = ModelSoup(mlp_source(), recipe="greedy", n_seeds=1, training=epochs(validation=0.3)).fit(X, y)
    assert same_network(uniform, greedy)
    assert uniform.members_[0]["score"] == uniform.facts_["soup"]["score"]


def test_uniform_soup_is_the_mean_of_the_weights():
    X, y = rows()
    soup = ModelSoup(mlp_source(), grid={"lr": [0.01, 0.02]}, n_seeds=1, training=epochs()).fit(X, y)
    members = [ModelSoup(mlp_source(), n_seeds=1, training=epochs(lr=lr)).fit(X, y) for lr in (0.01, 0.02)]
    assert [m["settings"] for m in soup.members_] == [{"lr": 0.01}, {"lr": 0.02}]
    for name, value in state(soup).items():
        torch.testing.assert_close(value, (state(members[0])[name] + state(members[1])[name]) / 2)
    assert not torch.equal(state(members[0])["body.0.weight"], state(members[1])["body.0.weight"])


def test_uniform_soup_of_linear_heads_is_the_mean_of_logits():
    X, y = rows()
    soup = ModelSoup(mlp_source(), plan="head", grid={"lr": [0.01, 0.1, 0.3]}, n_seeds=1, training=epochs()).fit(X, y)
    logits = [
        ModelSoup(mlp_source(), plan="head", n_seeds=1, training=epochs(lr=lr)).fit(X, y).decision_function(X)
        for lr in (0.01, 0.1, 0.3)
    ]
    np.testing.assert_allclose(soup.decision_function(X), np.mean(logits, axis=0), atol=1e-4)
    assert np.abs(logits[0] - logits[2]).max() > 0.01


def test_seeds_change_the_batches_only():
    """With the whole data in one batch there is nothing left to chance: all members are one."""
    X, y = rows()
    model = ModelSoup(mlp_source(), n_seeds=2, training=epochs(batch_size=48)).fit(X, y)
    one = ModelSoup(mlp_source(), n_seeds=1, training=epochs(batch_size=48)).fit(X, y)
    for name, value in state(model).items():
        torch.testing.assert_close(value, state(one)[name], atol=1e-5, rtol=1e-4)
    assert model.n_updates_ == 2 * one.n_updates_
    assert [row["member"] for row in model.history_] == [0, 0, 0, 1, 1, 1]


def test_greedy_leaves_out_what_spoils_the_soup():
    X, y = rows(120)
    X += 1.5 * np.random.default_rng(1).normal(size=X.shape).astype(np.float32)
    training = epochs(validation=0.3, optimizer="sgd", momentum=0.0)
    grid = {"lr": [0.01, 1e4, 0.02]}
    model = ModelSoup(mlp_source(), recipe="greedy", grid=grid, n_seeds=1, training=training).fit(X, y)
    assert [m["taken"] for m in model.members_] == [True, False, True]
    assert model.facts_["soup"]["score"] >= max(m["score"] for m in model.members_)
    uniform = ModelSoup(mlp_source(), grid=grid, n_seeds=1, training=training).fit(X, y)
    assert uniform.facts_["soup"]["score"] < model.facts_["soup"]["score"]
    two = ModelSoup(mlp_source(), grid={"lr": [0.01, 0.02]}, n_seeds=1, training=training).fit(X, y)
    for name, value in state(model).items():
        torch.testing.assert_close(value, state(two)[name])


def test_numbers_and_images():
    X, _ = rows()
    y = X[:, 0] - X[:, 1]
    assert ModelSoup(mlp_source(), n_seeds=2, training=epochs(5)).fit(X, y).score(X, y) > 0.9
    X, y = images()
    assert ModelSoup(conv_source(), n_seeds=2, batch_norm="train", training=epochs(5)).fit(X, y).score(X, y) > 0.9


class Stop(Exception):
    pass


def test_a_stopped_soup_goes_on_where_it_was(tmp_path):
    X, y = rows()
    whole = ModelSoup(mlp_source(), n_seeds=2, training=epochs()).fit(X, y)

    def stop(event, state):
        if event == "update" and (tmp_path / "member-1").exists():
            raise Stop

    with pytest.raises(Stop):
        ModelSoup(mlp_source(), n_seeds=2, training=epochs(folder=tmp_path, callbacks=[stop])).fit(X, y)
    again = ModelSoup(mlp_source(), n_seeds=2, training=epochs(folder=tmp_path)).fit(X, y)
    assert same_network(whole, again)
    assert again.history_ == whole.history_


def test_grids_that_cannot_be():
    X, y = rows()
    for grid in ({"folder": ["a"]}, {"learning_rate": [0.1]}, {"lr": [-1.0]}):
        with pytest.raises(ParamError, match=r"^ModelSoup\.fit: grid must"):
            ModelSoup(mlp_source(), grid=grid, training=epochs()).fit(X, y)
    with pytest.raises(ParamError, match=r"validation must be above 0"):
        ModelSoup(mlp_source(), recipe="greedy", training=epochs()).fit(X, y)
