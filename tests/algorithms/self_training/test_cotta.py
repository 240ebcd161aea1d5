"""CoTTA: whose answers are learned, how the teacher follows, and what returns to the source."""

import torch

from self_training_toys import batch_of, toy
from source_worlds import world
from transferkit import CoTTA
from transferkit.algorithms.self_training import cotta
from transferkit.algorithms.self_training.cotta import _Student


def same(a, b):
    return all(torch.equal(p, q) for p, q in zip(a.parameters(), b.parameters()))


def test_the_loss_by_hand(monkeypatch):
    monkeypatch.setattr(cotta, "strong_view", lambda x, strength: x * (1 + strength))
    for threshold in (0.0, 1.0):
        fit, teacher, source = toy(), toy(seed=1).network, toy(seed=2).network
        objective = _Student(fit.network, teacher, source, threshold, 2, 0.5).train()
        found = objective.steps()[0].loss(batch_of(fit), 0.0)
        with torch.no_grad():
            q = teacher(fit.Xt if threshold == 0 else 1.5 * fit.Xt).softmax(1)
        p = fit.network(fit.Xt).log_softmax(1)
        torch.testing.assert_close(found["loss"], -(q * p).sum(1).mean())
        assert found["averaged"] == (threshold > 0)


def test_the_teacher_follows_and_predicts():
    shift, source = world()
    model = CoTTA(source, decay=0.75, restore=0.0, n_views=2, lr=0.01, batch_size=90).fit(shift.Xt)
    nets = (model.network_, model.student_, source.network_)
    for teacher, student, start in zip(*(n.parameters() for n in nets)):
        torch.testing.assert_close(teacher, 0.75 * start + 0.25 * student)
    assert not same(model.student_, source.network_)


def test_returns_to_the_source():
    shift, source = world()
    all_back = CoTTA(source, restore=1.0, n_views=2, lr=0.01).fit(shift.Xt)
    assert same(all_back.student_, source.network_)
    half = CoTTA(source, restore=0.5, n_views=2, lr=0.01).fit(shift.Xt)
    pairs = zip(half.student_.parameters(), source.network_.parameters())
    equal = torch.cat([(p == q).flatten() for p, q in pairs]).float().mean()
    assert 0.35 < equal < 0.65


def test_source_model_and_its_statistics_stay():
    shift, source = world()
    model = CoTTA(source, n_views=2, lr=0.01).fit(shift.Xt)
    for name, value in source.network_.state_dict().items():
        if "tracked" not in name:
            assert torch.equal(value, model.source_network_.state_dict()[name]), name


def test_going_back_takes_the_student_along():
    shift, source = world()
    model = CoTTA(source, n_views=2, lr=0.01).fit(shift.Xt)
    model._go_back()
    assert same(model.network_, source.network_)
    assert same(model.student_, source.network_)
