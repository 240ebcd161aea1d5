"""Deep CORAL: what is minimised is the distance of covariances, in the layer that was asked for."""

import numpy as np
import pytest
import torch

import adaptation_checks
import shifts
from transferkit import DeepCORAL, Domain
from transferkit.ops.nn.moments import coral_loss

pytestmark = pytest.mark.filterwarnings("ignore:.*(have collapsed|has diverged)")
SHIFT = shifts.moved(0)


def fitted(**params):
    given = {"training": adaptation_checks.training(n_epochs=15), **params}
    return DeepCORAL(**adaptation_checks.settings(given)).fit(SHIFT.X, SHIFT.y, target=Domain(SHIFT.Xt))


@pytest.mark.parametrize("layer", ["outputs", "features"])
def test_covariances_come_together_in_that_layer(layer):
    def distance(model):
        read = model.transform if layer == "features" else model.decision_function
        return coral_loss(torch.tensor(read(SHIFT.X)), torch.tensor(read(SHIFT.Xt))).item()

    weight = 10.0 if layer == "features" else 1.0
    assert distance(fitted(layer=layer, trade_off=weight)) < 0.5 * distance(fitted(layer=layer, trade_off=0.0))


def test_the_logged_term_is_the_loss_of_the_whole_batch():
    """With one batch an epoch and a learning rate of nearly 0, the first row of the history is the formula itself."""
    model = fitted(training=adaptation_checks.training(n_epochs=1, batch_size=90, lr=1e-12), layer="features")
    network = model.network_.train()
    with torch.no_grad():
        z = network.features(torch.tensor(np.vstack([SHIFT.X, SHIFT.Xt])).float())
    assert model.history_[0]["train/transfer"] == pytest.approx(coral_loss(z[:90], z[90:]).item(), rel=1e-4)
