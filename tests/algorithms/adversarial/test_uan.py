"""UAN: a critic that weighs, one that aligns with these weights, and rows of a class that the source does not have."""

import numpy as np
import pytest
import torch
from torch.nn import functional

import adaptation_checks
import shifts
import transferkit
from objectives import assert_gradients, built, gradients, small
from open_worlds import overlapping
from transferkit import UAN, DeepSourceOnly, Domain, ParamError
from transferkit.algorithms.adversarial.uan import _levelled
from transferkit.ops.nn.grad_reverse import reversal_weight

pytestmark = pytest.mark.filterwarnings("ignore:.*(have collapsed|has diverged)")


def fitted(shift, seed=0, n_epochs=20, cls=UAN, **params):
    training = adaptation_checks.training(n_epochs=n_epochs, lr=0.01)
    given = {
        "training": training,
        "random_state": seed,
        **({} if cls is DeepSourceOnly else {"unknown": "auto"}),
        **params,
    }
    return small(cls, **given).fit(shift.X, shift.y, target=Domain(shift.Xt))


def entropy(logits):
    p = logits.softmax(dim=1)
    return -(p * p.log()).sum(dim=1) / np.log(logits.shape[1])


def test_three_games_in_one_descent():
    objective, batch = built(small(UAN, trade_off=0.7, temperature=4.0), shifts.moved(0, 40))
    loss = objective.steps()[0].loss(batch, 0.3)["loss"]
    network, head, y = objective.network, objective.network.head, batch["source"].y
    z = network.features(torch.cat([batch["source"].x, batch["target"].x]))
    logits, told, found = head.closed(z), head.critic(z.detach()), objective.critic(z)
    w_s, w_t = entropy(logits[:40] / 4.0) - told[:40].sigmoid(), told[40:].sigmoid() - entropy(logits[40:])
    w_s, w_t = ((w - w.min()) / (w.max() - w.min()) for w in (w_s.detach(), w_t.detach()))
    task = functional.cross_entropy(logits[:40], y)
    weigh = -(told[:40].sigmoid().log().mean() + (1 - told[40:].sigmoid()).log().mean()) / 2
    s, t = found[:40].sigmoid().log(), (1 - found[40:].sigmoid()).log()
    align = -0.7 * ((w_s / w_s.mean() * s).mean() + (w_t / w_t.mean() * t).mean()) / 2
    torch.testing.assert_close(loss, task + weigh + align)
    params = list(objective.named_parameters())
    of_task, of_weigh, of_align = (gradients(part, params) for part in (task, weigh, align))
    assert {name.split(".")[2] for name in of_weigh} == {"critic"}, "features get no gradient of the weighing critic"
    back = reversal_weight(0.3, 10.0)
    total = {k: of_task.get(k, 0) + of_weigh.get(k, 0) for k in of_task.keys() | of_weigh.keys()}
    for name, g in of_align.items():
        total[name] = total.get(name, 0) + (g if name.startswith("critic") else -back * g)
    assert_gradients(gradients(loss, params), total)


def test_equal_weights_count_alike():
    torch.testing.assert_close(_levelled(torch.full((4,), -0.3)), torch.ones(4))
    torch.testing.assert_close(_levelled(torch.tensor([-0.5, 0.0, 0.5])), torch.tensor([0.0, 0.5, 1.0]))


def test_rows_of_a_new_class_are_told():
    """The most that a method without an unknown class can reach is three quarters."""
    scores = []
    for seed in range(2):
        shift = overlapping(seed)
        model = fitted(shift, seed)
        assert model.classes_.tolist() == [0, 1, 2, 3, 4]
        scores.append(
            model.score(shift.Xt, shift.yt) - fitted(shift, seed, cls=DeepSourceOnly).score(shift.Xt, shift.yt)
        )
    assert np.mean(scores) > 0.05, scores


def test_the_threshold_decides_and_nothing_else():
    shift = overlapping(0)
    few, many = (fitted(shift, n_epochs=3, threshold=t) for t in (-0.9, 0.4))
    np.testing.assert_array_equal(few.transform(shift.Xt), many.transform(shift.Xt))
    rejected = [(m.predict(shift.Xt) == 4).mean() for m in (few, many)]
    assert rejected[0] < rejected[1]
    closed = fitted(shift, n_epochs=3, unknown=None)
    np.testing.assert_allclose(closed.decision_function(shift.Xt), few.decision_function(shift.Xt)[:, :4], atol=1e-5)


def test_it_is_saved_with_its_critic(tmp_path):
    shift = overlapping(0, 40)
    model = fitted(shift, n_epochs=1)
    loaded = transferkit.load(transferkit.save(model, tmp_path / "saved"))
    np.testing.assert_array_equal(loaded.predict_proba(shift.Xt), model.predict_proba(shift.Xt))


def test_the_label_of_the_unknown_class():
    shift = overlapping(0, 40)
    with pytest.raises(ParamError, match=r"UAN\.fit: unknown must be a number that is no class of the source"):
        fitted(shift, unknown="new")
    assert fitted(shift, n_epochs=1, unknown=77).classes_[-1] == 77
