"""The bottleneck: a dropout that keeps the norms of rows on average, and nothing of it in use."""

import torch

from transferkit.ops.nn.bottleneck import Bottleneck
from transferkit.ops.nn.dropout import without_dropout


def test_dropout_divides_by_the_root_of_what_is_kept_and_so_keeps_squared_norms():
    torch.manual_seed(0)
    x = torch.randn(64, 8)
    plain, dropping = Bottleneck(8, 4000), Bottleneck(8, 4000, 0.75)
    dropping.load_state_dict(plain.state_dict())
    z, dropped = plain(x), dropping(x)
    kept = dropped > 0
    torch.testing.assert_close(dropped[kept], (2 * z)[kept])  # 1 / sqrt(1 - 0.75)
    assert abs(kept.sum() / (z > 0).sum() - 0.25) < 0.01
    torch.testing.assert_close(dropped.square().sum(dim=1), z.square().sum(dim=1), rtol=0.2, atol=0)


def test_no_trace_of_dropout_where_it_is_off():
    x = torch.randn(6, 8)
    neck = Bottleneck(8, 5, 0.5)
    again = Bottleneck(**neck.spec)
    again.load_state_dict(neck.state_dict())
    with without_dropout(neck), without_dropout(again):
        torch.testing.assert_close(neck(x), again(x))
        assert (neck(x) > 0).float().mean() > 0.2
    neck.dropout.eval()  # as at test time, where batch normalisation alone trains
    with without_dropout(again):
        torch.testing.assert_close(neck(x), again(x))
