import numpy as np
import pytest
import torch

from transferkit.ops.nn.contrast import alike, cosine_loss, draw_pairs, supcon_loss

EXHAUSTIVE = ("oversampling", "undersampling", "unique")


def draw(y, sampling, iterations=4, seed=0):
    return draw_pairs(torch.as_tensor(y), sampling, iterations, np.random.default_rng(seed))


@pytest.mark.parametrize("sampling", ["rows", "classes", *EXHAUSTIVE])
def test_pairs_are_what_is_said_of_them(sampling):
    y = np.array([0, 0, 0, 1, 1, 2])
    pairs, same = draw(y, sampling)
    np.testing.assert_array_equal(y[pairs[:, 0]] == y[pairs[:, 1]], same)
    again, _ = draw(y, sampling)
    np.testing.assert_array_equal(pairs, again)
    assert not np.array_equal(pairs, draw(y, sampling, seed=1)[0])


def test_counts():
    y = np.array([0, 0, 0, 1, 1, 2])  # 6 + 3 + 1 pairs of one class, 6 + 3 + 2 of two
    counts = {s: (int(draw(y, s)[1].sum()), int((~draw(y, s)[1]).sum())) for s in ("rows", "classes", *EXHAUSTIVE)}
    assert counts == {
        "rows": (24, 24), "classes": (12, 12), "unique": (10, 11), "oversampling": (11, 11), "undersampling": (10, 10)
    }  # fmt: skip


def test_every_pair_is_there_once_and_a_row_alone_is_its_own_partner():
    y = np.array([0, 0, 0, 1, 1, 2])
    pairs, _ = draw(y, "unique")
    assert len({tuple(p) for p in pairs}) == len(pairs) == 21
    assert {tuple(p) for p in draw(y, "oversampling")[0]} == {tuple(p) for p in pairs}
    pairs, same = draw(y, "rows")
    np.testing.assert_array_equal(np.bincount(pairs[:, 0]), np.full(6, 8))
    itself = pairs[:, 0] == pairs[:, 1]
    assert set(pairs[itself, 0]) == {5}
    assert itself.sum() == 4 <= same.sum()


def test_several_labels():
    table = torch.tensor([[1, 0, 0], [1, 1, 0], [0, 1, 0], [0, 0, 0], [0, 0, 1]], dtype=torch.float32)
    near = alike(table).numpy()
    assert near[0, 1]
    assert near[1, 2]
    assert not near[0, 2]
    assert not near[3, 3]
    for sampling in ("rows", "classes", *EXHAUSTIVE):
        pairs, same = draw(table, sampling)
        np.testing.assert_array_equal(near[pairs[:, 0], pairs[:, 1]], same)
        assert not ((pairs[:, 0] == pairs[:, 1]) & ~same).any(), "a row does not differ from itself"


def test_losses_by_hand():
    a, b = torch.tensor([[1.0, 0.0], [3.0, 4.0]]), torch.tensor([[0.0, 2.0], [3.0, 4.0]])
    assert cosine_loss(a, b, torch.tensor([1.0, 0.0])).item() == pytest.approx((1 + 1) / 2)
    rng = np.random.default_rng(0)
    z, y = rng.normal(size=(5, 3)), np.array([0, 0, 1, 1, 2])
    unit = z / np.linalg.norm(z, axis=1, keepdims=True)
    s = np.exp(unit @ unit.T / 0.3)
    terms = []
    for i in range(5):
        partners = [j for j in range(5) if j != i and y[j] == y[i]]
        below = sum(s[i, k] for k in range(5) if k != i)
        if partners:
            terms.append(np.mean([-np.log(s[i, j] / below) for j in partners]))
    found = supcon_loss(torch.as_tensor(z), alike(torch.as_tensor(y)), 0.3).item()
    assert found == pytest.approx(np.mean(terms), rel=1e-5)


def test_a_batch_without_partners_is_nothing_to_learn_from():
    z = torch.randn(3, 2, requires_grad=True)
    loss = supcon_loss(z, alike(torch.arange(3)), 0.1)
    loss.backward()
    assert loss.item() == 0
    assert torch.equal(z.grad, torch.zeros_like(z))
