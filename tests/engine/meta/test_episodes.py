"""Episodes: reproducible tasks of the asked size, support and queries apart, and new ones in every epoch."""

import numpy as np
import pytest
import torch

from transferkit import Domain, DomainError
from transferkit.engine.backbones import load_backbone
from transferkit.engine.meta.episodes import Episodes, Pooled, Shape
from transferkit.engine.meta.tasks import check_domains, read_tasks, split_tasks
from transferkit.engine.training.sampling import Sampling

SHAPE = Shape(3, 2, 4)


def numbered(n_classes=5, n_rows=8, name="numbered", first=0):
    """Every row says which one it is."""
    rows = np.arange(n_classes * n_rows, dtype=np.float32) + first
    return Domain(np.column_stack([rows, rows]), np.repeat(np.arange(n_classes), n_rows), name=name)


def read(tasks, shape=SHAPE, by="classes", task="auto", rotations=False, backbone="small:mlp"):
    tasks = check_domains("here", tasks)
    loaded = load_backbone(backbone, sample=tasks[0].X[0])
    return read_tasks("here", tasks, loaded, task=task, by=by, shape=shape, rotations=rotations)


def stream(tasks, shape=SHAPE, seed=0, n=6, **given):
    found = read(tasks, shape, **given)
    return Episodes(found.domains, found.pools, shape, seed, n)


def test_support_and_queries_are_apart_and_labels_are_places():
    episodes = stream([numbered()])
    batch = next(iter(episodes.batches([np.arange(4)])))
    assert tuple(batch.x.shape) == (4, 3 * 6, 2)
    for x, y, k in zip(batch.x[..., 0].long(), batch.y, range(4)):
        assert y.tolist() == [0, 0, 1, 1, 2, 2] + [0] * 4 + [1] * 4 + [2] * 4
        assert len(set(x.tolist())) == 18, "a row comes once"
        drawn = [u.label for u in episodes.units(k)]
        assert [drawn[c] for c in y] == (x // 8).tolist()


def test_an_episode_is_its_number():
    one, other = stream([numbered()]), stream([numbered()], seed=1)
    first = next(iter(one.batches([np.array([7])])))
    second = list(one.batches([np.arange(3), np.array([5, 7])]))[1]
    assert torch.equal(first.x[0], second.x[1])
    assert not torch.equal(first.x, next(iter(other.batches([np.array([7])]))).x)
    assert one.digest() == stream([numbered()]).digest() != other.digest()
    assert one.digest() != stream([numbered(first=1)]).digest()


def test_every_epoch_has_episodes_of_its_own():
    sampling = Sampling(0, 4, 3, [10, 5], endless=[0])
    plan = sampling.plan(0, 0)
    assert np.concatenate(plan).tolist() == list(range(30))
    assert all(map(np.array_equal, sampling.plan(0, 4), plan[4:]))
    assert max(np.concatenate(sampling.plan(1, 0))) == 4, "other streams go on as before"


def test_classes_of_one_episode_come_from_one_domain():
    episodes = stream([numbered(), numbered(name="other", first=1000)], n=20)
    domains = {tuple({u.domain for u in episodes.units(k)}) for k in range(20)}
    assert domains == {(0,), (1,)}


def test_by_domains_labels_keep_their_meaning():
    found = read([numbered(3), numbered(3, name="b")], Shape(3, 1, 2), by="auto")
    assert found.by == "domains"
    assert found.labels.classes.tolist() == [0, 1, 2]
    assert [[u.label for u in pool] for pool in found.pools] == [[0, 1, 2]] * 2
    with pytest.raises(DomainError, match="task 'numbered' must have 9 rows of class 0"):
        read([numbered(3), numbered(3, name="b")], Shape(3, 1, 8), by="auto")


def test_numbers_are_tasks_by_domain():
    tasks = [Domain(np.eye(6), np.arange(6) + 0.5 * k, name=f"t{k}") for k in (1, 2)]
    found = read(tasks, Shape(2, 2, 3), by="auto")
    episodes = Episodes(found.domains, found.pools, Shape(None, 2, 3), 0, 3)
    batch = next(iter(episodes.batches([np.arange(3)])))
    assert tuple(batch.y.shape) == (3, 5, 1)
    assert episodes.n_support == 2
    values = found.labels.predict(batch.y[0].numpy())
    assert set(np.round(values * 2) % 1) == {0.0}


def test_rotations_make_four_classes_of_one():
    images = np.random.default_rng(0).integers(0, 255, (24, 8, 8)).astype(np.uint8)
    given = {"backbone": "small:conv4?hidden=4", "rotations": True}
    episodes = stream([Domain(images, np.repeat([0, 1, 2], 8))], Shape(12, 2, 4), **given)
    samples, y = episodes[0]
    units = episodes.units(0)
    assert sorted((u.label, u.quarter) for u in units) == [(c, q) for c in range(3) for q in range(4)]
    plain = {tuple(s.flatten().tolist()) for s in (torch.as_tensor(images[i]) for i in range(24))}
    for sample, place in zip(samples, y):
        back = torch.rot90(sample, -units[place].quarter, (-2, -1))
        assert tuple(back.flatten().tolist()) in plain
    with pytest.raises(DomainError, match="must be square images"):
        read([numbered()], rotations=True)


def test_a_share_is_held_back_whole():
    found = read([numbered(10)])
    train, held = split_tasks("here", found, SHAPE, 0.4, 0)
    names = [{u.label for pool in part.pools for u in pool} for part in (train, held)]
    assert [len(n) for n in names] == [6, 4]
    assert not names[0] & names[1]
    with pytest.raises(DomainError, match=r"enough for training.validation=0.1"):
        split_tasks("here", found, SHAPE, 0.1, 0)


def test_all_classes_together():
    found = read([numbered(3), numbered(3, name="b", first=100)])
    rows = Pooled(found.domains, [u for pool in found.pools for u in pool])
    assert rows.y.tolist() == np.repeat(np.arange(6), 8).tolist()
    assert rows[24][0] == 100
