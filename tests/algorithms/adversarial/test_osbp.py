"""OSBP: the game about the unknown class, and rows of a class that the source does not have."""

import numpy as np
import pytest
import torch
from torch.nn import functional

import adaptation_checks
import shifts
from objectives import assert_gradients, built, gradients, small
from transferkit import OSBP, Domain, ParamError

pytestmark = pytest.mark.filterwarnings("ignore:.*(have collapsed|has diverged)")
SHIFT = shifts.none(0, 120)
NUMBERS = np.arange(3)
KNOWN = SHIFT.y < 2  # the third class is the target's alone


def fitted(names=NUMBERS, n_epochs=40, **params):
    training = adaptation_checks.training(n_epochs=n_epochs, lr=0.01)
    model = small(OSBP, **{"unknown": "auto", "training": training, **params})
    return model.fit(SHIFT.X[KNOWN], names[SHIFT.y[KNOWN]], target=Domain(SHIFT.Xt))


@pytest.mark.parametrize("boundary", [0.5, 0.3])
def test_the_classifier_descends_and_features_climb(boundary):
    shift = shifts.moved(0, 40)
    objective, batch = built(small(OSBP, trade_off=0.7, boundary=boundary), shift)
    loss = objective.steps()[0].loss(batch, 0.2)["loss"]
    z = objective.network.features(torch.cat([batch["source"].x, batch["target"].x]))
    outputs = objective.network.head(z)
    assert outputs.shape == (80, 4)
    task = functional.cross_entropy(outputs[:40], batch["source"].y)
    p = outputs[40:].softmax(dim=1)[:, -1]
    game = 0.7 * -(boundary * p.log() + (1 - boundary) * (1 - p).log()).mean()
    torch.testing.assert_close(loss, task + game)
    own, against = (gradients(v, objective.network.named_parameters("network")) for v in (task, game))
    expected = {k: own[k] + (g if k.startswith("network.head") else -g) for k, g in against.items()}
    assert_gradients(gradients(loss, objective.named_parameters()), expected)


def test_rows_of_a_new_class_are_told():
    model = fitted()
    assert model.classes_.tolist() == [0, 1, 2]
    assert model.predict_proba(SHIFT.Xt).shape == (120, 3)
    assert model.score(SHIFT.Xt, SHIFT.yt) > 0.75, "two thirds are the most without an unknown class"
    closed = fitted(unknown=None)
    assert closed.classes_.tolist() == [0, 1]
    assert closed.predict_proba(SHIFT.Xt).shape == (120, 2)
    assert fitted(NUMBERS == 0, unknown=None, n_epochs=1).predict(SHIFT.Xt).dtype == bool
    open_logits = model.decision_function(SHIFT.Xt)[:, :2]
    np.testing.assert_allclose(closed.decision_function(SHIFT.Xt), open_logits, atol=1e-5)


@pytest.mark.parametrize("head", ["cosine", "adapter"])
def test_any_head_can_lose_its_last_output(head):
    model = fitted(unknown=None, head=head, n_epochs=1)
    assert model.network_.head.spec["n_outputs"] == model.decision_function(SHIFT.Xt).shape[1] == 2


def test_the_label_of_the_unknown_class():
    names = np.array(["ash", "yew", "oak"])
    assert fitted(names, n_epochs=1).classes_.tolist() == ["ash", "yew", "unknown"]
    assert fitted(names, n_epochs=1, unknown="new").classes_.tolist() == ["ash", "yew", "new"]
    assert fitted(n_epochs=1, unknown=-9).classes_.tolist() == [0, 1, -9]
    for given, who in ((7, names), ("ash", names), (1, NUMBERS), ("new", NUMBERS)):
        with pytest.raises(ParamError, match=r"OSBP\.fit: unknown must be a (text|number) that is no class"):
            fitted(who, unknown=given)
