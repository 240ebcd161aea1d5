"""Feature pyramids: the maps that a network makes on its way, one a resolution."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from torch import Tensor, nn

from ...core.errors import ParamError
from .inner_outputs import inner_outputs, look_inside

__all__ = ["FeatureMap", "find_maps", "read_maps"]

_MOST = 5  # levels; beyond stride 32 to stride 1 there is nothing to gain


@dataclass(frozen=True)
class FeatureMap:
    """Where a network makes a map, and how it lies there.

    Attributes
    ----------
    name : str
        The module that puts it out.
    channels, height, width : int
        For an input of the size that it was found with.
    layout : {"first", "last", "tokens"}
        Channels on axis 1; on the last axis; or one token a place, after those that stand for the whole image.
    """

    name: str
    channels: int
    height: int
    width: int
    layout: str


def find_maps(body: nn.Module, x: Tensor) -> tuple[FeatureMap, ...]:
    """The maps of a network for images, from the finest to the coarsest.

    Parameters
    ----------
    body : Module
    x : tensor of shape (batch, n_channels, height, width)
        An input.

    Returns
    -------
    tuple of FeatureMap
        Of a network of timm those that its ``features_only=True`` gives, where it lists them. Of any other, the last map
        of every resolution, at most five. Of a transformer with one resolution, four at even steps of its depth.

    Raises
    ------
    ParamError
        If the network makes no maps.
    """
    seen = look_inside(body, x)
    size = (int(x.shape[-2]), int(x.shape[-1]))
    maps = {name: m for name, z in seen.items() if (m := _map_of(name, z, size)) is not None}
    listed = _listed(body, maps)
    by_size: dict[tuple[int, int], FeatureMap] = {}
    for name in listed or maps:
        by_size[maps[name].height, maps[name].width] = maps[name]
    found = sorted(by_size.values(), key=lambda m: -m.height * m.width)
    if len(found) == 1:
        tokens = _token_maps(seen, found[0])
        steps = sorted({round((k + 1) * len(tokens) / 4) - 1 for k in range(4)} - {-1})
        found = [tokens[k] for k in steps] or found
    if not found:
        raise ParamError("source must be a network that makes maps of its images. Got one that makes none.")
    return tuple(found[-_MOST:])


def read_maps(body: nn.Module, maps: Sequence[FeatureMap], x: Tensor) -> list[Tensor]:
    """The maps for a batch, each of shape (batch, channels, height, width)."""
    kept = inner_outputs(body, x, [m.name for m in maps])
    return [_channels_first(kept[m.name], m) for m in maps]


def _channels_first(z: Tensor, about: FeatureMap) -> Tensor:
    if about.layout == "first":
        return z
    if about.layout == "last":
        return z.permute(0, 3, 1, 2)
    places = z[:, z.shape[1] - about.height * about.width :]
    return places.transpose(1, 2).reshape(len(z), about.channels, about.height, about.width)


def _map_of(name: str, z: Tensor, size: tuple[int, int]) -> FeatureMap | None:
    """An output as a map of the input, if it is one."""
    if z.ndim != 4:
        return None
    for layout, (h, w, channels) in (("first", (2, 3, 1)), ("last", (1, 2, 3))):
        height, width = int(z.shape[h]), int(z.shape[w])
        if height * width > 1 and _same_stride(height, size[0], width, size[1]):
            return FeatureMap(name, int(z.shape[channels]), height, width, layout)
    return None


def _same_stride(height: int, of_height: int, width: int, of_width: int) -> bool:
    """Whether one stride, up to the rounding at the border, brings an image to a map of this size."""
    low = max(of_height / (height + 1), of_width / (width + 1))
    high = min(n / (m - 1) if m > 1 else math.inf for n, m in ((of_height, height), (of_width, width)))
    return low < high and height <= of_height and width <= of_width


def _listed(body: nn.Module, maps: dict[str, FeatureMap]) -> list[str]:
    """Names of the maps that a network of timm lists as its pyramid; none where they are not all there."""
    for prefix, module in body.named_modules():
        info = getattr(module, "feature_info", None)
        if info is None:
            continue
        names = [(f"{prefix}." if prefix else "") + entry["module"] for entry in getattr(info, "info", info)]
        return names if all(name in maps for name in names) else []
    return []


def _token_maps(seen: dict[str, Tensor], patches: FeatureMap) -> list[FeatureMap]:
    """The outputs of a transformer's blocks; `patches` is the one map that it makes, of its patches."""
    n = patches.height * patches.width
    blocks = {
        name: z for name, z in seen.items()
        if z.ndim == 3 and name.rpartition(".")[2].isdigit() and n <= z.shape[1] < 2 * n
    }  # fmt: skip
    depth = min((name.count(".") for name in blocks), default=0)
    return [
        FeatureMap(name, int(z.shape[2]), patches.height, patches.width, "tokens")
        for name, z in blocks.items()
        if name.count(".") == depth
    ]
