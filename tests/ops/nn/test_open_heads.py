"""The last output of an open head is the largest exactly where its method calls a row unknown."""

import pytest
import torch

from transferkit.ops.nn.open_heads import OneVsAllHead, SharedHead, shared

Z = 3 * torch.randn(60, 5, generator=torch.Generator().manual_seed(0))


def made(cls, **params):
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(1)
        return cls(5, 4, **params).eval()


@pytest.mark.parametrize("kind", ["linear", "mlp", "adapter", "cosine"])
@pytest.mark.parametrize("cls", [OneVsAllHead, SharedHead])
def test_known_outputs_are_those_of_the_head_for_classes(cls, kind):
    head = made(cls, kind=kind)
    assert head(Z).shape == (60, 5)
    torch.testing.assert_close(head(Z)[:, :-1], head.closed(Z))
    again = cls(**head.spec)
    again.load_state_dict(head.state_dict())
    torch.testing.assert_close(again.eval()(Z), head(Z))


def test_a_choice_below_one_half_of_the_best_class_is_unknown():
    head = made(OneVsAllHead)
    with torch.no_grad():
        best = head.closed(Z).argmax(dim=1)
        unit = head.weight / head.weight.norm(dim=2, keepdim=True)
        choice = torch.einsum("bd,skd->bsk", Z, unit).softmax(dim=1)[torch.arange(60), 1, best]
        assert 0.2 < (choice < 0.5).float().mean() < 0.8
        torch.testing.assert_close(head(Z).argmax(dim=1), torch.where(choice < 0.5, 4, best))
        p = head(Z).softmax(dim=1)
        torch.testing.assert_close(p[torch.arange(60), best] / (p[torch.arange(60), best] + p[:, 4]), choice)
        torch.testing.assert_close(head.margins(Z).sigmoid()[torch.arange(60), best], choice)


@pytest.mark.parametrize("threshold", [-0.4, 0.0, 0.2])
def test_a_row_that_is_shared_less_than_the_threshold_is_unknown(threshold):
    head = made(SharedHead, hidden=8, threshold=threshold)
    with torch.no_grad():
        p = head.closed(Z).softmax(dim=1)
        weight = head.critic(Z).sigmoid() + (p * p.log()).sum(dim=1) / torch.tensor(4.0).log()
        torch.testing.assert_close(shared(head.closed(Z), head.critic(Z)), weight)
        torch.testing.assert_close(head(Z).argmax(dim=1), torch.where(weight < threshold, 4, p.argmax(dim=1)))


def test_a_row_is_shared_between_minus_one_and_one():
    even, sure = torch.zeros(2, 3), torch.tensor([[200.0, 0, 0]] * 2)
    critic = torch.tensor([-200.0, 200.0])
    torch.testing.assert_close(shared(even, critic), torch.tensor([-1.0, 0.0]))
    torch.testing.assert_close(shared(sure, critic), torch.tensor([0.0, 1.0]))
    warm = shared(sure, critic, temperature=1e6)
    torch.testing.assert_close(warm, torch.tensor([-1.0, 0.0]), msg="a high temperature makes all rows unsure")
