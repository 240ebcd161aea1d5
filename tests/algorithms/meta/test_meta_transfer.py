"""Meta-transfer learning: scaled and shifted, not changed; and the classes that failed come again."""

from types import SimpleNamespace

import numpy as np
import pytest
import torch

from meta_checks import classes, domains, settings, training
from transferkit import MetaTransfer, ParamError
from transferkit.engine.meta.episodes import Episodes, Shape
from transferkit.engine.meta.hard_tasks import Failures, HardEpisodes
from transferkit.engine.meta.tasks import read_tasks
from transferkit.engine.training.loop import Loop

SHORT = {"n_inner_steps": 2, "pretraining": training(n_epochs=3)}


def test_the_tasks_scale_and_shift_and_leave_the_pretrained_weights(monkeypatch):
    kept = {}
    load = torch.nn.Module.load_state_dict

    def watch(module, state, *args, **kwargs):
        if "0.0.weight" in state:
            kept.update({k: v.clone() for k, v in state.items()})
        return load(module, state, *args, **kwargs)

    monkeypatch.setattr(torch.nn.Module, "load_state_dict", watch)
    model = MetaTransfer(**settings({**SHORT, "backbone": "small:mlp?hidden=8&batch_norm=true"}), random_state=0).fit(
        [classes()]
    )
    now = model.network_.body.state_dict()
    for name in kept:
        assert torch.equal(kept[name], now[name]), f"{name} must stay as the pretraining left it"
    assert not torch.equal(now["0.0.scale"], torch.ones_like(now["0.0.scale"]))
    assert not torch.equal(now["0.0.shift"], torch.zeros_like(now["0.0.shift"]))
    assert model.facts_["pretraining"]["n_classes"] == 12
    assert model.facts_["pretraining"]["n_updates"] > 0


def episodes(tasks, shape=Shape(3, 1, 4), by="classes"):  # noqa: B008
    from transferkit.engine.backbones import load_backbone

    backbone = load_backbone("small:mlp", sample=np.zeros(6))
    found = read_tasks("here", tasks, backbone, task="auto", by=by, shape=shape, rotations=False)
    return Episodes(found.domains, found.pools, shape, 0, 16)


def test_the_worst_class_of_every_task_fails_and_is_drawn_again():
    stream = episodes([classes()])
    failures = Failures(stream, 2)
    hard = HardEpisodes(stream, failures.failed.tolist)
    before = hard[0][0]
    right = torch.ones(2, 12, dtype=torch.bool)
    right[0, 5], right[1, 9:11] = False, False  # a query of the second unit; two of the third
    failures.note(torch.tensor([3, 8]), right)
    names = {id(u): k for k, u in enumerate(stream.pools[0])}
    want = {names[id(stream.units(3)[1])], names[id(stream.units(8)[2])]}
    assert set(failures.failed.tolist()) == want
    for k in range(6):
        drawn = set(np.unique([u.label for u in hard._hard(np.array(sorted(want)), np.random.default_rng(k))]))
        assert {stream.pools[0][n].label for n in want} <= drawn, "the classes that failed are in every hard task"
        assert len(drawn) == 3, "filled up with others"
    assert not torch.equal(torch.stack(before), torch.stack(hard[0][0]))
    failures.note(torch.tensor([1, 2]), torch.ones(2, 12, dtype=torch.bool))
    assert failures.failed.tolist() == [-1, -1], "what was learned without a mistake has not failed"


def test_by_domains_a_task_fails_as_a_whole():
    stream = episodes(domains(), Shape(None, 1, 4), "domains")
    failures, right = Failures(stream, 2), torch.ones(2, 8, dtype=torch.bool)
    right[1, :4] = False
    failures.note(torch.tensor([0, 1]), right)
    first, second = failures.failed.tolist()
    assert first == -1
    assert stream.units(1)[0] is [u for pool in stream.pools for u in pool][second]
    drawn = HardEpisodes(stream, failures.failed.tolist)._hard(np.array([second]), np.random.default_rng(0))
    assert drawn[0] is stream.units(1)[0]


def test_a_hard_batch_follows_each_batch_of_tasks(monkeypatch):
    seen, update = [], Loop.update

    def watch(loop, batch):
        if "hard" in batch:
            seen.append(loop.objective.failures.failed.tolist())
        return update(loop, batch)

    monkeypatch.setattr(Loop, "update", watch)
    model = MetaTransfer(**settings(SHORT), random_state=0).fit([classes()])
    assert set(seen[0]) == {-1}, "nothing has failed before the first"
    assert any(max(f) >= 0 for f in seen[1:])
    assert {"hard/loss", "train/loss"} <= model.history_[-1].keys()
    plain = MetaTransfer(**settings({**SHORT, "hard_tasks": False}), random_state=0).fit([classes()])
    assert "hard/loss" not in plain.history_[-1]


def test_it_cannot_read_ahead():
    with pytest.raises(ParamError, match=r"training\.workers must be 0"):
        MetaTransfer(**settings({**SHORT, "training": training(workers=1)})).fit([classes()])


def test_hard_tasks_follow_what_failed_even_where_the_buffer_was_replaced():
    """As a move to a GPU does."""
    stream = episodes([classes()])
    model = MetaTransfer(**settings(SHORT))
    learner = SimpleNamespace(failures=None)
    model._episodes = lambda fit: stream
    hard = model._streams(SimpleNamespace(training=training()), learner)["hard"]
    learner.failures._apply(torch.clone)
    learner.failures.failed.fill_(5)
    samples, _ = hard[0]
    own = {stream.domains[0][int(r)].numpy().tobytes() for r in stream.pools[0][5].rows}
    assert sum(s.numpy().tobytes() in own for s in samples) == 5, (
        "one support row and four queries of the class that failed"
    )


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        ({"n_epochs": -1}, "pretraining must be in range"),
        ({"optimizer": "none"}, "pretraining must be in range"),
        ({"validation": 0.5}, r"pretraining\.validation must be 0"),
    ],
)
def test_settings_of_the_pretraining_are_checked(wrong, says):
    with pytest.raises(ParamError, match=rf"^MetaTransfer\.fit: {says}"):
        MetaTransfer(**settings({**SHORT, "pretraining": training(**wrong)})).fit([classes()])


def test_what_failed_is_not_kept():
    model = MetaTransfer(**settings(SHORT), random_state=0).fit([classes()])
    assert model.extra_ == {}
