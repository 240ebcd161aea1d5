"""OVANet: the hardest other class, the entropy of the choices, and rows of a class that the source does not have."""

import numpy as np
import pytest
import torch
from torch.nn import functional

import adaptation_checks
import shifts
import transferkit
from objectives import built, small
from open_worlds import overlapping
from transferkit import DeepSourceOnly, Domain, OVANet, ParamError

pytestmark = pytest.mark.filterwarnings("ignore:.*(have collapsed|has diverged)")


def fitted(shift, seed=0, n_epochs=20, cls=OVANet, **params):
    training = adaptation_checks.training(n_epochs=n_epochs, lr=0.01)
    given = {
        "training": training,
        "random_state": seed,
        **({} if cls is DeepSourceOnly else {"unknown": "auto"}),
        **params,
    }
    return small(cls, **given).fit(shift.X, shift.y, target=Domain(shift.Xt))


def test_the_loss_by_hand():
    objective, batch = built(small(OVANet, trade_off=0.7), shifts.moved(0, 40))
    found = objective.steps()[0].loss(batch, 0.5)
    head, y = objective.network.head, batch["source"].y
    z = objective.network.features(torch.cat([batch["source"].x, batch["target"].x]))
    unit = head.weight / head.weight.norm(dim=2, keepdim=True)
    p = torch.einsum("bd,skd->bsk", z, unit).softmax(dim=1)  # not of the class, of it
    rows = torch.arange(40)
    own = -p[rows, 1, y].log().mean()
    others = p[:40, 0].clone()
    others[rows, y] = 1.0
    other = -others.min(dim=1).values.log().mean()
    entropy = -(p[40:] * p[40:].log()).sum(dim=1).mean()
    task = functional.cross_entropy(head.closed(z[:40]), y)
    torch.testing.assert_close(found["own"], own)
    torch.testing.assert_close(found["other"], other)
    torch.testing.assert_close(found["transfer"], entropy)
    torch.testing.assert_close(found["loss"], task + (own + other) / 2 + 0.7 * entropy)


def test_only_the_nearest_other_class_learns_that_a_row_is_not_of_it():
    objective, batch = built(small(OVANet, trade_off=0.0), shifts.moved(0, 40))
    one = {name: type(s)(s.x[:1], None if s.y is None else s.y[:1], s.rows[:1]) for name, s in batch.items()}
    objective.eval()  # a single row has no batch statistics
    other = objective.steps()[0].loss(one, 0.5)["other"]
    (gradient,) = torch.autograd.grad(other, [objective.network.head.weight])
    with torch.no_grad():
        margins = objective.network.head.margins(objective.network.features(one["source"].x))[0]
    margins[one["source"].y[0]] = -torch.inf
    assert (gradient.abs().sum(dim=(0, 2)) > 0).nonzero().flatten().tolist() == [int(margins.argmax())]


def test_rows_of_a_new_class_are_told():
    """The most that a method without an unknown class can reach is three quarters."""
    scores = []
    for seed in range(2):
        shift = overlapping(seed, k=4)
        model = fitted(shift, seed)
        assert model.classes_.tolist() == [0, 1, 2, 3, 4]
        scores.append(
            model.score(shift.Xt, shift.yt) - fitted(shift, seed, cls=DeepSourceOnly).score(shift.Xt, shift.yt)
        )
    assert np.mean(scores) > 0.05, scores


def test_without_an_unknown_class_rows_get_their_most_probable_one(tmp_path):
    shift = overlapping(0)
    opened, closed = fitted(shift, n_epochs=2), fitted(shift, n_epochs=2, unknown=None)
    logits = opened.decision_function(shift.Xt)
    assert logits.shape == (200, 5)
    np.testing.assert_allclose(closed.decision_function(shift.Xt), logits[:, :4], atol=1e-5)
    for k, model in enumerate((opened, closed)):
        loaded = transferkit.load(transferkit.save(model, tmp_path / str(k)))
        np.testing.assert_array_equal(loaded.predict_proba(shift.Xt), model.predict_proba(shift.Xt))


def test_the_label_of_the_unknown_class():
    shift = overlapping(0, 40)
    names = shifts.Shift(shift.X, np.array(["ash", "yew", "oak", "elm", "fir"])[shift.y], shift.Xt, shift.yt)
    assert fitted(names, n_epochs=1).classes_[-1] == "unknown"
    assert fitted(shift, n_epochs=1, unknown=-9).classes_[-1] == -9
    with pytest.raises(ParamError, match=r"OVANet\.fit: unknown must be a number that is no class of the source"):
        fitted(shift, unknown=1)
