"""Strong views: each kind of input is disturbed as the text says, and strength 0 leaves it alone."""

import pytest
import torch

from transferkit.ops.nn.strong_view import noisy_view, strong_view

INPUTS = {
    "vectors": torch.randn(40, 6),
    "series": torch.randn(40, 2, 32),
    "images": torch.randn(40, 3, 12, 12),
}


@pytest.fixture(autouse=True)
def seeded():
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        yield


@pytest.mark.parametrize("kind", INPUTS)
def test_shape_type_and_strength_zero(kind):
    x = INPUTS[kind]
    before = x.clone()
    found = strong_view(x)
    assert found.shape == x.shape
    assert found.dtype == x.dtype
    assert torch.isfinite(found).all()
    assert not torch.equal(found, x)
    assert torch.equal(x, before), "the batch itself must stay"
    torch.testing.assert_close(strong_view(x, 0.0), x)


def test_vectors_take_a_fifth_of_their_numbers_from_other_rows():
    x = torch.arange(4000.0).reshape(500, 8) * 1000
    x = torch.cat([x, torch.zeros(500, 1)], dim=1)
    swapped = ((strong_view(x) - x).abs() > 3 * x.std(dim=0))[:, :8]
    assert swapped.float().mean() < 0.2
    constant = torch.ones(200, 3)
    assert torch.equal(strong_view(constant), constant), "a column without spread has neither noise nor other values"


def test_a_square_of_half_the_side_is_hidden():
    found = strong_view(torch.full((30, 1, 12, 12), 5.0))
    hidden = (found == 0).float().sum(dim=(1, 2, 3))
    assert ((hidden >= 25) & (hidden <= 49)).all()


def test_tokens_are_hidden_but_never_the_first():
    x = {"input_ids": torch.ones(300, 20, dtype=torch.int64), "attention_mask": torch.ones(300, 20, dtype=torch.int64)}
    found = strong_view(x)
    assert torch.equal(found["input_ids"], x["input_ids"])
    assert found["attention_mask"][:, 0].all()
    assert 0.1 < 1 - found["attention_mask"][:, 1:].float().mean() < 0.2
    assert x["attention_mask"].all()
    plain = {"input_ids": x["input_ids"]}
    assert strong_view(plain).keys() == plain.keys()


def test_noise_has_the_deviation_that_was_asked_for():
    x = torch.zeros(200, 50)
    assert abs(noisy_view(x, 0.3).std() - 0.3) < 0.02
    assert noisy_view(x, 0.0) is x
    tokens = {"input_ids": torch.ones(2, 2)}
    assert noisy_view(tokens, 0.3) is tokens
