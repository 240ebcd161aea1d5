import numpy as np
import pytest
import torch
from scipy.special import log_softmax, softmax

from source_networks import conv_source, epochs, images, mlp_source, rows, same_network
from transferkit import FineTuning, LwF, ParamError
from transferkit.algorithms.parameter.lwf import _Known
from transferkit.engine.training.objective import Stream


def test_the_loss_is_distillation_with_temperature():
    rng = np.random.default_rng(0)
    recorded, features = rng.normal(size=(6, 4)), rng.normal(size=(3, 5))
    term = _Known(torch.nn.Linear(5, 4), torch.as_tensor(recorded, dtype=torch.float32), lam=0.25, temperature=3.0)
    chosen = torch.tensor([4, 0, 2])
    z = torch.as_tensor(features, dtype=torch.float32)
    got = term({"target": Stream(None, None, chosen)}, z, None, 0.0)["known"].item()
    logits = term.head(z).detach().numpy().astype(float)
    wanted = softmax(recorded[chosen] / 3, axis=1)
    assert got == pytest.approx(-0.25 * (wanted * log_softmax(logits / 3, axis=1)).sum(axis=1).mean(), rel=1e-5)


def test_no_memory_is_fine_tuning():
    X, y = rows()
    plain = FineTuning(mlp_source(), training=epochs()).fit(X, y)
    assert same_network(LwF(mlp_source(), lam=0.0, training=epochs()).fit(X, y), plain)


def test_memory_alone_leaves_the_source_model_as_it_is():
    """The recorded answers are those of the model itself: at the start the gradient is zero."""
    X, y = rows()
    source = mlp_source()
    model = LwF(source, lam=1.0, training=epochs(3, optimizer="sgd")).fit(X, y)
    for name, value in source.body.state_dict().items():
        torch.testing.assert_close(model.network_.body.state_dict()[name], value, rtol=0, atol=1e-5)


def test_more_memory_keeps_more_of_the_source_task():
    X, y = rows()
    source = mlp_source()
    with torch.no_grad():
        before = torch.softmax(source.source_head(source.body(torch.as_tensor(X))), dim=1)

    def lost(lam):
        model = LwF(source, lam=lam, training=epochs(20)).fit(X, y)
        with torch.no_grad():
            z = torch.as_tensor(model.transform(X))
            after = torch.softmax(model.source_head_(z), dim=1)
        return float((before * (before.log() - after.log())).sum(dim=1).mean()), model.score(X, y)

    (none, _), (some, score) = lost(0.0), lost(0.8)
    assert some < 0.2 * none
    assert score > 0.9


def test_it_learns_images():
    X, y = images()
    assert LwF(conv_source(), training=epochs(8)).fit(X, y).score(X, y) > 0.9


def test_a_source_without_classifier_is_named():
    X, y = rows()
    source = mlp_source()
    source.source_head = None
    with pytest.raises(ParamError, match=r"LwF\.fit: source must .* classifier"):
        LwF(source, training=epochs()).fit(X, y)
