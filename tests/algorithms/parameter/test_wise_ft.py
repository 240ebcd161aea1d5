import numpy as np
import pytest
import torch

from source_networks import conv_source, epochs, images, mlp_source, rows
from transferkit import ParamError, WiseFT
from transferkit.engine.answers.labels import find_labels
from transferkit.engine.features.probe import fit_probe


def fitted(alpha, X, y, **settings):
    return WiseFT(mlp_source(), alpha=alpha, training=epochs(5, **settings)).fit(X, y)


def test_weights_lie_on_the_line():
    X, y = rows()
    start, middle, end = (fitted(alpha, X, y).network_.state_dict() for alpha in (0.0, 0.3, 1.0))
    for name, value in middle.items():
        torch.testing.assert_close(value, 0.7 * start[name] + 0.3 * end[name])
    assert not torch.equal(start["body.0.weight"], end["body.0.weight"])


def test_alpha_0_is_the_source_model_with_a_probe():
    X, y = rows()
    model, source = fitted(0.0, X, y), mlp_source()
    for name, value in source.body.state_dict().items():
        assert torch.equal(model.network_.body.state_dict()[name], value)
    with torch.no_grad():
        Z = source.body(torch.as_tensor(X))
        probe = fit_probe(Z.numpy(), y, find_labels("test", y, len(y)))
        np.testing.assert_allclose(model.decision_function(X), probe(Z).numpy(), atol=1e-4)


def test_alpha_is_chosen_on_the_rows_set_aside():
    X, y = rows(90)
    model = fitted("validation", X, y, validation=0.3)
    assert [row["alpha"] for row in model.path_] == [k / 10 for k in range(11)]
    best = max(row["score"] for row in model.path_)
    assert model.alpha_ in {row["alpha"] for row in model.path_ if row["score"] == best}
    weights = fitted(model.alpha_, X, y, validation=0.3).network_.state_dict()
    assert all(torch.equal(weights[k], v) for k, v in model.network_.state_dict().items())
    with pytest.raises(ParamError, match=r"training\.validation must be above 0"):
        fitted("validation", X, y)


def test_fine_tuned_weights_that_are_spoiled_are_not_taken():
    """A learning rate that destroys the network: the rows set aside say that the start is better."""
    X, y = rows(90)
    assert fitted("validation", X, y, validation=0.3, lr=30.0, optimizer="sgd", momentum=0.0).alpha_ < 0.5


def test_numbers_and_images():
    X, _ = rows()
    y = X[:, 0] - X[:, 1]
    assert fitted(0.5, X, y).score(X, y) > 0.9
    X, y = images()
    model = WiseFT(conv_source(), batch_norm="train", training=epochs(5)).fit(X, y)
    assert model.score(X, y) > 0.9
    assert model.facts_["alpha"] == 0.5
