"""Feature pyramids: timm's own, those of any module, and those of transformers."""

import pytest
import torch
from torch import nn

from transferkit import ParamError
from transferkit.engine.networks.torchvision_guard import guard_torchvision
from transferkit.ops.nn.pyramid import FeatureMap, find_maps, read_maps

X = torch.randn(2, 3, 64, 48, generator=torch.Generator().manual_seed(0))


def timm_model(name, **options):
    guard_torchvision()
    timm = pytest.importorskip("timm")
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return timm.create_model(name, **options).eval()


@pytest.mark.parametrize("name", ["test_resnet", "test_efficientnet"])
def test_of_timm_it_is_what_features_only_gives(name):
    body = timm_model(name, num_classes=0)
    pyramid = timm_model(name, features_only=True)
    pyramid.load_state_dict(body.state_dict(), strict=False)
    maps = find_maps(body, X)
    with torch.no_grad():
        for ours, theirs in zip(read_maps(body, maps, X), pyramid(X), strict=True):
            torch.testing.assert_close(ours, theirs)


def test_of_any_module_it_is_the_last_map_of_every_resolution():
    body = nn.Sequential(
        nn.Conv2d(3, 4, 3, padding=1), nn.ReLU(), nn.Conv2d(4, 6, 3, 2, 1), nn.BatchNorm2d(6), nn.MaxPool2d(2),
        nn.Conv2d(6, 8, 3, padding=1), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(8, 5),
    )  # fmt: skip
    statistics = body[3].running_mean.clone()
    maps = find_maps(body, X)
    assert [(m.name, m.channels, m.height, m.width) for m in maps] == [
        ("1", 4, 64, 48),
        ("3", 6, 32, 24),
        ("5", 8, 16, 12),
    ]
    assert body.training
    torch.testing.assert_close(body[3].running_mean, statistics)
    found = read_maps(body, maps, X)
    assert [tuple(z.shape[1:]) for z in found] == [(4, 64, 48), (6, 32, 24), (8, 16, 12)]
    found[2].sum().backward()
    assert body[0].weight.grad is not None
    assert not any(m._forward_hooks for m in body.modules())


def test_of_a_transformer_four_depths_with_tokens_laid_out_as_places():
    body = timm_model("test_vit", num_classes=0, img_size=(64, 48))
    maps = find_maps(body, X)
    assert [(m.name, m.height, m.width, m.layout) for m in maps] == [
        (f"blocks.{k}", 4, 3, "tokens") for k in (1, 2, 3, 5)
    ]
    last = read_maps(body, maps, X)[-1]
    states = body.forward_intermediates(X, indices=[5], norm=False, intermediates_only=True)[0]
    torch.testing.assert_close(last, states)


def test_maps_with_channels_last_are_turned():
    class Last(nn.Module):
        def __init__(self):
            super().__init__()
            self.conv = nn.Conv2d(3, 5, 3, 2, 1)
            self.norm = nn.LayerNorm(5)

        def forward(self, x):
            return self.norm(self.conv(x).permute(0, 2, 3, 1)).mean(dim=(1, 2))

    maps = find_maps(Last(), X)
    assert maps == (FeatureMap("norm", 5, 32, 24, "last"),)
    assert read_maps(Last(), maps, X)[0].shape == (2, 5, 32, 24)


def test_a_network_without_maps_is_refused():
    with pytest.raises(ParamError, match="source must be a network that makes maps"):
        find_maps(nn.Sequential(nn.Flatten(), nn.Linear(3 * 64 * 48, 4)), X)
